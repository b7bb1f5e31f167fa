//! One change in the writer's open transaction, and what a database error means for it.

use sqlx::SqliteConnection;

use crate::store::body::{Bodies, DISK_FULL_RETRY_MS};
use crate::store::desk_rows::DeskRows;
use crate::store::fatal::{self, Verdict};
use crate::store::plan::Planner;
use crate::store::{Change, CommitError, DeskRefusal, Outcome};

/// When to try again after "busy", in milliseconds.
const BUSY_RETRY_MS: u64 = 1000;

/// Why a change was not applied.
pub(super) enum Refused {
    /// Only this change.
    Change(CommitError),
    /// The transaction cannot go on.
    Batch(CommitError),
}

/// One change in the open transaction: the station's part in memory, then the desk's in a savepoint. A
/// change that is alone in its batch needs none: nothing is committed then.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    planner: &mut Planner<'_>,
    change: Change,
    alone: bool,
) -> Result<(Vec<Outcome>, std::ops::Range<usize>), Refused> {
    let first = planner.plan.statements.len();
    let (mark, outcomes) = planner.apply(change.station, change.desk.is_some());
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(error) => {
            planner.undo(mark);
            return Err(Refused::Change(error));
        }
    };
    let Some(desk) = change.desk else {
        return Ok((outcomes, first..planner.plan.statements.len()));
    };
    let bodies = planner.circle.bodies;
    let mut rows = DeskRows::new(connection, alone);
    let written = match desk.apply(&mut rows, &outcomes).await {
        Ok(()) => rows.finish().await.map_err(DeskRefusal::Database),
        Err(refusal) => Err(refusal),
    };
    let Err(refusal) = written else {
        return Ok((outcomes, first..planner.plan.statements.len()));
    };
    planner.undo(mark);
    if let DeskRefusal::Database(error) = &refusal {
        match fatal::judge(error) {
            Verdict::Change => {}
            other @ (Verdict::Busy | Verdict::Fatal | Verdict::Full) => {
                return Err(Refused::Batch(verdict("desk", error, other, bodies)));
            }
        }
    }
    if let Err(error) = rows.undo().await {
        let judged = fatal::judge(&error);
        return Err(Refused::Batch(verdict("savepoint", &error, judged, bodies)));
    }
    Err(Refused::Change(CommitError::Desk(refusal)))
}

/// Turns a database error into an answer, or ends the process.
pub(super) fn verdict(
    doing: &'static str,
    error: &sqlx::Error,
    verdict: Verdict,
    bodies: &Bodies,
) -> CommitError {
    match verdict {
        Verdict::Busy => CommitError::Busy {
            retry_after_ms: BUSY_RETRY_MS,
        },
        Verdict::Change => {
            tracing::error!(code = "TRAM-213", doing, %error, "batch rolled back");
            CommitError::Malformed(error.to_string())
        }
        Verdict::Fatal => fatal::database(doing, error),
        Verdict::Full => CommitError::DiskFull {
            floor_bytes: bodies.floor_bytes(),
            retry_after_ms: DISK_FULL_RETRY_MS,
        },
    }
}
