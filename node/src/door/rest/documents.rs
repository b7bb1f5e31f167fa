//! Sending and following documents.

use axum::Json;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use formats::id::{AgencyCode, Digest, EnvelopeId};

use super::{Items, LIMIT, LIMIT_MAX, id, page};
use crate::body::Body;
use crate::desk::{DocumentFilter, Submission, Topic};
use crate::door::auth::Who;
use crate::door::params::Params;
use crate::door::problem::{Kind, Problem};
use crate::door::wait::{WAIT_S_MAX, until};
use crate::door::{Doors, content, multipart};
use crate::evidence::Contents;
use crate::fault::{DeskError, SubmitError};
use crate::screen::day::Day;
use crate::view::{Accepted, Page, RecipientState, StateCounts, TimelineView};

type Answer = Result<Response, Problem>;

/// How the packet of a request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Multipart,
    Packet,
}

fn form_of(headers: &HeaderMap) -> Result<Form, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = kind
        .and_then(|kind| kind.split(';').next())
        .unwrap_or("")
        .trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/edxml+xml" | "application/xml" | "text/xml" | "application/octet-stream" => {
            Ok(Form::Packet)
        }
        "multipart/form-data" => Ok(Form::Multipart),
        _ => Err(Problem::new(Kind::UnsupportedType)),
    }
}

/// The packet of a request and, for a form, the digest of what the caller sent.
async fn packet(
    doors: &Doors,
    who: &Who,
    request: Request,
) -> Result<(Body, Option<Digest>), Problem> {
    match form_of(request.headers())? {
        Form::Packet => Ok((multipart::spool(doors, request.into_body()).await?, None)),
        Form::Multipart => {
            let form = Multipart::from_request(request, &())
                .await
                .map_err(|error| {
                    let text = error.body_text();
                    Problem::new(Kind::InvalidBody).detail(&text, &text)
                })?;
            let form = multipart::form(doors, form).await?;
            let packet = doors
                .desk()
                .compose(&who.0.agency, form.draft, form.files)
                .await?;
            Ok((packet, Some(form.digest)))
        }
    }
}

/// The Idempotency-Key, with or without the quotes of a structured field string.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let name = HeaderName::from_static("idempotency-key");
    let mut values = headers.get_all(name).iter();
    let value = values
        .next()
        .ok_or_else(|| Problem::new(Kind::IdempotencyKeyMissing))?;
    // Document ids serve as keys and hold letters such as Đ: UTF-8 is read, against RFC 9110's advice.
    let text = std::str::from_utf8(value.as_bytes()).unwrap_or("").trim();
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let good = (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if good && values.next().is_none() {
        Ok(text.to_owned())
    } else {
        Err(Problem::new(Kind::IdempotencyKeyInvalid))
    }
}

/// What the packet's digest becomes when more than the packet was asked for.
fn request_digest(
    digest: Digest,
    resend_reason: Option<&str>,
    lifetime_hours: Option<u32>,
) -> Digest {
    match (resend_reason, lifetime_hours) {
        (None, None) => digest,
        (reason, hours) => {
            let hours = hours.unwrap_or(0);
            let reason = reason.unwrap_or("");
            Digest::of(format!("tram-request-1\n{digest}\n{hours}\n{reason}").as_bytes())
        }
    }
}

/// The answer to a submission.
#[derive(Debug, Serialize)]
struct Taken {
    #[serde(flatten)]
    accepted: Accepted,
    /// The state that decides the document's badge.
    state: RecipientState,
}

/// `POST /documents`
pub(crate) async fn submit(
    State(doors): State<Doors>,
    who: Who,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let key = idempotency_key(&headers)?;
    let mut params = Params::of(&uri)?;
    let resend_reason = params.text("resend_reason");
    let lifetime_hours = params.number("lifetime_hours", 1, 720);
    params.finish()?;
    let (packet, digest) = packet(&doors, &who, request).await?;
    let digest = digest.unwrap_or_else(|| packet.digest());
    let submission = Submission {
        idempotency_key: Some(key),
        request_digest: Some(request_digest(
            digest,
            resend_reason.as_deref(),
            lifetime_hours,
        )),
        resend_reason,
        lifetime_hours,
        ..Submission::of(packet)
    };
    Ok(taken(submitted(&doors, &who.0.agency, submission).await?))
}

/// Submits; a packet that is refused for good is stated, and its receipt goes with the answer.
pub(crate) async fn submitted(
    doors: &Doors,
    agency: &AgencyCode,
    submission: Submission,
) -> Result<Accepted, Problem> {
    let packet = submission.packet.digest();
    let faults = match doors.desk().submit(agency, submission).await {
        Ok(accepted) => return Ok(accepted),
        Err(SubmitError::Faults(faults)) => faults,
        Err(error) => return Err(error.into()),
    };
    let stated = doors.desk().reject(agency, packet, &faults).await;
    let problem = Problem::from(SubmitError::Faults(faults));
    Err(match stated {
        Ok(stated) => problem
            .member("rejection", stated.id)
            .member("packet_digest", stated.packet_digest)
            .member("receipt", stated.receipt),
        // The refusal stands without its proof.
        Err(error) => problem.cause(error),
    })
}

pub(super) fn taken(accepted: Accepted) -> Response {
    let mut counts = StateCounts::default();
    for recipient in &accepted.recipients {
        counts.add(recipient.state, 1);
    }
    let mut headers = HeaderMap::new();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/documents/{}", accepted.id)) {
        headers.insert(header::LOCATION, place);
    }
    if accepted.replayed {
        let name = HeaderName::from_static("idempotency-replayed");
        headers.insert(name, HeaderValue::from_static("true"));
    }
    let body = Taken {
        accepted,
        state: counts.worst(),
    };
    (StatusCode::ACCEPTED, headers, Json(body)).into_response()
}

/// `POST /documents/validate`
pub(crate) async fn validate(State(doors): State<Doors>, who: Who, request: Request) -> Answer {
    let (packet, _) = packet(&doors, &who, request).await?;
    Ok(Json(doors.desk().validate(&who.0.agency, packet).await?).into_response())
}

/// `GET /documents`
pub(crate) async fn list(State(doors): State<Doors>, who: Who, uri: Uri) -> Answer {
    let now = doors.desk().now();
    let mut params = Params::of(&uri)?;
    let mut states = Vec::new();
    for code in params.list("state") {
        match RecipientState::parse(&code) {
            Some(state) => states.push(state),
            None => params.fault(
                "state",
                &format!("không có trạng thái “{code}”"),
                &format!("no such state: “{code}”"),
            ),
        }
    }
    let kind = kind(&mut params).unwrap_or(KindFilter::Document);
    let filter = DocumentFilter {
        kind: kind.code(),
        states,
        text: params.text("q"),
        from: params.moment("from", now, Day::start),
        to: params.moment("to", now, Day::end),
    };
    let local_id = params.text("local_id");
    let cursor = params.text("cursor");
    let limit = params.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    params.finish()?;
    let agency = &who.0.agency;
    let found = match local_id {
        Some(local_id) => Page {
            items: doors.desk().find_by_local_id(agency, &local_id).await?,
            next: None,
        },
        None => {
            doors
                .desk()
                .documents(agency, &filter, cursor.as_deref(), limit)
                .await?
        }
    };
    Ok(page(found, &uri))
}

/// Which kind of packet a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KindFilter {
    All,
    Document,
    Status,
}

impl KindFilter {
    /// The kind, or nothing for all.
    pub(super) const fn code(self) -> Option<&'static str> {
        match self {
            Self::All => None,
            Self::Document => Some("document"),
            Self::Status => Some("status"),
        }
    }
}

/// `kind=document|status|all`
pub(super) fn kind(params: &mut Params) -> Option<KindFilter> {
    let text = params.text("kind")?;
    match text.as_str() {
        "all" => Some(KindFilter::All),
        "document" => Some(KindFilter::Document),
        "status" => Some(KindFilter::Status),
        _ => {
            params.fault(
                "kind",
                "chọn document, status hoặc all",
                "is document, status or all",
            );
            None
        }
    }
}

/// Every recipient is at least there, or will never be.
fn reached(counts: &StateCounts, goal: RecipientState) -> bool {
    RecipientState::ALL
        .into_iter()
        .filter(|state| *state < goal && !state.is_final())
        .all(|state| counts.of(state) == 0)
}

/// `GET /documents/{id}?wait=30&until=delivered`
pub(crate) async fn show(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    uri: Uri,
) -> Answer {
    let id = id(&text)?;
    let mut params = Params::of(&uri)?;
    let wait_s = params.number("wait", 0, WAIT_S_MAX).unwrap_or(0);
    let goal = goal(&mut params);
    params.finish()?;
    if wait_s > 0 {
        wait_for(&doors, &who, id, wait_s, goal).await?;
    }
    Ok(Json(doors.desk().document(&who.0.agency, id).await?).into_response())
}

/// The state that a caller waits for.
fn goal(params: &mut Params) -> RecipientState {
    match params.text("until").as_deref() {
        None => RecipientState::HandedOver,
        Some("relayed") => RecipientState::Relayed,
        Some("delivered") => RecipientState::Delivered,
        Some("handed_over") => RecipientState::HandedOver,
        Some(_) => {
            params.fault(
                "until",
                "phải là relayed, delivered hoặc handed_over",
                "must be relayed, delivered or handed_over",
            );
            RecipientState::HandedOver
        }
    }
}

/// Waits until every recipient is there; whether they are.
async fn wait_for(
    doors: &Doors,
    who: &Who,
    id: EnvelopeId,
    wait_s: u32,
    goal: RecipientState,
) -> Result<bool, DeskError> {
    let look = || doors.desk().progress(&who.0.agency, id);
    let ready = |counts: &StateCounts| reached(counts, goal);
    let counts = until(doors, Topic::document(id), wait_s, look, ready).await?;
    Ok(reached(&counts, goal))
}

/// `GET /documents/{id}/receipts?wait=30&until=handed_over`
pub(crate) async fn receipts(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    uri: Uri,
) -> Answer {
    let id = id(&text)?;
    let mut params = Params::of(&uri)?;
    let wait_s = params.number("wait", 0, WAIT_S_MAX).unwrap_or(0);
    let goal = goal(&mut params);
    params.finish()?;
    let complete = wait_for(&doors, &who, id, wait_s, goal).await?;
    let mut view = doors.desk().receipts(&who.0.agency, id).await?;
    view.complete = complete;
    Ok(Json(view).into_response())
}

/// `GET /documents/{id}/recipients`
pub(crate) async fn recipients(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
) -> Answer {
    let items = doors.desk().recipients(&who.0.agency, id(&text)?).await?;
    Ok(Json(Items { items }).into_response())
}

/// `GET /documents/{id}/events`
pub(crate) async fn events(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    uri: Uri,
) -> Answer {
    let mut params = Params::of(&uri)?;
    let recipient = params.text("recipient");
    params.finish()?;
    let mut items = doors.desk().timeline(&who.0.agency, id(&text)?).await?;
    if let Some(code) = recipient {
        items.retain(|timeline: &TimelineView| timeline.recipient.code.as_str() == code);
        if items.is_empty() {
            return Err(Problem::new(Kind::NotFound));
        }
    }
    Ok(Json(Items { items }).into_response())
}

/// `GET /documents/{id}/explain`
pub(crate) async fn explain(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
) -> Answer {
    Ok(Json(doors.desk().explain(&who.0.agency, id(&text)?).await?).into_response())
}

/// `GET /documents/{id}/evidence?content=packet|digest`
pub(crate) async fn evidence(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let contents = contents(&uri)?;
    let desk = doors.desk();
    let file = desk.evidence(&who.0.agency, id(&text)?, contents).await?;
    content::serve(file, &headers).await
}

/// How much of the document its proof package is wanted with.
pub(crate) fn contents(uri: &Uri) -> Result<Contents, Problem> {
    let mut params = Params::of(uri)?;
    let contents = match params.text("content").as_deref() {
        None | Some("packet") => Contents::Packet,
        Some("digest") => Contents::Digest,
        Some(_) => {
            params.fault(
                "content",
                "chỉ nhận packet hoặc digest",
                "takes packet or digest",
            );
            Contents::Digest
        }
    };
    params.finish()?;
    Ok(contents)
}

/// `GET /documents/{id}/package`
pub(crate) async fn package(
    State(doors): State<Doors>,
    who: Who,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let file = doors.desk().sent_package(&who.0.agency, id(&text)?).await?;
    content::serve(file, &headers).await
}

/// `GET /documents/{id}/files/{n}`
pub(crate) async fn file(
    State(doors): State<Doors>,
    who: Who,
    Path((text, n)): Path<(String, u32)>,
    headers: HeaderMap,
) -> Answer {
    let file = doors.desk().sent_file(&who.0.agency, id(&text)?, n).await?;
    content::serve(file, &headers).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                "idempotency-key",
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn idempotency_keys_are_required_and_read_with_or_without_quotes() {
        assert_eq!(idempotency_key(&headers(&["k-1"])).unwrap(), "k-1");
        assert_eq!(idempotency_key(&headers(&["\"k-1\""])).unwrap(), "k-1");
        let document_id = "H01.36,2026/11/22,45/QĐ-SNV";
        assert_eq!(
            idempotency_key(&headers(&[document_id])).unwrap(),
            document_id
        );
        let kind = |values: &[&str]| idempotency_key(&headers(values)).unwrap_err().kind();
        assert_eq!(kind(&[]), Kind::IdempotencyKeyMissing);
        for bad in ["", " ", "\"\"", &"đ".repeat(256)] {
            assert_eq!(kind(&[bad]), Kind::IdempotencyKeyInvalid, "{bad}");
        }
        assert_eq!(kind(&["a", "b"]), Kind::IdempotencyKeyInvalid);
    }

    #[test]
    fn a_key_is_bound_to_all_that_was_asked() {
        let packet = Digest::of(b"packet");
        assert_eq!(request_digest(packet, None, None), packet);
        let all = [
            request_digest(packet, None, None),
            request_digest(packet, Some("sai"), None),
            request_digest(packet, None, Some(1)),
            request_digest(packet, Some("sai"), Some(1)),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one));
        }
    }

    #[test]
    fn a_goal_is_reached_when_nobody_is_on_the_way_to_it() {
        let counts = |states: &[RecipientState]| {
            let mut counts = StateCounts::default();
            states.iter().for_each(|state| counts.add(*state, 1));
            counts
        };
        use RecipientState::{Accepted, Delivered, HandedOver, Refused, Relayed};
        for (states, goal, expected) in [
            (&[HandedOver, Refused][..], HandedOver, true),
            (&[HandedOver, Delivered], HandedOver, false),
            (&[HandedOver, Delivered], Delivered, true),
            (&[Accepted, HandedOver], Relayed, false),
            (&[Relayed], Relayed, true),
        ] {
            assert_eq!(reached(&counts(states), goal), expected, "{states:?}");
        }
    }

    #[test]
    fn content_types_choose_the_reader() {
        for (kind, expected) in [
            ("application/edxml+xml", Some(Form::Packet)),
            ("application/XML; charset=utf-8", Some(Form::Packet)),
            ("application/octet-stream", Some(Form::Packet)),
            ("multipart/form-data; boundary=x", Some(Form::Multipart)),
            ("application/json", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
            assert_eq!(form_of(&headers).ok(), expected, "{kind}");
        }
        assert_eq!(
            form_of(&HeaderMap::new()).unwrap_err().kind(),
            Kind::UnsupportedType
        );
    }
}
