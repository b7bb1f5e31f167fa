//! PKCS#12 files in words (RFC 7292): bags, and the certificates in them when they can be opened.
//!
//! Owns: the structure. Bags are opened with the one modern encryption (PBES2 with PBKDF2-HMAC-SHA256
//! and AES-256-CBC, what OpenSSL 3 writes); older ones are named. Keys are never shown, and the
//! file's own integrity code is named, not judged. Fails with `None` for what is no PFX.

use der::Encode;
use der::asn1::OctetString;

use super::names::named;
use super::{Found, certificate, key};
use crate::cert::hex;
use crate::key::open_encrypted;
use crate::pdf::tlv::{self, Tlv};

/// A PFX.
pub(super) fn pkcs12(der: &[u8], passphrase: Option<&str>) -> Option<Found> {
    let (outer, _) = Tlv::first(der)?;
    let parts = outer.tagged(tlv::SEQUENCE)?.children(3)?;
    if parts.first()?.tagged(tlv::INTEGER)?.content != [3] {
        return None;
    }
    let safe = data_of(*parts.get(1)?)?;
    let mut found = Found::new("pkcs12", "PKCS#12 store", "Kho khóa PKCS#12");
    let (sequence, _) = Tlv::first(&safe)?;
    let mut budget = OPENED_MAX;
    for info in sequence.tagged(tlv::SEQUENCE)?.children(SAFES_MAX)? {
        found = found.part(one_safe(info, passphrase, &mut budget)?);
    }
    if let Some(mac) = parts.get(2) {
        let digest = mac
            .children(3)?
            .first()?
            .children(2)?
            .first()?
            .children(2)?;
        let name = tlv::oid(*digest.first()?).map(named).unwrap_or_default();
        found = found.sentence(
            "integrity",
            ("integrity code", "mã toàn vẹn"),
            format!("HMAC with {name}, not judged here"),
            format!("HMAC với {name}, không kiểm tra ở đây"),
        );
    }
    Some(found)
}

/// The bytes of an id-data ContentInfo; BER strings in pieces are joined.
fn data_of(info: Tlv<'_>) -> Option<Vec<u8>> {
    let parts = info.tagged(tlv::SEQUENCE)?.children(2)?;
    if tlv::oid(*parts.first()?)? != formats::oid::CT_DATA {
        return None;
    }
    let (octets, _) = Tlv::first(parts.get(1)?.tagged(0xa0)?.content)?;
    joined(octets)
}

fn joined(octets: Tlv<'_>) -> Option<Vec<u8>> {
    match octets.tag {
        tlv::OCTET_STRING => Some(octets.content.to_vec()),
        0x24 => {
            let pieces = octets.children(PIECES_MAX)?;
            let mut all = Vec::new();
            for piece in pieces {
                all.extend_from_slice(piece.tagged(tlv::OCTET_STRING)?.content);
            }
            Some(all)
        }
        _ => None,
    }
}

/// One SafeContents, plain or encrypted.
fn one_safe(info: Tlv<'_>, passphrase: Option<&str>, budget: &mut usize) -> Option<Found> {
    let parts = info.tagged(tlv::SEQUENCE)?.children(2)?;
    let kind = tlv::oid(*parts.first()?)?;
    if kind == formats::oid::CT_DATA {
        let found = Found::new("safe", "Safe, not encrypted", "Ngăn không mã hóa");
        return bags(found, &data_of(info)?, passphrase, budget);
    }
    let found = Found::new("safe", "Encrypted safe", "Ngăn mã hóa").text(
        "type",
        "type",
        "loại",
        named(kind),
    );
    let open = || {
        let (data, _) = Tlv::first(parts.get(1)?.tagged(0xa0)?.content)?;
        let content = *data.children(3)?.get(1)?;
        let inner = content.tagged(tlv::SEQUENCE)?.children(3)?;
        let scheme = *inner.get(1)?;
        let encrypted = *inner.get(2)?;
        let bytes = match encrypted.tag {
            0x80 => encrypted.content.to_vec(),
            0xa0 => {
                let whole = Tlv {
                    tag: 0x24,
                    ..encrypted
                };
                joined(whole)?
            }
            _ => return None,
        };
        let name = tlv::identifier(scheme).map(|id| named(id.oid))?;
        Some((scheme.whole.to_vec(), bytes, name))
    };
    let Some((scheme, bytes, name)) = open() else {
        return Some(found);
    };
    let found = found.text("scheme", "encrypted with", "mã hóa bằng", name);
    match decrypt(&scheme, &bytes, passphrase, budget) {
        Opened::Plain(plain) => bags(found, &plain, passphrase, budget),
        Opened::NoPassphrase => Some(found.sentence(
            "state",
            STATE,
            "its bags are encrypted; give --passphrase-file",
            "nội dung mã hóa; dùng --passphrase-file",
        )),
        Opened::Refused => Some(found.sentence(
            "state",
            STATE,
            "cannot be opened: wrong passphrase, damaged, or an encryption that is not read here",
            "không mở được: sai mật khẩu, hỏng, hoặc kiểu mã hóa không hỗ trợ",
        )),
    }
}

enum Opened {
    NoPassphrase,
    Plain(zeroize::Zeroizing<Vec<u8>>),
    Refused,
}

/// An EncryptedPrivateKeyInfo has the same two parts, so that one opener serves both.
fn decrypt(scheme: &[u8], data: &[u8], passphrase: Option<&str>, budget: &mut usize) -> Opened {
    let Some(passphrase) = passphrase else {
        return Opened::NoPassphrase;
    };
    // Each try costs what the file says: a hostile one must not buy hours.
    let Some(left) = budget.checked_sub(1) else {
        return Opened::Refused;
    };
    *budget = left;
    let whole = || {
        let octets = OctetString::new(data).ok()?.to_der().ok()?;
        let content = [scheme, &octets].concat();
        der::Any::new(der::Tag::Sequence, content)
            .ok()?
            .to_der()
            .ok()
    };
    match whole().and_then(|whole| open_encrypted(&whole, passphrase)) {
        Some(plain) => Opened::Plain(plain),
        None => Opened::Refused,
    }
}

/// SafeContents: the bags.
fn bags(
    mut found: Found,
    contents: &[u8],
    passphrase: Option<&str>,
    budget: &mut usize,
) -> Option<Found> {
    let (sequence, _) = Tlv::first(contents)?;
    for bag in sequence.tagged(tlv::SEQUENCE)?.children(BAGS_MAX)? {
        found = found.part(one_bag(bag, passphrase, budget)?);
    }
    Some(found)
}

fn one_bag(bag: Tlv<'_>, passphrase: Option<&str>, budget: &mut usize) -> Option<Found> {
    let parts = bag.tagged(tlv::SEQUENCE)?.children(3)?;
    let kind = tlv::oid(*parts.first()?)?;
    let (value, _) = Tlv::first(parts.get(1)?.tagged(0xa0)?.content)?;
    let mut found = match kind.to_string().as_str() {
        KEY_BAG => key::bare(value.whole)?,
        ENCRYPTED_KEY_BAG => encrypted_key(value, passphrase, budget),
        CERTIFICATE_BAG | CRL_BAG => {
            let (octets, _) = Tlv::first(value.children(2)?.get(1)?.content)?;
            let inner = joined(octets)?;
            certificate::certificate(&inner).or_else(|| certificate::list(&inner))?
        }
        _ => Found::new("bag", "Bag", "Túi").text("type", "type", "loại", named(kind)),
    };
    for attribute in parts
        .get(2)
        .and_then(|set| set.children(ATTRIBUTES_MAX))
        .unwrap_or_default()
    {
        let Some(pair) = attribute.children(2) else {
            continue;
        };
        let value = pair.get(1).and_then(|values| Tlv::first(values.content));
        let (Some(id), Some((value, _))) = (pair.first().and_then(|id| tlv::oid(*id)), value)
        else {
            continue;
        };
        match id.to_string().as_str() {
            FRIENDLY_NAME => {
                let units = value.content.chunks_exact(2).map(|pair| match pair {
                    [high, low] => u16::from_be_bytes([*high, *low]),
                    _ => 0,
                });
                let name: String = char::decode_utf16(units).filter_map(Result::ok).collect();
                found = found.text("friendly_name", "name in the store", "tên trong kho", name);
            }
            LOCAL_KEY_ID => {
                found = found.text(
                    "local_key_id",
                    "belongs to key",
                    "thuộc khóa",
                    hex(value.content),
                )
            }
            _ => {}
        }
    }
    Some(found)
}

fn encrypted_key(value: Tlv<'_>, passphrase: Option<&str>, budget: &mut usize) -> Found {
    let parts = value.children(2).unwrap_or_default();
    let opened = match (parts.first(), parts.get(1)) {
        (Some(scheme), Some(data)) => decrypt(scheme.whole, data.content, passphrase, budget),
        _ => Opened::Refused,
    };
    let kind = match &opened {
        Opened::Plain(plain) => key::bare(plain).and_then(|found| found.fact("key")),
        Opened::NoPassphrase | Opened::Refused => None,
    };
    let kind = kind.and_then(|kind| kind.as_str().map(str::to_owned));
    let unknown = || "unknown until it is opened".to_owned();
    key::private(&kind.unwrap_or_else(unknown), true)
}

const ATTRIBUTES_MAX: usize = 16;
const BAGS_MAX: usize = 200;
/// How many bags are opened; each costs the key derivation that the file asks for.
const OPENED_MAX: usize = 4;
const PIECES_MAX: usize = 10_000;
const SAFES_MAX: usize = 16;
const STATE: (&str, &str) = ("state", "tình trạng");
const KEY_BAG: &str = "1.2.840.113549.1.12.10.1.1";
const ENCRYPTED_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.2";
const CERTIFICATE_BAG: &str = "1.2.840.113549.1.12.10.1.3";
const CRL_BAG: &str = "1.2.840.113549.1.12.10.1.4";
const FRIENDLY_NAME: &str = "1.2.840.113549.1.9.20";
const LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";
