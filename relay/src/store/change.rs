//! What a caller can ask of the store, and what it gets back: typed writes, never SQL. A [`Change`] is
//! applied whole or not at all, in one durable commit with others. Owns the words of the store's edge;
//! must not know how they are written.

use std::sync::Arc;

use bytes::Bytes;
use formats::header::Header;
use formats::id::{AgencyCode, Digest, EnvelopeId, Party, StationName};
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::statement::Event;
use formats::time::Timestamp;
use futures_util::future::BoxFuture;

use crate::store::desk_rows::DeskRows;
use crate::store::leg::{EnvelopeKey, LegId, LegState};

/// Writes that become durable together or not at all.
pub struct Change {
    /// The station's part, applied in this order; each write gives one [`Outcome`].
    pub station: Vec<Write>,
    /// The desk's part. It sees the outcomes and may refuse, which undoes the whole change.
    pub desk: Option<Box<dyn DeskWrite>>,
}

impl Change {
    /// A change of the station's tables only.
    #[must_use]
    pub fn of(station: Vec<Write>) -> Self {
        Self {
            station,
            desk: None,
        }
    }

    /// A change of both, or (empty `station`) of the desk's tables only.
    #[must_use]
    pub fn with_desk(station: Vec<Write>, desk: Box<dyn DeskWrite>) -> Self {
        Self {
            station,
            desk: Some(desk),
        }
    }
}

impl Change {
    /// Whether it would state something.
    pub(super) fn states(&self) -> bool {
        self.station.iter().any(|write| match write {
            Write::Accept(accept) => accept.event.is_some(),
            Write::Move(one) => one.statement.is_some(),
            Write::Reject(_) | Write::Withdraw(_) => true,
            Write::Owe { .. }
            | Write::Route { .. }
            | Write::SettleReceipts { .. }
            | Write::ReleaseBody { .. }
            | Write::KeepEvidence { .. } => false,
            Write::SetAside(_) => true,
        })
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let desk = self.desk.is_some();
        f.debug_struct("Change")
            .field("station", &self.station)
            .field("desk", &desk)
            .finish()
    }
}

/// The desk's way into the station's commit. Implemented by `node`; touches the desk's tables only:
/// the station's rows of the same change are written after it.
pub trait DeskWrite: Send {
    /// Writes its rows inside the commit. `outcomes` has one entry per write of the same change.
    /// An `Err` undoes this change alone. Results go back by a channel of the implementor's own, and
    /// count only when [`crate::store::Store::commit`] answered `Ok`.
    /// Must not wait for anything but `rows`: every other commit of the station waits behind it.
    fn apply<'c>(
        self: Box<Self>,
        rows: &'c mut DeskRows<'_>,
        outcomes: &'c [Outcome],
    ) -> BoxFuture<'c, Result<(), DeskRefusal>>;
}

/// Why the desk's part was not applied.
#[derive(Debug, thiserror::Error)]
pub enum DeskRefusal {
    /// The desk's own rule: for example the outcome was [`Outcome::Stale`] or a key is taken.
    #[error("{0}")]
    Refused(String),
    /// Its SQL did not run. An I/O error in here ends the process like any other.
    #[error("desk tables: {0}")]
    Database(#[from] sqlx::Error),
}

impl DeskRefusal {
    /// A refusal by a rule, in words for the log.
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }
}

/// One typed write.
#[derive(Debug, Clone)]
pub enum Write {
    /// Takes custody of legs of an envelope.
    Accept(Box<Accept>),
    /// Moves a leg to another state.
    Move(Box<Move>),
    /// Sends a leg another way; its state stays. Gives [`Outcome::Moved`] or [`Outcome::Stale`].
    Route {
        /// Which leg; final ones are left alone.
        leg: LegId,
        /// The new way; `None` = this station is its home.
        next_hop: Option<StationName>,
    },
    /// These owed receipts are in an envelope of class `receipt` that the same change accepts.
    SettleReceipts {
        /// Positions as [`crate::store::OwedReceipts`] gave them.
        positions: Vec<i64>,
    },
    /// The sender takes legs back that this station is the home of (architecture 5): a leg that is not
    /// final becomes [`LegState::Withdrawn`]; one that has not come yet is withdrawn before it comes.
    /// Gives [`Outcome::Moved`] if a leg was withdrawn, [`Outcome::Stale`] if none was,
    /// [`Outcome::IdConflict`] if another header has this (sender, id).
    Withdraw(Box<Withdraw>),
    /// The stored body is not what the signed header says: the copy is set aside and kept, legs that are
    /// not final wait for a good one, and the sender's station is told by a statement, so that it offers
    /// the envelope again. Stale if the envelope is not known or has no body.
    SetAside(Box<SetAside>),
    /// The sender's station asked for our statements about this envelope again: they are owed to it once more.
    /// Stale if the envelope is not known.
    Owe {
        /// Which envelope.
        envelope: EnvelopeKey,
    },
    /// The sender's desk refuses a packet for good (architecture 5): a SubmissionRejection, about no envelope.
    Reject(Box<Rejection>),
    /// The keeper (`keep_body`) needs the body no longer. Stale if a leg is not final yet or in
    /// quarantine.
    ReleaseBody {
        /// Whose body.
        envelope: EnvelopeKey,
    },
    /// Keeps a bundle of another station's statements with an envelope. Stale if it is not known.
    KeepEvidence {
        /// Which envelope the bundle speaks of.
        envelope: EnvelopeKey,
        /// The bundle, already verified by the caller.
        bundle: Arc<ReceiptBundle>,
        /// When it came.
        at: Timestamp,
    },
}

impl From<Accept> for Write {
    fn from(accept: Accept) -> Self {
        Self::Accept(Box::new(accept))
    }
}

impl From<SetAside> for Write {
    fn from(aside: SetAside) -> Self {
        Self::SetAside(Box::new(aside))
    }
}

impl From<Rejection> for Write {
    fn from(rejection: Rejection) -> Self {
        Self::Reject(Box::new(rejection))
    }
}

impl From<Withdraw> for Write {
    fn from(withdraw: Withdraw) -> Self {
        Self::Withdraw(Box::new(withdraw))
    }
}

impl From<Move> for Write {
    fn from(one: Move) -> Self {
        Self::Move(Box::new(one))
    }
}

/// Custody of legs of one envelope. The header signature has been verified by the caller: what fails
/// authentication occupies no key (architecture 5).
#[derive(Debug, Clone)]
pub struct Accept {
    /// The signed header.
    pub header: Arc<Header>,
    /// Its CMS signature.
    pub header_signature: Vec<u8>,
    /// Size of piece 0 of the body.
    pub capsule_bytes: u32,
    /// The durable body; a file counts as this envelope's from the commit on.
    pub body: BodyPlace,
    /// Who of the recipients, and which way. At most 256.
    pub legs: Vec<NewLeg>,
    /// Stations it came through, the first station first.
    pub via: Vec<StationName>,
    /// Which attempt of the sender's node; 1 at first.
    pub attempt: u32,
    /// The neighbour that offered it; `None` = own desk.
    pub from: Option<StationName>,
    /// When.
    pub received: Timestamp,
    /// States this event for each leg taken; `None` = says nothing.
    pub event: Option<Event>,
    /// Keep the body when all legs are final, until [`Write::ReleaseBody`].
    pub keep_body: bool,
}

/// A tombstone: what the sender took back. The header signature has been verified by the caller.
#[derive(Debug, Clone)]
pub struct Withdraw {
    /// The signed header of what is taken back.
    pub header: Arc<Header>,
    /// Its CMS signature.
    pub header_signature: Vec<u8>,
    /// Which of its recipients; this station is their home.
    pub recipients: Vec<Party>,
    /// When.
    pub at: Timestamp,
}

/// A body that was found damaged.
#[derive(Debug, Clone)]
pub struct SetAside {
    /// Whose body.
    pub envelope: EnvelopeKey,
    /// When it was found.
    pub at: Timestamp,
    /// What is wrong with it, in words.
    pub problem: String,
}

/// A packet that was read and is refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Names the refusal.
    pub id: EnvelopeId,
    /// Who wanted to send it.
    pub sender: AgencyCode,
    /// SHA-256 of the packet.
    pub packet: Digest,
    /// Why.
    pub reason: Reason,
    /// When.
    pub at: Timestamp,
}

/// One leg of an [`Accept`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLeg {
    /// One of the header's recipients.
    pub recipient: Party,
    /// The next station; `None` = this station is its home.
    pub next_hop: Option<StationName>,
}

/// One leg's move.
#[derive(Debug, Clone)]
pub struct Move {
    /// Which leg.
    pub leg: LegId,
    /// Only from one of these states (reason and times inside are not compared); empty = any not final.
    pub expect: Vec<LegState>,
    /// To this state. `Queued` from a final state is a new attempt and counts as such.
    pub to: LegState,
    /// When.
    pub at: Timestamp,
    /// What to state about it, if it is a fact for others.
    pub statement: Option<StatementDraft>,
    /// Send the statement to the station the header names as the sender's.
    pub owe_receipt: bool,
    /// The other station's statement that caused the move, kept with the envelope. Already verified.
    pub evidence: Option<Arc<ReceiptBundle>>,
}

/// What a statement says beyond what the leg says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementDraft {
    /// What happened.
    pub event: Event,
    /// Why, for refusals and failures.
    pub reason: Option<Reason>,
    /// Who has custody next, for RelayAcceptance.
    pub next_station: Option<StationName>,
}

/// Where a sealed body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyPlace {
    /// In the database row: `capsule ‖ chunks`, at most [`crate::store::INLINE_BODY_BYTES_MAX`].
    Inline(Bytes),
    /// In a file of [`crate::store::body::Bodies`].
    File {
        /// Random; never from a peer.
        name: String,
        /// Capsule and chunks, without what the file keeps beside them.
        bytes: u64,
    },
}

/// What one write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The envelope is new here.
    Accepted {
        /// Its key.
        envelope: EnvelopeKey,
        /// In the order of [`Accept::legs`].
        legs: Vec<LegId>,
    },
    /// The envelope was here; legs that were not are added.
    Duplicate {
        /// Its key.
        envelope: EnvelopeKey,
        /// In the order of [`Accept::legs`].
        legs: Vec<KnownLeg>,
    },
    /// Another header has this (sender, id); both are kept as evidence, nothing is accepted.
    IdConflict {
        /// The envelope that came first.
        envelope: EnvelopeKey,
    },
    /// The leg moved; for the other writes: done.
    Moved,
    /// The leg (or envelope) was not in a state that allows it, or is not known.
    Stale,
}

/// A leg of a [`Outcome::Duplicate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLeg {
    /// The leg.
    pub leg: LegId,
    /// Its state after the change.
    pub state: LegState,
    /// Accepted by this change: it is new, or the sender's higher attempt took it up again.
    pub fresh: bool,
}

/// The answer to a durable [`Change`].
#[derive(Debug, Clone)]
pub struct Committed {
    /// One per write, in order.
    pub outcomes: Vec<Outcome>,
    /// Every statement of this change with its proof in a signed checkpoint; `None` = it stated nothing.
    pub bundle: Option<ReceiptBundle>,
}

/// Why a [`Change`] has no answer of success.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Not applied: the desk's part said no.
    #[error("the desk refused: {0}")]
    Desk(#[source] DeskRefusal),
    /// Not applied: too little room on the disk. Moves that free room still go.
    #[error("free space is below the floor of {floor_bytes} bytes")]
    DiskFull {
        /// The floor.
        floor_bytes: u64,
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// Not applied: another process holds the database, or the log is stopped until its next epoch
    /// ([`crate::store::Store::stop_stating`]).
    #[error("the database or the log is busy")]
    Busy {
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// Not applied: the named body file is not one that was finished here and is still unnamed.
    #[error("body file {name} is not here")]
    BodyMissing {
        /// The file.
        name: String,
    },
    /// Not applied, our bug: the table of moves does not have it.
    #[error("leg {leg} cannot move from {from} to {to}")]
    IllegalMove {
        /// The leg.
        leg: LegId,
        /// Its state.
        from: &'static str,
        /// The asked one.
        to: &'static str,
    },
    /// Not applied, our bug: what was asked cannot be written.
    #[error("malformed change: {0}")]
    Malformed(String),
    /// Durable, but the checkpoint could not be signed, so there is no proof to give out. Ask again:
    /// the answer will be a duplicate with proofs once the key works.
    #[error("committed, but the evidence key did not sign: {0}")]
    Unsigned(String),
    /// The store is closing; whether the change was applied is not known. Nothing was answered for it.
    #[error("the store is closed")]
    Closed,
}

/// A conflicting header that was refused, kept as evidence.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// Whose id.
    pub sender: Party,
    /// The id both have.
    pub id: EnvelopeId,
    /// The header that came second.
    pub header: Vec<u8>,
    /// Its CMS signature.
    pub header_signature: Vec<u8>,
    /// Who offered it.
    pub from: Option<StationName>,
    /// When.
    pub received: Timestamp,
}
