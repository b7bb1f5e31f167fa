//! Trust data past its window and clocks that are wrong, with real processes whose clock faketime moves: the
//! product has no switch for it.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tests::client::{NodeClient, answer, recipients};
use tests::process::{bin, faketime, run};
use tests::samples::Letter;
use tests::world::{StationHandle, Topology, World, http_get};

const A: &str = "H01.36";
const B: &str = "H01.36.04";
const SOON: Duration = Duration::from_secs(60);

fn packet(number: &str) -> Vec<u8> {
    let pdf = tests::office::pdf(&["Về việc kiểm thử liên thông"]);
    Letter::new(A, &[B], number, "Về việc kiểm thử liên thông")
        .with_file("cong-van.pdf", "application/pdf", pdf)
        .packet()
}

/// Hands in a document that lives for ten days.
async fn submit(sender: &NodeClient, number: &str) -> tests::client::Answer {
    let request = sender
        .request(Method::POST, "/documents?lifetime_hours=240")
        .header("content-type", "application/edxml+xml")
        .header("idempotency-key", number)
        .body(packet(number));
    answer(request).await.expect("an answer")
}

/// Waits until this station's operations endpoint shows the alarm at this level, or without one no alarm.
async fn until_alarm(station: &StationHandle, code: &str, level: Option<&str>) -> Value {
    let looking = async {
        loop {
            let status = station.ops_json("/status");
            let alarms = status["alarms"].as_array().cloned().unwrap_or_default();
            let found = alarms.iter().find(|alarm| alarm["code"] == code);
            let is = found.and_then(|alarm| alarm["level"].as_str());
            if status.is_object() && is == level {
                break found.cloned().unwrap_or_default();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    match tokio::time::timeout(SOON, looking).await {
        Ok(alarm) => alarm,
        Err(_) => panic!("{code} is not {level:?}: {:#}", station.ops_json("/status")),
    }
}

#[tokio::test]
async fn days_without_new_lists_stop_the_network_with_the_remedy_and_new_lists_free_it() {
    // The lists of the authority hold for two days and their window is two more; four days and an hour
    // later everything starts again, without authority.
    let mut world = World::start(&Topology::one_relay());
    let sender = world.client(A);
    let first = submit(&sender, "1").await.id();
    sender
        .wait_recipients(&first, &["delivered", "handed_over"], SOON)
        .await;
    world.station("node-b").stop();
    let waiting = submit(&sender, "2").await.id();
    sender.wait_recipients(&waiting, &["relayed"], SOON).await;
    world.stop();
    let later = faketime("+97h");
    let env: Vec<(&str, &str)> = later.iter().map(|(k, v)| (*k, v.as_str())).collect();
    for label in ["relay-bac", "node-a", "node-b"] {
        world.station(label).start_with(&env);
    }
    for label in ["relay-bac", "node-a", "node-b"] {
        let alarm = until_alarm(world.station(label), "TRAM-350", Some("stopped")).await;
        assert!(
            alarm["remedy"]["vi"]
                .as_str()
                .is_some_and(|text| text.contains("CRL"))
        );
    }
    let metrics = format!("http://{}/metrics", world.station("relay-bac").ops);
    let metrics = http_get(&metrics).expect("metrics");
    let line = "tram_alarm{code=\"TRAM-350\",name=\"revocation\"} 2";
    assert!(metrics.contains(line), "{metrics}");

    let sender = world.client(A);
    let refused = submit(&sender, "3").await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{:#}",
        refused.json
    );
    assert_eq!(refused.code(), "trust_data_stale");
    assert_eq!(refused.json["alarm"], "TRAM-350");
    let kept = sender.wait_recipients(&waiting, &["relayed"], SOON).await;
    assert_eq!(recipients(&kept)[0]["state"], "relayed", "{kept:#}");

    let (tool, dir) = (bin("tram-pki"), world.authority.clone());
    let text = |path: &Path| path.to_str().expect("paths of tests are text").to_owned();
    let arguments = [
        "-f",
        "+97h",
        &text(&tool),
        "crl",
        "publish",
        "--dir",
        &text(&dir),
    ];
    run(Path::new("faketime"), &arguments);
    for label in ["relay-bac", "node-a", "node-b"] {
        until_alarm(world.station(label), "TRAM-350", None).await;
    }
    let third = submit(&sender, "3").await.id();
    for id in [&waiting, &third] {
        sender
            .wait_recipients(id, &["delivered", "handed_over"], SOON * 6)
            .await;
    }
}

#[tokio::test]
async fn without_the_authority_documents_arrive_on_the_next_day_and_with_a_warning_on_the_third() {
    let mut world = World::start(&Topology::one_relay());
    let sender = world.client(A);
    let first = submit(&sender, "1").await.id();
    sender
        .wait_recipients(&first, &["delivered", "handed_over"], SOON)
        .await;
    // Certificates, lists, answers and time-stamps come from nowhere any more.
    world.stop();
    for (number, by, level) in [("25", "+25h", None), ("73", "+73h", Some("warning"))] {
        let later = faketime(by);
        let env: Vec<(&str, &str)> = later.iter().map(|(k, v)| (*k, v.as_str())).collect();
        for label in ["relay-bac", "node-a", "node-b"] {
            world.station(label).start_with(&env);
        }
        let sender = world.client(A);
        let sent = submit(&sender, number).await.id();
        sender
            .wait_recipients(&sent, &["delivered", "handed_over"], SOON)
            .await;
        for label in ["relay-bac", "node-a", "node-b"] {
            until_alarm(world.station(label), "TRAM-350", level).await;
        }
        for label in ["relay-bac", "node-a", "node-b"] {
            world.station(label).stop();
        }
    }
}

#[tokio::test]
async fn a_node_two_minutes_off_says_so_stamps_nothing_and_still_exchanges_documents() {
    let mut world = World::start(&Topology::one_relay());
    world.station("node-b").stop();
    let wrong = faketime("+2m");
    let env: Vec<(&str, &str)> = wrong.iter().map(|(k, v)| (*k, v.as_str())).collect();
    world.station("node-b").start_with(&env);
    let alarm = until_alarm(world.station("node-b"), "TRAM-356", Some("stopped")).await;
    assert!(
        alarm["detail"]
            .as_str()
            .is_some_and(|text| text.contains("ms off")),
        "{alarm:#}"
    );
    assert_eq!(
        world.station("node-b").ops_json("/status")["clock_unsure"],
        true
    );
    let sender = world.client(A);
    let id = submit(&sender, "1").await.id();
    sender
        .wait_recipients(&id, &["delivered", "handed_over"], SOON)
        .await;
    let log = world.station("node-b").log();
    let said = log.lines().filter(|line| line.contains("TRAM-356")).count();
    // Once when its relay disagrees, once when a token decides.
    assert!((1..=2).contains(&said), "{log}");
    // Set right it goes on.
    world.station("node-b").stop();
    world.station("node-b").start();
    until_alarm(world.station("node-b"), "TRAM-356", None).await;
    assert_eq!(
        world.station("node-b").ops_json("/status")["clock_unsure"],
        false
    );
}
