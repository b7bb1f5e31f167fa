//! Signed PDF attachments: delivered at once whatever they are, and judged a moment later.

use formats::id::EnvelopeId;
use node::view::{AttachmentView, CheckState, RecipientState};
use pki::pdf::{Changes, Integrity, Reason, Stamp, Verdict};

use crate::world::{RECIPIENT, World, draft, file, recipient};

/// A small letter with one signature and a time-stamp, by an authority that lives no more.
const SIGNED: &[u8] = include_bytes!("../../../tests/corpus/pdf/stamped.pdf");

/// Waits until all PDF attachments of a document are checked.
async fn checked(world: &World, id: EnvelopeId) -> Vec<AttachmentView> {
    world
        .until("signatures are checked", async |world| {
            let item = world.b.inbox_item(&recipient(), id).await.ok()?;
            let waits = |one: &AttachmentView| {
                let check = one.signatures.as_ref();
                check.is_some_and(|check| check.state == CheckState::Pending)
            };
            (!item.attachments.iter().any(waits)).then_some(item.attachments)
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_inside_attachments_are_reported_and_never_block() {
    let world = World::start().await;
    let mut tampered = SIGNED.to_vec();
    let text = b"(Cong van so 1)";
    let at = tampered
        .windows(text.len())
        .position(|window| window == text)
        .unwrap();
    tampered[at + 13] = b'7';
    let mut extended = SIGNED.to_vec();
    let start = u64::try_from(extended.len()).unwrap();
    let end = std::str::from_utf8(&SIGNED[SIGNED.len() - 30..]).unwrap();
    let previous: u64 = end.lines().rev().nth(1).unwrap().parse().unwrap();
    let object = "4 0 obj\n<< /Length 1 >>\nstream\nq\nendstream\nendobj\n";
    let table = start + u64::try_from(object.len()).unwrap();
    extended.extend_from_slice(
        format!(
            "{object}xref\n4 1\n{start:010} 00000 n \ntrailer\n<< /Root 1 0 R /Size 7 /Prev {previous} >>\n\
             startxref\n{table}\n%%EOF\n"
        )
        .as_bytes(),
    );
    let mut word = file("d.docx", b"PK");
    word.mime = "application/msword".to_owned();
    let accepted = world
        .send(
            draft("31", &[RECIPIENT]),
            vec![
                file("a.pdf", SIGNED),
                file("b.pdf", &tampered),
                file("c.pdf", &extended),
                word,
                file("e.pdf", b"%PDF-1.4 nothing more"),
            ],
        )
        .await;
    world
        .until_state(accepted.id, RecipientState::Delivered)
        .await;
    // Nothing waits for the check: the document can be taken as soon as it is there.
    let claim = world.b.claim(&recipient(), 1, 60).await.unwrap();
    assert_eq!(claim.items.len(), 1);
    let id = claim.items[0].id;
    world
        .b
        .ack(&recipient(), id, Some(&claim.claim))
        .await
        .unwrap();

    let files = checked(&world, id).await;
    let state = |n: usize| files[n].signatures.as_ref().map(|check| check.state);
    assert_eq!(state(0), Some(CheckState::Valid), "{files:?}");
    assert_eq!(state(1), Some(CheckState::Invalid));
    assert_eq!(state(2), Some(CheckState::Invalid));
    assert_eq!(state(3), None);
    assert_eq!(state(4), Some(CheckState::Unknown));
    let one = |n: usize| &files[n].signatures.as_ref().unwrap().signatures[0].found;
    assert_eq!(
        (one(0).verdict, one(0).stamp),
        (Verdict::Valid, Stamp::Verified)
    );
    assert_eq!(one(0).signer.as_ref().unwrap().name, "04.36.h01");
    assert_eq!(
        (one(1).reason, one(1).integrity),
        (Some(Reason::Digest), Integrity::Broken)
    );
    assert_eq!(
        (one(2).reason, one(2).changes),
        (Some(Reason::ChangedAfterSigning), Changes::Changed)
    );
    let text = serde_json::to_value(&files[0]).unwrap();
    assert_eq!(text["signatures"]["text"]["vi"], "hợp lệ");
    assert_eq!(text["signatures"]["signatures"][0]["verdict"], "valid");

    // What was found outlives a restart.
    let world = world.restart_b().await;
    let item = world.b.inbox_item(&recipient(), id).await.unwrap();
    assert_eq!(item.attachments, files);
    world.stop().await;
}
