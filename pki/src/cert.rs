//! Certificates as bytes that were parsed once and kept verbatim.
//!
//! Owns: reading X.509 v3 DER and PEM, the accessors that the rest of the product uses, and the
//! role and the party that a certificate *claims*. Claims are not believed before
//! [`crate::chain`] has verified the path. Fails with [`CertError`] on anything that is not
//! strict DER or that carries an extension twice or malformed. Must not know: trust, time,
//! revocation.

mod armour;
mod dates;
mod extensions;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use der::pem::{self, LineEnding};
use der::{Decode, Encode, Reader, SliceReader};
use formats::id::{AgencyCode, Digest, Party, StationName, TrustDomain};
use formats::time::Timestamp;
use thiserror::Error;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use crate::algorithm::{AlgorithmError, PublicKey};
use crate::role::{NameKind, Role};

pub use extensions::{Extensions, KnownExtension};

/// Why bytes are not a certificate of ours, or a certificate does not say what is asked.
#[derive(Debug, Error)]
pub enum CertError {
    /// The bytes are not a strict DER certificate.
    #[error("not a DER certificate: {0}")]
    Der(#[from] der::Error),
    /// The same extension stands twice.
    #[error("extension {0} stands twice")]
    DuplicateExtension(der::asn1::ObjectIdentifier),
    /// A known extension does not decode.
    #[error("extension {0} is malformed")]
    Extension(der::asn1::ObjectIdentifier),
    /// The file cannot be read.
    #[error("certificate file {file}")]
    File {
        /// Path of the file.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The public key is not usable.
    #[error(transparent)]
    Key(#[from] AlgorithmError),
    /// The names do not fit the role.
    #[error("name of the certificate: {0}")]
    Name(String),
    /// The text is not one PEM certificate.
    #[error("not a PEM certificate: {0}")]
    Pem(&'static str),
    /// The certificate has no role of ours.
    #[error("certificate has no single role: {0}")]
    Role(&'static str),
    /// The certificate is larger than any real one.
    #[error("certificate of {0} bytes is larger than {CERTIFICATE_BYTES_MAX}")]
    TooLarge(usize),
}

/// One certificate; cheap to clone, compared by its bytes.
#[derive(Clone)]
pub struct Certificate(Arc<Parts>);

struct Parts {
    der: Vec<u8>,
    tbs: Range<usize>,
    subject_der: Range<usize>,
    x509: x509_cert::Certificate,
    extensions: Extensions,
    sha256: Digest,
    spki: Vec<u8>,
    key: Result<PublicKey, AlgorithmError>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {})", self.subject(), self.0.sha256)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl Certificate {
    /// Parses strict DER; nothing may follow.
    ///
    /// # Errors
    /// [`CertError`] for malformed, oversized or duplicate content.
    pub fn parse(der: &[u8]) -> Result<Self, CertError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertError::TooLarge(der.len()));
        }
        let x509 = match x509_cert::Certificate::from_der(der) {
            Ok(x509) => x509,
            Err(error) => match dates::clamped(der) {
                Some(copy) => x509_cert::Certificate::from_der(&copy)?,
                None => return Err(error.into()),
            },
        };
        let tbs = signed_part(der)?;
        let extensions = Extensions::read(x509.tbs_certificate().extensions())?;
        let spki = x509.tbs_certificate().subject_public_key_info().to_der()?;
        let subject = x509.tbs_certificate().subject().to_der()?;
        let key = PublicKey::from_spki(&spki);
        let subject_der = find(der, &subject, &tbs).unwrap_or(0..0);
        Ok(Self(Arc::new(Parts {
            tbs,
            subject_der,
            extensions,
            sha256: Digest::of(der),
            spki,
            key,
            der: der.to_vec(),
            x509,
        })))
    }

    /// Parses exactly one PEM certificate; text around it is refused.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CertError> {
        let mut all = Self::all_from_pem(text)?;
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(_), false) => Err(CertError::Pem("more than one certificate")),
            (None, _) => Err(CertError::Pem("no certificate")),
        }
    }

    /// Parses every `CERTIFICATE` block of a PEM text, in order; other text is skipped.
    ///
    /// # Errors
    /// [`CertError`] for a block that does not parse.
    pub fn all_from_pem(text: &[u8]) -> Result<Vec<Self>, CertError> {
        armour::blocks(text)?
            .iter()
            .map(|der| Self::parse(der))
            .collect()
    }

    /// Reads a file that holds one certificate as PEM or DER.
    ///
    /// # Errors
    /// [`CertError`]; the file is named.
    pub fn load(path: &Path) -> Result<Self, CertError> {
        let bytes = read_bounded(path)?;
        if bytes.starts_with(&[0x30]) {
            Self::parse(&bytes)
        } else {
            Self::from_pem(&bytes)
        }
    }

    /// Reads a PEM file with one or more certificates (a chain).
    ///
    /// # Errors
    /// [`CertError`]; an empty file is an error.
    pub fn load_all(path: &Path) -> Result<Vec<Self>, CertError> {
        let all = Self::all_from_pem(&read_bounded(path)?)?;
        if all.is_empty() {
            Err(CertError::Pem("no certificate"))
        } else {
            Ok(all)
        }
    }

    /// The exact bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate as PEM text with LF line ends.
    #[must_use]
    pub fn pem(&self) -> String {
        pem::encode_string("CERTIFICATE", LineEnding::LF, &self.0.der).unwrap_or_default()
    }

    /// SHA-256 of the DER bytes: the certificate's name in headers and records.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        self.0.sha256
    }

    /// The bytes that the issuer signed.
    #[must_use]
    pub fn tbs_der(&self) -> &[u8] {
        self.0.der.get(self.0.tbs.clone()).unwrap_or_default()
    }

    /// SubjectPublicKeyInfo as DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// The parsed public key.
    ///
    /// # Errors
    /// [`CertError::Key`] when the key is of a kind that is not accepted.
    pub fn public_key(&self) -> Result<PublicKey, CertError> {
        self.0.key.clone().map_err(CertError::Key)
    }

    /// The decoded structure, for issuer, serial number and the like in CMS.
    #[must_use]
    pub fn x509(&self) -> &x509_cert::Certificate {
        &self.0.x509
    }

    /// The decoded extensions.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// Start of validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        timestamp(self.0.x509.tbs_certificate().validity().not_before)
    }

    /// End of validity; the second itself still belongs to it.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        timestamp(self.0.x509.tbs_certificate().validity().not_after)
    }

    /// Subject in RFC 4514 text.
    #[must_use]
    pub fn subject(&self) -> String {
        self.0.x509.tbs_certificate().subject().to_string()
    }

    /// Issuer in RFC 4514 text.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.0.x509.tbs_certificate().issuer().to_string()
    }

    pub(crate) fn subject_name(&self) -> &Name {
        self.0.x509.tbs_certificate().subject()
    }

    pub(crate) fn issuer_name(&self) -> &Name {
        self.0.x509.tbs_certificate().issuer()
    }

    /// The subject as it stands in the certificate (DER).
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        self.0
            .der
            .get(self.0.subject_der.clone())
            .unwrap_or_default()
    }

    /// Serial number, big-endian without a leading zero.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        let bytes = self.0.x509.tbs_certificate().serial_number().as_bytes();
        match bytes {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        }
    }

    /// Serial number in lower-case hexadecimal.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        hex(self.serial())
    }

    /// The first value of an attribute of the subject, for people to read.
    pub(crate) fn subject_part(&self, attribute: &str) -> Option<String> {
        name_part(self.subject_name(), attribute)
    }

    /// The first value of an attribute of the issuer, for people to read.
    pub(crate) fn issuer_part(&self, attribute: &str) -> Option<String> {
        name_part(self.issuer_name(), attribute)
    }

    /// Whether subject and issuer are the same name.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        crate::chain::names::same_name(self.subject_name(), self.issuer_name())
    }

    /// Whether a certificate that came along calls itself like this one and holds another key. Nobody
    /// sends such a one in good faith: it waits for a reader who takes the first of that name.
    pub(crate) fn is_impersonated_in(&self, others: &[Self]) -> bool {
        others.iter().any(|other| {
            other.spki_der() != self.spki_der()
                && crate::chain::names::same_name(other.subject_name(), self.subject_name())
        })
    }

    /// The role that the certificate claims: its one EKU, or authority by basicConstraints.
    ///
    /// # Errors
    /// [`CertError::Role`] when there is no EKU, more than one, or an unknown one.
    pub fn role(&self) -> Result<Role, CertError> {
        let extensions = self.extensions();
        if extensions.is_authority() {
            return match &extensions.extended_key_usage {
                None if self.is_self_issued() => Ok(Role::Root),
                None => Ok(Role::IssuingCa),
                Some(_) => Err(CertError::Role("an authority with an extended key usage")),
            };
        }
        let usages = extensions.extended_key_usage.as_ref();
        match usages.map(|known| known.value.0.as_slice()) {
            None => Err(CertError::Role("no extended key usage")),
            Some([one]) => {
                Role::from_eku(*one).ok_or(CertError::Role("unknown extended key usage"))
            }
            Some(_) => Err(CertError::Role("more than one extended key usage")),
        }
    }

    /// The agency or station that the certificate names: its one dNSName below the trust domain.
    ///
    /// # Errors
    /// [`CertError::Name`] when the SAN is not exactly one dNSName, has a wildcard, lies outside
    /// the trust domain, is not canonical, or disagrees with organizationIdentifier.
    pub fn party(&self, domain: &TrustDomain) -> Result<Party, CertError> {
        let name = self.dns_name()?;
        let kind = self.role()?.name_kind();
        let party = match kind {
            NameKind::Agency => AgencyCode::from_dns_name(name, domain)
                .map(Party::Agency)
                .map_err(|error| CertError::Name(format!("{name}: {error}")))?,
            NameKind::Station => {
                let below = name
                    .strip_suffix(domain.as_str())
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
                if !below {
                    return Err(CertError::Name(format!("{name} is not below {domain}")));
                }
                StationName::parse(name)
                    .map(Party::Station)
                    .map_err(|error| CertError::Name(format!("{name}: {error}")))?
            }
            NameKind::None => return Err(CertError::Role("an authority names no party")),
        };
        self.check_organization_identifier(&party)?;
        Ok(party)
    }

    /// The one dNSName.
    ///
    /// # Errors
    /// [`CertError::Name`] when there is another number or another kind of name.
    pub fn dns_name(&self) -> Result<&str, CertError> {
        let san = self.extensions().subject_alt_name.as_ref();
        match san.map(|known| known.value.0.as_slice()) {
            Some([GeneralName::DnsName(name)]) if name.as_str().contains('*') => {
                Err(CertError::Name(format!("{name} has a wildcard")))
            }
            Some([GeneralName::DnsName(name)]) => Ok(name.as_str()),
            Some([_]) => Err(CertError::Name("the name is no dNSName".to_owned())),
            Some(all) => Err(CertError::Name(format!(
                "{} names instead of one",
                all.len()
            ))),
            None => Err(CertError::Name("no subjectAltName".to_owned())),
        }
    }

    /// organizationIdentifier (2.5.4.97), if present, must be the party itself, and be there once.
    fn check_organization_identifier(&self, party: &Party) -> Result<(), CertError> {
        let wanted = party.to_string();
        for attribute in self.subject_name().iter() {
            if attribute.oid != ORGANIZATION_IDENTIFIER {
                continue;
            }
            let said = crate::chain::names::attribute_text(&attribute.value);
            if said.as_deref() != Some(wanted.as_str()) {
                return Err(CertError::Name(format!(
                    "organizationIdentifier {said:?} is not {wanted}"
                )));
            }
        }
        Ok(())
    }
}

fn name_part(name: &Name, attribute: &str) -> Option<String> {
    let found = name.iter().find(|part| part.oid.to_string() == attribute)?;
    crate::chain::names::attribute_text(&found.value).map(|text| {
        text.chars()
            .filter(|one| !one.is_control())
            .take(NAME_CHARACTERS_MAX)
            .collect()
    })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// Where the first element of the outer SEQUENCE lies: the bytes that were signed. The decoder's
/// own re-encoding is never used for that.
pub(crate) fn signed_part(der: &[u8]) -> Result<Range<usize>, der::Error> {
    let mut reader = SliceReader::new(der)?;
    let length = reader.sequence(|inner| -> Result<usize, der::Error> {
        let length = inner.tlv_bytes()?.len();
        let rest = inner.remaining_len();
        inner.read_slice(rest)?;
        Ok(length)
    })?;
    let content = {
        let mut reader = SliceReader::new(der)?;
        let header = der::Header::decode(&mut reader)?;
        der.len().saturating_sub(usize::try_from(header.length())?)
    };
    Ok(content..content.saturating_add(length))
}

fn find(der: &[u8], needle: &[u8], within: &Range<usize>) -> Option<Range<usize>> {
    let area = der.get(within.clone())?;
    // The subject stands after the issuer, so the last occurrence is the subject when both are
    // equal.
    let at = area
        .windows(needle.len().max(1))
        .rposition(|window| window == needle)?;
    let start = within.start.checked_add(at)?;
    Some(start..start.checked_add(needle.len())?)
}

pub(crate) fn timestamp(time: x509_cert::time::Time) -> Timestamp {
    let ms = i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(ms)
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, CertError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|source| CertError::File {
            file: path.display().to_string(),
            source,
        })?;
    Ok(bytes)
}

const ORGANIZATION_IDENTIFIER: der::asn1::ObjectIdentifier =
    der::asn1::ObjectIdentifier::new_unwrap("2.5.4.97");

/// Characters of a name part that are shown.
const NAME_CHARACTERS_MAX: usize = 200;

/// Real certificates stay under 4 KiB; an RSA-8192 key with long policies under 16 KiB. Hostile
/// ones with thousands of names must not buy CPU.
const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

/// A chain file holds at most a handful of certificates.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
