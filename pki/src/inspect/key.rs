//! Keys in words: their kind, never their content.
//!
//! Owns: telling the forms of keys apart. Fails with `None` for what is no key.

use der::asn1::ObjectIdentifier;
use formats::id::Digest;

use super::names::named;
use super::{Form, Found};
use crate::algorithm::PublicKey;
use crate::pdf::tlv::{self, Tlv};

/// A PEM block by its label.
pub(super) fn labelled(label: &str, form: &Form) -> Option<Found> {
    match label {
        "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" | "PUBLIC KEY" => bare(form.der()),
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "DSA PRIVATE KEY" => {
            let kind = label.split(' ').next().unwrap_or_default();
            let encrypted = form.has_headers();
            Some(private(&format!("{kind}, older form"), encrypted))
        }
        "OPENSSH PRIVATE KEY" => Some(private("OpenSSH", false)),
        _ => None,
    }
}

/// PKCS#8, encrypted PKCS#8, SEC 1, PKCS#1 or a public key.
pub(super) fn bare(der: &[u8]) -> Option<Found> {
    let (outer, rest) = Tlv::first(der)?;
    let parts = outer.tagged(tlv::SEQUENCE)?.children(PARTS_MAX)?;
    if !rest.is_empty() {
        return None;
    }
    let tags: Vec<u8> = parts.iter().map(|part| part.tag).collect();
    match tags.as_slice() {
        [tlv::INTEGER, tlv::SEQUENCE, tlv::OCTET_STRING, ..] => {
            Some(private(&algorithm(*parts.get(1)?)?, false))
        }
        [tlv::SEQUENCE, tlv::OCTET_STRING] => {
            let scheme = tlv::identifier(*parts.first()?)?;
            let found = private("unknown until it is opened", true);
            Some(found.text("scheme", "encrypted with", "mã hóa bằng", named(scheme.oid)))
        }
        [tlv::INTEGER, tlv::OCTET_STRING, 0xa0, ..] => {
            let (curve, _) = Tlv::first(parts.get(2)?.content)?;
            let curve = tlv::oid(curve).map(named).unwrap_or_default();
            Some(private(&curve, false))
        }
        [first, ..]
            if *first == tlv::INTEGER
                && tags.len() == 9
                && tags.iter().all(|tag| *tag == tlv::INTEGER) =>
        {
            Some(private("RSA", false))
        }
        [tlv::SEQUENCE, tlv::BIT_STRING] => {
            let kind = match PublicKey::from_spki(der) {
                Ok(key) => match key.modulus_bits() {
                    Some(bits) => format!("{} {bits}", key.kind()),
                    None => key.kind().to_string(),
                },
                Err(_) => algorithm(*parts.first()?)?,
            };
            Some(
                Found::new("public-key", "Public key", "Khóa công khai")
                    .text("key", "kind", "loại", kind)
                    .text("sha256", "SHA-256", "SHA-256", Digest::of(der).to_string()),
            )
        }
        _ => None,
    }
}

/// The algorithm, with the curve where there is one.
fn algorithm(id: Tlv<'_>) -> Option<String> {
    let id = tlv::identifier(id)?;
    let curve = id
        .parameters
        .as_ref()
        .and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    Some(named(curve.unwrap_or(id.oid)))
}

pub(super) fn private(kind: &str, encrypted: bool) -> Found {
    let found =
        Found::new("private-key", "Private key", "Khóa riêng").text("key", "kind", "loại", kind);
    let label = ("protection", "bảo vệ");
    let found = if encrypted {
        found.sentence(
            "protection",
            label,
            "encrypted with a passphrase",
            "mã hóa bằng mật khẩu",
        )
    } else {
        found.sentence(
            "protection",
            label,
            "not encrypted: keep the file private",
            "không mã hóa: giữ kín tệp này",
        )
    };
    found.sentence(
        "content",
        ("content", "nội dung"),
        "private keys are never shown",
        "khóa riêng không bao giờ được hiển thị",
    )
}

const PARTS_MAX: usize = 10;
