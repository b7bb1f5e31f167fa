//! Gets an RFC 3161 token for the newest checkpoint, in the background and at most once a second: one
//! token proves the time of every leaf before it. Its absence delays nothing (promise 6): statements
//! are `signed` at once and `stamped` when the authority answers.
//!
//! Owns the request over HTTP and the pause after a failure. Fails by trying again; says so once when it
//! begins to fail and once when it works again.

use std::sync::Arc;
use std::time::Duration;

use formats::id::Digest;
use formats::limits;
use formats::time::Timestamp;
use pki::stamp::TimeStampRequest;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::evidence::Head;
use crate::store::Store;

/// Least time between two tokens.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest time between two tries while the authority does not answer.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Judges a token (its bytes, the digest it must be over, now) before it is kept. Given by whoever knows
/// the trusted authorities of the moment.
pub type TokenCheck = Arc<dyn Fn(&[u8], &Digest, Timestamp) -> Result<(), String> + Send + Sync>;

/// What stamping needs.
#[derive(Clone)]
pub struct Stamping {
    /// The authority's URL (`http://…`, RFC 3161 section 3.4).
    pub url: String,
    /// Refuses tokens of authorities that are not trusted.
    pub check: TokenCheck,
    /// For the time a token is kept at.
    pub clock: Clock,
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
    loop {
        let head = tokio::select! {
            () = stop.cancelled() => return,
            grown = heads.wait_for(|head| head.size > stamped) => match grown {
                Ok(head) => Arc::clone(&head),
                // The signer ended: there will be no other head.
                Err(_ended) => return,
            },
        };
        match stamp(&store, &client, &stamping, &head).await {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(url = stamping.url, failures, "time-stamps again");
                }
                stamped = head.size;
                failures = 0;
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(code = "TRAM-204", url = stamping.url, %error, "no time-stamp");
                }
                failures = failures.saturating_add(1);
            }
        }
        let pause = PAUSE.saturating_mul(1 << failures.min(6)).min(PAUSE_MAX);
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
    let token = |error: &dyn std::fmt::Display| StampError::Token(error.to_string());
    let imprint = pki::note::checkpoint_imprint(&head.signed).map_err(|error| token(&error))?;
    let request = TimeStampRequest::new(imprint, rand::random());
    let body = request.build().map_err(|error| token(&error))?;
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
    let found = request
        .token_from_response(&answer)
        .map_err(|error| token(&error))?;
    let now = stamping.clock.now();
    (stamping.check)(&found, &imprint, now).map_err(StampError::Token)?;
    let mut signed = head.signed.clone();
    signed.token = Some(found);
    store
        .keep_stamped(head.size, head.root, signed, now)
        .await?;
    Ok(())
}
