//! Frames of a transfer stream: offer, answer, leaf hashes, custody.
//!
//! Bytes and the rules within one frame; which frame may follow which is decided in `relay::link`.

use super::{
    FrameError, Offer, PAIRS_MAX, Set, is_line, kind, open, optional_uint, read_party, read_reason,
    with_prefix,
};
use crate::cbor::{Reader, Writer, required};
use crate::id::{Digest, Party};
use crate::limits;
use crate::reason::Reason;
use crate::receipt::ReceiptBundle;

/// Frames of a transfer stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transfer {
    /// The receiver has durably taken legs; those in `refused` it has not.
    Custody {
        /// Statements about the legs taken; `None` where none is owed (receipts, control).
        bundle: Option<ReceiptBundle>,
        /// Legs not taken, and why.
        refused: Vec<(Party, Reason)>,
    },
    /// The receiver already has this envelope for these legs.
    Have {
        /// The statements given at first, if still held.
        bundle: Option<ReceiptBundle>,
    },
    /// Leaf hashes of all pieces; the bytes of the pieces from `from_piece` on follow.
    Leaves {
        /// One for each piece, the capsule's first.
        hashes: Vec<Digest>,
    },
    /// First frame of a transfer.
    Offer(Offer),
    /// The whole offer is refused.
    Refuse {
        /// Why.
        reason: Reason,
        /// When to offer again; `None` with a permanent reason.
        retry_after_ms: Option<u64>,
        /// One line for the operator on the other side.
        detail: Option<String>,
    },
    /// The receiver wants the body from this piece on.
    Want {
        /// First piece wanted; 0 is the capsule.
        from_piece: u32,
    },
}

impl Transfer {
    /// The frame with its length prefix.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let mut w = Writer::new();
        match self {
            Self::Custody { bundle, refused } => {
                w.array(2).uint(kind::CUSTODY);
                w.map(usize::from(bundle.is_some()) + usize::from(!refused.is_empty()));
                optional_bundle(&mut w, 1, bundle.as_ref());
                if !refused.is_empty() {
                    w.uint(2).array(refused.len());
                    for (party, reason) in refused {
                        w.array(2).text(party.as_str()).text(reason.code());
                    }
                }
            }
            Self::Have { bundle } => {
                w.array(2)
                    .uint(kind::HAVE)
                    .map(usize::from(bundle.is_some()));
                optional_bundle(&mut w, 1, bundle.as_ref());
            }
            Self::Leaves { hashes } => {
                w.array(2).uint(kind::LEAVES).map(1).uint(1).digests(hashes);
            }
            Self::Offer(offer) => offer.write(&mut w),
            Self::Refuse {
                reason,
                retry_after_ms,
                detail,
            } => {
                let optional =
                    usize::from(retry_after_ms.is_some()) + usize::from(detail.is_some());
                w.array(2).uint(kind::REFUSE).map(1 + optional);
                w.uint(1).text(reason.code());
                optional_uint(&mut w, 2, *retry_after_ms);
                if let Some(detail) = detail {
                    w.uint(3).text(detail);
                }
            }
            Self::Want { from_piece } => {
                w.array(2)
                    .uint(kind::WANT)
                    .map(1)
                    .uint(1)
                    .uint((*from_piece).into());
            }
        }
        with_prefix(w)
    }

    /// Reads a payload, i.e. a frame without its length prefix.
    pub fn decode(payload: &[u8]) -> Result<Self, FrameError> {
        let (kind, mut r) = open(payload)?;
        let frame = match kind {
            kind::CUSTODY => read_custody(&mut r)?,
            kind::HAVE => {
                let mut bundle = None;
                r.map(PAIRS_MAX, "have", |key, r| match key {
                    1 => bundle.set(ReceiptBundle::read(r)),
                    _ => Ok::<_, FrameError>(false),
                })?;
                Self::Have { bundle }
            }
            kind::LEAVES => read_leaves(&mut r)?,
            kind::OFFER => Self::Offer(Offer::read(&mut r)?),
            kind::REFUSE => read_refuse(&mut r)?,
            kind::WANT => {
                let mut from_piece = None;
                r.map(PAIRS_MAX, "want", |key, r| match key {
                    1 => from_piece.set(r.uint32("from piece")),
                    _ => Ok::<_, FrameError>(false),
                })?;
                Self::Want {
                    from_piece: required(from_piece, 1)?,
                }
            }
            other => return Err(FrameError::UnknownKind(other)),
        };
        r.finish()?;
        Ok(frame)
    }
}

fn read_custody(r: &mut Reader<'_>) -> Result<Transfer, FrameError> {
    let (mut bundle, mut refused) = (None, Vec::new());
    r.map(PAIRS_MAX, "custody", |key, r| match key {
        1 => bundle.set(ReceiptBundle::read(r)),
        2 => {
            let count = r.array(limits::RECIPIENTS_MAX, "refused")?;
            if count == 0 {
                return Err(FrameError::Rule("an empty list is left out"));
            }
            for _ in 0..count {
                r.array_exact(2, "refused leg")?;
                refused.push((read_party(r)?, read_reason(r)?));
            }
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(Transfer::Custody { bundle, refused })
}

fn read_leaves(r: &mut Reader<'_>) -> Result<Transfer, FrameError> {
    let most = usize::try_from(limits::PIECES_MAX).unwrap_or(usize::MAX);
    let mut hashes = None;
    r.map(PAIRS_MAX, "leaves", |key, r| match key {
        1 => hashes.set(r.digests(most, "leaf hashes")),
        _ => Ok::<_, FrameError>(false),
    })?;
    let hashes: Vec<Digest> = required(hashes, 1)?;
    if hashes.is_empty() {
        return Err(FrameError::Rule("a body has at least one piece"));
    }
    Ok(Transfer::Leaves { hashes })
}

fn read_refuse(r: &mut Reader<'_>) -> Result<Transfer, FrameError> {
    let (mut reason, mut retry_after_ms, mut detail) = (None, None, None);
    r.map(PAIRS_MAX, "refuse", |key, r| match key {
        1 => reason.set(read_reason(r)),
        2 => retry_after_ms.set(r.uint("retry after")),
        3 => detail.set(
            r.text(4 * limits::REFUSAL_DETAIL_CHARS_MAX, "detail")
                .map(str::to_owned),
        ),
        _ => Ok::<_, FrameError>(false),
    })?;
    if detail.as_ref().is_some_and(|text: &String| !is_line(text)) {
        return Err(FrameError::Rule(
            "detail is one line of at most 256 characters",
        ));
    }
    Ok(Transfer::Refuse {
        reason: required(reason, 1)?,
        retry_after_ms,
        detail,
    })
}

fn optional_bundle(w: &mut Writer, key: u64, bundle: Option<&ReceiptBundle>) {
    if let Some(bundle) = bundle {
        w.uint(key);
        bundle.write(w);
    }
}
