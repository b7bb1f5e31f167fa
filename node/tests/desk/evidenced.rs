//! Every event of the table, caused over two relays and found as a verified statement at the sender; and that
//! page, API, command line and proof package tell the same story in the same order.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use formats::id::{Digest, EnvelopeId};
use formats::proof::{Member, ProofReader};
use formats::receipt::ReceiptBundle;
use formats::statement::{Event, Statement, leaf_hash};
use node::access::{KeyDraft, Scope, UserDraft};
use node::desk::{Desk, RecallDraft, Submission};
use node::fault::SubmitError;
use node::tram::Environment;
use node::view::{EvidenceLevel, RecipientState, Source};
use relay::store::{Change, Store, Write};

use crate::forged::{Wrong, forge};
use crate::world::{RECIPIENT, World, draft, recipient, sender};

/// What was said about a document at the sender: event and station, in order.
async fn said(a: &Desk, id: EnvelopeId) -> Vec<(String, String)> {
    let lines = a.timeline(&sender(), id).await.unwrap();
    let stated = lines[0].steps.iter().filter_map(|step| {
        let event = step.statement?.to_owned();
        assert_eq!(step.source, Source::Statement);
        assert!(step.log.is_some() && step.level.is_some() && step.receipt_id.is_some());
        Some((event, step.who.split('.').next().unwrap().to_owned()))
    });
    stated.collect()
}

/// Makes the desk of the sender know a forged envelope as a document of its own, like `model`.
async fn adopt(dir: &std::path::Path, model: EnvelopeId, accept: &relay::store::Accept) {
    let pool = Store::admin_pool(&dir.join("node-a")).await.unwrap();
    let context = accept.header.context();
    let id = context.id.to_string();
    let columns =
        "agency, kind, local_id, facts, attachments, warnings, search_text, packet_digest,
        packet_bytes, packet_signature, certificate, signed_at, stamped_at, resend_reason";
    let sql = format!(
        "INSERT INTO desk_document (id, natural, created, expires, updated, {columns})
         SELECT ?1, ?1, ?2, ?3, ?2, {columns} FROM desk_document WHERE id = ?4"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&id)
        .bind(context.created.unix_ms())
        .bind(context.expires.unix_ms())
        .bind(model.to_string())
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO desk_envelope (id, document, header, header_digest, header_signature, salt, created,
           expires) VALUES (?1, ?1, ?2, ?3, x'00', x'00', ?4, ?5)",
    )
    .bind(&id)
    .bind(accept.header.bytes())
    .bind(accept.header.digest().as_bytes().as_slice())
    .bind(context.created.unix_ms())
    .bind(context.expires.unix_ms())
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO desk_recipient (envelope, recipient, document, position, name, state, accepted_at,
           expires, updated) VALUES (?1, ?2, ?1, 0, 'n', 'accepted', ?3, ?4, ?3)",
    )
    .bind(&id)
    .bind(RECIPIENT)
    .bind(context.created.unix_ms())
    .bind(context.expires.unix_ms())
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
}

/// Sends an envelope that is wrong in one way, as a document that the desk knows.
async fn send_wrong(
    a: &Desk,
    dir: &std::path::Path,
    model: EnvelopeId,
    wrong: Wrong,
) -> EnvelopeId {
    let package = a.sent_package(&sender(), model).await.unwrap();
    let packet = package.body.read_all().unwrap();
    let mut accept = forge(a, dir, &packet, wrong).await;
    accept.event = Some(Event::SubmissionAcceptance);
    adopt(dir, model, &accept).await;
    let id = accept.header.context().id;
    let change = Change::of(vec![Write::from(accept)]);
    a.station().commit(change).await.unwrap();
    id
}

/// Stories by name, each ended.
struct Stories {
    handed_over: EnvelopeId,
    refused_by_system: EnvelopeId,
    quarantined: EnvelopeId,
    rejected_on_the_road: EnvelopeId,
    expired: EnvelopeId,
    recalled: EnvelopeId,
}

impl Stories {
    fn all(&self) -> [(&'static str, EnvelopeId); 6] {
        [
            ("handed over", self.handed_over),
            ("refused by the recipient's system", self.refused_by_system),
            ("quarantined", self.quarantined),
            ("rejected on the road", self.rejected_on_the_road),
            ("expired", self.expired),
            ("recalled", self.recalled),
        ]
    }
}

async fn tell(world: World) -> (World, Stories) {
    let handed_over = world.send(draft("61", &[RECIPIENT]), vec![]).await.id;
    world
        .until_state(handed_over, RecipientState::Delivered)
        .await;
    // Twice looked at, once stated.
    world.b.looked(&recipient(), handed_over).await;
    world.b.looked(&recipient(), handed_over).await;
    world.b.ack(&recipient(), handed_over, None).await.unwrap();
    world
        .until_state(handed_over, RecipientState::HandedOver)
        .await;

    let refused_by_system = world.send(draft("62", &[RECIPIENT]), vec![]).await.id;
    world
        .until_state(refused_by_system, RecipientState::Delivered)
        .await;
    let why = "QLVB báo lỗi khi nhập";
    let refuse = async |id| world.b.refuse(&recipient(), id, None, why).await;
    refuse(refused_by_system).await.unwrap();
    refuse(refused_by_system).await.unwrap_err();
    refuse(handed_over).await.unwrap_err();
    world
        .until_state(refused_by_system, RecipientState::Refused)
        .await;

    let dir = world.dir.path().to_owned();
    let wrong = |wrong| send_wrong(&world.a, &dir, handed_over, wrong);
    let quarantined = wrong(Wrong {
        commitment: true,
        ..Wrong::default()
    })
    .await;
    let rejected_on_the_road = wrong(Wrong {
        header: true,
        ..Wrong::default()
    })
    .await;
    world
        .until_state(quarantined, RecipientState::Refused)
        .await;
    world
        .until_state(rejected_on_the_road, RecipientState::Refused)
        .await;

    // With a relay there the envelope would be refused first.
    let mut expired = None;
    let world = world
        .while_the_relay_is_down(async |a, _| {
            let late = Wrong {
                expired: true,
                ..Wrong::default()
            };
            let id = send_wrong(a, &dir, handed_over, late).await;
            while said(a, id).await.len() < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            expired = Some(id);
        })
        .await;
    let expired = expired.unwrap();

    let mut recalled = None;
    let world = world
        .while_b_is_down(async |a| {
            let packet = a
                .compose(&sender(), draft("63", &[RECIPIENT]), vec![])
                .await
                .unwrap();
            let id = a
                .submit(&sender(), Submission::of(packet))
                .await
                .unwrap()
                .id;
            let both = async || said(a, id).await.len() >= 3;
            while !both().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let back = RecallDraft {
                reason: "Gửi nhầm".to_owned(),
                ..RecallDraft::default()
            };
            let back = a.recall(&sender(), id, &back).await.unwrap();
            a.submit(&sender(), Submission::of(back)).await.unwrap();
            recalled = Some(id);
        })
        .await;
    let recalled = recalled.unwrap();
    world.until_state(recalled, RecipientState::Withdrawn).await;
    let stories = Stories {
        handed_over,
        refused_by_system,
        quarantined,
        rejected_on_the_road,
        expired,
        recalled,
    };
    (world, stories)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_a_verified_statement_at_the_sender_and_told_the_same_everywhere() {
    let (world, stories) = tell(World::start_over_two_relays().await).await;
    use Event::{
        ContentConsignment, ContentConsignmentFailure, ContentHandover, ContentHandoverFailure,
        Expired, Opened, Recalled, RelayAcceptance, RelayFailure, RelayRejection,
        SubmissionAcceptance,
    };
    let road = [
        (SubmissionAcceptance, "node-a"),
        (RelayAcceptance, "relay-bac"),
        (RelayAcceptance, "relay-nam"),
        (RelayAcceptance, "node-b"),
    ];
    let home = |events: &[Event]| -> Vec<(Event, &'static str)> {
        let ends = events.iter().map(|event| (*event, "node-b"));
        road.into_iter().chain(ends).collect()
    };
    let table = [
        (
            stories.handed_over,
            home(&[ContentConsignment, Opened, ContentHandover]),
        ),
        (
            stories.refused_by_system,
            home(&[ContentConsignment, ContentHandoverFailure]),
        ),
        (stories.quarantined, home(&[ContentConsignmentFailure])),
        (
            stories.rejected_on_the_road,
            vec![(SubmissionAcceptance, "node-a"), (RelayRejection, "node-a")],
        ),
        (
            stories.expired,
            vec![(SubmissionAcceptance, "node-a"), (Expired, "node-a")],
        ),
        (
            stories.recalled,
            vec![
                (SubmissionAcceptance, "node-a"),
                (RelayAcceptance, "relay-bac"),
                (RelayAcceptance, "relay-nam"),
                (RelayFailure, "relay-nam"),
                (Recalled, "node-b"),
            ],
        ),
    ];
    let mut seen = BTreeSet::from([Event::SubmissionRejection]);
    for ((name, id), (same, expected)) in stories.all().into_iter().zip(table) {
        assert_eq!(id, same);
        let expected: Vec<(String, String)> = expected
            .into_iter()
            .map(|(event, station)| {
                seen.insert(event);
                (event.name().to_owned(), station.to_owned())
            })
            .collect();
        let all_told = world.until(name, async |world| {
            let told = said(&world.a, id).await;
            expected.iter().all(|one| told.contains(one)).then_some(())
        });
        let wait = Duration::from_secs(45);
        let in_time = tokio::time::timeout(wait, all_told).await;
        let told = said(&world.a, id).await;
        assert!(in_time.is_ok(), "{name}: {told:?}");
        assert_eq!(said(&world.a, id).await, expected, "{name}");
    }
    assert_eq!(
        seen,
        BTreeSet::from(Event::ALL),
        "every event has its story"
    );
    same_everywhere(&world, &stories).await;
    world.stop().await;
}

/// Serves the sender's desk on loopback, with a user and a key.
async fn serve(desk: &Desk) -> (String, String, String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = node::door::router(desk.clone());
    #[expect(clippy::disallowed_methods, reason = "aborted at the end of the test")]
    let task = tokio::spawn(async move {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).await.unwrap();
    });
    let key = KeyDraft {
        label: "QLVB".to_owned(),
        scopes: Scope::ALL.to_vec(),
        live: false,
        expires: None,
    };
    let key = desk.create_key(&sender(), key).await.unwrap().secret;
    let user = UserDraft {
        name: "lan".to_owned(),
        display: "Nguyễn Thị Lan".to_owned(),
        agency: sender(),
        scopes: Scope::ALL.to_vec(),
        password: "mat-khau-thu".to_owned(),
    };
    desk.put_user(user).await.unwrap();
    let login = desk.login("lan", "mat-khau-thu").await.unwrap().unwrap();
    (url, key, login.token, task)
}

/// Numbers of receipts in a text, in order: 16 hexadecimal digits of a leaf.
fn receipts_in(text: &str, known: &[String]) -> Vec<String> {
    let mut found: Vec<(usize, String)> = known
        .iter()
        .filter_map(|one| text.find(one.as_str()).map(|at| (at, one.clone())))
        .collect();
    found.sort();
    found.into_iter().map(|(_, one)| one).collect()
}

async fn same_everywhere(world: &World, stories: &Stories) {
    let (url, key, cookie, task) = serve(&world.a).await;
    let client = reqwest::Client::new();
    for (name, id) in stories.all() {
        let api: serde_json::Value = {
            let request = client.get(format!("{url}/api/v1/documents/{id}/events"));
            let answer = request.bearer_auth(&key).send().await.unwrap();
            serde_json::from_str(&answer.text().await.unwrap()).unwrap()
        };
        let steps = api["items"][0]["steps"].as_array().unwrap();
        let stated: Vec<&serde_json::Value> = steps
            .iter()
            .filter(|step| step["source"] == "statement")
            .collect();
        let told: Vec<String> = stated
            .iter()
            .map(|step| step["receipt_id"].as_str().unwrap().to_owned())
            .collect();
        let said: Vec<(&str, &str, &str)> = stated
            .iter()
            .map(|step| {
                let part = |name: &str| step[name].as_str().unwrap();
                (part("statement"), part("who"), part("at"))
            })
            .collect();

        let page = client.get(format!("{url}/documents/{id}"));
        let page = page.header("cookie", format!("tram_session={cookie}"));
        let page = page.send().await.unwrap().text().await.unwrap();
        assert_eq!(receipts_in(&page, &told), told, "page of {name}: {page}");
        let lines = page.matches("<li").count() - page.matches("<li class=\"day\"").count();
        assert!(lines >= steps.len(), "{name}");

        let environment = Environment {
            url: Some(url.clone()),
            key: Some(key.clone()),
            ..Environment::default()
        };
        let id_text = id.to_string();
        let line = ["tram", "--lang", "en", "doc", "timeline", &id_text];
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let arguments = line.map(std::ffi::OsString::from).to_vec();
        let exit = node::tram::run(arguments, environment, &mut out, &mut err).await;
        let shown = String::from_utf8(out).unwrap();
        assert_eq!(exit, 0, "{shown}{}", String::from_utf8_lossy(&err));
        assert_eq!(receipts_in(&shown, &told), told, "{name}: {shown}");

        let zip = world
            .a
            .evidence(&sender(), id, node::evidence::Contents::Packet)
            .await
            .unwrap();
        let zip = std::io::Cursor::new(zip.body.read_all().unwrap());
        let mut zip = ProofReader::open(zip).unwrap();
        let mut packed = Vec::new();
        for number in 1.. {
            if !zip.has(&Member::Statement(number)) {
                break;
            }
            let text = zip.read(&Member::Statement(number)).unwrap();
            let salt = zip.read(&Member::StatementSalt(number)).unwrap();
            let salt: Digest = std::str::from_utf8(&salt).unwrap().trim().parse().unwrap();
            let leaf = leaf_hash(salt.as_bytes(), &text).to_string();
            packed.push((Statement::parse(&text).unwrap(), leaf[..16].to_owned()));
        }
        let leaves: Vec<&String> = packed.iter().map(|(_, leaf)| leaf).collect();
        assert_eq!(leaves, told.iter().collect::<Vec<_>>(), "package of {name}");
        for ((statement, _), (event, who, at)) in packed.iter().zip(said) {
            assert_eq!(
                (
                    statement.event.name(),
                    statement.station.as_str(),
                    statement.time.rfc3339()
                ),
                (event, who, at.to_owned()),
                "{name}"
            );
        }
    }
    task.abort();
}

/// A packet that was read and refused leaves a receipt about its digest; a dry run leaves none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_packet_is_stated_and_its_receipt_goes_with_the_answer() {
    let world = World::start().await;
    let (url, key, _, task) = serve(&world.a).await;
    let bad = b"<edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"/>";
    let before = world.a.station().store().head().borrow().size;
    let client = reqwest::Client::new();
    let ask = async |path: &str| {
        let request = client.post(format!("{url}/api/v1{path}"));
        let request = request.bearer_auth(&key).header("idempotency-key", "k-1");
        let request = request.header("content-type", "application/edxml+xml");
        let answer = request.body(bad.to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), 422);
        serde_json::from_str::<serde_json::Value>(&answer.text().await.unwrap()).unwrap()
    };
    let dry = ask("/documents/validate").await;
    assert!(dry.get("receipt").is_none(), "{dry}");
    assert_eq!(world.a.station().store().head().borrow().size, before);
    let answer = ask("/documents").await;
    assert_eq!(answer["code"], "packet_invalid");
    let receipt = {
        use base64::Engine;
        let text = answer["receipt"].as_str().unwrap();
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap()
    };
    let bundle = ReceiptBundle::decode(&receipt).unwrap();
    let said = bundle.statements().unwrap();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].event, Event::SubmissionRejection);
    assert_eq!(said[0].header_digest, Digest::of(bad));
    assert_eq!(said[0].reason.unwrap().code(), "packet_invalid");
    assert_eq!(
        said[0].envelope.to_string(),
        answer["rejection"].as_str().unwrap()
    );
    // It is found again by its names, for its agency alone.
    let again = world
        .a
        .rejection(&sender(), said[0].envelope, Digest::of(bad))
        .await
        .unwrap();
    assert_eq!(again.id, said[0].envelope);
    let other = "H01.37".parse().unwrap();
    world
        .a
        .rejection(&other, said[0].envelope, Digest::of(bad))
        .await
        .unwrap_err();
    let packet = node::body::Body::memory(bad.to_vec());
    let plain = world.a.submit(&sender(), Submission::of(packet)).await;
    assert!(matches!(plain, Err(SubmitError::Faults(_))));
    task.abort();
    world.stop().await;
}

/// Receipts that were lost come again, and all of them under time-stamps, once the desk asks for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_receipts_come_again_and_proofs_move_to_stamped_checkpoints() {
    let world = World::start_over_two_relays().await;
    let sent = world.send(draft("71", &[RECIPIENT]), vec![]).await.id;
    world.until_state(sent, RecipientState::Delivered).await;
    world.b.ack(&recipient(), sent, None).await.unwrap();
    world.until_state(sent, RecipientState::HandedOver).await;
    let told = world
        .until("all six statements", async |world| {
            let all = said(&world.a, sent).await;
            (all.len() == 6).then_some(all)
        })
        .await;
    let updated = world.a.document(&sender(), sent).await.unwrap().row.updated;
    // Every log is stamped beyond what was said.
    for station in [
        world.b.station(),
        world.relay(),
        world.second(),
        world.a.station(),
    ] {
        let size = station.store().head().borrow().size;
        world
            .until("a stamp", async |_| {
                let stamped = station.store().stamped().await.unwrap()?;
                (stamped.parsed().unwrap().checkpoint.size >= size).then_some(())
            })
            .await;
    }
    let pool = Store::admin_pool(&world.dir.path().join("node-a"))
        .await
        .unwrap();
    sqlx::query(
        "DELETE FROM desk_receipt WHERE station IN ('relay-nam.tram.test', 'node-b.tram.test')",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    assert_eq!(said(&world.a, sent).await.len(), 2, "they are lost");
    let asked = world.a.refresh(&sender(), sent).await.unwrap();
    assert!(
        asked.unreachable.is_empty() && !asked.asked_before,
        "{asked:?}"
    );
    let asked: BTreeSet<&str> = asked.asked.iter().map(String::as_str).collect();
    let expected = [
        "node-b.tram.test",
        "relay-bac.tram.test",
        "relay-nam.tram.test",
    ];
    assert_eq!(asked, BTreeSet::from(expected));
    world
        .until("all under a stamp", async |world| {
            let lines = world.a.timeline(&sender(), sent).await.unwrap();
            let steps = lines[0]
                .steps
                .iter()
                .filter(|step| step.statement.is_some());
            let levels: Vec<_> = steps.map(|step| step.level).collect();
            let stamped = levels
                .iter()
                .all(|level| *level >= Some(EvidenceLevel::Stamped));
            (levels.len() == 6 && stamped).then_some(())
        })
        .await;
    assert_eq!(said(&world.a, sent).await, told, "the same story");
    let after = world.a.document(&sender(), sent).await.unwrap().row;
    assert_eq!(after.state, RecipientState::HandedOver);
    // A second question within the minute is not sent.
    let again = world.a.refresh(&sender(), sent).await.unwrap();
    assert!(again.asked_before);
    assert!(after.updated >= updated);
    let other = "H01.37".parse().unwrap();
    world.a.refresh(&other, sent).await.unwrap_err();
    world.stop().await;
}
