//! Views as a desk would give them, and every page made of them.

use askama::Template;
use formats::id::{AgencyCode, EnvelopeId};
use formats::record::AgencyState;
use formats::time::Timestamp;

use crate::access::{Caller, Scope};
use crate::door::auth::Session;
use crate::screen::document::Found;
use crate::screen::parts::{FilterLine, Foot, Frame, Tab};
use crate::screen::words::{Lang, fill};
use crate::screen::{
    Place, Reader, agencies, around, deadlines as late, document, inbox, login, outgoing, received,
    send, station, verify,
};
use crate::view::{
    AgencyView, AliasPeriod, AttachmentView, AuthorityView, BusinessView, Cause, CertificateView,
    Counts, DeadlineRow, DeadlineView, DocumentRow, DocumentView, EvidenceLevel, Explanation,
    InboxRow, InboxState, InboxView, LinkView, LogPlace, NextStep, PacketFacts, Phrase, ReasonView,
    RecipientState, RecipientView, ServedAgency, SignatureView, Source, StateCounts, StationView,
    Step, TimeProof, TimelineView, Verdict, WaitingView,
};

/// 22/11/2026 10:31:02.114 in Vietnam.
const NOW: i64 = 1_795_318_262_114;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(NOW + ms)
}

fn code(text: &str) -> AgencyCode {
    AgencyCode::parse(text).unwrap()
}

fn envelope(n: u8) -> EnvelopeId {
    EnvelopeId::new(at(0), &[n; 10])
}

pub(super) fn reader(lang: Lang) -> Reader {
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

pub(super) fn counts() -> Counts {
    Counts {
        sent: 412,
        moving: 9,
        trouble: 3,
        inbox_new: 38,
        inbox: 1204,
        quarantined: 1,
    }
}

pub(super) fn station_view() -> StationView {
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
        alarms: vec![],
        log_origin: "tram-snv.h01.tram.test/log/1".to_owned(),
        log_entries: 1_204_881,
        stamped_at: Some(at(-900)),
        waiting: 5,
        oldest: Some(at(-4_800_000)),
        certificates: vec![
            certificate("station-tls", "tram-snv.h01.tram.test", 71, None),
            certificate("agency-encryption", "H01.36", 9, Some(14)),
        ],
        authority: Some(AuthorityView {
            url: "https://authority-1.tram.test:8443".to_owned(),
            last_success: Some(at(-20_000)),
            error: None,
            next_try: None,
        }),
        at: at(0),
    }
}

fn certificate(role: &str, party: &str, days: i64, warning: Option<i64>) -> CertificateView {
    CertificateView {
        role: role.to_owned(),
        party: party.to_owned(),
        not_after: at(days * 86_400_000),
        days_left: days,
        renewal: "automatic",
        warning_days: warning,
    }
}

pub(super) fn framed(lang: Lang, place: Place, title: &str) -> Frame {
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
        business: 0,
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
        signatures: None,
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

/// Registered, then recalled and replaced: every act with texts that an agency wrote.
fn business(text: &str) -> BusinessView {
    use crate::life::{Act, ActKind, Life};
    let act = |kind: ActKind, minutes: i64| Act {
        kind,
        at: at(minutes * 60_000),
        recorded: at(minutes * 60_000),
        who: "H01.36.04".parse().unwrap(),
        packet: "p".to_owned(),
        reason: Some(text.to_owned()),
        staff: Some(text.to_owned()),
    };
    let acts = vec![
        act(ActKind::Status(formats::edxml::StatusCode::Accepted), 1),
        act(ActKind::Recall, 2),
        act(
            ActKind::Replace {
                by: text.to_owned(),
            },
            3,
        ),
        act(
            ActKind::Status(formats::edxml::StatusCode::Other(text.to_owned())),
            4,
        ),
    ];
    BusinessView::from(&Life::fold(acts, Some(at(0)), None))
}

/// Overdue since long.
fn deadlines() -> Vec<DeadlineView> {
    use formats::edxml::deadline::{Calendar, Course, Side};
    let course = Course {
        arrived: Some(at(0)),
        ..Course::default()
    };
    let late = at(9 * 86_400_000);
    let all = course.deadlines(Side::Receiver, late, &Calendar::weekends());
    assert_eq!(all.len(), 1);
    all.iter().map(DeadlineView::from).collect()
}

fn deadline_row(subject: &str) -> DeadlineRow {
    DeadlineRow {
        side: "received",
        id: envelope(7),
        local_id: subject.to_owned(),
        code: "77/UBND-VP".to_owned(),
        subject: subject.to_owned(),
        priority: 2,
        peer: "H01.36".parse().unwrap(),
        peer_name: subject.to_owned(),
        business_state: "arrived".to_owned(),
        next: deadlines().remove(0),
    }
}

fn recipient(name: &str, place: &str, state: RecipientState) -> RecipientView {
    RecipientView {
        business: business(name),
        deadlines: deadlines(),
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
        receipt_id: Some("7f3a91c2d0e41b55".to_owned()),
        verdict,
        latency_ms: Some(89),
        source: Source::Statement,
        statement: Some("RelayAcceptance"),
        level: Some(EvidenceLevel::Stamped),
        log: Some(LogPlace {
            origin: "truc-bac.tram.test/log/1".to_owned(),
            index: 1_204_880,
        }),
        ..Step::local(event, text, at(ms), "truc-bac.tram.test")
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

/// Two recipients: one done, one whose link is down.
pub(super) fn found(subject: &str) -> Found {
    Found {
        document: document(subject),
        explanation: explanation(),
        timelines: timelines(),
    }
}

fn document(subject: &str) -> DocumentView {
    DocumentView {
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
        content_deleted: None,
        keeping: Vec::new(),
    }
}

fn explanation() -> Explanation {
    let cause = Cause {
        code: code("H01.36.22"),
        name: "UBND xã Hòa Bình".to_owned(),
        state: RecipientState::Accepted,
        reason: Some(reason()),
        cause: Phrase::new("không kết nối được từ 09:12", "not reachable since 09:12"),
        todo: Phrase::new("Trạm tự thử lại.", "The station retries by itself."),
        act: false,
    };
    Explanation {
        id: envelope(1),
        state: RecipientState::Accepted,
        summary: Phrase::new(
            "5 nơi nhận chưa phản hồi.",
            "5 recipients have not answered.",
        ),
        act: false,
        recipients: vec![cause],
    }
}

fn timelines() -> Vec<TimelineView> {
    let good = RecipientView {
        delivered_at: Some(at(257)),
        ..recipient("UBND xã Đông Tiến", "H01.36.04", RecipientState::HandedOver)
    };
    let waiting = WaitingView {
        reason: reason(),
        next_at: at(1_258_000),
        attempt: 4,
    };
    let stuck = RecipientView {
        waiting: Some(waiting),
        ..recipient("UBND xã Hòa Bình", "H01.36.22", RecipientState::Accepted)
    };
    let said = |event, vi: &str, en: &str, ms| step(event, Phrase::new(vi, en), ms, Verdict::Valid);
    let steps = vec![
        said(
            "accepted",
            "Trạm gửi đã nhận và ký",
            "Accepted and signed",
            0,
        ),
        said("relayed", "Đã chuyển qua trục", "Taken by a relay", 89),
        said("delivered", "Đến trạm cơ quan nhận", "Delivered", 257),
    ];
    let next = NextStep {
        event: "handed_over".to_owned(),
        text: Phrase::new("Hệ thống QLVB nhận", "Taken by the document system"),
        due: Some(at(86_400_000)),
    };
    [good, stuck]
        .map(|recipient| TimelineView {
            recipient,
            steps: steps.clone(),
            next: Some(next.clone()),
        })
        .into()
}

pub(super) fn inbox_view(subject: &str, state: InboxState) -> InboxView {
    InboxView {
        business: Some(business(subject)),
        deadlines: deadlines(),
        row: InboxRow {
            business_state: "arrived".to_owned(),
            business_request: "none".to_owned(),
            id: envelope(2),
            kind: "document",
            sender: "H01.36.04".to_owned(),
            sender_name: "UBND xã Đông Tiến".to_owned(),
            local_id: "x".to_owned(),
            code: "77/UBND-VP".to_owned(),
            subject: subject.to_owned(),
            type_name: "Báo cáo".to_owned(),
            priority: 3,
            business: 1,
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
        opened: None,
        content_deleted: None,
        keeping: Vec::new(),
    }
}

/// Every page, by name.
pub(super) fn pages(lang: Lang, subject: &str) -> Vec<(&'static str, String)> {
    let document = document::page(
        framed(lang, Place::Outgoing, "1283/SNV-VP"),
        &found(subject),
        None,
    );
    let received = |state| {
        let frame = framed(lang, Place::Incoming, "77/UBND-VP");
        received::page(frame, &inbox_view(subject, state), true)
            .render()
            .unwrap()
    };
    let mut pages = lists(lang, subject);
    pages.extend(others(lang, subject));
    pages.extend([
        ("document", document.render().unwrap()),
        ("received", received(InboxState::New)),
        ("held", received(InboxState::Quarantined)),
        (
            "deadlines",
            late::page(
                framed(lang, Place::Deadlines, "x"),
                false,
                &[deadline_row(subject)],
            )
            .render()
            .unwrap(),
        ),
        ("login", login::sample(lang, subject).render().unwrap()),
        ("verify", verify::sample(lang, subject).render().unwrap()),
    ]);
    pages
}

fn lists(lang: Lang, subject: &str) -> Vec<(&'static str, String)> {
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
    let filter = FilterLine {
        action: "/documents",
        dates: true,
        ..FilterLine::default()
    };
    let outgoing = outgoing::OutgoingPage {
        empty: (w.empty_out, w.empty_out_next),
        filter: FilterLine {
            q: subject.to_owned(),
            used: true,
            ..filter.clone()
        },
        foot: foot.clone(),
        frame: framed(lang, Place::Outgoing, w.outgoing),
        rows: RecipientState::ALL
            .map(|state| outgoing::row(w, &document_row(subject, state)))
            .into(),
        tabs: vec![
            tab(w.tab_all, true),
            tab(w.tab_moving, false),
            tab(w.tab_arrived, false),
        ],
        w,
    };
    let empty = outgoing::OutgoingPage {
        rows: Vec::new(),
        empty: (w.empty_out, w.empty_out_next),
        filter: FilterLine {
            fault: fill(w.date_wrong, &[("text", subject)]),
            from: subject.to_owned(),
            from_wrong: true,
            ..filter
        },
        foot: Foot::default(),
        frame: framed(lang, Place::Attention, w.outgoing),
        tabs: Vec::new(),
        w,
    };
    vec![
        ("outgoing", outgoing.render().unwrap()),
        ("empty", empty.render().unwrap()),
        ("inbox", inbox_list(lang, subject, foot)),
    ]
}

fn inbox_list(lang: Lang, subject: &str, foot: Foot) -> String {
    let w = lang.words();
    let states = [
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
        rows: states
            .map(|state| inbox::row(w, &inbox_view(subject, state).row))
            .into(),
        tabs: Vec::new(),
        w,
    };
    inbox.render().unwrap()
}

fn agencies_page(lang: Lang, subject: &str) -> agencies::AgenciesPage {
    let w = lang.words();
    let agency = AgencyView {
        code: code("H01.36.22"),
        name: subject.to_owned(),
        aliases: vec!["000.00.22.H36".to_owned(), subject.to_owned()],
        alias_periods: vec![AliasPeriod {
            text: subject.to_owned(),
            from: Some(at(0)),
            to: Some(at(86_400_000)),
            holds: true,
        }],
        matched_alias: None,
        parent: Some(code("H01.36")),
        parent_name: Some(subject.to_owned()),
        state: AgencyState::Active,
        valid_from: at(0),
        valid_to: None,
        successor: None,
        receiver: None,
        receiver_name: None,
        station: Some("tram-hoabinh.h01.tram.test".to_owned()),
        reachable: true,
    };
    let away = AgencyView {
        reachable: false,
        ..agency.clone()
    };
    let ended = AgencyView {
        state: AgencyState::Ended,
        valid_to: Some(at(0)),
        receiver: Some(code("H01.36")),
        receiver_name: Some(subject.to_owned()),
        ..away.clone()
    };
    let coming = AgencyView {
        state: AgencyState::Future,
        ..away.clone()
    };
    let all = [&agency, &away, &ended, &coming];
    agencies::AgenciesPage {
        frame: framed(lang, Place::Agencies, w.agencies),
        q: subject.to_owned(),
        rows: all.map(|agency| agencies::row(w, agency)).into(),
        w,
    }
}

fn others(lang: Lang, subject: &str) -> Vec<(&'static str, String)> {
    let w = lang.words();
    let served = ServedAgency {
        code: code("H01.11"),
        name: subject.to_owned(),
        signature_until: at(212 * 86_400_000),
        encryption_until: at(9 * 86_400_000),
    };
    let send = send::SendPage {
        faults_head: fill(w.send_faults, &[("n", "1")]),
        faults: vec![send::FaultLine {
            path: subject.to_owned(),
            text: subject.to_owned(),
            fix: subject.to_owned(),
        }],
        form: send::Fields {
            date: "22/11/2026".to_owned(),
            subject: subject.to_owned(),
            to: subject.to_owned(),
            ..send::Fields::default()
        },
        frame: framed(lang, Place::Outgoing, w.send_document),
        key: "k".to_owned(),
        priorities: Vec::new(),
        w,
    };
    let station = station::page(
        framed(lang, Place::Station, w.station),
        &station_view(),
        &[served],
    );
    vec![
        ("agencies", agencies_page(lang, subject).render().unwrap()),
        ("station", station.render().unwrap()),
        ("send", send.render().unwrap()),
    ]
}
