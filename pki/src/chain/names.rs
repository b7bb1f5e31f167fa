//! Names in certificates: applying name constraints (RFC 5280 section 4.2.1.10).
//!
//! Owns: the subtree rules for directoryName, dNSName, rfc822Name (and the mailbox in UTF-8 of RFC
//! 9598), URI and iPAddress. The standard gives other kinds no meaning: a certificate with such a
//! name below such a constraint is refused, and so is every malformed constraint. Fails with
//! [`NameError`]; work is bounded by [`Budget`]. Comparison of distinguished names is in `compare`.
//! Must not know: signatures, time, roles.

mod compare;

use std::net::IpAddr;

use der::asn1::ObjectIdentifier;
use thiserror::Error;
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use crate::cert::Certificate;

use compare::starts_with;
pub(crate) use compare::{attribute_text, name_key, same_name, sequence_key};

/// Why a name is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// More comparisons than any honest path needs.
    #[error("too many name comparisons")]
    Budget,
    /// The constraint itself cannot be applied.
    #[error("name constraint not understood: {0}")]
    Constraint(&'static str),
    /// An excluded subtree matches.
    #[error("name {0} is excluded by a name constraint")]
    Excluded(String),
    /// A name is malformed.
    #[error("malformed name: {0}")]
    Malformed(String),
    /// No permitted subtree matches.
    #[error("name {0} is outside the permitted names")]
    NotPermitted(String),
}

/// How many comparisons are still allowed in one validation.
#[derive(Debug)]
pub(crate) struct Budget(u32);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(COMPARISONS_MAX)
    }

    fn spend(&mut self) -> Result<(), NameError> {
        self.0 = self.0.checked_sub(1).ok_or(NameError::Budget)?;
        Ok(())
    }
}

/// Constraints gathered from the root downwards.
#[derive(Debug, Default)]
pub(crate) struct Constraints<'a>(Vec<&'a NameConstraints>);

impl<'a> Constraints<'a> {
    /// Adds a CA's constraints after checking that every subtree is well formed.
    pub(crate) fn add(&mut self, more: &'a NameConstraints) -> Result<(), NameError> {
        let lists = [&more.permitted_subtrees, &more.excluded_subtrees];
        if lists.iter().all(|list| list.is_none()) {
            return Err(NameError::Constraint("neither permitted nor excluded"));
        }
        for subtree in lists.into_iter().flatten().flatten() {
            check_subtree(subtree)?;
        }
        if lists.into_iter().flatten().any(Vec::is_empty) {
            return Err(NameError::Constraint("an empty list of subtrees"));
        }
        self.0.push(more);
        Ok(())
    }

    /// Applies all gathered constraints to the names of a certificate.
    pub(crate) fn check(&self, cert: &Certificate, budget: &mut Budget) -> Result<(), NameError> {
        if self.0.is_empty() {
            return Ok(());
        }
        for name in names_of(cert)? {
            for constraints in &self.0 {
                check_one(&name, constraints, budget)?;
            }
        }
        Ok(())
    }
}

/// Subject, subjectAltName and, where there is no rfc822Name, emailAddress (section 4.2.1.10).
fn names_of(cert: &Certificate) -> Result<Vec<GeneralName>, NameError> {
    let mut names = Vec::new();
    if !cert.subject_name().is_empty() {
        names.push(GeneralName::DirectoryName(cert.subject_name().clone()));
    }
    if let Some(san) = &cert.extensions().subject_alt_name {
        names.extend(san.value.0.iter().cloned());
    }
    if !names
        .iter()
        .any(|name| matches!(name, GeneralName::Rfc822Name(_)))
    {
        for attribute in cert
            .subject_name()
            .iter()
            .filter(|a| a.oid == EMAIL_ADDRESS)
        {
            let text = attribute_text(&attribute.value).unwrap_or_default();
            let name = der::asn1::Ia5String::new(&text).map_err(|_| NameError::Malformed(text))?;
            names.push(GeneralName::Rfc822Name(name));
        }
    }
    Ok(names)
}

fn check_one(
    name: &GeneralName,
    constraints: &NameConstraints,
    budget: &mut Budget,
) -> Result<(), NameError> {
    for subtree in constraints.excluded_subtrees.iter().flatten() {
        budget.spend()?;
        if matches(name, subtree, Side::Excluded)? == Some(true) {
            return Err(NameError::Excluded(describe(name)));
        }
    }
    let mut permitted = None;
    for subtree in constraints.permitted_subtrees.iter().flatten() {
        budget.spend()?;
        match matches(name, subtree, Side::Permitted)? {
            Some(true) => return Ok(()),
            Some(false) => permitted = Some(false),
            None => {}
        }
    }
    match permitted {
        Some(false) => Err(NameError::NotPermitted(describe(name))),
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Excluded,
    Permitted,
}

/// `None` when the constraint is about another kind of name. What a constraint with a minimum or
/// maximum, or on a kind without subtree rules, would mean is nowhere said; it matters only where
/// such a name appears.
fn matches(
    name: &GeneralName,
    subtree: &GeneralSubtree,
    side: Side,
) -> Result<Option<bool>, NameError> {
    let found = matches_base(name, &subtree.base, side)?;
    if found.is_some() && (subtree.minimum != 0 || subtree.maximum.is_some()) {
        return Err(NameError::Constraint("minimum or maximum"));
    }
    Ok(found)
}

fn matches_base(
    name: &GeneralName,
    base: &GeneralName,
    side: Side,
) -> Result<Option<bool>, NameError> {
    Ok(match (name, base) {
        (GeneralName::DirectoryName(name), GeneralName::DirectoryName(base)) => {
            Some(starts_with(name, base))
        }
        (GeneralName::DnsName(name), GeneralName::DnsName(base)) => {
            Some(dns_matches(name.as_str(), base.as_str(), side)?)
        }
        (GeneralName::Rfc822Name(name), GeneralName::Rfc822Name(base)) => {
            Some(mail_matches(name.as_str(), base.as_str())?)
        }
        (
            GeneralName::UniformResourceIdentifier(name),
            GeneralName::UniformResourceIdentifier(base),
        ) => {
            let host = uri_host(name.as_str())?;
            Some(host_matches(&host, base.as_str()))
        }
        (GeneralName::IpAddress(name), GeneralName::IpAddress(base)) => {
            Some(ip_matches(name.as_bytes(), base.as_bytes())?)
        }
        (GeneralName::OtherName(name), GeneralName::Rfc822Name(base)) => {
            let mailbox = utf8_mailbox(name)?;
            mailbox
                .map(|mailbox| mail_matches(&mailbox, base.as_str()))
                .transpose()?
        }
        (GeneralName::OtherName(name), GeneralName::OtherName(base))
            if name.type_id != base.type_id =>
        {
            None
        }
        (GeneralName::OtherName(_), GeneralName::OtherName(_))
        | (GeneralName::EdiPartyName(_), GeneralName::EdiPartyName(_))
        | (GeneralName::RegisteredId(_), GeneralName::RegisteredId(_)) => {
            return Err(NameError::Constraint("a kind of name without subtrees"));
        }
        _ => None,
    })
}

/// SmtpUTF8Mailbox: bound by the constraints on rfc822Name (RFC 9598 section 6). Its host is
/// compared as it stands there, so it must be written in ASCII.
fn utf8_mailbox(name: &OtherName) -> Result<Option<String>, NameError> {
    if name.type_id != SMTP_UTF8_MAILBOX {
        return Ok(None);
    }
    let malformed = || NameError::Malformed("mailbox in UTF-8".to_owned());
    let text = name.value.decode_as::<String>().map_err(|_| malformed())?;
    let host = text.rsplit_once('@').map(|(_, host)| host);
    if host.is_some_and(str::is_ascii) {
        Ok(Some(text))
    } else {
        Err(malformed())
    }
}

/// Subtree rules for dNSName: labels are added on the left. A wildcard stands for any one label, so
/// it is permitted only if all it stands for is, and excluded if anything it stands for is.
fn dns_matches(name: &str, base: &str, side: Side) -> Result<bool, NameError> {
    let name = name.to_ascii_lowercase();
    let base = base.to_ascii_lowercase();
    let (wild, stem) = match name.strip_prefix("*.") {
        Some(stem) => (true, stem),
        None => (false, name.as_str()),
    };
    check_dns(stem)?;
    let inside = dns_within(stem, &base);
    if !wild || inside {
        return Ok(inside);
    }
    Ok(side == Side::Excluded && dns_within(&base, stem))
}

fn dns_within(name: &str, base: &str) -> bool {
    base.is_empty()
        || name == base
        || name
            .strip_suffix(base)
            .is_some_and(|rest| rest.ends_with('.'))
}

/// Letters, digits, hyphen and underscore in labels of 1 to 63 (RFC 1034 section 3.5 with the
/// underscore that real names have); an address in the clothes of a name is refused.
pub(crate) fn check_dns(name: &str) -> Result<(), NameError> {
    let good = !name.is_empty()
        && name.len() <= 253
        && name.parse::<IpAddr>().is_err()
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    if good {
        Ok(())
    } else {
        Err(NameError::Malformed(name.to_owned()))
    }
}

/// A host constraint with a leading period means "below"; without it exactly this host.
fn host_matches(host: &str, base: &str) -> bool {
    let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
    if base.starts_with('.') {
        host.len() > base.len() && host.ends_with(&base)
    } else {
        host == base
    }
}

fn mail_matches(name: &str, base: &str) -> Result<bool, NameError> {
    let (local, host) = name
        .rsplit_once('@')
        .ok_or_else(|| NameError::Malformed(name.to_owned()))?;
    if local.is_empty() || host.is_empty() {
        return Err(NameError::Malformed(name.to_owned()));
    }
    Ok(match base.rsplit_once('@') {
        // The local part is compared exactly (section 7.5), the host without case.
        Some((base_local, base_host)) => {
            local == base_local && host.eq_ignore_ascii_case(base_host)
        }
        None => host_matches(host, base),
    })
}

/// The host of a URI; a URI without a host name cannot satisfy a constraint (section 4.2.1.10).
fn uri_host(uri: &str) -> Result<String, NameError> {
    let malformed = || NameError::Malformed(uri.to_owned());
    let (_, rest) = uri.split_once("://").ok_or_else(malformed)?;
    let authority = rest.split(['/', '?', '#']).next().ok_or_else(malformed)?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    if host.is_empty() || host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        return Err(malformed());
    }
    check_dns(host)?;
    Ok(host.to_owned())
}

fn ip_matches(name: &[u8], base: &[u8]) -> Result<bool, NameError> {
    if !matches!(name.len(), 4 | 16) {
        return Err(NameError::Malformed(
            "iPAddress of a wrong length".to_owned(),
        ));
    }
    let (address, mask) = base.split_at(base.len() / 2);
    Ok(name.len() == address.len()
        && name
            .iter()
            .zip(address)
            .zip(mask)
            .all(|((name, address), mask)| name & mask == address & mask))
}

fn check_subtree(subtree: &GeneralSubtree) -> Result<(), NameError> {
    let bad = |what| Err(NameError::Constraint(what));
    match &subtree.base {
        GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::OtherName(_)
        | GeneralName::RegisteredId(_) => Ok(()),
        GeneralName::DnsName(base) => {
            let base = base.as_str();
            if base.is_empty() {
                Ok(())
            } else {
                check_dns(base).or_else(|_| bad("malformed dNSName"))
            }
        }
        GeneralName::Rfc822Name(base) => {
            let host = base
                .as_str()
                .rsplit_once('@')
                .map_or(base.as_str(), |(_, host)| host);
            let host = host.strip_prefix('.').unwrap_or(host);
            check_dns(host).or_else(|_| bad("malformed rfc822Name"))
        }
        GeneralName::UniformResourceIdentifier(base) => {
            let host = base.as_str().strip_prefix('.').unwrap_or(base.as_str());
            let is_name = host.parse::<IpAddr>().is_err() && check_dns(host).is_ok();
            if is_name {
                Ok(())
            } else {
                bad("malformed URI")
            }
        }
        GeneralName::IpAddress(base) => check_mask(base.as_bytes()),
    }
}

/// Address and mask of equal length; the mask must be a prefix (RFC 4632).
fn check_mask(bytes: &[u8]) -> Result<(), NameError> {
    let bad = NameError::Constraint("malformed iPAddress");
    if !matches!(bytes.len(), 8 | 32) {
        return Err(bad);
    }
    let (_, mask) = bytes.split_at(bytes.len() / 2);
    let ones: u32 = mask.iter().map(|byte| byte.leading_ones()).sum();
    let leading: u32 = {
        let full = mask.iter().take_while(|byte| **byte == 0xff).count();
        let partial = mask.get(full).map_or(0, |byte| byte.leading_ones());
        u32::try_from(full)
            .unwrap_or(u32::MAX)
            .saturating_mul(8)
            .saturating_add(partial)
    };
    let set: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    if ones == set && leading == set {
        Ok(())
    } else {
        Err(bad)
    }
}

fn describe(name: &GeneralName) -> String {
    match name {
        GeneralName::DirectoryName(name) => name.to_string(),
        GeneralName::DnsName(text)
        | GeneralName::Rfc822Name(text)
        | GeneralName::UniformResourceIdentifier(text) => text.as_str().to_owned(),
        GeneralName::IpAddress(bytes) => crate::cert::hex(bytes.as_bytes()),
        GeneralName::OtherName(_) | GeneralName::EdiPartyName(_) | GeneralName::RegisteredId(_) => {
            "(other kind)".to_owned()
        }
    }
}

const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");
const SMTP_UTF8_MAILBOX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.9");

/// An honest path has a few names and a few constraints; 64 KiB certificates can hold thousands of
/// each, and their product must not be computed.
const COMPARISONS_MAX: u32 = 100_000;

#[cfg(test)]
mod tests {
    use der::asn1::{Any, Ia5String};

    use super::*;

    fn subtree(base: GeneralName) -> GeneralSubtree {
        GeneralSubtree {
            base,
            minimum: 0,
            maximum: None,
        }
    }

    fn ia5(text: &str) -> Ia5String {
        Ia5String::new(text).unwrap()
    }

    fn other(kind: ObjectIdentifier, text: &str) -> GeneralName {
        GeneralName::OtherName(OtherName {
            type_id: kind,
            value: Any::new(der::Tag::Utf8String, text.as_bytes()).unwrap(),
        })
    }

    fn permitting(base: GeneralName) -> NameConstraints {
        NameConstraints {
            permitted_subtrees: Some(vec![subtree(base)]),
            excluded_subtrees: None,
        }
    }

    fn check(name: &GeneralName, constraints: &NameConstraints) -> Result<(), NameError> {
        Constraints::default().add(constraints)?;
        check_one(name, constraints, &mut Budget::new())
    }

    #[test]
    fn constraints_without_meaning_refuse_the_names_that_they_are_about_and_no_others() {
        let upn = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");
        let host = GeneralName::DnsName(ia5("h01.tram.test"));
        let id = GeneralName::RegisteredId(upn);
        for (name, same_kind) in [(other(upn, "a@b.vn"), other(upn, "b.vn")), (id.clone(), id)] {
            let constraints = permitting(same_kind);
            let refused = check(&name, &constraints);
            assert!(matches!(refused, Err(NameError::Constraint(_))), "{name:?}");
            assert_eq!(check(&host, &constraints), Ok(()));
        }
        assert_eq!(
            check(&other(EMAIL_ADDRESS, "x"), &permitting(other(upn, "y"))),
            Ok(()),
            "another kind of other name"
        );
        let mut distant = permitting(host.clone());
        distant.permitted_subtrees.as_mut().unwrap()[0].minimum = 1;
        assert!(matches!(
            check(&host, &distant),
            Err(NameError::Constraint(_))
        ));
        let address = GeneralName::Rfc822Name(ia5("a@b.vn"));
        assert_eq!(check(&address, &distant), Ok(()));
    }

    #[test]
    fn mailboxes_in_utf8_are_bound_by_the_constraints_on_addresses() {
        let constraints = permitting(GeneralName::Rfc822Name(ia5("h01.vn")));
        let mailbox = |text| check(&other(SMTP_UTF8_MAILBOX, text), &constraints);
        assert_eq!(mailbox("văn.thư@h01.vn"), Ok(()));
        assert!(matches!(
            mailbox("văn.thư@h02.vn"),
            Err(NameError::NotPermitted(_))
        ));
        assert!(matches!(mailbox("a@sở.vn"), Err(NameError::Malformed(_))));
        assert!(matches!(mailbox("h01.vn"), Err(NameError::Malformed(_))));
    }
}
