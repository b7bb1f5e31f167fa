//! Asks time-stamp authorities for a token over a signature, within a deadline, without ever being in
//! the way: no token in time means the signature travels without one, and the stamped checkpoint that
//! covers its acceptance proves the time (architecture 6). The authorities are those of the station, in their
//! order; one that failed is left alone for a growing while, so that a dead one costs one deadline now and then
//! and not one a document.

use std::time::Duration;

use formats::id::Digest;
use pki::sign::HashAlgorithm;
use relay::clock::Clock;
use relay::evidence::tsa::{Authorities, Patience, Stamped, TokenCheck, Wanted};

/// The client of the time-stamp authorities.
pub(crate) struct Tsa {
    authorities: Authorities,
    clock: Clock,
    check: TokenCheck,
}

impl std::fmt::Debug for Tsa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.authorities.fmt(f)
    }
}

impl Tsa {
    /// `None` without authorities.
    pub(crate) fn new(
        urls: &[String],
        policies: &[String],
        clock: Clock,
        check: TokenCheck,
    ) -> Option<Self> {
        let authorities = Authorities::new(urls, policies, PATIENCE);
        (!authorities.is_empty()).then_some(Self {
            authorities,
            clock,
            check,
        })
    }

    /// A token over `imprint` (SHA-256 of the signature value), or why there is none. It has been checked, its time
    /// against our clock included.
    pub(crate) async fn token(&self, imprint: &Digest) -> Result<Stamped, String> {
        let asked = self.over(HashAlgorithm::Sha256, imprint.as_bytes());
        match tokio::time::timeout(DEADLINE, asked).await {
            Ok(answer) => answer,
            Err(_) => Err("no authority answered in time".to_owned()),
        }
    }

    /// The same over any digest, for what nobody waits for.
    pub(crate) async fn over(
        &self,
        hash: HashAlgorithm,
        imprint: &[u8],
    ) -> Result<Stamped, String> {
        let wanted = Wanted {
            hash,
            imprint,
            clock: &self.clock,
            check: &self.check,
        };
        let answer = self.authorities.token(&wanted).await;
        answer.map_err(|error| error.to_string())
    }
}

/// A clerk waits for this; at once is normal.
const PATIENCE: Patience = Patience {
    one: Duration::from_millis(1_500),
    last: Duration::from_millis(1_500),
    pause: Duration::from_secs(30),
    pause_max: Duration::from_secs(600),
};
/// All authorities together, when several fail for one document.
const DEADLINE: Duration = Duration::from_millis(3_000);
