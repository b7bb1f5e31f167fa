//! Rows of the trust data of the time: lists, records, certificates and authorities, by content.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool};

use formats::id::{AgencyCode, Digest};
use formats::time::Timestamp;
use relay::store::DeskRows;

use super::documents::{damaged, digest, time};
use crate::fault::DeskError;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Certificate of an authority.
    Authority,
    /// Certificate of a signer.
    Certificate,
    /// Revocation list.
    List,
    /// Signed record.
    Record,
}

impl Kind {
    const fn code(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Certificate => "certificate",
            Self::List => "list",
            Self::Record => "record",
        }
    }
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) digest: Digest,
    pub(crate) kind: Kind,
    pub(crate) subject: String,
    pub(crate) begins: Timestamp,
    pub(crate) ends: Timestamp,
    pub(crate) bytes: Arc<[u8]>,
}

/// What a list is without its bytes.
#[derive(Clone, Debug)]
pub(crate) struct ListRow {
    pub(crate) digest: Digest,
    pub(crate) begins: Timestamp,
    pub(crate) ends: Timestamp,
}

/// Keeps rows; those that are there already stay as they are.
pub(crate) fn put(desk: &mut DeskRows<'_>, rows: &[Kept]) {
    for row in rows {
        desk.add(
            "INSERT INTO desk_kept (digest, kind, subject, begins, ends, bytes)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
        )
        .bind(row.digest.as_bytes().as_slice())
        .bind(row.kind.code())
        .bind(&row.subject)
        .bind(row.begins.unix_ms())
        .bind(row.ends.unix_ms())
        .bind(row.bytes.as_ref());
    }
}

/// Notes the last document that was looked at.
pub(crate) fn put_place(desk: &mut DeskRows<'_>, seq: i64) {
    desk.add(
        "INSERT INTO desk_kept_place (one, seq) VALUES (1, ?)
         ON CONFLICT (one) DO UPDATE SET seq = excluded.seq",
    )
    .bind(seq);
}

/// Forgets what ended before any document that is here was made.
pub(crate) fn prune(desk: &mut DeskRows<'_>, ended_before: Timestamp) {
    desk.add("DELETE FROM desk_kept WHERE ends < ?")
        .bind(ended_before.unix_ms());
}

/// Where the last process stopped.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) known: HashSet<Digest>,
    /// Beginning of the newest list of each issuer.
    pub(crate) lists: BTreeMap<String, Timestamp>,
    /// Subjects of records.
    pub(crate) records: BTreeSet<String>,
    pub(crate) seq: i64,
}

/// Reads where the last process stopped.
pub(crate) async fn place(pool: &SqlitePool) -> Result<Place, DeskError> {
    let mut place = Place::default();
    let rows = sqlx::query("SELECT digest, kind, subject, begins FROM desk_kept ORDER BY begins");
    for row in rows.fetch_all(pool).await? {
        place.known.insert(digest(&row, "digest")?);
        let (kind, subject): (String, String) = (row.try_get("kind")?, row.try_get("subject")?);
        if kind == Kind::List.code() {
            place.lists.insert(subject, time(&row, "begins")?);
        } else if kind == Kind::Record.code() {
            place.records.insert(subject);
        }
    }
    let seq = sqlx::query_scalar("SELECT seq FROM desk_kept_place");
    place.seq = seq.fetch_optional(pool).await?.unwrap_or(0);
    Ok(place)
}

/// Recipients of the documents after this one, of at most a thousand documents, and the last of those.
pub(crate) async fn recipients_after(
    pool: &SqlitePool,
    seq: i64,
) -> Result<(Vec<AgencyCode>, i64), DeskError> {
    let rows = sqlx::query(
        "SELECT r.recipient, max(d.seq) AS last FROM
           (SELECT seq, id FROM desk_document WHERE seq > ? ORDER BY seq LIMIT 1000) d
         JOIN desk_recipient r ON r.document = d.id GROUP BY r.recipient",
    )
    .bind(seq)
    .fetch_all(pool)
    .await?;
    let mut last = seq;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        last = last.max(row.try_get("last")?);
        let code: String = row.try_get("recipient")?;
        found.push(AgencyCode::parse(&code).map_err(|error| damaged(&error))?);
    }
    Ok((found, last))
}

/// When the oldest document that is here was made.
pub(crate) async fn oldest_document(pool: &SqlitePool) -> Result<Option<Timestamp>, DeskError> {
    let created: Option<i64> =
        sqlx::query_scalar("SELECT created FROM desk_document ORDER BY seq LIMIT 1")
            .fetch_optional(pool)
            .await?;
    Ok(created.map(Timestamp::from_unix_ms))
}

/// Rows of one kind about these subjects.
pub(crate) async fn about(
    pool: &SqlitePool,
    kind: Kind,
    subjects: &BTreeSet<String>,
) -> Result<Vec<Kept>, DeskError> {
    let mut found = Vec::new();
    let all: Vec<&String> = subjects.iter().collect();
    for part in all.chunks(SUBJECTS) {
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM desk_kept WHERE kind = ");
        sql.push_bind(kind.code()).push(" AND subject IN (");
        let mut list = sql.separated(", ");
        for subject in part {
            list.push_bind(subject.as_str());
        }
        sql.push(") ORDER BY begins");
        for row in sql.build().fetch_all(pool).await? {
            found.push(kept(&row, kind)?);
        }
    }
    Ok(found)
}

/// Every authority that was ever kept.
pub(crate) async fn authorities(pool: &SqlitePool) -> Result<Vec<Kept>, DeskError> {
    let rows = sqlx::query("SELECT * FROM desk_kept WHERE kind = 'authority' ORDER BY begins");
    let rows = rows.fetch_all(pool).await?;
    rows.iter().map(|row| kept(row, Kind::Authority)).collect()
}

/// Lists of an issuer, oldest first.
pub(crate) async fn lists(pool: &SqlitePool, issuer: &str) -> Result<Vec<ListRow>, DeskError> {
    let rows = sqlx::query(
        "SELECT digest, begins, ends FROM desk_kept WHERE kind = 'list' AND subject = ?
         ORDER BY begins",
    )
    .bind(issuer)
    .fetch_all(pool)
    .await?;
    let read = |row: &SqliteRow| {
        Ok(ListRow {
            digest: digest(row, "digest")?,
            begins: time(row, "begins")?,
            ends: time(row, "ends")?,
        })
    };
    rows.iter().map(read).collect()
}

/// The bytes of one row.
pub(crate) async fn bytes(pool: &SqlitePool, wanted: Digest) -> Result<Arc<[u8]>, DeskError> {
    let row = sqlx::query("SELECT bytes FROM desk_kept WHERE digest = ?")
        .bind(wanted.as_bytes().as_slice())
        .fetch_one(pool)
        .await?;
    whole(&row, wanted)
}

fn kept(row: &SqliteRow, kind: Kind) -> Result<Kept, DeskError> {
    let wanted = digest(row, "digest")?;
    Ok(Kept {
        digest: wanted,
        kind,
        subject: row.try_get("subject")?,
        begins: time(row, "begins")?,
        ends: time(row, "ends")?,
        bytes: whole(row, wanted)?,
    })
}

/// The bytes, if they still have their digest.
fn whole(row: &SqliteRow, wanted: Digest) -> Result<Arc<[u8]>, DeskError> {
    let bytes: Vec<u8> = row.try_get("bytes")?;
    match Digest::of(&bytes) == wanted {
        true => Ok(bytes.into()),
        false => Err(damaged(&"kept trust data does not have its digest")),
    }
}

/// Subjects asked for at once.
const SUBJECTS: usize = 500;
