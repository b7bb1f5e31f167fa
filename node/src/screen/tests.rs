//! Pages rendered from views: nothing of a document becomes markup, both languages are complete.

use askama::Template;
use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;

use super::document::Found;
use super::parts::{FilterLine, Foot, Frame, Tab};
use super::words::{Lang, fill};
use super::*;
use crate::view::{
    AgencyView, AttachmentView, Cause, DocumentRow, DocumentView, Explanation, InboxRow,
    InboxState, InboxView, LinkView, NextStep, PacketFacts, Phrase, ReasonView, RecipientState,
    RecipientView, ServedAgency, SignatureView, StateCounts, Step, TimeProof, TimelineView,
    Verdict, WaitingView,
};

/// 22/11/2026 10:31:02.114 in Vietnam.
const NOW: i64 = 1_795_318_262_114;
const HOSTILE: &str = "<script>alert(1)</script>\"'&<img src=x onerror=y>{{7*7}}";

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(NOW + ms)
}

fn code(text: &str) -> AgencyCode {
    AgencyCode::parse(text).unwrap()
}

fn envelope(n: u8) -> EnvelopeId {
    EnvelopeId::new(at(0), &[n; 10])
}

fn reader(lang: Lang) -> Reader {
    Reader {
        caller: Caller {
            agency: code("H01.11"),
            name: "lan".to_owned(),
            label: "Nguyễn Thị Lan".to_owned(),
            scopes: Scope::ALL.to_vec(),
            sandbox: true,
        },
        here: "/documents?q=a&tab=moving".to_owned(),
        lang,
        session: Session::for_test("secret-of-a-session"),
        w: lang.words(),
    }
}

fn counts() -> Counts {
    Counts {
        sent: 412,
        moving: 9,
        trouble: 3,
        inbox_new: 38,
        inbox: 1204,
        quarantined: 1,
    }
}

fn station_view() -> StationView {
    let link = |peer: &str, up| LinkView {
        peer: peer.to_owned(),
        up,
    };
    StationView {
        name: "tram-snv.h01.tram.test".to_owned(),
        links: vec![
            link("truc-bac.tram.test", true),
            link("truc-trung.tram.test", true),
        ],
        clock_unsure: false,
        log_origin: "tram-snv.h01.tram.test/log/1".to_owned(),
        log_entries: 1_204_881,
        stamped_at: Some(at(-900)),
        waiting: 5,
        oldest: Some(at(-4_800_000)),
        at: at(0),
    }
}

fn framed(lang: Lang, place: Place, title: &str) -> Frame {
    let (reader, agency) = (reader(lang), "Sở Nội vụ tỉnh A");
    around(
        &reader,
        place,
        title.to_owned(),
        agency,
        Some(212),
        &counts(),
        &station_view(),
    )
}

fn document_row(subject: &str, state: RecipientState) -> DocumentRow {
    DocumentRow {
        id: envelope(1),
        kind: "document",
        local_id: "H01.11,2026,1283/SNV-VP".to_owned(),
        code: "1283/SNV-VP".to_owned(),
        subject: subject.to_owned(),
        type_name: "Giấy mời".to_owned(),
        priority: 1,
        recipient_names: vec![
            "UBND xã Đông Tiến".to_owned(),
            "UBND xã Hòa Bình".to_owned(),
        ],
        counts: StateCounts {
            handed_over: 31,
            relayed: 5,
            ..StateCounts::default()
        },
        state,
        created: at(0),
        updated: at(788_000),
    }
}

fn packet_facts(subject: &str) -> PacketFacts {
    PacketFacts {
        code: "1283/SNV-VP".to_owned(),
        subject: subject.to_owned(),
        type_name: "Giấy mời".to_owned(),
        promulgated: Some("2026-11-22".to_owned()),
        due: Some("2026-11-25".to_owned()),
        signer_name: Some("Trần Văn Minh".to_owned()),
        signer_position: Some("Giám đốc".to_owned()),
        sender_name: "Sở Nội vụ tỉnh A".to_owned(),
        ..PacketFacts::default()
    }
}

fn attachment(n: u32, name: &str, bytes: u64) -> AttachmentView {
    AttachmentView {
        n,
        name: name.to_owned(),
        file_name: name.to_owned(),
        mime: "application/pdf".to_owned(),
        description: None,
        bytes,
        sha256: "9f2c41e07b".repeat(6) + "a61d",
        zipped: false,
    }
}

fn signature() -> SignatureView {
    SignatureView {
        signer: code("H01.11"),
        certificate: "ab".repeat(32),
        signed_at: at(0),
        stamped_at: Some(at(40)),
        time_proof: TimeProof::TimeStamp,
    }
}

fn recipient(name: &str, place: &str, state: RecipientState) -> RecipientView {
    RecipientView {
        code: code(place),
        name: name.to_owned(),
        written_as: None,
        envelope: envelope(1),
        state,
        reason: None,
        waiting: None,
        accepted_at: at(0),
        relayed_at: Some(at(89)),
        delivered_at: None,
        handed_over_at: None,
        updated: at(257),
    }
}

fn step(event: &str, text: Phrase, ms: i64, verdict: Verdict) -> Step {
    Step {
        event: event.to_owned(),
        text,
        at: at(ms),
        who: "truc-bac.tram.test".to_owned(),
        receipt_id: Some("7f3a91c2d0e41b55".to_owned()),
        verdict,
        latency_ms: Some(89),
        reason: None,
        clock_unsure: false,
    }
}

fn reason() -> ReasonView {
    ReasonView {
        code: "link_lost".to_owned(),
        permanent: false,
        text: Phrase::new(
            "Mất liên lạc với trạm kế tiếp",
            "The link to the next station is lost",
        ),
    }
}

pub(super) fn found(subject: &str) -> Found {
    let waiting = WaitingView {
        reason: reason(),
        next_at: at(1_258_000),
        attempt: 4,
    };
    let good = RecipientView {
        delivered_at: Some(at(257)),
        ..recipient("UBND xã Đông Tiến", "H01.36.04", RecipientState::HandedOver)
    };
    let stuck = RecipientView {
        waiting: Some(waiting),
        ..recipient("UBND xã Hòa Bình", "H01.36.22", RecipientState::Accepted)
    };
    let steps = vec![
        step(
            "accepted",
            Phrase::new("Trạm gửi đã nhận và ký", "Accepted and signed"),
            0,
            Verdict::Valid,
        ),
        step(
            "relayed",
            Phrase::new("Đã chuyển qua trục", "Taken by a relay"),
            89,
            Verdict::Valid,
        ),
        step(
            "delivered",
            Phrase::new("Đến trạm cơ quan nhận", "Delivered"),
            257,
            Verdict::Valid,
        ),
    ];
    let next = NextStep {
        event: "handed_over".to_owned(),
        text: Phrase::new("Hệ thống QLVB nhận", "Taken by the document system"),
        due: Some(at(86_400_000)),
    };
    let cause = Cause {
        code: code("H01.36.22"),
        name: "UBND xã Hòa Bình".to_owned(),
        state: RecipientState::Accepted,
        reason: Some(reason()),
        cause: Phrase::new("không kết nối được từ 09:12", "not reachable since 09:12"),
        todo: Phrase::new("Trạm tự thử lại.", "The station retries by itself."),
        act: false,
    };
    Found {
        document: DocumentView {
            row: document_row(subject, RecipientState::Relayed),
            facts: packet_facts(subject),
            sender: code("H01.11"),
            envelopes: vec![envelope(1)],
            expires: at(86_400_000),
            packet_bytes: 421_888,
            packet_digest: "0c".repeat(32),
            signature: signature(),
            attachments: vec![
                attachment(1, "GM-1283.pdf", 421_888),
                attachment(2, subject, 38_912),
            ],
            warnings: Vec::new(),
            resend_reason: None,
        },
        explanation: Explanation {
            id: envelope(1),
            state: RecipientState::Accepted,
            summary: Phrase::new(
                "5 nơi nhận chưa phản hồi.",
                "5 recipients have not answered.",
            ),
            act: false,
            recipients: vec![cause],
        },
        timelines: vec![
            TimelineView {
                recipient: good,
                steps: steps.clone(),
                next: Some(next.clone()),
            },
            TimelineView {
                recipient: stuck,
                steps,
                next: Some(next),
            },
        ],
    }
}

fn inbox_view(subject: &str, state: InboxState) -> InboxView {
    InboxView {
        row: InboxRow {
            id: envelope(2),
            kind: "document",
            sender: "H01.36.04".to_owned(),
            sender_name: "UBND xã Đông Tiến".to_owned(),
            local_id: "x".to_owned(),
            code: "77/UBND-VP".to_owned(),
            subject: subject.to_owned(),
            type_name: "Báo cáo".to_owned(),
            priority: 3,
            state,
            reason: (state == InboxState::Quarantined).then(reason),
            received: at(300),
            acknowledged: None,
        },
        facts: packet_facts(subject),
        attachments: vec![attachment(1, "BC-77.pdf", 900)],
        packet_bytes: 2048,
        packet_digest: "0d".repeat(32),
        signature: Some(signature()),
        warnings: Vec::new(),
        sent: at(0),
    }
}

/// Every page, by the name of its file.
fn pages(lang: Lang, subject: &str) -> Vec<(&'static str, String)> {
    let w = lang.words();
    let tab = |text: &str, here| Tab {
        here,
        href: "/documents".to_owned(),
        text: fill(text, &[("n", "412")]),
    };
    let foot = Foot {
        next: "/documents?cursor=x".to_owned(),
        shown: fill(w.shown, &[("n", "6")]),
        ..Foot::default()
    };
    let states = [
        RecipientState::HandedOver,
        RecipientState::Relayed,
        RecipientState::Accepted,
        RecipientState::Refused,
        RecipientState::Delivered,
        RecipientState::Withdrawn,
    ];
    let outgoing = outgoing::OutgoingPage {
        empty: (w.empty_out, w.empty_out_next),
        filter: FilterLine {
            action: "/documents",
            dates: true,
            q: subject.to_owned(),
            used: true,
            ..FilterLine::default()
        },
        foot: foot.clone(),
        frame: framed(lang, Place::Outgoing, w.outgoing),
        rows: states
            .map(|state| outgoing::row(w, &document_row(subject, state)))
            .into(),
        tabs: vec![
            tab(w.tab_all, true),
            tab(w.tab_moving, false),
            tab(w.tab_attention, false),
            tab(w.tab_arrived, false),
            tab(w.tab_withdrawn, false),
        ],
        w,
    };
    let empty = outgoing::OutgoingPage {
        rows: Vec::new(),
        empty: (w.empty_out, w.empty_out_next),
        filter: FilterLine {
            action: "/documents",
            dates: true,
            fault: fill(w.date_wrong, &[("text", subject)]),
            from: subject.to_owned(),
            from_wrong: true,
            ..FilterLine::default()
        },
        foot: Foot::default(),
        frame: framed(lang, Place::Attention, w.outgoing),
        tabs: Vec::new(),
        w,
    };
    let inbox_states = [
        InboxState::New,
        InboxState::Claimed,
        InboxState::Acknowledged,
        InboxState::Quarantined,
    ];
    let inbox = inbox::InboxPage {
        empty: (w.empty_in, w.empty_in_next),
        filter: FilterLine {
            action: "/inbox",
            ..FilterLine::default()
        },
        foot,
        frame: framed(lang, Place::Incoming, w.incoming),
        rows: inbox_states
            .map(|state| inbox::row(w, &inbox_view(subject, state).row))
            .into(),
        tabs: vec![tab(w.tab_all, true), tab(w.tab_new, false)],
        w,
    };
    let agency = AgencyView {
        code: code("H01.36.22"),
        name: subject.to_owned(),
        aliases: vec!["000.00.22.H36".to_owned()],
        parent: None,
        successor: None,
        station: Some("tram-hoabinh.h01.tram.test".to_owned()),
        reachable: true,
    };
    let served = ServedAgency {
        code: code("H01.11"),
        name: subject.to_owned(),
        signature_until: at(212 * 86_400_000),
        encryption_until: at(9 * 86_400_000),
    };
    let agencies = agencies::AgenciesPage {
        frame: framed(lang, Place::Agencies, w.agencies),
        q: subject.to_owned(),
        rows: vec![
            agencies::row(w, &agency),
            agencies::row(
                w,
                &AgencyView {
                    reachable: false,
                    ..agency
                },
            ),
        ],
        w,
    };
    let send = send::SendPage {
        faults_head: fill(w.send_faults, &[("n", "1")]),
        faults: vec![send::FaultLine {
            path: subject.to_owned(),
            text: subject.to_owned(),
        }],
        form: send::Fields {
            subject: subject.to_owned(),
            to: subject.to_owned(),
            date: "22/11/2026".to_owned(),
            ..send::Fields::default()
        },
        frame: framed(lang, Place::Outgoing, w.send_document),
        key: "k".to_owned(),
        priorities: Vec::new(),
        w,
    };
    let document = document::page(
        framed(lang, Place::Outgoing, "1283/SNV-VP"),
        &found(subject),
        None,
    );
    let received = |state| {
        received::page(
            framed(lang, Place::Incoming, "77/UBND-VP"),
            &inbox_view(subject, state),
            true,
        )
    };
    let station = station::page(
        framed(lang, Place::Station, w.station),
        &station_view(),
        &[served],
    );
    vec![
        ("outgoing", outgoing.render().unwrap()),
        ("empty", empty.render().unwrap()),
        ("inbox", inbox.render().unwrap()),
        ("document", document.render().unwrap()),
        ("received", received(InboxState::New).render().unwrap()),
        ("held", received(InboxState::Quarantined).render().unwrap()),
        ("agencies", agencies.render().unwrap()),
        ("station", station.render().unwrap()),
        ("send", send.render().unwrap()),
        ("login", login::sample(lang, subject).render().unwrap()),
    ]
}

#[test]
fn nothing_of_a_document_becomes_markup() {
    for lang in [Lang::Vi, Lang::En] {
        for (name, page) in pages(lang, HOSTILE) {
            for markup in ["<script>alert", "<img src=x", "\"'&<", "onerror=y>"] {
                assert!(!page.contains(markup), "{name} has {markup}");
            }
            // Only the two scripts of the frame, both files; no handler and no style in the page.
            assert!(page.matches("<script").count() <= 2, "{name}");
            for inline in ["<style", " style=", " onclick=", "javascript:"] {
                assert!(
                    !page.contains(inline),
                    "{name} has {inline}: the policy would block it"
                );
            }
        }
    }
}

#[test]
fn pages_speak_one_language_and_name_it() {
    for (lang, foreign) in [
        (
            Lang::Vi,
            ["Accepted and signed", "The link to", "Sign in", "Search"],
        ),
        (
            Lang::En,
            ["nhận và ký", "Mất liên lạc", "Đăng nhập", "Tìm kiếm"],
        ),
    ] {
        for (name, page) in pages(lang, "Giấy mời họp") {
            assert!(
                page.contains(&format!("<html lang=\"{}\">", lang.code())),
                "{name}"
            );
            for text in foreign {
                assert!(!page.contains(text), "{name} mixes languages: {text}");
            }
            assert!(
                !page.contains("{n}") && !page.contains("{name}") && !page.contains("{t}"),
                "{name} has an unfilled place"
            );
        }
    }
}

#[test]
fn pages_do_not_carry_the_session() {
    for (name, page) in pages(Lang::Vi, "x") {
        assert!(!page.contains("secret-of-a-session"), "{name}");
    }
}

#[test]
fn the_journey_to_the_chosen_recipient_is_shown() {
    let found = found("Giấy mời");
    let shown = |to: Option<&str>| {
        document::page(framed(Lang::Vi, Place::Outgoing, "x"), &found, to).journey
    };
    assert_eq!(shown(Some("H01.36.04")), "Hành trình đến UBND xã Đông Tiến");
    assert_eq!(
        shown(None),
        "Hành trình đến UBND xã Hòa Bình",
        "who is stuck comes first"
    );
    assert_eq!(shown(Some("Z99")), "Hành trình đến UBND xã Hòa Bình");
}

#[test]
fn a_waiting_recipient_says_why_and_when_it_is_tried_again() {
    let page = document::page(framed(Lang::Vi, Place::Outgoing, "x"), &found("y"), None);
    let line = page
        .recipients
        .iter()
        .find(|line| line.code == "H01.36.22")
        .unwrap();
    assert_eq!(line.pill.text, "Chờ thử lại · lần 4");
    assert_eq!(line.why, "Mất liên lạc với trạm kế tiếp · 10:52:00 thử lại");
    assert!(page.live);
    let times: Vec<_> = page
        .steps
        .iter()
        .map(|step| step.at.time.as_str())
        .collect();
    assert_eq!(
        times,
        ["10:31:02.114", "10:31:02.203", "10:31:02.371", "Chưa có"]
    );
    assert_eq!(page.steps[0].day, "22/11/2026 · Giờ Việt Nam (+07:00)");
    assert!(page.steps[1].day.is_empty());
}

#[test]
fn a_held_document_offers_nothing_to_take() {
    let page = received::page(
        framed(Lang::Vi, Place::Incoming, "x"),
        &inbox_view("y", InboxState::Quarantined),
        true,
    );
    assert!(!page.can_take && page.packet_href.is_empty());
    assert!(page.files.iter().all(|file| file.href.is_empty()));
    let page = received::page(
        framed(Lang::Vi, Place::Incoming, "x"),
        &inbox_view("y", InboxState::New),
        false,
    );
    assert!(!page.can_take, "a reader without the right sees no button");
}

#[test]
fn the_rail_says_when_something_needs_a_look() {
    let mut view = station_view();
    let health = |view: &StationView, days| {
        let frame = around(
            &reader(Lang::Vi),
            Place::Station,
            String::new(),
            "",
            days,
            &counts(),
            view,
        );
        frame.health.text
    };
    assert_eq!(health(&view, Some(212)), "Trực tuyến");
    assert_eq!(health(&view, Some(3)), "Có việc cần xem");
    view.links[0].up = false;
    assert_eq!(health(&view, Some(212)), "Có việc cần xem");
    view.links[1].up = false;
    assert_eq!(health(&view, Some(212)), "Mất kết nối");
}

#[test]
fn dump_for_looking() {
    let dir = std::env::temp_dir().join("tram-pages");
    std::fs::create_dir_all(&dir).unwrap();
    for lang in [Lang::Vi, Lang::En] {
        let subject = "Giấy mời họp giao ban công tác cải cách hành chính tháng 11";
        for (name, page) in pages(lang, subject) {
            std::fs::write(dir.join(format!("{name}-{}.html", lang.code())), page).unwrap();
        }
    }
}
