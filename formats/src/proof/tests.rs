//! Proof packages: written and read back, and hostile archives refused.

use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::id::EnvelopeId;
use crate::time::Timestamp;

fn id() -> EnvelopeId {
    EnvelopeId::new(Timestamp::from_unix_ms(1_795_318_262_114), &[1; 10])
}

fn all_members() -> Vec<Member> {
    let digest = Digest::of(b"x");
    vec![
        Member::Readme,
        Member::VerifyScript,
        Member::Sums,
        Member::Page,
        Member::Packet,
        Member::PacketDigest,
        Member::Signature,
        Member::Asic,
        Member::Header(id()),
        Member::HeaderSignature(id()),
        Member::ContentSalt(id()),
        Member::Statement(1),
        Member::StatementSalt(1),
        Member::Inclusion(1),
        Member::Note(1),
        Member::CheckpointBody(1),
        Member::CheckpointSignature(1),
        Member::Token(12_345),
        Member::Record(1),
        Member::Certificate(digest),
        Member::Crl(digest),
        Member::Anchors,
    ]
}

fn package() -> Vec<u8> {
    let mut writer = ProofWriter::new(Cursor::new(Vec::new()));
    for member in all_members() {
        writer
            .add(&member, member.to_string().repeat(50).as_bytes())
            .unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A zip that another tool might have made.
fn foreign(names: &[&str]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for name in names {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(b"content").unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn open(bytes: &[u8]) -> Result<ProofReader<Cursor<Vec<u8>>>, ProofError> {
    ProofReader::open(Cursor::new(bytes.to_vec()))
}

#[test]
fn a_package_reads_back_and_is_the_same_each_time() {
    let bytes = package();
    assert_eq!(bytes, package());
    let mut reader = open(&bytes).unwrap();
    assert_eq!(reader.members().count(), all_members().len());
    for member in all_members() {
        let content = reader.read(&member).unwrap();
        assert_eq!(
            content,
            member.to_string().repeat(50).as_bytes(),
            "{member}"
        );
    }
    assert!(!reader.has(&Member::Record(2)));
    assert!(matches!(
        reader.read(&Member::Record(2)),
        Err(ProofError::Missing(_))
    ));
}

#[test]
fn every_name_reads_back_and_other_names_are_refused() {
    for member in all_members() {
        assert_eq!(member.to_string().parse::<Member>().unwrap(), member);
    }
    for bad in [
        "",
        "/",
        "readme.txt",
        "../README.txt",
        "./README.txt",
        "/README.txt",
        "document/../ca.pem",
        "document\\packet.edxml",
        "C:README.txt",
        "records/1.rec",
        "records/00001.rec",
        "records/+001.rec",
        "records/0001.REC",
        "records/0001.rec/",
        "receipts/0001/other.txt",
        "receipts/0001/a/statement.json",
        "envelopes/x/header.cbor",
        "README.txt\0",
        "ca.pem ",
        "records/99999999999.rec",
    ] {
        assert!(bad.parse::<Member>().is_err(), "{bad:?}");
        if !bad.is_empty() {
            assert!(open(&foreign(&[bad])).is_err(), "{bad:?} in an archive");
        }
    }
}

#[test]
fn a_member_is_written_once() {
    let mut writer = ProofWriter::new(Cursor::new(Vec::new()));
    writer.add(&Member::Readme, b"one").unwrap();
    let again = writer.add(&Member::Readme, b"two");
    assert!(matches!(again, Err(ProofError::Duplicate(_))));
}

/// The library's writer refuses duplicates, so one name is changed into the other in place.
#[test]
fn two_entries_of_one_name_are_refused() {
    let mut bytes = foreign(&["records/0001.rec", "records/0002.rec"]);
    let old = b"0002.rec";
    for at in 0..bytes.len() - old.len() {
        if &bytes[at..at + old.len()] == old {
            bytes[at..at + old.len()].copy_from_slice(b"0001.rec");
        }
    }
    assert!(matches!(open(&bytes), Err(ProofError::Duplicate(_))));
}

#[test]
fn local_and_central_names_must_agree() {
    let mut bytes = foreign(&["records/0001.rec"]);
    let first = bytes
        .windows(8)
        .position(|window| window == b"0001.rec")
        .unwrap();
    bytes[first + 3] = b'2';
    assert!(open(&bytes).is_err());
}

#[test]
fn links_folders_and_comments_are_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("ca.pem", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    let link = zip.finish().unwrap().into_inner();
    assert!(matches!(open(&link), Err(ProofError::NotPlain(_))));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_directory("records/", SimpleFileOptions::default())
        .unwrap();
    assert!(open(&zip.finish().unwrap().into_inner()).is_err());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("ca.pem", SimpleFileOptions::default())
        .unwrap();
    zip.set_comment("hello").unwrap();
    assert!(matches!(
        open(&zip.finish().unwrap().into_inner()),
        Err(ProofError::Layout(_))
    ));
}

#[test]
fn bytes_before_or_after_and_cut_archives_are_refused() {
    let bytes = package();
    assert!(open(&[&b"MZ"[..], &bytes].concat()).is_err());
    assert!(open(&[&bytes[..], b"x"].concat()).is_err());
    for end in [0, 10, 21, 22, bytes.len() / 2, bytes.len() - 1] {
        assert!(open(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn too_many_entries_are_refused_by_the_end_record() {
    let mut bytes = foreign(&["ca.pem"]);
    let at = bytes.len() - 22;
    let count = u16::try_from(limits::PROOF_MEMBERS_MAX + 1)
        .unwrap()
        .to_le_bytes();
    bytes[at + 8..at + 10].copy_from_slice(&count);
    bytes[at + 10..at + 12].copy_from_slice(&count);
    assert!(matches!(open(&bytes), Err(ProofError::TooMany(_))));
}

/// 17 MiB of zeros are 17 KiB in the archive: refused by the claim, before decompression.
#[test]
fn a_bomb_is_refused() {
    let zeros = vec![0; usize::try_from(limits::PROOF_MEMBER_BYTES_MAX).unwrap() + 1];
    let mut writer = ProofWriter::new(Cursor::new(Vec::new()));
    let refused = writer.add(&Member::Page, &zeros);
    assert!(matches!(refused, Err(ProofError::TooLarge(_))));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("index.html", SimpleFileOptions::default())
        .unwrap();
    zip.write_all(&zeros).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert!(bytes.len() < 100_000);
    assert!(matches!(open(&bytes), Err(ProofError::TooLarge(_))));
}

/// A smaller claim in both headers: the stream gives more than it says.
#[test]
fn content_beyond_its_claim_is_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("ca.pem", SimpleFileOptions::default())
        .unwrap();
    zip.write_all(&[b'a'; 5000]).unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    let (claim, less) = (5000_u32.to_le_bytes(), 10_u32.to_le_bytes());
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == claim {
            bytes[at..at + 4].copy_from_slice(&less);
        }
    }
    let read = open(&bytes).and_then(|mut reader| reader.read(&Member::Anchors));
    assert!(read.is_err());
}

#[test]
fn changed_content_is_noticed_by_its_checksum() {
    let mut bytes = foreign(&["ca.pem"]);
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("ca.pem", stored).unwrap();
    zip.write_all(b"content").unwrap();
    bytes.clear();
    bytes.extend(zip.finish().unwrap().into_inner());
    let at = bytes
        .windows(7)
        .position(|window| window == b"content")
        .unwrap();
    bytes[at] = b'C';
    assert!(open(&bytes).unwrap().read(&Member::Anchors).is_err());
}

#[test]
fn inclusion_texts_have_one_spelling() {
    let inclusion = Inclusion {
        checkpoint: 2,
        index: 5,
        size: 9,
        path: vec![Digest::of(b"a"), Digest::of(b"b")],
    };
    let text = inclusion.to_text();
    assert!(
        text.starts_with("checkpoint 2\nindex 5\nsize 9\npath ca978112"),
        "{text}"
    );
    assert_eq!(Inclusion::parse(&text), Some(inclusion));
    for bad in [
        text.replace("index 5", "index 05"),
        text.replace("index 5", "index +5"),
        text.replace('\n', "\r\n"),
        format!("{text}\n"),
        text.trim_end().to_owned(),
        text.replace("path ", "path  "),
        format!("{text}{}", text.lines().last().unwrap()),
        format!(
            "checkpoint 1\nindex 0\nsize 1\n{}",
            format!("path {}\n", Digest::of(b"a")).repeat(66)
        ),
    ] {
        assert_eq!(Inclusion::parse(&bad), None, "{bad}");
    }
}

/// Hostile bytes: every byte of a small package changed, one after the other.
#[test]
fn damaged_packages_never_panic() {
    let bytes = foreign(&["ca.pem", "records/0001.rec"]);
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(mut reader) = open(&damaged) {
                let members: Vec<Member> = reader.members().cloned().collect();
                for member in members {
                    let _either = reader.read(&member);
                }
            }
        }
    }
}
