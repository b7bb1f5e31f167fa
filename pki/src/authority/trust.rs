//! Whom the authority believes: its own root for those who call it, everything that the trust list names for what
//! it publishes, and who signs that list.
//!
//! Owns: what is read from where for each of them. Fails with [`OfficeError`]. Must not know what is judged.

use std::path::Path;

use formats::record::Record;

use super::folder;
use super::foreign::{CRL, foreign_files};
use super::office::{Office, OfficeError};
use crate::cert::Certificate;
use crate::chain::{TrustStore, Validator};
use crate::record::{self, Beside, TrustPin};
use crate::revoke::Crl;

impl Office {
    /// What judges stations, agencies and records now: our roots, our authorities, the lists that
    /// are published.
    ///
    /// # Errors
    /// [`OfficeError::Certificate`].
    pub fn validator(&self) -> Result<Validator, OfficeError> {
        let root = self.authority("root")?;
        let mut between = self.authorities()?;
        between.retain(|cert| *cert != root);
        let mut crls = Vec::new();
        for name in self.issuer_names() {
            let file = self.records().join(format!("{name}.crl"));
            if let Ok(bytes) = std::fs::read(&file) {
                crls.push(Crl::parse(&bytes)?);
            }
        }
        Ok(Validator::new(TrustStore {
            trust_domain: self.domain().clone(),
            roots: vec![root],
            intermediates: between,
            crls,
            ocsp: Vec::new(),
        }))
    }

    /// Who signs trust lists, as a station must pin it that takes the list in force as its first.
    ///
    /// # Errors
    /// [`OfficeError::Pin`], [`OfficeError::File`].
    pub fn trust_pin(&self) -> Result<TrustPin, OfficeError> {
        let pin = TrustPin::load(&self.file("trust-list.crt"))?;
        let records = self.records();
        let in_force = std::fs::read(records.join("trust-list.rec"));
        let Ok(in_force) = in_force.map_err(|_| ()).and_then(|bytes| {
            let opened = record::open(&bytes).map_err(|_| ())?;
            Ok(opened.record.sequence())
        }) else {
            return Ok(pin);
        };
        let mut lists = Vec::new();
        // Lists that hand over are kept under their numbers.
        for entry in std::fs::read_dir(&records).map_err(|error| folder::failed(&records, error))? {
            let path = entry
                .map_err(|error| folder::failed(&records, error))?
                .path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name.starts_with("trust-list-") && name.ends_with(".rec") {
                lists.push(std::fs::read(&path).map_err(|error| folder::failed(&path, error))?);
            }
        }
        let validator = self.validator()?;
        let beside = Beside {
            authorities: validator.authorities().cloned().collect(),
            crls: validator.crls().to_vec(),
        };
        Ok(pin.followed(lists, &beside, in_force)?)
    }

    /// Judges by everything that stations judge by: the roots of the trust list beside our own, and the foreign
    /// authorities and lists that are published.
    ///
    /// # Errors
    /// [`OfficeError`].
    pub fn wide_validator(&self) -> Result<Validator, OfficeError> {
        let own = self.validator()?;
        let mut store = TrustStore {
            trust_domain: self.domain().clone(),
            roots: own.roots().to_vec(),
            intermediates: own.authorities().cloned().collect(),
            crls: own.crls().to_vec(),
            ocsp: Vec::new(),
        };
        for root in trusted_roots(&self.records())? {
            if !store.roots.contains(&root) {
                store.roots.push(root);
            }
        }
        let roots = store.roots.clone();
        store.intermediates.retain(|one| !roots.contains(one));
        for name in foreign_files(&self.records())? {
            let Ok(bytes) = std::fs::read(self.records().join(&name)) else {
                continue;
            };
            if name.ends_with(CRL) {
                store.crls.extend(Crl::parse(&bytes));
            } else if let Ok(cert) = Certificate::from_pem(&bytes)
                && cert.extensions().is_authority()
            {
                store.intermediates.push(cert);
            }
        }
        Ok(Validator::new(store))
    }
}

/// Roots that the trust list in force names; none where there is no list yet.
fn trusted_roots(records: &Path) -> Result<Vec<Certificate>, OfficeError> {
    let Ok(bytes) = std::fs::read(records.join("trust-list.rec")) else {
        return Ok(Vec::new());
    };
    match record::open(&bytes).map(|opened| opened.record) {
        Ok(Record::TrustList(list)) => {
            let roots = list.roots.iter();
            let roots = roots.map(|root| Certificate::parse(root.as_bytes()));
            Ok(roots.collect::<Result<_, _>>()?)
        }
        _ => Ok(Vec::new()),
    }
}
