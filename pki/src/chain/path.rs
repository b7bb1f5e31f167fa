//! Finding a path from a certificate to a root and checking it (RFC 5280 section 6.1).
//!
//! Owns: what is asked ([`Question`]) and the search over known authorities, bounded in signature
//! checks and depth. The rules are in `structure`, `link` and `revocation`. Knows nothing of our
//! roles, so that the public test suites run through it. Fails with [`ChainError`]: of several
//! failing paths the one that got furthest is told.

use const_oid::ObjectIdentifier;
use formats::time::Timestamp;

use super::link::{
    FROM_ROOT, check_anchor, check_authority, check_lengths, check_names, check_policies,
    check_purpose, check_signature, check_validity,
};
use super::names::same_name;
use super::policy::PolicyInput;
use super::store::{Known, Store};
use super::structure::{self, Criticality};
use super::{ChainError, RevocationPolicy};
use crate::cert::Certificate;

/// What is asked about a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The time at which everything is judged.
    pub(crate) at: Timestamp,
    /// Use of revocation lists.
    pub(crate) revocation: RevocationPolicy,
    /// Most authorities between root and end certificate that are not self-issued.
    pub(crate) depth_max: usize,
    /// Initial policy settings.
    pub(crate) policy: PolicyInput,
    /// An extended key usage that each certificate having the extension must allow.
    pub(crate) purpose: Option<ObjectIdentifier>,
    /// Marks that are demanded.
    pub(crate) criticality: Criticality,
    /// What of a root's certificate binds.
    pub(crate) anchor: Anchor,
}

/// What of a trust anchor's certificate binds beside its name and key. RFC 5280 section 6.1.1 (d)
/// has nothing of it bind; ours bind whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Whether its validity does.
    pub(crate) validity_binds: bool,
    /// Whether its extensions do.
    pub(crate) extensions: AnchorExtensions,
}

impl Anchor {
    pub(super) fn binds(self) -> bool {
        self.extensions != AnchorExtensions::Ignored
    }
}

/// Whether the extensions of a trust anchor bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnchorExtensions {
    /// Like those of any other authority.
    Demanded,
    /// Not at all (RFC 5280 section 6.1.1 (d)).
    Ignored,
    /// Those that it has (RFC 5937).
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "our roots bind whole; suites ask otherwise")
    )]
    WhereGiven,
}

impl Question {
    /// The question that the product asks.
    pub(crate) fn strict(at: Timestamp, revocation: RevocationPolicy) -> Self {
        Self {
            at,
            revocation,
            depth_max: DEPTH_MAX,
            policy: PolicyInput::default(),
            purpose: None,
            criticality: Criticality::Demanded,
            anchor: FROM_ROOT,
        }
    }
}

/// Finds and checks a path; returns it with the root first.
pub(crate) fn build(
    store: &Store,
    extra: &[Certificate],
    leaf: &Certificate,
    question: &Question,
) -> Result<Vec<Certificate>, ChainError> {
    let mut search = Search {
        store,
        extra,
        question,
        signatures: SIGNATURES_MAX,
        furthest: None,
        nested: 0,
    };
    search.run(leaf)
}

pub(super) struct Search<'s> {
    pub(super) store: &'s Store,
    pub(super) extra: &'s [Certificate],
    pub(super) question: &'s Question,
    /// Signature checks that are left.
    pub(super) signatures: u32,
    pub(super) furthest: Option<(usize, ChainError)>,
    /// How many searches this one serves.
    pub(super) nested: u8,
}

impl Search<'_> {
    pub(super) fn run(&mut self, leaf: &Certificate) -> Result<Vec<Certificate>, ChainError> {
        structure::check(leaf, self.question.criticality)?;
        check_validity(leaf, self.question.at)?;
        let mut path = vec![leaf.clone()];
        match self.extend(&mut path)? {
            Some(found) => Ok(found),
            None => Err(match self.furthest.take() {
                Some((_, error)) => error,
                None => ChainError::NoPath {
                    subject: leaf.subject(),
                    issuer: leaf.issuer(),
                },
            }),
        }
    }

    /// Depth-first: `path` grows from the end certificate upwards. An `Err` ends the whole search.
    fn extend(
        &mut self,
        path: &mut Vec<Certificate>,
    ) -> Result<Option<Vec<Certificate>>, ChainError> {
        let Some(top) = path.last().cloned() else {
            return Ok(None);
        };
        let mut candidates = self.candidates(&top);
        // Roots first, then those whose key identifier fits.
        candidates.sort_by_key(|known| {
            let fits = known.cert.extensions().subject_key() == top.extensions().authority_key();
            (!known.root, !fits)
        });
        for known in candidates {
            let Known { cert: issuer, root } = known;
            let again = path.iter().any(|seen| {
                seen.spki_der() == issuer.spki_der()
                    && same_name(seen.subject_name(), issuer.subject_name())
            });
            if again || path.len() > PATH_MAX {
                continue;
            }
            if let Err(error) = self.check_link(&top, &issuer, root)? {
                self.note(path.len(), error);
                continue;
            }
            path.push(issuer);
            let outcome = if root {
                self.finish(path)?
            } else {
                self.extend(path)?
            };
            if outcome.is_some() {
                return Ok(outcome);
            }
            path.pop();
        }
        Ok(None)
    }

    fn candidates(&self, top: &Certificate) -> Vec<Known> {
        let mut all: Vec<Known> = self.store.named(top.issuer_name()).to_vec();
        for cert in self.extra {
            if same_name(cert.subject_name(), top.issuer_name())
                && !all.iter().any(|known| known.cert == *cert)
            {
                all.push(Known {
                    cert: cert.clone(),
                    root: false,
                });
            }
        }
        all
    }

    fn finish(&mut self, path: &[Certificate]) -> Result<Option<Vec<Certificate>>, ChainError> {
        let from_root: Vec<Certificate> = path.iter().rev().cloned().collect();
        match self.process(&from_root) {
            Ok(()) => Ok(Some(from_root)),
            Err(ChainError::Budget) => Err(ChainError::Budget),
            Err(error) => {
                self.note(path.len().saturating_add(1), error);
                Ok(None)
            }
        }
    }

    fn note(&mut self, depth: usize, error: ChainError) {
        if self
            .furthest
            .as_ref()
            .is_none_or(|(known, _)| *known < depth)
        {
            self.furthest = Some((depth, error));
        }
    }

    /// Cheap checks of the issuer first, then its signature on `cert`.
    fn check_link(
        &mut self,
        cert: &Certificate,
        issuer: &Certificate,
        root: bool,
    ) -> Result<Result<(), ChainError>, ChainError> {
        let fit = if root {
            check_anchor(issuer, self.question)
        } else {
            check_authority(issuer, self.question)
        };
        if let Err(error) = fit {
            return Ok(Err(error));
        }
        self.spend()?;
        Ok(check_signature(cert, issuer))
    }

    /// RFC 5280 section 6.1.3 to 6.1.5 on a path with the root first.
    fn process(&mut self, path: &[Certificate]) -> Result<(), ChainError> {
        let anchor = self.question.anchor;
        check_lengths(path, self.question.depth_max, anchor)?;
        check_names(path, anchor)?;
        check_policies(path, &self.question.policy, anchor)?;
        if let Some(purpose) = self.question.purpose {
            check_purpose(path, purpose, anchor)?;
        }
        let Some(root) = path.first() else {
            return Ok(());
        };
        for pair in path.windows(2) {
            if let [issuer, cert] = pair {
                self.check_revocation(cert, issuer, root)?;
            }
        }
        Ok(())
    }

    /// Takes one signature check out of the budget.
    pub(super) fn spend(&mut self) -> Result<(), ChainError> {
        self.signatures = self.signatures.checked_sub(1).ok_or(ChainError::Budget)?;
        Ok(())
    }
}

/// Root, ministry, province, purpose: our hierarchy has at most three authorities below the root;
/// some room for cross-certificates.
const DEPTH_MAX: usize = 6;

/// Certificates in a path, self-issued ones included.
const PATH_MAX: usize = 16;

/// Signature checks in one search. An honest store needs one per authority of the path; a hostile
/// set of same-named authorities must not buy more than about 10 ms.
const SIGNATURES_MAX: u32 = 100;
