//! The desk's part of a commit, as a closure. What it returns comes back to the caller when, and only
//! when, the commit is durable.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use relay::store::{DeskRefusal, DeskWrite, Outcome};

type Apply = Box<
    dyn for<'c> FnOnce(
            &'c mut SqliteConnection,
            &'c [Outcome],
        ) -> BoxFuture<'c, Result<(), DeskRefusal>>
        + Send,
>;

struct Rows(Apply);

impl DeskWrite for Rows {
    fn apply<'c>(
        self: Box<Self>,
        conn: &'c mut SqliteConnection,
        outcomes: &'c [Outcome],
    ) -> BoxFuture<'c, Result<(), DeskRefusal>> {
        (self.0)(conn, outcomes)
    }
}

/// Boxes a closure as the desk's part of a change.
pub(crate) fn desk_write<F>(apply: F) -> Box<dyn DeskWrite>
where
    F: for<'c> FnOnce(
            &'c mut SqliteConnection,
            &'c [Outcome],
        ) -> BoxFuture<'c, Result<(), DeskRefusal>>
        + Send
        + 'static,
{
    Box::new(Rows(Box::new(apply)))
}
