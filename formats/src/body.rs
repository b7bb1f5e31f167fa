//! Layout of a stored or sent body: `capsule ‖ chunk 1 ‖ chunk 2 ‖ …`, and its pieces.
//!
//! Piece 0 is the capsule, piece i is chunk i. Every chunk but the last has
//! [`SEALED_CHUNK_BYTES`]. The body digest is the RFC 6962 root over the leaf hashes of the pieces,
//! so each piece is verified before it counts as received. Bodies of class receipt and control have
//! no capsule (piece 0 is empty) and their chunks are plain bytes. This file counts bytes; it does
//! not hold them, and it knows nothing of keys. Fails with [`LayoutError`].

use std::ops::Range;

use crate::header::Class;
use crate::id::Digest;
use crate::limits;
use crate::merkle::{self, LeafHasher};

/// Plaintext bytes of a chunk.
pub const CHUNK_BYTES: u64 = limits::CHUNK_BYTES;

/// Bytes of a chunk as it is stored and sent: plaintext and AES-GCM tag.
pub const SEALED_CHUNK_BYTES: u64 = limits::CHUNK_BYTES + limits::TAG_BYTES;

/// Sizes that no body can have. The fault is the sender's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Capsule present where there must be none, or absent, or too long.
    #[error("capsule of {0} bytes is not possible for this class")]
    Capsule(u32),
    /// A body too small for its capsule and one chunk, or whose last chunk has no content.
    #[error("body of {body_bytes} bytes does not fit a capsule of {capsule_bytes}")]
    Mismatch {
        /// Bytes of the capsule.
        capsule_bytes: u32,
        /// Bytes of the whole body.
        body_bytes: u64,
    },
    /// Larger than any body may be.
    #[error("body of {0} bytes is too large")]
    TooLarge(u64),
}

/// Sizes of one body, checked: every piece lies inside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    capsule_bytes: u32,
    body_bytes: u64,
    pieces: u32,
}

impl Layout {
    /// Checks the sizes that a header and an offer claim for a body of this class.
    pub fn new(class: Class, capsule_bytes: u32, body_bytes: u64) -> Result<Self, LayoutError> {
        let mismatch = LayoutError::Mismatch {
            capsule_bytes,
            body_bytes,
        };
        if class.is_sealed() {
            if capsule_bytes == 0 || capsule_bytes > limits::CAPSULE_BYTES_MAX {
                return Err(LayoutError::Capsule(capsule_bytes));
            }
            let chunks = body_bytes
                .checked_sub(capsule_bytes.into())
                .ok_or_else(|| mismatch.clone())?;
            let count = chunks.div_ceil(SEALED_CHUNK_BYTES);
            // Each chunk carries its tag; only the single chunk of an empty packet has no content.
            let packet = chunks
                .checked_sub(count * limits::TAG_BYTES)
                .filter(|packet| count > 0 && packet.div_ceil(CHUNK_BYTES).max(1) == count)
                .ok_or(mismatch)?;
            if packet > limits::PACKET_BYTES_MAX {
                return Err(LayoutError::TooLarge(body_bytes));
            }
        } else {
            if capsule_bytes != 0 {
                return Err(LayoutError::Capsule(capsule_bytes));
            }
            if body_bytes == 0 {
                return Err(mismatch);
            }
            if body_bytes > limits::OPEN_BODY_BYTES_MAX {
                return Err(LayoutError::TooLarge(body_bytes));
            }
        }
        let chunks = (body_bytes - u64::from(capsule_bytes)).div_ceil(SEALED_CHUNK_BYTES);
        let pieces = u32::try_from(chunks)
            .ok()
            .and_then(|chunks| chunks.checked_add(1))
            .filter(|pieces| *pieces <= limits::PIECES_MAX)
            .ok_or(LayoutError::TooLarge(body_bytes))?;
        Ok(Self {
            capsule_bytes,
            body_bytes,
            pieces,
        })
    }

    /// The layout of a sealed packet of this size.
    pub fn of_packet(capsule_bytes: u32, packet_bytes: u64) -> Result<Self, LayoutError> {
        if packet_bytes > limits::PACKET_BYTES_MAX {
            return Err(LayoutError::TooLarge(packet_bytes));
        }
        let chunks = packet_bytes.div_ceil(CHUNK_BYTES).max(1);
        let body_bytes = u64::from(capsule_bytes) + packet_bytes + chunks * limits::TAG_BYTES;
        Self::new(Class::Document, capsule_bytes, body_bytes)
    }

    /// Bytes of the capsule; 0 for class receipt and control.
    #[must_use]
    pub fn capsule_bytes(&self) -> u32 {
        self.capsule_bytes
    }

    /// Bytes of the whole body.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Number of pieces: the capsule (even if empty) and the chunks.
    #[must_use]
    pub fn piece_count(&self) -> u32 {
        self.pieces
    }

    /// Bytes of the body that piece `piece` takes; beyond the last piece an empty range at the end.
    #[must_use]
    pub fn piece_range(&self, piece: u32) -> Range<u64> {
        self.piece_start(piece)..self.piece_start(piece.saturating_add(1))
    }

    /// Whether `piece` is the last one.
    #[must_use]
    pub fn is_last(&self, piece: u32) -> bool {
        piece.saturating_add(1) == self.pieces
    }

    /// Number of pieces that lie wholly within the first `bytes` bytes: where a transfer resumes.
    #[must_use]
    pub fn pieces_within(&self, bytes: u64) -> u32 {
        if bytes >= self.body_bytes {
            return self.pieces;
        }
        match bytes.checked_sub(self.capsule_bytes.into()) {
            None => 0,
            Some(chunks) => {
                let whole = u32::try_from(chunks / SEALED_CHUNK_BYTES).unwrap_or(u32::MAX);
                whole.saturating_add(1).min(self.pieces)
            }
        }
    }

    fn piece_start(&self, piece: u32) -> u64 {
        let Some(chunk) = piece.checked_sub(1) else {
            return 0;
        };
        let start = u64::from(self.capsule_bytes) + u64::from(chunk) * SEALED_CHUNK_BYTES;
        start.min(self.body_bytes)
    }
}

/// Computes the leaf hashes of a body from its bytes as they stream by.
#[derive(Debug, Clone)]
pub struct BodyHasher {
    layout: Layout,
    at: u64,
    leaf: LeafHasher,
    leaves: Vec<Digest>,
}

impl BodyHasher {
    /// Starts at the first byte of a body of this layout.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let mut hasher = Self {
            layout,
            at: 0,
            leaf: LeafHasher::new(),
            leaves: Vec::new(),
        };
        hasher.close_full_pieces();
        hasher
    }

    /// Takes the next bytes, in parts of any size. Returns `false` if they run past the body's end
    /// (the excess is not hashed).
    #[must_use]
    pub fn update(&mut self, mut data: &[u8]) -> bool {
        while !data.is_empty() {
            let piece = u32::try_from(self.leaves.len()).unwrap_or(u32::MAX);
            let left = self.layout.piece_range(piece).end - self.at;
            if left == 0 {
                return false;
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
            let (now, later) = data.split_at_checked(count).unwrap_or((data, &[]));
            self.leaf.update(now);
            // Lossless: usize is at most 64 bits wide on every target of Rust.
            self.at = self
                .at
                .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            data = later;
            self.close_full_pieces();
        }
        true
    }

    /// The leaf hashes, if exactly the whole body has been given.
    #[must_use]
    pub fn finish(self) -> Option<Vec<Digest>> {
        (self.at == self.layout.body_bytes).then_some(self.leaves)
    }

    fn close_full_pieces(&mut self) {
        loop {
            let piece = u32::try_from(self.leaves.len()).unwrap_or(u32::MAX);
            if piece >= self.layout.pieces || self.layout.piece_range(piece).end != self.at {
                return;
            }
            self.leaves.push(std::mem::take(&mut self.leaf).finish());
        }
    }
}

/// The body digest: root over the leaf hashes of all pieces.
#[must_use]
pub fn body_digest(leaves: &[Digest]) -> Digest {
    merkle::root(leaves)
}

/// The body digest of a body that is in memory; `None` if its length is not the layout's.
#[must_use]
pub fn body_digest_of(layout: Layout, body: &[u8]) -> Option<Digest> {
    let mut hasher = BodyHasher::new(layout);
    if !hasher.update(body) {
        return None;
    }
    hasher.finish().map(|leaves| body_digest(&leaves))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn pieces_cover_the_body_without_gap_or_overlap() {
        for packet in [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 5 * MIB + 7] {
            let layout = Layout::of_packet(900, packet).unwrap();
            let chunks = u32::try_from(packet.div_ceil(MIB).max(1)).unwrap();
            assert_eq!(layout.piece_count(), chunks + 1);
            assert_eq!(layout.piece_range(0), 0..900);
            let mut end = 0;
            for piece in 0..layout.piece_count() {
                let range = layout.piece_range(piece);
                assert_eq!(range.start, end);
                end = range.end;
                assert_eq!(layout.pieces_within(end), piece + 1);
                assert_eq!(layout.pieces_within(end - 1), piece);
                assert_eq!(layout.is_last(piece), end == layout.body_bytes());
            }
            assert_eq!(end, layout.body_bytes());
            assert!(layout.piece_range(layout.piece_count()).is_empty());
            assert!(layout.piece_range(u32::MAX).is_empty());
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let sealed = |capsule, body| Layout::new(Class::Document, capsule, body);
        let one = SEALED_CHUNK_BYTES;
        assert!(sealed(0, 16).is_err());
        assert!(sealed(900, 899).is_err());
        assert!(sealed(900, 900).is_err());
        assert!(sealed(900, 915).is_err(), "less than a tag");
        assert!(sealed(900, 916).is_ok(), "the empty packet");
        assert!(sealed(900, 900 + one + 15).is_err());
        assert!(sealed(900, 900 + one + 16).is_err(), "an empty last chunk");
        assert!(sealed(900, 900 + one + 17).is_ok());
        assert!(sealed(limits::CAPSULE_BYTES_MAX + 1, 4 * MIB).is_err());
        assert!(sealed(900, u64::MAX).is_err());
        assert!(Layout::of_packet(900, limits::PACKET_BYTES_MAX).is_ok());
        assert!(Layout::of_packet(900, limits::PACKET_BYTES_MAX + 1).is_err());
        let open = |capsule, body| Layout::new(Class::Receipt, capsule, body);
        assert!(open(1, 2).is_err());
        assert!(open(0, 0).is_err());
        assert_eq!(open(0, 1).unwrap().piece_count(), 2);
        assert!(open(0, limits::OPEN_BODY_BYTES_MAX + 1).is_err());
    }

    /// The same leaves come out however the bytes are cut.
    #[test]
    fn leaves_do_not_depend_on_how_the_bytes_arrive() {
        let layout = Layout::of_packet(900, MIB + 5).unwrap();
        let body: Vec<u8> = (0..layout.body_bytes())
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect();
        let one = usize::try_from(900 + SEALED_CHUNK_BYTES).unwrap();
        let expected = vec![
            leaf_hash(&body[..900]),
            leaf_hash(&body[900..one]),
            leaf_hash(&body[one..]),
        ];
        for step in [body.len(), 1000, 65_537] {
            let mut hasher = BodyHasher::new(layout);
            assert!(body.chunks(step).all(|part| hasher.update(part)));
            assert_eq!(hasher.finish().as_ref(), Some(&expected));
        }
        assert_eq!(body_digest_of(layout, &body), Some(merkle::root(&expected)));
        assert_eq!(body_digest_of(layout, &body[1..]), None);
        assert_eq!(body_digest_of(layout, &[&body[..], &[0]].concat()), None);
    }

    #[test]
    fn an_open_body_has_an_empty_first_leaf() {
        let layout = Layout::new(Class::Receipt, 0, 3).unwrap();
        let leaves = [leaf_hash(b""), leaf_hash(b"abc")];
        assert_eq!(body_digest_of(layout, b"abc"), Some(merkle::root(&leaves)));
    }
}
