//! Issuing certificates and revocation lists.
//!
//! Owns: the order *prepare → plan in the ledger → sign*. A [`Prepared`] is linted; only the ledger
//! turns it into a [`Planned`], and only a [`Planned`] can be signed, once: each step consumes its
//! input. So there is no certificate that the ledger does not know.
//! Fails with [`IssueError`]. Must not know: where keys and certificates lie.

use aws_lc_rs::rand;
use der::asn1::{BitString, OctetString};
use der::{Any, Decode, Encode};
use formats::id::{Digest, TrustDomain};
use formats::time::Timestamp;
use spki::AlgorithmIdentifierOwned;
use thiserror::Error;
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber, CrlReason};
use x509_cert::serial_number::SerialNumber;

use crate::cert::{CertError, Certificate, hex};
use crate::key::{KeyError, SigningKey};
use crate::profile::{self, ProfileError, Signed, Template};
use crate::revoke::{Crl, CrlError};

/// Why nothing was issued.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The finished certificate does not parse.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// The finished list does not parse.
    #[error(transparent)]
    Crl(#[from] CrlError),
    /// A value cannot be encoded.
    #[error("value cannot be encoded: {0}")]
    Der(#[from] der::Error),
    /// The key does not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is not the certificate's.
    #[error("the key does not belong to the authority's certificate")]
    KeyMismatch,
    /// The template was refused.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The system has no randomness.
    #[error("no randomness")]
    Random,
}

/// An authority: certificate and key.
#[derive(Clone, Debug)]
pub struct Issuer {
    cert: Certificate,
    key: SigningKey,
    domain: TrustDomain,
}

/// A linted certificate without a signature, not yet in the ledger.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) tbs: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: Option<Digest>,
    template: Template,
}

impl Prepared {
    /// Serial number in lower-case hexadecimal.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        hex(&self.serial)
    }

    /// What it will say.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }
}

/// A certificate whose plan is durable in the ledger. Signed once.
#[derive(Debug)]
pub struct Planned(pub(crate) Prepared);

impl Issuer {
    /// Joins an authority's certificate and key.
    ///
    /// # Errors
    /// [`IssueError::KeyMismatch`] when they do not belong together.
    pub fn new(
        cert: Certificate,
        key: SigningKey,
        domain: TrustDomain,
    ) -> Result<Self, IssueError> {
        if cert.spki_der() == key.spki_der() {
            Ok(Self { cert, key, domain })
        } else {
            Err(IssueError::KeyMismatch)
        }
    }

    /// The authority's certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.cert
    }

    /// Builds and lints a certificate.
    ///
    /// # Errors
    /// [`IssueError::Profile`] when our own verifiers would refuse it.
    pub fn prepare(&self, template: Template) -> Result<Prepared, IssueError> {
        prepare(template, Some(&self.cert), &self.key, &self.domain)
    }

    /// Signs a planned certificate.
    ///
    /// # Errors
    /// [`IssueError::Key`]; the plan is then in the ledger without a certificate, which is
    /// harmless.
    pub fn sign(&self, planned: Planned) -> Result<Certificate, IssueError> {
        if planned.0.issuer != Some(self.cert.sha256()) {
            return Err(IssueError::KeyMismatch);
        }
        sign(planned, &self.key)
    }

    /// Issues a full revocation list.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn sign_crl(&self, list: &CrlTemplate) -> Result<Crl, IssueError> {
        let algorithm = self.key.signature_algorithm().identifier()?;
        let mut revoked = Vec::with_capacity(list.entries.len());
        for entry in &list.entries {
            revoked.push(revoked_cert(entry)?);
        }
        let id = self.cert.extensions().subject_key().unwrap_or_default();
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(OctetString::new(id)?),
            ..AuthorityKeyIdentifier::default()
        };
        let number = CrlNumber::try_from(list.number)?;
        let extensions = vec![plain_extension(&authority)?, plain_extension(&number)?];
        let tbs = TbsCertList {
            version: Version::V2,
            signature: algorithm.clone(),
            issuer: self.cert.subject_name().clone(),
            this_update: profile::time(list.this_update)?,
            next_update: Some(profile::time(list.next_update)?),
            // RFC 5280 section 5.1.2.6: absent when nothing is revoked.
            revoked_certificates: (!revoked.is_empty()).then_some(revoked),
            crl_extensions: Some(extensions),
        };
        let signature = BitString::from_bytes(&self.key.sign(&tbs.to_der()?)?)?;
        let list: CertificateList = CertificateList {
            tbs_cert_list: tbs,
            signature_algorithm: algorithm,
            signature,
        };
        let crl = Crl::parse(&list.to_der()?)?;
        crl.verify(&self.cert)?;
        Ok(crl)
    }
}

/// Builds and lints a self-signed root.
///
/// # Errors
/// [`IssueError::Profile`] when our own verifiers would refuse it.
pub fn prepare_root(
    template: Template,
    key: &SigningKey,
    domain: &TrustDomain,
) -> Result<Prepared, IssueError> {
    prepare(template, None, key, domain)
}

/// Signs a planned root with its own key.
///
/// # Errors
/// [`IssueError::KeyMismatch`] when the plan is about another key.
pub fn sign_root(planned: Planned, key: &SigningKey) -> Result<Certificate, IssueError> {
    if planned.0.issuer.is_some() || planned.0.template.spki_der != key.spki_der() {
        return Err(IssueError::KeyMismatch);
    }
    sign(planned, key)
}

fn prepare(
    template: Template,
    issuer: Option<&Certificate>,
    key: &SigningKey,
    domain: &TrustDomain,
) -> Result<Prepared, IssueError> {
    let serial = new_serial()?;
    let algorithm = key.signature_algorithm().identifier()?;
    let tbs = profile::to_be_signed(&template, issuer, &serial, algorithm.clone(), domain)?;
    // The lint sees the certificate as it will be, with an empty value where the signature goes.
    let candidate = assemble(&tbs, algorithm, &[0])?;
    profile::lint(&candidate, &template, issuer, domain)?;
    let issuer = issuer.map(Certificate::sha256);
    Ok(Prepared {
        tbs,
        serial,
        issuer,
        template,
    })
}

fn sign(planned: Planned, key: &SigningKey) -> Result<Certificate, IssueError> {
    let signature = key.sign(&planned.0.tbs)?;
    assemble(
        &planned.0.tbs,
        key.signature_algorithm().identifier()?,
        &signature,
    )
}

fn assemble(
    tbs: &[u8],
    algorithm: AlgorithmIdentifierOwned,
    signature: &[u8],
) -> Result<Certificate, IssueError> {
    let signed = Signed {
        tbs: Any::from_der(tbs)?,
        algorithm,
        signature: BitString::from_bytes(signature)?,
    };
    Ok(Certificate::parse(&signed.to_der()?)?)
}

/// 127 random bits and never zero: positive in DER without a padding byte, impossible to guess.
fn new_serial() -> Result<Vec<u8>, IssueError> {
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| IssueError::Random)?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(serial.to_vec())
}

/// What a revocation list is to say.
#[derive(Clone, Debug)]
pub struct CrlTemplate {
    /// Strictly increasing per authority.
    pub number: u64,
    /// When it is made.
    pub this_update: Timestamp,
    /// When the next one is due at the latest.
    pub next_update: Timestamp,
    /// The revoked certificates of this authority.
    pub entries: Vec<CrlEntry>,
}

/// One revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlEntry {
    /// Serial number, big-endian.
    pub serial: Vec<u8>,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: CrlReason,
}

fn revoked_cert(entry: &CrlEntry) -> Result<RevokedCert, IssueError> {
    // RFC 5280 section 5.3.1: unspecified is said by leaving the extension out.
    let extensions = match entry.reason {
        CrlReason::Unspecified => None,
        reason => Some(vec![plain_extension(&reason)?]),
    };
    Ok(RevokedCert {
        serial_number: SerialNumber::new(&entry.serial)?,
        revocation_date: profile::time(entry.at)?,
        crl_entry_extensions: extensions,
    })
}

fn plain_extension<T: const_oid::AssociatedOid + Encode>(value: &T) -> der::Result<Extension> {
    let extn_value = OctetString::new(value.to_der()?)?;
    Ok(Extension {
        extn_id: T::OID,
        critical: false,
        extn_value,
    })
}

/// How long a revocation list is valid (architecture, section 7): 48 h, re-issued hourly.
pub const CRL_VALID_MS: i64 = 48 * 60 * 60 * 1000;
