//! The witness over HTTP: `POST /add-checkpoint` as c2sp.org/tlog-witness says, `GET /` and `GET /logs` for people
//! and `GET /livez`. Bodies are bounded before they are read.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use formats::witness::{REQUEST_BYTES_MAX, SIZE_CONTENT_TYPE};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Refusal, Witness};

/// Serves until `stop`.
///
/// # Errors
/// The listener's.
pub async fn serve(
    witness: Arc<Witness>,
    listener: tokio::net::TcpListener,
    stop: CancellationToken,
) -> std::io::Result<()> {
    axum::serve(listener, router(witness))
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
}

fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/", get(about))
        .route("/livez", get(livez))
        .route("/logs", get(logs))
        .route(
            "/add-checkpoint",
            post(add).layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX)),
        )
        .with_state(witness)
}

async fn add(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let Ok(text) = std::str::from_utf8(&body) else {
        return (StatusCode::BAD_REQUEST, "not text\n").into_response();
    };
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    match witness.add(text).await {
        Ok(line) => (plain, line).into_response(),
        Err(Refusal::Conflict(size)) => {
            let kind = [(header::CONTENT_TYPE, SIZE_CONTENT_TYPE)];
            (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response()
        }
        Err(refusal) => {
            let code = match &refusal {
                Refusal::Request(_) => StatusCode::BAD_REQUEST,
                Refusal::UnknownLog => StatusCode::NOT_FOUND,
                Refusal::NotSigned => StatusCode::FORBIDDEN,
                Refusal::Conflict(_) => StatusCode::CONFLICT,
                Refusal::Proof => StatusCode::UNPROCESSABLE_ENTITY,
                Refusal::Unable(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            (code, plain, format!("{refusal}\n")).into_response()
        }
    }
}

async fn about(State(witness): State<Arc<Witness>>) -> String {
    format!("{}\n", witness.name())
}

async fn livez(State(witness): State<Arc<Witness>>) -> Response {
    if witness.is_lost() {
        return (StatusCode::SERVICE_UNAVAILABLE, "retire this witness\n").into_response();
    }
    "ok\n".into_response()
}

async fn logs(State(witness): State<Arc<Witness>>) -> Response {
    match witness.newest().await {
        Ok(all) => {
            let all: Vec<Value> = all
                .iter()
                .map(|(origin, size, root)| {
                    json!({ "log": origin, "size": size, "root": root.to_string() })
                })
                .collect();
            let name = witness.name().to_string();
            Json(json!({ "witness": name, "logs": all })).into_response()
        }
        Err(error) => {
            tracing::error!(code = "TRAM-383", %error, "witness memory");
            (StatusCode::SERVICE_UNAVAILABLE, "memory\n").into_response()
        }
    }
}
