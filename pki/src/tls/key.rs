//! Our signing keys as rustls sees them, wherever they live.
//!
//! Owns: the bridge from [`SigningKey`] to rustls' traits, so that the key of a handshake may lie
//! in a token. A signature in a token blocks the handshake's thread for as long as the token
//! takes. Fails with rustls' own error. Must not know: certificates' content.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey as RustlsKey, SingleCertAndKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::cert::Certificate;
use crate::key::{Algorithm, SigningKey};

/// Chain and key as a server or client shows them in a handshake.
#[must_use]
pub fn identity(chain: &[Certificate], key: &SigningKey) -> Arc<SingleCertAndKey> {
    let chain = chain
        .iter()
        .map(|cert| CertificateDer::from(cert.der().to_vec()));
    let key = Arc::new(HandshakeKey(key.clone()));
    let certified = CertifiedKey::new(chain.collect(), key);
    Arc::new(SingleCertAndKey::from(certified))
}

#[derive(Clone, Debug)]
struct HandshakeKey(SigningKey);

impl HandshakeKey {
    /// TLS 1.3 ties each scheme to one curve and one digest (RFC 8446 section 4.2.3), and each of
    /// our keys signs with exactly one.
    fn only(&self) -> SignatureScheme {
        match self.0.algorithm() {
            Algorithm::EcdsaP256 => SignatureScheme::ECDSA_NISTP256_SHA256,
            Algorithm::EcdsaP384 => SignatureScheme::ECDSA_NISTP384_SHA384,
            Algorithm::RsaPss3072 => SignatureScheme::RSA_PSS_SHA256,
        }
    }
}

impl RustlsKey for HandshakeKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer: Box<dyn Signer> = Box::new(self.clone());
        offered.contains(&self.only()).then_some(signer)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.0.spki_der()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.0.algorithm() {
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => SignatureAlgorithm::ECDSA,
            Algorithm::RsaPss3072 => SignatureAlgorithm::RSA,
        }
    }
}

impl Signer for HandshakeKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.0
            .sign(message)
            .map_err(|error| rustls::Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.only()
    }
}
