//! What doors ask for: submissions, drafts of forms, filters of lists. Plain values, judged by others.

use formats::id::{Digest, EnvelopeId};
use formats::time::Timestamp;

use crate::body::Body;
use crate::view::RecipientState;

/// A submission as a door hands it over.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The edXML packet, exactly as it came: from `Desk::spool` or `Desk::compose`.
    pub packet: Body,
    /// The caller's Idempotency-Key, 1 to 255 characters.
    pub idempotency_key: Option<String>,
    /// Digest of the canonical request; the packet's digest when absent.
    pub request_digest: Option<Digest>,
    /// Why the same document is sent again with another packet, or again after its end.
    pub resend_reason: Option<String>,
    /// Hours until it expires, 1 to 720; the default of the desk when absent.
    pub lifetime_hours: Option<u32>,
    /// Written by the node itself about this received document: its row is marked in the same commit.
    pub reports: Option<EnvelopeId>,
}

impl Submission {
    /// A plain submission of a packet.
    pub fn of(packet: Body) -> Self {
        Self {
            packet,
            idempotency_key: None,
            request_digest: None,
            resend_reason: None,
            lifetime_hours: None,
            reports: None,
        }
    }
}

/// A document as a form describes it; the desk writes the packet.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// Codes of the recipients; aliases are allowed.
    pub to: Vec<String>,
    /// Number, at most 11 characters.
    pub number: String,
    /// Notation, at most 30 characters, no spaces.
    pub notation: String,
    /// Day of issue, `yyyy-mm-dd`.
    pub promulgated: String,
    /// Place of issue.
    pub place: Option<String>,
    /// 1 normative, 2 administrative (the default).
    pub type_class: Option<u32>,
    /// Code of the type within its class.
    pub type_detail: Option<u32>,
    /// Name of the type, for example `Công văn`.
    pub type_name: String,
    /// Subject (trích yếu).
    pub subject: String,
    /// Short content.
    pub summary: Option<String>,
    /// Capacity, position and name of the person who signed.
    pub signer_competence: Option<String>,
    /// Position of the person who signed.
    pub signer_position: Option<String>,
    /// Name of the person who signed.
    pub signer_name: String,
    /// Deadline, `yyyy-mm-dd`.
    pub due: Option<String>,
    /// Places as printed.
    #[serde(default)]
    pub to_places: Vec<String>,
    /// 0 normal to 4 immediate timed.
    pub priority: Option<u8>,
    /// A paper copy follows.
    #[serde(default)]
    pub paper_follows: bool,
    /// The sender's document id; made from code, day and notation when absent.
    pub local_id: Option<String>,
}

/// What a recipient answers about a received document; the desk writes the status packet.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusDraft {
    /// `02` refused, `03` accepted, `04` assigned, `05` in progress, `06` completed, `15` agrees to a recall
    /// or update, `16` declines it.
    pub code: String,
    /// Reason or note; a must for 02 and 16. At most 1,000 characters.
    pub reason: Option<String>,
    /// Number in the register of the recipient; joins the note.
    pub register_number: Option<String>,
    /// The clerk or officer.
    pub staff: Option<String>,
    /// Department of that person.
    pub department: Option<String>,
}

/// Taking a sent document back; the desk writes the recall packet.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecallDraft {
    /// Why; at most 500 characters.
    pub reason: String,
    /// From whom; all recipients when empty.
    #[serde(default)]
    pub to: Vec<String>,
    /// The clerk.
    pub staff: Option<String>,
}

/// Changing the recipients of a sent document; the desk writes the update packet.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateDraft {
    /// Why; at most 500 characters.
    pub reason: String,
    /// Codes of new recipients; they get the whole document.
    #[serde(default)]
    pub add: Vec<String>,
    /// Codes of recipients that should not have it any more.
    #[serde(default)]
    pub remove: Vec<String>,
    /// The clerk.
    pub staff: Option<String>,
}

/// One file of a draft.
#[derive(Clone, Debug)]
pub struct DraftFile {
    /// File name as the user sees it.
    pub name: String,
    /// Media type.
    pub mime: String,
    /// Description, if any.
    pub description: Option<String>,
    /// The bytes.
    pub body: Body,
}

/// Which sent documents.
#[derive(Clone, Debug, Default)]
pub struct DocumentFilter {
    /// `document` or `status`; all when absent.
    pub kind: Option<&'static str>,
    /// Any recipient is in one of these states; empty = all.
    pub states: Vec<RecipientState>,
    /// Words of subject, code, recipients; diacritics do not matter.
    pub text: Option<String>,
    /// Accepted at or after.
    pub from: Option<Timestamp>,
    /// Accepted before.
    pub to: Option<Timestamp>,
}
