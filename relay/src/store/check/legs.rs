//! Envelopes and legs against the statements: rows against signed headers, the chain of statements of each
//! leg, and no state that no statement supports.

use std::collections::BTreeMap;

use formats::header::Header;
use formats::id::{Digest, Party};
use formats::limits;
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::statement::{Event, Statement};
use formats::time::Timestamp;
use pki::permit::Object;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{PAGE, Run, What, id_text, id_time};
use crate::store::leg::{LegState, Phase};
use crate::store::rows::{BODY_RELEASED, LegRow};

/// The station, the recipient and the digest of an acceptance that is kept as evidence.
type Acceptance = (String, Party, Digest);

/// A statement about an envelope, in the order of the log.
struct Told {
    position: i64,
    epoch: i64,
    digest: Digest,
    statement: Statement,
}

/// An envelope's row, read.
struct EnvelopeRow {
    key: i64,
    id: Vec<u8>,
    header: Option<Header>,
    own: bool,
    has_body: bool,
}

pub(super) async fn check(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let mut after = i64::MIN;
    loop {
        let rows = sqlx::query(
            "SELECT key, sender, id, header_digest, header, header_signature, source, via, expires, \
               keep_body, body_kind, body_bytes, body_file FROM envelope WHERE key > ? \
             ORDER BY key LIMIT ?",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *run.connection)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.try_get("key")?;
        for row in &rows {
            run.report.envelopes += 1;
            let envelope = envelope(run, row)?;
            legs(run, &envelope).await?;
        }
    }
}

/// The row against its header, the header against its signature.
fn envelope(run: &mut Run<'_>, row: &SqliteRow) -> Result<EnvelopeRow, sqlx::Error> {
    let (key, id): (i64, Vec<u8>) = (row.try_get("key")?, row.try_get("id")?);
    let bytes: Vec<u8> = row.try_get("header")?;
    let digest: Vec<u8> = row.try_get("header_digest")?;
    let signature: Vec<u8> = row.try_get("header_signature")?;
    let source: Option<String> = row.try_get("source")?;
    let via: String = row.try_get("via")?;
    let mut problems = Vec::new();
    let header = Header::decode(&bytes);
    match &header {
        Err(error) => problems.push(error.to_string()),
        Ok(header) => {
            let context = header.context();
            let columns = [
                (
                    header.digest().as_bytes().as_slice() == digest,
                    "header_digest",
                ),
                (
                    context.sender.as_str() == row.try_get::<String, _>("sender")?,
                    "sender",
                ),
                (context.id.as_bytes().as_slice() == id, "id"),
                (
                    context.expires.unix_ms() == row.try_get::<i64, _>("expires")?,
                    "expires",
                ),
                (
                    i64::try_from(header.body_bytes()).ok() == Some(row.try_get("body_bytes")?),
                    "body_bytes",
                ),
                (
                    via.split_ascii_whitespace().last() == source.as_deref(),
                    "via",
                ),
            ];
            let wrong = columns.iter().filter(|(good, _)| !good);
            problems.extend(wrong.map(|(_, column)| format!("`{column}` is not the header's")));
            problems.extend(signature_problem(run, header, &signature));
        }
    }
    for problem in problems {
        let found = run.found(What::Envelope, &format!("envelope row {key}"), problem);
        found.envelope = Some(id_text(&id));
    }
    let kind: i64 = row.try_get("body_kind")?;
    Ok(EnvelopeRow {
        key,
        id,
        header: header.ok(),
        own: source.is_none(),
        has_body: kind != BODY_RELEASED,
    })
}

fn signature_problem(run: &mut Run<'_>, header: &Header, signature: &[u8]) -> Option<String> {
    let directory = run.settings.directory.clone()?;
    let context = header.context();
    let role = Object::of_class(context.class).signer();
    let Ok(signer) = directory.signer(&context.signer, role, context.created) else {
        run.report.unjudged += 1;
        return None;
    };
    let judged = pki::sign::verify_header(header.clone(), signature, &signer);
    judged.err().map(|error| error.to_string())
}

async fn legs(run: &mut Run<'_>, envelope: &EnvelopeRow) -> Result<(), sqlx::Error> {
    let rows = sqlx::query("SELECT * FROM leg WHERE envelope = ? ORDER BY id")
        .bind(envelope.key)
        .fetch_all(&mut *run.connection)
        .await?;
    let told = statements(run, envelope).await?;
    let evidence = acceptances(run, envelope).await?;
    let mut by_recipient: BTreeMap<&Party, Vec<&Told>> = BTreeMap::new();
    for one in &told {
        by_recipient
            .entry(&one.statement.recipient)
            .or_default()
            .push(one);
    }
    let mut known = Vec::with_capacity(rows.len());
    for row in &rows {
        let leg = match LegRow::read(row) {
            Ok(leg) => leg,
            Err(error) => {
                let id: i64 = row.try_get("id")?;
                let found = run.found(What::Leg, &format!("leg row {id}"), error.to_string());
                found.envelope = Some(id_text(&envelope.id));
                continue;
            }
        };
        let chain = by_recipient.remove(&leg.recipient).unwrap_or_default();
        known.push(leg.recipient.clone());
        let expires: i64 = row.try_get("expires")?;
        let fits = envelope.header.as_ref().is_none_or(|header| {
            let context = header.context();
            context.recipients.contains(&leg.recipient) && context.expires.unix_ms() == expires
        });
        let mut problems = Vec::new();
        if !fits {
            problems.push((What::Leg, "it is not of the signed header".to_owned()));
        }
        problems.extend(of_chain(envelope, &leg, &chain));
        problems.extend(of_state(envelope, &leg, &chain, &evidence));
        for (what, detail) in problems {
            say(run, envelope, &leg, &chain, what, detail);
        }
    }
    for (recipient, chain) in by_recipient {
        let Some(first) = chain.first() else { continue };
        let detail = format!("statements about {recipient}, and no leg");
        let found = run.found(What::Leg, &format!("envelope row {}", envelope.key), detail);
        found.recipient = Some(recipient.to_string());
        found.envelope = Some(id_text(&envelope.id));
        found.statement = Some(super::log::words_of(&first.statement));
        place_of(run, first.position);
    }
    let header = envelope.header.as_ref();
    if known.is_empty() && header.is_some() {
        let place = format!("envelope row {}", envelope.key);
        let found = run.found(What::Leg, &place, "it has no leg at all".to_owned());
        found.envelope = Some(id_text(&envelope.id));
    }
    Ok(())
}

/// Completes the last finding with the log and leaf of a statement.
fn place_of(run: &mut Run<'_>, position: i64) {
    let Some((log, index)) = run.epoch_of(position).map(|epoch| {
        let index = u64::try_from(position - epoch.first_position).unwrap_or(0);
        (epoch.origin.clone(), index)
    }) else {
        return;
    };
    if let Some(found) = run.report.findings.last_mut() {
        found.log = Some(log);
        found.first_bad = Some(index);
    }
}

fn say(
    run: &mut Run<'_>,
    envelope: &EnvelopeRow,
    leg: &LegRow,
    chain: &[&Told],
    what: What,
    detail: String,
) {
    let found = run.found(what, &format!("leg row {}", leg.id), detail);
    found.envelope = Some(id_text(&envelope.id));
    found.recipient = Some(leg.recipient.to_string());
    if let Some(last) = chain.last() {
        found.statement = Some(super::log::words_of(&last.statement));
        place_of(run, last.position);
    }
}

/// Each statement names the one before it, and the leg names the last.
fn of_chain(envelope: &EnvelopeRow, leg: &LegRow, chain: &[&Told]) -> Vec<(What, String)> {
    let mut problems = Vec::new();
    let Some(header) = &envelope.header else {
        return problems;
    };
    let mut before: Option<&Told> = None;
    for one in chain {
        let same_epoch = before.filter(|before| before.epoch == one.epoch);
        let want = same_epoch.map_or_else(|| header.digest(), |before| before.digest);
        if one.statement.prev != want {
            let words = super::log::words_of(&one.statement);
            problems.push((
                What::Chain,
                format!("{words} does not name what was stated before it"),
            ));
        }
        if one.statement.sender != header.context().sender
            || one.statement.commitment != header.context().commitment
        {
            let words = super::log::words_of(&one.statement);
            problems.push((
                What::Statement,
                format!("{words} is not about the signed header"),
            ));
        }
        before = Some(one);
    }
    let last = chain.last().map(|one| (one.epoch, one.digest));
    if leg.last_statement != last {
        let detail = match (leg.last_statement, last) {
            (Some(_), None) => "the statements that it names are not in the log",
            (None, Some(_)) => "it names no statement, and the log has some",
            (Some(_) | None, _) => "the last statement in the log is not the one that it names",
        };
        problems.push((What::Leg, detail.to_owned()));
    }
    let sealed = header.context().class.is_sealed();
    if sealed && chain.is_empty() {
        problems.push((What::Leg, "a leg without any statement".to_owned()));
    }
    // A leg that came in this log came when its first statement says so.
    if let Some(first) = chain
        .first()
        .filter(|first| first.statement.prev == header.digest())
        && first.statement.time != leg.received
        && sealed
    {
        let detail = format!(
            "it came at {}, its first statement says {}",
            leg.received.rfc3339(),
            first.statement.time.rfc3339()
        );
        problems.push((What::Leg, detail));
    }
    problems
}

/// Whether the statements say that the leg is where its row says.
fn of_state(
    envelope: &EnvelopeRow,
    leg: &LegRow,
    chain: &[&Told],
    accepted: &[Acceptance],
) -> Option<(What, String)> {
    let header = envelope.header.as_ref()?;
    if !leg.state.is_final() && !envelope.has_body {
        let detail = match leg.state.reason() {
            Some(Reason::BodyMismatch) => {
                "the body is damaged and set aside; a good copy is waited for"
            }
            Some(_) | None => "the leg waits, and its body is not here",
        };
        return Some((What::Body, detail.to_owned()));
    }
    if !header.context().class.is_sealed() {
        return None;
    }
    if is_stated(envelope, leg, chain, accepted) {
        return None;
    }
    let by = if leg.state.phase() == Phase::PassedOn && leg.next_hop.is_some() {
        "acceptance by the next station is kept"
    } else {
        "statement supports that"
    };
    Some((
        What::Leg,
        format!("it is `{}`, and no {by}", leg.state.word()),
    ))
}

/// Whether the leg's own statements, or the next station's, carry its state.
fn is_stated(
    envelope: &EnvelopeRow,
    leg: &LegRow,
    chain: &[&Told],
    accepted: &[Acceptance],
) -> bool {
    let says = |events: &[Event]| {
        chain
            .iter()
            .any(|one| events.contains(&one.statement.event))
    };
    let last = |events: &[Event]| {
        chain
            .last()
            .is_some_and(|one| events.contains(&one.statement.event))
    };
    let delivered = [Event::ContentConsignment, Event::ContentHandover];
    let refused = [
        Event::ContentConsignmentFailure,
        Event::ContentHandoverFailure,
    ];
    let local = leg.next_hop.is_none();
    let hop = leg.next_hop.as_ref().map(|hop| hop.as_str());
    let supported = match leg.state.phase() {
        Phase::Queued | Phase::Offered | Phase::WaitingRetry | Phase::Held => {
            (local || envelope.own || may_go(leg, chain, accepted))
                && !(says(&delivered) || last(&[Event::Expired, Event::Recalled]))
        }
        Phase::PassedOn if local => says(&delivered),
        Phase::PassedOn => {
            let by = |(station, party, _): &Acceptance| {
                Some(station.as_str()) == hop && *party == leg.recipient
            };
            accepted.iter().any(by)
        }
        Phase::Refused if local => says(&refused),
        Phase::Refused => envelope.own || last(&[Event::RelayRejection]),
        Phase::Expired => (envelope.own && !local) || last(&[Event::Expired]),
        Phase::Withdrawn if local => last(&[Event::Recalled]),
        Phase::Withdrawn => envelope.own || last(&[Event::RelayFailure]),
        Phase::Quarantined if local => last(&refused) || last(&[Event::RelayFailure]),
        Phase::Quarantined => envelope.own || last(&[Event::RelayFailure]),
    };
    let contradicted =
        local && matches!(leg.state, LegState::Expired | LegState::Withdrawn) && says(&delivered);
    supported && !contradicted
}

/// Each time it was taken it may be passed on once; then it is not here any more.
fn may_go(leg: &LegRow, chain: &[&Told], accepted: &[Acceptance]) -> bool {
    let taken = chain
        .iter()
        .filter(|one| one.statement.event == Event::RelayAcceptance)
        .count();
    let gone = accepted
        .iter()
        .filter(|(_, party, _)| *party == leg.recipient)
        .count();
    gone < taken
}

async fn statements(run: &mut Run<'_>, envelope: &EnvelopeRow) -> Result<Vec<Told>, sqlx::Error> {
    let Some(header) = &envelope.header else {
        return Ok(Vec::new());
    };
    let digest = header.digest();
    let rows = sqlx::query(
        "SELECT position, body FROM statement WHERE envelope_id = ? AND header_digest = ? \
         ORDER BY position",
    )
    .bind(header.context().id.as_bytes().to_vec())
    .bind(digest.as_bytes().to_vec())
    .fetch_all(&mut *run.connection)
    .await?;
    let mut told = Vec::with_capacity(rows.len());
    for row in &rows {
        let (position, body): (i64, Vec<u8>) = (row.try_get("position")?, row.try_get("body")?);
        // What does not parse is found in the log.
        if let Ok(statement) = Statement::parse(&body) {
            told.push(Told {
                position,
                epoch: run.epoch_of(position).map_or(0, |epoch| epoch.number),
                digest: Digest::of(&body),
                statement,
            });
        }
    }
    Ok(told)
}

/// Who accepted which of its legs, by the evidence that is kept.
async fn acceptances(
    run: &mut Run<'_>,
    envelope: &EnvelopeRow,
) -> Result<Vec<Acceptance>, sqlx::Error> {
    let Some(header) = &envelope.header else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query("SELECT bundle FROM received_evidence WHERE envelope = ? LIMIT 4096")
        .bind(envelope.key)
        .fetch_all(&mut *run.connection)
        .await?;
    let mut accepted = Vec::new();
    for row in &rows {
        let bytes: Vec<u8> = row.try_get("bundle")?;
        let statements = ReceiptBundle::decode(&bytes)
            .ok()
            .and_then(|bundle| bundle.statements().ok());
        for one in statements.into_iter().flatten() {
            if one.event == Event::RelayAcceptance && one.header_digest == header.digest() {
                let digest = one.digest();
                let one = (one.station.to_string(), one.recipient, digest);
                if !accepted.contains(&one) {
                    accepted.push(one);
                }
            }
        }
    }
    Ok(accepted)
}

/// Statements about envelopes that are not here. Rows live until a month after `expires`, so of what was
/// made in the last month before the log's newest statement all must be here.
pub(super) async fn without_envelope(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let newest = sqlx::query("SELECT body FROM statement ORDER BY position DESC LIMIT 1")
        .fetch_optional(&mut *run.connection)
        .await?;
    let newest = match newest {
        Some(row) => Statement::parse(&row.try_get::<Vec<u8>, _>("body")?).ok(),
        None => None,
    };
    let Some(newest) = newest.map(|statement| statement.time) else {
        return Ok(());
    };
    let since = newest.minus_ms(limits::LIFETIME_MS_MAX);
    let rows = sqlx::query(
        "SELECT min(s.position) AS position, s.envelope_id, s.body FROM statement s \
         LEFT JOIN envelope e ON e.id = s.envelope_id AND e.header_digest = s.header_digest \
         WHERE e.key IS NULL AND s.header_digest <> zeroblob(32) AND s.envelope_id > ? \
         GROUP BY s.envelope_id LIMIT 1000",
    )
    .bind(first_id(since))
    .fetch_all(&mut *run.connection)
    .await?;
    for row in &rows {
        let (position, id): (i64, Vec<u8>) =
            (row.try_get("position")?, row.try_get("envelope_id")?);
        let body: Vec<u8> = row.try_get("body")?;
        if id_time(&id).is_none_or(|made| made > newest) {
            continue;
        }
        let detail = "the log speaks of an envelope whose row is not here".to_owned();
        let found = run.found(What::Envelope, &format!("statement {position}"), detail);
        found.envelope = Some(id_text(&id));
        found.statement = Statement::parse(&body)
            .ok()
            .map(|statement| super::log::words_of(&statement));
        place_of(run, position);
    }
    Ok(())
}

/// No id made at this time or later is less.
fn first_id(since: Timestamp) -> Vec<u8> {
    let ms = u64::try_from(since.unix_ms()).unwrap_or(0);
    let mut id = ms.to_be_bytes().get(2..).unwrap_or_default().to_vec();
    id.resize(16, 0);
    id
}
