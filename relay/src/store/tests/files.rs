//! Body files: durable before they are named, verified on every read, never left over.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use formats::body::{Layout, SEALED_CHUNK_BYTES};
use formats::id::Digest;

use super::world::*;
use crate::store::body::{Bodies, BodyError, FinishedBody};
use crate::store::{BodyPlace, Change, CommitError, LegState, Outcome, Store};

/// Three chunks, the last one short, and a capsule.
async fn written(bodies: &Bodies) -> (FinishedBody, Vec<Bytes>) {
    let chunk = usize::try_from(SEALED_CHUNK_BYTES).unwrap();
    let pieces: Vec<Bytes> = [(1, 900), (2, chunk), (3, chunk), (4, 5000)]
        .map(|(fill, n)| vec![fill; n].into())
        .to_vec();
    let mut writer = bodies.writer();
    for piece in &pieces[1..] {
        writer.append(piece.clone()).await.unwrap();
    }
    (writer.finish(pieces[0].clone()).await.unwrap(), pieces)
}

fn layout(body: &FinishedBody) -> Layout {
    Layout::new(
        formats::header::Class::Document,
        body.capsule_bytes,
        body.body_bytes,
    )
    .unwrap()
}

fn big_letter(number: u64, body: &FinishedBody) -> Letter {
    let mut letter = letter(number);
    letter.capsule_bytes = body.capsule_bytes;
    letter.body_digest = Some(body.body_digest);
    letter.place = Some(body.place.clone());
    letter
}

fn name_of(place: &BodyPlace) -> &str {
    match place {
        BodyPlace::File { name, .. } => name,
        BodyPlace::Inline(_) => panic!("inline"),
    }
}

#[tokio::test]
async fn a_large_body_is_one_file_that_reads_back_piece_by_piece() {
    let world = World::new();
    let store = world.open().await;
    let (body, pieces) = written(store.bodies()).await;
    let reader = store
        .bodies()
        .reader(&body.place, body.body_digest, layout(&body))
        .await
        .unwrap();
    assert_eq!(reader.leaves().len(), 4);
    for (number, piece) in pieces.iter().enumerate() {
        assert_eq!(
            reader.piece(u32::try_from(number).unwrap()).await.unwrap(),
            *piece
        );
    }
    assert!(reader.piece(4).await.unwrap().is_empty());
    assert_eq!(body_files(&world).len(), 1);
}

#[tokio::test]
async fn a_small_body_stays_in_memory_with_its_capsule_first() {
    let world = World::new();
    let store = world.open().await;
    for (chunk, inline) in [(600, true), (65_000, false)] {
        let mut writer = store.bodies().writer();
        writer.append(vec![2; chunk].into()).await.unwrap();
        let body = writer.finish(vec![1; 900].into()).await.unwrap();
        assert_eq!(matches!(body.place, BodyPlace::Inline(_)), inline);
        let reader = store
            .bodies()
            .reader(&body.place, body.body_digest, layout(&body))
            .await
            .unwrap();
        assert_eq!(reader.piece(0).await.unwrap(), vec![1; 900]);
        assert_eq!(reader.piece(1).await.unwrap(), vec![2; chunk]);
    }
}

#[tokio::test]
async fn a_changed_bit_on_disk_is_found_on_read() {
    let world = World::new();
    let store = world.open().await;
    let (body, _) = written(store.bodies()).await;
    let path = world.data().join("bodies").join(name_of(&body.place));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let flip = |at: u64| {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    };
    let open = || {
        store
            .bodies()
            .reader(&body.place, body.body_digest, layout(&body))
    };
    flip(SEALED_CHUNK_BYTES + 17);
    let reader = open().await.unwrap();
    assert!(reader.piece(1).await.is_ok());
    assert!(matches!(
        reader.piece(2).await,
        Err(BodyError::Damaged { piece: 2 })
    ));
    flip(SEALED_CHUNK_BYTES + 17);
    // The hashes beside the body can be made again from the body, not the other way round.
    flip(body.body_bytes + 40);
    assert!(open().await.unwrap().piece(2).await.is_ok());
    flip(5);
    assert!(matches!(open().await, Err(BodyError::Damaged { .. })));
    file.set_len(1000).unwrap();
    assert!(matches!(open().await, Err(BodyError::Damaged { .. })));
    let gone = BodyPlace::File {
        name: "00".to_owned(),
        bytes: body.body_bytes,
    };
    let gone = store
        .bodies()
        .reader(&gone, body.body_digest, layout(&body))
        .await;
    assert!(matches!(gone, Err(BodyError::Missing { .. })));
}

#[tokio::test]
async fn a_broken_off_transfer_goes_on_after_a_restart_at_the_last_good_piece() {
    let world = World::new();
    let store = world.open().await;
    let (body, pieces) = written(store.bodies()).await;
    let reader = store
        .bodies()
        .reader(&body.place, body.body_digest, layout(&body))
        .await
        .unwrap();
    let leaves = reader.leaves().to_vec();
    let part = async |store: &Store| store.bodies().part(body.body_digest, layout(&body)).await;
    let mut writer = part(&store).await.unwrap();
    assert_eq!(writer.verified_pieces(), 0);
    assert!(matches!(part(&store).await, Err(BodyError::InUse)));
    writer.set_leaves(leaves.clone()).await.unwrap();
    for piece in &pieces[..3] {
        writer.append(piece.clone()).await.unwrap();
    }
    drop(writer);
    store.close().await;
    drop(store);
    // The machine lost the second chunk's pages.
    let name = body_files(&world)
        .into_keys()
        .find(|name| name.ends_with(".part"))
        .unwrap();
    let file = OpenOptions::new()
        .write(true)
        .open(world.data().join("bodies").join(&name))
        .unwrap();
    file.write_all_at(&[0; 4096], SEALED_CHUNK_BYTES).unwrap();
    let store = world.open().await;
    let mut writer = part(&store).await.unwrap();
    assert_eq!(writer.verified_pieces(), 2);
    writer.set_leaves(leaves).await.unwrap();
    for piece in &pieces[2..] {
        writer.append(piece.clone()).await.unwrap();
    }
    assert!(writer.is_complete());
    let place = writer.finish().await.unwrap();
    assert!(!body_files(&world).contains_key(&name));
    let reader = store
        .bodies()
        .reader(&place, body.body_digest, layout(&body))
        .await
        .unwrap();
    assert_eq!(reader.piece(2).await.unwrap(), pieces[2]);
}

#[tokio::test]
async fn what_does_not_have_its_digest_is_not_taken() {
    let world = World::new();
    let store = world.open().await;
    let (body, pieces) = written(store.bodies()).await;
    let reader = store
        .bodies()
        .reader(&body.place, body.body_digest, layout(&body))
        .await
        .unwrap();
    let mut leaves = reader.leaves().to_vec();
    let mut writer = store
        .bodies()
        .part(body.body_digest, layout(&body))
        .await
        .unwrap();
    leaves.swap(1, 3);
    assert!(matches!(
        writer.set_leaves(leaves.clone()).await,
        Err(BodyError::Mismatch { .. })
    ));
    leaves.swap(1, 3);
    writer.set_leaves(leaves).await.unwrap();
    writer.append(pieces[0].clone()).await.unwrap();
    let wrong = writer.append(pieces[2].clone()).await;
    assert!(matches!(wrong, Err(BodyError::Mismatch { piece: 1 })));
    let short = writer.append(pieces[3].clone()).await;
    assert!(matches!(short, Err(BodyError::Mismatch { piece: 1 })));
    let early = writer.finish().await;
    assert!(matches!(
        early,
        Err(BodyError::Incomplete { have: 1, want: 4 })
    ));
    // Without leaf hashes the whole is judged at the end, in a file and in memory.
    let small = Layout::of_packet(10, 1000).unwrap();
    for (layout, digest, pieces) in [
        (layout(&body), Digest::of(b"other"), pieces.clone()),
        (
            small,
            Digest::of(b"other"),
            vec![vec![1; 10].into(), vec![2; 1016].into()],
        ),
    ] {
        let mut writer = store.bodies().part(digest, layout).await.unwrap();
        for piece in pieces {
            writer.append(piece).await.unwrap();
        }
        assert!(matches!(
            writer.finish().await,
            Err(BodyError::Mismatch { .. })
        ));
    }
}

#[tokio::test]
async fn a_file_is_removed_with_its_row_and_with_a_repetition_that_needs_none() {
    let world = World::new();
    let store = world.open().await;
    let (first, _) = written(store.bodies()).await;
    let leg = take(&store, big_letter(1, &first).accept(1, Some("relay-2"))).await[0];
    let (second, _) = written(store.bodies()).await;
    let again = accept(&store, big_letter(1, &second).accept(1, Some("relay-2"))).await;
    assert!(matches!(again.outcomes[0], Outcome::Duplicate { .. }));
    let store = settled(&world, store).await;
    assert_eq!(
        body_files(&world).keys().collect::<Vec<_>>(),
        [name_of(&first.place)]
    );
    // Taken again as another envelope's: the name belongs to the first.
    let taken = store
        .commit(Change::of(vec![
            big_letter(2, &first).accept(1, None).into(),
        ]))
        .await;
    assert!(matches!(
        taken.unwrap_err(),
        CommitError::BodyMissing { .. }
    ));
    commit(&store, vec![to(leg, LegState::PassedOn).into()]).await;
    settled(&world, store).await;
    assert!(body_files(&world).is_empty());
}

/// Removals run beside the commits; a close waits for them.
async fn settled(world: &World, store: Store) -> Store {
    store.close().await;
    drop(store);
    world.open().await
}

#[tokio::test]
async fn the_sweep_removes_what_nobody_names_and_nothing_else() {
    let world = World::new();
    let store = world.open().await;
    let (named, _) = written(store.bodies()).await;
    take(&store, big_letter(1, &named).accept(1, Some("relay-2"))).await;
    let (fresh, _) = written(store.bodies()).await;
    let (forgotten, _) = written(store.bodies()).await;
    let folder = world.data().join("bodies");
    let foreign = folder.join("11112222333344445555666677778888");
    File::create(&foreign).unwrap();
    let part = folder.join(format!("{}-5.part", Digest::of(b"x")));
    File::create(&part).unwrap();
    let young = folder.join(format!("{}-5.part", Digest::of(b"y")));
    File::create(&young).unwrap();
    let aged = |path: &std::path::Path, hours: i64| {
        let ms = u64::try_from(NOW.minus_ms(hours * HOUR_MS).unix_ms()).unwrap();
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_millis(ms))
            .unwrap();
    };
    aged(&folder.join(name_of(&named.place)), 90);
    aged(&folder.join(name_of(&forgotten.place)), 2);
    aged(&folder.join(name_of(&fresh.place)), 0);
    aged(&foreign, 2);
    aged(&part, 25);
    aged(&young, 23);
    assert_eq!(store.sweep(NOW).await.unwrap(), 2);
    let files = body_files(&world);
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.contains_key(name_of(&named.place)) && files.contains_key(name_of(&fresh.place)));
    assert!(young.exists() && !part.exists() && !foreign.exists());
    // What was swept can no longer be named; what is fresh can.
    let late = big_letter(2, &forgotten).accept(1, None);
    let late = store.commit(Change::of(vec![late.into()])).await;
    assert!(matches!(late.unwrap_err(), CommitError::BodyMissing { .. }));
    accept(&store, big_letter(3, &fresh).accept(1, None)).await;
}

#[tokio::test]
async fn a_refused_change_leaves_its_file_to_be_named_again() {
    let world = World::new();
    let store = world.open().await;
    let (body, _) = written(store.bodies()).await;
    let letter = big_letter(1, &body);
    let refusing = Note {
        text: "x".to_owned(),
        refuse: true,
    };
    let writes = vec![letter.accept(1, None).into()];
    store
        .commit(Change::with_desk(writes, Box::new(refusing)))
        .await
        .unwrap_err();
    let again = accept(&store, letter.accept(1, None)).await;
    assert!(matches!(again.outcomes[0], Outcome::Accepted { .. }));
}

#[tokio::test]
async fn without_room_no_part_is_begun_and_small_bodies_need_none() {
    let world = World::new();
    let mut options = world.options();
    options.free_floor_bytes = u64::MAX;
    let store = Store::open(&world.data(), options).await.unwrap();
    let large = Layout::of_packet(100, 1_000_000).unwrap();
    let refused = store.bodies().part(Digest::of(b"x"), large).await;
    assert!(matches!(refused.unwrap_err(), BodyError::DiskFull { .. }));
    assert!(!store.bodies().has_room(0));
    let small = Layout::of_packet(100, 1000).unwrap();
    assert!(store.bodies().part(Digest::of(b"x"), small).await.is_ok());
    assert!(
        fs::read_dir(world.data().join("bodies"))
            .unwrap()
            .next()
            .is_none()
    );
}

#[tokio::test]
async fn open_parts_reserve_the_room_they_will_need() {
    let world = World::new();
    let store = world.open().await;
    let free = store.bodies().free_bytes().unwrap();
    let half = Layout::of_packet(100, 1_500_000_000).unwrap();
    let want = free / 1_500_000_000;
    // As many as fit are given, one more is not; a dropped one gives its room back.
    let mut parts = Vec::new();
    for number in 0..want.min(64) {
        let digest = Digest::of(&number.to_be_bytes());
        match store.bodies().part(digest, half).await {
            Ok(part) => parts.push(part),
            Err(error) => assert!(matches!(error, BodyError::DiskFull { .. }), "{error}"),
        }
    }
    if let Some(part) = parts.pop() {
        let left = free.saturating_sub(1_500_000_000 * u64::try_from(parts.len() + 1).unwrap());
        let ask = left.saturating_add(700_000_000);
        assert!(!store.bodies().has_room(ask));
        drop(part);
        assert!(store.bodies().has_room(ask.saturating_sub(600_000_000)));
    }
}
