//! Where attachment bytes go while a packet is read.
//!
//! The reader never holds a file: it pushes decoded pieces here, in file order, and keeps size and
//! SHA-256. Must not know: disks; the caller's sink decides.

use std::io;

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
