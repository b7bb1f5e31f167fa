//! Days as clerks write them: `22/11/2026`, `22/11`, `hôm nay`, `hôm qua`, also ISO.
//!
//! Everything is in Vietnam time (+07:00, no summer time). Pure: `now` is a parameter.

use formats::time::Timestamp;

const DAY_MS: i64 = 86_400_000;
const ZONE_MS: i64 = 7 * 3_600_000;

/// The start of a day in Vietnam.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    /// Days since 1970-01-01.
    number: i64,
}

impl Day {
    /// The day that `now` is in.
    pub(crate) fn of(now: Timestamp) -> Self {
        Self {
            number: (now.unix_ms() + ZONE_MS).div_euclid(DAY_MS),
        }
    }

    /// Reads what a person wrote; a day without a year is the last such day.
    pub(crate) fn parse(text: &str, now: Timestamp) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let today = Self::of(now);
        match text.as_str() {
            "hôm nay" | "hom nay" | "today" => return Some(today),
            "hôm qua" | "hom qua" | "yesterday" => {
                return Some(Self {
                    number: today.number - 1,
                });
            }
            _ => {}
        }
        let parts: Vec<&str> = text.split(['/', '-', '.']).collect();
        let parts: Option<Vec<i64>> = parts.iter().map(|part| number(part)).collect();
        match *parts?.as_slice() {
            [day, month] => {
                let (year, _, _) = today.civil();
                let this = Self::new(year, month, day);
                match this {
                    Some(this) if this.number <= today.number => Some(this),
                    _ => Self::new(year - 1, month, day).or(this),
                }
            }
            [year, month, day] if year > 31 => Self::new(year, month, day),
            [day, month, year] if year < 100 => Self::new(2000 + year, month, day),
            [day, month, year] => Self::new(year, month, day),
            _ => None,
        }
    }

    fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let longest = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        if !(1..=longest).contains(&day) || !(1970..=9999).contains(&year) {
            return None;
        }
        // Days from civil: years begin in March, so the leap day is the last of its year.
        let shifted = if month <= 2 { year - 1 } else { year };
        let era = shifted.div_euclid(400);
        let year_of_era = shifted.rem_euclid(400);
        let month_of_year = (month + 9) % 12;
        let day_of_year = (153 * month_of_year + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(Self {
            number: era * 146_097 + day_of_era - 719_468,
        })
    }

    /// Year, month, day.
    fn civil(self) -> (i64, i64, i64) {
        let shifted = self.number + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_of_year = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_of_year + 2) / 5 + 1;
        let month = if month_of_year < 10 {
            month_of_year + 3
        } else {
            month_of_year - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day)
    }

    /// Its first moment.
    pub(crate) fn start(self) -> Timestamp {
        Timestamp::from_unix_ms(self.number * DAY_MS - ZONE_MS)
    }

    /// The first moment after it.
    pub(crate) fn end(self) -> Timestamp {
        Timestamp::from_unix_ms((self.number + 1) * DAY_MS - ZONE_MS)
    }

    /// `2026-11-22`
    pub(crate) fn iso(self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `22/11/2026`
    pub(crate) fn vietnamese(self) -> String {
        let (year, month, day) = self.civil();
        format!("{day:02}/{month:02}/{year:04}")
    }
}

fn number(text: &str) -> Option<i64> {
    let good = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

/// `2026-11-22` → `22/11/2026`; what is not such a day stays as it is.
pub(crate) fn vietnamese(iso: &str) -> String {
    match *iso.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] if year.len() == 4 => format!("{day}/{month}/{year}"),
        _ => iso.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 22/11/2026 10:31:02 in Vietnam.
    const NOW: i64 = 1_795_318_262_000;

    #[test]
    fn days_are_read_as_clerks_write_them() {
        let now = Timestamp::from_unix_ms(NOW);
        for (text, expected) in [
            ("22/11/2026", Some("2026-11-22")),
            ("1/2/2026", Some("2026-02-01")),
            ("01-02-26", Some("2026-02-01")),
            ("22/11", Some("2026-11-22")),
            ("23/11", Some("2025-11-23")),
            ("29/2/2024", Some("2024-02-29")),
            ("29/2/2026", None),
            ("2026-11-01", Some("2026-11-01")),
            ("hôm nay", Some("2026-11-22")),
            ("Hôm Qua", Some("2026-11-21")),
            ("31/4/2026", None),
            ("0/1/2026", None),
            ("11/22/2026", None),
            ("", None),
            ("mai", None),
            ("1/1/99999", None),
            ("-1/1/2026", None),
        ] {
            assert_eq!(
                Day::parse(text, now).map(Day::iso).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_day_begins_at_midnight_in_vietnam() {
        let now = Timestamp::from_unix_ms(NOW);
        let today = Day::of(now);
        assert_eq!(today.vietnamese(), "22/11/2026");
        assert_eq!(today.start().vietnam(), "22/11/2026 00:00:00");
        assert_eq!(today.end().vietnam(), "23/11/2026 00:00:00");
    }

    #[test]
    fn every_day_of_forty_years_reads_back() {
        for number in 10_000..25_000 {
            let day = Day { number };
            let (year, month, date) = day.civil();
            assert_eq!(Day::new(year, month, date), Some(day));
        }
    }
}
