//! Views of sent documents: the answer to a submission, list rows, recipients, history, explanation.
//! Plain values; times leave as RFC 3339 text.

use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::business::BusinessView;
use super::checks::FileCheck;
use super::deadline::DeadlineView;
use super::finding::Finding;
use super::keeping::{ContentDeleted, KeepingView};
use super::proof::{EvidenceLevel, LogPlace, Source};
use super::state::{
    FaultView, Phrase, ReasonView, RecipientState, StateCounts, as_text, as_text_time,
    as_text_time_option, as_texts,
};

/// One of the codes a recipient list named and what the directory made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AcceptedRecipient {
    /// Canonical code.
    pub code: AgencyCode,
    /// Name in the directory.
    pub name: String,
    /// The code as the packet wrote it, when that was an alias or a predecessor.
    pub written_as: Option<String>,
    /// Envelope that carries the document to it.
    #[serde(serialize_with = "as_text")]
    pub envelope: EnvelopeId,
    /// Its state now.
    pub state: RecipientState,
}

/// The answer to a submission; it leaves only after the commit that it speaks of is durable.
#[derive(Clone, Debug, Serialize)]
pub struct Accepted {
    /// The document: the id of its first envelope.
    #[serde(serialize_with = "as_text")]
    pub id: EnvelopeId,
    /// DocumentId of the packet.
    pub local_id: String,
    /// Envelopes of the document, at most 256 recipients each.
    #[serde(serialize_with = "as_texts")]
    pub envelopes: Vec<EnvelopeId>,
    /// The same document was accepted before; nothing new was sent.
    pub duplicate: bool,
    /// The same Idempotency-Key was answered before: this is that answer.
    pub replayed: bool,
    /// When it was accepted.
    #[serde(serialize_with = "as_text_time")]
    pub accepted_at: Timestamp,
    /// Until when stations may deliver it.
    #[serde(serialize_with = "as_text_time")]
    pub expires: Timestamp,
    /// SHA-256 of the packet.
    #[serde(serialize_with = "as_text")]
    pub packet_digest: Digest,
    /// Recipients as resolved.
    pub recipients: Vec<AcceptedRecipient>,
    /// What was repaired or looks wrong.
    pub warnings: Vec<FaultView>,
}

/// The answer to a dry run: what `submit` would have said, nothing stored.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// DocumentId of the packet.
    pub local_id: String,
    /// Recipients as resolved: code, name and the code as written if another.
    pub recipients: Vec<CheckedRecipient>,
    /// What was repaired or looks wrong, each with its rule.
    pub warnings: Vec<Finding>,
}

/// A recipient of a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedRecipient {
    /// Canonical code.
    pub code: AgencyCode,
    /// Name in the directory.
    pub name: String,
    /// The code as the packet wrote it, when that was an alias or a predecessor.
    pub written_as: Option<String>,
}

/// A document in the sender's list.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentRow {
    /// The document: the id of its first envelope.
    #[serde(serialize_with = "as_text")]
    pub id: EnvelopeId,
    /// `document` or `status`.
    pub kind: &'static str,
    /// DocumentId of the packet.
    pub local_id: String,
    /// `number/notation`, as people quote it.
    pub code: String,
    /// Subject (trích yếu).
    pub subject: String,
    /// Name of the type, for example `Công văn`.
    pub type_name: String,
    /// 0 normal to 4 immediate timed.
    pub priority: u8,
    /// 0 new, 1 recall, 2 update, 3 replacement.
    pub business: u8,
    /// Names of the first recipients, at most three.
    pub recipient_names: Vec<String>,
    /// Recipients by state.
    pub counts: StateCounts,
    /// The state that decides the badge.
    pub state: RecipientState,
    /// When it was accepted.
    #[serde(serialize_with = "as_text_time")]
    pub created: Timestamp,
    /// When a state last changed.
    #[serde(serialize_with = "as_text_time")]
    pub updated: Timestamp,
}

/// What the packet says about itself; the same for a sent and a received document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketFacts {
    /// `number/notation`.
    pub code: String,
    /// Subject (trích yếu); for a status its description.
    pub subject: String,
    /// Short content.
    pub summary: Option<String>,
    /// Name of the document type.
    pub type_name: String,
    /// 0 normal to 4 immediate timed.
    pub priority: u8,
    /// Day of issue, `yyyy-mm-dd`.
    pub promulgated: Option<String>,
    /// Place of issue.
    pub place: Option<String>,
    /// Deadline, `yyyy-mm-dd`.
    pub due: Option<String>,
    /// Name of the person who signed.
    pub signer_name: Option<String>,
    /// Position of the person who signed.
    pub signer_position: Option<String>,
    /// Name of the sending agency as the packet writes it.
    pub sender_name: String,
    /// Code of the sending agency as the packet writes it; it may be an old one.
    #[serde(default)]
    pub sender_code: String,
    /// 0 new, 1 recall, 2 update, 3 replace.
    pub business: u8,
    /// Reason of a recall, update or replacement.
    pub business_reason: Option<String>,
    /// DocumentIds of the documents that a recall, update or replacement is about.
    #[serde(default)]
    pub business_targets: Vec<String>,
    /// A paper copy follows.
    pub paper_follows: bool,
    /// Places as printed ("Nơi nhận").
    pub to_places: Vec<String>,
    /// For a status: its two-digit code.
    pub status_code: Option<String>,
    /// DocumentIds or codes of the documents it answers.
    pub response_for: Vec<String>,
}

/// An attachment of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentView {
    /// Number in the packet from 1, the `n` of `files/{n}`.
    pub n: u32,
    /// Name for display, as written.
    pub name: String,
    /// Name that is safe on a disk.
    pub file_name: String,
    /// Media type of the bytes that `file` returns.
    pub mime: String,
    /// Description, if any.
    pub description: Option<String>,
    /// Size of the bytes that `file` returns.
    pub bytes: u64,
    /// SHA-256 of the bytes that `file` returns, hex.
    pub sha256: String,
    /// The packet holds it zipped; `file` returns it unzipped.
    pub zipped: bool,
    /// What the signatures inside a received PDF are worth; never stored with the packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures: Option<FileCheck>,
}

/// How the time of a signature is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeProof {
    /// A time-stamp token on the signature.
    TimeStamp,
    /// The stamped checkpoint that covers the statement of acceptance.
    Checkpoint,
}

/// The signature of a packet.
#[derive(Clone, Debug, Serialize)]
pub struct SignatureView {
    /// Agency that signed.
    pub signer: AgencyCode,
    /// SHA-256 of its certificate, hex.
    pub certificate: String,
    /// Time inside the signature (says the signer).
    #[serde(serialize_with = "as_text_time")]
    pub signed_at: Timestamp,
    /// Time of the token, if there is one.
    #[serde(serialize_with = "as_text_time_option")]
    pub stamped_at: Option<Timestamp>,
    /// What proves the time.
    pub time_proof: TimeProof,
}

/// One sent document.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentView {
    /// The list row's fields.
    #[serde(flatten)]
    pub row: DocumentRow,
    /// What the packet says.
    pub facts: PacketFacts,
    /// Sending agency.
    pub sender: AgencyCode,
    /// Envelopes that carry it.
    #[serde(serialize_with = "as_texts")]
    pub envelopes: Vec<EnvelopeId>,
    /// Until when stations may deliver it.
    #[serde(serialize_with = "as_text_time")]
    pub expires: Timestamp,
    /// Size of the packet.
    pub packet_bytes: u64,
    /// SHA-256 of the packet, hex.
    pub packet_digest: String,
    /// Its signature.
    pub signature: SignatureView,
    /// Attachments in order; the first is the main document.
    pub attachments: Vec<AttachmentView>,
    /// What was repaired or looks wrong.
    pub warnings: Vec<FaultView>,
    /// Why the same document was sent again, if it was.
    pub resend_reason: Option<String>,
    /// The packet is here no more.
    pub content_deleted: Option<ContentDeleted>,
    /// What was done about keeping it, oldest first.
    pub keeping: Vec<KeepingView>,
}

/// A leg that waits for its next attempt.
#[derive(Clone, Debug, Serialize)]
pub struct WaitingView {
    /// Why the last attempt did not succeed.
    pub reason: ReasonView,
    /// When the next one starts.
    #[serde(serialize_with = "as_text_time")]
    pub next_at: Timestamp,
    /// Number of the last attempt, from 1.
    pub attempt: u32,
}

/// One recipient of a sent document.
#[derive(Clone, Debug, Serialize)]
pub struct RecipientView {
    /// Canonical code.
    pub code: AgencyCode,
    /// Name in the directory when it was sent.
    pub name: String,
    /// The code as the packet wrote it, when that was another.
    pub written_as: Option<String>,
    /// Envelope that carries it there.
    #[serde(serialize_with = "as_text")]
    pub envelope: EnvelopeId,
    /// Its state.
    pub state: RecipientState,
    /// Why, for `refused`.
    pub reason: Option<ReasonView>,
    /// The attempt it waits for, if it waits.
    pub waiting: Option<WaitingView>,
    /// When it was accepted here.
    #[serde(serialize_with = "as_text_time")]
    pub accepted_at: Timestamp,
    /// When the first neighbour took custody.
    #[serde(serialize_with = "as_text_time_option")]
    pub relayed_at: Option<Timestamp>,
    /// Time in the home station's statement of delivery.
    #[serde(serialize_with = "as_text_time_option")]
    pub delivered_at: Option<Timestamp>,
    /// Time in the home station's statement of hand-over.
    #[serde(serialize_with = "as_text_time_option")]
    pub handed_over_at: Option<Timestamp>,
    /// When the state last changed.
    #[serde(serialize_with = "as_text_time")]
    pub updated: Timestamp,
    /// Where the document stands with this recipient, by what was said about it.
    pub business: BusinessView,
    /// The legal deadlines that run with this recipient.
    pub deadlines: Vec<DeadlineView>,
}

/// What the desk knows about the truth of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Signature, inclusion proof and right to speak were verified.
    Valid,
    /// One of them did not verify.
    Invalid,
    /// Observed by this desk, no statement of another station behind it.
    Unproven,
}

/// One step of a recipient's history.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// State reached, or `waiting_retry`, or the name of the event.
    pub event: String,
    /// What happened.
    pub text: Phrase,
    /// When, by the clock of who says it.
    #[serde(serialize_with = "as_text_time")]
    pub at: Timestamp,
    /// Station or agency that says it.
    pub who: String,
    /// Receipt behind it: first 16 hex digits of the leaf.
    pub receipt_id: Option<String>,
    /// What checking the receipt gave.
    pub verdict: Verdict,
    /// Time since the step before, in milliseconds.
    pub latency_ms: Option<i64>,
    /// Why, for refusals and retries.
    pub reason: Option<ReasonView>,
    /// The clock of who says it was not sure.
    pub clock_unsure: bool,
    /// What stands behind it.
    pub source: Source,
    /// Name of the event in the statement behind it, for example `ContentHandover`.
    pub statement: Option<&'static str>,
    /// How far that statement is proven.
    pub level: Option<EvidenceLevel>,
    /// Where it stands in which log.
    pub log: Option<LogPlace>,
}

impl Step {
    /// A line that nothing proves, noted by `who`.
    #[must_use]
    pub fn local(event: &str, text: Phrase, at: Timestamp, who: &str) -> Self {
        Self {
            event: event.to_owned(),
            text,
            at,
            who: who.to_owned(),
            receipt_id: None,
            verdict: Verdict::Unproven,
            latency_ms: None,
            reason: None,
            clock_unsure: false,
            source: Source::Local,
            statement: None,
            level: None,
            log: None,
        }
    }
}

/// What is expected next.
#[derive(Clone, Debug, Serialize)]
pub struct NextStep {
    /// The state expected.
    pub event: String,
    /// In words.
    pub text: Phrase,
    /// Until when, if there is a limit.
    #[serde(serialize_with = "as_text_time_option")]
    pub due: Option<Timestamp>,
}

/// The history of one recipient.
#[derive(Clone, Debug, Serialize)]
pub struct TimelineView {
    /// The recipient as it stands.
    pub recipient: RecipientView,
    /// Steps, oldest first.
    pub steps: Vec<Step>,
    /// What is expected next; absent when the state is final.
    pub next: Option<NextStep>,
}

/// Why a recipient is where it is and what to do.
#[derive(Clone, Debug, Serialize)]
pub struct Cause {
    /// The recipient.
    pub code: AgencyCode,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: RecipientState,
    /// Reason code behind it, if there is one.
    pub reason: Option<ReasonView>,
    /// Why it is where it is.
    pub cause: Phrase,
    /// What to do.
    pub todo: Phrase,
    /// A person must act.
    pub act: bool,
}

/// Why a document is where it is: one sentence, then every recipient.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The document.
    #[serde(serialize_with = "as_text")]
    pub id: EnvelopeId,
    /// Its badge.
    pub state: RecipientState,
    /// The whole in one sentence.
    pub summary: Phrase,
    /// A person must act on at least one recipient.
    pub act: bool,
    /// Per recipient, those who need a person first.
    pub recipients: Vec<Cause>,
}
