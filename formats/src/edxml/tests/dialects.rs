//! Forms seen in practice are read, flagged, and mean the same.

use proptest::prelude::*;

use super::samples::*;
use crate::edxml::date::{format_timestamp, parse_timestamp};
use crate::edxml::{
    Business, Date, Dialect, DocumentPacket, Form, NAMESPACE, ReadError, StatusCode, validate,
};

/// The packet without what depends on the dialect.
fn essence(mut packet: DocumentPacket) -> DocumentPacket {
    packet.dialect = Dialect::default();
    packet.warnings.clear();
    packet.extensions.clear();
    packet
}

#[test]
fn any_prefix_or_none_reads_the_same() {
    let sample = parsed_document(sample_text().as_bytes());
    let other = sample_text()
        .replace("edXML:", "ns2:")
        .replace(":edXML=", ":ns2=");
    assert_eq!(parsed_document(other.as_bytes()), sample);
    let none = sample_text()
        .replace("<edXML:", "<")
        .replace("</edXML:", "</");
    assert_eq!(parsed_document(none.as_bytes()), sample);
}

#[test]
fn known_namespaces_are_flagged_and_unknown_ones_refused() {
    for (uri, dialect) in [
        ("http://www.e-doc.vn/Schema/", Dialect::EDocVn),
        ("http://www.go.vn/eDoc", Dialect::GoVn),
    ] {
        let packet = parsed_document(sample_text().replace(NAMESPACE, uri).as_bytes());
        assert_eq!(packet.dialect, dialect);
        assert_eq!(warning_codes(&packet.warnings), ["W-NS"]);
        assert_eq!(essence(packet), document(Business::New));
    }
    let none = sample_text()
        .replace(&format!(" xmlns=\"{NAMESPACE}\""), "")
        .replace(&format!(" xmlns:edXML=\"{NAMESPACE}\""), "");
    let packet = parsed_document(none.as_bytes());
    assert_eq!(packet.dialect, Dialect::Unqualified);
    assert_eq!(
        warning_codes(&packet.warnings),
        ["W-NS", "W-NS"],
        "also the undeclared prefix"
    );
    assert_eq!(essence(packet), document(Business::New));

    let foreign = parsed(sample_text().replace(NAMESPACE, "urn:other").as_bytes());
    let error = foreign.unwrap_err();
    assert_eq!(error.code(), Some("E-NS"));
    let error = parsed(b"<html xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"/>").unwrap_err();
    assert!(matches!(error, ReadError::Root { .. }));
}

#[test]
fn known_roots_are_accepted() {
    let lower = sample_text()
        .replace("<edXML xmlns", "<EdXML xmlns")
        .replace("</edXML>", "</EdXML>");
    assert_eq!(
        essence(parsed_document(lower.as_bytes())),
        document(Business::New)
    );
    let text = sample_text();
    let start = text.find("<edXML:edXMLEnvelope").unwrap();
    let end = text.find("</edXML:edXMLEnvelope>").unwrap();
    let alone = &text[start..end + "</edXML:edXMLEnvelope>".len()];
    let packet = parsed_document(alone.as_bytes());
    assert_eq!(packet.subject, document(Business::New).subject);
    assert_eq!(
        codes(&packet.faults),
        ["E-ATTACH", "E-ATTACH"],
        "listed files are not carried"
    );
    let soap = "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\" \
        xmlns:edXML=\"http://www.e-doc.vn/Schema/\"><S:Header><edXML:Status><edXML:StatusCode>03\
        </edXML:StatusCode><edXML:Timestamp>09/01/2026 08:30:00</edXML:Timestamp></edXML:Status>\
        </S:Header></S:Envelope>";
    let packet = parsed_status(soap.as_bytes());
    assert_eq!(
        (packet.dialect, &packet.code),
        (Dialect::Soap, &StatusCode::Accepted)
    );
    assert_eq!(packet.at, Some(now()));
}

/// A document in the SOAP envelope of the years before 2016, with `PromulgationInfo/Date`.
#[test]
fn a_soap_document_is_read() {
    let text = sample_text();
    let start = text.find("<edXML:MessageHeader>").unwrap();
    let end = text.find("</edXML:edXMLHeader>").unwrap();
    let header = text[start..end].replace("PromulgationDate", "Date");
    let body = {
        let start = text.find("<edXML:edXMLManifest").unwrap();
        let end = text.find("</edXML:edXMLBody>").unwrap();
        &text[start..end]
    };
    let encoded = {
        let start = text.find("<AttachmentEncoded>").unwrap();
        let end = text.find("</edXML>").unwrap();
        text[start..end]
            .replace("<", "<edXML:")
            .replace("<edXML:/", "</edXML:")
    };
    let soap = format!(
        "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:edXML=\"http://www.e-doc.vn/Schema/\"><S:Header>{header}</S:Header>\
         <S:Body>{body}{encoded}</S:Body></S:Envelope>"
    );
    let packet = parsed_document(soap.as_bytes());
    assert_eq!(packet.dialect, Dialect::Soap);
    assert_eq!(packet.faults, []);
    assert_eq!(warning_codes(&packet.warnings), ["W-NS"]);
    assert_eq!(essence(packet), document(Business::New));
}

/// The two orders of the libraries are usual; any other is read and said.
#[test]
fn an_unusual_order_is_said() {
    for form in [Form::DotNet, Form::Java] {
        let packet = parsed_document(&written(&document(Business::New), form));
        assert_eq!(packet.warnings, []);
        let packet = parsed_status(&written_status(&status(StatusCode::Refused), form));
        assert_eq!(packet.warnings, []);
    }
    let text = sample_text();
    let start = text.find("<edXML:Subject>").unwrap();
    let end = text.find("</edXML:Subject>").unwrap() + "</edXML:Subject>".len();
    let subject = &text[start..end];
    let moved = format!("{}{}", &text[..start], &text[end..])
        .replace("<edXML:From>", &format!("{subject}<edXML:From>"));
    let packet = parsed_document(moved.as_bytes());
    assert_eq!(warning_codes(&packet.warnings), ["W-ORDER"]);
    // What is no component may stand anywhere.
    let other = text.replace("<edXML:From>", "<edXML:Extra/><edXML:From>");
    assert_eq!(parsed_document(other.as_bytes()).warnings, []);
}

#[test]
fn a_byte_order_mark_is_skipped_and_other_encodings_are_refused() {
    let with_mark = format!("\u{FEFF}{}", sample_text());
    assert_eq!(
        parsed_document(with_mark.as_bytes()),
        document(Business::New)
    );
    let utf16: Vec<u8> = sample_text()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(parsed(&utf16).unwrap_err().code(), Some("E-XML"));
    for head in ["encoding=\"UTF-16\"", "encoding=\"windows-1258\""] {
        let text = sample_with("encoding=\"UTF-8\"", head);
        assert_eq!(parsed(text.as_bytes()).unwrap_err().code(), Some("E-XML"));
    }
    let lower = sample_with("encoding=\"UTF-8\"", "encoding='utf-8'");
    assert_eq!(parsed_document(lower.as_bytes()), document(Business::New));
}

#[test]
fn the_correct_spelling_of_business_and_odd_letter_case_are_read() {
    let update = document(businesses()[2].clone());
    let text = String::from_utf8(written(&update, Form::DotNet)).unwrap();
    assert_eq!(
        parsed_document(text.replace("Bussiness", "Business").as_bytes()),
        update
    );
    let upper = text
        .replace("OrganName", "ORGANNAME")
        .replace("edXML:Subject", "edXML:subject");
    assert_eq!(parsed_document(upper.as_bytes()), update);
    let older = text
        .replace("PromulgationDate", "Date")
        .replace("FullName", "Signer");
    assert_eq!(parsed_document(older.as_bytes()), update);
}

#[test]
fn the_four_date_forms_mean_the_same_day_and_repairs_are_said() {
    for (text, repaired) in [
        ("2026/01/09", false),
        ("2026-01-09", true),
        ("09/01/2026", true),
        ("9/1/2026", true),
    ] {
        let sample = sample_with("Date>2026/01/09<", &format!("Date>{text}<"));
        let packet = parsed_document(sample.as_bytes());
        assert_eq!(packet.issued.date, Some(today()), "{text}");
        assert_eq!(
            warning_codes(&packet.warnings).contains(&"W-DATE"),
            repaired,
            "{text}"
        );
    }
}

#[test]
fn impossible_and_ambiguous_dates_are_faults_not_guesses() {
    // `20/11/25` is the trap of the public parser: it must never become the year 20 or 25.
    for text in [
        "2026/02/30",
        "2025/02/29",
        "2026/13/01",
        "2026/00/10",
        "20/11/25",
        "26/01/09",
        "0026/01/09",
        "2026/01",
        "2026/01/09/01",
        "hôm nay",
        "+2026/01/09",
        "2026/ 1/09",
        "29/02/1900",
    ] {
        let sample = sample_with("Date>2026/01/09<", &format!("Date>{text}<"));
        let packet = parsed_document(sample.as_bytes());
        assert_eq!(packet.issued.date, None, "{text}");
        let validation = validate::document(&packet, today());
        assert_eq!(
            codes(&validation.faults),
            ["T.MessageHeader.PromulgationInfo.PromulgationDate"],
            "{text}"
        );
    }
    assert_eq!(
        Date::parse("29/02/2024").unwrap().value,
        Date::new(2024, 2, 29).unwrap()
    );
    assert_eq!(Date::parse("20/11/2025").unwrap().value.year(), 2025);
}

#[test]
fn timestamps_are_vietnam_time_in_every_form() {
    for text in [
        "2026/01/09 08:30:00",
        "09/01/2026 08:30:00",
        "2026-01-09 08:30:00",
        "2026-01-09T08:30:00+07:00",
        "2026-01-09T01:30:00Z",
        "2026-01-09T01:30:00.000Z",
        "2026-01-08T20:30:00-05:00",
    ] {
        assert_eq!(parse_timestamp(text).unwrap().value, now(), "{text}");
    }
    assert!(!parse_timestamp("2026/01/09 08:30:00").unwrap().repaired);
    for text in [
        "2026/01/09 25:00:00",
        "2026/01/09",
        "2026/01/09 8:30",
        "x",
        "2026-01-09T01:30:00é",
    ] {
        assert!(parse_timestamp(text).is_none(), "{text}");
    }
    assert_eq!(format_timestamp(now()).unwrap(), "2026/01/09 08:30:00");
}

#[test]
fn numbers_that_are_none_are_faults_of_their_field() {
    for text in ["abc", "-1", "1.5", "99999999999", "١"] {
        let sample = sample_with("Priority>1<", &format!("Priority>{text}<"));
        let packet = parsed_document(sample.as_bytes());
        assert_eq!(
            codes(&packet.faults),
            ["T.MessageHeader.OtherInfo.Priority"],
            "{text}"
        );
        assert_eq!(packet.other.priority, None);
    }
    let sample = sample_with("Priority>1<", "Priority> 01 <");
    assert_eq!(parsed_document(sample.as_bytes()).other.priority, Some(1));
}

#[test]
fn an_empty_optional_element_is_absent() {
    let sample = sample_with(
        "<edXML:Content>Tóm tắt</edXML:Content>",
        "<edXML:Content> </edXML:Content>",
    );
    let packet = parsed_document(sample.as_bytes());
    assert_eq!(packet.summary, None);
    assert!(packet.warnings.is_empty() && packet.faults.is_empty());
}

#[test]
fn text_where_elements_belong_is_said() {
    let sample = sample_with("<edXML:Code>", "<edXML:Code>05/STN-VP");
    let packet = parsed_document(sample.as_bytes());
    assert_eq!(warning_codes(&packet.warnings), ["W-TYPE"]);
    assert_eq!(packet.warnings[0].path, "MessageHeader/Code");
    assert_eq!(packet.code, document(Business::New).code);
}

#[test]
fn an_element_that_must_be_one_and_stands_twice_is_a_fault() {
    let sample = sample_with(
        "<edXML:Subject>",
        "<edXML:Subject>Một</edXML:Subject><edXML:Subject>",
    );
    let packet = parsed_document(sample.as_bytes());
    assert_eq!(packet.subject, "Một");
    assert_eq!(
        codes(&validate::document(&packet, today()).faults),
        ["E-XML"]
    );
}

#[test]
fn an_element_of_a_foreign_namespace_is_never_taken_for_ours() {
    // Signature wrapping starts like this: a second Subject that only some readers believe.
    let sample = sample_with(
        "<edXML:Subject>",
        "<f:Subject xmlns:f=\"urn:f\">Giả</f:Subject><edXML:Subject>",
    );
    let packet = parsed_document(sample.as_bytes());
    assert_eq!(packet.subject, document(Business::New).subject);
    assert_eq!(packet.extensions.len(), 1);
}

#[test]
fn a_status_code_without_its_zero_is_repaired_and_unknown_ones_are_kept() {
    let text = String::from_utf8(written_status(&status(StatusCode::Arrived), Form::Java)).unwrap();
    let packet = parsed_status(text.replace(">01<", ">1<").as_bytes());
    assert_eq!(packet.code, StatusCode::Arrived);
    assert_eq!(warning_codes(&packet.warnings), ["W-TYPE"]);
    let packet = parsed_status(text.replace(">01<", ">14<").as_bytes());
    assert_eq!(packet.code, StatusCode::Other("14".to_owned()));
    assert_eq!(
        parsed_status(&written_status(&packet, Form::DotNet)),
        packet
    );
}

/// The children of the sample's MessageHeader, each as text.
fn header_children() -> Vec<String> {
    let text = sample_text();
    let start = text.find("<edXML:MessageHeader>").unwrap() + "<edXML:MessageHeader>".len();
    let end = text.find("</edXML:MessageHeader>").unwrap();
    let mut children = Vec::new();
    let mut current = String::new();
    for line in text[start..end].lines() {
        current.push_str(line);
        let outermost = line.starts_with("        <") && !line.starts_with("         ");
        let closes = line.contains("</") && outermost;
        if closes {
            children.push(std::mem::take(&mut current));
        }
    }
    children
}

#[test]
fn the_sample_has_all_its_components() {
    assert_eq!(
        header_children().len(),
        17,
        "the permutation test needs each as one piece"
    );
}

proptest! {
    #[test]
    fn components_in_any_order_read_the_same(order in Just(header_children()).prop_shuffle()) {
        let text = sample_text();
        let start = text.find("<edXML:MessageHeader>").unwrap() + "<edXML:MessageHeader>".len();
        let end = text.find("</edXML:MessageHeader>").unwrap();
        let shuffled = format!("{}{}{}", &text[..start], order.concat(), &text[end..]);
        let mut packet = parsed_document(shuffled.as_bytes());
        // The receivers are a list: their order is content.
        packet.to.sort_by_key(|org| std::cmp::Reverse(org.organ_id.clone()));
        packet.warnings.retain(|warning| warning.code != "W-ORDER");
        prop_assert_eq!(packet, document(Business::New));
    }

    #[test]
    fn every_day_survives_writing_and_reading(days in -300_000_i64..2_900_000) {
        let date = Date::from_days(days).unwrap();
        prop_assert_eq!(date.days(), days);
        prop_assert_eq!(Date::parse(&date.to_string()).unwrap().value, date);
        prop_assert!(!Date::parse(&date.to_string()).unwrap().repaired);
        prop_assert_eq!(Date::parse(&date.vietnam()).unwrap().value, date);
        prop_assert_eq!(Date::parse(&date.iso()).unwrap().value, date);
    }
}
