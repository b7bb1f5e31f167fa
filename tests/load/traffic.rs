//! The two applications of the benchmark: one submits and checks receipts, one fetches, stores and acknowledges.
//!
//! Owns: counting by running number, so that a loss or a duplicate shows; the latencies. The clock of a
//! document starts before its submission and stops when the sender's application has the recipient's
//! signed receipt and has checked its signature and its digest (benchmark.md, set-up 3).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tests::client::NodeClient;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::receipts::Judge;

/// What came out of one load.
#[derive(Debug, Default)]
pub struct Result {
    /// Documents with all receipts.
    pub docs: u64,
    /// First submission to last receipt.
    pub secs: f64,
    /// Milliseconds from submission to the node's answer.
    pub accept_ms: Vec<f64>,
    /// Milliseconds from submission to the last checked receipt.
    pub e2e_ms: Vec<f64>,
    /// Refusals, wrong receipts.
    pub errors: Vec<String>,
    /// Documents whose receipt did not come in time.
    pub timed_out: u64,
}

/// Where a packet comes from: small ones lie in memory, large ones in a file.
#[derive(Debug, Clone)]
pub enum Packet {
    /// Bytes.
    Small(bytes::Bytes),
    /// A file and its digest.
    File(PathBuf, [u8; 32]),
}

impl Packet {
    fn digest(&self) -> [u8; 32] {
        match self {
            Self::Small(bytes) => Sha256::digest(bytes).into(),
            Self::File(_, digest) => *digest,
        }
    }

    async fn body(&self) -> reqwest::Body {
        match self {
            Self::Small(bytes) => bytes.clone().into(),
            Self::File(path, _) => {
                let file = tokio::fs::File::open(path)
                    .await
                    .expect("a packet file opens");
                reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::with_capacity(
                    file,
                    1 << 20,
                ))
            }
        }
    }
}

/// How much to send, and how.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Documents in flight.
    pub window: usize,
    /// Stop submitting after this time …
    pub time: Duration,
    /// … or after so many documents.
    pub docs: u64,
    /// Pause after each document (light load).
    pub pause: Duration,
    /// How long the last receipts may take.
    pub patience: Duration,
}

/// Submits by `load` what `packet` makes of a running number; each document waits for its receipts.
pub async fn send(
    sender: &NodeClient,
    judge: &Arc<Judge>,
    load: Load,
    first: u64,
    packet: impl Fn(u64) -> Packet,
) -> Result {
    let result = Arc::new(Mutex::new(Result::default()));
    let begin = Instant::now();
    let mut open = JoinSet::new();
    let mut number = first;
    let last = Arc::new(Mutex::new(begin));
    while begin.elapsed() < load.time && number - first < load.docs {
        while open.len() >= load.window {
            open.join_next().await;
        }
        let packet = packet(number);
        let sender = sender.clone();
        let judge = judge.clone();
        let result = result.clone();
        let last = last.clone();
        open.spawn(async move {
            let one = carry(&sender, &judge, packet, number, load.patience).await;
            let mut result = result.lock().expect("no panic holds it");
            match one {
                Ok((accept, e2e)) => {
                    result.docs += 1;
                    result.accept_ms.push(accept);
                    result.e2e_ms.push(e2e);
                    *last.lock().expect("no panic holds it") = Instant::now();
                }
                Err(reason) if reason == "timed out" => result.timed_out += 1,
                Err(reason) => result.errors.push(reason),
            }
        });
        number += 1;
        if !load.pause.is_zero() {
            while open.join_next().await.is_some() {}
            tokio::time::sleep(load.pause).await;
        }
    }
    while open.join_next().await.is_some() {}
    let mut result = std::mem::take(&mut *result.lock().expect("no panic holds it"));
    result.secs = last
        .lock()
        .expect("no panic holds it")
        .duration_since(begin)
        .as_secs_f64();
    result
}

/// One document: submission, answer, receipts. Milliseconds to the answer and to the last receipt.
async fn carry(
    sender: &NodeClient,
    judge: &Judge,
    packet: Packet,
    number: u64,
    patience: Duration,
) -> std::result::Result<(f64, f64), String> {
    let digest = packet.digest();
    let body = packet.body().await;
    let begin = Instant::now();
    let answer = sender
        .submit(body, &format!("bench-{number}"))
        .await
        .map_err(|error| error.to_string())?;
    let accept = begin.elapsed().as_secs_f64() * 1000.0;
    if !answer.status.is_success() {
        return Err(format!("{}: {}", answer.status, answer.json));
    }
    let id = answer.json["id"]
        .as_str()
        .ok_or("an answer without id")?
        .to_owned();
    await_receipts(sender, judge, &id, &digest, begin + patience).await?;
    Ok((accept, begin.elapsed().as_secs_f64() * 1000.0))
}

/// Waits for the hand-over of a document and checks its receipts.
pub async fn await_receipts(
    sender: &NodeClient,
    judge: &Judge,
    id: &str,
    digest: &[u8; 32],
    until: Instant,
) -> std::result::Result<(), String> {
    loop {
        let answer = sender
            .get(&format!(
                "/documents/{id}/receipts?wait=30&until=handed_over"
            ))
            .await
            .map_err(|error| error.to_string())?;
        if answer.json["complete"].as_bool() == Some(true) {
            return judge.check(&answer.json, digest);
        }
        if Instant::now() > until {
            return Err("timed out".to_owned());
        }
    }
}

/// The receiving application: claims, fetches, stores durably, acknowledges; up to 16 at once.
#[derive(Debug)]
pub struct Receiver {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<HashMap<String, u32>>>,
    tasks: JoinSet<()>,
}

impl Receiver {
    /// Starts `workers` workers for one agency; packets go to `dir` and are removed again when `keep` is false.
    pub fn start(client: &NodeClient, dir: &Path, workers: usize) -> Self {
        std::fs::create_dir_all(dir).expect("folder of the receiver");
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(HashMap::new()));
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            let (client, dir, stop) = (client.clone(), dir.to_owned(), stop.clone());
            let seen = seen.clone();
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(items) = client.claim(4, 120, 1).await else {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    };
                    for item in items {
                        if let Some(number) = take(&client, &dir, &item).await {
                            *seen
                                .lock()
                                .expect("no panic holds it")
                                .entry(number)
                                .or_insert(0) += 1;
                        }
                    }
                }
            });
        }
        Self { stop, seen, tasks }
    }

    /// Ends the workers; how many documents came, and how many of them more than once.
    pub async fn finish(mut self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        let seen = self.seen.lock().expect("no panic holds it");
        let twice = seen.values().filter(|count| **count > 1).count();
        (
            u64::try_from(seen.len()).unwrap_or(0),
            u64::try_from(twice).unwrap_or(0),
        )
    }
}

/// Fetches one document, writes it durably, acknowledges it; its local id, or nothing when it must come again.
async fn take(client: &NodeClient, dir: &Path, item: &Value) -> Option<String> {
    let id = item["id"].as_str()?.to_owned();
    let path = dir.join(format!("{id}.edxml"));
    let part = dir.join(format!("{id}.part"));
    let response = client
        .request(reqwest::Method::GET, &format!("/inbox/{id}/package"))
        .send()
        .await
        .ok()?
        .error_for_status()
        .ok()?;
    let mut file = tokio::fs::File::create(&part).await.ok()?;
    let mut stream = response.bytes_stream();
    let mut hash = Sha256::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.ok()?;
        hash.update(&chunk);
        file.write_all(&chunk).await.ok()?;
    }
    let got = hex(&hash.finalize());
    let told = item["packet_digest"]
        .as_str()
        .or_else(|| item["packet_sha256"].as_str());
    if told.is_some_and(|told| told != got) {
        return None;
    }
    file.flush().await.ok()?;
    file.sync_data().await.ok()?;
    let (from, to, folder) = (part.clone(), path.clone(), dir.to_owned());
    tokio::task::spawn_blocking(move || {
        std::fs::rename(from, to)?;
        std::fs::File::open(folder)?.sync_all()
    })
    .await
    .ok()?
    .ok()?;
    let ack = client.acknowledge(item).await.ok()?;
    let _ = tokio::fs::remove_file(path).await;
    let local = item["local_id"].as_str().unwrap_or(&id).to_owned();
    ack.status.is_success().then_some(local)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
