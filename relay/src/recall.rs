//! Recall on its way: a station that passes a recall on and still holds the leg stops it there
//! (architecture 5). It shows that, not more: only the tombstone of the recipient's home station makes
//! the recall final, so the message itself goes on.
//!
//! Whoever asks must be the station that the header's sender names as its own, and the header's
//! signature must hold. Fails by doing nothing: the leg goes on and is stopped at its home.

use std::sync::Arc;

use bytes::Bytes;
use formats::header::{Class, Header};
use formats::id::Party;
use formats::reason::Reason;
use formats::recall::Recall;
use formats::statement::Event;
use pki::role::Role;

use crate::directory::{Snapshot, UnknownSigner};
use crate::station::Core;
use crate::store::{BodyPlace, Change, LegState, Move, StatementDraft};

/// The body of a control message that came with its offer; larger ones are not read on the way.
pub(crate) fn on_the_way(header: &Header, body: &BodyPlace) -> Option<Bytes> {
    match body {
        BodyPlace::Inline(bytes) if header.context().class == Class::Control => Some(bytes.clone()),
        BodyPlace::Inline(_) | BodyPlace::File { .. } => None,
    }
}

/// What a control message comes to.
#[derive(Debug)]
pub enum Judged {
    /// A recall by whoever may ask for it.
    Good(Box<Recall>),
    /// Cannot be judged yet: a certificate is on its way.
    Later(String),
    /// Not readable, not the sender's own station, or a signature that does not hold.
    Refused(String),
}

/// Reads and judges a recall that `asks` sent. Texts are for the log.
#[must_use]
pub fn judge(directory: &Snapshot, asks: &Party, body: &[u8]) -> Judged {
    let recall = match Recall::decode(body) {
        Ok(recall) => recall,
        Err(error) => return Judged::Refused(error.to_string()),
    };
    let context = recall.header.context();
    if asks.station() != Some(&context.sender_station) {
        let sent = &context.sender_station;
        return Judged::Refused(format!("{asks} asks for what {sent} sent"));
    }
    let signer = directory.signer(&context.signer, Role::AgencySignature, context.created);
    let signer = match signer {
        Ok(signer) => signer,
        Err(error @ UnknownSigner::Absent) => return Judged::Later(error.to_string()),
        Err(UnknownSigner::Refused(why)) if !why.reason().permanent() => {
            return Judged::Later(why.to_string());
        }
        Err(UnknownSigner::Refused(why)) => return Judged::Refused(why.to_string()),
    };
    let header = recall.header.clone();
    match pki::sign::verify_header(header, &recall.header_signature, &signer) {
        Ok(_) => Judged::Good(Box::new(recall)),
        Err(error) => Judged::Refused(error.to_string()),
    }
}

/// Stops what this station holds of the envelope.
pub(crate) async fn stop(core: Arc<Core>, asks: Party, body: Bytes) {
    let recall = match judge(&core.directory.snapshot(), &asks, &body) {
        Judged::Good(recall) => recall,
        Judged::Later(why) | Judged::Refused(why) => {
            tracing::info!(%asks, why, "control message passes unread");
            return;
        }
    };
    let id = recall.header.context().id;
    match stop_legs(&core, &recall).await {
        Ok(0) => {}
        Ok(legs) => tracing::info!(envelope = %id, legs, "stopped: its sender took it back"),
        Err(why) => tracing::warn!(envelope = %id, why, "recall passes; the leg goes on"),
    }
}

async fn stop_legs(core: &Arc<Core>, recall: &Recall) -> Result<usize, String> {
    let context = recall.header.context();
    let found = core
        .store
        .find(&context.sender, &context.id)
        .await
        .map_err(|error| error.to_string())?;
    let Some(found) = found.filter(|found| found.header.digest() == recall.header.digest()) else {
        return Ok(0);
    };
    let legs = core
        .store
        .legs(found.key)
        .await
        .map_err(|error| error.to_string())?;
    let held = legs.iter().filter(|leg| {
        leg.next_hop.is_some()
            && !leg.state.is_final()
            && recall.recipients.contains(&leg.recipient)
    });
    let now = core.clock.now();
    let moves: Vec<_> = held
        .map(|leg| {
            Move {
                leg: leg.leg,
                expect: vec![],
                to: LegState::Withdrawn,
                at: now,
                statement: Some(StatementDraft {
                    event: Event::RelayFailure,
                    reason: Some(Reason::Recalled),
                    next_station: None,
                }),
                owe_receipt: true,
                evidence: None,
            }
            .into()
        })
        .collect();
    let count = moves.len();
    if count > 0 {
        core.commit(Change::of(moves))
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(count)
}
