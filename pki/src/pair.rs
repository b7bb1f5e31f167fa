//! A key and its certificate on disk, replaced together or not at all.
//!
//! Beside the pair in use (`tls.key`, `tls.crt`) its successor grows in steps that each survive a
//! crash: `tls.next.key` is durable before anybody is asked for a certificate, `tls.next.csr` is
//! kept so that asking again asks the same, `tls.next.crt` waits for its day. The switch has one
//! moment that decides, a rename of the key to `tls.switch.key`; whoever finds that file finishes
//! what it began ([`Pair::recover`]), so no crash leaves a key without its certificate.
//!
//! Owns: these names and their order. Fails with [`PairError`], naming the file. Must not know:
//! roles, authorities, when a successor is due.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cert::{CertError, Certificate};
use crate::csr::{self, CsrError};
use crate::key::{Algorithm, DecryptionKey, KeyError, SigningKey, write_private};

/// Why a pair is not what it should be.
#[derive(Debug, Error)]
pub enum PairError {
    /// A certificate file does not parse.
    #[error("{file}: {source}")]
    Certificate {
        /// The file.
        file: String,
        /// Why.
        source: CertError,
    },
    /// The request cannot be made.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// A file cannot be read or written.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key file is not usable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate is for another key.
    #[error("the certificate is not for the key in {0}")]
    KeyMismatch(String),
}

/// A key that comes from elsewhere.
#[derive(Clone, Debug)]
pub enum BroughtKey<'a> {
    /// It opens.
    Decryption(&'a DecryptionKey),
    /// It signs.
    Signing(&'a SigningKey),
    /// It stays in its token; this is its address (RFC 7512).
    Token(&'a str),
}

/// The files of one key and its certificate, and of their successors.
#[derive(Clone, Debug)]
pub struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

/// A successor that waits for its certificate.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// PKCS#10 in PEM; the same every time until the certificate came.
    pub csr: String,
    /// SubjectPublicKeyInfo of the new key.
    pub spki_der: Vec<u8>,
}

impl Pair {
    /// The pair in these two files, which need not exist yet.
    #[must_use]
    pub fn new(certificate: &Path, key: &Path) -> Self {
        Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }
    }

    /// The pair `STEM.crt`, `STEM.key` of a folder.
    #[must_use]
    pub fn within(folder: &Path, stem: &str) -> Self {
        Self::new(
            &folder.join(format!("{stem}.crt")),
            &folder.join(format!("{stem}.key")),
        )
    }

    /// The certificate's file.
    #[must_use]
    pub fn certificate_file(&self) -> &Path {
        &self.certificate
    }

    /// The key's file.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key
    }

    /// The file of the key that comes next.
    #[must_use]
    pub fn next_key_file(&self) -> PathBuf {
        self.key.with_extension("next.key")
    }

    /// The file of the certificate that comes next.
    #[must_use]
    pub fn next_certificate_file(&self) -> PathBuf {
        self.certificate.with_extension("next.crt")
    }

    fn request_file(&self) -> PathBuf {
        self.key.with_extension("next.csr")
    }

    fn switch_file(&self) -> PathBuf {
        self.key.with_extension("switch.key")
    }

    /// The certificate in use; nothing before the first one.
    ///
    /// # Errors
    /// [`PairError::Certificate`].
    pub fn current(&self) -> Result<Option<Certificate>, PairError> {
        load(&self.certificate)
    }

    /// The certificate that waits for its day.
    ///
    /// # Errors
    /// [`PairError::Certificate`].
    pub fn next(&self) -> Result<Option<Certificate>, PairError> {
        load(&self.next_certificate_file())
    }

    /// Whether a new key exists whose certificate is not here yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.next_key_file().exists() && !self.next_certificate_file().exists()
    }

    /// Finishes a switch that a crash interrupted. To be called before the pair is read.
    ///
    /// # Errors
    /// [`PairError::File`].
    pub fn recover(&self) -> Result<(), PairError> {
        if !self.switch_file().exists() {
            return Ok(());
        }
        self.finish().into_iter().try_for_each(|step| step.take())
    }

    /// Makes the new key durable and the request for it; both stay the same until the certificate
    /// came.
    ///
    /// # Errors
    /// [`PairError`]; asking again goes on where it stopped.
    pub fn prepare(&self, name: &str, passphrase: Option<&str>) -> Result<Wanted, PairError> {
        self.recover()?;
        let file = self.next_key_file();
        if !file.exists() {
            // A request without its key asks for a certificate that nobody could use.
            remove(&self.request_file())?;
            remove(&self.next_certificate_file())?;
            let part = file.with_extension("part");
            remove(&part)?;
            SigningKey::generate(Algorithm::EcdsaP256)?.save(&part, passphrase)?;
            rename(&part, &file)?;
        }
        let key = SigningKey::load(&file, passphrase)?;
        let csr = match read(&self.request_file())? {
            Some(csr)
                if csr::requested_key(csr.as_bytes()).ok().as_deref() == Some(key.spki_der()) =>
            {
                csr
            }
            _ => {
                let csr = csr::request(&key, name)?;
                replace(&self.request_file(), csr.as_bytes())?;
                csr
            }
        };
        Ok(Wanted {
            csr,
            spki_der: key.spki_der().to_vec(),
        })
    }

    /// Takes a key that was made elsewhere as the one that comes next; one that waits is given up.
    ///
    /// # Errors
    /// [`PairError`].
    pub fn bring(&self, key: &BroughtKey<'_>, passphrase: Option<&str>) -> Result<(), PairError> {
        self.recover()?;
        self.forget_next()?;
        let file = self.next_key_file();
        let part = file.with_extension("part");
        remove(&part)?;
        match key {
            BroughtKey::Decryption(key) => key.save(&part, passphrase)?,
            BroughtKey::Signing(key) => key.save(&part, passphrase)?,
            BroughtKey::Token(uri) => write_private(&part, uri.as_bytes())?,
        }
        rename(&part, &file)
    }

    /// Keeps the certificate of a key that was brought, whose fit its bringer has checked.
    ///
    /// # Errors
    /// [`PairError::File`].
    pub fn brought(&self, certificate: &Certificate) -> Result<(), PairError> {
        replace(&self.next_certificate_file(), certificate.pem().as_bytes())
    }

    /// Whether the key in use lies in a token: its file holds nothing but an address (RFC 7512).
    #[must_use]
    pub fn is_in_token(&self) -> bool {
        let mut start = [0; TOKEN.len()];
        File::open(&self.key)
            .and_then(|mut file| file.read_exact(&mut start))
            .is_ok_and(|()| start == *TOKEN)
    }

    /// Keeps the certificate that came for the new key.
    ///
    /// # Errors
    /// [`PairError::KeyMismatch`] for another's.
    pub fn arrived(
        &self,
        certificate: &Certificate,
        passphrase: Option<&str>,
    ) -> Result<(), PairError> {
        let file = self.next_key_file();
        let key = SigningKey::load(&file, passphrase)?;
        if key.spki_der() != certificate.spki_der() {
            return Err(PairError::KeyMismatch(file.display().to_string()));
        }
        replace(&self.next_certificate_file(), certificate.pem().as_bytes())
    }

    /// Gives up a successor that was never used.
    ///
    /// # Errors
    /// [`PairError::File`].
    pub fn forget_next(&self) -> Result<(), PairError> {
        remove(&self.request_file())?;
        remove(&self.next_certificate_file())?;
        remove(&self.next_key_file())
    }

    /// Puts the successor in the place of the pair in use. With `keep` the old pair stays beside it
    /// as `STEM-KEEP.key`, `STEM-KEEP.crt`.
    ///
    /// # Errors
    /// [`PairError::File`]; [`Pair::recover`] finishes what was decided.
    pub fn switch(&self, keep: Option<&str>) -> Result<(), PairError> {
        self.recover()?;
        for file in [self.next_key_file(), self.next_certificate_file()] {
            if !file.exists() {
                return Err(fault(&file, ErrorKind::NotFound.into()));
            }
        }
        self.steps(keep)
            .into_iter()
            .try_for_each(|step| step.take())
    }

    /// The switch, step by step: everything before the rename of the new key can be forgotten,
    /// everything after it must come.
    fn steps(&self, keep: Option<&str>) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(keep) = keep.filter(|_| self.certificate.exists()) {
            // The certificate last: it is what a folder is searched for.
            for file in [&self.key, &self.certificate] {
                steps.push(Step::Link(file.clone(), beside(file, keep)));
            }
        }
        steps.push(Step::Rename(self.next_key_file(), self.switch_file()));
        steps.extend(self.finish());
        steps
    }

    fn finish(&self) -> Vec<Step> {
        vec![
            Step::Rename(self.next_certificate_file(), self.certificate.clone()),
            Step::Rename(self.switch_file(), self.key.clone()),
            Step::Remove(self.request_file()),
        ]
    }
}

/// One change of the folder that a crash cannot divide.
#[derive(Clone, Debug)]
enum Step {
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl Step {
    /// Done before is done: a step is taken again after a crash.
    fn take(&self) -> Result<(), PairError> {
        match self {
            Self::Link(from, to) => match std::fs::hard_link(from, to) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                done => done.map_err(|source| fault(to, source)),
            },
            Self::Remove(file) => remove(file),
            Self::Rename(from, _) if !from.exists() => Ok(()),
            Self::Rename(from, to) => rename(from, to),
        }
    }
}

/// Writes a file so that readers see the old or the new one, never half of it, and so that it is
/// there after a crash.
///
/// # Errors
/// [`PairError::File`].
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), PairError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let part = path.with_file_name(format!(".{}.part", name.unwrap_or("file")));
    File::create(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|source| fault(&part, source))?;
    rename(&part, path)
}

/// Renames and makes the folder durable.
fn rename(from: &Path, to: &Path) -> Result<(), PairError> {
    std::fs::rename(from, to)
        .and_then(|()| match to.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Ok(()),
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        })
        .map_err(|source| fault(to, source))
}

/// `encryption.key` → `encryption-KEEP.key`.
fn beside(file: &Path, keep: &str) -> PathBuf {
    let part = |text: Option<&std::ffi::OsStr>| {
        text.map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let (stem, end) = (part(file.file_stem()), part(file.extension()));
    file.with_file_name(format!("{stem}-{keep}.{end}"))
}

fn load(path: &Path) -> Result<Option<Certificate>, PairError> {
    match Certificate::load(path) {
        Ok(certificate) => Ok(Some(certificate)),
        Err(CertError::File { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PairError::Certificate {
            file: path.display().to_string(),
            source,
        }),
    }
}

fn read(path: &Path) -> Result<Option<String>, PairError> {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(REQUEST_BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => {
            Ok(None)
        }
        Err(source) => Err(fault(path, source)),
    }
}

fn remove(path: &Path) -> Result<(), PairError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(fault(path, error)),
        _ => Ok(()),
    }
}

fn fault(path: &Path, source: std::io::Error) -> PairError {
    PairError::File {
        file: path.display().to_string(),
        source,
    }
}

/// How the address of a key in a token begins.
const TOKEN: &[u8; 7] = b"pkcs11:";
/// A request of ours has under 1 KiB.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests;
