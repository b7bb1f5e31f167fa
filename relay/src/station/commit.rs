//! Commit: the station's one way into its store, and who is told afterwards. New local legs go to
//! the desk, new legs for others to the forwarder (small bodies stay in memory on the way, so a leg
//! that is passed on at once is never read back), owed receipts wake the receipt task.
//!
//! Everything told here is only a shortcut: after a crash the same work is found in the store.
//! Must not know: why a change is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use formats::id::{Party, StationName};

use super::core::Core;
use crate::desk::Arrival;
use crate::forward::{Batch, BatchLeg};
use crate::store::{
    Accept, Change, CommitError, Committed, EnvelopeKey, LegId, LegState, Move, Outcome, Write,
};

/// What has to be told once the change is durable.
#[derive(Debug, Default)]
struct ToTell {
    accepts: Vec<(usize, Box<Accept>)>,
    owes: bool,
    requeues: bool,
    comes_home: bool,
}

impl ToTell {
    fn of(change: &Change) -> Self {
        let mut tell = Self::default();
        for (index, write) in change.station.iter().enumerate() {
            match write {
                Write::Accept(accept) => tell.accepts.push((index, accept.clone())),
                Write::Move(one) => {
                    tell.owes |= one.owe_receipt;
                    tell.requeues |= one.to.same_kind(&LegState::Queued);
                }
                Write::SetAside(_) | Write::Withdraw(_) => tell.owes = true,
                Write::Route { next_hop: None, .. } => tell.comes_home = true,
                Write::Route {
                    next_hop: Some(_), ..
                } => tell.requeues = true,
                Write::SettleReceipts { .. }
                | Write::ReleaseBody { .. }
                | Write::KeepEvidence { .. } => {}
            }
        }
        tell
    }
}

impl Core {
    /// Commits and tells. Both happen to the end even if the caller goes away meanwhile (a client that
    /// hangs up drops the handler): what is durable must not wait for a restart to be told.
    pub(crate) async fn commit(self: &Arc<Self>, change: Change) -> Result<Committed, CommitError> {
        let core = Arc::clone(self);
        let commit = self
            .tasks
            .spawn(async move { core.commit_and_tell(change).await });
        match commit.await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                // A panic is our bug and goes on where it would have without the task.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => Err(CommitError::Closed),
            },
        }
    }

    async fn commit_and_tell(self: &Arc<Self>, change: Change) -> Result<Committed, CommitError> {
        // What is stated now is marked if the clock was set a moment ago.
        self.clock_unsure();
        let tell = ToTell::of(&change);
        let outcome = self.store.commit(change).await;
        match &outcome {
            Ok(committed) => self.tell(tell, committed),
            // Durable without proof: nothing can be answered, but the work is there to be found.
            Err(CommitError::Unsigned(_)) => self.find_work(),
            Err(_) => {}
        }
        outcome
    }

    /// Has everybody look into the store: for what is durable and was not told one by one.
    fn find_work(self: &Arc<Self>) {
        self.forward.look();
        self.receipts_owed.notify_one();
        // Told again is harmless.
        let core = Arc::clone(self);
        self.tasks.spawn(async move { core.deliver_open().await });
    }

    fn tell(self: &Arc<Self>, tell: ToTell, committed: &Committed) {
        for (index, accept) in tell.accepts {
            let Some(outcome) = committed.outcomes.get(index) else {
                continue;
            };
            let (envelope, fresh) = fresh_legs(outcome, &accept);
            if fresh.is_empty() {
                continue;
            }
            let repeated = matches!(outcome, Outcome::Duplicate { .. });
            if repeated {
                // The store may have kept the body that was here and dropped this one; legs that waited
                // for a good copy of it go on too.
                self.find_work();
            } else {
                self.tell_accept(envelope, *accept, fresh);
            }
        }
        if tell.owes {
            self.receipts_owed.notify_one();
        }
        if tell.requeues {
            self.forward.look();
        }
        if tell.comes_home {
            // Rare: an agency moved here.
            self.find_work();
        }
    }

    fn tell_accept(
        self: &Arc<Self>,
        envelope: EnvelopeKey,
        accept: Accept,
        fresh: Vec<(LegId, Party, Option<StationName>)>,
    ) {
        let header_signature: Arc<[u8]> = accept.header_signature.into();
        let mut onward: BTreeMap<StationName, Vec<BatchLeg>> = BTreeMap::new();
        for (leg, recipient, next_hop) in fresh {
            if let Some(hop) = next_hop {
                onward.entry(hop).or_default().push(BatchLeg {
                    leg,
                    recipient,
                    tries: 0,
                });
                continue;
            }
            self.deliver(Arrival {
                leg,
                envelope,
                recipient,
                header: Arc::clone(&accept.header),
                header_signature: Arc::clone(&header_signature),
                capsule_bytes: accept.capsule_bytes,
                body: accept.body.clone(),
                from: accept.from.clone(),
            });
        }
        for (hop, legs) in onward {
            self.forward.hand_over(Batch {
                hop,
                envelope,
                header: Arc::clone(&accept.header),
                header_signature: Arc::clone(&header_signature),
                capsule_bytes: accept.capsule_bytes,
                body: accept.body.clone(),
                via: accept.via.clone(),
                own: accept.from.is_none(),
                attempt: accept.attempt,
                legs,
            });
        }
    }

    /// Hands a local leg to the desk. A station without a desk can only be the recipient of
    /// receipts and control messages about what it sent itself; it has taken note of them by
    /// storing them.
    pub(crate) fn deliver(self: &Arc<Self>, arrival: Arrival) {
        if let Some(desk) = &self.desk {
            desk.arrived(arrival);
            return;
        }
        tracing::info!(
            envelope = %arrival.header.context().id,
            sender = %arrival.header.context().sender,
            "kept: addressed to this relay"
        );
        let core = Arc::clone(self);
        self.tasks.spawn(async move {
            let taken = Move {
                leg: arrival.leg,
                expect: vec![],
                to: LegState::PassedOn,
                at: core.clock.now(),
                statement: None,
                owe_receipt: false,
                evidence: None,
            };
            if let Err(error) = core.store.commit(Change::of(vec![taken.into()])).await {
                tracing::warn!(leg = %arrival.leg, %error, "stays until the next start");
            }
        });
    }
}

/// The legs that this change brought in, with the way they go.
fn fresh_legs(
    outcome: &Outcome,
    accept: &Accept,
) -> (EnvelopeKey, Vec<(LegId, Party, Option<StationName>)>) {
    let ways = accept
        .legs
        .iter()
        .map(|leg| (leg.recipient.clone(), leg.next_hop.clone()));
    match outcome {
        Outcome::Accepted { envelope, legs } => {
            let fresh = legs
                .iter()
                .zip(ways)
                .map(|(leg, (party, hop))| (*leg, party, hop));
            (*envelope, fresh.collect())
        }
        Outcome::Duplicate { envelope, legs } => {
            let known = legs.iter().zip(ways).filter(|(known, _)| known.fresh);
            (
                *envelope,
                known
                    .map(|(known, (party, hop))| (known.leg, party, hop))
                    .collect(),
            )
        }
        Outcome::IdConflict { envelope } => (*envelope, vec![]),
        Outcome::Moved | Outcome::Stale => (EnvelopeKey(0), vec![]),
    }
}
