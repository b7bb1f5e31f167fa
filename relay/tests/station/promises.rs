//! What is durable is acted on: nobody's going away, and no second copy of a body, may hold it up.

use std::task::Poll;

use formats::frame::Transfer;
use formats::id::StationName;
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::statement::Event;
use relay::desk::What;
use relay::store::{BodyPlace, Change, NewLeg};

use crate::letter::{context, letter, submission};
use crate::peer::{Peer, offer};
use crate::world::{RECIPIENT, SENDER, World, noting_desk, soon, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_caller_went_away_still_reaches_the_desk() {
    let world = World::new();
    let (desk, mut told) = noting_desk();
    let a = start(&world.node_a, Some(desk)).await;
    let now = a.clock().now();
    let context = context(SENDER, a.name(), &[SENDER], &world.agencies[0], now);
    let sent = letter(context, &world.agencies[0], 100);
    let mut accept = submission(a.store(), &sent, &[(SENDER, a.name())], now).await;
    accept.legs = vec![NewLeg {
        recipient: SENDER.parse().unwrap(),
        next_hop: None,
    }];
    {
        let commit = a.commit(Change::of(vec![accept.into()]));
        let mut commit = std::pin::pin!(commit);
        // Begun, and given up as a server does when the client hangs up.
        std::future::poll_fn(|context| {
            assert!(commit.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    let arrival = soon("arrival", told.arrivals.recv()).await.unwrap();
    assert_eq!(arrival.header.digest(), sent.header.digest());
    a.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_that_comes_later_travels_with_the_body_that_is_here() {
    // The second accept brings its own copy of a large body; the store keeps the first.
    let mut world = World::new();
    let [home_a, home_b] = [&world.node_a, &world.node_b].map(|node| node.credentials.name.clone());
    let second = "H01.36.05";
    world.agencies =
        world
            .authority
            .agencies(&[(SENDER, &home_a), (RECIPIENT, &home_b), (second, &home_b)]);
    let (desk_a, mut told_a) = noting_desk();
    let a = start(&world.node_a, Some(desk_a)).await;
    let now = a.clock().now();
    let recipients = [RECIPIENT, second];
    let context = context(SENDER, a.name(), &recipients, &world.agencies[0], now);
    let sent = letter(context, &world.agencies[0], 200_000);
    let relay = start(&world.relay, None).await;
    let hop: StationName = relay.name().clone();
    for recipient in recipients {
        let accept = submission(a.store(), &sent, &[(recipient, &hop)], now).await;
        a.commit(Change::of(vec![accept.into()])).await.unwrap();
        // The link is up when the second one comes.
        loop {
            let change = soon("custody", told_a.changes.recv()).await.unwrap();
            match change.what {
                What::PassedOn { .. } => break,
                What::Retry { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    // The same at the relay: its body is here for one leg when the other is offered.
    let (desk_b, mut told_b) = noting_desk();
    let b = start(&world.node_b, Some(desk_b)).await;
    for _ in recipients {
        let arrival = soon("arrival", told_b.arrivals.recv()).await.unwrap();
        let stored = b.store().envelope(arrival.envelope).await.unwrap().unwrap();
        assert_eq!(stored.body.as_ref(), Some(&arrival.body));
        assert!(b.store().open_body(&stored).await.unwrap().is_some());
    }
    for station in [a, b, relay] {
        station.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sender_hears_that_a_relay_lost_its_copy() {
    let world = World::new();
    let (desk_a, mut told_a) = noting_desk();
    let a = start(&world.node_a, Some(desk_a)).await;
    let relay = start(&world.relay, None).await;
    let now = a.clock().now();
    let context = context(SENDER, a.name(), &[RECIPIENT], &world.agencies[0], now);
    let sent = letter(context, &world.agencies[0], 200_000);
    let accept = submission(a.store(), &sent, &[(RECIPIENT, relay.name())], now).await;
    a.commit(Change::of(vec![accept.into()])).await.unwrap();
    soon("custody", told_a.changes.recv()).await.unwrap();
    for file in std::fs::read_dir(world.relay.config.data.join("bodies")).unwrap() {
        std::fs::write(file.unwrap().path(), vec![0; 300_000]).unwrap();
    }
    let (desk_b, _told_b) = noting_desk();
    let b = start(&world.node_b, Some(desk_b)).await;
    let back = soon("receipt", told_a.arrivals.recv()).await.unwrap();
    let BodyPlace::Inline(body) = &back.body else {
        panic!("small receipt in a file")
    };
    let statements = ReceiptBundle::decode(body).unwrap().statements().unwrap();
    assert_eq!(statements[0].event, Event::RelayFailure);
    assert_eq!(statements[0].reason, Some(Reason::BodyMismatch));
    assert_eq!(statements[0].header_digest, sent.header.digest());
    for station in [a, b, relay] {
        station.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_named_as_home_takes_no_letter_that_it_cannot_open() {
    let mut world = World::new();
    let home_a = world.node_a.credentials.name.clone();
    let relay_name = world.relay.credentials.name.clone();
    let attached = [(SENDER, &home_a), (RECIPIENT, &relay_name)];
    world.agencies = world.authority.agencies(&attached);
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let now = relay.clock().now();
    let context = context(SENDER, &home_a, &[RECIPIENT], &world.agencies[0], now);
    let sent = letter(context, &world.agencies[0], 100);
    let answer = peer.offer(offer(&sent, &[RECIPIENT])).await;
    let Transfer::Refuse {
        reason,
        retry_after_ms,
        ..
    } = answer
    else {
        panic!("{answer:?}")
    };
    assert_eq!(reason, Reason::NotHomeStation);
    assert!(retry_after_ms.is_some());
    peer.close().await;
    relay.shutdown().await;
}
