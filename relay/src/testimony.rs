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
use formats::record::Station;
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
    verified_head(core, station, &bundle.checkpoint)?;
    let statements = bundle.statements().map_err(|error| error.to_string())?;
    if statements
        .iter()
        .any(|statement| statement.station != *station)
    {
        return Err("a statement speaks for another station".to_owned());
    }
    Ok(statements)
}

/// Verifies both signatures of a checkpoint by the station's record.
pub(crate) fn verified_head(
    core: &Core,
    station: &StationName,
    checkpoint: &SignedCheckpoint,
) -> Result<(), String> {
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
        match core.testimony.verify(checkpoint, record.record(), &signer) {
            Ok(Seen::Before) => return Ok(()),
            Ok(Seen::First) => {
                core.heads.verified(station, checkpoint);
                return Ok(());
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Whether a checkpoint was met before.
enum Seen {
    Before,
    First,
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
        station: &Station,
        signer: &VerifiedCert,
    ) -> Result<Seen, String> {
        let name = name_of(checkpoint, station, signer);
        let known = |good: &HashSet<Digest>| good.contains(&name);
        if known(&self.good.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Seen::Before);
        }
        pki::note::verify_by_record(checkpoint, station, signer)
            .map_err(|error| error.to_string())?;
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if good.len() >= GOOD_MAX {
            good.clear();
        }
        good.insert(name);
        Ok(Seen::First)
    }
}

/// Everything that the verdict on the signatures depends on: the keys by which the record of the signer's
/// station may be met, the signer, note and CMS.
fn name_of(checkpoint: &SignedCheckpoint, station: &Station, signer: &VerifiedCert) -> Digest {
    let mut bytes = Vec::with_capacity(checkpoint.note.len() + checkpoint.cms.len() + 240);
    for key in station.note_keys() {
        bytes.extend_from_slice(key.as_bytes());
    }
    bytes.extend_from_slice(&station.old_note_keys.len().to_be_bytes());
    bytes.extend_from_slice(signer.certificate().sha256().as_bytes());
    bytes.extend_from_slice(&checkpoint.note.len().to_be_bytes());
    bytes.extend_from_slice(checkpoint.note.as_bytes());
    bytes.extend_from_slice(&checkpoint.cms);
    Digest::of(&bytes)
}

/// Checkpoints remembered: those of some seconds.
const GOOD_MAX: usize = 4096;
