//! The packets in memory [edxml-model 7].
//!
//! Text fields hold what the packet says, trimmed; an empty `String` means that a mandatory field
//! was missing (the reader notes what was wrong, `validate` says it). Attachments are described
//! here, never held. Must not know: XML syntax, limits, the rules of validity.

use crate::id::Digest;
use crate::time::Timestamp;

use super::date::Date;
use super::finding::{Fault, Warning};
use super::organ::{Org, OrganId};
use super::status::StatusCode;
use super::text;

/// One parsed file.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet {
    /// `messageType = edoc`.
    Document(Box<DocumentPacket>),
    /// `messageType = status`.
    Status(Box<StatusPacket>),
}

/// Which of the known wire dialects a packet was read in [edxml-model 1, row N].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Namespace `http://www.e-doc.vn/Schema/`, before 2016.
    EDocVn,
    /// Namespace `http://www.go.vn/eDoc`.
    GoVn,
    /// The namespace of QCVN 102:2016: the form we write.
    #[default]
    Qcvn102,
    /// A SOAP envelope around the header, before 2016.
    Soap,
    /// No namespace at all.
    Unqualified,
}

/// A document packet: new document, recall, update or replacement [edxml-model 2].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DocumentPacket {
    /// Dialect it was read in; writing ignores it.
    pub dialect: Dialect,
    /// Sending agency (1.1).
    pub from: Org,
    /// Receiving agencies in the order written (1.2).
    pub to: Vec<Org>,
    /// Number and notation (1.3).
    pub code: Code,
    /// Place and date of issue (1.4).
    pub issued: Issued,
    /// Document type (1.5).
    pub doc_type: DocumentType,
    /// Abstract, "trích yếu" (1.6).
    pub subject: String,
    /// Short content (1.7).
    pub summary: Option<String>,
    /// Who signed (1.8).
    pub signer: Signer,
    /// Deadline for reply or handling (1.9).
    pub due: Option<Date>,
    /// Recipients as printed on the document, "nơi nhận" (1.10).
    pub to_places: Vec<String>,
    /// Urgency, circulation, counts (1.11).
    pub other: OtherInfo,
    /// Documents this one answers (1.12).
    pub response_for: Vec<ResponseFor>,
    /// Direction class; two readings exist in practice, so it is shown and never acted on (1.13).
    pub steering: Option<u32>,
    /// The sender's identifier of the document, opaque (1.14).
    pub document_id: String,
    /// Codes of assigned tasks answered.
    pub tasks: Vec<String>,
    /// Marks payloads that are not plain documents (one-stop cases).
    pub application_type: Option<String>,
    /// Hop history (2.0, 2.1).
    pub trace: Trace,
    /// What the packet does (2.2).
    pub business: Business,
    /// `Paper`: 0 no, 1 a paper copy follows; larger values are somebody's page count, shown only.
    pub paper: u32,
    /// Contact clerk.
    pub staff: Option<Staff>,
    /// Signature inside the XML, kept verbatim (3).
    pub signature: RawSignature,
    /// Attachments in display order, the first is the main document (4, 5).
    pub attachments: Vec<AttachmentRef>,
    /// Everything we do not know, for writing back.
    pub extensions: Vec<Extension>,
    /// What reading repaired or found odd.
    pub warnings: Vec<Warning>,
    /// What reading found wrong without having to stop; `validate::document` repeats them.
    pub faults: Vec<Fault>,
}

/// A business status packet [edxml-model 3].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatusPacket {
    /// Dialect it was read in; writing ignores it.
    pub dialect: Dialect,
    /// The responding agency.
    pub from: Org,
    /// The document it speaks about.
    pub response_for: ResponseFor,
    /// What happened.
    pub code: StatusCode,
    /// Reason or note.
    pub description: Option<String>,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// Contact clerk.
    pub staff: Option<Staff>,
    /// Everything we do not know, for writing back.
    pub extensions: Vec<Extension>,
    /// What reading repaired or found odd.
    pub warnings: Vec<Warning>,
    /// What reading found wrong without having to stop; `validate::status` repeats them.
    pub faults: Vec<Fault>,
}

/// Number and notation of a document: `05` and `STN-VP`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// Number as text: a leading zero is part of it.
    pub number: String,
    /// Notation.
    pub notation: String,
}

impl Code {
    /// `number/notation`, the form shown to people and used in `DocumentId` and `ResponseFor`.
    #[must_use]
    pub fn joined(&self) -> String {
        format!("{}/{}", self.number, self.notation)
    }
}

/// Place and date of issue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issued {
    /// Place.
    pub place: Option<String>,
    /// Date; `None` when missing or not understood.
    pub date: Option<Date>,
}

/// Document type as written; `codes::resolve_type` reads its meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentType {
    /// `Type`: 1 normative, 2 administrative, or in one dialect the type code itself.
    pub class: Option<u32>,
    /// `TypeDetail`: code within the class, 0 = unspecified.
    pub detail: Option<u32>,
    /// `TypeName`, what people see.
    pub name: String,
}

/// The person who signed the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signer {
    /// Capacity: `TM.`, `KT.`, `TL.` …
    pub competence: Option<String>,
    /// Position.
    pub position: Option<String>,
    /// Full name.
    pub full_name: String,
}

/// Urgency, circulation and counts (1.11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherInfo {
    /// Urgency as written, 0..=4 when valid; absent means 0. See `codes::Priority`.
    pub priority: Option<u32>,
    /// `SphereOfPromulgation`: circulation limit.
    pub circulation: Option<String>,
    /// `TyperNotation`: initials of the drafter.
    pub drafter: Option<String>,
    /// Copies issued.
    pub copies: Option<u32>,
    /// Pages.
    pub pages: Option<u32>,
    /// Titles of appendixes.
    pub appendixes: Vec<String>,
    /// Vendor field `ReferenceCodes`: the case this belongs to.
    pub reference_codes: Option<String>,
    /// Vendor field `ReplyFors`.
    pub reply_fors: Option<String>,
}

/// Reference to another document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseFor {
    /// Issuer of that document.
    pub organ_id: OrganId,
    /// `number/notation`.
    pub code: String,
    /// Its date.
    pub date: Option<Date>,
    /// Its DocumentId.
    pub document_id: Option<String>,
}

impl ResponseFor {
    /// Whether this names that document: by DocumentId when it has one, else by agency, code and
    /// date together; missing parts match nothing [edxml-model 3]. The old form of an agency's code
    /// is another code here: the caller resolves aliases first.
    #[must_use]
    // [spec:edxml-29]
    pub fn names(&self, document: &DocumentPacket) -> bool {
        if let Some(id) = &self.document_id {
            return text::same(id, &document.document_id);
        }
        let issuer = self.organ_id.normalised();
        !issuer.is_empty()
            && issuer == document.from.organ_id.normalised()
            && !self.code.is_empty()
            && text::same(&self.code, &document.code.joined())
            && self.date.is_some()
            && self.date == document.issued.date
    }
}

/// `TraceHeaderList`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Random id, 8–36 characters.
    pub id: String,
    /// Hops, oldest first. The sender writes one; a relay never edits a signed packet.
    pub hops: Vec<Hop>,
}

/// One hop of `TraceHeaderList`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// Agency of the hop.
    pub organ_id: OrganId,
    /// Time at the hop.
    pub at: Option<Timestamp>,
}

/// What the packet does to a document (`Bussiness`) [edxml-model 2.2].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Business {
    /// 0: a new document.
    #[default]
    New,
    /// 1: the sender takes a document back.
    Recall {
        /// DocumentId of the document.
        target: String,
        /// Why.
        reason: String,
    },
    /// 2: content or receivers of a document change.
    Update {
        /// DocumentId of the document.
        target: String,
        /// Why.
        reason: String,
        /// Content or metadata changed (`DocumentInfo` = 1).
        content_changed: bool,
        /// Receivers added.
        receivers_added: Vec<OrganId>,
        /// Receivers removed.
        receivers_removed: Vec<OrganId>,
    },
    /// 3: this document replaces others.
    Replace {
        /// Why.
        reason: String,
        /// Documents replaced.
        replaced: Vec<Replaced>,
    },
    /// Any other number: vendors use some among themselves; never written by us, E-BUSINESS on
    /// validation.
    Other {
        /// The number as written.
        code: u32,
        /// Reason, if any.
        reason: Option<String>,
        /// DocumentId, if any.
        target: Option<String>,
    },
}

impl Business {
    /// `BussinessDocType`.
    #[must_use]
    pub const fn code(&self) -> u32 {
        match self {
            Self::New => 0,
            Self::Recall { .. } => 1,
            Self::Update { .. } => 2,
            Self::Replace { .. } => 3,
            Self::Other { code, .. } => *code,
        }
    }

    /// Vietnamese name of the action.
    #[must_use]
    pub const fn vi(&self) -> &'static str {
        match self {
            Self::New => "Văn bản mới",
            Self::Recall { .. } => "Thu hồi",
            Self::Update { .. } => "Cập nhật",
            Self::Replace { .. } => "Thay thế",
            Self::Other { .. } => "Không xác định",
        }
    }
}

/// One document that a replacement replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// DocumentId of the old document.
    pub document_id: String,
    /// Agencies that hold the old document.
    pub holders: Vec<OrganId>,
}

/// Contact clerk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staff {
    /// Department.
    pub department: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Telephone.
    pub mobile: Option<String>,
}

/// The `Signature` element of a packet: kept, never trusted by itself [vn-practice 1.7].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RawSignature {
    /// No such element.
    #[default]
    Absent,
    /// Present without content (one dialect always sends `DigitalSignature` empty).
    Empty,
    /// Present; the XML text of the element.
    Present(String),
}

/// One attachment: description and fingerprint, never bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentRef {
    /// Index given to the sink, in the order the bytes stood in the file.
    pub index: usize,
    /// Content id without `cid:`.
    pub cid: String,
    /// File name as written, for display. Use `safe_file_name` before any disk.
    pub name: String,
    /// MIME type as claimed by the attachment (never trust it for behaviour).
    pub mime: String,
    /// Description.
    pub description: Option<String>,
    /// Bytes after base64.
    pub size: u64,
    /// SHA-256 of those bytes.
    pub sha256: Digest,
    /// Claims to be an implicitly zipped file: type zip, name not `.zip`, first bytes `PK\x03\x04`.
    /// The caller runs `implicit_zip::inflate` and keeps both digests.
    pub implicit_zip: bool,
}

/// Something in the packet we have no field for, kept for writing back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Where it stood: names from the outermost element we know, `[n]` after repeated ones, `@name`
    /// at the end for an attribute. Example: `MessageHeader/To[2]/@kind`.
    pub place: String,
    /// XML text of the element, or the attribute's value as written.
    pub xml: String,
}
