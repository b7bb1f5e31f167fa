//! OCSP answers and requests by others: openssl's, with a verdict in each file name, and ones that
//! must only be read.

use std::path::Path;

use der::pem;

use super::*;
use crate::algorithm::legacy::with_legacy;
use crate::chain::names::same_name;
use crate::revoke::Crl;
use crate::suite::{Case, Verdict, judge, vectors};

#[test]
fn ocsp_verdicts() {
    let Some(folder) = vectors("ocsp") else {
        return;
    };
    // The answers are of 2012 and signed with SHA-1; what they are about is something else.
    let mut cases = with_legacy(|| openssl_cases(&folder.join("openssl")));
    cases.extend(read_only_cases(&folder.join("rustcrypto")));
    judge("ocsp", &cases);
}

/// Each answer against the authority of its own hierarchy, and the good ones against authorities
/// that were tampered with.
fn openssl_cases(folder: &Path) -> Vec<Case> {
    let names = names(folder);
    let mut cases = Vec::new();
    for answer in names.iter().filter(|name| name.ends_with(".ors")) {
        let stem = answer.trim_end_matches(".ors");
        let (kind, scene) = stem.split_once('_').unwrap_or(("", stem));
        let own = names.iter().filter(|name| {
            let issuer = name.strip_prefix(scene).unwrap_or_default();
            issuer.starts_with("_Issuer_")
        });
        for issuer in own {
            let verdict = judged(folder, answer, scene, issuer, &names);
            cases.push(Case::new(
                format!("openssl/{stem} by {issuer}"),
                kind.is_empty(),
                verdict,
            ));
        }
    }
    for issuer in names.iter().filter(|name| name.contains("_Issuer_")) {
        let Some((kind, rest)) = issuer.split_once('_') else {
            continue;
        };
        // A wrong subject name, a wrong key, an invalid signature of the issuer's certificate. The
        // last is no fault here: whoever asks believes the authority already.
        let accept = match kind {
            "ISIC" => true,
            "WKIC" | "WSNIC" => false,
            _ => continue,
        };
        let (scene, _) = rest.split_once('_').unwrap();
        let answer = format!("{scene}.ors");
        let verdict = judged(folder, &answer, scene, issuer, &names);
        cases.push(Case::new(
            format!("openssl/{scene} by {issuer}"),
            accept,
            verdict,
        ));
    }
    cases
}

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn judged(
    folder: &Path,
    answer: &str,
    scene: &str,
    issuer: &str,
    names: &[String],
) -> Result<(), String> {
    let prefix = format!("{scene}_Cert_");
    let subject = names.iter().find(|name| name.starts_with(&prefix)).unwrap();
    let subject = Certificate::load(&folder.join(subject)).unwrap();
    let issuers = Certificate::load_all(&folder.join(issuer)).map_err(|error| error.to_string())?;
    let text = std::fs::read_to_string(folder.join(answer)).unwrap();
    let body: String = text.split_whitespace().collect();
    let lines: Vec<&str> = (0..body.len())
        .step_by(64)
        .map(|at| &body[at..body.len().min(at + 64)])
        .collect();
    let armour = format!(
        "-----BEGIN OCSP RESPONSE-----\n{}\n-----END OCSP RESPONSE-----\n",
        lines.join("\n")
    );
    let (_, der) = pem::decode_vec(armour.as_bytes()).unwrap();
    let response = Response::parse(&der).map_err(|error| error.to_string())?;
    // Some files hold the issuer and its own authority.
    let issuer = issuers
        .iter()
        .find(|issuer| same_name(issuer.subject_name(), subject.issuer_name()))
        .ok_or("no certificate of the issuer")?;
    response.verify(issuer).map_err(|error| error.to_string())?;
    let about = response
        .about(&subject, issuer)
        .ok_or("it is about another certificate")?;
    if about.status != Status::Good || !about.is_fresh(response.produced_at(), 0) {
        return Err(format!("{:?}", about.status));
    }
    Ok(())
}

/// Everything in the folder reads as what its name says.
fn read_only_cases(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for name in names(folder) {
        let Some(stem) = name.strip_suffix(".der") else {
            continue;
        };
        let der = std::fs::read(folder.join(&name)).unwrap();
        let verdict = if stem.ends_with("-key") {
            Verdict::Skipped
        } else if stem.ends_with("-req") {
            Request::parse(&der).into()
        } else if stem.ends_with("-crl") {
            Crl::parse(&der).into()
        } else if stem.ends_with("-res") || stem.ends_with("-resp") {
            Response::parse(&der).into()
        } else if stem.starts_with("ocsp-") {
            match Response::parse(&der) {
                Err(OcspError::Error(_)) => Verdict::Accepted,
                other => Verdict::Rejected(format!("{other:?}")),
            }
        } else {
            Certificate::parse(&der).into()
        };
        cases.push(Case::new(format!("rustcrypto/{name}"), true, verdict));
    }
    cases
}
