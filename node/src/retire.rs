//! The end of old decryption keys: not before the last document that may be sealed to them has expired,
//! and never while one that is here waits to be opened.
//!
//! A key is gone for good, so each doubt keeps it: a clock that is not sure, a body that cannot be
//! read, a certificate that does not parse. The key's file goes first; a certificate without its key is
//! the mark of a retirement that was cut off, and is removed. Must not know: how keys are renewed.

use std::path::{Path, PathBuf};

use formats::body::Layout;
use formats::header::Class;
use formats::id::{Digest, Party};
use formats::limits;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::seal::{OpenError, open_capsule};
use relay::store::StoredEnvelope;

use crate::agency::{Agency, AgencyFiles, OLDER};
use crate::desk::core::Core;

/// Removes the pairs of this agency whose time is over.
pub(crate) async fn older_pairs(
    core: &Core,
    files: &AgencyFiles,
    now: Timestamp,
) -> Result<(), String> {
    for (certificate_file, key_file) in older(&files.dir) {
        if !key_file.exists() {
            std::fs::remove_file(&certificate_file).map_err(in_words)?;
            continue;
        }
        let certificate = Certificate::load(&certificate_file).map_err(in_words)?;
        if core.station().clock_unsure() || !is_over(&certificate, now) {
            continue;
        }
        if is_waited_for(core, files, &certificate.sha256()).await? {
            continue;
        }
        std::fs::remove_file(&key_file).map_err(in_words)?;
        std::fs::remove_file(&certificate_file).map_err(in_words)?;
        core.agencies.reload(&files.code).map_err(in_words)?;
        let (agency, sha256) = (&files.code, certificate.sha256());
        tracing::info!(%agency, %sha256, "old decryption key retired");
    }
    Ok(())
}

/// Whether nothing sealed to it can still be in time: sealed at its last moment, with the longest life.
fn is_over(certificate: &Certificate, now: Timestamp) -> bool {
    now > certificate.not_after().plus_ms(limits::LIFETIME_MS_MAX)
}

fn older(dir: &Path) -> Vec<(PathBuf, PathBuf)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<(PathBuf, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(OLDER) && name.ends_with(".crt"))
        })
        .map(|path| (path.clone(), path.with_extension("key")))
        .collect();
    found.sort();
    found
}

/// Whether an arrival that is not opened yet needs this key.
async fn is_waited_for(
    core: &Core,
    files: &AgencyFiles,
    certificate: &Digest,
) -> Result<bool, String> {
    let agency = core.agencies.of(&files.code).ok_or("is not served here")?;
    let store = core.station().store();
    let mut after = None;
    loop {
        let open = store.local_open(after, STEP).await.map_err(in_words)?;
        let Some(last) = open.last() else {
            return Ok(false);
        };
        after = Some(last.leg);
        for due in &open {
            if due.recipient != Party::Agency(files.code.clone()) {
                continue;
            }
            let stored = store.envelope(due.envelope).await.map_err(in_words)?;
            if let Some(stored) = stored
                && needs(core, &agency, &stored, certificate).await
            {
                return Ok(true);
            }
        }
    }
}

/// Whether the capsule names this certificate; what cannot be read may.
async fn needs(
    core: &Core,
    agency: &Agency,
    stored: &StoredEnvelope,
    certificate: &Digest,
) -> bool {
    let header = &stored.header;
    let class = header.context().class;
    if !matches!(class, Class::Document | Class::Status) {
        return false;
    }
    let Some(body) = &stored.body else {
        return false;
    };
    let Ok(layout) = Layout::new(class, stored.capsule_bytes, header.body_bytes()) else {
        return true;
    };
    let bodies = core.station().store().bodies();
    let Ok(reader) = bodies.reader(body, header.body_digest(), layout).await else {
        return true;
    };
    let Ok(capsule) = reader.piece(0).await else {
        return true;
    };
    let pair = agency
        .encryption
        .iter()
        .find(|(_, one)| one.sha256() == *certificate);
    pair.is_none_or(|(key, certificate)| {
        !matches!(
            open_capsule(&capsule, key, certificate, header.ctx()),
            Err(OpenError::NotForUs)
        )
    })
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Legs read at once.
const STEP: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_with_older_names_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "encryption.crt",
            "encryption.key",
            "encryption.next.crt",
            "encryption-7a.crt",
            "encryption-7a.key",
            "signature.crt",
        ];
        for name in names {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found = older(dir.path());
        let file = |name: &str| dir.path().join(name);
        assert_eq!(
            found,
            [(file("encryption-7a.crt"), file("encryption-7a.key"))]
        );
        assert!(older(&dir.path().join("absent")).is_empty());
    }
}
