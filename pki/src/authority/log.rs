//! The Merkle log of certificates: everything that this authority ever signed, for anyone to read.
//!
//! Owns: a leaf is a certificate's DER or a head of the audit log (RFC 6962 hashing); leaves are appended in the transaction
//! that notes the certificate; checkpoints are signed after the commit, as note and CMS like a
//! station's. Certificates are public, so leaves carry no salt. An agency that reads the log knows
//! every certificate in its name ([`super::monitor`]); as [`tiles`] it is read like any C2SP log. Fails with [`LogError`]. Must not know HTTP.

mod tiles;

use std::collections::BTreeSet;

use formats::checkpoint::{Checkpoint, LogOrigin, SignedCheckpoint};
use formats::id::{Digest, StationName};
use formats::merkle;
use formats::merkle::tiles::needed_for_inclusion;
use formats::time::Timestamp;
use thiserror::Error;

use super::audit;
use super::db::{DbError, Tx, Value};
use super::inventory::Inventory;
use crate::cert::Certificate;
use crate::key::{LogKey, SigningKey};
use crate::note::{self, NoteError};

/// Why the log cannot be read or signed.
#[derive(Debug, Error)]
pub enum LogError {
    /// A stored value is not what was written.
    #[error("the log of certificates is damaged at {0}: restore the database from a backup")]
    Damaged(&'static str),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The checkpoint cannot be signed.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// Who signs checkpoints.
#[derive(Debug)]
pub struct LogSigner {
    /// Whose log it is.
    pub station: StationName,
    /// Ed25519 key of the note line.
    pub log_key: LogKey,
    /// Key and certificate of the CMS signature (role station-evidence of the authority's name).
    pub evidence: (SigningKey, Certificate),
}

/// Appends certificates inside the transaction that notes them.
pub(super) async fn append(tx: &mut Tx, certs: &[Certificate]) -> Result<(), DbError> {
    let leaves = certs
        .iter()
        .map(|cert| (cert.der(), Some(cert.serial_hex())));
    append_leaves(tx, leaves.collect()).await
}

/// Appends the head of the audit log, if it has moved since the last: whoever holds a later
/// checkpoint notices every audit line that is changed, taken out or cut off.
async fn append_audit_head(tx: &mut Tx) -> Result<(), DbError> {
    let (lines, head) = audit::head(tx).await?;
    let leaf = AuditHead { lines, head }.to_leaf();
    let last = tx
        .row(
            "SELECT head FROM leaf WHERE head IS NOT NULL ORDER BY place DESC LIMIT 1",
            [],
        )
        .await?;
    if last.map(|row| row.bytes(0)).transpose()?.as_ref() == Some(&leaf) {
        return Ok(());
    }
    append_leaves(tx, vec![(&leaf, None)]).await
}

async fn append_leaves(tx: &mut Tx, leaves: Vec<(&[u8], Option<String>)>) -> Result<(), DbError> {
    if leaves.is_empty() {
        return Ok(());
    }
    let mut tree = tiles::tree(tx).await?;
    for (data, serial) in leaves {
        let place = i64::try_from(tree.size()).unwrap_or(i64::MAX);
        let leaf = merkle::leaf_hash(data);
        tree.append(leaf);
        let head = serial.is_none().then(|| data.to_vec());
        tx.execute(
            "INSERT INTO leaf VALUES ($1, $2, $3, $4)",
            [
                place.into(),
                leaf.as_bytes().as_slice().into(),
                Value::Text(serial),
                Value::Bytes(head),
            ],
        )
        .await?;
    }
    tiles::keep(tx, &mut tree).await?;
    Ok(())
}

/// How far the audit log had come when a checkpoint was signed: a leaf of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// Number of audit lines.
    pub lines: u64,
    /// SHA-256 of the last.
    pub head: Digest,
}

impl AuditHead {
    fn to_leaf(&self) -> Vec<u8> {
        format!("{AUDIT_HEAD}{}\n{}\n", self.lines, self.head).into_bytes()
    }

    /// Reads a leaf; nothing when it is another one. No certificate begins so.
    #[must_use]
    pub fn from_leaf(leaf: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(leaf).ok()?.strip_prefix(AUDIT_HEAD)?;
        let (lines, head) = text.strip_suffix('\n')?.split_once('\n')?;
        Some(Self {
            lines: lines.parse().ok()?,
            head: head.parse().ok()?,
        })
    }
}

/// Which life of the log this is: a restored database may have forgotten leaves, and says so by a new
/// number (architecture, section 8).
async fn epoch(tx: &mut Tx) -> Result<u32, DbError> {
    let row = tx
        .row("SELECT value FROM meta WHERE name = $1", [EPOCH.into()])
        .await?;
    let text = row.map(|row| row.text(0)).transpose()?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(1))
}

/// Begins the next life of the log.
pub(super) async fn next_epoch(tx: &mut Tx) -> Result<u32, DbError> {
    let next = epoch(tx).await?.saturating_add(1);
    tx.execute(
        "INSERT INTO meta VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [EPOCH.into(), next.to_string().into()],
    )
    .await?;
    // What was signed under the old number says nothing about the new one.
    tx.execute("DELETE FROM checkpoint", []).await?;
    Ok(next)
}

impl Inventory {
    /// The newest checkpoint, signed now if the log has grown since the last.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn checkpoint(
        &self,
        signer: &LogSigner,
        now: Timestamp,
    ) -> Result<SignedCheckpoint, LogError> {
        let mut tx = self.db.write().await?;
        append_audit_head(&mut tx).await?;
        let tree = tiles::tree(&mut tx).await?;
        let size = i64::try_from(tree.size()).unwrap_or(i64::MAX);
        let known = tx
            .row(
                "SELECT signed FROM checkpoint WHERE size = $1",
                [size.into()],
            )
            .await?;
        if let Some(known) = known {
            return SignedCheckpoint::decode(&known.bytes(0)?)
                .map_err(|_| LogError::Damaged("a checkpoint"));
        }
        let checkpoint = Checkpoint {
            origin: LogOrigin::new(signer.station.clone(), epoch(&mut tx).await?),
            size: tree.size(),
            root: tree.root(),
        };
        let (key, evidence) = &signer.evidence;
        let signed = note::sign_checkpoint(&checkpoint, &signer.log_key, key, evidence, now)?;
        tx.execute(
            "INSERT INTO checkpoint VALUES ($1, $2, $3)",
            [
                size.into(),
                now.unix_ms().into(),
                signed.encode().as_slice().into(),
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(signed)
    }

    /// Heads of the audit log that checkpoints were signed over, oldest first.
    ///
    /// # Errors
    /// [`LogError::Db`].
    pub async fn audit_heads(&self) -> Result<Vec<AuditHead>, LogError> {
        let mut tx = self.db.read().await?;
        let rows = tx
            .rows(
                "SELECT head FROM leaf WHERE head IS NOT NULL ORDER BY place",
                [],
            )
            .await?;
        let heads = rows.iter().map(|row| {
            AuditHead::from_leaf(&row.bytes(0)?).ok_or(LogError::Damaged("an audit head"))
        });
        heads.collect()
    }

    /// Certificates and audit heads of the log from place `from` on, at most `most`.
    ///
    /// # Errors
    /// [`LogError::Db`], [`LogError::Damaged`].
    pub async fn log_entries(&self, from: u64, most: u32) -> Result<Vec<Vec<u8>>, LogError> {
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let mut tx = self.db.read().await?;
        let rows = tx
            .rows(
                "SELECT COALESCE(leaf.head, certificate.der) FROM leaf
                 LEFT JOIN certificate ON certificate.serial = leaf.serial
                 WHERE leaf.place >= $1 ORDER BY leaf.place LIMIT $2",
                [from.into(), i64::from(most.min(ENTRIES_MAX)).into()],
            )
            .await?;
        let certs = rows.iter().map(|row| {
            row.bytes_or_none(0)?
                .ok_or(LogError::Damaged("a leaf without its certificate"))
        });
        certs.collect()
    }

    /// Proof that a certificate stands in the log of `size` leaves: its place and path.
    ///
    /// # Errors
    /// [`LogError::Db`].
    pub async fn log_proof(
        &self,
        serial: &str,
        size: u64,
    ) -> Result<Option<(u64, Vec<Digest>)>, LogError> {
        let mut tx = self.db.read().await?;
        let row = tx
            .row(
                "SELECT place FROM leaf WHERE serial = $1 ORDER BY place LIMIT 1",
                [serial.into()],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let place = row.int(0)?;
        let place = u64::try_from(place).map_err(|_| LogError::Damaged("a leaf's place"))?;
        let mut needed = BTreeSet::new();
        needed_for_inclusion(place, size, &mut needed);
        let now = tiles::size(&mut tx).await?;
        let found = tiles::gather(&mut tx, now, &needed).await?;
        Ok(found.inclusion(place, size).map(|path| (place, path)))
    }
}

/// Most certificates of one answer.
pub const ENTRIES_MAX: u32 = 500;
const AUDIT_HEAD: &str = "tram-audit-head-1\n";
const EPOCH: &str = "log_epoch";

#[cfg(test)]
mod tests;
