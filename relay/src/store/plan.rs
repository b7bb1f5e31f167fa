//! Decides what a batch of changes comes to, in memory, before any of it is written. Works on
//! [`EnvelopeEntry`]s that the writer has loaded, gives each write its outcome, and gathers the rows to
//! write. Pure but for taking body files from [`Bodies`]; an erring change is undone here, the others
//! stay. Must not know SQL.

mod aside;
mod tell;
mod withdraw;

use std::collections::{BTreeMap, BTreeSet};

use formats::header::{Class, Header};
use formats::id::{Digest, EnvelopeId, StationName};
use formats::limits;
use formats::reason::Reason;
use formats::statement::{self, Event, Statement};
use formats::time::Timestamp;

use crate::store::body::{Bodies, DISK_FULL_RETRY_MS};
use crate::store::leg::{self, EnvelopeKey, LegId, LegState, Phase};
use crate::store::memory::Memory;
use crate::store::rows::{self, EnvelopeEntry, LegRow};
use crate::store::sqlite::Counters;
use crate::store::{
    Accept, BodyPlace, CommitError, INLINE_BODY_BYTES_MAX, KnownLeg, Move, NewLeg, Outcome,
    StatementDraft, Write,
};

/// What does not change within a batch.
pub(super) struct Circle<'a> {
    pub(super) station: &'a StationName,
    pub(super) clock_unsure: bool,
    pub(super) epoch: i64,
    /// Position of the first statement of this batch.
    pub(super) position: i64,
    pub(super) has_room: bool,
    pub(super) bodies: &'a Bodies,
}

/// A statement to be written, and the leaf it becomes.
#[derive(Debug)]
pub(super) struct PlannedStatement {
    pub(super) envelope_id: EnvelopeId,
    pub(super) header_digest: Digest,
    pub(super) salt: [u8; 32],
    pub(super) leaf: Digest,
    pub(super) body: Vec<u8>,
}

/// A turn of a leg's history to be written.
#[derive(Debug)]
pub(super) struct PlannedTurn {
    pub(super) leg: LegId,
    pub(super) at: Timestamp,
    pub(super) phase: Phase,
    pub(super) reason: Option<Reason>,
    pub(super) next_hop: Option<StationName>,
}

/// The rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) envelopes: Vec<(EnvelopeKey, Box<Accept>)>,
    /// Envelopes taken up again with a new body or another way.
    pub(super) renewed: Vec<(EnvelopeKey, Box<Accept>)>,
    pub(super) conflicts: Vec<Accept>,
    /// Their rows are in the memory.
    pub(super) legs: BTreeSet<LegId>,
    pub(super) turns: Vec<PlannedTurn>,
    pub(super) statements: Vec<PlannedStatement>,
    pub(super) owed: Vec<(i64, StationName)>,
    /// Envelopes whose statements are owed once more, and to whom.
    pub(super) owed_again: Vec<(EnvelopeKey, StationName)>,
    pub(super) settled: Vec<i64>,
    pub(super) evidence: Vec<(EnvelopeKey, Timestamp, Vec<u8>)>,
    pub(super) released: Vec<EnvelopeKey>,
    /// Bodies found damaged.
    pub(super) aside: Vec<aside::PlannedAside>,
    pub(super) doomed: Vec<String>,
    /// Files that rows of this batch took: given back on a rollback.
    pub(super) taken: Vec<String>,
    /// Files that came with what was here already: removed after the commit.
    pub(super) redundant: Vec<String>,
}

/// Where a change began, to undo it.
pub(super) struct Mark {
    lengths: [usize; 14],
    before: BTreeMap<EnvelopeKey, Option<EnvelopeEntry>>,
    recording: bool,
}

/// One batch being decided.
pub(super) struct Planner<'a> {
    pub(super) circle: Circle<'a>,
    pub(super) memory: &'a mut Memory,
    pub(super) counters: Counters,
    pub(super) plan: Plan,
}

impl Planner<'_> {
    /// Applies one change's writes. After an `Err`, or a desk that refuses, [`Self::undo`] it.
    /// `undoable` is false for a change that cannot fail once it was begun: nothing is recorded then.
    pub(super) fn apply(
        &mut self,
        writes: Vec<Write>,
        undoable: bool,
    ) -> (Mark, Result<Vec<Outcome>, CommitError>) {
        let mut mark = self.mark(undoable || writes.len() > 1);
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            match self.write(write, &mut mark) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return (mark, Err(error)),
            }
        }
        (mark, Ok(outcomes))
    }

    /// Takes a change back: the plan and the memory are as they were.
    pub(super) fn undo(&mut self, mark: Mark) {
        for name in self
            .plan
            .taken
            .split_off(mark.lengths[10].min(self.plan.taken.len()))
        {
            self.circle.bodies.put_back(name);
        }
        self.plan.envelopes.truncate(mark.lengths[0]);
        self.plan.renewed.truncate(mark.lengths[1]);
        self.plan.conflicts.truncate(mark.lengths[2]);
        self.plan.turns.truncate(mark.lengths[3]);
        self.plan.statements.truncate(mark.lengths[4]);
        self.plan.owed.truncate(mark.lengths[5]);
        self.plan.settled.truncate(mark.lengths[6]);
        self.plan.evidence.truncate(mark.lengths[7]);
        self.plan.released.truncate(mark.lengths[8]);
        self.plan.doomed.truncate(mark.lengths[9]);
        self.plan.redundant.truncate(mark.lengths[11]);
        self.plan.aside.truncate(mark.lengths[12]);
        self.plan.owed_again.truncate(mark.lengths[13]);
        for (key, before) in mark.before {
            self.memory.remove(key);
            if let Some(entry) = before {
                self.memory.insert(entry);
            }
        }
    }

    fn mark(&self, recording: bool) -> Mark {
        let plan = &self.plan;
        let lengths = [
            plan.envelopes.len(),
            plan.renewed.len(),
            plan.conflicts.len(),
            plan.turns.len(),
            plan.statements.len(),
            plan.owed.len(),
            plan.settled.len(),
            plan.evidence.len(),
            plan.released.len(),
            plan.doomed.len(),
            plan.taken.len(),
            plan.redundant.len(),
            plan.aside.len(),
            plan.owed_again.len(),
        ];
        Mark {
            lengths,
            before: BTreeMap::new(),
            recording,
        }
    }

    fn write(&mut self, write: Write, mark: &mut Mark) -> Result<Outcome, CommitError> {
        match write {
            Write::Accept(accept) => self.accept(accept, mark),
            Write::Move(one) => self.move_leg(&one, mark),
            Write::Withdraw(withdraw) => self.withdraw(*withdraw, mark),
            Write::Route { leg, next_hop } => Ok(self.route(leg, next_hop, mark)),
            Write::SetAside(aside) => Ok(self.set_aside(*aside, mark)),
            Write::SettleReceipts { positions } => {
                self.plan.settled.extend(positions);
                Ok(Outcome::Moved)
            }
            Write::Owe { envelope } => Ok(self.owe_again(envelope)),
            Write::Reject(rejection) => Ok(self.reject(&rejection)),
            Write::ReleaseBody { envelope } => Ok(self.release_kept(envelope, mark)),
            Write::KeepEvidence {
                envelope,
                bundle,
                at,
            } => {
                if !self.memory.knows(envelope) {
                    return Ok(Outcome::Stale);
                }
                self.plan.evidence.push((envelope, at, bundle.encode()));
                Ok(Outcome::Moved)
            }
        }
    }

    fn accept(&mut self, accept: Box<Accept>, mark: &mut Mark) -> Result<Outcome, CommitError> {
        if !self.circle.has_room && needs_room(&accept.header) {
            return Err(CommitError::DiskFull {
                floor_bytes: self.circle.bodies.floor_bytes(),
                retry_after_ms: DISK_FULL_RETRY_MS,
            });
        }
        check(&accept)?;
        if let BodyPlace::File { name, .. } = &accept.body {
            if !self.circle.bodies.take_fresh(name) {
                return Err(CommitError::BodyMissing { name: name.clone() });
            }
            self.plan.taken.push(name.clone());
        }
        let name = rows::name(&accept.header);
        let Some(key) = self.memory.key_of(&name) else {
            return Ok(self.accept_new(accept, mark));
        };
        let known = self.memory.entry(key).map(|entry| entry.header.digest());
        if known != Some(accept.header.digest()) {
            self.discard_body(&accept);
            self.plan.conflicts.push(*accept);
            return Ok(Outcome::IdConflict { envelope: key });
        }
        Ok(self.accept_again(key, accept, mark))
    }

    fn accept_new(&mut self, accept: Box<Accept>, mark: &mut Mark) -> Outcome {
        let key = EnvelopeKey(self.counters.next_envelope);
        self.counters.next_envelope += 1;
        self.record(key, mark);
        let mut entry = EnvelopeEntry {
            key,
            header: accept.header.clone(),
            keep_body: accept.keep_body,
            has_body: true,
            body_file: file_name(&accept.body),
            legs: BTreeMap::new(),
        };
        let mut legs = Vec::with_capacity(accept.legs.len());
        for new in &accept.legs {
            // A recipient named twice is one leg.
            let leg = match entry.leg_of(&new.recipient) {
                Some(leg) => leg,
                None => self.add_leg(&mut entry, new, &accept),
            };
            legs.push(leg);
        }
        self.memory.insert(entry);
        self.plan.envelopes.push((key, accept));
        Outcome::Accepted {
            envelope: key,
            legs,
        }
    }

    fn accept_again(&mut self, key: EnvelopeKey, accept: Box<Accept>, mark: &mut Mark) -> Outcome {
        self.record(key, mark);
        let Some(mut entry) = self.memory.take(key) else {
            return Outcome::Stale;
        };
        let mut legs = Vec::with_capacity(accept.legs.len());
        for new in &accept.legs {
            let (leg, fresh) = match entry.leg_of(&new.recipient) {
                None => (self.add_leg(&mut entry, new, &accept), true),
                Some(leg) => (leg, self.take_up(&mut entry, leg, new, &accept)),
            };
            let state = entry
                .legs
                .get(&leg)
                .map_or(LegState::Queued, |row| row.state.clone());
            legs.push(KnownLeg { leg, state, fresh });
        }
        if legs.iter().any(|leg| leg.fresh) {
            if entry.has_body {
                self.discard_body(&accept);
            } else {
                entry.has_body = true;
                entry.body_file = file_name(&accept.body);
                self.go_on(&mut entry, &accept);
                self.plan.renewed.push((key, accept));
            }
        } else {
            self.discard_body(&accept);
        }
        self.memory.insert(entry);
        Outcome::Duplicate {
            envelope: key,
            legs,
        }
    }

    fn add_leg(&mut self, entry: &mut EnvelopeEntry, new: &NewLeg, accept: &Accept) -> LegId {
        let id = LegId(self.counters.next_leg);
        self.counters.next_leg += 1;
        let row = LegRow {
            id,
            recipient: new.recipient.clone(),
            next_hop: new.next_hop.clone(),
            state: LegState::Queued,
            next_at: accept.received,
            attempt: accept.attempt,
            received: accept.received,
            changed: accept.received,
            last_statement: None,
        };
        entry.legs.insert(id, row);
        self.state_acceptance(entry, id, accept);
        self.plan.legs.insert(id);
        id
    }

    /// Architecture 10: "have" while the leg is held or for an attempt not higher than the one passed
    /// on; a higher attempt is accepted anew. The home station answers with the first outcome always.
    fn take_up(
        &mut self,
        entry: &mut EnvelopeEntry,
        id: LegId,
        new: &NewLeg,
        accept: &Accept,
    ) -> bool {
        let waits = entry
            .legs
            .get(&id)
            .is_some_and(|row| aside::waits_for_body(entry, row));
        let Some(row) = entry.legs.get_mut(&id) else {
            return false;
        };
        if row.next_hop.is_none() && !waits {
            return false;
        }
        // Our copy was damaged: whoever still has a good one gives it to us anew.
        let damaged = waits || matches!(row.state, LegState::Quarantined(_));
        if accept.attempt <= row.attempt && !damaged {
            return false;
        }
        let again = damaged || matches!(row.state, LegState::PassedOn | LegState::Refused(_));
        if !again && row.state.is_final() {
            return false;
        }
        // The next station must see the higher attempt, or it would answer for the lower one.
        row.attempt = row.attempt.max(accept.attempt);
        self.plan.legs.insert(id);
        if !again {
            return false;
        }
        row.state = LegState::Queued;
        if !waits {
            row.next_hop.clone_from(&new.next_hop);
        }
        row.next_at = accept.received;
        row.changed = accept.received;
        self.state_acceptance(entry, id, accept);
        true
    }

    fn state_acceptance(&mut self, entry: &mut EnvelopeEntry, id: LegId, accept: &Accept) {
        if let Some(event) = accept.event {
            let next_station = entry.legs.get(&id).and_then(|row| row.next_hop.clone());
            let draft = StatementDraft {
                event,
                reason: None,
                next_station,
            };
            let position = self.state(entry, id, draft, accept.received);
            // The station before has it with our custody. If that is not the sender's, the sender's gets it
            // with the next receipts for it; nobody is woken for it. A tombstone took nothing over.
            let sender = &entry.header.context().sender_station;
            let further = accept.from.as_ref().is_some_and(|from| from != sender);
            if event == Event::RelayAcceptance && further {
                self.plan.owed.push((position, sender.clone()));
            }
        }
    }

    fn move_leg(&mut self, one: &Move, mark: &mut Mark) -> Result<Outcome, CommitError> {
        let Some((entry, row)) = self.memory.leg(one.leg) else {
            return Ok(Outcome::Stale);
        };
        let expected = if one.expect.is_empty() {
            !row.state.is_final()
        } else {
            one.expect.iter().any(|state| state.same_kind(&row.state))
        };
        if !expected {
            return Ok(Outcome::Stale);
        }
        if !leg::is_legal(&row.state, &one.to, row.circumstances(entry.has_body)) {
            let (from, to) = (row.state.word(), one.to.word());
            return Err(CommitError::IllegalMove {
                leg: one.leg,
                from,
                to,
            });
        }
        let key = entry.key;
        self.record(key, mark);
        let Some(mut entry) = self.memory.take(key) else {
            return Ok(Outcome::Stale);
        };
        self.set_state(&mut entry, one);
        if let Some(draft) = &one.statement {
            let position = self.state(&mut entry, one.leg, draft.clone(), one.at);
            if one.owe_receipt {
                let station = entry.header.context().sender_station.clone();
                self.plan.owed.push((position, station));
            }
        }
        if let Some(bundle) = &one.evidence {
            self.plan.evidence.push((key, one.at, bundle.encode()));
        }
        if entry.is_done() && !entry.keep_body && !entry.is_evidence() {
            self.release(&mut entry);
        }
        self.memory.put_back(entry);
        Ok(Outcome::Moved)
    }

    fn set_state(&mut self, entry: &mut EnvelopeEntry, one: &Move) {
        let Some(row) = entry.legs.get_mut(&one.leg) else {
            return;
        };
        let again = row.state.is_final() && one.to == LegState::Queued;
        if again {
            row.attempt = row.attempt.saturating_add(1);
        }
        match &one.to {
            // A retry that is queued again keeps its place by age.
            LegState::Queued => row.next_at = if again { one.at } else { row.received },
            LegState::WaitingRetry { next_at, .. } => row.next_at = *next_at,
            LegState::Offered
            | LegState::Held
            | LegState::PassedOn
            | LegState::Refused(_)
            | LegState::Expired
            | LegState::Withdrawn
            | LegState::Quarantined(_) => {}
        }
        let plain = matches!(
            one.to,
            LegState::Queued | LegState::Offered | LegState::PassedOn
        );
        if !plain || again {
            self.plan.turns.push(PlannedTurn {
                leg: one.leg,
                at: one.at,
                phase: one.to.phase(),
                reason: one.to.reason(),
                next_hop: row.next_hop.clone(),
            });
        }
        row.state = one.to.clone();
        row.changed = one.at;
        self.plan.legs.insert(one.leg);
    }

    fn route(&mut self, leg: LegId, next_hop: Option<StationName>, mark: &mut Mark) -> Outcome {
        let Some((entry, row)) = self.memory.leg(leg) else {
            return Outcome::Stale;
        };
        if row.state.is_final() {
            return Outcome::Stale;
        }
        let key = entry.key;
        self.record(key, mark);
        if let Some(row) = self
            .memory
            .entry_mut(key)
            .and_then(|entry| entry.legs.get_mut(&leg))
        {
            row.next_hop = next_hop;
            self.plan.legs.insert(leg);
        }
        Outcome::Moved
    }

    fn release_kept(&mut self, key: EnvelopeKey, mark: &mut Mark) -> Outcome {
        let free = |entry: &EnvelopeEntry| entry.is_done() && !entry.is_evidence();
        if !self.memory.entry(key).is_some_and(free) {
            return Outcome::Stale;
        }
        self.record(key, mark);
        if let Some(mut entry) = self.memory.take(key) {
            self.release(&mut entry);
            self.memory.put_back(entry);
        }
        Outcome::Moved
    }

    fn release(&mut self, entry: &mut EnvelopeEntry) {
        if entry.has_body {
            entry.has_body = false;
            self.plan.released.push(entry.key);
            self.plan.doomed.extend(entry.body_file.take());
        }
    }

    /// The body that came with a repetition is not needed.
    fn discard_body(&mut self, accept: &Accept) {
        self.plan.redundant.extend(file_name(&accept.body));
    }

    /// Writes a statement and returns its position.
    fn state(
        &mut self,
        entry: &mut EnvelopeEntry,
        id: LegId,
        draft: StatementDraft,
        at: Timestamp,
    ) -> i64 {
        let statements = i64::try_from(self.plan.statements.len()).unwrap_or(i64::MAX);
        let position = self.circle.position + statements;
        let Some(row) = entry.legs.get_mut(&id) else {
            return position;
        };
        let header_digest = entry.header.digest();
        let context = entry.header.context();
        let epoch = self.circle.epoch;
        let prev = row
            .last_statement
            .filter(|(of, _)| *of == epoch)
            .map(|(_, digest)| digest);
        let statement = Statement {
            event: draft.event,
            envelope: context.id,
            header_digest,
            commitment: context.commitment,
            sender: context.sender.clone(),
            recipient: row.recipient.clone(),
            time: at,
            station: self.circle.station.clone(),
            next_station: draft.next_station,
            reason: draft.reason,
            prev: prev.unwrap_or(header_digest),
            clock_unsure: self.circle.clock_unsure,
        };
        let digest = self.log(&statement);
        row.last_statement = Some((epoch, digest));
        self.plan.legs.insert(id);
        position
    }

    /// The statement's leaf, and the digest of its text.
    fn log(&mut self, statement: &Statement) -> Digest {
        let body = statement.to_json();
        let digest = Digest::of(&body);
        let salt: [u8; 32] = rand::random();
        self.plan.statements.push(PlannedStatement {
            envelope_id: statement.envelope,
            header_digest: statement.header_digest,
            salt,
            leaf: statement::leaf_hash(&salt, &body),
            body,
        });
        digest
    }

    fn record(&mut self, key: EnvelopeKey, mark: &mut Mark) {
        if mark.recording && !mark.before.contains_key(&key) {
            mark.before.insert(key, self.memory.entry(key).cloned());
        }
    }
}

fn file_name(place: &BodyPlace) -> Option<String> {
    match place {
        BodyPlace::Inline(_) => None,
        BodyPlace::File { name, .. } => Some(name.clone()),
    }
}

/// What a caller must have checked before; an error here is our bug.
fn check(accept: &Accept) -> Result<(), CommitError> {
    let header = &accept.header;
    let bytes = match &accept.body {
        BodyPlace::Inline(body) => u64::try_from(body.len()).unwrap_or(u64::MAX),
        BodyPlace::File { bytes, .. } => *bytes,
    };
    let inline = matches!(accept.body, BodyPlace::Inline(_));
    let problem = if bytes != header.body_bytes() {
        format!(
            "body of {bytes} bytes under a header that says {}",
            header.body_bytes()
        )
    } else if inline && bytes > INLINE_BODY_BYTES_MAX {
        format!("inline body of {bytes} bytes")
    } else if accept.legs.is_empty() {
        "no legs".to_owned()
    } else if let Some(leg) = accept
        .legs
        .iter()
        .find(|leg| !header.context().recipients.contains(&leg.recipient))
    {
        format!("{} is not a recipient", leg.recipient.as_str())
    } else {
        return Ok(());
    };
    Err(CommitError::Malformed(problem))
}

/// Whether the floor of free space holds for this envelope. Small receipts and control messages are taken
/// below it: they are what lets a full station free the bodies it keeps.
pub(crate) fn needs_room(header: &Header) -> bool {
    let returns = matches!(header.context().class, Class::Control | Class::Receipt);
    !(returns && header.body_bytes() <= limits::INLINE_BODY_BYTES_MAX)
}
