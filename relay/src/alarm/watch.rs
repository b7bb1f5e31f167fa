//! Watch: looks at every source of trust once a second and whenever records or links change, and keeps the
//! board of alarms. Says each alarm once, with the remedy.
//!
//! Costs a few comparisons: windows were computed when the records were read. Must not know what stops.

use std::sync::{Arc, PoisonError};

use formats::id::StationName;
use formats::time::Timestamp;
use pki::chain::ChainError;
use pki::clock::State;
use pki::role::Role;

use super::{Alarm, Code, Contact, Found, Level, News, Window};
use crate::authority::standing::Standing;
use crate::directory::{Snapshot, UnknownSigner};
use crate::station::Core;

/// Looks until the station stops.
pub(crate) async fn run(core: Arc<Core>) {
    let mut links = core.links.changes();
    let mut directory = core.directory.changes();
    let mut every = tokio::time::interval(core.config.timing.sweep);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            changed = links.changed() => if changed.is_err() { return },
            changed = directory.changed() => if changed.is_err() { return },
            () = core.stop.cancelled() => return,
        }
        look(&core);
    }
}

/// One look. Several tasks look; judging and posting are one step, or the verdict of a slow one would
/// take away the alarm that a newer one raised.
pub(crate) fn look(core: &Core) {
    let _turn = core.looking();
    let clock = core.judge_clock();
    let now = core.clock.now();
    for news in core.alarms.update(find(core, clock, now), now) {
        match news {
            News::Raised(alarm) => raised(&alarm),
            News::Cleared(alarm) => tracing::info!(
                code = alarm.found.code.number(),
                subject = alarm.found.subject,
                since = alarm.since.rfc3339(),
                "alarm is over"
            ),
        }
    }
}

fn raised(alarm: &Alarm) {
    let found = &alarm.found;
    let (code, subject) = (found.code.number(), found.subject.as_str());
    let until = found.until.map(Timestamp::rfc3339);
    let (what, remedy) = (alarm.en(), alarm.remedy_en());
    let detail = found.detail.as_deref();
    match found.level {
        Level::Warning => tracing::warn!(code, subject, until, detail, remedy, "{what}"),
        Level::Stopped if until.is_none() => {
            tracing::error!(code, subject, detail, remedy, "{what}");
        }
        Level::Stopped => {
            tracing::error!(
                code,
                subject,
                until,
                detail,
                remedy,
                "{what} Its window is over."
            );
        }
    }
}

/// What the records alone show to be wrong; the rest is known while the station runs.
pub(crate) fn of_records(
    snapshot: &Snapshot,
    me: &StationName,
    now: Timestamp,
) -> Vec<serde_json::Value> {
    let mut found = snapshot.freshness().found(now);
    found.extend(snapshot.lapses().found(me, now));
    let alarms = found.into_iter().map(|one| one.now(now).json());
    alarms.collect()
}

/// Everything that is wrong now.
fn find(core: &Core, clock: State, now: Timestamp) -> Vec<Found> {
    let snapshot = core.directory.snapshot();
    let mut found = snapshot.freshness().found(now);
    found.extend(snapshot.lapses().found(&core.name, now));
    let window_ms = snapshot
        .trust_list()
        .windows
        .revocation_s
        .saturating_mul(1_000);
    let window_ms = i64::try_from(window_ms).unwrap_or(i64::MAX);
    for (code, contact, subject) in [
        (
            Code::Authority,
            &core.heard_authority,
            core.authority_name(),
        ),
        (
            Code::TimeStamps,
            &core.time_stamps,
            Some(core.stampers.name()),
        ),
    ] {
        let subject = subject.unwrap_or_else(|| code.name().to_owned());
        found.extend(
            missed(core, contact, window_ms).map(|(level, until)| Found {
                code,
                subject,
                level,
                until: Some(until),
                detail: None,
            }),
        );
    }
    found.extend(witnesses(core, window_ms));
    let stopped = core.store.stating_stopped();
    found.extend(core.heads.found(&core.name, stopped, now, window_ms));
    found.extend(core.damage.found(&core.name));
    let own = core.certificates.all();
    found.extend(own.iter().filter_map(|one| certificate(core, one, now)));
    found.extend(self::clock(core, clock));
    found.extend(passed_over(core));
    let reported = core.reported.lock();
    let reported = reported.unwrap_or_else(PoisonError::into_inner);
    found.extend(reported.values().flatten().cloned());
    found
}

/// Time-stamp authorities that fail while another one works: nothing waits, and somebody should know.
fn passed_over(core: &Core) -> Vec<Found> {
    let states = core.stampers.states();
    if !states.iter().any(|one| one.failing == 0 && one.tokens > 0) {
        return Vec::new();
    }
    let failing = states.into_iter().filter(|one| one.failing >= FAILURES);
    failing
        .map(|one| Found {
            code: Code::TimeStamps,
            subject: one.url,
            level: Level::Warning,
            until: None,
            detail: one.last_error,
        })
        .collect()
}

/// Somebody who should have been heard of.
fn missed(core: &Core, contact: &Contact, window_ms: i64) -> Option<(Level, Timestamp)> {
    let now = core.clock.reading();
    let from = now.wall.minus_ms(contact.silent_ms(now)?);
    let until = from.plus_ms(window_ms);
    let level = Window { from, until }.level(now.wall)?;
    Some((level, until))
}

/// Witnesses that were not heard of, or hold what they should not.
fn witnesses(core: &Core, window_ms: i64) -> Option<Found> {
    let trouble = core.witnessing.trouble();
    let missed = missed(core, &core.witnessing.contact, window_ms);
    let (level, until) = match (missed, &trouble) {
        (Some((level, until)), _) => (level, Some(until)),
        (None, Some(_)) => (Level::Warning, None),
        (None, None) => return None,
    };
    Some(Found {
        code: Code::Witnesses,
        subject: core.store.log_identity().origin.to_string(),
        level,
        until,
        detail: trouble,
    })
}

/// A certificate of our own, the station's or an agency's: at the end of its life, or revoked.
fn certificate(core: &Core, own: &Standing, now: Timestamp) -> Option<Found> {
    let window = Window::of_certificate(own.not_before, own.not_after);
    let found = |level, until, detail| Found {
        code: Code::Certificate,
        subject: format!("{} ({})", own.party, own.role),
        level,
        until,
        detail,
    };
    if let Some(level) = window.level(now) {
        return Some(found(level, Some(window.until), None));
    }
    // From the snapshot's cache where it can be. Certificates for links are in no record.
    let snapshot = core.directory.snapshot();
    let tls = core.tls.identity();
    let verdict = match (
        snapshot.signer(&own.sha256, own.role, now),
        tls.chain.first(),
    ) {
        (Err(UnknownSigner::Absent), Some(tls)) if own.role == Role::StationTls => {
            let verdict = snapshot.validator().verify(tls, own.role, now);
            verdict.map_err(UnknownSigner::Refused)
        }
        (verdict, _) => verdict,
    };
    match verdict {
        Err(UnknownSigner::Refused(error @ ChainError::Revoked { .. })) => {
            Some(found(Level::Stopped, None, Some(error.to_string())))
        }
        Ok(_) | Err(UnknownSigner::Absent | UnknownSigner::Refused(_)) => None,
    }
}

fn clock(core: &Core, state: State) -> Option<Found> {
    let (level, detail) = match state {
        State::Sure { .. } => return None,
        State::Differs { off_ms, references } => (
            Level::Warning,
            format!("{off_ms} ms off by {references} references"),
        ),
        State::Unsure(doubt) => (Level::Stopped, doubt.to_string()),
    };
    Some(Found {
        code: Code::Clock,
        subject: core.name.to_string(),
        level,
        until: None,
        detail: Some(detail),
    })
}

/// Failures in a row after which an authority is told of; one alone is nothing.
const FAILURES: u32 = 2;
