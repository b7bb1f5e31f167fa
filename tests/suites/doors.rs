//! The doors of a running node, walked from outside: every route without a key, every problem's page,
//! and the forms of a signed-in person.

use formats::id::EnvelopeId;
use node::door::auth::Needs;
use node::door::problem::Kind;
use node::door::routes::{Method, addresses};
use reqwest::{Client, Response, StatusCode, redirect};
use tests::client::{Answer, NodeClient};
use tests::process::{bin, run};
use tests::samples::Letter;
use tests::world::{Topology, World, agency, node};

/// One node that serves one agency; no relay, no authority server.
fn alone() -> World {
    World::start(&Topology {
        stations: vec![node(
            "node-a",
            &[],
            vec![agency("H01.36", "Sở Nội vụ tỉnh A")],
        )],
        tsa: false,
        automatic_01: true,
    })
}

fn browser() -> Client {
    let policy = redirect::Policy::none();
    Client::builder()
        .redirect(policy)
        .build()
        .expect("a plain client needs nothing")
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The address with its places filled.
fn filled(path: &str) -> String {
    let id = EnvelopeId::new(formats::time::Timestamp::from_unix_ms(0), &[7; 10]);
    path.replace("{id}", &id.to_string())
        .replace("{n}", "1")
        .replace("{code}", "H01.36")
        .replace("{lang}", "vi")
        .replace("{*name}", "tram.css")
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

#[tokio::test]
async fn nobody_gets_in_without_a_key_and_every_problem_has_its_page() {
    let mut world = alone();
    let base = world.station("node-a").base_url();
    let http = browser();
    for (method, path, needs) in addresses() {
        let url = format!("{base}{}", filled(path));
        let keys: &[&str] = &[
            "",
            "Bearer tram_test_0000000000000000000000000000",
            "Basic eDp5",
        ];
        for key in keys {
            let request = match method {
                Method::Get => http.get(&url),
                Method::Post => http.post(&url).body(""),
            };
            let request = request
                .header("authorization", *key)
                .header("cookie", "tram_session=x");
            let response = request.send().await.expect("a node answers");
            let status = response.status();
            match needs {
                Needs::Key(_) => {
                    assert_eq!(status, StatusCode::UNAUTHORIZED, "{method:?} {path} {key}");
                    assert_eq!(
                        header(&response, "content-type"),
                        "application/problem+json"
                    );
                }
                Needs::Person(_) => {
                    assert_eq!(status, StatusCode::SEE_OTHER, "{method:?} {path} {key}");
                    assert!(
                        header(&response, "location").starts_with("/login"),
                        "{path}"
                    );
                }
                Needs::Nobody => assert!(!status.is_server_error(), "{method:?} {path}: {status}"),
            }
        }
    }
    for kind in Kind::ALL {
        for lang in ["vi", "en"] {
            let url = format!("{base}/problems/{}", kind.code());
            let response = http.get(&url).header("accept-language", lang).send().await;
            let response = response.expect("a node answers");
            assert_eq!(response.status(), StatusCode::OK, "{url}");
            assert!(header(&response, "content-security-policy").contains("default-src 'none'"));
            let page = response.text().await.expect("a page is text");
            assert!(
                page.contains(&format!("<html lang=\"{lang}\">")),
                "{url} {lang}"
            );
        }
    }
    world.stop();
}

#[tokio::test]
async fn a_person_signs_in_sends_and_signs_out_without_scripts() {
    let mut world = alone();
    let base = world.station("node-a").base_url();
    let config = world.station("node-a").config.display().to_string();
    let user = [
        "user", "add", "--config", &config, "--name", "lan", "--agency", "H01.36",
    ];
    run(
        &bin("tram-node"),
        &[&user[..], &["--password", "mat-khau-dai"]].concat(),
    );
    let http = browser();
    let enter = |password: &'static str| {
        http.post(format!("{base}/login"))
            .header("content-type", FORM)
            .body(format!("user=lan&password={password}&next=//elsewhere"))
            .send()
    };
    let wrong = enter("sai").await.expect("a node answers");
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let right = enter("mat-khau-dai").await.expect("a node answers");
    assert_eq!(right.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&right, "location"), "/", "never to another host");
    let cookie = header(&right, "set-cookie").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie
        .split(';')
        .next()
        .expect("a cookie has a value")
        .to_owned();
    let page = async |path: &str| {
        let request = http.get(format!("{base}{path}")).header("cookie", &cookie);
        let response = request.send().await.expect("a node answers");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.expect("a page is text")
    };
    for path in [
        "/documents",
        "/inbox",
        "/agencies?q=noi+vu",
        "/station",
        "/send",
    ] {
        page(path).await;
    }
    let form = page("/send").await;
    let token = form
        .split("name=\"csrf\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let token = token.expect("a form carries its token").to_owned();
    for (given, origin, expected) in [
        (token.as_str(), "http://evil.example", StatusCode::FORBIDDEN),
        ("wrong", base.as_str(), StatusCode::FORBIDDEN),
        (token.as_str(), base.as_str(), StatusCode::SEE_OTHER),
    ] {
        let response = http
            .post(format!("{base}/logout"))
            .header("cookie", &cookie)
            .header("origin", origin)
            .header("content-type", FORM)
            .body(format!("csrf={given}"))
            .send()
            .await
            .expect("a node answers");
        assert_eq!(response.status(), expected, "{given} {origin}");
    }
    let after = http
        .get(format!("{base}/documents"))
        .header("cookie", &cookie)
        .send()
        .await;
    assert_eq!(
        after.expect("a node answers").status(),
        StatusCode::SEE_OTHER,
        "signed out"
    );
    world.stop();
}

#[tokio::test]
async fn a_long_poll_is_answered_at_its_end_and_limits_are_said() {
    let mut world = alone();
    let client: NodeClient = world.client("H01.36");
    let started = std::time::Instant::now();
    let claim = client.claim(1, 60, 1).await.expect("claims are answered");
    assert!(claim.is_empty() && started.elapsed() >= std::time::Duration::from_millis(900));
    let answer = client
        .get("/inbox?limt=1&wait=900")
        .await
        .expect("a node answers");
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::BAD_REQUEST, "invalid_parameter")
    );
    assert_eq!(
        answer.json["errors"].as_array().map(Vec::len),
        Some(2),
        "{:#}",
        answer.json
    );
    world.stop();
}

/// A request with an Idempotency-Key.
async fn act(client: &NodeClient, path: &str, key: &str, body: &str) -> Answer {
    let request = client
        .request(reqwest::Method::POST, path)
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(body.to_owned());
    tests::client::answer(request)
        .await
        .expect("a node answers")
}

#[tokio::test]
async fn acts_are_taken_once_and_bad_ones_are_refused_with_their_cause() {
    let mut world = World::start(&Topology::one_relay());
    let (sender, recipient) = (world.client("H01.36"), world.client("H01.36.04"));
    let letter = Letter::new("H01.36", &["H01.36.04"], "61", "Kiểm thử nghiệp vụ");
    let sent = sender.submit(letter.packet(), "k-61").await;
    let id = sent.expect("a node answers").id();
    let wait = std::time::Duration::from_secs(60);
    sender.wait_recipients(&id, &["delivered"], wait).await;
    let (status, recall) = (
        format!("/inbox/{id}/status"),
        format!("/documents/{id}/recall"),
    );
    let update = format!("/documents/{id}/update");
    let long = format!(r#"{{"code": "02", "reason": "{}"}}"#, "x".repeat(1_001));
    let huge = format!(r#"{{"code": "02", "reason": "{}"}}"#, "x".repeat(300_000));
    let nobody = "/inbox/01a20373-b4a3-72c6-8d61-55ae03e3ad64/status";
    for (client, path, body, expected, code) in [
        (&recipient, &*status, "{", 400, "invalid_body"),
        (&recipient, &status, r#"{"cod": "03"}"#, 400, "invalid_body"),
        (
            &recipient,
            &status,
            r#"{"code": "02"}"#,
            422,
            "packet_invalid",
        ),
        (
            &recipient,
            &status,
            r#"{"code": "13"}"#,
            422,
            "packet_invalid",
        ),
        (&recipient, &status, &long, 422, "packet_invalid"),
        (&recipient, &status, &huge, 413, "too_large"),
        (&recipient, nobody, r#"{"code": "03"}"#, 404, "not_found"),
        // What one has sent is not in one's inbox, and the other way round.
        (&sender, &status, r#"{"code": "03"}"#, 404, "not_found"),
        (&recipient, &recall, r#"{"reason": "x"}"#, 404, "not_found"),
        (
            &sender,
            &recall,
            r#"{"reason": " "}"#,
            422,
            "packet_invalid",
        ),
        (
            &sender,
            &recall,
            r#"{"reason": "x", "to": ["Z99"]}"#,
            422,
            "packet_invalid",
        ),
        (
            &sender,
            &recall,
            r#"{"reason": "x", "to": ["H01.36"]}"#,
            422,
            "packet_invalid",
        ),
        (
            &sender,
            &update,
            r#"{"reason": "x"}"#,
            422,
            "packet_invalid",
        ),
    ] {
        let refused = act(client, path, "k", body).await;
        let found = (refused.status.as_u16(), refused.code());
        assert_eq!(found, (expected, code), "{path} {:.60}", body);
        assert!(!refused.json["next"].as_str().unwrap_or("").is_empty());
    }
    let good = r#"{"code": "03", "register_number": "415"}"#;
    let first = act(&recipient, &status, "k-03", good).await;
    let again = act(&recipient, &status, "k-03", good).await;
    assert_eq!(first.id(), again.id());
    assert!(
        again.replayed,
        "the first answer again, nothing is sent twice"
    );
    let other = act(&recipient, &status, "k-03", r#"{"code": "06"}"#).await;
    assert_eq!(other.code(), "idempotency_key_reused");
    let wanted = act(&sender, &recall, "k-r", r#"{"reason": "Sai số"}"#).await;
    let twice = act(&sender, &recall, "k-r", r#"{"reason": "Sai số"}"#).await;
    assert_eq!((wanted.id(), twice.replayed), (twice.id(), true));
    let shown = until_asked(&recipient, &id).await;
    assert_eq!(shown["business"]["state"], "registered");
    let agreed = act(&recipient, &status, "k-15", r#"{"code": "15"}"#).await;
    let _ = agreed.id();
    let gone = recipient.get(&format!("/inbox/{id}/package")).await;
    let gone = gone.expect("a node answers");
    assert_eq!((gone.status.as_u16(), gone.code()), (410, "withdrawn"));
    let wrong = sender.get("/deadlines?side=mine&standing=late").await;
    let wrong = wrong.expect("a node answers");
    assert_eq!(wrong.code(), "invalid_parameter");
    assert_eq!(wrong.json["errors"].as_array().map(Vec::len), Some(2));
    world.stop();
}

/// The received document once its recall has come.
async fn until_asked(client: &NodeClient, id: &str) -> serde_json::Value {
    let asked = async {
        loop {
            let item = client.get(&format!("/inbox/{id}")).await;
            let item = item.expect("a node answers").json;
            if item["business_request"] == "recall_requested" {
                return item;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), asked)
        .await
        .expect("the recall arrives")
}
