//! Bytes that a door hands out: packets, attachments, proof packages. Streamed, with ETag and Range.
//!
//! One range at most (RFC 9110 14.2); several are answered with the whole. Files of others are never
//! shown inside our pages: they come as attachments with a policy that forbids everything.

use std::io::SeekFrom;
use std::ops::RangeInclusive;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::problem::{Kind, Problem};
use crate::screen::address;
use crate::view::FileView;

/// Answers with a file, or the part of it that the request asks for.
pub async fn serve(file: FileView, request: &HeaderMap) -> Result<Response, Problem> {
    let size = file.body.bytes();
    let tag = format!("\"{}\"", file.digest);
    let mut headers = headers(&file, &tag);
    let text = |name| request.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_NONE_MATCH).is_some_and(|known| names(known, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let wanted = text(header::RANGE)
        .filter(|_| text(header::IF_RANGE).is_none_or(|known| known == tag))
        .and_then(|range| parse(range, size));
    let (status, range) = match wanted {
        None => (StatusCode::OK, None),
        Some(Wanted::Part(range)) => (StatusCode::PARTIAL_CONTENT, Some(range)),
        Some(Wanted::Outside) => {
            let mut response = Problem::new(Kind::RangeInvalid).into_response();
            insert(
                response.headers_mut(),
                header::CONTENT_RANGE,
                &format!("bytes */{size}"),
            );
            return Ok(response);
        }
    };
    let (start, length) = match &range {
        Some(range) => (*range.start(), range.end() - range.start() + 1),
        None => (0, size),
    };
    if let Some(range) = &range {
        let value = format!("bytes {}-{}/{size}", range.start(), range.end());
        insert(&mut headers, header::CONTENT_RANGE, &value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let body = body(file, start, length)
        .await
        .map_err(|error| Problem::new(Kind::Internal).cause(format!("file: {error}")))?;
    Ok((status, headers, body).into_response())
}

fn headers(file: &FileView, tag: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    insert(&mut headers, header::ETAG, tag);
    insert(&mut headers, header::CONTENT_TYPE, &file.mime);
    insert(
        &mut headers,
        header::CONTENT_DISPOSITION,
        &disposition(&file.file_name),
    );
    for (name, value) in [
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    let value = HeaderValue::from_str(value)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(name, value);
}

/// RFC 6266: an ASCII name for old readers, the real one in UTF-8.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => letter,
            _ => '_',
        })
        .collect();
    format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        address::encode(name)
    )
}

fn names(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|known| {
        known == "*" || known == tag || known.strip_prefix("W/").is_some_and(|known| known == tag)
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Part(RangeInclusive<u64>),
    Outside,
}

/// `bytes=0-99`, `bytes=100-`, `bytes=-50`. What is not one such range is ignored, as the RFC says.
fn parse(range: &str, size: u64) -> Option<Wanted> {
    let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| {
        let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        good.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let (start, end) = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => match number(last)? {
            0 => return Some(Wanted::Outside),
            count => (size.saturating_sub(count), u64::MAX),
        },
        (false, true) => (number(first)?, u64::MAX),
        (false, false) => (number(first)?, number(last)?),
    };
    if start > end {
        return None;
    }
    if start >= size {
        return Some(Wanted::Outside);
    }
    Some(Wanted::Part(start..=end.min(size - 1)))
}

async fn body(file: FileView, start: u64, length: u64) -> std::io::Result<Body> {
    if let Some(bytes) = file.body.in_memory() {
        let from = usize::try_from(start)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let count = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(bytes.len() - from);
        return Ok(Body::from(bytes.slice(from..from + count)));
    }
    let Some(path) = file.body.path() else {
        return Ok(Body::empty());
    };
    let mut reader = tokio::fs::File::open(path).await?;
    reader.seek(SeekFrom::Start(start)).await?;
    // The open file outlives a temporary name, so the body may be dropped when the stream begins.
    Ok(Body::from_stream(ReaderStream::with_capacity(
        reader.take(length),
        64 * 1024,
    )))
}

#[cfg(test)]
mod tests {
    use formats::id::Digest;

    use super::*;
    use crate::body::Body as Bytes;

    #[test]
    fn one_range_is_understood_and_others_are_the_whole() {
        for (text, expected) in [
            ("bytes=0-9", Some(Wanted::Part(0..=9))),
            ("bytes=90-", Some(Wanted::Part(90..=99))),
            ("bytes=-10", Some(Wanted::Part(90..=99))),
            ("bytes=-1000", Some(Wanted::Part(0..=99))),
            ("bytes=50-1000", Some(Wanted::Part(50..=99))),
            ("bytes=100-", Some(Wanted::Outside)),
            ("bytes=-0", Some(Wanted::Outside)),
            ("bytes=99999999999999999999-", Some(Wanted::Outside)),
            ("bytes=9-0", None),
            ("bytes=0-1,5-6", None),
            ("bytes=-", None),
            ("items=0-1", None),
            ("bytes=+1-2", None),
        ] {
            assert_eq!(parse(text, 100), expected, "{text}");
        }
        assert_eq!(parse("bytes=0-", 0), Some(Wanted::Outside));
    }

    fn file(bytes: &'static [u8], name: &str) -> FileView {
        FileView {
            body: Bytes::memory(bytes),
            file_name: name.to_owned(),
            mime: "application/pdf".to_owned(),
            digest: Digest::of(bytes),
        }
    }

    #[tokio::test]
    async fn a_part_and_a_known_copy_are_answered_as_such() {
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, HeaderValue::from_static("bytes=2-4"));
        let part = serve(file(b"0123456789", "a.pdf"), &request).await.unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers()[header::CONTENT_RANGE], "bytes 2-4/10");
        let tag = part.headers()[header::ETAG].clone();
        let bytes = axum::body::to_bytes(part.into_body(), 100).await.unwrap();
        assert_eq!(bytes.as_ref(), b"234");

        let mut request = HeaderMap::new();
        request.insert(header::IF_NONE_MATCH, tag);
        let same = serve(file(b"0123456789", "a.pdf"), &request).await.unwrap();
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    }

    #[tokio::test]
    async fn a_hostile_name_stays_a_name() {
        let answer = serve(
            file(b"x", "a\"\r\nset-cookie: x=y; đ.pdf"),
            &HeaderMap::new(),
        )
        .await;
        let answer = answer.unwrap();
        let value = answer.headers()[header::CONTENT_DISPOSITION]
            .to_str()
            .unwrap();
        assert!(
            value.starts_with("attachment; filename=\"a___set-cookie__x_y___.pdf\""),
            "{value}"
        );
        assert!(answer.headers().get(header::SET_COOKIE).is_none());
        assert_eq!(
            answer.headers()[header::CONTENT_SECURITY_POLICY],
            "default-src 'none'; sandbox"
        );
    }
}
