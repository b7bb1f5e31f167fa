//! Words that every view shares: phrases, reasons, the two ladders of states, counts, pages.
//! Nothing here reads a store, a clock or a file.

use formats::event::Event;
use formats::reason::Reason;
use formats::time::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

/// The same sentence in both languages of the product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phrase {
    /// Vietnamese, shown first.
    pub vi: String,
    /// English.
    pub en: String,
}

impl Phrase {
    /// A phrase from its two texts.
    pub fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            vi: vi.into(),
            en: en.into(),
        }
    }
}

/// A reason code with its texts: why something was refused or waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonView {
    /// Stable code, for example `unknown_agency`.
    pub code: String,
    /// No other road and no later attempt can cure it.
    pub permanent: bool,
    /// The reason in words.
    pub text: Phrase,
}

impl From<Reason> for ReasonView {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code().to_owned(),
            permanent: reason.permanent(),
            text: Phrase::new(reason.vi(), reason.en()),
        }
    }
}

/// State of one recipient at the sender's desk (architecture 5). `Ord` is the order of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientState {
    /// The own station took the document; it is durable here.
    Accepted,
    /// A neighbour took custody.
    Relayed,
    /// The home station of the recipient has it, opened and verified.
    Delivered,
    /// The recipient's system acknowledged it. Final.
    HandedOver,
    /// Refused for good. Final.
    Refused,
    /// No statement of delivery before the end of its life. Final unless a proof arrives late.
    Expired,
    /// Recalled before delivery. Final unless a proof of delivery arrives late.
    Withdrawn,
}

impl RecipientState {
    /// Every state in the order of the ladder.
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Relayed,
        Self::Delivered,
        Self::HandedOver,
        Self::Refused,
        Self::Expired,
        Self::Withdrawn,
    ];

    /// The word in the API and the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Relayed => "relayed",
            Self::Delivered => "delivered",
            Self::HandedOver => "handed_over",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state of a code, if it is one.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The state that a statement of this event proves, by the one table of events.
    #[must_use]
    pub fn proven_by(event: Event) -> Option<Self> {
        event.row().proves.word().and_then(Self::parse)
    }

    /// What a clerk reads.
    pub fn text(self) -> Phrase {
        match self {
            Self::Accepted => Phrase::new("Trạm gửi đã nhận", "Accepted by the sending station"),
            Self::Relayed => Phrase::new("Đã chuyển qua trục", "Taken over by the backbone"),
            Self::Delivered => {
                Phrase::new("Đã đến trạm cơ quan nhận", "At the recipient's station")
            }
            Self::HandedOver => {
                Phrase::new("Hệ thống QLVB đã nhận", "Taken by the recipient's system")
            }
            Self::Refused => Phrase::new("Bị từ chối", "Refused"),
            Self::Expired => Phrase::new("Không giao được", "Not delivered in time"),
            Self::Withdrawn => Phrase::new("Đã thu hồi", "Withdrawn"),
        }
    }

    /// Nothing more is expected for this recipient.
    pub fn is_final(self) -> bool {
        match self {
            Self::Accepted | Self::Relayed | Self::Delivered => false,
            Self::HandedOver | Self::Refused | Self::Expired | Self::Withdrawn => true,
        }
    }
}

/// How many recipients of a document are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StateCounts {
    /// In `accepted`.
    pub accepted: u64,
    /// In `relayed`.
    pub relayed: u64,
    /// In `delivered`.
    pub delivered: u64,
    /// In `handed_over`.
    pub handed_over: u64,
    /// In `refused`.
    pub refused: u64,
    /// In `expired`.
    pub expired: u64,
    /// In `withdrawn`.
    pub withdrawn: u64,
}

impl StateCounts {
    /// The count of one state.
    pub fn of(&self, state: RecipientState) -> u64 {
        match state {
            RecipientState::Accepted => self.accepted,
            RecipientState::Relayed => self.relayed,
            RecipientState::Delivered => self.delivered,
            RecipientState::HandedOver => self.handed_over,
            RecipientState::Refused => self.refused,
            RecipientState::Expired => self.expired,
            RecipientState::Withdrawn => self.withdrawn,
        }
    }

    /// Adds recipients to one state.
    pub fn add(&mut self, state: RecipientState, more: u64) {
        let count = match state {
            RecipientState::Accepted => &mut self.accepted,
            RecipientState::Relayed => &mut self.relayed,
            RecipientState::Delivered => &mut self.delivered,
            RecipientState::HandedOver => &mut self.handed_over,
            RecipientState::Refused => &mut self.refused,
            RecipientState::Expired => &mut self.expired,
            RecipientState::Withdrawn => &mut self.withdrawn,
        };
        *count = count.saturating_add(more);
    }

    /// Recipients in all.
    pub fn total(&self) -> u64 {
        RecipientState::ALL
            .into_iter()
            .map(|state| self.of(state))
            .sum()
    }

    /// Recipients that have it: `delivered` and `handed_over`.
    pub fn arrived(&self) -> u64 {
        self.delivered.saturating_add(self.handed_over)
    }

    /// The state that decides the row's badge: trouble first, then the one furthest behind.
    pub fn worst(&self) -> RecipientState {
        [
            RecipientState::Refused,
            RecipientState::Expired,
            RecipientState::Accepted,
            RecipientState::Relayed,
            RecipientState::Delivered,
            RecipientState::HandedOver,
            RecipientState::Withdrawn,
        ]
        .into_iter()
        .find(|state| self.of(*state) > 0)
        .unwrap_or(RecipientState::Accepted)
    }
}

/// One fault or warning of a packet, with the path it was found at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    /// Stable code, for example `E-RECEIVER` or `N.MessageHeader.From.OrganId`.
    pub code: String,
    /// Path of the element inside the packet, or empty.
    pub path: String,
    /// What is wrong and what to do.
    pub text: Phrase,
}

/// One page of a list, newest first.
#[derive(Clone, Debug, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Opaque cursor of the next page; absent on the last.
    pub next: Option<String>,
}

/// State of a received document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InboxState {
    /// Verified and waiting for the DMS.
    New,
    /// Leased by a claim that still runs.
    Claimed,
    /// Handed over.
    Acknowledged,
    /// Did not verify: kept with the evidence of it, never handed over.
    Quarantined,
}

impl InboxState {
    /// The word in the API and the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Claimed => "claimed",
            Self::Acknowledged => "acknowledged",
            Self::Quarantined => "quarantined",
        }
    }

    /// The state of a code, if it is one.
    pub fn parse(code: &str) -> Option<Self> {
        [
            Self::New,
            Self::Claimed,
            Self::Acknowledged,
            Self::Quarantined,
        ]
        .into_iter()
        .find(|state| state.code() == code)
    }

    /// What a clerk reads.
    pub fn text(self) -> Phrase {
        match self {
            Self::New => Phrase::new("Mới đến", "New"),
            Self::Claimed => Phrase::new("Đang lấy", "Claimed"),
            Self::Acknowledged => Phrase::new("Đã nhận", "Handed over"),
            Self::Quarantined => Phrase::new("Cách ly", "Quarantined"),
        }
    }
}

/// Writes anything with a text form as that text.
pub(super) fn as_text<T: std::fmt::Display, S: Serializer>(
    value: &T,
    out: S,
) -> Result<S::Ok, S::Error> {
    out.collect_str(value)
}

pub(super) fn as_texts<T: std::fmt::Display, S: Serializer>(
    values: &[T],
    out: S,
) -> Result<S::Ok, S::Error> {
    out.collect_seq(values.iter().map(ToString::to_string))
}

pub(crate) fn as_text_time<S: Serializer>(time: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&time.rfc3339())
}

pub(crate) fn as_text_time_option<S: Serializer>(
    time: &Option<Timestamp>,
    out: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => out.serialize_str(&time.rfc3339()),
        None => out.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_reads_back_from_its_code() {
        for state in RecipientState::ALL {
            assert_eq!(RecipientState::parse(state.code()), Some(state));
        }
        assert_eq!(RecipientState::parse("sent"), None);
    }

    /// The table of events speaks of states by their words: each word it uses is a state here, and final
    /// there is final here.
    #[test]
    fn what_events_prove_are_states_of_recipients() {
        for event in Event::ALL {
            let proves = event.row().proves;
            let state = RecipientState::proven_by(event);
            assert_eq!(state.is_some(), proves.word().is_some(), "{event:?}");
            if let Some(state) = state {
                assert_eq!(state.is_final(), proves.is_final(), "{event:?}");
            }
        }
    }

    #[test]
    fn trouble_decides_the_badge_before_progress() {
        let mut counts = StateCounts::default();
        counts.add(RecipientState::HandedOver, 30);
        assert_eq!(counts.worst(), RecipientState::HandedOver);
        counts.add(RecipientState::Relayed, 2);
        assert_eq!(counts.worst(), RecipientState::Relayed);
        counts.add(RecipientState::Refused, 1);
        assert_eq!(counts.worst(), RecipientState::Refused);
        assert_eq!((counts.total(), counts.arrived()), (33, 30));
    }
}
