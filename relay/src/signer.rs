//! Signer: whether the signature under a header counts (architecture 7, "When is a signer judged?").
//!
//! The certificate must hold at `created`. A revocation for a compromised key or authority, a withdrawn
//! privilege or no stated reason spoils everything it ever signed. For other reasons only what the first
//! relay takes after the revocation is spoilt: the first relay judges by its own clock, because `created` is the
//! sender's word; later stations rely on its statement and judge at `created`. A certificate on hold may come
//! back, so that refusal is not for good. What a refusal means for the sender is told to it with the reason,
//! and its node keeps the document. Pure over a snapshot; must not know links, the store.

use formats::header::Context;
use formats::reason::Reason;
use formats::time::Timestamp;
use pki::chain::{ChainError, VerifiedCert};
use pki::permit::Object;
use pki::revoke::CrlReason;

use crate::directory::{Snapshot, UnknownSigner};
use crate::refusal::{RETRY_MS, Refusal};

/// Judges the signer that a header names. `first`: we are the first station that it passes.
pub(crate) fn judge(
    snapshot: &Snapshot,
    context: &Context,
    first: bool,
    now: Timestamp,
) -> Result<VerifiedCert, Refusal> {
    let role = Object::of_class(context.class).signer();
    let verified = snapshot
        .signer(&context.signer, role, context.created)
        .map_err(|error| match error {
            UnknownSigner::Absent => {
                Refusal::later(Reason::UnknownCertificate, RETRY_MS, context.signer)
            }
            UnknownSigner::Refused(error) => refused(&error),
        })?;
    if first
        && let Some(revocation) = snapshot.revocation(&verified)
        && revocation.spoils(now)
    {
        return Err(refused(&ChainError::Revoked {
            subject: verified.certificate().subject(),
            at: revocation.at,
            reason: revocation.reason,
            judged: now,
        }));
    }
    if let Some(stale) = snapshot.freshness().stopped(verified.path(), now) {
        let detail = format!("no fresh revocation data here for {}", stale.subject);
        return Err(Refusal::later(Reason::StaleRevocation, RETRY_MS, detail));
    }
    Ok(verified)
}

fn refused(error: &ChainError) -> Refusal {
    if is_on_hold(error) {
        return Refusal::later(error.reason(), RETRY_MS, error);
    }
    Refusal::new(error.reason(), error)
}

/// Whether the certificate may come back.
pub(crate) fn is_on_hold(error: &ChainError) -> bool {
    matches!(
        error,
        ChainError::Revoked {
            reason: CrlReason::CertificateHold,
            ..
        }
    )
}
