//! Writes a decided batch as one script of multi-row statements: each visit to the database costs about
//! 40 µs in two thread hops of the driver, a row almost nothing. Runs inside the writer's transaction;
//! fails with the database's error, after which the writer rolls everything back.

use formats::id::Digest;
use sqlx::SqliteConnection;

use crate::store::leg::{EnvelopeKey, LegId};
use crate::store::memory::Memory;
use crate::store::plan::Plan;
use crate::store::rows::{BODY_FILE, BODY_INLINE, BODY_RELEASED, via_text};
use crate::store::script::{Row, Script};
use crate::store::{Accept, BodyPlace};
use formats::merkle::tiles::{Tile, TileId};

/// Rows in one statement: far below SQLite's 32,766 variables, and the text stays cheap to parse.
const ROWS_MAX: usize = 500;

/// Statements about one envelope that are told again: 256 legs with a dozen each.
const AGAIN_MAX: i64 = 4_096;

/// Writes all rows of a plan. `position` is the first statement's, `tiles` the ones it filled.
pub(super) async fn flush(
    connection: &mut SqliteConnection,
    plan: &Plan,
    memory: &Memory,
    epoch: i64,
    position: i64,
    tiles: &[(TileId, Tile)],
) -> Result<(), sqlx::Error> {
    let mut script = Script::default();
    insert_envelopes(&mut script, &plan.envelopes);
    set_aside(&mut script, plan);
    for (key, accept) in &plan.renewed {
        renew_envelope(&mut script, *key, accept);
    }
    upsert_legs(&mut script, plan, memory);
    insert_statements(&mut script, plan, position);
    insert_tiles(&mut script, epoch, tiles);
    insert_owed(&mut script, plan);
    insert_turns(&mut script, plan);
    insert_evidence(&mut script, plan);
    insert_conflicts(&mut script, &plan.conflicts);
    settle(&mut script, &plan.settled);
    owe_again(&mut script, plan);
    release(&mut script, plan);
    if script.is_empty() {
        return Ok(());
    }
    script.run(connection).await
}

fn insert<T>(
    script: &mut Script,
    rows: &[T],
    head: &str,
    tail: &str,
    bind: impl Fn(&mut Row<'_>, &T),
) {
    for rows in rows.chunks(ROWS_MAX) {
        script
            .statement(head)
            .values(rows, |row, value| bind(row, value))
            .text(tail);
    }
}

fn insert_envelopes(script: &mut Script, envelopes: &[(EnvelopeKey, Box<Accept>)]) {
    let head = "INSERT INTO envelope (key, sender, id, header_digest, header, header_signature, \
                capsule_bytes, source, via, received, expires, keep_body, body_kind, body_bytes, \
                body_file, body) ";
    insert(script, envelopes, head, "", |row, (key, accept)| {
        let header = &accept.header;
        let context = header.context();
        row.push(key.0)
            .push(context.sender.as_str().to_owned())
            .push(context.id.as_bytes().to_vec())
            .push(bytes_of(header.digest()))
            .push(header.bytes().to_vec())
            .push(accept.header_signature.clone())
            .push(i64::from(accept.capsule_bytes))
            .push(accept.from.as_ref().map(|from| from.as_str().to_owned()))
            .push(via_text(&accept.via))
            .push(accept.received.unix_ms())
            .push(context.expires.unix_ms())
            .push(accept.keep_body);
        let body = BodyColumns::of(&accept.body);
        row.push(body.kind)
            .push(i64::try_from(header.body_bytes()).unwrap_or(i64::MAX))
            .push(body.file)
            .push(body.inline);
    });
}

/// The body came back with a higher attempt, perhaps on another way.
fn renew_envelope(script: &mut Script, key: EnvelopeKey, accept: &Accept) {
    let body = BodyColumns::of(&accept.body);
    script
        .statement(
            "UPDATE envelope SET source = ?, via = ?, header_signature = ?, body_kind = ?, \
             body_file = ?, body = ? WHERE key = ?",
        )
        .bind(accept.from.as_ref().map(|from| from.as_str().to_owned()))
        .bind(via_text(&accept.via))
        .bind(accept.header_signature.clone())
        .bind(body.kind)
        .bind(body.file)
        .bind(body.inline)
        .bind(key.0);
    script
        .statement("UPDATE damaged_body SET mended = ")
        .push(accept.received.unix_ms())
        .text(" WHERE mended IS NULL AND envelope = ")
        .push(key.0);
}

/// What is damaged is kept: the file under its name, a small body in the row that says so.
fn set_aside(script: &mut Script, plan: &Plan) {
    for aside in &plan.aside {
        script
            .statement(
                "INSERT INTO damaged_body (envelope, envelope_id, file, body, found, problem) \
                 SELECT key, id, body_file, body, ",
            )
            .push(aside.at.unix_ms())
            .text(", ")
            .push(aside.problem.clone())
            .text(" FROM envelope WHERE key = ")
            .push(aside.envelope.0);
        script
            .statement("UPDATE envelope SET body_kind = ")
            .push(BODY_RELEASED)
            .text(", body_file = NULL, body = NULL WHERE key = ")
            .push(aside.envelope.0);
    }
}

struct BodyColumns {
    kind: i64,
    file: Option<String>,
    inline: Option<Vec<u8>>,
}

impl BodyColumns {
    fn of(place: &BodyPlace) -> Self {
        match place {
            // No body is empty: this is the tombstone of one that never came.
            BodyPlace::Inline(body) if body.is_empty() => Self {
                kind: BODY_RELEASED,
                file: None,
                inline: None,
            },
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
fn upsert_legs(script: &mut Script, plan: &Plan, memory: &Memory) {
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
    insert(script, &legs, head, tail, |row, (entry, leg)| {
        let context = entry.header.context();
        let (epoch, last) = match &leg.last_statement {
            Some((epoch, digest)) => (*epoch, Some(bytes_of(*digest))),
            None => (0, None),
        };
        row.push(leg.id.0)
            .push(entry.key.0)
            .push(leg.recipient.as_str().to_owned())
            .push(leg.next_hop.as_ref().map(|hop| hop.as_str().to_owned()))
            .push(leg.state.phase().code())
            .push(leg.state.reason().map(|reason| reason.code()))
            .push(leg.next_at.unix_ms())
            .push(i64::from(leg.tries()))
            .push(i64::from(leg.attempt))
            .push(i64::from(context.priority.number()))
            .push(leg.received.unix_ms())
            .push(leg.changed.unix_ms())
            .push(context.expires.unix_ms())
            .push(last)
            .push(epoch);
    });
}

fn insert_statements(script: &mut Script, plan: &Plan, position: i64) {
    let head = "INSERT INTO statement (position, envelope_id, header_digest, salt, leaf, body) ";
    let numbered: Vec<_> = (position..).zip(&plan.statements).collect();
    insert(script, &numbered, head, "", |row, (position, statement)| {
        row.push(*position)
            .push(statement.envelope_id.as_bytes().to_vec())
            .push(bytes_of(statement.header_digest))
            .push(statement.salt.to_vec())
            .push(bytes_of(statement.leaf))
            .push(statement.body.clone());
    });
}

fn insert_tiles(script: &mut Script, epoch: i64, tiles: &[(TileId, Tile)]) {
    let head = "INSERT INTO tile (epoch, level, number, root, hashes) ";
    insert(script, tiles, head, "", |row, (id, tile)| {
        row.push(epoch)
            .push(i64::from(id.level))
            .push(i64::try_from(id.index).unwrap_or(i64::MAX))
            .push(tile.root().map(bytes_of))
            .push(tile.to_bytes());
    });
}

fn insert_owed(script: &mut Script, plan: &Plan) {
    let head = "INSERT INTO owed_receipt (position, station) ";
    insert(script, &plan.owed, head, "", |row, (position, station)| {
        row.push(*position).push(station.as_str().to_owned());
    });
}

/// What is on its way already is told once; what was told is told again.
fn owe_again(script: &mut Script, plan: &Plan) {
    for (key, station) in &plan.owed_again {
        script
            .statement(
                "INSERT OR IGNORE INTO owed_receipt (position, station, again) \
                 SELECT s.position, ?, 1 FROM envelope e JOIN statement s \
                   ON s.envelope_id = e.id AND s.header_digest = e.header_digest \
                 WHERE e.key = ? LIMIT ?",
            )
            .bind(station.as_str().to_owned())
            .bind(key.0)
            .bind(AGAIN_MAX);
    }
}

fn insert_turns(script: &mut Script, plan: &Plan) {
    let head = "INSERT INTO leg_turn (leg, at, phase, reason, next_hop) ";
    insert(script, &plan.turns, head, "", |row, turn| {
        row.push(turn.leg.0)
            .push(turn.at.unix_ms())
            .push(turn.phase.code())
            .push(turn.reason.map(|reason| reason.code()))
            .push(turn.next_hop.as_ref().map(|hop| hop.as_str().to_owned()));
    });
}

fn insert_evidence(script: &mut Script, plan: &Plan) {
    // One bundle covers all legs of a transfer, and comes with the move of each.
    let head = "INSERT OR IGNORE INTO received_evidence (envelope, digest, received, bundle) ";
    insert(
        script,
        &plan.evidence,
        head,
        "",
        |row, (envelope, at, bundle)| {
            row.push(envelope.0)
                .push(bytes_of(Digest::of(bundle)))
                .push(at.unix_ms())
                .push(bundle.clone());
        },
    );
}

fn insert_conflicts(script: &mut Script, conflicts: &[Accept]) {
    let head = "INSERT OR IGNORE INTO id_conflict (sender, id, header_digest, header, \
                header_signature, source, received, expires) ";
    insert(script, conflicts, head, "", |row, accept| {
        let context = accept.header.context();
        row.push(context.sender.as_str().to_owned())
            .push(context.id.as_bytes().to_vec())
            .push(bytes_of(accept.header.digest()))
            .push(accept.header.bytes().to_vec())
            .push(accept.header_signature.clone())
            .push(accept.from.as_ref().map(|from| from.as_str().to_owned()))
            .push(accept.received.unix_ms())
            .push(context.expires.unix_ms());
    });
}

fn settle(script: &mut Script, settled: &[i64]) {
    for positions in settled.chunks(ROWS_MAX) {
        script
            .statement("DELETE FROM owed_receipt WHERE position IN (")
            .list(positions)
            .text(")");
    }
}

fn release(script: &mut Script, plan: &Plan) {
    for keys in plan.released.chunks(ROWS_MAX) {
        script
            .statement("UPDATE envelope SET body_kind = ")
            .push(BODY_RELEASED)
            .text(", body_file = NULL, body = NULL WHERE key IN (")
            .list(keys.iter().map(|key| key.0))
            .text(")");
    }
    let head = "INSERT OR IGNORE INTO doomed_body (file) ";
    insert(script, &plan.doomed, head, "", |row, file| {
        row.push(file.clone());
    });
}

fn bytes_of(digest: Digest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}
