//! Tombstones: legs that their sender takes back at their home station (architecture 5).
//!
//! A leg that is not final is withdrawn; one that has not come yet gets its row now, final from the
//! start, so that it is answered and not delivered when it comes. What is final stays what it is.

use bytes::Bytes;
use formats::id::Party;
use formats::statement::Event;

use super::{Mark, Planner};
use crate::store::change::Withdraw;
use crate::store::leg::{EnvelopeKey, LegId, LegState};
use crate::store::rows::{self, EnvelopeEntry};
use crate::store::{Accept, BodyPlace, CommitError, Move, NewLeg, Outcome, StatementDraft};

impl Planner<'_> {
    pub(super) fn withdraw(
        &mut self,
        withdraw: Withdraw,
        mark: &mut Mark,
    ) -> Result<Outcome, CommitError> {
        let named = &withdraw.header.context().recipients;
        if let Some(stranger) = withdraw.recipients.iter().find(|one| !named.contains(one)) {
            return Err(CommitError::Malformed(format!(
                "{stranger} is not a recipient"
            )));
        }
        let name = rows::name(&withdraw.header);
        let Some(key) = self.memory.key_of(&name) else {
            return Ok(self.bury(withdraw, mark));
        };
        let known = self.memory.entry(key).map(|entry| entry.header.digest());
        if known != Some(withdraw.header.digest()) {
            return Ok(Outcome::IdConflict { envelope: key });
        }
        let mut outcome = Outcome::Stale;
        for recipient in &withdraw.recipients {
            let leg = self
                .memory
                .entry(key)
                .and_then(|entry| entry.leg_of(recipient));
            let moved = match leg {
                Some(leg) => self.move_leg(&taken_back(leg, &withdraw), mark)?,
                None => self.add_withdrawn(key, recipient, &withdraw, mark),
            };
            if moved == Outcome::Moved {
                outcome = Outcome::Moved;
            }
        }
        Ok(outcome)
    }

    /// The envelope has not come: its row is made now, without a body.
    fn bury(&mut self, withdraw: Withdraw, mark: &mut Mark) -> Outcome {
        let key = EnvelopeKey(self.counters.next_envelope);
        self.counters.next_envelope += 1;
        self.record(key, mark);
        self.memory.insert(EnvelopeEntry {
            key,
            header: withdraw.header.clone(),
            keep_body: false,
            has_body: false,
            body_file: None,
            legs: std::collections::BTreeMap::new(),
        });
        self.plan.envelopes.push((key, Box::new(row_of(&withdraw))));
        for recipient in &withdraw.recipients {
            self.add_withdrawn(key, recipient, &withdraw, mark);
        }
        Outcome::Moved
    }

    fn add_withdrawn(
        &mut self,
        key: EnvelopeKey,
        recipient: &Party,
        withdraw: &Withdraw,
        mark: &mut Mark,
    ) -> Outcome {
        self.record(key, mark);
        let Some(mut entry) = self.memory.take(key) else {
            return Outcome::Stale;
        };
        let new = NewLeg {
            recipient: recipient.clone(),
            next_hop: None,
        };
        // The acceptance is stated too: who offers the envelope later is answered with it and with
        // what became of the leg.
        let leg = self.add_leg(&mut entry, &new, &row_of(withdraw));
        let back = taken_back(leg, withdraw);
        self.set_state(&mut entry, &back);
        if let Some(draft) = back.statement {
            let position = self.state(&mut entry, leg, draft, withdraw.at);
            let station = entry.header.context().sender_station.clone();
            self.plan.owed.push((position, station));
        }
        self.memory.insert(entry);
        Outcome::Moved
    }
}

fn taken_back(leg: LegId, withdraw: &Withdraw) -> Move {
    Move {
        leg,
        expect: Vec::new(),
        to: LegState::Withdrawn,
        at: withdraw.at,
        statement: Some(StatementDraft {
            event: Event::Recalled,
            reason: None,
            next_station: None,
        }),
        owe_receipt: true,
        evidence: None,
    }
}

/// The envelope's row. Its body never comes.
fn row_of(withdraw: &Withdraw) -> Accept {
    Accept {
        header: withdraw.header.clone(),
        header_signature: withdraw.header_signature.clone(),
        capsule_bytes: 0,
        body: BodyPlace::Inline(Bytes::new()),
        legs: Vec::new(),
        via: Vec::new(),
        attempt: 1,
        from: None,
        received: withdraw.at,
        event: Some(Event::RelayAcceptance),
        keep_body: false,
    }
}
