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
mod legs;
mod log;
mod proofs;

pub use legs::{OfDesk, events, of_desk};
pub use proofs::believe;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::checkpoint::LogOrigin;
use formats::id::EnvelopeId;
use formats::time::Timestamp;
use serde_json::{Value, json};
use sqlx::{Connection, Row, SqliteConnection};

use crate::directory::Snapshot;
use crate::store::{OpenError, sqlite};

/// What is wrong. The codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A sealed body is not what the signed header says, or not there.
    Body,
    /// The statements about a leg do not follow each other.
    Chain,
    /// A stored checkpoint is not the head of these leaves, or its signatures do not hold.
    Checkpoint,
    /// The database file is damaged.
    Database,
    /// A row of an envelope does not agree with its signed header.
    Envelope,
    /// The first leaf of an epoch does not say where the log begins.
    Epoch,
    /// Evidence of another station does not prove what it is kept for.
    Evidence,
    /// A statement does not have its leaf hash, or a leaf is not there.
    Leaf,
    /// A leg's state has no statement behind it, or a statement no leg.
    Leg,
    /// A file that nothing names.
    Orphan,
    /// A packet of the desk is not what its digest says, or not there.
    Packet,
    /// A state that the desk shows has no receipt behind it, or a receipt does not prove what it is kept for.
    Receipt,
    /// A statement is not readable, or speaks for another.
    Statement,
    /// A tile does not agree with the leaves.
    Tile,
    /// A statement's time lies outside of the stamped checkpoints around it.
    Time,
}

impl What {
    /// The stable code, e.g. `leaf`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Chain => "chain",
            Self::Checkpoint => "checkpoint",
            Self::Database => "database",
            Self::Envelope => "envelope",
            Self::Epoch => "epoch",
            Self::Evidence => "evidence",
            Self::Leaf => "leaf",
            Self::Leg => "leg",
            Self::Orphan => "orphan",
            Self::Packet => "packet",
            Self::Receipt => "receipt",
            Self::Statement => "statement",
            Self::Tile => "tile",
            Self::Time => "time",
        }
    }

    /// What is wrong, in Vietnamese and in English.
    #[must_use]
    pub const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Body => (
                "Nội dung đã niêm phong bị hỏng hoặc thiếu",
                "a sealed body is damaged or missing",
            ),
            Self::Chain => (
                "Chuỗi xác nhận của một lượt chuyển bị đứt",
                "the statements about a leg do not follow each other",
            ),
            Self::Checkpoint => (
                "Mốc ký của nhật ký không khớp với nhật ký",
                "a signed checkpoint does not fit the log",
            ),
            Self::Database => ("Tệp cơ sở dữ liệu bị hỏng", "the database file is damaged"),
            Self::Envelope => (
                "Dòng dữ liệu của phong bì không khớp với phần đầu đã ký",
                "an envelope's row does not agree with its signed header",
            ),
            Self::Epoch => (
                "Dòng mở đầu của nhật ký sai",
                "the first leaf of a log epoch is wrong",
            ),
            Self::Evidence => (
                "Bằng chứng nhận từ trạm khác không còn giá trị",
                "evidence of another station does not hold",
            ),
            Self::Leaf => (
                "Một xác nhận trong nhật ký đã bị sửa hoặc mất",
                "a statement in the log was altered or is gone",
            ),
            Self::Leg => (
                "Trạng thái của lượt chuyển không có xác nhận tương ứng",
                "a leg's state and the statements do not agree",
            ),
            Self::Orphan => ("Tệp không thuộc phong bì nào", "a file that nothing names"),
            Self::Packet => (
                "Gói tin lưu tại đơn vị bị hỏng hoặc thiếu",
                "a packet of the desk is damaged or missing",
            ),
            Self::Receipt => (
                "Trạng thái hiển thị không có biên nhận tương ứng",
                "a state that is shown and the receipts do not agree",
            ),
            Self::Statement => (
                "Xác nhận trong nhật ký không đọc được hoặc không phải của trạm này",
                "a statement is not readable or not this station's",
            ),
            Self::Tile => (
                "Khối băm của nhật ký không khớp với các xác nhận",
                "a tile of the log does not agree with the statements",
            ),
            Self::Time => (
                "Thời điểm của xác nhận nằm ngoài khoảng dấu thời gian chứng minh",
                "a statement's time is outside of what the time-stamps prove",
            ),
        }
    }

    /// Nothing is lost by it.
    #[must_use]
    pub const fn is_harmless(self) -> bool {
        matches!(self, Self::Orphan)
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: What,
    /// The station whose evidence or custody it is about.
    pub station: String,
    /// The log, if it is about one.
    pub log: Option<String>,
    /// First bad leaf in that log.
    pub first_bad: Option<u64>,
    /// The envelope, if it is about one.
    pub envelope: Option<String>,
    /// The recipient, if it is about one leg.
    pub recipient: Option<String>,
    /// The statement, in words: event, envelope, recipient.
    pub statement: Option<String>,
    /// Table and row, or file.
    pub place: String,
    /// This time, in words.
    pub detail: String,
}

impl Finding {
    /// As tools read it.
    #[must_use]
    pub fn json(&self) -> Value {
        let (vi, en) = self.what.texts();
        json!({
            "what": self.what.code(),
            "harmless": self.what.is_harmless(),
            "station": self.station,
            "log": self.log,
            "first_bad": self.first_bad,
            "envelope": self.envelope,
            "recipient": self.recipient,
            "statement": self.statement,
            "place": self.place,
            "detail": self.detail,
            "vi": vi,
            "en": en,
        })
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{}: {}", self.what.code(), self.what.texts().1);
        let facts = [
            ("log", self.log.clone()),
            ("leaf", self.first_bad.map(|index| index.to_string())),
            ("statement", self.statement.clone()),
            ("envelope", self.envelope.clone()),
            ("recipient", self.recipient.clone()),
        ];
        for (name, fact) in facts {
            if let Some(fact) = fact {
                line.push_str(&format!("; {name} {fact}"));
            }
        }
        line.push_str(&format!(" ({}: {})", self.place, self.detail));
        line
    }
}

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

/// What a check came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Whose folder it is.
    pub station: String,
    /// What is wrong, in the order in which it was found; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many were left out of the list.
    pub left_out: u64,
    /// Statements looked at.
    pub statements: u64,
    /// Envelopes looked at.
    pub envelopes: u64,
    /// Bodies read.
    pub bodies: u64,
    /// Signatures that could not be judged, because a certificate is not in the records here.
    pub unjudged: u64,
}

impl Report {
    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.left_out += 1;
        }
    }

    /// Nothing is wrong but what harms nobody.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.left_out == 0 && self.findings.iter().all(|one| one.what.is_harmless())
    }

    /// As tools read it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "good": self.is_good(),
            "station": self.station,
            "findings": self.findings.iter().map(Finding::json).collect::<Vec<Value>>(),
            "left_out": self.left_out,
            "checked": {
                "statements": self.statements,
                "envelopes": self.envelopes,
                "bodies": self.bodies,
            },
            "signatures_unjudged": self.unjudged,
        })
    }

    /// For people: one line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.findings.iter().map(Finding::line).collect();
        if self.left_out > 0 {
            lines.push(format!("and {} more", self.left_out));
        }
        lines.push(format!(
            "{}: {} statements, {} envelopes, {} bodies checked; {}",
            self.station,
            self.statements,
            self.envelopes,
            self.bodies,
            if self.is_good() {
                "good (không có sai lệch)"
            } else {
                "NOT good (có sai lệch)"
            }
        ));
        lines
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
/// Findings kept in a report: more say nothing more.
pub const FINDINGS_MAX: usize = 1_000;
/// Rows read at once.
const PAGE: i64 = 500;
