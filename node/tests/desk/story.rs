//! A document's way, and everything that must not go through.

use formats::id::Digest;
use node::desk::{DocumentFilter, Submission};
use node::fault::{DeskError, SubmitError};
use node::view::{InboxState, RecipientState, Verdict};

use crate::world::{RECIPIENT, World, draft, file, recipient, sender};

/// Submit, arrive, claim, acknowledge; every state is proven by the recipient's home station.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_is_delivered_handed_over_and_proven() {
    let world = World::start().await;
    let accepted = world
        .send(
            draft("01", &["000.04.36.H01"]),
            vec![file("a.pdf", b"%PDF-1.4")],
        )
        .await;
    assert!(!accepted.duplicate && !accepted.replayed);
    assert_eq!(accepted.recipients[0].code, recipient());
    assert_eq!(
        accepted.recipients[0].written_as.as_deref(),
        Some("000.04.36.H01")
    );
    world
        .until_state(accepted.id, RecipientState::Delivered)
        .await;

    let inbox = world
        .b
        .inbox(&recipient(), &[InboxState::New], None, None, None, 10)
        .await
        .unwrap();
    assert_eq!(inbox.items.len(), 1);
    let row = &inbox.items[0];
    assert_eq!(row.local_id, "H01.36,2026/01/09,01/SNV-VP");
    let package = world.b.package(&recipient(), row.id).await.unwrap();
    assert_eq!(package.digest, accepted.packet_digest);
    assert_eq!(
        Digest::of(&package.body.read_all().unwrap()),
        accepted.packet_digest
    );
    let item = world.b.inbox_item(&recipient(), row.id).await.unwrap();
    assert!(item.signature.unwrap().stamped_at.is_some());
    let first = world.b.file(&recipient(), row.id, 1).await.unwrap();
    assert_eq!(first.body.read_all().unwrap().as_ref(), b"%PDF-1.4");
    assert!(matches!(
        world.b.file(&recipient(), row.id, 2).await,
        Err(DeskError::NotFound)
    ));

    let claim = world.b.claim(&recipient(), 5, 60).await.unwrap();
    assert_eq!(claim.items.len(), 1);
    assert!(
        world
            .b
            .claim(&recipient(), 5, 60)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let without = world.b.ack(&recipient(), row.id, None).await;
    assert!(matches!(without, Err(DeskError::NotClaimed)));
    let done = world
        .b
        .ack(&recipient(), row.id, Some(&claim.claim))
        .await
        .unwrap();
    let again = world
        .b
        .ack(&recipient(), row.id, Some(&claim.claim))
        .await
        .unwrap();
    assert!(!done.duplicate && again.duplicate);
    assert_eq!(done.at, again.at);
    world
        .until_state(accepted.id, RecipientState::HandedOver)
        .await;

    // Custody of the recipient's own station is told with the delivery.
    let lines = world.a.timeline(&sender(), accepted.id).await.unwrap();
    let events: Vec<(&str, &str)> = lines[0]
        .steps
        .iter()
        .map(|step| (step.event.as_str(), step.who.as_str()))
        .collect();
    assert_eq!(
        events,
        [
            ("accepted", "node-a.tram.test"),
            ("relayed", "relay-bac.tram.test"),
            ("relayed", "node-b.tram.test"),
            ("delivered", "node-b.tram.test"),
            ("handed_over", "node-b.tram.test"),
        ]
    );
    assert!(
        lines[0]
            .steps
            .iter()
            .all(|step| step.verdict == Verdict::Valid),
        "{lines:?}"
    );
    assert!(lines[0].next.is_none());
    let why = world.a.explain(&sender(), accepted.id).await.unwrap();
    assert!(!why.act && why.state == RecipientState::HandedOver);
    world.stop().await;
}

/// A packet of more than one chunk goes by files on both sides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_document_arrives_byte_for_byte() {
    let world = World::start().await;
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|at| at.to_le_bytes()[1] ^ 0x5a)
        .collect();
    let accepted = world
        .send(draft("02", &[RECIPIENT]), vec![file("lon.pdf", &bytes)])
        .await;
    world
        .until_state(accepted.id, RecipientState::Delivered)
        .await;
    let package = world.b.package(&recipient(), accepted.id).await.unwrap();
    assert!(package.body.path().is_some());
    assert_eq!(package.body.hash().unwrap(), accepted.packet_digest);
    let back = world.b.file(&recipient(), accepted.id, 1).await.unwrap();
    assert_eq!(back.digest, Digest::of(&bytes));
    world.stop().await;
}

/// Sender and recipient on one node: the receipts come from the same station.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agencies_of_one_node_exchange_through_its_own_station() {
    let world = World::start().await;
    let accepted = world.send(draft("03", &["H01.37"]), vec![]).await;
    world
        .until_state(accepted.id, RecipientState::Delivered)
        .await;
    let other = formats::id::AgencyCode::parse("H01.37").unwrap();
    world.a.ack(&other, accepted.id, None).await.unwrap();
    world
        .until_state(accepted.id, RecipientState::HandedOver)
        .await;
    world.stop().await;
}

/// Everything wrong is said at once, and nothing is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_faults_of_a_packet_are_listed() {
    let world = World::start().await;
    let mut wrong = draft("04", &["H99.1", RECIPIENT, "000.04.36.H01"]);
    wrong.subject = String::new();
    let packet = world.a.compose(&sender(), wrong, vec![]).await.unwrap();
    let SubmitError::Faults(faults) = world
        .a
        .submit(&sender(), Submission::of(packet.clone()))
        .await
        .unwrap_err()
    else {
        panic!("faults expected")
    };
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code.as_str()).collect();
    assert!(codes.contains(&"N.MessageHeader.Subject"), "{codes:?}");
    let receivers = faults.iter().filter(|fault| fault.code == "E-RECEIVER");
    let paths: Vec<&str> = receivers.map(|fault| fault.path.as_str()).collect();
    assert!(paths.contains(&"MessageHeader/To[1]/OrganId"), "{faults:?}");
    assert!(paths.contains(&"MessageHeader/To[3]/OrganId"), "{faults:?}");
    let other = formats::id::AgencyCode::parse("H01.37").unwrap();
    let SubmitError::Faults(faults) = world.a.validate(&other, packet).await.unwrap_err() else {
        panic!("faults expected")
    };
    assert!(
        faults.iter().any(|fault| fault.code == "E-SENDER"),
        "{faults:?}"
    );
    let nothing = world
        .a
        .documents(&sender(), &DocumentFilter::default(), None, 10)
        .await;
    assert!(nothing.unwrap().items.is_empty());
    let secret = node::body::Body::memory(b"<x".to_vec());
    let broken = world
        .a
        .submit(&sender(), Submission::of(secret))
        .await
        .unwrap_err();
    assert!(matches!(broken, SubmitError::Faults(faults) if faults[0].code == "E-XML"));
    world.stop().await;
}

/// The natural key and the Idempotency-Key, with every answer they can give.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_document_is_sent_once() {
    let world = World::start().await;
    let packet = world
        .a
        .compose(&sender(), draft("05", &[RECIPIENT]), vec![])
        .await
        .unwrap();
    let keyed = |key: &str, body: &node::body::Body| Submission {
        idempotency_key: Some(key.to_owned()),
        ..Submission::of(body.clone())
    };
    let first = world
        .a
        .submit(&sender(), keyed("k1", &packet))
        .await
        .unwrap();
    let replay = world
        .a
        .submit(&sender(), keyed("k1", &packet))
        .await
        .unwrap();
    assert!(replay.replayed && !replay.duplicate && replay.id == first.id);
    let twice = world
        .a
        .submit(&sender(), keyed("k2", &packet))
        .await
        .unwrap();
    assert!(twice.duplicate && !twice.replayed && twice.id == first.id);
    let mut changed = draft("05", &[RECIPIENT]);
    changed.subject = "Nội dung khác".to_owned();
    let other = world.a.compose(&sender(), changed, vec![]).await.unwrap();
    let mismatch = world
        .a
        .submit(&sender(), keyed("k1", &other))
        .await
        .unwrap_err();
    assert!(matches!(mismatch, SubmitError::IdempotencyMismatch { first: id } if id == first.id));
    let conflict = world
        .a
        .submit(&sender(), Submission::of(other.clone()))
        .await
        .unwrap_err();
    assert!(
        matches!(conflict, SubmitError::NaturalKeyConflict { first: id, .. } if id == first.id)
    );
    let resend = Submission {
        resend_reason: Some("Sửa lỗi".to_owned()),
        ..Submission::of(other)
    };
    let second = world.a.submit(&sender(), resend).await.unwrap();
    assert!(second.id != first.id && !second.duplicate);
    let found = world
        .a
        .find_by_local_id(&sender(), &first.local_id)
        .await
        .unwrap();
    assert_eq!(
        found.iter().map(|row| row.id).collect::<Vec<_>>(),
        [second.id, first.id]
    );
    world
        .until_state(second.id, RecipientState::Delivered)
        .await;
    world.until_state(first.id, RecipientState::Delivered).await;
    let inbox = world
        .b
        .inbox(&recipient(), &[], None, None, None, 10)
        .await
        .unwrap();
    assert_eq!(inbox.items.len(), 2);
    world.stop().await;
}

/// Lists: text without diacritics, states, pages; another agency sees nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_searched_without_diacritics_and_paged() {
    let world = World::start().await;
    for number in ["06", "07", "08"] {
        world.send(draft(number, &[RECIPIENT]), vec![]).await;
    }
    let filter = DocumentFilter {
        text: Some("kiem thu dong tien".to_owned()),
        ..Default::default()
    };
    let page = world
        .a
        .documents(&sender(), &filter, None, 2)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 2);
    assert_eq!(page.items[0].code, "08/SNV-VP");
    let rest = world
        .a
        .documents(&sender(), &filter, page.next.as_deref(), 2)
        .await
        .unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
    let none = DocumentFilter {
        text: Some("khong co".to_owned()),
        ..Default::default()
    };
    assert!(
        world
            .a
            .documents(&sender(), &none, None, 2)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let other = formats::id::AgencyCode::parse("H01.37").unwrap();
    let id = page.items[0].id;
    assert!(matches!(
        world.a.document(&other, id).await,
        Err(DeskError::NotFound)
    ));
    assert!(matches!(
        world.a.documents(&recipient(), &filter, None, 2).await,
        Err(DeskError::NotServed(_))
    ));
    assert_eq!(world.a.counts(&sender()).await.unwrap().sent, 3);
    world.stop().await;
}

/// What arrived stays after a restart, and what was acknowledged stays acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_nothing_and_delivers_nothing_twice() {
    let world = World::start().await;
    let accepted = world.send(draft("09", &[RECIPIENT]), vec![]).await;
    world
        .until_state(accepted.id, RecipientState::Delivered)
        .await;
    let world = world.restart_b().await;
    let inbox = world
        .b
        .inbox(&recipient(), &[], None, None, None, 10)
        .await
        .unwrap();
    assert_eq!(inbox.items.len(), 1);
    world.b.ack(&recipient(), accepted.id, None).await.unwrap();
    world
        .until_state(accepted.id, RecipientState::HandedOver)
        .await;
    let world = world.restart_b().await;
    assert!(
        world
            .b
            .ack(&recipient(), accepted.id, None)
            .await
            .unwrap()
            .duplicate
    );
    world.stop().await;
}
