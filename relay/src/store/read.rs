//! What the store can be asked: legs that are due, envelopes, the queue's shape, a leg's history, the
//! receipts owed, the statements of an envelope with proofs. Owns the types of the answers and the
//! queries behind them; fails by [`ReadError`]; changes nothing.

use std::sync::Arc;

use formats::header::Header;
use formats::id::{EnvelopeId, Party, StationName};
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::time::Timestamp;

use crate::store::body::{BodyError, BodyReader};
use crate::store::{BodyPlace, Conflict, DueLeg, EnvelopeKey, LegId, LegState, Store};

/// Why a read gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A row does not parse: the database was changed by another hand, or our bug.
    #[error("{table} row {row}: {problem}")]
    Damaged {
        /// Which table.
        table: &'static str,
        /// Its key.
        row: i64,
        /// What does not parse.
        problem: String,
    },
    /// A proof from the stored tiles does not lead to the signed root.
    #[error("leaf {index} does not lead to the root of size {size}")]
    Unprovable {
        /// Which leaf.
        index: u64,
        /// In which tree.
        size: u64,
    },
    /// SQLite.
    #[error("database")]
    Database(#[from] sqlx::Error),
}

/// An envelope as it lies here.
#[derive(Debug, Clone)]
pub struct StoredEnvelope {
    /// Its key.
    pub key: EnvelopeKey,
    /// The signed header.
    pub header: Arc<Header>,
    /// Its CMS signature.
    pub header_signature: Vec<u8>,
    /// Size of piece 0 of the body.
    pub capsule_bytes: u32,
    /// Where it came through before this station.
    pub via: Vec<StationName>,
    /// The neighbour that offered it first; `None` = own desk.
    pub from: Option<StationName>,
    /// When it came first.
    pub received: Timestamp,
    /// The body; `None` once it is released.
    pub body: Option<BodyPlace>,
}

/// A leg as it stands, with its envelope's name.
#[derive(Debug, Clone)]
pub struct LegRecord {
    /// The leg.
    pub leg: LegId,
    /// Its envelope.
    pub envelope: EnvelopeKey,
    /// Whom it is for.
    pub recipient: Party,
    /// Where it goes next or went last; `None` = here.
    pub next_hop: Option<StationName>,
    /// Its state.
    pub state: LegState,
    /// The sender's attempt.
    pub attempt: u32,
    /// When this station took it.
    pub received: Timestamp,
    /// When its state changed last.
    pub changed: Timestamp,
}

/// One turn in a leg's history that was not the plain way: a retry, a hold, a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegTurn {
    /// When.
    pub at: Timestamp,
    /// The state's word.
    pub state: String,
    /// Why.
    pub reason: Option<Reason>,
    /// The next hop at that time.
    pub next_hop: Option<StationName>,
}

/// Receipts that this station owes another one.
#[derive(Debug, Clone)]
pub struct OwedReceipts {
    /// To whom.
    pub station: StationName,
    /// For [`crate::store::Write::SettleReceipts`].
    pub positions: Vec<i64>,
    /// The statements with proofs in the newest head.
    pub bundle: ReceiptBundle,
}

/// Which checkpoint proofs lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofBase {
    /// The newest signed head.
    Newest,
    /// The first time-stamped checkpoint that covers all the statements; the newest head if none does.
    FirstStamped,
}

/// How many legs there are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCount {
    /// The state's word.
    pub state: &'static str,
    /// How many.
    pub legs: u64,
}

/// What waits for one next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Where to; `None` = the own desk.
    pub next_hop: Option<StationName>,
    /// Legs not final.
    pub legs: u64,
    /// Of them, in `waiting_retry`.
    pub waiting_retry: u64,
    /// When the oldest of them came.
    pub oldest: Timestamp,
    /// Legs by age: up to 1 minute, 5 minutes, 1 hour, 1 day, and more.
    pub ages: [u64; 5],
}

/// What waits here, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueShape {
    /// One entry a state that is not final.
    pub states: Vec<StateCount>,
    /// One entry a next hop, most legs first.
    pub destinations: Vec<Destination>,
    /// Receipts that are not in an envelope yet.
    pub owed_receipts: u64,
}
