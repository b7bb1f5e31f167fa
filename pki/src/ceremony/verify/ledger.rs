//! The ledger of a ceremony, read again without opening it for writing.
//!
//! Owns: its chain, that no serial number is planned or signed twice, and that it is the one whose
//! head was signed. Fails with a text. Must not know: files.

use std::collections::BTreeSet;

use formats::id::Digest;
use serde::Deserialize;

use crate::ceremony::transcript::{Step, Transcript};

/// The part of a ledger's line that is looked at.
#[derive(Deserialize)]
struct LedgerLine {
    prev: String,
    event: String,
    serial: Option<String>,
    sha256: Option<String>,
}

/// Replays the ledger and compares it with what the transcript says of it.
pub(super) fn judge(bytes: &[u8], transcript: &Transcript) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let mut head = Digest::of(b"tram-ledger-1");
    let mut heads = vec![head];
    let mut planned = BTreeSet::new();
    let mut issued = BTreeSet::new();
    for (number, line) in (1_u64..).zip(text.lines()) {
        let damaged = |what: &str| format!("line {number} {what}");
        let parsed: LedgerLine =
            serde_json::from_str(line).map_err(|_| damaged("is not a ledger line"))?;
        if parsed.prev != head.to_string() {
            return Err(damaged("does not follow the line before it"));
        }
        match (parsed.event.as_str(), parsed.serial, parsed.sha256) {
            ("planned", Some(serial), _) if !planned.insert(serial.clone()) => {
                return Err(damaged("plans a serial number again"));
            }
            ("issued", Some(serial), Some(_)) if !planned.contains(&serial) => {
                return Err(damaged("names a certificate that was never planned"));
            }
            ("issued", Some(serial), Some(_)) if !issued.insert(serial.clone()) => {
                return Err(damaged("names a serial number signed twice"));
            }
            _ => {}
        }
        head = Digest::of(line.as_bytes());
        heads.push(head);
    }
    for line in transcript.lines() {
        match &line.step {
            Step::PartClosed {
                ledger_lines,
                ledger_head,
                ..
            } => {
                let at = usize::try_from(*ledger_lines)
                    .ok()
                    .and_then(|at| heads.get(at));
                if at.map(Digest::to_string).as_ref() != Some(ledger_head) {
                    return Err(format!(
                        "line {ledger_lines} is not the one that was signed"
                    ));
                }
            }
            Step::CertificateSigned { name, serial, .. } if !issued.contains(serial) => {
                return Err(format!("the certificate of {name} is not in it"));
            }
            _ => {}
        }
    }
    Ok(())
}
