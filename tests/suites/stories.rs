//! Stories: what users live through, told with real processes from submission to receipt.
//!
//! Each test starts its own world of authority, relays and nodes on loopback and speaks to it only through
//! the doors that a document-management system has.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tests::client::recipients;
use tests::samples::Letter;
use tests::world::{Topology, World, agency, node, relay};

const A: &str = "H01.36";
const B: &str = "H01.36.04";
const C: &str = "G09";
const SOON: Duration = Duration::from_secs(60);

/// Two relays in a row; the third agency hangs on the far one.
fn far() -> Topology {
    Topology {
        stations: vec![
            relay("relay-bac", &["relay-nam"]),
            relay("relay-nam", &["relay-bac"]),
            node(
                "node-a",
                &["relay-bac"],
                vec![agency(A, "Sở Nội vụ tỉnh A")],
            ),
            node(
                "node-b",
                &["relay-bac"],
                vec![agency(B, "UBND xã Đông Tiến")],
            ),
            node("node-c", &["relay-nam"], vec![agency(C, "Bộ Nội vụ")]),
        ],
        tsa: true,
        automatic_01: true,
    }
}

fn letter(number: &str, to: &[&str]) -> Letter {
    Letter::new(A, to, number, "Về việc kiểm thử liên thông").with_file(
        "cong-van.pdf",
        "application/pdf",
        tests::office::pdf(&["Về việc kiểm thử liên thông"]),
    )
}

/// Codes of the faults in a refusal.
fn faults(answer: &Value) -> Vec<String> {
    answer["errors"]
        .as_array()
        .map(|errors| {
            errors
                .iter()
                .filter_map(|fault| fault["code"].as_str())
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
}

#[tokio::test]
async fn a_document_reaches_near_and_far_recipients_byte_for_byte_with_receipts() {
    // One upload, two recipients, one of them behind a second relay: what arrives is what was sent, and
    // the sender sees every recipient handed over by its own home station's word.
    let world = World::start(&far());
    let packet = letter("1283", &[B, C]).packet();
    let sender = world.client(A);
    let id = sender
        .submit(packet.clone(), "k-1")
        .await
        .expect("an answer")
        .id();
    sender
        .wait_recipients(&id, &["delivered", "handed_over"], SOON)
        .await;
    for code in [B, C] {
        let taken = world.client(code).receive(1, SOON).await;
        assert_eq!(taken[0].1, packet, "{code} got other bytes");
    }
    let view = sender.wait_recipients(&id, &["handed_over"], SOON).await;
    assert_eq!(recipients(&view).len(), 2);
    for row in recipients(&view) {
        assert!(
            row["delivered_at"].is_string() && row["handed_over_at"].is_string(),
            "{row:#}"
        );
    }
    let events = sender
        .get(&format!("/documents/{id}/events"))
        .await
        .expect("an answer")
        .json;
    let text = events.to_string();
    for word in ["accepted", "relayed", "delivered", "handed_over"] {
        assert!(
            text.contains(word),
            "the timeline does not tell {word}: {events:#}"
        );
    }
    assert!(!text.contains("\"invalid\""), "{events:#}");
}

#[tokio::test]
async fn the_same_submission_again_is_the_same_document() {
    // Key and body equal: the first answer again. Another key, same packet: still the same document.
    // Same key, other body: refused. Same document id, other packet: a conflict that names the first.
    let world = World::start(&Topology::one_relay());
    let sender = world.client(A);
    let packet = letter("7", &[B]).packet();
    let first = sender
        .submit(packet.clone(), "key-7")
        .await
        .expect("an answer");
    let id = first.id();
    let again = sender
        .submit(packet.clone(), "key-7")
        .await
        .expect("an answer");
    assert_eq!(again.id(), id);
    assert!(again.replayed, "a repeated answer says so");
    let other_key = sender
        .submit(packet.clone(), "key-8")
        .await
        .expect("an answer");
    assert_eq!(other_key.id(), id);
    assert_eq!(other_key.json["duplicate"], true, "{:#}", other_key.json);
    let mut changed = letter("7", &[B]);
    changed.subject = "Nội dung khác".to_owned();
    let mismatch = sender
        .submit(changed.packet(), "key-7")
        .await
        .expect("an answer");
    assert_eq!(
        mismatch.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{:#}",
        mismatch.json
    );
    let conflict = sender
        .submit(changed.packet(), "key-9")
        .await
        .expect("an answer");
    assert_eq!(conflict.status, StatusCode::CONFLICT, "{:#}", conflict.json);
    assert!(
        conflict.json.to_string().contains(&id),
        "names the first: {:#}",
        conflict.json
    );
    let taken = world.client(B).receive(1, SOON).await;
    assert_eq!(taken[0].1, packet);
    let more = world.client(B).claim(10, 60, 1).await.expect("an answer");
    assert!(more.is_empty(), "the document came twice: {more:#?}");
}

#[tokio::test]
async fn what_must_not_travel_is_refused_with_every_fault_named() {
    // All faults at once, each with a stable code; nothing of it is stored.
    let world = World::start(&Topology::one_relay());
    let sender = world.client(A);
    let mut secret = letter("1", &[B]);
    secret.circulation = Some("TUYỆT MẬT".to_owned());
    let mut not_ours = letter("2", &[B]);
    not_ours.from.0 = B.to_owned();
    let unknown = letter("3", &["H99.99", B]);
    let mut several = letter("4", &["H99.99"]);
    several.subject = String::new();
    several.circulation = Some("MẬT".to_owned());
    let text = String::from_utf8(letter("5", &[B]).packet()).expect("packets are text");
    let entity = text.replacen(
        "<edXML ",
        "<!DOCTYPE edXML [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><edXML ",
        1,
    );
    let cut = text[..text.len() / 2].to_owned();
    let cases: [(&str, Vec<u8>, &[&str]); 7] = [
        ("secrecy mark", secret.packet(), &["E-SECRET"]),
        ("another's sender code", not_ours.packet(), &["E-SENDER"]),
        ("unknown recipient", unknown.packet(), &["E-RECEIVER"]),
        (
            "three faults",
            several.packet(),
            &["E-RECEIVER", "E-SECRET", "N.MessageHeader.Subject"],
        ),
        ("doctype", entity.into_bytes(), &["E-DOCTYPE"]),
        ("cut in the middle", cut.into_bytes(), &["E-XML"]),
        (
            "no XML at all",
            b"%PDF-1.4 not a packet".to_vec(),
            &["E-XML"],
        ),
    ];
    for (number, (name, packet, wanted)) in cases.into_iter().enumerate() {
        let answer = sender
            .submit(packet, &format!("bad-{number}"))
            .await
            .expect("an answer");
        assert!(
            answer.status.is_client_error(),
            "{name}: {} {:#}",
            answer.status,
            answer.json
        );
        assert!(
            !answer.code().is_empty(),
            "{name}: no stable code: {:#}",
            answer.json
        );
        let found = faults(&answer.json);
        for code in wanted {
            assert!(
                found.iter().any(|f| f == code),
                "{name}: {code} not in {found:?}"
            );
        }
    }
    let listed = sender.get("/documents").await.expect("an answer");
    assert_eq!(
        listed.json["items"].as_array().map(Vec::len),
        Some(0),
        "{:#}",
        listed.json
    );
}

#[tokio::test]
async fn a_relay_that_goes_down_loses_nothing_and_is_caught_up_with() {
    let mut world = World::start(&Topology::one_relay());
    let sender = world.client(A);
    let first = sender
        .submit(letter("1", &[B]).packet(), "r-1")
        .await
        .expect("an answer")
        .id();
    sender.wait_recipients(&first, &["delivered"], SOON).await;
    world.station("relay-bac").kill();
    let mut waiting = Vec::new();
    for number in 2..6 {
        let packet = letter(&number.to_string(), &[B]).packet();
        let key = format!("r-{number}");
        waiting.push(
            sender
                .submit(packet, &key)
                .await
                .expect("accepted while the relay is away")
                .id(),
        );
    }
    for id in &waiting {
        let view = sender
            .get(&format!("/documents/{id}/recipients"))
            .await
            .expect("an answer");
        assert_eq!(
            recipients(&view.json)[0]["state"],
            "accepted",
            "{:#}",
            view.json
        );
        let why = sender
            .get(&format!("/documents/{id}/explain"))
            .await
            .expect("an answer");
        assert!(why.status.is_success(), "{:#}", why.json);
    }
    world.station("relay-bac").start();
    // A connection is given up after 30 s of silence. The returned relay answers what still comes for its
    // former life with a reset, so peers are back well before that.
    for id in &waiting {
        sender
            .wait_recipients(id, &["delivered"], Duration::from_secs(20))
            .await;
    }
    assert_eq!(world.client(B).receive(5, SOON).await.len(), 5);
}

#[tokio::test]
async fn a_node_that_goes_down_gets_what_waited_once_it_is_back() {
    let mut world = World::start(&Topology::one_relay());
    world.station("node-b").kill();
    let sender = world.client(A);
    let mut ids = Vec::new();
    for number in 1..6 {
        let packet = letter(&number.to_string(), &[B]).packet();
        ids.push(
            sender
                .submit(packet, &format!("n-{number}"))
                .await
                .expect("an answer")
                .id(),
        );
    }
    for id in &ids {
        sender.wait_recipients(id, &["relayed"], SOON).await;
    }
    world.station("node-b").start();
    let taken = world.client(B).receive(5, SOON).await;
    assert_eq!(taken.len(), 5);
    for id in &ids {
        sender.wait_recipients(id, &["handed_over"], SOON).await;
    }
    // The sender's own restart forgets nothing either: receipts are read from its store.
    world.station("node-a").kill();
    world.station("node-a").start();
    for id in &ids {
        world
            .client(A)
            .wait_recipients(id, &["handed_over"], SOON)
            .await;
    }
}

#[tokio::test]
async fn a_document_past_its_life_is_not_delivered_and_says_so() {
    // The recipient is away until the document has expired. Later clocks are given to the processes with
    // faketime, the product has no switch for it.
    let mut world = World::start(&Topology::one_relay());
    world.station("node-b").stop();
    let sender = world.client(A);
    let id = sender
        .request(reqwest::Method::POST, "/documents?lifetime_hours=1")
        .header("content-type", "application/edxml+xml")
        .header("idempotency-key", "short-life")
        .body(letter("1", &[B]).packet());
    let id = tests::client::answer(id).await.expect("an answer").id();
    sender.wait_recipients(&id, &["relayed"], SOON).await;
    // The authority too: its stamps would say that the others are a day ahead, and nothing ends by a clock
    // that is in doubt.
    world.stop();
    let later = tests::process::faketime("+26h");
    let env: Vec<(&str, &str)> = later.iter().map(|(k, v)| (*k, v.as_str())).collect();
    for label in ["relay-bac", "node-a", "node-b"] {
        world.station(label).start_with(&env);
    }
    let view = world
        .client(A)
        .wait_recipients(&id, &["expired", "refused"], SOON)
        .await;
    assert_eq!(recipients(&view)[0]["state"], "expired", "{view:#}");
    let none = world.client(B).claim(10, 60, 1).await.expect("an answer");
    assert!(
        none.is_empty(),
        "an expired document was delivered: {none:#?}"
    );
}

#[tokio::test]
async fn a_large_transfer_that_is_cut_goes_on_where_it_stopped() {
    // 200 MiB; the relay is killed while bytes flow. After its return the sender's node goes on at the
    // last verified piece: the relay says from where.
    let mut world = World::start(&Topology::one_relay());
    let path = world.dir.join("large.edxml");
    let mut file = std::fs::File::create(&path).expect("a file");
    Letter::new(A, &[B], "200", "Tệp lớn")
        .write_large(&mut file, 3, 150 << 20)
        .expect("written");
    drop(file);
    let digest = sha256_file(&path);
    let sender = world.client(A);
    let source = tokio::fs::File::open(&path).await.expect("a file");
    let body = reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(source));
    let id = sender.submit(body, "large").await.expect("an answer").id();
    let part = world.station("relay-bac").data.join("bodies");
    let grown = wait_for_part(&part, 20 << 20).await;
    world.station("relay-bac").kill();
    let kept = grown >> 20;
    assert!(kept >= 20, "the relay had only {grown} bytes");
    world.station("relay-bac").start();
    sender
        .wait_recipients(&id, &["delivered"], Duration::from_secs(180))
        .await;
    let log = world.station("relay-bac").log();
    let from = resumed_from(&log);
    assert!(
        from >= 15,
        "the transfer began anew instead of going on (from piece {from}):\n{log}"
    );
    let item = &world.client(B).claim(1, 300, 10).await.expect("an answer")[0];
    let got = world.dir.join("got.edxml");
    let response = world
        .client(B)
        .request(
            reqwest::Method::GET,
            &format!("/inbox/{}/package", item["id"].as_str().expect("id")),
        )
        .send()
        .await
        .expect("an answer");
    save(response, &got).await;
    assert_eq!(sha256_file(&got), digest, "other bytes arrived");
}

/// Waits until a file in `dir` takes this much disk; its length says less, because the leaf hashes of a transfer
/// are written at the end of its file before the first piece.
async fn wait_for_part(dir: &std::path::Path, bytes: u64) -> u64 {
    use std::os::unix::fs::MetadataExt;
    for _ in 0..20_000 {
        let size: u64 = std::fs::read_dir(dir)
            .map(|entries| {
                entries
                    .filter_map(Result::ok)
                    .filter_map(|entry| entry.metadata().ok().map(|meta| meta.blocks() * 512))
                    .max()
                    .unwrap_or(0)
            })
            .unwrap_or(0);
        if size >= bytes {
            return size;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no transfer of {bytes} bytes was seen in {}", dir.display());
}

/// The piece from which the relay asked for the rest, as its log says.
fn resumed_from(log: &str) -> u64 {
    log.lines()
        .filter_map(|line| line.split("from_piece=").nth(1))
        .filter_map(|rest| {
            rest.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
                .parse::<u64>()
                .ok()
        })
        .max()
        .unwrap_or(0)
}

async fn save(response: reqwest::Response, path: &std::path::Path) {
    use futures_util::StreamExt;
    use std::io::Write;
    let mut file = std::fs::File::create(path).expect("a file");
    let mut stream = response.error_for_status().expect("served").bytes_stream();
    while let Some(chunk) = stream.next().await {
        file.write_all(&chunk.expect("bytes")).expect("written");
    }
}

fn sha256_file(path: &std::path::Path) -> Vec<u8> {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    let mut file = std::fs::File::open(path).expect("a file");
    let mut block = vec![0_u8; 1 << 20];
    loop {
        let size = std::io::Read::read(&mut file, &mut block).expect("readable");
        if size == 0 {
            return hash.finalize().to_vec();
        }
        hash.update(&block[..size]);
    }
}
