//! Bytes on their way through the desk: spooled by a door, extracted for a reader, kept as a packet.
//!
//! Up to `MEMORY_BYTES` they stay in memory while all such bodies together stay below `SHARED_BYTES`; more
//! goes to a private file (mode 0600) in the data directory's `tmp`, which is emptied at start. A temporary
//! file is removed when its last holder drops it. The digest is computed while the bytes stream. Errors are those of the disk; nothing
//! here knows what the bytes mean.

use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use formats::id::Digest;

/// Bodies up to this size ride inline in store and link, and always stay in memory.
pub const INLINE_BYTES: usize = 64 * 1024;

/// Bodies up to this size, most letters with a scan, stay in memory if there is room: a file that lives
/// for milliseconds costs more than its bytes. Less than a chunk.
pub const MEMORY_BYTES: usize = 512 * 1024;

/// What bodies above `INLINE_BYTES` may take of the memory together.
const SHARED_BYTES: usize = 24 * 1024 * 1024;

const READ_BYTES: usize = 64 * 1024;

/// Finished bytes with their size and digest; cheap to clone.
#[derive(Clone, Debug)]
pub struct Body {
    place: Place,
    bytes: u64,
    digest: Digest,
}

#[derive(Clone, Debug)]
enum Place {
    Memory {
        bytes: Bytes,
        _share: Option<Arc<Share>>,
    },
    File {
        path: PathBuf,
        _temporary: Option<Arc<Temporary>>,
    },
}

/// A file that goes away with its last holder.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // A file that stays behind is removed by the sweep at the next start.
        drop(std::fs::remove_file(&self.0));
    }
}

impl Body {
    /// Bytes that are already in memory.
    pub fn memory(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self {
            place: Place::Memory {
                bytes,
                _share: None,
            },
            bytes: length,
            digest,
        }
    }

    /// A durable file whose size and digest were verified by the caller.
    pub fn file(path: PathBuf, bytes: u64, digest: Digest) -> Self {
        Self {
            place: Place::File {
                path,
                _temporary: None,
            },
            bytes,
            digest,
        }
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes, if they are in memory.
    pub fn in_memory(&self) -> Option<&Bytes> {
        match &self.place {
            Place::Memory { bytes, .. } => Some(bytes),
            Place::File { .. } => None,
        }
    }

    /// The bytes, if they ride inline in store and link.
    pub fn inline(&self) -> Option<&Bytes> {
        self.in_memory().filter(|bytes| bytes.len() <= INLINE_BYTES)
    }

    /// The file, if there is one. It lives at least as long as this value.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Memory { .. } => None,
            Place::File { path, .. } => Some(path),
        }
    }

    /// Opens the bytes for reading from the start; blocking for a file.
    pub fn reader(&self) -> io::Result<BodyReader> {
        Ok(match &self.place {
            Place::Memory { bytes, .. } => BodyReader::Memory(Cursor::new(bytes.clone())),
            Place::File { path, .. } => BodyReader::File(File::open(path)?),
        })
    }

    /// SHA-256 of the bytes as they are now: for what lay on a disk. Blocking for a file.
    pub fn hash(&self) -> io::Result<Digest> {
        let mut reader = self.reader()?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return Ok(Digest::from_bytes(hash.finalize().into()));
            }
            hash.update(buffer.get(..count).unwrap_or_default());
        }
    }

    /// All bytes; for callers that know the body is small.
    pub fn read_all(&self) -> io::Result<Bytes> {
        match &self.place {
            Place::Memory { bytes, .. } => Ok(bytes.clone()),
            Place::File { path, .. } => Ok(Bytes::from(std::fs::read(path)?)),
        }
    }
}

/// Reads a body; seekable so that a door can serve ranges.
#[derive(Debug)]
pub enum BodyReader {
    /// From memory.
    Memory(Cursor<Bytes>),
    /// From a file.
    File(File),
}

impl Read for BodyReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(cursor) => cursor.read(into),
            Self::File(file) => file.read(into),
        }
    }
}

impl Seek for BodyReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Memory(cursor) => cursor.seek(to),
            Self::File(file) => file.seek(to),
        }
    }
}

/// Takes bytes as they come and becomes a `Body`. Writing to a file is a short blocking write into
/// the page cache; callers on an async thread hand over one network chunk at a time.
#[derive(Debug)]
pub struct Spool {
    directory: Arc<TemporaryDirectory>,
    memory: Vec<u8>,
    share: Option<Share>,
    file: Option<(File, Temporary)>,
    hash: Sha256,
    bytes: u64,
    bytes_max: u64,
}

/// Room for one body of up to `MEMORY_BYTES`, given back with its last holder.
#[derive(Debug)]
struct Share(Arc<AtomicUsize>);

impl Share {
    fn of(used: &Arc<AtomicUsize>) -> Option<Self> {
        let taken = used.fetch_add(MEMORY_BYTES, Ordering::Relaxed);
        // Made in any case, so that what was added is taken back when there is no room.
        let share = Self(Arc::clone(used));
        (taken + MEMORY_BYTES <= SHARED_BYTES).then_some(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(MEMORY_BYTES, Ordering::Relaxed);
    }
}

impl Spool {
    /// Takes the next bytes. Fails with `FileTooLarge` above the limit and with the error of the disk.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > self.bytes_max {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.hash.update(bytes);
        if self.file.is_none() && !self.fits(bytes.len()) {
            self.share = None;
            let (mut file, temporary) = self.directory.create()?;
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some((file, temporary));
        }
        match &mut self.file {
            Some((file, _)) => file.write_all(bytes),
            None => {
                self.memory.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Whether so many more bytes may stay in memory.
    fn fits(&mut self, more: usize) -> bool {
        let length = self.memory.len() + more;
        if length > INLINE_BYTES && length <= MEMORY_BYTES && self.share.is_none() {
            self.share = Share::of(&self.directory.shared);
        }
        length <= INLINE_BYTES || (length <= MEMORY_BYTES && self.share.is_some())
    }

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the bytes go to the disk.
    pub fn in_file(&self) -> bool {
        self.file.is_some()
    }

    /// The finished body.
    pub fn finish(self) -> Body {
        let hash: [u8; 32] = self.hash.finalize().into();
        let place = match self.file {
            Some((_, temporary)) => Place::File {
                path: temporary.0.clone(),
                _temporary: Some(Arc::new(temporary)),
            },
            None => Place::Memory {
                bytes: Bytes::from(self.memory),
                _share: self.share.map(Arc::new),
            },
        };
        Body {
            place,
            bytes: self.bytes,
            digest: Digest::from_bytes(hash),
        }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The private directory of temporary files.
#[derive(Debug)]
pub struct TemporaryDirectory {
    path: PathBuf,
    /// Memory that bodies above `INLINE_BYTES` have taken.
    shared: Arc<AtomicUsize>,
}

impl TemporaryDirectory {
    /// Makes the directory (mode 0700) and removes what a former run left in it.
    pub fn open(path: &Path) -> io::Result<Arc<Self>> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)?;
        for entry in std::fs::read_dir(path)? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok(Arc::new(Self {
            path: path.to_owned(),
            shared: Arc::default(),
        }))
    }

    /// A spool that takes at most `bytes_max` bytes.
    pub fn spool(self: &Arc<Self>, bytes_max: u64) -> Spool {
        Spool {
            directory: Arc::clone(self),
            memory: Vec::new(),
            share: None,
            file: None,
            hash: Sha256::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// A temporary file for a writer that seeks; the second part turns the written file into a body.
    pub(crate) fn file(&self) -> io::Result<(File, impl FnOnce(File) -> io::Result<Body> + use<>)> {
        let (file, temporary) = self.create()?;
        let finish = move |file: File| {
            let bytes = file.metadata()?.len();
            let path = temporary.0.clone();
            let place = Place::File {
                path,
                _temporary: Some(Arc::new(temporary)),
            };
            let body = Body {
                place,
                bytes,
                digest: Digest::of(b""),
            };
            let digest = body.hash()?;
            Ok(Body { digest, ..body })
        };
        Ok((file, finish))
    }

    fn create(&self) -> io::Result<(File, Temporary)> {
        let path = self
            .path
            .join(format!("{}.tmp", uuid::Uuid::now_v7().simple()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok((file, Temporary(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bodies_stay_in_memory_and_large_ones_go_to_a_private_file() {
        let root = tempfile::tempdir().unwrap();
        let tmp = TemporaryDirectory::open(&root.path().join("tmp")).unwrap();
        let mut small = tmp.spool(u64::MAX);
        small.push(b"abc").unwrap();
        let small = small.finish();
        assert_eq!(small.in_memory().unwrap().as_ref(), b"abc");
        assert_eq!(small.digest(), Digest::of(b"abc"));

        let mut large = tmp.spool(u64::MAX);
        let bytes = vec![7u8; MEMORY_BYTES + 1];
        large.push(&bytes[..9]).unwrap();
        large.push(&bytes[9..]).unwrap();
        let large = large.finish();
        let path = large.path().unwrap().to_owned();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert_eq!(large.digest(), Digest::of(&bytes));
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let second = large.clone();
        drop(large);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn bodies_of_middle_size_share_a_bounded_part_of_the_memory() {
        let root = tempfile::tempdir().unwrap();
        let tmp = TemporaryDirectory::open(root.path()).unwrap();
        let body = || {
            let mut spool = tmp.spool(u64::MAX);
            for _ in 0..4 {
                spool.push(&[7; INLINE_BYTES]).unwrap();
            }
            assert_eq!(spool.in_file(), spool.memory.is_empty());
            spool.finish()
        };
        let mut held: Vec<Body> = (0..SHARED_BYTES / MEMORY_BYTES).map(|_| body()).collect();
        assert!(held.iter().all(|body| body.in_memory().is_some()));
        assert!(held.iter().all(|body| body.inline().is_none()));
        let too_many = body();
        assert!(too_many.in_memory().is_none());
        assert_eq!(too_many.digest(), held[0].digest());
        held.pop();
        assert!(body().in_memory().is_some());
        held.clear();
        assert_eq!(tmp.shared.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_spool_refuses_more_than_its_limit_and_a_start_empties_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let tmp = TemporaryDirectory::open(root.path()).unwrap();
        let mut spool = tmp.spool(4);
        spool.push(b"1234").unwrap();
        assert_eq!(
            spool.push(b"5").unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        std::fs::write(root.path().join("left"), b"x").unwrap();
        TemporaryDirectory::open(root.path()).unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
