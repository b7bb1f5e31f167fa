//! Cell: what one field of the table says, or why it says nothing.
//!
//! Owns: the forms of codes, texts, days and aliases that people write. White space at the ends and
//! the composition of letters are repaired, everything else is refused with the way to write it.
//! Must not know lines and columns.

use formats::id::{AgencyCode, OldAgencyCode};
use formats::limits;
use formats::record::Alias;
use formats::text::{self, TextFault};
use formats::time::Timestamp;

use super::finding::{Text, both};

/// What is wrong with a cell, and how to write it.
pub(super) type Wrong = (Text, Text);

/// A canonical code; small letters are read as capitals.
pub(super) fn code(written: &str) -> Result<AgencyCode, Wrong> {
    let upper = written.to_ascii_uppercase();
    AgencyCode::parse(&upper).map_err(|_| {
        let problem = both(
            "is not an agency code of the present form",
            "không phải mã định danh theo mẫu hiện hành",
        );
        let likely = OldAgencyCode::parse(&upper)
            .ok()
            .and_then(|old| old.likely_code());
        let fix = match likely {
            Some(code) => both(
                format!("this is an old code: write the present one, perhaps {code}, and this among aliases"),
                format!("đây là mã cũ: ghi mã hiện hành, có thể là {code}, và ghi mã này ở cột mã cũ"),
            ),
            None => both(
                "write a letter, two digits and groups of up to 6 letters or digits, such as H01.36.04",
                "ghi một chữ cái, hai chữ số và các nhóm tối đa 6 chữ hoặc số, ví dụ H01.36.04",
            ),
        };
        (problem, fix)
    })
}

/// A name or an alias as a record may hold it.
pub(super) fn plain(written: &str) -> Result<String, Wrong> {
    // Composing may shorten a text by some letters each; more need not be composed to be too long.
    let begin: String = written
        .trim()
        .chars()
        .take(limits::RECORD_TEXT_CHARS_MAX * 4)
        .collect();
    let composed = text::composed(&begin);
    match text::check(&composed) {
        Ok(()) => Ok(composed),
        Err(TextFault::Empty) => Err((
            both("is empty", "còn trống"),
            both("write it", "điền vào ô này"),
        )),
        Err(TextFault::TooLong(_)) => Err((
            both(
                format!("has more than {} characters", limits::RECORD_TEXT_CHARS_MAX),
                format!("dài hơn {} ký tự", limits::RECORD_TEXT_CHARS_MAX),
            ),
            both(
                "shorten it; if it runs over lines, a quotation mark is not closed",
                "viết ngắn lại; nếu tràn nhiều dòng thì có dấu ngoặc kép chưa đóng",
            ),
        )),
        Err(fault @ (TextFault::Hidden(_) | TextFault::NotNfc | TextFault::Untrimmed)) => Err((
            both(
                format!("holds what readers cannot see: {fault}"),
                format!("chứa ký tự người đọc không thấy được: {fault}"),
            ),
            both("remove that character", "xóa ký tự đó"),
        )),
    }
}

/// A day or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Moment {
    /// A whole day in Vietnam, from this instant on.
    Day(Timestamp),
    /// An instant.
    Instant(Timestamp),
}

impl Moment {
    /// Reads `2025-07-01`, `2025/07/01`, `01/07/2025`, `1-7-2025` or `2025-06-30T17:00:00.000Z`.
    pub(in crate::cli) fn parse(written: &str) -> Option<Self> {
        if let Ok(instant) = Timestamp::parse_rfc3339(written) {
            return Some(Self::Instant(instant));
        }
        let mut parts = written.split(['-', '/']);
        let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |part: &str, digits: std::ops::RangeInclusive<usize>| {
            let fits = digits.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            fits.then(|| part.parse::<u16>().ok()).flatten()
        };
        let (year, day) = if first.len() == 4 {
            (first, third)
        } else {
            (third, first)
        };
        let start = Timestamp::from_vietnam_day(
            number(year, 4..=4)?,
            u8::try_from(number(second, 1..=2)?).ok()?,
            u8::try_from(number(day, 1..=2)?).ok()?,
        )?;
        parts.next().is_none().then_some(Self::Day(start))
    }

    /// As the beginning of a period.
    pub(in crate::cli) fn begin(self) -> Timestamp {
        match self {
            Self::Day(start) | Self::Instant(start) => start,
        }
    }

    /// As the end of a period: a day is the last one.
    pub(in crate::cli) fn end(self) -> Timestamp {
        match self {
            Self::Day(start) => start.plus_ms(DAY_MS),
            Self::Instant(instant) => instant,
        }
    }
}

/// A day or an instant in a cell.
pub(super) fn moment(written: &str) -> Result<Moment, Wrong> {
    Moment::parse(written).ok_or_else(|| {
        (
            both("is not a day", "không phải ngày"),
            both(
                "write it as 2025-07-01 or 01/07/2025 (day first)",
                "ghi dạng 2025-07-01 hoặc 01/07/2025 (ngày trước)",
            ),
        )
    })
}

/// Aliases separated by semicolons, each with or without a period: `text@2025-07-01..2027-06-30`.
pub(super) fn aliases(written: &str) -> Result<Vec<Alias>, Wrong> {
    let mut all: Vec<Alias> = Vec::new();
    let mut keys = std::collections::HashSet::new();
    for part in written
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        if all.len() >= limits::RECORD_LIST_MAX {
            return Err((
                both(
                    format!("has more than {} aliases", limits::RECORD_LIST_MAX),
                    format!("có hơn {} tên khác", limits::RECORD_LIST_MAX),
                ),
                both("leave out what nobody writes", "bỏ những tên không ai dùng"),
            ));
        }
        let alias = alias(part)?;
        if !keys.insert(text::alias_key(&alias.text)) {
            return Err((
                both(
                    format!("has the alias {:?} twice", alias.text),
                    format!("ghi tên khác {:?} hai lần", alias.text),
                ),
                both("write it once", "chỉ ghi một lần"),
            ));
        }
        all.push(alias);
    }
    Ok(all)
}

fn alias(part: &str) -> Result<Alias, Wrong> {
    let Some((name, period)) = part.rsplit_once('@') else {
        return Ok(Alias::always(plain(part)?));
    };
    let wrong = || {
        (
            both(
                "has a period that cannot be read",
                "có thời hạn không đọc được",
            ),
            both(
                "write text@2025-07-01..2027-06-30; either day may be left out",
                "ghi tên@2025-07-01..2027-06-30; được bỏ trống một trong hai ngày",
            ),
        )
    };
    let (from, to) = period.split_once("..").ok_or_else(wrong)?;
    let side = |day: &str| match day.trim() {
        "" => Ok(None),
        day => Moment::parse(day).map(Some).ok_or_else(wrong),
    };
    let alias = Alias {
        text: plain(name)?,
        from: side(from)?.map(Moment::begin),
        to: side(to)?.map(Moment::end),
    };
    match (alias.from, alias.to) {
        (Some(from), Some(to)) if from >= to => Err(wrong()),
        _ => Ok(alias),
    }
}

const DAY_MS: i64 = 86_400_000;
