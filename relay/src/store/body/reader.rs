//! Reading a stored body: nothing is given out that does not have its digest.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use formats::body::{self, BodyHasher, Layout};
use formats::id::Digest;
use formats::merkle;

use super::part::file_offset;
use super::{Bodies, BodyError, blocking};
use crate::store::BodyPlace;

/// A stored body whose leaf hashes lead to the header's digest. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BodyReader {
    layout: Layout,
    leaves: Arc<[Digest]>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Memory(Bytes),
    File(Arc<File>),
}

impl BodyReader {
    pub(super) async fn open(
        bodies: &Bodies,
        place: &BodyPlace,
        body_digest: Digest,
        layout: Layout,
    ) -> Result<Self, BodyError> {
        match place {
            BodyPlace::Inline(body) => Self::of_memory(body.clone(), body_digest, layout),
            BodyPlace::File { name, .. } => {
                let path = bodies.path(name);
                let (name, opened) = (name.clone(), blocking(move || File::open(path)).await);
                let file = opened.map_err(|source| BodyError::Missing { name, source })?;
                let file = Arc::new(file);
                let read = Arc::clone(&file);
                let leaves = blocking(move || leaves_of(&read, body_digest, layout)).await?;
                Ok(Self {
                    layout,
                    leaves: leaves.into(),
                    source: Source::File(file),
                })
            }
        }
    }

    fn of_memory(body: Bytes, body_digest: Digest, layout: Layout) -> Result<Self, BodyError> {
        let mut hasher = BodyHasher::new(layout);
        let leaves = if hasher.update(&body) {
            hasher.finish()
        } else {
            None
        };
        let leaves = leaves.filter(|leaves| body::body_digest(leaves) == body_digest);
        let leaves = leaves.ok_or(BodyError::Damaged { piece: 0 })?;
        Ok(Self {
            layout,
            leaves: leaves.into(),
            source: Source::Memory(body),
        })
    }

    /// The sizes.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The leaf hashes, one a piece: what the next station wants before the bytes.
    #[must_use]
    pub fn leaves(&self) -> &[Digest] {
        &self.leaves
    }

    /// A piece, verified. Beyond the last one: empty.
    pub async fn piece(&self, piece: u32) -> Result<Bytes, BodyError> {
        let Some(leaf) = usize::try_from(piece)
            .ok()
            .and_then(|at| self.leaves.get(at))
            .copied()
        else {
            return Ok(Bytes::new());
        };
        match &self.source {
            Source::Memory(body) => {
                // Verified when it was opened, and memory does not change.
                let range = self.layout.piece_range(piece);
                let start = usize::try_from(range.start).unwrap_or(usize::MAX);
                let end = usize::try_from(range.end).unwrap_or(usize::MAX);
                Ok(body.slice(start.min(body.len())..end.min(body.len())))
            }
            Source::File(file) => {
                let (file, layout) = (Arc::clone(file), self.layout);
                blocking(move || {
                    let read = read_piece(&file, layout, piece);
                    read.ok()
                        .filter(|bytes| merkle::leaf_hash(bytes) == leaf)
                        .map(Bytes::from)
                })
                .await
                .ok_or(BodyError::Damaged { piece })
            }
        }
    }
}

/// The leaf hashes beside the body, or, if those do not lead to the digest, the ones its bytes have.
fn leaves_of(file: &File, body_digest: Digest, layout: Layout) -> Result<Vec<Digest>, BodyError> {
    if let Some(leaves) = told_leaves(file, body_digest, layout) {
        return Ok(leaves);
    }
    let mut leaves = Vec::new();
    for piece in 0..layout.piece_count() {
        let bytes = read_piece(file, layout, piece).map_err(|_| BodyError::Damaged { piece })?;
        leaves.push(merkle::leaf_hash(&bytes));
    }
    if body::body_digest(&leaves) == body_digest {
        return Ok(leaves);
    }
    // Which piece is wrong cannot be said without good leaf hashes.
    Err(BodyError::Damaged { piece: 0 })
}

/// What of an unfinished body is here and good: its leaf hashes and the number of whole pieces.
pub(super) fn verified_prefix(
    file: &File,
    body_digest: Digest,
    layout: Layout,
) -> Option<(Vec<Digest>, u32)> {
    let leaves = told_leaves(file, body_digest, layout)?;
    let good = (0..layout.piece_count())
        .zip(&leaves)
        .take_while(|(piece, leaf)| {
            read_piece(file, layout, *piece).is_ok_and(|bytes| merkle::leaf_hash(&bytes) == **leaf)
        });
    let pieces = u32::try_from(good.count()).unwrap_or(0);
    Some((leaves, pieces))
}

/// Reads a whole stored body; the error says in words what is wrong with it.
pub(in crate::store) fn verify_file(
    path: &Path,
    body_digest: Digest,
    layout: Layout,
) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let leaves = leaves_of(&file, body_digest, layout).map_err(|error| error.to_string())?;
    for (piece, leaf) in (0..layout.piece_count()).zip(&leaves) {
        let read = read_piece(&file, layout, piece);
        if !read.is_ok_and(|bytes| merkle::leaf_hash(&bytes) == *leaf) {
            return Err(BodyError::Damaged { piece }.to_string());
        }
    }
    if told_leaves(&file, body_digest, layout).is_none() {
        return Err("the leaf hashes beside it are damaged; they follow from the body".to_owned());
    }
    let want = layout.body_bytes() + u64::from(layout.piece_count()) * 32;
    let have = file.metadata().map_err(|error| error.to_string())?.len();
    if have == want {
        Ok(())
    } else {
        Err(format!("the file has {have} bytes, wanted {want}"))
    }
}

fn told_leaves(file: &File, body_digest: Digest, layout: Layout) -> Option<Vec<Digest>> {
    let count = usize::try_from(layout.piece_count()).ok()?;
    let mut bytes = vec![0; count * 32];
    file.read_exact_at(&mut bytes, layout.body_bytes()).ok()?;
    let (leaves, _) = bytes.as_chunks::<32>();
    let leaves: Vec<Digest> = leaves
        .iter()
        .map(|leaf| Digest::from_bytes(*leaf))
        .collect();
    (body::body_digest(&leaves) == body_digest).then_some(leaves)
}

fn read_piece(file: &File, layout: Layout, piece: u32) -> io::Result<Vec<u8>> {
    let range = layout.piece_range(piece);
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, file_offset(layout, piece))?;
    Ok(bytes)
}
