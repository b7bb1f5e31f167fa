//! Replays (threat T7): every frame that a neighbour once sent, sent again by whoever recorded it: after a
//! restart, and after the relay was put back to a backup that knows nothing of the second half. The desk of
//! the recipient is told of each letter once.
//!
//! `./tests/run` replays 2,000 frames, `--full` 100,000.

use std::collections::HashMap;
use std::path::Path;

use formats::frame::Transfer;
use formats::statement::Event;
use relay::station::Station;
use relay::store::{Change, LegState, Move, StatementDraft};

use crate::letter::{Letter, context, letter};
use crate::peer::{Peer, answer, offer};
use crate::world::{RECIPIENT, SENDER, Told, World, noting_desk, soon, start};

const LETTERS: usize = 100;
/// Replays under way at once.
const AT_ONCE: usize = 16;

fn replays() -> usize {
    let full = std::env::var_os("TRAM_TESTS_MODE").is_some_and(|mode| mode == "full");
    if full { 100_000 } else { 2_000 }
}

fn written(world: &World, count: usize) -> Vec<Letter> {
    let node = &world.node_a.credentials.name;
    let now = relay::clock::Clock::system().now();
    (0..count)
        .map(|_| {
            let context = context(SENDER, node, &[RECIPIENT], &world.agencies[0], now);
            letter(context, &world.agencies[0], 100)
        })
        .collect()
}

/// Takes what arrives as a desk does, and counts how often each letter was told.
async fn deliver(b: &Station, told: &mut Told, counts: &mut HashMap<String, usize>, wanted: usize) {
    for _ in 0..wanted {
        let arrival = soon("arrival", told.arrivals.recv()).await.unwrap();
        *counts
            .entry(arrival.header.context().id.to_string())
            .or_default() += 1;
        let taken = Move {
            leg: arrival.leg,
            expect: vec![],
            to: LegState::PassedOn,
            at: b.clock().now(),
            statement: Some(StatementDraft {
                event: Event::ContentConsignment,
                reason: None,
                next_station: None,
            }),
            owe_receipt: true,
            evidence: None,
        };
        b.commit(Change::of(vec![taken.into()])).await.unwrap();
    }
}

/// Sends recorded frames again, each as it was; gives how many were answered with custody.
async fn replay(peer: &Peer, frames: &[Vec<u8>], count: usize) -> usize {
    let mut taken = 0;
    for first in (0..count).step_by(AT_ONCE) {
        let mut streams = Vec::new();
        for nth in first..(first + AT_ONCE).min(count) {
            streams.push(peer.send(&frames[nth % frames.len()]).await);
        }
        for (_send, mut recv) in streams {
            match answer(&mut recv).await {
                Transfer::Custody { .. } | Transfer::Have { .. } => taken += 1,
                Transfer::Refuse { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    taken
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_frames_deliver_nothing_twice_after_a_restart_and_after_a_restore() {
    let world = World::new();
    let (desk, mut told) = noting_desk();
    let b = start(&world.node_b, Some(desk)).await;
    let relay = start(&world.relay, None).await;
    let letters = written(&world, LETTERS);
    let frames: Vec<Vec<u8>> = letters
        .iter()
        .map(|one| Transfer::Offer(offer(one, &[RECIPIENT])).encode().unwrap())
        .collect();
    let mut counts = HashMap::new();
    let peer = Peer::connect(&world).await;
    assert_eq!(
        replay(&peer, &frames[..LETTERS / 2], LETTERS / 2).await,
        LETTERS / 2
    );
    deliver(&b, &mut told, &mut counts, LETTERS / 2).await;
    peer.close().await;
    relay.shutdown().await;
    drop(relay);
    // A backup that knows the first half.
    let (data, backup) = (
        &world.relay.config.data,
        world.relay.config.data.with_extension("backup"),
    );
    copy(data, &backup);

    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let half = LETTERS / 2;
    assert_eq!(replay(&peer, &frames[half..], half).await, half);
    deliver(&b, &mut told, &mut counts, half).await;
    peer.close().await;
    relay.shutdown().await;
    drop(relay);

    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let answered = replay(&peer, &frames, replays() / 2).await;
    peer.close().await;
    relay.shutdown().await;
    drop(relay);

    std::fs::remove_dir_all(data).unwrap();
    copy(&backup, data);
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let again = replay(&peer, &frames, replays() - replays() / 2).await;
    peer.close().await;
    // What a neighbour might still pass on is passed on before anybody counts.
    let empty = async |relay: &Station| {
        loop {
            let shape = relay.store().shape(relay.clock().now()).await.unwrap();
            if shape.states.iter().all(|one| one.legs == 0) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    if again > 0 {
        // A restored relay may hold what it must not state about; then it stays there.
        let wait = std::time::Duration::from_secs(10);
        let _held = tokio::time::timeout(wait, empty(&relay)).await;
    }
    assert!(told.arrivals.try_recv().is_err(), "told a second time");
    assert_eq!(counts.len(), LETTERS);
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    println!(
        "RESULT replays: {} old frames after a restart ({answered} answered as before) and after a restore \
         ({again} answered); {} letters, each told once",
        replays(),
        counts.len()
    );
    for station in [relay, b] {
        station.shutdown().await;
    }
}
