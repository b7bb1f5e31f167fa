//! CMS objects by others: read by the door for foreign document signatures, by the door for our own
//! packets (strict DER, signed attributes), and what must open nothing.

use std::path::Path;

use aws_lc_rs::digest;
use der::pem;

use super::super::cms::Cms;
use super::super::report::Reason;
use crate::algorithm::legacy::with_legacy;
use crate::cert::Certificate;
use crate::fixture::files;
use crate::key::DecryptionKey;
use crate::sign::Parsed;
use crate::suite::{Case, Verdict, judge, vectors};

#[test]
fn cms_verdicts() {
    let Some(folder) = vectors("cms") else {
        return;
    };
    let mut cases = readable(&folder.join("rustcrypto"));
    cases.extend(with_legacy(|| malformed(&folder.join("openssl-malformed"))));
    judge("cms", &cases);
}

/// What a file is, by its content.
enum Kind {
    Certificate,
    Other,
    Request,
    SignedData,
}

fn kind(name: &str, bytes: &[u8]) -> Kind {
    let begins = |label: &[u8]| {
        bytes
            .windows(label.len())
            .take(64)
            .any(|part| part == label)
    };
    if begins(SIGNED_DATA) {
        Kind::SignedData
    } else if name.ends_with("csr.der") {
        Kind::Request
    } else if begins(b"BEGIN CERTIFICATE")
        || ((name.ends_with(".crt") || name.ends_with("cert.der")) && bytes.starts_with(&[0x30]))
    {
        Kind::Certificate
    } else {
        Kind::Other
    }
}

fn readable(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bytes) in files(folder) {
        if name.starts_with("LICENSE") || name.ends_with(".txt") {
            continue;
        }
        let id = |door: &str| format!("rustcrypto/{name} {door}");
        match kind(&name, &bytes) {
            Kind::SignedData => {
                let documents = Cms::parse(&bytes).map_err(told);
                cases.push(Case::new(id("as a document's"), true, documents));
                cases.push(Case::new(id("as a packet's"), true, Parsed::parse(&bytes)));
            }
            Kind::Certificate => {
                let read = Certificate::load(&folder.join(&name));
                cases.push(Case::new(id("as a certificate"), true, read));
            }
            Kind::Request => {
                let read = with_legacy(|| crate::csr::requested_key(&bytes));
                cases.push(Case::new(id("as a request"), true, read));
            }
            Kind::Other => cases.push(Case::new(id("").trim(), true, Verdict::Skipped)),
        }
    }
    cases
}

fn malformed(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bytes) in files(folder) {
        let der = match pem::decode_vec(&bytes) {
            Ok(("PKCS7" | "CMS", der)) => der,
            Ok(_) => continue,
            Err(_) => bytes,
        };
        if name.starts_with("LICENSE") {
            continue;
        }
        let id = |door: &str| format!("openssl-malformed/{name} {door}");
        cases.push(Case::new(id("as a document's"), false, believed(&der)));
        cases.push(Case::new(id("as a packet's"), false, Parsed::parse(&der)));
        cases.push(Case::new(id("as a capsule"), false, opened(folder, &der)));
    }
    cases
}

/// The whole check of a signature with its content inside, but for who the signer is.
fn believed(der: &[u8]) -> Result<(), String> {
    let cms = Cms::parse(der).map_err(told)?;
    let certificate = cms.signer_certificate().map_err(told)?;
    let algorithm = cms.digest.implementation().ok_or("no such digest")?;
    let content = digest::digest(algorithm, cms.content.unwrap_or_default());
    cms.verify(&certificate, &content).map_err(told)
}

fn opened(folder: &Path, der: &[u8]) -> Result<(), String> {
    // Any recipient's key and certificate will do: the object must fail before or at it.
    let key = DecryptionKey::generate().unwrap();
    let certificate = Certificate::load(&folder.join("ecdh-cert.pem")).unwrap();
    let context = formats::id::Digest::of(b"");
    crate::seal::open_capsule(der, &key, &certificate, context)
        .map(drop)
        .map_err(|error| error.to_string())
}

fn told(reason: Reason) -> String {
    format!("{reason:?}")
}

/// `id-signedData`.
const SIGNED_DATA: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02,
];
