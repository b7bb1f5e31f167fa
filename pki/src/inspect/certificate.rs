//! Certificates, revocation lists and certificate requests in words.
//!
//! Owns: what is said of each. Extensions are read by another parser than the one that judges: what
//! is shown, a second implementation has understood; so foreign certificates that this network
//! refuses are shown too, with the reason. Fails with `None` for what is none of them.

use const_oid::AssociatedOid;
use der::{Decode, Encode};
use formats::id::Digest;
use formats::time::Timestamp;
use x509_cert::crl::RevokedCert;
use x509_cert::ext::pkix::CrlReason;
use x509_cert::request::CertReq;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, GeneralSubtree, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::Found;
use super::names::named;
use crate::algorithm::PublicKey;
use crate::cert::{Certificate, hex};
use crate::csr;
use crate::revoke::Crl;

/// A certificate.
pub(super) fn certificate(der: &[u8]) -> Option<Found> {
    let (rest, foreign) = X509Certificate::from_der(der).ok()?;
    let found = Found::new("certificate", "Certificate", "Chứng thư số");
    let found = match Certificate::parse(der) {
        Ok(cert) => ours(found, &cert),
        Err(error) => found
            .text(
                "subject",
                "subject",
                "chủ thể",
                foreign.subject().to_string(),
            )
            .text("issuer", "issuer", "nơi cấp", foreign.issuer().to_string())
            .sentence(
                "refused",
                ("not read by this network", "mạng không đọc"),
                error.to_string(),
                error.to_string(),
            ),
    };
    let found = found
        .text(
            "serial",
            "serial number",
            "số hiệu",
            hex(foreign.raw_serial()),
        )
        .time(
            "not_before",
            "valid from",
            "hiệu lực từ",
            moment(foreign.validity().not_before),
        )
        .time(
            "not_after",
            "valid to",
            "hiệu lực đến",
            moment(foreign.validity().not_after),
        )
        .text("key", "key", "khóa", key_words(foreign.public_key()))
        .text(
            "signature_algorithm",
            "signed with",
            "thuật toán ký",
            x509_oid(&foreign.signature_algorithm.algorithm),
        )
        .text("sha256", "SHA-256", "SHA-256", Digest::of(der).to_string())
        .many(
            "extensions",
            "extensions",
            "phần mở rộng",
            extensions(&foreign),
        );
    Some(if rest.is_empty() {
        found
    } else {
        found.text(
            "trailing",
            "bytes after it",
            "byte thừa",
            rest.len().to_string(),
        )
    })
}

fn ours(found: Found, cert: &Certificate) -> Found {
    let role = cert.role();
    let (word, en, vi) = match &role {
        Ok(role) => (role.as_str(), role.words().0, role.words().1),
        Err(_) => (
            "none",
            "not a role of this network",
            "không thuộc mạng Trạm",
        ),
    };
    let found = found
        .text("subject", "subject", "chủ thể", cert.subject())
        .text("issuer", "issuer", "nơi cấp", cert.issuer())
        .text("role", "role", "vai trò", word)
        .sentence("does", ("that is", "nghĩa là"), en, vi);
    match cert.dns_name() {
        Ok(name) => found.text("dns_name", "name", "tên miền", name),
        Err(_) => found,
    }
}

fn moment(at: x509_parser::time::ASN1Time) -> Timestamp {
    Timestamp::from_unix_ms(at.timestamp().saturating_mul(1000))
}

fn x509_oid(id: &x509_parser::der_parser::oid::Oid<'_>) -> String {
    let text = id.to_id_string();
    text.parse().map_or(text, named)
}

/// Kind and size of a key.
fn key_words(key: &SubjectPublicKeyInfo<'_>) -> String {
    let own = PublicKey::from_spki(key.raw).ok();
    match own {
        Some(key) => match key.modulus_bits() {
            Some(bits) => format!("{} {bits}", key.kind()),
            None => key.kind().to_string(),
        },
        None => {
            let kind = x509_oid(&key.algorithm.algorithm);
            format!("{kind}, not accepted here")
        }
    }
}

fn extensions(certificate: &X509Certificate<'_>) -> Vec<String> {
    let described = certificate.extensions().iter().map(|extension| {
        let critical = if extension.critical {
            " (critical)"
        } else {
            ""
        };
        let (name, value) = describe(extension.parsed_extension(), &extension.oid.to_id_string());
        format!("{name}{critical}: {value}")
    });
    described.collect()
}

fn describe(extension: &ParsedExtension<'_>, oid: &str) -> (&'static str, String) {
    let names = |names: &[GeneralName<'_>]| {
        let texts: Vec<String> = names
            .iter()
            .take(NAMES_MAX)
            .map(ToString::to_string)
            .collect();
        texts.join(", ")
    };
    match extension {
        ParsedExtension::BasicConstraints(basic) => {
            let length = basic
                .path_len_constraint
                .map_or_else(String::new, |most| format!(", at most {most} below"));
            let value = if basic.ca {
                format!("may issue{length}")
            } else {
                "may not issue".to_owned()
            };
            ("basic constraints", value)
        }
        ParsedExtension::ExtendedKeyUsage(usage) => ("extended key usage", purposes(usage)),
        ParsedExtension::KeyUsage(usage) => ("key usage", usage.to_string()),
        ParsedExtension::NameConstraints(limits) => {
            let trees = |trees: &Option<Vec<GeneralSubtree<'_>>>| {
                let bases = trees.iter().flatten().take(NAMES_MAX);
                bases
                    .map(|tree| tree.base.to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let (inside, outside) = (
                trees(&limits.permitted_subtrees),
                trees(&limits.excluded_subtrees),
            );
            (
                "name constraints",
                format!("only below [{inside}], never below [{outside}]"),
            )
        }
        ParsedExtension::SubjectAlternativeName(found) => {
            ("subject alternative names", names(&found.general_names))
        }
        ParsedExtension::AuthorityKeyIdentifier(id) => {
            let id = id.key_identifier.as_ref();
            (
                "authority key identifier",
                id.map_or_else(|| "set".to_owned(), |id| format!("{id:x}")),
            )
        }
        ParsedExtension::SubjectKeyIdentifier(id) => ("subject key identifier", format!("{id:x}")),
        ParsedExtension::CertificatePolicies(policies) => {
            let ids: Vec<String> = policies
                .iter()
                .map(|policy| policy.policy_id.to_id_string())
                .collect();
            ("certificate policies", ids.join(", "))
        }
        ParsedExtension::AuthorityInfoAccess(access) => {
            let all = access.accessdescs.iter().take(NAMES_MAX);
            let all: Vec<String> = all.map(|one| one.access_location.to_string()).collect();
            ("authority information access", all.join(", "))
        }
        _ => ("extension", oid.to_owned()),
    }
}

fn purposes(usage: &ExtendedKeyUsage<'_>) -> String {
    let mut all: Vec<String> = usage.other.iter().map(x509_oid).collect();
    for (set, name) in [
        (usage.any, "any"),
        (usage.server_auth, "serverAuth"),
        (usage.client_auth, "clientAuth"),
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ] {
        all.extend(set.then(|| name.to_owned()));
    }
    all.join(", ")
}

/// A revocation list.
pub(super) fn list(der: &[u8]) -> Option<Found> {
    let found = Found::new("crl", "Revocation list", "Danh sách thu hồi");
    match Crl::parse(der) {
        Ok(crl) => {
            let found = found
                .text("issuer", "issuer", "nơi cấp", crl.issuer())
                .time("this_update", "made", "lập lúc", crl.this_update());
            let found = match crl.next_update() {
                Some(next) => found.time("next_update", "next at the latest", "bản sau", next),
                None => found.text("next_update", "next at the latest", "bản sau", "never"),
            };
            let found = match crl.number() {
                // Tag and length, then the number.
                Some(number) => found.text(
                    "number",
                    "number",
                    "số",
                    number.get(4..).unwrap_or_default(),
                ),
                None => found,
            };
            let listed = crl
                .list()
                .tbs_cert_list
                .revoked_certificates
                .iter()
                .flatten();
            Some(
                found
                    .text(
                        "revoked",
                        "revoked",
                        "đã thu hồi",
                        crl.revoked().to_string(),
                    )
                    .many("entries", "entries", "mục thu hồi", listed.map(entry)),
            )
        }
        Err(error) => {
            let (_, crl) = CertificateRevocationList::from_der(der).ok()?;
            let revoked = crl.iter_revoked_certificates().count();
            Some(
                found
                    .text("issuer", "issuer", "nơi cấp", crl.issuer().to_string())
                    .time("this_update", "made", "lập lúc", moment(crl.last_update()))
                    .text("revoked", "revoked", "đã thu hồi", revoked.to_string())
                    .text(
                        "refused",
                        "not read by this network",
                        "mạng không đọc",
                        error.to_string(),
                    ),
            )
        }
    }
}

fn entry(entry: &RevokedCert) -> String {
    let serial = hex(entry.serial_number.as_bytes());
    let at = crate::cert::timestamp(entry.revocation_date);
    let extensions = entry.crl_entry_extensions.iter().flatten();
    let reason = extensions
        .filter(|one| one.extn_id == CrlReason::OID)
        .find_map(|one| CrlReason::from_der(one.extn_value.as_bytes()).ok());
    let reason = reason.map_or_else(|| "unspecified".to_owned(), |one| format!("{one:?}"));
    format!("{serial} {} {reason}", at.rfc3339())
}

/// A certificate request.
pub(super) fn request(der: &[u8]) -> Option<Found> {
    let request = CertReq::from_der(der).ok()?;
    let spki = request.info.public_key.to_der().ok()?;
    let (_, key) = SubjectPublicKeyInfo::from_der(&spki).ok()?;
    let found = Found::new("request", "Certificate request", "Yêu cầu cấp chứng thư")
        .text(
            "subject",
            "subject (not used)",
            "chủ thể (không dùng)",
            request.info.subject.to_string(),
        )
        .text("key", "key", "khóa", key_words(&key))
        .text(
            "key_sha256",
            "key SHA-256",
            "SHA-256 của khóa",
            Digest::of(&spki).to_string(),
        );
    let label = (
        "proof that the requester holds the key",
        "chứng minh giữ khóa",
    );
    Some(match csr::requested_key(der) {
        Ok(_) => found.sentence("proof", label, "holds", "đúng"),
        Err(error) => found.sentence("proof", label, error.to_string(), format!("sai: {error}")),
    })
}

/// Names of one extension that are shown.
const NAMES_MAX: usize = 20;
