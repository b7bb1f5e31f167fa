//! The witness's memory: one SQLite file with the newest cosigned checkpoint of each log. Every write is on
//! stable storage when it returns. Fails with [`BookError`].

use std::path::Path;

use formats::id::{Digest, StationName};
use formats::time::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row, SqliteConnection};

use crate::evidence::judge::Point;

/// Why the memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// SQLite.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A row does not parse: another hand changed it.
    #[error("the row of {0} is damaged")]
    Damaged(String),
    /// Another process has written since the check: it must not be.
    #[error("another process uses the witness's database")]
    Shared,
    /// The database does not keep the durability that it was asked for.
    #[error("sqlite answers synchronous = {0}, wanted 2")]
    Pragma(i64),
}

#[derive(Debug)]
pub(super) struct Book {
    connection: SqliteConnection,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS newest (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL
) STRICT;
-- Sizes that were cosigned and are not known here: this file is an older copy.
CREATE TABLE IF NOT EXISTS lost (origin TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT;
-- Properly signed requests that do not go on from what was cosigned; the first of each log.
CREATE TABLE IF NOT EXISTS refused (
    origin TEXT NOT NULL, at INTEGER NOT NULL, request TEXT NOT NULL
) STRICT;
";

/// Requests kept as evidence, of one log.
const REFUSED_MAX: i64 = 16;

impl Book {
    /// Opens the file; `fresh` makes it, and only then may it be absent: a witness without its memory must not go
    /// on.
    pub(super) async fn open(path: &Path, fresh: bool) -> Result<Self, BookError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(fresh)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let row = sqlx::query("PRAGMA synchronous")
            .fetch_one(&mut connection)
            .await?;
        let synchronous: i64 = row.try_get(0)?;
        if synchronous != 2 {
            return Err(BookError::Pragma(synchronous));
        }
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
        Ok(Self { connection })
    }

    pub(super) async fn newest(&mut self, origin: &str) -> Result<Option<Point>, BookError> {
        let row = sqlx::query("SELECT origin, size, root FROM newest WHERE origin = ?")
            .bind(origin.to_owned())
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| point(&row).map(|(_, point)| point))
            .transpose()
    }

    /// Puts a checkpoint in the place of the one that it was compared with.
    pub(super) async fn keep(
        &mut self,
        origin: &str,
        last: Point,
        next: Point,
    ) -> Result<(), BookError> {
        let number = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let row = sqlx::query("SELECT size FROM newest WHERE origin = ?")
            .bind(origin.to_owned())
            .fetch_optional(&mut *transaction)
            .await?;
        let size: i64 = row.map_or(Ok(0), |row| row.try_get("size"))?;
        if size != number(last.size) {
            return Err(BookError::Shared);
        }
        sqlx::query(
            "INSERT INTO newest (origin, size, root) VALUES (?, ?, ?) \
             ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root",
        )
        .bind(origin.to_owned())
        .bind(number(next.size))
        .bind(next.root.as_bytes().to_vec())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// How many logs of a station are remembered.
    pub(super) async fn logs_of(&mut self, station: &StationName) -> Result<i64, BookError> {
        let row =
            sqlx::query("SELECT count(*) AS logs FROM newest WHERE origin LIKE ? || '/log/%'")
                .bind(station.as_str().to_owned())
                .fetch_one(&mut self.connection)
                .await?;
        Ok(row.try_get("logs")?)
    }

    pub(super) async fn all(&mut self) -> Result<Vec<(String, u64, Digest)>, BookError> {
        let rows = sqlx::query("SELECT origin, size, root FROM newest ORDER BY origin")
            .fetch_all(&mut self.connection)
            .await?;
        let all = rows.iter().map(|row| {
            let (origin, point) = point(row)?;
            Ok((origin, point.size, point.root))
        });
        all.collect()
    }

    pub(super) async fn lose(&mut self, origin: &str, size: u64) -> Result<(), BookError> {
        sqlx::query("INSERT OR REPLACE INTO lost (origin, size) VALUES (?, ?)")
            .bind(origin.to_owned())
            .bind(i64::try_from(size).unwrap_or(i64::MAX))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    pub(super) async fn is_lost(&mut self) -> Result<bool, BookError> {
        let row = sqlx::query("SELECT count(*) AS lost FROM lost")
            .fetch_one(&mut self.connection)
            .await?;
        Ok(row.try_get::<i64, _>("lost")? > 0)
    }

    pub(super) async fn refused(
        &mut self,
        origin: &str,
        request: &str,
        at: Timestamp,
    ) -> Result<(), BookError> {
        sqlx::query(
            "INSERT INTO refused (origin, at, request) SELECT ?1, ?2, ?3 \
             WHERE (SELECT count(*) FROM refused WHERE origin = ?1) < ?4",
        )
        .bind(origin.to_owned())
        .bind(at.unix_ms())
        .bind(request.to_owned())
        .bind(REFUSED_MAX)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }
}

fn point(row: &sqlx::sqlite::SqliteRow) -> Result<(String, Point), BookError> {
    let origin: String = row.try_get("origin")?;
    let (size, root): (i64, Vec<u8>) = (row.try_get("size")?, row.try_get("root")?);
    match (u64::try_from(size), Digest::try_from(root.as_slice())) {
        (Ok(size), Ok(root)) => Ok((origin, Point { size, root })),
        _ => Err(BookError::Damaged(origin)),
    }
}
