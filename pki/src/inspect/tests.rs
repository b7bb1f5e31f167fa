//! Every kind of file in words, made by openssl where it can; hostile bytes; and judging step by
//! step.

use std::time::Instant;

use formats::checkpoint::{Checkpoint, LogOrigin};
use formats::id::Digest;
use proptest::prelude::*;
use x509_cert::ext::pkix::CrlReason;

use super::verify::{Ground, Question, State, verify};
use super::*;
use crate::fixture::{Authority, files, suite};
use crate::issue::CrlEntry;
use crate::key::{Algorithm, DecryptionKey, LogKey, SigningKey};
use crate::ocsp::{CertId, Responder, Status};
use crate::revoke::Crl;
use crate::role::Role;
use crate::seal::{CapsuleSecrets, Sealer};
use crate::sign::{self, Content, Embed, HashAlgorithm, PacketDigest};
use crate::stamp::{TimeStampRequest, TokenIssuer};
use crate::testing::{Country, NOW};
use crate::{note, record};

const PACKET: &[u8] = b"<?xml version=\"1.0\"?><edXML/>";

/// One good file of each kind that is DER or CBOR or text, with the word it must be told by.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let mut country = Country::new();
    let (key, signer) = country.issue(Role::AgencySignature, "H01.36.04");
    let (stamp_key, tsa) = country.issue(Role::TimeStamping, "tsa-1.tram.test");
    let (ocsp_key, responder) = country.issue(Role::Ocsp, "ocsp-1.tram.test");
    let (evidence_key, evidence) = country.issue(Role::StationEvidence, "node-1.tram.test");
    let entry = CrlEntry {
        serial: signer.serial().to_vec(),
        at: NOW,
        reason: CrlReason::Superseded,
    };
    let crl = country.crl(vec![entry], NOW);
    let packet = PacketDigest::of(PACKET, HashAlgorithm::Sha256).unwrap();
    let content = Content::Packet(&packet);
    let cms = sign::sign_detached(&key, &signer, content, NOW, Embed::Signer).unwrap();
    let issuer = TokenIssuer::new(stamp_key, tsa, vec![country.national.certificate().clone()]);
    let value = sign::Parsed::parse(&cms)
        .unwrap()
        .signature_value()
        .to_vec();
    let request = TimeStampRequest::new(Digest::of(&value), 9);
    let response = issuer.respond(&request.build().unwrap(), NOW).unwrap();
    let token = request.token_from_response(&response).unwrap();
    let stamped = sign::add_timestamp(&cms, &token).unwrap();
    let national = country.national.certificate().clone();
    let id = CertId::sha1(&national, signer.serial()).unwrap();
    let answers = Responder::new(ocsp_key, responder, national).unwrap();
    let answer = answers
        .answer(&id, Status::Good, NOW, NOW.plus_ms(3_600_000))
        .unwrap();
    let attachment = record::sign(&record::tests::attachment("H01.36.04"), &key, &signer, NOW);
    let log = LogKey::generate().unwrap();
    let checkpoint = Checkpoint {
        origin: LogOrigin::new("node-1.tram.test".parse().unwrap(), 1),
        size: 5,
        root: Digest::of(b"root"),
    };
    let signed = note::sign_checkpoint(&checkpoint, &log, &evidence_key, &evidence, NOW).unwrap();
    vec![
        ("certificate", signer.der().to_vec()),
        ("crl", crl.der().to_vec()),
        ("signed-data", cms),
        ("signed-data", stamped),
        ("signed-data", token),
        ("time-stamp-request", request.build().unwrap()),
        ("time-stamp-response", response),
        ("ocsp-response", answer),
        ("record", attachment.unwrap()),
        ("checkpoint", signed.note.clone().into_bytes()),
        ("checkpoint", signed.encode()),
        ("private-key", key.pkcs8_der().unwrap().to_vec()),
        ("public-key", key.spki_der().to_vec()),
        ("capsule", capsule(&mut country)),
    ]
}

fn capsule(country: &mut Country) -> Vec<u8> {
    let key = DecryptionKey::generate().unwrap();
    let (_, template) = Country::template(Role::AgencyEncryption, "H02");
    let template = crate::profile::Template {
        spki_der: key.spki_der().to_vec(),
        ..template
    };
    let cert = crate::testing::issue(&mut country.ledger, &country.national, template);
    let verified = country
        .validator()
        .verify(&cert, Role::AgencyEncryption, NOW)
        .unwrap();
    let mut sealer = Sealer::new(Digest::of(b"ctx")).unwrap();
    sealer.seal_chunk(true, &mut Vec::new()).unwrap();
    let secrets = CapsuleSecrets {
        salt: [0; 32],
        packet_bytes: 0,
        packet_digest: Digest::of(b""),
        packet_signature: Vec::new(),
        case_id: None,
    };
    sealer.finish(&secrets, &[verified]).unwrap()
}

#[test]
fn each_kind_of_file_is_told_by_its_own_word_in_both_languages() {
    for (kind, bytes) in samples() {
        let found = inspect(&bytes, None);
        assert_eq!(found.len(), 1, "{kind}");
        assert_eq!(found[0].kind(), kind, "{:?}", found[0]);
        let (en, vi) = (
            found[0].words(Language::English),
            found[0].words(Language::Vietnamese),
        );
        assert_ne!(en, vi, "{kind}");
        assert!(en.lines().count() > 2, "{kind}: {en}");
        assert_eq!(found[0].json()["kind"], kind);
    }
}

#[test]
fn a_signature_tells_signers_attributes_and_its_time_stamp() {
    let all = samples();
    let found = &inspect(&all[3].1, None)[0];
    let signer = found
        .parts()
        .iter()
        .find(|part| part.kind() == "signer")
        .unwrap();
    let attributes = signer.fact("signed_attributes").unwrap().to_string();
    for name in [
        "content-type",
        "message-digest",
        "signing-time",
        "signing-certificate-v2",
    ] {
        assert!(attributes.contains(name), "{attributes}");
    }
    let token = signer
        .parts()
        .iter()
        .find(|part| part.kind() == "signed-data")
        .unwrap();
    assert_eq!(token.fact("stamped").unwrap(), NOW.rfc3339());
    assert!(
        found
            .parts()
            .iter()
            .any(|part| part.kind() == "certificate")
    );
    assert!(
        found
            .fact("form")
            .unwrap()
            .to_string()
            .contains("read by this network")
    );
    let capsule = inspect(&all.last().unwrap().1, None);
    assert!(
        capsule[0]
            .fact("cipher")
            .unwrap()
            .to_string()
            .contains("AES-256-GCM")
    );
    let who = capsule[0].fact("recipients").unwrap().to_string();
    assert!(
        who.contains("key identifier") && who.contains("ECDH"),
        "{who}"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a story that is read in one piece")]
fn files_of_openssl_are_told_and_keys_never_shown() {
    let authority = Authority::new();
    let signer = authority.signer(Role::AgencySignature, "h01", Algorithm::EcdsaP256);
    let stem = &signer.stem;
    authority.write("doc", PACKET);
    authority.write("pass", b"correct horse\n");
    for line in [
        format!("req -new -key {stem}.key -subj /CN=x -out csr.pem"),
        format!("pkcs8 -topk8 -in {stem}.key -passout file:pass -out locked.pem"),
        format!("pkey -in {stem}.key -pubout -out public.pem"),
        format!("ec -in {stem}.key -out sec1.pem"),
        format!(
            "pkcs12 -export -inkey {stem}.key -in {stem}.crt -certfile ca.crt -name Agency -passout file:pass -out store.p12"
        ),
        format!(
            "pkcs12 -export -inkey {stem}.key -in {stem}.crt -keypbe NONE -certpbe NONE -nomaciter -passout file:pass -out plain.p12"
        ),
        format!(
            "cms -sign -binary -in doc -signer {stem}.crt -inkey {stem}.key -outform DER -out plain.p7s"
        ),
        format!(
            "cms -sign -binary -stream -nodetach -in doc -signer {stem}.crt -inkey {stem}.key -outform DER -out ber.p7m"
        ),
        format!("cms -encrypt -binary -in doc -outform DER -aes256 -out secret.p7m {stem}.crt"),
        format!("ocsp -issuer ca.crt -cert {stem}.crt -reqout ask.der -no_nonce"),
        "ts -query -data doc -sha256 -cert -out ask.tsq".to_owned(),
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem".to_owned(),
        "rsa -in rsa.pem -traditional -aes128 -passout file:pass -out old.pem".to_owned(),
    ] {
        authority.openssl(&line);
    }
    let read = |name: &str, passphrase: Option<&str>| inspect(&authority.read(name), passphrase);
    for (name, kind) in [
        ("csr.pem", "request"),
        ("locked.pem", "private-key"),
        ("public.pem", "public-key"),
        ("sec1.pem", "private-key"),
        ("rsa.pem", "private-key"),
        ("old.pem", "private-key"),
        ("plain.p7s", "signed-data"),
        ("ber.p7m", "signed-data"),
        ("secret.p7m", "enveloped-data"),
        ("ask.der", "ocsp-request"),
        ("ask.tsq", "time-stamp-request"),
        ("store.p12", "pkcs12"),
        ("plain.p12", "pkcs12"),
    ] {
        let found = read(name, None);
        assert_eq!(
            found[0].kind(),
            kind,
            "{name}: {}",
            found[0].words(Language::English)
        );
    }
    for (name, protection) in [
        ("locked.pem", "encrypted"),
        ("old.pem", "encrypted"),
        ("sec1.pem", "not"),
    ] {
        let said = read(name, None)[0].fact("protection").unwrap().to_string();
        assert!(
            said.starts_with(&format!("\"{protection}")),
            "{name}: {said}"
        );
    }
    let secret = hex(signer.key.pkcs8_der().unwrap().get(36..68).unwrap());
    let all = ["store.p12", "plain.p12", "sec1.pem", "locked.pem"];
    for name in all {
        let said = read(name, Some("correct horse"))[0].json().to_string();
        assert!(
            !said.contains(&secret) && said.contains("never shown"),
            "{name}"
        );
    }
    let closed = read("store.p12", None)[0].json().to_string();
    assert!(
        closed.contains("passphrase-file") && !closed.contains("\"certificate\""),
        "{closed}"
    );
    let wrong = read("store.p12", Some("wrong"))[0].json().to_string();
    assert!(
        wrong.contains("wrong passphrase") && !wrong.contains("\"certificate\""),
        "{wrong}"
    );
    let open = read("store.p12", Some("correct horse"))[0]
        .json()
        .to_string();
    for word in [
        "\"certificate\"",
        "\"Agency\"",
        "Test CA",
        "\"key\":\"P-256",
        "HMAC with SHA-256",
    ] {
        assert!(open.contains(word), "{word}: {open}");
    }
}

#[test]
fn several_blocks_in_one_file_are_told_one_by_one() {
    let authority = Authority::new();
    let mut text = format!(
        "Chain of the authority\n{}between\n{}",
        authority.root.pem(),
        authority.ca.pem()
    );
    text += &String::from_utf8(authority.read("ca.key")).unwrap();
    text += "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n";
    text +=
        "-----BEGIN STRANGE THING-----\nAAAA\n-----END STRANGE THING-----\n-----BEGIN CERTIFICATE";
    let kinds: Vec<_> = inspect(text.as_bytes(), None)
        .iter()
        .map(Found::kind)
        .collect();
    assert_eq!(
        kinds,
        ["certificate", "certificate", "private-key", "unknown"]
    );
    let crlf = text.replace('\n', "\r\n");
    assert_eq!(inspect(crlf.as_bytes(), None).len(), 4);
    let pem = authority.root.pem();
    let bare: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(inspect(bare.as_bytes(), None)[0].kind(), "certificate");
}

#[test]
fn words_of_others_cannot_drive_a_terminal() {
    assert_eq!(clean("a\u{1b}[31mb\u{202e}c\nd"), "a[31mbcd");
    assert_eq!(
        clean(&"x".repeat(10_000)).chars().count(),
        TEXT_CHARACTERS_MAX + 1
    );
    let found = Found::new("x", "x", "x").many("l", "l", "l", (0..1000).map(|n| n.to_string()));
    assert_eq!(
        found.fact("l").unwrap().as_array().unwrap().len(),
        LIST_SHOWN + 1
    );
}

#[test]
fn the_vectors_of_others_are_read_or_not_but_never_panic_or_hang() {
    for name in ["cms", "ocsp", "tsp", "pkits", "x509-limbo", "json"] {
        let Some(folder) = suite(name) else { continue };
        let (mut told, mut unknown) = (0, 0);
        let started = Instant::now();
        for (file, bytes) in files(&folder) {
            if bytes.len() > 4 * 1024 * 1024 {
                continue;
            }
            let one = Instant::now();
            for found in inspect(&bytes, Some("password")) {
                let words = found.words(Language::Vietnamese);
                assert!(words.len() < 200_000, "{name}/{file}");
                let _json = found.json();
                match found.kind() {
                    "unknown" => unknown += 1,
                    _ => told += 1,
                }
            }
            assert!(one.elapsed().as_secs() < 30, "{name}/{file}");
        }
        println!(
            "{name}: {told} told, {unknown} unknown, {:?}",
            started.elapsed()
        );
    }
}

/// Spoils good files byte by byte; a fixed seed of samples, because making keys is slow.
#[test]
fn spoiled_files_never_panic() {
    let all = samples();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    let strategy = (
        any::<prop::sample::Index>(),
        changes,
        any::<prop::sample::Index>(),
    );
    let ground = Ground::new(Vec::new(), Vec::new(), None);
    runner
        .run(&strategy, |(which, changes, cut)| {
            let mut bytes = all[which.index(all.len())].1.clone();
            for (index, value) in changes {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            for found in inspect(&bytes, Some("x")) {
                let _words = (found.words(Language::English), found.json());
            }
            let _judged = verify(&bytes, &ground, &question());
            let _linted = crate::lint::certificate(&bytes, &crate::lint::Beside::default());
            Ok(())
        })
        .unwrap();
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _found = inspect(&bytes, None);
        let mut der = vec![0x30, 0x82, 1, 0];
        der.extend_from_slice(&bytes);
        let _found = inspect(&der, Some("x"));
    }
}

fn question<'a>() -> Question<'a> {
    Question {
        at: None,
        now: NOW,
        role: None,
        content: None,
    }
}

fn ground(country: &Country, crls: Vec<Crl>) -> Ground {
    let certs = [&country.root, &country.national, &country.province];
    let certs = certs.map(|issuer| issuer.certificate().clone());
    Ground::new(certs.to_vec(), crls, None)
}

/// The failing step in English and Vietnamese.
fn failing(bytes: &[u8], ground: &Ground, question: &Question<'_>) -> (String, String) {
    let judged = verify(bytes, ground, question);
    assert!(!judged.is_believed(), "{}", judged.words(Language::English));
    let step = judged
        .steps()
        .iter()
        .find(|step| step.state == State::Fails)
        .unwrap();
    (step.english.clone(), step.vietnamese.clone())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a story that is read in one piece")]
fn a_certificate_is_judged_step_by_step_with_both_times() {
    let mut country = Country::new();
    let (_, cert) = country.issue(Role::AgencySignature, "H01.36.04");
    let fresh = country.crl(Vec::new(), NOW);
    let good = verify(cert.der(), &ground(&country, vec![fresh]), &question());
    assert!(good.is_believed());
    let words = good.words(Language::English);
    for part in [
        "anchor",
        "signed by",
        "not revoked by the list",
        "names H01.36.04",
        "Believed.",
    ] {
        assert!(words.contains(part), "{words}");
    }
    assert!(good.words(Language::Vietnamese).contains("Tin cậy được."));
    let bare = ground(&country, Vec::new());
    assert!(
        verify(cert.der(), &bare, &question())
            .words(Language::English)
            .contains("revocation is not known")
    );
    let late = Question {
        at: Some(cert.not_after().plus_ms(2000)),
        ..question()
    };
    let (en, vi) = failing(cert.der(), &bare, &late);
    assert!(
        en.contains("expired at") && en.contains("judged at"),
        "{en}"
    );
    assert!(
        vi.contains("hết hiệu lực") && vi.contains("xét lúc"),
        "{vi}"
    );
    let role = Question {
        role: Some(Role::Registry),
        ..question()
    };
    assert!(
        failing(cert.der(), &bare, &role)
            .0
            .contains("needed registry")
    );
    let entry = CrlEntry {
        serial: cert.serial().to_vec(),
        at: NOW,
        reason: CrlReason::KeyCompromise,
    };
    let revoked = country.crl(vec![entry], NOW);
    let (en, vi) = failing(
        cert.der(),
        &ground(&country, vec![revoked.clone()]),
        &question(),
    );
    assert!(
        en.contains("revoked at") && vi.contains("thu hồi"),
        "{en} {vi}"
    );
    // Another country whose authorities have the same names.
    let stranger = ground(&Country::new(), Vec::new());
    let (en, vi) = failing(cert.der(), &stranger, &question());
    assert!(en.contains("signature"), "{en}");
    assert!(vi.contains("chữ ký"), "{vi}");
    assert!(verify(revoked.der(), &bare, &question()).is_believed());
    let stale = Question {
        at: Some(NOW.plus_ms(49 * 3_600_000)),
        ..question()
    };
    assert!(failing(revoked.der(), &bare, &stale).0.contains("stale"));
    assert!(
        failing(
            cert.der(),
            &Ground::new(Vec::new(), Vec::new(), None),
            &question()
        )
        .0
        .contains("nothing can be believed")
    );
}

#[test]
fn signatures_stamps_answers_and_records_are_judged_by_the_product_s_own_checks() {
    let mut country = Country::new();
    let (key, signer) = country.issue(Role::AgencySignature, "H01.36.04");
    let (tls_key, tls) = country.issue(Role::StationTls, "node-1.tram.test");
    let (stamp_key, tsa) = country.issue(Role::TimeStamping, "tsa-1.tram.test");
    let ground = ground(&country, Vec::new());
    let packet = PacketDigest::of(PACKET, HashAlgorithm::Sha256).unwrap();
    let sign = |key: &SigningKey, cert| {
        sign::sign_detached(key, cert, Content::Packet(&packet), NOW, Embed::Signer).unwrap()
    };
    let cms = sign(&key, &signer);
    let with = |content| Question {
        content: Some(content),
        ..question()
    };
    assert!(verify(&cms, &ground, &with(PACKET)).is_believed());
    assert!(
        failing(&cms, &ground, &with(b"<other/>"))
            .0
            .contains("other content")
    );
    assert!(failing(&cms, &ground, &question()).0.contains("--content"));
    assert!(
        failing(&sign(&tls_key, &tls), &ground, &with(PACKET))
            .0
            .contains("role station-tls")
    );
    let value = sign::Parsed::parse(&cms)
        .unwrap()
        .signature_value()
        .to_vec();
    let request = TimeStampRequest::new(Digest::of(&value), 9);
    let issuer = TokenIssuer::new(stamp_key, tsa, Vec::new());
    let response = issuer.respond(&request.build().unwrap(), NOW).unwrap();
    let token = request.token_from_response(&response).unwrap();
    for bytes in [&response, &token] {
        assert!(verify(bytes, &ground, &with(&value)).is_believed());
        assert!(failing(bytes, &ground, &with(b"x")).0.contains("imprint"));
    }
    // Long after the signer's certificate ended the proven time decides, and its absence too.
    let years = Question {
        now: NOW.plus_ms(2 * 365 * 86_400_000),
        ..with(PACKET)
    };
    let stamped = sign::add_timestamp(&cms, &token).unwrap();
    assert!(verify(&stamped, &ground, &years).is_believed());
    assert!(failing(&cms, &ground, &years).0.contains("expired"));
    let record = record::sign(&record::tests::attachment("H01.36.04"), &key, &signer, NOW).unwrap();
    assert!(verify(&record, &ground, &question()).is_believed());
    let other = record::sign(&record::tests::attachment("H02"), &key, &signer, NOW).unwrap();
    assert!(
        failing(&other, &ground, &question())
            .0
            .contains("said by the agency itself")
    );
    let (ocsp_key, responder) = country.issue(Role::Ocsp, "ocsp-1.tram.test");
    let national = country.national.certificate();
    let id = CertId::sha1(national, signer.serial()).unwrap();
    let responder = Responder::new(ocsp_key, responder, national.clone()).unwrap();
    let answer = responder
        .answer(&id, Status::Good, NOW, NOW.plus_ms(3_600_000))
        .unwrap();
    assert!(verify(&answer, &ground, &question()).is_believed());
    let late = Question {
        at: Some(NOW.plus_ms(7_200_000)),
        ..question()
    };
    assert!(failing(&answer, &ground, &late).0.contains("judged at"));
}
