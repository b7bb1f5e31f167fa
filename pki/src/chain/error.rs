//! Why a certificate is not believed: which certificate, which rule, which two times.
//!
//! Owns: [`ChainError`] and what peers are told of it. Must not know how the rules are checked.

use std::fmt;

use formats::reason::Reason;
use formats::time::Timestamp;
use thiserror::Error;
use x509_cert::ext::pkix::CrlReason;

use super::names::NameError;
use crate::algorithm::AlgorithmError;
use crate::cert::CertError;
use crate::role::Role;

/// Why a certificate is not believed.
#[derive(Debug, Error)]
pub enum ChainError {
    /// More signature checks or issuers than any honest path needs.
    #[error("path search gave up: too many candidate issuers")]
    Budget,
    /// A certificate's own bytes do not say what is needed.
    #[error("{subject}: {source}")]
    Certificate {
        /// Whose certificate.
        subject: String,
        /// What is wrong with it.
        #[source]
        source: CertError,
    },
    /// The path is longer than a pathLenConstraint or the caller allows.
    #[error("{subject}: path is too long for this authority")]
    Depth {
        /// The authority whose limit is passed.
        subject: String,
    },
    /// After notAfter.
    #[error("{subject}: expired at {not_after}, judged at {at}")]
    Expired {
        /// Whose certificate.
        subject: String,
        /// End of its validity.
        not_after: Timestamp,
        /// The time it was judged at.
        at: Timestamp,
    },
    /// No trusted issuer is known.
    #[error("{subject}: no path to a trusted root (issuer {issuer})")]
    NoPath {
        /// The certificate whose issuer is missing.
        subject: String,
        /// The issuer that it names.
        issuer: String,
    },
    /// A CA whose names are narrower than the trust domain issued a role of the whole country.
    #[error("{subject}: role {role} cannot be issued by a delegated authority")]
    NotDelegable {
        /// Whose certificate.
        subject: String,
        /// The role.
        role: Role,
    },
    /// Before notBefore.
    #[error("{subject}: not valid before {not_before}, judged at {at}")]
    NotYetValid {
        /// Whose certificate.
        subject: String,
        /// Start of its validity.
        not_before: Timestamp,
        /// The time it was judged at.
        at: Timestamp,
    },
    /// A name is outside the constraints of an authority, or malformed.
    #[error("{subject}: {source}")]
    Name {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        #[source]
        source: NameError,
    },
    /// Certificate policies do not allow the path.
    #[error("{subject}: certificate policies do not allow this path")]
    Policy {
        /// Where the policies became empty.
        subject: String,
    },
    /// Revoked.
    #[error("{subject}: revoked at {at} ({reason:?}), judged at {judged}")]
    Revoked {
        /// Whose certificate.
        subject: String,
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: CrlReason,
        /// The time it was judged at.
        judged: Timestamp,
    },
    /// No usable revocation list or answer where one is demanded.
    #[error("{subject}: revocation unknown, {held}, judged at {at}")]
    RevocationUnknown {
        /// Whose certificate.
        subject: String,
        /// The newest data about it.
        held: Held,
        /// The time it was judged at.
        at: Timestamp,
    },
    /// The role is another one than asked for.
    #[error("{subject}: has role {found}, needed {wanted}")]
    Role {
        /// Whose certificate.
        subject: String,
        /// The role it has.
        found: Role,
        /// The role it needs.
        wanted: Role,
    },
    /// The issuer's signature is bad or of a kind that is not accepted.
    #[error("{subject}: {source}")]
    Signature {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        #[source]
        source: AlgorithmError,
    },
    /// Something that RFC 5280 or our profile forbids.
    #[error("{subject}: {reason} ({rule})")]
    Structure {
        /// Whose certificate.
        subject: String,
        /// What is wrong.
        reason: &'static str,
        /// Where that is written.
        rule: &'static str,
    },
}

impl ChainError {
    /// The reason code that peers see.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Expired { .. } | Self::NotYetValid { .. } => Reason::CertificateExpired,
            Self::Revoked { .. } => Reason::CertificateRevoked,
            Self::RevocationUnknown { .. } => Reason::StaleRevocation,
            Self::Budget
            | Self::Certificate { .. }
            | Self::Depth { .. }
            | Self::Name { .. }
            | Self::NoPath { .. }
            | Self::NotDelegable { .. }
            | Self::Policy { .. }
            | Self::Role { .. }
            | Self::Signature { .. }
            | Self::Structure { .. } => Reason::CertificateUntrusted,
        }
    }

    /// The rule that is not kept: the section of the standard, or of our architecture.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Budget => "limit of the path search",
            Self::Certificate { source, .. } => match source {
                CertError::Name(_) | CertError::Role(_) => ARCHITECTURE,
                CertError::Der(_)
                | CertError::DuplicateExtension(_)
                | CertError::Extension(_)
                | CertError::File { .. }
                | CertError::Key(_)
                | CertError::Pem(_)
                | CertError::TooLarge(_) => "RFC 5280 section 4.1",
            },
            Self::Depth { .. } => "RFC 5280 section 6.1.4 (l), (m)",
            Self::Expired { .. } | Self::NotYetValid { .. } => "RFC 5280 section 6.1.3 (a) (2)",
            Self::Name { .. } => "RFC 5280 section 4.2.1.10",
            Self::NoPath { .. } => "RFC 5280 section 6.1.3 (a) (4)",
            Self::NotDelegable { .. } | Self::Role { .. } => ARCHITECTURE,
            Self::Policy { .. } => "RFC 5280 section 6.1.5 (g)",
            Self::Revoked { .. } | Self::RevocationUnknown { .. } => {
                "RFC 5280 section 6.1.3 (a) (3)"
            }
            Self::Signature { .. } => "RFC 5280 section 6.1.3 (a) (1)",
            Self::Structure { rule, .. } => rule,
        }
    }
}

/// The newest revocation data that is held about a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// When it was made and until when it counts; none without any.
    pub newest: Option<(Timestamp, Option<Timestamp>)>,
}

impl Held {
    /// Takes note of one more list or answer.
    pub(super) fn note(&mut self, this_update: Timestamp, next_update: Option<Timestamp>) {
        if self.newest.is_none_or(|(known, _)| known < this_update) {
            self.newest = Some((this_update, next_update));
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.newest {
            None => f.write_str("no list or answer is held"),
            Some((made, Some(until))) => write!(f, "newest data is of {made} until {until}"),
            Some((made, None)) => write!(f, "newest data is of {made} without an end"),
        }
    }
}

/// One role by one usage, one name, who issues what.
const ARCHITECTURE: &str = "architecture, section 7";
