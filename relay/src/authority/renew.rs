//! Renew: one certificate's way to its successor, step by step; each step is durable before the next.
//!
//! ```text
//!  rests ─(2/3 of life)─► wants ─(authority answers)─► ready ─(others know it)─► switched
//! ```
//!
//! A slot is a pair of files with a role and a party; who owns it drives it: the station its own
//! two, the desk those of its agencies. Certificates that another authority issued are left alone.
//! Fails with [`RenewError`]; asking again goes on where it stopped. Must not know: what the keys
//! are used for.

use formats::id::Party;
use formats::time::Timestamp;
use pki::cert::{CertError, Certificate};
use pki::chain::{ChainError, Validator};
use pki::enrol::{Issued, IssuedCertificate, Request, renewal_at};
use pki::pair::{Pair, PairError};
use pki::role::Role;

use super::standing::{Renewal, spread};

/// Why a certificate has no successor yet.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// What came is no certificate.
    #[error("the authority's answer: {0}")]
    Certificate(#[from] CertError),
    /// What came is not believed.
    #[error("the authority's answer: {0}")]
    Chain(#[from] ChainError),
    /// What came is not what was asked for (the authority's fault).
    #[error("the authority's answer does not fit the question: {0}")]
    Other(&'static str),
    /// Files of the pair.
    #[error(transparent)]
    Pair(#[from] PairError),
}

/// One certificate that is renewed here.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its role.
    pub role: Role,
    /// Whom it names.
    pub party: Party,
    /// Its files.
    pub pair: Pair,
    /// Opens its keys, and will open those that come.
    pub passphrase: Option<String>,
}

/// Where a slot stands.
#[derive(Debug)]
pub enum Stage {
    /// Not due.
    Rests,
    /// A person renews it: another authority issued it, or its key lies in a token.
    ByHand,
    /// To be asked for; a proof is the agency's to add.
    Wants(Box<Request>),
    /// Its successor is here and waits until others know it.
    Ready(Certificate),
}

impl Slot {
    /// Where the slot stands at `now`; `forced` as if its day had come.
    ///
    /// # Errors
    /// [`RenewError::Pair`].
    pub fn stage(
        &self,
        renewal: Renewal,
        now: Timestamp,
        forced: bool,
    ) -> Result<Stage, RenewError> {
        self.pair.recover()?;
        let passphrase = self.passphrase.as_deref();
        if let Some(next) = self.pair.next()? {
            if now < next.not_after() {
                return Ok(Stage::Ready(next));
            }
            // Asked for, and then off for longer than it lived.
            self.pair.forget_next()?;
        }
        if let Some(current) = self.pair.current()? {
            if self.renewal(renewal) != Renewal::Automatic {
                return Ok(Stage::ByHand);
            }
            let spread = spread(&current.sha256());
            let due = renewal_at(current.not_before(), current.not_after(), spread);
            if now < due && !forced && !self.pair.waits() {
                return Ok(Stage::Rests);
            }
        }
        let wanted = self.pair.prepare(&self.party.to_string(), passphrase)?;
        Ok(Stage::Wants(Box::new(Request {
            role: self.role,
            party: self.party.clone(),
            csr: wanted.csr,
            proof: None,
        })))
    }

    /// Who renews it, when the certificate alone says `judged`.
    #[must_use]
    pub fn renewal(&self, judged: Renewal) -> Renewal {
        match judged {
            // The token's successor is made where the token is.
            Renewal::Automatic if self.pair.is_in_token() => Renewal::ByHand,
            other => other,
        }
    }

    /// Keeps what the authority issued for this slot, if it is what was asked for.
    ///
    /// # Errors
    /// [`RenewError`]; nothing is kept then.
    pub fn take(
        &self,
        issued: &IssuedCertificate,
        validator: &Validator,
        now: Timestamp,
    ) -> Result<Certificate, RenewError> {
        if issued.role != self.role || issued.party != self.party {
            return Err(RenewError::Other("another role or name"));
        }
        let certificate = Certificate::from_pem(issued.certificate.as_bytes())?;
        let verified = validator.verify(&certificate, self.role, now)?;
        if verified.party() != Some(&self.party) {
            return Err(RenewError::Other("it names another party"));
        }
        self.pair
            .arrived(&certificate, self.passphrase.as_deref())?;
        Ok(certificate)
    }
}

/// The answer's certificates in the order of the requests.
///
/// # Errors
/// [`RenewError::Other`] for another number.
pub fn fitting(issued: &Issued, asked: usize) -> Result<&[IssuedCertificate], RenewError> {
    if issued.certificates.len() == asked {
        Ok(&issued.certificates)
    } else {
        Err(RenewError::Other("another number of certificates"))
    }
}

/// Who renews a certificate: foreign is whatever does not end in a root that issued for the station
/// itself.
#[must_use]
pub fn renewal_of(
    certificate: &Certificate,
    role: Role,
    validator: &Validator,
    ours: &[formats::id::Digest],
) -> Renewal {
    // Judged at its first moment: whether it holds now is another question.
    let at = certificate.not_before();
    match validator.verify(certificate, role, at) {
        Ok(verified) => match verified.path().first() {
            Some(root) if !ours.contains(&root.sha256()) => Renewal::Foreign,
            _ => Renewal::Automatic,
        },
        Err(_) => Renewal::Automatic,
    }
}
