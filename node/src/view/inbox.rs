//! Views of received documents, of files that may be handed out, and of agencies served.
//! Plain values; times leave as RFC 3339 text.

use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::time::Timestamp;
use serde::Serialize;

use super::business::BusinessView;
use super::deadline::DeadlineView;
use super::document::{AttachmentView, PacketFacts, SignatureView};
use super::keeping::{ContentDeleted, KeepingView};
use super::state::{FaultView, InboxState, ReasonView, as_text, as_text_time, as_text_time_option};
use crate::body::Body;

/// A received document in the list.
#[derive(Clone, Debug, Serialize)]
pub struct InboxRow {
    /// Its envelope.
    #[serde(serialize_with = "as_text")]
    pub id: EnvelopeId,
    /// `document` or `status`.
    pub kind: &'static str,
    /// Sending agency.
    pub sender: String,
    /// Its name.
    pub sender_name: String,
    /// DocumentId of the packet; empty in quarantine.
    pub local_id: String,
    /// `number/notation`.
    pub code: String,
    /// Subject (trích yếu).
    pub subject: String,
    /// Name of the type.
    pub type_name: String,
    /// 0 normal to 4 immediate timed.
    pub priority: u8,
    /// 0 new, 1 recall, 2 update, 3 replacement.
    pub business: u8,
    /// Its state.
    pub state: InboxState,
    /// Where it stands: `arrived`, `refused`, `registered` … (see `BusinessView::state`).
    pub business_state: String,
    /// What its sender asks: `none`, `recall_requested`, `update_requested`, `recalled`, `updated`.
    pub business_request: String,
    /// Why, in quarantine.
    pub reason: Option<ReasonView>,
    /// When it was delivered here.
    #[serde(serialize_with = "as_text_time")]
    pub received: Timestamp,
    /// When it was handed over.
    #[serde(serialize_with = "as_text_time_option")]
    pub acknowledged: Option<Timestamp>,
}

/// One received document.
#[derive(Clone, Debug, Serialize)]
pub struct InboxView {
    /// The list row's fields.
    #[serde(flatten)]
    pub row: InboxRow,
    /// What the packet says; default in quarantine.
    pub facts: PacketFacts,
    /// Attachments in order.
    pub attachments: Vec<AttachmentView>,
    /// Size of the packet.
    pub packet_bytes: u64,
    /// SHA-256 of the packet, hex; empty in quarantine.
    pub packet_digest: String,
    /// Its signature; absent in quarantine.
    pub signature: Option<SignatureView>,
    /// What looked wrong but does not stop delivery.
    pub warnings: Vec<FaultView>,
    /// When the sender's station accepted it.
    #[serde(serialize_with = "as_text_time")]
    pub sent: Timestamp,
    /// Its business life; absent for a status and in quarantine.
    pub business: Option<BusinessView>,
    /// The legal deadlines of this agency for it.
    pub deadlines: Vec<DeadlineView>,
    /// When somebody of this agency first opened it on the screens.
    #[serde(serialize_with = "as_text_time_option")]
    pub opened: Option<Timestamp>,
    /// The packet is here no more.
    pub content_deleted: Option<ContentDeleted>,
    /// What was done about keeping it, oldest first.
    pub keeping: Vec<KeepingView>,
}

/// A lease on received documents.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// Word to give back with each acknowledgement.
    pub claim: String,
    /// When the lease ends and others may claim.
    #[serde(serialize_with = "as_text_time")]
    pub until: Timestamp,
    /// What was leased, oldest and most urgent first.
    pub items: Vec<InboxRow>,
}

/// The answer to an acknowledgement; it leaves only after its commit is durable.
#[derive(Clone, Debug, Serialize)]
pub struct Acknowledged {
    /// The envelope.
    #[serde(serialize_with = "as_text")]
    pub id: EnvelopeId,
    /// When it was handed over.
    #[serde(serialize_with = "as_text_time")]
    pub at: Timestamp,
    /// It had been acknowledged before; nothing new was written.
    pub duplicate: bool,
}

/// Bytes that a door may hand out: verified, on disk or in memory.
#[derive(Clone, Debug)]
pub struct FileView {
    /// The bytes.
    pub body: Body,
    /// Name that is safe in a header and on a disk.
    pub file_name: String,
    /// Media type.
    pub mime: String,
    /// SHA-256 of the bytes.
    pub digest: Digest,
}

/// Numbers for the rail of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Sent documents.
    pub sent: u64,
    /// Sent documents with a recipient not final and not delivered.
    pub moving: u64,
    /// Sent documents with a refused or expired recipient.
    pub trouble: u64,
    /// Received, new or claimed.
    pub inbox_new: u64,
    /// Received in all, without quarantine.
    pub inbox: u64,
    /// In quarantine.
    pub quarantined: u64,
}

/// An agency that this desk serves.
#[derive(Clone, Debug, Serialize)]
pub struct ServedAgency {
    /// Its code.
    pub code: AgencyCode,
    /// Its name in the directory.
    pub name: String,
    /// When its signature certificate ends.
    #[serde(serialize_with = "as_text_time")]
    pub signature_until: Timestamp,
    /// When its encryption certificate ends.
    #[serde(serialize_with = "as_text_time")]
    pub encryption_until: Timestamp,
}
