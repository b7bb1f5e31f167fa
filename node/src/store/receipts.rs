//! Rows of evidence: bundles as they came, the receipts in them, the steps they prove, and the recipient
//! states they move. Everything here was verified by the caller.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};

use formats::id::{Digest, EnvelopeId};
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::statement::{Event, Statement};
use formats::time::Timestamp;

use super::documents::{damaged, digest, envelope};
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
    pub(crate) envelope: &'a str,
    pub(crate) recipient: &'a str,
    pub(crate) event: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) who: &'a str,
    pub(crate) leaf: Option<Digest>,
    pub(crate) reason: Option<Reason>,
    pub(crate) clock_unsure: bool,
}

impl<'a> Step<'a> {
    /// A step that nothing proves and that has no reason.
    pub(crate) fn plain(
        envelope: &'a str,
        recipient: &'a String,
        event: &'a str,
        at: Timestamp,
        who: &'a str,
    ) -> Self {
        Self {
            envelope,
            recipient,
            event,
            at,
            who,
            leaf: None,
            reason: None,
            clock_unsure: false,
        }
    }
}

/// A verified bundle, read and encoded before the commit that keeps it.
#[derive(Debug)]
pub(crate) struct NewBundle {
    bytes: Vec<u8>,
    digest: Digest,
    station: String,
    receipts: Vec<KeptReceipt>,
}

impl NewBundle {
    /// `statements` are the bundle's, in its order.
    pub(crate) fn of(bundle: &ReceiptBundle, statements: Vec<Statement>, station: &str) -> Self {
        let bytes = bundle.encode();
        let receipts = bundle
            .proven
            .iter()
            .zip(statements)
            .map(|(proven, statement)| KeptReceipt {
                envelope: statement.envelope.to_string(),
                leaf: proven.leaf_hash(),
                statement,
            });
        Self {
            digest: Digest::of(&bytes),
            station: station.to_owned(),
            receipts: receipts.collect(),
            bytes,
        }
    }

    /// Digest of its bytes.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// What is in it.
    pub(crate) fn receipts(&self) -> &[KeptReceipt] {
        &self.receipts
    }
}

/// Keeps a bundle verbatim. A receipt that is known keeps its first bundle.
pub(crate) async fn keep_bundle(
    conn: &mut SqliteConnection,
    bundle: &NewBundle,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO desk_bundle (digest, bundle, station, received) VALUES (?, ?, ?, ?)
         ON CONFLICT (digest) DO NOTHING",
    )
    .bind(bundle.digest.as_bytes().as_slice())
    .bind(&bundle.bytes)
    .bind(&bundle.station)
    .bind(now.unix_ms())
    .execute(&mut *conn)
    .await?;
    for (part, receipts) in bundle.receipts.chunks(ROWS_MAX).enumerate() {
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
                .push_bind(&bundle.station)
                .push_bind(bundle.digest.as_bytes().as_slice())
                .push_bind(i64::try_from(part * ROWS_MAX + at).unwrap_or(i64::MAX));
        });
        insert.push(" ON CONFLICT (leaf) DO NOTHING");
        insert
            .build()
            .persistent(receipts.len() == 1)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Writes steps of (envelope, recipient).
pub(crate) async fn put_steps(
    conn: &mut SqliteConnection,
    steps: &[Step<'_>],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for steps in steps.chunks(ROWS_MAX) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO desk_step (envelope, recipient, event, at, recorded, who, leaf, reason,
               clock_unsure) ",
        );
        insert.push_values(steps, |mut row, step| {
            row.push_bind(step.envelope)
                .push_bind(step.recipient)
                .push_bind(step.event)
                .push_bind(step.at.unix_ms())
                .push_bind(now.unix_ms())
                .push_bind(step.who)
                .push_bind(step.leaf.as_ref().map(|leaf| leaf.as_bytes().as_slice()))
                .push_bind(step.reason.map(Reason::code))
                .push_bind(step.clock_unsure);
        });
        insert
            .build()
            .persistent(steps.len() == 1)
            .execute(&mut *conn)
            .await?;
    }
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

/// Moves recipients by verified statements of their home stations. States only climb; `delivered` and
/// `handed_over` also replace `expired`, `withdrawn` and `refused` whenever they arrive, if they were made
/// before the envelope's end. So the order of the statements does not matter, and those that move to one
/// state are one statement of SQL.
pub(crate) async fn moved(
    conn: &mut SqliteConnection,
    receipts: &[&KeptReceipt],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for (to, set, only_if) in MOVES {
        let those: Vec<&KeptReceipt> = receipts
            .iter()
            .copied()
            .filter(|receipt| state_of(receipt.statement.event) == Some(to))
            .collect();
        for receipts in those.chunks(ROWS_MAX) {
            let mut update = QueryBuilder::<Sqlite>::new(
                "UPDATE desk_recipient SET retry_reason = NULL, retry_at = NULL,
                   retry_attempt = NULL, updated = ",
            );
            update
                .push_bind(now.unix_ms())
                .push(", ")
                .push(set)
                .push(" FROM (");
            update.push_values(receipts, |mut row, receipt| {
                row.push_bind(&receipt.envelope)
                    .push_bind(receipt.statement.recipient.as_str())
                    .push_bind(receipt.statement.time.unix_ms())
                    .push_bind(receipt.statement.reason.map(Reason::code));
            });
            update.push(") v WHERE envelope = v.column1 AND recipient = v.column2 AND ");
            update.push(only_if);
            update
                .build()
                .persistent(receipts.len() == 1)
                .execute(&mut *conn)
                .await?;
        }
    }
    for receipts in receipts.chunks(ROWS_MAX) {
        let mut update = QueryBuilder::<Sqlite>::new("UPDATE desk_document SET updated = ");
        update.push_bind(now.unix_ms());
        update.push(" WHERE id IN (SELECT document FROM desk_envelope WHERE id IN (");
        let mut list = update.separated(", ");
        for receipt in receipts {
            list.push_bind(&receipt.envelope);
        }
        update.push("))");
        update
            .build()
            .persistent(receipts.len() == 1)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// What each state sets, and whom it may move. `v.column3` is the statement's time, `v.column4` its reason.
const MOVES: [(RecipientState, &str, &str); 5] = [
    (
        RecipientState::Delivered,
        "delivered_at = coalesce(delivered_at, v.column3), reason = NULL,
           final = CASE WHEN handed_over_at IS NULL THEN 0 ELSE 1 END,
           state = CASE WHEN handed_over_at IS NULL THEN 'delivered' ELSE 'handed_over' END",
        "replaced = 0 AND (final = 0 OR expires >= v.column3)",
    ),
    (
        RecipientState::HandedOver,
        "handed_over_at = coalesce(handed_over_at, v.column3), reason = NULL, final = 1,
           state = 'handed_over'",
        "replaced = 0",
    ),
    (
        RecipientState::Refused,
        "state = 'refused', final = 1, reason = v.column4",
        STILL_ON_THE_WAY,
    ),
    (
        RecipientState::Expired,
        "state = 'expired', final = 1",
        STILL_ON_THE_WAY,
    ),
    (
        RecipientState::Withdrawn,
        "state = 'withdrawn', final = 1",
        STILL_ON_THE_WAY,
    ),
];

const STILL_ON_THE_WAY: &str = "state IN ('accepted', 'relayed')";

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
    /// The document that it carries.
    pub(crate) document: EnvelopeId,
    pub(crate) header_digest: Digest,
    pub(crate) header: Vec<u8>,
}

pub(crate) async fn sent(
    pool: &SqlitePool,
    id: EnvelopeId,
) -> Result<Option<SentEnvelope>, DeskError> {
    let row = sqlx::query("SELECT document, header, header_digest FROM desk_envelope WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(pool)
        .await?;
    row.map(|row| {
        let bytes: Vec<u8> = row.try_get("header_digest")?;
        Ok(SentEnvelope {
            document: envelope(&row, "document")?,
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

/// Where the receipts about a document lie: bundles in the order in which they came, each with the
/// positions of its statements.
pub(crate) async fn places(
    pool: &SqlitePool,
    document: EnvelopeId,
) -> Result<Vec<(Digest, Vec<usize>)>, DeskError> {
    let rows = sqlx::query(
        "SELECT r.bundle, r.position FROM desk_envelope e
         JOIN desk_receipt r ON r.envelope = e.id JOIN desk_bundle b ON b.digest = r.bundle
         WHERE e.document = ? ORDER BY b.received, r.bundle, r.position",
    )
    .bind(document.to_string())
    .fetch_all(pool)
    .await?;
    let mut places: Vec<(Digest, Vec<usize>)> = Vec::new();
    for row in &rows {
        let bundle = digest(row, "bundle")?;
        let position: i64 = row.try_get("position")?;
        let position = usize::try_from(position).map_err(|error| damaged(&error))?;
        match places.last_mut() {
            Some((last, positions)) if *last == bundle => positions.push(position),
            Some(_) | None => places.push((bundle, vec![position])),
        }
    }
    Ok(places)
}

/// A bundle as it came.
pub(crate) async fn bundle(pool: &SqlitePool, id: Digest) -> Result<ReceiptBundle, DeskError> {
    let row = sqlx::query("SELECT bundle FROM desk_bundle WHERE digest = ?")
        .bind(id.as_bytes().as_slice())
        .fetch_one(pool)
        .await?;
    let bytes: Vec<u8> = row.try_get("bundle")?;
    ReceiptBundle::decode(&bytes).map_err(|error| damaged(&error))
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
