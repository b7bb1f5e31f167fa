//! Every certificate of a network is renewed while documents flow, and not one document is refused. A node
//! is set up by one line beside it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use formats::id::{AgencyCode, Digest, EnvelopeId};
use node::desk::{Desk, Submission};
use node::view::{InboxState, RecipientState};
use pki::role::Role;
use relay::station::Station;

use crate::world::{RECIPIENT, World, draft, load, recipient, sender};

/// Digests of the certificates in use, by role and name.
fn in_use(stations: &[&Station]) -> BTreeMap<(String, String), Digest> {
    let all = stations
        .iter()
        .flat_map(|station| station.certificates().all());
    all.map(|one| ((one.role.to_string(), one.party.to_string()), one.sha256))
        .collect()
}

fn everything(world: &World) -> BTreeMap<(String, String), Digest> {
    in_use(&[world.a.station(), world.b.station(), world.relay()])
}

async fn send(desk: &Desk, number: u32, to: &str) -> EnvelopeId {
    let packet = desk
        .compose(&sender(), draft(&number.to_string(), &[to]), vec![])
        .await
        .unwrap();
    let accepted = desk
        .submit(&sender(), Submission::of(packet))
        .await
        .unwrap();
    accepted.id
}

async fn until_delivered(world: &World, sent: &[EnvelopeId]) {
    for id in sent {
        world
            .until("delivery", async |world| {
                let recipients = world.a.recipients(&sender(), *id).await.unwrap();
                let state = recipients[0].state;
                assert_ne!(state, RecipientState::Refused, "{id} was refused");
                (state == RecipientState::Delivered).then_some(())
            })
            .await;
    }
}

fn old_keys(world: &World) -> usize {
    let folder = world.dir.path().join("pki/agencies").join(RECIPIENT);
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| {
            let name = name.to_str().unwrap();
            name.starts_with("encryption-") && name.ends_with(".key")
        })
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_certificates_are_renewed_under_load_without_one_refused_document() {
    let world = World::start_renewing().await;
    let mut sent = vec![send(&world.a, 1, RECIPIENT).await];
    world.until_state(sent[0], RecipientState::Delivered).await;
    for turn in 0..2_usize {
        let before = everything(&world);
        assert_eq!(
            before.len(),
            12,
            "two of three stations and of three agencies: {before:?}"
        );
        world.a.renew_now();
        world.b.renew_now();
        world.relay().authority().unwrap().renew_now();
        // Documents go all the while; a few more after the last one changed.
        let mut after_change = 0;
        let began = std::time::Instant::now();
        while after_change < 5 {
            assert!(
                began.elapsed() < Duration::from_secs(90),
                "not all were renewed: {:?}",
                everything(&world)
                    .iter()
                    .filter(|(name, digest)| before.get(*name) == Some(digest))
                    .collect::<Vec<_>>()
            );
            sent.push(send(&world.a, u32::try_from(sent.len()).unwrap() + 1, RECIPIENT).await);
            let now = everything(&world);
            let changed = now
                .iter()
                .all(|(name, digest)| before.get(name) != Some(digest));
            after_change += u32::from(changed);
        }
        until_delivered(&world, &sent).await;
        assert_eq!(old_keys(&world), turn + 1);
    }
    assert!(sent.len() > 20, "only {} documents were sent", sent.len());
    let quarantined = world
        .b
        .inbox(
            &recipient(),
            &[InboxState::Quarantined],
            None,
            None,
            None,
            200,
        )
        .await
        .unwrap();
    assert!(quarantined.items.is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_on_the_way_through_a_renewal_is_opened_with_the_old_key() {
    let world = World::start_renewing().await;
    let first = send(&world.a, 1, RECIPIENT).await;
    until_delivered(&world, &[first]).await;
    let mut late = Vec::new();
    let late_ids = &mut late;
    let world = world
        .while_the_relay_is_down(async |a, b| {
            for number in 2..5 {
                late_ids.push(send(a, number, RECIPIENT).await);
            }
            let before = in_use(&[b.station()]);
            b.renew_now();
            let renewed = async {
                while in_use(&[b.station()])
                    .iter()
                    .any(|(name, digest)| before.get(name) == Some(digest))
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), renewed)
                .await
                .expect("all of node B's certificates are renewed");
        })
        .await;
    until_delivered(&world, &late).await;
    assert_eq!(old_keys(&world), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_line_sets_a_node_up_and_documents_reach_its_agency() {
    let world = World::start_renewing().await;
    let home = world.dir.path().join("node-c");
    let said = enrol(&world, &home);
    assert_eq!(said["station"], "node-c.tram.test");
    assert_eq!(said["agencies"], serde_json::json!(["H01.38"]));
    let config = load(&home.join("node.toml"));
    let desk = Desk::start(config).await.unwrap();
    let code: AgencyCode = "H01.38".parse().unwrap();
    let number = world
        .until("the directory to know where it is", async |world| {
            let found = world.a.agency("H01.38")?;
            found.reachable.then_some(7)
        })
        .await;
    let id = send(&world.a, number, "H01.38").await;
    until_delivered(&world, &[id]).await;
    let inbox = desk.inbox(&code, &[], None, None, None, 10).await.unwrap();
    assert_eq!(inbox.items.len(), 1);
    // Its own page shows its certificates and its authority.
    let view = desk.station_view().await.unwrap();
    assert_eq!(view.certificates.len(), 4);
    assert!(view.authority.unwrap().last_success.is_some());
    desk.stop().await;
    world.stop().await;
}

/// Old pairs of which one has nothing left to open, one may have, and one was half retired by a crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_key_goes_a_document_s_longest_life_after_its_certificate_and_not_before() {
    let world = World::start().await;
    let folder = world.dir.path().join("pki/agencies").join(RECIPIENT);
    let day = 86_400_000;
    let now = world.b.now();
    let pair = |name: &str, ended_days: i64| {
        let key = pki::key::DecryptionKey::generate().unwrap();
        let template = pki::profile::Template {
            not_before: now.minus_ms(200 * day),
            not_after: now.minus_ms(ended_days * day),
            ..pki::profile::Template::new(Role::AgencyEncryption, RECIPIENT, key.spki_der(), now)
                .for_party(recipient().into())
        };
        let certificate = issue(&world, template);
        key.save(&folder.join(format!("{name}.key")), None).unwrap();
        std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
    };
    pair("encryption-waits", 29);
    pair("encryption-cut", 31);
    std::fs::remove_file(folder.join("encryption-cut.key")).unwrap();
    pair("encryption-over", 31);
    world
        .until("two to be retired", async |_| {
            let gone = |name: &str| !folder.join(name).exists();
            let over = gone("encryption-over.key") && gone("encryption-over.crt");
            (over && gone("encryption-cut.crt")).then_some(())
        })
        .await;
    for name in [
        "encryption-waits.key",
        "encryption-waits.crt",
        "encryption.key",
    ] {
        assert!(folder.join(name).exists(), "{name}");
    }
    let id = send(&world.a, 1, RECIPIENT).await;
    until_delivered(&world, &[id]).await;
    world.stop().await;
}

fn issue(world: &World, template: pki::profile::Template) -> pki::cert::Certificate {
    let folder = world.dir.path().join("pki/authority");
    let now = world.b.now();
    let key = pki::key::SigningKey::load(&folder.join("ca.key"), None).unwrap();
    let certificate = pki::cert::Certificate::load(&folder.join("ca.crt")).unwrap();
    let domain = "tram.test".parse().unwrap();
    let issuer = pki::issue::Issuer::new(certificate, key, domain).unwrap();
    let ledger = world.dir.path().join("old.ledger");
    let mut ledger = pki::ledger::Ledger::open(&ledger).unwrap();
    let prepared = issuer.prepare(template).unwrap();
    let planned = ledger.plan(vec![prepared], now).unwrap().remove(0);
    issuer.sign(planned).unwrap()
}

fn enrol(world: &World, home: &Path) -> serde_json::Value {
    let authority = world.authority.as_ref().unwrap();
    let token = authority.grant("H01.38", "node-c.tram.test");
    let link = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", link.local_addr().unwrap());
    drop(link);
    let output = Command::new(env!("CARGO_BIN_EXE_tram-node"))
        .args(["enrol", "--no-start", "--json", &listen])
        .arg(format!("--token={token}"))
        .arg(format!("--authority={}", authority.url))
        .arg(format!("--fingerprint={}", authority.fingerprint))
        .arg(format!("--dir={}", home.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}{error}");
    serde_json::from_str(&text).unwrap()
}
