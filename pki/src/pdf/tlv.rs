//! Walking BER as foreign signers write it.
//!
//! Owns: tag, length, value, and the leaves that signatures share. Signed attributes of common desktop signers are not
//! sorted as DER asks, and the signature is over the bytes as they stand, so they are never
//! re-encoded here. Fails with `None`. Must not know what the values mean.

use der::Decode;
use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;

use formats::time::Timestamp;

/// One value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlv<'b> {
    pub(crate) tag: u8,
    pub(crate) content: &'b [u8],
    /// With tag and length.
    pub(crate) whole: &'b [u8],
}

impl<'b> Tlv<'b> {
    /// The first value of some bytes, and what follows it.
    pub(crate) fn first(bytes: &'b [u8]) -> Option<(Self, &'b [u8])> {
        Self::nested(bytes, INDEFINITE_DEPTH_MAX)
    }

    /// Values without a length end with two zero bytes (X.690 section 8.1.3.6); libraries in use
    /// write the outer ones so.
    fn nested(bytes: &'b [u8], depth: usize) -> Option<(Self, &'b [u8])> {
        let (tag, rest) = bytes.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = rest.split_first()?;
        if *length == 0x80 {
            return Self::without_length(bytes, *tag, rest, depth.checked_sub(1)?);
        }
        let (length, rest) = if *length < 0x80 {
            (usize::from(*length), rest)
        } else {
            let octets = usize::from(length & 0x7f);
            if octets == 0 || octets > 4 {
                return None;
            }
            let (octets, rest) = rest.split_at_checked(octets)?;
            let length = octets
                .iter()
                .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
            (length, rest)
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = bytes.get(..bytes.len().checked_sub(after.len())?)?;
        Some((
            Self {
                tag: *tag,
                content,
                whole,
            },
            after,
        ))
    }

    fn without_length(
        bytes: &'b [u8],
        tag: u8,
        inside: &'b [u8],
        depth: usize,
    ) -> Option<(Self, &'b [u8])> {
        if tag & 0x20 == 0 {
            return None;
        }
        let mut rest = inside;
        loop {
            if let Some(after) = rest.strip_prefix(&[0, 0]) {
                let content = inside.get(..inside.len().checked_sub(rest.len())?)?;
                let whole = bytes.get(..bytes.len().checked_sub(after.len())?)?;
                let value = Self {
                    tag,
                    content,
                    whole,
                };
                return Some((value, after));
            }
            (_, rest) = Self::nested(rest, depth)?;
        }
    }

    /// The values inside, at most this many; none if one is malformed or there are more.
    pub(crate) fn children(&self, most: usize) -> Option<Vec<Self>> {
        let mut rest = self.content;
        let mut all = Vec::new();
        while !rest.is_empty() {
            if all.len() >= most {
                return None;
            }
            let (child, after) = Self::first(rest)?;
            all.push(child);
            rest = after;
        }
        Some(all)
    }

    /// The value if it has this tag.
    pub(crate) fn tagged(self, tag: u8) -> Option<Self> {
        (self.tag == tag).then_some(self)
    }
}

pub(crate) fn oid(value: Tlv<'_>) -> Option<ObjectIdentifier> {
    ObjectIdentifier::from_der(value.tagged(OID)?.whole).ok()
}

pub(crate) fn identifier(value: Tlv<'_>) -> Option<AlgorithmIdentifierOwned> {
    AlgorithmIdentifierOwned::from_der(value.whole).ok()
}

/// An implicitly tagged identifier: its two parts without the SEQUENCE around them.
pub(crate) fn identifier_content(content: &[u8]) -> Option<AlgorithmIdentifierOwned> {
    let (kind, rest) = Tlv::first(content)?;
    let parameters = match rest {
        [] => None,
        bytes => Some(der::Any::from_der(bytes).ok()?),
    };
    Some(AlgorithmIdentifierOwned {
        oid: oid(kind)?,
        parameters,
    })
}

/// UTCTime or GeneralizedTime with seconds.
pub(crate) fn time(value: Tlv<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(value.content).ok()?.strip_suffix('Z')?;
    let text = text.split_once('.').map_or(text, |(whole, _)| whole);
    let year = match value.tag {
        UTC_TIME if text.len() == 12 => {
            let short: u16 = text.get(..2)?.parse().ok()?;
            // RFC 5280 section 4.1.2.5.1.
            if short < 50 {
                2000 + short
            } else {
                1900 + short
            }
        }
        GENERALIZED_TIME if text.len() == 14 => text.get(..4)?.parse().ok()?,
        _ => return None,
    };
    let rest = text.get(text.len().checked_sub(10)?..)?;
    let part = |from: usize| rest.get(from..from + 2)?.parse::<u8>().ok();
    Timestamp::from_civil(formats::time::Civil {
        year,
        month: part(0)?,
        day: part(2)?,
        hour: part(4)?,
        minute: part(6)?,
        second: part(8)?,
        millisecond: 0,
    })
}

/// ContentInfo, its content, SignedData, its sets: five levels, and some room.
const INDEFINITE_DEPTH_MAX: usize = 8;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const UTC_TIME: u8 = 0x17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_and_without_length_are_read() {
        let all: [(&[u8], &[u8], &[u8]); 3] = [
            (&[0x30, 0x01, 0x05, 0x00], &[0x05], &[0x00]),
            (&[0x30, 0x81, 0x01, 0x05], &[0x05], &[]),
            (
                &[0x30, 0x80, 0x04, 0x01, 0x07, 0x00, 0x00, 0x09],
                &[0x04, 0x01, 0x07],
                &[0x09],
            ),
        ];
        for (bytes, content, rest) in all {
            let (value, after) = Tlv::first(bytes).unwrap();
            assert_eq!((value.content, after), (content, rest));
            assert_eq!(value.whole.len() + after.len(), bytes.len());
        }
        let bad: [&[u8]; 6] = [
            &[],
            &[0x30],
            &[0x30, 0x05, 0x00],
            &[0x30, 0x80, 0x04, 0x01],
            &[0x04, 0x80, 0x00, 0x00],
            &[0x1f, 0x81, 0x01],
        ];
        for bytes in bad {
            assert!(Tlv::first(bytes).is_none(), "{bytes:02x?}");
        }
        assert!(Tlv::first(&[0x30, 0x80].repeat(100_000)).is_none());
    }
}
