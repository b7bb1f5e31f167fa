//! Answers that others made: read, and who signed them.
//!
//! Owns: strict reading of a basic answer, who may sign for an authority (RFC 6960 section
//! 4.2.2.2: the authority itself, or a responder that it certified for this), and how long an
//! answer counts. Fails with [`OcspError`]. Must not know: the path from the authority to a root,
//! or what the caller makes of a status.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use const_oid::ObjectIdentifier;
use der::{Decode, Encode};
use formats::id::Digest;
use formats::oid;
use formats::time::Timestamp;
use x509_cert::ext::pkix::CrlReason;

use super::structure::{Basic, CertStatus, OcspResponse, ResponderId, Single};
use super::{
    BASIC, CertId, ErrorStatus, NONCE, OcspError, Status, check_extensions, key_bits, nonce,
    timestamp,
};
use crate::algorithm::SignatureAlgorithm;
use crate::cert::{Certificate, signed_part};
use crate::chain::ChainError;
use crate::chain::names::same_name;
use crate::chain::structure::{self as shape, Criticality};
use crate::revoke::Revocation;

/// What is said about one certificate.
#[derive(Clone, Debug)]
pub struct Answer {
    id: CertId,
    /// The status.
    pub status: Status,
    /// The moment whose knowledge this is.
    pub this_update: Timestamp,
    /// When newer knowledge is due; without it newer knowledge is always to be had.
    pub next_update: Option<Timestamp>,
}

impl Answer {
    /// Which certificate.
    #[must_use]
    pub fn id(&self) -> &CertId {
        &self.id
    }

    /// Whether it still counts at `at`, with `grace_ms` beyond its nextUpdate. One without
    /// nextUpdate is of its moment only and counts for a day.
    #[must_use]
    pub fn is_fresh(&self, at: Timestamp, grace_ms: i64) -> bool {
        self.end().unix_ms().saturating_add(grace_ms) >= at.unix_ms()
    }

    fn end(&self) -> Timestamp {
        self.next_update
            .unwrap_or_else(|| self.this_update.plus_ms(MOMENT_MS))
    }
}

/// A parsed basic answer; cheap to clone. What it says is worth nothing before
/// [`Response::verify`].
#[derive(Clone)]
pub struct Response(Arc<Parts>);

struct Parts {
    /// `BasicOCSPResponse` as it came.
    der: Vec<u8>,
    data: Range<usize>,
    basic: Basic,
    answers: Vec<Answer>,
    certificates: Vec<Certificate>,
    nonce: Option<Vec<u8>>,
    /// The authority for which this was found to be rightly signed, and by whom.
    verified: OnceLock<(Digest, Signer)>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({} answers)", self.0.answers.len())
    }
}

/// Who signed an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// A responder that the authority certified.
    Delegate(Certificate),
    /// The authority itself.
    Issuer,
}

impl Signer {
    /// The responder whose own revocation is still open: one that the authority did not excuse
    /// from the question by id-pkix-ocsp-nocheck (section 4.2.2.2.1).
    #[must_use]
    pub fn to_be_checked(&self) -> Option<&Certificate> {
        match self {
            Self::Delegate(cert) if !has_no_check(cert) => Some(cert),
            Self::Delegate(_) | Self::Issuer => None,
        }
    }

    /// Until when an answer of this signer counts: its nextUpdate, without one a day, and never
    /// beyond the life of the responder's certificate.
    #[must_use]
    pub fn end_of(&self, answer: &Answer) -> Timestamp {
        let end = answer.end();
        match self {
            Self::Delegate(cert) => end.min(cert.not_after()),
            Self::Issuer => end,
        }
    }
}

impl Response {
    /// Parses an `OCSPResponse`, or the basic answer inside it alone, as archives keep it. Strict
    /// DER; nothing may follow.
    ///
    /// # Errors
    /// [`OcspError::Error`] for a response that carries an error status, others for malformed or
    /// oversized ones.
    pub fn parse(der: &[u8]) -> Result<Self, OcspError> {
        if der.len() > RESPONSE_BYTES_MAX {
            return Err(OcspError::TooLarge {
                bytes: der.len(),
                most: RESPONSE_BYTES_MAX,
            });
        }
        let Ok(outer) = OcspResponse::from_der(der) else {
            return Self::parse_basic(der);
        };
        if let Some(error) = ErrorStatus::of(outer.status) {
            return Err(OcspError::Error(error));
        }
        let bytes = outer
            .bytes
            .ok_or(OcspError::Refused("successful without an answer"))?;
        if bytes.kind != BASIC {
            return Err(OcspError::Refused("not a basic answer"));
        }
        Self::parse_basic(bytes.response.as_bytes())
    }

    fn parse_basic(der: &[u8]) -> Result<Self, OcspError> {
        let basic = Basic::from_der(der)?;
        let data = &basic.data;
        if data.version != 0 {
            return Err(OcspError::Refused("not an answer of version 1"));
        }
        if data.responses.len() > ANSWERS_MAX {
            return Err(OcspError::TooMany {
                entries: data.responses.len(),
                most: ANSWERS_MAX,
            });
        }
        check_extensions(data.extensions.as_ref(), &[NONCE])?;
        let answers = data
            .responses
            .iter()
            .map(answer)
            .collect::<Result<_, _>>()?;
        let held = basic.certificates.iter().flatten();
        // One that does not parse is as good as absent.
        let certificates = held
            .take(CERTIFICATES_MAX)
            .filter_map(|any| Certificate::parse(&any.to_der().ok()?).ok())
            .collect();
        Ok(Self(Arc::new(Parts {
            data: signed_part(der)?,
            nonce: nonce(data.extensions.as_ref()),
            verified: OnceLock::new(),
            der: der.to_vec(),
            answers,
            certificates,
            basic,
        })))
    }

    /// The basic answer (`BasicOCSPResponse`) as it came.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Everything that it says.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        &self.0.answers
    }

    /// When it was signed, as it says.
    #[must_use]
    pub fn produced_at(&self) -> Timestamp {
        timestamp(self.0.basic.data.produced_at)
    }

    /// The nonce that it repeats.
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.0.nonce.as_deref()
    }

    /// Checks the nonce of an answer to a request that carried one: an answer without a nonce was
    /// made in advance and is judged by its times (RFC 9654 section 2.1).
    ///
    /// # Errors
    /// [`OcspError::Refused`] when it answers another request.
    pub fn check_nonce(&self, asked: &[u8]) -> Result<(), OcspError> {
        match self.nonce() {
            Some(said) if said != asked => Err(OcspError::Refused("nonce of another request")),
            Some(_) | None => Ok(()),
        }
    }

    /// What it says about `cert`: the newest of its answers, a revocation before all others.
    #[must_use]
    pub fn about(&self, cert: &Certificate, issuer: &Certificate) -> Option<&Answer> {
        self.0
            .answers
            .iter()
            .filter(|answer| answer.id.names(cert, issuer))
            .max_by_key(|answer| {
                let revoked = matches!(answer.status, Status::Revoked(_));
                (revoked, answer.this_update.unix_ms())
            })
    }

    /// Checks the signature, and that whoever made it may speak for this authority. The authority
    /// itself must be believed already.
    ///
    /// # Errors
    /// [`OcspError::Responder`] with the rule, or [`OcspError::Signature`].
    pub fn verify(&self, issuer: &Certificate) -> Result<Signer, OcspError> {
        if let Some((known, signer)) = self.0.verified.get()
            && *known == issuer.sha256()
        {
            return Ok(signer.clone());
        }
        let signer = self.signer(issuer)?;
        // Another thread may have stored the same answer; that is the same fact.
        let _same = self.0.verified.set((issuer.sha256(), signer.clone()));
        Ok(signer)
    }

    fn signer(&self, issuer: &Certificate) -> Result<Signer, OcspError> {
        if self.is_by(issuer) {
            self.check_signature(issuer)?;
            return Ok(Signer::Issuer);
        }
        let responder = self
            .0
            .certificates
            .iter()
            .find(|cert| self.is_by(cert))
            .ok_or_else(|| OcspError::Responder {
                subject: self.responder(),
                reason: "neither the authority nor a responder whose certificate came along",
            })?;
        check_delegate(responder, issuer)?;
        let produced = self.produced_at().unix_s();
        if produced < responder.not_before().unix_s() || produced > responder.not_after().unix_s() {
            return Err(OcspError::Responder {
                subject: responder.subject(),
                reason: "the answer was made outside the validity of its certificate",
            });
        }
        self.check_signature(responder)?;
        Ok(Signer::Delegate(responder.clone()))
    }

    /// Whether the answer names this certificate as its signer's.
    fn is_by(&self, cert: &Certificate) -> bool {
        match &self.0.basic.data.responder {
            ResponderId::ByName(name) => same_name(name, cert.subject_name()),
            ResponderId::ByKey(hash) => {
                let own = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key_bits(cert));
                own.as_ref() == hash.as_bytes()
            }
        }
    }

    fn responder(&self) -> String {
        match &self.0.basic.data.responder {
            ResponderId::ByName(name) => name.to_string(),
            ResponderId::ByKey(hash) => format!("key {}", crate::cert::hex(hash.as_bytes())),
        }
    }

    fn check_signature(&self, signer: &Certificate) -> Result<(), OcspError> {
        let algorithm = SignatureAlgorithm::from_identifier(&self.0.basic.algorithm)?;
        let key = signer.public_key().map_err(|_| {
            OcspError::Refused("the responder's key is of no kind that is accepted")
        })?;
        let message = self.0.der.get(self.0.data.clone()).unwrap_or_default();
        let signature = self
            .0
            .basic
            .signature
            .as_bytes()
            .ok_or(OcspError::Refused("unused bits in the signature"))?;
        Ok(key.verify(algorithm, message, signature)?)
    }
}

fn answer(single: &Single) -> Result<Answer, OcspError> {
    check_extensions(single.extensions.as_ref(), &[])?;
    let this_update = timestamp(single.this_update);
    let next_update = single.next_update.map(timestamp);
    if next_update.is_some_and(|next| next < this_update) {
        return Err(OcspError::Refused("nextUpdate is before thisUpdate"));
    }
    let status = match &single.status {
        CertStatus::Good(_) => Status::Good,
        CertStatus::Revoked(info) => Status::Revoked(Revocation {
            at: timestamp(info.at),
            reason: info.reason.unwrap_or(CrlReason::Unspecified),
        }),
        CertStatus::Unknown(_) => Status::Unknown,
    };
    Ok(Answer {
        id: CertId(single.id.clone()),
        status,
        this_update,
        next_update,
    })
}

/// Section 4.2.2.2: issued directly by the authority, with the OCSPSigning usage, and itself no
/// authority.
pub(super) fn check_delegate(
    responder: &Certificate,
    issuer: &Certificate,
) -> Result<(), OcspError> {
    let refuse = |reason| {
        Err(OcspError::Responder {
            subject: responder.subject(),
            reason,
        })
    };
    let extensions = responder.extensions();
    let usages = extensions.extended_key_usage.as_ref();
    if !usages.is_some_and(|usages| usages.value.0.contains(&oid::EKU_OCSP_SIGNING)) {
        return refuse("no OCSPSigning key usage");
    }
    let usage = extensions.key_usage.as_ref();
    if usage.is_some_and(|usage| !usage.value.digital_signature() && !usage.value.non_repudiation())
    {
        return refuse("key usage does not allow signatures");
    }
    if !same_name(responder.issuer_name(), issuer.subject_name()) {
        return refuse("certified by another authority");
    }
    match shape::check(responder, Criticality::Lenient) {
        Ok(()) => {}
        Err(ChainError::Structure { reason, .. }) => return refuse(reason),
        Err(_) => return refuse("its certificate is not what RFC 5280 allows"),
    }
    let x509 = responder.x509();
    let algorithm = SignatureAlgorithm::from_identifier(x509.signature_algorithm())?;
    let signature = x509.signature().as_bytes();
    let signed = issuer.public_key().is_ok_and(|key| {
        let signature = signature.unwrap_or_default();
        key.verify(algorithm, responder.tbs_der(), signature)
            .is_ok()
    });
    if !signed {
        return refuse("its certificate is not signed by this authority");
    }
    Ok(())
}

fn has_no_check(cert: &Certificate) -> bool {
    let extensions = cert.x509().tbs_certificate().extensions();
    let mut all = extensions.into_iter().flatten();
    all.any(|extension| extension.extn_id == NO_CHECK)
}

const NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");

/// Some responders of large authorities state hundreds of serial numbers in one answer.
const ANSWERS_MAX: usize = 4096;
/// The responder's certificate, and sometimes its authorities.
const CERTIFICATES_MAX: usize = 4;
/// How long an answer without nextUpdate counts.
const MOMENT_MS: i64 = 24 * 60 * 60 * 1000;
const RESPONSE_BYTES_MAX: usize = 1024 * 1024;
