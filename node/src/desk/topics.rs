//! Who waits for what: a change wakes the requests that wait for this document or this agency's inbox, and
//! nobody else. With one signal for everything, 256 waiting requests would each look at each change.
//!
//! A topic is a slot chosen by hash, so the memory is fixed and nothing is registered or forgotten. Two
//! things in one slot wake each other's waiters, who look and wait on. Signals are a shortcut only: a
//! waiter that hears nothing looks by itself after a while (`door::wait`).

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::watch;

use formats::id::{AgencyCode, EnvelopeId};

/// Something that requests wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic(usize);

impl Topic {
    /// The recipients' states of a sent document.
    #[must_use]
    pub fn document(id: EnvelopeId) -> Self {
        Self::of(&("document", id.as_bytes()))
    }

    /// New items of an agency's inbox.
    #[must_use]
    pub fn inbox(agency: &AgencyCode) -> Self {
        Self::of(&("inbox", agency.as_str()))
    }

    fn of(what: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        Self(usize::try_from(hasher.finish() % SLOTS).unwrap_or(0))
    }
}

/// The signals of a desk.
#[derive(Debug)]
pub(crate) struct Topics(Vec<watch::Sender<u64>>);

impl Default for Topics {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| watch::Sender::new(0)).collect())
    }
}

impl Topics {
    /// Wakes whoever waits for it.
    pub(crate) fn changed(&self, topic: Topic) {
        if let Some(slot) = self.0.get(topic.0) {
            slot.send_modify(|version| *version += 1);
        }
    }

    /// Grows with each change.
    pub(crate) fn version(&self, topic: Topic) -> u64 {
        self.0.get(topic.0).map_or(0, |slot| *slot.borrow())
    }

    /// Hears of changes from now on.
    pub(crate) fn listen(&self, topic: Topic) -> watch::Receiver<u64> {
        // The slot is always there: a topic is made by the hash above only.
        self.0.get(topic.0).map_or_else(
            || watch::Sender::new(0).subscribe(),
            watch::Sender::subscribe,
        )
    }
}

/// Enough that 256 waiters rarely share one; about 100 KiB.
const SLOTS: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn agency(code: &str) -> AgencyCode {
        AgencyCode::parse(code).unwrap()
    }

    #[test]
    fn a_change_wakes_its_own_waiters_only() {
        let topics = Topics::default();
        let one = Topic::inbox(&agency("H01.36.04"));
        let other = Topic::inbox(&agency("H01.36.05"));
        assert_ne!(one, other, "choose other codes: these share a slot");
        let (mut mine, theirs) = (topics.listen(one), topics.listen(other));
        topics.changed(one);
        assert!(mine.has_changed().unwrap());
        assert!(!theirs.has_changed().unwrap());
        mine.mark_unchanged();
        topics.changed(other);
        assert!(!mine.has_changed().unwrap());
        assert!(theirs.has_changed().unwrap());
    }

    #[test]
    fn an_inbox_and_a_document_are_different_things() {
        let spread: std::collections::HashSet<usize> = (0..200_u8)
            .map(|n| {
                Topic::document(EnvelopeId::new(
                    formats::time::Timestamp::from_unix_ms(i64::from(n)),
                    &[n; 10],
                ))
            })
            .map(|topic| topic.0)
            .collect();
        assert!(
            spread.len() > 150,
            "{} slots of 200 documents",
            spread.len()
        );
    }
}
