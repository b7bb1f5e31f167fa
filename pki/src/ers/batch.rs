//! One time-stamp for many packages: the first one, its renewal by a new time-stamp, and its renewal by a new tree.
//!
//! Owns: what is put under the time-stamp in each case (RFC 4998 sections 4.2, 5.2 and 5.3). A batch is begun, its
//! imprint is stamped by whoever asks authorities, and it is finished with the token. Fails with [`ErsError`]. Must
//! not know when a renewal is due.

use der::{Any, Decode, Encode};

use super::hash::Hash;
use super::object::DataObject;
use super::structure::{Chain, Record, Stamp};
use super::tree::{Tree, Value};
use super::{ErsError, EvidenceRecord, VERSION, octets, unusable};
use crate::pdf::token::Token;
use crate::sign::HashAlgorithm;

/// Records that wait for one token.
#[derive(Debug)]
pub struct Batch {
    hash: Hash,
    request: HashAlgorithm,
    tree: Tree,
    seats: Vec<Seat>,
}

/// What becomes of one record.
#[derive(Debug)]
struct Seat {
    /// The record before; `None`: there was none.
    before: Option<Record>,
    /// Whether the time-stamp begins a chain.
    begins: bool,
    group: Vec<Value>,
}

impl Batch {
    /// New records, one for each package; a package is a group of objects that belong together.
    ///
    /// # Errors
    /// [`ErsError`] for an algorithm that no time-stamp is asked with, for nothing, and for objects not hashed so.
    pub fn begin(hash: Hash, packages: &[Vec<DataObject>]) -> Result<Self, ErsError> {
        let mut seats = Vec::with_capacity(packages.len());
        for package in packages {
            let group = package
                .iter()
                .map(|object| value(object, hash))
                .collect::<Result<_, _>>()?;
            seats.push(Seat {
                before: None,
                begins: true,
                group,
            });
        }
        Self::over(hash, seats)
    }

    /// Renews time-stamps: the same digest, a new time-stamp over the newest token of each record, which records of
    /// one batch share (section 5.2).
    ///
    /// # Errors
    /// [`ErsError::Mixed`] when the records end in different digests.
    pub fn renew_time_stamps(records: Vec<EvidenceRecord>) -> Result<Self, ErsError> {
        let mut hash = None;
        let mut seats = Vec::with_capacity(records.len());
        for record in records {
            let stamp = record.last().ok_or(ErsError::Empty)?;
            let bytes = stamp.token.to_der()?;
            let token = Token::open(&bytes).map_err(unusable)?;
            let own = Hash::from_oid(token.algorithm())
                .ok_or_else(|| ErsError::Algorithm(token.algorithm().to_string()))?;
            if hash.replace(own).is_some_and(|other| other != own) {
                return Err(ErsError::Mixed);
            }
            seats.push(Seat {
                group: vec![own.of(&[&bytes])],
                before: Some(record.0),
                begins: false,
            });
        }
        Self::over(hash.ok_or(ErsError::Empty)?, seats)
    }

    /// Renews hash trees: a new digest over each object and all chains before (section 5.3).
    ///
    /// # Errors
    /// [`ErsError::NotHashed`] for objects that were not hashed with the new digest.
    pub fn renew_trees(
        hash: Hash,
        records: Vec<(EvidenceRecord, Vec<DataObject>)>,
    ) -> Result<Self, ErsError> {
        let mut seats = Vec::with_capacity(records.len());
        for (record, package) in records {
            let before = sequence_value(hash, &record.0.chains)?;
            let group = package
                .iter()
                .map(|object| Ok(hash.of(&[&value(object, hash)?, &before])))
                .collect::<Result<_, ErsError>>()?;
            seats.push(Seat {
                before: Some(record.0),
                begins: true,
                group,
            });
        }
        Self::over(hash, seats)
    }

    fn over(hash: Hash, seats: Vec<Seat>) -> Result<Self, ErsError> {
        let name = || ErsError::Algorithm(hash.name().to_owned());
        let request = hash.for_request().ok_or_else(name)?;
        let groups: Vec<Vec<Value>> = seats.iter().map(|seat| seat.group.clone()).collect();
        let tree = Tree::over(hash, &groups).ok_or(ErsError::Empty)?;
        Ok(Self {
            hash,
            request,
            tree,
            seats,
        })
    }

    /// What is to be stamped, and with which digest.
    #[must_use]
    pub fn imprint(&self) -> (HashAlgorithm, &[u8]) {
        (self.request, self.tree.root())
    }

    /// How many records.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there are none; a batch that was begun has some.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// The records, in the order of what was given. The token must be over the imprint; whether its authority is
    /// to be believed is asked before.
    ///
    /// # Errors
    /// [`ErsError::Token`] for a token over something else, or one that does not hold.
    pub fn finish(self, token: &[u8]) -> Result<Vec<EvidenceRecord>, ErsError> {
        let opened = Token::open(token).map_err(unusable)?;
        let same = Hash::from_oid(opened.algorithm()) == Some(self.hash);
        if !same || opened.imprint() != self.tree.root() {
            return Err(ErsError::Token("it is over another imprint".to_owned()));
        }
        let token = Any::from_der(token)?;
        let (hash, tree) = (self.hash, self.tree);
        let finished = self.seats.into_iter().map(|seat| {
            let lists = tree.reduced(&seat.group).ok_or(ErsError::Empty)?;
            let stamp = Stamp {
                digest_algorithm: Some(hash.identifier()),
                attributes: None,
                tree: reduced(lists, seat.begins)?,
                token: token.clone(),
            };
            Ok(EvidenceRecord(seated(seat, hash, stamp)))
        });
        finished.collect()
    }
}

/// A time-stamp over exactly one token needs no tree; one over an object keeps its list, so that it is seen what
/// the time-stamp is over.
fn reduced(
    lists: Vec<Vec<Value>>,
    begins: bool,
) -> Result<Option<Vec<Vec<der::asn1::OctetString>>>, ErsError> {
    let single = lists.len() == 1 && lists.first().is_some_and(|list| list.len() == 1);
    if single && !begins {
        return Ok(None);
    }
    let lists = lists.into_iter().map(|list| {
        let list = list.into_iter().map(octets);
        list.collect::<Result<Vec<_>, _>>()
    });
    Ok(Some(lists.collect::<Result<_, _>>()?))
}

fn seated(seat: Seat, hash: Hash, stamp: Stamp) -> Record {
    let Some(mut record) = seat.before else {
        return Record {
            version: VERSION,
            digest_algorithms: vec![hash.identifier()],
            crypto_infos: None,
            encryption_info: None,
            chains: vec![vec![stamp]],
        };
    };
    let listed = |identifier: &_| Hash::from_identifier(identifier) == Some(hash);
    if !record.digest_algorithms.iter().any(listed) {
        record.digest_algorithms.push(hash.identifier());
    }
    match record.chains.last_mut() {
        Some(chain) if !seat.begins => chain.push(stamp),
        _ => record.chains.push(vec![stamp]),
    }
    record
}

fn value(object: &DataObject, hash: Hash) -> Result<Value, ErsError> {
    let missing = || ErsError::NotHashed {
        object: object.name.clone(),
        hash,
    };
    Ok(object.value(hash).ok_or_else(missing)?.to_vec())
}

/// `H(atsc)`: the digest over the DER of the sequence of these chains (section 5.3, step 2).
pub(super) fn sequence_value(hash: Hash, chains: &[Chain]) -> Result<Value, ErsError> {
    Ok(hash.of(&[&chains.to_vec().to_der()?]))
}
