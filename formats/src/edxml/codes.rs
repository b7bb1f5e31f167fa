//! Code lists of the packet: urgency and document types [edxml-model 4.1, 4.2].
//!
//! Codes never override the name a packet carries: they serve for lists, statistics and warnings.

use unicode_normalization::UnicodeNormalization;

use crate::header::Priority;

use super::model::DocumentType;

/// Queue class of an urgency, higher goes first: 3–4, then 2, 1, 0.
#[must_use]
pub const fn queue_class(priority: Priority) -> u8 {
    match priority {
        Priority::Normal => 0,
        Priority::Urgent => 1,
        Priority::VeryUrgent => 2,
        Priority::Immediate | Priority::ImmediateTimed => 3,
    }
}

/// Vietnamese label of an urgency.
#[must_use]
pub const fn priority_vi(priority: Priority) -> &'static str {
    match priority {
        Priority::Normal => "Thường",
        Priority::Urgent => "Khẩn",
        Priority::VeryUrgent => "Thượng khẩn",
        Priority::Immediate => "Hỏa tốc",
        Priority::ImmediateTimed => "Hỏa tốc hẹn giờ",
    }
}

/// English label of an urgency.
#[must_use]
pub const fn priority_en(priority: Priority) -> &'static str {
    match priority {
        Priority::Normal => "Normal",
        Priority::Urgent => "Urgent",
        Priority::VeryUrgent => "Very urgent",
        Priority::Immediate => "Immediate",
        Priority::ImmediateTimed => "Immediate at a fixed hour",
    }
}

/// Urgencies a user is offered: Decree 30/2020 no longer knows the fifth.
pub const OFFERED_PRIORITIES: [Priority; 4] = [
    Priority::Normal,
    Priority::Urgent,
    Priority::VeryUrgent,
    Priority::Immediate,
];

/// `DocumentType/Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentClass {
    /// 2: administrative document.
    Administrative,
    /// 1: normative legal document.
    Normative,
}

impl DocumentClass {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Administrative => 2,
            Self::Normative => 1,
        }
    }
}

/// One row of a type list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeEntry {
    /// `TypeDetail`; 0 for the one type that has no known code ("Phiếu báo").
    pub detail: u32,
    /// Vietnamese name.
    pub vi: &'static str,
    /// Abbreviation at the start of a notation (Decree 30/2020); empty when there is none.
    pub abbreviation: &'static str,
    /// Archive code of Circular 05/2025/TT-BNV; empty for normative documents.
    pub archive: &'static str,
}

/// What a `DocumentType` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedType {
    /// Class.
    pub class: DocumentClass,
    /// Row of the list.
    pub entry: &'static TypeEntry,
    /// How it was found.
    pub by: ResolvedBy,
}

/// By what a type was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolvedBy {
    /// `QĐ-` at the start of the notation.
    Abbreviation,
    /// (Type, TypeDetail), or the dialect that puts the code into Type.
    Code,
    /// TypeName.
    Name,
}

/// The list of a class, in code order.
#[must_use]
pub const fn types(class: DocumentClass) -> &'static [TypeEntry] {
    match class {
        DocumentClass::Administrative => ADMINISTRATIVE,
        DocumentClass::Normative => NORMATIVE,
    }
}

/// Reads a type [edxml-model 4.2, reading rule]: Type 1/2 with a detail by code; Type ≥ 3 is itself
/// an administrative code; detail 0 by name, else by the abbreviation that heads `notation`.
#[must_use]
// [spec:edxml-14]
pub fn resolve_type(doc_type: &DocumentType, notation: &str) -> Option<ResolvedType> {
    let detail = doc_type.detail.unwrap_or(0);
    match doc_type.class {
        Some(1) => by_code(DocumentClass::Normative, detail)
            .or_else(|| by_name(&[DocumentClass::Normative], &doc_type.name)),
        Some(2) => by_code(DocumentClass::Administrative, detail)
            .or_else(|| by_name(&[DocumentClass::Administrative], &doc_type.name))
            .or_else(|| by_abbreviation(notation)),
        Some(code @ 3..) => by_code(DocumentClass::Administrative, code)
            .or_else(|| by_name(&[DocumentClass::Administrative], &doc_type.name)),
        Some(0) | None => by_name(
            &[DocumentClass::Administrative, DocumentClass::Normative],
            &doc_type.name,
        )
        .or_else(|| by_abbreviation(notation)),
    }
}

/// Whether `name` is the name of this entry, ignoring case, Unicode form and a remark in brackets.
#[must_use]
pub fn name_matches(entry: &TypeEntry, name: &str) -> bool {
    plain_name(entry.vi) == plain_name(name)
}

fn by_code(class: DocumentClass, detail: u32) -> Option<ResolvedType> {
    let entry = types(class)
        .iter()
        .find(|entry| detail != 0 && entry.detail == detail)?;
    Some(ResolvedType {
        class,
        entry,
        by: ResolvedBy::Code,
    })
}

fn by_name(classes: &[DocumentClass], name: &str) -> Option<ResolvedType> {
    classes.iter().find_map(|&class| {
        let entry = types(class)
            .iter()
            .find(|entry| name_matches(entry, name))?;
        Some(ResolvedType {
            class,
            entry,
            by: ResolvedBy::Name,
        })
    })
}

fn by_abbreviation(notation: &str) -> Option<ResolvedType> {
    let notation: String = notation.nfc().collect();
    let head = notation.split('-').next()?;
    let entry = ADMINISTRATIVE
        .iter()
        .find(|entry| !entry.abbreviation.is_empty() && entry.abbreviation == head)?;
    // Without a following part it is an agency's own abbreviation: `TB` alone heads no
    // notification.
    notation.contains('-').then_some(ResolvedType {
        class: DocumentClass::Administrative,
        entry,
        by: ResolvedBy::Abbreviation,
    })
}

fn plain_name(name: &str) -> String {
    let head = name.split('(').next().unwrap_or_default();
    head.trim().nfc().collect::<String>().to_lowercase()
}

const fn row(
    detail: u32,
    vi: &'static str,
    abbreviation: &'static str,
    archive: &'static str,
) -> TypeEntry {
    TypeEntry {
        detail,
        vi,
        abbreviation,
        archive,
    }
}

/// Amendment 1:2022 of QCVN 102.
const NORMATIVE: &[TypeEntry] = &[
    row(1, "Hiến pháp", "", ""),
    row(2, "Luật", "", ""),
    row(3, "Pháp lệnh", "", ""),
    row(4, "Lệnh", "", ""),
    row(5, "Nghị quyết", "", ""),
    row(6, "Nghị quyết liên tịch", "", ""),
    row(7, "Nghị định", "", ""),
    row(8, "Quyết định", "", ""),
    row(9, "Thông tư", "", ""),
    row(10, "Thông tư liên tịch", "", ""),
    row(11, "Chỉ thị", "", ""),
    row(12, "Bộ luật", "", ""),
    row(
        13,
        "Văn bản quy phạm pháp luật của đơn vị hành chính - kinh tế đặc biệt",
        "",
        "",
    ),
];

/// The 32 types of the circular on document form, and the new "Phiếu báo" of Decree 30/2020 without
/// a code.
const ADMINISTRATIVE: &[TypeEntry] = &[
    row(1, "Nghị quyết (cá biệt)", "NQ", "01"),
    row(2, "Quyết định (cá biệt)", "QĐ", "02"),
    row(3, "Chỉ thị", "CT", "03"),
    row(4, "Quy chế", "QC", "04"),
    row(5, "Quy định", "QyĐ", "05"),
    row(6, "Thông cáo", "TC", "06"),
    row(7, "Thông báo", "TB", "07"),
    row(8, "Hướng dẫn", "HD", "08"),
    row(9, "Chương trình", "CTr", "09"),
    row(10, "Kế hoạch", "KH", "10"),
    row(11, "Phương án", "PA", "11"),
    row(12, "Đề án", "ĐA", "12"),
    row(13, "Dự án", "DA", "13"),
    row(14, "Báo cáo", "BC", "14"),
    row(15, "Biên bản", "BB", "20"),
    row(16, "Tờ trình", "TTr", "15"),
    row(17, "Hợp đồng", "HĐ", "21"),
    row(18, "Công văn", "", "22"),
    row(19, "Công điện", "CĐ", "23"),
    row(20, "Bản ghi nhớ", "BGN", "24"),
    row(21, "Bản cam kết", "", "32"),
    row(22, "Bản thỏa thuận", "BTT", "25"),
    row(23, "Giấy chứng nhận", "", "32"),
    row(24, "Giấy ủy quyền", "GUQ", "16"),
    row(25, "Giấy mời", "GM", "26"),
    row(26, "Giấy giới thiệu", "GGT", "27"),
    row(27, "Giấy nghỉ phép", "GNP", "28"),
    row(28, "Giấy đi đường", "", "32"),
    row(29, "Giấy biên nhận hồ sơ", "", "32"),
    row(30, "Phiếu gửi", "PG", "17"),
    row(31, "Phiếu chuyển", "PC", "18"),
    row(32, "Thư công", "", "29"),
    row(0, "Phiếu báo", "PB", "19"),
];
