//! Deterministic CBOR (RFC 8949 section 4.2.1): a writer that knows one encoding for each value and
//! a reader that refuses every other one.
//!
//! Owns the byte rules that all binary formats here share: shortest integers and lengths, definite
//! lengths only, map keys are unsigned integers in strictly rising order, no tags, no floats, no
//! bytes after the item. A general CBOR library accepts several encodings of one value, so two
//! digests could name one header; that is why the reader stands here. It borrows from the input and
//! checks each declared length against the bytes left before anything is allocated. Fails with
//! [`Error`]; knows nothing of what the fields mean.

use crate::id::Digest;

/// Nesting allowed in a value that is skipped (an unknown key from [`FIRST_IGNORED_KEY`] on).
const SKIP_DEPTH_MAX: u32 = 8;

/// Unknown map keys below this refuse the map; from it on they are ignored (architecture 6), so
/// that later versions can add both what old readers must understand and what they need not.
pub const FIRST_IGNORED_KEY: u64 = 128;

/// Why bytes are not the CBOR that was expected. The fault is always the writer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Indefinite length, reserved head, tag or float.
    #[error("cbor head {head:#04x} at byte {at} is not allowed")]
    Forbidden {
        /// The first byte of the item.
        head: u8,
        /// Offset in the input.
        at: usize,
    },
    /// Map keys not strictly rising (out of order or twice the same).
    #[error("map key {key} is out of order or repeated")]
    KeyOrder {
        /// The key at fault.
        key: u64,
    },
    /// A required key is absent.
    #[error("map key {key} is missing")]
    MissingKey {
        /// The absent key.
        key: u64,
    },
    /// An integer or length not in its shortest form.
    #[error("integer at byte {at} is not in its shortest form")]
    NotShortest {
        /// Offset in the input.
        at: usize,
    },
    /// Skipped value nested too deep.
    #[error("value nested deeper than {SKIP_DEPTH_MAX}")]
    TooDeep,
    /// A string, array or map longer than its limit.
    #[error("{what} has length {length}, at most {max} allowed")]
    TooLong {
        /// Which field.
        what: &'static str,
        /// Declared length in bytes or items.
        length: u64,
        /// The limit.
        max: usize,
    },
    /// Bytes after the item.
    #[error("{0} bytes after the end")]
    Trailing(usize),
    /// The input ends inside an item.
    #[error("input ends inside {what}")]
    Truncated {
        /// Which field.
        what: &'static str,
    },
    /// Unknown map key below [`FIRST_IGNORED_KEY`].
    #[error("unknown map key {0}")]
    UnknownKey(u64),
    /// Right type, value not allowed.
    #[error("{what} has a value that is not allowed")]
    Value {
        /// Which field.
        what: &'static str,
    },
    /// Another CBOR type than expected.
    #[error("{what} has the wrong cbor type")]
    WrongType {
        /// Which field.
        what: &'static str,
    },
}

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;
const FALSE: u64 = 20;
const TRUE: u64 = 21;
const NULL: u64 = 22;

/// Appends CBOR items to a buffer. Order and number of items are the caller's.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn head(&mut self, major: u8, value: u64) -> &mut Self {
        let major = major << 5;
        // Shortest form, RFC 8949 section 4.2.1. Each try_from is the range test.
        if let Ok(small) = u8::try_from(value) {
            if small < 24 {
                self.out.push(major | small);
            } else {
                self.out.extend_from_slice(&[major | 24, small]);
            }
        } else if let Ok(two) = u16::try_from(value) {
            self.out.push(major | 25);
            self.out.extend_from_slice(&two.to_be_bytes());
        } else if let Ok(four) = u32::try_from(value) {
            self.out.push(major | 26);
            self.out.extend_from_slice(&four.to_be_bytes());
        } else {
            self.out.push(major | 27);
            self.out.extend_from_slice(&value.to_be_bytes());
        }
        self
    }

    /// Unsigned integer (also a map key).
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(UINT, value)
    }

    /// Byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.head(BYTES, length(value.len()));
        self.out.extend_from_slice(value);
        self
    }

    /// Text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.head(TEXT, length(value.len()));
        self.out.extend_from_slice(value.as_bytes());
        self
    }

    /// Head of an array; that many items must follow.
    pub fn array(&mut self, items: usize) -> &mut Self {
        self.head(ARRAY, length(items))
    }

    /// Head of a map; that many pairs must follow, keys rising.
    pub fn map(&mut self, pairs: usize) -> &mut Self {
        self.head(MAP, length(pairs))
    }

    /// `null`.
    pub fn null(&mut self) -> &mut Self {
        self.head(SIMPLE, NULL)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.head(SIMPLE, if value { TRUE } else { FALSE })
    }

    /// An array of 32-byte strings.
    pub fn digests(&mut self, digests: &[Digest]) -> &mut Self {
        self.array(digests.len());
        for digest in digests {
            self.bytes(digest.as_bytes());
        }
        self
    }
}

/// usize is at most 64 bits wide on every target of Rust, so the fallback is never taken.
fn length(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Reads items one after the other from a borrowed input.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `input`.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self { rest: input, at: 0 }
    }

    /// Checks that the input is used up. Every decoder calls this last.
    pub fn finish(self) -> Result<(), Error> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(Error::Trailing(left)),
        }
    }

    fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Error::Truncated { what })?;
        self.rest = rest;
        self.at = self.at.saturating_add(count);
        Ok(taken)
    }

    fn array_of<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let taken = self.take(N, what)?;
        <[u8; N]>::try_from(taken).map_err(|_| Error::Truncated { what })
    }

    /// Reads one head and returns (major type, argument); refuses everything but the shortest form.
    fn head(&mut self, what: &'static str) -> Result<(u8, u64), Error> {
        let at = self.at;
        let [first] = self.array_of::<1>(what)?;
        let (value, least) = match first & 0x1f {
            direct @ 0..=23 => (u64::from(direct), 0),
            24 => (u64::from(u8::from_be_bytes(self.array_of(what)?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.array_of(what)?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.array_of(what)?)), 1 << 16),
            27 => (u64::from_be_bytes(self.array_of(what)?), 1 << 32),
            _ => return Err(Error::Forbidden { head: first, at }),
        };
        let major = first >> 5;
        // Tags (6), floats and the two-byte simple values have no use here and are refused.
        if major == 6 || (major == SIMPLE && !(FALSE..=NULL).contains(&value)) {
            return Err(Error::Forbidden { head: first, at });
        }
        if value < least || (major == SIMPLE && first & 0x1f > 23) {
            return Err(Error::NotShortest { at });
        }
        Ok((major, value))
    }

    fn expect_head(&mut self, major: u8, what: &'static str) -> Result<u64, Error> {
        match self.head(what)? {
            (found, value) if found == major => Ok(value),
            _ => Err(Error::WrongType { what }),
        }
    }

    /// The declared length, checked against `max` and then against the bytes left: an item takes at
    /// least one byte, so a longer claim is false and must not size an allocation.
    fn bounded(&self, declared: u64, max: usize, what: &'static str) -> Result<usize, Error> {
        let too_long = Error::TooLong {
            what,
            length: declared,
            max,
        };
        let length = usize::try_from(declared).map_err(|_| too_long.clone())?;
        if length > max {
            return Err(too_long);
        }
        if length > self.rest.len() {
            return Err(Error::Truncated { what });
        }
        Ok(length)
    }

    /// Unsigned integer.
    pub fn uint(&mut self, what: &'static str) -> Result<u64, Error> {
        self.expect_head(UINT, what)
    }

    /// Unsigned integer that fits 32 bits.
    pub fn uint32(&mut self, what: &'static str) -> Result<u32, Error> {
        u32::try_from(self.uint(what)?).map_err(|_| Error::Value { what })
    }

    /// Byte string of at most `max` bytes.
    pub fn bytes(&mut self, max: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let declared = self.expect_head(BYTES, what)?;
        let length = self.bounded(declared, max, what)?;
        self.take(length, what)
    }

    /// Byte string of exactly `N` bytes.
    pub fn fixed<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        <[u8; N]>::try_from(self.bytes(N, what)?).map_err(|_| Error::Value { what })
    }

    /// A 32-byte digest.
    pub fn digest(&mut self, what: &'static str) -> Result<Digest, Error> {
        self.fixed(what).map(Digest::from_bytes)
    }

    /// An array of at most `max` digests.
    pub fn digests(&mut self, max: usize, what: &'static str) -> Result<Vec<Digest>, Error> {
        let items = self.array(max, what)?;
        (0..items).map(|_| self.digest(what)).collect()
    }

    /// Text of at most `max` bytes of UTF-8.
    pub fn text(&mut self, max: usize, what: &'static str) -> Result<&'a str, Error> {
        let declared = self.expect_head(TEXT, what)?;
        let length = self.bounded(declared, max, what)?;
        std::str::from_utf8(self.take(length, what)?).map_err(|_| Error::Value { what })
    }

    /// Head of an array of at most `max` items; returns the number of items that follow.
    pub fn array(&mut self, max: usize, what: &'static str) -> Result<usize, Error> {
        let declared = self.expect_head(ARRAY, what)?;
        self.bounded(declared, max, what)
    }

    /// Head of an array of exactly `items` items.
    pub fn array_exact(&mut self, items: usize, what: &'static str) -> Result<(), Error> {
        match self.array(items, what)? {
            found if found == items => Ok(()),
            _ => Err(Error::Value { what }),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, what: &'static str) -> Result<bool, Error> {
        match self.expect_head(SIMPLE, what)? {
            FALSE => Ok(false),
            TRUE => Ok(true),
            _ => Err(Error::WrongType { what }),
        }
    }

    /// Takes a `null` if one stands next; says whether it did.
    pub fn take_null(&mut self) -> bool {
        let mut probe = self.clone();
        let found = probe.head("null") == Ok((SIMPLE, NULL));
        if found {
            *self = probe;
        }
        found
    }

    /// Reads a map with integer keys. `field` is called for each known key with the reader at its
    /// value and says whether it knew the key; an unknown one is refused below
    /// [`FIRST_IGNORED_KEY`] and skipped from there on. At most `max` pairs.
    pub fn map<E: From<Error>>(
        &mut self,
        max: usize,
        what: &'static str,
        mut field: impl FnMut(u64, &mut Self) -> Result<bool, E>,
    ) -> Result<(), E> {
        let declared = self.expect_head(MAP, what)?;
        let pairs = self.bounded(declared, max, what)?;
        let mut last = None;
        for _ in 0..pairs {
            let key = self.uint(what)?;
            if last.is_some_and(|last| key <= last) {
                return Err(Error::KeyOrder { key }.into());
            }
            last = Some(key);
            if !field(key, self)? {
                if key < FIRST_IGNORED_KEY {
                    return Err(Error::UnknownKey(key).into());
                }
                self.skip(SKIP_DEPTH_MAX)?;
            }
        }
        Ok(())
    }

    /// Passes over one value, which must itself be in deterministic form.
    fn skip(&mut self, depth: u32) -> Result<(), Error> {
        const WHAT: &str = "ignored value";
        let Some(below) = depth.checked_sub(1) else {
            return Err(Error::TooDeep);
        };
        match self.head(WHAT)? {
            (UINT | NEGATIVE | SIMPLE, _) => Ok(()),
            (BYTES, declared) => {
                let length = self.bounded(declared, usize::MAX, WHAT)?;
                self.take(length, WHAT).map(|_| ())
            }
            (TEXT, declared) => {
                let length = self.bounded(declared, usize::MAX, WHAT)?;
                std::str::from_utf8(self.take(length, WHAT)?)
                    .map(|_| ())
                    .map_err(|_| Error::Value { what: WHAT })
            }
            (ARRAY, declared) => {
                let items = self.bounded(declared, usize::MAX, WHAT)?;
                (0..items).try_for_each(|_| self.skip(below))
            }
            (_, declared) => {
                let pairs = self.bounded(declared, usize::MAX, WHAT)?;
                let mut last = None;
                for _ in 0..pairs {
                    let key = self.uint(WHAT)?;
                    if last.is_some_and(|last| key <= last) {
                        return Err(Error::KeyOrder { key });
                    }
                    last = Some(key);
                    self.skip(below)?;
                }
                Ok(())
            }
        }
    }
}

/// The value of a required map key, or [`Error::MissingKey`].
pub fn required<T>(value: Option<T>, key: u64) -> Result<T, Error> {
    value.ok_or(Error::MissingKey { key })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of RFC 8949 appendix A, both ways.
    #[test]
    fn integers_are_written_in_the_shortest_form_and_read_back() {
        let table: [(u64, &[u8]); 8] = [
            (0, &[0x00]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (255, &[0x18, 0xff]),
            (1000, &[0x19, 0x03, 0xe8]),
            (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
            (
                1_000_000_000_000,
                &[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00],
            ),
            (
                u64::MAX,
                &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            ),
        ];
        for (value, bytes) in table {
            let mut writer = Writer::new();
            writer.uint(value);
            assert_eq!(writer.finish(), bytes);
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.uint("n"), Ok(value));
            assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn longer_forms_of_the_same_integer_are_refused() {
        for bytes in [
            &[0x18, 0x17][..],
            &[0x19, 0x00, 0xff],
            &[0x1a, 0x00, 0x00, 0xff, 0xff],
            &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(
                Reader::new(bytes).uint("n"),
                Err(Error::NotShortest { at: 0 })
            );
        }
    }

    #[test]
    fn indefinite_lengths_tags_and_floats_are_refused() {
        for head in [0x5f, 0x7f, 0x9f, 0xbf, 0x1c, 0xc0, 0xf7, 0xff] {
            let bytes = [head, 0, 0, 0, 0];
            let refused = Reader::new(&bytes).head("x");
            assert_eq!(refused, Err(Error::Forbidden { head, at: 0 }), "{head:#x}");
        }
        for bytes in [
            &[0xf9, 0x3c, 0x00][..],
            &[0xfb, 0x3f, 0xf1, 0, 0, 0, 0, 0, 0],
            &[0xf8, 21],
        ] {
            assert!(Reader::new(bytes).head("x").is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_input_is_refused_before_anything_is_allocated() {
        let bytes = [0x9b, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(
            Reader::new(&bytes).digests(usize::MAX, "path"),
            Err(Error::Truncated { what: "path" })
        );
        assert!(matches!(
            Reader::new(&bytes).digests(64, "path"),
            Err(Error::TooLong { .. })
        ));
    }

    fn keys(bytes: &[u8]) -> Result<Vec<u64>, Error> {
        let mut seen = Vec::new();
        let mut reader = Reader::new(bytes);
        reader.map(8, "map", |key, reader| {
            if key > 2 {
                return Ok(false);
            }
            seen.push(reader.uint("value")?);
            Ok::<_, Error>(true)
        })?;
        reader.finish()?;
        Ok(seen)
    }

    #[test]
    fn maps_refuse_disorder_repetition_and_low_unknown_keys_and_ignore_high_ones() {
        assert_eq!(keys(&[0xa2, 1, 7, 2, 8]), Ok(vec![7, 8]));
        assert_eq!(keys(&[0xa2, 2, 7, 1, 8]), Err(Error::KeyOrder { key: 1 }));
        assert_eq!(keys(&[0xa2, 1, 7, 1, 8]), Err(Error::KeyOrder { key: 1 }));
        assert_eq!(keys(&[0xa1, 3, 7]), Err(Error::UnknownKey(3)));
        assert_eq!(keys(&[0xa1, 0x18, 127, 7]), Err(Error::UnknownKey(127)));
        assert_eq!(
            keys(&[0xa2, 1, 7, 0x18, 128, 0x82, 0x41, 9, 0xa1, 0, 0xf6]),
            Ok(vec![7])
        );
    }

    #[test]
    fn ignored_values_must_still_be_deterministic_and_shallow() {
        assert_eq!(
            keys(&[0xa1, 0x18, 128, 0x18, 3]),
            Err(Error::NotShortest { at: 3 })
        );
        assert!(keys(&[0xa1, 0x18, 128, 0x61, 0xff]).is_err());
        let mut deep = vec![0xa1, 0x18, 128];
        deep.extend([0x81; 40]);
        deep.push(0);
        assert_eq!(keys(&deep), Err(Error::TooDeep));
    }
}
