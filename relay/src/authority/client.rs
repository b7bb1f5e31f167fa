//! The authority's API from a station's side: HTTPS to one configured host, nothing else.
//!
//! Owns: connections (one a request: they are rare and long polls hold them), limits of time and
//! size, the meaning of statuses. No redirects are followed, no proxy is used, and an answer is read
//! only up to the size that its kind may have. Fails with [`ClientError`], which says whose turn it
//! is. Must not know: files, keys other than the identity it is given, when to ask.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use formats::time::Timestamp;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use pki::enrol::{
    self, Enrol, Grant, Issued, PATH_ENROL, PATH_PREVIEW, PATH_RECORDS, PATH_RENEW, Preview,
    Problem, Published, Renew, WAIT_S_MAX,
};
use pki::tls::{AuthorityTrust, StationIdentity};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Endpoint;
use crate::clock::Clock;

/// Why the authority did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It answered something that is not of this API (its fault, or another server stands there).
    #[error("{host} answered what no authority answers: {why}")]
    Answer {
        /// Which host.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// It asks to come back later.
    #[error("the authority asks to wait {0} s")]
    Busy(u64),
    /// It refused, with the reason.
    #[error("the authority refused ({}): {}", .0.code, .0.title)]
    Refused(Box<Problem>),
    /// TLS settings (bug, or an unusable key).
    #[error("tls settings: {0}")]
    Tls(#[from] pki::tls::TlsError),
    /// No connection, or it ended too early, or took too long.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// Which host and port.
        host: String,
        /// Why.
        why: String,
    },
    /// Another one than the authority answered.
    #[error("{host} is not the authority with that fingerprint: {why}")]
    Untrusted {
        /// Which host and port.
        host: String,
        /// What TLS said.
        why: String,
    },
    /// Persons must approve first; ask again in a minute.
    #[error("waits for approval: {0}")]
    Waiting(String),
}

impl ClientError {
    /// Whether asking again later may help.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Busy(_) | Self::Unreachable { .. } | Self::Waiting(_) => true,
            Self::Refused(problem) => problem.status >= 500,
            Self::Answer { .. } | Self::Tls(_) | Self::Untrusted { .. } => false,
        }
    }
}

/// A caller of one authority. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Endpoint,
    trust: AuthorityTrust,
    clock: Clock,
}

/// What came back.
struct Answer {
    status: StatusCode,
    retry_after_s: Option<u64>,
    body: Bytes,
}

/// What is sent.
struct Call<'a> {
    method: Method,
    path: String,
    content: Option<(&'static str, Vec<u8>)>,
    identity: Option<&'a StationIdentity>,
    /// Largest answer.
    bytes_max: usize,
    wait: Duration,
}

impl<'a> Call<'a> {
    fn get(path: String, bytes_max: usize) -> Self {
        Self {
            method: Method::GET,
            path,
            content: None,
            identity: None,
            bytes_max,
            wait: ANSWER,
        }
    }

    fn post(path: &str, kind: &'static str, body: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            content: Some((kind, body)),
            identity: None,
            bytes_max: JSON_BYTES_MAX,
            wait: ANSWER,
        }
    }

    fn json(path: &str, said: &impl Serialize) -> Self {
        // Our own messages serialise; an empty body would be refused by the server.
        Self::post(path, JSON, serde_json::to_vec(said).unwrap_or_default())
    }

    fn by(mut self, identity: &'a StationIdentity) -> Self {
        self.identity = Some(identity);
        self
    }
}

impl Client {
    /// A caller of the authority at this endpoint.
    #[must_use]
    pub fn new(endpoint: Endpoint, trust: AuthorityTrust, clock: Clock) -> Self {
        Self {
            endpoint,
            trust,
            clock,
        }
    }

    /// Where the authority is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What a token is for. Spends nothing.
    pub async fn preview(&self, token: &str) -> Result<Grant, ClientError> {
        let token = token.to_owned();
        self.json(Call::json(PATH_PREVIEW, &Preview { token }))
            .await
    }

    /// Spends a token; the same token with the same requests may be spent again.
    pub async fn enrol(&self, wanted: &Enrol) -> Result<Issued, ClientError> {
        self.json(Call::json(PATH_ENROL, wanted)).await
    }

    /// Asks for successors of the certificates of the station that shows itself.
    pub async fn renew(
        &self,
        identity: &StationIdentity,
        wanted: &Renew,
    ) -> Result<Issued, ClientError> {
        self.json(Call::json(PATH_RENEW, wanted).by(identity)).await
    }

    /// What was published after a sequence; waits up to `wait_s` for the first news.
    pub async fn published(&self, after: u64, wait_s: u64) -> Result<Published, ClientError> {
        let wait_s = wait_s.min(WAIT_S_MAX);
        let path = format!("{PATH_RECORDS}?after={after}&wait={wait_s}");
        let mut call = Call::get(path, LIST_BYTES_MAX);
        call.wait = ANSWER.saturating_add(Duration::from_secs(wait_s));
        let list: Published = self.json(call).await?;
        if list.files.len() > enrol::NAMES_MAX {
            return Err(self.nonsense(format!("a list of {} files", list.files.len())));
        }
        Ok(list)
    }

    /// The bytes of one published file, at most `bytes_max`.
    pub async fn file(&self, name: &str, bytes_max: usize) -> Result<Bytes, ClientError> {
        if !enrol::is_file_name(name) {
            return Err(self.nonsense(format!("a file named {name:?}")));
        }
        let mut call = Call::get(format!("{PATH_RECORDS}/{name}"), bytes_max);
        call.wait = FILE;
        let answer = self.call(call).await?;
        self.good(answer)
    }

    /// Publishes what the station (or an agency of it) signed.
    pub async fn publish(
        &self,
        identity: &StationIdentity,
        signed: &[u8],
    ) -> Result<Published, ClientError> {
        let call = Call::post(PATH_RECORDS, BYTES, signed.to_vec()).by(identity);
        self.json(call).await
    }

    async fn json<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, ClientError> {
        let answer = self.call(call).await?;
        let body = self.good(answer)?;
        serde_json::from_slice(&body).map_err(|error| self.nonsense(error.to_string()))
    }

    fn good(&self, answer: Answer) -> Result<Bytes, ClientError> {
        let status = answer.status;
        if status == StatusCode::OK || status == StatusCode::CREATED {
            return Ok(answer.body);
        }
        if status == StatusCode::ACCEPTED {
            let said: Waits = serde_json::from_slice(&answer.body)
                .map_err(|error| self.nonsense(error.to_string()))?;
            return Err(ClientError::Waiting(plain(&said.waiting)));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(ClientError::Busy(answer.retry_after_s.unwrap_or(60)));
        }
        match serde_json::from_slice::<Problem>(&answer.body) {
            Ok(problem) if status.is_client_error() || status.is_server_error() => {
                Err(ClientError::Refused(Box::new(Problem {
                    code: plain(&problem.code),
                    status: status.as_u16(),
                    title: plain(&problem.title),
                    detail: plain(&problem.detail),
                    next: plain(&problem.next),
                })))
            }
            _ if status.is_server_error() => Err(self.unreachable(format!("status {status}"))),
            _ => Err(self.nonsense(format!("status {status}"))),
        }
    }

    async fn call(&self, call: Call<'_>) -> Result<Answer, ClientError> {
        let wait = call.wait;
        let asked = tokio::time::timeout(wait, Box::pin(self.ask(call)));
        asked
            .await
            .unwrap_or_else(|_| Err(self.unreachable(format!("no answer in {} s", wait.as_secs()))))
    }

    async fn ask(&self, call: Call<'_>) -> Result<Answer, ClientError> {
        let stream = self.connect(call.identity).await?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.broken(&error))?;
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(HOST, self.endpoint.authority())
            .header(ACCEPT, ACCEPTED)
            .header(CONNECTION, "close");
        let mut content = Bytes::new();
        if let Some((kind, body)) = call.content {
            request = request.header(CONTENT_TYPE, kind);
            content = Bytes::from(body);
        }
        let request = request
            .body(Full::new(content))
            .map_err(|error| self.nonsense(error.to_string()))?;
        let talk = async {
            let response = sender.send_request(request).await;
            let response = response.map_err(|error| self.broken(&error))?;
            let (head, body) = response.into_parts();
            let retry_after = head.headers.get(RETRY_AFTER);
            let retry_after_s = retry_after
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.parse().ok());
            let body = Limited::new(body, call.bytes_max).collect().await;
            let body = body.map_err(|error| self.unread(&*error, call.bytes_max))?;
            Ok(Answer {
                status: head.status,
                retry_after_s,
                body: body.to_bytes(),
            })
        };
        let (mut talk, mut connection) = (pin!(talk), pin!(connection));
        let mut over = false;
        loop {
            tokio::select! {
                biased;
                answer = &mut talk => return answer,
                // What it ended with, the talk is told.
                _ended = &mut connection, if !over => over = true,
            }
        }
    }

    async fn connect(
        &self,
        identity: Option<&StationIdentity>,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ClientError> {
        let clock = self.clock.clone();
        let config = pki::tls::authority_client_config(
            identity,
            self.endpoint.host(),
            self.trust.clone(),
            std::sync::Arc::new(move || Some(clock.now())),
        )?;
        let name = rustls::pki_types::ServerName::try_from(self.endpoint.host().to_owned())
            .map_err(|error| self.nonsense(error.to_string()))?;
        let connecting = async {
            let tcp = TcpStream::connect((self.endpoint.host(), self.endpoint.port())).await?;
            tcp.set_nodelay(true)?;
            let connector = TlsConnector::from(std::sync::Arc::new(config));
            connector.connect(name, tcp).await
        };
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(self.not_connected(&error)),
            Err(_) => Err(self.unreachable(format!("no connection in {} s", CONNECT.as_secs()))),
        }
    }

    fn not_connected(&self, error: &std::io::Error) -> ClientError {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(why)) => ClientError::Untrusted {
                host: self.endpoint.authority(),
                why: format!("{why:?}"),
            },
            _ => self.unreachable(error.to_string()),
        }
    }

    fn broken(&self, error: &hyper::Error) -> ClientError {
        // A server that does not speak HTTP is another one than ours.
        if error.is_parse() {
            return self.nonsense(error.to_string());
        }
        self.unreachable(chain(error))
    }

    fn unread(&self, error: &(dyn std::error::Error + 'static), bytes_max: usize) -> ClientError {
        if error.is::<http_body_util::LengthLimitError>() {
            return self.nonsense(format!("more than {bytes_max} bytes"));
        }
        self.unreachable(chain(error))
    }

    fn nonsense(&self, why: String) -> ClientError {
        ClientError::Answer {
            host: self.endpoint.authority(),
            why,
        }
    }

    fn unreachable(&self, why: String) -> ClientError {
        ClientError::Unreachable {
            host: self.endpoint.authority(),
            why,
        }
    }

    /// Now, by the station's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

#[derive(serde::Deserialize)]
struct Waits {
    waiting: String,
}

/// Words of a server that go to a log or a terminal: no control characters, one line's length.
fn plain(text: &str) -> String {
    text.chars()
        .map(|one| if one.is_control() { ' ' } else { one })
        .take(SAID_MAX)
        .collect()
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        line.push_str(": ");
        line.push_str(&below.to_string());
        cause = below.source();
    }
    line
}

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
const ACCEPTED: &str = "application/json, application/problem+json, application/octet-stream";
/// Connection and handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// An answer, besides the wait that was asked for.
const ANSWER: Duration = Duration::from_secs(30);
/// One file: the largest list of a slow line (64 MiB at 2 Mbit/s).
const FILE: Duration = Duration::from_secs(300);
/// Certificates of one station with hundreds of agencies.
const JSON_BYTES_MAX: usize = 4 << 20;
/// A thousand names with digests.
const LIST_BYTES_MAX: usize = 1 << 20;
/// Characters of a server's words that are shown.
const SAID_MAX: usize = 600;
