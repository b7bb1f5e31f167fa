//! What every answer gets on its way out: a request id, security headers, and the body of a problem.
//!
//! Problems become `application/problem+json` under `/api/` and a page elsewhere, in the language of
//! the request. One log line per request that failed by our fault.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{Kind, MEDIA_TYPE, Problem};
use crate::screen::message;
use crate::screen::words::Lang;

/// Names the request in answers and in the log.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Scripts, styles, fonts and images from here only, nothing inline, no framing, forms to here only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
     img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The language of a request: the cookie of the switch, then `Accept-Language`, then Vietnamese.
#[must_use]
pub fn language(headers: &HeaderMap) -> Lang {
    cookie(headers, "tram_lang")
        .and_then(Lang::parse)
        .unwrap_or_else(|| {
            headers
                .get(header::ACCEPT_LANGUAGE)
                .and_then(|value| value.to_str().ok())
                .and_then(Lang::accept)
                .unwrap_or_default()
        })
}

/// The value of a cookie.
#[must_use]
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(known, value)| (known == name).then_some(value))
}

/// The outermost layer.
pub async fn dress(mut request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let lang = language(request.headers());
    let uri = request.uri().clone();
    let method = request.method().clone();
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        if problem.kind().status().is_server_error() || problem.log().is_some() {
            let code = problem.kind().code();
            let cause = problem.log().unwrap_or("");
            let path = uri.path();
            tracing::warn!(request = %id, %method, path, code, cause, "request not answered");
        }
        response = written(&problem, lang, &uri, &id, response.headers());
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}

/// The answer with its body; headers that the problem set stay.
fn written(problem: &Problem, lang: Lang, uri: &Uri, id: &str, headers: &HeaderMap) -> Response {
    let status = problem.kind().status();
    let mut response = if uri.path().starts_with("/api/") {
        let body = problem.json(lang, id).to_string();
        let kind = [
            (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
            (
                header::CONTENT_LANGUAGE,
                HeaderValue::from_static(lang.code()),
            ),
        ];
        (status, kind, body).into_response()
    } else {
        (status, message::page(problem, lang, uri, id)).into_response()
    };
    for name in [
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        header::CONTENT_RANGE,
        header::ALLOW,
    ] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.headers_mut().insert(
        header::VARY,
        HeaderValue::from_static("accept-language, cookie"),
    );
    response
}

/// What no route knows.
pub(crate) async fn not_found() -> Problem {
    Problem::new(Kind::NotFound)
}

/// A known path with another method.
pub(crate) async fn method_not_allowed() -> Problem {
    Problem::new(Kind::MethodNotAllowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_wins_over_the_browser() {
        let mut headers = HeaderMap::new();
        assert_eq!(language(&headers), Lang::Vi);
        headers.insert(
            header::ACCEPT_LANGUAGE,
            HeaderValue::from_static("en-US,en;q=0.9"),
        );
        assert_eq!(language(&headers), Lang::En);
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("a=b; tram_lang=vi"),
        );
        assert_eq!(language(&headers), Lang::Vi);
    }

    #[test]
    fn the_policy_allows_nothing_inline() {
        assert!(!POLICY.contains("unsafe"));
        assert!(POLICY.starts_with("default-src 'none'"));
    }
}
