//! Is a packet fit to travel: every fault and every warning, in document order [edxml-model 2, 3, 6].
//!
//! Pure: `today` is given. Refusing what only the network knows (authenticated sender, receivers in the directory,
//! the document a status speaks about) is the caller's; `Fault` has the words for it.
//! Missing fields outside the mandatory list are warnings: peers omit them and the document still arrives.

use std::collections::HashSet;

use super::codes;
use super::date::Date;
use super::document_id;
use super::finding::{Fault, Validation, Warning};
use super::model::{DocumentPacket, RawSignature, ResponseFor, Staff, StatusPacket};
use super::organ::{Org, OrganId, OrganIdKind};
use super::secrecy;
use super::status::StatusCode;
use super::validate_business;
use crate::limits::AGENCY_CODE_CHARS_MAX;

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
        sum = sum.saturating_add(place.chars().count());
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
    match &packet.signature {
        RawSignature::Absent | RawSignature::Empty => {
            check.out.warnings.push(Warning::new(
                "W-NOSIG",
                path,
                "Gói tin không có chữ ký bên trong",
                "the packet has no signature inside",
            ));
        }
        RawSignature::Present(xml) => {
            let xml = xml.to_ascii_lowercase();
            if xml.contains("rsa-sha1") || xml.contains("xmldsig#sha1") {
                check.out.warnings.push(Warning::new(
                    "W-SHA1",
                    path,
                    "Chữ ký bên trong dùng SHA-1, không còn được chấp nhận",
                    "the signature inside uses sha-1, which is no longer accepted",
                ));
            }
        }
    }
}

/// Collects findings; small rules that many fields share.
pub(super) struct Check {
    pub(super) out: Validation,
}

impl Check {
    fn new(faults: &[Fault], warnings: &[Warning]) -> Self {
        Self {
            out: Validation {
                faults: faults.to_vec(),
                warnings: warnings.to_vec(),
            },
        }
    }

    fn has_fault_at(&self, path: &str) -> bool {
        self.out.faults.iter().any(|fault| fault.path == path)
    }

    /// `N.`, unless reading has said already what is wrong there.
    pub(super) fn required(&mut self, path: &str, text: &str) {
        if text.is_empty() && !self.has_fault_at(path) {
            self.out.faults.push(Fault::missing(path));
        }
    }

    /// Missing, but not on the mandatory list.
    pub(super) fn absent(&mut self, path: &str) {
        if !self.has_fault_at(path) {
            let Fault { path, vi, en, .. } = Fault::missing(path);
            self.out.warnings.push(Warning {
                code: "W-MISSING",
                path,
                vi,
                en,
            });
        }
    }

    /// `R.` above `max` characters.
    pub(super) fn length(&mut self, path: &str, text: &str, max: usize) {
        let count = text.chars().count();
        if count > max {
            let (found, allowed) = (count.to_string(), format!("≤ {max}"));
            self.out.faults.push(Fault::range(path, &found, &allowed));
        }
    }

    pub(super) fn length_of(&mut self, path: &str, text: Option<&str>, max: usize) {
        self.length(path, text.unwrap_or_default(), max);
    }

    /// W-LEN above `max` characters.
    fn soft_length(&mut self, path: &str, text: &str, max: usize) {
        let count = text.chars().count();
        if count > max {
            self.long(path, count, max);
        }
    }

    fn long(&mut self, path: &str, found: usize, max: usize) {
        let fault = Fault::range(path, &found.to_string(), &format!("≤ {max}"));
        let (vi, en) = (fault.vi, fault.en);
        self.out.warnings.push(Warning::new("W-LEN", path, vi, en));
    }

    /// `R.` above `max`.
    fn number(&mut self, path: &str, value: Option<u32>, max: u32) {
        if let Some(value) = value.filter(|value| *value > max) {
            let allowed = format!("0…{max}");
            self.out
                .faults
                .push(Fault::range(path, &value.to_string(), &allowed));
        }
    }

    /// A warning about one field, worded "<field> <what>".
    pub(super) fn odd(&mut self, code: &'static str, path: &str, vi: &str, en: &str) {
        let label = super::labels::of(path);
        self.out.warnings.push(Warning::new(
            code,
            path,
            format!("Lưu ý {label}: {vi}"),
            format!("{path}: {en}"),
        ));
    }

    /// W-CLOCK for a time after tomorrow.
    pub(super) fn not_later(&mut self, path: &str, date: Option<Date>, today: Date) {
        if date.is_some_and(|date| date.days() > today.days() + 1) {
            self.odd("W-CLOCK", path, "ở tương lai", "in the future");
        }
    }

    fn org(&mut self, path: &str, org: &Org) {
        self.organ_id(&format!("{path}/OrganId"), &org.organ_id);
        let at = |name: &str| format!("{path}/{name}");
        if org.name.is_empty() {
            self.absent(&at("OrganName"));
        }
        self.length(&at("OrganName"), &org.name, 200);
        self.length_of(&at("OrganizationInCharge"), org.in_charge.as_deref(), 200);
        self.length_of(&at("OrganAdd"), org.address.as_deref(), 250);
        self.email(&at("Email"), org.email.as_deref());
        for (name, number) in [("Telephone", &org.telephone), ("Fax", &org.fax)] {
            let number = number.as_deref().unwrap_or_default();
            self.length(&at(name), number, 50);
            self.soft_length(&at(name), number, 20);
        }
        self.length_of(&at("Website"), org.website.as_deref(), 100);
    }

    pub(super) fn organ_id(&mut self, path: &str, id: &OrganId) {
        self.required(path, id.as_str());
        if id.is_empty() {
            return;
        }
        self.length(path, id.as_str(), AGENCY_CODE_CHARS_MAX);
        match id.kind() {
            OrganIdKind::Other => {
                self.out.faults.push(Fault::wrong_type(
                    path,
                    id.as_str(),
                    "H29.03, 000.00.03.H29",
                ));
            }
            OrganIdKind::New => {
                if !id
                    .normalised()
                    .starts_with(|letter| matches!(letter, 'A'..='K'))
                {
                    self.odd(
                        "W-TYPE",
                        path,
                        "ký tự đầu ngoài A…K",
                        "first letter outside A…K",
                    );
                }
            }
            OrganIdKind::Old => {}
        }
        if id.as_str() != id.normalised() {
            self.odd("W-TYPE", path, "viết chữ thường", "written in lower case");
        }
    }

    fn email(&mut self, path: &str, email: Option<&str>) {
        let Some(email) = email else {
            return;
        };
        self.length(path, email, 100);
        if email.matches('@').count() != 1 {
            self.out
                .faults
                .push(Fault::wrong_type(path, email, "ten@don-vi.gov.vn"));
        }
    }

    /// At least DocumentId, or the three that identify a document together.
    fn response(&mut self, path: &str, response: &ResponseFor) {
        let at = |name: &str| format!("{path}/{name}");
        let known = response.document_id.is_some();
        if !response.organ_id.is_empty() || !known {
            self.organ_id(&at("OrganId"), &response.organ_id);
        }
        if known {
            for (missing, name) in [
                (response.organ_id.is_empty(), "OrganId"),
                (response.code.is_empty(), "Code"),
                (response.date.is_none(), "PromulgationDate"),
            ] {
                if missing {
                    self.absent(&at(name));
                }
            }
        } else {
            self.required(&at("Code"), &response.code);
            if response.date.is_none() {
                self.required(&at("PromulgationDate"), "");
            }
            self.absent(&at("DocumentId"));
        }
        self.length(&at("Code"), &response.code, 42);
        let document_id = response.document_id.as_deref();
        self.length_of(&at("DocumentId"), document_id, document_id::CHARS_MAX);
    }

    fn staff(&mut self, path: &str, staff: &Staff) {
        self.length_of(
            &format!("{path}/Department"),
            staff.department.as_deref(),
            200,
        );
        self.length_of(&format!("{path}/Staff"), staff.name.as_deref(), 100);
        self.email(&format!("{path}/Email"), staff.email.as_deref());
        self.length_of(&format!("{path}/Mobile"), staff.mobile.as_deref(), 50);
    }
}
