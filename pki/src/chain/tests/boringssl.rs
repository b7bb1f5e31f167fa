//! BoringSSL's verify_certificate_chain cases.

use std::collections::BTreeSet;

use const_oid::ObjectIdentifier;

use super::super::path::{Anchor, AnchorExtensions};
use super::super::policy::Flag;
use super::*;
use crate::algorithm::legacy::with_legacy;

#[test]
fn boringssl_verdicts() {
    let Some(folder) = vectors("boringssl-chains") else {
        return;
    };
    let mut cases = Vec::new();
    let mut files = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    files.sort();
    for file in files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "test"))
    {
        let text = std::fs::read_to_string(file).unwrap();
        let id = file.strip_prefix(&folder).unwrap().display().to_string();
        let errors = text
            .split_once("expected_errors:")
            .map_or("", |(_, rest)| rest);
        let accept = !errors.contains("ERROR:");
        let verdict = run(file, &text);
        cases.push(Case {
            id,
            accept,
            verdict,
        });
    }
    judge("boringssl-chains", &cases);
}

fn run(file: &Path, text: &str) -> Verdict {
    let value = |key: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(key));
        found
            .unwrap_or_default()
            .trim_start_matches(':')
            .trim()
            .to_owned()
    };
    if value("last_cert_trust").contains("LEAF") || value("key_purpose").contains("MLS") {
        return Verdict::Skipped;
    }
    // Some cases were signed with SHA-1 or RSA of 1024 bits; they are about something else.
    with_legacy(|| try_run(file, &value)).into()
}

fn try_run(file: &Path, value: &dyn Fn(&str) -> String) -> Result<(), String> {
    let pem = std::fs::read(file.with_file_name(value("chain"))).unwrap();
    let mut chain = Certificate::all_from_pem(&pem).map_err(|error| error.to_string())?;
    if chain.len() < 2 {
        return Err("a single certificate is no path".to_owned());
    }
    let root = chain.pop().unwrap();
    let leaf = chain.remove(0);
    let at = match value("utc_time").as_str() {
        "DEFAULT" => "2021-10-05T12:00:00Z".to_owned(),
        utc => format!(
            "20{}-{}-{}T{}:{}:{}Z",
            &utc[0..2],
            &utc[2..4],
            &utc[4..6],
            &utc[6..8],
            &utc[8..10],
            &utc[10..12]
        ),
    };
    let mut question = question(time(&at));
    question.criticality = Criticality::Lenient;
    question.policy = policy(value);
    question.purpose = match value("key_purpose").as_str() {
        purpose if purpose.starts_with("SERVER") => Some("1.3.6.1.5.5.7.3.1"),
        purpose if purpose.starts_with("CLIENT") => Some("1.3.6.1.5.5.7.3.2"),
        _ => None,
    }
    .map(ObjectIdentifier::new_unwrap);
    // "Strict" demands the extension; our roles always do.
    let usages = leaf.extensions().extended_key_usage.as_ref();
    let own = |oid: &ObjectIdentifier| {
        ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"].contains(&oid.to_string().as_str())
    };
    let plain = usages.is_some_and(|usages| usages.value.0.iter().all(own));
    if value("key_purpose").contains("STRICT") && !plain {
        return Err("extended key usage is not for TLS only".to_owned());
    }
    let store = match anchor(&value("last_cert_trust")) {
        Some(anchor) => {
            question.anchor = anchor;
            Store::new(vec![root], chain, Vec::new())
        }
        None => {
            chain.push(root);
            Store::new(Vec::new(), chain, Vec::new())
        }
    };
    ask(&store, &leaf, &question)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// What of the last certificate binds; none when it is not trusted.
fn anchor(trust: &str) -> Option<Anchor> {
    if !trust.starts_with("TRUSTED_ANCHOR") {
        return None;
    }
    let has = |word: &str| trust.contains(word);
    Some(Anchor {
        validity_binds: has("EXPIRATION"),
        extensions: match (has("REQUIRE_BASIC_CONSTRAINTS"), has("CONSTRAINTS")) {
            (true, _) => AnchorExtensions::Demanded,
            (false, true) => AnchorExtensions::WhereGiven,
            (false, false) => AnchorExtensions::Ignored,
        },
    })
}

fn policy(value: &dyn Fn(&str) -> String) -> PolicyInput {
    let flag = |key: &str| match value(key).as_str() {
        "TRUE" | "true" => Flag::Now,
        _ => Flag::Later,
    };
    let acceptable = value("user_initial_policy_set");
    let acceptable = acceptable.split(',').map(str::trim);
    let acceptable: BTreeSet<ObjectIdentifier> = acceptable
        .filter(|oid| !oid.is_empty() && *oid != "anyPolicy")
        .map(ObjectIdentifier::new_unwrap)
        .collect();
    PolicyInput {
        acceptable: (!acceptable.is_empty()).then_some(acceptable),
        explicit: flag("initial_explicit_policy"),
        inhibit_any: flag("initial_any_policy_inhibit"),
        inhibit_mapping: flag("initial_policy_mapping_inhibit"),
    }
}
