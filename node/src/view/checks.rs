//! What the signatures inside a received PDF are worth, as it is shown. A plain value of the report.

use formats::time::Timestamp;
use pki::pdf::{Language, PdfReport, PdfSignature, Problem};
use serde::{Deserialize, Serialize};

use super::state::Phrase;

/// The check of one attachment. It informs; it never stops a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCheck {
    /// How the signatures stand, the worst one counting.
    pub state: CheckState,
    /// The state in words.
    pub text: Phrase,
    /// Signatures in the order of the file.
    pub signatures: Vec<SignatureCheck>,
    /// What kept the check from being complete.
    pub problems: Vec<ProblemCheck>,
    /// When it was checked (RFC 3339); absent while it waits.
    pub checked: Option<String>,
}

/// How the signatures of a file stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// Disproven, or changed after signing.
    Invalid,
    /// The file has no signatures.
    None,
    /// Not checked yet.
    Pending,
    /// Neither proven nor disproven.
    Unknown,
    /// All hold.
    Valid,
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureCheck {
    /// All of it in one sentence.
    pub text: Phrase,
    /// What was found, in codes.
    #[serde(flatten)]
    pub found: PdfSignature,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemCheck {
    /// Stable code.
    pub code: Problem,
    /// In words.
    pub text: Phrase,
}

impl FileCheck {
    /// A check that is on its way.
    #[must_use]
    pub fn pending() -> Self {
        Self {
            state: CheckState::Pending,
            text: Phrase::new("đang kiểm tra", "being checked"),
            signatures: Vec::new(),
            problems: Vec::new(),
            checked: None,
        }
    }

    /// A finished check.
    #[must_use]
    pub fn of(report: PdfReport, checked: Timestamp) -> Self {
        use pki::pdf::Verdict;
        let verdict = report.verdict();
        let (state, text) = match verdict {
            None => (
                CheckState::None,
                Phrase::new("không có chữ ký số trong tệp", "no signatures in the file"),
            ),
            Some(verdict) => {
                let state = match verdict {
                    Verdict::Invalid => CheckState::Invalid,
                    Verdict::Unknown => CheckState::Unknown,
                    Verdict::Valid => CheckState::Valid,
                };
                (state, Phrase::new(verdict.vietnamese(), verdict.english()))
            }
        };
        let sentence = |found: PdfSignature| SignatureCheck {
            text: Phrase::new(
                found.sentence(Language::Vietnamese),
                found.sentence(Language::English),
            ),
            found,
        };
        let problem = |code: Problem| ProblemCheck {
            code,
            text: Phrase::new(code.vietnamese(), code.english()),
        };
        Self {
            state,
            text,
            signatures: report.signatures.into_iter().map(sentence).collect(),
            problems: report.problems.into_iter().map(problem).collect(),
            checked: Some(checked.rfc3339()),
        }
    }

    /// What was found, line by line: problems first.
    pub fn lines(&self) -> impl Iterator<Item = &Phrase> {
        let problems = self.problems.iter().map(|one| &one.text);
        problems.chain(self.signatures.iter().map(|one| &one.text))
    }
}
