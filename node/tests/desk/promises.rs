//! A client that hangs up, an inbox that nobody looks into for months.

use std::time::Duration;

use node::desk::{DocumentFilter, Submission};
use node::fault::SubmitError;
use node::view::RecipientState;
use relay::store::Store;

use crate::world::{RECIPIENT, World, draft, recipient, sender};

/// The commit of the first request is on its way when its client hangs up and comes back at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_and_comes_back_has_one_document() {
    let world = World::start().await;
    let packet = world
        .a
        .compose(&sender(), draft("31", &[RECIPIENT]), vec![])
        .await
        .unwrap();
    let submission = || Submission {
        idempotency_key: Some("k-31".to_owned()),
        ..Submission::of(packet.clone())
    };
    let pool = Store::admin_pool(&world.dir.path().join("node-a"))
        .await
        .unwrap();
    // Somebody else's turn to write: commits wait.
    let turn = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let agency = sender();
    let short = Duration::from_millis(700);
    let first = tokio::time::timeout(short, world.a.submit(&agency, submission())).await;
    assert!(first.is_err(), "{first:?}");
    let second = world.a.submit(&agency, submission());
    let mut second = Box::pin(second);
    let early = tokio::time::timeout(short, second.as_mut()).await;
    turn.rollback().await.unwrap();
    let answer = match early {
        Ok(answer) => answer,
        Err(_) => second.as_mut().await,
    };
    drop(second);
    assert!(
        matches!(answer, Err(SubmitError::StillRunning)),
        "{answer:?}"
    );
    let again = world
        .until("the first answer again", async |world| {
            world.a.submit(&sender(), submission()).await.ok()
        })
        .await;
    assert!(again.replayed);
    let filter = DocumentFilter::default();
    let sent = world.a.documents(&agency, &filter, None, 10).await.unwrap();
    assert_eq!(sent.items.len(), 1);
    world.until_state(again.id, RecipientState::Delivered).await;
    let inbox = world
        .b
        .inbox(&recipient(), &[], None, None, None, 10)
        .await
        .unwrap();
    assert_eq!(inbox.items.len(), 1);
    world.stop().await;
}

/// The station forgets a retired envelope 30 days after its end; the inbox does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_can_be_acknowledged_after_its_leg_is_forgotten() {
    let world = World::start().await;
    let accepted = world.send(draft("32", &[RECIPIENT]), vec![]).await;
    world
        .until_state(accepted.id, RecipientState::Delivered)
        .await;
    let later = world.b.now().plus_ms(61 * 86_400_000);
    let store = world.b.station().store().clone();
    assert!(store.purge(later).await.unwrap() > 0);
    drop(store);
    let done = world.b.ack(&recipient(), accepted.id, None).await.unwrap();
    assert!(!done.duplicate);
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
