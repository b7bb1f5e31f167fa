//! Sealed bodies against the digests in signed headers, and files that nothing names.

use std::collections::HashSet;

use formats::body::{Layout, body_digest_of};
use formats::header::Header;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{PAGE, Run, What, id_text};
use crate::store::body;
use crate::store::rows::{BODY_FILE, BODY_INLINE, BODY_RELEASED};

pub(super) async fn check(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let mut named = HashSet::new();
    let mut after = i64::MIN;
    loop {
        let rows = sqlx::query(
            "SELECT key, id, header, capsule_bytes, body_kind, body_bytes, body_file, body \
             FROM envelope WHERE key > ? ORDER BY key LIMIT ?",
        )
        .bind(after)
        // Small bodies lie in the rows.
        .bind(PAGE / 10)
        .fetch_all(&mut *run.connection)
        .await?;
        let Some(last) = rows.last() else { break };
        after = last.try_get("key")?;
        for row in &rows {
            one(run, row, &mut named).await?;
        }
    }
    let rows = sqlx::query("SELECT file FROM doomed_body UNION ALL SELECT file FROM damaged_body WHERE file IS NOT NULL")
        .fetch_all(&mut *run.connection)
        .await?;
    for row in &rows {
        named.insert(row.try_get("file")?);
    }
    orphans(run, &named);
    Ok(())
}

async fn one(
    run: &mut Run<'_>,
    row: &SqliteRow,
    named: &mut HashSet<String>,
) -> Result<(), sqlx::Error> {
    let (key, kind): (i64, i64) = (row.try_get("key")?, row.try_get("body_kind")?);
    let id: Vec<u8> = row.try_get("id")?;
    let file: Option<String> = row.try_get("body_file")?;
    named.extend(file.clone());
    if kind == BODY_RELEASED {
        return Ok(());
    }
    let header: Vec<u8> = row.try_get("header")?;
    let capsule: i64 = row.try_get("capsule_bytes")?;
    // A header that does not parse is found with its row.
    let Ok(header) = Header::decode(&header) else {
        return Ok(());
    };
    run.report.bodies += 1;
    let layout = u32::try_from(capsule)
        .ok()
        .and_then(|capsule| Layout::new(header.context().class, capsule, header.body_bytes()).ok());
    let place = match &file {
        Some(name) => format!("bodies/{name}"),
        None => format!("envelope row {key}"),
    };
    let inline: Option<Vec<u8>> = row.try_get("body")?;
    let problem = match (layout, kind, inline, file) {
        (None, ..) => Some("its sizes are not possible".to_owned()),
        (Some(layout), BODY_INLINE, Some(bytes), _) => {
            let good = body_digest_of(layout, &bytes) == Some(header.body_digest());
            (!good).then(|| "it does not have the digest in the signed header".to_owned())
        }
        (Some(layout), BODY_FILE, _, Some(name)) => {
            let path = run.bodies.join(&name);
            let digest = header.body_digest();
            let read = move || body::verify_file(&path, digest, layout);
            match tokio::task::spawn_blocking(read).await {
                Ok(Ok(())) => None,
                Ok(Err(problem)) => Some(problem),
                Err(error) => Some(error.to_string()),
            }
        }
        (Some(_), ..) => Some("its row does not say where it is".to_owned()),
    };
    if let Some(problem) = problem {
        run.found(What::Body, &place, problem).envelope = Some(id_text(&id));
    }
    Ok(())
}

fn orphans(run: &mut Run<'_>, named: &HashSet<String>) {
    let Ok(entries) = std::fs::read_dir(&run.bodies) else {
        run.found(What::Body, "bodies", "the folder cannot be read".to_owned());
        return;
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.ends_with(body::PART_SUFFIX) && !named.contains(name))
        .collect();
    names.sort();
    for name in names {
        let detail = "no row names it; the sweep removes it when it is an hour old".to_owned();
        run.found(What::Orphan, &format!("bodies/{name}"), detail);
    }
}
