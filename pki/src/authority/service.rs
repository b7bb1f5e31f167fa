//! The authority's service: what its routes share, and the work that it does by itself.
//!
//! Owns: the office, the validator of the moment, the news of published files, rates. Must not
//! know paths.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use formats::time::Timestamp;
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::sync::{Mutex, Notify, watch};

use super::office::{Office, OfficeError};
use super::published::{PublishError, Publisher};
use super::refusal::Refusal;
use super::tsa::Clock;
use crate::chain::Validator;

/// Shared by all routes. Cheap to clone.
#[derive(Clone)]
pub struct Service(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) office: Office,
    pub(super) clock: Clock,
    pub(super) news: watch::Receiver<u64>,
    /// Wakes whoever fetches the lists of other authorities.
    pub(super) foreign: Notify,
    publisher: Mutex<Publisher>,
    validator: RwLock<Validator>,
    /// Tokens and certificates: few are ever asked for from one place.
    issuing: Rate,
    /// Everything else.
    reading: Rate,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({:?})", self.0.office.dir)
    }
}

type Rate = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>;

/// What is asked for, as far as rates go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Issuing,
    Reading,
}

impl Service {
    /// A service over an open office.
    ///
    /// # Errors
    /// [`OfficeError`] when the authority's certificates cannot be read.
    pub fn new(office: Office, clock: Clock) -> Result<Self, OfficeError> {
        let publisher = Publisher::new(&office.records(), &office.inventory);
        Ok(Self(Arc::new(Shared {
            validator: RwLock::new(office.validator()?),
            news: publisher.news(),
            foreign: Notify::new(),
            publisher: Mutex::new(publisher),
            issuing: RateLimiter::hashmap(quota(ISSUING_A_MINUTE)),
            reading: RateLimiter::hashmap(quota(READING_A_MINUTE)),
            office,
            clock,
        })))
    }

    /// The office.
    #[must_use]
    pub fn office(&self) -> &Office {
        &self.0.office
    }

    /// What judges callers now.
    #[must_use]
    pub fn validator(&self) -> Validator {
        let held = self.0.validator.read();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Brings the list of published files, and the validator, in step with the folder.
    ///
    /// # Errors
    /// [`PublishError`]; the next pass tries again.
    pub async fn publish(&self, at: SystemTime) -> Result<(), PublishError> {
        let before = *self.0.news.borrow();
        self.0.publisher.lock().await.pass(at).await?;
        if *self.0.news.borrow() != before {
            match self.0.office.validator() {
                Ok(fresh) => {
                    let held = self.0.validator.write();
                    *held.unwrap_or_else(PoisonError::into_inner) = fresh;
                }
                Err(error) => {
                    tracing::error!(code = "TRAM-706", %error, "judging by the lists of before");
                }
            }
        }
        Ok(())
    }

    /// Forgets callers that were quiet; called now and then.
    pub fn tidy(&self) {
        self.0.issuing.retain_recent();
        self.0.reading.retain_recent();
    }

    pub(super) fn now(&self) -> Result<Timestamp, Refusal> {
        (self.0.clock)().ok_or_else(|| Refusal::later("authority_unavailable", 60))
    }

    /// Counts a request; too many are sent away with the time to wait.
    pub(super) fn admit(&self, kind: Kind, address: IpAddr) -> Result<(), Refusal> {
        let rate = match kind {
            Kind::Issuing => &self.0.issuing,
            Kind::Reading => &self.0.reading,
        };
        rate.check_key(&network_of(address)).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Refusal::later("rate_limited", wait.as_secs().saturating_add(1))
        })
    }
}

/// One caller of IPv6 owns a whole /64.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let kept = u128::from(six) & !u128::from(u64::MAX);
            IpAddr::V6(kept.into())
        }
        four => four,
    }
}

fn quota(a_minute: NonZeroU32) -> Quota {
    Quota::per_minute(a_minute)
}

/// A data centre with a hundred nodes behind one address enrols them in a minute.
const ISSUING_A_MINUTE: NonZeroU32 = NonZeroU32::new(240).expect("not zero");
/// The first pull of a station reads every published file.
const READING_A_MINUTE: NonZeroU32 = NonZeroU32::new(60_000).expect("not zero");
