//! What a witness needs: its folder (key, name, memory), an address, and which logs it knows: by their keys, or by
//! the station records of a network. Read from one TOML file; the folder is made by [`init`] once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use formats::witness::{KeyKind, VerifierKey};
use pki::key::{KeyError, LogKey};
use pki::record::{PinError, TrustPin};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::book::{Book, BookError};
use super::{Logs, Witness};
use crate::clock::Clock;
use crate::config::{ConfigError, optional, read_table, refuse_rest, required};
use crate::directory::{Directory, DirectoryError};

/// Why a witness is not made, or does not start (operator).
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key file.
    #[error(transparent)]
    KeyFile(#[from] KeyError),
    /// The memory.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The records.
    #[error("records")]
    Directory(#[from] DirectoryError),
    /// The pinned signers of the trust list.
    #[error("`trust.list_key`")]
    Pin(#[from] PinError),
    /// Not the key of a log of this network's form.
    #[error("{0} is not the key of a log named STATION/log/EPOCH")]
    Key(String),
    /// A name that a note cannot carry.
    #[error("{0:?} is no name for a witness: no spaces and no plus, e.g. witness.example/w1")]
    Name(String),
    /// A file of the folder.
    #[error("{path}: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
}

/// Settings of a witness.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder made by [`init`].
    pub dir: PathBuf,
    /// HTTP address; put TLS in front of it with a proxy.
    pub listen: SocketAddr,
    /// Logs known by their keys.
    pub logs: Vec<VerifierKey>,
    /// Folder of records, and the pinned signers of its trust list: every station in it is known.
    pub records: Option<(PathBuf, PathBuf)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trust {
    list_key: PathBuf,
}

impl Settings {
    /// Reads the file; paths count from its folder.
    ///
    /// # Errors
    /// [`ConfigError`] with the fix.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (mut table, base) = read_table(path)?;
        let dir: PathBuf = required(&mut table, "dir", r#"dir = "witness""#)?;
        let listen = required(&mut table, "listen", r#"listen = "127.0.0.1:4401""#)?;
        let logs: Option<Vec<String>> = optional(&mut table, "logs", "logs = [\"VKEY\"]")?;
        let logs = logs.unwrap_or_default().into_iter().map(|text| {
            let bad = |error: formats::witness::WitnessError| ConfigError::Value {
                key: "logs",
                why: error.to_string(),
                example: "logs = [\"relay-1.tram.test/log/1+7d2c…+AR…\"]",
            };
            text.parse::<VerifierKey>().map_err(bad)
        });
        let logs: Vec<VerifierKey> = logs.collect::<Result<_, _>>()?;
        let records: Option<PathBuf> = optional(&mut table, "records", r#"records = "records""#)?;
        let example = "[trust]\nlist_key = \"trust-list.crt\"";
        let trust: Option<Trust> = optional(&mut table, "trust", example)?;
        refuse_rest(&table)?;
        let records = match (records, trust) {
            (Some(records), Some(trust)) => Some((base.join(records), base.join(trust.list_key))),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(ConfigError::Missing {
                    key: "records and trust.list_key together",
                    example: "records = \"records\"\n[trust]\nlist_key = \"trust-list.crt\"",
                });
            }
        };
        if records.is_none() && logs.is_empty() {
            return Err(ConfigError::Missing {
                key: "logs or records",
                example: "records = \"records\"\n[trust]\nlist_key = \"trust-list.crt\"",
            });
        }
        Ok(Self {
            dir: base.join(dir),
            listen,
            logs,
            records,
        })
    }
}

/// Makes the folder of a new witness: key, name, empty memory. Nothing is ever overwritten.
///
/// # Errors
/// [`WitnessError`].
pub async fn init(dir: &Path, name: &str) -> Result<VerifierKey, WitnessError> {
    let key = LogKey::generate()?;
    let public = VerifierKey::new(name, KeyKind::Witness, key.public())
        .map_err(|_| WitnessError::Name(name.to_owned()))?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| WitnessError::File {
            path,
            why: error.to_string(),
        }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    key.save(&dir.join(KEY_FILE), None)?;
    let book = Book::open(&dir.join(BOOK_FILE), true).await?;
    drop(book);
    let file = dir.join(NAME_FILE);
    std::fs::write(&file, format!("{public}\n")).map_err(failed(&file))?;
    Ok(public)
}

/// Opens a witness; also gives the directory to be looked at from time to time, if there is one.
///
/// # Errors
/// [`WitnessError`]; a folder without its memory is refused.
pub async fn open(
    settings: &Settings,
    clock: Clock,
) -> Result<(Witness, Option<Directory>), WitnessError> {
    let key = LogKey::load(&settings.dir.join(KEY_FILE), None)?;
    let file = settings.dir.join(NAME_FILE);
    let refuse = |why: &str| WitnessError::File {
        path: file.clone(),
        why: why.to_owned(),
    };
    let text = std::fs::read_to_string(&file).map_err(|error| refuse(&error.to_string()))?;
    let name: VerifierKey = text
        .trim_end()
        .parse()
        .map_err(|_| refuse("holds no verifier key; `tram-relay witness init` writes it"))?;
    if *name.key() != key.public() {
        return Err(refuse("is not the name of the key beside it"));
    }
    let path = settings.dir.join(BOOK_FILE);
    if !path.exists() {
        return Err(WitnessError::File {
            path,
            why: "is not here: a witness without its memory must be retired; make a new one with \
                  `tram-relay witness init`"
                .to_owned(),
        });
    }
    let mut book = Book::open(&path, false).await?;
    let lost = book.is_lost().await?;
    if lost {
        tracing::error!(code = "TRAM-381", "{}", super::LOST);
    }
    let directory = match &settings.records {
        Some((records, pin)) => {
            let pin = TrustPin::load(pin)?;
            let (records, now) = (records.clone(), clock.now());
            Some(Directory::open(records, pin, now)?)
        }
        None => None,
    };
    let logs = Logs::new(&settings.logs, directory.clone())?;
    let witness = Witness {
        name,
        key,
        logs,
        book: Mutex::new(book),
        clock,
        lost: AtomicBool::new(lost),
    };
    Ok((witness, directory))
}

const KEY_FILE: &str = "witness.key";
const NAME_FILE: &str = "witness.vkey";
const BOOK_FILE: &str = "witness.db";
