//! The sealed body: a packet in encrypted chunks, and the capsule that holds its key.
//!
//! Owns: the content key. It is made in [`Sealer::new`], wrapped for the recipients in
//! [`Sealer::finish`], and wiped; there is no way to ask for it, so no key ever seals two bodies.
//! Every chunk is bound to the envelope context, its place and whether it is the last, so none can
//! be moved, dropped, added or carried into another envelope.
//!
//! Fails with [`SealError`] or [`OpenError`]; an opener that failed once stays failed. What
//! [`Opener::open_chunk`] returns is plaintext that must stay private until [`Opener::finish`] and
//! `sign::verify_packet` agreed. Must not know files, recipients' names or the packet's format.

mod capsule;
mod wrap;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use formats::id::Digest;
use formats::limits;

use crate::cert::Certificate;
use crate::chain::VerifiedCert;
use crate::key::DecryptionKey;
use crate::sign::{NotDer, PacketDigest, PacketHasher, Parsed};

/// Why a body cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A chunk came after the last one.
    #[error("a chunk came after the last one")]
    AfterLast,
    /// A chunk has a size that its place does not allow.
    #[error("chunk {index} has {bytes} bytes")]
    ChunkSize {
        /// Position of the chunk, from 0.
        index: u32,
        /// Its plaintext length.
        bytes: usize,
    },
    /// The library refused (no randomness, no memory).
    #[error("the cryptographic library refused to {0}")]
    Crypto(&'static str),
    /// A value does not encode.
    #[error(transparent)]
    Encoding(#[from] NotDer),
    /// The last chunk is missing, or the chunks are not as long as the packet was said to be.
    #[error("{sealed} bytes were sealed of a packet of {expected}")]
    Incomplete {
        /// Plaintext bytes sealed.
        sealed: u64,
        /// What the secrets say.
        expected: u64,
    },
    /// A recipient's certificate is not one to encrypt to.
    #[error("certificate {0} is not for encryption or has an unsupported key")]
    Recipient(Digest),
    /// No recipients, or more than one envelope may have.
    #[error("{0} recipients")]
    RecipientCount(usize),
    /// The capsule or one of its fields is larger than the format allows.
    #[error("the capsule would be larger than the format allows")]
    TooLarge,
}

/// Why a body cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Bytes came after the last chunk.
    #[error("bytes came after the last chunk")]
    AfterLast,
    /// A chunk is not the one that stands at this place of this body.
    #[error("chunk {0} does not decrypt")]
    Chunk(u32),
    /// The content of the capsule is not what the format says.
    #[error("the capsule's content is malformed: {0}")]
    Content(String),
    /// The capsule belongs to another envelope.
    #[error("the capsule belongs to another envelope")]
    Context,
    /// The capsule does not decrypt with this key.
    #[error("the capsule does not decrypt")]
    Decryption,
    /// The key is not the certificate's key.
    #[error("the key is not the certificate's key")]
    KeyMismatch,
    /// The capsule is not the CMS object that we read.
    #[error(transparent)]
    NotDer(#[from] NotDer),
    /// None of the capsule's recipients is this certificate.
    #[error("the capsule is not for this certificate")]
    NotForUs,
    /// The opened packet is not the one that the capsule describes.
    #[error("the packet is not the one that the capsule describes")]
    Packet,
    /// An earlier chunk failed; nothing more is opened.
    #[error("an earlier chunk failed")]
    Poisoned,
    /// The body ended before its last chunk.
    #[error("the body ended before its last chunk")]
    Truncated,
    /// The capsule uses an algorithm that we do not read.
    #[error("the capsule uses an algorithm that is not accepted: {0}")]
    Unsupported(&'static str),
}

/// What the sender tells the recipients besides the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapsuleSecrets {
    /// Salt of the header's commitment.
    pub salt: [u8; 32],
    /// Length of the packet.
    pub packet_bytes: u64,
    /// SHA-256 of the packet.
    pub packet_digest: Digest,
    /// The packet's CMS signature.
    pub packet_signature: Vec<u8>,
    /// The sender's case number, if the document belongs to one.
    pub case_id: Option<String>,
}

/// An opened capsule.
#[derive(Debug)]
pub struct Capsule {
    /// Salt of the header's commitment.
    pub salt: [u8; 32],
    /// Length of the packet.
    pub packet_bytes: u64,
    /// SHA-256 of the packet.
    pub packet_digest: Digest,
    /// The packet's CMS signature, not verified yet.
    pub packet_signature: Vec<u8>,
    /// The sender's case number, if the document belongs to one.
    pub case_id: Option<String>,
    /// Opens the chunks.
    pub opener: Opener,
}

/// 32 random bytes for a commitment.
///
/// # Errors
/// [`SealError::Crypto`] when the system has no randomness.
pub fn random_salt() -> Result<[u8; 32], SealError> {
    let mut salt = [0; 32];
    wrap::random(&mut salt)?;
    Ok(salt)
}

/// Seals one body, chunk by chunk, then its key.
pub struct Sealer {
    content_key: Zeroizing<[u8; 32]>,
    chunks: ChunkCipher,
    sealed_bytes: u64,
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Sealer")
            .field("chunks", &self.chunks.index)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// Starts the body of the envelope whose context has this digest.
    ///
    /// # Errors
    /// [`SealError::Crypto`] when the system has no randomness.
    pub fn new(ctx: Digest) -> Result<Self, SealError> {
        let mut content_key = Zeroizing::new([0; 32]);
        wrap::random(content_key.as_mut_slice())?;
        let chunks = ChunkCipher::new(&content_key, ctx).ok_or(SealError::Crypto("take a key"))?;
        Ok(Self {
            content_key,
            chunks,
            sealed_bytes: 0,
        })
    }

    /// Encrypts the next chunk in place and appends its tag. Every chunk but the last has
    /// [`limits::CHUNK_BYTES`]; the last has at least one byte, unless the packet is empty.
    ///
    /// # Errors
    /// [`SealError::AfterLast`] or [`SealError::ChunkSize`]; the chunk is then unchanged.
    pub fn seal_chunk(&mut self, last: bool, chunk: &mut Vec<u8>) -> Result<(), SealError> {
        if self.chunks.ended {
            return Err(SealError::AfterLast);
        }
        let index = self.chunks.index;
        if !size_fits(index, last, chunk.len()) {
            return Err(SealError::ChunkSize {
                index,
                bytes: chunk.len(),
            });
        }
        let chunk_bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let nonce = self.chunks.next_nonce(last).ok_or(SealError::AfterLast)?;
        let aad = Aad::from(self.chunks.aad.as_slice());
        self.chunks
            .key
            .seal_in_place_append_tag(nonce, aad, chunk)
            .map_err(|_| SealError::Crypto("encrypt a chunk"))?;
        self.sealed_bytes = self.sealed_bytes.saturating_add(chunk_bytes);
        Ok(())
    }

    /// Wraps the key for the recipients and ends. A certificate that stands twice (a delegate that
    /// receives for two agencies) gets one entry.
    ///
    /// # Errors
    /// [`SealError`] as named.
    pub fn finish(
        self,
        secrets: &CapsuleSecrets,
        recipients: &[VerifiedCert],
    ) -> Result<Vec<u8>, SealError> {
        if !self.chunks.ended || self.sealed_bytes != secrets.packet_bytes {
            return Err(SealError::Incomplete {
                sealed: self.sealed_bytes,
                expected: secrets.packet_bytes,
            });
        }
        capsule::make(self.chunks.ctx, &self.content_key, secrets, recipients)
    }
}

/// Opens a capsule and checks that it belongs to this envelope.
///
/// # Errors
/// [`OpenError`] as named.
pub fn open_capsule(
    bytes: &[u8],
    key: &DecryptionKey,
    certificate: &Certificate,
    expected_ctx: Digest,
) -> Result<Capsule, OpenError> {
    let content = capsule::open(bytes, key, certificate)?;
    if content.ctx != expected_ctx {
        return Err(OpenError::Context);
    }
    let chunks = ChunkCipher::new(&content.content_key, expected_ctx)
        .ok_or_else(|| OpenError::Content("the content key is unusable".into()))?;
    let secrets = content.secrets;
    // An unreadable signature is reported by `verify_packet`, with its own reason.
    let hash = Parsed::parse(&secrets.packet_signature)
        .map_or(crate::sign::HashAlgorithm::Sha256, |parsed| parsed.hash());
    let opener = Opener {
        chunks,
        hasher: PacketHasher::new(hash),
        packet_bytes: secrets.packet_bytes,
        packet_digest: secrets.packet_digest,
        opened_bytes: 0,
        poisoned: false,
    };
    Ok(Capsule {
        salt: secrets.salt,
        packet_bytes: secrets.packet_bytes,
        packet_digest: secrets.packet_digest,
        packet_signature: secrets.packet_signature,
        case_id: secrets.case_id,
        opener,
    })
}

/// Opens the chunks of one body in their order.
pub struct Opener {
    chunks: ChunkCipher,
    hasher: PacketHasher,
    packet_bytes: u64,
    packet_digest: Digest,
    opened_bytes: u64,
    poisoned: bool,
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Opener")
            .field("chunks", &self.chunks.index)
            .finish_non_exhaustive()
    }
}

impl Opener {
    /// Decrypts the next chunk in place and cuts its tag off. `last` is what the caller knows from
    /// the body's layout; a lie is found by the tag.
    ///
    /// # Errors
    /// [`OpenError`]; the chunk is then emptied and every later call fails.
    pub fn open_chunk(&mut self, last: bool, chunk: &mut Vec<u8>) -> Result<(), OpenError> {
        if self.poisoned {
            chunk.clear();
            return Err(OpenError::Poisoned);
        }
        let opened = self.open_next(last, chunk);
        if opened.is_err() {
            self.poisoned = true;
            chunk.clear();
        }
        opened
    }

    fn open_next(&mut self, last: bool, chunk: &mut Vec<u8>) -> Result<(), OpenError> {
        if self.chunks.ended {
            return Err(OpenError::AfterLast);
        }
        let index = self.chunks.index;
        let plain = chunk
            .len()
            .checked_sub(TAG_BYTES)
            .ok_or(OpenError::Chunk(index))?;
        if !size_fits(index, last, plain) {
            return Err(OpenError::Chunk(index));
        }
        let nonce = self.chunks.next_nonce(last).ok_or(OpenError::AfterLast)?;
        let aad = Aad::from(self.chunks.aad.as_slice());
        self.chunks
            .key
            .open_in_place(nonce, aad, chunk)
            .map_err(|_| OpenError::Chunk(index))?;
        chunk.truncate(plain);
        self.opened_bytes += u64::try_from(plain).unwrap_or(u64::MAX);
        if self.opened_bytes > self.packet_bytes {
            return Err(OpenError::Packet);
        }
        self.hasher.update(chunk);
        Ok(())
    }

    /// Ends the body: the last chunk was seen, and length and digest are the capsule's.
    ///
    /// # Errors
    /// [`OpenError::Poisoned`], [`OpenError::Truncated`] or [`OpenError::Packet`].
    pub fn finish(self) -> Result<PacketDigest, OpenError> {
        if self.poisoned {
            return Err(OpenError::Poisoned);
        }
        if !self.chunks.ended {
            return Err(OpenError::Truncated);
        }
        let packet = self.hasher.finish().map_err(|_| OpenError::Packet)?;
        if packet.bytes() != self.packet_bytes || packet.digest() != self.packet_digest {
            return Err(OpenError::Packet);
        }
        Ok(packet)
    }
}

/// Key, context and place: everything that a chunk is bound to.
struct ChunkCipher {
    key: LessSafeKey,
    ctx: Digest,
    aad: Vec<u8>,
    index: u32,
    ended: bool,
}

impl ChunkCipher {
    fn new(content_key: &[u8; 32], ctx: Digest) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, content_key).ok()?);
        let mut aad = BODY_LABEL.to_vec();
        aad.extend_from_slice(ctx.as_bytes());
        Some(Self {
            key,
            ctx,
            aad,
            index: 0,
            ended: false,
        })
    }

    /// Nonce = 7 zero bytes, u32 big-endian index, 1 if last. Each is handed out once.
    fn next_nonce(&mut self, last: bool) -> Option<Nonce> {
        let [a, b, c, d] = self.index.to_be_bytes();
        self.index = self.index.checked_add(1)?;
        self.ended = last;
        Some(Nonce::assume_unique_for_key([
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            a,
            b,
            c,
            d,
            u8::from(last),
        ]))
    }
}

/// Full chunks, then one of 1 byte to a full chunk; an empty packet is one empty chunk.
fn size_fits(index: u32, last: bool, bytes: usize) -> bool {
    let full = usize::try_from(limits::CHUNK_BYTES).unwrap_or(usize::MAX);
    if !last {
        return bytes == full;
    }
    bytes <= full && (bytes > 0 || index == 0)
}

/// First part of every chunk's associated data; the context digest follows.
const BODY_LABEL: &[u8] = b"tram-body-1";
/// The AES-GCM tag.
const TAG_BYTES: usize = 16;
