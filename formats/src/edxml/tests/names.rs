//! Names of attachments and texts in every Unicode dress: accepted, compared composed, made safe for
//! disks, and the raw bytes untouched.

use unicode_normalization::UnicodeNormalization as _;

use super::samples::*;
use crate::edxml::attachment_name::{NameOddity, oddities};
use crate::edxml::text;
use crate::edxml::{
    Business, Date, Form, ResponseFor, document_id, safe_file_name, safe_file_names, validate,
};

fn nfd(text: &str) -> String {
    text.nfd().collect()
}

#[test]
fn names_are_made_safe_for_disks() {
    for (name, safe) in [
        ("Công văn.pdf", "Công văn.pdf"),
        // Paths.
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\x.exe", "x.exe"),
        ("..\\..\\a.pdf", "a.pdf"),
        ("/", "khong-ten"),
        ("..", "khong-ten"),
        ("", "khong-ten"),
        (".bashrc", "bashrc"),
        (". .\u{200B}.a.pdf", "a.pdf"),
        // C0, DEL, C1, NUL.
        ("a\u{0}b\n.pdf", "ab.pdf"),
        ("a\u{1B}[31m.pdf", "a[31m.pdf"),
        ("a\u{7F}\u{85}\u{9B}.pdf", "a.pdf"),
        // Direction and invisible characters.
        ("ảnh\u{202E}fdp.exe", "ảnhfdp.exe"),
        ("\u{2066}a\u{2069}\u{61C}.pdf", "a.pdf"),
        ("a\u{200B}\u{FEFF}\u{2060}\u{AD}b.pdf", "ab.pdf"),
        ("a\u{2028}b.pdf", "ab.pdf"),
        ("a\u{E0041}.pdf", "a.pdf"),
        // Devices of Windows.
        ("CON.pdf", "_CON.pdf"),
        ("con", "_con"),
        ("lpt1", "_lpt1"),
        ("COM\u{B9}.txt", "_COM\u{B9}.txt"),
        ("Nul .pdf", "_Nul .pdf"),
        ("CONIN$", "_CONIN$"),
        ("C\u{200B}ON.pdf", "_CON.pdf"),
        ("COM10.pdf", "COM10.pdf"),
        ("console.pdf", "console.pdf"),
        // Characters of Windows.
        ("a:b?.pdf", "a_b_.pdf"),
        ("a<b>|\"*.pdf", "a_b____.pdf"),
        ("tên. ", "tên"),
        // Unicode forms.
        ("a\u{302}.pdf", "â.pdf"),
    ] {
        assert_eq!(safe_file_name(name), safe, "{name:?}");
        assert_eq!(safe_file_name(safe), safe, "safe names stay as they are");
    }
    let long = safe_file_name(&format!("{}.pdf", "ế".repeat(300)));
    assert!(long.len() <= 200 && long.ends_with("ế.pdf"));
    let ending = safe_file_name(&format!("a.{}", "x".repeat(300)));
    assert_eq!(ending.len(), 200);
}

#[test]
fn no_two_attachments_get_one_name() {
    let names = ["a.pdf", "A.PDF", "x/a.pdf", "a (2).pdf", "", "..", "b", "b"];
    assert_eq!(
        safe_file_names(names),
        [
            "a.pdf",
            "A (2).PDF",
            "a (3).pdf",
            "a (2) (2).pdf",
            "khong-ten",
            "khong-ten (2)",
            "b",
            "b (2)"
        ]
    );
    let composed = ["ế.pdf".to_owned(), nfd("ế.pdf")];
    assert_eq!(
        safe_file_names(composed.iter().map(String::as_str)),
        ["ế.pdf", "ế (2).pdf"]
    );
    // In a packet the second one is said.
    for name in [
        "05-stn-vp.PDF",
        "khác/05-STN-VP.pdf",
        "05-STN-VP\u{200B}.pdf",
    ] {
        let text = sample_with("bảng tính.txt", name);
        let found = validate::document(&parsed_document(text.as_bytes()), today());
        let said = found
            .warnings
            .iter()
            .any(|w| w.en.ends_with("is the name of another file"));
        assert!(said, "{name}: {:?}", found.warnings);
    }
    // Names at the limit stay different and within it.
    let long = format!("{}.pdf", "ế".repeat(300));
    let names = safe_file_names(std::iter::repeat_n(long.as_str(), 200));
    assert!(names.iter().all(|name| name.len() <= 200));
    let different: std::collections::HashSet<&String> = names.iter().collect();
    assert_eq!(different.len(), 200);
}

#[test]
fn what_is_odd_in_a_name_is_said() {
    for (name, odd) in [
        ("Công văn (bản 2), ngày 5-6.pdf", &[][..]),
        ("a\u{9B}.pdf", &[NameOddity::Control]),
        ("aux.pdf", &[NameOddity::Device]),
        ("a\u{202E}fdp.exe", &[NameOddity::Direction]),
        (".a", &[NameOddity::Hidden]),
        ("a\u{200D}.pdf", &[NameOddity::Invisible]),
        ("e\u{302}\u{301}.pdf", &[NameOddity::NotComposed]),
        ("a\\b.pdf", &[NameOddity::Path]),
        ("a?.pdf", &[NameOddity::Reserved]),
        ("a.pdf.", &[NameOddity::Reserved]),
        (
            "../\u{202E}\u{200B}",
            &[
                NameOddity::Direction,
                NameOddity::Invisible,
                NameOddity::Path,
            ],
        ),
    ] {
        assert_eq!(oddities(name), odd, "{name:?}");
    }
    // In a packet each is a warning, and the name as written stays for display and writing.
    for name in [
        "../a.pdf",
        "a\u{202E}.pdf",
        "a\u{200B}.pdf",
        "a\u{85}.pdf",
        "CON.pdf",
        "a:.pdf",
    ] {
        let packet = parsed_document(sample_with("05-STN-VP.pdf", name).as_bytes());
        assert_eq!(packet.attachments[0].name, name);
        let validation = validate::document(&packet, today());
        assert!(validation.is_acceptable());
        assert!(
            warning_codes(&validation.warnings).contains(&"W-ATTACH"),
            "{name:?}"
        );
        assert_eq!(parsed_document(&written(&packet, Form::DotNet)), packet);
    }
    let nul = sample_with("05-STN-VP.pdf", "a\u{0}.pdf");
    assert_eq!(parsed(nul.as_bytes()).unwrap_err().code(), Some("E-XML"));
}

#[test]
fn decomposed_text_means_the_same_and_keeps_its_bytes() {
    let mut packet = document(Business::New);
    packet.code.notation = "QĐ-ỦB".to_owned();
    packet.document_id = document_id::build(&packet.from.organ_id, today(), "05/QĐ-ỦB");
    let base = validate::document(&packet, today());
    let text = String::from_utf8(written(&packet, Form::DotNet)).unwrap();
    // One of the two places decomposed: the cross-check compares composed texts.
    let mixed = text.replacen("QĐ-ỦB", &nfd("QĐ-ỦB"), 1);
    assert_ne!(mixed, text);
    let read = parsed_document(mixed.as_bytes());
    assert_eq!(read.code.notation, nfd("QĐ-ỦB"), "kept as written");
    assert_eq!(validate::document(&read, today()), base);
    // All of it decomposed: nothing becomes too long, nothing else is found but the names.
    let decomposed = parsed_document(nfd(&text).as_bytes());
    let found = validate::document(&decomposed, today());
    assert_eq!(found.faults, base.faults);
    assert!(
        found.warnings.len() > base.warnings.len(),
        "the attachment's name is not composed"
    );
    assert_eq!(text::length(&nfd(&"ế".repeat(500))), 500);
    let subject = nfd(&"ế".repeat(500));
    let long = parsed_document(sample_with("V/v kiểm thử liên thông", &subject).as_bytes());
    assert_eq!(validate::document(&long, today()).faults, []);
    assert!(text::same(&nfd(" Sở Thử nghiệm"), "Sở Thử nghiệm "));
    assert!(!text::same("Sở", "So"));
}

#[test]
fn a_secrecy_mark_cannot_hide_in_unicode() {
    for subject in [
        nfd("MẬT: việc"),
        "M\u{200B}ẬT việc".to_owned(),
        "\u{202E}MẬT việc".to_owned(),
    ] {
        let packet = parsed_document(sample_with("V/v kiểm thử liên thông", &subject).as_bytes());
        let found = validate::document(&packet, today());
        assert_eq!(codes(&found.faults), ["E-SECRET"], "{subject:?}");
    }
}

#[test]
fn a_document_is_found_by_its_id_or_by_agency_code_and_date() {
    let document = document(Business::New);
    let full = ResponseFor {
        organ_id: document.from.organ_id.clone(),
        code: document.code.joined(),
        date: document.issued.date,
        document_id: Some(document.document_id.clone()),
    };
    assert!(full.names(&document));
    let without = ResponseFor {
        document_id: None,
        ..full.clone()
    };
    assert!(without.names(&document), "status lookup without DocumentId");
    let lower = ResponseFor {
        organ_id: crate::edxml::OrganId::new("h98.07"),
        ..without.clone()
    };
    assert!(lower.names(&document));
    let other_id = ResponseFor {
        document_id: Some("khác".to_owned()),
        ..full
    };
    assert!(
        !other_id.names(&document),
        "the id decides when there is one"
    );
    for wrong in [
        ResponseFor {
            code: "5/STN-VP".to_owned(),
            ..without.clone()
        },
        ResponseFor {
            date: Date::new(2026, 1, 8),
            ..without.clone()
        },
        ResponseFor {
            date: None,
            ..without.clone()
        },
        ResponseFor {
            code: String::new(),
            ..without.clone()
        },
        ResponseFor {
            organ_id: crate::edxml::OrganId::default(),
            ..without
        },
        ResponseFor::default(),
    ] {
        assert!(!wrong.names(&document), "{wrong:?}");
    }
    assert!(!ResponseFor::default().names(&crate::edxml::DocumentPacket::default()));
}
