//! Facts: log once per fact. A broken neighbour is dialled every half minute for days; its error is
//! one fact, said once, and once more when it changed or came back after a good time.
//!
//! Bounded; a full memory forgets everything, so at worst a fact is said again. Must not know what
//! is said.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// What has been said.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    said: Mutex<HashSet<String>>,
}

impl Facts {
    /// True the first time; say it then.
    pub(crate) fn first(&self, fact: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.contains(fact) {
            return false;
        }
        if said.len() >= FACTS_MAX {
            said.clear();
        }
        said.insert(fact.to_owned())
    }

    /// Things under this prefix are well again: the next such fact is news.
    pub(crate) fn over(&self, prefix: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|fact| !fact.starts_with(prefix));
    }
}

/// Facts remembered.
const FACTS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_news_once_and_again_after_it_was_over() {
        let facts = Facts::default();
        assert!(facts.first("link a: refused"));
        assert!(!facts.first("link a: refused"));
        assert!(facts.first("link b: refused"));
        facts.over("link a");
        assert!(facts.first("link a: refused"));
        assert!(!facts.first("link b: refused"));
    }
}
