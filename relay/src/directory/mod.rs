//! Directory: who is who, from the records folder. Agencies, home stations, stations, certificates,
//! CRLs and the trust list, each checked against who may say it; the highest valid sequence wins.
//!
//! Owns the current [`Snapshot`] behind one pointer: readers take it and keep a consistent view,
//! [`Directory::poll`] replaces it when the folder changed. Certificates are kept as bytes and
//! verified on first use; verified signers are cached until a CRL or the trust list changes. What
//! is refused stays out, is reported by [`Snapshot::refused`], and never stops the station: it goes
//! on with the last good copy. Must not know: links, the store.

mod agencies;
mod build;
mod folder;
mod freshness;
mod judge;
mod lapse;
mod search;
mod snapshot;
mod strings;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use formats::id::{AgencyCode, Digest, StationName};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::chain::{Validator, VerifiedCert};
use pki::record::TrustPin;
use tokio::sync::watch;

pub use agencies::AgencyEntry;
pub use folder::Refused;
pub use freshness::Freshness;
pub use search::matched_alias;
pub use snapshot::{DirectoryError, Snapshot, StationEntry, StationKind, UnknownSigner};

use folder::Folder;

/// The directory of a station. Clones share it.
#[derive(Clone, Debug)]
pub struct Directory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    current: RwLock<Arc<Snapshot>>,
    folder: Mutex<Folder>,
    pinned: TrustPin,
    version: watch::Sender<u64>,
}

impl Directory {
    /// Loads `folder`. `pinned` says who signs the trust list, known since enrolment: one
    /// certificate, or k of n. Without a list that enough of them signed nothing else can be
    /// believed, so that is the one error.
    pub fn open(
        folder: PathBuf,
        pinned: impl Into<TrustPin>,
        now: Timestamp,
    ) -> Result<Self, DirectoryError> {
        let pinned = pinned.into();
        let mut folder = Folder::new(folder);
        folder.scan()?;
        let snapshot = Snapshot::build(&folder, &pinned, None, now)?;
        Ok(Self {
            shared: Arc::new(Shared {
                current: RwLock::new(Arc::new(snapshot)),
                folder: Mutex::new(folder),
                pinned,
                version: watch::Sender::new(0),
            }),
        })
    }

    /// Looks at the folder; if anything changed, or a record's time is over, builds the next snapshot and
    /// tells the watchers.
    /// Reads files and verifies signatures: run it where blocking is allowed. A folder that cannot
    /// be read, or holds no valid trust list any more, leaves the last good snapshot in place.
    pub fn poll(&self, now: Timestamp) -> Result<bool, DirectoryError> {
        let mut folder = self
            .shared
            .folder
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let last = self.snapshot();
        if !folder.scan()? && !last.lapses().is_due(now) {
            return Ok(false);
        }
        let next = Snapshot::build(&folder, &self.shared.pinned, Some(&last), now)?;
        *self
            .shared
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        self.shared.version.send_modify(|version| *version += 1);
        Ok(true)
    }

    /// The view of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(
            &self
                .shared
                .current
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Counts up whenever the snapshot was replaced.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    /// The agency with this canonical code.
    #[must_use]
    pub fn agency(&self, code: &AgencyCode) -> Option<Arc<AgencyEntry>> {
        self.snapshot().agency(code)
    }

    /// The agency that someone meant at `at`; see [`Snapshot::resolve`].
    #[must_use]
    pub fn resolve(&self, written: &str, at: Timestamp) -> Option<Arc<AgencyEntry>> {
        self.snapshot().resolve(written, at)
    }

    /// The agencies that someone looks for; see [`Snapshot::search`].
    #[must_use]
    pub fn search(&self, written: &str, limit: usize, at: Timestamp) -> Vec<Arc<AgencyEntry>> {
        self.snapshot().search(written, limit, at)
    }

    /// The station that delivers to this agency at `at`.
    #[must_use]
    pub fn home_station(&self, code: &AgencyCode, at: Timestamp) -> Option<StationName> {
        self.snapshot().home_station(code, at)
    }

    /// The certificate to seal to for this agency at `at`, verified.
    pub fn encryption_certificate(
        &self,
        code: &AgencyCode,
        at: Timestamp,
    ) -> Result<VerifiedCert, DirectoryError> {
        self.snapshot().encryption_certificate(code, at)
    }

    /// A certificate by its SHA-256, not verified.
    #[must_use]
    pub fn certificate(&self, sha256: &Digest) -> Option<Certificate> {
        self.snapshot().certificate(sha256)
    }

    /// A station by its name.
    #[must_use]
    pub fn station(&self, name: &StationName) -> Option<Arc<StationEntry>> {
        self.snapshot().station(name)
    }

    /// The validator over the trust list and CRLs of this moment.
    #[must_use]
    pub fn validator(&self) -> Validator {
        self.snapshot().validator()
    }
}
