//! The page of a request that did not work: what happened and what to do, with the request id.

use askama::Template;
use axum::http::Uri;
use axum::response::{Html, IntoResponse, Response};

use super::parts::Bare;
use super::words::{Lang, Words};
use crate::door::problem::{Kind, Problem};

#[derive(Debug, Template)]
#[template(path = "message.html")]
struct MessagePage {
    bare: Bare,
    request_id: String,
    text: String,
    w: &'static Words,
}

/// The page of a problem.
pub(crate) fn page(problem: &Problem, lang: Lang, uri: &Uri, request_id: &str) -> Response {
    let w = lang.words();
    let kind = problem.kind();
    let (title, text, request_id) = match kind {
        Kind::NotFound => (w.not_found, w.not_found_next.to_owned(), ""),
        Kind::FormExpired => (kind.title(lang), w.form_old.to_owned(), ""),
        Kind::Internal => (w.went_wrong, w.went_wrong_next.to_owned(), request_id),
        _ => {
            let mut text = problem.text(lang);
            text.push_str(". ");
            text.push_str(kind.next(lang));
            (kind.title(lang), text, request_id)
        }
    };
    let here = uri.path_and_query().map_or("/", |here| here.as_str());
    let page = MessagePage {
        bare: Bare::new(lang, title, here),
        request_id: request_id.to_owned(),
        text,
        w,
    };
    match page.render() {
        Ok(text) => Html(text).into_response(),
        // Nothing more can be said; the status stands in the answer.
        Err(_) => title.into_response(),
    }
}
