//! RFC 3161 in words: requests, responses and what a token says.
//!
//! Owns: what is said of each. Fails with `None` for what is none of them.

use super::cms;
use super::names::named;
use super::{DEPTH_MAX, Found};
use crate::pdf::tlv::{self, Tlv};

/// TimeStampReq: version, imprint, then optional parts.
pub(super) fn request(der: &[u8]) -> Option<Found> {
    let (outer, rest) = Tlv::first(der)?;
    let parts = outer.tagged(tlv::SEQUENCE)?.children(PARTS_MAX)?;
    let version = parts.first()?.tagged(tlv::INTEGER)?;
    if version.content != [1] || !rest.is_empty() {
        return None;
    }
    let found = Found::new(
        "time-stamp-request",
        "Time-stamp request",
        "Yêu cầu dấu thời gian",
    );
    let mut found = imprint(found, *parts.get(1)?)?;
    for part in parts.iter().skip(2) {
        found = match part.tag {
            tlv::OID => found.text(
                "policy",
                "policy wanted",
                "chính sách yêu cầu",
                named(tlv::oid(*part)?),
            ),
            tlv::INTEGER => found.bytes("nonce", "nonce", "nonce", part.content),
            BOOLEAN if part.content == [0xff] => found.sentence(
                "certificate_wanted",
                ("certificate", "chứng thư"),
                "wanted with the token",
                "cần kèm theo dấu",
            ),
            0xa0 => found.text("extensions", "extensions", "phần mở rộng", "yes"),
            BOOLEAN => found,
            _ => return None,
        };
    }
    Some(found)
}

fn imprint(found: Found, imprint: Tlv<'_>) -> Option<Found> {
    let parts = imprint.tagged(tlv::SEQUENCE)?.children(2)?;
    let algorithm = tlv::identifier(*parts.first()?)?;
    let digest = parts.get(1)?.tagged(tlv::OCTET_STRING)?;
    Some(
        found
            .text(
                "imprint_algorithm",
                "digest of what is stamped",
                "hàm băm nội dung",
                named(algorithm.oid),
            )
            .bytes("imprint", "imprint", "giá trị băm", digest.content),
    )
}

/// TimeStampResp: status, then a token.
pub(super) fn response(der: &[u8]) -> Option<Found> {
    let (outer, rest) = Tlv::first(der)?;
    let parts = outer.tagged(tlv::SEQUENCE)?.children(2)?;
    let status = parts.first()?.tagged(tlv::SEQUENCE)?.children(3)?;
    let number = status.first()?.tagged(tlv::INTEGER)?;
    let [number] = number.content else {
        return None;
    };
    if !rest.is_empty() || *number > 5 {
        return None;
    }
    let (en, vi) = match number {
        0 => ("granted", "đã cấp"),
        1 => ("granted with changes", "đã cấp, có thay đổi"),
        2 => ("rejected", "từ chối"),
        3 => ("waiting", "đang chờ"),
        4 => ("revocation is near", "sắp thu hồi"),
        _ => ("revoked", "đã thu hồi"),
    };
    let mut found = Found::new(
        "time-stamp-response",
        "Time-stamp response",
        "Trả lời dấu thời gian",
    )
    .sentence("status", ("status", "trạng thái"), en, vi);
    for part in status.iter().skip(1) {
        match part.tag {
            tlv::SEQUENCE => {
                let texts = part.children(4).unwrap_or_default();
                let texts = texts
                    .iter()
                    .map(|text| String::from_utf8_lossy(text.content).into_owned());
                found = found.many("reasons", "reason", "lý do", texts);
            }
            tlv::BIT_STRING => {
                found = found.bytes("failure", "failure bits", "mã lỗi", part.content)
            }
            _ => return None,
        }
    }
    match parts.get(1) {
        Some(token) => Some(found.part(cms::content_info(token.whole, DEPTH_MAX)?)),
        None => (*number > 1).then_some(found),
    }
}

/// The token itself, out of a response or as it is.
pub(super) fn token_of(der: &[u8]) -> Option<Vec<u8>> {
    let (outer, _) = Tlv::first(der)?;
    let parts = outer.tagged(tlv::SEQUENCE)?.children(2)?;
    let first = parts.first()?;
    if first.tag == tlv::OID {
        return Some(der.to_vec());
    }
    first.tagged(tlv::SEQUENCE)?;
    let token = parts.get(1)?;
    tlv::oid(*token.children(2)?.first()?)?;
    Some(token.whole.to_vec())
}

/// TSTInfo (RFC 3161 section 2.4.2).
pub(super) fn token_info(found: Found, info: &[u8]) -> Found {
    let walk = |found: Found| {
        let (outer, _) = Tlv::first(info)?;
        let parts = outer.tagged(tlv::SEQUENCE)?.children(PARTS_MAX)?;
        let found = found.text(
            "policy",
            "policy",
            "chính sách",
            named(tlv::oid(*parts.get(1)?)?),
        );
        let found = imprint(found, *parts.get(2)?)?;
        let found = found.bytes(
            "token_serial",
            "serial number of the token",
            "số của dấu",
            parts.get(3)?.content,
        );
        let at = parts.get(4)?;
        let found = match tlv::time(*at) {
            Some(time) => found.time("stamped", "stamped at", "thời điểm đóng dấu", time),
            None => found,
        };
        let exact = String::from_utf8_lossy(at.content).into_owned();
        Some(found.text("stamped_exact", "exactly", "chính xác", exact))
    };
    match walk(found.clone()) {
        Some(more) => more,
        None => found.text("tst_info", "token content", "nội dung dấu", "malformed"),
    }
}

const BOOLEAN: u8 = 0x01;
const PARTS_MAX: usize = 12;
