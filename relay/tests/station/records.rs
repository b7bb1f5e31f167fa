//! The directory: who may say what, and what becomes of files that say it wrongly.

use formats::id::AgencyCode;
use formats::record::{Attachment, Record};
use relay::directory::{Directory, DirectoryError};

use crate::authority::Authority;
use crate::world::{RECIPIENT, SENDER, World};

fn open(authority: &Authority) -> Directory {
    let pinned = pki::cert::Certificate::load(&authority.trust_list_certificate).unwrap();
    Directory::open(authority.records.clone(), pinned, authority.now).unwrap()
}

fn attachment(world: &World, code: &AgencyCode, sequence: u64) -> Record {
    Record::Attachment(Attachment {
        agency: code.clone(),
        sequence,
        issued: world.authority.now,
        not_after: world.authority.now.plus_ms(86_400_000),
        station: world.node_a.credentials.name.clone(),
        from: world.authority.now.minus_ms(1_000),
    })
}

#[test]
fn nobody_attracts_another_agencys_documents() {
    // H01.36 signs that H01.36.04 lives at its own station, with a higher sequence.
    let world = World::new();
    let code: AgencyCode = RECIPIENT.parse().unwrap();
    let forged = attachment(&world, &code, 99);
    world
        .authority
        .publish("forged", &forged, &world.agencies[0]);
    let directory = open(&world.authority);
    let home = directory.home_station(&code, world.authority.now);
    assert_eq!(home.as_ref(), Some(&world.node_b.credentials.name));
}

#[test]
fn a_move_counts_as_soon_as_it_lies_in_the_folder_and_an_older_one_does_not() {
    let mut world = World::new();
    let code: AgencyCode = RECIPIENT.parse().unwrap();
    let directory = open(&world.authority);
    let mut changes = directory.changes();
    assert!(
        !directory.poll(world.authority.now).unwrap(),
        "nothing changed yet"
    );
    let new_home = world.node_a.credentials.name.clone();
    world.authority.attach(&code, &new_home, &world.agencies[1]);
    assert!(directory.poll(world.authority.now).unwrap());
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert_eq!(
        directory.home_station(&code, world.authority.now),
        Some(new_home.clone())
    );
    let old = attachment(&world, &code, 1);
    world.authority.publish("old", &old, &world.agencies[1]);
    directory.poll(world.authority.now).unwrap();
    assert_eq!(
        directory.home_station(&code, world.authority.now),
        Some(new_home)
    );
}

#[test]
fn what_is_unreadable_is_left_out_and_named_and_the_rest_works() {
    let world = World::new();
    world.authority.put("noise.rec", b"no record at all");
    world.authority.put("noise.crt", b"no certificate");
    world.authority.put("noise.crl", b"no list");
    world.authority.put("read.me", b"not ours");
    let directory = open(&world.authority);
    let snapshot = directory.snapshot();
    let files: Vec<&str> = snapshot
        .refused()
        .iter()
        .map(|one| one.file.as_str())
        .collect();
    assert_eq!(files, ["noise.crl", "noise.crt", "noise.rec"]);
    assert_eq!(snapshot.agencies().count(), 2);
    assert_eq!(snapshot.stations().count(), 3);
}

#[test]
fn people_find_agencies_by_code_old_code_and_part_of_the_name() {
    let world = World::new();
    let directory = open(&world.authority);
    let now = world.authority.now;
    for text in [SENDER, "old-h01.36", " old-H01.36 "] {
        let found = directory
            .resolve(text, now)
            .unwrap_or_else(|| panic!("{text} not found"));
        assert_eq!(found.agency.code.as_str(), SENDER);
    }
    assert!(directory.resolve("nobody", now).is_none());
    assert_eq!(directory.search("agency h01.36.0", 10, now).len(), 1);
    assert_eq!(directory.search("AGENCY", 1, now).len(), 1);
}

#[test]
fn without_a_trust_list_of_the_pinned_signer_nothing_is_believed() {
    let world = World::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Authority::new(elsewhere.path(), world.authority.now);
    let pinned = pki::cert::Certificate::load(&foreign.trust_list_certificate).unwrap();
    let opened = Directory::open(world.authority.records.clone(), pinned, world.authority.now);
    let Err(error) = opened else { panic!("opened") };
    assert!(
        matches!(error, DirectoryError::NoTrustList { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("trust-list.rec"), "{error}");
}

#[test]
fn a_folder_that_vanishes_leaves_the_last_good_copy() {
    let world = World::new();
    let directory = open(&world.authority);
    std::fs::rename(
        &world.authority.records,
        world.authority.records.with_extension("gone"),
    )
    .unwrap();
    assert!(directory.poll(world.authority.now).is_err());
    let code: AgencyCode = RECIPIENT.parse().unwrap();
    assert!(directory.home_station(&code, world.authority.now).is_some());
}

#[test]
fn revocation_data_goes_stale_only_after_the_window_beyond_its_end() {
    // The lists are valid for 48 h; the trust list allows 24 h more without them.
    let world = World::new();
    let directory = open(&world.authority);
    let hour = 3_600_000;
    let stale = |hours: i64| {
        directory
            .snapshot()
            .revocation_stale(world.authority.now.plus_ms(hours * hour))
    };
    assert_eq!(
        [stale(0), stale(49), stale(71), stale(73)],
        [false, false, false, true]
    );
}

#[test]
fn a_list_of_k_signers_counts_and_hands_over_to_others() {
    use formats::record::{Der, ListSigners};
    use pki::record::{TrustPin, add_signature};
    use pki::role::Role;

    let mut world = World::new();
    let authority = &mut world.authority;
    let mut signer = |name: &str| {
        let party = formats::id::Party::Station(name.parse().unwrap());
        authority.credential(Role::TrustList, Some(party))
    };
    let old = [
        "trust-1.tram.test",
        "trust-2.tram.test",
        "trust-3.tram.test",
    ]
    .map(&mut signer);
    let new = ["trust-4.tram.test", "trust-5.tram.test"].map(&mut signer);
    let bytes = std::fs::read(world.authority.records.join("trust-list.rec")).unwrap();
    let Record::TrustList(first) = pki::record::open(&bytes).unwrap().record else {
        panic!("a trust list");
    };
    let list = |sequence: u64| formats::record::TrustList {
        sequence,
        ..first.clone()
    };
    let put = |file: &str,
               list: formats::record::TrustList,
               who: &[&crate::authority::Credential]| {
        let mut bytes = Record::TrustList(list).to_json();
        for one in who {
            bytes = add_signature(&bytes, &one.key, &one.certificate, world.authority.now).unwrap();
        }
        world.authority.put(file, &bytes);
    };
    let certificates = old.iter().map(|one| one.certificate.clone()).collect();
    let pin = TrustPin::new(2, certificates).unwrap();
    let open = || Directory::open(world.authority.records.clone(), &pin, world.authority.now);
    // The first list is by one signer who is not pinned; one of two is not enough either.
    put("one.rec", list(2), &[&old[0]]);
    let Err(error) = open() else { panic!("opened") };
    let said = error.to_string();
    assert!(
        said.contains("1 of 2") && said.contains("one.rec"),
        "{said}"
    );
    put("two.rec", list(3), &[&old[0], &old[2]]);
    let directory = open().unwrap();
    assert_eq!(directory.snapshot().trust_list().sequence, 3);
    // Handing over: the old signers name the new ones, who then sign alone.
    let ders = new
        .iter()
        .map(|one| Der::new(one.certificate.der().to_vec()).unwrap());
    let signers = Some(ListSigners {
        needed: 2,
        certificates: ders.collect(),
    });
    put(
        "over.rec",
        formats::record::TrustList { signers, ..list(4) },
        &[&old[1], &old[2]],
    );
    put("old.rec", list(6), &[&old[0], &old[1], &old[2]]);
    put("new.rec", list(5), &[&new[0], &new[1]]);
    assert!(directory.poll(world.authority.now).unwrap());
    let snapshot = directory.snapshot();
    assert_eq!(
        snapshot.trust_list().sequence,
        5,
        "the old signers have no say any more"
    );
    let named: Vec<&str> = snapshot
        .refused()
        .iter()
        .map(|one| one.file.as_str())
        .collect();
    assert_eq!(named, ["old.rec"]);
}
