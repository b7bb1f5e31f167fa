//! Mutations: bits, bytes, pieces cut, doubled, swapped between seeds, and the words that mean something to
//! a format.

use tests::samples::Noise;

/// One mutated input: a seed, changed a few times.
pub(crate) fn mutate(noise: &mut Noise, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let pick = |noise: &mut Noise, below: usize| -> usize {
        let below = u64::try_from(below.max(1)).unwrap_or(1);
        usize::try_from(noise.word() % below).unwrap_or(0)
    };
    let at = pick(noise, seeds.len());
    let mut input = seeds.get(at).cloned().unwrap_or_default();
    for _ in 0..=pick(noise, 6) {
        let length = input.len();
        let from = pick(noise, length + 1);
        let to = (from + pick(noise, 40)).min(length);
        match pick(noise, 8) {
            0 if length > 0 => {
                let bit = 1_u8 << pick(noise, 8);
                let place = pick(noise, length);
                input[place] ^= bit;
            }
            1 if length > 0 => {
                let place = pick(noise, length);
                input[place] = [0x00, 0x01, 0x7f, 0x80, 0xff, b'<', b'"', 0x30][pick(noise, 8)];
            }
            2 => drop(input.drain(from..to)),
            3 => {
                let piece = input[from..to].to_vec();
                let place = pick(noise, length + 1);
                drop(input.splice(place..place, piece));
            }
            4 | 5 => {
                let word = words.get(pick(noise, words.len())).copied().unwrap_or(b"");
                drop(input.splice(from..from, word.iter().copied()));
            }
            6 => {
                // The head of this and the tail of another.
                let other = &seeds[pick(noise, seeds.len())];
                let cut = pick(noise, other.len() + 1);
                input.truncate(from);
                input.extend_from_slice(&other[cut..]);
            }
            _ => {
                // Nested or repeated much: where depth and counts are bounded.
                let piece = input[from..to].to_vec();
                for _ in 0..pick(noise, 64) {
                    drop(input.splice(from..from, piece.iter().copied()));
                }
            }
        }
        input.truncate(1 << 20);
    }
    input
}

pub(crate) const PDF: &[&[u8]] = &[
    b"<<",
    b">>",
    b"[",
    b"]",
    b"(",
    b"\\",
    b"/Kids",
    b"/Prev 9",
    b"/Length 4294967296",
    b"/Parent 2 0 R",
    b"1 0 R",
    b"null",
    b"-1",
    b"99999999999",
    b"endobj",
    b"stream\n",
    b"startxref\n9\n%%EOF",
    b"xref\n0 9999999\n",
    b"trailer",
    b"/Encrypt << >>",
    b"/W [8 8 8]",
    b"/Filter /FlateDecode",
    b"/ByteRange [0 1 2 3]",
    b"/Type /ObjStm",
    b"%",
];
pub(crate) const XML: &[&[u8]] = &[
    b"<![CDATA[",
    b"]]>",
    b"<!DOCTYPE a [",
    b"<!ENTITY b \"c\">",
    b"&amp;",
    b"&#0;",
    b"&#x10FFFF;",
    b"&lol;",
    b"<!--",
    b"-->",
    b"<?x ?>",
    b"xmlns=\"\"",
    b"xmlns:edXML=\"x\"",
    b"</",
    b"/>",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"2026/02/30",
    b"9999999999",
    b"01",
    b"16",
    b"cid:",
    b"====",
    b"TVo=",
    b"<edXML:To>",
    b"</edXML:To>",
    b"BussinessDocType",
    b"\0",
];
pub(crate) const DER: &[&[u8]] = &[
    &[0x30, 0x80],
    &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
    &[0x31, 0x00],
    &[0x02, 0x01, 0x00],
    &[0x02, 0x02, 0x00, 0x01],
    &[0x06, 0x00],
    &[0x03, 0x01, 0x08],
    &[0x04, 0x81, 0x01],
    &[0x05, 0x00],
    &[0xa0, 0x00],
    &[0x1f, 0x81],
    &[0x00, 0x00],
    &[0x17, 0x0d],
    &[0x18, 0x0f],
];
pub(crate) const CBOR: &[&[u8]] = &[
    &[0x9f],
    &[0xbf],
    &[0xff],
    &[0x5f],
    &[0x7f],
    &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x5b, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00],
    &[0xf6],
    &[0xf7],
    &[0xfb],
    &[0x18, 0x01],
    &[0xa0],
    &[0x80],
    &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xc2, 0x40],
];
pub(crate) const TEXT: &[&[u8]] = &[
    b"\n",
    b"\n\n",
    b"\r\n",
    b"0",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"null",
    b"{}",
    b"[]",
    b"\"\\u0000\"",
    b"\\ud800",
    b"\xf0\x9f\x92\xa9",
    b",",
    b"\xe2\x80\x94 ",
];
pub(crate) const ZIP: &[&[u8]] = &[
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x07\x08",
    &[0xff; 8],
    &[0; 8],
    &[1, 0, 1, 0],
];
pub(crate) const CALENDAR: &[&[u8]] = &[
    b"\n",
    b"..",
    b"#",
    b"2026-02-29",
    b"9999-12-31",
    b"1000-01-01..9999-12-31",
    "ngày lễ".as_bytes(),
    "nghỉ".as_bytes(),
    "làm bù".as_bytes(),
    "chưa rõ".as_bytes(),
    "biết".as_bytes(),
    b"known",
    b"e\xcc\x82\xcc\x81",
];
