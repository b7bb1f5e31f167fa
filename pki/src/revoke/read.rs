//! Reading revocation lists: the bytes become a [`Crl`], or are refused.
//!
//! Owns: RFC 5280 section 5: which extensions are known, whose certificate an entry is about, and
//! what conforming issuers must say. Fails with [`CrlError`]. Must not know: certificates,
//! signatures.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use const_oid::ObjectIdentifier;
use der::asn1::Uint;
use der::{Decode, Encode};
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlReason};

use super::scope::Scope;
use super::{Crl, CrlError, Parts, Revocation};
use crate::algorithm::SignatureAlgorithm;
use crate::cert::{signed_part, timestamp};
use crate::chain::names::{name_key, same_name};

impl Crl {
    /// Parses strict DER of a full list; nothing may follow.
    ///
    /// # Errors
    /// [`CrlError`] for malformed, delta or oversized lists.
    pub fn parse(der: &[u8]) -> Result<Self, CrlError> {
        let list = Self::parse_any(der)?;
        if list.is_delta() {
            return Err(CrlError::Refused("delta list"));
        }
        Ok(list)
    }

    /// Like [`Crl::parse`], for delta lists too: a delta counts only beside the full list that it
    /// continues.
    ///
    /// # Errors
    /// [`CrlError`] for malformed or oversized lists.
    pub fn parse_any(der: &[u8]) -> Result<Self, CrlError> {
        if der.len() > CRL_BYTES_MAX {
            return Err(CrlError::TooLarge(der.len()));
        }
        let list = CertificateList::from_der(der)?;
        let tbs = signed_part(der)?;
        if list.tbs_cert_list.signature != list.signature_algorithm {
            return Err(CrlError::Refused(
                "inner and outer signature algorithm differ",
            ));
        }
        let algorithm = SignatureAlgorithm::from_identifier(&list.signature_algorithm)?;
        let known = Known::read(&list)?;
        let entries = Entries::read(&list, known.is_indirect())?;
        Ok(Self(Arc::new(Parts {
            der: der.to_vec(),
            tbs,
            algorithm,
            nonconformance: known.nonconformance(&list),
            entries: entries.own,
            foreign: entries.foreign,
            scope: known.scope,
            scope_der: known.scope_der,
            authority_key: known.authority_key,
            number: known.number,
            base: known.base,
            deltas: known.deltas,
            signer: OnceLock::new(),
            list,
        })))
    }
}

/// The extensions of a list.
#[derive(Default)]
struct Known {
    scope: Option<Scope>,
    scope_der: Option<Vec<u8>>,
    authority_key: Option<Vec<u8>>,
    key_identified: bool,
    number: Option<Uint>,
    base: Option<Uint>,
    deltas: bool,
    marked_wrongly: bool,
}

impl Known {
    fn read(list: &CertificateList) -> Result<Self, CrlError> {
        let mut known = Self::default();
        let mut seen = Vec::new();
        for extension in list.tbs_cert_list.crl_extensions.iter().flatten() {
            if seen.contains(&extension.extn_id) {
                return Err(CrlError::Refused("the same extension stands twice"));
            }
            seen.push(extension.extn_id);
            known.take(extension)?;
        }
        if known.scope.as_ref().is_some_and(Scope::is_contradictory) {
            return Err(CrlError::Refused("contradictory distribution point"));
        }
        Ok(known)
    }

    fn take(&mut self, extension: &Extension) -> Result<(), CrlError> {
        let value = extension.extn_value.as_bytes();
        let mut never_critical = false;
        match extension.extn_id {
            CRL_NUMBER => {
                self.number = Some(Uint::from_der(value)?);
                never_critical = true;
            }
            ISSUING_DISTRIBUTION_POINT => {
                self.scope = Some(Scope::from_der(value)?);
                self.scope_der = Some(value.to_vec());
            }
            DELTA_CRL_INDICATOR => {
                self.base = Some(Uint::from_der(value)?);
                self.marked_wrongly |= !extension.critical;
            }
            FRESHEST_CRL => {
                self.deltas = true;
                never_critical = true;
            }
            AUTHORITY_KEY_IDENTIFIER => {
                let id = AuthorityKeyIdentifier::from_der(value)?;
                self.key_identified = id.key_identifier.is_some();
                self.authority_key = Some(value.to_vec());
                never_critical = true;
            }
            ISSUER_ALT_NAME => {}
            _ if extension.critical => {
                return Err(CrlError::Refused("unknown critical extension"));
            }
            _ => {}
        }
        self.marked_wrongly |= never_critical && extension.critical;
        Ok(())
    }

    fn is_indirect(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.indirect)
    }

    /// What of sections 5.1 and 5.2 the issuer did not keep, though the list can be read.
    fn nonconformance(&self, list: &CertificateList) -> Option<&'static str> {
        let number = self.number.as_ref().map(Uint::as_bytes);
        if list.tbs_cert_list.version != Version::V2 {
            Some("not a version 2 list (section 5.1.2.1)")
        } else if list.tbs_cert_list.next_update.is_none() {
            Some("no nextUpdate (section 5.1.2.5)")
        } else if !self.key_identified {
            Some("no key identifier of its issuer (section 5.2.1)")
        } else if number.is_none_or(|number| number.len() > NUMBER_BYTES_MAX) {
            Some("no cRLNumber of at most 20 octets (section 5.2.3)")
        } else if self.marked_wrongly {
            Some("an extension is marked critical, or not, against section 5.2")
        } else {
            None
        }
    }
}

/// Entries by serial number (DER).
#[derive(Default)]
struct Entries {
    own: HashMap<Vec<u8>, Revocation>,
    foreign: HashMap<(String, Vec<u8>), Revocation>,
}

impl Entries {
    fn read(list: &CertificateList, indirect: bool) -> Result<Self, CrlError> {
        let mut entries = Self::default();
        // Section 5.3.3: who issued the certificate of an entry holds for those that follow.
        let mut issuer: Option<String> = None;
        for entry in list.tbs_cert_list.revoked_certificates.iter().flatten() {
            let read = EntryExtensions::read(entry)?;
            if let Some(names) = read.issuer {
                if !indirect {
                    return Err(CrlError::Refused(
                        "entry of another issuer in a direct list",
                    ));
                }
                issuer = Some(directory_name(&names, list)?);
            }
            let serial = entry.serial_number.to_der()?;
            let found = Revocation {
                at: timestamp(entry.revocation_date),
                reason: read.reason,
            };
            // Two entries for one certificate: the first one counts; both say revoked.
            match &issuer {
                Some(name) if !name.is_empty() => {
                    entries
                        .foreign
                        .entry((name.clone(), serial))
                        .or_insert(found);
                }
                Some(_) | None => {
                    entries.own.entry(serial).or_insert(found);
                }
            }
        }
        Ok(entries)
    }
}

/// The key of the one directory name; empty for the list's own issuer.
fn directory_name(names: &GeneralNames, list: &CertificateList) -> Result<String, CrlError> {
    let found = names.iter().find_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    });
    match found {
        Some(name) if same_name(name, &list.tbs_cert_list.issuer) => Ok(String::new()),
        Some(name) => Ok(name_key(name)),
        None => Err(CrlError::Refused(
            "entry of an issuer without a directory name",
        )),
    }
}

struct EntryExtensions {
    reason: CrlReason,
    issuer: Option<GeneralNames>,
}

impl EntryExtensions {
    /// An unknown critical extension spoils the whole list (section 5.3).
    fn read(entry: &RevokedCert) -> Result<Self, CrlError> {
        let mut found = Self {
            reason: CrlReason::Unspecified,
            issuer: None,
        };
        for extension in entry.crl_entry_extensions.iter().flatten() {
            let value = extension.extn_value.as_bytes();
            match extension.extn_id {
                CRL_REASON => found.reason = CrlReason::from_der(value)?,
                CERTIFICATE_ISSUER => found.issuer = Some(GeneralNames::from_der(value)?),
                INVALIDITY_DATE => {}
                _ if extension.critical => {
                    return Err(CrlError::Refused("unknown critical entry extension"));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const CRL_REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const FRESHEST_CRL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const ISSUER_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.18");
/// Written out: the constant of the same meaning in x509-cert is another extension's number.
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

/// 200,000 agencies with three certificates each, all revoked, are about 24 MiB.
pub(super) const CRL_BYTES_MAX: usize = 32 * 1024 * 1024;
const NUMBER_BYTES_MAX: usize = 20;
