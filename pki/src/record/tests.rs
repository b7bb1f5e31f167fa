//! Who may say which record: every role against every record, and records of others.

use formats::checkpoint::LogOrigin;
use formats::id::{AgencyCode, StationName};
use formats::record::{
    Agencies, Agency, Attachment, Delegation, Der, ListSigners, NoteKey, Station, StationKind,
    StationLimits, TrustList, Windows,
};

use super::*;
use crate::testing::{Country, NOW};

fn code(text: &str) -> AgencyCode {
    AgencyCode::parse(text).unwrap()
}

pub(crate) fn attachment(agency: &str) -> Record {
    Record::Attachment(Attachment {
        agency: code(agency),
        sequence: 1,
        issued: NOW,
        not_after: NOW.plus_ms(1_000_000),
        station: StationName::parse("node-1.tram.test").unwrap(),
        from: NOW,
    })
}

fn records(country: &Country, evidence: &Certificate) -> Vec<Record> {
    let not_after = NOW.plus_ms(1_000_000);
    let station = StationName::parse("node-1.tram.test").unwrap();
    vec![
        Record::Agencies(Agencies {
            bundle: 1,
            sequence: 1,
            issued: NOW,
            not_after,
            agencies: vec![Agency {
                code: code("H01"),
                name: "Tỉnh H01".to_owned(),
                aliases: Vec::new(),
                parent: None,
                valid_from: NOW,
                valid_to: None,
                successor: None,
            }],
        }),
        attachment("H01"),
        Record::Delegation(Delegation {
            parent: code("H01"),
            scope: code("H01.151"),
            sequence: 1,
            issued: NOW,
            not_after,
            encryption_sha256: evidence.sha256(),
            from: NOW,
        }),
        Record::Station(Station {
            name: station.clone(),
            sequence: 1,
            issued: NOW,
            not_after,
            kind: StationKind::Node,
            tls_sha256: vec![evidence.sha256()],
            evidence_sha256: vec![evidence.sha256()],
            log_origin: LogOrigin::new(station, 1),
            note_key: NoteKey::from_bytes([7; 32]),
            old_note_keys: vec![],
            addresses: Vec::new(),
            home_relays: Vec::new(),
            site: None,
            neighbours: Vec::new(),
            limits: StationLimits {
                body_bytes: 1,
                transfers: 1,
            },
        }),
        Record::TrustList(TrustList {
            trust_domain: country.domain.clone(),
            sequence: 1,
            issued: NOW,
            not_after,
            roots: vec![Der::new(country.root.certificate().der().to_vec()).unwrap()],
            tsas: Vec::new(),
            windows: Windows {
                revocation_s: 1,
                created_behind_s: 1,
                created_ahead_s: 1,
            },
            signers: None,
            witnesses: None,
        }),
    ]
}

/// Signs whatever it is, as a hostile holder of a key would.
fn force(record: &Record, key: &SigningKey, cert: &Certificate) -> Vec<u8> {
    sign::sign_attached(key, cert, &record.to_json(), NOW, Embed::Signer).unwrap()
}

#[test]
fn each_record_is_believed_from_its_own_role_only() {
    let mut country = Country::new();
    let validator = country.validator();
    let signers = [
        (Role::AgencyEncryption, "H01"),
        (Role::AgencySignature, "H01"),
        (Role::Delegate, "H01"),
        (Role::Registry, "registry-1.tram.test"),
        (Role::StationEvidence, "node-1.tram.test"),
        (Role::StationTls, "node-1.tram.test"),
        (Role::TimeStamping, "tsa-1.tram.test"),
        (Role::TrustList, "trust-list.tram.test"),
    ]
    .map(|(role, name)| (role, country.issue(role, name)));
    let evidence = signers[4].1.1.clone();
    for record in records(&country, &evidence) {
        for (role, (key, cert)) in &signers {
            let bytes = force(&record, key, cert);
            let verdict = verify(&bytes, &validator, NOW);
            let entitled = role_of(&record) == *role;
            assert_eq!(verdict.is_ok(), entitled, "{role}: {verdict:?}");
            assert_eq!(sign(&record, key, cert, NOW).is_ok(), entitled);
            if entitled {
                assert_eq!(*verdict.unwrap().record(), record);
            }
        }
    }
}

#[test]
fn nobody_speaks_for_another() {
    let mut country = Country::new();
    let validator = country.validator();
    let (key, cert) = country.issue(Role::AgencySignature, "H02");
    let refused = verify(&force(&attachment("H01"), &key, &cert), &validator, NOW);
    assert!(
        matches!(refused, Err(RecordError::NotEntitled { .. })),
        "{refused:?}"
    );
    // A parent does not attach its children either.
    let (key, cert) = country.issue(Role::AgencySignature, "H01");
    let refused = verify(&force(&attachment("H01.36"), &key, &cert), &validator, NOW);
    assert!(
        matches!(refused, Err(RecordError::NotEntitled { .. })),
        "{refused:?}"
    );
    // Another evidence certificate of the same station, not named in the record.
    let (_, named) = country.issue(Role::StationEvidence, "node-1.tram.test");
    let (key, other) = country.issue(Role::StationEvidence, "node-1.tram.test");
    let station = records(&country, &named).remove(3);
    let refused = verify(&force(&station, &key, &other), &validator, NOW);
    assert!(
        matches!(refused, Err(RecordError::NotEntitled { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_changed_record_is_refused() {
    let mut country = Country::new();
    let validator = country.validator();
    let (key, cert) = country.issue(Role::AgencySignature, "H01");
    let bytes = sign(&attachment("H01"), &key, &cert, NOW).unwrap();
    assert!(verify(&bytes, &validator, NOW).is_ok());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x01;
        assert!(verify(&changed, &validator, NOW).is_err(), "byte {at}");
    }
}

#[test]
fn the_trust_list_is_believed_from_the_pinned_certificate_only() {
    let mut country = Country::new();
    let (key, cert) = country.issue(Role::TrustList, "trust-list.tram.test");
    let (other_key, other) = country.issue(Role::TrustList, "trust-list.tram.test");
    let list = records(&country, &cert).pop().unwrap();
    let between = [country.national.certificate().clone()];
    let good = sign(&list, &key, &cert, NOW).unwrap();
    assert!(verify_trust_list(&good, &cert, &between, NOW).is_ok());
    let other = sign(&list, &other_key, &other, NOW).unwrap();
    assert!(verify_trust_list(&other, &cert, &between, NOW).is_err());
}

/// Three signers of trust lists, and a list of this sequence.
fn signers(country: &mut Country) -> Vec<(SigningKey, Certificate)> {
    ["one", "two", "six"]
        .map(|name| country.issue(Role::TrustList, &format!("trust-{name}.tram.test")))
        .to_vec()
}

fn list_of(country: &Country, sequence: u64) -> TrustList {
    let evidence = country.national.certificate().clone();
    match records(country, &evidence).pop().unwrap() {
        Record::TrustList(list) => TrustList { sequence, ..list },
        other => panic!("{other:?}"),
    }
}

fn signed_by(list: &TrustList, who: &[&(SigningKey, Certificate)]) -> Vec<u8> {
    let mut bytes = Record::TrustList(list.clone()).to_json();
    for (key, cert) in who {
        bytes = add_signature(&bytes, key, cert, NOW).unwrap();
    }
    bytes
}

#[test]
fn a_trust_list_needs_as_many_different_pinned_signers_as_the_pin_says() {
    let mut country = Country::new();
    let all = signers(&mut country);
    let stranger = country.issue(Role::TrustList, "trust-other.tram.test");
    let list = list_of(&country, 7);
    let between = [country.national.certificate().clone()];
    let certs: Vec<Certificate> = all.iter().map(|(_, cert)| cert.clone()).collect();
    let pin = TrustPin::new(2, certs.clone()).unwrap();
    let judge = |bytes: &[u8]| verify_trust_list(bytes, &pin, &between, NOW);
    let words = |bytes: &[u8]| judge(bytes).unwrap_err().to_string();
    let (one, two, six) = (&all[0], &all[1], &all[2]);
    for who in [vec![one, two], vec![six, one], vec![one, two, six]] {
        assert_eq!(judge(&signed_by(&list, &who)).unwrap(), list);
        let opened = open(&signed_by(&list, &who)).unwrap();
        assert_eq!(opened.co_signers.len() + 1, who.len());
    }
    assert!(words(&signed_by(&list, &[one])).contains("1 of 2"));
    let strange = signed_by(&list, &[one, &stranger]);
    assert!(
        words(&strange).contains("not a pinned signer"),
        "{}",
        words(&strange)
    );
    // The same signer twice: refused when it is added, and not counted when it is forced.
    let once = signed_by(&list, &[one]);
    assert!(add_signature(&once, &one.0, &one.1, NOW).is_err());
    // A second certificate of the same key is not another signer either.
    assert!(TrustPin::new(2, vec![certs[0].clone(), certs[0].clone()]).is_err());
    // Signatures over two different lists do not add up.
    let other = signed_by(&list_of(&country, 8), &[two]);
    assert!(sign::join(&once, &other).is_err());
    // Other records have one signer.
    let (key, cert) = country.issue(Role::AgencySignature, "H01");
    let single = sign(&attachment("H01"), &key, &cert, NOW).unwrap();
    assert!(add_signature(&single, &key, &cert, NOW).is_err());
    let (key, cert) = country.issue(Role::AgencySignature, "H01");
    let again = sign(&attachment("H01"), &key, &cert, NOW).unwrap();
    let both = sign::join(&single, &again).unwrap();
    let refused = open(&both);
    assert!(
        matches!(refused, Err(RecordError::SeveralSigners(2))),
        "{refused:?}"
    );
}

#[test]
fn revoked_expired_and_broken_signatures_do_not_count_and_spoil_nothing() {
    let mut country = Country::new();
    let all = signers(&mut country);
    let list = list_of(&country, 1);
    let certs: Vec<Certificate> = all.iter().map(|(_, cert)| cert.clone()).collect();
    let pin = TrustPin::new(2, certs).unwrap();
    let (one, two, six) = (&all[0], &all[1], &all[2]);
    let revoked = crate::issue::CrlEntry {
        serial: one.1.serial().to_vec(),
        at: NOW.minus_ms(60_000),
        reason: x509_cert::ext::pkix::CrlReason::KeyCompromise,
    };
    let beside = Beside {
        authorities: vec![country.national.certificate().clone()],
        crls: vec![country.crl(vec![revoked], NOW)],
    };
    let judge = |bytes: &[u8]| verify_trust_list(bytes, &pin, &beside, NOW);
    let error = judge(&signed_by(&list, &[one, two]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1 of 2") && error.contains("revoked"),
        "{error}"
    );
    assert!(judge(&signed_by(&list, &[one, two, six])).is_ok());
    // A signer whose certificate had ended when the list was made.
    let later = one.1.not_after().plus_ms(1_000);
    let late = verify_trust_list(&signed_by(&list, &[two, six]), &pin, &beside, later);
    assert!(
        matches!(late, Err(RecordError::TooFewSigners { have: 0, .. })),
        "{late:?}"
    );
    // One byte anywhere: refused, or the list is still this list by two whole signatures.
    let good = signed_by(&list, &[two, six]);
    for at in (0..good.len()).step_by(7) {
        let mut changed = good.clone();
        changed[at] ^= 1;
        if let Ok(said) = judge(&changed) {
            assert_eq!(said, list, "byte {at}");
        }
    }
}

#[test]
fn old_signers_hand_over_to_new_ones() {
    let mut country = Country::new();
    let old = signers(&mut country);
    let new = signers(&mut country);
    let between = [country.national.certificate().clone()];
    let certs = |all: &[(SigningKey, Certificate)]| -> Vec<Certificate> {
        all.iter().map(|(_, cert)| cert.clone()).collect()
    };
    let pin = TrustPin::new(2, certs(&old)).unwrap();
    let ders = certs(&new)
        .into_iter()
        .map(|cert| Der::new(cert.der().to_vec()).unwrap());
    let rotating = TrustList {
        signers: Some(ListSigners {
            needed: 3,
            certificates: ders.collect(),
        }),
        ..list_of(&country, 2)
    };
    let bytes = signed_by(&rotating, &[&old[0], &old[2]]);
    let said = verify_trust_list(&bytes, &pin, &between, NOW).unwrap();
    let next = pin.after(&said).unwrap();
    assert_eq!((next.needed(), next.signers().len()), (3, 3));
    let list = list_of(&country, 3);
    let by_new = signed_by(&list, &[&new[0], &new[1], &new[2]]);
    assert!(verify_trust_list(&by_new, &next, &between, NOW).is_ok());
    assert!(verify_trust_list(&by_new, &pin, &between, NOW).is_err());
    let by_old = signed_by(&list, &[&old[0], &old[1], &old[2]]);
    assert!(verify_trust_list(&by_old, &next, &between, NOW).is_err());
}

#[test]
fn a_pin_file_says_how_many_and_fails_closed() {
    let mut country = Country::new();
    let certs: Vec<Certificate> = signers(&mut country).into_iter().map(|one| one.1).collect();
    let pin = TrustPin::new(2, certs.clone()).unwrap();
    assert_eq!(TrustPin::parse(pin.to_text().as_bytes()).unwrap(), pin);
    let plain: String = certs.iter().map(Certificate::pem).collect();
    assert_eq!(
        TrustPin::parse(plain.as_bytes()).unwrap().needed(),
        3,
        "all, when nothing is said"
    );
    assert_eq!(
        TrustPin::parse(certs[0].pem().as_bytes()).unwrap().needed(),
        1
    );
    for line in [
        "needed: 0 of 3",
        "needed: 4 of 3",
        "needed: 2 of 2",
        "needed: two",
        "needed: 1 of 3\nneeded: 2 of 3",
    ] {
        assert!(
            TrustPin::parse(format!("{line}\n{plain}").as_bytes()).is_err(),
            "{line}"
        );
    }
    assert!(TrustPin::parse(b"").is_err());
    let dir = tempfile::tempdir().unwrap();
    for (at, cert) in certs.iter().enumerate() {
        std::fs::write(dir.path().join(format!("{at}.crt")), cert.pem()).unwrap();
    }
    std::fs::write(dir.path().join("needed"), "needed: 2 of 3\n").unwrap();
    let loaded = TrustPin::load(dir.path()).unwrap();
    assert_eq!((loaded.needed(), loaded.signers()), (2, pin.signers()));
    assert!(TrustPin::load(&dir.path().join("nowhere")).is_err());
}
