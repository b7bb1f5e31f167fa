//! What is known of logs as others see it: neighbours over links, operators in views and alarms.

use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::checkpoint::SignedCheckpoint;
use formats::id::StationName;
use formats::time::Timestamp;
use serde_json::{Value, json};

use super::Heads;
use crate::alarm::{Code, Found, Level, Window};
use crate::store::{ConflictKind, LogConflict, SeenHead};

impl Heads {
    /// Changes when a held head does.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// The held heads of a station's logs.
    pub(crate) fn of_station(&self, station: &StationName) -> Vec<SeenHead> {
        let state = self.lock();
        let held = state.logs.values().map(|log| &log.held);
        held.filter(|head| head.origin.station() == station)
            .cloned()
            .collect()
    }

    /// The two heads of the conflict with this number.
    pub(crate) fn conflict(&self, number: usize) -> Option<[SignedCheckpoint; 2]> {
        let state = self.lock();
        let one = state.conflicts.get(number)?;
        Some([one.held.signed.clone(), one.shown.signed.clone()])
    }

    /// Hands over all held heads until it is told to stop; whether it was not.
    pub(crate) fn all_while(&self, mut next: impl FnMut(&SeenHead) -> bool) -> bool {
        self.lock().logs.values().all(|log| next(&log.held))
    }

    /// What is wrong with logs now. A log that went on in a later epoch is no alarm any more: its evidence
    /// stays. `window_ms` is how long a proof may be missing.
    pub(crate) fn found(
        &self,
        me: &StationName,
        stopped: bool,
        now: Timestamp,
        window_ms: i64,
    ) -> Vec<Found> {
        let state = self.lock();
        let later = |one: &LogConflict| {
            let origin = &one.held.origin;
            let mut logs = state.logs.keys();
            logs.any(|log| log.station() == origin.station() && log.epoch() > origin.epoch())
        };
        let mut found = Vec::new();
        for one in &state.conflicts {
            let own = one.held.origin.station() == me;
            if (own && !stopped) || (!own && later(one)) {
                continue;
            }
            let code = match one.kind {
                _ if own => Code::OwnLog,
                ConflictKind::Fork => Code::LogFork,
                ConflictKind::Rewind => Code::LogRewind,
            };
            let detail = format!("{}; {}", head(&one.held), head(&one.shown));
            found.push(Found {
                code,
                subject: one.held.origin.to_string(),
                level: Level::Stopped,
                until: None,
                detail: Some(detail),
            });
        }
        for log in state.logs.values() {
            let Some(since) = log.unproven_since else {
                continue;
            };
            let until = since.plus_ms(window_ms);
            let window = Window { from: since, until };
            let Some(level) = window.level(now) else {
                continue;
            };
            let waits = log.waiting.first().map(head).unwrap_or_default();
            found.push(Found {
                code: Code::LogUnproven,
                subject: log.held.origin.to_string(),
                level,
                until: Some(until),
                detail: Some(format!("{}; {waits}", head(&log.held))),
            });
        }
        found
    }

    /// All logs that are followed, for operators.
    pub(crate) fn json(&self) -> Value {
        let state = self.lock();
        let logs = state.logs.values().map(|log| {
            json!({
                "log": log.held.origin.to_string(),
                "size": log.held.size,
                "root": log.held.root.to_string(),
                "shown_by": log.held.source,
                "seen": log.held.seen.rfc3339(),
                "unproven": log.waiting.len(),
                "unproven_since": log.unproven_since.map(Timestamp::rfc3339),
            })
        });
        Value::Array(logs.collect())
    }

    /// How many logs are followed, and how many conflicts are known.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.logs.len(), state.conflicts.len())
    }
}

/// A head in one line: size, root, whose signature it bears, who showed it.
pub(super) fn head(head: &SeenHead) -> String {
    format!(
        "size {} root {} signed by {}, shown by {}",
        head.size,
        head.root,
        head.origin.station(),
        head.source
    )
}

/// A conflict with both signed notes, as evidence for others: note, CMS over its body.
pub(crate) fn conflict_json(one: &LogConflict) -> Value {
    let side = |head: &SeenHead| {
        json!({
            "log": head.origin.to_string(),
            "size": head.size,
            "root": head.root.to_string(),
            "signer": head.origin.station(),
            "shown_by": head.source,
            "note": head.signed.note,
            "cms": STANDARD.encode(&head.signed.cms),
        })
    };
    json!({
        "log": one.held.origin.to_string(),
        "kind": one.kind.word(),
        "found": one.found.rfc3339(),
        "held": side(&one.held),
        "shown": side(&one.shown),
    })
}
