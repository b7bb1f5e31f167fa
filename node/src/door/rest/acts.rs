//! What agencies say about documents: the answer to a received one, the recall and the update of a sent
//! one. The node writes the packet; a system that has packets of its own submits those instead.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use formats::id::{Digest, EnvelopeId};

use super::documents::{idempotency_key, submitted, taken};
use super::inbox::json;
use super::{Small, id};
use crate::body::Body;
use crate::desk::{RecallDraft, StatusDraft, Submission, UpdateDraft};
use crate::door::Doors;
use crate::door::auth::Who;
use crate::door::problem::Problem;

type Answer = Result<Response, Problem>;

/// `POST /inbox/{id}/status`
pub(crate) async fn status(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    headers: HeaderMap,
    Small(body): Small,
) -> Answer {
    let id = id(&text)?;
    let draft: StatusDraft = json(&body)?;
    let packet = doors.desk().answer(&who.0.agency, id, &draft).await?;
    let asked = Asked::of("status", id, &headers, &body)?;
    send(&doors, &who, asked, packet, None).await
}

/// `POST /documents/{id}/recall`
pub(crate) async fn recall(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    headers: HeaderMap,
    Small(body): Small,
) -> Answer {
    let id = id(&text)?;
    let draft: RecallDraft = json(&body)?;
    let packet = doors.desk().recall(&who.0.agency, id, &draft).await?;
    let asked = Asked::of("recall", id, &headers, &body)?;
    send(&doors, &who, asked, packet, Some(draft.reason)).await
}

/// `POST /documents/{id}/update`
pub(crate) async fn update(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    headers: HeaderMap,
    Small(body): Small,
) -> Answer {
    let id = id(&text)?;
    let draft: UpdateDraft = json(&body)?;
    let packet = doors.desk().update(&who.0.agency, id, &draft).await?;
    let asked = Asked::of("update", id, &headers, &body)?;
    send(&doors, &who, asked, packet, Some(draft.reason)).await
}

/// The request as an Idempotency-Key remembers it: the packet made for it has another time each time.
struct Asked {
    key: Option<String>,
    digest: Digest,
}

impl Asked {
    fn of(act: &str, id: EnvelopeId, headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        let key = headers
            .contains_key("idempotency-key")
            .then(|| idempotency_key(headers))
            .transpose()?;
        let mut text = format!("tram-act-1\n{act}\n{id}\n").into_bytes();
        text.extend_from_slice(body);
        Ok(Self {
            key,
            digest: Digest::of(&text),
        })
    }
}

/// `again`: why a second act of the same kind under the same document id is meant.
async fn send(
    doors: &Doors,
    who: &Who,
    asked: Asked,
    packet: Body,
    again: Option<String>,
) -> Answer {
    let submission = Submission {
        idempotency_key: asked.key,
        request_digest: Some(asked.digest),
        resend_reason: again.filter(|reason| !reason.trim().is_empty()),
        ..Submission::of(packet)
    };
    Ok(taken(submitted(doors, &who.0.agency, submission).await?))
}
