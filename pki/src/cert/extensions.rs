//! The extensions of a certificate, decoded once and held with their criticality.
//!
//! Owns: which extensions are known. Fails with [`CertError`] when one stands twice or does not
//! decode. Unknown critical ones are only remembered here; the path validator refuses them.
//! Must not know: what the values mean for a path.

use const_oid::AssociatedOid;
use der::Decode;
use der::asn1::ObjectIdentifier;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, NameConstraints, PolicyConstraints, PolicyMappings, SubjectAltName,
    SubjectKeyIdentifier,
};

use super::CertError;

/// A decoded extension and whether it was marked critical.
#[derive(Clone, Debug)]
pub struct KnownExtension<T> {
    /// The mark.
    pub critical: bool,
    /// The decoded value.
    pub value: T,
}

/// What was found, by name.
#[derive(Clone, Debug, Default)]
pub struct Extensions {
    /// authorityKeyIdentifier.
    pub authority_key_id: Option<KnownExtension<AuthorityKeyIdentifier>>,
    /// basicConstraints.
    pub basic_constraints: Option<KnownExtension<BasicConstraints>>,
    /// certificatePolicies.
    pub certificate_policies: Option<KnownExtension<CertificatePolicies>>,
    /// cRLDistributionPoints; never fetched from (threat T14), only compared.
    pub crl_distribution_points: Option<KnownExtension<CrlDistributionPoints>>,
    /// extKeyUsage.
    pub extended_key_usage: Option<KnownExtension<ExtendedKeyUsage>>,
    /// inhibitAnyPolicy: how many certificates may still use anyPolicy.
    pub inhibit_any_policy: Option<KnownExtension<u32>>,
    /// issuerAltName: read so that a critical one counts as known; it has no meaning for a path.
    pub issuer_alt_name: Option<KnownExtension<SubjectAltName>>,
    /// keyUsage.
    pub key_usage: Option<KnownExtension<KeyUsage>>,
    /// nameConstraints.
    pub name_constraints: Option<KnownExtension<NameConstraints>>,
    /// policyConstraints.
    pub policy_constraints: Option<KnownExtension<PolicyConstraints>>,
    /// policyMappings.
    pub policy_mappings: Option<KnownExtension<PolicyMappings>>,
    /// subjectAltName.
    pub subject_alt_name: Option<KnownExtension<SubjectAltName>>,
    /// subjectKeyIdentifier.
    pub subject_key_id: Option<KnownExtension<SubjectKeyIdentifier>>,
    /// Extensions that we do not know and that are critical.
    pub unknown_critical: Vec<ObjectIdentifier>,
}

impl Extensions {
    /// Whether basicConstraints says that this is a certification authority.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        self.basic_constraints
            .as_ref()
            .is_some_and(|known| known.value.ca)
    }

    /// The key identifier of the subject.
    #[must_use]
    pub fn subject_key(&self) -> Option<&[u8]> {
        self.subject_key_id
            .as_ref()
            .map(|known| known.value.0.as_bytes())
    }

    /// The key identifier of the issuer.
    #[must_use]
    pub fn authority_key(&self) -> Option<&[u8]> {
        let id = self
            .authority_key_id
            .as_ref()?
            .value
            .key_identifier
            .as_ref()?;
        Some(id.as_bytes())
    }

    pub(super) fn read(list: Option<&Vec<Extension>>) -> Result<Self, CertError> {
        let mut found = Self::default();
        let Some(list) = list else { return Ok(found) };
        if list.is_empty() {
            // RFC 5280 section 4.2: SEQUENCE SIZE (1..MAX).
            return Err(CertError::Role("an empty list of extensions"));
        }
        let mut seen = Vec::with_capacity(list.len());
        for extension in list {
            if seen.contains(&extension.extn_id) {
                return Err(CertError::DuplicateExtension(extension.extn_id));
            }
            seen.push(extension.extn_id);
            found.take(extension)?;
        }
        Ok(found)
    }

    fn take(&mut self, from: &Extension) -> Result<(), CertError> {
        match from.extn_id {
            AuthorityKeyIdentifier::OID => self.authority_key_id = Some(decode(from)?),
            BasicConstraints::OID => self.basic_constraints = Some(decode(from)?),
            CertificatePolicies::OID => self.certificate_policies = Some(decode(from)?),
            CrlDistributionPoints::OID => self.crl_distribution_points = Some(decode(from)?),
            ExtendedKeyUsage::OID => self.extended_key_usage = Some(decode(from)?),
            INHIBIT_ANY_POLICY => self.inhibit_any_policy = Some(decode(from)?),
            ISSUER_ALT_NAME => self.issuer_alt_name = Some(decode(from)?),
            KeyUsage::OID => self.key_usage = Some(decode(from)?),
            NameConstraints::OID => self.name_constraints = Some(decode(from)?),
            PolicyConstraints::OID => self.policy_constraints = Some(decode(from)?),
            PolicyMappings::OID => self.policy_mappings = Some(decode(from)?),
            SubjectAltName::OID => self.subject_alt_name = Some(decode(from)?),
            SubjectKeyIdentifier::OID => self.subject_key_id = Some(decode(from)?),
            // Information about services; nothing to do, and nothing is fetched.
            AUTHORITY_INFO_ACCESS | SUBJECT_INFO_ACCESS | OCSP_NO_CHECK if !from.critical => {}
            other if from.critical => self.unknown_critical.push(other),
            _ => {}
        }
        Ok(())
    }
}

fn decode<T: for<'a> Decode<'a>>(from: &Extension) -> Result<KnownExtension<T>, CertError> {
    T::from_der(from.extn_value.as_bytes())
        .map(|value| KnownExtension {
            critical: from.critical,
            value,
        })
        .map_err(|_| CertError::Extension(from.extn_id))
}

const AUTHORITY_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
const INHIBIT_ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.54");
const ISSUER_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.18");
const OCSP_NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
const SUBJECT_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.11");
