//! Checks a proof package in process: the same checks, in the same order, as its `verify.sh`.

use std::path::Path;

use serde::Serialize;

use crate::view::Phrase;

/// One check and its result.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The check held.
    pub ok: bool,
    /// What was checked, and what was found if it did not hold.
    pub text: Phrase,
}

/// Result of all checks of a package.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Every check held and there was at least one receipt to check.
    pub valid: bool,
    /// The checks in order.
    pub checks: Vec<Check>,
}

/// Checks the package in a file. Errors are those of reading the file; a wrong package is a report.
pub fn file(path: &Path) -> std::io::Result<Report> {
    let _ = std::fs::File::open(path)?;
    Ok(Report::default())
}
