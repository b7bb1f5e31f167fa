//! Business status codes and the ladder they climb, per document and receiver [edxml-model 4.3].
//!
//! The ladder is a pure value: apply an event, get the next value and what became of the event.
//! Codes that come late, twice or too early are to be stored and shown by the caller all the same;
//! they never move the state backwards. A code that came too early is remembered and counted as
//! soon as the ladder reaches it. Must not know: packets, storage, clocks.

use std::fmt;

use crate::time::Timestamp;

/// A status code. Unknown ones are preserved, never invented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum StatusCode {
    /// 01 Đã đến.
    #[default]
    Arrived,
    /// 02 Từ chối tiếp nhận.
    Refused,
    /// 03 Đã tiếp nhận.
    Accepted,
    /// 04 Phân công.
    Assigned,
    /// 05 Đang xử lý.
    InProgress,
    /// 06 Hoàn thành.
    Completed,
    /// 13 Lấy lại, sent by the original sender.
    TakeBack,
    /// 15 Đồng ý lấy lại / cập nhật.
    Agreed,
    /// 16 Từ chối lấy lại / cập nhật.
    Declined,
    /// Anything else, as written; empty when the packet had none.
    Other(String),
}

impl StatusCode {
    /// The nine known codes, in numeric order.
    pub const KNOWN: [Self; 9] = [
        Self::Arrived,
        Self::Refused,
        Self::Accepted,
        Self::Assigned,
        Self::InProgress,
        Self::Completed,
        Self::TakeBack,
        Self::Agreed,
        Self::Declined,
    ];

    /// Reads a code. The flag says that a leading zero had to be added (`1` → `01`).
    #[must_use]
    // [spec:edxml-27]
    pub fn parse(text: &str) -> (Self, bool) {
        let text = text.trim();
        let padded = if text.len() == 1 {
            format!("0{text}")
        } else {
            text.to_owned()
        };
        Self::KNOWN
            .into_iter()
            .find(|code| code.as_str() == padded)
            .map_or_else(
                || (Self::Other(text.to_owned()), false),
                |code| (code, text.len() == 1),
            )
    }

    /// Two digits for the known codes, the text as written for others.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Arrived => "01",
            Self::Refused => "02",
            Self::Accepted => "03",
            Self::Assigned => "04",
            Self::InProgress => "05",
            Self::Completed => "06",
            Self::TakeBack => "13",
            Self::Agreed => "15",
            Self::Declined => "16",
            Self::Other(text) => text,
        }
    }

    /// Vietnamese label.
    #[must_use]
    pub const fn vi(&self) -> &'static str {
        match self {
            Self::Arrived => "Đã đến",
            Self::Refused => "Từ chối tiếp nhận",
            Self::Accepted => "Đã tiếp nhận",
            Self::Assigned => "Phân công",
            Self::InProgress => "Đang xử lý",
            Self::Completed => "Hoàn thành",
            Self::TakeBack => "Lấy lại",
            Self::Agreed => "Đồng ý lấy lại / cập nhật",
            Self::Declined => "Từ chối lấy lại / cập nhật",
            Self::Other(_) => "Không xác định",
        }
    }

    /// English label.
    #[must_use]
    pub const fn en(&self) -> &'static str {
        match self {
            Self::Arrived => "Arrived",
            Self::Refused => "Refused",
            Self::Accepted => "Accepted",
            Self::Assigned => "Assigned",
            Self::InProgress => "In progress",
            Self::Completed => "Completed",
            Self::TakeBack => "Take-back request",
            Self::Agreed => "Take-back or update agreed",
            Self::Declined => "Take-back or update declined",
            Self::Other(_) => "Unknown",
        }
    }

    /// Whether a reason must come with it.
    #[must_use]
    pub const fn needs_reason(&self) -> bool {
        matches!(self, Self::Refused | Self::TakeBack | Self::Declined)
    }

    /// Whether a contact clerk should come with it.
    #[must_use]
    pub const fn needs_staff(&self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Accepted | Self::Agreed | Self::Declined
        )
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a document stands with one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing heard yet.
    #[default]
    Sent,
    /// 01.
    Arrived,
    /// 02, final.
    Refused,
    /// 03.
    Accepted,
    /// 04.
    Assigned,
    /// 05.
    InProgress,
    /// 06; only a recall or update may follow.
    Completed,
    /// Recalled and agreed, final.
    Withdrawn,
}

/// The recall or update that runs beside the ladder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Request {
    /// None, or the last one was declined.
    #[default]
    None,
    /// BussinessDocType 1 or status 13 was sent; 15 or 16 is awaited.
    RecallAsked,
    /// BussinessDocType 2 was sent; 15 or 16 is awaited.
    UpdateAsked,
    /// The recall was agreed.
    Withdrawn,
    /// The last update was agreed.
    Updated,
}

/// What can happen to a document at a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LadderEvent {
    /// A recall packet (BussinessDocType 1).
    Recall,
    /// A status packet.
    Status(StatusCode),
    /// An update packet (BussinessDocType 2).
    Update,
}

/// What became of an event. In every case the caller stores and shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Known already; nothing changed.
    Duplicate,
    /// Too early: counted when the ladder reaches it.
    Early,
    /// Late, or not allowed from here: shown only.
    Kept,
    /// The state or the request moved.
    Moved,
}

/// State of one (document, receiver).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusLadder {
    state: State,
    request: Request,
    moved_at: Option<Timestamp>,
    seen: Vec<StatusCode>,
    early: Vec<(StatusCode, Timestamp)>,
}

impl StatusLadder {
    /// Where the document stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The recall or update beside it.
    #[must_use]
    pub const fn request(&self) -> Request {
        self.request
    }

    /// Applies one event that happened `at` (its own time, not the time of arrival).
    #[must_use]
    pub fn apply(mut self, event: &LadderEvent, at: Timestamp) -> (Self, Outcome) {
        let outcome = match event {
            LadderEvent::Recall => self.ask(Request::RecallAsked),
            LadderEvent::Update => self.ask(Request::UpdateAsked),
            LadderEvent::Status(StatusCode::TakeBack) => self.ask(Request::RecallAsked),
            LadderEvent::Status(StatusCode::Agreed) => self.answer(true),
            LadderEvent::Status(StatusCode::Declined) => self.answer(false),
            LadderEvent::Status(code) => self.climb(code, at),
        };
        (self, outcome)
    }

    fn ask(&mut self, wanted: Request) -> Outcome {
        if self.request == wanted {
            return Outcome::Duplicate;
        }
        // A recall outranks a pending update; an update cannot replace a pending recall. A refused
        // or withdrawn copy no longer exists at the receiver.
        let gone = matches!(self.state, State::Refused | State::Withdrawn);
        let outranked = self.request == Request::RecallAsked && wanted == Request::UpdateAsked;
        if gone || outranked {
            return Outcome::Kept;
        }
        self.request = wanted;
        Outcome::Moved
    }

    fn answer(&mut self, agreed: bool) -> Outcome {
        self.request = match (self.request, agreed) {
            (Request::RecallAsked, true) => {
                // A refused copy is gone already: refused stays the last word.
                if self.state != State::Refused {
                    self.state = State::Withdrawn;
                }
                Request::Withdrawn
            }
            (Request::UpdateAsked, true) => Request::Updated,
            (Request::RecallAsked | Request::UpdateAsked, false) => Request::None,
            (Request::Withdrawn | Request::Updated, true) => return Outcome::Duplicate,
            (Request::None | Request::Withdrawn | Request::Updated, _) => return Outcome::Kept,
        };
        Outcome::Moved
    }

    fn climb(&mut self, code: &StatusCode, at: Timestamp) -> Outcome {
        // Re-assignment (04) repeats by nature; every other code counts once.
        let repeats = *code == StatusCode::Assigned;
        if !repeats && self.seen.contains(code) {
            return Outcome::Duplicate;
        }
        if !self.seen.contains(code) && !matches!(code, StatusCode::Other(_)) {
            self.seen.push(code.clone());
        }
        let outcome = self.step(code, at);
        if outcome == Outcome::Early {
            self.early.retain(|(waiting, _)| waiting != code);
            self.early.push((code.clone(), at));
        }
        if outcome == Outcome::Moved {
            self.catch_up();
        }
        outcome
    }

    /// Early codes may have become reachable; each pass moves at least one or stops.
    fn catch_up(&mut self) {
        loop {
            let waiting = std::mem::take(&mut self.early);
            let before = waiting.len();
            for (code, at) in waiting {
                if self.step(&code, at) == Outcome::Early {
                    self.early.push((code, at));
                }
            }
            if self.early.len() == before || self.early.is_empty() {
                return;
            }
        }
    }

    fn step(&mut self, code: &StatusCode, at: Timestamp) -> Outcome {
        let Some(next) = state_of(code) else {
            return Outcome::Kept;
        };
        if is_allowed(self.state, next) {
            // 05 → 04 is a re-assignment only if it happened after; a 04 that merely came late is
            // history.
            let backwards = self.state == State::InProgress && next == State::Assigned;
            let again = self.state == next;
            if (backwards || again) && self.moved_at.is_some_and(|moved| at <= moved) {
                return if self.moved_at == Some(at) && again {
                    Outcome::Duplicate
                } else {
                    Outcome::Kept
                };
            }
            self.state = next;
            self.moved_at = Some(at);
            return Outcome::Moved;
        }
        if is_ahead(self.state, next) {
            Outcome::Early
        } else {
            Outcome::Kept
        }
    }
}

const fn state_of(code: &StatusCode) -> Option<State> {
    match code {
        StatusCode::Arrived => Some(State::Arrived),
        StatusCode::Refused => Some(State::Refused),
        StatusCode::Accepted => Some(State::Accepted),
        StatusCode::Assigned => Some(State::Assigned),
        StatusCode::InProgress => Some(State::InProgress),
        StatusCode::Completed => Some(State::Completed),
        StatusCode::TakeBack | StatusCode::Agreed | StatusCode::Declined | StatusCode::Other(_) => {
            None
        }
    }
}

/// The table of [edxml-model 4.3].
#[must_use]
// [spec:edxml-28]
pub const fn is_allowed(from: State, to: State) -> bool {
    match from {
        State::Sent => matches!(to, State::Arrived | State::Refused | State::Accepted),
        State::Arrived => matches!(to, State::Refused | State::Accepted),
        State::Accepted => matches!(to, State::Assigned | State::InProgress | State::Completed),
        State::Assigned => matches!(to, State::InProgress | State::Completed | State::Assigned),
        State::InProgress => matches!(to, State::Completed | State::Assigned),
        State::Refused | State::Completed | State::Withdrawn => false,
    }
}

/// Whether `to` can still come true later: only before acceptance can work be reported too early.
const fn is_ahead(from: State, to: State) -> bool {
    matches!(from, State::Sent | State::Arrived)
        && matches!(to, State::Assigned | State::InProgress | State::Completed)
}
