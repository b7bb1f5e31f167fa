//! CMS signatures of foreign signers, as they occur in PDF.
//!
//! Owns: reading them, and whether the signature value is the embedded certificate's. The policy is
//! another one than for our own objects (`crate::sign`): RSA PKCS#1 v1.5, unsorted attributes and
//! the older signing-certificate attribute are accepted, because what arrives was made elsewhere;
//! nothing here makes anybody believed on this network. Fails with a [`Reason`]. Must not know PDF
//! or trust.

use aws_lc_rs::digest;
use der::Encode;
use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;

use formats::time::Timestamp;

use super::certificate_id::CertificateId;
use super::limits;
use super::report::Reason;
use super::tlv::{self, Tlv, identifier, identifier_content, oid, time};
use crate::algorithm::{AlgorithmError, SignatureAlgorithm};
use crate::cert::Certificate;
use crate::sign::{CertificateNames, HashAlgorithm};

/// A signature taken apart.
#[derive(Debug)]
pub(super) struct Cms<'b> {
    pub(super) content_type: ObjectIdentifier,
    /// The attached content.
    pub(super) content: Option<&'b [u8]>,
    pub(super) certificates: Vec<Certificate>,
    /// Revocation lists and OCSP answers that came along.
    pub(super) lists: Vec<Vec<u8>>,
    pub(super) answers: Vec<Vec<u8>>,
    pub(super) digest: DigestKind,
    algorithm: AlgorithmIdentifierOwned,
    digest_identifier: AlgorithmIdentifierOwned,
    signer: Tlv<'b>,
    attributes: Option<Attributes<'b>>,
    pub(super) value: &'b [u8],
    /// RFC 3161 token over the value.
    pub(super) token: Option<&'b [u8]>,
}

/// A digest algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DigestKind {
    Good(HashAlgorithm),
    /// SHA-1: computed to show that something is broken, never to believe.
    Sha1,
    Other(ObjectIdentifier),
}

impl DigestKind {
    pub(super) fn of(identifier: &AlgorithmIdentifierOwned) -> Self {
        match HashAlgorithm::from_identifier(identifier) {
            Some(hash) => Self::Good(hash),
            None if identifier.oid == SHA1 => Self::Sha1,
            None => Self::Other(identifier.oid),
        }
    }

    /// How it is computed, if it can be.
    pub(super) fn implementation(&self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::Good(hash) => Some(hash.implementation()),
            Self::Sha1 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Other(_) => None,
        }
    }

    /// As people write it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Good(HashAlgorithm::Sha256) => "SHA-256".to_owned(),
            Self::Good(HashAlgorithm::Sha384) => "SHA-384".to_owned(),
            Self::Good(HashAlgorithm::Sha512) => "SHA-512".to_owned(),
            Self::Sha1 => "SHA-1".to_owned(),
            Self::Other(oid) if *oid == MD5 => "MD5".to_owned(),
            Self::Other(oid) => oid.to_string(),
        }
    }

    fn is_weak(&self) -> bool {
        matches!(self, Self::Sha1) || *self == Self::Other(MD5)
    }
}

#[derive(Debug)]
struct Attributes<'b> {
    /// As they stand, with their context tag.
    whole: &'b [u8],
    content_type: ObjectIdentifier,
    message_digest: &'b [u8],
    signing_time: Option<Timestamp>,
    certificate: Option<CertificateId<'b>>,
    protection: Option<(AlgorithmIdentifierOwned, AlgorithmIdentifierOwned)>,
}

impl<'b> Cms<'b> {
    /// Reads a `ContentInfo` with `SignedData`; zero padding may follow.
    pub(super) fn parse(bytes: &'b [u8]) -> Result<Self, Reason> {
        let (outer, rest) = Tlv::first(bytes).ok_or(Reason::Unreadable)?;
        if rest.iter().any(|byte| *byte != 0) {
            return Err(Reason::Unreadable);
        }
        Self::read(outer).ok_or(Reason::Unreadable)?
    }

    fn read(outer: Tlv<'b>) -> Option<Result<Self, Reason>> {
        let [kind, content] = outer.tagged(tlv::SEQUENCE)?.children(2)?.try_into().ok()?;
        if oid(kind)? != crate::sign::SIGNED_DATA || content.tag != 0xa0 {
            return None;
        }
        let (signed_data, rest) = Tlv::first(content.content)?;
        if !rest.is_empty() {
            return None;
        }
        let mut parts = signed_data.tagged(tlv::SEQUENCE)?.children(6)?.into_iter();
        let _version = parts.next()?.tagged(tlv::INTEGER)?;
        let _digests = parts.next()?.tagged(tlv::SET)?;
        let inner = parts.next()?.tagged(tlv::SEQUENCE)?.children(2)?;
        let content_type = oid(*inner.first()?)?;
        let attached = match inner.get(1) {
            Some(wrapped) => Some(
                Tlv::first(wrapped.content)?
                    .0
                    .tagged(tlv::OCTET_STRING)?
                    .content,
            ),
            None => None,
        };
        let mut certificates = Vec::new();
        let mut lists = Vec::new();
        let mut signers = None;
        for part in parts {
            match part.tag {
                0xa0 => {
                    let all = part.children(limits::CERTIFICATES_MAX)?;
                    let parsed = all.iter().map(|one| Certificate::parse(one.whole));
                    certificates.extend(parsed.flatten());
                }
                0xa1 => {
                    let all = part.children(limits::REVOCATIONS_MAX)?;
                    lists.extend(all.iter().map(|one| one.whole.to_vec()));
                }
                tlv::SET => signers = Some(part),
                _ => return None,
            }
        }
        let signers = signers?.children(8)?;
        let [signer] = signers.as_slice() else {
            // Which of several signers speaks is nobody's guess (and PDF allows one).
            return Some(Err(Reason::Kind));
        };
        let base = Self {
            content_type,
            content: attached,
            certificates,
            lists,
            answers: Vec::new(),
            digest: DigestKind::Other(MD5),
            algorithm: identifier(*signers.first()?).unwrap_or(NO_ALGORITHM),
            digest_identifier: NO_ALGORITHM,
            signer: *signer,
            attributes: None,
            value: &[],
            token: None,
        };
        base.with_signer(*signer)
    }

    /// `SignerInfo` of RFC 5652 section 5.3.
    fn with_signer(mut self, info: Tlv<'b>) -> Option<Result<Self, Reason>> {
        let mut parts = info.tagged(tlv::SEQUENCE)?.children(7)?.into_iter();
        let _version = parts.next()?.tagged(tlv::INTEGER)?;
        self.signer = parts.next()?;
        self.digest_identifier = identifier(parts.next()?)?;
        self.digest = DigestKind::of(&self.digest_identifier);
        let mut next = parts.next()?;
        if next.tag == 0xa0 {
            match self.read_attributes(next) {
                Ok(attributes) => self.attributes = Some(attributes),
                Err(reason) => return Some(Err(reason)),
            }
            next = parts.next()?;
        }
        self.algorithm = identifier(next)?;
        self.value = parts.next()?.tagged(tlv::OCTET_STRING)?.content;
        if let Some(unsigned) = parts.next() {
            for attribute in unsigned.tagged(0xa1)?.children(ATTRIBUTES_MAX)? {
                let [kind, values] = attribute.children(2)?.try_into().ok()?;
                if oid(kind)? == TIME_STAMP_TOKEN && self.token.is_none() {
                    self.token = Some(values.children(1)?.first()?.whole);
                }
            }
        }
        Some(Ok(self))
    }

    fn read_attributes(&mut self, set: Tlv<'b>) -> Result<Attributes<'b>, Reason> {
        self.attributes_of(set).ok_or(Reason::Attributes)
    }

    fn attributes_of(&mut self, set: Tlv<'b>) -> Option<Attributes<'b>> {
        let mut seen: Vec<ObjectIdentifier> = Vec::new();
        let (mut content_type, mut message_digest) = (None, None);
        let (mut signing_time, mut certificate, mut protection) = (None, None, None);
        for attribute in set.children(ATTRIBUTES_MAX)? {
            let [kind, values] = attribute.children(2)?.try_into().ok()?;
            let kind = oid(kind)?;
            if seen.contains(&kind) {
                return None;
            }
            seen.push(kind);
            let single = || {
                let [value] = values.children(1)?.try_into().ok()?;
                Some::<Tlv<'b>>(value)
            };
            match kind {
                CONTENT_TYPE => content_type = Some(oid(single()?)?),
                MESSAGE_DIGEST => {
                    message_digest = Some(single()?.tagged(tlv::OCTET_STRING)?.content);
                }
                SIGNING_TIME => signing_time = Some(time(single()?)?),
                SIGNING_CERTIFICATE => certificate = Some(CertificateId::read(single()?, false)?),
                SIGNING_CERTIFICATE_V2 => certificate = Some(CertificateId::read(single()?, true)?),
                ALGORITHM_PROTECTION => {
                    let parts = single()?.children(3)?;
                    let signature = parts.iter().find(|part| part.tag == 0xa1)?;
                    protection = Some((
                        identifier(*parts.first()?)?,
                        identifier_content(signature.content)?,
                    ));
                }
                REVOCATION_ARCHIVAL => self.archived(values),
                _ => {}
            }
        }
        Some(Attributes {
            whole: set.whole,
            content_type: content_type?,
            message_digest: message_digest?,
            signing_time,
            certificate,
            protection,
        })
    }

    /// `adbe-revocationInfoArchival`: what does not read is as good as absent.
    fn archived(&mut self, values: Tlv<'b>) {
        let Some((archive, _)) = Tlv::first(values.content) else {
            return;
        };
        for part in archive.children(3).unwrap_or_default() {
            let Some((list, _)) = Tlv::first(part.content) else {
                continue;
            };
            let all = list.children(limits::REVOCATIONS_MAX).unwrap_or_default();
            let wholes = all.iter().map(|one| one.whole.to_vec());
            match part.tag {
                0xa0 => self.lists.extend(wholes),
                0xa1 => self.answers.extend(wholes),
                _ => {}
            }
        }
    }

    /// The time that the signer claims.
    pub(super) fn signing_time(&self) -> Option<Timestamp> {
        self.attributes.as_ref()?.signing_time
    }

    /// The digest that the signer says the content has; none without attributes.
    pub(super) fn message_digest(&self) -> Option<&'b [u8]> {
        self.attributes
            .as_ref()
            .map(|attributes| attributes.message_digest)
    }

    /// The embedded certificate that the signer names.
    pub(super) fn signer_certificate(&self) -> Result<Certificate, Reason> {
        let candidates = self.certificates.iter().filter(|one| self.names(one));
        let mut found = None;
        for candidate in candidates {
            if self.binds(candidate) {
                return Ok(candidate.clone());
            }
            found = Some(Reason::CertificateMismatch);
        }
        Err(found.unwrap_or(Reason::CertificateMissing))
    }

    fn names(&self, certificate: &Certificate) -> bool {
        let names = CertificateNames::of(certificate);
        if self.signer.tag == 0x80 {
            return names
                .key_identifier
                .is_some_and(|id| id.0.as_bytes() == self.signer.content);
        }
        let pair = names.issuer_and_serial;
        self.signer.children(2).is_some_and(|parts| {
            matches!(parts.as_slice(), [issuer, serial]
                if pair.issuer.to_der().as_deref() == Ok(issuer.whole)
                    && pair.serial_number.to_der().as_deref() == Ok(serial.whole))
        })
    }

    /// Whether the signed attribute names this certificate (RFC 5035); there may be none.
    fn binds(&self, certificate: &Certificate) -> bool {
        let attributes = self.attributes.as_ref();
        attributes
            .and_then(|attributes| attributes.certificate.as_ref())
            .is_none_or(|id| id.names(certificate))
    }

    /// Whether the value is the signature of this certificate over content of this digest. Digest
    /// first: a wrong one is told as such.
    pub(super) fn verify(
        &self,
        certificate: &Certificate,
        content: &digest::Digest,
    ) -> Result<(), Reason> {
        if let Some(attributes) = &self.attributes {
            if attributes.message_digest != content.as_ref() {
                return Err(Reason::Digest);
            }
            if attributes.content_type != self.content_type {
                return Err(Reason::Attributes);
            }
            let fits = attributes
                .protection
                .as_ref()
                .is_none_or(|(digest, signature)| {
                    digest.oid == self.digest_identifier.oid && signature.oid == self.algorithm.oid
                });
            if !fits {
                return Err(Reason::AlgorithmMismatch);
            }
        }
        let algorithm = self.signature_algorithm()?;
        let key = certificate
            .public_key()
            .map_err(|_| key_reason(certificate))?;
        let outcome = match &self.attributes {
            Some(attributes) => {
                // RFC 5652 section 5.4: with the tag of a SET instead of the context tag.
                let mut message = attributes.whole.to_vec();
                if let Some(tag) = message.first_mut() {
                    *tag = tlv::SET;
                }
                key.verify(algorithm, &message, self.value)
            }
            None => key.verify_digest(algorithm, content, self.value),
        };
        outcome.map_err(|error| match error {
            AlgorithmError::KeyMismatch { .. } => Reason::AlgorithmMismatch,
            AlgorithmError::BadSignature
            | AlgorithmError::KeyRefused(_)
            | AlgorithmError::Unknown(_) => Reason::SignatureValue,
        })
    }

    /// What is the matter with an algorithm that cannot be computed.
    pub(super) fn algorithm_reason(&self) -> Reason {
        self.signature_algorithm()
            .err()
            .unwrap_or(Reason::AlgorithmUnsupported)
    }

    /// Whether there are signed attributes.
    pub(super) const fn has_attributes(&self) -> bool {
        self.attributes.is_some()
    }

    fn signature_algorithm(&self) -> Result<SignatureAlgorithm, Reason> {
        let oid = self.algorithm.oid;
        if self.digest.is_weak() || WEAK_SIGNATURES.contains(&oid) {
            return Err(Reason::AlgorithmWeak);
        }
        // RFC 8419 section 2.3: Ed25519 goes with SHA-512, Ed448 with SHAKE256.
        if oid == ED25519 {
            return if self.digest == DigestKind::Good(HashAlgorithm::Sha512) {
                Ok(SignatureAlgorithm::Ed25519)
            } else {
                Err(Reason::AlgorithmMismatch)
            };
        }
        if oid == ED448 {
            let shake = matches!(self.digest, DigestKind::Other(oid) if oid == SHAKE256 || oid == SHAKE256_LENGTH);
            return Err(if shake {
                Reason::AlgorithmUnsupported
            } else {
                Reason::AlgorithmMismatch
            });
        }
        let DigestKind::Good(hash) = self.digest else {
            return Err(Reason::AlgorithmUnsupported);
        };
        if let Some(algorithm) = crate::sign::signature_algorithm(&self.algorithm, hash) {
            return Ok(algorithm);
        }
        // Known by itself, so it is the digest beside it that differs.
        Err(
            if SignatureAlgorithm::from_identifier(&self.algorithm).is_ok() {
                Reason::AlgorithmMismatch
            } else {
                Reason::AlgorithmUnsupported
            },
        )
    }
}

/// A key that is not on the list: short RSA is weak, everything else only unknown to us.
fn key_reason(certificate: &Certificate) -> Reason {
    let spki = certificate
        .x509()
        .tbs_certificate()
        .subject_public_key_info();
    if spki.algorithm.oid == RSA && spki.subject_public_key.raw_bytes().len() < RSA_2048_BYTES {
        Reason::AlgorithmWeak
    } else {
        Reason::AlgorithmUnsupported
    }
}

const NO_ALGORITHM: AlgorithmIdentifierOwned = AlgorithmIdentifierOwned {
    oid: MD5,
    parameters: None,
};
const ALGORITHM_PROTECTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.52");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ED448: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.113");
const MD5: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.5");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// Adobe's attribute with revocation lists and answers.
const REVOCATION_ARCHIVAL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113583.1.1.8");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHAKE256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.12");
const SHAKE256_LENGTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.18");
const SIGNING_CERTIFICATE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const TIME_STAMP_TOKEN: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");
/// MD5, SHA-1 with RSA, SHA-1 with ECDSA, SHA-1 with DSA.
const WEAK_SIGNATURES: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
    ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"),
];
/// Signers write about eight attributes.
const ATTRIBUTES_MAX: usize = 64;
/// A modulus of 2048 bits with its exponent.
const RSA_2048_BYTES: usize = 265;
