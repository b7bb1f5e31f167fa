//! Tombstones: what its sender took back at the home station is stated once and never delivered.

use std::collections::BTreeSet;

use formats::statement::Event;

use super::world::{NOW, World, commit, letter, station, take, to};
use crate::store::{Change, KnownLeg, LegState, Outcome, Store, Withdraw};

fn back(number: u64, recipients: usize) -> Withdraw {
    let header = letter(number).header();
    Withdraw {
        recipients: header.context().recipients[..recipients].to_vec(),
        header: header.into(),
        header_signature: b"signature".to_vec(),
        at: NOW.plus_ms(1),
    }
}

async fn stated(store: &Store) -> Vec<(Event, String)> {
    let owed = store.owed_receipts(100, &BTreeSet::new()).await.unwrap();
    let mut all = Vec::new();
    for one in owed {
        assert_eq!(
            one.station,
            station("node-a"),
            "told to the sender's station"
        );
        for statement in one.bundle.statements().unwrap() {
            all.push((statement.event, statement.recipient.to_string()));
        }
    }
    all
}

#[tokio::test]
async fn an_envelope_taken_back_before_it_comes_is_answered_and_never_worked_on() {
    let world = World::new();
    let store = world.open().await;
    let buried = commit(&store, vec![back(1, 1).into()]).await;
    assert_eq!(buried.outcomes, [Outcome::Moved]);
    store.close().await;
    drop(store);
    // After a restart as well.
    let store = world.open().await;
    let expected = [(Event::Recalled, "H01.36".to_owned())];
    assert_eq!(stated(&store).await, expected);
    let late = super::world::accept(&store, letter(1).accept(2, None)).await;
    let Outcome::Duplicate { legs, .. } = &late.outcomes[0] else {
        panic!("{:?}", late.outcomes);
    };
    let [first, second] = &legs[..] else { panic!() };
    let tombstone = KnownLeg {
        leg: first.leg,
        state: LegState::Withdrawn,
        fresh: false,
    };
    assert_eq!(*first, tombstone);
    assert!(second.fresh, "the other recipient gets it");
    let again = commit(&store, vec![back(1, 1).into()]).await;
    assert_eq!(again.outcomes, [Outcome::Stale], "stated once");
    assert_eq!(stated(&store).await.len(), 1);
}

#[tokio::test]
async fn a_leg_that_waits_for_its_desk_is_withdrawn_and_one_that_was_delivered_is_not() {
    let world = World::new();
    let store = world.open().await;
    let legs = take(&store, letter(2).accept(2, None)).await;
    commit(&store, vec![to(legs[0], LegState::PassedOn).into()]).await;
    let both = commit(&store, vec![back(2, 2).into()]).await;
    assert_eq!(both.outcomes, [Outcome::Moved]);
    let state = |leg| {
        let store = &store;
        async move { store.leg(leg).await.unwrap().unwrap().state }
    };
    assert_eq!(state(legs[0]).await, LegState::PassedOn);
    assert_eq!(state(legs[1]).await, LegState::Withdrawn);
    assert_eq!(stated(&store).await, [(Event::Recalled, "H02".to_owned())]);
    let late = commit(&store, vec![to(legs[1], LegState::PassedOn).into()]).await;
    assert_eq!(late.outcomes, [Outcome::Stale], "the desk comes too late");
}

#[tokio::test]
async fn another_header_under_the_same_id_takes_nothing_back() {
    let world = World::new();
    let store = world.open().await;
    let legs = take(&store, letter(3).accept(1, None)).await;
    let mut other = letter(3);
    other.body = bytes::Bytes::from(vec![8; 600]);
    let mut forged = back(3, 1);
    forged.header = other.header().into();
    let answer = commit(&store, vec![forged.into()]).await;
    assert!(matches!(answer.outcomes[0], Outcome::IdConflict { .. }));
    let stranger = Withdraw {
        recipients: vec![super::world::agency("H77")],
        ..back(3, 1)
    };
    assert!(
        store
            .commit(Change::of(vec![stranger.into()]))
            .await
            .is_err()
    );
    let state = store.leg(legs[0]).await.unwrap().unwrap().state;
    assert_eq!(state, LegState::Queued);
}
