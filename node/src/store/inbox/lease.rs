//! Handing over: what is free, who has leased it, and the acknowledgement.

use sqlx::{Row, SqlitePool};

use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;
use relay::store::{DeskRows, LegId};

use super::{COLUMNS, inbox_row, inbox_state};
use crate::fault::DeskError;
use crate::store::access::time_option;
use crate::view::{InboxRow, InboxState};

/// What decides a hand-over.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) state: InboxState,
    pub(crate) acknowledged: Option<Timestamp>,
    pub(crate) leg: LegId,
    pub(crate) claim: Option<String>,
    pub(crate) lease_until: Option<Timestamp>,
}

pub(crate) async fn standing(
    pool: &SqlitePool,
    owner: &AgencyCode,
    id: EnvelopeId,
    now: Timestamp,
) -> Result<Standing, DeskError> {
    let row = sqlx::query(
        "SELECT state, acknowledged, leg, claim, lease_until FROM desk_inbox
         WHERE agency = ? AND envelope = ?",
    )
    .bind(owner.as_str())
    .bind(id.to_string())
    .fetch_optional(pool)
    .await?
    .ok_or(DeskError::NotFound)?;
    Ok(Standing {
        state: inbox_state(&row, now)?,
        acknowledged: time_option(&row, "acknowledged")?,
        leg: LegId(row.try_get("leg")?),
        claim: row.try_get("claim")?,
        lease_until: time_option(&row, "lease_until")?,
    })
}

/// Rows that may be leased now, most urgent and oldest first.
pub(crate) async fn free(
    pool: &SqlitePool,
    owner: &AgencyCode,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(i64, InboxRow)>, DeskError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM desk_inbox WHERE agency = ? AND state = 'new'
           AND coalesce(lease_until, 0) <= ? AND coalesce(life, '') <> 'withdrawn' ORDER BY priority DESC, seq LIMIT ?"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(owner.as_str())
        .bind(now.unix_ms())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("seq")?, inbox_row(row, now)?)))
        .collect()
}

/// Leases those of the rows that are still free, inside the commit, and says which.
pub(crate) async fn lease(
    desk: &mut DeskRows<'_>,
    seqs: &[i64],
    word: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<i64>, sqlx::Error> {
    desk.add(
        "UPDATE desk_inbox SET claim = ?, lease_until = ? WHERE state = 'new'
           AND coalesce(lease_until, 0) <= ? AND seq IN (",
    )
    .bind(word)
    .bind(until.unix_ms())
    .bind(now.unix_ms())
    .list(seqs)
    .text(") RETURNING seq");
    let leased = desk.fetch().await?;
    leased.iter().map(|row| row.try_get("seq")).collect()
}

/// Marks an item as handed over; `false` if it was not `new` any more, or another claim has it now. The row
/// keeps the word it was handed over under, so that a worker whose lease ran out is not told that the
/// hand-over was its own.
pub(crate) async fn acknowledge(
    desk: &mut DeskRows<'_>,
    owner: &str,
    id: &str,
    claim: Option<&str>,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    desk.add(
        "UPDATE desk_inbox SET state = 'acknowledged', lease_until = NULL, acknowledged = ?,
           claim = ?
         WHERE agency = ? AND envelope = ? AND state = 'new'
           AND CASE WHEN ? IS NULL THEN coalesce(lease_until, 0) <= ? ELSE claim = ? END
         RETURNING seq",
    )
    .bind(now.unix_ms())
    .bind(claim)
    .bind(owner)
    .bind(id)
    .bind(claim)
    .bind(now.unix_ms())
    .bind(claim);
    Ok(desk.fetch().await?.len() == 1)
}
