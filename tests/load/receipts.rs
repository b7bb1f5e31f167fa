//! The sender's application as a sceptic: a receipt counts only when its signatures and its digest check.
//!
//! Owns: the directory of the world (who may speak) and a cache of checkpoints already checked, because one
//! checkpoint covers all statements of a commit. Reads what the door serves; trusts the node for nothing.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use formats::header::commitment;
use formats::id::{Digest, StationName};
use formats::receipt::ReceiptBundle;
use formats::statement::Event;
use pki::cert::Certificate;
use pki::chain::VerifiedCert;
use pki::role::Role;
use relay::clock::Clock;
use relay::directory::Directory;
use serde_json::Value;

/// Checks receipts as an outsider would.
#[derive(Debug)]
pub struct Judge {
    directory: Directory,
    evidence: Mutex<HashMap<Digest, VerifiedCert>>,
    checked: Mutex<HashSet<Digest>>,
}

impl Judge {
    /// Loads the public records; `authority` is the folder that `tram-pki init` wrote.
    pub fn new(authority: &Path) -> Self {
        let pinned = Certificate::load(&authority.join("authority/trust-list.crt"))
            .expect("the trust list's certificate");
        let now = Clock::system().now();
        let directory =
            Directory::open(authority.join("records"), pinned, now).expect("records load");
        Self {
            directory,
            evidence: Mutex::default(),
            checked: Mutex::default(),
        }
    }

    /// Every recipient's hand-over in the answer: checkpoint signatures, inclusion, right to speak, and the
    /// commitment to the packet that was sent.
    pub fn check(&self, answer: &Value, packet: &[u8; 32]) -> Result<(), String> {
        let wanted = openings(answer, packet)?;
        let receipts = answer["receipts"]
            .as_array()
            .ok_or("the answer has no receipts")?;
        let mut handed_over = 0;
        for receipt in receipts {
            let bytes = receipt["bundle"]
                .as_str()
                .and_then(|text| STANDARD.decode(text).ok())
                .ok_or("a receipt without bytes")?;
            let bundle = ReceiptBundle::decode(&bytes).map_err(|error| error.to_string())?;
            let statements = bundle.statements().map_err(|error| error.to_string())?;
            for statement in &statements {
                if statement.event != Event::ContentHandover {
                    continue;
                }
                self.signed(&bundle, &statement.station)?;
                let opened = statement
                    .commitment
                    .is_some_and(|one| wanted.contains(&one));
                handed_over += u64::from(opened);
            }
        }
        let recipients = answer["recipients"].as_u64().unwrap_or(1);
        if handed_over >= recipients {
            return Ok(());
        }
        Err(format!(
            "{handed_over} of {recipients} hand-overs are proven"
        ))
    }

    fn signed(&self, bundle: &ReceiptBundle, station: &StationName) -> Result<(), String> {
        let digest = Digest::of(&bundle.checkpoint.cms);
        if self
            .checked
            .lock()
            .expect("no panic holds it")
            .contains(&digest)
        {
            return Ok(());
        }
        let entry = self
            .directory
            .station(station)
            .ok_or("no record of the station")?;
        // During a renewal a station has two evidence certificates; either may have signed.
        let mut last = "the station names no evidence certificate".to_owned();
        for sha256 in &entry.record().evidence_sha256 {
            let certificate = self.evidence_certificate(sha256)?;
            let key = &entry.record().note_key;
            match pki::note::verify_checkpoint(&bundle.checkpoint, key.as_bytes(), &certificate) {
                Ok(_) => {
                    self.checked
                        .lock()
                        .expect("no panic holds it")
                        .insert(digest);
                    return Ok(());
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }

    fn evidence_certificate(&self, sha256: &Digest) -> Result<VerifiedCert, String> {
        let mut known = self.evidence.lock().expect("no panic holds it");
        if let Some(certificate) = known.get(sha256) {
            return Ok(certificate.clone());
        }
        let certificate = self
            .directory
            .certificate(sha256)
            .ok_or("no evidence certificate of the station")?;
        let verified = self
            .directory
            .validator()
            .verify(&certificate, Role::StationEvidence, Clock::system().now())
            .map_err(|error| error.to_string())?;
        known.insert(*sha256, verified.clone());
        Ok(verified)
    }
}

/// The commitments that stand for this packet: one of each envelope that carries it.
fn openings(answer: &Value, packet: &[u8; 32]) -> Result<HashSet<Digest>, String> {
    let bytes = |value: &Value, key: &str| {
        value[key]
            .as_str()
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or_else(|| format!("the answer has no {key}"))
    };
    let signature_value = bytes(answer, "signature_value")?;
    let one = |value: &Value| {
        let salt: [u8; 32] = bytes(value, "salt")?
            .try_into()
            .map_err(|_| "the salt has another length".to_owned())?;
        Ok(commitment(
            &salt,
            &Digest::from_bytes(*packet),
            &signature_value,
        ))
    };
    let envelopes = answer["envelopes"]
        .as_array()
        .ok_or("the answer has no envelopes")?;
    envelopes.iter().map(one).chain([one(answer)]).collect()
}
