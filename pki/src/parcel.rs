//! What a foreign authority hands out: a key with its certificates in one PKCS#12 file (RFC 7292).
//!
//! Owns: taking keys and certificates out. Bags are opened with the one modern encryption (PBES2 with
//! PBKDF2-HMAC-SHA256 and AES-256-CBC, what OpenSSL 3 writes); older ones are refused with the way to
//! write the file anew, because their passphrases fall to a desktop computer. The file's own integrity
//! code is not judged: what comes out is judged by itself, the key by its certificate and the
//! certificate by its chain. Fails with [`ParcelError`]. Must not know: roles, files.

use std::fmt;

use der::asn1::{ObjectIdentifier, OctetString};
use der::{Any, Decode, Encode, Sequence};
use spki::AlgorithmIdentifierOwned;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::cert::{CertError, Certificate};
use crate::key::open_encrypted;

/// Why nothing was taken out.
#[derive(Debug, Error)]
pub enum ParcelError {
    /// A certificate in it does not parse.
    #[error("certificate in the PKCS#12 file: {0}")]
    Certificate(#[from] CertError),
    /// Not PKCS#12 in DER, or larger than any.
    #[error("not a PKCS#12 file: {0}")]
    Form(&'static str),
    /// Encrypted in a way that is no longer safe, or unknown.
    #[error("the PKCS#12 file is encrypted in an old way ({0})")]
    Scheme(ObjectIdentifier),
    /// The passphrase does not open it.
    #[error("wrong passphrase, or the PKCS#12 file is damaged")]
    Passphrase,
}

impl From<der::Error> for ParcelError {
    fn from(_: der::Error) -> Self {
        Self::Form("a value is malformed")
    }
}

/// What was in the file.
pub struct Parcel {
    /// Private keys, PKCS#8 DER.
    pub keys: Vec<Zeroizing<Vec<u8>>>,
    /// Certificates in their order.
    pub certificates: Vec<Certificate>,
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keys, certificates) = (self.keys.len(), &self.certificates);
        write!(f, "Parcel({keys} keys, {certificates:?})")
    }
}

/// PFX, ContentInfo, EncryptedData, SafeBag, CertBag as RFC 7292 writes them.
#[derive(Sequence)]
struct Pfx {
    version: u8,
    safe: ContentInfo,
    #[asn1(optional = "true")]
    mac: Option<Any>,
}

#[derive(Sequence)]
struct ContentInfo {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: Any,
}

#[derive(Sequence)]
struct EncryptedData {
    version: u8,
    info: EncryptedInfo,
}

#[derive(Sequence)]
struct EncryptedInfo {
    kind: ObjectIdentifier,
    scheme: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    bytes: OctetString,
}

#[derive(Sequence)]
struct Bag {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: Any,
    #[asn1(optional = "true")]
    attributes: Option<Any>,
}

#[derive(Sequence)]
struct CertBag {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    der: OctetString,
}

/// EncryptedPrivateKeyInfo, whose two parts an encrypted safe has as well.
#[derive(Sequence)]
struct Encrypted {
    scheme: AlgorithmIdentifierOwned,
    bytes: OctetString,
}

/// Opens a PKCS#12 file.
///
/// # Errors
/// [`ParcelError`].
pub fn open(der: &[u8], passphrase: &str) -> Result<Parcel, ParcelError> {
    if der.len() > BYTES_MAX {
        return Err(ParcelError::Form("too large"));
    }
    let pfx = Pfx::from_der(der)?;
    if pfx.version != 3 {
        return Err(ParcelError::Form("not version 3"));
    }
    let mut parcel = Parcel {
        keys: Vec::new(),
        certificates: Vec::new(),
    };
    let safes = Vec::<ContentInfo>::from_der(plain(&pfx.safe)?.as_bytes())?;
    if safes.len() > PARTS_MAX {
        return Err(ParcelError::Form("too many parts"));
    }
    for safe in &safes {
        let bags = if safe.kind == ENCRYPTED_DATA {
            let data: EncryptedData = safe.content.decode_as()?;
            Zeroizing::new(decrypted(data.info.scheme, data.info.bytes, passphrase)?.to_vec())
        } else {
            Zeroizing::new(plain(safe)?.as_bytes().to_vec())
        };
        take(&mut parcel, &bags, passphrase)?;
    }
    Ok(parcel)
}

fn take(parcel: &mut Parcel, bags: &[u8], passphrase: &str) -> Result<(), ParcelError> {
    let bags = Vec::<Bag>::from_der(bags)?;
    let held = parcel.keys.len().saturating_add(parcel.certificates.len());
    // Opening each shrouded key costs what the file says: a hostile one must not buy hours.
    if held.saturating_add(bags.len()) > PARTS_MAX {
        return Err(ParcelError::Form("too many parts"));
    }
    for bag in bags {
        match bag.kind {
            KEY_BAG => parcel.keys.push(Zeroizing::new(bag.content.to_der()?)),
            SHROUDED_KEY_BAG => {
                let key: Encrypted = bag.content.decode_as()?;
                parcel
                    .keys
                    .push(decrypted(key.scheme, key.bytes, passphrase)?);
            }
            CERT_BAG => {
                let cert: CertBag = bag.content.decode_as()?;
                if cert.kind == X509_CERTIFICATE {
                    parcel
                        .certificates
                        .push(Certificate::parse(cert.der.as_bytes())?);
                }
            }
            // Lists and secrets are nobody's business here.
            _ => {}
        }
    }
    Ok(())
}

fn plain(info: &ContentInfo) -> Result<OctetString, ParcelError> {
    if info.kind != DATA {
        return Err(ParcelError::Form("content of an unknown kind"));
    }
    Ok(info.content.decode_as()?)
}

fn decrypted(
    scheme: AlgorithmIdentifierOwned,
    bytes: OctetString,
    passphrase: &str,
) -> Result<Zeroizing<Vec<u8>>, ParcelError> {
    if scheme.oid != PBES2 {
        return Err(ParcelError::Scheme(scheme.oid));
    }
    let whole = Encrypted { scheme, bytes }.to_der()?;
    open_encrypted(&whole, passphrase).ok_or(ParcelError::Passphrase)
}

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_KEY_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERT_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");

/// A key and a chain are some kilobytes.
const BYTES_MAX: usize = 256 * 1024;
/// Keys and certificates of one file.
const PARTS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Authority;
    use crate::key::{Algorithm, SigningKey};
    use crate::role::Role;

    fn made(authority: &Authority, options: &str) -> Vec<u8> {
        let signer = authority.signer(Role::AgencySignature, "04.36.h01", Algorithm::EcdsaP256);
        let stem = &signer.stem;
        authority.openssl(&format!(
            "pkcs12 -export -inkey {stem}.key -in {stem}.crt -certfile chain.pem -out a.p12 \
             -passout pass:secret {options}"
        ));
        authority.read("a.p12")
    }

    #[test]
    fn what_openssl_packs_comes_out_whole() {
        let authority = Authority::new();
        for options in ["", "-keypbe NONE -certpbe NONE", "-nomac"] {
            let parcel = open(&made(&authority, options), "secret").unwrap();
            assert_eq!((parcel.keys.len(), parcel.certificates.len()), (1, 3));
            let key = SigningKey::from_pkcs8(&parcel.keys[0]).unwrap();
            let own = |one: &Certificate| one.spki_der() == key.spki_der();
            assert!(parcel.certificates.iter().any(own), "{options}");
            assert!(parcel.certificates.contains(&authority.root));
        }
    }

    #[test]
    fn old_encryption_wrong_passphrases_and_noise_are_refused_in_words() {
        let authority = Authority::new();
        let good = made(&authority, "");
        assert!(matches!(open(&good, "other"), Err(ParcelError::Passphrase)));
        let old = made(&authority, "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES");
        assert!(matches!(open(&old, "secret"), Err(ParcelError::Scheme(_))));
        for noise in [
            &b""[..],
            b"hello",
            &good[..good.len() - 1],
            &[0x30; 300_000],
        ] {
            assert!(open(noise, "secret").is_err());
        }
        for at in (0..good.len()).step_by(97) {
            let mut bent = good.clone();
            bent[at] ^= 0x41;
            // Never a panic; what still opens has the parts of the right file or none.
            drop(open(&bent, "secret"));
        }
    }
}
