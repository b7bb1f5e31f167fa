//! OCSP in words: requests and answers.
//!
//! Owns: what is said of each. Fails with `None` for what is neither.

use super::Found;
use crate::cert::hex;
use crate::ocsp::{OcspError, Request, Response, Status};

/// A request.
pub(super) fn request(der: &[u8]) -> Option<Found> {
    let request = Request::parse(der).ok()?;
    let serials = request.items().iter().map(|item| hex(item.serial()));
    let found = Found::new("ocsp-request", "OCSP request", "Yêu cầu OCSP").many(
        "serials",
        "asks about the serial numbers",
        "hỏi về các số hiệu",
        serials,
    );
    Some(match request.nonce() {
        Some(nonce) => found.bytes("nonce", "nonce", "nonce", nonce),
        None => found,
    })
}

/// An answer, or a status that stands for none.
pub(super) fn response(der: &[u8]) -> Option<Found> {
    let found = Found::new("ocsp-response", "OCSP answer", "Trả lời OCSP");
    let response = match Response::parse(der) {
        Ok(response) => response,
        Err(OcspError::Error(status)) => {
            let text = status.to_string();
            return Some(found.text("error", "no answer", "không trả lời", text));
        }
        Err(error) if looks_like_one(der) => {
            let text = error.to_string();
            return Some(found.text(
                "refused",
                "not read by this network",
                "mạng không đọc",
                text,
            ));
        }
        Err(_) => return None,
    };
    let mut found = found.time("produced_at", "made", "lập lúc", response.produced_at());
    if let Some(nonce) = response.nonce() {
        found = found.bytes("nonce", "nonce", "nonce", nonce);
    }
    for answer in response.answers().iter().take(ANSWERS_MAX) {
        let (en, vi) = match answer.status {
            Status::Good => ("good".to_owned(), "còn hiệu lực".to_owned()),
            Status::Unknown => ("unknown".to_owned(), "không rõ".to_owned()),
            Status::Revoked(entry) => (
                format!("revoked at {} ({:?})", entry.at.rfc3339(), entry.reason),
                format!("đã thu hồi lúc {} ({:?})", entry.at.vietnam(), entry.reason),
            ),
        };
        let one = Found::new("ocsp-status", "Certificate", "Chứng thư")
            .text(
                "serial",
                "serial number",
                "số hiệu",
                hex(answer.id().serial()),
            )
            .sentence("status", ("status", "trạng thái"), en, vi)
            .time("this_update", "as of", "tính đến", answer.this_update);
        found = found.part(match answer.next_update {
            Some(next) => one.time(
                "next_update",
                "newer at the latest",
                "bản mới chậm nhất",
                next,
            ),
            None => one,
        });
    }
    Some(found)
}

/// The number of a basic answer stands in every one (RFC 6960 section 4.2.1).
fn looks_like_one(der: &[u8]) -> bool {
    const BASIC: [u8; 11] = [6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
    let head = der.get(..der.len().min(40)).unwrap_or_default();
    head.windows(BASIC.len()).any(|window| window == BASIC)
}

const ANSWERS_MAX: usize = 50;
