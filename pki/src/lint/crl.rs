//! The rules over revocation lists.
//!
//! Owns: how each rule is looked at. Fails: never; what is wrong becomes a finding. Must not know:
//! what built the list.

use std::collections::HashSet;

use const_oid::AssociatedOid;
use der::Decode;
use der::asn1::ObjectIdentifier;
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber, CrlReason};

use super::certificate::check_time;
use super::{Beside, Findings, Stage, rules, shown};
use crate::algorithm::SignatureAlgorithm;
use crate::cert::{Certificate, timestamp};
use crate::issue::CRL_VALID_MS;
use crate::revoke::Crl;

pub(super) fn check(crl: &Crl, beside: &Beside<'_>, stage: Stage, found: &mut Findings) {
    let list = crl.list();
    let tbs = &list.tbs_cert_list;
    found.demand(
        tbs.version == Version::V2,
        &rules::CRL_VERSION,
        format!("{:?}", tbs.version),
    );
    found.demand(!tbs.issuer.is_empty(), &rules::ISSUER_NAME, "empty");
    check_times(crl, beside, found);
    check_extensions(list, found);
    check_entries(crl, found);
    // Crl::parse has refused unknown algorithms and two different ones.
    match beside.issuer {
        Some(issuer) => check_issuer(crl, issuer, stage, found),
        None => {
            if let Err(error) = SignatureAlgorithm::from_identifier(&list.signature_algorithm) {
                found.add(&rules::SIGNATURE, error);
            }
        }
    }
}

fn check_times(crl: &Crl, beside: &Beside<'_>, found: &mut Findings) {
    let tbs = &crl.list().tbs_cert_list;
    check_time("thisUpdate", tbs.this_update, found);
    match (tbs.next_update, crl.next_update()) {
        (Some(next), Some(at)) => {
            check_time("nextUpdate", next, found);
            found.demand(at > crl.this_update(), &rules::CRL_NEXT, at);
            let life = at.minus(crl.this_update());
            let hours = life / 3_600_000;
            // An offline root signs its list at ceremonies; an issuing authority's lives two days.
            let root = beside.issuer.is_some_and(Certificate::is_self_issued);
            let most = if root { ROOT_LIST_MS } else { CRL_VALID_MS };
            found.demand(life <= most, &rules::CRL_LIFE, format!("{hours} hours"));
        }
        _ => found.add(&rules::CRL_NEXT, "absent"),
    }
}

fn check_extensions(list: &CertificateList, found: &mut Findings) {
    let (mut key, mut number) = (None, None);
    for extension in list.tbs_cert_list.crl_extensions.iter().flatten() {
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            AuthorityKeyIdentifier::OID => {
                key = AuthorityKeyIdentifier::from_der(value).ok();
                found.demand(!extension.critical, &rules::AKI, "critical");
            }
            CrlNumber::OID => {
                // Tag and length, then the number.
                let content = value.get(2..).unwrap_or_default();
                let positive = content.first().is_some_and(|first| first & 0x80 == 0);
                let sound = CrlNumber::from_der(value).is_ok() && content.len() <= 20;
                number = Some(positive && sound && !extension.critical);
            }
            ISSUING_DISTRIBUTION_POINT => {
                found.demand(extension.critical, &rules::CRL_EXTENSIONS, "not critical");
            }
            other => found.add(&rules::CRL_EXTENSIONS, other),
        }
    }
    found.demand(number == Some(true), &rules::CRL_NUMBER, "");
    let alone = key.is_some_and(|key| {
        key.key_identifier.is_some()
            && key.authority_cert_issuer.is_none()
            && key.authority_cert_serial_number.is_none()
    });
    found.demand(alone, &rules::AKI, "");
}

fn check_entries(crl: &Crl, found: &mut Findings) {
    let tbs = &crl.list().tbs_cert_list;
    let Some(entries) = &tbs.revoked_certificates else {
        return;
    };
    found.demand(!entries.is_empty(), &rules::CRL_EMPTY, "");
    let mut seen = HashSet::with_capacity(entries.len());
    for entry in entries {
        let serial = entry.serial_number.as_bytes();
        let positive = serial.first().is_some_and(|first| first & 0x80 == 0)
            && serial.iter().any(|byte| *byte != 0);
        found.demand(
            seen.insert(serial) && positive && serial.len() <= 20,
            &rules::CRL_SERIAL,
            shown(serial),
        );
        check_time("revocationDate", entry.revocation_date, found);
        found.demand(
            timestamp(entry.revocation_date) <= crl.this_update(),
            &rules::CRL_DATE,
            shown(serial),
        );
        check_entry(entry, found);
    }
}

fn check_entry(entry: &RevokedCert, found: &mut Findings) {
    let Some(extensions) = &entry.crl_entry_extensions else {
        return;
    };
    found.demand(!extensions.is_empty(), &rules::CRL_ENTRY, "empty");
    for extension in extensions {
        let known = [CrlReason::OID, INVALIDITY_DATE].contains(&extension.extn_id);
        found.demand(
            known && !extension.critical,
            &rules::CRL_ENTRY,
            extension.extn_id,
        );
        if extension.extn_id != CrlReason::OID {
            continue;
        }
        match CrlReason::from_der(extension.extn_value.as_bytes()) {
            Ok(
                reason @ (CrlReason::Unspecified
                | CrlReason::RemoveFromCRL
                | CrlReason::CertificateHold),
            ) => found.add(&rules::CRL_REASON, format!("{reason:?}")),
            Ok(_) => {}
            Err(error) => found.add(&rules::CRL_REASON, error),
        }
    }
}

fn check_issuer(crl: &Crl, issuer: &Certificate, stage: Stage, found: &mut Findings) {
    let list = crl.list();
    found.demand(
        list.tbs_cert_list.issuer == *issuer.subject_name(),
        &rules::ISSUER_NAME,
        crl.issuer(),
    );
    let usage = issuer.extensions().key_usage.as_ref();
    found.demand(
        usage.is_some_and(|usage| usage.value.crl_sign()),
        &rules::CRL_SIGNER,
        issuer.subject(),
    );
    let named = list.tbs_cert_list.crl_extensions.iter().flatten();
    let named = named.filter(|one| one.extn_id == AuthorityKeyIdentifier::OID);
    for extension in named {
        let id = AuthorityKeyIdentifier::from_der(extension.extn_value.as_bytes());
        let id = id.ok().and_then(|id| id.key_identifier);
        found.demand(
            id.as_ref().map(|id| id.as_bytes()) == issuer.extensions().subject_key(),
            &rules::AKI_MATCH,
            "",
        );
    }
    let algorithm = SignatureAlgorithm::from_identifier(&list.signature_algorithm);
    if let (Ok(algorithm), Ok(key)) = (algorithm, issuer.public_key()) {
        found.demand(
            algorithm.fits(key.kind()),
            &rules::SIGNATURE,
            format!("{algorithm} by a {} key", key.kind()),
        );
    }
    if stage == Stage::Signed {
        let good = crl.verify(issuer);
        found.demand(good.is_ok(), &rules::SIGNATURE_VALUE, issuer.subject());
    }
}

const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

/// A root's list is made at a ceremony, once a year.
const ROOT_LIST_MS: i64 = 400 * 24 * 60 * 60 * 1000;
