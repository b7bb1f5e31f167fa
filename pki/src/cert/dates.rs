//! Validity that begins before 1970 (RFC 5280 section 4.1.2.5.1: UTCTime reaches back to 1950).
//!
//! Owns: a copy of a certificate for the decoder, which knows no such dates, with every validity
//! date before 1970 set to its first second. The copy is only decoded; what is signed, digested and
//! passed on are the bytes that came. No time is judged before 1970, so no verdict changes. Fails
//! with `None` when there is no such date. Must not know anything else of certificates.

use std::ops::Range;

use der::{Decode, Header, Reader, SliceReader, Tag};
use formats::time::{Civil, Timestamp};

/// The copy, if there is an early date.
pub(super) fn clamped(der: &[u8]) -> Option<Vec<u8>> {
    let (_, whole) = element(der, 0)?;
    let (_, tbs) = element(der, whole.start)?;
    let mut at = tbs.start;
    // Version (optional, tagged), serial number, algorithm, issuer; then validity.
    let (tag, first) = element(der, at)?;
    if tag.is_context_specific() {
        at = first.end;
    }
    for _ in 0..3 {
        at = element(der, at)?.1.end;
    }
    let (_, validity) = element(der, at)?;
    let mut copy = None;
    let mut at = validity.start;
    for _ in 0..2 {
        let (tag, date) = element(der, at)?;
        at = date.end;
        if tag == Tag::UtcTime && is_early(der.get(date.clone())?) {
            let copy: &mut Vec<u8> = copy.get_or_insert_with(|| der.to_vec());
            copy.get_mut(date)?.copy_from_slice(EPOCH);
        }
    }
    copy
}

/// Tag and place of the content of the element that begins at a place.
fn element(der: &[u8], at: usize) -> Option<(Tag, Range<usize>)> {
    let mut reader = SliceReader::new(der.get(at..)?).ok()?;
    let header = Header::decode(&mut reader).ok()?;
    let start = at.checked_add(usize::try_from(reader.position()).ok()?)?;
    let length = usize::try_from(header.length()).ok()?;
    let end = start.checked_add(length)?;
    der.get(start..end)?;
    Some((header.tag(), start..end))
}

/// A well-formed date from 1950 to 1969.
fn is_early(date: &[u8]) -> bool {
    let read = || {
        let text = std::str::from_utf8(date).ok()?.strip_suffix('Z')?;
        let digits = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        let part = |from: usize| text.get(from..from + 2)?.parse::<u8>().ok();
        let year = part(0)?;
        Timestamp::from_civil(Civil {
            // Any year with the same leap day will do to check day and month.
            year: u16::from(year).checked_add(2000)?,
            month: part(2)?,
            day: part(4)?,
            hour: part(6)?,
            minute: part(8)?,
            second: part(10)?,
            millisecond: 0,
        })?;
        Some(digits && (50..70).contains(&year))
    };
    read().unwrap_or(false)
}

const EPOCH: &[u8] = b"700101000000Z";
