//! Signing keys, wherever they live.
//!
//! Owns: [`SigningKey`] with its two homes: memory (from a PKCS#8 file) and a PKCS#11 token. The
//! rest of the product sees no difference. Fails with [`KeyError`]. Must not know: what is signed.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as aws, EcdsaKeyPair, KeyPair, RsaKeyPair};
use zeroize::Zeroizing;

use super::file::{self, Content};
#[cfg(feature = "pkcs11")]
use super::token::TokenKey;
use super::{Algorithm, KeyError, TokenUri};
use crate::algorithm::SignatureAlgorithm;

/// A key that signs documents, statements, certificates or handshakes. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey(Arc<SigningParts>);

struct SigningParts {
    algorithm: Algorithm,
    home: Home,
    spki: Vec<u8>,
}

enum Home {
    Ec(EcdsaKeyPair, Zeroizing<Vec<u8>>),
    Rsa(RsaKeyPair, Zeroizing<Vec<u8>>),
    #[cfg(feature = "pkcs11")]
    Token(TokenKey),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.0.algorithm)
    }
}

impl SigningKey {
    /// Makes a new key in memory.
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

    /// Makes a new key inside a token; it can never be taken out. `passphrase` is the PIN where
    /// the address names no PIN file.
    ///
    /// # Errors
    /// [`KeyError::Token`]; a key of that name is never overwritten.
    pub fn generate_in_token(
        uri: &TokenUri,
        passphrase: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Self, KeyError> {
        #[cfg(feature = "pkcs11")]
        {
            let (key, spki) = TokenKey::generate_signing(uri, passphrase, algorithm)?;
            Self::from_token_key(key, spki)
        }
        #[cfg(not(feature = "pkcs11"))]
        {
            let _without = (passphrase, algorithm);
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
        let algorithm = key.algorithm(&spki)?;
        let found = Self(Arc::new(SigningParts {
            algorithm,
            home: Home::Token(key),
            spki,
        }));
        found.prove()?;
        Ok(found)
    }

    /// One signature that its own public half must verify: a token may hold a public key object
    /// beside a private key that it does not belong to, and certificates would name the wrong one.
    #[cfg(feature = "pkcs11")]
    fn prove(&self) -> Result<(), KeyError> {
        let probe = b"tram-key-probe-1: is this public key the private key's";
        let signature = self.sign(probe)?;
        let public = crate::algorithm::PublicKey::from_spki(&self.0.spki);
        let proven =
            public.and_then(|key| key.verify(self.signature_algorithm(), probe, &signature));
        match (&self.0.home, proven) {
            (Home::Token(key), Err(_)) => Err(key.fault(super::TokenFault::Kind(
                "the public key in the token is not the private key's".to_owned(),
            ))),
            _ => Ok(()),
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
            home: Home::Ec(pair, pkcs8),
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
            home: Home::Rsa(pair, pkcs8),
            spki,
        })))
    }

    /// Reads a key file: a PKCS#8 key, or one line with the address of a key in a token. For the
    /// latter `passphrase` is the PIN where the address names no PIN file.
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
            Home::Ec(_, pkcs8) | Home::Rsa(_, pkcs8) => file::write(path, pkcs8, passphrase),
            #[cfg(feature = "pkcs11")]
            Home::Token(key) => file::write_uri(path, key.uri()),
        }
    }

    /// Signs `message` (hashed inside) with the key's own signature algorithm; ECDSA as DER.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the library refuses, [`KeyError::Token`] when the token does.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let refused = |_| KeyError::Crypto("sign");
        let rng = SystemRandom::new();
        match &self.0.home {
            Home::Ec(pair, _) => Ok(pair.sign(&rng, message).map_err(refused)?.as_ref().to_vec()),
            Home::Rsa(pair, _) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&aws::RSA_PSS_SHA256, &rng, message, &mut signature)
                    .map_err(refused)?;
                Ok(signature)
            }
            #[cfg(feature = "pkcs11")]
            Home::Token(key) => key.sign(self.0.algorithm, message),
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

    /// Whether the key lives in a token and nowhere else.
    #[must_use]
    pub fn is_in_token(&self) -> bool {
        match &self.0.home {
            Home::Ec(..) | Home::Rsa(..) => false,
            #[cfg(feature = "pkcs11")]
            Home::Token(_) => true,
        }
    }

    /// The bytes of a key in memory; a key in a token has none that anyone could see.
    #[must_use]
    pub fn pkcs8_der(&self) -> Option<&[u8]> {
        match &self.0.home {
            Home::Ec(_, pkcs8) | Home::Rsa(_, pkcs8) => Some(pkcs8),
            #[cfg(feature = "pkcs11")]
            Home::Token(_) => None,
        }
    }
}

/// 2048 bits.
const RSA_BYTES_MIN: usize = 256;
