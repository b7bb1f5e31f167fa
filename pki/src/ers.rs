//! Evidence records (RFC 4998): proof that archived packages existed at a time, kept alive while certificates
//! and algorithms end.
//!
//! Owns: the record's bytes ([`EvidenceRecord`]), one time-stamp over many packages by a hash tree and its two
//! renewals ([`Batch`]), verification at a time ([`Question`]), until when algorithms count ([`Ends`]), and
//! containers with records inside ([`container`]). A record proves nothing about who sent what: the package
//! under it does.
//!
//! Fails with [`ErsError`] for bytes that are no record; a record that is read and does not hold is not an error
//! but a [`Report`] with [`Fault`]s. The clock and the time-stamp authority are the caller's. Must not know files,
//! HTTP or what a package is.

mod batch;
pub mod container;
mod ends;
mod hash;
mod object;
mod report;
mod structure;
mod tree;
mod verify;

#[cfg(test)]
mod tests;

use der::Encode;
use der::asn1::OctetString;

use formats::time::Timestamp;

use crate::pdf::token::{Known, Token};
use crate::pdf::{Anchors, Reason};
use crate::sign::{HashAlgorithm, NotDer, strict};
use crate::stamp::{TimeStamp, claimed_stamp};
use structure::{Record, Stamp};
use tree::Value;

pub use batch::Batch;
pub use ends::{Ends, UnknownAlgorithm};
pub use hash::Hash;
pub use object::{DataObject, Hasher};
pub use report::{Fault, Place, Report, StampReport};
pub use verify::{Question, Scope};

/// Why there is no record.
#[derive(Debug, thiserror::Error)]
pub enum ErsError {
    /// A digest that is not on the list, or one that no request for a time-stamp can carry.
    #[error("digest algorithm {0} is not supported in evidence records")]
    Algorithm(String),
    /// The record was made over encrypted data with a transformation that is not followed here.
    #[error("the record is over encrypted data (encryptionInfo); that is not supported")]
    Encrypted,
    /// Nothing to put under a time-stamp, or a group without objects.
    #[error("there is nothing to archive")]
    Empty,
    /// More than a record may have.
    #[error("the record has too many {0}")]
    Limit(&'static str),
    /// An object was not hashed with the algorithm that is needed.
    #[error("{object} was not hashed with {hash}")]
    NotHashed {
        /// Its name.
        object: String,
        /// With what.
        hash: Hash,
    },
    /// Not DER.
    #[error(transparent)]
    NotDer(#[from] NotDer),
    /// Records of one batch end in different digests.
    #[error("records of one renewal must end in the same digest algorithm")]
    Mixed,
    /// The token is not over what was asked for, or its signature does not hold.
    #[error("the time-stamp token cannot be used: {0}")]
    Token(String),
    /// RFC 4998 section 3.1: version 1 is the only one.
    #[error("evidence record of version {0}")]
    Version(u8),
}

impl From<der::Error> for ErsError {
    fn from(error: der::Error) -> Self {
        Self::NotDer(error.into())
    }
}

/// A record that was read, or made here. It claims; [`Question::ask`] judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceRecord(Record);

/// What a record rests on now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The digest of its newest chain.
    pub hash: Hash,
    /// The newest token's time.
    pub time: Timestamp,
    /// Name of the time-stamp authority.
    pub tsa: String,
    /// When the authority's certificate, or one above it, ends.
    pub certificate_end: Timestamp,
    /// When the first of the algorithms that the newest time-stamp rests on ends, and its name.
    pub algorithm_end: Option<(&'static str, Timestamp)>,
}

impl Newest {
    /// Until when it proves anything without being renewed.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        let algorithm = self.algorithm_end.map(|(_, end)| end);
        algorithm.map_or(self.certificate_end, |end| end.min(self.certificate_end))
    }
}

impl EvidenceRecord {
    /// Reads a record: strict DER, version 1, within the limits, with digests that are known.
    ///
    /// # Errors
    /// [`ErsError`] as named.
    pub fn parse(bytes: &[u8]) -> Result<Self, ErsError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(ErsError::Limit("bytes"));
        }
        let record: Record = strict(bytes)?;
        if record.version != VERSION {
            return Err(ErsError::Version(record.version));
        }
        if record.encryption_info.is_some() {
            return Err(ErsError::Encrypted);
        }
        let stamps = record.chains.iter().map(Vec::len).sum::<usize>();
        let empty = record.chains.iter().any(Vec::is_empty);
        if empty || stamps == 0 {
            return Err(ErsError::Empty);
        }
        if stamps > STAMPS_MAX {
            return Err(ErsError::Limit("time-stamps"));
        }
        let lists = || record.chains.iter().flatten().flat_map(|one| &one.tree);
        let values = lists().flatten().map(Vec::len).sum::<usize>();
        if values > VALUES_MAX || lists().any(|tree| tree.len() > LISTS_MAX) {
            return Err(ErsError::Limit("hash values"));
        }
        let record = Self(record);
        record.hashes()?;
        Ok(record)
    }

    /// The record's DER.
    ///
    /// # Errors
    /// Never in practice: it was read or built.
    pub fn to_der(&self) -> Result<Vec<u8>, ErsError> {
        Ok(self.0.to_der()?)
    }

    /// The digests that its objects must be hashed with to be looked for in it.
    ///
    /// # Errors
    /// [`ErsError::Algorithm`] for one that is not on the list.
    pub fn hashes(&self) -> Result<Vec<Hash>, ErsError> {
        let mut all = Vec::new();
        for identifier in &self.0.digest_algorithms {
            all.push(known(identifier)?);
        }
        for stamp in self.0.chains.iter().flatten() {
            match &stamp.digest_algorithm {
                Some(identifier) => all.push(known(identifier)?),
                None => all.extend(imprint_hash(stamp)),
            }
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The tokens of every chain, oldest first, as they stand.
    ///
    /// # Errors
    /// Never in practice: they were read.
    pub fn tokens(&self) -> Result<Vec<Vec<u8>>, ErsError> {
        let all = self.0.chains.iter().flatten();
        all.map(|stamp| Ok(stamp.token.to_der()?)).collect()
    }

    /// How many time-stamps each chain has.
    #[must_use]
    pub fn chains(&self) -> Vec<usize> {
        self.0.chains.iter().map(Vec::len).collect()
    }

    /// What the record rests on now.
    ///
    /// # Errors
    /// [`ErsError::Token`] when the newest token cannot be read.
    pub fn newest(&self, ends: &Ends) -> Result<Newest, ErsError> {
        let stamp = self.last().ok_or(ErsError::Empty)?;
        let bytes = stamp.token.to_der()?;
        let token = Token::open(&bytes).map_err(unusable)?;
        let hash = Hash::from_oid(token.algorithm())
            .ok_or_else(|| ErsError::Algorithm(token.algorithm().to_string()))?;
        let mut known = Known::default();
        known.add(&token);
        let signer = token.signer();
        let mut algorithms = vec![(hash.name(), ends.of_hash(hash))];
        if let Some(signed) = token.signed_with() {
            let signed = Hash::of_signature(signed);
            algorithms.push((signed.name(), ends.of_hash(signed)));
        }
        algorithms.extend(ends::key_name(signer).map(|name| (name, ends.of_key(signer))));
        let dated = algorithms
            .into_iter()
            .filter_map(|(name, end)| Some((name, end?)));
        Ok(Newest {
            hash,
            time: token.time(),
            tsa: signer.subject(),
            certificate_end: known.end_of(signer),
            algorithm_end: dated.min_by_key(|(_, end)| *end),
        })
    }

    fn last(&self) -> Option<&Stamp> {
        self.0.chains.last().and_then(|chain| chain.last())
    }
}

/// Whether a token is over this imprint, its signature holds and, with `anchors`, its authority is believed at the
/// token's own time. For whoever asks authorities without the network's trust list.
///
/// # Errors
/// [`ErsError::Token`] with what does not hold.
pub fn check_token(
    token: &[u8],
    hash: HashAlgorithm,
    imprint: &[u8],
    anchors: Option<&Anchors>,
) -> Result<TimeStamp, ErsError> {
    let opened = Token::open(token).map_err(unusable)?;
    if Hash::from_oid(opened.algorithm()) != Some(Hash::of_signature(hash))
        || opened.imprint() != imprint
    {
        return Err(ErsError::Token("it is over another imprint".to_owned()));
    }
    if let Some(anchors) = anchors {
        let mut known = Known::default();
        known.add(&opened);
        let believed = opened.believed(anchors, &known, opened.time());
        believed.map_err(unusable)?;
    }
    claimed_stamp(token).map_err(|error| ErsError::Token(error.to_string()))
}

/// The digest of a token's imprint, unverified; where `digestAlgorithm` is absent it is the archive time-stamp's
/// (RFC 4998 section 4.1).
fn imprint_hash(stamp: &Stamp) -> Option<Hash> {
    let bytes = stamp.token.to_der().ok()?;
    Hash::from_oid(Token::open(&bytes).ok()?.algorithm())
}

fn known(identifier: &spki::AlgorithmIdentifierOwned) -> Result<Hash, ErsError> {
    let name = || ErsError::Algorithm(identifier.oid.to_string());
    Hash::from_identifier(identifier).ok_or_else(name)
}

fn unusable(reason: Reason) -> ErsError {
    ErsError::Token(reason.english().to_owned())
}

fn octets(value: Value) -> Result<OctetString, der::Error> {
    OctetString::new(value)
}

/// RFC 4998 section 3.1.
const VERSION: u8 = 1;
/// A record of thirty years has about ten time-stamps of 10 KiB.
pub const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Time-stamps of all chains.
const STAMPS_MAX: usize = 256;
/// Hash values of all trees.
const VALUES_MAX: usize = 65_536;
/// Lists of one reduced tree: levels of a tree.
const LISTS_MAX: usize = 256;
