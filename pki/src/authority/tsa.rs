//! The time-stamp authority's door: RFC 3161 over HTTP (section 3.4).
//!
//! Owns: `POST /` with a request, `GET /livez`. Bounded in body size, in requests at once and in
//! time, so that a stranger can neither fill the memory nor hold connections. The clock is a
//! function given by the daemon. Fails with HTTP status codes; a readable request that cannot be
//! granted is answered with a PKIFailureInfo and 200. Must not know keys' files or the log of the
//! authority.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use formats::time::Timestamp;

use crate::stamp::TokenIssuer;

/// Tells the time; `None` when the daemon's clock is not sure, and requests are then refused.
pub type Clock = Arc<dyn Fn() -> Option<Timestamp> + Send + Sync>;

#[derive(Clone)]
struct Door {
    issuer: Arc<TokenIssuer>,
    clock: Clock,
    places: Arc<Semaphore>,
}

/// Serves until `shutdown` is ready; open requests are answered first.
///
/// # Errors
/// The listener's I/O errors.
pub async fn serve(
    listener: TcpListener,
    issuer: TokenIssuer,
    clock: Clock,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(issuer, clock))
        .with_graceful_shutdown(shutdown)
        .await
}

/// The routes, for a daemon that serves others beside them.
pub fn router(issuer: TokenIssuer, clock: Clock) -> Router {
    let door = Door {
        issuer: Arc::new(issuer),
        clock,
        places: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)),
    };
    Router::new()
        .route("/", post(stamp))
        .route("/livez", get(|| async { "ok\n" }))
        .with_state(door)
}

async fn stamp(State(door): State<Door>, headers: HeaderMap, body: Body) -> Response {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = media_type
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if !media_type.is_some_and(|value| value.eq_ignore_ascii_case(QUERY)) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let Ok(_place) = door.places.try_acquire() else {
        let later = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, later).into_response();
    };
    let request = match tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(request)) => request,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    // A signature takes 20 microseconds, less than a hand-over to another thread.
    let answer = match (door.clock)() {
        Some(now) => door.issuer.respond(&request, now),
        None => door.issuer.time_not_available(),
    };
    match answer {
        Ok(response) => ([(header::CONTENT_TYPE, REPLY)], response).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";
/// A request has about 70 bytes.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// A client that needs longer for 70 bytes has gone.
const BODY_TIME: Duration = Duration::from_secs(5);
/// Requests whose body is still being read; each holds at most 4 KiB.
const REQUESTS_AT_ONCE: usize = 256;

#[cfg(test)]
mod tests;
