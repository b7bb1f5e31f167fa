//! OCSP answers that came along in a document (RFC 6960 section 4.2).
//!
//! Owns: which answer speaks about a certificate, whether its issuer or a responder that the issuer
//! named signed it, and what it says. An answer that does not read is as good as absent: fails with
//! `None`. Must not know where answers come from.

use aws_lc_rs::digest;
use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::CrlReason;

use formats::time::Timestamp;

use super::limits;
use super::tlv::{self, Tlv, identifier, oid, time};
use crate::algorithm::SignatureAlgorithm;
use crate::cert::Certificate;
use crate::revoke::Revocation;
use crate::sign::HashAlgorithm;

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Good at the time that was asked about.
    Good,
    Revoked(Revocation),
}

/// What the signed answers say about a certificate at a time; revoked wins.
pub(super) fn status(
    answers: &[Vec<u8>],
    issuer: &Certificate,
    subject: &Certificate,
    at: Timestamp,
) -> Option<Status> {
    let mut found = None;
    for answer in answers {
        match read(answer, issuer, subject, at) {
            Some(Status::Good) => found = Some(Status::Good),
            Some(revoked) => return Some(revoked),
            None => {}
        }
    }
    found
}

fn read(
    answer: &[u8],
    issuer: &Certificate,
    subject: &Certificate,
    at: Timestamp,
) -> Option<Status> {
    let (first, _) = Tlv::first(answer)?;
    let basic = basic_response(first)?;
    let mut parts = basic.tagged(tlv::SEQUENCE)?.children(4)?.into_iter();
    let data = parts.next()?.tagged(tlv::SEQUENCE)?;
    let algorithm = identifier(parts.next()?)?;
    let signature = parts.next()?.tagged(tlv::BIT_STRING)?;
    let (0, signature) = signature.content.split_first()? else {
        return None;
    };
    let algorithm = SignatureAlgorithm::from_identifier(&algorithm).ok()?;
    let said = single(data, issuer, subject, at)?;
    let signed_by = |certificate: &Certificate| {
        certificate
            .public_key()
            .is_ok_and(|key| key.verify(algorithm, data.whole, signature).is_ok())
    };
    if signed_by(issuer) {
        return Some(said);
    }
    let certificates = Tlv::first(parts.next()?.tagged(0xa0)?.content)?.0;
    certificates
        .children(limits::CERTIFICATES_MAX)?
        .iter()
        .filter_map(|one| Certificate::parse(one.whole).ok())
        .any(|responder| is_named(&responder, issuer, at) && signed_by(&responder))
        .then_some(said)
}

/// `OCSPResponse` with a basic response inside, or that one alone, as some archives keep it.
fn basic_response(first: Tlv<'_>) -> Option<Tlv<'_>> {
    let parts = first.tagged(tlv::SEQUENCE)?.children(4)?;
    let status = parts.first()?;
    if status.tag != tlv::ENUMERATED {
        return Some(first);
    }
    if status.content != [0] {
        return None;
    }
    let wrapped = Tlv::first(parts.get(1)?.tagged(0xa0)?.content)?.0;
    let [kind, body] = wrapped.children(2)?.try_into().ok()?;
    if oid(kind)? != BASIC {
        return None;
    }
    Some(Tlv::first(body.tagged(tlv::OCTET_STRING)?.content)?.0)
}

/// Section 4.2.2.2: the issuer itself certifies the responder for this.
fn is_named(responder: &Certificate, issuer: &Certificate, at: Timestamp) -> bool {
    let usage = responder.extensions().extended_key_usage.as_ref();
    let purpose = usage.is_some_and(|known| known.value.0.contains(&OCSP_SIGNING));
    let issued = || {
        let x509 = responder.x509();
        let algorithm = SignatureAlgorithm::from_identifier(x509.signature_algorithm()).ok()?;
        let value = x509.signature().as_bytes()?;
        let key = issuer.public_key().ok()?;
        key.verify(algorithm, responder.tbs_der(), value).ok()
    };
    let day = at.minus_ms(AGE_MS_MAX)..=at.plus_ms(AGE_MS_MAX);
    let alive = responder.not_before() <= *day.end() && responder.not_after() >= *day.start();
    purpose
        && alive
        && crate::chain::names::same_name(responder.issuer_name(), issuer.subject_name())
        && issued().is_some()
}

/// The entry about this certificate.
fn single(
    data: Tlv<'_>,
    issuer: &Certificate,
    subject: &Certificate,
    at: Timestamp,
) -> Option<Status> {
    let entries = data.children(8)?;
    // Version and responder are tagged, producedAt is a time; the list is the SEQUENCE.
    let list = entries.iter().find(|part| part.tag == tlv::SEQUENCE)?;
    for entry in list.children(ENTRIES_MAX)? {
        let mut parts = entry.children(6)?.into_iter();
        if !is_about(parts.next()?, issuer, subject)? {
            continue;
        }
        let status = parts.next()?;
        let this_update = time(parts.next()?)?;
        match status.tag {
            0x80 => {
                let next = parts.next().filter(|part| part.tag == 0xa0);
                let fresh = match next {
                    Some(next) => time(Tlv::first(next.content)?.0)? >= at,
                    None => this_update.plus_ms(AGE_MS_MAX) >= at,
                };
                return fresh.then_some(Status::Good);
            }
            0xa1 => {
                let parts = status.children(2)?;
                let reason = parts.get(1).and_then(|wrapped| {
                    let code = *Tlv::first(wrapped.content)?.0.content.first()?;
                    reason(code)
                });
                return Some(Status::Revoked(Revocation {
                    at: time(*parts.first()?)?,
                    reason: reason.unwrap_or(CrlReason::Unspecified),
                }));
            }
            _ => return None,
        }
    }
    None
}

fn reason(code: u8) -> Option<CrlReason> {
    Some(match code {
        1 => CrlReason::KeyCompromise,
        2 => CrlReason::CaCompromise,
        3 => CrlReason::AffiliationChanged,
        4 => CrlReason::Superseded,
        5 => CrlReason::CessationOfOperation,
        6 => CrlReason::CertificateHold,
        8 => CrlReason::RemoveFromCRL,
        9 => CrlReason::PrivilegeWithdrawn,
        10 => CrlReason::AaCompromise,
        _ => return None,
    })
}

/// `CertID`: hashes of the issuer's name and key, and the serial number. SHA-1 only names here.
fn is_about(id: Tlv<'_>, issuer: &Certificate, subject: &Certificate) -> Option<bool> {
    let [algorithm, name, key, serial] = id.children(4)?.try_into().ok()?;
    let algorithm = identifier(algorithm)?;
    let hash = match HashAlgorithm::from_identifier(&algorithm) {
        Some(hash) => hash.implementation(),
        None if algorithm.oid == SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        None => return Some(false),
    };
    let spki = issuer.x509().tbs_certificate().subject_public_key_info();
    let same = |value: Tlv<'_>, of: &[u8]| digest::digest(hash, of).as_ref() == value.content;
    Some(
        same(name, issuer.subject_der())
            && same(key, spki.subject_public_key.raw_bytes())
            && serial.content == subject.x509().tbs_certificate().serial_number().as_bytes(),
    )
}

const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// An answer without nextUpdate is one of the moment; a day is what this network grants.
const AGE_MS_MAX: i64 = 24 * 60 * 60 * 1000;
const ENTRIES_MAX: usize = 64;
