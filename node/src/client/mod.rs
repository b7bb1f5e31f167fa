//! A thin client of the REST door: what the `tram` command and other programs use.
//!
//! It owns a connection pool, an address and a key. Answers come back as the door's JSON; files are
//! streamed to and from disk. It must not know how answers are shown, nor anything of the desk inside.

pub mod fault;

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

pub use fault::{ClientError, ProblemAnswer};

use crate::screen::address::{encode, with_query};
use crate::screen::words::Lang;

/// Seconds that one long poll asks for; the door allows 55.
pub const POLL_S: u64 = 50;

/// A client of one node with one key.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    key: String,
    lang: Lang,
}

/// How a submission is made.
#[derive(Debug, Clone)]
pub struct Sending {
    /// The Idempotency-Key: the same for a retry.
    pub key: String,
    /// Why the same document is sent again with another packet.
    pub resend_reason: Option<String>,
}

impl Client {
    /// A client for an address such as `http://127.0.0.1:41080`.
    pub fn new(base: &str, key: &str, lang: Lang) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(120))
            .build()
            .map_err(|error| ClientError::Unreachable {
                url: base.to_owned(),
                source: error,
            })?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self {
            base,
            http,
            key: key.to_owned(),
            lang,
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/api/v1{path}", self.base))
            .bearer_auth(&self.key)
            .header(ACCEPT_LANGUAGE, self.lang.code())
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request
            .send()
            .await
            .map_err(|source| ClientError::Unreachable {
                url: self.base.clone(),
                source,
            })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        Err(ClientError::of_answer(status, &text))
    }

    async fn json(&self, request: RequestBuilder) -> Result<Value, ClientError> {
        let text = self.answer(request).await?.text().await;
        let text = text.map_err(|source| ClientError::Unreachable {
            url: self.base.clone(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|error| ClientError::Strange(error.to_string()))
    }

    /// GET of a path below `/api/v1`, with its parameters; empty values are left out.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, ClientError> {
        self.json(self.request(Method::GET, &with_query(path, query)))
            .await
    }

    /// The node now.
    pub async fn status(&self) -> Result<Value, ClientError> {
        self.get("/status", &[]).await
    }

    /// Sends a whole edXML packet from a file, streamed.
    pub async fn send_packet(&self, file: &Path, how: &Sending) -> Result<Value, ClientError> {
        let request = self
            .sending(how)
            .header(CONTENT_TYPE, "application/edxml+xml")
            .body(streamed(file).await?);
        self.json(request).await
    }

    /// Sends files with their description; the node writes the packet.
    pub async fn send_files(
        &self,
        metadata: &Value,
        files: &[&Path],
        how: &Sending,
    ) -> Result<Value, ClientError> {
        let mut form = Form::new().text("metadata", metadata.to_string());
        for file in files {
            let name = file
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("file");
            let part = Part::stream(streamed(file).await?).file_name(name.to_owned());
            form = form.part(
                "file",
                part.mime_str(mime(name))
                    .map_err(|error| ClientError::Strange(error.to_string()))?,
            );
        }
        self.json(self.sending(how).multipart(form)).await
    }

    fn sending(&self, how: &Sending) -> RequestBuilder {
        let reason = how.resend_reason.as_deref().unwrap_or("");
        self.request(
            Method::POST,
            &with_query("/documents", &[("resend_reason", reason)]),
        )
        .header("idempotency-key", &how.key)
    }

    /// A document; waits up to `wait_s` seconds until every recipient reached `goal` or ended.
    pub async fn document(&self, id: &str, goal: &str, wait_s: u64) -> Result<Value, ClientError> {
        let wait = wait_s.min(POLL_S).to_string();
        self.get(
            &format!("/documents/{}", encode(id)),
            &[("until", goal), ("wait", &wait)],
        )
        .await
    }

    /// Leases up to `count` received documents; waits up to `wait_s` seconds for the first.
    pub async fn claim(&self, count: u32, lease_s: u32, wait_s: u32) -> Result<Value, ClientError> {
        let path = with_query("/inbox/claims", &[("wait", &wait_s.to_string())]);
        let body = json!({ "count": count, "lease_s": lease_s });
        self.json(self.request(Method::POST, &path).json(&body))
            .await
    }

    /// Acknowledges a received document.
    pub async fn acknowledge(&self, id: &str, claim: Option<&str>) -> Result<Value, ClientError> {
        let path = format!("/inbox/{}/ack", encode(id));
        self.json(
            self.request(Method::POST, &path)
                .json(&json!({ "claim": claim })),
        )
        .await
    }

    /// POST of a small JSON body to a path below `/api/v1`.
    pub async fn act(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    /// Streams an answer into a writer, piece by piece; bytes written.
    pub async fn fetch(
        &self,
        path: &str,
        into: &mut (dyn std::io::Write + '_),
    ) -> Result<u64, ClientError> {
        let mut stream = self
            .answer(self.request(Method::GET, path))
            .await?
            .bytes_stream();
        let mut bytes = 0u64;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|source| ClientError::Unreachable {
                url: self.base.clone(),
                source,
            })?;
            bytes += u64::try_from(chunk.len()).unwrap_or(0);
            into.write_all(&chunk).map_err(ClientError::Write)?;
        }
        into.flush().map_err(ClientError::Write)?;
        Ok(bytes)
    }
}

/// A file as a body, with its length.
async fn streamed(file: &Path) -> Result<Body, ClientError> {
    let fault = |source| ClientError::File {
        path: file.to_owned(),
        source,
    };
    let opened = tokio::fs::File::open(file).await.map_err(fault)?;
    Ok(Body::wrap_stream(ReaderStream::with_capacity(
        opened,
        64 * 1024,
    )))
}

/// Media type of a file by its ending; the packet names it to the reader's system.
pub(crate) fn mime(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "jpeg" | "jpg" => "image/jpeg",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "txt" => "text/plain",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xml" => "application/xml",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}
