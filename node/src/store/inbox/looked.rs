//! Received documents that a person opened, and those that the agency's system cannot take.

use sqlx::{Row, SqlitePool};

use formats::id::{AgencyCode, EnvelopeId};
use formats::reason::Reason;
use formats::time::Timestamp;
use relay::store::{DeskRefusal, DeskRows, LegId};

use crate::fault::DeskError;
use crate::store::documents::damaged;

/// The leg of an item that nobody has opened yet; nothing for one that was, or that is in quarantine.
pub(crate) async fn open(
    pool: &SqlitePool,
    owner: &AgencyCode,
    id: EnvelopeId,
) -> Result<Option<LegId>, DeskError> {
    let row = sqlx::query(
        "SELECT leg FROM desk_inbox WHERE agency = ? AND envelope = ? AND opened IS NULL
           AND state <> 'quarantined'",
    )
    .bind(owner.as_str())
    .bind(id.to_string())
    .fetch_optional(pool)
    .await?;
    let leg = row.map(|row| row.try_get("leg")).transpose();
    leg.map(|leg| leg.map(LegId))
        .map_err(|error| damaged(&error))
}

/// It is opened; refuses when somebody else was first.
pub(crate) async fn opened(
    desk: &mut DeskRows<'_>,
    owner: &AgencyCode,
    id: EnvelopeId,
    now: Timestamp,
) -> Result<(), DeskRefusal> {
    desk.add(
        "UPDATE desk_inbox SET opened = ? WHERE agency = ? AND envelope = ? AND opened IS NULL
         RETURNING 1",
    )
    .bind(now.unix_ms())
    .bind(owner.as_str())
    .bind(id.to_string());
    one(desk, "opened before").await
}

/// Sets an item aside that the agency's system cannot take; refuses when it was taken meanwhile.
pub(crate) async fn refuse(
    desk: &mut DeskRows<'_>,
    owner: &AgencyCode,
    id: EnvelopeId,
    why: &str,
) -> Result<(), DeskRefusal> {
    desk.add(
        "UPDATE desk_inbox SET state = 'quarantined', reason = ?, detail = ?, owes_arrived = 0,
           due = NULL, claim = NULL, lease_until = NULL
         WHERE agency = ? AND envelope = ? AND state = 'new' RETURNING 1",
    )
    .bind(Reason::RefusedByRecipient.code())
    .bind(why)
    .bind(owner.as_str())
    .bind(id.to_string());
    one(desk, "taken or refused before").await
}

async fn one(desk: &mut DeskRows<'_>, otherwise: &'static str) -> Result<(), DeskRefusal> {
    if desk.fetch().await?.is_empty() {
        Err(DeskRefusal::refused(otherwise))
    } else {
        Ok(())
    }
}
