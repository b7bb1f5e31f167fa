//! `tram-pki inspect`: any of our files in words. Reads, never judges.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use pki::cert::Certificate;
use pki::csr;
use pki::revoke::Crl;
use serde_json::{Value, json};
use x509_parser::extensions::{GeneralName, GeneralSubtree, ParsedExtension};

use super::failure::Next;
use super::records;
use super::{Failure, Output};

/// Whether a file says that it is a PDF.
pub(super) fn is_pdf(file: &Path) -> bool {
    let mut head = [0; 5];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *b"%PDF-"
}

pub(super) fn run(file: &Path) -> Result<Output, Failure> {
    let bytes = std::fs::read(file).next("give the path of a file")?;
    let found = certificates(&bytes)
        .or_else(|| crl(&bytes))
        .or_else(|| records::describe(&bytes))
        .or_else(|| request(&bytes));
    match found {
        Some((text, json)) => Ok(Output::new(text, json)),
        None => Err(Failure::new(
            format!(
                "{} is none of: certificate, revocation list, record, request, PDF",
                file.display()
            ),
            "private keys are never shown; for other files use `openssl asn1parse`",
        )),
    }
}

fn certificates(bytes: &[u8]) -> Option<(String, Value)> {
    let certs = match Certificate::parse(bytes) {
        Ok(cert) => vec![cert],
        Err(_) => Certificate::all_from_pem(bytes)
            .ok()
            .filter(|certs| !certs.is_empty())?,
    };
    let mut text = String::new();
    let mut all = Vec::new();
    for cert in &certs {
        let (role, en, vi) = match cert.role() {
            Ok(role) => (role.as_str(), role.words().0, role.words().1),
            Err(_) => (
                "none",
                "not a role of this network",
                "không thuộc mạng Trạm",
            ),
        };
        let name = cert.dns_name().unwrap_or("(none)");
        text += &format!(
            "Certificate (chứng thư): {}\n  role (vai trò): {role} — {en} ({vi})\n  \
             name (tên miền): {name}\n  issuer (nơi cấp): {}\n  \
             valid (hiệu lực): {} – {}, Vietnam time\n  serial: {}\n  sha256: {}\n",
            cert.subject(),
            cert.issuer(),
            cert.not_before().vietnam(),
            cert.not_after().vietnam(),
            cert.serial_hex(),
            cert.sha256()
        );
        let extensions = extensions(cert.der());
        for one in &extensions {
            text += &format!("  {one}\n");
        }
        all.push(json!({
            "subject": cert.subject(), "issuer": cert.issuer(), "role": role, "dns_name": name,
            "not_before": cert.not_before().rfc3339(), "not_after": cert.not_after().rfc3339(),
            "serial": cert.serial_hex(), "sha256": cert.sha256().to_string(),
            "extensions": extensions,
        }));
    }
    Some((text, json!({ "kind": "certificate", "certificates": all })))
}

/// The extensions one by one, read by another parser than the one that judges: what this shows, a second
/// implementation has understood.
fn extensions(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(der) else {
        return Vec::new();
    };
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
        let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
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
        ParsedExtension::ExtendedKeyUsage(usage) => {
            let mut all: Vec<String> = usage.other.iter().map(ToString::to_string).collect();
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
            ("extended key usage", all.join(", "))
        }
        ParsedExtension::KeyUsage(usage) => ("key usage", usage.to_string()),
        ParsedExtension::NameConstraints(limits) => {
            let trees = |trees: &Option<Vec<GeneralSubtree<'_>>>| {
                let bases = trees.iter().flatten().map(|tree| tree.base.to_string());
                bases.collect::<Vec<_>>().join(", ")
            };
            let (inside, outside) = (
                trees(&limits.permitted_subtrees),
                trees(&limits.excluded_subtrees),
            );
            let value = format!("only below [{inside}], never below [{outside}]");
            ("name constraints", value)
        }
        ParsedExtension::SubjectAlternativeName(found) => {
            ("subject alternative names", names(&found.general_names))
        }
        ParsedExtension::AuthorityKeyIdentifier(_) => ("authority key identifier", "set".into()),
        ParsedExtension::SubjectKeyIdentifier(id) => ("subject key identifier", format!("{id:x}")),
        ParsedExtension::CertificatePolicies(policies) => {
            let ids: Vec<String> = policies
                .iter()
                .map(|policy| policy.policy_id.to_id_string())
                .collect();
            ("certificate policies", ids.join(", "))
        }
        _ => ("extension", oid.to_owned()),
    }
}

fn crl(bytes: &[u8]) -> Option<(String, Value)> {
    let crl = Crl::parse(bytes).ok()?;
    let next = crl.next_update();
    let text = format!(
        "Revocation list (danh sách thu hồi): {}\n  made (lập lúc): {}\n  \
         next at the latest (bản sau): {}\n  revoked (đã thu hồi): {}\n",
        crl.issuer(),
        crl.this_update().vietnam(),
        next.map_or_else(|| "never".to_owned(), |next| next.vietnam()),
        crl.revoked()
    );
    let json = json!({
        "kind": "crl", "issuer": crl.issuer(), "this_update": crl.this_update().rfc3339(),
        "next_update": next.map(|next| next.rfc3339()), "revoked": crl.revoked(),
    });
    Some((text, json))
}

fn request(bytes: &[u8]) -> Option<(String, Value)> {
    let spki = csr::requested_key(bytes).ok()?;
    let digest = formats::id::Digest::of(&spki);
    let text = format!("Certificate request (yêu cầu cấp chứng thư), key SHA-256 {digest}\n");
    Some((
        text,
        json!({ "kind": "request", "key_sha256": digest.to_string() }),
    ))
}
