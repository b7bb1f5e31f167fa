//! Refusals of the authority's API: stable codes with what to do next, in both languages.
//!
//! Owns: the table of codes. Every refusal is `application/problem+json` (RFC 9457). Internal
//! causes go to the log, never to the caller.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::enrolment::EnrolError;
use crate::enrol::Problem;

/// A refusal on its way to the caller.
#[derive(Debug)]
pub(super) struct Refusal {
    code: &'static str,
    /// What exactly, when the caller may know.
    detail: Option<String>,
    retry_after_s: Option<u64>,
}

impl Refusal {
    pub(super) fn new(code: &'static str) -> Self {
        Self {
            code,
            detail: None,
            retry_after_s: None,
        }
    }

    pub(super) fn about(code: &'static str, detail: impl ToString) -> Self {
        Self {
            detail: Some(detail.to_string()),
            ..Self::new(code)
        }
    }

    pub(super) fn later(code: &'static str, seconds: u64) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..Self::new(code)
        }
    }

    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        let mut causes = error.to_string();
        let mut lower = error.source();
        while let Some(cause) = lower {
            causes = format!("{causes}: {cause}");
            lower = cause.source();
        }
        tracing::error!(code = "TRAM-704", error = causes, "request failed");
        Self::later("internal", 30)
    }
}

impl From<EnrolError> for Refusal {
    fn from(error: EnrolError) -> Self {
        match error.code().0 {
            "internal" => Self::internal(&error),
            "authority_unavailable" => {
                tracing::error!(code = "TRAM-705", %error, "nothing can be issued");
                Self::later("authority_unavailable", 300)
            }
            code => Self::about(code, &error),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if self.code == "waiting" {
            // No refusal: the caller asks again (RFC 9110 section 15.3.3).
            let body = serde_json::json!({ "waiting": self.detail.unwrap_or_default() });
            let headers = [
                (header::CONTENT_TYPE, "application/json"),
                (header::RETRY_AFTER, "60"),
            ];
            return (StatusCode::ACCEPTED, headers, body.to_string()).into_response();
        }
        let known = TABLE.iter().find(|row| row.0 == self.code);
        let (code, status, title, detail, next) = known.copied().unwrap_or(INTERNAL);
        let problem = Problem {
            code: code.to_owned(),
            status,
            title: match &self.detail {
                Some(detail) => format!("{title}: {detail}"),
                None => title.to_owned(),
            },
            detail: detail.to_owned(),
            next: next.to_owned(),
        };
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        let kind = header::HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
        }
        response
    }
}

type Row = (&'static str, u16, &'static str, &'static str, &'static str);

const INTERNAL: Row = (
    "internal",
    500,
    "the authority has a fault of its own",
    "Trung tâm chứng thực gặp lỗi. Thử lại sau; nếu vẫn lỗi, báo quản trị viên.",
    "try again later; if it stays, tell the authority's administrator",
);

/// Code, status, title, detail in Vietnamese, next step in English.
const TABLE: &[Row] = &[
    INTERNAL,
    (
        "approval_refused",
        403,
        "an approver refused the request",
        "Yêu cầu đã bị người phê duyệt từ chối.",
        "ask the authority's administrator why; a new request needs a new grant",
    ),
    (
        "authority_unavailable",
        503,
        "nothing can be issued now",
        "Hiện chưa cấp được chứng thư. Hệ thống sẽ tự thử lại.",
        "wait; the authority's administrator was told",
    ),
    (
        "certificate_foreign",
        400,
        "the certificate is not accepted",
        "Chứng thư của nơi khác cấp không được chấp nhận.",
        "send the agency's certificate first, then the authorities above it; its root must be in the trust list",
    ),
    (
        "certificate_needed",
        401,
        "a station's certificate is needed here",
        "Cần chứng thư của trạm để thực hiện việc này.",
        "call with the station's current TLS certificate; if it has ended, ask for a new grant",
    ),
    (
        "certificate_refused",
        403,
        "the station's certificate is not good",
        "Chứng thư của trạm không được chấp nhận (hết hạn hoặc đã thu hồi).",
        "ask the authority's administrator for a new grant and enrol again",
    ),
    (
        "key_used",
        409,
        "a key is certified once",
        "Khóa này đã được cấp chứng thư. Hãy tạo khóa mới.",
        "make a new key and request; the station's own commands do so",
    ),
    (
        "not_found",
        404,
        "there is no such thing",
        "Không tìm thấy.",
        "look at the address; names of files come from GET /v1/records",
    ),
    (
        "not_yours",
        403,
        "this is not the caller's to ask for",
        "Trạm không có quyền yêu cầu việc này.",
        "ask for the station's own certificates, and let an agency's current key sign for the agency",
    ),
    (
        "profile_refused",
        400,
        "the certificate would break its profile",
        "Yêu cầu không đúng mẫu chứng thư.",
        "correct what is named; P-256 keys are always accepted",
    ),
    (
        "rate_limited",
        429,
        "too many requests",
        "Quá nhiều yêu cầu. Hãy đợi rồi thử lại.",
        "wait as long as Retry-After says",
    ),
    (
        "record_old",
        409,
        "a newer record is published",
        "Đã có bản ghi mới hơn.",
        "give the record a higher sequence than the published one",
    ),
    (
        "record_refused",
        400,
        "the record is not accepted",
        "Bản ghi không được chấp nhận.",
        "sign it with the key of whoever may say it; see what is named",
    ),
    (
        "request_invalid",
        400,
        "a certificate request is not accepted",
        "Yêu cầu cấp chứng thư không hợp lệ.",
        "send PKCS#10 in PEM, signed by its own key",
    ),
    (
        "requests_wrong",
        400,
        "these are not the certificates that may be asked for",
        "Danh sách chứng thư yêu cầu không đúng với giấy cấp quyền.",
        "ask POST /v1/enrol/preview what the grant names and ask for exactly that",
    ),
    (
        "too_large",
        413,
        "the request is too large",
        "Yêu cầu quá lớn.",
        "send fewer certificate requests at once",
    ),
    (
        "token_expired",
        410,
        "the token is over",
        "Mã ghi danh đã hết hạn hoặc bị thu hồi. Xin cấp mã mới.",
        "ask the authority's administrator for a new one: tram-pki grant",
    ),
    (
        "token_spent",
        409,
        "the token was used for other keys",
        "Mã ghi danh đã được dùng. Nếu không phải do cơ quan mình dùng, báo quản trị viên ngay.",
        "if it was not you, tell the authority's administrator at once; else ask for a new one",
    ),
    (
        "token_unknown",
        401,
        "no such token",
        "Mã ghi danh không đúng.",
        "copy the whole token, beginning with tram-grant-",
    ),
    (
        "unreadable",
        400,
        "the request cannot be read",
        "Không đọc được yêu cầu.",
        "send JSON as the API describes it",
    ),
];
