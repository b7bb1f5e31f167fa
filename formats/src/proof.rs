//! The proof package: a zip that proves one document's way with a shell, `openssl` and a zip tool.
//!
//! Owns the names of the members and a writer and a bounded reader over the caller's bytes. The set
//! of names is closed: a name that is not a [`Member`] is refused, so no name can lead out of a
//! folder, occur in two spellings or hide something. What the members say is checked by `verify.sh`
//! inside and by `pki` outside. Fails with [`ProofError`].

pub mod asic;
mod member;
mod reader;
mod sums;
mod writer;

use std::fmt::Write as _;

use crate::id::Digest;
use crate::limits;

pub use member::Member;
pub use reader::ProofReader;
pub use sums::Sums;
pub use writer::ProofWriter;

/// Why a package cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Two members of one name.
    #[error("member {0} occurs twice")]
    Duplicate(String),
    /// Encrypted, a link, or a compression other than deflate and none.
    #[error("member {0} is not a plain file")]
    NotPlain(String),
    /// Not laid out as a proof package: comment, bytes around it, zip64, headers that disagree.
    #[error("archive is not laid out as a proof package: {0}")]
    Layout(&'static str),
    /// The package has no such member.
    #[error("member {0} is missing")]
    Missing(String),
    /// A name that no member of a proof package has.
    #[error("no proof package has a member {0:?}")]
    Name(String),
    /// The caller's reader or writer failed.
    #[error("input or output failed")]
    Io(#[from] std::io::Error),
    /// More members than a package may have.
    #[error("package has {0} members, too many")]
    TooMany(usize),
    /// A member or the whole is over its limit, or longer than it claims.
    #[error("member {0} is too large")]
    TooLarge(String),
    /// Not a zip archive.
    #[error("not a readable zip archive")]
    Zip(#[from] zip::result::ZipError),
}

/// Where a statement lies in its log, as text that a shell can read.
///
/// Lines: `checkpoint N`, `index N`, `size N`, then `path HEX` for each sibling, lowest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// Number of the checkpoint folder in the package.
    pub checkpoint: u32,
    /// Number of the leaf.
    pub index: u64,
    /// Size of the checkpoint's tree.
    pub size: u64,
    /// Inclusion path, lowest sibling first.
    pub path: Vec<Digest>,
}

impl Inclusion {
    /// The one text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "checkpoint {}\nindex {}\nsize {}\n",
            self.checkpoint, self.index, self.size
        );
        for sibling in &self.path {
            // Writing into a String does not fail.
            let _ok = writeln!(text, "path {sibling}");
        }
        text
    }

    /// Reads exactly what [`Self::to_text`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut number = |name: &str| lines.next()?.strip_prefix(name)?.parse::<u64>().ok();
        let checkpoint = u32::try_from(number("checkpoint ")?).ok()?;
        let (index, size) = (number("index ")?, number("size ")?);
        let path = lines
            .take(limits::PROOF_DIGESTS_MAX + 1)
            .map(|line| line.strip_prefix("path ")?.parse().ok())
            .collect::<Option<Vec<Digest>>>()?;
        let inclusion = Self {
            checkpoint,
            index,
            size,
            path,
        };
        let fits = inclusion.path.len() <= limits::PROOF_DIGESTS_MAX && inclusion.to_text() == text;
        fits.then_some(inclusion)
    }
}

/// The most bytes that this member may have.
fn bytes_max(member: &Member) -> u64 {
    match member {
        Member::Packet | Member::Asic => limits::PROOF_TOTAL_BYTES_MAX,
        _ => limits::PROOF_MEMBER_BYTES_MAX,
    }
}

#[cfg(test)]
mod tests;
