//! Merkle tree hashing and its proofs (RFC 6962 section 2.1, RFC 9162 section 2.1.3 for checking).
//!
//! Owns the hash rule that bodies and logs share. Verification takes untrusted numbers and paths
//! and answers yes or no; it never panics and does at most 64 steps. Proof construction is over
//! hashes in memory; large trees are kept as [`tiles`], named over HTTP by [`layout`]; storage belongs to whoever has the log.

pub mod layout;
pub mod tiles;

use sha2::{Digest as _, Sha256};

use crate::id::Digest;

const LEAF_PREFIX: [u8; 1] = [0];
const NODE_PREFIX: [u8; 1] = [1];

/// Hash of a leaf: SHA-256(0x00 ‖ data).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Digest {
    let mut hasher = LeafHasher::new();
    hasher.update(data);
    hasher.finish()
}

/// Hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(NODE_PREFIX);
    hasher.update(left.as_bytes());
    hasher.update(right.as_bytes());
    Digest::from_bytes(hasher.finalize().into())
}

/// [`leaf_hash`] of data that comes in parts.
#[derive(Debug, Clone)]
pub struct LeafHasher(Sha256);

impl Default for LeafHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl LeafHasher {
    /// No data yet.
    #[must_use]
    pub fn new() -> Self {
        let mut hasher = Sha256::new();
        hasher.update(LEAF_PREFIX);
        Self(hasher)
    }

    /// Appends data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The leaf hash of all data given.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

/// Root of the tree with these leaf hashes; of no leaves the hash of the empty string.
#[must_use]
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [only] => *only,
        _ => {
            let (left, right) = split(leaves);
            node_hash(&root(left), &root(right))
        }
    }
}

/// Splits two or more leaves after the largest power of two below their number.
fn split(leaves: &[Digest]) -> (&[Digest], &[Digest]) {
    let half = leaves.len().div_ceil(2).next_power_of_two();
    leaves.split_at_checked(half).unwrap_or((leaves, &[]))
}

/// Path that proves leaf `index` in the tree of `leaves`; `None` if there is no such leaf.
#[must_use]
pub fn inclusion_path(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    let (mut leaves, mut index) = (leaves, index);
    while leaves.len() > 1 {
        let (left, right) = split(leaves);
        if index < left.len() {
            path.push(root(right));
            leaves = left;
        } else {
            path.push(root(left));
            index -= left.len();
            leaves = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Path that proves that the tree of the first `old` leaves is a prefix of the tree of `leaves`;
/// empty when the trees are equal or `old` is 0, `None` if `old` is larger.
#[must_use]
pub fn consistency_path(leaves: &[Digest], old: usize) -> Option<Vec<Digest>> {
    if old > leaves.len() {
        return None;
    }
    if old == 0 {
        return Some(Vec::new());
    }
    // RFC 6962 section 2.1.2, SUBPROOF; `known` says that the verifier has the subtree's root.
    let (mut leaves, mut old, mut known) = (leaves, old, true);
    let mut path = Vec::new();
    while old != leaves.len() {
        let (left, right) = split(leaves);
        if old <= left.len() {
            path.push(root(right));
            leaves = left;
        } else {
            path.push(root(left));
            old -= left.len();
            leaves = right;
            known = false;
        }
    }
    if !known {
        path.push(root(leaves));
    }
    path.reverse();
    Some(path)
}

/// Whether `path` proves that `leaf` is number `index` of the tree of `size` leaves with `root`
/// (RFC 9162 section 2.1.3.2).
#[must_use]
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    path: &[Digest],
    root: &Digest,
) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `path` proves that the tree (`size1`, `root1`) is a prefix of (`size2`, `root2`)
/// (RFC 9162 section 2.1.4.2). Everything is consistent with the empty tree, by an empty path.
#[must_use]
pub fn verify_consistency(
    size1: u64,
    size2: u64,
    root1: &Digest,
    root2: &Digest,
    path: &[Digest],
) -> bool {
    if size1 > size2 {
        return false;
    }
    if size1 == size2 {
        return path.is_empty() && root1 == root2;
    }
    if size1 == 0 {
        return path.is_empty() && *root1 == Digest::of(&[]);
    }
    let (mut node, mut last) = (size1 - 1, size2 - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    // A first tree that is one full subtree is itself the start and is not in the path.
    let (start, rest) = if size1.is_power_of_two() {
        (root1, path)
    } else {
        match path.split_first() {
            Some(parts) => parts,
            None => return false,
        }
    };
    let (mut hash1, mut hash2) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash1 = node_hash(sibling, &hash1);
            hash2 = node_hash(sibling, &hash2);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash2 = node_hash(&hash2, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash1 == *root1 && hash2 == *root2
}

/// The peaks of a growing tree: enough to take leaves and to say the root, in as many hashes as the
/// size has bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the perfect subtrees from the left, largest first.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next leaf's hash.
    pub fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        let mut bits = self.size;
        while bits & 1 == 1 {
            // A set bit is a peak of that height.
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
            bits >>= 1;
        }
        self.peaks.push(node);
        self.size = self.size.saturating_add(1);
    }

    /// The root over all leaves so far (RFC 6962 section 2.1).
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return Digest::of(b"");
        };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// One line: size and peaks.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.size.to_string();
        for peak in &self.peaks {
            text.push(' ');
            text += &peak.to_string();
        }
        text
    }

    /// Reads the line again; nothing when it is not one.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let size: u64 = words.next()?.parse().ok()?;
        let peaks = words
            .map(|word| word.parse().ok())
            .collect::<Option<Vec<_>>>()?;
        let wanted = usize::try_from(size.count_ones()).ok()?;
        (peaks.len() == wanted).then_some(Self { size, peaks })
    }
}

#[cfg(test)]
mod tests;
