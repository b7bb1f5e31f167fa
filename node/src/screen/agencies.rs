//! Danh bạ cơ quan: searching the directory by name or code, new or old, without
//! diacritics; an agency that ended says who receives for it now.

use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use formats::record::AgencyState;
use formats::time::Timestamp;

use super::parts::{Frame, Pill, Tone};
use super::words::{Words, fill};
use super::{Answer, Place, Reader, frame, html};
use crate::door::Doors;
use crate::door::params::Params;
use crate::view::AgencyView;

/// Rows of a page.
const ROWS: usize = 50;

#[derive(Debug, Template)]
#[template(path = "agencies.html")]
pub(crate) struct AgenciesPage {
    pub(crate) frame: Frame,
    pub(crate) q: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) w: &'static Words,
}

/// One agency.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) above: String,
    pub(crate) aliases: String,
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) pill: Pill,
    pub(crate) receiver: String,
    pub(crate) station: String,
}

/// `GET /agencies`
pub(crate) async fn list(State(doors): State<Doors>, reader: Reader, uri: Uri) -> Answer {
    let w = reader.w;
    let q = Params::of(&uri)?.text("q").unwrap_or_default();
    let (frame, _) = frame(&doors, &reader, Place::Agencies, w.agencies).await?;
    let found = doors.desk().search_agencies(&q, ROWS);
    let rows = found.iter().map(|agency| row(w, agency)).collect();
    html(&AgenciesPage { frame, q, rows, w })
}

/// An agency as a line of the list.
pub(crate) fn row(w: &'static Words, agency: &AgencyView) -> Row {
    let pill = match (agency.state, agency.reachable) {
        (AgencyState::Ended, _) => {
            let day = agency
                .valid_to
                .map(Timestamp::vietnam_day)
                .unwrap_or_default();
            Pill::new(Tone::Mute, fill(w.agency_ended, &[("day", &day)]))
        }
        (AgencyState::Future, _) => {
            let day = agency.valid_from.vietnam_day();
            Pill::new(Tone::Mute, fill(w.agency_future, &[("day", &day)]))
        }
        (AgencyState::Active, true) => Pill::new(Tone::Ok, w.agency_ready),
        (AgencyState::Active, false) => Pill::new(Tone::Mute, w.agency_not_ready),
    };
    let aliases = if agency.aliases.is_empty() {
        String::new()
    } else {
        let all: Vec<String> = agency
            .aliases
            .iter()
            .map(|text| alias(w, agency, text))
            .collect();
        fill(w.agency_aliases, &[("codes", &all.join(", "))])
    };
    let above = agency.parent_name.as_deref();
    Row {
        above: above.map_or_else(String::new, |name| fill(w.agency_above, &[("name", name)])),
        aliases,
        code: agency.code.to_string(),
        name: agency.name.clone(),
        pill,
        receiver: receiver(w, agency),
        station: agency.station.clone().unwrap_or_default(),
    }
}

/// Who receives for an agency that ended.
fn receiver(w: &'static Words, agency: &AgencyView) -> String {
    match (agency.state, &agency.receiver, &agency.receiver_name) {
        (AgencyState::Ended, Some(code), Some(name)) => fill(
            w.agency_receiver,
            &[("name", name), ("code", code.as_str())],
        ),
        (AgencyState::Ended, _, _) => w.agency_no_receiver.to_owned(),
        (AgencyState::Active | AgencyState::Future, _, _) => String::new(),
    }
}

/// An alias with its days, if it has any.
fn alias(w: &'static Words, agency: &AgencyView, text: &str) -> String {
    let period = agency.alias_periods.iter().find(|one| one.text == text);
    let from = period.and_then(|one| one.from).map(Timestamp::vietnam_day);
    let last = |to: Timestamp| to.minus_ms(1).vietnam_day();
    let to = period.and_then(|one| one.to).map(last);
    match (from, to) {
        (None, None) => text.to_owned(),
        (Some(from), None) => fill(w.agency_alias_from, &[("text", text), ("from", &from)]),
        (None, Some(to)) => fill(w.agency_alias_to, &[("text", text), ("to", &to)]),
        (Some(from), Some(to)) => fill(
            w.agency_alias_between,
            &[("text", text), ("from", &from), ("to", &to)],
        ),
    }
}
