//! Certificates of other authorities (the state's own, for example): taken from the stations that use them,
//! published, and the lists that revoke them brought here.
//!
//! Owns: `foreign-*` in the published folder. A certificate is taken when it ends at a root of the trust list,
//! is an agency's, and the station that brings it is where that agency receives; the authorities on its path
//! are published with it. Their revocation lists are fetched from where the certificates say, and from what
//! the settings name; only a later list signed by the same authority replaces one. Fails with [`ForeignError`];
//! a list that does not come is tried again, and stations raise their own alarm before its window ends. Must not
//! know HTTP doors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use formats::id::{AgencyCode, Party};
use formats::record::Record;
use formats::time::Timestamp;
use thiserror::Error;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use super::folder::write_public;
use super::office::{Office, OfficeError};
use crate::cert::{CertError, Certificate};
use crate::chain::{ChainError, VerifiedCert};
use crate::record;
use crate::revoke::Crl;
use crate::role::Role;

/// Why a certificate is not taken.
#[derive(Debug, Error)]
pub enum ForeignError {
    /// No certificate, or one that cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// No path to a root of the trust list, or one that does not hold.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The folder.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// The agency does not receive at this station.
    #[error("{0} does not receive at this station: publish its attachment first")]
    OtherHome(AgencyCode),
    /// Only agencies bring certificates of other authorities.
    #[error("a certificate for the role {0}: only those of agencies are taken")]
    Role(Role),
}

/// What was taken.
#[derive(Debug)]
pub struct Taken {
    /// File of the agency's certificate.
    pub file: String,
    /// Its bytes in that file.
    pub pem: String,
    /// Whose it is.
    pub agency: AgencyCode,
    /// Who issued it.
    pub issuer: String,
}

impl Office {
    /// Takes a certificate (the first of `certs`) with the authorities above it from a station.
    ///
    /// # Errors
    /// [`ForeignError`].
    pub fn take_foreign(
        &self,
        certs: &[Certificate],
        station: &VerifiedCert,
        now: Timestamp,
    ) -> Result<Taken, ForeignError> {
        let none = CertError::Pem("no certificate in it");
        let (cert, above) = certs.split_first().ok_or(none)?;
        let role = cert.role()?;
        if !matches!(role, Role::AgencySignature | Role::AgencyEncryption) {
            return Err(ForeignError::Role(role));
        }
        let above: Vec<Certificate> = above.iter().take(CHAIN_MAX).cloned().collect();
        let verified = self
            .wide_validator()?
            .verify_with(cert, &above, role, now)?;
        let agency = verified.party().and_then(Party::agency).cloned();
        let agency = agency.ok_or(ForeignError::Role(role))?;
        if self.home_of(&agency) != station.party().cloned() {
            return Err(ForeignError::OtherHome(agency));
        }
        // The root is in the trust list; what is between it and the agency is published first.
        let path = verified.path();
        for authority in path.iter().skip(1).filter(|one| *one != cert) {
            self.keep_foreign(authority)?;
        }
        let file = self.keep_foreign(cert)?;
        Ok(Taken {
            file,
            pem: cert.pem(),
            agency,
            issuer: cert.issuer(),
        })
    }

    fn keep_foreign(&self, cert: &Certificate) -> Result<String, OfficeError> {
        let file = format!("{PREFIX}{}{CRT}", cert.sha256());
        write_public(&self.records().join(&file), cert.pem().as_bytes())?;
        Ok(file)
    }

    /// Where an agency receives, by its published attachment.
    fn home_of(&self, agency: &AgencyCode) -> Option<Party> {
        let file = self.records().join(format!("attachment-{agency}.rec"));
        let held = record::open(&std::fs::read(file).ok()?).ok()?;
        match held.record {
            Record::Attachment(one) => Some(Party::Station(one.station)),
            _ => None,
        }
    }

    /// Fetches the lists of the foreign authorities; says which could not be had, and why.
    ///
    /// # Errors
    /// [`OfficeError`].
    pub async fn fetch_foreign(
        &self,
        client: &reqwest::Client,
        named: &[String],
    ) -> Result<Fetched, OfficeError> {
        let mut urls: BTreeSet<String> = named.iter().cloned().collect();
        for name in foreign_files(&self.records())? {
            let bytes = std::fs::read(self.records().join(&name)).unwrap_or_default();
            if let Ok(cert) = Certificate::from_pem(&bytes) {
                urls.extend(list_urls(&cert));
            }
        }
        let mut fetched = Fetched::default();
        for url in urls.into_iter().take(URLS_MAX) {
            match self.fetch_one(client, &url).await {
                Ok(true) => fetched.new += 1,
                Ok(false) => {}
                Err(reason) => drop(fetched.failed.insert(url, reason)),
            }
        }
        Ok(fetched)
    }

    async fn fetch_one(&self, client: &reqwest::Client, url: &str) -> Result<bool, String> {
        let bytes = download(client, url).await?;
        let list = Crl::parse(&bytes).map_err(|error| error.to_string())?;
        let validator = self.wide_validator().map_err(|error| error.to_string())?;
        let known = validator.authorities().chain(validator.roots());
        let issuer = known.into_iter().find(|one| list.verify(one).is_ok());
        let issuer = issuer.ok_or("is signed by no authority that is known here")?;
        let file = format!("{PREFIX}{}{CRL}", issuer.sha256());
        let path = self.records().join(file);
        if let Some(held) = std::fs::read(&path)
            .ok()
            .and_then(|held| Crl::parse(&held).ok())
        {
            if held.der() == list.der() {
                return Ok(false);
            }
            let order = |list: &Crl| (list.rank(), list.this_update());
            if order(&list) < order(&held) {
                return Err("is older than the list that is here".to_owned());
            }
        }
        write_public(&path, list.der()).map_err(|error| error.to_string())?;
        Ok(true)
    }
}

/// What a round of fetching did.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Lists that are newer than before.
    pub new: usize,
    /// What did not come, and why.
    pub failed: BTreeMap<String, String>,
}

/// The files of foreign authorities in the published folder.
pub(super) fn foreign_files(records: &Path) -> Result<Vec<String>, OfficeError> {
    let failed = |error| super::folder::failed(records, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(records).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) {
            found.push(name.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// Where a certificate says that the list is which could revoke it (RFC 5280 section 4.2.1.13); HTTP only.
fn list_urls(cert: &Certificate) -> Vec<String> {
    let points = cert.extensions().crl_distribution_points.as_ref();
    let points = points.into_iter().flat_map(|points| &points.value.0);
    let names = points.filter_map(|point| match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => Some(names),
        Some(DistributionPointName::NameRelativeToCRLIssuer(_)) | None => None,
    });
    let urls = names.flatten().filter_map(|name| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
        _ => None,
    });
    urls.filter(|url| url.starts_with("http://")).collect()
}

async fn download(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, String> {
    let words = |error: reqwest::Error| error.without_url().to_string();
    let sent = client
        .get(url)
        .timeout(TIMEOUT)
        .send()
        .await
        .map_err(words)?;
    let mut response = sent.error_for_status().map_err(words)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(words)? {
        if body.len().saturating_add(chunk.len()) > LIST_BYTES_MAX {
            return Err(format!("is longer than {LIST_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

const PREFIX: &str = "foreign-";
const CRT: &str = ".crt";
/// Ending of a list.
pub(super) const CRL: &str = ".crl";
/// Authorities that come along with one certificate.
const CHAIN_MAX: usize = 8;
/// The list of a large authority after a bad year.
const LIST_BYTES_MAX: usize = 64 << 20;
/// Lists of one round: a country has a few dozen authorities.
const URLS_MAX: usize = 1_000;
const TIMEOUT: Duration = Duration::from_secs(60);
