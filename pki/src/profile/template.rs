//! Templates: what one certificate is to say, and the bytes that will be signed.
//!
//! Owns: subject, extensions and validity of everything that we issue, built from the profile of
//! the role. Whether the finished bytes are right is judged by [`crate::lint`], which shares no
//! code with this file.
//! Fails with [`ProfileError`]. Must not know: private keys, files, the ledger.

use const_oid::AssociatedOid;
use der::asn1::{BitString, Ia5String, ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Decode, Encode, Sequence, Tag};
use formats::id::{Digest, Party, TrustDomain};
use formats::time::Timestamp;
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use thiserror::Error;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::constraints::name::{GeneralSubtree, NameConstraints};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

use crate::cert::Certificate;
use crate::lint::LintError;
use crate::role::{NameKind, Role};

/// Why a certificate is not issued.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// A value cannot be encoded.
    #[error("value cannot be encoded: {0}")]
    Der(#[from] der::Error),
    /// The linter found errors in the finished bytes.
    #[error(transparent)]
    Lint(#[from] LintError),
    /// The template does not fit its role.
    #[error("{0}")]
    Template(String),
}

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its role.
    pub role: Role,
    /// commonName: at most 64 characters are taken.
    pub common_name: String,
    /// organizationName: at most 64 characters are taken.
    pub organization: Option<String>,
    /// Agency or station that it names; none for authorities.
    pub party: Option<Party>,
    /// Permitted DNS subtrees of an issuing authority; empty otherwise.
    pub permitted: Vec<String>,
    /// SubjectPublicKeyInfo (DER).
    pub spki_der: Vec<u8>,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
}

impl Template {
    /// A template with the validity of its role, from an hour before `now` (clocks differ).
    #[must_use]
    pub fn new(role: Role, common_name: &str, spki_der: &[u8], now: Timestamp) -> Self {
        // Whole seconds, because a certificate has no others.
        let not_before = now.floor_s().minus_ms(BACKDATE_MS);
        Self {
            role,
            common_name: common_name.to_owned(),
            organization: None,
            party: None,
            permitted: Vec::new(),
            spki_der: spki_der.to_vec(),
            not_before,
            not_after: role.profile().last_moment(not_before),
        }
    }

    /// Names the party.
    #[must_use]
    pub fn for_party(mut self, party: Party) -> Self {
        self.party = Some(party);
        self
    }

    /// Sets organizationName.
    #[must_use]
    pub fn of_organization(mut self, name: &str) -> Self {
        self.organization = Some(name.to_owned());
        self
    }

    /// Limits an authority to a DNS subtree.
    #[must_use]
    pub fn permitting(mut self, subtree: &str) -> Self {
        self.permitted.push(subtree.to_owned());
        self
    }
}

/// TBSCertificate of version 3 as we write it.
#[derive(Clone, Debug, Sequence)]
pub(crate) struct ToBeSigned {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    spki: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

/// A finished certificate as we write it.
#[derive(Clone, Debug, Sequence)]
pub(crate) struct Signed {
    pub(crate) tbs: Any,
    pub(crate) algorithm: AlgorithmIdentifierOwned,
    pub(crate) signature: BitString,
}

/// Builds the to-be-signed bytes. `issuer` is none for a self-signed root.
pub(crate) fn to_be_signed(
    template: &Template,
    issuer: Option<&Certificate>,
    serial: &[u8],
    algorithm: AlgorithmIdentifierOwned,
    domain: &TrustDomain,
) -> Result<Vec<u8>, ProfileError> {
    check_template(template, issuer)?;
    let subject = subject_name(template)?;
    let issuer_name = issuer.map_or_else(|| subject.clone(), |ca| ca.subject_name().clone());
    let tbs = ToBeSigned {
        version: Version::V3,
        serial: SerialNumber::new(serial)?,
        signature: algorithm,
        issuer: issuer_name,
        validity: Validity::new(time(template.not_before)?, time(template.not_after)?),
        subject,
        spki: SubjectPublicKeyInfoOwned::from_der(&template.spki_der)?,
        extensions: extensions(template, issuer, domain)?,
    };
    Ok(tbs.to_der()?)
}

fn check_template(template: &Template, issuer: Option<&Certificate>) -> Result<(), ProfileError> {
    let refuse = |text: String| Err(ProfileError::Template(text));
    let role = template.role;
    match (role.name_kind(), &template.party) {
        (NameKind::Agency, Some(Party::Agency(_)))
        | (NameKind::Station, Some(Party::Station(_)))
        | (NameKind::None, None) => {}
        (kind, party) => return refuse(format!("role {role} needs {kind:?}, not {party:?}")),
    }
    if !template.permitted.is_empty() && role != Role::IssuingCa {
        return refuse(format!("role {role} has no permitted names"));
    }
    if role == Role::IssuingCa && template.permitted.is_empty() {
        return refuse("an issuing authority needs permitted names".to_owned());
    }
    if (role == Role::Root) != issuer.is_none() {
        return refuse("a root, and only a root, signs itself".to_owned());
    }
    if template.not_after <= template.not_before {
        return refuse("validity ends before it begins".to_owned());
    }
    if let Some(issuer) = issuer
        && template.not_after > issuer.not_after()
    {
        return refuse(format!(
            "validity to {} is longer than the issuer's to {}",
            template.not_after,
            issuer.not_after()
        ));
    }
    Ok(())
}

fn extensions(
    template: &Template,
    issuer: Option<&Certificate>,
    domain: &TrustDomain,
) -> Result<Vec<Extension>, ProfileError> {
    let role = template.role;
    let own = key_id(&template.spki_der)?;
    let mut list = Vec::new();
    let profile = role.profile();
    if let Some(length) = profile.path_length() {
        let basic = BasicConstraints {
            ca: true,
            path_len_constraint: Some(length),
        };
        list.push(extension(true, &basic)?);
    }
    list.push(extension(true, &KeyUsage(profile.key_usage()))?);
    if let Some(eku) = profile.eku() {
        let usage = ExtendedKeyUsage(vec![eku]);
        list.push(extension(profile.eku_critical(), &usage)?);
    }
    if let Some(party) = &template.party {
        let name = match party {
            Party::Agency(code) => code.dns_name(domain),
            Party::Station(name) => name.to_string(),
        };
        let name = GeneralName::DnsName(Ia5String::new(&name)?);
        list.push(extension(false, &SubjectAltName(vec![name]))?);
    }
    if !template.permitted.is_empty() {
        list.push(extension(true, &constraints(&template.permitted)?)?);
    }
    let authority = match issuer {
        None => own.clone(),
        Some(ca) => {
            let id = ca.extensions().subject_key();
            id.ok_or_else(|| ProfileError::Template("issuer has no key identifier".to_owned()))?
                .to_vec()
        }
    };
    list.push(extension(
        false,
        &SubjectKeyIdentifier(OctetString::new(own)?),
    )?);
    let authority = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(authority)?),
        ..AuthorityKeyIdentifier::default()
    };
    list.push(extension(false, &authority)?);
    if profile.no_check() {
        list.push(Extension {
            extn_id: OCSP_NO_CHECK,
            critical: false,
            extn_value: OctetString::new(Any::null().to_der()?)?,
        });
    }
    Ok(list)
}

fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> der::Result<Extension> {
    let extn_value = OctetString::new(value.to_der()?)?;
    Ok(Extension {
        extn_id: T::OID,
        critical,
        extn_value,
    })
}

fn constraints(permitted: &[String]) -> der::Result<NameConstraints> {
    let subtrees = permitted.iter().map(|name| {
        let base = GeneralName::DnsName(Ia5String::new(name)?);
        Ok(GeneralSubtree {
            base,
            minimum: 0,
            maximum: None,
        })
    });
    Ok(NameConstraints {
        permitted_subtrees: Some(subtrees.collect::<der::Result<_>>()?),
        excluded_subtrees: None,
    })
}

/// Key identifier: the first 160 bits of SHA-256 over the key (RFC 7093 section 2, method 1).
pub(crate) fn key_id(spki_der: &[u8]) -> der::Result<Vec<u8>> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki_der)?;
    let digest = Digest::of(spki.subject_public_key.raw_bytes());
    Ok(digest.as_bytes().iter().take(20).copied().collect())
}

/// C=VN, organizationName, organizationIdentifier (agencies only), commonName.
fn subject_name(template: &Template) -> der::Result<Name> {
    let mut parts = vec![(COUNTRY, Any::new(Tag::PrintableString, *b"VN")?)];
    let text = |text: &str| {
        // ub-common-name and ub-organization-name are 64 characters (RFC 5280 appendix A).
        let short: String = text.chars().take(64).collect();
        Any::new(Tag::Utf8String, short.into_bytes())
    };
    if let Some(name) = &template.organization {
        parts.push((ORGANIZATION, text(name)?));
    }
    if let Some(Party::Agency(code)) = &template.party {
        parts.push((ORGANIZATION_IDENTIFIER, text(code.as_str())?));
    }
    parts.push((COMMON_NAME, text(&template.common_name)?));
    let mut sequence = Vec::new();
    for (oid, value) in parts {
        sequence.push(SetOfVec::try_from(vec![AttributeTypeAndValue {
            oid,
            value,
        }])?);
    }
    Name::from_der(&sequence.to_der()?)
}

/// Whole seconds, UTCTime up to 2049 and GeneralizedTime after (RFC 5280 section 4.1.2.5).
pub(crate) fn time(at: Timestamp) -> der::Result<Time> {
    let seconds = u64::try_from(at.unix_s()).map_err(|_| der::ErrorKind::DateTime)?;
    let at = der::DateTime::from_unix_duration(std::time::Duration::from_secs(seconds))?;
    Ok(Time::from(at))
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
const OCSP_NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const ORGANIZATION_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.97");

/// One hour: verifiers' clocks may run behind ours.
const BACKDATE_MS: i64 = 60 * 60 * 1000;
