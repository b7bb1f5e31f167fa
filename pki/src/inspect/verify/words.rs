//! Refusals of the validator in Vietnamese, beside their own English texts.
//!
//! Owns: the sentences. Fails: not at all.

use crate::chain::ChainError;
use crate::role::Role;

/// What a role does.
pub(super) fn role_words(role: Role) -> (&'static str, &'static str) {
    role.words()
}

/// The outcome of a check as a sentence.
pub(super) fn said<T, E: ToString>(outcome: Result<T, E>) -> Result<(), String> {
    outcome.map(drop).map_err(|error| error.to_string())
}

/// Why a certificate is not believed, naming the certificate, the rule and the two times.
pub(super) fn because(error: &ChainError) -> String {
    match error {
        ChainError::Budget => "ngừng tìm đường dẫn: quá nhiều nơi cấp cùng tên".to_owned(),
        ChainError::Certificate { subject, source } => {
            format!("{subject}: chứng thư không đúng quy định ({source})")
        }
        ChainError::Depth { subject } => format!("{subject}: đường dẫn chứng thực quá dài"),
        ChainError::Expired {
            subject,
            not_after,
            at,
        } => format!(
            "{subject}: hết hiệu lực lúc {}, xét lúc {}",
            not_after.vietnam(),
            at.vietnam()
        ),
        ChainError::NoPath { subject, issuer } => {
            format!("{subject}: không có đường dẫn đến gốc tin cậy (nơi cấp {issuer})")
        }
        ChainError::NotDelegable { subject, role } => {
            format!("{subject}: CA được ủy quyền không được cấp vai trò {role}")
        }
        ChainError::NotYetValid {
            subject,
            not_before,
            at,
        } => format!(
            "{subject}: chưa có hiệu lực trước {}, xét lúc {}",
            not_before.vietnam(),
            at.vietnam()
        ),
        ChainError::Name { subject, source } => {
            format!("{subject}: tên không được phép ({source})")
        }
        ChainError::Policy { subject } => {
            format!("{subject}: chính sách chứng thư không cho phép đường dẫn này")
        }
        ChainError::Revoked {
            subject,
            at,
            reason,
            judged,
        } => format!(
            "{subject}: đã bị thu hồi lúc {} ({reason:?}), xét lúc {}",
            at.vietnam(),
            judged.vietnam()
        ),
        ChainError::RevocationUnknown { subject, held, at } => format!(
            "{subject}: chưa rõ tình trạng thu hồi ({held}), xét lúc {}",
            at.vietnam()
        ),
        ChainError::Role {
            subject,
            found,
            wanted,
        } => {
            format!("{subject}: có vai trò {found}, cần vai trò {wanted}")
        }
        ChainError::Signature { subject, source } => {
            format!("{subject}: chữ ký của nơi cấp không đúng ({source})")
        }
        ChainError::Structure {
            subject,
            reason,
            rule,
        } => format!("{subject}: trái quy định {rule} ({reason})"),
    }
}
