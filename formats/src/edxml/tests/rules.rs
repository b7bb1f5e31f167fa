//! Rules of validity: mandatory fields, ranges, secrecy, codes, identifiers.

use unicode_normalization::UnicodeNormalization as _;

use super::samples::*;
use crate::edxml::codes::{self, ResolvedBy};
use crate::edxml::{
    Business, Date, DocumentClass, DocumentPacket, DocumentType, Fault, Form, OrganId, OrganIdKind,
    StatusCode, Validation, document_id, secrecy, validate,
};
use crate::header::Priority;

fn changed(change: impl FnOnce(&mut DocumentPacket)) -> Validation {
    let mut packet = document(Business::New);
    change(&mut packet);
    validate::document(&packet, today())
}

fn fault_codes(change: impl FnOnce(&mut DocumentPacket)) -> Vec<String> {
    changed(change)
        .faults
        .into_iter()
        .map(|fault| fault.code)
        .collect()
}

fn warnings(change: impl FnOnce(&mut DocumentPacket)) -> Vec<&'static str> {
    changed(change)
        .warnings
        .into_iter()
        .map(|warning| warning.code)
        .collect()
}

#[test]
fn every_missing_mandatory_field_is_listed_at_once() {
    let validation = validate::document(&DocumentPacket::default(), today());
    assert_eq!(
        codes(&validation.faults),
        [
            "N.MessageHeader.From.OrganId",
            "N.MessageHeader.To",
            "N.MessageHeader.Code",
            "N.MessageHeader.PromulgationDate",
            "N.MessageHeader.Subject",
            "N.MessageHeader.DocumentId",
        ]
    );
    for fault in &validation.faults {
        assert!(
            fault.vi.starts_with("Thiếu ") && fault.en.ends_with("is missing"),
            "{fault:?}"
        );
        assert!(
            !fault.vi.contains("trường dữ liệu"),
            "no label for {}",
            fault.path
        );
    }
}

#[test]
fn lengths_and_ranges_are_checked_in_characters() {
    let long = |count: usize| "ế".repeat(count);
    assert_eq!(fault_codes(|p| p.subject = long(500)), [""; 0]);
    assert_eq!(
        fault_codes(|p| p.subject = long(501)),
        ["R.MessageHeader.Subject"]
    );
    assert_eq!(
        fault_codes(|p| p.from.name = long(201)),
        ["R.MessageHeader.From.OrganName"]
    );
    assert_eq!(
        fault_codes(|p| p.to[1].name = long(201)),
        ["R.MessageHeader.To.OrganName"]
    );
    assert_eq!(
        fault_codes(|p| p.document_id = long(251)),
        ["R.MessageHeader.DocumentId"]
    );
    assert_eq!(
        fault_codes(|p| p.other.pages = Some(1_000)),
        ["R.MessageHeader.OtherInfo.PageAmount"]
    );
    assert_eq!(
        fault_codes(|p| p.other.priority = Some(5)),
        ["R.MessageHeader.OtherInfo.Priority"]
    );
    assert_eq!(
        fault_codes(|p| p.code.number = "123456789012".to_owned()),
        ["R.MessageHeader.Code.CodeNumber"]
    );
    assert_eq!(
        fault_codes(|p| p.code.notation = "QĐ UBND".to_owned()),
        ["T.MessageHeader.Code.CodeNotation"]
    );
    assert_eq!(fault_codes(|p| p.code.number = "12b".to_owned()), [""; 0]);
    assert_eq!(
        fault_codes(|p| p.code.number = "b12".to_owned()),
        ["T.MessageHeader.Code.CodeNumber"]
    );
    assert_eq!(
        fault_codes(|p| p.from.email = Some("a.b".to_owned())),
        ["T.MessageHeader.From.Email"]
    );
    assert!(warnings(|p| p.signer.full_name = long(51)).contains(&"W-LEN"));
    assert!(
        warnings(|p| p.to_places = vec![long(140); 8]).contains(&"W-LEN"),
        "sum over 1000"
    );
    assert!(warnings(|p| p.from.telephone = Some(long(21))).contains(&"W-LEN"));
}

#[test]
fn dates_are_judged_against_the_given_day() {
    let day = |year, month, day| Date::new(year, month, day);
    assert_eq!(
        fault_codes(|p| p.issued.date = day(2026, 1, 10)),
        [""; 0],
        "one day of skew"
    );
    assert_eq!(
        fault_codes(|p| p.issued.date = day(2026, 1, 11)),
        ["R.MessageHeader.PromulgationInfo.PromulgationDate"]
    );
    assert!(warnings(|p| p.issued.date = day(2024, 12, 1)).contains(&"W-DATE"));
    assert!(warnings(|p| p.due = day(2026, 1, 8)).contains(&"W-DATE"));
    let tomorrow = now().plus_ms(3 * 86_400_000);
    assert!(warnings(|p| p.trace.hops[0].at = Some(tomorrow)).contains(&"W-CLOCK"));
}

#[test]
fn receivers_are_checked_one_by_one() {
    let again = fault_codes(|p| p.to.push(org("h98.151", "UBND")));
    assert_eq!(
        again,
        ["M.MessageHeader.To.OrganId"],
        "letter case does not make another agency"
    );
    assert!(warnings(|p| p.to.push(org("H98.07", "mình"))).contains(&"W-SELF"));
    let validation = changed(|p| p.to[1].organ_id = OrganId::new("không mã"));
    assert_eq!(validation.faults[0].code, "T.MessageHeader.To.OrganId");
    assert_eq!(validation.faults[0].path, "MessageHeader/To[2]/OrganId");
}

#[test]
fn secrecy_marks_are_refused_and_ordinary_words_pass() {
    for subject in [
        "MẬT",
        "TỐI MẬT",
        "TUYỆT MẬT",
        "MẬT: Báo cáo",
        "MẬT - Báo cáo",
        "[TỐI MẬT] Báo cáo",
        "(MẬT) V/v",
        "TUYỆT  MẬT V/v tuyển quân",
        "MẬT\nBáo cáo",
        "MẬT Báo cáo",
        "  «MẬT»",
        "MẬT BÁO CÁO TÌNH HÌNH",
        "TỐI\u{A0}MẬT",
        "M\u{200B}ẬT",
    ] {
        for text in [
            subject.to_owned(),
            subject.nfd().collect(),
            subject.nfc().collect(),
        ] {
            let validation = changed(|p| p.subject = text.clone());
            assert_eq!(codes(&validation.faults), ["E-SECRET"], "{text:?}");
            let found = changed(|p| p.other.circulation = Some(text.clone()));
            assert!(codes(&found.faults).contains(&"E-SECRET"), "{text:?}");
        }
    }
    for subject in [
        "V/v bảo mật thông tin",
        "Mật độ dân số",
        "MẬT ĐỘ DÂN SỐ NĂM 2026",
        "MẬT KHẨU HỆ THỐNG",
        "BẢO MẬT THÔNG TIN",
        "V/v bảo vệ bí mật nhà nước",
        "mật ong",
        "MẬTX",
        "Sơ mật",
        "V/v quản lý tài liệu MẬT, TỐI MẬT",
    ] {
        for text in [subject.to_owned(), subject.nfd().collect()] {
            assert_eq!(fault_codes(|p| p.subject = text.clone()), [""; 0], "{text}");
        }
    }
    for circulation in ["Mật", "tối mật", "Độ mật: Mật", "TUYỆT MẬT"] {
        assert!(
            secrecy::of_circulation(circulation).is_some(),
            "{circulation}"
        );
    }
    for circulation in [
        "Lưu hành nội bộ",
        "Xem xong trả lại",
        "Bảo mật",
        "Độ mật: không",
    ] {
        assert_eq!(secrecy::of_circulation(circulation), None, "{circulation}");
    }
}

#[test]
fn an_action_needs_its_reason_and_its_target() {
    let of = |business: Business| fault_codes(|p| p.business = business);
    let recall = Business::Recall {
        target: String::new(),
        reason: String::new(),
    };
    assert_eq!(of(recall), ["N.Reason", "E-BUSINESS"]);
    let update = Business::Update {
        target: "x".to_owned(),
        reason: String::new(),
        content_changed: true,
        receivers_added: vec![],
        receivers_removed: vec![],
    };
    assert_eq!(of(update), ["N.Reason"]);
    let replace = Business::Replace {
        reason: "r".to_owned(),
        replaced: vec![],
    };
    assert_eq!(of(replace), ["E-BUSINESS"]);
    let other = Business::Other {
        code: 44,
        reason: None,
        target: None,
    };
    assert_eq!(of(other), ["E-BUSINESS"]);
}

#[test]
fn update_flags_that_contradict_the_list_are_faults() {
    let bytes = written(&document(businesses()[2].clone()), Form::DotNet);
    let text = String::from_utf8(bytes).unwrap();
    let off = text.replace("DocumentReceiver>1<", "DocumentReceiver>0<");
    let code = "M.TraceHeaderList.Bussiness.BussinessDocumentInfo.DocumentReceiver";
    assert_eq!(codes(&parsed_document(off.as_bytes()).faults), [code]);
    let seven = text.replace("ReceiverType>1<", "ReceiverType>7<");
    let faults = parsed_document(seven.as_bytes()).faults;
    assert!(codes(&faults)[0].starts_with("R."), "{faults:?}");
}

#[test]
fn fields_of_another_action_are_kept_in_sight() {
    let text = sample_with(
        "<edXML:Paper>",
        "<edXML:BussinessDocReason>vì &lt;lý do&gt;</edXML:BussinessDocReason><edXML:Paper>",
    );
    let packet = parsed_document(text.as_bytes());
    assert_eq!(packet.business, Business::New);
    assert_eq!(packet.extensions[0].place, "TraceHeaderList/Bussiness");
    assert_eq!(parsed_document(&written(&packet, Form::DotNet)), packet);
}

#[test]
fn a_status_must_name_its_document_its_code_and_its_reason() {
    let of = |change: fn(&mut crate::edxml::StatusPacket)| {
        let mut packet = status(StatusCode::Refused);
        change(&mut packet);
        let validation = validate::status(&packet, today());
        let warnings: Vec<&str> = warning_codes(&validation.warnings);
        (codes(&validation.faults).join(" "), warnings.join(" "))
    };
    assert_eq!(of(|_| ()), (String::new(), String::new()));
    assert_eq!(
        of(|p| p.description = None).0,
        "N.MessageHeader.Description"
    );
    assert_eq!(
        of(|p| p.code = StatusCode::Other(String::new())).0,
        "N.MessageHeader.StatusCode"
    );
    assert_eq!(of(|p| p.staff = None).1, "W-MISSING");
    // Found by (agency, code, date) when the identifier is missing.
    assert_eq!(
        of(|p| p.response_for.document_id = None),
        (String::new(), "W-MISSING".to_owned())
    );
    assert_eq!(
        of(|p| p.response_for.code.clear()),
        (String::new(), "W-MISSING".to_owned())
    );
    let both = of(|p| {
        p.response_for.document_id = None;
        p.response_for.code.clear();
    });
    assert_eq!(both.0, "N.MessageHeader.ResponseFor.Code");
    assert_eq!(
        of(|p| p.code = StatusCode::Other("14".to_owned())).1,
        "W-TYPE"
    );
}

#[test]
fn the_signature_inside_is_reported() {
    use crate::edxml::RawSignature;
    assert!(warnings(|_| ()).contains(&"W-NOSIG"));
    let sha1 =
        RawSignature::Present("<S A=\"http://www.w3.org/2000/09/xmldsig#rsa-sha1\"/>".to_owned());
    assert!(warnings(|p| p.signature = sha1).contains(&"W-SHA1"));
}

#[test]
fn words_for_findings_of_the_caller_carry_their_codes() {
    assert_eq!(Fault::sender("H1", "H2").code, "E-SENDER");
    let receiver = Fault::receiver(3, "H98.9", "mã đã khóa", "locked");
    assert_eq!(
        (receiver.code.as_str(), receiver.path.as_str()),
        ("E-RECEIVER", "MessageHeader/To[3]/OrganId")
    );
    assert_eq!(
        Fault::status("MessageHeader/ResponseFor", "a", "b").code,
        "E-STATUS"
    );
}

#[test]
fn both_forms_of_agency_codes_are_told_apart() {
    for (code, kind) in [
        ("H98", OrganIdKind::New),
        ("H98.07", OrganIdKind::New),
        ("H01.151.03", OrganIdKind::New),
        ("H37.DN.001", OrganIdKind::New),
        ("G22.99.00", OrganIdKind::New),
        ("h98.07", OrganIdKind::New),
        ("000.00.03.H29", OrganIdKind::Old),
        ("001.00.26.G14", OrganIdKind::Old),
        ("H9", OrganIdKind::Other),
        ("H98.", OrganIdKind::Other),
        ("H98.1234567", OrganIdKind::Other),
        ("000.00.H29", OrganIdKind::Other),
        ("", OrganIdKind::Other),
    ] {
        assert_eq!(OrganId::new(code).kind(), kind, "{code}");
    }
    let alias = |code: &str| OrganId::new(code).candidate_alias().map(|c| c.to_string());
    assert_eq!(alias("000.00.03.H99").as_deref(), Some("H99.03"));
    assert_eq!(alias("000.00.00.H20").as_deref(), Some("H20"));
    assert_eq!(alias("001.00.26.G14").as_deref(), Some("G14.26.00.001"));
    assert_eq!(alias("H99.03"), None);
    assert_eq!(
        OrganId::new(" h98.07 ").as_str(),
        "h98.07",
        "kept as written"
    );
    assert!(warnings(|p| p.to[0].organ_id = OrganId::new("h98.151")).contains(&"W-TYPE"));
}

#[test]
fn document_ids_are_built_parsed_and_cross_checked() {
    let built = document_id::build(&OrganId::new("H98.07"), today(), "05/STN-VP");
    assert_eq!(built, "H98.07,2026/01/09,05/STN-VP");
    let parts = document_id::parse(&built).unwrap();
    assert_eq!(
        (parts.organ_id.as_str(), parts.date, parts.code.as_str()),
        ("H98.07", today(), "05/STN-VP")
    );
    for opaque in [
        "123",
        "org,2018,10",
        "H98-2026-5/UBND",
        "a,b",
        "H98.07,2026/01/09,5,6",
    ] {
        assert_eq!(document_id::parse(opaque), None, "{opaque}");
        assert_eq!(
            warnings(|p| p.document_id = opaque.to_owned()),
            ["W-NOSIG"],
            "allowed: {opaque}"
        );
    }
    for other in [
        "H98.08,2026/01/09,05/STN-VP",
        "H98.07,2026/01/08,05/STN-VP",
        "H98.07,2026/01/09,5/STN-VP",
    ] {
        assert!(
            warnings(|p| p.document_id = other.to_owned()).contains(&"W-DOCID"),
            "{other}"
        );
    }
}

#[test]
fn types_resolve_by_code_name_and_abbreviation() {
    let resolve = |class, detail, name: &str, notation: &str| {
        let doc_type = DocumentType {
            class,
            detail,
            name: name.to_owned(),
        };
        codes::resolve_type(&doc_type, notation).map(|r| (r.class, r.entry.vi, r.by))
    };
    use DocumentClass::{Administrative, Normative};
    use ResolvedBy::{Abbreviation, Code, Name};
    assert_eq!(
        resolve(Some(2), Some(18), "", ""),
        Some((Administrative, "Công văn", Code))
    );
    assert_eq!(
        resolve(Some(1), Some(7), "", ""),
        Some((Normative, "Nghị định", Code))
    );
    assert_eq!(
        resolve(Some(18), Some(0), "", ""),
        Some((Administrative, "Công văn", Code))
    );
    assert_eq!(
        resolve(Some(2), Some(0), "kế hoạch", ""),
        Some((Administrative, "Kế hoạch", Name))
    );
    let nfd: String = "Kế hoạch".nfd().collect();
    assert_eq!(
        resolve(Some(2), None, &nfd, ""),
        Some((Administrative, "Kế hoạch", Name))
    );
    let decision = Some((Administrative, "Quyết định (cá biệt)", Abbreviation));
    assert_eq!(resolve(Some(2), Some(0), "?", "QĐ-UBND"), decision);
    assert_eq!(
        resolve(Some(2), Some(0), "Quyết định", "").map(|r| r.2),
        Some(Name)
    );
    assert_eq!(resolve(Some(2), Some(99), "?", "UBND-VX"), None);
    assert_eq!(
        resolve(Some(2), Some(0), "Phiếu báo", "").map(|r| r.1),
        Some("Phiếu báo")
    );
    assert!(warnings(|p| p.doc_type.name = "Kế hoạch".to_owned()).contains(&"W-TYPE"));
    for class in [Administrative, Normative] {
        let mut details: Vec<u32> = codes::types(class).iter().map(|e| e.detail).collect();
        details.sort_unstable();
        details.dedup();
        assert_eq!(details.len(), codes::types(class).len(), "each code once");
    }
    for priority in Priority::ALL {
        assert!(!codes::priority_vi(priority).is_empty());
    }
    assert_eq!(
        codes::queue_class(Priority::ImmediateTimed),
        codes::queue_class(Priority::Immediate)
    );
}
