//! Whether to believe a foreign signer: anchors for documents, chain, revocation, time-stamps.
//!
//! Owns: [`Anchors`], and the judgement of a certificate at a time with what the document brings
//! along. The anchors are other ones than those of the network: being believed as the signer of an
//! attachment gives nobody a role here. Nothing is fetched. Fails with a [`Reason`]. Must not know
//! PDF.

use std::path::Path;

use aws_lc_rs::digest;
use der::asn1::ObjectIdentifier;

use formats::id::Digest;
use formats::limits as network;
use formats::oid;
use formats::time::Timestamp;

use super::cms::{Cms, DigestKind};
use super::limits;
use super::report::{Reason, Revocation, Stamp};
use super::tlv::{self, Tlv};
use crate::cert::{CertError, Certificate};
use crate::chain::path::{self, Question};
use crate::chain::store::Store;
use crate::chain::structure::Criticality;
use crate::chain::{ChainError, RevocationPolicy};
use crate::ocsp::Response;
use crate::revoke::Crl;

/// Authorities whose document signers and time-stamps are believed.
#[derive(Clone, Debug, Default)]
pub struct Anchors(Vec<Certificate>);

impl Anchors {
    /// These authorities.
    #[must_use]
    pub const fn new(certificates: Vec<Certificate>) -> Self {
        Self(certificates)
    }

    /// The same and these.
    #[must_use]
    pub fn with(mut self, certificates: Vec<Certificate>) -> Self {
        self.0.extend(certificates);
        self
    }

    /// Reads every file with the ending `.pem`, `.crt`, `.cer` or `.der` in a folder.
    ///
    /// # Errors
    /// [`CertError`] for a folder or file that cannot be read or is no certificate.
    pub fn load(folder: &Path) -> Result<Self, CertError> {
        let failed = |source| CertError::File {
            file: folder.display().to_string(),
            source,
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let ending = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
            if ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
                files.push(path);
            }
        }
        files.sort();
        let mut all = Vec::new();
        for file in files {
            match Certificate::load(&file) {
                Ok(one) => all.push(one),
                Err(CertError::Pem(_)) => all.extend(Certificate::load_all(&file)?),
                Err(other) => return Err(other),
            }
        }
        Ok(Self(all))
    }

    /// A name for exactly these authorities: what was checked with other ones is worth another look.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut names: Vec<[u8; 32]> = self.0.iter().map(|one| *one.sha256().as_bytes()).collect();
        names.sort_unstable();
        Digest::of(&names.concat())
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is believed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a document brings along to judge its signers; nothing of it is believed by itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    pub(super) certificates: Vec<Certificate>,
    pub(super) crls: Vec<Crl>,
    pub(super) answers: Vec<Response>,
}

impl Evidence {
    /// Takes what came inside a signature.
    pub(super) fn add(&mut self, cms: &Cms<'_>) {
        for certificate in &cms.certificates {
            self.add_certificate(certificate.clone());
        }
        for list in &cms.lists {
            self.add_crl(list);
        }
        for answer in &cms.answers {
            self.add_answer(answer);
        }
    }

    pub(super) fn add_certificate(&mut self, certificate: Certificate) {
        if self.certificates.len() < limits::CERTIFICATES_MAX
            && !self.certificates.contains(&certificate)
        {
            self.certificates.push(certificate);
        }
    }

    /// A list that does not parse is as good as absent.
    pub(super) fn add_crl(&mut self, der: &[u8]) {
        let held: usize = self.crls.iter().map(|crl| crl.der().len()).sum();
        if self.crls.len() < limits::REVOCATIONS_MAX
            && held.saturating_add(der.len()) <= limits::CRL_BYTES_MAX
            && let Ok(crl) = Crl::parse(der)
        {
            self.crls.push(crl);
        }
    }

    /// An answer that does not parse is as good as absent.
    pub(super) fn add_answer(&mut self, der: &[u8]) {
        if self.answers.len() < limits::REVOCATIONS_MAX
            && let Ok(answer) = Response::parse(der)
        {
            self.answers.push(answer);
        }
    }
}

/// For what a certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Document,
    TimeStamp,
}

/// Judges a signer's certificate at a time.
pub(super) fn judge(
    anchors: &Anchors,
    evidence: &Evidence,
    certificate: &Certificate,
    purpose: Purpose,
    at: Timestamp,
) -> (Result<(), Reason>, Revocation) {
    let store = Store::new(anchors.0.clone(), Vec::new(), evidence.crls.clone())
        .with_answers(evidence.answers.clone());
    let mut question = Question::strict(at, RevocationPolicy::NewestHeld);
    question.criticality = Criticality::Lenient;
    let path = match path::build(&store, &evidence.certificates, certificate, &question) {
        Ok(path) => path,
        Err(error) => {
            let trusted = is_anchored(&store, evidence, certificate, &question);
            let reason = if trusted {
                chain_reason(&error)
            } else {
                Reason::UntrustedIssuer
            };
            let revocation = if reason == Reason::CertificateRevoked {
                Revocation::Revoked
            } else {
                Revocation::NotChecked
            };
            return (Err(reason), revocation);
        }
    };
    if !may(certificate, purpose) {
        return (Err(Reason::CertificateRefused), Revocation::NotChecked);
    }
    let signer = path.get(path.len().saturating_sub(2)..).unwrap_or_default();
    let known = signer.len() == 2 && store.freshness_of(signer, at).is_fresh();
    let revocation = if known {
        Revocation::Good
    } else {
        Revocation::NotChecked
    };
    (Ok(()), revocation)
}

/// Whether the issuer is believed at all: only then its dates and revocations mean anything. Asked
/// at a time at which the certificate itself lived.
fn is_anchored(
    store: &Store,
    evidence: &Evidence,
    certificate: &Certificate,
    question: &Question,
) -> bool {
    [certificate.not_before(), certificate.not_after()]
        .into_iter()
        .any(|at| {
            let question = Question {
                at,
                ..question.clone()
            };
            let found = path::build(store, &evidence.certificates, certificate, &question);
            match found {
                Ok(_) => true,
                Err(error) => !certificate.is_self_issued() && past_issuer(&error),
            }
        })
}

/// Faults that are found only on a path that reaches an anchor.
const fn past_issuer(error: &ChainError) -> bool {
    matches!(
        error,
        ChainError::Name { .. } | ChainError::Policy { .. } | ChainError::Revoked { .. }
    )
}

fn chain_reason(error: &ChainError) -> Reason {
    match error {
        ChainError::Expired { .. } => Reason::CertificateExpired,
        ChainError::NotYetValid { .. } => Reason::CertificateNotYetValid,
        ChainError::Revoked { .. } => Reason::CertificateRevoked,
        ChainError::NoPath { .. }
        | ChainError::Signature { .. }
        | ChainError::Budget
        | ChainError::Depth { .. } => Reason::UntrustedIssuer,
        ChainError::Certificate { .. }
        | ChainError::Name { .. }
        | ChainError::NotDelegable { .. }
        | ChainError::Policy { .. }
        | ChainError::RevocationUnknown { .. }
        | ChainError::Role { .. }
        | ChainError::Structure { .. } => Reason::CertificateRefused,
    }
}

/// Key usage and extended key usage. A key for documents must be one for signatures; extended
/// usages, where they are given, must have one that people sign documents with.
fn may(certificate: &Certificate, purpose: Purpose) -> bool {
    let extensions = certificate.extensions();
    let signs = extensions
        .key_usage
        .as_ref()
        .is_none_or(|usage| usage.value.digital_signature() || usage.value.non_repudiation());
    let usages = extensions
        .extended_key_usage
        .as_ref()
        .map(|known| known.value.0.as_slice());
    let allowed = match (purpose, usages) {
        (Purpose::Document, None) => true,
        (Purpose::Document, Some(usages)) => usages.iter().any(|one| DOCUMENT_USAGES.contains(one)),
        (Purpose::TimeStamp, None) => false,
        (Purpose::TimeStamp, Some(usages)) => usages.contains(&oid::EKU_TIME_STAMPING),
    };
    signs && allowed
}

/// What a token proves.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) time: Option<Timestamp>,
    pub(super) stamp: Stamp,
    /// Why the authority is not believed.
    pub(super) reason: Option<Reason>,
    pub(super) revocation: Revocation,
}

impl Token {
    const fn broken(reason: Reason) -> Self {
        Self {
            time: None,
            stamp: Stamp::Broken,
            reason: Some(reason),
            revocation: Revocation::NotChecked,
        }
    }

    const fn untrusted(reason: Reason) -> Self {
        Self {
            time: None,
            stamp: Stamp::Untrusted,
            reason: Some(reason),
            revocation: Revocation::NotChecked,
        }
    }
}

/// `TSTInfo`: what was stamped, and when (RFC 3161 section 2.4.2).
pub(super) struct Stamped<'b> {
    pub(super) digest: DigestKind,
    pub(super) imprint: &'b [u8],
    pub(super) time: Timestamp,
}

/// Reads the content of a token.
pub(super) fn stamped<'b>(cms: &Cms<'b>) -> Option<Stamped<'b>> {
    if cms.content_type != oid::CT_TST_INFO {
        return None;
    }
    let (info, _) = Tlv::first(cms.content?)?;
    let mut parts = info.tagged(tlv::SEQUENCE)?.children(10)?.into_iter();
    let _version = parts.next()?.tagged(tlv::INTEGER)?;
    let _policy = parts.next()?.tagged(tlv::OID)?;
    let [algorithm, imprint] = parts.next()?.children(2)?.try_into().ok()?;
    let _serial = parts.next()?.tagged(tlv::INTEGER)?;
    Some(Stamped {
        digest: DigestKind::of(&tlv::identifier(algorithm)?),
        imprint: imprint.tagged(tlv::OCTET_STRING)?.content,
        time: tlv::time(parts.next()?)?,
    })
}

/// Verifies a token whose imprint must be `wanted`.
pub(super) fn verify_token(
    cms: &Cms<'_>,
    stamped: &Stamped<'_>,
    wanted: &digest::Digest,
    anchors: &Anchors,
    evidence: &Evidence,
    now: Timestamp,
) -> Token {
    if stamped.imprint != wanted.as_ref() {
        return Token::broken(Reason::Digest);
    }
    if stamped.time > now.plus_ms(network::CREATED_AHEAD_MS_MAX) {
        return Token::broken(Reason::Timestamp);
    }
    let certificate = match cms.signer_certificate() {
        Ok(certificate) => certificate,
        Err(Reason::CertificateMismatch) => return Token::broken(Reason::CertificateMismatch),
        Err(reason) => return Token::untrusted(reason),
    };
    if certificate.is_impersonated_in(&cms.certificates) {
        return Token::broken(Reason::CertificateMismatch);
    }
    let Some(algorithm) = cms.digest.implementation() else {
        return Token::untrusted(Reason::AlgorithmUnsupported);
    };
    let content = digest::digest(algorithm, cms.content.unwrap_or_default());
    // RFC 3161 section 2.4.2: a token always has signed attributes.
    if !cms.has_attributes() {
        return Token::broken(Reason::Attributes);
    }
    match cms.verify(&certificate, &content) {
        Ok(()) => {}
        Err(reason @ (Reason::AlgorithmWeak | Reason::AlgorithmUnsupported)) => {
            return Token::untrusted(reason);
        }
        Err(reason) => return Token::broken(reason),
    }
    if !matches!(stamped.digest, DigestKind::Good(_)) {
        return Token::untrusted(Reason::AlgorithmWeak);
    }
    let mut known = evidence.clone();
    known.add(cms);
    let purpose = Purpose::TimeStamp;
    let (outcome, revocation) = judge(anchors, &known, &certificate, purpose, stamped.time);
    match outcome {
        Ok(()) => Token {
            time: Some(stamped.time),
            stamp: Stamp::Verified,
            reason: None,
            revocation,
        },
        Err(reason) => Token {
            revocation,
            ..Token::untrusted(reason)
        },
    }
}

const ENDINGS: [&str; 4] = ["cer", "crt", "der", "pem"];
/// Any, e-mail, client, RFC 9336 documents, and what two vendors had before it.
const DOCUMENT_USAGES: [ObjectIdentifier; 6] = [
    ObjectIdentifier::new_unwrap("2.5.29.37.0"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.36"),
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.10.3.12"),
    ObjectIdentifier::new_unwrap("1.2.840.113583.1.1.5"),
];
