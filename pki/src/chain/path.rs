//! Finding a path from a certificate to a root and checking it (RFC 5280 section 6.1).
//!
//! Owns: the search over known authorities, bounded in signature checks and depth, and the checks
//! that depend on the place in the path: signatures, validity, path lengths, name constraints,
//! policies, revocation. Knows nothing of our roles, so that the public test suites run through it.
//! Fails with [`ChainError`]: of several failing paths the one that got furthest is told.

use std::collections::HashMap;

use const_oid::ObjectIdentifier;
use formats::time::Timestamp;

use super::names::{Budget, Constraints, name_key, same_name};
use super::policy::{PolicyInput, PolicyState};
use super::structure::{self, Criticality};
use super::{ChainError, Freshness, RevocationPolicy};
use crate::algorithm::SignatureAlgorithm;
use crate::cert::Certificate;
use crate::revoke::Crl;

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
        }
    }
}

/// Everything known, indexed.
#[derive(Debug)]
pub(crate) struct Store {
    roots: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    by_subject: HashMap<String, Vec<Known>>,
    crls: Vec<Crl>,
    crls_by_issuer: HashMap<String, Vec<usize>>,
}

#[derive(Clone, Debug)]
struct Known {
    cert: Certificate,
    root: bool,
}

impl Store {
    pub(crate) fn new(
        roots: Vec<Certificate>,
        intermediates: Vec<Certificate>,
        mut crls: Vec<Crl>,
    ) -> Self {
        let mut by_subject: HashMap<String, Vec<Known>> = HashMap::new();
        let all = roots
            .iter()
            .map(|cert| (cert, true))
            .chain(intermediates.iter().map(|cert| (cert, false)));
        for (cert, root) in all {
            let known = Known {
                cert: cert.clone(),
                root,
            };
            by_subject
                .entry(name_key(cert.subject_name()))
                .or_default()
                .push(known);
        }
        // Newest first: the first list that covers a certificate and verifies is the one that
        // counts.
        crls.sort_by_key(|crl| std::cmp::Reverse(crl.this_update().unix_ms()));
        let mut crls_by_issuer: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, crl) in crls.iter().enumerate() {
            crls_by_issuer
                .entry(name_key(crl.issuer_name()))
                .or_default()
                .push(index);
        }
        Self {
            roots,
            intermediates,
            by_subject,
            crls,
            crls_by_issuer,
        }
    }

    pub(crate) fn roots(&self) -> &[Certificate] {
        &self.roots
    }

    pub(crate) fn authorities(&self) -> impl Iterator<Item = &Certificate> {
        self.roots.iter().chain(&self.intermediates)
    }

    pub(crate) fn crls(&self) -> &[Crl] {
        &self.crls
    }

    fn crls_of<'s>(&'s self, cert: &Certificate) -> impl Iterator<Item = &'s Crl> {
        self.crls_by_issuer
            .get(&name_key(cert.issuer_name()))
            .into_iter()
            .flatten()
            .filter_map(|index| self.crls.get(*index))
    }

    /// Newest usable list of every authority.
    pub(crate) fn freshness(&self, now: Timestamp) -> Freshness {
        let mut found = Freshness::default();
        for authority in self.authorities() {
            let newest = self
                .crls_by_issuer
                .get(&name_key(authority.subject_name()))
                .into_iter()
                .flatten()
                .filter_map(|index| self.crls.get(*index))
                .find(|crl| crl.verify(authority).is_ok());
            match newest {
                None => found.missing.push(authority.subject()),
                Some(crl) if !crl.is_fresh(now, 0) => found.stale.push(authority.subject()),
                Some(_) => {}
            }
            if let Some(next) = newest.and_then(Crl::next_update) {
                found.until = Some(found.until.map_or(next, |until| until.min(next)));
            }
        }
        found
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

struct Search<'s> {
    store: &'s Store,
    extra: &'s [Certificate],
    question: &'s Question,
    signatures: u32,
    furthest: Option<(usize, ChainError)>,
    nested: u8,
}

impl Search<'_> {
    fn run(&mut self, leaf: &Certificate) -> Result<Vec<Certificate>, ChainError> {
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
            let issuer = known.cert;
            let again = path.iter().any(|seen| {
                seen.spki_der() == issuer.spki_der()
                    && same_name(seen.subject_name(), issuer.subject_name())
            });
            if again || path.len() > PATH_MAX {
                continue;
            }
            if let Err(error) = self.check_link(&top, &issuer)? {
                self.note(path.len(), error);
                continue;
            }
            path.push(issuer);
            let outcome = if known.root {
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
        let stored = self.store.by_subject.get(&name_key(top.issuer_name()));
        let mut all: Vec<Known> = stored.into_iter().flatten().cloned().collect();
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
    ) -> Result<Result<(), ChainError>, ChainError> {
        if let Err(error) = check_authority(issuer, self.question) {
            return Ok(Err(error));
        }
        self.signatures = self.signatures.checked_sub(1).ok_or(ChainError::Budget)?;
        Ok(check_signature(cert, issuer))
    }

    /// RFC 5280 section 6.1.3 to 6.1.5 on a path with the root first.
    fn process(&mut self, path: &[Certificate]) -> Result<(), ChainError> {
        check_lengths(path, self.question.depth_max)?;
        check_names(path)?;
        check_policies(path, &self.question.policy)?;
        if let Some(purpose) = self.question.purpose {
            check_purpose(path, purpose)?;
        }
        let mut issuer: Option<&Certificate> = None;
        for cert in path {
            if let Some(issuer) = issuer {
                self.check_revocation(cert, issuer)?;
            }
            issuer = Some(cert);
        }
        Ok(())
    }

    /// Section 6.3 for full lists: the newest list that covers the certificate and whose signature
    /// is the issuer's (or another valid key of the same name) decides.
    fn check_revocation(
        &mut self,
        cert: &Certificate,
        issuer: &Certificate,
    ) -> Result<(), ChainError> {
        let store = self.store;
        let mut decided = false;
        for crl in store.crls_of(cert) {
            if !crl.covers(cert) || !self.is_list_signed(crl, issuer) {
                continue;
            }
            if let Some(entry) = crl.entry(cert)
                && entry.spoils(self.question.at)
            {
                let subject = cert.subject();
                return Err(ChainError::Revoked {
                    subject,
                    at: entry.at,
                    reason: entry.reason,
                });
            }
            decided |= match self.question.revocation {
                RevocationPolicy::NewestHeld => true,
                RevocationPolicy::Required { grace_ms } => {
                    !crl.has_deltas() && crl.is_fresh(self.question.at, grace_ms)
                }
            };
            if decided {
                break;
            }
        }
        match self.question.revocation {
            RevocationPolicy::Required { .. } if !decided => Err(ChainError::RevocationUnknown {
                subject: cert.subject(),
            }),
            RevocationPolicy::NewestHeld | RevocationPolicy::Required { .. } => Ok(()),
        }
    }

    fn is_list_signed(&mut self, crl: &Crl, issuer: &Certificate) -> bool {
        if crl.verify(issuer).is_ok() {
            return true;
        }
        if self.nested >= NESTED_MAX {
            return false;
        }
        // A CA may sign its lists with another key under the same name; that key's certificate must
        // itself be valid under the same roots (section 6.3.3 (f)).
        let others: Vec<Certificate> = self
            .store
            .authorities()
            .chain(self.extra)
            .filter(|other| same_name(other.subject_name(), issuer.subject_name()))
            .filter(|other| other.spki_der() != issuer.spki_der() && crl.verify(other).is_ok())
            .cloned()
            .collect();
        others.iter().any(|other| {
            let mut nested = Search {
                store: self.store,
                extra: self.extra,
                question: self.question,
                signatures: self.signatures,
                furthest: None,
                nested: self.nested.saturating_add(1),
            };
            let outcome = nested.run(other);
            self.signatures = nested.signatures;
            outcome.is_ok()
        })
    }
}

fn check_authority(issuer: &Certificate, question: &Question) -> Result<(), ChainError> {
    structure::check(issuer, question.criticality)?;
    let refuse = |reason| {
        Err(ChainError::Structure {
            subject: issuer.subject(),
            reason,
        })
    };
    if !issuer.extensions().is_authority() {
        return refuse("issuer is not an authority");
    }
    if issuer
        .extensions()
        .key_usage
        .as_ref()
        .is_some_and(|usage| !usage.value.key_cert_sign())
    {
        return refuse("issuer has no keyCertSign key usage");
    }
    check_validity(issuer, question.at)
}

fn check_validity(cert: &Certificate, at: Timestamp) -> Result<(), ChainError> {
    // Whole seconds: notAfter is inclusive to the end of its second (section 4.1.2.5).
    if at.unix_s() < cert.not_before().unix_s() {
        let (subject, not_before) = (cert.subject(), cert.not_before());
        return Err(ChainError::NotYetValid {
            subject,
            not_before,
            at,
        });
    }
    if at.unix_s() > cert.not_after().unix_s() {
        let (subject, not_after) = (cert.subject(), cert.not_after());
        return Err(ChainError::Expired {
            subject,
            not_after,
            at,
        });
    }
    Ok(())
}

fn check_signature(cert: &Certificate, issuer: &Certificate) -> Result<(), ChainError> {
    let failed = |source| ChainError::Signature {
        subject: cert.subject(),
        source,
    };
    let algorithm =
        SignatureAlgorithm::from_identifier(cert.x509().signature_algorithm()).map_err(failed)?;
    let key = issuer
        .public_key()
        .map_err(|source| ChainError::Certificate {
            subject: issuer.subject(),
            source,
        })?;
    let signature = cert
        .x509()
        .signature()
        .as_bytes()
        .ok_or_else(|| ChainError::Structure {
            subject: cert.subject(),
            reason: "unused bits in the signature",
        })?;
    key.verify(algorithm, cert.tbs_der(), signature)
        .map_err(failed)
}

/// pathLenConstraint and our own limit; self-issued authorities do not count (section 6.1.4 (l),
/// (m)).
fn check_lengths(path: &[Certificate], depth_max: usize) -> Result<(), ChainError> {
    let mut left = depth_max;
    let Some((_, authorities)) = path.split_last() else {
        return Ok(());
    };
    for (place, authority) in authorities.iter().enumerate() {
        if place > 0 && !authority.is_self_issued() {
            left = left.checked_sub(1).ok_or_else(|| ChainError::Depth {
                subject: authority.subject(),
            })?;
        }
        let own = authority.extensions().basic_constraints.as_ref();
        if let Some(own) = own.and_then(|known| known.value.path_len_constraint) {
            left = left.min(usize::from(own));
        }
    }
    Ok(())
}

/// Name constraints of each authority bind all below it; self-issued authorities are exempt, the
/// end certificate never (section 6.1.3 (b), (c)).
pub(super) fn check_names(path: &[Certificate]) -> Result<(), ChainError> {
    let mut constraints = Constraints::default();
    let mut budget = Budget::new();
    let last = path.len().saturating_sub(1);
    for (place, cert) in path.iter().enumerate() {
        let failed = |source| ChainError::Name {
            subject: cert.subject(),
            source,
        };
        if place == last || !cert.is_self_issued() {
            constraints.check(cert, &mut budget).map_err(failed)?;
        }
        if place != last
            && let Some(own) = &cert.extensions().name_constraints
        {
            constraints.add(&own.value).map_err(failed)?;
        }
    }
    Ok(())
}

fn check_policies(path: &[Certificate], input: &PolicyInput) -> Result<(), ChainError> {
    let mut state = PolicyState::new(path.len().saturating_sub(1), input);
    let last = path.len().saturating_sub(1);
    if let Some(root) = path.first() {
        state.anchor(root).map_err(|()| ChainError::Policy {
            subject: root.subject(),
        })?;
    }
    for (place, cert) in path.iter().enumerate().skip(1) {
        let refused = |()| ChainError::Policy {
            subject: cert.subject(),
        };
        state.certificate(cert, place == last).map_err(refused)?;
    }
    let end = path.last().map(Certificate::subject).unwrap_or_default();
    state
        .finish()
        .map_err(|()| ChainError::Policy { subject: end })
}

/// Each certificate below the root that has extended key usages must allow the purpose.
fn check_purpose(path: &[Certificate], purpose: ObjectIdentifier) -> Result<(), ChainError> {
    for cert in path.iter().skip(1) {
        let Some(usage) = &cert.extensions().extended_key_usage else {
            continue;
        };
        if !usage
            .value
            .0
            .iter()
            .any(|oid| *oid == purpose || *oid == ANY_PURPOSE)
        {
            let subject = cert.subject();
            return Err(ChainError::Structure {
                subject,
                reason: "purpose is not allowed",
            });
        }
    }
    Ok(())
}

const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// Root, ministry, province, purpose: our hierarchy has at most three authorities below the root;
/// some room for cross-certificates.
const DEPTH_MAX: usize = 6;

/// Certificates in a path, self-issued ones included.
const PATH_MAX: usize = 16;

/// Signature checks in one search. An honest store needs one per authority of the path; a hostile
/// set of same-named authorities must not buy more than about 10 ms.
const SIGNATURES_MAX: u32 = 100;

/// Lists signed by a key whose own path needs lists signed by yet another key: bounds key
/// rollovers.
const NESTED_MAX: u8 = 3;
