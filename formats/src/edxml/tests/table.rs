//! Every row of the packet's table [edxml-model 2, 3], one line each: it is read, written in both
//! forms, its absence is judged, and every wrong value gives exactly its codes.
//!
//! A line names the row, the sample it is tried on, the place, another good value, the codes that
//! come when the element is left out (`?`: another test), and wrong values with their codes. `x*51` stands for a text of
//! 51 characters. Codes are those that the unchanged sample does not have, in order, once each.

use std::collections::BTreeSet;

use super::samples::*;
use crate::edxml::{Business, Form, Packet, StatusCode, validate};

/// Which sample a line is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    New,
    Recall,
    Replace,
    Status,
    Update,
}

/// Row, sample, place, good value, codes when absent, wrong values with their codes.
type Line = (
    &'static str,
    On,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// The sample for a line in one form.
fn sample(on: On, form: Form) -> String {
    let [new, recall, update, replace] = businesses();
    let bytes = match on {
        On::New => written(&document(new), form),
        On::Recall => written(&document(recall), form),
        On::Replace => written(&document(replace), form),
        On::Update => written(&document(update), form),
        On::Status => written_status(&status(StatusCode::Refused), form),
    };
    String::from_utf8(bytes).unwrap()
}

/// Where an element and its content stand: start, content start, content end, end. Our writer gives
/// each element its line, two blanks deeper than its parent.
fn locate(text: &str, place: &str) -> [usize; 4] {
    let mut at = 0;
    let mut indent = None;
    let mut name = "";
    for step in place.split('/') {
        let (step, count) = match step.split_once('[') {
            Some((step, count)) => (step, count.trim_end_matches(']').parse().unwrap()),
            None => (step, 1),
        };
        name = step;
        for _ in 0..count {
            let found = next_element(text, at + 1, step, indent);
            at = found.unwrap_or_else(|| panic!("{place}: no {step}"));
        }
        let line = text[..at].rfind('\n').unwrap() + 1;
        indent = Some(at - line + 2);
    }
    let inside = at + text[at..].find('>').unwrap() + 1;
    let prefixed = text[at..].starts_with("<edXML:");
    let close = if prefixed {
        format!("</edXML:{name}>")
    } else {
        format!("</{name}>")
    };
    let outside = inside + text[inside..].find(&close).unwrap();
    [at, inside, outside, outside + close.len()]
}

/// The next start tag of exactly this name and, if given, at this indentation.
fn next_element(text: &str, from: usize, name: &str, indent: Option<usize>) -> Option<usize> {
    let tags = [format!("<edXML:{name}"), format!("<{name}")];
    text[from..].match_indices('<').find_map(|(found, _)| {
        let at = from + found;
        let named = |tag: &String| {
            let rest = text[at..].strip_prefix(tag.as_str());
            rest.is_some_and(|rest| rest.starts_with([' ', '>']))
        };
        let line = text[..at].rfind('\n')? + 1;
        let placed = indent.is_none_or(|indent| at - line == indent);
        (placed && tags.iter().any(named)).then_some(at)
    })
}

fn with_value(text: &str, place: &str, value: &str) -> String {
    let [_, inside, outside, _] = locate(text, place);
    format!("{}{value}{}", &text[..inside], &text[outside..])
}

fn without(text: &str, place: &str) -> String {
    let [start, _, _, end] = locate(text, place);
    format!("{}{}", &text[..start], &text[end..])
}

fn long(value: &str) -> String {
    match value.split_once('*') {
        Some((unit, count)) => unit.repeat(count.parse().unwrap()),
        None => value.to_owned(),
    }
}

fn found(text: &str) -> BTreeSet<String> {
    let validation = match parsed(text.as_bytes()).unwrap() {
        Packet::Document(packet) => validate::document(&packet, today()),
        Packet::Status(packet) => validate::status(&packet, today()),
    };
    let faults = validation.faults.into_iter().map(|fault| fault.code);
    let warnings = validation.warnings.iter().map(|w| w.code.to_owned());
    faults.chain(warnings).collect()
}

/// Codes that a changed sample has and the unchanged one has not.
fn new_codes(changed: &str, base: &BTreeSet<String>) -> String {
    let codes: Vec<String> = found(changed).difference(base).cloned().collect();
    codes.join(" ")
}

fn rewritten(packet: &Packet, form: Form) -> String {
    let bytes = match packet {
        Packet::Document(packet) => written(packet, form),
        Packet::Status(packet) => written_status(packet, form),
    };
    String::from_utf8(bytes).unwrap()
}

/// All complaints about one line; none when the line holds.
fn complaints(line: &Line) -> Vec<String> {
    let (row, on, place, good, absent, wrong) = *line;
    let mut said = Vec::new();
    let mut expect = |what: String, found: String, expected: &str| {
        if found != expected {
            said.push(format!(
                "{row} {place}: {what}: [{found}], not [{expected}]"
            ));
        }
    };
    for (form, other) in [(Form::DotNet, Form::Java), (Form::Java, Form::DotNet)] {
        let text = sample(on, form);
        let base = found(&text);
        // Read into a field, written back by both forms with the same meaning.
        let changed = with_value(&text, place, good);
        let packet = parsed(changed.as_bytes()).unwrap();
        let kept = match &packet {
            Packet::Document(packet) => packet.extensions.len(),
            Packet::Status(packet) => packet.extensions.len(),
        };
        expect("unknown to the reader".to_owned(), kept.to_string(), "0");
        let again = rewritten(&packet, form);
        let [_, inside, outside, _] = locate(&again, place);
        expect(format!("{form:?}"), again[inside..outside].to_owned(), good);
        let back = parsed(rewritten(&packet, other).as_bytes()).unwrap();
        expect(format!("{other:?}"), (back == packet).to_string(), "true");
        if absent != "?" {
            let absence = new_codes(&without(&text, place), &base);
            expect("absent".to_owned(), absence, absent);
            let emptied = new_codes(&with_value(&text, place, " "), &base);
            expect("empty".to_owned(), emptied, absent);
        }
        for (value, codes) in wrong {
            let changed = with_value(&text, place, &long(value));
            expect(value.to_string(), new_codes(&changed, &base), codes);
        }
    }
    said
}

#[test]
fn every_row_is_read_written_and_judged() {
    let said: Vec<String> = LINES.iter().flat_map(complaints).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
    // Each row of the model stands in the table: a new row needs its line.
    let rows: BTreeSet<&str> = LINES.iter().map(|line| line.0).collect();
    let sections = [
        "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9", "1.10", "1.11", "1.12",
        "1.13", "1.14", "ext", "2.1", "2.2", "4", "5", "status",
    ];
    for section in sections {
        assert!(rows.contains(section), "no line for {section}");
    }
}

/// Rows that may be left out together with what stands in them.
#[test]
fn every_structure_may_be_missing_and_says_so() {
    for (on, place, codes) in STRUCTURES {
        for form in [Form::DotNet, Form::Java] {
            let text = sample(*on, form);
            let absent = new_codes(&without(&text, place), &found(&text));
            assert_eq!(&absent, codes, "{place} in {form:?}");
        }
    }
    let text = sample(On::New, Form::DotNet);
    let nobody = without(&without(&text, "MessageHeader/To[2]"), "MessageHeader/To");
    assert_eq!(new_codes(&nobody, &found(&text)), "N.MessageHeader.To");
}

/// The rows that are attributes [edxml-model 2.0, 4].
#[test]
fn attributes_are_read_and_written() {
    for form in [Form::DotNet, Form::Java] {
        let text = sample(On::New, form);
        let base = found(&text);
        assert!(text.contains("<edXML:TraceHeaderList id=\"a1b2c3d4\" version=\"1.0\">"));
        let with = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        };
        let other = with("a1b2c3d4", "0123456789abcdef");
        assert_eq!(
            parsed_document(other.as_bytes()).trace.id,
            "0123456789abcdef"
        );
        assert_eq!(new_codes(&with("a1b2c3d4", "a1"), &base), "W-LEN");
        assert_eq!(new_codes(&with(" id=\"a1b2c3d4\"", ""), &base), "W-LEN");
        assert_eq!(
            new_codes(&with(" id=\"a1b2c3d4\" version=\"1.0\"", ""), &base),
            "W-LEN"
        );
        // Attributes of the .NET dialect are kept, with the namespace of their prefix.
        let soap = with(
            "<edXML:TraceHeaderList ",
            "<edXML:TraceHeaderList xmlns:s=\"urn:s\" s:mustUnderstand=\"1\" \
             actor=\"http://schemas.xmlsoap.org/soap/actor/next\" ",
        );
        let packet = parsed_document(soap.as_bytes());
        let places: Vec<&str> = packet.extensions.iter().map(|e| e.place.as_str()).collect();
        assert_eq!(
            places,
            [
                "TraceHeaderList/@s:mustUnderstand",
                "TraceHeaderList/@xmlns:s",
                "TraceHeaderList/@actor"
            ]
        );
        let again = String::from_utf8(written(&packet, form)).unwrap();
        assert!(again.contains("xmlns:s=\"urn:s\"") && again.contains(" actor=\"http"));
        assert!(
            super::xmllint::xmllint(again.as_bytes())
                .is_none_or(|(ok, said)| ok && said.is_empty())
        );
        let mut back = parsed_document(again.as_bytes());
        back.extensions
            .sort_by(|one, other| one.place.cmp(&other.place));
        let mut packet = packet;
        packet
            .extensions
            .sort_by(|one, other| one.place.cmp(&other.place));
        assert_eq!(back, packet);
    }
    let text = sample(On::New, Form::DotNet);
    for part in [
        "xlink:type=\"simple\"",
        "xlink:role=\"XLinkRole\"",
        "xlink:href=\"cid:f1\"",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!sample(On::New, Form::Java).contains("xlink"));
    assert!(text.contains("<edXML:edXMLManifest version=\"1.0\""));
}

/// Vendor fields that we neither show nor change stay where they were [edxml-model 2, rows "keep"].
#[test]
fn vendor_fields_are_kept_in_place() {
    let at = |place: &str, name: &str| (place.to_owned(), name.to_owned());
    for (place, name) in [
        at("MessageHeader/OtherInfo", "edXML:Direction"),
        at("TraceHeaderList/Bussiness/StaffInfo", "edXML:DepartmentId"),
        at("TraceHeaderList/Bussiness/StaffInfo", "edXML:StaffId"),
        at("AttachmentEncoded/Attachment[1]", "FieldName"),
        at("AttachmentEncoded/Attachment[1]", "MimeType"),
        at("AttachmentEncoded/Attachment[1]", "Format"),
    ] {
        for form in [Form::DotNet, Form::Java] {
            let text = sample(On::New, form);
            let [_, inside, _, _] = locate(&text, &place);
            let element = format!("<{name}>application/pdf</{name}>");
            let changed = format!("{}{element}{}", &text[..inside], &text[inside..]);
            let packet = parsed_document(changed.as_bytes());
            assert_eq!(packet.extensions.len(), 1, "{name}");
            assert_eq!(packet.extensions[0].place, place);
            assert_eq!(packet.extensions[0].xml, element);
            let back = parsed_document(&written(&packet, form));
            assert_eq!(back, packet, "{name}");
        }
    }
    // MimeType wins over ContentType when it is one.
    let typed = |mime: &str| {
        let text = sample(On::New, Form::DotNet);
        let [_, inside, _, _] = locate(&text, "AttachmentEncoded/Attachment[2]");
        let element = format!("<MimeType>{mime}</MimeType>");
        let changed = format!("{}{element}{}", &text[..inside], &text[inside..]);
        parsed_document(changed.as_bytes()).attachments[1]
            .mime
            .clone()
    };
    assert_eq!(typed("text/csv"), "text/csv");
    assert_eq!(typed("không phải"), "text/plain");
}

#[test]
fn the_business_of_a_new_document_is_zero() {
    assert_eq!(
        parsed_document(sample(On::New, Form::Java).as_bytes()).business,
        Business::New
    );
}

const ORG: &[(&str, &str)] = &[
    ("H98.1234567", "T.MessageHeader.From.OrganId W-DOCID"),
    ("h98.07", "W-TYPE"),
    (
        "H98.07*8",
        "R.MessageHeader.From.OrganId T.MessageHeader.From.OrganId W-DOCID",
    ),
    ("Z98.07", "W-DOCID W-TYPE"),
];

/// What is missing as a whole, and the codes that say so.
#[rustfmt::skip]
const STRUCTURES: &[(On, &str, &str)] = &[
    (On::New, "MessageHeader/From", "N.MessageHeader.From.OrganId W-MISSING"),
    (On::New, "MessageHeader/To[2]", ""),
    (On::New, "MessageHeader/Code", "N.MessageHeader.Code"),
    (On::New, "MessageHeader/PromulgationInfo", "N.MessageHeader.PromulgationDate"),
    (On::New, "MessageHeader/DocumentType", "W-MISSING W-TYPE"),
    (On::New, "MessageHeader/SignerInfo", "W-MISSING"),
    (On::New, "MessageHeader/ToPlaces", ""),
    (On::New, "MessageHeader/OtherInfo", ""),
    (On::New, "MessageHeader/ResponseFor", ""),
    (On::New, "MessageHeader/ResponseForTask", ""),
    (On::New, "TraceHeaderList", "W-LEN W-MISSING"),
    (On::New, "TraceHeaderList/TraceHeader", "W-MISSING"),
    (On::New, "TraceHeaderList/Bussiness", ""),
    (On::New, "TraceHeaderList/Bussiness/StaffInfo", ""),
    (On::Update, "TraceHeaderList/Bussiness/BussinessDocumentInfo", "W-TYPE"),
    (On::Update, "TraceHeaderList/Bussiness/BussinessDocumentInfo/ReceiverList", "M.TraceHeaderList.Bussiness.BussinessDocumentInfo.DocumentReceiver"),
    (On::Replace, "TraceHeaderList/Bussiness/ReplacementInfoList", "E-BUSINESS"),
    (On::Replace, "TraceHeaderList/Bussiness/ReplacementInfoList/ReplacementInfo/OrganIdList", "N.TraceHeaderList.Bussiness.ReplacementInfoList.ReplacementInfo.OrganIdList"),
    (On::New, "edXMLBody", "E-ATTACH"),
    (On::New, "edXMLManifest/Reference", "E-ATTACH"),
    (On::New, "AttachmentEncoded", "E-ATTACH"),
    (On::New, "AttachmentEncoded/Attachment", "E-ATTACH"),
    (On::Status, "MessageHeader/From", "N.MessageHeader.From.OrganId W-MISSING"),
    (On::Status, "MessageHeader/ResponseFor", "N.MessageHeader.ResponseFor.Code N.MessageHeader.ResponseFor.OrganId N.MessageHeader.ResponseFor.PromulgationDate W-MISSING"),
    (On::Status, "MessageHeader/StaffInfo", "W-MISSING"),
];

#[rustfmt::skip] // One line for each row, as in the model.
const LINES: &[Line] = &[
    ("1.1", On::New, "MessageHeader/From/OrganId", "H98.07", "N.MessageHeader.From.OrganId", ORG),
    ("1.1", On::New, "MessageHeader/From/OrganizationInCharge", "H98", "", &[("x*201", "R.MessageHeader.From.OrganizationInCharge")]),
    ("1.1", On::New, "MessageHeader/From/OrganName", "Sở Khác", "W-MISSING", &[("ế*200", ""), ("ế*201", "R.MessageHeader.From.OrganName")]),
    ("1.1", On::New, "MessageHeader/From/OrganAdd", "2 Phố", "", &[("x*251", "R.MessageHeader.From.OrganAdd")]),
    ("1.1", On::New, "MessageHeader/From/Email", "a@b.vn", "", &[("a.b.vn", "T.MessageHeader.From.Email"), ("a@b@c", "T.MessageHeader.From.Email"), ("@*101", "R.MessageHeader.From.Email T.MessageHeader.From.Email")]),
    ("1.1", On::New, "MessageHeader/From/Telephone", "024", "", &[("0*21", "W-LEN"), ("0*51", "R.MessageHeader.From.Telephone W-LEN")]),
    ("1.1", On::New, "MessageHeader/From/Fax", "024", "", &[("0*21", "W-LEN"), ("0*51", "R.MessageHeader.From.Fax W-LEN")]),
    ("1.1", On::New, "MessageHeader/From/Website", "b.vn", "", &[("x*101", "R.MessageHeader.From.Website")]),
    ("1.2", On::New, "MessageHeader/To[1]/OrganId", "H98.152", "N.MessageHeader.To.OrganId", &[("H98.07", "W-SELF"), ("000.00.03.H29", "M.MessageHeader.To.OrganId"), ("000.00.03.h29", "M.MessageHeader.To.OrganId W-TYPE"), ("xã", "T.MessageHeader.To.OrganId")]),
    ("1.2", On::New, "MessageHeader/To[1]/OrganName", "UBND", "W-MISSING", &[("x*201", "R.MessageHeader.To.OrganName")]),
    ("1.3", On::New, "MessageHeader/Code/CodeNumber", "05", "N.MessageHeader.Code.CodeNumber", &[("5", "W-DOCID"), ("12a", "W-DOCID"), ("a12", "T.MessageHeader.Code.CodeNumber W-DOCID"), ("1 2", "T.MessageHeader.Code.CodeNumber W-DOCID"), ("1*12", "R.MessageHeader.Code.CodeNumber W-DOCID")]),
    ("1.3", On::New, "MessageHeader/Code/CodeNotation", "STN-VP", "N.MessageHeader.Code.CodeNotation", &[("QĐ UBND", "T.MessageHeader.Code.CodeNotation W-DOCID"), ("a/b/c/d", "W-DOCID W-TYPE"), ("x*31", "R.MessageHeader.Code.CodeNotation W-DOCID")]),
    ("1.4", On::New, "MessageHeader/PromulgationInfo/Place", "Huế", "", &[("x*51", "R.MessageHeader.PromulgationInfo.Place")]),
    ("1.4", On::New, "MessageHeader/PromulgationInfo/PromulgationDate", "2026/01/09", "N.MessageHeader.PromulgationDate", &[("2026/01/10", "W-DOCID"), ("2026/01/11", "R.MessageHeader.PromulgationInfo.PromulgationDate W-DOCID"), ("2025/01/01", "W-DATE W-DOCID"), ("09/01/2026", "W-DATE"), ("09/01/26", "T.MessageHeader.PromulgationInfo.PromulgationDate")]),
    ("1.5", On::New, "MessageHeader/DocumentType/Type", "2", "W-MISSING", &[("18", ""), ("x", "T.MessageHeader.DocumentType.Type"), ("1", "W-TYPE")]),
    ("1.5", On::New, "MessageHeader/DocumentType/TypeDetail", "18", "", &[("0", ""), ("10", "W-TYPE"), ("99", ""), ("-1", "T.MessageHeader.DocumentType.TypeDetail")]),
    ("1.5", On::New, "MessageHeader/DocumentType/TypeName", "Công văn", "W-MISSING", &[("Kế hoạch", "W-TYPE"), ("x*101", "R.MessageHeader.DocumentType.TypeName W-TYPE")]),
    ("1.6", On::New, "MessageHeader/Subject", "V/v khác", "N.MessageHeader.Subject", &[("ệ*500", ""), ("x*501", "R.MessageHeader.Subject"), ("MẬT: việc", "E-SECRET"), ("Bảo mật thông tin", "")]),
    ("1.7", On::New, "MessageHeader/Content", "khác", "", &[("x*501", "R.MessageHeader.Content")]),
    ("1.8", On::New, "MessageHeader/SignerInfo/Competence", "TM.", "", &[("x*101", "R.MessageHeader.SignerInfo.Competence")]),
    ("1.8", On::New, "MessageHeader/SignerInfo/Position", "Giám đốc", "", &[("x*101", "R.MessageHeader.SignerInfo.Position")]),
    ("1.8", On::New, "MessageHeader/SignerInfo/FullName", "Trần B", "W-MISSING", &[("x*51", "W-LEN"), ("x*101", "R.MessageHeader.SignerInfo.FullName W-LEN")]),
    ("1.9", On::New, "MessageHeader/DueDate", "2026/01/21", "", &[("2026/01/08", "W-DATE"), ("mai", "T.MessageHeader.DueDate")]),
    ("1.10", On::New, "MessageHeader/ToPlaces/Place[1]", "Như kính gửi", "", &[("x*151", "W-LEN"), ("x*1001", "W-LEN")]),
    ("1.11", On::New, "MessageHeader/OtherInfo/Priority", "4", "", &[("5", "R.MessageHeader.OtherInfo.Priority"), ("khẩn", "T.MessageHeader.OtherInfo.Priority")]),
    ("1.11", On::New, "MessageHeader/OtherInfo/SphereOfPromulgation", "Xem xong trả lại", "", &[("x*101", "R.MessageHeader.OtherInfo.SphereOfPromulgation"), ("Mật", "E-SECRET")]),
    ("1.11", On::New, "MessageHeader/OtherInfo/TyperNotation", "AB", "", &[("x*11", "R.MessageHeader.OtherInfo.TyperNotation")]),
    ("1.11", On::New, "MessageHeader/OtherInfo/PromulgationAmount", "999", "", &[("1000", "R.MessageHeader.OtherInfo.PromulgationAmount"), ("-1", "T.MessageHeader.OtherInfo.PromulgationAmount")]),
    ("1.11", On::New, "MessageHeader/OtherInfo/PageAmount", "999", "", &[("1000", "R.MessageHeader.OtherInfo.PageAmount"), ("1.5", "T.MessageHeader.OtherInfo.PageAmount")]),
    ("1.11", On::New, "MessageHeader/OtherInfo/Appendixes/Appendix[1]", "II", "", &[("x*251", "R.MessageHeader.OtherInfo.Appendixes.Appendix")]),
    ("1.11", On::New, "MessageHeader/OtherInfo/ReplyFors", "y", "", &[]),
    ("1.11", On::New, "MessageHeader/OtherInfo/ReferenceCodes", "H98.07-260110-0002", "", &[]),
    ("1.12", On::New, "MessageHeader/ResponseFor/OrganId", "H98.152", "W-MISSING", &[("xã", "T.MessageHeader.ResponseFor.OrganId")]),
    ("1.12", On::New, "MessageHeader/ResponseFor/Code", "13/UBND", "W-MISSING", &[("x*43", "R.MessageHeader.ResponseFor.Code")]),
    ("1.12", On::New, "MessageHeader/ResponseFor/PromulgationDate", "2026/01/03", "W-MISSING", &[("x", "T.MessageHeader.ResponseFor.PromulgationDate"), ("2026-01-03", "W-DATE")]),
    ("1.12", On::New, "MessageHeader/ResponseFor/DocumentId", "y", "W-MISSING", &[("x*251", "R.MessageHeader.ResponseFor.DocumentId")]),
    ("1.13", On::New, "MessageHeader/SteeringType", "3", "", &[("4", "W-TYPE"), ("x", "T.MessageHeader.SteeringType")]),
    ("1.14", On::New, "MessageHeader/DocumentId", "số 5", "N.MessageHeader.DocumentId", &[("H98.07,2026/01/09,06/STN-VP", "W-DOCID"), ("x*251", "R.MessageHeader.DocumentId")]),
    ("ext", On::New, "MessageHeader/ResponseForTask/TaskCode[1]", "NV-3", "", &[]),
    ("ext", On::New, "MessageHeader/ApplicationType", "KHAC", "", &[]),
    ("2.1", On::New, "TraceHeaderList/TraceHeader/OrganId", "H98.08", "W-MISSING", &[]),
    ("2.1", On::New, "TraceHeaderList/TraceHeader/Timestamp", "2026/01/09 23:59:59", "W-MISSING", &[("2026/01/11 00:00:00", "W-CLOCK"), ("09/01/2026 08:30:00", "W-DATE"), ("2026-01-09T01:30:00Z", "W-DATE"), ("2026/01/09", "T.TraceHeaderList.TraceHeader.Timestamp")]),
    ("2.2", On::New, "TraceHeaderList/Bussiness/BussinessDocType", "0", "", &[("44", "E-BUSINESS"), ("x", "T.TraceHeaderList.Bussiness.BussinessDocType"), ("1", "E-BUSINESS N.Reason")]),
    ("2.2", On::Recall, "TraceHeaderList/Bussiness/BussinessDocType", "1", "", &[]),
    ("2.2", On::Recall, "TraceHeaderList/Bussiness/BussinessDocReason", "khác", "N.Reason", &[("x*501", "R.TraceHeaderList.Bussiness.BussinessDocReason")]),
    ("2.2", On::Recall, "TraceHeaderList/Bussiness/DocumentId", "y", "E-BUSINESS", &[("x*251", "R.TraceHeaderList.Bussiness.DocumentId")]),
    ("2.2", On::New, "TraceHeaderList/Bussiness/Paper", "0", "", &[("7", "W-TYPE"), ("có", "T.TraceHeaderList.Bussiness.Paper")]),
    ("2.2", On::Update, "TraceHeaderList/Bussiness/BussinessDocReason", "khác", "N.Reason", &[]),
    ("2.2", On::Update, "TraceHeaderList/Bussiness/DocumentId", "y", "E-BUSINESS", &[]),
    ("2.2", On::Update, "TraceHeaderList/Bussiness/BussinessDocumentInfo/DocumentInfo", "0", "", &[("2", "R.TraceHeaderList.Bussiness.BussinessDocumentInfo.DocumentInfo")]),
    ("2.2", On::Update, "TraceHeaderList/Bussiness/BussinessDocumentInfo/DocumentReceiver", "1", "M.TraceHeaderList.Bussiness.BussinessDocumentInfo.DocumentReceiver", &[("0", "M.TraceHeaderList.Bussiness.BussinessDocumentInfo.DocumentReceiver")]),
    ("2.2", On::Update, "TraceHeaderList/Bussiness/BussinessDocumentInfo/ReceiverList/Receiver[1]/OrganId", "H98.160", "N.TraceHeaderList.Bussiness.BussinessDocumentInfo.ReceiverList.Receiver.OrganId", &[("xã", "T.TraceHeaderList.Bussiness.BussinessDocumentInfo.ReceiverList.Receiver.OrganId")]),
    ("2.2", On::Update, "TraceHeaderList/Bussiness/BussinessDocumentInfo/ReceiverList/Receiver[1]/ReceiverType", "1", "N.TraceHeaderList.Bussiness.BussinessDocumentInfo.ReceiverList.Receiver.ReceiverType", &[("2", "R.TraceHeaderList.Bussiness.BussinessDocumentInfo.ReceiverList.Receiver.ReceiverType"), ("x", "T.TraceHeaderList.Bussiness.BussinessDocumentInfo.ReceiverList.Receiver.ReceiverType")]),
    ("2.2", On::Replace, "TraceHeaderList/Bussiness/BussinessDocReason", "khác", "N.Reason", &[]),
    ("2.2", On::Replace, "TraceHeaderList/Bussiness/ReplacementInfoList/ReplacementInfo/DocumentId", "y", "E-BUSINESS", &[("x*251", "R.TraceHeaderList.Bussiness.ReplacementInfoList.ReplacementInfo.DocumentId")]),
    ("2.2", On::Replace, "TraceHeaderList/Bussiness/ReplacementInfoList/ReplacementInfo/OrganIdList/OrganId[1]", "H98.160", "", &[("xã", "T.TraceHeaderList.Bussiness.ReplacementInfoList.ReplacementInfo.OrganIdList.OrganId")]),
    ("2.2", On::New, "TraceHeaderList/Bussiness/StaffInfo/Department", "Phòng A", "", &[("x*201", "R.TraceHeaderList.Bussiness.StaffInfo.Department")]),
    ("2.2", On::New, "TraceHeaderList/Bussiness/StaffInfo/Staff", "Lê A", "", &[("x*101", "R.TraceHeaderList.Bussiness.StaffInfo.Staff")]),
    ("2.2", On::New, "TraceHeaderList/Bussiness/StaffInfo/Email", "a@b.vn", "", &[("a", "T.TraceHeaderList.Bussiness.StaffInfo.Email")]),
    ("2.2", On::New, "TraceHeaderList/Bussiness/StaffInfo/Mobile", "09", "", &[("0*51", "R.TraceHeaderList.Bussiness.StaffInfo.Mobile")]),
    ("4", On::New, "edXMLManifest/Reference[1]/ContentId", "cid:f1", "?", &[("cid:f9", "E-ATTACH"), ("cid:f2", "E-ATTACH W-ATTACH"), ("f1", ""), ("CID: f1", "")]),
    ("4", On::New, "edXMLManifest/Reference[1]/ContentType", "application/pdf", "", &[("application/zip", "")]),
    ("4", On::New, "edXMLManifest/Reference[1]/Description", "văn bản chính", "", &[]),
    ("4", On::New, "edXMLManifest/Reference[1]/AttachmentName", "05-STN-VP.pdf", "", &[("khác.pdf", "W-ATTACH")]),
    ("5", On::New, "AttachmentEncoded/Attachment[1]/ContentId", "cid:f1", "E-ATTACH N.AttachmentEncoded.Attachment.ContentId", &[("f1", ""), ("cid:f9", "E-ATTACH"), ("cid:f2", "E-ATTACH W-ATTACH")]),
    ("5", On::New, "AttachmentEncoded/Attachment[1]/AttachmentName", "05-STN-VP.pdf", "", &[("a/b.pdf", "W-ATTACH"), ("x*201", "R.AttachmentEncoded.Attachment.AttachmentName W-ATTACH")]),
    ("5", On::New, "AttachmentEncoded/Attachment[1]/ContentType", "application/pdf", "", &[("application/x-pdf", "W-MIME"), ("image/png", "W-MIME"), ("application/zip", "W-MIME")]),
    ("5", On::New, "AttachmentEncoded/Attachment[1]/Description", "chính", "", &[("x*501", "R.AttachmentEncoded.Attachment.Description")]),
    ("5", On::New, "AttachmentEncoded/Attachment[1]/ContentTransferEncoded", "JVBERi0xLjQK", "E-ATTACH", &[("!", "E-ATTACH"), ("JVBERi0xLjQ", "E-ATTACH")]),
    ("status", On::Status, "MessageHeader/From/OrganId", "H98.152", "N.MessageHeader.From.OrganId", &[("xã", "T.MessageHeader.From.OrganId")]),
    ("status", On::Status, "MessageHeader/From/OrganName", "UBND", "W-MISSING", &[]),
    ("status", On::Status, "MessageHeader/ResponseFor/OrganId", "H98.08", "W-MISSING", &[("xã", "T.MessageHeader.ResponseFor.OrganId")]),
    ("status", On::Status, "MessageHeader/ResponseFor/Code", "6/STN", "W-MISSING", &[("x*43", "R.MessageHeader.ResponseFor.Code")]),
    ("status", On::Status, "MessageHeader/ResponseFor/PromulgationDate", "2026/01/08", "W-MISSING", &[("09/01/2026", "W-DATE")]),
    ("status", On::Status, "MessageHeader/ResponseFor/DocumentId", "y", "W-MISSING", &[("x*251", "R.MessageHeader.ResponseFor.DocumentId")]),
    ("status", On::Status, "MessageHeader/StatusCode", "03", "?", &[("2", "W-TYPE"), ("14", "W-TYPE"), ("99", "W-TYPE")]),
    ("status", On::Status, "MessageHeader/Description", "khác", "N.MessageHeader.Description", &[("x*1001", "R.MessageHeader.Description")]),
    ("status", On::Status, "MessageHeader/Timestamp", "2026/01/09 10:00:00", "W-MISSING", &[("2026/01/11 00:00:00", "W-CLOCK"), ("09/01/2026 08:30:00", "W-DATE"), ("x", "T.MessageHeader.Timestamp")]),
    ("status", On::Status, "MessageHeader/StaffInfo/Department", "Phòng A", "", &[("x*201", "R.MessageHeader.StaffInfo.Department")]),
    ("status", On::Status, "MessageHeader/StaffInfo/Staff", "Lê A", "", &[("x*101", "R.MessageHeader.StaffInfo.Staff")]),
    ("status", On::Status, "MessageHeader/StaffInfo/Email", "a@b.vn", "", &[("a", "T.MessageHeader.StaffInfo.Email")]),
    ("status", On::Status, "MessageHeader/StaffInfo/Mobile", "09", "", &[("0*51", "R.MessageHeader.StaffInfo.Mobile")]),
];
