//! A ceremony whose keys are made in a SoftHSM2 token.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::hall::{Hall, copy, plan};

pub(crate) fn hall() -> Option<Hall> {
    let places = [
        "/usr/lib/softhsm",
        "/usr/lib/x86_64-linux-gnu/softhsm",
        "/usr/local/lib/softhsm",
    ];
    let modules = places.map(|place| Path::new(place).join("libsofthsm2.so"));
    let Some(module) = modules.into_iter().find(|module| module.exists()) else {
        println!("SKIPPED-SUITE ceremony in tokens (no SoftHSM2: apt-get install softhsm2)");
        return None;
    };
    let address = |object: &str| {
        let module = module.display();
        format!("pkcs11:token=Goc;object={object}?module-path={module}&pin-source=file:pin")
    };
    let mut hall = Hall::new(&plan("", &address("root"), &address("ca"), ""));
    std::fs::create_dir(hall.path("tokens")).unwrap();
    let text = format!("directories.tokendir = {}\n", hall.path("tokens").display());
    hall.write("softhsm2.conf", &text);
    hall.write("pin", "246810\n");
    let config: PathBuf = hall.path("softhsm2.conf");
    hall.environment
        .push(("SOFTHSM2_CONF".to_owned(), config.clone()));
    let made = Command::new("softhsm2-util")
        .args([
            "--init-token",
            "--free",
            "--label",
            "Goc",
            "--so-pin",
            "13579",
            "--pin",
            "246810",
        ])
        .env("SOFTHSM2_CONF", config)
        .output()
        .unwrap();
    assert!(made.status.success());
    Some(hall)
}

#[test]
fn root_and_national_authority_live_in_a_token_and_openssl_believes_them() {
    let Some(hall) = hall() else { return };
    hall.run("out", &[]).unwrap();
    hall.verify("out").unwrap();
    hall.openssl_agrees("out", &["ca"]);
    for name in ["root/root.key", "authority/ca.key"] {
        let text = std::fs::read_to_string(hall.path("out").join(name)).unwrap();
        assert!(text.starts_with("pkcs11:token=Goc;object="), "{text}");
        assert!(!text.contains("246810"));
    }
    let transcript = std::fs::read_to_string(hall.path("out/transcript.jsonl")).unwrap();
    assert!(
        transcript.contains("\"place\":\"pkcs11:token=Goc;object=root\""),
        "{transcript}"
    );
    // It stopped after the token had made the key and before its address was written.
    let lines: Vec<&str> = transcript.split_inclusive('\n').collect();
    copy(&hall.path("out"), &hall.path("half"));
    std::fs::write(hall.path("half/transcript.jsonl"), lines[..2].concat()).unwrap();
    for name in ["root/root.key", "authority/ca.key"] {
        std::fs::remove_file(hall.path("half").join(name)).unwrap();
    }
    // The root's key is taken up, for the transcript announced it; the national one was not
    // announced, so a key of that name is somebody else's.
    let said = hall.run("half", &[]).unwrap_err();
    assert!(
        said.contains("object=ca") && said.contains("never overwritten"),
        "{said}"
    );
    assert!(hall.path("half/root/root.key").exists());
    // A new ceremony over the same token overwrites nothing.
    let said = hall.run("again", &[]).unwrap_err();
    assert!(
        said.contains("object=root") && said.contains("never overwritten"),
        "{said}"
    );
    hall.write("pin", "000000\n");
    let said = hall.run("wrong", &[]).unwrap_err();
    assert!(said.contains("wrong PIN"), "{said}");
}
