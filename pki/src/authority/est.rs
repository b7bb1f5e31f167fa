//! Enrolment over Secure Transport (RFC 7030) for equipment of other makers: TLS certificates only.
//!
//! Owns: the four operations and their encodings. A one-time token of a grant for equipment is the
//! password of HTTP Basic; re-enrolment is by the current certificate. The rest is
//! [`super::enrolment`]'s: the same rules, the same audit. Fails with HTTP status and a line of text,
//! as the RFC wants. Must not know keys.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::cert::CertificateChoices;
use cms::content_info::CmsVersion;
use cms::signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerInfos};
use const_oid::db::{rfc5911, rfc5912};
use der::asn1::SetOfVec;
use der::{Decode, Encode};
use formats::id::Party;

use super::api;
use super::listener::Caller;
use super::refusal::Refusal;
use super::service::{Kind, Service};
use crate::cert::Certificate;
use crate::enrol::{Enrol, Issued, Renew, Request};
use crate::role::Role;
use crate::sign::{NotDer, SIGNED_DATA, wrap_content_info};

/// The routes below `/.well-known/est`.
pub(super) fn router(service: Service) -> Router {
    Router::new()
        .route("/.well-known/est/cacerts", get(authorities))
        .route("/.well-known/est/csrattrs", get(attributes))
        .route("/.well-known/est/simpleenroll", post(enroll))
        .route("/.well-known/est/simplereenroll", post(reenroll))
        .with_state(service)
}

/// Section 4.1: the root and the issuing authorities.
async fn authorities(
    State(service): State<Service>,
    ConnectInfo(caller): ConnectInfo<Caller>,
) -> Result<Response, Refusal> {
    service.admit(Kind::Reading, caller.address.ip())?;
    let all = service.office().authorities();
    certs_only(&all.map_err(|error| Refusal::internal(&error))?)
}

/// Section 4.5: a key on P-256, signed with ECDSA and SHA-256.
async fn attributes(
    State(service): State<Service>,
    ConnectInfo(caller): ConnectInfo<Caller>,
) -> Result<Response, Refusal> {
    service.admit(Kind::Reading, caller.address.ip())?;
    let wanted = vec![
        rfc5912::ID_EC_PUBLIC_KEY,
        rfc5912::SECP_256_R_1,
        rfc5912::ECDSA_WITH_SHA_256,
    ];
    let der = wanted.to_der().map_err(|error| Refusal::internal(&error))?;
    Ok(answered("application/csrattrs", &der))
}

/// Section 4.2.1, with the token as password.
async fn enroll(
    State(service): State<Service>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    service
        .admit(Kind::Issuing, caller.address.ip())
        .map_err(IntoResponse::into_response)?;
    let Some(token) = password(&headers) else {
        let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"tram-grant\"")];
        return Err((
            StatusCode::UNAUTHORIZED,
            ask,
            "give the token as password\n",
        )
            .into_response());
    };
    issue(&service, &caller, &token, body)
        .await
        .map_err(IntoResponse::into_response)
}

async fn issue(
    service: &Service,
    caller: &Caller,
    token: &str,
    body: Body,
) -> Result<Response, Refusal> {
    let now = service.now()?;
    let csr = request(body).await?;
    let kept = service.office().inventory.granted(token, now).await;
    let kept = kept.map_err(super::enrolment::EnrolError::from)?;
    let asked = Enrol {
        token: token.to_owned(),
        requests: vec![wish(Party::Station(kept.allowed.station), csr)],
    };
    let from = caller.address.to_string();
    let issued = service.office().enrol(&asked, &from, now).await?;
    api::published(service).await;
    given(&issued)
}

/// Section 4.2.2, with the current certificate.
async fn reenroll(
    State(service): State<Service>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    body: Body,
) -> Result<Response, Refusal> {
    service.admit(Kind::Issuing, caller.address.ip())?;
    let now = service.now()?;
    let station = api::station(&service, &caller, now)?;
    let party = station
        .party()
        .cloned()
        .ok_or_else(|| Refusal::new("certificate_needed"))?;
    let asked = Renew {
        requests: vec![wish(party, request(body).await?)],
    };
    let (from, validator) = (caller.address.to_string(), service.validator());
    let issued = service
        .office()
        .renew(&asked, &station, &validator, &from, now)
        .await?;
    api::published(&service).await;
    given(&issued)
}

fn wish(party: Party, csr: String) -> Request {
    Request {
        role: Role::StationTls,
        party,
        csr,
        proof: None,
    }
}

/// The body: base64 of PKCS#10 (RFC 8951 section 3.1), lines or not.
async fn request(body: Body) -> Result<String, Refusal> {
    let read = tokio::time::timeout(api::BODY_TIME, to_bytes(body, REQUEST_BYTES_MAX)).await;
    let Ok(Ok(bytes)) = read else {
        return Err(Refusal::new("too_large"));
    };
    let plain: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let der = STANDARD
        .decode(plain)
        .map_err(|error| Refusal::about("request_invalid", error))?;
    let pem = der::pem::encode_string("CERTIFICATE REQUEST", der::pem::LineEnding::LF, &der);
    pem.map_err(|error| Refusal::about("request_invalid", error))
}

fn password(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = given.split_once(' ')?;
    let both = scheme
        .eq_ignore_ascii_case("basic")
        .then(|| STANDARD.decode(rest.trim()).ok())?;
    let both = String::from_utf8(both?).ok()?;
    both.split_once(':')
        .map(|(_, password)| password.to_owned())
}

/// The one new certificate.
fn given(issued: &Issued) -> Result<Response, Refusal> {
    let certs = issued.certificates.iter();
    let certs = certs.map(|one| Certificate::from_pem(one.certificate.as_bytes()));
    let certs: Result<Vec<_>, _> = certs.collect();
    certs_only(&certs.map_err(|error| Refusal::internal(&error))?)
}

/// Certificates in a SignedData without signers (RFC 5652 section 5.1, RFC 5751 "certs-only").
fn certs_only(certs: &[Certificate]) -> Result<Response, Refusal> {
    let packed = pack(certs).map_err(|error| Refusal::internal(&error))?;
    Ok(answered(
        "application/pkcs7-mime; smime-type=certs-only",
        &packed,
    ))
}

fn pack(certs: &[Certificate]) -> Result<Vec<u8>, NotDer> {
    let mut all = SetOfVec::new();
    for cert in certs {
        let cert = x509_cert::Certificate::from_der(cert.der())?;
        all.insert(CertificateChoices::Certificate(cert))?;
    }
    let data = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::new(),
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: rfc5911::ID_DATA,
            econtent: None,
        },
        certificates: Some(CertificateSet::from(all)),
        crls: None,
        signer_infos: SignerInfos::from(SetOfVec::new()),
    };
    wrap_content_info(&data, SIGNED_DATA)
}

fn answered(kind: &'static str, der: &[u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (
            header::HeaderName::from_static("content-transfer-encoding"),
            "base64",
        ),
    ];
    (headers, STANDARD.encode(der)).into_response()
}

/// A request has about a kilobyte in base64.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
