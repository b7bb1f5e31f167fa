//! Private keys: made, kept, used; never shown.
//!
//! Owns: the three kinds of private key of the product ([`SigningKey`], [`DecryptionKey`],
//! [`LogKey`]) and where they live: PKCS#8 PEM files, mode 0600, optionally encrypted (PBES2) so
//! that `openssl pkey` reads them, or PKCS#11 tokens (feature `pkcs11`), where a key file holds
//! nothing but the key's address ([`TokenUri`]). Fails with [`KeyError`], which names the file and
//! never its content. Must not know: certificates, roles, what is being signed.

mod decryption;
mod encrypted;
mod file;
mod log;
mod signing;
#[cfg(feature = "pkcs11")]
mod token;
mod uri;

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::algorithm::SignatureAlgorithm;

pub use decryption::DecryptionKey;
pub use file::write_private;
pub use log::LogKey;
pub use signing::SigningKey;
pub use uri::{TokenUri, UriError};

/// Opens an EncryptedPrivateKeyInfo, or what has its two parts, in the one form that is read here.
pub(crate) fn open_encrypted(bytes: &[u8], passphrase: &str) -> Option<Zeroizing<Vec<u8>>> {
    encrypted::open(bytes, passphrase).ok()
}

/// Why a key cannot be made, read, written or used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The cryptographic library refused; input did not matter.
    #[error("cryptographic library refused to {0}")]
    Crypto(&'static str),
    /// The file is encrypted and no passphrase was given.
    #[error("key file {0} is encrypted: a passphrase is needed")]
    Encrypted(String),
    /// The file cannot be read or written.
    #[error("key file {file}")]
    File {
        /// Path of the file.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The content is not a private key of the wanted kind.
    #[error("key file {file}: {reason}")]
    Malformed {
        /// Path of the file, or `(memory)`.
        file: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The passphrase does not open the file.
    #[error("key file {0}: wrong passphrase or damaged file")]
    Passphrase(String),
    /// The key lives in a PKCS#11 token and cannot be used.
    #[error("key {key}: {fault}")]
    Token {
        /// Its address, without anything secret.
        key: String,
        /// What is wrong.
        fault: TokenFault,
    },
    /// The file names a key in a token, in a way that is not understood.
    #[error("key file {file}")]
    Uri {
        /// Path of the file.
        file: String,
        /// What is wrong.
        #[source]
        source: UriError,
    },
}

/// Why a key in a token cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// More than one token or key has this address.
    Ambiguous(&'static str),
    /// A key of this name is there already.
    Exists,
    /// The key is of a kind that is not accepted.
    Kind(String),
    /// The module cannot be loaded.
    Module(String),
    /// The token has no such private key.
    NoKey,
    /// A PIN is needed and none was given.
    NoPin,
    /// The PIN file cannot be read.
    PinSource(String),
    /// No such token is present.
    NoToken,
    /// The PIN is wrong.
    Pin,
    /// The token refused, in its own words.
    Refused(String),
    /// The build cannot use tokens.
    Unsupported,
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous(what) => write!(f, "more than one {what} fits: add serial= or id="),
            Self::Exists => f.write_str("a key of this name exists; keys are never overwritten"),
            Self::Kind(what) => write!(f, "not usable here: {what}"),
            Self::Module(text) => write!(f, "PKCS#11 module: {text}"),
            Self::NoKey => f.write_str("the token has no such private key"),
            Self::NoPin => f.write_str("the token needs a PIN: add pin-source=file:PATH"),
            Self::PinSource(text) => write!(f, "PIN file {text}"),
            Self::NoToken => f.write_str("no such token is present"),
            Self::Pin => f.write_str(
                "wrong PIN; it is not tried again, because tokens lock after a few wrong ones",
            ),
            Self::Refused(text) => write!(f, "the token refused: {text}"),
            Self::Unsupported => {
                f.write_str("this build has no PKCS#11: build with feature `pkcs11`")
            }
        }
    }
}

/// Kinds of signing key that can be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256; the default everywhere.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384; for roots.
    EcdsaP384,
    /// RSA-PSS of 3072 bits with SHA-256.
    RsaPss3072,
}

impl Algorithm {
    /// The signature algorithm that such a key signs with.
    #[must_use]
    pub fn signature_algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::EcdsaP256 => SignatureAlgorithm::EcdsaSha256,
            Self::EcdsaP384 => SignatureAlgorithm::EcdsaSha384,
            Self::RsaPss3072 => SignatureAlgorithm::RsaPssSha256,
        }
    }
}

#[cfg(test)]
mod tests;
