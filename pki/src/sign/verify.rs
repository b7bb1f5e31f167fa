//! Believing a CMS signature: every check in one order, in one place.
//!
//! Owns: [`Verified`] and everything that mints it. A caller brings a [`VerifiedCert`], which only
//! the chain validator makes, so neither a skipped chain check nor a skipped signature check
//! compiles. Fails with [`VerifyError`]; must not know queues, stores or time sources.

use formats::header::{Class, Header};
use formats::id::{Digest, Party};
use formats::time::Timestamp;

use super::algorithm;
use super::parsed::{ParseError, Parsed};
use super::{Content, PacketDigest};
use crate::chain::VerifiedCert;
use crate::role::Role;

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature algorithm is one for foreign time-stamps only.
    #[error("the signature algorithm is not accepted for this content")]
    Algorithm,
    /// Content is attached where it must be detached, or the other way round.
    #[error("the content is {0}")]
    Attachment(&'static str),
    /// The header's commitment opens to another packet or signature.
    #[error("the commitment in the header is for other content")]
    Commitment,
    /// The content digest is another one.
    #[error("the signature is for other content")]
    ContentDigest,
    /// The signature is for another kind of content.
    #[error("the signature is for content type {0}")]
    ContentType(String),
    /// The header's class carries no packet, or its inner and outer signers differ.
    #[error("the packet's signer is not the header's signer")]
    InnerSigner,
    /// Not a CMS signature that we read.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The signer's role may not sign this.
    #[error("role {0:?} may not sign this")]
    Role(Role),
    /// The header says another sender than the certificate.
    #[error("the header names another sender or signer than the certificate")]
    SenderMismatch,
    /// The signature value is wrong.
    #[error("the signature value is wrong")]
    Signature,
    /// The signature names another certificate.
    #[error("the signature names another certificate")]
    Signer,
    /// The required signing time is absent.
    #[error("signed attribute signing-time is missing")]
    SigningTime,
}

/// What a verified signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    value: Vec<u8>,
    signing_time: Option<Timestamp>,
    signer: Digest,
    party: Party,
    role: Role,
    timestamp_token: Option<Vec<u8>>,
}

impl Signature {
    /// The signature value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// SHA-256 of the signature value: what time-stamps cover.
    #[must_use]
    pub fn imprint(&self) -> Digest {
        Digest::of(&self.value)
    }

    /// The signer's own word for when it signed; proves nothing.
    #[must_use]
    pub const fn signing_time(&self) -> Option<Timestamp> {
        self.signing_time
    }

    /// SHA-256 of the signer's certificate.
    #[must_use]
    pub const fn signer(&self) -> Digest {
        self.signer
    }

    /// Who signed, from the certificate.
    #[must_use]
    pub const fn party(&self) -> &Party {
        &self.party
    }

    /// The role in which it signed.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The RFC 3161 token over the value, not verified here.
    #[must_use]
    pub fn timestamp_token(&self) -> Option<&[u8]> {
        self.timestamp_token.as_deref()
    }
}

/// Something whose signature was verified. Only this module makes one.
#[derive(Debug, Clone)]
pub struct Verified<T> {
    value: T,
    signature: Signature,
}

impl<T> Verified<T> {
    pub(super) const fn mint(value: T, signature: Signature) -> Self {
        Self { value, signature }
    }

    /// What was signed.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The signature that was verified.
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Takes the proof apart.
    pub fn into_parts(self) -> (T, Signature) {
        (self.value, self.signature)
    }
}

/// Verifies a detached signature over content that the caller holds.
///
/// # Errors
/// [`VerifyError`] for the first check that does not hold.
pub fn verify_detached(
    cms: &[u8],
    content: Content<'_>,
    signer: &VerifiedCert,
) -> Result<Signature, VerifyError> {
    verify_parsed(&Parsed::parse(cms)?, content, signer)
}

/// As [`verify_detached`], for a signature that is already taken apart.
///
/// # Errors
/// [`VerifyError`] for the first check that does not hold.
pub fn verify_parsed(
    parsed: &Parsed,
    content: Content<'_>,
    signer: &VerifiedCert,
) -> Result<Signature, VerifyError> {
    if parsed.signed_data.encap_content_info.econtent.is_some() {
        return Err(VerifyError::Attachment("attached, not detached"));
    }
    check_role(content, signer)?;
    check(parsed, content, signer)
}

/// Verifies a signature with its content inside and returns that content, which is a record.
///
/// The role is only checked to be one that signs records at all; which record it may say is
/// `record::verify`'s to decide.
///
/// # Errors
/// [`VerifyError`] for the first check that does not hold.
pub fn verify_attached(
    cms: &[u8],
    signer: &VerifiedCert,
) -> Result<Verified<Vec<u8>>, VerifyError> {
    let parsed = Parsed::parse(cms)?;
    let content = parsed
        .content()
        .ok_or(VerifyError::Attachment("detached, not attached"))?;
    check_role(Content::Record(&content), signer)?;
    let signature = check(&parsed, Content::Record(&content), signer)?;
    Ok(Verified::mint(content, signature))
}

/// Verifies a header's signature and that the header names its signer: certificate hash and sender.
///
/// # Errors
/// [`VerifyError`] for the first check that does not hold.
pub fn verify_header(
    header: Header,
    cms: &[u8],
    signer: &VerifiedCert,
) -> Result<Verified<Header>, VerifyError> {
    let context = header.context();
    if context.signer != signer.certificate().sha256() || signer.party() != Some(&context.sender) {
        return Err(VerifyError::SenderMismatch);
    }
    let signature = verify_detached(cms, Content::Header(&header), signer)?;
    Ok(Verified::mint(header, signature))
}

/// Ties an opened packet to its header: one agency signed both, and the header's commitment opens
/// to exactly this packet and this signature.
///
/// # Errors
/// [`VerifyError`] for the first check that does not hold.
pub fn verify_packet(
    header: &Verified<Header>,
    packet: PacketDigest,
    packet_signature: &[u8],
    salt: &[u8; 32],
    signer: &VerifiedCert,
) -> Result<Verified<PacketDigest>, VerifyError> {
    let context = header.value().context();
    let same_agency = signer.party() == Some(&context.sender);
    if !matches!(context.class, Class::Document | Class::Status) || !same_agency {
        return Err(VerifyError::InnerSigner);
    }
    let parsed = Parsed::parse(packet_signature)?;
    let opened = formats::header::commitment(salt, &packet.digest(), parsed.signature_value());
    if context.commitment != Some(opened) {
        return Err(VerifyError::Commitment);
    }
    let signature = verify_parsed(&parsed, Content::Packet(&packet), signer)?;
    Ok(Verified::mint(packet, signature))
}

fn check_role(content: Content<'_>, signer: &VerifiedCert) -> Result<(), VerifyError> {
    if content.permits(signer.role()) {
        Ok(())
    } else {
        Err(VerifyError::Role(signer.role()))
    }
}

fn check(
    parsed: &Parsed,
    content: Content<'_>,
    signer: &VerifiedCert,
) -> Result<Signature, VerifyError> {
    if parsed.said.signing_time.is_none() {
        return Err(VerifyError::SigningTime);
    }
    if !algorithm::signs_content(parsed.algorithm) {
        return Err(VerifyError::Algorithm);
    }
    let digest = content
        .digest(parsed.hash)
        .ok_or(VerifyError::ContentDigest)?;
    check_signature(parsed, content.oid(), &digest, signer)
}

/// The checks that do not depend on what the content means; time-stamp tokens use them too.
pub(crate) fn check_signature(
    parsed: &Parsed,
    content_type: der::asn1::ObjectIdentifier,
    content_digest: &[u8],
    signer: &VerifiedCert,
) -> Result<Signature, VerifyError> {
    if parsed.content_type() != content_type || parsed.said.content_type != content_type {
        return Err(VerifyError::ContentType(parsed.content_type().to_string()));
    }
    if parsed.said.message_digest != content_digest {
        return Err(VerifyError::ContentDigest);
    }
    let certificate = signer.certificate();
    if !parsed.signer_matches(certificate) {
        return Err(VerifyError::Signer);
    }
    signer
        .verify_signature_with(
            parsed.algorithm,
            &parsed.signed_bytes,
            parsed.signature_value(),
        )
        .map_err(|_| VerifyError::Signature)?;
    Ok(Signature {
        value: parsed.signature_value().to_vec(),
        signing_time: parsed.said.signing_time,
        signer: certificate.sha256(),
        party: signer.party().cloned().ok_or(VerifyError::Signer)?,
        role: signer.role(),
        timestamp_token: parsed.timestamp_token(),
    })
}
