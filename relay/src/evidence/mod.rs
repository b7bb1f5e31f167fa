//! Evidence: the station's append-only log, a tree of [`tiles`]. [`signer`] signs one checkpoint per commit
//! before any answer leaves, [`stamp`] gets time-stamps for the newest checkpoint in the background, of the authorities in
//! [`tsa`], [`cosign`] the cosignatures of witnesses, [`heads`] compares the heads of all logs that were seen, by [`judge`].
//! Statements and tiles lie in the store, in the commit of their fact.
//!
//! Owns the shape of the log and the order commit → sign → answer. Fails by the key not signing, which
//! delays answers and loses nothing. Must not know what the statements are about.

pub(crate) mod cosign;
pub(crate) mod heads;
pub mod judge;
pub mod signer;
pub mod stamp;
pub mod tsa;

use std::sync::{Arc, PoisonError, RwLock};

use formats::checkpoint::{LogOrigin, SignedCheckpoint};
use formats::id::{Digest, StationName};
use formats::merkle::tiles;
use pki::cert::Certificate;
use pki::key::{LogKey, SigningKey};

/// Name and keys of a station's log.
#[derive(Clone)]
pub struct LogIdentity {
    /// Station and epoch. Another epoch than the folder's last one opens a new log in it: that is how a
    /// restored folder goes on (architecture 8).
    pub origin: LogOrigin,
    /// Signs the note line; its public half stands in the station record.
    pub log_key: LogKey,
    /// Shared by all clones: from the moment it is replaced, every checkpoint is signed anew.
    signer: Arc<RwLock<Arc<EvidenceSigner>>>,
}

/// Signs the CMS over the note body, and the station's own letters.
#[derive(Clone, Debug)]
pub struct EvidenceSigner {
    /// The key.
    pub key: SigningKey,
    /// Its certificate, role station evidence.
    pub certificate: Certificate,
}

impl LogIdentity {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        origin: LogOrigin,
        log_key: LogKey,
        key: SigningKey,
        certificate: Certificate,
    ) -> Self {
        let signer = Arc::new(EvidenceSigner { key, certificate });
        Self {
            origin,
            log_key,
            signer: Arc::new(RwLock::new(signer)),
        }
    }

    /// Key and certificate of this moment; take them once for one signature.
    #[must_use]
    pub fn signer(&self) -> Arc<EvidenceSigner> {
        Arc::clone(&self.signer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a renewed certificate with its key in the place of the old one.
    pub fn replace_signer(&self, signer: EvidenceSigner) {
        *self.signer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(signer);
    }

    /// The station that speaks in the log.
    #[must_use]
    pub fn station(&self) -> &StationName {
        self.origin.station()
    }
}

impl std::fmt::Debug for LogIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys never reach a log.
        f.debug_struct("LogIdentity")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// A signed state of the log, and what is needed to prove leaves in it.
#[derive(Debug, Clone)]
pub struct Head {
    /// How many leaves.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
    /// The signed checkpoint.
    pub signed: SignedCheckpoint,
    /// The tiles not yet full at this size, for proofs.
    pub(crate) edge: tiles::Edge,
}
