//! Rows of acts, and where they leave the documents that they are about.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use formats::edxml::deadline::Calendar;
use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;
use relay::store::{DeskRefusal, DeskRows};

use super::access::time_option;
use super::documents::{code, damaged, envelope, from_json, state, time};
use crate::deadlines::{Facts, ended};
use crate::fault::DeskError;
use crate::life::{Act, ActKind, Life, NewAct, Side, Target};
use crate::view::{PacketFacts, RecipientState};

/// What an act is written with beside what it says.
#[derive(Clone, Debug)]
pub(crate) struct ActPlace {
    /// Whose desk this is.
    pub(crate) agency: String,
    /// The other agency of the thread.
    pub(crate) peer: String,
    /// Who acted.
    pub(crate) who: String,
    /// Document or envelope that says it.
    pub(crate) packet: String,
}

/// Writes an act and moves the document it is about, in the commit of the packet that says it.
pub(crate) async fn record(
    desk: &mut DeskRows<'_>,
    place: &ActPlace,
    act: &NewAct,
    now: Timestamp,
    calendar: &Calendar,
) -> Result<(), DeskRefusal> {
    let local_id = act.target.local_id.clone().unwrap_or_default();
    desk.add(
        "INSERT INTO desk_act (agency, side, peer, local_id, code, promulgated, kind, word, at,
           recorded, who, packet, reason, staff)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&place.agency)
    .bind(act.side.code())
    .bind(&place.peer)
    .bind(&local_id)
    .bind(&act.target.code)
    .bind(act.target.date.map(formats::edxml::Date::iso))
    .bind(act.kind.code())
    .bind(act.kind.word())
    .bind(act.at.unix_ms())
    .bind(now.unix_ms())
    .bind(&place.who)
    .bind(&place.packet)
    .bind(&act.reason)
    .bind(&act.staff);
    if local_id.is_empty() {
        return Ok(());
    }
    let thread = Thread {
        agency: &place.agency,
        side: act.side,
        peer: &place.peer,
        local_id: &local_id,
    };
    refresh(desk, &thread, now, calendar).await
}

/// The acts between two agencies about one document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread<'a> {
    pub(crate) agency: &'a str,
    pub(crate) side: Side,
    pub(crate) peer: &'a str,
    pub(crate) local_id: &'a str,
}

/// Folds a thread again and writes where its document stands and when its next deadline ends.
pub(crate) async fn refresh(
    desk: &mut DeskRows<'_>,
    thread: &Thread<'_>,
    now: Timestamp,
    calendar: &Calendar,
) -> Result<(), DeskRefusal> {
    desk.add(
        "SELECT * FROM desk_act WHERE agency = ? AND side = ? AND local_id = ? AND peer = ?
         ORDER BY seq LIMIT 1000",
    )
    .bind(thread.agency)
    .bind(thread.side.code())
    .bind(thread.local_id)
    .bind(thread.peer);
    let rows = desk.fetch().await?;
    let acts: Vec<Act> = rows
        .iter()
        .map(act)
        .collect::<Result<_, _>>()
        .map_err(refusal)?;
    match thread.side {
        Side::Sent => refresh_sent(desk, thread, &acts, now, calendar).await,
        Side::Received => refresh_received(desk, thread, &acts, now, calendar).await,
    }
}

async fn refresh_sent(
    desk: &mut DeskRows<'_>,
    thread: &Thread<'_>,
    acts: &[Act],
    now: Timestamp,
    calendar: &Calendar,
) -> Result<(), DeskRefusal> {
    desk.add(
        "SELECT r.envelope AS id, r.state AS state, r.updated AS updated, r.due AS due,
           r.relayed_at AS relayed_at, r.delivered_at AS delivered_at, d.created AS taken,
           d.facts AS facts
         FROM desk_document d JOIN desk_recipient r ON r.document = d.id
         WHERE r.recipient = ? AND d.agency = ? AND d.natural IN (",
    )
    .bind(thread.peer)
    .bind(thread.agency)
    .list(naturals(thread.local_id))
    .text(")");
    for row in desk.fetch().await? {
        let (id, life, due) = sent_row(&row, acts, now, calendar).map_err(refusal)?;
        desk.add(
            "UPDATE desk_recipient SET life = ?, request = ?, due = ?
             WHERE envelope = ? AND recipient = ?",
        )
        .bind(life.state())
        .bind(life.request())
        .bind(due.map(Timestamp::unix_ms))
        .bind(id)
        .bind(thread.peer);
    }
    Ok(())
}

fn sent_row(
    row: &SqliteRow,
    acts: &[Act],
    now: Timestamp,
    calendar: &Calendar,
) -> Result<(String, Life, Option<Timestamp>), DeskError> {
    let (state, updated) = (state(row)?, time(row, "updated")?);
    let withdrawn = (state == RecipientState::Withdrawn).then_some(updated);
    let life = Life::fold(acts.to_vec(), time_option(row, "delivered_at")?, withdrawn);
    let packet: PacketFacts = from_json(&row.try_get::<String, _>("facts")?)?;
    let facts = Facts {
        side: Side::Sent,
        packet: &packet,
        times: life.times,
        taken: time(row, "taken")?,
        relayed: time_option(row, "relayed_at")?,
        ended: ended(state, life.gone().is_some(), updated),
    };
    let due = facts.next(now, calendar);
    Ok((row.try_get("id")?, life, due))
}

async fn refresh_received(
    desk: &mut DeskRows<'_>,
    thread: &Thread<'_>,
    acts: &[Act],
    now: Timestamp,
    calendar: &Calendar,
) -> Result<(), DeskRefusal> {
    desk.add(
        "SELECT envelope AS id, received AS taken, facts FROM desk_inbox
         WHERE agency = ? AND sender = ? AND natural IN (",
    )
    .bind(thread.agency)
    .bind(thread.peer)
    .list(naturals(thread.local_id))
    .text(")");
    for row in desk.fetch().await? {
        let (id, life, due) = received_row(&row, acts, now, calendar).map_err(refusal)?;
        desk.add(
            "UPDATE desk_inbox SET life = ?, request = ?, due = ?
             WHERE agency = ? AND envelope = ?",
        )
        .bind(life.state())
        .bind(life.request())
        .bind(due.map(Timestamp::unix_ms))
        .bind(thread.agency)
        .bind(id);
    }
    Ok(())
}

fn received_row(
    row: &SqliteRow,
    acts: &[Act],
    now: Timestamp,
    calendar: &Calendar,
) -> Result<(String, Life, Option<Timestamp>), DeskError> {
    let taken = time(row, "taken")?;
    let life = Life::fold(acts.to_vec(), Some(taken), None);
    let packet: PacketFacts = from_json(&row.try_get::<String, _>("facts")?)?;
    let facts = Facts {
        side: Side::Received,
        packet: &packet,
        times: life.times,
        taken,
        relayed: None,
        ended: life.gone(),
    };
    let due = facts.next(now, calendar);
    Ok((row.try_get("id")?, life, due))
}

fn refusal(error: DeskError) -> DeskRefusal {
    DeskRefusal::refused(error.to_string())
}

/// Natural keys under which a document itself (not an act about it) is kept: new, update that brought
/// it, replacement.
pub(crate) fn naturals(local_id: &str) -> [String; 3] {
    [0, 2, 3].map(|kind| format!("d|{kind}|{local_id}"))
}

/// The thread of one received document.
pub(crate) async fn received(
    pool: &SqlitePool,
    agency: &AgencyCode,
    sender: &str,
    local_id: &str,
) -> Result<Vec<Act>, DeskError> {
    let rows = sqlx::query(
        "SELECT * FROM desk_act WHERE agency = ? AND side = 'received' AND peer = ? AND local_id = ?
         ORDER BY seq LIMIT 1000",
    )
    .bind(agency.as_str())
    .bind(sender)
    .bind(local_id)
    .fetch_all(pool)
    .await?;
    rows.iter().map(act).collect()
}

/// The threads of one sent document, by recipient.
pub(crate) async fn sent(
    pool: &SqlitePool,
    agency: &AgencyCode,
    local_id: &str,
) -> Result<BTreeMap<String, Vec<Act>>, DeskError> {
    let rows = sqlx::query(
        "SELECT * FROM desk_act WHERE agency = ? AND side = 'sent' AND local_id = ?
         ORDER BY seq LIMIT 100000",
    )
    .bind(agency.as_str())
    .bind(local_id)
    .fetch_all(pool)
    .await?;
    let mut all: BTreeMap<String, Vec<Act>> = BTreeMap::new();
    for row in &rows {
        all.entry(row.try_get("peer")?).or_default().push(act(row)?);
    }
    Ok(all)
}

/// The threads of one sent document by its id, by recipient.
pub(crate) async fn of_document(
    pool: &SqlitePool,
    document: EnvelopeId,
) -> Result<BTreeMap<String, Vec<Act>>, DeskError> {
    let row = sqlx::query("SELECT agency, local_id, kind FROM desk_document WHERE id = ?")
        .bind(document.to_string())
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else {
        return Ok(BTreeMap::new());
    };
    if row.try_get::<String, _>("kind")? == "status" {
        return Ok(BTreeMap::new());
    }
    let local_id: String = row.try_get("local_id")?;
    sent(pool, &code(&row, "agency")?, &local_id).await
}

/// The DocumentId of the document that an act names, as this desk knows it; `None`: it knows none.
pub(crate) async fn find_target(
    pool: &SqlitePool,
    agency: &AgencyCode,
    side: Side,
    peer: Option<&str>,
    target: &Target,
) -> Result<Option<Found>, DeskError> {
    // An act whose DocumentId is not here may still name number, notation and day.
    if let Some(local_id) = &target.local_id
        && let Some(found) = by_id(pool, agency, side, peer, local_id).await?
    {
        return Ok(Some(found));
    }
    if target.code.is_empty() {
        return Ok(None);
    }
    by_code(pool, agency, side, peer, target).await
}

/// A document that an act is about.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: EnvelopeId,
    pub(crate) local_id: String,
    /// When its sender's node took it.
    pub(crate) sent: Timestamp,
}

// `+` keeps the few rows that the key finds from being looked for along the order of the whole table.
async fn by_id(
    pool: &SqlitePool,
    agency: &AgencyCode,
    side: Side,
    peer: Option<&str>,
    local_id: &str,
) -> Result<Option<Found>, DeskError> {
    let sql = match side {
        Side::Sent => {
            "SELECT d.id AS id, d.local_id AS local_id, d.created AS sent FROM desk_document d
             WHERE d.agency = ?1 AND d.natural IN (?3, ?4, ?5) AND (?2 IS NULL OR EXISTS (SELECT 1
               FROM desk_recipient r WHERE r.document = d.id AND r.recipient = ?2))
             ORDER BY +d.seq DESC LIMIT 1"
        }
        Side::Received => {
            "SELECT envelope AS id, local_id, sent FROM desk_inbox
             WHERE agency = ?1 AND sender = ?2 AND natural IN (?3, ?4, ?5) ORDER BY +seq DESC LIMIT 1"
        }
    };
    let [new, update, replacement] = naturals(local_id);
    let row = sqlx::query(sql)
        .bind(agency.as_str())
        .bind(peer)
        .bind(new)
        .bind(update)
        .bind(replacement)
        .fetch_optional(pool)
        .await?;
    row.map(|row| found(&row)).transpose()
}

async fn by_code(
    pool: &SqlitePool,
    agency: &AgencyCode,
    side: Side,
    peer: Option<&str>,
    target: &Target,
) -> Result<Option<Found>, DeskError> {
    let sql = match side {
        Side::Sent => {
            "SELECT d.id AS id, d.local_id AS local_id, d.created AS sent FROM desk_document d
             WHERE d.agency = ?1 AND json_extract(d.facts, '$.code') = ?3 AND d.kind = 'document'
               AND (?4 IS NULL OR json_extract(d.facts, '$.promulgated') = ?4)
               AND (?2 IS NULL OR EXISTS (SELECT 1 FROM desk_recipient r
                 WHERE r.document = d.id AND r.recipient = ?2))
             ORDER BY +d.seq DESC LIMIT 1"
        }
        Side::Received => {
            "SELECT envelope AS id, local_id, sent FROM desk_inbox
             WHERE agency = ?1 AND sender = ?2 AND json_extract(facts, '$.code') = ?3
               AND kind = 'document'
               AND (?4 IS NULL OR json_extract(facts, '$.promulgated') = ?4)
             ORDER BY +seq DESC LIMIT 1"
        }
    };
    let row = sqlx::query(sql)
        .bind(agency.as_str())
        .bind(peer)
        .bind(&target.code)
        .bind(target.date.map(formats::edxml::Date::iso))
        .fetch_optional(pool)
        .await?;
    row.map(|row| found(&row)).transpose()
}

fn found(row: &SqliteRow) -> Result<Found, DeskError> {
    Ok(Found {
        id: envelope(row, "id")?,
        local_id: row.try_get("local_id")?,
        sent: time(row, "sent")?,
    })
}

fn act(row: &SqliteRow) -> Result<Act, DeskError> {
    let kind: String = row.try_get("kind")?;
    let word: Option<String> = row.try_get("word")?;
    Ok(Act {
        kind: ActKind::parse(&kind, word.as_deref())
            .ok_or_else(|| damaged(&format!("act {kind} {word:?}")))?,
        at: time(row, "at")?,
        recorded: time(row, "recorded")?,
        who: code(row, "who")?,
        packet: row.try_get("packet")?,
        reason: row.try_get("reason")?,
        staff: row.try_get("staff")?,
    })
}
