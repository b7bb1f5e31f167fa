//! The command against a small stand-in of a node on loopback: answers, exit codes, languages.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::task::JoinHandle;

use super::*;

/// Serves the routes on a free port; the address and the task.
async fn node() -> (String, JoinHandle<()>) {
    let status = |headers: HeaderMap| async move {
        if headers
            .get(header::AUTHORIZATION)
            .is_none_or(|key| key != "Bearer tram_test_good")
        {
            let problem =
                json!({ "code": "unauthenticated", "title": "Chưa xác thực", "next": "x" });
            return (StatusCode::UNAUTHORIZED, Json(problem)).into_response();
        }
        Json(json!({
            "version": "0.1.0", "time": "2026-11-22T03:31:02.114Z", "agencies": [{"code": "H01"}],
            "station": {"name": "tram-a", "links": [{"peer": "b", "up": true}], "waiting": 0,
                "clock_unsure": false, "log_entries": 7},
            "counts": {"sent": 3}
        }))
        .into_response()
    };
    // Reads the request to its end: an answer before that can meet a closed connection.
    let refuse = |_body: axum::body::Bytes| async {
        let problem = json!({
            "code": "packet_invalid", "title": "Gói edXML chưa hợp lệ", "detail": "d", "next": "Sửa",
            "request_id": "r-1", "errors": [
                {"code": "E-A", "detail": "sai thứ nhất", "path": "MH/From"},
                {"code": "E-B", "detail": "sai thứ hai\u{1b}[31m", "path": ""}]
        });
        (StatusCode::UNPROCESSABLE_ENTITY, Json(problem))
    };
    let list = || async {
        Json(
            json!({"items": [{"id": "1", "code": "1/A", "state": "delivered",
            "subject": "đỏ \u{1b}[31mX", "updated": "2026-11-22T03:31:02.114Z",
            "counts": {"delivered": 1, "relayed": 1}}], "next": null}),
        )
    };
    let app = Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/documents", get(list).merge(post(refuse)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[allow(
        clippy::disallowed_methods,
        reason = "the test owns the task and aborts it"
    )]
    let task = tokio::spawn(async move {
        axum::serve(listener, app).await.unwrap();
    });
    (format!("http://{address}"), task)
}

/// Runs `tram` with these words; exit code, standard output, standard error.
async fn tram(url: &str, key: &str, words: &[&str]) -> (u8, String, String) {
    let environment = Environment {
        key: Some(key.to_owned()),
        locale: Some("vi_VN.UTF-8".to_owned()),
        url: Some(url.to_owned()),
        ..Environment::default()
    };
    let arguments = std::iter::once("tram")
        .chain(words.iter().copied())
        .map(OsString::from);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(arguments.collect(), environment, &mut out, &mut err).await;
    (
        code,
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    )
}

#[tokio::test]
async fn an_alarm_is_shown_with_its_remedy_and_a_stop_is_no_success() {
    for (level, code, last) in [("warning", 0, "cảnh báo"), ("stopped", 1, "cảnh báo")] {
        let alarm = json!({ "code": "TRAM-350", "level": level, "until": "2026-11-25T03:31:02Z",
            "text": {"vi": "Danh sách cũ.", "en": "x"}, "remedy": {"vi": "Lấy CRL mới.", "en": "y"}});
        let answer = json!({
            "version": "0.1.0", "time": "2026-11-22T03:31:02.114Z", "agencies": [], "counts": {},
            "station": {"name": "tram-a", "links": [], "clock_unsure": false, "alarms": [alarm]},
        });
        let status = move || std::future::ready(Json(answer.clone()));
        let app = Router::new().route("/api/v1/status", get(status));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let (found, out, _) = tram(&url, "k", &["status"]).await;
        assert_eq!(found, code, "{out}");
        assert!(
            out.contains("TRAM-350") && out.contains("→ Lấy CRL mới."),
            "{out}"
        );
        assert!(out.trim_end().ends_with(last), "{out}");
    }
}

#[test]
fn the_command_line_is_consistent() {
    use clap::CommandFactory;
    Args::command().debug_assert();
}

#[tokio::test]
async fn exit_codes_say_whose_turn_it_is() {
    let (url, task) = node().await;
    let (code, out, _) = tram(&url, "tram_test_good", &["status"]).await;
    assert_eq!(code, 0);
    assert!(
        out.contains("tram-a") && out.trim_end().ends_with("TỐT"),
        "{out}"
    );
    let (code, out, err) = tram(&url, "tram_test_wrong", &["status"]).await;
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(err.contains("Chưa xác thực"), "{err}");
    let (code, _, err) = tram("http://127.0.0.1:1", "tram_test_good", &["status"]).await;
    assert_eq!(code, 3);
    assert!(err.contains("không trả lời"), "{err}");
    assert_eq!(tram(&url, "k", &["status", "--nonsense"]).await.0, 2);
    assert_eq!(tram(&url, "k", &["--help"]).await.0, 0);
    assert_eq!(tram(&url, "k", &["send", "thư.pdf"]).await.0, 2);
    task.abort();
}

#[tokio::test]
async fn a_refusal_lists_every_fault_and_nothing_moves_the_cursor_of_the_terminal() {
    let (url, task) = node().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.edxml");
    std::fs::write(&file, b"<edXML/>").unwrap();
    let file = file.to_str().unwrap();
    let (code, out, err) = tram(&url, "tram_test_good", &["send", file]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains("E-A sai thứ nhất  (MH/From)") && err.contains("E-B"),
        "{err}"
    );
    assert!(!err.contains('\u{1b}'));
    let (code, _, err) = tram(&url, "tram_test_good", &["send", file, "--json"]).await;
    assert_eq!(code, 1);
    let problem: Value = serde_json::from_str(&err).unwrap();
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2);
    let (code, out, _) = tram(&url, "tram_test_good", &["doc", "ls"]).await;
    assert_eq!(code, 0);
    assert!(
        out.contains("22/11/2026 10:31:02") && out.contains("1/2"),
        "{out}"
    );
    assert!(!out.contains('\u{1b}'));
    task.abort();
}

#[tokio::test]
async fn settings_come_from_file_then_environment_then_flags() {
    let (url, task) = node().await;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("tram");
    std::fs::create_dir(&dir).unwrap();
    let write = |text: &str| std::fs::write(dir.join("config.toml"), text).unwrap();
    let environment = || Environment {
        config_home: Some(home.path().to_str().unwrap().to_owned()),
        ..Environment::default()
    };
    let call = async |words: &[&str]| {
        let arguments = std::iter::once("tram")
            .chain(words.iter().copied())
            .map(OsString::from);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(arguments.collect(), environment(), &mut out, &mut err).await;
        (
            code,
            String::from_utf8(out).unwrap(),
            String::from_utf8(err).unwrap(),
        )
    };
    assert_eq!(call(&["status"]).await.0, 2, "an address is needed");
    write(&format!(
        "url = \"{url}\"\nkey = \"tram_test_good\"\nlang = \"en\"\n"
    ));
    let (code, out, _) = call(&["status"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("GOOD"), "{out}");
    assert_eq!(
        call(&["status", "--key", "tram_test_other"]).await.0,
        4,
        "flags win"
    );
    write("url = \"x\"\nkee = \"y\"\n");
    let (code, _, err) = call(&["status"]).await;
    assert_eq!(code, 2);
    assert!(err.contains("config.toml"), "{err}");
    task.abort();
}

/// Commands that need no node: nobody answers at this address.
async fn offline(words: &[&str]) -> (u8, String, String) {
    tram("http://127.0.0.1:1", "tram_test_good", words).await
}

#[tokio::test]
async fn a_packet_is_written_checked_shown_and_answered_without_a_node() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("45.pdf"), b"%PDF-1.7 letter").unwrap();
    let (packet, file) = (at("letter.edxml"), at("45.pdf"));
    let new = [
        "edxml",
        "new",
        &file,
        "-o",
        &packet,
        "--from",
        "H01.36=Sở Nội vụ",
        "--to",
        "H01.36.04=UBND xã Đông Tiến",
        "--number",
        "45/SNV-VP",
        "--subject",
        "V/v kiểm thử",
        "--signer",
        "Trần Văn Mẫu",
        "--priority",
        "1",
    ];
    let (code, _, err) = offline(&new).await;
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = offline(&new).await;
    assert_eq!(code, 2, "an existing file is not overwritten: {err}");

    let (code, out, _) = offline(&["edxml", "lint", &packet]).await;
    assert!(code == 0 && out.contains("ĐẠT"), "{out}");
    let (code, out, _) = offline(&["edxml", "show", &packet]).await;
    for text in [
        "45/SNV-VP",
        "V/v kiểm thử",
        "UBND xã Đông Tiến (H01.36.04)",
        "45.pdf",
    ] {
        assert!(code == 0 && out.contains(text), "{text}: {out}");
    }

    let answer = at("03.edxml");
    let (code, _, err) = offline(&[
        "edxml",
        "status",
        "--of",
        &packet,
        "--from",
        "H01.36.04=UBND xã Đông Tiến",
        "--code",
        "03",
        "--staff",
        "Lê Thị Ví Dụ",
        "-o",
        &answer,
    ])
    .await;
    assert_eq!(code, 0, "{err}");
    let (code, out, _) = offline(&["edxml", "show", &answer, "--json"]).await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &shown["kind"]), (0, &json!("status")));
    assert_eq!(shown["facts"]["status_code"], "03");
}

#[tokio::test]
async fn only_a_party_answers_and_a_refusal_gives_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let packet = at("letter.edxml");
    let (code, _, err) = offline(&[
        "edxml",
        "new",
        "-o",
        &packet,
        "--from",
        "H01.36",
        "--to",
        "H01.36.04",
        "--number",
        "45/SNV-VP",
        "--subject",
        "V/v kiểm thử",
        "--signer",
        "Trần Văn Mẫu",
    ])
    .await;
    assert_eq!(code, 0, "{err}");
    let status = |from: &'static str, code: &'static str, out: &str| {
        [
            "edxml", "status", "--of", &packet, "--from", from, "--code", code, "-o", out,
        ]
        .map(str::to_owned)
    };
    // Somebody who did not get the document cannot answer it, nor its sender with a receiver's code.
    for (from, code) in [
        ("G09", "03"),
        ("H01.36", "03"),
        ("H01.36.04", "13"),
        ("H01.36.04", "99"),
    ] {
        let wrong = status(from, code, &at("wrong.edxml"));
        let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
        let (exit, _, err) = offline(&wrong).await;
        assert!(exit == 2 && !err.is_empty(), "{from} {code}: {err}");
    }
    // A refusal without its reason is not written.
    let bare = status("H01.36.04", "02", &at("02.edxml"));
    let bare: Vec<&str> = bare.iter().map(String::as_str).collect();
    let (code, _, err) = offline(&bare).await;
    assert!(
        code == 1 && err.contains("N.MessageHeader.Description"),
        "{err}"
    );
    assert!(!std::path::Path::new(&at("02.edxml")).exists());
}

#[tokio::test]
async fn business_acts_are_written_and_read_back_and_need_their_reason() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let acts: [(&str, &[&str], &str); 3] = [
        ("--recall", &[], "thu hồi"),
        ("--update", &["--add", "H01.36.05"], "cập nhật"),
        ("--replace", &[], "thay thế"),
    ];
    for (flag, more, word) in acts {
        let path = at(&format!("{}.edxml", &flag[2..]));
        let mut all = vec![
            "edxml",
            "new",
            "-o",
            &path,
            "--from",
            "H01.36",
            "--to",
            "H01.36.04",
            "--number",
            "46/SNV-VP",
            "--subject",
            "V/v kiểm thử",
            "--signer",
            "Trần Văn Mẫu",
            flag,
            "H01.36,2026/11/20,45/SNV-VP",
        ];
        all.extend(more);
        let (code, ..) = offline(&all).await;
        assert_eq!(code, 2, "{flag} without a reason");
        all.extend(["--reason", "ban hành nhầm"]);
        let (code, _, err) = offline(&all).await;
        assert_eq!(code, 0, "{flag}: {err}");
        let (_, out, _) = offline(&["edxml", "show", &path]).await;
        let said = format!("{word} H01.36,2026/11/20,45/SNV-VP; lý do: ban hành nhầm");
        assert!(out.contains(&said), "{out}");
    }
}

#[tokio::test]
async fn lint_says_rule_source_and_fix_and_answers_with_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.edxml");
    std::fs::write(&path, "<edXML/>").unwrap();
    let path = path.to_str().unwrap();
    let (code, out, _) = offline(&["edxml", "lint", path]).await;
    assert_eq!(code, 1);
    for text in ["CHƯA ĐẠT", "quy tắc:", "nguồn:", "cách sửa:"] {
        assert!(out.contains(text), "{text}: {out}");
    }
    let (code, out, _) = offline(&["edxml", "lint", path, "--json"]).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["acceptable"]), (1, &json!(false)));
    assert!(report["findings"][0]["fix"]["en"].as_str().unwrap().len() > 5);
    let (code, ..) = offline(&["edxml", "lint", "/nowhere/x.edxml"]).await;
    assert_eq!(code, 2);
}
