//! One sent document: facts, files, recipients, and the journey to one of them with its evidence.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};

use super::keep::{self, Keep};
use super::life;
use super::outgoing::{pill, progress};
use super::parts::{
    Fact, FileLine, Frame, Note, Pill, Seal, StepLine, Tone, When, size, span, urgent,
};
use super::words::{Lang, Words, fill};
use super::{Answer, Place, Reader, address, day, frame, html};
use crate::access::Scope;
use crate::door::params::Params;
use crate::door::problem::said;
use crate::door::rest::documents::contents;
use crate::door::rest::id;
use crate::door::{Doors, content};
use crate::view::{
    AttachmentView, DocumentView, Explanation, PacketFacts, RecipientState, RecipientView,
    SignatureView, Source, Step, TimelineView, Verdict,
};

#[derive(Debug, Template)]
#[template(path = "document.html")]
pub(crate) struct DocumentPage {
    pub(crate) code: String,
    pub(crate) evidence_href: String,
    pub(crate) facts: Vec<Fact>,
    pub(crate) files: Vec<FileLine>,
    pub(crate) files_title: String,
    pub(crate) frame: Frame,
    pub(crate) journey: String,
    pub(crate) keep: Option<Keep>,
    /// It may still change.
    pub(crate) live: bool,
    pub(crate) notes: Vec<Note>,
    pub(crate) notice: String,
    pub(crate) pill: Pill,
    pub(crate) recipients: Vec<RecipientLine>,
    pub(crate) recipients_title: String,
    /// Where a recall goes; empty when there is nothing to recall.
    pub(crate) recall_href: String,
    pub(crate) seals: Vec<Seal>,
    pub(crate) steps: Vec<StepLine>,
    pub(crate) subject: String,
    pub(crate) urgent: String,
    pub(crate) w: &'static Words,
}

/// One recipient.
#[derive(Debug)]
pub(crate) struct RecipientLine {
    pub(crate) code: String,
    pub(crate) here: bool,
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) pill: Pill,
    pub(crate) when: When,
    pub(crate) why: String,
    /// What it said about the document, and a recall or update beside it.
    pub(crate) life: String,
}

/// Everything the page is made of.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) document: DocumentView,
    pub(crate) explanation: Explanation,
    pub(crate) timelines: Vec<TimelineView>,
}

/// `GET /documents/{id}?to=H01.36.04`
pub(crate) async fn show(
    State(doors): State<Doors>,
    reader: Reader,
    Path(text): Path<String>,
    uri: Uri,
) -> Answer {
    let id = id(&text)?;
    let mut params = Params::of(&uri)?;
    let to = params.text("to");
    let sent = params.text("sent").is_some();
    let recalled = params.text("recalled").is_some();
    let desk = doors.desk();
    let agency = &reader.caller.agency;
    let found = Found {
        document: desk.document(agency, id).await?,
        explanation: desk.explain(agency, id).await?,
        timelines: desk.timeline(agency, id).await?,
    };
    let title = found.document.row.code.clone();
    let (frame, _) = frame(&doors, &reader, Place::Outgoing, title).await?;
    let mut page = page(frame, &found, to.as_deref());
    if reader.caller.may(Scope::Admin) {
        page.keep = Keep::of(&found.document.keeping, &format!("/documents/{id}"));
    }
    if sent {
        page.notice = reader.w.sent_notice.to_owned();
    }
    if recalled {
        page.notice = reader.w.recalled_notice.to_owned();
    }
    if !reader.caller.may(Scope::Send) {
        page.recall_href.clear();
    }
    html(&page)
}

/// `GET /documents/{id}/evidence?content=packet|digest`
pub(crate) async fn evidence(
    State(doors): State<Doors>,
    reader: Reader,
    Path(text): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let contents = contents(&uri)?;
    let desk = doors.desk();
    let agency = &reader.caller.agency;
    let file = desk.evidence(agency, id(&text)?, contents).await?;
    content::serve(file, &headers).await
}

/// `GET /documents/{id}/files/{n}`
pub(crate) async fn file(
    State(doors): State<Doors>,
    reader: Reader,
    Path((text, n)): Path<(String, u32)>,
    headers: HeaderMap,
) -> Answer {
    let file = doors
        .desk()
        .sent_file(&reader.caller.agency, id(&text)?, n)
        .await?;
    content::serve(file, &headers).await
}

/// The page of what was found, showing the journey to `to`.
pub(crate) fn page(frame: Frame, found: &Found, to: Option<&str>) -> DocumentPage {
    let (w, lang) = (frame.w, frame.lang);
    let document = &found.document;
    let row = &document.row;
    let base = format!("/documents/{}", row.id);
    let chosen = chosen(found, to);
    let code = chosen.map_or("", |chosen| chosen.recipient.code.as_str());
    let name = chosen.map_or("", |chosen| chosen.recipient.name.as_str());
    let total = row.counts.total();
    let mut badge = pill(w, row.state);
    if total > 1 {
        badge.text = format!("{} · {}", badge.text, progress(w, &row.counts));
    }
    DocumentPage {
        code: row.code.clone(),
        evidence_href: format!("{base}/evidence"),
        facts: sent_facts(w, document),
        files: files(
            w,
            &document.attachments,
            if document.content_deleted.is_some() {
                ""
            } else {
                &base
            },
        ),
        files_title: fill(
            w.attachments,
            &[("n", &document.attachments.len().to_string())],
        ),
        journey: fill(w.journey_to, &[("name", name)]),
        keep: None,
        live: found
            .timelines
            .iter()
            .any(|timeline| !timeline.recipient.state.is_final()),
        notes: notes(lang, &found.explanation, &base),
        notice: String::new(),
        pill: badge,
        recipients: found
            .timelines
            .iter()
            .map(|timeline| recipient(w, lang, &timeline.recipient, &base, code))
            .collect(),
        recipients_title: fill(w.recipients, &[("n", &total.to_string())]),
        recall_href: life::recall_href(found, &base),
        seals: seals(
            w,
            &document.facts.sender_name,
            Some(&document.signature),
            chosen.map(|chosen| chosen.steps.as_slice()),
        ),
        steps: chosen
            .map(|chosen| steps(w, lang, chosen))
            .unwrap_or_default(),
        subject: row.subject.clone(),
        urgent: urgent(w, row.priority),
        frame,
        w,
    }
}

/// The recipient whose journey is shown: the one asked for, else one who needs a person, else the one
/// furthest behind.
fn chosen<'f>(found: &'f Found, to: Option<&str>) -> Option<&'f TimelineView> {
    let by_code = |code: &str| {
        found
            .timelines
            .iter()
            .find(|timeline| timeline.recipient.code.as_str() == code)
    };
    let stuck = found.explanation.recipients.iter().find(|cause| cause.act);
    to.and_then(by_code)
        .or_else(|| stuck.and_then(|cause| by_code(cause.code.as_str())))
        .or_else(|| {
            found
                .timelines
                .iter()
                .find(|timeline| !timeline.recipient.state.is_final())
        })
        .or_else(|| found.timelines.first())
}

fn sent_facts(w: &'static Words, document: &DocumentView) -> Vec<Fact> {
    let mut facts = facts(w, &document.facts, document.sender.as_str());
    facts.push(Fact::text(w.fact_accepted, document.row.created.vietnam()));
    facts.push(Fact::hash(
        w.fact_document_id,
        document.row.local_id.clone(),
    ));
    facts.push(Fact::hash(w.fact_envelope, document.row.id.to_string()));
    facts.push(Fact::hash(
        w.fact_packet,
        format!(
            "{} · sha256 {}",
            size(w, document.packet_bytes),
            document.packet_digest
        ),
    ));
    facts.extend(keep::facts(
        w,
        &document.keeping,
        document.content_deleted.as_ref(),
    ));
    facts
}

/// What a packet says about itself, for a sent and a received document.
pub(crate) fn facts(w: &'static Words, packet: &PacketFacts, sender: &str) -> Vec<Fact> {
    let join = |parts: [&str; 2], between: &str| {
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(between)
    };
    let issued = packet
        .promulgated
        .as_deref()
        .map(day::vietnamese)
        .unwrap_or_default();
    let kind = join([&packet.type_name, &issued], " · ");
    let signer = packet.signer_name.as_deref().unwrap_or("");
    let signer = join(
        [signer, packet.signer_position.as_deref().unwrap_or("")],
        ", ",
    );
    let due = packet
        .due
        .as_deref()
        .map(day::vietnamese)
        .unwrap_or_default();
    [
        Fact::number(w.fact_number, packet.code.clone()),
        Fact::text(w.fact_type_date, kind),
        Fact::text(w.fact_issuer, packet.sender_name.clone()).with_code(sender),
        Fact::text(w.fact_signer, signer),
        Fact::text(w.fact_due, due),
    ]
    .into_iter()
    .filter(|fact| !fact.value.is_empty())
    .collect()
}

/// Attachments, each with a link below `base`.
pub(crate) fn files(
    w: &'static Words,
    attachments: &[AttachmentView],
    base: &str,
) -> Vec<FileLine> {
    attachments
        .iter()
        .map(|file| FileLine {
            check: None,
            href: if base.is_empty() {
                String::new()
            } else {
                format!("{base}/files/{}", file.n)
            },
            name: file.name.clone(),
            sha256: file.sha256.clone(),
            size: size(w, file.bytes),
        })
        .collect()
}

/// Notes with cause and next step: everyone who needs a person, else the whole in one sentence while
/// something waits.
fn notes(lang: Lang, explanation: &Explanation, base: &str) -> Vec<Note> {
    let link = |code: &str| address::with_query(base, &[("to", code)]);
    let acting: Vec<Note> = explanation
        .recipients
        .iter()
        .filter(|cause| cause.act)
        .take(3)
        .map(|cause| Note {
            cause: sentence(said(&cause.cause, lang)),
            hard: matches!(
                cause.state,
                RecipientState::Refused | RecipientState::Expired
            ),
            head: format!("{}:", cause.name),
            href: link(cause.code.as_str()),
            todo: said(&cause.todo, lang).to_owned(),
        })
        .collect();
    if !acting.is_empty() {
        return acting;
    }
    let waiting = explanation
        .recipients
        .iter()
        .find(|cause| cause.reason.is_some());
    let Some(cause) = waiting else {
        return Vec::new();
    };
    vec![Note {
        cause: sentence(&format!("{}: {}", cause.name, said(&cause.cause, lang))),
        hard: false,
        head: said(&explanation.summary, lang).to_owned(),
        href: link(cause.code.as_str()),
        todo: said(&cause.todo, lang).to_owned(),
    }]
}

/// The text with a full stop, so that two texts in a row read as sentences.
fn sentence(text: &str) -> String {
    if text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

fn recipient(
    w: &'static Words,
    lang: Lang,
    recipient: &RecipientView,
    base: &str,
    chosen: &str,
) -> RecipientLine {
    let waiting = recipient
        .waiting
        .as_ref()
        .filter(|_| !recipient.state.is_final());
    let (badge, why) = match (waiting, &recipient.reason) {
        (Some(waiting), _) => {
            let text = fill(w.attempt, &[("n", &waiting.attempt.to_string())]);
            let next = When::at(waiting.next_at).time;
            let next = fill(w.next_at, &[("t", &next)]);
            let why = format!("{} · {next}", said(&waiting.reason.text, lang));
            (Pill::new(Tone::Wait, text), why)
        }
        (None, Some(reason)) => (
            pill(w, recipient.state),
            said(&reason.text, lang).to_owned(),
        ),
        (None, None) => (pill(w, recipient.state), String::new()),
    };
    let code = recipient.code.to_string();
    let business = &recipient.business;
    // Arrival stands in the badge already.
    let heard = !matches!(business.state, "sent" | "arrived");
    let mut life: Vec<&str> = Vec::new();
    if heard {
        life.push(said(&business.text, lang));
    }
    life.extend(business.request_text.iter().map(|text| said(text, lang)));
    let late = recipient
        .deadlines
        .iter()
        .find(|deadline| deadline.standing == "overdue");
    let late = late.map(|deadline| {
        let line = life::due_line(w, lang, deadline);
        format!("{} {line}", w.overdue_head)
    });
    life.extend(late.as_deref());
    let life = life.join("; ");
    RecipientLine {
        life,
        here: code == chosen,
        href: address::with_query(base, &[("to", &code)]),
        code,
        name: recipient.name.clone(),
        pill: badge,
        when: When::at(recipient.updated),
        why,
    }
}

fn steps(w: &'static Words, lang: Lang, timeline: &TimelineView) -> Vec<StepLine> {
    let mut day = String::new();
    let mut lines: Vec<StepLine> = timeline
        .steps
        .iter()
        .map(|step| line(w, lang, step, &mut day))
        .collect();
    if let Some(next) = &timeline.next {
        lines.push(StepLine {
            at: When::words(w.not_yet),
            day: String::new(),
            place: String::new(),
            receipt: String::new(),
            said: next
                .due
                .map(|due| fill(w.due_by, &[("t", &due.vietnam())]))
                .unwrap_or_default(),
            soft: false,
            text: said(&next.text, lang).to_owned(),
            todo: true,
            tone: Tone::Mute,
            why: String::new(),
        });
    }
    lines
}

fn line(w: &'static Words, lang: Lang, step: &Step, day: &mut String) -> StepLine {
    let at = When::precise(step.at);
    let new_day = if at.day == *day {
        String::new()
    } else if day.is_empty() {
        format!("{} · {}", at.day, w.time_zone)
    } else {
        at.day.clone()
    };
    day.clone_from(&at.day);
    let mut told = vec![step.who.clone()];
    if let Some(latency) = step.latency_ms {
        told.push(fill(w.after, &[("t", &span(w, latency))]));
    }
    if step.verdict == Verdict::Invalid {
        told.push(w.seal_invalid.to_owned());
    }
    if step.source == Source::Local {
        told.push(w.self_noted.to_owned());
    }
    if let Some(level) = step.level {
        told.push(said(&level.text(), lang).to_owned());
    }
    if step.clock_unsure {
        told.push(w.clock_unsure.to_owned());
    }
    let tone = tone(step);
    StepLine {
        at,
        day: new_day,
        place: step
            .log
            .as_ref()
            .map(|log| format!("{} #{}", log.origin, log.index))
            .unwrap_or_default(),
        receipt: step.receipt_id.clone().unwrap_or_default(),
        said: told.join(" · "),
        soft: tone != Tone::Bad,
        text: said(&step.text, lang).to_owned(),
        todo: false,
        tone,
        why: step
            .reason
            .as_ref()
            .map(|why| said(&why.text, lang).to_owned())
            .unwrap_or_default(),
    }
}

fn tone(step: &Step) -> Tone {
    match (step.verdict, step.event.as_str()) {
        (Verdict::Invalid, _) | (_, "refused" | "expired") => Tone::Bad,
        (_, "waiting_retry") => Tone::Wait,
        (_, "withdrawn") => Tone::Mute,
        _ if step.reason.is_some() => Tone::Wait,
        _ => Tone::Ok,
    }
}

/// The evidence panel: signature, time-stamp, receipts, each with its verdict.
pub(crate) fn seals(
    w: &'static Words,
    sender: &str,
    signature: Option<&SignatureView>,
    steps: Option<&[Step]>,
) -> Vec<Seal> {
    let valid = || Pill::new(Tone::Ok, w.seal_valid);
    let mut seals = Vec::new();
    if let Some(signature) = signature {
        let time = signature.signed_at.vietnam();
        seals.push(Seal {
            pill: valid(),
            text: fill(w.seal_signature, &[("name", sender), ("t", &time)]),
        });
        seals.push(match signature.stamped_at {
            Some(time) => Seal {
                pill: valid(),
                text: fill(w.seal_stamp, &[("t", &time.vietnam())]),
            },
            None => Seal {
                pill: Pill::new(Tone::Mute, w.seal_later),
                text: w.seal_stamp_later.to_owned(),
            },
        });
    }
    if let Some(steps) = steps {
        let receipts = steps.iter().filter(|step| step.receipt_id.is_some());
        let (good, bad): (Vec<&Step>, Vec<&Step>) =
            receipts.partition(|step| step.verdict != Verdict::Invalid);
        let count = |steps: &[&Step]| steps.len().to_string();
        if !bad.is_empty() {
            seals.push(Seal {
                pill: Pill::new(Tone::Bad, w.seal_invalid),
                text: fill(w.seal_receipts_bad, &[("n", &count(&bad))]),
            });
        }
        seals.push(if good.is_empty() {
            let text = w.seal_receipts_none.to_owned();
            Seal {
                pill: Pill::new(Tone::Mute, w.seal_later),
                text,
            }
        } else {
            Seal {
                pill: valid(),
                text: fill(w.seal_receipts, &[("n", &count(&good))]),
            }
        });
    }
    seals
}
