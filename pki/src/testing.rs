//! A small authority for the tests of this crate: root, national and province authority, and any
//! end certificate by one call. Compiled for tests only.

use formats::id::{AgencyCode, Party, StationName, TrustDomain};
use formats::time::Timestamp;

use crate::cert::Certificate;
use crate::chain::{TrustStore, Validator};
use crate::issue::{CRL_VALID_MS, CrlEntry, CrlTemplate, Issuer, prepare_root, sign_root};
use crate::key::{Algorithm, SigningKey};
use crate::ledger::Ledger;
use crate::profile::Template;
use crate::revoke::Crl;
use crate::role::{NameKind, Role};

/// 2026-11-22T03:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_s(1_795_316_400);

/// The authority.
pub(crate) struct Country {
    _dir: tempfile::TempDir,
    pub(crate) domain: TrustDomain,
    pub(crate) ledger: Ledger,
    pub(crate) root: Issuer,
    pub(crate) national: Issuer,
    /// Limited to `h01.tram.test`.
    pub(crate) province: Issuer,
}

impl Country {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&dir.path().join("ledger.jsonl")).unwrap();
        let domain = TrustDomain::parse("tram.test").unwrap();
        let key = SigningKey::generate(Algorithm::EcdsaP384).unwrap();
        let template = Template::new(Role::Root, "Root", key.spki_der(), NOW);
        let prepared = prepare_root(template, &key, &domain).unwrap();
        let planned = ledger.plan(vec![prepared], NOW).unwrap().pop().unwrap();
        let cert = sign_root(planned, &key).unwrap();
        ledger.issued(std::slice::from_ref(&cert), NOW).unwrap();
        let root = Issuer::new(cert, key, domain.clone()).unwrap();
        let national = below(&mut ledger, &root, "National", "tram.test", &domain);
        let province = below(&mut ledger, &root, "Province", "h01.tram.test", &domain);
        Self {
            _dir: dir,
            domain,
            ledger,
            root,
            national,
            province,
        }
    }

    /// A template for a role and name, with a fresh key.
    pub(crate) fn template(role: Role, name: &str) -> (SigningKey, Template) {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let party = match role.name_kind() {
            NameKind::Agency => Party::Agency(AgencyCode::parse(name).unwrap()),
            NameKind::None | NameKind::Station => Party::Station(StationName::parse(name).unwrap()),
        };
        let template = Template::new(role, name, key.spki_der(), NOW).for_party(party);
        (key, template)
    }

    /// An end certificate of the national authority.
    pub(crate) fn issue(&mut self, role: Role, name: &str) -> (SigningKey, Certificate) {
        let (key, template) = Self::template(role, name);
        let cert = issue(&mut self.ledger, &self.national, template);
        (key, cert)
    }

    pub(crate) fn crl(&mut self, entries: Vec<CrlEntry>, at: Timestamp) -> Crl {
        let (number, _) = self
            .ledger
            .next_crl(self.national.certificate(), at)
            .unwrap();
        let next_update = at.plus_ms(CRL_VALID_MS);
        self.national
            .sign_crl(&CrlTemplate {
                number,
                this_update: at,
                next_update,
                entries,
            })
            .unwrap()
    }

    /// An empty list of the root.
    pub(crate) fn root_crl(&self) -> Crl {
        let template = CrlTemplate {
            number: 1,
            this_update: NOW,
            next_update: NOW.plus_ms(CRL_VALID_MS),
            entries: Vec::new(),
        };
        self.root.sign_crl(&template).unwrap()
    }

    pub(crate) fn store(&self, crls: Vec<Crl>) -> TrustStore {
        TrustStore {
            trust_domain: self.domain.clone(),
            roots: vec![self.root.certificate().clone()],
            intermediates: vec![
                self.national.certificate().clone(),
                self.province.certificate().clone(),
            ],
            crls,
            ocsp: Vec::new(),
        }
    }

    pub(crate) fn validator(&self) -> Validator {
        Validator::new(self.store(Vec::new()))
    }
}

fn below(
    ledger: &mut Ledger,
    root: &Issuer,
    name: &str,
    subtree: &str,
    domain: &TrustDomain,
) -> Issuer {
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let template = Template::new(Role::IssuingCa, name, key.spki_der(), NOW).permitting(subtree);
    let cert = issue(ledger, root, template);
    Issuer::new(cert, key, domain.clone()).unwrap()
}

/// Prepare, plan, sign.
pub(crate) fn issue(ledger: &mut Ledger, issuer: &Issuer, template: Template) -> Certificate {
    let prepared = issuer.prepare(template).unwrap();
    let planned = ledger.plan(vec![prepared], NOW).unwrap().pop().unwrap();
    let cert = issuer.sign(planned).unwrap();
    ledger.issued(std::slice::from_ref(&cert), NOW).unwrap();
    cert
}

/// Signs whatever a template says under any authority, without lint and ledger: how a rogue
/// authority would. `change` edits the to-be-signed bytes before they are signed.
pub(crate) fn forge(
    issuer: &Certificate,
    key: &SigningKey,
    template: &Template,
    domain: &TrustDomain,
    change: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Certificate {
    use der::{Any, Decode, Encode, asn1::BitString};
    let algorithm = key.signature_algorithm().identifier().unwrap();
    let tbs = crate::profile::to_be_signed(template, Some(issuer), &[1], algorithm.clone(), domain)
        .unwrap();
    let tbs = change(tbs);
    let signature = BitString::from_bytes(&key.sign(&tbs).unwrap()).unwrap();
    let signed = crate::profile::Signed {
        tbs: Any::from_der(&tbs).unwrap(),
        algorithm,
        signature,
    };
    Certificate::parse(&signed.to_der().unwrap()).unwrap()
}
