//! Packets in plaintext: small ones in the row, larger ones as files of the directory `packets`.
//!
//! A file is durable (fdatasync, then fsync of the directory, which concurrent packets share) before the
//! commit that names it; what no row names is removed at start. Its digest is checked when it is read for
//! handing out. A disk that does not sync ends the process (exit 74).

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sqlx::{Row, SqlitePool};

use formats::id::Digest;
use relay::store::DeskRows;
use relay::store::body::{FolderSync, sync_file};
use sha2::{Digest as _, Sha256};

use crate::body::Body;
use crate::fault::DeskError;

/// The directory of packet files.
#[derive(Clone, Debug)]
pub(crate) struct Packets {
    folder: PathBuf,
    sync: Arc<FolderSync>,
}

/// A packet that is durable, or will be with its row.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Inline(Bytes),
    File(String),
}

impl Packets {
    /// Makes the directory if there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)?;
        Ok(Self {
            folder: path.to_owned(),
            sync: Arc::new(FolderSync::new(File::open(path)?)),
        })
    }

    /// Makes a body durable. Blocking for a file.
    pub(crate) fn keep(&self, body: &Body) -> io::Result<Kept> {
        if let Some(bytes) = body.inline() {
            return Ok(Kept::Inline(bytes.clone()));
        }
        let random: u128 = rand::random();
        let name = format!("{random:032x}.edxml");
        let path = self.folder.join(&name);
        let file = match (body.in_memory(), body.path()) {
            (Some(bytes), _) => {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)?;
                file.write_all(bytes)?;
                file
            }
            (None, Some(from)) => {
                // A second name for the same bytes: nothing is copied, and the temporary name may go.
                fs::hard_link(from, &path)?;
                File::open(&path)?
            }
            (None, None) => return Err(io::Error::other("body without a place")),
        };
        sync_file(&file, "sync of a packet")?;
        self.sync.wait();
        Ok(Kept::File(name))
    }

    /// The packet with this digest, verified against it. Blocking for a file.
    pub(crate) async fn read(&self, pool: &SqlitePool, digest: Digest) -> Result<Body, DeskError> {
        let row = sqlx::query("SELECT bytes, inline, file FROM desk_packet WHERE digest = ?")
            .bind(digest.as_bytes().as_slice())
            .fetch_optional(pool)
            .await?
            .ok_or(DeskError::NotFound)?;
        if let Some(inline) = row.try_get::<Option<Vec<u8>>, _>("inline")? {
            let body = Body::memory(inline.clone());
            if body.digest() == digest {
                return Ok(body);
            }
            // The row keeps the bytes that were found; what is handed out is what the digest proves.
            let mended = tokio::task::spawn_blocking(move || turn_back(inline, digest)).await;
            return mended
                .ok()
                .flatten()
                .map(Body::memory)
                .ok_or_else(|| damaged(digest));
        }
        let name: String = row.try_get("file")?;
        let length: i64 = row.try_get("bytes")?;
        let path = self.folder.join(name);
        tokio::task::spawn_blocking(move || {
            let body = Body::file(path, u64::try_from(length).unwrap_or(0), digest);
            if body.hash()? == digest {
                Ok(body)
            } else {
                Err(damaged(digest))
            }
        })
        .await
        .map_err(|error| DeskError::Internal(error.to_string()))?
    }

    /// Removes files that no row names; only before anything is in flight.
    pub(crate) async fn sweep(&self, pool: &SqlitePool) -> Result<(), DeskError> {
        let rows = sqlx::query("SELECT file FROM desk_packet WHERE file IS NOT NULL")
            .fetch_all(pool)
            .await?;
        let named: HashSet<String> = rows
            .iter()
            .map(|row| row.try_get("file"))
            .collect::<Result<_, _>>()?;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry
                .file_name()
                .to_str()
                .is_none_or(|name| !named.contains(name))
            {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Names a packet in its row, once for all who have it.
pub(crate) fn put(desk: &mut DeskRows<'_>, digest: Digest, bytes: u64, kept: &Kept) {
    let (inline, file) = match kept {
        Kept::Inline(bytes) => (Some(bytes.as_ref()), None),
        Kept::File(name) => (None, Some(name.as_str())),
    };
    desk.add(
        "INSERT INTO desk_packet (digest, bytes, inline, file) VALUES (?, ?, ?, ?)
         ON CONFLICT (digest) DO NOTHING",
    )
    .bind(digest.as_bytes().as_slice())
    .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
    .bind(inline)
    .bind(file);
}

/// The bytes with the one bit turned back that gives them their digest again. A candidate differs from its block
/// on, so what is before it is hashed once for all of them.
fn turn_back(mut bytes: Vec<u8>, digest: Digest) -> Option<Vec<u8>> {
    if bytes.len() > MEND_BYTES_MAX {
        return None;
    }
    let mut before = Sha256::new();
    for block in (0..bytes.len()).step_by(BLOCK) {
        let end = (block + BLOCK).min(bytes.len());
        for bit in block * 8..end * 8 {
            let (at, mask) = (bit / 8, 1_u8 << (bit % 8));
            bytes[at] ^= mask;
            let hashed = before.clone().chain_update(&bytes[block..]).finalize();
            if hashed.as_slice() == digest.as_bytes() {
                tracing::warn!(code = "TRAM-346", %digest, "a damaged packet was put right from its digest");
                return Some(bytes);
            }
            bytes[at] ^= mask;
        }
        before.update(&bytes[block..end]);
    }
    None
}

/// Larger packets would take minutes of a core.
const MEND_BYTES_MAX: usize = 16 * 1024;
/// Block of SHA-256.
const BLOCK: usize = 64;

fn damaged(digest: Digest) -> DeskError {
    tracing::error!(code = "TRAM-321", %digest, "stored packet does not have its digest");
    DeskError::Internal("stored packet is damaged".to_owned())
}
