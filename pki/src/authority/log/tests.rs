//! The log beside the naive tree over the same leaves.

use formats::merkle::layout::{Resource, leaf_hashes, read_entry_bundle};

use super::*;
use crate::authority::db::Db;

async fn log(dir: &std::path::Path) -> Inventory {
    let file = dir.join("authority.db");
    Inventory {
        db: Db::open(file.to_str().unwrap()).await.unwrap(),
    }
}

/// Leaves without a certificate, appended in batches as issuing does.
async fn fill(log: &Inventory, from: u32, to: u32) {
    for first in (from..to).step_by(97) {
        let data: Vec<Vec<u8>> = (first..to.min(first + 97)).map(data).collect();
        let leaves = data.iter().map(|data| (data.as_slice(), None)).collect();
        let mut tx = log.db.write().await.unwrap();
        append_leaves(&mut tx, leaves).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn data(number: u32) -> Vec<u8> {
    format!("leaf {number}").into_bytes()
}

fn hashes(to: u32) -> Vec<Digest> {
    (0..to)
        .map(|number| merkle::leaf_hash(&data(number)))
        .collect()
}

async fn root(log: &Inventory) -> Digest {
    let mut tx = log.db.write().await.unwrap();
    let tree = tiles::tree(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    tree.root()
}

async fn execute(log: &Inventory, statement: &'static str) {
    let mut tx = log.db.write().await.unwrap();
    tx.execute(statement, []).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn roots_and_proofs_are_those_of_the_naive_tree_and_lost_tiles_are_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path()).await;
    let mut from = 0;
    for to in [1, 255, 256, 257, 700, 1_100] {
        fill(&log, from, to).await;
        assert_eq!(root(&log).await, merkle::root(&hashes(to)), "{to}");
        from = to;
    }
    let all = hashes(1_100);
    let mut tx = log.db.read().await.unwrap();
    for size in [1, 255, 256, 300, 1_024, 1_100] {
        let naive = all.get(..size).unwrap();
        for index in [0, 1, size / 2, size - 1]
            .into_iter()
            .filter(|one| *one < size)
        {
            let mut needed = BTreeSet::new();
            let (index, size) = (index as u64, size as u64);
            needed_for_inclusion(index, size, &mut needed);
            let found = tiles::gather(&mut tx, 1_100, &needed).await.unwrap();
            let path = found.inclusion(index, size).unwrap();
            let leaf = &all[usize::try_from(index).unwrap()];
            let good = merkle::verify_inclusion(leaf, index, size, &path, &merkle::root(naive));
            assert!(good, "{index} of {size}");
        }
    }
    drop(tx);
    for lost in ["DELETE FROM tile WHERE number = 1", "DELETE FROM tile"] {
        execute(&log, lost).await;
        assert_eq!(root(&log).await, merkle::root(&all), "{lost}");
    }
}

#[tokio::test]
async fn a_mirror_gets_what_is_signed_and_nothing_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path()).await;
    fill(&log, 0, 600).await;
    execute(&log, "INSERT INTO checkpoint VALUES (520, 0, zeroblob(1))").await;
    let mut leaves = Vec::new();
    for resource in Resource::of_tree(520) {
        let bytes = log.log_resource(resource).await.unwrap().unwrap();
        if matches!(resource, Resource::Entries { .. }) {
            let entries = read_entry_bundle(&bytes).unwrap();
            leaves.extend(leaf_hashes(&entries));
        }
    }
    assert_eq!(leaves, hashes(520));
    for beyond in [
        "tile/0/002.p/9",
        "tile/0/002",
        "tile/1/000.p/3",
        "tile/entries/003",
    ] {
        let resource = Resource::parse(beyond).unwrap();
        assert!(
            log.log_resource(resource).await.unwrap().is_none(),
            "{beyond}"
        );
    }
}
