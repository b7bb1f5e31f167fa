//! Private keys: made, kept, used; never shown.
//!
//! Owns: the three kinds of private key of the product ([`SigningKey`], [`DecryptionKey`],
//! [`LogKey`]) and their files: PKCS#8 PEM, mode 0600, optionally encrypted (PBES2) so that
//! `openssl pkey` reads them. Fails with [`KeyError`], which names the file and never its content.
//! Must not know: certificates, roles, what is being signed.

mod encrypted;
mod file;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::agreement;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as aws, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::algorithm::{Curve, SignatureAlgorithm};

pub use file::write_private;

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

/// A key that signs documents, statements, certificates or handshakes. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey(Arc<SigningParts>);

struct SigningParts {
    algorithm: Algorithm,
    pair: Pair,
    pkcs8: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.0.algorithm)
    }
}

impl SigningKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the library has no randomness or memory.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let refused = |_| KeyError::Crypto("generate a key");
        match algorithm {
            Algorithm::EcdsaP256 => {
                let pair = EcdsaKeyPair::generate(&aws::ECDSA_P256_SHA256_ASN1_SIGNING)
                    .map_err(refused)?;
                Self::from_ec(algorithm, pair)
            }
            Algorithm::EcdsaP384 => {
                let pair = EcdsaKeyPair::generate(&aws::ECDSA_P384_SHA384_ASN1_SIGNING)
                    .map_err(refused)?;
                Self::from_ec(algorithm, pair)
            }
            Algorithm::RsaPss3072 => {
                Self::from_rsa(RsaKeyPair::generate(KeySize::Rsa3072).map_err(refused)?)
            }
        }
    }

    /// Reads an unencrypted PKCS#8 key; the algorithm is found from the key itself.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when it is no key of a known kind.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&aws::ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8) {
            return Self::from_ec(Algorithm::EcdsaP256, pair);
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&aws::ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8) {
            return Self::from_ec(Algorithm::EcdsaP384, pair);
        }
        if let Ok(pair) = RsaKeyPair::from_pkcs8(pkcs8) {
            return Self::from_rsa(pair);
        }
        Err(KeyError::Malformed {
            file: "(memory)".to_owned(),
            reason: "not a P-256, P-384 or RSA private key",
        })
    }

    fn from_ec(algorithm: Algorithm, pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let refused = |_| KeyError::Crypto("encode a key");
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(refused)?;
        let spki = spki.as_ref().to_vec();
        let pkcs8 = Zeroizing::new(pair.to_pkcs8v1().map_err(refused)?.as_ref().to_vec());
        Ok(Self(Arc::new(SigningParts {
            algorithm,
            pair: Pair::Ec(pair),
            pkcs8,
            spki,
        })))
    }

    fn from_rsa(pair: RsaKeyPair) -> Result<Self, KeyError> {
        let refused = |_| KeyError::Crypto("encode a key");
        if pair.public_modulus_len() < RSA_BYTES_MIN {
            return Err(KeyError::Malformed {
                file: "(memory)".to_owned(),
                reason: "RSA key below 2048 bits",
            });
        }
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(refused)?;
        let spki = spki.as_ref().to_vec();
        let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(refused)?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let algorithm = Algorithm::RsaPss3072;
        Ok(Self(Arc::new(SigningParts {
            algorithm,
            pair: Pair::Rsa(pair),
            pkcs8,
            spki,
        })))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn load(path: &Path, passphrase: Option<&str>) -> Result<Self, KeyError> {
        let pkcs8 = file::read(path, passphrase)?;
        Self::from_pkcs8(&pkcs8).map_err(|error| file::named(error, path))
    }

    /// Writes the key file with mode 0600; an existing file is never overwritten.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn save(&self, path: &Path, passphrase: Option<&str>) -> Result<(), KeyError> {
        file::write(path, &self.0.pkcs8, passphrase)
    }

    /// Signs `message` (hashed inside) with the key's own signature algorithm; ECDSA as DER.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let refused = |_| KeyError::Crypto("sign");
        let rng = SystemRandom::new();
        match &self.0.pair {
            Pair::Ec(pair) => Ok(pair.sign(&rng, message).map_err(refused)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&aws::RSA_PSS_SHA256, &rng, message, &mut signature)
                    .map_err(refused)?;
                Ok(signature)
            }
        }
    }

    /// The kind of key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// The algorithm that [`SigningKey::sign`] uses.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm.signature_algorithm()
    }

    /// SubjectPublicKeyInfo of the public half.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// The private key as PKCS#8, for handing it to rustls. Do not store it elsewhere.
    #[must_use]
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.0.pkcs8
    }
}

/// A key that opens capsules: static ECDH on P-256. Cheap to clone.
#[derive(Clone)]
pub struct DecryptionKey(Arc<DecryptionParts>);

struct DecryptionParts {
    key: agreement::PrivateKey,
    curve: Curve,
    pkcs8: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
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
        Self::from_pkcs8(&pair.0.pkcs8)
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
            key,
            curve,
            pkcs8,
            spki,
        })))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn load(path: &Path, passphrase: Option<&str>) -> Result<Self, KeyError> {
        let pkcs8 = file::read(path, passphrase)?;
        Self::from_pkcs8(&pkcs8).map_err(|error| file::named(error, path))
    }

    /// Writes the key file with mode 0600; an existing file is never overwritten.
    ///
    /// # Errors
    /// [`KeyError`] naming the file.
    pub fn save(&self, path: &Path, passphrase: Option<&str>) -> Result<(), KeyError> {
        file::write(path, &self.0.pkcs8, passphrase)
    }

    /// The curve that it is on.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.0.curve
    }

    /// The raw ECDH secret (32 or 48 bytes) with the peer's uncompressed point.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the point is not on the curve.
    pub fn agree(&self, peer_point: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let peer = agreement::UnparsedPublicKey::new(self.0.curve.agreement(), peer_point);
        agreement::agree(
            &self.0.key,
            peer,
            KeyError::Crypto("agree on a key"),
            |secret| Ok(Zeroizing::new(secret.to_vec())),
        )
    }

    /// SubjectPublicKeyInfo of the public half.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }
}

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
        let pkcs8 = file::read(path, passphrase)?;
        Self::from_pkcs8(&pkcs8).map_err(|error| file::named(error, path))
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

/// 2048 bits.
const RSA_BYTES_MIN: usize = 256;

#[cfg(test)]
mod tests;
