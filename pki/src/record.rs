//! Signed records: making, opening and verifying them, and the table of who may say what
//! (architecture, section 9).
//!
//! Owns: the signed form (CMS SignedData with the record inside, signer's certificate embedded) and
//! [`VerifiedRecord`], which only this module makes. Fails with [`RecordError`].
//! Must not know: files, which record supersedes which.

mod trust;

use formats::id::Party;
use formats::record::{Record, RecordError as FormatError};
use formats::time::Timestamp;
use thiserror::Error;

use crate::cert::{CertError, Certificate};
use crate::chain::{ChainError, Validator, VerifiedCert};
use crate::key::SigningKey;
use crate::permit::Object;
use crate::role::Role;
use crate::sign::{self, Embed, ParseError, Parsed, SignError, VerifyError};

pub use trust::{Beside, PinError, TrustPin, add_signature, verify_trust_list};

/// Why a record is not made or not believed.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The signer's certificate is not believed.
    #[error("signer of the record: {0}")]
    Chain(#[from] ChainError),
    /// A certificate inside the record does not parse.
    #[error("certificate in the record: {0}")]
    Certificate(#[from] CertError),
    /// The content is not a record.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Not a signed object.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The signer may not say this record.
    #[error("{signer} ({role}) may not say this record: {reason}")]
    NotEntitled {
        /// Who signed.
        signer: String,
        /// In which role.
        role: Role,
        /// What is wrong.
        reason: &'static str,
    },
    /// Only trust lists are signed by several.
    #[error("a record with {0} signatures that needs exactly one")]
    SeveralSigners(usize),
    /// The signature could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Not enough pinned signers signed the trust list.
    #[error("{have} of {needed} needed signatures on the trust list count; {faults}")]
    TooFewSigners {
        /// How many count.
        have: usize,
        /// How many are needed.
        needed: usize,
        /// Why the others do not count.
        faults: String,
    },
    /// The signature does not verify.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The signer's certificate or the content is not inside.
    #[error("signed record without {0}")]
    Without(&'static str),
}

/// A record that was taken apart and not yet believed.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What it says.
    pub record: Record,
    /// The certificate that came along.
    pub signer: Certificate,
    /// Those of the other signers of a trust list.
    pub co_signers: Vec<Certificate>,
}

/// A record whose signer may say it. Only this module makes one.
#[derive(Clone, Debug)]
pub struct VerifiedRecord {
    record: Record,
    signer: VerifiedCert,
}

impl VerifiedRecord {
    /// What it says.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Who says it.
    #[must_use]
    pub fn signer(&self) -> &VerifiedCert {
        &self.signer
    }

    /// Takes the record out.
    #[must_use]
    pub fn into_record(self) -> Record {
        self.record
    }
}

/// The role that says this kind of record.
#[must_use]
pub fn role_of(record: &Record) -> Role {
    Object::of_record(record).signer()
}

/// Signs a record. The signer's role and name are checked, so that nothing is written that every
/// reader refuses; whether its chain is valid is not looked at.
///
/// # Errors
/// [`RecordError`] for a record that breaks its own rules or another's record.
pub fn sign(
    record: &Record,
    key: &SigningKey,
    cert: &Certificate,
    at: Timestamp,
) -> Result<Vec<u8>, RecordError> {
    record.check()?;
    let role = cert.role()?;
    if role != role_of(record) {
        return Err(refusal(cert, role, "another role is needed"));
    }
    Ok(sign::sign_attached(
        key,
        cert,
        &record.to_json(),
        at,
        Embed::Signer,
    )?)
}

/// Takes a signed record apart without believing it.
///
/// # Errors
/// [`RecordError`] for what is not a signed record.
pub fn open(bytes: &[u8]) -> Result<Opened, RecordError> {
    match Parsed::parse(bytes) {
        Ok(parsed) => open_parsed(&parsed),
        Err(ParseError::SignerCount(count)) if count > 1 => open_several(bytes, count),
        Err(error) => Err(error.into()),
    }
}

fn open_parsed(parsed: &Parsed) -> Result<Opened, RecordError> {
    let content = parsed
        .content()
        .ok_or(RecordError::Without("its content"))?;
    let signer = parsed
        .embedded_signer()
        .ok_or(RecordError::Without("its signer's certificate"))?;
    Ok(Opened {
        record: Record::parse(&content)?,
        signer,
        co_signers: Vec::new(),
    })
}

fn open_several(bytes: &[u8], count: usize) -> Result<Opened, RecordError> {
    let mut signers = Vec::new();
    for part in sign::split(bytes)? {
        let opened = open_parsed(&Parsed::parse(&part)?)?;
        if !matches!(opened.record, Record::TrustList(_)) {
            return Err(RecordError::SeveralSigners(count));
        }
        signers.push(opened);
    }
    let mut signers = signers.into_iter();
    let first = signers.next().ok_or(RecordError::SeveralSigners(0))?;
    Ok(Opened {
        co_signers: signers.map(|other| other.signer).collect(),
        ..first
    })
}

/// Verifies a signed record: the signer is believed at `at` in the role that says this kind of
/// record, names the party that the record is about, and the signature covers exactly this
/// record. Of a trust list with several signatures each must hold; how many are needed is
/// [`verify_trust_list`]'s to judge.
///
/// # Errors
/// [`RecordError`].
pub fn verify(
    bytes: &[u8],
    validator: &Validator,
    at: Timestamp,
) -> Result<VerifiedRecord, RecordError> {
    let opened = open(bytes)?;
    if opened.co_signers.is_empty() {
        return verify_one(bytes, opened, validator, at);
    }
    let mut verified = Vec::new();
    for part in sign::split(bytes)? {
        verified.push(verify_one(&part, open(&part)?, validator, at)?);
    }
    let first = verified.into_iter().next();
    first.ok_or(RecordError::SeveralSigners(0))
}

fn verify_one(
    bytes: &[u8],
    opened: Opened,
    validator: &Validator,
    at: Timestamp,
) -> Result<VerifiedRecord, RecordError> {
    let role = role_of(&opened.record);
    let signer = validator.verify(&opened.signer, role, at)?;
    check_entitled(&opened.record, &signer, validator)?;
    let content = sign::verify_attached(bytes, &signer)?;
    // Parsed again from the bytes that the signature covers, so that nothing depends on `open`.
    let record = Record::parse(content.value())?;
    Ok(VerifiedRecord { record, signer })
}

/// Whose record it is (the role was checked by the path validation).
fn check_entitled(
    record: &Record,
    signer: &VerifiedCert,
    validator: &Validator,
) -> Result<(), RecordError> {
    let refuse = |reason| Err(refusal(signer.certificate(), signer.role(), reason));
    match record {
        Record::Agencies(_) => Ok(()),
        Record::Attachment(attachment) => match signer.party() {
            Some(Party::Agency(code)) if *code == attachment.agency => Ok(()),
            _ => refuse("an attachment is said by the agency itself"),
        },
        Record::Delegation(delegation) => match signer.party() {
            Some(Party::Agency(code)) if *code == delegation.parent => Ok(()),
            _ => refuse("a delegation is said by the parent"),
        },
        Record::Station(station) => match signer.party() {
            Some(Party::Station(name)) if *name == station.name => {
                if station
                    .evidence_sha256
                    .contains(&signer.certificate().sha256())
                {
                    Ok(())
                } else {
                    refuse("the record does not name the certificate that signed it")
                }
            }
            _ => refuse("a station record is said by the station itself"),
        },
        Record::TrustList(list) if list.trust_domain == *validator.trust_domain() => Ok(()),
        Record::TrustList(_) => refuse("the trust list is of another trust domain"),
    }
}

fn refusal(cert: &Certificate, role: Role, reason: &'static str) -> RecordError {
    RecordError::NotEntitled {
        signer: cert.subject(),
        role,
        reason,
    }
}

#[cfg(test)]
pub(crate) mod tests;
