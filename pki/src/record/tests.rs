//! Who may say which record: every role against every record, and records of others.

use formats::checkpoint::LogOrigin;
use formats::id::{AgencyCode, StationName};
use formats::record::{
    Agencies, Agency, Attachment, Delegation, Der, NoteKey, Station, StationKind, StationLimits,
    Windows,
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
