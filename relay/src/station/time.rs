//! Time: whether the station may believe its clock (architecture 7). Compared with the tokens of the
//! time-stamp authority and with what peers say in Hello and Pong; judged again whenever one of them spoke
//! and every few seconds.
//!
//! Owns the samples. While the clock is in doubt nothing ends by time. Must not know what that stops; the
//! alarm about it is [`crate::alarm::watch`]'s.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use formats::id::StationName;
use formats::record::Windows;
use formats::time::Timestamp;
use pki::clock::{Guard, Reading, Reference, Rule, Sample, State};

use super::core::Core;
use crate::clock::Clock;

/// See the file.
#[derive(Debug)]
pub(crate) struct Time {
    clock: Clock,
    guard: Mutex<Guard>,
    unsure: AtomicBool,
    /// Wall clock minus monotonic clock when last judged, milliseconds.
    line_ms: AtomicI64,
}

impl Time {
    pub(super) fn new(clock: Clock, windows: &Windows) -> Self {
        let guard = Guard::new(rule(windows), clock.reading());
        Self {
            guard: Mutex::new(guard),
            unsure: AtomicBool::new(false),
            line_ms: AtomicI64::new(clock.reading().line_ms()),
            clock,
        }
    }

    /// As last judged; a clock that was set since is in doubt until it is judged again, so that nothing ends
    /// by it in between.
    pub(crate) fn is_unsure(&self) -> bool {
        let line = self.line_ms.load(Ordering::Acquire);
        let set_by = self.clock.reading().line_ms().saturating_sub(line);
        self.unsure.load(Ordering::Acquire) || set_by.unsigned_abs() > FAR_MS
    }

    /// A peer said `told` at most `way` ago.
    pub(crate) fn peer_said(&self, peer: &StationName, told: Timestamp, way: Duration) {
        let received = self.clock.reading();
        let sent = Reading {
            wall: received.wall,
            monotonic: received.monotonic.saturating_sub(way),
        };
        let sample = Sample::between(sent, received, told, 0);
        self.lock()
            .add(peer.as_str(), Reference::Peer, sample, received);
    }

    /// A trusted authority's token bounds the time.
    pub(crate) fn token_said(&self, authority: &str, sample: Sample) {
        let now = self.clock.reading();
        self.lock().add(authority, Reference::Trusted, sample, now);
    }

    /// Judges again, by the windows of the moment.
    fn judge(&self, windows: &Windows) -> State {
        let mut guard = self.lock();
        guard.set_rule(rule(windows));
        let now = self.clock.reading();
        let state = guard.judge(now);
        // In this order: a set clock is never believed for a moment.
        self.unsure.store(state.is_unsure(), Ordering::Release);
        self.line_ms.store(now.line_ms(), Ordering::Release);
        state
    }

    fn lock(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// Whether our clock may be wrong.
    pub(crate) fn clock_unsure(&self) -> bool {
        let _turn = self.mark_clock();
        let unsure = self.time.is_unsure();
        self.store.set_clock_unsure(unsure);
        unsure
    }

    /// Judges our clock again; statements are marked while it is in doubt.
    pub(crate) fn judge_clock(&self) -> State {
        let snapshot = self.directory.snapshot();
        let _turn = self.mark_clock();
        let state = self.time.judge(&snapshot.trust_list().windows);
        self.store.set_clock_unsure(state.is_unsure());
        state
    }

    /// Judging and marking are one step: an older verdict must not overwrite a newer one.
    fn mark_clock(&self) -> MutexGuard<'_, ()> {
        self.marking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of whoever looks for alarms.
    pub(crate) fn looking(&self) -> MutexGuard<'_, ()> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the authority is called that records are got from.
    pub(crate) fn authority_name(&self) -> Option<String> {
        self.authority_name
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Records are got from this authority; `answered`: when it last did, `None` if that is not known.
    pub(crate) fn note_authority(&self, name: &str, answered: Option<Timestamp>) {
        *self
            .authority_name
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
        let now = self.clock.reading();
        match answered {
            Some(at) => self.heard_authority.hear(now, at),
            None => self.heard_authority.expect(now),
        }
    }
}

fn rule(windows: &Windows) -> Rule {
    let window = Duration::from_secs(windows.revocation_s);
    Rule {
        warn_ms: WARN_MS,
        far_ms: FAR_MS,
        keep: window,
        unknown_after: Some(window),
    }
}

/// Clocks further apart than this are reported (architecture 7).
const WARN_MS: u64 = 5_000;
/// Clocks further apart than this cannot both be right (architecture 7).
const FAR_MS: u64 = 60_000;
