//! The values that a PDF is made of (ISO 32000-2 section 7.3), and how they are read.
//!
//! Owns: the lexer and its bounds on depth, bytes and number of values. Fails with [`Fault`], also
//! for a dictionary with the same key twice, because readers disagree which of them counts. Must
//! not know where objects lie.

use std::collections::BTreeMap;

use super::limits;
use super::source::{Fault, Source};

/// Object number and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) number: u32,
    pub(super) generation: u32,
}

/// A string, and where its literal stands in the file (from its opening to after its closing
/// bracket); none inside an object stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    pub(super) span: Option<(u64, u64)>,
    pub(super) hexadecimal: bool,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Array(Vec<Self>),
    Boolean(bool),
    Dictionary(Dictionary),
    Integer(i64),
    Name(Vec<u8>),
    Null,
    Real(Vec<u8>),
    Reference(Id),
    /// The dictionary, and where the data begins.
    Stream(Dictionary, u64),
    Text(Text),
}

/// Keys without their slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dictionary(pub(super) BTreeMap<Vec<u8>, Object>);

impl Dictionary {
    pub(super) fn get(&self, key: &str) -> Option<&Object> {
        // A key whose value is null is as good as absent (section 7.3.7).
        self.0
            .get(key.as_bytes())
            .filter(|value| **value != Object::Null)
    }

    pub(super) fn name(&self, key: &str) -> Option<&[u8]> {
        match self.get(key)? {
            Object::Name(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn integer(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Object::Integer(value) => Some(*value),
            _ => None,
        }
    }
}

impl Object {
    /// The dictionary of a dictionary or stream.
    pub(super) fn dictionary(&self) -> Option<&Dictionary> {
        match self {
            Self::Dictionary(dictionary) | Self::Stream(dictionary, _) => Some(dictionary),
            _ => None,
        }
    }
}

/// Where bytes come from.
pub(super) enum Input<'i, 'f> {
    File(&'i mut Source<'f>),
    Memory(&'i [u8]),
}

/// Reads values from a position on.
pub(super) struct Lexer<'i, 'f> {
    input: Input<'i, 'f>,
    at: u64,
    end: u64,
    /// No byte at or after this place is read for the present object.
    stop: u64,
    elements: u32,
}

impl<'i, 'f> Lexer<'i, 'f> {
    /// Bytes from `end` on do not exist.
    pub(super) fn new(input: Input<'i, 'f>, at: u64, end: u64) -> Self {
        let stop = at.saturating_add(limits::OBJECT_BYTES_MAX);
        Self {
            input,
            at,
            end,
            stop,
            elements: limits::ELEMENTS_MAX,
        }
    }

    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Lets the next object have its own allowance.
    pub(super) fn renew(&mut self) {
        self.stop = self.at.saturating_add(limits::OBJECT_BYTES_MAX);
        self.elements = limits::ELEMENTS_MAX;
    }

    fn byte_at(&mut self, at: u64) -> Result<Option<u8>, Fault> {
        if at >= self.end {
            return Ok(None);
        }
        if at >= self.stop {
            return Err(Fault::Limit("bytes of an object"));
        }
        match &mut self.input {
            Input::File(source) => source.byte(at),
            Input::Memory(bytes) => Ok(usize::try_from(at)
                .ok()
                .and_then(|at| bytes.get(at))
                .copied()),
        }
    }

    pub(super) fn peek(&mut self) -> Result<Option<u8>, Fault> {
        self.byte_at(self.at)
    }

    fn next(&mut self) -> Result<Option<u8>, Fault> {
        let found = self.peek()?;
        if found.is_some() {
            self.at = self.at.saturating_add(1);
        }
        Ok(found)
    }

    /// White space and comments.
    pub(super) fn skip_space(&mut self) -> Result<(), Fault> {
        while let Some(byte) = self.peek()? {
            if byte == b'%' {
                while self
                    .next()?
                    .is_some_and(|byte| !matches!(byte, b'\r' | b'\n'))
                {}
            } else if is_space(byte) {
                self.next()?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// The bytes up to the next space or delimiter, at most 32.
    pub(super) fn word(&mut self) -> Result<Vec<u8>, Fault> {
        self.skip_space()?;
        let mut word = Vec::new();
        while let Some(byte) = self.peek()? {
            if !is_regular(byte) || word.len() >= WORD_BYTES_MAX {
                break;
            }
            word.push(byte);
            self.next()?;
        }
        Ok(word)
    }

    /// Takes this word if it comes next.
    pub(super) fn takes(&mut self, wanted: &[u8]) -> Result<bool, Fault> {
        let before = self.at;
        if self.word()? == wanted {
            return Ok(true);
        }
        self.at = before;
        Ok(false)
    }

    /// A word that is a whole number without sign.
    pub(super) fn number(&mut self) -> Result<Option<u64>, Fault> {
        let before = self.at;
        let word = self.word()?;
        let number = digits(&word);
        if number.is_none() {
            self.at = before;
        }
        Ok(number)
    }

    /// `N G obj`.
    pub(super) fn object_head(&mut self) -> Result<Option<Id>, Fault> {
        let before = self.at;
        if let (Some(number), Some(generation)) = (self.number()?, self.number()?)
            && self.takes_start(b"obj")?
            && let (Ok(number), Ok(generation)) = (u32::try_from(number), u32::try_from(generation))
        {
            return Ok(Some(Id { number, generation }));
        }
        self.at = before;
        Ok(None)
    }

    /// Takes these bytes whatever follows them.
    fn takes_start(&mut self, wanted: &[u8]) -> Result<bool, Fault> {
        self.skip_space()?;
        let before = self.at;
        for byte in wanted {
            if self.next()? != Some(*byte) {
                self.at = before;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The value of an indirect object after its head; with the place of the data for a stream.
    pub(super) fn body(&mut self) -> Result<Object, Fault> {
        let value = self.value(0)?;
        let Object::Dictionary(dictionary) = value else {
            return Ok(value);
        };
        let before = self.at;
        if !self.takes_start(b"stream")? {
            self.at = before;
            return Ok(Object::Dictionary(dictionary));
        }
        // Section 7.3.8.1: CR LF or LF; a CR alone is met too.
        match self.peek()? {
            Some(b'\r') => {
                self.next()?;
                if self.peek()? == Some(b'\n') {
                    self.next()?;
                }
            }
            Some(b'\n') => drop(self.next()?),
            _ => {}
        }
        Ok(Object::Stream(dictionary, self.at))
    }

    /// One value.
    pub(super) fn value(&mut self, depth: usize) -> Result<Object, Fault> {
        if depth > limits::DEPTH_MAX {
            return Err(Fault::Limit("nesting"));
        }
        self.elements = self
            .elements
            .checked_sub(1)
            .ok_or(Fault::Limit("values of an object"))?;
        self.skip_space()?;
        match self.peek()? {
            Some(b'/') => Ok(Object::Name(self.name()?)),
            Some(b'(') => self.literal(),
            Some(b'[') => self.array(depth),
            Some(b'<') => {
                if self.byte_at(self.at.saturating_add(1))? == Some(b'<') {
                    self.dictionary(depth).map(Object::Dictionary)
                } else {
                    self.hexadecimal()
                }
            }
            Some(b'0'..=b'9' | b'+' | b'-' | b'.') => self.numeral(),
            Some(_) => match self.word()?.as_slice() {
                b"true" => Ok(Object::Boolean(true)),
                b"false" => Ok(Object::Boolean(false)),
                b"null" => Ok(Object::Null),
                _ => Err(Fault::Malformed("a value")),
            },
            None => Err(Fault::Malformed("the end where a value should be")),
        }
    }

    fn name(&mut self) -> Result<Vec<u8>, Fault> {
        self.next()?;
        let mut name = Vec::new();
        while let Some(byte) = self.peek()? {
            if !is_regular(byte) {
                break;
            }
            self.next()?;
            if byte != b'#' {
                name.push(byte);
                continue;
            }
            let high = self.peek()?.and_then(hex_digit);
            let low = self.byte_at(self.at.saturating_add(1))?.and_then(hex_digit);
            if let (Some(high), Some(low)) = (high, low) {
                name.push(high << 4 | low);
                self.at = self.at.saturating_add(2);
            } else {
                name.push(b'#');
            }
        }
        Ok(name)
    }

    fn numeral(&mut self) -> Result<Object, Fault> {
        let word = self.word()?;
        if let Some(number) = digits(&word) {
            let after = self.at;
            if let (Ok(number), Some(generation)) = (u32::try_from(number), self.number()?)
                && let Ok(generation) = u32::try_from(generation)
                && self.takes(b"R")?
            {
                return Ok(Object::Reference(Id { number, generation }));
            }
            self.at = after;
        }
        let text = std::str::from_utf8(&word).map_err(|_| Fault::Malformed("a number"))?;
        match text.parse::<i64>() {
            Ok(value) => Ok(Object::Integer(value)),
            Err(_) => Ok(Object::Real(word)),
        }
    }

    fn span(&self, from: u64) -> Option<(u64, u64)> {
        match self.input {
            Input::File(_) => Some((from, self.at)),
            Input::Memory(_) => None,
        }
    }

    fn hexadecimal(&mut self) -> Result<Object, Fault> {
        let from = self.at;
        self.next()?;
        let mut bytes = Vec::new();
        let mut high = None;
        loop {
            match self.next()? {
                Some(b'>') => break,
                Some(byte) if is_space(byte) => {}
                Some(byte) => {
                    let digit = hex_digit(byte).ok_or(Fault::Malformed("a hexadecimal string"))?;
                    match high.take() {
                        None => high = Some(digit),
                        Some(high) => bytes.push(high << 4 | digit),
                    }
                }
                None => return Err(Fault::Malformed("a string without end")),
            }
        }
        // Section 7.3.4.3: a missing last digit is zero.
        bytes.extend(high.map(|high| high << 4));
        Ok(Object::Text(Text {
            bytes,
            span: self.span(from),
            hexadecimal: true,
        }))
    }

    fn literal(&mut self) -> Result<Object, Fault> {
        let from = self.at;
        self.next()?;
        let mut bytes = Vec::new();
        let mut open = 1_u32;
        loop {
            let byte = self
                .next()?
                .ok_or(Fault::Malformed("a string without end"))?;
            match byte {
                b'(' => open = open.saturating_add(1),
                b')' => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        break;
                    }
                }
                b'\\' => {
                    self.escape(&mut bytes)?;
                    continue;
                }
                _ => {}
            }
            bytes.push(byte);
        }
        Ok(Object::Text(Text {
            bytes,
            span: self.span(from),
            hexadecimal: false,
        }))
    }

    /// What follows a backslash (section 7.3.4.2).
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), Fault> {
        let byte = self
            .next()?
            .ok_or(Fault::Malformed("a string without end"))?;
        match byte {
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'b' => bytes.push(8),
            b'f' => bytes.push(12),
            b'\r' => {
                if self.peek()? == Some(b'\n') {
                    self.next()?;
                }
            }
            b'\n' => {}
            b'0'..=b'7' => {
                let mut value = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.peek()? else {
                        break;
                    };
                    value = value * 8 + u32::from(digit - b'0');
                    self.next()?;
                }
                bytes.push(u8::try_from(value & 0xff).unwrap_or(0));
            }
            other => bytes.push(other),
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Object, Fault> {
        self.next()?;
        let mut all = Vec::new();
        loop {
            self.skip_space()?;
            if self.peek()? == Some(b']') {
                self.next()?;
                return Ok(Object::Array(all));
            }
            all.push(self.value(depth.saturating_add(1))?);
        }
    }

    fn dictionary(&mut self, depth: usize) -> Result<Dictionary, Fault> {
        self.at = self.at.saturating_add(2);
        let mut all = BTreeMap::new();
        loop {
            self.skip_space()?;
            match self.peek()? {
                Some(b'/') => {}
                Some(b'>') if self.byte_at(self.at.saturating_add(1))? == Some(b'>') => {
                    self.at = self.at.saturating_add(2);
                    return Ok(Dictionary(all));
                }
                _ => return Err(Fault::Malformed("a dictionary")),
            }
            let key = self.name()?;
            let value = self.value(depth.saturating_add(1))?;
            if all.insert(key, value).is_some() {
                return Err(Fault::Malformed("the same key twice"));
            }
        }
    }
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 12 | b'\r' | b' ')
}

const fn is_regular(byte: u8) -> bool {
    !is_space(byte)
        && !matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%'
        )
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn digits(word: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(word).ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Keywords and numbers are shorter; a longer run of digits is no number.
const WORD_BYTES_MAX: usize = 32;
