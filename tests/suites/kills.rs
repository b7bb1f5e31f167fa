//! Power switches: node and relay are killed again and again while submissions are open.
//!
//! The unit of truth is the client's own list of acknowledged ids, kept outside the system: every document on
//! it must reach the recipient's system exactly once, and nothing may reach it twice. `./tests/run` kills 100
//! times, `--full` 1,000 times.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tests::samples::{Letter, Noise};
use tests::world::{Topology, World};
use tokio::task::JoinSet;

const A: &str = "H01.36";
const B: &str = "H01.36.04";
/// Submissions that are always open.
const OPEN: usize = 48;

/// What the client knows, outside the system.
#[derive(Debug, Default)]
struct Ledger {
    acknowledged: Mutex<HashSet<String>>,
    arrived: Mutex<HashMap<String, u32>>,
    unanswered: AtomicUsize,
    refused: AtomicU64,
    stop: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_by_kills() {
    let kills: usize = if std::env::var_os("TRAM_TESTS_MODE").is_some_and(|mode| mode == "full") {
        1000
    } else {
        100
    };
    let mut world = World::start(&Topology::one_relay());
    let ledger = Arc::new(Ledger::default());
    let mut tasks = JoinSet::new();
    for worker in 0..OPEN {
        tasks.spawn(submit_for_ever(world.client(A), ledger.clone(), worker));
    }
    for _ in 0..4 {
        tasks.spawn(receive_for_ever(world.client(B), ledger.clone()));
    }
    let mut noise = Noise::new(std::process::id().into());
    let mut open_at_kill = Vec::new();
    let labels = ["node-a", "relay-bac", "node-b"];
    for round in 0..kills {
        // Half of the kills hit the node that answers the submissions.
        let label = if round % 2 == 0 {
            labels[0]
        } else {
            labels[1 + round / 2 % 2]
        };
        wait_for_answers(&ledger).await;
        tokio::time::sleep(Duration::from_millis(noise.word() % 250)).await;
        open_at_kill.push(ledger.unanswered.load(Ordering::SeqCst));
        world.station(label).kill();
        world.station(label).start();
    }
    ledger.stop.store(true, Ordering::SeqCst);
    settle(&ledger).await;
    // What stayed unanswered may have been accepted all the same; only what was acknowledged counts.
    tasks.abort_all();
    while tasks.join_next().await.is_some() {}
    let acknowledged = ledger.acknowledged.lock().expect("no panic holds it");
    let arrived = ledger.arrived.lock().expect("no panic holds it");
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|id| !arrived.contains_key(*id))
        .collect();
    let twice: Vec<_> = arrived.iter().filter(|(_, count)| **count > 1).collect();
    let shown: Vec<_> = open_at_kill.iter().map(ToString::to_string).collect();
    println!("unanswered requests at each kill: {}", shown.join(" "));
    open_at_kill.sort_unstable();
    let median = open_at_kill[open_at_kill.len() / 2];
    println!(
        "RESULT kills: {kills} kills, {} acknowledged, {} arrived, {} lost, {} twice, {} refused, median of \
         unanswered requests at a kill {median}",
        acknowledged.len(),
        arrived.len(),
        lost.len(),
        twice.len(),
        ledger.refused.load(Ordering::SeqCst)
    );
    assert!(
        lost.is_empty(),
        "acknowledged but lost: {lost:?}\n{}",
        logs(&mut world)
    );
    assert!(twice.is_empty(), "handed over twice: {twice:?}");
    assert!(
        acknowledged.len() > kills,
        "hardly anything was acknowledged: {}",
        acknowledged.len()
    );
    assert!(
        median >= 8,
        "the kills met too few open requests (median {median})"
    );
}

fn logs(world: &mut World) -> String {
    world
        .stations
        .iter()
        .map(|station| format!("--- {}\n{}", station.name, station.log_tail()))
        .collect()
}

/// After a restart some submissions must have been answered again, or the kills would meet an idle system.
async fn wait_for_answers(ledger: &Ledger) {
    let before = ledger.acknowledged.lock().expect("no panic holds it").len();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if ledger.acknowledged.lock().expect("no panic holds it").len() > before {
            return;
        }
        assert!(
            Instant::now() < until,
            "no submission was answered for a minute"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Everything acknowledged has arrived, or two minutes have passed.
async fn settle(ledger: &Ledger) {
    let until = Instant::now() + Duration::from_secs(120);
    while Instant::now() < until {
        let missing = {
            let acknowledged = ledger.acknowledged.lock().expect("no panic holds it");
            let arrived = ledger.arrived.lock().expect("no panic holds it");
            acknowledged
                .iter()
                .filter(|id| !arrived.contains_key(*id))
                .count()
        };
        if missing == 0 && ledger.unanswered.load(Ordering::SeqCst) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// One of the clients: submits the next letter, asks again with the same key until it is answered.
async fn submit_for_ever(client: tests::client::NodeClient, ledger: Arc<Ledger>, worker: usize) {
    let mut count = 0_u64;
    while !ledger.stop.load(Ordering::SeqCst) {
        let number = format!("{worker}{count:06}");
        let letter = Letter::new(A, &[B], &number, "Thử mất điện").with_file(
            "a.bin",
            "application/octet-stream",
            vec![7; 600],
        );
        let packet = letter.packet();
        let key = format!("kill-{number}");
        loop {
            ledger.unanswered.fetch_add(1, Ordering::SeqCst);
            let answer = client.submit(packet.clone(), &key).await;
            ledger.unanswered.fetch_sub(1, Ordering::SeqCst);
            match answer {
                Ok(answer) if answer.status.is_success() => {
                    ledger
                        .acknowledged
                        .lock()
                        .expect("no panic holds it")
                        .insert(letter.document_id());
                    break;
                }
                // Busy, or the first request with this key still runs: ask again.
                Ok(answer) => {
                    ledger.refused.fetch_add(1, Ordering::SeqCst);
                    assert!(
                        [409, 429, 503].contains(&answer.status.as_u16()),
                        "an unexpected refusal: {} {:#}",
                        answer.status,
                        answer.json
                    );
                }
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        count += 1;
    }
}

/// The recipient's system: takes each item, notes it once its acknowledgement is answered.
async fn receive_for_ever(client: tests::client::NodeClient, ledger: Arc<Ledger>) {
    loop {
        let claimed = client
            .request(reqwest::Method::POST, "/inbox/claims?wait=1")
            .json(&serde_json::json!({"count": 16, "lease_s": 10}))
            .send()
            .await;
        let items = match claimed {
            Ok(answer) if answer.status().is_success() => {
                answer.json::<serde_json::Value>().await.unwrap_or_default()["items"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default()
            }
            _ => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        for item in items {
            // The answer to an acknowledgement can be lost with the process: ask until it is there. An
            // item whose acknowledgement was answered must never be claimed again.
            for _ in 0..500 {
                match client.acknowledge(&item).await {
                    Ok(answer) if answer.status.is_success() => {
                        let id = item["local_id"]
                            .as_str()
                            .expect("items name the document")
                            .to_owned();
                        *ledger
                            .arrived
                            .lock()
                            .expect("no panic holds it")
                            .entry(id)
                            .or_insert(0) += 1;
                        break;
                    }
                    // The lease ran out and another worker has it: that worker counts it.
                    Ok(answer) if answer.status.as_u16() == 409 => break,
                    Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        }
    }
}
