//! The desk's part of a commit, as a closure. What it returns comes back to the caller when, and only
//! when, the commit is durable.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use relay::store::{DeskRefusal, DeskRows, DeskWrite, Outcome};

type Apply = Box<
    dyn for<'c> FnOnce(
            &'c mut DeskRows<'_>,
            &'c [Outcome],
        ) -> BoxFuture<'c, Result<(), DeskRefusal>>
        + Send,
>;

struct Asking(Apply);

impl DeskWrite for Asking {
    fn apply<'c>(
        self: Box<Self>,
        rows: &'c mut DeskRows<'_>,
        outcomes: &'c [Outcome],
    ) -> BoxFuture<'c, Result<(), DeskRefusal>> {
        (self.0)(rows, outcomes)
    }
}

/// The desk's part of a change as a closure that may ask the database on its way.
pub(crate) fn desk_write<F>(apply: F) -> Box<dyn DeskWrite>
where
    F: for<'c> FnOnce(
            &'c mut DeskRows<'_>,
            &'c [Outcome],
        ) -> BoxFuture<'c, Result<(), DeskRefusal>>
        + Send
        + 'static,
{
    Box::new(Asking(Box::new(apply)))
}

struct Plain<F>(F);

impl<F> DeskWrite for Plain<F>
where
    F: FnOnce(&mut DeskRows<'_>, &[Outcome]) -> Result<(), DeskRefusal> + Send,
{
    fn apply<'c>(
        self: Box<Self>,
        rows: &'c mut DeskRows<'_>,
        outcomes: &'c [Outcome],
    ) -> BoxFuture<'c, Result<(), DeskRefusal>> {
        std::future::ready((self.0)(rows, outcomes)).boxed()
    }
}

/// The desk's part of a change that only writes: all of it is one visit to the database.
pub(crate) fn desk_rows<F>(write: F) -> Box<dyn DeskWrite>
where
    F: FnOnce(&mut DeskRows<'_>, &[Outcome]) -> Result<(), DeskRefusal> + Send + 'static,
{
    Box::new(Plain(write))
}
