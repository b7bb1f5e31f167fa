//! Signing and verifying checkpoints: the C2SP note line and the CMS signature over the same body.
//!
//! Owns: the rule that both signatures are there and that origin, note key and evidence certificate
//! belong to one station. The note line serves transparency-log tools; the CMS signature serves
//! whoever has only `openssl`. Fails with [`NoteError`]. Must not know trees, proofs or storage.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use formats::checkpoint::{
    Checkpoint, CheckpointError, Note, NoteSignature, SignedCheckpoint, ed25519_key_id,
};
use formats::id::{Digest, Party};
use formats::record::Station;
use formats::time::Timestamp;

use crate::cert::Certificate;
use crate::chain::{Validator, VerifiedCert};
use crate::key::{LogKey, SigningKey};
use crate::sign::{self, Content, Embed, ParseError, Parsed, SignError, VerifyError};
use crate::stamp::{self, StampError, TimeStamp};

#[cfg(test)]
mod tests;

/// Why a checkpoint is not believed, or cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// The CMS signature does not hold.
    #[error(transparent)]
    Cms(#[from] VerifyError),
    /// The note is not a checkpoint note.
    #[error(transparent)]
    Malformed(#[from] CheckpointError),
    /// The note has no signature line of the log's key.
    #[error("the note has no signature of the log's key")]
    NoLine,
    /// The log's origin is another station's.
    #[error("log {origin} is not the log of {signer}")]
    Origin {
        /// The checkpoint's origin.
        origin: String,
        /// The signer's subject.
        signer: String,
    },
    /// The CMS signature is unreadable.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The checkpoint cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The Ed25519 signature of the log's key is wrong.
    #[error("the note's signature is wrong")]
    Signature,
    /// The token does not hold.
    #[error(transparent)]
    Stamp(#[from] StampError),
}

/// Signs a checkpoint with the log key and the evidence key. The token is added later.
///
/// # Errors
/// [`NoteError::Sign`].
pub fn sign_checkpoint(
    checkpoint: &Checkpoint,
    log_key: &LogKey,
    evidence_key: &SigningKey,
    evidence: &Certificate,
    at: Timestamp,
) -> Result<SignedCheckpoint, NoteError> {
    let body = checkpoint.body();
    let name = checkpoint.origin.to_string();
    let key_id = ed25519_key_id(&name, &log_key.public());
    let line = NoteSignature {
        name,
        key_id,
        signature: log_key.sign(body.as_bytes()),
    };
    let note = Note {
        checkpoint: checkpoint.clone(),
        signatures: vec![line],
    };
    let content = Content::Checkpoint(&body);
    let cms = sign::sign_detached(evidence_key, evidence, content, at, Embed::None)?;
    Ok(SignedCheckpoint {
        note: note.to_text(),
        cms,
        token: None,
    })
}

/// Verifies both signatures of a checkpoint, and that its log is the signer's.
///
/// # Errors
/// [`NoteError`] for the first check that does not hold.
pub fn verify_checkpoint(
    signed: &SignedCheckpoint,
    note_key: &[u8; 32],
    evidence: &VerifiedCert,
) -> Result<Checkpoint, NoteError> {
    let note = signed.parsed()?;
    let origin = &note.checkpoint.origin;
    // Without this check a station could sign statements into a log that carries another's name.
    if evidence.party().and_then(Party::station) != Some(origin.station()) {
        let signer = evidence.certificate().subject();
        return Err(NoteError::Origin {
            origin: origin.to_string(),
            signer,
        });
    }
    let body = note.checkpoint.body();
    let name = origin.to_string();
    let key_id = ed25519_key_id(&name, note_key);
    let lines: Vec<&[u8]> = note.signatures_by(&name, key_id).collect();
    if lines.is_empty() {
        return Err(NoteError::NoLine);
    }
    // The format allows several lines of one key; one good one is enough.
    let key = UnparsedPublicKey::new(&ED25519, note_key);
    if !lines
        .iter()
        .any(|signature| key.verify(body.as_bytes(), signature).is_ok())
    {
        return Err(NoteError::Signature);
    }
    sign::verify_detached(&signed.cms, Content::Checkpoint(&body), evidence)?;
    Ok(note.checkpoint)
}

/// [`verify_checkpoint`] by the keys that the station's record names: the one that signs notes now, or one
/// that did before.
///
/// # Errors
/// [`NoteError`] of the key in use, when none of them holds.
pub fn verify_by_record(
    signed: &SignedCheckpoint,
    station: &Station,
    evidence: &VerifiedCert,
) -> Result<Checkpoint, NoteError> {
    let origin = signed.parsed()?.checkpoint.origin;
    let mut keys = station.note_keys();
    let first = keys.next().unwrap_or(&station.note_key);
    match verify_checkpoint(signed, first.as_bytes(), evidence) {
        // Only an unknown key is worth another one: a wrong signature stays wrong.
        Err(NoteError::NoLine) if *origin.station() == station.name => {}
        judged => return judged,
    }
    for key in keys {
        match verify_checkpoint(signed, key.as_bytes(), evidence) {
            Err(NoteError::NoLine) => {}
            judged => return judged,
        }
    }
    Err(NoteError::NoLine)
}

/// Whether the note has a line of the log's key that holds: the note's own log, by its origin. Says nothing
/// of the CMS signature.
#[must_use]
pub fn is_signed_by(note: &Note, note_key: &[u8; 32]) -> bool {
    let name = note.checkpoint.origin.to_string();
    let (key_id, body) = (ed25519_key_id(&name, note_key), note.checkpoint.body());
    let key = UnparsedPublicKey::new(&ED25519, note_key);
    note.signatures_by(&name, key_id)
        .any(|signature| key.verify(body.as_bytes(), signature).is_ok())
}

/// What a time-stamp of this checkpoint must cover: the CMS signature value.
///
/// # Errors
/// [`NoteError::Parse`].
pub fn checkpoint_imprint(signed: &SignedCheckpoint) -> Result<Digest, NoteError> {
    Ok(Digest::of(Parsed::parse(&signed.cms)?.signature_value()))
}

/// Verifies the token of a checkpoint; `None` when it has none yet.
///
/// # Errors
/// [`NoteError::Stamp`].
pub fn verify_stamp(
    signed: &SignedCheckpoint,
    validator: &Validator,
    now: Timestamp,
) -> Result<Option<TimeStamp>, NoteError> {
    let Some(token) = &signed.token else {
        return Ok(None);
    };
    let imprint = checkpoint_imprint(signed)?;
    Ok(Some(stamp::verify_token(token, &imprint, validator, now)?))
}
