//! Ceremonies with encrypted files: whole, in two parts, and every way to spoil one.

use std::os::unix::fs::PermissionsExt;

use super::hall::{Hall, PASSPHRASE, PROVINCE, SHARES, copy, files, plan};

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story told from beginning to end"
)]
fn two_parts_with_divided_passphrase_are_believed_by_openssl_and_by_us() {
    let hall = Hall::new(&plan(SHARES, "file", "file", PROVINCE));
    let digest = hall.ask(&["plan", "ceremony.toml"]).unwrap()["digest"].clone();
    let first = hall
        .run("out", &["--digest", digest.as_str().unwrap()])
        .unwrap();
    assert_eq!(first["pending"], serde_json::json!(["ca-H01"]));
    let half = hall.verify("out").unwrap();
    assert_eq!(half["pending"], serde_json::json!(["ca-H01"]));
    hall.openssl_agrees("out", &["ca"]);
    // The passphrase is nowhere; two custodians bring theirs on another day, typed from paper.
    std::fs::create_dir(hall.path("typed")).unwrap();
    for number in [3, 1] {
        let share = std::fs::read_to_string(hall.path(&format!("out/shares/share-{number}.txt")));
        hall.write(&format!("typed/{number}"), &share.unwrap().to_uppercase());
    }
    std::fs::remove_dir_all(hall.path("out/shares")).unwrap();
    std::fs::remove_file(hall.path("pass/root.pass")).unwrap();
    hall.request("P-256", "h01.csr");
    let stuck = hall.run("out", &["--csr", "ca-H01=h01.csr"]).unwrap_err();
    assert!(stuck.contains("passphrase is needed for root"), "{stuck}");
    let few = hall.ask(&[
        "shares",
        "combine",
        "--out",
        "pass/root.pass",
        "typed/1",
        "typed/1",
    ]);
    assert!(
        few.unwrap_err()
            .contains("1 different shares are not enough")
    );
    hall.ask(&["shares", "check", "typed/3"]).unwrap();
    hall.ask(&[
        "shares",
        "combine",
        "--out",
        "pass/root.pass",
        "typed/3",
        "typed/1",
    ])
    .unwrap();
    hall.openssl(&[
        "pkey",
        "-in",
        "out/root/root.key",
        "-passin",
        "file:pass/root.pass",
        "-noout",
    ]);
    let second = hall.run("out", &["--csr", "ca-H01=h01.csr"]).unwrap();
    assert_eq!(second["pending"], serde_json::json!([]));
    hall.openssl_agrees("out", &["ca", "ca-H01"]);
    let root = second["root_sha256"].as_str().unwrap();
    hall.ask(&[
        "verify",
        "--dir",
        "out",
        "--fingerprint",
        &root.to_uppercase(),
    ])
    .unwrap();
    let other = "00".repeat(32);
    let refused = hall
        .ask(&["verify", "--dir", "out", "--fingerprint", &other])
        .unwrap_err();
    assert!(
        refused.contains("is the root that was printed"),
        "{refused}"
    );
    province_is_limited(&hall);
    root_key_may_leave(&hall, &second["lines"]);
}

/// The root key may leave; nothing more is to be done.
fn root_key_may_leave(hall: &Hall, lines: &serde_json::Value) {
    std::fs::remove_dir_all(hall.path("out/root")).unwrap();
    hall.verify("out").unwrap();
    let again = hall.run("out", &[]).unwrap();
    assert_eq!(again["lines"], *lines);
}

/// To its own names, critically.
fn province_is_limited(hall: &Hall) {
    let said = hall.openssl(&["x509", "-in", "out/authority/ca-H01.crt", "-noout", "-text"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("Name Constraints: critical"), "{said}");
    assert!(said.contains("DNS:h01.tram.test"), "{said}");
}

#[test]
fn what_authorities_start_from_has_the_names_of_init_and_no_open_key() {
    let hall = Hall::new(&plan("", "file", "file", PROVINCE));
    hall.request("P-256", "h01.csr");
    hall.run("out", &["--csr", "ca-H01=h01.csr"]).unwrap();
    let found = files(&hall.path("out"));
    let wanted = [
        "authority/ca-H01.crt",
        "authority/ca.crt",
        "authority/ca.key",
        "authority/crl.der",
        "authority/root.crt",
        "ceremony.toml",
        "ledger.jsonl",
        "records/ca-H01.crt",
        "records/ca.crl",
        "records/ca.crt",
        "records/root.crl",
        "records/root.crt",
        "requests/ca-H01.csr",
        "root/root.key",
        "transcript-1.p7s",
        "transcript.jsonl",
        "transcript.txt",
    ];
    assert_eq!(found, wanted);
    for name in ["authority/ca.key", "root/root.key"] {
        let path = hall.path(&format!("out/{name}"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("ENCRYPTED"), "{name}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let pass = format!("pass:{PASSPHRASE}");
        hall.openssl(&[
            "pkey",
            "-noout",
            "-passin",
            &pass,
            "-in",
            path.to_str().unwrap(),
        ]);
    }
    let printed = std::fs::read_to_string(hall.path("out/transcript.txt")).unwrap();
    assert!(
        printed.contains("BIÊN BẢN") && printed.contains("Key of root made"),
        "{printed}"
    );
}

#[test]
fn every_changed_file_line_and_signature_is_found_and_named() {
    let hall = Hall::new(&plan("", "file", "file", PROVINCE));
    hall.request("P-256", "h01.csr");
    hall.run("good", &["--csr", "ca-H01=h01.csr"]).unwrap();
    hall.verify("good").unwrap();
    let spoil = |name: &str, what: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        copy(&hall.path("good"), &hall.path("bad"));
        let path = hall.path("bad").join(name);
        let bytes = what(std::fs::read(&path).unwrap());
        std::fs::write(&path, bytes).unwrap();
        hall.verify("bad").expect_err(name)
    };
    for name in files(&hall.path("good")) {
        let flipped = |mut bytes: Vec<u8>| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        };
        let said = spoil(&name, &flipped);
        assert!(said.contains(&name), "{name}: {said}");
        let cut = |mut bytes: Vec<u8>| {
            bytes.pop();
            bytes.pop();
            bytes
        };
        let said = spoil(&name, &cut);
        assert!(said.contains(&name), "{name}: {said}");
    }
    // Lines of the transcript: one changed, one left out, the last left out.
    let text = std::fs::read_to_string(hall.path("good/transcript.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for at in 0..lines.len() {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        changed[at] = changed[at].replace("\"time\":\"2", "\"time\":\"3");
        let said = spoil("transcript.jsonl", &|_| {
            (changed.join("\n") + "\n").into_bytes()
        });
        // The line after it no longer follows; of the last line the signature does not hold.
        let named = format!("line {}", at + 2);
        let last = at + 1 == lines.len();
        assert!(
            said.contains(&named) || last && said.contains("transcript-1.p7s"),
            "{said}"
        );
        let mut fewer = lines.clone();
        fewer.remove(at);
        let said = spoil("transcript.jsonl", &|_| {
            (fewer.join("\n") + "\n").into_bytes()
        });
        assert!(said.contains("transcript"), "{said}");
    }
    // A file that is gone.
    for name in [
        "authority/ca.crt",
        "records/root.crl",
        "transcript-1.p7s",
        "ledger.jsonl",
    ] {
        copy(&hall.path("good"), &hall.path("bad"));
        std::fs::remove_file(hall.path("bad").join(name)).unwrap();
        let said = hall.verify("bad").unwrap_err();
        assert!(said.contains(name) && said.contains("not there"), "{said}");
    }
}

#[test]
fn another_root_cannot_take_the_place_of_the_first() {
    let hall = Hall::new(&plan("", "file", "file", ""));
    let good = hall.run("good", &[]).unwrap();
    hall.run("other", &[]).unwrap();
    let root = good["root_sha256"].as_str().unwrap();
    // A whole other ceremony of the same plan holds in itself, but not against the paper.
    hall.verify("other").unwrap();
    let said = hall
        .ask(&["verify", "--dir", "other", "--fingerprint", root])
        .unwrap_err();
    assert!(
        said.contains("authority") || said.contains("root"),
        "{said}"
    );
    // Its pieces do not fit either.
    for name in [
        "transcript-1.p7s",
        "authority/root.crt",
        "authority/ca.crt",
        "records/ca.crl",
    ] {
        copy(&hall.path("good"), &hall.path("mixed"));
        std::fs::copy(hall.path("other").join(name), hall.path("mixed").join(name)).unwrap();
        let said = hall.verify("mixed").unwrap_err();
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn what_should_not_be_done_is_refused_before_anything_is_signed() {
    let hall = Hall::new(&plan("", "file", "file", PROVINCE));
    let refused = |arguments: &[&str], words: &str| {
        let said = hall.run("out", arguments).unwrap_err();
        assert!(said.contains(words), "{words}: {said}");
    };
    refused(&["--digest", &"0".repeat(64)], "not the reviewed one");
    refused(&["--csr", "ca=x"], "awaits no request for ca");
    refused(&["--csr", "x"], "names no authority");
    assert!(!hall.path("out").exists());
    hall.write("pass/root.pass", "short\n");
    refused(&[], "fewer than 12");
    assert!(!hall.path("out/root/root.key").exists());
    hall.write("pass/root.pass", PASSPHRASE);
    hall.request("P-384", "big.csr");
    refused(&["--csr", "ca-H01=big.csr"], "not ecdsa-p256");
    hall.write("broken.csr", "x");
    refused(&["--csr", "ca-H01=broken.csr"], "not a certificate request");
    // Signed by another key than the one it asks for.
    hall.request("P-256", "good.csr");
    hall.openssl(&[
        "req", "-in", "good.csr", "-outform", "DER", "-out", "der.csr",
    ]);
    let mut der = std::fs::read(hall.path("der.csr")).unwrap();
    *der.last_mut().unwrap() ^= 1;
    std::fs::write(hall.path("der.csr"), der).unwrap();
    refused(&["--csr", "ca-H01=der.csr"], "certificate request");
    let ledger = std::fs::read_to_string(hall.path("out/ledger.jsonl")).unwrap();
    assert_eq!(ledger.matches("\"issued\"").count(), 2, "root and ca only");
    hall.run("out", &["--csr", "ca-H01=good.csr"]).unwrap();
    hall.verify("out").unwrap();
    // Another plan in the same folder; a folder that is none.
    let more = PROVINCE.replace("H01", "H02");
    hall.write("ceremony.toml", &plan("", "file", "file", &more));
    refused(&[], "begun with another plan");
    let said = hall.run("pass", &[]).unwrap_err();
    assert!(said.contains("no folder of a ceremony"), "{said}");
}
