//! Dates and times as packets write them [edxml-model 1]: `yyyy/MM/dd` and `yyyy/MM/dd HH:mm:ss` at
//! UTC+07:00.
//!
//! Reading also accepts the forms seen in practice and says when it had to ([`Parsed::repaired`]);
//! it never guesses between day and year: a form with no four-digit field is refused (the public
//! parser turns `20/11/2025` into a date in the year 26). Fails with `None`; the caller knows the
//! field. Must not know: the clock.

use std::fmt;

use crate::time::Timestamp;

/// A calendar day (proleptic Gregorian), years 1000 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A value and whether it stood in another form than the one the standard writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<T> {
    /// The value.
    pub value: T,
    /// W-DATE is due.
    pub repaired: bool,
}

/// Vietnam is UTC+07:00 all year.
const VIETNAM_MS: i64 = 7 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

impl Date {
    /// The day, if it exists.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let exists = (1000..=9999).contains(&year)
            && (1..=12).contains(&month)
            && day >= 1
            && day <= days_in_month(year, month);
        exists.then_some(Self { year, month, day })
    }

    /// Reads `yyyy/MM/dd`, and with `repaired` `yyyy-MM-dd`, `dd/MM/yyyy`, one-digit days and
    /// months.
    #[must_use]
    // [spec:edxml-7]
    pub fn parse(text: &str) -> Option<Parsed<Self>> {
        let text = text.trim();
        let separator = if text.contains('/') { '/' } else { '-' };
        let mut fields = text.split(separator);
        let (first, month, last) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() {
            return None;
        }
        // A field above 31 cannot be a day, and only one of the two may be a year.
        let (year, day, year_first) = match (first.len(), last.len()) {
            (4, 1..=2) => (first, last, true),
            (1..=2, 4) => (last, first, false),
            _ => return None,
        };
        let value = Self::new(
            u16::try_from(number(year)?).ok()?,
            u8::try_from(number(month)?).ok()?,
            u8::try_from(number(day)?).ok()?,
        )?;
        let exact = separator == '/' && year_first && month.len() == 2 && day.len() == 2;
        Some(Parsed {
            value,
            repaired: !exact,
        })
    }

    /// The day in Vietnam at this instant.
    #[must_use]
    pub fn in_vietnam(at: Timestamp) -> Option<Self> {
        Self::from_days(at.unix_ms().checked_add(VIETNAM_MS)?.div_euclid(DAY_MS))
    }

    /// The instant `ms` milliseconds after this day began in Vietnam.
    #[must_use]
    pub fn at_vietnam_ms(self, ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(self.days() * DAY_MS + ms - VIETNAM_MS)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn days(self) -> i64 {
        // Years start in March so that the leap day is the last day of the year.
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The day this many days after 1970-01-01.
    #[must_use]
    pub fn from_days(days: i64) -> Option<Self> {
        let shifted = days.checked_add(719_468)?;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self::new(
            u16::try_from(year).ok()?,
            u8::try_from(month).ok()?,
            u8::try_from(day).ok()?,
        )
    }

    /// This day plus `days`.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Option<Self> {
        Self::from_days(self.days().checked_add(days)?)
    }

    /// Monday = 0 … Sunday = 6.
    #[must_use]
    pub fn weekday(self) -> i64 {
        (self.days() + 3).rem_euclid(7)
    }

    /// Year.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }

    /// `yyyy-MM-dd`, for JSON.
    #[must_use]
    pub fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `dd/MM/yyyy`, as people in Vietnam read it.
    #[must_use]
    pub fn vietnam(self) -> String {
        format!("{:02}/{:02}/{:04}", self.day, self.month, self.year)
    }
}

/// `yyyy/MM/dd`, the form of the standard.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}/{:02}/{:02}", self.year, self.month, self.day)
    }
}

/// Reads `yyyy/MM/dd HH:mm:ss` (UTC+07:00), and with `repaired` the other date orders and RFC 3339.
#[must_use]
// [spec:edxml-8]
pub fn parse_timestamp(text: &str) -> Option<Parsed<Timestamp>> {
    let text = text.trim();
    if let Some((date, time)) = text.split_once(['T', 't']) {
        let (time, offset_ms) = split_offset(time)?;
        let date = Date::parse(date)?.value;
        let value = date.at_vietnam_ms(time_of_day_ms(time)? + VIETNAM_MS - offset_ms);
        return Some(Parsed {
            value,
            repaired: true,
        });
    }
    let (date, time) = text.split_once(' ')?;
    let date = Date::parse(date)?;
    let exact = time.len() == 8;
    let value = date.value.at_vietnam_ms(time_of_day_ms(time)?);
    Some(Parsed {
        value,
        repaired: date.repaired || !exact,
    })
}

/// `yyyy/MM/dd HH:mm:ss` at UTC+07:00; `None` outside the years a packet can carry. Milliseconds
/// are dropped.
#[must_use]
pub fn format_timestamp(at: Timestamp) -> Option<String> {
    let date = Date::in_vietnam(at)?;
    let second = (at.unix_ms() + VIETNAM_MS).rem_euclid(DAY_MS) / 1_000;
    Some(format!(
        "{date} {:02}:{:02}:{:02}",
        second / 3_600,
        second / 60 % 60,
        second % 60
    ))
}

/// `HH:mm:ss[.fff…]` in milliseconds. A leap second reads as the last ordinary one.
fn time_of_day_ms(text: &str) -> Option<i64> {
    let (clock, fraction) = text
        .split_once('.')
        .map_or((text, None), |(c, f)| (c, Some(f)));
    let mut fields = clock.split(':');
    let (hour, minute, second) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || [hour, minute, second].iter().any(|f| f.len() != 2) {
        return None;
    }
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut milliseconds = 0;
    if let Some(fraction) = fraction {
        if fraction.is_empty() || fraction.len() > 9 {
            return None;
        }
        let three: String = fraction.chars().chain("00".chars()).take(3).collect();
        number(fraction)?;
        milliseconds = i64::from(number(&three)?);
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second.min(59));
    Some(seconds * 1_000 + milliseconds)
}

/// Splits `03:31:02.114Z` or `10:31:02+07:00` into the time and the offset in milliseconds. Without
/// an offset the law's time applies: Vietnam.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(sign_at) = text.rfind(['+', '-']) else {
        return Some((text, VIETNAM_MS));
    };
    let (time, offset) = text.split_at_checked(sign_at)?;
    let (sign, offset) = offset.split_at_checked(1)?;
    let (hours, minutes) = offset.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ms = (i64::from(hours) * 60 + i64::from(minutes)) * 60_000;
    Some((time, if sign == "-" { -ms } else { ms }))
}

/// ASCII digits only, at most nine: no sign, no blank.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

const fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
