//! Where attachment bytes go while a packet is read, and how an attachment's name becomes safe for
//! a disk.
//!
//! The reader never holds a file: it pushes decoded pieces here, in file order, and keeps size and
//! SHA-256. Must not know: disks; the caller's sink decides.

use std::io;

use unicode_normalization::UnicodeNormalization;

use crate::id::Digest;

/// What the reader knows when an attachment's bytes have all passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Index in file order, the one given to `begin`.
    pub index: usize,
    /// Decoded bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Digest,
}

/// Receives decoded attachment bytes. One attachment at a time: `begin`, `write`*, then `end` or
/// `discard`. An error stops the reading ([`super::ReadError::Sink`]).
pub trait AttachmentSink {
    /// A new attachment starts. Its name is not known yet: elements may come in any order.
    fn begin(&mut self, index: usize) -> io::Result<()>;
    /// Decoded bytes, at most 48 KiB a call.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// All bytes came and decoded.
    fn end(&mut self, ended: Ended) -> io::Result<()>;
    /// The bytes do not decode: forget what was written. The packet will carry an E-ATTACH fault.
    fn discard(&mut self, index: usize) -> io::Result<()>;
}

/// Drops the bytes; for validating or for reading descriptions only.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullSink;

impl AttachmentSink for NullSink {
    fn begin(&mut self, _index: usize) -> io::Result<()> {
        Ok(())
    }
    fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn end(&mut self, _ended: Ended) -> io::Result<()> {
        Ok(())
    }
    fn discard(&mut self, _index: usize) -> io::Result<()> {
        Ok(())
    }
}

/// A name that is safe to use for a file: last path part, NFC, no control or reserved characters,
/// no leading dot, at most 200 bytes with the extension kept, never empty. The original stays for
/// display.
#[must_use]
pub fn safe_file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let cleaned: String = last
        .nfc()
        .filter(|c| !c.is_control() && !is_direction_mark(*c))
        .map(|c| {
            if matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') {
                '_'
            } else {
                c
            }
        })
        .collect();
    let trimmed = cleaned
        .trim()
        .trim_start_matches('.')
        .trim_end_matches(['.', ' ']);
    // Windows keeps these names for devices whatever the extension.
    let stem = trimmed
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4
            && (stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.ends_with(|c: char| c.is_ascii_digit()));
    let mut safe = if device {
        format!("_{trimmed}")
    } else {
        trimmed.to_owned()
    };
    if safe.is_empty() {
        "khong-ten".clone_into(&mut safe);
    }
    shorten(&safe)
}

/// Marks that make `gpj.exe` look like `exe.jpg`.
const fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn shorten(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let extension = name
        .rfind('.')
        .and_then(|at| name.get(at..))
        .filter(|extension| extension.len() <= EXTENSION_BYTES_MAX)
        .unwrap_or_default();
    let room = NAME_BYTES_MAX - extension.len();
    let end = (0..=room)
        .rev()
        .find(|&at| name.is_char_boundary(at))
        .unwrap_or(0);
    format!("{}{extension}", name.get(..end).unwrap_or_default())
}

/// File systems allow 255 bytes; the rest is room for a caller's prefix.
const NAME_BYTES_MAX: usize = 200;
const EXTENSION_BYTES_MAX: usize = 16;
