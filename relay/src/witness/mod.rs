//! A witness: a small server of another operator that cosigns checkpoints of logs (c2sp.org/tlog-witness). It keeps
//! one fact for each log, the newest checkpoint that it cosigned, and signs another one only if that goes on
//! from it. So nobody can be shown a second history of the log that this witness has signed too.
//!
//! Owns the rule ([`Witness::add`]) and its memory ([`book`]), the HTTP door ([`door`]), the settings. Durable before it
//! answers. Fails closed: a witness whose memory is older than its own signatures cosigns nothing more, and
//! must be retired with its key. Must not know stations, stores, links.

mod book;
mod door;
mod settings;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use formats::checkpoint::LogOrigin;
use formats::id::Digest;
use formats::merkle;
use formats::witness::{AddCheckpoint, KeyKind, VerifierKey};
use pki::key::LogKey;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::directory::Directory;
use crate::evidence::judge::Point;

pub use book::BookError;
pub use door::serve;
pub use settings::{Settings, WitnessError, init, open};

/// Why nothing is cosigned: the answers of c2sp.org/tlog-witness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: not a request, or an old size above the checkpoint's.
    #[error("{0}")]
    Request(String),
    /// 404: a log that this witness does not know.
    #[error("log is not known here")]
    UnknownLog,
    /// 403: no signature of the log's key holds.
    #[error("no signature of the log's key")]
    NotSigned,
    /// 409: the old size is not that of the last checkpoint, or the size has another root.
    #[error("the last cosigned size is {0}")]
    Conflict(u64),
    /// 422: the proof does not hold.
    #[error("the consistency proof does not hold")]
    Proof,
    /// 503: the memory cannot be read or written.
    #[error("{0}")]
    Unable(String),
}

/// Which logs are known, with the keys that sign them.
pub struct Logs {
    keys: BTreeMap<String, Vec<[u8; 32]>>,
    directory: Option<Directory>,
}

impl Logs {
    /// Logs by their keys, and those of all stations in the records.
    ///
    /// # Errors
    /// A key that is not one of a log with an origin of this network's form.
    pub fn new(keys: &[VerifierKey], directory: Option<Directory>) -> Result<Self, WitnessError> {
        let mut known: BTreeMap<String, Vec<[u8; 32]>> = BTreeMap::new();
        for key in keys {
            let is_log = key.kind() == KeyKind::Log && key.name().parse::<LogOrigin>().is_ok();
            if !is_log {
                return Err(WitnessError::Key(key.to_string()));
            }
            known
                .entry(key.name().to_owned())
                .or_default()
                .push(*key.key());
        }
        Ok(Self {
            keys: known,
            directory,
        })
    }

    /// The keys of a log; none if it is not known.
    fn of(&self, origin: &str) -> Vec<[u8; 32]> {
        let mut keys = self.keys.get(origin).cloned().unwrap_or_default();
        let record = origin.parse::<LogOrigin>().ok().and_then(|origin| {
            let directory = self.directory.as_ref()?;
            directory.station(origin.station())
        });
        if let Some(entry) = record {
            keys.extend(entry.record().note_keys().map(|key| *key.as_bytes()));
        }
        keys
    }
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// A running witness.
#[derive(Debug)]
pub struct Witness {
    name: VerifierKey,
    key: LogKey,
    logs: Logs,
    book: Mutex<book::Book>,
    clock: Clock,
    /// The memory is older than the signatures.
    lost: AtomicBool,
}

impl Witness {
    /// The public key with the name.
    #[must_use]
    pub fn name(&self) -> &VerifierKey {
        &self.name
    }

    /// Judges a request and cosigns: the signature line, as it is answered. Check and store are one step under one
    /// lock and in one transaction.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn add(&self, text: &str) -> Result<String, Refusal> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(Refusal::Unable(LOST.to_owned()));
        }
        let request = self.read(text)?;
        let note = &request.note;
        let (origin, shown) = (
            note.checkpoint.origin.to_string(),
            Point::from(&note.checkpoint),
        );
        let origin = origin.as_str();
        let mut book = self.book.lock().await;
        let held = book.newest(origin).await.map_err(unable)?;
        let station = note.checkpoint.origin.station();
        if held.is_none() && book.logs_of(station).await.map_err(unable)? >= LOGS_MAX {
            return Err(Refusal::UnknownLog);
        }
        let last = held.unwrap_or_else(|| Point {
            size: 0,
            root: Digest::of(b""),
        });
        let signed_before = pki::witness::cosigned_at(note, &self.name).is_some();
        if signed_before && shown.size > last.size {
            // Our own signature under a size that we know nothing of: this memory is an older copy.
            self.lost.store(true, Ordering::Relaxed);
            book.lose(origin, shown.size).await.map_err(unable)?;
            tracing::error!(
                code = "TRAM-381",
                origin,
                known = last.size,
                signed = shown.size,
                "{LOST}"
            );
            return Err(Refusal::Unable(LOST.to_owned()));
        }
        if let Err(refusal) = judge(last, shown, &request) {
            if matches!(refusal, Refusal::Proof) || shown.size == last.size {
                // Properly signed and not of one log: perhaps evidence of a fork.
                tracing::warn!(code = "TRAM-382", origin, %refusal, "checkpoint does not go on");
                let at = self.clock.now();
                book.refused(origin, text, at).await.map_err(unable)?;
            }
            return Err(refusal);
        }
        let line = pki::witness::cosign(&note.checkpoint, &self.name, &self.key, self.clock.now())
            .map_err(|error| Refusal::Unable(error.to_string()))?;
        book.keep(origin, last, shown).await.map_err(unable)?;
        drop(book);
        Ok(line.to_text())
    }

    /// The request, signed by a log that is known.
    fn read(&self, text: &str) -> Result<AddCheckpoint, Refusal> {
        let origin = AddCheckpoint::origin(text)
            .ok_or_else(|| Refusal::Request("no checkpoint".to_owned()))?;
        let keys = self.logs.of(origin);
        if keys.is_empty() {
            return Err(Refusal::UnknownLog);
        }
        let request =
            AddCheckpoint::parse(text).map_err(|error| Refusal::Request(error.to_string()))?;
        if !keys
            .iter()
            .any(|key| pki::note::is_signed_by(&request.note, key))
        {
            return Err(Refusal::NotSigned);
        }
        if request.old > request.note.checkpoint.size {
            let why = "the old size is above the checkpoint's".to_owned();
            return Err(Refusal::Request(why));
        }
        Ok(request)
    }

    /// The newest checkpoints, for operators: origin, size, root.
    ///
    /// # Errors
    /// The database's.
    pub async fn newest(&self) -> Result<Vec<(String, u64, Digest)>, BookError> {
        self.book.lock().await.all().await
    }

    /// Whether it cosigns no more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Whether `shown` goes on from the last checkpoint, by the request.
fn judge(last: Point, shown: Point, request: &AddCheckpoint) -> Result<(), Refusal> {
    if request.old != last.size || (shown.size == last.size && shown.root != last.root) {
        return Err(Refusal::Conflict(last.size));
    }
    let holds = merkle::verify_consistency(
        last.size,
        shown.size,
        &last.root,
        &shown.root,
        &request.proof,
    );
    if holds { Ok(()) } else { Err(Refusal::Proof) }
}

fn unable(error: BookError) -> Refusal {
    tracing::error!(code = "TRAM-383", %error, "witness memory");
    Refusal::Unable("the witness cannot use its memory now".to_owned())
}

/// Logs of one station that are remembered: its epochs. More are none of a station's.
const LOGS_MAX: i64 = 256;

const LOST: &str = "this witness has cosigned more than it remembers: its memory is an older copy. Retire it: make a \
                    new key with `tram-relay witness init` and have the trust list name that one";
