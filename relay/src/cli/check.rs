//! `check`: configuration, keys and records; with `--full` or `--data` also whether what the data folder
//! holds agrees with itself.
//!
//! Exit codes: 0 good, 1 something is wrong in the store, 2 usage or configuration, 3 the station runs. Must
//! not know how anything is checked.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::StationConfig;
use crate::store::OpenError;
use crate::store::check::{self, CheckError, Report, Settings};

use super::{UNREACHABLE, USAGE, chain, complain, say, text};

/// What to check.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The configuration file.
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    config: Option<PathBuf>,
    /// Check the store in this data folder (of a relay that does not run). Without --config only hashes
    /// are verified, with it signatures and time-stamps too. Kiểm tra kho dữ liệu trong thư mục này.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Check the whole store: every statement, every body, every page of the database. The relay must
    /// not run. Kiểm tra toàn bộ kho dữ liệu.
    #[arg(long)]
    full: bool,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Check) -> ExitCode {
    let mut settings = Settings {
        full: arguments.full,
        directory: None,
    };
    let mut data = arguments.data.clone();
    if let Some(file) = &arguments.config {
        let config = match StationConfig::load(file) {
            Ok(config) => config,
            Err(error) => return unusable(&chain(&error), arguments.json),
        };
        if data.is_none() {
            data = arguments.full.then(|| config.data.clone());
        }
        if data.is_none() {
            return configuration(config, arguments.json).await;
        }
        settings.directory = match crate::station::records(&config).await {
            Ok(directory) => Some(directory.snapshot()),
            Err(error) => return unusable(&chain(&error), arguments.json),
        };
    }
    match data {
        Some(data) => store(&data, &settings, arguments.json).await,
        None => unusable(
            "say which folder: --data DIR or --config FILE",
            arguments.json,
        ),
    }
}

/// The same code as a start, up to the sockets.
async fn configuration(config: StationConfig, json: bool) -> ExitCode {
    match crate::station::check(config).await {
        Ok(report) if json => {
            say(&report.to_string());
            ExitCode::SUCCESS
        }
        Ok(report) => {
            say("configuration, keys and records are good");
            for refused in report["records_refused"].as_array().into_iter().flatten() {
                let (file, reason) = (text(&refused["file"]), text(&refused["reason"]));
                complain(&format!("record left out: {file}: {reason}"));
            }
            ExitCode::SUCCESS
        }
        Err(error) => unusable(&chain(&error), json),
    }
}

async fn store(data: &Path, settings: &Settings, json: bool) -> ExitCode {
    match check::folder(data, settings).await {
        Ok(report) => {
            for line in shown(&report, json) {
                say(&line);
            }
            if report.is_good() {
                ExitCode::SUCCESS
            } else {
                complain(check::NEXT_STEP);
                ExitCode::FAILURE
            }
        }
        Err(error @ CheckError::Folder(OpenError::InUse { .. })) => {
            complain(&format!("{}: {}", chain(&error), check::RUNNING));
            ExitCode::from(UNREACHABLE)
        }
        Err(error) => unusable(&chain(&error), json),
    }
}

/// A report as the command prints it.
#[must_use]
pub fn shown(report: &Report, json: bool) -> Vec<String> {
    if json {
        vec![report.json().to_string()]
    } else {
        report.lines()
    }
}

fn unusable(error: &str, json: bool) -> ExitCode {
    if json {
        say(&serde_json::json!({ "good": false, "error": error }).to_string());
    }
    complain(error);
    ExitCode::from(USAGE)
}
