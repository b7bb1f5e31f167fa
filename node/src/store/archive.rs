//! Rows of archived packages.

use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;
use relay::store::DeskRows;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use super::documents::{damaged, envelope, time};
use crate::fault::DeskError;

/// One archived package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archived {
    pub(crate) document: EnvelopeId,
    pub(crate) agency: AgencyCode,
    pub(crate) archived: Timestamp,
    pub(crate) package_bytes: u64,
    /// Number of the newest record, from 1.
    pub(crate) record: u32,
    pub(crate) hash: String,
    pub(crate) stamped: Timestamp,
    pub(crate) tsa: String,
    pub(crate) certificate_end: Timestamp,
    pub(crate) algorithm: Option<(String, Timestamp)>,
    pub(crate) renew_before: Timestamp,
}

/// Documents whose last recipient became final before this time and which are not archived yet.
pub(crate) async fn to_archive(
    pool: &SqlitePool,
    final_before: Timestamp,
    limit: u32,
) -> Result<Vec<(EnvelopeId, AgencyCode)>, DeskError> {
    let rows = sqlx::query(
        "SELECT d.id, d.agency FROM desk_document d
         WHERE d.kind = 'document' AND d.created < ?1
           AND NOT EXISTS (SELECT 1 FROM desk_archive a WHERE a.document = d.id)
           AND NOT EXISTS (SELECT 1 FROM desk_recipient r WHERE r.document = d.id
             AND (r.final = 0 OR r.updated >= ?1))
         ORDER BY d.seq LIMIT ?2",
    )
    .bind(final_before.unix_ms())
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| Ok((envelope(row, "id")?, agency(row)?)))
        .collect()
}

/// Packages whose newest time-stamp ends before this time, the first to end first.
pub(crate) async fn to_renew(
    pool: &SqlitePool,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<Archived>, DeskError> {
    let rows = sqlx::query(
        "SELECT * FROM desk_archive WHERE renew_before < ? ORDER BY renew_before LIMIT ?",
    )
    .bind(before.unix_ms())
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(archived).collect()
}

/// Packages of an agency, the first to end first.
pub(crate) async fn of_agency(
    pool: &SqlitePool,
    code: &AgencyCode,
    limit: u32,
) -> Result<Vec<Archived>, DeskError> {
    let rows =
        sqlx::query("SELECT * FROM desk_archive WHERE agency = ? ORDER BY renew_before LIMIT ?")
            .bind(code.as_str())
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?;
    rows.iter().map(archived).collect()
}

/// How many there are, and the first end.
pub(crate) async fn count(pool: &SqlitePool) -> Result<(u64, Option<Timestamp>), DeskError> {
    let row = sqlx::query("SELECT COUNT(*) AS n, MIN(renew_before) AS first FROM desk_archive")
        .fetch_one(pool)
        .await?;
    let count: i64 = row.try_get("n")?;
    let first: Option<i64> = row.try_get("first")?;
    let count = u64::try_from(count).map_err(|error| damaged(&error))?;
    Ok((count, first.map(Timestamp::from_unix_ms)))
}

/// Puts a row, in the place of the one before it.
pub(crate) fn put(desk: &mut DeskRows<'_>, one: &Archived) {
    let (algorithm, end) = one.algorithm.clone().unzip();
    desk.add(
        "INSERT OR REPLACE INTO desk_archive (document, agency, archived, package_bytes, record, hash, stamped, tsa,
           certificate_end, algorithm, algorithm_end, renew_before) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(one.document.to_string())
    .bind(one.agency.to_string())
    .bind(one.archived.unix_ms())
    .bind(i64::try_from(one.package_bytes).unwrap_or(i64::MAX))
    .bind(i64::from(one.record))
    .bind(&one.hash)
    .bind(one.stamped.unix_ms())
    .bind(&one.tsa)
    .bind(one.certificate_end.unix_ms())
    .bind(algorithm)
    .bind(end.map(Timestamp::unix_ms))
    .bind(one.renew_before.unix_ms());
}

fn archived(row: &SqliteRow) -> Result<Archived, DeskError> {
    let algorithm: Option<String> = row.try_get("algorithm")?;
    let end: Option<i64> = row.try_get("algorithm_end")?;
    let bytes: i64 = row.try_get("package_bytes")?;
    Ok(Archived {
        document: envelope(row, "document")?,
        agency: agency(row)?,
        archived: time(row, "archived")?,
        package_bytes: u64::try_from(bytes).map_err(|error| damaged(&error))?,
        record: row.try_get("record")?,
        hash: row.try_get("hash")?,
        stamped: time(row, "stamped")?,
        tsa: row.try_get("tsa")?,
        certificate_end: time(row, "certificate_end")?,
        algorithm: algorithm.zip(end.map(Timestamp::from_unix_ms)),
        renew_before: time(row, "renew_before")?,
    })
}

fn agency(row: &SqliteRow) -> Result<AgencyCode, DeskError> {
    let code: String = row.try_get("agency")?;
    AgencyCode::parse(&code).map_err(|error| damaged(&error))
}
