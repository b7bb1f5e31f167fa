//! Heads of logs: what stations tell each other about them, and what becomes of a log that shows two
//! histories or was set back.

use std::path::Path;

use formats::checkpoint::{Checkpoint, LogOrigin, SignedCheckpoint};
use formats::frame::Control;
use formats::id::{Digest, StationName};
use formats::merkle;
use pki::key::LogKey;
use relay::alarm::{Code, Level};
use relay::clock::Clock;
use relay::station::Station;
use relay::store::{Change, ConflictKind, ProofBase};

use crate::authority::StationCredentials;
use crate::letter::{context, letter, submission};
use crate::peer::Peer;
use crate::windows::{alarms, until_alarms};
use crate::world::{Planned, RECIPIENT, SENDER, Told, World, noting_desk, soon, start};

/// Waits until the answer is yes.
async fn until(what: &str, mut asked: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !asked().await {
            tokio::task::yield_now().await;
        }
    };
    soon(what, looking).await;
}

/// The size of the head that a station holds of a log; 0 if it holds none.
async fn held(station: &Station, origin: &str) -> u64 {
    let all = station.store().seen_heads().await.unwrap();
    let of_it = all.iter().find(|head| head.origin.to_string() == origin);
    of_it.map_or(0, |head| head.size)
}

fn newest(station: &Station) -> (LogOrigin, u64) {
    let origin = station.store().log_identity().origin.clone();
    (origin, station.store().head().borrow().size)
}

async fn until_held(by: &Station, of: &Station) {
    let (origin, size) = newest(of);
    let what = format!("{} holds {origin} at {size}", by.name());
    until(&what, async || held(by, &origin.to_string()).await >= size).await;
}

fn has(station: &Station, code: Code) -> bool {
    alarms(station).contains(&(code, Level::Stopped))
}

fn no_log_alarm(station: &Station) -> bool {
    let of_logs = |code| {
        matches!(
            code,
            Code::LogFork | Code::LogRewind | Code::LogUnproven | Code::OwnLog
        )
    };
    !alarms(station).iter().any(|(code, _)| of_logs(*code))
}

async fn hand_in(world: &World, from: &Station, relay: &StationName) {
    let now = from.clock().now();
    let context = context(SENDER, from.name(), &[RECIPIENT], &world.agencies[0], now);
    let sent = letter(context, &world.agencies[0], 100);
    let accept = submission(from.store(), &sent, &[(RECIPIENT, relay)], now).await;
    from.commit(Change::of(vec![accept.into()])).await.unwrap();
}

/// Copies a folder that nobody uses any more. SQLite's side files may go while it is copied, with the last
/// connection, a moment after the station: then the copy is made anew.
fn copy(from: &Path, to: &Path) {
    while copied(from, to).is_err() {}
}

fn copied(from: &Path, to: &Path) -> std::io::Result<()> {
    drop(std::fs::remove_dir_all(to));
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copied(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// A node with its desk's notes.
async fn node(planned: &Planned) -> (Station, Told) {
    let (desk, told) = noting_desk();
    (start(planned, Some(desk)).await, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stations_that_never_talk_prove_each_other_s_logs_through_a_third() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let (a, _told_a) = node(&world.node_a).await;
    let (b, mut told_b) = node(&world.node_b).await;
    for _ in 0..3 {
        hand_in(&world, &a, relay.name()).await;
        soon("arrival", told_b.arrivals.recv()).await.unwrap();
        // Each time the newest head of A's log reaches B, proven over the relay to go on from the last one.
        until_held(&b, &a).await;
        until_held(&a, &relay).await;
    }
    for station in [&a, &b, &relay] {
        assert!(no_log_alarm(station), "{:?}", station.alarms());
        assert!(station.log_conflicts().await.unwrap().is_empty());
    }
    // What was seen is known after a restart.
    let (origin, size) = newest(&a);
    b.shutdown().await;
    drop(b);
    a.shutdown().await;
    relay.shutdown().await;
    let (b, _told_b) = node(&world.node_b).await;
    assert!(held(&b, &origin.to_string()).await >= size);
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_set_back_to_an_older_copy_is_convicted_states_nothing_and_goes_on_in_a_new_epoch()
{
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let (a, mut told_a) = node(&world.node_a).await;
    let (b, mut told_b) = node(&world.node_b).await;
    let name = relay.name().clone();
    hand_in(&world, &a, &name).await;
    let first = soon("arrival", told_b.arrivals.recv()).await.unwrap();
    soon("custody", told_a.changes.recv()).await.unwrap();
    let older = world.relay.config.data.with_file_name("older");
    relay.shutdown().await;
    drop(relay);
    copy(&world.relay.config.data, &older);
    // Two more that the copy knows nothing of.
    let relay = start(&world.relay, None).await;
    for _ in 0..2 {
        hand_in(&world, &a, &name).await;
        soon("arrival", told_b.arrivals.recv()).await.unwrap();
    }
    until_held(&a, &relay).await;
    until_held(&b, &relay).await;
    let (log, lost) = newest(&relay);
    let lost_root = relay.store().head().borrow().root;
    relay.shutdown().await;
    drop(relay);
    copy(&older, &world.relay.config.data);

    let relay = start(&world.relay, None).await;
    until_alarms(&relay, "its own log", |up| {
        up.contains(&(Code::OwnLog, Level::Stopped))
    })
    .await;
    assert!(relay.store().stating_stopped());
    for neighbour in [&a, &b] {
        until_alarms(neighbour, "log set back", |up| {
            up.contains(&(Code::LogRewind, Level::Stopped))
        })
        .await;
        let all = neighbour.alarms();
        let alarm = all
            .iter()
            .find(|one| one.found.code == Code::LogRewind)
            .unwrap();
        assert_eq!(alarm.found.subject, log.to_string());
        let detail = alarm.found.detail.clone().unwrap();
        let names = detail.contains(&format!("size {lost} root {lost_root}"));
        assert!(names && detail.contains(name.as_str()), "{detail}");
        until("evidence is kept", async || {
            !neighbour.log_conflicts().await.unwrap().is_empty()
        })
        .await;
        // Both signed notes stand alone: each says its size, and the larger is what the relay lost.
        let conflicts = neighbour.store().log_conflicts().await.unwrap();
        assert_eq!(conflicts[0].kind, ConflictKind::Rewind);
        let said = conflicts[0].held.signed.parsed().unwrap().checkpoint;
        assert_eq!((said.size, said.root), (lost, lost_root));
        assert!(conflicts[0].shown.size < lost);
    }
    // Nothing more is stated: what is handed in waits at the sender, whatever the relay is asked.
    let before = newest(&relay);
    hand_in(&world, &a, &name).await;
    let change = soon("a retry", async {
        loop {
            let change = told_a.changes.recv().await.unwrap();
            if let relay::desk::What::Retry { .. } = change.what {
                return change;
            }
        }
    });
    change.await;
    assert_eq!(newest(&relay), before);
    // A restart does not forget it.
    relay.shutdown().await;
    drop(relay);
    let relay = start(&world.relay, None).await;
    assert!(relay.store().stating_stopped());
    relay.shutdown().await;
    drop(relay);

    let opened = relay::station::open_epoch(world.relay.config.clone(), &[], "restored")
        .await
        .unwrap();
    assert_eq!(opened.origin, LogOrigin::new(name.clone(), 2));
    let previous = opened.previous.unwrap();
    assert_eq!((previous.size, previous.root), (lost, lost_root));
    assert_eq!(previous.origin, log);
    let relay = start(&world.relay, None).await;
    assert!(!relay.store().stating_stopped());
    // The waiting document goes on, and the alarms are over: the log goes on in another epoch.
    soon("arrival", told_b.arrivals.recv()).await.unwrap();
    for station in [&a, &b, &relay] {
        until_alarms(station, "alarms over", |up| {
            !up.iter()
                .any(|(code, _)| matches!(code, Code::LogRewind | Code::LogFork | Code::OwnLog))
        })
        .await;
    }
    assert_eq!(a.log_conflicts().await.unwrap().len(), 1);
    // What it stated in the first epoch is still proven, by that epoch's last head.
    let found = relay
        .store()
        .find(&SENDER.parse().unwrap(), &first.header.context().id)
        .await
        .unwrap()
        .unwrap();
    let old = relay
        .store()
        .statements(found.key, &[], ProofBase::Newest)
        .await;
    let old = old.unwrap().unwrap();
    assert_eq!(old.checkpoint.parsed().unwrap().checkpoint.origin, log);
    assert!(!old.statements().unwrap().is_empty());
    for station in [a, b, relay] {
        station.shutdown().await;
    }
}

/// A log that nobody keeps: leaves of one of two histories.
fn leaves(size: u64, branch: u8) -> Vec<Digest> {
    let leaf = |n: u64| {
        let branch = if n < 3 { 0 } else { branch };
        merkle::leaf_hash(&[&n.to_be_bytes()[..], &[branch]].concat())
    };
    (0..size).map(leaf).collect()
}

fn head(who: &StationCredentials, epoch: u32, size: u64, branch: u8) -> SignedCheckpoint {
    signed_by(who, &who.log_key, epoch, size, branch)
}

fn signed_by(
    who: &StationCredentials,
    key: &LogKey,
    epoch: u32,
    size: u64,
    branch: u8,
) -> SignedCheckpoint {
    let checkpoint = Checkpoint {
        origin: LogOrigin::new(who.name.clone(), epoch),
        size,
        root: merkle::root(&leaves(size, branch)),
    };
    let at = Clock::system().now();
    let (evidence, certificate) = (&who.evidence.key, &who.evidence.certificate);
    pki::note::sign_checkpoint(&checkpoint, key, evidence, certificate, at).unwrap()
}

async fn tell(peer: &mut Peer, heads: Vec<SignedCheckpoint>) {
    let frame = Control::Heads { heads }.encode().unwrap();
    peer.control(&frame).await;
}

/// The next question for a proof; what else the station says is left.
async fn question(peer: &mut Peer) -> (u64, u64, u64) {
    loop {
        if let Control::Prove {
            number, old, new, ..
        } = peer.hear().await
        {
            return (number, old, new);
        }
    }
}

async fn answer(peer: &mut Peer, number: u64, path: Option<Vec<Digest>>) {
    let frame = Control::Proof { number, path }.encode().unwrap();
    peer.control(&frame).await;
}

fn path(old: u64, new: u64, branch: u8) -> Vec<Digest> {
    merkle::consistency_path(&leaves(new, branch), usize::try_from(old).unwrap()).unwrap()
}

const LOG_A: &str = "node-a.tram.test/log/1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_proves_its_log_and_is_convicted_by_what_it_cannot_prove() {
    type Row = (&'static str, Option<Vec<Digest>>, Option<Code>);
    // (what it answers to the question from 5 to 9, whether the log is convicted)
    let table: [Row; 4] = [
        ("a proof that holds", Some(path(5, 9, 0)), None),
        (
            "a proof of another history",
            Some(path(5, 9, 1)),
            Some(Code::LogFork),
        ),
        ("no hashes at all", Some(vec![]), Some(Code::LogFork)),
        ("that it has no such log", None, Some(Code::LogRewind)),
    ];
    for (case, said, expected) in table {
        let world = World::new();
        let relay = start(&world.relay, None).await;
        let mut peer = Peer::connect(&world).await;
        let who = &world.node_a.credentials;
        tell(&mut peer, vec![head(who, 1, 5, 0)]).await;
        until("followed", async || held(&relay, LOG_A).await == 5).await;
        tell(&mut peer, vec![head(who, 1, 9, 0)]).await;
        let (number, old, new) = question(&mut peer).await;
        assert_eq!((old, new), (5, 9), "{case}");
        // An answer to nothing is left.
        answer(&mut peer, number + 7, Some(vec![])).await;
        answer(&mut peer, number, said).await;
        match expected {
            None => {
                until("grown", async || held(&relay, LOG_A).await == 9).await;
                assert!(no_log_alarm(&relay), "{case}: {:?}", relay.alarms());
            }
            Some(code) => {
                until_alarms(&relay, case, |up| up.contains(&(code, Level::Stopped))).await;
                assert_eq!(held(&relay, LOG_A).await, 5, "{case}");
            }
        }
        peer.close().await;
        relay.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_histories_told_to_two_stations_meet_at_a_third() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let (b, _told_b) = node(&world.node_b).await;
    let who = &world.node_a.credentials;
    // B saw one history, say in a receipt; the relay is told the other. B and A never talk.
    b.saw_checkpoint(&who.name, &head(who, 1, 9, 0));
    let mut peer = Peer::connect(&world).await;
    tell(&mut peer, vec![head(who, 1, 9, 1)]).await;
    for station in [&relay, &b] {
        until_alarms(station, "fork", |up| {
            up.contains(&(Code::LogFork, Level::Stopped))
        })
        .await;
        until("evidence", async || {
            !station.log_conflicts().await.unwrap().is_empty()
        })
        .await;
        let conflicts = station.store().log_conflicts().await.unwrap();
        let sides = [&conflicts[0].held, &conflicts[0].shown];
        let roots: Vec<Digest> = sides.iter().map(|one| one.root).collect();
        assert_ne!(roots[0], roots[1]);
        for side in sides {
            assert_eq!((side.origin.to_string().as_str(), side.size), (LOG_A, 9));
        }
    }
    // Its next epoch is another log.
    tell(&mut peer, vec![head(who, 2, 1, 0)]).await;
    until_alarms(&relay, "over", |up| {
        !up.iter().any(|(code, _)| *code == Code::LogFork)
    })
    .await;
    peer.close().await;
    b.shutdown().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_heads_are_refused_and_say_nothing_against_the_innocent_log() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let (b, _told_b) = node(&world.node_b).await;
    until_held(&relay, &b).await;
    let (origin, size) = newest(&b);
    let (a_keys, b_keys) = (&world.node_a.credentials, &world.node_b.credentials);
    let other_key = LogKey::generate().unwrap();
    let mut broken = head(b_keys, 1, 40, 1);
    broken.note = broken.note.replace("\n40\n", "\n41\n");
    let mut others_cms = head(b_keys, 1, 40, 1);
    others_cms.cms = head(a_keys, 1, 40, 1).cms;
    let forged = vec![
        signed_by(b_keys, &other_key, 1, 40, 1),
        broken,
        others_cms,
        // A station that is in no record, and its own name over another's keys.
        SignedCheckpoint {
            note: head(a_keys, 1, 40, 1).note.replace("node-a.", "node-x."),
            ..head(a_keys, 1, 40, 1)
        },
        SignedCheckpoint {
            note: "no note".to_owned(),
            cms: vec![0x30],
            token: None,
        },
    ];
    let mut peer = Peer::connect(&world).await;
    tell(&mut peer, forged).await;
    // What comes after them has been judged when this is held.
    tell(&mut peer, vec![head(a_keys, 1, 5, 0)]).await;
    until("the good one", async || held(&relay, LOG_A).await == 5).await;
    assert_eq!(held(&relay, &origin.to_string()).await, size);
    let followed = relay.store().seen_heads().await.unwrap();
    assert_eq!(followed.len(), 2, "{followed:?}");
    assert!(no_log_alarm(&relay) && !relay.store().stating_stopped());
    // Old heads of an honest log, told by others, are old news.
    for (size, branch) in [(3, 0), (5, 0)] {
        tell(&mut peer, vec![head(a_keys, 1, size, branch)]).await;
    }
    let (number, old, new) = question(&mut peer).await;
    assert_eq!((old, new), (3, 5));
    answer(&mut peer, number, Some(path(3, 5, 0))).await;
    tell(&mut peer, vec![head(a_keys, 2, 1, 0)]).await;
    until("the next epoch", async || {
        held(&relay, "node-a.tram.test/log/2").await == 1
    })
    .await;
    assert!(no_log_alarm(&relay), "{:?}", relay.alarms());
    assert!(!has(&relay, Code::LogRewind));
    peer.close().await;
    b.shutdown().await;
    relay.shutdown().await;
}
