//! The pages: what a records clerk and an operator see. One file a page, one template each.
//!
//! Pages are plain HTML that works without scripts; htmx renews the part with id `live` by asking for
//! the same page again. All text comes from `words`, all values are escaped by the templates. Pages
//! know the views of the desk and nothing below it.

pub(crate) mod address;
pub(crate) mod agencies;
pub(crate) mod assets;
mod checks;
pub(crate) mod day;
pub(crate) mod deadlines;
pub(crate) mod document;
pub(crate) mod inbox;
pub(crate) mod keep;
pub(crate) mod life;
pub(crate) mod login;
pub(crate) mod message;
pub(crate) mod outgoing;
pub(crate) mod parts;
pub(crate) mod problems;
pub(crate) mod received;
pub(crate) mod send;
pub(crate) mod station;
pub(crate) mod verify;
pub mod words;

#[cfg(test)]
mod tests;

use askama::Template;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::access::{Caller, Scope};
use crate::door::Doors;
use crate::door::auth::{Session, Who};
use crate::door::dress::language;
use crate::door::params::Params;
use crate::door::problem::{Kind, Problem};
use crate::view::{Counts, StationView};

use parts::{Frame, NavItem, Pill, Tone};
use words::{Lang, Words, fill};

/// What a page answers.
pub(crate) type Answer = Result<Response, Problem>;

/// The person who reads a page.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) caller: Caller,
    /// Path and query of the page.
    pub(crate) here: String,
    pub(crate) lang: Lang,
    pub(crate) session: Session,
    pub(crate) w: &'static Words,
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Who(caller) = Who::from_request_parts(parts, state).await?;
        let session = Session::from_request_parts(parts, state).await?;
        let lang = language(&parts.headers);
        let here = parts
            .uri
            .path_and_query()
            .map_or("/", |here| here.as_str())
            .to_owned();
        Ok(Self {
            caller,
            here,
            lang,
            session,
            w: lang.words(),
        })
    }
}

/// The entry of the rail that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Agencies,
    Attention,
    Deadlines,
    Incoming,
    Outgoing,
    Station,
}

/// The frame of a page with what the rail shows now.
pub(crate) async fn frame(
    doors: &Doors,
    reader: &Reader,
    place: Place,
    title: impl Into<String>,
) -> Result<(Frame, Counts), Problem> {
    let desk = doors.desk();
    let counts = desk.counts(&reader.caller.agency).await?;
    let station = desk.station_view().await?;
    let now = desk.now();
    let served = desk.agencies();
    let agency = served
        .iter()
        .find(|agency| agency.code == reader.caller.agency);
    let days = agency.map(|agency| {
        agency
            .signature_until
            .min(agency.encryption_until)
            .minus(now)
            .div_euclid(86_400_000)
    });
    let name = agency.map_or_else(
        || reader.caller.agency.to_string(),
        |agency| agency.name.clone(),
    );
    Ok((
        around(reader, place, title.into(), &name, days, &counts, &station),
        counts,
    ))
}

/// The frame from values.
pub(crate) fn around(
    reader: &Reader,
    place: Place,
    title: String,
    agency: &str,
    certificate_days: Option<i64>,
    counts: &Counts,
    station: &StationView,
) -> Frame {
    let w = reader.w;
    let up = station.links_up();
    let health = if station.links.is_empty() || up > 0 {
        let soon = certificate_days.is_some_and(|days| days < 14);
        let alarmed = !station.alarms.is_empty();
        if up < station.links.len() || station.clock_unsure || soon || alarmed {
            Pill::new(Tone::Wait, w.restricted)
        } else {
            Pill::new(Tone::Ok, w.online)
        }
    } else {
        Pill::new(Tone::Bad, w.offline)
    };
    let all = station.links.len().to_string();
    Frame {
        agency: agency.to_owned(),
        certificate: certificate_days
            .map(|days| fill(w.cert_days, &[("n", &days.max(0).to_string())]))
            .unwrap_or_default(),
        csrf: reader.session.form_token(),
        health,
        here: reader.here.clone(),
        lang: reader.lang,
        links: fill(w.links_up, &[("up", &up.to_string()), ("all", &all)]),
        nav: rail(w, place, counts),
        switch: parts::switch(reader.lang, &reader.here),
        title,
        user: fill(w.signed_in_as, &[("name", &reader.caller.label)]),
        version: assets::version(),
        w,
    }
}

fn rail(w: &'static Words, place: Place, counts: &Counts) -> Vec<NavItem> {
    let count = |number: u64| {
        if number == 0 {
            String::new()
        } else {
            parts::grouped(number)
        }
    };
    let item = |of, href, text, count, rule| NavItem {
        count,
        here: of == place,
        href,
        rule,
        text,
    };
    vec![
        item(
            Place::Outgoing,
            "/documents",
            w.outgoing,
            count(counts.sent),
            false,
        ),
        item(
            Place::Incoming,
            "/inbox",
            w.incoming,
            count(counts.inbox_new),
            false,
        ),
        item(
            Place::Attention,
            "/documents?tab=attention",
            w.attention,
            count(counts.trouble),
            false,
        ),
        item(
            Place::Deadlines,
            "/deadlines",
            w.deadlines,
            String::new(),
            false,
        ),
        item(
            Place::Agencies,
            "/agencies",
            w.agencies,
            String::new(),
            true,
        ),
        item(Place::Station, "/station", w.station, String::new(), false),
    ]
}

/// A page as an answer.
pub(crate) fn html(page: &impl Template) -> Answer {
    match page.render() {
        Ok(text) => Ok(Html(text).into_response()),
        Err(error) => Err(Problem::new(Kind::Internal).cause(format!("template: {error}"))),
    }
}

/// `GET /`
pub(crate) async fn front(reader: Reader) -> Redirect {
    let target = if reader.caller.may(Scope::Read) {
        "/documents"
    } else {
        "/inbox"
    };
    Redirect::to(target)
}

/// `GET /lang/{lang}?back=/documents`: remembers the language and comes back.
pub(crate) async fn switch(Path(lang): Path<String>, uri: Uri) -> Answer {
    let lang = Lang::parse(&lang).ok_or_else(|| Problem::new(Kind::NotFound))?;
    let back = Params::of(&uri)?.text("back").unwrap_or_default();
    let cookie = format!(
        "tram_lang={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax",
        lang.code()
    );
    let mut response = Redirect::to(address::own(&back)).into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}
