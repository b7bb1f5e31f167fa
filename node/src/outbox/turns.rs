//! Who works on what now: one submission for an Idempotency-Key, one for a natural key.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use formats::id::AgencyCode;

/// Idempotency-Keys that are worked on now.
#[derive(Debug, Default)]
pub(crate) struct Running(Arc<Mutex<BTreeSet<(AgencyCode, String)>>>);

/// Ends with the request.
#[derive(Debug)]
pub(crate) struct RunningKey {
    all: Arc<Mutex<BTreeSet<(AgencyCode, String)>>>,
    key: (AgencyCode, String),
}

impl Running {
    pub(super) fn begin(&self, agency: &AgencyCode, key: &str) -> Option<RunningKey> {
        let key = (agency.clone(), key.to_owned());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(key.clone()).then(|| RunningKey {
            all: Arc::clone(&self.0),
            key,
        })
    }
}

impl Drop for RunningKey {
    fn drop(&mut self) {
        self.all
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

/// One at a time for the same natural key: a fixed number of turns, chosen by hash.
#[derive(Debug)]
pub(crate) struct Turns(Vec<tokio::sync::Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| tokio::sync::Mutex::default()).collect())
    }
}

impl Turns {
    pub(super) async fn turn(
        &self,
        agency: &AgencyCode,
        natural: &str,
    ) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (agency, natural).hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % TURNS).unwrap_or(0);
        match self.0.get(at) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }
}

/// Enough that two documents rarely wait for each other.
const TURNS: u64 = 1024;
