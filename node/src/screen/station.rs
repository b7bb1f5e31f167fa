//! Trạm & tuyến: how the station under the desk is, for an operator's first look.

use askama::Template;
use axum::extract::State;
use formats::time::Timestamp;

use relay::alarm::Code;

use super::parts::{Frame, Pill, Tone, grouped, span};
use super::words::{Words, fill};
use super::{Answer, Place, Reader, frame, html};
use crate::door::Doors;
use crate::view::{AlarmView, AuthorityView, ServedAgency, StationView};

#[derive(Debug, Template)]
#[template(path = "station.html")]
pub(crate) struct StationPage {
    pub(crate) alarms: Vec<Notice>,
    pub(crate) facts: Vec<Line>,
    pub(crate) frame: Frame,
    pub(crate) lead: String,
    pub(crate) links: Vec<Link>,
    pub(crate) w: &'static Words,
}

/// A name, a light, a value.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) pill: Option<Pill>,
    pub(crate) value: String,
}

/// What a clerk should know of an alarm, and whom to tell.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) pill: Pill,
    pub(crate) tell: String,
    pub(crate) text: String,
}

/// One link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) pill: Pill,
}

/// `GET /station`
pub(crate) async fn show(State(doors): State<Doors>, reader: Reader) -> Answer {
    let (frame, _) = frame(&doors, &reader, Place::Station, reader.w.station).await?;
    let view = doors.desk().station_view().await?;
    html(&page(frame, &view, &doors.desk().agencies()))
}

/// The certificate of this station or agency that ends first: how long it holds, and who renews it.
fn certificates(w: &'static Words, view: &StationView, party: &str) -> Option<(Pill, String)> {
    let of_it = view.certificates.iter().filter(|one| one.party == party);
    let first = of_it.min_by_key(|one| (one.warning_days.is_none(), one.not_after))?;
    let tone = match first.warning_days {
        None => Tone::Ok,
        Some(..8) => Tone::Bad,
        Some(_) => Tone::Wait,
    };
    let text = fill(w.cert_days, &[("n", &first.days_left.max(0).to_string())]);
    let renewal = match first.renewal {
        "automatic" => w.renewed_by_itself,
        "foreign" => w.renewed_elsewhere,
        _ => w.renewed_by_hand,
    };
    Some((Pill::new(tone, text), renewal.to_owned()))
}

fn heard(w: &'static Words, authority: &AuthorityView) -> Pill {
    let time = authority.last_success.map(Timestamp::vietnam);
    match (&authority.error, time) {
        (None, Some(time)) => Pill::new(Tone::Ok, fill(w.authority_heard, &[("t", &time)])),
        (Some(_), Some(time)) => {
            Pill::new(Tone::Wait, fill(w.authority_last_heard, &[("t", &time)]))
        }
        (_, None) => Pill::new(Tone::Wait, w.authority_not_heard),
    }
}

/// The page of what was found.
pub(crate) fn page(frame: Frame, view: &StationView, served: &[ServedAgency]) -> StationPage {
    let w = frame.w;
    let line = |name: &str, pill, value: String| Line {
        name: name.to_owned(),
        pill,
        value,
    };
    let clock = if view.clock_unsure {
        Pill::new(Tone::Wait, w.clock_off)
    } else {
        Pill::new(Tone::Ok, w.clock_right)
    };
    let stamp = match view.stamped_at {
        Some(at) => Pill::new(Tone::Ok, fill(w.log_stamped, &[("t", &at.vietnam())])),
        None => Pill::new(Tone::Mute, w.log_not_stamped),
    };
    let entries = fill(w.entries, &[("n", &grouped(view.log_entries))]);
    let mut facts = vec![
        line(w.station_name, None, view.name.clone()),
        line(w.station_clock, Some(clock), String::new()),
        line(
            w.station_log,
            Some(stamp),
            format!("{entries} · {}", view.log_origin),
        ),
        line(
            w.station_queue,
            None,
            fill(w.documents_n, &[("n", &grouped(view.waiting))]),
        ),
    ];
    if let Some(oldest) = view.oldest.filter(|_| view.waiting > 0) {
        let waits = span(w, view.at.minus(oldest));
        facts.push(line(w.station_oldest, None, waits));
    }
    if let Some((pill, renewal)) = certificates(w, view, &view.name) {
        facts.push(line(w.station_certificates, Some(pill), renewal));
    }
    for agency in served {
        let code = agency.code.to_string();
        let (pill, value) = match certificates(w, view, &code) {
            Some((pill, renewal)) => (Some(pill), format!("{code} · {renewal}")),
            None => (None, code),
        };
        facts.push(line(&agency.name, pill, value));
    }
    if let Some(authority) = &view.authority {
        let pill = heard(w, authority);
        let value = authority.error.clone().unwrap_or_default();
        facts.push(line(w.station_authority, Some(pill), value));
    }
    let links = view.links.iter().map(|link| Link {
        name: link.peer.clone(),
        pill: if link.up {
            Pill::new(Tone::Ok, w.station_link_up)
        } else {
            Pill::new(Tone::Bad, w.station_link_down)
        },
    });
    let links = links.collect();
    let alarms = view.alarms.iter().map(|alarm| notice(w, alarm)).collect();
    let lead = fill(w.station_lead, &[("t", &view.at.vietnam())]);
    StationPage {
        alarms,
        facts,
        frame,
        lead,
        links,
        w,
    }
}

/// In a clerk's words: whether documents still move, until when, and the code for the administrator.
fn notice(w: &Words, alarm: &AlarmView) -> Notice {
    let stopped = alarm.is_stopped();
    let message = match (alarm.found, stopped) {
        (Code::Revocation | Code::TrustList | Code::Records, false) => w.alarm_trust_soon,
        (Code::Revocation | Code::TrustList, true) => w.alarm_trust_stopped,
        (Code::Records, true) => w.alarm_records_stopped,
        (Code::Authority | Code::TimeStamps | Code::Archive, _) => w.alarm_side,
        (Code::Certificate, false) => w.alarm_certificate_soon,
        (Code::Certificate, true) => w.alarm_certificate_stopped,
        (Code::Clock, _) => w.alarm_clock,
        (Code::OwnLog, _) => w.alarm_own_log,
        (Code::LogFork | Code::LogRewind | Code::LogUnproven | Code::Witnesses, _) => w.alarm_log,
        (Code::Damage, _) => w.alarm_damage,
    };
    let until = alarm.until.map(|until| until.vietnam()).unwrap_or_default();
    Notice {
        pill: if stopped {
            Pill::new(Tone::Bad, w.alarm_is_stopped)
        } else {
            Pill::new(Tone::Wait, w.alarm_is_warning)
        },
        text: fill(message, &[("t", &until), ("name", &alarm.subject)]),
        tell: fill(w.alarm_tell, &[("code", alarm.code)]),
    }
}
