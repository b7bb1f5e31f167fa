//! The agencies that this desk serves, with their keys: what signs for them and what opens for them.
//!
//! Loaded at start from one folder an agency: `signature.crt`, `signature.key`, `encryption.crt`,
//! `encryption.key`, and older pairs `encryption-*.crt`/`.key` that are kept until nothing queued needs
//! them; loaded again when a certificate is renewed. A renewed encryption key opens from the moment its
//! certificate is here, before anybody is told of it. Who works with an agency holds one state of it: a
//! document is signed by one certificate throughout. A certificate of another role or another agency
//! stops the start. Keys never leave their handle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use formats::id::{AgencyCode, Party, TrustDomain};
use pki::cert::Certificate;
use pki::key::{DecryptionKey, SigningKey};
use pki::pair::Pair;
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

impl AgencyFiles {
    /// The pair that signs.
    #[must_use]
    pub fn signature(&self) -> Pair {
        Pair::within(&self.dir, "signature")
    }

    /// The pair that opens.
    #[must_use]
    pub fn encryption(&self) -> Pair {
        Pair::within(&self.dir, "encryption")
    }

    pub(crate) fn passphrase(&self) -> Result<Option<String>, AgencyError> {
        let Some(path) = &self.passphrase_file else {
            return Ok(None);
        };
        let text =
            std::fs::read_to_string(path).map_err(|error| self.fault(path, error.to_string()))?;
        Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
    }

    fn fault(&self, path: &Path, why: String) -> AgencyError {
        AgencyError {
            code: self.code.clone(),
            path: path.to_owned(),
            why,
        }
    }
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
    /// The pair that comes next is among them.
    knows_next: bool,
}

/// The agencies served here, by code.
#[derive(Debug)]
pub(crate) struct Agencies {
    all: BTreeMap<AgencyCode, Served>,
    domain: TrustDomain,
}

#[derive(Debug)]
struct Served {
    files: AgencyFiles,
    keys: RwLock<Arc<Agency>>,
}

impl Served {
    fn keys(&self) -> Arc<Agency> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Agencies {
    pub(crate) fn load(files: &[AgencyFiles], domain: &TrustDomain) -> Result<Self, AgencyError> {
        let mut all = BTreeMap::new();
        for one in files {
            let keys = RwLock::new(Arc::new(Agency::load(one, domain)?));
            let files = one.clone();
            all.insert(one.code.clone(), Served { files, keys });
        }
        let domain = domain.clone();
        Ok(Self { all, domain })
    }

    /// The agency as it is now.
    pub(crate) fn of(&self, code: &AgencyCode) -> Option<Arc<Agency>> {
        self.all.get(code).map(Served::keys)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = Arc<Agency>> {
        self.all.values().map(Served::keys)
    }

    /// Where the keys of each lie.
    pub(crate) fn files(&self) -> impl Iterator<Item = &AgencyFiles> {
        self.all.values().map(|served| &served.files)
    }

    /// Takes over what lies in its folder now. On an error the keys in use stay.
    pub(crate) fn reload(&self, code: &AgencyCode) -> Result<(), AgencyError> {
        if let Some(served) = self.all.get(code) {
            let keys = Arc::new(Agency::load(&served.files, &self.domain)?);
            *served.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        }
        Ok(())
    }

    /// Whether its folder holds other certificates than those in use.
    pub(crate) fn is_behind(&self, code: &AgencyCode) -> bool {
        let Some(served) = self.all.get(code) else {
            return false;
        };
        let keys = served.keys();
        let (signature, encryption) = (served.files.signature(), served.files.encryption());
        let current = keys.encryption.first().map(|(_, certificate)| certificate);
        let differs = |pair: &Pair, held: Option<&Certificate>| {
            pair.current().is_ok_and(|found| found.as_ref() != held)
        };
        let waiting = encryption.next().is_ok_and(|next| next.is_some());
        differs(&signature, Some(&keys.signature_certificate))
            || differs(&encryption, current)
            || waiting != keys.knows_next
    }

    /// Whether an envelope that none of these keys opens may be for one that is just coming: a
    /// certificate is public a moment before its issuer's answer is here.
    pub(crate) fn is_changing(&self, agency: &Arc<Agency>) -> bool {
        self.all.get(&agency.code).is_some_and(|served| {
            let unknown = served.files.encryption().next_key_file().exists() && !agency.knows_next;
            unknown || !Arc::ptr_eq(agency, &served.keys())
        })
    }
}

impl Agency {
    fn load(files: &AgencyFiles, domain: &TrustDomain) -> Result<Self, AgencyError> {
        let fault = |path: &Path, why: String| files.fault(path, why);
        let passphrase = files.passphrase()?;
        let passphrase = passphrase.as_deref();
        for pair in [files.signature(), files.encryption()] {
            pair.recover()
                .map_err(|error| fault(pair.key_file(), error.to_string()))?;
        }
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
        let mut knows_next = false;
        for stem in encryption_stems(&files.dir) {
            let path = files.dir.join(format!("{stem}.key"));
            if stem != CURRENT && !path.exists() {
                // Retired: the key goes first.
                continue;
            }
            let certificate = certificate(&format!("{stem}.crt"), Role::AgencyEncryption)?;
            knows_next |= stem == NEXT;
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
            knows_next,
        })
    }
}

/// The current pair, then the next one and the older ones.
fn encryption_stems(dir: &Path) -> Vec<String> {
    let mut older: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".crt").map(str::to_owned))
        .filter(|stem| stem.starts_with(OLDER) || stem == NEXT)
        .collect();
    older.sort_unstable_by(|a, b| b.cmp(a));
    let mut all = vec![CURRENT.to_owned()];
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

/// Stem of the pair in use.
const CURRENT: &str = "encryption";
/// Stem of the pair that comes next (see `pki::pair`).
const NEXT: &str = "encryption.next";
/// How the stems of older pairs begin.
pub(crate) const OLDER: &str = "encryption-";
