//! CMS signatures over packets, headers, checkpoints and records.
//!
//! Owns: what is signed in which form, how a signature is made, and (in its parts) how one is read
//! and believed. Every kind of content has its own eContentType and its own roles, so a signature
//! for one thing never passes for another. Signatures are CAdES-B: content-type, message-digest,
//! signing-time and signing-certificate-v2 are signed, once each, in DER. A time-stamp added later
//! makes them CAdES-B-T.
//!
//! Fails with [`SignError`], [`ParseError`] or [`VerifyError`]. Must not know the clock, queues or
//! the meaning of a document.
//!
//! The digest inside a signature is the one of the signer's key (SHA-384 for P-384), because stock
//! verifiers take one digest for content and attributes alike.

mod algorithm;
mod attributes;
mod parsed;
mod several;
mod structure;
mod transcript;
mod verify;

#[cfg(test)]
mod tests;

use std::io::Read;

use cms::content_info::CmsVersion;
use cms::signed_data::{EncapsulatedContentInfo, SignerIdentifier, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Decode};

use formats::header::{Class, Header};
use formats::id::Digest;
use formats::oid;
use formats::time::Timestamp;

use crate::cert::Certificate;
use crate::key::SigningKey;
use crate::permit::Object;
use crate::role::Role;

pub use algorithm::HashAlgorithm;
pub use attributes::AttributeError;
pub use parsed::{ParseError, Parsed};
pub use several::{join, split};
pub use structure::NotDer;
pub use transcript::{sign_transcript, verify_transcript};
pub use verify::{
    Signature, Verified, VerifyError, verify_attached, verify_detached, verify_header,
    verify_packet, verify_parsed,
};

pub(crate) use algorithm::signature_algorithm;
pub(crate) use parsed::{CertificateNames, SIGNED_DATA};
pub(crate) use structure::{Outer, check_der, open_content_info, strict, wrap_content_info};
pub(crate) use verify::check_signature;

/// Why a signature cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The signature already carries a time-stamp.
    #[error("the signature already carries a time-stamp")]
    AlreadyStamped,
    /// A value does not encode.
    #[error(transparent)]
    Encoding(#[from] NotDer),
    /// The key kind is not one that signs here.
    #[error("the signer's key kind is not accepted")]
    KeyKind,
    /// The key and the certificate do not belong together.
    #[error("the key is not the certificate's key")]
    KeyMismatch,
    /// The packet was hashed without the digest that this key signs with.
    #[error("the packet was not hashed with {0:?}, which this key signs with")]
    MissingDigest(HashAlgorithm),
    /// The existing signature is not readable.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The key refused to sign.
    #[error("the key refused to sign: {0}")]
    Refused(String),
}

impl From<der::Error> for SignError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.into())
    }
}

/// The packet begins with 0x31, the tag of a SET: a signature over it could be passed off as one
/// over somebody's signed attributes (RFC 5652 section 5.4 hashes those with exactly that tag).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet must not begin with byte 0x31")]
pub struct LooksSigned;

/// What a signature is over.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// The body of a checkpoint note.
    Checkpoint(&'a str),
    /// An envelope header.
    Header(&'a Header),
    /// A packet, hashed while it streamed.
    Packet(&'a PacketDigest),
    /// A record's JSON.
    Record(&'a [u8]),
    /// An agency's wish for new certificates ([`crate::enrol::Request::statement`]).
    Renewal(&'a [u8]),
}

impl Content<'_> {
    /// The eContentType.
    #[must_use]
    pub const fn oid(&self) -> ObjectIdentifier {
        match self {
            Self::Checkpoint(_) => oid::CT_CHECKPOINT,
            Self::Header(_) => oid::CT_HEADER,
            Self::Packet(_) => oid::CT_DATA,
            Self::Record(_) => oid::CT_RECORD,
            Self::Renewal(_) => oid::CT_RENEWAL,
        }
    }

    /// What it is in the table of who may sign what. The bytes of a record do not say yet which
    /// record it is; [`crate::record`] asks again when it knows.
    fn objects(&self) -> &'static [Object] {
        match self {
            Self::Checkpoint(_) => &[Object::Checkpoint],
            Self::Header(header) => match header.context().class {
                Class::Control => &[Object::ControlHeader],
                Class::Document => &[Object::DocumentHeader],
                Class::Receipt => &[Object::ReceiptHeader],
                Class::Status => &[Object::StatusHeader],
            },
            Self::Packet(_) => &[Object::Packet],
            Self::Record(_) => &Object::RECORDS,
            Self::Renewal(_) => &[Object::RenewalRequest],
        }
    }

    /// Whether this role may sign this content at all.
    #[must_use]
    pub fn permits(&self, role: Role) -> bool {
        self.objects().iter().any(|object| object.permits(role))
    }

    /// The content's digest, `None` for a packet that was hashed with another algorithm.
    fn digest(&self, hash: HashAlgorithm) -> Option<Vec<u8>> {
        match self {
            Self::Checkpoint(body) => Some(hash.digest(body.as_bytes())),
            Self::Header(header) => Some(hash.digest(header.bytes())),
            Self::Packet(packet) => packet.in_hash(hash).map(<[u8]>::to_vec),
            Self::Record(bytes) | Self::Renewal(bytes) => Some(hash.digest(bytes)),
        }
    }
}

/// Proof that a packet was read to its end and does not begin with 0x31.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketDigest {
    sha256: Digest,
    other: Option<(HashAlgorithm, Vec<u8>)>,
    bytes: u64,
}

impl PacketDigest {
    /// Hashes a packet in memory, with SHA-256 and what `hash` adds.
    ///
    /// # Errors
    /// [`LooksSigned`].
    pub fn of(packet: &[u8], hash: HashAlgorithm) -> Result<Self, LooksSigned> {
        let mut hasher = PacketHasher::new(hash);
        hasher.update(packet);
        hasher.finish()
    }

    /// Hashes a packet from a reader, in constant memory.
    ///
    /// # Errors
    /// The reader's errors; `InvalidData` with [`LooksSigned`] inside.
    pub fn read(mut packet: impl Read, hash: HashAlgorithm) -> std::io::Result<Self> {
        let mut hasher = PacketHasher::new(hash);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match packet.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let invalid = |error| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        hasher.finish().map_err(invalid)
    }

    /// What is known of a packet that is not here (restricted, or deleted by retention): its SHA-256, and
    /// the digest that its signature states where the signer's key goes with another hash. Who signs the
    /// header with this SHA-256 in its commitment vouches that both are of one packet.
    #[must_use]
    pub fn stated(sha256: Digest, signature: &Parsed) -> Self {
        let hash = signature.hash();
        let other =
            (hash != HashAlgorithm::Sha256).then(|| (hash, signature.said.message_digest.clone()));
        Self {
            sha256,
            other,
            bytes: 0,
        }
    }

    /// SHA-256 of the packet.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.sha256
    }

    /// Length of the packet in bytes; 0 for one that is not here.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn in_hash(&self, hash: HashAlgorithm) -> Option<&[u8]> {
        if hash == HashAlgorithm::Sha256 {
            return Some(self.sha256.as_bytes());
        }
        let (with, digest) = self.other.as_ref()?;
        (*with == hash).then_some(digest)
    }
}

/// Hashes a packet piece by piece and looks at its first byte.
#[derive(Clone)]
pub struct PacketHasher {
    sha256: aws_lc_rs::digest::Context,
    other: Option<(HashAlgorithm, aws_lc_rs::digest::Context)>,
    first: Option<u8>,
    bytes: u64,
}

impl PacketHasher {
    /// SHA-256 is always made; `hash` is the digest of the signing key ([`signing_hash`]) or of the
    /// signature to be checked ([`Parsed::hash`]).
    #[must_use]
    pub fn new(hash: HashAlgorithm) -> Self {
        let context = |hash: HashAlgorithm| aws_lc_rs::digest::Context::new(hash.implementation());
        let other = (hash != HashAlgorithm::Sha256).then(|| (hash, context(hash)));
        Self {
            sha256: context(HashAlgorithm::Sha256),
            other,
            first: None,
            bytes: 0,
        }
    }

    /// Takes the next piece, of any size.
    pub fn update(&mut self, piece: &[u8]) {
        self.first = self.first.or_else(|| piece.first().copied());
        self.sha256.update(piece);
        if let Some((_, context)) = &mut self.other {
            context.update(piece);
        }
        let piece_bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(piece_bytes);
    }

    /// Ends the packet.
    ///
    /// # Errors
    /// [`LooksSigned`].
    pub fn finish(self) -> Result<PacketDigest, LooksSigned> {
        if self.first == Some(SET_TAG) {
            return Err(LooksSigned);
        }
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.sha256.finish().as_ref());
        let other = self
            .other
            .map(|(hash, context)| (hash, context.finish().as_ref().to_vec()));
        Ok(PacketDigest {
            sha256: Digest::from_bytes(sha256),
            other,
            bytes: self.bytes,
        })
    }
}

impl core::fmt::Debug for PacketHasher {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("PacketHasher")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// The digest that a key signs with.
///
/// # Errors
/// [`SignError::KeyKind`] for a key that does not sign here.
pub fn signing_hash(key: &SigningKey) -> Result<HashAlgorithm, SignError> {
    algorithm::hash_of(key.signature_algorithm()).ok_or(SignError::KeyKind)
}

/// Which certificates travel inside a signature.
#[derive(Debug, Clone, Copy)]
pub enum Embed<'a> {
    /// The signer's and these.
    Chain(&'a [Certificate]),
    /// None: the verifier has them from records.
    None,
    /// The signer's.
    Signer,
}

/// Signs content that stays outside.
///
/// # Errors
/// [`SignError`] as named.
pub fn sign_detached(
    key: &SigningKey,
    certificate: &Certificate,
    content: Content<'_>,
    at: Timestamp,
    embed: Embed<'_>,
) -> Result<Vec<u8>, SignError> {
    let hash = signing_hash(key)?;
    let digest = content.digest(hash).ok_or(SignError::MissingDigest(hash))?;
    sign(key, certificate, content.oid(), None, &digest, at, embed)
}

/// Signs a record, with the record inside.
///
/// # Errors
/// [`SignError`] as named.
pub fn sign_attached(
    key: &SigningKey,
    certificate: &Certificate,
    record: &[u8],
    at: Timestamp,
    embed: Embed<'_>,
) -> Result<Vec<u8>, SignError> {
    sign_inside(key, certificate, oid::CT_RECORD, record, at, embed)
}

/// Signs content of any type with the content inside (records, time-stamp tokens).
pub(crate) fn sign_inside(
    key: &SigningKey,
    certificate: &Certificate,
    content_type: ObjectIdentifier,
    content: &[u8],
    at: Timestamp,
    embed: Embed<'_>,
) -> Result<Vec<u8>, SignError> {
    let digest = signing_hash(key)?.digest(content);
    sign(
        key,
        certificate,
        content_type,
        Some(content),
        &digest,
        at,
        embed,
    )
}

/// Adds an RFC 3161 token over the signature value: CAdES-B becomes CAdES-B-T. What is signed stays
/// byte for byte the same.
///
/// # Errors
/// [`SignError::AlreadyStamped`], or a signature or token that does not parse.
pub fn add_timestamp(cms: &[u8], token: &[u8]) -> Result<Vec<u8>, SignError> {
    let parsed = Parsed::parse(cms)?;
    if parsed.timestamp_token().is_some() {
        return Err(SignError::AlreadyStamped);
    }
    let token: Outer = strict(token)?;
    let attribute = attributes::attribute(parsed::TIME_STAMP_TOKEN, &token)?;
    let mut signed_data = parsed.signed_data;
    let mut signers = signed_data.signer_infos.into_vec();
    for signer in &mut signers {
        let mut unsigned = signer.unsigned_attrs.take().unwrap_or_default();
        unsigned.insert(attribute.clone())?;
        signer.unsigned_attrs = Some(unsigned);
    }
    signed_data.signer_infos = SetOfVec::try_from(signers)?;
    Ok(wrap_content_info(&signed_data, SIGNED_DATA)?)
}

fn sign(
    key: &SigningKey,
    certificate: &Certificate,
    content_type: ObjectIdentifier,
    content: Option<&[u8]>,
    digest: &[u8],
    at: Timestamp,
    embed: Embed<'_>,
) -> Result<Vec<u8>, SignError> {
    if key.spki_der() != certificate.spki_der() {
        return Err(SignError::KeyMismatch);
    }
    let hash = signing_hash(key)?;
    let signed_attrs = attributes::build(content_type, digest, at, &certificate.sha256())?;
    let signature = key
        .sign(&der::Encode::to_der(&signed_attrs)?)
        .map_err(|error| SignError::Refused(error.to_string()))?;
    let names = CertificateNames::of(certificate);
    let signer = SignerInfo {
        version: CmsVersion::V1,
        // Issuer and serial, not the key identifier: the time-stamp readers in use know only this
        // form.
        sid: SignerIdentifier::IssuerAndSerialNumber(names.issuer_and_serial),
        digest_alg: hash.identifier(),
        signed_attrs: Some(signed_attrs),
        signature_algorithm: key.signature_algorithm().identifier()?,
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let econtent = content
        .map(|bytes| Any::new(der::Tag::OctetString, bytes))
        .transpose()?;
    let signed_data = structure::SignedDataRaw {
        // RFC 5652 section 5.1: 3 for content other than id-data.
        version: if content_type == oid::CT_DATA {
            CmsVersion::V1
        } else {
            CmsVersion::V3
        },
        digest_algorithms: SetOfVec::try_from(vec![hash.identifier()])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: content_type,
            econtent,
        },
        certificates: embedded(certificate, embed)?,
        crls: None,
        signer_infos: SetOfVec::try_from(vec![signer])?,
    };
    Ok(wrap_content_info(&signed_data, SIGNED_DATA)?)
}

fn embedded(signer: &Certificate, embed: Embed<'_>) -> Result<Option<Vec<Any>>, der::Error> {
    let others: &[Certificate] = match embed {
        Embed::None => return Ok(None),
        Embed::Signer => &[],
        Embed::Chain(others) => others,
    };
    let mut all = vec![Any::from_der(signer.der())?];
    for other in others
        .iter()
        .filter(|other| other.sha256() != signer.sha256())
    {
        all.push(Any::from_der(other.der())?);
    }
    // What we write is sorted, as DER asks of a SET OF.
    Ok(Some(SetOfVec::try_from(all)?.into_vec()))
}

/// The tag of a SET, as in signed attributes.
const SET_TAG: u8 = 0x31;
/// One read of a packet while it is hashed.
const READ_BYTES: usize = 64 * 1024;
