//! Public suites of vectors, judged case by case. Compiled for tests only.
//!
//! Owns: where the vectors lie, the table of each suite and the rule about it: no false accept,
//! ever; each false reject and each skip has a line with its reason in `pki/tests/suites/`. The
//! lists were made on a sample of each suite. On that sample an entry without a reason fails the
//! test; cases that the sample did not have are only told, so that a fuller copy of a suite can be
//! run without a list made for it.

use std::path::{Path, PathBuf};

/// What our code said.
pub(crate) enum Verdict {
    Accepted,
    /// And why.
    Rejected(String),
    Skipped,
}

impl<T, E: std::fmt::Display> From<Result<T, E>> for Verdict {
    fn from(outcome: Result<T, E>) -> Self {
        match outcome {
            Ok(_) => Self::Accepted,
            Err(error) => Self::Rejected(error.to_string()),
        }
    }
}

/// One case of a suite.
pub(crate) struct Case {
    pub(crate) id: String,
    /// What the suite wants.
    pub(crate) accept: bool,
    pub(crate) verdict: Verdict,
}

impl Case {
    pub(crate) fn new(id: impl Into<String>, accept: bool, verdict: impl Into<Verdict>) -> Self {
        Self {
            id: id.into(),
            accept,
            verdict: verdict.into(),
        }
    }
}

/// The folder of the vectors, or none with a word about it.
pub(crate) fn vectors(suite: &str) -> Option<PathBuf> {
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

/// A line of a list: `kind id # reason`; a final `*` of the id matches a prefix, and `?text` any
/// case whose refusal says so.
struct Known {
    kind: String,
    pattern: String,
}

impl Known {
    fn read(line: &str) -> Self {
        let (entry, reason) = line.split_once(" # ").expect("kind id # reason");
        assert!(!reason.trim().is_empty(), "no reason: {line}");
        let (kind, pattern) = entry.split_once(' ').expect("kind id # reason");
        Self {
            kind: kind.to_owned(),
            pattern: pattern.to_owned(),
        }
    }

    fn fits(&self, kind: &str, id: &str, said: &str) -> bool {
        let hit = if let Some(text) = self.pattern.strip_prefix('?') {
            said.contains(text)
        } else if let Some(prefix) = self.pattern.strip_suffix('*') {
            id.starts_with(prefix)
        } else {
            id == self.pattern
        };
        self.kind == kind && hit
    }
}

/// Prints the table and checks it against the list of known differences.
pub(crate) fn judge(suite: &str, cases: &[Case]) {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/suites/{suite}.txt"));
    let list = std::fs::read_to_string(list).unwrap();
    let sample = list
        .lines()
        .find_map(|line| line.strip_prefix("# sample: "));
    let sample: usize = sample.expect("the size of the sample").parse().unwrap();
    let lines = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let known: Vec<Known> = lines.map(Known::read).collect();
    let listed =
        |kind: &str, id: &str, said: &str| known.iter().any(|line| line.fits(kind, id, said));
    let (mut right, mut skipped) = (0, 0);
    let (mut false_accepts, mut false_rejects, mut unlisted) = (Vec::new(), 0, Vec::new());
    for case in cases {
        match (&case.verdict, case.accept) {
            (Verdict::Accepted, true) | (Verdict::Rejected(_), false) => right += 1,
            (Verdict::Accepted, false) => false_accepts.push(case.id.clone()),
            (Verdict::Rejected(error), true) => {
                false_rejects += 1;
                if !listed("false-reject", &case.id, error) {
                    unlisted.push(format!("false-reject {} # {error}", case.id));
                }
            }
            (Verdict::Skipped, _) => {
                skipped += 1;
                if !listed("skip", &case.id, "") {
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
        unlisted.is_empty() || cases.len() != sample,
        "not in the list:\n{}",
        unlisted.join("\n")
    );
}
