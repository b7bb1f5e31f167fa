//! Documents that are overdue or due soon: what this agency owes, and what it waits for.

use askama::Template;
use axum::extract::State;
use axum::http::Uri;

use super::parts::{Frame, Pill, Tab, Tone, When, urgent};
use super::words::{Lang, Words};
use super::{Answer, Place, Reader, address, frame, html};
use crate::door::Doors;
use crate::door::params::Params;
use crate::door::problem::said;
use crate::view::DeadlineRow;

#[derive(Debug, Template)]
#[template(path = "deadlines.html")]
pub(crate) struct DeadlinesPage {
    pub(crate) frame: Frame,
    pub(crate) rows: Vec<Line>,
    pub(crate) subject_title: &'static str,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) w: &'static Words,
}

/// One document.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) code: String,
    pub(crate) href: String,
    pub(crate) owed: String,
    pub(crate) pill: Pill,
    pub(crate) subject: String,
    pub(crate) urgent: String,
    pub(crate) when: When,
    pub(crate) who: String,
}

/// `GET /deadlines?side=sent`
pub(crate) async fn list(State(doors): State<Doors>, reader: Reader, uri: Uri) -> Answer {
    let sent = Params::of(&uri)?.text("side").as_deref() == Some("sent");
    let (frame, _) = frame(&doors, &reader, Place::Deadlines, reader.w.deadlines).await?;
    let agency = &reader.caller.agency;
    let found = doors.desk().deadlines(agency, sent, &[], ROWS).await?;
    html(&page(frame, sent, &found))
}

/// The page of what was found.
pub(crate) fn page(frame: Frame, sent: bool, found: &[DeadlineRow]) -> DeadlinesPage {
    let (w, lang) = (frame.w, frame.lang);
    let tab = |of: bool, text: &str| Tab {
        here: of == sent,
        href: if of {
            "/deadlines?side=sent".to_owned()
        } else {
            "/deadlines".to_owned()
        },
        text: text.to_owned(),
    };
    DeadlinesPage {
        rows: found.iter().map(|row| line(w, lang, sent, row)).collect(),
        subject_title: if sent {
            w.col_subject_to
        } else {
            w.col_subject_from
        },
        tabs: vec![
            tab(false, w.deadlines_received),
            tab(true, w.deadlines_sent),
        ],
        frame,
        w,
    }
}

fn line(w: &'static Words, lang: Lang, sent: bool, row: &DeadlineRow) -> Line {
    let tone = match row.next.standing {
        "overdue" => Tone::Bad,
        "due_soon" => Tone::Wait,
        _ => Tone::Mute,
    };
    let href = if sent {
        let base = format!("/documents/{}", row.id);
        address::with_query(&base, &[("to", row.peer.as_str())])
    } else {
        format!("/inbox/{}", row.id)
    };
    Line {
        code: row.code.clone(),
        href,
        owed: said(&row.next.text, lang).to_owned(),
        pill: Pill::new(tone, said(&row.next.standing_text, lang)),
        subject: row.subject.clone(),
        urgent: urgent(w, row.priority),
        when: When::at(row.next.due),
        who: row.peer_name.clone(),
    }
}

const ROWS: u32 = 100;
