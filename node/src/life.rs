//! The business life of a document between its sender and one recipient: the acts and statuses that were
//! said about it, folded into where it stands [edxml-model 4.3].
//!
//! Pure: acts in, life out. The same fold serves the sender's desk and the recipient's. Knows edXML's
//! ladder; must not know rows, packets' bytes or clocks.

mod acts;

use formats::edxml::status::{
    LadderEvent, Outcome as LadderOutcome, Request, State as LadderState,
};
use formats::edxml::{StatusCode, StatusLadder};
use formats::id::AgencyCode;
use formats::time::Timestamp;

pub(crate) use acts::{NewAct, Target, acts_of};

/// What a document is to the agency whose desk this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It sent the document.
    Sent,
    /// It received the document.
    Received,
}

impl Side {
    /// The word in the database.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ActKind {
    /// A status packet.
    Status(StatusCode),
    /// The sender takes the document back.
    Recall,
    /// The sender changed the document or its list of recipients.
    Update,
    /// An update took this recipient off the list: for it, a recall.
    Removed,
    /// Another document replaces it.
    Replace {
        /// DocumentId of the other one.
        by: String,
    },
}

impl ActKind {
    /// The word in API and database.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Recall => "recall",
            Self::Update => "update",
            Self::Removed => "removed",
            Self::Replace { .. } => "replace",
        }
    }

    /// The second word beside it, if there is one.
    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Self::Status(code) => Some(code.as_str()),
            Self::Replace { by } => Some(by),
            Self::Recall | Self::Update | Self::Removed => None,
        }
    }

    /// From the two words.
    pub(crate) fn parse(code: &str, word: Option<&str>) -> Option<Self> {
        Some(match (code, word) {
            ("status", Some(word)) => Self::Status(StatusCode::parse(word).0),
            ("recall", _) => Self::Recall,
            ("update", _) => Self::Update,
            ("removed", _) => Self::Removed,
            ("replace", Some(by)) => Self::Replace { by: by.to_owned() },
            _ => return None,
        })
    }

    fn event(&self) -> Option<LadderEvent> {
        match self {
            Self::Status(code) => Some(LadderEvent::Status(code.clone())),
            Self::Recall | Self::Removed => Some(LadderEvent::Recall),
            Self::Update => Some(LadderEvent::Update),
            Self::Replace { .. } => None,
        }
    }
}

/// One act as stored.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) kind: ActKind,
    /// When it happened, says who acted.
    pub(crate) at: Timestamp,
    /// When this desk learnt of it.
    pub(crate) recorded: Timestamp,
    pub(crate) who: AgencyCode,
    /// Id of the document or envelope that says it; empty for what a receipt says.
    pub(crate) packet: String,
    pub(crate) reason: Option<String>,
    pub(crate) staff: Option<String>,
}

/// Where a document stands, and what became of each act.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) ladder: StatusLadder,
    pub(crate) acts: Vec<(Act, LadderOutcome)>,
    /// When the document arrived, was taken or refused, assigned, completed.
    pub(crate) times: Times,
    /// DocumentId of the document that replaces it.
    pub(crate) replaced_by: Option<String>,
}

/// The moments that deadlines run from and to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) arrived: Option<Timestamp>,
    pub(crate) refused: Option<Timestamp>,
    pub(crate) accepted: Option<Timestamp>,
    pub(crate) assigned: Option<Timestamp>,
    pub(crate) in_progress: Option<Timestamp>,
    pub(crate) completed: Option<Timestamp>,
    /// When this desk learnt of the recall or update that was asked for last, and its answer.
    pub(crate) asked: Option<Timestamp>,
    pub(crate) answered: Option<Timestamp>,
}

impl Life {
    /// Folds the acts in the order this desk learnt of them. `arrived`: when the recipient's station had
    /// the document, verified: by its receipt at the sender's desk, by its own row at the recipient's.
    /// `withdrawn`: the tombstone's receipt says that it will never be delivered.
    pub(crate) fn fold(
        acts: Vec<Act>,
        arrived: Option<Timestamp>,
        withdrawn: Option<Timestamp>,
    ) -> Self {
        let mut life = Self {
            ladder: StatusLadder::default(),
            acts: Vec::with_capacity(acts.len()),
            times: Times::default(),
            replaced_by: None,
        };
        if let Some(at) = arrived {
            let event = LadderEvent::Status(StatusCode::Arrived);
            life.ladder = std::mem::take(&mut life.ladder).apply(&event, at).0;
            life.times.arrived = Some(at);
        }
        for act in acts {
            let outcome = life.add(&act);
            life.acts.push((act, outcome));
        }
        if let Some(at) = withdrawn {
            life.withdraw(at);
        }
        life
    }

    fn add(&mut self, act: &Act) -> LadderOutcome {
        if let ActKind::Replace { by } = &act.kind {
            self.replaced_by = Some(by.clone());
        }
        let Some(event) = act.kind.event() else {
            return LadderOutcome::Kept;
        };
        let (ladder, outcome) = std::mem::take(&mut self.ladder).apply(&event, act.at);
        self.ladder = ladder;
        self.times.note(&event, (act.at, act.recorded), outcome);
        outcome
    }

    /// The tombstone: nobody at the recipient has ever seen the document, so nobody answers 15.
    fn withdraw(&mut self, at: Timestamp) {
        for event in [LadderEvent::Recall, LadderEvent::Status(StatusCode::Agreed)] {
            let (ladder, outcome) = std::mem::take(&mut self.ladder).apply(&event, at);
            self.ladder = ladder;
            self.times.note(&event, (at, at), outcome);
        }
    }

    /// The word for where it stands.
    pub(crate) const fn state(&self) -> &'static str {
        state_word(self.ladder.state())
    }

    /// The word for the recall or update beside it.
    pub(crate) const fn request(&self) -> &'static str {
        request_word(self.ladder.request())
    }

    /// When it was withdrawn by agreement or tombstone, if it was.
    pub(crate) fn gone(&self) -> Option<Timestamp> {
        let gone = self.ladder.state() == LadderState::Withdrawn;
        self.times.answered.filter(|_| gone)
    }

    /// What would become of one more act.
    pub(crate) fn preview(&self, kind: &ActKind, at: Timestamp) -> Option<LadderOutcome> {
        let event = kind.event()?;
        Some(self.ladder.clone().apply(&event, at).1)
    }
}

impl Times {
    fn note(
        &mut self,
        event: &LadderEvent,
        (at, recorded): (Timestamp, Timestamp),
        outcome: LadderOutcome,
    ) {
        // A code that came early happened all the same; a duplicate tells nothing new.
        if outcome == LadderOutcome::Duplicate {
            return;
        }
        let first = |time: &mut Option<Timestamp>| {
            *time = Some(time.map_or(at, |known| known.min(at)));
        };
        match event {
            LadderEvent::Recall | LadderEvent::Update => self.ask(recorded, outcome),
            LadderEvent::Status(code) => match code {
                StatusCode::Arrived => first(&mut self.arrived),
                StatusCode::Refused => first(&mut self.refused),
                StatusCode::Accepted => first(&mut self.accepted),
                StatusCode::Assigned => first(&mut self.assigned),
                StatusCode::InProgress => first(&mut self.in_progress),
                StatusCode::Completed => first(&mut self.completed),
                StatusCode::TakeBack => self.ask(recorded, outcome),
                StatusCode::Agreed | StatusCode::Declined => {
                    if outcome == LadderOutcome::Moved {
                        self.answered = Some(at);
                    }
                }
                StatusCode::Other(_) => {}
            },
        }
    }

    fn ask(&mut self, at: Timestamp, outcome: LadderOutcome) {
        if outcome == LadderOutcome::Moved {
            self.asked = Some(at);
            self.answered = None;
        }
    }
}

/// The words of interfaces 2.3 for the states of the ladder.
pub(crate) const fn state_word(state: LadderState) -> &'static str {
    match state {
        LadderState::Sent => "sent",
        LadderState::Arrived => "arrived",
        LadderState::Refused => "refused",
        LadderState::Accepted => "registered",
        LadderState::Assigned => "assigned",
        LadderState::InProgress => "processing",
        LadderState::Completed => "completed",
        LadderState::Withdrawn => "withdrawn",
    }
}

/// The words for what runs beside it.
pub(crate) const fn request_word(request: Request) -> &'static str {
    match request {
        Request::None => "none",
        Request::RecallAsked => "recall_requested",
        Request::UpdateAsked => "update_requested",
        Request::Withdrawn => "recalled",
        Request::Updated => "updated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(kind: ActKind, minute: i64) -> Act {
        Act {
            kind,
            at: at(minute),
            recorded: at(minute),
            who: AgencyCode::parse("H01.36.04").unwrap(),
            packet: "p".to_owned(),
            reason: None,
            staff: None,
        }
    }

    fn status(code: &str) -> ActKind {
        ActKind::Status(StatusCode::parse(code).0)
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_795_318_262_114 + minute * 60_000)
    }

    fn words(kinds: &[(ActKind, i64)], arrived: Option<i64>) -> (&'static str, &'static str) {
        let acts = kinds
            .iter()
            .map(|(kind, minute)| act(kind.clone(), *minute));
        let life = Life::fold(acts.collect(), arrived.map(at), None);
        (life.state(), life.request())
    }

    #[test]
    fn the_receipt_of_delivery_counts_as_01_and_the_packet_01_after_it_changes_nothing() {
        assert_eq!(words(&[], None), ("sent", "none"));
        assert_eq!(words(&[], Some(0)), ("arrived", "none"));
        assert_eq!(words(&[(status("01"), 1)], Some(0)), ("arrived", "none"));
        assert_eq!(words(&[(status("01"), 1)], None), ("arrived", "none"));
    }

    #[test]
    fn a_recall_runs_beside_the_ladder_until_it_is_answered() {
        let recall = (ActKind::Recall, 5);
        let before = [(status("03"), 1), recall.clone()];
        assert_eq!(words(&before, Some(0)), ("registered", "recall_requested"));
        let agreed = [(status("03"), 1), recall.clone(), (status("15"), 9)];
        assert_eq!(words(&agreed, Some(0)), ("withdrawn", "recalled"));
        let declined = [(status("03"), 1), recall, (status("16"), 9)];
        assert_eq!(words(&declined, Some(0)), ("registered", "none"));
        // Taken off the list by an update is a recall for that recipient.
        let removed = [(ActKind::Removed, 2)];
        assert_eq!(words(&removed, Some(0)), ("arrived", "recall_requested"));
    }

    #[test]
    fn a_tombstone_ends_it_without_an_answer_of_the_recipient() {
        let life = Life::fold(vec![act(ActKind::Recall, 1)], None, Some(at(2)));
        assert_eq!((life.state(), life.request()), ("withdrawn", "recalled"));
        assert_eq!(life.times.answered, Some(at(2)));
        let plain = Life::fold(Vec::new(), None, Some(at(2)));
        assert_eq!(plain.state(), "withdrawn");
    }

    #[test]
    fn times_are_the_first_of_each_kind_and_a_new_request_forgets_the_old_answer() {
        let acts = vec![
            act(status("04"), 7),
            act(status("03"), 3),
            act(ActKind::Update, 10),
            act(status("16"), 12),
            act(ActKind::Recall, 20),
            act(status("06"), 30),
        ];
        let life = Life::fold(acts, Some(at(0)), None);
        let times = life.times;
        assert_eq!(times.accepted, Some(at(3)));
        assert_eq!(times.assigned, Some(at(7)));
        assert_eq!(times.completed, Some(at(30)));
        assert_eq!((times.asked, times.answered), (Some(at(20)), None));
    }

    #[test]
    fn a_replacement_is_shown_and_moves_nothing() {
        let by = "H01,2026/11/22,9/X".to_owned();
        let acts = vec![act(ActKind::Replace { by: by.clone() }, 1)];
        let life = Life::fold(acts, Some(at(0)), None);
        assert_eq!(life.state(), "arrived");
        assert_eq!(life.replaced_by, Some(by));
    }

    #[test]
    fn kinds_read_back_from_their_words() {
        let kinds = [
            status("03"),
            status("77"),
            ActKind::Recall,
            ActKind::Update,
            ActKind::Removed,
            ActKind::Replace { by: "x".to_owned() },
        ];
        for kind in kinds {
            assert_eq!(ActKind::parse(kind.code(), kind.word()), Some(kind));
        }
        assert_eq!(ActKind::parse("status", None), None);
    }
}
