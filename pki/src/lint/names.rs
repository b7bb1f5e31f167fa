//! The rules over names: subject, subjectAltName, name constraints.
//!
//! Owns: how each rule is looked at. Fails: never; what is wrong becomes a finding. Must not know:
//! what built the certificate.

use der::asn1::ObjectIdentifier;
use der::{Tag, Tagged};
use formats::id::{AgencyCode, StationName, TrustDomain};
use x509_cert::ext::pkix::name::GeneralName;

use super::{Beside, Findings, rules};
use crate::cert::Certificate;
use crate::chain;
use crate::chain::names::attribute_text;
use crate::profile::Profile;
use crate::role::{NameKind, Role};

pub(super) fn check(
    cert: &Certificate,
    profile: Option<&Profile>,
    beside: &Beside<'_>,
    found: &mut Findings,
) {
    check_subject(cert, found);
    if cert.issuer_name().is_empty() {
        found.add(&rules::ISSUER_NAME, "empty");
    }
    let san = cert.extensions().subject_alt_name.as_ref();
    found.demand(
        !san.is_some_and(|san| san.critical) || cert.subject_name().is_empty(),
        &rules::SAN_CRITICAL,
        "",
    );
    if let Some(profile) = profile {
        check_alt_name(cert, profile, beside.domain, found);
        check_constraints(cert, profile, beside.domain, found);
        check_organization_id(cert, profile, beside.domain, found);
    }
    if let Some(issuer) = beside.issuer
        && let Err(error) = chain::check_names(issuer, cert)
    {
        found.add(&rules::NAMES_PERMITTED, error);
    }
}

/// Each attribute once, alone in its set, in the string type and length of RFC 5280 appendix A.1.
fn check_subject(cert: &Certificate, found: &mut Findings) {
    let subject = cert.subject_name();
    found.demand(!subject.is_empty(), &rules::SUBJECT, "empty");
    let mut seen: Vec<ObjectIdentifier> = Vec::new();
    for set in subject.iter_rdn().take(PARTS_MAX) {
        found.demand(
            set.len() == 1,
            &rules::SUBJECT,
            "several attributes in one set",
        );
        for attribute in set.iter() {
            let oid = attribute.oid;
            // domainComponent and organizationalUnit are made to be repeated.
            let repeats = [DOMAIN_COMPONENT, ORGANIZATIONAL_UNIT].contains(&oid);
            found.demand(
                repeats || !seen.contains(&oid),
                &rules::SUBJECT,
                format!("{oid} twice"),
            );
            seen.push(oid);
            if ![COUNTRY, COMMON_NAME, ORGANIZATION, ORGANIZATIONAL_UNIT].contains(&oid) {
                continue;
            }
            let text = attribute_text(&attribute.value).unwrap_or_default();
            let tag = attribute.value.tag();
            let good = if oid == COUNTRY {
                tag == Tag::PrintableString
                    && text.len() == 2
                    && text.bytes().all(|byte| byte.is_ascii_uppercase())
            } else {
                [Tag::Utf8String, Tag::PrintableString].contains(&tag)
                    && (1..=64).contains(&text.chars().count())
            };
            found.demand(good, &rules::SUBJECT, format!("{oid} {text:?} as {tag}"));
        }
    }
}

fn check_alt_name(
    cert: &Certificate,
    profile: &Profile,
    domain: Option<&TrustDomain>,
    found: &mut Findings,
) {
    if profile.name() == NameKind::None {
        let absent = cert.extensions().subject_alt_name.is_none();
        found.demand(absent, &rules::SAN_ONE, profile.role());
        return;
    }
    let name = match cert.dns_name() {
        Ok(name) => name,
        Err(error) => {
            found.add(&rules::SAN_ONE, error);
            return;
        }
    };
    let Some(domain) = domain else {
        // Without the trust domain only the letters can be judged.
        let canonical = !name.bytes().any(|byte| byte.is_ascii_uppercase());
        found.demand(canonical, &rules::SAN_NAME, name);
        return;
    };
    let below = name
        .strip_suffix(domain.as_str())
        .is_some_and(|rest| rest.ends_with('.'));
    let good = match profile.name() {
        NameKind::Agency => {
            AgencyCode::from_dns_name(name, domain).is_ok_and(|code| code.dns_name(domain) == name)
        }
        NameKind::Station => StationName::parse(name).is_ok(),
        NameKind::None => false,
    };
    found.demand(below && good, &rules::SAN_NAME, name);
}

/// Issuing authorities have critical dNSName constraints that lie in the trust domain; the root and
/// ends have none.
fn check_constraints(
    cert: &Certificate,
    profile: &Profile,
    domain: Option<&TrustDomain>,
    found: &mut Findings,
) {
    let constraints = cert.extensions().name_constraints.as_ref();
    found.demand(
        constraints.is_some() == (profile.role() == Role::IssuingCa),
        &rules::NAME_CONSTRAINTS,
        profile.role(),
    );
    let Some(constraints) = constraints else {
        return;
    };
    found.demand(
        constraints.critical,
        &rules::NAME_CONSTRAINTS,
        "not critical",
    );
    let permitted = constraints.value.permitted_subtrees.as_deref();
    let permitted = permitted.unwrap_or_default();
    found.demand(
        !permitted.is_empty(),
        &rules::NAME_CONSTRAINTS,
        "nothing permitted",
    );
    for subtree in permitted.iter().take(PARTS_MAX) {
        let GeneralName::DnsName(base) = &subtree.base else {
            found.add(&rules::NAME_CONSTRAINTS, "another kind than dNSName");
            continue;
        };
        // Without a leading dot: the constraint covers the agency itself (architecture, section 7).
        let base = base.as_str();
        let inside = domain.is_none_or(|domain| {
            base == domain.as_str()
                || base
                    .strip_suffix(domain.as_str())
                    .is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
        });
        found.demand(
            inside && !base.starts_with('.') && !base.is_empty(),
            &rules::NAME_CONSTRAINTS,
            format!("{base:?}"),
        );
    }
}

/// organizationIdentifier is the agency's code, on certificates of agencies only.
fn check_organization_id(
    cert: &Certificate,
    profile: &Profile,
    domain: Option<&TrustDomain>,
    found: &mut Findings,
) {
    let subject = cert.subject_name();
    let said = subject
        .iter()
        .filter(|attribute| attribute.oid == ORGANIZATION_IDENTIFIER);
    let said: Vec<String> = said
        .map(|attribute| attribute_text(&attribute.value).unwrap_or_default())
        .collect();
    if said.is_empty() {
        return;
    }
    let agency = profile.name() == NameKind::Agency;
    found.demand(
        agency && said.len() == 1,
        &rules::ORGANIZATION_ID,
        said.join(", "),
    );
    let (Some(domain), Ok(name)) = (domain, cert.dns_name()) else {
        return;
    };
    let code = AgencyCode::from_dns_name(name, domain).map(|code| code.to_string());
    let same = code.is_ok_and(|code| said.iter().all(|said| *said == code));
    found.demand(same, &rules::ORGANIZATION_ID, said.join(", "));
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
const DOMAIN_COMPONENT: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const ORGANIZATION_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.97");
const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
/// No name has more parts; hostile ones must not buy time.
const PARTS_MAX: usize = 64;
