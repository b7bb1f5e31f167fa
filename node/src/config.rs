//! Settings of a node: those of its station, plus where the doors listen and which agencies it serves.
//!
//! One TOML file; relative paths count from its folder. Unknown keys, missing files and keys that do not
//! fit stop the start with the fix in the text; `tram-node check` runs the same code. The environment is
//! not read.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use formats::id::AgencyCode;
use pki::cert::CertError;
use pki::pdf::Anchors;
use relay::config::{ConfigError, StationConfig, optional, read_table, refuse_rest, required};

pub use crate::agency::{AgencyError, AgencyFiles};

/// Settings of one node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The station under the desk.
    pub station: StationConfig,
    /// Where doors and screens listen.
    pub http: SocketAddr,
    /// Agencies served here.
    pub agencies: Vec<AgencyFiles>,
    /// Folder with the authorities whose signers of PDF attachments are believed; without it their
    /// signatures are checked all the same, and their signers shown as not determined.
    pub document_anchors: Option<PathBuf>,
}

impl NodeConfig {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (mut table, base) = read_table(path)?;
        let station = StationConfig::take(&mut table, &base)?;
        let http = required(&mut table, "http", r#"http = "127.0.0.1:8080""#)?;
        let anchors: Option<PathBuf> = optional(&mut table, "document_anchors", ANCHORS_EXAMPLE)?;
        let sections: Option<Vec<AgencySection>> = optional(&mut table, "agency", AGENCY_EXAMPLE)?;
        refuse_rest(&table)?;
        let agencies: Vec<AgencyFiles> = sections
            .unwrap_or_default()
            .into_iter()
            .map(|one| one.files(&base))
            .collect();
        let config = Self {
            station,
            http,
            agencies,
            document_anchors: anchors.map(|folder| base.join(folder)),
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgencySection {
    code: AgencyCode,
    dir: PathBuf,
    passphrase_file: Option<PathBuf>,
}

impl AgencySection {
    fn files(self, base: &Path) -> AgencyFiles {
        AgencyFiles {
            code: self.code,
            dir: base.join(self.dir),
            passphrase_file: self.passphrase_file.map(|path| base.join(path)),
        }
    }
}

const ANCHORS_EXAMPLE: &str = r#"document_anchors = "anchors""#;
const AGENCY_EXAMPLE: &str = "[[agency]]\ncode = \"H01.36.04\"\ndir = \"agencies/H01.36.04\"";
