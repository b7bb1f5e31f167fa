//! Is a packet fit to travel: every fault and every warning, in document order [edxml-model 2, 3,
//! 6].
//!
//! Pure: `today` is given. Refusing what only the network knows (authenticated sender, receivers in
//! the directory, the document a status speaks about) is the caller's; `Fault` has the words for
//! it. Missing fields outside the mandatory list are warnings: peers omit them and the document
//! still arrives.

use std::collections::HashSet;

use super::check::Check;
use super::codes;
use super::date::Date;
use super::document_id;
use super::finding::{Fault, Validation, Warning};
use super::model::{DocumentPacket, StatusPacket};
use super::organ::OrganId;
use super::secrecy;
use super::signature::{self, SignatureResult};
use super::status::StatusCode;
use super::text;
use super::validate_business;
use crate::time::Timestamp;

/// Everything found in a document packet. `today` is the day in Vietnam.
#[must_use]
pub fn document(packet: &DocumentPacket, today: Date) -> Validation {
    let mut check = Check::new(&packet.faults, &packet.warnings);
    check.org("MessageHeader/From", &packet.from);
    receivers(&mut check, packet);
    code(&mut check, packet);
    issued(&mut check, packet, today);
    doc_type(&mut check, packet);
    check.required("MessageHeader/Subject", &packet.subject);
    check.length("MessageHeader/Subject", &packet.subject, 500);
    secrecy(&mut check, packet);
    check.length_of("MessageHeader/Content", packet.summary.as_deref(), 500);
    signer(&mut check, packet);
    places(&mut check, packet);
    other_info(&mut check, packet);
    for (position, response) in (1..).zip(&packet.response_for) {
        check.response(&format!("MessageHeader/ResponseFor[{position}]"), response);
    }
    if packet.steering.is_some_and(|steering| steering > 3) {
        check.odd(
            "W-TYPE",
            "MessageHeader/SteeringType",
            "ngoài 0…3",
            "outside 0…3",
        );
    }
    check.required("MessageHeader/DocumentId", &packet.document_id);
    check.length(
        "MessageHeader/DocumentId",
        &packet.document_id,
        document_id::CHARS_MAX,
    );
    check.out.warnings.extend(document_id::cross_check(packet));
    validate_business::trace(&mut check, packet, today);
    validate_business::business(&mut check, packet);
    if let Some(staff) = &packet.staff {
        check.staff("TraceHeaderList/Bussiness/StaffInfo", staff);
    }
    signature(&mut check, packet);
    validate_business::attachments(&mut check, packet);
    check.out
}

/// Everything found in a status packet. `today` is the day in Vietnam.
#[must_use]
pub fn status(packet: &StatusPacket, today: Date) -> Validation {
    let mut check = Check::new(&packet.faults, &packet.warnings);
    check.org("MessageHeader/From", &packet.from);
    let response = &packet.response_for;
    check.response("MessageHeader/ResponseFor", response);
    let code = packet.code.as_str();
    check.required("MessageHeader/StatusCode", code);
    if matches!(&packet.code, StatusCode::Other(text) if !text.is_empty()) {
        check.odd(
            "W-TYPE",
            "MessageHeader/StatusCode",
            "chưa có trong danh mục",
            "unknown code",
        );
    }
    let description = packet.description.as_deref();
    if packet.code.needs_reason() {
        check.required("MessageHeader/Description", description.unwrap_or_default());
    }
    check.length_of("MessageHeader/Description", description, 1_000);
    match &packet.staff {
        Some(staff) => check.staff("MessageHeader/StaffInfo", staff),
        None if packet.code.needs_staff() => check.absent("MessageHeader/StaffInfo"),
        None => {}
    }
    match packet.at {
        Some(at) => check.not_later("MessageHeader/Timestamp", Date::in_vietnam(at), today),
        None => check.absent("MessageHeader/Timestamp"),
    }
    check.out
}

/// W-CLOCK for a status whose event lies before the document was sent, with five minutes for clocks
/// that differ [edxml-model 3]. The caller knows when that was.
#[must_use]
pub fn status_time(packet: &StatusPacket, sent: Timestamp) -> Option<Warning> {
    let early = packet.at? < sent.minus_ms(CLOCK_SKEW_MS);
    early.then(|| {
        Warning::new(
            "W-CLOCK",
            "MessageHeader/Timestamp",
            "Thời điểm của trạng thái trước khi văn bản được gửi",
            "the time of the status lies before the document was sent",
        )
    })
}

/// E-STATUS when the sender of a status is no party to the document: a take-back comes from its
/// sender, everything else from one of its receivers [edxml-model 3]. Codes are compared as
/// written; `is_alias` may know that two of them are one agency.
#[must_use]
// [spec:edxml-30]
pub fn status_party(
    packet: &StatusPacket,
    sender: &OrganId,
    receivers: &[OrganId],
    is_alias: impl Fn(&OrganId, &OrganId) -> bool,
) -> Option<Fault> {
    let from = &packet.from.organ_id;
    let is = |agency: &OrganId| agency.normalised() == from.normalised() || is_alias(agency, from);
    let party = if packet.code == StatusCode::TakeBack {
        is(sender)
    } else {
        receivers.iter().any(is)
    };
    (!party).then(|| {
        Fault::status(
            "MessageHeader/From/OrganId",
            &format!("Đơn vị {from} không được gửi trạng thái này cho văn bản"),
            &format!("{from} may not send this status for the document"),
        )
    })
}

fn receivers(check: &mut Check, packet: &DocumentPacket) {
    if packet.to.is_empty() {
        check.out.faults.push(Fault::missing("MessageHeader/To"));
    }
    let from = packet.from.organ_id.normalised();
    let mut seen = HashSet::new();
    for (position, receiver) in (1..).zip(&packet.to) {
        let path = format!("MessageHeader/To[{position}]");
        check.org(&path, receiver);
        let code = receiver.organ_id.normalised();
        if code.is_empty() {
            continue;
        }
        let path = format!("{path}/OrganId");
        if code == from {
            check.odd("W-SELF", &path, "trùng với bên gửi", "same as the sender");
        }
        if !seen.insert(code) {
            check.out.faults.push(Fault::coded(
                "M.MessageHeader.To.OrganId",
                &path,
                format!("Bên nhận {} được ghi nhiều lần", receiver.organ_id),
                format!("receiver {} is listed more than once", receiver.organ_id),
            ));
        }
    }
}

fn code(check: &mut Check, packet: &DocumentPacket) {
    let (number, notation) = (&packet.code.number, &packet.code.notation);
    if number.is_empty() && notation.is_empty() {
        check.out.faults.push(Fault::missing("MessageHeader/Code"));
        return;
    }
    let path = "MessageHeader/Code/CodeNumber";
    check.required(path, number);
    check.length(path, number, 11);
    let suffix = number.trim_start_matches(|c: char| c.is_ascii_digit());
    let well_formed = suffix.len() < number.len() && suffix.chars().all(char::is_alphabetic);
    if !well_formed && !number.is_empty() {
        check
            .out
            .faults
            .push(Fault::wrong_type(path, number, "05, 123, 12a"));
    }
    let path = "MessageHeader/Code/CodeNotation";
    check.required(path, notation);
    check.length(path, notation, 30);
    if notation.contains(char::is_whitespace) {
        check
            .out
            .faults
            .push(Fault::wrong_type(path, notation, "QĐ-UBND"));
    }
    if notation.matches('/').count() > 2 {
        check.odd(
            "W-TYPE",
            path,
            "có quá nhiều dấu gạch chéo",
            "has more than two slashes",
        );
    }
}

fn issued(check: &mut Check, packet: &DocumentPacket, today: Date) {
    let path = "MessageHeader/PromulgationInfo/PromulgationDate";
    check.length_of(
        "MessageHeader/PromulgationInfo/Place",
        packet.issued.place.as_deref(),
        50,
    );
    let Some(date) = packet.issued.date else {
        if !check.has_fault_at(path) {
            let mut fault = Fault::missing(path);
            // The practice names this fault by its field alone [edxml-model 6].
            "N.MessageHeader.PromulgationDate".clone_into(&mut fault.code);
            check.out.faults.push(fault);
        }
        return;
    };
    if date.days() > today.days() + 1 {
        let allowed = format!("≤ {}", today.vietnam());
        check
            .out
            .faults
            .push(Fault::range(path, &date.vietnam(), &allowed));
    }
    if packet.business.code() == 0 && date.days() < today.days() - 365 {
        check.odd("W-DATE", path, "đã quá một năm", "more than a year ago");
    }
    if packet.due.is_some_and(|due| due < date) {
        check.odd(
            "W-DATE",
            "MessageHeader/DueDate",
            "trước ngày ban hành",
            "before the date of issue",
        );
    }
}

fn doc_type(check: &mut Check, packet: &DocumentPacket) {
    let path = "MessageHeader/DocumentType";
    let doc_type = &packet.doc_type;
    check.length(&format!("{path}/TypeName"), &doc_type.name, 100);
    if doc_type.class.is_none() {
        check.absent(&format!("{path}/Type"));
    }
    if doc_type.name.is_empty() {
        check.absent(&format!("{path}/TypeName"));
    }
    match codes::resolve_type(doc_type, &packet.code.notation) {
        Some(found) if found.by == codes::ResolvedBy::Code => {
            if !doc_type.name.is_empty() && !codes::name_matches(found.entry, &doc_type.name) {
                check.odd(
                    "W-TYPE",
                    &format!("{path}/TypeDetail"),
                    "không khớp với tên loại văn bản",
                    "disagrees with the type's name",
                );
            }
        }
        Some(_) => {}
        None => check.odd(
            "W-TYPE",
            path,
            "không có trong danh mục",
            "not in the list of types",
        ),
    }
}

/// E-SECRET [Decision 28/2018 art. 1(2)].
fn secrecy(check: &mut Check, packet: &DocumentPacket) {
    let circulation = packet.other.circulation.as_deref().unwrap_or_default();
    let marks = [
        (
            "MessageHeader/Subject",
            secrecy::of_subject(&packet.subject),
        ),
        (
            "MessageHeader/OtherInfo/SphereOfPromulgation",
            secrecy::of_circulation(circulation),
        ),
    ];
    for (path, mark) in marks {
        if let Some(mark) = mark {
            check.out.faults.push(Fault::coded(
                "E-SECRET",
                path,
                format!(
                    "Văn bản có dấu độ mật \"{}\": không được gửi qua hệ thống này",
                    mark.vi()
                ),
                format!(
                    "the document bears the secrecy mark {}: not for this network",
                    mark.vi()
                ),
            ));
        }
    }
}

fn signer(check: &mut Check, packet: &DocumentPacket) {
    let signer = &packet.signer;
    check.length_of(
        "MessageHeader/SignerInfo/Competence",
        signer.competence.as_deref(),
        100,
    );
    check.length_of(
        "MessageHeader/SignerInfo/Position",
        signer.position.as_deref(),
        100,
    );
    let path = "MessageHeader/SignerInfo/FullName";
    if signer.full_name.is_empty() {
        check.absent(path);
    }
    check.soft_length(path, &signer.full_name, 50);
    check.length(path, &signer.full_name, 100);
}

fn places(check: &mut Check, packet: &DocumentPacket) {
    let mut sum = 0_usize;
    for (position, place) in (1..).zip(&packet.to_places) {
        check.soft_length(
            &format!("MessageHeader/ToPlaces/Place[{position}]"),
            place,
            150,
        );
        sum = sum.saturating_add(text::length(place));
    }
    if sum > 1_000 {
        check.long("MessageHeader/ToPlaces", sum, 1_000);
    }
}

fn other_info(check: &mut Check, packet: &DocumentPacket) {
    let other = &packet.other;
    let at = |name: &str| format!("MessageHeader/OtherInfo/{name}");
    check.number(&at("Priority"), other.priority, 4);
    check.length_of(
        &at("SphereOfPromulgation"),
        other.circulation.as_deref(),
        100,
    );
    check.length_of(&at("TyperNotation"), other.drafter.as_deref(), 10);
    check.number(&at("PromulgationAmount"), other.copies, 999);
    check.number(&at("PageAmount"), other.pages, 999);
    for (position, appendix) in (1..).zip(&other.appendixes) {
        check.length(
            &at(&format!("Appendixes/Appendix[{position}]")),
            appendix,
            250,
        );
    }
}

fn signature(check: &mut Check, packet: &DocumentPacket) {
    let path = "edXMLHeader/Signature";
    match signature::examine(&packet.signature, &packet.attachments) {
        SignatureResult::Absent | SignatureResult::Empty => {
            check.out.warnings.push(Warning::new(
                "W-NOSIG",
                path,
                "Gói tin không có chữ ký bên trong",
                "the packet has no signature inside",
            ));
        }
        SignatureResult::Invalid => check.out.warnings.push(Warning::new(
            "W-SIG",
            path,
            "Chữ ký bên trong không khớp với tệp đính kèm",
            "the signature inside disagrees with the attachments",
        )),
        SignatureResult::Unverifiable | SignatureResult::Valid => {}
    }
    if signature::uses_sha1(&packet.signature) {
        check.out.warnings.push(Warning::new(
            "W-SHA1",
            path,
            "Chữ ký bên trong dùng SHA-1, không còn được chấp nhận",
            "the signature inside uses sha-1, which is no longer accepted",
        ));
    }
}

/// Clocks of two agencies may differ by this much.
const CLOCK_SKEW_MS: i64 = 5 * 60_000;
