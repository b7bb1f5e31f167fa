//! Asks a time-stamp authority for a token over a signature, within a deadline, without ever being in
//! the way: no token in time means the signature travels without one, and the stamped checkpoint that
//! covers its acceptance proves the time (architecture 6). After a failure the authority is left alone
//! for a while, so that a dead one costs one deadline and not one a document.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE};

use formats::id::Digest;
use formats::limits;
use formats::time::Timestamp;
use pki::stamp::TimeStampRequest;

/// The client of one time-stamp authority.
#[derive(Debug)]
pub(crate) struct Tsa {
    client: Client,
    url: String,
    /// Not asked before this time, milliseconds.
    quiet_until: AtomicI64,
}

impl Tsa {
    pub(crate) fn new(url: String) -> Self {
        // The builder fails only for settings that are not used here.
        let client = Client::builder()
            .timeout(DEADLINE)
            .build()
            .unwrap_or_default();
        Self {
            client,
            url,
            quiet_until: AtomicI64::new(i64::MIN),
        }
    }

    /// A token over `imprint` (SHA-256 of the signature value), or why there is none.
    pub(crate) async fn token(&self, imprint: Digest, now: Timestamp) -> Result<Vec<u8>, String> {
        if now.unix_ms() < self.quiet_until.load(Ordering::Relaxed) {
            return Err("left alone after a failure".to_owned());
        }
        let answer = self.ask(imprint).await;
        if answer.is_err() {
            self.quiet_until
                .store(now.plus_ms(QUIET_MS).unix_ms(), Ordering::Relaxed);
        }
        answer
    }

    async fn ask(&self, imprint: Digest) -> Result<Vec<u8>, String> {
        let request = TimeStampRequest::new(imprint, rand::random());
        let sent = self
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/timestamp-query")
            .header(ACCEPT, "application/timestamp-reply")
            .body(request.build().map_err(|error| error.to_string())?)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        let mut response = sent.map_err(|error| error.to_string())?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.to_string())? {
            if body.len() + chunk.len() > limits::TOKEN_BYTES_MAX {
                return Err("the answer is too long".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        request
            .token_from_response(&body)
            .map_err(|error| error.to_string())
    }
}

/// A clerk waits for this; at once is normal.
const DEADLINE: Duration = Duration::from_millis(1500);
/// How long an authority that failed is not asked.
const QUIET_MS: i64 = 30_000;
