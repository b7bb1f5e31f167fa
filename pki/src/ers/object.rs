//! A data object as a record sees it: a name for people, and its digests.
//!
//! Owns: hashing with several algorithms in one pass. Fails with what the caller's reader fails with. Must not know
//! what the bytes are.

use std::collections::BTreeMap;
use std::io::Read;

use aws_lc_rs::digest::Context;

use super::hash::Hash;

/// An object whose bytes were hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataObject {
    /// For people; a record names nothing.
    pub name: String,
    values: BTreeMap<Hash, Vec<u8>>,
}

impl DataObject {
    /// Reads an object to its end and hashes it with each algorithm.
    ///
    /// # Errors
    /// What the reader says.
    pub fn read(
        name: impl Into<String>,
        mut bytes: impl Read,
        hashes: &[Hash],
    ) -> Result<Self, std::io::Error> {
        let mut hasher = Hasher::new(hashes);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = bytes.read(&mut piece)?;
            if count == 0 {
                return Ok(hasher.finish(name));
            }
            hasher.update(piece.get(..count).unwrap_or_default());
        }
    }

    /// An object whose digests are already known.
    #[must_use]
    pub fn known(name: impl Into<String>, values: BTreeMap<Hash, Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            values,
        }
    }

    /// An object in memory.
    #[must_use]
    pub fn of(name: impl Into<String>, bytes: &[u8], hashes: &[Hash]) -> Self {
        let mut hasher = Hasher::new(hashes);
        hasher.update(bytes);
        hasher.finish(name)
    }

    /// Its digest; `None` when it was not hashed so.
    #[must_use]
    pub fn value(&self, hash: Hash) -> Option<&[u8]> {
        self.values.get(&hash).map(Vec::as_slice)
    }
}

/// Digests of one object that comes in pieces.
pub struct Hasher(Vec<(Hash, Context)>);

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(hash, _)| hash))
            .finish()
    }
}

impl Hasher {
    /// Nothing yet.
    #[must_use]
    pub fn new(hashes: &[Hash]) -> Self {
        let begun = |hash: &Hash| (*hash, Context::new(hash.implementation()));
        Self(hashes.iter().map(begun).collect())
    }

    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        for (_, context) in &mut self.0 {
            context.update(piece);
        }
    }

    /// There is no more.
    #[must_use]
    pub fn finish(self, name: impl Into<String>) -> DataObject {
        let done = |(hash, context): (Hash, Context)| (hash, context.finish().as_ref().to_vec());
        DataObject::known(name, self.0.into_iter().map(done).collect())
    }
}

const PIECE_BYTES: usize = 64 * 1024;
