//! Which digests CMS objects may use, and which signature algorithms fit them.
//!
//! Owns: the digest allow-list (SHA-1 and MD5 are not expressible) and the rule that a signature
//! rests on the digest that stands beside it. Fails with `None` for what is not on the list. Must
//! not know keys: which key fits which algorithm is `crate::algorithm`'s.

use der::Any;
use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;

use crate::algorithm::SignatureAlgorithm;

/// A digest that a signature of ours may rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384, which P-384 keys sign with.
    Sha384,
    /// SHA-512, met in foreign time-stamps only.
    Sha512,
}

impl HashAlgorithm {
    /// The digest of `bytes`.
    #[must_use]
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        aws_lc_rs::digest::digest(self.implementation(), bytes)
            .as_ref()
            .to_vec()
    }

    pub(crate) fn implementation(self) -> &'static aws_lc_rs::digest::Algorithm {
        match self {
            Self::Sha256 => &aws_lc_rs::digest::SHA256,
            Self::Sha384 => &aws_lc_rs::digest::SHA384,
            Self::Sha512 => &aws_lc_rs::digest::SHA512,
        }
    }

    pub(crate) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => ID_SHA_256,
            Self::Sha384 => ID_SHA_384,
            Self::Sha512 => ID_SHA_512,
        }
    }

    /// RFC 5754 section 2: parameters are left out when written.
    pub(crate) const fn identifier(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned {
            oid: self.oid(),
            parameters: None,
        }
    }

    /// RFC 5754 section 2: absent and NULL parameters are both read.
    pub(crate) fn from_identifier(identifier: &AlgorithmIdentifierOwned) -> Option<Self> {
        if identifier
            .parameters
            .as_ref()
            .is_some_and(|parameters| !parameters.is_null())
        {
            return None;
        }
        [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|hash| hash.oid() == identifier.oid)
    }
}

/// The signature algorithm of a signer info, if it is on the list and rests on `hash`.
///
/// A signer info names the digest twice; disagreement is refused, because stock verifiers read one
/// of the two and we would read the other.
pub(crate) fn signature_algorithm(
    identifier: &AlgorithmIdentifierOwned,
    hash: HashAlgorithm,
) -> Option<SignatureAlgorithm> {
    use SignatureAlgorithm as Algorithm;
    let null = identifier.parameters.as_ref().is_none_or(Any::is_null);
    if identifier.oid == ID_RSA && null {
        // RFC 3370 section 3.2: plain rsaEncryption means PKCS#1 v1.5 with the digest named beside
        // it.
        return Some(match hash {
            HashAlgorithm::Sha256 => Algorithm::RsaPkcs1Sha256,
            HashAlgorithm::Sha384 => Algorithm::RsaPkcs1Sha384,
            HashAlgorithm::Sha512 => Algorithm::RsaPkcs1Sha512,
        });
    }
    let algorithm = Algorithm::from_identifier(identifier).ok()?;
    (hash_of(algorithm) == Some(hash)).then_some(algorithm)
}

/// The digest inside a signature algorithm; `None` for Ed25519, which CMS objects here do not use.
pub(crate) const fn hash_of(algorithm: SignatureAlgorithm) -> Option<HashAlgorithm> {
    use SignatureAlgorithm as Algorithm;
    match algorithm {
        Algorithm::EcdsaSha256 | Algorithm::RsaPkcs1Sha256 | Algorithm::RsaPssSha256 => {
            Some(HashAlgorithm::Sha256)
        }
        Algorithm::EcdsaSha384 | Algorithm::RsaPkcs1Sha384 | Algorithm::RsaPssSha384 => {
            Some(HashAlgorithm::Sha384)
        }
        Algorithm::EcdsaSha512 | Algorithm::RsaPkcs1Sha512 | Algorithm::RsaPssSha512 => {
            Some(HashAlgorithm::Sha512)
        }
        Algorithm::Ed25519 => None,
        #[cfg(test)]
        Algorithm::RsaPkcs1Sha1 => None,
    }
}

/// Whether packets, headers, checkpoints and records may be signed so. RSA PKCS#1 v1.5 is read in
/// foreign time-stamps only.
pub(crate) const fn signs_content(algorithm: SignatureAlgorithm) -> bool {
    use SignatureAlgorithm as Algorithm;
    match algorithm {
        Algorithm::EcdsaSha256
        | Algorithm::EcdsaSha384
        | Algorithm::EcdsaSha512
        | Algorithm::RsaPssSha256
        | Algorithm::RsaPssSha384
        | Algorithm::RsaPssSha512 => true,
        Algorithm::Ed25519
        | Algorithm::RsaPkcs1Sha256
        | Algorithm::RsaPkcs1Sha384
        | Algorithm::RsaPkcs1Sha512 => false,
        #[cfg(test)]
        Algorithm::RsaPkcs1Sha1 => false,
    }
}

const ID_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ID_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ID_SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const ID_SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
