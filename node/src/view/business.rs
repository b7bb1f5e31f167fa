//! Views of a document's business life with one other agency: the state of the ladder, a recall or update
//! beside it, and every act that was said. Plain values; times leave as RFC 3339 text.

use formats::edxml::StatusCode;
use formats::edxml::status::{Outcome, Request, State};
use formats::id::AgencyCode;
use formats::time::Timestamp;
use serde::Serialize;

use super::state::{Phrase, as_text_time};
use crate::life::{Act, ActKind, Life, Times, request_word, state_word};

/// Where a document stands between its sender and one recipient [edxml-model 4.3].
#[derive(Clone, Debug, Serialize)]
pub struct BusinessView {
    /// `sent`, `arrived`, `refused`, `registered`, `assigned`, `processing`, `completed`, `withdrawn`.
    pub state: &'static str,
    /// The state in words.
    pub text: Phrase,
    /// `none`, `recall_requested`, `update_requested`, `recalled`, `updated`.
    pub request: &'static str,
    /// The request in words; absent when there is none.
    pub request_text: Option<Phrase>,
    /// DocumentId of the document that replaces it.
    pub replaced_by: Option<String>,
    /// What was said, in the order this desk learnt of it.
    pub acts: Vec<ActView>,
    /// What deadlines run from.
    #[serde(skip)]
    pub(crate) times: Times,
}

/// One act about a document.
#[derive(Clone, Debug, Serialize)]
pub struct ActView {
    /// `status`, `recall`, `update`, `removed` or `replace`.
    pub kind: &'static str,
    /// For a status its code, for a replacement the new DocumentId.
    pub code: Option<String>,
    /// What was said, in words.
    pub text: Phrase,
    /// When it happened, says who acted.
    #[serde(serialize_with = "as_text_time")]
    pub at: Timestamp,
    /// When this desk learnt of it.
    #[serde(serialize_with = "as_text_time")]
    pub recorded: Timestamp,
    /// Who acted.
    pub who: AgencyCode,
    /// Reason or note.
    pub reason: Option<String>,
    /// The clerk or officer named.
    pub staff: Option<String>,
    /// `moved`: it changed where the document stands; `early`: it waits for the steps before it; `kept`:
    /// too late or out of place, shown only; `duplicate`: said before.
    pub outcome: &'static str,
    /// Id of the document or envelope that says it.
    pub packet: String,
}

impl From<&Life> for BusinessView {
    fn from(life: &Life) -> Self {
        Self {
            state: life.state(),
            text: state_text(life.ladder.state()),
            request: life.request(),
            request_text: request_text(life.ladder.request()),
            replaced_by: life.replaced_by.clone(),
            acts: life
                .acts
                .iter()
                .map(|(act, outcome)| act_view(act, *outcome))
                .collect(),
            times: life.times,
        }
    }
}

fn act_view(act: &Act, outcome: Outcome) -> ActView {
    ActView {
        kind: act.kind.code(),
        code: act.kind.word().map(str::to_owned),
        text: act_text(&act.kind),
        at: act.at,
        recorded: act.recorded,
        who: act.who.clone(),
        reason: act.reason.clone(),
        staff: act.staff.clone(),
        outcome: match outcome {
            Outcome::Moved => "moved",
            Outcome::Early => "early",
            Outcome::Kept => "kept",
            Outcome::Duplicate => "duplicate",
        },
        packet: act.packet.clone(),
    }
}

/// What was said, in words.
pub(crate) fn act_text(kind: &ActKind) -> Phrase {
    match kind {
        ActKind::Status(StatusCode::Other(code)) => Phrase::new(
            format!("Trạng thái {code} (không rõ nghĩa)"),
            format!("Status {code} (meaning not known)"),
        ),
        ActKind::Status(code) => Phrase::new(
            format!("{} ({code})", code.vi()),
            format!("{} ({code})", code.en()),
        ),
        ActKind::Recall => Phrase::new("Bên gửi yêu cầu thu hồi", "The sender asks for it back"),
        ActKind::Update => Phrase::new("Bên gửi cập nhật văn bản", "The sender updated it"),
        ActKind::Removed => Phrase::new(
            "Bên gửi rút cơ quan này khỏi danh sách nhận",
            "The sender took this agency off the list",
        ),
        ActKind::Replace { by } => Phrase::new(
            format!("Được thay thế bởi {by}"),
            format!("Replaced by {by}"),
        ),
    }
}

/// A state of the ladder in words.
pub(crate) fn state_text(state: State) -> Phrase {
    let (vi, en) = match state {
        State::Sent => ("Chưa có phản hồi", "Nothing heard yet"),
        State::Arrived => ("Đã đến", "Arrived"),
        State::Refused => ("Từ chối tiếp nhận", "Refused"),
        State::Accepted => ("Đã tiếp nhận", "Registered"),
        State::Assigned => ("Đã phân công", "Assigned"),
        State::InProgress => ("Đang xử lý", "In progress"),
        State::Completed => ("Hoàn thành", "Completed"),
        State::Withdrawn => ("Đã thu hồi", "Withdrawn"),
    };
    Phrase::new(vi, en)
}

/// What runs beside the ladder, in words.
pub(crate) fn request_text(request: Request) -> Option<Phrase> {
    let (vi, en) = match request {
        Request::None => return None,
        Request::RecallAsked => (
            "Đề nghị lấy lại, chờ trả lời",
            "Recall asked, waits for an answer",
        ),
        Request::UpdateAsked => (
            "Đề nghị cập nhật, chờ trả lời",
            "Update asked, waits for an answer",
        ),
        Request::Withdrawn => ("Đã đồng ý thu hồi", "Recall agreed"),
        Request::Updated => ("Đã đồng ý cập nhật", "Update agreed"),
    };
    Some(Phrase::new(vi, en))
}

/// A stored word of the ladder in words; `arrived` when nothing was stored yet.
#[must_use]
pub fn life_text(word: &str) -> Phrase {
    let all = [
        State::Sent,
        State::Arrived,
        State::Refused,
        State::Accepted,
        State::Assigned,
        State::InProgress,
        State::Completed,
        State::Withdrawn,
    ];
    let state = all.into_iter().find(|state| state_word(*state) == word);
    state_text(state.unwrap_or(State::Arrived))
}

/// A stored word of a request in words; absent for `none`.
#[must_use]
pub fn asked_text(word: &str) -> Option<Phrase> {
    let all = [
        Request::RecallAsked,
        Request::UpdateAsked,
        Request::Withdrawn,
        Request::Updated,
    ];
    let request = all
        .into_iter()
        .find(|request| request_word(*request) == word)?;
    request_text(request)
}
