//! The file behind a document: read at any place through a small cache, never held whole.
//!
//! Owns: positions, the cache, and the budgets of bytes read, hashed and decoded, so that no file
//! can buy more work than a large honest one. Fails with [`Fault`]. Must not know PDF.

use std::io::{Read, Seek, SeekFrom};

use super::limits;

/// Why a part of a document cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The file cannot be read.
    Io,
    /// More than a limit allows.
    Limit(&'static str),
    /// Not what the format says.
    Malformed(&'static str),
}

/// A file that can be read anywhere.
pub(super) trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// Blocks of the file by number, each kept until another needs its place.
pub(super) struct Source<'f> {
    file: &'f mut dyn ReadSeek,
    bytes: u64,
    blocks: Vec<Option<(u64, Vec<u8>)>>,
    loadable: u64,
    hashable: u64,
    decodable: usize,
}

impl<'f> Source<'f> {
    pub(super) fn new(file: &'f mut dyn ReadSeek, bytes: u64) -> Self {
        Self {
            file,
            bytes,
            blocks: (0..BLOCKS).map(|_| None).collect(),
            loadable: limits::LOADED_BYTES_MAX,
            hashable: limits::HASHED_BYTES_MAX,
            decodable: limits::DECODED_BYTES_MAX,
        }
    }

    /// Length of the file.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The byte at a position; none after the end.
    pub(super) fn byte(&mut self, at: u64) -> Result<Option<u8>, Fault> {
        if at >= self.bytes {
            return Ok(None);
        }
        let number = at / BLOCK_BYTES;
        let slot = usize::try_from(number % BLOCKS).unwrap_or(0);
        let offset = usize::try_from(at % BLOCK_BYTES).unwrap_or(0);
        if let Some(Some((kept, block))) = self.blocks.get(slot)
            && *kept == number
        {
            return Ok(block.get(offset).copied());
        }
        let start = number.saturating_mul(BLOCK_BYTES);
        self.loadable = self
            .loadable
            .checked_sub(BLOCK_BYTES)
            .ok_or(Fault::Limit("bytes read"))?;
        let block = self.load(start, start.saturating_add(BLOCK_BYTES))?;
        let found = block.get(offset).copied();
        if let Some(place) = self.blocks.get_mut(slot) {
            *place = Some((number, block));
        }
        Ok(found)
    }

    /// The bytes from `start` to before `end`; fewer when the file ends. The caller bounds them.
    pub(super) fn load(&mut self, start: u64, end: u64) -> Result<Vec<u8>, Fault> {
        let length = end.min(self.bytes).saturating_sub(start);
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(start))
            .map_err(|_| Fault::Io)?;
        let mut limited = Read::take(&mut self.file, length);
        limited.read_to_end(&mut bytes).map_err(|_| Fault::Io)?;
        Ok(bytes)
    }

    /// Hands the bytes of a range on in pieces.
    pub(super) fn stream(
        &mut self,
        start: u64,
        end: u64,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        if start > end || end > self.bytes {
            return Err(Fault::Malformed("a range after the end of the file"));
        }
        self.hashable = self
            .hashable
            .checked_sub(end.saturating_sub(start))
            .ok_or(Fault::Limit("bytes hashed"))?;
        let mut at = start;
        while at < end {
            let to = at.saturating_add(PIECE_BYTES).min(end);
            let piece = self.load(at, to)?;
            if piece.is_empty() {
                return Err(Fault::Io);
            }
            take(&piece);
            at = at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Counts decoded bytes against the budget of the whole check.
    pub(super) fn spend_decoded(&mut self, bytes: usize) -> Result<(), Fault> {
        self.decodable = self
            .decodable
            .checked_sub(bytes)
            .ok_or(Fault::Limit("decoded bytes"))?;
        Ok(())
    }
}

/// 128 blocks of 8 KiB: cross-reference table, page tree and form lie in different places.
const BLOCKS: u64 = 128;
const BLOCK_BYTES: u64 = 8 * 1024;
const PIECE_BYTES: u64 = 256 * 1024;
