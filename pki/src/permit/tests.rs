//! The table as it is printed, and every wrong role, name and content type refused by the check that
//! really asks.

use std::collections::BTreeSet;

use der::asn1::ObjectIdentifier;
use der::{Any, Encode, Tag, TagNumber};
use formats::header::{Context, Header, Priority};
use formats::id::{Digest, EnvelopeId, TrustDomain};

use super::*;
use crate::cert::Certificate;
use crate::chain::tests::ENDS;
use crate::chain::{ChainError, TrustStore, Validator, VerifiedCert};
use crate::issue::Issuer;
use crate::key::{Algorithm, SigningKey};
use crate::lint::tests::{SAN, Tbs};
use crate::lint::{self, Beside};
use crate::ocsp::Responder;
use crate::profile::Template;
use crate::seal::{CapsuleSecrets, SealError, Sealer};
use crate::sign::{self, Content, Embed, HashAlgorithm, PacketDigest, VerifyError};
use crate::stamp::{self, StampError};
use crate::testing::{Country, NOW, forge};

#[test]
fn the_document_is_what_the_code_says() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/ROLES.md");
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(
        written,
        document(),
        "write it anew: tram-pki profile table > pki/ROLES.md"
    );
}

#[test]
fn each_object_has_signers_and_its_own_word() {
    let words: BTreeSet<&str> = Object::ALL.into_iter().map(Object::as_str).collect();
    assert_eq!(words.len(), Object::ALL.len());
    for object in Object::ALL {
        assert_eq!(object.signers().first(), Some(&object.signer()));
        let (en, vi) = object.words();
        assert!(!en.is_empty() && !vi.is_empty());
    }
    for role in Role::ALL {
        let signs = Object::ALL.into_iter().any(|object| object.permits(role));
        assert!(signs, "{role} is good for nothing");
    }
}

/// A party of every end role, verified.
struct Cast {
    country: Country,
    ends: Vec<(Role, SigningKey, VerifiedCert)>,
}

fn cast() -> Cast {
    let mut country = Country::new();
    let validator = country.validator();
    let ends = ENDS.map(|(role, name)| {
        let (key, cert) = country.issue(role, name);
        let verified = validator.verify(&cert, role, NOW).unwrap();
        (role, key, verified)
    });
    Cast {
        country,
        ends: ends.to_vec(),
    }
}

fn header(class: Class, signer: &VerifiedCert) -> Header {
    let (from, to) = if class.is_sealed() {
        ("H01.36.04", "H02")
    } else {
        ("node-1.tram.test", "node-2.tram.test")
    };
    let context = Context {
        id: EnvelopeId::new(NOW, &[7; 10]),
        class,
        sender: from.parse().unwrap(),
        sender_station: "node-1.tram.test".parse().unwrap(),
        recipients: vec![to.parse().unwrap()],
        priority: Priority::Normal,
        created: NOW,
        expires: NOW.plus_ms(1000),
        signer: signer.certificate().sha256(),
        commitment: class.is_sealed().then_some(Digest::of(b"c")),
        supersedes: None,
        addressed_as: Vec::new(),
    };
    Header::new(context, Digest::of(b"body"), 32).unwrap()
}

/// Every detached content with its object; headers name this signer.
struct Contents {
    packet: PacketDigest,
    headers: Vec<Header>,
}

impl Contents {
    fn of(signer: &VerifiedCert) -> Self {
        let classes = [
            Class::Control,
            Class::Document,
            Class::Receipt,
            Class::Status,
        ];
        Self {
            packet: PacketDigest::of(b"<edXML/>", HashAlgorithm::Sha256).unwrap(),
            headers: classes.map(|class| header(class, signer)).to_vec(),
        }
    }

    fn all(&self) -> Vec<(Object, Content<'_>)> {
        let mut all = vec![
            (
                Object::Checkpoint,
                Content::Checkpoint("relay-1.tram.test/log/1\n1\nAA==\n"),
            ),
            (Object::Packet, Content::Packet(&self.packet)),
            (
                Object::RenewalRequest,
                Content::Renewal(b"tram-renewal-1\n"),
            ),
        ];
        for header in &self.headers {
            all.push((
                Object::of_class(header.context().class),
                Content::Header(header),
            ));
        }
        all
    }
}

#[test]
fn every_wrong_role_is_refused_for_every_detached_content() {
    let cast = cast();
    let mut refused = 0;
    for (role, key, verified) in &cast.ends {
        let contents = Contents::of(verified);
        for (object, content) in contents.all() {
            assert_eq!(
                object.content_type(),
                Some(content.oid()),
                "{}",
                object.as_str()
            );
            let cert = verified.certificate();
            let cms = sign::sign_detached(key, cert, content, NOW, Embed::None).unwrap();
            let said = sign::verify_detached(&cms, content, verified).map(drop);
            if object.permits(*role) {
                assert_eq!(said, Ok(()), "{role} {}", object.as_str());
            } else {
                assert_eq!(said, Err(VerifyError::Role(*role)), "{}", object.as_str());
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 9 * 7 - 7);
}

#[test]
fn a_signature_for_one_content_type_never_passes_for_another() {
    let cast = cast();
    let mut refused = 0;
    for (role, key, verified) in &cast.ends {
        let contents = Contents::of(verified);
        let all = contents.all();
        for (object, content) in all.iter().filter(|(object, _)| object.permits(*role)) {
            for (other, signed) in all.iter().filter(|(_, other)| other.oid() != content.oid()) {
                let cert = verified.certificate();
                let cms = sign::sign_detached(key, cert, *signed, NOW, Embed::None).unwrap();
                let said = sign::verify_detached(&cms, *content, verified);
                assert_eq!(
                    said.map(drop),
                    Err(VerifyError::ContentType(signed.oid().to_string())),
                    "{} as {}",
                    other.as_str(),
                    object.as_str()
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn time_stamps_answers_lists_and_links_are_of_their_own_roles_only() {
    let cast = cast();
    let validator = cast.country.validator();
    let national = cast.country.national.certificate();
    let good = cast.country.national.sign_crl(&crate::issue::CrlTemplate {
        number: 1,
        this_update: NOW,
        next_update: NOW.plus_ms(1000),
        entries: Vec::new(),
    });
    let list = good.unwrap();
    list.verify(national).unwrap();
    for (role, key, verified) in &cast.ends {
        let cert = verified.certificate();
        let issuer = stamp::TokenIssuer::new(key.clone(), cert.clone(), Vec::new());
        let request = stamp::TimeStampRequest::new(Digest::of(b"x"), 1);
        let answer = issuer.respond(&request.build().unwrap(), NOW).unwrap();
        let token = request.token_from_response(&answer).unwrap();
        let said = stamp::verify_token(&token, &Digest::of(b"x"), &validator, NOW);
        match said {
            Ok(_) => assert!(Object::TimeStamp.permits(*role), "{role}"),
            Err(StampError::Chain(ChainError::Role { .. })) => {
                assert!(!Object::TimeStamp.permits(*role), "{role}");
            }
            Err(other) => panic!("{role}: {other}"),
        }
        let responder = Responder::new(key.clone(), cert.clone(), national.clone());
        assert_eq!(
            responder.is_ok(),
            Object::OcspAnswer.permits(*role),
            "{role}"
        );
        let link = validator.verify(cert, Object::TlsHandshake.signer(), NOW);
        assert_eq!(link.is_ok(), Object::TlsHandshake.permits(*role), "{role}");
        assert!(list.verify(cert).is_err(), "{role} signs no lists");
        assert!(!Object::Crl.permits(*role) && !Object::Certificate.permits(*role));
        match seal_for(verified) {
            Ok(()) => assert!(Object::Capsule.permits(*role), "{role}"),
            Err(SealError::Recipient(_)) => assert!(!Object::Capsule.permits(*role), "{role}"),
            Err(other) => panic!("{role}: {other}"),
        }
    }
}

fn seal_for(recipient: &VerifiedCert) -> Result<(), SealError> {
    let mut sealer = Sealer::new(Digest::of(b"ctx"))?;
    sealer.seal_chunk(true, &mut Vec::new())?;
    let secrets = CapsuleSecrets {
        salt: [0; 32],
        packet_bytes: 0,
        packet_digest: Digest::of(b""),
        packet_signature: Vec::new(),
        case_id: None,
    };
    sealer
        .finish(&secrets, std::slice::from_ref(recipient))
        .map(drop)
}

/// An authority for the whole trust domain that signs whatever it is told.
struct Rogue {
    key: SigningKey,
    cert: Certificate,
    domain: TrustDomain,
    validator: Validator,
}

fn rogue() -> Rogue {
    let country = Country::new();
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let template = Template::new(Role::IssuingCa, "Rogue", key.spki_der(), NOW);
    let prepared = country
        .root
        .prepare(template.permitting("tram.test"))
        .unwrap();
    let cert = country.root.sign(prepared.recorded()).unwrap();
    let store = TrustStore {
        intermediates: vec![cert.clone()],
        ..country.store(Vec::new())
    };
    Rogue {
        key,
        cert,
        domain: country.domain,
        validator: Validator::new(store),
    }
}

impl Rogue {
    /// What validator and linter say of an end whose SAN is this.
    fn refuses(&self, role: Role, name: &str, san: Option<&[Any]>) -> (bool, bool) {
        let (_, template) = Country::template(role, name);
        let forged = forge(&self.cert, &self.key, &template, &self.domain, |tbs| {
            let mut tbs = Tbs::read(&tbs);
            match san {
                Some(names) => tbs.set(SAN, &names.to_vec().to_der().unwrap()),
                None => tbs.remove(SAN),
            }
            tbs.to_der().unwrap()
        });
        let verified = self.validator.verify(&forged, role, NOW);
        let beside = Beside {
            issuer: Some(&self.cert),
            domain: Some(&self.domain),
            profiles: None,
        };
        let findings = lint::certificate(forged.der(), &beside);
        let about_names =
            |one: &lint::Finding| one.rule.code.starts_with("L-SAN") || one.rule.code == "L-PARSE";
        (verified.is_err(), findings.iter().any(about_names))
    }
}

/// A GeneralName of a kind, by its tag.
fn named(number: u32, constructed: bool, value: &[u8]) -> Any {
    let number = TagNumber(number);
    let tag = Tag::ContextSpecific {
        constructed,
        number,
    };
    Any::new(tag, value).unwrap()
}

fn dns(name: &str) -> Any {
    named(2, false, name.as_bytes())
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a table of cases is read in one piece"
)]
fn every_wrong_name_is_refused_for_every_role() {
    let rogue = rogue();
    let principal: ObjectIdentifier = "1.3.6.1.4.1.311.20.2.3".parse().unwrap();
    let mut other_name = principal.to_der().unwrap();
    other_name.extend_from_slice(&[0xa0, 3, 0x0c, 1, b'x']);
    let directory = Vec::<Any>::new().to_der().unwrap();
    for (role, name) in ENDS {
        let agency = role.name_kind() == NameKind::Agency;
        let right = if agency {
            let code: formats::id::AgencyCode = name.parse().unwrap();
            code.dns_name(&rogue.domain)
        } else {
            name.to_owned()
        };
        assert_eq!(
            rogue.refuses(role, name, Some(&[dns(&right)])),
            (false, false),
            "{role}"
        );
        let reverse = if agency {
            "node-1.tram.test"
        } else {
            "04.36.h01.tram.test"
        };
        let upper = right.to_uppercase();
        let outside = right.replace("tram.test", "tram.example");
        let beside = right.replace(".tram.test", "tram.test");
        let other_code = if agency {
            "h01.36.tram.test"
        } else {
            "-a.tram.test"
        };
        let wild = format!("*.{right}");
        let dotted = format!("{right}.");
        let cases: Vec<(&str, Option<Vec<Any>>)> = vec![
            ("no name", None),
            ("an empty list", Some(Vec::new())),
            (
                "two names",
                Some(vec![dns(&right), dns("05.h01.tram.test")]),
            ),
            ("the same name twice", Some(vec![dns(&right), dns(&right)])),
            ("a wildcard", Some(vec![dns(&wild)])),
            (
                "an IP address",
                Some(vec![named(7, false, &[127, 0, 0, 1])]),
            ),
            (
                "a name and an IP address",
                Some(vec![dns(&right), named(7, false, &[127, 0, 0, 1])]),
            ),
            (
                "an e-mail address",
                Some(vec![named(1, false, b"a@tram.test")]),
            ),
            (
                "a name and an e-mail",
                Some(vec![dns(&right), named(1, false, b"a@tram.test")]),
            ),
            (
                "a URI",
                Some(vec![named(6, false, b"https://a.tram.test/")]),
            ),
            ("another name", Some(vec![named(0, true, &other_name)])),
            ("a directory name", Some(vec![named(4, true, &directory)])),
            ("a registered id", Some(vec![named(8, false, &[0x2a, 3])])),
            ("the other form", Some(vec![dns(reverse)])),
            ("outside the trust domain", Some(vec![dns(&outside)])),
            ("beside the trust domain", Some(vec![dns(&beside)])),
            ("the trust domain itself", Some(vec![dns("tram.test")])),
            ("upper case", Some(vec![dns(&upper)])),
            ("not canonical", Some(vec![dns(other_code)])),
            ("a trailing dot", Some(vec![dns(&dotted)])),
            ("an empty name", Some(vec![dns("")])),
        ];
        for (what, san) in cases {
            let said = rogue.refuses(role, name, san.as_deref());
            assert_eq!(said, (true, true), "{role}: {what} (validator, linter)");
        }
    }
}

/// Who issues whom: a certificate of every role by every kind of issuer, forged by one that does
/// not lint, and asked for from one that does.
#[test]
fn each_role_is_issued_by_its_issuers_only() {
    let country = Country::new();
    let forger = |issuer: &str, subtree: &str| {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let template = Template::new(Role::IssuingCa, issuer, key.spki_der(), NOW);
        let prepared = country.root.prepare(template.permitting(subtree)).unwrap();
        let cert = country.root.sign(prepared.recorded()).unwrap();
        Issuer::new(cert, key.clone(), country.domain.clone())
            .map(|issuer| (issuer, key))
            .unwrap()
    };
    let national = forger("N", "tram.test");
    let delegated = forger("D", "h01.tram.test");
    for (kind, (issuer, key)) in [("national", national), ("delegated", delegated)] {
        let mut store = country.store(Vec::new());
        store.intermediates.push(issuer.certificate().clone());
        let validator = Validator::new(store);
        for (role, name) in ENDS {
            let name = name.replace(".tram.test", ".h01.tram.test");
            let (_, template) = Country::template(role, &name);
            let listed = role
                .profile()
                .issuers()
                .iter()
                .any(|one| one.as_str() == kind);
            let cert = issuer.certificate();
            let forged = forge(cert, &key, &template, &country.domain, |tbs| tbs);
            let said = validator.verify(&forged, role, NOW);
            match said {
                Ok(_) => assert!(listed, "{role} by {kind}"),
                Err(ChainError::NotDelegable { .. }) => assert!(!listed, "{role} by {kind}"),
                Err(other) => panic!("{role} by {kind}: {other}"),
            }
            assert_eq!(issuer.prepare(template).is_ok(), listed, "{role} by {kind}");
        }
    }
    // The root certifies authorities; ends are asked of it in vain.
    for (role, name) in ENDS {
        let (_, template) = Country::template(role, name);
        let refused = country.root.prepare(template).unwrap_err().to_string();
        assert!(refused.contains("L-ISSUER-KIND"), "{refused}");
    }
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let below = Template::new(Role::IssuingCa, "Below", key.spki_der(), NOW);
    let refused = country
        .national
        .prepare(below.permitting("h02.tram.test"))
        .unwrap_err();
    assert!(refused.to_string().contains("L-ISSUER-KIND"), "{refused}");
    let national = country.national.certificate();
    assert!(
        country
            .validator()
            .verify(national, Role::IssuingCa, NOW)
            .is_ok()
    );
}
