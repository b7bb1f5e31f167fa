//! Rows about keeping documents: holds, releases, and content that was deleted by a rule. Rows of
//! `desk_keeping` are only ever added; what proves a document is never touched here.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool};

use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::time::Timestamp;
use relay::store::{DeskRefusal, DeskRows};

use super::access::time_option;
use super::documents::{code, digest, envelope, time};
use crate::fault::DeskError;
use crate::keeping::{Class, Rule};
use crate::life::Side;
use crate::view::{ContentDeleted, KeepingView};

/// What was done about keeping a document, oldest first.
pub(crate) async fn of_document(
    pool: &SqlitePool,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<Vec<KeepingView>, DeskError> {
    let rows = sqlx::query(
        "SELECT act, who, why, at FROM desk_keeping WHERE agency = ? AND id = ? ORDER BY seq",
    )
    .bind(agency.as_str())
    .bind(id.to_string())
    .fetch_all(pool)
    .await?;
    let view = |row: &SqliteRow| {
        Ok(KeepingView {
            act: row.try_get("act")?,
            who: row.try_get("who")?,
            why: row.try_get("why")?,
            at: time(row, "at")?,
        })
    };
    rows.iter().map(view).collect()
}

/// Columns content_deleted, content_rule.
pub(crate) fn deleted(row: &SqliteRow) -> Result<Option<ContentDeleted>, DeskError> {
    let rule: Option<String> = row.try_get("content_rule")?;
    let at = time_option(row, "content_deleted")?;
    Ok(at.map(|at| ContentDeleted {
        at,
        rule: rule.unwrap_or_default(),
    }))
}

/// One act about keeping.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) agency: AgencyCode,
    pub(crate) id: EnvelopeId,
    pub(crate) side: Side,
    pub(crate) act: &'static str,
    pub(crate) who: String,
    pub(crate) why: String,
    pub(crate) at: Timestamp,
}

/// Adds it.
pub(crate) fn put(desk: &mut DeskRows<'_>, act: &Act) {
    desk.add(
        "INSERT INTO desk_keeping (agency, id, side, act, who, why, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(act.agency.as_str())
    .bind(act.id.to_string())
    .bind(act.side.code())
    .bind(act.act)
    .bind(&act.who)
    .bind(&act.why)
    .bind(act.at.unix_ms());
}

/// Whether a document of this side is here, for this agency.
pub(crate) async fn side_of(
    pool: &SqlitePool,
    agency: &AgencyCode,
    id: EnvelopeId,
    side: Side,
) -> Result<bool, DeskError> {
    let sql = match side {
        Side::Sent => "SELECT 1 FROM desk_document WHERE agency = ? AND id = ?",
        Side::Received => "SELECT 1 FROM desk_inbox WHERE agency = ? AND envelope = ?",
    };
    let row = sqlx::query(sql)
        .bind(agency.as_str())
        .bind(id.to_string())
        .fetch_optional(pool)
        .await?;
    Ok(row.is_some())
}

/// A document whose time is over.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) agency: AgencyCode,
    pub(crate) id: EnvelopeId,
    pub(crate) packet: Digest,
}

/// The last word about holding it is a hold.
const HELD: &str =
    "coalesce((SELECT k.act FROM desk_keeping k WHERE k.agency = d.agency AND k.id = d.id
   AND k.act IN ('hold', 'release') ORDER BY k.seq DESC LIMIT 1), '') = 'hold'";

/// What a sent document waits for before its content may go: every recipient is heard, and the sealed copy
/// is gone.
const SENT: &str =
    "SELECT d.id AS id, d.agency AS agency, d.packet_digest AS packet FROM desk_document d
  WHERE d.content_deleted IS NULL AND d.created < ";
const SENT_DONE: &str = " AND NOT EXISTS (SELECT 1 FROM desk_envelope e WHERE e.document = d.id
   AND e.released = 0)";
/// A received one waits until it was taken; what is in quarantine is evidence and stays.
const RECEIVED: &str = "SELECT d.id AS id, d.agency AS agency, d.packet_digest AS packet FROM
  (SELECT *, envelope AS id FROM desk_inbox) d
  WHERE d.content_deleted IS NULL AND d.packet_digest IS NOT NULL AND d.received < ";
const RECEIVED_DONE: &str = " AND (d.state = 'acknowledged' OR d.kind = 'status')
  AND d.state <> 'quarantined'";

/// Documents of one side that a rule gives free, oldest first.
pub(crate) async fn over(
    pool: &SqlitePool,
    side: Side,
    rule: &Rule,
    named: &[&str],
    before: Timestamp,
    limit: u32,
) -> Result<Vec<Over>, DeskError> {
    let (start, done) = match side {
        Side::Sent => (SENT, SENT_DONE),
        Side::Received => (RECEIVED, RECEIVED_DONE),
    };
    let mut sql = QueryBuilder::<Sqlite>::new(start);
    sql.push_bind(before.unix_ms()).push(done);
    match &rule.class {
        Class::Status => {
            sql.push(" AND d.kind = 'status'");
        }
        Class::Document => {
            sql.push(" AND d.kind = 'document'");
            if !named.is_empty() {
                sql.push(" AND coalesce(json_extract(d.facts, '$.type_name'), '') NOT IN (");
                let mut list = sql.separated(", ");
                for name in named {
                    list.push_bind((*name).to_owned());
                }
                sql.push(")");
            }
        }
        Class::Type(name) => {
            sql.push(" AND d.kind = 'document' AND json_extract(d.facts, '$.type_name') = ");
            sql.push_bind(name.clone());
        }
    }
    sql.push(" AND NOT ").push(HELD);
    sql.push(" ORDER BY d.seq LIMIT ")
        .push_bind(i64::from(limit));
    let rows = sql.build().persistent(false).fetch_all(pool).await?;
    rows.iter()
        .map(|row| {
            Ok(Over {
                agency: code(row, "agency")?,
                id: envelope(row, "id")?,
                packet: digest(row, "packet")?,
            })
        })
        .collect()
}

/// Deletes the content of one document inside the commit, if nobody holds it by now; gives the file to be
/// unlinked after it. The packet's row goes when no other document needs it.
pub(crate) async fn delete(
    desk: &mut DeskRows<'_>,
    act: &Act,
    packet: Digest,
) -> Result<Option<String>, DeskRefusal> {
    let (table, id) = match act.side {
        Side::Sent => ("desk_document", "id"),
        Side::Received => ("desk_inbox", "envelope"),
    };
    desk.add("UPDATE ")
        .text(table)
        .text(" SET content_deleted = ")
        .push(act.at.unix_ms())
        .text(", content_rule = ")
        .push(&act.why)
        .text(" WHERE agency = ")
        .push(act.agency.as_str())
        .text(" AND ")
        .text(id)
        .text(" = ")
        .push(act.id.to_string())
        .text(" AND content_deleted IS NULL AND coalesce((SELECT k.act FROM desk_keeping k WHERE k.agency = ")
        .text(table)
        .text(".agency AND k.id = ")
        .push(act.id.to_string())
        .text(
            " AND k.act IN ('hold', 'release') ORDER BY k.seq DESC LIMIT 1), '') <> 'hold' RETURNING 1",
        );
    if desk.fetch().await?.is_empty() {
        return Err(DeskRefusal::refused("it is held, or its content is gone"));
    }
    put(desk, act);
    desk.add(
        "DELETE FROM desk_packet WHERE digest = ?
           AND NOT EXISTS (SELECT 1 FROM desk_document d WHERE d.packet_digest = desk_packet.digest
             AND d.content_deleted IS NULL)
           AND NOT EXISTS (SELECT 1 FROM desk_inbox i WHERE i.packet_digest = desk_packet.digest
             AND i.content_deleted IS NULL) RETURNING file",
    )
    .bind(packet.as_bytes().as_slice());
    let rows = desk.fetch().await?;
    match rows.first() {
        Some(row) => Ok(row.try_get("file")?),
        None => Ok(None),
    }
}
