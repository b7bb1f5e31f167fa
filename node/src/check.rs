//! Check of a node's folder: the station's part first ([`relay::store::check`]), then the desk's tables
//! against each other: packets with digests, commitments with packets, receipts with bundles, shown states
//! with receipts, inbox with the station's own statements.
//!
//! Reads, changes nothing. What is wrong is a finding of the same report. Must not know how a state came
//! about, only what must stand behind it.

mod packets;
mod receipts;
mod sent;

use std::path::Path;

use sqlx::SqliteConnection;

use relay::store::check::{self, CheckError, Finding, Report, Settings, What};

/// Checks the folder of a node that does not run.
///
/// # Errors
/// The folder is in use or cannot be read at all; everything else is in the report.
pub async fn folder(dir: &Path, settings: &Settings) -> Result<Report, CheckError> {
    let mut reading = check::open(dir).await?;
    let mut report = check::connection(&mut reading.connection, dir, settings).await?;
    desk(&mut reading.connection, dir, settings, &mut report).await?;
    Ok(report)
}

/// Checks the desk's tables and packet files.
///
/// # Errors
/// The database cannot be read.
pub async fn desk(
    connection: &mut SqliteConnection,
    dir: &Path,
    settings: &Settings,
    report: &mut Report,
) -> Result<(), sqlx::Error> {
    let mut run = Run {
        connection,
        settings,
        report,
    };
    packets::check(&mut run, &dir.join("packets")).await?;
    receipts::check(&mut run).await?;
    sent::check(&mut run).await
}

/// A check under way.
struct Run<'c> {
    connection: &'c mut SqliteConnection,
    settings: &'c Settings,
    report: &'c mut Report,
}

impl Run<'_> {
    fn found(&mut self, what: What, place: String, detail: impl Into<String>) {
        self.about(what, place, detail, None, None);
    }

    fn about(
        &mut self,
        what: What,
        place: String,
        detail: impl Into<String>,
        envelope: Option<&str>,
        recipient: Option<&str>,
    ) {
        let station = self.report.station.clone();
        self.report.push(Finding {
            what,
            station,
            log: None,
            first_bad: None,
            envelope: envelope.map(str::to_owned),
            recipient: recipient.map(str::to_owned),
            statement: None,
            place,
            detail: detail.into(),
        });
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Rows read at once.
const PAGE: i64 = 200;
