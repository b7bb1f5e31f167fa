//! A room for a ceremony: a folder, the program, and what one asks of both.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The passphrase of every key that is not divided.
pub(crate) const PASSPHRASE: &str = "một mật khẩu đủ dài";

/// A plan with these tables for shares and authorities.
pub(crate) fn plan(shares: &str, root_key: &str, ca_key: &str, more: &str) -> String {
    let custodians = "[[participant]]\nrole = \"custodian\"\n".repeat(3);
    format!(
        "[ceremony]\nauthority = \"Cơ quan thử nghiệm\"\ntrust_domain = \"tram.test\"\n\
         [[participant]]\nrole = \"leader\"\n[[participant]]\nrole = \"operator\"\n\
         [[participant]]\nrole = \"witness\"\n{custodians}{shares}\n\
         [root]\nalgorithm = \"ecdsa-p384\"\nvalid_years = 20\nlist_days = 365\n\
         key = \"{root_key}\"\n\
         [[issuing]]\nalgorithm = \"ecdsa-p256\"\nvalid_years = 10\nkey = \"{ca_key}\"\n{more}"
    )
}

pub(crate) const SHARES: &str = "[shares]\nneeded = 2\nof = 3";
pub(crate) const PROVINCE: &str = "[[issuing]]\ncode = \"H01\"\nname = \"Tỉnh H01\"\n\
    algorithm = \"ecdsa-p256\"\nvalid_years = 10\nkey = \"csr\"\n";

pub(crate) struct Hall {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) environment: Vec<(String, PathBuf)>,
}

impl Hall {
    pub(crate) fn new(plan: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let hall = Self {
            dir,
            environment: Vec::new(),
        };
        hall.write("ceremony.toml", plan);
        std::fs::create_dir(hall.path("pass")).expect("a folder");
        for name in ["root", "ca", "ca-H01"] {
            hall.write(&format!("pass/{name}.pass"), &format!("{PASSPHRASE}\n"));
        }
        hall
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tram-pki"));
        command.args(["--json", "ceremony"]).args(arguments);
        command.current_dir(self.dir.path());
        command.envs(self.environment.iter().cloned());
        command.stdin(std::process::Stdio::null());
        command
    }

    /// What the program says; an error is its `error` member.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<Value, String> {
        let output = self.program(arguments).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let value: Value = serde_json::from_str(&said)
            .map_err(|_| format!("{said}{}", String::from_utf8_lossy(&output.stderr)))?;
        match value["error"].as_str() {
            None if output.status.success() => Ok(value),
            other => Err(other.unwrap_or(&said).to_owned()),
        }
    }

    /// `run` into `out`.
    pub(crate) fn run(&self, out: &str, more: &[&str]) -> Result<Value, String> {
        let mut all = vec!["run", "--plan", "ceremony.toml", "--out", out];
        all.extend(["--passphrases", "pass"]);
        all.extend(more);
        self.ask(&all)
    }

    /// `verify` of `out`.
    pub(crate) fn verify(&self, out: &str) -> Result<Value, String> {
        self.ask(&["verify", "--dir", out])
    }

    /// OpenSSL, which must agree.
    pub(crate) fn openssl(&self, arguments: &[&str]) -> Output {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.dir.path())
            .output()
            .expect("openssl runs");
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// A request of the province, with a key of its own.
    pub(crate) fn request(&self, curve: &str, out: &str) {
        let curve = format!("ec_paramgen_curve:{curve}");
        let mut all = vec!["req", "-new", "-newkey", "ec", "-pkeyopt", &curve, "-nodes"];
        all.extend(["-keyout", "h01.key", "-subj", "/CN=whatever", "-out", out]);
        self.openssl(&all);
    }

    /// The chain and the transcript, judged by OpenSSL.
    pub(crate) fn openssl_agrees(&self, out: &str, authorities: &[&str]) {
        let at = |name: &str| format!("{out}/{name}");
        let root = at("authority/root.crt");
        self.openssl(&[
            "verify",
            "-x509_strict",
            "-check_ss_sig",
            "-CAfile",
            &root,
            &root,
        ]);
        let list = at("records/root.crl");
        let pem = self
            .openssl(&["crl", "-inform", "DER", "-in", &list])
            .stdout;
        std::fs::write(self.path("root.crl.pem"), pem).expect("a file");
        for name in authorities {
            let cert = at(&format!("authority/{name}.crt"));
            let mut all = vec![
                "verify",
                "-x509_strict",
                "-crl_check",
                "-CRLfile",
                "root.crl.pem",
            ];
            all.extend(["-CAfile", &root, &cert]);
            self.openssl(&all);
        }
        let (signature, content) = (at("transcript-1.p7s"), at("transcript.jsonl"));
        let text = std::fs::read_to_string(self.path(&content)).expect("a transcript");
        let end = text.find("\"part_closed\"").expect("a closed part");
        let end = end + text[end..].find('\n').expect("a line") + 1;
        self.write("part-1.jsonl", &text[..end]);
        let mut all = vec![
            "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any",
        ];
        all.extend([
            "-in",
            &signature,
            "-content",
            "part-1.jsonl",
            "-CAfile",
            &root,
        ]);
        all.extend(["-out", "checked"]);
        self.openssl(&all);
        let names = self.openssl(&[
            "cms", "-cmsout", "-print", "-inform", "DER", "-in", &signature,
        ]);
        let names = String::from_utf8_lossy(&names.stdout).into_owned();
        assert!(names.contains("1.3.6.1.4.1.32473.1.1.5"), "{names}");
    }
}

/// Every file below a folder, by its name in it.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, front: &str, all: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = format!("{front}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), all);
            } else {
                all.push(name);
            }
        }
    }
    let mut all = Vec::new();
    walk(dir, "", &mut all);
    all.sort();
    all
}

/// A copy of a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    let _gone = std::fs::remove_dir_all(to);
    for name in files(from) {
        let target = to.join(&name);
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        std::fs::copy(from.join(&name), target).expect("a copy");
    }
}
