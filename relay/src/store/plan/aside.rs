//! Bodies that turned out damaged: the copy is set aside and kept, the legs that wait for it say so, and the
//! sender's station is told by a statement, because it still has a good copy (promise 2) and offers the same
//! envelope again. Whatever of the envelope is final stays so: nothing is delivered twice.

use formats::reason::Reason;
use formats::statement::Event;

use super::{Mark, PlannedTurn, Planner};
use crate::store::change::SetAside;
use crate::store::leg::{LegId, LegState, Phase};
use crate::store::rows::{EnvelopeEntry, LegRow};
use crate::store::{Accept, Outcome, StatementDraft};

/// A body to be set aside, as it is written.
#[derive(Debug)]
pub(in crate::store) struct PlannedAside {
    pub(in crate::store) envelope: crate::store::EnvelopeKey,
    pub(in crate::store) at: formats::time::Timestamp,
    pub(in crate::store) problem: String,
}

/// Whether a leg waits for a good copy of the body: it is not final, and the body is not here. Its reason does
/// not count: a transfer that was under way when the body was set aside may have said another one since.
pub(super) fn waits_for_body(entry: &EnvelopeEntry, row: &LegRow) -> bool {
    !entry.has_body && !row.state.is_final()
}

impl Planner<'_> {
    pub(super) fn set_aside(&mut self, aside: SetAside, mark: &mut Mark) -> Outcome {
        let SetAside {
            envelope,
            at,
            problem,
        } = aside;
        if !self.memory.entry(envelope).is_some_and(|one| one.has_body) {
            return Outcome::Stale;
        }
        self.record(envelope, mark);
        let Some(mut entry) = self.memory.take(envelope) else {
            return Outcome::Stale;
        };
        entry.has_body = false;
        // The file stays where it is: the table of damaged bodies names it now.
        entry.body_file = None;
        let context = entry.header.context();
        let expires = context.expires;
        // The sender's own station is told by its alarm: there is no other copy to ask for.
        let ask = context.class.is_sealed() && context.sender_station != *self.circle.station;
        let sender_station = context.sender_station.clone();
        let open: Vec<LegId> = entry
            .legs
            .values()
            .filter(|row| !row.state.is_final())
            .map(|row| row.id)
            .collect();
        for id in open {
            if let Some(row) = entry.legs.get_mut(&id) {
                row.state = LegState::WaitingRetry {
                    reason: Reason::BodyMismatch,
                    next_at: expires,
                    attempt: row.tries().saturating_add(1),
                };
                row.next_at = expires;
                row.changed = at;
                self.plan.turns.push(PlannedTurn {
                    leg: id,
                    at,
                    phase: Phase::WaitingRetry,
                    reason: Some(Reason::BodyMismatch),
                    next_hop: row.next_hop.clone(),
                });
                self.plan.legs.insert(id);
            }
            if ask {
                let draft = StatementDraft {
                    event: Event::RelayFailure,
                    reason: Some(Reason::BodyMismatch),
                    next_station: None,
                };
                let position = self.state(&mut entry, id, draft, at);
                self.plan.owed.push((position, sender_station.clone()));
            }
        }
        self.plan.aside.push(PlannedAside {
            envelope,
            at,
            problem,
        });
        self.memory.put_back(entry);
        Outcome::Moved
    }

    /// A good copy came with one leg: the others need not wait for theirs.
    pub(super) fn go_on(&mut self, entry: &mut EnvelopeEntry, accept: &Accept) {
        let waiting: Vec<LegId> = entry
            .legs
            .values()
            .filter(|row| {
                let reason = row.state.reason();
                !row.state.is_final() && reason == Some(Reason::BodyMismatch)
            })
            .map(|row| row.id)
            .collect();
        for id in waiting {
            if let Some(row) = entry.legs.get_mut(&id) {
                row.state = LegState::Queued;
                row.next_at = accept.received;
                row.changed = accept.received;
                self.plan.legs.insert(id);
            }
        }
    }
}
