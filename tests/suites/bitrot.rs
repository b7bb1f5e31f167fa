//! Bit rot (threats T18, T2): one bit turned in each of many stored bodies and rows, from one seed. Each is found
//! before a wrong byte leaves, the damaged copy is kept, and what is damaged is made good: bodies from the copy
//! that the sender keeps, rows from their digests. Every document arrives exactly once, byte for byte.
//!
//! `./tests/run` turns 250 bits, `--full` 1,000.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use formats::id::Digest;
use relay::config::StationConfig;
use relay::store::check::{self, Settings};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use tests::samples::{Letter, Noise, sized};
use tests::world::{Topology, World};

const A: &str = "H01.36";
const B: &str = "H01.36.04";
const SOON: Duration = Duration::from_secs(120);

/// How many of each kind.
struct Plan {
    inline: usize,
    files: usize,
    headers: usize,
    signatures: usize,
    statements: usize,
    packets: usize,
}

impl Plan {
    fn of_this_run() -> Self {
        let full = std::env::var_os("TRAM_TESTS_MODE").is_some_and(|mode| mode == "full");
        let by = if full { 4 } else { 1 };
        Self {
            inline: 90 * by,
            files: 30 * by,
            headers: 40 * by,
            signatures: 10 * by,
            statements: 60 * by,
            packets: 20 * by,
        }
    }

    fn waiting(&self) -> usize {
        self.inline + self.files + self.headers + self.signatures
    }

    fn all(&self) -> usize {
        self.waiting() + self.statements + self.packets
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turned_bit_is_found_before_delivery_and_made_good_from_the_senders_copy() {
    let plan = Plan::of_this_run();
    let mut noise = Noise::new(7);
    let mut world = World::start(&Topology {
        automatic_01: false,
        ..Topology::one_relay()
    });
    // Some documents arrive; their packets are what rots at the desk.
    let mut sent = HashMap::new();
    for nth in 0..plan.packets {
        submit(&world, nth, &mut sent, 0).await;
    }
    let arrived = world.client(B).receive(plan.packets, SOON).await;
    world.station("node-b").stop();
    for nth in 0..plan.waiting() {
        let size = if nth < plan.files { 100_000 } else { 0 };
        let id = submit(&world, 10_000 + nth, &mut sent, size).await;
        world
            .client(A)
            .wait_recipients(&id, &["relayed"], SOON)
            .await;
    }
    world.station("relay-bac").stop();
    let relay = world.station("relay-bac").data.clone();
    let bodies = turn_bits_at_the_relay(&relay, &plan, &mut noise).await;
    turn_bits_at_the_desk(
        &world.station("node-b").data.clone(),
        plan.packets,
        &mut noise,
    )
    .await;

    let begun = Instant::now();
    world.station("relay-bac").start();
    world.station("node-b").start();
    let came = world.client(B).receive(plan.waiting(), SOON * 4).await;
    let took = begun.elapsed();
    let mut times: HashMap<String, usize> = HashMap::new();
    for (item, packet) in &came {
        let id = item["id"].as_str().unwrap().to_owned();
        assert_eq!(
            sent.get(&id),
            Some(&Digest::of(packet)),
            "{id} came with other bytes"
        );
        *times.entry(id).or_default() += 1;
    }
    assert_eq!(times.len(), plan.waiting(), "each exactly once");
    let more = world.client(B).claim(10, 60, 1).await.unwrap();
    assert!(more.is_empty(), "delivered twice: {more:#?}");
    let served = packets_served(&world, &arrived).await;
    let status = world.station("relay-bac").ops_json("/status");
    let found = status["scrub"]["bodies_found"].as_u64().unwrap();
    world.stop_stations();
    let (kept, mended) = kept_copies(&relay).await;
    println!(
        "RESULT bit rot: {} bits turned: {bodies} bodies and {} header signatures found and made good from the \
         sender's copy ({kept} damaged copies kept, {found} told in /status), {mended} rows put right from their \
         digests, {served} of {} packets at the desk put right or refused, {} of {} documents delivered \
         exactly once in {} s",
        plan.all(),
        plan.signatures,
        plan.packets,
        times.len(),
        plan.waiting(),
        took.as_secs()
    );
    assert!(
        kept >= bodies + plan.signatures,
        "a damaged copy was not kept"
    );
    assert!(usize::try_from(found).unwrap() >= bodies);
    assert_eq!(served, plan.packets);
    let config = StationConfig::load(&world.station("relay-bac").config.clone()).unwrap();
    let settings = Settings {
        full: true,
        directory: Some(relay::station::records(&config).await.unwrap().snapshot()),
    };
    let report = check::folder(&relay, &settings).await.unwrap();
    assert!(report.is_good(), "{:#?}", report.findings);
}

async fn submit(
    world: &World,
    nth: usize,
    sent: &mut HashMap<String, Digest>,
    size: usize,
) -> String {
    let number = nth.to_string();
    let packet = if size > 0 {
        sized(A, &[B], u64::try_from(nth).unwrap(), size)
    } else {
        Letter::new(A, &[B], &number, "Về việc kiểm thử đĩa").packet()
    };
    let digest = Digest::of(&packet);
    let answer = world.client(A).submit(packet, &number).await.unwrap();
    assert!(answer.status.is_success(), "{:#}", answer.json);
    sent.insert(answer.id(), digest);
    answer.id()
}

async fn open(data: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(data.join("station.db"))
        .connect()
        .await
        .unwrap()
}

/// One bit of each waiting envelope, in its body, its header or its signature; and of statements and tiles.
/// Gives how many bodies.
async fn turn_bits_at_the_relay(data: &Path, plan: &Plan, noise: &mut Noise) -> usize {
    let mut open = open(data).await;
    let rows = sqlx::query("SELECT key, body_kind, body_file, body_bytes FROM envelope WHERE body_kind < 2 ORDER BY key")
        .fetch_all(&mut open)
        .await
        .unwrap();
    assert_eq!(rows.len(), plan.waiting());
    let (mut bodies, mut headers, mut signatures) = (0, plan.headers, plan.signatures);
    for row in &rows {
        let (key, kind): (i64, i64) = (row.get(0), row.get(1));
        if kind == 1 {
            let path = data.join("bodies").join(row.get::<String, _>(2));
            let mut bytes = std::fs::read(&path).unwrap();
            // The leaf hashes behind the body follow from it: a bit turned there harms nothing.
            let size = usize::try_from(row.get::<i64, _>(3)).unwrap();
            turn(&mut bytes[..size], noise);
            std::fs::write(&path, bytes).unwrap();
            bodies += 1;
            continue;
        }
        let column = if headers > 0 {
            headers -= 1;
            if headers.is_multiple_of(4) {
                "header_digest"
            } else {
                "header"
            }
        } else if signatures > 0 {
            signatures -= 1;
            "header_signature"
        } else {
            bodies += 1;
            "body"
        };
        turn_cell(&mut open, "envelope", column, ("key", key), noise).await;
    }
    let rows = sqlx::query("SELECT position FROM statement WHERE position > 1 ORDER BY position")
        .fetch_all(&mut open)
        .await
        .unwrap();
    let every = rows.len() / plan.statements;
    for (nth, row) in rows
        .iter()
        .step_by(every.max(1))
        .take(plan.statements)
        .enumerate()
    {
        let column = ["body", "salt", "leaf", "header_digest"][nth % 4];
        turn_cell(
            &mut open,
            "statement",
            column,
            ("position", row.get(0)),
            noise,
        )
        .await;
    }
    bodies
}

async fn turn_bits_at_the_desk(data: &Path, packets: usize, noise: &mut Noise) {
    let mut open = open(data).await;
    let rows = sqlx::query(
        "SELECT digest, inline FROM desk_packet WHERE inline IS NOT NULL ORDER BY digest",
    )
    .fetch_all(&mut open)
    .await
    .unwrap();
    assert_eq!(rows.len(), packets);
    for row in &rows {
        let (digest, mut bytes): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
        turn(&mut bytes, noise);
        sqlx::query("UPDATE desk_packet SET inline = ? WHERE digest = ?")
            .bind(bytes)
            .bind(digest)
            .execute(&mut open)
            .await
            .unwrap();
    }
}

async fn turn_cell(
    open: &mut SqliteConnection,
    table: &str,
    column: &str,
    (key, value): (&str, i64),
    noise: &mut Noise,
) {
    let sql = format!("SELECT {column} FROM {table} WHERE {key} = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(value)
        .fetch_one(&mut *open)
        .await
        .unwrap();
    let mut bytes: Vec<u8> = row.get(0);
    // The end of a CMS is the signature value; before it are names and lengths that no signature covers.
    let from = if column == "header_signature" {
        bytes.len() - 56
    } else {
        0
    };
    turn(&mut bytes[from..], noise);
    let sql = format!("UPDATE {table} SET {column} = ? WHERE {key} = ?");
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(bytes)
        .bind(value)
        .execute(open)
        .await
        .unwrap();
}

fn turn(bytes: &mut [u8], noise: &mut Noise) {
    let bits = u64::try_from(bytes.len() * 8).unwrap();
    let bit = usize::try_from(noise.word() % bits).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// Packets whose bytes come right, or not at all.
async fn packets_served(world: &World, arrived: &[(serde_json::Value, bytes::Bytes)]) -> usize {
    let client = world.client(B);
    let mut good = 0;
    for (item, packet) in arrived {
        let id = item["id"].as_str().unwrap();
        match client.bytes(&format!("/inbox/{id}/package")).await {
            Ok(bytes) => {
                assert_eq!(bytes, *packet, "a wrong byte left");
                good += 1;
            }
            Err(error) => assert!(error.is_status(), "{error}"),
        }
    }
    good
}

/// Damaged copies that are kept, and rows that were put right.
async fn kept_copies(data: &Path) -> (usize, usize) {
    let mut open = open(data).await;
    let rows = sqlx::query("SELECT file, body, mended FROM damaged_body")
        .fetch_all(&mut open)
        .await
        .unwrap();
    for row in &rows {
        let file: Option<String> = row.get(0);
        let kept = file.map(|name| data.join("bodies").join(name));
        assert!(
            kept.is_some_and(|path: PathBuf| path.exists())
                || row.get::<Option<Vec<u8>>, _>(1).is_some()
        );
        assert!(row.get::<Option<i64>, _>(2).is_some(), "still waited for");
    }
    let mended = sqlx::query("SELECT count(*) FROM mended_row")
        .fetch_one(&mut open)
        .await
        .unwrap();
    (
        rows.len(),
        usize::try_from(mended.get::<i64, _>(0)).unwrap(),
    )
}
