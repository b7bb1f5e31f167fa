//! Gate: whether anything may be sent now: trust data about the signer and the recipients is within its window,
//! and the agency's certificate holds (relay/WINDOWS.md). What would be refused by every station is not taken
//! from the caller in the first place, who hears the remedy.
//!
//! Fails with the alarm that says so. Must not know packets.

use formats::time::Timestamp;
use pki::chain::ChainError;
use pki::role::Role;
use relay::alarm::{Code, Found, Level};
use relay::directory::UnknownSigner;
use relay::station::Station;

use crate::agency::Agency;
use crate::fault::SubmitError;
use crate::intake::Recipient;

/// Judges the agency's own signature certificate and those that would be sealed to.
pub(super) fn pass(
    station: &Station,
    agency: &Agency,
    recipients: &[Recipient],
    now: Timestamp,
) -> Result<(), SubmitError> {
    let stopped = |found: Found| SubmitError::Stopped(Box::new(found.now(now)));
    let own = &agency.signature_certificate;
    let snapshot = station.directory().snapshot();
    match snapshot.signer(&own.sha256(), Role::AgencySignature, now) {
        Ok(own) => {
            if let Some(found) = station.stopped(&own, now) {
                return Err(stopped(found));
            }
        }
        // Not among the records yet: relays wait for it, and so does the document.
        Err(UnknownSigner::Absent) => {}
        Err(UnknownSigner::Refused(
            error @ (ChainError::Expired { .. } | ChainError::Revoked { .. }),
        )) => {
            return Err(stopped(Found {
                code: Code::Certificate,
                subject: format!("{} ({})", agency.code, Role::AgencySignature),
                level: Level::Stopped,
                until: Some(own.not_after()).filter(|end| *end < now),
                detail: Some(error.to_string()),
            }));
        }
        // What else is wrong with it the first relay says.
        Err(UnknownSigner::Refused(_)) => {}
    }
    let stale = recipients
        .iter()
        .find_map(|recipient| station.stopped(&recipient.certificate, now));
    stale.map_or(Ok(()), |found| Err(stopped(found)))
}
