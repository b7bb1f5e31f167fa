//! Legal deadlines on the Vietnamese working calendar, UTC+07:00 [edxml-model 4.4].
//!
//! Pure: holidays are the caller's list, because the government sets Tết and swapped days every
//! year. Must not know: the clock.

use std::collections::BTreeSet;

use super::date::Date;
use crate::header::Priority;
use crate::time::Timestamp;

/// Working days: Monday to Friday without holidays, plus the Saturdays or Sundays that are worked
/// in exchange.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    /// Days off beside weekends.
    pub holidays: BTreeSet<Date>,
    /// Weekend days that are worked.
    pub worked_weekends: BTreeSet<Date>,
}

impl Calendar {
    /// Whether public offices work on this day.
    #[must_use]
    pub fn is_working(&self, day: Date) -> bool {
        if self.worked_weekends.contains(&day) {
            return true;
        }
        day.weekday() < 5 && !self.holidays.contains(&day)
    }

    /// The first working day after `day`; `None` when a year of holidays follows.
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
            return Some(signed.plus_ms(30 * MINUTE_MS));
        }
        Some(
            self.next_working(Date::in_vietnam(signed)?)?
                .at_vietnam_ms(12 * HOUR_MS),
        )
    }

    /// 01 → 02/03: the end of the day of arrival, or of the next working day for one that came on a
    /// day off [Decree 30/2020 art. 21(2)c].
    #[must_use]
    pub fn accept_by(&self, arrived: Timestamp) -> Option<Timestamp> {
        let day = self.working_on_or_after(Date::in_vietnam(arrived)?)?;
        Some(day.at_vietnam_ms(24 * HOUR_MS))
    }

    /// 03 → 04: the end of the next working day; an urgent document at once [Decree 30/2020 art.
    /// 23(1)].
    #[must_use]
    pub fn assign_by(&self, accepted: Timestamp, priority: Priority) -> Option<Timestamp> {
        if priority > Priority::Normal {
            return Some(accepted);
        }
        Some(
            self.next_working(Date::in_vietnam(accepted)?)?
                .at_vietnam_ms(24 * HOUR_MS),
        )
    }

    /// Recall or update → 15/16: the end of the next working day.
    #[must_use]
    pub fn answer_by(&self, asked: Timestamp) -> Option<Timestamp> {
        Some(
            self.next_working(Date::in_vietnam(asked)?)?
                .at_vietnam_ms(24 * HOUR_MS),
        )
    }
}

/// Sent → 01: alarm when the receiving node has said nothing.
#[must_use]
pub const fn arrival_alarm(sent: Timestamp) -> Timestamp {
    sent.plus_ms(15 * MINUTE_MS)
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
