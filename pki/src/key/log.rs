//! The log key of a station: Ed25519, in a file.
//!
//! Owns: [`LogKey`]. Fails with [`KeyError`]. Must not know: notes, checkpoints. It signs at every
//! commit batch and is named in the station record, so it lives in a file and not in a token.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use super::KeyError;
use super::file::{self, Content};

/// The Ed25519 key of a station's log (C2SP signed notes). Cheap to clone.
#[derive(Clone)]
pub struct LogKey(Arc<LogParts>);

struct LogParts {
    pair: Ed25519KeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: [u8; 32],
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogKey(Ed25519)")
    }
}

impl LogKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the library has no randomness or memory.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Crypto("generate a key"))?;
        Self::from_pair(pair)
    }

    /// Reads an unencrypted PKCS#8 Ed25519 key (version 1 or 2).
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when it is no such key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| KeyError::Malformed {
                file: "(memory)".to_owned(),
                reason: "not an Ed25519 private key",
            })?;
        Self::from_pair(pair)
    }

    fn from_pair(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        // Version 1, without the public key: OpenSSL 3.0 refuses version 2.
        let pkcs8 = pair
            .to_pkcs8v1()
            .map_err(|_| KeyError::Crypto("encode a key"))?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let public = <[u8; 32]>::try_from(pair.public_key().as_ref())
            .map_err(|_| KeyError::Crypto("encode a key"))?;
        Ok(Self(Arc::new(LogParts {
            pair,
            pkcs8,
            public,
        })))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn load(path: &Path, passphrase: Option<&str>) -> Result<Self, KeyError> {
        match file::read(path, passphrase)? {
            Content::Pkcs8(pkcs8) => {
                Self::from_pkcs8(&pkcs8).map_err(|error| file::named(error, path))
            }
            Content::Token(_) => Err(KeyError::Malformed {
                file: path.display().to_string(),
                reason: "a log key is a file of its own, not a key in a token",
            }),
        }
    }

    /// Writes the key file with mode 0600; an existing file is never overwritten.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn save(&self, path: &Path, passphrase: Option<&str>) -> Result<(), KeyError> {
        file::write(path, &self.0.pkcs8, passphrase)
    }

    /// The 64-byte Ed25519 signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.pair.sign(message).as_ref().to_vec()
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.public
    }
}
