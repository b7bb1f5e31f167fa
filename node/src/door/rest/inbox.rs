//! Receiving documents: look, claim, fetch, acknowledge.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use formats::time::Timestamp;

use super::documents::{KindFilter, kind};
use super::{LIMIT, LIMIT_MAX, Small, id, page};
use crate::desk::Topic;
use crate::door::auth::Who;
use crate::door::params::Params;
use crate::door::problem::{Kind, Problem};
use crate::door::wait::{WAIT_S_MAX, until};
use crate::door::{Doors, content};
use crate::view::{Claim, InboxRow, InboxState, Page, as_text_time};

type Answer = Result<Response, Problem>;

/// `GET /inbox?state=new&wait=30`
pub(crate) async fn list(State(doors): State<Doors>, who: Who, uri: Uri) -> Answer {
    let mut params = Params::of(&uri)?;
    let mut states = Vec::new();
    for code in params.list("state") {
        match InboxState::parse(&code) {
            Some(state) => states.push(state),
            None => params.fault(
                "state",
                &format!("không có trạng thái “{code}”"),
                &format!("no such state: “{code}”"),
            ),
        }
    }
    let kind = kind(&mut params).and_then(KindFilter::code);
    let text = params.text("q");
    let cursor = params.text("cursor");
    let limit = params.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    let wait_s = params.number("wait", 0, WAIT_S_MAX).unwrap_or(0);
    params.finish()?;
    let agency = &who.0.agency;
    let look = || {
        doors.desk().inbox(
            agency,
            &states,
            kind,
            text.as_deref(),
            cursor.as_deref(),
            limit,
        )
    };
    let topic = Topic::inbox(agency);
    let found = until(&doors, topic, wait_s, look, |page: &Page<InboxRow>| {
        !page.items.is_empty()
    })
    .await?;
    Ok(page(found, &uri))
}

/// What to lease.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default = "ten")]
    count: u32,
    #[serde(default = "a_minute")]
    lease_s: u32,
}

fn ten() -> u32 {
    10
}

fn a_minute() -> u32 {
    60
}

/// A lease as it is answered: the word of the claim stands at each item too, where the caller needs it.
#[derive(Debug, Serialize)]
struct Leased {
    claim: String,
    #[serde(serialize_with = "as_text_time")]
    until: Timestamp,
    items: Vec<LeasedRow>,
}

#[derive(Debug, Serialize)]
struct LeasedRow {
    #[serde(flatten)]
    row: InboxRow,
    claim: String,
}

impl From<Claim> for Leased {
    fn from(claim: Claim) -> Self {
        let word = claim.claim;
        let row = |row| LeasedRow {
            row,
            claim: word.clone(),
        };
        let items = claim.items.into_iter().map(row).collect();
        Self {
            claim: word,
            until: claim.until,
            items,
        }
    }
}

/// `POST /inbox/claims?wait=30`
pub(crate) async fn claim(
    State(doors): State<Doors>,
    who: Who,
    uri: Uri,
    Small(body): Small,
) -> Answer {
    let mut params = Params::of(&uri)?;
    let wait_s = params.number("wait", 0, WAIT_S_MAX).unwrap_or(0);
    params.finish()?;
    let wanted: Wanted = json(&body)?;
    for (name, value, least, most) in [
        ("count", wanted.count, 1, 200),
        ("lease_s", wanted.lease_s, 5, 3600),
    ] {
        if !(least..=most).contains(&value) {
            return Err(Problem::new(Kind::InvalidBody).detail(
                format!("{name} phải là số từ {least} đến {most}"),
                format!("{name} must be a number from {least} to {most}"),
            ));
        }
    }
    let look = || {
        doors
            .desk()
            .claim(&who.0.agency, wanted.count, wanted.lease_s)
    };
    let topic = Topic::inbox(&who.0.agency);
    let ready = |claim: &Claim| !claim.items.is_empty();
    let claim = until(&doors, topic, wait_s, look, ready).await?;
    Ok(Json(Leased::from(claim)).into_response())
}

/// A small JSON body; an empty one counts as `{}`.
pub(super) fn json<T: for<'t> Deserialize<'t>>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.trim_ascii().is_empty() {
        b"{}"
    } else {
        body
    };
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(Kind::InvalidBody).detail(format!("JSON: {error}"), format!("JSON: {error}"))
    })
}

/// `GET /inbox/{id}`
pub(crate) async fn show(State(doors): State<Doors>, who: Who, Path(text): Path<String>) -> Answer {
    Ok(Json(doors.desk().inbox_item(&who.0.agency, id(&text)?).await?).into_response())
}

/// `GET /inbox/{id}/package`
pub(crate) async fn package(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let file = doors.desk().package(&who.0.agency, id(&text)?).await?;
    content::serve(file, &headers).await
}

/// `GET /inbox/{id}/files/{n}`
pub(crate) async fn file(
    State(doors): State<Doors>,
    who: Who,
    Path((text, n)): Path<(String, u32)>,
    headers: HeaderMap,
) -> Answer {
    let file = doors.desk().file(&who.0.agency, id(&text)?, n).await?;
    content::serve(file, &headers).await
}

/// The word of the claim, or nothing for an item that nobody claimed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ack {
    #[serde(default)]
    claim: Option<String>,
}

/// `POST /inbox/{id}/ack`
pub(crate) async fn ack(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    Small(body): Small,
) -> Answer {
    let id = id(&text)?;
    let ack: Ack = json(&body)?;
    let done = doors
        .desk()
        .ack(&who.0.agency, id, ack.claim.as_deref())
        .await?;
    Ok(Json(done).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bodies_have_defaults_and_no_unknown_members() {
        let wanted: Wanted = json(b" ").unwrap();
        assert_eq!((wanted.count, wanted.lease_s), (10, 60));
        let wanted: Wanted = json(br#"{"count":3}"#).unwrap();
        assert_eq!((wanted.count, wanted.lease_s), (3, 60));
        assert_eq!(
            json::<Wanted>(br#"{"cuont":3}"#).unwrap_err().kind(),
            Kind::InvalidBody
        );
        assert_eq!(json::<Ack>(br#"{"claim":null}"#).unwrap().claim, None);
        assert!(json::<Ack>(b"[").is_err());
    }
}
