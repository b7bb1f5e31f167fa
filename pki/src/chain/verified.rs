//! A certificate that is believed.
//!
//! Owns: the proof. Only the validator makes one; what it says is what was judged. Must not know
//! how it was judged.

use std::fmt;
use std::sync::Arc;

use formats::id::Party;
use formats::time::Timestamp;

use crate::algorithm::{AlgorithmError, PublicKey, SignatureAlgorithm};
use crate::cert::Certificate;
use crate::role::Role;

/// A certificate that was verified in a role at a time. Only the validator makes one.
#[derive(Clone)]
pub struct VerifiedCert(Arc<Verified>);

pub(super) struct Verified {
    pub(super) cert: Certificate,
    pub(super) role: Role,
    pub(super) party: Option<Party>,
    pub(super) key: PublicKey,
    pub(super) path: Vec<Certificate>,
    pub(super) at: Timestamp,
}

impl fmt::Debug for VerifiedCert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "VerifiedCert({} as {} at {})",
            self.0.cert.subject(),
            self.0.role,
            self.0.at
        )
    }
}

impl VerifiedCert {
    pub(super) fn new(verified: Verified) -> Self {
        Self(Arc::new(verified))
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.0.cert
    }

    /// The role it was verified in.
    #[must_use]
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// Whom it names; authorities name nobody.
    #[must_use]
    pub fn party(&self) -> Option<&Party> {
        self.0.party.as_ref()
    }

    /// The time it was judged at.
    #[must_use]
    pub fn judged_at(&self) -> Timestamp {
        self.0.at
    }

    /// The path, root first, the certificate itself last.
    #[must_use]
    pub fn path(&self) -> &[Certificate] {
        &self.0.path
    }

    /// The parsed public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.0.key
    }

    /// Checks a signature with the usual algorithm of the key (ECDSA with the curve's SHA-2,
    /// RSA-PSS).
    ///
    /// # Errors
    /// [`AlgorithmError`].
    pub fn verify_signature(&self, message: &[u8], signature: &[u8]) -> Result<(), AlgorithmError> {
        self.verify_signature_with(self.0.key.usual_algorithm(), message, signature)
    }

    /// Checks a signature with a named algorithm.
    ///
    /// # Errors
    /// [`AlgorithmError`].
    pub fn verify_signature_with(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), AlgorithmError> {
        self.0.key.verify(algorithm, message, signature)
    }
}
