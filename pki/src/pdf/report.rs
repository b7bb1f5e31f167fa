//! What a check of a document's signatures says, in codes and in words of two languages.
//!
//! Owns: the report and its vocabulary; codes are stable, words may change. Fails: not at all. Must
//! not know how anything was found.

use serde::{Deserialize, Serialize};

/// What was found in one document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdfReport {
    /// Signatures in the order of the form.
    pub signatures: Vec<PdfSignature>,
    /// What kept the check from being complete.
    pub problems: Vec<Problem>,
}

impl PdfReport {
    /// The worst verdict; none for a document without signatures that was read whole.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let all = self.signatures.iter().map(|signature| signature.verdict);
        let problem = (!self.problems.is_empty()).then_some(Verdict::Unknown);
        all.chain(problem).max()
    }
}

/// One signature or document time-stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PdfSignature {
    /// Name of the form field.
    pub field: String,
    /// What to believe.
    pub verdict: Verdict,
    /// Why it is not valid; none when it is.
    pub reason: Option<Reason>,
    /// Whether what is shown is what was signed, whoever signed it.
    pub integrity: Integrity,
    /// Whether it is a time-stamp over the document instead of a person's signature.
    pub timestamp_only: bool,
    /// `SubFilter`, the kind of signature.
    pub subfilter: String,
    /// Who signed, as the certificate says; believed only with verdict valid.
    pub signer: Option<Signer>,
    /// The signer's own word for the time (RFC 3339); proves nothing.
    pub claimed_time: Option<String>,
    /// The time that a believed time-stamp proves (RFC 3339).
    pub stamped_time: Option<String>,
    /// What became of the time-stamp.
    pub stamp: Stamp,
    /// Digest algorithm, as written.
    pub digest: Option<String>,
    /// How much of the file the signature covers.
    pub coverage: Coverage,
    /// What was added after signing.
    pub changes: Changes,
    /// Whether revocation was looked at.
    pub revocation: Revocation,
}

/// In which language a person reads a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Vietnamese.
    Vietnamese,
}

impl PdfSignature {
    /// Verdict, signer, content, reason, time and changes in one line for people.
    #[must_use]
    pub fn sentence(&self, language: Language) -> String {
        let vietnamese = language == Language::Vietnamese;
        let say = |english: &'static str, words: &'static str| {
            if vietnamese { words } else { english }
        };
        macro_rules! word {
            ($value:expr) => {
                say($value.english(), $value.vietnamese())
            };
        }
        let mut text = format!("{}: ", word!(self.verdict));
        if let Some(signer) = &self.signer {
            let by = match (self.timestamp_only, self.verdict) {
                (true, _) => say("time-stamp by", "dấu thời gian của"),
                (false, Verdict::Valid) => say("signed by", "ký bởi"),
                (false, _) => say("in the name of", "mang tên"),
            };
            text += &format!("{by} {}", signer.name);
            if let Some(organisation) = &signer.organisation {
                text += &format!(" ({organisation})");
            }
            text += "; ";
        }
        text += word!(self.integrity);
        // A changed content is said once.
        if let Some(reason) = self.reason.filter(|reason| *reason != Reason::Digest) {
            text += &format!("; {}", word!(reason));
        }
        if !matches!(
            self.changes,
            Changes::None | Changes::Unclear | Changes::Changed
        ) {
            text += &format!("; {}", word!(self.changes));
        }
        if !self.timestamp_only {
            text += &format!("; {}", word!(self.stamp));
        }
        if self.verdict == Verdict::Valid {
            text += &format!("; {}", word!(self.revocation));
        }
        text
    }
}

/// Name of a signer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// Common name.
    pub name: String,
    /// Organisation.
    pub organisation: Option<String>,
    /// Serial number of the certificate, hexadecimal.
    pub serial: String,
    /// Common name of the issuer.
    pub issuer: String,
    /// SHA-256 of the certificate.
    pub sha256: String,
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident $code:literal $en:literal $vi:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// In English.
            #[must_use]
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $en,)+ }
            }

            /// In Vietnamese.
            #[must_use]
            pub const fn vietnamese(self) -> &'static str {
                match self { $(Self::$variant => $vi,)+ }
            }
        }
    };
}

vocabulary! {
    /// What to believe of a signature, better ones first.
    Verdict {
        /// Intact, the signer is believed, nothing forbidden came after.
        Valid "valid" "valid" "hợp lệ",
        /// Neither proven nor disproven.
        Unknown "unknown" "not determined" "chưa xác định",
        /// Disproven.
        Invalid "invalid" "invalid" "không hợp lệ",
    }
}

vocabulary! {
    /// Whether the content is what was signed.
    Integrity {
        /// It is.
        Intact "intact" "the content is intact" "nội dung còn nguyên vẹn",
        /// It is not, or something not allowed was added.
        Broken "broken" "the content was altered" "nội dung đã bị thay đổi",
        /// Cannot be told.
        Unknown "unknown" "the content could not be checked" "chưa kiểm tra được nội dung",
    }
}

vocabulary! {
    /// Why a signature is not valid.
    Reason {
        /// SHA-1, MD5 or a short key.
        AlgorithmWeak "algorithm_weak" "the algorithm or key is too weak" "thuật toán hoặc khóa quá yếu",
        /// Digest, signature and key do not belong together.
        AlgorithmMismatch "algorithm_mismatch" "digest and signature algorithm do not fit" "thuật toán băm và thuật toán ký không khớp",
        /// An algorithm that is not on the list.
        AlgorithmUnsupported "algorithm_unsupported" "the algorithm is not supported" "thuật toán chưa được hỗ trợ",
        /// Signed attributes are missing, doubled or malformed.
        Attributes "attributes" "the signed attributes are missing or malformed" "thuộc tính được ký bị thiếu hoặc sai",
        /// The certificate is expired and no believed time-stamp says that it signed earlier.
        CertificateExpired "certificate_expired" "the certificate has expired and no trusted time-stamp proves an earlier signature" "chứng thư đã hết hạn và không có dấu thời gian tin cậy",
        /// The signature names another certificate.
        CertificateMismatch "certificate_mismatch" "the signature names another certificate" "chữ ký chỉ đến một chứng thư khác",
        /// The signer's certificate is not in the document.
        CertificateMissing "certificate_missing" "the signer's certificate is not in the file" "không có chứng thư của người ký trong tệp",
        /// The certificate was not valid yet.
        CertificateNotYetValid "certificate_not_yet_valid" "the certificate was not valid yet" "chứng thư chưa có hiệu lực",
        /// The certificate may not sign documents, or its path breaks a rule.
        CertificateRefused "certificate_refused" "the certificate is not acceptable for signing documents" "chứng thư không dùng được để ký văn bản",
        /// The certificate is revoked.
        CertificateRevoked "certificate_revoked" "the certificate was revoked" "chứng thư đã bị thu hồi",
        /// Something that is not allowed was added after signing.
        ChangedAfterSigning "changed_after_signing" "the document was changed after signing" "văn bản bị sửa đổi sau khi ký",
        /// What came after signing cannot be read or is too much to compare.
        ChangesUnclear "changes_unclear" "what was added after signing could not be compared" "chưa đối chiếu được phần thêm vào sau khi ký",
        /// The signed ranges do not cover a whole revision around the signature.
        Coverage "coverage" "the signature does not cover the whole document" "chữ ký không bao phủ toàn bộ văn bản",
        /// The content has another digest.
        Digest "digest" "the content is not what was signed" "nội dung khác với nội dung được ký",
        /// The document is encrypted.
        Encrypted "encrypted" "the document is encrypted" "tệp được mã hóa",
        /// A kind of signature that is not supported.
        Kind "kind" "a kind of signature that is not supported" "loại chữ ký chưa được hỗ trợ",
        /// More than a limit allows.
        Limit "limit" "the document is too large or complex to check" "tệp quá lớn hoặc quá phức tạp để kiểm tra",
        /// The signature value is wrong.
        SignatureValue "signature_value" "the signature value is wrong" "giá trị chữ ký sai",
        /// The time-stamp on the signature does not hold.
        Timestamp "timestamp" "the time-stamp on the signature is wrong" "dấu thời gian của chữ ký sai",
        /// The signature object or its dictionary cannot be read.
        Unreadable "unreadable" "the signature could not be read" "không đọc được chữ ký",
        /// No path to a trusted authority.
        UntrustedIssuer "untrusted_issuer" "the signer could not be verified: the issuer is not among the trusted ones" "chưa xác minh được người ký: nơi cấp chứng thư không nằm trong danh sách tin cậy",
    }
}

vocabulary! {
    /// What was added after signing, from harmless to forbidden.
    Changes {
        /// Nothing.
        None "none" "nothing was added after signing" "không có thay đổi sau khi ký",
        /// Data for later verification, document time-stamps, file properties.
        LongTerm "long_term" "only verification data was added after signing" "chỉ thêm dữ liệu kiểm tra lâu dài sau khi ký",
        /// Further signatures or fields for them.
        Signatures "signatures" "only further signatures were added" "chỉ thêm chữ ký khác sau khi ký",
        /// Form fields were filled in, as the signer allowed.
        FormFilling "form_filling" "form fields were filled in after signing" "có điền biểu mẫu sau khi ký",
        /// Comments were added, as the signer allowed.
        Annotations "annotations" "comments were added after signing" "có thêm ghi chú sau khi ký",
        /// Could not be compared.
        Unclear "unclear" "what was added could not be compared" "chưa đối chiếu được phần thêm vào",
        /// Anything else.
        Changed "changed" "the content was changed after signing" "nội dung bị sửa đổi sau khi ký",
    }
}

vocabulary! {
    /// How much of the file the signed ranges cover.
    Coverage {
        /// All of it but the signature itself.
        WholeFile "whole_file" "the whole file" "toàn bộ tệp",
        /// A whole earlier revision.
        WholeRevision "whole_revision" "a whole earlier revision" "toàn bộ một phiên bản trước",
        /// Less: something around or before the signature is not signed.
        Partial "partial" "only a part" "chỉ một phần",
    }
}

vocabulary! {
    /// What became of the time-stamp on a signature.
    Stamp {
        /// There is none.
        Absent "absent" "no time-stamp" "không có dấu thời gian",
        /// It proves the time.
        Verified "verified" "time-stamp verified" "dấu thời gian đã kiểm tra",
        /// It fits, but its authority is not trusted here.
        Untrusted "untrusted" "the time-stamp authority is not trusted" "chưa xác minh được nơi cấp dấu thời gian",
        /// It is for something else or its signature is wrong.
        Broken "broken" "the time-stamp is wrong" "dấu thời gian sai",
    }
}

vocabulary! {
    /// Whether revocation was looked at.
    Revocation {
        /// Signed revocation data in the document says that the certificate was good.
        Good "good" "not revoked" "chưa bị thu hồi",
        /// The document carries no usable revocation data; nothing is asked on the network.
        NotChecked "not_checked" "revocation was not checked" "chưa kiểm tra thu hồi",
        /// Revoked.
        Revoked "revoked" "revoked" "đã bị thu hồi",
    }
}

vocabulary! {
    /// What kept a check from being complete.
    Problem {
        /// The document is encrypted.
        Encrypted "encrypted" "the document is encrypted" "tệp được mã hóa",
        /// A limit was reached; signatures may be missing from the report.
        Limit "limit" "the document is too large or complex to check" "tệp quá lớn hoặc quá phức tạp để kiểm tra",
        /// It does not begin like a PDF.
        NotPdf "not_pdf" "this is not a PDF" "tệp không phải PDF",
        /// The structure cannot be read; there may be signatures.
        Structure "structure" "the structure of the document could not be read" "không đọc được cấu trúc của tệp",
        /// The file cannot be read.
        Unreadable "unreadable" "the file could not be read" "không đọc được tệp",
    }
}
