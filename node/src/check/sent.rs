//! What was sent and what arrived: headers with packets (the commitment opens), shown states with receipts,
//! the inbox with the station's own statements.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use formats::header::{Header, commitment};
use formats::id::{Digest, EnvelopeId, Party};
use formats::statement::Event;
use pki::permit::Object;
use pki::sign::{Parsed, verify_header};
use relay::store::check::{What, events, of_desk};

use super::{PAGE, Run};

pub(super) async fn check(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    envelopes(run).await?;
    of_station(run).await?;
    documents(run).await?;
    recipients(run).await?;
    inbox(run).await
}

async fn envelopes(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let mut after = String::new();
    loop {
        let rows = sqlx::query(
            "SELECT e.id, e.header, e.header_digest, e.header_signature, e.salt, d.packet_digest, \
               d.packet_signature FROM desk_envelope e LEFT JOIN desk_document d ON d.id = e.document \
             WHERE e.id > ? ORDER BY e.id LIMIT ?",
        )
        .bind(after.clone())
        .bind(PAGE)
        .fetch_all(&mut *run.connection)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.try_get("id")?;
        for row in &rows {
            let id: String = row.try_get("id")?;
            let digest: Vec<u8> = row.try_get("header_digest")?;
            let header: Vec<u8> = row.try_get("header")?;
            let mut problem = of_header(run, row, &id)?;
            if Digest::of(&header).as_bytes().as_slice() != digest {
                problem = Some("the header does not have its digest".to_owned());
            }
            if let (None, Ok(header)) = (&problem, Header::decode(&header)) {
                problem = recipients_of(run, &header, &id).await?;
            }
            if let Some(problem) = problem {
                let place = format!("desk_envelope row {id}");
                run.about(What::Envelope, place, problem, Some(&id), None);
            }
        }
    }
}

/// Header, signature and commitment of a row that has columns `header`, `header_signature`, `salt`,
/// `packet_digest`, `packet_signature`.
fn of_header(run: &mut Run<'_>, row: &SqliteRow, id: &str) -> Result<Option<String>, sqlx::Error> {
    let header: Vec<u8> = row.try_get("header")?;
    let signature: Vec<u8> = row.try_get("header_signature")?;
    let header = match Header::decode(&header) {
        Ok(header) => header,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let context = header.context();
    if context.id.to_string() != id {
        return Ok(Some("the header is another envelope's".to_owned()));
    }
    if let Some(directory) = &run.settings.directory {
        let role = Object::of_class(context.class).signer();
        match directory.signer(&context.signer, role, context.created) {
            Err(_) => run.report.unjudged += 1,
            Ok(signer) => {
                if let Err(error) = verify_header(header.clone(), &signature, &signer) {
                    return Ok(Some(error.to_string()));
                }
            }
        }
    }
    let salt: Option<Vec<u8>> = row.try_get("salt")?;
    let digest: Option<Vec<u8>> = row.try_get("packet_digest")?;
    let signature: Option<Vec<u8>> = row.try_get("packet_signature")?;
    let (Some(salt), Some(digest), Some(signature)) = (salt, digest, signature) else {
        return Ok(None);
    };
    let opened = <[u8; 32]>::try_from(salt.as_slice())
        .ok()
        .zip(<[u8; 32]>::try_from(digest.as_slice()).ok())
        .zip(Parsed::parse(&signature).ok())
        .map(|((salt, digest), parsed)| {
            commitment(&salt, &Digest::from_bytes(digest), parsed.signature_value())
        });
    let holds = opened.is_some() && opened == context.commitment;
    let detail = "packet digest, salt and signature do not open the header's commitment";
    Ok((!holds).then(|| detail.to_owned()))
}

/// What the station sent and delivered for the desk, the desk has rows of.
async fn of_station(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let mut after = i64::MIN;
    loop {
        let page = of_desk(run.connection, after).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.key;
        for one in &page {
            let id = one.id.to_string();
            if one.own {
                let row = sqlx::query("SELECT count(*) AS n FROM desk_envelope WHERE id = ?")
                    .bind(&id)
                    .fetch_one(&mut *run.connection)
                    .await?;
                if row.try_get::<i64, _>("n")? == 0 {
                    let detail = "the station sent it, and the desk has no row of it";
                    run.about(
                        What::Envelope,
                        format!("desk_envelope {id}"),
                        detail,
                        Some(&id),
                        None,
                    );
                }
            }
            for recipient in &one.delivered {
                arrived(run, &id, recipient.as_str()).await?;
            }
        }
    }
}

async fn arrived(run: &mut Run<'_>, id: &str, recipient: &str) -> Result<(), sqlx::Error> {
    let row = sqlx::query("SELECT count(*) AS n FROM desk_inbox WHERE envelope = ? AND agency = ?")
        .bind(id)
        .bind(recipient)
        .fetch_one(&mut *run.connection)
        .await?;
    if row.try_get::<i64, _>("n")? == 0 {
        let detail = "it was delivered, and the inbox has no row of it";
        let place = format!("desk_inbox ({id}, {recipient})");
        run.about(What::Envelope, place, detail, Some(id), Some(recipient));
    }
    Ok(())
}

/// Every recipient that the header names has its row.
async fn recipients_of(
    run: &mut Run<'_>,
    header: &Header,
    id: &str,
) -> Result<Option<String>, sqlx::Error> {
    for recipient in &header.context().recipients {
        let row = sqlx::query(
            "SELECT count(*) AS n FROM desk_recipient WHERE envelope = ? AND recipient = ?",
        )
        .bind(id)
        .bind(recipient.as_str())
        .fetch_one(&mut *run.connection)
        .await?;
        if row.try_get::<i64, _>("n")? == 0 {
            return Ok(Some(format!("the row of recipient {recipient} is gone")));
        }
    }
    Ok(None)
}

async fn documents(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT d.id, 'desk_document' AS place FROM desk_document d \
           LEFT JOIN desk_packet p ON p.digest = d.packet_digest WHERE p.digest IS NULL \
         UNION ALL SELECT d.id, 'desk_document' FROM desk_document d \
           LEFT JOIN desk_envelope e ON e.document = d.id WHERE e.id IS NULL \
         UNION ALL SELECT e.id, 'desk_envelope' FROM desk_envelope e \
           LEFT JOIN desk_document d ON d.id = e.document WHERE d.id IS NULL \
         UNION ALL SELECT e.id, 'desk_envelope' FROM desk_envelope e \
           LEFT JOIN desk_recipient r ON r.envelope = e.id WHERE r.envelope IS NULL \
         UNION ALL SELECT r.envelope, 'desk_recipient' FROM desk_recipient r \
           LEFT JOIN desk_envelope e ON e.id = r.envelope WHERE e.id IS NULL \
         UNION ALL SELECT i.envelope, 'desk_inbox' FROM desk_inbox i \
           LEFT JOIN desk_packet p ON p.digest = i.packet_digest \
           WHERE i.packet_digest IS NOT NULL AND p.digest IS NULL LIMIT 1000",
    )
    .fetch_all(&mut *run.connection)
    .await?;
    for row in &rows {
        let (id, place): (String, String) = (row.try_get("id")?, row.try_get("place")?);
        let detail = "a row that belongs to it (packet, envelope, document or recipient) is gone";
        run.about(
            What::Packet,
            format!("{place} row {id}"),
            detail,
            Some(&id),
            None,
        );
    }
    Ok(())
}

/// A state that a station stated has its receipt.
async fn recipients(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT envelope, recipient, state FROM desk_recipient r WHERE \
           (delivered_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM desk_receipt p WHERE \
              p.envelope = r.envelope AND p.recipient = r.recipient \
              AND p.event = 'ContentConsignment' AND p.at = r.delivered_at)) \
           OR (handed_over_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM desk_receipt p WHERE \
              p.envelope = r.envelope AND p.recipient = r.recipient \
              AND p.event = 'ContentHandover' AND p.at = r.handed_over_at)) \
           OR (state = 'withdrawn' AND NOT EXISTS (SELECT 1 FROM desk_receipt p WHERE \
              p.envelope = r.envelope AND p.recipient = r.recipient AND p.event = 'Recalled')) \
           OR (state = 'delivered') <> (delivered_at IS NOT NULL AND handed_over_at IS NULL) \
           OR (state = 'handed_over') <> (handed_over_at IS NOT NULL) \
           OR (state IN ('accepted', 'relayed', 'refused', 'expired') AND EXISTS \
              (SELECT 1 FROM desk_receipt p WHERE p.envelope = r.envelope \
               AND p.recipient = r.recipient AND r.replaced = 0 AND p.at <= r.expires \
               AND p.event IN ('ContentConsignment', 'ContentHandover'))) \
           LIMIT 1000",
    )
    .fetch_all(&mut *run.connection)
    .await?;
    for row in &rows {
        let (envelope, recipient): (String, String) =
            (row.try_get("envelope")?, row.try_get("recipient")?);
        let state: String = row.try_get("state")?;
        let detail = format!("it shows `{state}`, and the receipts do not say so");
        let place = format!("desk_recipient row ({envelope}, {recipient})");
        run.about(
            What::Receipt,
            place,
            detail,
            Some(&envelope),
            Some(&recipient),
        );
    }
    Ok(())
}

async fn inbox(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let mut after = 0_i64;
    loop {
        let rows = sqlx::query(
            "SELECT seq, envelope, agency, state, header, header_signature, salt, packet_digest, \
               packet_signature FROM desk_inbox WHERE seq > ? ORDER BY seq LIMIT ?",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *run.connection)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.try_get("seq")?;
        for row in &rows {
            let (id, agency): (String, String) = (row.try_get("envelope")?, row.try_get("agency")?);
            let state: String = row.try_get("state")?;
            let header: Vec<u8> = row.try_get("header")?;
            // What was set aside did not verify when it came.
            let problem = if state == "quarantined" {
                None
            } else {
                of_header(run, row, &id)?
            };
            let place = format!("desk_inbox row ({id}, {agency})");
            if let Some(problem) = problem {
                run.about(
                    What::Envelope,
                    place.clone(),
                    problem,
                    Some(&id),
                    Some(&agency),
                );
            }
            if let Some(problem) = of_inbox(run, &id, &agency, &state, Digest::of(&header)).await? {
                run.about(What::Receipt, place, problem, Some(&id), Some(&agency));
            }
        }
    }
}

/// What the desk shows as taken over must be stated, and the other way round.
async fn of_inbox(
    run: &mut Run<'_>,
    id: &str,
    agency: &str,
    state: &str,
    header: Digest,
) -> Result<Option<String>, sqlx::Error> {
    let (Ok(envelope), Ok(recipient)) = (id.parse::<EnvelopeId>(), agency.parse::<Party>()) else {
        return Ok(Some("its id or agency is not one".to_owned()));
    };
    // Of this very header: one that differs in a byte was never stated about.
    let stated: Vec<Event> = events(run.connection, &envelope, &recipient)
        .await?
        .into_iter()
        .filter_map(|(event, of)| (of == header).then_some(event))
        .collect();
    let taken = stated.contains(&Event::ContentHandover);
    let fits = match state {
        "acknowledged" => taken,
        "new" => !taken && stated.contains(&Event::ContentConsignment),
        _ => stated.contains(&Event::ContentConsignmentFailure),
    };
    let detail = || format!("it is `{state}`, and the station's statements do not say so");
    Ok((!fits).then(detail))
}
