//! A time-stamp token of any authority, read on its own: what it is over, when, and whether its signer is
//! believed at a time that the caller names.
//!
//! Owns: the order of the checks. For evidence records, which ask about one token at several times. Fails with a
//! [`Reason`]. Must not know what was stamped.

use der::asn1::ObjectIdentifier;

use formats::time::Timestamp;

use super::cms::{Cms, DigestKind};
use super::report::Reason;
use super::trust::{self, Anchors, Evidence, Purpose, Stamped};
use crate::cert::Certificate;
use crate::sign::HashAlgorithm;

/// A token whose signature holds; whether its signer is believed is asked separately.
pub(crate) struct Token<'b> {
    cms: Cms<'b>,
    stamped: Stamped<'b>,
    signer: Certificate,
}

/// What several tokens bring along to judge their signers: certificates, lists and answers.
#[derive(Debug, Default)]
pub(crate) struct Known(Evidence);

impl Known {
    /// Takes what came inside a token.
    pub(crate) fn add(&mut self, token: &Token<'_>) {
        self.0.add(&token.cms);
    }

    /// Takes a certificate that came another way.
    pub(crate) fn add_certificate(&mut self, certificate: Certificate) {
        self.0.add_certificate(certificate);
    }

    /// When a certificate or one of the authorities above it that are known here ends: the earliest.
    pub(crate) fn end_of(&self, certificate: &Certificate) -> Timestamp {
        let mut end = certificate.not_after();
        let mut below = certificate;
        for _ in 0..DEPTH_MAX {
            let above = self.0.certificates.iter().find(|one| {
                one.subject_der() == issuer_of(below) && one.extensions().is_authority()
            });
            match above {
                Some(above) if !below.is_self_issued() => {
                    end = end.min(above.not_after());
                    below = above;
                }
                _ => break,
            }
        }
        end
    }
}

fn issuer_of(certificate: &Certificate) -> Vec<u8> {
    der::Encode::to_der(certificate.issuer_name()).unwrap_or_default()
}

impl<'b> Token<'b> {
    /// Reads a token and checks its signature by the certificate inside.
    pub(crate) fn open(bytes: &'b [u8]) -> Result<Self, Reason> {
        let cms = Cms::parse(bytes)?;
        let stamped = trust::stamped(&cms).ok_or(Reason::Timestamp)?;
        let signer = cms.signer_certificate()?;
        if signer.is_impersonated_in(&cms.certificates) {
            return Err(Reason::CertificateMismatch);
        }
        // RFC 3161 section 2.4.2: a token always has signed attributes.
        if !cms.has_attributes() {
            return Err(Reason::Attributes);
        }
        let algorithm = cms.digest.implementation();
        let algorithm = algorithm.ok_or_else(|| cms.algorithm_reason())?;
        let content = aws_lc_rs::digest::digest(algorithm, cms.content.unwrap_or_default());
        cms.verify(&signer, &content)?;
        Ok(Self {
            cms,
            stamped,
            signer,
        })
    }

    /// The digest algorithm of the imprint.
    pub(crate) const fn algorithm(&self) -> ObjectIdentifier {
        match self.stamped.digest {
            DigestKind::Good(hash) => hash.oid(),
            DigestKind::Sha1 => SHA_1,
            DigestKind::Other(oid) => oid,
        }
    }

    /// The digest that the signature itself rests on, if it is one of today.
    pub(crate) const fn signed_with(&self) -> Option<HashAlgorithm> {
        match self.cms.digest {
            DigestKind::Good(hash) => Some(hash),
            DigestKind::Sha1 | DigestKind::Other(_) => None,
        }
    }

    /// What was stamped.
    pub(crate) const fn imprint(&self) -> &'b [u8] {
        self.stamped.imprint
    }

    /// The token's time, in whole seconds.
    pub(crate) const fn time(&self) -> Timestamp {
        self.stamped.time
    }

    /// Who signed it.
    pub(crate) const fn signer(&self) -> &Certificate {
        &self.signer
    }

    /// All certificates inside.
    #[cfg(test)]
    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.cms.certificates
    }

    /// Whether its signer is a time-stamp authority to be believed at this time, by what is known.
    pub(crate) fn believed(
        &self,
        anchors: &Anchors,
        known: &Known,
        at: Timestamp,
    ) -> Result<(), Reason> {
        let purpose = Purpose::TimeStamp;
        trust::judge(anchors, &known.0, &self.signer, purpose, at).0
    }
}

impl std::fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("time", &self.stamped.time)
            .finish_non_exhaustive()
    }
}

const SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// Authorities above a signer; paths longer than this are not believed anyway.
const DEPTH_MAX: usize = 10;
