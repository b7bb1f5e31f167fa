//! Every maximum of the network's formats, in one place and with its reason.
//!
//! A limit here is part of the formats: a longer value is refused by every decoder, so raising one
//! needs all stations to know it first. Settings of a station (disk floor, quotas in force) only
//! ever lower these. Units are in the names.

/// Characters of an agency code. Decision 28/2018 gives 13, the codes of Decision 20/2020 are
/// longer; 35 is what systems on the present axis accept.
pub const AGENCY_CODE_CHARS_MAX: usize = 35;

/// Characters of a DNS name (RFC 1035 section 2.3.4, in text form without the final dot).
pub const DNS_NAME_CHARS_MAX: usize = 253;

/// Characters of one DNS label (RFC 1035 section 2.3.4).
pub const DNS_LABEL_CHARS_MAX: usize = 63;

/// Characters of a station name. Shorter than DNS allows, because names stand in every statement
/// and a statement must stay small; room for a site, an agency code and a trust domain.
pub const STATION_NAME_CHARS_MAX: usize = 120;

/// Recipients of one envelope. The capsule grows by about 300 to 500 bytes for each; longer lists
/// are split by the desk.
pub const RECIPIENTS_MAX: usize = 256;

/// Characters of what the sender wrote instead of the canonical code (`addressed_as`).
pub const ADDRESSED_AS_CHARS_MAX: usize = 64;

/// Bytes of a header: 256 recipients of 36 bytes, each with an `addressed_as` of 102, are 36 KiB.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of any detached CMS signature: room for RSA, a certificate chain and a time-stamp token.
pub const SIGNATURE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of an RFC 3161 token with its certificates.
pub const TOKEN_BYTES_MAX: usize = 32 * 1024;

/// Bytes of a packet. The present axis refuses far smaller ones; 2 GiB carries drawings and plans
/// and keeps the leaf hashes of one body (32 bytes per MiB) within one frame.
pub const PACKET_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Plaintext bytes of one body chunk: large enough that its tag and hash cost nothing, small enough
/// that a station holds many in memory and a broken link loses little.
pub const CHUNK_BYTES: u64 = 1024 * 1024;

/// Bytes that AES-256-GCM adds to each chunk.
pub const TAG_BYTES: u64 = 16;

/// Bytes of a capsule: 256 recipients with RSA-4096 keys (about 700 bytes each) and the packet's
/// signature with a chain and a token.
pub const CAPSULE_BYTES_MAX: u32 = 512 * 1024;

/// Pieces of a body: the capsule and the chunks of the largest packet.
pub const PIECES_MAX: u32 = 1 + 2048;

/// Bytes of a body without a capsule (class receipt or control): a batch of some thousand receipts.
pub const OPEN_BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bodies up to this size ride inside the offer and lie in the database: one round trip, one sync.
pub const INLINE_BODY_BYTES_MAX: u64 = 64 * 1024;

/// Milliseconds from `created` to `expires` at most: 30 days. Duplicate keys and receipts are kept
/// for as long again.
pub const LIFETIME_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1000;

/// Milliseconds that the first station accepts `created` behind its clock: 7 days of a node
/// working without a link.
pub const CREATED_BEHIND_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;

/// Milliseconds that the first station accepts `created` ahead of its clock: 10 minutes.
pub const CREATED_AHEAD_MS_MAX: i64 = 10 * 60 * 1000;

/// Bytes of one statement: three names, two parties, four digests.
pub const STATEMENT_BYTES_MAX: usize = 4 * 1024;

/// Digests in an inclusion or consistency proof: a tree of 2^64 leaves has height 64; a
/// consistency proof needs one more.
pub const PROOF_DIGESTS_MAX: usize = 65;

/// Statements in one receipt bundle. Limited by the body that carries it, this bounds the count.
pub const BUNDLE_STATEMENTS_MAX: usize = 4096;

/// Envelopes of one status query: as many as an envelope has recipients; the answer fits one bundle.
pub const QUERY_ENVELOPES_MAX: usize = 256;

/// Bytes of a signed note: a checkpoint and the cosignatures of a few witnesses.
pub const NOTE_BYTES_MAX: usize = 8 * 1024;

/// Witnesses that a trust list names: the lines of a note are bounded, and the log's own is one of them.
pub const WITNESSES_MAX: usize = 15;

/// Heads of logs in one frame: some 2 KiB each, so that a frame stays far below its limit.
pub const HEADS_PER_FRAME_MAX: usize = 32;

/// Stations that may pass a question for a consistency proof on to the next.
pub const PROVE_HOPS_MAX: u32 = 4;

/// Lines of a consistency proof that a witness reads (c2sp.org/tlog-witness).
pub const WITNESS_PROOF_LINES_MAX: usize = 63;

/// Note keys of a station that sign no more, but signed what may still be under way.
pub const OLD_NOTE_KEYS_MAX: usize = 4;

/// Signature lines of a note that are read.
pub const NOTE_SIGNATURES_MAX: usize = 16;

/// Bytes of one frame on a link, without its length prefix. Custody of 256 legs with proofs of
/// height 64 is 750 KiB; the offer with an inline body 200 KiB.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Stations that an envelope may pass; more means a loop.
pub const HOPS_MAX: usize = 16;

/// Characters of the free text beside a refusal: one line for an operator's log.
pub const REFUSAL_DETAIL_CHARS_MAX: usize = 256;

/// Characters of a W3C `traceparent` (version 00 has 55; later ones may be longer).
pub const TRACEPARENT_CHARS_MAX: usize = 128;

/// Bytes of one record: 1,000 agencies of up to 1 KiB.
pub const RECORD_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Agencies in one agency record.
pub const RECORD_AGENCIES_MAX: usize = 1000;

/// Entries of any other list in a record (addresses, neighbours, aliases, roots, ...).
pub const RECORD_LIST_MAX: usize = 64;

/// Successors that are followed from one agency to the one that receives now; more means a loop. Mergers
/// come every few years, so a real chain has a handful.
pub const SUCCESSORS_MAX: usize = 16;

/// Characters of a free text in a record (names of agencies have up to 200 by QCVN 102).
pub const RECORD_TEXT_CHARS_MAX: usize = 300;

/// Bytes of one certificate.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

/// Members of a proof package: receipts, checkpoints and certificates of 256 recipients.
pub const PROOF_MEMBERS_MAX: usize = 4096;

/// Bytes of one proof package member other than the packet (a CRL can be long).
pub const PROOF_MEMBER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of all members of a proof package: what a zip without zip64 can hold. The desk leaves out
/// the ASiC form, then the packet, where they do not fit.
pub const PROOF_TOTAL_BYTES_MAX: u64 = 4_000_000_000;

/// Signers of a trust list: each is a person with a key in a safe.
pub const TRUST_LIST_SIGNERS_MAX: usize = 16;
