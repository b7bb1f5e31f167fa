//! The doors of a desk: the REST interface for document systems and the pages for people.
//!
//! One table of routes says what each needs; who is not let in by it is refused. Doors read requests,
//! call [`Desk`] and write answers; they hold no state of documents. Bodies are streamed and never
//! held. There is no TLS here: the doors listen on loopback or a trusted LAN, and a proxy in front
//! adds TLS where the LAN is not trusted.

pub mod auth;
pub mod content;
pub mod dress;
pub mod multipart;
pub(crate) mod params;
pub mod problem;
pub mod rest;
pub mod routes;
pub mod wait;

use std::sync::Arc;

use axum::Router;

use crate::desk::Desk;

/// What every handler gets: the desk and the door's own small memory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Doors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    desk: Desk,
    logins: auth::LoginGuard,
    checks: crate::screen::verify::Checks,
}

impl Doors {
    /// The doors of a desk.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self(Arc::new(Inner {
            desk,
            logins: auth::LoginGuard::default(),
            checks: crate::screen::verify::Checks::default(),
        }))
    }

    /// The desk behind them.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.0.desk
    }

    /// What bounds the public page that checks proof packages.
    pub(crate) fn checks(&self) -> &crate::screen::verify::Checks {
        &self.0.checks
    }

    /// What slows down guessing of passwords.
    pub(crate) fn logins(&self) -> &auth::LoginGuard {
        &self.0.logins
    }
}

/// Everything that a node serves over HTTP: `/api/v1`, the pages, `/livez` and `/readyz`. Serve it
/// with `into_make_service_with_connect_info::<SocketAddr>()`, so that password guessing is slowed
/// down per address.
pub fn router(desk: Desk) -> Router {
    routes::router(&Doors::new(desk))
}
