//! `check`: configuration, keys and records; with `--full` or `--data` also whether what the data folder of
//! the node holds agrees with itself, the desk's tables included.

use std::path::{Path, PathBuf};

use relay::store::OpenError;
use relay::store::check::{self, CheckError, Settings};

use super::{Failure, chain, say, unusable};
use crate::config::NodeConfig;
use crate::desk::NodeError;

/// What to check.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The configuration file.
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    config: Option<PathBuf>,
    /// Check the store in this data folder (of a node that does not run). Without --config only hashes
    /// are verified, with it signatures and time-stamps too. Kiểm tra kho dữ liệu trong thư mục này.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Check the whole store: every statement, every body and packet, every page of the database. The
    /// node must not run. Kiểm tra toàn bộ kho dữ liệu.
    #[arg(long)]
    full: bool,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Check) -> Result<(), Failure> {
    let mut settings = Settings {
        full: arguments.full,
        directory: None,
    };
    let mut data = arguments.data.clone();
    if let Some(file) = &arguments.config {
        let config = NodeConfig::load(file).map_err(|error| unusable(&error))?;
        if data.is_none() {
            data = arguments.full.then(|| config.station.data.clone());
        }
        if data.is_none() {
            return configuration(config, arguments.json).await;
        }
        let records = relay::station::records(&config.station).await;
        settings.directory = Some(records.map_err(|error| unusable(&error))?.snapshot());
    }
    let data = data.ok_or_else(|| Failure {
        code: 2,
        text: "say which folder: --data DIR or --config FILE".to_owned(),
    })?;
    store(&data, &settings, arguments.json).await
}

async fn configuration(config: NodeConfig, json: bool) -> Result<(), Failure> {
    if let Err(error) = config.document_anchors() {
        return Err(unusable(&NodeError::Anchors(error)));
    }
    let report = relay::station::check(config.station)
        .await
        .map_err(|error| unusable(&error))?;
    if json {
        say(&report.to_string());
    } else {
        say("configuration, keys and records are good");
    }
    Ok(())
}

async fn store(data: &Path, settings: &Settings, json: bool) -> Result<(), Failure> {
    match crate::check::folder(data, settings).await {
        Ok(report) => {
            for line in relay::cli::shown(&report, json) {
                say(&line);
            }
            if report.is_good() {
                return Ok(());
            }
            Err(Failure {
                code: 1,
                text: check::NEXT_STEP.to_owned(),
            })
        }
        Err(error @ CheckError::Folder(OpenError::InUse { .. })) => Err(Failure {
            code: 3,
            text: format!("{}: {}", chain(&error), check::RUNNING),
        }),
        Err(error) => Err(unusable(&error)),
    }
}
