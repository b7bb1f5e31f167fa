//! Key files: PEM or the address of a key in a token; mode 0600, never overwritten.
//!
//! Owns: the files' form on disk. Fails with [`KeyError`] naming the path.
//! Must not know: what kind of key the bytes are.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use der::pem::{self, LineEnding};
use zeroize::Zeroizing;

use super::uri::{SCHEME, TokenUri, UriError};
use super::{KeyError, encrypted};

/// What a key file holds.
pub(super) enum Content {
    /// The key itself.
    Pkcs8(Zeroizing<Vec<u8>>),
    /// Where it is.
    Token(Box<TokenUri>),
}

/// Reads the PKCS#8 bytes out of a PEM file, opening the encryption when there is one, or the
/// address of a key in a token.
pub(super) fn read(path: &Path, passphrase: Option<&str>) -> Result<Content, KeyError> {
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
    if text.starts_with(SCHEME.as_bytes()) {
        return address(path, &text).map(|uri| Content::Token(Box::new(uri)));
    }
    let (label, bytes) = pem::decode_vec(&text).map_err(|_| malformed("not a PEM file"))?;
    let bytes = Zeroizing::new(bytes);
    match (label, passphrase) {
        (LABEL, _) => Ok(Content::Pkcs8(bytes)),
        (LABEL_ENCRYPTED, None) => Err(KeyError::Encrypted(name())),
        (LABEL_ENCRYPTED, Some(passphrase)) => encrypted::open(&bytes, passphrase)
            .map(Content::Pkcs8)
            .map_err(|()| KeyError::Passphrase(name())),
        _ => Err(malformed("not a PKCS#8 private key (PRIVATE KEY)")),
    }
}

fn address(path: &Path, text: &[u8]) -> Result<TokenUri, KeyError> {
    let base = path.parent().unwrap_or_else(|| Path::new(""));
    std::str::from_utf8(text)
        .map_err(|_| UriError::Form)
        .and_then(|text| TokenUri::parse(text.trim_end_matches(['\r', '\n']), base))
        .map_err(|source| KeyError::Uri {
            file: path.display().to_string(),
            source,
        })
}

/// Writes the address of a key in a token as a key file.
#[cfg(feature = "pkcs11")]
pub(super) fn write_uri(path: &Path, uri: &TokenUri) -> Result<(), KeyError> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    write_private(path, format!("{}\n", uri.seen_from(folder)).as_bytes())
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
