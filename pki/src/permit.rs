//! Who may sign what, and who may issue whom: the table object × role × issuer (architecture,
//! section 7).
//!
//! Owns: which role signs which kind of object, in which CMS content type. Who issues a role is read
//! from the table of [`crate::profile`]. The checks of the product ask this table
//! ([`crate::sign::Content::permits`], [`crate::record::role_of`], the acceptance of headers), and
//! [`document`] prints it; `pki/ROLES.md` is compared with that text.
//! Fails: not at all. Must not know: certificates' bytes, keys, time.

use der::asn1::ObjectIdentifier;
use formats::header::Class;
use formats::oid;
use formats::record::Record;

use crate::role::{NameKind, Role};

/// A kind of thing that is signed (or, for capsules, opened).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Object {
    /// Bundle of agencies of the directory.
    AgenciesRecord,
    /// Home station of an agency.
    AttachmentRecord,
    /// Key and proof of a sealed body; its recipient opens it.
    Capsule,
    /// A certificate.
    Certificate,
    /// Body of a checkpoint note.
    Checkpoint,
    /// Header of an envelope of class control.
    ControlHeader,
    /// Revocation list.
    Crl,
    /// Who receives for whom.
    DelegationRecord,
    /// Header of an envelope of class document.
    DocumentHeader,
    /// OCSP answer.
    OcspAnswer,
    /// The packet of a document or status.
    Packet,
    /// Header of an envelope of class receipt.
    ReceiptHeader,
    /// An agency's wish for new certificates.
    RenewalRequest,
    /// A station's own record.
    StationRecord,
    /// Header of an envelope of class status.
    StatusHeader,
    /// RFC 3161 token.
    TimeStamp,
    /// TLS 1.3 handshake of a link.
    TlsHandshake,
    /// Transcript of a key ceremony.
    Transcript,
    /// Trust list.
    TrustListRecord,
}

impl Object {
    /// Every object, in the order of their names.
    pub const ALL: [Self; 19] = [
        Self::AgenciesRecord,
        Self::AttachmentRecord,
        Self::Capsule,
        Self::Certificate,
        Self::Checkpoint,
        Self::ControlHeader,
        Self::Crl,
        Self::DelegationRecord,
        Self::DocumentHeader,
        Self::OcspAnswer,
        Self::Packet,
        Self::ReceiptHeader,
        Self::RenewalRequest,
        Self::StationRecord,
        Self::StatusHeader,
        Self::TimeStamp,
        Self::TlsHandshake,
        Self::Transcript,
        Self::TrustListRecord,
    ];

    /// Records of every kind.
    pub const RECORDS: [Self; 5] = [
        Self::AgenciesRecord,
        Self::AttachmentRecord,
        Self::DelegationRecord,
        Self::StationRecord,
        Self::TrustListRecord,
    ];

    /// The roles that may sign it; for a capsule the role that opens it.
    #[must_use]
    pub const fn signers(self) -> &'static [Role] {
        match self {
            Self::AgenciesRecord => &[Role::Registry],
            Self::AttachmentRecord
            | Self::DocumentHeader
            | Self::Packet
            | Self::RenewalRequest
            | Self::StatusHeader => &[Role::AgencySignature],
            Self::Capsule => &[Role::AgencyEncryption],
            Self::Certificate | Self::Crl => &[Role::IssuingCa, Role::Root],
            Self::Checkpoint | Self::ControlHeader | Self::ReceiptHeader | Self::StationRecord => {
                &[Role::StationEvidence]
            }
            Self::DelegationRecord => &[Role::Delegate],
            // RFC 6960 section 4.2.2.2: the authority itself, or a responder that it certified.
            Self::OcspAnswer => &[Role::Ocsp, Role::IssuingCa, Role::Root],
            Self::TimeStamp => &[Role::TimeStamping],
            Self::TlsHandshake => &[Role::StationTls],
            Self::Transcript => &[Role::Root],
            Self::TrustListRecord => &[Role::TrustList],
        }
    }

    /// The role that signs it before all others.
    #[must_use]
    pub const fn signer(self) -> Role {
        match self.signers() {
            [first, ..] => *first,
            // No list above is empty; a root is refused wherever a role is asked for.
            [] => Role::Root,
        }
    }

    /// Whether this role may sign it.
    #[must_use]
    pub fn permits(self, role: Role) -> bool {
        self.signers().contains(&role)
    }

    /// The CMS content type; none for what is no CMS object.
    #[must_use]
    pub const fn content_type(self) -> Option<ObjectIdentifier> {
        match self {
            Self::AgenciesRecord
            | Self::AttachmentRecord
            | Self::DelegationRecord
            | Self::StationRecord
            | Self::TrustListRecord => Some(oid::CT_RECORD),
            Self::Capsule | Self::Packet => Some(oid::CT_DATA),
            Self::Checkpoint => Some(oid::CT_CHECKPOINT),
            Self::ControlHeader
            | Self::DocumentHeader
            | Self::ReceiptHeader
            | Self::StatusHeader => Some(oid::CT_HEADER),
            Self::RenewalRequest => Some(oid::CT_RENEWAL),
            Self::TimeStamp => Some(oid::CT_TST_INFO),
            Self::Transcript => Some(oid::CT_TRANSCRIPT),
            Self::Certificate | Self::Crl | Self::OcspAnswer | Self::TlsHandshake => None,
        }
    }

    /// The object that a header of this class is.
    #[must_use]
    pub const fn of_class(class: Class) -> Self {
        match class {
            Class::Control => Self::ControlHeader,
            Class::Document => Self::DocumentHeader,
            Class::Receipt => Self::ReceiptHeader,
            Class::Status => Self::StatusHeader,
        }
    }

    /// The object that a record is.
    #[must_use]
    pub const fn of_record(record: &Record) -> Self {
        match record {
            Record::Agencies(_) => Self::AgenciesRecord,
            Record::Attachment(_) => Self::AttachmentRecord,
            Record::Delegation(_) => Self::DelegationRecord,
            Record::Station(_) => Self::StationRecord,
            Record::TrustList(_) => Self::TrustListRecord,
        }
    }

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgenciesRecord => "agencies-record",
            Self::AttachmentRecord => "attachment-record",
            Self::Capsule => "capsule",
            Self::Certificate => "certificate",
            Self::Checkpoint => "checkpoint",
            Self::ControlHeader => "control-header",
            Self::Crl => "crl",
            Self::DelegationRecord => "delegation-record",
            Self::DocumentHeader => "document-header",
            Self::OcspAnswer => "ocsp-answer",
            Self::Packet => "packet",
            Self::ReceiptHeader => "receipt-header",
            Self::RenewalRequest => "renewal-request",
            Self::StationRecord => "station-record",
            Self::StatusHeader => "status-header",
            Self::TimeStamp => "time-stamp",
            Self::TlsHandshake => "tls-handshake",
            Self::Transcript => "transcript",
            Self::TrustListRecord => "trust-list-record",
        }
    }

    /// What it is, in English and Vietnamese.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::AgenciesRecord => ("bundle of the agency directory", "gói danh bạ cơ quan"),
            Self::AttachmentRecord => ("home station of an agency", "trạm phục vụ của cơ quan"),
            Self::Capsule => ("capsule of a sealed body (opened)", "phong bì khóa (mở)"),
            Self::Certificate => ("certificate", "chứng thư"),
            Self::Checkpoint => ("checkpoint of a log", "mốc kiểm của nhật ký"),
            Self::ControlHeader => ("header, class control", "tiêu đề, loại điều khiển"),
            Self::Crl => ("revocation list", "danh sách thu hồi"),
            Self::DelegationRecord => ("delegation of receiving", "ủy quyền nhận văn bản"),
            Self::DocumentHeader => ("header, class document", "tiêu đề, loại văn bản"),
            Self::OcspAnswer => ("OCSP answer", "trả lời OCSP"),
            Self::Packet => (
                "packet of a document or status",
                "gói tin văn bản, trạng thái",
            ),
            Self::ReceiptHeader => ("header, class receipt", "tiêu đề, loại biên nhận"),
            Self::RenewalRequest => ("an agency's renewal request", "yêu cầu gia hạn của cơ quan"),
            Self::StationRecord => ("station record", "bản ghi trạm"),
            Self::StatusHeader => ("header, class status", "tiêu đề, loại trạng thái"),
            Self::TimeStamp => ("time-stamp token", "dấu thời gian"),
            Self::TlsHandshake => ("TLS handshake of a link", "bắt tay TLS của liên kết"),
            Self::Transcript => ("transcript of a key ceremony", "biên bản nghi thức khóa"),
            Self::TrustListRecord => ("trust list", "danh sách tin cậy"),
        }
    }
}

/// The whole table as Markdown: `pki/ROLES.md`.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(HEAD);
    for object in Object::ALL {
        let (en, vi) = object.words();
        let content = object.content_type();
        let content = content.map_or_else(|| "–".to_owned(), |id| format!("`{id}`"));
        for role in object.signers() {
            let issuers = role.profile().issuers().iter();
            let issuers: Vec<&str> = issuers.map(|kind| kind.as_str()).collect();
            let issuers = issuers.join(", ");
            text += &format!("| {en} | {vi} | {content} | {role} | {issuers} |\n");
        }
    }
    text += ROLES_HEAD;
    for role in Role::ALL {
        let profile = role.profile();
        let (en, vi) = role.words();
        let eku = match (profile.eku(), profile.eku_word()) {
            (Some(id), Some(word)) => format!("{word} `{id}`"),
            _ => "–".to_owned(),
        };
        let name = match profile.name() {
            NameKind::Agency => "agency code (mã cơ quan)",
            NameKind::None => "–",
            NameKind::Station => "station name (tên trạm)",
        };
        let issuers = profile.issuers().iter();
        let issuers: Vec<String> = issuers
            .map(|kind| format!("{kind} ({})", kind.vietnamese()))
            .collect();
        let signs: Vec<&str> = Object::ALL
            .into_iter()
            .filter(|object| object.permits(role))
            .map(Object::as_str)
            .collect();
        text += &format!(
            "| {role} | {en} ({vi}) | {eku} | {name} | {} | {} |\n",
            issuers.join(", "),
            signs.join(", ")
        );
    }
    text
}

const HEAD: &str = "\
# Who may sign what (ai được ký gì)

Printed by `tram-pki profile table` from the code that the checks ask; a test compares this file with it. What is not in
the table is refused. (Bảng do chương trình in ra; điều gì không có trong bảng đều bị từ chối.)

## Object × role × issuer (đối tượng × vai trò × nơi cấp)

A delegated issuer is an authority whose permitted names are narrower than the trust domain (a province); a national one
is for the whole trust domain. The role of a certificate is its one extended key usage.

| object | đối tượng | CMS content type | role | issued by |
|---|---|---|---|---|
";

const ROLES_HEAD: &str = "
## Roles (vai trò)

| role | does | extended key usage | name in the certificate | issued by | signs |
|---|---|---|---|---|---|
";

#[cfg(test)]
mod tests;
