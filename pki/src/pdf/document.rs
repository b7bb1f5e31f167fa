//! A document as it stood at some end of the file: its newest cross-references and its objects.
//!
//! Owns: the chain of revisions and fetching of objects, from object streams too. The same file cut
//! at the end of a signed revision is the document that was signed; nothing after the cut can
//! change it. Fails with [`Fault`]. Must not know forms or signatures.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::filter;
use super::limits;
use super::object::{Dictionary, Id, Input, Lexer, Object};
use super::source::{Fault, Source};
use super::xref::{self, Place, Section};

/// Sections that were read, by their place: revisions of one file share them.
#[derive(Debug, Default)]
pub(super) struct Sections(HashMap<u64, Rc<Section>>);

/// One state of the file.
#[derive(Debug)]
pub(super) struct Document {
    /// Bytes from here on do not exist in this state.
    end: u64,
    /// After the end mark of this state.
    mark_end: u64,
    places: HashMap<u32, Place>,
    trailer: Dictionary,
    unpacked: HashMap<u32, Rc<Unpacked>>,
}

/// A decoded object stream.
#[derive(Debug)]
struct Unpacked {
    bytes: Vec<u8>,
    /// Object numbers and where each begins.
    index: Vec<(u32, u64)>,
}

impl Document {
    /// Reads the structure of the file up to `end`.
    pub(super) fn open(
        source: &mut Source<'_>,
        sections: &mut Sections,
        end: u64,
    ) -> Result<Self, Fault> {
        let (first, mark_end) = xref::start(source, end)?;
        let mut places: HashMap<u32, Place> = HashMap::new();
        let mut trailer: Option<Dictionary> = None;
        let mut seen = HashSet::new();
        let mut next = Some(first);
        while let Some(at) = next {
            if !seen.insert(at) {
                return Err(Fault::Malformed("revisions in a circle"));
            }
            if seen.len() > limits::REVISIONS_MAX {
                return Err(Fault::Limit("revisions"));
            }
            let section = sections.at(source, at, end)?;
            for (number, place) in &section.places {
                if places.len() >= limits::OBJECTS_MAX {
                    return Err(Fault::Limit("objects"));
                }
                places.entry(*number).or_insert(*place);
            }
            next = match section.trailer.get("Prev") {
                None => None,
                Some(Object::Integer(place)) => {
                    Some(u64::try_from(*place).map_err(|_| Fault::Malformed("Prev"))?)
                }
                Some(_) => return Err(Fault::Malformed("Prev")),
            };
            trailer.get_or_insert_with(|| section.trailer.clone());
        }
        Ok(Self {
            end,
            mark_end,
            places,
            trailer: trailer.ok_or(Fault::Malformed("no trailer"))?,
            unpacked: HashMap::new(),
        })
    }

    pub(super) const fn trailer(&self) -> &Dictionary {
        &self.trailer
    }

    /// After the last end mark.
    pub(super) const fn mark_end(&self) -> u64 {
        self.mark_end
    }

    /// Where an object lies, and where the stream lies that it is in.
    pub(super) fn place(&self, number: u32) -> (Place, Place) {
        let place = |number| self.places.get(&number).copied().unwrap_or(Place::Free);
        let own = place(number);
        match own {
            Place::Stream(holder, _) => (own, place(holder)),
            Place::File(_) | Place::Free => (own, Place::Free),
        }
    }

    /// The object, null when there is none (section 7.3.10).
    pub(super) fn fetch(&mut self, source: &mut Source<'_>, id: Id) -> Result<Object, Fault> {
        match self.place(id.number).0 {
            Place::Free => Ok(Object::Null),
            Place::File(at) => self.read_at(source, at, id.number),
            Place::Stream(holder, index) => self.unpack(source, holder, index, id.number),
        }
    }

    /// Follows references until a value stands there.
    pub(super) fn resolve(
        &mut self,
        source: &mut Source<'_>,
        object: &Object,
    ) -> Result<Object, Fault> {
        let mut found = object.clone();
        for _ in 0..HOPS_MAX {
            match found {
                Object::Reference(id) => found = self.fetch(source, id)?,
                other => return Ok(other),
            }
        }
        Err(Fault::Malformed("references in a circle"))
    }

    /// The value of a key, references followed; none for a missing key or null.
    pub(super) fn value(
        &mut self,
        source: &mut Source<'_>,
        dictionary: &Dictionary,
        key: &str,
    ) -> Result<Option<Object>, Fault> {
        let Some(value) = dictionary.get(key) else {
            return Ok(None);
        };
        let value = self.resolve(source, value)?;
        Ok(Some(value).filter(|value| *value != Object::Null))
    }

    /// The array of a key; empty when missing.
    pub(super) fn array(
        &mut self,
        source: &mut Source<'_>,
        dictionary: &Dictionary,
        key: &str,
    ) -> Result<Vec<Object>, Fault> {
        match self.value(source, dictionary, key)? {
            None => Ok(Vec::new()),
            Some(Object::Array(all)) => Ok(all),
            Some(_) => Err(Fault::Malformed("an array")),
        }
    }

    /// The dictionary (or stream's dictionary) of a key.
    pub(super) fn dictionary(
        &mut self,
        source: &mut Source<'_>,
        dictionary: &Dictionary,
        key: &str,
    ) -> Result<Option<Dictionary>, Fault> {
        match self.value(source, dictionary, key)? {
            None => Ok(None),
            Some(value) => match value.dictionary() {
                Some(found) => Ok(Some(found.clone())),
                None => Err(Fault::Malformed("a dictionary")),
            },
        }
    }

    /// The catalog.
    pub(super) fn catalog(&mut self, source: &mut Source<'_>) -> Result<Dictionary, Fault> {
        let trailer = self.trailer.clone();
        self.dictionary(source, &trailer, "Root")?
            .ok_or(Fault::Malformed("no catalog"))
    }

    /// Where the raw data of a stream lies: from, to.
    pub(super) fn extent(
        &mut self,
        source: &mut Source<'_>,
        dictionary: &Dictionary,
        at: u64,
    ) -> Result<(u64, u64), Fault> {
        let length = match self.value(source, dictionary, "Length")? {
            Some(Object::Integer(length)) => u64::try_from(length).ok(),
            _ => None,
        };
        let end = length.and_then(|length| at.checked_add(length));
        match end.filter(|end| *end <= self.end) {
            Some(end) => Ok((at, end)),
            None => Err(Fault::Malformed("length of a stream")),
        }
    }

    /// The decoded data of a stream.
    pub(super) fn data(
        &mut self,
        source: &mut Source<'_>,
        dictionary: &Dictionary,
        at: u64,
    ) -> Result<Vec<u8>, Fault> {
        let (from, to) = self.extent(source, dictionary, at)?;
        let most = u64::try_from(limits::STREAM_BYTES_MAX).unwrap_or(u64::MAX);
        if to.saturating_sub(from) > most {
            return Err(Fault::Limit("bytes of a stream"));
        }
        let raw = source.load(from, to)?;
        filter::decode(source, dictionary, raw)
    }

    fn read_at(&self, source: &mut Source<'_>, at: u64, number: u32) -> Result<Object, Fault> {
        let mut lexer = Lexer::new(Input::File(source), at, self.end);
        match lexer.object_head()? {
            Some(id) if id.number == number => lexer.body(),
            _ => Err(Fault::Malformed("another object than the table says")),
        }
    }

    fn unpack(
        &mut self,
        source: &mut Source<'_>,
        holder: u32,
        index: u32,
        number: u32,
    ) -> Result<Object, Fault> {
        let unpacked = match self.unpacked.get(&holder) {
            Some(known) => Rc::clone(known),
            None => {
                let read = Rc::new(self.read_object_stream(source, holder)?);
                if self.unpacked.len() >= limits::OBJECT_STREAMS_KEPT {
                    self.unpacked.clear();
                }
                self.unpacked.insert(holder, Rc::clone(&read));
                read
            }
        };
        let place = usize::try_from(index).ok();
        let found = place.and_then(|place| unpacked.index.get(place));
        let Some((_, at)) = found.filter(|(named, _)| *named == number) else {
            return Err(Fault::Malformed("another object than the table says"));
        };
        let end = u64::try_from(unpacked.bytes.len()).unwrap_or(u64::MAX);
        Lexer::new(Input::Memory(&unpacked.bytes), *at, end).value(0)
    }

    fn read_object_stream(
        &mut self,
        source: &mut Source<'_>,
        holder: u32,
    ) -> Result<Unpacked, Fault> {
        // An object stream never lies in another one (section 7.5.7); so nothing recurses.
        let Place::File(at) = self.place(holder).0 else {
            return Err(Fault::Malformed("object stream"));
        };
        let Object::Stream(dictionary, data) = self.read_at(source, at, holder)? else {
            return Err(Fault::Malformed("object stream"));
        };
        if let Some(Object::Reference(id)) = dictionary.get("Length")
            && !matches!(self.place(id.number).0, Place::File(_))
        {
            return Err(Fault::Malformed("object stream"));
        }
        let bytes = self.data(source, &dictionary, data)?;
        let whole = |key| {
            let value = dictionary.integer(key);
            value.and_then(|value| u64::try_from(value).ok())
        };
        let (Some(count), Some(first)) = (whole("N"), whole("First")) else {
            return Err(Fault::Malformed("object stream"));
        };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut lexer = Lexer::new(Input::Memory(&bytes), 0, first.min(length));
        let mut index = Vec::new();
        for _ in 0..count {
            let (Some(number), Some(offset)) = (lexer.number()?, lexer.number()?) else {
                return Err(Fault::Malformed("object stream"));
            };
            if index.len() >= limits::OBJECTS_MAX {
                return Err(Fault::Limit("objects"));
            }
            let number = u32::try_from(number).map_err(|_| Fault::Malformed("object number"))?;
            index.push((number, first.saturating_add(offset)));
            lexer.renew();
        }
        Ok(Unpacked { bytes, index })
    }
}

impl Sections {
    fn at(&mut self, source: &mut Source<'_>, at: u64, end: u64) -> Result<Rc<Section>, Fault> {
        let known = match self.0.get(&at) {
            Some(known) => Rc::clone(known),
            None => {
                let read = Rc::new(xref::section(source, at, end)?);
                let objects: usize = self.0.values().map(|kept| kept.places.len()).sum();
                if objects.saturating_add(read.places.len()) > limits::OBJECTS_MAX {
                    // Rather read again than keep many large tables.
                    self.0.clear();
                }
                self.0.insert(at, Rc::clone(&read));
                read
            }
        };
        if known.end > end {
            return Err(Fault::Malformed("a section after the end"));
        }
        Ok(known)
    }
}

/// A reference to a reference is allowed to nobody; readers meet one at times.
const HOPS_MAX: usize = 8;
