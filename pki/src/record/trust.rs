//! The trust list: signed by k of n keys that were pinned at enrolment (architecture, section 9).
//!
//! Owns: the pin ([`TrustPin`]: who may sign and how many must), its file, and the one verification
//! that starts from nothing but the pin. A signature counts once for each pinned certificate and
//! key; one that does not count (unknown, revoked, expired, twice, wrong) spoils nothing, but is
//! named when too few are left. Fails with [`RecordError`] and [`PinError`]. Must not know: which
//! list supersedes which.

use std::path::Path;

use formats::record::{Record, TrustList};
use formats::time::Timestamp;
use thiserror::Error;

use super::{RecordError, open, open_parsed, refusal, role_of, verify_one};
use crate::cert::{CertError, Certificate};
use crate::chain::{TrustStore, Validator};
use crate::key::SigningKey;
use crate::revoke::Crl;
use crate::role::Role;
use crate::sign::{self, Parsed};

/// Why a pin is not one.
#[derive(Debug, Error)]
pub enum PinError {
    /// A certificate does not parse or the file is not there.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// The file or folder cannot be read.
    #[error("pinned signers of the trust list, {file}")]
    File {
        /// Path.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The numbers make no sense.
    #[error("pinned signers of the trust list: {0}")]
    Numbers(String),
}

/// Who signs trust lists, and how many of them must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPin {
    needed: usize,
    signers: Vec<Certificate>,
}

impl From<Certificate> for TrustPin {
    /// One of one.
    fn from(signer: Certificate) -> Self {
        Self {
            needed: 1,
            signers: vec![signer],
        }
    }
}

impl From<&Certificate> for TrustPin {
    fn from(signer: &Certificate) -> Self {
        Self::from(signer.clone())
    }
}

impl From<&Self> for TrustPin {
    fn from(pin: &Self) -> Self {
        pin.clone()
    }
}

impl TrustPin {
    /// Any `needed` of these.
    ///
    /// # Errors
    /// [`PinError::Numbers`] when that cannot be, or a certificate or key stands twice.
    pub fn new(needed: usize, signers: Vec<Certificate>) -> Result<Self, PinError> {
        let of = signers.len();
        if !(1..=of).contains(&needed) || of > formats::limits::TRUST_LIST_SIGNERS_MAX {
            return Err(PinError::Numbers(format!("{needed} of {of} cannot be")));
        }
        for (at, signer) in signers.iter().enumerate() {
            let twice = signers.iter().skip(at.saturating_add(1));
            if twice
                .into_iter()
                .any(|other| other.spki_der() == signer.spki_der())
            {
                let who = signer.subject();
                return Err(PinError::Numbers(format!("the key of {who} stands twice")));
            }
        }
        Ok(Self { needed, signers })
    }

    /// Reads a pin: a PEM file with the certificates and a line `needed: K of N`, or a folder with
    /// such files. One certificate needs no line. Several without it must all sign, so that a
    /// line that was lost on the way never makes the list easier to forge.
    ///
    /// # Errors
    /// [`PinError`].
    pub fn load(path: &Path) -> Result<Self, PinError> {
        let failed = |source| PinError::File {
            file: path.display().to_string(),
            source,
        };
        if !path.is_dir() {
            return Self::parse(&std::fs::read(path).map_err(failed)?);
        }
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file.is_file() {
                files.push(file);
            }
        }
        files.sort();
        let mut all = Vec::new();
        for file in files {
            all.extend(std::fs::read(&file).map_err(failed)?);
            all.push(b'\n');
        }
        Self::parse(&all)
    }

    /// Reads the content of a pin file.
    ///
    /// # Errors
    /// [`PinError`].
    pub fn parse(text: &[u8]) -> Result<Self, PinError> {
        let signers = Certificate::all_from_pem(text)?;
        let lines = text.split(|byte| *byte == b'\n');
        let stated: Vec<&str> = lines
            .filter_map(|line| std::str::from_utf8(line).ok())
            .filter_map(|line| line.trim().strip_prefix(NEEDED))
            .collect();
        let needed = match stated.as_slice() {
            [] => signers.len(),
            [one] => {
                let numbers = one.trim().split_once(" of ");
                let numbers = numbers
                    .and_then(|(k, n)| Some((k.parse::<usize>().ok()?, n.parse::<usize>().ok()?)));
                match numbers {
                    Some((needed, of)) if signers.len() == of => needed,
                    _ => {
                        return Err(PinError::Numbers(format!(
                            "{:?} does not fit {} certificates",
                            one.trim(),
                            signers.len()
                        )));
                    }
                }
            }
            _ => {
                return Err(PinError::Numbers(
                    "the line `needed:` stands twice".to_owned(),
                ));
            }
        };
        Self::new(needed, signers)
    }

    /// The content of a pin file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let certificates: String = self.signers.iter().map(Certificate::pem).collect();
        format!(
            "{NEEDED} {} of {}\n{certificates}",
            self.needed,
            self.signers.len()
        )
    }

    /// How many must sign.
    #[must_use]
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// Who may sign.
    #[must_use]
    pub fn signers(&self) -> &[Certificate] {
        &self.signers
    }

    /// The pin for the lists after this one: the list's own word, or the same as before.
    ///
    /// # Errors
    /// [`PinError`] when the list names signers that are none.
    pub fn after(&self, list: &TrustList) -> Result<Self, PinError> {
        let Some(next) = &list.signers else {
            return Ok(self.clone());
        };
        let signers = next.certificates.iter();
        let signers = signers.map(|der| Certificate::parse(der.as_bytes()));
        Self::new(usize::from(next.needed), signers.collect::<Result<_, _>>()?)
    }
}

impl TrustPin {
    /// The pin that judges list number `before`: an earlier list (any order, others are passed over) may have
    /// handed over to other signers.
    ///
    /// # Errors
    /// [`PinError`] when a list that holds names signers that are none.
    pub fn followed(
        mut self,
        lists: Vec<Vec<u8>>,
        beside: &Beside,
        before: u64,
    ) -> Result<Self, PinError> {
        let opened = lists.into_iter().filter_map(|bytes| {
            let record = open(&bytes).ok()?.record;
            let earlier = matches!(record, Record::TrustList(_)) && record.sequence() < before;
            earlier.then(|| (record.sequence(), record.issued(), bytes))
        });
        let mut opened: Vec<_> = opened.collect();
        opened.sort();
        for (_, at, bytes) in opened {
            if let Ok(list) = verify_trust_list(&bytes, &self, beside, at) {
                self = self.after(&list)?;
            }
        }
        Ok(self)
    }
}

/// What was found beside a trust list; believed only as far as its roots carry it.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Issuing authorities.
    pub authorities: Vec<Certificate>,
    /// Revocation lists: a signer that they revoke for compromise does not count.
    pub crls: Vec<Crl>,
}

impl From<&[Certificate]> for Beside {
    fn from(authorities: &[Certificate]) -> Self {
        Self {
            authorities: authorities.to_vec(),
            crls: Vec::new(),
        }
    }
}

impl<const N: usize> From<&[Certificate; N]> for Beside {
    fn from(authorities: &[Certificate; N]) -> Self {
        Self::from(authorities.as_slice())
    }
}

impl From<&Vec<Certificate>> for Beside {
    fn from(authorities: &Vec<Certificate>) -> Self {
        Self::from(authorities.as_slice())
    }
}

impl From<&Self> for Beside {
    fn from(beside: &Self) -> Self {
        beside.clone()
    }
}

/// Verifies a trust list against the pin, when no root is trusted yet: as many different pinned
/// signers as are needed have signed exactly this list, each in role trust-list with a valid path
/// to a root of the list itself.
///
/// # Errors
/// [`RecordError`]; [`RecordError::TooFewSigners`] says why signatures do not count.
pub fn verify_trust_list(
    bytes: &[u8],
    pin: impl Into<TrustPin>,
    beside: impl Into<Beside>,
    at: Timestamp,
) -> Result<TrustList, RecordError> {
    let (pin, beside) = (pin.into(), beside.into());
    let opened = open(bytes)?;
    let Record::TrustList(list) = opened.record else {
        let role = role_of(&opened.record);
        return Err(refusal(&opened.signer, role, "not a trust list"));
    };
    let roots = list.roots.iter();
    let roots = roots.map(|root| Certificate::parse(root.as_bytes()));
    let validator = Validator::new(TrustStore {
        trust_domain: list.trust_domain.clone(),
        roots: roots.collect::<Result<_, _>>()?,
        intermediates: beside.authorities,
        crls: beside.crls,
        ocsp: Vec::new(),
    });
    let mut counted: Vec<Certificate> = Vec::new();
    let mut faults = Vec::new();
    for part in sign::split(bytes)? {
        match count(&part, &pin, &counted, &list, &validator, at) {
            Ok(signer) => counted.push(signer),
            Err(fault) => faults.push(fault),
        }
    }
    if counted.len() >= pin.needed {
        return Ok(list);
    }
    Err(RecordError::TooFewSigners {
        have: counted.len(),
        needed: pin.needed,
        faults: faults.join("; "),
    })
}

/// The signer of one signature, if it counts.
fn count(
    part: &[u8],
    pin: &TrustPin,
    counted: &[Certificate],
    list: &TrustList,
    validator: &Validator,
    at: Timestamp,
) -> Result<Certificate, String> {
    let opened = Parsed::parse(part)
        .map_err(RecordError::from)
        .and_then(|parsed| open_parsed(&parsed))
        .map_err(|error| error.to_string())?;
    let signer = opened.signer.clone();
    let who = signer.subject();
    if !pin.signers.contains(&signer) {
        return Err(format!("{who} is not a pinned signer"));
    }
    if counted.contains(&signer) {
        return Err(format!("{who} signed twice"));
    }
    let verified = verify_one(part, opened, validator, at);
    let said = verified.map_err(|error| error.to_string())?.into_record();
    // Every signature is over the one content; this compares what was verified with what is used.
    match said {
        Record::TrustList(said) if said == *list => Ok(signer),
        _ => Err(format!("{who} signed another list")),
    }
}

/// Adds a signature to a trust list: to its plain text, or to one that others signed already.
///
/// # Errors
/// [`RecordError`] for another record, another role, or a signer that has signed already.
pub fn add_signature(
    text_or_signed: &[u8],
    key: &SigningKey,
    cert: &Certificate,
    at: Timestamp,
) -> Result<Vec<u8>, RecordError> {
    let plain = Record::parse(text_or_signed).ok();
    let record = match &plain {
        Some(record) => record.clone(),
        None => open(text_or_signed)?.record,
    };
    if !matches!(record, Record::TrustList(_)) {
        return Err(refusal(
            cert,
            Role::TrustList,
            "only trust lists have several signers",
        ));
    }
    let own = super::sign(&record, key, cert, at)?;
    match plain {
        Some(_) => Ok(own),
        None => Ok(sign::join(text_or_signed, &own)?),
    }
}

const NEEDED: &str = "needed:";
