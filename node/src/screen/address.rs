//! Addresses of our own pages: writing query strings, and telling our paths from others.

use std::fmt::Write as _;

/// Percent-encodes a value for a query string or a path segment (RFC 3986 unreserved stay).
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                // Writing to a String cannot fail.
                let _written = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// `path?a=b&c=d`, leaving out empty values.
pub(crate) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    let mut sign = '?';
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        out.push(sign);
        out.push_str(name);
        out.push('=');
        out.push_str(&encode(value));
        sign = '&';
    }
    out
}

/// The path if it leads to this desk and nowhere else, the front page if not. A browser reads
/// `//host`, `/\host` and `/<tab>/host` as another host.
pub(crate) fn own(path: &str) -> &str {
    let second = path.as_bytes().get(1).copied();
    let good = path.starts_with('/')
        && !matches!(second, Some(b'/' | b'\\'))
        && path
            .bytes()
            .all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    if good { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_paths_are_followed() {
        for good in ["/", "/documents?q=a%20b", "/inbox/01", "/login?next=//x"] {
            assert_eq!(own(good), good);
        }
        for bad in [
            "//evil",
            "/\\evil",
            "https://evil",
            "",
            "/\t/evil",
            "/a\nb",
            "evil",
            "/đ",
        ] {
            assert_eq!(own(bad), "/", "{bad:?}");
        }
    }

    #[test]
    fn queries_keep_any_text() {
        assert_eq!(
            with_query(
                "/documents",
                &[("q", "a&b=đ"), ("tab", ""), ("from", "22/11")]
            ),
            "/documents?q=a%26b%3D%C4%91&from=22%2F11"
        );
        assert_eq!(with_query("/x", &[]), "/x");
    }
}
