//! CMS objects in words: signatures with their signers and attributes, envelopes with their
//! recipients.
//!
//! Owns: what is said of each. Reads BER as others write it, so that what this network refuses is
//! shown too; whether it would be read is told. Fails with `None` for what is no ContentInfo.

use formats::id::Digest;

use super::names::named;
use super::{Found, certificate, ours, stamp};
use crate::cert::hex;
use crate::pdf::tlv::{self, Tlv};
use crate::sign::Parsed;

/// A ContentInfo of any kind; `depth` is how many more may lie inside.
pub(super) fn content_info(der: &[u8], depth: usize) -> Option<Found> {
    let (outer, _) = Tlv::first(der)?;
    let parts = outer.tagged(tlv::SEQUENCE)?.children(2)?;
    let kind = tlv::oid(*parts.first()?)?;
    let content = parts.get(1).and_then(|one| one.tagged(0xa0));
    let inner = content
        .and_then(|content| Tlv::first(content.content))
        .map(|(inner, _)| inner);
    match (kind.to_string().as_str(), inner) {
        (SIGNED_DATA, Some(inner)) => signed(der, inner, depth),
        (ENVELOPED_DATA | AUTH_ENVELOPED_DATA, Some(inner)) => enveloped(kind, inner),
        // Other kinds of RFC 5652 and its kin, told by their name only.
        (other, _) if CMS_ARCS.iter().any(|arc| other.starts_with(arc)) => {
            let found = Found::new("cms", "CMS object", "Đối tượng CMS");
            Some(found.text("type", "type", "loại", named(kind)))
        }
        _ => None,
    }
}

fn signed(der: &[u8], data: Tlv<'_>, depth: usize) -> Option<Found> {
    let parts = data.tagged(tlv::SEQUENCE)?.children(PARTS_MAX)?;
    let mut parts = parts.into_iter().skip_while(|one| one.tag != tlv::SEQUENCE);
    let encapsulated = parts.next()?;
    let mut inside = encapsulated.children(2)?.into_iter();
    let content_type = tlv::oid(inside.next()?)?;
    let content = inside
        .next()
        .and_then(|one| Tlv::first(one.content))
        .map(|(value, _)| value);
    let mut found = Found::new(
        "signed-data",
        "Signature (CMS SignedData)",
        "Chữ ký số (CMS)",
    )
    .text(
        "content_type",
        "content type",
        "loại nội dung",
        named(content_type),
    );
    found = match content {
        Some(content) => found.text(
            "content_bytes",
            "content inside, bytes",
            "nội dung kèm, byte",
            content.content.len().to_string(),
        ),
        None => found.sentence(
            "content",
            ("content", "nội dung"),
            "outside (detached)",
            "ở ngoài (tách rời)",
        ),
    };
    found = match Parsed::parse(der) {
        Ok(_) => found.sentence(
            "form",
            FORM,
            "CAdES, strict DER: read by this network",
            "CAdES, DER chặt: mạng đọc được",
        ),
        Err(error) => found.sentence(
            "form",
            FORM,
            format!("not read by this network: {error}"),
            format!("mạng không đọc: {error}"),
        ),
    };
    for part in parts {
        found = set_of(found, part, depth);
    }
    if let Some(content) = content {
        if content_type == formats::oid::CT_TST_INFO {
            found = stamp::token_info(found, content.content);
        } else if let (true, Some(inner)) =
            (depth > 0, ours::content(content_type, content.content))
        {
            found = found.part(inner);
        }
    }
    Some(found)
}

/// The certificates, lists or signers of a SignedData.
fn set_of(mut found: Found, set: Tlv<'_>, depth: usize) -> Found {
    let one: fn(Tlv<'_>, usize) -> Option<Found> = match set.tag {
        0xa0 => |one, _| certificate::certificate(one.whole),
        0xa1 => |one, _| certificate::list(one.whole),
        tlv::SET => signer,
        _ => return found,
    };
    let all = set.children(CERTIFICATES_MAX).unwrap_or_default();
    let count = all.len().to_string();
    if depth > 0 || set.tag == tlv::SET {
        for inner in all.into_iter().filter_map(|value| one(value, depth)) {
            found = found.part(inner);
        }
    }
    match set.tag {
        0xa0 => found.text(
            "certificates",
            "certificates inside",
            "chứng thư kèm",
            count,
        ),
        0xa1 => found.text("lists", "revocation lists inside", "danh sách kèm", count),
        _ => found.text("signers", "signers", "số người ký", count),
    }
}

/// SignerInfo (RFC 5652 section 5.3).
fn signer(info: Tlv<'_>, depth: usize) -> Option<Found> {
    let parts = info.tagged(tlv::SEQUENCE)?.children(PARTS_MAX)?;
    let mut found = Found::new("signer", "Signer", "Người ký");
    let sid = parts.get(1)?;
    found = identifier(found, *sid);
    let digest = tlv::identifier(*parts.get(2)?)?;
    found = found.text("digest", "digest", "hàm băm", named(digest.oid));
    for part in parts.iter().skip(3) {
        match part.tag {
            0xa0 => found = attributes(found, *part, "signed_attributes", SIGNED, depth),
            0xa1 => found = attributes(found, *part, "unsigned_attributes", UNSIGNED, depth),
            tlv::SEQUENCE => {
                let name = tlv::identifier(*part).map(|id| named(id.oid));
                found = found.text(
                    "algorithm",
                    "signature algorithm",
                    "thuật toán ký",
                    name.unwrap_or_default(),
                );
            }
            tlv::OCTET_STRING => {
                let digest = Digest::of(part.content).to_string();
                found = found.text(
                    "value_sha256",
                    "signature value, SHA-256",
                    "SHA-256 của giá trị ký",
                    digest,
                );
            }
            _ => {}
        }
    }
    Some(found)
}

/// issuerAndSerialNumber or a key identifier.
fn identifier(found: Found, id: Tlv<'_>) -> Found {
    if let Some(pair) = id.tagged(tlv::SEQUENCE).and_then(|id| id.children(2))
        && let (Some(name), Some(serial)) = (pair.first(), pair.get(1))
    {
        return found
            .text(
                "issuer",
                "certificate of issuer",
                "nơi cấp chứng thư",
                name_text(name.whole),
            )
            .bytes("serial", "serial number", "số hiệu", serial.content);
    }
    found.bytes("key_id", "key identifier", "định danh khóa", id.content)
}

fn name_text(der: &[u8]) -> String {
    use der::Decode;
    x509_cert::name::Name::from_der(der).map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

type Label = (&'static str, &'static str);

fn attributes(
    mut found: Found,
    set: Tlv<'_>,
    key: &'static str,
    label: Label,
    depth: usize,
) -> Found {
    let mut lines = Vec::new();
    for attribute in set.children(ATTRIBUTES_MAX).unwrap_or_default() {
        let Some(parts) = attribute.children(2) else {
            continue;
        };
        let (Some(id), Some(values)) = (parts.first().and_then(|id| tlv::oid(*id)), parts.get(1))
        else {
            continue;
        };
        let values = values.children(ATTRIBUTES_MAX).unwrap_or_default();
        let value = values
            .first()
            .map(|value| attribute_text(*value))
            .unwrap_or_default();
        let times = if values.len() == 1 {
            String::new()
        } else {
            format!(" ×{}", values.len())
        };
        lines.push(format!("{}{times}: {value}", named(id)));
        if id.to_string() == TIME_STAMP
            && let (Some(token), Some(below)) = (values.first(), depth.checked_sub(1))
            && let Some(inner) = content_info(token.whole, below)
        {
            found = found.part(inner);
        }
    }
    found.many(key, label.0, label.1, lines)
}

fn attribute_text(value: Tlv<'_>) -> String {
    if let Some(id) = tlv::oid(value) {
        return named(id);
    }
    if let Some(at) = tlv::time(value) {
        return at.rfc3339();
    }
    let cut = value
        .content
        .get(..value.content.len().min(SHOWN_BYTES))
        .unwrap_or_default();
    let more = if cut.len() < value.content.len() {
        "…"
    } else {
        ""
    };
    format!("{}{more}", hex(cut))
}

/// EnvelopedData and AuthEnvelopedData: who can open it, and how it is encrypted.
fn enveloped(kind: der::asn1::ObjectIdentifier, data: Tlv<'_>) -> Option<Found> {
    let parts = data.tagged(tlv::SEQUENCE)?.children(PARTS_MAX)?;
    let recipients = parts.iter().find(|one| one.tag == tlv::SET)?;
    let content = parts.iter().rfind(|one| one.tag == tlv::SEQUENCE)?;
    let mut inside = content.children(PARTS_MAX)?.into_iter();
    let content_type = tlv::oid(inside.next()?)?;
    let cipher = tlv::identifier(inside.next()?)?;
    let bytes = inside.next().map_or(0, |content| content.content.len());
    let (word, en, vi) = if kind.to_string() == AUTH_ENVELOPED_DATA {
        (
            "capsule",
            "Capsule (CMS AuthEnvelopedData)",
            "Phong bì khóa (CMS AuthEnvelopedData)",
        )
    } else {
        (
            "enveloped-data",
            "Encrypted (CMS EnvelopedData)",
            "Đã mã hóa (CMS EnvelopedData)",
        )
    };
    let mut found = Found::new(word, en, vi)
        .text(
            "content_type",
            "content type",
            "loại nội dung",
            named(content_type),
        )
        .text("cipher", "cipher", "mã hóa", named(cipher.oid))
        .text(
            "content_bytes",
            "encrypted bytes",
            "số byte mã hóa",
            bytes.to_string(),
        );
    let mut lines = Vec::new();
    for recipient in recipients.children(RECIPIENTS_MAX).unwrap_or_default() {
        lines.extend(recipient_lines(recipient));
    }
    found = found.text(
        "recipients_count",
        "recipients",
        "số người nhận",
        lines.len().to_string(),
    );
    Some(found.many("recipients", "can be opened by", "mở được bởi", lines))
}

fn recipient_lines(recipient: Tlv<'_>) -> Vec<String> {
    let parts = recipient.children(PARTS_MAX).unwrap_or_default();
    match recipient.tag {
        // KeyTransRecipientInfo
        tlv::SEQUENCE => {
            let algorithm = parts.get(2).and_then(|one| tlv::identifier(*one));
            let algorithm = algorithm.map(|id| named(id.oid)).unwrap_or_default();
            let who = parts.get(1).map(|id| who(*id)).unwrap_or_default();
            vec![format!("{who}, {algorithm}")]
        }
        // KeyAgreeRecipientInfo: one line for each key in it.
        0xa1 => {
            let algorithm = parts
                .iter()
                .rev()
                .nth(1)
                .and_then(|one| tlv::identifier(*one));
            let algorithm = algorithm.map(|id| named(id.oid)).unwrap_or_default();
            let keys = parts.last().and_then(|keys| keys.children(RECIPIENTS_MAX));
            let keys = keys.unwrap_or_default();
            let ids = keys
                .iter()
                .filter_map(|key| key.children(2)?.first().copied());
            ids.map(|id| format!("{}, {algorithm}", who(id))).collect()
        }
        0xa2 => vec!["a shared key (KEKRecipientInfo)".to_owned()],
        0xa3 => vec!["a password (PasswordRecipientInfo)".to_owned()],
        _ => vec!["another kind of recipient".to_owned()],
    }
}

fn who(id: Tlv<'_>) -> String {
    if id.tag == tlv::SEQUENCE {
        let pair = id.children(2).unwrap_or_default();
        if let (Some(name), Some(serial)) = (pair.first(), pair.get(1)) {
            return format!("{} serial {}", name_text(name.whole), hex(serial.content));
        }
    }
    // [0]: the identifier itself, or RecipientKeyIdentifier with it as the first part.
    let inner = Tlv::first(id.content).and_then(|(inner, _)| inner.tagged(tlv::OCTET_STRING));
    let bytes = inner.map_or(id.content, |inner| inner.content);
    let cut = bytes
        .get(..bytes.len().min(SHOWN_BYTES))
        .unwrap_or_default();
    format!("key identifier {}", hex(cut))
}

const CMS_ARCS: [&str; 2] = ["1.2.840.113549.1.7.", "1.2.840.113549.1.9.16.1."];
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const ENVELOPED_DATA: &str = "1.2.840.113549.1.7.3";
const AUTH_ENVELOPED_DATA: &str = "1.2.840.113549.1.9.16.1.23";
const TIME_STAMP: &str = "1.2.840.113549.1.9.16.2.14";
const FORM: Label = ("form", "dạng");
const SIGNED: Label = ("signed attributes", "thuộc tính được ký");
const UNSIGNED: Label = ("unsigned attributes", "thuộc tính không ký");
const ATTRIBUTES_MAX: usize = 64;
const CERTIFICATES_MAX: usize = 64;
const PARTS_MAX: usize = 16;
/// As many as an envelope may have, and some room.
const RECIPIENTS_MAX: usize = 300;
const SHOWN_BYTES: usize = 40;
