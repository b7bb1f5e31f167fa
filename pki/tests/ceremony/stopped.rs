//! Ceremonies that stop in the middle: they go on, and no serial number is signed twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::hall::{Hall, SHARES, copy, plan};

/// Every serial number of the ledger was signed at most once, and each certificate is known.
fn judge_ledger(hall: &Hall, out: &str) {
    let text = std::fs::read_to_string(hall.path(&format!("{out}/ledger.jsonl"))).unwrap();
    let mut issued: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["event"] == "issued" {
            let sha256 = line["sha256"].as_str().unwrap().to_owned();
            let serial = line["serial"].as_str().unwrap().to_owned();
            issued.entry(serial).or_default().push(sha256);
        }
    }
    assert!(issued.len() >= 2);
    assert!(issued.values().all(|all| all.len() == 1), "{issued:?}");
}

#[test]
fn a_run_that_stopped_after_any_line_goes_on_and_holds() {
    let hall = Hall::new(&plan(SHARES, "file", "file", ""));
    hall.run("whole", &[]).unwrap();
    let text = std::fs::read_to_string(hall.path("whole/transcript.jsonl")).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // Everything was done, but only so many lines (and half of the next) were noted.
    for kept in 0..lines.len() {
        copy(&hall.path("whole"), &hall.path("half"));
        let half = &lines[kept][..lines[kept].len() / 2];
        let left = lines[..kept].concat() + half;
        std::fs::write(hall.path("half/transcript.jsonl"), left).unwrap();
        if kept < 2 {
            // Nobody had noted that a passphrase exists: the key cannot be there either.
            std::fs::remove_dir_all(hall.path("half/root")).unwrap();
            std::fs::remove_dir_all(hall.path("half/authority")).unwrap();
        }
        hall.run("half", &[])
            .unwrap_or_else(|error| panic!("after line {kept}: {error}"));
        hall.verify("half")
            .unwrap_or_else(|error| panic!("after line {kept}: {error}"));
        judge_ledger(&hall, "half");
    }
    // Only the last signature is missing.
    std::fs::remove_file(hall.path("whole/transcript-1.p7s")).unwrap();
    hall.verify("whole").unwrap_err();
    hall.run("whole", &[]).unwrap();
    hall.verify("whole").unwrap();
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_whole() {
    let hall = Hall::new(&plan("", "file", "file", ""));
    let arguments = [
        "run",
        "--plan",
        "ceremony.toml",
        "--out",
        "out",
        "--passphrases",
        "pass",
    ];
    for round in 1..=12 {
        let mut child = hall
            .program(&arguments)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Killed as soon as the transcript has one line more, somewhere in the next step.
        let path = hall.path("out/transcript.jsonl");
        let begun = Instant::now();
        let lines = || std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
        while lines() < round && begun.elapsed() < Duration::from_secs(20) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::yield_now();
        }
        let _ended = child.kill();
        child.wait().unwrap();
    }
    hall.run("out", &[]).unwrap();
    hall.verify("out").unwrap();
    judge_ledger(&hall, "out");
}

#[test]
fn a_changed_file_stops_the_next_part_instead_of_being_signed() {
    let hall = Hall::new(&plan("", "file", "file", super::hall::PROVINCE));
    hall.run("out", &[]).unwrap();
    hall.request("P-256", "h01.csr");
    let cert = hall.path("out/authority/ca.crt");
    let good = std::fs::read(&cert).unwrap();
    std::fs::write(&cert, [&good[..], b"\n"].concat()).unwrap();
    let said = hall.run("out", &["--csr", "ca-H01=h01.csr"]).unwrap_err();
    assert!(
        said.contains("authority/ca.crt is not what this ceremony made"),
        "{said}"
    );
    std::fs::write(&cert, good).unwrap();
    // Another key in the place of the root's.
    let key = hall.path("out/root/root.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let said = hall.run("out", &[]).unwrap_err();
    assert!(said.contains("root/root.key is not here"), "{said}");
    std::fs::copy(hall.path("out/authority/ca.key"), &key).unwrap();
    let said = hall.run("out", &[]).unwrap_err();
    assert!(said.contains("another key"), "{said}");
    std::fs::write(&key, kept).unwrap();
    hall.run("out", &["--csr", "ca-H01=h01.csr"]).unwrap();
    hall.verify("out").unwrap();
}
