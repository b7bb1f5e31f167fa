//! The strict path validator and the only place that says "this certificate is believed".
//!
//! Owns: [`Validator`], which builds and checks a path from a root to a certificate at a given time
//! (RFC 5280 section 6, with the profile of this network on top: one role by one EKU, one dNSName
//! below the trust domain, who may issue which role), and [`VerifiedCert`], which nothing else can
//! make. Fails with [`ChainError`]; every variant names the certificate that spoilt the path.
//! Must not know: files, clocks, CMS.

mod error;
mod link;
pub mod names;
pub(crate) mod path;
pub(crate) mod policy;
mod recent;
mod revocation;
pub(crate) mod store;
pub(crate) mod structure;
mod verified;

use std::sync::Arc;

use formats::id::{Party, TrustDomain};
use formats::time::Timestamp;
use x509_cert::ext::pkix::name::GeneralName;

use crate::cert::{CertError, Certificate};
use crate::ocsp;
use crate::profile::IssuerKind;
use crate::revoke::Crl;
use crate::role::{NameKind, Role};

use path::Question;
use store::Store;
use verified::Verified;

pub use error::{ChainError, Held};
pub use verified::VerifiedCert;

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
    /// OCSP answers that are held. An answer counts for its certificate like a list; who is revoked
    /// by either is revoked.
    pub ocsp: Vec<ocsp::Response>,
}

/// How revocation lists are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationPolicy {
    /// Every list and answer held is applied, however old; none is not an error. Freshness is judged
    /// above the validator ([`Validator::freshness`]), because traffic must not stop for 24 h
    /// without a list (architecture, promise 6).
    #[default]
    NewestHeld,
    /// Every certificate of the path but the root needs a list or answer that is fresh, with this
    /// much grace after its nextUpdate.
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
            ocsp,
        } = store;
        let store = Store::new(roots, intermediates, crls).with_answers(ocsp);
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
        check_issuers(cert, role, &path, &self.0.domain)?;
        let key = cert.public_key().map_err(|source| refused(cert, source))?;
        Ok(VerifiedCert::new(Verified {
            cert: cert.clone(),
            role,
            party,
            key,
            path,
            at,
        }))
    }

    fn check_profile(&self, cert: &Certificate, role: Role) -> Result<Option<Party>, ChainError> {
        check_profile(cert, role, &self.0.domain)
    }

    /// How old the revocation data for the known authorities is at `now`.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        self.0.store.freshness(now)
    }

    /// How old the revocation data is that speaks about the certificates of this one's path at
    /// `now`: lists of their issuers, or answers about them.
    #[must_use]
    pub fn freshness_of(&self, cert: &VerifiedCert, now: Timestamp) -> Freshness {
        self.0.store.freshness_of(cert.path(), now)
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

    /// The OCSP answers held.
    #[must_use]
    pub fn answers(&self) -> &[ocsp::Response] {
        self.0.store.answers()
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
    let structure = |reason, rule| ChainError::Structure {
        subject: cert.subject(),
        reason,
        rule,
    };
    let usage = cert
        .extensions()
        .key_usage
        .as_ref()
        .ok_or_else(|| structure("no key usage", "RFC 5280 section 4.2.1.3"))?;
    if !usage.value.0.contains(role.needed_usage()) {
        let reason = "key usage does not allow this role";
        return Err(structure(reason, "RFC 5280 section 4.2.1.3"));
    }
    if (usage.value.0 - role.key_usage()).bits() != 0 {
        let reason = "key usage allows more than this role";
        return Err(structure(reason, "architecture, section 7"));
    }
    if role == Role::TimeStamping
        && !cert
            .extensions()
            .extended_key_usage
            .as_ref()
            .is_some_and(|eku| eku.critical)
    {
        let reason = "timeStamping key usage is not critical";
        return Err(structure(reason, "RFC 3161 section 2.3"));
    }
    match role.name_kind() {
        NameKind::None => Ok(None),
        NameKind::Agency | NameKind::Station => cert
            .party(domain)
            .map(Some)
            .map_err(|source| refused(cert, source)),
    }
}

/// Who may issue this role, by the table of profiles. An authority whose permitted names are
/// narrower than the trust domain is delegated, and so is whatever stands below it. A trust anchor
/// that certifies ends itself stands for a national CA: foreign authorities are anchored so.
fn check_issuers(
    cert: &Certificate,
    role: Role,
    path: &[Certificate],
    domain: &TrustDomain,
) -> Result<(), ChainError> {
    let above = path.len().saturating_sub(1);
    let delegated = path
        .iter()
        .take(above)
        .any(|authority| is_delegated(authority, domain));
    if delegated && !role.may_be_delegated() {
        return Err(ChainError::NotDelegable {
            subject: cert.subject(),
            role,
        });
    }
    Ok(())
}

/// What kind of issuer an authority is.
pub(crate) fn issuer_kind(authority: &Certificate, domain: &TrustDomain) -> IssuerKind {
    if is_delegated(authority, domain) {
        IssuerKind::Delegated
    } else if authority.is_self_issued() {
        IssuerKind::Root
    } else {
        IssuerKind::National
    }
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

/// Whether the names of a certificate lie inside its issuer's constraints.
pub(crate) fn check_names(issuer: &Certificate, cert: &Certificate) -> Result<(), ChainError> {
    link::check_names(&[issuer.clone(), cert.clone()], link::FROM_ROOT)
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
    check_names(issuer, cert)?;
    check_issuers(cert, role, &[issuer.clone(), cert.clone()], domain)
}

fn refused(cert: &Certificate, source: CertError) -> ChainError {
    ChainError::Certificate {
        subject: cert.subject(),
        source,
    }
}

#[cfg(test)]
pub(crate) mod tests;
