//! Settings of a node: those of its station, plus where the doors listen and which agencies it serves.
//!
//! One TOML file; relative paths count from its folder. Unknown keys, missing files and keys that do not
//! fit stop the start with the fix in the text; `tram-node check` runs the same code. The environment is
//! not read.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use formats::edxml::deadline::{Calendar, Days};
use formats::id::AgencyCode;
use pki::cert::CertError;
use pki::pdf::Anchors;
use relay::config::{ConfigError, StationConfig, optional, read_table, refuse_rest, required};

pub use crate::agency::{AgencyError, AgencyFiles};
pub use crate::keeping::Retention;

/// Settings of one node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The station under the desk.
    pub station: StationConfig,
    /// Where doors and screens listen.
    pub http: SocketAddr,
    /// Agencies served here.
    pub agencies: Vec<AgencyFiles>,
    /// Working days of public offices: the built-in list with the operator's own days over it.
    pub calendar: Calendar,
    /// Folder with the authorities whose signers of PDF attachments are believed; without it their
    /// signatures are checked all the same, and their signers shown as not determined.
    pub document_anchors: Option<PathBuf>,
    /// How long content is kept, by class of document.
    pub retention: Retention,
}

impl NodeConfig {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (mut table, base) = read_table(path)?;
        let station = StationConfig::take(&mut table, &base)?;
        let http = required(&mut table, "http", r#"http = "127.0.0.1:8080""#)?;
        let anchors: Option<PathBuf> = optional(&mut table, "document_anchors", ANCHORS_EXAMPLE)?;
        let sections: Option<Vec<AgencySection>> = optional(&mut table, "agency", AGENCY_EXAMPLE)?;
        let days: Option<PathBuf> = optional(&mut table, "working_days", DAYS_EXAMPLE)?;
        let retention: Option<Retention> = optional(&mut table, "retention", RETENTION_EXAMPLE)?;
        refuse_rest(&table)?;
        let calendar = match days {
            Some(file) => calendar(&base.join(file))?,
            None => Calendar::built_in(),
        };
        let agencies: Vec<AgencyFiles> = sections
            .unwrap_or_default()
            .into_iter()
            .map(|one| one.files(&base))
            .collect();
        let config = Self {
            station,
            http,
            agencies,
            calendar,
            document_anchors: anchors.map(|folder| base.join(folder)),
            retention: retention.unwrap_or_default(),
        };
        config.check()?;
        Ok(config)
    }

    /// Whether everything named is there. `load` has done this already.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.agencies.is_empty() {
            return Err(ConfigError::Missing {
                key: "agency",
                example: AGENCY_EXAMPLE,
            });
        }
        for agency in &self.agencies {
            if !agency.dir.is_dir() {
                return Err(ConfigError::Absent {
                    key: "agency.dir",
                    path: agency.dir.clone(),
                });
            }
        }
        if let Some(folder) = self.document_anchors.as_ref().filter(|path| !path.is_dir()) {
            return Err(ConfigError::Absent {
                key: "document_anchors",
                path: folder.clone(),
            });
        }
        Ok(())
    }

    /// Reads the authorities of document signers; none without the key.
    pub(crate) fn document_anchors(&self) -> Result<Anchors, CertError> {
        self.document_anchors
            .as_deref()
            .map_or_else(|| Ok(Anchors::default()), Anchors::load)
    }
}

/// The built-in calendar with an operator's file over it.
fn calendar(path: &Path) -> Result<Calendar, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|_| ConfigError::Absent {
        key: "working_days",
        path: path.to_owned(),
    })?;
    let days = Days::parse(&text).map_err(|faults| {
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| format!("{}:{}: {}", path.display(), fault.line, fault.en))
            .collect();
        ConfigError::Value {
            key: "working_days",
            why: lines.join("\n"),
            example: DAYS_EXAMPLE,
        }
    })?;
    Ok(Calendar::built_in().with(&days))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgencySection {
    code: AgencyCode,
    dir: PathBuf,
    passphrase_file: Option<PathBuf>,
    #[serde(default = "yes")]
    automatic_01: bool,
}

const fn yes() -> bool {
    true
}

impl AgencySection {
    fn files(self, base: &Path) -> AgencyFiles {
        AgencyFiles {
            code: self.code,
            dir: base.join(self.dir),
            passphrase_file: self.passphrase_file.map(|path| base.join(path)),
            automatic_01: self.automatic_01,
        }
    }
}

const RETENTION_EXAMPLE: &str = "[retention]\ndocument_years = 0\nstatus_years = 10";
const DAYS_EXAMPLE: &str = "working_days = \"working-days.txt\"";
const ANCHORS_EXAMPLE: &str = r#"document_anchors = "anchors""#;
const AGENCY_EXAMPLE: &str = "[[agency]]\ncode = \"H01.36.04\"\ndir = \"agencies/H01.36.04\"";
