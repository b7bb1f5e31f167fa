//! Rows of received documents.

mod lease;
mod looked;
mod owing;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool};

use formats::edxml::Warning;
use formats::header::Header;
use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::reason::Reason;
use formats::time::Timestamp;
use relay::store::{DeskRefusal, DeskRows, LegId, Outcome};

use super::access::time_option;
use super::documents::{damaged, digest, envelope, from_json, json, time};
use super::{acts, keeping};
use crate::fault::DeskError;
use crate::fold::patterns;
use crate::life::Life;
use crate::packet::warning_view;
use crate::view::{
    AttachmentView, BusinessView, FaultView, InboxRow, InboxState, InboxView, PacketFacts,
    SignatureView, TimeProof,
};

pub(crate) use lease::{Standing, acknowledge, free, lease, standing};
pub(crate) use looked::{open, opened, refuse};
pub(crate) use owing::{Owing, answered, owing, reported};

/// A received document, or one that was set aside.
#[derive(Debug)]
pub(crate) struct NewItem {
    pub(crate) natural: String,
    pub(crate) local_id: String,
    pub(crate) facts: PacketFacts,
    pub(crate) attachments: Vec<AttachmentView>,
    pub(crate) warnings: Vec<FaultView>,
    pub(crate) search_text: String,
    /// Digest, CMS signature, signer's certificate, salt; absent for what was set aside.
    pub(crate) packet: Option<(Digest, Vec<u8>, Digest, [u8; 32])>,
    pub(crate) packet_bytes: u64,
    pub(crate) signed_at: Option<Timestamp>,
    pub(crate) stamped_at: Option<Timestamp>,
    /// Why it was set aside, and details for operators.
    pub(crate) trouble: Option<(Reason, String)>,
    /// Its sender is to get a status packet 01.
    pub(crate) owes_arrived: bool,
    /// When its first deadline ends.
    pub(crate) due: Option<Timestamp>,
}

impl NewItem {
    /// What is known of an arrival that did not verify: what its header says.
    pub(crate) fn aside(header: &Header, reason: Reason, detail: String) -> Self {
        let context = header.context();
        let facts = PacketFacts {
            priority: context.priority.number(),
            ..PacketFacts::default()
        };
        Self {
            natural: format!("x|{}", context.id),
            local_id: String::new(),
            facts,
            attachments: Vec::new(),
            warnings: Vec::new(),
            search_text: crate::fold::fold(context.sender.as_str()),
            packet: None,
            packet_bytes: 0,
            signed_at: None,
            stamped_at: None,
            trouble: Some((reason, detail)),
            owes_arrived: false,
            due: None,
        }
    }
}

/// Refuses the desk's part when the leg did not move: somebody else was first.
pub(crate) fn expect_moved(outcomes: &[Outcome]) -> Result<(), DeskRefusal> {
    match outcomes {
        [Outcome::Moved] => Ok(()),
        _ => Err(DeskRefusal::refused("the leg was settled before")),
    }
}

/// Another sender's envelope has this id in this inbox.
pub(crate) const ID_TAKEN: &str = "the id is taken by another envelope of this inbox";

/// Writes the row; the same envelope for the same agency keeps its first row. Refuses with
/// [`ID_TAKEN`] when the row under this id is another envelope's: it would be stated as delivered
/// and never be seen. Answers whether acts about this document came before it.
pub(crate) async fn put(
    desk: &mut DeskRows<'_>,
    leg: LegId,
    owner: &str,
    header: &Header,
    header_signature: &[u8],
    item: &NewItem,
    now: Timestamp,
) -> Result<bool, DeskRefusal> {
    let context = header.context();
    let state = if item.trouble.is_some() {
        InboxState::Quarantined
    } else {
        InboxState::New
    };
    let packet = item.packet.as_ref();
    desk.add(
        "INSERT INTO desk_inbox (envelope, agency, sender, kind, natural, local_id, facts,
           attachments, warnings, search_text, priority, state, reason, detail, packet_digest,
           packet_bytes, packet_signature, certificate, signed_at, stamped_at, header,
           header_signature, salt, leg, sent, received, owes_arrived, due)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (envelope, agency) DO NOTHING RETURNING EXISTS (SELECT 1 FROM desk_act a
           WHERE a.agency = desk_inbox.agency AND a.side = 'received'
             AND a.local_id = desk_inbox.local_id AND a.peer = desk_inbox.sender) AS waited",
    )
    .bind(context.id.to_string())
    .bind(owner)
    .bind(context.sender.as_str())
    .bind(context.class.as_str())
    .bind(&item.natural)
    .bind(&item.local_id)
    .bind(json(&item.facts))
    .bind(json(&item.attachments))
    .bind(json(&item.warnings))
    .bind(&item.search_text)
    .bind(i64::from(context.priority.number()))
    .bind(state.code())
    .bind(item.trouble.as_ref().map(|(reason, _)| reason.code()))
    .bind(item.trouble.as_ref().map(|(_, detail)| detail.as_str()))
    .bind(packet.map(|(digest, ..)| digest.as_bytes().as_slice()))
    .bind(i64::try_from(item.packet_bytes).unwrap_or(i64::MAX))
    .bind(packet.map(|(_, signature, ..)| signature.as_slice()))
    .bind(packet.map(|(_, _, certificate, _)| certificate.as_bytes().as_slice()))
    .bind(item.signed_at.map(Timestamp::unix_ms))
    .bind(item.stamped_at.map(Timestamp::unix_ms))
    .bind(header.bytes())
    .bind(header_signature)
    .bind(packet.map(|(.., salt)| salt.as_slice()))
    .bind(leg.0)
    .bind(context.created.unix_ms())
    .bind(now.unix_ms())
    .bind(item.owes_arrived)
    .bind(item.due.map(Timestamp::unix_ms));
    find_twin(desk, owner, header, item);
    // The row that was written answers first, if it was written; then the twin, if there is one.
    let mut rows = desk.fetch().await?.into_iter();
    if let Some(Ok(waited)) = rows.next().map(|row| row.try_get("waited")) {
        if let Some(twin) = rows.next() {
            warn_of(desk, owner, header, item, &twin)?;
        }
        return Ok(waited);
    }
    desk.add("SELECT header FROM desk_inbox WHERE envelope = ? AND agency = ?")
        .bind(context.id.to_string())
        .bind(owner);
    let found = desk.fetch().await?;
    let first = found.first().ok_or(sqlx::Error::RowNotFound)?;
    if first.try_get::<Vec<u8>, _>("header")? == header.bytes() {
        Ok(false)
    } else {
        Err(DeskRefusal::refused(ID_TAKEN))
    }
}

/// Looks, among what came before, for the same document: the same natural key, or (a new document) the same
/// number and notation in the same year [Decree 30/2020 annex VI]. Inside the commit, so that of two that
/// come at once the second is always seen.
fn find_twin(desk: &mut DeskRows<'_>, owner: &str, header: &Header, item: &NewItem) {
    let (context, facts) = (header.context(), &item.facts);
    let new = facts.business == 0 && facts.status_code.is_none() && !facts.code.is_empty();
    let year = facts.promulgated.as_deref().and_then(|day| day.get(..4));
    let sender = context.sender.as_str();
    desk.add(
        "SELECT envelope, received FROM desk_inbox WHERE seq IN (
           SELECT seq FROM desk_inbox WHERE agency = ? AND sender = ? AND natural = ?
           UNION SELECT seq FROM desk_inbox WHERE agency = ? AND sender = ?
             AND json_extract(facts, '$.code') = ? AND natural LIKE 'd|0|%'
             AND substr(json_extract(facts, '$.promulgated'), 1, 4) IS ?)
           AND envelope <> ? ORDER BY seq LIMIT 1",
    )
    .bind(owner)
    .bind(sender)
    .bind(&item.natural)
    .bind(owner)
    .bind(sender)
    .bind(new.then_some(&facts.code))
    .bind(year)
    .bind(context.id.to_string());
}

/// W-DUP on the row that was written just now.
fn warn_of(
    desk: &mut DeskRows<'_>,
    owner: &str,
    header: &Header,
    item: &NewItem,
    twin: &SqliteRow,
) -> Result<(), sqlx::Error> {
    let id: String = twin.try_get("envelope")?;
    let received = Timestamp::from_unix_ms(twin.try_get("received")?);
    let warning = Warning::duplicate(&format!("{id}, {}", received.vietnam()));
    let mut warnings = item.warnings.clone();
    warnings.push(warning_view(&warning));
    desk.add("UPDATE desk_inbox SET warnings = ? WHERE agency = ? AND envelope = ?")
        .bind(json(&warnings))
        .bind(owner)
        .bind(header.context().id.to_string());
    Ok(())
}

/// Which rows of the inbox.
#[derive(Debug)]
pub(crate) struct InboxQuery<'a> {
    pub(crate) owner: &'a AgencyCode,
    pub(crate) states: &'a [InboxState],
    /// `document` or `status`; all when absent.
    pub(crate) kind: Option<&'a str>,
    pub(crate) text: Option<&'a str>,
    /// Rows before this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
    pub(crate) now: Timestamp,
}

const COLUMNS: &str = "seq, envelope, sender, kind, local_id, facts, state, reason, received,
  acknowledged, priority, claim, lease_until, life, request";

/// Rows newest first, each with its place in the order.
pub(crate) async fn list(
    pool: &SqlitePool,
    query: &InboxQuery<'_>,
) -> Result<Vec<(i64, InboxRow)>, DeskError> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT ");
    sql.push(COLUMNS)
        .push(" FROM desk_inbox WHERE agency = ")
        .push_bind(query.owner.as_str());
    if query.states.is_empty() {
        sql.push(" AND state <> 'quarantined'");
    } else {
        sql.push(" AND (");
        for (at, state) in query.states.iter().enumerate() {
            sql.push(if at == 0 { "" } else { " OR " });
            match state {
                InboxState::New => {
                    sql.push("(state = 'new' AND coalesce(lease_until, 0) <= ");
                    sql.push_bind(query.now.unix_ms()).push(")");
                }
                InboxState::Claimed => {
                    sql.push("(state = 'new' AND lease_until > ");
                    sql.push_bind(query.now.unix_ms()).push(")");
                }
                InboxState::Acknowledged => {
                    sql.push("state = 'acknowledged'");
                }
                InboxState::Quarantined => {
                    sql.push("state = 'quarantined'");
                }
            }
        }
        sql.push(")");
    }
    if let Some(kind) = query.kind {
        sql.push(" AND kind = ").push_bind(kind);
    }
    for pattern in query.text.map(patterns).unwrap_or_default() {
        sql.push(" AND search_text LIKE ")
            .push_bind(pattern)
            .push(" ESCAPE '\\'");
    }
    if let Some(before) = query.before {
        sql.push(" AND seq < ").push_bind(before);
    }
    sql.push(" ORDER BY seq DESC LIMIT ")
        .push_bind(i64::from(query.limit));
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("seq")?, inbox_row(row, query.now)?)))
        .collect()
}

/// The digest of an item's packet, unless it was set aside, and the document's number and notation. A
/// document whose recall was agreed to is handed out no more [Decree 30/2020 art. 18(4)b].
pub(crate) async fn packet(
    pool: &SqlitePool,
    owner: &AgencyCode,
    id: EnvelopeId,
) -> Result<(Option<Digest>, String), DeskError> {
    let row = sqlx::query(
        "SELECT packet_digest, facts, life, content_deleted, content_rule FROM desk_inbox
         WHERE agency = ? AND envelope = ?",
    )
    .bind(owner.as_str())
    .bind(id.to_string())
    .fetch_optional(pool)
    .await?
    .ok_or(DeskError::NotFound)?;
    if word(&row, "life")?.as_deref() == Some("withdrawn") {
        return Err(DeskError::Withdrawn);
    }
    if let Some(gone) = keeping::deleted(&row)? {
        return Err(gone.into());
    }
    let facts: PacketFacts = from_json(&row.try_get::<String, _>("facts")?)?;
    let aside = row
        .try_get::<Option<Vec<u8>>, _>("packet_digest")?
        .is_none();
    let packet = (!aside)
        .then(|| digest(&row, "packet_digest"))
        .transpose()?;
    Ok((packet, facts.code))
}

/// One item as it is shown.
pub(crate) async fn item(
    pool: &SqlitePool,
    owner: &AgencyCode,
    id: EnvelopeId,
    now: Timestamp,
) -> Result<InboxView, DeskError> {
    let row = sqlx::query("SELECT * FROM desk_inbox WHERE agency = ? AND envelope = ?")
        .bind(owner.as_str())
        .bind(id.to_string())
        .fetch_optional(pool)
        .await?
        .ok_or(DeskError::NotFound)?;
    let has_packet = row
        .try_get::<Option<Vec<u8>>, _>("packet_digest")?
        .is_some();
    let packet = has_packet
        .then(|| digest(&row, "packet_digest"))
        .transpose()?;
    let signature = has_packet.then(|| signature(&row)).transpose()?;
    let bytes: i64 = row.try_get("packet_bytes")?;
    let list_row = inbox_row(&row, now)?;
    let business = if has_packet && list_row.kind == "document" {
        let (sender, local_id) = (&list_row.sender, &list_row.local_id);
        let said = acts::received(pool, owner, sender, local_id).await?;
        let life = Life::fold(said, Some(list_row.received), None);
        Some(BusinessView::from(&life))
    } else {
        None
    };
    Ok(InboxView {
        row: list_row,
        business,
        deadlines: Vec::new(),
        facts: from_json(&row.try_get::<String, _>("facts")?)?,
        attachments: from_json(&row.try_get::<String, _>("attachments")?)?,
        packet_bytes: u64::try_from(bytes).unwrap_or(0),
        packet_digest: packet.map(|digest| digest.to_string()).unwrap_or_default(),
        signature,
        warnings: from_json(&row.try_get::<String, _>("warnings")?)?,
        sent: time(&row, "sent")?,
        opened: time_option(&row, "opened")?,
        content_deleted: keeping::deleted(&row)?,
        keeping: keeping::of_document(pool, owner, id).await?,
    })
}

fn signature(row: &SqliteRow) -> Result<SignatureView, DeskError> {
    let stamped_at = time_option(row, "stamped_at")?;
    let sender: String = row.try_get("sender")?;
    Ok(SignatureView {
        signer: AgencyCode::parse(&sender).map_err(|error| damaged(&error))?,
        certificate: digest(row, "certificate")?.to_string(),
        signed_at: time(row, "signed_at")?,
        stamped_at,
        time_proof: if stamped_at.is_some() {
            TimeProof::TimeStamp
        } else {
            TimeProof::Checkpoint
        },
    })
}

fn inbox_state(row: &SqliteRow, now: Timestamp) -> Result<InboxState, DeskError> {
    let stored: String = row.try_get("state")?;
    let leased = time_option(row, "lease_until")?.is_some_and(|until| until > now);
    match InboxState::parse(&stored) {
        Some(InboxState::New) if leased => Ok(InboxState::Claimed),
        Some(state) => Ok(state),
        None => Err(damaged(&format!("state {stored}"))),
    }
}

fn inbox_row(row: &SqliteRow, now: Timestamp) -> Result<InboxRow, DeskError> {
    let facts: PacketFacts = from_json(&row.try_get::<String, _>("facts")?)?;
    let kind: String = row.try_get("kind")?;
    let reason: Option<String> = row.try_get("reason")?;
    let priority: i64 = row.try_get("priority")?;
    Ok(InboxRow {
        id: envelope(row, "envelope")?,
        kind: if kind == "status" {
            "status"
        } else {
            "document"
        },
        sender: row.try_get("sender")?,
        sender_name: facts.sender_name,
        local_id: row.try_get("local_id")?,
        code: facts.code,
        subject: facts.subject,
        type_name: facts.type_name,
        priority: u8::try_from(priority).unwrap_or(0),
        business: facts.business,
        state: inbox_state(row, now)?,
        business_state: word(row, "life")?.unwrap_or_else(|| "arrived".to_owned()),
        business_request: word(row, "request")?.unwrap_or_else(|| "none".to_owned()),
        reason: reason
            .and_then(|code| code.parse::<Reason>().ok())
            .map(Into::into),
        received: time(row, "received")?,
        acknowledged: time_option(row, "acknowledged")?,
    })
}

fn word(row: &SqliteRow, column: &str) -> Result<Option<String>, DeskError> {
    Ok(row.try_get(column)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample::{NOW, header, tables};

    #[tokio::test]
    async fn an_id_that_another_sender_used_first_is_refused_and_the_same_envelope_is_not() {
        let pool = tables().await;
        let mut conn = pool.acquire().await.unwrap();
        let (first, second) = (header("H01.36", 1), header("G14", 1));
        assert_eq!(first.context().id, second.context().id);
        for header in [&first, &first, &second] {
            let item = NewItem::aside(header, Reason::SignatureInvalid, String::new());
            let mut desk = DeskRows::new(&mut conn, true);
            let put = put(&mut desk, LegId(1), "H01.36.04", header, b"cms", &item, NOW).await;
            let refused = matches!(&put, Err(DeskRefusal::Refused(why)) if why == ID_TAKEN);
            assert_eq!(refused, *header.bytes() == *second.bytes(), "{put:?}");
            assert_eq!(put.is_ok(), !refused);
        }
    }
}
