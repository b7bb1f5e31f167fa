//! Vietnamese text has two Unicode spellings, composed (NFC) and decomposed (NFD); both come in
//! packets and mean the same.
//!
//! Fields keep what was written; counting and comparing go through the composed form. Must not
//! know: fields.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// The composed form, which has one spelling for each text.
#[must_use]
pub fn composed(text: &str) -> Cow<'_, str> {
    if is_nfc(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Whether two texts are the same to a reader: outer white space and Unicode form make no
/// difference.
#[must_use]
// [spec:edxml-25]
pub fn same(one: &str, other: &str) -> bool {
    composed(one.trim()) == composed(other.trim())
}

/// Characters as people count them in a field: Unicode scalar values of the composed form.
#[must_use]
// [spec:edxml-11]
pub fn length(text: &str) -> usize {
    composed(text).chars().count()
}

/// Marks that turn the direction of writing, so that `exe.gpj` is shown as `jpg.exe`.
#[must_use]
pub const fn is_direction_mark(c: char) -> bool {
    matches!(
        c,
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
    )
}

/// Characters that take no room and hide a difference between two names.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}'
            | '\u{034F}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{17B4}'
            | '\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200D}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206A}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}
