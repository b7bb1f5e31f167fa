//! Time-stamps of foreign authorities: good ones, and ones that were tampered with.

use std::path::Path;

use aws_lc_rs::digest;

use super::super::cms::Cms;
use super::super::report::Stamp;
use super::super::tlv::{self, Tlv};
use super::super::trust::{self, Anchors, Evidence};
use crate::cert::Certificate;
use crate::suite::{Case, judge, vectors};
use formats::time::Timestamp;

#[test]
fn tsp_verdicts() {
    let Some(folder) = vectors("tsp/rfc3161-client") else {
        return;
    };
    let mut cases = Vec::new();
    let mut scenes: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|one| one.unwrap().path())
        .collect();
    scenes.sort();
    for scene in scenes.iter().filter(|path| path.is_dir()) {
        cases.extend(scene_cases(scene));
    }
    judge("tsp", &cases);
}

fn scene_cases(folder: &Path) -> Vec<Case> {
    let mut names: Vec<String> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".tsr"))
        .collect();
    names.sort();
    let chain = Certificate::load_all(&folder.join("ts_chain.pem")).unwrap();
    let scene = folder.file_name().unwrap().to_string_lossy().into_owned();
    let mut cases = Vec::new();
    for name in &names {
        let response = std::fs::read(folder.join(name)).unwrap();
        // A token without its signer's certificate is no answer to a request that asks for it, as
        // ours do (RFC 3161 section 2.4.1); one with a second certificate that calls itself like
        // the signer's is a trap for whoever takes the wrong one.
        let bad = ["invalid", "injected", "no-embedded"];
        // The other response is of a hierarchy that was made anew and whose chain is not here.
        let stranger = name.starts_with("other_");
        let accept = !stranger && !bad.iter().any(|word| name.contains(word));
        let id = format!("{scene}/{name}");
        let nonce = (scene == "test_tsa").then(|| request_nonce(folder, name));
        let nonce = nonce.as_deref();
        let verdict = judged(&response, b"hello", &chain, nonce);
        cases.push(Case::new(id.clone(), accept, verdict));
        let verdict = judged(&response, b"hallo", &chain, nonce);
        cases.push(Case::new(format!("{id} over other data"), false, verdict));
        let verdict = judged(&response, b"hello", &[], nonce);
        cases.push(Case::new(
            format!("{id} by nobody believed"),
            false,
            verdict,
        ));
        let verdict = judged(&response, b"hello", &chain, Some(b"\x01"));
        cases.push(Case::new(
            format!("{id} for another request"),
            false,
            verdict,
        ));
    }
    cases
}

/// The nonce of the request beside a response: the last INTEGER of the request.
fn request_nonce(folder: &Path, name: &str) -> Vec<u8> {
    let file = match name.strip_prefix("other_") {
        Some(_) => "other_request.der",
        None => "request.der",
    };
    let request = std::fs::read(folder.join(file)).unwrap();
    let parts = Tlv::first(&request).unwrap().0.children(6).unwrap();
    let mut integers = parts.iter().filter(|part| part.tag == tlv::INTEGER);
    integers.next_back().unwrap().content.to_vec()
}

fn judged(
    response: &[u8],
    data: &[u8],
    chain: &[Certificate],
    nonce: Option<&[u8]>,
) -> Result<(), String> {
    let parts = Tlv::first(response).ok_or("unreadable")?.0.children(2);
    let [status, token] = parts.ok_or("unreadable")?[..] else {
        return Err("no token".to_owned());
    };
    let status = Tlv::first(status.content).ok_or("unreadable")?.0;
    if !matches!(status.content, [0 | 1]) {
        return Err("not granted".to_owned());
    }
    let cms = Cms::parse(token.whole).map_err(|reason| format!("{reason:?}"))?;
    let stamped = trust::stamped(&cms).ok_or("not TSTInfo")?;
    if let Some(nonce) = nonce {
        let info = Tlv::first(cms.content.ok_or("empty")?)
            .ok_or("unreadable")?
            .0;
        let parts = info.children(10).ok_or("unreadable")?;
        let mut integers = parts.iter().filter(|part| part.tag == tlv::INTEGER);
        if integers.next_back().map(|part| part.content) != Some(nonce) {
            return Err("another nonce".to_owned());
        }
    }
    let algorithm = stamped.digest.implementation().ok_or("no such digest")?;
    let wanted = digest::digest(algorithm, data);
    let (roots, others): (Vec<_>, Vec<_>) =
        chain.iter().cloned().partition(Certificate::is_self_issued);
    let mut evidence = Evidence::default();
    for other in others {
        evidence.add_certificate(other);
    }
    let now = Timestamp::parse_rfc3339("2026-11-22T00:00:00.000Z").unwrap();
    let token = trust::verify_token(
        &cms,
        &stamped,
        &wanted,
        &Anchors::new(roots),
        &evidence,
        now,
    );
    match token.stamp {
        Stamp::Verified => Ok(()),
        other => Err(format!("{other:?} {:?}", token.reason)),
    }
}
