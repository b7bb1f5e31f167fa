//! Status queries between stations: who asks gets every statement about its own envelopes again, from a
//! relay as from a node, and nobody gets anything about another's.

use formats::header::Class;
use formats::id::Party;
use formats::query::{About, StatusQuery};
use formats::receipt::ReceiptBundle;
use formats::statement::Event;
use relay::desk::Arrival;
use relay::station::Station;
use relay::store::{BodyPlace, Change};

use crate::letter::{context, letter, submission};
use crate::world::{RECIPIENT, SENDER, Told, World, noting_desk, soon, start};

async fn ask(station: &Station, of: &Station, about: Vec<About>) {
    let to = [of.name().clone()];
    let message = StatusQuery { about }.encode();
    let accept = station.control(&to, message).await.unwrap();
    station
        .commit(Change::of(vec![accept.into()]))
        .await
        .unwrap();
}

/// The next receipts that this desk is told of.
async fn receipts(told: &mut Told) -> ReceiptBundle {
    loop {
        let arrival: Arrival = soon("an arrival", told.arrivals.recv()).await.unwrap();
        if arrival.header.context().class != Class::Receipt {
            continue;
        }
        let BodyPlace::Inline(bytes) = arrival.body else {
            panic!("a small bundle lies in its row")
        };
        return ReceiptBundle::decode(&bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_tells_the_senders_station_again_and_nobody_else() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let (desk_a, mut told_a) = noting_desk();
    let (desk_b, mut told_b) = noting_desk();
    let a = start(&world.node_a, Some(desk_a)).await;
    let b = start(&world.node_b, Some(desk_b)).await;
    let now = a.clock().now();
    let hop = a
        .next_hop(&RECIPIENT.parse::<Party>().unwrap())
        .unwrap()
        .unwrap();
    let named = context(SENDER, a.name(), &[RECIPIENT], &world.agencies[0], now);
    let sent = letter(named, &world.agencies[0], 100);
    let accept = submission(a.store(), &sent, &[(RECIPIENT, &hop)], now).await;
    a.commit(Change::of(vec![accept.into()])).await.unwrap();
    soon("custody", told_a.changes.recv()).await.unwrap();
    // The second hop's acceptance comes by itself, though nothing else is told: node B never opens it.
    let bundle = receipts(&mut told_a).await;
    let said = bundle.statements().unwrap();
    assert_eq!(
        (said.len(), said[0].event, &said[0].station),
        (1, Event::RelayAcceptance, b.name())
    );

    let about = About {
        envelope: sent.header.context().id,
        header_digest: sent.header.digest(),
    };
    let other = About {
        header_digest: formats::id::Digest::of(b"another header"),
        ..about
    };
    // A stranger's question and one about another header are passed over.
    ask(&b, &relay, vec![about]).await;
    ask(&a, &relay, vec![other]).await;
    ask(&a, &relay, vec![about]).await;
    let bundle = receipts(&mut told_a).await;
    let said = bundle.statements().unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(
        (said[0].event, &said[0].station, said[0].envelope),
        (Event::RelayAcceptance, relay.name(), about.envelope)
    );
    let arrived: Vec<Class> = std::iter::from_fn(|| told_b.arrivals.try_recv().ok())
        .map(|arrival| arrival.header.context().class)
        .collect();
    assert_eq!(arrived, [Class::Document], "the stranger is told nothing");
    // A desk's station answers what its desk hands it.
    let asks = Party::Station(a.name().clone());
    let body = StatusQuery { about: vec![about] }.encode();
    assert_eq!(b.query(&asks, &body).await.len(), 1);
    assert!(b.query(&asks, &body).await.is_empty(), "once a minute");
    let stranger = Party::Station(relay.name().clone());
    assert!(b.query(&stranger, &body).await.is_empty());
    for station in [a, b, relay] {
        station.shutdown().await;
    }
}
