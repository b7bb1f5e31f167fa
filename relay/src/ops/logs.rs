//! The station's logs over HTTP, in the layout of c2sp.org/tlog-tiles, one prefix for each epoch:
//! `/log/<epoch>/checkpoint`, `/log/<epoch>/tile/…`. So the origin `<station>/log/<epoch>` is the prefix of the
//! log without its scheme wherever a station is reached by its name. Entries are salted hashes of statements:
//! whoever mirrors the log learns how many there are, and nothing else.
//!
//! Served on the operators' address, and on one of its own (`[log] listen`) that may be public: read only,
//! full tiles may be cached for ever. Fails with 404 for what is not there or not signed yet.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use formats::merkle::layout::Resource;
use serde_json::{Value, json};

use super::unreadable;
use crate::evidence::heads::conflict_json;
use crate::station::Core;

/// What anybody may read.
pub(super) fn public(core: Arc<Core>) -> Router {
    Router::new()
        .route("/log/{epoch}/{*path}", get(resource))
        .with_state(core)
}

/// Serves the logs alone until the station stops.
pub(crate) async fn serve(core: Arc<Core>, listener: tokio::net::TcpListener) {
    let stop = core.stop.clone();
    let served = axum::serve(listener, public(core))
        .with_graceful_shutdown(async move { stop.cancelled().await });
    if let Err(error) = served.await {
        tracing::warn!(code = "TRAM-305", %error, "log endpoint ended");
    }
}

async fn resource(
    State(core): State<Arc<Core>>,
    Path((epoch, path)): Path<(String, String)>,
) -> Response {
    let absent = || (StatusCode::NOT_FOUND, "not here\n").into_response();
    let number = epoch.parse::<u32>().ok();
    let number = number.filter(|number| number.to_string() == epoch);
    let (Some(number), Some(resource)) = (number, Resource::parse(&path)) else {
        return absent();
    };
    let bytes = match core.store.resource(number, resource).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return absent(),
        Err(error) => return unreadable(&error),
    };
    let (kind, caching) = match resource {
        Resource::Checkpoint => ("text/plain; charset=utf-8", "public, max-age=2"),
        // The bytes under this path never change; a partial one is soon of no use.
        _ if resource.is_full() => (
            "application/octet-stream",
            "public, max-age=31536000, immutable",
        ),
        _ => ("application/octet-stream", "public, max-age=600"),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
    ];
    (headers, bytes).into_response()
}

/// `GET /heads`: every log that is followed.
pub(super) async fn heads(State(core): State<Arc<Core>>) -> Response {
    Json(json!({ "station": core.name, "logs": core.heads.json() })).into_response()
}

/// `GET /conflicts`: every pair of heads that convicts a log, with both signed notes.
pub(super) async fn conflicts(State(core): State<Arc<Core>>) -> Response {
    match core.store.log_conflicts().await {
        Ok(all) => {
            let all: Vec<Value> = all.iter().map(conflict_json).collect();
            Json(json!({ "station": core.name, "conflicts": all })).into_response()
        }
        Err(error) => unreadable(&error),
    }
}

/// The log in `/status`.
pub(super) async fn status(core: &Core) -> Value {
    let logs = core.store.logs();
    let closed: Vec<Value> = logs
        .iter()
        .filter(|log| !log.open)
        .map(|log| json!({ "origin": log.origin.to_string(), "size": log.size }))
        .collect();
    let levels = core.levels().await.unwrap_or_default();
    let sizes: serde_json::Map<String, Value> = levels
        .iter()
        .map(|(level, size)| (level.name().to_owned(), json!(size)))
        .collect();
    let (followed, conflicts) = core.heads.counts();
    let head = core.store.head().borrow().size;
    json!({
        "origin": core.store.log_identity().origin.to_string(),
        "size": head,
        "stopped": core.store.stating_stopped(),
        "levels": sizes,
        "closed": closed,
        "followed": followed,
        "conflicts": conflicts,
    })
}
