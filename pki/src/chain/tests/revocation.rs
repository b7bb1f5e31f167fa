//! Revocation in the validator: lists and answers beside each other, freshness, and lists of kinds
//! that our own authorities do not publish (made by openssl).

use x509_cert::ext::pkix::CrlReason;

use crate::cert::Certificate;
use crate::chain::path::Question;
use crate::chain::store::Store;
use crate::chain::{ChainError, RevocationPolicy, TrustStore, Validator};
use crate::issue::CrlEntry;
use crate::key::SigningKey;
use crate::ocsp::{CertId, Responder, Response, Status};
use crate::revoke::{Crl, Revocation};
use crate::role::Role;
use crate::testing::{Country, NOW};
use formats::time::Timestamp;

const HOUR_MS: i64 = 3_600_000;
const REQUIRED: RevocationPolicy = RevocationPolicy::Required { grace_ms: 0 };

/// A country whose national authority has a responder, and somebody asked about.
struct Scene {
    country: Country,
    subject: Certificate,
    key: SigningKey,
    responder: Certificate,
}

impl Scene {
    fn new() -> Self {
        let mut country = Country::new();
        let (_, subject) = country.issue(Role::AgencySignature, "H01");
        let (key, responder) = country.issue(Role::Ocsp, "ocsp-1.tram.test");
        Self {
            country,
            subject,
            key,
            responder,
        }
    }

    fn answer(&self, status: Status, from: Timestamp, hours: i64) -> Response {
        let issuer = self.country.national.certificate();
        let responder =
            Responder::new(self.key.clone(), self.responder.clone(), issuer.clone()).unwrap();
        let id = CertId::sha256(issuer, self.subject.serial()).unwrap();
        let until = from.plus_ms(hours * HOUR_MS);
        Response::parse(&responder.answer(&id, status, from, until).unwrap()).unwrap()
    }

    fn store(&self, crls: Vec<Crl>, ocsp: Vec<Response>) -> TrustStore {
        TrustStore {
            ocsp,
            ..self.country.store(crls)
        }
    }

    fn ask(&self, validator: &Validator, at: Timestamp) -> Result<(), ChainError> {
        let asked = validator.verify(&self.subject, Role::AgencySignature, at);
        asked.map(drop)
    }

    fn entry(&self, reason: CrlReason) -> CrlEntry {
        CrlEntry {
            serial: self.subject.serial().to_vec(),
            at: NOW,
            reason,
        }
    }
}

fn revoked(reason: CrlReason) -> Status {
    Status::Revoked(Revocation { at: NOW, reason })
}

#[test]
fn who_is_revoked_by_an_answer_is_revoked_whatever_the_list_says() {
    let mut scene = Scene::new();
    let clean = scene.country.crl(Vec::new(), NOW);
    let bad = scene.answer(revoked(CrlReason::KeyCompromise), NOW, 48);
    let validator = Validator::new(scene.store(vec![clean], vec![bad]));
    let refused = scene.ask(&validator, NOW);
    assert!(
        matches!(&refused, Err(ChainError::Revoked { at, judged, .. }) if *at == NOW && *judged == NOW),
        "{refused:?}"
    );
    let entry = scene.entry(CrlReason::KeyCompromise);
    let listed = scene.country.crl(vec![entry], NOW);
    let good = scene.answer(Status::Good, NOW.plus_ms(HOUR_MS), 48);
    let validator = Validator::new(scene.store(vec![listed], vec![good]));
    assert!(matches!(
        scene.ask(&validator, NOW),
        Err(ChainError::Revoked { .. })
    ));
}

#[test]
fn the_newest_answer_decides_and_reasons_reach_back_as_in_lists() {
    let scene = Scene::new();
    let old = scene.answer(revoked(CrlReason::CertificateHold), NOW, 48);
    let new = scene.answer(Status::Good, NOW.plus_ms(HOUR_MS), 48);
    let later = NOW.plus_ms(2 * HOUR_MS);
    for answers in [vec![old.clone(), new.clone()], vec![new, old.clone()]] {
        let validator = Validator::new(scene.store(Vec::new(), answers));
        assert!(scene.ask(&validator, later).is_ok());
    }
    let held = Validator::new(scene.store(Vec::new(), vec![old]));
    assert!(scene.ask(&held, later).is_err());
    let replaced = scene.answer(revoked(CrlReason::Superseded), NOW, 48);
    let validator = Validator::new(scene.store(Vec::new(), vec![replaced]));
    assert!(
        scene.ask(&validator, NOW.minus_ms(1000)).is_ok(),
        "before it was replaced"
    );
    assert!(scene.ask(&validator, NOW).is_err());
}

#[test]
fn an_answer_counts_like_a_list_where_one_is_demanded() {
    let scene = Scene::new();
    // The list of the root speaks about the authority, the answer about the end.
    let root = scene.country.root_crl();
    let cases = [
        (Status::Good, NOW, true),
        (Status::Good, NOW.plus_ms(25 * HOUR_MS), false),
        (Status::Unknown, NOW, false),
    ];
    for (status, asked, accepted) in cases {
        let answer = scene.answer(status, NOW, 24);
        let store = scene.store(vec![root.clone()], vec![answer]);
        let verdict = scene.ask(&Validator::with_policy(store, REQUIRED), asked);
        assert_eq!(verdict.is_ok(), accepted, "{status:?} {verdict:?}");
        if let Err(error) = verdict {
            let told = error.to_string();
            assert!(matches!(error, ChainError::RevocationUnknown { at, .. } if at == asked));
            let known = status != Status::Unknown;
            assert_eq!(told.contains("newest data is of"), known, "{told}");
            assert!(told.contains(&asked.to_string()), "{told}");
        }
    }
    let alone = scene.store(vec![root], Vec::new());
    let refused = scene
        .ask(&Validator::with_policy(alone, REQUIRED), NOW)
        .unwrap_err();
    assert!(refused.to_string().contains("no list or answer is held"));
    assert_eq!(refused.rule(), "RFC 5280 section 6.1.3 (a) (3)");
}

#[test]
fn answers_of_strangers_and_of_revoked_responders_are_as_good_as_absent() {
    let mut scene = Scene::new();
    let other = Scene::new();
    // Another country's responder about the same serial number, renamed to this authority.
    let issuer = other.country.national.certificate().clone();
    let responder = Responder::new(other.key.clone(), other.responder, issuer.clone()).unwrap();
    let id = CertId::sha256(&issuer, scene.subject.serial()).unwrap();
    let bad = responder
        .answer(
            &id,
            revoked(CrlReason::KeyCompromise),
            NOW,
            NOW.plus_ms(HOUR_MS),
        )
        .unwrap();
    let bad = Response::parse(&bad).unwrap();
    let validator = Validator::new(scene.store(Vec::new(), vec![bad]));
    assert!(scene.ask(&validator, NOW).is_ok());
    // Our responder is excused from the question whether it is revoked (nocheck), so an answer of
    // it counts until its certificate ends and no longer.
    let end = scene.responder.not_after();
    let answer = scene.answer(Status::Good, end.minus_ms(HOUR_MS), 1);
    let clean = scene.country.crl(Vec::new(), NOW);
    let validator = Validator::new(scene.store(vec![clean], vec![answer]));
    let verified = validator
        .verify(&scene.subject, Role::AgencySignature, NOW)
        .unwrap();
    let of = |now| validator.freshness_of(&verified, now);
    assert_eq!(of(end).stale, Vec::<String>::new());
    assert_eq!(of(end).missing.len(), 1, "the root has no list");
    assert_eq!(of(end).until, Some(end));
    assert_eq!(of(end.plus_ms(1000)).stale.len(), 1);
}

/// An authority by openssl whose lists can be of any kind.
struct Foreign {
    authority: crate::fixture::Authority,
    subject: Certificate,
    stem: String,
}

impl Foreign {
    fn new() -> Self {
        let authority = crate::fixture::Authority::new();
        let algorithm = crate::key::Algorithm::EcdsaP256;
        let holder = authority.signer(Role::AgencySignature, "h01", algorithm);
        Self {
            subject: holder.certificate,
            stem: holder.stem,
            authority,
        }
    }

    /// A list with the given number and extensions; with a reason the subject is on it.
    fn list(&self, name: &str, number: &str, extensions: &str, reason: Option<&str>) -> Crl {
        let folder = self.authority.path();
        let config = format!(
            "[ca]\ndefault_ca=one\n[one]\ndatabase={name}.txt\ncrlnumber={name}.num\n\
             default_md=sha256\nunique_subject=no\n[ext]\nauthorityKeyIdentifier=keyid\n{extensions}\n"
        );
        self.authority
            .write(&format!("{name}.cnf"), config.as_bytes());
        self.authority.write(&format!("{name}.txt"), b"");
        self.authority
            .write(&format!("{name}.num"), format!("{number}\n").as_bytes());
        let base = format!("ca -config {name}.cnf -keyfile ca.key -cert ca.crt");
        if let Some(reason) = reason {
            let stem = &self.stem;
            self.authority
                .openssl(&format!("{base} -revoke {stem}.crt -crl_reason {reason}"));
        }
        self.authority.openssl(&format!(
            "{base} -gencrl -crldays 20 -crlexts ext -out {name}.pem"
        ));
        self.authority
            .openssl(&format!("crl -in {name}.pem -outform DER -out {name}.der"));
        let der = std::fs::read(folder.join(format!("{name}.der"))).unwrap();
        Crl::parse_any(&der).unwrap()
    }

    fn ask(&self, crls: Vec<Crl>) -> Result<(), ChainError> {
        // The authority itself is the anchor here: lists of its root are not what is asked about.
        let store = Store::new(vec![self.authority.ca.clone()], Vec::new(), crls);
        let question = Question::strict(self.authority.now(), REQUIRED);
        crate::chain::path::build(&store, &[], &self.subject, &question).map(drop)
    }
}

#[test]
fn a_delta_continues_the_list_that_it_names_and_no_other() {
    let foreign = Foreign::new();
    let base = foreign.list("base", "05", "", None);
    assert!(foreign.ask(vec![base.clone()]).is_ok());
    let delta = |name, number, of: &str, reason| {
        let extension = format!("2.5.29.27=critical,DER:02010{of}");
        foreign.list(name, number, &extension, reason)
    };
    let bad = delta("bad", "06", "5", Some("keyCompromise"));
    assert!(bad.is_delta());
    assert!(Crl::parse(bad.der()).is_err(), "a delta alone is no list");
    let refused = foreign.ask(vec![base.clone(), bad.clone()]);
    assert!(
        matches!(refused, Err(ChainError::Revoked { .. })),
        "{refused:?}"
    );
    assert!(
        foreign.ask(vec![bad]).is_err(),
        "without its base it proves nothing"
    );
    // Made for a newer base than the one held: it says nothing about what lies between.
    let later = delta("later", "09", "8", Some("keyCompromise"));
    assert!(foreign.ask(vec![base, later]).is_ok());
    // A hold on the full list that the delta takes back.
    let held = foreign.list("held", "05", "", Some("certificateHold"));
    assert!(foreign.ask(vec![held.clone()]).is_err());
    let back = delta("back", "06", "5", Some("removeFromCRL"));
    assert!(foreign.ask(vec![held, back]).is_ok());
}

#[test]
fn lists_for_some_reasons_count_together_only() {
    let foreign = Foreign::new();
    let part = |name: &str, reasons: &str| {
        let extensions =
            format!("issuingDistributionPoint=critical,@idp\n[idp]\nonlysomereasons={reasons}");
        foreign.list(name, "01", &extensions, None)
    };
    let keys = part("keys", "keyCompromise,CACompromise");
    let rest = part(
        "rest",
        "affiliationChanged,superseded,cessationOfOperation,certificateHold,privilegeWithdrawn,\
         AACompromise",
    );
    assert!(foreign.ask(vec![keys.clone()]).is_err());
    assert!(foreign.ask(vec![rest.clone()]).is_err());
    assert!(foreign.ask(vec![keys, rest]).is_ok());
    let only = |what: &str| format!("issuingDistributionPoint=critical,@idp\n[idp]\n{what}=TRUE");
    let users = foreign.list("users", "01", &only("onlyuser"), None);
    let authorities = foreign.list("cas", "01", &only("onlyCA"), None);
    assert!(foreign.ask(vec![users]).is_ok());
    assert!(foreign.ask(vec![authorities]).is_err());
    let named = "issuingDistributionPoint=critical,@idp\n[idp]\nfullname=URI:http://ca.test/a.crl";
    let named = foreign.list("named", "01", named, None);
    assert!(
        foreign.ask(vec![named]).is_err(),
        "the certificate names no such point"
    );
}

#[test]
fn a_list_that_breaks_the_profile_still_revokes_and_clears_nobody() {
    let foreign = Foreign::new();
    assert_eq!(foreign.list("good", "01", "", None).nonconformance(), None);
    let mark =
        "issuerAltName=URI:http://ca.test\nfreshestCRL=critical,URI:http://ca.test/delta.crl";
    let clean = foreign.list("clean", "01", mark, None);
    assert!(clean.nonconformance().is_some());
    assert!(foreign.ask(vec![clean]).is_err());
    let revoking = foreign.list("revoking", "01", mark, Some("keyCompromise"));
    let refused = foreign.ask(vec![revoking]);
    assert!(
        matches!(refused, Err(ChainError::Revoked { .. })),
        "{refused:?}"
    );
}
