//! Screens: what a records clerk sees, in a real Chromium.
//!
//! Each test starts its own world and browser. Texts are the Vietnamese ones that clerks read, so a
//! screen that loses its words fails here.

use std::time::Duration;

use tests::browser::{Browser, Window};
use tests::process::{bin, run};
use tests::samples::Letter;
use tests::world::{Topology, World};

const A: &str = "H01.36";
const B: &str = "H01.36.04";
const PASSWORD: &str = "mat-khau-dai";
const SUBJECT: &str = "Về việc kiểm thử liên thông";
const HOSTILE: &str = "<script>alert(1)</script>";
const SOON: Duration = Duration::from_secs(60);
const DESK: u32 = 1280;
const PHONE: u32 = 390;

/// Two agencies with a clerk each, and a browser; nothing where no browser is installed.
fn stage() -> Option<(World, Browser)> {
    if !Browser::installed() {
        println!("SKIPPED-SUITE browser (chromium is not installed)");
        return None;
    }
    let mut world = World::start(&Topology::one_relay());
    for (label, code) in [("node-a", A), ("node-b", B)] {
        let config = world.station(label).config.display().to_string();
        let user = ["user", "add", "--config", &config, "--name", "lan"];
        let rest = ["--agency", code, "--password", PASSWORD];
        run(&bin("tram-node"), &[&user[..], &rest].concat());
    }
    let browser = Browser::start(&world.dir.join("browser"));
    Some((world, browser))
}

/// Sends a letter with a file from A to B and waits until it lies at B's station.
async fn send(world: &World, number: &str, subject: &str) -> String {
    let packet = Letter::new(A, &[B], number, subject)
        .with_file(
            "cong-van.pdf",
            "application/pdf",
            tests::office::pdf(&[subject]),
        )
        .packet();
    let sender = world.client(A);
    let id = sender
        .submit(packet, &format!("k-{number}"))
        .await
        .expect("an answer")
        .id();
    sender.wait_recipients(&id, &["delivered"], SOON).await;
    id
}

async fn sign_in(window: &Window, password: &str) {
    window.fill("user", "lan").await;
    window.fill("password", password).await;
    window.press("form.login button").await;
}

/// An answer to a browser that runs no scripts: status, type and body.
async fn fetch(url: &str, cookie: &str) -> (u16, String, Vec<u8>) {
    let answer = reqwest::Client::new()
        .get(url)
        .header("cookie", cookie)
        .send()
        .await
        .expect("a node answers");
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type");
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.to_owned();
    let body = answer.bytes().await.expect("a body").to_vec();
    (status, kind, body)
}

async fn assert_quiet(window: &Window, place: &str) {
    let errors = window.console_errors().await;
    assert!(errors.is_empty(), "console of {place}: {errors:#?}");
}

#[tokio::test]
async fn a_letter_is_followed_on_the_screens_of_both_clerks() {
    let Some((mut world, browser)) = stage() else {
        return;
    };
    let id = send(&world, "1283", SUBJECT).await;
    let base = world.station("node-a").base_url();
    let sender = browser.window(&base, DESK).await;
    sender.open("/").await;
    sign_in(&sender, "sai").await;
    sender
        .see(&["Tên đăng nhập hoặc mật khẩu không đúng"])
        .await;
    // The refusal itself is an error to the console (401); nothing else may be.
    let refused = sender.console_errors().await;
    assert!(
        refused.iter().all(|entry| entry.contains("401")),
        "{refused:#?}"
    );
    sign_in(&sender, PASSWORD).await;
    sender
        .see(&["Văn bản đi", "1283/SNV-VP", SUBJECT, "Đã đến"])
        .await;

    taken_by_the_recipient(&mut world, &browser).await;

    // The list renews itself; nobody loads it again.
    sender.see(&["Hoàn thành", "1/1 nơi nhận"]).await;
    sender.shot("outgoing").await;
    journey_with_receipts(&sender, &base, &id).await;
    in_english(&sender).await;
    assert_quiet(&sender, "the sender").await;
    sender.close().await;
    drop(browser);
    world.stop();
}

/// The recipient's clerk finds the letter under incoming and confirms it.
async fn taken_by_the_recipient(world: &mut World, browser: &Browser) {
    let base = world.station("node-b").base_url();
    let window = browser.window(&base, DESK).await;
    window.open("/inbox").await;
    sign_in(&window, PASSWORD).await;
    window
        .see(&["Văn bản đến", "1283/SNV-VP", SUBJECT, "Mới đến"])
        .await;
    window.shot("inbox").await;
    window.follow(SUBJECT).await;
    window.see(&["Xác nhận đã nhận", "cong-van.pdf"]).await;
    window.press("aside form button").await;
    window.see(&["Đã ghi nhận", "Đã nhận"]).await;
    window.shot("received").await;
    assert_quiet(&window, "the recipient").await;
    window.close().await;
}

/// The document's page tells every step with its receipt and hands out the evidence.
async fn journey_with_receipts(window: &Window, base: &str, id: &str) {
    window.follow(SUBJECT).await;
    window
        .see(&[
            "Trạm gửi đã nhận",
            "Đã chuyển qua trục",
            "Đã đến trạm cơ quan nhận",
            "Hệ thống QLVB đã nhận",
            "biên nhận đã kiểm tra chữ ký",
        ])
        .await;
    window.shot("document").await;
    // The first step is the own station's; every other one is another station's signed word.
    let (steps, receipts): (u32, u32) = window
        .run(
            "const steps = document.querySelectorAll('.tl li:not(.day)'); \
             return [steps.length, document.querySelectorAll('.tl .ev .num').length]",
        )
        .await;
    assert!(
        (4..=6).contains(&steps) && receipts == steps,
        "{steps} steps, {receipts} receipts"
    );
    let link: String = window
        .run(
            "return Array.from(document.links)\
             .find((link) => link.textContent.trim() === 'Tải gói bằng chứng').pathname",
        )
        .await;
    assert_eq!(link, format!("/documents/{id}/evidence"));
    let cookie = window.cookie("tram_session").await;
    let (status, kind, body) = fetch(&format!("{base}{link}"), &cookie).await;
    assert_eq!((status, kind.as_str()), (200, "application/zip"));
    let names = zip::ZipArchive::new(std::io::Cursor::new(body)).expect("a zip");
    assert!(names.len() > 3, "an evidence package has several files");
}

/// The language changes on the page where the reader is, and stays.
async fn in_english(window: &Window) {
    window.follow("English").await;
    window
        .see(&["Download evidence", "Taken by the recipient's system"])
        .await;
    window.open("/documents").await;
    window.see(&["Outgoing", "Done", "1/1 recipients"]).await;
    window.follow("Tiếng Việt").await;
    window.see(&["Văn bản đi"]).await;
}

/// Registering, recalling and agreeing are buttons with reasons; each clerk sees what the other said.
#[tokio::test]
async fn clerks_answer_recall_and_agree_on_their_screens() {
    let Some((mut world, browser)) = stage() else {
        return;
    };
    let id = send(&world, "77", SUBJECT).await;
    let base = world.station("node-b").base_url();
    let recipient = browser.window(&base, DESK).await;
    recipient.open("/inbox").await;
    sign_in(&recipient, PASSWORD).await;
    recipient.follow(SUBJECT).await;
    recipient
        .see(&["Trả lời bên gửi", "03 · Đã tiếp nhận"])
        .await;
    recipient.fill("number", "415").await;
    recipient.press("form[action$='/status'] button").await;
    recipient
        .see(&[
            "Đã ký và gửi trạng thái",
            "Đã tiếp nhận (03)",
            "Số đến: 415",
        ])
        .await;
    recipient.shot("registered").await;

    let base = world.station("node-a").base_url();
    let sender = browser.window(&base, DESK).await;
    sender.open("/").await;
    sign_in(&sender, PASSWORD).await;
    sender.see(&["77/SNV-VP"]).await;
    sender.open(&format!("/documents/{id}")).await;
    sender.see(&["Đã tiếp nhận (03)", "Thu hồi văn bản"]).await;
    sender.press("details summary").await;
    sender.fill("reason", "Ban hành nhầm số").await;
    sender.press("form[action$='/recall'] button").await;
    sender
        .see(&["Lệnh thu hồi đã được ký và gửi", "Đề nghị lấy lại"])
        .await;
    sender.shot("recalled").await;

    // Without a reason nothing is declined; with consent the sender sees the end.
    let page = browser
        .window(&world.station("node-b").base_url(), DESK)
        .await;
    page.open("/inbox").await;
    sign_in(&page, PASSWORD).await;
    page.see(&["77/SNV-VP"]).await;
    let original: String = page
        .run("return Array.from(document.querySelectorAll('tbody a')).pop().getAttribute('href')")
        .await;
    page.open(&original).await;
    page.see(&["Bên gửi đề nghị thu hồi văn bản này", "Ban hành nhầm số"])
        .await;
    page.shot("asked").await;
    page.press("form[action$='/status'] button").await;
    page.see(&["Đã thu hồi", "Đồng ý lấy lại"]).await;
    sender
        .see(&["Đồng ý lấy lại / cập nhật (15)", "Đã thu hồi"])
        .await;
    sender.open("/deadlines?side=sent").await;
    sender.see(&["Thời hạn", "Không có việc nào quá hạn"]).await;
    sender.shot("deadlines").await;
    for (window, place) in [(&sender, "the sender"), (&page, "the recipient")] {
        assert_quiet(window, place).await;
    }
    page.close().await;
    recipient.close().await;
    sender.close().await;
    drop(browser);
    world.stop();
}

#[tokio::test]
async fn pages_fit_a_phone_show_hostile_text_and_work_without_scripts() {
    let Some((mut world, browser)) = stage() else {
        return;
    };
    // A long word has no place to break.
    let long = format!("{HOSTILE} {}", "Nghịquyếtliêntịch".repeat(6));
    let id = send(&world, "7", &long).await;
    let base = world.station("node-a").base_url();
    let window = browser.window(&base, PHONE).await;
    window.open("/documents").await;
    fits(&window, "login").await;
    sign_in(&window, PASSWORD).await;
    window.see(&["7/SNV-VP", HOSTILE]).await;
    for (path, name) in [
        ("/documents".to_owned(), "phone-outgoing"),
        (format!("/documents/{id}"), "phone-document"),
        ("/inbox".to_owned(), "phone-inbox"),
        ("/agencies".to_owned(), "phone-agencies"),
        ("/send".to_owned(), "phone-send"),
        ("/station".to_owned(), "phone-station"),
        ("/deadlines".to_owned(), "phone-deadlines"),
    ] {
        window.open(&path).await;
        fits(&window, &path).await;
        window.shot(name).await;
        let scripts: u32 = window
            .run("return document.querySelectorAll('body script').length")
            .await;
        assert_eq!(scripts, 0, "{path} holds a script of a stranger");
    }
    window.open(&format!("/documents/{id}")).await;
    window.see(&[HOSTILE]).await;
    assert_quiet(&window, "the phone").await;
    let cookie = window.cookie("tram_session").await;
    window.close().await;
    without_scripts(&base, &id, &cookie).await;
    drop(browser);
    world.stop();
}

/// Nothing of the page lies beyond the right edge.
async fn fits(window: &Window, place: &str) {
    let (wide, inner): (u32, u32) = window
        .run("return [document.documentElement.scrollWidth, window.innerWidth]")
        .await;
    assert_eq!(inner, PHONE, "the screen is a phone's");
    assert!(wide <= inner, "{place} is {wide} px wide on {inner} px");
}

/// The list is plain HTML: its rows, links and forms are all there before any script runs.
async fn without_scripts(base: &str, id: &str, cookie: &str) {
    let (status, kind, body) = fetch(&format!("{base}/documents"), cookie).await;
    assert_eq!(status, 200);
    assert!(kind.starts_with("text/html"), "{kind}");
    let page = String::from_utf8(body).expect("pages are UTF-8");
    for needed in [
        "7/SNV-VP",
        "action=\"/documents\"",
        "href=\"/send\"",
        "action=\"/logout\"",
        &format!("<a href=\"/documents/{id}\""),
    ] {
        assert!(page.contains(needed), "{needed} is missing:\n{page}");
    }
    for forbidden in [HOSTILE, "onclick=", "javascript:"] {
        assert!(!page.contains(forbidden), "{forbidden}:\n{page}");
    }
    let (status, _, body) = fetch(&format!("{base}/documents/{id}"), cookie).await;
    assert_eq!(status, 200);
    let page = String::from_utf8(body).expect("pages are UTF-8");
    assert!(
        page.contains("Trạm gửi đã nhận") && !page.contains(HOSTILE),
        "{page}"
    );
}
