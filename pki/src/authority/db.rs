//! The authority's database: SQLite by default, PostgreSQL by URL.
//!
//! Owns: opening, the schema, and one small way to speak to both engines: the statements are the
//! same text for both (`$1`, `BIGINT`, `TEXT`, `BYTEA`), values are integers, texts and bytes.
//! Writers take turns: a writing transaction holds the database's one write lock from its first
//! statement, so that what it read stays true until it commits; a commit is durable before it
//! returns. Fails with [`DbError`]. Must not know what the tables mean.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
#[cfg(feature = "postgres")]
use sqlx::{PgPool, Postgres, postgres::PgRow};
use sqlx::{Row as _, Sqlite, SqlitePool, Transaction};
use thiserror::Error;

/// Why the database cannot be used.
#[derive(Debug, Error)]
pub enum DbError {
    /// A stored value is not what was written.
    #[error("the database is damaged at {0}: restore it from a backup")]
    Damaged(&'static str),
    /// The engine refused or cannot be reached.
    #[error("database")]
    Engine(#[from] sqlx::Error),
    /// It does not keep what was committed.
    #[error("database setting {name} is {found}, needed {wanted}: commits would not be durable")]
    NotDurable {
        /// The setting.
        name: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// The URL is of another engine.
    #[error("database {0}: give a file, or postgres://… in a build with feature `postgres`")]
    Url(String),
    /// Written by a later version of this program.
    #[error("database has schema {found}, this program knows up to {known}: install the newer one")]
    Version {
        /// What it has.
        found: i64,
        /// What is known.
        known: i64,
    },
}

/// The open database. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Db {
    Sqlite(SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(PgPool),
}

/// A value that a statement is given.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Bytes(Option<Vec<u8>>),
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

/// One row; columns are read by their place.
pub(super) enum Row {
    Sqlite(SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(PgRow),
}

macro_rules! column {
    ($name:ident, $kind:ty) => {
        pub(super) fn $name(&self, place: usize) -> Result<$kind, DbError> {
            match self {
                Self::Sqlite(row) => Ok(row.try_get(place)?),
                #[cfg(feature = "postgres")]
                Self::Postgres(row) => Ok(row.try_get(place)?),
            }
        }
    };
}

impl Row {
    column!(bytes, Vec<u8>);
    column!(bytes_or_none, Option<Vec<u8>>);
    column!(int, i64);
    column!(int_or_none, Option<i64>);
    column!(text, String);
    column!(text_or_none, Option<String>);
}

/// A transaction; dropped without [`Tx::commit`] it leaves nothing.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(Transaction<'static, Postgres>),
}

macro_rules! bound {
    ($statement:expr, $values:expr) => {{
        let mut query = sqlx::query($statement);
        for value in $values {
            query = match value {
                Value::Bytes(value) => query.bind(value),
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Tx {
    /// Carries out a statement; gives the number of rows that it touched.
    pub(super) async fn execute(
        &mut self,
        statement: &'static str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<u64, DbError> {
        Ok(match self {
            Self::Sqlite(tx) => bound!(statement, values)
                .execute(&mut **tx)
                .await?
                .rows_affected(),
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => bound!(statement, values)
                .execute(&mut **tx)
                .await?
                .rows_affected(),
        })
    }

    /// All rows of a query; the statement bounds their number.
    pub(super) async fn rows(
        &mut self,
        statement: &'static str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Row>, DbError> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let rows = bound!(statement, values).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => {
                let rows = bound!(statement, values).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row of a query, if there is one.
    pub(super) async fn row(
        &mut self,
        statement: &'static str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<Row>, DbError> {
        Ok(self.rows(statement, values).await?.into_iter().next())
    }

    /// Makes everything durable.
    pub(super) async fn commit(self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

impl Db {
    /// Opens `place`, a file or a `postgres://` URL, and brings its schema up to date.
    pub(super) async fn open(place: &str) -> Result<Self, DbError> {
        let db = if place.starts_with("postgres://") || place.starts_with("postgresql://") {
            Self::postgres(place).await?
        } else if place.contains("://") {
            return Err(DbError::Url(place.to_owned()));
        } else {
            Self::sqlite(Path::new(place)).await?
        };
        db.migrate().await?;
        Ok(db)
    }

    async fn sqlite(path: &Path) -> Result<Self, DbError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode anything less loses the last commits at a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .connect_with(options)
            .await?;
        let db = Self::Sqlite(pool);
        let mut tx = db.read().await?;
        let row = tx.row("PRAGMA synchronous", []).await?;
        let found = row.map_or(Ok(-1), |row| row.int(0))?;
        if found != 2 {
            return Err(DbError::NotDurable {
                name: "synchronous",
                found: found.to_string(),
                wanted: "2",
            });
        }
        Ok(db)
    }

    #[cfg(feature = "postgres")]
    async fn postgres(url: &str) -> Result<Self, DbError> {
        use sqlx::postgres::PgPoolOptions;

        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect(url)
            .await?;
        let db = Self::Postgres(pool);
        let mut tx = db.read().await?;
        for (name, statement) in [
            ("fsync", "SHOW fsync"),
            ("full_page_writes", "SHOW full_page_writes"),
        ] {
            let row = tx.row(statement, []).await?;
            let found = row.map_or_else(|| Ok(String::new()), |row| row.text(0))?;
            if found != "on" {
                tracing::warn!(
                    code = "TRAM-702",
                    setting = name,
                    found,
                    "the database server may lose what it committed: turn this setting on"
                );
            }
        }
        Ok(db)
    }

    #[cfg(not(feature = "postgres"))]
    async fn postgres(url: &str) -> Result<Self, DbError> {
        std::future::ready(Err(DbError::Url(url.to_owned()))).await
    }

    /// A transaction that only reads: one state of everything.
    pub(super) async fn read(&self) -> Result<Tx, DbError> {
        Ok(match self {
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin().await?),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => Tx::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ")
                    .await?,
            ),
        })
    }

    /// A transaction that writes; others wait for their turn.
    pub(super) async fn write(&self) -> Result<Tx, DbError> {
        Ok(match self {
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => {
                let mut tx = Tx::Postgres(pool.begin().await?);
                // What is read after this lock was committed before it: reading committed rows is
                // enough, because there is one writer.
                tx.rows("SELECT pg_advisory_xact_lock($1)", [WRITE_LOCK.into()])
                    .await?;
                tx.execute("SET LOCAL synchronous_commit = on", []).await?;
                tx
            }
        })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => pool.close().await,
        }
    }

    async fn migrate(&self) -> Result<(), DbError> {
        let mut tx = self.write().await?;
        tx.execute(
            "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)",
            [],
        )
        .await?;
        let row = tx
            .row("SELECT COALESCE(MAX(version), 0) FROM schema_version", [])
            .await?;
        let found = row.map_or(Ok(0), |row| row.int(0))?;
        let known = i64::try_from(SCHEMA.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(DbError::Version { found, known });
        }
        for (version, steps) in (1..).zip(SCHEMA) {
            if version <= found {
                continue;
            }
            for statement in *steps {
                tx.execute(statement, []).await?;
            }
            tx.execute("INSERT INTO schema_version VALUES ($1)", [version.into()])
                .await?;
        }
        tx.commit().await
    }
}

/// What was released never changes; new steps come after. Both engines take the same text: SQLite
/// keeps bytes as bytes whatever the column is called.
const SCHEMA: &[&[&str]] = &[
    &[
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        "CREATE TABLE audit (seq BIGINT PRIMARY KEY, line TEXT NOT NULL, hash TEXT NOT NULL)",
        "CREATE TABLE certificate (
        serial TEXT PRIMARY KEY, seq BIGINT NOT NULL UNIQUE, issuer TEXT NOT NULL,
        role TEXT NOT NULL, name TEXT NOT NULL, not_before BIGINT NOT NULL,
        not_after BIGINT NOT NULL, planned BIGINT NOT NULL, sha256 TEXT UNIQUE, der BYTEA,
        revoked BIGINT, reason TEXT, spki TEXT)",
        "CREATE INDEX certificate_spki ON certificate (spki)",
        "CREATE INDEX certificate_name ON certificate (name, role, not_after)",
        "CREATE INDEX certificate_end ON certificate (not_after)",
        "CREATE INDEX certificate_revoked ON certificate (issuer) WHERE revoked IS NOT NULL",
        "CREATE TABLE crl (issuer TEXT PRIMARY KEY, number BIGINT NOT NULL)",
        // A leaf is a certificate, or a head of the audit log as it stands in `head`.
        "CREATE TABLE leaf (place BIGINT PRIMARY KEY, hash BYTEA NOT NULL,
        serial TEXT REFERENCES certificate (serial), head BYTEA)",
        "CREATE INDEX leaf_serial ON leaf (serial)",
        "CREATE TABLE checkpoint (size BIGINT PRIMARY KEY, made BIGINT NOT NULL, signed BYTEA NOT NULL)",
        "CREATE TABLE token_grant (
        id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, station TEXT NOT NULL,
        kind TEXT NOT NULL, agencies TEXT NOT NULL, home_relays TEXT NOT NULL,
        created BIGINT NOT NULL, expires BIGINT NOT NULL, made_by TEXT NOT NULL,
        spent BIGINT, request_hash TEXT, answer TEXT, withdrawn BIGINT)",
        "CREATE INDEX token_grant_end ON token_grant (expires)",
        "CREATE TABLE request (
        id TEXT PRIMARY KEY, made BIGINT NOT NULL, expires BIGINT NOT NULL, made_by TEXT NOT NULL,
        kind TEXT NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL, needed BIGINT NOT NULL,
        state TEXT NOT NULL, answer TEXT)",
        "CREATE INDEX request_state ON request (state, made)",
        "CREATE INDEX request_hash ON request (hash)",
        "CREATE TABLE approval (
        request TEXT NOT NULL REFERENCES request (id), approver TEXT NOT NULL, made BIGINT NOT NULL,
        agreed BIGINT NOT NULL, signature BYTEA, PRIMARY KEY (request, approver))",
        "CREATE TABLE published (
        name TEXT PRIMARY KEY, seq BIGINT NOT NULL UNIQUE, sha256 TEXT, bytes BIGINT NOT NULL)",
        // Revocations that a restore found on published lists and in no backup.
        "CREATE TABLE found_revocation (
        issuer TEXT NOT NULL, serial TEXT NOT NULL, revoked BIGINT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (issuer, serial))",
    ],
    &[
        // Full tiles of the log (level 0 holds leaves); made anew from the leaves when they are missing.
        "CREATE TABLE tile (level BIGINT NOT NULL, number BIGINT NOT NULL, root BYTEA NOT NULL,
        hashes BYTEA NOT NULL, PRIMARY KEY (level, number))",
        "DELETE FROM meta WHERE name = 'frontier'",
    ],
];

/// Connections: a server needs few, since writers take turns.
const CONNECTIONS_MAX: u32 = 4;
/// How long one waits for another's turn to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
/// Key of PostgreSQL's advisory lock: "tram-pki" as a number.
#[cfg(feature = "postgres")]
const WRITE_LOCK: i64 = 0x7472_616d_2d70_6b69;
