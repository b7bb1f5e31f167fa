//! What a start finds after an end that nobody planned.

use std::collections::BTreeSet;
use std::fs;

use formats::reason::Reason;
use formats::statement::Event;

use super::world::*;
use crate::store::body::BodyError;
use crate::store::{Change, CommitError, LegState, Outcome, ProofBase, Store};

/// Copies the folder of a running store: what a `kill -9` leaves, byte for byte.
fn crashed(world: &World) -> World {
    let dir = tempfile::tempdir().unwrap();
    let copy = World {
        dir,
        identity: world.identity.clone(),
        verified: world.verified.clone(),
        validator: world.validator.clone(),
        clock: world.clock.clone(),
    };
    fs::create_dir_all(copy.data().join("bodies")).unwrap();
    for folder in ["", "bodies"] {
        for entry in fs::read_dir(world.data().join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let to = copy.data().join(folder).join(entry.file_name());
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    copy
}

#[tokio::test]
async fn everything_answered_is_there_after_a_crash_and_the_head_is_the_same() {
    let world = World::new();
    let store = world.open().await;
    for number in 0..300 {
        accept(&store, letter(number).accept(1, Some("relay-2"))).await;
    }
    let leg = take(&store, letter(300).accept(1, None)).await[0];
    let moved = stating(to(leg, LegState::PassedOn), Event::ContentConsignment);
    commit(&store, vec![moved.into()]).await;
    let head = store.head().borrow().clone();
    let after = crashed(&world);
    let again = after.open().await;
    let found = again.head().borrow().clone();
    assert_eq!((found.size, found.root), (head.size, head.root));
    for number in 0..=300 {
        let stored = again
            .find(&agency("G14"), &letter(number).id())
            .await
            .unwrap()
            .unwrap();
        let bundle = again
            .statements(stored.key, &[], ProofBase::Newest)
            .await
            .unwrap()
            .unwrap();
        after.check(&bundle);
    }
    let owed = again.owed_receipts(10, &BTreeSet::new()).await.unwrap();
    assert_eq!(owed[0].positions.len(), 1);
    after.check(&owed[0].bundle);
    let next = accept(&again, letter(301).accept(1, None)).await;
    assert_eq!(after.check(&next.bundle.unwrap()).0.size, head.size + 1);
}

#[tokio::test]
async fn an_interrupted_offer_is_queued_again_and_a_wait_goes_on() {
    let world = World::new();
    let store = world.open().await;
    let legs = take(&store, letter(1).accept(2, Some("relay-2"))).await;
    let next_at = NOW.plus_ms(HOUR_MS);
    let wait = LegState::WaitingRetry {
        reason: Reason::LinkLost,
        next_at,
        attempt: 4,
    };
    let moves = [to(legs[0], LegState::Offered), to(legs[1], wait.clone())];
    commit(&store, moves.map(Into::into).to_vec()).await;
    let image = crashed(&world);
    let again = image.open().await;
    let due = again.due(&station("relay-2"), NOW, 10).await.unwrap();
    assert_eq!(due.iter().map(|due| due.leg).collect::<Vec<_>>(), [legs[0]]);
    assert_eq!(again.leg(legs[1]).await.unwrap().unwrap().state, wait);
}

#[tokio::test]
async fn doomed_files_are_gone_after_a_start() {
    // A crash between the commit and the unlink leaves the file and the row that dooms it.
    let world = World::new();
    let store = world.open().await;
    let mut writer = store.bodies().writer();
    writer.append(vec![2; 100_000].into()).await.unwrap();
    let body = writer.finish(vec![1; 900].into()).await.unwrap();
    let mut big = letter(1);
    big.capsule_bytes = body.capsule_bytes;
    big.body_digest = Some(body.body_digest);
    big.place = Some(body.place.clone());
    let committed = accept(&store, big.accept(1, Some("relay-2"))).await;
    let Outcome::Accepted { envelope, legs } = committed.outcomes[0].clone() else {
        panic!()
    };
    let image = crashed(&world);
    let name = body_files(&image).into_keys().next().unwrap();
    let again = image.open().await;
    let stored = again.envelope(envelope).await.unwrap().unwrap();
    assert!(again.open_body(&stored).await.unwrap().is_some());
    again.close().await;
    drop(again);
    // As the commit of the last move would leave it.
    let admin = Store::admin_pool(&image.data()).await.unwrap();
    for statement in [
        "UPDATE leg SET phase = 4",
        "UPDATE envelope SET body_kind = 2, body_file = NULL",
    ] {
        sqlx::query(statement).execute(&admin).await.unwrap();
    }
    sqlx::query("INSERT INTO doomed_body VALUES (?)")
        .bind(&name)
        .execute(&admin)
        .await
        .unwrap();
    admin.close().await;
    let again = image.open().await;
    assert!(body_files(&image).is_empty());
    assert_eq!(
        again.leg(legs[0]).await.unwrap().unwrap().state,
        LegState::PassedOn
    );
    let stored = again.envelope(envelope).await.unwrap().unwrap();
    assert!(stored.body.is_none());
}

#[tokio::test]
async fn a_closed_store_takes_nothing_and_has_answered_everything() {
    let world = World::new();
    let store = world.open().await;
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (store, letter) = (store.clone(), letter(number));
        waiting.spawn(async move {
            store
                .commit(Change::of(vec![letter.accept(1, None).into()]))
                .await
        });
    }
    tokio::task::yield_now().await;
    store.close().await;
    let mut taken = 0;
    for one in waiting.join_all().await {
        match one {
            Ok(committed) => {
                world.check(&committed.bundle.unwrap());
                taken += 1;
            }
            Err(error) => assert!(matches!(error, CommitError::Closed), "{error}"),
        }
    }
    assert!(taken > 0);
    let late = store
        .commit(Change::of(vec![letter(99).accept(1, None).into()]))
        .await;
    assert!(matches!(late.unwrap_err(), CommitError::Closed));
    drop(store);
    let again = world.open().await;
    let size = again.head().borrow().size;
    assert_eq!(size, 1 + taken);
}

#[tokio::test]
async fn a_body_without_its_file_is_said_to_be_missing() {
    let world = World::new();
    let store = world.open().await;
    let mut writer = store.bodies().writer();
    writer.append(vec![2; 100_000].into()).await.unwrap();
    let body = writer.finish(vec![1; 900].into()).await.unwrap();
    let mut big = letter(1);
    big.capsule_bytes = body.capsule_bytes;
    big.body_digest = Some(body.body_digest);
    big.place = Some(body.place.clone());
    let committed = accept(&store, big.accept(1, None)).await;
    let Outcome::Accepted { envelope, .. } = committed.outcomes[0] else {
        panic!()
    };
    for name in body_files(&world).into_keys() {
        fs::remove_file(world.data().join("bodies").join(name)).unwrap();
    }
    let stored = store.envelope(envelope).await.unwrap().unwrap();
    let missing = store.open_body(&stored).await;
    assert!(matches!(missing, Err(BodyError::Missing { .. })));
}
