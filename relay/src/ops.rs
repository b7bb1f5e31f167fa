//! Ops: what operators and their tools see of a station: `/livez`, `/readyz`, `/status`, `/queue`,
//! `/metrics`, `/heads`, `/conflicts`, and the logs (`/log/…`) over HTTP on a loopback address. Read only, no access control, nothing of any
//! content: codes, names of stations, counts.
//!
//! Fails by answering 503 with the reason. Must not know how things are decided.

pub(crate) mod logs;
mod metrics;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use formats::time::Timestamp;
use serde_json::{Value, json};

use crate::alarm::Alarm;
use crate::station::Core;
use crate::store::QueueShape;

/// Things that happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    passed_on: AtomicU64,
}

impl Counters {
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn passed_on(&self) {
        self.passed_on.fetch_add(1, Ordering::Relaxed);
    }
}

/// Serves until the station stops.
pub(crate) async fn serve(core: Arc<Core>, listener: tokio::net::TcpListener) {
    let stop = core.stop.clone();
    let served = axum::serve(listener, router(Arc::clone(&core)))
        .with_graceful_shutdown(async move { stop.cancelled().await });
    if let Err(error) = served.await {
        tracing::warn!(code = "TRAM-305", %error, "ops endpoint ended");
    }
}

fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/queue", get(queue))
        .route("/metrics", get(metrics::metrics))
        .route("/heads", get(logs::heads))
        .route("/conflicts", get(logs::conflicts))
        .with_state(Arc::clone(&core))
        .merge(logs::public(core))
}

/// Each check by name. Links are shown but do not decide: a station without a link still takes work
/// from its desk.
async fn readyz(State(core): State<Arc<Core>>) -> Response {
    let now = core.clock.now();
    let snapshot = core.directory.snapshot();
    let links_up = core
        .links
        .states(core.clock.now())
        .iter()
        .filter(|link| link.up)
        .count();
    let checks = [
        ("running", !core.stop.is_cancelled()),
        ("records", snapshot.station(&core.name).is_some()),
        ("revocation", !snapshot.revocation_stale(now)),
        ("log", !core.store.stating_stopped()),
        ("store", core.store.due_hops(now).await.is_ok()),
        ("disk", core.store.bodies().has_room(0)),
    ];
    let ready = checks.iter().all(|(_, well)| *well);
    let mut shown: serde_json::Map<String, Value> = checks
        .iter()
        .map(|(name, well)| ((*name).to_owned(), json!(well)))
        .collect();
    shown.insert("links_up".to_owned(), json!(links_up));
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(json!({ "ready": ready, "checks": shown }))).into_response()
}

async fn status(State(core): State<Arc<Core>>) -> Response {
    let now = core.clock.now();
    let shape = match core.store.shape(now).await {
        Ok(shape) => shape,
        Err(error) => return unreadable(&error),
    };
    let snapshot = core.directory.snapshot();
    let oldest = shape
        .destinations
        .iter()
        .map(|destination| destination.oldest)
        .min();
    let identity = core.tls.identity();
    let tls = identity.chain.first();
    let tls = tls.map(|certificate| days_left(certificate.not_after(), now));
    let evidence = days_left(core.evidence.signer().certificate.not_after(), now);
    let states: serde_json::Map<String, Value> = shape
        .states
        .iter()
        .map(|one| (one.state.to_owned(), json!(one.legs)))
        .collect();
    Json(json!({
        "station": core.name,
        "version": env!("CARGO_PKG_VERSION"),
        "started": core.started.rfc3339(),
        "now": now.rfc3339(),
        "clock_unsure": core.clock_unsure(),
        "alarms": core.alarms.all().iter().map(Alarm::json).collect::<Vec<Value>>(),
        "links": core.links.states(core.clock.now()),
        "queue": {
            "states": states,
            "oldest": oldest.map(Timestamp::rfc3339),
            "owed_receipts": shape.owed_receipts,
        },
        "time_stamps": core.stampers.states(),
        "log": logs::status(&core).await,
        "certificate_days_left": { "tls": tls, "evidence": evidence },
        "certificates": core.certificates.json(now),
        "authority": core.authority.as_ref().map(|authority| authority.json(now)),
        "scrub": core.damage.json(),
        "disk_free_bytes": core.store.bodies().free_bytes().ok(),
        "disk_floor_bytes": core.store.bodies().floor_bytes(),
        "records": {
            "built": snapshot.built().rfc3339(),
            "agencies": snapshot.agencies().count(),
            "stations": snapshot.stations().count(),
            "revocation_stale": snapshot.revocation_stale(now),
            "trust_list_until": snapshot.trust_list().not_after.rfc3339(),
            "refused": snapshot.refused(),
        },
        "since_start": {
            "accepted": core.counters.accepted.load(Ordering::Relaxed),
            "refused": core.counters.refused.load(Ordering::Relaxed),
            "passed_on": core.counters.passed_on.load(Ordering::Relaxed),
        },
    }))
    .into_response()
}

async fn queue(State(core): State<Arc<Core>>) -> Response {
    let now = core.clock.now();
    match core.store.shape(now).await {
        Ok(shape) => Json(queue_json(&core, &shape, now)).into_response(),
        Err(error) => unreadable(&error),
    }
}

fn queue_json(core: &Core, shape: &QueueShape, now: Timestamp) -> Value {
    let destinations: Vec<Value> = shape
        .destinations
        .iter()
        .map(|one| {
            let hop = one.next_hop.as_ref();
            json!({
                "next_hop": hop,
                "link_up": hop.map(|hop| core.links.is_up(hop)),
                "legs": one.legs,
                "waiting_retry": one.waiting_retry,
                "oldest": one.oldest.rfc3339(),
                "oldest_age_ms": now.minus(one.oldest),
                "ages": {
                    "1m": one.ages[0],
                    "5m": one.ages[1],
                    "1h": one.ages[2],
                    "1d": one.ages[3],
                    "older": one.ages[4],
                },
            })
        })
        .collect();
    json!({ "station": core.name, "now": now.rfc3339(), "destinations": destinations })
}

fn days_left(not_after: Timestamp, now: Timestamp) -> i64 {
    not_after.minus(now).div_euclid(MS_PER_DAY)
}

fn unreadable(error: &dyn std::fmt::Display) -> Response {
    tracing::warn!(code = "TRAM-331", %error, "spool cannot be read");
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "the store cannot be read\n",
    )
        .into_response()
}

const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;
