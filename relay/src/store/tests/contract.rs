//! Idempotency, conflicts, moves, the desk's part, limits of the disk.

use formats::header::Priority;
use formats::reason::Reason;
use formats::statement::Event;

use super::world::*;
use crate::store::{
    BodyPlace, Change, CommitError, EnvelopeKey, KnownLeg, LegId, LegState, NewLeg, OpenError,
    Outcome, Store, Write,
};

#[tokio::test]
async fn a_new_envelope_is_accepted_and_read_back_as_it_came() {
    let world = World::new();
    let store = world.open().await;
    let letter = letter(1);
    let committed = accept(&store, letter.accept(2, Some("relay-2"))).await;
    let Outcome::Accepted { envelope, legs } = &committed.outcomes[0] else {
        panic!()
    };
    assert_eq!(legs.len(), 2);
    let stored = store.envelope(*envelope).await.unwrap().unwrap();
    assert_eq!(stored.header.bytes(), letter.header().bytes());
    assert_eq!(stored.header_signature, b"signature");
    assert_eq!(stored.body, Some(BodyPlace::Inline(letter.body.clone())));
    assert_eq!(stored.via, vec![station("node-a")]);
    assert_eq!(stored.from, Some(station("node-a")));
    let found = store
        .find(&agency("G14"), &letter.id())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.key, *envelope);
    assert_eq!(store.find_id(&letter.id()).await.unwrap().len(), 1);
    let records = store.legs(*envelope).await.unwrap();
    assert_eq!(records[1].recipient, agency("H02"));
    assert_eq!(records[1].next_hop, Some(station("relay-2")));
    assert_eq!(records[1].state, LegState::Queued);
    let reader = store.open_body(&stored).await.unwrap().unwrap();
    assert_eq!(reader.piece(0).await.unwrap().len(), 200);
    assert_eq!(reader.piece(1).await.unwrap().len(), 400);
}

#[tokio::test]
async fn the_same_envelope_again_has_the_same_legs_and_a_new_recipient_gets_one() {
    let world = World::new();
    let store = world.open().await;
    let letter = letter(1);
    let first = take(&store, letter.accept(1, Some("relay-2"))).await;
    // Once more in the same process (from memory) and in a new one (from the database).
    let again = async |store: &Store| {
        let again = accept(store, letter.accept(1, Some("relay-2"))).await;
        let Outcome::Duplicate { legs, .. } = &again.outcomes[0] else {
            panic!()
        };
        let known = KnownLeg {
            leg: first[0],
            state: LegState::Queued,
            fresh: false,
        };
        assert_eq!(*legs, vec![known]);
        assert!(again.bundle.is_none());
    };
    again(&store).await;
    again(&reopened(&world, store).await).await;
}

async fn reopened(world: &World, store: Store) -> Store {
    store.close().await;
    drop(store);
    world.open().await
}

#[tokio::test]
async fn a_duplicate_adds_the_leg_that_was_not_there() {
    let world = World::new();
    let store = world.open().await;
    let letter = letter(1);
    let first = take(&store, letter.accept(1, Some("relay-2"))).await;
    let both = accept(&store, letter.accept(2, Some("relay-2"))).await;
    let Outcome::Duplicate { legs, .. } = &both.outcomes[0] else {
        panic!()
    };
    assert_eq!((legs[0].leg, legs[0].fresh), (first[0], false));
    assert!(legs[1].fresh);
    let (_, statements) = world.check(&both.bundle.unwrap());
    assert_eq!(statements.len(), 1);
    assert_eq!(statements[0].recipient, agency("H02"));
}

#[tokio::test]
async fn another_header_under_the_same_id_is_kept_as_evidence_and_not_accepted() {
    let world = World::new();
    let store = world.open().await;
    let first = accept(&store, letter(1).accept(1, None)).await;
    let Outcome::Accepted { envelope, .. } = first.outcomes[0] else {
        panic!()
    };
    let mut other = letter(1);
    other.priority = Priority::Urgent;
    for _ in 0..2 {
        let second = accept(&store, other.accept(1, None)).await;
        assert_eq!(second.outcomes, vec![Outcome::IdConflict { envelope }]);
        assert!(second.bundle.is_none());
    }
    let conflicts = store.conflicts(10).await.unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].header, other.header().bytes());
    assert_eq!(store.legs(envelope).await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_a_higher_attempt_takes_a_passed_on_leg_up_again() {
    let world = World::new();
    let store = world.open().await;
    let letter = letter(1);
    let leg = take(&store, letter.accept(1, Some("relay-2"))).await[0];
    commit(&store, vec![to(leg, LegState::PassedOn).into()]).await;
    let mut again = letter.accept(1, Some("relay-3"));
    let same = accept(&store, again.clone()).await;
    let passed = KnownLeg {
        leg,
        state: LegState::PassedOn,
        fresh: false,
    };
    let Outcome::Duplicate { envelope, legs } = &same.outcomes[0] else {
        panic!()
    };
    assert_eq!(*legs, vec![passed]);
    assert!(
        store
            .envelope(*envelope)
            .await
            .unwrap()
            .unwrap()
            .body
            .is_none()
    );
    again.attempt = 2;
    let higher = accept(&store, again.clone()).await;
    let Outcome::Duplicate { legs, .. } = &higher.outcomes[0] else {
        panic!()
    };
    assert_eq!(
        *legs,
        vec![KnownLeg {
            leg,
            state: LegState::Queued,
            fresh: true
        }]
    );
    // The body is back, the way is the new one, and the statement says so.
    let stored = store.envelope(*envelope).await.unwrap().unwrap();
    assert!(stored.body.is_some());
    assert_eq!(
        store.leg(leg).await.unwrap().unwrap().next_hop,
        Some(station("relay-3"))
    );
    let (_, statements) = world.check(&higher.bundle.unwrap());
    assert_eq!(statements[0].next_station, Some(station("relay-3")));
}

#[tokio::test]
async fn a_higher_attempt_of_a_leg_still_held_is_remembered_for_the_next_station() {
    let world = World::new();
    let store = world.open().await;
    let letter = letter(1);
    let leg = take(&store, letter.accept(1, Some("relay-2"))).await[0];
    let mut again = letter.accept(1, Some("relay-2"));
    again.attempt = 5;
    let outcome = accept(&store, again).await;
    let Outcome::Duplicate { legs, .. } = &outcome.outcomes[0] else {
        panic!()
    };
    assert!(!legs[0].fresh);
    assert_eq!(store.leg(leg).await.unwrap().unwrap().attempt, 5);
}

#[tokio::test]
async fn the_home_station_answers_with_the_first_outcome_whatever_the_attempt() {
    let world = World::new();
    let store = world.open().await;
    let letter = letter(1);
    let leg = take(&store, letter.accept(1, None)).await[0];
    commit(&store, vec![to(leg, LegState::PassedOn).into()]).await;
    let mut again = letter.accept(1, None);
    again.attempt = 9;
    let outcome = accept(&store, again).await;
    let Outcome::Duplicate { legs, .. } = &outcome.outcomes[0] else {
        panic!()
    };
    assert_eq!(
        *legs,
        vec![KnownLeg {
            leg,
            state: LegState::PassedOn,
            fresh: false
        }]
    );
}

#[tokio::test]
async fn a_move_happens_only_from_an_expected_state() {
    let world = World::new();
    let store = world.open().await;
    let leg = take(&store, letter(1).accept(1, Some("relay-2"))).await[0];
    let mut expecting = to(leg, LegState::PassedOn);
    expecting.expect = vec![LegState::Offered];
    let stale = commit(&store, vec![expecting.clone().into()]).await;
    assert_eq!(stale.outcomes, vec![Outcome::Stale]);
    let moved = commit(
        &store,
        vec![to(leg, LegState::Offered).into(), expecting.into()],
    )
    .await;
    assert_eq!(moved.outcomes, vec![Outcome::Moved, Outcome::Moved]);
    // Final: "any not final" no longer fits, and no leg of that number is no leg.
    let late = [to(leg, LegState::Expired), to(LegId(99), LegState::Held)];
    let late = commit(&store, late.map(Write::from).to_vec()).await;
    assert_eq!(late.outcomes, vec![Outcome::Stale, Outcome::Stale]);
}

#[tokio::test]
async fn a_move_that_no_table_has_is_an_error_and_undoes_its_whole_change() {
    let world = World::new();
    let store = world.open().await;
    let legs = take(&store, letter(1).accept(2, Some("relay-2"))).await;
    commit(&store, vec![to(legs[0], LegState::Withdrawn).into()]).await;
    let mut illegal = to(legs[0], LegState::Queued);
    illegal.expect = vec![LegState::Withdrawn];
    let writes = vec![stating(to(legs[1], LegState::Held), Event::RelayFailure).into()];
    let writes: Vec<Write> = writes.into_iter().chain([illegal.into()]).collect();
    let size = store.head().borrow().size;
    let error = store.commit(Change::of(writes)).await.unwrap_err();
    assert!(matches!(
        error,
        CommitError::IllegalMove {
            from: "withdrawn",
            to: "queued",
            ..
        }
    ));
    assert_eq!(
        store.leg(legs[1]).await.unwrap().unwrap().state,
        LegState::Queued
    );
    assert_eq!(store.head().borrow().size, size);
    // The memory was put back as well: the same move works now.
    let moved = commit(&store, vec![to(legs[1], LegState::Held).into()]).await;
    assert_eq!(moved.outcomes, vec![Outcome::Moved]);
}

#[tokio::test]
async fn a_body_is_released_with_its_last_leg_unless_it_is_kept() {
    let world = World::new();
    let store = world.open().await;
    for keep_body in [false, true] {
        let mut new = letter(u64::from(keep_body)).accept(2, Some("relay-2"));
        new.keep_body = keep_body;
        let committed = accept(&store, new).await;
        let Outcome::Accepted { envelope, legs } = committed.outcomes[0].clone() else {
            panic!()
        };
        let body = async || {
            store
                .envelope(envelope)
                .await
                .unwrap()
                .unwrap()
                .body
                .is_some()
        };
        commit(&store, vec![to(legs[0], LegState::PassedOn).into()]).await;
        assert!(body().await);
        let early = commit(&store, vec![Write::ReleaseBody { envelope }]).await;
        assert_eq!(early.outcomes, vec![Outcome::Stale]);
        commit(
            &store,
            vec![to(legs[1], LegState::Refused(Reason::NoRoute)).into()],
        )
        .await;
        assert_eq!(body().await, keep_body);
        let release = commit(&store, vec![Write::ReleaseBody { envelope }]).await;
        assert_eq!(release.outcomes, vec![Outcome::Moved]);
        assert!(!body().await);
    }
}

#[tokio::test]
async fn what_is_in_quarantine_keeps_its_body_until_a_person_gives_it_up() {
    let world = World::new();
    let store = world.open().await;
    let committed = accept(&store, letter(1).accept(2, None)).await;
    let Outcome::Accepted { envelope, legs } = committed.outcomes[0].clone() else {
        panic!()
    };
    let stored = async || store.envelope(envelope).await.unwrap().unwrap().body;
    let aside = LegState::Quarantined(Reason::SignatureInvalid);
    commit(&store, vec![to(legs[0], LegState::PassedOn).into()]).await;
    commit(&store, vec![to(legs[1], aside.clone()).into()]).await;
    assert!(stored().await.is_some());
    let release = commit(&store, vec![Write::ReleaseBody { envelope }]).await;
    assert_eq!(release.outcomes, vec![Outcome::Stale]);
    let mut give_up = to(legs[1], LegState::Refused(Reason::SignatureInvalid));
    give_up.expect = vec![aside];
    commit(&store, vec![give_up.into()]).await;
    assert!(stored().await.is_none());
}

#[tokio::test]
async fn a_leg_whose_body_was_damaged_on_the_way_is_taken_up_with_a_good_one() {
    let world = World::new();
    let store = world.open().await;
    let leg = take(&store, letter(1).accept(1, Some("relay-2"))).await[0];
    let damaged = LegState::Quarantined(Reason::BodyMismatch);
    commit(&store, vec![to(leg, damaged).into()]).await;
    let again = accept(&store, letter(1).accept(1, Some("relay-2"))).await;
    let Outcome::Duplicate { envelope, legs } = &again.outcomes[0] else {
        panic!()
    };
    assert!(legs[0].fresh && legs[0].state == LegState::Queued);
    assert!(again.bundle.is_some());
    let stored = store.envelope(*envelope).await.unwrap().unwrap();
    assert!(stored.body.is_some());
}

#[tokio::test]
async fn a_leg_offered_again_by_its_sender_is_a_new_attempt_and_needs_its_body() {
    let world = World::new();
    let store = world.open().await;
    let mut kept = letter(1).accept(1, Some("relay-2"));
    kept.keep_body = true;
    let leg = take(&store, kept).await[0];
    commit(&store, vec![to(leg, LegState::PassedOn).into()]).await;
    let mut again = to(leg, LegState::Queued);
    again.expect = vec![LegState::PassedOn];
    let moved = commit(&store, vec![again.clone().into()]).await;
    assert_eq!(moved.outcomes, vec![Outcome::Moved]);
    assert_eq!(store.leg(leg).await.unwrap().unwrap().attempt, 2);
    let gone = take(&store, letter(2).accept(1, Some("relay-2"))).await[0];
    commit(&store, vec![to(gone, LegState::PassedOn).into()]).await;
    again.leg = gone;
    let error = store
        .commit(Change::of(vec![again.into()]))
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::IllegalMove { .. }), "{error}");
}

#[tokio::test]
async fn a_desk_that_refuses_undoes_its_change_alone() {
    let world = World::new();
    let store = world.open().await;
    let change = |number: u64, refuse: bool| {
        let writes = vec![letter(number).accept(1, None).into()];
        Change::with_desk(
            writes,
            Box::new(Note {
                text: format!("note {number}"),
                refuse,
            }),
        )
    };
    // Together, so that they share commits; the third repeats a primary key of the desk's table.
    let (one, two, three, four) = tokio::join!(
        store.commit(change(1, false)),
        store.commit(change(2, true)),
        store.commit(Change::with_desk(
            vec![letter(3).accept(1, None).into()],
            Box::new(Note {
                text: "note 1".to_owned(),
                refuse: false
            }),
        )),
        store.commit(change(4, false)),
    );
    let (one, four) = (one.unwrap(), four.unwrap());
    assert!(matches!(two.unwrap_err(), CommitError::Desk(_)));
    assert!(matches!(three.unwrap_err(), CommitError::Desk(_)));
    assert_eq!(notes(&store).await, ["note 1", "note 4"]);
    for (number, here) in [(1, true), (2, false), (3, false), (4, true)] {
        let found = store
            .find(&agency("G14"), &letter(number).id())
            .await
            .unwrap();
        assert_eq!(found.is_some(), here, "{number}");
    }
    for committed in [one, four] {
        assert_eq!(world.check(&committed.bundle.unwrap()).1.len(), 1);
    }
    // The refused ones left no trace: their envelopes are new afterwards.
    let later = accept(&store, letter(2).accept(1, None)).await;
    assert!(matches!(later.outcomes[0], Outcome::Accepted { .. }));
}

#[tokio::test]
async fn due_legs_come_most_urgent_first_then_oldest_and_not_before_their_time() {
    let world = World::new();
    let store = world.open().await;
    let mut order = Vec::new();
    for (number, priority) in [
        Priority::Normal,
        Priority::ALL[4],
        Priority::Normal,
        Priority::ALL[2],
    ]
    .iter()
    .enumerate()
    {
        let mut one = letter(u64::try_from(number).unwrap());
        one.priority = *priority;
        let mut one = one.accept(1, Some("relay-2"));
        one.received = NOW.plus_ms(i64::try_from(number).unwrap());
        order.push(take(&store, one).await[0]);
    }
    let other = take(&store, letter(9).accept(1, Some("relay-9"))).await[0];
    let later = NOW.plus_ms(60_000);
    let due = async |now| -> Vec<LegId> {
        let due = store.due(&station("relay-2"), now, 10).await.unwrap();
        due.iter().map(|leg| leg.leg).collect()
    };
    let now = NOW.plus_ms(1000);
    assert_eq!(due(now).await, [order[1], order[3], order[0], order[2]]);
    assert_eq!(
        store.due(&station("relay-2"), now, 2).await.unwrap().len(),
        2
    );
    let retry = LegState::WaitingRetry {
        reason: Reason::LinkLost,
        next_at: later,
        attempt: 3,
    };
    commit(&store, vec![to(order[1], retry.clone()).into()]).await;
    commit(&store, vec![to(order[3], LegState::Held).into()]).await;
    assert_eq!(due(now).await, [order[0], order[2]]);
    assert_eq!(store.next_retry().await.unwrap(), Some(later));
    assert_eq!(due(later).await, [order[1], order[0], order[2]]);
    let again = store.due(&station("relay-2"), later, 1).await.unwrap();
    assert_eq!(again[0].state, retry);
    let mut hops = store.due_hops(now).await.unwrap();
    hops.sort();
    assert_eq!(hops, [station("relay-2"), station("relay-9")]);
    // Another way.
    let way = Write::Route {
        leg: other,
        next_hop: Some(station("relay-2")),
    };
    assert_eq!(
        commit(&store, vec![way]).await.outcomes,
        vec![Outcome::Moved]
    );
    assert_eq!(due(now).await, [order[0], other, order[2]]);
    let turns = store.turns(order[1]).await.unwrap();
    assert_eq!(
        (turns[0].state, turns[0].reason),
        ("waiting_retry", Some(Reason::LinkLost))
    );
}

#[tokio::test]
async fn the_shape_counts_what_waits_and_the_open_lists_name_it() {
    let world = World::new();
    let store = world.open().await;
    take(&store, letter(1).accept(2, Some("relay-2"))).await;
    let local = take(&store, letter(2).accept(1, None)).await[0];
    let shape = store.shape(NOW.plus_ms(2 * HOUR_MS)).await.unwrap();
    assert_eq!(shape.states.len(), 1);
    assert_eq!((shape.states[0].state, shape.states[0].legs), ("queued", 3));
    assert_eq!(shape.destinations[0].next_hop, Some(station("relay-2")));
    assert_eq!(shape.destinations[0].ages, [0, 0, 0, 2, 0]);
    assert_eq!(shape.destinations[1].next_hop, None);
    assert_eq!(store.local_open(None, 10).await.unwrap()[0].leg, local);
    assert!(store.local_open(Some(local), 10).await.unwrap().is_empty());
    assert_eq!(store.onward_open(None, 10).await.unwrap().len(), 2);
    assert!(store.expired(NOW, 10).await.unwrap().is_empty());
    assert_eq!(
        store
            .expired(NOW.plus_ms(25 * HOUR_MS), 10)
            .await
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn below_the_floor_intake_stops_and_moves_go_on() {
    let world = World::new();
    let store = world.open().await;
    let leg = take(&store, letter(1).accept(1, Some("relay-2"))).await[0];
    store.close().await;
    drop(store);
    let mut options = world.options();
    options.free_floor_bytes = u64::MAX;
    let store = Store::open(&world.data(), options).await.unwrap();
    let refused = store
        .commit(Change::of(vec![letter(2).accept(1, None).into()]))
        .await;
    assert!(matches!(refused.unwrap_err(), CommitError::DiskFull { .. }));
    let moved = commit(&store, vec![to(leg, LegState::PassedOn).into()]).await;
    assert_eq!(moved.outcomes, vec![Outcome::Moved]);
}

#[tokio::test]
async fn a_full_database_rolls_back_answers_full_and_goes_on() {
    // `max_page_count` makes SQLite answer SQLITE_FULL as a full disk does.
    let world = World::new();
    let store = world.open().await;
    accept(&store, letter(1).accept(1, None)).await;
    let pages = |pragma| store.commit(Change::with_desk(Vec::new(), Box::new(Run(pragma))));
    pages("PRAGMA max_page_count = 1").await.unwrap();
    let mut big = letter(2);
    big.body = vec![1; 60_000].into();
    let size = store.head().borrow().size;
    let refused = store
        .commit(Change::of(vec![big.accept(1, None).into()]))
        .await;
    assert!(matches!(refused.unwrap_err(), CommitError::DiskFull { .. }));
    pages("PRAGMA max_page_count = 1000000").await.unwrap();
    let taken = accept(&store, big.accept(1, None)).await;
    assert!(matches!(taken.outcomes[0], Outcome::Accepted { .. }));
    let (checkpoint, _) = world.check(&taken.bundle.unwrap());
    assert_eq!(checkpoint.size, size + 1);
}

#[tokio::test]
async fn what_a_caller_must_have_checked_is_refused_as_malformed() {
    let world = World::new();
    let store = world.open().await;
    let good = letter(1).accept(1, None);
    let mut stranger = good.clone();
    stranger.legs = vec![NewLeg {
        recipient: agency("H03"),
        next_hop: None,
    }];
    let mut short = good.clone();
    short.body = BodyPlace::Inline(vec![7; 599].into());
    let mut nobody = good.clone();
    nobody.legs.clear();
    for bad in [stranger, short, nobody] {
        let error = store
            .commit(Change::of(vec![bad.into()]))
            .await
            .unwrap_err();
        assert!(matches!(error, CommitError::Malformed(_)), "{error}");
    }
    let mut foreign = good;
    let bytes = foreign.header.body_bytes();
    foreign.body = BodyPlace::File {
        name: "0123".to_owned(),
        bytes,
    };
    let error = store
        .commit(Change::of(vec![foreign.into()]))
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::BodyMissing { .. }), "{error}");
}

#[tokio::test]
async fn one_folder_has_one_station_and_a_known_layout() {
    let world = World::new();
    let store = world.open().await;
    let second = Store::open(&world.data(), world.options()).await;
    assert!(matches!(second.unwrap_err(), OpenError::InUse { .. }));
    store.close().await;
    drop(store);
    std::fs::write(world.data().join("VERSION"), "2\n").unwrap();
    let newer = Store::open(&world.data(), world.options()).await;
    assert!(matches!(
        newer.unwrap_err(),
        OpenError::Version { known: 1, .. }
    ));
}

#[tokio::test]
async fn a_migration_that_changed_after_it_was_applied_stops_the_start() {
    let world = World::new();
    let store = world.open().await;
    store.close().await;
    drop(store);
    let mut options = world.options();
    options.desk_schema = &["CREATE TABLE other (text TEXT) STRICT;"];
    let error = Store::open(&world.data(), options).await.unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Migration {
                set: "desk",
                number: 1,
                ..
            }
        ),
        "{error}"
    );
    let mut options = world.options();
    options.desk_schema = &[DESK_SCHEMA, "CREATE TABLE other (text TEXT) STRICT;"];
    Store::open(&world.data(), options)
        .await
        .unwrap()
        .close()
        .await;
    let older = Store::open(&world.data(), world.options())
        .await
        .unwrap_err();
    assert!(
        matches!(older, OpenError::Migration { number: 2, .. }),
        "{older}"
    );
}

#[tokio::test]
async fn another_process_may_write_desk_tables_while_the_station_runs() {
    let world = World::new();
    let store = world.open().await;
    let admin = Store::admin_pool(&world.data()).await.unwrap();
    sqlx::query("INSERT INTO desk_note (text) VALUES ('from outside')")
        .execute(&admin)
        .await
        .unwrap();
    accept(&store, letter(1).accept(1, None)).await;
    assert_eq!(notes(&store).await, ["from outside"]);
    // The readers that the desk gets cannot write.
    let write = sqlx::query("DELETE FROM desk_note")
        .execute(&store.reader())
        .await;
    assert!(write.is_err());
}

#[tokio::test]
async fn retired_rows_go_thirty_days_after_expiry_and_their_numbers_do_not_come_back() {
    let world = World::new();
    let store = world.open().await;
    let leg = take(&store, letter(1).accept(1, Some("relay-2"))).await[0];
    let open = take(&store, letter(2).accept(1, Some("relay-2"))).await[0];
    commit(&store, vec![to(leg, LegState::PassedOn).into()]).await;
    let month = 30 * 24 * HOUR_MS;
    let expires = letter(1).expires;
    assert_eq!(store.purge(expires.plus_ms(month)).await.unwrap(), 0);
    assert_eq!(store.purge(expires.plus_ms(month + 1)).await.unwrap(), 1);
    assert!(store.leg(leg).await.unwrap().is_none());
    assert!(store.leg(open).await.unwrap().is_some());
    commit(&store, vec![to(open, LegState::PassedOn).into()]).await;
    assert_eq!(store.purge(expires.plus_ms(month + 1)).await.unwrap(), 1);
    let store = reopened(&world, store).await;
    let committed = accept(&store, letter(3).accept(1, Some("relay-2"))).await;
    let Outcome::Accepted { envelope, legs } = &committed.outcomes[0] else {
        panic!()
    };
    assert!(legs[0] > open && *envelope > EnvelopeKey(2));
}
