//! Whole stations among themselves.

use formats::header::Class;
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::statement::{Event, Statement};
use pki::role::Role;
use relay::desk::{Arrival, What};
use relay::station::Station;
use relay::store::{BodyPlace, Change, LegState, Move, StatementDraft};

use crate::letter::{context, letter, submission};
use crate::world::{RECIPIENT, SENDER, Told, World, noting_desk, soon, start};

/// Takes an arrived document as a desk does: delivered, and the sender shall know.
async fn deliver(station: &Station, arrival: &Arrival) {
    let taken = Move {
        leg: arrival.leg,
        expect: vec![],
        to: LegState::PassedOn,
        at: station.clock().now(),
        statement: Some(StatementDraft {
            event: Event::ContentConsignment,
            reason: None,
            next_station: None,
        }),
        owe_receipt: true,
        evidence: None,
    };
    station
        .commit(Change::of(vec![taken.into()]))
        .await
        .unwrap();
}

/// The statements of an arrived receipt, verified against the records.
fn receipt(station: &Station, arrival: &Arrival) -> Vec<Statement> {
    let BodyPlace::Inline(body) = &arrival.body else {
        panic!("small receipt in a file")
    };
    let bundle = ReceiptBundle::decode(body).unwrap();
    verified(station, &bundle, arrival.header.context().sender.as_str())
}

fn verified(station: &Station, bundle: &ReceiptBundle, from: &str) -> Vec<Statement> {
    let now = station.clock().now();
    let record = station.directory().station(&from.parse().unwrap()).unwrap();
    let record = record.record();
    let snapshot = station.directory().snapshot();
    let evidence = snapshot
        .signer(&record.evidence_sha256[0], Role::StationEvidence, now)
        .unwrap();
    let note_key = record.note_key.as_bytes();
    pki::note::verify_checkpoint(&bundle.checkpoint, note_key, &evidence).unwrap();
    bundle.statements().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envelopes_pass_a_relay_with_custody_and_receipts() {
    // One small envelope (rides with the offer) and one of three pieces, both ways of evidence
    // checked.
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let (desk_a, mut told_a) = noting_desk();
    let (desk_b, mut told_b) = noting_desk();
    let a = start(&world.node_a, Some(desk_a)).await;
    let b = start(&world.node_b, Some(desk_b)).await;

    for chunk_bytes in [5_000, 2_500_000] {
        let now = a.clock().now();
        let context = context(SENDER, a.name(), &[RECIPIENT], &world.agencies[0], now);
        let sent = letter(context, &world.agencies[0], chunk_bytes);
        let hop = a.next_hop(&RECIPIENT.parse().unwrap()).unwrap().unwrap();
        assert_eq!(hop, *relay.name());
        let accept = submission(a.store(), &sent, &[(RECIPIENT, &hop)], now).await;
        let committed = a.commit(Change::of(vec![accept.into()])).await.unwrap();
        assert_eq!(committed.bundle.unwrap().statements().unwrap().len(), 1);

        let change = soon("custody at the sender", told_a.changes.recv())
            .await
            .unwrap();
        let What::PassedOn { to, bundle } = change.what else {
            panic!("{:?}", change.what)
        };
        assert_eq!(to, *relay.name());
        let custody = verified(&a, &bundle.unwrap(), relay.name().as_str());
        assert_eq!(custody[0].event, Event::RelayAcceptance);
        assert_eq!(custody[0].header_digest, sent.header.digest());

        let arrival = soon("arrival", told_b.arrivals.recv()).await.unwrap();
        assert_eq!(arrival.header.bytes(), sent.header.bytes());
        assert_eq!(arrival.from.as_ref(), Some(relay.name()));
        let stored = b.store().envelope(arrival.envelope).await.unwrap().unwrap();
        let body = b.store().open_body(&stored).await.unwrap().unwrap();
        for (index, piece) in sent.pieces.iter().enumerate() {
            let got = body.piece(u32::try_from(index).unwrap()).await.unwrap();
            assert_eq!(got.as_ref(), piece.as_slice(), "piece {index}");
        }
        deliver(&b, &arrival).await;

        let statements = consigned(&a, &mut told_a).await;
        assert!(statements.iter().all(|one| one.station == *b.name()));
        let events: Vec<Event> = statements.iter().map(|one| one.event).collect();
        // Each hop's custody is told, the second one's with what comes after it.
        assert_eq!(events, [Event::RelayAcceptance, Event::ContentConsignment]);
        assert_eq!(statements[1].recipient, RECIPIENT.parse().unwrap());
    }
    let status = relay.links();
    assert_eq!(
        status.iter().filter(|link| link.up).count(),
        2,
        "{status:?}"
    );
    for station in [a, b, relay] {
        station.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_relay_goes_on_when_it_comes_and_is_told_again_after_a_restart() {
    // The sender starts alone; the recipient's desk does not take the envelope before it is
    // restarted.
    let world = World::new();
    let (desk_a, mut told_a) = noting_desk();
    let a = start(&world.node_a, Some(desk_a)).await;
    let now = a.clock().now();
    let context = context(SENDER, a.name(), &[RECIPIENT], &world.agencies[0], now);
    let sent = letter(context, &world.agencies[0], 100);
    let hop = a.next_hop(&RECIPIENT.parse().unwrap()).unwrap().unwrap();
    let accept = submission(a.store(), &sent, &[(RECIPIENT, &hop)], now).await;
    a.commit(Change::of(vec![accept.into()])).await.unwrap();

    let relay = start(&world.relay, None).await;
    soon("custody", told_a.changes.recv()).await.unwrap();
    relay.shutdown().await;
    // The handle holds the lock of the data folder.
    drop(relay);
    let relay = start(&world.relay, None).await;
    let (desk_b, mut told_b) = noting_desk();
    let b = start(&world.node_b, Some(desk_b)).await;
    let first = soon("arrival", told_b.arrivals.recv()).await.unwrap();
    b.shutdown().await;
    drop(b);
    let (desk_b, mut told_b) = noting_desk();
    let b = start(&world.node_b, Some(desk_b)).await;
    let again = soon("arrival again", told_b.arrivals.recv()).await.unwrap();
    assert_eq!(
        (first.leg, first.header.digest()),
        (again.leg, again.header.digest())
    );
    deliver(&b, &again).await;
    let told = consigned(&a, &mut told_a).await;
    assert_eq!(told.len(), 2, "{told:?}");
    for station in [a, b, relay] {
        station.shutdown().await;
    }
}

/// All that receipts say until the delivery.
async fn consigned(station: &Station, told: &mut Told) -> Vec<Statement> {
    let mut all: Vec<Statement> = Vec::new();
    while !all.iter().any(|one| one.event == Event::ContentConsignment) {
        let back = soon("receipt", told.arrivals.recv()).await.unwrap();
        assert_eq!(back.header.context().class, Class::Receipt);
        all.extend(receipt(station, &back));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_recipient_is_refused_and_the_others_go_on() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let (desk_a, mut told_a) = noting_desk();
    let (desk_b, mut told_b) = noting_desk();
    let a = start(&world.node_a, Some(desk_a)).await;
    let b = start(&world.node_b, Some(desk_b)).await;
    let now = a.clock().now();
    let recipients = [RECIPIENT, "H99.1"];
    let context = context(SENDER, a.name(), &recipients, &world.agencies[0], now);
    let sent = letter(context, &world.agencies[0], 100);
    assert_eq!(
        a.next_hop(&"H99.1".parse().unwrap()),
        Err(Reason::UnknownAgency)
    );
    // A desk with older records would still send it.
    let legs = [(RECIPIENT, relay.name()), ("H99.1", relay.name())];
    let accept = submission(a.store(), &sent, &legs, now).await;
    a.commit(Change::of(vec![accept.into()])).await.unwrap();

    let (mut passed, mut refused) = (false, false);
    while !(passed && refused) {
        let change = soon("both verdicts", told_a.changes.recv()).await.unwrap();
        let to: Vec<&str> = change
            .legs
            .iter()
            .map(|(_, party)| party.as_str())
            .collect();
        match change.what {
            What::PassedOn { .. } => passed = to == [RECIPIENT],
            What::Refused { reason, .. } => {
                assert_eq!(reason, Reason::UnknownAgency);
                refused = to == ["H99.1"];
            }
            What::Retry { .. } | What::Expired => panic!("{:?}", change.what),
        }
    }
    let arrival = soon("arrival", told_b.arrivals.recv()).await.unwrap();
    assert_eq!(arrival.recipient, RECIPIENT.parse().unwrap());
    for station in [a, b, relay] {
        station.shutdown().await;
    }
}
