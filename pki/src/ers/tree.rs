//! Hash trees of RFC 4998 section 4: grouping, sorting, joining, and reducing a tree to what one group needs.
//!
//! Owns: the one rule of joining ([`join`]) and trees of two branches over it. Fails with nothing; an empty tree has
//! no root. Must not know what the values are digests of.

use super::hash::Hash;

/// A digest value.
pub(super) type Value = Vec<u8>;

/// The value that a list stands for: one value for itself, several sorted in binary ascending order, joined and
/// hashed (RFC 4998 section 4.2).
pub(super) fn join(hash: Hash, mut list: Vec<Value>) -> Option<Value> {
    list.sort_unstable();
    match list.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        all => {
            let parts: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
            Some(hash.of(&parts))
        }
    }
}

/// The root that a reduced tree leads to: the value of each list joins the next (section 4.3, step 2).
pub(super) fn root(hash: Hash, lists: &[Vec<Value>]) -> Option<Value> {
    let (first, rest) = lists.split_first()?;
    let mut value = join(hash, first.clone())?;
    for list in rest {
        let mut list = list.clone();
        if list.is_empty() {
            return None;
        }
        list.push(value);
        value = join(hash, list)?;
    }
    Some(value)
}

/// A tree over groups of values.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    hash: Hash,
    /// Leaves first, the root alone last.
    levels: Vec<Vec<Value>>,
}

impl Tree {
    /// Leaves are the values of the groups, sorted, equal ones once. `None` without groups, or with an empty one.
    pub(super) fn over(hash: Hash, groups: &[Vec<Value>]) -> Option<Self> {
        let mut leaves = groups
            .iter()
            .map(|group| join(hash, unique(group)))
            .collect::<Option<Vec<Value>>>()?;
        leaves.sort_unstable();
        leaves.dedup();
        let mut levels = Vec::new();
        let mut level = leaves;
        while level.len() > 1 {
            let above = level
                .chunks(2)
                .filter_map(|pair| join(hash, pair.to_vec()))
                .collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        if level.is_empty() {
            return None;
        }
        levels.push(level);
        Some(Self { hash, levels })
    }

    /// What is to be stamped.
    pub(super) fn root(&self) -> &[u8] {
        let top = self.levels.last().and_then(|level| level.first());
        top.map(Vec::as_slice).unwrap_or_default()
    }

    /// The lists that lead from a group to the root: its own values, then one sibling a level. `None` for a group
    /// that the tree is not over.
    pub(super) fn reduced(&self, group: &[Value]) -> Option<Vec<Vec<Value>>> {
        let mut first = unique(group);
        first.sort_unstable();
        let leaf = join(self.hash, first.clone())?;
        let mut index = self.levels.first()?.binary_search(&leaf).ok()?;
        let mut lists = vec![first];
        for level in &self.levels {
            let sibling = if index.is_multiple_of(2) {
                index.checked_add(1)
            } else {
                index.checked_sub(1)
            };
            // The last of an odd level goes up alone; so does the root.
            if let Some(value) = sibling.and_then(|at| level.get(at)) {
                lists.push(vec![value.clone()]);
            }
            index /= 2;
        }
        Some(lists)
    }
}

/// Equal objects have one value, and it stands once.
fn unique(group: &[Value]) -> Vec<Value> {
    let mut group = group.to_vec();
    group.sort_unstable();
    group.dedup();
    group
}
