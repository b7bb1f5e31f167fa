//! Receipts: statements with their proofs of inclusion in one signed checkpoint.
//!
//! Owns the bundle's bytes and the check that every statement is a leaf of the tree that the note
//! names. What is left for `pki` is the note's signature, the CMS signature and the time-stamp; for
//! `relay`, whether that station may speak for that recipient. Fails with [`ReceiptError`].

use crate::cbor::{self, Reader, Writer};
use crate::checkpoint::{CheckpointError, Note, SignedCheckpoint};
use crate::id::Digest;
use crate::limits;
use crate::merkle;
use crate::statement::{self, Statement, StatementError};

/// The version that this code writes and reads.
const VERSION: u64 = 1;

/// Why a bundle proves nothing. The fault is the station's that made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not deterministic CBOR of the right shape.
    #[error(transparent)]
    Cbor(#[from] cbor::Error),
    /// The note is not a note.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The bundle has no statement.
    #[error("receipt bundle is empty")]
    Empty,
    /// A statement is not a leaf of the checkpoint's tree.
    #[error("statement {number} is not at leaf {index} of a tree of {size}")]
    NotIncluded {
        /// Position in the bundle.
        number: usize,
        /// The leaf that it claims to be.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// The log is not that of the station that the statement names.
    #[error("statement {0} is in the log of another station")]
    OtherLog(usize),
    /// A statement is not readable.
    #[error("statement {number}: {error}")]
    Statement {
        /// Position in the bundle.
        number: usize,
        /// What is wrong with it.
        error: StatementError,
    },
    /// Another version than 1.
    #[error("receipt version {0} is not known")]
    Version(u64),
}

/// A statement's bytes with what proves it to be a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The JSON text, verbatim.
    pub statement: Vec<u8>,
    /// The leaf's salt.
    pub salt: [u8; 32],
    /// Number of the leaf.
    pub index: u64,
    /// Inclusion path, lowest sibling first.
    pub path: Vec<Digest>,
}

impl Proven {
    /// The RFC 6962 leaf hash of this statement.
    #[must_use]
    pub fn leaf_hash(&self) -> Digest {
        statement::leaf_hash(&self.salt, &self.statement)
    }

    fn write(&self, w: &mut Writer) {
        w.array(4)
            .bytes(&self.statement)
            .bytes(&self.salt)
            .uint(self.index)
            .digests(&self.path);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, cbor::Error> {
        r.array_exact(4, "proven statement")?;
        Ok(Self {
            statement: r.bytes(limits::STATEMENT_BYTES_MAX, "statement")?.to_vec(),
            salt: r.fixed("salt")?,
            index: r.uint("leaf index")?,
            path: r.digests(limits::PROOF_DIGESTS_MAX, "inclusion path")?,
        })
    }
}

/// Statements of one log with one checkpoint that covers them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptBundle {
    /// The statements, at least one.
    pub proven: Vec<Proven>,
    /// The signed head that all paths lead to.
    pub checkpoint: SignedCheckpoint,
}

impl ReceiptBundle {
    /// Appends the CBOR form `[1, [[statement, salt, index, path], …], checkpoint]`.
    pub fn write(&self, w: &mut Writer) {
        w.array(3).uint(VERSION).array(self.proven.len());
        for proven in &self.proven {
            proven.write(w);
        }
        self.checkpoint.write(w);
    }

    /// Reads the CBOR form; proofs are checked by [`Self::statements`] only.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, ReceiptError> {
        r.array_exact(3, "receipt bundle")?;
        match r.uint("receipt version")? {
            VERSION => {}
            other => return Err(ReceiptError::Version(other)),
        }
        let count = r.array(limits::BUNDLE_STATEMENTS_MAX, "statements")?;
        if count == 0 {
            return Err(ReceiptError::Empty);
        }
        let proven = (0..count)
            .map(|_| Proven::read(r))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            proven,
            checkpoint: SignedCheckpoint::read(r)?,
        })
    }

    /// The CBOR form as bytes of its own: file `*.receipt`, body of an envelope of class receipt.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.finish()
    }

    /// Reads [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let mut r = Reader::new(bytes);
        let bundle = Self::read(&mut r)?;
        r.finish()?;
        Ok(bundle)
    }

    /// The statements, after checking that each is a leaf of the tree that the note names and
    /// speaks for the station whose log it is. Says nothing of signatures: they are `pki`'s.
    pub fn statements(&self) -> Result<Vec<Statement>, ReceiptError> {
        let note = self.checkpoint.parsed()?;
        self.proven
            .iter()
            .enumerate()
            .map(|(number, proven)| included(&note, number, proven))
            .collect()
    }
}

fn included(note: &Note, number: usize, proven: &Proven) -> Result<Statement, ReceiptError> {
    let head = &note.checkpoint;
    let (index, size) = (proven.index, head.size);
    if !merkle::verify_inclusion(&proven.leaf_hash(), index, size, &proven.path, &head.root) {
        return Err(ReceiptError::NotIncluded {
            number,
            index,
            size,
        });
    }
    let statement = Statement::parse(&proven.statement)
        .map_err(|error| ReceiptError::Statement { number, error })?;
    if statement.station == *head.origin.station() {
        Ok(statement)
    } else {
        Err(ReceiptError::OtherLog(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::samples::bundle;

    #[test]
    fn a_bundle_reads_back_and_gives_its_statements_in_order() {
        let bundle = bundle();
        let read = ReceiptBundle::decode(&bundle.encode()).unwrap();
        assert_eq!(read, bundle);
        let times: Vec<i64> = read
            .statements()
            .unwrap()
            .iter()
            .map(|s| s.time.unix_ms())
            .collect();
        let first = times[1];
        assert_eq!(times, [first + 4, first, first + 2]);
    }

    #[test]
    fn a_statement_that_is_not_in_the_tree_spoils_the_bundle() {
        type Change = fn(&mut ReceiptBundle);
        let changes: [(&str, Change); 7] = [
            ("other salt", |b| b.proven[1].salt[0] ^= 1),
            ("other index", |b| b.proven[1].index = 1),
            ("index beyond the tree", |b| b.proven[1].index = 5),
            ("short path", |b| b.proven[1].path.truncate(1)),
            ("long path", |b| b.proven[1].path.push(Digest::of(b"x"))),
            ("swapped statement", |b| {
                b.proven[1].statement = b.proven[0].statement.clone()
            }),
            ("other size", |b| {
                b.checkpoint.note = b.checkpoint.note.replacen("\n5\n", "\n9\n", 1)
            }),
        ];
        for (name, change) in changes {
            let mut bundle = bundle();
            change(&mut bundle);
            let refused = bundle.statements();
            assert!(
                matches!(refused, Err(ReceiptError::NotIncluded { .. })),
                "{name}: {refused:?}"
            );
        }
    }

    /// A station cannot log a sentence that another station is said to have spoken.
    #[test]
    fn a_statement_of_another_station_is_refused() {
        let mut bundle = bundle();
        bundle.checkpoint.note = bundle.checkpoint.note.replace("relay-a", "relay-b");
        assert_eq!(bundle.statements(), Err(ReceiptError::OtherLog(0)));
    }

    #[test]
    fn broken_bundles_are_refused() {
        let bytes = bundle().encode();
        for end in 0..bytes.len() {
            assert!(
                ReceiptBundle::decode(&bytes[..end]).is_err(),
                "cut at {end}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(ReceiptBundle::decode(&longer).is_err());
        let mut version = bytes;
        version[1] = 2;
        assert_eq!(
            ReceiptBundle::decode(&version),
            Err(ReceiptError::Version(2))
        );
        let empty = ReceiptBundle {
            proven: vec![],
            ..bundle()
        };
        assert_eq!(
            ReceiptBundle::decode(&empty.encode()),
            Err(ReceiptError::Empty)
        );
    }
}
