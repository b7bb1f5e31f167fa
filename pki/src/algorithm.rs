//! Public keys and signature algorithms: the only allow-list of the crate.
//!
//! Owns: which algorithm identifiers are believed, how a SubjectPublicKeyInfo becomes a key that
//! can check a signature, and the identifiers that we write. What is not named here is refused
//! (SHA-1, RSA below 2048 bits, DSA, explicit curve parameters). Fails with [`AlgorithmError`];
//! never says more about a bad signature than that it is bad. Must not know: certificates, roles,
//! time.

#[cfg(test)]
pub(crate) mod legacy;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement;
use aws_lc_rs::signature::{self as aws, ParsedPublicKey, VerificationAlgorithm};
use der::asn1::{Any, AnyRef, ObjectIdentifier};
use der::{Decode, Encode, Sequence};
use spki::{AlgorithmIdentifier, AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};
use thiserror::Error;

/// Why a key or a signature is not believed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AlgorithmError {
    /// The signature does not belong to this key and message.
    #[error("signature does not verify")]
    BadSignature,
    /// The signature algorithm does not fit the kind of key.
    #[error("signature algorithm {algorithm} cannot be used with a {key} key")]
    KeyMismatch {
        /// The algorithm that was named.
        algorithm: SignatureAlgorithm,
        /// The key that was to check it.
        key: KeyKind,
    },
    /// The key is malformed, too small, or of a kind that is not on the list.
    #[error("public key refused: {0}")]
    KeyRefused(&'static str),
    /// The algorithm is not on the list.
    #[error("signature algorithm {0} is not accepted")]
    Unknown(ObjectIdentifier),
}

/// Kinds of public key that may check a signature or receive a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Elliptic curve NIST P-256.
    EcP256,
    /// Elliptic curve NIST P-384.
    EcP384,
    /// Edwards curve 25519 (RFC 8410).
    Ed25519,
    /// RSA of 2048 to 8192 bits.
    Rsa,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcP256 => "P-256",
            Self::EcP384 => "P-384",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        })
    }
}

/// Curves on which keys are agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
}

impl Curve {
    /// Both.
    pub const ALL: [Self; 2] = [Self::P256, Self::P384];

    /// The kind of public key on this curve.
    #[must_use]
    pub const fn kind(self) -> KeyKind {
        match self {
            Self::P256 => KeyKind::EcP256,
            Self::P384 => KeyKind::EcP384,
        }
    }

    /// Bytes of an uncompressed point: a mark and two coordinates.
    #[must_use]
    pub const fn point_bytes(self) -> usize {
        match self {
            Self::P256 => 65,
            Self::P384 => 97,
        }
    }

    /// ECDH on this curve.
    pub(crate) const fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
        }
    }
}

/// Signature algorithms that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ecdsa-with-SHA256 (RFC 5758).
    EcdsaSha256,
    /// ecdsa-with-SHA384.
    EcdsaSha384,
    /// ecdsa-with-SHA512.
    EcdsaSha512,
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// sha1WithRSAEncryption: never believed, but by tests of old vectors.
    #[cfg(test)]
    RsaPkcs1Sha1,
    /// sha256WithRSAEncryption (PKCS#1 v1.5).
    RsaPkcs1Sha256,
    /// sha384WithRSAEncryption.
    RsaPkcs1Sha384,
    /// sha512WithRSAEncryption.
    RsaPkcs1Sha512,
    /// RSASSA-PSS, SHA-256, MGF1 with SHA-256, salt 32.
    RsaPssSha256,
    /// RSASSA-PSS, SHA-384, MGF1 with SHA-384, salt 48.
    RsaPssSha384,
    /// RSASSA-PSS, SHA-512, MGF1 with SHA-512, salt 64.
    RsaPssSha512,
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaSha256 => "ECDSA with SHA-256",
            Self::EcdsaSha384 => "ECDSA with SHA-384",
            Self::EcdsaSha512 => "ECDSA with SHA-512",
            Self::Ed25519 => "Ed25519",
            #[cfg(test)]
            Self::RsaPkcs1Sha1 => "RSA PKCS#1 with SHA-1",
            Self::RsaPkcs1Sha256 => "RSA PKCS#1 with SHA-256",
            Self::RsaPkcs1Sha384 => "RSA PKCS#1 with SHA-384",
            Self::RsaPkcs1Sha512 => "RSA PKCS#1 with SHA-512",
            Self::RsaPssSha256 => "RSA-PSS with SHA-256",
            Self::RsaPssSha384 => "RSA-PSS with SHA-384",
            Self::RsaPssSha512 => "RSA-PSS with SHA-512",
        })
    }
}

impl SignatureAlgorithm {
    /// Reads an AlgorithmIdentifier. Parameters must be exactly what the standard of the
    /// algorithm says.
    ///
    /// # Errors
    /// [`AlgorithmError::Unknown`] for everything that is not on the list.
    pub fn from_identifier(id: &AlgorithmIdentifierOwned) -> Result<Self, AlgorithmError> {
        #[cfg(test)]
        if let Some(old) = legacy::algorithm(id) {
            return Ok(old);
        }
        let unknown = || AlgorithmError::Unknown(id.oid);
        let absent = id.parameters.is_none();
        // RFC 4055 section 5: NULL parameters; RFC 5758 section 3.2 and RFC 8410: absent. Readers
        // of PKCS#1 must take absent parameters too (RFC 4055 section 5, last paragraph).
        let null = id.parameters.as_ref().is_none_or(|any| any.is_null());
        match id.oid {
            ECDSA_SHA256 if absent => Ok(Self::EcdsaSha256),
            ECDSA_SHA384 if absent => Ok(Self::EcdsaSha384),
            ECDSA_SHA512 if absent => Ok(Self::EcdsaSha512),
            ED25519 if absent => Ok(Self::Ed25519),
            RSA_SHA256 if null => Ok(Self::RsaPkcs1Sha256),
            RSA_SHA384 if null => Ok(Self::RsaPkcs1Sha384),
            RSA_SHA512 if null => Ok(Self::RsaPkcs1Sha512),
            RSA_PSS => {
                let parameters = id.parameters.as_ref().ok_or_else(unknown)?;
                Self::pss_from(parameters).ok_or_else(unknown)
            }
            _ => Err(unknown()),
        }
    }

    /// The AlgorithmIdentifier that we write for this algorithm.
    ///
    /// # Errors
    /// Never in practice: the encoder's own error, for parameters that cannot be encoded.
    pub fn identifier(self) -> der::Result<AlgorithmIdentifierOwned> {
        let plain = |oid| AlgorithmIdentifierOwned {
            oid,
            parameters: None,
        };
        let null = |oid| AlgorithmIdentifierOwned {
            oid,
            parameters: Some(Any::null()),
        };
        Ok(match self {
            Self::EcdsaSha256 => plain(ECDSA_SHA256),
            Self::EcdsaSha384 => plain(ECDSA_SHA384),
            Self::EcdsaSha512 => plain(ECDSA_SHA512),
            Self::Ed25519 => plain(ED25519),
            #[cfg(test)]
            Self::RsaPkcs1Sha1 => return Err(der::ErrorKind::Failed.into()),
            Self::RsaPkcs1Sha256 => null(RSA_SHA256),
            Self::RsaPkcs1Sha384 => null(RSA_SHA384),
            Self::RsaPkcs1Sha512 => null(RSA_SHA512),
            Self::RsaPssSha256 => Self::pss_identifier(SHA256, 32)?,
            Self::RsaPssSha384 => Self::pss_identifier(SHA384, 48)?,
            Self::RsaPssSha512 => Self::pss_identifier(SHA512, 64)?,
        })
    }

    fn pss_from(parameters: &Any) -> Option<Self> {
        let der = parameters.to_der().ok()?;
        let pss = PssParameters::from_der(&der).ok()?;
        let mask = AlgorithmIdentifier::<AnyRef<'_>>::from_der(
            &pss.mask.parameters.as_ref()?.to_der().ok()?,
        )
        .ok()
        .map(|id| id.oid)?;
        let null = pss.hash.parameters.as_ref().is_none_or(|any| any.is_null());
        if pss.mask.oid != MGF1
            || mask != pss.hash.oid
            || pss.trailer.is_some_and(|t| t != 1)
            || !null
        {
            return None;
        }
        match (pss.hash.oid, pss.salt) {
            (SHA256, 32) => Some(Self::RsaPssSha256),
            (SHA384, 48) => Some(Self::RsaPssSha384),
            (SHA512, 64) => Some(Self::RsaPssSha512),
            _ => None,
        }
    }

    fn pss_identifier(hash: ObjectIdentifier, salt: u8) -> der::Result<AlgorithmIdentifierOwned> {
        let hash = AlgorithmIdentifierOwned {
            oid: hash,
            parameters: Some(Any::null()),
        };
        let mask = AlgorithmIdentifierOwned {
            oid: MGF1,
            parameters: Some(Any::encode_from(&hash)?),
        };
        let parameters = PssParameters {
            hash,
            mask,
            salt,
            trailer: None,
        };
        Ok(AlgorithmIdentifierOwned {
            oid: RSA_PSS,
            parameters: Some(Any::encode_from(&parameters)?),
        })
    }

    /// Whether a key of this kind makes such signatures.
    #[must_use]
    pub fn fits(self, kind: KeyKind) -> bool {
        self.verification(kind).is_some()
    }

    fn verification(self, kind: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
        #[cfg(test)]
        if let Some(old) = legacy::verification(self, kind) {
            return Some(old);
        }
        Some(match (self, kind) {
            (Self::EcdsaSha256, KeyKind::EcP256) => &aws::ECDSA_P256_SHA256_ASN1,
            (Self::EcdsaSha384, KeyKind::EcP256) => &aws::ECDSA_P256_SHA384_ASN1,
            (Self::EcdsaSha512, KeyKind::EcP256) => &aws::ECDSA_P256_SHA512_ASN1,
            (Self::EcdsaSha256, KeyKind::EcP384) => &aws::ECDSA_P384_SHA256_ASN1,
            (Self::EcdsaSha384, KeyKind::EcP384) => &aws::ECDSA_P384_SHA384_ASN1,
            (Self::EcdsaSha512, KeyKind::EcP384) => &aws::ECDSA_P384_SHA512_ASN1,
            (Self::Ed25519, KeyKind::Ed25519) => &aws::ED25519,
            (Self::RsaPkcs1Sha256, KeyKind::Rsa) => &aws::RSA_PKCS1_2048_8192_SHA256,
            (Self::RsaPkcs1Sha384, KeyKind::Rsa) => &aws::RSA_PKCS1_2048_8192_SHA384,
            (Self::RsaPkcs1Sha512, KeyKind::Rsa) => &aws::RSA_PKCS1_2048_8192_SHA512,
            (Self::RsaPssSha256, KeyKind::Rsa) => &aws::RSA_PSS_2048_8192_SHA256,
            (Self::RsaPssSha384, KeyKind::Rsa) => &aws::RSA_PSS_2048_8192_SHA384,
            (Self::RsaPssSha512, KeyKind::Rsa) => &aws::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        })
    }
}

/// RSASSA-PSS-params (RFC 4055 section 3.1); the defaults mean SHA-1 and are therefore refused by
/// making every field but the trailer mandatory.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    hash: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT")]
    mask: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT")]
    salt: u8,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u8>,
}

/// RSAPublicKey (RFC 8017 appendix A.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct RsaKey {
    modulus: der::asn1::Uint,
    exponent: der::asn1::Uint,
}

/// A public key that was parsed once and checks many signatures. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PublicKey(Arc<KeyParts>);

#[derive(Debug)]
struct KeyParts {
    kind: KeyKind,
    raw: Vec<u8>,
    usual: SignatureAlgorithm,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Parses a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`AlgorithmError::KeyRefused`] when the kind is not on the list, the parameters are not the
    /// standard ones, or the point or modulus is not acceptable.
    pub fn from_spki(spki_der: &[u8]) -> Result<Self, AlgorithmError> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki_der)
            .map_err(|_| AlgorithmError::KeyRefused("malformed SubjectPublicKeyInfo"))?;
        let raw = spki
            .subject_public_key
            .as_bytes()
            .ok_or(AlgorithmError::KeyRefused("unused bits in the key"))?;
        let curve = || spki.algorithm.parameters_oid().ok();
        let null = spki.algorithm.parameters.is_some_and(|any| any.is_null());
        let (kind, usual) = match spki.algorithm.oid {
            EC_PUBLIC_KEY if curve() == Some(CURVE_P256) => {
                (KeyKind::EcP256, SignatureAlgorithm::EcdsaSha256)
            }
            EC_PUBLIC_KEY if curve() == Some(CURVE_P384) => {
                (KeyKind::EcP384, SignatureAlgorithm::EcdsaSha384)
            }
            ED25519 if spki.algorithm.parameters.is_none() => {
                (KeyKind::Ed25519, SignatureAlgorithm::Ed25519)
            }
            #[cfg(test)]
            RSA_ENCRYPTION if null && legacy::is_allowed() => {
                (KeyKind::Rsa, SignatureAlgorithm::RsaPkcs1Sha256)
            }
            RSA_ENCRYPTION if null => (KeyKind::Rsa, SignatureAlgorithm::RsaPssSha256),
            _ => {
                return Err(AlgorithmError::KeyRefused(
                    "kind or parameters not accepted",
                ));
            }
        };
        let parsed = Self::parse(usual, kind, raw)?;
        Ok(Self(Arc::new(KeyParts {
            kind,
            raw: raw.to_vec(),
            usual,
            parsed,
        })))
    }

    fn parse(
        algorithm: SignatureAlgorithm,
        kind: KeyKind,
        raw: &[u8],
    ) -> Result<ParsedPublicKey, AlgorithmError> {
        let verification = algorithm
            .verification(kind)
            .ok_or(AlgorithmError::KeyMismatch {
                algorithm,
                key: kind,
            })?;
        ParsedPublicKey::new(verification, raw)
            .map_err(|_| AlgorithmError::KeyRefused("point, modulus or size not acceptable"))
    }

    /// The kind of key.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.0.kind
    }

    /// The key itself without its algorithm: the curve point, the 32 bytes, or RSAPublicKey.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.0.raw
    }

    /// Bits of an RSA modulus; none for other kinds.
    #[must_use]
    pub fn modulus_bits(&self) -> Option<u32> {
        if self.0.kind != KeyKind::Rsa {
            return None;
        }
        let key = RsaKey::from_der(&self.0.raw).ok()?;
        let bytes = key.modulus.as_bytes();
        let unused = bytes.first()?.leading_zeros();
        let bits = u32::try_from(bytes.len()).ok()?.checked_mul(8)?;
        bits.checked_sub(unused)
    }

    /// The algorithm that our own signers use with such a key.
    #[must_use]
    pub fn usual_algorithm(&self) -> SignatureAlgorithm {
        self.0.usual
    }

    /// Checks `signature` over `message`. The usual algorithm of the key is the fast path.
    ///
    /// # Errors
    /// [`AlgorithmError`]; a bad signature says nothing more than that.
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), AlgorithmError> {
        let outcome = if algorithm == self.0.usual {
            self.0.parsed.verify_sig(message, signature)
        } else {
            Self::parse(algorithm, self.0.kind, &self.0.raw)?.verify_sig(message, signature)
        };
        outcome.map_err(|_| AlgorithmError::BadSignature)
    }

    /// Checks `signature` over a message that was hashed while it streamed.
    ///
    /// # Errors
    /// [`AlgorithmError`]; a digest of another algorithm is a bad signature.
    pub(crate) fn verify_digest(
        &self,
        algorithm: SignatureAlgorithm,
        message: &aws_lc_rs::digest::Digest,
        signature: &[u8],
    ) -> Result<(), AlgorithmError> {
        Self::parse(algorithm, self.0.kind, &self.0.raw)?
            .verify_digest_sig(message, signature)
            .map_err(|_| AlgorithmError::BadSignature)
    }
}

const CURVE_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const CURVE_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
