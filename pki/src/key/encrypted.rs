//! Encrypted PKCS#8 (RFC 5958 section 3): PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC, the form
//! that `openssl pkcs8 -topk8` writes by default and `openssl pkey` reads.
//!
//! Owns: that one form; others are refused. Fails with `()`: a wrong passphrase and a damaged file
//! look the same on purpose. Must not know: files.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{pbkdf2, rand};
use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::{Decode, Encode, Sequence};
use spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

use super::KeyError;

/// EncryptedPrivateKeyInfo.
#[derive(Sequence)]
struct EncryptedKey {
    algorithm: AlgorithmIdentifierOwned,
    data: OctetString,
}

/// PBES2-params (RFC 8018 A.4).
#[derive(Sequence)]
struct Pbes2 {
    derivation: AlgorithmIdentifierOwned,
    cipher: AlgorithmIdentifierOwned,
}

/// PBKDF2-params (RFC 8018 A.2); the salt choice other than OCTET STRING was never used by anyone.
#[derive(Sequence)]
struct Pbkdf2 {
    salt: OctetString,
    iterations: u32,
    #[asn1(optional = "true")]
    key_bytes: Option<u16>,
    #[asn1(optional = "true")]
    prf: Option<AlgorithmIdentifierOwned>,
}

/// Opens an EncryptedPrivateKeyInfo.
pub(super) fn open(bytes: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, ()> {
    let outer = EncryptedKey::from_der(bytes).map_err(drop)?;
    let scheme: Pbes2 = parameters(&outer.algorithm, PBES2)?;
    let derivation: Pbkdf2 = parameters(&scheme.derivation, PBKDF2)?;
    let iv: OctetString = parameters(&scheme.cipher, AES_256_CBC)?;
    let hmac_sha256 = derivation
        .prf
        .as_ref()
        .is_some_and(|prf| prf.oid == HMAC_SHA256);
    let iterations = NonZeroU32::new(derivation.iterations).ok_or(())?;
    if !hmac_sha256
        || iterations.get() > ITERATIONS_MAX
        || derivation.key_bytes.is_some_and(|bytes| bytes != 32)
    {
        return Err(());
    }
    let key = derive(passphrase, derivation.salt.as_bytes(), iterations);
    let key = UnboundCipherKey::new(&AES_256, key.as_slice()).map_err(drop)?;
    let iv = <[u8; 16]>::try_from(iv.as_bytes()).map_err(drop)?;
    let mut data = Zeroizing::new(outer.data.as_bytes().to_vec());
    let plain = PaddedBlockDecryptingKey::cbc_pkcs7(key)
        .and_then(|key| key.decrypt(&mut data, DecryptionContext::Iv128(FixedLength::from(iv))))
        .map_err(drop)?;
    Ok(Zeroizing::new(plain.to_vec()))
}

/// Makes an EncryptedPrivateKeyInfo.
pub(super) fn seal(pkcs8: &[u8], passphrase: &str) -> Result<Vec<u8>, KeyError> {
    seal_inner(pkcs8, passphrase).ok_or(KeyError::Crypto("encrypt a key"))
}

fn seal_inner(pkcs8: &[u8], passphrase: &str) -> Option<Vec<u8>> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).ok()?;
    let key = derive(passphrase, &salt, NonZeroU32::new(ITERATIONS)?);
    let key = UnboundCipherKey::new(&AES_256, key.as_slice()).ok()?;
    let mut data = Zeroizing::new(pkcs8.to_vec());
    let context = PaddedBlockEncryptingKey::cbc_pkcs7(key)
        .and_then(|key| key.encrypt(&mut *data))
        .ok()?;
    let DecryptionContext::Iv128(iv) = context else {
        return None;
    };
    let prf = AlgorithmIdentifierOwned {
        oid: HMAC_SHA256,
        parameters: Some(Any::null()),
    };
    let derivation = Pbkdf2 {
        salt: OctetString::new(salt).ok()?,
        iterations: ITERATIONS,
        key_bytes: None,
        prf: Some(prf),
    };
    let scheme = Pbes2 {
        derivation: identifier(PBKDF2, &derivation)?,
        cipher: identifier(AES_256_CBC, &OctetString::new(*iv.as_ref()).ok()?)?,
    };
    let outer = EncryptedKey {
        algorithm: identifier(PBES2, &scheme)?,
        data: OctetString::new(data.as_slice()).ok()?,
    };
    outer.to_der().ok()
}

fn derive(passphrase: &str, salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        passphrase.as_bytes(),
        key.as_mut_slice(),
    );
    key
}

fn parameters<T: for<'a> Decode<'a>>(
    id: &AlgorithmIdentifierOwned,
    oid: ObjectIdentifier,
) -> Result<T, ()> {
    let any = id.parameters.as_ref().filter(|_| id.oid == oid).ok_or(())?;
    T::from_der(&any.to_der().map_err(drop)?).map_err(drop)
}

fn identifier<T>(oid: ObjectIdentifier, value: &T) -> Option<AlgorithmIdentifierOwned>
where
    T: der::EncodeValue + der::Tagged,
{
    Some(AlgorithmIdentifierOwned {
        oid,
        parameters: Some(Any::encode_from(value).ok()?),
    })
}

const AES_256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");

/// OWASP's figure for PBKDF2-HMAC-SHA256; about a quarter of a second.
const ITERATIONS: u32 = 600_000;

/// A hostile file must not buy minutes of CPU.
const ITERATIONS_MAX: u32 = 10_000_000;
