//! Gets an RFC 3161 token for the newest checkpoint, in the background and at most once a second: one
//! token proves the time of every leaf before it. Its absence delays nothing (promise 6): statements
//! are `signed` at once and `stamped` when an authority answers.
//!
//! Every token also tells the time, between our sending and receiving: whoever keeps the clock is told, and
//! when there was nothing to stamp for a while a token over nothing is asked for that alone. While the clock is
//! in doubt nothing is stamped: the station's times are wrong then, and the tokens would carry them on.
//!
//! Owns when a token is asked for; whom, is [`tsa`]'s. Fails by trying again.

use std::sync::Arc;
use std::time::Duration;

use formats::id::Digest;
use pki::clock::Sample;
use pki::sign::HashAlgorithm;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::evidence::Head;
use crate::evidence::tsa::{self, Authorities, TokenCheck, Unstamped, Wanted};
use crate::store::Store;

/// Least time between two tokens.
const PAUSE: Duration = Duration::from_secs(1);

/// The authorities are asked for the time alone when they were not asked for this long.
const PROBE: Duration = Duration::from_secs(3_600);

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
    /// Who is asked (`http://…`, RFC 3161 section 3.4).
    pub authorities: Arc<Authorities>,
    /// Refuses tokens of authorities that are not trusted.
    pub check: TokenCheck,
    /// For the time a token is kept at.
    pub clock: Clock,
    /// Is told what tokens say of the time.
    pub keeper: Arc<dyn Timekeeper>,
    /// Longest time between two tries while no authority answers.
    pub pause_max: Duration,
}

impl std::fmt::Debug for Stamping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stamping")
            .field("authorities", &self.authorities)
            .finish_non_exhaustive()
    }
}

/// How long the authorities of a station's log are waited for.
#[must_use]
pub fn patience(pause_max: Duration) -> tsa::Patience {
    tsa::Patience {
        one: Duration::from_secs(3),
        last: Duration::from_secs(10),
        pause: PAUSE * 2,
        pause_max: pause_max.max(PAUSE),
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// The clock is in doubt: nothing is stamped until it is right.
    #[error("the station's clock is in doubt")]
    Clock,
    /// The token could not be kept.
    #[error("store: {0}")]
    Keep(#[from] crate::store::CommitError),
    /// No authority gave a token.
    #[error(transparent)]
    None(Unstamped),
    /// The checkpoint cannot be stamped.
    #[error("checkpoint: {0}")]
    Note(String),
}

/// Stamps the newest head whenever it grew, until `stop`.
pub async fn run(store: Store, stamping: Stamping, stop: CancellationToken) {
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
            ask_time(&stamping).await
        } else if grown {
            let outcome = stamp(&store, &stamping, &head).await;
            outcome.map(|()| stamped = head.size)
        } else {
            continue;
        };
        match outcome {
            Ok(()) => failures = 0,
            // Each authority says by itself when it begins to fail.
            Err(StampError::None(_)) => failures = failures.saturating_add(1),
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(code = "TRAM-204", %error, "no time-stamp");
                }
                failures = failures.saturating_add(1);
            }
        }
        if failures == 0 {
            asked = Some(now);
        }
        let grown_pause = PAUSE.saturating_mul(1 << failures.min(6));
        let pause = match stamping.authorities.quiet() {
            _ if failures == 0 => PAUSE,
            Duration::ZERO => grown_pause.min(stamping.pause_max.max(PAUSE)),
            quiet => quiet.max(PAUSE),
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One token for one head.
pub async fn stamp(store: &Store, stamping: &Stamping, head: &Head) -> Result<(), StampError> {
    let imprint = pki::note::checkpoint_imprint(&head.signed)
        .map_err(|error| StampError::Note(error.to_string()))?;
    let found = token(stamping, imprint).await?;
    let mut signed = head.signed.clone();
    signed.token = Some(found);
    store
        .keep_stamped(head.size, head.root, signed, stamping.clock.now())
        .await?;
    Ok(())
}

/// A token over nothing, for the time it tells.
async fn ask_time(stamping: &Stamping) -> Result<(), StampError> {
    let imprint = Digest::of(&rand::random::<[u8; 32]>());
    token(stamping, imprint).await.map(|_| ())
}

/// Asks for a token and passes on what it says of the time. Refused when our clock turns out to be in doubt.
async fn token(stamping: &Stamping, imprint: Digest) -> Result<Vec<u8>, StampError> {
    let wanted = Wanted {
        hash: HashAlgorithm::Sha256,
        imprint: imprint.as_bytes(),
        clock: &stamping.clock,
        check: &stamping.check,
    };
    let found = match stamping.authorities.token(&wanted).await {
        Ok(found) => found,
        Err(Unstamped::Clock(samples)) => {
            for (url, sample) in samples {
                stamping.keeper.told(&url, sample);
            }
            return Err(StampError::Clock);
        }
        Err(error) => return Err(StampError::None(error)),
    };
    stamping.keeper.told(&found.url, found.sample);
    if stamping.keeper.is_unsure() {
        return Err(StampError::Clock);
    }
    Ok(found.token)
}
