//! The one table of routes: address, method, what it needs, handler. What is not in it is not served,
//! and what it says a route needs is checked before the handler sees the request.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};

use super::Doors;
use super::auth::{Needs, guard};
use super::dress::{dress, method_not_allowed, not_found};
use super::rest::{acts, agencies, deadlines, documents, inbox, keep, status};
use crate::access::Scope;
use crate::screen;

/// Bytes of a body that is read whole (forms, small JSON). Packets and files are streamed under the
/// limit of their spool instead.
pub(super) const SMALL_BODY_BYTES_MAX: usize = 256 * 1024;

/// Method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET, and HEAD with it.
    Get,
    /// POST.
    Post,
}

/// One line of the table.
pub(crate) struct Route {
    handler: MethodRouter<Doors>,
    pub(crate) method: Method,
    pub(crate) needs: Needs,
    pub(crate) path: &'static str,
    /// The handler streams its body and counts it itself.
    streams: bool,
}

const ADMIN: Needs = Needs::Key(Scope::Admin);
const READ: Needs = Needs::Key(Scope::Read);
const RECEIVE: Needs = Needs::Key(Scope::Receive);
const SEND: Needs = Needs::Key(Scope::Send);
const PERSON: Needs = Needs::Person(Scope::Read);

fn look(needs: Needs, path: &'static str, handler: MethodRouter<Doors>) -> Route {
    Route {
        handler,
        method: Method::Get,
        needs,
        path,
        streams: false,
    }
}

fn act(needs: Needs, path: &'static str, handler: MethodRouter<Doors>) -> Route {
    Route {
        handler,
        method: Method::Post,
        needs,
        path,
        streams: false,
    }
}

fn stream(needs: Needs, path: &'static str, handler: MethodRouter<Doors>) -> Route {
    Route {
        streams: true,
        ..act(needs, path, handler)
    }
}

/// Every route.
pub(crate) fn table() -> Vec<Route> {
    let mut all = rest();
    all.extend(pages());
    all.extend([
        look(Needs::Nobody, "/livez", get(status::livez)),
        look(Needs::Nobody, "/readyz", get(status::readyz)),
    ]);
    all
}

fn rest() -> Vec<Route> {
    vec![
        stream(SEND, "/api/v1/documents", post(documents::submit)),
        stream(
            SEND,
            "/api/v1/documents/validate",
            post(documents::validate),
        ),
        look(READ, "/api/v1/documents", get(documents::list)),
        look(READ, "/api/v1/documents/{id}", get(documents::show)),
        act(SEND, "/api/v1/documents/{id}/recall", post(acts::recall)),
        act(SEND, "/api/v1/documents/{id}/update", post(acts::update)),
        look(
            READ,
            "/api/v1/documents/{id}/recipients",
            get(documents::recipients),
        ),
        look(
            READ,
            "/api/v1/documents/{id}/events",
            get(documents::events),
        ),
        look(
            READ,
            "/api/v1/documents/{id}/receipts",
            get(documents::receipts),
        ),
        look(
            READ,
            "/api/v1/documents/{id}/explain",
            get(documents::explain),
        ),
        look(READ, "/api/v1/archive", get(status::archive)),
        look(
            READ,
            "/api/v1/documents/{id}/evidence",
            get(documents::evidence),
        ),
        look(
            READ,
            "/api/v1/documents/{id}/package",
            get(documents::package),
        ),
        look(
            READ,
            "/api/v1/documents/{id}/files/{n}",
            get(documents::file),
        ),
        act(SEND, "/api/v1/documents/{id}/refresh", post(keep::refresh)),
        act(ADMIN, "/api/v1/documents/{id}/hold", post(keep::hold)),
        act(ADMIN, "/api/v1/documents/{id}/release", post(keep::release)),
        look(READ, "/api/v1/deadlines", get(deadlines::list)),
        look(RECEIVE, "/api/v1/inbox", get(inbox::list)),
        act(RECEIVE, "/api/v1/inbox/claims", post(inbox::claim)),
        look(RECEIVE, "/api/v1/inbox/{id}", get(inbox::show)),
        look(RECEIVE, "/api/v1/inbox/{id}/package", get(inbox::package)),
        look(RECEIVE, "/api/v1/inbox/{id}/files/{n}", get(inbox::file)),
        act(RECEIVE, "/api/v1/inbox/{id}/ack", post(inbox::ack)),
        act(RECEIVE, "/api/v1/inbox/{id}/refuse", post(keep::refuse)),
        act(ADMIN, "/api/v1/inbox/{id}/hold", post(keep::hold_received)),
        act(
            ADMIN,
            "/api/v1/inbox/{id}/release",
            post(keep::release_received),
        ),
        act(RECEIVE, "/api/v1/inbox/{id}/status", post(acts::status)),
        look(READ, "/api/v1/agencies", get(agencies::search)),
        look(READ, "/api/v1/agencies/{code}", get(agencies::show)),
        look(READ, "/api/v1/status", get(status::show)),
    ]
}

fn pages() -> Vec<Route> {
    let (sender, receiver) = (Needs::Person(Scope::Send), Needs::Person(Scope::Receive));
    let keeper = Needs::Person(Scope::Admin);
    vec![
        look(PERSON, "/", get(screen::front)),
        look(PERSON, "/documents", get(screen::outgoing::list)),
        look(PERSON, "/documents/{id}", get(screen::document::show)),
        look(
            PERSON,
            "/documents/{id}/evidence",
            get(screen::document::evidence),
        ),
        act(sender, "/documents/{id}/recall", post(screen::life::recall)),
        act(keeper, "/documents/{id}/hold", post(screen::keep::sent)),
        act(keeper, "/inbox/{id}/hold", post(screen::keep::received)),
        look(PERSON, "/deadlines", get(screen::deadlines::list)),
        look(
            PERSON,
            "/documents/{id}/files/{n}",
            get(screen::document::file),
        ),
        look(PERSON, "/inbox", get(screen::inbox::list)),
        look(PERSON, "/inbox/{id}", get(screen::received::show)),
        look(
            PERSON,
            "/inbox/{id}/package",
            get(screen::received::package),
        ),
        look(PERSON, "/inbox/{id}/files/{n}", get(screen::received::file)),
        act(receiver, "/inbox/{id}/ack", post(screen::received::take)),
        act(
            receiver,
            "/inbox/{id}/status",
            post(screen::received::answer),
        ),
        look(sender, "/send", get(screen::send::show)),
        stream(sender, "/send", post(screen::send::send)),
        look(PERSON, "/agencies", get(screen::agencies::list)),
        look(PERSON, "/station", get(screen::station::show)),
        act(PERSON, "/logout", post(screen::login::leave)),
        look(Needs::Nobody, "/login", get(screen::login::show)),
        act(Needs::Nobody, "/login", post(screen::login::enter)),
        look(Needs::Nobody, "/verify", get(screen::verify::show)),
        stream(Needs::Nobody, "/verify", post(screen::verify::check)),
        look(Needs::Nobody, "/lang/{lang}", get(screen::switch)),
        look(Needs::Nobody, "/problems", get(screen::problems::list)),
        look(
            Needs::Nobody,
            "/problems/{code}",
            get(screen::problems::show),
        ),
        look(Needs::Nobody, "/assets/{*name}", get(screen::assets::get)),
    ]
}

/// Every address with its method and what it needs, for tests that walk a running node.
#[must_use]
pub fn addresses() -> Vec<(Method, &'static str, Needs)> {
    table()
        .into_iter()
        .map(|route| (route.method, route.path, route.needs))
        .collect()
}

/// The table as a service.
pub(crate) fn router(doors: &Doors) -> Router {
    let mut router = Router::new();
    for route in table() {
        let limit = if route.streams {
            DefaultBodyLimit::disable()
        } else {
            DefaultBodyLimit::max(SMALL_BODY_BYTES_MAX)
        };
        let guarded = route
            .handler
            .layer(limit)
            .layer(from_fn_with_state((doors.clone(), route.needs), guard));
        router = router.route(route.path, guarded);
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(dress))
        .with_state(doors.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_needs_keys_and_pages_need_people() {
        for route in table() {
            let open = [
                "/livez",
                "/readyz",
                "/login",
                "/verify",
                "/lang/",
                "/problems",
                "/assets/",
            ];
            let expected_open = open.iter().any(|start| route.path.starts_with(start));
            match route.needs {
                Needs::Key(_) => assert!(route.path.starts_with("/api/v1/"), "{}", route.path),
                Needs::Person(_) => assert!(!route.path.starts_with("/api/"), "{}", route.path),
                Needs::Nobody => assert!(expected_open, "{} is open to anybody", route.path),
            }
        }
    }

    #[test]
    fn what_changes_something_needs_more_than_reading() {
        for route in table().iter().filter(|route| route.method == Method::Post) {
            let reading = matches!(route.needs, Needs::Key(Scope::Read));
            assert!(
                !reading,
                "{} changes something with a key for reading",
                route.path
            );
        }
    }
}
