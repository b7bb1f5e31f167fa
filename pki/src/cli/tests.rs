//! The command line end to end, in a temporary folder, with OpenSSL on the other end.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command as Process;

use pki::cert::Certificate;
use pki::chain::{TrustStore, Validator};
use pki::record;
use pki::revoke::Crl;

use super::*;

mod serve;

const PLAN: &str = r#"
[authority]
name = "Trạm thử nghiệm"
trust_domain = "tram.test"
[[authority.delegated]]
code = "H01"
[tsa]
name = "tsa-1.tram.test"
url = "http://127.0.0.1:3180/"
[[station]]
name = "relay-1.tram.test"
kind = "relay"
address = "127.0.0.1:4101"
[[station]]
name = "node-a.tram.test"
kind = "node"
home_relays = ["relay-1.tram.test"]
[[agency]]
code = "H01.36.04"
name = "Trung tâm Công nghệ thông tin"
aliases = ["000.04.36.H01"]
station = "node-a.tram.test"
[[agency]]
code = "H02"
name = "Tỉnh H02"
station = "node-a.tram.test"
"#;

pub(super) fn now() -> Timestamp {
    Timestamp::from_unix_s(1_795_316_400)
}

pub(super) fn tram_pki(arguments: &[&str]) -> Result<Value, String> {
    let all = ["tram-pki", "--json"].iter().chain(arguments);
    let arguments = Arguments::try_parse_from(all).map_err(|error| error.to_string())?;
    run(&arguments, now)
        .map(|output| serde_json::from_str(&output.to_string()).unwrap())
        .map_err(|failure| failure.to_string())
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(super) fn made() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.toml");
    std::fs::write(&plan, PLAN).unwrap();
    let out = dir.path().join("pki");
    tram_pki(&["init", "--plan", text(&plan), "--out", text(&out)]).unwrap();
    (dir, out)
}

pub(super) fn validator(out: &Path) -> Validator {
    let records = out.join("records");
    let cert = |name: &str| Certificate::load(&records.join(name)).unwrap();
    let crls = ["root", "ca", "ca-H01"].map(|name| {
        Crl::parse(&std::fs::read(records.join(format!("{name}.crl"))).unwrap()).unwrap()
    });
    Validator::new(TrustStore {
        trust_domain: "tram.test".parse().unwrap(),
        roots: vec![cert("root.crt")],
        intermediates: vec![cert("ca.crt"), cert("ca-H01.crt")],
        crls: crls.to_vec(),
        ocsp: Vec::new(),
    })
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path))
        } else {
            all.push(path)
        }
    }
    all
}

#[test]
fn init_makes_a_whole_authority_that_our_verifier_and_openssl_believe() {
    let (_dir, out) = made();
    let validator = validator(&out);
    assert!(validator.freshness(now()).is_fresh());
    let mut ends = 0;
    for path in files(&out) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".key") {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            let read = Process::new("openssl")
                .args(["pkey", "-noout", "-in"])
                .arg(&path)
                .output();
            assert!(read.unwrap().status.success(), "openssl reads {name}");
        }
        if name.ends_with(".rec") {
            record::verify(&std::fs::read(&path).unwrap(), &validator, now()).unwrap();
        }
        if name.ends_with(".crt") && path.parent().unwrap().ends_with("records") {
            let cert = Certificate::load(&path).unwrap();
            let role = cert.role().unwrap();
            validator
                .verify(&cert, role, now())
                .map(drop)
                .or_else(|error| match role {
                    Role::Root => Ok(()),
                    _ => Err(error),
                })
                .unwrap();
            ends += usize::from(!role.is_authority());
        }
    }
    // Services, the authority's own server, stations, agencies.
    assert_eq!(ends, 3 + 3 + 2 * 2 + 2 * 2);
    let pinned = Certificate::load(&out.join("stations/relay-1.tram.test/trust-list.crt")).unwrap();
    let list = std::fs::read(out.join("records/trust-list.rec")).unwrap();
    let between = [Certificate::load(&out.join("records/ca.crt")).unwrap()];
    record::verify_trust_list(&list, &pinned, &between, now()).unwrap();
}

#[test]
fn openssl_verifies_every_certificate_with_the_lists() {
    let (dir, out) = made();
    let records = out.join("records");
    let pem = dir.path().join("crls.pem");
    let mut all = String::new();
    for name in ["root", "ca", "ca-H01"] {
        let out = Process::new("openssl")
            .args(["crl", "-inform", "DER", "-in"])
            .arg(records.join(format!("{name}.crl")))
            .output()
            .unwrap();
        assert!(out.status.success());
        all += &String::from_utf8(out.stdout).unwrap();
    }
    std::fs::write(&pem, all).unwrap();
    let between = dir.path().join("between.pem");
    let both = std::fs::read_to_string(records.join("ca.crt")).unwrap()
        + &std::fs::read_to_string(records.join("ca-H01.crt")).unwrap();
    std::fs::write(&between, both).unwrap();
    let verify = |path: &Path| {
        Process::new("openssl")
            .args([
                "verify",
                "-x509_strict",
                "-crl_check_all",
                "-attime",
                "1795316400",
            ])
            .arg("-CAfile")
            .arg(records.join("root.crt"))
            .arg("-CRLfile")
            .arg(&pem)
            .arg("-untrusted")
            .arg(&between)
            .arg(path)
            .output()
            .unwrap()
    };
    for path in files(&records)
        .iter()
        .filter(|path| path.extension().unwrap() == "crt")
    {
        let out = verify(path);
        assert!(
            out.status.success(),
            "{}: {}",
            path.display(),
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

#[test]
fn another_plan_than_the_reviewed_one_is_refused_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.toml");
    std::fs::write(&plan, PLAN).unwrap();
    let digest = tram_pki(&["plan", "check", text(&plan)]).unwrap()["digest"].clone();
    let digest = digest.as_str().unwrap();
    let out = dir.path().join("pki");
    std::fs::write(&plan, PLAN.replace("H02", "H03")).unwrap();
    let arguments = [
        "init",
        "--plan",
        text(&plan),
        "--out",
        text(&out),
        "--digest",
        digest,
    ];
    let refused = tram_pki(&arguments).unwrap_err();
    assert!(refused.contains("not the reviewed one"), "{refused}");
    assert!(!out.exists());
    std::fs::write(&plan, PLAN).unwrap();
    tram_pki(&arguments).unwrap();
    assert!(
        tram_pki(&arguments).unwrap_err().contains("exists"),
        "never over another"
    );
}

#[test]
fn issue_and_revoke_reach_the_published_list() {
    let (dir, out) = made();
    let (key, csr) = (dir.path().join("new.key"), dir.path().join("new.csr"));
    let made = Process::new("openssl")
        .args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-subj",
            "/CN=anything",
            "-keyout",
            text(&key),
            "-out",
            text(&csr),
        ])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let crt = dir.path().join("new.crt");
    let issue = |name: &str| {
        tram_pki(&[
            "issue",
            "--dir",
            text(&out),
            "--role",
            "agency-signature",
            "--name",
            name,
            "--csr",
            text(&csr),
            "--out",
            text(&crt),
        ])
    };
    let said = issue("H01.36.04").unwrap();
    assert_eq!(said["issuer"], "ca-H01");
    let cert = Certificate::load(&crt).unwrap();
    let before = validator(&out);
    assert!(before.verify(&cert, Role::AgencySignature, now()).is_ok());
    let serial = said["serial"].as_str().unwrap();
    assert!(tram_pki(&["revoke", "--dir", text(&out), serial, "--reason", "boredom"]).is_err());
    tram_pki(&[
        "revoke",
        "--dir",
        text(&out),
        serial,
        "--reason",
        "key-compromise",
    ])
    .unwrap();
    assert!(
        validator(&out)
            .verify(&cert, Role::AgencySignature, now())
            .is_err()
    );
    let list = tram_pki(&["list", "--dir", text(&out), "--revoked"]).unwrap();
    assert_eq!(list["certificates"].as_array().unwrap().len(), 1);
}

#[test]
fn a_request_whose_signer_does_not_hold_the_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (key, csr) = (dir.path().join("new.key"), dir.path().join("new.csr"));
    let made = Process::new("openssl")
        .args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-subj", "/CN=anything", "-outform", "DER"])
        .args(["-keyout", text(&key), "-out", text(&csr)])
        .output()
        .unwrap();
    assert!(made.status.success());
    let mut der = std::fs::read(&csr).unwrap();
    assert!(pki::csr::requested_key(&der).is_ok());
    *der.last_mut().unwrap() ^= 1;
    assert!(pki::csr::requested_key(&der).is_err());
}

#[test]
fn records_are_superseded_by_higher_sequences() {
    let (_dir, out) = made();
    let dir = text(&out);
    tram_pki(&[
        "records",
        "add",
        "--dir",
        dir,
        "--code",
        "H03",
        "--name",
        "Tỉnh H03",
    ])
    .unwrap();
    let shown = |name: &str| {
        let file = out.join("records").join(name);
        tram_pki(&["records", "show", text(&file)]).unwrap()["record"].clone()
    };
    let bundle = shown("agencies-1.rec");
    assert_eq!(
        (
            bundle["sequence"].as_u64(),
            bundle["agencies"].as_array().unwrap().len()
        ),
        (Some(2), 3)
    );
    let (records, agency) = (out.join("records"), out.join("agencies/H02"));
    tram_pki(&[
        "records",
        "attach",
        "--records",
        text(&records),
        "--agency",
        text(&agency),
        "--code",
        "H02",
        "--station",
        "relay-1.tram.test",
    ])
    .unwrap();
    tram_pki(&["records", "refresh", "--dir", dir]).unwrap();
    let home = shown("attachment-H02.rec");
    assert_eq!(
        home["station"], "relay-1.tram.test",
        "refresh keeps the later attachment"
    );
    assert_eq!(home["sequence"], 3);
}

#[test]
fn inspect_says_what_a_file_is_and_never_shows_a_key() {
    let (_dir, out) = made();
    let inspect = |name: &str| tram_pki(&["inspect", text(&out.join(name))]);
    assert_eq!(inspect("records/ca.crt").unwrap()["kind"], "certificate");
    assert_eq!(inspect("records/ca.crl").unwrap()["kind"], "crl");
    assert_eq!(inspect("records/agencies-1.rec").unwrap()["kind"], "record");
    let key = inspect("authority/ca.key").unwrap();
    assert_eq!(key["kind"], "private-key");
    assert_eq!(key["objects"][0]["content"], "private keys are never shown");
    let pem = std::fs::read_to_string(out.join("authority/ca.key")).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    assert!(!key.to_string().contains(secret));
    for (lang, word) in [("vi", "Chứng thư số"), ("en", "Certificate")] {
        let file = out.join("records/ca.crt");
        let all = ["tram-pki", "inspect", text(&file), "--lang", lang];
        let said = run(&Arguments::try_parse_from(all).unwrap(), now).unwrap();
        assert!(said.to_string().starts_with(word), "{said}");
    }
}

/// Runs a command and says whether the program would end with exit code 1.
fn judged(arguments: &[&str]) -> (Value, bool) {
    let all = ["tram-pki", "--json"].iter().chain(arguments);
    let output = run(&Arguments::try_parse_from(all).unwrap(), now).unwrap();
    let bad = output.is_bad();
    (serde_json::from_str(&output.to_string()).unwrap(), bad)
}

#[test]
fn everything_that_init_makes_passes_the_linter_and_is_verified() {
    let (_dir, out) = made();
    let records = out.join("records");
    let mut seen = 0;
    for file in files(&records) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".crt") || name.ends_with(".crl") {
            let (said, bad) = judged(&["lint", text(&file), "--domain", "tram.test"]);
            assert!(!bad, "{name}: {said}");
            assert_eq!(said["objects"][0]["findings"].as_array().unwrap().len(), 0);
        }
        let verify = ["verify", text(&file), "--anchors", text(&records)];
        let (said, bad) = judged(&verify);
        assert!(!bad, "{name}: {said}");
        let late = [&verify[..], &["--at", "2099-01-01T00:00:00Z"]].concat();
        assert!(judged(&late).1, "{name} is not believed for ever");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
    let issuer = records.join("ca-H01.crt");
    let cert = records.join("H02.signature.crt");
    let (said, bad) = judged(&[
        "lint",
        text(&cert),
        "--issuer",
        text(&issuer),
        "--domain",
        "tram.test",
    ]);
    assert!(bad, "another authority's certificate");
    let codes = said["objects"][0]["findings"].to_string();
    for code in ["L-SIG-VALUE", "L-AKI-MATCH", "L-NAMES-PERMITTED"] {
        assert!(codes.contains(code), "{codes}");
    }
    let wrong = [
        "verify",
        text(&cert),
        "--anchors",
        text(&records),
        "--role",
        "registry",
    ];
    let (said, bad) = judged(&wrong);
    assert!(
        bad && said["steps"].to_string().contains("needed registry"),
        "{said}"
    );
    let record = records.join("agencies-1.rec");
    assert!(
        tram_pki(&["lint", text(&record)])
            .unwrap_err()
            .contains("no certificate")
    );
}

#[test]
fn an_operator_s_profiles_bind_the_authority() {
    let (dir, out) = made();
    let key = dir.path().join("new.key");
    let csr = dir.path().join("new.csr");
    let request = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let made = Process::new("openssl")
        .args(request)
        .args(["-subj", "/CN=x", "-keyout", text(&key), "-out", text(&csr)])
        .output();
    assert!(made.unwrap().status.success());
    let crt = dir.path().join("new.crt");
    let issue = [
        "issue",
        "--dir",
        text(&out),
        "--role",
        "agency-signature",
        "--name",
        "H02",
        "--csr",
        text(&csr),
        "--out",
        text(&crt),
    ];
    let profiles = out.join("authority/profiles.toml");
    let narrow = "version = 1\n[profile.agency-signature]\nvalidity_days = 30\n";
    std::fs::write(&profiles, narrow).unwrap();
    tram_pki(&issue).unwrap();
    let cert = Certificate::load(&crt).unwrap();
    assert_eq!(
        cert.not_after().minus(cert.not_before()),
        30 * 86_400_000 - 1000
    );
    std::fs::write(&profiles, format!("{narrow}keys = [\"P-384\"]\n")).unwrap();
    let refused = tram_pki(&issue).unwrap_err();
    assert!(refused.contains("L-KEY"), "{refused}");
    std::fs::write(&profiles, narrow.replace("30", "3000")).unwrap();
    let refused = tram_pki(&issue).unwrap_err();
    assert!(refused.contains("longer than the 365"), "{refused}");
}

#[test]
fn profiles_are_listed_compared_and_judged() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.toml"), dir.path().join("b.toml"));
    std::fs::write(&a, "version = 1\n[profile.delegate]\nvalidity_days = 30\n").unwrap();
    std::fs::write(&b, "version = 1\n[profile.delegate]\napprovals = 2\n").unwrap();
    let list = tram_pki(&["profile", "list"]).unwrap();
    assert_eq!(list["profiles"].as_array().unwrap().len(), 11);
    let shown = tram_pki(&["profile", "show", "delegate", "--profiles", text(&a)]).unwrap();
    assert_eq!(shown["profile"]["validity_days"], 30);
    assert_ne!(shown["sha256"], list["sha256"]);
    let good = tram_pki(&["profile", "lint", text(&a)]).unwrap();
    assert_eq!(good["narrowed"][0]["after"], "30");
    let changes = tram_pki(&["profile", "diff", text(&a), text(&b)]).unwrap();
    assert_eq!(changes["changes"].as_array().unwrap().len(), 2, "{changes}");
    let back = tram_pki(&["profile", "diff", text(&a), "built-in"]).unwrap();
    assert_eq!(back["changes"][0]["before"], "30");
    std::fs::write(
        &b,
        "version = 1\n[profile.delegate]\nvalidity_days = 3000\n",
    )
    .unwrap();
    let refused = tram_pki(&["profile", "lint", text(&b)]).unwrap_err();
    assert!(refused.contains("longer than the 365"), "{refused}");
    let table = tram_pki(&["profile", "table"]).unwrap();
    assert!(
        table["markdown"]
            .as_str()
            .unwrap()
            .contains("tls-handshake")
    );
    let built_in = tram_pki(&["profile", "built-in"]).unwrap();
    assert_eq!(built_in["sha256"], list["sha256"]);
}

#[test]
fn a_pdf_is_checked_and_never_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("letter.pdf");
    std::fs::write(&file, "%PDF-1.7\nnothing more").unwrap();
    for command in ["pdf", "inspect"] {
        let said = tram_pki(&[command, text(&file)]).unwrap();
        assert_eq!(said["kind"], "pdf");
        assert_eq!(said["verdict"], "unknown");
        assert_eq!(said["problems"][0], "structure");
    }
    let absent = dir.path().join("absent");
    assert!(tram_pki(&["pdf", text(&absent)]).is_err());
    assert!(tram_pki(&["pdf", text(&file), "--anchors", text(&absent)]).is_err());
    std::fs::write(&file, "not a document").unwrap();
    assert_eq!(
        tram_pki(&["pdf", text(&file)]).unwrap()["problems"][0],
        "not_pdf"
    );
    let arguments = ["tram-pki", "pdf", text(&file), "--lang", "en"];
    let said = run(&Arguments::try_parse_from(arguments).unwrap(), now).unwrap();
    assert!(said.to_string().contains("this is not a PDF"));
    assert!(tram_pki(&["inspect", text(&file)]).is_err());
}
