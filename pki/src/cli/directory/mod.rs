//! `tram-pki directory import`: the list of agencies from a table, looked through before it counts.
//!
//! Owns: the order of the import (read, compare, check, show, sign) and what it says. Nothing is
//! written while there is a fault anywhere in the file.

pub(super) mod bundles;
mod cell;
mod compare;
mod finding;
mod report;
mod table;
mod whole;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Subcommand;
use formats::time::Timestamp;

use self::bundles::Bundles;
use self::cell::Moment;
use self::compare::Kind;
use self::finding::Findings;
use self::report::Report;
use self::whole::Whole;
use super::workshop::Workshop;
use super::{Failure, Output};

#[derive(Debug, Subcommand)]
pub(super) enum DirectoryCommand {
    /// Take the agencies of a CSV file into the directory (nhập danh bạ cơ quan).
    #[command(after_long_help = COLUMNS)]
    Import(Import),
}

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// CSV file in UTF-8; see below for its columns.
    file: PathBuf,
    /// Folder made by `init`.
    #[arg(long)]
    dir: PathBuf,
    /// Check and compare only; write nothing (chạy thử).
    #[arg(long)]
    dry_run: bool,
    /// List every agency that changes, and how (liệt kê thay đổi).
    #[arg(long)]
    diff: bool,
    /// Agencies that the file does not name exist until the end of this day; without this they stay
    /// as they are.
    #[arg(long, value_name = "DAY", value_parser = day)]
    end_missing: Option<Moment>,
}

fn day(written: &str) -> Result<Moment, String> {
    Moment::parse(written).ok_or_else(|| "write it as 2025-06-30".to_owned())
}

/// Beside `--help`.
const COLUMNS: &str = "\
COLUMNS (cột), named in the first line in any order; comma, semicolon or tab between them:
  code        mã định danh     required; present form, groups of any width: H01.36.04
  name        tên cơ quan      required; 1 to 300 characters
  aliases     mã cũ            old codes and other names, separated by semicolons; each may have a
                               period: 000.00.03.H29@2019-01-01..2025-06-30 (either day may be left out)
  parent      cơ quan cấp trên code of the agency above
  valid_from  hiệu lực từ      first day; empty: as it is, for new agencies now
  valid_to    hiệu lực đến     last day; empty: no end
  successor   cơ quan kế thừa  code of the agency that receives after the last day
Days: 2025-07-01, 01/07/2025 (day first) or an instant such as 2025-06-30T17:00:00.000Z, in Vietnam.
A column that the file does not have leaves what the directory says; an empty cell empties it.
Agencies that the file does not name stay as they are, unless --end-missing is given.

Every fault is listed with line, column and what to write; while there is one, nothing is written.
Two agencies may not have one alias at the same time. Old codes of 13 characters are never derived:
where one is likely, it is only proposed. Bundles that change are signed again with the next sequence.

Example: tram-pki directory import agencies.csv --dir DIR --dry-run --diff";

pub(super) fn run(command: &DirectoryCommand, now: Timestamp) -> Result<Output, Failure> {
    match command {
        DirectoryCommand::Import(order) => import(order, now),
    }
}

fn import(order: &Import, now: Timestamp) -> Result<Output, Failure> {
    let mut progress = Progress::new();
    let workshop = Workshop::open(&order.dir, now)?;
    let mut bundles = Bundles::load(&workshop)?;
    progress.at("directory read (đã đọc danh bạ)", 0, 0);
    let (mut errors, mut warnings) = (Findings::default(), Findings::default());
    let table = table::load(&order.file, &mut errors, &mut warnings)?;
    progress.at("rows read (đã đọc tệp)", table.rows.len(), table.rows.len());
    let wanted = compare::compare(&table, &bundles, order.end_missing, now, &mut errors);
    let whole = Whole::new(&wanted, &table.columns, &mut errors, &mut warnings);
    let proposals = whole.check();
    progress.at(
        "rows checked (đã kiểm tra)",
        table.rows.len(),
        table.rows.len(),
    );
    let mut report = Report::new(&wanted, &table, errors, warnings, proposals);
    if report.is_faulty() {
        return Err(report.failure());
    }
    if !order.dry_run {
        for change in wanted.into_values() {
            match change.kind {
                Kind::Added | Kind::Changed(_) | Kind::Ended(_) => {
                    bundles.put(change.agency);
                }
                Kind::Unchanged | Kind::Missing => {}
            }
        }
        report.signed = bundles.sign(&workshop, now, |done, all| {
            progress.at("bundles signed (đã ký)", done, all);
        })?;
    }
    Ok(report.output(order.dry_run, order.diff))
}

/// Lines to whoever waits at a terminal: none in the first second, then at most one a second.
struct Progress {
    shown: Instant,
    terminal: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            shown: Instant::now(),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    fn at(&mut self, what: &str, done: usize, all: usize) {
        if !self.terminal || self.shown.elapsed() < EVERY {
            return;
        }
        self.shown = Instant::now();
        if all == 0 {
            eprintln!("{what}");
        } else {
            eprintln!("{what}: {done} of {all}");
        }
    }
}

const EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
