//! Refusals that are stated: a packet of an agency served here was read and refused for good. The station's log
//! says so about the packet's digest (SubmissionRejection), and the caller gets the receipt with the answer.
//!
//! What was never read (no key, no packet, broken off, busy, stopped) is no statement: `problem+json` only.
//! A dry run is not stated either. The receipt is proven anew whenever it is asked for. Must not know HTTP.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use formats::id::{AgencyCode, Digest, EnvelopeId, Party};
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use relay::store::{Change, ProofBase, Rejection};

use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::view::{FaultView, Rejected};

/// States the refusal; the answer leaves after it is durable.
pub(crate) async fn state(
    core: &Core,
    agency: &AgencyCode,
    packet: Digest,
    faults: &[FaultView],
) -> Result<Rejected, DeskError> {
    let at = core.now();
    let id = EnvelopeId::new(at, &rand::random());
    let rejection = Rejection {
        id,
        sender: agency.clone(),
        packet,
        reason: reason(faults),
        at,
    };
    let committed = core
        .station()
        .commit(Change::of(vec![rejection.into()]))
        .await?;
    let bundle = committed
        .bundle
        .ok_or_else(|| DeskError::Internal("a refusal without its statement".to_owned()))?;
    Ok(rejected(id, packet, &bundle))
}

/// The receipt again, in a time-stamped checkpoint if there is one by now.
pub(crate) async fn find(
    core: &Core,
    agency: &AgencyCode,
    id: EnvelopeId,
    packet: Digest,
) -> Result<Rejected, DeskError> {
    let internal = |error: &dyn std::fmt::Display| DeskError::Internal(error.to_string());
    let store = core.station().store();
    let found = store
        .statements_about(&id, &packet, ProofBase::FirstStamped)
        .await
        .map_err(|error| internal(&error))?;
    let bundle = found.into_iter().next().ok_or(DeskError::NotFound)?;
    let said = bundle.statements().map_err(|error| internal(&error))?;
    let theirs = Party::Agency(agency.clone());
    if said.iter().all(|one| one.sender == theirs) {
        Ok(rejected(id, packet, &bundle))
    } else {
        Err(DeskError::NotFound)
    }
}

fn rejected(id: EnvelopeId, packet: Digest, bundle: &ReceiptBundle) -> Rejected {
    Rejected {
        id,
        packet_digest: packet,
        receipt: STANDARD.encode(bundle.encode()),
    }
}

/// The reason in the words of evidence: the faults themselves are for the caller.
fn reason(faults: &[FaultView]) -> Reason {
    let has = |code: &str| faults.iter().any(|fault| fault.code == code);
    if has("E-SECRET") {
        Reason::SecrecyMarked
    } else if has("E-LIMIT") {
        Reason::TooLarge
    } else if has("E-RECEIVER") {
        Reason::UnknownAgency
    } else {
        Reason::PacketInvalid
    }
}
