//! Frames of the link protocol `tram/1` (architecture 10): `u32 BE length ‖ CBOR`.
//!
//! Two families: [`Control`] on the one control stream, [`Transfer`] on a stream of its own for
//! each transfer. A payload is a CBOR array `[kind, map]` with integer keys; unknown keys below 128
//! are refused, from there ignored. After `Leaves` the raw bytes of the pieces follow on the
//! stream; they are no frames. This file turns frames into bytes and back and knows no stream, no
//! order of frames and no state: that is `relay::link`. Fails with [`FrameError`].

use crate::cbor::{self, Reader, Writer, required};
use crate::id::{Digest, IdError, Party, StationName};
use crate::limits;
use crate::reason::{Reason, UnknownReason};
use crate::receipt::{ReceiptBundle, ReceiptError};
use crate::time::Timestamp;

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

/// Versions of the protocol that a station speaks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The lowest, at least 1.
    pub lowest: u32,
    /// The highest.
    pub highest: u32,
}

impl Versions {
    /// What this code speaks.
    pub const OURS: Self = Self {
        lowest: 1,
        highest: 1,
    };

    /// The highest version that both speak.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u32> {
        let highest = self.highest.min(other.highest);
        (highest >= self.lowest.max(other.lowest)).then_some(highest)
    }
}

/// What a station takes from this peer at most; the peer keeps to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerLimits {
    /// Transfers in flight at once.
    pub transfers: u32,
    /// Bytes of one body.
    pub body_bytes: u64,
    /// Bytes of a body inside an offer.
    pub inline_bytes: u32,
}

/// Frames of the control stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// The end of the link is announced.
    Bye {
        /// Why.
        reason: Reason,
        /// When to come back; `None`: as the peer likes.
        retry_after_ms: Option<u64>,
    },
    /// First frame of each end.
    Hello {
        /// Versions spoken.
        versions: Versions,
        /// Who speaks; must be the name in the TLS certificate.
        station: StationName,
        /// The clock of the speaker, for comparison.
        clock: Timestamp,
        /// What the speaker takes.
        limits: PeerLimits,
    },
    /// Asks for a `Pong` with the same number.
    Ping {
        /// Chosen by the asker.
        number: u64,
    },
    /// Answers a `Ping`.
    Pong {
        /// The number of the `Ping`.
        number: u64,
        /// The clock of the answerer.
        clock: Timestamp,
    },
}

/// An envelope offered for some of its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The header's bytes; decoded by [`crate::header::Header::decode`].
    pub header: Vec<u8>,
    /// CMS SignedData over the header.
    pub header_signature: Vec<u8>,
    /// The recipients that this offer is about; at least one.
    pub legs: Vec<Party>,
    /// Number of the attempt, set by the sender's node, from 1 on.
    pub attempt: u32,
    /// Stations already passed, the sender's first.
    pub via: Vec<StationName>,
    /// Bytes of the capsule at the begin of the body; 0 for class receipt and control.
    pub capsule_bytes: u32,
    /// W3C trace context of the operation.
    pub traceparent: Option<String>,
    /// The whole body, if it is small.
    pub inline: Option<Vec<u8>>,
}

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

mod kind {
    //! First item of a payload. Control and transfer frames have numbers of their own, so that a
    //! frame on the wrong stream is noticed.
    pub(super) const HELLO: u64 = 1;
    pub(super) const PING: u64 = 2;
    pub(super) const PONG: u64 = 3;
    pub(super) const BYE: u64 = 4;
    pub(super) const OFFER: u64 = 16;
    pub(super) const WANT: u64 = 17;
    pub(super) const HAVE: u64 = 18;
    pub(super) const REFUSE: u64 = 19;
    pub(super) const LEAVES: u64 = 20;
    pub(super) const CUSTODY: u64 = 21;
}

impl Control {
    /// The frame with its length prefix.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let mut w = Writer::new();
        match self {
            Self::Bye {
                reason,
                retry_after_ms,
            } => {
                w.array(2)
                    .uint(kind::BYE)
                    .map(1 + usize::from(retry_after_ms.is_some()));
                w.uint(1).text(reason.code());
                optional_uint(&mut w, 2, *retry_after_ms);
            }
            Self::Hello {
                versions,
                station,
                clock,
                limits,
            } => {
                w.array(2).uint(kind::HELLO).map(4);
                w.uint(1).array(2);
                w.uint(versions.lowest.into()).uint(versions.highest.into());
                w.uint(2).text(station.as_str());
                w.uint(3).uint(ms(*clock));
                w.uint(4).array(3);
                w.uint(limits.transfers.into());
                w.uint(limits.body_bytes).uint(limits.inline_bytes.into());
            }
            Self::Ping { number } => {
                w.array(2).uint(kind::PING).map(1).uint(1).uint(*number);
            }
            Self::Pong { number, clock } => {
                w.array(2).uint(kind::PONG).map(2);
                w.uint(1).uint(*number).uint(2).uint(ms(*clock));
            }
        }
        with_prefix(w)
    }

    /// Reads a payload, i.e. a frame without its length prefix.
    pub fn decode(payload: &[u8]) -> Result<Self, FrameError> {
        let (kind, mut r) = open(payload)?;
        let frame = match kind {
            kind::BYE => read_bye(&mut r)?,
            kind::HELLO => read_hello(&mut r)?,
            kind::PING => {
                let mut number = None;
                r.map(PAIRS_MAX, "ping", |key, r| match key {
                    1 => number.set(r.uint("number")),
                    _ => Ok::<_, FrameError>(false),
                })?;
                Self::Ping {
                    number: required(number, 1)?,
                }
            }
            kind::PONG => {
                let (mut number, mut clock) = (None, None);
                r.map(PAIRS_MAX, "pong", |key, r| match key {
                    1 => number.set(r.uint("number")),
                    2 => clock.set(read_time(r)),
                    _ => Ok::<_, FrameError>(false),
                })?;
                Self::Pong {
                    number: required(number, 1)?,
                    clock: required(clock, 2)?,
                }
            }
            other => return Err(FrameError::UnknownKind(other)),
        };
        r.finish()?;
        Ok(frame)
    }
}

fn read_bye(r: &mut Reader<'_>) -> Result<Control, FrameError> {
    let (mut reason, mut retry_after_ms) = (None, None);
    r.map(PAIRS_MAX, "bye", |key, r| match key {
        1 => reason.set(read_reason(r)),
        2 => retry_after_ms.set(r.uint("retry after")),
        _ => Ok::<_, FrameError>(false),
    })?;
    Ok(Control::Bye {
        reason: required(reason, 1)?,
        retry_after_ms,
    })
}

fn read_hello(r: &mut Reader<'_>) -> Result<Control, FrameError> {
    let (mut versions, mut station, mut clock, mut limits) = (None, None, None, None);
    r.map(PAIRS_MAX, "hello", |key, r| match key {
        1 => {
            r.array_exact(2, "versions")?;
            let (lowest, highest) = (r.uint32("lowest")?, r.uint32("highest")?);
            if lowest == 0 || lowest > highest {
                return Err(FrameError::Rule("versions are a range from 1 on"));
            }
            versions = Some(Versions { lowest, highest });
            Ok(true)
        }
        2 => station.set(read_station(r)),
        3 => clock.set(read_time(r)),
        4 => {
            r.array_exact(3, "limits")?;
            limits = Some(PeerLimits {
                transfers: r.uint32("transfers")?,
                body_bytes: r.uint("body bytes")?,
                inline_bytes: r.uint32("inline bytes")?,
            });
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(Control::Hello {
        versions: required(versions, 1)?,
        station: required(station, 2)?,
        clock: required(clock, 3)?,
        limits: required(limits, 4)?,
    })
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

/// One short line: it ends up in the log of another operator.
fn is_line(text: &str) -> bool {
    text.chars().count() <= limits::REFUSAL_DETAIL_CHARS_MAX && !text.chars().any(char::is_control)
}

impl Offer {
    fn write(&self, w: &mut Writer) {
        let optional = [
            !self.via.is_empty(),
            self.traceparent.is_some(),
            self.inline.is_some(),
        ];
        w.array(2).uint(kind::OFFER);
        w.map(5 + optional.into_iter().filter(|present| *present).count());
        w.uint(1).bytes(&self.header);
        w.uint(2).bytes(&self.header_signature);
        w.uint(3).array(self.legs.len());
        for leg in &self.legs {
            w.text(leg.as_str());
        }
        w.uint(4).uint(self.attempt.into());
        if !self.via.is_empty() {
            w.uint(5).array(self.via.len());
            for station in &self.via {
                w.text(station.as_str());
            }
        }
        w.uint(6).uint(self.capsule_bytes.into());
        if let Some(traceparent) = &self.traceparent {
            w.uint(7).text(traceparent);
        }
        if let Some(inline) = &self.inline {
            w.uint(8).bytes(inline);
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
        let (mut header, mut header_signature, mut legs) = (None, None, None);
        let (mut attempt, mut via, mut capsule_bytes) = (None, None, None);
        let (mut traceparent, mut inline) = (None, None);
        r.map(PAIRS_MAX, "offer", |key, r| match key {
            1 => header.set(r.bytes(limits::HEADER_BYTES_MAX, "header")),
            2 => header_signature.set(r.bytes(limits::SIGNATURE_BYTES_MAX, "header signature")),
            3 => legs.set(read_list(r, limits::RECIPIENTS_MAX, "legs", read_party)),
            4 => attempt.set(r.uint32("attempt")),
            5 => via.set(read_list(r, limits::HOPS_MAX, "via", read_station)),
            6 => capsule_bytes.set(r.uint32("capsule bytes")),
            7 => traceparent.set(r.text(limits::TRACEPARENT_CHARS_MAX, "traceparent")),
            8 => inline.set(r.bytes(inline_max(), "inline body")),
            _ => Ok::<_, FrameError>(false),
        })?;
        let traceparent = traceparent.map(str::to_owned);
        if traceparent
            .as_ref()
            .is_some_and(|text| !text.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(FrameError::Rule("traceparent is visible ASCII"));
        }
        let legs: Vec<Party> = required(legs, 3)?;
        let distinct: std::collections::BTreeSet<&Party> = legs.iter().collect();
        if distinct.len() != legs.len() {
            return Err(FrameError::Rule("no leg twice"));
        }
        Ok(Self {
            header: required(header, 1)?.to_vec(),
            header_signature: required(header_signature, 2)?.to_vec(),
            attempt: required(attempt, 4)?,
            via: via.unwrap_or_default(),
            capsule_bytes: required(capsule_bytes, 6)?,
            inline: inline.map(<[u8]>::to_vec),
            traceparent,
            legs,
        })
    }
}

fn inline_max() -> usize {
    usize::try_from(limits::INLINE_BODY_BYTES_MAX).unwrap_or(usize::MAX)
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

/// A list that is left out when empty, so that it has one encoding.
fn read_list<T>(
    r: &mut Reader<'_>,
    max: usize,
    what: &'static str,
    item: impl Fn(&mut Reader<'_>) -> Result<T, FrameError>,
) -> Result<Vec<T>, FrameError> {
    match r.array(max, what)? {
        0 => Err(cbor::Error::Value { what }.into()),
        count => (0..count).map(|_| item(r)).collect(),
    }
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

fn read_time(r: &mut Reader<'_>) -> Result<Timestamp, FrameError> {
    let not_allowed = cbor::Error::Value { what: "clock" };
    let ms = i64::try_from(r.uint("clock")?).map_err(|_| not_allowed.clone())?;
    let time = Timestamp::from_unix_ms(ms);
    if time.unix_ms() == ms {
        Ok(time)
    } else {
        Err(not_allowed.into())
    }
}

/// Milliseconds as CBOR; a clock before 1970 is shown as 1970.
fn ms(time: Timestamp) -> u64 {
    u64::try_from(time.unix_ms()).unwrap_or(0)
}

fn optional_uint(w: &mut Writer, key: u64, value: Option<u64>) {
    if let Some(value) = value {
        w.uint(key).uint(value);
    }
}

fn optional_bundle(w: &mut Writer, key: u64, bundle: Option<&ReceiptBundle>) {
    if let Some(bundle) = bundle {
        w.uint(key);
        bundle.write(w);
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
