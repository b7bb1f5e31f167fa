//! Content goes by a rule, never while it is held; what proves the document stays.

use formats::id::EnvelopeId;
use formats::proof::{Member, ProofReader};
use node::desk::Desk;
use node::fault::DeskError;
use node::keeping::Holding;
use node::view::{RecipientState, is_held};
use relay::store::Store;

use crate::world::{RECIPIENT, World, draft, file, recipient, sender};

/// Makes what these nodes have two years old, and lets the sealed copies go.
async fn age(world: &World) {
    let years = 2 * 365 * 86_400_000_i64;
    for (node, sql) in [
        (
            "node-a",
            format!(
                "UPDATE desk_document SET created = created - {years}; \
                 UPDATE desk_envelope SET released = 1"
            ),
        ),
        (
            "node-b",
            format!("UPDATE desk_inbox SET received = received - {years}"),
        ),
    ] {
        let pool = Store::admin_pool(&world.dir.path().join(node))
            .await
            .unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
    }
}

fn packet_files(world: &World, node: &str) -> usize {
    let folder = world.dir.path().join(node).join("packets");
    std::fs::read_dir(folder).unwrap().count()
}

async fn story(a: &Desk, id: EnvelopeId) -> Vec<String> {
    let lines = a.timeline(&sender(), id).await.unwrap();
    let receipts = lines[0]
        .steps
        .iter()
        .filter_map(|step| step.receipt_id.clone());
    receipts.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_goes_by_its_rule_and_evidence_stays() {
    let world = World::start().await;
    // Too large for a row: files on both sides.
    let bytes = vec![7; 700_000];
    let files = vec![file("a.pdf", &bytes)];
    let sent = world.send(draft("81", &[RECIPIENT]), files).await.id;
    let held = world.send(draft("82", &[RECIPIENT]), vec![]).await.id;
    let untaken = world.send(draft("83", &[RECIPIENT]), vec![]).await.id;
    for id in [sent, held, untaken] {
        world.until_state(id, RecipientState::Delivered).await;
    }
    for id in [sent, held] {
        world.b.ack(&recipient(), id, None).await.unwrap();
        world.until_state(id, RecipientState::HandedOver).await;
    }
    let (a, b) = (&world.a, &world.b);
    // Young documents stay.
    a.apply_retention().await.unwrap();
    b.apply_retention().await.unwrap();
    a.sent_package(&sender(), sent).await.unwrap();
    assert_eq!(
        (
            packet_files(&world, "node-a"),
            packet_files(&world, "node-b")
        ),
        (1, 1)
    );
    let why = "Thanh tra tỉnh yêu cầu";
    let hold = Holding::Hold;
    a.hold_sent(&sender(), held, hold, "lan", why)
        .await
        .unwrap();
    b.hold_received(&recipient(), held, hold, "lan", why)
        .await
        .unwrap();
    for empty in ["", " ", "a\nb"] {
        let wrong = a.hold_sent(&sender(), held, hold, "lan", empty).await;
        assert!(matches!(wrong, Err(DeskError::Invalid(_))), "{wrong:?}");
    }
    let other = "H01.37".parse().unwrap();
    let foreign = a.hold_sent(&other, held, hold, "lan", why).await;
    assert!(matches!(foreign, Err(DeskError::NotFound)), "{foreign:?}");

    let before = story(a, sent).await;
    age(&world).await;
    a.apply_retention().await.unwrap();
    b.apply_retention().await.unwrap();
    let gone = a.sent_package(&sender(), sent).await;
    let Err(DeskError::ContentDeleted { rule, .. }) = gone else {
        panic!("{gone:?}");
    };
    assert_eq!(rule, "retention.document_years = 1");
    let gone = b.package(&recipient(), sent).await;
    assert!(matches!(gone, Err(DeskError::ContentDeleted { .. })));
    let gone = a.sent_file(&sender(), sent, 1).await;
    assert!(matches!(gone, Err(DeskError::ContentDeleted { .. })));
    assert_eq!(
        (
            packet_files(&world, "node-a"),
            packet_files(&world, "node-b")
        ),
        (0, 0)
    );
    // What is held, and what nobody has taken, is there.
    a.sent_package(&sender(), held).await.unwrap();
    b.package(&recipient(), held).await.unwrap();
    b.package(&recipient(), untaken).await.unwrap();

    // The story and the package without its packet.
    assert_eq!(story(a, sent).await, before);
    let view = a.document(&sender(), sent).await.unwrap();
    assert_eq!(view.keeping.len(), 1);
    assert_eq!(
        (view.keeping[0].act.as_str(), &view.keeping[0].why),
        ("deleted", &rule)
    );
    assert!(view.content_deleted.is_some() && !is_held(&view.keeping));
    let zip = a
        .evidence(&sender(), sent, node::evidence::Contents::Packet)
        .await
        .unwrap();
    let mut zip = ProofReader::open(std::io::Cursor::new(zip.body.read_all().unwrap())).unwrap();
    assert!(!zip.has(&Member::Packet));
    let digest = zip.read(&Member::PacketDigest).unwrap();
    assert_eq!(
        String::from_utf8(digest).unwrap().trim(),
        view.packet_digest
    );
    assert!(zip.has(&Member::Statement(5)) && zip.has(&Member::Signature));

    // A hold ends, and the rule counts again; doing it twice deletes once.
    a.hold_sent(&sender(), held, Holding::Release, "lan", "Đã kết luận")
        .await
        .unwrap();
    a.apply_retention().await.unwrap();
    a.apply_retention().await.unwrap();
    let gone = a.sent_package(&sender(), held).await;
    assert!(matches!(gone, Err(DeskError::ContentDeleted { .. })));
    let acts = a.document(&sender(), held).await.unwrap().keeping;
    let acts: Vec<(&str, &str)> = acts
        .iter()
        .map(|one| (one.act.as_str(), one.who.as_str()))
        .collect();
    assert_eq!(
        acts,
        [
            ("hold", "lan"),
            ("release", "lan"),
            ("deleted", "node-a.tram.test")
        ]
    );
    b.package(&recipient(), held).await.unwrap();
    world.stop().await;
}
