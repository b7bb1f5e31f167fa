//! Keeping and refusing: evidence asked for again, holds and releases, what a system cannot take.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use formats::time::Timestamp;

use super::inbox::json;
use super::{Small, id};
use crate::door::Doors;
use crate::door::auth::Who;
use crate::door::problem::Problem;
use crate::keeping::Holding;
use crate::view::as_text_time;

type Answer = Result<Response, Problem>;

/// Why a document is held or released.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    why: String,
}

/// `POST /documents/{id}/refresh`
pub(crate) async fn refresh(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
) -> Answer {
    let asked = doors.desk().refresh(&who.0.agency, id(&text)?).await?;
    Ok((StatusCode::ACCEPTED, Json(asked)).into_response())
}

/// `POST /documents/{id}/hold`
pub(crate) async fn hold(doors: State<Doors>, who: Who, id: Path<String>, body: Small) -> Answer {
    sent(doors, who, id, body, Holding::Hold).await
}

/// `POST /documents/{id}/release`
pub(crate) async fn release(
    doors: State<Doors>,
    who: Who,
    id: Path<String>,
    body: Small,
) -> Answer {
    sent(doors, who, id, body, Holding::Release).await
}

async fn sent(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    Small(body): Small,
    what: Holding,
) -> Answer {
    let (id, why): (_, Why) = (id(&text)?, json(&body)?);
    let (desk, caller) = (doors.desk(), &who.0);
    desk.hold_sent(&caller.agency, id, what, &caller.name, &why.why)
        .await?;
    Ok(Json(desk.document(&caller.agency, id).await?).into_response())
}

/// `POST /inbox/{id}/hold`
pub(crate) async fn hold_received(
    doors: State<Doors>,
    who: Who,
    id: Path<String>,
    body: Small,
) -> Answer {
    received(doors, who, id, body, Holding::Hold).await
}

/// `POST /inbox/{id}/release`
pub(crate) async fn release_received(
    doors: State<Doors>,
    who: Who,
    id: Path<String>,
    body: Small,
) -> Answer {
    received(doors, who, id, body, Holding::Release).await
}

async fn received(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    Small(body): Small,
    what: Holding,
) -> Answer {
    let (id, why): (_, Why) = (id(&text)?, json(&body)?);
    let (desk, caller) = (doors.desk(), &who.0);
    desk.hold_received(&caller.agency, id, what, &caller.name, &why.why)
        .await?;
    Ok(Json(desk.inbox_item(&caller.agency, id).await?).into_response())
}

/// Why a system cannot take a document, and the word of its claim.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    why: String,
    #[serde(default)]
    claim: Option<String>,
}

/// The answer to a refusal.
#[derive(Debug, Serialize)]
struct Refused {
    id: String,
    #[serde(serialize_with = "as_text_time")]
    at: Timestamp,
}

/// `POST /inbox/{id}/refuse`
pub(crate) async fn refuse(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    Small(body): Small,
) -> Answer {
    let (id, said): (_, Refusal) = (id(&text)?, json(&body)?);
    let (desk, agency) = (doors.desk(), &who.0.agency);
    let claim = said.claim.as_deref();
    let at = desk.refuse(agency, id, claim, &said.why).await?;
    let id = id.to_string();
    Ok(Json(Refused { id, at }).into_response())
}
