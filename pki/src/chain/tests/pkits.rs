//! NIST PKITS, sections 4.1 to 4.16, as certificates and as signed messages.

use std::collections::BTreeMap;
use std::path::PathBuf;

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
    let suite = Suite::read(folder);
    let cases = suite.tests.iter().map(|case| {
        let id = suite.id(case);
        Case::new(id, case["expect"] == "accept", suite.run(case))
    });
    judge("pkits", &cases.collect::<Vec<_>>());
}

/// The same certificates under signed messages: the signature must be the end certificate's, and
/// that certificate believed.
#[test]
fn pkits_message_verdicts() {
    let Some(folder) = vectors("pkits") else {
        return;
    };
    let suite = Suite::read(folder);
    let mut messages = BTreeMap::new();
    for entry in suite.folder.join("smime").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_string_lossy().to_lowercase();
        messages.insert(stem, path);
    }
    let mut cases = Vec::new();
    for case in &suite.tests {
        let name = case["name"].as_str().unwrap().replace('_', "");
        let Some(path) = messages.get(&format!("signed{name}")) else {
            continue;
        };
        let believed = || -> Result<(), String> {
            let (content, signature) = parts(&std::fs::read_to_string(path).unwrap());
            let signer = crate::pdf::signer_of(&signature, &content)?;
            if signer != suite.load(&case["target"])? {
                return Err("signed by another certificate".to_owned());
            }
            suite.run(case)
        };
        let accept = case["expect"] == "accept";
        cases.push(Case::new(suite.id(case), accept, believed()));
        // The same signature under another text is nobody's.
        let changed = || -> Result<Certificate, String> {
            let (mut content, signature) = parts(&std::fs::read_to_string(path).unwrap());
            content.push(b' ');
            crate::pdf::signer_of(&signature, &content)
        };
        let id = format!("{} changed", suite.id(case));
        cases.push(Case::new(id, false, changed()));
    }
    judge("pkits-messages", &cases);
}

/// The signed part with its line ends as they were signed, and the signature.
fn parts(message: &str) -> (Vec<u8>, Vec<u8>) {
    let lines: Vec<&str> = message.lines().collect();
    let (_, mark) = message.split_once("boundary=\"").unwrap();
    let mark = format!("--{}", mark.split_once('"').unwrap().0);
    let marks: Vec<usize> = (0..lines.len()).filter(|at| lines[*at] == mark).collect();
    let content = lines[marks[0] + 1..marks[1]].join("\r\n");
    let after = &lines[marks[1] + 1..];
    let empty = after.iter().position(|line| line.is_empty()).unwrap();
    let body = after[empty + 1..]
        .iter()
        .take_while(|line| !line.starts_with("--"));
    let body: String = body.copied().collect();
    let body: Vec<&str> = (0..body.len())
        .step_by(64)
        .map(|at| &body[at..body.len().min(at + 64)])
        .collect();
    let armour = format!(
        "-----BEGIN CMS-----\n{}\n-----END CMS-----\n",
        body.join("\n")
    );
    let (_, signature) = der::pem::decode_vec(armour.as_bytes()).unwrap();
    (content.into_bytes(), signature)
}

struct Suite {
    folder: PathBuf,
    root: Certificate,
    tests: Vec<Value>,
}

impl Suite {
    fn read(folder: PathBuf) -> Self {
        let file = folder
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|ending| ending == "json"));
        let text = std::fs::read_to_string(file.unwrap()).unwrap();
        let suite: Value = serde_json::from_str(&text).unwrap();
        let anchor = suite["trust_anchor"].as_str().unwrap();
        Self {
            root: Certificate::load(&folder.join(anchor)).unwrap(),
            tests: suite["tests"].as_array().unwrap().clone(),
            folder,
        }
    }

    fn id(&self, case: &Value) -> String {
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        format!("{} {}", text("id"), text("name"))
    }

    fn load(&self, name: &Value) -> Result<Certificate, String> {
        Certificate::load(&self.folder.join("certs").join(name.as_str().unwrap()))
            .map_err(|error| error.to_string())
    }

    fn run(&self, case: &Value) -> Result<(), String> {
        let leaf = self.load(&case["target"])?;
        let intermediates = case["intermediates"].as_array().unwrap().iter();
        let intermediates = intermediates
            .map(|name| self.load(name))
            .collect::<Result<Vec<_>, _>>()?;
        let names = case["crls"].as_array().unwrap().iter();
        let names = names.map(|name| name.as_str().unwrap());
        let mut crls = Vec::new();
        for name in names.chain(["TrustAnchorRootCRL.crl"]) {
            let der = std::fs::read(self.folder.join("crls").join(name)).unwrap();
            // A list that we do not understand is as good as absent.
            crls.extend(Crl::parse_any(&der));
        }
        let store = Store::new(vec![self.root.clone()], intermediates, crls);
        ask(&store, &leaf, &asked(case))
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

fn asked(case: &Value) -> Question {
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
    question
}
