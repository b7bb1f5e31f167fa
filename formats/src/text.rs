//! Text: what a name in a record may hold, and how names and aliases are compared.
//!
//! Two comparisons, never mixed: [`alias_key`] decides whom a written code or name means, so only
//! case and the composition of letters are overlooked; [`fold`] helps people to find something, so
//! marks are overlooked too. Pure.

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc, is_nfc_quick};

use crate::limits;

/// Why a text may not stand in a record. The fault is the writer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// Nothing in it.
    #[error("empty")]
    Empty,
    /// A character that people do not see, or that turns the direction of what they see.
    #[error("hidden character U+{:04X}", u32::from(*.0))]
    Hidden(char),
    /// Not in Unicode's composed form.
    #[error("not in Unicode form NFC")]
    NotNfc,
    /// More characters than the limit.
    #[error("{0} characters, at most {max}", max = limits::RECORD_TEXT_CHARS_MAX)]
    TooLong(usize),
    /// White space at an end.
    #[error("white space at an end")]
    Untrimmed,
}

/// Checks the rule for free texts in records: 1 to 300 characters in NFC, no white space at the
/// ends, no control, direction or invisible character, because people read them in lists and must
/// see what is there.
pub fn check(text: &str) -> Result<(), TextFault> {
    if text.is_empty() {
        return Err(TextFault::Empty);
    }
    let length = text.chars().count();
    if length > limits::RECORD_TEXT_CHARS_MAX {
        return Err(TextFault::TooLong(length));
    }
    if let Some(hidden) = text.chars().find(|c| is_hidden(*c)) {
        return Err(TextFault::Hidden(hidden));
    }
    if text.trim() != text {
        return Err(TextFault::Untrimmed);
    }
    if is_nfc(text) {
        Ok(())
    } else {
        Err(TextFault::NotNfc)
    }
}

/// Whether a character is a control character, turns the direction of text or cannot be seen.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The text as a record writes it: without white space at the ends, letters composed (NFC).
#[must_use]
pub fn composed(text: &str) -> String {
    text.trim().nfc().collect()
}

/// The form under which aliases are compared: without white space at the ends, NFC, lower case.
#[must_use]
pub fn alias_key(text: &str) -> String {
    let text = text.trim();
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return text.to_lowercase();
    }
    composed(text).to_lowercase()
}

/// The form under which people search: the same letters without marks, so that `dinh` finds `Định`.
/// NFD, combining marks dropped, lower case, `đ` to `d`; NFC and NFD input and `hòa`/`hoà` become
/// equal.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfd()
        .filter(|letter| !is_combining_mark(*letter))
        .flat_map(char::to_lowercase)
        .map(|letter| if letter == 'đ' { 'd' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vietnamese_letters_fold_to_ascii() {
        for (text, folded) in [
            ("Quyết định", "quyet dinh"),
            ("ĐIỀU CHUYỂN CÁN BỘ", "dieu chuyen can bo"),
            ("Hòa Bình", "hoa binh"),
            ("Hoà Bình", "hoa binh"),
            ("ưu đãi ở phường", "uu dai o phuong"),
            ("H01.36", "h01.36"),
        ] {
            assert_eq!(fold(text), folded);
            let decomposed: String = text.nfd().collect();
            assert_eq!(fold(&decomposed), folded);
        }
    }

    #[test]
    fn aliases_differ_by_their_marks_and_not_by_case_or_composition() {
        let decomposed: String = " Sở Nội vụ ".nfd().collect();
        assert_eq!(alias_key(&decomposed), "sở nội vụ");
        assert_eq!(alias_key("SỞ NỘI VỤ"), "sở nội vụ");
        assert_ne!(alias_key("So Noi vu"), "sở nội vụ");
    }

    #[test]
    fn the_first_fault_of_a_text_is_named() {
        let long = "ạ".repeat(301);
        for (text, fault) in [
            ("", TextFault::Empty),
            (long.as_str(), TextFault::TooLong(301)),
            ("a\u{202e}b", TextFault::Hidden('\u{202e}')),
            ("a\0b", TextFault::Hidden('\0')),
            ("a\u{e0041}", TextFault::Hidden('\u{e0041}')),
            (" a", TextFault::Untrimmed),
            ("So\u{31b}\u{309}", TextFault::NotNfc),
        ] {
            assert_eq!(check(text), Err(fault), "{text:?}");
        }
        assert_eq!(check("=CMD(\"x\")"), Ok(()));
    }
}
