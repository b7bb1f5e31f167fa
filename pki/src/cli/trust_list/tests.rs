//! A list that three people sign one after another, with OpenSSL on the other end.

use std::path::Path;
use std::process::Command;

use super::super::tests::{made, text, tram_pki};

/// A signer's key and certificate, made like anybody's: a request, then `issue`.
fn signer(dir: &Path, out: &Path, name: &str) {
    let at = |kind: &str| dir.join(format!("{name}.{kind}"));
    let made = Command::new("openssl")
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
            "/CN=x",
            "-keyout",
            text(&at("key")),
            "-out",
            text(&at("csr")),
        ])
        .output()
        .unwrap();
    assert!(made.status.success());
    let full = format!("{name}.tram.test");
    tram_pki(&[
        "issue",
        "--dir",
        text(out),
        "--role",
        "trust-list",
        "--name",
        &full,
        "--csr",
        text(&at("csr")),
        "--out",
        text(&at("crt")),
    ])
    .unwrap();
}

fn sign(dir: &Path, name: &str, from: &Path, to: &Path) -> Result<serde_json::Value, String> {
    let (cert, key) = (
        dir.join(format!("{name}.crt")),
        dir.join(format!("{name}.key")),
    );
    tram_pki(&[
        "records",
        "trust-list",
        "add-signature",
        text(from),
        "--cert",
        text(&cert),
        "--key",
        text(&key),
        "--out",
        text(to),
    ])
}

/// `check` or `publish`.
fn ask(what: &str, file: &Path, pin: &Path, records: &Path) -> Result<serde_json::Value, String> {
    tram_pki(&[
        "records",
        "trust-list",
        what,
        text(file),
        "--pin",
        text(pin),
        "--records",
        text(records),
    ])
}

fn openssl_believes(dir: &Path, out: &Path, list: &Path) {
    let anchors = ["root", "ca"]
        .map(|name| std::fs::read_to_string(out.join(format!("records/{name}.crt"))).unwrap());
    std::fs::write(dir.join("anchors.pem"), anchors.concat()).unwrap();
    let said = Command::new("openssl")
        .args([
            "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any",
        ])
        .args([
            "-attime",
            "1795316400",
            "-in",
            text(list),
            "-out",
            text(&dir.join("said")),
        ])
        .args(["-CAfile", text(&dir.join("anchors.pem"))])
        .output()
        .unwrap();
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story told from beginning to end"
)]
fn signers_in_different_places_sign_one_after_another_and_hand_over() {
    let (dir, out) = made();
    let (home, records) = (dir.path(), out.join("records"));
    for name in ["list-1", "list-2", "list-3"] {
        signer(home, &out, name);
    }
    let at = |name: &str| home.join(name);
    let certs = ["list-1", "list-2", "list-3"].map(|name| at(&format!("{name}.crt")));
    let three = certs.each_ref().map(|path| text(path));
    // From the one signer of `init` to two of three.
    let first = out.join("authority/trust-list.crt");
    let in_force = records.join("trust-list.rec");
    let mut arguments = vec!["records", "trust-list", "draft", "--from", text(&in_force)];
    let draft = at("draft.json");
    arguments.extend(["--out", text(&draft), "--needed", "2"]);
    for cert in three {
        arguments.extend(["--signer", cert]);
    }
    tram_pki(&arguments).unwrap();
    let signed = at("signed.rec");
    let (cert, key) = (text(&first), out.join("authority/trust-list.key"));
    tram_pki(&[
        "records",
        "trust-list",
        "add-signature",
        text(&draft),
        "--cert",
        cert,
        "--key",
        text(&key),
        "--out",
        text(&signed),
    ])
    .unwrap();
    ask("publish", &signed, &first, &records).unwrap();
    // The next list by two of the three; one is not enough, and nobody signs twice.
    let next = at("next.json");
    tram_pki(&[
        "records",
        "trust-list",
        "draft",
        "--from",
        text(&in_force),
        "--out",
        text(&next),
    ])
    .unwrap();
    let (one, two) = (at("one.rec"), at("two.rec"));
    sign(home, "list-1", &next, &one).unwrap();
    let pin = at("pin.crt");
    let mut arguments = vec![
        "records",
        "trust-list",
        "pin",
        "--needed",
        "2",
        "--out",
        text(&pin),
    ];
    arguments.extend(three);
    tram_pki(&arguments).unwrap();
    for known in [&first, &pin] {
        let said = ask("publish", &one, known, &records).unwrap_err();
        assert!(said.contains("1 of 2"), "{said}");
    }
    assert!(
        sign(home, "list-1", &one, &two)
            .unwrap_err()
            .contains("signed already")
    );
    let said = sign(home, "list-3", &one, &two).unwrap();
    assert_eq!(said["signatures"], 2);
    // Stations that pinned the first signer follow the handing over; new ones pin the three.
    for known in [&first, &pin] {
        ask("check", &two, known, &records).unwrap();
    }
    openssl_believes(home, &out, &two);
    ask("publish", &two, &first, &records).unwrap();
    assert!(
        records.join("trust-list-2.rec").exists(),
        "the handing over is kept"
    );
    let again = ask("publish", &two, &pin, &records).unwrap_err();
    assert!(again.contains("list 3 is in force, this is 3"), "{again}");
    // A list of several is not replaced by `refresh` with one signature.
    tram_pki(&["records", "refresh", "--dir", text(&out)]).unwrap();
    ask("check", &in_force, &first, &records).unwrap();
}
