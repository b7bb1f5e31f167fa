//! The ASN.1 of RFC 3161 section 2.4, and its time and failure words.
//!
//! Owns: shapes only. Fails with the encoder's error, or [`StampError::Malformed`] for a time that
//! is not one. Must not decide anything.

use der::asn1::{BitString, Int, ObjectIdentifier, OctetString};
use der::{Any, Sequence, Tag};
use spki::AlgorithmIdentifierOwned;

use formats::time::{Civil, Timestamp};

use super::StampError;

/// `PKIStatus`.
pub(super) type Status = u8;

/// `TimeStampReq`.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct Request {
    pub(super) version: u8,
    pub(super) message_imprint: MessageImprint,
    #[asn1(optional = "true")]
    pub(super) policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    pub(super) nonce: Option<Int>,
    #[asn1(default = "no")]
    pub(super) certificate_wanted: bool,
    #[asn1(
        context_specific = "0",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) extensions: Option<Vec<Any>>,
}

/// `MessageImprint`.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct MessageImprint {
    pub(super) hash_algorithm: AlgorithmIdentifierOwned,
    pub(super) hashed_message: OctetString,
}

/// `TimeStampResp`; the token stays raw, it is parsed as the CMS object that it is.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct Response {
    pub(super) status: StatusInfo,
    #[asn1(optional = "true")]
    pub(super) token: Option<Any>,
}

/// `PKIStatusInfo`.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct StatusInfo {
    pub(super) status: Status,
    #[asn1(optional = "true")]
    pub(super) text: Option<Vec<String>>,
    #[asn1(optional = "true")]
    pub(super) failure: Option<BitString>,
}

impl StatusInfo {
    /// What the TSA said, for an operator.
    pub(super) fn reason(&self) -> String {
        let failure = self.failure.as_ref().and_then(|bits| {
            Failure::ALL
                .into_iter()
                .find(|failure| bits.get(failure.bit()) == Some(true))
        });
        let mut reason: Vec<String> = self.text.iter().flatten().take(4).cloned().collect();
        reason.extend(failure.map(|failure| failure.text().to_owned()));
        if reason.is_empty() {
            "no reason given".into()
        } else {
            reason.join("; ")
        }
    }
}

/// `TSTInfo`; the time stays raw because the ASN.1 library reads whole seconds only.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct TstInfo {
    pub(super) version: u8,
    pub(super) policy: ObjectIdentifier,
    pub(super) message_imprint: MessageImprint,
    pub(super) serial: Int,
    pub(super) time: Any,
    #[asn1(optional = "true")]
    pub(super) accuracy: Option<Accuracy>,
    #[asn1(default = "no")]
    pub(super) ordering: bool,
    #[asn1(optional = "true")]
    pub(super) nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) tsa: Option<Any>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(super) extensions: Option<Vec<Any>>,
}

impl TstInfo {
    /// The token's time, cut to milliseconds.
    pub(super) fn time(&self) -> Result<Timestamp, StampError> {
        if self.time.header().tag() != Tag::GeneralizedTime {
            return Err(StampError::Malformed("time"));
        }
        read_time(self.time.value()).ok_or(StampError::Malformed("time"))
    }
}

/// `Accuracy`.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(super) struct Accuracy {
    #[asn1(optional = "true")]
    pub(super) seconds: Option<u32>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) micros: Option<u16>,
}

impl Accuracy {
    /// Absent parts count as zero (RFC 3161 section 2.4.2).
    pub(super) fn of_milliseconds(ms: u64) -> Self {
        let millis = u16::try_from(ms % 1_000).unwrap_or_default();
        let seconds = u32::try_from(ms / 1_000).unwrap_or(u32::MAX);
        Self {
            seconds: Some(seconds).filter(|seconds| *seconds > 0),
            millis: Some(millis).filter(|millis| *millis > 0),
            micros: None,
        }
    }

    /// All parts together, rounded up.
    pub(super) fn milliseconds(&self) -> u64 {
        let part = |part: Option<u16>| u64::from(part.unwrap_or_default());
        u64::from(self.seconds.unwrap_or_default()) * 1_000
            + part(self.millis)
            + part(self.micros).div_ceil(1_000)
    }
}

/// `PKIFailureInfo`: why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The digest algorithm is not accepted.
    BadAlgorithm,
    /// The request is not readable.
    BadDataFormat,
    /// The request asks for something that does not exist.
    BadRequest,
    /// The issuer's key failed.
    SystemFailure,
    /// The issuer's clock is not sure.
    TimeNotAvailable,
    /// The request carries extensions.
    UnacceptedExtension,
    /// The request wants another policy.
    UnacceptedPolicy,
}

impl Failure {
    const ALL: [Self; 7] = [
        Self::BadAlgorithm,
        Self::BadDataFormat,
        Self::BadRequest,
        Self::SystemFailure,
        Self::TimeNotAvailable,
        Self::UnacceptedExtension,
        Self::UnacceptedPolicy,
    ];

    /// The bit of RFC 3161 section 2.4.2.
    pub(super) const fn bit(self) -> usize {
        match self {
            Self::BadAlgorithm => 0,
            Self::BadRequest => 2,
            Self::BadDataFormat => 5,
            Self::TimeNotAvailable => 14,
            Self::UnacceptedPolicy => 15,
            Self::UnacceptedExtension => 16,
            Self::SystemFailure => 25,
        }
    }

    /// The words that go beside it.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::BadAlgorithm => "digest algorithm not accepted",
            Self::BadDataFormat => "request not readable",
            Self::BadRequest => "request not supported",
            Self::SystemFailure => "internal failure",
            Self::TimeNotAvailable => "time not available",
            Self::UnacceptedExtension => "extensions not accepted",
            Self::UnacceptedPolicy => "policy not accepted",
        }
    }

    /// A named-bit BIT STRING ends with its last set bit (X.690 section 11.2.2).
    pub(super) fn bits(self) -> Result<BitString, der::Error> {
        let bit = self.bit();
        let mut bytes = vec![0u8; bit / 8 + 1];
        if let Some(last) = bytes.last_mut() {
            *last = 0x80 >> (bit % 8);
        }
        let unused = u8::try_from(7 - bit % 8).map_err(|_| der::ErrorKind::Overflow)?;
        BitString::new(unused, bytes)
    }
}

/// `GeneralizedTime` with milliseconds, without trailing zeros (RFC 3161 section 2.4.2).
pub(super) fn generalized_time(at: Timestamp) -> Result<Any, der::Error> {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
        millisecond,
    } = at.civil();
    let mut text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}");
    if millisecond > 0 {
        let fraction = format!(".{millisecond:03}");
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    Any::new(Tag::GeneralizedTime, text.into_bytes())
}

fn read_time(bytes: &[u8]) -> Option<Timestamp> {
    let text = core::str::from_utf8(bytes).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = match text.split_once('.') {
        None => (text, ""),
        // DER: a fraction is not empty and does not end with a zero.
        Some((_, fraction)) if fraction.is_empty() || fraction.ends_with('0') => return None,
        Some(parts) => parts,
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<u16>().ok();
    let small = |from: usize, to: usize| u8::try_from(number(from, to)?).ok();
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    Timestamp::from_civil(Civil {
        year: number(0, 4)?,
        month: small(4, 6)?,
        day: small(6, 8)?,
        hour: small(8, 10)?,
        minute: small(10, 12)?,
        second: small(12, 14)?,
        millisecond: thousandths.parse().ok()?,
    })
}

const fn no() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_fractions_come_back() {
        for ms in [
            0,
            1,
            1_790_000_000_000,
            1_790_000_000_120,
            1_790_000_000_999,
        ] {
            let at = Timestamp::from_unix_ms(ms);
            let any = generalized_time(at).unwrap();
            assert_eq!(read_time(any.value()), Some(at), "{ms}");
        }
        assert_eq!(
            read_time(b"20261122033102.1149999Z"),
            Some(Timestamp::parse_rfc3339("2026-11-22T03:31:02.114Z").unwrap())
        );
        for bad in [
            "20261122033102",
            "20261122033102.Z",
            "20261122033102.10Z",
            "202611220331Z",
            "20261322033102Z",
            "20261122033102+0700",
            "2026112203310aZ",
            "",
            "Z",
        ] {
            assert_eq!(read_time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn failure_bits_stand_where_the_standard_has_them() {
        for failure in Failure::ALL {
            let bits = failure.bits().unwrap();
            let set: Vec<usize> = (0..32).filter(|bit| bits.get(*bit) == Some(true)).collect();
            assert_eq!(set, [failure.bit()]);
            assert_eq!(bits.bit_len(), failure.bit() + 1);
        }
    }
}
