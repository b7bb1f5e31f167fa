//! A log's Merkle tree (RFC 6962 hashing) as tiles of 256 hashes, in the layout of C2SP tlog-tiles:
//! tile (0, i) holds leaf hashes 256·i…, tile (l+1, i) the roots of the full tiles of level l. Full
//! tiles never change, so only they are stored; the unfilled ones (the edge, one per level) are in
//! memory and are rebuilt from the leaves at a start.
//!
//! Pure: no SQL, no clock. Proofs ask for the tiles they need, so that whoever has them (memory or
//! database) can give them. Fails by `None` when a tile is missing or a number is outside the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::Digest;
use crate::merkle;

/// Hashes in a full tile.
pub const TILE_WIDTH: usize = 256;

/// Levels of the tree that one tile spans.
const TILE_HEIGHT: u32 = 8;

/// Names a tile: its level and its number in the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 = leaf hashes.
    pub level: u32,
    /// Counted from 0.
    pub index: u64,
}

/// A tile with the inner nodes that follow from it: row 0 are its hashes, row r the roots of pairs of
/// row r-1. Kept expanded because a proof takes one node of each row.
#[derive(Debug, Clone, Default)]
pub struct Tile {
    rows: [Vec<Digest>; 9],
}

impl Tile {
    /// From its hashes; more than 256 are not a tile.
    #[must_use]
    pub fn from_hashes(hashes: &[Digest]) -> Option<Self> {
        if hashes.len() > TILE_WIDTH {
            return None;
        }
        let mut tile = Self::default();
        for hash in hashes {
            tile.push(*hash);
        }
        Some(tile)
    }

    /// From 32 bytes a hash.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return None;
        }
        let hashes: Vec<Digest> = hashes
            .iter()
            .map(|hash| Digest::from_bytes(*hash))
            .collect();
        Self::from_hashes(&hashes)
    }

    /// Its hashes, as they are stored and served.
    #[must_use]
    pub fn hashes(&self) -> &[Digest] {
        &self.rows[0]
    }

    /// 32 bytes a hash.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes()
            .iter()
            .flat_map(|hash| *hash.as_bytes())
            .collect()
    }

    /// The root, once the tile is full.
    #[must_use]
    pub fn root(&self) -> Option<Digest> {
        self.rows[8].first().copied()
    }

    fn push(&mut self, hash: Digest) {
        let mut carried = Some(hash);
        for row in &mut self.rows {
            let Some(hash) = carried else { return };
            row.push(hash);
            carried = match row.as_slice() {
                [.., left, right] if row.len().is_multiple_of(2) => {
                    Some(merkle::node_hash(left, right))
                }
                _ => None,
            };
        }
    }

    fn node(&self, row: u32, index: u64) -> Option<Digest> {
        let row = self.rows.get(usize::try_from(row).ok()?)?;
        row.get(usize::try_from(index).ok()?).copied()
    }
}

/// The unfilled tiles of a tree of a given size: enough, with the stored full tiles, for any proof.
#[derive(Debug, Clone)]
pub struct Edge {
    size: u64,
    tiles: Arc<Vec<Vec<Digest>>>,
}

impl Edge {
    /// The tile if it is one of the unfilled ones.
    #[must_use]
    pub fn tile(&self, id: TileId) -> Option<Tile> {
        if edge_index(self.size, id.level) != Some(id.index) {
            return None;
        }
        let level = usize::try_from(id.level).ok()?;
        self.tiles
            .get(level)
            .and_then(|hashes| Tile::from_hashes(hashes))
    }
}

/// The growing tree: its size, its edge and the tiles that became full since they were taken last.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    size: u64,
    edge: Vec<Tile>,
    full: Vec<(TileId, Tile)>,
}

impl Tree {
    /// Without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As it was at `size`, from the hashes of its unfilled tiles, level 0 first. `None` if their
    /// lengths do not belong to this size.
    #[must_use]
    pub fn from_edge(size: u64, edge: &[Vec<Digest>]) -> Option<Self> {
        let tiles = edge
            .iter()
            .map(|hashes| Tile::from_hashes(hashes))
            .collect::<Option<Vec<_>>>()?;
        let lengths = edge_lengths(size);
        let given: Vec<usize> = edge.iter().map(Vec::len).collect();
        (lengths == given).then_some(Self {
            size,
            edge: tiles,
            full: Vec::new(),
        })
    }

    /// How many leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash.
    pub fn append(&mut self, leaf: Digest) {
        let mut carried = leaf;
        let mut level = 0;
        loop {
            if self.edge.len() <= level {
                self.edge.push(Tile::default());
            }
            let Some(tile) = self.edge.get_mut(level) else {
                break;
            };
            tile.push(carried);
            let Some(root) = tile.root() else { break };
            let full = std::mem::take(tile);
            let level_number = u32::try_from(level).unwrap_or(u32::MAX);
            let index = edge_index(self.size, level_number).unwrap_or_default();
            self.full.push((
                TileId {
                    level: level_number,
                    index,
                },
                full,
            ));
            carried = root;
            level += 1;
        }
        self.size += 1;
    }

    /// The tiles that became full since the last call, to be stored with the leaves that filled them.
    pub fn take_full(&mut self) -> Vec<(TileId, Tile)> {
        std::mem::take(&mut self.full)
    }

    /// The edge, for those who prove leaves later.
    #[must_use]
    pub fn edge(&self) -> Edge {
        let tiles = self
            .edge
            .iter()
            .map(|tile| tile.hashes().to_vec())
            .collect();
        Edge {
            size: self.size,
            tiles: Arc::new(tiles),
        }
    }

    /// Root over all leaves. The hash of nothing if there are none (RFC 6962 section 2.1).
    #[must_use]
    pub fn root(&self) -> Digest {
        if self.size == 0 {
            return Digest::of(b"");
        }
        // A root needs only complete subtrees right of which nothing complete of the same height
        // follows: those lie in the edge, or are the roots carried into it.
        range_root(0, self.size, &mut |height, index| self.node(height, index))
            .unwrap_or_else(|| unreachable!("the edge has every node of its own root"))
    }

    /// Inclusion path of a leaf in the whole tree. `None` if it lies in a tile that was taken away.
    #[must_use]
    pub fn inclusion(&self, index: u64) -> Option<Vec<Digest>> {
        inclusion(index, self.size, &mut |height, index| {
            self.node(height, index)
        })
    }

    fn node(&self, height: u32, index: u64) -> Option<Digest> {
        let (id, row, within) = place(height, index);
        if edge_index(self.size, id.level) == Some(id.index) {
            return self
                .edge
                .get(usize::try_from(id.level).ok()?)?
                .node(row, within);
        }
        let (_, tile) = self.full.iter().rev().find(|(full, _)| *full == id)?;
        tile.node(row, within)
    }
}

/// Tiles by name, gathered from the database and an [`Edge`].
#[derive(Debug, Default)]
pub struct Tiles {
    tiles: BTreeMap<TileId, Tile>,
}

impl Tiles {
    /// Adds one.
    pub fn insert(&mut self, id: TileId, tile: Tile) {
        self.tiles.insert(id, tile);
    }

    /// One of them.
    #[must_use]
    pub fn tile(&self, id: TileId) -> Option<&Tile> {
        self.tiles.get(&id)
    }

    /// Root of the tree at `size`.
    #[must_use]
    pub fn root(&self, size: u64) -> Option<Digest> {
        if size == 0 {
            return Some(Digest::of(b""));
        }
        range_root(0, size, &mut |height, index| self.node(height, index))
    }

    /// Inclusion path of a leaf in the tree at `size`.
    #[must_use]
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        inclusion(index, size, &mut |height, index| self.node(height, index))
    }

    /// Path that proves the tree at `old` to be the beginning of the tree at `new`.
    #[must_use]
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        consistency(old, new, &mut |height, index| self.node(height, index))
    }

    fn node(&self, height: u32, index: u64) -> Option<Digest> {
        let (id, row, within) = place(height, index);
        self.tiles.get(&id)?.node(row, within)
    }
}

/// The tiles that [`Tiles::inclusion`] and [`Tiles::root`] will ask for.
pub fn needed_for_inclusion(index: u64, size: u64, needed: &mut BTreeSet<TileId>) {
    let mut note = |height, index| {
        needed.insert(place(height, index).0);
        Some(NO_HASH)
    };
    // The answers are worthless on purpose: only the questions count.
    let _path = inclusion(index, size, &mut note);
    let _root = range_root(0, size, &mut note);
}

/// The tiles that [`Tiles::consistency`] will ask for.
pub fn needed_for_consistency(old: u64, new: u64, needed: &mut BTreeSet<TileId>) {
    let _path = consistency(old, new, &mut |height, index| {
        needed.insert(place(height, index).0);
        Some(NO_HASH)
    });
}

const NO_HASH: Digest = Digest::from_bytes([0; 32]);

/// How many hashes the unfilled tile of each level holds at `size`, level 0 first; as many levels as
/// ever had a hash.
#[must_use]
pub fn edge_lengths(size: u64) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut hashes = size;
    while hashes > 0 {
        lengths.push(usize::try_from(hashes % 256).unwrap_or_default());
        hashes /= 256;
    }
    lengths
}

/// Number of the unfilled tile of a level; `None` for levels no tree of 64-bit size has.
#[must_use]
pub fn edge_index(size: u64, level: u32) -> Option<u64> {
    let shift = TILE_HEIGHT.checked_mul(level.checked_add(1)?)?;
    (level < 8).then(|| size.checked_shr(shift).unwrap_or(0))
}

/// Where the root of the complete subtree number `index` of 2^height leaves stands: tile, row, column.
fn place(height: u32, index: u64) -> (TileId, u32, u64) {
    let row = height % TILE_HEIGHT;
    let columns = TILE_HEIGHT - row;
    let id = TileId {
        level: height / TILE_HEIGHT,
        index: index >> columns,
    };
    (id, row, index & ((1 << columns) - 1))
}

type Nodes<'a> = &'a mut dyn FnMut(u32, u64) -> Option<Digest>;

/// MTH(D[low:high]) of RFC 6962 section 2.1, for the ranges that its recursion makes.
fn range_root(low: u64, high: u64, nodes: Nodes<'_>) -> Option<Digest> {
    let leaves = high.checked_sub(low)?;
    if leaves.is_power_of_two() {
        let height = leaves.trailing_zeros();
        return nodes(height, low >> height);
    }
    let left = split(leaves)?;
    let left_root = range_root(low, low + left, nodes)?;
    let right_root = range_root(low + left, high, nodes)?;
    Some(merkle::node_hash(&left_root, &right_root))
}

/// PATH(m, D[n]) of RFC 6962 section 2.1.1.
fn inclusion(index: u64, size: u64, nodes: Nodes<'_>) -> Option<Vec<Digest>> {
    if index >= size {
        return None;
    }
    let (mut low, mut high) = (0, size);
    let mut path = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low)?;
        if index < middle {
            path.push(range_root(middle, high, nodes)?);
            high = middle;
        } else {
            path.push(range_root(low, middle, nodes)?);
            low = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// PROOF(m, D[n]) of RFC 6962 section 2.1.2. Empty for equal sizes and for an empty beginning.
fn consistency(old: u64, new: u64, nodes: Nodes<'_>) -> Option<Vec<Digest>> {
    if old > new {
        return None;
    }
    let mut path = Vec::new();
    if old == 0 || old == new {
        return Some(path);
    }
    let (mut low, mut high) = (0, new);
    while old < high {
        let middle = low + split(high - low)?;
        if old <= middle {
            path.push(range_root(middle, high, nodes)?);
            high = middle;
        } else {
            path.push(range_root(low, middle, nodes)?);
            low = middle;
        }
    }
    if low > 0 {
        path.push(range_root(low, high, nodes)?);
    }
    path.reverse();
    Some(path)
}

/// The largest power of two smaller than `leaves`; `None` below two leaves.
fn split(leaves: u64) -> Option<u64> {
    (leaves > 1).then(|| 1 << (63 - (leaves - 1).leading_zeros()))
}

#[cfg(test)]
mod tests;
