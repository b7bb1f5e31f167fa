//! Rows of checked attachments, and which received packets have attachments to check.

use std::collections::BTreeMap;

use formats::id::Digest;
use formats::time::Timestamp;
use pki::pdf::PdfReport;
use relay::store::DeskRows;
use sqlx::{Row, SqlitePool};

use super::documents::{digest, from_json, json, time};
use crate::fault::DeskError;
use crate::view::AttachmentView;

/// A received packet whose attachments may be wanted.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) seq: i64,
    pub(crate) packet: Digest,
    pub(crate) attachments: Vec<AttachmentView>,
}

/// A finished check.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) packet: Digest,
    pub(crate) attachment: u32,
    pub(crate) report: PdfReport,
}

/// Received documents after a place, oldest first.
pub(crate) async fn after(
    pool: &SqlitePool,
    seq: i64,
    limit: u32,
) -> Result<Vec<Candidate>, DeskError> {
    let rows = sqlx::query(
        "SELECT seq, packet_digest, attachments FROM desk_inbox
         WHERE seq > ? AND kind = 'document' AND packet_digest IS NOT NULL ORDER BY seq LIMIT ?",
    )
    .bind(seq)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Candidate {
                seq: row.try_get("seq")?,
                packet: digest(row, "packet_digest")?,
                attachments: from_json(&row.try_get::<String, _>("attachments")?)?,
            })
        })
        .collect()
}

/// Attachments of a packet that were checked with these anchors.
pub(crate) async fn done(
    pool: &SqlitePool,
    packet: Digest,
    anchors: Digest,
) -> Result<Vec<u32>, DeskError> {
    let rows = sqlx::query("SELECT attachment FROM desk_check WHERE packet = ? AND anchors = ?")
        .bind(packet.as_bytes().as_slice())
        .bind(anchors.as_bytes().as_slice())
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|row| Ok(row.try_get("attachment")?))
        .collect()
}

/// What is known of a packet's attachments, by whatever anchors: an old answer is better than none
/// while the new one is on its way.
pub(crate) async fn of(
    pool: &SqlitePool,
    packet: Digest,
) -> Result<BTreeMap<u32, (PdfReport, Timestamp)>, DeskError> {
    let rows = sqlx::query("SELECT attachment, report, checked FROM desk_check WHERE packet = ?")
        .bind(packet.as_bytes().as_slice())
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|row| {
            let report = from_json(&row.try_get::<String, _>("report")?)?;
            Ok((row.try_get("attachment")?, (report, time(row, "checked")?)))
        })
        .collect()
}

/// Writes finished checks.
pub(crate) fn put(desk: &mut DeskRows<'_>, all: &[Checked], anchors: Digest, now: Timestamp) {
    for one in all {
        let verdict = one.report.verdict().map_or("none", pki::pdf::Verdict::code);
        desk.add(
            "INSERT INTO desk_check (packet, attachment, anchors, verdict, report, checked)
             VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (packet, attachment) DO UPDATE SET anchors = excluded.anchors,
               verdict = excluded.verdict, report = excluded.report, checked = excluded.checked",
        )
        .bind(one.packet.as_bytes().as_slice())
        .bind(i64::from(one.attachment))
        .bind(anchors.as_bytes().as_slice())
        .bind(verdict)
        .bind(json(&one.report))
        .bind(now.unix_ms());
    }
}
