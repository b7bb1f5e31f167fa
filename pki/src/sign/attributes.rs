//! The signed attributes of a CMS signature: made once each, read once each.
//!
//! Owns: content-type, message-digest, signing-time and signing-certificate-v2. Fails with
//! [`AttributeError`] when one is missing, doubled, empty or not DER. Must not know which content
//! is signed or who signs.

use cms::signed_data::SignedAttributes;
use der::asn1::{GeneralizedTime, ObjectIdentifier, OctetString, SetOfVec, UtcTime};
use der::{Any, Decode, Encode, Sequence, Tag};
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;
use x509_cert::time::Time;

use formats::id::Digest;
use formats::time::Timestamp;

use super::algorithm::HashAlgorithm;
use super::structure::{self, NotDer};

/// Why signed attributes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// An attribute that every signature must carry is absent.
    #[error("signed attribute {0} is missing")]
    Missing(&'static str),
    /// An attribute stands twice, or has no value or several.
    #[error("signed attribute {0} is not there exactly once with one value")]
    NotSingle(ObjectIdentifier),
    /// An attribute's value is not what its type says.
    #[error("signed attribute {0} is malformed")]
    Malformed(&'static str),
    /// The encoding is not DER.
    #[error(transparent)]
    NotDer(#[from] NotDer),
}

/// What the signed attributes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) content_type: ObjectIdentifier,
    pub(crate) message_digest: Vec<u8>,
    pub(crate) signing_time: Option<Timestamp>,
    pub(crate) certificate: CertificateId,
}

/// The first `ESSCertIDv2`: which certificate the signer claims to have used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateId {
    pub(crate) hash: HashAlgorithm,
    pub(crate) digest: Vec<u8>,
    /// DER of the issuer name and serial number, when the signer gave them.
    pub(crate) issuer_serial: Option<(Vec<u8>, Vec<u8>)>,
}

/// Makes the four attributes. The set type sorts them, as DER asks.
///
/// # Errors
/// A time outside the years 1970 to 9999.
pub(crate) fn build(
    content_type: ObjectIdentifier,
    message_digest: &[u8],
    at: Timestamp,
    certificate: &Digest,
) -> Result<SignedAttributes, der::Error> {
    let certificate = SigningCertificateV2 {
        certs: vec![EssCertIdV2 {
            hash_algorithm: None,
            cert_hash: OctetString::new(certificate.as_bytes().as_slice())?,
            issuer_serial: None,
        }],
        policies: None,
    };
    SetOfVec::try_from(vec![
        attribute(CONTENT_TYPE, &content_type)?,
        attribute(MESSAGE_DIGEST, &OctetString::new(message_digest)?)?,
        attribute(SIGNING_TIME, &signing_time(at)?)?,
        attribute(SIGNING_CERTIFICATE_V2, &certificate)?,
    ])
}

/// Reads the attributes and checks that each stands once. Other attributes are allowed (foreign
/// tools add S/MIME capabilities), but never twice.
///
/// # Errors
/// [`AttributeError`] as named.
pub(crate) fn read(attributes: &SignedAttributes) -> Result<Said, AttributeError> {
    structure::check_der(&attributes.to_der().map_err(NotDer::from)?)?;
    for (index, attribute) in attributes.iter().enumerate() {
        let doubled = attributes
            .iter()
            .skip(index + 1)
            .any(|other| other.oid == attribute.oid);
        if doubled || attribute.values.len() != 1 {
            return Err(AttributeError::NotSingle(attribute.oid));
        }
    }
    let content_type = value(attributes, CONTENT_TYPE)
        .ok_or(AttributeError::Missing("content-type"))?
        .decode_as::<ObjectIdentifier>()
        .map_err(|_| AttributeError::Malformed("content-type"))?;
    let message_digest = value(attributes, MESSAGE_DIGEST)
        .ok_or(AttributeError::Missing("message-digest"))?
        .decode_as::<OctetString>()
        .map_err(|_| AttributeError::Malformed("message-digest"))?;
    let signing_time = value(attributes, SIGNING_TIME).map(read_time).transpose()?;
    let certificate = value(attributes, SIGNING_CERTIFICATE_V2)
        .ok_or(AttributeError::Missing("signing-certificate-v2"))?;
    Ok(Said {
        content_type,
        message_digest: message_digest.as_bytes().to_vec(),
        signing_time,
        certificate: read_certificate_id(certificate)
            .ok_or(AttributeError::Malformed("signing-certificate-v2"))?,
    })
}

/// One attribute with one value.
///
/// # Errors
/// A value too long for DER.
pub(crate) fn attribute<T: Encode>(
    oid: ObjectIdentifier,
    value: &T,
) -> Result<Attribute, der::Error> {
    let value = Any::from_der(&value.to_der()?)?;
    Ok(Attribute {
        oid,
        values: SetOfVec::try_from(vec![value])?,
    })
}

fn value(attributes: &SignedAttributes, oid: ObjectIdentifier) -> Option<&Any> {
    attributes
        .iter()
        .find(|attribute| attribute.oid == oid)?
        .values
        .get(0)
}

/// RFC 5652 section 11.3: UTCTime through 2049, GeneralizedTime after.
fn signing_time(at: Timestamp) -> Result<Time, der::Error> {
    let seconds = u64::try_from(at.unix_s()).map_err(|_| der::ErrorKind::DateTime)?;
    let since_1970 = core::time::Duration::from_secs(seconds);
    if seconds < YEAR_2050 {
        UtcTime::from_unix_duration(since_1970).map(Time::UtcTime)
    } else {
        GeneralizedTime::from_unix_duration(since_1970).map(Time::GeneralTime)
    }
}

fn read_time(value: &Any) -> Result<Timestamp, AttributeError> {
    let malformed = AttributeError::Malformed("signing-time");
    let time = value
        .to_der()
        .and_then(|der| Time::from_der(&der))
        .map_err(|_| malformed.clone())?;
    let seconds =
        i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| malformed.clone())?;
    // The clause binds readers too: a date before 2050 written as GeneralizedTime is malformed.
    if matches!(time, Time::GeneralTime(_)) && seconds < YEAR_2050.cast_signed() {
        return Err(malformed);
    }
    Ok(Timestamp::from_unix_ms(seconds.saturating_mul(1000)))
}

fn read_certificate_id(value: &Any) -> Option<CertificateId> {
    let list = value.decode_as::<SigningCertificateV2>().ok()?;
    let first = list.certs.first()?;
    let hash = match &first.hash_algorithm {
        None => HashAlgorithm::Sha256,
        Some(identifier) => HashAlgorithm::from_identifier(identifier)?,
    };
    let issuer_serial = match &first.issuer_serial {
        None => None,
        Some(pair) => {
            let [name] = pair.issuer.as_slice() else {
                return None;
            };
            // GeneralName directoryName is [4] EXPLICIT, so its value is the Name's own DER.
            if name.header().tag() != DIRECTORY_NAME {
                return None;
            }
            Some((name.value().to_vec(), pair.serial.to_der().ok()?))
        }
    };
    Some(CertificateId {
        hash,
        digest: first.cert_hash.as_bytes().to_vec(),
        issuer_serial,
    })
}

/// RFC 5035 section 3.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
struct SigningCertificateV2 {
    certs: Vec<EssCertIdV2>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

/// RFC 5035 section 4; the issuer's serial is not written because the hash names one certificate.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
struct EssCertIdV2 {
    /// DEFAULT SHA-256, so what we write leaves it out.
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<IssuerSerial>,
}

#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
struct IssuerSerial {
    issuer: Vec<Any>,
    serial: der::asn1::Int,
}

const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const DIRECTORY_NAME: Tag = Tag::ContextSpecific {
    constructed: true,
    number: der::TagNumber(4),
};
/// 2050-01-01T00:00:00Z.
const YEAR_2050: u64 = 2_524_608_000;
