//! Frames of the link protocol `tram/1` (architecture 10): `u32 BE length ‖ CBOR`.
//!
//! Two families: [`Control`] on the one control stream, [`Transfer`] on a stream of its own for
//! each transfer. A payload is a CBOR array `[kind, map]` with integer keys; unknown keys below 128
//! are refused, from there ignored. After `Leaves` the raw bytes of the pieces follow on the
//! stream; they are no frames. This file turns frames into bytes and back and knows no stream, no
//! order of frames and no state: that is `relay::link`. Fails with [`FrameError`].

mod control;
mod heads;
mod offer;
mod transfer;

use crate::cbor::{self, Reader, Writer};
use crate::checkpoint::CheckpointError;
use crate::id::{IdError, Party, StationName};
use crate::limits;
use crate::reason::{Reason, UnknownReason};
use crate::receipt::ReceiptError;

pub use control::{Control, PeerLimits, Versions};
pub use offer::Offer;
pub use transfer::Transfer;

/// Bytes of the length prefix.
pub const PREFIX_BYTES: usize = 4;

/// Pairs in a frame's map at most.
const PAIRS_MAX: usize = 32;

/// Why bytes are not a frame. The fault is the peer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not deterministic CBOR of the right shape.
    #[error(transparent)]
    Cbor(#[from] cbor::Error),
    /// A name in it is not a name.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The name of a log in it is not one.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A receipt bundle in it is not one.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A reason code that is not known.
    #[error(transparent)]
    Reason(#[from] UnknownReason),
    /// A rule between fields is broken.
    #[error("frame rule broken: {0}")]
    Rule(&'static str),
    /// Longer than any frame may be.
    #[error("frame of {0} bytes is too long")]
    TooLong(usize),
    /// A kind of frame that this family does not have.
    #[error("frame kind {0} is not known here")]
    UnknownKind(u64),
}

/// Length of the payload that follows this prefix. Checked before anything is allocated.
pub fn payload_bytes(prefix: [u8; PREFIX_BYTES]) -> Result<usize, FrameError> {
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length > limits::FRAME_BYTES_MAX {
        Err(FrameError::TooLong(length))
    } else {
        Ok(length)
    }
}

mod kind {
    //! First item of a payload. Control and transfer frames have numbers of their own, so that a
    //! frame on the wrong stream is noticed.
    pub(super) const HELLO: u64 = 1;
    pub(super) const PING: u64 = 2;
    pub(super) const PONG: u64 = 3;
    pub(super) const BYE: u64 = 4;
    pub(super) const HEADS: u64 = 5;
    pub(super) const PROVE: u64 = 6;
    pub(super) const PROOF: u64 = 7;
    pub(super) const OFFER: u64 = 16;
    pub(super) const WANT: u64 = 17;
    pub(super) const HAVE: u64 = 18;
    pub(super) const REFUSE: u64 = 19;
    pub(super) const LEAVES: u64 = 20;
    pub(super) const CUSTODY: u64 = 21;
}

/// Fills the place of a field while a map is read, and says that its key was known.
trait Set<T> {
    fn set<E: Into<FrameError>>(&mut self, value: Result<T, E>) -> Result<bool, FrameError>;
}

impl<T> Set<T> for Option<T> {
    fn set<E: Into<FrameError>>(&mut self, value: Result<T, E>) -> Result<bool, FrameError> {
        *self = Some(value.map_err(Into::into)?);
        Ok(true)
    }
}

/// One short line: it ends up in the log of another operator.
fn is_line(text: &str) -> bool {
    text.chars().count() <= limits::REFUSAL_DETAIL_CHARS_MAX && !text.chars().any(char::is_control)
}

fn read_party(r: &mut Reader<'_>) -> Result<Party, FrameError> {
    Ok(r.text(limits::STATION_NAME_CHARS_MAX, "party")?
        .parse::<Party>()?)
}

fn read_station(r: &mut Reader<'_>) -> Result<StationName, FrameError> {
    Ok(StationName::parse(
        r.text(limits::STATION_NAME_CHARS_MAX, "station")?,
    )?)
}

fn read_reason(r: &mut Reader<'_>) -> Result<Reason, FrameError> {
    Ok(r.text(64, "reason")?.parse::<Reason>()?)
}

fn optional_uint(w: &mut Writer, key: u64, value: Option<u64>) {
    if let Some(value) = value {
        w.uint(key).uint(value);
    }
}

/// Reads `[kind, …`; the map stands next.
fn open(payload: &[u8]) -> Result<(u64, Reader<'_>), FrameError> {
    if payload.len() > limits::FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(payload.len()));
    }
    let mut r = Reader::new(payload);
    r.array_exact(2, "frame")?;
    let kind = r.uint("frame kind")?;
    Ok((kind, r))
}

fn with_prefix(w: Writer) -> Result<Vec<u8>, FrameError> {
    let payload = w.finish();
    let too_long = FrameError::TooLong(payload.len());
    if payload.len() > limits::FRAME_BYTES_MAX {
        return Err(too_long);
    }
    let length = u32::try_from(payload.len()).map_err(|_| too_long)?;
    Ok([&length.to_be_bytes()[..], &payload].concat())
}

#[cfg(test)]
mod tests;
