//! Testimony: whether a bundle of statements is what a neighbour's log really says. Both signatures
//! of the checkpoint (log key and evidence certificate, as the station's record names them) and
//! every inclusion path are verified; what the statements are about is the caller's to compare.
//!
//! Fails with the reason in words, for the log. Must not know links or legs.

use formats::id::StationName;
use formats::receipt::ReceiptBundle;
use formats::statement::Statement;
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
        match pki::note::verify_checkpoint(&bundle.checkpoint, note_key, &signer) {
            Ok(_) => {
                let statements = bundle.statements().map_err(|error| error.to_string())?;
                if statements
                    .iter()
                    .all(|statement| statement.station == *station)
                {
                    return Ok(statements);
                }
                return Err("a statement speaks for another station".to_owned());
            }
            Err(error) => refused = error.to_string(),
        }
    }
    Err(refused)
}
