//! The log of certificates as tiles: only full ones are stored, with their roots; the rest follows from the
//! leaves. So appending and proving read a few kilobytes, however long the log is.
//!
//! Owns: the table of tiles. It is a shortcut: what is missing is made anew from the leaves, which say the same.
//! Must not know certificates.

use std::collections::BTreeSet;

use formats::id::Digest;
use formats::merkle::layout::{Resource, entry_bundle};
use formats::merkle::tiles::{self, Tile, TileId, Tiles, Tree};

use super::LogError;
use crate::authority::db::{DbError, Row, Tx};
use crate::authority::inventory::Inventory;

/// The tree as it is.
pub(super) async fn tree(tx: &mut Tx) -> Result<Tree, DbError> {
    let size = size(tx).await?;
    if let Some(tree) = from_edge(tx, size).await? {
        return Ok(tree);
    }
    // A log of an earlier version, or tiles that were lost.
    tx.execute("DELETE FROM tile", []).await?;
    let mut tree = Tree::new();
    while tree.size() < size {
        for hash in leaves(tx, tree.size(), REBUILD).await? {
            tree.append(hash);
        }
        keep(tx, &mut tree).await?;
    }
    Ok(tree)
}

/// Stores the tiles that became full.
pub(super) async fn keep(tx: &mut Tx, tree: &mut Tree) -> Result<(), DbError> {
    for (id, tile) in tree.take_full() {
        let Some(root) = tile.root() else { continue };
        tx.execute(
            "INSERT INTO tile VALUES ($1, $2, $3, $4)",
            [
                i64::from(id.level).into(),
                place(id.index).into(),
                root.as_bytes().as_slice().into(),
                tile.to_bytes().as_slice().into(),
            ],
        )
        .await?;
    }
    Ok(())
}

/// Number of leaves.
pub(super) async fn size(tx: &mut Tx) -> Result<u64, DbError> {
    let row = tx.row("SELECT MAX(place) FROM leaf", []).await?;
    let last = row.map(|row| row.int_or_none(0)).transpose()?.flatten();
    let size = last.map_or(0, |last| last.saturating_add(1));
    u64::try_from(size).map_err(|_| DbError::Damaged("the number of leaves"))
}

/// From the leaves and roots of the unfilled tiles; nothing when some are missing.
async fn from_edge(tx: &mut Tx, size: u64) -> Result<Option<Tree>, DbError> {
    let mut edge = Vec::new();
    for (level, length) in (0..).zip(tiles::edge_lengths(size)) {
        let hashes = edge_of(tx, level, size).await?;
        if hashes.len() != length {
            return Ok(None);
        }
        edge.push(hashes);
    }
    Ok(Tree::from_edge(size, &edge))
}

/// Hashes of the unfilled tile of a level.
async fn edge_of(tx: &mut Tx, level: u32, size: u64) -> Result<Vec<Digest>, DbError> {
    let first = |hashes: u64| hashes - hashes % 256;
    let Some(below) = level.checked_sub(1) else {
        return leaves(tx, first(size), WIDTH).await;
    };
    let hashes = size.checked_shr(8 * level).unwrap_or(0);
    let rows = tx
        .rows(
            "SELECT root FROM tile WHERE level = $1 AND number >= $2 ORDER BY number LIMIT 256",
            [i64::from(below).into(), place(first(hashes)).into()],
        )
        .await?;
    rows.iter().map(digest).collect()
}

async fn leaves(tx: &mut Tx, from: u64, most: i64) -> Result<Vec<Digest>, DbError> {
    let rows = tx
        .rows(
            "SELECT hash FROM leaf WHERE place >= $1 ORDER BY place LIMIT $2",
            [place(from).into(), most.into()],
        )
        .await?;
    rows.iter().map(digest).collect()
}

/// The tiles that are needed, as far as they are there.
pub(super) async fn gather(
    tx: &mut Tx,
    size: u64,
    needed: &BTreeSet<TileId>,
) -> Result<Tiles, DbError> {
    let mut found = Tiles::default();
    for id in needed {
        if let Some(tile) = tile(tx, size, *id).await? {
            found.insert(*id, tile);
        }
    }
    Ok(found)
}

async fn tile(tx: &mut Tx, size: u64, id: TileId) -> Result<Option<Tile>, DbError> {
    if tiles::edge_index(size, id.level) == Some(id.index) {
        return Ok(Tile::from_hashes(&edge_of(tx, id.level, size).await?));
    }
    let row = tx
        .row(
            "SELECT hashes FROM tile WHERE level = $1 AND number = $2",
            [i64::from(id.level).into(), place(id.index).into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let tile = Tile::from_bytes(&row.bytes(0)?);
    tile.map(Some).ok_or(DbError::Damaged("a tile"))
}

impl Inventory {
    /// The bytes of a tile or of a bundle of entries (c2sp.org/tlog-tiles), as far as a checkpoint is signed
    /// over them; nothing for others.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn log_resource(&self, resource: Resource) -> Result<Option<Vec<u8>>, LogError> {
        let signed = {
            let mut tx = self.db.read().await?;
            let row = tx.row("SELECT MAX(size) FROM checkpoint", []).await?;
            let size = row.map(|row| row.int_or_none(0)).transpose()?.flatten();
            u64::try_from(size.unwrap_or(0)).unwrap_or(0)
        };
        if !resource.exists_at(signed) {
            return Ok(None);
        }
        match resource {
            Resource::Checkpoint => Ok(None),
            Resource::Tile { id, width } => {
                let mut tx = self.db.read().await?;
                let size = size(&mut tx).await?;
                let tile = tile(&mut tx, size, id).await?;
                let bytes = tile.map(|tile| tile.to_bytes());
                let end = usize::from(width).saturating_mul(32);
                Ok(bytes.and_then(|bytes| bytes.get(..end).map(<[u8]>::to_vec)))
            }
            Resource::Entries { index, width } => {
                let from = index.saturating_mul(256);
                let entries = self.log_entries(from, u32::from(width)).await?;
                Ok(entry_bundle(entries.iter().map(Vec::as_slice)))
            }
        }
    }
}

fn digest(row: &Row) -> Result<Digest, DbError> {
    let hash: [u8; 32] = row
        .bytes(0)?
        .try_into()
        .map_err(|_| DbError::Damaged("a hash of the tree"))?;
    Ok(Digest::from_bytes(hash))
}

fn place(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Hashes of a tile.
const WIDTH: i64 = 256;
/// Leaves that are read at once when tiles are made anew.
const REBUILD: i64 = 8_192;
