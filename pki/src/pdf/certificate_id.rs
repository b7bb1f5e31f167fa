//! Which certificate a signer says it used (RFC 5035 and its predecessor).
//!
//! Owns: reading the attribute, and whether a certificate is the one. Fails with `None`. SHA-1 only
//! names a certificate here; the signature over the attribute is what binds it.

use aws_lc_rs::digest;
use der::Encode;

use super::cms::DigestKind;
use super::tlv::{self, Tlv, identifier};
use crate::cert::Certificate;
use crate::sign::{CertificateNames, HashAlgorithm};

/// The first `ESSCertID` or `ESSCertIDv2`.
#[derive(Debug)]
pub(super) struct CertificateId<'b> {
    kind: DigestKind,
    digest: &'b [u8],
    issuer_serial: Option<&'b [u8]>,
}

impl<'b> CertificateId<'b> {
    /// Reads signing-certificate, or its second version.
    pub(super) fn read(list: Tlv<'b>, second: bool) -> Option<Self> {
        let certs = list.tagged(tlv::SEQUENCE)?.children(2)?;
        let first = *certs.first()?.children(IDS_MAX)?.first()?;
        let mut parts = first.children(3)?.into_iter();
        let mut next = parts.next()?;
        let kind = if !second {
            DigestKind::Sha1
        } else if next.tag == tlv::SEQUENCE {
            let kind = DigestKind::of(&identifier(next)?);
            next = parts.next()?;
            kind
        } else {
            DigestKind::Good(HashAlgorithm::Sha256)
        };
        Some(Self {
            kind,
            digest: next.tagged(tlv::OCTET_STRING)?.content,
            issuer_serial: parts.next().map(|pair| pair.whole),
        })
    }

    /// Whether it names this certificate.
    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        let Some(algorithm) = self.kind.implementation() else {
            return false;
        };
        digest::digest(algorithm, certificate.der()).as_ref() == self.digest
            && self
                .issuer_serial
                .is_none_or(|pair| issuer_serial_fits(pair, certificate).unwrap_or(false))
    }
}

/// `IssuerSerial`: GeneralNames with one directory name, and the serial number.
fn issuer_serial_fits(pair: &[u8], certificate: &Certificate) -> Option<bool> {
    let [issuer, serial] = Tlv::first(pair)?.0.children(2)?.try_into().ok()?;
    let [name] = issuer.children(1)?.try_into().ok()?;
    let names = CertificateNames::of(certificate).issuer_and_serial;
    Some(
        name.tag == DIRECTORY_NAME
            && names.issuer.to_der().as_deref() == Ok(name.content)
            && names.serial_number.to_der().as_deref() == Ok(serial.whole),
    )
}

const DIRECTORY_NAME: u8 = 0xa4;
const IDS_MAX: usize = 16;
