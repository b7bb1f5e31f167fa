//! What the desk shows: plain values for the doors, the screens and the commands. A view is built from
//! stored rows, carries both languages where people read it, and can be written as JSON as it stands.
//! Nothing here reads a store, a clock or a file.

mod agency;
mod business;
mod checks;
mod deadline;
mod document;
mod finding;
mod inbox;
mod keeping;
mod proof;
mod receipts;
mod state;
mod station;

pub use agency::{AgencyView, AliasPeriod};
pub use business::{ActView, BusinessView, asked_text, life_text};
pub use checks::{CheckState, FileCheck, ProblemCheck, SignatureCheck};
pub use deadline::{DeadlineRow, DeadlineView};
pub use document::{
    Accepted, AcceptedRecipient, AttachmentView, Cause, Checked, CheckedRecipient, DocumentRow,
    DocumentView, Explanation, NextStep, PacketFacts, RecipientView, SignatureView, Step,
    TimeProof, TimelineView, Verdict, WaitingView,
};
pub use finding::{Finding, Level, RuleView};
pub use inbox::{Acknowledged, Claim, Counts, FileView, InboxRow, InboxView, ServedAgency};
pub use keeping::{ContentDeleted, KeepingView, Refreshed, Rejected, Unasked, is_held};
pub use proof::{EvidenceLevel, LogPlace, Source};
pub use receipts::{EnvelopeOpening, ReceiptEvent, ReceiptView, ReceiptsView};
pub use state::{FaultView, InboxState, Page, Phrase, ReasonView, RecipientState, StateCounts};
pub(crate) use state::{as_text_time, as_text_time_option};
pub use station::{AlarmView, AuthorityView, CertificateView, LinkView, StationView};
