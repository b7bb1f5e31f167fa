//! The store's own housekeeping: files no row needs, retired rows whose time is over, stamped
//! checkpoints. All of it may be done late or again; none of it is waited for by a sender.

use std::collections::BTreeSet;

use formats::checkpoint::SignedCheckpoint;
use formats::id::Digest;
use formats::limits;
use formats::time::Timestamp;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use tokio::sync::oneshot;

use crate::store::sqlite::Counters;
use crate::store::writer::{Chore, Request};
use crate::store::{CommitError, OpenError, ReadError, Store};

/// Rows removed in one commit: short enough that nobody notices the wait.
const PURGE_ROWS: u32 = 500;

/// How long a retired row stays after `expires` (architecture 5): as long as a life at most.
const RETIRED_MS: i64 = limits::LIFETIME_MS_MAX;

impl Store {
    /// Removes envelopes that are done, hold no body and expired 30 days ago, a part at a time; call
    /// again while it answers more than zero. Their statements stay: they are the log. What was sent
    /// from here stays too: its row leads from the proof package to the statements.
    pub async fn purge(&self, now: Timestamp) -> Result<u64, CommitError> {
        let before = now.minus_ms(RETIRED_MS);
        self.keep(Chore::Purge {
            before,
            rows: PURGE_ROWS,
        })
        .await
    }

    /// Removes body files that no row names and nobody is about to name, parts that nobody continued
    /// for 24 hours, and finishes what a crash left of removals. Call about once an hour. Answers how
    /// many files it removed.
    pub async fn sweep(&self, now: Timestamp) -> Result<usize, ReadError> {
        let mut removed = 0;
        let mut suspects = self.shared.bodies.suspects(now);
        while let Some(names) = suspects.recv().await {
            let named = self.named_files(&names).await?;
            let unnamed: Vec<String> = names
                .into_iter()
                .filter(|name| !named.contains(name))
                .collect();
            removed += unnamed.len();
            // A file finished here that nobody named for an hour loses its name first: an Accept that
            // comes later is refused, so no row can name a file that is gone.
            self.shared.bodies.unlink(unnamed).await;
        }
        // Not urgent: files whose removal a row still remembers are removed again at a start.
        if let Err(error) = self.keep(Chore::Forget(Vec::new())).await {
            tracing::debug!(%error, "doomed files stay listed");
        }
        Ok(removed)
    }

    /// Keeps a checkpoint with its time-stamp token, for proofs that reach from `signed` to `stamped`.
    pub async fn keep_stamped(
        &self,
        size: u64,
        root: Digest,
        signed: SignedCheckpoint,
        at: Timestamp,
    ) -> Result<(), CommitError> {
        self.keep(Chore::Stamped {
            size,
            root,
            signed,
            at,
        })
        .await
        .map(drop)
    }

    /// Unlinks what a crash left doomed.
    pub(super) async fn remove_doomed(&self) -> Result<(), OpenError> {
        let rows = sqlx::query("SELECT file FROM doomed_body")
            .fetch_all(&self.shared.readers)
            .await?;
        let mut files = Vec::with_capacity(rows.len());
        for row in &rows {
            files.push(row.try_get("file")?);
        }
        if files.is_empty() {
            return Ok(());
        }
        self.shared.bodies.unlink(files.clone()).await;
        if let Err(error) = self.keep(Chore::Forget(files)).await {
            tracing::warn!(code = "TRAM-214", %error, "doomed files stay listed");
        }
        Ok(())
    }

    async fn named_files(&self, names: &[String]) -> Result<BTreeSet<String>, ReadError> {
        let mut query =
            QueryBuilder::<Sqlite>::new("SELECT body_file FROM envelope WHERE body_file IN (");
        let mut list = query.separated(", ");
        for name in names {
            list.push_bind(name.clone());
        }
        // Damaged ones are kept.
        query.push(") UNION ALL SELECT file FROM damaged_body WHERE file IN (");
        let mut list = query.separated(", ");
        for name in names {
            list.push_bind(name.clone());
        }
        query.push(")");
        let rows = query
            .build()
            .persistent(false)
            .fetch_all(&self.shared.readers)
            .await?;
        let names = rows.iter().map(|row| row.try_get("body_file"));
        Ok(names.collect::<Result<_, sqlx::Error>>()?)
    }

    pub(super) async fn keep(&self, chore: Chore) -> Result<u64, CommitError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Keep { chore, answer };
        self.shared
            .changes
            .send(request)
            .await
            .map_err(|_| CommitError::Closed)?;
        answered.await.map_err(|_| CommitError::Closed)?
    }
}

/// Removes envelopes of others that expired before a time, are done and hold no body. Numbers that were given
/// out stay given out.
pub(super) async fn purge(
    connection: &mut SqliteConnection,
    counters: Counters,
    before: Timestamp,
    rows: u32,
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO counter (name, next) VALUES ('envelope', ?), ('leg', ?) \
         ON CONFLICT (name) DO UPDATE SET next = excluded.next",
    )
    .bind(counters.next_envelope)
    .bind(counters.next_leg)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM id_conflict WHERE expires < ?")
        .bind(before.unix_ms())
        .execute(&mut *connection)
        .await?;
    let removed = sqlx::query(
        "DELETE FROM envelope WHERE key IN ( \
           SELECT key FROM envelope WHERE expires < ? AND body_kind = 2 AND keep_body = 0 \
             AND NOT EXISTS (SELECT 1 FROM leg WHERE envelope = key AND phase < 4) LIMIT ?)",
    )
    .bind(before.unix_ms())
    .bind(i64::from(rows))
    .execute(connection)
    .await?;
    Ok(removed.rows_affected())
}
