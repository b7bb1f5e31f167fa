//! The tree against itself for all small sizes, and against the tlog test vectors.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

fn leaves(count: usize) -> Vec<Digest> {
    (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

/// The known roots of RFC 6962 implementations: the empty tree and the empty leaf.
#[test]
fn empty_tree_and_empty_leaf_have_the_known_hashes() {
    assert_eq!(
        root(&[]).to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(
        leaf_hash(&[]).to_string(),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
}

#[test]
fn every_inclusion_path_of_small_trees_verifies_and_only_for_its_leaf() {
    for size in 1..=33_usize {
        let leaves = leaves(size);
        let root = root(&leaves);
        for index in 0..size {
            let path = inclusion_path(&leaves, index).unwrap();
            for claimed in 0..size {
                let verdict =
                    verify_inclusion(&leaves[index], claimed as u64, size as u64, &path, &root);
                assert_eq!(
                    verdict,
                    claimed == index,
                    "size {size} leaf {index} as {claimed}"
                );
            }
        }
        assert_eq!(inclusion_path(&leaves, size), None);
    }
}

#[test]
fn every_consistency_path_of_small_trees_verifies_and_not_for_another_root() {
    for new in 0..=33_usize {
        let all = leaves(new);
        let root2 = root(&all);
        for old in 0..=new {
            let root1 = root(&all[..old]);
            let path = consistency_path(&all, old).unwrap();
            assert!(
                verify_consistency(old as u64, new as u64, &root1, &root2, &path),
                "{old} {new}"
            );
            let other = leaf_hash(b"other");
            assert!(!verify_consistency(
                old as u64, new as u64, &other, &root2, &path
            ));
            if old > 0 {
                assert!(!verify_consistency(
                    old as u64, new as u64, &root1, &other, &path
                ));
            }
        }
        assert_eq!(consistency_path(&all, new + 1), None);
    }
}

#[test]
fn absurd_numbers_are_refused_without_panic() {
    let d = leaf_hash(b"x");
    assert!(!verify_inclusion(&d, u64::MAX, u64::MAX, &[d; 64], &d));
    assert!(!verify_inclusion(&d, u64::MAX - 1, u64::MAX, &[d; 70], &d));
    assert!(!verify_inclusion(&d, 0, 0, &[], &d));
    assert!(!verify_consistency(
        u64::MAX - 1,
        u64::MAX,
        &d,
        &d,
        &[d; 70]
    ));
    assert!(!verify_consistency(1 << 63, u64::MAX, &d, &d, &[]));
}

/// The folder of other people's vectors; `None` (reported) where it is not there.
fn vectors() -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test finds its data by the environment"
    )]
    let base = std::env::var("TRAM_VECTORS").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
        PathBuf::from,
    );
    let folder = base.join("tlog-merkle");
    if folder.is_dir() {
        return Some(folder);
    }
    println!(
        "SKIPPED-SUITE tlog-merkle: {} is not there",
        folder.display()
    );
    None
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "json") {
            found.push(path);
        }
    }
}

/// `None` where the text is not 32 bytes: such a case can only be one to refuse.
fn digest(value: &serde_json::Value) -> Option<Digest> {
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).ok()?;
    Digest::try_from(bytes.as_slice()).ok()
}

fn path(case: &serde_json::Value) -> Option<Vec<Digest>> {
    match &case["proof"] {
        serde_json::Value::Null => Some(Vec::new()),
        list => list.as_array()?.iter().map(digest).collect(),
    }
}

fn inclusion_holds(case: &serde_json::Value) -> Option<bool> {
    Some(verify_inclusion(
        &digest(&case["leafHash"])?,
        case["leafIdx"].as_u64()?,
        case["treeSize"].as_u64()?,
        &path(case)?,
        &digest(&case["root"])?,
    ))
}

fn consistency_holds(case: &serde_json::Value) -> Option<bool> {
    Some(verify_consistency(
        case["size1"].as_u64()?,
        case["size2"].as_u64()?,
        &digest(&case["root1"])?,
        &digest(&case["root2"])?,
        &path(case)?,
    ))
}

type Verdict = fn(&serde_json::Value) -> Option<bool>;

#[test]
fn tlog_merkle_vectors_get_the_expected_verdict() {
    let Some(folder) = vectors() else { return };
    let suites: [(&str, Verdict); 2] = [
        ("inclusion", inclusion_holds),
        ("consistency", consistency_holds),
    ];
    for (suite, holds) in suites {
        let mut found = Vec::new();
        files(&folder.join(suite), &mut found);
        assert!(found.len() > 30, "{suite}: only {} cases", found.len());
        for file in &found {
            let case: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            let expected = !case["wantErr"].as_bool().unwrap();
            let verdict = holds(&case).unwrap_or(false);
            assert_eq!(verdict, expected, "{}", file.display());
        }
        println!("tlog-merkle {suite}: {} right, 0 wrong", found.len());
    }
}

#[test]
fn a_frontier_says_the_root_of_every_size_and_survives_its_own_text() {
    let mut frontier = Frontier::default();
    let mut leaves = Vec::new();
    assert_eq!(frontier.root(), root(&leaves));
    for number in 0_u32..300 {
        let leaf = leaf_hash(&number.to_be_bytes());
        leaves.push(leaf);
        frontier.push(leaf);
        assert_eq!(frontier.root(), root(&leaves), "size {}", leaves.len());
        assert_eq!(
            Frontier::from_text(&frontier.to_text()),
            Some(frontier.clone())
        );
    }
    let text = frontier.to_text();
    for bad in [
        "",
        "x",
        "3",
        &text.replacen("300", "301", 1),
        &format!("{text} "),
    ] {
        assert_eq!(Frontier::from_text(bad), None, "{bad:?}");
    }
}
