//! Files that travel zipped without saying so: one widespread library zips everything but pdf and
//! doc [vn-practice 1.3].
//!
//! Inflates an archive of exactly one file, within a ratio and a size. A genuine archive (several
//! files, encrypted, unknown method) is refused, and the caller keeps the bytes as they are. Must
//! not know: names; the entry's name is a random id and is never used.

use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest as _, Sha256};

use super::limits::Limits;
use super::model::AttachmentRef;
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

impl InflateError {
    /// Stable code of [edxml-model 6]; `None` when the packet is not to blame or the bytes are an
    /// ordinary archive.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Bomb { .. } | Self::Damaged(_) => Some("E-ATTACH"),
            Self::NotSingle(_) | Self::Output(_) => None,
        }
    }
}

/// Size and SHA-256 of the inflated file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inflated {
    /// Bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Digest,
}

/// Size and SHA-256 of the archive made of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zipped {
    /// Bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Digest,
}

/// Whether the widespread library would zip a file of this name: all but pdf, doc, docx and zip
/// [vn-practice 1.3].
#[must_use]
pub fn is_zipped_by_java(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    !ending.is_some_and(|ending| {
        LEFT_ALONE
            .iter()
            .any(|left| left.eq_ignore_ascii_case(ending))
    })
}

/// The inverse of [`inflate`]: one file as that library sends it, `entry` being the random id that
/// it gives the entry. The archive depends on nothing but its input. Announce it as
/// `application/zip` and keep the file's own name.
///
/// # Errors
/// When `input` or `out` fails, or the file has 4 GiB or more.
// [spec:edxml-22]
pub fn deflate(
    entry: &str,
    input: &mut dyn Read,
    out: &mut (impl Read + Write + Seek),
) -> io::Result<Zipped> {
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default());
    let mut archive = zip::ZipWriter::new(out);
    archive.start_file(entry, options)?;
    io::copy(input, &mut archive)?;
    let out = archive.finish()?;
    out.seek(SeekFrom::Start(0))?;
    // The writer goes back to fill in lengths, so the digest is taken afterwards.
    let Inflated { size, sha256 } =
        copy(out, &mut io::sink(), u64::MAX).map_err(io::Error::other)?;
    Ok(Zipped { size, sha256 })
}

/// The attachment as that library would send it: zipped into `out` and announced so, or `None` for a
/// file that it leaves alone. Give the writer the returned description and the bytes in `out`.
///
/// # Errors
/// As [`deflate`].
pub fn as_java_sends(
    attachment: &AttachmentRef,
    entry: &str,
    input: &mut dyn Read,
    out: &mut (impl Read + Write + Seek),
) -> io::Result<Option<AttachmentRef>> {
    if !is_zipped_by_java(&attachment.name) {
        return Ok(None);
    }
    let Zipped { size, sha256 } = deflate(entry, input, out)?;
    Ok(Some(AttachmentRef {
        mime: "application/zip".to_owned(),
        size,
        sha256,
        implicit_zip: true,
        ..attachment.clone()
    }))
}

/// Inflates the only entry of the archive in `reader` into `out`.
///
/// # Errors
/// See [`InflateError`]; what was written until then is to be thrown away.
// [spec:edxml-21]
pub fn inflate(
    mut reader: impl Read + Seek,
    out: &mut dyn Write,
    limits: &Limits,
) -> Result<Inflated, InflateError> {
    let bytes = one_entry(&mut reader)?;
    let config = zip::read::Config {
        archive_offset: zip::read::ArchiveOffset::Known(0),
    };
    let mut archive = zip::ZipArchive::with_config(config, reader).map_err(not_single)?;
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
    if entry.compressed_size() > bytes {
        return Err(InflateError::Damaged("longer than its archive".to_owned()));
    }
    let declared = entry.size();
    if declared > max {
        return Err(InflateError::Bomb { max });
    }
    let inflated = copy(&mut entry, out, max)?;
    if inflated.size == declared {
        Ok(inflated)
    } else {
        Err(InflateError::Damaged(format!(
            "{declared} bytes declared, {} found",
            inflated.size
        )))
    }
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

/// Reads the end record first: an archive of millions of entries must not be indexed to find out
/// that it is one. The record has to be the last thing in the file and the directory has to stand
/// right before it, so that no second record can be found behind this one's back. Returns the size
/// of the archive in bytes.
fn one_entry(reader: &mut (impl Read + Seek)) -> Result<u64, InflateError> {
    let damaged = |error: io::Error| InflateError::Damaged(error.to_string());
    let not_single = |why: &str| InflateError::NotSingle(why.to_owned());
    let length = reader.seek(SeekFrom::End(0)).map_err(damaged)?;
    let tail_length = length.min(END_RECORD_BYTES + COMMENT_BYTES_MAX);
    let tail_start = length - tail_length;
    let tail = piece(reader, tail_start, tail_length).map_err(damaged)?;
    let fixed = usize::try_from(END_RECORD_BYTES).unwrap_or(22);
    let ends_the_file = |at: &usize| {
        let record = tail.get(*at..).unwrap_or_default();
        let comment = number(record, 20, 2);
        record.starts_with(END_RECORD_MARK)
            && u64::try_from(record.len()) == Ok(END_RECORD_BYTES + comment)
    };
    let starts = 0..=tail.len().saturating_sub(fixed);
    let at = { starts }
        .rev()
        .find(ends_the_file)
        .ok_or_else(|| not_single("no end record"))?;
    let record = tail.get(at..).unwrap_or_default();
    let record_at = tail_start.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
    // Disk numbers, then entries on this disk and in all [APPNOTE 4.3.16].
    if number(record, 4, 4) != 0 || number(record, 8, 2) != 1 || number(record, 10, 2) != 1 {
        return Err(not_single("more than one entry"));
    }
    let (size, offset) = (number(record, 12, 4), number(record, 16, 4));
    if offset + size != record_at {
        return Err(not_single(
            "the directory does not stand before the end record",
        ));
    }
    let entry = piece(reader, offset, size.min(DIRECTORY_BYTES_MAX)).map_err(damaged)?;
    let whole = u64::try_from(entry.len()) == Ok(size);
    if !whole || !entry.starts_with(DIRECTORY_MARK) {
        return Err(not_single("no directory"));
    }
    reader.seek(SeekFrom::Start(0)).map_err(damaged)?;
    Ok(length)
}

fn piece(reader: &mut (impl Read + Seek), start: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.seek(SeekFrom::Start(start))?;
    reader.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A little-endian number of at most four bytes; 0 beyond the end.
fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    let field = bytes.get(at..at + width).unwrap_or_default();
    field
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn not_single(error: zip::result::ZipError) -> InflateError {
    InflateError::NotSingle(error.to_string())
}

const LEFT_ALONE: [&str; 4] = ["pdf", "doc", "docx", "zip"];
const END_RECORD_MARK: &[u8] = b"PK\x05\x06";
const DIRECTORY_MARK: &[u8] = b"PK\x01\x02";
/// One entry with the longest name, extra field and comment.
const DIRECTORY_BYTES_MAX: u64 = 46 + 3 * 65_535;
const END_RECORD_BYTES: u64 = 22;
const COMMENT_BYTES_MAX: u64 = 65_535;
