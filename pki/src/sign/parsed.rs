//! A CMS signature taken apart, before anything about it is believed.
//!
//! Owns: [`Parsed`], the only door to received SignedData: strict DER, exactly one signer, the
//! required signed attributes once each. What it returns is what the bytes *say*; only
//! `verify_detached` and its siblings turn that into something to act on. Fails with
//! [`ParseError`]; must not know roles or trust.

use cms::cert::IssuerAndSerialNumber;
use cms::signed_data::{SignerIdentifier, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Any, Encode};
use x509_cert::ext::pkix::SubjectKeyIdentifier;

use formats::id::Digest;
use formats::time::Timestamp;

use super::algorithm::{self, HashAlgorithm};
use super::attributes::{self, AttributeError, Said};
use super::structure::{self, NotDer, SignedDataRaw};
use crate::algorithm::SignatureAlgorithm;
use crate::cert::Certificate;

/// Why bytes are not a CMS signature that we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Signed attributes are incomplete, doubled or malformed.
    #[error(transparent)]
    Attributes(#[from] AttributeError),
    /// The digest algorithm is not on the allow-list, or the object names several.
    #[error("digest algorithm {0} is not accepted")]
    DigestAlgorithm(String),
    /// The encoding is not strict DER.
    #[error(transparent)]
    NotDer(#[from] NotDer),
    /// The signature algorithm is not on the allow-list or rests on another digest.
    #[error("signature algorithm {0} is not accepted here")]
    SignatureAlgorithm(String),
    /// None or several signers.
    #[error("{0} signers instead of one")]
    SignerCount(usize),
    /// An unsigned attribute stands twice or has several values.
    #[error("the time-stamp attribute is not single")]
    TimestampNotSingle,
    /// The signer info has no signed attributes at all.
    #[error("there are no signed attributes")]
    Unattributed,
    /// The structure version does not fit the content (RFC 5652 sections 5.1 and 5.3).
    #[error("a version number does not fit the content")]
    Version,
}

/// A certificate as CMS objects name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateNames {
    pub(crate) issuer_and_serial: IssuerAndSerialNumber,
    pub(crate) key_identifier: Option<SubjectKeyIdentifier>,
}

impl CertificateNames {
    pub(crate) fn of(certificate: &Certificate) -> Self {
        let tbs = certificate.x509().tbs_certificate();
        let issuer_and_serial = IssuerAndSerialNumber {
            issuer: tbs.issuer().clone(),
            serial_number: tbs.serial_number().clone(),
        };
        let extension = tbs.get_extension::<SubjectKeyIdentifier>();
        let key_identifier = extension.ok().flatten().map(|(_, id)| id);
        Self {
            issuer_and_serial,
            key_identifier,
        }
    }
}

/// A received CMS signature, well formed and not yet verified.
#[derive(Debug, Clone)]
pub struct Parsed {
    pub(crate) signed_data: SignedDataRaw,
    pub(crate) said: Said,
    pub(crate) hash: HashAlgorithm,
    pub(crate) algorithm: SignatureAlgorithm,
    /// The bytes under the signature: the signed attributes as a SET OF (RFC 5652 section 5.4).
    pub(crate) signed_bytes: Vec<u8>,
}

impl Parsed {
    /// Takes a DER `ContentInfo` with `SignedData` apart.
    ///
    /// # Errors
    /// [`ParseError`] as named; never panics.
    pub fn parse(cms: &[u8]) -> Result<Self, ParseError> {
        let signed_data: SignedDataRaw = structure::open_content_info(cms, SIGNED_DATA)?;
        let signer = only_signer(&signed_data)?;
        check_versions(&signed_data, signer)?;
        let hash = only_digest(&signed_data, signer)?;
        let signed = signer
            .signed_attrs
            .as_ref()
            .ok_or(ParseError::Unattributed)?;
        let said = attributes::read(signed)?;
        let signed_bytes = signed.to_der().map_err(NotDer::from)?;
        timestamp_of(signer)?;
        let algorithm = algorithm::signature_algorithm(&signer.signature_algorithm, hash)
            .ok_or_else(|| {
                ParseError::SignatureAlgorithm(signer.signature_algorithm.oid.to_string())
            })?;
        Ok(Self {
            said,
            hash,
            algorithm,
            signed_bytes,
            signed_data,
        })
    }

    /// The signature value, the bytes that a time-stamp and the commitment cover.
    #[must_use]
    pub fn signature_value(&self) -> &[u8] {
        self.signer()
            .map_or(&[], |signer| signer.signature.as_bytes())
    }

    /// The claimed signing time, in whole seconds.
    #[must_use]
    pub fn signing_time(&self) -> Option<Timestamp> {
        self.said.signing_time
    }

    /// The digest that the signature rests on.
    #[must_use]
    pub const fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    /// The content type that the signature is for.
    #[must_use]
    pub const fn content_type(&self) -> ObjectIdentifier {
        self.signed_data.encap_content_info.econtent_type
    }

    /// The attached content, `None` when the signature is detached.
    #[must_use]
    pub fn content(&self) -> Option<Vec<u8>> {
        let content = self.signed_data.encap_content_info.econtent.as_ref()?;
        Some(
            content
                .decode_as::<OctetString>()
                .ok()?
                .into_bytes()
                .into_vec(),
        )
    }

    /// The certificates that came along; nothing is believed of them. Those that do not parse are
    /// left out.
    #[must_use]
    pub fn embedded_certificates(&self) -> Vec<Certificate> {
        let embedded = self.signed_data.certificates.iter().flatten();
        embedded
            .take(EMBEDDED_MAX)
            .filter_map(|any| Certificate::parse(&any.to_der().ok()?).ok())
            .collect()
    }

    /// The embedded certificate that signed, if it came along.
    #[must_use]
    pub fn embedded_signer(&self) -> Option<Certificate> {
        self.embedded_certificates()
            .into_iter()
            .find(|candidate| self.signer_matches(candidate))
    }

    /// DER of the RFC 3161 token over the signature value, if there is one.
    #[must_use]
    pub fn timestamp_token(&self) -> Option<Vec<u8>> {
        timestamp_of(self.signer()?).ok().flatten()
    }

    /// SHA-256 of the certificate that the signer names, when it is named by SHA-256.
    #[must_use]
    pub fn signer_sha256(&self) -> Option<Digest> {
        if self.said.certificate.hash != HashAlgorithm::Sha256 {
            return None;
        }
        let bytes: [u8; 32] = self.said.certificate.digest.as_slice().try_into().ok()?;
        Some(Digest::from_bytes(bytes))
    }

    /// Whether both the signer identifier and the signed certificate hash name this certificate.
    #[must_use]
    pub fn signer_matches(&self, certificate: &Certificate) -> bool {
        let Some(signer) = self.signer() else {
            return false;
        };
        let names = CertificateNames::of(certificate);
        let identified = match &signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(pair) => *pair == names.issuer_and_serial,
            SignerIdentifier::SubjectKeyIdentifier(id) => names.key_identifier.as_ref() == Some(id),
        };
        let claimed = &self.said.certificate;
        let serial_fits = claimed
            .issuer_serial
            .as_ref()
            .is_none_or(|(issuer, serial)| {
                let pair = &names.issuer_and_serial;
                pair.issuer.to_der().as_ref() == Ok(issuer)
                    && pair.serial_number.to_der().as_ref() == Ok(serial)
            });
        identified && serial_fits && claimed.hash.digest(certificate.der()) == claimed.digest
    }

    pub(crate) fn signer(&self) -> Option<&SignerInfo> {
        self.signed_data.signer_infos.get(0)
    }
}

fn only_signer(signed_data: &SignedDataRaw) -> Result<&SignerInfo, ParseError> {
    match signed_data.signer_infos.as_slice() {
        [signer] => Ok(signer),
        others => Err(ParseError::SignerCount(others.len())),
    }
}

/// The outer list and the signer name the same digest, and nothing else.
fn only_digest(
    signed_data: &SignedDataRaw,
    signer: &SignerInfo,
) -> Result<HashAlgorithm, ParseError> {
    let refused = || ParseError::DigestAlgorithm(signer.digest_alg.oid.to_string());
    let hash = HashAlgorithm::from_identifier(&signer.digest_alg).ok_or_else(refused)?;
    match signed_data.digest_algorithms.as_slice() {
        [listed] if HashAlgorithm::from_identifier(listed) == Some(hash) => Ok(hash),
        _ => Err(refused()),
    }
}

fn check_versions(signed_data: &SignedDataRaw, signer: &SignerInfo) -> Result<(), ParseError> {
    use cms::content_info::CmsVersion::{V1, V3, V4, V5};
    let by_identifier = match signer.sid {
        SignerIdentifier::IssuerAndSerialNumber(_) => V1,
        SignerIdentifier::SubjectKeyIdentifier(_) => V3,
    };
    if signer.version != by_identifier || !matches!(signed_data.version, V1 | V3 | V4 | V5) {
        return Err(ParseError::Version);
    }
    Ok(())
}

fn timestamp_of(signer: &SignerInfo) -> Result<Option<Vec<u8>>, ParseError> {
    let Some(attributes) = &signer.unsigned_attrs else {
        return Ok(None);
    };
    let mut tokens = attributes
        .iter()
        .filter(|attribute| attribute.oid == TIME_STAMP_TOKEN);
    let Some(attribute) = tokens.next() else {
        return Ok(None);
    };
    let [token]: &[Any] = attribute.values.as_slice() else {
        return Err(ParseError::TimestampNotSingle);
    };
    if tokens.next().is_some() {
        return Err(ParseError::TimestampNotSingle);
    }
    Ok(Some(token.to_der().map_err(NotDer::from)?))
}

/// `id-signedData` of RFC 5652.
pub(crate) const SIGNED_DATA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// `id-aa-timeStampToken` of RFC 3161 appendix A (CAdES calls it signature-time-stamp).
pub(crate) const TIME_STAMP_TOKEN: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");
/// A chain has four certificates; more are not looked at, so that nobody makes us parse thousands.
const EMBEDDED_MAX: usize = 16;
