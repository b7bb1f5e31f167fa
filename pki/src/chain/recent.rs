//! Signers that were believed a moment ago: time-stamp authorities and others whose certificate comes
//! with every signature. Owns the memory of one validator, so a change of trust or revocation, which
//! makes a new validator, starts with an empty one. Fails as the validator does; refusals are not
//! remembered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use formats::id::Digest;
use formats::time::Timestamp;

use crate::cert::Certificate;
use crate::chain::{ChainError, Validator, VerifiedCert};
use crate::role::Role;

/// By certificate, role and hour.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<HashMap<(Digest, Role, i64), VerifiedCert>>);

impl Validator {
    /// Like [`Validator::verify`], remembering what held for each hour of `at`: of the things that
    /// decide, only the ends of validity move within one, and those of the certificate itself are
    /// compared each time.
    ///
    /// # Errors
    /// [`ChainError`] as [`Validator::verify`].
    pub fn verify_within_hour(
        &self,
        cert: &Certificate,
        role: Role,
        at: Timestamp,
    ) -> Result<VerifiedCert, ChainError> {
        let name = (
            cert.sha256(),
            role,
            at.unix_s().div_euclid(SECONDS_PER_HOUR),
        );
        if (cert.not_before()..=cert.not_after()).contains(&at) {
            let recent = self
                .0
                .recent
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(verified) = recent.get(&name) {
                return Ok(verified.clone());
            }
        }
        let verified = self.verify(cert, role, at)?;
        let mut recent = self
            .0
            .recent
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= RECENT_MAX {
            recent.clear();
        }
        recent.insert(name, verified.clone());
        Ok(verified)
    }
}

const SECONDS_PER_HOUR: i64 = 3_600;
/// Signers remembered.
const RECENT_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Authority;
    use crate::key::Algorithm;

    #[test]
    fn what_held_is_remembered_for_its_role_and_its_time_only() {
        let authority = Authority::new();
        let signer = authority.signer(Role::TimeStamping, "tsa-1.tram.test", Algorithm::EcdsaP256);
        let (validator, certificate) = (authority.validator(), &signer.certificate);
        let at = authority.now();
        let ask = |role, at| validator.verify_within_hour(certificate, role, at);
        let first = ask(Role::TimeStamping, at).unwrap();
        let again = ask(Role::TimeStamping, at).unwrap();
        assert_eq!(first.certificate().sha256(), again.certificate().sha256());
        assert_eq!(validator.0.recent.0.lock().unwrap().len(), 1);
        assert!(ask(Role::StationEvidence, at).is_err());
        assert!(ask(Role::TimeStamping, certificate.not_after().plus_ms(1_000)).is_err());
        assert!(ask(Role::TimeStamping, certificate.not_before().minus_ms(1_000)).is_err());
        assert_eq!(validator.0.recent.0.lock().unwrap().len(), 1);
    }
}
