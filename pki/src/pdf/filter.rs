//! The stream filters that a document's structure uses: none, and Flate with or without predictors
//! (ISO 32000-2 section 7.4.4).
//!
//! Owns: bounded decoding. Fails with [`Fault`]: a limit for a bomb, malformed for other filters.
//! Must not know what the data means.

use std::io::Read;

use super::limits;
use super::object::{Dictionary, Object};
use super::source::{Fault, Source};

/// Decodes the raw data of a stream.
pub(super) fn decode(
    source: &mut Source<'_>,
    dictionary: &Dictionary,
    raw: Vec<u8>,
) -> Result<Vec<u8>, Fault> {
    let only = |value: Option<&Object>| match value {
        Some(Object::Array(all)) if all.len() <= 1 => Ok(all.first().cloned()),
        Some(Object::Array(_)) => Err(Fault::Malformed("several filters")),
        other => Ok(other.cloned()),
    };
    let plain = match only(dictionary.get("Filter"))? {
        None => {
            source.spend_decoded(raw.len())?;
            return Ok(raw);
        }
        Some(Object::Name(name)) if name == b"FlateDecode" || name == b"Fl" => {
            inflate(source, &raw)?
        }
        Some(_) => return Err(Fault::Malformed("a filter of another kind")),
    };
    match only(dictionary.get("DecodeParms"))? {
        Some(Object::Dictionary(parameters)) => predicted(&parameters, plain),
        None | Some(Object::Null) => Ok(plain),
        Some(_) => Err(Fault::Malformed("filter parameters")),
    }
}

fn inflate(source: &mut Source<'_>, raw: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::new();
    let most = u64::try_from(limits::STREAM_BYTES_MAX).unwrap_or(u64::MAX);
    let mut reader = flate2::read::ZlibDecoder::new(raw).take(most.saturating_add(1));
    reader
        .read_to_end(&mut plain)
        .map_err(|_| Fault::Malformed("deflated data"))?;
    source.spend_decoded(plain.len())?;
    if plain.len() > limits::STREAM_BYTES_MAX {
        return Err(Fault::Limit("bytes of a stream"));
    }
    Ok(plain)
}

/// Undoes PNG predictors; every row says which one it uses.
fn predicted(parameters: &Dictionary, data: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let value = |key, otherwise| parameters.integer(key).unwrap_or(otherwise);
    match value("Predictor", 1) {
        1 => return Ok(data),
        10..=15 => {}
        _ => return Err(Fault::Malformed("a predictor of another kind")),
    }
    let (colors, bits, columns) = (
        value("Colors", 1),
        value("BitsPerComponent", 8),
        value("Columns", 1),
    );
    if !(1..=4).contains(&colors) || bits != 8 || !(1..=COLUMNS_MAX).contains(&columns) {
        return Err(Fault::Malformed("predictor parameters"));
    }
    let size = |value: i64| usize::try_from(value).unwrap_or(1);
    let (pixel, row_bytes) = (size(colors), size(colors.saturating_mul(columns)));
    let mut all: Vec<u8> = Vec::with_capacity(data.len());
    let mut above = vec![0_u8; row_bytes];
    for chunk in data.chunks(row_bytes.saturating_add(1)) {
        let Some((kind, row)) = chunk.split_first() else {
            break;
        };
        let mut done: Vec<u8> = Vec::with_capacity(row_bytes);
        for (index, byte) in row.iter().enumerate() {
            let back = |row: &[u8]| {
                let place = index.checked_sub(pixel);
                place.and_then(|place| row.get(place)).copied().unwrap_or(0)
            };
            let left = back(&done);
            let up = above.get(index).copied().unwrap_or(0);
            let guess = match kind {
                0 => 0,
                1 => left,
                2 => up,
                3 => u8::try_from((u16::from(left) + u16::from(up)) / 2).unwrap_or(0),
                4 => paeth(left, up, back(&above)),
                _ => return Err(Fault::Malformed("a predictor of another kind")),
            };
            done.push(byte.wrapping_add(guess));
        }
        all.extend_from_slice(&done);
        done.resize(row_bytes, 0);
        above = done;
    }
    Ok(all)
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let estimate = a + b - c;
    let distance = |value: i16| (estimate - value).abs();
    if distance(a) <= distance(b) && distance(a) <= distance(c) {
        left
    } else if distance(b) <= distance(c) {
        up
    } else {
        corner
    }
}

/// Rows of structural streams have a few bytes.
const COLUMNS_MAX: i64 = 65_536;
