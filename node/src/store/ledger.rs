//! Reading the ledger of sent documents: lists, one document, its recipients and their steps.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool};

use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::reason::Reason;
use formats::time::Timestamp;

use super::access::time_option;
use super::documents::{code, damaged, digest, envelope, from_json, state, time};
use super::{acts, keeping};
use crate::desk::DocumentFilter;
use crate::fault::DeskError;
use crate::fold::patterns;
use crate::life::{Act, Life};
use crate::view::{
    BusinessView, Counts, DocumentRow, DocumentView, PacketFacts, RecipientState, RecipientView,
    SignatureView, StateCounts, TimeProof, WaitingView,
};

/// A sent document as stored, with what the views do not show.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) view: DocumentView,
    pub(crate) packet: Digest,
    pub(crate) packet_signature: Vec<u8>,
}

/// Rows newest first, each with its place in the order.
pub(crate) async fn list(
    pool: &SqlitePool,
    agency: &AgencyCode,
    filter: &DocumentFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, DocumentRow)>, DeskError> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM desk_document d WHERE d.agency = ");
    sql.push_bind(agency.as_str());
    if let Some(kind) = filter.kind {
        sql.push(" AND d.kind = ").push_bind(kind);
    }
    if !filter.states.is_empty() {
        sql.push(" AND EXISTS (SELECT 1 FROM desk_recipient r WHERE r.document = d.id");
        sql.push(" AND r.replaced = 0 AND r.state IN (");
        let mut list = sql.separated(", ");
        for state in &filter.states {
            list.push_bind(state.code());
        }
        sql.push("))");
    }
    for pattern in filter.text.as_deref().map(patterns).unwrap_or_default() {
        sql.push(" AND d.search_text LIKE ")
            .push_bind(pattern)
            .push(" ESCAPE '\\'");
    }
    if let Some(from) = filter.from {
        sql.push(" AND d.created >= ").push_bind(from.unix_ms());
    }
    if let Some(to) = filter.to {
        sql.push(" AND d.created < ").push_bind(to.unix_ms());
    }
    if let Some(before) = before {
        sql.push(" AND d.seq < ").push_bind(before);
    }
    sql.push(" ORDER BY d.seq DESC LIMIT ")
        .push_bind(i64::from(limit));
    let rows = sql.build().fetch_all(pool).await?;
    with_recipients(pool, &rows).await
}

/// Documents under these natural keys, newest first.
pub(crate) async fn by_natural(
    pool: &SqlitePool,
    agency: &AgencyCode,
    naturals: &[String],
) -> Result<Vec<DocumentRow>, DeskError> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM desk_document d WHERE d.agency = ");
    sql.push_bind(agency.as_str()).push(" AND d.natural IN (");
    let mut list = sql.separated(", ");
    for natural in naturals {
        list.push_bind(natural);
    }
    sql.push(") ORDER BY d.seq DESC LIMIT 200");
    let rows = sql.build().fetch_all(pool).await?;
    Ok(with_recipients(pool, &rows)
        .await?
        .into_iter()
        .map(|(_, row)| row)
        .collect())
}

async fn with_recipients(
    pool: &SqlitePool,
    rows: &[SqliteRow],
) -> Result<Vec<(i64, DocumentRow)>, DeskError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT document, state, count(*) AS n FROM desk_recipient
         WHERE replaced = 0 AND document IN (",
    );
    push_ids(&mut sql, rows)?;
    sql.push(") GROUP BY document, state");
    let mut counts: BTreeMap<String, StateCounts> = BTreeMap::new();
    for row in sql.build().fetch_all(pool).await? {
        let more: i64 = row.try_get("n")?;
        counts
            .entry(row.try_get("document")?)
            .or_default()
            .add(state(&row)?, u64::try_from(more).unwrap_or(0));
    }
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT document, name FROM desk_recipient
         WHERE replaced = 0 AND position < 3 AND document IN (",
    );
    push_ids(&mut sql, rows)?;
    sql.push(") ORDER BY document, position");
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in sql.build().fetch_all(pool).await? {
        names
            .entry(row.try_get("document")?)
            .or_default()
            .push(row.try_get("name")?);
    }
    rows.iter()
        .map(|row| {
            let id: String = row.try_get("id")?;
            let counts = counts.get(&id).copied().unwrap_or_default();
            let names = names.remove(&id).unwrap_or_default();
            Ok((row.try_get("seq")?, document_row(row, counts, names)?))
        })
        .collect()
}

fn push_ids(sql: &mut QueryBuilder<Sqlite>, rows: &[SqliteRow]) -> Result<(), DeskError> {
    let mut list = sql.separated(", ");
    for row in rows {
        list.push_bind(row.try_get::<String, _>("id")?);
    }
    Ok(())
}

fn document_row(
    row: &SqliteRow,
    counts: StateCounts,
    recipient_names: Vec<String>,
) -> Result<DocumentRow, DeskError> {
    let facts: PacketFacts = from_json(&row.try_get::<String, _>("facts")?)?;
    let kind: String = row.try_get("kind")?;
    Ok(DocumentRow {
        id: envelope(row, "id")?,
        kind: if kind == "status" {
            "status"
        } else {
            "document"
        },
        local_id: row.try_get("local_id")?,
        code: facts.code,
        subject: facts.subject,
        type_name: facts.type_name,
        priority: facts.priority,
        business: facts.business,
        recipient_names,
        counts,
        state: counts.worst(),
        created: time(row, "created")?,
        updated: time(row, "updated")?,
    })
}

/// One document of this agency.
pub(crate) async fn document(
    pool: &SqlitePool,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<Document, DeskError> {
    let row = sqlx::query("SELECT * FROM desk_document WHERE id = ? AND agency = ?")
        .bind(id.to_string())
        .bind(agency.as_str())
        .fetch_optional(pool)
        .await?
        .ok_or(DeskError::NotFound)?;
    let rows = with_recipients(pool, std::slice::from_ref(&row)).await?;
    let (_, list_row) = rows.into_iter().next().ok_or(DeskError::NotFound)?;
    let envelopes = sqlx::query("SELECT id FROM desk_envelope WHERE document = ? ORDER BY id")
        .bind(id.to_string())
        .fetch_all(pool)
        .await?;
    let packet = digest(&row, "packet_digest")?;
    let stamped_at = time_option(&row, "stamped_at")?;
    let bytes: i64 = row.try_get("packet_bytes")?;
    let view = DocumentView {
        facts: from_json(&row.try_get::<String, _>("facts")?)?,
        sender: code(&row, "agency")?,
        envelopes: envelopes
            .iter()
            .map(|row| envelope(row, "id"))
            .collect::<Result<_, _>>()?,
        expires: time(&row, "expires")?,
        packet_bytes: u64::try_from(bytes).unwrap_or(0),
        packet_digest: packet.to_string(),
        signature: SignatureView {
            signer: code(&row, "agency")?,
            certificate: digest(&row, "certificate")?.to_string(),
            signed_at: time(&row, "signed_at")?,
            stamped_at,
            time_proof: if stamped_at.is_some() {
                TimeProof::TimeStamp
            } else {
                TimeProof::Checkpoint
            },
        },
        attachments: from_json(&row.try_get::<String, _>("attachments")?)?,
        warnings: from_json(&row.try_get::<String, _>("warnings")?)?,
        resend_reason: row.try_get("resend_reason")?,
        content_deleted: keeping::deleted(&row)?,
        keeping: keeping::of_document(pool, agency, id).await?,
        row: list_row,
    };
    Ok(Document {
        view,
        packet,
        packet_signature: row.try_get("packet_signature")?,
    })
}

/// How many recipients are in which state, in one cheap read.
pub(crate) async fn progress(
    pool: &SqlitePool,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<StateCounts, DeskError> {
    let rows = sqlx::query(
        "SELECT r.state AS state, count(*) AS n FROM desk_document d
         JOIN desk_recipient r ON r.document = d.id AND r.replaced = 0
         WHERE d.id = ? AND d.agency = ? GROUP BY r.state",
    )
    .bind(id.to_string())
    .bind(agency.as_str())
    .fetch_all(pool)
    .await?;
    let mut counts = StateCounts::default();
    for row in &rows {
        let more: i64 = row.try_get("n")?;
        counts.add(state(row)?, u64::try_from(more).unwrap_or(0));
    }
    // A document without recipients is never accepted.
    if rows.is_empty() {
        Err(DeskError::NotFound)
    } else {
        Ok(counts)
    }
}

/// Its recipients in the order of the packet.
pub(crate) async fn recipients(
    pool: &SqlitePool,
    document: EnvelopeId,
) -> Result<Vec<RecipientView>, DeskError> {
    let rows = sqlx::query(
        "SELECT * FROM desk_recipient WHERE document = ? AND replaced = 0 ORDER BY position",
    )
    .bind(document.to_string())
    .fetch_all(pool)
    .await?;
    let mut acts = acts::of_document(pool, document).await?;
    rows.iter()
        .map(|row| {
            let said = acts.remove(&row.try_get::<String, _>("recipient")?);
            recipient(row, said.unwrap_or_default())
        })
        .collect()
}

fn recipient(row: &SqliteRow, said: Vec<Act>) -> Result<RecipientView, DeskError> {
    let state = state(row)?;
    let withdrawn = (state == RecipientState::Withdrawn).then(|| time(row, "updated"));
    let arrived = time_option(row, "delivered_at")?;
    let life = Life::fold(said, arrived, withdrawn.transpose()?);
    let waiting = match time_option(row, "retry_at")? {
        None => None,
        Some(next_at) => {
            let attempt: i64 = row.try_get("retry_attempt")?;
            reason(row, "retry_reason")?.map(|reason| WaitingView {
                reason: reason.into(),
                next_at,
                attempt: u32::try_from(attempt).unwrap_or(0),
            })
        }
    };
    Ok(RecipientView {
        code: code(row, "recipient")?,
        name: row.try_get("name")?,
        written_as: row.try_get("written_as")?,
        envelope: envelope(row, "envelope")?,
        state,
        business: BusinessView::from(&life),
        deadlines: Vec::new(),
        reason: reason(row, "reason")?.map(Into::into),
        waiting,
        accepted_at: time(row, "accepted_at")?,
        relayed_at: time_option(row, "relayed_at")?,
        delivered_at: time_option(row, "delivered_at")?,
        handed_over_at: time_option(row, "handed_over_at")?,
        updated: time(row, "updated")?,
    })
}

/// One step of a recipient that no statement tells.
#[derive(Debug)]
pub(crate) struct StoredStep {
    pub(crate) event: String,
    pub(crate) at: Timestamp,
    pub(crate) who: String,
    pub(crate) reason: Option<Reason>,
    pub(crate) clock_unsure: bool,
}

/// Local steps by (envelope, recipient), oldest first. Earlier versions kept a row beside each statement too:
/// those have a leaf, or repeat what the own log says of a stopped leg.
pub(crate) async fn steps(
    pool: &SqlitePool,
    document: EnvelopeId,
) -> Result<BTreeMap<(String, String), Vec<StoredStep>>, DeskError> {
    let rows = sqlx::query(
        "SELECT s.* FROM desk_envelope e JOIN desk_step s ON s.envelope = e.id
         WHERE e.document = ? AND s.leaf IS NULL AND s.event <> 'stopped' ORDER BY s.at, s.seq",
    )
    .bind(document.to_string())
    .fetch_all(pool)
    .await?;
    let mut all: BTreeMap<(String, String), Vec<StoredStep>> = BTreeMap::new();
    for row in &rows {
        let step = StoredStep {
            event: row.try_get("event")?,
            at: time(row, "at")?,
            who: row.try_get("who")?,
            reason: reason(row, "reason")?,
            clock_unsure: row.try_get("clock_unsure")?,
        };
        all.entry((row.try_get("envelope")?, row.try_get("recipient")?))
            .or_default()
            .push(step);
    }
    Ok(all)
}

/// An envelope of a document, for the proof package.
#[derive(Debug)]
pub(crate) struct StoredEnvelope {
    pub(crate) id: String,
    pub(crate) header: Vec<u8>,
    pub(crate) header_signature: Vec<u8>,
    pub(crate) salt: Vec<u8>,
}

pub(crate) async fn envelopes(
    pool: &SqlitePool,
    document: EnvelopeId,
) -> Result<Vec<StoredEnvelope>, DeskError> {
    let rows = sqlx::query(
        "SELECT id, header, header_signature, salt FROM desk_envelope WHERE document = ? ORDER BY id",
    )
    .bind(document.to_string())
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredEnvelope {
                id: row.try_get("id")?,
                header: row.try_get("header")?,
                header_signature: row.try_get("header_signature")?,
                salt: row.try_get("salt")?,
            })
        })
        .collect()
}

/// Numbers for the rail.
pub(crate) async fn counts(pool: &SqlitePool, agency: &AgencyCode) -> Result<Counts, DeskError> {
    let has = |states: &str| {
        format!(
            "(SELECT count(*) FROM desk_document d WHERE d.agency = ?1 AND d.kind = 'document' AND EXISTS (SELECT 1 FROM
               desk_recipient r WHERE r.document = d.id AND r.replaced = 0 AND r.state IN ({states})))"
        )
    };
    let sql = format!(
        "SELECT (SELECT count(*) FROM desk_document WHERE agency = ?1 AND kind = 'document') AS sent,
           {} AS moving, {} AS trouble,
           (SELECT count(*) FROM desk_inbox WHERE agency = ?1 AND kind = 'document'
             AND state = 'new') AS fresh,
           (SELECT count(*) FROM desk_inbox WHERE agency = ?1 AND kind = 'document'
             AND state <> 'quarantined') AS inbox,
           (SELECT count(*) FROM desk_inbox WHERE agency = ?1 AND state = 'quarantined') AS aside",
        has("'accepted', 'relayed'"),
        has("'refused', 'expired'"),
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(agency.as_str())
        .fetch_one(pool)
        .await?;
    let count = |column: &str| -> Result<u64, DeskError> {
        Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
    };
    Ok(Counts {
        sent: count("sent")?,
        moving: count("moving")?,
        trouble: count("trouble")?,
        inbox_new: count("fresh")?,
        inbox: count("inbox")?,
        quarantined: count("aside")?,
    })
}

fn reason(row: &SqliteRow, column: &str) -> Result<Option<Reason>, DeskError> {
    let code: Option<String> = row.try_get(column)?;
    code.map(|code| code.parse().map_err(|error| damaged(&error)))
        .transpose()
}
