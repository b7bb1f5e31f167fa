//! Testimony: whether a bundle of statements is what a neighbour's log really says. Both signatures
//! of the checkpoint (log key and evidence certificate, as the station's record names them) and
//! every inclusion path are verified; what the statements are about is the caller's to compare.
//!
//! One checkpoint covers every statement of a commit and so comes with many bundles: that its two
//! signatures are good is remembered. Whether the signer may still speak is judged each time.
//!
//! Fails with the reason in words, for the log. Must not know links or legs.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use formats::checkpoint::SignedCheckpoint;
use formats::id::{Digest, StationName};
use formats::receipt::ReceiptBundle;
use formats::statement::Statement;
use pki::chain::VerifiedCert;
use pki::role::Role;

use crate::station::Core;

/// The statements of a bundle, if `station` really made them.
pub(crate) fn verified_statements(
    core: &Core,
    station: &StationName,
    bundle: &ReceiptBundle,
) -> Result<Vec<Statement>, String> {
    let now = core.clock.now();
    let snapshot = core.directory.snapshot();
    let record = snapshot
        .station(station)
        .ok_or("no valid record of the station")?;
    let mut refused = "its record names no evidence certificate".to_owned();
    for sha256 in &record.record().evidence_sha256 {
        let signer = match snapshot.signer(sha256, Role::StationEvidence, now) {
            Ok(signer) => signer,
            Err(error) => {
                refused = error.to_string();
                continue;
            }
        };
        let note_key = record.record().note_key.as_bytes();
        match core.testimony.verify(&bundle.checkpoint, note_key, &signer) {
            Ok(()) => {
                let statements = bundle.statements().map_err(|error| error.to_string())?;
                if statements
                    .iter()
                    .all(|statement| statement.station == *station)
                {
                    return Ok(statements);
                }
                return Err("a statement speaks for another station".to_owned());
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Checkpoints whose signatures were found good, each under the keys it was checked with.
#[derive(Debug, Default)]
pub(crate) struct Testimony {
    good: Mutex<HashSet<Digest>>,
}

impl Testimony {
    fn verify(
        &self,
        checkpoint: &SignedCheckpoint,
        note_key: &[u8; 32],
        signer: &VerifiedCert,
    ) -> Result<(), String> {
        let name = name_of(checkpoint, note_key, signer);
        let known = |good: &HashSet<Digest>| good.contains(&name);
        if known(&self.good.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        pki::note::verify_checkpoint(checkpoint, note_key, signer)
            .map_err(|error| error.to_string())?;
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if good.len() >= GOOD_MAX {
            good.clear();
        }
        good.insert(name);
        Ok(())
    }
}

/// Everything that the verdict on the signatures depends on. The parts before the last have a fixed
/// length or their length in front, so no two questions have one name.
fn name_of(checkpoint: &SignedCheckpoint, note_key: &[u8; 32], signer: &VerifiedCert) -> Digest {
    let mut bytes = Vec::with_capacity(checkpoint.note.len() + checkpoint.cms.len() + 72);
    bytes.extend_from_slice(note_key);
    bytes.extend_from_slice(signer.certificate().sha256().as_bytes());
    bytes.extend_from_slice(&checkpoint.note.len().to_be_bytes());
    bytes.extend_from_slice(checkpoint.note.as_bytes());
    bytes.extend_from_slice(&checkpoint.cms);
    Digest::of(&bytes)
}

/// Checkpoints remembered: those of some seconds.
const GOOD_MAX: usize = 4096;
