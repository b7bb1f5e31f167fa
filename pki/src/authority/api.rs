//! The authority's API for stations ([`crate::enrol`]), over HTTPS.
//!
//! Owns: the routes, sizes and times. A body is read only after the caller's rate was counted. Fails
//! with [`Refusal`]s. Must not know how certificates are made.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use formats::id::{Digest, Party};
use formats::limits;
use formats::record::Record;
use formats::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::audit::Actor;
use super::enrolment::EnrolError;
use super::est;
use super::folder::write_public;
use super::foreign::ForeignError;
use super::listener::Caller;
use super::refusal::Refusal;
use super::service::{Kind, Service};
use crate::cert::Certificate;
use crate::chain::VerifiedCert;
use crate::enrol::{
    self, Enrol, Grant, PATH_ENROL, PATH_PREVIEW, PATH_RECORD, PATH_RECORDS, PATH_RENEW, Preview,
    Published, PublishedFile, REQUEST_BYTES_MAX, Renew, WAIT_S_MAX,
};
use crate::record;
use crate::role::Role;

/// The routes of the API.
pub(super) fn router(service: Service) -> Router {
    Router::new()
        .route(PATH_PREVIEW, post(preview))
        .route(PATH_ENROL, post(spend))
        .route(PATH_RENEW, post(renew))
        .route(PATH_RECORDS, get(list).post(publish))
        .route(PATH_RECORD, get(file))
        .route("/livez", get(|| async { "ok\n" }))
        .with_state(service.clone())
        .merge(est::router(service))
        .fallback(|| async { Refusal::new("not_found") })
}

async fn preview(
    State(service): State<Service>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Body,
) -> Result<Response, Refusal> {
    service.admit(Kind::Issuing, caller.address.ip())?;
    let asked: Preview = read_json(body).await?;
    let kept = service
        .office()
        .inventory
        .granted(&asked.token, service.now()?)
        .await;
    let kept = kept.map_err(EnrolError::from)?;
    let plan = &service.office().plan;
    Ok(json(&Grant {
        station: kept.allowed.station,
        agencies: kept.allowed.agencies,
        trust_domain: plan.authority.trust_domain.clone(),
        home_relays: kept.allowed.home_relays,
        expires: kept.expires.rfc3339(),
        time_stamp_url: Some(plan.tsa.url.clone()),
    }))
}

async fn spend(
    State(service): State<Service>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Body,
) -> Result<Response, Refusal> {
    service.admit(Kind::Issuing, caller.address.ip())?;
    let asked: Enrol = read_json(body).await?;
    let from = caller.address.to_string();
    let issued = service.office().enrol(&asked, &from, service.now()?).await;
    let issued = issued.inspect_err(|error| refused(error, &from))?;
    published(&service).await;
    Ok(json(&issued))
}

async fn renew(
    State(service): State<Service>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Body,
) -> Result<Response, Refusal> {
    service.admit(Kind::Issuing, caller.address.ip())?;
    let now = service.now()?;
    let station = station(&service, &caller, now)?;
    let asked: Renew = read_json(body).await?;
    let (from, validator) = (caller.address.to_string(), service.validator());
    let office = service.office();
    let issued = office.renew(&asked, &station, &validator, &from, now).await;
    let issued = issued.inspect_err(|error| refused(error, &from))?;
    published(&service).await;
    Ok(json(&issued))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    wait: u64,
}

async fn list(
    State(service): State<Service>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    query: Result<Query<After>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    service.admit(Kind::Reading, caller.address.ip())?;
    let Query(asked) = query.map_err(|error| Refusal::about("unreadable", error))?;
    let mut news = service.0.news.clone();
    // What comes after this mark wakes the wait below, so nothing is missed between the two.
    news.mark_unchanged();
    let found = published_after(&service, asked.after).await?;
    if !found.files.is_empty() || asked.wait == 0 {
        return Ok(json(&found));
    }
    let wait = Duration::from_secs(asked.wait.min(WAIT_S_MAX));
    let _news_or_time = tokio::time::timeout(wait, news.changed()).await;
    Ok(json(&published_after(&service, asked.after).await?))
}

async fn published_after(service: &Service, after: u64) -> Result<Published, Refusal> {
    let found = service.office().inventory.published(after).await;
    found.map_err(|error| Refusal::internal(&error))
}

async fn file(
    State(service): State<Service>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    service.admit(Kind::Reading, caller.address.ip())?;
    if !enrol::is_file_name(&name) {
        return Err(Refusal::new("not_found"));
    }
    match tokio::fs::read(service.office().records().join(&name)).await {
        Ok(bytes) => {
            Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
        }
        Err(_) => Err(Refusal::new("not_found")),
    }
}

async fn publish(
    State(service): State<Service>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Body,
) -> Result<Response, Refusal> {
    service.admit(Kind::Issuing, caller.address.ip())?;
    let now = service.now()?;
    let station = station(&service, &caller, now)?;
    let bytes = read(body, limits::RECORD_BYTES_MAX.saturating_mul(2)).await?;
    if let Some(certs) = certificates(&bytes) {
        return publish_foreign(&service, &certs, &station, &caller, now).await;
    }
    let verified = judged(&service, &bytes, now)?;
    let record = verified.record();
    let name = file_of(record, &station)?;
    let path = service.office().records().join(&name);
    if let Ok(held) = std::fs::read(&path) {
        let newer = record::open(&held).map_or(0, |held| held.record.sequence());
        if held != bytes && newer >= record.sequence() {
            let text = format!("{name} has sequence {newer}");
            return Err(Refusal::about("record_old", text));
        }
    }
    write_public(&path, &bytes).map_err(|error| Refusal::internal(&error))?;
    let actor = Actor {
        who: station.party().map(ToString::to_string).unwrap_or_default(),
        from: caller.address.to_string(),
    };
    let facts = serde_json::json!({ "file": name, "sequence": record.sequence() });
    let inventory = &service.office().inventory;
    let noted = inventory.note("record_published", facts, &actor, now).await;
    noted.map_err(|error| Refusal::internal(&error))?;
    published(&service).await;
    Ok(one_file(&service, name, &bytes))
}

fn one_file(service: &Service, name: String, bytes: &[u8]) -> Response {
    let file = PublishedFile {
        name,
        sha256: Some(Digest::of(bytes)),
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
    };
    json(&Published {
        sequence: *service.0.news.borrow(),
        files: vec![file],
        more: false,
    })
}

/// A certificate in DER, or several in PEM, the agency's first.
fn certificates(bytes: &[u8]) -> Option<Vec<Certificate>> {
    if bytes.starts_with(b"-----BEGIN CERTIFICATE-----") {
        return Certificate::all_from_pem(bytes).ok();
    }
    Certificate::parse(bytes).ok().map(|cert| vec![cert])
}

async fn publish_foreign(
    service: &Service,
    certs: &[Certificate],
    station: &VerifiedCert,
    caller: &Caller,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let office = service.office();
    let taken = office.take_foreign(certs, station, now);
    let taken = taken.map_err(|error| match error {
        ForeignError::Office(error) => Refusal::internal(&error),
        ForeignError::OtherHome(_) => Refusal::about("not_yours", error),
        error => Refusal::about("certificate_foreign", error),
    })?;
    let actor = Actor {
        who: station.party().map(ToString::to_string).unwrap_or_default(),
        from: caller.address.to_string(),
    };
    let facts = serde_json::json!({
        "file": taken.file, "agency": taken.agency, "issuer": taken.issuer,
    });
    let noted = office
        .inventory
        .note("foreign_certificate_published", facts, &actor, now)
        .await;
    noted.map_err(|error| Refusal::internal(&error))?;
    published(service).await;
    service.0.foreign.notify_one();
    Ok(one_file(service, taken.file, taken.pem.as_bytes()))
}

/// The record, if its signer may say it. The roots of the trust list, and what foreign authorities published,
/// are looked at only where our own do not carry it: that reads the folder.
fn judged(
    service: &Service,
    bytes: &[u8],
    now: Timestamp,
) -> Result<record::VerifiedRecord, Refusal> {
    let own = match record::verify(bytes, &service.validator(), now) {
        Ok(verified) => return Ok(verified),
        Err(error) => error,
    };
    let wide = service.office().wide_validator();
    let wide = wide.map_err(|error| Refusal::internal(&error))?;
    record::verify(bytes, &wide, now).map_err(|_| Refusal::about("record_refused", own))
}

/// Under which name a record is published, if stations may publish it.
fn file_of(record: &Record, station: &VerifiedCert) -> Result<String, Refusal> {
    match record {
        Record::Attachment(one) => Ok(format!("attachment-{}.rec", one.agency)),
        Record::Delegation(one) => Ok(format!("delegation-{}-{}.rec", one.parent, one.scope)),
        Record::Station(one) if station.party() == Some(&Party::Station(one.name.clone())) => {
            Ok(format!("station-{}.rec", one.name))
        }
        Record::Station(_) => Err(Refusal::about("not_yours", "another station's record")),
        Record::Agencies(_) | Record::TrustList(_) => Err(Refusal::about(
            "not_yours",
            "the registry publishes this itself",
        )),
    }
}

/// The station that calls, judged now.
pub(super) fn station(
    service: &Service,
    caller: &Caller,
    now: Timestamp,
) -> Result<VerifiedCert, Refusal> {
    let shown = caller.certificate.as_ref();
    let shown = shown.ok_or_else(|| Refusal::new("certificate_needed"))?;
    let judged = service.validator().verify(shown, Role::StationTls, now);
    judged.map_err(|error| Refusal::about("certificate_refused", error))
}

/// A refused wish for certificates is worth a line: it may be an attack.
fn refused(error: &EnrolError, from: &str) {
    tracing::warn!(code = "TRAM-707", %error, from, "certificates refused");
}

pub(super) async fn published(service: &Service) {
    if let Err(error) = service.publish(system_now()).await {
        tracing::error!(code = "TRAM-708", %error, "news not listed; tried again soon");
    }
}

async fn read(body: Body, most: usize) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(BODY_TIME, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Refusal::new("too_large")),
        Err(_) => Err(Refusal::about(
            "unreadable",
            "the body did not come in time",
        )),
    }
}

async fn read_json<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let bytes = read(body, REQUEST_BYTES_MAX).await?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::about("unreadable", error))
}

fn json<T: serde::Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::OK, kind, text).into_response()
        }
        Err(error) => Refusal::internal(&error).into_response(),
    }
}

/// The file system's own clock is compared with file times, never with certificates.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with the times of files only"
)]
pub(super) fn system_now() -> SystemTime {
    SystemTime::now()
}

/// A megabyte at 300 kbit/s.
pub(super) const BODY_TIME: Duration = Duration::from_secs(30);
