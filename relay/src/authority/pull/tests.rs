//! What may replace what in the records folder; the talk with a server is in `tests/authority`.

use super::*;

fn crl(number: u64, issuer: &Issued) -> Vec<u8> {
    let now = Timestamp::from_unix_ms(1_780_000_000_000);
    let template = pki::issue::CrlTemplate {
        number,
        this_update: now,
        next_update: now.plus_ms(3_600_000),
        entries: vec![],
    };
    issuer.issuer.sign_crl(&template).unwrap().der().to_vec()
}

struct Issued {
    issuer: pki::issue::Issuer,
    root: Certificate,
}

fn authority(dir: &Path, name: &str) -> Issued {
    use pki::key::{Algorithm, SigningKey};
    use pki::profile::Template;
    use pki::role::Role;
    let now = Timestamp::from_unix_ms(1_780_000_000_000);
    let domain: formats::id::TrustDomain = "tram.test".parse().unwrap();
    let mut ledger = pki::ledger::Ledger::open(&dir.join(name)).unwrap();
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let template = Template::new(Role::Root, name, key.spki_der(), now);
    let prepared = pki::issue::prepare_root(template, &key, &domain).unwrap();
    let planned = ledger.plan(vec![prepared], now).unwrap().remove(0);
    let root = pki::issue::sign_root(planned, &key).unwrap();
    let issuer = pki::issue::Issuer::new(root.clone(), key, domain).unwrap();
    Issued { issuer, root }
}

fn believing(root: &Certificate) -> Validator {
    Validator::new(pki::chain::TrustStore {
        trust_domain: "tram.test".parse().unwrap(),
        roots: vec![root.clone()],
        intermediates: vec![],
        crls: vec![],
        ocsp: vec![],
    })
}

#[test]
fn a_revocation_list_gives_way_to_a_later_one_of_its_issuer_only() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (
        authority(dir.path(), "Root"),
        authority(dir.path(), "Other"),
    );
    // The same name with another key: somebody who can write names but not sign.
    std::fs::remove_file(dir.path().join("Root")).unwrap();
    let forged = authority(dir.path(), "Root");
    let validator = believing(&ours.root);
    let path = Path::new("root.crl");
    // 0x7f and 0x80 have numbers of another length in DER.
    let held = crl(0x7f, &ours);
    let against = |new: &[u8]| judge(path, new, Some(&held), Some(&validator));
    assert!(against(&crl(0x80, &ours)).is_ok());
    assert!(against(&crl(0x7f, &ours)).is_ok(), "signed again");
    let older = against(&crl(0x7e, &ours)).unwrap_err();
    assert!(older.contains("older"), "{older}");
    assert!(
        against(&crl(0x90, &other))
            .unwrap_err()
            .contains("is a list of")
    );
    assert!(
        against(&crl(0x90, &forged))
            .unwrap_err()
            .contains("no authority")
    );
    assert!(against(b"").is_err());
    assert!(judge(path, &crl(1, &ours), Some(b"damaged"), Some(&validator)).is_ok());
}

#[test]
fn only_certificates_lie_in_files_of_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let root = authority(dir.path(), "Root").root;
    let path = Path::new("root.crt");
    assert!(judge(path, root.pem().as_bytes(), None, None).is_ok());
    assert!(judge(path, root.der(), None, None).is_ok());
    for bad in [&b""[..], b"hello", b"\x30\x03\x02\x01\x01"] {
        assert!(judge(path, bad, None, None).is_err());
    }
}

#[test]
fn what_is_no_record_never_takes_the_place_of_one() {
    assert!(judge(Path::new("a.rec"), b"garbage", None, None).is_err());
}
