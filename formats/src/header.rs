//! The envelope header: what relays see, what the sender signs (architecture 6).
//!
//! Bytes: deterministic CBOR array `[context as byte string, body digest, body size]`; the context
//! is a map with integer keys. `Header` keeps the bytes that were signed and never encodes again;
//! its two digests are over those bytes. Whoever holds a `Header` knows that every rule that can be
//! checked without a directory, a key or a clock holds. Fails with [`HeaderError`]; signatures,
//! home stations and times are judged elsewhere.

mod class;
mod context;

use sha2::{Digest as _, Sha256};

use crate::cbor::{self, Reader, Writer};
use crate::id::{Digest, IdError};
use crate::limits;

pub use class::{Class, Priority};
pub use context::Context;

/// Why bytes are not a header, or fields cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not deterministic CBOR of the right shape.
    #[error(transparent)]
    Cbor(#[from] cbor::Error),
    /// A name in it is not a name.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A rule between fields is broken.
    #[error("header rule broken: {0}")]
    Rule(&'static str),
    /// Longer than any header may be.
    #[error("header of {0} bytes is too long")]
    TooLong(usize),
    /// Another version than 1.
    #[error("header version {0} is not known")]
    Version(u64),
}

/// A header with the exact bytes that are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    bytes: Vec<u8>,
    digest: Digest,
    ctx: Digest,
    context: Context,
    body_digest: Digest,
    body_bytes: u64,
}

impl Header {
    /// Writes a header. Refuses what [`Self::decode`] would refuse. To seal, the context digest is
    /// needed before the body exists: see [`context_digest`].
    pub fn new(
        context: Context,
        body_digest: Digest,
        body_bytes: u64,
    ) -> Result<Self, HeaderError> {
        context.check()?;
        let context_bytes = context.encode();
        let ctx = Digest::of(&context_bytes);
        let mut w = Writer::new();
        w.array(3)
            .bytes(&context_bytes)
            .bytes(body_digest.as_bytes())
            .uint(body_bytes);
        let bytes = w.finish();
        if bytes.len() > limits::HEADER_BYTES_MAX {
            return Err(HeaderError::TooLong(bytes.len()));
        }
        Ok(Self {
            digest: Digest::of(&bytes),
            bytes,
            ctx,
            context,
            body_digest,
            body_bytes,
        })
    }

    /// Reads a header. The bytes are kept as they are.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() > limits::HEADER_BYTES_MAX {
            return Err(HeaderError::TooLong(bytes.len()));
        }
        let mut r = Reader::new(bytes);
        r.array_exact(3, "header")?;
        let context_bytes = r.bytes(limits::HEADER_BYTES_MAX, "context")?;
        let body_digest = r.digest("body digest")?;
        let body_bytes = r.uint("body size")?;
        r.finish()?;
        Ok(Self {
            context: Context::decode(context_bytes)?,
            ctx: Digest::of(context_bytes),
            digest: Digest::of(bytes),
            bytes: bytes.to_vec(),
            body_digest,
            body_bytes,
        })
    }

    /// The bytes, as signed and sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of [`Self::bytes`]: names this header in statements.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// SHA-256 of the context bytes: binds capsule and chunks to this envelope.
    #[must_use]
    pub fn ctx(&self) -> Digest {
        self.ctx
    }

    /// The fields.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Root over the leaf hashes of the body's pieces.
    #[must_use]
    pub fn body_digest(&self) -> Digest {
        self.body_digest
    }

    /// Bytes of the body, capsule included.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }
}

/// The digest that [`Header::ctx`] of a header with this context will have: sealing binds the
/// content to it before the body, and so the header, exists.
pub fn context_digest(context: &Context) -> Result<Digest, HeaderError> {
    context.check()?;
    Ok(Digest::of(&context.encode()))
}

/// Ties a header to its content without a digest that relays could guess at: SHA-256 over
/// `"tram-content-1"`, a random salt, the packet's SHA-256 and the SHA-256 of the signature value
/// in the packet's CMS (architecture 6).
#[must_use]
pub fn commitment(salt: &[u8; 32], packet_digest: &Digest, signature_value: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(b"tram-content-1");
    hasher.update(salt);
    hasher.update(packet_digest.as_bytes());
    hasher.update(Digest::of(signature_value).as_bytes());
    Digest::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests;
