//! Witnesses: cosignatures of checkpoints made and checked (c2sp.org/tlog-cosignature, Ed25519), and how
//! well the time and place of a checkpoint are proven ([`Level`]).
//!
//! Owns the rule that only keys of the policy count, each once. Fails with [`WitnessError`]. Must not
//! know who asks a witness, or when.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use formats::checkpoint::{Checkpoint, Note, NoteSignature, SignedCheckpoint};
use formats::time::Timestamp;
use formats::witness::{
    KeyKind, VerifierKey, WitnessPolicy, cosignature, cosigned_message, read_cosignature,
};

use crate::key::LogKey;

/// Why a checkpoint does not count as witnessed, or is not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// The key is not one of a witness.
    #[error("{0} is not the key of a witness")]
    Kind(String),
    /// Times before 1970 cannot be written.
    #[error("the clock shows a time before 1970")]
    Clock,
    /// Too few of the witnesses have cosigned.
    #[error("{} of {needed} needed witnesses have cosigned", .have.len())]
    TooFew {
        /// Names of those that have.
        have: Vec<String>,
        /// How many are needed.
        needed: u8,
    },
}

/// How well a checkpoint is proven. Each level holds what those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// By its station alone.
    Signed,
    /// Its time, by a time-stamp authority.
    Stamped,
    /// That nobody was shown another log, by other operators.
    Witnessed,
}

impl Level {
    /// All, the weakest first.
    pub const ALL: [Self; 3] = [Self::Signed, Self::Stamped, Self::Witnessed];

    /// The word in views, metrics and proofs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Stamped => "stamped",
            Self::Witnessed => "witnessed",
        }
    }

    /// For people, in Vietnamese.
    #[must_use]
    pub fn vi(self) -> &'static str {
        match self {
            Self::Signed => "đã ký",
            Self::Stamped => "đã đóng dấu thời gian",
            Self::Witnessed => "đã có bên thứ ba chứng kiến",
        }
    }

    /// From what is there: witnesses alone prove no time, so a checkpoint that is not stamped stays `signed`.
    #[must_use]
    pub fn of(stamped: bool, witnessed: bool) -> Self {
        match (stamped, witnessed) {
            (false, _) => Self::Signed,
            (true, false) => Self::Stamped,
            (true, true) => Self::Witnessed,
        }
    }

    /// Of a checkpoint whose signatures and token have been verified.
    #[must_use]
    pub fn of_checkpoint(signed: &SignedCheckpoint, policy: Option<&WitnessPolicy>) -> Self {
        let by_others = || {
            let note = signed.parsed().ok()?;
            witnessed(&note, policy?).ok()
        };
        Self::of(signed.token.is_some(), by_others().is_some())
    }
}

/// A witness that has cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Its name.
    pub name: String,
    /// When, by its own clock.
    pub at: Timestamp,
}

/// The line of a witness under a checkpoint, at `at`.
///
/// # Errors
/// [`WitnessError::Clock`].
pub fn cosign(
    checkpoint: &Checkpoint,
    name: &VerifierKey,
    key: &LogKey,
    at: Timestamp,
) -> Result<NoteSignature, WitnessError> {
    if name.kind() != KeyKind::Witness || *name.key() != key.public() {
        return Err(WitnessError::Kind(name.to_string()));
    }
    let seconds = u64::try_from(at.unix_s()).map_err(|_| WitnessError::Clock)?;
    let signature = key.sign(&cosigned_message(seconds, &checkpoint.body()));
    let signature = <[u8; 64]>::try_from(signature.as_slice())
        .map_err(|_| WitnessError::Kind(name.to_string()))?;
    Ok(NoteSignature {
        name: name.name().to_owned(),
        key_id: name.id(),
        signature: cosignature(seconds, &signature),
    })
}

/// When this witness cosigned the note, by its newest line that holds; `None` if none does.
#[must_use]
pub fn cosigned_at(note: &Note, witness: &VerifierKey) -> Option<Timestamp> {
    if witness.kind() != KeyKind::Witness {
        return None;
    }
    let body = note.checkpoint.body();
    let key = UnparsedPublicKey::new(&ED25519, witness.key());
    note.signatures_by(witness.name(), witness.id())
        .filter_map(read_cosignature)
        .filter(|(seconds, signature)| {
            key.verify(&cosigned_message(*seconds, &body), *signature)
                .is_ok()
        })
        .filter_map(|(seconds, _)| i64::try_from(seconds).ok()?.checked_mul(1000))
        .max()
        .map(Timestamp::from_unix_ms)
}

/// The witnesses of the policy that have cosigned the note: at least as many as are needed.
///
/// # Errors
/// [`WitnessError::TooFew`] with the names of those that have.
pub fn witnessed(note: &Note, policy: &WitnessPolicy) -> Result<Vec<Cosigned>, WitnessError> {
    let cosigned: Vec<Cosigned> = policy
        .keys
        .iter()
        .filter_map(|key| {
            let at = cosigned_at(note, key)?;
            let name = key.name().to_owned();
            Some(Cosigned { name, at })
        })
        .collect();
    if policy.needed > 0 && cosigned.len() >= usize::from(policy.needed) {
        return Ok(cosigned);
    }
    Err(WitnessError::TooFew {
        have: cosigned.into_iter().map(|one| one.name).collect(),
        needed: policy.needed,
    })
}

/// The note with these lines, each once. Lines that a note cannot carry any more are left out.
#[must_use]
pub fn with_lines(mut note: Note, lines: Vec<NoteSignature>) -> Note {
    for line in lines {
        let all = &mut note.signatures;
        let known = |one: &NoteSignature| one.name == line.name && one.key_id == line.key_id;
        if let Some(known) = all.iter_mut().find(|one| known(one)) {
            *known = line;
        } else if all.len() < formats::limits::NOTE_SIGNATURES_MAX {
            all.push(line);
        }
    }
    note
}

#[cfg(test)]
mod tests;
