//! Algorithms of old vectors, for tests only: SHA-1 with RSA, and RSA of 1024 bits. The product
//! refuses them; a suite that was signed with them can still be judged for what it is about.
//!
//! Owns: the switch, for one thread and one closure. Not compiled into the product.

use std::cell::Cell;

use aws_lc_rs::signature::{self as aws, VerificationAlgorithm};
use const_oid::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;

use super::{KeyKind, SignatureAlgorithm};

thread_local! {
    static ALLOWED: Cell<bool> = const { Cell::new(false) };
}

/// Runs with the old algorithms believed.
pub(crate) fn with_legacy<T>(run: impl FnOnce() -> T) -> T {
    ALLOWED.set(true);
    let outcome = run();
    ALLOWED.set(false);
    outcome
}

pub(super) fn is_allowed() -> bool {
    ALLOWED.get()
}

pub(super) fn algorithm(id: &AlgorithmIdentifierOwned) -> Option<SignatureAlgorithm> {
    let known = is_allowed() && id.oid == RSA_SHA1;
    known.then_some(SignatureAlgorithm::RsaPkcs1Sha1)
}

pub(super) fn verification(
    algorithm: SignatureAlgorithm,
    kind: KeyKind,
) -> Option<&'static dyn VerificationAlgorithm> {
    if !is_allowed() {
        return None;
    }
    match (algorithm, kind) {
        (SignatureAlgorithm::RsaPkcs1Sha1, KeyKind::Rsa) => {
            Some(&aws::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY)
        }
        (SignatureAlgorithm::RsaPkcs1Sha256, KeyKind::Rsa) => {
            Some(&aws::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)
        }
        _ => None,
    }
}

const RSA_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5");
