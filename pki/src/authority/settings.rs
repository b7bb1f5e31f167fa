//! `authority/authority.toml`: the few settings of an authority that are not in its plan.
//!
//! Owns: their form and defaults; an unknown key stops the start. Must not know what they are used
//! for.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::folder;
use super::office::OfficeError;

/// `authority/authority.toml`; everything has a default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A file, or `postgres://user@host/database`; `authority.db` in the folder by default.
    pub database: Option<String>,
    /// File whose first line opens the encrypted keys of the authorities, as a ceremony makes them.
    pub passphrase_file: Option<PathBuf>,
    /// What the clock is compared with.
    #[serde(default)]
    pub clock: ClockSettings,
    /// Other authorities whose certificates agencies use.
    #[serde(default)]
    pub foreign: ForeignSettings,
}

/// `[foreign]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignSettings {
    /// Where their revocation lists are (`http://…`), beside what their certificates say.
    #[serde(default)]
    pub lists: Vec<String>,
}

/// `[clock]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSettings {
    /// Other time-stamp authorities (`http://…`) that are asked every few minutes. Without any, only a
    /// step of the machine's clock is noticed.
    #[serde(default)]
    pub references: Vec<String>,
    /// What tokens say of their accuracy, milliseconds; a clock that is further off stamps nothing.
    #[serde(default = "one_second")]
    pub accuracy_ms: u64,
}

impl Default for ClockSettings {
    fn default() -> Self {
        Self {
            references: Vec::new(),
            accuracy_ms: one_second(),
        }
    }
}

const fn one_second() -> u64 {
    1000
}

impl Settings {
    /// What opens the encrypted keys, if anything does.
    pub(super) fn passphrase(&self, dir: &Path) -> Result<Option<Zeroizing<String>>, OfficeError> {
        let Some(file) = &self.passphrase_file else {
            return Ok(None);
        };
        let file = dir.join("authority").join(file);
        let text = std::fs::read_to_string(&file).map(Zeroizing::new);
        let text = text.map_err(|source| folder::failed(&file, source))?;
        let first = text.lines().next().unwrap_or_default();
        Ok(Some(Zeroizing::new(first.to_owned())))
    }

    /// Reads the settings of a folder made by `init`.
    ///
    /// # Errors
    /// [`OfficeError::Settings`], [`OfficeError::File`].
    pub fn load(dir: &Path) -> Result<Self, OfficeError> {
        let file = dir.join("authority/authority.toml");
        match std::fs::read_to_string(&file) {
            Ok(text) => toml::from_str(&text).map_err(|error| OfficeError::Settings {
                file: file.display().to_string(),
                reason: error.to_string(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(folder::failed(&file, source)),
        }
    }
}
