//! Bytes on their way through the desk: spooled by a door, extracted for a reader, kept as a packet.
//!
//! Up to `MEMORY_BYTES` they stay in memory; more goes to a private file (mode 0600) in the data
//! directory's `tmp`, which is emptied at start. A temporary file is removed when its last holder
//! drops it. The digest is computed while the bytes stream. Errors are those of the disk; nothing
//! here knows what the bytes mean.

use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use formats::id::Digest;

/// Bodies up to this size stay in memory: the size that rides inline in store and link.
pub const MEMORY_BYTES: usize = 64 * 1024;

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
    Memory(Bytes),
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
            place: Place::Memory(bytes),
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
            Place::Memory(bytes) => Some(bytes),
            Place::File { .. } => None,
        }
    }

    /// The file, if there is one. It lives at least as long as this value.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Memory(_) => None,
            Place::File { path, .. } => Some(path),
        }
    }

    /// Opens the bytes for reading from the start; blocking for a file.
    pub fn reader(&self) -> io::Result<BodyReader> {
        Ok(match &self.place {
            Place::Memory(bytes) => BodyReader::Memory(Cursor::new(bytes.clone())),
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
            Place::Memory(bytes) => Ok(bytes.clone()),
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
    file: Option<(File, Temporary)>,
    hash: Sha256,
    bytes: u64,
    bytes_max: u64,
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
        if self.file.is_none() && self.memory.len() + bytes.len() > MEMORY_BYTES {
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

    /// Bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The finished body.
    pub fn finish(self) -> Body {
        let hash: [u8; 32] = self.hash.finalize().into();
        let place = match self.file {
            Some((_, temporary)) => Place::File {
                path: temporary.0.clone(),
                _temporary: Some(Arc::new(temporary)),
            },
            None => Place::Memory(Bytes::from(self.memory)),
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
pub struct TemporaryDirectory(PathBuf);

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
        Ok(Arc::new(Self(path.to_owned())))
    }

    /// A spool that takes at most `bytes_max` bytes.
    pub fn spool(self: &Arc<Self>, bytes_max: u64) -> Spool {
        Spool {
            directory: Arc::clone(self),
            memory: Vec::new(),
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
            .0
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
