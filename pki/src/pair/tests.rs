//! Every step of a renewal is a place where the power may go: after each, what is on disk is a key
//! with its own certificate.

use super::*;
use crate::fixture::Authority;
use crate::role::Role;

fn issue(authority: &Authority, wanted: &Wanted) -> Certificate {
    authority.answer(Role::StationTls, "node-1", &wanted.csr)
}

fn whole(pair: &Pair) -> Certificate {
    pair.recover().unwrap();
    let certificate = pair.current().unwrap().expect("a certificate");
    let key = SigningKey::load(pair.key_file(), None).unwrap();
    assert_eq!(
        key.spki_der(),
        certificate.spki_der(),
        "a key without its certificate"
    );
    certificate
}

fn first(authority: &Authority, folder: &Path) -> (Pair, Certificate) {
    let pair = Pair::within(folder, "tls");
    let wanted = pair.prepare("node-1.tram.test", None).unwrap();
    let certificate = issue(authority, &wanted);
    pair.arrived(&certificate, None).unwrap();
    pair.switch(None).unwrap();
    assert_eq!(whole(&pair), certificate);
    (pair, certificate)
}

#[test]
fn asking_again_asks_for_the_same_key_with_the_same_request() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::within(folder.path(), "tls");
    let one = pair.prepare("node-1.tram.test", None).unwrap();
    assert!(pair.waits());
    let other = pair.prepare("node-1.tram.test", None).unwrap();
    assert_eq!(one.csr, other.csr);
    // A torn request is made again, for the same key.
    std::fs::write(pair.request_file(), "half").unwrap();
    let third = pair.prepare("node-1.tram.test", None).unwrap();
    assert_eq!(third.spki_der, one.spki_der);
    // A key that was not finished is nobody's.
    std::fs::remove_file(pair.next_key_file()).unwrap();
    std::fs::write(folder.path().join("tls.next.part"), "half").unwrap();
    let fourth = pair.prepare("node-1.tram.test", None).unwrap();
    assert_ne!(fourth.spki_der, one.spki_der);
}

#[test]
fn a_crash_after_any_step_of_the_switch_leaves_a_whole_pair() {
    let authority = Authority::new();
    let steps = {
        let folder = tempfile::tempdir().unwrap();
        let (pair, _) = first(&authority, folder.path());
        pair.steps(Some("old")).len()
    };
    for crash_after in 0..=steps {
        let folder = tempfile::tempdir().unwrap();
        let (pair, old) = first(&authority, folder.path());
        let wanted = pair.prepare("node-1.tram.test", None).unwrap();
        assert_eq!(whole(&pair), old, "a new key alone changes nothing");
        let new = issue(&authority, &wanted);
        pair.arrived(&new, None).unwrap();
        assert_eq!(whole(&pair), old, "a waiting certificate changes nothing");
        for step in pair.steps(Some("old")).iter().take(crash_after) {
            step.take().unwrap();
        }
        // The process is gone; another one starts.
        let found = whole(&pair);
        assert!(found == old || found == new);
        if crash_after >= 3 {
            assert_eq!(found, new, "decided after step {crash_after}");
        }
        // It carries on to the same end.
        if pair.next().unwrap().is_some() {
            pair.switch(Some("old")).unwrap();
        }
        assert_eq!(whole(&pair), new);
        let kept = Pair::within(folder.path(), "tls-old");
        assert_eq!(whole(&kept), old);
        assert!(!pair.waits() && pair.next().unwrap().is_none());
    }
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::within(folder.path(), "tls");
    pair.prepare("node-1.tram.test", None).unwrap();
    let other = Pair::within(folder.path(), "other");
    let wanted = other.prepare("node-1.tram.test", None).unwrap();
    let certificate = issue(&authority, &wanted);
    let error = pair.arrived(&certificate, None).unwrap_err();
    assert!(matches!(error, PairError::KeyMismatch(_)), "{error}");
    assert!(pair.next().unwrap().is_none());
}

#[test]
fn encrypted_keys_have_encrypted_successors() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::within(folder.path(), "tls");
    pair.prepare("node-1.tram.test", Some("bí mật")).unwrap();
    let text = std::fs::read_to_string(pair.next_key_file()).unwrap();
    assert!(text.contains("ENCRYPTED PRIVATE KEY"));
    assert!(pair.prepare("node-1.tram.test", None).is_err());
    pair.prepare("node-1.tram.test", Some("bí mật")).unwrap();
}
