//! OCSP (RFC 6960, in the shape of RFC 5019): asked, answered, believed.
//!
//! Owns: reading requests ([`Request`]), signing answers ([`Responder`], [`error_response`]),
//! reading answers and judging who signed them ([`Response`]). Answers are made in advance and
//! carry no nonce, so one signature serves all who ask. Nothing is fetched, no clock is read: times
//! are parameters. Fails with [`OcspError`]. Must not know: HTTP, ledgers, paths to a root (that is
//! the validator's business).

mod request;
mod responder;
mod response;
mod structure;

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;

use aws_lc_rs::digest;
use const_oid::ObjectIdentifier;
use der::asn1::{Any, GeneralizedTime, Int, OctetString};
use formats::time::Timestamp;
use spki::AlgorithmIdentifierOwned;
use thiserror::Error;
use x509_cert::ext::Extension;

use crate::algorithm::AlgorithmError;
use crate::cert::Certificate;
use crate::key::KeyError;
use crate::revoke::Revocation;
use crate::sign::HashAlgorithm;

pub use request::Request;
pub use responder::{ErrorStatus, Responder, error_response};
pub use response::{Answer, Response, Signer};

/// Why a request, an answer or a responder is refused.
#[derive(Debug, Error)]
pub enum OcspError {
    /// Not strict DER.
    #[error("not DER: {0}")]
    Der(#[from] der::Error),
    /// The responder gave no answer but this status.
    #[error("the responder says: {0}")]
    Error(ErrorStatus),
    /// The answer cannot be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Something that RFC 6960 forbids or that we do not process.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// Whoever signed may not speak for this authority.
    #[error("responder {subject} may not answer for this authority: {reason}")]
    Responder {
        /// Whose certificate, or the identifier that the answer gives.
        subject: String,
        /// The rule (RFC 6960 section 4.2.2.2).
        reason: &'static str,
    },
    /// The signature is not the responder's.
    #[error("signature: {0}")]
    Signature(#[from] AlgorithmError),
    /// Larger than any real one.
    #[error("{bytes} bytes are more than {most}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// More entries than we read.
    #[error("{entries} entries are more than {most}")]
    TooMany {
        /// How many.
        entries: usize,
        /// The limit.
        most: usize,
    },
}

/// What an answer says about one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not revoked.
    Good,
    /// Revoked since, and why.
    Revoked(Revocation),
    /// The responder does not know the certificate: as good as no answer.
    Unknown,
}

/// Names a certificate: hashes of its issuer's name and key, and its serial number (RFC 6960
/// section 4.1.1). SHA-1 only names here; it is what most askers use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertId(structure::Id);

impl CertId {
    /// Names a serial number of this authority with SHA-1, as RFC 5019 demands of askers.
    ///
    /// # Errors
    /// [`OcspError::Der`] for a serial number that cannot be encoded.
    pub fn sha1(issuer: &Certificate, serial: &[u8]) -> Result<Self, OcspError> {
        Self::new(ID_SHA1, &digest::SHA1_FOR_LEGACY_USE_ONLY, issuer, serial)
    }

    /// Names a serial number of this authority with SHA-256.
    ///
    /// # Errors
    /// [`OcspError::Der`] for a serial number that cannot be encoded.
    pub fn sha256(issuer: &Certificate, serial: &[u8]) -> Result<Self, OcspError> {
        let hash = HashAlgorithm::Sha256;
        Self::new(hash.oid(), hash.implementation(), issuer, serial)
    }

    fn new(
        oid: ObjectIdentifier,
        hash: &'static digest::Algorithm,
        issuer: &Certificate,
        serial: &[u8],
    ) -> Result<Self, OcspError> {
        let mut positive = vec![0];
        positive.extend_from_slice(serial);
        // DER: a leading zero octet only where the number would be negative without it.
        let zeros = positive
            .windows(2)
            .take_while(|pair| matches!(pair, [0, next] if *next < 0x80))
            .count();
        let serial = positive.get(zeros..).unwrap_or_default();
        Ok(Self(structure::Id {
            hash: AlgorithmIdentifierOwned {
                oid,
                parameters: Some(Any::null()),
            },
            issuer_name: OctetString::new(digest::digest(hash, issuer.subject_der()).as_ref())?,
            issuer_key: OctetString::new(digest::digest(hash, key_bits(issuer)).as_ref())?,
            serial: Int::new(serial)?,
        }))
    }

    /// The serial number, big-endian without a leading zero, like [`Certificate::serial`].
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        match self.0.serial.as_bytes() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        }
    }

    /// Whether both hashes are this authority's. An algorithm that we do not know names nobody.
    #[must_use]
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        let Some(hash) = self.hash() else {
            return false;
        };
        let same =
            |said: &OctetString, of: &[u8]| digest::digest(hash, of).as_ref() == said.as_bytes();
        same(&self.0.issuer_name, issuer.subject_der())
            && same(&self.0.issuer_key, key_bits(issuer))
    }

    /// Whether this names `cert`, issued by `issuer`.
    #[must_use]
    pub fn names(&self, cert: &Certificate, issuer: &Certificate) -> bool {
        self.serial() == cert.serial() && self.is_issued_by(issuer)
    }

    fn hash(&self) -> Option<&'static digest::Algorithm> {
        let id = &self.0.hash;
        if id.oid == ID_SHA1 && id.parameters.as_ref().is_none_or(Any::is_null) {
            return Some(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        }
        HashAlgorithm::from_identifier(id).map(HashAlgorithm::implementation)
    }
}

/// The bits of the public key without its algorithm: what key hashes are over.
fn key_bits(cert: &Certificate) -> &[u8] {
    let spki = cert.x509().tbs_certificate().subject_public_key_info();
    spki.subject_public_key.raw_bytes()
}

fn timestamp(time: GeneralizedTime) -> Timestamp {
    let ms = i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(ms)
}

/// Refuses what section 4.4 and RFC 5280 forbid of lists of extensions: one twice, or a critical
/// one that is not among `known`.
fn check_extensions(
    list: Option<&Vec<Extension>>,
    known: &[ObjectIdentifier],
) -> Result<(), OcspError> {
    let list = list.map(Vec::as_slice).unwrap_or_default();
    for (place, extension) in list.iter().enumerate() {
        let earlier = list.iter().take(place);
        if earlier
            .into_iter()
            .any(|one| one.extn_id == extension.extn_id)
        {
            return Err(OcspError::Refused("the same extension stands twice"));
        }
        if extension.critical && !known.contains(&extension.extn_id) {
            return Err(OcspError::Refused("unknown critical extension"));
        }
    }
    Ok(())
}

/// The nonce among extensions (RFC 9654: an OCTET STRING inside the extension's own).
fn nonce(list: Option<&Vec<Extension>>) -> Option<Vec<u8>> {
    use der::Decode;
    let found = list?.iter().find(|one| one.extn_id == NONCE)?;
    let inner = OctetString::from_der(found.extn_value.as_bytes()).ok()?;
    Some(inner.as_bytes().to_vec())
}

const ACCEPTABLE_RESPONSES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.4");
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const ID_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
