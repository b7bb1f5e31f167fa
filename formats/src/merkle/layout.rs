//! Names and bytes of a log over HTTP: c2sp.org/tlog-tiles. `checkpoint`, `tile/<L>/<N>[.p/<W>]` and
//! `tile/entries/<N>[.p/<W>]` below the log's prefix, and the bundles of entries.
//!
//! Pure: what a path means, whether a tree of a size has it, and how entries are packed. Serving, storing
//! and caching belong to whoever has the log. Fails by `None`: there is one spelling of each path.

use crate::id::Digest;
use crate::merkle;
use crate::merkle::tiles::{TILE_WIDTH, TileId};

/// Levels that c2sp.org/tlog-tiles names.
const LEVELS: u32 = 64;

/// Bytes of a bundle of 256 entries at most: each has at most 65,535 bytes and its length.
pub const ENTRY_BUNDLE_BYTES_MAX: usize = TILE_WIDTH * (65_535 + 2);

/// Something that a log serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// The newest signed note.
    Checkpoint,
    /// Hashes of a tile.
    Tile {
        /// Which.
        id: TileId,
        /// How many hashes: 1 to 255, or 256 for a full tile.
        width: u16,
    },
    /// Leaf data of a tile of level 0.
    Entries {
        /// Number of that tile.
        index: u64,
        /// How many entries: 1 to 255, or 256 for a full bundle.
        width: u16,
    },
}

impl Resource {
    /// The path below the prefix, without a slash in front.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Checkpoint => "checkpoint".to_owned(),
            Self::Tile { id, width } => {
                format!("tile/{}/{}{}", id.level, number(id.index), part(*width))
            }
            Self::Entries { index, width } => {
                format!("tile/entries/{}{}", number(*index), part(*width))
            }
        }
    }

    /// Reads exactly what [`Self::path`] writes.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        // The longest: 22 groups of a u64 are never reached, and nothing longer is looked at.
        if path.len() > 64 {
            return None;
        }
        if path == "checkpoint" {
            return Some(Self::Checkpoint);
        }
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse::<u16>().ok().filter(|w| *w < 256)?),
            None => (rest, 256),
        };
        let index = read_number(index)?;
        let found = if level == "entries" {
            Self::Entries { index, width }
        } else {
            let level = level.parse().ok().filter(|level| *level < LEVELS)?;
            let id = TileId { level, index };
            Self::Tile { id, width }
        };
        // One spelling: leading zeros and signs are numbers too.
        (width > 0 && found.path() == path).then_some(found)
    }

    /// Whether a tree of this size has it.
    #[must_use]
    pub fn exists_at(&self, size: u64) -> bool {
        let (level, index, width) = match self {
            Self::Checkpoint => return true,
            Self::Tile { id, width } => (id.level, id.index, *width),
            Self::Entries { index, width } => (0, *index, *width),
        };
        let hashes = 8_u32
            .checked_mul(level)
            .and_then(|shift| size.checked_shr(shift))
            .unwrap_or(0);
        let end = index
            .checked_mul(256)
            .and_then(|first| first.checked_add(u64::from(width)));
        width > 0 && end.is_some_and(|end| end <= hashes)
    }

    /// Whether it is full, so that it is the same for ever under this one path.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(
            self,
            Self::Tile { width: 256, .. } | Self::Entries { width: 256, .. }
        )
    }

    /// Everything that a mirror of a tree of this size gets: each level's full tiles and the unfilled one,
    /// and the bundles of entries; from the beginning.
    pub fn of_tree(size: u64) -> impl Iterator<Item = Self> {
        let entries = tiles_of(size).map(|(index, width)| Self::Entries { index, width });
        let levels = (0..8_u32).flat_map(move |level| {
            let hashes = size.checked_shr(8 * level).unwrap_or(0);
            tiles_of(hashes).map(move |(index, width)| Self::Tile {
                id: TileId { level, index },
                width,
            })
        });
        levels.chain(entries)
    }
}

/// Numbers and widths of the tiles of a level with so many hashes.
fn tiles_of(hashes: u64) -> impl Iterator<Item = (u64, u16)> {
    let rest = u16::try_from(hashes % 256).unwrap_or_default();
    let full = (0..hashes / 256).map(|index| (index, 256));
    full.chain((rest > 0).then_some((hashes / 256, rest)))
}

/// `x001/x234/067`.
fn number(index: u64) -> String {
    let mut text = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    text
}

fn read_number(text: &str) -> Option<u64> {
    let mut index: u64 = 0;
    let mut groups = text.split('/').peekable();
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() {
            group.strip_prefix('x')?
        } else {
            group
        };
        if digits.len() != 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let value: u64 = digits.parse().ok()?;
        index = index.checked_mul(1000)?.checked_add(value)?;
    }
    Some(index)
}

fn part(width: u16) -> String {
    if width == 256 {
        String::new()
    } else {
        format!(".p/{width}")
    }
}

/// Packs entries: each with its length before it, 2 bytes big-endian. `None` if one is longer than 65,535
/// bytes or there are more than 256.
#[must_use]
pub fn entry_bundle<'e>(entries: impl IntoIterator<Item = &'e [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (count, entry) in entries.into_iter().enumerate() {
        let length = u16::try_from(entry.len()).ok()?;
        if count >= TILE_WIDTH {
            return None;
        }
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}

/// Unpacks a bundle; `None` if it is cut, or holds more than 256 entries.
#[must_use]
pub fn read_entry_bundle(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if entries.len() == TILE_WIDTH {
            return None;
        }
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

/// The hashes of the tile of level 0 that belongs to a bundle of entries.
#[must_use]
pub fn leaf_hashes(entries: &[&[u8]]) -> Vec<Digest> {
    let hashes = entries.iter().map(|entry| merkle::leaf_hash(entry));
    hashes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(level: u32, index: u64, width: u16) -> Resource {
        let id = TileId { level, index };
        Resource::Tile { id, width }
    }

    #[test]
    fn paths_are_those_of_the_specification_and_each_has_one_spelling() {
        let table = [
            (Resource::Checkpoint, "checkpoint"),
            (tile(0, 0, 256), "tile/0/000"),
            (tile(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (tile(1, 0, 17), "tile/1/000.p/17"),
            (tile(3, 1000, 255), "tile/3/x001/000.p/255"),
            (
                Resource::Entries {
                    index: 273,
                    width: 112,
                },
                "tile/entries/273.p/112",
            ),
            (
                tile(7, u64::MAX, 256),
                "tile/7/x018/x446/x744/x073/x709/x551/615",
            ),
        ];
        for (resource, path) in table {
            assert_eq!(resource.path(), path);
            assert_eq!(Resource::parse(path), Some(resource), "{path}");
        }
        for bad in [
            "",
            "/checkpoint",
            "checkpoint/",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/0/+00",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/x001/x002",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/07",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/000.p/1.p/1",
            "tile/0/000/",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/data/000",
            "tile/entries/x1/000",
            "tile/0/../000",
            "tile/0/%30%30%30",
        ] {
            assert_eq!(Resource::parse(bad), None, "{bad}");
        }
        assert_eq!(Resource::parse(&"tile/0/".repeat(1000)), None);
    }

    /// The example of the specification: 70,000 leaves.
    #[test]
    fn a_tree_has_the_tiles_that_the_specification_counts() {
        let count = |level: u32, full: bool| {
            Resource::of_tree(70_000)
                .filter(|one| one.is_full() == full)
                .filter(|one| matches!(one, Resource::Tile { id, .. } if id.level == level))
                .count()
        };
        assert_eq!((count(0, true), count(0, false)), (273, 1));
        assert_eq!((count(1, true), count(1, false)), (1, 1));
        assert_eq!((count(2, true), count(2, false)), (0, 1));
        assert_eq!((count(3, true), count(3, false)), (0, 0));
        let listed: Vec<Resource> = Resource::of_tree(70_000).collect();
        for wanted in [tile(0, 273, 112), tile(1, 1, 17), tile(2, 0, 1)] {
            assert!(listed.contains(&wanted), "{wanted:?}");
        }
        assert!(listed.iter().all(|one| one.exists_at(70_000)));
        assert_eq!(Resource::of_tree(256).count(), 3);
        assert_eq!(Resource::of_tree(0).count(), 0);
        for (absent, size) in [
            (tile(0, 273, 113), 70_000),
            (tile(0, 273, 256), 70_000),
            (tile(1, 0, 1), 255),
            (tile(63, 0, 1), u64::MAX),
            (tile(0, u64::MAX, 256), u64::MAX),
            (tile(0, 0, 1), 0),
        ] {
            assert!(!absent.exists_at(size), "{absent:?}");
        }
        assert!(tile(1, 0, 1).exists_at(256));
    }

    #[test]
    fn entries_are_packed_with_their_lengths_and_nothing_else_is_a_bundle() {
        let entries: [&[u8]; 3] = [b"one", b"", &[7; 300]];
        let packed = entry_bundle(entries).unwrap();
        assert_eq!(packed.get(..7), Some(&b"\x00\x03one\x00\x00"[..]));
        assert_eq!(read_entry_bundle(&packed), Some(entries.to_vec()));
        for end in 1..packed.len() {
            // Cut between two entries it is a shorter bundle.
            let whole = end == 5 || end == 7;
            assert_eq!(
                read_entry_bundle(packed.get(..end).unwrap()).is_some(),
                whole
            );
        }
        assert_eq!(entry_bundle([&[0_u8; 65_536][..]]), None);
        assert_eq!(entry_bundle(vec![&b"x"[..]; 257]), None);
        assert_eq!(read_entry_bundle(&[0; 2 * 257]), None);
        assert_eq!(leaf_hashes(&[&b"one"[..]]), vec![merkle::leaf_hash(b"one")]);
    }
}
