//! What the authority publishes: the files of the folder `records/`, in the order in which they
//! changed.
//!
//! Owns: the list of names with a sequence that only grows, kept in step with the folder, whoever
//! writes into it (this server, a command beside it, a restore). Stations ask for what came after
//! the sequence they know. Fails with [`PublishError`]. Must not know what the files say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use formats::id::Digest;
use thiserror::Error;
use tokio::sync::watch;

use super::db::{DbError, Value};
use super::inventory::Inventory;
use crate::enrol::{NAMES_MAX, Published, PublishedFile, is_file_name};

/// Why the folder cannot be published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The folder or a file in it.
    #[error("{file}")]
    File {
        /// Its path.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Watches the folder and tells who waits.
#[derive(Debug)]
pub struct Publisher {
    folder: PathBuf,
    inventory: Inventory,
    /// Length and time of what was hashed last; a file whose both are the same is not read again.
    seen: HashMap<String, (u64, Option<SystemTime>)>,
    /// Of the folder itself, when it was last gone through.
    folder_changed: Option<SystemTime>,
    news: watch::Sender<u64>,
}

impl Publisher {
    /// A publisher of `folder`.
    #[must_use]
    pub fn new(folder: &Path, inventory: &Inventory) -> Self {
        Self {
            folder: folder.to_owned(),
            inventory: inventory.clone(),
            seen: HashMap::new(),
            folder_changed: None,
            news: watch::channel(0).0,
        }
    }

    /// Tells the newest sequence whenever it grows.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Brings the list in step with the folder. Every writer renames into the folder, so a folder
    /// that did not change needs no look at its files; but within one tick of the file system's
    /// clock a change cannot be told, so a fresh one is looked through again.
    ///
    /// # Errors
    /// [`PublishError`]; the next pass tries again.
    pub async fn pass(&mut self, at: SystemTime) -> Result<(), PublishError> {
        let changed = modified(&self.folder)?;
        if changed.is_some() && changed == self.folder_changed {
            return Ok(());
        }
        let found = self.look()?;
        let news = self.inventory.publish(&self.folder, &found).await;
        let sequence = match news {
            Ok(sequence) => sequence,
            Err(error) => {
                // Whatever was not noted is looked at again.
                self.seen.clear();
                return Err(error);
            }
        };
        self.news.send_if_modified(|known| {
            let grown = sequence > *known;
            *known = sequence;
            grown
        });
        let settled = changed.and_then(|changed| at.duration_since(changed).ok());
        self.folder_changed = changed.filter(|_| settled.is_some_and(|age| age > CLOCK_TICK));
        Ok(())
    }

    /// Names that are there, and which of them are new or different.
    fn look(&mut self) -> Result<Found, PublishError> {
        let mut found = Found::default();
        let entries =
            std::fs::read_dir(&self.folder).map_err(|source| failed(&self.folder, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| failed(&self.folder, source))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if !is_file_name(&name) {
                continue;
            }
            let Ok(about) = entry.metadata() else {
                continue;
            };
            let mark = (about.len(), about.modified().ok());
            if self.seen.get(&name) != Some(&mark) {
                found.changed.push(name.clone());
                self.seen.insert(name.clone(), mark);
            }
            found.names.push(name);
        }
        if found.names.len() < self.seen.len() {
            let there: std::collections::HashSet<&String> = found.names.iter().collect();
            self.seen.retain(|name, _| there.contains(name));
        }
        Ok(found)
    }
}

#[derive(Debug, Default)]
struct Found {
    names: Vec<String>,
    changed: Vec<String>,
}

impl Inventory {
    /// Notes changed and vanished files; gives the newest sequence.
    async fn publish(&self, folder: &Path, found: &Found) -> Result<u64, PublishError> {
        let mut tx = self.db.write().await?;
        let mut known: HashMap<String, Option<String>> = HashMap::new();
        for row in tx.rows("SELECT name, sha256 FROM published", []).await? {
            known.insert(row.text(0)?, row.text_or_none(1)?);
        }
        let row = tx
            .row("SELECT COALESCE(MAX(seq), 0) FROM published", [])
            .await?;
        let mut sequence = row.map_or(Ok(0), |row| row.int(0))?;
        let mut changes: Vec<(&str, Option<String>, usize)> = Vec::new();
        for name in &found.changed {
            // Gone since the look: the next pass will see that.
            let Ok(bytes) = std::fs::read(folder.join(name)) else {
                continue;
            };
            let sha256 = Digest::of(&bytes).to_string();
            if known
                .get(name)
                .is_none_or(|old| old.as_ref() != Some(&sha256))
            {
                changes.push((name, Some(sha256), bytes.len()));
            }
        }
        let there: std::collections::HashSet<&str> =
            found.names.iter().map(String::as_str).collect();
        let gone = known
            .iter()
            .filter(|(name, old)| old.is_some() && !there.contains(name.as_str()));
        changes.extend(gone.map(|(name, _)| (name.as_str(), None, 0)));
        // Lists last: a station that has the newest list has everything that was there before it.
        changes.sort_by_key(|(name, ..)| (name.ends_with(".crl"), name.ends_with(".rec")));
        for (name, sha256, bytes) in changes {
            sequence = sequence.saturating_add(1);
            tx.execute(
                "INSERT INTO published VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE
                 SET seq = excluded.seq, sha256 = excluded.sha256, bytes = excluded.bytes",
                [
                    name.into(),
                    sequence.into(),
                    Value::Text(sha256),
                    i64::try_from(bytes).unwrap_or(i64::MAX).into(),
                ],
            )
            .await?;
        }
        tx.commit().await?;
        Ok(u64::try_from(sequence).unwrap_or_default())
    }

    /// What was published after `after`, oldest first.
    ///
    /// # Errors
    /// [`PublishError::Db`].
    pub async fn published(&self, after: u64) -> Result<Published, PublishError> {
        let after_i = i64::try_from(after).unwrap_or(i64::MAX);
        let most = i64::try_from(NAMES_MAX).unwrap_or(i64::MAX);
        let mut tx = self.db.read().await?;
        let newest = tx
            .row("SELECT COALESCE(MAX(seq), 0) FROM published", [])
            .await?;
        let newest = newest.map_or(Ok(0), |row| row.int(0))?;
        // A caller who knows more than there is knew an earlier life of this authority, before a
        // restore: it is told everything again.
        let after_i = if after_i > newest { 0 } else { after_i };
        let after = u64::try_from(after_i).unwrap_or_default();
        let rows = tx
            .rows(
                "SELECT name, seq, sha256, bytes FROM published WHERE seq > $1
                 ORDER BY seq LIMIT $2",
                [after_i.into(), most.saturating_add(1).into()],
            )
            .await?;
        let more = rows.len() > NAMES_MAX;
        let mut files = Vec::with_capacity(rows.len());
        let mut sequence = after;
        for row in rows.iter().take(NAMES_MAX) {
            sequence = u64::try_from(row.int(1)?).unwrap_or(sequence);
            files.push(PublishedFile {
                name: row.text(0)?,
                sha256: row.text_or_none(2)?.and_then(|text| text.parse().ok()),
                bytes: u64::try_from(row.int(3)?).unwrap_or_default(),
            });
        }
        Ok(Published {
            sequence,
            files,
            more,
        })
    }
}

fn modified(path: &Path) -> Result<Option<SystemTime>, PublishError> {
    let about = std::fs::metadata(path).map_err(|source| failed(path, source))?;
    Ok(about.modified().ok())
}

fn failed(path: &Path, source: std::io::Error) -> PublishError {
    PublishError::File {
        file: path.display().to_string(),
        source,
    }
}

/// Two changes within this may carry one time in the file system.
const CLOCK_TICK: std::time::Duration = std::time::Duration::from_secs(1);
