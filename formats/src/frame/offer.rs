//! The offer: first frame of a transfer, with header, signature and perhaps the whole body.
//!
//! The header is carried as bytes; whether it is a header is found out by its own decoder.

use std::collections::BTreeSet;

use super::{FrameError, PAIRS_MAX, Set, kind, read_party, read_station};
use crate::cbor::{self, Reader, Writer, required};
use crate::id::{Party, StationName};
use crate::limits;

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

impl Offer {
    pub(super) fn write(&self, w: &mut Writer) {
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

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, FrameError> {
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
        let distinct: BTreeSet<&Party> = legs.iter().collect();
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
