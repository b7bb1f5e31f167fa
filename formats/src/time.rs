//! Instants as milliseconds of UTC, their one text form and their calendar parts.
//!
//! Nobody here asks what time it is: the caller gives `now`. The calendar is proleptic Gregorian
//! without leap seconds, as in POSIX time. Values stay within the years 1 to 9999, so every instant
//! has a text of fixed length; construction cuts to that range and cannot fail.

use std::fmt;
use std::str::FromStr;

use crate::id::serde_as_text;

const MS_PER_SECOND: i64 = 1000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Vietnam has kept UTC+7 without summer time since 1975 (Decision 134/2002/QĐ-TTg).
const VIETNAM_OFFSET_MS: i64 = 7 * 3600 * MS_PER_SECOND;
/// 0001-01-01T00:00:00.000Z.
const LEAST_MS: i64 = -62_135_596_800_000;
/// 9999-12-31T23:59:59.999Z.
const GREATEST_MS: i64 = 253_402_300_799_999;

/// Not a time of the form `2026-11-22T03:31:02.114Z`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form 2026-11-22T03:31:02.114Z")]
pub struct TimeError;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Calendar parts of an instant in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 999.
    pub millisecond: u16,
}

impl Timestamp {
    /// From milliseconds; outside of the years 1 to 9999 the nearest end is taken.
    #[must_use]
    pub const fn from_unix_ms(ms: i64) -> Self {
        if ms < LEAST_MS {
            Self(LEAST_MS)
        } else if ms > GREATEST_MS {
            Self(GREATEST_MS)
        } else {
            Self(ms)
        }
    }

    /// From seconds; outside of the years 1 to 9999 the nearest end is taken.
    #[must_use]
    pub const fn from_unix_s(seconds: i64) -> Self {
        Self::from_unix_ms(seconds.saturating_mul(MS_PER_SECOND))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn unix_s(self) -> i64 {
        self.0.div_euclid(MS_PER_SECOND)
    }

    /// The instant `ms` milliseconds later (earlier if negative), cut to the range.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self::from_unix_ms(self.0.saturating_add(ms))
    }

    /// The instant `ms` milliseconds earlier, cut to the range.
    #[must_use]
    pub const fn minus_ms(self, ms: i64) -> Self {
        Self::from_unix_ms(self.0.saturating_sub(ms))
    }

    /// Milliseconds from `earlier` to `self`; negative if `self` is the earlier one.
    #[must_use]
    pub const fn minus(self, earlier: Self) -> i64 {
        // Both lie within 10,000 years: no overflow.
        self.0 - earlier.0
    }

    /// The same instant without its milliseconds (certificates and CMS know seconds only).
    #[must_use]
    pub const fn floor_s(self) -> Self {
        Self(self.unix_s() * MS_PER_SECOND)
    }

    /// Calendar parts in UTC.
    #[must_use]
    pub fn civil(self) -> Civil {
        let days = self.0.div_euclid(SECONDS_PER_DAY * MS_PER_SECOND);
        let ms = self.0.rem_euclid(SECONDS_PER_DAY * MS_PER_SECOND);
        let (year, month, day) = date_of(days);
        Civil {
            year: part(year),
            month: part(month),
            day: part(day),
            hour: part(ms / 3_600_000),
            minute: part(ms / 60_000 % 60),
            second: part(ms / 1000 % 60),
            millisecond: part(ms % 1000),
        }
    }

    /// The instant with these parts in UTC; `None` if there is no such date or time of day (a leap
    /// second included).
    #[must_use]
    pub fn from_civil(civil: Civil) -> Option<Self> {
        let fits = (1..=9999).contains(&civil.year)
            && (1..=12).contains(&civil.month)
            && (1..=days_in(civil.year, civil.month)).contains(&civil.day)
            && civil.hour < 24
            && civil.minute < 60
            && civil.second < 60
            && civil.millisecond < 1000;
        if !fits {
            return None;
        }
        let days = days_until(civil.year.into(), civil.month.into(), civil.day.into());
        let seconds = days * SECONDS_PER_DAY
            + i64::from(civil.hour) * 3600
            + i64::from(civil.minute) * 60
            + i64::from(civil.second);
        Some(Self(seconds * MS_PER_SECOND + i64::from(civil.millisecond)))
    }

    /// `2026-11-22T03:31:02.114Z`: always UTC, always three digits of milliseconds.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let c = self.civil();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second, c.millisecond
        )
    }

    /// Reads exactly the form that [`Self::rfc3339`] writes.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        let shape = b"dddd-dd-ddTdd:dd:dd.dddZ";
        let fits = text.len() == shape.len()
            && text.bytes().zip(shape).all(|(b, kind)| match kind {
                b'd' => b.is_ascii_digit(),
                literal => b == *literal,
            });
        if !fits {
            return Err(TimeError);
        }
        let number = |from: usize, to: usize| {
            text.get(from..to)
                .and_then(|digits| digits.parse::<u16>().ok())
                .ok_or(TimeError)
        };
        let small = |from: usize, to: usize| {
            number(from, to).and_then(|n| u8::try_from(n).map_err(|_| TimeError))
        };
        Self::from_civil(Civil {
            year: number(0, 4)?,
            month: small(5, 7)?,
            day: small(8, 10)?,
            hour: small(11, 13)?,
            minute: small(14, 16)?,
            second: small(17, 19)?,
            millisecond: number(20, 23)?,
        })
        .ok_or(TimeError)
    }

    /// As people in Vietnam write it, in Vietnam's time: `22/11/2026 10:31:02`.
    #[must_use]
    pub fn vietnam(self) -> String {
        let c = self.plus_ms(VIETNAM_OFFSET_MS).civil();
        format!(
            "{:02}/{:02}/{:04} {:02}:{:02}:{:02}",
            c.day, c.month, c.year, c.hour, c.minute, c.second
        )
    }

    /// Its day in Vietnam: `22/11/2026`.
    #[must_use]
    pub fn vietnam_day(self) -> String {
        let c = self.plus_ms(VIETNAM_OFFSET_MS).civil();
        format!("{:02}/{:02}/{:04}", c.day, c.month, c.year)
    }

    /// The first instant of a day in Vietnam; `None` if there is no such day.
    #[must_use]
    pub fn from_vietnam_day(year: u16, month: u8, day: u8) -> Option<Self> {
        let utc = Self::from_civil(Civil {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            millisecond: 0,
        });
        utc.map(|utc| utc.minus_ms(VIETNAM_OFFSET_MS))
    }
}

/// A calendar part in its narrow type. All callers pass a value already reduced to its range.
fn part<T: TryFrom<i64> + Default>(value: i64) -> T {
    T::try_from(value).unwrap_or_default()
}

/// Date of a day counted from 1970-01-01, in eras of 400 years that begin on 1 March, so that the
/// leap day is the last day of a year.
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Days from 1970-01-01 to a date; the inverse of [`date_of`].
fn days_until(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse_rfc3339(text)
    }
}

mod text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Timestamp, serde_as_text};

    serde_as_text!(Timestamp);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known instants, among them the leap day of a century year and the ends of the range.
    #[test]
    fn known_instants_have_known_texts() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_318_262_114, "2026-11-22T03:31:02.114Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (LEAST_MS, "0001-01-01T00:00:00.000Z"),
            (GREATEST_MS, "9999-12-31T23:59:59.999Z"),
        ] {
            let time = Timestamp::from_unix_ms(ms);
            assert_eq!(time.rfc3339(), text);
            assert_eq!(text.parse(), Ok(time));
        }
    }

    #[test]
    fn every_day_of_eight_centuries_is_its_own_inverse() {
        for day in -146_097..146_097 {
            let (year, month, date) = date_of(day);
            assert_eq!(days_until(year, month, date), day);
        }
    }

    #[test]
    fn other_spellings_and_impossible_dates_are_refused() {
        for bad in [
            "2026-11-22T03:31:02Z",
            "2026-11-22T03:31:02.114+00:00",
            "2026-11-22t03:31:02.114z",
            "2026-02-29T00:00:00.000Z",
            "2100-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:60:00.000Z",
            "2026-06-30T23:59:60.000Z",
            "0000-01-01T00:00:00.000Z",
            "+026-01-01T00:00:00.000Z",
            "2026-01-01T00:00:00.0001Z",
            "",
            "2026-01-01T00:00:00.é0Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(bad), Err(TimeError), "{bad}");
        }
    }

    #[test]
    fn clerks_see_vietnams_time() {
        let time = Timestamp::from_unix_ms(1_795_318_262_114);
        assert_eq!(time.vietnam(), "22/11/2026 10:31:02");
    }

    #[test]
    fn arithmetic_stays_in_range() {
        let last = Timestamp::from_unix_ms(i64::MAX);
        assert_eq!(last.plus_ms(i64::MAX), last);
        assert_eq!(
            Timestamp::from_unix_s(i64::MIN).minus_ms(1).unix_ms(),
            LEAST_MS
        );
        assert_eq!(Timestamp::from_unix_ms(-1).unix_s(), -1);
        assert_eq!(Timestamp::from_unix_ms(1999).floor_s().unix_ms(), 1000);
        assert_eq!(
            Timestamp::from_unix_ms(5).minus(Timestamp::from_unix_ms(7)),
            -2
        );
    }
}
