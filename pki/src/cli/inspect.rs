//! `tram-pki inspect`: any of our files in words. Reads, never judges.

use std::path::Path;

use pki::cert::Certificate;
use pki::csr;
use pki::revoke::Crl;
use serde_json::{Value, json};

use super::failure::Next;
use super::records;
use super::{Failure, Output};

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
                "{} is none of: certificate, revocation list, record, request",
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
        all.push(json!({
            "subject": cert.subject(), "issuer": cert.issuer(), "role": role, "dns_name": name,
            "not_before": cert.not_before().rfc3339(), "not_after": cert.not_after().rfc3339(),
            "serial": cert.serial_hex(), "sha256": cert.sha256().to_string(),
        }));
    }
    Some((text, json!({ "kind": "certificate", "certificates": all })))
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
