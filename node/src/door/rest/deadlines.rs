//! What is overdue and what is due soon.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};

use formats::edxml::deadline::Standing;

use super::{Items, LIMIT, LIMIT_MAX};
use crate::door::Doors;
use crate::door::auth::Who;
use crate::door::params::Params;
use crate::door::problem::Problem;

/// `GET /deadlines?side=received|sent&standing=overdue,due_soon,open,uncertain`
pub(crate) async fn list(
    State(doors): State<Doors>,
    who: Who,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut params = Params::of(&uri)?;
    let side = params.text("side");
    let sent = side.as_deref() == Some("sent");
    if side.is_some_and(|side| side != "sent" && side != "received") {
        params.fault("side", "chọn received hoặc sent", "is received or sent");
    }
    let mut standings = Vec::new();
    for code in params.list("standing") {
        match owed(&code) {
            Some(standing) => standings.push(standing),
            None => params.fault(
                "standing",
                "chọn overdue, due_soon, open hoặc uncertain",
                "is overdue, due_soon, open or uncertain",
            ),
        }
    }
    let limit = params.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    params.finish()?;
    let items = doors
        .desk()
        .deadlines(&who.0.agency, sent, &standings, limit)
        .await?;
    Ok(Json(Items { items }).into_response())
}

/// A standing in which somebody still has to act.
pub(crate) fn owed(code: &str) -> Option<Standing> {
    let all = [
        Standing::Overdue,
        Standing::DueSoon,
        Standing::Open,
        Standing::Uncertain,
    ];
    all.into_iter().find(|standing| standing.code() == code)
}
