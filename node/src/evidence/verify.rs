//! Checks a proof package in process: the same checks, in the same order, as its `verify.sh`.
//!
//! Trusts the roots in the package, and says their fingerprints, unless the caller brings its own. Fails
//! only when the file cannot be read; whatever is wrong in it is a check that did not hold, and names
//! the member, the station, the statement and its place in the log. Bounded memory: packets are hashed
//! while they are read, everything else together is at most [`Limits::kept_bytes`]. Knows no store
//! and no clock: each signature is judged at the time that the package itself proves for it.

mod claims;
mod document;
mod report;
mod sums;
mod trust;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use formats::proof::{ProofError, ProofReader};
use pki::cert::Certificate;

use claims::Claims;
use trust::Trust;

pub use report::{Check, Level, Place, ReceiptLine, Report, Shown, level};

/// How much of a package is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all members together, inflated.
    pub all_bytes: u64,
    /// Bytes of records, certificates and lists, which are held while the rest is judged.
    pub kept_bytes: u64,
}

impl Default for Limits {
    /// What a package of a desk may have.
    fn default() -> Self {
        Self {
            all_bytes: formats::limits::PROOF_TOTAL_BYTES_MAX,
            kept_bytes: 256 << 20,
        }
    }
}

/// Checks the package in a file, trusting the roots inside it. Blocking.
///
/// # Errors
/// Only when the file cannot be read.
pub fn file(path: &Path) -> std::io::Result<Report> {
    package(File::open(path)?, None, Limits::default())
}

/// Checks the package in a file, trusting these roots only. Blocking.
///
/// # Errors
/// Only when the file cannot be read.
pub fn file_trusting(path: &Path, roots: Vec<Certificate>) -> std::io::Result<Report> {
    package(File::open(path)?, Some(roots), Limits::default())
}

/// Checks a package from any reader, trusting these roots or, without, those inside it. Blocking.
///
/// # Errors
/// Only when the reader fails.
pub fn package<R: Read + Seek>(
    package: R,
    trusted: Option<Vec<Certificate>>,
    limits: Limits,
) -> std::io::Result<Report> {
    let mut report = Report::default();
    let opened = ProofReader::open(package).and_then(|zip| match zip.total_bytes() {
        bytes if bytes > limits.all_bytes => Err(ProofError::TooLarge("of the package".into())),
        _ => Ok(zip),
    });
    match opened {
        Ok(mut zip) => {
            // `None`: something that the rest needs is missing, and said.
            let complete = check(&mut zip, trusted, limits, &mut report).is_some();
            report.finish(complete);
        }
        Err(ProofError::Io(error)) if error.kind() != std::io::ErrorKind::InvalidData => {
            return Err(error);
        }
        Err(error) => report.bad(&Place::member("zip"), error),
    }
    Ok(report)
}

fn check<R: Read + Seek>(
    zip: &mut ProofReader<R>,
    trusted: Option<Vec<Certificate>>,
    limits: Limits,
    report: &mut Report,
) -> Option<()> {
    sums::check(zip, report);
    let trust = Trust::load(zip, trusted, limits, report)?;
    let mut claims = Claims::default();
    claims.records(&trust, report);
    let document = document::check(zip, &trust, report)?;
    claims.checkpoints(zip, &trust, report);
    claims.receipts(zip, &document.headers, report);
    Some(())
}
