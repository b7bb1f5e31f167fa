//! Who may take an envelope back: the station that its sender's header names, with that sender's signature.

use formats::header::Header;
use formats::id::{Digest, Party};
use formats::recall::Recall;
use relay::recall::{Judged, judge};
use relay::store::{Change, LegState, Outcome};

use crate::letter::{Letter, context, letter, submission};
use crate::world::{RECIPIENT, SENDER, World, noting_desk, soon, start};

fn recall(letter: &Letter) -> Recall {
    Recall {
        header: letter.header.clone(),
        header_signature: letter.signature.clone(),
        recipients: vec![RECIPIENT.parse().unwrap()],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recall_counts_from_the_senders_own_station_and_with_its_signature_only() {
    let world = World::new();
    let station = start(&world.relay, None).await;
    let directory = station.directory().snapshot();
    let now = station.clock().now();
    let home = &world.node_a.credentials.name;
    let sender = &world.agencies[0];
    let named = context(SENDER, home, &[RECIPIENT], sender, now);
    let sent = letter(named.clone(), sender, 100);
    let own = Party::Station(home.clone());
    let good = judge(&directory, &own, &recall(&sent).encode());
    assert!(
        matches!(&good, Judged::Good(found) if **found == recall(&sent)),
        "{good:?}"
    );

    let neighbour = Party::Station(world.node_b.credentials.name.clone());
    let agency: Party = SENDER.parse().unwrap();
    let mut broken = recall(&sent);
    *broken.header_signature.last_mut().unwrap() ^= 1;
    // The other agency's key under a header that names the sender's certificate, and its own.
    let stolen = letter(named.clone(), &world.agencies[1], 100);
    let mut posing = named.clone();
    posing.signer = world.agencies[1].certificate.sha256();
    let posing = letter(posing, &world.agencies[1], 100);
    let mut changed = recall(&sent);
    changed.header = Header::new(
        named.clone(),
        Digest::of(b"another body"),
        sent.header.body_bytes(),
    )
    .unwrap();
    let mut long = recall(&sent).encode();
    long.push(0);
    let refused = [
        ("another station asks", &neighbour, recall(&sent).encode()),
        ("an agency asks", &agency, recall(&sent).encode()),
        ("a bit of the signature", &own, broken.encode()),
        ("another key", &own, recall(&stolen).encode()),
        (
            "another agency's certificate",
            &own,
            recall(&posing).encode(),
        ),
        ("a header that was not signed", &own, changed.encode()),
        ("a byte after", &own, long),
        ("nothing", &own, Vec::new()),
        ("no recall", &own, vec![0x85; 70_000]),
    ];
    for (name, asks, body) in refused {
        let judged = judge(&directory, asks, &body);
        assert!(matches!(judged, Judged::Refused(_)), "{name}: {judged:?}");
    }
    // A certificate that is on its way is no reason to forget the recall.
    let mut unknown = named;
    unknown.signer = Digest::of(b"a certificate that nobody has");
    let unknown = letter(unknown, sender, 100);
    let judged = judge(&directory, &own, &recall(&unknown).encode());
    assert!(matches!(judged, Judged::Later(_)), "{judged:?}");
    station.shutdown().await;
}

/// The recipient's node is away, so the relay holds the leg; a stranger's recall passes through it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_stops_what_it_holds_for_the_sender_and_for_nobody_else() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let (desk, mut told) = noting_desk();
    let a = start(&world.node_a, Some(desk)).await;
    let now = a.clock().now();
    let party: Party = RECIPIENT.parse().unwrap();
    let hop = a.next_hop(&party).unwrap().unwrap();
    let mut sent = Vec::new();
    for _ in 0..2 {
        let context = context(SENDER, a.name(), &[RECIPIENT], &world.agencies[0], now);
        let one = letter(context, &world.agencies[0], 100);
        let accept = submission(a.store(), &one, &[(RECIPIENT, &hop)], now).await;
        a.commit(Change::of(vec![accept.into()])).await.unwrap();
        soon("custody", told.changes.recv()).await.unwrap();
        sent.push(one);
    }
    let home = [world.node_b.credentials.name.clone()];
    // The first is asked back with a signature that does not hold, the second rightly, and later: when the
    // second has stopped, the first recall has been looked at as well.
    let mut forged = recall(&sent[0]);
    *forged.header_signature.last_mut().unwrap() ^= 1;
    for message in [forged, recall(&sent[1]), recall(&sent[1])] {
        let accept = a.control(&home, message.encode()).await.unwrap();
        let outcome = a.commit(Change::of(vec![accept.into()])).await.unwrap();
        assert!(matches!(outcome.outcomes[0], Outcome::Accepted { .. }));
        soon("custody of the message", told.changes.recv())
            .await
            .unwrap();
    }
    let state = async |letter: &Letter| {
        let context = letter.header.context();
        let found = relay.store().find(&context.sender, &context.id).await;
        let legs = relay
            .store()
            .legs(found.unwrap().unwrap().key)
            .await
            .unwrap();
        legs[0].state.clone()
    };
    soon("the leg stops", async {
        while state(&sent[1]).await != LegState::Withdrawn {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(
        !state(&sent[0]).await.is_final(),
        "a forged recall stopped it"
    );
    for station in [a, relay] {
        station.shutdown().await;
    }
}
