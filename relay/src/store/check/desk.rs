//! What a desk's own rows are compared with: what the station sent, delivered and stated for it. Reads; changes
//! nothing. Must not know the desk's tables.

use formats::header::Header;
use formats::id::{Digest, Party};
use formats::statement::{Event, Statement};
use sqlx::Row;

use super::PAGE;

/// What the station's own log says happened to an envelope for a recipient, in its order, each with the digest
/// of the header that it speaks of.
///
/// # Errors
/// The database cannot be read.
pub async fn events(
    connection: &mut sqlx::SqliteConnection,
    envelope: &formats::id::EnvelopeId,
    recipient: &Party,
) -> Result<Vec<(Event, Digest)>, sqlx::Error> {
    let rows = sqlx::query("SELECT body FROM statement WHERE envelope_id = ? ORDER BY position")
        .bind(envelope.as_bytes().to_vec())
        .fetch_all(connection)
        .await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in &rows {
        let body: Vec<u8> = row.try_get("body")?;
        if let Ok(statement) = Statement::parse(&body)
            && statement.recipient == *recipient
        {
            events.push((statement.event, statement.header_digest));
        }
    }
    Ok(events)
}

/// An envelope that a desk must know of.
#[derive(Debug, Clone)]
pub struct OfDesk {
    /// Its key, to go on from.
    pub key: i64,
    /// Its id.
    pub id: formats::id::EnvelopeId,
    /// The desk sent it; else it arrived for the desk.
    pub own: bool,
    /// Whom it was delivered to here.
    pub delivered: Vec<Party>,
}

/// Sealed envelopes that the desk sent, or took from the station: what the desk's own rows must have.
///
/// # Errors
/// The database cannot be read.
pub async fn of_desk(
    connection: &mut sqlx::SqliteConnection,
    after: i64,
) -> Result<Vec<OfDesk>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT key, header, source IS NULL AS own FROM envelope WHERE key > ? ORDER BY key LIMIT ?",
    )
    .bind(after)
    .bind(PAGE)
    .fetch_all(&mut *connection)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let key: i64 = row.try_get("key")?;
        let header = Header::decode(&row.try_get::<Vec<u8>, _>("header")?);
        let Some(header) = header.ok().filter(|one| one.context().class.is_sealed()) else {
            continue;
        };
        let legs = sqlx::query(
            "SELECT recipient FROM leg WHERE envelope = ? AND next_hop IS NULL AND phase = 4",
        )
        .bind(key)
        .fetch_all(&mut *connection)
        .await?;
        let mut delivered = Vec::with_capacity(legs.len());
        for leg in &legs {
            let recipient: String = leg.try_get("recipient")?;
            delivered.extend(recipient.parse::<Party>().ok());
        }
        found.push(OfDesk {
            key,
            id: header.context().id,
            own: row.try_get("own")?,
            delivered,
        });
    }
    // A page without any says that there is more behind it only by its last key.
    if found.is_empty()
        && let Some(last) = rows.last()
    {
        return Box::pin(of_desk(connection, last.try_get("key")?)).await;
    }
    Ok(found)
}
