//! Whether a record holds: RFC 4998 sections 4.3 and 5.3, at a time.
//!
//! Owns: the order of the checks. Every fault is told, not the first alone: whoever looks at an old record must see
//! all of what is the matter with it. Each time-stamp must have been believed at its own time and at the time of the
//! next one, and what it rests on must have counted then; the newest one at the time of the question. Must not know
//! where objects come from.

use formats::time::Timestamp;

use super::batch::sequence_value;
use super::ends::{self, Ends};
use super::hash::Hash;
use super::object::DataObject;
use super::report::{Fault, Place, Report, StampReport};
use super::structure::Stamp;
use super::tree::{self, Value};
use super::{ErsError, EvidenceRecord};
use crate::cert::Certificate;
use crate::pdf::Anchors;
use crate::pdf::token::{Known, Token};

/// How the objects given relate to those of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each object must be covered; the record may cover others beside them.
    Each,
    /// The objects are a whole group: the record must cover them and no other (section 4.3, last paragraph).
    Group,
}

/// What is asked about a record.
#[derive(Clone, Debug)]
pub struct Question<'q> {
    /// Time-stamp authorities' roots that are believed.
    pub anchors: &'q Anchors,
    /// Certificates that may lead to them, beside those in the tokens.
    pub certificates: &'q [Certificate],
    /// Until when algorithms count.
    pub ends: &'q Ends,
    /// The time of the question.
    pub at: Timestamp,
    /// Whether the objects are all of it.
    pub scope: Scope,
}

impl Question<'_> {
    /// Verifies a record. Without objects only what the record says about itself is looked at.
    ///
    /// # Errors
    /// [`ErsError`] for a record or objects that cannot be asked about: an object was not hashed as the record needs.
    pub fn ask(&self, record: &EvidenceRecord, objects: &[DataObject]) -> Result<Report, ErsError> {
        let bytes = record.tokens()?;
        let mut known = Known::default();
        let opened: Vec<_> = bytes.iter().map(|token| Token::open(token)).collect();
        for token in opened.iter().flatten() {
            known.add(token);
        }
        for certificate in self.certificates {
            known.add_certificate(certificate.clone());
        }
        let mut walk = Walk {
            question: self,
            record,
            objects,
            known,
            report: Report::default(),
        };
        let mut tokens = bytes.iter().zip(&opened);
        for (chain, stamps) in (1..).zip(&record.0.chains) {
            let mut before: Option<&Vec<u8>> = None;
            let mut began = None;
            for (stamp, one) in (1..).zip(stamps) {
                let place = Place { chain, stamp };
                let Some((bytes, opened)) = tokens.next() else {
                    break;
                };
                match opened {
                    Ok(token) => walk.stamp(place, one, token, before, &mut began)?,
                    Err(reason) => walk.fault(Fault::Token {
                        place,
                        reason: *reason,
                    }),
                }
                before = Some(bytes);
            }
        }
        let opened: Vec<&Token<'_>> = opened.iter().flatten().collect();
        walk.times(&opened);
        walk.cover();
        Ok(walk.report)
    }
}

struct Walk<'w> {
    question: &'w Question<'w>,
    record: &'w EvidenceRecord,
    objects: &'w [DataObject],
    known: Known,
    report: Report,
}

impl Walk<'_> {
    fn fault(&mut self, fault: Fault) {
        self.report.faults.push(fault);
    }

    /// One time-stamp: its algorithms, its tree, and what it is over.
    fn stamp(
        &mut self,
        place: Place,
        stamp: &Stamp,
        token: &Token<'_>,
        before: Option<&Vec<u8>>,
        began: &mut Option<Hash>,
    ) -> Result<(), ErsError> {
        let imprint = Hash::from_oid(token.algorithm());
        let said = stamp.digest_algorithm.as_ref();
        let said = said.map_or(imprint, Hash::from_identifier);
        let hash = said.ok_or_else(|| ErsError::Algorithm(token.algorithm().to_string()))?;
        if imprint != Some(hash) {
            self.fault(Fault::AlgorithmDiffers(place));
        }
        let declared = &self.record.0.digest_algorithms;
        if !declared
            .iter()
            .any(|identifier| Hash::from_identifier(identifier) == Some(hash))
        {
            self.fault(Fault::NotDeclared { place, hash });
        }
        if *began.get_or_insert(hash) != hash {
            self.fault(Fault::Mixed(place));
        }
        let lists = lists(stamp, token);
        let sized = lists.iter().flatten().all(|one| one.len() == hash.bytes());
        if !sized || tree::root(hash, &lists).as_deref() != Some(token.imprint()) {
            self.fault(Fault::Tree(place));
        }
        let first = lists.first().map(Vec::as_slice).unwrap_or_default();
        match before {
            Some(before) => {
                if !first.contains(&hash.of(&[before])) {
                    self.fault(Fault::Link(place));
                }
            }
            None => self.objects(place, hash, first)?,
        }
        self.report.stamps.push(StampReport {
            place,
            hash,
            time: token.time(),
            tsa: token.signer().subject(),
            certificate_end: self.known.end_of(token.signer()),
            held_until: self.question.at,
        });
        Ok(())
    }

    /// The first time-stamp of a chain: every object must be in its first list, together with all chains before.
    fn objects(&mut self, place: Place, hash: Hash, first: &[Value]) -> Result<(), ErsError> {
        let earlier = place.chain.saturating_sub(1);
        let earlier = self.record.0.chains.get(..earlier).unwrap_or_default();
        if self.objects.is_empty() {
            self.report.unlinked += usize::from(!earlier.is_empty());
            return Ok(());
        }
        let earlier = match earlier {
            [] => None,
            chains => Some(sequence_value(hash, chains)?),
        };
        let mut wanted = Vec::new();
        for object in self.objects {
            let value = object.value(hash).ok_or_else(|| ErsError::NotHashed {
                object: object.name.clone(),
                hash,
            })?;
            let value = match &earlier {
                None => value.to_vec(),
                Some(earlier) => hash.of(&[value, earlier]),
            };
            if !first.contains(&value) {
                let object = object.name.clone();
                self.report.faults.push(Fault::Missing { place, object });
            }
            wanted.push(value);
        }
        let values = first.iter().filter(|one| !wanted.contains(one)).count();
        self.report.surplus = self.report.surplus.max(values);
        if values > 0 && self.question.scope == Scope::Group {
            self.fault(Fault::Surplus { place, values });
        }
        Ok(())
    }

    /// Order, trust and algorithms: each time-stamp at its own time, and until the next one took over.
    fn times(&mut self, tokens: &[&Token<'_>]) {
        let last = tokens.len().saturating_sub(1);
        for (index, token) in tokens.iter().enumerate() {
            let Some(mut told) = self.report.stamps.get(index).cloned() else {
                return;
            };
            let next = tokens.get(index + 1).map(|next| next.time());
            let at = next.unwrap_or(self.question.at);
            told.held_until = at;
            let place = told.place;
            if at < token.time() {
                let time = token.time();
                self.fault(if index < last {
                    // The next one is the one that stands in the wrong place.
                    let next = self.report.stamps.get(index + 1);
                    Fault::Order(next.map_or(place, |next| next.place))
                } else {
                    Fault::Future { place, time }
                });
            }
            self.trusted(place, token, at, index == last);
            self.counted(&told, token, at);
            if let Some(kept) = self.report.stamps.get_mut(index) {
                *kept = told;
            }
        }
    }

    fn trusted(&mut self, place: Place, token: &Token<'_>, at: Timestamp, newest: bool) {
        let anchors = self.question.anchors;
        if let Err(reason) = token.believed(anchors, &self.known, token.time()) {
            return self.fault(Fault::Untrusted { place, reason });
        }
        if let Err(reason) = token.believed(anchors, &self.known, at) {
            self.fault(if newest {
                Fault::Ended { place, reason, at }
            } else {
                Fault::Late { place, reason, at }
            });
        }
    }

    fn counted(&mut self, told: &StampReport, token: &Token<'_>, at: Timestamp) {
        let ends = self.question.ends;
        let mut all = vec![(told.hash.name(), ends.of_hash(told.hash))];
        if let Some(signed) = token.signed_with() {
            let signed = Hash::of_signature(signed);
            all.push((signed.name(), ends.of_hash(signed)));
        }
        let key = ends::key_name(token.signer());
        all.extend(key.map(|name| (name, ends.of_key(token.signer()))));
        all.dedup();
        let place = told.place;
        for (name, end) in all {
            if let Some(end) = end.filter(|end| *end < at) {
                self.fault(Fault::AlgorithmEnded {
                    place,
                    name,
                    end,
                    at,
                });
            }
        }
    }

    fn cover(&mut self) {
        let missed = |object: &&DataObject| {
            !self.report.faults.iter().any(
                |fault| matches!(fault, Fault::Missing { object: name, .. } if *name == object.name),
            )
        };
        let covered = self.objects.iter().filter(missed);
        self.report.covered = covered.map(|object| object.name.clone()).collect();
    }
}

/// The reduced tree; without one the time-stamp is over one value, its imprint.
fn lists(stamp: &Stamp, token: &Token<'_>) -> Vec<Vec<Value>> {
    match &stamp.tree {
        None => vec![vec![token.imprint().to_vec()]],
        Some(tree) => tree
            .iter()
            .map(|list| list.iter().map(|one| one.as_bytes().to_vec()).collect())
            .collect(),
    }
}
