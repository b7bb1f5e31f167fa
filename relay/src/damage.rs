//! Damage: what was found rotten in the store and is not made good yet, and the walk that looks for it: a slow
//! pass over bodies and rows while the station runs, at a rate that can be set (`scrub_mib_per_hour`).
//!
//! What read paths find comes here too. The alarm names what is lost until a good copy came; read paths and
//! [`crate::store::Store::scrub`] do the finding. Must not know digests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use formats::header::Header;
use formats::id::StationName;
use serde_json::{Value, json};

use crate::alarm::{Code, Found, Level};
use crate::station::Core;
use crate::store::body::BodyError;
use crate::store::scrub::{self, Cursor, DamagedBody};
use crate::store::{Change, EnvelopeKey, ReadError, SetAside};

/// See the file.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    state: Mutex<State>,
    bodies_found: AtomicU64,
    rows_mended: AtomicU64,
    bytes_read: AtomicU64,
    passes: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Set aside and waited for, as the store has it.
    bodies: Vec<DamagedBody>,
    /// Rows that nothing puts right, by their place.
    rows: BTreeMap<String, String>,
}

impl Damage {
    /// A body was found damaged, and is about to be set aside.
    pub(crate) fn body(&self, header: &Header, own: bool, aside: &SetAside) {
        self.bodies_found.fetch_add(1, Ordering::Relaxed);
        let context = header.context();
        tracing::error!(
            code = "TRAM-357",
            envelope = %context.id,
            sender = %context.sender,
            own,
            problem = aside.problem,
            "a stored body is damaged; the copy is kept"
        );
    }

    /// A row was found that no digest puts right.
    pub(crate) fn row(&self, error: &ReadError) {
        let ReadError::Damaged {
            table,
            row,
            problem,
        } = error
        else {
            return;
        };
        self.lost(format!("{table} row {row}"), problem.clone());
    }

    fn lost(&self, place: String, problem: String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.rows.len() < ROWS_MAX {
            state.rows.insert(place, problem);
        }
    }

    /// What must be mended by hand, or waits for a good copy.
    pub(crate) fn found(&self, me: &StationName) -> Vec<Found> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut details: Vec<String> = state
            .bodies
            .iter()
            .take(SHOWN)
            .map(|one| {
                let since = one.found.rfc3339();
                format!(
                    "envelope {}: {} (copy kept in {}, since {since})",
                    one.envelope, one.problem, one.kept
                )
            })
            .collect();
        let rows = state.rows.iter().take(SHOWN);
        details.extend(rows.map(|(place, problem)| format!("{place}: {problem}")));
        if details.is_empty() {
            return Vec::new();
        }
        let all = state.bodies.len() + state.rows.len();
        let level = if state.rows.is_empty() {
            Level::Warning
        } else {
            Level::Stopped
        };
        vec![Found {
            code: Code::Damage,
            subject: me.to_string(),
            level,
            until: None,
            detail: Some(format!("{all} found: {}", details.join("; "))),
        }]
    }

    /// For operators' tools.
    pub(crate) fn json(&self) -> Value {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bodies: Vec<Value> = state
            .bodies
            .iter()
            .map(|one| {
                json!({
                    "envelope": one.envelope,
                    "found": one.found.rfc3339(),
                    "problem": one.problem,
                    "kept": one.kept,
                })
            })
            .collect();
        let [found, mended, read, passes] = self.counts();
        json!({
            "bodies_waited_for": bodies,
            "rows_lost": state.rows,
            "bodies_found": found,
            "rows_mended": mended,
            "bytes_read": read,
            "passes": passes,
        })
    }

    /// Bodies found damaged, rows put right, bytes read, whole passes.
    pub(crate) fn counts(&self) -> [u64; 4] {
        [
            &self.bodies_found,
            &self.rows_mended,
            &self.bytes_read,
            &self.passes,
        ]
        .map(|one| one.load(Ordering::Relaxed))
    }
}

/// Walks until the station stops.
pub(crate) async fn run(core: Arc<Core>) {
    let mut cursor = Cursor::default();
    let mut every = tokio::time::interval(core.config.timing.scrub);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = core.stop.cancelled() => return,
        }
        match core.store.damaged_bodies().await {
            Ok(bodies) => {
                let mut state = core
                    .damage
                    .state
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                state.bodies = bodies;
            }
            Err(error) => tracing::warn!(code = "TRAM-331", %error, "damage cannot be read"),
        }
        match core.store.scrub(cursor, step_bytes(&core)).await {
            Ok((next, step)) => {
                cursor = next;
                let damage = &core.damage;
                damage.bytes_read.fetch_add(step.bytes, Ordering::Relaxed);
                damage.rows_mended.fetch_add(step.mended, Ordering::Relaxed);
                damage
                    .passes
                    .fetch_add(u64::from(step.ended), Ordering::Relaxed);
                for place in step.lost {
                    damage.lost(place, "no digest proves what it was".to_owned());
                }
                for (envelope, problem) in step.damaged {
                    set_aside(&core, envelope, problem).await;
                }
            }
            Err(error) => tracing::warn!(code = "TRAM-331", %error, "scrub goes on later"),
        }
    }
}

/// Sets a body aside, whoever found it.
pub(crate) async fn set_aside(core: &Arc<Core>, envelope: EnvelopeKey, problem: String) {
    if look(core, envelope).await != Stored::Damaged {
        return;
    }
    let aside = SetAside {
        envelope,
        at: core.clock.now(),
        problem,
    };
    if let Ok(Some(stored)) = core.store.envelope(envelope).await {
        core.damage
            .body(&stored.header, stored.from.is_none(), &aside);
    }
    if let Err(error) = core.commit(Change::of(vec![aside.into()])).await {
        tracing::warn!(code = "TRAM-341", %error, "a damaged body is set aside later");
    }
}

/// What is stored of an envelope now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It cannot be what it was.
    Damaged,
    /// Its body is set aside or released, or nothing can be read now.
    Gone,
    /// Body and signature hold.
    Good,
}

/// Looks again: whoever found damage may have read an older copy, which was replaced meanwhile.
pub(crate) async fn look(core: &Core, envelope: EnvelopeKey) -> Stored {
    let Ok(Some(stored)) = core.store.envelope(envelope).await else {
        return Stored::Gone;
    };
    let passing = |error: &BodyError| {
        if scrub::is_passing(error) {
            Stored::Gone
        } else {
            Stored::Damaged
        }
    };
    let body = match core.store.open_body(&stored).await {
        Ok(Some(body)) => body,
        Ok(None) => return Stored::Gone,
        Err(error) => return passing(&error),
    };
    for piece in 0..body.layout().piece_count() {
        if let Err(error) = body.piece(piece).await {
            return passing(&error);
        }
    }
    let context = stored.header.context();
    let role = pki::permit::Object::of_class(context.class).signer();
    let snapshot = core.directory.snapshot();
    let Ok(signer) = snapshot.signer(&context.signer, role, context.created) else {
        return Stored::Good;
    };
    let header = Header::clone(&stored.header);
    match pki::sign::verify_header(header, &stored.header_signature, &signer) {
        Ok(_) => Stored::Good,
        Err(_) => Stored::Damaged,
    }
}

/// What one step may read.
fn step_bytes(core: &Core) -> u64 {
    let per_hour = core.config.scrub_mib_per_hour.saturating_mul(1 << 20);
    let step = core.config.timing.scrub.max(Duration::from_millis(1));
    let steps = Duration::from_secs(3_600).as_millis() / step.as_millis().max(1);
    per_hour / u64::try_from(steps).unwrap_or(u64::MAX).max(1)
}

/// Named in one alarm.
const SHOWN: usize = 8;
/// Rows remembered.
const ROWS_MAX: usize = 256;
