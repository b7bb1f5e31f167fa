//! Documents made to harm the reader: bounded work, no panic, and never a false "valid".

use std::io::Write as _;

use proptest::prelude::*;

use super::maker::{Maker, stream};
use super::*;

fn look(bytes: &[u8]) -> PdfReport {
    checked(
        bytes,
        &Anchors::default(),
        Timestamp::from_unix_s(1_795_316_400),
    )
}

fn file(body: &str, xref: &str) -> Vec<u8> {
    let at = "%PDF-1.7\n".len() + body.len();
    format!("%PDF-1.7\n{body}{xref}\nstartxref\n{at}\n%%EOF\n").into_bytes()
}

#[test]
fn what_is_no_document_is_said_so() {
    assert_eq!(look(b"").problems, [Problem::NotPdf]);
    assert_eq!(look(b"PK\x03\x04").problems, [Problem::NotPdf]);
    assert_eq!(look(b"%PDF-1.7\n").problems, [Problem::Structure]);
    assert_eq!(
        look(b"%PDF-1.7\nstartxref\n5\n%%EOF").problems,
        [Problem::Structure]
    );
    assert_eq!(look(&Maker::new().bytes), PdfReport::default());
    let shifted = [b"\n", Maker::new().bytes.as_slice()].concat();
    assert_eq!(look(&shifted).problems, [Problem::Structure]);
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk"))
        }
    }
    impl Seek for Broken {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Ok(0)
        }
    }
    let report = check(Broken, 100, &Anchors::default(), Timestamp::from_unix_s(0));
    assert_eq!(report.problems, [Problem::Unreadable]);
}

#[test]
fn circles_and_depth_end() {
    // A revision before itself.
    let circle = file(
        "",
        "xref\n0 1\n0000000000 65535 f \ntrailer << /Root 1 0 R /Prev 9 >>",
    );
    assert_eq!(look(&circle).problems, [Problem::Structure]);
    // A catalog that is a reference to itself.
    let mut made = Maker::new();
    made.update(&[(1, "1 0 R".into())]);
    assert_eq!(look(&made.bytes).problems, [Problem::Structure]);
    // Fields in a circle, and a chain of fields without end.
    let mut made = Maker::new();
    made.update(&[
        (
            1,
            "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] >> >>".into(),
        ),
        (5, "<< /T (a) /Kids [5 0 R 5 0 R] >>".into()),
    ]);
    assert_eq!(look(&made.bytes), PdfReport::default());
    let mut chain = vec![(
        1,
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] >> >>".to_owned(),
    )];
    chain.extend(
        (5..200).map(|number| (number, format!("<< /T (a) /Kids [{} 0 R] >>", number + 1))),
    );
    let mut made = Maker::new();
    made.update(&chain);
    assert_eq!(look(&made.bytes).problems, [Problem::Limit]);
    // Arrays in arrays.
    let mut made = Maker::new();
    made.update(&[(1, format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))]);
    assert_eq!(look(&made.bytes).problems, [Problem::Limit]);
    let mut made = Maker::new();
    made.update(&[(1, "<</A".repeat(100_000))]);
    assert_eq!(look(&made.bytes).problems, [Problem::Limit]);
}

#[test]
fn great_numbers_buy_nothing() {
    for table in [
        "xref\n0 4294967295\n0000000000 65535 f \ntrailer << /Root 1 0 R >>",
        "xref\n4294967290 18446744073709551615\n0000000000 65535 f \n",
        "xref\n0 1\n99999999999999999999 65535 f \ntrailer << /Root 1 0 R >>",
        "7 0 obj << /Type /XRef /W [8 8 8] /Size 9223372036854775807 /Length 3 >> stream\nabc",
        "7 0 obj << /Type /XRef /W [0 0 0] /Size 9223372036854775807 /Length 3 >> stream\nabc",
        "7 0 obj << /Type /XRef /W [1 1 1] /Index [0 -1] /Length 9223372036854775807 >> stream\nabc",
        "7 0 obj << /Type /XRef /W [1 1 1] /Index [0 1 2] /Length 3 >> stream\nabc",
    ] {
        let report = look(&file("", table));
        assert_eq!(report.problems.len(), 1, "{table}");
    }
    // More entries than any honest document has.
    let entries = "0000000009 00000 n \n".repeat(600_000);
    let table = format!("xref\n0 600000\n{entries}trailer << /Root 1 0 R >>");
    assert_eq!(look(&file("", &table)).problems, [Problem::Limit]);
    // One object of many values.
    let mut made = Maker::new();
    made.update(&[(1, format!("[{}]", "1 ".repeat(300_000)))]);
    assert_eq!(look(&made.bytes).problems, [Problem::Limit]);
}

#[test]
fn bombs_stay_small() {
    // 64 MiB of zeros in a stream of objects.
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        packed.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let packed = packed.finish().unwrap();
    let head = b"%PDF-1.7\n";
    let mut bytes = head.to_vec();
    bytes.extend_from_slice(
        format!(
            "3 0 obj\n<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length {} >>\nstream\n",
            packed.len()
        )
        .as_bytes(),
    );
    bytes.extend_from_slice(&packed);
    bytes.extend_from_slice(b"\nendstream\nendobj\n");
    let at = bytes.len();
    bytes.extend_from_slice(
        b"4 0 obj\n<< /Type /XRef /W [1 2 1] /Size 5 /Root 1 0 R /Length 20 >>\nstream\n",
    );
    bytes.extend_from_slice(&[0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(format!("\nendstream\nendobj\nstartxref\n{at}\n%%EOF\n").as_bytes());
    assert_eq!(look(&bytes).problems, [Problem::Limit]);
}

#[test]
fn signatures_that_are_none_are_told_and_bounded() {
    let mut made = Maker::new();
    let fields: Vec<String> = (10..210).map(|number| format!("{number} 0 R")).collect();
    let mut objects = vec![(
        1,
        format!(
            "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [{}] >> >>",
            fields.join(" ")
        ),
    )];
    objects.extend((10..210).map(|number| {
        (
            number,
            format!("<< /FT /Sig /T (s{number}) /V << /Contents <30> /ByteRange [0 5 9 9] >> >>"),
        )
    }));
    made.update(&objects);
    let report = look(&made.bytes);
    assert_eq!(report.signatures.len(), limits::SIGNATURES_MAX);
    assert_eq!(report.problems, [Problem::Limit]);
    assert!(
        report
            .signatures
            .iter()
            .all(|one| one.verdict != Verdict::Valid)
    );

    for value in [
        "(text)",
        "7",
        "<< >>",
        "<< /Contents 5 >>",
        "<< /Contents <> /ByteRange [0 1 2 3] >>",
        "<< /Contents <3080> /ByteRange 1 0 R >>",
        "99 0 R",
    ] {
        let mut made = Maker::new();
        made.update(&[
            (
                1,
                "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] >> >>".into(),
            ),
            (5, format!("<< /FT /Sig /T (s) /V {value} >>")),
        ]);
        let report = look(&made.bytes);
        assert_eq!(
            report.signatures.len(),
            usize::from(value != "99 0 R"),
            "{value}"
        );
        assert!(
            report
                .signatures
                .iter()
                .all(|one| one.verdict != Verdict::Valid),
            "{value}"
        );
    }
}

#[test]
fn a_signed_document_cut_anywhere_is_never_valid() {
    let world = maker::World::new();
    let mut made = Maker::new();
    made.sign_first(&world.plain(), "");
    made.sign_second(&world.plain());
    let at = world.authority.now();
    for length in (0..made.bytes.len() - 2).step_by(211) {
        let report = checked(&made.bytes[..length], &world.anchors(), at);
        for one in &report.signatures {
            // The first revision alone is a whole document.
            let whole = one.field == "Sig1" && report.signatures.len() == 1;
            assert!(whole || one.verdict != Verdict::Valid, "cut to {length}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn spoilt_documents_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut made = Maker::new();
        made.update(&[
            (1, "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] /DR << >> >> /DSS << /CRLs [4 0 R] >> >>".into()),
            (5, "<< /FT /Sig /T (s) /Kids [7 0 R] /V 6 0 R >>".into()),
            (6, "<< /SubFilter /adbe.pkcs7.detached /Contents <3003020101> /ByteRange [0 10 20 30] >>".into()),
            (7, "<< /Parent 5 0 R /Subtype /Widget >>".into()),
        ]);
        made.update(&[(4, stream("other"))]);
        let mut bytes = made.bytes;
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len()) + 1);
        }
        let report = look(&bytes);
        prop_assert!(report.signatures.iter().all(|one| one.verdict != Verdict::Valid));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = b"%PDF-1.7\nxref ".to_vec();
        framed.extend_from_slice(&bytes);
        framed.extend_from_slice(b"\nstartxref\n9\n%%EOF");
        prop_assert!(look(&framed).signatures.is_empty());
        let _cms = cms::Cms::parse(&bytes);
    }
}
