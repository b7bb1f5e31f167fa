//! Frames of the control stream: greeting, heartbeat, farewell; those about logs are written in [`super::heads`].
//!
//! Bytes only; when which frame is due is decided in `relay::link`.

use super::heads;
use super::{
    FrameError, PAIRS_MAX, Set, kind, open, optional_uint, read_reason, read_station, with_prefix,
};
use crate::cbor::{self, Reader, Writer, required};
use crate::checkpoint::{LogOrigin, SignedCheckpoint};
use crate::id::{Digest, StationName};
use crate::reason::Reason;
use crate::time::Timestamp;

/// Versions of the protocol that a station speaks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The lowest, at least 1.
    pub lowest: u32,
    /// The highest.
    pub highest: u32,
}

impl Versions {
    /// What this code speaks. From version 2 on there are frames about heads of logs.
    pub const OURS: Self = Self {
        lowest: 1,
        highest: 2,
    };

    /// The version from which on a peer understands [`Control::Heads`], [`Control::Prove`] and
    /// [`Control::Proof`].
    pub const WITH_HEADS: u32 = 2;

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
    /// The newest heads of logs that the speaker holds, its own among them.
    Heads {
        /// 1 to [`crate::limits::HEADS_PER_FRAME_MAX`], without tokens.
        heads: Vec<SignedCheckpoint>,
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
    /// Answers a `Prove`.
    Proof {
        /// The number of the `Prove`.
        number: u64,
        /// The path (RFC 6962 section 2.1.2); `None`: the log does not have these sizes.
        path: Option<Vec<Digest>>,
    },
    /// Asks for the proof that a log at one size is the beginning of it at another.
    Prove {
        /// Chosen by the asker.
        number: u64,
        /// Which log.
        origin: LogOrigin,
        /// The smaller size.
        old: u64,
        /// The larger size.
        new: u64,
        /// How many stations may still pass the question on, at most
        /// [`crate::limits::PROVE_HOPS_MAX`].
        hops: u32,
    },
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
            Self::Heads { heads } => heads::write_heads(&mut w, heads),
            Self::Proof { number, path } => heads::write_proof(&mut w, *number, path.as_deref()),
            Self::Prove {
                number,
                origin,
                old,
                new,
                hops,
            } => heads::write_prove(&mut w, *number, origin, (*old, *new), *hops),
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
            kind::HEADS => heads::read_heads(&mut r)?,
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
            kind::PROOF => heads::read_proof(&mut r)?,
            kind::PROVE => heads::read_prove(&mut r)?,
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
