//! Pulling: the running station's authority, and the task that keeps the records folder as the
//! authority publishes it.
//!
//! Owns the state that operators see (last answer, its age, next try). The traffic never waits for it:
//! an authority that is away for a day is a number that grows. Must not know: what is in the files.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use formats::time::Timestamp;
use pki::enrol::WAIT_S_MAX;
use pki::tls::AuthorityTrust;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::core::{Core, current_validator};
use crate::authority::client::{Client, ClientError};
use crate::authority::pull::{Guard, PullError, Puller, Round};
use crate::backoff;
use crate::clock::Clock;
use crate::config::StationConfig;
use crate::directory::{Directory, Refused};

/// The authority of a running station.
#[derive(Debug)]
pub struct Authority {
    client: Client,
    pull: Mutex<PullState>,
    /// Renew everything now.
    renew: Notify,
}

/// How pulling goes.
#[derive(Clone, Debug, Default)]
pub struct PullState {
    /// When the authority last answered.
    pub last_success: Option<Timestamp>,
    /// Why the last try did not work.
    pub error: Option<String>,
    /// When it is tried again, after a failure.
    pub next_try: Option<Timestamp>,
    /// What is here of the authority's sequence.
    pub sequence: u64,
    /// Files that were left out.
    pub refused: Vec<Refused>,
}

impl Authority {
    pub(super) fn of(config: &StationConfig, directory: &Directory, clock: &Clock) -> Option<Self> {
        let settings = config.authority.clone()?;
        let trust = AuthorityTrust::Known(current_validator(directory));
        Some(Self {
            client: Client::new(settings.endpoint, trust, clock.clone()),
            pull: Mutex::default(),
            renew: Notify::new(),
        })
    }

    /// For calls to it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How pulling goes.
    #[must_use]
    pub fn pull_state(&self) -> PullState {
        self.pull
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Renews the station's certificates now, as if their day had come: after a key was exposed.
    pub fn renew_now(&self) {
        self.renew.notify_one();
    }

    pub(super) async fn asked_to_renew(&self) {
        self.renew.notified().await;
    }

    pub(crate) fn json(&self, now: Timestamp) -> Value {
        let state = self.pull_state();
        json!({
            "url": self.client.endpoint().to_string(),
            "last_success": state.last_success.map(Timestamp::rfc3339),
            "age_s": state.last_success.map(|last| now.minus(last).div_euclid(1000)),
            "error": state.error,
            "next_try": state.next_try.map(Timestamp::rfc3339),
            "sequence": state.sequence,
            "refused": state.refused,
        })
    }

    fn note(&self, change: impl FnOnce(&mut PullState)) {
        change(&mut self.pull.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Pulls until the station stops.
pub(super) async fn run(core: Arc<Core>) {
    let Some(authority) = &core.authority else {
        return;
    };
    let mut puller = match Puller::open(&core.config.records, &core.config.data, &authority.client)
    {
        Ok(puller) => puller,
        Err(error) => {
            tracing::error!(code = "TRAM-363", %error, "records are not pulled");
            authority.note(|state| state.error = Some(error.to_string()));
            return;
        }
    };
    authority.note(|state| {
        state.last_success = puller.last_success();
        state.sequence = puller.sequence();
    });
    let name = authority.client.endpoint().to_string();
    core.note_authority(&name, puller.last_success());
    let mut failures = 0_u32;
    loop {
        let began = std::time::Instant::now();
        let guard = guard(&core);
        let outcome = tokio::select! {
            outcome = puller.round(&authority.client, &guard, WAIT_S_MAX) => outcome,
            () = core.stop.cancelled() => return,
        };
        let pause = match outcome {
            Ok(round) => {
                failures = 0;
                well(&core, authority, &puller, &round);
                // A server that does not wait must not be asked in a circle.
                let idle = round.changed == 0 && began.elapsed() < SHORT;
                if idle { SHORT * 2 } else { Duration::ZERO }
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                failed(&core, authority, &error, failures)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = core.stop.cancelled() => return,
        }
    }
}

fn guard(core: &Arc<Core>) -> Guard {
    let bodies = core.store.bodies().clone();
    Guard {
        validator: Some(core.directory.validator()),
        room: Arc::new(move |bytes| bodies.has_room(bytes)),
    }
}

fn well(core: &Core, authority: &Authority, puller: &Puller, round: &Round) {
    core.facts.over("pull ");
    let name = authority.client.endpoint().to_string();
    core.note_authority(&name, puller.last_success());
    authority.note(|state| {
        state.last_success = puller.last_success();
        state.sequence = puller.sequence();
        state.error = None;
        state.next_try = None;
        state.refused.extend(round.refused.iter().cloned());
        let many = state.refused.len().saturating_sub(REFUSED_MAX);
        state.refused.drain(..many);
    });
    for one in &round.refused {
        if core
            .facts
            .first(&format!("published {}: {}", one.file, one.reason))
        {
            let (file, reason) = (&one.file, &one.reason);
            tracing::warn!(code = "TRAM-364", file, reason, "published file left out");
        }
    }
    if round.changed > 0 {
        let sequence = puller.sequence();
        tracing::info!(files = round.changed, sequence, "records pulled");
        core.records_changed.notify_one();
    }
}

fn failed(core: &Core, authority: &Authority, error: &PullError, failures: u32) -> Duration {
    let asked = match error {
        PullError::Client(ClientError::Busy(seconds)) => Some(seconds.saturating_mul(1000)),
        _ => None,
    };
    let wait = backoff::AUTHORITY.delay_asked_ms(failures, asked, rand::random());
    let pause = Duration::from_millis(wait);
    let words = error.to_string();
    if core.facts.first(&format!("pull {words}")) {
        tracing::warn!(
            code = "TRAM-363",
            error = words,
            "authority not heard; going on with what is here"
        );
    }
    authority.note(|state| {
        state.error = Some(words);
        let wait = i64::try_from(wait).unwrap_or(i64::MAX);
        state.next_try = Some(core.clock.now().plus_ms(wait));
    });
    pause
}

/// An answer that comes sooner than this did not wait for news.
const SHORT: Duration = Duration::from_secs(1);
/// Files left out that are shown.
const REFUSED_MAX: usize = 20;
