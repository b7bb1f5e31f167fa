//! Danh bạ cơ quan: searching the directory by name or code, without diacritics.

use askama::Template;
use axum::extract::State;
use axum::http::Uri;

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
    pub(crate) aliases: String,
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) pill: Pill,
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
    let pill = if agency.reachable {
        Pill::new(Tone::Ok, w.agency_ready)
    } else {
        Pill::new(Tone::Mute, w.agency_not_ready)
    };
    let aliases = if agency.aliases.is_empty() {
        String::new()
    } else {
        fill(w.agency_aliases, &[("codes", &agency.aliases.join(", "))])
    };
    Row {
        aliases,
        code: agency.code.to_string(),
        name: agency.name.clone(),
        pill,
        station: agency.station.clone().unwrap_or_default(),
    }
}
