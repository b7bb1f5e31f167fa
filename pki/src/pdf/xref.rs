//! Where objects lie: cross-reference tables and streams (ISO 32000-2 sections 7.5.4 to 7.5.8).
//!
//! Owns: finding the last one before an end, reading one section of either kind, hybrid files
//! included. A place that is off by a few bytes is forgiven, an unreadable one is not guessed
//! around: what a viewer would repair we call unknown. Fails with [`Fault`].

use std::collections::HashMap;

use super::filter;
use super::limits;
use super::object::{Dictionary, Input, Lexer, Object};
use super::source::{Fault, Source};

/// Where one object lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At this byte of the file.
    File(u64),
    /// Nowhere.
    Free,
    /// In the object stream of this number, at this index.
    Stream(u32, u32),
}

/// One cross-reference section.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) places: HashMap<u32, Place>,
    pub(super) trailer: Dictionary,
    /// After its last byte.
    pub(super) end: u64,
}

/// Reads `startxref` before `end` and returns the place it names and where the end mark stops.
pub(super) fn start(source: &mut Source<'_>, end: u64) -> Result<(u64, u64), Fault> {
    let from = end.saturating_sub(limits::TAIL_BYTES);
    let tail = source.load(from, end)?;
    let found = tail
        .windows(START.len())
        .rposition(|window| window == START)
        .ok_or(Fault::Malformed("no startxref"))?;
    let after = u64::try_from(found.saturating_add(START.len())).unwrap_or(0);
    let mut lexer = Lexer::new(Input::File(source), from.saturating_add(after), end);
    let place = lexer.number()?.ok_or(Fault::Malformed("startxref"))?;
    // The mark is a comment to the lexer; find it by hand.
    let at = lexer.at();
    let rest = tail
        .get(usize::try_from(at.saturating_sub(from)).unwrap_or(usize::MAX)..)
        .unwrap_or_default();
    let mark = rest
        .windows(END.len())
        .position(|window| window == END)
        .ok_or(Fault::Malformed("no end mark"))?;
    let after = u64::try_from(mark.saturating_add(END.len())).unwrap_or(0);
    Ok((place, at.saturating_add(after)))
}

/// Reads the section at a place.
pub(super) fn section(source: &mut Source<'_>, at: u64, end: u64) -> Result<Section, Fault> {
    let at = settle(source, at, end)?;
    let mut lexer = Lexer::new(Input::File(source), at, end);
    if lexer.takes(b"xref")? {
        let mut places = HashMap::new();
        let trailer = table(&mut lexer, &mut places)?;
        let end_of_table = lexer.at();
        if let Some(hidden) = trailer.integer("XRefStm") {
            let hidden = u64::try_from(hidden).map_err(|_| Fault::Malformed("XRefStm"))?;
            let more = cross_stream(source, hidden, end)?;
            for (number, place) in more.places {
                // Section 7.5.8.4: objects hidden from old readers are free in the table.
                let known = places.entry(number).or_insert(Place::Free);
                if *known == Place::Free {
                    *known = place;
                }
            }
        }
        return Ok(Section {
            places,
            trailer,
            end: end_of_table,
        });
    }
    cross_stream(source, at, end)
}

/// The place itself, or the nearest section a few bytes away.
fn settle(source: &mut Source<'_>, at: u64, end: u64) -> Result<u64, Fault> {
    let near = (0..=OFF_BY_MAX).flat_map(|off| [at.checked_add(off), at.checked_sub(off)]);
    for candidate in near.flatten().filter(|place| *place < end) {
        let before = match candidate.checked_sub(1) {
            Some(before) if candidate != at => source.byte(before)?,
            _ => None,
        };
        if before.is_some_and(|byte| byte.is_ascii_digit()) {
            // The middle of an object number.
            continue;
        }
        let mut lexer = Lexer::new(Input::File(source), candidate, end);
        if lexer.object_head()?.is_some() || lexer.takes(b"xref")? {
            return Ok(candidate);
        }
    }
    Err(Fault::Malformed("no cross-reference section"))
}

fn table(lexer: &mut Lexer<'_, '_>, places: &mut HashMap<u32, Place>) -> Result<Dictionary, Fault> {
    loop {
        lexer.renew();
        if lexer.takes(b"trailer")? {
            return match lexer.value(0)? {
                Object::Dictionary(trailer) => Ok(trailer),
                _ => Err(Fault::Malformed("trailer")),
            };
        }
        let (Some(mut first), Some(count)) = (lexer.number()?, lexer.number()?) else {
            return Err(Fault::Malformed("cross-reference table"));
        };
        for index in 0..count {
            lexer.renew();
            let (Some(offset), Some(_generation)) = (lexer.number()?, lexer.number()?) else {
                return Err(Fault::Malformed("cross-reference entry"));
            };
            let place = match lexer.word()?.as_slice() {
                b"n" => Place::File(offset),
                b"f" => Place::Free,
                _ => return Err(Fault::Malformed("cross-reference entry")),
            };
            if index == 0 && first == 1 && place == Place::Free && offset == 0 {
                // Some writers count from one; the head of the free list is object 0.
                first = 0;
            }
            let number = first.saturating_add(index);
            insert(places, number, place)?;
        }
    }
}

fn insert(places: &mut HashMap<u32, Place>, number: u64, place: Place) -> Result<(), Fault> {
    let number = u32::try_from(number).map_err(|_| Fault::Malformed("object number"))?;
    if places.len() >= limits::OBJECTS_MAX {
        return Err(Fault::Limit("objects"));
    }
    places.entry(number).or_insert(place);
    Ok(())
}

fn cross_stream(source: &mut Source<'_>, at: u64, end: u64) -> Result<Section, Fault> {
    let mut lexer = Lexer::new(Input::File(source), at, end);
    lexer
        .object_head()?
        .ok_or(Fault::Malformed("no cross-reference section"))?;
    let Object::Stream(dictionary, data) = lexer.body()? else {
        return Err(Fault::Malformed("no cross-reference stream"));
    };
    if dictionary.name("Type") != Some(b"XRef") {
        return Err(Fault::Malformed("no cross-reference stream"));
    }
    let length = dictionary
        .integer("Length")
        .and_then(|length| u64::try_from(length).ok())
        .ok_or(Fault::Malformed("length of the cross-reference stream"))?;
    let stop = data.saturating_add(length);
    if stop > end || usize::try_from(length).is_ok_and(|length| length > limits::STREAM_BYTES_MAX) {
        return Err(Fault::Malformed("length of the cross-reference stream"));
    }
    let raw = source.load(data, stop)?;
    let plain = filter::decode(source, &dictionary, raw)?;
    let mut places = HashMap::new();
    rows(&dictionary, &plain, &mut places)?;
    Ok(Section {
        places,
        trailer: dictionary,
        end: stop,
    })
}

/// Section 7.5.8.3.
fn rows(
    dictionary: &Dictionary,
    plain: &[u8],
    places: &mut HashMap<u32, Place>,
) -> Result<(), Fault> {
    let widths = numbers(dictionary.get("W")).ok_or(Fault::Malformed("widths"))?;
    let [kind_bytes, second_bytes, third_bytes] = widths.as_slice() else {
        return Err(Fault::Malformed("widths"));
    };
    if widths.iter().any(|width| *width > 8) || widths.iter().sum::<u64>() == 0 {
        return Err(Fault::Malformed("widths"));
    }
    let index = match dictionary.get("Index") {
        None => {
            let size = dictionary.integer("Size").unwrap_or(0);
            vec![0, u64::try_from(size).unwrap_or(0)]
        }
        some => numbers(some).ok_or(Fault::Malformed("index"))?,
    };
    let mut rest = plain;
    for pair in index.chunks(2) {
        let [first, count] = pair else {
            return Err(Fault::Malformed("index"));
        };
        for step in 0..*count {
            let kind = take(&mut rest, *kind_bytes).ok_or(Fault::Malformed("too few entries"))?;
            let second = take(&mut rest, *second_bytes).ok_or(Fault::Malformed("entries"))?;
            let third = take(&mut rest, *third_bytes).ok_or(Fault::Malformed("entries"))?;
            let place = match if *kind_bytes == 0 { 1 } else { kind } {
                0 => Place::Free,
                1 => Place::File(second),
                2 => Place::Stream(
                    u32::try_from(second).map_err(|_| Fault::Malformed("object number"))?,
                    u32::try_from(third).map_err(|_| Fault::Malformed("index"))?,
                ),
                // Unknown kinds are as good as null (table 18).
                _ => Place::Free,
            };
            insert(places, first.saturating_add(step), place)?;
        }
    }
    Ok(())
}

fn numbers(value: Option<&Object>) -> Option<Vec<u64>> {
    let Some(Object::Array(all)) = value else {
        return None;
    };
    all.iter()
        .map(|one| match one {
            Object::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        })
        .collect()
}

fn take(rest: &mut &[u8], width: u64) -> Option<u64> {
    let (head, tail) = rest.split_at_checked(usize::try_from(width).ok()?)?;
    *rest = tail;
    Some(
        head.iter()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
    )
}

const START: &[u8] = b"startxref";
const END: &[u8] = b"%%EOF";
/// How far off a section may lie; writers that count line ends wrongly are off by one or two.
const OFF_BY_MAX: u64 = 4;
