//! Golden packets: `formats/vectors/edxml.json`.
//!
//! A case has a name and the packet as text. Accepted ones list the facts read out of it, with the
//! codes that validation finds on the day the file names; refused ones the code of the refusal.
//! With `TRAM_WRITE_VECTORS=1` the file is written anew; otherwise it is compared with what the code
//! makes now, and every case, as it stands in the file, is read again.

use std::path::Path;

use serde_json::{Value, json};

use super::samples::*;
use crate::edxml::{
    AttachmentRef, Business, Dialect, DocumentPacket, Form, NAMESPACE, Org, Packet, ResponseFor,
    Staff, StatusCode, StatusPacket, Validation, signature, validate,
};

const ABOUT: &str = "edXML packets. `packet` is the file. Accepted: `facts` is what is read out of it (dates \
    yyyy-MM-dd, times RFC 3339 UTC, absent values null) and `faults` and `warnings` are the codes found on \
    2026-01-09 by SPEC.md 11, in order. Refused: `code` says why the file is not read at all.";

fn org(org: &Org) -> Value {
    json!({
        "organ_id": org.organ_id.as_str(),
        "in_charge": org.in_charge,
        "name": org.name,
        "address": org.address,
        "email": org.email,
        "telephone": org.telephone,
        "fax": org.fax,
        "website": org.website,
    })
}

fn response(response: &ResponseFor) -> Value {
    json!({
        "organ_id": response.organ_id.as_str(),
        "code": response.code,
        "date": response.date.map(crate::edxml::Date::iso),
        "document_id": response.document_id,
    })
}

fn staff(staff: Option<&Staff>) -> Value {
    staff.map_or(Value::Null, |staff| {
        json!({
            "department": staff.department,
            "name": staff.name,
            "email": staff.email,
            "mobile": staff.mobile,
        })
    })
}

fn business(business: &Business) -> Value {
    let ids = |list: &[crate::edxml::OrganId]| -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    };
    match business {
        Business::New => json!({ "type": 0 }),
        Business::Recall { target, reason } => {
            json!({ "type": 1, "target": target, "reason": reason })
        }
        Business::Update {
            target,
            reason,
            content_changed,
            receivers_added,
            receivers_removed,
        } => json!({
            "type": 2,
            "target": target,
            "reason": reason,
            "content_changed": content_changed,
            "receivers_added": ids(receivers_added),
            "receivers_removed": ids(receivers_removed),
        }),
        Business::Replace { reason, replaced } => {
            let replaced: Vec<Value> = replaced
                .iter()
                .map(|r| json!({ "document_id": r.document_id, "holders": ids(&r.holders) }))
                .collect();
            json!({ "type": 3, "reason": reason, "replaced": replaced })
        }
        Business::Other {
            code,
            reason,
            target,
        } => json!({ "type": code, "reason": reason, "target": target }),
    }
}

fn attachment(attachment: &AttachmentRef) -> Value {
    json!({
        "cid": attachment.cid,
        "name": attachment.name,
        "mime": attachment.mime,
        "description": attachment.description,
        "size": attachment.size,
        "sha256": attachment.sha256.to_string(),
        "implicit_zip": attachment.implicit_zip,
    })
}

fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::EDocVn => "e_doc_vn",
        Dialect::GoVn => "go_vn",
        Dialect::Qcvn102 => "qcvn_102",
        Dialect::Soap => "soap",
        Dialect::Unqualified => "unqualified",
    }
}

fn extensions(extensions: &[crate::edxml::Extension]) -> Value {
    let all = extensions.iter();
    all.map(|e| json!({ "place": e.place, "xml": e.xml }))
        .collect()
}

fn document_facts(packet: &DocumentPacket) -> Value {
    let header = json!({
        "kind": "document",
        "dialect": dialect(packet.dialect),
        "from": org(&packet.from),
        "to": packet.to.iter().map(org).collect::<Vec<_>>(),
        "code": { "number": packet.code.number, "notation": packet.code.notation },
        "issued": {
            "place": packet.issued.place,
            "date": packet.issued.date.map(crate::edxml::Date::iso),
        },
        "doc_type": {
            "class": packet.doc_type.class,
            "detail": packet.doc_type.detail,
            "name": packet.doc_type.name,
        },
        "subject": packet.subject,
        "summary": packet.summary,
        "signer": {
            "competence": packet.signer.competence,
            "position": packet.signer.position,
            "full_name": packet.signer.full_name,
        },
        "due": packet.due.map(crate::edxml::Date::iso),
        "to_places": packet.to_places,
    });
    let rest = json!({
        "other": {
            "priority": packet.other.priority,
            "circulation": packet.other.circulation,
            "drafter": packet.other.drafter,
            "copies": packet.other.copies,
            "pages": packet.other.pages,
            "appendixes": packet.other.appendixes,
            "reference_codes": packet.other.reference_codes,
            "reply_fors": packet.other.reply_fors,
        },
        "response_for": packet.response_for.iter().map(response).collect::<Vec<_>>(),
        "steering": packet.steering,
        "document_id": packet.document_id,
        "tasks": packet.tasks,
        "application_type": packet.application_type,
        "trace": {
            "id": packet.trace.id,
            "hops": packet.trace.hops.iter().map(|hop| json!({
                "organ_id": hop.organ_id.as_str(),
                "at": hop.at.map(crate::time::Timestamp::rfc3339),
            })).collect::<Vec<_>>(),
        },
        "business": business(&packet.business),
        "paper": packet.paper,
        "staff": staff(packet.staff.as_ref()),
        "signature": signature::examine(&packet.signature, &packet.attachments).code(),
        "attachments": packet.attachments.iter().map(attachment).collect::<Vec<_>>(),
        "extensions": extensions(&packet.extensions),
    });
    let mut facts = header;
    if let (Value::Object(facts), Value::Object(rest)) = (&mut facts, rest) {
        facts.extend(rest);
    }
    facts
}

fn status_facts(packet: &StatusPacket) -> Value {
    json!({
        "kind": "status",
        "dialect": dialect(packet.dialect),
        "from": org(&packet.from),
        "response_for": response(&packet.response_for),
        "code": packet.code.as_str(),
        "description": packet.description,
        "at": packet.at.map(crate::time::Timestamp::rfc3339),
        "staff": staff(packet.staff.as_ref()),
        "extensions": extensions(&packet.extensions),
    })
}

/// A case as the file has it, by reading the packet.
fn case(name: &str, text: &str) -> Value {
    let accepted = |facts: Value, found: &Validation| {
        json!({
            "name": name,
            "accept": true,
            "facts": facts,
            "faults": codes(&found.faults),
            "warnings": warning_codes(&found.warnings),
            "packet": text,
        })
    };
    match parsed(text.as_bytes()) {
        Ok(Packet::Document(packet)) => accepted(
            document_facts(&packet),
            &validate::document(&packet, today()),
        ),
        Ok(Packet::Status(packet)) => {
            accepted(status_facts(&packet), &validate::status(&packet, today()))
        }
        Err(error) => json!({
            "name": name,
            "accept": false,
            "code": error.code().unwrap(),
            "packet": text,
        }),
    }
}

fn utf8(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// A small packet as somebody writes it by hand: nothing optional.
const SMALL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        <edXML:From><edXML:OrganId>H98.07</edXML:OrganId><edXML:OrganName>Sở Thử nghiệm</edXML:OrganName></edXML:From>
        <edXML:To><edXML:OrganId>H98.151</edXML:OrganId><edXML:OrganName>UBND xã Ví Dụ</edXML:OrganName></edXML:To>
        <edXML:Code><edXML:CodeNumber>05</edXML:CodeNumber><edXML:CodeNotation>STN-VP</edXML:CodeNotation></edXML:Code>
        <edXML:PromulgationInfo><edXML:PromulgationDate>2026/01/09</edXML:PromulgationDate></edXML:PromulgationInfo>
        <edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeDetail>18</edXML:TypeDetail><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
        <edXML:Subject>V/v kiểm thử liên thông</edXML:Subject>
        <edXML:SignerInfo><edXML:FullName>Trần Văn Mẫu</edXML:FullName></edXML:SignerInfo>
        <edXML:DocumentId>H98.07,2026/01/09,05/STN-VP</edXML:DocumentId>
      </edXML:MessageHeader>
      <edXML:TraceHeaderList id="a1b2c3d4" version="1.0">
        <edXML:TraceHeader><edXML:OrganId>H98.07</edXML:OrganId><edXML:Timestamp>2026/01/09 08:30:00</edXML:Timestamp></edXML:TraceHeader>
        <edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType></edXML:Bussiness>
      </edXML:TraceHeaderList>
    </edXML:edXMLHeader>
    <edXML:edXMLBody><edXML:edXMLManifest version="1.0">
      <edXML:Reference><edXML:ContentId>cid:f1</edXML:ContentId><edXML:ContentType>application/pdf</edXML:ContentType><edXML:AttachmentName>05-STN-VP.pdf</edXML:AttachmentName></edXML:Reference>
    </edXML:edXMLManifest></edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <AttachmentEncoded><Attachment><ContentId>f1</ContentId><AttachmentName>05-STN-VP.pdf</AttachmentName><ContentType>application/pdf</ContentType><ContentTransferEncoded>JVBERi0xLjQK</ContentTransferEncoded></Attachment></AttachmentEncoded>
</edXML>
"#;

const SOAP_STATUS: &str = "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns:edXML=\"http://www.e-doc.vn/Schema/\"><S:Header><edXML:Status><edXML:ResponseFor>\
    <edXML:OrganId>H98.07</edXML:OrganId><edXML:Code>05/STN-VP</edXML:Code><edXML:PromulgationDate>\
    09/01/2026</edXML:PromulgationDate></edXML:ResponseFor><edXML:From><edXML:OrganId>000.00.51.H98\
    </edXML:OrganId><edXML:OrganName>UBND xã Ví Dụ</edXML:OrganName></edXML:From><edXML:StatusCode>1\
    </edXML:StatusCode><edXML:Timestamp>09/01/2026 08:30:00</edXML:Timestamp></edXML:Status></S:Header>\
    </S:Envelope>";

/// An archive of one stored entry named `8f3a` that holds `bang tinh`.
const ZIPPED: &str = "UEsDBBQAAAAAAAAAIQDQUiicCQAAAAkAAAAEAAAAOGYzYWJhbmcgdGluaFBLAQIUABQAAAAAAAAAIQ\
    DQUiicCQAAAAkAAAAEAAAAAAAAAAAAAACAAQAAAAA4ZjNhUEsFBgAAAAABAAEAMgAAACsAAAAAAA==";

fn written_cases(cases: &mut Vec<Value>) {
    let names = ["new", "recall", "update", "replace"];
    for (form, title) in [(Form::DotNet, "dotnet"), (Form::Java, "java")] {
        for (name, business) in names.iter().zip(businesses()) {
            let text = utf8(written(&document(business), form));
            cases.push(case(&format!("{name}, {title} form, every field"), &text));
        }
        for code in StatusCode::KNOWN {
            let text = utf8(written_status(&status(code.clone()), form));
            cases.push(case(&format!("status {code}, {title} form"), &text));
        }
    }
}

/// The small packet with pieces replaced: name, (old, new) pairs.
fn changed_cases(cases: &mut Vec<Value>) {
    let mut add = |name: &str, changes: &[(&str, &str)]| {
        let text = changes.iter().fold(SMALL.to_owned(), |text, (old, new)| {
            assert!(text.contains(old), "{name}: {old}");
            text.replace(old, new)
        });
        cases.push(case(name, &text));
    };
    for (name, changes) in CHANGES {
        add(name, changes);
    }
    let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    add("too deep", &[("V/v", &deep)]);
}

#[test]
fn golden_packets_hold() {
    let mut cases = Vec::new();
    written_cases(&mut cases);
    changed_cases(&mut cases);
    cases.push(case("status in a SOAP envelope", SOAP_STATUS));
    let cut = &SMALL[..SMALL.len() / 2];
    cases.push(case("cut in the middle", cut));
    let made = json!({ "about": ABOUT, "cases": cases });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/edxml.json");
    if std::env::var_os("TRAM_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let stored: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        stored == made,
        "edxml.json differs from what the code makes"
    );
    let mut refused = 0;
    for stored in stored["cases"].as_array().unwrap() {
        let again = case(
            stored["name"].as_str().unwrap(),
            stored["packet"].as_str().unwrap(),
        );
        assert_eq!(&again, stored);
        refused += usize::from(stored["accept"] == false);
    }
    assert_eq!(refused, 12);
    let file = std::fs::metadata(&path).unwrap().len();
    assert!(file < 512 << 10, "{file} bytes");
}

/// Changes of the small packet: the name of the case, what is replaced by what.
#[rustfmt::skip]
const CHANGES: &[(&str, &[(&str, &str)])] = &[
    ("small packet by hand", &[]),
    ("without prefixes", &[("<edXML:", "<"), ("</edXML:", "</")]),
    ("another prefix", &[("edXML:", "v1:"), (":edXML=", ":v1=")]),
    ("root EdXML", &[("<edXML xmlns", "<EdXML xmlns"), ("</edXML>", "</EdXML>")]),
    ("namespace of e-doc.vn", &[(NAMESPACE, "http://www.e-doc.vn/Schema/")]),
    ("namespace of go.vn", &[(NAMESPACE, "http://www.go.vn/eDoc")]),
    ("spelling Business", &[("Bussiness", "Business")]),
    ("date yyyy-MM-dd", &[(">2026/01/09<", ">2026-01-09<")]),
    ("date dd/MM/yyyy", &[(">2026/01/09<", ">09/01/2026<")]),
    ("date with a year of two digits", &[(">2026/01/09<", ">09/01/26<")]),
    ("date that does not exist", &[(">2026/01/09<", ">2026/02/30<")]),
    ("timestamp of RFC 3339", &[("2026/01/09 08:30:00", "2026-01-09T01:30:00Z")]),
    ("date and signer of the older dialect", &[("PromulgationDate", "Date"), ("FullName", "Signer")]),
    ("type code in Type", &[("Type>2<", "Type>18<"), ("TypeDetail>18<", "TypeDetail>0<")]),
    ("unknown element and attribute", &[("<edXML:Subject>", "<v:Extra xmlns:v=\"urn:v\" v:a=\"1\">x</v:Extra><edXML:Subject k=\"2\">")]),
    ("foreign Subject is not ours", &[("<edXML:Subject>", "<f:Subject xmlns:f=\"urn:f\">Giả</f:Subject><edXML:Subject>")]),
    ("decomposed Vietnamese", &[("Công văn", "Co\u{302}ng va\u{306}n")]),
    ("empty DigitalSignature", &[("</edXML:edXMLHeader>", "<edXML:DigitalSignature/></edXML:edXMLHeader>")]),
    ("implicit zip", &[("JVBERi0xLjQK", ZIPPED), ("05-STN-VP.pdf", "bang.xlsx"), ("application/pdf", "application/zip")]),
    ("invented type", &[("application/pdf", "application/docx")]),
    ("unusual order", &[("<edXML:Subject>V/v kiểm thử liên thông</edXML:Subject>", ""), ("<edXML:From>", "<edXML:Subject>V/v kiểm thử liên thông</edXML:Subject><edXML:From>")]),
    ("no sender", &[("<edXML:OrganId>H98.07</edXML:OrganId><edXML:OrganName>", "<edXML:OrganName>")]),
    ("no subject", &[("V/v kiểm thử liên thông", "")]),
    ("subject twice", &[("<edXML:Subject>", "<edXML:Subject>Một</edXML:Subject><edXML:Subject>")]),
    ("secrecy mark", &[("V/v kiểm thử", "TỐI MẬT: kiểm thử")]),
    ("word that is no secrecy mark", &[("V/v kiểm thử", "Bảo mật kiểm thử")]),
    ("business type 44", &[("DocType>0<", "DocType>44<")]),
    ("recall without reason and target", &[("DocType>0<", "DocType>1<")]),
    ("attachment that is no base64", &[("JVBERi0xLjQK", "JVBERi0xLjQ")]),
    ("attachment that is not listed", &[("<ContentId>f1<", "<ContentId>f2<")]),
    ("document id that disagrees", &[("09,05/STN-VP", "09,06/STN-VP")]),
    ("receiver twice", &[("<edXML:Code>", "<edXML:To><edXML:OrganId>H98.151</edXML:OrganId><edXML:OrganName>x</edXML:OrganName></edXML:To><edXML:Code>")]),
    ("path in a file name", &[("05-STN-VP.pdf", "../05-STN-VP.pdf")]),
    ("DOCTYPE", &[("?>\n", "?>\n<!DOCTYPE edXML>\n")]),
    ("external entity", &[("?>\n", "?>\n<!DOCTYPE edXML [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>\n"), ("V/v", "&x;")]),
    ("unknown entity", &[("V/v", "&x;")]),
    ("processing instruction", &[("?>\n", "?>\n<?xml-stylesheet href=\"x\"?>\n")]),
    ("encoding other than UTF-8", &[("UTF-8", "UTF-16")]),
    ("unknown namespace", &[(NAMESPACE, "urn:x")]),
    ("unknown root", &[("<edXML xmlns", "<html xmlns"), ("</edXML>", "</html>")]),
    ("not well-formed", &[("</edXML:Subject>", "")]),
    ("two roots", &[("</edXML>\n", "</edXML>\n<a/>\n")]),
    ("forbidden character", &[("V/v", "&#1;")]),
];
