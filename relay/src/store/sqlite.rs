//! Opening the data folder and its SQLite database: layout version, lock, pragmas read back,
//! migrations, folding in the WAL that a crash left, and reading the state that the writer keeps in
//! memory. Fails by [`OpenError`]; nothing is served before all of it is right.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use formats::id::Digest;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Row, SqliteConnection, SqlitePool};

use crate::store::{OpenError, Options, epochs, log};

/// Layout of the data folder that this program writes.
const LAYOUT_VERSION: u32 = 1;

/// The station's migrations, oldest first. One that was released never changes.
const STATION_SCHEMA: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_station.sql"),
    include_str!("../../migrations/sqlite/0002_heads.sql"),
    include_str!("../../migrations/sqlite/0003_damaged.sql"),
    include_str!("../../migrations/sqlite/0004_asked_again.sql"),
];

/// How long a statement waits for another process's turn to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reading connections: each is a thread of its own.
const READERS_MAX: u32 = 4;

/// Page cache of a reader, 4 MiB: the kernel has the pages too, and every commit empties it.
const READER_CACHE: &str = "-4096";

/// Next free numbers of the writer's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) next_envelope: i64,
    pub(super) next_leg: i64,
}

/// What an open store starts from.
pub(super) struct Opened {
    pub(super) writer: SqliteConnection,
    pub(super) readers: SqlitePool,
    pub(super) lock: File,
    pub(super) log: log::Log,
    pub(super) epochs: Vec<epochs::Epoch>,
    pub(super) counters: Counters,
}

pub(super) async fn open(dir: &Path, options: &Options) -> Result<Opened, OpenError> {
    let folder = dir.to_owned();
    let lock = tokio::task::spawn_blocking(move || prepare_folder(&folder))
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    let path = dir.join(DATABASE);
    let mut writer = SqliteConnection::connect_with(&connect_options(&path)).await?;
    check_pragmas(&mut writer).await?;
    fold_in_wal(&mut writer).await?;
    migrate(&mut writer, "station", STATION_SCHEMA).await?;
    migrate(&mut writer, "desk", options.desk_schema).await?;
    requeue_interrupted(&mut writer).await?;
    let log = log::open(&mut writer, options).await?;
    let epochs = epochs::read(&mut writer, options, &log).await?;
    let counters = read_counters(&mut writer).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .connect_with(
            connect_options(&path)
                .read_only(true)
                .pragma("cache_size", READER_CACHE),
        )
        .await?;
    Ok(Opened {
        writer,
        readers,
        lock,
        log,
        epochs,
        counters,
    })
}

pub(super) async fn admin_pool(dir: &Path) -> Result<SqlitePool, OpenError> {
    let options = connect_options(&dir.join(DATABASE)).create_if_missing(false);
    Ok(SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await?)
}

/// For a look at a folder whose station does not run: its lock, and a connection that cannot write.
pub(super) async fn open_to_read(dir: &Path) -> Result<(File, SqliteConnection), OpenError> {
    let path = dir.join(DATABASE);
    if !path.exists() {
        let source = io::Error::from(io::ErrorKind::NotFound);
        return Err(OpenError::Io { path, source });
    }
    let folder = dir.to_owned();
    let lock = tokio::task::spawn_blocking(move || prepare_folder(&folder))
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
    let options = connect_options(&path)
        .create_if_missing(false)
        .read_only(true);
    Ok((lock, SqliteConnection::connect_with(&options).await?))
}

const DATABASE: &str = "station.db";

fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode anything less loses the last commits at a power cut (measured).
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // 32 MiB of WAL between foldings: bodies in rows would otherwise fold it every few commits.
        .pragma("wal_autocheckpoint", "8192")
        .pragma("journal_size_limit", "67108864")
        .pragma("cache_size", "-16384")
        .statement_cache_capacity(256)
}

fn prepare_folder(dir: &Path) -> Result<File, OpenError> {
    let at = |path: PathBuf| move |source: io::Error| OpenError::Io { path, source };
    fs::create_dir_all(dir).map_err(at(dir.to_owned()))?;
    let lock_path = dir.join("LOCK");
    let lock = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .map_err(at(lock_path.clone()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: lock_path }),
        Err(TryLockError::Error(source)) => {
            return Err(OpenError::Io {
                path: lock_path,
                source,
            });
        }
    }
    check_version(dir)?;
    Ok(lock)
}

fn check_version(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join("VERSION");
    match fs::read_to_string(&path) {
        Ok(found) => match found.trim().parse::<u32>() {
            Ok(version) if (1..=LAYOUT_VERSION).contains(&version) => Ok(()),
            Ok(_) | Err(_) => Err(OpenError::Version {
                path,
                found,
                known: LAYOUT_VERSION,
            }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let written = || -> io::Result<()> {
                let part = dir.join("VERSION.part");
                let mut file = File::create(&part)?;
                io::Write::write_all(&mut file, format!("{LAYOUT_VERSION}\n").as_bytes())?;
                file.sync_all()?;
                fs::rename(&part, &path)?;
                File::open(dir)?.sync_all()
            };
            written().map_err(|source| OpenError::Io { path, source })
        }
        Err(source) => Err(OpenError::Io { path, source }),
    }
}

/// Asking is not enough: a build option, a read-only mount or a network file system may not keep it.
async fn check_pragmas(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let wanted: [(&'static str, &'static str, &'static str); 3] = [
        ("journal_mode", "PRAGMA journal_mode", "wal"),
        ("synchronous", "PRAGMA synchronous", "2"),
        ("foreign_keys", "PRAGMA foreign_keys", "1"),
    ];
    for (pragma, query, wanted) in wanted {
        let row = sqlx::query(query).fetch_one(&mut *connection).await?;
        let found = match row.try_get::<String, _>(0) {
            Ok(text) => text,
            Err(_number) => row.try_get::<i64, _>(0)?.to_string(),
        };
        if found != wanted {
            return Err(OpenError::Pragma {
                pragma,
                found,
                wanted,
            });
        }
    }
    Ok(())
}

/// Moves what a crash left in the WAL into the database before anything is answered from it.
async fn fold_in_wal(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(connection)
        .await?;
    let busy: i64 = row.try_get(0)?;
    if busy != 0 {
        let found = "busy".to_owned();
        return Err(OpenError::Pragma {
            pragma: "wal_checkpoint",
            found,
            wanted: "done",
        });
    }
    Ok(())
}

/// Applies what is not applied yet, each in its own transaction with the row that says so.
async fn migrate(
    connection: &mut SqliteConnection,
    set: &'static str,
    schema: &[&'static str],
) -> Result<(), OpenError> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS migration (
             kind TEXT NOT NULL, number INTEGER NOT NULL, digest BLOB NOT NULL,
             PRIMARY KEY (kind, number)) STRICT",
    )
    .execute(&mut *connection)
    .await?;
    let rows = sqlx::query("SELECT number, digest FROM migration WHERE kind = ? ORDER BY number")
        .bind(set)
        .fetch_all(&mut *connection)
        .await?;
    if rows.len() > schema.len() {
        let problem = "applied by a later version of this program".to_owned();
        return Err(OpenError::Migration {
            set,
            number: rows.len(),
            problem,
        });
    }
    for (at, script) in schema.iter().enumerate() {
        let number = at + 1;
        let digest = Digest::of(script.as_bytes());
        if let Some(row) = rows.get(at) {
            if row.try_get::<Vec<u8>, _>("digest")? != digest.as_bytes() {
                let problem = "its text changed after it was applied".to_owned();
                return Err(OpenError::Migration {
                    set,
                    number,
                    problem,
                });
            }
            continue;
        }
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(*script)
            .execute(&mut *transaction)
            .await
            .map_err(|error| OpenError::Migration {
                set,
                number,
                problem: error.to_string(),
            })?;
        sqlx::query("INSERT INTO migration (kind, number, digest) VALUES (?, ?, ?)")
            .bind(set)
            .bind(i64::try_from(number).unwrap_or(i64::MAX))
            .bind(digest.as_bytes().as_slice())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// A transfer that was under way did not get its custody: the leg is offered again.
async fn requeue_interrupted(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    sqlx::query("UPDATE leg SET phase = 0, next_at = received WHERE phase = 1")
        .execute(connection)
        .await?;
    Ok(())
}

async fn read_counters(connection: &mut SqliteConnection) -> Result<Counters, OpenError> {
    let row = sqlx::query(
        "SELECT max(coalesce((SELECT max(key) + 1 FROM envelope), 1),
                    coalesce((SELECT next FROM counter WHERE name = 'envelope'), 1)) AS envelope,
                max(coalesce((SELECT max(id) + 1 FROM leg), 1),
                    coalesce((SELECT next FROM counter WHERE name = 'leg'), 1)) AS leg",
    )
    .fetch_one(connection)
    .await?;
    Ok(Counters {
        next_envelope: row.try_get("envelope")?,
        next_leg: row.try_get("leg")?,
    })
}
