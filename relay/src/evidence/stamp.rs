//! Gets an RFC 3161 token for the newest checkpoint, in the background and at most once a second: one
//! token proves the time of every leaf before it. Its absence delays nothing (promise 6): statements
//! are `signed` at once and `stamped` when the authority answers.
//!
//! Every token also tells the time, between our sending and receiving: whoever keeps the clock is told, and
//! when there was nothing to stamp for a while a token over nothing is asked for that alone. While the clock is
//! in doubt nothing is stamped: the station's times are wrong then, and the tokens would carry them on.
//!
//! Owns the request over HTTP and the pause after a failure. Fails by trying again; says so once when it
//! begins to fail and once when it works again.

use std::sync::Arc;
use std::time::Duration;

use formats::id::Digest;
use formats::limits;
use formats::time::Timestamp;
use pki::clock::Sample;
use pki::stamp::{TimeStamp, TimeStampRequest, claimed_time};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::evidence::Head;
use crate::store::Store;

/// Least time between two tokens.
const PAUSE: Duration = Duration::from_secs(1);

/// The authority is asked for the time alone when it was not asked for this long.
const PROBE: Duration = Duration::from_secs(3_600);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Judges a token (its bytes, the digest it must be over, now) before it is kept. Given by whoever knows
/// the trusted authorities of the moment.
pub type TokenCheck =
    Arc<dyn Fn(&[u8], &Digest, Timestamp) -> Result<TimeStamp, String> + Send + Sync>;

/// Who keeps the station's clock.
pub trait Timekeeper: Send + Sync {
    /// A token of this authority says what time it is.
    fn told(&self, authority: &str, sample: Sample);

    /// Whether the clock is in doubt.
    fn is_unsure(&self) -> bool;
}

/// What stamping needs.
#[derive(Clone)]
pub struct Stamping {
    /// The authority's URL (`http://…`, RFC 3161 section 3.4).
    pub url: String,
    /// Refuses tokens of authorities that are not trusted.
    pub check: TokenCheck,
    /// For the time a token is kept at.
    pub clock: Clock,
    /// Is told what tokens say of the time.
    pub keeper: Arc<dyn Timekeeper>,
    /// Longest time between two tries while the authority does not answer.
    pub pause_max: Duration,
}

impl std::fmt::Debug for Stamping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stamping")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// The authority cannot be reached, or answers something else than HTTP 200.
    #[error("authority: {0}")]
    Http(#[from] reqwest::Error),
    /// Its answer is not a token for this checkpoint, or not one to be trusted.
    #[error("token: {0}")]
    Token(String),
    /// The clock is in doubt: nothing is stamped until it is right.
    #[error("the station's clock is in doubt")]
    Clock,
    /// The token could not be kept.
    #[error("store: {0}")]
    Keep(#[from] crate::store::CommitError),
}

/// Stamps the newest head whenever it grew, until `stop`.
pub async fn run(store: Store, stamping: Stamping, stop: CancellationToken) {
    let client = match reqwest::Client::builder().timeout(TIMEOUT).build() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(code = "TRAM-203", %error, "no time-stamps: HTTP client");
            return;
        }
    };
    let mut heads = store.head();
    let mut stamped = 0;
    let mut failures: u32 = 0;
    let mut asked: Option<Duration> = None;
    loop {
        // The first time is asked for at once, and then there is something to do or an hour is over.
        if asked.is_some() {
            tokio::select! {
                () = stop.cancelled() => return,
                grown = heads.wait_for(|head| head.size > stamped) => if grown.is_err() {
                    // The signer ended: there will be no other head.
                    return;
                },
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        let now = stamping.clock.reading().monotonic;
        let head = Arc::clone(&heads.borrow());
        let probe = asked.is_none_or(|asked| now.saturating_sub(asked) >= PROBE);
        let grown = head.size > stamped;
        // A clock in doubt is asked about every time, and nothing is stamped by it.
        let outcome = if stamping.keeper.is_unsure() || (probe && !grown) {
            ask_time(&client, &stamping).await
        } else if grown {
            let outcome = stamp(&store, &client, &stamping, &head).await;
            outcome.map(|()| stamped = head.size)
        } else {
            continue;
        };
        match outcome {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(url = stamping.url, failures, "time-stamps again");
                }
                failures = 0;
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(code = "TRAM-204", url = stamping.url, %error, "no time-stamp");
                }
                failures = failures.saturating_add(1);
            }
        }
        if failures == 0 {
            asked = Some(now);
        }
        let pause = PAUSE
            .saturating_mul(1 << failures.min(6))
            .min(stamping.pause_max.max(PAUSE));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(if failures == 0 { PAUSE } else { pause }) => {}
        }
    }
}

/// One token for one head.
pub async fn stamp(
    store: &Store,
    client: &reqwest::Client,
    stamping: &Stamping,
    head: &Head,
) -> Result<(), StampError> {
    let imprint = pki::note::checkpoint_imprint(&head.signed)
        .map_err(|error| StampError::Token(error.to_string()))?;
    let found = token(client, stamping, imprint).await?;
    let mut signed = head.signed.clone();
    signed.token = Some(found);
    store
        .keep_stamped(head.size, head.root, signed, stamping.clock.now())
        .await?;
    Ok(())
}

/// A token over nothing, for the time it tells.
async fn ask_time(client: &reqwest::Client, stamping: &Stamping) -> Result<(), StampError> {
    let imprint = Digest::of(&rand::random::<[u8; 32]>());
    token(client, stamping, imprint).await.map(|_| ())
}

/// Asks for a token, checks it and passes on what it says of the time. Refused when our clock turns out to
/// be in doubt.
async fn token(
    client: &reqwest::Client,
    stamping: &Stamping,
    imprint: Digest,
) -> Result<Vec<u8>, StampError> {
    let token = |error: &dyn std::fmt::Display| StampError::Token(error.to_string());
    let request = TimeStampRequest::new(imprint, rand::random());
    let body = request.build().map_err(|error| token(&error))?;
    let sent = stamping.clock.reading();
    let mut response = client
        .post(&stamping.url)
        .header("content-type", "application/timestamp-query")
        .body(body)
        .send()
        .await?
        .error_for_status()?;
    let mut answer = Vec::new();
    while let Some(part) = response.chunk().await? {
        // Bounded before it is kept: the authority is another party.
        if answer.len() + part.len() > limits::TOKEN_BYTES_MAX {
            return Err(StampError::Token("the answer is too long".to_owned()));
        }
        answer.extend_from_slice(&part);
    }
    let received = stamping.clock.reading();
    let found = request
        .token_from_response(&answer)
        .map_err(|error| token(&error))?;
    // Judged at its own time, for ours may be the wrong one; the nonce says that it is of now.
    let told = claimed_time(&found).map_err(|error| token(&error))?;
    let stamp = (stamping.check)(&found, &imprint, told).map_err(StampError::Token)?;
    let sample = Sample::between(sent, received, stamp.time, stamp.accuracy_ms);
    stamping.keeper.told(&stamping.url, sample);
    if stamping.keeper.is_unsure() {
        return Err(StampError::Clock);
    }
    Ok(found)
}
