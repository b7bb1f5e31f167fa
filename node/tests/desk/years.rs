//! What a package made later rests on: lists, records and certificates of the time, kept when the directory
//! has gone on.

use std::collections::BTreeSet;
use std::time::Duration;

use formats::id::Digest;
use formats::proof::Member;
use node::evidence::Contents;
use pki::revoke::Crl;
use pki::sign::Parsed;

use crate::evidence::handed_over;
use crate::proof::Proof;
use crate::world::{World, run, tram_pki};

/// Certificates that signed the checkpoints of a package.
fn evidence_signers(proof: &Proof) -> BTreeSet<Digest> {
    let names = proof.names("checkpoints/");
    let signatures = names.iter().filter(|name| name.ends_with("signature.p7s"));
    let parsed = signatures.map(|name| Parsed::parse(&proof.members[name]).unwrap());
    parsed.filter_map(|one| one.signer_sha256()).collect()
}

/// What the directory of node A knows of the evidence certificates of today.
fn named_now(world: &World) -> BTreeSet<Digest> {
    let directory = world.a.station().directory().snapshot();
    let stations = directory.stations().cloned().collect::<Vec<_>>();
    let named = stations
        .iter()
        .flat_map(|one| one.record().evidence_sha256.clone());
    named.collect()
}

fn lists_now(world: &World) -> BTreeSet<Digest> {
    let validator = world.a.station().directory().validator();
    validator
        .crls()
        .iter()
        .map(|crl| Digest::of(crl.der()))
        .collect()
}

/// Every certificate is renewed twice, every record and list is replaced: the package of the old document is made
/// only then, and it still proves everything, with the list that was in force.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_made_after_every_certificate_and_list_was_replaced_still_holds() {
    let world = World::start_renewing().await;
    let id = handed_over(&world, "91").await;
    let early = Proof::of(&world, id, Contents::Packet).await;
    assert!(early.both().0, "{}", early.both().1);
    let (signers, lists) = (evidence_signers(&early), lists_now(&world));
    let began = std::time::Instant::now();
    // A record names the last certificate beside the new one, so it takes two renewals.
    while !named_now(&world).is_disjoint(&signers) {
        let named = named_now(&world);
        assert!(
            began.elapsed() < Duration::from_secs(200),
            "{named:?} still name {signers:?}"
        );
        world.a.renew_now();
        world.b.renew_now();
        world.relay().authority().unwrap().renew_now();
        let asked = std::time::Instant::now();
        while named_now(&world) == named && asked.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let folder = world.dir.path().join("pki");
    run(
        &tram_pki(),
        &["crl", "publish", "--dir", folder.to_str().unwrap()],
    );
    world
        .until("new lists", async |world| {
            let now = lists_now(world);
            (now != lists).then_some(())
        })
        .await;
    let late = Proof::of(&world, id, Contents::Packet).await;
    let (yes, words) = late.both();
    assert!(yes, "{words}");
    let early_receipts = early.report().receipts.len();
    assert_eq!(late.report().receipts.len(), early_receipts, "{words}");
    // The list in force when the packet was signed is there, though the directory has a newer one.
    let signature = Parsed::parse(&late.members["document/signature.p7s"]).unwrap();
    let signed = signature.signing_time().unwrap();
    let names = late.names("crls/");
    let all = names
        .iter()
        .map(|name| Crl::parse(&late.members[name]).unwrap());
    let (then, later): (Vec<Crl>, Vec<Crl>) = all.partition(|crl| crl.this_update() <= signed);
    assert!(!then.is_empty() && !later.is_empty(), "{names:?}");
    // Without what was kept it would not: the old certificates are nowhere else.
    let mut forgotten = late.clone();
    let directory = world.a.station().directory().snapshot();
    forgotten
        .members
        .retain(|name, _| match name.parse::<Member>() {
            Ok(Member::Certificate(digest)) => directory.certificate(&digest).is_some(),
            _ => true,
        });
    if forgotten.members.len() < late.members.len() {
        assert!(!forgotten.with_new_sums().both().0);
    }
    world.stop().await;
}
