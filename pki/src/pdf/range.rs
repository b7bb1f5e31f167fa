//! The signature dictionary and the bytes that it says are signed (ISO 32000-2 section 12.8.1).
//!
//! Owns: the rules that a byte range must keep, so that nothing but the signature itself stays
//! unsigned, and hashing of the ranges. Fails with [`Fault`] or a [`Reason`]. Must not know CMS.

use aws_lc_rs::digest;

use super::document::Document;
use super::limits;
use super::object::{Dictionary, Object, is_space};
use super::report::{Coverage, Reason};
use super::source::{Fault, Source};

/// A signature dictionary taken apart.
#[derive(Debug)]
pub(super) struct Signed {
    /// The CMS object, its padding included.
    pub(super) contents: Vec<u8>,
    pub(super) subfilter: String,
    /// `M` as written.
    pub(super) claimed: Option<Vec<u8>>,
    /// First range, second range: from, to.
    ranges: [(u64, u64); 2],
    /// Whether the ranges are from the first byte on all but the literal of `Contents`.
    tight: bool,
}

/// Reads a signature dictionary.
pub(super) fn read(
    document: &mut Document,
    source: &mut Source<'_>,
    dictionary: &Dictionary,
) -> Result<Result<Signed, Reason>, Fault> {
    let Some(Object::Text(contents)) = document.value(source, dictionary, "Contents")? else {
        return Ok(Err(Reason::Unreadable));
    };
    let subfilter = match document.value(source, dictionary, "SubFilter")? {
        Some(Object::Name(name)) => String::from_utf8_lossy(&name)
            .chars()
            .filter(|character| !character.is_control())
            .take(64)
            .collect(),
        _ => String::new(),
    };
    let claimed = match document.value(source, dictionary, "M")? {
        Some(Object::Text(text)) => Some(text.bytes),
        _ => None,
    };
    if contents.bytes.len() > limits::CMS_BYTES_MAX {
        return Ok(Err(Reason::Limit));
    }
    let numbers: Vec<Option<u64>> = match document.value(source, dictionary, "ByteRange")? {
        Some(Object::Array(all)) => all
            .iter()
            .map(|one| match one {
                Object::Integer(number) => u64::try_from(*number).ok(),
                _ => None,
            })
            .collect(),
        _ => return Ok(Err(Reason::Coverage)),
    };
    let [Some(first), Some(length), Some(second), Some(rest)] = numbers.as_slice() else {
        return Ok(Err(Reason::Coverage));
    };
    let ranges = [
        (*first, first.saturating_add(*length)),
        (*second, second.saturating_add(*rest)),
    ];
    let [head, tail] = ranges;
    if head.1 > tail.0 || tail.1 > source.bytes() {
        return Ok(Err(Reason::Coverage));
    }
    let tight = head.0 == 0 && contents.hexadecimal && contents.span == Some((head.1, tail.0));
    Ok(Ok(Signed {
        contents: contents.bytes,
        subfilter,
        claimed,
        ranges,
        tight,
    }))
}

impl Signed {
    /// After the last signed byte.
    pub(super) const fn end(&self) -> u64 {
        self.ranges[1].1
    }

    /// How much is covered, given where the end mark of the revision stops that ends here, and the
    /// length of the file.
    pub(super) fn coverage(
        &self,
        source: &mut Source<'_>,
        mark_end: Option<u64>,
    ) -> Result<Coverage, Fault> {
        let end = self.end();
        let Some(mark_end) = mark_end.filter(|_| self.tight) else {
            return Ok(Coverage::Partial);
        };
        if end < mark_end || !is_blank(source, mark_end, end)? {
            return Ok(Coverage::Partial);
        }
        let file_end = source.bytes();
        if is_blank(source, end, file_end)? {
            Ok(Coverage::WholeFile)
        } else {
            Ok(Coverage::WholeRevision)
        }
    }

    /// Whether a signature over these bytes could be passed off as one over signed attributes
    /// (they begin with a SET): only for signatures without attributes.
    pub(super) fn looks_like_attributes(&self, source: &mut Source<'_>) -> Result<bool, Fault> {
        Ok(source.byte(self.ranges[0].0)? == Some(SET_TAG))
    }

    /// The digest of the signed bytes.
    pub(super) fn digest(
        &self,
        source: &mut Source<'_>,
        algorithm: &'static digest::Algorithm,
    ) -> Result<digest::Digest, Fault> {
        let mut context = digest::Context::new(algorithm);
        for (from, to) in self.ranges {
            source.stream(from, to, |piece| context.update(piece))?;
        }
        Ok(context.finish())
    }
}

/// Whether only white space stands between two places, which may be a few line ends.
fn is_blank(source: &mut Source<'_>, from: u64, to: u64) -> Result<bool, Fault> {
    if to.saturating_sub(from) > BLANK_BYTES_MAX {
        return Ok(false);
    }
    for at in from..to {
        if !source.byte(at)?.is_some_and(is_space) {
            return Ok(false);
        }
    }
    Ok(true)
}

const SET_TAG: u8 = 0x31;
/// Line ends and padding after an end mark.
const BLANK_BYTES_MAX: u64 = 1024;
