//! Anchor: the pinned signers of the trust list, k of n (a file or a folder). From the configuration,
//! or from the identity folder where enrolment puts it, or, where neither has it, the only one in the
//! records folder at the very first start: that one is written down in the data folder and never
//! changed by itself again.
//!
//! Fails at start. Must not know what the trust list says.

use std::path::Path;

use pki::cert::Certificate;
use pki::record::TrustPin;
use pki::role::Role;

use super::StartError;
use super::core::identity_error;
use crate::config::StationConfig;

/// Who signs the trust list, and how many must.
pub(super) fn pinned(config: &StationConfig) -> Result<TrustPin, StartError> {
    if let Some(path) = &config.trust_list_certificate {
        return load(path);
    }
    let enrolled = config.data.join(PIN_FILE);
    if enrolled.exists() {
        return load(&enrolled);
    }
    let found = only_in(&config.records)?;
    tracing::warn!(
        code = "TRAM-302",
        sha256 = %found.sha256(),
        subject = found.subject(),
        "trust list signer taken from the records folder; compare its fingerprint"
    );
    std::fs::create_dir_all(&config.data).map_err(|error| identity_error(&config.data, &error))?;
    store(&enrolled, &found)?;
    Ok(found.into())
}

fn load(path: &Path) -> Result<TrustPin, StartError> {
    TrustPin::load(path).map_err(|error| identity_error(path, &error))
}

fn only_in(records: &Path) -> Result<Certificate, StartError> {
    let entries = std::fs::read_dir(records).map_err(|error| identity_error(records, &error))?;
    let certificates = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "crt"))
        .filter_map(|path| Certificate::load(&path).ok());
    let mut found: Option<Certificate> = None;
    for certificate in certificates.filter(|one| one.role().ok() == Some(Role::TrustList)) {
        if found
            .as_ref()
            .is_some_and(|other| other.sha256() != certificate.sha256())
        {
            let why =
                "holds more than one trust list signer; name the right one in `[trust] list_key`";
            return Err(identity_error(records, &why));
        }
        found = Some(certificate);
    }
    found.ok_or_else(|| {
        let why = "holds no certificate of a trust list signer; name it in `[trust] list_key`";
        identity_error(records, &why)
    })
}

/// Written beside and renamed, so a crash leaves no half pin.
fn store(path: &Path, certificate: &Certificate) -> Result<(), StartError> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&beside)?;
        std::io::Write::write_all(&mut file, certificate.pem().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| identity_error(path, &error))
}

/// Name of the pin in the data folder.
const PIN_FILE: &str = "trust-list-signer.crt";
