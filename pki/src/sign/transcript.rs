//! The signature over the transcript of a key ceremony, by the root key that the ceremony made.
//!
//! Owns: the one thing that a root signs beside certificates and lists. It stands apart from
//! [`super::Content`] because a root is believed by being compared, not by a path, and so there is
//! no verified certificate to bring. Fails with [`SignError`] and [`VerifyError`]. Must not know:
//! what a transcript says.

use formats::oid;
use formats::time::Timestamp;

use super::{Embed, Parsed, SignError, VerifyError, algorithm, sign, signing_hash};
use crate::cert::Certificate;
use crate::key::SigningKey;
use crate::role::Role;

/// Signs a transcript, which stays outside; the root's certificate goes inside.
///
/// # Errors
/// [`SignError`] as named.
pub fn sign_transcript(
    key: &SigningKey,
    root: &Certificate,
    transcript: &[u8],
    at: Timestamp,
) -> Result<Vec<u8>, SignError> {
    let digest = signing_hash(key)?.digest(transcript);
    sign(
        key,
        root,
        oid::CT_TRANSCRIPT,
        None,
        &digest,
        at,
        Embed::Signer,
    )
}

/// Verifies the signature of this root over this transcript and says when it claims to be made.
/// Whether the root is the right one is the caller's to judge, by its fingerprint.
///
/// # Errors
/// [`VerifyError`] for the first check that does not hold.
pub fn verify_transcript(
    cms: &[u8],
    transcript: &[u8],
    root: &Certificate,
) -> Result<Timestamp, VerifyError> {
    let parsed = Parsed::parse(cms)?;
    if parsed.signed_data.encap_content_info.econtent.is_some() {
        return Err(VerifyError::Attachment("attached, not detached"));
    }
    match root.role() {
        Ok(Role::Root) => {}
        Ok(other) => return Err(VerifyError::Role(other)),
        Err(_) => return Err(VerifyError::Signer),
    }
    let time = parsed.signing_time().ok_or(VerifyError::SigningTime)?;
    if !algorithm::signs_content(parsed.algorithm) {
        return Err(VerifyError::Algorithm);
    }
    if parsed.content_type() != oid::CT_TRANSCRIPT || parsed.said.content_type != oid::CT_TRANSCRIPT
    {
        return Err(VerifyError::ContentType(parsed.content_type().to_string()));
    }
    if parsed.said.message_digest != parsed.hash.digest(transcript) {
        return Err(VerifyError::ContentDigest);
    }
    // What travels along is not under the signature; it is this root and nothing else.
    if !parsed.signer_matches(root) || parsed.embedded_certificates() != [root.clone()] {
        return Err(VerifyError::Signer);
    }
    let key = root.public_key().map_err(|_| VerifyError::Signer)?;
    key.verify(
        parsed.algorithm,
        &parsed.signed_bytes,
        parsed.signature_value(),
    )
    .map_err(|_| VerifyError::Signature)?;
    Ok(time)
}
