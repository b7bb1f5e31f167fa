//! Offer: the sending side of one transfer. Offers a batch, sends what the peer wants, and gives
//! back its verdict.
//!
//! Memory: one piece, or a small body. A verdict is the peer's word only; `forward` verifies the
//! evidence in it. Every wait has an end: a peer that neither answers nor takes bytes costs one
//! timeout. Must not know what becomes of the legs.

use formats::body::Layout;
use formats::frame::{Offer, Transfer};
use formats::id::Party;
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;

use super::Link;
use super::driver::Stream;
use super::frames::{self, FrameFault};
use crate::forward::Batch;
use crate::refusal::RETRY_MS;
use crate::station::Core;
use crate::store::BodyPlace;
use crate::store::body::BodyError;

/// What came of an offer.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The peer says it has custody of all legs but the refused ones.
    Custody {
        /// Its statements.
        bundle: Option<ReceiptBundle>,
        /// Legs it did not take.
        refused: Vec<(Party, Reason)>,
    },
    /// It takes none of the legs.
    Refused {
        /// Why.
        reason: Reason,
        /// When to offer again.
        retry_after_ms: Option<u64>,
        /// Its operator's line.
        detail: Option<String>,
    },
    /// No verdict: the connection or the peer's answer failed.
    Lost(String),
    /// Our own copy of the body is not what was stored.
    Damaged(BodyError),
}

/// Offers a batch over a link.
pub(crate) async fn run(core: &Core, link: &Link, batch: &Batch) -> Verdict {
    if link.is_restricted(core.clock.now()) {
        return Verdict::Refused {
            reason: Reason::StaleRevocation,
            retry_after_ms: Some(RETRY_MS),
            detail: Some("our own revocation data about the peer is too old".to_owned()),
        };
    }
    match exchange(core, link, batch).await {
        Ok(verdict) => verdict,
        Err(fault) => Verdict::Lost(fault.to_string()),
    }
}

async fn exchange(core: &Core, link: &Link, batch: &Batch) -> Result<Verdict, FrameFault> {
    let timing = core.config.timing;
    let mut stream = link
        .wire
        .open(batch.stream_priority(), timing.frame)
        .await?;
    let inline = match &batch.body {
        BodyPlace::Inline(bytes) => Some(bytes.to_vec()),
        BodyPlace::File { .. } => None,
    };
    let rides = inline.is_some();
    let offer = Transfer::Offer(Offer {
        header: batch.header.bytes().to_vec(),
        header_signature: batch.header_signature.to_vec(),
        legs: batch.legs.iter().map(|leg| leg.recipient.clone()).collect(),
        attempt: batch.attempt,
        via: batch.via.clone(),
        capsule_bytes: batch.capsule_bytes,
        traceparent: None,
        inline,
    });
    frames::send_transfer(&mut stream.send, &offer, timing.frame).await?;
    drop(offer);
    if rides {
        stream.send.finish();
    }
    // With the body in the offer the next answer is the last one: it comes after the peer's commit.
    let wait = if rides { timing.custody } else { timing.frame };
    match frames::read_transfer(&mut stream.recv, wait).await? {
        Transfer::Want { from_piece } if !rides => send_body(core, stream, batch, from_piece).await,
        other => Ok(last_word(other)),
    }
}

async fn send_body(
    core: &Core,
    mut stream: Stream,
    batch: &Batch,
    from_piece: u32,
) -> Result<Verdict, FrameFault> {
    let timing = core.config.timing;
    let context = batch.header.context();
    let layout = Layout::new(
        context.class,
        batch.capsule_bytes,
        batch.header.body_bytes(),
    );
    let Ok(layout) = layout else {
        let have = 0;
        return Ok(Verdict::Damaged(BodyError::Incomplete { have, want: have }));
    };
    let body = core
        .store
        .bodies()
        .reader(&batch.body, batch.header.body_digest(), layout)
        .await;
    let body = match body {
        Ok(body) => body,
        Err(error) => return Ok(Verdict::Damaged(error)),
    };
    let leaves = Transfer::Leaves {
        hashes: body.leaves().to_vec(),
    };
    frames::send_transfer(&mut stream.send, &leaves, timing.frame).await?;
    for piece in from_piece..layout.piece_count() {
        let bytes = match body.piece(piece).await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Verdict::Damaged(error)),
        };
        if let Err(fault) = stream.send.write(&bytes, timing.frame).await {
            // It may have stopped us because it has said its last word already.
            let said = frames::read_transfer(&mut stream.recv, timing.greet).await;
            return said.map(last_word).map_err(|_| fault.into());
        }
    }
    stream.send.finish();
    Ok(last_word(
        frames::read_transfer(&mut stream.recv, timing.custody).await?,
    ))
}

fn last_word(frame: Transfer) -> Verdict {
    match frame {
        Transfer::Custody { bundle, refused } => Verdict::Custody { bundle, refused },
        Transfer::Have { bundle } => Verdict::Custody {
            bundle,
            refused: vec![],
        },
        Transfer::Refuse {
            reason,
            retry_after_ms,
            detail,
        } => Verdict::Refused {
            reason,
            retry_after_ms,
            detail,
        },
        Transfer::Offer(_) | Transfer::Want { .. } | Transfer::Leaves { .. } => {
            Verdict::Lost("answer out of turn".to_owned())
        }
    }
}
