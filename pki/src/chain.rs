//! The strict path validator and the only place that says "this certificate is believed".
//!
//! Owns: [`Validator`], which builds and checks a path from a root to a certificate at a given time
//! (RFC 5280 section 6, with the profile of this network on top: one role by one EKU, one dNSName
//! below the trust domain, who may issue which role), and [`VerifiedCert`], which nothing else can
//! make. Fails with [`ChainError`]; every variant names the certificate that spoilt the path.
//! Must not know: files, clocks, CMS.

pub mod names;
pub(crate) mod path;
pub(crate) mod policy;
mod recent;
pub(crate) mod structure;

use std::fmt;
use std::sync::Arc;

use formats::id::{Party, TrustDomain};
use formats::reason::Reason;
use formats::time::Timestamp;
use thiserror::Error;
use x509_cert::ext::pkix::CrlReason;
use x509_cert::ext::pkix::name::GeneralName;

use crate::algorithm::{AlgorithmError, PublicKey, SignatureAlgorithm};
use crate::cert::{CertError, Certificate};
use crate::revoke::Crl;
use crate::role::{NameKind, Role};

use names::NameError;
use path::{Question, Store};

/// Why a certificate is not believed.
#[derive(Debug, Error)]
pub enum ChainError {
    /// More signature checks or issuers than any honest path needs.
    #[error("path search gave up: too many candidate issuers")]
    Budget,
    /// A certificate's own bytes do not say what is needed.
    #[error("{subject}: {source}")]
    Certificate {
        /// Whose certificate.
        subject: String,
        /// What is wrong with it.
        #[source]
        source: CertError,
    },
    /// The path is longer than a pathLenConstraint or the caller allows.
    #[error("{subject}: path is too long")]
    Depth {
        /// The authority whose limit is passed.
        subject: String,
    },
    /// After notAfter.
    #[error("{subject}: expired at {not_after}, judged at {at}")]
    Expired {
        /// Whose certificate.
        subject: String,
        /// End of its validity.
        not_after: Timestamp,
        /// The time it was judged at.
        at: Timestamp,
    },
    /// No trusted issuer is known.
    #[error("{subject}: no path to a trusted root (issuer {issuer})")]
    NoPath {
        /// The certificate whose issuer is missing.
        subject: String,
        /// The issuer that it names.
        issuer: String,
    },
    /// A CA whose names are narrower than the trust domain issued a role of the whole country.
    #[error("{subject}: role {role} cannot be issued by a delegated authority")]
    NotDelegable {
        /// Whose certificate.
        subject: String,
        /// The role.
        role: Role,
    },
    /// Before notBefore.
    #[error("{subject}: not valid before {not_before}, judged at {at}")]
    NotYetValid {
        /// Whose certificate.
        subject: String,
        /// Start of its validity.
        not_before: Timestamp,
        /// The time it was judged at.
        at: Timestamp,
    },
    /// A name is outside the constraints of an authority, or malformed.
    #[error("{subject}: {source}")]
    Name {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        #[source]
        source: NameError,
    },
    /// Certificate policies do not allow the path.
    #[error("{subject}: certificate policies do not allow this path")]
    Policy {
        /// Where the policies became empty.
        subject: String,
    },
    /// Revoked.
    #[error("{subject}: revoked at {at} ({reason:?})")]
    Revoked {
        /// Whose certificate.
        subject: String,
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: CrlReason,
    },
    /// No usable revocation list where one is demanded.
    #[error("{subject}: no fresh revocation list of its issuer")]
    RevocationUnknown {
        /// Whose certificate.
        subject: String,
    },
    /// The role is another one than asked for.
    #[error("{subject}: has role {found}, needed {wanted}")]
    Role {
        /// Whose certificate.
        subject: String,
        /// The role it has.
        found: Role,
        /// The role it needs.
        wanted: Role,
    },
    /// The issuer's signature is bad or of a kind that is not accepted.
    #[error("{subject}: {source}")]
    Signature {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        #[source]
        source: AlgorithmError,
    },
    /// Something that RFC 5280 or our profile forbids.
    #[error("{subject}: {reason}")]
    Structure {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        reason: &'static str,
    },
}

impl ChainError {
    /// The reason code that peers see.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Expired { .. } | Self::NotYetValid { .. } => Reason::CertificateExpired,
            Self::Revoked { .. } => Reason::CertificateRevoked,
            Self::RevocationUnknown { .. } => Reason::StaleRevocation,
            Self::Budget
            | Self::Certificate { .. }
            | Self::Depth { .. }
            | Self::Name { .. }
            | Self::NoPath { .. }
            | Self::NotDelegable { .. }
            | Self::Policy { .. }
            | Self::Role { .. }
            | Self::Signature { .. }
            | Self::Structure { .. } => Reason::CertificateUntrusted,
        }
    }
}

/// What is trusted and what is known: the input of a [`Validator`].
#[derive(Clone, Debug)]
pub struct TrustStore {
    /// The DNS name below which all our names lie.
    pub trust_domain: TrustDomain,
    /// Trust anchors. Their extensions and validity bind like those of any other authority.
    pub roots: Vec<Certificate>,
    /// Authorities that may stand between; not trusted by themselves.
    pub intermediates: Vec<Certificate>,
    /// Revocation lists that are held; a list with a bad signature is as good as absent.
    pub crls: Vec<Crl>,
}

/// How revocation lists are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationPolicy {
    /// Every list held is applied, however old; a missing one is not an error. Freshness is judged
    /// above the validator ([`Validator::freshness`]), because traffic must not stop for 24 h
    /// without a list (architecture, promise 6).
    #[default]
    NewestHeld,
    /// Every certificate of the path but the root needs a list that is fresh, with this much grace
    /// after its nextUpdate.
    Required {
        /// Milliseconds after nextUpdate that are still accepted.
        grace_ms: i64,
    },
}

/// How old the revocation data held is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Subjects of authorities without any usable list.
    pub missing: Vec<String>,
    /// Subjects of authorities whose newest list is past its nextUpdate.
    pub stale: Vec<String>,
    /// The earliest nextUpdate of the newest lists.
    pub until: Option<Timestamp>,
}

impl Freshness {
    /// Whether nothing is missing or stale.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.missing.is_empty() && self.stale.is_empty()
    }
}

/// Verifies certificates against one trust store. Cheap to clone; never changes.
#[derive(Clone, Debug)]
pub struct Validator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    domain: TrustDomain,
    store: Store,
    policy: RevocationPolicy,
    recent: recent::Recent,
}

impl Validator {
    /// Makes a validator that applies the lists held ([`RevocationPolicy::NewestHeld`]).
    #[must_use]
    pub fn new(store: TrustStore) -> Self {
        Self::with_policy(store, RevocationPolicy::default())
    }

    /// Makes a validator with an explicit use of revocation lists.
    #[must_use]
    pub fn with_policy(store: TrustStore, policy: RevocationPolicy) -> Self {
        let TrustStore {
            trust_domain,
            roots,
            intermediates,
            crls,
        } = store;
        let store = Store::new(roots, intermediates, crls);
        Self(Arc::new(Inner {
            domain: trust_domain,
            store,
            policy,
            recent: recent::Recent::default(),
        }))
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.0.domain
    }

    /// Verifies that `cert` is believed in `role` at time `at`.
    ///
    /// # Errors
    /// [`ChainError`] naming the certificate of the path that is at fault.
    pub fn verify(
        &self,
        cert: &Certificate,
        role: Role,
        at: Timestamp,
    ) -> Result<VerifiedCert, ChainError> {
        self.verify_with(cert, &[], role, at)
    }

    /// Like [`Validator::verify`] with further authorities that came along (untrusted).
    ///
    /// # Errors
    /// [`ChainError`] naming the certificate of the path that is at fault.
    pub fn verify_with(
        &self,
        cert: &Certificate,
        extra: &[Certificate],
        role: Role,
        at: Timestamp,
    ) -> Result<VerifiedCert, ChainError> {
        let party = self.check_profile(cert, role)?;
        let question = Question::strict(at, self.0.policy);
        let path = path::build(&self.0.store, extra, cert, &question)?;
        self.check_issuers(cert, role, &path)?;
        let key = cert.public_key().map_err(|source| refused(cert, source))?;
        Ok(VerifiedCert(Arc::new(Verified {
            cert: cert.clone(),
            role,
            party,
            key,
            path,
            at,
        })))
    }

    fn check_profile(&self, cert: &Certificate, role: Role) -> Result<Option<Party>, ChainError> {
        check_profile(cert, role, &self.0.domain)
    }

    /// Who may issue this role: an authority whose permitted names are narrower than the trust
    /// domain is delegated and certifies only roles of its own agencies and stations.
    fn check_issuers(
        &self,
        cert: &Certificate,
        role: Role,
        path: &[Certificate],
    ) -> Result<(), ChainError> {
        if role.may_be_delegated() || role.is_authority() {
            return Ok(());
        }
        check_delegation(cert, role, path, &self.0.domain)
    }

    /// How old the revocation data for the known authorities is at `now`.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        self.0.store.freshness(now)
    }

    /// The roots and intermediates, for building chains to send.
    pub fn authorities(&self) -> impl Iterator<Item = &Certificate> {
        self.0.store.authorities()
    }

    /// The roots.
    #[must_use]
    pub fn roots(&self) -> &[Certificate] {
        self.0.store.roots()
    }

    /// The revocation lists held.
    #[must_use]
    pub fn crls(&self) -> &[Crl] {
        self.0.store.crls()
    }
}

/// Role, key usage and names of the certificate itself.
fn check_profile(
    cert: &Certificate,
    role: Role,
    domain: &TrustDomain,
) -> Result<Option<Party>, ChainError> {
    let found = cert.role().map_err(|source| refused(cert, source))?;
    if found != role {
        return Err(ChainError::Role {
            subject: cert.subject(),
            found,
            wanted: role,
        });
    }
    let structure = |reason| ChainError::Structure {
        subject: cert.subject(),
        reason,
    };
    let usage = cert
        .extensions()
        .key_usage
        .as_ref()
        .ok_or_else(|| structure("no key usage"))?;
    if !usage.value.0.contains(role.needed_usage()) {
        return Err(structure("key usage does not allow this role"));
    }
    if (usage.value.0 - role.key_usage()).bits() != 0 {
        return Err(structure("key usage allows more than this role"));
    }
    if role == Role::TimeStamping
        && !cert
            .extensions()
            .extended_key_usage
            .as_ref()
            .is_some_and(|eku| eku.critical)
    {
        // RFC 3161 section 2.3.
        return Err(structure("timeStamping key usage is not critical"));
    }
    match role.name_kind() {
        NameKind::None => Ok(None),
        NameKind::Agency | NameKind::Station => cert
            .party(domain)
            .map(Some)
            .map_err(|source| refused(cert, source)),
    }
}

fn check_delegation(
    cert: &Certificate,
    role: Role,
    authorities: &[Certificate],
    domain: &TrustDomain,
) -> Result<(), ChainError> {
    if authorities
        .iter()
        .any(|authority| is_delegated(authority, domain))
    {
        return Err(ChainError::NotDelegable {
            subject: cert.subject(),
            role,
        });
    }
    Ok(())
}

fn is_delegated(authority: &Certificate, domain: &TrustDomain) -> bool {
    let Some(constraints) = &authority.extensions().name_constraints else {
        return false;
    };
    let permitted: Vec<&str> = constraints
        .value
        .permitted_subtrees
        .iter()
        .flatten()
        .filter_map(|subtree| match &subtree.base {
            GeneralName::DnsName(base) => Some(base.as_str()),
            _ => None,
        })
        .collect();
    !permitted.is_empty()
        && !permitted
            .iter()
            .any(|base| base.eq_ignore_ascii_case(domain.as_str()))
}

/// What the verifier would say of a certificate under this issuer, signature and time apart.
pub(crate) fn lint(
    cert: &Certificate,
    role: Role,
    issuer: Option<&Certificate>,
    domain: &TrustDomain,
) -> Result<(), ChainError> {
    structure::check(cert, structure::Criticality::Demanded)?;
    check_profile(cert, role, domain)?;
    let Some(issuer) = issuer else { return Ok(()) };
    path::check_names(&[issuer.clone(), cert.clone()])?;
    if role.may_be_delegated() || role.is_authority() {
        return Ok(());
    }
    check_delegation(cert, role, std::slice::from_ref(issuer), domain)
}

fn refused(cert: &Certificate, source: CertError) -> ChainError {
    ChainError::Certificate {
        subject: cert.subject(),
        source,
    }
}

/// A certificate that was verified in a role at a time. Only this module makes one.
#[derive(Clone)]
pub struct VerifiedCert(Arc<Verified>);

struct Verified {
    cert: Certificate,
    role: Role,
    party: Option<Party>,
    key: PublicKey,
    path: Vec<Certificate>,
    at: Timestamp,
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

#[cfg(test)]
mod tests;
