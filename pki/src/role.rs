//! Roles: what a certificate is for. One end certificate has one role, said by its one EKU.
//!
//! Owns: the list of roles and their words. What each is (EKU, key usage, kind of name, who may
//! issue it) is read from the table of [`crate::profile`], the one truth about it.
//! Fails: not at all; these are tables.
//! Must not know: certificates' bytes, keys, time.

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use der::flagset::FlagSet;
use x509_cert::ext::pkix::KeyUsages;

use crate::profile::{IssuerKind, Profile, Profiles};

/// What a certificate is for (architecture, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Receives content keys for an agency (ECDH).
    AgencyEncryption,
    /// Signs packets, headers and attachments for an agency (RFC 9336 documentSigning).
    AgencySignature,
    /// Signs delegation records of a parent agency.
    Delegate,
    /// Issues end certificates.
    IssuingCa,
    /// Signs OCSP answers.
    Ocsp,
    /// Signs agency records.
    Registry,
    /// Offline root.
    Root,
    /// Signs a station's statements, checkpoints and its station record.
    StationEvidence,
    /// Authenticates a station on its links.
    StationTls,
    /// Signs time-stamps.
    TimeStamping,
    /// Signs the trust list.
    TrustList,
}

/// What kind of name the one dNSName of a role must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// The agency code as a DNS name.
    Agency,
    /// No dNSName at all: certification authorities are named by their subject.
    None,
    /// A station or service name: hyphen in the first label.
    Station,
}

impl Role {
    /// Every role, in the order of their names.
    pub const ALL: [Self; 11] = [
        Self::AgencyEncryption,
        Self::AgencySignature,
        Self::Delegate,
        Self::IssuingCa,
        Self::Ocsp,
        Self::Registry,
        Self::Root,
        Self::StationEvidence,
        Self::StationTls,
        Self::TimeStamping,
        Self::TrustList,
    ];

    /// What is said of this role in the built-in table, the one truth about it.
    #[must_use]
    pub fn profile(self) -> &'static Profile {
        Profiles::built_in().of(self)
    }

    /// The one extended key usage of this role; none for authorities.
    #[must_use]
    pub fn eku(self) -> Option<ObjectIdentifier> {
        self.profile().eku()
    }

    /// The role that an EKU stands for.
    #[must_use]
    pub fn from_eku(eku: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.eku() == Some(eku))
    }

    /// Key usage bits of this role, exactly these in what we issue.
    #[must_use]
    pub fn key_usage(self) -> FlagSet<KeyUsages> {
        self.profile().key_usage()
    }

    /// The key usage bit without which a certificate cannot do this role's work.
    #[must_use]
    pub fn needed_usage(self) -> KeyUsages {
        self.profile().needs()
    }

    /// Whether this role is a certification authority.
    #[must_use]
    pub fn is_authority(self) -> bool {
        matches!(self, Self::IssuingCa | Self::Root)
    }

    /// What kind of dNSName the certificate carries.
    #[must_use]
    pub fn name_kind(self) -> NameKind {
        self.profile().name()
    }

    /// Whether a CA whose name constraint is narrower than the trust domain may issue this role. A
    /// province names its own agencies and stations; who speaks for the whole country (registry,
    /// time-stamps, trust list) is certified by a national CA only.
    #[must_use]
    pub fn may_be_delegated(self) -> bool {
        self.profile().issuers().contains(&IssuerKind::Delegated)
    }

    /// Days that a new certificate of this role is valid for.
    #[must_use]
    pub fn validity_days(self) -> u32 {
        self.profile().validity_days()
    }

    /// The stable word for this role in files and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgencyEncryption => "agency-encryption",
            Self::AgencySignature => "agency-signature",
            Self::Delegate => "delegate",
            Self::IssuingCa => "issuing-ca",
            Self::Ocsp => "ocsp",
            Self::Registry => "registry",
            Self::Root => "root",
            Self::StationEvidence => "station-evidence",
            Self::StationTls => "station-tls",
            Self::TimeStamping => "time-stamping",
            Self::TrustList => "trust-list",
        }
    }

    /// What the role does, in one English and one Vietnamese line.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        self.profile().words()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the word of a role.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown role {0:?}")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_own_eku_and_its_own_word() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>(), Ok(role));
            if let Some(eku) = role.eku() {
                assert_eq!(Role::from_eku(eku), Some(role));
            } else {
                assert!(role.is_authority());
            }
            assert!(role.key_usage().contains(role.needed_usage()));
        }
    }

    #[test]
    fn a_province_cannot_certify_who_speaks_for_the_country() {
        for role in [
            Role::Registry,
            Role::TimeStamping,
            Role::TrustList,
            Role::IssuingCa,
        ] {
            assert!(!role.may_be_delegated(), "{role}");
        }
    }
}
