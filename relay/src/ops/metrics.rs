//! Metrics: gauges and counters in Prometheus text. Few and hand-written; labels are bounded (peers, states, roles),
//! never an agency or an envelope. Fails with 503. Must not know what the numbers decide.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::unreadable;
use crate::alarm::{Code, Level};
use crate::evidence::tsa::AuthorityState;
use crate::station::Core;
use crate::store::QueueShape;

/// `GET /metrics`.
pub(super) async fn metrics(State(core): State<Arc<Core>>) -> Response {
    let shape = match core.store.shape(core.clock.now()).await {
        Ok(shape) => shape,
        Err(error) => return unreadable(&error),
    };
    let mut text = Exposition::default();
    text.gauge(
        "tram_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    links(&core, &mut text);
    queue(&core, &shape, &mut text);
    for (level, size) in core.levels().await.unwrap_or_default() {
        let labels = [("level", level.name())];
        text.gauge("tram_log_checkpoint_size", &labels, clamp(size));
    }
    trust(&core, &mut text);
    alarms(&core, &mut text);
    stampers(&core, &mut text);
    damage(&core, &mut text);
    let counters = &core.counters;
    text.counter(
        "tram_envelopes_accepted_total",
        counters.accepted.load(Ordering::Relaxed),
    );
    text.counter(
        "tram_offers_refused_total",
        counters.refused.load(Ordering::Relaxed),
    );
    text.counter(
        "tram_batches_passed_on_total",
        counters.passed_on.load(Ordering::Relaxed),
    );
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        text.0,
    )
        .into_response()
}

fn links(core: &Core, text: &mut Exposition) {
    let links = core.links.states(core.clock.now());
    for link in &links {
        text.gauge(
            "tram_link_up",
            &[("peer", link.station.as_str())],
            i64::from(link.up),
        );
    }
    for link in &links {
        if let Some(rtt_us) = link.rtt_us {
            text.gauge(
                "tram_link_rtt_microseconds",
                &[("peer", link.station.as_str())],
                clamp(rtt_us),
            );
        }
    }
    text.gauge("tram_clock_unsure", &[], i64::from(core.clock_unsure()));
}

fn queue(core: &Core, shape: &QueueShape, text: &mut Exposition) {
    let now = core.clock.now();
    for state in &shape.states {
        text.gauge(
            "tram_queue_legs",
            &[("state", state.state)],
            clamp(state.legs),
        );
    }
    let oldest = shape
        .destinations
        .iter()
        .map(|one| now.minus(one.oldest))
        .max();
    text.gauge("tram_queue_oldest_seconds", &[], oldest.unwrap_or(0) / 1000);
    text.gauge("tram_receipts_owed", &[], clamp(shape.owed_receipts));
    text.gauge("tram_log_size", &[], clamp(core.store.head().borrow().size));
    text.gauge(
        "tram_log_stopped",
        &[],
        i64::from(core.store.stating_stopped()),
    );
    let (followed, conflicts) = core.heads.counts();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    text.gauge("tram_logs_followed", &[], count(followed));
    text.gauge("tram_log_conflicts", &[], count(conflicts));
    if let Ok(free) = core.store.bodies().free_bytes() {
        text.gauge("tram_disk_free_bytes", &[], clamp(free));
    }
}

fn trust(core: &Core, text: &mut Exposition) {
    let name = "tram_certificate_expiry_timestamp_seconds";
    let identity = core.tls.identity();
    if let Some(tls) = identity.chain.first() {
        text.gauge(name, &[("role", "tls")], tls.not_after().unix_s());
    }
    let evidence = core.evidence.signer().certificate.not_after().unix_s();
    text.gauge(name, &[("role", "evidence")], evidence);
    certificates(core, text);
    let snapshot = core.directory.snapshot();
    if let Some(until) = snapshot.validator().freshness(core.clock.now()).until {
        text.gauge(
            "tram_crl_next_update_timestamp_seconds",
            &[],
            until.unix_s(),
        );
    }
    let refused = i64::try_from(snapshot.refused().len()).unwrap_or(i64::MAX);
    text.gauge("tram_records_refused", &[], refused);
}

/// Own certificates and those of the agencies served here; an agency is a label only where it is ours.
fn certificates(core: &Core, text: &mut Exposition) {
    let now = core.clock.now();
    for one in core.certificates.all() {
        let agency = one.party.agency().map(ToString::to_string);
        let mut labels = vec![("role", one.role.as_str())];
        labels.extend(agency.as_deref().map(|code| ("agency", code)));
        let left = one.not_after.minus(now).div_euclid(1000);
        text.gauge("tram_certificate_expires_seconds", &labels, left);
    }
    if let Some(authority) = &core.authority {
        let state = authority.pull_state();
        if let Some(last) = state.last_success {
            let age = now.minus(last).div_euclid(1000);
            text.gauge("tram_authority_pull_age_seconds", &[], age);
        }
    }
}

/// Authorities by their place in the configuration, which is bounded; the first is 1.
fn stampers(core: &Core, text: &mut Exposition) {
    let states = core.stampers.states();
    let places: Vec<String> = (1..=states.len()).map(|place| place.to_string()).collect();
    let mut each = |name: &str, value: &dyn Fn(&AuthorityState) -> u64| {
        for (place, one) in places.iter().zip(&states) {
            let labels = [("place", place.as_str()), ("url", one.url.as_str())];
            text.sample(name, "counter", &labels, clamp(value(one)));
        }
    };
    each("tram_time_stamp_tokens_total", &|one| one.tokens);
    each("tram_time_stamp_failures_total", &|one| one.failures);
    for (place, one) in places.iter().zip(&states) {
        let labels = [("place", place.as_str()), ("url", one.url.as_str())];
        text.gauge(
            "tram_time_stamp_failing",
            &labels,
            i64::from(one.failing > 0),
        );
    }
}

/// What the scrub and the read paths found.
fn damage(core: &Core, text: &mut Exposition) {
    let [bodies, rows, bytes, passes] = core.damage.counts();
    text.counter("tram_damaged_bodies_total", bodies);
    text.counter("tram_mended_rows_total", rows);
    text.counter("tram_scrubbed_bytes_total", bytes);
    text.counter("tram_scrub_passes_total", passes);
}

/// 0 well, 1 half of a window is over, 2 it is over and something stops: the worst of each code, every code
/// at all times, so that a rule can tell "well" from "not asked".
fn alarms(core: &Core, text: &mut Exposition) {
    let up = core.alarms.all();
    for code in Code::ALL {
        let of_it = up.iter().filter(|alarm| alarm.found.code == code);
        let worst = of_it.map(|alarm| alarm.found.level).max();
        let value = match worst {
            None => 0,
            Some(Level::Warning) => 1,
            Some(Level::Stopped) => 2,
        };
        let labels = [("code", code.number()), ("name", code.name())];
        text.gauge("tram_alarm", &labels, value);
    }
}

/// Prometheus text, format 0.0.4.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn gauge(&mut self, name: &str, labels: &[(&str, &str)], value: i64) {
        self.sample(name, "gauge", labels, value);
    }

    fn sample(&mut self, name: &str, kind: &str, labels: &[(&str, &str)], value: i64) {
        self.kind(name, kind);
        let labels: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{value}\""))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        self.0.push_str(&format!("{name}{labels} {value}\n"));
    }

    fn counter(&mut self, name: &str, value: u64) {
        self.kind(name, "counter");
        self.0.push_str(&format!("{name} {value}\n"));
    }

    /// Once a name; samples of one name follow each other.
    fn kind(&mut self, name: &str, kind: &str) {
        let line = format!("# TYPE {name} {kind}\n");
        if !self.0.contains(&line) {
            self.0.push_str(&line);
        }
    }
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
