//! The sender's identifier of a document: `OrganId,yyyy/MM/dd,CodeNumber/CodeNotation` [edxml-model
//! 5.2].
//!
//! Written in that form, read as opaque text; the parts serve only for cross-checking and display.

use super::date::Date;
use super::finding::Warning;
use super::model::DocumentPacket;
use super::organ::OrganId;
use super::text;

/// Longest DocumentId, in characters.
pub const CHARS_MAX: usize = 250;

/// The three parts of a well-formed DocumentId.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentIdParts {
    /// Issuing agency.
    pub organ_id: OrganId,
    /// Date of issue.
    pub date: Date,
    /// `number/notation`.
    pub code: String,
}

/// Builds the identifier we write.
#[must_use]
pub fn build(organ_id: &OrganId, date: Date, code: &str) -> String {
    format!("{organ_id},{date},{code}")
}

/// Splits an identifier of the usual form; `None` for any other, which is allowed.
#[must_use]
pub fn parse(text: &str) -> Option<DocumentIdParts> {
    let mut parts = text.split(',').map(str::trim);
    let (organ_id, date, code) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || organ_id.is_empty() || code.is_empty() {
        return None;
    }
    Some(DocumentIdParts {
        organ_id: OrganId::new(organ_id),
        date: Date::parse(date)?.value,
        code: code.to_owned(),
    })
}

/// W-DOCID when a well-formed identifier disagrees with the fields it repeats: consumers match by
/// its parts.
#[must_use]
// [spec:edxml-13]
pub fn cross_check(packet: &DocumentPacket) -> Option<Warning> {
    let parts = parse(&packet.document_id)?;
    // A missing field is said by itself.
    let from = packet.from.organ_id.normalised();
    let code = &packet.code;
    let coded = !code.number.is_empty() && !code.notation.is_empty();
    let disagrees = (!from.is_empty() && parts.organ_id.normalised() != from)
        || packet.issued.date.is_some_and(|date| date != parts.date)
        || (coded && !text::same(&parts.code, &code.joined()));
    disagrees.then(|| {
        Warning::new(
            "W-DOCID",
            "MessageHeader/DocumentId",
            "Mã định danh văn bản không khớp với bên gửi, ngày ban hành hoặc số ký hiệu",
            "the document id disagrees with the sender, the date of issue or the code",
        )
    })
}
