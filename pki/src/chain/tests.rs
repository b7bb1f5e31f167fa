//! The validator against the public suites. The suites run through the generic path validation,
//! without the roles of this network; roles and names are tested where certificates are issued.
//!
//! Rule: no false accept, ever. Each false reject and each skip needs a line in
//! `pki/tests/suites/`.

mod boringssl;
mod limbo;
mod pkits;
mod profile;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formats::time::Timestamp;

use super::path::{Question, Store, build};
use super::policy::PolicyInput;
use super::structure::Criticality;
use super::{ChainError, RevocationPolicy};
use crate::cert::Certificate;

/// What our validator said.
pub(super) enum Verdict {
    Accepted,
    Rejected(String),
    Skipped,
}

/// One case of a suite.
pub(super) struct Case {
    pub(super) id: String,
    pub(super) accept: bool,
    pub(super) verdict: Verdict,
}

/// The folder of the vectors, or none with a word about it.
pub(super) fn vectors(suite: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TRAM_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
        PathBuf::from,
    );
    let folder = root.join(suite);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED-SUITE {suite}");
    None
}

/// Prints the table and checks it against the list of known differences.
pub(super) fn judge(suite: &str, cases: &[Case]) {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/suites/{suite}.txt"));
    let list = std::fs::read_to_string(list).unwrap();
    let known: BTreeMap<&str, &str> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            line.split_once(" # ")
                .expect("each line is: kind id # reason")
        })
        .collect();
    let listed = |kind: &str, id: &str| {
        known.iter().any(|(entry, reason)| {
            let (entry_kind, pattern) = entry.split_once(' ').unwrap();
            let hit = match pattern.strip_suffix('*') {
                Some(prefix) => id.starts_with(prefix),
                None => id == pattern,
            };
            entry_kind == kind && hit && !reason.trim().is_empty()
        })
    };
    let (mut right, mut skipped) = (0, 0);
    let (mut false_accepts, mut false_rejects, mut unlisted) = (Vec::new(), 0, Vec::new());
    for case in cases {
        match (&case.verdict, case.accept) {
            (Verdict::Accepted, true) | (Verdict::Rejected(_), false) => right += 1,
            (Verdict::Accepted, false) => false_accepts.push(case.id.clone()),
            (Verdict::Rejected(error), true) => {
                false_rejects += 1;
                if !listed("false-reject", &case.id) {
                    unlisted.push(format!("false-reject {} # {error}", case.id));
                }
            }
            (Verdict::Skipped, _) => {
                skipped += 1;
                if !listed("skip", &case.id) {
                    unlisted.push(format!("skip {}", case.id));
                }
            }
        }
    }
    println!(
        "{suite}: {} cases, right {right}, false accept {}, false reject {false_rejects}, \
         skipped {skipped}",
        cases.len(),
        false_accepts.len()
    );
    assert!(!cases.is_empty(), "{suite} has no cases");
    println!("not in the list:\n{}", unlisted.join("\n"));
    assert!(
        false_accepts.is_empty(),
        "false accepts: {false_accepts:#?}"
    );
    assert!(
        unlisted.is_empty(),
        "not in the list:\n{}",
        unlisted.join("\n")
    );
}

/// A question with the defaults of the suites.
pub(super) fn question(at: Timestamp) -> Question {
    Question {
        at,
        revocation: RevocationPolicy::NewestHeld,
        depth_max: 14,
        policy: PolicyInput::default(),
        purpose: None,
        criticality: Criticality::Demanded,
    }
}

/// Runs one question; a certificate that does not parse counts as rejected.
pub(super) fn ask(
    store: &Store,
    leaf: &Certificate,
    question: &Question,
) -> Result<Vec<Certificate>, ChainError> {
    build(store, &[], leaf, question)
}

/// A time of the suites: with or without a fraction.
pub(super) fn time(text: &str) -> Timestamp {
    let text = text.replace("+00:00", "Z");
    let whole = text.trim_end_matches('Z');
    let (seconds, fraction) = whole.split_once('.').unwrap_or((whole, "000"));
    Timestamp::parse_rfc3339(&format!("{seconds}.{:0<3.3}Z", fraction)).unwrap()
}
