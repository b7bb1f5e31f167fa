//! Envelopes that the writer knows without asking the database: it is the only one that changes them.
//! Owns a bounded cache; forgetting all of it is always right.

use std::collections::HashMap;

use formats::id::{EnvelopeId, Party};

use crate::store::leg::{EnvelopeKey, LegId};
use crate::store::rows::{self, EnvelopeEntry, LegRow};

/// Legs kept in memory at most; more than that and the memory starts anew.
const REMEMBERED_LEGS_MAX: usize = 20_000;

/// Envelopes that the writer knows without asking the database: it is the only one that changes them.
#[derive(Debug, Default)]
pub(super) struct Memory {
    entries: HashMap<EnvelopeKey, EnvelopeEntry>,
    by_name: HashMap<(Party, EnvelopeId), EnvelopeKey>,
    by_leg: HashMap<LegId, EnvelopeKey>,
}

impl Memory {
    pub(super) fn insert(&mut self, entry: EnvelopeEntry) {
        self.by_name.insert(rows::name(&entry.header), entry.key);
        for leg in entry.legs.keys() {
            self.by_leg.insert(*leg, entry.key);
        }
        self.entries.insert(entry.key, entry);
    }

    pub(super) fn knows_name(&self, name: &(Party, EnvelopeId)) -> bool {
        self.by_name.contains_key(name)
    }

    pub(super) fn knows_leg(&self, leg: LegId) -> bool {
        self.by_leg.contains_key(&leg)
    }

    pub(super) fn knows(&self, key: EnvelopeKey) -> bool {
        self.entries.contains_key(&key)
    }

    pub(super) fn leg(&self, leg: LegId) -> Option<(&EnvelopeEntry, &LegRow)> {
        let entry = self.entries.get(self.by_leg.get(&leg)?)?;
        Some((entry, entry.legs.get(&leg)?))
    }

    /// Forgets everything: after a rollback, and when it has grown too large.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn clear_if_large(&mut self) {
        if self.by_leg.len() > REMEMBERED_LEGS_MAX {
            self.clear();
        }
    }

    pub(super) fn remove(&mut self, key: EnvelopeKey) {
        if let Some(entry) = self.entries.remove(&key) {
            self.by_name.remove(&rows::name(&entry.header));
            for leg in entry.legs.keys() {
                self.by_leg.remove(leg);
            }
        }
    }

    pub(super) fn key_of(&self, name: &(Party, EnvelopeId)) -> Option<EnvelopeKey> {
        self.by_name.get(name).copied()
    }

    pub(super) fn entry(&self, key: EnvelopeKey) -> Option<&EnvelopeEntry> {
        self.entries.get(&key)
    }

    pub(super) fn entry_mut(&mut self, key: EnvelopeKey) -> Option<&mut EnvelopeEntry> {
        self.entries.get_mut(&key)
    }

    /// Takes an entry out to be changed; it comes back by [`Self::insert`] if it has new legs, else by
    /// [`Self::put_back`], which leaves the indexes alone.
    pub(super) fn take(&mut self, key: EnvelopeKey) -> Option<EnvelopeEntry> {
        self.entries.remove(&key)
    }

    pub(super) fn put_back(&mut self, entry: EnvelopeEntry) {
        self.entries.insert(entry.key, entry);
    }
}
