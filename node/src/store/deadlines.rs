//! Rows of documents whose clocks run.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;

use super::access::time_option;
use super::acts;
use super::documents::{code, envelope, from_json, state, time};
use crate::deadlines::ended;
use crate::fault::DeskError;
use crate::life::{Act, Life, Side};
use crate::view::{PacketFacts, RecipientState};

/// A document that may have a clock running.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) id: EnvelopeId,
    pub(crate) local_id: String,
    pub(crate) peer: AgencyCode,
    pub(crate) peer_name: String,
    pub(crate) facts: PacketFacts,
    pub(crate) life: Life,
    pub(crate) taken: Timestamp,
    pub(crate) relayed: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
}

/// Those whose next clock ends before `until` (any when absent), soonest first.
pub(crate) async fn candidates(
    pool: &SqlitePool,
    agency: &AgencyCode,
    side: Side,
    until: Option<Timestamp>,
    limit: u32,
) -> Result<Vec<Candidate>, DeskError> {
    let until = until.map_or(i64::MAX, Timestamp::unix_ms);
    let sql = match side {
        Side::Received => {
            "SELECT envelope AS id, local_id, sender AS peer, facts, received AS taken
             FROM desk_inbox WHERE agency = ?1 AND due <= ?2 AND state <> 'quarantined'
             ORDER BY due LIMIT ?3"
        }
        Side::Sent => {
            "SELECT d.id AS id, d.local_id AS local_id, r.recipient AS peer, r.name AS peer_name,
               d.facts AS facts, d.created AS taken, r.relayed_at AS relayed_at,
               r.delivered_at AS delivered_at, r.state AS state, r.updated AS updated
             FROM desk_recipient r CROSS JOIN desk_document d ON d.id = r.document
             WHERE r.due <= ?2 AND d.agency = ?1 AND r.replaced = 0 AND d.kind = 'document'
             ORDER BY r.due LIMIT ?3"
        }
    };
    let rows = sqlx::query(sql)
        .bind(agency.as_str())
        .bind(until)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    let mut threads: BTreeMap<String, BTreeMap<String, Vec<Act>>> = BTreeMap::new();
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        all.push(match side {
            Side::Received => received(pool, agency, row).await?,
            Side::Sent => {
                let local_id: String = row.try_get("local_id")?;
                if !threads.contains_key(&local_id) {
                    let said = acts::sent(pool, agency, &local_id).await?;
                    threads.insert(local_id.clone(), said);
                }
                let said = threads.get_mut(&local_id);
                sent(row, said)?
            }
        });
    }
    Ok(all)
}

async fn received(
    pool: &SqlitePool,
    agency: &AgencyCode,
    row: &SqliteRow,
) -> Result<Candidate, DeskError> {
    let peer = code(row, "peer")?;
    let local_id: String = row.try_get("local_id")?;
    let taken = time(row, "taken")?;
    let said = acts::received(pool, agency, peer.as_str(), &local_id).await?;
    let life = Life::fold(said, Some(taken), None);
    let facts: PacketFacts = from_json(&row.try_get::<String, _>("facts")?)?;
    Ok(Candidate {
        id: envelope(row, "id")?,
        local_id,
        peer_name: facts.sender_name.clone(),
        peer,
        facts,
        ended: life.gone(),
        life,
        taken,
        relayed: None,
    })
}

fn sent(
    row: &SqliteRow,
    said: Option<&mut BTreeMap<String, Vec<Act>>>,
) -> Result<Candidate, DeskError> {
    let peer = code(row, "peer")?;
    let (state, updated) = (state(row)?, time(row, "updated")?);
    let withdrawn = (state == RecipientState::Withdrawn).then_some(updated);
    let said = said.and_then(|all| all.get(peer.as_str()).cloned());
    let life = Life::fold(
        said.unwrap_or_default(),
        time_option(row, "delivered_at")?,
        withdrawn,
    );
    Ok(Candidate {
        id: envelope(row, "id")?,
        local_id: row.try_get("local_id")?,
        peer,
        peer_name: row.try_get("peer_name")?,
        facts: from_json(&row.try_get::<String, _>("facts")?)?,
        ended: ended(state, life.gone().is_some(), updated),
        life,
        taken: time(row, "taken")?,
        relayed: time_option(row, "relayed_at")?,
    })
}
