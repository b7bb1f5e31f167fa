//! What others hold against a log: heads that it signed once, and receipts from it, compared with the log
//! as it is now. This finds what no look into the station's own folder can: a history that was rewritten
//! and signed again by whoever has the keys, or put back to an older state.
//!
//! Pure; the caller says which leaves there are now. Signatures of what is held were verified when it came
//! ([`pki::note::verify_checkpoint`]): a head that nobody signed proves nothing against anybody.

use formats::checkpoint::{Checkpoint, LogOrigin};
use formats::id::Digest;
use formats::merkle::{self, Frontier};
use formats::receipt::ReceiptBundle;
use formats::statement::Statement;

use super::log::words_of;
use super::{Finding, What};

/// Compares heads that somebody holds with the leaves that the log has now; names for each log the first
/// head that does not hold, and between which leaves the difference begins.
#[must_use]
pub fn heads(held: &[Checkpoint], origin: &LogOrigin, leaves: &[Digest]) -> Option<Finding> {
    let mut ours: Vec<&Checkpoint> = held.iter().filter(|one| one.origin == *origin).collect();
    ours.sort_by_key(|one| one.size);
    let (mut tree, mut good) = (Frontier::default(), 0_u64);
    let mut coming = leaves.iter();
    for head in ours {
        while tree.size() < head.size {
            match coming.next() {
                Some(leaf) => tree.push(*leaf),
                None => {
                    let size = tree.size();
                    let detail = format!(
                        "a head over {} leaves was signed and is held; the log has {size}: it was cut \
                         or put back",
                        head.size
                    );
                    return Some(finding(origin, size, detail));
                }
            }
        }
        if tree.root() != head.root {
            let detail = format!(
                "the head over {} leaves that is held has another root: two histories, which differ \
                 from a leaf between {good} and {} on",
                head.size,
                head.size.saturating_sub(1)
            );
            return Some(finding(origin, good, detail));
        }
        good = head.size;
    }
    None
}

/// Compares two heads of one log by the proof that its station gives for them, as a peer or a witness does
/// that sees no leaves. `held` was signed before `shown`.
#[must_use]
pub fn consistency(held: &Checkpoint, shown: &Checkpoint, path: &[Digest]) -> Option<Finding> {
    let origin = &held.origin;
    if shown.origin != *origin {
        return None;
    }
    if shown.size < held.size {
        let detail = format!(
            "a head over {} leaves was signed and is held; the station shows {}",
            held.size, shown.size
        );
        return Some(finding(origin, shown.size, detail));
    }
    if merkle::verify_consistency(held.size, shown.size, &held.root, &shown.root, path) {
        return None;
    }
    let detail = format!(
        "the head over {} leaves does not begin with the held one over {}",
        shown.size, held.size
    );
    Some(finding(origin, 0, detail))
}

/// Compares receipts with the leaves that the log has now: names each statement that is not where its
/// receipt proves it to be.
#[must_use]
pub fn receipts(held: &ReceiptBundle, origin: &LogOrigin, leaves: &[Digest]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for proven in &held.proven {
        let now = usize::try_from(proven.index)
            .ok()
            .and_then(|at| leaves.get(at));
        if now == Some(&proven.leaf_hash()) {
            continue;
        }
        let detail = match now {
            None => "the receipt's statement is not in the log any more",
            Some(_) => "the log has another statement where the receipt's was",
        };
        let mut found = finding(origin, proven.index, detail.to_owned());
        found.what = What::Receipt;
        if let Ok(statement) = Statement::parse(&proven.statement) {
            found.statement = Some(words_of(&statement));
            found.envelope = Some(statement.envelope.to_string());
            found.recipient = Some(statement.recipient.to_string());
        }
        findings.push(found);
    }
    findings
}

fn finding(origin: &LogOrigin, first_bad: u64, detail: String) -> Finding {
    Finding {
        what: What::Checkpoint,
        station: origin.station().to_string(),
        log: Some(origin.to_string()),
        first_bad: Some(first_bad),
        envelope: None,
        recipient: None,
        statement: None,
        place: "held by others".to_owned(),
        detail,
    }
}
