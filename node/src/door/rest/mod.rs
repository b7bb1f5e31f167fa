//! The REST interface under `/api/v1`, for document systems.
//!
//! JSON in snake_case, times in RFC 3339, ids as the desk gives them. Every call is made with a key of
//! one agency and sees nothing of another.

pub mod acts;
pub mod agencies;
pub mod deadlines;
pub mod documents;
pub mod inbox;
pub(crate) mod keep;
pub mod status;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Serialize;

use formats::id::EnvelopeId;

use super::problem::{Kind, Problem};
use super::routes::SMALL_BODY_BYTES_MAX;
use crate::screen::address;
use crate::view::Page;

/// Of a body that is too large, so much is still read.
const DRAINED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Rows of a page when the caller does not say.
const LIMIT: u32 = 50;
/// Rows of a page at most.
const LIMIT_MAX: u32 = 200;

/// Reads an id from a path; what is no id is not found.
pub(crate) fn id(text: &str) -> Result<EnvelopeId, Problem> {
    text.parse().map_err(|_| Problem::new(Kind::NotFound))
}

/// A small body that is read whole; one that is too large is refused like every other fault.
pub(crate) struct Small(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Small {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let mut chunks = request.into_body().into_data_stream();
        let (mut kept, mut bytes) = (Vec::new(), 0_usize);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Problem::new(Kind::InvalidBody))?;
            bytes = bytes.saturating_add(chunk.len());
            // What is too much is read and dropped for a while: a caller whose sending is cut off
            // sees a broken connection and not the refusal.
            if bytes <= SMALL_BODY_BYTES_MAX {
                kept.extend_from_slice(&chunk);
            } else if bytes > DRAINED_BYTES_MAX {
                break;
            }
        }
        if bytes > SMALL_BODY_BYTES_MAX {
            return Err(Problem::new(Kind::TooLarge));
        }
        Ok(Self(kept.into()))
    }
}

/// A page as JSON, with `Link: rel="next"` (RFC 8288) when there is one.
fn page<T: Serialize>(page: Page<T>, uri: &Uri) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(cursor) = &page.next {
        let kept: Vec<&str> = uri
            .query()
            .unwrap_or("")
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="))
            .collect();
        let mut target = format!("{}?", uri.path());
        for pair in kept {
            target.push_str(pair);
            target.push('&');
        }
        target.push_str("cursor=");
        target.push_str(&address::encode(cursor));
        if let Ok(value) = HeaderValue::from_str(&format!("<{target}>; rel=\"next\"")) {
            headers.insert(header::LINK, value);
        }
    }
    (headers, Json(page)).into_response()
}

/// A list without pages.
#[derive(Debug, Serialize)]
struct Items<T> {
    items: Vec<T>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_to_the_next_page_keeps_the_filter() {
        let uri = "/api/v1/documents?state=refused&cursor=old&limit=2"
            .parse()
            .unwrap();
        let response = page(
            Page {
                items: vec![1],
                next: Some("n=w".to_owned()),
            },
            &uri,
        );
        assert_eq!(
            response.headers()[header::LINK],
            "</api/v1/documents?state=refused&limit=2&cursor=n%3Dw>; rel=\"next\""
        );
        let response = page(
            Page {
                items: vec![1],
                next: None,
            },
            &uri,
        );
        assert!(response.headers().get(header::LINK).is_none());
    }
}
