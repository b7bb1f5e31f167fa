//! Profiles: what a certificate of each role contains and who may issue it, as data.
//!
//! Owns: the table `pki/profiles.toml`, which is built into the program and is the one truth that
//! [`Role`]'s own methods read, and an operator's file over it, which may only narrow. What is
//! built from a profile is in `profile/template.rs`; what is checked against it is in
//! [`crate::lint`]. The table has a SHA-256, which is recorded with every certificate.
//! Fails with [`TableError`] (every problem of a file at once) and [`ProfileError`].
//! Must not know: private keys, the ledger.

mod table;
mod template;

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use der::asn1::ObjectIdentifier;
use der::flagset::FlagSet;
use formats::id::Digest;
use formats::time::Timestamp;
use x509_cert::ext::pkix::KeyUsages;

use crate::algorithm::{KeyKind, PublicKey};
use crate::role::{NameKind, Role};

pub use table::TableError;
pub use template::{ProfileError, Template};
pub(crate) use template::{Signed, key_id, time, to_be_signed};

/// Who issues a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IssuerKind {
    /// A CA whose permitted names are narrower than the trust domain: a province's.
    Delegated,
    /// The subject itself: roots only.
    Itself,
    /// A CA for the whole trust domain.
    National,
    /// The offline root.
    Root,
}

impl IssuerKind {
    /// Every kind, in the order of their names.
    pub const ALL: [Self; 4] = [Self::Delegated, Self::Itself, Self::National, Self::Root];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delegated => "delegated",
            Self::Itself => "itself",
            Self::National => "national",
            Self::Root => "root",
        }
    }

    /// In Vietnamese.
    #[must_use]
    pub const fn vietnamese(self) -> &'static str {
        match self {
            Self::Delegated => "CA được ủy quyền",
            Self::Itself => "chính nó",
            Self::National => "CA quốc gia",
            Self::Root => "CA gốc",
        }
    }
}

impl fmt::Display for IssuerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A kind of key that a profile allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRule {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// RSA with a modulus of this many bits or more.
    Rsa(u32),
}

impl KeyRule {
    /// Whether a key is of this kind.
    #[must_use]
    pub fn allows(self, key: &PublicKey) -> bool {
        match (self, key.kind()) {
            (Self::P256, KeyKind::EcP256) | (Self::P384, KeyKind::EcP384) => true,
            (Self::Rsa(least), KeyKind::Rsa) => key.modulus_bits().is_some_and(|has| has >= least),
            _ => false,
        }
    }

    /// Whether every key of this kind is of the other kind too.
    fn is_within(self, other: Self) -> bool {
        match (self, other) {
            (Self::Rsa(least), Self::Rsa(wider)) => least >= wider,
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for KeyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
        }
    }
}

impl FromStr for KeyRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "P-256" => Ok(Self::P256),
            "P-384" => Ok(Self::P384),
            other => match other.strip_prefix("RSA-").map(str::parse) {
                Some(Ok(bits @ 2048..=8192)) => Ok(Self::Rsa(bits)),
                _ => Err(format!(
                    "unknown kind of key {text:?}; write P-256, P-384 or RSA-n with n from 2048 to 8192"
                )),
            },
        }
    }
}

/// What a certificate of one role contains. Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    role: Role,
    words: (String, String),
    eku: Option<Usage>,
    eku_critical: bool,
    key_usage: FlagSet<KeyUsages>,
    needs: KeyUsages,
    name: NameKind,
    issuers: Vec<IssuerKind>,
    path_length: Option<u8>,
    no_check: bool,
    validity_days: u32,
    keys: Vec<KeyRule>,
    approvals: u8,
    remark: Option<String>,
}

/// An extended key usage with its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    word: &'static str,
    id: ObjectIdentifier,
}

impl Profile {
    /// Whose profile it is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What the role does, in English and Vietnamese.
    #[must_use]
    pub fn words(&self) -> (&str, &str) {
        (&self.words.0, &self.words.1)
    }

    /// The one extended key usage; none for authorities.
    #[must_use]
    pub fn eku(&self) -> Option<ObjectIdentifier> {
        self.eku.map(|usage| usage.id)
    }

    /// The word of the extended key usage.
    #[must_use]
    pub fn eku_word(&self) -> Option<&'static str> {
        self.eku.map(|usage| usage.word)
    }

    /// Whether the extended key usage is marked critical.
    #[must_use]
    pub const fn eku_critical(&self) -> bool {
        self.eku_critical
    }

    /// Exactly these key usage bits.
    #[must_use]
    pub const fn key_usage(&self) -> FlagSet<KeyUsages> {
        self.key_usage
    }

    /// The bit without which the role cannot do its work.
    #[must_use]
    pub const fn needs(&self) -> KeyUsages {
        self.needs
    }

    /// What the one dNSName is.
    #[must_use]
    pub const fn name(&self) -> NameKind {
        self.name
    }

    /// Who may issue it.
    #[must_use]
    pub fn issuers(&self) -> &[IssuerKind] {
        &self.issuers
    }

    /// pathLenConstraint; authorities only.
    #[must_use]
    pub const fn path_length(&self) -> Option<u8> {
        self.path_length
    }

    /// Whether it carries id-pkix-ocsp-nocheck.
    #[must_use]
    pub const fn no_check(&self) -> bool {
        self.no_check
    }

    /// Days of validity, at most.
    #[must_use]
    pub const fn validity_days(&self) -> u32 {
        self.validity_days
    }

    /// The latest notAfter for this notBefore. Both belong to the validity (RFC 5280 section
    /// 4.1.2.5), hence a second less than the days.
    #[must_use]
    pub fn last_moment(&self, not_before: Timestamp) -> Timestamp {
        let life = i64::from(self.validity_days).saturating_mul(DAY_MS);
        not_before.plus_ms(life.saturating_sub(1000))
    }

    /// Allowed kinds of key.
    #[must_use]
    pub fn keys(&self) -> &[KeyRule] {
        &self.keys
    }

    /// Whether a key is of an allowed kind.
    #[must_use]
    pub fn allows_key(&self, key: &PublicKey) -> bool {
        self.keys.iter().any(|rule| rule.allows(key))
    }

    /// Persons who must agree before a certificate is issued.
    #[must_use]
    pub const fn approvals(&self) -> u8 {
        self.approvals
    }

    /// What the operator wants approvers to read.
    #[must_use]
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }
}

/// The profiles of all roles. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profiles(Arc<Table>);

#[derive(Debug, PartialEq, Eq)]
struct Table {
    version: u32,
    sha256: Digest,
    each: table::Each,
}

impl Profiles {
    /// The profiles that are built into the program.
    #[must_use]
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// The built-in profiles under an operator's file, which may only narrow.
    ///
    /// # Errors
    /// [`TableError`] with every problem of the file.
    pub fn narrowed(operator: &str) -> Result<Self, TableError> {
        table::narrow(Self::built_in(), operator)
    }

    /// The same from a file.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn load(path: &std::path::Path) -> Result<Self, TableError> {
        let text = std::fs::read_to_string(path).map_err(|source| TableError::File {
            file: path.display().to_string(),
            source,
        })?;
        Self::narrowed(&text)
    }

    /// The profile of a role.
    #[must_use]
    pub fn of(&self, role: Role) -> &Profile {
        self.0.each.of(role)
    }

    /// All profiles, in the order of the roles' names.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        Role::ALL.into_iter().map(|role| self.of(role))
    }

    /// The version of the built-in table.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// SHA-256 of the built-in table; with an operator's file, of `tram-profiles-1`, that digest
    /// and the file's digest. Recorded with every certificate.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        self.0.sha256
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The table as it is built in.
pub const BUILT_IN_TOML: &str = include_str!("../profiles.toml");

static BUILT_IN: LazyLock<Profiles> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the text is part of the program, and the first test of every build reads it"
    )]
    let read = table::read(BUILT_IN_TOML).expect("the built-in profiles are whole");
    read
});

#[cfg(test)]
mod tests;
