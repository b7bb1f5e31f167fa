//! What the sender's system can prove with what the desk answers, and what its long polls hear.

use formats::header::commitment;
use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::receipt::ReceiptBundle;
use formats::statement::{Event, Statement};
use node::desk::Topic;
use node::fault::DeskError;
use node::view::{ReceiptsView, RecipientState};

use crate::world::{RECIPIENT, World, draft, recipient, sender};

/// Statements of all bundles, each proven in its checkpoint.
fn statements(view: &ReceiptsView) -> Vec<Statement> {
    view.receipts
        .iter()
        .flat_map(|receipt| {
            let bundle = ReceiptBundle::decode(&receipt.bundle).unwrap();
            let said = bundle.statements().unwrap();
            let events: Vec<&str> = said.iter().map(|one| one.event.name()).collect();
            let told: Vec<&str> = receipt.events.iter().map(|one| one.event).collect();
            assert_eq!(told, events);
            said
        })
        .collect()
}

/// Many documents at once share checkpoints; the answer about one speaks of that one only, opens its
/// commitment, and proves every step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_a_document_speak_of_it_alone_and_open_its_commitment() {
    let world = World::start().await;
    let mut documents = Vec::new();
    for number in ["11", "12", "13", "14"] {
        documents.push(world.send(draft(number, &[RECIPIENT]), vec![]).await);
    }
    for document in &documents {
        world
            .until_state(document.id, RecipientState::Delivered)
            .await;
    }
    let acks = documents
        .iter()
        .map(|one| async { world.b.ack(&recipient(), one.id, None).await.unwrap() });
    futures_util::future::join_all(acks).await;
    for document in &documents {
        world
            .until_state(document.id, RecipientState::HandedOver)
            .await;
        let view = world.a.receipts(&sender(), document.id).await.unwrap();
        assert_eq!((view.recipients, view.envelopes.len()), (1, 1));
        assert_eq!(view.packet_digest, document.packet_digest);
        let salt: [u8; 32] = view.salt.clone().try_into().unwrap();
        let opened = commitment(&salt, &document.packet_digest, &view.signature_value);
        let said = statements(&view);
        assert!(said.iter().all(|one| one.envelope == document.id));
        assert!(said.iter().all(|one| one.commitment == Some(opened)));
        for (event, hops) in [
            (Event::RelayAcceptance, 2),
            (Event::ContentConsignment, 1),
            (Event::ContentHandover, 1),
        ] {
            let count = said.iter().filter(|one| one.event == event).count();
            assert_eq!(count, hops, "{event:?}");
        }
    }
    let other = AgencyCode::parse("H01.37").unwrap();
    let foreign = world.a.receipts(&other, documents[0].id).await;
    assert!(matches!(foreign, Err(DeskError::NotFound)));
    let foreign = world.a.progress(&other, documents[0].id).await;
    assert!(matches!(foreign, Err(DeskError::NotFound)));
    world.stop().await;
}

/// A waiter hears of its own document and inbox.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_hear_of_delivery_and_hand_over() {
    let world = World::start().await;
    let mut inbox = world.b.changes(Topic::inbox(&recipient()));
    let nobody = EnvelopeId::new(world.a.now(), &[9; 10]);
    let mut quiet = world.a.changes(Topic::document(nobody));
    quiet.mark_unchanged();
    let document = world.send(draft("15", &[RECIPIENT]), vec![]).await;
    let mut states = world.a.changes(Topic::document(document.id));
    let wait = std::time::Duration::from_secs(30);
    let heard = tokio::time::timeout(wait, inbox.changed()).await;
    heard.unwrap().unwrap();
    let heard = tokio::time::timeout(wait, states.changed()).await;
    heard.unwrap().unwrap();
    let counts = world.a.progress(&sender(), document.id).await.unwrap();
    assert_eq!(counts.delivered, 1);
    world.b.ack(&recipient(), document.id, None).await.unwrap();
    // The status packet 01 of the recipient wakes the waiter too.
    while world
        .a
        .progress(&sender(), document.id)
        .await
        .unwrap()
        .handed_over
        == 0
    {
        let heard = tokio::time::timeout(wait, states.changed()).await;
        heard.unwrap().unwrap();
    }
    assert!(
        Topic::document(nobody) == Topic::document(document.id) || !quiet.has_changed().unwrap()
    );
    world.stop().await;
}

/// Workers that claim at the same moment never get the same document, and together get all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_at_the_same_moment_share_the_inbox() {
    let world = World::start().await;
    let mut sent = Vec::new();
    for number in 20..26 {
        let document = world
            .send(draft(&number.to_string(), &[RECIPIENT]), vec![])
            .await;
        sent.push(document.id);
    }
    for id in &sent {
        world.until_state(*id, RecipientState::Delivered).await;
    }
    let to = recipient();
    let claims = (0..9).map(|_| world.b.claim(&to, 1, 60));
    let claims = futures_util::future::join_all(claims).await;
    let mut got: Vec<EnvelopeId> = claims
        .into_iter()
        .flat_map(|claim| claim.unwrap().items)
        .map(|item| item.id)
        .collect();
    got.sort_unstable_by_key(|id| Digest::of(id.as_bytes()));
    sent.sort_unstable_by_key(|id| Digest::of(id.as_bytes()));
    assert_eq!(got, sent);
    // An inbox that was found empty is looked at again when something comes.
    let late = world.send(draft("27", &[RECIPIENT]), vec![]).await;
    world.until_state(late.id, RecipientState::Delivered).await;
    let claim = world.b.claim(&to, 5, 60).await.unwrap();
    assert_eq!(claim.items.len(), 1);
    world.stop().await;
}

/// A worker that was too slow learns that another has taken its item, also when that one is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_under_a_lost_claim_is_no_hand_over() {
    let world = World::start().await;
    let sent = world.send(draft("28", &[RECIPIENT]), vec![]).await;
    world.until_state(sent.id, RecipientState::Delivered).await;
    let (to, id) = (recipient(), sent.id);
    let claim = world.b.claim(&to, 1, 60).await.unwrap();
    let slow = Some("the word of a claim that ended");
    let early = world.b.ack(&to, id, slow).await;
    assert!(matches!(early, Err(DeskError::NotClaimed)), "{early:?}");
    let unclaimed = world.b.ack(&to, id, None).await;
    assert!(
        matches!(unclaimed, Err(DeskError::NotClaimed)),
        "{unclaimed:?}"
    );
    let done = world.b.ack(&to, id, Some(&claim.claim)).await.unwrap();
    assert!(!done.duplicate);
    let again = world.b.ack(&to, id, Some(&claim.claim)).await.unwrap();
    assert!(
        again.duplicate && again.at == done.at,
        "its own answer again"
    );
    let late = world.b.ack(&to, id, slow).await;
    assert!(matches!(late, Err(DeskError::NotClaimed)), "{late:?}");
    world.stop().await;
}
