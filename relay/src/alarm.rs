//! Alarms: what must be mended before something stops, each with a code, since when, until when and the
//! remedy. One place for all of them: operators' views, metrics, log, commands and the clerk's page read
//! the same [`Board`].
//!
//! Owns: the list of what an alarm can be ([`Code`], its texts in [`policy`]), the windows ([`window`]), what is up
//! now. An alarm is said once when it rises, once when its window ends, once when it is over. Raised by
//! [`watch`] from what it finds; nothing is decided by an alarm: what stops is decided where it stops, by
//! the same data. Must not know: links, the store.

pub mod policy;
pub(crate) mod watch;
pub mod window;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use formats::time::Timestamp;
use pki::clock::Reading;
use serde_json::{Value, json};

pub use policy::Code;
pub use window::{Level, Window};

/// Something that was found wrong now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What.
    pub code: Code,
    /// Of whom: a certification authority, a station, an agency.
    pub subject: String,
    /// How bad.
    pub level: Level,
    /// When what rests on it stops, or stopped; `None` if no time can be named.
    pub until: Option<Timestamp>,
    /// This time, in words for the operator.
    pub detail: Option<String>,
}

/// An alarm that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What, of whom, how bad, until when.
    pub found: Found,
    /// Since when it is up.
    pub since: Timestamp,
}

impl Alarm {
    /// What is wrong, in Vietnamese.
    #[must_use]
    pub fn vi(&self) -> String {
        self.fill(self.found.code.row().message.0)
    }

    /// What is wrong, in English.
    #[must_use]
    pub fn en(&self) -> String {
        self.fill(self.found.code.row().message.1)
    }

    /// What to do, in Vietnamese.
    #[must_use]
    pub fn remedy_vi(&self) -> String {
        self.fill(self.found.code.row().remedy.0)
    }

    /// What to do, in English.
    #[must_use]
    pub fn remedy_en(&self) -> String {
        self.fill(self.found.code.row().remedy.1)
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{subject}", &self.found.subject)
    }

    /// As operators' tools read it.
    #[must_use]
    pub fn json(&self) -> Value {
        let found = &self.found;
        json!({
            "code": found.code.number(),
            "name": found.code.name(),
            "level": found.level.code(),
            "subject": found.subject,
            "since": self.since.rfc3339(),
            "until": found.until.map(Timestamp::rfc3339),
            "detail": found.detail,
            "vi": self.vi(),
            "en": self.en(),
            "remedy": { "vi": self.remedy_vi(), "en": self.remedy_en() },
        })
    }
}

impl Found {
    /// The alarm as of now: for those who refuse because of it before anybody looked.
    #[must_use]
    pub fn now(self, now: Timestamp) -> Alarm {
        Alarm {
            since: self.until.unwrap_or(now).min(now),
            found: self,
        }
    }
}

/// What is news after a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It is over.
    Cleared(Alarm),
    /// It rose, or its window ended.
    Raised(Alarm),
}

/// The alarms that are up.
#[derive(Debug, Default)]
pub(crate) struct Board {
    up: Mutex<BTreeMap<(Code, String), Alarm>>,
}

impl Board {
    /// Takes over what was found now and says what is news.
    pub(crate) fn update(&self, found: Vec<Found>, now: Timestamp) -> Vec<News> {
        let mut up = self.up.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = std::mem::take(&mut *up);
        let mut news = Vec::new();
        for found in found.into_iter().take(ALARMS_MAX) {
            let key = (found.code, found.subject.clone());
            let known = last.remove(&key);
            let rises = known
                .as_ref()
                .is_none_or(|known| known.found.level < found.level);
            let since = known.map_or(now, |known| known.since);
            let alarm = Alarm { found, since };
            if rises {
                news.push(News::Raised(alarm.clone()));
            }
            up.insert(key, alarm);
        }
        news.extend(last.into_values().map(News::Cleared));
        news
    }

    /// What is up, the worst first, then by code and subject.
    pub(crate) fn all(&self) -> Vec<Alarm> {
        let up = self.up.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Alarm> = up.values().cloned().collect();
        all.sort_by_key(|alarm| std::cmp::Reverse(alarm.found.level));
        all
    }
}

/// When somebody was last heard of, on the monotonic clock. Nobody is missed before he was expected.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    /// Milliseconds of the monotonic clock; below zero: before it began.
    heard_ms: Mutex<Option<i64>>,
}

impl Contact {
    /// From now on he should be heard of; the first call counts.
    pub(crate) fn expect(&self, now: Reading) {
        let mut heard = self.lock();
        heard.get_or_insert(monotonic_ms(now));
    }

    /// He was heard of at `at`, by the wall clock.
    pub(crate) fn hear(&self, now: Reading, at: Timestamp) {
        let age = now.wall.minus(at).max(0);
        let heard_ms = monotonic_ms(now).saturating_sub(age);
        let mut heard = self.lock();
        // An older word does not take back a newer one; nor does a clock that was set.
        *heard = Some(heard.map_or(heard_ms, |known| known.max(heard_ms)));
    }

    /// For how long he was not, milliseconds; `None`: nobody expects him.
    pub(crate) fn silent_ms(&self, now: Reading) -> Option<i64> {
        self.lock()
            .map(|heard| monotonic_ms(now).saturating_sub(heard))
    }

    fn lock(&self) -> MutexGuard<'_, Option<i64>> {
        self.heard_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn monotonic_ms(now: Reading) -> i64 {
    i64::try_from(now.monotonic.as_millis()).unwrap_or(i64::MAX)
}

/// Alarms that are kept at once: a network with more authorities than this has all of them stale for one
/// reason.
const ALARMS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    fn found(subject: &str, level: Level) -> Found {
        Found {
            code: Code::Revocation,
            subject: subject.to_owned(),
            level,
            until: Some(at(100)),
            detail: None,
        }
    }

    #[test]
    fn an_alarm_is_news_when_it_rises_when_its_window_ends_and_when_it_is_over() {
        let board = Board::default();
        let raised = |news: Vec<News>| -> Vec<(i64, Level)> {
            news.into_iter()
                .map(|news| match news {
                    News::Raised(alarm) => (alarm.since.unix_ms(), alarm.found.level),
                    News::Cleared(alarm) => (-alarm.since.unix_ms(), alarm.found.level),
                })
                .collect()
        };
        let one = |level| vec![found("CN=CA", level)];
        let look = |found, ms| raised(board.update(found, at(ms)));
        assert_eq!(look(one(Level::Warning), 5), [(5, Level::Warning)]);
        assert_eq!(look(one(Level::Warning), 6), []);
        assert_eq!(look(one(Level::Stopped), 7), [(5, Level::Stopped)]);
        // Better, but not over: nothing to say.
        assert_eq!(look(one(Level::Warning), 8), []);
        assert_eq!(look(vec![], 9), [(-5, Level::Warning)]);
        assert_eq!(look(one(Level::Warning), 10), [(10, Level::Warning)]);
    }

    #[test]
    fn what_stopped_stands_first_and_the_remedy_names_its_subject() {
        let board = Board::default();
        let both = vec![found("CN=B", Level::Warning), found("CN=C", Level::Stopped)];
        board.update(both, at(1));
        let all = board.all();
        let levels: Vec<Level> = all.iter().map(|alarm| alarm.found.level).collect();
        assert_eq!(levels, [Level::Stopped, Level::Warning]);
        let text = all[0].json().to_string();
        assert!(text.contains("TRAM-350") && text.contains("CN=C"), "{text}");
        assert!(!text.contains("{subject}"), "{text}");
    }

    #[test]
    fn silence_counts_from_the_last_word_and_only_of_those_who_are_expected() {
        let contact = Contact::default();
        let reading = |ms: i64| Reading {
            wall: at(1_000_000 + ms),
            monotonic: Duration::from_millis(u64::try_from(ms).unwrap()),
        };
        assert_eq!(contact.silent_ms(reading(9)), None);
        contact.expect(reading(10));
        contact.expect(reading(20));
        assert_eq!(contact.silent_ms(reading(30)), Some(20));
        contact.hear(reading(25), at(1_000_025));
        contact.hear(reading(26), at(1_000_003));
        assert_eq!(contact.silent_ms(reading(30)), Some(5));
        // Last heard of before this process began.
        let before = Contact::default();
        before.hear(reading(1), at(1_000_000 - 99));
        assert_eq!(before.silent_ms(reading(1)), Some(100));
    }
}
