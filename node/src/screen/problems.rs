//! Pages that the `type` of a problem points to: one per code, and the list of all.

use askama::Template;
use axum::extract::Path;
use axum::http::{HeaderMap, Uri};

use super::parts::Bare;
use super::words::Words;
use super::{Answer, html};
use crate::door::dress::language;
use crate::door::problem::{Kind, Problem};

#[derive(Debug, Template)]
#[template(path = "problems.html")]
struct ProblemsPage {
    bare: Bare,
    items: Vec<Item>,
    w: &'static Words,
}

#[derive(Debug)]
struct Item {
    code: &'static str,
    status: u16,
    title: &'static str,
}

#[derive(Debug, Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    bare: Bare,
    code: &'static str,
    next: &'static str,
    status: u16,
    w: &'static Words,
}

/// `GET /problems`
pub(crate) async fn list(headers: HeaderMap, uri: Uri) -> Answer {
    let lang = language(&headers);
    let w = lang.words();
    let items = Kind::ALL
        .iter()
        .map(|kind| Item {
            code: kind.code(),
            status: kind.status().as_u16(),
            title: kind.title(lang),
        })
        .collect();
    html(&ProblemsPage {
        bare: Bare::new(lang, w.problems, uri.path()),
        items,
        w,
    })
}

/// `GET /problems/{code}`
pub(crate) async fn show(Path(code): Path<String>, headers: HeaderMap, uri: Uri) -> Answer {
    let lang = language(&headers);
    let kind = Kind::parse(&code).ok_or_else(|| Problem::new(Kind::NotFound))?;
    html(&ProblemPage {
        bare: Bare::new(lang, kind.title(lang), uri.path()),
        code: kind.code(),
        next: kind.next(lang),
        status: kind.status().as_u16(),
        w: lang.words(),
    })
}
