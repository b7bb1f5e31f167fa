//! Which days public offices work, and the limits that follow from it.
//!
//! A calendar is the built-in list, with an operator's list laid over it day by day; compensation
//! for holidays on weekends is computed here [Labour Code 2019 art. 111(3)]. Fails with `None`
//! where a year of days off follows. Must not know: what happened to a document (`course`).

use std::collections::{BTreeMap, BTreeSet};

use super::super::date::Date;
use super::days::{DayKind, DayLine, Days};
use crate::header::Priority;
use crate::time::Timestamp;

/// Working days: Monday to Friday without days off, plus the Saturdays or Sundays that are worked
/// in exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    said: BTreeMap<Date, DayLine>,
    /// Days off in place of holidays on weekends, with the name of the holiday.
    compensated: BTreeMap<Date, String>,
    unsettled: BTreeSet<Date>,
    known: Option<(Date, Date)>,
}

impl Calendar {
    /// Weekends only: every deadline is uncertain.
    #[must_use]
    pub fn weekends() -> Self {
        Self::default()
    }

    /// The list that comes with the program.
    #[must_use]
    pub fn built_in() -> Self {
        // A test reads the same text: the branch without it is never taken.
        Self::weekends().with(&Days::parse(BUILT_IN).unwrap_or_default())
    }

    /// The text of that list, as a pattern for an operator's own.
    #[must_use]
    pub const fn built_in_text() -> &'static str {
        BUILT_IN
    }

    /// This calendar with a list laid over it: the list wins for each day it speaks of, and what
    /// is known covers both spans.
    #[must_use]
    pub fn with(mut self, days: &Days) -> Self {
        for (day, line) in &days.days {
            self.said.insert(*day, line.clone());
        }
        self.known = match (self.known, days.known) {
            (Some((from, until)), Some((first, last))) => Some((from.min(first), until.max(last))),
            (ours, theirs) => ours.or(theirs),
        };
        self.unsettled = self.of_kind(DayKind::Unsettled).collect();
        self.compensate();
        self
    }

    /// Whether public offices work on this day.
    #[must_use]
    pub fn is_working(&self, day: Date) -> bool {
        match self.said.get(&day).map(|line| line.kind) {
            Some(DayKind::Work) => true,
            Some(DayKind::Holiday | DayKind::Off) => false,
            Some(DayKind::Unsettled) | None => {
                !is_weekend(day) && !self.compensated.contains_key(&day)
            }
        }
    }

    /// Why this day is off, or worked against the usual: `Tết Nguyên đán`, `nghỉ bù …`. `None` for
    /// ordinary days and weekends.
    #[must_use]
    pub fn name_of(&self, day: Date) -> Option<String> {
        let said = self.said.get(&day).map(|line| line.name.clone());
        let instead = || self.compensated.get(&day).map(|n| format!("nghỉ bù {n}"));
        said.or_else(instead)
    }

    /// The days of a span of which something is said: whether they are worked, and why. At most a
    /// year is looked at.
    #[must_use]
    pub fn special_days(&self, first: Date, last: Date) -> Vec<(Date, bool, String)> {
        let days = (0..=366).filter_map(|step| first.plus_days(step));
        days.take_while(|day| *day <= last)
            .filter_map(|day| Some((day, self.is_working(day), self.name_of(day)?)))
            .collect()
    }

    /// The first and last day for which the lists are complete.
    #[must_use]
    pub const fn known(&self) -> Option<(Date, Date)> {
        self.known
    }

    /// The last day for which the lists are complete; the operator extends it each year.
    #[must_use]
    pub fn known_until(&self) -> Option<Date> {
        self.known.map(|(_, last)| last)
    }

    /// Whether every day of this span is known: the lists are complete and no day is unsettled.
    #[must_use]
    pub fn is_certain(&self, first: Date, last: Date) -> bool {
        let covers = |(from, until): (Date, Date)| from <= first && last <= until;
        self.known.is_some_and(covers)
            && (first > last || self.unsettled.range(first..=last).next().is_none())
    }

    /// The first working day after `day`; `None` when a year of days off follows.
    #[must_use]
    pub fn next_working(&self, day: Date) -> Option<Date> {
        (1..=366)
            .filter_map(|step| day.plus_days(step))
            .find(|day| self.is_working(*day))
    }

    /// `day` itself if it is worked, else the next working day.
    #[must_use]
    pub fn working_on_or_after(&self, day: Date) -> Option<Date> {
        if self.is_working(day) {
            Some(day)
        } else {
            self.next_working(day)
        }
    }

    /// Signing → sent: noon of the next working day; an urgent document at once, alarm after 30
    /// minutes [Decision 28/2018 art. 6(2)].
    #[must_use]
    pub fn send_by(&self, signed: Timestamp, priority: Priority) -> Option<Timestamp> {
        if priority > Priority::Normal {
            return Some(signed.plus_ms(AT_ONCE_MS));
        }
        let day = self.next_working(Date::in_vietnam(signed)?)?;
        Some(day.at_vietnam_ms(NOON_MS))
    }

    /// 01 → 02/03: the end of the day of arrival, or of the next working day for one that came on a
    /// day off [Decree 30/2020 art. 21(2)c].
    #[must_use]
    pub fn accept_by(&self, arrived: Timestamp) -> Option<Timestamp> {
        let day = self.working_on_or_after(Date::in_vietnam(arrived)?)?;
        Some(end_of(day))
    }

    /// 03 → 04: the end of the next working day; an urgent document at once, alarm after 30 minutes
    /// [Decree 30/2020 art. 23(1)].
    #[must_use]
    pub fn assign_by(&self, accepted: Timestamp, priority: Priority) -> Option<Timestamp> {
        if priority > Priority::Normal {
            return Some(accepted.plus_ms(AT_ONCE_MS));
        }
        self.end_of_next_working(accepted)
    }

    /// Recall or update → 15/16: the end of the next working day.
    #[must_use]
    pub fn answer_by(&self, asked: Timestamp) -> Option<Timestamp> {
        self.end_of_next_working(asked)
    }

    fn end_of_next_working(&self, since: Timestamp) -> Option<Timestamp> {
        Some(end_of(self.next_working(Date::in_vietnam(since)?)?))
    }

    fn of_kind(&self, kind: DayKind) -> impl Iterator<Item = Date> + '_ {
        let of = move |(day, line): (&Date, &DayLine)| (line.kind == kind).then_some(*day);
        self.said.iter().filter_map(of)
    }

    /// Each holiday on a weekend moves to the next working day of which no list says anything
    /// [Labour Code 2019 art. 111(3)].
    fn compensate(&mut self) {
        self.compensated.clear();
        let weekend: Vec<Date> = self
            .of_kind(DayKind::Holiday)
            .filter(|day| is_weekend(*day))
            .collect();
        for holiday in weekend {
            let free = |day: &Date| {
                !is_weekend(*day)
                    && !self.said.contains_key(day)
                    && !self.compensated.contains_key(day)
            };
            let next = (1..=366).filter_map(|step| holiday.plus_days(step));
            let name = self.said.get(&holiday).map(|line| line.name.clone());
            if let Some(day) = { next }.find(free) {
                self.compensated.insert(day, name.unwrap_or_default());
            }
        }
    }
}

/// Sent → 01: alarm when the receiving node has said nothing.
#[must_use]
pub const fn arrival_alarm(sent: Timestamp) -> Timestamp {
    sent.plus_ms(ARRIVAL_MS)
}

/// The last millisecond of a day in Vietnam: it prints as that day, not as midnight of the next.
pub(super) fn end_of(day: Date) -> Timestamp {
    day.at_vietnam_ms(DAY_MS - 1)
}

fn is_weekend(day: Date) -> bool {
    day.weekday() >= 5
}

/// See the text itself for form and sources.
const BUILT_IN: &str = include_str!("working_days.txt");
const MINUTE_MS: i64 = 60_000;
const NOON_MS: i64 = 12 * 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// "At once" in the law; what an alarm can ask of people at their desks.
const AT_ONCE_MS: i64 = 30 * MINUTE_MS;
/// A node that runs answers within seconds; this covers a restart.
const ARRIVAL_MS: i64 = 15 * MINUTE_MS;
