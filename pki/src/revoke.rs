//! Revocation: certificate revocation lists, whether to believe one, and what it says.
//!
//! Owns: strict parsing of full, indirect and delta CRLs (RFC 5280 section 5, in `read`), what a
//! list speaks about (`scope`), its freshness and the rule of which revocations reach back in time.
//! Nothing is fetched. Fails with [`CrlError`]. Must not know: paths, roles.

mod read;
mod scope;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use der::Decode;
use der::Encode;
use der::asn1::Uint;
use formats::id::Digest;
use formats::time::Timestamp;
use thiserror::Error;
use x509_cert::crl::CertificateList;
pub use x509_cert::ext::pkix::CrlReason;
use x509_cert::name::Name;

use crate::algorithm::{AlgorithmError, SignatureAlgorithm};
use crate::cert::{Certificate, hex, timestamp};
use crate::chain::names::{name_key, same_name};

use read::CRL_BYTES_MAX;
use scope::Scope;

pub(crate) use scope::ReasonMask;

/// Why a list is not believed.
#[derive(Debug, Error)]
pub enum CrlError {
    /// Not strict DER.
    #[error("not a DER revocation list: {0}")]
    Der(#[from] der::Error),
    /// Something that RFC 5280 forbids or that we do not process.
    #[error("revocation list refused: {0}")]
    Refused(&'static str),
    /// The signature is not the issuer's.
    #[error("revocation list signature: {0}")]
    Signature(#[from] AlgorithmError),
    /// Larger than any list that we plan for.
    #[error("revocation list of {0} bytes is larger than {CRL_BYTES_MAX}")]
    TooLarge(usize),
}

/// One entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// From when the certificate is revoked.
    pub at: Timestamp,
    /// Why.
    pub reason: CrlReason,
}

impl Revocation {
    /// Whether a signature of time `at` is spoiled. A compromised key or a withdrawn privilege,
    /// or no reason given, spoils everything it ever signed; the other reasons only what comes
    /// later (architecture, section 7, "When is a signer judged?").
    #[must_use]
    pub fn spoils(&self, at: Timestamp) -> bool {
        match self.reason {
            CrlReason::AaCompromise
            | CrlReason::CaCompromise
            | CrlReason::KeyCompromise
            | CrlReason::PrivilegeWithdrawn
            | CrlReason::Unspecified => true,
            CrlReason::AffiliationChanged
            | CrlReason::CertificateHold
            | CrlReason::CessationOfOperation
            | CrlReason::RemoveFromCRL
            | CrlReason::Superseded => self.at <= at,
        }
    }
}

impl Revocation {
    /// Whether a delta list takes the certificate off the full list (RFC 5280 section 5.3.1).
    pub(crate) fn is_removal(self) -> bool {
        self.reason == CrlReason::RemoveFromCRL
    }
}

/// A parsed CRL; cheap to clone.
#[derive(Clone)]
pub struct Crl(Arc<Parts>);

struct Parts {
    der: Vec<u8>,
    tbs: Range<usize>,
    list: CertificateList,
    algorithm: SignatureAlgorithm,
    /// Certificates of the list's own issuer, by serial number.
    entries: HashMap<Vec<u8>, Revocation>,
    /// Certificates of other issuers, by issuer and serial number.
    foreign: HashMap<(String, Vec<u8>), Revocation>,
    scope: Option<Scope>,
    scope_der: Option<Vec<u8>>,
    authority_key: Option<Vec<u8>>,
    number: Option<Uint>,
    base: Option<Uint>,
    deltas: bool,
    nonconformance: Option<&'static str>,
    /// The key (its SPKI digest) that was found to have signed this list.
    signer: OnceLock<Digest>,
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crl({}, {} entries)", self.issuer(), self.revoked())
    }
}

impl Crl {
    /// The exact bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Issuer in RFC 4514 text.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.issuer_name().to_string()
    }

    /// The decoded structure.
    pub(crate) fn list(&self) -> &CertificateList {
        &self.0.list
    }

    pub(crate) fn issuer_name(&self) -> &Name {
        &self.0.list.tbs_cert_list.issuer
    }

    /// When this list was made.
    #[must_use]
    pub fn this_update(&self) -> Timestamp {
        timestamp(self.0.list.tbs_cert_list.this_update)
    }

    /// When the next list is due at the latest; without it the list is never fresh.
    #[must_use]
    pub fn next_update(&self) -> Option<Timestamp> {
        self.0.list.tbs_cert_list.next_update.map(timestamp)
    }

    /// The number of the list, as lower-case hexadecimal of its DER.
    #[must_use]
    pub fn number(&self) -> Option<String> {
        let der = self.0.number.as_ref()?.to_der().ok()?;
        Some(hex(&der))
    }

    /// Its number in a form that compares: length first, then digits.
    #[must_use]
    pub fn rank(&self) -> Option<(usize, String)> {
        let text = self.number()?;
        let digits = text.trim_start_matches('0').to_owned();
        Some((digits.len(), digits))
    }

    /// The number of the list as ours count; nothing for a list without one or beyond 64 bits.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        u64::from_der(&self.0.number.as_ref()?.to_der().ok()?).ok()
    }

    /// Whether the issuer publishes changes to this list as delta lists: then it proves nothing
    /// fresh without the newest of them.
    #[must_use]
    pub fn has_deltas(&self) -> bool {
        self.0.deltas
    }

    /// Whether this states only the changes since a full list (RFC 5280 section 5.2.4).
    #[must_use]
    pub fn is_delta(&self) -> bool {
        self.0.base.is_some()
    }

    /// What RFC 5280 section 5 demands of issuers and this list lacks. Its revocations still count.
    #[must_use]
    pub fn nonconformance(&self) -> Option<&'static str> {
        self.0.nonconformance
    }

    /// How many certificates are revoked.
    #[must_use]
    pub fn revoked(&self) -> usize {
        self.0.entries.len().saturating_add(self.0.foreign.len())
    }

    /// Whether the list is still fresh at `now` with `grace_ms` beyond its nextUpdate.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp, grace_ms: i64) -> bool {
        self.next_update()
            .is_some_and(|next| next.unix_ms().saturating_add(grace_ms) >= now.unix_ms())
    }

    /// The entry for a certificate, which may be another issuer's in an indirect list.
    #[must_use]
    pub fn entry(&self, cert: &Certificate) -> Option<Revocation> {
        let serial = cert
            .x509()
            .tbs_certificate()
            .serial_number()
            .to_der()
            .ok()?;
        if same_name(cert.issuer_name(), self.issuer_name()) {
            return self.0.entries.get(&serial).copied();
        }
        let key = (name_key(cert.issuer_name()), serial);
        self.0.foreign.get(&key).copied()
    }

    /// Whether this full list and a delta list may be taken together: same issuer, same scope, same
    /// key, the list not older than the delta's base and older than the delta (RFC 5280 sections
    /// 5.2.4 and 6.3.3 (c)).
    pub(crate) fn is_continued_by(&self, delta: &Self) -> bool {
        let (Some(own), Some(base), Some(number)) =
            (&self.0.number, &delta.0.base, &delta.0.number)
        else {
            return false;
        };
        same_name(self.issuer_name(), delta.issuer_name())
            && self.0.scope_der == delta.0.scope_der
            && self.0.authority_key == delta.0.authority_key
            && size(base) <= size(own)
            && size(own) < size(number)
    }

    /// Every entry: the serial number in lower-case hexadecimal, since when and why.
    pub fn all(&self) -> impl Iterator<Item = (String, Revocation)> {
        let revoked = self
            .0
            .list
            .tbs_cert_list
            .revoked_certificates
            .iter()
            .flatten();
        revoked.filter_map(|one| {
            let der = one.serial_number.to_der().ok()?;
            let serial = match one.serial_number.as_bytes() {
                [0, rest @ ..] if !rest.is_empty() => rest,
                all => all,
            };
            Some((hex(serial), self.0.entries.get(&der).copied()?))
        })
    }

    /// Checks that `signer` may sign lists of this issuer and did sign this one.
    ///
    /// # Errors
    /// [`CrlError::Refused`] without the cRLSign bit, [`CrlError::Signature`] otherwise.
    pub fn verify(&self, signer: &Certificate) -> Result<(), CrlError> {
        if !same_name(signer.subject_name(), self.issuer_name()) {
            return Err(CrlError::Refused("issuer is another name"));
        }
        let usage = signer.extensions().key_usage.as_ref();
        if usage.is_some_and(|usage| !usage.value.crl_sign()) {
            return Err(CrlError::Refused("signer has no cRLSign key usage"));
        }
        let digest = Digest::of(signer.spki_der());
        if self.0.signer.get() == Some(&digest) {
            return Ok(());
        }
        let key = signer
            .x509()
            .tbs_certificate()
            .subject_public_key_info()
            .to_der()?;
        let key = crate::algorithm::PublicKey::from_spki(&key)?;
        let message = self.0.der.get(self.0.tbs.clone()).unwrap_or_default();
        let signature = self
            .0
            .list
            .signature
            .as_bytes()
            .ok_or(CrlError::Refused("unused bits in the signature"))?;
        key.verify(self.0.algorithm, message, signature)?;
        // Another thread may have stored the same answer; that is the same fact.
        let _same = self.0.signer.set(digest);
        Ok(())
    }

    /// Whether the list speaks about `cert` for every reason: issuer, kind of subject, distribution
    /// point.
    #[must_use]
    pub fn covers(&self, cert: &Certificate) -> bool {
        self.coverage(cert).is_all()
    }
}

/// Numbers compare by length, then by digits: DER has no leading zeros.
fn size(number: &Uint) -> (usize, &[u8]) {
    let bytes = number.as_bytes();
    (bytes.len(), bytes)
}
