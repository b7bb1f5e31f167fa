//! Packets against their digests, and files that nothing names.

use std::collections::HashSet;
use std::path::Path;

use sqlx::Row;

use formats::id::Digest;
use relay::store::check::What;

use super::{PAGE, Run, hex};
use crate::body::Body;

pub(super) async fn check(run: &mut Run<'_>, folder: &Path) -> Result<(), sqlx::Error> {
    let mut named = HashSet::new();
    let mut after = Vec::new();
    loop {
        let rows = sqlx::query(
            "SELECT digest, bytes, inline, file FROM desk_packet WHERE digest > ? \
             ORDER BY digest LIMIT ?",
        )
        .bind(after.clone())
        .bind(PAGE)
        .fetch_all(&mut *run.connection)
        .await?;
        let Some(last) = rows.last() else { break };
        after = last.try_get("digest")?;
        for row in &rows {
            let digest: Vec<u8> = row.try_get("digest")?;
            let bytes: i64 = row.try_get("bytes")?;
            let inline: Option<Vec<u8>> = row.try_get("inline")?;
            let file: Option<String> = row.try_get("file")?;
            let place = match &file {
                Some(name) => format!("packets/{name}"),
                None => format!("desk_packet row {}", hex(&digest)),
            };
            let problem = match (inline, file) {
                (Some(inline), _) => of_bytes(&inline, &digest, bytes),
                (None, Some(name)) => {
                    let path = folder.join(&name);
                    named.insert(name);
                    if run.settings.full {
                        of_file(&path, &digest, bytes).await
                    } else {
                        (!path.exists()).then(|| "the file is not there".to_owned())
                    }
                }
                (None, None) => Some("neither bytes nor file".to_owned()),
            };
            if let Some(problem) = problem {
                run.found(What::Packet, place, problem);
            }
        }
    }
    orphans(run, folder, &named);
    Ok(())
}

fn of_bytes(inline: &[u8], digest: &[u8], bytes: i64) -> Option<String> {
    if Digest::of(inline).as_bytes().as_slice() != digest {
        return Some("it does not have its digest".to_owned());
    }
    (i64::try_from(inline.len()).ok() != Some(bytes)).then(|| "it has another size".to_owned())
}

async fn of_file(path: &Path, digest: &[u8], bytes: i64) -> Option<String> {
    let Ok(digest) = <[u8; 32]>::try_from(digest).map(Digest::from_bytes) else {
        return Some("its digest is not one".to_owned());
    };
    let body = Body::file(path.to_owned(), u64::try_from(bytes).unwrap_or(0), digest);
    let hashed = tokio::task::spawn_blocking(move || body.hash()).await;
    match hashed {
        Ok(Ok(found)) if found == digest => None,
        Ok(Ok(_)) => Some("it does not have its digest".to_owned()),
        Ok(Err(error)) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

fn orphans(run: &mut Run<'_>, folder: &Path, named: &HashSet<String>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !named.contains(name))
        .collect();
    names.sort();
    for name in names {
        let detail = "no row names it; it is removed at the next start";
        run.found(What::Orphan, format!("packets/{name}"), detail);
    }
}
