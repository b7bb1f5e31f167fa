//! What the authority answers to everybody, over plain HTTP: what is answered is signed.
//!
//! Owns: RFC 3161 time-stamps (`/`, `/tsa`), OCSP (RFC 6960 appendix A: `POST` and `GET /ocsp`),
//! revocation lists and authorities' certificates, and the log of certificates for monitors and mirrors. OCSP
//! answers are signed once and given until they grow old (RFC 5019): a flood of questions costs no
//! signatures. Must not know who may ask for certificates.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::checkpoint::SignedCheckpoint;
use formats::merkle::layout::Resource;
use formats::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::log::{ENTRIES_MAX, LogSigner};
use super::refusal::Refusal;
use super::service::{Kind, Service};
use crate::cert::{Certificate, hex};
use crate::ocsp::{CertId, ErrorStatus, Request, Responder, Status, error_response};
use crate::revoke::Revocation;

/// An answer, and until when it is given.
type Made = (Timestamp, Arc<Vec<u8>>);

/// What answers need besides the service.
#[derive(Debug)]
pub struct Answers {
    responders: Vec<Responder>,
    log: Option<LogSigner>,
    /// Answers by question, with the time until which they are given.
    made: Mutex<HashMap<String, Made>>,
}

impl Answers {
    /// One responder an authority; without a log signer the log is not served.
    #[must_use]
    pub fn new(responders: Vec<Responder>, log: Option<LogSigner>) -> Self {
        Self {
            responders,
            log,
            made: Mutex::default(),
        }
    }

    /// Drops answers, because something was revoked.
    pub fn forget(&self) {
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

#[derive(Clone)]
struct Door {
    service: Service,
    answers: Arc<Answers>,
}

/// The routes.
pub(super) fn router(service: Service, answers: Arc<Answers>) -> Router {
    Router::new()
        .route("/ocsp", axum::routing::post(ocsp_post))
        .route("/ocsp/{*question}", get(ocsp_get))
        .route("/crl/{name}", get(crl))
        .route("/certs/{name}", get(certificate))
        .route("/log/checkpoint", get(checkpoint))
        .route("/log/entries", get(entries))
        .route("/tlog/checkpoint", get(note))
        .route("/tlog/{*path}", get(tlog))
        .with_state(Door { service, answers })
}

async fn ocsp_post(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    body: Body,
) -> Result<Response, Refusal> {
    door.service.admit(Kind::Reading, from.ip())?;
    let read = tokio::time::timeout(BODY_TIME, to_bytes(body, QUESTION_BYTES_MAX)).await;
    let Ok(Ok(question)) = read else {
        return Ok(ocsp_error(ErrorStatus::MalformedRequest));
    };
    Ok(door.ocsp(&question).await)
}

async fn ocsp_get(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(question): Path<String>,
) -> Result<Response, Refusal> {
    door.service.admit(Kind::Reading, from.ip())?;
    match STANDARD.decode(&question) {
        Ok(question) if question.len() <= QUESTION_BYTES_MAX => Ok(door.ocsp(&question).await),
        _ => Ok(ocsp_error(ErrorStatus::MalformedRequest)),
    }
}

impl Door {
    async fn ocsp(&self, question: &[u8]) -> Response {
        let Ok(request) = Request::parse(question) else {
            return ocsp_error(ErrorStatus::MalformedRequest);
        };
        // Answers are made in advance, so one answer is about one certificate (RFC 5019).
        let [id] = request.items() else {
            return ocsp_error(ErrorStatus::Unauthorized);
        };
        let Some(now) = (self.service.0.clock)() else {
            return ocsp_error(ErrorStatus::TryLater);
        };
        match self.answer(id, now).await {
            Ok(der) => answered(der.as_ref().clone()),
            Err(status) => ocsp_error(status),
        }
    }

    async fn answer(&self, id: &CertId, now: Timestamp) -> Result<Arc<Vec<u8>>, ErrorStatus> {
        let responder = self.answers.responders.iter();
        let mut responder = responder.filter(|one| id.is_issued_by(one.issuer()));
        let responder = responder.next().ok_or(ErrorStatus::Unauthorized)?;
        let serial = hex(id.serial());
        // The identifier's own hash is echoed, so the answers of SHA-1 and SHA-256 differ.
        let key = format!("{} {id:?}", responder.issuer().sha256());
        let held = {
            let made = self
                .answers
                .made
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            made.get(&key)
                .filter(|(until, _)| *until > now)
                .map(|(_, der)| Arc::clone(der))
        };
        if let Some(held) = held {
            return Ok(held);
        }
        let failed = |error: &dyn std::error::Error| {
            tracing::error!(code = "TRAM-709", %error, "no OCSP answer");
            ErrorStatus::TryLater
        };
        let entry = self.service.office().inventory.entry(&serial).await;
        let issuer = responder.issuer().sha256().to_string();
        let status = match entry.map_err(|error| failed(&error))? {
            Some(entry) if entry.issuer != issuer || entry.sha256.is_none() => Status::Unknown,
            Some(entry) => match entry.revoked {
                Some((at, reason)) => Status::Revoked(Revocation { at, reason }),
                None => Status::Good,
            },
            None => Status::Unknown,
        };
        let this_update = now.floor_s();
        let next_update = this_update.plus_ms(ANSWER_MS);
        let der = responder.answer(id, status, this_update, next_update);
        let der = Arc::new(der.map_err(|error| failed(&error))?);
        let mut made = self
            .answers
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if made.len() >= ANSWERS_MAX {
            made.clear();
        }
        made.insert(key, (this_update.plus_ms(GIVEN_MS), Arc::clone(&der)));
        Ok(der)
    }
}

fn answered(der: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/ocsp-response")], der).into_response()
}

fn ocsp_error(status: ErrorStatus) -> Response {
    answered(error_response(status))
}

async fn crl(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    door.service.admit(Kind::Reading, from.ip())?;
    door.own(&name, "crl", "application/pkix-crl").await
}

async fn certificate(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    door.service.admit(Kind::Reading, from.ip())?;
    door.own(&name, "crt", "application/x-pem-file").await
}

impl Door {
    /// A file of one of the authorities.
    async fn own(&self, name: &str, end: &str, kind: &'static str) -> Result<Response, Refusal> {
        let office = self.service.office();
        let mut names = office
            .issuer_names()
            .into_iter()
            .map(|own| format!("{own}.{end}"));
        let Some(name) = names.find(|own| own == name) else {
            return Err(Refusal::new("not_found"));
        };
        let bytes = tokio::fs::read(office.records().join(name)).await;
        let bytes = bytes.map_err(|_| Refusal::new("not_found"))?;
        Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
    }
}

async fn checkpoint(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
) -> Result<Response, Refusal> {
    door.service.admit(Kind::Reading, from.ip())?;
    let signed = newest(&door).await?;
    let signer = door.answers.log.as_ref();
    let signer = signer.ok_or_else(|| Refusal::new("not_found"))?;
    let authorities = door.service.office().authorities();
    let authorities = authorities.map_err(|error| Refusal::internal(&error))?;
    let head = LogHead {
        checkpoint: STANDARD.encode(signed.encode()),
        note_key: STANDARD.encode(signer.log_key.public()),
        evidence: signer.evidence.1.pem(),
        authorities: authorities.iter().map(Certificate::pem).collect(),
    };
    let body = serde_json::to_string(&head).map_err(|error| Refusal::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// `GET /tlog/checkpoint`: the signed note alone (c2sp.org/tlog-tiles).
async fn note(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
) -> Result<Response, Refusal> {
    door.service.admit(Kind::Reading, from.ip())?;
    let signed = newest(&door).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, signed.note).into_response())
}

/// `GET /tlog/tile/…`: tiles and bundles of entries; full ones never change.
async fn tlog(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(path): Path<String>,
) -> Result<Response, Refusal> {
    door.service.admit(Kind::Reading, from.ip())?;
    let resource = Resource::parse(&path).ok_or_else(|| Refusal::new("not_found"))?;
    let found = door.service.office().inventory.log_resource(resource).await;
    let found = found.map_err(|error| Refusal::internal(&error))?;
    let bytes = found.ok_or_else(|| Refusal::new("not_found"))?;
    let cache = if resource.is_full() {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, cache),
    ];
    Ok((headers, bytes).into_response())
}

async fn newest(door: &Door) -> Result<SignedCheckpoint, Refusal> {
    let signer = door.answers.log.as_ref();
    let signer = signer.ok_or_else(|| Refusal::new("not_found"))?;
    let now = door.service.now()?;
    let signed = door
        .service
        .office()
        .inventory
        .checkpoint(signer, now)
        .await;
    signed.map_err(|error| Refusal::internal(&error))
}

/// `GET /log/checkpoint`: the newest checkpoint with what is needed to judge it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LogHead {
    /// The signed checkpoint, base64 of its CBOR.
    pub(super) checkpoint: String,
    /// Ed25519 key of the note line, base64.
    pub(super) note_key: String,
    /// Certificate of the CMS signature, PEM.
    pub(super) evidence: String,
    /// Issuing authorities and root, PEM.
    pub(super) authorities: Vec<String>,
}

/// `GET /log/entries`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LogEntries {
    /// Place of the first.
    pub(super) from: u64,
    /// Certificates in order, base64 of their DER.
    pub(super) certificates: Vec<String>,
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    from: u64,
}

async fn entries(
    State(door): State<Door>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    query: Result<Query<From>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    door.service.admit(Kind::Reading, from.ip())?;
    let Query(asked) = query.map_err(|error| Refusal::about("unreadable", error))?;
    let found = door
        .service
        .office()
        .inventory
        .log_entries(asked.from, ENTRIES_MAX)
        .await;
    let found = found.map_err(|error| Refusal::internal(&error))?;
    let answer = LogEntries {
        from: asked.from,
        certificates: found.iter().map(|der| STANDARD.encode(der)).collect(),
    };
    let body = serde_json::to_string(&answer).map_err(|error| Refusal::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// A question has about 100 bytes.
const QUESTION_BYTES_MAX: usize = 4 * 1024;
const BODY_TIME: Duration = Duration::from_secs(5);
/// Answers that are kept; about a kilobyte each.
const ANSWERS_MAX: usize = 50_000;
/// How long an answer counts, as long as a list.
const ANSWER_MS: i64 = 48 * 60 * 60 * 1000;
/// How long it is given before another is made.
const GIVEN_MS: i64 = 60 * 60 * 1000;
