//! The audit log: what was done here, by whom, in an order that cannot be changed unnoticed.
//!
//! Owns: one JSON line an event, each naming the SHA-256 of the line before it; lines are written in
//! the transaction of the act that they tell, so there is no act without its line. Anyone with an
//! export can check the chain ([`verify`]); whoever noted a head elsewhere notices a cut tail.
//! Fails with [`AuditError`]. Must not know tables of acts.

use formats::id::Digest;
use formats::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use thiserror::Error;

use super::db::{DbError, Tx};

/// Why the log cannot be read as one chain.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A line is not what was written.
    #[error("audit line {line}: {reason}")]
    Damaged {
        /// Its number, from 1.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

/// Who acts, and from where.
#[derive(Clone, Debug)]
pub struct Actor {
    /// A person's account, a station or an agency.
    pub who: String,
    /// `console`, or the address of the caller.
    pub from: String,
}

impl Actor {
    /// Someone at the authority's own console.
    #[must_use]
    pub fn console(who: &str) -> Self {
        Self {
            who: who.to_owned(),
            from: "console".to_owned(),
        }
    }

    /// The authority itself, by its clock.
    #[must_use]
    pub fn itself() -> Self {
        Self::console("authority")
    }
}

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// From 1.
    pub seq: u64,
    /// SHA-256 of the line before; of `tram-audit-1` for the first.
    pub prev: String,
    /// When, RFC 3339.
    pub time: String,
    /// Who.
    pub who: String,
    /// From where.
    pub from: String,
    /// What happened: a word.
    pub event: String,
    /// The facts.
    pub facts: Json,
}

/// Appends events to the log inside a transaction.
pub(super) async fn append(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    events: impl IntoIterator<Item = (&'static str, Json)>,
) -> Result<(), DbError> {
    let (mut seq, mut prev) = head(tx).await?;
    for (event, facts) in events {
        seq = seq.saturating_add(1);
        let line = Line {
            seq,
            prev: prev.to_string(),
            time: now.rfc3339(),
            who: actor.who.clone(),
            from: actor.from.clone(),
            event: event.to_owned(),
            facts,
        };
        // A struct of texts and JSON always has a text.
        let line = serde_json::to_string(&line).unwrap_or_default();
        prev = Digest::of(line.as_bytes());
        let number = i64::try_from(seq).unwrap_or(i64::MAX);
        tx.execute(
            "INSERT INTO audit VALUES ($1, $2, $3)",
            [number.into(), line.into(), prev.to_string().into()],
        )
        .await?;
    }
    Ok(())
}

/// Number of lines, and the hash of the last.
pub(super) async fn head(tx: &mut Tx) -> Result<(u64, Digest), DbError> {
    let last = tx
        .row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", [])
        .await?;
    let Some(last) = last else {
        return Ok((0, Digest::of(FIRST)));
    };
    let seq = u64::try_from(last.int(0)?).unwrap_or_default();
    let hash = last.text(1)?.parse().unwrap_or_else(|_| Digest::of(b""));
    Ok((seq, hash))
}

/// Lines after `after`, at most `most`.
pub(super) async fn lines(tx: &mut Tx, after: u64, most: u32) -> Result<Vec<String>, DbError> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let rows = tx
        .rows(
            "SELECT line FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2",
            [after.into(), i64::from(most).into()],
        )
        .await?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// A chain that is being checked, line by line.
#[derive(Clone, Debug)]
pub struct Chain {
    seq: u64,
    head: Digest,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            seq: 0,
            head: Digest::of(FIRST),
        }
    }
}

impl Chain {
    /// Takes the next line.
    ///
    /// # Errors
    /// [`AuditError::Damaged`] when it is not the one that follows.
    pub fn take(&mut self, text: &str) -> Result<Line, AuditError> {
        let number = self.seq.saturating_add(1);
        let damaged = |reason| AuditError::Damaged {
            line: number,
            reason,
        };
        let line: Line = serde_json::from_str(text).map_err(|_| damaged("not an audit line"))?;
        if line.seq != number {
            return Err(damaged("a line before it is missing or doubled"));
        }
        if line.prev != self.head.to_string() {
            return Err(damaged("does not follow the line before it"));
        }
        self.seq = number;
        self.head = Digest::of(text.as_bytes());
        Ok(line)
    }

    /// Number of lines taken, and the hash of the last.
    #[must_use]
    pub fn head(&self) -> (u64, Digest) {
        (self.seq, self.head)
    }
}

/// Checks a whole export (one line an event).
///
/// # Errors
/// [`AuditError::Damaged`] with the first bad line.
pub fn verify(export: &str) -> Result<(u64, Digest), AuditError> {
    let mut chain = Chain::default();
    for line in export.lines() {
        chain.take(line)?;
    }
    Ok(chain.head())
}

/// What the first line follows.
const FIRST: &[u8] = b"tram-audit-1";
