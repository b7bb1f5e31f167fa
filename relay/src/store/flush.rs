//! Writes a decided batch as few multi-row statements: each statement costs about 40 µs in two thread
//! hops of the driver, a row in it almost nothing. Runs inside the writer's transaction; fails with the
//! database's error, after which the writer rolls everything back.

use formats::id::Digest;
use sqlx::query_builder::Separated;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::evidence::tree::{Tile, TileId};
use crate::store::leg::{EnvelopeKey, LegId};
use crate::store::memory::Memory;
use crate::store::plan::Plan;
use crate::store::rows::{BODY_FILE, BODY_INLINE, BODY_RELEASED, via_text};
use crate::store::{Accept, BodyPlace};

/// Rows in one statement: far below SQLite's 32,766 variables, and the text stays cheap to parse.
const ROWS_MAX: usize = 500;

/// Writes all rows of a plan. `position` is the first statement's, `tiles` the ones it filled.
pub(super) async fn flush(
    connection: &mut SqliteConnection,
    plan: &Plan,
    memory: &Memory,
    epoch: i64,
    position: i64,
    tiles: &[(TileId, Tile)],
) -> Result<(), sqlx::Error> {
    insert_envelopes(connection, &plan.envelopes).await?;
    for (key, accept) in &plan.renewed {
        renew_envelope(connection, *key, accept).await?;
    }
    upsert_legs(connection, plan, memory).await?;
    insert_statements(connection, plan, position).await?;
    insert_tiles(connection, epoch, tiles).await?;
    insert_owed(connection, plan).await?;
    insert_turns(connection, plan).await?;
    insert_evidence(connection, plan).await?;
    insert_conflicts(connection, &plan.conflicts).await?;
    settle(connection, &plan.settled).await?;
    release(connection, plan).await
}

type Row<'a, 'b> = Separated<'a, Sqlite, &'static str>;

async fn insert<T>(
    connection: &mut SqliteConnection,
    rows: &[T],
    head: &'static str,
    tail: &'static str,
    bind: impl Fn(&mut Row<'_, '_>, &T),
) -> Result<(), sqlx::Error> {
    for rows in rows.chunks(ROWS_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new(head);
        query.push_values(rows, |mut row, value| bind(&mut row, value));
        query.push(tail);
        // Only the text of one row comes again and again; the others would push it out of the cache.
        query
            .build()
            .persistent(rows.len() == 1)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn insert_envelopes(
    connection: &mut SqliteConnection,
    envelopes: &[(EnvelopeKey, Box<Accept>)],
) -> Result<(), sqlx::Error> {
    let head = "INSERT INTO envelope (key, sender, id, header_digest, header, header_signature, \
                capsule_bytes, source, via, received, expires, keep_body, body_kind, body_bytes, \
                body_file, body) ";
    insert(connection, envelopes, head, "", |row, (key, accept)| {
        let header = &accept.header;
        let context = header.context();
        row.push_bind(key.0)
            .push_bind(context.sender.as_str().to_owned())
            .push_bind(context.id.as_bytes().to_vec())
            .push_bind(bytes_of(header.digest()))
            .push_bind(header.bytes().to_vec())
            .push_bind(accept.header_signature.clone())
            .push_bind(i64::from(accept.capsule_bytes))
            .push_bind(accept.from.as_ref().map(|from| from.as_str().to_owned()))
            .push_bind(via_text(&accept.via))
            .push_bind(accept.received.unix_ms())
            .push_bind(context.expires.unix_ms())
            .push_bind(accept.keep_body);
        let body = BodyColumns::of(&accept.body);
        row.push_bind(body.kind)
            .push_bind(i64::try_from(header.body_bytes()).unwrap_or(i64::MAX))
            .push_bind(body.file)
            .push_bind(body.inline);
    })
    .await
}

/// The body came back with a higher attempt, perhaps on another way.
async fn renew_envelope(
    connection: &mut SqliteConnection,
    key: EnvelopeKey,
    accept: &Accept,
) -> Result<(), sqlx::Error> {
    let body = BodyColumns::of(&accept.body);
    sqlx::query(
        "UPDATE envelope SET source = ?, via = ?, header_signature = ?, body_kind = ?, \
         body_file = ?, body = ? WHERE key = ?",
    )
    .bind(accept.from.as_ref().map(|from| from.as_str().to_owned()))
    .bind(via_text(&accept.via))
    .bind(accept.header_signature.clone())
    .bind(body.kind)
    .bind(body.file)
    .bind(body.inline)
    .bind(key.0)
    .execute(connection)
    .await?;
    Ok(())
}

struct BodyColumns {
    kind: i64,
    file: Option<String>,
    inline: Option<Vec<u8>>,
}

impl BodyColumns {
    fn of(place: &BodyPlace) -> Self {
        match place {
            BodyPlace::Inline(body) => Self {
                kind: BODY_INLINE,
                file: None,
                inline: Some(body.to_vec()),
            },
            BodyPlace::File { name, .. } => Self {
                kind: BODY_FILE,
                file: Some(name.clone()),
                inline: None,
            },
        }
    }
}

/// New and changed legs alike.
async fn upsert_legs(
    connection: &mut SqliteConnection,
    plan: &Plan,
    memory: &Memory,
) -> Result<(), sqlx::Error> {
    let head = "INSERT INTO leg (id, envelope, recipient, next_hop, phase, reason, next_at, tries, \
                attempt, priority, received, changed, expires, last_statement, last_epoch) ";
    let tail = " ON CONFLICT (id) DO UPDATE SET next_hop = excluded.next_hop, \
                phase = excluded.phase, reason = excluded.reason, next_at = excluded.next_at, \
                tries = excluded.tries, attempt = excluded.attempt, changed = excluded.changed, \
                last_statement = excluded.last_statement, last_epoch = excluded.last_epoch";
    // A leg of a change that was undone is in the plan's set and no more in the memory.
    let legs: Vec<_> = plan
        .legs
        .iter()
        .filter_map(|leg: &LegId| memory.leg(*leg))
        .collect();
    insert(connection, &legs, head, tail, |row, (entry, leg)| {
        let context = entry.header.context();
        let (epoch, last) = match &leg.last_statement {
            Some((epoch, digest)) => (*epoch, Some(bytes_of(*digest))),
            None => (0, None),
        };
        row.push_bind(leg.id.0)
            .push_bind(entry.key.0)
            .push_bind(leg.recipient.as_str().to_owned())
            .push_bind(leg.next_hop.as_ref().map(|hop| hop.as_str().to_owned()))
            .push_bind(leg.state.phase().code())
            .push_bind(leg.state.reason().map(|reason| reason.code()))
            .push_bind(leg.next_at.unix_ms())
            .push_bind(i64::from(leg.tries()))
            .push_bind(i64::from(leg.attempt))
            .push_bind(i64::from(context.priority.number()))
            .push_bind(leg.received.unix_ms())
            .push_bind(leg.changed.unix_ms())
            .push_bind(context.expires.unix_ms())
            .push_bind(last)
            .push_bind(epoch);
    })
    .await
}

async fn insert_statements(
    connection: &mut SqliteConnection,
    plan: &Plan,
    position: i64,
) -> Result<(), sqlx::Error> {
    let head = "INSERT INTO statement (position, envelope_id, header_digest, salt, leaf, body) ";
    let numbered: Vec<_> = (position..).zip(&plan.statements).collect();
    insert(
        connection,
        &numbered,
        head,
        "",
        |row, (position, statement)| {
            row.push_bind(*position)
                .push_bind(statement.envelope_id.as_bytes().to_vec())
                .push_bind(bytes_of(statement.header_digest))
                .push_bind(statement.salt.to_vec())
                .push_bind(bytes_of(statement.leaf))
                .push_bind(statement.body.clone());
        },
    )
    .await
}

async fn insert_tiles(
    connection: &mut SqliteConnection,
    epoch: i64,
    tiles: &[(TileId, Tile)],
) -> Result<(), sqlx::Error> {
    let head = "INSERT INTO tile (epoch, level, number, root, hashes) ";
    insert(connection, tiles, head, "", |row, (id, tile)| {
        row.push_bind(epoch)
            .push_bind(i64::from(id.level))
            .push_bind(i64::try_from(id.index).unwrap_or(i64::MAX))
            .push_bind(tile.root().map(bytes_of))
            .push_bind(tile.to_bytes());
    })
    .await
}

async fn insert_owed(connection: &mut SqliteConnection, plan: &Plan) -> Result<(), sqlx::Error> {
    let head = "INSERT INTO owed_receipt (position, station) ";
    insert(
        connection,
        &plan.owed,
        head,
        "",
        |row, (position, station)| {
            row.push_bind(*position)
                .push_bind(station.as_str().to_owned());
        },
    )
    .await
}

async fn insert_turns(connection: &mut SqliteConnection, plan: &Plan) -> Result<(), sqlx::Error> {
    let head = "INSERT INTO leg_turn (leg, at, phase, reason, next_hop) ";
    insert(connection, &plan.turns, head, "", |row, turn| {
        row.push_bind(turn.leg.0)
            .push_bind(turn.at.unix_ms())
            .push_bind(turn.phase.code())
            .push_bind(turn.reason.map(|reason| reason.code()))
            .push_bind(turn.next_hop.as_ref().map(|hop| hop.as_str().to_owned()));
    })
    .await
}

async fn insert_evidence(
    connection: &mut SqliteConnection,
    plan: &Plan,
) -> Result<(), sqlx::Error> {
    // One bundle covers all legs of a transfer, and comes with the move of each.
    let head = "INSERT OR IGNORE INTO received_evidence (envelope, digest, received, bundle) ";
    insert(
        connection,
        &plan.evidence,
        head,
        "",
        |row, (envelope, at, bundle)| {
            row.push_bind(envelope.0)
                .push_bind(bytes_of(Digest::of(bundle)))
                .push_bind(at.unix_ms())
                .push_bind(bundle.clone());
        },
    )
    .await
}

async fn insert_conflicts(
    connection: &mut SqliteConnection,
    conflicts: &[Accept],
) -> Result<(), sqlx::Error> {
    let head = "INSERT OR IGNORE INTO id_conflict (sender, id, header_digest, header, \
                header_signature, source, received, expires) ";
    insert(connection, conflicts, head, "", |row, accept| {
        let context = accept.header.context();
        row.push_bind(context.sender.as_str().to_owned())
            .push_bind(context.id.as_bytes().to_vec())
            .push_bind(bytes_of(accept.header.digest()))
            .push_bind(accept.header.bytes().to_vec())
            .push_bind(accept.header_signature.clone())
            .push_bind(accept.from.as_ref().map(|from| from.as_str().to_owned()))
            .push_bind(accept.received.unix_ms())
            .push_bind(context.expires.unix_ms());
    })
    .await
}

async fn settle(connection: &mut SqliteConnection, settled: &[i64]) -> Result<(), sqlx::Error> {
    for positions in settled.chunks(ROWS_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM owed_receipt WHERE position IN (");
        let mut list = query.separated(", ");
        for position in positions {
            list.push_bind(*position);
        }
        query.push(")");
        query
            .build()
            .persistent(false)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn release(connection: &mut SqliteConnection, plan: &Plan) -> Result<(), sqlx::Error> {
    for keys in plan.released.chunks(ROWS_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new("UPDATE envelope SET body_kind = ");
        query.push_bind(BODY_RELEASED);
        query.push(", body_file = NULL, body = NULL WHERE key IN (");
        let mut list = query.separated(", ");
        for key in keys {
            list.push_bind(key.0);
        }
        query.push(")");
        query
            .build()
            .persistent(keys.len() == 1)
            .execute(&mut *connection)
            .await?;
    }
    let head = "INSERT OR IGNORE INTO doomed_body (file) ";
    insert(connection, &plan.doomed, head, "", |row, file| {
        row.push_bind(file.clone());
    })
    .await
}

fn bytes_of(digest: Digest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}
