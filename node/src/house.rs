//! What time ends: recipients without an answer become `expired`, answers to Idempotency-Keys are
//! forgotten, sealed bodies that nobody needs any more are released, receipts that are overdue are asked for,
//! content whose time is over is deleted.
//!
//! The pace is monotonic, the judgement is by the clock, and a clock that is not sure ends nothing
//! (architecture 7). Everything here can be done again; what fails waits for the next look.

use std::sync::Weak;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;
use relay::store::{Change, Outcome, Write};

use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::outbox::KEY_MS;
use crate::store::commit::{desk_rows, desk_write};
use crate::store::{documents, receipts};
use crate::{keeping, refresh};

/// Looks once a minute until told to stop.
pub(crate) async fn keep(core: Weak<Core>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PACE) => {}
            () = stop.cancelled() => return,
        }
        let Some(core) = core.upgrade() else { return };
        if let Err(error) = look(&core).await {
            tracing::warn!(%error, "house-keeping waits for the next look");
        }
    }
}

/// One look.
async fn look(core: &Core) -> Result<(), DeskError> {
    if core.station().clock_unsure() {
        return Ok(());
    }
    let now = core.now();
    expire(core, now).await?;
    release(core, now).await?;
    refresh::overdue(core, now).await?;
    keeping::apply(core, now).await
}

async fn expire(core: &Core, now: Timestamp) -> Result<(), DeskError> {
    let (ended_before, asked_before) = (now.minus_ms(GRACE_MS), now.minus_ms(KEY_MS));
    let due = receipts::to_expire(&core.reader(), ended_before).await?;
    if !due && !documents::has_old_answers(&core.reader(), asked_before).await? {
        return Ok(());
    }
    let station = core.station().name().to_string();
    let write = desk_write(move |desk, _| {
        async move {
            let conn = desk.connection().await?;
            receipts::expire(conn, ended_before, now, &station).await?;
            documents::forget_answers(conn, asked_before).await?;
            Ok(())
        }
        .boxed()
    });
    core.station()
        .commit(Change::with_desk(Vec::new(), write))
        .await?;
    Ok(())
}

/// The sender is the last line (promise 2): its copy goes a week after the last state became final.
async fn release(core: &Core, now: Timestamp) -> Result<(), DeskError> {
    let pool = core.reader();
    for (id, agency) in receipts::to_release(&pool, now, KEEP_MS, RELEASES).await? {
        let damaged = |_| DeskError::Internal(format!("stored envelope {id}"));
        let envelope: EnvelopeId = id.parse().map_err(damaged)?;
        let sender = AgencyCode::parse(&agency).map_err(damaged)?.into();
        let found = core.station().store().find(&sender, &envelope).await;
        let found = found.map_err(|error| DeskError::Internal(error.to_string()))?;
        let writes = found.map(|found| Write::ReleaseBody {
            envelope: found.key,
        });
        let write = desk_rows(move |desk, outcomes| {
            // A leg that is not final keeps the body: it is looked at again.
            if !outcomes.contains(&Outcome::Stale) {
                receipts::released(desk, &id);
            }
            Ok(())
        });
        let change = Change::with_desk(writes.into_iter().collect(), write);
        core.station().commit(change).await?;
    }
    Ok(())
}

const PACE: Duration = Duration::from_secs(60);
/// How long after `expires` a statement may still come (architecture 5).
const GRACE_MS: i64 = 24 * 3_600_000;
/// How long the sealed body is kept after the last final state (architecture 5).
const KEEP_MS: i64 = 7 * 24 * 3_600_000;
/// Bodies released in one look, so that a look stays short.
const RELEASES: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables as they are, without a station: time ends what has no answer, and nothing else.
    #[tokio::test]
    async fn a_day_after_its_end_an_unanswered_recipient_expires() {
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        for script in crate::desk::SCHEMA {
            sqlx::raw_sql(*script).execute(&mut *conn).await.unwrap();
        }
        let put =
            "INSERT INTO desk_recipient (envelope, recipient, document, position, name, state,
            accepted_at, expires, updated, final) VALUES ('e', ?, 'd', 0, 'n', ?, 0, ?, 0, ?)";
        for (recipient, state, expires, done) in [
            ("H01", "relayed", 1_000, 0),
            ("H02", "accepted", 5_000, 0),
            ("H03", "delivered", 1_000, 0),
            ("H04", "refused", 1_000, 1),
        ] {
            sqlx::query(put)
                .bind(recipient)
                .bind(state)
                .bind(expires)
                .bind(done)
                .execute(&mut *conn)
                .await
                .unwrap();
        }
        let at = Timestamp::from_unix_ms;
        assert_eq!(
            receipts::expire(&mut conn, at(1_000), at(9_000), "node-a")
                .await
                .unwrap(),
            0
        );
        assert_eq!(
            receipts::expire(&mut conn, at(1_001), at(9_000), "node-a")
                .await
                .unwrap(),
            1
        );
        let states: Vec<(String, String)> =
            sqlx::query_as("SELECT recipient, state FROM desk_recipient ORDER BY recipient")
                .fetch_all(&mut *conn)
                .await
                .unwrap();
        let words: Vec<&str> = states.iter().map(|(_, state)| state.as_str()).collect();
        assert_eq!(words, ["expired", "accepted", "delivered", "refused"]);
    }
}
