//! Whom a station tells without being moved: acceptances beyond the first hop, statements that were asked
//! for again, refusals of packets that never became envelopes.

use std::collections::BTreeSet;

use formats::id::Digest;
use formats::reason::Reason;
use formats::statement::Event;

use super::world::*;
use crate::store::{LegState, OwedReceipts, ProofBase, Rejection, Store, Write};

async fn owed(store: &Store) -> Vec<OwedReceipts> {
    store.owed_receipts(1_000, &BTreeSet::new()).await.unwrap()
}

async fn settle(store: &Store, owed: Vec<OwedReceipts>) {
    let positions = owed.into_iter().flat_map(|one| one.positions).collect();
    commit(store, vec![Write::SettleReceipts { positions }]).await;
}

/// The sender's station has our acceptance with custody; a relay before us does not pass it back.
#[tokio::test]
async fn an_acceptance_beyond_the_first_hop_is_owed_to_the_senders_station() {
    let world = World::new();
    let store = world.open().await;
    accept(&store, letter(1).accept(2, Some("relay-2"))).await;
    assert!(owed(&store).await.is_empty(), "custody told it");
    let mut second = letter(2).accept(2, Some("relay-2"));
    second.from = Some(station("relay-0"));
    second.via.push(station("relay-0"));
    accept(&store, second.clone()).await;
    let told = owed(&store).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].station, station("node-a"));
    let (_, said) = world.check(&told[0].bundle);
    assert_eq!(said.len(), 2, "one a leg");
    assert!(said.iter().all(|one| one.event == Event::RelayAcceptance));
    assert_eq!(said[0].next_station, Some(station("relay-2")));
    settle(&store, told).await;
    // Offered again, nothing new is stated and nothing is owed.
    accept(&store, second).await;
    assert!(owed(&store).await.is_empty());
}

#[tokio::test]
async fn what_was_told_is_told_again_when_asked_for_and_proven_under_a_stamp() {
    let world = World::new();
    let store = world.open().await;
    let leg = take(&store, letter(1).accept(1, None)).await[0];
    let moved = stating(to(leg, LegState::PassedOn), Event::ContentConsignment);
    commit(&store, vec![moved.into()]).await;
    settle(&store, owed(&store).await).await;
    let head = store.head().borrow().clone();
    let mut signed = head.signed.clone();
    signed.token = Some(b"token".to_vec());
    store
        .keep_stamped(head.size, head.root, signed, NOW)
        .await
        .unwrap();
    // Later than the stamp: told at once, in the newest head.
    let moved = stating(to(leg, LegState::PassedOn), Event::ContentHandover);
    let mut moved = moved;
    moved.expect = vec![LegState::PassedOn];
    commit(&store, vec![moved.into()]).await;
    let found = store.find(&agency("G14"), &letter(1).id()).await.unwrap();
    let envelope = found.unwrap().key;
    for _ in 0..2 {
        commit(&store, vec![Write::Owe { envelope }]).await;
    }
    let told = owed(&store).await;
    let shown: Vec<_> = told
        .iter()
        .map(|one| {
            let (_, said) = world.check(&one.bundle);
            let events: Vec<&str> = said.iter().map(|one| one.event.name()).collect();
            (one.bundle.checkpoint.token.is_some(), events)
        })
        .collect();
    assert_eq!(
        shown,
        [
            (false, vec!["ContentHandover"]),
            (true, vec!["RelayAcceptance", "ContentConsignment"]),
        ]
    );
    settle(&store, told).await;
    assert!(owed(&store).await.is_empty());
    let unknown = crate::store::EnvelopeKey(99);
    let outcome = commit(&store, vec![Write::Owe { envelope: unknown }]).await;
    assert_eq!(outcome.outcomes, [crate::store::Outcome::Stale]);
}

#[tokio::test]
async fn a_refused_packet_leaves_a_statement_that_is_proven_by_its_own_names() {
    let world = World::new();
    let store = world.open().await;
    let rejection = Rejection {
        id: letter(5).id(),
        sender: "G14".parse().unwrap(),
        packet: Digest::of(b"packet"),
        reason: Reason::PacketInvalid,
        at: NOW,
    };
    let committed = commit(&store, vec![rejection.clone().into()]).await;
    let (_, said) = world.check(committed.bundle.as_ref().unwrap());
    assert_eq!(said[0].event, Event::SubmissionRejection);
    assert_eq!(said[0].header_digest, rejection.packet);
    assert_eq!(said[0].recipient, agency("G14"));
    let later = store
        .statements_about(&rejection.id, &rejection.packet, ProofBase::Newest)
        .await
        .unwrap();
    assert_eq!(later.len(), 1);
    assert_eq!(world.check(&later[0]).1, said);
    assert!(owed(&store).await.is_empty(), "nobody else is told");
}
