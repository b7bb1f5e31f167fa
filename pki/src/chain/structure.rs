//! What every certificate of a path must look like by itself (RFC 5280 section 4), whatever its
//! place in the path.
//!
//! Owns: the checks that need no other certificate. Fails with [`ChainError`].
//! Must not know: signatures, time, revocation.

use der::Encode;
use der::asn1::ObjectIdentifier;
use x509_cert::certificate::Version;
use x509_cert::ext::pkix::name::GeneralName;

use super::ChainError;
use super::names::{NameError, check_dns};
use crate::cert::Certificate;

/// Whether the marks "MUST be critical" of RFC 5280 are demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Criticality {
    /// For everything of this network.
    Demanded,
    /// Foreign authorities of document signers, and suites older than RFC 5280, do not have all
    /// marks.
    Lenient,
}

/// Checks one certificate.
pub(crate) fn check(cert: &Certificate, criticality: Criticality) -> Result<(), ChainError> {
    let refuse = |rule, reason| refused(cert, rule, reason);
    let extensions = cert.extensions();
    let tbs = cert.x509().tbs_certificate();
    if tbs.version() != Version::V3 {
        return refuse(
            "RFC 5280 section 4.1.2.1",
            "not an X.509 version 3 certificate",
        );
    }
    if tbs.signature() != cert.x509().signature_algorithm() {
        return refuse(
            "RFC 5280 section 4.1.1.2",
            "inner and outer signature algorithm differ",
        );
    }
    check_serial(cert, criticality)?;
    if cert.issuer_name().is_empty() {
        return refuse("RFC 5280 section 4.1.2.4", "empty issuer name");
    }
    if tbs.validity().not_before.to_unix_duration() > tbs.validity().not_after.to_unix_duration() {
        return refuse("RFC 5280 section 4.1.2.5", "ends before it begins");
    }
    if !extensions.unknown_critical.is_empty() {
        return refuse("RFC 5280 section 4.2", "unknown critical extension");
    }
    check_key_ids(cert, criticality)?;
    check_subject(cert)?;
    check_usage(cert)?;
    check_policies(cert)?;
    match criticality {
        Criticality::Demanded => check_criticality(cert),
        Criticality::Lenient => Ok(()),
    }
}

/// Sections 4.2.1.9, .11 and .14: conforming authorities mark these critical.
fn check_criticality(cert: &Certificate) -> Result<(), ChainError> {
    let refuse = |rule, reason| refused(cert, rule, reason);
    let extensions = cert.extensions();
    let basic = extensions.basic_constraints.as_ref();
    if basic.is_some_and(|known| known.value.ca && !known.critical) {
        return refuse(
            "RFC 5280 section 4.2.1.9",
            "basicConstraints of an authority are not critical",
        );
    }
    if extensions
        .policy_constraints
        .as_ref()
        .is_some_and(|known| !known.critical)
    {
        return refuse(
            "RFC 5280 section 4.2.1.11",
            "policyConstraints are not critical",
        );
    }
    if extensions
        .inhibit_any_policy
        .as_ref()
        .is_some_and(|known| !known.critical)
    {
        return refuse(
            "RFC 5280 section 4.2.1.14",
            "inhibitAnyPolicy is not critical",
        );
    }
    Ok(())
}

/// Positive, not zero, at most 20 octets (section 4.1.2.2). Of foreign authorities, negative and
/// zero ones are taken as that section asks of certificate users.
fn check_serial(cert: &Certificate, criticality: Criticality) -> Result<(), ChainError> {
    let encoded = cert
        .x509()
        .tbs_certificate()
        .serial_number()
        .to_der()
        .unwrap_or_default();
    let content = encoded.get(2..).unwrap_or_default();
    let negative = content.first().is_none_or(|byte| byte & 0x80 != 0);
    let zero = content.iter().all(|byte| *byte == 0);
    let strict = criticality == Criticality::Demanded;
    if (strict && (negative || zero)) || content.is_empty() || content.len() > 20 {
        return refused(
            cert,
            "RFC 5280 section 4.1.2.2",
            "serial number is not a positive integer of at most 20 octets",
        );
    }
    Ok(())
}

/// Key identifiers: never critical; authorities have their own, and all but self-signed ones name
/// their issuer's (sections 4.2.1.1 and 4.2.1.2). Validation does not need them, so foreign ones may
/// lack them.
fn check_key_ids(cert: &Certificate, criticality: Criticality) -> Result<(), ChainError> {
    let refuse = |rule, reason| refused(cert, rule, reason);
    let extensions = cert.extensions();
    if extensions
        .authority_key_id
        .as_ref()
        .is_some_and(|known| known.critical)
    {
        return refuse(
            "RFC 5280 section 4.2.1.1",
            "authorityKeyIdentifier is critical",
        );
    }
    if extensions
        .subject_key_id
        .as_ref()
        .is_some_and(|known| known.critical)
    {
        return refuse(
            "RFC 5280 section 4.2.1.2",
            "subjectKeyIdentifier is critical",
        );
    }
    if criticality == Criticality::Lenient {
        return Ok(());
    }
    if extensions.is_authority() && extensions.subject_key().is_none() {
        return refuse(
            "RFC 5280 section 4.2.1.2",
            "authority without subjectKeyIdentifier",
        );
    }
    if extensions.authority_key().is_none() && !cert.is_self_issued() {
        return refuse("RFC 5280 section 4.2.1.1", "no authorityKeyIdentifier");
    }
    Ok(())
}

/// Subject and subjectAltName (sections 4.1.2.6 and 4.2.1.6).
fn check_subject(cert: &Certificate) -> Result<(), ChainError> {
    let refuse = |rule, reason| refused(cert, rule, reason);
    let extensions = cert.extensions();
    let san = extensions.subject_alt_name.as_ref();
    if san.is_some_and(|san| san.value.0.is_empty()) {
        return refuse("RFC 5280 section 4.2.1.6", "empty subjectAltName");
    }
    if cert.subject_name().is_empty() {
        if extensions.is_authority() {
            return refuse(
                "RFC 5280 section 4.1.2.6",
                "authority without a subject name",
            );
        }
        if !san.is_some_and(|san| san.critical) {
            return refuse(
                "RFC 5280 section 4.2.1.6",
                "no subject name and no critical subjectAltName",
            );
        }
    }
    for name in san.iter().flat_map(|san| &san.value.0) {
        let malformed = |source| ChainError::Name {
            subject: cert.subject(),
            source,
        };
        match name {
            GeneralName::DnsName(name) => {
                let name = name.as_str();
                check_dns(name.strip_prefix("*.").unwrap_or(name)).map_err(malformed)?;
            }
            GeneralName::IpAddress(bytes) if !matches!(bytes.as_bytes().len(), 4 | 16) => {
                let text = "iPAddress of a wrong length".to_owned();
                return Err(malformed(NameError::Malformed(text)));
            }
            GeneralName::DirectoryName(_)
            | GeneralName::EdiPartyName(_)
            | GeneralName::IpAddress(_)
            | GeneralName::OtherName(_)
            | GeneralName::RegisteredId(_)
            | GeneralName::Rfc822Name(_)
            | GeneralName::UniformResourceIdentifier(_) => {}
        }
    }
    Ok(())
}

/// basicConstraints, keyUsage, nameConstraints and each other (sections 4.2.1.3, .9, .10).
fn check_usage(cert: &Certificate) -> Result<(), ChainError> {
    let refuse = |rule, reason| refused(cert, rule, reason);
    let extensions = cert.extensions();
    let authority = extensions.is_authority();
    let signs_certificates = extensions
        .key_usage
        .as_ref()
        .is_some_and(|usage| usage.value.key_cert_sign());
    if extensions
        .key_usage
        .as_ref()
        .is_some_and(|usage| usage.value.0.is_empty())
    {
        return refuse("RFC 5280 section 4.2.1.3", "key usage without any bit");
    }
    let path_length = extensions
        .basic_constraints
        .as_ref()
        .and_then(|basic| basic.value.path_len_constraint);
    if path_length.is_some() && !authority {
        return refuse(
            "RFC 5280 section 4.2.1.9",
            "pathLenConstraint on an end certificate",
        );
    }
    let signs_lists = extensions
        .key_usage
        .as_ref()
        .is_none_or(|usage| usage.value.key_cert_sign() || usage.value.crl_sign());
    if authority && !signs_lists {
        return refuse(
            "RFC 5280 section 4.2.1.3",
            "authority whose key usage allows neither certificates nor lists",
        );
    }
    if signs_certificates && !authority {
        return refuse(
            "RFC 5280 section 4.2.1.9",
            "keyCertSign without being an authority",
        );
    }
    if let Some(constraints) = &extensions.name_constraints {
        if !authority {
            return refuse(
                "RFC 5280 section 4.2.1.10",
                "nameConstraints on an end certificate",
            );
        }
        if !constraints.critical {
            return refuse(
                "RFC 5280 section 4.2.1.10",
                "nameConstraints are not critical",
            );
        }
    }
    if extensions
        .extended_key_usage
        .as_ref()
        .is_some_and(|usage| usage.value.0.is_empty())
    {
        return refuse("RFC 5280 section 4.2.1.12", "empty extended key usage");
    }
    Ok(())
}

/// certificatePolicies and their kin (sections 4.2.1.4, .5, .11, .14).
fn check_policies(cert: &Certificate) -> Result<(), ChainError> {
    let refuse = |rule, reason| refused(cert, rule, reason);
    let extensions = cert.extensions();
    if let Some(policies) = &extensions.certificate_policies {
        let list = &policies.value.0;
        if list.is_empty() {
            return refuse("RFC 5280 section 4.2.1.4", "empty certificatePolicies");
        }
        for (index, policy) in list.iter().enumerate() {
            let twice = list
                .iter()
                .take(index)
                .any(|earlier| earlier.policy_identifier == policy.policy_identifier);
            if twice {
                return refuse(
                    "RFC 5280 section 4.2.1.4",
                    "the same certificate policy stands twice",
                );
            }
            let known = policy.policy_qualifiers.iter().flatten().all(|qualifier| {
                matches!(
                    qualifier.policy_qualifier_id,
                    QUALIFIER_CPS | QUALIFIER_NOTICE
                )
            });
            if policies.critical && !known {
                return refuse(
                    "RFC 5280 section 4.2.1.4",
                    "unknown qualifier in critical certificatePolicies",
                );
            }
        }
    }
    if let Some(constraints) = &extensions.policy_constraints {
        let value = &constraints.value;
        if value.require_explicit_policy.is_none() && value.inhibit_policy_mapping.is_none() {
            return refuse("RFC 5280 section 4.2.1.11", "empty policyConstraints");
        }
    }
    Ok(())
}

fn refused(cert: &Certificate, rule: &'static str, reason: &'static str) -> Result<(), ChainError> {
    Err(ChainError::Structure {
        subject: cert.subject(),
        reason,
        rule,
    })
}

const QUALIFIER_CPS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.2.1");
const QUALIFIER_NOTICE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.2.2");
