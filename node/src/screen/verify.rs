//! The public page where anybody drops a proof package and reads what holds in it. No login: whoever got a
//! package from an agency is no user of it.
//!
//! What is uploaded is judged and forgotten. It costs its sender more than us: few checks at a time, few
//! from one address in a minute, a bounded upload in bounded time, and bounds inside the package. It must
//! not show anything of the desk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use askama::Template;
use axum::extract::{Multipart, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use formats::time::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::parts::{Bare, Pill, Tone};
use super::words::{Lang, Words};
use super::{Answer, html};
use crate::body::Body;
use crate::door::Doors;
use crate::door::auth::From;
use crate::door::dress::language;
use crate::door::multipart::{next_part, spool_part_within};
use crate::door::problem::{Kind, Problem};
use crate::evidence::report::{roots, verdict};
use crate::evidence::verify::{Limits, Report, package};

#[derive(Debug, Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    bare: Bare,
    lines: Vec<Line>,
    name: String,
    roots: String,
    /// Empty before anything was checked.
    verdict: String,
    valid: bool,
    w: &'static Words,
}

#[derive(Debug)]
struct Line {
    pill: Pill,
    member: String,
    text: String,
}

/// `GET /verify`
pub(crate) async fn show(headers: HeaderMap, uri: Uri) -> Answer {
    let lang = language(&headers);
    html(&page(lang, uri.path(), "", None))
}

/// `POST /verify`
pub(crate) async fn check(
    State(doors): State<Doors>,
    From(from): From,
    headers: HeaderMap,
    uri: Uri,
    form: Multipart,
) -> Answer {
    let _room = doors.checks().enter(from, doors.desk().now())?;
    let upload = tokio::time::timeout(UPLOAD, upload(&doors, form)).await;
    let (name, body) = upload.map_err(|_| Problem::new(Kind::TooLarge))??;
    let report = tokio::task::spawn_blocking(move || {
        let reader = std::io::BufReader::new(body.reader()?);
        package(reader, None, PUBLIC)
    });
    let internal = |error: &dyn std::fmt::Display| Problem::new(Kind::Internal).cause(error);
    let report = report.await.map_err(|error| internal(&error))?;
    let report = report.map_err(|error| internal(&error))?;
    let mut response = html(&page(language(&headers), uri.path(), &name, Some(&report)))?;
    if !report.valid {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// The one file of the form.
async fn upload(doors: &Doors, mut form: Multipart) -> Result<(String, Body), Problem> {
    let missing = || {
        Problem::new(Kind::InvalidBody).detail(
            "thiếu phần package (tệp .zip)",
            "the part package (a .zip file) is missing",
        )
    };
    let Some(field) = next_part(&mut form).await? else {
        return Err(missing());
    };
    if field.name() != Some("package") {
        return Err(missing());
    }
    let name: String = field.file_name().unwrap_or("").chars().take(120).collect();
    let body = spool_part_within(doors, field, PACKAGE_BYTES_MAX).await?;
    Ok((name, body))
}

fn page(lang: Lang, here: &str, name: &str, report: Option<&Report>) -> VerifyPage {
    let w = lang.words();
    let checks = report.map(|report| report.checks.as_slice());
    let lines = checks.unwrap_or_default().iter().map(|check| Line {
        pill: match check.ok {
            true => Pill::new(Tone::Ok, w.verify_holds),
            false => Pill::new(Tone::Bad, w.verify_fails),
        },
        member: check.at.member.clone(),
        text: lang.pick(&check.text.vi, &check.text.en),
    });
    let pick = |phrase: crate::view::Phrase| lang.pick(&phrase.vi, &phrase.en);
    VerifyPage {
        bare: Bare::new(lang, w.verify_title, here),
        lines: lines.collect(),
        name: name.to_owned(),
        roots: report.map_or_else(String::new, |report| pick(roots(report))),
        verdict: report.map_or_else(String::new, |report| pick(verdict(report))),
        valid: report.is_some_and(|report| report.valid),
        w,
    }
}

/// Keeps the public page from becoming a burden.
#[derive(Debug)]
pub(crate) struct Checks {
    recent: Mutex<HashMap<IpAddr, (Timestamp, u32)>>,
    at_once: Semaphore,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            recent: Mutex::default(),
            at_once: Semaphore::new(AT_ONCE),
        }
    }
}

impl Checks {
    /// Lets one check of this address in, or says when to come back. The room is taken while the value lives.
    fn enter(&self, from: IpAddr, now: Timestamp) -> Result<SemaphorePermit<'_>, Problem> {
        let slow = Problem::new(Kind::TooManyRequests).retry_after(WINDOW_S);
        let Ok(mut recent) = self.recent.lock() else {
            return Err(slow);
        };
        let window_ms = i64::from(WINDOW_S) * 1_000;
        let over = |since: Timestamp| now.minus(since) >= window_ms || since > now;
        if recent.len() >= REMEMBERED {
            recent.retain(|_, (since, _)| !over(*since));
        }
        if recent.len() >= REMEMBERED && !recent.contains_key(&from) {
            return Err(slow);
        }
        let (since, count) = recent.entry(from).or_insert((now, 0));
        if over(*since) {
            (*since, *count) = (now, 0);
        }
        if *count >= PER_WINDOW {
            return Err(slow);
        }
        *count += 1;
        drop(recent);
        self.at_once
            .try_acquire()
            .map_err(|_| Problem::new(Kind::Busy).retry_after(5))
    }
}

/// Bounds of a package that anybody may send: larger ones are checked with `tram evidence verify`.
const PUBLIC: Limits = Limits {
    all_bytes: 1 << 30,
    kept_bytes: 32 << 20,
};
const PACKAGE_BYTES_MAX: u64 = 256 << 20;
const UPLOAD: Duration = Duration::from_secs(120);
const AT_ONCE: usize = 2;
const PER_WINDOW: u32 = 20;
const WINDOW_S: u32 = 60;
const REMEMBERED: usize = 10_000;

/// The page as it is before a check.
#[cfg(test)]
pub(crate) fn sample(lang: Lang, name: &str) -> impl Template {
    let mut report = Report::default();
    report.checks.push(crate::evidence::verify::Check {
        ok: false,
        at: crate::evidence::verify::Place::member(name),
        text: crate::view::Phrase::new(name, name),
    });
    page(lang, "/verify", name, Some(&report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_slowed_down_and_others_are_not() {
        let checks = Checks::default();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let now = Timestamp::from_unix_ms(1_000_000);
        for _ in 0..PER_WINDOW {
            assert!(checks.enter(one, now).is_ok());
        }
        assert!(checks.enter(one, now).is_err());
        assert!(checks.enter(other, now).is_ok());
        let later = now.plus_ms(i64::from(WINDOW_S) * 1_000);
        let first = checks.enter(one, later);
        let second = checks.enter(other, later);
        assert!(first.is_ok() && second.is_ok());
        assert!(
            checks.enter(other, later).is_err(),
            "two at once are enough"
        );
    }
}
