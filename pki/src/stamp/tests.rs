//! Time-stamps against `openssl ts` in both directions, refusals, and tokens that must not count.

use proptest::prelude::*;

use super::*;
use crate::fixture::{self, Authority, Signer};
use crate::key::Algorithm;

const NONCE: u64 = 0x8877_6655_4433_2211;

struct World {
    authority: Authority,
    tsa: Signer,
    issuer: TokenIssuer,
}

fn world() -> World {
    let authority = Authority::new();
    let tsa = authority.signer(Role::TimeStamping, "tsa-1", Algorithm::EcdsaP256);
    let chain = vec![authority.ca.clone()];
    let issuer = TokenIssuer::new(tsa.key.clone(), tsa.certificate.clone(), chain);
    World {
        authority,
        tsa,
        issuer,
    }
}

impl World {
    fn token(&self, imprint: &Digest) -> Vec<u8> {
        let request = TimeStampRequest::new(*imprint, NONCE);
        let now = self.authority.now();
        let response = self.issuer.respond(&request.build().unwrap(), now).unwrap();
        request.token_from_response(&response).unwrap()
    }

    fn verify(&self, token: &[u8], imprint: &Digest) -> Result<TimeStamp, StampError> {
        verify_token(
            token,
            imprint,
            &self.authority.validator(),
            self.authority.now(),
        )
    }

    /// A token over `info` by any signer, with its certificate inside.
    fn forge(&self, info: &TstInfo, signer: &Signer) -> Vec<u8> {
        let content = info.to_der().unwrap();
        let now = self.authority.now();
        let (key, certificate) = (&signer.key, &signer.certificate);
        sign::sign_inside(
            key,
            certificate,
            oid::CT_TST_INFO,
            &content,
            now,
            Embed::Signer,
        )
        .unwrap()
    }

    fn info(&self, imprint: &Digest) -> TstInfo {
        read_info(&Parsed::parse(&self.token(imprint)).unwrap()).unwrap()
    }
}

#[test]
fn openssl_verifies_our_answer_to_its_request() {
    let world = world();
    let authority = &world.authority;
    authority.write("doc", b"content");
    for options in ["-cert", "-cert -no_nonce", "-sha384 -cert", "-sha512"] {
        authority.openssl(&format!("ts -query -data doc -out request {options}"));
        let response = world
            .issuer
            .respond(&authority.read("request"), authority.now())
            .unwrap();
        authority.write("response", &response);
        let untrusted = format!("-untrusted {}.crt", world.tsa.stem);
        for question in ["-queryfile request", "-data doc"] {
            authority.openssl(&format!(
                "ts -verify -in response {question} -CAfile chain.pem {untrusted}"
            ));
        }
        let text = authority.openssl("ts -reply -in response -text");
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(
            text.contains("Status: Granted") && text.contains("Accuracy: 0x01"),
            "{text}"
        );
        assert!(text.contains(&oid::POLICY_TIME_STAMP.to_string()), "{text}");
    }
    authority.write("other", b"other content");
    authority.openssl_refuses("ts -verify -in response -data other -CAfile chain.pem");
}

#[test]
fn our_client_takes_a_token_from_the_openssl_authority() {
    let world = world();
    let (authority, stem) = (&world.authority, &world.tsa.stem);
    let imprint = Digest::of(b"content");
    let request = TimeStampRequest::new(imprint, NONCE);
    authority.write("request", &request.build().unwrap());
    authority.write("serial", b"01\n");
    let settings = |digest: &str| {
        format!(
            "[tsa]\ndefault_tsa=one\n[one]\nserial=serial\nsigner_digest=sha256\n\
             default_policy=1.2.3.4\ndigests=sha256\naccuracy=secs:1\nclock_precision_digits=3\n\
             ess_cert_id_alg={digest}\n"
        )
    };
    authority.write("sha256.cnf", settings("sha256").as_bytes());
    authority.write("sha1.cnf", settings("sha1").as_bytes());
    let reply = |config: &str| {
        authority.openssl(&format!(
            "ts -reply -config {config} -queryfile request -signer {stem}.crt -inkey {stem}.key \
             -chain chain.pem -out response"
        ));
        authority.read("response")
    };
    let token = request.token_from_response(&reply("sha256.cnf")).unwrap();
    let stamp = world.verify(&token, &imprint).unwrap();
    assert_eq!(stamp.policy.to_string(), "1.2.3.4");
    assert_eq!(stamp.tsa, world.tsa.certificate.sha256());
    assert!(stamp.time >= world.tsa.certificate.not_before());
    // signing-certificate version 1 rests on SHA-1.
    let old = request.token_from_response(&reply("sha1.cnf")).unwrap_err();
    assert!(
        old.to_string()
            .contains("signing-certificate-v2 is missing"),
        "{old}"
    );
}

#[test]
fn a_token_proves_the_time_that_the_issuer_was_given() {
    let world = world();
    let imprint = Digest::of(b"content");
    let token = world.token(&imprint);
    let stamp = world.verify(&token, &imprint).unwrap();
    assert_eq!(stamp.time, world.authority.now());
    assert_eq!(claimed_time(&token).unwrap(), world.authority.now());
    assert_eq!(stamp.serial.len(), 32);
    assert_ne!(
        stamp.serial,
        world
            .verify(&world.token(&imprint), &imprint)
            .unwrap()
            .serial
    );
    let later = world.authority.now().plus_ms(123);
    let request = TimeStampRequest::new(imprint, 0);
    let response = world
        .issuer
        .respond(&request.build().unwrap(), later)
        .unwrap();
    let token = token_from_response(&response, &imprint, 0).unwrap();
    assert_eq!(world.verify(&token, &imprint).unwrap().time, later);
}

#[test]
fn requests_that_cannot_be_granted_say_why() {
    let world = world();
    let authority = &world.authority;
    authority.write("doc", b"content");
    let sha1 = authority.openssl("ts -query -data doc -sha1 -cert").stdout;
    let policy = authority
        .openssl("ts -query -data doc -sha256 -tspolicy 1.2.3")
        .stdout;
    let plain = TimeStampRequest::new(Digest::of(b"content"), 5)
        .build()
        .unwrap();
    let changed = |change: &dyn Fn(&mut Request)| {
        let mut request: Request = strict(&plain).unwrap();
        change(&mut request);
        request.to_der().unwrap()
    };
    let short = changed(&|request| {
        request.message_imprint.hashed_message = OctetString::new([0; 20]).unwrap();
    });
    let extended = changed(&|request| request.extensions = Some(vec![der::Any::null()]));
    let version = changed(&|request| request.version = 2);
    let nonce = changed(&|request| request.nonce = Some(Int::new(&[1; 40]).unwrap()));
    let mut trailing = plain.clone();
    trailing.push(0);
    for (request, failure) in [
        (sha1, Failure::BadAlgorithm),
        (policy, Failure::UnacceptedPolicy),
        (short, Failure::BadDataFormat),
        (extended, Failure::UnacceptedExtension),
        (version, Failure::BadRequest),
        (nonce, Failure::BadRequest),
        (trailing, Failure::BadDataFormat),
        (Vec::new(), Failure::BadDataFormat),
        (vec![0x30; 5000], Failure::BadDataFormat),
    ] {
        let response = world.issuer.respond(&request, authority.now()).unwrap();
        let parsed: Response = strict(&response).unwrap();
        assert_eq!(parsed.status.status, REJECTION);
        assert_eq!(
            parsed.status.failure.unwrap().get(failure.bit()),
            Some(true),
            "{failure:?}"
        );
        assert!(parsed.token.is_none());
        authority.write("response", &response);
        let text = authority.openssl("ts -reply -in response -text").stdout;
        assert!(
            String::from_utf8_lossy(&text).contains("Status: Rejected"),
            "{failure:?}"
        );
        let refused = token_from_response(&response, &Digest::of(b"content"), 5).unwrap_err();
        assert!(refused.to_string().contains(failure.text()), "{refused}");
    }
    let response = world.issuer.time_not_available().unwrap();
    let refused = token_from_response(&response, &Digest::of(b"content"), 5).unwrap_err();
    assert!(
        refused.to_string().contains("time not available"),
        "{refused}"
    );
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let world = world();
    let imprint = Digest::of(b"content");
    let request = TimeStampRequest::new(imprint, NONCE);
    let now = world.authority.now();
    let response = world
        .issuer
        .respond(&request.build().unwrap(), now)
        .unwrap();
    let refused = |imprint: &[u8], nonce| {
        token_from_response(&response, &Digest::of(imprint), nonce)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(b"content", NONCE + 1),
        "the token is for another nonce"
    );
    assert_eq!(refused(b"other", NONCE), "the token is for another imprint");
    let other = world
        .verify(&world.token(&imprint), &Digest::of(b"other"))
        .unwrap_err();
    assert_eq!(other.to_string(), "the token is for another imprint");
}

#[test]
fn a_token_with_somebody_who_calls_himself_like_its_signer_does_not_count() {
    let world = world();
    let imprint = Digest::of(b"content");
    let name = world.tsa.certificate.dns_name().unwrap();
    let name = name.strip_suffix(".tram.test").unwrap();
    let twin = world
        .authority
        .signer(Role::TimeStamping, name, Algorithm::EcdsaP256);
    let token = |chain| {
        let (key, certificate) = (world.tsa.key.clone(), world.tsa.certificate.clone());
        let request = TimeStampRequest::new(imprint, NONCE);
        let response = TokenIssuer::new(key, certificate, chain)
            .respond(&request.build().unwrap(), world.authority.now())
            .unwrap();
        request.token_from_response(&response).unwrap()
    };
    let chain = vec![world.authority.ca.clone()];
    world.verify(&token(chain), &imprint).unwrap();
    let refused = world
        .verify(&token(vec![twin.certificate]), &imprint)
        .unwrap_err();
    assert!(matches!(refused, StampError::Malformed(_)), "{refused}");
}

#[test]
fn tokens_by_anybody_else_or_from_the_future_do_not_count() {
    let world = world();
    let imprint = Digest::of(b"content");
    let info = world.info(&imprint);
    world
        .verify(&world.forge(&info, &world.tsa), &imprint)
        .unwrap();

    let evidence = world
        .authority
        .signer(Role::StationEvidence, "relay-1", Algorithm::EcdsaP256);
    let refused = world
        .verify(&world.forge(&info, &evidence), &imprint)
        .unwrap_err();
    assert!(
        matches!(refused, StampError::Chain(ChainError::Role { .. })),
        "{refused}"
    );

    let foreign = self::world();
    let refused = world
        .verify(&foreign.token(&imprint), &imprint)
        .unwrap_err();
    assert!(
        matches!(refused, StampError::Chain(_) | StampError::Future { .. }),
        "{refused}"
    );

    let mut future = info.clone();
    let ahead = world.authority.now().plus_ms(FUTURE_MS_MAX + 1);
    future.time = structure::generalized_time(ahead).unwrap();
    let refused = world
        .verify(&world.forge(&future, &world.tsa), &imprint)
        .unwrap_err();
    assert!(matches!(refused, StampError::Future { .. }), "{refused}");

    let mut past = info.clone();
    let before = world.tsa.certificate.not_before().minus_ms(10_000);
    past.time = structure::generalized_time(before).unwrap();
    let refused = world
        .verify(&world.forge(&past, &world.tsa), &imprint)
        .unwrap_err();
    assert!(
        matches!(refused, StampError::Chain(_)),
        "before the TSA's certificate: {refused}"
    );

    let mut extended = info;
    extended.extensions = Some(vec![der::Any::null()]);
    let refused = world
        .verify(&world.forge(&extended, &world.tsa), &imprint)
        .unwrap_err();
    assert!(
        matches!(refused, StampError::Malformed("extensions")),
        "{refused}"
    );
}

#[test]
fn a_signature_over_something_else_is_no_token() {
    let world = world();
    let imprint = Digest::of(b"content");
    let now = world.authority.now();
    let info = world.info(&imprint).to_der().unwrap();
    let (key, certificate) = (&world.tsa.key, &world.tsa.certificate);
    let as_record = sign::sign_attached(key, certificate, &info, now, Embed::Signer).unwrap();
    let refused = world.verify(&as_record, &imprint).unwrap_err();
    assert!(
        matches!(refused, StampError::Malformed("content type")),
        "{refused}"
    );
    let bare =
        sign::sign_inside(key, certificate, oid::CT_TST_INFO, &info, now, Embed::None).unwrap();
    let refused = world.verify(&bare, &imprint).unwrap_err();
    assert!(matches!(refused, StampError::NoCertificate), "{refused}");
}

#[test]
fn no_byte_of_a_token_can_change() {
    let world = world();
    let imprint = Digest::of(b"content");
    let token = world.token(&imprint);
    let ca = world.authority.ca.der();
    let unsigned = token
        .windows(ca.len())
        .position(|window| window == ca)
        .unwrap();
    for index in (0..token.len()).filter(|at| !(unsigned..unsigned + ca.len()).contains(at)) {
        let mut changed = token.clone();
        changed[index] ^= 1;
        assert!(world.verify(&changed, &imprint).is_err(), "byte {index}");
    }
    for length in 0..token.len() {
        assert!(
            world.verify(&token[..length], &imprint).is_err(),
            "cut to {length}"
        );
    }
}

#[test]
fn foreign_requests_and_responses_are_read_without_panic() {
    let Some(folder) = fixture::suite("tsp/rfc3161-client") else {
        return;
    };
    let world = world();
    let mut granted = 0;
    for (file, bytes) in fixture::files(&folder) {
        if file.ends_with("request.der") {
            let response = world.issuer.respond(&bytes, world.authority.now()).unwrap();
            granted += usize::from(strict::<Response>(&response).unwrap().status.status == GRANTED);
        }
        if !file.ends_with(".tsr") {
            continue;
        }
        let response = strict::<Response>(&bytes);
        println!(
            "{file}: {}",
            if response.is_ok() { "read" } else { "not read" }
        );
        let Some(token) = response.ok().and_then(|response| response.token) else {
            continue;
        };
        // None of these authorities is trusted here, so none may count, least of all the forged
        // ones.
        let token = token.to_der().unwrap();
        for imprint in [Digest::of(b"hello"), Digest::of(b"")] {
            assert!(world.verify(&token, &imprint).is_err(), "{file}");
        }
        println!(
            "  claimed time: {:?}",
            claimed_time(&token).map(Timestamp::rfc3339)
        );
    }
    assert_eq!(granted, 3, "all three requests ask for what we grant");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read_request(&bytes).is_err());
        prop_assert!(token_from_response(&bytes, &Digest::of(b""), 0).is_err());
        prop_assert!(claimed_time(&bytes).is_err());
    }

    #[test]
    fn every_nonce_comes_back_positive(nonce: u64) {
        let request = TimeStampRequest::new(Digest::of(b""), nonce).build().unwrap();
        let read = read_request(&request).unwrap().nonce.unwrap();
        let wide = [&[0; 8], read.as_bytes()].concat();
        prop_assert!(read.as_bytes()[0] & 0x80 == 0);
        prop_assert_eq!(&wide[wide.len() - 8..], nonce.to_be_bytes());
    }
}
