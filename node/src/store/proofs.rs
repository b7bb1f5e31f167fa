//! What the receipts of a document are told from, read in one visit to the database: senders' systems ask for
//! them after every document.

use sqlx::{Row, SqlitePool};

use formats::id::{AgencyCode, Digest, EnvelopeId};

use super::documents::{damaged, digest, envelope, state};
use crate::fault::DeskError;
use crate::view::StateCounts;

/// A document's receipts, before the bundles are read.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) packet_digest: Digest,
    pub(crate) packet_signature: Vec<u8>,
    /// Recipients by state.
    pub(crate) counts: StateCounts,
    /// Envelopes with the salts of their commitments.
    pub(crate) openings: Vec<(EnvelopeId, Vec<u8>)>,
    /// Bundles in the order in which they came, each with the positions of the document's statements.
    pub(crate) bundles: Vec<(Digest, Vec<usize>)>,
}

const PARTS: &str = "
  SELECT 0 AS part, packet_digest, packet_signature FROM desk_document WHERE id = ?1 AND agency = ?2;
  SELECT 1 AS part, state, count(*) AS n FROM desk_recipient
   WHERE document = ?1 AND replaced = 0 GROUP BY state;
  SELECT 2 AS part, id, salt FROM desk_envelope WHERE document = ?1 ORDER BY id;
  SELECT 3 AS part, r.bundle, r.position FROM desk_envelope e
    JOIN desk_receipt r ON r.envelope = e.id JOIN desk_bundle b ON b.digest = r.bundle
   WHERE e.document = ?1 ORDER BY b.received, r.bundle, r.position";

/// Where everything lies; [`DeskError::NotFound`] for a document of another agency.
pub(crate) async fn places(
    pool: &SqlitePool,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<Places, DeskError> {
    let rows = sqlx::query(PARTS)
        .bind(id.to_string())
        .bind(agency.as_str())
        .fetch_all(pool)
        .await?;
    let mut packet = None;
    let mut counts = StateCounts::default();
    let mut openings = Vec::new();
    let mut bundles: Vec<(Digest, Vec<usize>)> = Vec::new();
    for row in &rows {
        match row.try_get::<i64, _>("part")? {
            0 => {
                packet = Some((
                    digest(row, "packet_digest")?,
                    row.try_get("packet_signature")?,
                ))
            }
            1 => counts.add(
                state(row)?,
                u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0),
            ),
            2 => openings.push((envelope(row, "id")?, row.try_get("salt")?)),
            _ => {
                let bundle = digest(row, "bundle")?;
                let position: i64 = row.try_get("position")?;
                let position = usize::try_from(position).map_err(|error| damaged(&error))?;
                match bundles.last_mut() {
                    Some((last, positions)) if *last == bundle => positions.push(position),
                    Some(_) | None => bundles.push((bundle, vec![position])),
                }
            }
        }
    }
    let (packet_digest, packet_signature) = packet.ok_or(DeskError::NotFound)?;
    Ok(Places {
        packet_digest,
        packet_signature,
        counts,
        openings,
        bundles,
    })
}
