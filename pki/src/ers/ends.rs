//! Until when algorithms count.
//!
//! Owns: the built-in table with its sources, and an operator's own dates over it: a record must be renewed before
//! what its newest time-stamp rests on ends, and one that was renewed later proves nothing. Dates are policy, not
//! mathematics: whoever verifies may hold others. Fails with the name it does not know.

use std::collections::BTreeMap;

use formats::time::Timestamp;

use super::hash::Hash;
use crate::algorithm::KeyKind;
use crate::cert::Certificate;

/// A name that stands for no algorithm here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no algorithm is called {name}; known are {known}", known = Ends::names().join(", "))]
pub struct UnknownAlgorithm {
    /// As it was written.
    pub name: String,
}

/// Dates after which algorithms do not count; an algorithm without a date counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends(BTreeMap<&'static str, Timestamp>);

impl Default for Ends {
    fn default() -> Self {
        Self::built_in()
    }
}

impl Ends {
    /// The table of this program.
    #[must_use]
    pub fn built_in() -> Self {
        Self(
            TABLE
                .iter()
                .filter_map(|row| {
                    let end = Timestamp::parse_rfc3339(row.end?).ok()?;
                    Some((row.name, end))
                })
                .collect(),
        )
    }

    /// The same table with another date for one algorithm.
    ///
    /// # Errors
    /// [`UnknownAlgorithm`].
    pub fn with(mut self, name: &str, end: Timestamp) -> Result<Self, UnknownAlgorithm> {
        let row = TABLE.iter().find(|row| row.name == name);
        let row = row.ok_or_else(|| UnknownAlgorithm {
            name: name.to_owned(),
        })?;
        self.0.insert(row.name, end);
        Ok(self)
    }

    /// Every name, with its date here and where the built-in date comes from.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, Option<Timestamp>, &'static str)> {
        TABLE
            .iter()
            .map(|row| (row.name, self.0.get(row.name).copied(), row.source))
    }

    /// When a digest ends.
    #[must_use]
    pub fn of_hash(&self, hash: Hash) -> Option<Timestamp> {
        self.0.get(hash.name()).copied()
    }

    /// When the kind of key of a certificate ends.
    #[must_use]
    pub fn of_key(&self, certificate: &Certificate) -> Option<Timestamp> {
        self.0.get(key_name(certificate)?).copied()
    }

    fn names() -> Vec<&'static str> {
        TABLE.iter().map(|row| row.name).collect()
    }
}

/// The name of a certificate's key in the table; `None` for a key that nothing verifies with.
pub(super) fn key_name(certificate: &Certificate) -> Option<&'static str> {
    let key = certificate.public_key().ok()?;
    Some(match key.kind() {
        KeyKind::EcP256 => "ecdsa-p256",
        KeyKind::EcP384 => "ecdsa-p384",
        KeyKind::Ed25519 => "ed25519",
        KeyKind::Rsa if key.modulus_bits().unwrap_or_default() < 3_072 => "rsa-2048",
        KeyKind::Rsa => "rsa-3072",
    })
}

struct Row {
    name: &'static str,
    /// `None`: no date is set.
    end: Option<&'static str>,
    source: &'static str,
}

const fn row(name: &'static str, end: Option<&'static str>, source: &'static str) -> Row {
    Row { name, end, source }
}

const OF_112_BITS: &str =
    "NIST IR 8547 (draft, 2024) table 2: 112 bits of security are deprecated after 2030";
const QUANTUM: &str =
    "NIST IR 8547 (draft, 2024) table 2: RSA and elliptic curves are disallowed after 2035";
const NO_DATE: &str = "no end is set in NIST SP 800-131A Rev. 2 or NIST IR 8547";
const TABLE: [Row; 12] = [
    row(
        "sha224",
        Some("2030-12-31T23:59:59.000Z"),
        "NIST SP 800-131A Rev. 3 (draft, 2024): digests of 224 bits are disallowed after 2030",
    ),
    row("sha256", None, NO_DATE),
    row("sha384", None, NO_DATE),
    row("sha512", None, NO_DATE),
    row("sha3-256", None, NO_DATE),
    row("sha3-384", None, NO_DATE),
    row("sha3-512", None, NO_DATE),
    row("rsa-2048", Some("2030-12-31T23:59:59.000Z"), OF_112_BITS),
    row("rsa-3072", Some("2035-12-31T23:59:59.000Z"), QUANTUM),
    row("ecdsa-p256", Some("2035-12-31T23:59:59.000Z"), QUANTUM),
    row("ecdsa-p384", Some("2035-12-31T23:59:59.000Z"), QUANTUM),
    row("ed25519", Some("2035-12-31T23:59:59.000Z"), QUANTUM),
];
