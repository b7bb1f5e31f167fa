//! A running station gets new certificates, and nobody notices but the certificates.

use std::time::Duration;

use pki::cert::Certificate;
use pki::role::Role;
use relay::authority::{AuthoritySettings, fingerprint};
use relay::config::StationConfig;
use relay::station::Station;

use crate::pulling::copy;
use crate::standin::{Mood, Standin, grant};
use crate::world::{Planned, World, soon, start};

struct Renewing {
    standin: Standin,
    world: World,
    _dir: tempfile::TempDir,
}

impl Renewing {
    /// Every station pulls its own copy of the records.
    async fn new() -> Self {
        let mut world = World::new();
        let standin = world
            .authority
            .serve(grant("relay-1.tram.test", "tram.test", &[], &[]))
            .await;
        let dir = tempfile::tempdir().unwrap();
        let published = world.authority.records.clone();
        for planned in [&mut world.relay, &mut world.node_a, &mut world.node_b] {
            let records = dir.path().join(planned.credentials.name.as_str());
            copy(&published, &records);
            planned.config = StationConfig {
                records,
                authority: Some(AuthoritySettings {
                    endpoint: standin.url().parse().unwrap(),
                    fingerprint: fingerprint(&standin.fingerprint()).unwrap(),
                }),
                ..planned.config.clone()
            };
        }
        Self {
            standin,
            world,
            _dir: dir,
        }
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn in_use(station: &Station) -> [Certificate; 2] {
    [
        station.identity().chain[0].clone(),
        station.evidence_signer().certificate.clone(),
    ]
}

fn linked(station: &Station, peer: &Planned) -> bool {
    let links = station.links();
    links
        .iter()
        .any(|link| link.up && link.station == peer.credentials.name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_handshakes_and_checkpoints_use_the_new_certificates_while_links_stay_up() {
    let renewing = Renewing::new().await;
    let world = &renewing.world;
    let relay = start(&world.relay, None).await;
    let node = start(&world.node_a, None).await;
    until("the link", || linked(&node, &world.relay)).await;
    let since = |station: &Station| station.links()[0].since;
    let (up, old) = (since(&node), in_use(&relay));
    relay.authority().unwrap().renew_now();
    until("both to change", || {
        let new = in_use(&relay);
        new[0] != old[0] && new[1] != old[1]
    })
    .await;
    let new = in_use(&relay);
    let names = |one: &Station| {
        let record = one.directory().station(relay.name()).unwrap();
        let (tls, evidence) = (
            &record.record().tls_sha256,
            &record.record().evidence_sha256,
        );
        (tls.clone(), evidence.clone(), record.record().not_after)
    };
    // The other end has learned both before it could meet the new one, and the link never fell.
    until("the record", || names(&node).2 == new[1].not_after()).await;
    assert_eq!(names(&node).0, [old[0].sha256(), new[0].sha256()]);
    assert_eq!(names(&node).1, [old[1].sha256(), new[1].sha256()]);
    assert_eq!(since(&node), up, "the link fell");
    // Who dials now meets the new certificate and believes it.
    let other = start(&world.node_b, None).await;
    until("a new link", || linked(&other, &world.relay)).await;
    // Checkpoints of the new evidence certificate are believed by a neighbour.
    let snapshot = node.directory().snapshot();
    let signer = snapshot
        .signer(&new[1].sha256(), Role::StationEvidence, node.clock().now())
        .unwrap();
    assert_eq!(signer.certificate(), &new[1]);
    for station in [other, node, relay] {
        station.shutdown().await;
    }
    // The pairs on disk are whole, and a restart uses them.
    let relay = start(&world.relay, None).await;
    assert_eq!(in_use(&relay), new);
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_meets_trouble_everywhere_comes_to_its_end_with_one_pair() {
    let renewing = Renewing::new().await;
    let world = &renewing.world;
    let old = {
        let relay = start(&world.relay, None).await;
        let old = in_use(&relay);
        // The authority issues, and its answer is lost; then it is away; the station is stopped.
        renewing.standin.set(Mood::Forgetful);
        relay.authority().unwrap().renew_now();
        let issued = || renewing.standin.state().issued.len();
        until("something to be issued", || issued() >= 2).await;
        assert_eq!(
            in_use(&relay),
            old,
            "an answer that never came is no certificate"
        );
        renewing.standin.set(Mood::Away);
        relay.shutdown().await;
        old
    };
    let relay = start(&world.relay, None).await;
    assert_eq!(in_use(&relay), old);
    renewing.standin.set(Mood::Good);
    // It was asked for before: the new process goes on by itself.
    until("both to change", || {
        let new = in_use(&relay);
        new[0] != old[0] && new[1] != old[1]
    })
    .await;
    let files = &world.relay.config.identity;
    for (certificate, key) in [
        (&files.tls_cert, &files.tls_key),
        (&files.evidence_cert, &files.evidence_key),
    ] {
        let certificate = Certificate::load(certificate).unwrap();
        let key = pki::key::SigningKey::load(key, None).unwrap();
        assert_eq!(certificate.spki_der(), key.spki_der());
    }
    relay.shutdown().await;
}
