//! Logs: a witness of another operator cosigns the relays' logs; a relay comes back with an older copy of its
//! data; its neighbours name the log, it stops by itself, its operator opens the next epoch, and everything goes on.
//! Real processes, as an operator would run them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::process::{Process, bin, run};
use tests::samples::Letter;
use tests::world::{Topology, World, agency, free_tcp, http_get, node, relay};

const A: &str = "H01.36";
const C: &str = "G09";
const SOON: Duration = Duration::from_secs(60);

/// Two relays in a row, a node on each.
fn topology() -> Topology {
    Topology {
        stations: vec![
            relay("relay-bac", &["relay-nam"]),
            relay("relay-nam", &["relay-bac"]),
            node(
                "node-a",
                &["relay-bac"],
                vec![agency(A, "Sở Nội vụ tỉnh A")],
            ),
            node("node-c", &["relay-nam"], vec![agency(C, "Bộ Nội vụ")]),
        ],
        tsa: true,
        automatic_01: true,
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

fn until(what: &str, mut asked: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !asked() {
        assert!(
            Instant::now() < end,
            "{what} did not happen within {SOON:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes a witness, has the trust list name it, starts it, and points the relays at it.
fn start_witness(world: &mut World) -> (Process, String) {
    let dir = world.dir.join("witness");
    let relay = bin("tram-relay");
    let said = run(
        &relay,
        &[
            "witness",
            "init",
            "--dir",
            text(&dir),
            "--name",
            "witness.example/w1",
        ],
    );
    let key = said.trim().to_owned();
    let (pki, authority) = (bin("tram-pki"), world.authority.join("authority"));
    let list = world.records.join("trust-list.rec");
    let (draft, signed) = (world.dir.join("draft"), world.dir.join("signed"));
    let certificate = authority.join("trust-list.crt");
    let trust_list = ["records", "trust-list"];
    let order = |rest: &[&str]| {
        let all: Vec<&str> = trust_list.iter().chain(rest).copied().collect();
        run(&pki, &all)
    };
    order(&[
        "draft",
        "--from",
        text(&list),
        "--out",
        text(&draft),
        "--witness",
        &key,
        "--witnesses-needed",
        "1",
    ]);
    let signing = authority.join("trust-list.key");
    order(&[
        "add-signature",
        text(&draft),
        "--cert",
        text(&certificate),
        "--key",
        text(&signing),
        "--out",
        text(&signed),
    ]);
    order(&[
        "publish",
        text(&signed),
        "--pin",
        text(&certificate),
        "--records",
        text(&world.records),
    ]);
    let listen = free_tcp();
    let config = world.dir.join("witness.toml");
    let settings = format!(
        "dir = {dir:?}\nlisten = \"{listen}\"\nrecords = {:?}\n[trust]\nlist_key = {certificate:?}\n",
        world.records
    );
    std::fs::write(&config, settings).expect("configuration is written");
    let log = world.dir.join("log/witness.log");
    let arguments = ["witness", "run", "--config", text(&config)];
    let mut process = Process::start("witness", &relay, &arguments, &log);
    let url = format!("http://{listen}");
    let livez = format!("{url}/livez");
    process.wait_ready("readiness", SOON, || http_get(&livez).is_some());
    for label in ["relay-bac", "relay-nam"] {
        let config = world.station(label).config.clone();
        let mut settings = std::fs::read_to_string(&config).expect("configuration");
        settings += &format!("\n[witness]\nurls = [\"{url}\"]\n");
        std::fs::write(&config, settings).expect("configuration is written");
    }
    (process, url)
}

/// Sends a document from A to C and waits until C has it.
async fn send(world: &World, number: &str) -> String {
    let letter = Letter::new(A, &[C], number, "Về việc kiểm thử nhật ký");
    let sender = world.client(A);
    let answer = sender
        .submit(letter.packet(), number)
        .await
        .expect("an answer");
    let id = answer.id();
    sender
        .wait_recipients(&id, &["delivered", "handed_over"], SOON)
        .await;
    id
}

fn copy(from: &Path, to: &Path) {
    drop(std::fs::remove_dir_all(to));
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder") {
        let path: PathBuf = entry.expect("entry").path();
        let target = to.join(path.file_name().expect("name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}

/// Whether this alarm is up at a station, about this subject.
fn alarm(status: &Value, code: &str, subject: &str) -> bool {
    let all = status["alarms"].as_array().cloned().unwrap_or_default();
    all.iter()
        .any(|one| one["code"] == code && one["subject"] == subject)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn a_witness_cosigns_and_a_relay_set_back_is_named_stops_and_goes_on_in_the_next_epoch() {
    let mut world = World::prepare(&topology());
    let (mut witness, url) = start_witness(&mut world);
    world.start_all();
    let first = send(&world, "1").await;
    // Both relays' logs become stamped and witnessed; the witness remembers their newest checkpoints.
    for label in ["relay-bac", "relay-nam"] {
        until("witnessed", || {
            let status = world.station(label).ops_json("/status");
            let levels = &status["log"]["levels"];
            levels["witnessed"].as_u64().is_some_and(|size| size > 1)
        });
    }
    let logs = http_get(&format!("{url}/logs")).expect("the witness answers");
    for log in ["relay-bac.tram.test/log/1", "relay-nam.tram.test/log/1"] {
        assert!(logs.contains(log), "{logs}");
    }
    // A copy of relay-nam, and then more that it knows nothing of.
    let data = world.station("relay-nam").data.clone();
    let older = world.dir.join("older");
    world.station("relay-nam").stop();
    copy(&data, &older);
    world.station("relay-nam").start();
    send(&world, "2").await;
    let log = "relay-nam.tram.test/log/1";
    let held = |world: &mut World| {
        let heads = world.station("relay-bac").ops_json("/heads");
        let all = heads["logs"].as_array().cloned().unwrap_or_default();
        all.iter()
            .find(|one| one["log"] == log)
            .and_then(|one| one["size"].as_u64())
    };
    until("relay-bac holds the newest head", || {
        let size = world.station("relay-nam").ops_json("/status")["log"]["size"].as_u64();
        size.is_some() && held(&mut world) == size
    });
    let lost = held(&mut world).expect("held");
    world.station("relay-nam").stop();
    copy(&older, &data);
    world.station("relay-nam").start();
    // The neighbour names the log and keeps both signed notes; the relay itself states nothing more.
    until("the neighbour's alarm", || {
        alarm(
            &world.station("relay-bac").ops_json("/status"),
            "TRAM-371",
            log,
        )
    });
    until("its own alarm", || {
        alarm(
            &world.station("relay-nam").ops_json("/status"),
            "TRAM-373",
            log,
        )
    });
    let status = world.station("relay-nam").ops_json("/status");
    assert_eq!(status["log"]["stopped"], true);
    let config = world.station("relay-bac").config.clone();
    let said = run(
        &bin("tram-relay"),
        &["log", "conflicts", "--json", "--config", text(&config)],
    );
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let conflict = &said["conflicts"][0];
    assert_eq!(
        (&conflict["log"], &conflict["kind"]),
        (&log.into(), &"rewind".into())
    );
    assert_eq!(conflict["held"]["size"], lost);
    for side in ["held", "shown"] {
        let note = conflict[side]["note"].as_str().expect("a note");
        assert!(note.starts_with(&format!("{log}\n")), "{note}");
    }
    // What is sent now waits at the last station that states.
    let letter = Letter::new(A, &[C], "3", "Về việc kiểm thử nhật ký");
    let sender = world.client(A);
    let waiting = sender
        .submit(letter.packet(), "3")
        .await
        .expect("an answer")
        .id();
    // The operator opens the next epoch: not while the relay runs.
    let config = world.station("relay-nam").config.clone();
    let epoch = [
        "log",
        "epoch",
        "--why",
        "restored",
        "--json",
        "--config",
        text(&config),
    ];
    let refused = std::process::Command::new(bin("tram-relay"))
        .args(epoch)
        .output()
        .expect("runs");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop the station first"));
    world.station("relay-nam").stop();
    let opened: Value = serde_json::from_str(&run(&bin("tram-relay"), &epoch)).expect("JSON");
    assert_eq!(opened["log"], "relay-nam.tram.test/log/2");
    assert_eq!(
        (&opened["previous"]["log"], &opened["previous"]["size"]),
        (&log.into(), &lost.into())
    );
    world.station("relay-nam").start();
    sender
        .wait_recipients(&waiting, &["delivered", "handed_over"], SOON)
        .await;
    send(&world, "4").await;
    until("the alarm is over", || {
        !alarm(
            &world.station("relay-bac").ops_json("/status"),
            "TRAM-371",
            log,
        )
    });
    until("the new epoch is witnessed", || {
        let status = world.station("relay-nam").ops_json("/status");
        status["log"]["levels"]["witnessed"].is_u64()
            && status["log"]["origin"] == "relay-nam.tram.test/log/2"
    });
    // The first document's evidence still stands, offline.
    let package = sender
        .bytes(&format!("/documents/{first}/evidence"))
        .await
        .expect("a package");
    let file = world.dir.join("first.zip");
    std::fs::write(&file, &package).expect("written");
    let verified = std::process::Command::new(bin("tram"))
        .args(["evidence", "verify", text(&file)])
        .output()
        .expect("tram runs");
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(
        verified.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    witness.stop(Duration::from_secs(10));
}
