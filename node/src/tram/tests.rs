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
    let refuse = || async {
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
