//! Settle: what a verdict means for the legs of a batch, written in one commit a group. Evidence is
//! verified before it counts; what the sender must learn becomes a statement and an owed receipt at
//! a relay, a word to the desk at the sender's own station.
//!
//! Receipts and control messages state nothing and owe nothing. Fails by leaving the legs as they
//! are: they are due again. Must not know frames or streams.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use formats::header::Header;
use formats::id::{Party, StationName};
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::statement::Event;

use super::queue::{Batch, BatchLeg};
use crate::backoff;
use crate::damage;
use crate::desk::{LegChange, What};
use crate::link::offer::Verdict;
use crate::refusal::is_final;
use crate::station::Core;
use crate::store::scrub;
use crate::store::{
    Change, DeskWrite, EnvelopeKey, LegId, LegState, Move, SetAside, StatementDraft,
};

/// Legs of one envelope to which the same happens.
struct Group {
    header: Arc<Header>,
    envelope: EnvelopeKey,
    own: bool,
    legs: Vec<BatchLeg>,
}

/// Writes what the verdict means.
pub(crate) async fn settle(core: &Arc<Core>, batch: Batch, verdict: Verdict) {
    let hop = batch.hop.clone();
    let group = Group {
        header: batch.header,
        envelope: batch.envelope,
        own: batch.own,
        legs: batch.legs,
    };
    match verdict {
        Verdict::Custody { bundle, refused } => {
            custody(core, group, &hop, bundle, &refused).await;
        }
        Verdict::Refused {
            reason,
            retry_after_ms,
            detail,
        } => {
            tracing::info!(
                envelope = %group.header.context().id,
                peer = %hop,
                code = reason.code(),
                retry_after_ms,
                detail,
                "offer refused by peer"
            );
            // The signature held when it came: if it does not now, a bit of our own row has turned, and the
            // refusal is about us, not about the sender. What our own desk handed in has no better copy.
            let ours = !group.own
                && reason == Reason::SignatureInvalid
                && damage::look(core, group.envelope).await == damage::Stored::Damaged;
            if is_final(reason, retry_after_ms) && ours {
                let error = "the stored signature of the header does not hold";
                set_aside(core, &group, Reason::BodyMismatch, &error).await;
            } else if is_final(reason, retry_after_ms) {
                refused_for_good(core, group, &hop, reason).await;
            } else {
                retry(core, group, reason, retry_after_ms).await;
            }
        }
        Verdict::Lost(why) => {
            tracing::debug!(envelope = %group.header.context().id, peer = %hop, why, "offer lost");
            retry(core, group, Reason::LinkLost, None).await;
        }
        Verdict::Damaged(error) if scrub::is_passing(&error) => {
            tracing::warn!(
                code = "TRAM-344",
                envelope = %group.header.context().id,
                %error,
                "stored body cannot be opened now"
            );
            retry(core, group, Reason::Busy, None).await;
        }
        Verdict::Damaged(error) => set_aside(core, &group, Reason::BodyMismatch, &error).await,
    }
}

/// Sets legs aside whose stored body is not what was stored.
pub(crate) async fn quarantine(core: &Arc<Core>, batch: Batch, reason: Reason) {
    let group = Group {
        header: batch.header,
        envelope: batch.envelope,
        own: batch.own,
        legs: batch.legs,
    };
    set_aside(core, &group, reason, &"row does not have its digest").await;
}

/// The damaged copy is kept, the legs wait, the sender hears of it: it still has a good copy and offers
/// the envelope again.
async fn set_aside(
    core: &Arc<Core>,
    group: &Group,
    reason: Reason,
    error: &(dyn std::fmt::Display + Sync),
) {
    tracing::error!(
        code = "TRAM-342",
        envelope = %group.header.context().id,
        %error,
        "stored body is damaged; set aside, a good copy is asked for"
    );
    match damage::look(core, group.envelope).await {
        damage::Stored::Damaged => {}
        // Somebody else has set it aside.
        damage::Stored::Gone => return,
        // A good copy came while this one was read.
        damage::Stored::Good => {
            return retry(core, group.with(group.legs.clone()), Reason::Busy, Some(0)).await;
        }
    }
    let what = What::Retry {
        reason,
        next_at: group.header.context().expires,
        attempt: 1,
    };
    let aside = SetAside {
        envelope: group.envelope,
        at: core.clock.now(),
        problem: error.to_string(),
    };
    core.damage.body(&group.header, group.own, &aside);
    let mut change = Change::of(vec![aside.into()]);
    change.desk = told(core, group, what);
    write(core, group, change).await;
}

async fn custody(
    core: &Arc<Core>,
    mut group: Group,
    hop: &StationName,
    bundle: Option<ReceiptBundle>,
    refused: &[(Party, Reason)],
) {
    let mut by_reason: BTreeMap<Reason, Vec<BatchLeg>> = BTreeMap::new();
    let mut taken = Vec::with_capacity(group.legs.len());
    for leg in std::mem::take(&mut group.legs) {
        match refused.iter().find(|(party, _)| *party == leg.recipient) {
            Some((_, reason)) => by_reason.entry(*reason).or_default().push(leg),
            None => taken.push(leg),
        }
    }
    for (reason, legs) in by_reason {
        let part = group.with(legs);
        if is_final(reason, None) {
            refused_for_good(core, part, hop, reason).await;
        } else {
            retry(core, part, reason, None).await;
        }
    }
    if taken.is_empty() {
        return;
    }
    let group = group.with(taken);
    if let Err(why) = verify_custody(core, hop, &group, bundle.as_ref()) {
        tracing::warn!(
            code = "TRAM-343",
            envelope = %group.header.context().id,
            peer = %hop,
            why,
            "custody not believed"
        );
        retry(core, group, Reason::SignatureInvalid, None).await;
        return;
    }
    let bundle = bundle.map(Arc::new);
    tracing::info!(
        envelope = %group.header.context().id,
        peer = %hop,
        legs = group.legs.len(),
        "passed on"
    );
    core.counters.passed_on();
    let what = What::PassedOn {
        to: hop.clone(),
        bundle: bundle.clone(),
    };
    commit(core, &group, &LegState::PassedOn, None, bundle, Some(what)).await;
}

/// Whether the peer's statements prove custody of each leg: signed by the station's log and
/// evidence keys, included in that log, about this header.
fn verify_custody(
    core: &Core,
    hop: &StationName,
    group: &Group,
    bundle: Option<&ReceiptBundle>,
) -> Result<(), String> {
    let context = group.header.context();
    if !context.class.is_sealed() {
        return Ok(());
    }
    let bundle = bundle.ok_or("no statements")?;
    let statements = crate::testimony::verified_statements(core, hop, bundle)?;
    let digest = group.header.digest();
    for leg in &group.legs {
        let proven = statements.iter().any(|statement| {
            statement.event == Event::RelayAcceptance
                && statement.header_digest == digest
                && statement.envelope == context.id
                && statement.recipient == leg.recipient
                && statement.station == *hop
        });
        if !proven {
            return Err(format!("no acceptance of the leg for {}", leg.recipient));
        }
    }
    Ok(())
}

async fn refused_for_good(core: &Arc<Core>, group: Group, by: &StationName, reason: Reason) {
    let statement = group.statement(Event::RelayRejection, reason, Some(by));
    let what = What::Refused {
        reason,
        by: by.clone(),
    };
    commit(
        core,
        &group,
        &LegState::Refused(reason),
        statement,
        None,
        Some(what),
    )
    .await;
}

async fn retry(core: &Arc<Core>, group: Group, reason: Reason, asked_ms: Option<u64>) {
    let tries = group
        .legs
        .iter()
        .map(|leg| leg.tries)
        .max()
        .unwrap_or(0)
        .saturating_add(1);
    let wait = backoff::OFFER.delay_asked_ms(tries, asked_ms, rand::random());
    let next_at = core
        .clock
        .now()
        .plus_ms(i64::try_from(wait).unwrap_or(i64::MAX));
    let to = LegState::WaitingRetry {
        reason,
        next_at,
        attempt: tries,
    };
    let what = What::Retry {
        reason,
        next_at,
        attempt: tries,
    };
    commit(core, &group, &to, None, None, Some(what)).await;
}

/// Ends legs whose time is over, those for our own desk too: it never delivers after `expires`.
/// Answers whether there may be more.
pub(crate) async fn expire(core: &Arc<Core>) -> bool {
    let now = core.clock.now();
    let overdue = match core.store.expired(now, EXPIRE).await {
        Ok(overdue) => overdue,
        Err(error) => {
            tracing::warn!(code = "TRAM-331", %error, "spool cannot be read");
            return false;
        }
    };
    let more = overdue.len() >= EXPIRE;
    let mut groups: BTreeMap<EnvelopeKey, Vec<BatchLeg>> = BTreeMap::new();
    for due in overdue {
        let leg = BatchLeg {
            leg: due.leg,
            recipient: due.recipient,
            tries: 0,
        };
        groups.entry(due.envelope).or_default().push(leg);
    }
    for (key, legs) in groups {
        let Ok(Some(envelope)) = core.store.envelope(key).await else {
            continue;
        };
        let own = envelope.from.is_none();
        let group = Group {
            header: envelope.header,
            envelope: key,
            own,
            legs,
        };
        tracing::info!(envelope = %group.header.context().id, "expired");
        let statement = group.statement(Event::Expired, Reason::Expired, None);
        commit(
            core,
            &group,
            &LegState::Expired,
            statement,
            None,
            Some(What::Expired),
        )
        .await;
    }
    more
}

impl Group {
    fn with(&self, legs: Vec<BatchLeg>) -> Self {
        Self {
            header: Arc::clone(&self.header),
            envelope: self.envelope,
            own: self.own,
            legs,
        }
    }

    /// What a station states, so that the sender learns of it; its own station has it in its log.
    fn statement(
        &self,
        event: Event,
        reason: Reason,
        by: Option<&StationName>,
    ) -> Option<StatementDraft> {
        let stated = self.header.context().class.is_sealed();
        stated.then(|| StatementDraft {
            event,
            reason: Some(reason),
            next_station: by.cloned(),
        })
    }
}

/// One move for every leg of the group, joined by the desk's write if the envelope is its own.
async fn commit(
    core: &Arc<Core>,
    group: &Group,
    to: &LegState,
    statement: Option<StatementDraft>,
    mut evidence: Option<Arc<ReceiptBundle>>,
    what: Option<What>,
) {
    let at = core.clock.now();
    // One bundle speaks of all legs: kept once, or 256 legs would carry 256 copies into the commit.
    let moves = group.legs.iter().map(|leg| {
        Move {
            leg: leg.leg,
            expect: vec![],
            to: to.clone(),
            at,
            // The sender's own station needs no receipt.
            owe_receipt: statement.is_some() && !group.own,
            statement: statement.clone(),
            evidence: evidence.take(),
        }
        .into()
    });
    let mut change = Change::of(moves.collect());
    change.desk = what.and_then(|what| told(core, group, what));
    write(core, group, change).await;
}

/// The desk's part, if the envelope is its own.
fn told(core: &Core, group: &Group, what: What) -> Option<Box<dyn DeskWrite>> {
    let desk = core.desk.as_ref().filter(|_| group.own)?;
    let legs: Vec<(LegId, Party)> = group
        .legs
        .iter()
        .map(|leg| (leg.leg, leg.recipient.clone()))
        .collect();
    desk.leg_changed(&LegChange {
        header: Arc::clone(&group.header),
        envelope: group.envelope,
        legs,
        what,
    })
}

async fn write(core: &Arc<Core>, group: &Group, change: Change) {
    if let Err(error) = core.commit(change).await {
        tracing::warn!(
            code = "TRAM-341",
            envelope = %group.header.context().id,
            %error,
            "state of legs not written; they are due again"
        );
        // The slot stays taken meanwhile, or the same legs would be offered in a tight circle.
        tokio::time::sleep(COMMIT_PAUSE).await;
    }
}

/// Legs ended in one step.
const EXPIRE: usize = 512;
/// Pause after a commit that was refused.
const COMMIT_PAUSE: Duration = Duration::from_secs(1);
