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
use formats::time::Timestamp;
use pki::cert::CertError;
use pki::ers::{Ends, Hash};
use pki::pdf::Anchors;
use relay::config::{ConfigError, StationConfig, optional, read_table, refuse_rest, required};

pub use crate::archive::ArchiveSettings;

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
    /// Proof packages are archived here; `None`: they are not.
    pub archive: Option<ArchiveSettings>,
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
        let archive: Option<ArchiveSection> = optional(&mut table, "archive", ARCHIVE_EXAMPLE)?;
        let retention: Option<Retention> = optional(&mut table, "retention", RETENTION_EXAMPLE)?;
        refuse_rest(&table)?;
        let archive = archive.map(|section| section.settings(&base)).transpose();
        let archive = archive.map_err(|why| ConfigError::Value {
            key: "archive",
            why,
            example: ARCHIVE_EXAMPLE,
        })?;
        if archive.is_some() && station.time_stamp_urls.is_empty() {
            return Err(ConfigError::Impossible(
                "`archive` is set and no time-stamp authority; add `[time_stamp] url`",
            ));
        }
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
            archive,
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

/// `archive = "final"`, or a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum ArchiveSection {
    Word(String),
    Table(ArchiveTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchiveTable {
    when: String,
    days: Option<u32>,
    margin_days: Option<u32>,
    hash: Option<String>,
    anchors: Option<PathBuf>,
    #[serde(default)]
    ends: std::collections::BTreeMap<String, String>,
}

impl ArchiveSection {
    fn settings(self, base: &Path) -> Result<ArchiveSettings, String> {
        let table = match self {
            Self::Table(table) => table,
            Self::Word(when) => ArchiveTable {
                when,
                days: None,
                margin_days: None,
                hash: None,
                anchors: None,
                ends: std::collections::BTreeMap::new(),
            },
        };
        if table.when != "final" {
            return Err(format!(
                "`when` is {:?}; only \"final\" is known",
                table.when
            ));
        }
        let name = table.hash.unwrap_or_else(|| "sha256".to_owned());
        let hash = Hash::named(&name).filter(|hash| hash.for_request().is_some());
        let hash =
            hash.ok_or_else(|| format!("`hash` {name} is none of sha256, sha384, sha512"))?;
        let mut ends = Ends::built_in();
        for (name, day) in table.ends {
            let end = Timestamp::parse_rfc3339(&format!("{day}T00:00:00.000Z"));
            let end = end.map_err(|error| format!("`ends.{name}`: {error}"))?;
            ends = ends.with(&name, end).map_err(|error| error.to_string())?;
        }
        let anchors = match table.anchors {
            None => Anchors::default(),
            Some(folder) => Anchors::load(&base.join(folder)).map_err(|error| error.to_string())?,
        };
        Ok(ArchiveSettings {
            days: table.days.unwrap_or(ARCHIVE_DAYS),
            margin_days: table.margin_days.unwrap_or(ARCHIVE_MARGIN_DAYS),
            hash,
            ends,
            anchors,
        })
    }
}

/// A week more than the sealed body is kept: late receipts have come by then.
const ARCHIVE_DAYS: u32 = 14;
/// A quarter of a year for an operator to mend what is in the way.
const ARCHIVE_MARGIN_DAYS: u32 = 90;
const ARCHIVE_EXAMPLE: &str = "[archive]\nwhen = \"final\"\ndays = 14";
const RETENTION_EXAMPLE: &str = "[retention]\ndocument_years = 0\nstatus_years = 10";
const DAYS_EXAMPLE: &str = "working_days = \"working-days.txt\"";
const ANCHORS_EXAMPLE: &str = r#"document_anchors = "anchors""#;
const AGENCY_EXAMPLE: &str = "[[agency]]\ncode = \"H01.36.04\"\ndir = \"agencies/H01.36.04\"";

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<ArchiveSettings, String> {
        let mut table: toml::Table = text.parse().unwrap();
        let section = optional::<ArchiveSection>(&mut table, "archive", ARCHIVE_EXAMPLE);
        let section = section.map_err(|error| error.to_string())?;
        section.unwrap().settings(Path::new("."))
    }

    #[test]
    fn the_archive_is_a_word_or_a_table_and_mistakes_are_named() {
        let word = settings("archive = \"final\"").unwrap();
        assert_eq!(
            (word.days, word.margin_days, word.hash),
            (14, 90, Hash::Sha256)
        );
        let table = "[archive]\nwhen = \"final\"\ndays = 3\nmargin_days = 200\nhash = \"sha512\"\n\
                     [archive.ends]\nsha256 = \"2031-01-01\"";
        let table = settings(table).unwrap();
        assert_eq!(
            (table.days, table.margin_days, table.hash),
            (3, 200, Hash::Sha512)
        );
        let end = Timestamp::parse_rfc3339("2031-01-01T00:00:00.000Z").unwrap();
        assert_eq!(table.ends.of_hash(Hash::Sha256), Some(end));
        for (text, words) in [
            ("archive = \"always\"", "only \"final\""),
            (
                "[archive]\nwhen = \"final\"\nhash = \"md5\"",
                "md5 is none of",
            ),
            (
                "[archive]\nwhen = \"final\"\nhash = \"sha3-256\"",
                "sha3-256 is none of",
            ),
            (
                "[archive]\nwhen = \"final\"\n[archive.ends]\nrot13 = \"2031-01-01\"",
                "rot13",
            ),
            (
                "[archive]\nwhen = \"final\"\n[archive.ends]\nsha256 = \"soon\"",
                "ends.sha256",
            ),
            (
                "[archive]\nwhen = \"final\"\nanchors = \"nowhere-at-all\"",
                "nowhere-at-all",
            ),
            ("[archive]\ndays = 3", "archive"),
        ] {
            let error = settings(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
