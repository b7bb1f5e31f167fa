//! Files that must be there after any crash: written beside their name, synced, renamed, and the folder synced.
//!
//! Owns: the order. Fails with what the system says. Must not know what is in them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Writes a file whole; one of the same name is replaced by it in one step.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    copy(path, bytes).map(|_| ())
}

/// The same from a reader; returns its bytes.
pub(crate) fn copy(path: &Path, mut from: impl Read) -> io::Result<u64> {
    let part = with_ending(path, "part");
    let mut file = File::create(&part)?;
    let count = io::copy(&mut from, &mut file)?;
    file.flush()?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&part, path)?;
    sync_folder(path)?;
    Ok(count)
}

/// Puts a file in the place of another, which stays under the first free `NAME.1`, `NAME.2`, …
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut kept = with_ending(path, "1");
    let mut number = 1_u32;
    while kept.exists() {
        number = number.saturating_add(1);
        kept = with_ending(path, &number.to_string());
    }
    // A second name, so that at no time there is none.
    std::fs::hard_link(path, &kept)?;
    sync_folder(path)?;
    write(path, bytes)?;
    Ok(kept)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
