//! The tile tree beside the naive tree over the same leaves.

use proptest::prelude::*;

use super::*;

fn leaf(number: u64) -> Digest {
    merkle::leaf_hash(&number.to_be_bytes())
}

/// A tree of `size` leaves with all its full tiles kept, as the database would.
fn grown(size: u64) -> (Tree, Tiles, Vec<Digest>) {
    let mut tree = Tree::new();
    let mut tiles = Tiles::default();
    let leaves: Vec<Digest> = (0..size).map(leaf).collect();
    for hash in &leaves {
        tree.append(*hash);
        for (id, tile) in tree.take_full() {
            tiles.insert(id, Tile::from_bytes(&tile.to_bytes()).unwrap());
        }
    }
    add_edge(&tree, &mut tiles);
    (tree, tiles, leaves)
}

fn add_edge(tree: &Tree, tiles: &mut Tiles) {
    for level in 0..8 {
        let id = TileId {
            level,
            index: edge_index(tree.size(), level).unwrap(),
        };
        if let Some(tile) = tree.edge().tile(id) {
            tiles.insert(id, tile);
        }
    }
}

fn at(index: u64, leaves: &[Digest]) -> Vec<Digest> {
    merkle::inclusion_path(leaves, usize::try_from(index).unwrap()).unwrap()
}

#[test]
fn roots_and_paths_equal_the_naive_tree_around_tile_borders() {
    for size in [
        1, 2, 3, 7, 8, 254, 255, 256, 257, 258, 511, 512, 513, 1023, 1025,
    ] {
        let (tree, tiles, leaves) = grown(size);
        assert_eq!(tree.root(), merkle::root(&leaves), "{size}");
        assert_eq!(tiles.root(size), Some(merkle::root(&leaves)), "{size}");
        for index in [0, 1, size / 2, size.saturating_sub(2), size - 1] {
            if index < size {
                assert_eq!(tiles.inclusion(index, size), Some(at(index, &leaves)));
            }
        }
    }
}

#[test]
fn paths_verify_around_the_border_of_the_third_level() {
    let (_, tiles, leaves) = grown(65_537 + 300);
    for size in [65_535_u64, 65_536, 65_537, 65_792, 65_793, 65_837] {
        let prefix = &leaves[..usize::try_from(size).unwrap()];
        let root = merkle::root(prefix);
        assert_eq!(tiles.root(size), Some(root), "{size}");
        for index in [0, 255, 256, 65_279, 65_280, 65_534, size - 1] {
            let path = tiles.inclusion(index, size).unwrap();
            let hash = leaves[usize::try_from(index).unwrap()];
            assert!(
                merkle::verify_inclusion(&hash, index, size, &path, &root),
                "{index} {size}"
            );
        }
        for old in [1, 255, 256, 257, 65_280, 65_535] {
            let path = tiles.consistency(old, size).unwrap();
            let old_root = merkle::root(&leaves[..usize::try_from(old).unwrap()]);
            assert!(
                merkle::verify_consistency(old, size, &old_root, &root, &path),
                "{old}"
            );
        }
    }
}

#[test]
fn leaves_of_a_batch_are_proven_before_its_full_tiles_are_taken() {
    // A commit of many statements crosses tile borders; its own leaves need no database.
    let (mut tree, _, mut leaves) = grown(250);
    for number in 250..800 {
        tree.append(leaf(number));
        leaves.push(leaf(number));
    }
    for index in 250..800 {
        assert_eq!(tree.inclusion(index), Some(at(index, &leaves)), "{index}");
    }
    assert_eq!(tree.take_full().len(), 3);
    assert_eq!(tree.root(), merkle::root(&leaves));
}

#[test]
fn a_tree_is_rebuilt_from_its_edge_and_refuses_an_edge_of_another_size() {
    for size in [0_u64, 1, 255, 256, 257, 65_536, 65_800] {
        let (tree, ..) = grown(size);
        let edge: Vec<Vec<Digest>> = tree.edge().tiles.as_ref().clone();
        let edge = edge
            .into_iter()
            .take(edge_lengths(size).len())
            .collect::<Vec<_>>();
        let again = Tree::from_edge(size, &edge).unwrap();
        assert_eq!(again.root(), tree.root(), "{size}");
        assert!(Tree::from_edge(size + 1, &edge).is_none());
    }
}

#[test]
fn numbers_outside_the_tree_have_no_path() {
    let (tree, tiles, _) = grown(10);
    assert_eq!(tree.inclusion(10), None);
    assert_eq!(tiles.inclusion(0, 0), None);
    assert_eq!(tiles.consistency(11, 10), None);
    assert_eq!(tiles.inclusion(3, u64::MAX), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_tiles_say_what_the_naive_tree_says(size in 1_u64..1400, a in 0.0..1.0, b in 0.0..1.0) {
        let (_, tiles, leaves) = grown(1400);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss,
            clippy::cast_precision_loss, reason = "a fraction of a small number")]
        let part = |fraction: f64| (fraction * size as f64) as u64;
        let prefix = &leaves[..usize::try_from(size).unwrap()];
        prop_assert_eq!(tiles.root(size), Some(merkle::root(prefix)));
        let index = part(a);
        prop_assert_eq!(tiles.inclusion(index, size), Some(at(index, prefix)));
        let old = part(b).max(1);
        let naive = merkle::consistency_path(prefix, usize::try_from(old).unwrap()).unwrap();
        prop_assert_eq!(tiles.consistency(old, size), Some(naive));
        let mut needed = BTreeSet::new();
        needed_for_inclusion(index, size, &mut needed);
        needed_for_consistency(old, size, &mut needed);
        prop_assert!(needed.iter().all(|id| tiles.tiles.contains_key(id)));
    }
}
