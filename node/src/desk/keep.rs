//! The service layer, part two: evidence asked for again, looks, refusals, and how long documents are kept.

use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::time::Timestamp;

use super::Desk;
use crate::fault::DeskError;
use crate::keeping::{self, Holding};
use crate::life::Side;
use crate::store::ledger;
use crate::view::{FaultView, FileView, Refreshed, Rejected};
use crate::{inbox, refresh, rejection};

impl Desk {
    /// Asks every station on the road of a sent document for its statements again: for receipts that were
    /// lost, and for proofs in logs that are time-stamped by now. The answers come as receipts.
    pub async fn refresh(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<Refreshed, DeskError> {
        refresh::document(&self.0, agency, id).await
    }

    /// The packet of a sent document.
    pub async fn sent_package(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<FileView, DeskError> {
        let document = ledger::document(&self.0.reader(), agency, id).await?;
        if let Some(gone) = document.view.content_deleted {
            return Err(gone.into());
        }
        self.0
            .packet_file(document.packet, &document.view.row.code)
            .await
    }

    /// States that a packet was refused for good, and gives the receipt. Call it with the faults of
    /// [`crate::fault::SubmitError::Faults`] and the packet they are about.
    pub async fn reject(
        &self,
        agency: &AgencyCode,
        packet: Digest,
        faults: &[FaultView],
    ) -> Result<Rejected, DeskError> {
        self.0.serves(agency)?;
        rejection::state(&self.0, agency, packet, faults).await
    }

    /// The receipt of a refusal again.
    pub async fn rejection(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        packet: Digest,
    ) -> Result<Rejected, DeskError> {
        self.0.serves(agency)?;
        rejection::find(&self.0, agency, id, packet).await
    }

    /// A person of the agency looks at a received document on the screens. The first time it is stated
    /// (`Opened`) and its sender told. Never fails the caller.
    pub async fn looked(&self, agency: &AgencyCode, id: EnvelopeId) {
        inbox::looked(&self.0, agency, id).await;
    }

    /// The agency's system cannot take a delivered document: ContentHandoverFailure to its sender; the item
    /// is set aside. Only before it was acknowledged, and under the claim if there is one.
    pub async fn refuse(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        claim: Option<&str>,
        why: &str,
    ) -> Result<Timestamp, DeskError> {
        inbox::refuse(&self.0, agency, id, claim, why).await
    }

    /// Keeps a sent document's content whatever the rules say, or ends that. `who` is the person or key.
    pub async fn hold_sent(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        what: Holding,
        who: &str,
        why: &str,
    ) -> Result<(), DeskError> {
        keeping::hold(&self.0, agency, id, Side::Sent, what, who, why).await
    }

    /// The same for a received document.
    pub async fn hold_received(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        what: Holding,
        who: &str,
        why: &str,
    ) -> Result<(), DeskError> {
        keeping::hold(&self.0, agency, id, Side::Received, what, who, why).await
    }

    /// Deletes what the rules give free now, as the desk does by itself from time to time.
    pub async fn apply_retention(&self) -> Result<(), DeskError> {
        keeping::apply(&self.0, self.now()).await
    }
}
