//! Good copies for others: a station that states about an envelope of ours that its stored copy is damaged
//! (`RelayFailure`, `body_mismatch`) is offered the same envelope again, as long as the sealed body is kept
//! here (promise 2: until a week after the last final state). The attempt counts up, so every station on the
//! way takes it anew; whoever has delivered it answers with what it did then.
//!
//! Fails by doing nothing: the leg there waits and its alarm stays. Must not know what the letter says.

use formats::id::Party;
use formats::reason::Reason;
use formats::statement::{Event, Statement};
use relay::store::{LegState, Move, Write};

use crate::desk::core::Core;

/// The moves that offer again what these verified statements ask for.
pub(crate) async fn offers(core: &Core, statements: &[&Statement]) -> Vec<Write> {
    let mut writes = Vec::new();
    for statement in statements {
        let asks = statement.event == Event::RelayFailure
            && statement.reason == Some(Reason::BodyMismatch);
        if asks && let Some(one) = offer(core, statement).await {
            writes.push(one.into());
        }
    }
    writes
}

async fn offer(core: &Core, statement: &Statement) -> Option<Move> {
    let store = core.station().store();
    let Party::Agency(_) = &statement.sender else {
        return None;
    };
    let found = store.find(&statement.sender, &statement.envelope).await;
    let envelope = found.ok().flatten()?;
    let same = envelope.header.digest() == statement.header_digest;
    if !same || envelope.body.is_none() {
        tracing::warn!(
            envelope = %statement.envelope,
            station = %statement.station,
            "a good copy is asked for and not kept here any more"
        );
        return None;
    }
    let legs = store.legs(envelope.key).await.ok()?;
    let leg = legs
        .into_iter()
        .find(|leg| leg.recipient == statement.recipient)?;
    let gone = matches!(leg.state, LegState::PassedOn) && leg.next_hop.is_some();
    if !gone || leg.attempt >= ATTEMPTS_MAX {
        return None;
    }
    tracing::info!(
        envelope = %statement.envelope,
        recipient = %statement.recipient,
        station = %statement.station,
        attempt = leg.attempt + 1,
        "its copy is damaged there: offered again"
    );
    Some(Move {
        leg: leg.leg,
        expect: vec![LegState::PassedOn],
        to: LegState::Queued,
        at: core.now(),
        statement: None,
        owe_receipt: false,
        evidence: None,
    })
}

/// A disk that damages every copy is not cured by more of them.
const ATTEMPTS_MAX: u32 = 16;
