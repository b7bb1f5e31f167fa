//! Rows of evidence: bundles as they came, the receipts in them, the steps they prove, and the recipient
//! states they move. Everything here was verified by the caller.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};

use formats::id::{Digest, EnvelopeId};
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::statement::{Event, Statement};
use formats::time::Timestamp;
use relay::store::DeskRefusal;

use super::documents::damaged;
use crate::fault::DeskError;
use crate::view::RecipientState;

/// One statement of a kept bundle.
#[derive(Clone, Debug)]
pub(crate) struct KeptReceipt {
    pub(crate) envelope: String,
    pub(crate) leaf: Digest,
    pub(crate) statement: Statement,
}

/// One step of a recipient's history.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) event: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) who: &'a str,
    pub(crate) leaf: Option<Digest>,
    pub(crate) reason: Option<Reason>,
    pub(crate) clock_unsure: bool,
}

/// Keeps a bundle verbatim and says what is in it. A receipt that is known keeps its first bundle.
pub(crate) async fn keep_bundle(
    conn: &mut SqliteConnection,
    bundle: &ReceiptBundle,
    station: &str,
    now: Timestamp,
) -> Result<Vec<KeptReceipt>, DeskRefusal> {
    let bytes = bundle.encode();
    let digest = Digest::of(&bytes);
    let statements = bundle
        .statements()
        .map_err(|error| DeskRefusal::refused(format!("receipt bundle: {error}")))?;
    sqlx::query(
        "INSERT INTO desk_bundle (digest, bundle, station, received) VALUES (?, ?, ?, ?)
         ON CONFLICT (digest) DO NOTHING",
    )
    .bind(digest.as_bytes().as_slice())
    .bind(&bytes)
    .bind(station)
    .bind(now.unix_ms())
    .execute(&mut *conn)
    .await?;
    let kept: Vec<KeptReceipt> = bundle
        .proven
        .iter()
        .zip(statements)
        .map(|(proven, statement)| KeptReceipt {
            envelope: statement.envelope.to_string(),
            leaf: proven.leaf_hash(),
            statement,
        })
        .collect();
    for (part, receipts) in kept.chunks(ROWS_MAX).enumerate() {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO desk_receipt (leaf, envelope, recipient, event, at, station, bundle,
               position) ",
        );
        insert.push_values(receipts.iter().enumerate(), |mut row, (at, receipt)| {
            row.push_bind(receipt.leaf.as_bytes().as_slice())
                .push_bind(&receipt.envelope)
                .push_bind(receipt.statement.recipient.as_str())
                .push_bind(receipt.statement.event.name())
                .push_bind(receipt.statement.time.unix_ms())
                .push_bind(station)
                .push_bind(digest.as_bytes().as_slice())
                .push_bind(i64::try_from(part * ROWS_MAX + at).unwrap_or(i64::MAX));
        });
        insert
            .push(" ON CONFLICT (leaf) DO NOTHING")
            .build()
            .execute(&mut *conn)
            .await?;
    }
    Ok(kept)
}

pub(crate) async fn put_step(
    conn: &mut SqliteConnection,
    envelope: &str,
    recipient: &str,
    step: &Step<'_>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO desk_step (envelope, recipient, event, at, recorded, who, leaf, reason,
           clock_unsure) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(envelope)
    .bind(recipient)
    .bind(step.event)
    .bind(step.at.unix_ms())
    .bind(now.unix_ms())
    .bind(step.who)
    .bind(step.leaf.as_ref().map(|leaf| leaf.as_bytes().as_slice()))
    .bind(step.reason.map(Reason::code))
    .bind(step.clock_unsure)
    .execute(conn)
    .await?;
    Ok(())
}

/// A neighbour took custody: `accepted` becomes `relayed`; nothing waits any more.
pub(crate) async fn relayed(
    conn: &mut SqliteConnection,
    envelope: &str,
    recipients: &[String],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "UPDATE desk_recipient SET state = CASE state WHEN 'accepted' THEN 'relayed' ELSE state END,
           relayed_at = coalesce(relayed_at, ",
    );
    sql.push_bind(now.unix_ms());
    sql.push("), retry_reason = NULL, retry_at = NULL, retry_attempt = NULL, updated = ");
    sql.push_bind(now.unix_ms());
    sql.push(" WHERE envelope = ")
        .push_bind(envelope)
        .push(" AND recipient IN (");
    let mut list = sql.separated(", ");
    for recipient in recipients {
        list.push_bind(recipient);
    }
    sql.push(")").build().execute(&mut *conn).await?;
    touch(conn, envelope, now).await
}

/// The next try waits.
pub(crate) async fn waits(
    conn: &mut SqliteConnection,
    envelope: &str,
    recipient: &str,
    reason: Reason,
    next_at: Timestamp,
    attempt: u32,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE desk_recipient SET retry_reason = ?, retry_at = ?, retry_attempt = ?, updated = ?
         WHERE envelope = ? AND recipient = ? AND final = 0",
    )
    .bind(reason.code())
    .bind(next_at.unix_ms())
    .bind(attempt)
    .bind(now.unix_ms())
    .bind(envelope)
    .bind(recipient)
    .execute(conn)
    .await?;
    Ok(())
}

/// Refused for good, before it arrived anywhere it belongs.
pub(crate) async fn refused(
    conn: &mut SqliteConnection,
    envelope: &str,
    recipient: &str,
    reason: Reason,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE desk_recipient SET state = 'refused', reason = ?, final = 1, retry_reason = NULL,
           retry_at = NULL, retry_attempt = NULL, updated = ?
         WHERE envelope = ? AND recipient = ? AND state IN ('accepted', 'relayed')",
    )
    .bind(reason.code())
    .bind(now.unix_ms())
    .bind(envelope)
    .bind(recipient)
    .execute(&mut *conn)
    .await?;
    touch(conn, envelope, now).await
}

/// Moves a recipient by a verified statement of its home station. States only climb; `delivered` and
/// `handed_over` also replace `expired`, `withdrawn` and `refused` whenever they arrive, if they were made
/// before the envelope's end.
pub(crate) async fn moved(
    conn: &mut SqliteConnection,
    statement: &Statement,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let (envelope, recipient) = (
        statement.envelope.to_string(),
        statement.recipient.to_string(),
    );
    let Some(to) = state_of(statement.event) else {
        return Ok(());
    };
    let sql = match to {
        RecipientState::Delivered => {
            "UPDATE desk_recipient SET delivered_at = coalesce(delivered_at, ?1),
               final = CASE WHEN handed_over_at IS NULL THEN 0 ELSE 1 END,
               state = CASE WHEN handed_over_at IS NULL THEN 'delivered' ELSE 'handed_over' END,
               reason = NULL, retry_reason = NULL, retry_at = NULL, retry_attempt = NULL,
               updated = ?2
             WHERE envelope = ?3 AND recipient = ?4 AND replaced = 0
               AND (final = 0 OR expires >= ?1)"
        }
        RecipientState::HandedOver => {
            "UPDATE desk_recipient SET handed_over_at = coalesce(handed_over_at, ?1),
               state = 'handed_over', final = 1, reason = NULL, retry_reason = NULL,
               retry_at = NULL, retry_attempt = NULL, updated = ?2
             WHERE envelope = ?3 AND recipient = ?4 AND replaced = 0"
        }
        RecipientState::Refused => {
            "UPDATE desk_recipient SET state = 'refused', final = 1, reason = ?5, updated = ?2,
               retry_reason = NULL, retry_at = NULL, retry_attempt = NULL
             WHERE envelope = ?3 AND recipient = ?4 AND state IN ('accepted', 'relayed')
               AND ?1 = ?1"
        }
        RecipientState::Expired => {
            "UPDATE desk_recipient SET state = 'expired', final = 1, updated = ?2,
               retry_reason = NULL, retry_at = NULL, retry_attempt = NULL
             WHERE envelope = ?3 AND recipient = ?4 AND state IN ('accepted', 'relayed')
               AND ?1 = ?1"
        }
        RecipientState::Withdrawn => {
            "UPDATE desk_recipient SET state = 'withdrawn', final = 1, updated = ?2,
               retry_reason = NULL, retry_at = NULL, retry_attempt = NULL
             WHERE envelope = ?3 AND recipient = ?4 AND state IN ('accepted', 'relayed')
               AND ?1 = ?1"
        }
        RecipientState::Accepted | RecipientState::Relayed => return Ok(()),
    };
    let query = sqlx::query(sql)
        .bind(statement.time.unix_ms())
        .bind(now.unix_ms())
        .bind(&envelope)
        .bind(&recipient);
    let query = match to {
        RecipientState::Refused => query.bind(statement.reason.map(Reason::code)),
        _ => query,
    };
    query.execute(&mut *conn).await?;
    touch(conn, &envelope, now).await
}

/// The state that a statement of the home station proves.
pub(crate) fn state_of(event: Event) -> Option<RecipientState> {
    match event {
        Event::ContentConsignment => Some(RecipientState::Delivered),
        Event::ContentHandover => Some(RecipientState::HandedOver),
        Event::ContentConsignmentFailure | Event::ContentHandoverFailure => {
            Some(RecipientState::Refused)
        }
        Event::Expired => Some(RecipientState::Expired),
        Event::Recalled => Some(RecipientState::Withdrawn),
        Event::Opened
        | Event::RelayAcceptance
        | Event::RelayFailure
        | Event::RelayRejection
        | Event::SubmissionAcceptance
        | Event::SubmissionRejection => None,
    }
}

/// Recipients whose time ended a day ago without a statement become `expired`; gives their number.
pub(crate) async fn expire(
    conn: &mut SqliteConnection,
    ended_before: Timestamp,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE desk_recipient SET state = 'expired', final = 1, updated = ?, retry_reason = NULL,
           retry_at = NULL, retry_attempt = NULL
         WHERE final = 0 AND expires < ? AND state IN ('accepted', 'relayed')",
    )
    .bind(now.unix_ms())
    .bind(ended_before.unix_ms())
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Whether `expire` has work, so that a quiet desk commits nothing.
pub(crate) async fn to_expire(
    pool: &SqlitePool,
    ended_before: Timestamp,
) -> Result<bool, DeskError> {
    let row = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM desk_recipient WHERE final = 0 AND expires < ?
           AND state IN ('accepted', 'relayed')) AS due",
    )
    .bind(ended_before.unix_ms())
    .fetch_one(pool)
    .await?;
    Ok(row.try_get("due")?)
}

/// Envelopes whose last recipient became final before this time and whose body is still held: the id
/// and the sender, oldest first.
pub(crate) async fn to_release(
    pool: &SqlitePool,
    final_before: Timestamp,
    limit: u32,
) -> Result<Vec<(String, String)>, DeskError> {
    let rows = sqlx::query(
        "SELECT e.id, d.agency FROM desk_envelope e JOIN desk_document d ON d.id = e.document
         WHERE e.released = 0 AND e.created < ?1 AND NOT EXISTS (
           SELECT 1 FROM desk_recipient r WHERE r.envelope = e.id
             AND (r.final = 0 OR r.updated >= ?1))
         ORDER BY e.created LIMIT ?2",
    )
    .bind(final_before.unix_ms())
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("id")?, row.try_get("agency")?)))
        .collect()
}

/// Notes that the station keeps the body no longer.
pub(crate) async fn released(
    conn: &mut SqliteConnection,
    envelope: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE desk_envelope SET released = 1 WHERE id = ?")
        .bind(envelope)
        .execute(conn)
        .await?;
    Ok(())
}

/// What a receipt must agree with: one of our envelopes.
#[derive(Debug)]
pub(crate) struct SentEnvelope {
    pub(crate) header_digest: Digest,
    pub(crate) header: Vec<u8>,
}

pub(crate) async fn sent(
    pool: &SqlitePool,
    id: EnvelopeId,
) -> Result<Option<SentEnvelope>, DeskError> {
    let row = sqlx::query("SELECT header, header_digest FROM desk_envelope WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(pool)
        .await?;
    row.map(|row| {
        let bytes: Vec<u8> = row.try_get("header_digest")?;
        Ok(SentEnvelope {
            header_digest: Digest::try_from(bytes.as_slice()).map_err(|error| damaged(&error))?,
            header: row.try_get("header")?,
        })
    })
    .transpose()
}

/// Bundles that speak of an envelope, as they came, oldest first.
pub(crate) async fn bundles(
    pool: &SqlitePool,
    envelope: &str,
) -> Result<Vec<ReceiptBundle>, DeskError> {
    let rows = sqlx::query(
        "SELECT DISTINCT b.bundle, b.received FROM desk_receipt r
         JOIN desk_bundle b ON b.digest = r.bundle WHERE r.envelope = ? ORDER BY b.received",
    )
    .bind(envelope)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let bytes: Vec<u8> = row.try_get("bundle")?;
            ReceiptBundle::decode(&bytes).map_err(|error| damaged(&error))
        })
        .collect()
}

async fn touch(
    conn: &mut SqliteConnection,
    envelope: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE desk_document SET updated = ? WHERE id =
           (SELECT document FROM desk_envelope WHERE id = ?)",
    )
    .bind(now.unix_ms())
    .bind(envelope)
    .execute(conn)
    .await?;
    Ok(())
}

/// Rows of one INSERT: SQLite binds at most 32,766 values a statement.
const ROWS_MAX: usize = 1_000;
