//! Attachment bytes: streamed, strict, matched with the manifest.

use std::io::{self, BufReader, Read};

use sha2::{Digest as _, Sha256};

use super::samples::*;
use crate::edxml::{AttachmentSink, Business, Ended, Limits, Packet, ReadError, read, validate};
use crate::id::Digest;

/// The sample with the first attachment's base64 replaced.
fn with_base64(text: &str) -> String {
    sample_with("JVBERi0xLjQK", text)
}

fn first_bytes(text: &str) -> Option<Vec<u8>> {
    let mut sink = MemorySink::default();
    let packet = read(with_base64(text).as_bytes(), &mut sink, &Limits::default()).unwrap();
    let Packet::Document(packet) = packet else {
        panic!("no document")
    };
    let good = packet.attachments.first().filter(|a| a.cid == "f1")?;
    assert_eq!(good.sha256, Digest::of(&sink.files[good.index]));
    assert_eq!(
        good.size,
        u64::try_from(sink.files[good.index].len()).unwrap()
    );
    assert!(sink.ended.contains(&Ended {
        index: 0,
        size: good.size,
        sha256: good.sha256
    }));
    Some(sink.files[0].clone())
}

#[test]
fn wrapped_and_escaped_base64_decodes() {
    for text in [
        "JVBERi0xLjQK",
        " JVBE\r\nRi0x\tLjQK\n",
        "JVBE&#13;\nRi0x&#xD;LjQK",
        "<![CDATA[JVBERi0x]]>LjQK",
        "JVBE<!-- c -->Ri0xLjQK",
    ] {
        assert_eq!(first_bytes(text).as_deref(), Some(FILES[0]), "{text}");
    }
    assert_eq!(first_bytes("YQ==").as_deref(), Some(&b"a"[..]));
    assert_eq!(first_bytes("YWI=").as_deref(), Some(&b"ab"[..]));
}

#[test]
fn base64_with_a_second_spelling_or_none_is_a_fault_and_the_rest_is_read() {
    for text in [
        "",
        " \r\n",
        "YQ",
        "YQ=",
        "YQ===",
        "YR==",
        "YWJ=",
        "YQ==YQ==",
        "=",
        "Y_-=",
        "YQ==x",
        "JVBERi0xLjQ!",
        "&lt;",
    ] {
        let mut sink = MemorySink::default();
        let outcome = read(with_base64(text).as_bytes(), &mut sink, &Limits::default()).unwrap();
        let Packet::Document(packet) = outcome else {
            panic!("no document")
        };
        assert_eq!(codes(&packet.faults), ["E-ATTACH"], "{text:?}");
        assert_eq!(sink.discarded, [0], "{text:?}");
        assert_eq!(packet.attachments.len(), 1);
        assert_eq!(sink.files[packet.attachments[0].index], FILES[1]);
    }
    let none = sample_with(
        "<ContentTransferEncoded>JVBERi0xLjQK</ContentTransferEncoded>",
        "<ContentTransferEncoded/>",
    );
    assert_eq!(
        codes(&parsed_document(none.as_bytes()).faults),
        ["E-ATTACH"]
    );
    let none = sample_with(
        "<ContentTransferEncoded>JVBERi0xLjQK</ContentTransferEncoded>",
        "",
    );
    assert_eq!(
        codes(&parsed_document(none.as_bytes()).faults),
        ["E-ATTACH"]
    );
}

#[test]
fn markup_inside_an_attachment_is_refused() {
    for text in [
        "<a/>",
        "<a>x</a>",
        "<?x?>",
        "<!DOCTYPE a>",
        "&x;",
        "&#0;",
        "<!--a--b-->",
    ] {
        assert!(parsed(with_base64(text).as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_refuse_the_file_wherever_they_stand() {
    // Undecodable base64 is a fault of one attachment; this is no longer the file it claims to be.
    let long = "QUJD".repeat(40_000);
    for bad in [&b"\x80"[..], b"\x00", "é".as_bytes(), b"]]>", b"\x1B"] {
        for (before, after) in [
            ("", ""),
            ("!", ""),
            (&long, ""),
            ("!", &long),
            ("YQ==", "YQ=="),
        ] {
            let mut file = with_base64("$").into_bytes();
            let at = file.iter().position(|b| *b == b'$').unwrap();
            let text = [before.as_bytes(), bad, after.as_bytes()].concat();
            file.splice(at..=at, text);
            assert_eq!(parsed(&file).unwrap_err().code(), Some("E-XML"), "{bad:?}");
        }
    }
}

/// `head`, then `left` bytes of "QUJD" (base64 of "ABC") broken by CRLF, then `tail`.
struct Large {
    head: io::Cursor<Vec<u8>>,
    line: Vec<u8>,
    lines_left: u64,
    at: usize,
    tail: io::Cursor<Vec<u8>>,
}

impl Read for Large {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.head.read(buffer)?;
        if count > 0 {
            return Ok(count);
        }
        if self.lines_left == 0 {
            return self.tail.read(buffer);
        }
        let count = buffer.len().min(self.line.len() - self.at);
        buffer[..count].copy_from_slice(&self.line[self.at..self.at + count]);
        self.at += count;
        if self.at == self.line.len() {
            self.at = 0;
            self.lines_left -= 1;
        }
        Ok(count)
    }
}

#[test]
fn a_hundred_megabytes_stream_through_in_small_pieces() {
    // The budget for everything held is 64 KiB: were the attachment held, reading would stop.
    let text = sample_text();
    let at = text.find("JVBERi0xLjQK").unwrap();
    let groups: u64 = 1_024;
    let lines: u64 = 100 * 1024 * 1024 / (groups * 3) + 1;
    let mut line = b"QUJD".repeat(usize::try_from(groups).unwrap());
    line.extend_from_slice(b"\r\n");
    let large = Large {
        head: io::Cursor::new(text.as_bytes()[..at].to_vec()),
        line,
        lines_left: lines,
        at: 0,
        tail: io::Cursor::new(text.as_bytes()[at + 12..].to_vec()),
    };
    let mut sink = MemorySink {
        keep_nothing: true,
        ..MemorySink::default()
    };
    let limits = Limits {
        text_bytes: 16 << 10,
        metadata_bytes: 64 << 10,
        ..Limits::default()
    };
    let packet = read(BufReader::new(large), &mut sink, &limits).unwrap();
    let Packet::Document(packet) = packet else {
        panic!("no document")
    };

    let mut expected = Sha256::new();
    let decoded = b"ABC".repeat(usize::try_from(groups).unwrap());
    for _ in 0..lines {
        expected.update(&decoded);
    }
    assert_eq!(packet.attachments[0].size, lines * groups * 3);
    assert_eq!(
        packet.attachments[0].sha256,
        Digest::from_bytes(expected.finalize().into())
    );
    assert!(
        sink.largest <= 48 << 10,
        "{} bytes in one piece",
        sink.largest
    );
}

#[test]
fn a_sink_that_fails_stops_the_reading_and_is_named() {
    struct Full;
    impl AttachmentSink for Full {
        fn begin(&mut self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write(&mut self, _: &[u8]) -> io::Result<()> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
        fn end(&mut self, _: Ended) -> io::Result<()> {
            panic!("nothing was stored")
        }
        fn discard(&mut self, _: usize) -> io::Result<()> {
            Ok(())
        }
    }
    let error = read(sample_text().as_bytes(), &mut Full, &Limits::default()).unwrap_err();
    assert!(matches!(error, ReadError::Sink { index: 0, .. }));
    assert_eq!(error.code(), None, "the file is not to blame");
}

#[test]
fn content_ids_match_with_and_without_their_scheme() {
    let text = sample_text();
    let body = text.find("<AttachmentEncoded>").unwrap();
    let bare = format!("{}{}", &text[..body], text[body..].replace("cid:", ""));
    assert_eq!(parsed_document(bare.as_bytes()), document(Business::New));
    let by_link = sample_with("<edXML:ContentId>cid:f1</edXML:ContentId>", "");
    assert_eq!(
        parsed_document(by_link.as_bytes()),
        document(Business::New),
        "xlink:href serves"
    );
}

#[test]
fn display_order_is_the_manifests_and_the_index_is_the_files() {
    let text = sample_text();
    let start = text.find("<AttachmentEncoded>").unwrap() + "<AttachmentEncoded>".len();
    let middle = text.rfind("<Attachment>").unwrap();
    let end = text.find("</AttachmentEncoded>").unwrap();
    let swapped = [
        &text[..start],
        &text[middle..end],
        &text[start..middle],
        &text[end..],
    ]
    .concat();
    let packet = parsed_document(swapped.as_bytes());
    let order: Vec<(&str, usize)> = packet
        .attachments
        .iter()
        .map(|a| (a.cid.as_str(), a.index))
        .collect();
    assert_eq!(order, [("f1", 1), ("f2", 0)]);
}

#[test]
fn manifest_and_attachments_that_do_not_match_are_faults() {
    let text = sample_text();
    let body = text.find("<AttachmentEncoded>").unwrap();
    let other = format!(
        "{}{}",
        &text[..body],
        text[body..].replace("cid:f1", "cid:f9")
    );
    assert_eq!(
        codes(&parsed_document(other.as_bytes()).faults),
        ["E-ATTACH", "E-ATTACH"]
    );
    let twice = text.replace("cid:f2", "cid:f1");
    let packet = parsed_document(twice.as_bytes());
    assert_eq!(
        codes(&packet.faults),
        ["E-ATTACH", "E-ATTACH"],
        "used twice, both sides"
    );
    let start = text.find("<edXML:Reference ").unwrap();
    let end = text.find("</edXML:Reference>").unwrap() + "</edXML:Reference>".len();
    let unlisted = format!("{}{}", &text[..start], &text[end..]);
    let packet = parsed_document(unlisted.as_bytes());
    assert_eq!(codes(&packet.faults), ["E-ATTACH"]);
    assert_eq!(packet.attachments.len(), 2, "still shown");
    assert!(!validate::document(&packet, today()).is_acceptable());
}

#[test]
fn a_recall_may_leave_its_attachments_out_and_no_other_packet_may() {
    for (at, business) in businesses().into_iter().enumerate() {
        let bytes = written(&document(business), crate::edxml::Form::DotNet);
        let text = String::from_utf8(bytes).unwrap();
        let start = text.find("<AttachmentEncoded>").unwrap();
        let without = format!("{}</edXML>", &text[..start]);
        let faults = parsed_document(without.as_bytes()).faults;
        assert_eq!(
            codes(&faults),
            if at == 1 { vec![] } else { vec!["E-ATTACH"; 2] }
        );
    }
}
