//! The station's memory: envelopes, legs, statements, the log's tree and the bodies. One SQLite
//! database and one folder of body files per station, one writer that turns many [`Change`]s into one
//! durable commit, readers beside it.
//!
//! Owns everything under the data folder. Promises: [`Store::commit`] answers only after the commit is
//! on stable storage and the checkpoint over its statements is signed; a change is applied whole or not
//! at all. Fails by [`CommitError`], [`ReadError`] and [`body::BodyError`]; an I/O error, or any error
//! of fsync or COMMIT other than full or busy, ends the process (exit 74), because what the disk holds
//! is then unknown. Must not know the network, routing or what a letter says.
//!
//! Layout of the data folder: `VERSION`, `LOCK`, `station.db` (+ `-wal`, `-shm`), `bodies/`.
//!
//! Another process (for example `tram-node user add`) may write the desk's tables while the station
//! runs, through [`Store::admin_pool`]; the station's tables belong to the one writer.

mod apply;
pub mod body;
mod change;
pub mod check;
mod desk_rows;
mod epochs;
mod fatal;
mod flush;
mod heads;
mod leg;
mod load;
mod log;
mod memory;
mod mend;
pub(crate) mod pace;
mod plan;
mod prove;
mod read;
mod rows;
mod script;
pub mod scrub;
mod serve;
mod sqlite;
mod upkeep;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use formats::limits;
use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::evidence::{Head, LogIdentity, signer};

pub use change::{
    Accept, BodyPlace, Change, CommitError, Committed, Conflict, DeskRefusal, DeskWrite, KnownLeg,
    Move, NewLeg, Outcome, Rejection, SetAside, StatementDraft, Withdraw, Write,
};
pub use desk_rows::DeskRows;
pub use heads::{ConflictKind, LogConflict, SeenHead};
pub use leg::{DueLeg, EnvelopeKey, LegId, LegState};
pub(crate) use plan::needs_room;
pub use read::{
    Destination, LegRecord, LegTurn, OwedReceipts, ProofBase, QueueShape, ReadError, StateCount,
    StoredEnvelope,
};
pub use script::{Row, Script};
pub use serve::LogState;

/// Bodies up to this many bytes lie in the database row.
pub const INLINE_BODY_BYTES_MAX: u64 = limits::INLINE_BODY_BYTES_MAX;

/// How many changes may wait for the writer before callers wait.
const WAITING_CHANGES_MAX: usize = 1024;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The desk's migrations, oldest first; each is applied once and never changes afterwards.
    pub desk_schema: &'static [&'static str],
    /// Name and keys of the log.
    pub log: LogIdentity,
    /// Where the time of checkpoints comes from.
    pub clock: Clock,
    /// Intake stops when the file system has less free space than this.
    pub free_floor_bytes: u64,
    /// Most changes in one commit.
    pub batch_changes_max: usize,
    /// Opens the next epoch of the log, for this reason, whatever the folder's last one is.
    pub open_epoch: Option<String>,
}

impl Options {
    /// The usual settings: no desk, 256 MiB floor, 256 changes a commit.
    #[must_use]
    pub fn new(log: LogIdentity) -> Self {
        Self {
            desk_schema: &[],
            log,
            clock: Clock::system(),
            free_floor_bytes: 256 * 1024 * 1024,
            batch_changes_max: 256,
            open_epoch: None,
        }
    }
}

/// Why a store does not open. All of them need an operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made, read or locked.
    #[error("{path}")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process runs on this folder.
    #[error("{path} is in use by another process")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// A later version of this program wrote the folder.
    #[error("{path} has layout version {found:?}; this program knows up to {known}")]
    Version {
        /// The VERSION file.
        path: PathBuf,
        /// What stands in it.
        found: String,
        /// What this program writes.
        known: u32,
    },
    /// The database does not keep the durability it was asked for.
    #[error("sqlite answers {pragma} = {found}, wanted {wanted}")]
    Pragma {
        /// Which setting.
        pragma: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// The database has other tables than the program.
    #[error("migration {set} {number}: {problem}")]
    Migration {
        /// `station` or `desk`.
        set: &'static str,
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        problem: String,
    },
    /// The log does not check: leaves, tiles and stored checkpoints disagree. Evidence would be
    /// worthless from here on; restore, and open the next epoch.
    #[error("log {origin} is damaged at leaf {position}: {problem}")]
    Log {
        /// The log's name.
        origin: String,
        /// Where.
        position: u64,
        /// What is wrong.
        problem: String,
    },
    /// The key does not sign the head.
    #[error("the log head cannot be signed: {0}")]
    Sign(String),
    /// SQLite.
    #[error("database")]
    Database(#[from] sqlx::Error),
}

/// Handle to the open store; cheap to clone. The last one dropped ends the writer after what it holds.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    changes: mpsc::Sender<writer::Request>,
    readers: SqlitePool,
    bodies: body::Bodies,
    head: watch::Receiver<Arc<Head>>,
    clock_unsure: Arc<AtomicBool>,
    stopped: Arc<AtomicBool>,
    log: LogIdentity,
    /// The oldest first; the last one is open.
    epochs: Vec<epochs::Epoch>,
    finished: watch::Receiver<bool>,
    // Held for its lock on the folder.
    _lock: std::fs::File,
}

impl Store {
    /// Opens the store in `dir`, making it if there is none. What a crash left is put right before
    /// this returns: the WAL is folded in, transfers count as not begun, doomed files are gone, the
    /// head of the log is recomputed and signed again. Must run inside a tokio runtime.
    pub async fn open(dir: &Path, mut options: Options) -> Result<Self, OpenError> {
        let opened = sqlite::open(dir, &options).await?;
        // The folder says which log goes on.
        options.log.origin = opened.log.origin.clone();
        let bodies = body::Bodies::open(dir, options.free_floor_bytes)
            .await
            .map_err(|source| OpenError::Io {
                path: dir.join("bodies"),
                source,
            })?;
        let head = signer::first_head(&opened.log.tree, &options).map_err(OpenError::Sign)?;
        let (head_sender, head) = watch::channel(Arc::new(head));
        let signing = signer::start(options.log.clone(), options.clock.clone(), head_sender)
            .map_err(|source| OpenError::Io {
                path: dir.to_owned(),
                source,
            })?;
        let clock_unsure = Arc::new(AtomicBool::new(false));
        let stopped = Arc::new(AtomicBool::new(false));
        let (changes, requests) = mpsc::channel(WAITING_CHANGES_MAX);
        let readers = opened.readers;
        let (finished_sender, finished) = watch::channel(false);
        let writer = writer::Writer::new(
            opened.writer,
            opened.log,
            opened.counters,
            writer::Surroundings {
                bodies: bodies.clone(),
                station: options.log.station().clone(),
                clock_unsure: clock_unsure.clone(),
                clock: options.clock.clone(),
                stopped: stopped.clone(),
                batch_changes_max: options.batch_changes_max,
            },
        );
        writer::start(writer, requests, signing, finished_sender);
        let shared = Shared {
            changes,
            readers,
            bodies,
            head,
            clock_unsure,
            stopped,
            log: options.log,
            epochs: opened.epochs,
            finished,
            _lock: opened.lock,
        };
        let store = Self {
            shared: Arc::new(shared),
        };
        store.remove_doomed().await?;
        Ok(store)
    }

    /// Applies a change and answers when it is durable and its statements are proven. Dropping the
    /// future does not take the change back.
    pub async fn commit(&self, change: Change) -> Result<Committed, CommitError> {
        let (answer, answered) = oneshot::channel();
        let request = writer::Request::Change { change, answer };
        self.shared
            .changes
            .send(request)
            .await
            .map_err(|_| CommitError::Closed)?;
        answered.await.map_err(|_| CommitError::Closed)?
    }

    /// Reads for the desk's own tables. Connections are read-only: writes go through [`Self::commit`].
    #[must_use]
    pub fn reader(&self) -> SqlitePool {
        self.shared.readers.clone()
    }

    /// For a second process that must write desk tables (a user, an API key) while the station runs:
    /// durable, waits up to ten seconds for the writer's turn to end. Takes no lock on the folder and
    /// never makes a database. Keep its transactions short.
    pub async fn admin_pool(dir: &Path) -> Result<SqlitePool, OpenError> {
        sqlite::admin_pool(dir).await
    }

    /// The body files.
    #[must_use]
    pub fn bodies(&self) -> &body::Bodies {
        &self.shared.bodies
    }

    /// The newest signed head of the log, and a way to wait for the next.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Arc<Head>> {
        self.shared.head.clone()
    }

    /// Name and keys of the log.
    #[must_use]
    pub fn log_identity(&self) -> &LogIdentity {
        &self.shared.log
    }

    /// Marks statements made from now on as made by a clock that may be wrong (architecture 7).
    pub fn set_clock_unsure(&self, unsure: bool) {
        self.shared.clock_unsure.store(unsure, Ordering::Relaxed);
    }

    /// Nothing is stated from now on: changes that would state something are answered
    /// [`CommitError::Busy`]. The log here is not the one that was signed; only a new epoch goes on.
    pub fn stop_stating(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::stop_stating`] was called.
    #[must_use]
    pub fn stating_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Relaxed)
    }

    /// Says no to new changes and returns when the writer has ended and all its answers are given.
    pub async fn close(&self) {
        // The writer may be gone already: then there is nothing left to wait for.
        if self
            .shared
            .changes
            .send(writer::Request::Close)
            .await
            .is_err()
        {
            return;
        }
        let mut finished = self.shared.finished.clone();
        if finished.wait_for(|done| *done).await.is_ok() {
            self.shared.readers.close().await;
        }
    }
}
