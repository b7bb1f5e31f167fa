//! Views of legal deadlines [edxml-model 4.4]. Plain values; times leave as RFC 3339 text.

use formats::edxml::deadline::{Clock, Deadline, Standing};
use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;
use serde::Serialize;

use super::state::{Phrase, as_text, as_text_time, as_text_time_option};

/// One clock of a document.
#[derive(Clone, Debug, Serialize)]
pub struct DeadlineView {
    /// `send`, `arrive`, `accept`, `assign`, `complete` or `answer`.
    pub clock: &'static str,
    /// What is owed, in words.
    pub text: Phrase,
    /// The law behind it.
    pub law: Phrase,
    /// Since when the clock runs.
    #[serde(serialize_with = "as_text_time")]
    pub since: Timestamp,
    /// The last instant that is in time.
    #[serde(serialize_with = "as_text_time")]
    pub due: Timestamp,
    /// When it was done.
    #[serde(serialize_with = "as_text_time_option")]
    pub met_at: Option<Timestamp>,
    /// `overdue`, `due_soon`, `open`, `uncertain`, `met_late` or `met`.
    pub standing: &'static str,
    /// The standing in words.
    pub standing_text: Phrase,
    /// Whether the working calendar is complete for the days that were counted.
    pub certain: bool,
    /// For screens and lists.
    #[serde(skip)]
    pub(crate) order: Standing,
}

impl From<&Deadline> for DeadlineView {
    fn from(deadline: &Deadline) -> Self {
        let (clock, standing): (Clock, Standing) = (deadline.clock, deadline.standing);
        Self {
            clock: clock.code(),
            text: Phrase::new(clock.vi(), clock.en()),
            law: Phrase::new(clock.law_vi(), clock.law_en()),
            since: deadline.since,
            due: deadline.due,
            met_at: deadline.met_at,
            standing: standing.code(),
            standing_text: Phrase::new(standing.vi(), standing.en()),
            certain: deadline.certain,
            order: standing,
        }
    }
}

/// A document whose clock runs, in the list of deadlines.
#[derive(Clone, Debug, Serialize)]
pub struct DeadlineRow {
    /// `received`: this agency owes it; `sent`: the recipient named owes it, or the network.
    pub side: &'static str,
    /// The document: its envelope in the inbox, or its id among the sent ones.
    #[serde(serialize_with = "as_text")]
    pub id: EnvelopeId,
    /// DocumentId of the packet.
    pub local_id: String,
    /// `number/notation`.
    pub code: String,
    /// Subject (trích yếu).
    pub subject: String,
    /// 0 normal to 4 immediate timed.
    pub priority: u8,
    /// The other agency.
    pub peer: AgencyCode,
    /// Its name.
    pub peer_name: String,
    /// Where the document stands (see `BusinessView::state`).
    pub business_state: String,
    /// The most pressing clock that is still owed.
    pub next: DeadlineView,
}
