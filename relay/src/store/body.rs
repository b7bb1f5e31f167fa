//! Durable body files. A body larger than a row may hold is one file with a random name; nothing a peer
//! says becomes a path, except the digest of a part that is still being received.
//!
//! Order of a finished file: write `.part` → fdatasync → rename → fsync of the folder (one for all who
//! wait) → only then the name is given out, and only an [`Accept`](crate::store::Accept) in the same
//! process may take it. So a file without a row is never needed after a restart, and the sweep may
//! remove it after its grace.
//!
//! A file holds `chunks ‖ capsule ‖ leaf hashes`: chunks first, because a desk knows its capsule only
//! after the last chunk; the leaf hashes because the next link needs them before the first byte. Every
//! piece is checked against its leaf on each read, the leaves against the header's body digest.
//!
//! Fails by [`BodyError`]; an I/O error of write or sync other than "full" ends the process. All file
//! work runs on blocking threads. Must not know envelopes or SQL.

mod part;
mod reader;
mod sync;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use formats::body::Layout;
use formats::id::Digest;
use formats::time::Timestamp;
use tokio::sync::mpsc;

use crate::store::fatal;

pub use part::{BodyWriter, FinishedBody, PartWriter};
pub use reader::BodyReader;
pub(in crate::store) use reader::verify_file;
pub use sync::{FolderSync, sync_file};

/// A file no row names is removed when it is older than this: one hour in milliseconds.
const UNNAMED_GRACE_MS: i64 = 60 * 60 * 1000;

/// A part nobody continued is removed after this: 24 hours in milliseconds (architecture 10).
const PART_GRACE_MS: i64 = 24 * 60 * 60 * 1000;

/// When to ask again after "disk full", in milliseconds.
pub(crate) const DISK_FULL_RETRY_MS: u64 = 30_000;

/// Names looked at in one step of a sweep.
const SWEEP_STEP: usize = 512;

/// Why a body could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// What lies here is not what was stored; the piece is named. Quarantine the leg.
    #[error("piece {piece} of the stored body does not have its digest")]
    Damaged {
        /// Counted from 0, the capsule.
        piece: u32,
    },
    /// Too little room on the disk.
    #[error("no room for {bytes} bytes above the floor")]
    DiskFull {
        /// How much was asked for.
        bytes: u64,
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// What was given is not what the digest or the layout says; the peer's fault.
    #[error("piece {piece} is not what the digest says")]
    Mismatch {
        /// Counted from 0; for wrong leaf hashes the first piece.
        piece: u32,
    },
    /// The file is not there or cannot be opened.
    #[error("body file {name}")]
    Missing {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another transfer is receiving the same body now.
    #[error("this body is being received on another stream")]
    InUse,
    /// More pieces than the layout has, or finished with fewer; the caller's fault.
    #[error("the body has {have} of {want} pieces")]
    Incomplete {
        /// Pieces there are.
        have: u32,
        /// Pieces the layout has.
        want: u32,
    },
}

/// The folder of body files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bodies {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    floor_bytes: u64,
    sync: FolderSync,
    registry: Mutex<Registry>,
}

#[derive(Debug, Default)]
struct Registry {
    /// Finished, and not yet named by a row.
    fresh: HashSet<String>,
    /// Being written.
    open: HashSet<String>,
    /// Bytes that open parts will still write.
    reserved_bytes: u64,
}

impl Bodies {
    pub(super) async fn open(dir: &Path, floor_bytes: u64) -> io::Result<Self> {
        let folder = dir.join("bodies");
        blocking(move || {
            fs::create_dir_all(&folder)?;
            let sync = FolderSync::new(File::open(&folder)?);
            let registry = Mutex::new(Registry::default());
            let shared = Shared {
                folder,
                floor_bytes,
                sync,
                registry,
            };
            Ok(Self {
                shared: Arc::new(shared),
            })
        })
        .await
    }

    /// Whether `bytes` more leave the floor of free space untouched. A file system that does not
    /// answer counts as full.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        let reserved = self.registry().reserved_bytes;
        let wanted = self
            .shared
            .floor_bytes
            .saturating_add(reserved)
            .saturating_add(bytes);
        self.free_bytes().is_ok_and(|free| free >= wanted)
    }

    /// Free bytes of the file system, as an unprivileged process may use them.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.shared.folder)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// The floor of free space.
    #[must_use]
    pub fn floor_bytes(&self) -> u64 {
        self.shared.floor_bytes
    }

    /// Starts receiving a body, or continues one that broke off: see [`PartWriter::verified_pieces`].
    pub async fn part(&self, body_digest: Digest, layout: Layout) -> Result<PartWriter, BodyError> {
        PartWriter::open(self.clone(), body_digest, layout).await
    }

    /// Starts writing a body whose size is not known yet: the desk's way.
    #[must_use]
    pub fn writer(&self) -> BodyWriter {
        BodyWriter::new(self.clone())
    }

    /// Opens a stored body. Its leaf hashes are checked against `body_digest` before this answers.
    pub async fn reader(
        &self,
        place: &super::BodyPlace,
        body_digest: Digest,
        layout: Layout,
    ) -> Result<BodyReader, BodyError> {
        BodyReader::open(self, place, body_digest, layout).await
    }

    /// Gives the name to a row. `false`: it is not a finished, unnamed file of this process.
    pub(super) fn take_fresh(&self, name: &str) -> bool {
        self.registry().fresh.remove(name)
    }

    /// Takes it back from a row that was not written.
    pub(super) fn put_back(&self, name: String) {
        self.registry().fresh.insert(name);
    }

    /// Unlinks files that no committed row names. What is gone already is fine.
    pub(super) async fn unlink(&self, names: Vec<String>) {
        let bodies = self.clone();
        blocking(move || {
            for name in names {
                bodies.registry().fresh.remove(&name);
                remove_file(&bodies.shared.folder.join(&name));
            }
        })
        .await;
    }

    /// Removes parts that nobody continues, and hands on in steps the files old enough to be unnamed.
    /// The receiver decides by asking the rows.
    pub(super) fn suspects(&self, now: Timestamp) -> mpsc::Receiver<Vec<String>> {
        let (found, suspects) = mpsc::channel(1);
        let bodies = self.clone();
        drop(tokio::task::spawn_blocking(move || {
            bodies.look_for_suspects(now, &found)
        }));
        suspects
    }

    fn look_for_suspects(&self, now: Timestamp, found: &mpsc::Sender<Vec<String>>) {
        let Ok(entries) = fs::read_dir(&self.shared.folder) else {
            return;
        };
        let mut step = Vec::new();
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let Some(age_ms) = age_ms(&entry, now) else {
                continue;
            };
            if name.ends_with(PART_SUFFIX) {
                if age_ms > PART_GRACE_MS && !self.registry().open.contains(&name) {
                    remove_file(&entry.path());
                }
            } else if age_ms > UNNAMED_GRACE_MS {
                step.push(name);
                if step.len() == SWEEP_STEP
                    && found.blocking_send(std::mem::take(&mut step)).is_err()
                {
                    return;
                }
            }
        }
        if !step.is_empty() {
            // A receiver that went away ends the sweep; the next one finds the same.
            let _gone = found.blocking_send(step);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.shared.folder.join(name)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.shared
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// End of the names of files that are not finished.
pub(in crate::store) const PART_SUFFIX: &str = ".part";

fn random_name() -> String {
    let bytes: [u8; 16] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn age_ms(entry: &fs::DirEntry, now: Timestamp) -> Option<i64> {
    let modified = entry.metadata().ok()?.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    let modified_ms = i64::try_from(since.as_millis()).ok()?;
    Some(now.unix_ms().saturating_sub(modified_ms))
}

fn remove_file(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // It stays behind and the next sweep finds it again; space is lost, nothing else.
        Err(error) => {
            tracing::warn!(code = "TRAM-212", path = %path.display(), %error, "body stays")
        }
    }
}

/// Runs file work on a blocking thread. A panic there is our bug and goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down: nobody waits for the value any more.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

/// Full is the caller's to wait for; anything else of a write or sync ends the process.
fn write_error(doing: &'static str, bytes: u64, error: &io::Error) -> BodyError {
    if fatal::is_full(error) {
        BodyError::DiskFull {
            bytes,
            retry_after_ms: DISK_FULL_RETRY_MS,
        }
    } else {
        fatal::file(doing, error)
    }
}
