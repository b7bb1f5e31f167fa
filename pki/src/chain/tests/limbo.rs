//! x509-limbo: the cases that bind any RFC 5280 validator, and the chains of real web sites.

use der::pem;
use serde_json::Value;
use x509_cert::ext::pkix::name::GeneralName;

use super::*;
use crate::revoke::Crl;
use const_oid::ObjectIdentifier;

#[test]
fn limbo_verdicts() {
    let Some(folder) = vectors("x509-limbo") else {
        return;
    };
    let file = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("limbo") && name.ends_with(".json") && !name.contains("schema")
        });
    let text = std::fs::read_to_string(file.unwrap()).unwrap();
    let suite: Value = serde_json::from_str(&text).unwrap();
    let mut cases = Vec::new();
    for case in suite["testcases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap().to_owned();
        let accept = case["expected_result"] == "SUCCESS";
        let kind = id.split("::").next().unwrap();
        let binding = kind != "webpki";
        let verdict = if binding { run(case) } else { Verdict::Skipped };
        cases.push(Case {
            id,
            accept,
            verdict,
        });
    }
    judge("x509-limbo", &cases);
}

fn run(case: &Value) -> Verdict {
    match try_run(case) {
        Ok(()) => Verdict::Accepted,
        Err(error) => Verdict::Rejected(error),
    }
}

fn try_run(case: &Value) -> Result<(), String> {
    let certs = |value: &Value| -> Vec<Certificate> {
        // A candidate that does not parse is as good as absent.
        let all = value.as_array().unwrap().iter();
        all.filter_map(|pem| Certificate::from_pem(pem.as_str().unwrap().as_bytes()).ok())
            .collect()
    };
    let crls = case["crls"].as_array().unwrap().iter().map(|text| {
        let (_, der) = pem::decode_vec(text.as_str().unwrap().as_bytes()).unwrap();
        Crl::parse(&der).map_err(|error| error.to_string())
    });
    let crls = crls.collect::<Result<Vec<_>, _>>()?;
    let leaf = case["peer_certificate"].as_str().unwrap();
    let leaf = Certificate::from_pem(leaf.as_bytes()).map_err(|error| error.to_string())?;
    let at = time(
        case["validation_time"]
            .as_str()
            .unwrap_or("2025-06-01T00:00:00Z"),
    );
    let mut question = question(at);
    question.purpose = Some(match case["validation_kind"].as_str().unwrap() {
        "SERVER" => ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1"),
        _ => ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2"),
    });
    if case["id"].as_str().unwrap().starts_with("online::") {
        // Authorities of the web are foreign ones, some older than the standard's marks.
        question.criticality = Criticality::Lenient;
    }
    if let Some(depth) = case["max_chain_depth"].as_u64() {
        question.depth_max = usize::try_from(depth).unwrap();
    }
    if !crls.is_empty() {
        question.revocation = RevocationPolicy::Required { grace_ms: 0 };
    }
    let store = Store::new(
        certs(&case["trusted_certs"]),
        certs(&case["untrusted_intermediates"]),
        crls,
    );
    ask(&store, &leaf, &question).map_err(|error| error.to_string())?;
    match case["expected_peer_name"]["value"].as_str() {
        Some(name) if !names(&leaf, name) => Err(format!("peer name is not {name}")),
        _ => Ok(()),
    }
}

/// RFC 6125 matching, which in the product is done by our role and name rules instead.
fn names(leaf: &Certificate, wanted: &str) -> bool {
    let san = leaf.extensions().subject_alt_name.as_ref();
    san.iter()
        .flat_map(|san| &san.value.0)
        .any(|name| match name {
            GeneralName::DnsName(name) => match name.as_str().strip_prefix("*.") {
                Some(stem) => wanted.split_once('.').is_some_and(|(_, rest)| rest == stem),
                None => name.as_str().eq_ignore_ascii_case(wanted),
            },
            GeneralName::IpAddress(bytes) => match wanted.parse::<std::net::IpAddr>() {
                Ok(std::net::IpAddr::V4(ip)) => ip.octets() == bytes.as_bytes(),
                Ok(std::net::IpAddr::V6(ip)) => ip.octets() == bytes.as_bytes(),
                Err(_) => false,
            },
            _ => false,
        })
}
