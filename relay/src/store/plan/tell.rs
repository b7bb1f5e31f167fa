//! What is told without a leg moving: statements owed once more, and refusals of packets that never became
//! envelopes.

use formats::id::Party;
use formats::statement::{Event, Statement};

use super::Planner;
use crate::store::Outcome;
use crate::store::change::Rejection;
use crate::store::leg::EnvelopeKey;

impl Planner<'_> {
    pub(super) fn owe_again(&mut self, key: EnvelopeKey) -> Outcome {
        let Some(entry) = self.memory.entry(key) else {
            return Outcome::Stale;
        };
        let station = entry.header.context().sender_station.clone();
        self.plan.owed_again.push((key, station));
        Outcome::Moved
    }

    pub(super) fn reject(&mut self, rejection: &Rejection) -> Outcome {
        let sender = Party::Agency(rejection.sender.clone());
        let statement = Statement {
            event: Event::SubmissionRejection,
            envelope: rejection.id,
            header_digest: rejection.packet,
            commitment: None,
            recipient: sender.clone(),
            sender,
            time: rejection.at,
            station: self.circle.station.clone(),
            next_station: None,
            reason: Some(rejection.reason),
            prev: rejection.packet,
            clock_unsure: self.circle.clock_unsure,
        };
        self.log(&statement);
        Outcome::Moved
    }
}
