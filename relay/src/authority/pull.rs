//! Pull: what the authority publishes into the records folder, by long polls, so that a new
//! revocation list is here within seconds.
//!
//! Owns: the place in the authority's sequence and the names that came this way (both survive a
//! restart), and which file may replace which: nothing published makes the station know less than it
//! does. A list of revoked certificates is replaced by a later one of the same issuer only, a record
//! by a later one about the same subject that verifies; revocation lists and the trust list are never
//! taken away, and other files only if they came this way. What does not hold is left out, named,
//! and never stops the rest. Fails by trying again. Must not know: what the directory makes of it.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use formats::id::Digest;
use formats::limits;
use formats::record::Record;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::chain::Validator;
use pki::enrol::{self, PublishedFile};
use pki::revoke::Crl;
use serde::{Deserialize, Serialize};

use super::client::{Client, ClientError};
use super::put;
use crate::directory::Refused;

/// Why a round of pulling did not come to its end; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The authority.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The disk (environment).
    #[error("{0}")]
    Disk(String),
    /// Files did not have the announced bytes (the authority, or they were just replaced).
    #[error("{0} published files do not have the announced bytes")]
    Mismatch(usize),
}

/// Judges what comes and whether there is room for it.
#[derive(Clone)]
pub struct Guard {
    /// Whom the station believes; nothing before its first records.
    pub validator: Option<Validator>,
    /// Whether so many bytes may be written.
    pub room: Arc<dyn Fn(u64) -> bool + Send + Sync>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

/// What a round did.
#[derive(Debug, Default)]
pub struct Round {
    /// Files written or removed.
    pub changed: usize,
    /// Files that were left out, and why.
    pub refused: Vec<Refused>,
    /// More is waiting: ask again at once.
    pub more: bool,
}

/// The place in the authority's sequence.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Place {
    authority: String,
    sequence: u64,
    last_success: Option<i64>,
}

/// Pulls into one folder.
#[derive(Debug)]
pub struct Puller {
    folder: PathBuf,
    data: PathBuf,
    place: Place,
    saved: Option<i64>,
    came: BTreeSet<String>,
    /// Rounds in a row in which files had other bytes than announced.
    mismatched: u32,
}

/// What becomes of one published file.
enum Fate {
    Changed,
    Mismatch,
    Refused(String),
    Same,
}

impl Puller {
    /// Goes on where the last process stopped; another authority begins from the start.
    ///
    /// # Errors
    /// [`PullError::Disk`].
    pub fn open(folder: &Path, data: &Path, client: &Client) -> Result<Self, PullError> {
        let disk = |error: std::io::Error| PullError::Disk(error.to_string());
        std::fs::create_dir_all(folder).map_err(disk)?;
        std::fs::create_dir_all(data).map_err(disk)?;
        let authority = client.endpoint().to_string();
        // A place that cannot be read costs a comparison of everything, nothing else.
        let known: Option<Place> = std::fs::read(data.join(PLACE_FILE))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        let place = known
            .filter(|known| known.authority == authority)
            .unwrap_or_else(|| Place {
                authority,
                ..Place::default()
            });
        let mut came = BTreeSet::new();
        let names = std::fs::read_to_string(data.join(NAMES_FILE)).unwrap_or_default();
        for line in names.lines() {
            match (line.get(..1), line.get(1..)) {
                (Some("+"), Some(name)) if enrol::is_file_name(name) => {
                    came.insert(name.to_owned());
                }
                (Some("-"), Some(name)) => {
                    came.remove(name);
                }
                _ => {}
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            data: data.to_owned(),
            saved: place.last_success,
            place,
            came,
            mismatched: 0,
        })
    }

    /// When the authority was last heard.
    #[must_use]
    pub fn last_success(&self) -> Option<Timestamp> {
        self.place.last_success.map(Timestamp::from_unix_ms)
    }

    /// The sequence that is here.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.place.sequence
    }

    /// One question and what it brings. The place moves on only when every file of the answer is
    /// here or was refused for good, so a crash repeats and never skips.
    pub async fn round(
        &mut self,
        client: &Client,
        guard: &Guard,
        wait_s: u64,
    ) -> Result<Round, PullError> {
        let list = client.published(self.place.sequence, wait_s).await?;
        if list.sequence < self.place.sequence {
            // It was restored from a backup: everything is compared anew.
            self.place.sequence = 0;
            return Ok(Round {
                more: true,
                ..Round::default()
            });
        }
        let mut round = Round {
            more: list.more && list.sequence > self.place.sequence,
            ..Round::default()
        };
        let mut mismatched = 0;
        for file in &list.files {
            match self.take(client, guard, file).await? {
                Fate::Changed => round.changed += 1,
                Fate::Mismatch => mismatched += 1,
                Fate::Same => {}
                Fate::Refused(reason) => round.refused.push(Refused {
                    file: file
                        .name
                        .chars()
                        .filter(|one| !one.is_control())
                        .take(80)
                        .collect(),
                    reason,
                }),
            }
        }
        if mismatched > 0 && self.mismatched < MISMATCHES_MAX {
            // Most likely they were replaced between question and answer.
            self.mismatched += 1;
            return Err(PullError::Mismatch(mismatched));
        }
        self.mismatched = 0;
        self.arrived(list.sequence, client.now(), round.changed > 0)?;
        Ok(round)
    }

    /// A file that the authority has just taken from us.
    pub fn own(&mut self, name: &str, bytes: &[u8]) -> Result<(), PullError> {
        if !enrol::is_file_name(name) {
            return Err(PullError::Disk(format!("{name:?} is no name of a file")));
        }
        self.note('+', name)?;
        put(&self.folder.join(name), bytes).map_err(PullError::Disk)
    }

    fn arrived(&mut self, sequence: u64, now: Timestamp, changed: bool) -> Result<(), PullError> {
        let moved = changed || sequence != self.place.sequence;
        self.place.sequence = sequence;
        self.place.last_success = Some(now.unix_ms());
        let old = self.saved.unwrap_or(0);
        if moved || now.unix_ms().saturating_sub(old) > SAVE_MS {
            let text = serde_json::to_vec(&self.place).unwrap_or_default();
            put(&self.data.join(PLACE_FILE), &text).map_err(PullError::Disk)?;
            self.saved = self.place.last_success;
        }
        Ok(())
    }

    async fn take(
        &mut self,
        client: &Client,
        guard: &Guard,
        file: &PublishedFile,
    ) -> Result<Fate, PullError> {
        if !enrol::is_file_name(&file.name) {
            return Ok(Fate::Refused("is no name of a file".to_owned()));
        }
        let Some(sha256) = file.sha256 else {
            return self.remove(&file.name);
        };
        let most = bytes_max(&file.name);
        let bytes = usize::try_from(file.bytes).unwrap_or(usize::MAX);
        if bytes > most {
            let reason = format!("{} bytes, at most {most} are taken", file.bytes);
            return Ok(Fate::Refused(reason));
        }
        let path = self.folder.join(&file.name);
        if digest_of(path.clone()).await == Some(sha256) {
            self.note('+', &file.name)?;
            return Ok(Fate::Same);
        }
        if self.came.len() >= NAMES_MAX && !self.came.contains(&file.name) {
            return Ok(Fate::Refused("too many files".to_owned()));
        }
        if !(guard.room)(file.bytes) {
            return Err(PullError::Disk("no room for published files".to_owned()));
        }
        let content = match client.file(&file.name, bytes).await {
            Ok(content) => content,
            // Longer than announced.
            Err(ClientError::Answer { .. }) => return Ok(Fate::Mismatch),
            // Taken back meanwhile: the list will say so.
            Err(ClientError::Refused(problem)) if problem.status == 404 => {
                return Ok(Fate::Mismatch);
            }
            Err(error) => return Err(error.into()),
        };
        if content.len() != bytes || Digest::of(&content) != sha256 {
            return Ok(Fate::Mismatch);
        }
        let (judged, content) = judged(path.clone(), content, guard.validator.clone()).await;
        if let Err(reason) = judged {
            return Ok(Fate::Refused(reason));
        }
        self.note('+', &file.name)?;
        put(&path, &content).map_err(PullError::Disk)?;
        Ok(Fate::Changed)
    }

    fn remove(&mut self, name: &str) -> Result<Fate, PullError> {
        if !self.came.contains(name) {
            return Ok(Fate::Same);
        }
        let path = self.folder.join(name);
        if name.ends_with(".crl") || is_trust_list(&path) {
            return Ok(Fate::Refused(
                "revocation lists and trust lists are not taken away".to_owned(),
            ));
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(PullError::Disk(error.to_string()));
            }
            _ => {}
        }
        self.note('-', name)?;
        Ok(Fate::Changed)
    }

    /// Writes down before the file is written: a name too many is harmless, one too few is a file
    /// that nobody may take away.
    fn note(&mut self, sign: char, name: &str) -> Result<(), PullError> {
        let news = match sign {
            '+' => self.came.insert(name.to_owned()),
            _ => self.came.remove(name),
        };
        if !news {
            return Ok(());
        }
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.data.join(NAMES_FILE))
            .and_then(|mut file| file.write_all(format!("{sign}{name}\n").as_bytes()))
            .map_err(|error| PullError::Disk(error.to_string()))
    }
}

async fn digest_of(path: PathBuf) -> Option<Digest> {
    let read = tokio::task::spawn_blocking(move || std::fs::read(path).ok());
    read.await.ok()?.map(|bytes| Digest::of(&bytes))
}

async fn judged(
    path: PathBuf,
    content: Bytes,
    validator: Option<Validator>,
) -> (Result<(), String>, Bytes) {
    let copy = content.clone();
    let judging = tokio::task::spawn_blocking(move || {
        let old = std::fs::read(&path).ok();
        judge(&path, &copy, old.as_deref(), validator.as_ref())
    });
    match judging.await {
        Ok(verdict) => (verdict, content),
        Err(error) => (Err(error.to_string()), content),
    }
}

/// Whether a file may lie in the folder, or replace the one that does.
fn judge(
    path: &Path,
    new: &[u8],
    old: Option<&[u8]>,
    validator: Option<&Validator>,
) -> Result<(), String> {
    match path.extension().and_then(|end| end.to_str()) {
        Some("crl") => judge_crl(new, old, validator),
        Some("crt") => judge_certificates(new),
        _ => judge_record(new, old, validator),
    }
}

fn judge_certificates(new: &[u8]) -> Result<(), String> {
    let count = if new.starts_with(DER_SEQUENCE) {
        Certificate::parse(new).map(|_| 1)
    } else {
        Certificate::all_from_pem(new).map(|all| all.len())
    };
    match count.map_err(|error| error.to_string())? {
        0 => Err("no certificate in it".to_owned()),
        _ => Ok(()),
    }
}

fn judge_crl(new: &[u8], old: Option<&[u8]>, validator: Option<&Validator>) -> Result<(), String> {
    let new = Crl::parse(new).map_err(|error| error.to_string())?;
    let number = new.rank().ok_or("a revocation list without a number")?;
    let Some(old) = old.and_then(|old| Crl::parse(old).ok()) else {
        return Ok(());
    };
    if new.issuer() != old.issuer() {
        return Err(format!(
            "is a list of {}, not of {}",
            new.issuer(),
            old.issuer()
        ));
    }
    if let Some(validator) = validator
        && !validator.authorities().any(|one| new.verify(one).is_ok())
    {
        return Err("is signed by no authority that is known here".to_owned());
    }
    match old.rank() {
        Some(held) if number < held => Err("is older than the list that is here".to_owned()),
        _ => Ok(()),
    }
}

fn judge_record(
    new: &[u8],
    old: Option<&[u8]>,
    validator: Option<&Validator>,
) -> Result<(), String> {
    let words = |error: pki::record::RecordError| error.to_string();
    let record = pki::record::open(new).map_err(words)?.record;
    let Some(old) = old.and_then(|old| pki::record::open(old).ok()) else {
        return Ok(());
    };
    if record.subject() != old.record.subject() {
        return Err("is about another subject than the record that is here".to_owned());
    }
    if record.sequence() < old.record.sequence() {
        return Err("is older than the record that is here".to_owned());
    }
    match validator {
        Some(validator) => pki::record::verify(new, validator, record.issued())
            .map(drop)
            .map_err(words),
        None => Ok(()),
    }
}

fn is_trust_list(path: &Path) -> bool {
    std::fs::read(path)
        .ok()
        .and_then(|bytes| pki::record::open(&bytes).ok())
        .is_some_and(|opened| matches!(opened.record, Record::TrustList(_)))
}

fn bytes_max(name: &str) -> usize {
    match name.rsplit_once('.') {
        Some((_, "crl")) => CRL_BYTES_MAX,
        Some((_, "crt")) => CERTIFICATES_BYTES_MAX,
        _ => limits::RECORD_BYTES_MAX + limits::SIGNATURE_BYTES_MAX,
    }
}

/// First byte of every DER certificate.
const DER_SEQUENCE: &[u8] = &[0x30];
/// The list of a country's authority after a bad year: a million entries.
const CRL_BYTES_MAX: usize = 64 << 20;
/// A chain in PEM.
const CERTIFICATES_BYTES_MAX: usize = 256 << 10;
/// Files that may come this way: three for each of 200,000 agencies, and room.
const NAMES_MAX: usize = 1_000_000;
/// After so many rounds the others are not held up any longer by files that never fit.
const MISMATCHES_MAX: u32 = 5;
/// The time of the last answer is written down this often when nothing else is.
const SAVE_MS: i64 = 60_000;
/// In the data folder.
const PLACE_FILE: &str = "authority-place.json";
/// In the data folder: one name a line.
const NAMES_FILE: &str = "authority-files.log";

#[cfg(test)]
mod tests;
