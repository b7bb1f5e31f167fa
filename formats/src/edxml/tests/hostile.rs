//! Files made to harm: refused, in bounded memory, without a panic.

use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use proptest::prelude::*;

use super::samples::*;
use super::xmllint::xmllint;
use crate::edxml::{Business, Form, Limits, NullSink, Packet, ReadError, read, validate};

fn refused(text: &str) -> &'static str {
    parsed(text.as_bytes())
        .unwrap_err()
        .code()
        .expect("the file is to blame")
}

fn with_head(head: &str) -> String {
    sample_with("?>\n<edXML ", &format!("?>\n{head}\n<edXML "))
}

#[test]
fn every_document_type_is_refused() {
    for head in [
        "<!DOCTYPE edXML>",
        "<!doctype edXML>",
        "<!DOCTYPE edXML SYSTEM \"file:///etc/passwd\">",
        "<!DOCTYPE edXML [<!ENTITY a \"b\">]>",
        "<!DOCTYPE edXML [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>",
    ] {
        assert_eq!(refused(&with_head(head)), "E-DOCTYPE", "{head}");
    }
    // Not a declaration at all, but nothing we accept either.
    for head in ["<!ENTITY a \"b\">", "<!DOCTYPE>"] {
        assert_eq!(refused(&with_head(head)), "E-XML", "{head}");
    }
}

#[test]
fn billion_laughs_ends_at_the_declaration() {
    let mut entities = String::from("<!ENTITY a0 \"ha\">");
    for level in 1..10 {
        let inner = format!("&a{};", level - 1).repeat(10);
        entities.push_str(&format!("<!ENTITY a{level} \"{inner}\">"));
    }
    let text = with_head(&format!("<!DOCTYPE edXML [{entities}]>")).replace("V/v kiểm thử", "&a9;");
    assert_eq!(refused(&text), "E-DOCTYPE");
}

#[test]
fn entities_and_processing_instructions_are_refused() {
    assert_eq!(refused(&sample_with("V/v", "&thing;")), "E-XML");
    assert_eq!(refused(&sample_with("V/v", "&nbsp;")), "E-XML");
    assert_eq!(
        refused(&sample_with("version=\"1.0\">", "version=\"&thing;\">")),
        "E-XML"
    );
    assert_eq!(
        refused(&with_head("<?xml-stylesheet href=\"x\"?>")),
        "E-XML"
    );
    assert_eq!(refused(&sample_with("V/v", "<?php x ?>")), "E-XML");
    assert_eq!(refused(&with_head("<?xml version=\"1.0\"?>")), "E-XML");
    let predefined = sample_with("V/v", "&lt;&#x1EAC;&#77;");
    assert!(
        parsed_document(predefined.as_bytes())
            .subject
            .starts_with("<ẬM")
    );
}

#[test]
fn text_that_is_not_xml_text_is_refused() {
    for bad in [
        "\u{0}", "\u{1}", "\u{FFFE}", "&#0;", "&#1;", "&#xFFFF;", "&#xD800;", "]]>",
    ] {
        assert_eq!(refused(&sample_with("V/v", bad)), "E-XML", "{bad:?}");
    }
    for bytes in [
        &b"\xFF"[..],
        b"\xC0\x80",
        b"\xED\xA0\x80",
        b"\xF5\x80\x80\x80",
        b"\xE1\xBA",
    ] {
        let mut file = sample_text().into_bytes();
        let at = file.windows(3).position(|w| w == b"V/v").unwrap();
        file.splice(at..at + 3, bytes.iter().copied());
        assert_eq!(
            parsed(&file).unwrap_err().code(),
            Some("E-XML"),
            "{bytes:?}"
        );
    }
}

#[test]
fn the_xml_declaration_is_read_strictly() {
    let with =
        |declaration: &str| sample_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", declaration);
    for good in [
        "",
        "<?xml version='1.0'?>",
        "<?xml version = \"1.0\"\tencoding= 'utf-8' standalone='yes' ?>",
        "<?xml version=\"1.0\" standalone=\"no\"?>",
    ] {
        parsed_document(with(good).trim_start().as_bytes());
    }
    for bad in [
        "<?xml?>",
        "<?xml encoding=\"UTF-8\"?>",
        "<?xml version=\"1.0\" <encoding=\"UTF-8\"?>",
        "<?xml version=\"1.0\"encoding=\"UTF-8\"?>",
        "<?xml version=\"1.0\" standalone=\"no\" encoding=\"UTF-8\"?>",
        "<?xml version=\"1.0\" standalone=\"maybe\"?>",
        "<?xml version=\"1.0\" other=\"x\"?>",
        "<?xml version=\"1.1\"?>",
        "<?XML version=\"1.0\"?>",
    ] {
        assert_eq!(refused(&with(bad)), "E-XML", "{bad}");
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    let text = sample_text();
    for bad in [
        String::new(),
        " ".to_owned(),
        text[..text.len() / 2].to_owned(),
        text.replace("</edXML:Subject>", "</edXML:Subjekt>"),
        text.replace("</edXML>", "</edXML><edXML/>"),
        text.replace("</edXML>", "</edXML>tail"),
        text.replace("</edXML>", "</edXML><![CDATA[ ]]>"),
        text.replace("</edXML>", "</edXML>&#32;"),
        text.replace("<edXML:Subject>", "<edXML:Subject a='1' a='2'>"),
        text.replace("<edXML:Subject>", "<edXML:Subject a=1>"),
        text.replace("<edXML:Subject>", "<edXML:Subject a>"),
        text.replace("<edXML:Subject>", "<edXML:Subject a='1'b='2'>"),
        text.replace("<edXML:Subject>", "<edXML:Subject a='<'>"),
        text.replace("<edXML:Subject>", "<edXML:Subject><!-- a -- b -->"),
        text.replace("<edXML:Subject>", "<edXML:Subject><1a/>"),
        text.replace("<edXML:Subject>", "<edXML:Subject><a:b:c/>"),
        text.replace("<edXML:Subject>", "<edXML:Subject><:a/>"),
        text.replace("version=\"1.0\" encoding", "version=\"1.1\" encoding"),
        format!(" {text}"),
    ] {
        let error = parsed(bad.as_bytes()).unwrap_err();
        assert_eq!(error.code(), Some("E-XML"), "{}", &bad[..bad.len().min(60)]);
    }
}

fn limited(text: &str, limits: &Limits) -> &'static str {
    match read(text.as_bytes(), &mut NullSink, limits) {
        Err(ReadError::Limit { what, .. }) => what,
        other => panic!("no limit: {other:?}"),
    }
}

#[test]
fn each_limit_stops_the_reading() {
    let limits = Limits::default();
    let deep = sample_with("V/v", &format!("{}{}", "<a>".repeat(40), "</a>".repeat(40)));
    assert_eq!(limited(&deep, &limits), "depth");
    let attributes: String = (0..201).map(|n| format!(" a{n}=''")).collect();
    let wide = sample_with("<edXML:Subject>", &format!("<edXML:Subject{attributes}>"));
    assert_eq!(limited(&wide, &limits), "attributes");
    assert_eq!(
        limited(&sample_with("V/v", &"<a/>".repeat(50_001)), &limits),
        "elements"
    );
    assert_eq!(
        limited(&sample_with("V/v", &"x".repeat(1 << 21)), &limits),
        "text_bytes"
    );
    let joined = sample_with("V/v", &"x&amp;".repeat(1 << 19));
    assert_eq!(
        limited(&joined, &limits),
        "text_bytes",
        "references do not split a text"
    );
    let tag = sample_with(
        "<edXML:Subject>",
        &format!("<edXML:Subject a='{}'>", "x".repeat(1 << 21)),
    );
    assert_eq!(limited(&tag, &limits), "text_bytes");
    let comment = sample_with("V/v", &format!("<!--{}-->", "x".repeat(1 << 21)));
    assert_eq!(limited(&comment, &limits), "text_bytes");
    let doctype = with_head(&format!("<!DOCTYPE a [{}]>", " ".repeat(1 << 21)));
    assert_eq!(limited(&doctype, &limits), "text_bytes");
    let large = sample_with("V/v", &format!("<a>{}</a>", "x".repeat(1 << 20)).repeat(17));
    assert_eq!(limited(&large, &limits), "metadata_bytes");
    let to = "<edXML:To><edXML:OrganId>H98.1</edXML:OrganId></edXML:To>".repeat(2_001);
    assert_eq!(
        limited(
            &sample_with("<edXML:Code>", &format!("{to}<edXML:Code>")),
            &limits
        ),
        "receivers"
    );
    let small = Limits {
        attachments: 1,
        ..limits
    };
    assert_eq!(limited(&sample_text(), &small), "attachments");
    let small = Limits {
        attachment_bytes: 8,
        ..limits
    };
    assert_eq!(limited(&sample_text(), &small), "attachment_bytes");
    let small = Limits {
        attachments_bytes: 17,
        ..limits
    };
    assert_eq!(limited(&sample_text(), &small), "attachments_bytes");
    let exact = Limits {
        attachment_bytes: 9,
        attachments_bytes: 18,
        attachments: 2,
        ..limits
    };
    assert!(read(sample_text().as_bytes(), &mut NullSink, &exact).is_ok());
}

/// Gives `head`, then one byte for ever, and counts.
struct Endless<'c> {
    head: io::Cursor<Vec<u8>>,
    byte: u8,
    given: &'c mut u64,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = self.head.read(buffer)?;
        if count == 0 {
            buffer.fill(self.byte);
            count = buffer.len();
        }
        *self.given += u64::try_from(count).unwrap();
        assert!(*self.given < 100 << 20, "the reader does not stop");
        Ok(count)
    }
}

#[test]
fn a_file_without_end_is_stopped_wherever_it_goes_on() {
    let text = sample_text();
    let cut = |mark: &str| text[..text.find(mark).unwrap() + mark.len()].to_owned();
    let limits = Limits {
        attachments_bytes: 1 << 20,
        ..Limits::default()
    };
    for (head, byte) in [
        (cut("<edXML:Subject>"), b'x'),
        (cut("<edXML:Subject>"), b' '),
        (cut("<edXML:Subject"), b' '),
        (cut("<edXML:Subj"), b'e'),
        (format!("{}<!--", cut("<edXML:Subject>")), b'x'),
        (format!("{}<![CDATA[", cut("<edXML:Subject>")), b']'),
        (format!("{}&", cut("<edXML:Subject>")), b'x'),
        (String::new(), b' '),
        (String::new(), b'<'),
        ("<!DOCTYPE edXML [".to_owned(), b' '),
        ("<!DOCTYPE edXML [<!ENTITY a \"".to_owned(), b'x'),
        ("<?xml version=\"1.0\" ".to_owned(), b' '),
        ("<?pi ".to_owned(), b'x'),
        (cut("<ContentTransferEncoded>"), b'A'),
        (cut("<ContentTransferEncoded>"), b' '),
        (cut("<ContentTransferEncoded>"), b'!'),
        (
            format!("{}<![CDATA[", cut("<ContentTransferEncoded>")),
            b'A',
        ),
    ] {
        let mut given = 0;
        let endless = Endless {
            head: io::Cursor::new(head.clone().into_bytes()),
            byte,
            given: &mut given,
        };
        let outcome = read(BufReader::new(endless), &mut NullSink, &limits);
        let code = outcome.unwrap_err().code();
        assert!(
            matches!(code, Some("E-LIMIT" | "E-XML")),
            "{head:.20} {byte}"
        );
        assert!(given < 6 << 20, "{given} bytes read");
    }
}

#[test]
fn an_input_that_fails_is_not_the_packets_fault() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk"))
        }
    }
    for cut in [0, 10, 900] {
        let head = io::Cursor::new(sample_text().into_bytes()[..cut].to_vec());
        let error = read(
            BufReader::new(head.chain(Broken)),
            &mut NullSink,
            &Limits::default(),
        )
        .unwrap_err();
        assert!(matches!(error, ReadError::Input(_)), "{error:?}");
        assert_eq!(error.code(), None);
    }
}

#[test]
fn the_result_does_not_depend_on_how_the_bytes_arrive() {
    let mut marked = b"\xEF\xBB\xBF".to_vec();
    marked.extend_from_slice(sample_text().as_bytes());
    for capacity in [1, 2, 3, 7, 64] {
        let input = BufReader::with_capacity(capacity, marked.as_slice());
        let packet = read(input, &mut NullSink, &Limits::default()).unwrap();
        assert_eq!(
            packet,
            Packet::Document(Box::new(document(Business::New))),
            "{capacity}"
        );
    }
}

#[test]
fn every_document_type_of_the_defusedxml_suite_is_refused() {
    let folder = std::env::var_os("TRAM_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
        PathBuf::from,
    );
    let Ok(files) = std::fs::read_dir(folder.join("xml/defusedxml")) else {
        println!("SKIPPED-SUITE xml");
        return;
    };
    let (mut documents, mut doctypes) = (0, 0);
    for file in files {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension == "md") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let error = parsed(&bytes).unwrap_err();
        documents += 1;
        if bytes.windows(9).any(|window| window == b"<!DOCTYPE") {
            doctypes += 1;
            assert_eq!(error.code(), Some("E-DOCTYPE"), "{}", path.display());
        }
    }
    println!("xml/defusedxml: {documents} documents refused, {doctypes} for their DOCTYPE");
    assert!(doctypes > 0, "the suite is not what it was");
}

/// A change to a file: (place in thousandths, bytes removed, bytes put there).
fn mutation() -> impl Strategy<Value = (usize, usize, Vec<u8>)> {
    let pieces = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..4),
        proptest::sample::select(vec![
            "<",
            ">",
            "&",
            "\"",
            "/>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "&#13;",
            "&amp;",
            "=",
            "</",
            "<a>",
            "</a>",
            " a='b'",
            "edXML:",
            "x:",
            "xmlns=''",
            "cid:",
            "\u{301}",
            "==",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    (0..1000_usize, 0..12_usize, pieces)
}

fn mutated(changes: &[(usize, usize, Vec<u8>)], mut file: Vec<u8>) -> Vec<u8> {
    for (place, removed, bytes) in changes {
        let start = file.len() * place / 1000;
        let end = (start + removed).min(file.len());
        file.splice(start..end, bytes.iter().copied());
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(parsed(&bytes));
    }

    #[test]
    fn a_damaged_packet_is_refused_or_means_the_same_after_writing(
        changes in proptest::collection::vec(mutation(), 1..4),
        business in proptest::sample::select(businesses().to_vec()),
    ) {
        let bytes = mutated(&changes, written(&document(business), Form::DotNet));
        let Ok(Packet::Document(packet)) = parsed(&bytes) else {
            return Ok(());
        };
        drop(validate::document(&packet, today()));
        // Files that were damaged themselves cannot be given to the writer again.
        let mut files: Vec<&[u8]> = packet.attachments.iter().filter_map(|attachment| {
            FILES.into_iter().find(|file| crate::id::Digest::of(file) == attachment.sha256)
        }).collect();
        let mut out = Vec::new();
        if crate::edxml::write(&packet, Form::DotNet, &mut files, &mut out).is_err() {
            return Ok(());
        }
        let back = parsed_document(&out);
        prop_assert_eq!(back.subject, packet.subject);
        prop_assert_eq!(back.from, packet.from);
        prop_assert_eq!(back.to, packet.to);
        prop_assert_eq!(back.business, packet.business);
        prop_assert_eq!(back.document_id, packet.document_id);
    }

    #[test]
    fn a_damaged_status_is_refused_or_means_the_same_after_writing(
        changes in proptest::collection::vec(mutation(), 1..4),
    ) {
        let original = status(crate::edxml::StatusCode::Refused);
        let bytes = mutated(&changes, written_status(&original, Form::Java));
        let Ok(Packet::Status(packet)) = parsed(&bytes) else {
            return Ok(());
        };
        drop(validate::status(&packet, today()));
        let mut out = Vec::new();
        if crate::edxml::write_status(&packet, Form::Java, &mut out).is_err() {
            return Ok(());
        }
        // Without its code a status reads as a document: the only thing that tells them apart is
        // gone.
        if packet.code.as_str().is_empty() {
            return Ok(());
        }
        let back = parsed_status(&out);
        prop_assert_eq!(back.code, packet.code);
        prop_assert_eq!(back.from, packet.from);
        prop_assert_eq!(back.response_for, packet.response_for);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_we_accept_libxml2_accepts_too(
        changes in proptest::collection::vec(mutation(), 1..3),
    ) {
        // We may refuse more than XML does, never less: two readers must not see two packets.
        let bytes = mutated(&changes, written(&document(Business::New), Form::DotNet));
        if parsed(&bytes).is_ok() {
            prop_assert!(xmllint(&bytes).is_none_or(|(accepted, _)| accepted));
        }
    }
}
