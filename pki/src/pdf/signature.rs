//! One signature field from its dictionary to a verdict.
//!
//! Owns: the order of the checks and which finding weighs more. Fails: never; what cannot be read
//! is a verdict too. Must not know how the parts do their work.

use aws_lc_rs::digest;

use formats::time::Timestamp;

use super::changes;
use super::cms::Cms;
use super::document::{Document, Sections};
use super::object::{Dictionary, Id};
use super::permission::Permission;
use super::range::{self, Signed};
use super::report::{
    Changes, Coverage, Integrity, PdfSignature, Reason, Revocation, Signer, Stamp, Verdict,
};
use super::source::{Fault, Source};
use super::trust::{self, Anchors, Evidence, Purpose};
use crate::cert::Certificate;

/// What all signatures of a document share.
pub(super) struct Check<'c, 'f> {
    pub(super) source: &'c mut Source<'f>,
    pub(super) sections: &'c mut Sections,
    pub(super) document: &'c mut Document,
    pub(super) evidence: &'c Evidence,
    pub(super) anchors: &'c Anchors,
    pub(super) now: Timestamp,
    pub(super) encrypted: bool,
    /// Objects that may still be compared.
    pub(super) left: u32,
    /// Ends of revisions and the time at which a believed document time-stamp saw them.
    pub(super) seen: Vec<(u64, Timestamp)>,
}

/// A signature that the form or the catalog names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) field: String,
    pub(super) id: Option<Id>,
    pub(super) dictionary: Dictionary,
}

impl Found {
    /// Whether it is a time-stamp over the document.
    pub(super) fn is_stamp(&self) -> bool {
        self.dictionary.name("SubFilter") == Some(DOCUMENT_STAMP.as_bytes())
    }
}

impl Check<'_, '_> {
    /// Checks one signature.
    pub(super) fn examine(&mut self, found: &Found) -> PdfSignature {
        let mut result = PdfSignature {
            field: found.field.clone(),
            verdict: Verdict::Unknown,
            reason: None,
            integrity: Integrity::Unknown,
            timestamp_only: found.is_stamp(),
            subfilter: String::new(),
            signer: None,
            claimed_time: None,
            stamped_time: None,
            stamp: Stamp::Absent,
            digest: None,
            coverage: Coverage::Partial,
            changes: Changes::Unclear,
            revocation: Revocation::NotChecked,
        };
        let reason = match self.run(found, &mut result) {
            Ok(reason) => reason,
            Err(Fault::Limit(_)) => Some(Reason::Limit),
            Err(Fault::Io | Fault::Malformed(_)) => Some(Reason::Unreadable),
        };
        result.verdict = reason.map_or(Verdict::Valid, verdict);
        result.reason = reason;
        result
    }

    fn run(&mut self, found: &Found, result: &mut PdfSignature) -> Result<Option<Reason>, Fault> {
        let signed = match range::read(self.document, self.source, &found.dictionary)? {
            Ok(signed) => signed,
            Err(reason) => return Ok(Some(reason)),
        };
        result.subfilter.clone_from(&signed.subfilter);
        result.claimed_time = signed.claimed.as_deref().and_then(date);
        let mut state = self.signed_state(found, &signed)?;
        result.coverage = match &state {
            Some(state) => signed.coverage(self.source, Some(state.mark_end()))?,
            None => Coverage::Partial,
        };
        let cms = match Cms::parse(&signed.contents) {
            Ok(cms) => cms,
            Err(reason) => return Ok(Some(reason)),
        };
        result.digest = Some(cms.digest.name());
        let claimed = cms.signing_time().map(Timestamp::rfc3339);
        result.claimed_time = claimed.or_else(|| result.claimed_time.take());
        result.signer = cms.signer_certificate().ok().map(|one| describe(&one));
        if result.coverage == Coverage::Partial {
            return Ok(Some(Reason::Coverage));
        }
        let (crypto, trusted) = if result.timestamp_only {
            self.stamp(&signed, &cms, result)?
        } else {
            self.person(&signed, &cms, result)?
        };
        if let Some(reason) = crypto {
            if matches!(reason, Reason::Digest | Reason::SignatureValue) {
                result.integrity = Integrity::Broken;
            }
            return Ok(Some(reason));
        }
        result.integrity = Integrity::Intact;
        result.changes = match result.coverage {
            Coverage::WholeFile => Changes::None,
            Coverage::Partial | Coverage::WholeRevision => self.changes(found, state.as_mut())?,
        };
        Ok(match result.changes {
            Changes::Changed => {
                result.integrity = Integrity::Broken;
                Some(Reason::ChangedAfterSigning)
            }
            Changes::Unclear => {
                result.integrity = Integrity::Unknown;
                Some(Reason::ChangesUnclear)
            }
            _ if self.encrypted => Some(Reason::Encrypted),
            _ => trusted,
        })
    }

    /// The document as it was signed: the file up to the last signed byte. None when that is no
    /// whole revision, or the signature is not in it as it is now.
    fn signed_state(&mut self, found: &Found, signed: &Signed) -> Result<Option<Document>, Fault> {
        let mut state = match Document::open(self.source, self.sections, signed.end()) {
            Ok(state) => state,
            Err(Fault::Malformed(_)) => return Ok(None),
            Err(other) => return Err(other),
        };
        // The same field with the same signature: one that was hung into the form only later says
        // nothing about the document that was signed.
        let held = match super::signatures(&mut state, self.source) {
            Ok(held) => held,
            Err(Fault::Malformed(_)) => return Ok(None),
            Err(other) => return Err(other),
        };
        if !held.contains(found) {
            return Ok(None);
        }
        Ok(Some(state))
    }

    fn changes(&mut self, found: &Found, state: Option<&mut Document>) -> Result<Changes, Fault> {
        let Some(state) = state else {
            return Ok(Changes::Unclear);
        };
        let outcome = Permission::read(state, self.source, &found.dictionary).and_then(|allowed| {
            let left = &mut self.left;
            changes::find(self.source, state, self.document, &allowed, left)
        });
        match outcome {
            Ok(changes) => Ok(changes),
            Err(Fault::Io) => Err(Fault::Io),
            Err(Fault::Limit(_) | Fault::Malformed(_)) => Ok(Changes::Unclear),
        }
    }

    /// A person's or agency's signature: what is wrong with it, and why it is not believed.
    fn person(
        &mut self,
        signed: &Signed,
        cms: &Cms<'_>,
        result: &mut PdfSignature,
    ) -> Result<(Option<Reason>, Option<Reason>), Fault> {
        let wrong = |reason| Ok((Some(reason), None));
        if !KINDS.contains(&signed.subfilter.as_str()) {
            return wrong(Reason::Kind);
        }
        if cms.content_type != formats::oid::CT_DATA || cms.content.is_some() {
            return wrong(Reason::Attributes);
        }
        let bare = !cms.has_attributes();
        if bare && (signed.subfilter == CADES || signed.looks_like_attributes(self.source)?) {
            return wrong(Reason::Attributes);
        }
        let certificate = match self.value(signed, cms)? {
            Ok(certificate) => certificate,
            Err(reason) => return wrong(reason),
        };
        let mut evidence = self.evidence.clone();
        evidence.add(cms);
        let proven = self.signature_stamp(cms, &evidence, result);
        let covered = |(end, _): &&(u64, Timestamp)| *end > signed.end();
        let later = self.seen.iter().filter(covered).map(|(_, at)| *at).min();
        let at = proven.into_iter().chain(later).min();
        let purpose = Purpose::Document;
        let (outcome, revocation) = trust::judge(
            self.anchors,
            &evidence,
            &certificate,
            purpose,
            at.unwrap_or(self.now),
        );
        result.revocation = revocation;
        let stamp = (result.stamp == Stamp::Broken).then_some(Reason::Timestamp);
        Ok((None, outcome.err().or(stamp)))
    }

    /// Whether the content has the signed digest and the value is the signer's.
    fn value(
        &mut self,
        signed: &Signed,
        cms: &Cms<'_>,
    ) -> Result<Result<Certificate, Reason>, Fault> {
        let Some(algorithm) = cms.digest.implementation() else {
            return Ok(Err(cms.algorithm_reason()));
        };
        let content = signed.digest(self.source, algorithm)?;
        if cms
            .message_digest()
            .is_some_and(|said| said != content.as_ref())
        {
            return Ok(Err(Reason::Digest));
        }
        let certificate = match cms.signer_certificate() {
            Ok(certificate) => certificate,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(cms.verify(&certificate, &content).map(|()| certificate))
    }

    /// The time that a token on the signature value proves.
    fn signature_stamp(
        &self,
        cms: &Cms<'_>,
        evidence: &Evidence,
        result: &mut PdfSignature,
    ) -> Option<Timestamp> {
        let token = cms.token?;
        result.stamp = Stamp::Broken;
        let inner = Cms::parse(token).ok()?;
        let stamped = trust::stamped(&inner)?;
        let Some(algorithm) = stamped.digest.implementation() else {
            result.stamp = Stamp::Untrusted;
            return None;
        };
        let wanted = digest::digest(algorithm, cms.value);
        let said = trust::verify_token(&inner, &stamped, &wanted, self.anchors, evidence, self.now);
        result.stamp = said.stamp;
        result.stamped_time = said.time.map(Timestamp::rfc3339);
        said.time
    }

    /// A time-stamp over the document.
    fn stamp(
        &mut self,
        signed: &Signed,
        cms: &Cms<'_>,
        result: &mut PdfSignature,
    ) -> Result<(Option<Reason>, Option<Reason>), Fault> {
        let Some(stamped) = trust::stamped(cms) else {
            return Ok((Some(Reason::Attributes), None));
        };
        result.digest = Some(stamped.digest.name());
        let Some(algorithm) = stamped.digest.implementation() else {
            return Ok((Some(Reason::AlgorithmUnsupported), None));
        };
        let wanted = signed.digest(self.source, algorithm)?;
        let said = trust::verify_token(
            cms,
            &stamped,
            &wanted,
            self.anchors,
            self.evidence,
            self.now,
        );
        result.stamp = said.stamp;
        result.revocation = said.revocation;
        result.stamped_time = said.time.map(Timestamp::rfc3339);
        if let Some(time) = said.time {
            self.seen.push((signed.end(), time));
        }
        Ok(match said.stamp {
            Stamp::Verified => (None, None),
            Stamp::Absent | Stamp::Broken => (said.reason, None),
            // Intact, by an authority that is not believed; or by means that prove nothing.
            Stamp::Untrusted => match said.reason {
                Some(
                    reason @ (Reason::AlgorithmWeak
                    | Reason::AlgorithmUnsupported
                    | Reason::CertificateMissing),
                ) => (Some(reason), None),
                other => (None, other),
            },
        })
    }
}

/// What a finding makes of a signature.
pub(super) const fn verdict(reason: Reason) -> Verdict {
    match reason {
        Reason::AlgorithmMismatch
        | Reason::Attributes
        | Reason::CertificateMismatch
        | Reason::CertificateNotYetValid
        | Reason::CertificateRevoked
        | Reason::ChangedAfterSigning
        | Reason::Coverage
        | Reason::Digest
        | Reason::SignatureValue => Verdict::Invalid,
        Reason::AlgorithmUnsupported
        | Reason::AlgorithmWeak
        | Reason::CertificateExpired
        | Reason::CertificateMissing
        | Reason::CertificateRefused
        | Reason::ChangesUnclear
        | Reason::Encrypted
        | Reason::Kind
        | Reason::Limit
        | Reason::Timestamp
        | Reason::Unreadable
        | Reason::UntrustedIssuer => Verdict::Unknown,
    }
}

fn describe(certificate: &Certificate) -> Signer {
    Signer {
        name: certificate
            .subject_part(COMMON_NAME)
            .unwrap_or_else(|| short(&certificate.subject())),
        organisation: certificate
            .subject_part(ORGANISATION)
            .map(|text| short(&text)),
        serial: certificate.serial_hex(),
        issuer: certificate
            .issuer_part(COMMON_NAME)
            .unwrap_or_else(|| short(&certificate.issuer())),
        sha256: certificate.sha256().to_string(),
    }
}

fn short(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(super::limits::NAME_CHARACTERS_MAX)
        .collect()
}

/// A date string `D:YYYYMMDDHHmmSS` with an offset (ISO 32000-2 section 7.9.4).
fn date(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix("D:").unwrap_or(text);
    let number = |from: usize, to: usize, least: u8| match text.get(from..to) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u8>().ok()
        }
        Some(_) => None,
        None => Some(least),
    };
    let local = Timestamp::from_civil(formats::time::Civil {
        year: text.get(..4)?.parse().ok()?,
        month: number(4, 6, 1)?,
        day: number(6, 8, 1)?,
        hour: number(8, 10, 0)?,
        minute: number(10, 12, 0)?,
        second: number(12, 14, 0)?,
        millisecond: 0,
    })?;
    let zone = text.get(14..).unwrap_or_default();
    let part = |from: usize| zone.get(from..from + 2)?.parse::<i64>().ok();
    let minutes = part(1).unwrap_or(0) * 60 + part(4).unwrap_or(0);
    let offset_ms = minutes * 60_000;
    let at = match zone.as_bytes().first() {
        Some(b'+') => local.minus_ms(offset_ms),
        Some(b'-') => local.plus_ms(offset_ms),
        _ => local,
    };
    Some(at.rfc3339())
}

const CADES: &str = "ETSI.CAdES.detached";
const KINDS: [&str; 2] = ["adbe.pkcs7.detached", CADES];
const DOCUMENT_STAMP: &str = "ETSI.RFC3161";
const COMMON_NAME: &str = "2.5.4.3";
const ORGANISATION: &str = "2.5.4.10";
