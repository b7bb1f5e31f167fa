//! From a ceremony to an authority that works: root and authorities are taken over, none are made.

use std::process::Command;

use serde_json::Value;

use super::hall::{Hall, SHARES, plan};

const PLAN: &str = "[authority]\nname = \"Cơ quan thử nghiệm\"\ntrust_domain = \"tram.test\"\n\
    [tsa]\nname = \"tsa-1.tram.test\"\nurl = \"http://127.0.0.1:3180/\"\n\
    [[agency]]\ncode = \"H02\"\nname = \"Tỉnh H02\"\n";

/// A command that is no ceremony's.
fn tram_pki(hall: &Hall, arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_tram-pki"))
        .arg("--json")
        .args(arguments)
        .current_dir(hall.dir.path())
        .envs(hall.environment.iter().cloned())
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let value: Value = serde_json::from_str(&said).map_err(|_| said.clone())?;
    if output.status.success() {
        return Ok(value);
    }
    Err(value["error"].as_str().unwrap_or(&said).to_owned())
}

fn becomes_an_authority(hall: &Hall, more: &[&str]) {
    hall.write("plan.toml", PLAN);
    let mut all = vec![
        "init",
        "--plan",
        "plan.toml",
        "--out",
        "pki",
        "--from-ceremony",
        "out",
    ];
    all.extend(more);
    tram_pki(hall, &all).expect("an authority");
    let root = |folder: &str| std::fs::read(hall.path(&format!("{folder}/authority/root.crt")));
    assert_eq!(root("pki").expect("a root"), root("out").expect("a root"));
    assert!(
        !hall.path("pki/authority/root.key").exists(),
        "the root's key stays where it was"
    );
    let listed = tram_pki(hall, &["list", "--dir", "pki", "--limit", "0"]).expect("a list");
    let roles: Vec<&str> = listed["certificates"]
        .as_array()
        .expect("certificates")
        .iter()
        .filter_map(|one| one["role"].as_str())
        .collect();
    for role in [
        "root",
        "issuing-ca",
        "time-stamping",
        "agency-signature",
        "ocsp",
    ] {
        assert!(roles.contains(&role), "{role} in {roles:?}");
    }
    tram_pki(hall, &["audit", "verify", "--dir", "pki"]).expect("one chain");
    hall.openssl(&[
        "verify",
        "-CAfile",
        "pki/records/root.crt",
        "-untrusted",
        "pki/records/ca.crt",
        "pki/records/H02.signature.crt",
    ]);
}

#[test]
fn a_ceremony_with_encrypted_files_becomes_an_authority() {
    let hall = Hall::new(&plan(SHARES, "file", "file", ""));
    hall.run("out", &[]).expect("a ceremony");
    let without = {
        hall.write("plan.toml", PLAN);
        let all = [
            "init",
            "--plan",
            "plan.toml",
            "--out",
            "none",
            "--from-ceremony",
            "out",
        ];
        tram_pki(&hall, &all)
    };
    assert!(
        without
            .expect_err("the key is encrypted")
            .contains("passphrase")
    );
    becomes_an_authority(&hall, &["--passphrase-file", "pass/ca.pass"]);
}

#[test]
fn another_trust_domain_than_the_ceremonys_is_refused() {
    let hall = Hall::new(&plan("", "file", "file", ""));
    hall.run("out", &[]).expect("a ceremony");
    hall.write("plan.toml", &PLAN.replace("tram.test", "other.test"));
    let refused = tram_pki(
        &hall,
        &[
            "init",
            "--plan",
            "plan.toml",
            "--out",
            "pki",
            "--from-ceremony",
            "out",
            "--passphrase-file",
            "pass/ca.pass",
        ],
    );
    refused.expect_err("the authority may not issue there");
    assert!(!hall.path("pki").exists());
}

#[cfg(feature = "pkcs11")]
#[test]
fn a_ceremony_in_a_token_becomes_an_authority_whose_key_never_leaves_it() {
    let Some(hall) = super::tokens::hall() else {
        return;
    };
    hall.run("out", &[]).expect("a ceremony");
    becomes_an_authority(&hall, &[]);
    let key = std::fs::read_to_string(hall.path("pki/authority/ca.key")).expect("an address");
    assert!(key.starts_with("pkcs11:"), "{key}");
}
