//! What happened to one document on its way to one receiver, and the clocks that run from it.
//!
//! Both sides use the same facts: the sender learns the receiver's steps from status packets, the
//! receiver knows its own. Every fact may be missing. Must not know: where the facts are kept.

use super::super::date::Date;
use super::super::status::StatusCode;
use super::calendar::{Calendar, arrival_alarm, end_of};
use super::clock::{Clock, Deadline, Side};
use crate::header::Priority;
use crate::time::Timestamp;

/// The facts of one (document, receiver). Times are those of the events, not of their reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// Urgency; decides "at once".
    pub priority: Priority,
    /// When the document was signed, if the signature says so.
    pub signed: Option<Timestamp>,
    /// Date of issue; stands in for the signing time.
    pub issued: Option<Date>,
    /// When the document reached the sender's node.
    pub handed_in: Option<Timestamp>,
    /// When the sender's node passed it on.
    pub sent: Option<Timestamp>,
    /// 01.
    pub arrived: Option<Timestamp>,
    /// 02.
    pub refused: Option<Timestamp>,
    /// 03.
    pub accepted: Option<Timestamp>,
    /// 04, the first one.
    pub assigned: Option<Timestamp>,
    /// 05, the first one.
    pub in_progress: Option<Timestamp>,
    /// 06.
    pub completed: Option<Timestamp>,
    /// Due date the sender set.
    pub due_date: Option<Date>,
    /// When the receiver got the latest recall, take-back (13) or update.
    pub asked: Option<Timestamp>,
    /// 15 or 16 to it.
    pub answered: Option<Timestamp>,
    /// When the exchange ended for another reason than 02 or 06: withdrawn, not deliverable.
    /// Clocks not met by then stop and are not shown.
    pub ended: Option<Timestamp>,
}

impl Course {
    /// The clocks that one side sees, in the order of a document's life. The receiver does not see
    /// the sender's clocks; the sender sees all.
    #[must_use]
    pub fn deadlines(&self, side: Side, now: Timestamp, calendar: &Calendar) -> Vec<Deadline> {
        let clocks = Clock::ALL.into_iter().filter(|clock| match side {
            Side::Sender => true,
            Side::Receiver => !matches!(clock, Clock::Send | Clock::Arrive),
        });
        clocks
            .filter_map(|clock| self.deadline(clock, now, calendar))
            .filter(|deadline| deadline.met_at.is_some() || self.ended.is_none())
            .collect()
    }

    // [spec:edxml-34]
    /// Notes a status: the first time of each step counts, and the latest request. Whether 15 ended
    /// the exchange or only updated the document is the ladder's to say (`ended`).
    pub fn note(&mut self, code: &StatusCode, at: Timestamp) {
        let step = match code {
            StatusCode::Arrived => &mut self.arrived,
            StatusCode::Refused => &mut self.refused,
            StatusCode::Accepted => &mut self.accepted,
            StatusCode::Assigned => &mut self.assigned,
            StatusCode::InProgress => &mut self.in_progress,
            StatusCode::Completed => &mut self.completed,
            StatusCode::TakeBack => return self.ask(at),
            StatusCode::Agreed | StatusCode::Declined => &mut self.answered,
            StatusCode::Other(_) => return,
        };
        *step = first([*step, Some(at)]);
    }

    /// Notes that the receiver was asked for the document back or to take an update. A new request
    /// needs a new answer; the same one told again changes nothing.
    pub fn ask(&mut self, at: Timestamp) {
        if self.asked.is_none_or(|asked| asked < at) {
            self.asked = Some(at);
            self.answered = self.answered.filter(|answered| *answered >= at);
        }
    }

    fn deadline(&self, clock: Clock, now: Timestamp, calendar: &Calendar) -> Option<Deadline> {
        let (since, due, met_at) = match clock {
            Clock::Send => self.send(calendar)?,
            Clock::Arrive => {
                let sent = self.sent?;
                (sent, arrival_alarm(sent), self.first_sign_of_life())
            }
            Clock::Accept => {
                let met_at = first([self.refused, self.accepted]).or_else(|| self.first_work());
                // An answer without 01 is measured from the sending.
                let since = self.arrived.or_else(|| met_at.and(self.sent))?;
                (since, calendar.accept_by(since)?, met_at)
            }
            Clock::Assign => {
                if self.refused.is_some() {
                    return None;
                }
                let since = self.accepted?;
                let due = calendar.assign_by(since, self.priority)?;
                (since, due, self.first_work())
            }
            Clock::Complete => {
                if self.refused.is_some() {
                    return None;
                }
                let due = end_of(self.due_date?);
                let known = self.accepted.or(self.arrived).or(self.sent);
                // A document may come after the date it asks for.
                let since = known.or(self.handed_in)?.min(due);
                (since, due, self.completed)
            }
            Clock::Answer => {
                let since = self.asked?;
                (since, calendar.answer_by(since)?, self.answered)
            }
        };
        let certain = !self.counts_days(clock) || {
            let (first, last) = (Date::in_vietnam(since)?, Date::in_vietnam(due)?);
            calendar.is_certain(first, last)
        };
        Some(Deadline::new(clock, (since, due), certain, met_at, now))
    }

    /// From the signing; from the day of issue when only that is known. Urgent documents are
    /// measured in minutes, so a bare date will not do: then from the time we were handed it.
    fn send(&self, calendar: &Calendar) -> Option<(Timestamp, Timestamp, Option<Timestamp>)> {
        let day = self.issued.map(|day| day.at_vietnam_ms(0));
        let since = match self.priority {
            Priority::Normal => self.signed.or(day).or(self.handed_in),
            Priority::Urgent
            | Priority::VeryUrgent
            | Priority::Immediate
            | Priority::ImmediateTimed => self.signed.or(self.handed_in),
        }?;
        Some((since, calendar.send_by(since, self.priority)?, self.sent))
    }

    /// Whether the limit was found by counting working days.
    fn counts_days(&self, clock: Clock) -> bool {
        match clock {
            Clock::Send | Clock::Assign => self.priority == Priority::Normal,
            Clock::Accept | Clock::Answer => true,
            Clock::Arrive | Clock::Complete => false,
        }
    }

    fn first_work(&self) -> Option<Timestamp> {
        first([self.assigned, self.in_progress, self.completed])
    }

    /// Any word of the receiver shows that the document arrived.
    fn first_sign_of_life(&self) -> Option<Timestamp> {
        self.arrived
            .or_else(|| first([self.refused, self.accepted]))
            .or_else(|| self.first_work())
    }
}

/// The earliest of the known times.
fn first<const N: usize>(times: [Option<Timestamp>; N]) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}
