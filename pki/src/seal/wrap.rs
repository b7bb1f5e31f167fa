//! Wrapping a capsule's key for one recipient: RFC 5753 ephemeral-static ECDH, AES-256 key wrap.
//!
//! Owns: the key derivation and the wrap, in both directions, and nothing of CMS but the shared
//! info. The derived key goes straight into the wrap: a library builder that we do not use derives
//! it and then wraps under 32 zero bytes, so a test here opens every wrap with the zero key and
//! must fail. Fails with [`SealError`] or `None`. Must not know capsules, contexts or certificates.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::digest;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use der::asn1::{ObjectIdentifier, OctetString};
use der::{Encode, Sequence};
use spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

use super::SealError;
use crate::algorithm::Curve;

/// The key derivation that RFC 5753 section 7.1.4 pairs with a curve.
impl Curve {
    /// The key agreement's object identifier (dhSinglePass-stdDH with the KDF's digest).
    pub(super) const fn scheme(self) -> ObjectIdentifier {
        match self {
            Self::P256 => STD_DH_SHA256_KDF,
            Self::P384 => STD_DH_SHA384_KDF,
        }
    }

    const fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::P256 => &digest::SHA256,
            Self::P384 => &digest::SHA384,
        }
    }
}

/// The key pair of one capsule and curve. One serves all recipients: each has its own static key,
/// hence its own secret and its own wrapping key, and the capsule saves 150 bytes a recipient.
pub(super) struct Ephemeral {
    curve: Curve,
    private: PrivateKey,
    point: Vec<u8>,
}

impl Ephemeral {
    /// # Errors
    /// [`SealError::Crypto`] when the system has no randomness.
    pub(super) fn generate(curve: Curve) -> Result<Self, SealError> {
        let refused = |_| SealError::Crypto("make an ephemeral key");
        let private = PrivateKey::generate(curve.agreement()).map_err(refused)?;
        let point = private
            .compute_public_key()
            .map_err(refused)?
            .as_ref()
            .to_vec();
        Ok(Self {
            curve,
            private,
            point,
        })
    }

    /// The public point, uncompressed.
    pub(super) fn point(&self) -> &[u8] {
        &self.point
    }

    /// Wraps `key` for the holder of a public point.
    ///
    /// # Errors
    /// [`SealError::Crypto`] for a point that is not on the curve.
    pub(super) fn wrap(&self, recipient: &[u8], key: &[u8; 32]) -> Result<Vec<u8>, SealError> {
        let refused = SealError::Crypto("agree on a key with a recipient");
        let peer = UnparsedPublicKey::new(self.curve.agreement(), recipient);
        let kek = agreement::agree(&self.private, peer, refused, |secret| {
            derive(self.curve, secret, None).ok_or(SealError::Crypto("derive a key"))
        })?;
        wrap_under(&kek, key).ok_or(SealError::Crypto("wrap a key"))
    }
}

/// AES-256 key wrap (RFC 3394).
pub(super) fn wrap_under(kek: &[u8; 32], key: &[u8; 32]) -> Option<Vec<u8>> {
    let mut wrapped = vec![0; WRAPPED_BYTES];
    AesKek::new(&AES_256, kek)
        .ok()?
        .wrap(key, &mut wrapped)
        .ok()?;
    Some(wrapped)
}

/// Undoes [`wrap_under`]; `None` when the integrity check fails.
pub(super) fn unwrap_under(kek: &[u8; 32], wrapped: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if wrapped.len() != WRAPPED_BYTES {
        return None;
    }
    let mut key = Zeroizing::new([0; 32]);
    AesKek::new(&AES_256, kek)
        .ok()?
        .unwrap(wrapped, key.as_mut_slice())
        .ok()?;
    Some(key)
}

/// The wrapping key from an ECDH secret: one block of the X9.63 KDF (SEC 1 section 3.6.1), which
/// gives 32 bytes with either digest.
pub(super) fn derive(
    curve: Curve,
    secret: &[u8],
    user_keying_material: Option<&[u8]>,
) -> Option<Zeroizing<[u8; 32]>> {
    let shared_info = SharedInfo {
        key_info: aes_wrap(),
        entity_u_info: user_keying_material
            .map(OctetString::new)
            .transpose()
            .ok()?,
        // RFC 5753 section 7.2: the length of the wrapping key in bits, 32 bits big-endian.
        supp_pub_info: OctetString::new(256u32.to_be_bytes()).ok()?,
    };
    let mut context = digest::Context::new(curve.digest());
    context.update(secret);
    context.update(&1u32.to_be_bytes());
    context.update(&shared_info.to_der().ok()?);
    let block = context.finish();
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(block.as_ref().get(..32)?);
    Some(key)
}

/// `id-aes256-wrap`, parameters absent (RFC 3565 section 2.3.2).
pub(super) const fn aes_wrap() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned {
        oid: AES_256_WRAP,
        parameters: None,
    }
}

/// # Errors
/// [`SealError::Crypto`] when the system has no randomness.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), SealError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| SealError::Crypto("give random bytes"))
}

/// `ECC-CMS-SharedInfo` of RFC 5753 section 7.2.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
struct SharedInfo {
    key_info: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    entity_u_info: Option<OctetString>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    supp_pub_info: OctetString,
}

const AES_256_WRAP: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.45");
const STD_DH_SHA256_KDF: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.1.11.1");
const STD_DH_SHA384_KDF: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.1.11.2");
/// 32 bytes and the 8 of RFC 3394.
const WRAPPED_BYTES: usize = 40;
