//! A mirror: whoever has only the address of a log rebuilds its tree from tiles and gets the root of the
//! signed checkpoint.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use formats::checkpoint::Note;
use formats::merkle::layout::{Resource, leaf_hashes, read_entry_bundle};
use formats::merkle::tiles::{Tile, TileId, Tiles};
use formats::merkle::{self};
use relay::store::Change;

use crate::letter::{context, letter, submission};
use crate::world::{RECIPIENT, SENDER, World, free_udp, noting_desk, start};

fn free_tcp() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

async fn get(url: &str) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
    let answer = reqwest::get(url).await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

/// Fetches everything that a tree of the checkpoint's size has, and checks it: entries against leaf hashes,
/// the tree's root against the note.
async fn mirror(prefix: &str) -> (Note, Vec<Vec<u8>>) {
    let (status, headers, body) = get(&format!("{prefix}/checkpoint")).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (200, &"text/plain; charset=utf-8".parse().unwrap())
    );
    let note = Note::parse(std::str::from_utf8(&body).unwrap()).unwrap();
    let size = note.checkpoint.size;
    let (mut tiles, mut leaves, mut entries) = (Tiles::default(), Vec::new(), Vec::new());
    for resource in Resource::of_tree(size) {
        let (status, headers, body) = get(&format!("{prefix}/{}", resource.path())).await;
        assert_eq!(status, 200, "{resource:?}");
        assert_eq!(headers["content-type"], "application/octet-stream");
        let caching = headers["cache-control"].to_str().unwrap();
        assert_eq!(
            caching.contains("immutable"),
            resource.is_full(),
            "{resource:?}"
        );
        match resource {
            Resource::Tile { id, width } => {
                assert_eq!(body.len(), usize::from(width) * 32);
                tiles.insert(id, Tile::from_bytes(&body).unwrap());
            }
            Resource::Entries { .. } => {
                let bundle = read_entry_bundle(&body).unwrap();
                // Salted: 32 bytes that say nothing.
                assert!(bundle.iter().all(|entry| entry.len() == 32));
                leaves.extend(leaf_hashes(&bundle));
                entries.extend(bundle.into_iter().map(<[u8]>::to_vec));
            }
            Resource::Checkpoint => unreachable!(),
        }
    }
    assert_eq!(tiles.root(size), Some(note.checkpoint.root));
    assert_eq!(merkle::root(&leaves), note.checkpoint.root);
    (note, entries)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_rebuilds_the_tree_and_gets_the_root_of_the_checkpoint() {
    let mut world = World::new();
    let (public, ops) = (free_tcp(), free_tcp());
    world.node_a.config.ops = Some(ops);
    world.node_a.config.log_listen = Some(public);
    let (desk, _told) = noting_desk();
    let a = start(&world.node_a, Some(desk)).await;
    let relay = world.relay.credentials.name.clone();
    let now = a.clock().now();
    let mut accepts = Vec::new();
    for _ in 0..520 {
        let context = context(SENDER, a.name(), &[RECIPIENT], &world.agencies[0], now);
        let sent = letter(context, &world.agencies[0], 100);
        accepts.push(
            submission(a.store(), &sent, &[(RECIPIENT, &relay)], now)
                .await
                .into(),
        );
    }
    a.commit(Change::of(accepts)).await.unwrap();
    let prefix = format!("http://{public}/log/1");
    let (note, entries) = mirror(&prefix).await;
    assert!(note.checkpoint.size >= 521, "{}", note.checkpoint.size);
    assert_eq!(note.checkpoint.origin.to_string(), "node-a.tram.test/log/1");
    assert_eq!(
        entries.len(),
        usize::try_from(note.checkpoint.size).unwrap()
    );
    // The same on the operators' address; what is not there, or not signed yet, is nowhere.
    assert_eq!(
        mirror(&format!("http://{ops}/log/1"))
            .await
            .0
            .checkpoint
            .size,
        note.checkpoint.size
    );
    let beyond = Resource::Tile {
        id: TileId { level: 0, index: 2 },
        width: 255,
    };
    for absent in [
        beyond.path().as_str(),
        "tile/0/002",
        "tile/0/003",
        "tile/2/000.p/1",
        "tile/entries/002",
        "tile/0/0",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/64/000",
        "tile/0/x018/x446/x744/x073/x709/x551/615",
        "checkpoint/",
        "",
    ] {
        assert_eq!(get(&format!("{prefix}/{absent}")).await.0, 404, "{absent}");
    }
    for absent in [
        "log/2/checkpoint",
        "log/01/checkpoint",
        "log/x/checkpoint",
        "log/-1/checkpoint",
        "status",
        "metrics",
    ] {
        assert_eq!(
            get(&format!("http://{public}/{absent}")).await.0,
            404,
            "{absent}"
        );
    }
    a.shutdown().await;
    drop(a);
    // A closed epoch is served beside the next one. Its old address may be somebody's by now.
    world.node_a.config.listen = free_udp();
    let opened = relay::station::open_epoch(world.node_a.config.clone(), &[], "damaged").await;
    assert_eq!(opened.unwrap().origin.epoch(), 2);
    let (desk, _told) = noting_desk();
    let a = start(&world.node_a, Some(desk)).await;
    let (closed, _) = mirror(&prefix).await;
    assert_eq!(
        (closed.checkpoint.size, closed.checkpoint.root),
        (note.checkpoint.size, note.checkpoint.root)
    );
    let (next, _) = mirror(&format!("http://{public}/log/2")).await;
    assert!(next.checkpoint.size >= 1);
    a.shutdown().await;
}
