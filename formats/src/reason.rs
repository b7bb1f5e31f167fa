//! Why something was refused or has to wait: one closed list for wire, evidence, database, screens.
//!
//! A reason has a stable snake_case code (never renamed, only added), says whether another road
//! or a later attempt with the same envelope can cure it, and has one line in Vietnamese and in
//! English. Details for operators stand elsewhere; peers see the code only.

use std::fmt;
use std::str::FromStr;

use crate::id::serde_as_text;

/// Not the code of a known reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason code")]
pub struct UnknownReason;

/// A reason code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The body's bytes do not hash to what the header says.
    BodyMismatch,
    /// The station takes no more work for the moment.
    Busy,
    /// The signer's certificate was not valid at `created`.
    CertificateExpired,
    /// The signer's certificate is revoked.
    CertificateRevoked,
    /// No valid path from the certificate to a trust anchor, or a wrong role.
    CertificateUntrusted,
    /// The station does not trust its clock.
    ClockUnsure,
    /// The opened packet is not the one that the header commits to.
    CommitmentMismatch,
    /// Capsule or chunk does not open.
    DecryptionFailed,
    /// The station is below its floor of free space.
    DiskFull,
    /// After `expires`.
    Expired,
    /// Too many stations passed.
    HopLimit,
    /// The same sender and id with another header.
    IdConflict,
    /// The header is not well-formed or breaks a rule.
    InvalidHeader,
    /// The recipient no longer has the key that the envelope was sealed to.
    KeyUnavailable,
    /// The connection broke during the transfer.
    LinkLost,
    /// No healthy path to the home station is known.
    NoRoute,
    /// The opener is not among the recipients.
    NotAddressed,
    /// This station is not the recipient's home station.
    NotHomeStation,
    /// The opened packet is not valid edXML.
    PacketInvalid,
    /// The peer may not do this.
    PeerNotAuthorised,
    /// The sender's share at this station is used up.
    Quota,
    /// The sender recalled the envelope before delivery.
    Recalled,
    /// The recipient's desk does not take it.
    RefusedByRecipient,
    /// The packet carries a secrecy mark; such documents are not for this network.
    SecrecyMarked,
    /// Signer, sender and edXML From are not one agency.
    SenderMismatch,
    /// A signature does not verify.
    SignatureInvalid,
    /// The station's revocation data is older than its window.
    StaleRevocation,
    /// A size is over its limit.
    TooLarge,
    /// More recipients than one envelope may have.
    TooManyRecipients,
    /// No agency record or no attachment for the recipient.
    UnknownAgency,
    /// The signer's certificate has not reached this station yet.
    UnknownCertificate,
    /// No version of the protocol is spoken by both ends.
    UnsupportedVersion,
    /// The sender's desk took the envelope back before it left.
    Withdrawn,
}

/// What is known of one reason; a table row.
struct Row {
    code: &'static str,
    permanent: bool,
    vi: &'static str,
    en: &'static str,
}

impl Reason {
    /// All reasons, by code.
    pub const ALL: [Self; 33] = [
        Self::BodyMismatch,
        Self::Busy,
        Self::CertificateExpired,
        Self::CertificateRevoked,
        Self::CertificateUntrusted,
        Self::ClockUnsure,
        Self::CommitmentMismatch,
        Self::DecryptionFailed,
        Self::DiskFull,
        Self::Expired,
        Self::HopLimit,
        Self::IdConflict,
        Self::InvalidHeader,
        Self::KeyUnavailable,
        Self::LinkLost,
        Self::NoRoute,
        Self::NotAddressed,
        Self::NotHomeStation,
        Self::PacketInvalid,
        Self::PeerNotAuthorised,
        Self::Quota,
        Self::Recalled,
        Self::RefusedByRecipient,
        Self::SecrecyMarked,
        Self::SenderMismatch,
        Self::SignatureInvalid,
        Self::StaleRevocation,
        Self::TooLarge,
        Self::TooManyRecipients,
        Self::UnknownAgency,
        Self::UnknownCertificate,
        Self::UnsupportedVersion,
        Self::Withdrawn,
    ];

    /// The stable code, e.g. `unknown_agency`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// Whether neither another road nor a later attempt with this same envelope can succeed.
    #[must_use]
    pub fn permanent(self) -> bool {
        self.row().permanent
    }

    /// One line in Vietnamese for people.
    #[must_use]
    pub fn vi(self) -> &'static str {
        self.row().vi
    }

    /// One line in English for people.
    #[must_use]
    pub fn en(self) -> &'static str {
        self.row().en
    }

    fn row(self) -> &'static Row {
        match self {
            Self::BodyMismatch => &BODY_MISMATCH,
            Self::Busy => &BUSY,
            Self::CertificateExpired => &CERTIFICATE_EXPIRED,
            Self::CertificateRevoked => &CERTIFICATE_REVOKED,
            Self::CertificateUntrusted => &CERTIFICATE_UNTRUSTED,
            Self::ClockUnsure => &CLOCK_UNSURE,
            Self::CommitmentMismatch => &COMMITMENT_MISMATCH,
            Self::DecryptionFailed => &DECRYPTION_FAILED,
            Self::DiskFull => &DISK_FULL,
            Self::Expired => &EXPIRED,
            Self::HopLimit => &HOP_LIMIT,
            Self::IdConflict => &ID_CONFLICT,
            Self::InvalidHeader => &INVALID_HEADER,
            Self::KeyUnavailable => &KEY_UNAVAILABLE,
            Self::LinkLost => &LINK_LOST,
            Self::NoRoute => &NO_ROUTE,
            Self::NotAddressed => &NOT_ADDRESSED,
            Self::NotHomeStation => &NOT_HOME_STATION,
            Self::PacketInvalid => &PACKET_INVALID,
            Self::PeerNotAuthorised => &PEER_NOT_AUTHORISED,
            Self::Quota => &QUOTA,
            Self::Recalled => &RECALLED,
            Self::RefusedByRecipient => &REFUSED_BY_RECIPIENT,
            Self::SecrecyMarked => &SECRECY_MARKED,
            Self::SenderMismatch => &SENDER_MISMATCH,
            Self::SignatureInvalid => &SIGNATURE_INVALID,
            Self::StaleRevocation => &STALE_REVOCATION,
            Self::TooLarge => &TOO_LARGE,
            Self::TooManyRecipients => &TOO_MANY_RECIPIENTS,
            Self::UnknownAgency => &UNKNOWN_AGENCY,
            Self::UnknownCertificate => &UNKNOWN_CERTIFICATE,
            Self::UnsupportedVersion => &UNSUPPORTED_VERSION,
            Self::Withdrawn => &WITHDRAWN,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(code: &str) -> Result<Self, UnknownReason> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.code() == code)
            .ok_or(UnknownReason)
    }
}

mod text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Reason, serde_as_text};

    serde_as_text!(Reason);
}

const BODY_MISMATCH: Row = Row {
    code: "body_mismatch",
    permanent: false,
    vi: "Thân gói tin không khớp với giá trị băm trong phần đầu.",
    en: "the body does not match its header",
};
const BUSY: Row = Row {
    code: "busy",
    permanent: false,
    vi: "Trạm đang bận, sẽ tự thử lại.",
    en: "the station is busy",
};
const CERTIFICATE_EXPIRED: Row = Row {
    code: "certificate_expired",
    permanent: true,
    vi: "Chứng thư số đã hết hiệu lực.",
    en: "the certificate has expired",
};
const CERTIFICATE_REVOKED: Row = Row {
    code: "certificate_revoked",
    permanent: true,
    vi: "Chứng thư số đã bị thu hồi.",
    en: "the certificate is revoked",
};
const CERTIFICATE_UNTRUSTED: Row = Row {
    code: "certificate_untrusted",
    permanent: true,
    vi: "Chứng thư số không được tin cậy.",
    en: "the certificate is not trusted",
};
const CLOCK_UNSURE: Row = Row {
    code: "clock_unsure",
    permanent: false,
    vi: "Đồng hồ của trạm chưa chính xác.",
    en: "the station's clock is not certain",
};
const COMMITMENT_MISMATCH: Row = Row {
    code: "commitment_mismatch",
    permanent: true,
    vi: "Nội dung không khớp với cam kết trong phần đầu.",
    en: "the content does not match the header's commitment",
};
const DECRYPTION_FAILED: Row = Row {
    code: "decryption_failed",
    permanent: true,
    vi: "Không giải mã được gói tin.",
    en: "the packet cannot be decrypted",
};
const DISK_FULL: Row = Row {
    code: "disk_full",
    permanent: false,
    vi: "Trạm hết dung lượng lưu trữ.",
    en: "the station has no free space",
};
const EXPIRED: Row = Row {
    code: "expired",
    permanent: true,
    vi: "Gói tin đã quá hạn chuyển.",
    en: "the envelope has expired",
};
const HOP_LIMIT: Row = Row {
    code: "hop_limit",
    permanent: false,
    vi: "Gói tin đi qua quá nhiều trạm.",
    en: "the envelope passed too many stations",
};
const ID_CONFLICT: Row = Row {
    code: "id_conflict",
    permanent: true,
    vi: "Trùng mã gói tin nhưng nội dung khác.",
    en: "the envelope id is already used for another envelope",
};
const INVALID_HEADER: Row = Row {
    code: "invalid_header",
    permanent: true,
    vi: "Phần đầu gói tin không hợp lệ.",
    en: "the header is invalid",
};
const KEY_UNAVAILABLE: Row = Row {
    code: "key_unavailable",
    permanent: true,
    vi: "Bên nhận không còn khóa giải mã tương ứng.",
    en: "the recipient has no key for this envelope",
};
const LINK_LOST: Row = Row {
    code: "link_lost",
    permanent: false,
    vi: "Mất kết nối khi đang truyền.",
    en: "the link was lost",
};
const NO_ROUTE: Row = Row {
    code: "no_route",
    permanent: false,
    vi: "Chưa có đường đến trạm của bên nhận.",
    en: "there is no route to the recipient's station",
};
const NOT_ADDRESSED: Row = Row {
    code: "not_addressed",
    permanent: true,
    vi: "Bên nhận không có trong danh sách nhận.",
    en: "the recipient is not addressed by this envelope",
};
const NOT_HOME_STATION: Row = Row {
    code: "not_home_station",
    permanent: false,
    vi: "Trạm này không phải trạm của bên nhận.",
    en: "this is not the recipient's home station",
};
const PACKET_INVALID: Row = Row {
    code: "packet_invalid",
    permanent: true,
    vi: "Gói tin edXML không hợp lệ.",
    en: "the packet is not valid edXML",
};
const PEER_NOT_AUTHORISED: Row = Row {
    code: "peer_not_authorised",
    permanent: false,
    vi: "Trạm kết nối không có quyền thực hiện.",
    en: "the peer is not authorised",
};
const QUOTA: Row = Row {
    code: "quota",
    permanent: false,
    vi: "Đã vượt hạn mức gửi.",
    en: "the sender's quota is used up",
};
const RECALLED: Row = Row {
    code: "recalled",
    permanent: true,
    vi: "Bên gửi đã thu hồi văn bản.",
    en: "the sender recalled the document",
};
const REFUSED_BY_RECIPIENT: Row = Row {
    code: "refused_by_recipient",
    permanent: true,
    vi: "Bên nhận từ chối tiếp nhận.",
    en: "the recipient refused it",
};
const SECRECY_MARKED: Row = Row {
    code: "secrecy_marked",
    permanent: true,
    vi: "Văn bản có dấu chỉ độ mật, không được gửi qua hệ thống này.",
    en: "the document is marked secret",
};
const SENDER_MISMATCH: Row = Row {
    code: "sender_mismatch",
    permanent: true,
    vi: "Bên ký và bên gửi không phải là một cơ quan.",
    en: "signer and sender differ",
};
const SIGNATURE_INVALID: Row = Row {
    code: "signature_invalid",
    permanent: true,
    vi: "Chữ ký số không hợp lệ.",
    en: "the signature is invalid",
};
const STALE_REVOCATION: Row = Row {
    code: "stale_revocation",
    permanent: false,
    vi: "Dữ liệu thu hồi chứng thư đã cũ.",
    en: "revocation data is stale",
};
const TOO_LARGE: Row = Row {
    code: "too_large",
    permanent: true,
    vi: "Gói tin quá lớn.",
    en: "the envelope is too large",
};
const TOO_MANY_RECIPIENTS: Row = Row {
    code: "too_many_recipients",
    permanent: true,
    vi: "Quá nhiều bên nhận.",
    en: "there are too many recipients",
};
const UNKNOWN_AGENCY: Row = Row {
    code: "unknown_agency",
    permanent: true,
    vi: "Không có cơ quan này trong danh bạ.",
    en: "the agency is unknown",
};
const UNKNOWN_CERTIFICATE: Row = Row {
    code: "unknown_certificate",
    permanent: false,
    vi: "Trạm chưa có chứng thư số của bên ký.",
    en: "the certificate is not known here yet",
};
const UNSUPPORTED_VERSION: Row = Row {
    code: "unsupported_version",
    permanent: false,
    vi: "Phiên bản giao thức không tương thích.",
    en: "no common protocol version",
};
const WITHDRAWN: Row = Row {
    code: "withdrawn",
    permanent: true,
    vi: "Bên gửi đã rút lại.",
    en: "the sender withdrew it",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_snake_case_and_found_again() {
        for reason in Reason::ALL {
            let code = reason.code();
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{code}"
            );
            assert_eq!(code.parse(), Ok(reason));
            assert!(!reason.vi().is_empty() && !reason.en().is_empty());
        }
        assert_eq!("Busy".parse::<Reason>(), Err(UnknownReason));
    }

    /// Architecture 5 names these as reasons that no road can cure, and architecture 6 and 7 these
    /// as never permanent.
    #[test]
    fn permanence_follows_the_architecture() {
        for reason in [
            Reason::UnknownAgency,
            Reason::InvalidHeader,
            Reason::Expired,
        ] {
            assert!(reason.permanent());
        }
        for reason in [
            Reason::UnknownCertificate,
            Reason::StaleRevocation,
            Reason::ClockUnsure,
        ] {
            assert!(!reason.permanent());
        }
    }
}
