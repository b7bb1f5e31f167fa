//! Secrecy marks: such documents may not travel on this network [Decision 28/2018 art. 1(2)].
//!
//! A mark is MẬT, TỐI MẬT or TUYỆT MẬT in capitals at the head of the subject, or alone as
//! circulation limit. Ordinary words with the same syllable ("bảo mật", "mật độ") are not marks.
//! Unicode form, width of spaces and invisible characters make no difference.

use unicode_normalization::UnicodeNormalization;

use super::text::{is_direction_mark, is_invisible};

/// Degree of secrecy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecrecyMark {
    /// Mật.
    Confidential,
    /// Tối mật.
    Secret,
    /// Tuyệt mật.
    TopSecret,
}

impl SecrecyMark {
    /// The mark as printed on a document.
    #[must_use]
    pub const fn vi(self) -> &'static str {
        match self {
            Self::Confidential => "MẬT",
            Self::Secret => "TỐI MẬT",
            Self::TopSecret => "TUYỆT MẬT",
        }
    }
}

/// The mark that heads a subject, if one does.
#[must_use]
pub fn of_subject(subject: &str) -> Option<SecrecyMark> {
    heading(&plain(subject))
}

/// The mark in a circulation limit: at its head in capitals, or the whole text in any case.
#[must_use]
pub fn of_circulation(circulation: &str) -> Option<SecrecyMark> {
    let text = plain(circulation);
    let lower = text.to_lowercase();
    let value = lower.strip_prefix("độ mật").map_or(lower.as_str(), |rest| {
        rest.trim_start_matches([':', '-', ' '])
    });
    let value = value.trim_matches(|c: char| !c.is_alphanumeric());
    heading(&text).or_else(|| {
        MARKS
            .into_iter()
            .find(|mark| mark.vi().to_lowercase() == value)
    })
}

// [spec:edxml-15]
fn heading(text: &str) -> Option<SecrecyMark> {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    // Longest first does not matter: the three begin with different words.
    let (mark, rest) = MARKS
        .into_iter()
        .find_map(|mark| text.strip_prefix(mark.vi()).map(|rest| (mark, rest)))?;
    if rest.starts_with(|c: char| c.is_alphanumeric()) {
        return None;
    }
    // In a subject written all in capitals the syllable may open an ordinary word: MẬT ĐỘ DÂN SỐ.
    let next = rest.strip_prefix(' ').map(|rest| {
        rest.split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or_default()
    });
    let ordinary = mark == SecrecyMark::Confidential
        && next.is_some_and(|word| ORDINARY_SECOND_WORDS.contains(&word));
    (!ordinary).then_some(mark)
}

/// Composed form, single plain spaces, nothing invisible.
fn plain(text: &str) -> String {
    let visible: String = text
        .chars()
        .filter(|c| !is_invisible(*c) && !is_direction_mark(*c))
        .nfc()
        .collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

const MARKS: [SecrecyMark; 3] = [
    SecrecyMark::Confidential,
    SecrecyMark::Secret,
    SecrecyMark::TopSecret,
];

/// Density, password, cipher, honey, molasses, secret police: words, not marks.
const ORDINARY_SECOND_WORDS: [&str; 6] = ["ĐỘ", "KHẨU", "MÃ", "MÍA", "ONG", "VỤ"];
