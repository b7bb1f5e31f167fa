//! Issuing certificates and revocation lists.
//!
//! Owns: the one order in which a certificate comes to be, each step consuming what the step before
//! made:
//!
//! ```text
//! Template ─lint─► Prepared ─recorded─► Planned ─signed─► Certificate
//! ```
//!
//! Only [`crate::lint`] makes what a [`Prepared`] holds; only [`Prepared::recorded`], which the
//! ledger calls after its commit, makes a [`Planned`]; only a [`Planned`] is signed, once. So no
//! certificate exists that was not linted and that the ledger does not know.
//! Fails with [`IssueError`]. Must not know: where keys and certificates lie.

use aws_lc_rs::rand;
use der::Encode;
use der::asn1::OctetString;
use formats::id::{Digest, TrustDomain};
use formats::time::Timestamp;
use thiserror::Error;
use x509_cert::Version;
use x509_cert::crl::{RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber, CrlReason};
use x509_cert::serial_number::SerialNumber;

use crate::algorithm::{AlgorithmError, PublicKey};
use crate::cert::{CertError, Certificate, hex};
use crate::key::{KeyError, SigningKey};
use crate::lint::{self, Beside, Finding, LintError, Linted};
use crate::profile::{self, ProfileError, Profiles, Template};
use crate::revoke::{Crl, CrlError};
use crate::role::Role;

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
    /// The linter found errors in the revocation list.
    #[error(transparent)]
    Lint(#[from] LintError),
    /// The system has no randomness.
    #[error("no randomness")]
    Random,
    /// The key made a signature that does not verify: a broken device or library.
    #[error("the key made a signature that does not verify: {0}")]
    Signature(#[from] AlgorithmError),
}

/// An authority: certificate and key.
#[derive(Clone, Debug)]
pub struct Issuer {
    cert: Certificate,
    key: SigningKey,
    domain: TrustDomain,
    profiles: Profiles,
}

/// A linted certificate without a signature, not yet in the ledger.
#[derive(Debug)]
pub struct Prepared {
    linted: Linted,
    serial: Vec<u8>,
    issuer: Option<Digest>,
    template: Template,
    profiles: Digest,
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

    /// SHA-256 of the issuer's certificate; none for a root.
    #[must_use]
    pub fn issuer_sha256(&self) -> Option<Digest> {
        self.issuer
    }

    /// SHA-256 of the profiles that it was linted against ([`Profiles::sha256`]): to be recorded.
    #[must_use]
    pub fn profiles_sha256(&self) -> Digest {
        self.profiles
    }

    /// SHA-256 of the bytes that will be signed: to be recorded.
    #[must_use]
    pub fn tbs_sha256(&self) -> Digest {
        Digest::of(self.linted.tbs())
    }

    /// What the linter said that is no error.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        self.linted.warnings()
    }

    /// The plan is durable. For the ledger alone, after its commit: whoever calls this says that
    /// the serial number is known for ever, whatever happens to the signature.
    pub(crate) fn recorded(self) -> Planned {
        Planned(self)
    }
}

/// A certificate whose plan is durable in the ledger. Signed once.
#[derive(Debug)]
pub struct Planned(Prepared);

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
            Ok(Self {
                cert,
                key,
                domain,
                profiles: Profiles::built_in().clone(),
            })
        } else {
            Err(IssueError::KeyMismatch)
        }
    }

    /// Issues under profiles that an operator has narrowed.
    #[must_use]
    pub fn with_profiles(self, profiles: Profiles) -> Self {
        Self { profiles, ..self }
    }

    /// The profiles that it issues under.
    #[must_use]
    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The authority's key, for answers that it signs itself.
    #[cfg(feature = "authority")]
    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The authority's certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.cert
    }

    /// A template with the validity that the role has under this authority.
    #[must_use]
    pub fn template(
        &self,
        role: Role,
        common_name: &str,
        spki_der: &[u8],
        now: Timestamp,
    ) -> Template {
        self.limited(Template::new(role, common_name, spki_der, now))
    }

    /// Brings the end of a template forward to what this authority's profiles and its own validity
    /// allow; the linter would refuse a later one.
    #[must_use]
    pub fn limited(&self, template: Template) -> Template {
        let profile = self.profiles.of(template.role);
        let longest = profile.last_moment(template.not_before);
        let not_after = template.not_after.min(longest).min(self.cert.not_after());
        Template {
            not_after,
            ..template
        }
    }

    /// Builds and lints a certificate.
    ///
    /// # Errors
    /// [`IssueError::Profile`] when our own verifiers would refuse it.
    pub fn prepare(&self, template: Template) -> Result<Prepared, IssueError> {
        let (key, domain) = (&self.key, &self.domain);
        prepare(template, Some(&self.cert), key, domain, &self.profiles)
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
        let beside = Beside {
            issuer: Some(&self.cert),
            domain: Some(&self.domain),
            profiles: Some(&self.profiles),
        };
        let linted = lint::pass_crl(tbs.to_der()?, algorithm, &beside)?;
        let signature = self.key.sign(linted.tbs())?;
        let crl = Crl::parse(&linted.with_signature(&signature)?)?;
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
    prepare(template, None, key, domain, Profiles::built_in())
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
    profiles: &Profiles,
) -> Result<Prepared, IssueError> {
    let serial = new_serial()?;
    let algorithm = key.signature_algorithm().identifier()?;
    let tbs = profile::to_be_signed(&template, issuer, &serial, algorithm.clone(), domain)?;
    let beside = Beside {
        issuer,
        domain: Some(domain),
        profiles: Some(profiles),
    };
    let linted =
        lint::pass_certificate(tbs, algorithm, &template, &beside).map_err(ProfileError::Lint)?;
    Ok(Prepared {
        linted,
        serial,
        issuer: issuer.map(Certificate::sha256),
        template,
        profiles: profiles.sha256(),
    })
}

fn sign(planned: Planned, key: &SigningKey) -> Result<Certificate, IssueError> {
    let linted = &planned.0.linted;
    let signature = key.sign(linted.tbs())?;
    // A key in a device may fail silently; what does not verify never leaves this function.
    PublicKey::from_spki(key.spki_der())?.verify(
        key.signature_algorithm(),
        linted.tbs(),
        &signature,
    )?;
    Ok(Certificate::parse(&linted.with_signature(&signature)?)?)
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
