//! The rules by name: codes that never change, how bad a breach is, where it is written, and the
//! words for people.
//!
//! Owns: the list. Fails: not at all. Must not know: how a rule is checked.

/// How bad a breach is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look; it may be signed.
    Warning,
    /// Must not be signed.
    Error,
}

impl Severity {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// Certificates and lists.
    Any,
    /// Certificates, OCSP responders' among them.
    Certificate,
    /// Revocation lists.
    Crl,
}

impl Object {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Certificate => "certificate",
            Self::Crl => "crl",
        }
    }
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable code; never reused for another rule.
    pub code: &'static str,
    /// How bad a breach is.
    pub severity: Severity,
    /// What it is about.
    pub object: Object,
    /// Where it is written.
    pub clause: &'static str,
    /// What is demanded.
    pub english: &'static str,
    /// The same in Vietnamese.
    pub vietnamese: &'static str,
}

macro_rules! rules {
    ($($name:ident = $code:literal, $severity:ident, $object:ident, $clause:literal,
        $english:literal, $vietnamese:literal;)*) => {
        $(pub(super) const $name: Rule = Rule {
            code: $code,
            severity: Severity::$severity,
            object: Object::$object,
            clause: $clause,
            english: $english,
            vietnamese: $vietnamese,
        };)*

        /// Every rule, in the order of its code.
        pub const RULES: &[Rule] = &[$($name),*];
    };
}

rules! {
    AKI = "L-AKI", Error, Any, "RFC 5280 4.2.1.1, 5.2.1",
        "authorityKeyIdentifier is there, holds the key identifier alone and is not critical",
        "phải có authorityKeyIdentifier, chỉ chứa định danh khóa, không đánh dấu critical";
    AKI_MATCH = "L-AKI-MATCH", Error, Any, "RFC 5280 4.2.1.1",
        "authorityKeyIdentifier is the issuer's subjectKeyIdentifier",
        "authorityKeyIdentifier phải trùng subjectKeyIdentifier của nơi cấp";
    ASKED = "L-ASKED", Error, Certificate, "ARCHITECTURE 7",
        "role, key, validity and name are those that were asked for",
        "vai trò, khóa, thời hạn và tên phải đúng như yêu cầu";
    BASIC = "L-BC", Error, Certificate, "RFC 5280 4.2.1.9",
        "authorities have basicConstraints with cA and the path length of their profile, others none",
        "CA phải có basicConstraints với cA và độ dài đường dẫn theo hồ sơ, chứng thư khác không có";
    BASIC_CRITICAL = "L-BC-CRITICAL", Error, Certificate, "RFC 5280 4.2.1.9",
        "basicConstraints of an authority are critical",
        "basicConstraints của CA phải đánh dấu critical";
    CRL_DATE = "L-CRL-DATE", Warning, Crl, "RFC 5280 5.3",
        "no certificate is revoked later than the list was made",
        "thời điểm thu hồi không được sau thời điểm lập danh sách";
    CRL_EMPTY = "L-CRL-EMPTY", Error, Crl, "RFC 5280 5.1.2.6",
        "revokedCertificates is absent when nothing is revoked",
        "không có chứng thư nào bị thu hồi thì không được có revokedCertificates";
    CRL_ENTRY = "L-CRL-ENTRY", Error, Crl, "RFC 5280 5.3",
        "entries have the extension reasonCode or invalidityDate only, not critical",
        "mục thu hồi chỉ có phần mở rộng reasonCode hoặc invalidityDate, không critical";
    CRL_EXTENSIONS = "L-CRL-EXT", Error, Crl, "RFC 5280 5.2",
        "only authorityKeyIdentifier, cRLNumber and a critical issuingDistributionPoint",
        "chỉ được có authorityKeyIdentifier, cRLNumber và issuingDistributionPoint critical";
    CRL_LIFE = "L-CRL-LIFE", Error, Crl, "ARCHITECTURE 7",
        "an issuing authority's list is valid for 48 hours at most, a root's for 400 days",
        "danh sách của nơi cấp có hiệu lực tối đa 48 giờ, của gốc tối đa 400 ngày";
    CRL_NEXT = "L-CRL-NEXT", Error, Crl, "RFC 5280 5.1.2.5",
        "nextUpdate is there and later than thisUpdate",
        "phải có nextUpdate và sau thisUpdate";
    CRL_NUMBER = "L-CRL-NUMBER", Error, Crl, "RFC 5280 5.2.3",
        "cRLNumber is there, positive, of at most 20 octets, not critical",
        "phải có cRLNumber, số dương, tối đa 20 octet, không critical";
    CRL_REASON = "L-CRL-REASON", Error, Crl, "RFC 5280 5.3.1",
        "reasons are never unspecified, removeFromCRL or certificateHold",
        "lý do không được là unspecified, removeFromCRL hay certificateHold";
    CRL_SERIAL = "L-CRL-SERIAL", Error, Crl, "RFC 5280 5.1.2.6",
        "each serial number stands once and is positive",
        "mỗi số hiệu chỉ có một lần và là số dương";
    CRL_SIGNER = "L-CRL-SIGNER", Error, Crl, "RFC 5280 4.2.1.3",
        "the issuer has the key usage cRLSign",
        "nơi cấp phải có key usage cRLSign";
    CRL_VERSION = "L-CRL-VERSION", Error, Crl, "RFC 5280 5.1.2.1",
        "lists are of version 2", "danh sách phải là phiên bản 2";
    DER = "L-DER", Error, Any, "X.690 10, RFC 5280 4.1",
        "the encoding is DER to the last leaf", "mã hóa phải là DER đến từng phần tử";
    EKU_CRITICAL = "L-EKU-CRITICAL", Error, Certificate, "RFC 3161 2.3, RFC 5280 4.2.1.12",
        "extKeyUsage is critical for time-stamping and for nothing else",
        "extKeyUsage chỉ đánh dấu critical với chứng thư dấu thời gian";
    EKU_ONE = "L-EKU-ONE", Error, Certificate, "ARCHITECTURE 7, RFC 9336",
        "exactly one extended key usage, that of one role; none for authorities",
        "đúng một extKeyUsage của một vai trò; CA không có";
    EXTENSIONS = "L-EXT-KNOWN", Error, Certificate, "RFC 5280 4.2",
        "only extensions that the profile knows, and no unknown critical one",
        "chỉ có phần mở rộng mà hồ sơ quy định, không có phần critical lạ";
    ISSUER_KIND = "L-ISSUER-KIND", Error, Certificate, "ARCHITECTURE 7",
        "the issuer may issue this role", "nơi cấp phải được phép cấp vai trò này";
    ISSUER_NAME = "L-ISSUER-NAME", Error, Any, "RFC 5280 4.1.2.4, 5.1.2.3",
        "the issuer's name is not empty and is the issuer's subject byte for byte",
        "tên nơi cấp không rỗng và trùng từng byte với subject của nơi cấp";
    ISSUER_USAGE = "L-ISSUER-USAGE", Error, Certificate, "RFC 5280 4.2.1.3, 4.2.1.9",
        "the issuer is an authority with the key usage keyCertSign",
        "nơi cấp phải là CA có key usage keyCertSign";
    KEY = "L-KEY", Error, Certificate, "RFC 5480, RFC 8017, NIST SP 800-57",
        "the key is of an accepted kind and of one that the profile allows",
        "khóa phải thuộc loại được chấp nhận và được hồ sơ cho phép";
    KU = "L-KU", Error, Certificate, "RFC 5280 4.2.1.3",
        "keyUsage is there with exactly the bits of the role",
        "phải có keyUsage với đúng các bit của vai trò";
    KU_CRITICAL = "L-KU-CRITICAL", Error, Certificate, "RFC 5280 4.2.1.3",
        "keyUsage is critical", "keyUsage phải đánh dấu critical";
    NAME_CONSTRAINTS = "L-NAME-CONSTRAINTS", Error, Certificate, "RFC 5280 4.2.1.10",
        "issuing authorities, and only they, have critical dNSName constraints inside the trust domain",
        "CA cấp dưới (và chỉ CA cấp dưới) phải có nameConstraints dNSName critical trong miền tin cậy";
    NAMES_PERMITTED = "L-NAMES-PERMITTED", Error, Certificate, "RFC 5280 4.2.1.10",
        "the names lie inside the issuer's name constraints",
        "tên phải nằm trong nameConstraints của nơi cấp";
    NO_CHECK = "L-OCSP-NOCHECK", Error, Certificate, "RFC 6960 4.2.2.2.1",
        "OCSP responders, and only they, carry id-pkix-ocsp-nocheck, not critical",
        "chứng thư OCSP (và chỉ loại này) có id-pkix-ocsp-nocheck, không critical";
    ORGANIZATION_ID = "L-ORG-ID", Error, Certificate, "ETSI EN 319 412-1 5.1.4, ARCHITECTURE 7",
        "organizationIdentifier, if present, is there once and is the agency's code",
        "organizationIdentifier nếu có thì chỉ một và trùng mã cơ quan";
    PARSE = "L-PARSE", Error, Any, "RFC 5280 4.1, 5.1",
        "the object is read, with each extension once and well formed",
        "tệp phải đọc được, mỗi phần mở rộng một lần và đúng cấu trúc";
    POLICY = "L-POLICY", Error, Certificate, "RFC 5280 4.2.1.4",
        "certificate policies, if present, are not empty, not doubled and not anyPolicy on an end",
        "certificatePolicies nếu có thì không rỗng, không lặp, không anyPolicy ở chứng thư cuối";
    SAN_CRITICAL = "L-SAN-CRITICAL", Error, Certificate, "RFC 5280 4.2.1.6",
        "subjectAltName is not critical beside a subject name",
        "subjectAltName không critical khi đã có subject";
    SAN_NAME = "L-SAN-NAME", Error, Certificate, "ARCHITECTURE 7",
        "the dNSName is the canonical form that the role needs, below the trust domain",
        "dNSName phải ở dạng chuẩn theo vai trò, dưới miền tin cậy";
    SAN_ONE = "L-SAN-ONE", Error, Certificate, "ARCHITECTURE 7, RFC 5280 4.2.1.6",
        "exactly one dNSName without wildcard and no other name; authorities have none",
        "đúng một dNSName, không ký tự đại diện, không loại tên khác; CA không có";
    SERIAL = "L-SERIAL", Error, Certificate, "RFC 5280 4.1.2.2",
        "the serial number is positive and has at most 20 octets",
        "số hiệu phải dương và tối đa 20 octet";
    SERIAL_ENTROPY = "L-SERIAL-ENTROPY", Error, Certificate, "CABF BR 7.1.2.7",
        "the serial number has room for 64 random bits",
        "số hiệu phải đủ chỗ cho 64 bit ngẫu nhiên";
    SIGNATURE = "L-SIG", Error, Any, "RFC 5280 4.1.1.2, RFC 5758, RFC 4055",
        "the signature algorithm is accepted, the same inside and outside, and fits the issuer's key",
        "thuật toán ký được chấp nhận, giống nhau trong và ngoài, hợp với khóa nơi cấp";
    SIGNATURE_VALUE = "L-SIG-VALUE", Error, Any, "RFC 5280 4.1.1.3",
        "the issuer's key made the signature", "chữ ký phải do khóa của nơi cấp tạo";
    SKI = "L-SKI", Error, Certificate, "RFC 5280 4.2.1.2",
        "subjectKeyIdentifier is there and not critical",
        "phải có subjectKeyIdentifier, không critical";
    SKI_METHOD = "L-SKI-METHOD", Warning, Certificate, "RFC 7093 2, RFC 5280 4.2.1.2",
        "subjectKeyIdentifier is 160 bits of SHA-256, or SHA-1, over the key",
        "subjectKeyIdentifier là 160 bit của SHA-256 hoặc SHA-1 trên khóa";
    SUBJECT = "L-SUBJECT", Error, Certificate, "RFC 5280 4.1.2.6, appendix A.1",
        "subject: each attribute once and alone, C two letters PrintableString, texts UTF8String \
         or PrintableString of 1 to 64 characters",
        "subject: mỗi thuộc tính một lần, C hai chữ PrintableString, văn bản 1–64 ký tự";
    UNIQUE_ID = "L-UNIQUE-ID", Error, Certificate, "RFC 5280 4.1.2.8",
        "no issuerUniqueID and no subjectUniqueID",
        "không được có issuerUniqueID, subjectUniqueID";
    URLS = "L-URLS", Warning, Certificate, "RFC 5280 4.2.1.13, 4.2.2.1",
        "distribution points and access locations are http URLs",
        "điểm phân phối và truy cập phải là địa chỉ http";
    VALIDITY = "L-VALIDITY", Error, Certificate, "RFC 5280 4.1.2.5, ARCHITECTURE 7",
        "validity ends after it begins and is not longer than the profile allows",
        "thời hạn kết thúc sau khi bắt đầu và không dài hơn hồ sơ cho phép";
    VALIDITY_ISSUER = "L-VALIDITY-ISSUER", Error, Certificate, "ETSI EN 319 411-1 6.3.12",
        "validity does not end after the issuer's",
        "thời hạn không được quá thời hạn của nơi cấp";
    TIMES = "L-VALIDITY-UTC", Error, Any, "RFC 5280 4.1.2.5, 5.1.2.4",
        "times are UTCTime up to 2049 and GeneralizedTime after",
        "thời gian dùng UTCTime đến 2049, GeneralizedTime về sau";
    VERIFIER = "L-VERIFIER", Error, Certificate, "ARCHITECTURE 7",
        "our own verifier would believe it", "bộ kiểm tra của chính mạng phải chấp nhận";
    VERSION = "L-VERSION", Error, Certificate, "RFC 5280 4.1.2.1",
        "certificates are of version 3", "chứng thư phải là phiên bản 3";
}
