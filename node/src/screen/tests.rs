//! Pages rendered from views: nothing of a document becomes markup, both languages are complete.

mod samples;

use super::words::Lang;
use super::*;
use crate::view::InboxState;
use samples::{counts, found, framed, inbox_view, pages, reader, station_view};

const HOSTILE: &str = "<script>alert(1)</script>\"'&<img src=x onerror=y>{{7*7}}";

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
fn the_station_page_tells_clerks_of_alarms_in_their_words() {
    use askama::Template;
    use relay::alarm::{Code, Found, Level};
    for code in Code::ALL {
        for level in [Level::Warning, Level::Stopped] {
            let found = Found {
                code,
                subject: "H01.36".to_owned(),
                level,
                until: Some(station_view().at),
                detail: Some("<b>".to_owned()),
            };
            let mut view = station_view();
            view.alarms = vec![found.now(view.at).into()];
            let frame = framed(Lang::Vi, Place::Station, "x");
            let page = station::page(frame, &view, &[]).render().unwrap();
            let tell = format!("Báo quản trị trạm, mã {}.", code.number());
            assert!(page.contains(&tell), "{page}");
            for technical in ["chrony", "CRL", "records", "tram-pki", "{"] {
                let main = page.split("<dl>").nth(1).unwrap_or_default();
                assert!(!main.contains(technical), "{technical}: {main}");
            }
        }
    }
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
