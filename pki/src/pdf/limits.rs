//! Every limit of the PDF reader, with its reason. A document beyond one of them is not refused: its
//! signatures are reported as unknown.

/// Signatures looked at in one document. Official letters carry two to ten.
pub(super) const SIGNATURES_MAX: usize = 32;
/// Form fields and their widgets, read several times for each signature. Tax forms have about 2,000.
pub(super) const FIELDS_MAX: usize = 5_000;
/// Levels of the field tree.
pub(super) const FIELD_DEPTH_MAX: usize = 32;
/// Objects in the cross-reference tables of one revision; a scanned book of 10,000 pages has 100,000.
pub(super) const OBJECTS_MAX: usize = 500_000;
/// Revisions of one file.
pub(super) const REVISIONS_MAX: usize = 256;
/// Objects read while revisions are compared, over all signatures together.
pub(super) const COMPARED_MAX: u32 = 400_000;
/// Nesting of arrays and dictionaries inside one object.
pub(super) const DEPTH_MAX: usize = 48;
/// Text of one object outside streams: the list of all pages of a book, or a signature with its
/// revocation data, stays below.
pub(super) const OBJECT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Values inside one object; each takes about 50 bytes of memory.
pub(super) const ELEMENTS_MAX: u32 = 200_000;
/// One decoded stream (cross-references, object stream, certificate or revocation list).
pub(super) const STREAM_BYTES_MAX: usize = 16 * 1024 * 1024;
/// All decoded streams of one check together: what a deflate bomb may cost.
pub(super) const DECODED_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Decoded object streams kept at a time.
pub(super) const OBJECT_STREAMS_KEPT: usize = 4;
/// Bytes loaded from the file for its structure, again and again ones included.
pub(super) const LOADED_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Bytes hashed over all signatures: twenty signatures on a file of 200 MiB.
pub(super) const HASHED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Where the end mark is looked for, from the end backwards.
pub(super) const TAIL_BYTES: u64 = 2048;
/// One CMS object. With archived revocation lists inside, a few hundred KiB.
pub(super) const CMS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Certificates taken from one document.
pub(super) const CERTIFICATES_MAX: usize = 48;
/// Revocation lists and answers taken from one document.
pub(super) const REVOCATIONS_MAX: usize = 48;
/// Characters kept of a name.
pub(super) const NAME_CHARACTERS_MAX: usize = 200;
/// Revocation lists of one document together; entries take about ten times their bytes in memory.
pub(super) const CRL_BYTES_MAX: usize = 8 * 1024 * 1024;
