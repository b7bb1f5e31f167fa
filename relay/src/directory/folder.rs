//! Folder: the files of the records folder, read once and again only when they change.
//!
//! `*.rec` signed records, `*.crt` certificates (PEM or DER), `*.crl` revocation lists (DER). A
//! file is known by path, size and modification time; what is unreadable or of no known kind is
//! reported and left out. Nothing is believed here: judging is [`super::judge`]'s. Must not know
//! who may say what.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use formats::id::Digest;
use formats::limits;
use formats::record::Record;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::revoke::Crl;
use pki::role::Role;

use super::agencies::AgencyEntry;
use super::snapshot::DirectoryError;

/// A file that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// Its name inside the folder.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// A record as it lies in the folder; not yet believed.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) file: String,
    /// What it says; of a bundle without the agencies themselves.
    pub(crate) record: Record,
    /// The agencies of a bundle: taken out, so that all snapshots share them.
    pub(crate) agencies: Vec<Arc<AgencyEntry>>,
    pub(crate) signed: Arc<[u8]>,
    /// SHA-256 of the signed bytes.
    pub(crate) digest: Digest,
}

/// A certificate as it lies in the folder: its bytes and what is needed to find it. Not yet
/// believed.
#[derive(Debug)]
pub(crate) struct KnownCert {
    pub(crate) sha256: Digest,
    pub(crate) role: Option<Role>,
    pub(crate) dns_name: Option<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) der: Box<[u8]>,
}

#[derive(Clone, Debug)]
enum Parsed {
    Claim(Arc<Claim>),
    Certificates(Vec<Arc<KnownCert>>),
    Crl(Crl),
    Refused(String),
}

#[derive(Debug)]
struct Entry {
    modified: Option<SystemTime>,
    bytes: u64,
    parsed: Parsed,
}

/// The folder as last seen.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    entries: HashMap<PathBuf, Entry>,
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            entries: HashMap::new(),
        }
    }

    /// Looks again. True if anything was added, changed or removed.
    pub(crate) fn scan(&mut self) -> Result<bool, DirectoryError> {
        let unreadable = |source| DirectoryError::Folder {
            path: self.path.clone(),
            source,
        };
        let mut seen = HashMap::with_capacity(self.entries.len());
        let mut changed = false;
        for found in std::fs::read_dir(&self.path).map_err(unreadable)? {
            let found = found.map_err(unreadable)?;
            let path = found.path();
            let Some(kind) = Kind::of(&path) else {
                continue;
            };
            // A file that vanished between listing and looking will be missed at the next scan.
            let Ok(about) = found.metadata() else {
                continue;
            };
            let (modified, bytes) = (about.modified().ok(), about.len());
            let same = self.entries.remove(&path);
            let same = same.filter(|old| old.modified == modified && old.bytes == bytes);
            let entry = same.unwrap_or_else(|| {
                changed = true;
                Entry {
                    modified,
                    bytes,
                    parsed: read(&path, kind, bytes),
                }
            });
            seen.insert(path, entry);
        }
        changed |= !self.entries.is_empty();
        self.entries = seen;
        Ok(changed)
    }

    pub(crate) fn claims(&self) -> impl Iterator<Item = &Arc<Claim>> {
        self.entries
            .values()
            .filter_map(|entry| match &entry.parsed {
                Parsed::Claim(claim) => Some(claim),
                Parsed::Certificates(_) | Parsed::Crl(_) | Parsed::Refused(_) => None,
            })
    }

    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Arc<KnownCert>> {
        self.entries.values().flat_map(|entry| match &entry.parsed {
            Parsed::Certificates(list) => list.as_slice(),
            Parsed::Claim(_) | Parsed::Crl(_) | Parsed::Refused(_) => &[],
        })
    }

    pub(crate) fn crls(&self) -> impl Iterator<Item = &Crl> {
        self.entries
            .values()
            .filter_map(|entry| match &entry.parsed {
                Parsed::Crl(crl) => Some(crl),
                Parsed::Claim(_) | Parsed::Certificates(_) | Parsed::Refused(_) => None,
            })
    }

    pub(crate) fn refused(&self) -> impl Iterator<Item = Refused> {
        self.entries
            .iter()
            .filter_map(|(path, entry)| match &entry.parsed {
                Parsed::Refused(reason) => Some(Refused {
                    file: name_of(path),
                    reason: reason.clone(),
                }),
                Parsed::Claim(_) | Parsed::Certificates(_) | Parsed::Crl(_) => None,
            })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Certificate,
    Crl,
    Record,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "crt" => Some(Self::Certificate),
            "crl" => Some(Self::Crl),
            "rec" => Some(Self::Record),
            _ => None,
        }
    }
}

fn read(path: &Path, kind: Kind, bytes: u64) -> Parsed {
    if bytes > FILE_BYTES_MAX {
        return Parsed::Refused(format!("{bytes} bytes are too many"));
    }
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(error) => return Parsed::Refused(error.to_string()),
    };
    let parsed = match kind {
        Kind::Certificate => certificates(&content),
        Kind::Crl => crl(&content),
        Kind::Record => claim(path, &content),
    };
    parsed.unwrap_or_else(Parsed::Refused)
}

fn certificates(content: &[u8]) -> Result<Parsed, String> {
    let list = if content.starts_with(DER_SEQUENCE) {
        vec![Certificate::parse(content).map_err(|error| error.to_string())?]
    } else {
        Certificate::all_from_pem(content).map_err(|error| error.to_string())?
    };
    if list.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    let known = list.iter().map(|certificate| {
        Arc::new(KnownCert {
            sha256: certificate.sha256(),
            role: certificate.role().ok(),
            dns_name: certificate.dns_name().ok().map(str::to_owned),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            der: certificate.der().into(),
        })
    });
    Ok(Parsed::Certificates(known.collect()))
}

fn crl(content: &[u8]) -> Result<Parsed, String> {
    Crl::parse(content)
        .map(Parsed::Crl)
        .map_err(|error| error.to_string())
}

fn claim(path: &Path, content: &[u8]) -> Result<Parsed, String> {
    let opened = pki::record::open(content).map_err(|error| error.to_string())?;
    let signed: Arc<[u8]> = content.into();
    let mut record = opened.record;
    let agencies = match &mut record {
        Record::Agencies(bundle) => std::mem::take(&mut bundle.agencies),
        Record::Attachment(_)
        | Record::Delegation(_)
        | Record::Station(_)
        | Record::TrustList(_) => Vec::new(),
    };
    let entry = |agency| {
        Arc::new(AgencyEntry {
            agency,
            signed: Arc::clone(&signed),
        })
    };
    Ok(Parsed::Claim(Arc::new(Claim {
        file: name_of(path),
        record,
        agencies: agencies.into_iter().map(entry).collect(),
        digest: Digest::of(content),
        signed,
    })))
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// First byte of every DER certificate.
const DER_SEQUENCE: &[u8] = &[0x30];
/// The largest file that is read: a CRL of a large authority. Records have their own limit.
const FILE_BYTES_MAX: u64 = 64 << 20;
const _: () = assert!(
    limits::RECORD_BYTES_MAX < 64 << 20,
    "a record file must be readable"
);
