//! Check: whether what a station's folder holds agrees with itself. Every statement with its leaf, leaves
//! with tiles, tiles with every stored checkpoint, chains of statements with legs, received evidence with
//! its signatures, bodies with the digests in signed headers.
//!
//! Works on any connection that reads ([`connection`]) or on the folder of a station that does not run
//! ([`folder`]); changes nothing, and holds one page of rows in memory. Fails only when it cannot read;
//! what is wrong is a [`Finding`] that names the statement, the station and the first bad index. What this
//! cannot see (a history rewritten by whoever has the log's keys) is seen by others: [`held`].
//! Must not know the network or what a letter says.

pub mod held;

mod bodies;
mod desk;
mod legs;
mod log;
mod proofs;
mod report;

pub use desk::{OfDesk, events, of_desk};
pub use proofs::believe;
pub use report::{FINDINGS_MAX, Finding, Report, What};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::checkpoint::LogOrigin;
use formats::id::EnvelopeId;
use formats::time::Timestamp;
use sqlx::{Connection, Row, SqliteConnection};

use crate::directory::Snapshot;
use crate::store::{OpenError, sqlite};

/// How thorough a check is.
#[derive(Clone, Default)]
pub struct Settings {
    /// Read every body too, and let SQLite look at every page.
    pub full: bool,
    /// Whom to believe: with it signatures and tokens are verified, without it only hashes are.
    pub directory: Option<Arc<Snapshot>>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("full", &self.full)
            .field("signatures", &self.directory.is_some())
            .finish()
    }
}

/// Why a folder was not checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is in use, not there, or of a later version.
    #[error(transparent)]
    Folder(#[from] OpenError),
    /// SQLite cannot read it at all.
    #[error("the database cannot be read")]
    Database(#[from] sqlx::Error),
}

/// A check under way.
pub(super) struct Run<'c> {
    connection: &'c mut SqliteConnection,
    bodies: PathBuf,
    settings: &'c Settings,
    /// Epochs, the oldest first.
    epochs: Vec<Epoch>,
    report: Report,
}

/// One row of `log`.
#[derive(Debug, Clone)]
pub(super) struct Epoch {
    number: i64,
    origin: String,
    parsed: Option<LogOrigin>,
    first_position: i64,
    /// Position after the last that may be its.
    end: i64,
    opened: i64,
}

/// The folder of a station that does not run, open to be read; its lock is held meanwhile.
#[derive(Debug)]
pub struct Reading {
    /// Cannot write.
    pub connection: SqliteConnection,
    _lock: std::fs::File,
}

/// Opens the folder of a station that does not run.
///
/// # Errors
/// It is in use, not there, or of a later version.
pub async fn open(dir: &Path) -> Result<Reading, OpenError> {
    let (lock, connection) = sqlite::open_to_read(dir).await?;
    Ok(Reading {
        connection,
        _lock: lock,
    })
}

/// Checks the folder of a station that does not run.
///
/// # Errors
/// The folder is in use or cannot be read at all; everything else is in the report.
pub async fn folder(dir: &Path, settings: &Settings) -> Result<Report, CheckError> {
    let mut reading = open(dir).await?;
    let report = connection(&mut reading.connection, dir, settings).await?;
    let _closed = reading.connection.close().await;
    Ok(report)
}

/// Checks what the connection reads, with the body files of the folder `dir`.
///
/// # Errors
/// The database cannot be read.
pub async fn connection(
    connection: &mut SqliteConnection,
    dir: &Path,
    settings: &Settings,
) -> Result<Report, sqlx::Error> {
    let mut run = Run {
        connection,
        bodies: dir.join("bodies"),
        settings,
        epochs: Vec::new(),
        report: Report::default(),
    };
    run.integrity().await?;
    run.read_epochs().await?;
    log::check(&mut run).await?;
    legs::check(&mut run).await?;
    legs::without_envelope(&mut run).await?;
    proofs::check(&mut run).await?;
    if settings.full {
        bodies::check(&mut run).await?;
    }
    Ok(run.report)
}

impl Run<'_> {
    /// SQLite's own look: every page if the check is full, else the schema's sizes only.
    async fn integrity(&mut self) -> Result<(), sqlx::Error> {
        let pragma = if self.settings.full {
            "PRAGMA integrity_check(16)"
        } else {
            "PRAGMA quick_check(16)"
        };
        let rows = sqlx::query(pragma).fetch_all(&mut *self.connection).await;
        let told = match rows {
            Ok(rows) => rows
                .iter()
                .map(|row| row.try_get::<String, _>(0))
                .collect::<Result<Vec<_>, _>>()?,
            Err(sqlx::Error::Database(error)) => vec![error.to_string()],
            Err(error) => return Err(error),
        };
        for problem in told.into_iter().filter(|problem| problem != "ok") {
            self.found(What::Database, "station.db", problem);
        }
        Ok(())
    }

    async fn read_epochs(&mut self) -> Result<(), sqlx::Error> {
        let rows =
            sqlx::query("SELECT epoch, origin, first_position, opened FROM log ORDER BY epoch")
                .fetch_all(&mut *self.connection)
                .await?;
        for row in &rows {
            let origin: String = row.try_get("origin")?;
            self.epochs.push(Epoch {
                number: row.try_get("epoch")?,
                parsed: origin.parse().ok(),
                origin,
                first_position: row.try_get("first_position")?,
                end: i64::MAX,
                opened: row.try_get("opened")?,
            });
        }
        let firsts: Vec<i64> = self.epochs.iter().map(|one| one.first_position).collect();
        for (epoch, next) in self.epochs.iter_mut().zip(firsts.iter().skip(1)) {
            epoch.end = *next;
        }
        let newest = self.epochs.last().and_then(|epoch| epoch.parsed.as_ref());
        self.report.station = newest.map_or_else(
            || "unknown".to_owned(),
            |origin| origin.station().to_string(),
        );
        if self.epochs.is_empty() {
            self.found(What::Epoch, "log", "there is no log at all".to_owned());
        }
        Ok(())
    }

    /// The epoch that a position lies in.
    fn epoch_of(&self, position: i64) -> Option<&Epoch> {
        self.epochs
            .iter()
            .find(|epoch| (epoch.first_position..epoch.end).contains(&position))
    }

    /// A finding about no leaf and no envelope.
    fn found(&mut self, what: What, place: &str, detail: String) -> &mut Finding {
        let station = self.report.station.clone();
        self.add(Finding {
            what,
            station,
            log: None,
            first_bad: None,
            envelope: None,
            recipient: None,
            statement: None,
            place: place.to_owned(),
            detail,
        })
    }

    /// A finding about a leaf.
    fn found_leaf(
        &mut self,
        what: What,
        epoch: &Epoch,
        index: u64,
        detail: String,
    ) -> &mut Finding {
        let place = format!("leaf {index} of {}", epoch.origin);
        let found = self.found(what, &place, detail);
        found.log = Some(epoch.origin.clone());
        found.first_bad = Some(index);
        found
    }

    /// Adds it; gives it back to be completed.
    fn add(&mut self, finding: Finding) -> &mut Finding {
        if self.report.findings.len() >= FINDINGS_MAX {
            self.report.left_out += 1;
            // The last one of the list takes what is said about those that are left out.
            self.report.findings.pop();
        }
        self.report.findings.push(finding);
        let last = self.report.findings.len() - 1;
        &mut self.report.findings[last]
    }
}

/// The id in a column, in words even if it is none.
pub(super) fn id_text(bytes: &[u8]) -> String {
    <[u8; 16]>::try_from(bytes)
        .ok()
        .and_then(|bytes| EnvelopeId::from_bytes(bytes).ok())
        .map_or_else(|| hex(bytes), |id| id.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// When an id was made: ids are UUIDs of version 7.
fn id_time(bytes: &[u8]) -> Option<Timestamp> {
    let ms = bytes.get(..6)?;
    let ms = ms
        .iter()
        .fold(0_i64, |all, byte| (all << 8) | i64::from(*byte));
    Some(Timestamp::from_unix_ms(ms))
}

/// What an operator does about findings.
pub const NEXT_STEP: &str = "keep this folder as it is (it is evidence), do not start the station on it; restore the last \
     good backup into another folder with the next log epoch, and send this report to the network's operators. Giữ \
     nguyên thư mục này, không khởi động trạm trên đó; khôi phục bản sao lưu tốt gần nhất sang thư mục khác với kỷ \
     nguyên nhật ký kế tiếp và gửi báo cáo này cho đơn vị vận hành mạng";
/// What is said about a station that runs.
pub const RUNNING: &str = "the station runs and looks over its store by itself (see `scrub` in /status); stop it for a whole \
     check. Trạm đang chạy và tự rà soát kho dữ liệu; hãy dừng trạm để kiểm tra toàn bộ";
/// Rows read at once.
const PAGE: i64 = 500;
