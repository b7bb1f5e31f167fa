//! A token store of SoftHSM2 for tests: its own folder, its own configuration, in a process of
//! its own, because a PKCS#11 module reads its environment once. Compiled for tests only.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::key::TokenUri;

pub(crate) const PIN: &str = "246810";

/// The store of this process.
pub(crate) struct Store {
    pub(crate) dir: PathBuf,
    module: PathBuf,
}

/// Runs `body` in a child process that has a store of its own with one token `Root`. `test` is the
/// test's own full name. Without SoftHSM2 nothing is run, and that is said.
pub(crate) fn with_store(test: &str, body: impl FnOnce(&Store)) {
    let places = [
        "/usr/lib/softhsm",
        "/usr/lib/x86_64-linux-gnu/softhsm",
        "/usr/local/lib/softhsm",
    ];
    let modules = places.map(|place| Path::new(place).join("libsofthsm2.so"));
    let Some(module) = modules.into_iter().find(|module| module.exists()) else {
        println!("SKIPPED-SUITE keys in PKCS#11 tokens (no SoftHSM2: apt-get install softhsm2)");
        return;
    };
    if let Some(dir) = std::env::var_os(INSIDE) {
        let dir = PathBuf::from(dir);
        return body(&Store { dir, module });
    }
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let config = dir.path().join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&config, text).unwrap();
    std::fs::write(dir.path().join("pin"), format!("{PIN}\n")).unwrap();
    for label in ["Root", "Empty"] {
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--so-pin", "13579", "--pin", PIN])
            .args(["--label", label])
            .env("SOFTHSM2_CONF", &config)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    }
    let name = test.split_once("::").map_or(test, |(_, name)| name);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("SOFTHSM2_CONF", &config)
        .env(INSIDE, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}{errors}");
    assert!(
        said.contains("1 passed"),
        "the test ran in its own process: {said}"
    );
}

impl Store {
    /// The address of a key in a token, with the PIN in a file.
    pub(crate) fn uri(&self, token: &str, object: &str) -> TokenUri {
        self.parse(
            &format!("token={token};object={object}"),
            "&pin-source=file:pin",
        )
    }

    /// An address with these attributes.
    pub(crate) fn parse(&self, path: &str, query: &str) -> TokenUri {
        let module = self.module.display();
        let line = format!("pkcs11:{path}?module-path={module}{query}");
        TokenUri::parse(&line, &self.dir).unwrap()
    }
}

const INSIDE: &str = "TRAM_TEST_TOKENS";
