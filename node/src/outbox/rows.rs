//! The desk's rows of one submission, written in its one commit.

use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::time::Timestamp;
use relay::store::{DeskRefusal, DeskRows, Outcome};

use crate::recall;
use crate::seal::{Sealed, Signed};
use crate::store;
use crate::store::documents::{self, NewDocument};
use crate::store::packets::{self, Kept};

/// Everything that is written.
pub(super) struct Rows {
    pub(super) document: EnvelopeId,
    pub(super) agency: AgencyCode,
    pub(super) new: Option<NewDocument>,
    pub(super) signed: Signed,
    pub(super) kept: Kept,
    pub(super) key: Option<String>,
    pub(super) request: Digest,
    pub(super) envelopes: Vec<Sealed>,
    /// How many of the outcomes are the envelopes'.
    pub(super) accepts: usize,
    pub(super) stopped: Vec<recall::Asked>,
    /// The received document that a status of the node itself is about.
    pub(super) reports: Option<EnvelopeId>,
    /// When its first deadline ends.
    pub(super) due: Option<Timestamp>,
    pub(super) now: Timestamp,
}

impl Rows {
    pub(super) fn write(
        &self,
        desk: &mut DeskRows<'_>,
        outcomes: &[Outcome],
    ) -> Result<(), DeskRefusal> {
        let taken = outcomes.iter().take(self.accepts);
        if !taken
            .into_iter()
            .all(|outcome| matches!(outcome, Outcome::Accepted { .. }))
        {
            return Err(DeskRefusal::refused("envelope id was used before"));
        }
        let packet = &self.signed.packet;
        packets::put(
            desk,
            packet.digest.digest(),
            packet.digest.bytes(),
            &self.kept,
        );
        if let Some(new) = &self.new {
            documents::put_document(desk, new, &self.signed);
        }
        let mut position = 0;
        for sealed in &self.envelopes {
            documents::put_envelope(desk, self.document, sealed, position, self.due);
            position += sealed.recipients.len();
        }
        if let Some(key) = &self.key {
            let (agency, request) = (&self.agency, self.request);
            documents::put_idempotency(desk, agency, key, request, self.document, false, self.now);
        }
        recall::put_steps(desk, &self.stopped, self.now);
        if let Some(received) = self.reports {
            store::inbox::reported(desk, &self.agency, received);
        }
        Ok(())
    }

    pub(super) async fn write_acts(&self, desk: &mut DeskRows<'_>) -> Result<(), DeskRefusal> {
        let acts = &self.signed.packet.acts;
        let document = self.document.to_string();
        acts.write(desk, &self.agency, &self.agency, &document, self.now)
            .await
    }
}
