//! The authority's ledger: an append-only file that knows every certificate before it exists.
//!
//! Owns: one text file, one JSON object a line, each line naming the SHA-256 of the line before
//! it. Lines are durable (fsync) before the act that they announce. The file is locked while
//! open, so two commands cannot interleave. A torn last line (no newline) was never acknowledged
//! and is cut off at the next opening; any other damage is an error and nothing is issued. Fails
//! with [`LedgerError`]. Must not know: keys, where certificates lie.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use formats::id::Digest;
use formats::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use x509_cert::ext::pkix::CrlReason;

use crate::cert::Certificate;
use crate::issue::{CrlEntry, Planned, Prepared};
use crate::role::Role;

/// Why the ledger cannot be used.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The chain of hashes is broken or a line does not parse.
    #[error("ledger {file}, line {line}: {reason}")]
    Damaged {
        /// Path of the ledger.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The file cannot be read or written.
    #[error("ledger {file}")]
    File {
        /// Path of the ledger.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another command holds it.
    #[error("ledger {0} is in use by another command; wait for it or stop it")]
    Locked(String),
    /// No such certificate.
    #[error("no certificate with serial {0} was issued here; see `tram-pki list`")]
    UnknownSerial(String),
}

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    seq: u64,
    prev: String,
    time: String,
    #[serde(flatten)]
    event: Event,
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Planned {
        serial: String,
        issuer: String,
        role: String,
        name: String,
        not_after: String,
        /// SHA-256 of the profiles that it was linted against; absent in ledgers of old.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        profiles: Option<String>,
    },
    Issued {
        serial: String,
        sha256: String,
    },
    Revoked {
        serial: String,
        reason: String,
        at: String,
    },
    CrlPublished {
        issuer: String,
        number: u64,
    },
}

/// What the ledger knows about one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Serial number in lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of the issuer's certificate; `self` for a root.
    pub issuer: String,
    /// The role.
    pub role: Role,
    /// Whom or what it names.
    pub name: String,
    /// End of validity.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate, once it was signed.
    pub sha256: Option<Digest>,
    /// Since when and why it is revoked.
    pub revoked: Option<(Timestamp, CrlReason)>,
}

/// The open, locked ledger.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    next: u64,
    head: Digest,
    entries: BTreeMap<String, Entry>,
    order: Vec<String>,
    crl_numbers: BTreeMap<String, u64>,
}

impl Ledger {
    /// Opens or creates the ledger, checks every line and locks the file.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::File {
            file: path.display().to_string(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => LedgerError::Locked(path.display().to_string()),
            TryLockError::Error(source) => failed(source),
        })?;
        let mut ledger = Self {
            path: path.to_path_buf(),
            file,
            next: 1,
            head: Digest::of(b"tram-ledger-1"),
            entries: BTreeMap::new(),
            order: Vec::new(),
            crl_numbers: BTreeMap::new(),
        };
        ledger.replay().map_err(|error| match error {
            Replay::Io(source) => failed(source),
            Replay::Damaged(line, reason) => LedgerError::Damaged {
                file: path.display().to_string(),
                line,
                reason,
            },
        })?;
        Ok(ledger)
    }

    fn replay(&mut self) -> Result<(), Replay> {
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |at| at.saturating_add(1));
        if whole < text.len() {
            self.file
                .set_len(u64::try_from(whole).unwrap_or(u64::MAX))?;
            self.file.sync_all()?;
        }
        for (index, line) in text.get(..whole).unwrap_or_default().lines().enumerate() {
            let number = index.saturating_add(1);
            let damaged = |reason| Replay::Damaged(number, reason);
            let parsed: Line =
                serde_json::from_str(line).map_err(|_| damaged("not a ledger line"))?;
            // One text for each line: nothing can hide in unknown or repeated keys.
            if serde_json::to_string(&parsed).ok().as_deref() != Some(line) {
                return Err(damaged("not in its canonical text form"));
            }
            if parsed.seq != self.next || parsed.prev != self.head.to_string() {
                return Err(damaged("does not follow the line before it"));
            }
            self.apply(&parsed.event)
                .ok_or_else(|| damaged("does not fit what came before"))?;
            self.head = Digest::of(line.as_bytes());
            self.next = self.next.saturating_add(1);
        }
        Ok(())
    }

    fn apply(&mut self, event: &Event) -> Option<()> {
        match event {
            Event::Planned {
                serial,
                issuer,
                role,
                name,
                not_after,
                profiles: _,
            } => {
                let entry = Entry {
                    serial: serial.clone(),
                    issuer: issuer.clone(),
                    role: role.parse().ok()?,
                    name: name.clone(),
                    not_after: Timestamp::parse_rfc3339(not_after).ok()?,
                    sha256: None,
                    revoked: None,
                };
                if self.entries.insert(serial.clone(), entry).is_some() {
                    return None;
                }
                self.order.push(serial.clone());
            }
            Event::Issued { serial, sha256 } => {
                self.entries.get_mut(serial)?.sha256 = Some(sha256.parse().ok()?);
            }
            Event::Revoked { serial, reason, at } => {
                let revoked = (Timestamp::parse_rfc3339(at).ok()?, reason_from(reason)?);
                self.entries.get_mut(serial)?.revoked = Some(revoked);
            }
            Event::CrlPublished { issuer, number } => {
                let known = self.crl_numbers.entry(issuer.clone()).or_insert(0);
                if *number <= *known {
                    return None;
                }
                *known = *number;
            }
        }
        Some(())
    }

    /// Writes events durably, all or none acknowledged.
    fn append(&mut self, events: Vec<Event>, now: Timestamp) -> Result<(), LedgerError> {
        let mut text = String::new();
        let (mut next, mut head) = (self.next, self.head);
        for event in &events {
            let line = Line {
                seq: next,
                prev: head.to_string(),
                time: now.rfc3339(),
                event: event.clone(),
            };
            let line = serde_json::to_string(&line)
                .map_err(|error| self.failed(std::io::Error::other(error)))?;
            head = Digest::of(line.as_bytes());
            next = next.saturating_add(1);
            text.push_str(&line);
            text.push('\n');
        }
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|source| self.failed(source))?;
        self.next = next;
        self.head = head;
        for event in &events {
            // Built by this module from what it holds; replay checks the same rules again.
            let _fits = self.apply(event);
        }
        Ok(())
    }

    fn failed(&self, source: std::io::Error) -> LedgerError {
        LedgerError::File {
            file: self.path.display().to_string(),
            source,
        }
    }

    /// Makes the plans durable; only then can the certificates be signed.
    ///
    /// # Errors
    /// [`LedgerError::File`]; nothing may then be signed.
    pub fn plan(
        &mut self,
        prepared: Vec<Prepared>,
        now: Timestamp,
    ) -> Result<Vec<Planned>, LedgerError> {
        let events = prepared.iter().map(|one| {
            let template = one.template();
            let name = template
                .party
                .as_ref()
                .map_or_else(|| template.common_name.clone(), ToString::to_string);
            Event::Planned {
                serial: one.serial_hex(),
                issuer: one
                    .issuer_sha256()
                    .map_or_else(|| "self".to_owned(), |id| id.to_string()),
                role: template.role.to_string(),
                name,
                not_after: template.not_after.rfc3339(),
                profiles: Some(one.profiles_sha256().to_string()),
            }
        });
        self.append(events.collect(), now)?;
        Ok(prepared.into_iter().map(Prepared::recorded).collect())
    }

    /// Notes that certificates were signed.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub fn issued(&mut self, certs: &[Certificate], now: Timestamp) -> Result<(), LedgerError> {
        let events = certs.iter().map(|cert| Event::Issued {
            serial: cert.serial_hex(),
            sha256: cert.sha256().to_string(),
        });
        self.append(events.collect(), now)
    }

    /// Notes a revocation; it reaches others with the next list.
    ///
    /// # Errors
    /// [`LedgerError::UnknownSerial`], [`LedgerError::File`].
    pub fn revoke(
        &mut self,
        serial: &str,
        reason: CrlReason,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if !self.entries.contains_key(serial) {
            return Err(LedgerError::UnknownSerial(serial.to_owned()));
        }
        let event = Event::Revoked {
            serial: serial.to_owned(),
            reason: reason_word(reason).to_owned(),
            at: now.floor_s().rfc3339(),
        };
        self.append(vec![event], now)
    }

    /// Reserves the next number of an authority's list, durably.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub fn next_crl(
        &mut self,
        issuer: &Certificate,
        now: Timestamp,
    ) -> Result<(u64, Vec<CrlEntry>), LedgerError> {
        let id = issuer.sha256().to_string();
        let number = self
            .crl_numbers
            .get(&id)
            .copied()
            .unwrap_or(0)
            .saturating_add(1);
        self.append(
            vec![Event::CrlPublished {
                issuer: id.clone(),
                number,
            }],
            now,
        )?;
        let own = self.entries.values().filter(|entry| {
            entry.issuer == id || (entry.issuer == "self" && entry.sha256 == Some(issuer.sha256()))
        });
        let entries = own.filter_map(|entry| {
            let (at, reason) = entry.revoked?;
            Some(CrlEntry {
                serial: unhex(&entry.serial)?,
                at,
                reason,
            })
        });
        Ok((number, entries.collect()))
    }

    /// Everything that was planned, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.order
            .iter()
            .filter_map(|serial| self.entries.get(serial))
    }

    /// The number of each authority's last list, by the SHA-256 of its certificate.
    pub fn crl_numbers(&self) -> impl Iterator<Item = (&str, u64)> {
        self.crl_numbers
            .iter()
            .map(|(issuer, number)| (issuer.as_str(), *number))
    }

    /// One entry.
    #[must_use]
    pub fn entry(&self, serial: &str) -> Option<&Entry> {
        self.entries.get(serial)
    }

    /// Number of lines and the hash of the last: what to note elsewhere to notice a cut tail.
    #[must_use]
    pub fn head(&self) -> (u64, Digest) {
        (self.next.saturating_sub(1), self.head)
    }
}

enum Replay {
    Io(std::io::Error),
    Damaged(usize, &'static str),
}

impl From<std::io::Error> for Replay {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// The word of a revocation reason on the command line and in the ledger.
#[must_use]
pub fn reason_word(reason: CrlReason) -> &'static str {
    REASONS
        .iter()
        .find(|(known, _)| *known == reason)
        .map_or("unspecified", |(_, word)| word)
}

/// The reason for a word.
#[must_use]
pub fn reason_from(word: &str) -> Option<CrlReason> {
    REASONS
        .iter()
        .find(|(_, known)| *known == word)
        .map(|(reason, _)| *reason)
}

/// Reasons that can be given; removal and holds are for delta lists and are not offered.
pub const REASONS: [(CrlReason, &str); 8] = [
    (CrlReason::AaCompromise, "aa-compromise"),
    (CrlReason::AffiliationChanged, "affiliation-changed"),
    (CrlReason::CaCompromise, "ca-compromise"),
    (CrlReason::CessationOfOperation, "cessation-of-operation"),
    (CrlReason::KeyCompromise, "key-compromise"),
    (CrlReason::PrivilegeWithdrawn, "privilege-withdrawn"),
    (CrlReason::Superseded, "superseded"),
    (CrlReason::Unspecified, "unspecified"),
];

#[cfg(test)]
mod tests;
