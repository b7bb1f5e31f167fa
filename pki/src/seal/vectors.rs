//! Wycheproof: signatures, key agreement, key wrap and content encryption through our own code.

use std::path::Path;

use aws_lc_rs::digest;
use der::asn1::{BitString, ObjectIdentifier, OctetString};
use der::{Any, Encode, Sequence};
use serde_json::Value;
use spki::AlgorithmIdentifierOwned;

use super::capsule::{self, GcmParameters};
use super::wrap;
use crate::algorithm::{KeyKind, PublicKey, SignatureAlgorithm};
use crate::key::DecryptionKey;
use crate::suite::{Case, Verdict, judge, vectors};
use cms::enveloped_data::EncryptedContentInfo;

#[test]
fn wycheproof_verdicts() {
    let Some(folder) = vectors("wycheproof") else {
        return;
    };
    let mut files: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let before = cases.len();
        cases.extend(file_cases(&file));
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        tell(&name, &cases[before..]);
    }
    judge("wycheproof", &cases);
}

/// One line a file.
fn tell(name: &str, cases: &[Case]) {
    let mut counts = [0; 4];
    for case in cases {
        let place = match (&case.verdict, case.accept) {
            (Verdict::Accepted, true) | (Verdict::Rejected(_), false) => 0,
            (Verdict::Accepted, false) => 1,
            (Verdict::Rejected(_), true) => 2,
            (Verdict::Skipped, _) => 3,
        };
        counts[place] += 1;
    }
    let [right, accepts, rejects, skipped] = counts;
    println!(
        "wycheproof/{name}: {} cases, right {right}, false accept {accepts}, false reject \
         {rejects}, skipped {skipped}",
        cases.len()
    );
}

fn file_cases(file: &Path) -> Vec<Case> {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(file).unwrap();
    let suite: Value = serde_json::from_str(&text).unwrap();
    let mut cases = Vec::new();
    for group in suite["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let verdict = run(&name, group, test);
            let accept = match test["result"].as_str().unwrap() {
                "valid" => true,
                "invalid" => false,
                // Either is right: old padding, compressed points and the like.
                "acceptable" => matches!(verdict, Verdict::Accepted),
                other => panic!("result {other}"),
            };
            cases.push(Case::new(
                format!("{name}#{}", test["tcId"]),
                accept,
                verdict,
            ));
        }
    }
    cases
}

fn run(file: &str, group: &Value, test: &Value) -> Verdict {
    match group["type"].as_str().unwrap() {
        "EcdsaVerify" | "EddsaVerify" | "RsassaPkcs1Verify" | "RsassaPssVerify" => {
            signature(group, test)
        }
        "EcdhTest" if file.contains("secp256r1") || file.contains("secp384r1") => agreement(test),
        "AeadTest" if file.starts_with("aes_gcm") && group["keySize"] == 256 => content(test),
        "KeywrapTest" if file.starts_with("aes_wrap") && group["keySize"] == 256 => key_wrap(test),
        _ => Verdict::Skipped,
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn signature(group: &Value, test: &Value) -> Verdict {
    let hash = group["sha"].as_str().unwrap_or_default();
    let algorithm = match (group["type"].as_str().unwrap(), hash) {
        ("EddsaVerify", _) => SignatureAlgorithm::Ed25519,
        ("EcdsaVerify", "SHA-256") => SignatureAlgorithm::EcdsaSha256,
        ("EcdsaVerify", "SHA-384") => SignatureAlgorithm::EcdsaSha384,
        ("EcdsaVerify", "SHA-512") => SignatureAlgorithm::EcdsaSha512,
        ("RsassaPkcs1Verify", "SHA-256") => SignatureAlgorithm::RsaPkcs1Sha256,
        ("RsassaPkcs1Verify", "SHA-384") => SignatureAlgorithm::RsaPkcs1Sha384,
        ("RsassaPkcs1Verify", "SHA-512") => SignatureAlgorithm::RsaPkcs1Sha512,
        ("RsassaPssVerify", "SHA-256") if group["sLen"] == 32 => SignatureAlgorithm::RsaPssSha256,
        ("RsassaPssVerify", "SHA-384") if group["sLen"] == 48 => SignatureAlgorithm::RsaPssSha384,
        ("RsassaPssVerify", "SHA-512") if group["sLen"] == 64 => SignatureAlgorithm::RsaPssSha512,
        _ => return Verdict::Skipped,
    };
    let verified = PublicKey::from_spki(&bytes(&group["publicKeyDer"]))
        .and_then(|key| key.verify(algorithm, &bytes(&test["msg"]), &bytes(&test["sig"])));
    verified.into()
}

/// PKCS#8 of a curve key (RFC 5915), as our key files hold it.
#[derive(Sequence)]
struct Pkcs8 {
    version: u8,
    algorithm: AlgorithmIdentifierOwned,
    key: OctetString,
}

#[derive(Sequence)]
struct EcPrivateKey {
    version: u8,
    key: OctetString,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    public: Option<BitString>,
}

/// Their key from its SubjectPublicKeyInfo, ours from PKCS#8, the secret as it goes into the key
/// derivation.
fn agreement(test: &Value) -> Verdict {
    let agreed = || -> Result<(), String> {
        let theirs = PublicKey::from_spki(&bytes(&test["public"])).map_err(|e| e.to_string())?;
        if theirs.kind() != KeyKind::EcP256 {
            return Err("another curve".to_owned());
        }
        let private = bytes(&test["private"]);
        let start = private.iter().position(|byte| *byte != 0).unwrap_or(0);
        let digits = &private[start..];
        let mut scalar = vec![0; 32_usize.saturating_sub(digits.len())];
        scalar.extend_from_slice(digits);
        let inner = EcPrivateKey {
            version: 1,
            key: OctetString::new(scalar).unwrap(),
            public: None,
        };
        let pkcs8 = Pkcs8 {
            version: 0,
            algorithm: AlgorithmIdentifierOwned {
                oid: EC_PUBLIC_KEY,
                parameters: Some(Any::encode_from(&SECP256R1).unwrap()),
            },
            key: OctetString::new(inner.to_der().unwrap()).unwrap(),
        };
        let ours =
            DecryptionKey::from_pkcs8(&pkcs8.to_der().unwrap()).map_err(|e| e.to_string())?;
        let secret = ours.agree(theirs.raw()).map_err(|e| e.to_string())?;
        if *secret == bytes(&test["shared"]) {
            Ok(())
        } else {
            Err("another secret".to_owned())
        }
    };
    agreed().into()
}

/// As the content of a capsule is opened: nonce, tag and ciphertext from the CMS structure.
fn content(test: &Value) -> Verdict {
    let opened = || -> Result<(), String> {
        let nonce = bytes(&test["iv"]);
        let tag = bytes(&test["tag"]);
        let parameters = GcmParameters {
            nonce: OctetString::new(nonce).unwrap(),
            tag_bytes: u8::try_from(tag.len()).unwrap(),
        };
        let info = EncryptedContentInfo {
            content_type: formats::oid::CT_DATA,
            content_enc_alg: AlgorithmIdentifierOwned {
                oid: AES_256_GCM,
                parameters: Some(Any::encode_from(&parameters).unwrap()),
            },
            encrypted_content: Some(OctetString::new(bytes(&test["ct"])).unwrap()),
        };
        let mac = OctetString::new(tag).unwrap();
        let key: [u8; 32] = bytes(&test["key"]).try_into().unwrap();
        let plain = capsule::read_encrypted(&info, &mac)
            .and_then(|encrypted| capsule::decrypt(encrypted, &key, &bytes(&test["aad"])))
            .map_err(|error| error.to_string())?;
        if *plain == bytes(&test["msg"]) {
            Ok(())
        } else {
            Err("another plaintext".to_owned())
        }
    };
    opened().into()
}

fn key_wrap(test: &Value) -> Verdict {
    let kek: [u8; 32] = bytes(&test["key"]).try_into().unwrap();
    let message = bytes(&test["msg"]);
    let wrapped = bytes(&test["ct"]);
    let unwrapped = || -> Result<(), String> {
        if message.len() != 32 && test["result"] == "valid" {
            return Err("wraps keys of 32 bytes only".to_owned());
        }
        let key = wrap::unwrap_under(&kek, &wrapped).ok_or("integrity check")?;
        let again = wrap::wrap_under(&kek, &key).ok_or("wrap")?;
        if key.as_slice() == message && again == wrapped {
            Ok(())
        } else {
            Err("another key".to_owned())
        }
    };
    unwrapped().into()
}

#[test]
fn derived_keys_are_those_of_the_standard() {
    // X9.63 KDF by hand: SHA-256(secret ‖ 1 ‖ SharedInfo) with SharedInfo of RFC 5753 section 7.2.
    let secret = [7; 32];
    let shared: &[u8] = &[
        0x30, 0x15, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2d,
        0xa2, 0x06, 0x04, 0x04, 0x00, 0x00, 0x01, 0x00,
    ];
    let wanted = digest::digest(
        &digest::SHA256,
        &[secret.as_slice(), &[0, 0, 0, 1], shared].concat(),
    );
    let found = wrap::derive(crate::algorithm::Curve::P256, &secret, None).unwrap();
    assert_eq!(found.as_slice(), wanted.as_ref());
}

const AES_256_GCM: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.46");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
