//! The files that pages load, compiled in, and their version.
//!
//! Pages name them with the version in the query, so browsers keep them for a year and fetch anew
//! after an update. Nothing is loaded from another host.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use formats::id::Digest;

/// Name below `/assets/`, media type, bytes.
type Asset = (&'static str, &'static str, &'static [u8]);

const WOFF2: &str = "font/woff2";
const TEXT: &str = "text/plain; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Every file.
pub(crate) const ASSETS: &[Asset] = &[
    (
        "fonts/OFL-1.1.txt",
        TEXT,
        include_bytes!("../../assets/fonts/OFL-1.1.txt"),
    ),
    (
        "fonts/inter-latin-wght-normal.woff2",
        WOFF2,
        include_bytes!("../../assets/fonts/inter-latin-wght-normal.woff2"),
    ),
    (
        "fonts/inter-vietnamese-wght-normal.woff2",
        WOFF2,
        include_bytes!("../../assets/fonts/inter-vietnamese-wght-normal.woff2"),
    ),
    (
        "htmx.LICENSE",
        TEXT,
        include_bytes!("../../assets/htmx.LICENSE"),
    ),
    (
        "htmx.min.js",
        SCRIPT,
        include_bytes!("../../assets/htmx.min.js"),
    ),
    (
        "seal.svg",
        "image/svg+xml",
        include_bytes!("../../assets/seal.svg"),
    ),
    (
        "tram.css",
        "text/css; charset=utf-8",
        include_bytes!("../../assets/tram.css"),
    ),
    ("tram.js", SCRIPT, include_bytes!("../../assets/tram.js")),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (_, _, bytes) in ASSETS {
        all.extend_from_slice(Digest::of(bytes).as_bytes());
    }
    Digest::of(&all).to_string().chars().take(12).collect()
});

/// Twelve hex digits that change when any file changes.
pub(crate) fn version() -> &'static str {
    &VERSION
}

/// `GET /assets/{name}`
pub(crate) async fn get(Path(name): Path<String>) -> Response {
    let Some((_, mime, bytes)) = ASSETS.iter().find(|(known, _, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(mime)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
    ];
    (headers, Body::from(*bytes)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_load_nothing_from_elsewhere_and_need_no_inline_code() {
        for (name, _, bytes) in ASSETS {
            if !(name.ends_with(".css") || *name == "tram.js") {
                continue;
            }
            let text = std::str::from_utf8(bytes).unwrap();
            for foreign in ["http://", "https://", "//cdn", "@import", "eval("] {
                assert!(!text.contains(foreign), "{name} has {foreign}");
            }
        }
    }

    #[test]
    fn every_font_of_the_stylesheet_is_served() {
        let css = ASSETS
            .iter()
            .find(|(name, _, _)| *name == "tram.css")
            .unwrap()
            .2;
        let css = std::str::from_utf8(css).unwrap();
        let fonts: Vec<&str> = css
            .split("url(/assets/")
            .skip(1)
            .filter_map(|rest| rest.split_once(')').map(|(name, _)| name))
            .collect();
        assert_eq!(fonts.len(), 2);
        for font in fonts {
            assert!(ASSETS.iter().any(|(name, _, _)| *name == font), "{font}");
        }
    }
}
