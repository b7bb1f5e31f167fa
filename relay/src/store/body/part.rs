//! Writing a body: [`PartWriter`] for one that comes over a link with known digest and sizes, and can be
//! continued after a broken link or a restart; [`BodyWriter`] for one that is being sealed here. Both
//! keep small bodies in memory and end in a [`BodyPlace`].

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use formats::body::{self, Layout};
use formats::id::Digest;
use formats::merkle;

use super::{
    Bodies, BodyError, DISK_FULL_RETRY_MS, PART_SUFFIX, blocking, random_name, reader, remove_file,
    write_error,
};
use crate::store::{BodyPlace, INLINE_BODY_BYTES_MAX};

/// Receives one body piece by piece. Dropping it keeps what was verified, for a later continuation.
#[derive(Debug)]
pub struct PartWriter {
    bodies: Bodies,
    body_digest: Digest,
    layout: Layout,
    leaves: Option<Vec<Digest>>,
    // Leaf hashes of the pieces that came so far, when none were told before.
    computed: Vec<Digest>,
    next: u32,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Memory(BytesMut),
    File(PartFile),
}

/// An open part: its name is taken in the registry and its bytes are reserved until it is dropped.
#[derive(Debug)]
struct PartFile {
    bodies: Bodies,
    name: String,
    file: Arc<File>,
    reserved_bytes: u64,
    /// Somebody may continue it after a drop.
    resumable: bool,
}

impl Drop for PartFile {
    fn drop(&mut self) {
        {
            let mut registry = self.bodies.registry();
            registry.open.remove(&self.name);
            registry.reserved_bytes = registry.reserved_bytes.saturating_sub(self.reserved_bytes);
        }
        if !self.resumable {
            let path = self.bodies.path(&self.name);
            // Removing a large file takes milliseconds: not on a thread that serves others.
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(move || remove_file(&path))),
                Err(_none) => remove_file(&path),
            }
        }
    }
}

impl PartWriter {
    pub(super) async fn open(
        bodies: Bodies,
        body_digest: Digest,
        layout: Layout,
    ) -> Result<Self, BodyError> {
        let mut writer = Self {
            bodies,
            body_digest,
            layout,
            leaves: None,
            computed: Vec::new(),
            next: 0,
            sink: Sink::Memory(BytesMut::new()),
        };
        if layout.body_bytes() <= INLINE_BODY_BYTES_MAX {
            return Ok(writer);
        }
        // The capsule's size is part of the name: a body has one layout, but a peer may claim another.
        let name = format!("{body_digest}-{}{PART_SUFFIX}", layout.capsule_bytes());
        let part = PartFile::open(&writer.bodies, name, layout.body_bytes(), true).await?;
        let file = Arc::clone(&part.file);
        let found = blocking(move || reader::verified_prefix(&file, body_digest, layout)).await;
        writer.sink = Sink::File(part);
        if let Some((leaves, pieces)) = found {
            writer.computed = leaves.iter().copied().take(usize_of(pieces)).collect();
            writer.leaves = Some(leaves);
            writer.next = pieces;
            writer.release_room(layout.piece_range(pieces).start);
        }
        Ok(writer)
    }

    /// How many pieces are here and verified: the number to ask the peer to go on from.
    #[must_use]
    pub fn verified_pieces(&self) -> u32 {
        self.next
    }

    /// The sizes of the body.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// All pieces are here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.next == self.layout.piece_count()
    }

    /// Takes the leaf hashes that the peer sent. They must lead to the body digest, so they are the
    /// only ones possible; from then on each piece is verified as it comes.
    pub async fn set_leaves(&mut self, leaves: Vec<Digest>) -> Result<(), BodyError> {
        let wanted = usize_of(self.layout.piece_count());
        if leaves.len() != wanted || body::body_digest(&leaves) != self.body_digest {
            return Err(BodyError::Mismatch { piece: 0 });
        }
        if self.leaves.is_some() {
            return Ok(());
        }
        if !leaves.starts_with(&self.computed) {
            let differs = self
                .computed
                .iter()
                .zip(&leaves)
                .position(|(here, told)| here != told);
            return Err(BodyError::Mismatch {
                piece: number(differs.unwrap_or(0)),
            });
        }
        if let Sink::File(part) = &self.sink {
            let (file, bytes) = (Arc::clone(&part.file), leaf_bytes(&leaves));
            let at = self.layout.body_bytes();
            blocking(move || file.write_all_at(&bytes, at))
                .await
                .map_err(|error| write_error("write of leaf hashes", at, &error))?;
        }
        self.leaves = Some(leaves);
        Ok(())
    }

    /// Takes the next piece, whole. It is verified here if the leaf hashes are known, else at the end.
    pub async fn append(&mut self, piece: Bytes) -> Result<(), BodyError> {
        let number = self.next;
        let range = self.layout.piece_range(number);
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if self.is_complete() || length != range.end - range.start {
            return Err(BodyError::Mismatch { piece: number });
        }
        let told = self
            .leaves
            .as_ref()
            .and_then(|leaves| leaves.get(usize_of(number)))
            .copied();
        let leaf = match &mut self.sink {
            Sink::Memory(memory) => {
                let leaf = merkle::leaf_hash(&piece);
                if told.is_some_and(|told| told != leaf) {
                    return Err(BodyError::Mismatch { piece: number });
                }
                memory.extend_from_slice(&piece);
                leaf
            }
            Sink::File(part) => {
                let at = file_offset(self.layout, number);
                let file = Arc::clone(&part.file);
                blocking(move || write_piece(&file, &piece, at, told))
                    .await
                    .map_err(|error| write_error("write of a body", length, &error))?
                    .ok_or(BodyError::Mismatch { piece: number })?
            }
        };
        self.computed.push(leaf);
        self.next += 1;
        self.release_room(length);
        Ok(())
    }

    /// Makes the complete body durable and gives its place.
    pub async fn finish(self) -> Result<BodyPlace, BodyError> {
        let want = self.layout.piece_count();
        if self.next != want {
            return Err(BodyError::Incomplete {
                have: self.next,
                want,
            });
        }
        let told = self.leaves.is_some();
        let wrong = !told && body::body_digest(&self.computed) != self.body_digest;
        match self.sink {
            Sink::Memory(_) if wrong => Err(BodyError::Mismatch { piece: 0 }),
            Sink::Memory(memory) => Ok(BodyPlace::Inline(memory.freeze())),
            Sink::File(mut part) if wrong => {
                // Nothing of it can be continued: without leaf hashes no piece is known to be good.
                part.resumable = false;
                Err(BodyError::Mismatch { piece: 0 })
            }
            Sink::File(part) => {
                let leaves = (!told).then(|| leaf_bytes(&self.computed));
                part.finish(self.layout.body_bytes(), leaves).await
            }
        }
    }

    fn release_room(&mut self, bytes: u64) {
        if let Sink::File(part) = &mut self.sink {
            part.release_room(bytes);
        }
    }
}

/// A body being made here: chunks first, the capsule at the end.
#[derive(Debug)]
pub struct BodyWriter {
    bodies: Bodies,
    // Chunks in memory until they are too many for a row.
    memory: BytesMut,
    file: Option<PartFile>,
    leaves: Vec<Digest>,
    bytes: u64,
}

/// A body made here, durable unless it is inline.
#[derive(Debug, Clone)]
pub struct FinishedBody {
    /// Where it is.
    pub place: BodyPlace,
    /// For the header.
    pub body_digest: Digest,
    /// Size of piece 0.
    pub capsule_bytes: u32,
    /// For the header: capsule and chunks.
    pub body_bytes: u64,
}

impl BodyWriter {
    pub(super) fn new(bodies: Bodies) -> Self {
        let memory = BytesMut::new();
        Self {
            bodies,
            memory,
            file: None,
            leaves: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes the next chunk, as sealed (or plain, for bodies without capsule). All but the last have
    /// [`formats::body::SEALED_CHUNK_BYTES`].
    pub async fn append(&mut self, chunk: Bytes) -> Result<(), BodyError> {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if self.file.is_none() && self.bytes.saturating_add(length) > INLINE_BODY_BYTES_MAX {
            self.spill().await?;
        }
        let leaf = if let Some(part) = &self.file {
            let (file, at) = (Arc::clone(&part.file), self.bytes);
            blocking(move || write_piece(&file, &chunk, at, None))
                .await
                .map_err(|error| write_error("write of a body", length, &error))?
                .ok_or_else(|| BodyError::Mismatch {
                    piece: number(self.leaves.len() + 1),
                })?
        } else {
            self.memory.extend_from_slice(&chunk);
            merkle::leaf_hash(&chunk)
        };
        self.leaves.push(leaf);
        self.bytes += length;
        Ok(())
    }

    /// Adds the capsule (empty for classes without one) and makes the body durable.
    pub async fn finish(mut self, capsule: Bytes) -> Result<FinishedBody, BodyError> {
        let capsule_bytes = u32::try_from(capsule.len()).unwrap_or(u32::MAX);
        let body_bytes = self.bytes + u64::from(capsule_bytes);
        self.leaves.insert(0, merkle::leaf_hash(&capsule));
        let body_digest = body::body_digest(&self.leaves);
        if self.file.is_none() && body_bytes > INLINE_BODY_BYTES_MAX {
            self.spill().await?;
        }
        let place = if let Some(part) = self.file {
            let (file, at) = (Arc::clone(&part.file), self.bytes);
            blocking(move || file.write_all_at(&capsule, at))
                .await
                .map_err(|error| write_error("write of a capsule", body_bytes, &error))?;
            part.finish(body_bytes, Some(leaf_bytes(&self.leaves)))
                .await?
        } else {
            let mut inline = BytesMut::with_capacity(capsule.len() + self.memory.len());
            inline.extend_from_slice(&capsule);
            inline.extend_from_slice(&self.memory);
            BodyPlace::Inline(inline.freeze())
        };
        Ok(FinishedBody {
            place,
            body_digest,
            capsule_bytes,
            body_bytes,
        })
    }

    /// Moves what is in memory into a file.
    async fn spill(&mut self) -> Result<(), BodyError> {
        let name = format!("{}{PART_SUFFIX}", random_name());
        let part = PartFile::open(&self.bodies, name, INLINE_BODY_BYTES_MAX, false).await?;
        let (file, memory) = (Arc::clone(&part.file), std::mem::take(&mut self.memory));
        blocking(move || file.write_all_at(&memory, 0))
            .await
            .map_err(|error| write_error("write of a body", self.bytes, &error))?;
        self.file = Some(part);
        Ok(())
    }
}

impl PartFile {
    async fn open(
        bodies: &Bodies,
        name: String,
        bytes: u64,
        resumable: bool,
    ) -> Result<Self, BodyError> {
        if !bodies.has_room(bytes) {
            return Err(BodyError::DiskFull {
                bytes,
                retry_after_ms: DISK_FULL_RETRY_MS,
            });
        }
        {
            let mut registry = bodies.registry();
            if !registry.open.insert(name.clone()) {
                return Err(BodyError::InUse);
            }
            registry.reserved_bytes = registry.reserved_bytes.saturating_add(bytes);
        }
        let path = bodies.path(&name);
        let opened = blocking(move || {
            let mut options = OpenOptions::new();
            // Continued, never emptied: what is there was verified once and is verified again.
            options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
        });
        match opened.await {
            Ok(file) => {
                let (bodies, file) = (bodies.clone(), Arc::new(file));
                Ok(Self {
                    bodies,
                    name,
                    file,
                    reserved_bytes: bytes,
                    resumable,
                })
            }
            Err(error) => {
                let mut registry = bodies.registry();
                registry.open.remove(&name);
                registry.reserved_bytes = registry.reserved_bytes.saturating_sub(bytes);
                drop(registry);
                Err(open_error(name, bytes, error))
            }
        }
    }

    /// Writes what is missing, syncs, renames and waits for the folder.
    async fn finish(
        mut self,
        body_bytes: u64,
        leaves: Option<Vec<u8>>,
    ) -> Result<BodyPlace, BodyError> {
        let name = random_name();
        let path = self.bodies.path(&name);
        blocking(move || {
            let durable = || -> io::Result<()> {
                if let Some(leaves) = leaves {
                    self.file.write_all_at(&leaves, body_bytes)?;
                }
                self.file.sync_data()?;
                // Known before it can be found, so that a sweep between the two steps leaves it.
                self.bodies.put_back(name.clone());
                fs::rename(self.bodies.path(&self.name), path)
            };
            if let Err(error) = durable() {
                self.bodies.take_fresh(&name);
                return Err(write_error("sync of a body", body_bytes, &error));
            }
            // The part's name is gone: nothing to remove.
            self.resumable = true;
            self.bodies.shared.sync.wait();
            Ok(BodyPlace::File {
                name,
                bytes: body_bytes,
            })
        })
        .await
    }

    fn release_room(&mut self, bytes: u64) {
        let released = bytes.min(self.reserved_bytes);
        self.reserved_bytes -= released;
        let mut registry = self.bodies.registry();
        registry.reserved_bytes = registry.reserved_bytes.saturating_sub(released);
    }
}

fn open_error(name: String, bytes: u64, error: io::Error) -> BodyError {
    if super::fatal::is_full(&error) {
        BodyError::DiskFull {
            bytes,
            retry_after_ms: DISK_FULL_RETRY_MS,
        }
    } else {
        BodyError::Missing {
            name,
            source: error,
        }
    }
}

/// Hashes and writes; `None` if the leaf is not the told one, and then nothing is written.
fn write_piece(
    file: &File,
    piece: &[u8],
    at: u64,
    told: Option<Digest>,
) -> io::Result<Option<Digest>> {
    let leaf = merkle::leaf_hash(piece);
    if told.is_some_and(|told| told != leaf) {
        return Ok(None);
    }
    file.write_all_at(piece, at)?;
    Ok(Some(leaf))
}

/// Where a piece stands in a file: chunks first, then the capsule.
pub(super) fn file_offset(layout: Layout, piece: u32) -> u64 {
    let capsule_bytes = u64::from(layout.capsule_bytes());
    match piece {
        0 => layout.body_bytes() - capsule_bytes,
        _ => layout.piece_range(piece).start - capsule_bytes,
    }
}

fn leaf_bytes(leaves: &[Digest]) -> Vec<u8> {
    leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect()
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
