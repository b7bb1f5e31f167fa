//! ASiC-S form of a document (ETSI EN 319 162-1): one signed data object with its detached CAdES signature
//! in a zip of three stored entries.
//!
//! Owns its one layout: `mimetype` first, as clause A.1 demands, then `packet.edxml`, then
//! `META-INF/signature.p7s` (clause 4.3.3.2); no time, no comment, no extra field. Same packet and signature
//! give the same bytes, so a reader need not open a zip inside a zip: it makes the form again and compares. The
//! packet lies uncompressed between [`Asic::before`] and [`Asic::after`]. Fails where a part is longer
//! than a zip without zip64 can hold. Must not know what the signature is worth.

/// Checksum of a zip entry, fed piece by piece (the CRC-32 of ISO 3309 with the usual reflection).
#[derive(Debug, Clone)]
pub struct Checksum(u32);

impl Default for Checksum {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Checksum {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let at = (self.0 ^ u32::from(*byte)) & 0xff;
            let at = usize::try_from(at).unwrap_or_default();
            self.0 = TABLE.get(at).copied().unwrap_or_default() ^ (self.0 >> 8);
        }
    }

    /// The checksum of all bytes so far.
    #[must_use]
    pub const fn value(&self) -> u32 {
        !self.0
    }
}

/// Everything of the form but the packet itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asic {
    /// Bytes before the packet.
    pub before: Vec<u8>,
    /// Bytes after it.
    pub after: Vec<u8>,
}

impl Asic {
    /// The form of a packet of so many bytes with this checksum, and its signature. `None` when it does not
    /// fit a zip without zip64.
    #[must_use]
    pub fn of(packet_bytes: u64, packet_sum: u32, signature: &[u8]) -> Option<Self> {
        let mut sum = Checksum::default();
        sum.update(MIMETYPE);
        let mimetype = Entry::new("mimetype", sum.value(), MIMETYPE.len().try_into().ok()?, 0)?;
        let packet = Entry::new(PACKET, packet_sum, packet_bytes, mimetype.end()?)?;
        let mut sum = Checksum::default();
        sum.update(signature);
        let signed = signature.len().try_into().ok()?;
        let third = Entry::new(SIGNATURE, sum.value(), signed, packet.end()?)?;
        let mut before = mimetype.local();
        before.extend_from_slice(MIMETYPE);
        before.extend(packet.local());
        let mut after = third.local();
        after.extend_from_slice(signature);
        let directory: Vec<u8> = [&mimetype, &packet, &third]
            .into_iter()
            .flat_map(Entry::central)
            .collect();
        let start = third.end()?;
        let size = u32::try_from(directory.len()).ok()?;
        // The whole must end where a zip without zip64 may.
        start.checked_add(size)?.checked_add(END_BYTES)?;
        after.extend(directory);
        after.extend_from_slice(&[b'P', b'K', 5, 6, 0, 0, 0, 0, 3, 0, 3, 0]);
        after.extend_from_slice(&size.to_le_bytes());
        after.extend_from_slice(&start.to_le_bytes());
        after.extend_from_slice(&[0, 0]);
        Some(Self { before, after })
    }
}

/// One stored entry.
struct Entry {
    name: &'static str,
    sum: u32,
    bytes: u32,
    at: u32,
}

impl Entry {
    fn new(name: &'static str, sum: u32, bytes: u64, at: u32) -> Option<Self> {
        let bytes = u32::try_from(bytes).ok()?;
        Some(Self {
            name,
            sum,
            bytes,
            at,
        })
    }

    /// Where the next entry begins.
    fn end(&self) -> Option<u32> {
        let name = u32::try_from(self.name.len()).ok()?;
        let header = LOCAL_BYTES.checked_add(name)?;
        self.at.checked_add(header)?.checked_add(self.bytes)
    }

    /// Version needed, flags, method (stored), time and date (1980-01-01), sum, sizes, lengths.
    fn facts(&self) -> Vec<u8> {
        let mut facts = vec![10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        facts.extend_from_slice(&self.sum.to_le_bytes());
        facts.extend_from_slice(&self.bytes.to_le_bytes());
        facts.extend_from_slice(&self.bytes.to_le_bytes());
        // Names are a few characters.
        let name = u8::try_from(self.name.len()).unwrap_or_default();
        facts.extend_from_slice(&[name, 0, 0, 0]);
        facts
    }

    fn local(&self) -> Vec<u8> {
        let mut bytes = vec![b'P', b'K', 3, 4];
        bytes.extend(self.facts());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }

    fn central(&self) -> Vec<u8> {
        let mut bytes = vec![b'P', b'K', 1, 2, 10, 0];
        bytes.extend(self.facts());
        // No comment, disk 0, no attributes.
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(&self.at.to_le_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes
    }
}

const fn table() -> [u32; 256] {
    let mut table = [0_u32; 256];
    let mut index = 0_u32;
    let mut rest: &mut [u32] = &mut table;
    while let [first, others @ ..] = rest {
        let mut value = index;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                0xedb8_8320 ^ (value >> 1)
            } else {
                value >> 1
            };
            bit += 1;
        }
        *first = value;
        index += 1;
        rest = others;
    }
    table
}

const TABLE: [u32; 256] = table();
/// Content of the first entry.
pub const MIMETYPE: &[u8] = b"application/vnd.etsi.asic-s+zip";
/// Name of the data object.
pub const PACKET: &str = "packet.edxml";
/// Name of the signature.
pub const SIGNATURE: &str = "META-INF/signature.p7s";
/// A local header without its name.
const LOCAL_BYTES: u32 = 30;
/// The end record.
const END_BYTES: u32 = 22;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn form(packet: &[u8], signature: &[u8]) -> Vec<u8> {
        let mut sum = Checksum::default();
        packet.chunks(7).for_each(|piece| sum.update(piece));
        let bytes = packet.len().try_into().unwrap();
        let asic = Asic::of(bytes, sum.value(), signature).unwrap();
        [&asic.before, packet, &asic.after].concat()
    }

    #[test]
    fn a_foreign_reader_finds_three_stored_entries_with_mimetype_first() {
        let bytes = form(b"<edXML/>", b"signature");
        // EN 319 162-1 annex A.1: the type can be read at a fixed place.
        assert_eq!(&bytes[30..38], b"mimetype");
        assert_eq!(&bytes[38..69], MIMETYPE);
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut read = Vec::new();
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).unwrap();
            assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let name = entry.name().unwrap().into_owned();
            read.push((name, content));
        }
        assert_eq!(
            read,
            [
                ("mimetype".to_owned(), MIMETYPE.to_vec()),
                (PACKET.to_owned(), b"<edXML/>".to_vec()),
                (SIGNATURE.to_owned(), b"signature".to_vec()),
            ]
        );
        assert_eq!(form(b"<edXML/>", b"s"), form(b"<edXML/>", b"s"));
        assert_ne!(form(b"<edXML/>", b"s"), form(b"<edXML/>", b"t"));
    }

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        let mut sum = Checksum::default();
        sum.update(b"123456789");
        assert_eq!(sum.value(), 0xcbf4_3926);
        assert_eq!(Checksum::default().value(), 0);
    }

    #[test]
    fn what_needs_zip64_has_no_form() {
        let most = u64::from(u32::MAX);
        assert!(Asic::of(most + 1, 0, b"s").is_none());
        assert!(Asic::of(most, 0, b"s").is_none());
        assert!(Asic::of(most - 900, 0, &[0; 600]).is_none());
        assert!(Asic::of(most - 2_000, 0, b"s").is_some());
    }
}
