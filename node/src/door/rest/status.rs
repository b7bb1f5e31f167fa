//! How the node is: for people, systems and probes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use formats::time::Timestamp;

use crate::archive::ArchiveSummary;
use crate::door::Doors;
use crate::door::auth::Who;
use crate::door::problem::{Kind, Problem};
use crate::view::{Counts, ServedAgency, StationView, as_text_time};

/// The answer of `GET /status`.
#[derive(Debug, Serialize)]
struct Status {
    version: &'static str,
    /// The agency of the key.
    agency: String,
    /// What the key may do.
    scopes: Vec<&'static str>,
    #[serde(serialize_with = "as_text_time")]
    time: Timestamp,
    station: StationView,
    agencies: Vec<ServedAgency>,
    archive: ArchiveSummary,
    counts: Counts,
}

/// `GET /status`
pub(crate) async fn show(State(doors): State<Doors>, who: Who) -> Result<Response, Problem> {
    let desk = doors.desk();
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        agency: who.0.agency.to_string(),
        scopes: who.0.scopes.iter().map(|scope| scope.code()).collect(),
        time: desk.now(),
        station: desk.station_view().await?,
        agencies: desk.agencies(),
        archive: desk.archive_summary().await?,
        counts: desk.counts(&who.0.agency).await?,
    };
    Ok(Json(status).into_response())
}

/// `GET /archive`: proof packages under evidence records, the first to be renewed first.
pub(crate) async fn archive(State(doors): State<Doors>, who: Who) -> Result<Response, Problem> {
    let view = doors.desk().archive(&who.0.agency).await?;
    Ok(Json(view).into_response())
}

/// `GET /livez`: the process answers.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store answers, so documents are taken.
pub(crate) async fn readyz(State(doors): State<Doors>) -> Response {
    let Some(agency) = doors.desk().agencies().into_iter().next() else {
        return (StatusCode::OK, "ok\n").into_response();
    };
    match doors.desk().counts(&agency.code).await {
        Ok(_) => (StatusCode::OK, "ok\n").into_response(),
        Err(error) => Problem::new(Kind::Busy)
            .cause(error)
            .retry_after(5)
            .into_response(),
    }
}
