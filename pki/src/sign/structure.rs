//! The ASN.1 shape of SignedData as we accept it: DER and nothing else.
//!
//! Owns: the outer structures, the strict decoder and the DER walker. Fails with [`NotDer`], never
//! by a panic, on any bytes. Must not know keys, roles or what the content means.
//!
//! Embedded certificates and CRLs stay raw bytes in the order in which they came: the signature
//! does not cover them, stock time-stamp authorities do not sort them, and tripping over a foreign
//! issuer's harmless quirk would buy nothing. Everything else must come out of the encoder as it
//! went in.

use cms::content_info::CmsVersion;
use cms::signed_data::{EncapsulatedContentInfo, SignerInfo};
use der::asn1::{ObjectIdentifier, SetOfVec};
use der::{Any, Decode, Encode, Sequence};
use spki::AlgorithmIdentifierOwned;

use formats::limits;

/// The bytes are not the DER encoding of what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not strict DER: {0}")]
pub struct NotDer(pub(crate) String);

impl From<der::Error> for NotDer {
    fn from(error: der::Error) -> Self {
        Self(error.to_string())
    }
}

/// `ContentInfo` of RFC 5652 section 3.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct Outer {
    pub(crate) content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(crate) content: Any,
}

/// `SignedData` of RFC 5652 section 5.1 with certificates and CRLs left as they came.
#[derive(Clone, Debug, Eq, PartialEq, Sequence)]
pub(crate) struct SignedDataRaw {
    pub(crate) version: CmsVersion,
    pub(crate) digest_algorithms: SetOfVec<AlgorithmIdentifierOwned>,
    pub(crate) encap_content_info: EncapsulatedContentInfo,
    #[asn1(
        context_specific = "0",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(crate) certificates: Option<Vec<Any>>,
    #[asn1(
        context_specific = "1",
        tag_mode = "IMPLICIT",
        constructed = "true",
        optional = "true"
    )]
    pub(crate) crls: Option<Vec<Any>>,
    pub(crate) signer_infos: SetOfVec<SignerInfo>,
}

/// Decodes and encodes again: whatever differs (BER lengths, unsorted sets, trailing bytes) is
/// refused.
///
/// # Errors
/// [`NotDer`] when the bytes are not exactly one DER value of this type.
pub(crate) fn strict<T>(bytes: &[u8]) -> Result<T, NotDer>
where
    T: for<'a> Decode<'a, Error = der::Error> + Encode,
{
    let value = T::from_der(bytes)?;
    if value.to_der()? == bytes {
        Ok(value)
    } else {
        Err(NotDer("the encoding is not canonical".into()))
    }
}

/// Opens a `ContentInfo` of one kind and decodes its content strictly.
///
/// # Errors
/// [`NotDer`] for another content type or any deviation from DER.
pub(crate) fn open_content_info<T>(bytes: &[u8], kind: ObjectIdentifier) -> Result<T, NotDer>
where
    T: for<'a> Decode<'a, Error = der::Error> + Encode,
{
    if bytes.len() > CMS_BYTES_MAX {
        return Err(NotDer(format!(
            "{} bytes are more than a CMS object may have",
            bytes.len()
        )));
    }
    let outer: Outer = strict(bytes)?;
    if outer.content_type != kind {
        return Err(NotDer(format!(
            "content type {} instead of {kind}",
            outer.content_type
        )));
    }
    strict(&outer.content.to_der()?)
}

/// Wraps a value into a `ContentInfo`.
///
/// # Errors
/// [`NotDer`] when the value does not encode (a length beyond DER's range).
pub(crate) fn wrap_content_info<T: Encode>(
    value: &T,
    kind: ObjectIdentifier,
) -> Result<Vec<u8>, NotDer> {
    let content = Any::from_der(&value.to_der()?)?;
    Ok(Outer {
        content_type: kind,
        content,
    }
    .to_der()?)
}

/// Walks a DER value to its leaves. The typed decoder keeps values of unknown type as they are;
/// this is what refuses BER hidden inside them.
///
/// # Errors
/// [`NotDer`] naming the first deviation.
pub(crate) fn check_der(bytes: &[u8]) -> Result<(), NotDer> {
    let (_, rest) = check_element(bytes, 0)?;
    if rest.is_empty() {
        Ok(())
    } else {
        Err(NotDer("bytes after the value".into()))
    }
}

fn check_element(input: &[u8], depth: usize) -> Result<(&[u8], &[u8]), NotDer> {
    if depth > DEPTH_MAX {
        return Err(NotDer(format!("nested deeper than {DEPTH_MAX}")));
    }
    let (tag, header_bytes, content_bytes) = read_header(input)?;
    let end = header_bytes.checked_add(content_bytes);
    let (element, rest) = end
        .and_then(|end| input.split_at_checked(end))
        .ok_or_else(|| NotDer("a length runs past the end".into()))?;
    let content = element.get(header_bytes..).unwrap_or_default();
    if tag & 0x20 == 0 {
        check_primitive(tag, content)?;
        return Ok((element, rest));
    }
    if tag & 0xc0 == 0 && tag != 0x30 && tag != 0x31 {
        return Err(NotDer(format!(
            "constructed form of universal type {tag:#04x}"
        )));
    }
    let mut children = content;
    let mut previous: &[u8] = &[];
    while !children.is_empty() {
        let (child, after) = check_element(children, depth + 1)?;
        // X.690 section 11.6: the encodings of a SET OF ascend.
        if tag == 0x31 && previous > child {
            return Err(NotDer("a set is not in ascending order".into()));
        }
        previous = child;
        children = after;
    }
    Ok((element, rest))
}

fn read_header(input: &[u8]) -> Result<(u8, usize, usize), NotDer> {
    let (&tag, after_tag) = input
        .split_first()
        .ok_or_else(|| NotDer("a value is missing".into()))?;
    if tag & 0x1f == 0x1f {
        return Err(NotDer("a tag number above 30".into()));
    }
    let (&first, after_first) = after_tag
        .split_first()
        .ok_or_else(|| NotDer("a length is missing".into()))?;
    if first < 0x80 {
        return Ok((tag, 2, usize::from(first)));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 4 {
        return Err(NotDer("an indefinite or oversized length".into()));
    }
    let octets_read = after_first
        .get(..octets)
        .ok_or_else(|| NotDer("a length runs past the end".into()))?;
    let length = octets_read
        .iter()
        .fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
    let minimal = if octets == 1 {
        length >= 0x80
    } else {
        octets_read.first() != Some(&0)
    };
    if !minimal {
        return Err(NotDer("a length is not in its shortest form".into()));
    }
    Ok((tag, 2 + octets, length))
}

fn check_primitive(tag: u8, content: &[u8]) -> Result<(), NotDer> {
    let good = match tag {
        0x01 => matches!(content, [0x00 | 0xff]),
        0x02 | 0x0a => match content {
            [] => false,
            [first, second, ..] => {
                !(*first == 0x00 && second & 0x80 == 0 || *first == 0xff && second & 0x80 != 0)
            }
            [_] => true,
        },
        0x03 => match content {
            [] => false,
            [unused] => *unused == 0,
            [unused, .., last] => *unused < 8 && u32::from(*unused) <= last.trailing_zeros(),
        },
        0x05 => content.is_empty(),
        0x06 => !content.is_empty(),
        0x00 | 0x10 | 0x11 => false,
        _ => true,
    };
    if good {
        Ok(())
    } else {
        Err(NotDer(format!("a malformed value of type {tag:#04x}")))
    }
}

/// The largest attached content is a record; around it stand a chain, a signature and a token.
const CMS_BYTES_MAX: usize = limits::RECORD_BYTES_MAX + limits::SIGNATURE_BYTES_MAX;
/// Names inside extensions inside certificates reach about 12.
const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walker_accepts_der_and_names_what_is_not() {
        let good: [&[u8]; 5] = [
            &[0x30, 0x03, 0x02, 0x01, 0x05],
            &[0x31, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x02],
            &[0x04, 0x00],
            &[0x03, 0x02, 0x04, 0xf0],
            &[0xa0, 0x02, 0x05, 0x00],
        ];
        for bytes in good {
            assert_eq!(check_der(bytes), Ok(()), "{bytes:02x?}");
        }
        let bad: [(&[u8], &str); 11] = [
            (&[], "a value is missing"),
            (
                &[0x30, 0x80, 0x00, 0x00],
                "an indefinite or oversized length",
            ),
            (
                &[0x24, 0x02, 0x04, 0x00],
                "constructed form of universal type 0x24",
            ),
            (
                &[0x30, 0x81, 0x03, 0x02, 0x01, 0x05],
                "a length is not in its shortest form",
            ),
            (
                &[0x31, 0x06, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01],
                "a set is not in ascending order",
            ),
            (&[0x02, 0x02, 0x00, 0x05], "a malformed value of type 0x02"),
            (&[0x01, 0x01, 0x01], "a malformed value of type 0x01"),
            (&[0x03, 0x02, 0x04, 0xff], "a malformed value of type 0x03"),
            (&[0x05, 0x00, 0x00], "bytes after the value"),
            (&[0x04, 0x05, 0x00], "a length runs past the end"),
            (&[0x1f, 0x81, 0x01, 0x00], "a tag number above 30"),
        ];
        for (bytes, reason) in bad {
            assert_eq!(check_der(bytes), Err(NotDer(reason.into())), "{bytes:02x?}");
        }
        let deep: Vec<u8> = (0..60).rev().flat_map(|left| [0x30, left * 2]).collect();
        assert_eq!(
            check_der(&deep),
            Err(NotDer("nested deeper than 32".into()))
        );
    }
}
