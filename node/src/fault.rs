//! What can go wrong at the desk, by whose fault. The doors map these to answers; texts are for people.

use formats::id::{Digest, EnvelopeId};
use formats::time::Timestamp;
use relay::alarm::Alarm;

use crate::view::{ContentDeleted, FaultView};

/// Why a submission was not accepted. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The packet is wrong: every fault that was found, never the first only. The caller's fault.
    #[error("the packet has {} faults, the first: {}", .0.len(), first_code(.0))]
    Faults(Vec<FaultView>),
    /// The Idempotency-Key was used before for another request. The caller's fault.
    #[error("idempotency key was used for another request: {first}")]
    IdempotencyMismatch {
        /// The document of the first request.
        first: EnvelopeId,
    },
    /// The same Idempotency-Key is being worked on right now.
    #[error("the first request with this idempotency key still runs")]
    StillRunning,
    /// Another packet was sent under the same natural key; resend needs a reason. The caller's fault.
    #[error("another packet was accepted under the same document id: {first}")]
    NaturalKeyConflict {
        /// The document accepted first.
        first: EnvelopeId,
        /// Its packet.
        first_digest: Digest,
    },
    /// What the submission is about is not here, for this agency.
    #[error("not found")]
    NotFound,
    /// This desk does not serve that agency.
    #[error("agency {0} is not served here")]
    NotServed(String),
    /// The station takes nothing now; nothing is wrong with the packet.
    #[error("the station is busy")]
    Busy {
        /// Earliest useful moment for another attempt.
        retry_after_s: u32,
    },
    /// The disk is at its floor of free space; nothing is wrong with the packet.
    #[error("the disk of the station is full")]
    DiskFull {
        /// Earliest useful moment for another attempt.
        retry_after_s: u32,
    },
    /// Trust data that it rests on is past its window (relay/WINDOWS.md); nothing is wrong with the packet.
    #[error("{} {}", .0.found.code.number(), .0.en())]
    Stopped(Box<Alarm>),
    /// The environment or a bug; details are in the log.
    #[error("the desk could not do it: {0}")]
    Internal(String),
}

fn first_code(faults: &[FaultView]) -> &str {
    faults.first().map_or("none", |fault| fault.code.as_str())
}

/// Why a question or an order to the desk was not answered.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is no such document, recipient, file or user for this agency.
    #[error("not found")]
    NotFound,
    /// The cursor was not made by this desk.
    #[error("cursor is not valid")]
    BadCursor,
    /// The word of the claim is wrong, or its lease ended and another took the item.
    #[error("claim is not valid for this item any more")]
    NotClaimed,
    /// The item is in quarantine and is never handed out.
    #[error("item is in quarantine")]
    Quarantined,
    /// Its recall was agreed to: it is handed out no more.
    #[error("document was recalled")]
    Withdrawn,
    /// The content was deleted by a rule; its evidence is here.
    #[error("content was deleted on {} by {rule}", .at.rfc3339())]
    ContentDeleted {
        /// When.
        at: Timestamp,
        /// By which rule.
        rule: String,
    },
    /// An attachment inflates beyond the limits.
    #[error("attachment cannot be extracted: {0}")]
    Attachment(String),
    /// This desk does not serve that agency.
    #[error("agency {0} is not served here")]
    NotServed(String),
    /// A name, scope or other word of an access order is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Try again later.
    #[error("the station is busy")]
    Busy {
        /// Earliest useful moment for another attempt.
        retry_after_s: u32,
    },
    /// The environment or a bug; details are in the log.
    #[error("the desk could not do it: {0}")]
    Internal(String),
}

impl From<ContentDeleted> for DeskError {
    fn from(gone: ContentDeleted) -> Self {
        let ContentDeleted { at, rule } = gone;
        Self::ContentDeleted { at, rule }
    }
}

impl From<sqlx::Error> for DeskError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(format!("store: {error}"))
    }
}

impl From<std::io::Error> for DeskError {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(format!("file: {error}"))
    }
}

impl From<sqlx::Error> for SubmitError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(format!("store: {error}"))
    }
}

impl From<std::io::Error> for SubmitError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull => Self::DiskFull { retry_after_s: 60 },
            _ => Self::Internal(format!("file: {error}")),
        }
    }
}

impl From<DeskError> for SubmitError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::NotFound => Self::NotFound,
            DeskError::NotServed(code) => Self::NotServed(code),
            DeskError::Busy { retry_after_s } => Self::Busy { retry_after_s },
            other => Self::Internal(other.to_string()),
        }
    }
}
