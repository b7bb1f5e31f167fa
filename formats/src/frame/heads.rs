//! Frames of the control stream about logs: heads that stations tell each other, and questions for
//! consistency proofs. Version 2 of the protocol. Bytes only; who believes what is `relay::evidence`.

use super::{FrameError, PAIRS_MAX, Set, kind};
use crate::cbor::{Reader, Writer, required};
use crate::checkpoint::{LogOrigin, SignedCheckpoint};
use crate::frame::Control;
use crate::id::Digest;
use crate::limits;

pub(super) fn write_heads(w: &mut Writer, heads: &[SignedCheckpoint]) {
    w.array(2).uint(kind::HEADS).map(1);
    w.uint(1).array(heads.len());
    for head in heads {
        head.write(w);
    }
}

pub(super) fn read_heads(r: &mut Reader<'_>) -> Result<Control, FrameError> {
    let mut heads = None;
    r.map(PAIRS_MAX, "heads", |key, r| match key {
        1 => heads.set(read_list(r)),
        _ => Ok::<_, FrameError>(false),
    })?;
    Ok(Control::Heads {
        heads: required(heads, 1)?,
    })
}

fn read_list(r: &mut Reader<'_>) -> Result<Vec<SignedCheckpoint>, FrameError> {
    let count = r.array(limits::HEADS_PER_FRAME_MAX, "heads")?;
    if count == 0 {
        return Err(FrameError::Rule("at least one head"));
    }
    let mut heads = Vec::with_capacity(count);
    for _ in 0..count {
        let head = SignedCheckpoint::read(r)?;
        if head.token.is_some() {
            return Err(FrameError::Rule("heads travel without tokens"));
        }
        heads.push(head);
    }
    Ok(heads)
}

pub(super) fn write_prove(
    w: &mut Writer,
    number: u64,
    origin: &LogOrigin,
    (old, new): (u64, u64),
    hops: u32,
) {
    w.array(2).uint(kind::PROVE).map(5);
    w.uint(1).uint(number).uint(2).text(&origin.to_string());
    w.uint(3).uint(old).uint(4).uint(new);
    w.uint(5).uint(hops.into());
}

pub(super) fn read_prove(r: &mut Reader<'_>) -> Result<Control, FrameError> {
    let (mut number, mut origin, mut old, mut new, mut hops) = (None, None, None, None, None);
    r.map(PAIRS_MAX, "prove", |key, r| match key {
        1 => number.set(r.uint("number")),
        2 => origin.set(read_origin(r)),
        3 => old.set(r.uint("old size")),
        4 => new.set(r.uint("new size")),
        5 => hops.set(r.uint32("hops")),
        _ => Ok::<_, FrameError>(false),
    })?;
    let (old, new, hops) = (required(old, 3)?, required(new, 4)?, required(hops, 5)?);
    if old == 0 || old >= new {
        return Err(FrameError::Rule("sizes of a proof rise from 1 on"));
    }
    if hops > limits::PROVE_HOPS_MAX {
        return Err(FrameError::Rule("a question passes few stations"));
    }
    Ok(Control::Prove {
        number: required(number, 1)?,
        origin: required(origin, 2)?,
        old,
        new,
        hops,
    })
}

fn read_origin(r: &mut Reader<'_>) -> Result<LogOrigin, FrameError> {
    // A station name, `/log/` and a number of ten digits.
    let most = limits::STATION_NAME_CHARS_MAX + 15;
    Ok(r.text(most, "origin")?.parse::<LogOrigin>()?)
}

pub(super) fn write_proof(w: &mut Writer, number: u64, path: Option<&[Digest]>) {
    w.array(2)
        .uint(kind::PROOF)
        .map(1 + usize::from(path.is_some()));
    w.uint(1).uint(number);
    if let Some(path) = path {
        w.uint(2).digests(path);
    }
}

pub(super) fn read_proof(r: &mut Reader<'_>) -> Result<Control, FrameError> {
    let (mut number, mut path) = (None, None);
    r.map(PAIRS_MAX, "proof", |key, r| match key {
        1 => number.set(r.uint("number")),
        2 => path.set(r.digests(limits::PROOF_DIGESTS_MAX, "consistency path")),
        _ => Ok::<_, FrameError>(false),
    })?;
    Ok(Control::Proof {
        number: required(number, 1)?,
        path,
    })
}
