//! What the time-stamp authority costs: tokens a minute for the log at one leaf a second, at about a hundred, and at
//! what the machine gives.
//!
//! Owns: the three paces and the row. The log of the sender's node is looked at. Beside its tokens each document asks
//! for one over its signature, in its own time; those grow with the documents and are told apart.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::samples;
use tests::world::{Topology, World};

use crate::receipts::Judge;
use crate::traffic::{self, Load, Packet, Receiver};

const SENDER: &str = "H01.36";
const RECIPIENT: &str = "H01.36.04";

/// Name, documents in flight, pause after each.
const PACES: [(&str, usize, Duration); 3] = [
    ("1", 1, Duration::from_millis(950)),
    ("100", 1, Duration::from_millis(2)),
    ("max", 256, Duration::ZERO),
];

/// Measures the three paces for this many seconds each; false when a document was lost.
pub async fn measure(
    base: &Path,
    seconds: u64,
    first: impl Fn() -> u64,
    print: impl Fn(&Value),
) -> bool {
    let dir = tempfile::Builder::new()
        .prefix("tram-bench-")
        .tempdir_in(base)
        .expect("folder");
    let mut topology = Topology::direct();
    topology.tsa = true;
    topology.automatic_01 = false;
    let mut world = World::prepare_in(dir.path(), &topology);
    world.start_all();
    let judge = Arc::new(Judge::new(&world.authority));
    let mut good = true;
    for (name, window, pause) in PACES {
        eprintln!("tram-bench: stamps at {name} leaves a second");
        let receiver = Receiver::start(&world.client(RECIPIENT), &world.dir.join("dms"), 16);
        let load = Load {
            window,
            time: Duration::from_secs(seconds),
            docs: u64::MAX,
            pause,
            patience: Duration::from_secs(120),
        };
        let (begin, before) = (Instant::now(), state(&world));
        let packet =
            |number| Packet::Small(samples::sized(SENDER, &[RECIPIENT], number, 4096).into());
        let sent = traffic::send(&world.client(SENDER), &judge, load, first(), packet).await;
        let (took, after) = (begin.elapsed().as_secs_f64(), state(&world));
        let _seen = receiver.finish().await;
        let leaves = after.0.saturating_sub(before.0) as f64;
        let tokens = after.1.saturating_sub(before.1) as f64;
        good &= sent.errors.is_empty() && sent.timed_out == 0;
        print(&json!({
            "step": "stamps", "pace": name, "seconds": round(took),
            "leaves_per_s": round(leaves / took),
            "log_tokens_per_minute": round(tokens * 60.0 / took),
            "documents_per_minute": round(sent.docs as f64 * 60.0 / took),
            "leaves_per_log_token": round(leaves / tokens.max(1.0)),
            "errors": sent.errors.len(), "timed_out": sent.timed_out,
        }));
    }
    good
}

/// Leaves and tokens of the sender's log so far.
fn state(world: &World) -> (u64, u64) {
    let node = world
        .stations
        .iter()
        .find(|station| station.keys.iter().any(|(code, _)| code == SENDER))
        .expect("the sender's node");
    let status = node.ops_json("/status");
    let tokens = status["time_stamps"].as_array().into_iter().flatten();
    (
        status["log"]["size"].as_u64().unwrap_or_default(),
        tokens.filter_map(|one| one["tokens"].as_u64()).sum(),
    )
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
