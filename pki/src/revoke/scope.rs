//! What a revocation list speaks about: which certificates, for which reasons (RFC 5280 section
//! 6.3.3 (b), (d), (e)).
//!
//! Owns: the issuing distribution point and its comparison with the distribution points of a
//! certificate. Fails: not at all; a list that does not speak about a certificate covers no
//! reasons. Must not know: signatures, entries, time.

use der::Sequence;
use der::flagset::FlagSet;
use x509_cert::ext::pkix::crl::dp::{DistributionPoint, Reasons};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::name::{Name, RdnSequence};

use super::Crl;
use crate::cert::Certificate;
use crate::chain::names::{name_key, same_name, sequence_key};

/// IssuingDistributionPoint (section 5.2.5).
#[derive(Clone, Debug, Sequence)]
pub(super) struct Scope {
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
    pub(super) indirect: bool,
    #[asn1(
        context_specific = "5",
        tag_mode = "IMPLICIT",
        default = "Default::default"
    )]
    only_attributes: bool,
}

impl Scope {
    /// Section 5.2.5: at most one of the three restrictions.
    pub(super) fn is_contradictory(&self) -> bool {
        let restrictions = [self.only_users, self.only_authorities, self.only_attributes];
        restrictions.into_iter().filter(|one| *one).count() > 1
    }
}

/// Reasons that lists speak about together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReasonMask(FlagSet<Reasons>);

impl ReasonMask {
    /// Nothing is covered yet.
    pub(crate) fn none() -> Self {
        Self(FlagSet::empty())
    }

    /// Every reason there is.
    pub(crate) fn all() -> Self {
        Self(FlagSet::full())
    }

    fn of(flags: Option<FlagSet<Reasons>>) -> Self {
        match flags {
            // The bit called unused is in every list that is not limited to some reasons.
            Some(flags) => Self(flags | Reasons::Unused),
            None => Self::all(),
        }
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Both together.
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is a reason in it that `seen` lacks (step (e)).
    pub(crate) fn adds_to(self, seen: Self) -> bool {
        self.or(seen) != seen
    }

    /// Whether no reason is missing.
    pub(crate) fn is_all(self) -> bool {
        self == Self::all()
    }
}

impl Crl {
    /// For which reasons the list speaks about `cert`: by each of its distribution points, and by
    /// the one that every certificate has without naming it, its issuer's own list.
    pub(crate) fn coverage(&self, cert: &Certificate) -> ReasonMask {
        let authority = cert.extensions().is_authority();
        if let Some(scope) = &self.0.scope
            && (scope.only_attributes
                || (scope.only_users && authority)
                || (scope.only_authorities && !authority))
        {
            return ReasonMask::none();
        }
        let points = cert.extensions().crl_distribution_points.as_ref();
        let named = points.into_iter().flat_map(|points| &points.value.0);
        let mut mask = named.fold(ReasonMask::none(), |mask, point| {
            mask.or(self.coverage_at(point, cert))
        });
        if self.is_issued_for(cert) && self.is_named(&[directory(cert.issuer_name())]) {
            mask = mask.or(self.own_reasons());
        }
        mask
    }

    fn is_issued_for(&self, cert: &Certificate) -> bool {
        same_name(cert.issuer_name(), self.issuer_name())
    }

    fn own_reasons(&self) -> ReasonMask {
        ReasonMask::of(self.0.scope.as_ref().and_then(|scope| scope.some_reasons))
    }

    fn coverage_at(&self, point: &DistributionPoint, cert: &Certificate) -> ReasonMask {
        // Step (b) (1): another issuer than the certificate's only where the point says so and the
        // list says that it is indirect.
        let (fits, base) = match &point.crl_issuer {
            Some(issuers) => {
                let indirect = self.0.scope.as_ref().is_some_and(|scope| scope.indirect);
                let own = directory(self.issuer_name());
                let named = issuers.iter().any(|name| full(name) == own);
                (indirect && named, self.issuer_name())
            }
            None => (self.is_issued_for(cert), cert.issuer_name()),
        };
        if !fits {
            return ReasonMask::none();
        }
        let names = match (&point.distribution_point, &point.crl_issuer) {
            (Some(named), _) => point_names(named, base),
            (None, Some(issuers)) => issuers.iter().map(full).collect(),
            (None, None) => Vec::new(),
        };
        if self.is_named(&names) {
            ReasonMask::of(point.reasons).and(self.own_reasons())
        } else {
            ReasonMask::none()
        }
    }

    /// Step (b) (2) (i): a list that names its own point speaks only about certificates of it.
    fn is_named(&self, names: &[PointName]) -> bool {
        let Some(own) = self.0.scope.as_ref().and_then(|scope| scope.point.as_ref()) else {
            return true;
        };
        let own = point_names(own, self.issuer_name());
        own.iter().any(|name| names.contains(name))
    }
}

/// One name of a distribution point, comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PointName {
    Directory(String),
    Full(GeneralName),
}

fn directory(name: &Name) -> PointName {
    PointName::Directory(name_key(name))
}

fn full(name: &GeneralName) -> PointName {
    match name {
        GeneralName::DirectoryName(dn) => directory(dn),
        other => PointName::Full(other.clone()),
    }
}

/// A distribution point as full names; a relative one follows the name of the list's issuer
/// (section 4.2.1.13).
fn point_names(point: &DistributionPointName, issuer: &Name) -> Vec<PointName> {
    match point {
        DistributionPointName::FullName(names) => names.iter().map(full).collect(),
        DistributionPointName::NameRelativeToCRLIssuer(rdn) => {
            let mut sequence: RdnSequence = issuer.clone().into();
            sequence.push(rdn.clone());
            vec![PointName::Directory(sequence_key(&sequence))]
        }
    }
}
