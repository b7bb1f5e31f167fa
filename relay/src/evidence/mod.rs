//! Evidence: the station's append-only log. [`tree`] is the pure tile tree and its proofs, [`signer`]
//! signs one checkpoint per commit before any answer leaves, [`stamp`] gets time-stamps for the newest
//! checkpoint in the background. Statements and tiles lie in the store, in the commit of their fact.
//!
//! Owns the shape of the log and the order commit → sign → answer. Fails by the key not signing, which
//! delays answers and loses nothing. Must not know what the statements are about.

pub mod signer;
pub mod stamp;
pub mod tree;

use formats::checkpoint::{LogOrigin, SignedCheckpoint};
use formats::id::{Digest, StationName};
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
    /// Signs the CMS over the note body.
    pub evidence_key: SigningKey,
    /// Its certificate, role station evidence.
    pub evidence_certificate: Certificate,
}

impl LogIdentity {
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
    pub(crate) edge: tree::Edge,
}
