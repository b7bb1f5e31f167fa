//! What attachments are, whatever they are called; signatures inside packets; who may say what when.

use super::samples::*;
use crate::edxml::signature::{SignatureResult, examine};
use crate::edxml::sniff::{Content, content_of, promised, registered};
use crate::edxml::{Business, Form, OrganId, RawSignature, StatusCode, validate};

/// Warnings about the second attachment of the sample with this name, type and content.
fn mime_warnings(name: &str, mime: &str, bytes: &[u8]) -> usize {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
    let text = sample_with("YmFuZyB0aW5o", &base64)
        .replace("bảng tính.txt", name)
        .replace("text/plain", mime);
    let packet = parsed_document(text.as_bytes());
    let of_type = packet.warnings.iter().filter(|w| w.code == "W-MIME");
    of_type.count()
}

#[test]
fn kinds_are_told_by_their_first_bytes() {
    for (head, content) in [
        (&b"%PDF-1.7"[..], Some(Content::Pdf)),
        (b"\r\n\0\0rac %PDF-1.4", Some(Content::Pdf)),
        (b"PK\x03\x04", Some(Content::Zip)),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Some(Content::Ole)),
        (b"\x89PNG\r\n\x1A\n", Some(Content::Png)),
        (b"MZ\x90\0", Some(Content::Executable)),
        (b"\x7FELF", Some(Content::Executable)),
        (b"{\\rtf1", Some(Content::Rtf)),
        (b"bang tinh", None),
        (b"", None),
    ] {
        assert_eq!(content_of(head), content, "{head:?}");
    }
    let late = [vec![b' '; 2000], b"%PDF-1.4".to_vec()].concat();
    assert_eq!(
        content_of(&late),
        None,
        "readers look no further than a kibibyte"
    );
    assert_eq!(
        registered("application/XSL; x=y"),
        Some("application/vnd.ms-excel")
    );
    assert_eq!(registered("application/pdf"), None);
    assert_eq!(
        promised("application/octet-stream", "a.PDF"),
        Some(&[Content::Pdf][..])
    );
    assert_eq!(promised("text/plain", "a.txt"), None);
}

#[test]
fn a_type_that_the_bytes_contradict_is_a_warning() {
    let ole = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
    let zip = b"PK\x03\x04rest";
    for (name, mime, bytes, warned) in [
        ("a.pdf", "application/pdf", &b"%PDF-1.4"[..], 0),
        ("a.pdf", "application/pdf", b"MZ\x90", 1),
        ("a.pdf", "application/pdf", b"van ban", 1),
        ("a.png", "application/pdf", b"%PDF-1.4", 1),
        ("a.doc", "application/msword", ole, 0),
        ("a.doc", "application/msword", b"{\\rtf1", 0),
        ("a.xls", "application/xsl", ole, 1),
        ("a.docx", "application/docx", zip, 1),
        ("a.docx", "application/docx", b"%PDF-1.4", 2),
        ("a.xls", "application/zip", zip, 0),
        ("a.txt", "text/plain", b"\x7FELF", 1),
        ("a.bin", "application/octet-stream", b"\0\0", 0),
        ("a", "", b"x", 0),
    ] {
        assert_eq!(
            mime_warnings(name, mime, bytes),
            warned,
            "{name} {mime} {bytes:?}"
        );
    }
}

/// The sample with this inside its `Signature` element.
fn signed(namespace: &str, inner: &str) -> crate::edxml::DocumentPacket {
    let element =
        format!("<Signature xmlns=\"{namespace}\">{inner}</Signature></edXML:edXMLHeader>");
    parsed_document(sample_with("</edXML:edXMLHeader>", &element).as_bytes())
}

#[test]
fn a_signature_inside_is_absent_empty_unverifiable_or_contradicted() {
    const XMLDSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
    let result =
        |packet: &crate::edxml::DocumentPacket| examine(&packet.signature, &packet.attachments);
    let reference = |uri: &str, digest: &str| {
        format!(
            "<SignedInfo><Reference URI=\"{uri}\"><DigestMethod \
             Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><DigestValue>{digest}</DigestValue>\
             </Reference></SignedInfo>"
        )
    };
    assert_eq!(result(&document(Business::New)), SignatureResult::Absent);
    for empty in [
        "<edXML:DigitalSignature/>",
        "<edXML:Signature> </edXML:Signature>",
    ] {
        let text = sample_with(
            "</edXML:edXMLHeader>",
            &format!("{empty}</edXML:edXMLHeader>"),
        );
        let packet = parsed_document(text.as_bytes());
        assert_eq!(result(&packet), SignatureResult::Empty, "{empty}");
        let found = validate::document(&packet, today());
        assert_eq!(warning_codes(&found.warnings), ["W-NOSIG"]);
    }
    // The widespread library signs outside of the namespace of signatures: nothing can be said.
    let outside = signed(crate::edxml::NAMESPACE, &reference("cid:f1", "AAAA"));
    assert_eq!(result(&outside), SignatureResult::Unverifiable);
    let sha1 = "<SignedInfo><SignatureMethod \
                Algorithm=\"http://www.w3.org/2000/09/xmldsig#rsa-sha1\"/></SignedInfo>";
    let found = validate::document(&signed(XMLDSIG, sha1), today());
    assert_eq!(warning_codes(&found.warnings), ["W-SHA1"]);
    let other = "5cYt31tdyFtz1LOmu+gWhtegFepQ8XNoX1E+3RJ0t3I=";
    let sample_digest = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(crate::id::Digest::of(FILES[0]).as_bytes())
    };
    let intact = signed(XMLDSIG, &reference("cid:f1", &sample_digest));
    assert_eq!(
        result(&intact),
        SignatureResult::Unverifiable,
        "a digest alone proves nobody"
    );
    for (uri, digest) in [
        ("cid:f1", other),
        ("cid:f9", sample_digest.as_str()),
        ("cid:f1", "!"),
    ] {
        let packet = signed(XMLDSIG, &reference(uri, digest));
        assert_eq!(result(&packet), SignatureResult::Invalid, "{uri}");
        let found = validate::document(&packet, today());
        assert_eq!(warning_codes(&found.warnings), ["W-SIG"]);
    }
    let elsewhere = signed(XMLDSIG, &reference("#a", other));
    assert_eq!(result(&elsewhere), SignatureResult::Unverifiable);
    let broken = RawSignature::Present("<a".to_owned());
    assert_eq!(examine(&broken, &[]), SignatureResult::Unverifiable);
    for form in [Form::DotNet, Form::Java] {
        assert_eq!(
            parsed_document(&written(&intact, form)),
            intact,
            "kept verbatim"
        );
    }
}

#[test]
fn a_status_comes_from_a_party_and_not_before_the_document() {
    let (sender, receivers) = (OrganId::new("H98.07"), [OrganId::new("H98.151")]);
    let judge = |from: &str, code: StatusCode| {
        let mut packet = status(code);
        packet.from.organ_id = OrganId::new(from);
        let alias = |one: &OrganId, other: &OrganId| {
            one.as_str() == "H98.151" && other.as_str() == "000.00.151.H98"
        };
        validate::status_party(&packet, &sender, &receivers, alias).map(|fault| fault.code)
    };
    let refused = Some("E-STATUS".to_owned());
    for code in StatusCode::KNOWN {
        let take_back = code == StatusCode::TakeBack;
        let of = |allowed: bool| if allowed { None } else { refused.clone() };
        assert_eq!(judge("H98.151", code.clone()), of(!take_back), "{code}");
        assert_eq!(judge("h98.151", code.clone()), of(!take_back), "{code}");
        assert_eq!(
            judge("000.00.151.H98", code.clone()),
            of(!take_back),
            "{code}"
        );
        assert_eq!(judge("H98.07", code.clone()), of(take_back), "{code}");
        assert_eq!(judge("H98.152", code.clone()), refused, "{code}");
    }
    let packet = status(StatusCode::Arrived);
    let at = packet.at.unwrap();
    assert_eq!(validate::status_time(&packet, at.plus_ms(5 * 60_000)), None);
    let early = validate::status_time(&packet, at.plus_ms(5 * 60_000 + 1)).unwrap();
    assert_eq!(early.code, "W-CLOCK");
}
