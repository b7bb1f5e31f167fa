//! Finding: one thing that is wrong or strange in the file: where, what, and what to do about it.
//!
//! Owns: the texts in both languages and how many are kept. All are counted; the first of them are
//! shown, because a file with the wrong encoding has a fault on every line.

use serde_json::{Value, json};

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) en: String,
    pub(super) vi: String,
}

/// English and Vietnamese.
pub(super) fn both(en: impl Into<String>, vi: impl Into<String>) -> Text {
    Text {
        en: en.into(),
        vi: vi.into(),
    }
}

/// Where in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Counted from 1; 0: not in the file.
    pub(super) line: u64,
    /// As the file calls it.
    pub(super) column: String,
}

/// One fault or warning.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) place: Place,
    /// What stands there, cut.
    pub(super) value: String,
    pub(super) problem: Text,
    pub(super) fix: Text,
}

impl Finding {
    /// For people.
    pub(super) fn line(&self) -> String {
        let Place { line, column } = &self.place;
        let place = if *line == 0 {
            column.clone()
        } else {
            format!("line (dòng) {line}, {column}")
        };
        format!(
            "{place} {:?}: {} ({})\n    → {} ({})",
            self.value, self.problem.en, self.problem.vi, self.fix.en, self.fix.vi
        )
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "line": self.place.line, "column": self.place.column, "value": self.value,
            "problem": self.problem.en, "problem_vi": self.problem.vi,
            "fix": self.fix.en, "fix_vi": self.fix.vi,
        })
    }
}

/// The first findings of one kind, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    pub(super) total: u64,
}

impl Findings {
    pub(super) fn add(&mut self, place: Place, value: &str, problem: Text, fix: Text) {
        self.total = self.total.saturating_add(1);
        if self.kept.len() < KEPT_MAX {
            self.kept.push(Finding {
                place,
                value: excerpt(value),
                problem,
                fix,
            });
        }
    }

    /// In the order of the file.
    pub(super) fn sorted(mut self) -> Self {
        self.kept.sort_by(|one, other| one.place.cmp(&other.place));
        self
    }

    pub(super) fn lines(&self) -> String {
        let mut all: Vec<String> = self.kept.iter().map(Finding::line).collect();
        let more = self
            .total
            .saturating_sub(u64::try_from(self.kept.len()).unwrap_or(u64::MAX));
        if more > 0 {
            all.push(format!("… and {more} more (và {more} chỗ nữa)"));
        }
        all.join("\n")
    }

    pub(super) fn json(&self) -> Value {
        self.kept.iter().map(Finding::json).collect()
    }
}

/// The beginning of a value.
pub(super) fn excerpt(value: &str) -> String {
    let mut letters = value.chars();
    let mut cut: String = letters.by_ref().take(EXCERPT_CHARS_MAX).collect();
    if letters.next().is_some() {
        cut.push('…');
    }
    cut
}

/// Findings that are shown: more are not read before the file is corrected.
const KEPT_MAX: usize = 100;
/// Characters of a value that are shown.
const EXCERPT_CHARS_MAX: usize = 60;
