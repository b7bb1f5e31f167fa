//! Our own formats in words: records, checkpoint notes, headers, statements.
//!
//! Owns: what is said of each. Signatures are not judged here. Fails with `None` for what is none
//! of them.

use der::asn1::ObjectIdentifier;
use formats::checkpoint::{Note, SignedCheckpoint};
use formats::header::Header;
use formats::oid;
use formats::record::Record;
use formats::statement::Statement;

use super::Found;
use crate::permit::Object;
use crate::record;

/// Formats that are text or CBOR.
pub(super) fn text(bytes: &[u8]) -> Option<Found> {
    if bytes.len() > OURS_BYTES_MAX {
        return None;
    }
    let as_text = std::str::from_utf8(bytes).ok();
    if let Some(note) = as_text.and_then(|text| Note::parse(text).ok()) {
        return Some(checkpoint(&note));
    }
    if bytes.starts_with(b"{") {
        let statement = Statement::parse(bytes).ok()?;
        return Some(
            lines(
                "statement",
                "Statement of evidence",
                "Lời chứng của trạm",
                bytes,
            )
            .text(
                "event",
                "event",
                "sự kiện",
                format!("{:?}", statement.event),
            ),
        );
    }
    if let Ok(header) = Header::decode(bytes) {
        return Some(envelope(&header));
    }
    let signed = SignedCheckpoint::decode(bytes).ok()?;
    let note = signed.parsed().ok()?;
    let found = checkpoint(&note).part(super::cms::content_info(&signed.cms, 1)?);
    Some(match &signed.token {
        Some(token) => match super::cms::content_info(token, 1) {
            Some(token) => found.part(token),
            None => found,
        },
        None => found,
    })
}

fn checkpoint(note: &Note) -> Found {
    let body = &note.checkpoint;
    let signers = note.signatures.iter().map(|line| line.name.clone());
    Found::new("checkpoint", "Checkpoint of a log", "Mốc kiểm của nhật ký")
        .text("origin", "log", "nhật ký", body.origin.to_string())
        .text("size", "entries", "số mục", body.size.to_string())
        .text(
            "root",
            "root of the tree",
            "gốc cây băm",
            body.root.to_string(),
        )
        .many("signatures", "signature lines", "dòng chữ ký", signers)
}

fn envelope(header: &Header) -> Found {
    let context = header.context();
    let recipients = context.recipients.iter().map(ToString::to_string);
    let (en, vi) = Object::of_class(context.class).words();
    Found::new("header", "Header of an envelope", "Tiêu đề phong bì")
        .text("id", "envelope", "phong bì", context.id.to_string())
        .sentence("class", ("class", "loại"), en, vi)
        .text("sender", "sender", "nơi gửi", context.sender.to_string())
        .text(
            "station",
            "station of the sender",
            "trạm gửi",
            &context.sender_station,
        )
        .many("recipients", "recipients", "nơi nhận", recipients)
        .time("created", "created", "tạo lúc", context.created)
        .time("expires", "expires", "hết hạn", context.expires)
        .text(
            "signer",
            "signer's certificate, SHA-256",
            "SHA-256 chứng thư ký",
            context.signer.to_string(),
        )
        .text(
            "digest",
            "digest of the header",
            "giá trị băm",
            header.digest().to_string(),
        )
}

/// A signed record.
pub(super) fn signed(der: &[u8]) -> Option<Found> {
    let opened = record::open(der).ok()?;
    let record = &opened.record;
    let found = said(record, &record.to_json())
        .text("signer", "signed by", "người ký", opened.signer.subject())
        .text(
            "role",
            "role needed",
            "vai trò cần có",
            record::role_of(record).as_str(),
        )
        .text(
            "signer_sha256",
            "signer's certificate, SHA-256",
            "SHA-256 chứng thư ký",
            opened.signer.sha256().to_string(),
        )
        .sentence(
            "signature",
            ("signature", "chữ ký"),
            "not judged here; tram-pki verify judges it",
            "không kiểm tra ở đây; dùng tram-pki verify",
        );
    Some(found)
}

fn said(record: &Record, json: &[u8]) -> Found {
    let (en, vi) = Object::of_record(record).words();
    lines("record", "Signed record", "Bản ghi đã ký", json)
        .sentence("says", ("it is", "đó là"), en, vi)
        .text(
            "sequence",
            "sequence",
            "số thứ tự",
            record.sequence().to_string(),
        )
        .time("issued", "issued", "lập lúc", record.issued())
        .time("used_until", "used until", "dùng đến", record.not_after())
}

/// JSON with one line a value, cut to what people read.
fn lines(
    kind: &'static str,
    english: &'static str,
    vietnamese: &'static str,
    json: &[u8],
) -> Found {
    let value: Option<serde_json::Value> = serde_json::from_slice(json).ok();
    let pretty = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
    let pretty = pretty.unwrap_or_default();
    Found::new(kind, english, vietnamese).many(
        "content",
        "content",
        "nội dung",
        pretty.lines().map(str::to_owned),
    )
}

/// The content of a CMS object by its type.
pub(super) fn content(content_type: ObjectIdentifier, bytes: &[u8]) -> Option<Found> {
    match content_type {
        oid::CT_RECORD => {
            let record = Record::parse(bytes).ok()?;
            Some(said(&record, bytes))
        }
        oid::CT_HEADER => Some(envelope(&Header::decode(bytes).ok()?)),
        _ => None,
    }
}

/// A bundle of a thousand agencies is the largest of them.
const OURS_BYTES_MAX: usize = 4 * 1024 * 1024;
