//! Roles: what a certificate is for. One end certificate has one role, said by its one EKU.
//!
//! Owns: the list of roles, the EKU and key usage of each, what kind of name each carries, and who
//! may issue it (national CA only, or also a delegated CA inside its name constraint).
//! Fails: not at all; these are tables.
//! Must not know: certificates' bytes, keys, time.

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use der::flagset::FlagSet;
use formats::oid;
use x509_cert::ext::pkix::KeyUsages;

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

    /// The one extended key usage of this role; none for authorities.
    #[must_use]
    pub fn eku(self) -> Option<ObjectIdentifier> {
        match self {
            Self::AgencyEncryption => Some(oid::EKU_AGENCY_ENCRYPTION),
            Self::AgencySignature => Some(oid::EKU_DOCUMENT_SIGNING),
            Self::Delegate => Some(oid::EKU_DELEGATE),
            Self::IssuingCa | Self::Root => None,
            Self::Ocsp => Some(oid::EKU_OCSP_SIGNING),
            Self::Registry => Some(oid::EKU_REGISTRY),
            Self::StationEvidence => Some(oid::EKU_STATION_EVIDENCE),
            Self::StationTls => Some(oid::EKU_STATION_TLS),
            Self::TimeStamping => Some(oid::EKU_TIME_STAMPING),
            Self::TrustList => Some(oid::EKU_TRUST_LIST),
        }
    }

    /// The role that an EKU stands for.
    #[must_use]
    pub fn from_eku(eku: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.eku() == Some(eku))
    }

    /// Key usage bits of this role, exactly these in what we issue.
    #[must_use]
    pub fn key_usage(self) -> FlagSet<KeyUsages> {
        match self {
            Self::AgencyEncryption => KeyUsages::KeyAgreement.into(),
            Self::AgencySignature | Self::StationEvidence => {
                KeyUsages::DigitalSignature | KeyUsages::NonRepudiation
            }
            Self::IssuingCa | Self::Root => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            Self::Delegate
            | Self::Ocsp
            | Self::Registry
            | Self::StationTls
            | Self::TimeStamping
            | Self::TrustList => KeyUsages::DigitalSignature.into(),
        }
    }

    /// The key usage bit without which a certificate cannot do this role's work.
    #[must_use]
    pub fn needed_usage(self) -> KeyUsages {
        match self {
            Self::AgencyEncryption => KeyUsages::KeyAgreement,
            Self::IssuingCa | Self::Root => KeyUsages::KeyCertSign,
            Self::AgencySignature
            | Self::Delegate
            | Self::Ocsp
            | Self::Registry
            | Self::StationEvidence
            | Self::StationTls
            | Self::TimeStamping
            | Self::TrustList => KeyUsages::DigitalSignature,
        }
    }

    /// Whether this role is a certification authority.
    #[must_use]
    pub fn is_authority(self) -> bool {
        matches!(self, Self::IssuingCa | Self::Root)
    }

    /// What kind of dNSName the certificate carries.
    #[must_use]
    pub fn name_kind(self) -> NameKind {
        match self {
            Self::AgencyEncryption | Self::AgencySignature | Self::Delegate => NameKind::Agency,
            Self::IssuingCa | Self::Root => NameKind::None,
            Self::Ocsp
            | Self::Registry
            | Self::StationEvidence
            | Self::StationTls
            | Self::TimeStamping
            | Self::TrustList => NameKind::Station,
        }
    }

    /// Whether a CA whose name constraint is narrower than the trust domain may issue this role. A
    /// province names its own agencies and stations; who speaks for the whole country (registry,
    /// time-stamps, trust list) is certified by a national CA only.
    #[must_use]
    pub fn may_be_delegated(self) -> bool {
        match self {
            Self::AgencyEncryption
            | Self::AgencySignature
            | Self::Delegate
            | Self::StationEvidence
            | Self::StationTls => true,
            Self::IssuingCa
            | Self::Ocsp
            | Self::Registry
            | Self::Root
            | Self::TimeStamping
            | Self::TrustList => false,
        }
    }

    /// Days that a new certificate of this role is valid for.
    #[must_use]
    pub fn validity_days(self) -> u32 {
        match self {
            // Short-lived, renewed at two thirds of their life (architecture, section 7).
            Self::AgencyEncryption
            | Self::AgencySignature
            | Self::Delegate
            | Self::Registry
            | Self::StationEvidence => 365,
            Self::Ocsp | Self::StationTls => 90,
            Self::TimeStamping => 3 * 365,
            Self::TrustList => 5 * 365,
            Self::IssuingCa => 10 * 365,
            Self::Root => 20 * 365,
        }
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
        match self {
            Self::AgencyEncryption => ("receives sealed documents", "nhận văn bản mã hóa"),
            Self::AgencySignature => ("signs documents for an agency", "ký số văn bản của cơ quan"),
            Self::Delegate => ("delegates receiving", "ủy quyền nhận văn bản"),
            Self::IssuingCa => ("issues certificates", "cấp chứng thư"),
            Self::Ocsp => ("answers for revocation", "trả lời trạng thái chứng thư"),
            Self::Registry => ("signs the agency directory", "ký danh bạ cơ quan"),
            Self::Root => ("root of trust", "gốc tin cậy"),
            Self::StationEvidence => ("signs a station's evidence", "ký bằng chứng của trạm"),
            Self::StationTls => ("authenticates a station", "xác thực trạm"),
            Self::TimeStamping => ("signs time-stamps", "cấp dấu thời gian"),
            Self::TrustList => ("signs the trust list", "ký danh sách tin cậy"),
        }
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
