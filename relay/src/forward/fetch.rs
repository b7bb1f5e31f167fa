//! Fetch: due legs from the store, as batches; and legs whose way is blocked, sent another way.
//!
//! Bodies that lie in the database are verified here, once, before they are offered. Must not know
//! links beyond "up or not".

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use formats::body::{Layout, body_digest_of};
use formats::id::StationName;
use formats::reason::Reason;

use super::queue::{Batch, BatchLeg};
use super::settle;
use crate::station::Core;
use crate::store::{
    BodyPlace, Change, DueLeg, EnvelopeKey, LegId, LegState, ReadError, StoredEnvelope, Write,
};

/// What was found for one hop.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) batches: Vec<Batch>,
    /// There is more of it.
    pub(crate) more: bool,
}

/// Due legs of a hop that are not active yet, highest priority first. `wake`: also those whose time
/// to try again has not come, because the link has just come up.
pub(crate) async fn fetch(
    core: &Arc<Core>,
    hop: &StationName,
    active: &HashSet<LegId>,
    wake: bool,
) -> Result<Fetched, ReadError> {
    let until = if wake {
        core.clock.now().plus_ms(WHENEVER_MS)
    } else {
        core.clock.now()
    };
    let due = core.store.due(hop, until, FETCH + active.len()).await?;
    let limit_reached = due.len() >= FETCH + active.len();
    let mut groups: BTreeMap<(EnvelopeKey, u32), Vec<DueLeg>> = BTreeMap::new();
    for leg in due.into_iter().filter(|leg| !active.contains(&leg.leg)) {
        groups
            .entry((leg.envelope, leg.attempt))
            .or_default()
            .push(leg);
    }
    let mut fetched = Fetched {
        batches: Vec::with_capacity(groups.len()),
        more: limit_reached,
    };
    for ((key, attempt), legs) in groups {
        let envelope = match core.store.envelope(key).await {
            Ok(Some(envelope)) => envelope,
            Ok(None) => continue,
            // One damaged row must not stop what stands behind it.
            Err(error @ ReadError::Damaged { .. }) => {
                core.damage.row(&error);
                continue;
            }
            Err(error) => return Err(error),
        };
        if let Some(batch) = assemble(core, hop, envelope, attempt, legs).await {
            fetched.batches.push(batch);
        }
    }
    Ok(fetched)
}

async fn assemble(
    core: &Arc<Core>,
    hop: &StationName,
    envelope: StoredEnvelope,
    attempt: u32,
    legs: Vec<DueLeg>,
) -> Option<Batch> {
    let Some(body) = envelope.body.clone() else {
        // Set aside as damaged: they wait for a good copy, until they expire; the alarm says so.
        tracing::debug!(envelope = %envelope.key, "legs without a body");
        return None;
    };
    let legs = send_elsewhere(core, hop, &envelope, legs).await;
    if legs.is_empty() {
        return None;
    }
    let batch = Batch {
        hop: hop.clone(),
        envelope: envelope.key,
        header: envelope.header,
        header_signature: envelope.header_signature.into(),
        capsule_bytes: envelope.capsule_bytes,
        body,
        via: envelope.via,
        own: envelope.from.is_none(),
        attempt,
        legs: legs.into_iter().map(batch_leg).collect(),
    };
    if is_damaged(&batch) {
        settle::quarantine(core, batch, Reason::BodyMismatch).await;
        return None;
    }
    Some(batch)
}

fn batch_leg(leg: DueLeg) -> BatchLeg {
    let tries = match leg.state {
        LegState::WaitingRetry { attempt, .. } => attempt,
        LegState::Queued
        | LegState::Offered
        | LegState::Held
        | LegState::PassedOn
        | LegState::Refused(_)
        | LegState::Expired
        | LegState::Withdrawn
        | LegState::Quarantined(_) => 0,
    };
    BatchLeg {
        leg: leg.leg,
        recipient: leg.recipient,
        tries,
    }
}

/// Files are verified piece by piece as they are read for sending; a row is verified here.
fn is_damaged(batch: &Batch) -> bool {
    let BodyPlace::Inline(bytes) = &batch.body else {
        return false;
    };
    let context = batch.header.context();
    let layout = Layout::new(
        context.class,
        batch.capsule_bytes,
        batch.header.body_bytes(),
    );
    let digest = layout.ok().and_then(|layout| body_digest_of(layout, bytes));
    digest != Some(batch.header.body_digest())
}

/// Keeps the legs whose way still leads over `hop`; gives the others their new way.
async fn send_elsewhere(
    core: &Arc<Core>,
    hop: &StationName,
    envelope: &StoredEnvelope,
    legs: Vec<DueLeg>,
) -> Vec<DueLeg> {
    let now = core.clock.now();
    let mut stay = Vec::with_capacity(legs.len());
    let mut writes = Vec::new();
    for leg in legs {
        match core.next_hop(&leg.recipient, &envelope.via, now) {
            Ok(way) if way.as_ref() != Some(hop) => {
                tracing::info!(
                    envelope = %envelope.header.context().id,
                    leg = %leg.leg,
                    from = %hop,
                    to = way.as_ref().map(tracing::field::display),
                    "sent another way"
                );
                writes.push(Write::Route {
                    leg: leg.leg,
                    next_hop: way,
                });
            }
            // No road in the records any more: it stays where it is, and its hop's refusal will
            // tell.
            Ok(_) | Err(_) => stay.push(leg),
        }
    }
    if !writes.is_empty()
        && let Err(error) = core.commit(Change::of(writes)).await
    {
        tracing::warn!(code = "TRAM-341", %error, "legs keep their old way");
    }
    stay
}

/// Legs that wait for a link that is away: those with a working road over another link go there.
pub(crate) async fn reroute(core: &Arc<Core>, hop: &StationName) {
    if let Err(error) = reroute_some(core, hop).await {
        tracing::warn!(code = "TRAM-331", %hop, %error, "spool cannot be read");
    }
}

async fn reroute_some(core: &Arc<Core>, hop: &StationName) -> Result<(), ReadError> {
    let until = core.clock.now().plus_ms(WHENEVER_MS);
    loop {
        let due = core.store.due(hop, until, REROUTE).await?;
        let full = due.len() >= REROUTE;
        let mut groups: BTreeMap<EnvelopeKey, Vec<DueLeg>> = BTreeMap::new();
        for leg in due {
            groups.entry(leg.envelope).or_default().push(leg);
        }
        let mut moved = false;
        for (key, legs) in groups {
            if let Some(envelope) = core.store.envelope(key).await? {
                let before = legs.len();
                moved |= send_elsewhere(core, hop, &envelope, legs).await.len() < before;
            }
        }
        // What stays would be found again: go on only while a full step made progress.
        if !full || !moved {
            return Ok(());
        }
    }
}

/// Later than any time to try again.
pub(crate) const WHENEVER_MS: i64 = 365 * 24 * 60 * 60 * 1000;
/// Legs fetched at once for one hop.
const FETCH: usize = 256;
/// Legs looked at in one step for another way.
const REROUTE: usize = 512;
