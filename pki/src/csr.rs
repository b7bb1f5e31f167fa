//! Certificate requests (PKCS#10): only the key is taken from them.
//!
//! Owns: reading a request and checking that whoever made it holds the key. Names and extensions in
//! the request are ignored: the registrar says whom a certificate names. Fails with [`CsrError`].
//! Must not know: profiles, the ledger.

use der::pem;
use der::{Decode, Encode};
use thiserror::Error;
use x509_cert::request::CertReq;

use crate::algorithm::{AlgorithmError, PublicKey, SignatureAlgorithm};
use crate::cert::signed_part;

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
