//! The agencies that this desk serves, with their keys: what signs for them and what opens for them.
//!
//! Loaded at start from one folder an agency: `signature.crt`, `signature.key`, `encryption.crt`,
//! `encryption.key`, and older pairs `encryption-*.crt`/`.key` that are kept until nothing queued needs
//! them. A certificate of another role or another agency stops the start. Keys never leave their handle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formats::id::{AgencyCode, Party, TrustDomain};
use pki::cert::Certificate;
use pki::key::{DecryptionKey, SigningKey};
use pki::role::Role;
use pki::sign::{HashAlgorithm, signing_hash};

/// One agency of the configuration.
#[derive(Clone, Debug)]
pub struct AgencyFiles {
    /// Its code.
    pub code: AgencyCode,
    /// Folder of its keys and certificates.
    pub dir: PathBuf,
    /// File whose first line opens its keys.
    pub passphrase_file: Option<PathBuf>,
    /// The node reports arrivals to the senders by a status packet 01, as systems expect that do not
    /// read receipts [edxml-model 4.3].
    pub automatic_01: bool,
}

/// Why the keys of an agency cannot be used; the operator's to mend.
#[derive(Debug, thiserror::Error)]
#[error("agency {code}: {path}: {why}")]
pub struct AgencyError {
    code: AgencyCode,
    path: PathBuf,
    why: String,
}

/// An agency served here.
#[derive(Debug)]
pub(crate) struct Agency {
    pub(crate) code: AgencyCode,
    pub(crate) automatic_01: bool,
    pub(crate) signature_key: SigningKey,
    pub(crate) signature_certificate: Certificate,
    /// Digest that the signature key signs with.
    pub(crate) hash: HashAlgorithm,
    /// The current pair first.
    pub(crate) encryption: Vec<(DecryptionKey, Certificate)>,
}

/// The agencies served here, by code.
#[derive(Debug)]
pub(crate) struct Agencies(BTreeMap<AgencyCode, Agency>);

impl Agencies {
    pub(crate) fn load(files: &[AgencyFiles], domain: &TrustDomain) -> Result<Self, AgencyError> {
        let mut all = BTreeMap::new();
        for one in files {
            all.insert(one.code.clone(), Agency::load(one, domain)?);
        }
        Ok(Self(all))
    }

    pub(crate) fn of(&self, code: &AgencyCode) -> Option<&Agency> {
        self.0.get(code)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Agency> {
        self.0.values()
    }
}

impl Agency {
    fn load(files: &AgencyFiles, domain: &TrustDomain) -> Result<Self, AgencyError> {
        let fault = |path: &Path, why: String| AgencyError {
            code: files.code.clone(),
            path: path.to_owned(),
            why,
        };
        let passphrase = match &files.passphrase_file {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| fault(path, error.to_string()))?;
                Some(text.lines().next().unwrap_or_default().to_owned())
            }
        };
        let passphrase = passphrase.as_deref();
        let certificate = |name: &str, role: Role| -> Result<Certificate, AgencyError> {
            let path = files.dir.join(name);
            let certificate =
                Certificate::load(&path).map_err(|error| fault(&path, error.to_string()))?;
            check(&certificate, role, &files.code, domain).map_err(|why| fault(&path, why))?;
            Ok(certificate)
        };

        let signature_certificate = certificate("signature.crt", Role::AgencySignature)?;
        let path = files.dir.join("signature.key");
        let signature_key =
            SigningKey::load(&path, passphrase).map_err(|error| fault(&path, error.to_string()))?;
        if signature_key.spki_der() != signature_certificate.spki_der() {
            return Err(fault(&path, "is not the key of signature.crt".to_owned()));
        }
        let hash = signing_hash(&signature_key).map_err(|error| fault(&path, error.to_string()))?;

        let mut encryption = Vec::new();
        for stem in encryption_stems(&files.dir) {
            let certificate = certificate(&format!("{stem}.crt"), Role::AgencyEncryption)?;
            let path = files.dir.join(format!("{stem}.key"));
            let key = DecryptionKey::load(&path, passphrase)
                .map_err(|error| fault(&path, error.to_string()))?;
            if key.spki_der() != certificate.spki_der() {
                return Err(fault(&path, format!("is not the key of {stem}.crt")));
            }
            encryption.push((key, certificate));
        }
        Ok(Self {
            code: files.code.clone(),
            automatic_01: files.automatic_01,
            signature_key,
            signature_certificate,
            hash,
            encryption,
        })
    }
}

/// The current pair, then the older ones, newest name first.
fn encryption_stems(dir: &Path) -> Vec<String> {
    let mut older: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".crt").map(str::to_owned))
        .filter(|stem| stem.starts_with("encryption-"))
        .collect();
    older.sort_unstable_by(|a, b| b.cmp(a));
    let mut all = vec!["encryption".to_owned()];
    all.extend(older);
    all
}

fn check(
    certificate: &Certificate,
    role: Role,
    code: &AgencyCode,
    domain: &TrustDomain,
) -> Result<(), String> {
    let found = certificate.role().map_err(|error| error.to_string())?;
    if found != role {
        return Err(format!("is a certificate for {found:?}, not for {role:?}"));
    }
    let party = certificate
        .party(domain)
        .map_err(|error| error.to_string())?;
    if party != Party::Agency(code.clone()) {
        return Err(format!("is the certificate of {party}, not of {code}"));
    }
    Ok(())
}
