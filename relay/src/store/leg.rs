//! A leg's life at one station: its states, which moves between them are legal, and how a state is
//! written in the database. Pure; fails only by saying that a move is not legal; must not know SQL,
//! files or the network.

use std::fmt;

use formats::id::{Party, StationName};
use formats::reason::Reason;
use formats::time::Timestamp;

/// Names one leg (one envelope for one recipient) in this station's database; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub i64);

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one envelope in this station's database; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeKey(pub i64);

impl fmt::Display for EnvelopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a leg stands at this station (architecture 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegState {
    /// Waits for its turn on the link to its next hop, or for the desk if it is local.
    Queued,
    /// Being transferred now. A restart makes it [`LegState::Queued`] again.
    Offered,
    /// The last try did not work; try again at `next_at`.
    WaitingRetry {
        /// Why the last try did not work.
        reason: Reason,
        /// Not before this time.
        next_at: Timestamp,
        /// How many tries there were, for the backoff.
        attempt: u32,
    },
    /// Kept on purpose: a person or a revocation decides.
    Held,
    /// Final: the next station has custody, or (local leg) the desk has it.
    PassedOn,
    /// Final: refused for this reason.
    Refused(Reason),
    /// Final: its time ran out here.
    Expired,
    /// Final: its sender took it back.
    Withdrawn,
    /// Final: did not verify; kept with its evidence and given to nobody.
    Quarantined(Reason),
}

impl LegState {
    /// No move by itself leaves this state.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Queued | Self::Offered | Self::WaitingRetry { .. } | Self::Held => false,
            Self::PassedOn
            | Self::Refused(_)
            | Self::Expired
            | Self::Withdrawn
            | Self::Quarantined(_) => true,
        }
    }

    /// The reason the state carries.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::WaitingRetry { reason, .. }
            | Self::Refused(reason)
            | Self::Quarantined(reason) => Some(*reason),
            Self::Queued
            | Self::Offered
            | Self::Held
            | Self::PassedOn
            | Self::Expired
            | Self::Withdrawn => None,
        }
    }

    /// The word for it, the same in code, log, screen and database.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Offered => "offered",
            Self::WaitingRetry { .. } => "waiting_retry",
            Self::Held => "held",
            Self::PassedOn => "passed_on",
            Self::Refused(_) => "refused",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Quarantined(_) => "quarantined",
        }
    }

    /// Same state, whatever the reason and times in it.
    #[must_use]
    pub fn same_kind(&self, other: &Self) -> bool {
        self.phase() == other.phase()
    }

    pub(crate) const fn phase(&self) -> Phase {
        match self {
            Self::Queued => Phase::Queued,
            Self::Offered => Phase::Offered,
            Self::WaitingRetry { .. } => Phase::WaitingRetry,
            Self::Held => Phase::Held,
            Self::PassedOn => Phase::PassedOn,
            Self::Refused(_) => Phase::Refused,
            Self::Expired => Phase::Expired,
            Self::Withdrawn => Phase::Withdrawn,
            Self::Quarantined(_) => Phase::Quarantined,
        }
    }
}

/// The kind of a state as its number in the column `phase`. Final ones are from 4 on: indexes rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    Queued,
    Offered,
    WaitingRetry,
    Held,
    PassedOn,
    Refused,
    Expired,
    Withdrawn,
    Quarantined,
}

impl Phase {
    pub(crate) const ALL: [Self; 9] = [
        Self::Queued,
        Self::Offered,
        Self::WaitingRetry,
        Self::Held,
        Self::PassedOn,
        Self::Refused,
        Self::Expired,
        Self::Withdrawn,
        Self::Quarantined,
    ];

    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Queued => 0,
            Self::Offered => 1,
            Self::WaitingRetry => 2,
            Self::Held => 3,
            Self::PassedOn => 4,
            Self::Refused => 5,
            Self::Expired => 6,
            Self::Withdrawn => 7,
            Self::Quarantined => 8,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.code() == code)
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Offered => "offered",
            Self::WaitingRetry => "waiting_retry",
            Self::Held => "held",
            Self::PassedOn => "passed_on",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What the table of moves needs to know about a leg besides its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// The recipient's home is this station.
    pub(crate) local: bool,
    /// The body is still here, so the leg can be offered again.
    pub(crate) has_body: bool,
}

/// The table of moves. A leg that is not final may go anywhere; what is final stays, with three
/// exceptions that promises 1 and 2 need: the sender's station offers a leg again while it keeps the
/// body; the home station states `handed_over` after `delivered` on a leg its desk already has; a
/// quarantined leg is let go or given up by a person.
pub(crate) fn is_legal(from: &LegState, to: &LegState, leg: Circumstances) -> bool {
    match from.phase() {
        Phase::Queued | Phase::Offered | Phase::WaitingRetry | Phase::Held => {
            // `offered` means a transfer to another station: a local leg has none.
            to.phase() != Phase::Offered || !leg.local
        }
        Phase::PassedOn => match to.phase() {
            Phase::Queued => !leg.local && leg.has_body,
            Phase::PassedOn => leg.local,
            Phase::Refused => leg.local,
            Phase::Offered
            | Phase::WaitingRetry
            | Phase::Held
            | Phase::Expired
            | Phase::Withdrawn
            | Phase::Quarantined => false,
        },
        Phase::Refused => to.phase() == Phase::Queued && !leg.local && leg.has_body,
        Phase::Quarantined => match to.phase() {
            Phase::Queued => leg.has_body,
            Phase::Refused | Phase::Expired => true,
            Phase::Offered
            | Phase::WaitingRetry
            | Phase::Held
            | Phase::PassedOn
            | Phase::Withdrawn
            | Phase::Quarantined => false,
        },
        Phase::Expired | Phase::Withdrawn => false,
    }
}

/// A leg that may be worked on now, without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueLeg {
    /// The leg.
    pub leg: LegId,
    /// Its envelope; legs of one envelope with the same next hop travel in one transfer.
    pub envelope: EnvelopeKey,
    /// Whom it is for.
    pub recipient: Party,
    /// Where it goes next; `None` = here.
    pub next_hop: Option<StationName>,
    /// `queued`, `waiting_retry` or (restart of a local leg) `held`.
    pub state: LegState,
    /// Which attempt of the sender's node this is; travels in the offer.
    pub attempt: u32,
    /// Number of the header's priority, 0 to 4.
    pub priority: u8,
    /// When this station took it.
    pub received: Timestamp,
}
