//! The house rules as a test: top level, ladder of crates, forbidden dependencies, file sizes, file heads.
//!
//! Reads the tree and asks cargo; changes nothing. When a rule here fails, the text says which file and why.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Lines a product file may have without its tests.
const LINES_MAX: usize = 800;
/// Nine of ten product files stay below this.
const LINES_USUAL: usize = 500;
/// The product's lock file without test-only packages.
const LOCKED_MAX: usize = 420;
/// The four crates from the bottom to the top.
const LADDER: [&str; 4] = ["formats", "pki", "relay", "node"];
/// Packages that a crate must never reach, directly or through others.
const NEVER_REACHED: [(&str, &[&str]); 2] = [
    (
        "formats",
        &[
            "tokio", "quinn", "rustls", "sqlx", "lapin", "tracing", "axum", "rand",
        ],
    ),
    (
        "pki",
        &["quinn", "lapin", "tokio", "axum", "sqlx", "tracing"],
    ),
];
/// Packages that a crate must not name itself.
const NEVER_NAMED: [(&str, &[&str]); 2] = [
    ("relay", &["lapin", "cms", "quick-xml"]),
    ("node", &["quinn", "rustls", "cms"]),
];
/// Packages that nothing of the product may reach.
const NOWHERE: [&str; 5] = ["ring", "openssl", "native-tls", "rsa", "openssl-sys"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests lies in the workspace")
        .to_owned()
}

fn rust_files(crates: &[&str]) -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("a folder of the house") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for name in crates {
        walk(&root().join(name), &mut found);
    }
    found.sort();
    found
}

/// The text of a file without its test module.
fn product_text(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a source file is text");
    match text.find("#[cfg(test)]\nmod ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn is_test_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|part| part.as_os_str() == "tests")
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo answers text")
}

/// Names of all packages that `cargo tree` shows below a crate in the normal build.
fn reached(arguments: &[&str]) -> BTreeSet<String> {
    let mut args = vec![
        "tree",
        "--offline",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
    ];
    args.extend(["--format", "{p}"]);
    args.extend(arguments);
    cargo(&args)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_top_level_is_the_agreed_one() {
    let folders = ["deploy", "formats", "node", "pki", "relay", "tests"];
    let files = [
        "ARCHITECTURE.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
    ];
    let settings = [
        ".ci",
        ".gitattributes",
        ".gitignore",
        "clippy.toml",
        "deny.toml",
        "rustfmt.toml",
    ];
    let output = Command::new("git")
        .args(["ls-files"])
        .current_dir(root())
        .output();
    let listed = String::from_utf8(output.expect("git runs").stdout).expect("names are text");
    let seen: BTreeSet<&str> = listed
        .lines()
        .filter_map(|line| line.split('/').next())
        .collect();
    let allowed: BTreeSet<&str> = folders
        .iter()
        .chain(&files)
        .chain(&settings)
        .copied()
        .collect();
    let strange: Vec<_> = seen.difference(&allowed).collect();
    assert!(
        strange.is_empty(),
        "not of the agreed top level: {strange:?}"
    );
    for name in folders.iter().chain(&files) {
        assert!(
            root().join(name).exists(),
            "{name} is missing at the top level"
        );
    }
}

/// The workspace's own packages as cargo describes them.
fn packages() -> Vec<Value> {
    let text = cargo(&["metadata", "--offline", "--no-deps", "--format-version=1"]);
    let mut metadata: Value = serde_json::from_str(&text).expect("metadata is JSON");
    match metadata["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("cargo lists packages: {other}"),
    }
}

#[test]
fn crates_use_only_what_stands_below_them() {
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        let Some(height) = LADDER.iter().position(|step| *step == name) else {
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let used = dependency["name"].as_str().expect("a name");
            if let Some(other) = LADDER.iter().position(|step| *step == used) {
                assert!(
                    other < height,
                    "{name} uses {used}, which stands above or beside it"
                );
            }
            assert_ne!(used, "tests", "{name} uses the tests");
            for (crate_name, names) in NEVER_NAMED {
                let ordinary = dependency["kind"].is_null();
                assert!(
                    !(ordinary && crate_name == name && names.contains(&used)),
                    "{name} must not name {used}"
                );
            }
        }
    }
}

#[test]
fn crates_name_only_packages_that_they_use() {
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        // The demo is a program of the tests' package.
        let folders: &[&str] = if name == "tests" {
            &["tests", "deploy"]
        } else {
            &[name]
        };
        let texts: String = rust_files(folders)
            .iter()
            .map(|path| std::fs::read_to_string(path).expect("a source file is text"))
            .collect();
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let called = dependency["rename"]
                .as_str()
                .or(dependency["name"].as_str());
            let used = called.expect("a name").replace('-', "_");
            let uses = [format!("{used}::"), format!("use {used};")];
            assert!(
                uses.iter().any(|text| texts.contains(text)),
                "{name} names {used} and does not use it"
            );
        }
    }
}

#[test]
fn crates_never_reach_what_they_must_not_know() {
    for (name, never) in NEVER_REACHED {
        let reached = reached(&["--package", name, "--no-default-features"]);
        for package in never {
            assert!(
                !reached.contains(*package),
                "{name} reaches {package}: cargo tree -i {package}"
            );
        }
    }
    let product = reached(&[
        "-p",
        "node",
        "-p",
        "relay",
        "-p",
        "pki",
        "--features",
        "pki/authority",
    ]);
    for package in NOWHERE {
        assert!(!product.contains(package), "the product reaches {package}");
    }
    assert!(
        product.len() <= LOCKED_MAX,
        "the product is built from {} packages, at most {LOCKED_MAX}",
        product.len()
    );
}

#[test]
fn one_file_knows_quinn_and_relays_know_no_plaintext() {
    let mut quinn = Vec::new();
    for path in rust_files(&LADDER) {
        if is_test_file(&path) {
            continue;
        }
        let code: String = product_text(&path)
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        if code.contains("quinn::") {
            quinn.push(shown(&path));
        }
        if path.starts_with(root().join("relay")) {
            for word in ["DecryptionKey", "open_capsule", "edxml", "Opener"] {
                assert!(!code.contains(word), "{} names {word}", shown(&path));
            }
        }
    }
    assert_eq!(
        quinn.len(),
        1,
        "exactly one file knows quinn, found {quinn:?}"
    );
}

#[test]
fn files_stay_small_and_say_what_they_are() {
    let mut sizes = Vec::new();
    for path in rust_files(&LADDER) {
        let text = product_text(&path);
        assert!(
            text.starts_with("//!"),
            "{} does not begin with its contract",
            shown(&path)
        );
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a name");
        for banned in [
            "util", "utils", "common", "misc", "manager", "helpers", "data", "info",
        ] {
            assert_ne!(
                stem,
                banned,
                "{} has a name that says nothing",
                shown(&path)
            );
        }
        if is_test_file(&path) {
            continue;
        }
        let lines = text.lines().count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines, at most {LINES_MAX}",
            shown(&path)
        );
        sizes.push((lines, shown(&path)));
    }
    sizes.sort();
    let usual = sizes
        .iter()
        .filter(|(lines, _)| *lines <= LINES_USUAL)
        .count();
    let long: Vec<_> = sizes
        .iter()
        .filter(|(lines, _)| *lines > LINES_USUAL)
        .collect();
    assert!(
        usual * 10 >= sizes.len() * 9,
        "more than a tenth above {LINES_USUAL} lines: {long:#?}"
    );
    let median = sizes[sizes.len() / 2].0;
    assert!(
        median <= 250,
        "the median file has {median} lines, at most 250"
    );
}

#[test]
fn no_file_names_a_machine_or_holds_a_private_key() {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git runs");
    let me = "tests/suites/layout.rs";
    for name in String::from_utf8(output.stdout)
        .expect("names are text")
        .split('\0')
    {
        if name.is_empty() || name == me {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(root().join(name)) else {
            continue;
        };
        for banned in [
            "BEGIN PRIVATE KEY",
            "BEGIN EC PRIVATE KEY",
            "BEGIN ENCRYPTED PRIVATE KEY",
        ] {
            // Sources may speak of the PEM label; a key is the label at the start of a line.
            let holds = text
                .lines()
                .any(|line| line.starts_with(&format!("-----{banned}")));
            assert!(!holds, "{name} holds a private key");
        }
        for banned in ["/work/", "/root/", "/home/"] {
            // At the beginning of a path; a folder of that name inside another is nobody's.
            let named = text.match_indices(banned).any(|(at, _)| {
                let before = text.get(..at).and_then(|before| before.chars().next_back());
                !before.is_some_and(|one| {
                    one.is_alphanumeric() || matches!(one, '.' | '}' | '_' | '-')
                })
            });
            assert!(!named, "{name} names a path of one machine: {banned}");
        }
    }
}
