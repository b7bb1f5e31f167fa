//! Agencies: everything that the registry says, by code, by alias at a time and by words.
//!
//! Immutable; built from the bundles that hold and shared by all snapshots between which no bundle
//! changed. Must not know who signed a bundle, files, stations.

use std::fmt::Write as _;
use std::sync::Arc;

use formats::id::{AgencyCode, Digest};
use formats::limits;
use formats::record::{self, AgencyState};
use formats::text;
use formats::time::Timestamp;

use super::folder::{Claim, Refused};
use super::search::SearchIndex;
use super::strings::Strings;

/// An agency of the directory.
#[derive(Clone, Debug)]
pub struct AgencyEntry {
    /// What the registry says.
    pub agency: record::Agency,
    /// The signed bundle that says it.
    pub signed: Arc<[u8]>,
}

/// All agencies.
#[derive(Debug)]
pub(super) struct AgencyTable {
    /// Of the bundles that it was built from.
    digest: Digest,
    /// By code, each once.
    entries: Vec<Arc<AgencyEntry>>,
    aliases: AliasTable,
    index: SearchIndex,
    refused: Vec<Refused>,
}

impl AgencyTable {
    /// The table of these bundles, lowest number first; the last one again if nothing changed.
    pub(super) fn of(bundles: &[Arc<Claim>], last: Option<&Arc<Self>>) -> Arc<Self> {
        let digests: Vec<u8> = bundles
            .iter()
            .flat_map(|claim| *claim.digest.as_bytes())
            .collect();
        let digest = Digest::of(&digests);
        match last.filter(|last| last.digest == digest) {
            Some(last) => Arc::clone(last),
            None => Arc::new(Self::build(bundles, digest)),
        }
    }

    fn build(bundles: &[Arc<Claim>], digest: Digest) -> Self {
        let mut all: Vec<(&Arc<AgencyEntry>, usize)> = Vec::new();
        for (bundle, claim) in bundles.iter().enumerate() {
            all.extend(claim.agencies.iter().map(|entry| (entry, bundle)));
        }
        all.sort_by(|(one, at), (other, there)| {
            (&one.agency.code, at).cmp(&(&other.agency.code, there))
        });
        // Indices are of 32 bits; no directory comes near.
        all.truncate(usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        let mut again: Vec<Vec<&AgencyCode>> = vec![Vec::new(); bundles.len()];
        let mut entries: Vec<Arc<AgencyEntry>> = Vec::with_capacity(all.len());
        for (entry, bundle) in all {
            match entries.last() {
                Some(first) if first.agency.code == entry.agency.code => {
                    if let Some(list) = again.get_mut(bundle) {
                        list.push(&entry.agency.code);
                    }
                }
                _ => entries.push(Arc::clone(entry)),
            }
        }
        let doubles = bundles
            .iter()
            .zip(again)
            .filter(|(_, list)| !list.is_empty());
        let refused = doubles.map(|(claim, codes)| Refused {
            file: claim.file.clone(),
            reason: in_a_lower_bundle(&codes),
        });
        Self {
            digest,
            refused: refused.collect(),
            aliases: AliasTable::build(&entries),
            index: SearchIndex::build(&entries),
            entries,
        }
    }

    /// Entries that were left out because a lower bundle has their code.
    pub(super) fn refused(&self) -> &[Refused] {
        &self.refused
    }

    pub(super) fn all(&self) -> &[Arc<AgencyEntry>] {
        &self.entries
    }

    pub(super) fn by_code(&self, code: &AgencyCode) -> Option<&Arc<AgencyEntry>> {
        let at = self
            .entries
            .binary_search_by(|entry| entry.agency.code.cmp(code));
        self.entries.get(at.ok()?)
    }

    /// Whom a written code or name means at a time, successors followed (SPEC 8).
    pub(super) fn resolve(&self, written: &str, at: Timestamp) -> Option<&Arc<AgencyEntry>> {
        let written = written.trim();
        let by_code = AgencyCode::parse(&written.to_ascii_uppercase())
            .ok()
            .and_then(|code| self.by_code(&code));
        let mut entry = by_code.or_else(|| self.by_alias(written, at))?;
        for _ in 0..=limits::SUCCESSORS_MAX {
            let over = entry.agency.state_at(at) == AgencyState::Ended;
            match entry.agency.successor.as_ref().filter(|_| over) {
                Some(next) => entry = self.by_code(next)?,
                None => return Some(entry),
            }
        }
        None
    }

    /// The one agency of which this alias holds then; nobody's if two claim it.
    fn by_alias(&self, written: &str, at: Timestamp) -> Option<&Arc<AgencyEntry>> {
        let range = self.aliases.keys.equal_to(&text::alias_key(written));
        let mut found: Option<(u32, &Arc<AgencyEntry>)> = None;
        for (id, nth) in self.aliases.of.get(range)? {
            let entry = self.entries.get(usize::try_from(*id).ok()?)?;
            let alias = entry.agency.aliases.get(usize::from(*nth));
            if !alias.is_some_and(|alias| alias.holds_at(at)) {
                continue;
            }
            match found {
                Some((other, _)) if other != *id => return None,
                _ => found = Some((*id, entry)),
            }
        }
        found.map(|(_, entry)| entry)
    }

    /// See [`SearchIndex::find`].
    pub(super) fn search(
        &self,
        written: &str,
        limit: usize,
        at: Timestamp,
    ) -> Vec<Arc<AgencyEntry>> {
        let key = text::alias_key(written);
        let alias_ids = |range| {
            let rows: &[(u32, u16)] = self.aliases.of.get(range).unwrap_or_default();
            rows.iter().map(|(id, _)| *id)
        };
        let equal = alias_ids(self.aliases.keys.equal_to(&key));
        let starting = alias_ids(self.aliases.keys.starting_with(&key));
        let ids = self
            .index
            .find(written, &self.entries, (equal, starting), limit, at);
        ids.into_iter()
            .filter_map(|id| self.entries.get(id).cloned())
            .collect()
    }
}

fn in_a_lower_bundle(codes: &[&AgencyCode]) -> String {
    let mut text = format!("{} agencies stand in a lower bundle already:", codes.len());
    for code in codes.iter().take(NAMED_MAX) {
        // Writing into a text cannot fail.
        let _written = write!(text, " {code}");
    }
    text
}

/// Which agency has which alias: keys (see [`text::alias_key`]) in order, beside each the number of
/// the agency and the place in its list.
#[derive(Debug, Default)]
struct AliasTable {
    keys: Strings,
    of: Vec<(u32, u16)>,
}

impl AliasTable {
    fn build(entries: &[Arc<AgencyEntry>]) -> Self {
        let mut rows: Vec<(String, u32, u16)> = Vec::new();
        for (id, entry) in (0_u32..).zip(entries) {
            for (nth, alias) in (0_u16..).zip(&entry.agency.aliases) {
                rows.push((text::alias_key(&alias.text), id, nth));
            }
        }
        rows.sort_unstable();
        let mut table = Self::default();
        for (key, id, nth) in rows {
            table.keys.push(&key);
            table.of.push((id, nth));
        }
        table
    }
}

/// Codes that one report names.
const NAMED_MAX: usize = 5;

#[cfg(test)]
pub(in crate::directory) mod tests;
