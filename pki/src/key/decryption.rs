//! Decryption keys, wherever they live: static ECDH on P-256 or P-384.
//!
//! Owns: [`DecryptionKey`] with its two homes: memory (from a PKCS#8 file) and a PKCS#11 token,
//! which gives out the secret of one agreement and never the key. Fails with [`KeyError`].
//! Must not know: capsules.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::agreement;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use zeroize::Zeroizing;

use super::file::{self, Content};
#[cfg(feature = "pkcs11")]
use super::token::TokenKey;
use super::{Algorithm, KeyError, SigningKey, TokenUri};
use crate::algorithm::Curve;

/// A key that opens capsules: static ECDH on P-256. Cheap to clone.
#[derive(Clone)]
pub struct DecryptionKey(Arc<DecryptionParts>);

struct DecryptionParts {
    home: Home,
    curve: Curve,
    spki: Vec<u8>,
}

enum Home {
    Memory(agreement::PrivateKey, Zeroizing<Vec<u8>>),
    #[cfg(feature = "pkcs11")]
    Token(TokenKey),
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKey({})", self.0.curve.kind())
    }
}

impl DecryptionKey {
    /// Makes a new key on P-256.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the library has no randomness or memory.
    pub fn generate() -> Result<Self, KeyError> {
        Self::generate_on(Curve::P256)
    }

    /// Makes a new key on a curve.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the library has no randomness or memory.
    pub fn generate_on(curve: Curve) -> Result<Self, KeyError> {
        // Made as an ECDSA pair because only that type writes PKCS#8; the bytes are the same
        // curve key.
        let pair = SigningKey::generate(match curve {
            Curve::P256 => Algorithm::EcdsaP256,
            Curve::P384 => Algorithm::EcdsaP384,
        })?;
        Self::from_pkcs8(pair.pkcs8_der().unwrap_or_default())
    }

    /// Makes a new key inside a token; it can never be taken out. `passphrase` is the PIN where
    /// the address names no PIN file.
    ///
    /// # Errors
    /// [`KeyError::Token`]; a key of that name is never overwritten.
    pub fn generate_in_token(
        uri: &TokenUri,
        passphrase: Option<&str>,
        curve: Curve,
    ) -> Result<Self, KeyError> {
        #[cfg(feature = "pkcs11")]
        {
            let (key, spki) = TokenKey::generate_decryption(uri, passphrase, curve)?;
            Self::from_token_key(key, spki)
        }
        #[cfg(not(feature = "pkcs11"))]
        {
            let _without = (passphrase, curve);
            Err(uri.unsupported())
        }
    }

    /// Opens a key that lives in a token.
    ///
    /// # Errors
    /// [`KeyError::Token`].
    pub fn from_token(uri: &TokenUri, passphrase: Option<&str>) -> Result<Self, KeyError> {
        #[cfg(feature = "pkcs11")]
        {
            let (key, spki) = TokenKey::open(uri, passphrase)?;
            Self::from_token_key(key, spki)
        }
        #[cfg(not(feature = "pkcs11"))]
        {
            let _without = passphrase;
            Err(uri.unsupported())
        }
    }

    #[cfg(feature = "pkcs11")]
    fn from_token_key(key: TokenKey, spki: Vec<u8>) -> Result<Self, KeyError> {
        let curve = key.curve(&spki)?;
        Ok(Self(Arc::new(DecryptionParts {
            home: Home::Token(key),
            curve,
            spki,
        })))
    }

    /// Reads an unencrypted PKCS#8 key on P-256 or P-384.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when it is no such key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let (key, curve) = Curve::ALL
            .into_iter()
            .find_map(|curve| {
                let key = agreement::PrivateKey::from_private_key_der(curve.agreement(), pkcs8);
                Some((key.ok()?, curve))
            })
            .ok_or_else(|| KeyError::Malformed {
                file: "(memory)".to_owned(),
                reason: "not a P-256 or P-384 private key",
            })?;
        let public = key
            .compute_public_key()
            .map_err(|_| KeyError::Crypto("derive a key"))?;
        let spki: PublicKeyX509Der<'_> = public
            .as_der()
            .map_err(|_| KeyError::Crypto("encode a key"))?;
        let spki = spki.as_ref().to_vec();
        let pkcs8 = Zeroizing::new(pkcs8.to_vec());
        Ok(Self(Arc::new(DecryptionParts {
            home: Home::Memory(key, pkcs8),
            curve,
            spki,
        })))
    }

    /// Reads a key file: a PKCS#8 key, or one line with the address of a key in a token.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn load(path: &Path, passphrase: Option<&str>) -> Result<Self, KeyError> {
        match file::read(path, passphrase)? {
            Content::Pkcs8(pkcs8) => {
                Self::from_pkcs8(&pkcs8).map_err(|error| file::named(error, path))
            }
            Content::Token(uri) => Self::from_token(&uri, passphrase),
        }
    }

    /// Writes the key file with mode 0600; an existing file is never overwritten. Of a key in a
    /// token its address is written.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn save(&self, path: &Path, passphrase: Option<&str>) -> Result<(), KeyError> {
        match &self.0.home {
            Home::Memory(_, pkcs8) => file::write(path, pkcs8, passphrase),
            #[cfg(feature = "pkcs11")]
            Home::Token(key) => file::write_uri(path, key.uri()),
        }
    }

    /// The curve that it is on.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.0.curve
    }

    /// The raw ECDH secret (32 or 48 bytes) with the peer's uncompressed point.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the point is not on the curve, [`KeyError::Token`] when the token
    /// refuses.
    pub fn agree(&self, peer_point: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match &self.0.home {
            Home::Memory(key, _) => {
                let peer = agreement::UnparsedPublicKey::new(self.0.curve.agreement(), peer_point);
                agreement::agree(key, peer, KeyError::Crypto("agree on a key"), |secret| {
                    Ok(Zeroizing::new(secret.to_vec()))
                })
            }
            #[cfg(feature = "pkcs11")]
            Home::Token(key) => {
                // Not every token checks the point, and one off the curve gives the key away piece
                // by piece: it is agreed with a throw-away key first.
                let curve = self.0.curve.agreement();
                let peer = agreement::UnparsedPublicKey::new(curve, peer_point);
                let once = agreement::PrivateKey::generate(curve)
                    .map_err(|_| KeyError::Crypto("generate a key"))?;
                agreement::agree(&once, peer, KeyError::Crypto("agree on a key"), |_| Ok(()))?;
                key.agree(self.0.curve, peer_point)
            }
        }
    }

    /// SubjectPublicKeyInfo of the public half.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }
}
