//! What is written is read back equal, and foreign parsers accept it.

use super::samples::*;
use super::xmllint::xmllint;
use crate::edxml::status::StatusCode;
use crate::edxml::{Business, Extension, Form, RawSignature, WriteError, validate, write};

#[test]
fn every_business_type_survives_writing_and_reading_in_both_forms() {
    for business in businesses() {
        for form in [Form::DotNet, Form::Java] {
            let packet = document(business.clone());
            let bytes = written(&packet, form);
            let back = parsed_document(&bytes);
            assert_eq!(back, packet, "{form:?}");
            assert_eq!(written(&back, form), bytes, "writing is byte-stable");
            assert_eq!(validate::document(&back, today()).faults, []);
        }
    }
}

#[test]
fn every_status_code_survives_writing_and_reading_in_both_forms() {
    for code in StatusCode::KNOWN {
        for form in [Form::DotNet, Form::Java] {
            let packet = status(code.clone());
            let back = parsed_status(&written_status(&packet, form));
            assert_eq!(back, packet, "{form:?}");
            let validation = validate::status(&back, today());
            assert_eq!((validation.faults, validation.warnings), (vec![], vec![]));
        }
    }
}

#[test]
fn a_packet_with_nothing_in_it_is_written_and_read_back() {
    let empty = crate::edxml::DocumentPacket {
        steering: Some(0),
        ..Default::default()
    };
    for form in [Form::DotNet, Form::Java] {
        assert_eq!(parsed_document(&written(&empty, form)), empty);
    }
}

#[test]
fn the_literal_prefix_stands_on_everything_inside_the_envelope_and_on_nothing_outside() {
    let text = sample_text();
    let envelope = text.find("<edXML:edXMLEnvelope").unwrap();
    let end = text.find("</edXML:edXMLEnvelope>").unwrap();
    let tags = |part: &str| -> Vec<String> {
        part.split('<')
            .skip(1)
            .map(|tag| tag.trim_start_matches('/').to_owned())
            .collect()
    };
    assert!(
        tags(&text[envelope..end])
            .iter()
            .all(|tag| tag.starts_with("edXML:"))
    );
    assert!(
        tags(&text[end + 22..])
            .iter()
            .all(|tag| !tag.starts_with("edXML:"))
    );
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
    assert!(!text.contains('\r'));
}

#[test]
fn components_are_written_in_the_order_of_the_standard() {
    let text = sample_text();
    let order = [
        "From",
        "To",
        "Code",
        "PromulgationInfo",
        "DocumentType",
        "Subject",
        "Content",
        "SignerInfo",
        "DueDate",
        "ToPlaces",
        "OtherInfo",
        "ResponseFor",
        "SteeringType",
        "DocumentId",
        "TraceHeader",
        "Bussiness",
    ];
    let header = text.find("MessageHeader>").unwrap();
    let mut last = header;
    for name in order {
        let at = text[last..].find(&format!("<edXML:{name}>"));
        last += at.unwrap_or_else(|| panic!("{name} is missing or out of order"));
    }
}

#[test]
fn unknown_elements_attributes_and_signatures_are_written_back() {
    let text = sample_with(
        "<edXML:CodeNumber>",
        "<v:Extra xmlns:v=\"urn:v\" v:a=\"1&amp;2\"><v:b/>chữ<!-- c --></v:Extra>\
         <edXML:CodeNumber k=\"a&quot;b\">",
    )
    .replace(
        "<edXML:Subject>",
        "<edXML:Draft><![CDATA[<x>]]></edXML:Draft><edXML:Subject>",
    )
    .replace(
        "</edXML:edXMLHeader>",
        "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo/></Signature>\
         </edXML:edXMLHeader>",
    )
    .replace("</edXML>", "<Tail q=\"z\"/></edXML>");
    let packet = parsed_document(text.as_bytes());
    let places: Vec<&str> = packet.extensions.iter().map(|e| e.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "edXML",
            "MessageHeader/Code/CodeNumber/@k",
            "MessageHeader/Code",
            "MessageHeader"
        ]
    );
    assert_eq!(
        packet.extensions[2].xml,
        "<v:Extra xmlns:v=\"urn:v\" v:a=\"1&amp;2\"><v:b/>chữ<!-- c --></v:Extra>"
    );
    assert!(matches!(&packet.signature, RawSignature::Present(xml) if xml.contains("SignedInfo")));
    for form in [Form::DotNet, Form::Java] {
        let back = parsed_document(&written(&packet, form));
        assert_eq!(back.extensions, packet.extensions);
        assert_eq!(back, packet);
    }
}

#[test]
fn an_extension_carries_the_prefixes_it_inherited() {
    let text = sample_with(
        "<edXML:MessageHeader>",
        "<edXML:MessageHeader xmlns:w=\"urn:w\"><w:Note w:kind=\"1\">x</w:Note>",
    );
    let packet = parsed_document(text.as_bytes());
    assert_eq!(
        packet.extensions[0].xml,
        "<w:Note w:kind=\"1\" xmlns:w=\"urn:w\">x</w:Note>"
    );
    assert_eq!(parsed_document(&written(&packet, Form::DotNet)), packet);
}

#[test]
fn extensions_that_would_break_the_packet_are_refused() {
    let bad = [
        ("MessageHeader", "</edXML:MessageHeader>"),
        ("MessageHeader", "<!DOCTYPE x>"),
        ("MessageHeader/@a", "1\" b=\"<"),
        ("MessageHeader/@a b", "1"),
    ];
    for (place, xml) in bad {
        let mut packet = document(Business::New);
        packet.extensions.push(Extension {
            place: place.to_owned(),
            xml: xml.to_owned(),
        });
        let outcome = write(&packet, Form::DotNet, &mut FILES.to_vec(), Vec::new());
        assert!(
            matches!(outcome, Err(WriteError::Extension { .. })),
            "{xml}: {outcome:?}"
        );
    }
    let mut packet = document(Business::New);
    packet.extensions.push(Extension {
        place: "Nowhere".to_owned(),
        xml: "<a/>".to_owned(),
    });
    let outcome = write(&packet, Form::DotNet, &mut FILES.to_vec(), Vec::new());
    assert!(matches!(outcome, Err(WriteError::Unplaced { .. })));
}

#[test]
fn characters_xml_cannot_carry_are_refused_and_markup_is_escaped() {
    let mut packet = document(Business::New);
    packet.subject = "a\u{0}b".to_owned();
    let outcome = write(&packet, Form::DotNet, &mut FILES.to_vec(), Vec::new());
    assert!(matches!(
        outcome,
        Err(WriteError::Character { code_point: 0, .. })
    ));
    packet.subject = "<a> & \"b\" ]]> 'c'\r\n\tđ".to_owned();
    assert_eq!(
        parsed_document(&written(&packet, Form::DotNet)).subject,
        packet.subject
    );
}

#[test]
fn attachment_bytes_other_than_described_are_refused() {
    let packet = document(Business::New);
    let mut readers: Vec<&[u8]> = vec![FILES[0], b"bang tinX"];
    let outcome = write(&packet, Form::DotNet, &mut readers, Vec::new());
    assert!(matches!(outcome, Err(WriteError::Attachment { cid }) if cid == "f2"));
    let outcome = write(&packet, Form::DotNet, &mut [FILES[0]], Vec::new());
    assert!(matches!(
        outcome,
        Err(WriteError::Attachments {
            attachments: 2,
            readers: 1
        })
    ));
}

#[test]
fn libxml2_finds_written_packets_well_formed() {
    // A parser that shares no code with ours reads every kind of packet we write.
    for form in [Form::DotNet, Form::Java] {
        for business in businesses() {
            if !xmllint_accepts(&written(&document(business), form)) {
                return;
            }
        }
        for code in StatusCode::KNOWN {
            xmllint_accepts(&written_status(&status(code), form));
        }
    }
}

/// False when xmllint is not installed. Panics when it objects, also to namespaces.
fn xmllint_accepts(bytes: &[u8]) -> bool {
    let Some((accepted, said)) = xmllint(bytes) else {
        return false;
    };
    assert!(accepted && said.is_empty(), "{said}");
    true
}
