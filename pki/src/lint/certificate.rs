//! The rules over certificates, one function for each part of a certificate.
//!
//! Owns: how each rule is looked at. Rules about names are in `lint/names.rs`. Fails: never; what is
//! wrong becomes a finding. Must not know: what built the certificate.

use der::asn1::ObjectIdentifier;
use x509_cert::certificate::Version;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::time::Time;

use super::{Beside, Findings, Stage, names, rules, shown};
use crate::algorithm::SignatureAlgorithm;
use crate::cert::Certificate;
use crate::chain;
use crate::profile::{self, IssuerKind, Profile};

pub(super) fn check(cert: &Certificate, beside: &Beside<'_>, stage: Stage, found: &mut Findings) {
    let profile = beside.profile_of(cert);
    check_frame(cert, found);
    check_validity(cert, profile, beside.issuer, found);
    check_key(cert, profile, found);
    check_key_ids(cert, found);
    check_usage(cert, profile, found);
    check_extensions(cert, profile, found);
    check_policies(cert, found);
    check_urls(cert, found);
    names::check(cert, profile, beside, found);
    check_signature(cert, beside.issuer, stage, found);
    if let Some(issuer) = beside.issuer {
        check_issuer(cert, issuer, profile, beside, found);
    }
}

/// Version, serial number, unique identifiers.
fn check_frame(cert: &Certificate, found: &mut Findings) {
    let tbs = cert.x509().tbs_certificate();
    found.demand(
        tbs.version() == Version::V3,
        &rules::VERSION,
        format!("{:?}", tbs.version()),
    );
    let serial = tbs.serial_number().as_bytes();
    // As DER integer content: a set first bit would mean a negative number.
    let negative = serial.first().is_none_or(|first| first & 0x80 != 0);
    let zero = serial.iter().all(|byte| *byte == 0);
    found.demand(
        !negative && !zero && serial.len() <= 20,
        &rules::SERIAL,
        shown(serial),
    );
    let significant = cert.serial().len();
    found.demand(
        significant >= SERIAL_BYTES_MIN,
        &rules::SERIAL_ENTROPY,
        format!("{significant} octets"),
    );
    found.demand(
        tbs.issuer_unique_id().is_none() && tbs.subject_unique_id().is_none(),
        &rules::UNIQUE_ID,
        "",
    );
}

fn check_validity(
    cert: &Certificate,
    profile: Option<&Profile>,
    issuer: Option<&Certificate>,
    found: &mut Findings,
) {
    let validity = cert.x509().tbs_certificate().validity();
    for (name, time) in [
        ("notBefore", validity.not_before),
        ("notAfter", validity.not_after),
    ] {
        check_time(name, time, found);
    }
    let (from, until) = (cert.not_before(), cert.not_after());
    found.demand(until > from, &rules::VALIDITY, format!("{from} – {until}"));
    if let Some(profile) = profile {
        // The last second belongs to the validity (RFC 5280 section 4.1.2.5).
        let seconds = until
            .unix_s()
            .saturating_sub(from.unix_s())
            .saturating_add(1);
        let most = i64::from(profile.validity_days()).saturating_mul(DAY_S);
        found.demand(
            seconds <= most,
            &rules::VALIDITY,
            format!("{seconds} s, at most {} days", profile.validity_days()),
        );
    }
    if let Some(issuer) = issuer {
        found.demand(
            until <= issuer.not_after(),
            &rules::VALIDITY_ISSUER,
            format!("{until}, the issuer to {}", issuer.not_after()),
        );
    }
}

/// UTCTime up to 2049, GeneralizedTime after.
pub(super) fn check_time(name: &str, time: Time, found: &mut Findings) {
    let late = time.to_unix_duration().as_secs() >= YEAR_2050_S;
    let general = matches!(time, Time::GeneralTime(_));
    found.demand(late == general, &rules::TIMES, format!("{name} {time}"));
}

fn check_key(cert: &Certificate, profile: Option<&Profile>, found: &mut Findings) {
    let key = match cert.public_key() {
        Ok(key) => key,
        Err(error) => {
            found.add(&rules::KEY, error);
            return;
        }
    };
    if let Some(profile) = profile {
        let allowed: Vec<String> = profile.keys().iter().map(ToString::to_string).collect();
        let bits = key.modulus_bits();
        let bits = bits.map_or_else(String::new, |bits| format!(" {bits}"));
        found.demand(
            profile.allows_key(&key),
            &rules::KEY,
            format!("{}{bits}, allowed {}", key.kind(), allowed.join(", ")),
        );
    }
}

fn check_key_ids(cert: &Certificate, found: &mut Findings) {
    let extensions = cert.extensions();
    match &extensions.subject_key_id {
        None => found.add(&rules::SKI, "absent"),
        Some(known) => {
            found.demand(!known.critical, &rules::SKI, "critical");
            let id = known.value.0.as_bytes();
            let ours = profile::key_id(cert.spki_der()).ok();
            let fits = ours.as_deref() == Some(id) || Some(id) == sha1_id(cert).as_deref();
            found.demand(fits, &rules::SKI_METHOD, shown(id));
        }
    }
    match &extensions.authority_key_id {
        // RFC 5280 section 4.2.1.1: may be absent from a self-signed root.
        None => found.demand(cert.is_self_issued(), &rules::AKI, "absent"),
        Some(known) => {
            let alone = known.value.key_identifier.is_some()
                && known.value.authority_cert_issuer.is_none()
                && known.value.authority_cert_serial_number.is_none();
            found.demand(alone && !known.critical, &rules::AKI, "");
        }
    }
}

/// The older way to name a key (RFC 5280 section 4.2.1.2, method 1).
fn sha1_id(cert: &Certificate) -> Option<Vec<u8>> {
    let spki = cert.x509().tbs_certificate().subject_public_key_info();
    let key = spki.subject_public_key.as_bytes()?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, key);
    Some(digest.as_ref().to_vec())
}

/// basicConstraints, keyUsage, extKeyUsage.
fn check_usage(cert: &Certificate, profile: Option<&Profile>, found: &mut Findings) {
    let extensions = cert.extensions();
    let basic = extensions.basic_constraints.as_ref();
    if let Some(basic) = basic.filter(|basic| basic.value.ca) {
        found.demand(basic.critical, &rules::BASIC_CRITICAL, "");
    }
    match &extensions.key_usage {
        None => found.add(&rules::KU, "absent"),
        Some(usage) => found.demand(usage.critical, &rules::KU_CRITICAL, ""),
    }
    let usages = extensions.extended_key_usage.as_ref();
    let Some(profile) = profile else {
        // A foreign certificate: no role, so only the general form is judged.
        let certs = extensions.key_usage.as_ref();
        let signs = certs.is_some_and(|usage| usage.value.key_cert_sign());
        found.demand(
            signs == extensions.is_authority(),
            &rules::KU,
            "keyCertSign without cA",
        );
        if let Err(error) = cert.role() {
            found.add(&rules::EKU_ONE, error);
        }
        return;
    };
    let length = basic.and_then(|known| known.value.path_len_constraint);
    found.demand(
        basic.is_some() == profile.role().is_authority() && length == profile.path_length(),
        &rules::BASIC,
        format!("{} with path length {length:?}", profile.role()),
    );
    if let Some(usage) = &extensions.key_usage {
        found.demand(
            usage.value.0 == profile.key_usage(),
            &rules::KU,
            format!("{:?}", usage.value.0),
        );
    }
    if let Some(usages) = usages {
        found.demand(
            usages.critical == profile.eku_critical(),
            &rules::EKU_CRITICAL,
            profile.role(),
        );
    }
}

/// Only what the profile knows, and nothing critical that nobody knows.
fn check_extensions(cert: &Certificate, profile: Option<&Profile>, found: &mut Findings) {
    for unknown in &cert.extensions().unknown_critical {
        found.add(&rules::EXTENSIONS, format!("critical {unknown}"));
    }
    let list = cert.x509().tbs_certificate().extensions();
    let mut no_check = None;
    for extension in list.into_iter().flatten() {
        if extension.extn_id == OCSP_NO_CHECK {
            no_check = Some(extension.critical);
        }
        if profile.is_some() {
            found.demand(
                KNOWN.contains(&extension.extn_id),
                &rules::EXTENSIONS,
                extension.extn_id,
            );
        }
    }
    if let Some(profile) = profile {
        let wanted = profile.no_check().then_some(false);
        found.demand(no_check == wanted, &rules::NO_CHECK, profile.role());
    }
}

fn check_policies(cert: &Certificate, found: &mut Findings) {
    let Some(policies) = &cert.extensions().certificate_policies else {
        return;
    };
    let list = &policies.value.0;
    found.demand(!list.is_empty(), &rules::POLICY, "empty");
    for (index, policy) in list.iter().enumerate().take(POLICIES_MAX) {
        let id = policy.policy_identifier;
        let twice = list
            .iter()
            .take(index)
            .any(|other| other.policy_identifier == id);
        found.demand(!twice, &rules::POLICY, format!("{id} twice"));
        found.demand(
            id != ANY_POLICY || cert.extensions().is_authority(),
            &rules::POLICY,
            "anyPolicy",
        );
    }
}

fn check_urls(cert: &Certificate, found: &mut Findings) {
    let points = cert.extensions().crl_distribution_points.iter();
    let points = points.flat_map(|known| &known.value.0);
    for point in points.filter_map(|point| point.distribution_point.as_ref()) {
        let DistributionPointName::FullName(names) = point else {
            continue;
        };
        for name in names {
            if let GeneralName::UniformResourceIdentifier(url) = name {
                let plain = url.as_str().starts_with("http://");
                found.demand(plain, &rules::URLS, url.as_str());
            }
        }
    }
}

fn check_signature(
    cert: &Certificate,
    issuer: Option<&Certificate>,
    stage: Stage,
    found: &mut Findings,
) {
    let outer = cert.x509().signature_algorithm();
    found.demand(
        cert.x509().tbs_certificate().signature() == outer,
        &rules::SIGNATURE,
        "inside and outside differ",
    );
    let algorithm = match SignatureAlgorithm::from_identifier(outer) {
        Ok(algorithm) => algorithm,
        Err(error) => {
            found.add(&rules::SIGNATURE, error);
            return;
        }
    };
    let own = cert.is_self_issued().then_some(cert);
    let Some(key) = issuer.or(own).and_then(|issuer| issuer.public_key().ok()) else {
        return;
    };
    found.demand(
        algorithm.fits(key.kind()),
        &rules::SIGNATURE,
        format!("{algorithm} by a {} key", key.kind()),
    );
    if stage == Stage::Signed {
        let value = cert.x509().signature().as_bytes().unwrap_or_default();
        let good = key.verify(algorithm, cert.tbs_der(), value).is_ok();
        found.demand(good, &rules::SIGNATURE_VALUE, "");
    }
}

/// What the issuer's certificate says about this one.
fn check_issuer(
    cert: &Certificate,
    issuer: &Certificate,
    profile: Option<&Profile>,
    beside: &Beside<'_>,
    found: &mut Findings,
) {
    // Byte for byte: some verifiers do not compare names in any other way.
    found.demand(
        cert.issuer_name() == issuer.subject_name(),
        &rules::ISSUER_NAME,
        cert.issuer(),
    );
    let usage = issuer.extensions().key_usage.as_ref();
    found.demand(
        issuer.extensions().is_authority()
            && usage.is_some_and(|usage| usage.value.key_cert_sign()),
        &rules::ISSUER_USAGE,
        issuer.subject(),
    );
    if let Some(id) = cert.extensions().authority_key() {
        found.demand(
            issuer.extensions().subject_key() == Some(id),
            &rules::AKI_MATCH,
            shown(id),
        );
    }
    if let (Some(profile), Some(domain)) = (profile, beside.domain) {
        let kind = if issuer == cert {
            IssuerKind::Itself
        } else {
            chain::issuer_kind(issuer, domain)
        };
        found.demand(
            profile.issuers().contains(&kind),
            &rules::ISSUER_KIND,
            format!("{} by {kind}", profile.role()),
        );
    }
}

const ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");
const OCSP_NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
/// Extensions that a certificate of ours may have.
const KNOWN: [ObjectIdentifier; 10] = [
    // authorityInfoAccess
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1"),
    OCSP_NO_CHECK,
    // subjectKeyIdentifier, keyUsage, subjectAltName, basicConstraints
    ObjectIdentifier::new_unwrap("2.5.29.14"),
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.17"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    // nameConstraints, cRLDistributionPoints, authorityKeyIdentifier, extKeyUsage
    ObjectIdentifier::new_unwrap("2.5.29.30"),
    ObjectIdentifier::new_unwrap("2.5.29.31"),
    ObjectIdentifier::new_unwrap("2.5.29.35"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];
const DAY_S: i64 = 24 * 60 * 60;
/// Real certificates name two or three.
const POLICIES_MAX: usize = 64;
/// 64 bits.
const SERIAL_BYTES_MIN: usize = 8;
/// 2050-01-01T00:00:00Z.
const YEAR_2050_S: u64 = 2_524_608_000;
