//! The pieces that pages are put together from: frame, pill, timeline step, fact, file, filter, foot.
//!
//! Plain display values; everything is text when it gets here. Templates escape all of it; only
//! [`Pill`] and [`Icon`] are markup of ours. It must not know the desk or requests.

use askama::Template;
use askama::filters::HtmlSafe;
use formats::time::Timestamp;

use super::assets;
use super::checks::CheckLines;
use super::words::{Lang, Words};

/// Colour and icon of a state; never a colour without its icon and word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Needs a person, or ended badly.
    Bad,
    /// On its way.
    Info,
    /// Over, or not there yet.
    Mute,
    /// Reached.
    Ok,
    /// Waits by itself.
    Wait,
}

impl Tone {
    /// The class in `tram.css`.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Info => "info",
            Self::Mute => "mute",
            Self::Ok => "ok",
            Self::Wait => "wait",
        }
    }

    /// The icon of the tone.
    #[allow(clippy::unused_self, reason = "called from templates as tone.icon()")]
    pub(crate) const fn icon(self) -> Icon {
        Icon(self)
    }
}

/// An inline drawing, hidden from screen readers because a word stands beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Icon(Tone);

impl std::fmt::Display for Icon {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let drawing = match self.0 {
            Tone::Bad => {
                r#"<path d="M3 3l6 6M9 3 3 9" fill="none" stroke-width="1.8" stroke-linecap="round"/>"#
            }
            Tone::Info => concat!(
                r#"<path d="M2 6h7M6.2 3 9.2 6l-3 3" fill="none" stroke-width="1.7" "#,
                r#"stroke-linecap="round" stroke-linejoin="round"/>"#
            ),
            Tone::Mute => concat!(
                r#"<circle cx="6" cy="6" r="4" fill="none" stroke-width="1.5" "#,
                r#"stroke-dasharray="2 2"/>"#
            ),
            Tone::Ok => concat!(
                r#"<path d="M2 6.5 4.7 9 10 3.2" fill="none" stroke-width="1.8" "#,
                r#"stroke-linecap="round" stroke-linejoin="round"/>"#
            ),
            Tone::Wait => concat!(
                r#"<circle cx="6" cy="6" r="4.3" fill="none" stroke-width="1.6"/>"#,
                r#"<path d="M6 3.6V6l1.7 1.1" fill="none" stroke-width="1.4" "#,
                r#"stroke-linecap="round"/>"#
            ),
        };
        out.write_str(r#"<svg viewBox="0 0 12 12" aria-hidden="true" stroke="currentColor">"#)?;
        out.write_str(drawing)?;
        out.write_str("</svg>")
    }
}

impl HtmlSafe for Icon {}

/// A state in one word with its icon.
#[derive(Debug, Clone, Template)]
#[template(path = "pill.html")]
pub(crate) struct Pill {
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

impl HtmlSafe for Pill {}

impl Pill {
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
        }
    }
}

/// A moment in Vietnam time, cut as the pages need it.
#[derive(Debug, Clone, Default)]
pub(crate) struct When {
    /// `22/11/2026`
    pub(crate) day: String,
    /// RFC 3339, for machines.
    pub(crate) iso: String,
    /// `10:31:02`
    pub(crate) time: String,
}

impl When {
    /// Day and time to the second.
    pub(crate) fn at(time: Timestamp) -> Self {
        let text = time.vietnam();
        let (day, clock) = text.split_once(' ').unwrap_or((text.as_str(), ""));
        Self {
            day: day.to_owned(),
            iso: time.rfc3339(),
            time: clock.to_owned(),
        }
    }

    /// As [`When::at`] with milliseconds, for steps of a timeline that follow each other quickly.
    pub(crate) fn precise(time: Timestamp) -> Self {
        let mut when = Self::at(time);
        when.time = format!("{}.{:03}", when.time, time.unix_ms().rem_euclid(1000));
        when
    }

    /// Words in the place of a moment.
    pub(crate) fn words(text: &str) -> Self {
        Self {
            time: text.to_owned(),
            ..Self::default()
        }
    }
}

/// One line of the rail.
#[derive(Debug, Clone)]
pub(crate) struct NavItem {
    /// Count beside the name, or nothing.
    pub(crate) count: String,
    /// It is the page shown.
    pub(crate) here: bool,
    pub(crate) href: &'static str,
    /// A rule stands above it.
    pub(crate) rule: bool,
    pub(crate) text: &'static str,
}

/// What surrounds every page of a signed-in person.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) agency: String,
    pub(crate) certificate: String,
    pub(crate) csrf: String,
    pub(crate) health: Pill,
    /// Path and query of this page.
    pub(crate) here: String,
    pub(crate) lang: Lang,
    pub(crate) links: String,
    pub(crate) nav: Vec<NavItem>,
    /// Address that changes the language and comes back.
    pub(crate) switch: String,
    pub(crate) title: String,
    pub(crate) user: String,
    pub(crate) version: &'static str,
    pub(crate) w: &'static Words,
}

impl Frame {
    /// Code of the language that the switch leads to.
    pub(crate) const fn other_lang(&self) -> &'static str {
        other(self.lang).code()
    }
}

/// What surrounds a page without a rail.
#[derive(Debug, Clone)]
pub(crate) struct Bare {
    pub(crate) lang: Lang,
    pub(crate) switch: String,
    pub(crate) title: String,
    pub(crate) version: &'static str,
}

impl Bare {
    /// A page at `here` (path and query).
    pub(crate) fn new(lang: Lang, title: impl Into<String>, here: &str) -> Self {
        Self {
            lang,
            switch: switch(lang, here),
            title: title.into(),
            version: assets::version(),
        }
    }

    /// Code of the language that the switch leads to.
    pub(crate) const fn other_lang(&self) -> &'static str {
        other(self.lang).code()
    }
}

/// The language that is not shown.
pub(crate) const fn other(lang: Lang) -> Lang {
    match lang {
        Lang::En => Lang::Vi,
        Lang::Vi => Lang::En,
    }
}

/// Address of the language switch that comes back to `here`.
pub(crate) fn switch(lang: Lang, here: &str) -> String {
    format!(
        "/lang/{}?back={}",
        other(lang).code(),
        super::address::encode(here)
    )
}

/// A name and a value.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    /// An agency code after the value, or nothing.
    pub(crate) code: String,
    pub(crate) kind: FactKind,
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// How a value is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FactKind {
    /// A long identifier: small and breakable.
    Hash,
    /// A number or code.
    Number,
    /// Words.
    Text,
}

impl Fact {
    pub(crate) fn text(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            code: String::new(),
            kind: FactKind::Text,
            name,
            value: value.into(),
        }
    }

    pub(crate) fn number(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            code: String::new(),
            kind: FactKind::Number,
            name,
            value: value.into(),
        }
    }

    pub(crate) fn hash(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            code: String::new(),
            kind: FactKind::Hash,
            name,
            value: value.into(),
        }
    }

    /// The same fact with an agency code behind it.
    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }

    /// The class in `tram.css`.
    pub(crate) const fn class(&self) -> &'static str {
        match self.kind {
            FactKind::Hash => "hash",
            FactKind::Number => "num",
            FactKind::Text => "",
        }
    }
}

/// One attachment.
#[derive(Debug, Clone)]
pub(crate) struct FileLine {
    /// Its signatures, for a received PDF.
    pub(crate) check: Option<CheckLines>,
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) size: String,
}

/// One step of a timeline.
#[derive(Debug, Clone)]
pub(crate) struct StepLine {
    pub(crate) at: When,
    /// Stands above the first step of a day.
    pub(crate) day: String,
    /// Log and leaf of the statement behind it, or nothing.
    pub(crate) place: String,
    /// Short number of the receipt behind it, or nothing.
    pub(crate) receipt: String,
    /// Who said it and how long after the step before.
    pub(crate) said: String,
    /// The reason is one that cures itself.
    pub(crate) soft: bool,
    pub(crate) text: String,
    /// It has not happened yet.
    pub(crate) todo: bool,
    pub(crate) tone: Tone,
    /// Why, for refusals and waits.
    pub(crate) why: String,
}

/// A coloured note: what, why, what now.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) cause: String,
    /// A person must act.
    pub(crate) hard: bool,
    pub(crate) head: String,
    pub(crate) href: String,
    pub(crate) todo: String,
}

/// A line of the evidence panel.
#[derive(Debug, Clone)]
pub(crate) struct Seal {
    pub(crate) pill: Pill,
    pub(crate) text: String,
}

/// A tab with its count in the text.
#[derive(Debug, Clone)]
pub(crate) struct Tab {
    pub(crate) here: bool,
    pub(crate) href: String,
    pub(crate) text: String,
}

/// The search line above a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilterLine {
    pub(crate) action: &'static str,
    pub(crate) dates: bool,
    /// What is wrong with it, or nothing.
    pub(crate) fault: String,
    pub(crate) from: String,
    pub(crate) from_wrong: bool,
    pub(crate) q: String,
    pub(crate) tab: String,
    pub(crate) to: String,
    pub(crate) to_wrong: bool,
    /// Something is filtered.
    pub(crate) used: bool,
}

/// The line below a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Foot {
    pub(crate) first: String,
    pub(crate) next: String,
    pub(crate) shown: String,
}

/// A choice of a select box.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) chosen: bool,
    pub(crate) text: String,
    pub(crate) value: String,
}

/// Words of an edXML urgency code (0 to 4); what is not a code counts as normal.
pub(crate) const fn priority(w: &'static Words, code: u8) -> &'static str {
    match code {
        1 => w.priority_urgent,
        2 => w.priority_very_urgent,
        3 => w.priority_immediate,
        4 => w.priority_immediate_timed,
        _ => w.priority_normal,
    }
}

/// The urgency word of a list row: nothing for normal.
pub(crate) fn urgent(w: &'static Words, code: u8) -> String {
    if (1..=4).contains(&code) {
        priority(w, code).to_owned()
    } else {
        String::new()
    }
}

/// `412 KB`, in steps of 1024 with at most one decimal.
pub(crate) fn size(w: &'static Words, bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KB", "MB", "GB"];
    let mut tenths = bytes.saturating_mul(10);
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = tenths.div_ceil(1024);
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("GB");
    if unit == 0 || tenths >= 100 || tenths.is_multiple_of(10) {
        format!("{} {name}", (tenths + 5) / 10)
    } else {
        format!("{}{}{} {name}", tenths / 10, w.decimal, tenths % 10)
    }
}

/// `89 ms`, `3,2 s`, `12 min`, `5 h`.
pub(crate) fn span(w: &'static Words, ms: i64) -> String {
    let ms = ms.max(0);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}{}{} s", ms / 1000, w.decimal, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

/// Numbers with a space between thousands: `1 204 881`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::words::VI;
    use super::*;

    #[test]
    fn a_pill_escapes_its_word_and_keeps_its_icon() {
        let pill = Pill::new(Tone::Bad, "<b>&\"").to_string();
        assert!(pill.contains("<svg viewBox"), "{pill}");
        assert!(!pill.contains("<b>"), "{pill}");
        assert!(pill.contains("&#60;b&#62;&#38;&#34;"), "{pill}");
    }

    #[test]
    fn sizes_and_spans_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KB"),
            (1536, "1,5 KB"),
            (421_888, "412 KB"),
        ] {
            assert_eq!(size(&VI, bytes), text);
        }
        assert_eq!(size(&VI, u64::MAX).split(' ').nth(1), Some("GB"));
        for (ms, text) in [
            (-5, "0 ms"),
            (89, "89 ms"),
            (3_240, "3,2 s"),
            (61_000, "1 min"),
            (7_200_000, "2 h"),
        ] {
            assert_eq!(span(&VI, ms), text);
        }
        assert_eq!(grouped(1_204_881), "1\u{202f}204\u{202f}881");
        assert_eq!(grouped(12), "12");
    }
}
