//! `log`: the station's evidence log for operators: its next epoch, what others' logs showed. Shared by
//! `tram-relay` and `tram-node`.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use crate::config::StationConfig;
use crate::station::{NewEpoch, StartError};

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Logs that have shown two histories, or were set back; with `--json` the signed notes as evidence. Bằng chứng
    /// về nhật ký rẽ nhánh hoặc bị lùi.
    Conflicts(LogCommon),
    /// Open the next epoch of this station's log; the station must be stopped. Mở kỳ nhật ký mới.
    Epoch {
        /// Configuration and output.
        #[command(flatten)]
        common: LogCommon,
        /// Why: one short word, e.g. restored (from an older copy) or damaged.
        #[arg(long)]
        why: String,
    },
    /// Every log that this station follows, with its newest head. Nhật ký của các trạm khác.
    Heads(LogCommon),
}

/// What every verb takes.
#[derive(Debug, clap::Args)]
pub struct LogCommon {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Machine-readable output.
    #[arg(long)]
    pub json: bool,
}

impl LogCommand {
    /// What every verb takes.
    #[must_use]
    pub fn common(&self) -> &LogCommon {
        match self {
            Self::Conflicts(common) | Self::Heads(common) => common,
            Self::Epoch { common, .. } => common,
        }
    }

    /// Does it and says it: one line each, or JSON. `config` is the station's part of the configuration,
    /// `desk_schema` the desk's tables.
    ///
    /// # Errors
    /// In words, with the next step.
    pub async fn run(
        &self,
        config: StationConfig,
        desk_schema: &'static [&'static str],
    ) -> Result<Vec<String>, String> {
        let json = self.common().json;
        let (path, lines): (&str, fn(&Value) -> Vec<String>) = match self {
            Self::Epoch { why, .. } => {
                let opened = crate::station::open_epoch(config, desk_schema, why).await;
                let opened = opened.map_err(|error| not_opened(&error))?;
                return Ok(if json {
                    vec![opened.json().to_string()]
                } else {
                    epoch_lines(&opened)
                });
            }
            Self::Conflicts(_) => ("/conflicts", conflict_lines),
            Self::Heads(_) => ("/heads", head_lines),
        };
        let answer = ask(&config, path).await?;
        Ok(if json {
            vec![answer.to_string()]
        } else {
            lines(&answer)
        })
    }
}

fn not_opened(error: &StartError) -> String {
    let said = super::chain(error);
    if let StartError::Store(crate::store::OpenError::InUse { .. }) = error {
        return format!("{said}; stop the station first (dừng trạm trước)");
    }
    said
}

fn epoch_lines(opened: &NewEpoch) -> Vec<String> {
    let before = opened.previous.as_ref().map_or_else(
        || "there was no log before".to_owned(),
        |head| {
            format!(
                "it names the last known head: {} size {} root {}",
                head.origin, head.size, head.root
            )
        },
    );
    vec![
        format!("{} is open (đã mở kỳ mới), why: {}", opened.origin, opened.why),
        before,
        "start the station; with an authority it publishes the new station record by itself, else sign it with \
         `tram-pki records refresh`"
            .to_owned(),
    ]
}

async fn ask(config: &StationConfig, path: &str) -> Result<Value, String> {
    let Some(address) = config.ops else {
        return Err(
            "the configuration has no `ops` address; add `ops = \"127.0.0.1:4201\"`".to_owned(),
        );
    };
    let answer = async {
        let response = reqwest::get(format!("http://{address}{path}")).await?;
        response.error_for_status()?.json::<Value>().await
    };
    let unreachable = |error: reqwest::Error| {
        let why = super::chain(&error);
        format!("the station does not answer on {address}: {why}; start it and ask again")
    };
    answer.await.map_err(unreachable)
}

fn conflict_lines(answer: &Value) -> Vec<String> {
    let all = answer["conflicts"].as_array().cloned().unwrap_or_default();
    if all.is_empty() {
        return vec!["none (không có)".to_owned()];
    }
    let side = |head: &Value| {
        format!(
            "size {} root {} signed by {}, shown by {}",
            head["size"],
            text(&head["root"]),
            text(&head["signer"]),
            text(&head["shown_by"])
        )
    };
    let lines = all.iter().flat_map(|one| {
        let (log, kind, found) = (text(&one["log"]), text(&one["kind"]), text(&one["found"]));
        [
            format!("{log}: {kind}, found {found}"),
            format!("  held  {}", side(&one["held"])),
            format!("  shown {}", side(&one["shown"])),
        ]
    });
    lines.collect()
}

fn head_lines(answer: &Value) -> Vec<String> {
    let logs = answer["logs"].as_array().cloned().unwrap_or_default();
    let line = |one: &Value| {
        format!(
            "{} size {} seen {} by {}, unproven {}",
            text(&one["log"]),
            one["size"],
            text(&one["seen"]),
            text(&one["shown_by"]),
            one["unproven"]
        )
    };
    logs.iter().map(line).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
