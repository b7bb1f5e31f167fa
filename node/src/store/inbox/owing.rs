//! Received documents that this agency says something about: the status 01 that the node owes, and what
//! an answer needs to name its document.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;
use relay::store::DeskRows;

use crate::fault::DeskError;
use crate::store::documents::{code, envelope, from_json, time};
use crate::view::PacketFacts;

/// A received document whose sender is to get a status packet 01.
#[derive(Debug)]
pub(crate) struct Owing {
    /// Its place in the order of arrival.
    pub(crate) seq: i64,
    pub(crate) id: EnvelopeId,
    pub(crate) agency: AgencyCode,
    pub(crate) sender: AgencyCode,
    pub(crate) local_id: String,
    pub(crate) facts: PacketFacts,
    pub(crate) received: Timestamp,
}

/// The oldest of them behind `place`, at most `limit`.
pub(crate) async fn owing(
    pool: &SqlitePool,
    place: i64,
    limit: u32,
) -> Result<Vec<Owing>, DeskError> {
    let rows = sqlx::query(
        "SELECT seq, envelope, agency, sender, local_id, facts, received FROM desk_inbox
         WHERE owes_arrived = 1 AND seq > ? ORDER BY seq LIMIT ?",
    )
    .bind(place)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(owing_row).collect()
}

fn owing_row(row: &SqliteRow) -> Result<Owing, DeskError> {
    Ok(Owing {
        seq: row.try_get("seq")?,
        id: envelope(row, "envelope")?,
        agency: code(row, "agency")?,
        sender: code(row, "sender")?,
        local_id: row.try_get("local_id")?,
        facts: from_json(&row.try_get::<String, _>("facts")?)?,
        received: time(row, "received")?,
    })
}

/// The document that a status is about, as its recipient has it.
pub(crate) async fn answered(
    pool: &SqlitePool,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<Owing, DeskError> {
    let row = sqlx::query(
        "SELECT seq, envelope, agency, sender, local_id, facts, received FROM desk_inbox
         WHERE agency = ? AND envelope = ? AND state <> 'quarantined'",
    )
    .bind(agency.as_str())
    .bind(id.to_string())
    .fetch_optional(pool)
    .await?
    .ok_or(DeskError::NotFound)?;
    owing_row(&row)
}

/// The 01 is on its way, or never will be.
pub(crate) fn reported(desk: &mut DeskRows<'_>, agency: &AgencyCode, id: EnvelopeId) {
    desk.add("UPDATE desk_inbox SET owes_arrived = 0 WHERE agency = ? AND envelope = ?")
        .bind(agency.as_str())
        .bind(id.to_string());
}
