//! What is kept as evidence: bundles of other stations, second headers under a taken id, receipts owed.

use std::collections::BTreeSet;

use formats::header::Header;
use formats::id::Digest;
use formats::receipt::ReceiptBundle;
use formats::time::Timestamp;
use pki::role::Role;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{PAGE, Run, What, hex, id_text};
use crate::directory::Snapshot;

pub(super) async fn check(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let mut after = (0_i64, Vec::new());
    loop {
        let rows = sqlx::query(
            "SELECT r.envelope, r.digest, r.received, r.bundle, e.id, e.header_digest \
             FROM received_evidence r LEFT JOIN envelope e ON e.key = r.envelope \
             WHERE (r.envelope, r.digest) > (?, ?) ORDER BY r.envelope, r.digest LIMIT ?",
        )
        .bind(after.0)
        .bind(after.1.clone())
        .bind(PAGE)
        .fetch_all(&mut *run.connection)
        .await?;
        let Some(last) = rows.last() else { break };
        after = (last.try_get("envelope")?, last.try_get("digest")?);
        for row in &rows {
            evidence(run, row)?;
        }
    }
    conflicts(run).await?;
    owed(run).await
}

fn evidence(run: &mut Run<'_>, row: &SqliteRow) -> Result<(), sqlx::Error> {
    let (key, digest): (i64, Vec<u8>) = (row.try_get("envelope")?, row.try_get("digest")?);
    let bytes: Vec<u8> = row.try_get("bundle")?;
    let received = Timestamp::from_unix_ms(row.try_get("received")?);
    let (id, header): (Option<Vec<u8>>, Option<Vec<u8>>) =
        (row.try_get("id")?, row.try_get("header_digest")?);
    let mut problem = None;
    let mut station = None;
    if Digest::of(&bytes).as_bytes().as_slice() != digest {
        problem = Some("it does not have its digest".to_owned());
    }
    match ReceiptBundle::decode(&bytes) {
        Err(error) => problem = Some(problem.unwrap_or_else(|| error.to_string())),
        Ok(bundle) => {
            let origin = bundle
                .checkpoint
                .parsed()
                .map(|note| note.checkpoint.origin);
            station = origin.ok().map(|origin| origin.station().to_string());
            match bundle.statements() {
                Err(error) => problem = Some(problem.unwrap_or_else(|| error.to_string())),
                Ok(statements) => {
                    let about = header.as_deref().is_some_and(|header| {
                        let ours = |digest: &Digest| digest.as_bytes().as_slice() == header;
                        statements.iter().any(|one| ours(&one.header_digest))
                    });
                    if !about {
                        problem.get_or_insert_with(|| "it speaks of another envelope".to_owned());
                    }
                }
            }
            if let Some(directory) = run.settings.directory.clone() {
                match believe(&directory, &bundle, received) {
                    None => run.report.unjudged += 1,
                    Some(Ok(())) => {}
                    Some(Err(why)) => drop(problem.get_or_insert(why)),
                }
            }
        }
    }
    if let Some(problem) = problem {
        let place = format!("received_evidence row ({key}, {})", hex(&digest));
        let found = run.found(What::Evidence, &place, problem);
        found.envelope = id.as_deref().map(id_text);
        if let Some(station) = station {
            found.station = station;
        }
    }
    Ok(())
}

/// Whether the station that the log belongs to signed the bundle's checkpoint; `None`: not known here.
pub fn believe(
    directory: &Snapshot,
    bundle: &ReceiptBundle,
    at: Timestamp,
) -> Option<Result<(), String>> {
    let origin = match bundle.checkpoint.parsed() {
        Ok(note) => note.checkpoint.origin,
        Err(error) => return Some(Err(error.to_string())),
    };
    let record = directory.station(origin.station())?;
    let mut verdict = None;
    for sha256 in &record.record().evidence_sha256 {
        let Ok(signer) = directory.signer(sha256, Role::StationEvidence, at) else {
            continue;
        };
        let key = record.record().note_key.as_bytes();
        match pki::note::verify_checkpoint(&bundle.checkpoint, key, &signer) {
            Ok(_) => return Some(Ok(())),
            Err(error) => verdict = Some(Err(error.to_string())),
        }
    }
    verdict
}

async fn conflicts(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let rows = sqlx::query("SELECT sender, id, header_digest, header FROM id_conflict LIMIT 10000")
        .fetch_all(&mut *run.connection)
        .await?;
    for row in &rows {
        let (sender, id): (String, Vec<u8>) = (row.try_get("sender")?, row.try_get("id")?);
        let (digest, header): (Vec<u8>, Vec<u8>) =
            (row.try_get("header_digest")?, row.try_get("header")?);
        let good = Header::decode(&header).is_ok_and(|header| {
            let context = header.context();
            header.digest().as_bytes().as_slice() == digest
                && context.sender.as_str() == sender
                && context.id.as_bytes().as_slice() == id
        });
        if !good {
            let place = format!("id_conflict row ({sender}, {})", id_text(&id));
            let detail = "the header is not the one that was refused".to_owned();
            run.found(What::Envelope, &place, detail).envelope = Some(id_text(&id));
        }
    }
    Ok(())
}

async fn owed(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT o.position FROM owed_receipt o LEFT JOIN statement s ON s.position = o.position \
         WHERE s.position IS NULL LIMIT 1000",
    )
    .fetch_all(&mut *run.connection)
    .await?;
    let gone: BTreeSet<i64> = rows
        .iter()
        .map(|row| row.try_get("position"))
        .collect::<Result<_, _>>()?;
    for position in gone {
        let place = format!("owed_receipt row {position}");
        run.found(
            What::Leg,
            &place,
            "the statement owed is not there".to_owned(),
        );
    }
    Ok(())
}
