//! Statements, proofs and checkpoints of the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use formats::checkpoint::LogOrigin;
use formats::id::Digest;
use formats::merkle;
use formats::statement::{Event, LogOpened, Statement};

use super::world::*;
use crate::store::{Change, LegState, OpenError, Outcome, ProofBase, Store, Write};

#[tokio::test]
async fn every_statement_of_a_change_comes_back_proven_and_chained() {
    let world = World::new();
    let store = world.open().await;
    let letter = letter(1);
    let committed = accept(&store, letter.accept(2, Some("relay-2"))).await;
    let (checkpoint, statements) = world.check(committed.bundle.as_ref().unwrap());
    // Leaf 0 opens the log.
    assert_eq!(checkpoint.size, 3);
    let header_digest = letter.header().digest();
    let first = &statements[0];
    assert_eq!(first.event, Event::RelayAcceptance);
    assert_eq!(
        (first.prev, first.header_digest),
        (header_digest, header_digest)
    );
    assert_eq!(
        (&first.sender, &first.recipient),
        (&agency("G14"), &agency("H01.36"))
    );
    assert_eq!((first.time, &first.station), (NOW, &station("relay-1")));
    assert_eq!(first.next_station, Some(station("relay-2")));
    assert_eq!(first.commitment, Some(Digest::of(b"commitment")));
    assert!(!first.clock_unsure);
    let leg = legs_of(&committed.outcomes[0])[0];
    store.set_clock_unsure(true);
    let moved = stating(to(leg, LegState::Held), Event::RelayFailure);
    let mut moved = moved;
    moved.statement.as_mut().unwrap().reason = Some(formats::reason::Reason::LinkLost);
    let committed = commit(&store, vec![moved.into()]).await;
    let (_, next) = world.check(committed.bundle.as_ref().unwrap());
    let proven = &accept_bundle(&store, &letter).await.proven[0];
    assert_eq!(next[0].prev, Digest::of(&proven.statement));
    assert!(next[0].clock_unsure);
}

async fn accept_bundle(store: &Store, letter: &Letter) -> formats::receipt::ReceiptBundle {
    let found = store
        .find(&agency("G14"), &letter.id())
        .await
        .unwrap()
        .unwrap();
    store
        .statements(found.key, &[], ProofBase::Newest)
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_commits_are_shared_and_checkpoints_only_grow() {
    let world = World::new();
    let store = world.open().await;
    let mut heads = store.head();
    let mut watchers = tokio::task::JoinSet::new();
    watchers.spawn(async move {
        let mut sizes = vec![heads.borrow().size];
        while heads.changed().await.is_ok() {
            sizes.push(heads.borrow_and_update().size);
        }
        sizes
    });
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..400 {
        let (store, letter) = (store.clone(), letter(number));
        tasks.spawn(async move { accept(&store, letter.accept(2, Some("relay-2"))).await });
    }
    let (mut indexes, mut roots) = (BTreeSet::new(), BTreeSet::new());
    for committed in tasks.join_all().await {
        let bundle = committed.bundle.unwrap();
        let (checkpoint, statements) = world.check(&bundle);
        assert_eq!(statements.len(), 2);
        indexes.extend(bundle.proven.iter().map(|proven| proven.index));
        roots.insert((checkpoint.size, checkpoint.root));
    }
    // Each statement has its own leaf; one size has one root; commits were shared.
    assert_eq!(indexes, (1..=800).collect());
    let sizes: BTreeSet<u64> = roots.iter().map(|(size, _)| *size).collect();
    assert_eq!(sizes.len(), roots.len());
    assert!(roots.len() < 400, "{} checkpoints", roots.len());
    store.close().await;
    drop(store);
    let sizes = watchers.join_next().await.unwrap().unwrap();
    assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "{sizes:?}");
    assert_eq!(*sizes.last().unwrap(), 801);
}

#[tokio::test]
async fn old_statements_are_proven_in_the_newest_head_across_full_tiles() {
    let world = World::new();
    let store = world.open().await;
    let first = accept(&store, letter(0).accept(1, Some("relay-2"))).await;
    let (old, _) = world.check(first.bundle.as_ref().unwrap());
    for batch in 0..4_u64 {
        let writes: Vec<Write> = (1..=100)
            .map(|number| {
                letter(batch * 100 + number)
                    .accept(2, Some("relay-2"))
                    .into()
            })
            .collect();
        let committed = commit(&store, writes).await;
        assert_eq!(world.check(&committed.bundle.unwrap()).1.len(), 200);
    }
    let check = async |store: &Store| {
        for number in [0, 1, 130, 131, 400] {
            let (checkpoint, statements) =
                world.check(&accept_bundle(store, &letter(number)).await);
            assert_eq!(checkpoint.size, 802);
            assert!(!statements.is_empty());
        }
        let path = store.consistency(old.size, 802).await.unwrap().unwrap();
        let head = store.head().borrow().clone();
        assert!(merkle::verify_consistency(
            old.size, 802, &old.root, &head.root, &path
        ));
        assert_eq!(
            store.tile(0, 0, 256).await.unwrap().unwrap().len(),
            256 * 32
        );
        assert_eq!(store.tile(1, 0, 3).await.unwrap().unwrap().len(), 3 * 32);
        assert!(store.tile(0, 3, 256).await.unwrap().is_none());
        assert!(store.consistency(1, 803).await.unwrap().is_none());
    };
    check(&store).await;
    store.close().await;
    drop(store);
    check(&world.open().await).await;
}

#[tokio::test]
async fn owed_receipts_are_grouped_proven_and_settled_with_their_envelope() {
    let world = World::new();
    let store = world.open().await;
    for number in 0..3 {
        let leg = take(&store, letter(number).accept(1, None)).await[0];
        let moved = stating(to(leg, LegState::PassedOn), Event::ContentConsignment);
        commit(&store, vec![moved.into()]).await;
    }
    let owed = store.owed_receipts(100, &BTreeSet::new()).await.unwrap();
    assert_eq!(owed.len(), 1);
    assert_eq!(
        (&owed[0].station, owed[0].positions.len()),
        (&station("node-a"), 3)
    );
    let (_, statements) = world.check(&owed[0].bundle);
    assert!(
        statements
            .iter()
            .all(|statement| statement.event == Event::ContentConsignment)
    );
    let two = store.owed_receipts(2, &BTreeSet::new()).await.unwrap();
    assert_eq!(two[0].positions.len(), 2);
    let passed_over = BTreeSet::from([station("node-a")]);
    assert!(
        store
            .owed_receipts(100, &passed_over)
            .await
            .unwrap()
            .is_empty()
    );
    // A change that is refused settles nothing.
    let settle = Write::SettleReceipts {
        positions: owed[0].positions[..2].to_vec(),
    };
    let refusing = Note {
        text: String::new(),
        refuse: true,
    };
    let refused = Change::with_desk(vec![settle.clone()], Box::new(refusing));
    store.commit(refused).await.unwrap_err();
    let still = store.owed_receipts(100, &BTreeSet::new()).await.unwrap();
    assert_eq!(still[0].positions.len(), 3);
    commit(
        &store,
        vec![letter(9).accept(1, Some("relay-2")).into(), settle],
    )
    .await;
    let left = store.owed_receipts(100, &BTreeSet::new()).await.unwrap();
    assert_eq!(left[0].positions, owed[0].positions[2..]);
    assert_eq!(store.shape(NOW).await.unwrap().owed_receipts, 1);
}

#[tokio::test]
async fn evidence_of_others_is_kept_once_per_envelope() {
    let world = World::new();
    let store = world.open().await;
    let bundle = accept(&store, letter(7).accept(1, None))
        .await
        .bundle
        .unwrap();
    let bundle = Arc::new(bundle);
    let committed = accept(&store, letter(1).accept(2, Some("relay-2"))).await;
    let Outcome::Accepted { envelope, legs } = committed.outcomes[0].clone() else {
        panic!()
    };
    let moves = legs.into_iter().map(|leg| {
        let mut one = to(leg, LegState::PassedOn);
        one.evidence = Some(bundle.clone());
        Write::from(one)
    });
    commit(&store, moves.collect()).await;
    let keep = Write::KeepEvidence {
        envelope,
        bundle: bundle.clone(),
        at: NOW,
    };
    assert_eq!(
        commit(&store, vec![keep]).await.outcomes,
        vec![Outcome::Moved]
    );
    let kept = store.received_evidence(envelope).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].encode(), bundle.encode());
}

#[tokio::test]
async fn proofs_are_rebased_on_the_first_stamped_checkpoint_that_covers_them() {
    let world = World::new();
    let store = world.open().await;
    accept(&store, letter(1).accept(1, Some("relay-2"))).await;
    let stamped = store.head().borrow().clone();
    accept(&store, letter(2).accept(1, Some("relay-2"))).await;
    let mut signed = stamped.signed.clone();
    signed.token = Some(b"token".to_vec());
    store
        .keep_stamped(stamped.size, stamped.root, signed.clone(), NOW)
        .await
        .unwrap();
    accept(&store, letter(3).accept(1, Some("relay-2"))).await;
    let base = async |number: u64, base| {
        let found = store
            .find(&agency("G14"), &letter(number).id())
            .await
            .unwrap()
            .unwrap();
        let bundle = store
            .statements(found.key, &[], base)
            .await
            .unwrap()
            .unwrap();
        let (checkpoint, _) = world.check(&bundle);
        (checkpoint.size, bundle.checkpoint.token)
    };
    assert_eq!(
        base(1, ProofBase::FirstStamped).await,
        (2, Some(b"token".to_vec()))
    );
    assert_eq!(base(1, ProofBase::Newest).await, (4, None));
    assert_eq!(base(2, ProofBase::FirstStamped).await, (4, None));
    assert_eq!(
        store.stamped().await.unwrap().unwrap().encode(),
        signed.encode()
    );
    let found = store
        .find(&agency("G14"), &letter(1).id())
        .await
        .unwrap()
        .unwrap();
    let none = store
        .statements(found.key, &[agency("H02")], ProofBase::Newest)
        .await
        .unwrap();
    assert!(none.is_none());
}

#[tokio::test]
async fn another_origin_opens_an_epoch_that_names_the_last_head() {
    let mut world = World::new();
    let store = world.open().await;
    let leg = take(&store, letter(1).accept(1, Some("relay-2"))).await[0];
    let old = store.head().borrow().clone();
    store.close().await;
    drop(store);
    world.identity.origin = LogOrigin::new(station("relay-1"), 2);
    let store = world.open().await;
    assert_eq!(store.head().borrow().size, 1);
    let opened = opening(&store).await;
    let previous = opened.previous.unwrap();
    assert_eq!((previous.size, previous.root), (old.size, old.root));
    assert_eq!(opened.why, "restored");
    // The chain of a leg begins anew in the new log.
    let moved = stating(to(leg, LegState::PassedOn), Event::ContentHandover);
    let committed = commit(&store, vec![moved.into()]).await;
    let (checkpoint, statements) = world.check(&committed.bundle.unwrap());
    assert_eq!((checkpoint.origin.epoch(), checkpoint.size), (2, 2));
    assert_eq!(statements[0].prev, letter(1).header().digest());
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story told from beginning to end"
)]
async fn what_a_closed_epoch_stated_is_still_proven_and_its_receipts_still_go_out() {
    let mut world = World::new();
    let store = world.open().await;
    let leg = take(&store, letter(1).accept(1, None)).await[0];
    let moved = stating(to(leg, LegState::PassedOn), Event::ContentConsignment);
    commit(&store, vec![moved.into()]).await;
    // Enough for a full tile, and some more.
    let writes = (2..302).map(|number| letter(number).accept(1, Some("relay-2")).into());
    commit(&store, writes.collect()).await;
    let old = store.head().borrow().clone();
    store.close().await;
    drop(store);
    let mut options = world.options();
    options.open_epoch = Some("damaged".to_owned());
    let store = Store::open(&world.data(), options).await.unwrap();
    let opened = opening(&store).await;
    assert_eq!((opened.why.as_str(), opened.origin.epoch()), ("damaged", 2));
    // The receipt that was owed goes out, proven in the last head of its epoch.
    let owed = store.owed_receipts(100, &BTreeSet::new()).await.unwrap();
    let (checkpoint, statements) = world.check(&owed[0].bundle);
    assert_eq!(
        (checkpoint.origin.epoch(), checkpoint.size, checkpoint.root),
        (1, old.size, old.root)
    );
    assert_eq!(statements[0].event, Event::ContentConsignment);
    let settle = Write::SettleReceipts {
        positions: owed[0].positions.clone(),
    };
    commit(&store, vec![settle]).await;
    // A leg that is spoken of in both epochs: each is proven in its own.
    let leg = legs_of(
        &accept(&store, letter(400).accept(1, Some("relay-2")))
            .await
            .outcomes[0],
    )[0];
    commit(
        &store,
        vec![stating(to(leg, LegState::PassedOn), Event::ContentHandover).into()],
    )
    .await;
    let again = stating_again(&store, &letter(2)).await;
    commit(&store, vec![again]).await;
    let both = |store: Store| async move {
        let key = store
            .find(&agency("G14"), &letter(2).id())
            .await
            .unwrap()
            .unwrap()
            .key;
        let all = store
            .all_statements(key, &[], ProofBase::FirstStamped)
            .await
            .unwrap();
        let one = store
            .statements(key, &[], ProofBase::Newest)
            .await
            .unwrap()
            .unwrap();
        (all, one)
    };
    let (all, one) = both(store.clone()).await;
    let epochs: Vec<u32> = all
        .iter()
        .map(|one| world.check(one).0.origin.epoch())
        .collect();
    assert_eq!(epochs, [1, 2]);
    assert_eq!(world.check(&one).0.origin.epoch(), 2);
    // The folder says which epoch goes on, whatever the record says; and the closed head stays the same.
    store.close().await;
    drop(store);
    world.identity.origin = LogOrigin::new(station("relay-1"), 1);
    let store = world.open().await;
    assert_eq!(store.log_identity().origin.epoch(), 2);
    let (again, _) = both(store.clone()).await;
    assert_eq!(again[0].checkpoint, all[0].checkpoint);
    let path = store
        .consistency_of(&"relay-1.tram.test/log/1".parse().unwrap(), 200, old.size)
        .await;
    assert!(path.unwrap().is_some());
}

/// A second statement on the leg of a letter.
async fn stating_again(store: &Store, letter: &Letter) -> Write {
    let found = store
        .find(&agency("G14"), &letter.id())
        .await
        .unwrap()
        .unwrap();
    let legs = store.legs(found.key).await.unwrap();
    stating(to(legs[0].leg, LegState::PassedOn), Event::ContentHandover).into()
}

#[tokio::test]
async fn while_the_log_is_stopped_nothing_is_stated_and_the_rest_goes_on() {
    let world = World::new();
    let store = world.open().await;
    let leg = take(&store, letter(1).accept(1, Some("relay-2"))).await[0];
    let size = store.head().borrow().size;
    store.stop_stating();
    let stating = stating(to(leg, LegState::PassedOn), Event::ContentHandover);
    for change in [
        Change::of(vec![letter(2).accept(1, Some("relay-2")).into()]),
        Change::of(vec![stating.into()]),
    ] {
        let error = store.commit(change).await.unwrap_err();
        assert!(
            matches!(error, crate::store::CommitError::Busy { .. }),
            "{error}"
        );
    }
    // Moves without a statement are still written.
    let outcomes = commit(&store, vec![to(leg, LegState::Held).into()])
        .await
        .outcomes;
    assert_eq!(outcomes, vec![Outcome::Moved]);
    assert_eq!(store.head().borrow().size, size);
}

async fn opening(store: &Store) -> LogOpened {
    use sqlx::Row;
    let row = sqlx::query(
        "SELECT s.body FROM statement s JOIN log l ON l.first_position = s.position \
         ORDER BY l.epoch DESC LIMIT 1",
    )
    .fetch_one(&store.reader())
    .await
    .unwrap();
    LogOpened::parse(&row.get::<Vec<u8>, _>("body")).unwrap()
}

#[tokio::test]
async fn a_log_that_was_changed_or_cut_does_not_open() {
    for damage in [
        "UPDATE statement SET body = x'00' WHERE position = 2",
        "UPDATE statement SET leaf = zeroblob(32) WHERE position = 3",
        "DELETE FROM statement WHERE position = 2",
        "UPDATE tile SET root = zeroblob(32)",
        "DELETE FROM tile",
        "DELETE FROM statement WHERE position > 300",
    ] {
        let world = World::new();
        let store = world.open().await;
        let full = damage.contains("tile") || damage.contains("300");
        let letters = if full { 200 } else { 2 };
        let writes = (0..letters).map(|number| letter(number).accept(2, Some("relay-2")).into());
        commit(&store, writes.collect()).await;
        let head = store.head().borrow().clone();
        store
            .keep_stamped(head.size, head.root, head.signed.clone(), NOW)
            .await
            .unwrap();
        store.close().await;
        drop(store);
        let admin = Store::admin_pool(&world.data()).await.unwrap();
        sqlx::query(damage).execute(&admin).await.unwrap();
        admin.close().await;
        let error = Store::open(&world.data(), world.options())
            .await
            .unwrap_err();
        assert!(matches!(error, OpenError::Log { .. }), "{damage}: {error}");
    }
}

#[tokio::test]
async fn a_statement_whose_tile_was_changed_is_not_given_a_proof() {
    let world = World::new();
    let store = world.open().await;
    let writes = (0..200).map(|number| letter(number).accept(2, Some("relay-2")).into());
    commit(&store, writes.collect()).await;
    let admin = Store::admin_pool(&world.data()).await.unwrap();
    sqlx::query("UPDATE tile SET hashes = zeroblob(8192)")
        .execute(&admin)
        .await
        .unwrap();
    let found = store
        .find(&agency("G14"), &letter(3).id())
        .await
        .unwrap()
        .unwrap();
    let error = store
        .statements(found.key, &[], ProofBase::Newest)
        .await
        .unwrap_err();
    assert!(
        matches!(error, crate::store::ReadError::Unprovable { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn statements_read_back_are_byte_for_byte_what_was_proven() {
    let world = World::new();
    let store = world.open().await;
    let bundle = accept(&store, letter(1).accept(2, None))
        .await
        .bundle
        .unwrap();
    let again = accept_bundle(&store, &letter(1)).await;
    assert_eq!(bundle.proven, again.proven);
    for proven in &again.proven {
        assert_eq!(
            Statement::parse(&proven.statement).unwrap().to_json(),
            proven.statement
        );
    }
}
