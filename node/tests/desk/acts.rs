//! The business life of documents between two desks: statuses, recall, update, replacement, and the
//! warnings of the law about duplicates. All packets travel signed and sealed over a relay.

use formats::edxml::deadline::Standing;
use formats::id::{AgencyCode, EnvelopeId};
use node::desk::{Desk, RecallDraft, StatusDraft, Submission, UpdateDraft};
use node::fault::{DeskError, SubmitError};
use node::view::{Accepted, FaultView, InboxRow, InboxView, RecipientState, RecipientView};

use crate::world::{World, draft, file, recipient, sender};

fn answer(code: &str, reason: Option<&str>) -> StatusDraft {
    StatusDraft {
        code: code.to_owned(),
        reason: reason.map(str::to_owned),
        staff: Some("Lê Thị Mẫu".to_owned()),
        ..StatusDraft::default()
    }
}

fn recall(reason: &str) -> RecallDraft {
    RecallDraft {
        reason: reason.to_owned(),
        ..RecallDraft::default()
    }
}

async fn rows(desk: &Desk, agency: &AgencyCode, kind: &str) -> Vec<InboxRow> {
    let page = desk.inbox(agency, &[], Some(kind), None, None, 50);
    page.await.unwrap().items
}

/// The one recipient of a document at the sender's desk.
async fn seen(world: &World, id: EnvelopeId) -> RecipientView {
    let mut all = world.a.recipients(&sender(), id).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn until_sender_sees(world: &World, id: EnvelopeId, state: &str, request: &str) {
    world
        .until(&format!("{state} {request}"), async |world| {
            let business = seen(world, id).await.business;
            (business.state == state && business.request == request).then_some(())
        })
        .await;
}

/// The document with this subject in the recipient's inbox.
async fn arrived(world: &World, business: u8) -> InboxView {
    world
        .until("an arrival", async |world| {
            for row in rows(&world.b, &recipient(), "document").await {
                let item = world.b.inbox_item(&recipient(), row.id).await.unwrap();
                if item.facts.business == business {
                    return Some(item);
                }
            }
            None
        })
        .await
}

async fn say(world: &World, id: EnvelopeId, draft: &StatusDraft) -> Accepted {
    let packet = world.b.answer(&recipient(), id, draft).await.unwrap();
    world
        .b
        .submit(&recipient(), Submission::of(packet))
        .await
        .unwrap()
}

async fn take_back(desk: &Desk, id: EnvelopeId, draft: &RecallDraft) -> Accepted {
    let packet = desk.recall(&sender(), id, draft).await.unwrap();
    desk.submit(&sender(), Submission::of(packet))
        .await
        .unwrap()
}

fn codes(faults: &[FaultView]) -> Vec<&str> {
    faults.iter().map(|fault| fault.code.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_climb_the_ladder_on_both_desks_and_a_recall_ends_it() {
    let world = World::start().await;
    let sent = world.send(draft("41", &["H01.36.04"]), vec![]).await.id;
    // 01 comes by itself, as a packet that a DMS can read, and says what the receipt proves.
    until_sender_sees(&world, sent, "arrived", "none").await;
    let status = world
        .until("the packet 01", async |world| {
            rows(&world.a, &sender(), "status").await.into_iter().next()
        })
        .await;
    let status = world.a.inbox_item(&sender(), status.id).await.unwrap();
    assert_eq!(status.facts.status_code.as_deref(), Some("01"));
    assert_eq!(status.facts.response_for.join(" "), status.row.local_id);
    assert!(status.business.is_none(), "a status has no life of its own");

    let item = arrived(&world, 0).await;
    let id = item.row.id;
    assert_eq!(item.business.unwrap().state, "arrived");
    // Too early: kept, said, counted later.
    let early = say(&world, id, &answer("05", None)).await;
    assert_eq!(codes(&early.warnings), ["W-STEP"]);
    say(&world, id, &answer("03", None)).await;
    until_sender_sees(&world, sent, "processing", "none").await;
    say(&world, id, &answer("06", Some("Đã có báo cáo"))).await;
    until_sender_sees(&world, sent, "completed", "none").await;
    let here = world.b.inbox_item(&recipient(), id).await.unwrap();
    assert_eq!(here.row.business_state, "completed");

    let back = take_back(&world.a, sent, &recall("Ban hành nhầm số")).await;
    assert_eq!(back.local_id, item.row.local_id);
    let asked = arrived(&world, 1).await;
    assert_eq!(
        asked.facts.business_reason.as_deref(),
        Some("Ban hành nhầm số")
    );
    assert_eq!(asked.facts.business_targets.join(" "), item.row.local_id);
    let here = world.b.inbox_item(&recipient(), id).await.unwrap();
    assert_eq!(here.row.business_request, "recall_requested");
    // 16 needs a reason; 15 needs none and ends it.
    let refused = world
        .b
        .answer(&recipient(), id, &answer("16", None))
        .await
        .unwrap();
    let refused = world.b.submit(&recipient(), Submission::of(refused)).await;
    assert!(
        matches!(refused, Err(SubmitError::Faults(_))),
        "{refused:?}"
    );
    say(&world, id, &answer("15", None)).await;
    until_sender_sees(&world, sent, "withdrawn", "recalled").await;
    // Who agreed has no copy any more: neither the DMS nor the clerk gets it.
    let gone = world.b.package(&recipient(), id).await;
    assert!(matches!(gone, Err(DeskError::Withdrawn)), "{gone:?}");
    let claim = world.b.claim(&recipient(), 50, 60).await.unwrap();
    assert!(claim.items.iter().all(|item| item.id != id), "{claim:?}");
    let recipient_view = seen(&world, sent).await;
    assert_eq!(
        recipient_view.state,
        RecipientState::Delivered,
        "the receipt stays true"
    );
    let kinds: Vec<_> = recipient_view
        .business
        .acts
        .iter()
        .map(|act| (act.kind, act.code.as_deref().unwrap_or(""), act.outcome))
        .collect();
    assert_eq!(
        kinds,
        [
            ("status", "01", "duplicate"),
            ("status", "05", "early"),
            ("status", "03", "moved"),
            ("status", "06", "moved"),
            ("recall", "", "moved"),
            ("status", "15", "moved"),
        ]
    );
    let timeline = world.a.timeline(&sender(), sent).await.unwrap();
    let events: Vec<&str> = timeline[0]
        .steps
        .iter()
        .map(|step| step.event.as_str())
        .collect();
    for event in ["delivered", "status_03", "recall", "status_15"] {
        assert!(events.contains(&event), "{event} in {events:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recall_before_delivery_is_stopped_at_the_relay_and_final_by_the_tombstone() {
    let world = World::start().await;
    let mut sent = None;
    let world = world
        .while_b_is_down(async |a| {
            let packet = a
                .compose(
                    &sender(),
                    draft("42", &["H01.36.04"]),
                    vec![file("a.pdf", b"%PDF-1.4")],
                )
                .await
                .unwrap();
            let accepted = a.submit(&sender(), Submission::of(packet)).await.unwrap();
            let id = accepted.id;
            until(async || {
                let one = a.recipients(&sender(), id).await.unwrap().remove(0);
                (one.state == RecipientState::Relayed).then_some(())
            })
            .await;
            take_back(a, id, &recall("Gửi nhầm nơi nhận")).await;
            // The relay holds the leg: it stops it and says so; the state waits for the home station.
            until(async || {
                let lines = a.timeline(&sender(), id).await.unwrap();
                lines[0]
                    .steps
                    .iter()
                    .any(|step| step.event == "RelayFailure" && step.receipt_id.is_some())
                    .then_some(())
            })
            .await;
            let one = a.recipients(&sender(), id).await.unwrap().remove(0);
            assert_eq!(one.state, RecipientState::Relayed, "not more than stopped");
            assert_eq!(one.business.request, "recall_requested");
            sent = Some(id);
        })
        .await;
    let sent = sent.unwrap();
    world.until_state(sent, RecipientState::Withdrawn).await;
    until_sender_sees(&world, sent, "withdrawn", "recalled").await;
    // The recipient learns of the recall, and never sees what was taken back.
    let asked = arrived(&world, 1).await;
    assert!(codes(&asked.warnings).contains(&"W-STEP"));
    let inbox = rows(&world.b, &recipient(), "document").await;
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    // Nothing is left open, so the sender's copy goes when its time comes.
    let explained = world.a.explain(&sender(), sent).await.unwrap();
    assert!(!explained.act, "{explained:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_left_the_senders_station_stays_there_and_says_so() {
    let world = World::start().await;
    world.stop_relay().await;
    let sent = world.send(draft("51", &["H01.36.04"]), vec![]).await;
    take_back(&world.a, sent.id, &recall("Gửi nhầm")).await;
    let lines = world.a.timeline(&sender(), sent.id).await.unwrap();
    let said: Vec<(&str, &str)> = lines[0]
        .steps
        .iter()
        .map(|step| (step.event.as_str(), step.who.as_str()))
        .collect();
    assert!(
        said.contains(&("RelayFailure", "node-a.tram.test")),
        "{said:?}"
    );
    assert!(
        said.contains(&("recall_sent", "node-b.tram.test")),
        "{said:?}"
    );
    // Whether it is final is for the recipient's home station to say.
    let one = seen(&world, sent.id).await;
    assert_eq!(one.state, RecipientState::Accepted);
    assert_eq!(one.business.request, "recall_requested");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recall_that_comes_first_counts_when_its_document_comes() {
    let world = World::start().await;
    let first = world.send(draft("43", &["H01.36.04"]), vec![]).await;
    let text = {
        let package = world.a.sent_package(&sender(), first.id).await.unwrap();
        String::from_utf8(package.body.read_all().unwrap().to_vec()).unwrap()
    };
    // The same packet as a recall of another number, which is sent after it.
    let target = first.local_id.replace("43/", "44/");
    let early = text
        .replace(&first.local_id, &format!("{target}-thu-hoi"))
        .replace(
            "<edXML:BussinessDocType>0</edXML:BussinessDocType>",
            &format!(
                "<edXML:BussinessDocType>1</edXML:BussinessDocType>\
                 <edXML:BussinessDocReason>Sai thể thức</edXML:BussinessDocReason>\
                 <edXML:DocumentId>{target}</edXML:DocumentId>"
            ),
        );
    let body = node::body::Body::memory(early.into_bytes());
    world
        .a
        .submit(&sender(), Submission::of(body))
        .await
        .unwrap();
    let asked = arrived(&world, 1).await;
    assert!(codes(&asked.warnings).contains(&"W-STEP"));
    let late = world.send(draft("44", &["H01.36.04"]), vec![]).await;
    assert_eq!(late.local_id, target);
    world.until_state(late.id, RecipientState::Delivered).await;
    let page = rows(&world.b, &recipient(), "document").await;
    let row = page.iter().find(|row| row.local_id == target).unwrap();
    assert_eq!(row.business_request, "recall_requested");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_parties_speak_about_a_document() {
    let world = World::start().await;
    let sent = world.send(draft("45", &["H01.36.04"]), vec![]).await;
    world.until_state(sent.id, RecipientState::Delivered).await;
    let item = arrived(&world, 0).await;
    // A status about what was never received from there.
    let text = {
        let packet = world
            .b
            .answer(&recipient(), item.row.id, &answer("03", None))
            .await
            .unwrap();
        String::from_utf8(packet.read_all().unwrap().to_vec()).unwrap()
    };
    let strange = text
        .replace(&item.row.local_id, "H01.36,2026/01/09,999/KHONG-CO")
        .replace("45/SNV-VP", "999/KHONG-CO");
    let body = node::body::Body::memory(strange.into_bytes());
    let refused = world.b.submit(&recipient(), Submission::of(body)).await;
    let Err(SubmitError::Faults(faults)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(codes(&faults), ["E-STATUS"]);
    // Without a DocumentId the number and day find it.
    let without = text.replace(
        &format!("<edXML:DocumentId>{}</edXML:DocumentId>", item.row.local_id),
        "",
    );
    let body = node::body::Body::memory(without.into_bytes());
    world
        .b
        .submit(&recipient(), Submission::of(body))
        .await
        .unwrap();
    until_sender_sees(&world, sent.id, "registered", "none").await;
    // Codes that are not the recipient's to say.
    for code in ["01", "13", "99"] {
        let wrong = world
            .b
            .answer(&recipient(), item.row.id, &answer(code, None))
            .await;
        assert!(matches!(wrong, Err(SubmitError::Faults(_))), "{code}");
    }
    let foreign = world
        .a
        .recall(&"H01.37".parse().unwrap(), sent.id, &recall("x"))
        .await;
    assert!(matches!(foreign, Err(SubmitError::NotFound)), "{foreign:?}");
    // A reason is a must.
    let silent = world
        .a
        .recall(&sender(), sent.id, &recall(" "))
        .await
        .unwrap();
    let silent = world.a.submit(&sender(), Submission::of(silent)).await;
    assert!(matches!(silent, Err(SubmitError::Faults(_))), "{silent:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_brings_the_document_to_new_recipients_and_takes_it_from_removed_ones() {
    let world = World::start().await;
    let files = vec![file("05-SNV-VP.pdf", b"%PDF-1.4 noi dung")];
    let sent = world.send(draft("46", &["H01.36.04"]), files).await;
    world.until_state(sent.id, RecipientState::Delivered).await;
    let change = UpdateDraft {
        reason: "Gửi đúng nơi nhận".to_owned(),
        add: vec!["H01.37".to_owned()],
        remove: vec!["000.04.36.H01".to_owned()],
        ..UpdateDraft::default()
    };
    let packet = world.a.update(&sender(), sent.id, &change).await.unwrap();
    let update = world
        .a
        .submit(&sender(), Submission::of(packet))
        .await
        .unwrap();
    assert_eq!(update.recipients.len(), 2);
    let added: AgencyCode = "H01.37".parse().unwrap();
    let item = world
        .until("the new recipient's copy", async |world| {
            rows(&world.a, &added, "document").await.into_iter().next()
        })
        .await;
    let copy = world.a.file(&added, item.id, 1).await.unwrap();
    assert_eq!(&copy.body.read_all().unwrap()[..], b"%PDF-1.4 noi dung");
    assert_eq!(
        item.business_request, "none",
        "for it the update is the document"
    );
    until_sender_sees(&world, sent.id, "arrived", "recall_requested").await;
    world
        .until("the removal at the removed recipient", async |world| {
            let page = rows(&world.b, &recipient(), "document").await;
            let first = page.into_iter().find(|row| row.id == sent.id).unwrap();
            (first.business_request == "recall_requested").then_some(())
        })
        .await;
    // The new recipient answers the update; the sender finds it under the update.
    let packet = world
        .a
        .answer(&added, item.id, &answer("03", None))
        .await
        .unwrap();
    world
        .a
        .submit(&added, Submission::of(packet))
        .await
        .unwrap();
    world
        .until("the new recipient's 03", async |world| {
            let all = world.a.recipients(&sender(), update.id).await.unwrap();
            let one = all.iter().find(|one| one.code == added).unwrap();
            (one.business.state == "registered").then_some(())
        })
        .await;
    world.stop().await;
}

/// A packet of ours with another text in some places.
async fn edited(desk: &Desk, id: EnvelopeId, changes: &[(&str, &str)]) -> node::body::Body {
    let package = desk.sent_package(&sender(), id).await.unwrap();
    let mut text = String::from_utf8(package.body.read_all().unwrap().to_vec()).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from} in {text}");
        text = text.replace(from, to);
    }
    node::body::Body::memory(text.into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_the_content_is_asked_beside_the_ladder_and_a_take_back_by_13_outranks_it() {
    let world = World::start().await;
    let sent = world.send(draft("50", &["H01.36.04"]), vec![]).await;
    world.until_state(sent.id, RecipientState::Delivered).await;
    let target = &sent.local_id;
    let business = format!(
        "<edXML:BussinessDocType>2</edXML:BussinessDocType>\
         <edXML:BussinessDocReason>Sửa lỗi chính tả</edXML:BussinessDocReason>\
         <edXML:DocumentId>{target}</edXML:DocumentId>\
         <edXML:BussinessDocumentInfo><edXML:DocumentInfo>1</edXML:DocumentInfo>\
         <edXML:DocumentReceiver>0</edXML:DocumentReceiver></edXML:BussinessDocumentInfo>"
    );
    let new = "<edXML:BussinessDocType>0</edXML:BussinessDocType>";
    let packet = edited(
        &world.a,
        sent.id,
        &[(new, &business), ("kiểm thử", "thử nghiệm")],
    )
    .await;
    world
        .a
        .submit(&sender(), Submission::of(packet))
        .await
        .unwrap();
    let update = arrived(&world, 2).await;
    assert!(
        update.row.subject.contains("thử nghiệm"),
        "{}",
        update.row.subject
    );
    until_sender_sees(&world, sent.id, "arrived", "update_requested").await;

    let written = world.a.now();
    let take_back = formats::edxml::StatusPacket {
        from: formats::edxml::Org {
            organ_id: formats::edxml::OrganId::new("H01.36"),
            name: "Sở Nội vụ tỉnh A".to_owned(),
            ..Default::default()
        },
        response_for: formats::edxml::ResponseFor {
            organ_id: formats::edxml::OrganId::new("H01.36"),
            code: "50/SNV-VP".to_owned(),
            date: formats::edxml::Date::new(2026, 1, 9),
            document_id: None,
        },
        code: formats::edxml::StatusCode::TakeBack,
        description: Some("Gửi nhầm".to_owned()),
        at: Some(written),
        ..Default::default()
    };
    let mut bytes = Vec::new();
    formats::edxml::write_status(&take_back, formats::edxml::Form::Java, &mut bytes).unwrap();
    let body = node::body::Body::memory(bytes);
    let said = world
        .a
        .submit(&sender(), Submission::of(body))
        .await
        .unwrap();
    assert_eq!(said.recipients.len(), 1, "to whoever has the document");
    until_sender_sees(&world, sent.id, "arrived", "recall_requested").await;
    let first = rows(&world.b, &recipient(), "document").await;
    let first = first.iter().find(|row| row.id == sent.id).unwrap().clone();
    world
        .until("the take-back at the recipient", async |world| {
            let row = world
                .b
                .inbox_item(&recipient(), first.id)
                .await
                .unwrap()
                .row;
            (row.business_request == "recall_requested").then_some(())
        })
        .await;
    say(&world, first.id, &answer("15", None)).await;
    until_sender_sees(&world, sent.id, "withdrawn", "recalled").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_law_warns_of_the_same_number_and_one_upload_per_receiver_reaches_every_receiver() {
    let world = World::start().await;
    let first = world.send(draft("47", &["H01.36.04"]), vec![]).await;
    assert!(codes(&first.warnings).iter().all(|code| *code != "W-DUP"));
    // Same number and notation, another DocumentId, same year.
    let twin = node::desk::Draft {
        local_id: Some("khac,2026,47".to_owned()),
        ..draft("47", &["H01.36.04"])
    };
    let second = world.send(twin.clone(), vec![]).await;
    assert!(
        codes(&second.warnings).contains(&"W-DUP"),
        "{:?}",
        second.warnings
    );
    world
        .until_state(second.id, RecipientState::Delivered)
        .await;
    let page = rows(&world.b, &recipient(), "document").await;
    let row = page
        .iter()
        .find(|row| row.local_id == "khac,2026,47")
        .unwrap();
    let item = world.b.inbox_item(&recipient(), row.id).await.unwrap();
    assert!(
        codes(&item.warnings).contains(&"W-DUP"),
        "{:?}",
        item.warnings
    );
    // Another year: the number begins anew.
    let older = node::desk::Draft {
        promulgated: "2025-12-30".to_owned(),
        ..draft("47", &["H01.36.04"])
    };
    let older = world.send(older, vec![]).await;
    assert!(
        !codes(&older.warnings).contains(&"W-DUP"),
        "{:?}",
        older.warnings
    );
    // One upload per receiver under one DocumentId, as the present axis is used.
    let one = world.send(draft("48", &["H01.36.04"]), vec![]).await;
    let other = world.send(draft("48", &["H01.37"]), vec![]).await;
    assert_eq!(one.local_id, other.local_id);
    assert!(!other.duplicate && one.id != other.id);
    world.until_state(one.id, RecipientState::Delivered).await;
    world.until_state(other.id, RecipientState::Delivered).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_is_listed_on_both_desks_until_it_is_done() {
    let world = World::start().await;
    let late = node::desk::Draft {
        due: Some("2026-01-12".to_owned()),
        ..draft("49", &["H01.36.04"])
    };
    let sent = world.send(late, vec![]).await;
    world.until_state(sent.id, RecipientState::Delivered).await;
    let item = arrived(&world, 0).await;
    let owed: Vec<_> = item
        .deadlines
        .iter()
        .map(|one| (one.clock, one.met_at.is_some()))
        .collect();
    assert_eq!(owed, [("accept", false), ("complete", false)]);
    assert_eq!(item.deadlines[1].standing, "overdue");
    assert!(!item.deadlines[0].law.vi.is_empty());
    let here = world
        .b
        .deadlines(&recipient(), false, &[], 50)
        .await
        .unwrap();
    assert_eq!(here.len(), 1);
    assert_eq!(
        (here[0].next.clock, here[0].next.standing),
        ("complete", "overdue")
    );
    assert_eq!(here[0].peer, sender());
    let there = world.a.deadlines(&sender(), true, &[], 50).await.unwrap();
    assert_eq!(there.len(), 1);
    assert_eq!(
        (there[0].next.clock, there[0].peer.clone()),
        ("complete", recipient())
    );
    // Statuses and recalls have no deadlines of their own.
    say(&world, item.row.id, &answer("03", None)).await;
    say(&world, item.row.id, &answer("06", None)).await;
    until_sender_sees(&world, sent.id, "completed", "none").await;
    for (desk, agency, side) in [(&world.b, recipient(), false), (&world.a, sender(), true)] {
        let left = desk.deadlines(&agency, side, &[], 50).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
    let done = world.b.inbox_item(&recipient(), item.row.id).await.unwrap();
    let standings: Vec<_> = done
        .deadlines
        .iter()
        .map(|one| (one.clock, one.standing))
        .collect();
    assert!(standings.contains(&("accept", "met")), "{standings:?}");
    assert!(
        standings.contains(&("complete", "met_late")),
        "{standings:?}"
    );
    // A recall that waits for its answer is a clock again.
    take_back(&world.a, sent.id, &recall("Sai số liệu")).await;
    arrived(&world, 1).await;
    let any = [Standing::Open, Standing::DueSoon, Standing::Uncertain];
    let waiting = world
        .b
        .deadlines(&recipient(), false, &any, 50)
        .await
        .unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].next.clock, "answer");
    world.stop().await;
}

/// Asks again until there is an answer.
async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answered = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            // A state may change by the station alone, which no desk signals.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), answered)
        .await
        .expect("no answer")
}
