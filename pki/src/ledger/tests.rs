//! The ledger: nothing signed unknown, damage noticed, a torn tail cut.

use std::fs::OpenOptions;
use std::io::Write;

use super::*;
use crate::testing::{Country, NOW};

fn some_lines(path: &Path) -> Vec<String> {
    let mut country = Country::new();
    let mut ledger = Ledger::open(path).unwrap();
    for name in ["H01", "H02", "H03"] {
        let (_, template) = Country::template(Role::AgencySignature, name);
        let prepared = country.national.prepare(template).unwrap();
        let planned = ledger.plan(vec![prepared], NOW).unwrap().pop().unwrap();
        let cert = country.national.sign(planned).unwrap();
        ledger.issued(std::slice::from_ref(&cert), NOW).unwrap();
        ledger
            .revoke(&cert.serial_hex(), CrlReason::Superseded, NOW)
            .unwrap();
    }
    ledger
        .next_crl(country.national.certificate(), NOW)
        .unwrap();
    country
        .ledger
        .next_crl(country.national.certificate(), NOW)
        .unwrap();
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_was_written_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let lines = some_lines(&path);
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.head().0, 10);
    assert_eq!(
        ledger.head().1,
        Digest::of(lines.last().unwrap().as_bytes())
    );
    assert_eq!(ledger.entries().count(), 3);
    assert!(
        ledger
            .entries()
            .all(|entry| entry.revoked.is_some() && entry.sha256.is_some())
    );
}

#[test]
fn any_changed_missing_or_swapped_line_stops_the_authority() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let lines = some_lines(&path);
    let refused = |lines: &[String]| {
        let path = dir.path().join("changed.jsonl");
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        matches!(Ledger::open(&path), Err(LedgerError::Damaged { .. }))
    };
    assert!(!refused(&lines));
    for at in 0..lines.len() - 1 {
        let mut changed = lines.clone();
        changed[at] = changed[at]
            .replacen("H0", "H1", 1)
            .replacen("superseded", "unspecified", 1);
        if changed[at] != lines[at] {
            assert!(refused(&changed), "changed line {at}");
        }
        let mut missing = lines.clone();
        missing.remove(at);
        assert!(refused(&missing), "missing line {at}");
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        assert!(refused(&swapped), "swapped line {at}");
    }
}

#[test]
fn a_torn_last_line_was_never_acknowledged_and_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let lines = some_lines(&path);
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"{\"seq\":11,")
        .unwrap();
    assert_eq!(Ledger::open(&path).unwrap().head().0, 10);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, lines.join("\n") + "\n");
}

#[test]
fn two_commands_cannot_hold_the_ledger_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let first = Ledger::open(&path).unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Locked(_))));
    drop(first);
    assert!(Ledger::open(&path).is_ok());
}

#[test]
fn a_certificate_is_in_the_ledger_before_it_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.jsonl");
    let country = Country::new();
    let mut ledger = Ledger::open(&path).unwrap();
    let (_, template) = Country::template(Role::StationTls, "node-1.tram.test");
    let prepared = country.national.prepare(template).unwrap();
    let serial = prepared.serial_hex();
    let planned = ledger.plan(vec![prepared], NOW).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains(&serial));
    drop((planned, ledger));
    // The process ends here: the plan stays, without a certificate.
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.entry(&serial).unwrap().sha256, None);
}
