//! One received document: facts, files, where it came from, and the button that takes it.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Redirect};
use formats::time::Timestamp;
use serde::Deserialize;

use super::checks;
use super::document::{facts, seals};
use super::inbox::pill;
use super::keep::{self, Keep};
use super::life;
use super::parts::{Fact, FileLine, Frame, Note, Pill, Seal, StepLine, Tone, When, size, urgent};
use super::words::{Lang, Words, fill};
use super::{Answer, Place, Reader, frame, html};
use crate::access::Scope;
use crate::desk::Submission;
use crate::door::params::Params;
use crate::door::problem::{Kind, Problem, said};
use crate::door::rest::id;
use crate::door::{Doors, content};
use crate::view::{InboxState, InboxView};

#[derive(Debug, Template)]
#[template(path = "received.html")]
pub(crate) struct ReceivedPage {
    /// Statuses that may be chosen: code and words; empty when nothing can be answered.
    pub(crate) answers: Vec<(&'static str, String)>,
    pub(crate) answer_href: String,
    pub(crate) can_take: bool,
    pub(crate) code: String,
    pub(crate) facts: Vec<Fact>,
    pub(crate) files: Vec<FileLine>,
    pub(crate) files_title: String,
    pub(crate) frame: Frame,
    pub(crate) keep: Option<Keep>,
    pub(crate) notes: Vec<Note>,
    pub(crate) notice: String,
    pub(crate) packet_href: String,
    pub(crate) pill: Pill,
    pub(crate) seals: Vec<Seal>,
    pub(crate) steps: Vec<StepLine>,
    pub(crate) subject: String,
    pub(crate) take_href: String,
    pub(crate) urgent: String,
    pub(crate) w: &'static Words,
}

/// `GET /inbox/{id}`
pub(crate) async fn show(
    State(doors): State<Doors>,
    reader: Reader,
    Path(text): Path<String>,
    uri: Uri,
) -> Answer {
    let id = id(&text)?;
    let mut params = Params::of(&uri)?;
    let taken = params.text("taken").is_some();
    let handled = params.text("handled").is_some();
    let found = doors.desk().inbox_item(&reader.caller.agency, id).await?;
    doors.desk().looked(&reader.caller.agency, id).await;
    let (frame, _) = frame(&doors, &reader, Place::Incoming, found.row.code.clone()).await?;
    let mut page = page(frame, &found, reader.caller.may(Scope::Receive));
    if reader.caller.may(Scope::Admin) {
        page.keep = Keep::of(&found.keeping, &format!("/inbox/{id}"));
    }
    if taken {
        page.notice = reader.w.taken_notice.to_owned();
    }
    if handled {
        page.notice = reader.w.handled_notice.to_owned();
    }
    html(&page)
}

/// The page of what was found.
pub(crate) fn page(frame: Frame, found: &InboxView, may_take: bool) -> ReceivedPage {
    let (w, lang) = (frame.w, frame.lang);
    let row = &found.row;
    let held = row.state == InboxState::Quarantined;
    let base = format!("/inbox/{}", row.id);
    let gone = found.content_deleted.is_some();
    let all = facts_of(w, lang, found);
    let mut notes: Vec<Note> = held_note(w, lang, found).into_iter().collect();
    notes.extend(life::notes(w, lang, found));
    ReceivedPage {
        answers: if may_take {
            life::answers(lang, found)
        } else {
            Vec::new()
        },
        answer_href: format!("{base}/status"),
        can_take: row.state == InboxState::New && may_take,
        code: row.code.clone(),
        facts: all,
        files: checks::files(
            w,
            &found.attachments,
            if held || gone { "" } else { &base },
            lang,
        ),
        files_title: fill(
            w.attachments,
            &[("n", &found.attachments.len().to_string())],
        ),
        notes,
        keep: None,
        notice: String::new(),
        packet_href: if held || gone {
            String::new()
        } else {
            format!("{base}/package")
        },
        pill: pill(w, row.state),
        seals: seals(w, &row.sender_name, found.signature.as_ref(), None),
        steps: steps(w, lang, found),
        subject: if row.subject.is_empty() {
            row.id.to_string()
        } else {
            row.subject.clone()
        },
        take_href: format!("{base}/ack"),
        urgent: urgent(w, row.priority),
        frame,
        w,
    }
}

/// What is known of the document.
fn facts_of(w: &'static Words, lang: Lang, found: &InboxView) -> Vec<Fact> {
    let row = &found.row;
    let mut all = facts(w, &found.facts, &row.sender);
    all.push(Fact::text(w.fact_arrived, row.received.vietnam()));
    if !row.local_id.is_empty() {
        all.push(Fact::hash(w.fact_document_id, row.local_id.clone()));
    }
    all.push(Fact::hash(w.fact_envelope, row.id.to_string()));
    if !found.packet_digest.is_empty() {
        let packet = format!(
            "{} · sha256 {}",
            size(w, found.packet_bytes),
            found.packet_digest
        );
        all.push(Fact::hash(w.fact_packet, packet));
    }
    all.extend(keep::facts(
        w,
        &found.keeping,
        found.content_deleted.as_ref(),
    ));
    if let Some(business) = &found.business {
        let mut words = vec![said(&business.text, lang).to_owned()];
        words.extend(
            business
                .request_text
                .iter()
                .map(|text| said(text, lang).to_owned()),
        );
        all.push(Fact::text(w.fact_handling, words.join("; ")));
    }
    all
}

/// Why a document was set aside.
fn held_note(w: &'static Words, lang: Lang, found: &InboxView) -> Option<Note> {
    found.row.reason.as_ref().map(|reason| Note {
        cause: format!("{}.", said(&reason.text, lang)),
        hard: true,
        head: format!("{}:", w.state_quarantined),
        href: String::new(),
        todo: w.held_todo.to_owned(),
    })
}

fn steps(w: &'static Words, lang: Lang, found: &InboxView) -> Vec<StepLine> {
    let row = &found.row;
    let held = row.state == InboxState::Quarantined;
    let why = row
        .reason
        .as_ref()
        .map(|why| said(&why.text, lang).to_owned());
    let arrived = if held { w.step_held } else { w.step_delivered };
    let tone = if held { Tone::Bad } else { Tone::Ok };
    let mut steps = vec![
        step(
            w.step_submitted,
            Some(found.sent),
            Tone::Ok,
            &row.sender_name,
        ),
        StepLine {
            why: why.unwrap_or_default(),
            ..step(arrived, Some(row.received), tone, "")
        },
    ];
    match row.acknowledged {
        Some(time) => steps.push(step(w.step_taken, Some(time), Tone::Ok, "")),
        None if held => {}
        None => steps.push(StepLine {
            at: When::words(w.not_yet),
            todo: true,
            ..step(w.step_to_take, None, Tone::Mute, "")
        }),
    }
    let acts = found.business.iter().flat_map(|business| &business.acts);
    steps.extend(acts.map(|act| life::act_step(lang, act)));
    let mut day = String::new();
    for line in &mut steps {
        if !line.at.day.is_empty() && line.at.day != day {
            let zone = if day.is_empty() {
                format!(" · {}", w.time_zone)
            } else {
                String::new()
            };
            day.clone_from(&line.at.day);
            line.day = format!("{day}{zone}");
        }
    }
    steps
}

pub(crate) fn step(text: &str, at: Option<Timestamp>, tone: Tone, who: &str) -> StepLine {
    StepLine {
        at: at.map(When::precise).unwrap_or_default(),
        day: String::new(),
        place: String::new(),
        receipt: String::new(),
        said: who.to_owned(),
        soft: false,
        text: text.to_owned(),
        todo: false,
        tone,
        why: String::new(),
    }
}

/// The form of the button.
#[derive(Debug, Deserialize)]
pub(crate) struct Take {
    #[serde(default)]
    csrf: String,
}

/// `POST /inbox/{id}/ack`
pub(crate) async fn take(
    State(doors): State<Doors>,
    reader: Reader,
    Path(text): Path<String>,
    Form(take): Form<Take>,
) -> Answer {
    reader.session.check(&take.csrf)?;
    let id = id(&text)?;
    doors.desk().ack(&reader.caller.agency, id, None).await?;
    Ok(Redirect::to(&format!("/inbox/{id}?taken=1")).into_response())
}

/// `POST /inbox/{id}/status`
pub(crate) async fn answer(
    State(doors): State<Doors>,
    reader: Reader,
    Path(text): Path<String>,
    Form(form): Form<life::AnswerForm>,
) -> Answer {
    reader.session.check(&form.csrf)?;
    let id = id(&text)?;
    let (desk, agency) = (doors.desk(), &reader.caller.agency);
    let packet = desk.answer(agency, id, &form.draft(&reader)).await?;
    desk.submit(agency, Submission::of(packet)).await?;
    Ok(Redirect::to(&format!("/inbox/{id}?handled=1")).into_response())
}

/// `GET /inbox/{id}/package`
pub(crate) async fn package(
    State(doors): State<Doors>,
    reader: Reader,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let file = doors
        .desk()
        .package(&reader.caller.agency, id(&text)?)
        .await?;
    content::serve(file, &headers).await
}

/// `GET /inbox/{id}/files/{n}`
pub(crate) async fn file(
    State(doors): State<Doors>,
    reader: Reader,
    Path((text, n)): Path<(String, u32)>,
    headers: HeaderMap,
) -> Answer {
    if n == 0 {
        return Err(Problem::new(Kind::NotFound));
    }
    let file = doors
        .desk()
        .file(&reader.caller.agency, id(&text)?, n)
        .await?;
    content::serve(file, &headers).await
}
