//! Writes a proof package: same members in the same order give the same bytes.
//!
//! No time of day and no owner go into the archive; zip64 is not used, because old zip tools and
//! our own reader do not take it. A package that would need it is refused while it is written.

use std::collections::BTreeSet;
use std::io::{Read, Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Member, ProofError, bytes_max};
use crate::limits;

/// A package being written. Dropped without [`Self::finish`] it is not readable.
#[derive(Debug)]
pub struct ProofWriter<W: Write + Seek> {
    zip: ZipWriter<W>,
    written: BTreeSet<Member>,
    total_bytes: u64,
}

impl<W: Write + Seek> ProofWriter<W> {
    /// Starts a package at the begin of `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            zip: ZipWriter::new(inner),
            written: BTreeSet::new(),
            total_bytes: 0,
        }
    }

    /// Adds a member that is in memory.
    pub fn add(&mut self, member: &Member, content: &[u8]) -> Result<(), ProofError> {
        self.add_from(member, content).map(|_| ())
    }

    /// Adds a member from a reader; returns its bytes. After an error the package is spoilt.
    pub fn add_from(&mut self, member: &Member, content: impl Read) -> Result<u64, ProofError> {
        let name = member.to_string();
        if self.written.len() >= limits::PROOF_MEMBERS_MAX {
            return Err(ProofError::TooMany(self.written.len()));
        }
        if !self.written.insert(member.clone()) {
            return Err(ProofError::Duplicate(name));
        }
        let mode = if *member == Member::VerifyScript {
            0o755
        } else {
            0o644
        };
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(mode);
        self.zip.start_file(name.as_str(), options)?;
        let left = limits::PROOF_TOTAL_BYTES_MAX.saturating_sub(self.total_bytes);
        let max = bytes_max(member).min(left);
        let count = std::io::copy(&mut content.take(max.saturating_add(1)), &mut self.zip)?;
        if count > max {
            return Err(ProofError::TooLarge(name));
        }
        self.total_bytes = self.total_bytes.saturating_add(count);
        Ok(count)
    }

    /// Writes the directory and gives the writer back; the caller flushes and syncs it.
    pub fn finish(self) -> Result<W, ProofError> {
        Ok(self.zip.finish()?)
    }
}
