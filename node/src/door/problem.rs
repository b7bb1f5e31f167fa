//! Answers to requests that did not work: RFC 9457 `application/problem+json` for systems, a page for
//! people, in the reader's language.
//!
//! A handler returns a [`Problem`] that names what happened; [`crate::door::dress`] writes it, because
//! only there the language and the request id are known. Every code has a page at `/problems/{code}`.
//! It owns the list of codes. It must not know what the desk does.

use std::fmt::Write as _;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::fault::{DeskError, SubmitError};
use crate::screen::words::Lang;
use crate::view::{FaultView, Phrase, RuleView};

/// Media type of RFC 9457.
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($($kind:ident $code:literal $status:ident
        [$title_vi:literal, $title_en:literal] [$next_vi:literal, $next_en:literal];)*) => {
        /// What happened. The code is stable; texts may improve.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the title in the table says what each kind is")]
        pub enum Kind { $($kind,)* }

        impl Kind {
            /// Every kind, by name.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// What happened, in one line.
            #[must_use]
            pub const fn title(self, lang: Lang) -> &'static str {
                match (self, lang) {
                    $((Self::$kind, Lang::Vi) => $title_vi, (Self::$kind, Lang::En) => $title_en,)*
                }
            }

            /// What the caller should do now.
            #[must_use]
            pub const fn next(self, lang: Lang) -> &'static str {
                match (self, lang) {
                    $((Self::$kind, Lang::Vi) => $next_vi, (Self::$kind, Lang::En) => $next_en,)*
                }
            }
        }
    };
}

kinds! {
    AgencyNotServed "agency_not_served" FORBIDDEN
        ["Trạm này không phục vụ cơ quan đó", "This station does not serve that agency"]
        ["Dùng khóa của cơ quan gửi, hoặc gửi đến trạm của cơ quan đó.", "Use a key of the sending agency, or call the station of that agency."];
    AttachmentUnreadable "attachment_unreadable" UNPROCESSABLE_ENTITY
        ["Không mở được tệp đính kèm", "The attachment cannot be extracted"]
        ["Tải cả gói và báo cho bên gửi; tệp nén vượt giới hạn hoặc hỏng.", "Fetch the whole packet and tell the sender; the file is damaged or inflates beyond the limits."];
    Busy "busy" SERVICE_UNAVAILABLE
        ["Trạm đang bận", "The station is busy"]
        ["Chưa có gì được nhận. Gửi lại nguyên yêu cầu sau số giây trong Retry-After.", "Nothing was taken. Send the same request again after the seconds in Retry-After."];
    ClaimLost "claim_lost" CONFLICT
        ["Lượt nhận không còn hiệu lực", "The claim does not hold any more"]
        ["Nhận lại bằng POST /inbox/claims; hệ thống khác có thể đang giữ văn bản này.", "Claim again with POST /inbox/claims; another system may hold the document."];
    ContentDeleted "content_deleted" GONE
        ["Nội dung đã được xóa theo thời hạn lưu", "The content was deleted by a retention rule"]
        ["Bằng chứng vẫn còn: tải gói bằng chứng, hoặc xem hành trình. Quy tắc nằm trong `rule`.", "Its evidence is here: fetch the proof package, or look at the timeline. The rule stands in `rule`."];
    CursorInvalid "cursor_invalid" BAD_REQUEST
        ["Con trỏ trang không đúng", "The cursor is not valid"]
        ["Bắt đầu lại từ trang đầu và dùng nguyên giá trị `next` của trang trước.", "Start from the first page and use the value of `next` as it is."];
    DiskFull "disk_full" SERVICE_UNAVAILABLE
        ["Trạm hết chỗ lưu", "The station has no room left"]
        ["Chưa có gì được nhận. Báo quản trị trạm; gửi lại sau.", "Nothing was taken. Tell the station's administrator; send again later."];
    DocumentConflict "document_conflict" CONFLICT
        ["Mã định danh văn bản đã được dùng cho gói khác", "Another packet was sent under the same document id"]
        ["Xem văn bản trong `first`. Nếu cố ý gửi lại, thêm tham số resend_reason và nêu lý do.", "Look at the document in `first`. To send again on purpose, add the parameter resend_reason with the reason."];
    FormExpired "form_expired" FORBIDDEN
        ["Biểu mẫu đã hết hạn", "The form has expired"]
        ["Chưa có gì thay đổi. Tải lại trang và làm lại.", "Nothing was changed. Reload the page and do it again."];
    IdempotencyKeyInvalid "idempotency_key_invalid" BAD_REQUEST
        ["Idempotency-Key không đúng dạng", "The Idempotency-Key is not well-formed"]
        ["Dùng 1 đến 255 ký tự (UTF-8, không có ký tự điều khiển), một lần, ví dụ một UUID hoặc mã định danh văn bản.", "Use 1 to 255 characters (UTF-8, no control characters), once, for example a UUID or the document id."];
    IdempotencyKeyMissing "idempotency_key_missing" BAD_REQUEST
        ["Thiếu Idempotency-Key", "The Idempotency-Key is missing"]
        ["Thêm tiêu đề Idempotency-Key, một giá trị mới cho mỗi văn bản; gửi lại thì giữ nguyên giá trị.", "Add the header Idempotency-Key with a new value for each document; keep the value when you retry."];
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY
        ["Idempotency-Key đã dùng cho yêu cầu khác", "The Idempotency-Key was used for another request"]
        ["Dùng giá trị mới cho văn bản mới. Văn bản đầu tiên có mã trong `first`.", "Use a new value for a new document. The first one has the id in `first`."];
    IdempotencyRunning "idempotency_running" CONFLICT
        ["Yêu cầu đầu tiên với Idempotency-Key này đang chạy", "The first request with this Idempotency-Key still runs"]
        ["Đợi số giây trong Retry-After rồi gửi lại nguyên yêu cầu.", "Wait the seconds in Retry-After and send the same request again."];
    Internal "internal" INTERNAL_SERVER_ERROR
        ["Trạm không trả lời được yêu cầu này", "The station could not answer this request"]
        ["Thử lại với cùng Idempotency-Key. Nếu vẫn lỗi, báo quản trị trạm mã yêu cầu.", "Try again with the same Idempotency-Key. If it stays, give the request id to the station's administrator."];
    InvalidBody "invalid_body" BAD_REQUEST
        ["Nội dung yêu cầu không đúng dạng", "The body of the request is not well-formed"]
        ["Sửa từng điểm trong `errors` theo `pointer`.", "Correct every point in `errors`; `pointer` shows where."];
    InvalidParameter "invalid_parameter" BAD_REQUEST
        ["Tham số không đúng", "A parameter is not valid"]
        ["Sửa từng tham số trong `errors`.", "Correct every parameter in `errors`."];
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED
        ["Địa chỉ này không nhận phương thức đó", "This address does not take that method"]
        ["Dùng một phương thức trong tiêu đề Allow.", "Use a method of the header Allow."];
    NotAllowed "not_allowed" FORBIDDEN
        ["Không có quyền", "Not allowed"]
        ["Nhờ quản trị trạm cấp quyền nêu trong `scope`.", "Ask the station's administrator for the scope named in `scope`."];
    NotFound "not_found" NOT_FOUND
        ["Không tìm thấy", "Not found"]
        ["Kiểm tra địa chỉ và mã; mỗi cơ quan chỉ thấy văn bản của mình.", "Check the address and the id; an agency sees its own documents only."];
    PacketInvalid "packet_invalid" UNPROCESSABLE_ENTITY
        ["Gói edXML chưa hợp lệ", "The edXML packet is not valid"]
        ["Sửa mọi điểm trong `errors`; có thể thử trước bằng POST /api/v1/documents/validate.", "Correct every point in `errors`; POST /api/v1/documents/validate tries it without sending."];
    Quarantined "quarantined" CONFLICT
        ["Văn bản được giữ lại để kiểm tra", "The document is held for checking"]
        ["Không lấy được qua API. Quản trị trạm xem lý do trong Văn bản đến.", "It is never handed out. The administrator sees the reason under Incoming."];
    RangeInvalid "range_invalid" RANGE_NOT_SATISFIABLE
        ["Khoảng byte nằm ngoài tệp", "The byte range lies outside the file"]
        ["Xem kích thước trong Content-Range và xin lại.", "See the size in Content-Range and ask again."];
    TooLarge "too_large" PAYLOAD_TOO_LARGE
        ["Vượt kích thước cho phép", "Larger than allowed"]
        ["Giảm kích thước tệp, hoặc chia văn bản thành nhiều gói.", "Make the files smaller, or split them over several packets."];
    TooManyRequests "too_many_requests" TOO_MANY_REQUESTS
        ["Quá nhiều yêu cầu", "Too many requests"]
        ["Đợi số giây trong Retry-After.", "Wait the seconds in Retry-After."];
    TrustDataStale "trust_data_stale" SERVICE_UNAVAILABLE
        ["Dữ liệu tin cậy của trạm đã quá hạn", "The station's trust data is past its window"]
        ["Chưa có gì được nhận. Báo quản trị trạm cách khắc phục trong `remedy`; gửi lại sau số giây trong Retry-After.", "Nothing was taken. Give the station's administrator what `remedy` says; send again after the seconds in Retry-After."];
    Unauthenticated "unauthenticated" UNAUTHORIZED
        ["Chưa xác thực", "Not authenticated"]
        ["Gửi tiêu đề Authorization: Bearer với khóa còn hiệu lực do quản trị trạm cấp.", "Send the header Authorization: Bearer with a valid key from the station's administrator."];
    UnsupportedType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE
        ["Loại nội dung không được hỗ trợ", "The content type is not supported"]
        ["Dùng application/edxml+xml, application/xml, application/octet-stream hoặc multipart/form-data.", "Use application/edxml+xml, application/xml, application/octet-stream or multipart/form-data."];
    Withdrawn "withdrawn" GONE
        ["Văn bản đã được thu hồi", "The document was recalled"]
        ["Cơ quan đã đồng ý thu hồi (15); hủy bản đã nhận. Lịch sử thu hồi vẫn xem được.", "Your agency agreed to the recall (15); destroy the copies. The history of the recall stays."];
}

impl Kind {
    /// The kind of a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}

/// Where in the request a fault lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A path in the edXML packet.
    Path(String),
    /// A JSON pointer (RFC 6901) in the body.
    Pointer(String),
    /// A query parameter.
    Parameter(String),
    /// The request as a whole.
    Whole,
}

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Stable code.
    pub code: String,
    /// What is wrong and what to do.
    pub text: Phrase,
    /// Where.
    pub place: Place,
}

impl Fault {
    /// A fault in a query parameter.
    pub fn parameter(name: &str, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            code: "parameter".to_owned(),
            text: Phrase::new(vi, en),
            place: Place::Parameter(name.to_owned()),
        }
    }

    /// A fault in a JSON body.
    pub fn pointer(pointer: &str, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            code: "field".to_owned(),
            text: Phrase::new(vi, en),
            place: Place::Pointer(pointer.to_owned()),
        }
    }

    fn json(&self, lang: Lang) -> Value {
        let mut out = Map::new();
        out.insert("code".to_owned(), json!(self.code));
        let (name, place) = match &self.place {
            Place::Path(path) => ("path", path.as_str()),
            Place::Pointer(pointer) => ("pointer", pointer.as_str()),
            Place::Parameter(name) => ("parameter", name.as_str()),
            Place::Whole => ("", ""),
        };
        if !place.is_empty() {
            out.insert(name.to_owned(), json!(place));
        }
        out.insert("detail".to_owned(), json!(said(&self.text, lang)));
        // Faults of a packet say which rule they break, where it comes from and what to do.
        if let Some(rule) = self.rule() {
            for (name, phrase) in [
                ("rule", &rule.rule),
                ("source", &rule.source),
                ("fix", &rule.fix),
            ] {
                out.insert(name.to_owned(), json!(said(phrase, lang)));
            }
        }
        Value::Object(out)
    }

    /// The rule of the packet format that this fault breaks, if it breaks one.
    #[must_use]
    pub fn rule(&self) -> Option<RuleView> {
        let path = match &self.place {
            Place::Path(path) => path.as_str(),
            Place::Parameter(_) | Place::Pointer(_) | Place::Whole => "",
        };
        RuleView::of(&self.code, path)
    }
}

impl From<FaultView> for Fault {
    fn from(fault: FaultView) -> Self {
        let place = if fault.path.is_empty() {
            Place::Whole
        } else {
            Place::Path(fault.path)
        };
        Self {
            code: fault.code,
            text: fault.text,
            place,
        }
    }
}

/// The text of a phrase in a language.
pub(crate) fn said(phrase: &Phrase, lang: Lang) -> &str {
    match lang {
        Lang::En => &phrase.en,
        Lang::Vi => &phrase.vi,
    }
}

/// A request that did not work.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: Kind,
    detail: Option<Phrase>,
    errors: Vec<Fault>,
    /// More members of the answer (RFC 9457 3.2), for example `first`.
    members: Vec<(&'static str, String)>,
    retry_after_s: Option<u32>,
    /// What the log says; never shown to the caller.
    cause: Option<String>,
}

impl Problem {
    /// A problem without particulars.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self(Box::new(Inner {
            kind,
            detail: None,
            errors: Vec::new(),
            members: Vec::new(),
            retry_after_s: None,
            cause: None,
        }))
    }

    /// What happened this time.
    #[must_use]
    pub fn detail(mut self, vi: impl Into<String>, en: impl Into<String>) -> Self {
        self.0.detail = Some(Phrase::new(vi, en));
        self
    }

    /// All faults, never the first only.
    #[must_use]
    pub fn errors(mut self, errors: Vec<Fault>) -> Self {
        self.0.errors = errors;
        self
    }

    /// One more member of the answer.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.members.push((name, value.to_string()));
        self
    }

    /// When another attempt makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// What the operator's log says about it.
    #[must_use]
    pub fn cause(mut self, cause: impl ToString) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The faults.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0.errors
    }

    /// What the log says.
    pub(crate) fn log(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// What happened this time in words, or the general text.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        let inner = &self.0;
        if let Some(detail) = &inner.detail {
            return said(detail, lang).to_owned();
        }
        let mut text = inner.kind.title(lang).to_owned();
        if let Some(first) = inner.errors.first() {
            let _written = write!(text, ": {}", said(&first.text, lang));
            if inner.errors.len() > 1 {
                let _written = write!(text, " (+{})", inner.errors.len() - 1);
            }
        }
        text
    }

    /// The answer for a system.
    #[must_use]
    pub fn json(&self, lang: Lang, request_id: &str) -> Value {
        let inner = &self.0;
        let kind = inner.kind;
        let mut out = Map::new();
        out.insert(
            "type".to_owned(),
            json!(format!("/problems/{}", kind.code())),
        );
        out.insert("title".to_owned(), json!(kind.title(lang)));
        out.insert("status".to_owned(), json!(kind.status().as_u16()));
        out.insert("code".to_owned(), json!(kind.code()));
        out.insert("detail".to_owned(), json!(self.text(lang)));
        out.insert("next".to_owned(), json!(kind.next(lang)));
        if !inner.errors.is_empty() {
            let errors: Vec<Value> = inner.errors.iter().map(|fault| fault.json(lang)).collect();
            out.insert("errors".to_owned(), Value::Array(errors));
        }
        for (name, value) in &inner.members {
            out.insert((*name).to_owned(), json!(value));
        }
        if let Some(seconds) = inner.retry_after_s {
            out.insert("retry_after_s".to_owned(), json!(seconds));
        }
        out.insert("request_id".to_owned(), json!(request_id));
        Value::Object(out)
    }
}

impl IntoResponse for Problem {
    /// Status and the problem itself; [`crate::door::dress`] writes the body.
    fn into_response(self) -> Response {
        let mut response = self.0.kind.status().into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.kind == Kind::Unauthenticated {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"tram\""),
            );
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::NotFound => Self::new(Kind::NotFound),
            DeskError::BadCursor => Self::new(Kind::CursorInvalid),
            DeskError::NotClaimed => Self::new(Kind::ClaimLost),
            DeskError::Withdrawn => Self::new(Kind::Withdrawn),
            DeskError::ContentDeleted { at, rule } => Self::new(Kind::ContentDeleted)
                .member("deleted", at.rfc3339())
                .member("rule", rule),
            DeskError::Quarantined => Self::new(Kind::Quarantined),
            DeskError::Attachment(cause) => Self::new(Kind::AttachmentUnreadable).cause(cause),
            DeskError::NotServed(agency) => {
                Self::new(Kind::AgencyNotServed).member("agency", agency)
            }
            DeskError::Invalid(text) => Self::new(Kind::InvalidParameter).detail(&text, &text),
            DeskError::Busy { retry_after_s } => Self::new(Kind::Busy).retry_after(retry_after_s),
            DeskError::Internal(cause) => Self::new(Kind::Internal).cause(cause),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Faults(faults) => {
                Self::new(Kind::PacketInvalid).errors(faults.into_iter().map(Fault::from).collect())
            }
            SubmitError::IdempotencyMismatch { first } => {
                Self::new(Kind::IdempotencyKeyReused).member("first", first)
            }
            SubmitError::NotFound => Self::new(Kind::NotFound),
            SubmitError::StillRunning => Self::new(Kind::IdempotencyRunning).retry_after(1),
            SubmitError::NaturalKeyConflict {
                first,
                first_digest,
            } => Self::new(Kind::DocumentConflict)
                .member("first", first)
                .member("first_packet_digest", first_digest),
            SubmitError::NotServed(agency) => {
                Self::new(Kind::AgencyNotServed).member("agency", agency)
            }
            SubmitError::Busy { retry_after_s } => Self::new(Kind::Busy).retry_after(retry_after_s),
            SubmitError::DiskFull { retry_after_s } => {
                Self::new(Kind::DiskFull).retry_after(retry_after_s)
            }
            SubmitError::Stopped(alarm) => {
                let text = |what: String, remedy: String| format!("{what} {remedy}");
                Self::new(Kind::TrustDataStale)
                    .detail(
                        text(alarm.vi(), alarm.remedy_vi()),
                        text(alarm.en(), alarm.remedy_en()),
                    )
                    .member("alarm", alarm.found.code.number())
                    .member("remedy", alarm.remedy_vi())
                    .member("remedy_en", alarm.remedy_en())
                    .retry_after(STALE_RETRY_S)
            }
            SubmitError::Internal(cause) => Self::new(Kind::Internal).cause(cause),
        }
    }
}

/// Somebody has to do something first; the station looks at its records every few seconds.
const STALE_RETRY_S: u32 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn faults() -> Problem {
        let fault = |code: &str, path: &str| FaultView {
            code: code.to_owned(),
            path: path.to_owned(),
            text: Phrase::new(format!("{code} sai"), format!("{code} is wrong")),
        };
        SubmitError::Faults(vec![fault("E-A", "MH/From"), fault("E-B", "")]).into()
    }

    #[test]
    fn every_fault_is_listed_with_its_place_in_the_readers_language() {
        let problem = faults();
        let vi = problem.json(Lang::Vi, "r-1");
        let en = problem.json(Lang::En, "r-1");
        assert_eq!(vi["errors"].as_array().unwrap().len(), 2);
        assert_eq!(vi["errors"][0]["path"], "MH/From");
        assert_eq!(vi["errors"][0]["detail"], "E-A sai");
        assert_eq!(en["errors"][1]["detail"], "E-B is wrong");
        assert!(en["errors"][1].get("path").is_none());
        assert_eq!(vi["code"], en["code"]);
        assert_ne!(vi["title"], en["title"]);
        assert_eq!(vi["type"], "/problems/packet_invalid");
        assert_eq!(vi["request_id"], "r-1");
        assert_eq!(vi["status"], 422);
    }

    #[test]
    fn codes_are_unique_and_complete_in_both_languages() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.code()), Some(*kind));
            for text in [Kind::title, Kind::next] {
                assert!(!text(*kind, Lang::Vi).is_empty() && !text(*kind, Lang::En).is_empty());
                assert_ne!(text(*kind, Lang::Vi), text(*kind, Lang::En));
            }
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
        }
        let mut codes: Vec<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
    }

    #[test]
    fn causes_stay_inside() {
        let problem = Problem::from(DeskError::Internal("store: /srv/secret.db".to_owned()));
        let text = problem.json(Lang::En, "r").to_string();
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(problem.log(), Some("store: /srv/secret.db"));
    }

    #[test]
    fn a_busy_station_says_when_to_come_back() {
        let response = Problem::from(SubmitError::Busy { retry_after_s: 7 }).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    }
}
