//! Keys: files, modes, wrong passphrases, and OpenSSL as the reader on the other end.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;
use crate::algorithm::{AlgorithmError, PublicKey};

#[test]
fn each_kind_of_key_signs_what_its_public_half_verifies() {
    for algorithm in [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::RsaPss3072,
    ] {
        let key = SigningKey::generate(algorithm).unwrap();
        let public = PublicKey::from_spki(key.spki_der()).unwrap();
        let mut signature = key.sign(b"message").unwrap();
        let with = key.signature_algorithm();
        assert_eq!(public.verify(with, b"message", &signature), Ok(()));
        assert_eq!(
            public.verify(with, b"other", &signature),
            Err(AlgorithmError::BadSignature)
        );
        *signature.last_mut().unwrap() ^= 1;
        assert!(public.verify(with, b"message", &signature).is_err());
    }
}

#[test]
fn openssl_reads_our_key_files_and_finds_the_same_public_key() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain.key");
    let sealed = dir.path().join("sealed.key");
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    key.save(&plain, None).unwrap();
    key.save(&sealed, Some("mật khẩu")).unwrap();
    for path in [&plain, &sealed] {
        let out = Command::new("openssl")
            .args([
                "pkey",
                "-pubout",
                "-outform",
                "DER",
                "-passin",
                "pass:mật khẩu",
                "-in",
            ])
            .arg(path)
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        assert_eq!(out.stdout, key.spki_der());
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert_eq!(
        SigningKey::load(&sealed, Some("mật khẩu"))
            .unwrap()
            .spki_der(),
        key.spki_der()
    );
    assert!(matches!(
        SigningKey::load(&sealed, Some("sai")),
        Err(KeyError::Passphrase(_))
    ));
    assert!(matches!(
        SigningKey::load(&sealed, None),
        Err(KeyError::Encrypted(_))
    ));
    assert!(
        matches!(key.save(&plain, None), Err(KeyError::File { .. })),
        "never overwritten"
    );
}

#[test]
fn we_read_key_files_that_openssl_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("openssl.key");
    let made = Command::new("openssl")
        .args([
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-aes-256-cbc", "-pass", "pass:x", "-out"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success());
    let key = SigningKey::load(&path, Some("x")).unwrap();
    assert_eq!(key.algorithm(), Algorithm::EcdsaP256);
    let ed = dir.path().join("ed.key");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "ED25519", "-out"])
        .arg(&ed)
        .output()
        .unwrap();
    assert!(made.status.success());
    let log = LogKey::load(&ed, None).unwrap();
    let again = dir.path().join("ed2.key");
    log.save(&again, None).unwrap();
    let out = Command::new("openssl")
        .args(["pkey", "-pubout", "-outform", "DER", "-in"])
        .arg(&again)
        .output()
        .unwrap();
    assert!(out.stdout.ends_with(&log.public()));
}

#[test]
fn decryption_keys_agree_on_the_same_secret_from_both_ends() {
    let (a, b) = (
        DecryptionKey::generate().unwrap(),
        DecryptionKey::generate().unwrap(),
    );
    let point = |key: &DecryptionKey| PublicKey::from_spki(key.spki_der()).unwrap().raw().to_vec();
    let one = a.agree(&point(&b)).unwrap();
    assert_eq!(*one, *b.agree(&point(&a)).unwrap());
    assert_eq!(one.len(), 32);
    assert!(
        a.agree(&[4; 65]).is_err(),
        "a point off the curve is refused"
    );
}

#[test]
fn what_is_not_a_key_is_refused_and_the_file_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.key");
    std::fs::write(
        &path,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    let text = SigningKey::load(&path, None).unwrap_err().to_string();
    assert!(text.contains("x.key"), "{text}");
    assert!(LogKey::load(&path, None).is_err());
    assert!(DecryptionKey::load(&path, None).is_err());
    assert!(matches!(
        SigningKey::load(&dir.path().join("none.key"), None),
        Err(KeyError::File { .. })
    ));
}
