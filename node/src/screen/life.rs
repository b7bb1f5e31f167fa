//! The business life of a document on the pages: what was said, what is asked, what is owed, and the forms
//! that answer or recall.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use serde::Deserialize;

use formats::edxml::StatusCode;

use super::document::Found;
use super::parts::{Note, StepLine, Tone};
use super::received::step;
use super::words::{Lang, Words, fill};
use super::{Answer, Reader};
use crate::desk::{RecallDraft, StatusDraft, Submission};
use crate::door::Doors;
use crate::door::problem::said;
use crate::door::rest::id;
use crate::view::{ActView, DeadlineView, InboxView};

/// The form that answers a received document.
#[derive(Debug, Deserialize)]
pub(crate) struct AnswerForm {
    #[serde(default)]
    pub(crate) csrf: String,
    code: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    number: String,
}

impl AnswerForm {
    /// What the desk is asked to write; the clerk who is signed in is named.
    pub(crate) fn draft(&self, reader: &Reader) -> StatusDraft {
        StatusDraft {
            code: self.code.clone(),
            reason: Some(self.reason.clone()),
            register_number: Some(self.number.clone()),
            staff: Some(reader.caller.label.clone()),
            department: None,
        }
    }
}

/// The form that recalls a sent document.
#[derive(Debug, Deserialize)]
pub(crate) struct RecallForm {
    #[serde(default)]
    pub(crate) csrf: String,
    reason: String,
}

impl RecallForm {
    /// What the desk is asked to write.
    pub(crate) fn draft(&self, reader: &Reader) -> RecallDraft {
        RecallDraft {
            reason: self.reason.clone(),
            to: Vec::new(),
            staff: Some(reader.caller.label.clone()),
        }
    }
}

/// `POST /documents/{id}/recall`
pub(crate) async fn recall(
    State(doors): State<Doors>,
    reader: Reader,
    Path(text): Path<String>,
    Form(form): Form<RecallForm>,
) -> Answer {
    reader.session.check(&form.csrf)?;
    let id = id(&text)?;
    let (desk, agency) = (doors.desk(), &reader.caller.agency);
    let draft = form.draft(&reader);
    let packet = desk.recall(agency, id, &draft).await?;
    let again = Some(draft.reason).filter(|reason| !reason.trim().is_empty());
    let submission = Submission {
        resend_reason: again,
        ..Submission::of(packet)
    };
    desk.submit(agency, submission).await?;
    Ok(Redirect::to(&format!("/documents/{id}?recalled=1")).into_response())
}

/// A document can be recalled while somebody has it or may get it.
pub(crate) fn recall_href(found: &Found, base: &str) -> String {
    let document = matches!(found.document.facts.business, 0 | 3);
    let open = found.timelines.iter().any(|timeline| {
        let business = &timeline.recipient.business;
        !matches!(business.state, "withdrawn" | "refused") && business.request != "recall_requested"
    });
    if document && open && found.document.row.kind == "document" {
        format!("{base}/recall")
    } else {
        String::new()
    }
}

/// The statuses that make sense now, each with its words; what a DMS says otherwise goes by the API.
pub(crate) fn answers(lang: Lang, found: &InboxView) -> Vec<(&'static str, String)> {
    let Some(business) = &found.business else {
        return Vec::new();
    };
    let asked = matches!(business.request, "recall_requested" | "update_requested");
    let ladder: &[StatusCode] = match business.state {
        "sent" | "arrived" => &[StatusCode::Accepted, StatusCode::Refused],
        "registered" => &[
            StatusCode::Assigned,
            StatusCode::InProgress,
            StatusCode::Completed,
        ],
        "assigned" => &[
            StatusCode::InProgress,
            StatusCode::Completed,
            StatusCode::Assigned,
        ],
        "processing" => &[StatusCode::Completed, StatusCode::Assigned],
        _ => &[],
    };
    let asked: &[StatusCode] = if asked {
        &[StatusCode::Agreed, StatusCode::Declined]
    } else {
        &[]
    };
    asked
        .iter()
        .chain(ladder)
        .filter_map(|code| {
            let known = StatusCode::KNOWN.iter().find(|known| *known == code)?;
            let words = match lang {
                Lang::Vi => known.vi(),
                Lang::En => known.en(),
            };
            Some((known_text(known), words.to_owned()))
        })
        .collect()
}

/// The two digits of a known code.
const fn known_text(code: &StatusCode) -> &'static str {
    match code {
        StatusCode::Arrived | StatusCode::Other(_) => "01",
        StatusCode::Refused => "02",
        StatusCode::Accepted => "03",
        StatusCode::Assigned => "04",
        StatusCode::InProgress => "05",
        StatusCode::Completed => "06",
        StatusCode::TakeBack => "13",
        StatusCode::Agreed => "15",
        StatusCode::Declined => "16",
    }
}

/// What a clerk should know first: a request of the sender, a replacement, what is overdue.
pub(crate) fn notes(w: &'static Words, lang: Lang, found: &InboxView) -> Vec<Note> {
    let mut notes = Vec::new();
    let Some(business) = &found.business else {
        return notes;
    };
    let head = match business.request {
        "recall_requested" => Some(w.asked_recall),
        "update_requested" => Some(w.asked_update),
        _ => None,
    };
    if let Some(head) = head {
        let asks = |act: &&ActView| matches!(act.kind, "recall" | "update" | "removed");
        let reason = business.acts.iter().rev().find(asks);
        let reason = reason
            .and_then(|act| act.reason.clone())
            .unwrap_or_default();
        let reason = reason.trim_end_matches('.');
        notes.push(Note {
            cause: format!("{reason}."),
            hard: true,
            head: head.to_owned(),
            href: String::new(),
            todo: w.asked_todo.to_owned(),
        });
    }
    if let Some(id) = &business.replaced_by {
        notes.push(Note {
            cause: String::new(),
            hard: false,
            head: fill(w.replaced, &[("id", id)]),
            href: String::new(),
            todo: String::new(),
        });
    }
    let late = found
        .deadlines
        .iter()
        .filter(|deadline| deadline.standing == "overdue");
    notes.extend(late.map(|deadline| Note {
        cause: due_line(w, lang, deadline),
        hard: false,
        head: w.overdue_head.to_owned(),
        href: String::new(),
        todo: String::new(),
    }));
    notes
}

/// The act that a packet is, in front of what else a list says of it; nothing for a new document.
pub(crate) fn act_name(w: &'static Words, business: u8) -> Option<&'static str> {
    match business {
        1 => Some(w.act_recall),
        2 => Some(w.act_update),
        3 => Some(w.act_replace),
        _ => None,
    }
}

/// What is owed, until when, by which law.
pub(crate) fn due_line(w: &'static Words, lang: Lang, deadline: &DeadlineView) -> String {
    let due = deadline.due.vietnam();
    fill(
        w.due_line,
        &[
            ("what", said(&deadline.text, lang)),
            ("t", &due),
            ("law", said(&deadline.law, lang)),
        ],
    )
}

/// An act as a step of the journey.
pub(crate) fn act_step(lang: Lang, act: &ActView) -> StepLine {
    let tone = match (act.kind, act.code.as_deref()) {
        ("status", Some("02" | "16")) => Tone::Bad,
        ("recall" | "update" | "removed", _) => Tone::Wait,
        ("replace", _) => Tone::Mute,
        _ => Tone::Ok,
    };
    let who = match &act.staff {
        Some(staff) => format!("{} · {staff}", act.who),
        None => act.who.to_string(),
    };
    StepLine {
        soft: tone != Tone::Bad,
        why: act.reason.clone().unwrap_or_default(),
        ..step(said(&act.text, lang), Some(act.at), tone, &who)
    }
}
