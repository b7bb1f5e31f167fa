//! Which envelopes have fallen silent, whom to ask about them, and that they were asked about.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use formats::id::{Digest, EnvelopeId, StationName};
use formats::limits;
use formats::receipt::ReceiptBundle;
use formats::statement::Statement;
use formats::time::Timestamp;
use relay::store::DeskRows;

use super::access::time_option;
use super::documents::{damaged, digest, envelope, time};
use crate::fault::DeskError;

/// An envelope to ask about.
#[derive(Debug)]
pub(crate) struct Silent {
    pub(crate) envelope: EnvelopeId,
    pub(crate) header: Vec<u8>,
    pub(crate) header_digest: Digest,
    /// When it may be asked about at the earliest.
    pub(crate) since: Timestamp,
    pub(crate) asked: Option<Timestamp>,
}

fn silent_row(row: &SqliteRow) -> Result<Silent, DeskError> {
    Ok(Silent {
        envelope: envelope(row, "id")?,
        header: row.try_get("header")?,
        header_digest: digest(row, "header_digest")?,
        since: time(row, "since")?,
        asked: time_option(row, "asked")?,
    })
}

/// Every envelope of a document.
pub(crate) async fn of_document(
    pool: &SqlitePool,
    document: EnvelopeId,
) -> Result<Vec<Silent>, DeskError> {
    let rows = sqlx::query(
        "SELECT id, header, header_digest, asked, created AS since FROM desk_envelope
         WHERE document = ? ORDER BY id",
    )
    .bind(document.to_string())
    .fetch_all(pool)
    .await?;
    rows.iter().map(silent_row).collect()
}

/// Envelopes of which an hour ago a recipient had not been heard, or all had and a log was not stamped yet.
/// Each comes up a few times in its life, a day apart after the first, and not when nobody could answer
/// any more (30 days after `expires`).
pub(crate) async fn silent(
    pool: &SqlitePool,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Silent>, DeskError> {
    let rows = sqlx::query(
        "SELECT e.id, e.header, e.header_digest, e.asked,
           max(coalesce(e.asked + ?1, 0),
             (SELECT max(CASE WHEN r.state IN ('accepted', 'relayed')
                THEN coalesce(r.relayed_at, r.accepted_at) ELSE r.updated END) + ?2
              FROM desk_recipient r WHERE r.envelope = e.id)) AS since
         FROM desk_envelope e
         WHERE e.asked_times < ?3 AND e.created < ?4 - ?2 AND e.expires > ?4 - ?5
           AND since < ?4
           AND (EXISTS (SELECT 1 FROM desk_recipient r WHERE r.envelope = e.id
                  AND r.replaced = 0 AND r.state = 'relayed')
             OR EXISTS (SELECT 1 FROM desk_receipt t WHERE t.envelope = e.id AND t.level = 0))
         ORDER BY e.created LIMIT ?6",
    )
    .bind(DAY_MS)
    .bind(HOUR_MS)
    .bind(ASKED_MAX)
    .bind(now.unix_ms())
    .bind(limits::LIFETIME_MS_MAX)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(silent_row).collect()
}

/// Stations that stated something about the envelope, and those that they named as next.
pub(crate) async fn speakers(
    pool: &SqlitePool,
    envelope: EnvelopeId,
) -> Result<BTreeSet<StationName>, DeskError> {
    let rows = sqlx::query(
        "SELECT r.station, r.position, b.bundle FROM desk_receipt r
         JOIN desk_bundle b ON b.digest = r.bundle WHERE r.envelope = ? LIMIT 1024",
    )
    .bind(envelope.to_string())
    .fetch_all(pool)
    .await?;
    let mut found = BTreeSet::new();
    for row in &rows {
        let name: String = row.try_get("station")?;
        found.insert(StationName::parse(&name).map_err(|error| damaged(&error))?);
        let bytes: Vec<u8> = row.try_get("bundle")?;
        let bundle = ReceiptBundle::decode(&bytes).map_err(|error| damaged(&error))?;
        let position: i64 = row.try_get("position")?;
        let proven = usize::try_from(position)
            .ok()
            .and_then(|at| bundle.proven.get(at));
        let said = proven.and_then(|one| Statement::parse(&one.statement).ok());
        found.extend(said.and_then(|said| said.next_station));
    }
    Ok(found)
}

/// They were asked about.
pub(crate) fn asked(desk: &mut DeskRows<'_>, ids: &[String], now: Timestamp) {
    desk.add("UPDATE desk_envelope SET asked_times = asked_times + 1, asked = ")
        .push(now.unix_ms())
        .text(" WHERE id IN (")
        .list(ids)
        .text(")");
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Times that an envelope is asked about by itself.
const ASKED_MAX: i64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample::{NOW, header, tables};

    /// An envelope of `number`, relayed (or `delivered`) at NOW.
    async fn put(pool: &SqlitePool, number: u8, state: &str) -> EnvelopeId {
        let header = header("H01.36", number);
        let context = header.context();
        let id = context.id.to_string();
        sqlx::query(
            "INSERT INTO desk_envelope (id, document, header, header_digest, header_signature, salt,
               created, expires) VALUES (?1, ?1, ?2, ?3, x'00', x'00', ?4, ?5)",
        )
        .bind(&id)
        .bind(header.bytes())
        .bind(header.digest().as_bytes().as_slice())
        .bind(NOW.unix_ms())
        .bind(context.expires.unix_ms())
        .execute(pool)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO desk_recipient (envelope, recipient, document, position, name, state,
               accepted_at, relayed_at, expires, updated) VALUES (?1, 'H01.36.04', ?1, 0, 'n', ?2, ?3, ?3,
               ?4, ?3)",
        )
        .bind(&id)
        .bind(state)
        .bind(NOW.unix_ms())
        .bind(context.expires.unix_ms())
        .execute(pool)
        .await
        .unwrap();
        context.id
    }

    async fn found(pool: &SqlitePool, hours: i64) -> Vec<EnvelopeId> {
        let silent = silent(pool, NOW.plus_ms(hours * HOUR_MS + 1), 256).await;
        silent.unwrap().iter().map(|one| one.envelope).collect()
    }

    #[tokio::test]
    async fn what_is_silent_for_an_hour_is_asked_about_and_then_a_day_later_and_not_for_ever() {
        let pool = tables().await;
        let waits = put(&pool, 1, "relayed").await;
        put(&pool, 2, "delivered").await;
        let signed_only = put(&pool, 3, "handed_over").await;
        sqlx::query(
            "INSERT INTO desk_receipt (leaf, envelope, recipient, event, at, station, bundle, position)
             VALUES (x'01', ?, 'H01.36.04', 'ContentHandover', 0, 's', x'02', 0)",
        )
        .bind(signed_only.to_string())
        .execute(&pool)
        .await
        .unwrap();
        assert_eq!(found(&pool, 0).await, []);
        assert_eq!(found(&pool, 1).await, [waits, signed_only]);
        for round in 0..ASKED_MAX {
            let now = NOW.plus_ms((1 + round * 25) * HOUR_MS);
            let mut conn = pool.acquire().await.unwrap();
            let mut desk = DeskRows::new(&mut conn, true);
            asked(&mut desk, &[waits.to_string()], now);
            desk.finish().await.unwrap();
            drop(conn);
            let soon = 1 + round * 25 + 1;
            assert_eq!(found(&pool, soon).await, [signed_only], "round {round}");
        }
        assert_eq!(found(&pool, 100).await, [signed_only]);
        assert_eq!(found(&pool, 24 * 62).await, [], "nobody could answer");
        sqlx::query("UPDATE desk_receipt SET level = 1")
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(found(&pool, 100).await, []);
    }
}
