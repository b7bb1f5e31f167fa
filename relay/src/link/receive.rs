//! Receive: the receiving side of one transfer. Reads the offer, has it judged, gets the body
//! (verified piece by piece against the leaf hashes, which lead to the digest in the signed
//! header), has it committed, answers.
//!
//! Memory: one piece. A transfer that breaks off leaves its verified pieces behind, and the next
//! one goes on from there. Every read has an end; a peer that opens a stream and says nothing loses
//! it. Must not know what an envelope may do here.

use std::sync::Arc;

use bytes::Bytes;
use formats::body::body_digest_of;
use formats::frame::Transfer;
use formats::id::EnvelopeId;
use formats::limits;
use formats::reason::Reason;

use super::Link;
use super::driver::Stream;
use super::frames::{self, FrameFault};
use crate::accept::{self, Admitted, Judgement};
use crate::refusal::{RETRY_MS, Refusal};
use crate::station::Core;
use crate::store::BodyPlace;

/// How a transfer ended without an answer.
enum Ended {
    /// The peer hears why.
    Refused(Refusal),
    /// Nobody is there to hear it.
    Broken(FrameFault),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<FrameFault> for Ended {
    fn from(fault: FrameFault) -> Self {
        Self::Broken(fault)
    }
}

/// Runs one transfer to its end.
pub(crate) async fn run(core: &Arc<Core>, link: &Link, mut stream: Stream) {
    // Over all links: what is being received at once is bounded, whoever sends it.
    let Ok(_slot) = core.receiving.acquire().await else {
        return;
    };
    let mut name = None;
    let answer = match exchange(core, link, &mut stream, &mut name).await {
        Ok(answer) => answer,
        Err(Ended::Refused(refusal)) => {
            core.counters.refused();
            tracing::info!(
                code = refusal.reason.code(),
                peer = %link.peer,
                envelope = name.map(tracing::field::display),
                detail = refusal.detail,
                retry_after_ms = refusal.retry_after_ms,
                "offer refused"
            );
            refusal.frame()
        }
        Err(Ended::Broken(fault)) => {
            tracing::debug!(peer = %link.peer, %fault, "transfer broke off");
            return;
        }
    };
    let wait = core.config.timing.frame;
    match frames::send_transfer(&mut stream.send, &answer, wait).await {
        Ok(()) => stream.send.finish(),
        // It will offer again and hear Have.
        Err(fault) => tracing::debug!(peer = %link.peer, %fault, "answer not delivered"),
    }
}

async fn exchange(
    core: &Arc<Core>,
    link: &Link,
    stream: &mut Stream,
    name: &mut Option<EnvelopeId>,
) -> Result<Transfer, Ended> {
    let frame = frames::read_transfer(&mut stream.recv, core.config.timing.greet).await?;
    let Transfer::Offer(mut offer) = frame else {
        return Err(out_of_turn("a transfer begins with an offer").into());
    };
    if link.is_restricted(core.clock.now()) {
        let detail = "revocation data about you is too old here";
        return Err(Refusal::later(Reason::StaleRevocation, RETRY_MS, detail).into());
    }
    let inline = offer.inline.take();
    let inline_bytes = inline
        .as_ref()
        .map(|body| u64::try_from(body.len()).unwrap_or(u64::MAX));
    let admitted = match accept::admit(core, &link.peer, offer, inline_bytes).await? {
        Judgement::Admitted(admitted) => *admitted,
        Judgement::Answer(answer) => return Ok(*answer),
    };
    *name = Some(admitted.header.context().id);
    let body = match inline {
        Some(bytes) => verify_inline(&admitted, bytes)?,
        None => fetch(core, link, stream, &admitted).await?,
    };
    Ok(accept::take(core, &link.peer, admitted, body).await?)
}

fn verify_inline(admitted: &Admitted, body: Vec<u8>) -> Result<BodyPlace, Refusal> {
    if body_digest_of(admitted.layout, &body) != Some(admitted.header.body_digest()) {
        return Err(Refusal::new(
            Reason::BodyMismatch,
            "body in the offer has another digest",
        ));
    }
    Ok(BodyPlace::Inline(body.into()))
}

/// Gets a body that did not ride with the offer, from the first piece that is not here yet.
async fn fetch(
    core: &Core,
    link: &Link,
    stream: &mut Stream,
    admitted: &Admitted,
) -> Result<BodyPlace, Ended> {
    let (layout, digest) = (admitted.layout, admitted.header.body_digest());
    let small = layout.body_bytes() <= limits::INLINE_BODY_BYTES_MAX;
    let _slot = if small {
        None
    } else {
        let slot = Arc::clone(&link.large_incoming).try_acquire_owned();
        let busy = |_| Refusal::later(Reason::Busy, BUSY_MS, "too many large transfers");
        Some(slot.map_err(busy)?)
    };
    let mut part = core
        .store
        .bodies()
        .part(digest, layout)
        .await
        .map_err(refuse)?;
    let from_piece = part.verified_pieces();
    if from_piece > 0 {
        tracing::info!(
            envelope = %admitted.header.context().id,
            peer = %link.peer,
            from_piece,
            "transfer resumes"
        );
    }
    let wait = core.config.timing.frame;
    frames::send_transfer(&mut stream.send, &Transfer::Want { from_piece }, wait).await?;
    let Transfer::Leaves { hashes } = frames::read_transfer(&mut stream.recv, wait).await? else {
        return Err(out_of_turn("after want come the leaf hashes").into());
    };
    part.set_leaves(hashes).await.map_err(refuse)?;
    for piece in from_piece..layout.piece_count() {
        let range = layout.piece_range(piece);
        let length = usize::try_from(range.end - range.start)
            .map_err(|error| Refusal::new(Reason::TooLarge, error))?;
        let mut bytes = vec![0; length];
        stream
            .recv
            .read_exact(&mut bytes, Some(wait))
            .await
            .map_err(|error| Ended::Broken(error.into()))?;
        part.append(Bytes::from(bytes)).await.map_err(refuse)?;
    }
    Ok(part.finish().await.map_err(refuse)?)
}

fn refuse(error: crate::store::body::BodyError) -> Refusal {
    Refusal::from(&error)
}

fn out_of_turn(rule: &'static str) -> Refusal {
    Refusal::new(Reason::PeerNotAuthorised, rule)
}

/// When a large body may be offered again.
const BUSY_MS: u64 = 2_000;
