//! Looking up agencies.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};

use super::Items;
use crate::door::Doors;
use crate::door::auth::Who;
use crate::door::params::Params;
use crate::door::problem::{Kind, Problem};

/// `GET /agencies?q=`
pub(crate) async fn search(
    State(doors): State<Doors>,
    _who: Who,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut params = Params::of(&uri)?;
    let text = params.text("q").unwrap_or_default();
    let limit = params.number("limit", 1, 50).unwrap_or(20);
    params.finish()?;
    let limit = usize::try_from(limit).unwrap_or(20);
    let items = doors.desk().search_agencies(&text, limit);
    Ok(Json(Items { items }).into_response())
}

/// `GET /agencies/{code}`
pub(crate) async fn show(
    State(doors): State<Doors>,
    _who: Who,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    let agency = doors
        .desk()
        .agency(&code)
        .ok_or_else(|| Problem::new(Kind::NotFound))?;
    Ok(Json(agency).into_response())
}
