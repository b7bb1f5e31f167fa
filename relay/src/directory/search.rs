//! Search: the agencies that people mean by some words, best first.
//!
//! A word is a run of letters and digits of the folded text (see [`formats::text::fold`]); an agency
//! fits if every word of the question begins a word of its code, name or aliases, in any order. The
//! index keeps each word once, in order, with the agencies that have it, so the words that begin
//! alike are one stretch of memory, and a question costs at most one pass over all of it and a few
//! bit sets, however short its words are. Needs about 100 bytes an agency. Must not know signatures.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use formats::limits;
use formats::record::{Agency, AgencyState, Alias};
use formats::text::fold;
use formats::time::Timestamp;

use super::agencies::AgencyEntry;
use super::strings::{Strings, starting_with};

/// The index over a list of agencies, which are known by their place in it.
#[derive(Debug)]
pub(super) struct SearchIndex {
    /// Every word once, sorted.
    words: Strings,
    /// Where the agencies of the word at the same place begin in `having`; one more at the end.
    starts: Vec<usize>,
    /// Agencies by word.
    having: Vec<u32>,
    /// Names as words joined by a space, sorted, and whose they are.
    names: Strings,
    named: Vec<u32>,
    /// When each agency begins and ends to exist, beside the index so that a question touches no
    /// agency that it does not answer.
    periods: Vec<(Timestamp, Timestamp)>,
}

impl SearchIndex {
    pub(super) fn build(entries: &[Arc<AgencyEntry>]) -> Self {
        let mut numbers: HashMap<Box<str>, u32> = HashMap::new();
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let mut names: Vec<(String, u32)> = Vec::with_capacity(entries.len());
        let mut own: Vec<u32> = Vec::new();
        for (id, entry) in (0_u32..).zip(entries) {
            let name = fold(&entry.agency.name);
            let code = fold(entry.agency.code.as_str());
            let aliases = entry.agency.aliases.iter();
            let aliases: Vec<String> = aliases.map(|alias| fold(&alias.text)).collect();
            own.clear();
            for text in [&code, &name].into_iter().chain(&aliases) {
                for word in runs(text) {
                    let known = numbers.get(word).copied();
                    own.push(known.unwrap_or_else(|| {
                        let number = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                        numbers.insert(word.into(), number);
                        number
                    }));
                }
            }
            own.sort_unstable();
            own.dedup();
            pairs.extend(own.iter().map(|word| (*word, id)));
            names.push((joined(&name), id));
        }
        names.sort_unstable();
        let (words, starts, having) = by_word(numbers, &pairs);
        let mut index = Self {
            words,
            starts,
            having,
            names: Strings::default(),
            named: Vec::with_capacity(names.len()),
            periods: entries.iter().map(|entry| period(&entry.agency)).collect(),
        };
        for (name, id) in names {
            index.names.push(&name);
            index.named.push(id);
        }
        index
    }

    /// Places of at most `limit` agencies that fit, best first: the code or an alias itself, what
    /// begins one, the name itself, what begins it, then whatever has all words; among equals those
    /// that exist at `at` before those that will and those that did, then by code. Without words
    /// everything fits. `entries` are those that the index was built from, `aliases` those with an
    /// alias that equals or begins with the question.
    pub(super) fn find(
        &self,
        written: &str,
        entries: &[Arc<AgencyEntry>],
        aliases: (impl Iterator<Item = u32>, impl Iterator<Item = u32>),
        limit: usize,
        at: Timestamp,
    ) -> Vec<usize> {
        let question = Question::of(written);
        let mut best = Best::new(self, limit, at);
        if question.words.is_empty() {
            // Nothing asked: everything. Something asked that has no letter: nothing.
            if written.trim().is_empty() {
                best.take(&Bits::full(entries.len()));
            }
            return best.found;
        }
        let Some(fitting) = self.fitting(&question.words) else {
            return best.found;
        };
        let bits = || Bits::empty(entries.len());
        let code = question.code.as_str();
        let codes = starting_with(
            entries.len(),
            |at| {
                entries
                    .get(at)
                    .map_or("", |entry| entry.agency.code.as_str())
            },
            code,
        );
        let itself = codes.clone().take(1).filter(|id| {
            entries
                .get(*id)
                .is_some_and(|entry| entry.agency.code.as_str() == code)
        });
        best.take(&bits().with(itself).with(wide(aliases.0)));
        best.take(&bits().with(codes).with(wide(aliases.1)));
        let named =
            |range: Range<usize>| wide(self.named.get(range).unwrap_or_default().iter().copied());
        best.take(&bits().with(named(self.names.equal_to(&question.name))));
        best.take(&bits().with(named(self.names.starting_with(&question.name))));
        best.take(&fitting);
        best.found
    }

    /// Who has a word that begins with each of these; `None` if nobody.
    fn fitting(&self, words: &[String]) -> Option<Bits> {
        let stretch = |word: &String| {
            let range = self.words.starting_with(word);
            let start = |at: usize| self.starts.get(at).copied().unwrap_or(self.having.len());
            self.having
                .get(start(range.start)..start(range.end))
                .unwrap_or_default()
        };
        let mut stretches: Vec<&[u32]> = words.iter().map(stretch).collect();
        stretches.sort_by_key(|list| list.len());
        let mut all: Option<Bits> = None;
        for list in stretches {
            if list.is_empty() {
                return None;
            }
            let these = Bits::empty(self.periods.len()).with(wide(list.iter().copied()));
            all = Some(match all {
                Some(all) => all.and(&these),
                None => these,
            });
        }
        all
    }
}

/// The alias through which an agency fits a question that its code and name alone do not fit.
#[must_use]
pub fn matched_alias<'a>(agency: &'a Agency, written: &str) -> Option<&'a Alias> {
    let (code, name) = (fold(agency.code.as_str()), fold(&agency.name));
    let has = |text: &str, word: &str| runs(text).any(|run| run.starts_with(word));
    let words = Question::of(written).words;
    let missing: Vec<&String> = words
        .iter()
        .filter(|word| !has(&code, word) && !has(&name, word))
        .collect();
    agency.aliases.iter().find(|alias| {
        let text = fold(&alias.text);
        missing.iter().any(|word| has(&text, word))
    })
}

/// What somebody typed, in the forms that are compared.
struct Question {
    /// As a code would be written.
    code: String,
    /// As a name is in the index.
    name: String,
    /// The words, none of which begins another.
    words: Vec<String>,
}

impl Question {
    fn of(written: &str) -> Self {
        let cut: String = written.trim().chars().take(QUESTION_CHARS_MAX).collect();
        let folded = fold(&cut);
        let mut words: Vec<String> = runs(&folded).map(str::to_owned).collect();
        words.sort_unstable();
        // In order, what begins another stands right before one that it begins.
        let begins: Vec<bool> = words
            .windows(2)
            .map(|pair| matches!(pair, [one, next] if next.starts_with(one.as_str())))
            .collect();
        let mut begins = begins.into_iter();
        words.retain(|_| !begins.next().unwrap_or(false));
        Self {
            code: cut.to_ascii_uppercase(),
            name: joined(&folded),
            words,
        }
    }
}

/// The answer while it is put together.
struct Best<'i> {
    index: &'i SearchIndex,
    limit: usize,
    at: Timestamp,
    taken: Bits,
    found: Vec<usize>,
}

impl<'i> Best<'i> {
    fn new(index: &'i SearchIndex, limit: usize, at: Timestamp) -> Self {
        Self {
            index,
            limit,
            at,
            taken: Bits::empty(index.periods.len()),
            found: Vec::new(),
        }
    }

    /// Takes those that are not there yet, until the limit.
    fn take(&mut self, these: &Bits) {
        let rest = these.without(&self.taken);
        for wanted in [AgencyState::Active, AgencyState::Future, AgencyState::Ended] {
            for id in rest.iter() {
                if self.found.len() >= self.limit {
                    return;
                }
                let period = self.index.periods.get(id);
                if period.is_some_and(|period| state(*period, self.at) == wanted) {
                    self.found.push(id);
                }
            }
        }
        self.taken = rest.or(&self.taken);
    }
}

fn period(agency: &Agency) -> (Timestamp, Timestamp) {
    let end = agency.valid_to;
    // The last instant that there is serves as never.
    (
        agency.valid_from,
        end.unwrap_or(Timestamp::from_unix_ms(i64::MAX)),
    )
}

fn state((from, to): (Timestamp, Timestamp), at: Timestamp) -> AgencyState {
    if to <= at {
        AgencyState::Ended
    } else if from > at {
        AgencyState::Future
    } else {
        AgencyState::Active
    }
}

/// Runs of letters and digits.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|run| !run.is_empty())
}

fn joined(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for run in runs(text) {
        if !all.is_empty() {
            all.push(' ');
        }
        all.push_str(run);
    }
    all
}

/// Words in order, and beside each who has it.
fn by_word(
    numbers: HashMap<Box<str>, u32>,
    pairs: &[(u32, u32)],
) -> (Strings, Vec<usize>, Vec<u32>) {
    let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let mut sorted: Vec<(Box<str>, u32)> = numbers.into_iter().collect();
    sorted.sort_unstable();
    let mut words = Strings::default();
    let mut rank = vec![0_usize; sorted.len()];
    for (at, (word, number)) in sorted.iter().enumerate() {
        words.push(word);
        if let Some(rank) = rank.get_mut(place(*number)) {
            *rank = at;
        }
    }
    let rank_of = |number: u32| rank.get(place(number)).copied().unwrap_or_default();
    // Counted first, so that each list has its place before it is filled.
    let mut starts = vec![0_usize; sorted.len() + 1];
    for (number, _) in pairs {
        if let Some(count) = starts.get_mut(rank_of(*number) + 1) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut next = starts.clone();
    let mut having = vec![0_u32; pairs.len()];
    for (number, id) in pairs {
        let Some(free) = next.get_mut(rank_of(*number)) else {
            continue;
        };
        if let Some(slot) = having.get_mut(*free) {
            *slot = *id;
        }
        *free += 1;
    }
    (words, starts, having)
}

fn wide(ids: impl Iterator<Item = u32>) -> impl Iterator<Item = usize> {
    ids.filter_map(|id| usize::try_from(id).ok())
}

/// A set of places.
#[derive(Debug)]
struct Bits(Vec<u64>);

impl Bits {
    fn empty(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    fn full(len: usize) -> Self {
        Self::empty(len).with(0..len)
    }

    fn with(mut self, places: impl Iterator<Item = usize>) -> Self {
        for place in places {
            if let Some(block) = self.0.get_mut(place / 64) {
                *block |= 1 << (place % 64);
            }
        }
        self
    }

    fn zip(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let pairs = self.0.iter().zip(&other.0);
        Self(pairs.map(|(one, other)| join(*one, *other)).collect())
    }

    fn and(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one & other)
    }

    fn or(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one | other)
    }

    fn without(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one & !other)
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(nth, block)| {
            let mut rest = *block;
            std::iter::from_fn(move || {
                let low = rest.trailing_zeros();
                // Clears the lowest bit; of none there is none left.
                rest &= rest.checked_sub(1)?;
                Some(nth * 64 + usize::try_from(low).ok()?)
            })
        })
    }
}

/// Characters of a question that are looked at: as many as a name has.
const QUESTION_CHARS_MAX: usize = limits::RECORD_TEXT_CHARS_MAX;

#[cfg(test)]
mod tests;
