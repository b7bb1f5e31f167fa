//! The doors of a running node, walked from outside: every route without a key, every problem's page,
//! and the forms of a signed-in person.

use formats::id::EnvelopeId;
use node::door::auth::Needs;
use node::door::problem::Kind;
use node::door::routes::{Method, addresses};
use reqwest::{Client, Response, StatusCode, redirect};
use tests::client::NodeClient;
use tests::process::{bin, run};
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
