//! Files that travel zipped without saying so.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use super::samples::*;
use crate::edxml::Limits;
use crate::edxml::implicit_zip::{InflateError, inflate};
use crate::id::Digest;

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn inflated(bytes: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    let done = inflate(Cursor::new(bytes), &mut out, &Limits::default())?;
    assert_eq!(done.sha256, Digest::of(&out));
    assert_eq!(done.size, u64::try_from(out.len()).unwrap());
    Ok(out)
}

/// The sample with this file in place of its second one.
fn flagged(name: &str, mime: &str, bytes: &[u8]) -> bool {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
    let text = sample_with("YmFuZyB0aW5o", &base64)
        .replace("bảng tính.txt", name)
        .replace("text/plain", mime);
    parsed_document(text.as_bytes()).attachments[1].implicit_zip
}

#[test]
fn a_single_file_inflates_whatever_its_entry_is_called() {
    for name in ["8f3a", "../../etc/passwd", "/abs", "a\\b", "x.xlsx"] {
        assert_eq!(
            inflated(&archive(&[(name, b"PK bang tinh")])).unwrap(),
            b"PK bang tinh"
        );
    }
}

#[test]
fn only_a_file_announced_as_zip_but_not_named_so_counts_as_implicit() {
    let zip = archive(&[("8f3a", b"x")]);
    assert!(flagged("bang.xlsx", "application/zip", &zip));
    assert!(
        !flagged("bang.zip", "application/zip", &zip),
        "a genuine archive"
    );
    assert!(!flagged("bang.ZIP", "application/zip", &zip));
    assert!(
        !flagged("bang.xlsx", "application/vnd.ms-excel", &zip),
        "xlsx is a zip by itself"
    );
    assert!(!flagged("bang.xlsx", "application/zip", b"no archive"));
}

#[test]
fn archives_of_none_or_several_files_are_left_alone() {
    for entries in [
        &[][..],
        &[("a", &b"1"[..]), ("b", b"2")],
        &[("folder/", b"")],
    ] {
        let outcome = inflated(&archive(entries));
        assert!(
            matches!(outcome, Err(InflateError::NotSingle(_))),
            "{outcome:?}"
        );
    }
    assert!(matches!(
        inflated(b"PK\x03\x04"),
        Err(InflateError::NotSingle(_))
    ));
    assert!(matches!(inflated(b""), Err(InflateError::NotSingle(_))));
}

#[test]
fn an_archive_that_lies_about_its_entries_is_not_indexed() {
    let mut bytes = archive(&[("a", b"1"), ("b", b"2")]);
    let end = bytes.windows(4).rposition(|w| w == b"PK\x05\x06").unwrap();
    bytes[end + 8..end + 12].copy_from_slice(&[1, 0, 1, 0]);
    let outcome = inflated(&bytes);
    assert!(matches!(outcome, Err(InflateError::NotSingle(_))) || outcome.unwrap() == b"1");
}

#[test]
fn a_bomb_stops_at_the_ratio_and_at_the_size() {
    let bomb = archive(&[("a", &vec![0; 64 << 20])]);
    assert!(bomb.len() < 200_000);
    let mut out = Vec::new();
    let limits = Limits {
        inflate_ratio: 200,
        ..Limits::default()
    };
    let outcome = inflate(Cursor::new(&bomb), &mut out, &limits);
    let max = u64::try_from(bomb.len()).unwrap() * 200;
    assert!(matches!(outcome, Err(InflateError::Bomb { max: at }) if at == max));
    assert!(u64::try_from(out.len()).unwrap() <= max);
    let limits = Limits {
        attachment_bytes: 1 << 20,
        ..Limits::default()
    };
    let mut out = Vec::new();
    let outcome = inflate(Cursor::new(&bomb), &mut out, &limits);
    assert!(matches!(outcome, Err(InflateError::Bomb { .. })));
    assert!(out.len() <= 1 << 20);
}

#[test]
fn a_damaged_archive_is_said_to_be_damaged() {
    let mut bytes = archive(&[("a", b"bang tinh bang tinh bang tinh")]);
    bytes[36] ^= 0xFF;
    let outcome = inflated(&bytes);
    assert!(
        matches!(
            outcome,
            Err(InflateError::Damaged(_) | InflateError::NotSingle(_))
        ),
        "{outcome:?}"
    );
}
