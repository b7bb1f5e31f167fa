//! A throwaway authority: root, issuing authority, ledger, records folder.

use std::path::{Path, PathBuf};

use der::asn1::{BitString, OctetString};
use der::{Decode, Encode};
use formats::id::{AgencyCode, Party, StationName, TrustDomain};
use formats::record::{
    Agencies, Agency, Alias, Attachment, Der, Record, Station, StationKind, StationLimits,
    TrustList, Windows,
};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::issue::{CrlEntry, CrlTemplate, Issuer, prepare_root, sign_root};
use pki::key::{Algorithm, LogKey, SigningKey};
use pki::ledger::Ledger;
use pki::profile::Template;
use pki::revoke::CrlReason;
use pki::role::Role;
use x509_cert::crl::CertificateList;

use crate::standin::{Parts, Standin};

pub struct Authority {
    pub records: PathBuf,
    pub trust_list_certificate: PathBuf,
    pub now: Timestamp,
    root: Issuer,
    ca: Issuer,
    ca_key: SigningKey,
    ledger: Ledger,
    sequence: u64,
}

/// A key and what was issued for it.
pub struct Credential {
    pub key: SigningKey,
    pub certificate: Certificate,
}

pub struct StationCredentials {
    pub name: StationName,
    pub tls: Credential,
    pub evidence: Credential,
    pub log_key: LogKey,
}

pub fn domain() -> TrustDomain {
    "tram.test".parse().unwrap()
}

impl Authority {
    pub fn new(dir: &Path, now: Timestamp) -> Self {
        let records = dir.join("records");
        std::fs::create_dir_all(&records).unwrap();
        let mut ledger = Ledger::open(&dir.join("ledger")).unwrap();
        let root_key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let template = Template::new(Role::Root, "Root", root_key.spki_der(), now);
        let prepared = prepare_root(template, &root_key, &domain()).unwrap();
        let planned = ledger.plan(vec![prepared], now).unwrap().remove(0);
        let certificate = sign_root(planned, &root_key).unwrap();
        let root = Issuer::new(certificate, root_key, domain()).unwrap();
        let ca_key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let template = Template::new(Role::IssuingCa, "CA", ca_key.spki_der(), now)
            .permitting(domain().as_str());
        let certificate = issue(&root, &mut ledger, template, now);
        let ca = Issuer::new(certificate, ca_key.clone(), domain()).unwrap();
        let trust_list_certificate = dir.join("trust-list.crt");
        let mut authority = Self {
            records,
            trust_list_certificate,
            now,
            root,
            ca,
            ca_key,
            ledger,
            sequence: 1,
        };
        authority.publish_trust();
        authority
    }

    fn trust_list(&self) -> TrustList {
        TrustList {
            trust_domain: domain(),
            sequence: 1,
            issued: self.now,
            not_after: self.year(),
            roots: vec![Der::new(self.root.certificate().der().to_vec()).unwrap()],
            tsas: vec![],
            windows: Windows {
                revocation_s: 86_400,
                created_behind_s: 604_800,
                created_ahead_s: 600,
            },
            signers: None,
            witnesses: None,
        }
    }

    fn publish_trust(&mut self) {
        let name: StationName = "trust-list.tram.test".parse().unwrap();
        let signer = self.credential(Role::TrustList, Some(Party::Station(name)));
        std::fs::write(&self.trust_list_certificate, signer.certificate.pem()).unwrap();
        let list = Record::TrustList(self.trust_list());
        self.publish("trust-list", &list, &signer);
        self.put("ca.crt", self.ca.certificate().pem().as_bytes());
        for (issuer, file) in [(self.root.clone(), "root.crl"), (self.ca.clone(), "ca.crl")] {
            let (number, entries) = self
                .ledger
                .next_crl(issuer.certificate(), self.now)
                .unwrap();
            let crl = issuer
                .sign_crl(&CrlTemplate {
                    number,
                    this_update: self.now.minus_ms(60_000),
                    next_update: self.now.plus_ms(48 * 3_600_000 - 60_000),
                    entries,
                })
                .unwrap();
            self.put(file, crl.der());
        }
    }

    /// New lists of both authorities, made at `now` and valid for 48 h.
    pub fn renew_lists(&mut self, now: Timestamp) {
        for (issuer, file) in [(self.root.clone(), "root.crl"), (self.ca.clone(), "ca.crl")] {
            let (number, entries) = self.ledger.next_crl(issuer.certificate(), now).unwrap();
            let crl = issuer.sign_crl(&list(number, entries, now)).unwrap();
            self.put(file, crl.der());
        }
    }

    /// A list of the issuing authority with exactly these entries: certificate, time, reason.
    pub fn publish_list(
        &mut self,
        revoked: &[(&Certificate, Timestamp, CrlReason)],
        now: Timestamp,
    ) {
        let (number, _) = self.ledger.next_crl(self.ca.certificate(), now).unwrap();
        let entries = revoked.iter().map(|(certificate, at, reason)| CrlEntry {
            serial: bytes(&certificate.serial_hex()),
            at: *at,
            reason: *reason,
        });
        // Our own linter signs no holds; other authorities do.
        let plain = |entry: CrlEntry| match entry.reason {
            CrlReason::CertificateHold => CrlEntry {
                reason: CrlReason::Superseded,
                ..entry
            },
            _ => entry,
        };
        let crl = self
            .ca
            .sign_crl(&list(number, entries.map(plain).collect(), now))
            .unwrap();
        let held = revoked
            .iter()
            .filter(|(.., reason)| *reason == CrlReason::CertificateHold);
        let held: Vec<Vec<u8>> = held.map(|(one, ..)| bytes(&one.serial_hex())).collect();
        let der = with_holds(crl.der(), &held, &self.ca_key);
        self.put("ca.crl", &der);
    }

    /// A trust list with this end and the next sequence.
    pub fn trust_until(&mut self, not_after: Timestamp) {
        let name: StationName = "trust-list.tram.test".parse().unwrap();
        let signer = self.credential(Role::TrustList, Some(Party::Station(name)));
        std::fs::write(&self.trust_list_certificate, signer.certificate.pem()).unwrap();
        let mut list = self.trust_list();
        list.not_after = not_after;
        list.sequence = 2;
        self.publish("trust-list", &Record::TrustList(list), &signer);
    }

    /// A trust list that names these witnesses.
    pub fn trust_witnesses(&mut self, policy: &formats::witness::WitnessPolicy) {
        let name: StationName = "trust-list.tram.test".parse().unwrap();
        let signer = self.credential(Role::TrustList, Some(Party::Station(name)));
        std::fs::write(&self.trust_list_certificate, signer.certificate.pem()).unwrap();
        let mut list = self.trust_list();
        list.sequence = 2;
        list.witnesses = Some(policy.clone());
        self.publish("trust-list", &Record::TrustList(list), &signer);
    }

    /// The trust list that is published.
    pub fn in_force(&self) -> Record {
        let bytes = std::fs::read(self.records.join("trust-list.rec")).unwrap();
        pki::record::open(&bytes).unwrap().record
    }

    /// Revokes a certificate and publishes the new list.
    pub fn revoke(&mut self, certificate: &Certificate, now: Timestamp) {
        let reason = pki::ledger::reason_from("key-compromise").unwrap();
        self.ledger
            .revoke(&certificate.serial_hex(), reason, now)
            .unwrap();
        let (number, entries) = self.ledger.next_crl(self.ca.certificate(), now).unwrap();
        let crl = self
            .ca
            .sign_crl(&CrlTemplate {
                number,
                this_update: now,
                next_update: now.plus_ms(48 * 3_600_000),
                entries,
            })
            .unwrap();
        self.put("ca.crl", crl.der());
    }

    pub fn credential(&mut self, role: Role, party: Option<Party>) -> Credential {
        let now = self.now;
        self.credential_with(role, party, |template| {
            template.not_before = now.minus_ms(3_600_000)
        })
    }

    /// A credential whose template was changed by hand.
    pub fn credential_with(
        &mut self,
        role: Role,
        party: Option<Party>,
        change: impl FnOnce(&mut Template),
    ) -> Credential {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let name = party
            .as_ref()
            .map_or_else(|| role.to_string(), ToString::to_string);
        let mut template = Template::new(role, &name, key.spki_der(), self.now);
        template.party = party;
        change(&mut template);
        let certificate = issue(&self.ca, &mut self.ledger, template, self.now);
        Credential { key, certificate }
    }

    pub fn station(
        &mut self,
        label: &str,
        kind: StationKind,
        address: &str,
        home_relays: &[StationName],
        neighbours: &[StationName],
    ) -> StationCredentials {
        let name: StationName = format!("{label}.tram.test").parse().unwrap();
        let party = Some(Party::Station(name.clone()));
        let tls = self.credential(Role::StationTls, party.clone());
        let evidence = self.credential(Role::StationEvidence, party);
        let log_key = LogKey::generate().unwrap();
        self.put(
            &format!("{label}-evidence.crt"),
            evidence.certificate.pem().as_bytes(),
        );
        let record = Record::Station(Station {
            name: name.clone(),
            sequence: 1,
            issued: self.now,
            not_after: self.year(),
            kind,
            tls_sha256: vec![tls.certificate.sha256()],
            evidence_sha256: vec![evidence.certificate.sha256()],
            log_origin: formats::checkpoint::LogOrigin::new(name.clone(), 1),
            note_key: formats::record::NoteKey::from_bytes(log_key.public()),
            old_note_keys: vec![],
            addresses: vec![address.parse().unwrap()],
            home_relays: home_relays.to_vec(),
            site: None,
            neighbours: neighbours.to_vec(),
            limits: StationLimits {
                body_bytes: 1 << 31,
                transfers: 64,
            },
        });
        self.publish(label, &record, &evidence);
        StationCredentials {
            name,
            tls,
            evidence,
            log_key,
        }
    }

    /// Publishes agencies with their signature keys, attached to a station.
    pub fn agencies(&mut self, codes: &[(&str, &StationName)]) -> Vec<Credential> {
        let name: StationName = "registry-1.tram.test".parse().unwrap();
        let registry = self.credential(Role::Registry, Some(Party::Station(name)));
        let mut entries: Vec<Agency> = codes
            .iter()
            .map(|(code, _)| Agency {
                code: code.parse().unwrap(),
                name: format!("Agency {code}"),
                aliases: vec![Alias::always(format!("old-{code}"))],
                parent: None,
                valid_from: self.now.minus_ms(1_000),
                valid_to: None,
                successor: None,
            })
            .collect();
        entries.sort_by(|one, other| one.code.cmp(&other.code));
        let bundle = Record::Agencies(Agencies {
            bundle: 1,
            sequence: 1,
            issued: self.now,
            not_after: self.year(),
            agencies: entries,
        });
        self.publish("agencies", &bundle, &registry);
        let attached = codes.iter().map(|(code, station)| {
            let code: AgencyCode = code.parse().unwrap();
            let signature =
                self.credential(Role::AgencySignature, Some(Party::Agency(code.clone())));
            self.put(
                &format!("{code}.crt"),
                signature.certificate.pem().as_bytes(),
            );
            self.attach(&code, station, &signature);
            signature
        });
        attached.collect()
    }

    /// Says which station is the agency's home from now on.
    pub fn attach(&mut self, code: &AgencyCode, station: &StationName, signature: &Credential) {
        self.sequence += 1;
        let record = Record::Attachment(Attachment {
            agency: code.clone(),
            sequence: self.sequence,
            issued: self.now,
            not_after: self.year(),
            station: station.clone(),
            from: self.now.minus_ms(1_000),
        });
        self.publish(&format!("{code}-{}", self.sequence), &record, signature);
    }

    pub fn publish(&self, name: &str, record: &Record, signer: &Credential) {
        let signed = pki::record::sign(record, &signer.key, &signer.certificate, self.now).unwrap();
        self.put(&format!("{name}.rec"), &signed);
    }

    pub fn put(&self, file: &str, content: &[u8]) {
        std::fs::write(self.records.join(file), content).unwrap();
    }

    /// A stand-in for its server, which publishes its records folder and knows one grant.
    pub async fn serve(&self, grant: pki::enrol::Grant) -> Standin {
        self.serve_as("authority-1.tram.test", grant).await
    }

    /// The same under another name.
    pub async fn serve_as(&self, name: &str, grant: pki::enrol::Grant) -> Standin {
        let clock = relay::clock::Clock::system();
        Standin::start(Parts {
            domain: domain(),
            root: self.root.certificate().clone(),
            ca: self.ca.clone(),
            ledger: Ledger::open(&self.records.with_file_name(format!("{name}.ledger"))).unwrap(),
            trust_list: Certificate::load(&self.trust_list_certificate).unwrap(),
            records: self.records.clone(),
            grant,
            name: name.parse().unwrap(),
            now: std::sync::Arc::new(move || clock.now()),
        })
        .await
    }

    /// The root certificate.
    pub fn root(&self) -> &Certificate {
        self.root.certificate()
    }

    /// The chain a station sends.
    pub fn chain(&self, certificate: &Certificate) -> Vec<Certificate> {
        vec![certificate.clone(), self.ca.certificate().clone()]
    }

    fn year(&self) -> Timestamp {
        self.now.plus_ms(365 * 86_400_000)
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn list(number: u64, entries: Vec<CrlEntry>, now: Timestamp) -> CrlTemplate {
    CrlTemplate {
        number,
        this_update: now,
        next_update: now.plus_ms(48 * 3_600_000),
        entries,
    }
}

fn issue(issuer: &Issuer, ledger: &mut Ledger, template: Template, now: Timestamp) -> Certificate {
    let prepared = issuer.prepare(template).unwrap();
    let planned = ledger.plan(vec![prepared], now).unwrap().remove(0);
    issuer.sign(planned).unwrap()
}

/// A list with these serial numbers on hold, signed again.
fn with_holds(crl: &[u8], held: &[Vec<u8>], key: &SigningKey) -> Vec<u8> {
    let mut list: CertificateList = CertificateList::from_der(crl).unwrap();
    let entries = list.tbs_cert_list.revoked_certificates.iter_mut().flatten();
    for entry in entries {
        let serial = entry.serial_number.as_bytes();
        let serial = serial.strip_prefix(&[0]).unwrap_or(serial);
        if held.iter().any(|one| one == serial) {
            for extension in entry.crl_entry_extensions.iter_mut().flatten() {
                // CRLReason certificateHold (RFC 5280 section 5.3.1).
                extension.extn_value = OctetString::new([0x0a, 1, 6]).unwrap();
            }
        }
    }
    let signature = key.sign(&list.tbs_cert_list.to_der().unwrap()).unwrap();
    list.signature = BitString::from_bytes(&signature).unwrap();
    list.to_der().unwrap()
}
