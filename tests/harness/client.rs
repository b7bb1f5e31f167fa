//! A DMS as the tests play it: the node's REST door seen from outside.
//!
//! Owns: nothing but a connection pool and one agency's API key. Answers come back as status and JSON, so
//! that a test can look at refusals as closely as at successes.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// One agency's client of its node.
#[derive(Debug, Clone)]
pub struct NodeClient {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// Status and JSON body of an answer (`Null` when the body is no JSON).
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Body.
    pub json: Value,
    /// Whether the answer says that it repeats an earlier one.
    pub replayed: bool,
}

impl Answer {
    /// The document's id in an accepted submission; panics with the whole answer otherwise.
    #[must_use]
    pub fn id(&self) -> String {
        assert_eq!(self.status, StatusCode::ACCEPTED, "{:#}", self.json);
        self.json["id"]
            .as_str()
            .expect("an accepted document has an id")
            .to_owned()
    }

    /// Stable code of a problem.
    #[must_use]
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or("")
    }
}

impl NodeClient {
    /// A client for `base` (no slash at the end) with this API key.
    #[must_use]
    pub fn new(base: &str, key: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(600))
            .build()
            .expect("a plain client needs nothing");
        Self {
            http,
            base: base.to_owned(),
            key: key.to_owned(),
        }
    }

    /// A request with the key on it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/api/v1{path}", self.base))
            .bearer_auth(&self.key)
    }

    /// GET as JSON.
    pub async fn get(&self, path: &str) -> reqwest::Result<Answer> {
        answer(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Result<Answer> {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// GET as bytes; panics on a refusal.
    pub async fn bytes(&self, path: &str) -> reqwest::Result<bytes::Bytes> {
        self.request(Method::GET, path)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await
    }

    /// Submits a whole edXML package.
    pub async fn submit(
        &self,
        packet: impl Into<reqwest::Body>,
        key: &str,
    ) -> reqwest::Result<Answer> {
        answer(
            self.request(Method::POST, "/documents")
                .header("content-type", "application/edxml+xml")
                .header("idempotency-key", key)
                .body(packet),
        )
        .await
    }

    /// Waits until every recipient of a document is in one of `states`; the last view, or a panic with it.
    pub async fn wait_recipients(&self, id: &str, states: &[&str], limit: Duration) -> Value {
        let until = Instant::now() + limit;
        loop {
            let answer = self.get(&format!("/documents/{id}/recipients")).await;
            if let Ok(answer) = &answer {
                let rows = recipients(&answer.json);
                if !rows.is_empty()
                    && rows
                        .iter()
                        .all(|row| states.contains(&row["state"].as_str().unwrap_or("")))
                {
                    return answer.json.clone();
                }
            }
            assert!(
                Instant::now() < until,
                "document {id}: recipients not all in {states:?} within {limit:?}: {:#?}",
                answer.map(|answer| answer.json)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Claims up to `count` items of the inbox for `lease_s` seconds, waiting up to `wait_s` for the first.
    pub async fn claim(
        &self,
        count: u32,
        lease_s: u32,
        wait_s: u32,
    ) -> reqwest::Result<Vec<Value>> {
        let answer = self
            .post(
                &format!("/inbox/claims?wait={wait_s}"),
                &serde_json::json!({"count": count, "lease_s": lease_s}),
            )
            .await?;
        assert!(
            answer.status.is_success(),
            "{}: {:#}",
            answer.status,
            answer.json
        );
        Ok(answer.json["items"].as_array().cloned().unwrap_or_default())
    }

    /// Acknowledges one claimed item.
    pub async fn acknowledge(&self, item: &Value) -> reqwest::Result<Answer> {
        let id = item["id"].as_str().expect("a claimed item has an id");
        self.post(
            &format!("/inbox/{id}/ack"),
            &serde_json::json!({"claim": item["claim"]}),
        )
        .await
    }

    /// Takes everything that comes until `count` documents are acknowledged; the packets in order of arrival.
    /// Statuses of recipients are taken too, and not counted.
    pub async fn receive(&self, count: usize, limit: Duration) -> Vec<(Value, bytes::Bytes)> {
        let until = Instant::now() + limit;
        let mut taken = Vec::new();
        while taken.len() < count {
            assert!(
                Instant::now() < until,
                "only {} of {count} arrived in {limit:?}",
                taken.len()
            );
            for item in self.claim(32, 60, 2).await.expect("claims are answered") {
                let id = item["id"].as_str().expect("a claimed item has an id");
                let packet = self
                    .bytes(&format!("/inbox/{id}/package"))
                    .await
                    .expect("a package is served");
                let ack = self
                    .acknowledge(&item)
                    .await
                    .expect("an acknowledgement is answered");
                assert!(ack.status.is_success(), "{}: {:#}", ack.status, ack.json);
                if item["kind"] == "document" {
                    taken.push((item, packet));
                }
            }
        }
        taken
    }
}

/// The rows of a recipients answer, whether bare or under `items`.
#[must_use]
pub fn recipients(json: &Value) -> Vec<Value> {
    json.as_array()
        .or_else(|| json["items"].as_array())
        .cloned()
        .unwrap_or_default()
}

/// Sends and reads status and JSON.
pub async fn answer(request: RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let status = response.status();
    let replayed = response.headers().get("idempotency-replayed").is_some();
    let text = response.text().await?;
    Ok(Answer {
        status,
        json: serde_json::from_str(&text).unwrap_or(Value::Null),
        replayed,
    })
}
