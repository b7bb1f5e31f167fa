//! The text form of a calendar: one line a day or a span of days.
//!
//! `working_days.txt` beside this file is such a text and explains the form; an operator's file has
//! the same form. Every wrong line is reported, none stops the list. Bounded: a text of at most
//! 1 MiB, a span of at most a year. Must not know: which days are worked in the end (`calendar`).

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization as _;

use super::super::date::Date;

/// What a line says of its days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayKind {
    /// Public holiday; one on a weekend is compensated on the next working day.
    Holiday,
    /// Day off from which nothing follows: swapped days, announced blocks.
    Off,
    /// Nobody can say yet; counted as an ordinary day, deadlines across it are uncertain.
    Unsettled,
    /// Worked, also on a weekend or against an earlier list.
    Work,
}

/// One day of a calendar text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayLine {
    /// What is said of the day.
    pub kind: DayKind,
    /// Why, as the line names it; may be empty.
    pub name: String,
}

/// A read calendar text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// Every day the text speaks of.
    pub days: BTreeMap<Date, DayLine>,
    /// First and last day for which the text is complete.
    pub known: Option<(Date, Date)>,
}

/// A line that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {en}")]
pub struct LineFault {
    /// 1-based; 0 for the text as a whole.
    pub line: usize,
    /// One line in Vietnamese.
    pub vi: String,
    /// One line in English.
    pub en: String,
}

impl Days {
    /// Reads a calendar text; every wrong line is in the error.
    // [spec:edxml-33]
    pub fn parse(text: &str) -> Result<Self, Vec<LineFault>> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(vec![fault(
                0,
                format!("tệp lịch dài quá {TEXT_BYTES_MAX} byte"),
                format!("the calendar is longer than {TEXT_BYTES_MAX} bytes"),
            )]);
        }
        let mut reading = Reading::default();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let said = line.split('#').next().unwrap_or_default().trim();
            if said.is_empty() {
                continue;
            }
            if let Err((vi, en)) = reading.line(index + 1, said) {
                reading.faults.push(fault(index + 1, vi, en));
                if reading.faults.len() == FAULTS_MAX {
                    break;
                }
            }
        }
        if reading.faults.is_empty() {
            Ok(reading.days)
        } else {
            Err(reading.faults)
        }
    }
}

/// What was read so far, with the line of each day for faults about second mentions.
#[derive(Debug, Default)]
struct Reading {
    days: Days,
    line_of: BTreeMap<Date, usize>,
    faults: Vec<LineFault>,
}

/// The two texts of a fault.
type Said = (String, String);

impl Reading {
    fn line(&mut self, line: usize, said: &str) -> Result<(), Said> {
        let said: String = said.nfc().collect();
        for word in ["biết", "known"] {
            if let Some(rest) = after_word(&said, word) {
                return self.known(rest);
            }
        }
        let (when, rest) = said.split_once(char::is_whitespace).unwrap_or((&said, ""));
        let (first, last) = span(when)?;
        let (kind, name) = kind_and_name(rest.trim_start())?;
        // Before anything is kept, so that a wrong line leaves no half of itself behind.
        let mut day = Some(first);
        while let Some(this) = day.filter(|day| *day <= last) {
            if let Some(earlier) = self.line_of.get(&this) {
                return Err((
                    format!("ngày {} đã có ở dòng {earlier}", this.vietnam()),
                    format!("{} stands in line {earlier} already", this.iso()),
                ));
            }
            day = this.plus_days(1);
        }
        let mut day = Some(first);
        while let Some(this) = day.filter(|day| *day <= last) {
            let name = name.to_owned();
            self.line_of.insert(this, line);
            self.days.days.insert(this, DayLine { kind, name });
            day = this.plus_days(1);
        }
        Ok(())
    }

    fn known(&mut self, rest: &str) -> Result<(), Said> {
        if self.days.known.is_some() {
            return Err((
                "khoảng thời gian \"biết\" chỉ ghi một lần".to_owned(),
                "the span of complete data stands here a second time".to_owned(),
            ));
        }
        self.days.known = Some(two_dates(rest)?);
        Ok(())
    }
}

/// `yyyy-MM-dd` or `yyyy-MM-dd..yyyy-MM-dd`, at most a year.
fn span(text: &str) -> Result<(Date, Date), Said> {
    let (first, last) = two_dates(text)?;
    if last.days() - first.days() >= SPAN_DAYS_MAX {
        return Err((
            format!("khoảng ngày dài quá {SPAN_DAYS_MAX} ngày"),
            format!("the span is longer than {SPAN_DAYS_MAX} days"),
        ));
    }
    Ok((first, last))
}

fn two_dates(text: &str) -> Result<(Date, Date), Said> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (first, last) = (date(first)?, date(last)?);
    if last < first {
        return Err((
            format!("{} đứng trước {}", last.vietnam(), first.vietnam()),
            format!("{} is before {}", last.iso(), first.iso()),
        ));
    }
    Ok((first, last))
}

fn date(text: &str) -> Result<Date, Said> {
    Date::parse(text).map(|parsed| parsed.value).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        (
            format!("\"{shown}\" không phải là ngày yyyy-MM-dd"),
            format!("\"{shown}\" is not a day yyyy-MM-dd"),
        )
    })
}

fn kind_and_name(text: &str) -> Result<(DayKind, &str), Said> {
    for (word, kind) in KINDS {
        if let Some(name) = after_word(text, word) {
            return Ok((kind, name));
        }
    }
    let shown: String = text.chars().take(40).collect();
    Err((
        format!("\"{shown}\": sau ngày phải là nghỉ, ngày lễ, làm bù, làm việc hoặc chưa rõ"),
        format!("\"{shown}\": after the day comes off, holiday, work or unsettled"),
    ))
}

/// What follows `word` at the start of `text`, if it stands there as a whole word in any case.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    let whole = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (whole && head.to_lowercase() == word).then(|| rest.trim())
}

fn fault(line: usize, vi: String, en: String) -> LineFault {
    LineFault { line, vi, en }
}

/// The words of a line in Vietnamese and English.
const KINDS: [(&str, DayKind); 9] = [
    ("nghỉ", DayKind::Off),
    ("ngày lễ", DayKind::Holiday),
    ("làm bù", DayKind::Work),
    ("làm việc", DayKind::Work),
    ("chưa rõ", DayKind::Unsettled),
    ("off", DayKind::Off),
    ("holiday", DayKind::Holiday),
    ("work", DayKind::Work),
    ("unsettled", DayKind::Unsettled),
];

/// A century of calendars is below 100 KiB.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// A longer day off is a typing error in a year.
const SPAN_DAYS_MAX: i64 = 366;
/// Nobody reads more at once.
const FAULTS_MAX: usize = 100;
