//! Backup and restore of an authority.
//!
//! Owns: the form of a backup (every table as lines of JSON, the same for both engines, beside the
//! folder's own files, under a manifest of digests) and what makes a restore safe: revocations and
//! certificates that are newer than the backup are taken from what was published; list numbers go
//! on above the published ones; the log of certificates begins a new epoch, so that nobody is told
//! a past that changed. Serial numbers are random and every known one stays taken, so none comes
//! twice. Fails with [`BackupError`]; a restore makes a whole folder or none. Must not know who
//! keeps backups where.

mod newest;
mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formats::id::Digest;
use formats::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

use super::audit::{self, Actor, AuditError, Chain};
use super::db::DbError;
use super::inventory::InventoryError;
use super::log;
use super::office::{Office, OfficeError};
use crate::key::{KeyError, write_private};

pub use newest::Newest;

/// Why nothing was backed up or restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The audit log in the backup is no whole chain.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A file differs from the manifest, or is missing or added.
    #[error("backup file {file}: {reason}")]
    Changed {
        /// Which.
        file: String,
        /// How.
        reason: &'static str,
    },
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The target is there already.
    #[error("{0} exists: choose a new folder")]
    Exists(String),
    /// A file cannot be read or written.
    #[error("{file}")]
    File {
        /// Its path.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// A private file cannot be written.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What was published cannot be taken over.
    #[error("published {file}: {reason}")]
    Newest {
        /// Which file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The restored folder does not open.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// A line of a table is not what was written.
    #[error("backup of table {table}, line {line}: {reason}")]
    Table {
        /// Which.
        table: &'static str,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    form: u32,
    made: String,
    audit_lines: u64,
    audit_head: String,
    /// SHA-256 by path inside the backup.
    files: BTreeMap<String, String>,
}

/// What a backup or restore did.
#[derive(Debug)]
pub struct Done {
    /// Files in the backup.
    pub files: usize,
    /// Rows of all tables.
    pub rows: u64,
    /// Number of audit lines and the hash of the last, at the moment of the backup.
    pub audit: (u64, Digest),
    /// What a restore took from published files.
    pub newest: Newest,
}

/// Writes a backup into a new folder, one state of everything. It holds the authority's keys.
///
/// # Errors
/// [`BackupError`]; a folder that was begun is left with the ending `.partial`.
pub async fn make(office: &Office, out: &Path, now: Timestamp) -> Result<Done, BackupError> {
    let part = begin(out)?;
    let mut manifest = Manifest {
        form: FORM,
        made: now.rfc3339(),
        audit_lines: 0,
        audit_head: String::new(),
        files: BTreeMap::new(),
    };
    let mut tx = office.inventory.db.read().await?;
    let (lines, head) = audit::head(&mut tx).await?;
    (manifest.audit_lines, manifest.audit_head) = (lines, head.to_string());
    let mut rows = 0_u64;
    for table in tables::ALL {
        let text = table.dump(&mut tx).await?;
        rows = rows.saturating_add(u64::try_from(text.lines().count()).unwrap_or_default());
        put(
            &part,
            &format!("database/{}.ndjson", table.name),
            text.as_bytes(),
            &mut manifest,
        )?;
    }
    for folder in ["authority", "records"] {
        for name in names(&office.dir.join(folder))? {
            if name.starts_with("authority.db") || name.starts_with('.') {
                continue;
            }
            let path = office.dir.join(folder).join(&name);
            let bytes = std::fs::read(&path).map_err(|source| failed(&path, source))?;
            put(&part, &format!("{folder}/{name}"), &bytes, &mut manifest)?;
        }
    }
    let files = manifest.files.len();
    // A map of texts always has a text.
    let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    write_private(&part.join(MANIFEST), &text)?;
    finish(&part, out)?;
    Ok(Done {
        files,
        rows,
        audit: (lines, head),
        newest: Newest::default(),
    })
}

/// Restores a backup into a new folder. `published` is the newest `records` folder of any station:
/// what it knows and the backup does not is taken over. `database` is another place for the
/// inventory than the one of the backup.
///
/// # Errors
/// [`BackupError`]; nothing is then left at `out`.
pub async fn restore(
    from: &Path,
    out: &Path,
    published: Option<&Path>,
    database: Option<&str>,
    actor: &Actor,
    now: Timestamp,
) -> Result<Done, BackupError> {
    let manifest = checked(from)?;
    let part = begin(out)?;
    let restored = fill(from, &part, &manifest, published, database, actor, now).await;
    let (rows, newest) = match restored {
        Ok(done) => done,
        Err(error) => {
            // What was begun is of no use to anybody.
            let _best_effort = std::fs::remove_dir_all(&part);
            return Err(error);
        }
    };
    finish(&part, out)?;
    let head = manifest
        .audit_head
        .parse()
        .unwrap_or_else(|_| Digest::of(b""));
    Ok(Done {
        files: manifest.files.len(),
        rows,
        audit: (manifest.audit_lines, head),
        newest,
    })
}

async fn fill(
    from: &Path,
    part: &Path,
    manifest: &Manifest,
    published: Option<&Path>,
    database: Option<&str>,
    actor: &Actor,
    now: Timestamp,
) -> Result<(u64, Newest), BackupError> {
    for file in manifest
        .files
        .keys()
        .filter(|file| !file.starts_with("database/"))
    {
        if file == SETTINGS && database.is_some() {
            continue;
        }
        let path = from.join(file);
        let bytes = std::fs::read(&path).map_err(|source| failed(&path, source))?;
        write(&part.join(file), &bytes)?;
    }
    if let Some(place) = database {
        let text = format!("database = {}\n", serde_json::Value::from(place));
        write(&part.join(SETTINGS), text.as_bytes())?;
    }
    let office = Office::open(part, now).await?;
    let mut tx = office.inventory.db.write().await?;
    let mut rows = 0_u64;
    for table in tables::ALL {
        let path = from.join("database").join(format!("{}.ndjson", table.name));
        let text = std::fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
        rows = rows.saturating_add(table.load(&mut tx, &text).await?);
    }
    let mut chain = Chain::default();
    loop {
        let page = audit::lines(&mut tx, chain.head().0, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for line in &page {
            chain.take(line)?;
        }
    }
    let (lines, head) = chain.head();
    if (lines, head.to_string()) != (manifest.audit_lines, manifest.audit_head.clone()) {
        return Err(BackupError::Changed {
            file: "database/audit.ndjson".to_owned(),
            reason: "its chain does not end where the manifest says",
        });
    }
    let newest = match published {
        Some(folder) => newest::take(&office, &mut tx, folder).await?,
        None => Newest::default(),
    };
    newest::raise_numbers(&mut tx).await?;
    let epoch = log::next_epoch(&mut tx).await?;
    let facts = json!({
        "backup_made": manifest.made, "audit_lines": lines, "log_epoch": epoch,
        "revocations_found": newest.revocations, "certificates_found": newest.certificates,
        "records_found": newest.records,
    });
    audit::append(&mut tx, actor, now, [("restored", facts)]).await?;
    tx.commit().await?;
    office.inventory.close().await;
    Ok((rows, newest))
}

/// Reads the manifest and compares every file with it.
fn checked(from: &Path) -> Result<Manifest, BackupError> {
    let path = from.join(MANIFEST);
    let changed = |file: &str, reason| BackupError::Changed {
        file: file.to_owned(),
        reason,
    };
    let bytes = std::fs::read(&path).map_err(|source| failed(&path, source))?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|_| changed(MANIFEST, "is no manifest"))?;
    if manifest.form != FORM {
        return Err(changed(MANIFEST, "is of another version of this program"));
    }
    for (file, wanted) in &manifest.files {
        let inside = Path::new(file)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside {
            return Err(changed(file, "leads out of the backup"));
        }
        let bytes = std::fs::read(from.join(file)).map_err(|_| changed(file, "is missing"))?;
        if Digest::of(&bytes).to_string() != *wanted {
            return Err(changed(file, "was changed since the backup"));
        }
    }
    for table in tables::ALL {
        let file = format!("database/{}.ndjson", table.name);
        if !manifest.files.contains_key(&file) {
            return Err(changed(&file, "is missing"));
        }
    }
    Ok(manifest)
}

fn begin(out: &Path) -> Result<PathBuf, BackupError> {
    if out.exists() {
        return Err(BackupError::Exists(out.display().to_string()));
    }
    let name = out
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("backup");
    let part = out.with_file_name(format!("{name}.partial"));
    if part.exists() {
        return Err(BackupError::Exists(part.display().to_string()));
    }
    for folder in ["authority", "records", "database"] {
        let path = part.join(folder);
        std::fs::create_dir_all(&path).map_err(|source| failed(&path, source))?;
    }
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&part, private).map_err(|source| failed(&part, source))?;
    Ok(part)
}

fn finish(part: &Path, out: &Path) -> Result<(), BackupError> {
    // Restored offices keep their tables in the database only.
    let leftover = part.join("database");
    let empty = names(&leftover).is_ok_and(|names| names.is_empty());
    if empty {
        std::fs::remove_dir(&leftover).map_err(|source| failed(&leftover, source))?;
    }
    std::fs::rename(part, out).map_err(|source| failed(out, source))
}

fn put(part: &Path, file: &str, bytes: &[u8], manifest: &mut Manifest) -> Result<(), BackupError> {
    write(&part.join(file), bytes)?;
    manifest
        .files
        .insert(file.to_owned(), Digest::of(bytes).to_string());
    Ok(())
}

/// Keys are for their owner alone; everything else may be read.
fn write(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let public = path
        .parent()
        .is_some_and(|folder| folder.ends_with("records"));
    if public || name.ends_with(".crt") {
        return std::fs::write(path, bytes).map_err(|source| failed(path, source));
    }
    Ok(write_private(path, bytes)?)
}

fn names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|source| failed(folder, source))? {
        let entry = entry.map_err(|source| failed(folder, source))?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            all.extend(entry.file_name().into_string());
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn failed(path: &Path, source: std::io::Error) -> BackupError {
    BackupError::File {
        file: path.display().to_string(),
        source,
    }
}

const FORM: u32 = 1;
const MANIFEST: &str = "manifest.json";
const SETTINGS: &str = "authority/authority.toml";
const PAGE: u32 = 1000;
