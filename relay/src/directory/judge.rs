//! Judge: which claims of the folder hold. A record holds if its signature verifies, its signer is
//! the one who may say it, and it is in force; of several about one subject the highest sequence
//! that holds counts, so a broken newer record never hides a good older one.
//!
//! Verification is remembered by the digest of the signed bytes as long as the trust list, the
//! authorities and the CRLs stay the same. Attachments of a large network are judged when they are
//! first asked for. Must not know the folder.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use formats::id::Digest;
use formats::limits;
use formats::record::{Record, Subject, TrustList};
use formats::time::Timestamp;
use pki::chain::Validator;
use pki::record::{Beside, TrustPin};

use super::folder::{Claim, Refused};
use super::lapse::Lapses;

/// Verdicts already reached with one set of trust.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    known: Mutex<HashMap<Digest, Result<(), String>>>,
}

impl Verdicts {
    /// Whether the claim's signature and signer hold.
    pub(crate) fn verify(
        &self,
        claim: &Claim,
        validator: &Validator,
        now: Timestamp,
    ) -> Result<(), String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = known.get(&claim.digest) {
            return verdict.clone();
        }
        drop(known);
        let verdict = judge(claim, validator, now);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(claim.digest, verdict.clone());
        verdict
    }
}

/// The signer is judged at the time of issue: a record outlives its signer's certificate until its
/// own end, and a key that is revoked for compromise spoils what it signed before as well.
fn judge(claim: &Claim, validator: &Validator, now: Timestamp) -> Result<(), String> {
    let issued = claim.record.issued();
    if issued > now.plus_ms(limits::CREATED_AHEAD_MS_MAX) {
        return Err(format!(
            "issued at {}, which is in the future",
            issued.rfc3339()
        ));
    }
    let verified = pki::record::verify(&claim.signed, validator, issued);
    verified.map(|_| ()).map_err(|error| error.to_string())
}

/// The trust list in force: the highest sequence that enough pinned signers signed. One past its end
/// still counts, for traffic must not stop because nobody signed a new one; it is shown to the
/// operator. Lists are followed from the oldest on, because one may hand over to other signers; only
/// faults above the one in force are worth a word.
pub(crate) fn trust_list<'c>(
    claims: impl Iterator<Item = &'c Arc<Claim>>,
    pinned: &TrustPin,
    beside: &Beside,
    refused: &mut Vec<Refused>,
) -> Option<(TrustList, Arc<[u8]>)> {
    let mut lists: Vec<&Arc<Claim>> = claims
        .filter(|claim| matches!(claim.record, Record::TrustList(_)))
        .collect();
    lists.sort_by_key(|claim| claim.record.sequence());
    let mut pin = pinned.clone();
    let mut faults: Vec<Refused> = Vec::new();
    let mut in_force = None;
    for claim in lists {
        let at = claim.record.issued();
        let said = pki::record::verify_trust_list(&claim.signed, &pin, beside, at)
            .map_err(|error| error.to_string())
            .and_then(|list| {
                let next = pin.after(&list).map_err(|error| error.to_string())?;
                Ok((list, next))
            });
        match said {
            Ok((list, next)) => {
                in_force = Some((list, Arc::clone(&claim.signed)));
                pin = next;
                faults.clear();
            }
            Err(reason) => faults.push(Refused {
                file: claim.file.clone(),
                reason,
            }),
        }
    }
    refused.extend(faults);
    in_force
}

/// Claims by subject, highest sequence first; those out of force are refused, and remembered if nothing
/// else is said of their subject.
pub(crate) fn by_subject<'c>(
    claims: impl Iterator<Item = &'c Arc<Claim>>,
    now: Timestamp,
    refused: &mut Vec<Refused>,
) -> (BTreeMap<Subject, Vec<Arc<Claim>>>, Lapses) {
    let mut subjects: BTreeMap<Subject, Vec<Arc<Claim>>> = BTreeMap::new();
    let mut ended: Vec<&Arc<Claim>> = Vec::new();
    for claim in claims {
        let list = matches!(claim.record, Record::TrustList(_));
        if !list && claim.record.not_after() <= now {
            let reason = format!("out of force since {}", claim.record.not_after().rfc3339());
            refused.push(Refused {
                file: claim.file.clone(),
                reason,
            });
            ended.push(claim);
            continue;
        }
        subjects
            .entry(claim.record.subject())
            .or_default()
            .push(Arc::clone(claim));
    }
    for claims in subjects.values_mut() {
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.record.sequence()));
    }
    let lapses = Lapses::of(&subjects, &ended);
    (subjects, lapses)
}
