//! Who is let in: bearer keys for systems, sessions for people, and what each route needs.
//!
//! Keys and sessions are checked by the desk; nothing here stores a secret. Forms carry a token
//! derived from the session, and requests that change something must come from our own pages.
//! Guessing passwords is slowed down per address and name. Without a right the answer is 401, 403 or
//! the way to the login page, never a hint whether something exists.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use formats::id::Digest;
use formats::time::Timestamp;
use tokio::sync::Semaphore;

use super::Doors;
use super::dress::cookie;
use super::problem::{Kind, Problem};
use crate::access::{Caller, Scope};
use crate::screen::address;

/// Name of the session cookie.
pub const COOKIE: &str = "tram_session";

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A bearer key with this scope.
    Key(Scope),
    /// Nothing: health, login, files of the pages, texts of problems.
    Nobody,
    /// A signed-in person with this scope.
    Person(Scope),
}

/// The session of a signed-in person.
#[derive(Debug, Clone)]
pub struct Session {
    token: String,
}

impl Session {
    /// The token that forms of this session carry. It follows from the session's secret and does not
    /// show it.
    #[must_use]
    pub fn form_token(&self) -> String {
        let digest = Digest::of(format!("tram-form-1\n{}", self.token).as_bytes());
        digest.to_string().chars().take(32).collect()
    }

    /// A form carried the right token.
    pub fn check(&self, given: &str) -> Result<(), Problem> {
        // Comparing digests gives no hint by time about the token itself.
        if Digest::of(given.as_bytes()) == Digest::of(self.form_token().as_bytes()) {
            Ok(())
        } else {
            Err(Problem::new(Kind::FormExpired))
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test(token: &str) -> Self {
        Self {
            token: token.to_owned(),
        }
    }

    /// The secret, to end the session.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}

/// Extractor: who calls. Fails closed when a route's guard did not set it.
#[derive(Debug, Clone)]
pub struct Who(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Caller>()
            .cloned()
            .map(Self)
            .ok_or_else(|| Problem::new(Kind::Unauthenticated))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::new(Kind::Unauthenticated))
    }
}

/// The layer in front of every handler.
pub async fn guard(
    State((doors, needs)): State<(Doors, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    let let_in = match needs {
        Needs::Nobody => Ok(()),
        Needs::Key(scope) => key(&doors, scope, &mut request).await,
        Needs::Person(scope) => person(&doors, scope, &mut request).await,
    };
    match let_in {
        Ok(()) if needs != Needs::Nobody || same_site(&request) => next.run(request).await,
        Ok(()) => Problem::new(Kind::FormExpired).into_response(),
        Err(refusal) => *refusal,
    }
}

async fn key(doors: &Doors, scope: Scope, request: &mut Request) -> Result<(), Box<Response>> {
    let refuse = |kind| Box::new(Problem::new(kind).into_response());
    let secret = bearer(request.headers()).ok_or_else(|| refuse(Kind::Unauthenticated))?;
    let caller = doors
        .desk()
        .verify_key(secret)
        .await
        .map_err(|error| Box::new(Problem::from(error).into_response()))?
        .ok_or_else(|| refuse(Kind::Unauthenticated))?;
    admit(caller, scope, request)
}

async fn person(doors: &Doors, scope: Scope, request: &mut Request) -> Result<(), Box<Response>> {
    let token = cookie(request.headers(), COOKIE).map(str::to_owned);
    let caller = match &token {
        Some(token) => doors
            .desk()
            .session(token)
            .await
            .map_err(|error| Box::new(Problem::from(error).into_response()))?,
        None => None,
    };
    let (Some(token), Some(caller)) = (token, caller) else {
        return Err(Box::new(to_login(request)));
    };
    if !same_site(request) {
        return Err(Box::new(Problem::new(Kind::FormExpired).into_response()));
    }
    request.extensions_mut().insert(Session { token });
    admit(caller, scope, request)
}

fn admit(caller: Caller, scope: Scope, request: &mut Request) -> Result<(), Box<Response>> {
    if !caller.may(scope) {
        let problem = Problem::new(Kind::NotAllowed).member("scope", scope.code());
        return Err(Box::new(problem.into_response()));
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

/// The way to the login page. A live refresh gets it as a header, so that it does not put the login
/// form into the middle of a list.
fn to_login(request: &Request) -> Response {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let next = if request.method() == Method::GET {
        path
    } else {
        "/"
    };
    let target = address::with_query("/login", &[("next", next)]);
    if request.headers().contains_key("hx-request") {
        let value = HeaderValue::from_str(&target).unwrap_or(HeaderValue::from_static("/login"));
        return (StatusCode::UNAUTHORIZED, [("hx-redirect", value)]).into_response();
    }
    Redirect::to(&target).into_response()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && (8..=200).contains(&secret.len())).then_some(secret)
}

/// A request that changes something comes from our own pages. Browsers say so in `Sec-Fetch-Site`,
/// older ones in `Origin`; a client that is no browser sends neither and holds no cookie of a person.
fn same_site(request: &Request) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return true;
    }
    let text = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text("host")
        }
        (None, None) => true,
    }
}

/// Slows down guessing: after [`FREE_ATTEMPTS`] wrong passwords from one address for one name, each
/// further attempt waits twice as long, up to [`WAIT_S_MAX`]. Holds at most [`REMEMBERED_MAX`] pairs.
#[derive(Debug)]
pub struct LoginGuard {
    failures: Mutex<HashMap<(IpAddr, String), Failures>>,
    /// A password check costs tens of milliseconds of CPU on purpose: only so many at a time.
    checks: Semaphore,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

const FREE_ATTEMPTS: u32 = 5;
const WAIT_S_MAX: i64 = 300;
const FORGET_MS: i64 = 15 * 60 * 1000;
const REMEMBERED_MAX: usize = 10_000;
const CHECKS_AT_ONCE: usize = 2;

impl Default for LoginGuard {
    fn default() -> Self {
        Self {
            failures: Mutex::new(HashMap::new()),
            checks: Semaphore::new(CHECKS_AT_ONCE),
        }
    }
}

impl LoginGuard {
    /// Room for one password check; waits for it.
    pub(crate) async fn room(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.checks.acquire().await.ok()
    }

    /// Seconds to wait before the next attempt is looked at; 0 = now.
    pub(crate) fn wait_s(&self, from: IpAddr, name: &str, now: Timestamp) -> u32 {
        let Ok(failures) = self.failures.lock() else {
            return 0;
        };
        let Some(found) = failures.get(&(from, name.to_owned())) else {
            return 0;
        };
        let over = found.count.saturating_sub(FREE_ATTEMPTS);
        if over == 0 || now.minus(found.last) > FORGET_MS {
            return 0;
        }
        let wait_ms = (1i64 << over.min(9)).min(WAIT_S_MAX) * 1000 - now.minus(found.last);
        u32::try_from((wait_ms.max(0) + 999) / 1000).unwrap_or(0)
    }

    /// Notes the result of an attempt.
    pub(crate) fn note(&self, from: IpAddr, name: &str, now: Timestamp, good: bool) {
        let Ok(mut failures) = self.failures.lock() else {
            return;
        };
        let key = (from, name.to_owned());
        if good {
            failures.remove(&key);
            return;
        }
        if failures.len() >= REMEMBERED_MAX {
            failures.retain(|_, found| now.minus(found.last) <= FORGET_MS);
        }
        if failures.len() >= REMEMBERED_MAX {
            failures.clear();
        }
        let found = failures.entry(key).or_insert(Failures {
            count: 0,
            last: now,
        });
        if now.minus(found.last) > FORGET_MS {
            found.count = 0;
        }
        *found = Failures {
            count: found.count.saturating_add(1),
            last: now,
        };
    }
}

/// Where a request came from; one place for all when the server does not say.
#[derive(Debug, Clone, Copy)]
pub struct From(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(found.map_or_else(
            || IpAddr::from([0, 0, 0, 0]),
            |ConnectInfo(address)| address.ip(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri("/send");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn forms_of_other_sites_are_refused() {
        for (headers, good) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "cross-site")][..], false),
            (&[("sec-fetch-site", "same-site")][..], false),
            (
                &[
                    ("origin", "http://tram.local:8080"),
                    ("host", "tram.local:8080"),
                ][..],
                true,
            ),
            (
                &[("origin", "http://evil"), ("host", "tram.local:8080")][..],
                false,
            ),
            (
                &[("origin", "null"), ("host", "tram.local:8080")][..],
                false,
            ),
            (&[][..], true),
        ] {
            assert_eq!(same_site(&request("POST", headers)), good, "{headers:?}");
        }
        assert!(same_site(&request(
            "GET",
            &[("sec-fetch-site", "cross-site")]
        )));
    }

    #[test]
    fn a_form_token_belongs_to_one_session() {
        let one = Session {
            token: "a".repeat(43),
        };
        let two = Session {
            token: "b".repeat(43),
        };
        assert!(one.check(&one.form_token()).is_ok());
        assert!(one.check(&two.form_token()).is_err());
        assert!(one.check("").is_err());
        assert!(!one.form_token().contains(&one.token));
    }

    #[test]
    fn guessing_slows_down_and_a_good_password_forgives() {
        let guard = LoginGuard::default();
        let (from, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let now = Timestamp::from_unix_ms(1_000_000);
        for _ in 0..FREE_ATTEMPTS {
            assert_eq!(guard.wait_s(from, "lan", now), 0);
            guard.note(from, "lan", now, false);
        }
        guard.note(from, "lan", now, false);
        assert_eq!(guard.wait_s(from, "lan", now), 2);
        assert_eq!(
            guard.wait_s(other, "lan", now),
            0,
            "another place is not shut out"
        );
        for _ in 0..40 {
            guard.note(from, "lan", now, false);
        }
        assert_eq!(i64::from(guard.wait_s(from, "lan", now)), WAIT_S_MAX);
        assert_eq!(guard.wait_s(from, "lan", now.plus_ms(FORGET_MS + 1)), 0);
        guard.note(from, "lan", now, true);
        assert_eq!(guard.wait_s(from, "lan", now), 0);
    }

    #[test]
    fn only_bearer_keys_count() {
        for (value, good) in [
            ("Bearer tram_test_abcdef", true),
            ("bearer tram_test_abcdef", true),
            ("Basic dXNlcjpwYXNz", false),
            ("Bearer", false),
            ("Bearer x", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            assert_eq!(bearer(&headers).is_some(), good, "{value}");
        }
    }
}
