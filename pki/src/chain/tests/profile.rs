//! Roles, names, delegation and revocation of this network, on certificates that we issue and on
//! ones that a rogue authority would.

use std::process::Command;

use formats::id::{AgencyCode, Party};
use x509_cert::ext::pkix::CrlReason;

use crate::chain::{ChainError, RevocationPolicy, Validator};
use crate::issue::CrlEntry;
use crate::key::{Algorithm, SigningKey};
use crate::profile::Template;
use crate::role::Role;
use crate::testing::{Country, NOW, forge, issue};

pub(crate) const ENDS: [(Role, &str); 9] = [
    (Role::AgencyEncryption, "H01.36.04"),
    (Role::AgencySignature, "H01.36.04"),
    (Role::Delegate, "H01"),
    (Role::Ocsp, "ocsp-1.tram.test"),
    (Role::Registry, "registry-1.tram.test"),
    (Role::StationEvidence, "node-1.tram.test"),
    (Role::StationTls, "node-1.tram.test"),
    (Role::TimeStamping, "tsa-1.tram.test"),
    (Role::TrustList, "trust-list.tram.test"),
];

fn openssl_verify(
    country: &Country,
    ca: &crate::cert::Certificate,
    cert: &crate::cert::Certificate,
) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let root = write("root.pem", country.root.certificate().pem());
    let ca = write("ca.pem", ca.pem());
    let end = write("end.pem", cert.pem());
    let out = Command::new("openssl")
        .args([
            "verify",
            "-x509_strict",
            "-attime",
            &NOW.unix_s().to_string(),
            "-CAfile",
        ])
        .arg(root)
        .arg("-untrusted")
        .arg(ca)
        .arg(end)
        .output()
        .unwrap();
    out.status.success()
}

#[test]
fn each_role_is_believed_as_itself_only_and_openssl_agrees() {
    let mut country = Country::new();
    let validator = country.validator();
    for (role, name) in ENDS {
        let (_, cert) = country.issue(role, name);
        let believed = validator.verify(&cert, role, NOW).unwrap();
        assert_eq!(believed.party().unwrap().to_string(), name);
        assert_eq!(believed.path().len(), 3);
        for (other, _) in ENDS.iter().filter(|(other, _)| *other != role) {
            let refused = validator.verify(&cert, *other, NOW);
            assert!(
                matches!(refused, Err(ChainError::Role { .. })),
                "{role} as {other}"
            );
        }
        assert!(
            openssl_verify(&country, country.national.certificate(), &cert),
            "{role}"
        );
    }
}

#[test]
fn a_province_certifies_its_own_and_nobody_elses() {
    let mut country = Country::new();
    let validator = country.validator();
    for code in ["H01", "H01.36.04"] {
        let (_, template) = Country::template(Role::AgencySignature, code);
        let cert = issue(&mut country.ledger, &country.province, template);
        let believed = validator.verify(&cert, Role::AgencySignature, NOW).unwrap();
        let wanted = Party::Agency(AgencyCode::parse(code).unwrap());
        assert_eq!(believed.party(), Some(&wanted));
        assert!(openssl_verify(
            &country,
            country.province.certificate(),
            &cert
        ));
    }
    for code in ["H02", "H02.36.04", "G01.H01"] {
        let (_, template) = Country::template(Role::AgencySignature, code);
        assert!(
            country.province.prepare(template.clone()).is_err(),
            "the lint stops {code}"
        );
    }
    // The same by an authority that does not lint.
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let rogue =
        Template::new(Role::IssuingCa, "Rogue", key.spki_der(), NOW).permitting("h01.tram.test");
    let rogue = issue(&mut country.ledger, &country.root, rogue);
    let mut store = country.store(Vec::new());
    store.intermediates.push(rogue.clone());
    let validator = Validator::new(store);
    let (_, template) = Country::template(Role::AgencySignature, "H02");
    let forged = forge(&rogue, &key, &template, &country.domain, |tbs| tbs);
    let refused = validator.verify(&forged, Role::AgencySignature, NOW);
    assert!(
        matches!(refused, Err(ChainError::Name { .. })),
        "{refused:?}"
    );
    assert!(
        !openssl_verify(&country, &rogue, &forged),
        "openssl refuses it too"
    );
    let (_, template) = Country::template(Role::Registry, "registry-1.h01.tram.test");
    let forged = forge(&rogue, &key, &template, &country.domain, |tbs| tbs);
    let refused = validator.verify(&forged, Role::Registry, NOW);
    assert!(
        matches!(refused, Err(ChainError::NotDelegable { .. })),
        "{refused:?}"
    );
}

#[test]
fn an_end_certificate_cannot_issue() {
    let mut country = Country::new();
    let (key, cert) = country.issue(Role::AgencySignature, "H01");
    let (_, template) = Country::template(Role::AgencySignature, "H01.36");
    let template = Template {
        not_after: cert.not_after(),
        ..template
    };
    // Without a key identifier check in the way: the end certificate has one.
    let forged = forge(&cert, &key, &template, &country.domain, |tbs| tbs);
    let mut store = country.store(Vec::new());
    store.intermediates.push(cert);
    let refused = Validator::new(store).verify(&forged, Role::AgencySignature, NOW);
    assert!(
        matches!(refused, Err(ChainError::Structure { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let mut country = Country::new();
    let validator = country.validator();
    let (_, cert) = country.issue(Role::StationTls, "node-1.tram.test");
    for at in 0..cert.der().len() {
        let mut der = cert.der().to_vec();
        der[at] ^= 0x01;
        if let Ok(changed) = crate::cert::Certificate::parse(&der) {
            let verdict = validator.verify(&changed, Role::StationTls, NOW);
            assert!(verdict.is_err(), "byte {at}");
        }
    }
}

#[test]
fn another_organization_identifier_than_the_name_is_refused() {
    let mut country = Country::new();
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let ca = Template::new(Role::IssuingCa, "Rogue", key.spki_der(), NOW).permitting("tram.test");
    let ca = issue(&mut country.ledger, &country.root, ca);
    let (_, template) = Country::template(Role::AgencySignature, "H02");
    let template = Template {
        common_name: "x".to_owned(),
        ..template
    };
    // organizationIdentifier H02 becomes H03; the SAN stays.
    let forged = forge(&ca, &key, &template, &country.domain, |tbs| {
        let at = tbs.windows(3).position(|three| three == b"H02").unwrap();
        let mut tbs = tbs;
        tbs[at + 2] = b'3';
        tbs
    });
    let mut store = country.store(Vec::new());
    store.intermediates.push(ca);
    let refused = Validator::new(store).verify(&forged, Role::AgencySignature, NOW);
    assert!(
        matches!(refused, Err(ChainError::Certificate { .. })),
        "{refused:?}"
    );
}

#[test]
fn validity_is_judged_at_the_given_second() {
    let mut country = Country::new();
    let validator = country.validator();
    let (_, cert) = country.issue(Role::AgencySignature, "H01");
    let verify = |at| validator.verify(&cert, Role::AgencySignature, at).map(drop);
    assert!(verify(cert.not_after().plus_ms(999)).is_ok());
    assert!(matches!(
        verify(cert.not_after().plus_ms(1000)),
        Err(ChainError::Expired { .. })
    ));
    assert!(verify(cert.not_before()).is_ok());
    let early = verify(cert.not_before().minus_ms(1));
    assert!(matches!(early, Err(ChainError::NotYetValid { .. })));
}

#[test]
fn revocation_reasons_decide_how_far_back_it_reaches() {
    let mut country = Country::new();
    let (_, cert) = country.issue(Role::AgencySignature, "H01");
    let at = NOW.plus_ms(3_600_000);
    for (reason, earlier_stands) in [
        (CrlReason::KeyCompromise, false),
        (CrlReason::Unspecified, false),
        (CrlReason::PrivilegeWithdrawn, false),
        (CrlReason::Superseded, true),
        (CrlReason::CessationOfOperation, true),
    ] {
        let entry = CrlEntry {
            serial: cert.serial().to_vec(),
            at,
            reason,
        };
        let crl = country.crl(vec![entry], at);
        let validator = Validator::new(country.store(vec![crl]));
        let verify = |when| {
            validator
                .verify(&cert, Role::AgencySignature, when)
                .map(drop)
        };
        assert!(
            matches!(verify(at), Err(ChainError::Revoked { .. })),
            "{reason:?}"
        );
        assert_eq!(verify(NOW).is_ok(), earlier_stands, "{reason:?}");
    }
}

#[test]
fn stale_and_missing_lists_fail_closed_only_where_that_is_asked() {
    let mut country = Country::new();
    let (_, cert) = country.issue(Role::AgencySignature, "H01");
    let crl = country.crl(Vec::new(), NOW);
    let held = Validator::new(country.store(vec![crl.clone()]));
    let later = NOW.plus_ms(49 * 3_600_000);
    assert!(held.verify(&cert, Role::AgencySignature, later).is_ok());
    let freshness = held.freshness(later);
    assert_eq!(freshness.stale.len(), 1);
    assert_eq!(freshness.missing.len(), 2, "root and province have none");
    let policy = RevocationPolicy::Required { grace_ms: 0 };
    let strict = Validator::with_policy(country.store(vec![crl]), policy);
    let refused = strict.verify(&cert, Role::AgencySignature, NOW);
    assert!(
        matches!(refused, Err(ChainError::RevocationUnknown { .. })),
        "root has no list"
    );
}

#[test]
fn a_list_signed_by_another_authority_is_as_good_as_absent() {
    let mut country = Country::new();
    let (_, cert) = country.issue(Role::AgencySignature, "H01");
    let entry = CrlEntry {
        serial: cert.serial().to_vec(),
        at: NOW,
        reason: CrlReason::Superseded,
    };
    let crl = country.crl(vec![entry], NOW);
    let mut der = crl.der().to_vec();
    *der.last_mut().unwrap() ^= 1;
    let forged = crate::revoke::Crl::parse(&der).unwrap();
    let validator = Validator::new(country.store(vec![forged]));
    assert!(validator.verify(&cert, Role::AgencySignature, NOW).is_ok());
    assert_eq!(validator.freshness(NOW).missing.len(), 3);
}
