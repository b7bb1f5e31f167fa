//! Reads a proof package from somebody who may be hostile.
//!
//! Before the directory is read its entry count is known to be small; every name is a [`Member`],
//! none occurs twice, no entries overlap, local and central headers agree, and no byte stands
//! before the first entry, between entries or after the end. Content is limited by what the entry
//! claims and by the member's own limit, whatever the compressed stream would give.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};

use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use super::{Member, ProofError, bytes_max};
use crate::limits;

/// Bytes of the end record of a zip without a comment.
const END_BYTES: i64 = 22;

/// Bytes that one directory entry of ours takes at most, its name and some fields included.
const ENTRY_BYTES_MAX: u64 = 256;

/// A package that is open and in order.
#[derive(Debug)]
pub struct ProofReader<R: Read + Seek> {
    zip: ZipArchive<R>,
    members: BTreeMap<Member, usize>,
    total_bytes: u64,
}

impl<R: Read + Seek> ProofReader<R> {
    /// Opens a package and checks its whole directory; reads no content.
    pub fn open(mut inner: R) -> Result<Self, ProofError> {
        let announced = announced_entries(&mut inner)?;
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let mut zip = ZipArchive::with_config(config, inner)?;
        if zip.len() > limits::PROOF_MEMBERS_MAX {
            return Err(ProofError::TooMany(zip.len()));
        }
        // The library folds entries of one name into one: the counts then differ.
        if zip.has_duplicate_names() || zip.len() != announced {
            return Err(ProofError::Duplicate("of some name".to_owned()));
        }
        let mut members = BTreeMap::new();
        let mut total_bytes = 0_u64;
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index)?;
            let name = std::str::from_utf8(entry.name_raw())
                .map_err(|_| ProofError::Name(String::from_utf8_lossy(entry.name_raw()).into()))?;
            let member: Member = name.parse()?;
            let plain = matches!(
                entry.compression(),
                CompressionMethod::Stored | CompressionMethod::Deflated
            );
            if !plain || entry.encrypted() || entry.is_symlink() || entry.is_dir() {
                return Err(ProofError::NotPlain(name.to_owned()));
            }
            total_bytes = total_bytes.saturating_add(entry.size());
            if entry.size() > bytes_max(&member) || total_bytes > limits::PROOF_TOTAL_BYTES_MAX {
                return Err(ProofError::TooLarge(name.to_owned()));
            }
            if members.insert(member, index).is_some() {
                return Err(ProofError::Duplicate(name.to_owned()));
            }
        }
        zip.validate_header_consistency()?;
        Ok(Self {
            zip,
            members,
            total_bytes,
        })
    }

    /// Bytes of all members, as their entries say; nothing reads more.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// The members, in the order of [`Member`].
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.keys()
    }

    /// Whether the package has this member.
    #[must_use]
    pub fn has(&self, member: &Member) -> bool {
        self.members.contains_key(member)
    }

    /// The content of a member in memory; for others than packet and ASiC form at most 16 MiB.
    pub fn read(&mut self, member: &Member) -> Result<Vec<u8>, ProofError> {
        let mut content = Vec::new();
        self.copy(member, &mut content)?;
        Ok(content)
    }

    /// Copies the content of a member to `out`; returns its bytes. The checksum is verified.
    pub fn copy(&mut self, member: &Member, out: &mut impl Write) -> Result<u64, ProofError> {
        let index = self
            .members
            .get(member)
            .ok_or_else(|| ProofError::Missing(member.to_string()))?;
        let entry = self.zip.by_index(*index)?;
        let claimed = entry.size();
        let count = std::io::copy(&mut entry.take(claimed.saturating_add(1)), out)?;
        if count == claimed {
            Ok(count)
        } else {
            Err(ProofError::TooLarge(member.to_string()))
        }
    }
}

/// The entry count of the end record, which must be the last bytes of the input: a directory found
/// elsewhere, a comment or zip64 would let two readers see two packages.
fn announced_entries<R: Read + Seek>(inner: &mut R) -> Result<usize, ProofError> {
    let length = inner.seek(SeekFrom::End(0))?;
    let at = length
        .checked_sub(END_BYTES.unsigned_abs())
        .ok_or(ProofError::Layout("shorter than its end record"))?;
    inner.seek(SeekFrom::Start(at))?;
    let mut end = [0; 22];
    inner.read_exact(&mut end)?;
    let [
        b'P',
        b'K',
        5,
        6,
        0,
        0,
        0,
        0,
        here_0,
        here_1,
        all_0,
        all_1,
        size_0,
        size_1,
        size_2,
        size_3,
        start_0,
        start_1,
        start_2,
        start_3,
        0,
        0,
    ] = end
    else {
        return Err(ProofError::Layout(
            "no end record without comment at the end",
        ));
    };
    let here = u16::from_le_bytes([here_0, here_1]);
    let all = u16::from_le_bytes([all_0, all_1]);
    let size = u32::from_le_bytes([size_0, size_1, size_2, size_3]);
    let start = u32::from_le_bytes([start_0, start_1, start_2, start_3]);
    let entries = usize::from(all);
    if entries > limits::PROOF_MEMBERS_MAX {
        return Err(ProofError::TooMany(entries));
    }
    if here != all || u64::from(size) > u64::from(all) * ENTRY_BYTES_MAX {
        return Err(ProofError::Layout("directory of an impossible size"));
    }
    // A zip64 end record would have to stand between the directory and the end record.
    if u64::from(start) + u64::from(size) != at {
        return Err(ProofError::Layout(
            "directory does not end at the end record",
        ));
    }
    Ok(entries)
}
