//! Public files of the authority: written so that readers see the old or the new one, never half.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::office::OfficeError;
use crate::cert::Certificate;

/// Writes a public file, durably, in one step.
///
/// # Errors
/// [`OfficeError::File`].
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), OfficeError> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("file");
    let part = path.with_file_name(format!(".{name}.part"));
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, path));
    written.map_err(|source| failed(path, source))
}

/// Every certificate in the `.crt` files of a folder; what does not parse is left out.
pub(super) fn certificates(folder: &Path) -> Result<Vec<Certificate>, OfficeError> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|source| failed(folder, source))? {
        let path = entry.map_err(|source| failed(folder, source))?.path();
        if path.extension().is_some_and(|end| end == "crt") {
            all.extend(Certificate::load_all(&path).into_iter().flatten());
        }
    }
    Ok(all)
}

pub(super) fn failed(path: &Path, source: std::io::Error) -> OfficeError {
    OfficeError::File {
        file: path.display().to_string(),
        source,
    }
}
