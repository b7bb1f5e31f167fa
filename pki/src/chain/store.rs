//! Everything that is known while paths are judged, indexed: authorities, lists, answers.
//!
//! Owns: which of it could speak about a certificate, newest first, and how old it is. Nothing in
//! here is believed by being in here but the roots. Fails: not at all. Must not know the rules of
//! paths.

use std::collections::HashMap;

use formats::time::Timestamp;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use super::Freshness;
use super::error::Held;
use super::names::{name_key, same_name};
use crate::cert::Certificate;
use crate::ocsp::{Response, Status};
use crate::revoke::Crl;

/// Everything known, indexed.
#[derive(Debug)]
pub(crate) struct Store {
    roots: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    by_subject: HashMap<String, Vec<Known>>,
    crls: Vec<Crl>,
    crls_by_issuer: HashMap<String, Vec<usize>>,
    answers: Vec<Response>,
    answers_by_serial: HashMap<Vec<u8>, Vec<usize>>,
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) cert: Certificate,
    pub(super) root: bool,
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
            answers: Vec::new(),
            answers_by_serial: HashMap::new(),
        }
    }

    /// Adds OCSP answers.
    pub(crate) fn with_answers(mut self, mut answers: Vec<Response>) -> Self {
        let newest = |response: &Response| {
            let times = response.answers().iter().map(|one| one.this_update);
            std::cmp::Reverse(times.max().map(Timestamp::unix_ms))
        };
        answers.sort_by_key(newest);
        for (index, response) in answers.iter().enumerate() {
            for answer in response.answers() {
                let serial = answer.id().serial().to_vec();
                let known = self.answers_by_serial.entry(serial).or_default();
                if known.last() != Some(&index) {
                    known.push(index);
                }
            }
        }
        self.answers = answers;
        self
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

    pub(crate) fn answers(&self) -> &[Response] {
        &self.answers
    }

    /// Authorities of this name.
    pub(super) fn named(&self, name: &Name) -> &[Known] {
        let found = self.by_subject.get(&name_key(name));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    /// Full lists that could speak about a certificate, newest first: of its issuer and of the
    /// issuers that its distribution points name.
    pub(super) fn lists_for(&self, cert: &Certificate) -> Vec<&Crl> {
        let mut found = self.indexes(cert.issuer_name()).to_vec();
        let points = cert.extensions().crl_distribution_points.as_ref();
        let points = points.into_iter().flat_map(|points| &points.value.0);
        for name in points.flat_map(|point| point.crl_issuer.iter().flatten()) {
            if let GeneralName::DirectoryName(name) = name {
                found.extend(self.indexes(name));
            }
        }
        found.sort_unstable();
        found.dedup();
        let lists = found.into_iter().filter_map(|index| self.crls.get(index));
        lists.filter(|crl| !crl.is_delta()).collect()
    }

    /// Delta lists that continue a full one, newest first.
    pub(super) fn deltas_of<'s>(&'s self, crl: &'s Crl) -> impl Iterator<Item = &'s Crl> {
        self.indexes(crl.issuer_name())
            .iter()
            .filter_map(|index| self.crls.get(*index))
            .filter(|delta| delta.is_delta() && crl.is_continued_by(delta))
    }

    fn indexes(&self, issuer: &Name) -> &[usize] {
        let found = self.crls_by_issuer.get(&name_key(issuer));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    /// Answers that name this serial number, newest first.
    pub(super) fn answers_for(&self, cert: &Certificate) -> impl Iterator<Item = &Response> {
        self.answers_by_serial
            .get(cert.serial())
            .into_iter()
            .flatten()
            .filter_map(|index| self.answers.get(*index))
    }

    /// Newest usable list of every authority.
    pub(crate) fn freshness(&self, now: Timestamp) -> Freshness {
        let mut found = Freshness::default();
        for authority in self.authorities() {
            let newest = self
                .indexes(authority.subject_name())
                .iter()
                .filter_map(|index| self.crls.get(*index))
                .find(|crl| !crl.is_delta() && crl.verify(authority).is_ok());
            let mut held = Held::default();
            if let Some(crl) = newest {
                held.note(crl.this_update(), crl.next_update());
            }
            found.take(authority, held, now);
        }
        found
    }

    /// Newest usable list or answer about every certificate of a path, the root first.
    pub(crate) fn freshness_of(&self, path: &[Certificate], now: Timestamp) -> Freshness {
        let mut found = Freshness::default();
        for pair in path.windows(2) {
            let [issuer, cert] = pair else { continue };
            let mut held = Held::default();
            for crl in self.lists_for(cert) {
                let own = same_name(crl.issuer_name(), issuer.subject_name());
                if own && crl.covers(cert) && crl.verify(issuer).is_ok() {
                    // Where deltas are published, the full list alone proves nothing fresh.
                    let until = crl.next_update().filter(|_| !crl.has_deltas());
                    held.note(crl.this_update(), until);
                    break;
                }
            }
            for response in self.answers_for(cert) {
                let Some(answer) = response.about(cert, issuer) else {
                    continue;
                };
                if answer.status == Status::Unknown {
                    continue;
                }
                if let Ok(signer) = response.verify(issuer) {
                    held.note(answer.this_update, Some(signer.end_of(answer)));
                    break;
                }
            }
            found.take(cert, held, now);
        }
        found
    }
}

impl Freshness {
    fn take(&mut self, cert: &Certificate, held: Held, now: Timestamp) {
        let Some((_, until)) = held.newest else {
            self.missing.push(cert.subject());
            return;
        };
        if until.is_none_or(|until| until < now) {
            self.stale.push(cert.subject());
        }
        if let Some(next) = until {
            self.until = Some(self.until.map_or(next, |until| until.min(next)));
        }
    }
}
