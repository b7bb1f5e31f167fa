//! Time-stamp authorities in their order: the first that answers in its time with a good token is used. One that
//! fails is passed over for a growing pause and then tried again by one asker alone, so that a dead one costs one
//! deadline now and then and not one a token.
//!
//! Every token is judged before it counts: status, nonce and imprint (RFC 3161), the authority by whoever knows the
//! trusted ones, its policy where policies are set, its accuracy, and its time against our clock. When one
//! authority contradicts our clock and another agrees with it, the first is the one that is wrong; when all that
//! answer contradict it, our clock is.
//!
//! Owns the HTTP and the state of each authority. Fails with [`Unstamped`]. Must not know what is stamped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use formats::limits;
use formats::time::Timestamp;
use pki::clock::Sample;
use pki::sign::HashAlgorithm;
use pki::stamp::{TimeStamp, TimeStampRequest, claimed_time};
use serde::Serialize;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::directory::Directory;

/// Judges a token (its bytes, the digest it must be over, now) before it counts. Given by whoever knows
/// the trusted authorities of the moment.
pub type TokenCheck =
    Arc<dyn Fn(&[u8], HashAlgorithm, &[u8], Timestamp) -> Result<TimeStamp, String> + Send + Sync>;

/// Tokens count only from authorities that the trust list of the moment names.
#[must_use]
pub fn trusted(directory: &Directory) -> TokenCheck {
    let directory = directory.clone();
    Arc::new(move |token: &[u8], hash, imprint: &[u8], now| {
        pki::stamp::verify_token_over(token, hash, imprint, &directory.validator(), now)
            .map_err(|error| error.to_string())
    })
}

/// How long is waited, and for how long an authority that failed is left alone.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For an answer, while there is another authority to ask.
    pub one: Duration,
    /// For an answer of the last one.
    pub last: Duration,
    /// Pause after the first failure; doubled with each.
    pub pause: Duration,
    /// Longest pause.
    pub pause_max: Duration,
}

/// Several authorities, the preferred one first.
pub struct Authorities {
    client: reqwest::Client,
    all: Vec<Authority>,
    policies: Vec<String>,
    patience: Patience,
}

/// What is to be stamped.
#[derive(Clone)]
pub struct Wanted<'w> {
    /// The digest algorithm.
    pub hash: HashAlgorithm,
    /// The digest.
    pub imprint: &'w [u8],
    /// Our clock.
    pub clock: &'w Clock,
    /// Who is believed.
    pub check: &'w TokenCheck,
}

/// A token that counts.
#[derive(Clone, Debug)]
pub struct Stamped {
    /// The token.
    pub token: Vec<u8>,
    /// What it proves.
    pub stamp: TimeStamp,
    /// Who answered.
    pub url: String,
    /// What it says of the time.
    pub sample: Sample,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Unstamped {
    /// All that answered contradict our clock: these samples.
    #[error("all time-stamp authorities that answered contradict our clock")]
    Clock(Vec<(String, Sample)>),
    /// Every one that was asked failed; its address and why.
    #[error("{}", list(.0))]
    Failed(Vec<(String, String)>),
    /// None may be asked yet.
    #[error("every time-stamp authority is left alone after a failure")]
    Quiet,
}

fn list(failures: &[(String, String)]) -> String {
    let all: Vec<String> = failures
        .iter()
        .map(|(url, why)| format!("{url}: {why}"))
        .collect();
    all.join("; ")
}

/// How an authority does, for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuthorityState {
    /// Its address.
    pub url: String,
    /// Good tokens since the start.
    pub tokens: u64,
    /// Failures since the start.
    pub failures: u64,
    /// Failures since its last good token.
    pub failing: u32,
    /// When its last good token came, by our clock.
    pub last_token: Option<String>,
    /// Why it failed last, while it fails.
    pub last_error: Option<String>,
    /// Seconds until it is asked again, while it fails.
    pub asked_again_s: Option<u64>,
}

struct Authority {
    url: String,
    tokens: AtomicU64,
    failures: AtomicU64,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    failing: u32,
    quiet_until: Option<Instant>,
    /// Somebody tries whether it works again.
    tried: bool,
    last_token: Option<Timestamp>,
    last_error: Option<String>,
}

impl Authorities {
    /// These authorities. `policies`: the only policies whose tokens count; empty: every one of a trusted authority.
    #[must_use]
    pub fn new(urls: &[String], policies: &[String], patience: Patience) -> Self {
        // The builder fails only for settings that are not used here. An authority does not send us elsewhere.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap_or_default();
        let authority = |url: &String| Authority {
            url: url.clone(),
            tokens: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            standing: Mutex::default(),
        };
        Self {
            client,
            all: urls.iter().map(authority).collect(),
            policies: policies.to_vec(),
            patience,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All addresses, for people.
    #[must_use]
    pub fn name(&self) -> String {
        let all: Vec<&str> = self.all.iter().map(|one| one.url.as_str()).collect();
        all.join(", ")
    }

    /// How each does, in their order.
    #[must_use]
    pub fn states(&self) -> Vec<AuthorityState> {
        let now = Instant::now();
        self.all.iter().map(|one| one.state(now)).collect()
    }

    /// The time until one may be asked; nothing when one may be asked now.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        let now = Instant::now();
        let left = self.all.iter().map(|one| one.lock().left(now));
        left.min().unwrap_or_default()
    }

    /// A token of the first authority that gives a good one.
    ///
    /// # Errors
    /// [`Unstamped`] as named.
    pub async fn token(&self, wanted: &Wanted<'_>) -> Result<Stamped, Unstamped> {
        let mut odd: Vec<(&Authority, Stamped)> = Vec::new();
        let mut failures = Vec::new();
        let last = self.all.len().saturating_sub(1);
        for (index, one) in self.all.iter().enumerate() {
            let Some(turn) = one.turn() else {
                continue;
            };
            let patience = if index == last {
                self.patience.last
            } else {
                self.patience.one
            };
            let asked = tokio::time::timeout(patience, self.ask(one, wanted)).await;
            let answer = asked
                .unwrap_or_else(|_| Err(format!("no answer within {} ms", patience.as_millis())));
            match answer {
                Ok(found) if contradicts(&found, wanted.clock) => odd.push((one, found)),
                Ok(found) => {
                    turn.well(wanted.clock.now());
                    for (liar, said) in odd {
                        let off_s = off_ms(&said, wanted.clock) / 1_000;
                        let why =
                            format!("its time is {off_s} s off, by our clock and {}", one.url);
                        liar.failed(why, self.patience);
                    }
                    return Ok(found);
                }
                Err(why) => {
                    turn.badly(why.clone(), self.patience);
                    failures.push((one.url.clone(), why));
                }
            }
        }
        if !odd.is_empty() {
            let samples = odd.into_iter().map(|(_, said)| (said.url, said.sample));
            return Err(Unstamped::Clock(samples.collect()));
        }
        if failures.is_empty() {
            return Err(Unstamped::Quiet);
        }
        Err(Unstamped::Failed(failures))
    }

    async fn ask(&self, one: &Authority, wanted: &Wanted<'_>) -> Result<Stamped, String> {
        let told = |error: &dyn std::error::Error| chain(error);
        let (hash, imprint) = (wanted.hash, wanted.imprint);
        let request = TimeStampRequest::over(hash, imprint.to_vec(), rand::random());
        let body = request.build().map_err(|error| told(&error))?;
        let sent = wanted.clock.reading();
        let answer = self
            .client
            .post(&one.url)
            .header("content-type", "application/timestamp-query")
            .header("accept", "application/timestamp-reply")
            .body(body)
            .send()
            .await;
        let mut response = answer.map_err(|error| told(&error))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("HTTP {}", response.status()));
        }
        let mut answer = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| told(&error))? {
            // Bounded before it is kept: the authority is another party.
            if answer.len() + part.len() > limits::TOKEN_BYTES_MAX {
                return Err("the answer is too long".to_owned());
            }
            answer.extend_from_slice(&part);
        }
        let received = wanted.clock.reading();
        let token = request
            .token_from_response(&answer)
            .map_err(|error| told(&error))?;
        // Judged at its own time, for ours may be the wrong one; the nonce says that it is of now.
        let at = claimed_time(&token).map_err(|error| told(&error))?;
        let stamp = (wanted.check)(&token, hash, imprint, at)?;
        let policy = stamp.policy.to_string();
        if !self.policies.is_empty() && !self.policies.contains(&policy) {
            return Err(format!("the token is of policy {policy}"));
        }
        if stamp.accuracy_ms > ACCURACY_MS_MAX {
            return Err(format!(
                "the token is right to {} ms only",
                stamp.accuracy_ms
            ));
        }
        let sample = Sample::between(sent, received, stamp.time, stamp.accuracy_ms);
        Ok(Stamped {
            token,
            stamp,
            url: one.url.clone(),
            sample,
        })
    }
}

impl std::fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted")
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

fn off_ms(found: &Stamped, clock: &Clock) -> i64 {
    found.sample.offset_ms(clock.reading())
}

fn contradicts(found: &Stamped, clock: &Clock) -> bool {
    off_ms(found, clock).unsigned_abs() > FAR_MS
}

/// An error with its causes: the top one alone says "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text = format!("{text}: {one}");
        cause = one.source();
    }
    text
}

impl Authority {
    /// A turn to ask it; none while it is left alone, or while another tries it.
    fn turn(&self) -> Option<Turn<'_>> {
        let mut standing = self.lock();
        if standing.failing > 0 {
            if standing.tried || !standing.left(Instant::now()).is_zero() {
                return None;
            }
            standing.tried = true;
        }
        Some(Turn(self))
    }

    fn failed(&self, why: String, patience: Patience) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut standing = self.lock();
        if standing.failing == 0 {
            tracing::warn!(code = "TRAM-204", url = self.url, why, "no time-stamp");
        }
        let doubled = 1 << standing.failing.min(DOUBLINGS_MAX);
        let pause = patience.pause.saturating_mul(doubled);
        standing.failing = standing.failing.saturating_add(1);
        standing.quiet_until = Some(Instant::now() + pause.min(patience.pause_max));
        standing.last_error = Some(why);
    }

    fn state(&self, now: Instant) -> AuthorityState {
        let standing = self.lock();
        let fails = standing.failing > 0;
        AuthorityState {
            url: self.url.clone(),
            tokens: self.tokens.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            failing: standing.failing,
            last_token: standing.last_token.map(Timestamp::rfc3339),
            last_error: standing.last_error.clone().filter(|_| fails),
            asked_again_s: fails.then(|| standing.left(now).as_secs()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    fn left(&self, now: Instant) -> Duration {
        let until = self.quiet_until.filter(|_| self.failing > 0);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

/// Somebody asks; whoever goes away in the middle leaves the way free.
struct Turn<'a>(&'a Authority);

impl Turn<'_> {
    fn well(self, now: Timestamp) {
        self.0.tokens.fetch_add(1, Ordering::Relaxed);
        let mut standing = self.0.lock();
        if standing.failing > 0 {
            let failures = standing.failing;
            tracing::info!(url = self.0.url, failures, "time-stamps again");
        }
        standing.failing = 0;
        standing.quiet_until = None;
        standing.last_token = Some(now);
    }

    fn badly(self, why: String, patience: Patience) {
        self.0.failed(why, patience);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().tried = false;
    }
}

impl std::fmt::Debug for Authorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Authorities").field(&self.name()).finish()
    }
}

/// A token that says no more than this of the time proves little.
const ACCURACY_MS_MAX: u64 = 60_000;
/// Clocks further apart than this cannot both be right (architecture 7).
const FAR_MS: u64 = 60_000;
/// Beyond this the pause has long reached any longest one.
const DOUBLINGS_MAX: u32 = 16;
