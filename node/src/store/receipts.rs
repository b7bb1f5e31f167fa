//! Rows of evidence: bundles as they came, the receipts in them, the steps they prove, and the recipient
//! states they move. Everything here was verified by the caller.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};

use formats::edxml::deadline::{Calendar, arrival_alarm};
use formats::id::{Digest, EnvelopeId};
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::statement::Statement;
use formats::time::Timestamp;
use relay::store::DeskRows;

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

/// One step of a recipient's history that no statement tells.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) envelope: &'a str,
    pub(crate) recipient: &'a str,
    pub(crate) event: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) who: &'a str,
}

/// A verified bundle, read and encoded before the commit that keeps it.
#[derive(Debug)]
pub(crate) struct NewBundle {
    bytes: Vec<u8>,
    digest: Digest,
    station: String,
    /// Its checkpoint has a time-stamp, which was verified.
    stamped: bool,
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
            stamped: bundle.checkpoint.token.is_some(),
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

/// Keeps a bundle verbatim. A receipt that is known keeps its first bundle, until one proves more.
pub(crate) fn keep_bundle(desk: &mut DeskRows<'_>, bundle: &NewBundle, now: Timestamp) {
    desk.add(
        "INSERT INTO desk_bundle (digest, bundle, station, received) VALUES (?, ?, ?, ?)
         ON CONFLICT (digest) DO NOTHING",
    )
    .bind(bundle.digest.as_bytes().as_slice())
    .bind(&bundle.bytes)
    .bind(&bundle.station)
    .bind(now.unix_ms());
    for (part, receipts) in bundle.receipts.chunks(ROWS_MAX).enumerate() {
        desk.add(
            "INSERT INTO desk_receipt (leaf, envelope, recipient, event, at, station, bundle,
               position, level) ",
        )
        .values(receipts.iter().enumerate(), |row, (at, receipt)| {
            row.push(receipt.leaf.as_bytes().as_slice())
                .push(&receipt.envelope)
                .push(receipt.statement.recipient.as_str())
                .push(receipt.statement.event.name())
                .push(receipt.statement.time.unix_ms())
                .push(&bundle.station)
                .push(bundle.digest.as_bytes().as_slice())
                .push(i64::try_from(part * ROWS_MAX + at).unwrap_or(i64::MAX))
                .push(bundle.stamped);
        })
        .text(
            " ON CONFLICT (leaf) DO UPDATE SET bundle = excluded.bundle,
               position = excluded.position, level = excluded.level
             WHERE excluded.level > desk_receipt.level",
        );
    }
}

/// Writes local steps of (envelope, recipient): what no statement tells.
pub(crate) fn put_steps(desk: &mut DeskRows<'_>, steps: &[Step<'_>], now: Timestamp) {
    for steps in steps.chunks(ROWS_MAX) {
        desk.add("INSERT INTO desk_step (envelope, recipient, event, at, recorded, who) ")
            .values(steps, |row, step| {
                row.push(step.envelope)
                    .push(step.recipient)
                    .push(step.event)
                    .push(step.at.unix_ms())
                    .push(now.unix_ms())
                    .push(step.who);
            });
    }
}

/// A neighbour took custody: `accepted` becomes `relayed`; nothing waits any more.
pub(crate) fn relayed(
    desk: &mut DeskRows<'_>,
    envelope: &str,
    recipients: &[String],
    now: Timestamp,
) {
    desk.add(
        "UPDATE desk_recipient SET state = CASE state WHEN 'accepted' THEN 'relayed' ELSE state END,
           relayed_at = coalesce(relayed_at, ?),
           due = CASE WHEN due IS NULL OR delivered_at IS NOT NULL THEN due ELSE ? END,
           retry_reason = NULL, retry_at = NULL,
           retry_attempt = NULL, updated = ? WHERE envelope = ? AND recipient IN (",
    )
    .bind(now.unix_ms())
    .bind(arrival_alarm(now).unix_ms())
    .bind(now.unix_ms())
    .bind(envelope)
    .list(recipients)
    .text(")");
    touch(desk, envelope, now);
}

/// The next try waits.
pub(crate) fn waits(
    desk: &mut DeskRows<'_>,
    envelope: &str,
    recipient: &str,
    reason: Reason,
    next_at: Timestamp,
    attempt: u32,
    now: Timestamp,
) {
    desk.add(
        "UPDATE desk_recipient SET retry_reason = ?, retry_at = ?, retry_attempt = ?, updated = ?
         WHERE envelope = ? AND recipient = ? AND final = 0",
    )
    .bind(reason.code())
    .bind(next_at.unix_ms())
    .bind(attempt)
    .bind(now.unix_ms())
    .bind(envelope)
    .bind(recipient);
}

/// Refused for good, before it arrived anywhere it belongs.
pub(crate) fn refused(
    desk: &mut DeskRows<'_>,
    envelope: &str,
    recipient: &str,
    reason: Reason,
    now: Timestamp,
) {
    desk.add(
        "UPDATE desk_recipient SET state = 'refused', reason = ?, final = 1, due = NULL,
           retry_reason = NULL,
           retry_at = NULL, retry_attempt = NULL, updated = ?
         WHERE envelope = ? AND recipient = ? AND state IN ('accepted', 'relayed')",
    )
    .bind(reason.code())
    .bind(now.unix_ms())
    .bind(envelope)
    .bind(recipient);
    touch(desk, envelope, now);
}

/// Moves recipients by verified statements of their home stations. States only climb; `delivered` and
/// `handed_over` also replace `expired`, `withdrawn` and `refused` whenever they arrive, if they were made
/// before the envelope's end. So the order of the statements does not matter, and those that move to one
/// state are one statement of SQL.
pub(crate) fn moved(
    desk: &mut DeskRows<'_>,
    receipts: &[&KeptReceipt],
    now: Timestamp,
    calendar: &Calendar,
) {
    for (to, set, only_if) in MOVES {
        let those: Vec<&KeptReceipt> = receipts
            .iter()
            .copied()
            .filter(|receipt| RecipientState::proven_by(receipt.statement.event) == Some(to))
            .collect();
        for receipts in those.chunks(ROWS_MAX) {
            desk.add(
                "UPDATE desk_recipient SET retry_reason = NULL, retry_at = NULL,
                   retry_attempt = NULL, updated = ?, ",
            )
            .bind(now.unix_ms())
            .text(set)
            .text(" FROM (")
            .values(receipts, |row, receipt| {
                row.push(&receipt.envelope)
                    .push(receipt.statement.recipient.as_str())
                    .push(receipt.statement.time.unix_ms())
                    .push(receipt.statement.reason.map(Reason::code))
                    .push(
                        calendar
                            .accept_by(receipt.statement.time)
                            .map(Timestamp::unix_ms),
                    );
            })
            .text(") v WHERE envelope = v.column1 AND recipient = v.column2 AND ")
            .text(only_if);
        }
    }
    for receipts in receipts.chunks(ROWS_MAX) {
        desk.add(
            "UPDATE desk_document SET updated = ? WHERE id IN
               (SELECT document FROM desk_envelope WHERE id IN (",
        )
        .bind(now.unix_ms())
        .list(receipts.iter().map(|receipt| &receipt.envelope))
        .text("))");
    }
}

/// What each state sets, and whom it may move. `v.column3` is the statement's time, `v.column4` its reason,
/// `v.column5` until when a document that arrived then is to be answered (02 or 03). A recipient without a
/// deadline has none (what was sent to it is a status or a recall), and one that was heard of keeps its own.
const MOVES: [(RecipientState, &str, &str); 5] = [
    (
        RecipientState::Delivered,
        "delivered_at = v.column3,
           reason = CASE WHEN reason = 'refused_by_recipient' THEN reason END,
           due = CASE WHEN due IS NULL OR life IS NOT NULL THEN due ELSE v.column5 END,
           final = CASE WHEN handed_over_at IS NULL AND reason IS NOT 'refused_by_recipient'
             THEN 0 ELSE 1 END,
           state = CASE WHEN handed_over_at IS NOT NULL THEN 'handed_over'
             WHEN reason = 'refused_by_recipient' THEN state ELSE 'delivered' END",
        "delivered_at IS NULL AND replaced = 0 AND (final = 0 OR expires >= v.column3)",
    ),
    (
        RecipientState::HandedOver,
        "handed_over_at = v.column3, reason = NULL, final = 1, state = 'handed_over'",
        "handed_over_at IS NULL AND replaced = 0",
    ),
    (
        RecipientState::Refused,
        "state = 'refused', final = 1, due = NULL, reason = v.column4",
        "(state IN ('accepted', 'relayed')
           OR (state = 'delivered' AND v.column4 = 'refused_by_recipient'))",
    ),
    (
        RecipientState::Expired,
        "state = 'expired', final = 1, due = NULL",
        STILL_ON_THE_WAY,
    ),
    (
        RecipientState::Withdrawn,
        "state = 'withdrawn', final = 1, due = NULL",
        STILL_ON_THE_WAY,
    ),
];

const STILL_ON_THE_WAY: &str = "state IN ('accepted', 'relayed')";

/// Recipients whose time ended a day ago without a statement become `expired`, which their history shows
/// as this desk's own verdict; gives their number.
pub(crate) async fn expire(
    conn: &mut SqliteConnection,
    ended_before: Timestamp,
    now: Timestamp,
    station: &str,
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO desk_step (envelope, recipient, event, at, recorded, who)
         SELECT envelope, recipient, 'expired', ?1, ?1, ?2 FROM desk_recipient
         WHERE final = 0 AND expires < ?3 AND state IN ('accepted', 'relayed')",
    )
    .bind(now.unix_ms())
    .bind(station)
    .bind(ended_before.unix_ms())
    .execute(&mut *conn)
    .await?;
    let done = sqlx::query(
        "UPDATE desk_recipient SET state = 'expired', final = 1, due = NULL, updated = ?,
           retry_reason = NULL,
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

/// Envelopes whose last recipient became final so long ago and whose body is still held: the id and the
/// sender, oldest first. `delivered` ends with the envelope's life too: after `expires` no station takes the
/// body any more, whether somebody acknowledges the document or not.
pub(crate) async fn to_release(
    pool: &SqlitePool,
    now: Timestamp,
    keep_ms: i64,
    limit: u32,
) -> Result<Vec<(String, String)>, DeskError> {
    let rows = sqlx::query(
        "SELECT e.id, d.agency FROM desk_envelope e JOIN desk_document d ON d.id = e.document
         WHERE e.released = 0 AND e.created < ?1 AND NOT EXISTS (
           SELECT 1 FROM desk_recipient r WHERE r.envelope = e.id AND NOT (
             (r.final = 1 AND r.updated < ?1) OR (r.state = 'delivered' AND r.expires < ?1)))
         ORDER BY e.created LIMIT ?2",
    )
    .bind(now.minus_ms(keep_ms).unix_ms())
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("id")?, row.try_get("agency")?)))
        .collect()
}

/// Notes that the station keeps the body no longer.
pub(crate) fn released(desk: &mut DeskRows<'_>, envelope: &str) {
    desk.add("UPDATE desk_envelope SET released = 1 WHERE id = ?")
        .bind(envelope);
}

/// Those of the leaves that are known as receipts.
pub(crate) async fn known_leaves(
    pool: &SqlitePool,
    leaves: impl Iterator<Item = Digest>,
) -> Result<BTreeSet<Digest>, DeskError> {
    let mut known = BTreeSet::new();
    for leaves in leaves.collect::<Vec<_>>().chunks(ROWS_MAX) {
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT leaf FROM desk_receipt WHERE leaf IN (");
        let mut list = sql.separated(", ");
        for leaf in leaves {
            list.push_bind(leaf.as_bytes().to_vec());
        }
        sql.push(")");
        for row in sql.build().persistent(false).fetch_all(pool).await? {
            known.insert(digest(&row, "leaf")?);
        }
    }
    Ok(known)
}

/// What a receipt must agree with: one of our envelopes.
#[derive(Debug)]
pub(crate) struct SentEnvelope {
    /// The document that it carries.
    pub(crate) document: EnvelopeId,
    pub(crate) header_digest: Digest,
    pub(crate) header: Vec<u8>,
}

/// Those of the envelopes that were sent from here.
pub(crate) async fn sent(
    pool: &SqlitePool,
    ids: &BTreeSet<EnvelopeId>,
) -> Result<BTreeMap<EnvelopeId, SentEnvelope>, DeskError> {
    let mut found = BTreeMap::new();
    for ids in ids.iter().collect::<Vec<_>>().chunks(ROWS_MAX) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT id, document, header, header_digest FROM desk_envelope WHERE id IN (",
        );
        let mut list = sql.separated(", ");
        for id in ids {
            list.push_bind(id.to_string());
        }
        sql.push(")");
        let query = sql.build().persistent(ids.len() == 1);
        for row in query.fetch_all(pool).await? {
            let sent = SentEnvelope {
                document: envelope(&row, "document")?,
                header_digest: digest(&row, "header_digest")?,
                header: row.try_get("header")?,
            };
            found.insert(envelope(&row, "id")?, sent);
        }
    }
    Ok(found)
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

fn touch(desk: &mut DeskRows<'_>, envelope: &str, now: Timestamp) {
    desk.add(
        "UPDATE desk_document SET updated = ? WHERE id =
           (SELECT document FROM desk_envelope WHERE id = ?)",
    )
    .bind(now.unix_ms())
    .bind(envelope);
}

/// Rows of one INSERT: SQLite binds at most 32,766 values a statement.
const ROWS_MAX: usize = 1_000;
