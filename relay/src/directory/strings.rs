//! Strings: a sorted list of texts in one piece of memory, searched by halving.
//!
//! A directory has hundreds of thousands of short texts; one allocation for each would cost more
//! than the texts.

use std::ops::Range;

/// Texts in the order in which they were pushed. The searches need them sorted.
#[derive(Debug, Default)]
pub(super) struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Strings {
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    pub(super) fn get(&self, at: usize) -> &str {
        let start = match at.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where this text stands in the sorted list; several may be equal.
    pub(super) fn equal_to(&self, wanted: &str) -> Range<usize> {
        let from = bisect(self.len(), |at| self.get(at) < wanted);
        from..bisect(self.len(), |at| self.get(at) <= wanted)
    }

    /// Where the texts that begin so stand in the sorted list.
    pub(super) fn starting_with(&self, wanted: &str) -> Range<usize> {
        starting_with(self.len(), |at| self.get(at), wanted)
    }
}

/// Which of `len` sorted texts begin with `wanted`.
pub(super) fn starting_with<'t>(
    len: usize,
    text: impl Fn(usize) -> &'t str,
    wanted: &str,
) -> Range<usize> {
    let from = bisect(len, |at| text(at) < wanted);
    let to = bisect(len, |at| {
        let text = text(at);
        text < wanted || text.starts_with(wanted)
    });
    from..to
}

/// The first place at which `before` no longer holds.
fn bisect(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_a_scan() {
        let all = ["", "a", "ab", "ab", "abc", "b", "đ", "đa"];
        let mut strings = Strings::default();
        all.iter().for_each(|text| strings.push(text));
        for wanted in ["", "a", "ab", "abcd", "b", "c", "đ", "đb", "z"] {
            let places = |fits: &dyn Fn(&str) -> bool| -> Vec<usize> {
                (0..all.len()).filter(|at| fits(all[*at])).collect()
            };
            let equal: Vec<usize> = strings.equal_to(wanted).collect();
            assert_eq!(equal, places(&|text| text == wanted), "{wanted}");
            let starting: Vec<usize> = strings.starting_with(wanted).collect();
            assert_eq!(
                starting,
                places(&|text| text.starts_with(wanted)),
                "{wanted}"
            );
        }
    }
}
