//! NIST PKITS, sections 4.1 to 4.16.

use const_oid::ObjectIdentifier;
use serde_json::Value;

use super::super::policy::Flag;
use super::*;
use crate::revoke::Crl;

#[test]
fn pkits_verdicts() {
    let Some(folder) = vectors("pkits") else {
        return;
    };
    let file = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        });
    let suite: Value =
        serde_json::from_str(&std::fs::read_to_string(file.unwrap()).unwrap()).unwrap();
    let root = Certificate::load(&folder.join(suite["trust_anchor"].as_str().unwrap())).unwrap();
    let root_crl = folder.join("crls/TrustAnchorRootCRL.crl");
    let mut cases = Vec::new();
    for case in suite["tests"].as_array().unwrap() {
        let id = format!(
            "{} {}",
            case["id"].as_str().unwrap(),
            case["name"].as_str().unwrap()
        );
        let accept = case["expect"] == "accept";
        let verdict = match run(&folder, case, &root, &root_crl) {
            Ok(()) => Verdict::Accepted,
            Err(error) => Verdict::Rejected(error),
        };
        cases.push(Case {
            id,
            accept,
            verdict,
        });
    }
    judge("pkits", &cases);
}

fn run(folder: &Path, case: &Value, root: &Certificate, root_crl: &Path) -> Result<(), String> {
    let load = |name: &Value| {
        Certificate::load(&folder.join("certs").join(name.as_str().unwrap()))
            .map_err(|error| error.to_string())
    };
    let leaf = load(&case["target"])?;
    let intermediates = case["intermediates"].as_array().unwrap().iter();
    let intermediates = intermediates.map(load).collect::<Result<Vec<_>, _>>()?;
    let mut crls = Vec::new();
    let names = case["crls"].as_array().unwrap().iter();
    let files = names.map(|name| folder.join("crls").join(name.as_str().unwrap()));
    for file in files.chain([root_crl.to_path_buf()]) {
        // A list that we do not understand is as good as absent.
        if let Ok(crl) = Crl::parse_any(&std::fs::read(file).unwrap()) {
            crls.push(crl);
        }
    }
    let mut question = question(time("2022-06-01T00:00:00Z"));
    question.criticality = Criticality::Lenient;
    if case["use_crls"] == true {
        question.revocation = RevocationPolicy::Required { grace_ms: 0 };
    }
    let flag = |name: &str| match case["initial"][name].as_bool() {
        Some(true) => Flag::Now,
        _ => Flag::Later,
    };
    question.policy.explicit = flag("initial_explicit_policy");
    question.policy.inhibit_any = flag("initial_any_policy_inhibit");
    question.policy.inhibit_mapping = flag("initial_policy_mapping_inhibit");
    if let Some(set) = case["initial"]["user_initial_policy_set"].as_array() {
        let set = set
            .iter()
            .map(|oid| ObjectIdentifier::new_unwrap(oid.as_str().unwrap()));
        question.policy.acceptable = Some(set.collect());
    }
    let store = Store::new(vec![root.clone()], intermediates, crls);
    ask(&store, &leaf, &question)
        .map(drop)
        .map_err(|error| error.to_string())
}
