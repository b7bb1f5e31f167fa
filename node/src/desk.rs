//! The service layer: everything that a door, a screen or a command may ask of this desk.
//!
//! Doors parse and format; they call only what is here. Every method is for one agency, so a caller
//! sees nothing of another. Answers leave after the commit they speak of is durable. Failures are
//! `SubmitError` and `DeskError`; nothing here panics on input.

use std::path::Path;
use std::sync::Arc;

use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::time::Timestamp;

use crate::access::{Caller, KeyDraft, KeyView, Login, NewKey, UserDraft};
use crate::body::{Body, Spool};
use crate::fault::{DeskError, SubmitError};
use crate::view::{
    Accepted, Acknowledged, AgencyView, AttachmentView, Checked, Claim, Counts, DocumentRow,
    DocumentView, Explanation, FileView, InboxRow, InboxState, InboxView, Page, RecipientState,
    RecipientView, ServedAgency, StationView, TimelineView,
};

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
    /// Any recipient is in one of these states; empty = all.
    pub states: Vec<RecipientState>,
    /// Words of subject, code, recipients; diacritics do not matter.
    pub text: Option<String>,
    /// Accepted at or after.
    pub from: Option<Timestamp>,
    /// Accepted before.
    pub to: Option<Timestamp>,
}

/// The desk of a node. Cheap to clone; the station under it stops with `stop`.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {}

impl Desk {
    /// Now, by the clock of the station.
    pub fn now(&self) -> Timestamp {
        todo_body()
    }

    /// A place for a door to stream a packet or a file into.
    pub fn spool(&self) -> Spool {
        todo_body()
    }

    /// Agencies that this desk serves.
    pub fn agencies(&self) -> Vec<ServedAgency> {
        todo_body()
    }

    /// One agency of the directory by code or alias.
    pub fn agency(&self, code: &str) -> Option<AgencyView> {
        let _ = code;
        todo_body()
    }

    /// Agencies whose code or name has these words; diacritics do not matter. At most 50.
    pub fn search_agencies(&self, text: &str, limit: usize) -> Vec<AgencyView> {
        let _ = (text, limit);
        todo_body()
    }

    /// How the station under the desk is.
    pub async fn station_view(&self) -> Result<StationView, DeskError> {
        todo_body()
    }

    /// Counts up when a state, an arrival or an acknowledgement was committed: long polls wait on it.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        todo_body()
    }

    // Sending.

    /// Accepts a document: checks, signs, stamps, seals, commits. See architecture 4.
    pub async fn submit(
        &self,
        agency: &AgencyCode,
        submission: Submission,
    ) -> Result<Accepted, SubmitError> {
        let _ = (agency, submission);
        todo_body()
    }

    /// Says what `submit` would say about the packet; stores nothing.
    pub async fn validate(
        &self,
        agency: &AgencyCode,
        packet: Body,
    ) -> Result<Checked, SubmitError> {
        let _ = (agency, packet);
        todo_body()
    }

    /// Writes an edXML packet for a form. Its faults come with `submit` or `validate`.
    pub async fn compose(
        &self,
        agency: &AgencyCode,
        draft: Draft,
        files: Vec<DraftFile>,
    ) -> Result<Body, SubmitError> {
        let _ = (agency, draft, files);
        todo_body()
    }

    /// Sent documents, newest first. `limit` 1 to 200.
    pub async fn documents(
        &self,
        agency: &AgencyCode,
        filter: &DocumentFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<DocumentRow>, DeskError> {
        let _ = (agency, filter, cursor, limit);
        todo_body()
    }

    /// One sent document.
    pub async fn document(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<DocumentView, DeskError> {
        let _ = (agency, id);
        todo_body()
    }

    /// Sent documents with this DocumentId, newest first (more than one after a resend).
    pub async fn find_by_local_id(
        &self,
        agency: &AgencyCode,
        local_id: &str,
    ) -> Result<Vec<DocumentRow>, DeskError> {
        let _ = (agency, local_id);
        todo_body()
    }

    /// Its recipients in the order of the packet.
    pub async fn recipients(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<Vec<RecipientView>, DeskError> {
        let _ = (agency, id);
        todo_body()
    }

    /// The history per recipient.
    pub async fn timeline(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<Vec<TimelineView>, DeskError> {
        let _ = (agency, id);
        todo_body()
    }

    /// Why it is where it is and what to do.
    pub async fn explain(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<Explanation, DeskError> {
        let _ = (agency, id);
        todo_body()
    }

    /// Writes the proof package (zip) of a sent document.
    pub async fn evidence(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<FileView, DeskError> {
        let _ = (agency, id);
        todo_body()
    }

    /// The packet of a sent document.
    pub async fn sent_package(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<FileView, DeskError> {
        let _ = (agency, id);
        todo_body()
    }

    /// Attachment `n` (from 1) of a sent document, unzipped.
    pub async fn sent_file(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        n: u32,
    ) -> Result<FileView, DeskError> {
        let _ = (agency, id, n);
        todo_body()
    }

    // Receiving.

    /// Received documents, newest first; `states` empty = all but quarantine. `limit` 1 to 200.
    pub async fn inbox(
        &self,
        agency: &AgencyCode,
        states: &[InboxState],
        text: Option<&str>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<InboxRow>, DeskError> {
        let _ = (agency, states, text, cursor, limit);
        todo_body()
    }

    /// One received document.
    pub async fn inbox_item(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<InboxView, DeskError> {
        let _ = (agency, id);
        todo_body()
    }

    /// Leases up to `count` (1 to 200) new documents for `lease_s` seconds (5 to 3600).
    pub async fn claim(
        &self,
        agency: &AgencyCode,
        count: u32,
        lease_s: u32,
    ) -> Result<Claim, DeskError> {
        let _ = (agency, count, lease_s);
        todo_body()
    }

    /// Hands a document over: state, statement and owed receipt in one commit. Without a claim only
    /// for an item that nobody has claimed. Repeating it gives the first answer.
    pub async fn ack(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        claim: Option<&str>,
    ) -> Result<Acknowledged, DeskError> {
        let _ = (agency, id, claim);
        todo_body()
    }

    /// The verified packet of a received document.
    pub async fn package(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<FileView, DeskError> {
        let _ = (agency, id);
        todo_body()
    }

    /// Attachment `n` (from 1) of a received document, unzipped.
    pub async fn file(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
        n: u32,
    ) -> Result<FileView, DeskError> {
        let _ = (agency, id, n);
        todo_body()
    }

    /// Attachments of a received document.
    pub async fn files(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<Vec<AttachmentView>, DeskError> {
        let _ = (agency, id);
        todo_body()
    }

    /// Numbers for the rail.
    pub async fn counts(&self, agency: &AgencyCode) -> Result<Counts, DeskError> {
        let _ = agency;
        todo_body()
    }

    // Access.

    /// Adds a user, or sets a new password, name and scopes for an existing one.
    pub async fn put_user(&self, draft: UserDraft) -> Result<(), DeskError> {
        let _ = draft;
        todo_body()
    }

    /// Checks a password; `None` says no more than no.
    pub async fn login(&self, name: &str, password: &str) -> Result<Option<Login>, DeskError> {
        let _ = (name, password);
        todo_body()
    }

    /// Who a session token belongs to, if it still runs.
    pub async fn session(&self, token: &str) -> Result<Option<Caller>, DeskError> {
        let _ = token;
        todo_body()
    }

    /// Ends a session.
    pub async fn logout(&self, token: &str) -> Result<(), DeskError> {
        let _ = token;
        todo_body()
    }

    /// Makes a key for an agency served here.
    pub async fn create_key(
        &self,
        agency: &AgencyCode,
        draft: KeyDraft,
    ) -> Result<NewKey, DeskError> {
        let _ = (agency, draft);
        todo_body()
    }

    /// Who a key belongs to, if it is good now.
    pub async fn verify_key(&self, secret: &str) -> Result<Option<Caller>, DeskError> {
        let _ = secret;
        todo_body()
    }

    /// Keys of an agency, newest first.
    pub async fn keys(&self, agency: &AgencyCode) -> Result<Vec<KeyView>, DeskError> {
        let _ = agency;
        todo_body()
    }

    /// Revokes a key.
    pub async fn revoke_key(&self, agency: &AgencyCode, id: &str) -> Result<(), DeskError> {
        let _ = (agency, id);
        todo_body()
    }

    /// Checks a proof package; the same checks as its `verify.sh`.
    pub fn verify_evidence(path: &Path) -> std::io::Result<crate::evidence::verify::Report> {
        crate::evidence::verify::file(path)
    }
}

fn todo_body<T>() -> T {
    unimplemented!()
}
