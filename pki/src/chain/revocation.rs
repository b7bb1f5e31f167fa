//! Whether a certificate of a path is revoked (RFC 5280 section 6.3, RFC 6960 beside it).
//!
//! Owns: which lists and answers decide, newest first, until every reason for revocation is
//! covered; full, indirect and delta lists; lists under another key of the same authority; answers
//! of the authority or of a responder that it named. Fails with [`ChainError`]. Must not know: our
//! roles, where lists come from.

use super::error::Held;
use super::names::same_name;
use super::path::{Question, Search};
use super::policy::PolicyInput;
use super::structure::Criticality;
use super::{ChainError, RevocationPolicy};
use crate::cert::Certificate;
use crate::ocsp::Status;
use crate::revoke::{Crl, ReasonMask, Revocation};

impl Search<'_> {
    /// Judges `cert`, issued by `issuer`, on a path from `anchor`.
    pub(super) fn check_revocation(
        &mut self,
        cert: &Certificate,
        issuer: &Certificate,
        anchor: &Certificate,
    ) -> Result<(), ChainError> {
        let mut held = Held::default();
        let listed = self.check_lists(cert, issuer, anchor, &mut held)?;
        let answered = self.check_answers(cert, issuer, anchor, &mut held)?;
        match self.question.revocation {
            RevocationPolicy::Required { .. } if !listed && !answered => {
                Err(ChainError::RevocationUnknown {
                    subject: cert.subject(),
                    held,
                    at: self.question.at,
                })
            }
            RevocationPolicy::NewestHeld | RevocationPolicy::Required { .. } => Ok(()),
        }
    }

    /// Section 6.3.3. Whether lists that count cover every reason.
    fn check_lists(
        &mut self,
        cert: &Certificate,
        issuer: &Certificate,
        anchor: &Certificate,
        held: &mut Held,
    ) -> Result<bool, ChainError> {
        let store = self.store;
        let mut seen = ReasonMask::none();
        for crl in store.lists_for(cert) {
            let reasons = crl.coverage(cert);
            if !reasons.adds_to(seen) {
                continue;
            }
            let Some(signer) = self.list_signer(crl, issuer, anchor)? else {
                continue;
            };
            let delta = self.delta_of(crl, &signer)?;
            held.note(crl.this_update(), crl.next_update());
            if let Some(delta) = &delta {
                held.note(delta.this_update(), delta.next_update());
            }
            // Steps (i) to (k): what the delta says about a certificate replaces the full list.
            let entry = match delta.as_ref().and_then(|delta| delta.entry(cert)) {
                Some(changed) if changed.is_removal() => None,
                Some(changed) => Some(changed),
                None => crl.entry(cert),
            };
            self.check_entry(cert, entry)?;
            if self.counts(crl, delta.as_ref()) {
                seen = seen.or(reasons);
            }
            if seen.is_all() {
                break;
            }
        }
        Ok(seen.is_all())
    }

    fn check_entry(&self, cert: &Certificate, entry: Option<Revocation>) -> Result<(), ChainError> {
        match entry {
            Some(entry) if entry.spoils(self.question.at) => Err(ChainError::Revoked {
                subject: cert.subject(),
                at: entry.at,
                reason: entry.reason,
                judged: self.question.at,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a list proves that what it does not name is not revoked. A full list and its newest
    /// delta are as fresh as the delta (section 5.2.4); a list whose issuer publishes deltas proves
    /// nothing fresh without one.
    fn counts(&self, crl: &Crl, delta: Option<&Crl>) -> bool {
        let conforming = |list: &Crl| {
            self.question.criticality == Criticality::Lenient || list.nonconformance().is_none()
        };
        match (self.question.revocation, delta) {
            (RevocationPolicy::NewestHeld, _) => true,
            (RevocationPolicy::Required { grace_ms }, Some(delta)) => {
                conforming(crl) && conforming(delta) && delta.is_fresh(self.question.at, grace_ms)
            }
            (RevocationPolicy::Required { grace_ms }, None) => {
                conforming(crl) && !crl.has_deltas() && crl.is_fresh(self.question.at, grace_ms)
            }
        }
    }

    /// Step (h): the newest delta, signed with the same key as the full list.
    fn delta_of(&mut self, crl: &Crl, signer: &Certificate) -> Result<Option<Crl>, ChainError> {
        for delta in self.store.deltas_of(crl) {
            self.signatures = self.signatures.checked_sub(1).ok_or(ChainError::Budget)?;
            if delta.verify(signer).is_ok() {
                return Ok(Some(delta.clone()));
            }
        }
        Ok(None)
    }

    /// Steps (f) and (g): whose key signed the list, if it may. An authority may sign its lists with
    /// another key under the same name, and another issuer may be named for them; that key's
    /// certificate must itself be valid under the same anchor.
    fn list_signer(
        &mut self,
        crl: &Crl,
        issuer: &Certificate,
        anchor: &Certificate,
    ) -> Result<Option<Certificate>, ChainError> {
        if same_name(crl.issuer_name(), issuer.subject_name()) {
            self.spend()?;
            if crl.verify(issuer).is_ok() {
                return Ok(Some(issuer.clone()));
            }
        }
        if self.nested >= NESTED_MAX {
            return Ok(None);
        }
        let known = self.store.authorities().chain(self.extra);
        let others: Vec<Certificate> = known
            .filter(|other| same_name(other.subject_name(), crl.issuer_name()))
            .filter(|other| other.spki_der() != issuer.spki_der())
            .cloned()
            .collect();
        for other in others {
            self.spend()?;
            if crl.verify(&other).is_ok() && self.is_valid_under(&other, anchor) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    fn is_valid_under(&mut self, signer: &Certificate, anchor: &Certificate) -> bool {
        // Whoever signs lists needs no purpose and no policy of the asker's.
        let question = Question {
            purpose: None,
            policy: PolicyInput::default(),
            ..self.question.clone()
        };
        let mut nested = Search {
            store: self.store,
            extra: self.extra,
            question: &question,
            signatures: self.signatures,
            furthest: None,
            nested: self.nested.saturating_add(1),
        };
        let outcome = nested.run(signer);
        self.signatures = nested.signatures;
        let same = |root: &Certificate| {
            root.spki_der() == anchor.spki_der()
                && same_name(root.subject_name(), anchor.subject_name())
        };
        outcome.is_ok_and(|path| path.first().is_some_and(same))
    }

    /// The newest believed answer about the certificate. Whether it counts.
    fn check_answers(
        &mut self,
        cert: &Certificate,
        issuer: &Certificate,
        anchor: &Certificate,
        held: &mut Held,
    ) -> Result<bool, ChainError> {
        let store = self.store;
        for response in store.answers_for(cert) {
            let Some(answer) = response.about(cert, issuer) else {
                continue;
            };
            self.spend()?;
            let Ok(signer) = response.verify(issuer) else {
                continue;
            };
            if let Some(responder) = signer.to_be_checked()
                && !self.is_unrevoked(responder, issuer, anchor)?
            {
                continue;
            }
            let end = signer.end_of(answer);
            let entry = match answer.status {
                Status::Good => None,
                Status::Revoked(entry) => Some(entry),
                Status::Unknown => continue,
            };
            held.note(answer.this_update, Some(end));
            self.check_entry(cert, entry)?;
            return Ok(match self.question.revocation {
                RevocationPolicy::NewestHeld => true,
                RevocationPolicy::Required { grace_ms } => {
                    end.unix_ms().saturating_add(grace_ms) >= self.question.at.unix_ms()
                }
            });
        }
        Ok(false)
    }

    /// A responder whose authority did not excuse it from the question (RFC 6960 section
    /// 4.2.2.2.1): by lists only, an answer about itself would prove nothing.
    fn is_unrevoked(
        &mut self,
        responder: &Certificate,
        issuer: &Certificate,
        anchor: &Certificate,
    ) -> Result<bool, ChainError> {
        match self.check_lists(responder, issuer, anchor, &mut Held::default()) {
            Ok(covered) => Ok(match self.question.revocation {
                RevocationPolicy::NewestHeld => true,
                RevocationPolicy::Required { .. } => covered,
            }),
            Err(ChainError::Budget) => Err(ChainError::Budget),
            Err(_) => Ok(false),
        }
    }
}

/// Lists signed by a key whose own path needs lists signed by yet another key: bounds key
/// rollovers.
const NESTED_MAX: u8 = 3;
