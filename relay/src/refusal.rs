//! Refusal: what we tell a peer when we do not take something, and the one map from our errors to
//! it.
//!
//! The peer hears a reason code, a time to come back if that can help, and at most one line that
//! names nothing internal. Our own log has the facts, once per refusal, with the same code. Must
//! not know how it is sent.

use formats::frame::Transfer;
use formats::limits;
use formats::reason::Reason;

use crate::store::CommitError;
use crate::store::body::BodyError;

/// An offer, or a part of it, is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// When to come back, milliseconds; `None`: never with this envelope if the reason is
    /// permanent.
    pub(crate) retry_after_ms: Option<u64>,
    /// For the log, and for the peer's operator.
    pub(crate) detail: String,
}

impl Refusal {
    /// For good if the reason is permanent, else after the usual time.
    pub(crate) fn new(reason: Reason, detail: impl std::fmt::Display) -> Self {
        let retry_after_ms = (!reason.permanent()).then_some(RETRY_MS);
        Self {
            reason,
            retry_after_ms,
            detail: detail.to_string(),
        }
    }

    /// For now, whatever the reason: what is missing here may arrive.
    pub(crate) fn later(reason: Reason, after_ms: u64, detail: impl std::fmt::Display) -> Self {
        Self {
            reason,
            retry_after_ms: Some(after_ms),
            detail: detail.to_string(),
        }
    }

    /// As a frame.
    pub(crate) fn frame(&self) -> Transfer {
        let line = self
            .detail
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c });
        Transfer::Refuse {
            reason: self.reason,
            retry_after_ms: self.retry_after_ms,
            detail: Some(line.take(limits::REFUSAL_DETAIL_CHARS_MAX).collect()),
        }
    }
}

/// Whether a refusal that a peer sent ends the leg. A time to come back always wins over the reason's
/// nature, and what only the opened letter can show is no neighbour's to say on a link: the home
/// station states it in its log.
pub(crate) fn is_final(reason: Reason, retry_after_ms: Option<u64>) -> bool {
    let of_the_desk = matches!(
        reason,
        Reason::CommitmentMismatch
            | Reason::DecryptionFailed
            | Reason::KeyUnavailable
            | Reason::PacketInvalid
            | Reason::Recalled
            | Reason::RefusedByRecipient
            | Reason::SecrecyMarked
            | Reason::Withdrawn
    );
    reason.permanent() && retry_after_ms.is_none() && !of_the_desk
}

impl From<&BodyError> for Refusal {
    fn from(error: &BodyError) -> Self {
        match error {
            BodyError::DiskFull { retry_after_ms, .. } => {
                Self::later(Reason::DiskFull, *retry_after_ms, "no room on the disk")
            }
            BodyError::Mismatch { .. } => Self::new(Reason::BodyMismatch, error),
            BodyError::Incomplete { .. } => Self::new(Reason::BodyMismatch, error),
            BodyError::InUse => Self::later(Reason::Busy, IN_USE_MS, error),
            // What lies on our disk is no business of the peer's.
            BodyError::Damaged { .. } | BodyError::Missing { .. } => {
                Self::later(Reason::Busy, RETRY_MS, "cannot store it now")
            }
        }
    }
}

impl From<&CommitError> for Refusal {
    fn from(error: &CommitError) -> Self {
        match error {
            CommitError::DiskFull { retry_after_ms, .. } => {
                Self::later(Reason::DiskFull, *retry_after_ms, "no room on the disk")
            }
            CommitError::Busy { retry_after_ms } => {
                Self::later(Reason::Busy, *retry_after_ms, "busy")
            }
            CommitError::Closed => Self::later(Reason::Busy, RETRY_MS, "station stops"),
            CommitError::Unsigned(_) => Self::later(Reason::Busy, RETRY_MS, "cannot sign now"),
            CommitError::BodyMissing { .. } => {
                Self::later(Reason::Busy, IN_USE_MS, "body must be sent again")
            }
            CommitError::Desk(_) | CommitError::IllegalMove { .. } | CommitError::Malformed(_) => {
                Self::later(Reason::Busy, RETRY_MS, "cannot store it now")
            }
        }
    }
}

/// When to come back if nothing better is known.
pub(crate) const RETRY_MS: u64 = 30_000;
/// The transfer that holds the body ends soon, one way or the other.
const IN_USE_MS: u64 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_come_back_wins_over_a_permanent_reason() {
        assert!(is_final(Reason::UnknownAgency, None));
        assert!(!is_final(Reason::UnknownAgency, Some(1)));
        assert!(!is_final(Reason::Busy, None));
    }

    #[test]
    fn a_neighbour_cannot_say_what_only_the_opener_knows() {
        for reason in [
            Reason::RefusedByRecipient,
            Reason::KeyUnavailable,
            Reason::SecrecyMarked,
            Reason::Withdrawn,
        ] {
            assert!(reason.permanent() && !is_final(reason, None), "{reason}");
        }
    }

    #[test]
    fn the_peer_gets_one_short_line() {
        let refusal = Refusal::new(Reason::InvalidHeader, format!("a\nb{}", "x".repeat(500)));
        let frame = refusal.frame().encode().expect("fits");
        assert!(Transfer::decode(&frame[4..]).is_ok());
    }
}
