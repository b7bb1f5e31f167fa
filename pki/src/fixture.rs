//! A throw-away authority made by stock `openssl`, for tests only.
//!
//! Owns: a temporary directory with a root, an issuing CA and whatever a test has issued. The other
//! end is a foreign tool on purpose: certificates that only our own issuer can make prove little.
//! Times come from the certificates themselves, so no test reads a clock. Panics on any failure.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use formats::id::TrustDomain;
use formats::time::Timestamp;

use crate::algorithm::Curve;
use crate::cert::Certificate;
use crate::chain::{TrustStore, Validator, VerifiedCert};
use crate::key::{Algorithm, DecryptionKey, SigningKey};
use crate::role::Role;

/// The authority and its directory.
pub(crate) struct Authority {
    directory: TempDir,
    issued: AtomicU32,
    pub(crate) root: Certificate,
    pub(crate) ca: Certificate,
}

/// Somebody with a signing key.
pub(crate) struct Signer {
    pub(crate) key: SigningKey,
    pub(crate) certificate: Certificate,
    /// Files `<stem>.key` and `<stem>.crt`.
    pub(crate) stem: String,
}

/// Somebody with a decryption key.
pub(crate) struct Reader {
    pub(crate) key: DecryptionKey,
    pub(crate) certificate: Certificate,
    /// Files `<stem>.key` and `<stem>.crt`.
    pub(crate) stem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path();
        for name in ["root", "ca"] {
            let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
            key.save(&path.join(format!("{name}.key")), None).unwrap();
        }
        let authority = "basicConstraints=critical,CA:true\n\
             keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";
        std::fs::write(path.join("root.ext"), authority).unwrap();
        let issuing = format!("{authority}authorityKeyIdentifier=keyid\n");
        std::fs::write(path.join("ca.ext"), issuing).unwrap();
        request(path, "root", "/CN=Test root");
        request(path, "ca", "/CN=Test CA");
        let mut root = vec!["x509", "-req", "-in", "root.csr", "-signkey", "root.key"];
        root.extend(["-days", "30", "-extfile", "root.ext", "-out", "root.crt"]);
        ok(path, &root);
        issue(path, "ca", "root");
        let load = |name: &str| Certificate::load(&path.join(name)).unwrap();
        let (root, ca) = (load("root.crt"), load("ca.crt"));
        let chain = [root.pem(), ca.pem()].concat();
        std::fs::write(path.join("chain.pem"), chain).unwrap();
        Self {
            directory,
            issued: AtomicU32::new(0),
            root,
            ca,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    /// Runs openssl in the directory and expects success.
    pub(crate) fn openssl(&self, line: &str) -> Output {
        ok(self.path(), &line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs openssl in the directory and expects a refusal.
    pub(crate) fn openssl_refuses(&self, line: &str) -> Output {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let output = run(self.path(), &arguments);
        assert!(!output.status.success(), "openssl {line} should refuse");
        output
    }

    /// A key and certificate of this role; `name` is the dNSName below `tram.test`.
    pub(crate) fn signer(&self, role: Role, name: &str, algorithm: Algorithm) -> Signer {
        let stem = self.stem();
        let key = SigningKey::generate(algorithm).unwrap();
        key.save(&self.path().join(format!("{stem}.key")), None)
            .unwrap();
        let certificate = self.certify(&stem, role, name, "subjectKeyIdentifier=hash\n");
        Signer {
            key,
            certificate,
            stem,
        }
    }

    /// A decryption key and certificate; without a key identifier if asked.
    pub(crate) fn reader(&self, name: &str, with_key_identifier: bool) -> Reader {
        self.reader_on(Curve::P256, name, with_key_identifier)
    }

    /// The same on a curve.
    pub(crate) fn reader_on(&self, curve: Curve, name: &str, with_key_identifier: bool) -> Reader {
        let stem = self.stem();
        let key = DecryptionKey::generate_on(curve).unwrap();
        key.save(&self.path().join(format!("{stem}.key")), None)
            .unwrap();
        let extra = if with_key_identifier {
            "subjectKeyIdentifier=hash\n"
        } else {
            ""
        };
        let certificate = self.certify(&stem, Role::AgencyEncryption, name, extra);
        Reader {
            key,
            certificate,
            stem,
        }
    }

    fn stem(&self) -> String {
        format!("end{}", self.issued.fetch_add(1, Ordering::Relaxed))
    }

    fn certify(&self, stem: &str, role: Role, name: &str, extra: &str) -> Certificate {
        self.extensions(stem, role, name, extra);
        request(self.path(), stem, &format!("/CN={name}"));
        self.issued(stem)
    }

    /// The certificate for somebody's own request.
    pub(crate) fn answer(&self, role: Role, name: &str, csr: &str) -> Certificate {
        let stem = self.stem();
        self.extensions(&stem, role, name, "subjectKeyIdentifier=hash\n");
        self.write(&format!("{stem}.csr"), csr.as_bytes());
        self.issued(&stem)
    }

    fn issued(&self, stem: &str) -> Certificate {
        issue(self.path(), stem, "ca");
        Certificate::load(&self.path().join(format!("{stem}.crt"))).unwrap()
    }

    fn extensions(&self, stem: &str, role: Role, name: &str, extra: &str) {
        let usage = match role {
            Role::AgencyEncryption => "keyAgreement",
            Role::AgencySignature | Role::StationEvidence => "digitalSignature,nonRepudiation",
            _ => "digitalSignature",
        };
        let critical = if role == Role::TimeStamping {
            "critical,"
        } else {
            ""
        };
        let eku = role.eku().unwrap();
        let extensions = format!(
            "keyUsage=critical,{usage}\nextendedKeyUsage={critical}{eku}\n\
             subjectAltName=DNS:{name}.tram.test\nauthorityKeyIdentifier=keyid\n{extra}"
        );
        self.write(&format!("{stem}.ext"), extensions.as_bytes());
    }

    pub(crate) fn validator(&self) -> Validator {
        Validator::new(TrustStore {
            trust_domain: TrustDomain::parse("tram.test").unwrap(),
            roots: vec![self.root.clone()],
            intermediates: vec![self.ca.clone()],
            crls: Vec::new(),
            ocsp: Vec::new(),
        })
    }

    /// An hour into the certificates' life.
    pub(crate) fn now(&self) -> Timestamp {
        self.ca.not_before().plus_ms(3_600_000)
    }

    pub(crate) fn verified(&self, certificate: &Certificate, role: Role) -> VerifiedCert {
        self.validator()
            .verify(certificate, role, self.now())
            .unwrap()
    }
}

fn request(directory: &Path, stem: &str, subject: &str) {
    let (key, csr) = (format!("{stem}.key"), format!("{stem}.csr"));
    ok(
        directory,
        &["req", "-new", "-key", &key, "-subj", subject, "-out", &csr],
    );
}

fn issue(directory: &Path, stem: &str, issuer: &str) {
    let file = |name: &str, ending: &str| format!("{name}.{ending}");
    let (csr, ext, crt) = (file(stem, "csr"), file(stem, "ext"), file(stem, "crt"));
    let (ca, key) = (file(issuer, "crt"), file(issuer, "key"));
    let mut line = vec![
        "x509", "-req", "-in", &csr, "-CA", &ca, "-CAkey", &key, "-days", "20",
    ];
    line.extend(["-CAcreateserial", "-extfile", &ext, "-out", &crt]);
    ok(directory, &line);
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

fn ok(directory: &Path, arguments: &[&str]) -> Output {
    let output = run(directory, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "openssl {}: {said}",
        arguments.join(" ")
    );
    output
}

/// A folder of the shared vectors; says so and gives `None` when it is not there.
pub(crate) fn suite(name: &str) -> Option<PathBuf> {
    let root = option_env!("TRAM_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.exists() {
        return Some(folder);
    }
    println!("SKIPPED-SUITE {name}");
    None
}

/// All files below a folder, with their paths relative to it.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
