//! Brings the envelopes that a batch is about into the writer's memory: each with all its legs, so that
//! the plan needs no question later. What the memory knows already is not asked for.

use std::collections::BTreeSet;

use formats::id::{EnvelopeId, Party};
use formats::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use crate::store::leg::{EnvelopeKey, LegId};
use crate::store::memory::Memory;
use crate::store::mend::{self, Place};
use crate::store::read::ReadError;
use crate::store::rows::{EnvelopeEntry, LEG_COLUMNS, LegRow, name};
use crate::store::{Change, Write};

/// What a batch needs and the memory does not have.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    names: BTreeSet<(Party, EnvelopeId)>,
    legs: BTreeSet<LegId>,
    keys: BTreeSet<EnvelopeKey>,
}

impl Wanted {
    pub(super) fn of<'a>(changes: impl Iterator<Item = &'a Change>, memory: &Memory) -> Self {
        let mut wanted = Self::default();
        for write in changes.flat_map(|change| &change.station) {
            match write {
                Write::Accept(accept) => drop(wanted.names.insert(name(&accept.header))),
                Write::Withdraw(back) => drop(wanted.names.insert(name(&back.header))),
                Write::Move(one) => drop(wanted.legs.insert(one.leg)),
                Write::Route { leg, .. } => drop(wanted.legs.insert(*leg)),
                Write::SetAside(aside) => drop(wanted.keys.insert(aside.envelope)),
                Write::ReleaseBody { envelope } | Write::KeepEvidence { envelope, .. } => {
                    wanted.keys.insert(*envelope);
                }
                Write::SettleReceipts { .. } => {}
            }
        }
        wanted.names.retain(|name| !memory.knows_name(name));
        wanted.legs.retain(|leg| !memory.knows_leg(*leg));
        wanted.keys.retain(|key| !memory.knows(*key));
        wanted
    }
}

/// Loads what is wanted. What is not found is not in the memory afterwards.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    wanted: Wanted,
) -> Result<(), ReadError> {
    let mut found = Vec::new();
    if !wanted.names.is_empty() {
        found.extend(entries_by_name(connection, &wanted.names).await?);
    }
    if !wanted.legs.is_empty() || !wanted.keys.is_empty() {
        found.extend(entries_by_key(connection, &wanted.legs, &wanted.keys).await?);
    }
    if found.is_empty() {
        return Ok(());
    }
    load_legs(connection, &mut found).await?;
    for entry in found {
        memory.insert(entry);
    }
    Ok(())
}

const ENTRY_COLUMNS: &str =
    "e.key, e.header, e.header_digest, e.keep_body, e.body_kind, e.body_file";

async fn entries_by_name(
    connection: &mut SqliteConnection,
    names: &BTreeSet<(Party, EnvelopeId)>,
) -> Result<Vec<EnvelopeEntry>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query.push(ENTRY_COLUMNS).push(" FROM (");
    query.push_values(names, |mut row, (sender, id)| {
        row.push_bind(sender.as_str().to_owned())
            .push_bind(id.as_bytes().to_vec());
    });
    query.push(") w CROSS JOIN envelope e ON e.sender = w.column1 AND e.id = w.column2");
    let rows = query
        .build()
        .persistent(names.len() == 1)
        .fetch_all(&mut *connection)
        .await?;
    entries(connection, &rows).await
}

async fn entries_by_key(
    connection: &mut SqliteConnection,
    legs: &BTreeSet<LegId>,
    keys: &BTreeSet<EnvelopeKey>,
) -> Result<Vec<EnvelopeEntry>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query
        .push(ENTRY_COLUMNS)
        .push(" FROM envelope e WHERE e.key IN (");
    query.push("SELECT envelope FROM leg WHERE id IN (");
    let mut list = query.separated(", ");
    for leg in legs {
        list.push_bind(leg.0);
    }
    query.push(") UNION ALL SELECT key FROM envelope WHERE key IN (");
    let mut list = query.separated(", ");
    for key in keys {
        list.push_bind(key.0);
    }
    query.push("))");
    let rows = query
        .build()
        .persistent(legs.len() + keys.len() == 1)
        .fetch_all(&mut *connection)
        .await?;
    entries(connection, &rows).await
}

/// One row that is damaged must not stop the others of the batch: it is put right if its digest proves how, else
/// it counts as not here.
async fn entries(
    connection: &mut SqliteConnection,
    rows: &[SqliteRow],
) -> Result<Vec<EnvelopeEntry>, ReadError> {
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        match EnvelopeEntry::read(row) {
            Ok(entry) => entries.push(entry),
            Err(ReadError::Damaged { row: key, .. }) => {
                let now = Timestamp::from_unix_ms(0);
                mend::mend(connection, Place::Envelope(key), now).await?;
                let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
                query
                    .push(ENTRY_COLUMNS)
                    .push(" FROM envelope e WHERE e.key = ");
                query.push_bind(key);
                let again = query.build().fetch_one(&mut *connection).await?;
                match EnvelopeEntry::read(&again) {
                    Ok(entry) => entries.push(entry),
                    Err(error) => {
                        tracing::error!(code = "TRAM-347", %error, "a damaged row is passed over");
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

async fn load_legs(
    connection: &mut SqliteConnection,
    entries: &mut Vec<EnvelopeEntry>,
) -> Result<(), ReadError> {
    entries.sort_by_key(|entry| entry.key);
    entries.dedup_by_key(|entry| entry.key);
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query
        .push(LEG_COLUMNS)
        .push(" FROM leg WHERE envelope IN (");
    let mut list = query.separated(", ");
    for entry in entries.iter() {
        list.push_bind(entry.key.0);
    }
    query.push(")");
    for row in query
        .build()
        .persistent(entries.len() == 1)
        .fetch_all(connection)
        .await?
    {
        let leg = LegRow::read(&row)?;
        let key = EnvelopeKey(row.try_get("envelope")?);
        if let Ok(at) = entries.binary_search_by_key(&key, |entry| entry.key) {
            entries[at].legs.insert(leg.id, leg);
        }
    }
    Ok(())
}
