//! Keys in SoftHSM2: made, used by many, lost, found again; OpenSSL on the other end.

use std::process::Command;
use std::sync::Barrier;

use cryptoki::object::{Attribute, AttributeType};

use super::session::Open;
use crate::algorithm::{Curve, PublicKey};
use crate::issue::{Issuer, prepare_root, sign_root};
use crate::key::{Algorithm, DecryptionKey, KeyError, SigningKey, TokenFault};
use crate::ledger::Ledger;
use crate::profile::Template;
use crate::role::Role;
use crate::softhsm::{PIN, with_store};
use crate::testing::NOW;

macro_rules! name {
    ($test:literal) => {
        concat!(module_path!(), "::", $test)
    };
}

fn fault<T: std::fmt::Debug>(result: Result<T, KeyError>) -> TokenFault {
    match result.unwrap_err() {
        KeyError::Token { key, fault } => {
            assert!(key.starts_with("pkcs11:") && !key.contains("pin"), "{key}");
            fault
        }
        other => panic!("{other}"),
    }
}

#[test]
fn keys_made_in_a_token_sign_there_and_never_leave_it() {
    with_store(
        name!("keys_made_in_a_token_sign_there_and_never_leave_it"),
        |store| {
            for (algorithm, label) in [
                (Algorithm::EcdsaP256, "p256"),
                (Algorithm::EcdsaP384, "p384"),
                (Algorithm::RsaPss3072, "rsa"),
            ] {
                let uri = store.uri("Root", label);
                let key = SigningKey::generate_in_token(&uri, None, algorithm).unwrap();
                assert_eq!(key.algorithm(), algorithm);
                assert!(key.is_in_token());
                let public = PublicKey::from_spki(key.spki_der()).unwrap();
                for round in 0..20 {
                    let message = format!("message {round}");
                    let signature = key.sign(message.as_bytes()).unwrap();
                    let with = key.signature_algorithm();
                    assert_eq!(public.verify(with, message.as_bytes(), &signature), Ok(()));
                }
                let open = Open::new(&uri, None).unwrap();
                let session = open.session(false).unwrap();
                let asked = [
                    AttributeType::Extractable,
                    AttributeType::NeverExtractable,
                    AttributeType::Sensitive,
                    AttributeType::AlwaysSensitive,
                    AttributeType::Local,
                ];
                let said = session.session.get_attributes(session.key, &asked).unwrap();
                assert_eq!(
                    said,
                    [
                        Attribute::Extractable(false),
                        Attribute::NeverExtractable(true),
                        Attribute::Sensitive(true),
                        Attribute::AlwaysSensitive(true),
                        Attribute::Local(true),
                    ]
                );
                let again = SigningKey::generate_in_token(&uri, None, algorithm);
                assert_eq!(fault(again), TokenFault::Exists);
            }
        },
    );
}

#[test]
fn a_key_file_may_hold_an_address_and_openssl_believes_what_it_signed() {
    let name = name!("a_key_file_may_hold_an_address_and_openssl_believes_what_it_signed");
    with_store(name, |store| {
        let uri = store.uri("Root", "root%20key");
        let made = SigningKey::generate_in_token(&uri, None, Algorithm::EcdsaP384).unwrap();
        let other = store.dir.join("elsewhere");
        std::fs::create_dir(&other).unwrap();
        let file = other.join("root.key");
        made.save(&file, None).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("pkcs11:token=Root;object=root%20key?module-path=/"),
            "{text}"
        );
        let key = SigningKey::load(&file, None).unwrap();
        assert_eq!(key.spki_der(), made.spki_der());
        let domain = "tram.test".parse().unwrap();
        let mut ledger = Ledger::open(&store.dir.join("ledger.jsonl")).unwrap();
        let template = Template::new(Role::Root, "Root", key.spki_der(), NOW);
        let prepared = prepare_root(template, &key, &domain).unwrap();
        let planned = ledger.plan(vec![prepared], NOW).unwrap().pop().unwrap();
        let root = sign_root(planned, &key).unwrap();
        let root_file = store.dir.join("root.crt");
        std::fs::write(&root_file, root.pem()).unwrap();
        let issuer = Issuer::new(root, key, domain).unwrap();
        let below = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let template =
            Template::new(Role::IssuingCa, "CA", below.spki_der(), NOW).permitting("tram.test");
        let prepared = issuer.prepare(template).unwrap();
        let planned = ledger.plan(vec![prepared], NOW).unwrap().pop().unwrap();
        let ca_file = store.dir.join("ca.crt");
        std::fs::write(&ca_file, issuer.sign(planned).unwrap().pem()).unwrap();
        let judged = Command::new("openssl")
            .args([
                "verify",
                "-x509_strict",
                "-check_ss_sig",
                "-attime",
                "1795316400",
            ])
            .arg("-CAfile")
            .args([&root_file, &root_file, &ca_file])
            .output()
            .unwrap();
        assert!(
            judged.status.success(),
            "{}",
            String::from_utf8_lossy(&judged.stderr)
        );
    });
}

#[test]
fn what_cannot_be_opened_says_what_is_missing() {
    with_store(
        name!("what_cannot_be_opened_says_what_is_missing"),
        |store| {
            let uri = store.uri("Root", "k");
            // The wrong PIN first: once somebody of the process is logged in, a token takes any.
            let query = "";
            let bare = store.parse("token=Root;object=k", query);
            assert_eq!(
                fault(SigningKey::from_token(&bare, Some("999999"))),
                TokenFault::Pin
            );
            assert_eq!(
                fault(SigningKey::from_token(&bare, None)),
                TokenFault::NoPin
            );
            assert_eq!(fault(SigningKey::from_token(&uri, None)), TokenFault::NoKey);
            let key = SigningKey::generate_in_token(&uri, None, Algorithm::EcdsaP256).unwrap();
            let opened = SigningKey::from_token(&bare, Some(PIN)).unwrap();
            assert_eq!(opened.spki_der(), key.spki_der());
            let absent = store.uri("Missing", "k");
            assert_eq!(
                fault(SigningKey::from_token(&absent, None)),
                TokenFault::NoToken
            );
            let serial = store.parse("token=Root;serial=0000;object=k", query);
            assert_eq!(
                fault(SigningKey::from_token(&serial, Some(PIN))),
                TokenFault::NoToken
            );
            let no_file = store.parse("token=Root;object=k", "&pin-source=file:nowhere");
            let said = fault(SigningKey::from_token(&no_file, None));
            assert!(matches!(said, TokenFault::PinSource(ref text) if text.contains("nowhere")));
            let line = "pkcs11:token=Root;object=k?module-path=/nowhere/module.so";
            let uri = crate::key::TokenUri::parse(line, &store.dir).unwrap();
            let said = fault(SigningKey::from_token(&uri, Some(PIN)));
            assert!(matches!(said, TokenFault::Module(ref text) if text.contains("/nowhere")));
            // An RSA key does not decrypt, a decryption key does not sign.
            let uri = store.uri("Root", "rsa");
            SigningKey::generate_in_token(&uri, None, Algorithm::RsaPss3072).unwrap();
            assert!(matches!(
                fault(DecryptionKey::from_token(&uri, None)),
                TokenFault::Kind(_)
            ));
            let uri = store.uri("Root", "ecdh");
            DecryptionKey::generate_in_token(&uri, None, Curve::P256).unwrap();
            assert!(matches!(
                fault(SigningKey::from_token(&uri, None)),
                TokenFault::Refused(_)
            ));
            let file = store.dir.join("bad.key");
            std::fs::write(&file, "pkcs11:token=Root\n").unwrap();
            let error = SigningKey::load(&file, None).unwrap_err();
            assert!(error.to_string().contains("bad.key"), "{error}");
        },
    );
}

#[test]
fn many_threads_sign_with_one_key_and_every_signature_holds() {
    with_store(
        name!("many_threads_sign_with_one_key_and_every_signature_holds"),
        |store| {
            let uri = store.uri("Root", "busy");
            let one = SigningKey::generate_in_token(&uri, None, Algorithm::EcdsaP256).unwrap();
            // A second handle of the same key has its own session.
            let two = SigningKey::from_token(&uri, None).unwrap();
            let public = PublicKey::from_spki(one.spki_der()).unwrap();
            let start = Barrier::new(16);
            std::thread::scope(|scope| {
                for thread in 0..16 {
                    let key = if thread % 2 == 0 {
                        one.clone()
                    } else {
                        two.clone()
                    };
                    let (public, start) = (public.clone(), &start);
                    scope.spawn(move || {
                        start.wait();
                        for round in 0..25 {
                            let message = format!("{thread}/{round}");
                            let signature = key.sign(message.as_bytes()).unwrap();
                            let with = key.signature_algorithm();
                            assert_eq!(public.verify(with, message.as_bytes(), &signature), Ok(()));
                        }
                    });
                }
            });
            drop(one);
            two.sign(b"the other handle lives on").unwrap();
        },
    );
}

#[test]
fn a_lost_session_is_opened_again_and_a_removed_token_is_named() {
    let name = name!("a_lost_session_is_opened_again_and_a_removed_token_is_named");
    with_store(name, |store| {
        let uri = store.uri("Root", "lost");
        let key = SigningKey::generate_in_token(&uri, None, Algorithm::EcdsaP256).unwrap();
        key.sign(b"before").unwrap();
        // Whoever logs out takes the login from every session of the process.
        let open = Open::new(&uri, None).unwrap();
        open.session(false).unwrap().session.logout().unwrap();
        key.sign(b"after").unwrap();
        for token in std::fs::read_dir(store.dir.join("tokens")).unwrap() {
            std::fs::remove_dir_all(token.unwrap().path()).unwrap();
        }
        for _ in 0..3 {
            let said = key.sign(b"without a token").unwrap_err().to_string();
            assert!(said.contains("object=lost"), "{said}");
        }
    });
}

#[test]
fn a_wrong_pin_is_tried_once_only() {
    with_store(name!("a_wrong_pin_is_tried_once_only"), |store| {
        let uri = store.parse("token=Root;object=k", "&pin-source=file:pin");
        let key = SigningKey::generate_in_token(&uri, None, Algorithm::EcdsaP256).unwrap();
        // The PIN is changed behind our back and the session is lost.
        let open = Open::new(&uri, None).unwrap();
        let session = open.session(false).unwrap().session;
        let (old, new) = (PIN.to_owned().into(), "97531".to_owned().into());
        session.set_pin(&old, &new).unwrap();
        session.logout().unwrap();
        assert_eq!(fault(key.sign(b"x")), TokenFault::Pin);
        session.set_pin(&new, &old).unwrap();
        // The right PIN again; but this handle does not try any more.
        assert_eq!(fault(key.sign(b"x")), TokenFault::Pin);
        SigningKey::from_token(&uri, None).unwrap();
    });
}

#[test]
fn a_decryption_key_in_a_token_agrees_like_one_in_memory() {
    with_store(
        name!("a_decryption_key_in_a_token_agrees_like_one_in_memory"),
        |store| {
            for (curve, label, bytes) in [(Curve::P256, "p256", 32), (Curve::P384, "p384", 48)] {
                let uri = store.uri("Root", label);
                let inside = DecryptionKey::generate_in_token(&uri, None, curve).unwrap();
                let file = store.dir.join(format!("{label}.key"));
                inside.save(&file, None).unwrap();
                let inside = DecryptionKey::load(&file, None).unwrap();
                assert_eq!(inside.curve(), curve);
                let point = |spki: &[u8]| PublicKey::from_spki(spki).unwrap().raw().to_vec();
                for _ in 0..5 {
                    let outside = DecryptionKey::generate_on(curve).unwrap();
                    let one = inside.agree(&point(outside.spki_der())).unwrap();
                    let two = outside.agree(&point(inside.spki_der())).unwrap();
                    assert_eq!(*one, *two);
                    assert_eq!(one.len(), bytes);
                }
                assert!(
                    inside.agree(&vec![4; curve.point_bytes()]).is_err(),
                    "off the curve"
                );
                assert!(inside.agree(&[]).is_err());
            }
        },
    );
}

#[test]
fn a_key_that_another_tool_made_is_used_as_well() {
    with_store(
        name!("a_key_that_another_tool_made_is_used_as_well"),
        |store| {
            let uri = store.parse("token=Root;id=%0A", "&pin-source=file:pin");
            let made = Command::new("pkcs11-tool")
                .arg("--module")
                .arg(&uri.module)
                .args([
                    "--token-label",
                    "Root",
                    "--login",
                    "--pin",
                    PIN,
                    "--keypairgen",
                ])
                .args([
                    "--key-type",
                    "EC:secp384r1",
                    "--id",
                    "0a",
                    "--label",
                    "foreign",
                ])
                .output()
                .unwrap();
            assert!(
                made.status.success(),
                "{}",
                String::from_utf8_lossy(&made.stderr)
            );
            let key = SigningKey::from_token(&uri, None).unwrap();
            assert_eq!(key.algorithm(), Algorithm::EcdsaP384);
            let public = PublicKey::from_spki(key.spki_der()).unwrap();
            let signature = key.sign(b"x").unwrap();
            let with = key.signature_algorithm();
            assert_eq!(public.verify(with, b"x", &signature), Ok(()));
        },
    );
}
