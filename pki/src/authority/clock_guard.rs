//! The clock of an authority that stamps: told only while it is right to what the tokens say.
//!
//! Owns: one [`Guard`](crate::clock::Guard) over the machine's clocks and the asking of other time-stamp
//! authorities, whose tokens bound their time between our sending and receiving (RFC 3161 over plain
//! HTTP/1.1). [`ClockGuard::clock`] is what [`super::tsa::router`] wants: `None` while the clock is in doubt, so
//! requests are answered with `timeNotAvailable`. Fails with [`AskError`]; an authority that does not
//! answer changes nothing by itself, but what was learnt of it ends. Silent: the server reads
//! [`ClockGuard::state`] after every step and says when it changed. Must not know: keys, the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use formats::id::Digest;
use formats::limits;

use super::tsa::Clock;
use crate::chain::Validator;
use crate::clock::{Guard, Reading, Reference, Rule, Sample, State};
use crate::stamp::{StampError, TimeStampRequest, claimed_time, verify_token};

/// Reads the machine's clocks, both at once. Given by the daemon.
pub type Readings = Arc<dyn Fn() -> Reading + Send + Sync>;

/// Why a reference told nothing.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The address is not `http://host[:port]/path`.
    #[error("{0} is not an address of the form http://host[:port]/path")]
    Address(String),
    /// The reference cannot be reached.
    #[error("{address} cannot be asked")]
    Reach {
        /// Host and port.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("{0} did not answer in time")]
    Slow(String),
    /// What it answered is no answer.
    #[error("{address} answered {what}")]
    Answer {
        /// Host and port.
        address: String,
        /// What was wrong.
        what: String,
    },
    /// Its token is not to be believed.
    #[error("its token is not believed")]
    Token(#[from] StampError),
}

/// The clock of one daemon. Clones share it.
#[derive(Clone)]
pub struct ClockGuard {
    guard: Arc<Mutex<Guard>>,
    readings: Readings,
}

impl std::fmt::Debug for ClockGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClockGuard").finish_non_exhaustive()
    }
}

impl ClockGuard {
    /// A clock for tokens of this accuracy. With `referenced` it is not told either when no reference has
    /// answered for [`SILENT`]; without, only a step of the wall clock can be seen.
    #[must_use]
    pub fn new(readings: Readings, accuracy_ms: u64, referenced: bool) -> Self {
        let rule = Rule {
            warn_ms: accuracy_ms / 2,
            far_ms: accuracy_ms,
            keep: SILENT,
            unknown_after: referenced.then_some(SILENT),
        };
        let guard = Guard::new(rule, readings());
        Self {
            guard: Arc::new(Mutex::new(guard)),
            readings,
        }
    }

    /// What is known of the clock now.
    #[must_use]
    pub fn state(&self) -> State {
        self.lock().judge((self.readings)())
    }

    /// The clock as a server takes it: `None` while it is in doubt.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let own = self.clone();
        Arc::new(move || {
            let now = (own.readings)();
            let sure = !own.lock().judge(now).is_unsure();
            sure.then_some(now.wall)
        })
    }

    /// Asks another authority for a token and compares. Call every few minutes for each.
    ///
    /// # Errors
    /// [`AskError`] as named.
    pub async fn ask(
        &self,
        url: &str,
        nonce: u64,
        validator: &Validator,
    ) -> Result<State, AskError> {
        let imprint = Digest::of(&nonce.to_be_bytes());
        let request = TimeStampRequest::new(imprint, nonce);
        let sent = (self.readings)();
        let answer = tokio::time::timeout(ANSWER_TIME, post(url, &request.build()?))
            .await
            .map_err(|_| AskError::Slow(url.to_owned()))??;
        let received = (self.readings)();
        let token = request.token_from_response(&answer)?;
        // Judged at its own time: ours is what is in question. The nonce says that it is of now.
        let told = claimed_time(&token)?;
        let stamp = verify_token(&token, &imprint, validator, told)?;
        let sample = Sample::between(sent, received, stamp.time, stamp.accuracy_ms);
        let mut guard = self.lock();
        guard.add(url, Reference::Trusted, sample, received);
        Ok(guard.judge(received))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request and its answer over a connection of its own.
async fn post(url: &str, body: &[u8]) -> Result<Vec<u8>, AskError> {
    let (host, path) = address(url).ok_or_else(|| AskError::Address(url.to_owned()))?;
    let reach = |source| AskError::Reach {
        address: host.clone(),
        source,
    };
    let mut stream = TcpStream::connect(&host).await.map_err(reach)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/timestamp-query\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.map_err(reach)?;
    stream.write_all(body).await.map_err(reach)?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut answer)
        .await
        .map_err(reach)?;
    reply(&answer).map_err(|what| AskError::Answer {
        address: host,
        what,
    })
}

/// `host:port` and path of an `http` address.
fn address(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at_checked(slash)?,
        None => (rest, "/"),
    };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if host.is_empty() || host.contains('@') || !plain(host) || !plain(path) {
        return None;
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    Some((host, path.to_owned()))
}

/// The body of an answer with status 200. Asked with `Connection: close`, so the end of the stream is the
/// end of the body; chunks are not understood and then are no token either.
fn reply(answer: &[u8]) -> Result<Vec<u8>, String> {
    let end = answer
        .windows(HEAD_END.len())
        .position(|window| window == HEAD_END)
        .ok_or("no HTTP answer")?;
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8_lossy(head);
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if !head.starts_with("HTTP/1.") || status != "200" {
        return Err(format!("HTTP status {status}"));
    }
    Ok(body.get(HEAD_END.len()..).unwrap_or_default().to_vec())
}

/// How long what a reference said counts, and how long a clock with references is told without them: a
/// quartz drifts some 50 ms in a quarter of an hour.
pub const SILENT: Duration = Duration::from_secs(3_600);
/// An answer takes milliseconds; with a slow one the bounds are too wide to say anything.
const ANSWER_TIME: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const _: () = assert!(
    limits::TOKEN_BYTES_MAX <= 64 * 1024,
    "a token must fit into an answer"
);
const HEAD_END: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use formats::time::Timestamp;

    use super::*;
    use crate::authority::tsa;
    use crate::fixture::{Authority, Signer};
    use crate::key::Algorithm;
    use crate::role::Role;
    use crate::stamp::TokenIssuer;

    /// Two machine clocks in the hand of a test: wall time moves with the monotonic one unless it is set.
    #[derive(Clone)]
    struct Hand {
        start: Timestamp,
        passed_ms: Arc<AtomicI64>,
        set_ms: Arc<AtomicI64>,
    }

    impl Hand {
        fn at(start: Timestamp) -> Self {
            Self {
                start,
                passed_ms: Arc::default(),
                set_ms: Arc::default(),
            }
        }

        fn readings(&self) -> Readings {
            let own = self.clone();
            Arc::new(move || {
                let passed = own.passed_ms.load(Ordering::SeqCst);
                Reading {
                    wall: own
                        .start
                        .plus_ms(passed + own.set_ms.load(Ordering::SeqCst)),
                    monotonic: Duration::from_millis(u64::try_from(passed).unwrap()),
                }
            })
        }
    }

    fn signer(authority: &Authority, name: &str) -> Signer {
        authority.signer(Role::TimeStamping, name, Algorithm::EcdsaP256)
    }

    #[test]
    fn a_request_is_granted_with_its_accuracy_until_the_clock_is_set() {
        let authority = Authority::new();
        let tsa = signer(&authority, "tsa-1");
        let issuer = TokenIssuer::new(tsa.key, tsa.certificate, Vec::new()).with_accuracy_ms(1_250);
        let hand = Hand::at(authority.now());
        let guard = ClockGuard::new(hand.readings(), issuer.accuracy_ms(), false);
        let clock = guard.clock();
        let request = TimeStampRequest::new(Digest::of(b"content"), 1);
        let body = request.build().unwrap();
        hand.passed_ms.store(86_400_000, Ordering::SeqCst);
        let now = clock().unwrap();
        let answer = issuer.respond(&body, now).unwrap();
        let token = request.token_from_response(&answer).unwrap();
        let imprint = Digest::of(b"content");
        let stamp = verify_token(&token, &imprint, &authority.validator(), now).unwrap();
        assert_eq!((stamp.time, stamp.accuracy_ms), (now, 1_250));

        for (set_ms, told) in [(1_250, true), (1_251, false), (-1_251, false), (0, true)] {
            hand.set_ms.store(set_ms, Ordering::SeqCst);
            assert_eq!(clock().is_some(), told, "set by {set_ms} ms");
        }
        hand.set_ms.store(120_000, Ordering::SeqCst);
        assert!(clock().is_none() && guard.state().is_unsure());
        let refused = issuer.time_not_available().unwrap();
        let error = request.token_from_response(&refused).unwrap_err();
        assert!(
            matches!(error, StampError::Refused { status: 2, .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn another_authority_shows_that_ours_is_wrong_from_the_beginning() {
        let authority = Authority::new();
        let other = signer(&authority, "tsa-2");
        let issuer = TokenIssuer::new(other.key, other.certificate, Vec::new());
        let truth = authority.now();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        let clock: Clock = Arc::new(move || Some(truth));
        tasks.spawn(tsa::serve(listener, issuer, clock, std::future::pending()));

        let right = ClockGuard::new(Hand::at(truth).readings(), 1_000, true);
        let validator = authority.validator();
        assert!(!right.ask(&url, 7, &validator).await.unwrap().is_unsure());
        let hand = Hand::at(truth.plus_ms(120_000));
        let wrong = ClockGuard::new(hand.readings(), 1_000, true);
        assert!(wrong.clock()().is_some(), "nobody has said otherwise yet");
        assert!(wrong.ask(&url, 8, &validator).await.unwrap().is_unsure());
        assert!(wrong.clock()().is_none());
        hand.set_ms.store(-120_000, Ordering::SeqCst);
        assert!(
            wrong.clock()().is_some(),
            "set right, the same token says so"
        );

        // Nobody answers any more: what was learnt ends.
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
        assert!(right.ask(&url, 9, &validator).await.is_err());
        assert!(right.clock()().is_some());
        let later = i64::try_from(SILENT.as_millis()).unwrap() + 1;
        hand.passed_ms.store(later, Ordering::SeqCst);
        assert!(wrong.clock()().is_none());
    }

    #[tokio::test]
    async fn a_token_of_nobody_we_trust_says_nothing() {
        let (authority, foreign) = (Authority::new(), Authority::new());
        let other = signer(&foreign, "tsa-9");
        let issuer = TokenIssuer::new(other.key, other.certificate, Vec::new());
        let truth = authority.now();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/tsa", listener.local_addr().unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        let clock: Clock = Arc::new(move || Some(truth.plus_ms(120_000)));
        tasks.spawn(tsa::serve(listener, issuer, clock, std::future::pending()));
        let guard = ClockGuard::new(Hand::at(truth).readings(), 1_000, true);
        let url_root = url.trim_end_matches("tsa");
        let refused = guard.ask(url_root, 1, &authority.validator()).await;
        assert!(matches!(refused, Err(AskError::Token(_))), "{refused:?}");
        assert!(guard.clock()().is_some());
        let missing = guard.ask(&url, 1, &authority.validator()).await;
        assert!(
            matches!(missing, Err(AskError::Answer { .. })),
            "{missing:?}"
        );
    }

    #[test]
    fn addresses_and_answers_are_read_strictly() {
        for (url, expected) in [
            ("http://tsa.test", Some(("tsa.test:80", "/"))),
            ("http://tsa.test:318/a?b", Some(("tsa.test:318", "/a?b"))),
            ("http://[::1]:80/", Some(("[::1]:80", "/"))),
            ("https://tsa.test/", None),
            ("http://a@b/", None),
            ("http:///x", None),
            ("http://a/\r\nHost: b", None),
        ] {
            let found = address(url);
            let found = found
                .as_ref()
                .map(|(host, path)| (host.as_str(), path.as_str()));
            assert_eq!(found, expected, "{url}");
        }
        assert_eq!(
            reply(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nxyz").unwrap(),
            b"xyz"
        );
        for bad in [
            b"HTTP/1.1 503 x\r\n\r\n".as_slice(),
            b"",
            b"200 200\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n",
        ] {
            assert!(reply(bad).is_err());
        }
    }
}
