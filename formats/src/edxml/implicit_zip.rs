//! Files that travel zipped without saying so: one widespread library zips everything but pdf and
//! doc [vn-practice 1.3].
//!
//! Inflates an archive of exactly one file, within a ratio and a size. A genuine archive (several
//! files, encrypted, unknown method) is refused, and the caller keeps the bytes as they are. Must
//! not know: names; the entry's name is a random id and is never used.

use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest as _, Sha256};

use super::limits::Limits;
use crate::id::Digest;

/// Why an archive was not inflated.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// Not an archive of exactly one plain file.
    #[error("not an archive of exactly one file: {0}")]
    NotSingle(String),
    /// Larger than `Limits::attachment_bytes` or `Limits::inflate_ratio` allow: a bomb. E-ATTACH.
    #[error("inflates to more than {max} bytes")]
    Bomb {
        /// Bytes allowed.
        max: u64,
    },
    /// The archive contradicts itself (checksum, length). E-ATTACH.
    #[error("damaged archive: {0}")]
    Damaged(String),
    /// Writing the file.
    #[error("writing the inflated file: {0}")]
    Output(#[source] io::Error),
}

/// Size and SHA-256 of the inflated file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inflated {
    /// Bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Digest,
}

/// Inflates the only entry of the archive in `reader` into `out`.
///
/// # Errors
/// See [`InflateError`]; what was written until then is to be thrown away.
pub fn inflate(
    mut reader: impl Read + Seek,
    out: &mut dyn Write,
    limits: &Limits,
) -> Result<Inflated, InflateError> {
    let bytes = count_entries(&mut reader)?;
    let mut archive = zip::ZipArchive::new(reader).map_err(not_single)?;
    if archive.len() != 1 {
        return Err(InflateError::NotSingle(format!(
            "{} entries",
            archive.len()
        )));
    }
    let mut entry = archive.by_index(0).map_err(not_single)?;
    if !entry.is_file() || entry.encrypted() {
        return Err(InflateError::NotSingle("no plain file".to_owned()));
    }
    // A file of a few bytes may well be 200 times larger than nothing: allow 64 KiB in any case.
    let by_ratio = bytes.saturating_mul(limits.inflate_ratio).max(64 * 1024);
    let max = by_ratio.min(limits.attachment_bytes);
    copy(&mut entry, out, max)
}

fn copy(entry: &mut dyn Read, out: &mut dyn Write, max: u64) -> Result<Inflated, InflateError> {
    let mut hasher = Sha256::new();
    let mut size = 0_u64;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match entry.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(InflateError::Damaged(error.to_string())),
        };
        let block = buffer.get(..count).unwrap_or_default();
        size = size.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if size > max {
            return Err(InflateError::Bomb { max });
        }
        hasher.update(block);
        out.write_all(block).map_err(InflateError::Output)?;
    }
    Ok(Inflated {
        size,
        sha256: Digest::from_bytes(hasher.finalize().into()),
    })
}

/// Reads the end record first: an archive that announces millions of entries must not be indexed to
/// find out. Returns the size of the archive in bytes.
fn count_entries(reader: &mut (impl Read + Seek)) -> Result<u64, InflateError> {
    let length = reader
        .seek(SeekFrom::End(0))
        .map_err(|e| InflateError::Damaged(e.to_string()))?;
    let tail_length = length.min(END_RECORD_BYTES + COMMENT_BYTES_MAX);
    let mut tail = Vec::new();
    reader
        .seek(SeekFrom::Start(length - tail_length))
        .and_then(|_| reader.take(tail_length).read_to_end(&mut tail))
        .and_then(|_| reader.seek(SeekFrom::Start(0)))
        .map_err(|error| InflateError::Damaged(error.to_string()))?;
    let record = tail
        .windows(usize::try_from(END_RECORD_BYTES).unwrap_or(22))
        .rev()
        .find(|window| window.starts_with(END_RECORD_MARK))
        .ok_or_else(|| InflateError::NotSingle("no end record".to_owned()))?;
    // Entries on this disk and in all, two bytes each, at offset 8 [APPNOTE 4.3.16].
    match record.get(8..12) {
        Some([1, 0, 1, 0]) => Ok(length),
        _ => Err(InflateError::NotSingle("more than one entry".to_owned())),
    }
}

fn not_single(error: zip::result::ZipError) -> InflateError {
    InflateError::NotSingle(error.to_string())
}

const END_RECORD_MARK: &[u8] = b"PK\x05\x06";
const END_RECORD_BYTES: u64 = 22;
const COMMENT_BYTES_MAX: u64 = 65_535;
