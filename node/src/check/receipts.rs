//! Bundles against their digests and signatures, receipts against the bundles they were taken from, steps
//! against receipts.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use formats::id::Digest;
use formats::receipt::ReceiptBundle;
use formats::statement::Statement;
use formats::time::Timestamp;
use relay::store::check::{What, believe};

use super::{PAGE, Run, hex};

pub(super) async fn check(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let mut after = Vec::new();
    loop {
        let rows = sqlx::query(
            "SELECT digest, bundle, station, received FROM desk_bundle WHERE digest > ? \
             ORDER BY digest LIMIT ?",
        )
        .bind(after.clone())
        .bind(PAGE)
        .fetch_all(&mut *run.connection)
        .await?;
        let Some(last) = rows.last() else { break };
        after = last.try_get("digest")?;
        for row in &rows {
            bundle(run, row).await?;
        }
    }
    without_bundle(run).await?;
    of_other_leaf(run).await?;
    steps(run).await
}

async fn bundle(run: &mut Run<'_>, row: &SqliteRow) -> Result<(), sqlx::Error> {
    let (digest, bytes): (Vec<u8>, Vec<u8>) = (row.try_get("digest")?, row.try_get("bundle")?);
    let station: String = row.try_get("station")?;
    let received = Timestamp::from_unix_ms(row.try_get("received")?);
    let place = format!("desk_bundle row {}", hex(&digest));
    if Digest::of(&bytes).as_bytes().as_slice() != digest {
        run.found(What::Receipt, place, "it does not have its digest");
        return Ok(());
    }
    let read = ReceiptBundle::decode(&bytes).and_then(|bundle| {
        let statements = bundle.statements()?;
        Ok((bundle, statements))
    });
    let (bundle, statements) = match read {
        Ok(read) => read,
        Err(error) => {
            run.found(What::Receipt, place, error.to_string());
            return Ok(());
        }
    };
    if statements.iter().any(|one| one.station.as_str() != station) {
        run.found(
            What::Receipt,
            place.clone(),
            "its row names another station",
        );
    }
    if let Some(directory) = &run.settings.directory {
        match believe(directory, &bundle, received) {
            None => run.report.unjudged += 1,
            Some(Ok(())) => {}
            Some(Err(why)) => run.found(What::Receipt, place, why),
        }
    }
    for (position, (proven, statement)) in bundle.proven.iter().zip(&statements).enumerate() {
        receipt(run, &digest, position, proven.leaf_hash(), statement).await?;
    }
    Ok(())
}

/// The row of one statement of a bundle.
async fn receipt(
    run: &mut Run<'_>,
    bundle: &[u8],
    position: usize,
    leaf: Digest,
    statement: &Statement,
) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT envelope, recipient, event, at, station, bundle, position FROM desk_receipt \
         WHERE leaf = ?",
    )
    .bind(leaf.as_bytes().as_slice())
    .fetch_optional(&mut *run.connection)
    .await?;
    let envelope = statement.envelope.to_string();
    let problem = match row {
        None => Some("a receipt that came is not listed any more"),
        Some(row) => {
            // What came again keeps its first bundle.
            let first: Vec<u8> = row.try_get("bundle")?;
            let same = row.try_get::<String, _>("envelope")? == envelope
                && row.try_get::<String, _>("recipient")? == statement.recipient.as_str()
                && row.try_get::<String, _>("event")? == statement.event.name()
                && row.try_get::<i64, _>("at")? == statement.time.unix_ms()
                && row.try_get::<String, _>("station")? == statement.station.as_str();
            let placed = first != bundle
                || usize::try_from(row.try_get::<i64, _>("position")?) == Ok(position);
            (!(same && placed)).then_some("its row says something else than the statement")
        }
    };
    if let Some(problem) = problem {
        let (place, to) = (
            format!("desk_receipt row {leaf}"),
            statement.recipient.as_str(),
        );
        run.about(What::Receipt, place, problem, Some(&envelope), Some(to));
    }
    Ok(())
}

async fn without_bundle(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT r.leaf, r.envelope, r.recipient FROM desk_receipt r \
         LEFT JOIN desk_bundle b ON b.digest = r.bundle WHERE b.digest IS NULL LIMIT 1000",
    )
    .fetch_all(&mut *run.connection)
    .await?;
    for row in &rows {
        let (leaf, envelope): (Vec<u8>, String) = (row.try_get("leaf")?, row.try_get("envelope")?);
        let recipient: String = row.try_get("recipient")?;
        let (place, detail) = (
            format!("desk_receipt row {}", hex(&leaf)),
            "the bundle that proves it is gone",
        );
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

/// Rows whose leaf is not the one of their statement in their bundle.
async fn of_other_leaf(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let mut after = (Vec::new(), Vec::new());
    let mut known: (Vec<u8>, Option<ReceiptBundle>) = (Vec::new(), None);
    loop {
        let rows = sqlx::query(
            "SELECT leaf, envelope, recipient, bundle, position FROM desk_receipt \
             WHERE (bundle, leaf) > (?, ?) ORDER BY bundle, leaf LIMIT ?",
        )
        .bind(after.0.clone())
        .bind(after.1.clone())
        .bind(PAGE * 10)
        .fetch_all(&mut *run.connection)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = (last.try_get("bundle")?, last.try_get("leaf")?);
        for row in &rows {
            let (leaf, bundle): (Vec<u8>, Vec<u8>) = (row.try_get("leaf")?, row.try_get("bundle")?);
            if known.0 != bundle {
                let found = sqlx::query("SELECT bundle FROM desk_bundle WHERE digest = ?")
                    .bind(bundle.clone())
                    .fetch_optional(&mut *run.connection)
                    .await?;
                let bytes: Option<Vec<u8>> = found.map(|row| row.try_get("bundle")).transpose()?;
                known = (
                    bundle,
                    bytes.and_then(|bytes| ReceiptBundle::decode(&bytes).ok()),
                );
            }
            // A bundle that is gone or does not decode is found by itself.
            let Some(bundle) = &known.1 else { continue };
            let position: i64 = row.try_get("position")?;
            let proven = usize::try_from(position)
                .ok()
                .and_then(|at| bundle.proven.get(at));
            if proven.is_some_and(|one| one.leaf_hash().as_bytes().as_slice() == leaf) {
                continue;
            }
            let (envelope, to): (String, String) =
                (row.try_get("envelope")?, row.try_get("recipient")?);
            let place = format!("desk_receipt row {}", hex(&leaf));
            let detail = "its bundle has another statement there";
            run.about(What::Receipt, place, detail, Some(&envelope), Some(&to));
        }
    }
}

/// Steps of a history that name a receipt.
async fn steps(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT s.seq, s.envelope, s.recipient FROM desk_step s \
         LEFT JOIN desk_receipt r ON r.leaf = s.leaf WHERE s.leaf IS NOT NULL AND \
           (r.leaf IS NULL OR r.envelope <> s.envelope OR r.recipient <> s.recipient \
            OR r.at <> s.at) LIMIT 1000",
    )
    .fetch_all(&mut *run.connection)
    .await?;
    for row in &rows {
        let (seq, envelope): (i64, String) = (row.try_get("seq")?, row.try_get("envelope")?);
        let recipient: String = row.try_get("recipient")?;
        let detail = "the receipt behind it says something else or is gone";
        let place = format!("desk_step row {seq}");
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
