//! Revocation: certificate revocation lists, whether to believe one, and what it says.
//!
//! Owns: strict parsing of full CRLs (RFC 5280 section 5), their scope, their freshness and the
//! rule of which revocations reach back in time. Delta and indirect CRLs are refused. Nothing is
//! fetched. Fails with [`CrlError`]. Must not know: paths, roles.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use der::asn1::ObjectIdentifier;
use der::flagset::FlagSet;
use der::{Decode, Encode, Sequence};
use formats::id::Digest;
use formats::time::Timestamp;
use thiserror::Error;
use x509_cert::crl::CertificateList;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::CrlReason;
use x509_cert::ext::pkix::crl::dp::Reasons;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::name::Name;

use crate::algorithm::{AlgorithmError, SignatureAlgorithm};
use crate::cert::{Certificate, hex, signed_part, timestamp};
use crate::chain::names::same_name;

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

/// A parsed full CRL; cheap to clone.
#[derive(Clone)]
pub struct Crl(Arc<Parts>);

struct Parts {
    der: Vec<u8>,
    tbs: Range<usize>,
    list: CertificateList,
    algorithm: SignatureAlgorithm,
    entries: HashMap<Vec<u8>, Revocation>,
    scope: Option<Scope>,
    number: Option<Vec<u8>>,
    deltas: bool,
    /// The key (its SPKI digest) that was found to have signed this list.
    signer: OnceLock<Digest>,
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Crl({}, {} entries)",
            self.issuer(),
            self.0.entries.len()
        )
    }
}

/// IssuingDistributionPoint (RFC 5280 section 5.2.5).
#[derive(Clone, Debug, Sequence)]
struct Scope {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    point: Option<DistributionPointName>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        default = "Default::default"
    )]
    only_users: bool,
    #[asn1(
        context_specific = "2",
        tag_mode = "IMPLICIT",
        default = "Default::default"
    )]
    only_authorities: bool,
    #[asn1(context_specific = "3", tag_mode = "IMPLICIT", optional = "true")]
    some_reasons: Option<FlagSet<Reasons>>,
    #[asn1(
        context_specific = "4",
        tag_mode = "IMPLICIT",
        default = "Default::default"
    )]
    indirect: bool,
    #[asn1(
        context_specific = "5",
        tag_mode = "IMPLICIT",
        default = "Default::default"
    )]
    only_attributes: bool,
}

impl Crl {
    /// Parses strict DER; nothing may follow.
    ///
    /// # Errors
    /// [`CrlError`] for malformed, indirect, delta or oversized lists.
    pub fn parse(der: &[u8]) -> Result<Self, CrlError> {
        if der.len() > CRL_BYTES_MAX {
            return Err(CrlError::TooLarge(der.len()));
        }
        let list = CertificateList::from_der(der)?;
        let tbs = signed_part(der)?;
        if list.tbs_cert_list.signature != list.signature_algorithm {
            return Err(CrlError::Refused(
                "inner and outer signature algorithm differ",
            ));
        }
        let algorithm = SignatureAlgorithm::from_identifier(&list.signature_algorithm)?;
        let mut entries = HashMap::new();
        for entry in list.tbs_cert_list.revoked_certificates.iter().flatten() {
            let serial = entry.serial_number.to_der()?;
            let reason = entry_reason(entry.crl_entry_extensions.as_deref().unwrap_or(&[]))?;
            let found = Revocation {
                at: timestamp(entry.revocation_date),
                reason,
            };
            // Two entries for one serial: the earlier one in the list counts, unless a later one is
            // worse. Keeping the first is what openssl does; both say revoked.
            entries.entry(serial).or_insert(found);
        }
        let mut scope = None;
        let mut number = None;
        let mut deltas = false;
        let mut seen = Vec::new();
        for extension in list.tbs_cert_list.crl_extensions.iter().flatten() {
            if seen.contains(&extension.extn_id) {
                return Err(CrlError::Refused("the same extension stands twice"));
            }
            seen.push(extension.extn_id);
            match extension.extn_id {
                CRL_NUMBER => number = Some(extension.extn_value.as_bytes().to_vec()),
                ISSUING_DISTRIBUTION_POINT => {
                    scope = Some(Scope::from_der(extension.extn_value.as_bytes())?);
                }
                DELTA_CRL_INDICATOR => return Err(CrlError::Refused("delta list")),
                FRESHEST_CRL => deltas = true,
                AUTHORITY_KEY_IDENTIFIER => {}
                _ if extension.critical => {
                    return Err(CrlError::Refused("unknown critical extension"));
                }
                _ => {}
            }
        }
        Ok(Self(Arc::new(Parts {
            der: der.to_vec(),
            tbs,
            algorithm,
            entries,
            scope,
            number,
            deltas,
            signer: OnceLock::new(),
            list,
        })))
    }

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
        self.0.number.as_deref().map(hex)
    }

    /// The number of the list as ours count; nothing for a list without one or beyond 64 bits.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        u64::from_der(self.0.number.as_deref()?).ok()
    }

    /// Whether the issuer publishes changes to this list as delta lists, which we do not read:
    /// such a list alone proves nothing fresh.
    #[must_use]
    pub fn has_deltas(&self) -> bool {
        self.0.deltas
    }

    /// How many certificates are revoked.
    #[must_use]
    pub fn revoked(&self) -> usize {
        self.0.entries.len()
    }

    /// Whether the list is still fresh at `now` with `grace_ms` beyond its nextUpdate.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp, grace_ms: i64) -> bool {
        self.next_update()
            .is_some_and(|next| next.unix_ms().saturating_add(grace_ms) >= now.unix_ms())
    }

    /// The entry for a certificate of this list's issuer.
    #[must_use]
    pub fn entry(&self, cert: &Certificate) -> Option<Revocation> {
        let serial = cert
            .x509()
            .tbs_certificate()
            .serial_number()
            .to_der()
            .ok()?;
        self.0.entries.get(&serial).copied()
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

    /// Whether the list speaks about `cert` at all: issuer, kind of subject, distribution point.
    #[must_use]
    pub fn covers(&self, cert: &Certificate) -> bool {
        if !same_name(cert.issuer_name(), self.issuer_name()) {
            return false;
        }
        let Some(scope) = &self.0.scope else {
            return true;
        };
        let authority = cert.extensions().is_authority();
        if scope.indirect
            || scope.only_attributes
            || scope.some_reasons.is_some()
            || (scope.only_users && authority)
            || (scope.only_authorities && !authority)
        {
            return false;
        }
        let Some(point) = &scope.point else {
            return true;
        };
        let Some(points) = &cert.extensions().crl_distribution_points else {
            return false;
        };
        let own = self.full_names(point);
        points.value.0.iter().any(|candidate| {
            candidate.crl_issuer.is_none()
                && candidate.reasons.is_none()
                && candidate
                    .distribution_point
                    .as_ref()
                    .is_some_and(|named| shares(&self.full_names(named), &own))
        })
    }

    /// A distribution point as full names; a relative name is appended to the issuer's name.
    fn full_names(&self, point: &DistributionPointName) -> Vec<PointName> {
        match point {
            DistributionPointName::FullName(names) => {
                names.iter().cloned().map(PointName::Full).collect()
            }
            DistributionPointName::NameRelativeToCRLIssuer(rdn) => {
                vec![PointName::Relative(rdn.to_string())]
            }
        }
        .into_iter()
        .map(|name| self.resolved(name))
        .collect()
    }

    fn resolved(&self, name: PointName) -> PointName {
        match name {
            PointName::Full(GeneralName::DirectoryName(dn)) => {
                PointName::Directory(crate::chain::names::name_key(&dn))
            }
            PointName::Relative(rdn) => {
                // RFC 5280 section 4.2.1.13: the fragment follows the issuer's name.
                let issuer = self.issuer_name().to_string();
                match format!("{rdn},{issuer}").parse::<Name>() {
                    Ok(dn) => PointName::Directory(crate::chain::names::name_key(&dn)),
                    Err(_) => PointName::Relative(rdn),
                }
            }
            other => other,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PointName {
    Directory(String),
    Full(GeneralName),
    Relative(String),
}

fn shares(a: &[PointName], b: &[PointName]) -> bool {
    a.iter().any(|name| b.contains(name))
}

/// The reason of an entry; an unknown critical extension spoils the whole list (section 5.3).
fn entry_reason(extensions: &[Extension]) -> Result<CrlReason, CrlError> {
    let mut reason = CrlReason::Unspecified;
    for extension in extensions {
        match extension.extn_id {
            CRL_REASON => reason = CrlReason::from_der(extension.extn_value.as_bytes())?,
            INVALIDITY_DATE => {}
            _ if extension.critical => {
                return Err(CrlError::Refused("unknown critical entry extension"));
            }
            _ => {}
        }
    }
    Ok(reason)
}

const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const CRL_REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const FRESHEST_CRL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
/// Written out: the constant of the same meaning in x509-cert is another extension's number.
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

/// 200,000 agencies with three certificates each, all revoked, are about 24 MiB.
const CRL_BYTES_MAX: usize = 32 * 1024 * 1024;
