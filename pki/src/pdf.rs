//! Signatures inside PDF documents: who signed, and whether to believe it.
//!
//! Owns: [`check`], which finds every signature of a document through its form, checks what it
//! covers, its CMS object, its signer, its time, and what was added afterwards, and says valid,
//! invalid or unknown for each (PAdES, ETSI EN 319 142-1; ISO 32000-2 section 12.8). A document is
//! never refused here: what cannot be read is unknown, with a reason. The PDF reader is small on
//! purpose: it reads the structure that signatures rest on, within [`limits`], from a file that is
//! never held in memory, and repairs nothing. Readers that are made for showing documents guess
//! around damage, keep the file in memory and see only its last revision; a check of signatures
//! needs the opposite.
//!
//! Fails: never. Must not know the network's own roles: being believed here makes nobody anybody.

mod certificate_id;
mod changes;
mod cms;
mod compare;
mod document;
mod filter;
mod form;
mod limits;
mod object;
mod permission;
mod range;
mod report;
mod signature;
mod source;
pub(crate) mod tlv;
pub(crate) mod token;
mod trust;
mod xref;

#[cfg(test)]
mod tests;

use std::io::{Read, Seek};

use formats::time::Timestamp;

use crate::cert::Certificate;
use document::{Document, Sections};
use form::Form;
use object::{Dictionary, Object};
use signature::{Check, Found};
use source::{Fault, Source};
use trust::Evidence;

pub use report::{
    Changes, Coverage, Integrity, Language, PdfReport, PdfSignature, Problem, Reason, Revocation,
    Signer, Stamp, Verdict,
};
pub use trust::Anchors;

/// Checks all signatures of a document of `bytes` bytes. Memory stays small whatever the length;
/// every signature reads the file once more.
pub fn check(
    mut file: impl Read + Seek,
    bytes: u64,
    anchors: &Anchors,
    now: Timestamp,
) -> PdfReport {
    let mut report = PdfReport::default();
    let mut source = Source::new(&mut file, bytes);
    if let Err(fault) = run(&mut source, anchors, now, &mut report) {
        let problem = match fault {
            Fault::Io => Problem::Unreadable,
            Fault::Limit(_) => Problem::Limit,
            Fault::Malformed(_) => Problem::Structure,
        };
        report.problems.push(problem);
    }
    report
}

fn run(
    source: &mut Source<'_>,
    anchors: &Anchors,
    now: Timestamp,
    report: &mut PdfReport,
) -> Result<(), Fault> {
    let head = source.load(0, HEAD_BYTES)?;
    if !head.starts_with(HEAD) {
        let later = head.windows(HEAD.len()).any(|window| window == HEAD);
        // Readers count places from the head; where it is not first, they and we might see two
        // different documents.
        report.problems.push(if later {
            Problem::Structure
        } else {
            Problem::NotPdf
        });
        return Ok(());
    }
    let mut sections = Sections::default();
    let end = source.bytes();
    let mut document = Document::open(source, &mut sections, end)?;
    let encrypted = document.trailer().get("Encrypt").is_some();
    if encrypted {
        report.problems.push(Problem::Encrypted);
    }
    let found = match signatures(&mut document, source) {
        Ok(found) => found,
        // Object streams of encrypted documents do not read; that is said already.
        Err(Fault::Malformed(_)) if encrypted => return Ok(()),
        Err(other) => return Err(other),
    };
    if found.len() > limits::SIGNATURES_MAX {
        report.problems.push(Problem::Limit);
    }
    let evidence = if found.is_empty() {
        Evidence::default()
    } else {
        stored(&mut document, source).unwrap_or_default()
    };
    let mut check = Check {
        source,
        sections: &mut sections,
        document: &mut document,
        evidence: &evidence,
        anchors,
        now,
        encrypted,
        left: limits::COMPARED_MAX,
        seen: Vec::new(),
    };
    // Time-stamps first, latest first: what they prove helps the signatures before them.
    let mut order: Vec<usize> = (0..found.len().min(limits::SIGNATURES_MAX)).collect();
    order.sort_by_key(|index| !found.get(*index).is_some_and(Found::is_stamp));
    let mut done = Vec::new();
    for index in order {
        if let Some(one) = found.get(index) {
            done.push((index, check.examine(one)));
        }
    }
    done.sort_by_key(|(index, _)| *index);
    report.signatures = done.into_iter().map(|(_, one)| one).collect();
    Ok(())
}

/// Every signature that the form or the catalog's permissions name.
fn signatures(document: &mut Document, source: &mut Source<'_>) -> Result<Vec<Found>, Fault> {
    let form = Form::read(document, source)?;
    let mut all: Vec<Found> = Vec::new();
    for node in &form.nodes {
        if node.kind != b"Sig" || node.widget {
            continue;
        }
        if let Some(value) = node.dictionary.get("V") {
            add(document, source, &mut all, node.name.clone(), value)?;
        }
    }
    let catalog = document.catalog(source)?;
    if let Some(permissions) = document.dictionary(source, &catalog, "Perms")?
        && let Some(value) = permissions.get("DocMDP")
    {
        let known =
            matches!(value, Object::Reference(id) if all.iter().any(|one| one.id == Some(*id)));
        if !known {
            add(document, source, &mut all, "DocMDP".to_owned(), value)?;
        }
    }
    Ok(all)
}

fn add(
    document: &mut Document,
    source: &mut Source<'_>,
    all: &mut Vec<Found>,
    field: String,
    value: &Object,
) -> Result<(), Fault> {
    let id = match value {
        Object::Reference(id) => Some(*id),
        _ => None,
    };
    if all.len() > limits::SIGNATURES_MAX {
        return Ok(());
    }
    // What is no dictionary is reported as an unreadable signature, not passed over.
    let dictionary = match document.resolve(source, value) {
        Ok(Object::Null) => return Ok(()),
        Ok(Object::Dictionary(dictionary)) => dictionary,
        Ok(_) | Err(Fault::Malformed(_)) => Dictionary::default(),
        Err(other) => return Err(other),
    };
    all.push(Found {
        field,
        id,
        dictionary,
    });
    Ok(())
}

/// Certificates and revocation data in the document security store (ISO 32000-2 section 12.8.4.3).
/// What is kept per signature (VRI) stands in these lists too.
fn stored(document: &mut Document, source: &mut Source<'_>) -> Result<Evidence, Fault> {
    let mut evidence = Evidence::default();
    let catalog = document.catalog(source)?;
    let Some(store) = document.dictionary(source, &catalog, "DSS")? else {
        return Ok(evidence);
    };
    for key in ["Certs", "CRLs", "OCSPs"] {
        let all = document.array(source, &store, key).unwrap_or_default();
        for one in all.iter().take(limits::REVOCATIONS_MAX) {
            let Ok(Object::Stream(dictionary, at)) = document.resolve(source, one) else {
                continue;
            };
            let Ok(data) = document.data(source, &dictionary, at) else {
                continue;
            };
            match key {
                "Certs" => {
                    if let Ok(certificate) = Certificate::parse(&data) {
                        evidence.add_certificate(certificate);
                    }
                }
                "CRLs" => evidence.add_crl(&data),
                _ => evidence.add_answer(&data),
            }
        }
    }
    Ok(evidence)
}

const HEAD: &[u8] = b"%PDF-";
/// Where readers look for the head (ISO 32000-1 annex H.3, note 13).
const HEAD_BYTES: u64 = 1024;

/// The certificate that a detached signature over `content` is by, whoever that is: the reader of
/// document signatures, for suites of signed messages.
#[cfg(test)]
pub(crate) fn signer_of(signature: &[u8], content: &[u8]) -> Result<Certificate, String> {
    let told = |reason| format!("{reason:?}");
    let cms = cms::Cms::parse(signature).map_err(told)?;
    let certificate = cms.signer_certificate().map_err(told)?;
    let algorithm = cms.digest.implementation().ok_or("no such digest")?;
    let digest = aws_lc_rs::digest::digest(algorithm, content);
    cms.verify(&certificate, &digest).map_err(told)?;
    Ok(certificate)
}
