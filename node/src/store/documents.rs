//! Rows of sent documents, their envelopes and recipients: what the outbox writes in one commit.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};

use formats::edxml::Warning;
use formats::header::{Class, Header};
use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::time::Timestamp;
use relay::store::DeskRows;

use crate::fault::DeskError;
use crate::intake::Packet;
use crate::packet::warning_view;
use crate::seal::{Sealed, Signed};
use crate::view::{FaultView, RecipientState};

/// A new document.
#[derive(Debug)]
pub(crate) struct NewDocument {
    pub(crate) id: EnvelopeId,
    pub(crate) agency: AgencyCode,
    pub(crate) certificate: Digest,
    pub(crate) resend_reason: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
}

/// Writes the document's row.
pub(crate) fn put_document(desk: &mut DeskRows<'_>, new: &NewDocument, signed: &Signed) {
    let packet: &Packet = &signed.packet;
    desk.add(
        "INSERT INTO desk_document (id, agency, kind, natural, local_id, facts, attachments,
           warnings, search_text, packet_digest, packet_bytes, packet_signature, certificate,
           signed_at, stamped_at, resend_reason, created, expires, updated)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.agency.as_str())
    .bind(packet.class.as_str())
    .bind(&packet.natural)
    .bind(&packet.local_id)
    .bind(json(&packet.facts))
    .bind(json(&packet.attachments))
    .bind(json(&packet.warnings))
    .bind(packet.search_text())
    .bind(packet.digest.digest().as_bytes().as_slice())
    .bind(i64::try_from(packet.digest.bytes()).unwrap_or(i64::MAX))
    .bind(&signed.signature)
    .bind(new.certificate.as_bytes().as_slice())
    .bind(signed.signed_at.unix_ms())
    .bind(signed.stamped_at.map(Timestamp::unix_ms))
    .bind(&new.resend_reason)
    .bind(new.created.unix_ms())
    .bind(new.expires.unix_ms())
    .bind(new.created.unix_ms());
}

/// Writes an envelope and its recipients; earlier rows of the same recipients count no more.
pub(crate) fn put_envelope(
    desk: &mut DeskRows<'_>,
    document: EnvelopeId,
    sealed: &Sealed,
    first_position: usize,
    due: Option<Timestamp>,
) {
    let header: &Header = &sealed.header;
    let context = header.context();
    let (id, document) = (context.id.to_string(), document.to_string());
    desk.add(
        "INSERT INTO desk_envelope (id, document, header, header_digest, header_signature, salt,
           created, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(&document)
    .bind(header.bytes())
    .bind(header.digest().as_bytes().as_slice())
    .bind(&sealed.header_signature)
    .bind(sealed.salt.as_slice())
    .bind(context.created.unix_ms())
    .bind(context.expires.unix_ms());
    if id != document {
        desk.add("UPDATE desk_recipient SET replaced = 1, final = 1 WHERE document = ")
            .push(&document)
            .text(" AND recipient IN (")
            .list(sealed.recipients.iter().map(|one| one.code.as_str()))
            .text(")");
    }
    let created = context.created.unix_ms();
    desk.add(
        "INSERT INTO desk_recipient (envelope, recipient, document, position, name, written_as,
           state, accepted_at, expires, updated, due) ",
    )
    .values(
        sealed.recipients.iter().enumerate(),
        |row, (at, recipient)| {
            row.push(&id)
                .push(recipient.code.as_str())
                .push(&document)
                .push(i64::try_from(first_position + at).unwrap_or(i64::MAX))
                .push(&recipient.name)
                .push(&recipient.written_as)
                .push(RecipientState::Accepted.code())
                .push(created)
                .push(context.expires.unix_ms())
                .push(created)
                .push(due.map(Timestamp::unix_ms));
        },
    );
}

/// Remembers the answer to an Idempotency-Key.
pub(crate) fn put_idempotency(
    desk: &mut DeskRows<'_>,
    agency: &AgencyCode,
    key: &str,
    request: Digest,
    document: EnvelopeId,
    duplicate: bool,
    now: Timestamp,
) {
    desk.add(
        "INSERT INTO desk_idempotency (agency, key, request_digest, document, duplicate, created)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (agency, key) DO UPDATE SET request_digest = excluded.request_digest,
           document = excluded.document, duplicate = excluded.duplicate,
           created = excluded.created",
    )
    .bind(agency.as_str())
    .bind(key)
    .bind(request.as_bytes().as_slice())
    .bind(document.to_string())
    .bind(duplicate)
    .bind(now.unix_ms());
}

/// What an Idempotency-Key was answered with.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) request: Digest,
    pub(crate) document: EnvelopeId,
    pub(crate) duplicate: bool,
}

pub(crate) async fn answered(
    pool: &SqlitePool,
    agency: &AgencyCode,
    key: &str,
    not_before: Timestamp,
) -> Result<Option<Answered>, DeskError> {
    let row = sqlx::query(
        "SELECT request_digest, document, duplicate FROM desk_idempotency
         WHERE agency = ? AND key = ? AND created >= ?",
    )
    .bind(agency.as_str())
    .bind(key)
    .bind(not_before.unix_ms())
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(Answered {
            request: digest(&row, "request_digest")?,
            document: envelope(&row, "document")?,
            duplicate: row.try_get("duplicate")?,
        })
    })
    .transpose()
}

/// One recipient of an earlier document under the same natural key.
#[derive(Debug)]
pub(crate) struct Earlier {
    pub(crate) document: EnvelopeId,
    pub(crate) packet: Digest,
    pub(crate) recipient: String,
    pub(crate) state: RecipientState,
}

/// What the ledger knows of a packet before it is sent.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Recipients under its natural key, latest document last.
    pub(crate) same: Vec<Earlier>,
    /// Another document of this agency with its number and notation in the same year.
    twin: Option<String>,
}

impl Known {
    /// W-DUP: number and notation are unique within an agency and a year [Decree 30/2020 art. 15].
    pub(crate) fn twin_warning(&self) -> Option<FaultView> {
        let twin = self.twin.as_ref()?;
        Some(warning_view(&Warning::duplicate(twin)))
    }
}

/// What was sent before under its natural key, or under its number and notation.
pub(crate) async fn earlier(
    pool: &SqlitePool,
    agency: &AgencyCode,
    packet: &Packet,
) -> Result<Known, DeskError> {
    // Only a new document claims its number for itself: the others carry the number of what they change.
    let new = packet.class == Class::Document && packet.facts.business == 0;
    let code = (new && !packet.facts.code.is_empty()).then_some(&packet.facts.code);
    let rows = sqlx::query(
        "SELECT d.id, d.natural, d.packet_digest, d.local_id, d.created,
           json_extract(d.facts, '$.promulgated') AS day, r.recipient, r.state
         FROM desk_document d JOIN desk_recipient r ON r.document = d.id
         WHERE r.replaced = 0 AND d.seq IN (
           SELECT seq FROM desk_document WHERE agency = ?1 AND natural = ?2
           UNION SELECT seq FROM desk_document WHERE agency = ?1
             AND json_extract(facts, '$.code') = ?3 AND natural LIKE 'd|0|%')
         ORDER BY d.seq",
    )
    .bind(agency.as_str())
    .bind(&packet.natural)
    .bind(code)
    .fetch_all(pool)
    .await?;
    let year = |day: &str| day.get(..4).map(str::to_owned);
    let ours = packet.facts.promulgated.as_deref().and_then(year);
    let mut known = Known::default();
    for row in &rows {
        let natural: String = row.try_get("natural")?;
        if natural == packet.natural {
            known.same.push(Earlier {
                document: envelope(row, "id")?,
                packet: digest(row, "packet_digest")?,
                recipient: row.try_get("recipient")?,
                state: state(row)?,
            });
            continue;
        }
        let day: Option<String> = row.try_get("day")?;
        if known.twin.is_none() && day.as_deref().and_then(year) == ours {
            let local_id: String = row.try_get("local_id")?;
            let sent = time(row, "created")?.vietnam();
            known.twin = Some(format!("{}, {local_id}, {sent}", packet.facts.code));
        }
    }
    Ok(known)
}

/// Agencies that a document with this DocumentId was sent to.
pub(crate) async fn holders(
    pool: &SqlitePool,
    agency: &AgencyCode,
    local_id: &str,
) -> Result<Vec<AgencyCode>, DeskError> {
    let rows = sqlx::query(
        "SELECT DISTINCT r.recipient FROM desk_document d
         JOIN desk_recipient r ON r.document = d.id
         WHERE d.agency = ? AND d.natural IN (?, ?, ?, ?) AND r.replaced = 0",
    )
    .bind(agency.as_str())
    .bind(format!("d|0|{local_id}"))
    .bind(format!("d|1|{local_id}"))
    .bind(format!("d|2|{local_id}"))
    .bind(format!("d|3|{local_id}"))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| code(row, "recipient")).collect()
}

/// Whether `forget_answers` has work.
pub(crate) async fn has_old_answers(
    pool: &SqlitePool,
    before: Timestamp,
) -> Result<bool, DeskError> {
    let row =
        sqlx::query("SELECT EXISTS (SELECT 1 FROM desk_idempotency WHERE created < ?) AS old")
            .bind(before.unix_ms())
            .fetch_one(pool)
            .await?;
    Ok(row.try_get("old")?)
}

/// Forgets Idempotency-Keys that are older than their promise.
pub(crate) async fn forget_answers(
    conn: &mut SqliteConnection,
    before: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM desk_idempotency WHERE created < ?")
        .bind(before.unix_ms())
        .execute(conn)
        .await?;
    Ok(())
}

/// JSON of our own views; they have no map with other keys than text, so it cannot fail.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DeskError> {
    serde_json::from_str(text).map_err(|error| damaged(&error))
}

pub(crate) fn digest(row: &SqliteRow, column: &str) -> Result<Digest, DeskError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    Digest::try_from(bytes.as_slice()).map_err(|error| damaged(&error))
}

pub(crate) fn envelope(row: &SqliteRow, column: &str) -> Result<EnvelopeId, DeskError> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error| damaged(&error))
}

pub(crate) fn code(row: &SqliteRow, column: &str) -> Result<AgencyCode, DeskError> {
    let text: String = row.try_get(column)?;
    AgencyCode::parse(&text).map_err(|error| damaged(&error))
}

pub(crate) fn state(row: &SqliteRow) -> Result<RecipientState, DeskError> {
    let text: String = row.try_get("state")?;
    RecipientState::parse(&text).ok_or_else(|| damaged(&format!("state {text}")))
}

pub(crate) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, DeskError> {
    Ok(Timestamp::from_unix_ms(row.try_get(column)?))
}

pub(crate) fn damaged(what: &dyn std::fmt::Display) -> DeskError {
    DeskError::Internal(format!("stored row: {what}"))
}
