//! Text for search in the store: [`fold`] for what is stored and what is asked, so that `dinh` finds
//! `Định`, and patterns of it for SQL; pure.

pub use formats::text::fold;

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
    fn wildcards_of_the_question_are_literal() {
        assert_eq!(patterns("100%  a_b"), ["%100\\%%", "%a\\_b%"]);
    }
}
