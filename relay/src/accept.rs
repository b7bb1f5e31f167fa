//! Accept: whether this station takes custody of an offer, and of which of its legs.
//!
//! The checks stand in the order of their cost and of what they protect: the peer, the bytes, the
//! times, the signer, the road, the recipients, the sender's share, duplicates, the disk. What
//! fails authentication occupies nothing: no key, no row, no space. Only when all hold are body
//! bytes asked for; only after the commit is custody answered. Judged here: [`admit`] before the
//! body, [`take`] with it.
//!
//! Fails with [`Refusal`]; logged once, by the caller. Must not know: streams, how a body is
//! received.

use std::sync::Arc;

use formats::body::{Layout, LayoutError};
use formats::frame::{Offer, Transfer};
use formats::header::{Context, Header};
use formats::id::{Party, StationName};
use formats::limits;
use formats::query::StatusQuery;
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::record::Windows;
use formats::statement::Event;
use formats::time::Timestamp;
use pki::sign::VerifyError;

use crate::directory::Snapshot;
use crate::quota::OpenTransfer;
use crate::recall;
use crate::refusal::{RETRY_MS, Refusal};
use crate::signer;
use crate::station::Core;
use crate::store::needs_room;
use crate::store::{
    Accept, BodyPlace, Change, EnvelopeKey, LegRecord, LegState, NewLeg, Outcome, ProofBase,
};

/// An offer that may go on to its body.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) header: Arc<Header>,
    pub(crate) layout: Layout,
    header_signature: Vec<u8>,
    legs: Vec<NewLeg>,
    refused: Vec<(Party, Reason)>,
    via: Vec<StationName>,
    attempt: u32,
    /// Counts against the sender until the transfer ends.
    _share: Option<OpenTransfer>,
}

/// What an offer comes to before its body.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// Go on to the body.
    Admitted(Box<Admitted>),
    /// Answer this and be done: it is here already.
    Answer(Box<Transfer>),
}

/// Judges an offer by `peer`, apart from its body: `inline_bytes` of it came along.
pub(crate) async fn admit(
    core: &Core,
    peer: &StationName,
    offer: Offer,
    inline_bytes: Option<u64>,
) -> Result<Judgement, Refusal> {
    let now = core.clock.now();
    let snapshot = core.directory.snapshot();
    let header = Header::decode(&offer.header)
        .map_err(|error| Refusal::new(Reason::InvalidHeader, error))?;
    if now > core.evidence.signer().certificate.not_after() {
        // What we would state could not be verified by anybody.
        let detail = "the evidence certificate of this station has expired";
        return Err(Refusal::later(Reason::Busy, RETRY_MS, detail));
    }
    let layout = check_sizes(&header, offer.capsule_bytes, inline_bytes)?;
    let first = offer.via.is_empty() && header.context().sender_station == *peer;
    let windows = &snapshot.trust_list().windows;
    check_times(header.context(), windows, first, core.clock_unsure(), now)?;
    let header = check_signer(&snapshot, header, &offer.header_signature, first, now)?;
    check_road(core, header.context(), peer, &offer.via)?;
    if first {
        check_home(&snapshot, header.context())?;
    }
    let mut via = offer.via;
    via.push(peer.clone());
    let (legs, refused) = sort_legs(core, header.context(), &offer.legs, &via, now)?;
    let share = if first {
        take_share(core, &header, legs.len(), now)?
    } else {
        None
    };
    // A small offer has its body with it: the commit itself finds out, and no read is needed.
    if inline_bytes.is_none()
        && let Some(answer) = known(core, &header, &legs, offer.attempt, &refused).await?
    {
        return Ok(Judgement::Answer(Box::new(answer)));
    }
    if needs_room(&header) && !core.store.bodies().has_room(header.body_bytes()) {
        return Err(Refusal::later(
            Reason::DiskFull,
            RETRY_MS,
            "no room on the disk",
        ));
    }
    Ok(Judgement::Admitted(Box::new(Admitted {
        header: Arc::new(header),
        layout,
        header_signature: offer.header_signature,
        legs,
        refused,
        via,
        attempt: offer.attempt,
        _share: share,
    })))
}

/// Commits an admitted offer with its verified body and gives the answer.
pub(crate) async fn take(
    core: &Arc<Core>,
    peer: &StationName,
    admitted: Admitted,
    body: BodyPlace,
) -> Result<Transfer, Refusal> {
    let sealed = admitted.header.context().class.is_sealed();
    let header = Arc::clone(&admitted.header);
    let message = recall::on_the_way(&header, &body);
    let recipients: Vec<Party> = admitted
        .legs
        .iter()
        .map(|leg| leg.recipient.clone())
        .collect();
    let accept = Accept {
        header: admitted.header,
        header_signature: admitted.header_signature,
        capsule_bytes: admitted.layout.capsule_bytes(),
        body,
        legs: admitted.legs,
        via: admitted.via,
        attempt: admitted.attempt,
        from: Some(peer.clone()),
        received: core.clock.now(),
        event: sealed.then_some(Event::RelayAcceptance),
        keep_body: false,
    };
    let committed = core.commit(Change::of(vec![accept.into()])).await.map_err(|error| {
        tracing::warn!(code = "TRAM-330", envelope = %header.context().id, %error, "not committed");
        Refusal::from(&error)
    })?;
    match committed.outcomes.first() {
        Some(Outcome::Accepted { .. }) => {
            core.counters.accepted();
            tracing::info!(
                envelope = %header.context().id,
                %peer,
                bytes = header.body_bytes(),
                "accepted"
            );
            if let Some(message) = message.filter(|message| !StatusQuery::is_one(message)) {
                let asks = header.context().sender.clone();
                core.tasks
                    .spawn(recall::stop(Arc::clone(core), asks, message));
            }
            Ok(Transfer::Custody {
                bundle: committed.bundle,
                refused: admitted.refused,
            })
        }
        Some(Outcome::Duplicate { envelope, legs }) => {
            let all_fresh = legs.iter().all(|leg| leg.fresh);
            let bundle = if all_fresh || !sealed {
                committed.bundle
            } else {
                held_statements(core, *envelope, &recipients).await?
            };
            let anything_new = legs.iter().any(|leg| leg.fresh);
            Ok(answer(bundle, admitted.refused, anything_new))
        }
        Some(Outcome::IdConflict { .. }) => Err(Refusal::new(
            Reason::IdConflict,
            "another header has this sender and id",
        )),
        Some(Outcome::Moved | Outcome::Stale) | None => Err(Refusal::later(
            Reason::Busy,
            RETRY_MS,
            "cannot store it now",
        )),
    }
}

fn check_sizes(
    header: &Header,
    capsule_bytes: u32,
    inline_bytes: Option<u64>,
) -> Result<Layout, Refusal> {
    let layout = Layout::new(header.context().class, capsule_bytes, header.body_bytes()).map_err(
        |error| match error {
            LayoutError::TooLarge(_) => Refusal::new(Reason::TooLarge, error),
            LayoutError::Capsule(_) | LayoutError::Mismatch { .. } => {
                Refusal::new(Reason::BodyMismatch, error)
            }
        },
    )?;
    if inline_bytes.is_some_and(|bytes| bytes != header.body_bytes()) {
        let detail = "body in the offer has another size";
        return Err(Refusal::new(Reason::BodyMismatch, detail));
    }
    Ok(layout)
}

fn check_times(
    context: &Context,
    windows: &Windows,
    first: bool,
    unsure: bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    if now > context.expires {
        let detail = format!("expired at {}", context.expires.rfc3339());
        return Err(if unsure {
            Refusal::later(Reason::ClockUnsure, RETRY_MS, detail)
        } else {
            Refusal::new(Reason::Expired, detail)
        });
    }
    // Only the first station compares `created` with its clock and vouches for it; later ones may
    // get the envelope weeks after.
    let most = |seconds: u64, limit: i64| {
        i64::try_from(seconds.saturating_mul(1_000))
            .unwrap_or(limit)
            .min(limit)
    };
    let early = most(windows.created_ahead_s, limits::CREATED_AHEAD_MS_MAX);
    let late = most(windows.created_behind_s, limits::CREATED_BEHIND_MS_MAX);
    let behind = now.minus(context.created);
    if first && !(-early..=late).contains(&behind) {
        // One of the two clocks is wrong, and it may be ours: never permanent.
        let detail = format!("created {behind} ms before our clock");
        return Err(Refusal::later(Reason::ClockUnsure, RETRY_MS, detail));
    }
    Ok(())
}

fn check_signer(
    snapshot: &Snapshot,
    header: Header,
    header_signature: &[u8],
    first: bool,
    now: Timestamp,
) -> Result<Header, Refusal> {
    let signer = signer::judge(snapshot, header.context(), first, now)?;
    let verified = pki::sign::verify_header(header, header_signature, &signer)
        .map_err(|error| Refusal::new(reason_of(&error), &error))?;
    Ok(verified.into_parts().0)
}

fn reason_of(error: &VerifyError) -> Reason {
    match error {
        VerifyError::SenderMismatch | VerifyError::InnerSigner => Reason::SenderMismatch,
        VerifyError::Algorithm
        | VerifyError::Attachment(_)
        | VerifyError::Commitment
        | VerifyError::ContentDigest
        | VerifyError::ContentType(_)
        | VerifyError::Parse(_)
        | VerifyError::Role(_)
        | VerifyError::Signature
        | VerifyError::Signer
        | VerifyError::SigningTime => Reason::SignatureInvalid,
    }
}

/// The road it came: from the station it names, not over us already, not too long.
fn check_road(
    core: &Core,
    context: &Context,
    peer: &StationName,
    via: &[StationName],
) -> Result<(), Refusal> {
    let came_from = via.first().unwrap_or(peer);
    if *came_from != context.sender_station {
        let detail = format!("came from {came_from}, says {}", context.sender_station);
        return Err(Refusal::new(Reason::SenderMismatch, detail));
    }
    if let Party::Station(station) = &context.sender
        && *station != context.sender_station
    {
        let detail = format!("{station} is not {}", context.sender_station);
        return Err(Refusal::new(Reason::SenderMismatch, detail));
    }
    if via.len() + 1 >= limits::HOPS_MAX || via.contains(&core.name) {
        return Err(Refusal::new(
            Reason::HopLimit,
            format!("{} stations passed", via.len() + 1),
        ));
    }
    Ok(())
}

/// The first relay checks that the sender's records name the station that speaks for it. Records
/// may lag behind a move, so it is never permanent.
fn check_home(snapshot: &Snapshot, context: &Context) -> Result<(), Refusal> {
    let Party::Agency(code) = &context.sender else {
        return Ok(());
    };
    match snapshot.home_station(code, context.created) {
        Some(home) if home == context.sender_station => Ok(()),
        Some(home) => {
            let detail = format!("records name {home} as the home station of {code}");
            Err(Refusal::later(Reason::SenderMismatch, RETRY_MS, detail))
        }
        None => {
            let detail = format!("no home station of {code} in the records");
            Err(Refusal::later(Reason::UnknownAgency, RETRY_MS, detail))
        }
    }
}

/// Legs we carry, and legs we do not.
type Sorted = (Vec<NewLeg>, Vec<(Party, Reason)>);

/// Splits the offered legs into those we can carry, with their way, and the others. None left: the
/// whole offer is refused, for good only if no leg can be cured.
fn sort_legs(
    core: &Core,
    context: &Context,
    offered: &[Party],
    via: &[StationName],
    now: Timestamp,
) -> Result<Sorted, Refusal> {
    let mut legs = Vec::with_capacity(offered.len());
    let mut refused = Vec::new();
    for recipient in offered {
        let way = if context.recipients.contains(recipient) {
            core.next_hop(recipient, via, now)
        } else {
            Err(Reason::NotAddressed)
        };
        match way {
            // A node carries nothing for others; a station without a desk can open nothing.
            Ok(Some(_)) if !core.passes_on() => {
                refused.push((recipient.clone(), Reason::NotHomeStation));
            }
            Ok(None) if core.desk.is_none() && context.class.is_sealed() => {
                refused.push((recipient.clone(), Reason::NotHomeStation));
            }
            Ok(next_hop) => legs.push(NewLeg {
                recipient: recipient.clone(),
                next_hop,
            }),
            Err(reason) => refused.push((recipient.clone(), reason)),
        }
    }
    if legs.is_empty() {
        let curable = refused.iter().find(|(_, reason)| !reason.permanent());
        let Some((party, reason)) = curable.or_else(|| refused.first()) else {
            return Err(Refusal::new(Reason::InvalidHeader, "offer without legs"));
        };
        return Err(Refusal::new(*reason, party));
    }
    Ok((legs, refused))
}

fn take_share(
    core: &Core,
    header: &Header,
    legs: usize,
    now: Timestamp,
) -> Result<Option<OpenTransfer>, Refusal> {
    let sender = &header.context().sender;
    let legs = match sender {
        Party::Agency(_) => u64::try_from(legs).unwrap_or(u64::MAX),
        // Receipts go in batches for all agencies of a station: only their bytes count.
        Party::Station(_) => 0,
    };
    let share = core.quotas.open(sender, header.body_bytes(), legs, now);
    share.map(Some).map_err(|exhausted| {
        Refusal::later(
            Reason::Quota,
            exhausted.retry_after_ms,
            format!("share of {sender}"),
        )
    })
}

/// Answers an offer of what is here already, without asking for its body again. A relay does so
/// only while it holds the leg or for an attempt not higher than the one it passed on: a higher one
/// means the sender looks for another road.
async fn known(
    core: &Core,
    header: &Header,
    legs: &[NewLeg],
    attempt: u32,
    refused: &[(Party, Reason)],
) -> Result<Option<Transfer>, Refusal> {
    let context = header.context();
    let found = core.store.find(&context.sender, &context.id).await;
    let Some(found) = found.map_err(|error| unreadable(&error))? else {
        return Ok(None);
    };
    if found.header.digest() != header.digest() {
        // Small conflicting envelopes reach the commit, which keeps both headers as evidence. For a
        // large one the refusal is enough: nothing of it is taken.
        let detail = "another header has this sender and id";
        return Err(Refusal::new(Reason::IdConflict, detail));
    }
    let stored = core
        .store
        .legs(found.key)
        .await
        .map_err(|error| unreadable(&error))?;
    // Our copy was damaged and set aside: what is not final waits for a good one.
    let waits = |leg: &LegRecord| found.body.is_none() && !leg.state.is_final();
    let mut held = Vec::with_capacity(legs.len());
    for leg in legs {
        let known = stored.iter().find(|known| known.recipient == leg.recipient);
        let Some(known) = known else { return Ok(None) };
        if waits(known) {
            return Ok(None);
        }
        let here = leg.next_hop.is_none() || !known.state.is_final();
        let passed = known.state == LegState::PassedOn && attempt <= known.attempt;
        if !here && !passed {
            return Ok(None);
        }
        held.push(leg.recipient.clone());
    }
    let bundle = if context.class.is_sealed() {
        held_statements(core, found.key, &held).await?
    } else {
        None
    };
    Ok(Some(answer(bundle, refused.to_vec(), false)))
}

/// `Have` says that nothing was new; only `Custody` can name refused legs.
fn answer(
    bundle: Option<ReceiptBundle>,
    refused: Vec<(Party, Reason)>,
    anything_new: bool,
) -> Transfer {
    if anything_new || !refused.is_empty() {
        Transfer::Custody { bundle, refused }
    } else {
        Transfer::Have { bundle }
    }
}

async fn held_statements(
    core: &Core,
    envelope: EnvelopeKey,
    recipients: &[Party],
) -> Result<Option<ReceiptBundle>, Refusal> {
    core.store
        .statements(envelope, recipients, ProofBase::Newest)
        .await
        .map_err(|error| unreadable(&error))
}

fn unreadable(error: &dyn std::fmt::Display) -> Refusal {
    tracing::warn!(code = "TRAM-331", %error, "store cannot be read");
    Refusal::later(Reason::Busy, RETRY_MS, "cannot look it up now")
}
