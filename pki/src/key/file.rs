//! Key files: PEM in, PEM out, mode 0600, never overwritten.
//!
//! Owns: the files' form on disk. Fails with [`KeyError`] naming the path.
//! Must not know: what kind of key the bytes are.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use der::pem::{self, LineEnding};
use zeroize::Zeroizing;

use super::{KeyError, encrypted};

/// Reads the PKCS#8 bytes out of a PEM file, opening the encryption when there is one.
pub(super) fn read(path: &Path, passphrase: Option<&str>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let name = || path.display().to_string();
    let malformed = |reason| KeyError::Malformed {
        file: name(),
        reason,
    };
    let mut text = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut text))
        .map_err(|source| KeyError::File {
            file: name(),
            source,
        })?;
    let (label, bytes) = pem::decode_vec(&text).map_err(|_| malformed("not a PEM file"))?;
    let bytes = Zeroizing::new(bytes);
    match (label, passphrase) {
        (LABEL, _) => Ok(bytes),
        (LABEL_ENCRYPTED, None) => Err(KeyError::Encrypted(name())),
        (LABEL_ENCRYPTED, Some(passphrase)) => {
            encrypted::open(&bytes, passphrase).map_err(|()| KeyError::Passphrase(name()))
        }
        _ => Err(malformed("not a PKCS#8 private key (PRIVATE KEY)")),
    }
}

/// Writes PKCS#8 bytes as PEM.
pub(super) fn write(path: &Path, pkcs8: &[u8], passphrase: Option<&str>) -> Result<(), KeyError> {
    let encode = |label, bytes: &[u8]| {
        pem::encode_string(label, LineEnding::LF, bytes)
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Crypto("encode a key"))
    };
    let text = match passphrase {
        None => encode(LABEL, pkcs8)?,
        Some(passphrase) => encode(LABEL_ENCRYPTED, &encrypted::seal(pkcs8, passphrase)?)?,
    };
    write_private(path, text.as_bytes())
}

/// Creates a file that only its owner can read, durably, and never over another file.
///
/// # Errors
/// [`KeyError::File`]; an existing file gives `AlreadyExists`.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|source| KeyError::File {
            file: path.display().to_string(),
            source,
        })
}

/// Puts the file's name in the place of `(memory)`.
pub(super) fn named(error: KeyError, path: &Path) -> KeyError {
    match error {
        KeyError::Malformed { reason, .. } => KeyError::Malformed {
            file: path.display().to_string(),
            reason,
        },
        other => other,
    }
}

const LABEL: &str = "PRIVATE KEY";
const LABEL_ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// An RSA-8192 key is under 8 KiB as PEM; anything larger is not a key.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;
