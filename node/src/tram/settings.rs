//! Where the node is and with which key: settings file, then environment, then flags.

use std::path::PathBuf;

use serde::Deserialize;

use super::Failure;
use crate::screen::words::Lang;

/// What `main` read from the environment.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `XDG_CONFIG_HOME`
    pub config_home: Option<String>,
    /// `HOME`
    pub home: Option<String>,
    /// `TRAM_KEY`
    pub key: Option<String>,
    /// `LC_ALL`, `LC_MESSAGES` or `LANG`
    pub locale: Option<String>,
    /// `TRAM_URL`
    pub url: Option<String>,
}

impl Environment {
    /// The language of the locale, if it is one of ours.
    pub(crate) fn lang(&self) -> Option<Lang> {
        match self.locale.as_deref() {
            None => None,
            // The locale of bare machines says nothing about the reader; English is what tools speak.
            Some(locale) if locale == "C" || locale == "POSIX" || locale.starts_with("C.") => {
                Some(Lang::En)
            }
            Some(locale) => Some(Lang::parse(locale).unwrap_or(Lang::En)),
        }
    }

    fn file(&self) -> Option<PathBuf> {
        let config = self.config_home.as_ref().map(PathBuf::from);
        let config = config.or_else(|| {
            self.home
                .as_ref()
                .map(|home| PathBuf::from(home).join(".config"))
        });
        config.map(|config| config.join("tram").join("config.toml"))
    }
}

/// The settings file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    key: Option<String>,
    lang: Option<String>,
    url: Option<String>,
}

/// What is in force.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The settings file, for messages.
    pub(crate) file: String,
    pub(crate) key: Option<String>,
    pub(crate) lang: Option<Lang>,
    pub(crate) url: Option<String>,
}

impl Settings {
    pub(crate) fn read(
        environment: &Environment,
        url: Option<String>,
        key: Option<String>,
        lang: Lang,
    ) -> Result<Self, Failure> {
        let path = environment.file();
        let file = path.as_ref().map_or_else(
            || "~/.config/tram/config.toml".to_owned(),
            |path| path.display().to_string(),
        );
        let stored = match path.as_ref().map(std::fs::read_to_string) {
            Some(Ok(text)) => toml::from_str::<Stored>(&text).map_err(|error| {
                let why = error.message();
                Failure::Usage(lang.pick(
                    &format!("{file} không đọc được: {why}; sửa hoặc xóa tệp này"),
                    &format!("{file} cannot be read: {why}; correct or remove it"),
                ))
            })?,
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::File {
                    path: file,
                    source: error,
                });
            }
            Some(Err(_)) | None => Stored::default(),
        };
        Ok(Self {
            file,
            key: key.or_else(|| environment.key.clone()).or(stored.key),
            lang: stored.lang.as_deref().and_then(Lang::parse),
            url: url.or_else(|| environment.url.clone()).or(stored.url),
        })
    }
}
