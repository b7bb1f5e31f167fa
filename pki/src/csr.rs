//! Certificate requests (PKCS#10): only the key is taken from them.
//!
//! Owns: making a request, reading one, and checking that whoever made it holds the key. Names and
//! extensions in the request are ignored: the registrar says whom a certificate names. Fails with
//! [`CsrError`]. Must not know: profiles, the ledger.

use der::asn1::{BitString, SetOfVec};
use der::pem::{self, LineEnding};
use der::{Decode, Encode};
use spki::SubjectPublicKeyInfoOwned;
use thiserror::Error;
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, Version};

use crate::algorithm::{AlgorithmError, PublicKey, SignatureAlgorithm};
use crate::cert::signed_part;
use crate::key::{KeyError, SigningKey};

/// Why a request is refused.
#[derive(Debug, Error)]
pub enum CsrError {
    /// Not PKCS#10.
    #[error("not a certificate request: {0}")]
    Der(#[from] der::Error),
    /// The signature does not prove that the requester holds the key, or the key is not accepted.
    #[error("certificate request: {0}")]
    Key(#[from] AlgorithmError),
    /// Not PEM, or larger than any request.
    #[error("not a certificate request in PEM or DER")]
    Form,
    /// The key does not sign its own request.
    #[error("certificate request: {0}")]
    Sign(#[from] KeyError),
}

/// A request in PEM for this key. The name is for people who look into the file; it has no say.
///
/// # Errors
/// [`CsrError::Sign`]; the others for a name or key that does not encode.
pub fn request(key: &SigningKey, name: &str) -> Result<String, CsrError> {
    let info = CertReqInfo {
        version: Version::V1,
        subject: format!("CN={name}").parse::<Name>()?,
        public_key: SubjectPublicKeyInfoOwned::from_der(key.spki_der())?,
        attributes: SetOfVec::new(),
    };
    let signature = key.sign(&info.to_der()?)?;
    let request = CertReq {
        info,
        algorithm: key.signature_algorithm().identifier()?,
        signature: BitString::from_bytes(&signature)?,
    };
    let der = request.to_der()?;
    pem::encode_string("CERTIFICATE REQUEST", LineEnding::LF, &der).map_err(|_| CsrError::Form)
}

/// The SubjectPublicKeyInfo (DER) of a request in PEM or DER.
///
/// # Errors
/// [`CsrError`].
pub fn requested_key(bytes: &[u8]) -> Result<Vec<u8>, CsrError> {
    if bytes.len() > CSR_BYTES_MAX {
        return Err(CsrError::Form);
    }
    let der = if bytes.starts_with(&[0x30]) {
        bytes.to_vec()
    } else {
        match pem::decode_vec(bytes) {
            Ok(("CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST", der)) => der,
            _ => return Err(CsrError::Form),
        }
    };
    let request = CertReq::from_der(&der)?;
    let spki = request.info.public_key.to_der()?;
    let message = der.get(signed_part(&der)?).ok_or(CsrError::Form)?;
    let algorithm = SignatureAlgorithm::from_identifier(&request.algorithm)?;
    let signature = request.signature.as_bytes().ok_or(CsrError::Form)?;
    PublicKey::from_spki(&spki)?.verify(algorithm, message, signature)?;
    Ok(spki)
}

/// A request has about 500 bytes; with RSA-8192 and many attributes under 8 KiB.
const CSR_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Algorithm;

    #[test]
    fn a_request_that_we_make_proves_its_key_to_us_and_to_openssl() {
        for kind in [
            Algorithm::EcdsaP256,
            Algorithm::EcdsaP384,
            Algorithm::RsaPss3072,
        ] {
            let key = SigningKey::generate(kind).unwrap();
            let pem = request(&key, "node-1.tram.test").unwrap();
            assert_eq!(requested_key(pem.as_bytes()).unwrap(), key.spki_der());
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("a.csr");
            std::fs::write(&file, &pem).unwrap();
            let said = std::process::Command::new("openssl")
                .args(["req", "-verify", "-noout", "-subject", "-in"])
                .arg(&file)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&said.stdout).into_owned()
                + &String::from_utf8_lossy(&said.stderr);
            assert!(said.status.success() && text.contains("OK"), "{text}");
            assert!(text.contains("node-1.tram.test"), "{text}");
        }
    }

    #[test]
    fn a_request_with_another_key_or_a_changed_byte_proves_nothing() {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let (_, mut der) = pem::decode_vec(request(&key, "a").unwrap().as_bytes()).unwrap();
        let last = der.len() - 20;
        der[last] ^= 1;
        assert!(requested_key(&der).is_err());
    }
}
