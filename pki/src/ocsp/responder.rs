//! Making answers.
//!
//! Owns: the bytes of a basic answer about one certificate, signed by a delegated responder or by
//! the authority itself, and the unsigned error answers. The caller decides the status and the
//! times and keeps the answers. Fails with [`OcspError`]. Must not know who asks.

use std::fmt;

use der::asn1::{Any, BitString, GeneralizedTime, Null, OctetString};
use der::{Decode, Encode};
use formats::time::Timestamp;
use x509_cert::ext::pkix::CrlReason;

use aws_lc_rs::digest;

use super::structure::{
    CertStatus, Data, OcspResponse, ResponderId, ResponseBytes, ResponseStatus, RevokedInfo,
    SignedBasic, Single,
};
use super::{BASIC, CertId, OcspError, Status, key_bits, response};
use crate::cert::Certificate;
use crate::key::SigningKey;

/// Answers for one authority with one key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Responder {
    key: SigningKey,
    certificate: Certificate,
    issuer: Certificate,
}

impl Responder {
    /// Joins a responder's key and certificate with the authority that it answers for. The
    /// certificate may be the authority's own.
    ///
    /// # Errors
    /// [`OcspError::Responder`] when they do not belong together or verifiers would not believe
    /// the answers (RFC 6960 section 4.2.2.2).
    pub fn new(
        key: SigningKey,
        certificate: Certificate,
        issuer: Certificate,
    ) -> Result<Self, OcspError> {
        if key.spki_der() != certificate.spki_der() {
            return Err(OcspError::Responder {
                subject: certificate.subject(),
                reason: "the key is not the certificate's",
            });
        }
        if certificate != issuer {
            response::check_delegate(&certificate, &issuer)?;
        }
        Ok(Self {
            key,
            certificate,
            issuer,
        })
    }

    /// The authority that it answers for.
    #[must_use]
    pub fn issuer(&self) -> &Certificate {
        &self.issuer
    }

    /// The certificate that verifiers see.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// A signed answer (`OCSPResponse`, successful) about one certificate, without a nonce: it may
    /// be kept and handed to all who ask until `next_update`. Times are cut to whole seconds.
    ///
    /// # Errors
    /// [`OcspError::Refused`] when `id` is not of this authority or the times are out of order,
    /// [`OcspError::Key`] when the key does not sign.
    pub fn answer(
        &self,
        id: &CertId,
        status: Status,
        this_update: Timestamp,
        next_update: Timestamp,
    ) -> Result<Vec<u8>, OcspError> {
        if !id.is_issued_by(&self.issuer) {
            return Err(OcspError::Refused("the certificate is another authority's"));
        }
        if next_update <= this_update {
            return Err(OcspError::Refused("nextUpdate is not after thisUpdate"));
        }
        if next_update > self.certificate.not_after() {
            return Err(OcspError::Refused(
                "nextUpdate is after the end of the responder's certificate",
            ));
        }
        let hash = digest::digest(
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            key_bits(&self.certificate),
        );
        let this_update = time(this_update)?;
        let data = Data {
            version: 0,
            responder: ResponderId::ByKey(OctetString::new(hash.as_ref())?),
            // Made in advance: the answer is of the moment whose knowledge it states.
            produced_at: this_update,
            responses: vec![Single {
                id: id.0.clone(),
                status: cert_status(status)?,
                this_update,
                next_update: Some(time(next_update)?),
                extensions: None,
            }],
            extensions: None,
        }
        .to_der()?;
        let certificates = if self.certificate == self.issuer {
            None
        } else {
            Some(vec![Any::from_der(self.certificate.der())?])
        };
        let basic = SignedBasic {
            algorithm: self.key.signature_algorithm().identifier()?,
            signature: BitString::from_bytes(&self.key.sign(&data)?)?,
            data: Any::from_der(&data)?,
            certificates,
        };
        let response = OcspResponse {
            status: ResponseStatus::Successful,
            bytes: Some(ResponseBytes {
                kind: BASIC,
                response: OctetString::new(basic.to_der()?)?,
            }),
        };
        Ok(response.to_der()?)
    }
}

fn cert_status(status: Status) -> Result<CertStatus, OcspError> {
    Ok(match status {
        Status::Good => CertStatus::Good(Null),
        Status::Revoked(entry) => CertStatus::Revoked(RevokedInfo {
            at: time(entry.at)?,
            // As in revocation lists: unspecified is said by leaving it out.
            reason: (entry.reason != CrlReason::Unspecified).then_some(entry.reason),
        }),
        Status::Unknown => CertStatus::Unknown(Null),
    })
}

fn time(at: Timestamp) -> Result<GeneralizedTime, OcspError> {
    let seconds =
        u64::try_from(at.unix_s()).map_err(|_| der::Error::from(der::ErrorKind::DateTime))?;
    let duration = std::time::Duration::from_secs(seconds);
    Ok(GeneralizedTime::from_unix_duration(duration)?)
}

/// Why there is no answer (RFC 6960 section 2.3); such responses are not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStatus {
    /// The responder failed.
    InternalError,
    /// The request does not read.
    MalformedRequest,
    /// The request must be signed; ours need not.
    SigRequired,
    /// Not now.
    TryLater,
    /// The responder does not answer for this authority (RFC 5019 section 2.2.3).
    Unauthorized,
}

impl ErrorStatus {
    const fn code(self) -> ResponseStatus {
        match self {
            Self::InternalError => ResponseStatus::InternalError,
            Self::MalformedRequest => ResponseStatus::MalformedRequest,
            Self::SigRequired => ResponseStatus::SigRequired,
            Self::TryLater => ResponseStatus::TryLater,
            Self::Unauthorized => ResponseStatus::Unauthorized,
        }
    }

    /// The error that a status means; none for success.
    pub(super) const fn of(status: ResponseStatus) -> Option<Self> {
        match status {
            ResponseStatus::Successful => None,
            ResponseStatus::MalformedRequest => Some(Self::MalformedRequest),
            ResponseStatus::InternalError => Some(Self::InternalError),
            ResponseStatus::TryLater => Some(Self::TryLater),
            ResponseStatus::SigRequired => Some(Self::SigRequired),
            ResponseStatus::Unauthorized => Some(Self::Unauthorized),
        }
    }
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InternalError => "internal error",
            Self::MalformedRequest => "malformed request",
            Self::SigRequired => "signature required",
            Self::TryLater => "try later",
            Self::Unauthorized => "unauthorized",
        })
    }
}

/// An error answer.
#[must_use]
pub fn error_response(status: ErrorStatus) -> Vec<u8> {
    let response = OcspResponse {
        status: status.code(),
        bytes: None,
    };
    // One enumerated byte always encodes.
    response.to_der().unwrap_or_default()
}
