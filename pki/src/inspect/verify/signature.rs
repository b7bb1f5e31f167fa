//! CMS signatures and time-stamps step by step.
//!
//! Owns: which content a content type means, and the time that signers are judged at. Fails: never.

use formats::header::Header;
use formats::id::Digest;
use formats::oid;
use formats::time::Timestamp;

use super::path;
use super::words::said;
use super::{Ground, Judgement, Question};
use crate::cert::Certificate;
use crate::chain::VerifiedCert;
use crate::permit::Object;
use crate::record;
use crate::role::Role;
use crate::sign::{self, Content, PacketDigest, Parsed};
use crate::stamp;

/// A ContentInfo with SignedData.
pub(super) fn cms(judged: &mut Judgement, der: &[u8], ground: &Ground, question: &Question<'_>) {
    let parsed = match Parsed::parse(der) {
        Ok(parsed) => parsed,
        Err(error) => {
            return judged.fails(
                format!("not a signature that this network reads: {error}"),
                format!("không phải chữ ký mà mạng đọc: {error}"),
            );
        }
    };
    if parsed.content_type() == oid::CT_TST_INFO {
        return token(judged, der, &parsed, ground, question);
    }
    let Some(signer) = signer(&parsed, ground) else {
        return judged.fails(
            "the signer's certificate is neither inside nor among the anchors",
            "không có chứng thư người ký trong tệp và trong thư mục neo",
        );
    };
    let at = match (question.at, parsed.timestamp_token()) {
        (None, Some(token)) => stamped(judged, &token, &parsed, ground, question.now),
        (at, _) => at,
    };
    let at = at.unwrap_or(question.now);
    let along = parsed.embedded_certificates();
    let Some(role) = question.role.or_else(|| role_for(&parsed, &signer)) else {
        return judged.fails(
            format!(
                "content type {} is signed by no role of this network",
                parsed.content_type()
            ),
            format!(
                "loại nội dung {} không vai trò nào được ký",
                parsed.content_type()
            ),
        );
    };
    let Some(verified) = path::in_role(judged, &signer, &along, ground, role, at) else {
        return;
    };
    if let Some(time) = parsed.signing_time() {
        judged.note(
            format!("the signer says it signed at {time}; that proves nothing"),
            format!(
                "người ký tự khai ký lúc {}; không có giá trị chứng minh",
                time.vietnam()
            ),
        );
    }
    content(judged, der, &parsed, &verified, ground, question, at);
}

fn signer(parsed: &Parsed, ground: &Ground) -> Option<Certificate> {
    parsed.embedded_signer().or_else(|| {
        ground
            .others
            .iter()
            .find(|cert| parsed.signer_matches(cert))
            .cloned()
    })
}

/// The role that the signer must have: its own, if any object of this content type takes it; else
/// the first that one takes, so that the refusal names both.
fn role_for(parsed: &Parsed, signer: &Certificate) -> Option<Role> {
    let kind = parsed.content_type();
    let mut objects = Object::ALL
        .into_iter()
        .filter(|object| object.content_type() == Some(kind) && *object != Object::Capsule)
        .peekable();
    let first = objects.peek().map(|object| object.signer());
    let own = signer.role().ok();
    let fits = own.is_some_and(|own| objects.any(|object| object.permits(own)));
    if fits { own } else { first }
}

/// The time-stamp over the signature value decides when the signer is judged.
fn stamped(
    judged: &mut Judgement,
    token: &[u8],
    parsed: &Parsed,
    ground: &Ground,
    now: Timestamp,
) -> Option<Timestamp> {
    let imprint = Digest::of(parsed.signature_value());
    let validator = ground.validator()?;
    match stamp::verify_token(token, &imprint, &validator, now) {
        Ok(stamp) => {
            judged.holds_that(
                format!(
                    "the signature was there at {}: time-stamp {}",
                    stamp.time, stamp.serial
                ),
                format!(
                    "chữ ký đã có lúc {}: dấu thời gian {}",
                    stamp.time.vietnam(),
                    stamp.serial
                ),
            );
            Some(stamp.time)
        }
        Err(error) => {
            judged.fails(
                format!("time-stamp: {error}"),
                format!("dấu thời gian không đúng: {error}"),
            );
            None
        }
    }
}

/// A time-stamp token by itself.
fn token(
    judged: &mut Judgement,
    der: &[u8],
    parsed: &Parsed,
    ground: &Ground,
    question: &Question<'_>,
) {
    let Some(validator) = ground.validator() else {
        return judged.fails(
            "the trust domain is not known; give --domain",
            "không biết miền tin cậy; hãy dùng --domain",
        );
    };
    let imprint = match question.content {
        Some(content) => Some(Digest::of(content)),
        None => {
            judged.note(
                "no --content: what was stamped is not compared",
                "không có --content: không đối chiếu nội dung được đóng dấu",
            );
            stamp::claimed_imprint(der)
        }
    };
    let Some(imprint) = imprint else {
        return judged.fails(
            "the token is not over a SHA-256 digest",
            "dấu không đóng trên giá trị băm SHA-256",
        );
    };
    let time = match stamp::verify_token(der, &imprint, &validator, question.now) {
        Ok(stamp) => {
            judged.holds_that(
                format!(
                    "stamped at {} under policy {}, serial {}",
                    stamp.time, stamp.policy, stamp.serial
                ),
                format!(
                    "đóng dấu lúc {}, chính sách {}, số {}",
                    stamp.time.vietnam(),
                    stamp.policy,
                    stamp.serial
                ),
            );
            stamp.time
        }
        Err(error) => {
            return judged.fails(
                format!("time-stamp: {error}"),
                format!("dấu thời gian không đúng: {error}"),
            );
        }
    };
    if let Some(tsa) = signer(parsed, ground) {
        let along = parsed.embedded_certificates();
        path::in_role(judged, &tsa, &along, ground, Role::TimeStamping, time);
    }
}

fn content(
    judged: &mut Judgement,
    der: &[u8],
    parsed: &Parsed,
    signer: &VerifiedCert,
    ground: &Ground,
    question: &Question<'_>,
    at: Timestamp,
) {
    if parsed.content_type() == oid::CT_RECORD && parsed.content().is_some() {
        let Some(validator) = ground.validator() else {
            return;
        };
        return match record::verify(der, &validator, at) {
            Ok(record) => {
                let (en, vi) = Object::of_record(record.record()).words();
                judged.holds_that(
                    format!("{en}: the signature covers the record"),
                    format!("{vi}: chữ ký đúng trên bản ghi"),
                );
            }
            Err(error) => judged.fails(error.to_string(), format!("bản ghi không đúng: {error}")),
        };
    }
    let Some(bytes) = question.content else {
        return judged.fails(
            "the content is outside; give it with --content",
            "nội dung ở ngoài; hãy dùng --content",
        );
    };
    let outcome = match parsed.content_type() {
        oid::CT_CHECKPOINT => match std::str::from_utf8(bytes) {
            // The CMS signature is over the body, which ends before the signature lines.
            Ok(text) => {
                let body = text.split_once("\n\n").map_or(text, |(body, _)| body);
                let body = if body.ends_with('\n') {
                    body.to_owned()
                } else {
                    format!("{body}\n")
                };
                said(sign::verify_detached(
                    der,
                    Content::Checkpoint(&body),
                    signer,
                ))
            }
            Err(error) => Err(error.to_string()),
        },
        oid::CT_HEADER => match Header::decode(bytes) {
            Ok(header) => said(sign::verify_header(header, der, signer)),
            Err(error) => Err(error.to_string()),
        },
        oid::CT_DATA => match PacketDigest::of(bytes, parsed.hash()) {
            Ok(packet) => said(sign::verify_detached(der, Content::Packet(&packet), signer)),
            Err(error) => Err(error.to_string()),
        },
        oid::CT_RECORD => said(sign::verify_detached(der, Content::Record(bytes), signer)),
        oid::CT_RENEWAL => said(sign::verify_detached(der, Content::Renewal(bytes), signer)),
        other => Err(format!("content type {other} is not judged here")),
    };
    match outcome {
        Ok(()) => judged.holds_that(
            format!("the signature covers these {} bytes", bytes.len()),
            format!("chữ ký đúng trên {} byte nội dung này", bytes.len()),
        ),
        Err(error) => judged.fails(
            format!("the signature does not cover this content: {error}"),
            format!("chữ ký không đúng với nội dung này: {error}"),
        ),
    }
}
