//! Packets in plaintext: small ones in the row, larger ones as files of the directory `packets`.
//!
//! A file is durable (fdatasync, then fsync of the directory) before the commit that names it; what no
//! row names is removed at start. Its digest is checked when it is read for handing out.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sqlx::{Row, SqliteConnection, SqlitePool};

use formats::id::Digest;

use crate::body::Body;
use crate::fault::DeskError;

/// The directory of packet files.
#[derive(Clone, Debug)]
pub(crate) struct Packets(PathBuf);

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
        Ok(Self(path.to_owned()))
    }

    /// Makes a body durable. Blocking for a file.
    pub(crate) fn keep(&self, body: &Body) -> io::Result<Kept> {
        if let Some(bytes) = body.in_memory() {
            return Ok(Kept::Inline(bytes.clone()));
        }
        let from = body
            .path()
            .ok_or_else(|| io::Error::other("body without a place"))?;
        let random: u128 = rand::random();
        let name = format!("{random:032x}.edxml");
        // A second name for the same bytes: nothing is copied, and the temporary name may go.
        fs::hard_link(from, self.0.join(&name))?;
        File::open(self.0.join(&name))?.sync_data()?;
        File::open(&self.0)?.sync_all()?;
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
            let body = Body::memory(inline);
            return if body.digest() == digest {
                Ok(body)
            } else {
                Err(damaged(digest))
            };
        }
        let name: String = row.try_get("file")?;
        let length: i64 = row.try_get("bytes")?;
        let path = self.0.join(name);
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
        for entry in fs::read_dir(&self.0)? {
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
pub(crate) async fn put(
    conn: &mut SqliteConnection,
    digest: Digest,
    bytes: u64,
    kept: &Kept,
) -> Result<(), sqlx::Error> {
    let (inline, file) = match kept {
        Kept::Inline(bytes) => (Some(bytes.as_ref()), None),
        Kept::File(name) => (None, Some(name.as_str())),
    };
    sqlx::query(
        "INSERT INTO desk_packet (digest, bytes, inline, file) VALUES (?, ?, ?, ?)
         ON CONFLICT (digest) DO NOTHING",
    )
    .bind(digest.as_bytes().as_slice())
    .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
    .bind(inline)
    .bind(file)
    .execute(conn)
    .await?;
    Ok(())
}

fn damaged(digest: Digest) -> DeskError {
    tracing::error!(code = "TRAM-321", %digest, "stored packet does not have its digest");
    DeskError::Internal("stored packet is damaged".to_owned())
}
