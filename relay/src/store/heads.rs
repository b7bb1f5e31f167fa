//! Heads of logs that others showed, and pairs of heads that cannot be of one log. Rows only: what they mean
//! is judged in `evidence`.

use formats::checkpoint::{LogOrigin, SignedCheckpoint};
use formats::id::{Digest, StationName};
use formats::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::store::read::ReadError;
use crate::store::rows;
use crate::store::writer::Chore;
use crate::store::{CommitError, Store};

/// A signed head of a log and who showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenHead {
    /// Which log.
    pub origin: LogOrigin,
    /// How many leaves.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
    /// The signed checkpoint, without token.
    pub signed: SignedCheckpoint,
    /// The station that showed it.
    pub source: StationName,
    /// When it was seen.
    pub seen: Timestamp,
}

/// What two heads convict a log of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictKind {
    /// They cannot be of one growing log.
    Fork,
    /// The log no longer has the larger one.
    Rewind,
}

impl ConflictKind {
    /// The word in tables and views.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Rewind => "rewind",
        }
    }
}

/// Two signed heads that convict their log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConflict {
    /// Of what.
    pub kind: ConflictKind,
    /// The one that was held; its origin is the log.
    pub held: SeenHead,
    /// The one that was shown. For our own log of which others hold more: theirs.
    pub shown: SeenHead,
    /// When it was found.
    pub found: Timestamp,
}

impl Store {
    /// Keeps heads, each in the place of the last one of its log unless that is larger, and conflicts, the first of each kind
    /// of a log.
    pub async fn keep_heads(
        &self,
        heads: Vec<SeenHead>,
        conflicts: Vec<LogConflict>,
    ) -> Result<(), CommitError> {
        self.keep(Chore::Heads { heads, conflicts }).await.map(drop)
    }

    /// All heads that are kept.
    pub async fn seen_heads(&self) -> Result<Vec<SeenHead>, ReadError> {
        let rows =
            sqlx::query("SELECT origin, signed, source, seen FROM seen_head ORDER BY origin")
                .fetch_all(&self.shared.readers)
                .await?;
        rows.iter()
            .map(|row| head(row, "signed", "source", row.try_get("seen")?))
            .collect()
    }

    /// All conflicts that were found, the oldest first.
    pub async fn log_conflicts(&self) -> Result<Vec<LogConflict>, ReadError> {
        let rows = sqlx::query("SELECT * FROM log_conflict ORDER BY found, origin, kind")
            .fetch_all(&self.shared.readers)
            .await?;
        rows.iter().map(conflict).collect()
    }
}

fn conflict(row: &SqliteRow) -> Result<LogConflict, ReadError> {
    let found: i64 = row.try_get("found")?;
    let kind: String = row.try_get("kind")?;
    Ok(LogConflict {
        kind: match kind.as_str() {
            "fork" => ConflictKind::Fork,
            _ => ConflictKind::Rewind,
        },
        held: head(row, "held", "held_source", found)?,
        shown: head(row, "shown", "shown_source", found)?,
        found: Timestamp::from_unix_ms(found),
    })
}

fn head(row: &SqliteRow, signed: &str, source: &str, seen: i64) -> Result<SeenHead, ReadError> {
    let damaged = |problem: String| ReadError::Damaged {
        table: "seen_head",
        row: seen,
        problem,
    };
    let bytes: Vec<u8> = row.try_get(signed)?;
    let signed = SignedCheckpoint::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
    let note = signed
        .parsed()
        .map_err(|error| damaged(error.to_string()))?;
    let source: String = row.try_get(source)?;
    let source = rows::station("seen_head", seen, Some(source))?
        .ok_or_else(|| damaged("no source".to_owned()))?;
    Ok(SeenHead {
        origin: note.checkpoint.origin,
        size: note.checkpoint.size,
        root: note.checkpoint.root,
        signed,
        source,
        seen: Timestamp::from_unix_ms(seen),
    })
}

/// Writes them in the open transaction.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    heads: &[SeenHead],
    conflicts: &[LogConflict],
) -> Result<u64, sqlx::Error> {
    let mut written = 0;
    for head in heads {
        let done = sqlx::query(
            "INSERT INTO seen_head (origin, size, root, signed, source, seen) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE SET size = excluded.size, \
             root = excluded.root, signed = excluded.signed, source = excluded.source, \
             seen = excluded.seen WHERE excluded.size >= seen_head.size",
        )
        .bind(head.origin.to_string())
        .bind(i64::try_from(head.size).unwrap_or(i64::MAX))
        .bind(head.root.as_bytes().to_vec())
        .bind(head.signed.encode())
        .bind(head.source.as_str().to_owned())
        .bind(head.seen.unix_ms())
        .execute(&mut *connection)
        .await?;
        written += done.rows_affected();
    }
    for one in conflicts {
        let done = sqlx::query(
            "INSERT OR IGNORE INTO log_conflict \
             (origin, kind, held, held_source, shown, shown_source, found) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(one.held.origin.to_string())
        .bind(one.kind.word())
        .bind(one.held.signed.encode())
        .bind(one.held.source.as_str().to_owned())
        .bind(one.shown.signed.encode())
        .bind(one.shown.source.as_str().to_owned())
        .bind(one.found.unix_ms())
        .execute(&mut *connection)
        .await?;
        written += done.rows_affected();
    }
    Ok(written)
}
