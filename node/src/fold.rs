//! Text for search: the same letters without marks, so that `dinh` finds `Định`.
//!
//! NFD, combining marks dropped, `đ` to `d`, lower case. NFC and NFD input and `hòa`/`hoà` become
//! equal. Used for what is stored and for what is asked; pure.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The folded form of a text.
pub fn fold(text: &str) -> String {
    text.nfd()
        .filter(|letter| !is_combining_mark(*letter))
        .flat_map(char::to_lowercase)
        .map(|letter| if letter == 'đ' { 'd' } else { letter })
        .collect()
}

/// LIKE patterns, one a word; every word must be found. Wildcards in the words are literal
/// under `ESCAPE '\'`.
pub(crate) fn patterns(text: &str) -> Vec<String> {
    fold(text)
        .split_whitespace()
        .take(WORDS_MAX)
        .map(|word| {
            let mut pattern = String::from("%");
            for letter in word.chars() {
                if matches!(letter, '%' | '_' | '\\') {
                    pattern.push('\\');
                }
                pattern.push(letter);
            }
            pattern.push('%');
            pattern
        })
        .collect()
}

/// More words than a person types; each costs one comparison a row.
const WORDS_MAX: usize = 8;

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
        ] {
            assert_eq!(fold(text), folded);
            let decomposed: String = text.nfd().collect();
            assert_eq!(fold(&decomposed), folded);
        }
    }

    #[test]
    fn wildcards_of_the_question_are_literal() {
        assert_eq!(patterns("100%  a_b"), ["%100\\%%", "%a\\_b%"]);
    }
}
