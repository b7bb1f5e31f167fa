//! Files that travel zipped without saying so.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use super::samples::*;
use crate::edxml::Limits;
use crate::edxml::implicit_zip::{
    InflateError, as_java_sends, deflate, inflate, is_zipped_by_java,
};
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

fn patched(mut bytes: Vec<u8>, mark: &[u8], offset: usize, new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(4).rposition(|w| w == mark).unwrap() + offset;
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

/// Announced sizes that are not the real ones, in either header and in both directions.
#[test]
fn sizes_that_lie_are_damage_and_never_trusted() {
    let file = b"bang tinh ".repeat(1_000);
    let whole = archive(&[("a", &file)]);
    for (mark, offset) in [(CENTRAL, 24), (LOCAL, 22)] {
        for size in [0_u32, 1, 9_999, 10_001] {
            let lying = patched(whole.clone(), mark, offset, &size.to_le_bytes());
            match inflated(&lying) {
                // The reader goes by the directory: a lie beside the file alone changes nothing.
                Ok(bytes) => assert!(mark == LOCAL && bytes == file),
                Err(error) => assert_eq!(error.code(), Some("E-ATTACH"), "{error}"),
            }
        }
    }
    let huge = patched(whole.clone(), CENTRAL, 24, &u32::MAX.to_le_bytes()[..3]);
    assert!(inflated(&huge).is_err());
    // Packed sizes and offsets that point elsewhere.
    for (offset, value) in [(20, 1_u32), (20, 1 << 30), (42, 10), (42, 1 << 30)] {
        let lying = patched(whole.clone(), CENTRAL, offset, &value.to_le_bytes());
        assert!(inflated(&lying).is_err(), "{offset} {value}");
    }
}

#[test]
fn encrypted_zip64_and_many_entries_are_left_alone() {
    let whole = archive(&[("a", b"1")]);
    let encrypted = patched(whole.clone(), CENTRAL, 8, &[1]);
    let outcome = inflated(&patched(encrypted, LOCAL, 6, &[1]));
    assert!(
        matches!(outcome, Err(InflateError::NotSingle(_))),
        "{outcome:?}"
    );
    for counts in [
        [0xFF; 4],
        [0, 0, 0, 0],
        [2, 0, 2, 0],
        [1, 0, 2, 0],
        [0x70, 0x11, 0x70, 0x11],
    ] {
        let outcome = inflated(&patched(whole.clone(), END, 8, &counts));
        assert!(
            matches!(outcome, Err(InflateError::NotSingle(_))),
            "{counts:?}"
        );
    }
    // Sizes and offset that only zip64 could tell.
    let zip64 = patched(whole, END, 12, &[0xFF; 8]);
    assert!(matches!(inflated(&zip64), Err(InflateError::NotSingle(_))));
    let many: Vec<(String, &[u8])> = (0..5_000).map(|n| (n.to_string(), &b""[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(n, b)| (n.as_str(), *b)).collect();
    assert!(matches!(
        inflated(&archive(&many)),
        Err(InflateError::NotSingle(_))
    ));
}

/// A second end record behind the real one, which would be found when the first one fails.
#[test]
fn an_archive_hidden_behind_another_is_not_opened() {
    let mut two = archive(&[("a", b"1"), ("b", b"2")]);
    let record = two.windows(4).rposition(|w| w == END).unwrap();
    // The real record now has a comment, and the comment is an end record of one entry.
    two[record + 20..record + 22].copy_from_slice(&22_u16.to_le_bytes());
    let mut fake = two[record..record + 20].to_vec();
    fake[8..12].copy_from_slice(&[1, 0, 1, 0]);
    fake.extend_from_slice(&[0, 0]);
    two.extend_from_slice(&fake);
    assert!(matches!(inflated(&two), Err(InflateError::NotSingle(_))));
    // Bytes before or after the archive.
    let whole = archive(&[("a", b"1")]);
    let before = [b"MZ".as_slice(), &whole].concat();
    let after = [&whole, b"x".as_slice()].concat();
    assert!(inflated(&before).is_err() && inflated(&after).is_err());
    let two_records = [whole.as_slice(), &archive(&[("b", b"2")])].concat();
    assert!(inflated(&two_records).is_err());
}

/// Two entries over one stretch of compressed bytes: the way to a large bomb in a small file.
#[test]
fn overlapping_entries_are_no_single_file() {
    let mut bytes = archive(&[("a", &vec![0; 1 << 20])]);
    let central = bytes.windows(4).rposition(|w| w == CENTRAL).unwrap();
    let record = bytes.windows(4).rposition(|w| w == END).unwrap();
    let entry = bytes[central..record].to_vec();
    for _ in 0..100 {
        bytes.splice(record..record, entry.iter().copied());
    }
    assert!(matches!(inflated(&bytes), Err(InflateError::NotSingle(_))));
    // The end record of one entry before a directory of a hundred.
    let size = u32::try_from(entry.len() * 101).unwrap();
    let lying = patched(bytes, END, 12, &size.to_le_bytes());
    assert!(matches!(
        inflated(&lying),
        Err(InflateError::NotSingle(_)) | Ok(_)
    ));
}

#[test]
fn a_zip_in_a_zip_is_opened_once() {
    let inner = archive(&[("b", &vec![0; 1 << 20])]);
    let outer = archive(&[("a", &inner)]);
    assert_eq!(inflated(&outer).unwrap(), inner);
    assert!(flagged("bang.xlsx", "application/zip", &outer));
}

/// The inverse: what the widespread library would have sent, the same bytes each time.
#[test]
fn a_file_zipped_as_the_java_library_does_is_read_back() {
    for (name, zipped) in [
        ("bang.xlsx", true),
        ("bang.XLS", true),
        ("a.txt", true),
        ("khong", true),
        ("a.pdf", false),
        ("a.DOCX", false),
        ("a.doc", false),
        ("a.zip", false),
    ] {
        assert_eq!(is_zipped_by_java(name), zipped, "{name}");
    }
    let file = b"bang tinh ".repeat(30_000);
    let packed = || {
        let mut out = Cursor::new(Vec::new());
        let done = deflate("8f3a77", &mut file.as_slice(), &mut out).unwrap();
        let bytes = out.into_inner();
        assert_eq!(done.sha256, Digest::of(&bytes));
        assert_eq!(done.size, u64::try_from(bytes.len()).unwrap());
        bytes
    };
    let zip = packed();
    assert!(zip.len() < 5_000);
    assert_eq!(packed(), zip, "nothing but the input decides");
    assert!(flagged("bang.xlsx", "application/zip", &zip));
    assert_eq!(inflated(&zip).unwrap(), file);
}

#[test]
fn a_packet_can_be_written_with_its_files_zipped() {
    use crate::edxml::{Business, Form, Packet, read, write};
    let mut packet = document(Business::New);
    let mut files = Vec::new();
    for (attachment, file) in packet.attachments.iter_mut().zip(FILES) {
        let mut out = Cursor::new(Vec::new());
        let sent = as_java_sends(attachment, "8f3a", &mut &*file, &mut out).unwrap();
        files.push(match sent {
            Some(sent) => {
                *attachment = sent;
                out.into_inner()
            }
            None => file.to_vec(),
        });
    }
    let mut bytes = Vec::new();
    let mut readers: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    write(&packet, Form::Java, &mut readers, &mut bytes).unwrap();
    let mut sink = MemorySink::default();
    let Packet::Document(back) = read(bytes.as_slice(), &mut sink, &Limits::default()).unwrap()
    else {
        panic!("no document")
    };
    assert_eq!(*back, packet);
    let zipped: Vec<bool> = back.attachments.iter().map(|a| a.implicit_zip).collect();
    assert_eq!(zipped, [false, true], "a pdf is left alone");
    assert_eq!(back.warnings, []);
    assert_eq!(inflated(&sink.files[1]).unwrap(), FILES[1]);
}
