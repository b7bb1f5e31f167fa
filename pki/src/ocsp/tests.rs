//! Requests of stock openssl answered by us, answers of stock openssl judged by us, and what must
//! not be believed.

use x509_cert::ext::pkix::CrlReason;

use super::*;
use crate::fixture::{Authority, Signer as Holder};
use crate::key::{Algorithm, SigningKey};
use crate::role::Role;

/// An authority, somebody asked about, and a responder.
struct Scene {
    authority: Authority,
    subject: Holder,
    responder: Responder,
    holder: Holder,
}

impl Scene {
    fn new() -> Self {
        let authority = Authority::new();
        let subject = authority.signer(Role::AgencySignature, "h01", Algorithm::EcdsaP256);
        let holder = authority.signer(Role::Ocsp, "ocsp-1", Algorithm::EcdsaP256);
        let responder = Responder::new(
            holder.key.clone(),
            holder.certificate.clone(),
            authority.ca.clone(),
        )
        .unwrap();
        Self {
            authority,
            subject,
            responder,
            holder,
        }
    }

    fn at(&self) -> Timestamp {
        self.authority.ca.not_before()
    }

    fn day(&self) -> Timestamp {
        self.at().plus_ms(24 * 3_600_000)
    }

    fn id(&self) -> CertId {
        CertId::sha1(&self.authority.ca, self.subject.certificate.serial()).unwrap()
    }

    /// A request by openssl about the subject.
    fn request(&self, options: &str) -> Vec<u8> {
        let stem = &self.subject.stem;
        self.authority.openssl(&format!(
            "ocsp -issuer ca.crt {options} -cert {stem}.crt -reqout request.der"
        ));
        self.authority.read("request.der")
    }

    /// What openssl says about an answer to the last request.
    fn openssl_says(&self, answer: &[u8], options: &str) -> String {
        self.authority.write("answer.der", answer);
        let stem = &self.subject.stem;
        let output = self.authority.openssl(&format!(
            "ocsp -issuer ca.crt {options} -cert {stem}.crt -CAfile chain.pem -respin answer.der"
        ));
        let both = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&both).into_owned()
    }
}

fn revoked(at: Timestamp) -> Status {
    Status::Revoked(Revocation {
        at,
        reason: CrlReason::KeyCompromise,
    })
}

#[test]
fn openssl_asks_we_answer_openssl_believes() {
    let scene = Scene::new();
    for options in ["-sha1", "-sha256", "-sha512", "-no_nonce"] {
        let request = Request::parse(&scene.request(options)).unwrap();
        assert_eq!(request.nonce().is_none(), options == "-no_nonce");
        let [id] = request.items() else {
            panic!("one item")
        };
        assert_eq!(id.serial(), scene.subject.certificate.serial());
        assert!(id.is_issued_by(&scene.authority.ca));
        assert!(!id.is_issued_by(&scene.authority.root));
        for (status, word) in [
            (Status::Good, "good"),
            (revoked(scene.at()), "revoked"),
            (Status::Unknown, "unknown"),
        ] {
            let answer = scene
                .responder
                .answer(id, status, scene.at(), scene.day())
                .unwrap();
            let hash = if options == "-no_nonce" { "" } else { options };
            let said = scene.openssl_says(&answer, hash);
            assert!(said.contains("Response verify OK"), "{options}: {said}");
            assert!(said.contains(&format!(": {word}")), "{options}: {said}");
        }
    }
}

#[test]
fn the_authority_itself_may_answer_too() {
    let scene = Scene::new();
    let key = SigningKey::load(&scene.authority.path().join("ca.key"), None).unwrap();
    let (ca, id) = (scene.authority.ca.clone(), scene.id());
    let responder = Responder::new(key, ca.clone(), ca.clone()).unwrap();
    let answer = responder
        .answer(&id, Status::Good, scene.at(), scene.day())
        .unwrap();
    let parsed = Response::parse(&answer).unwrap();
    assert_eq!(parsed.verify(&ca).unwrap(), Signer::Issuer);
    let said = scene.openssl_says(&answer, "");
    assert!(said.contains("Response verify OK"), "{said}");
}

#[test]
fn openssl_answers_we_believe_it() {
    let scene = Scene::new();
    let subject = &scene.subject.certificate;
    let serial = subject.serial_hex().to_uppercase();
    let until = "491231235959Z";
    for (line, wanted) in [
        (
            format!("V\t{until}\t\t{serial}\tunknown\t/CN=h01\n"),
            "good",
        ),
        (
            format!("R\t{until}\t260101000000Z,keyCompromise\t{serial}\tunknown\t/CN=h01\n"),
            "revoked",
        ),
        (String::new(), "unknown"),
    ] {
        scene.authority.write("index.txt", line.as_bytes());
        scene.request("-sha256");
        let stem = &scene.holder.stem;
        scene.authority.openssl(&format!(
            "ocsp -index index.txt -CA ca.crt -rsigner {stem}.crt -rkey {stem}.key -ndays 1 \
             -reqin request.der -respout answer.der"
        ));
        let request = Request::parse(&scene.authority.read("request.der")).unwrap();
        let answer = Response::parse(&scene.authority.read("answer.der")).unwrap();
        answer.check_nonce(request.nonce().unwrap()).unwrap();
        assert!(answer.check_nonce(b"another nonce").is_err());
        let signer = answer.verify(&scene.authority.ca).unwrap();
        let held = scene.holder.certificate.clone();
        assert_eq!(signer, Signer::Delegate(held.clone()));
        assert_eq!(signer.to_be_checked(), Some(&held), "it has no nocheck");
        let about = answer.about(subject, &scene.authority.ca).unwrap();
        match (about.status, wanted) {
            (Status::Good, "good") | (Status::Unknown, "unknown") => {}
            (Status::Revoked(entry), "revoked") => {
                assert_eq!(entry.reason, CrlReason::KeyCompromise);
                assert_eq!(entry.at.to_string(), "2026-01-01T00:00:00.000Z");
            }
            (found, _) => panic!("{found:?} instead of {wanted}"),
        }
        assert!(about.is_fresh(answer.produced_at(), 0));
        let later = answer.produced_at().plus_ms(25 * 3_600_000);
        assert!(!about.is_fresh(later, 0));
        assert!(about.is_fresh(later, 2 * 3_600_000));
        assert!(answer.about(&held, &scene.authority.ca).is_none());
    }
}

#[test]
fn error_answers_are_what_openssl_reads() {
    let scene = Scene::new();
    for (status, word) in [
        (ErrorStatus::InternalError, "internalerror"),
        (ErrorStatus::MalformedRequest, "malformedrequest"),
        (ErrorStatus::SigRequired, "sigrequired"),
        (ErrorStatus::TryLater, "trylater"),
        (ErrorStatus::Unauthorized, "unauthorized"),
    ] {
        let answer = error_response(status);
        let refused = Response::parse(&answer);
        assert!(matches!(refused, Err(OcspError::Error(said)) if said == status));
        scene.authority.write("answer.der", &answer);
        let output = scene
            .authority
            .openssl_refuses("ocsp -respin answer.der -noverify");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn a_changed_byte_is_never_believed() {
    let scene = Scene::new();
    let answer = scene
        .responder
        .answer(&scene.id(), Status::Good, scene.at(), scene.day())
        .unwrap();
    let whole = Response::parse(&answer).unwrap();
    assert!(whole.verify(&scene.authority.ca).is_ok());
    let ends = scene.holder.certificate.der();
    let start = answer
        .windows(ends.len())
        .position(|window| window == ends)
        .unwrap();
    for place in 0..answer.len() {
        let mut changed = answer.clone();
        changed[place] ^= 1;
        let Ok(parsed) = Response::parse(&changed) else {
            continue;
        };
        let believed = parsed.verify(&scene.authority.ca).is_ok();
        // Outside the signed part nothing matters but the responder's certificate.
        let same = parsed.der() == whole.der();
        assert!(!believed || same, "byte {place} of {start}..");
    }
    for cut in 0..answer.len() {
        assert!(Response::parse(&answer[..cut]).is_err(), "{cut}");
    }
    let longer = [answer.as_slice(), &[0]].concat();
    assert!(Response::parse(&longer).is_err());
}

#[test]
fn only_the_authority_and_whom_it_named_may_answer() {
    let scene = Scene::new();
    let other = Scene::new();
    let ca = &scene.authority.ca;
    let refused = |key: &SigningKey, cert: &Certificate| {
        matches!(
            Responder::new(key.clone(), cert.clone(), ca.clone()),
            Err(OcspError::Responder { .. })
        )
    };
    let (holder, subject) = (&scene.holder, &scene.subject);
    assert!(refused(&subject.key, &subject.certificate), "another role");
    assert!(refused(&subject.key, &holder.certificate), "another key");
    assert!(
        refused(&other.holder.key, &other.holder.certificate),
        "another authority"
    );
    // The other authority has the same name; its responder answers about our serial number.
    let id = CertId::sha256(&other.authority.ca, subject.certificate.serial()).unwrap();
    let answer = other
        .responder
        .answer(&id, Status::Good, other.at(), other.day())
        .unwrap();
    let answer = Response::parse(&answer).unwrap();
    assert!(answer.verify(ca).is_err());
    assert!(answer.about(&subject.certificate, ca).is_none());
    assert!(
        answer
            .about(&subject.certificate, &other.authority.ca)
            .is_some()
    );
}

#[test]
fn a_responder_does_not_answer_for_others_nor_beyond_its_life() {
    let scene = Scene::new();
    let foreign = CertId::sha1(&scene.authority.root, &[1]).unwrap();
    let (at, day) = (scene.at(), scene.day());
    let answer = |id: &CertId, from, to| scene.responder.answer(id, Status::Good, from, to);
    assert!(answer(&foreign, at, day).is_err());
    assert!(answer(&scene.id(), day, at).is_err());
    assert!(answer(&scene.id(), at, at).is_err());
    let end = scene.holder.certificate.not_after();
    assert!(answer(&scene.id(), at, end).is_ok());
    assert!(answer(&scene.id(), at, end.plus_ms(1_000)).is_err());
}

#[test]
fn bad_requests_are_refused() {
    let scene = Scene::new();
    let good = scene.request("-no_nonce");
    assert!(Request::parse(&good).is_ok());
    for cut in 0..good.len() {
        assert!(Request::parse(&good[..cut]).is_err(), "{cut}");
    }
    assert!(Request::parse(&[good.as_slice(), &[5, 0]].concat()).is_err());
    assert!(Request::parse(&vec![0x30; 1024 * 1024]).is_err());
    let serials = (1..=17).map(|n| format!(" -serial {n}"));
    let serials: Vec<String> = serials.collect();
    for (many, fits) in [(16, true), (17, false)] {
        let list = serials[..many].concat();
        scene.authority.openssl(&format!(
            "ocsp -issuer ca.crt{list} -no_nonce -reqout many.der"
        ));
        let parsed = Request::parse(&scene.authority.read("many.der"));
        assert_eq!(parsed.is_ok(), fits, "{many}");
    }
}

#[test]
fn serial_numbers_are_encoded_as_der_wants_them() {
    let scene = Scene::new();
    for (serial, wanted) in [
        (&[0x01][..], &[0x01][..]),
        (&[0x80], &[0x80]),
        (&[0x00, 0x80], &[0x80]),
        (&[0x00, 0x00, 0x7f], &[0x7f]),
        (&[0xff, 0x00], &[0xff, 0x00]),
    ] {
        let id = CertId::sha1(&scene.authority.ca, serial).unwrap();
        assert_eq!(id.serial(), wanted);
    }
}
