//! Signatures against stock openssl in both directions, and every way to get one wrong.

use cms::signed_data::SignerInfo;
use der::asn1::{Any, ObjectIdentifier, OctetString, SetOfVec};
use der::{Decode, Encode};
use proptest::prelude::*;
use x509_cert::attr::Attribute;

use formats::header::{Context, Priority};
use formats::id::{EnvelopeId, Party};

use super::algorithm::HashAlgorithm::{Sha256, Sha384};
use super::structure::SignedDataRaw;
use super::*;
use crate::chain::VerifiedCert;
use crate::fixture::{self, Authority, Signer};
use crate::key::Algorithm;

const PACKET: &[u8] = b"<?xml version=\"1.0\"?><edXML/>";

struct World {
    authority: Authority,
    agency: Signer,
    verified: VerifiedCert,
    packet: PacketDigest,
}

fn world() -> World {
    let authority = Authority::new();
    let agency = authority.signer(Role::AgencySignature, "04.36.h01", Algorithm::EcdsaP256);
    let verified = authority.verified(&agency.certificate, Role::AgencySignature);
    let packet = PacketDigest::of(PACKET, Sha256).unwrap();
    World {
        authority,
        agency,
        verified,
        packet,
    }
}

impl World {
    fn signature(&self) -> Vec<u8> {
        self.sign(Content::Packet(&self.packet), Embed::None)
    }

    fn sign(&self, content: Content<'_>, embed: Embed<'_>) -> Vec<u8> {
        let Signer {
            key, certificate, ..
        } = &self.agency;
        sign_detached(key, certificate, content, self.authority.now(), embed).unwrap()
    }

    fn verify(&self, cms: &[u8]) -> Result<Signature, VerifyError> {
        verify_detached(cms, Content::Packet(&self.packet), &self.verified)
    }

    fn header(&self, class: Class, sender: &str, signer: Digest, commitment: Digest) -> Header {
        let now = self.authority.now();
        let context = Context {
            id: EnvelopeId::new(now, &[7; 10]),
            class,
            sender: sender.parse().unwrap(),
            sender_station: "node-1.tram.test".parse().unwrap(),
            recipients: vec!["H02".parse::<Party>().unwrap()],
            priority: Priority::Normal,
            created: now,
            expires: now.plus_ms(1000),
            signer,
            commitment: class.is_sealed().then_some(commitment),
            supersedes: None,
            addressed_as: Vec::new(),
        };
        Header::new(context, Digest::of(b"body"), 16 * 2).unwrap()
    }
}

/// Takes a signature apart, lets the test break it, and signs the attributes again with the real
/// key.
fn resigned(world: &World, cms: &[u8], spoil: impl Fn(&mut Vec<Attribute>)) -> Vec<u8> {
    altered(cms, |signed_data| {
        let mut signer = signed_data.signer_infos.get(0).unwrap().clone();
        let mut attributes = signer.signed_attrs.take().unwrap().into_vec();
        spoil(&mut attributes);
        let attributes = SetOfVec::try_from(attributes).unwrap();
        let signature = world
            .agency
            .key
            .sign(&attributes.to_der().unwrap())
            .unwrap();
        signer.signature = OctetString::new(signature).unwrap();
        signer.signed_attrs = Some(attributes);
        signed_data.signer_infos = SetOfVec::try_from(vec![signer]).unwrap();
    })
}

fn altered(cms: &[u8], change: impl Fn(&mut SignedDataRaw)) -> Vec<u8> {
    let mut signed_data: SignedDataRaw = open_content_info(cms, SIGNED_DATA).unwrap();
    change(&mut signed_data);
    wrap_content_info(&signed_data, SIGNED_DATA).unwrap()
}

fn with_signer(cms: &[u8], change: impl Fn(&mut SignerInfo)) -> Vec<u8> {
    altered(cms, |signed_data| {
        let mut signer = signed_data.signer_infos.get(0).unwrap().clone();
        change(&mut signer);
        signed_data.signer_infos = SetOfVec::try_from(vec![signer]).unwrap();
    })
}

fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new(text).unwrap()
}

#[test]
fn openssl_accepts_packet_signatures_of_every_key_kind() {
    let authority = Authority::new();
    authority.write("doc", PACKET);
    for algorithm in [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::RsaPss3072,
    ] {
        let signer = authority.signer(Role::AgencySignature, "04.36.h01", algorithm);
        let verified = authority.verified(&signer.certificate, Role::AgencySignature);
        let hash = signing_hash(&signer.key).unwrap();
        let packet = PacketDigest::of(PACKET, hash).unwrap();
        let content = Content::Packet(&packet);
        let chain = [authority.ca.clone()];
        let (key, certificate) = (&signer.key, &signer.certificate);
        let cms = sign_detached(
            key,
            certificate,
            content,
            authority.now(),
            Embed::Chain(&chain),
        )
        .unwrap();
        verify_detached(&cms, content, &verified).unwrap();
        authority.write("sig", &cms);
        for cades in ["", "-cades"] {
            authority.openssl(&format!(
                "cms -verify -binary -purpose any -inform DER -in sig -content doc \
                 -CAfile root.crt -out opened {cades}"
            ));
            assert_eq!(authority.read("opened"), PACKET, "{algorithm:?}");
        }
        authority.write("other", b"<edXML>2</edXML>");
        authority.openssl_refuses(
            "cms -verify -binary -purpose any -inform DER -in sig -content other -CAfile root.crt",
        );
    }
}

#[test]
fn openssl_finds_the_signer_of_a_signature_without_certificates() {
    let world = world();
    world.authority.write("doc", PACKET);
    world.authority.write("sig", &world.signature());
    world.authority.openssl(&format!(
        "cms -verify -binary -purpose any -cades -inform DER -in sig -content doc \
         -CAfile chain.pem -certfile {}.crt",
        world.agency.stem
    ));
    assert!(
        Parsed::parse(&world.signature())
            .unwrap()
            .embedded_certificates()
            .is_empty()
    );
}

#[test]
fn a_record_carries_its_content_and_openssl_prints_it() {
    let authority = Authority::new();
    let registry = authority.signer(Role::Registry, "registry-1", Algorithm::EcdsaP256);
    let verified = authority.verified(&registry.certificate, Role::Registry);
    let record = br#"{"sequence":1}"#;
    let Signer {
        key, certificate, ..
    } = &registry;
    let chain = [authority.ca.clone()];
    let cms = sign_attached(
        key,
        certificate,
        record,
        authority.now(),
        Embed::Chain(&chain),
    )
    .unwrap();
    let opened = verify_attached(&cms, &verified).unwrap();
    assert_eq!(opened.value(), record);
    assert_eq!(opened.signature().role(), Role::Registry);
    assert_eq!(
        Parsed::parse(&cms).unwrap().embedded_signer().as_ref(),
        Some(certificate)
    );
    authority.write("rec", &cms);
    authority
        .openssl("cms -verify -purpose any -cades -inform DER -in rec -CAfile root.crt -out o");
    assert_eq!(authority.read("o"), record);
    let detached = sign_detached(
        key,
        certificate,
        Content::Record(record),
        authority.now(),
        Embed::Signer,
    );
    let refused = verify_attached(&detached.unwrap(), &verified).unwrap_err();
    assert!(matches!(refused, VerifyError::Attachment(_)), "{refused}");
}

#[test]
fn signatures_made_by_openssl_count_only_with_all_required_attributes() {
    let world = world();
    world.authority.write("doc", PACKET);
    let stem = &world.agency.stem;
    let sign = |options: &str| {
        world.authority.openssl(&format!(
            "cms -sign -binary -in doc -signer {stem}.crt -inkey {stem}.key -outform DER \
             -out sig {options}"
        ));
        world.verify(&world.authority.read("sig"))
    };
    sign("-cades -md sha256").unwrap();
    sign("-cades -md sha256 -nocerts -keyid").unwrap();
    let refused = |options: &str| sign(options).unwrap_err().to_string();
    assert_eq!(
        refused("-md sha256"),
        "signed attribute signing-certificate-v2 is missing"
    );
    assert_eq!(
        refused("-md sha256 -noattr"),
        "there are no signed attributes"
    );
    assert_eq!(
        refused("-cades -md sha384"),
        "the signature is for other content"
    );
    assert!(refused("-cades -md sha1").contains("1.3.14.3.2.26"));
    assert!(refused("-cades -md sha256 -nodetach").contains("attached"));
    assert!(
        refused("-cades -md sha256 -stream -nodetach").contains("DER"),
        "BER"
    );
}

#[test]
fn every_broken_signature_is_refused_for_its_own_reason() {
    let world = world();
    for (name, bytes, reason) in broken(&world) {
        let error = world.verify(&bytes).expect_err(name).to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
    world.verify(&world.signature()).unwrap();
}

/// Every way that we know to make a signature that looks right: name, bytes, part of the reason.
#[expect(
    clippy::too_many_lines,
    reason = "a table of cases is read in one piece"
)]
fn broken(world: &World) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = world.signature();
    let again = |spoil: &dyn Fn(&mut Vec<Attribute>)| resigned(world, &good, spoil);
    let without = |oid_text: &'static str| {
        again(&|attributes| attributes.retain(|attribute| attribute.oid != oid(oid_text)))
    };
    let mut trailing = good.clone();
    trailing.push(0);
    let doubled = again(&|attributes| {
        let digest = OctetString::new(vec![0; 32]).unwrap();
        attributes.push(attributes::attribute(oid("1.2.840.113549.1.9.4"), &digest).unwrap());
    });
    let two_values = again(&|attributes| {
        let digest = attributes
            .iter_mut()
            .find(|a| a.oid == oid("1.2.840.113549.1.9.4"))
            .unwrap();
        digest
            .values
            .insert(Any::encode_from(&OctetString::new(vec![0; 32]).unwrap()).unwrap())
            .unwrap();
    });
    let hidden_ber = again(&|attributes| {
        let ber = Any::from_der(&[0x30, 0x04, 0x24, 0x02, 0x04, 0x00]).unwrap();
        attributes.push(attributes::attribute(oid("1.2.3.4"), &ber).unwrap());
    });
    let two_signers = altered(&good, |signed_data| {
        let signer = signed_data.signer_infos.get(0).unwrap().clone();
        signed_data.signer_infos = SetOfVec::try_from(vec![signer.clone(), signer]).unwrap();
    });
    let no_attributes = with_signer(&good, |signer| {
        signer.signed_attrs = None;
        signer.signature = OctetString::new(world.agency.key.sign(PACKET).unwrap()).unwrap();
    });
    let sha1 = with_signer(&good, |signer| signer.digest_alg.oid = oid("1.3.14.3.2.26"));
    let other_list = altered(&good, |signed_data| {
        signed_data.digest_algorithms = SetOfVec::try_from(vec![Sha384.identifier()]).unwrap();
    });
    let other_scheme = with_signer(&good, |signer| {
        signer.signature_algorithm.oid = oid("1.2.840.10045.4.3.3");
    });
    let other_serial = with_signer(&good, |signer| {
        let names = CertificateNames::of(&world.authority.ca);
        signer.sid = SignerIdentifier::IssuerAndSerialNumber(names.issuer_and_serial);
    });
    let other_ess = again(&|attributes| {
        let now = world.authority.now();
        let hash = world.packet.digest();
        let built = attributes::build(oid::CT_DATA, hash.as_bytes(), now, &hash).unwrap();
        *attributes = built.into_vec();
    });
    let other_type = altered(&good, |signed_data| {
        signed_data.encap_content_info.econtent_type = oid::CT_HEADER;
    });
    let attached = altered(&good, |signed_data| {
        let content = Any::new(der::Tag::OctetString, PACKET).unwrap();
        signed_data.encap_content_info.econtent = Some(content);
    });
    let flipped = with_signer(&good, |signer| {
        let mut value = signer.signature.as_bytes().to_vec();
        *value.last_mut().unwrap() ^= 1;
        signer.signature = OctetString::new(value).unwrap();
    });
    vec![
        ("trailing-byte", trailing, "DER"),
        ("indefinite-length", indefinite(&good), "DER"),
        ("attributes-out-of-order", reversed_attributes(&good), "DER"),
        ("ber-inside-an-attribute", hidden_ber, "constructed form"),
        (
            "no-content-type",
            without("1.2.840.113549.1.9.3"),
            "content-type is missing",
        ),
        (
            "no-message-digest",
            without("1.2.840.113549.1.9.4"),
            "message-digest is missing",
        ),
        (
            "no-signing-time",
            without("1.2.840.113549.1.9.5"),
            "signing-time is missing",
        ),
        (
            "no-signing-certificate",
            without("1.2.840.113549.1.9.16.2.47"),
            "v2 is missing",
        ),
        ("message-digest-twice", doubled, "exactly once"),
        ("message-digest-with-two-values", two_values, "exactly once"),
        ("two-signers", two_signers, "2 signers"),
        (
            "no-signed-attributes",
            no_attributes,
            "no signed attributes",
        ),
        ("sha-1", sha1, "1.3.14.3.2.26"),
        ("digest-list-differs", other_list, "digest algorithm"),
        (
            "signature-algorithm-differs",
            other_scheme,
            "signature algorithm",
        ),
        ("other-serial-number", other_serial, "another certificate"),
        ("other-certificate-hash", other_ess, "another certificate"),
        ("other-content-type", other_type, "content type"),
        ("content-attached", attached, "attached"),
        ("signature-bit-flipped", flipped, "signature value is wrong"),
    ]
}

/// Each of the four signed attributes, in every way that it can be wrong, signed again with the
/// real key so that nothing but the rule refuses it.
#[test]
fn each_signed_attribute_is_there_once_with_one_value_in_der() {
    let world = world();
    let good = world.signature();
    let names = [
        ("1.2.840.113549.1.9.3", "content-type"),
        ("1.2.840.113549.1.9.4", "message-digest"),
        ("1.2.840.113549.1.9.5", "signing-time"),
        ("1.2.840.113549.1.9.16.2.47", "signing-certificate-v2"),
    ];
    for (id, name) in names {
        let one = |spoil: &dyn Fn(&mut Attribute)| {
            resigned(&world, &good, |attributes| {
                let attribute = attributes.iter_mut().find(|a| a.oid == oid(id)).unwrap();
                spoil(attribute);
            })
        };
        let refused = |what: &str, cms: &[u8], reason: &str| {
            let error = world.verify(cms).expect_err(name).to_string();
            assert!(error.contains(reason), "{name} {what}: {error}");
        };
        let missing = resigned(&world, &good, |all| all.retain(|a| a.oid != oid(id)));
        refused("missing", &missing, "is missing");
        let doubled = resigned(&world, &good, |all| {
            let mut again = all.iter().find(|a| a.oid == oid(id)).unwrap().clone();
            // The same attribute once more; another value, because a set has no twins.
            let other = Any::new(der::Tag::OctetString, vec![7; 3]).unwrap();
            again.values = SetOfVec::try_from(vec![other]).unwrap();
            all.push(again);
        });
        refused("doubled", &doubled, "exactly once");
        let two_values = one(&|attribute| {
            let other = Any::new(der::Tag::OctetString, vec![7; 3]).unwrap();
            attribute.values.insert(other).unwrap();
        });
        refused("with two values", &two_values, "exactly once");
        let no_value = one(&|attribute| attribute.values = SetOfVec::new());
        refused("without a value", &no_value, "exactly once");
        let other_type = one(&|attribute| {
            let other = Any::new(der::Tag::Boolean, vec![0xff]).unwrap();
            attribute.values = SetOfVec::try_from(vec![other]).unwrap();
        });
        refused("of another type", &other_type, "malformed");
        let ber = one(&|attribute| {
            // A boolean that is true in BER only, inside a sequence that the decoder keeps as it is.
            let ber = Any::new(der::Tag::Sequence, vec![1, 1, 1]).unwrap();
            attribute.values = SetOfVec::try_from(vec![ber]).unwrap();
        });
        refused("in BER", &ber, "DER");
    }
}

/// The same value with an indefinite outer length, as streaming tools write it.
fn indefinite(der: &[u8]) -> Vec<u8> {
    let header = match der[1] {
        0x82 => 4,
        0x81 => 3,
        _ => 2,
    };
    [&[0x30, 0x80], &der[header..], &[0, 0]].concat()
}

/// Moves the first signed attribute to the end: valid BER, a different SET OF order.
fn reversed_attributes(der: &[u8]) -> Vec<u8> {
    let signed_data: SignedDataRaw = open_content_info(der, SIGNED_DATA).unwrap();
    let attributes = signed_data
        .signer_infos
        .get(0)
        .unwrap()
        .signed_attrs
        .clone()
        .unwrap();
    let parts: Vec<Vec<u8>> = attributes.iter().map(|a| a.to_der().unwrap()).collect();
    let ordered = parts.concat();
    let mut turned = parts;
    turned.rotate_left(1);
    let at = der
        .windows(ordered.len())
        .position(|window| window == ordered)
        .unwrap();
    let mut bytes = der.to_vec();
    bytes[at..at + ordered.len()].copy_from_slice(&turned.concat());
    bytes
}

#[test]
fn a_signature_for_one_kind_of_content_never_passes_for_another() {
    let world = world();
    let certificate = world.agency.certificate.sha256();
    let header = world.header(Class::Document, "H01.36.04", certificate, Digest::of(b"c"));
    let cms = world.sign(Content::Record(header.bytes()), Embed::None);
    let refused = verify_detached(&cms, Content::Header(&header), &world.verified).unwrap_err();
    assert!(matches!(refused, VerifyError::ContentType(_)), "{refused}");
    // The packet whose bytes are the header's bytes: same digest, other type.
    let packet = PacketDigest::of(header.bytes(), Sha256).unwrap();
    let cms = world.sign(Content::Header(&header), Embed::None);
    let refused = verify_detached(&cms, Content::Packet(&packet), &world.verified).unwrap_err();
    assert!(matches!(refused, VerifyError::ContentType(_)), "{refused}");
}

#[test]
fn only_the_right_role_signs_each_content() {
    let authority = Authority::new();
    let packet = PacketDigest::of(PACKET, Sha256).unwrap();
    for role in [
        Role::StationEvidence,
        Role::Registry,
        Role::TrustList,
        Role::Delegate,
    ] {
        let name = if role == Role::Delegate {
            "h01"
        } else {
            "relay-1"
        };
        let signer = authority.signer(role, name, Algorithm::EcdsaP256);
        let verified = authority.verified(&signer.certificate, role);
        let (key, certificate) = (&signer.key, &signer.certificate);
        let content = Content::Packet(&packet);
        let cms = sign_detached(key, certificate, content, authority.now(), Embed::None).unwrap();
        assert_eq!(
            verify_detached(&cms, content, &verified),
            Err(VerifyError::Role(role))
        );
    }
}

#[test]
fn a_header_is_believed_from_the_sender_that_it_names() {
    let world = world();
    let ours = world.agency.certificate.sha256();
    let content = Digest::of(b"c");
    let check = |header: Header| {
        let cms = world.sign(Content::Header(&header), Embed::None);
        verify_header(header, &cms, &world.verified).map(|verified| verified.value().digest())
    };
    let good = world.header(Class::Document, "H01.36.04", ours, content);
    assert_eq!(check(good.clone()), Ok(good.digest()));
    let other_sender = world.header(Class::Document, "H01.36", ours, content);
    assert_eq!(check(other_sender), Err(VerifyError::SenderMismatch));
    let other_signer = world.header(Class::Document, "H01.36.04", Digest::of(b"x"), content);
    assert_eq!(check(other_signer), Err(VerifyError::SenderMismatch));
    let cms = world.sign(Content::Header(&good), Embed::None);
    let changed = world.header(Class::Document, "H01.36.04", ours, Digest::of(b"d"));
    let refused = verify_header(changed, &cms, &world.verified).unwrap_err();
    assert_eq!(refused, VerifyError::ContentDigest);
}

#[test]
fn a_packet_is_tied_to_its_header_by_commitment_and_signer() {
    let world = world();
    let salt = [9; 32];
    let inner = world.signature();
    let value = Parsed::parse(&inner).unwrap().signature_value().to_vec();
    let commitment = formats::header::commitment(&salt, &world.packet.digest(), &value);
    let ours = world.agency.certificate.sha256();
    let header = |commitment| {
        let header = world.header(Class::Document, "H01.36.04", ours, commitment);
        let cms = world.sign(Content::Header(&header), Embed::None);
        verify_header(header, &cms, &world.verified).unwrap()
    };
    let good = header(commitment);
    let packet = world.packet.clone();
    let bound = verify_packet(&good, packet.clone(), &inner, &salt, &world.verified).unwrap();
    assert_eq!(bound.value(), &packet);
    let wrong_salt = verify_packet(&good, packet.clone(), &inner, &[8; 32], &world.verified);
    assert_eq!(wrong_salt.unwrap_err(), VerifyError::Commitment);
    let other = PacketDigest::of(b"<other/>", Sha256).unwrap();
    let swapped = verify_packet(&good, other, &inner, &salt, &world.verified);
    assert_eq!(swapped.unwrap_err(), VerifyError::Commitment);
    // Another agency forwards the packet under its own header, with the first agency's signature.
    let thief = world
        .authority
        .signer(Role::AgencySignature, "h02", Algorithm::EcdsaP256);
    let thief = world
        .authority
        .verified(&thief.certificate, Role::AgencySignature);
    let forwarded = verify_packet(&good, packet, &inner, &salt, &thief);
    assert_eq!(forwarded.unwrap_err(), VerifyError::InnerSigner);
}

#[test]
fn a_packet_that_begins_like_signed_attributes_has_no_digest() {
    assert_eq!(PacketDigest::of(b"1<edXML/>", Sha256), Err(LooksSigned));
    let mut hasher = PacketHasher::new(Sha256);
    hasher.update(b"");
    hasher.update(b"1");
    assert_eq!(hasher.finish(), Err(LooksSigned));
    assert!(PacketDigest::read(&b"1"[..], Sha256).is_err());
    assert_eq!(PacketDigest::of(b"", Sha384).unwrap().bytes(), 0);
    let read = PacketDigest::read(PACKET, Sha384).unwrap();
    assert_eq!(read, PacketDigest::of(PACKET, Sha384).unwrap());
    assert_eq!(read.in_hash(Sha384), Some(Sha384.digest(PACKET).as_slice()));
}

#[test]
fn a_p384_key_refuses_a_packet_that_was_hashed_for_another() {
    let world = world();
    let signer = world
        .authority
        .signer(Role::AgencySignature, "h03", Algorithm::EcdsaP384);
    let content = Content::Packet(&world.packet);
    let (key, certificate) = (&signer.key, &signer.certificate);
    let refused = sign_detached(
        key,
        certificate,
        content,
        world.authority.now(),
        Embed::None,
    );
    assert!(matches!(refused, Err(SignError::MissingDigest(Sha384))));
    let ours = &world.agency.key;
    let mismatch = sign_detached(
        ours,
        certificate,
        content,
        world.authority.now(),
        Embed::None,
    );
    assert!(matches!(mismatch, Err(SignError::KeyMismatch)));
}

#[test]
fn a_time_stamp_changes_nothing_that_is_signed() {
    let world = world();
    let cms = world.signature();
    // Any CMS object serves as a token here; tokens themselves are tested in `stamp`.
    let token = world.sign(Content::Record(b"token"), Embed::None);
    let stamped = add_timestamp(&cms, &token).unwrap();
    let (before, after) = (
        Parsed::parse(&cms).unwrap(),
        Parsed::parse(&stamped).unwrap(),
    );
    assert_eq!(before.signature_value(), after.signature_value());
    assert_eq!(after.timestamp_token(), Some(token.clone()));
    assert_eq!(before.timestamp_token(), None);
    world.verify(&stamped).unwrap();
    assert!(matches!(
        add_timestamp(&stamped, &token),
        Err(SignError::AlreadyStamped)
    ));
    world.authority.write("doc", PACKET);
    world.authority.write("sig", &stamped);
    world.authority.openssl(&format!(
        "cms -verify -binary -purpose any -cades -inform DER -in sig -content doc \
         -CAfile chain.pem -certfile {}.crt",
        world.agency.stem
    ));
}

#[test]
fn no_bit_of_a_signature_can_change() {
    let world = world();
    let cms = world.signature();
    for (index, bit) in (0..cms.len()).flat_map(|index| [(index, 1u8), (index, 0x80)]) {
        let mut changed = cms.clone();
        changed[index] ^= bit;
        assert!(world.verify(&changed).is_err(), "byte {index} bit {bit:#x}");
    }
    for length in 0..cms.len() {
        assert!(world.verify(&cms[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn foreign_cms_files_never_panic_and_malformed_ones_are_refused() {
    let mut accepted = Vec::new();
    for name in ["cms/rustcrypto", "cms/openssl-malformed", "pkits/smime"] {
        let Some(folder) = fixture::suite(name) else {
            continue;
        };
        let (mut read, mut refused) = (0, 0);
        for (file, bytes) in fixture::files(&folder) {
            let der = match der::pem::decode_vec(&bytes) {
                Ok((_, der)) => der,
                Err(_) => bytes,
            };
            match Parsed::parse(&der) {
                Ok(_) => {
                    read += 1;
                    accepted.push(format!("{name}/{file}"));
                }
                Err(_) => refused += 1,
            }
        }
        println!("{name}: {read} read, {refused} refused");
    }
    // One of these is a complete CAdES signature in DER. The others lack signing-certificate-v2 or
    // are BER; one more that is read means that a check went missing.
    accepted.retain(|file| file != "cms/rustcrypto/cms_der.bin");
    assert_eq!(accepted, Vec::<String>::new());
}

#[test]
fn committed_rejects_are_refused() {
    let folder = vectors();
    let load = |name: &str| Certificate::load(&folder.join(name)).unwrap();
    let (root, ca, signer) = (load("root.crt"), load("ca.crt"), load("signer.crt"));
    let at = signer.not_before().plus_ms(1000);
    let store = crate::chain::TrustStore {
        trust_domain: formats::id::TrustDomain::parse("tram.test").unwrap(),
        roots: vec![root],
        intermediates: vec![ca],
        crls: Vec::new(),
        ocsp: Vec::new(),
    };
    let validator = crate::chain::Validator::new(store);
    let verified = validator
        .verify(&signer, Role::AgencySignature, at)
        .unwrap();
    let packet = PacketDigest::of(PACKET, Sha256).unwrap();
    let index = std::fs::read_to_string(folder.join("index.txt")).unwrap();
    let mut seen = 0;
    for line in index.lines().filter(|line| !line.starts_with('#')) {
        let (name, reason) = line.split_once('\t').unwrap();
        let cms = std::fs::read(folder.join(name)).unwrap();
        let said = verify_detached(&cms, Content::Packet(&packet), &verified);
        match reason {
            "accept" => assert!(said.is_ok(), "{name}: {said:?}"),
            _ => assert!(said.unwrap_err().to_string().contains(reason), "{name}"),
        }
        seen += 1;
    }
    assert!(seen > 15, "{seen} vectors");
}

fn vectors() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/cms")
}

#[test]
#[ignore = "writes the committed vectors anew, with new keys that are then forgotten"]
fn write_vectors() {
    let world = world();
    let folder = vectors();
    std::fs::create_dir_all(&folder).unwrap();
    for (name, certificate) in [
        ("root.crt", &world.authority.root),
        ("ca.crt", &world.authority.ca),
        ("signer.crt", &world.agency.certificate),
    ] {
        std::fs::write(folder.join(name), certificate.pem()).unwrap();
    }
    std::fs::write(folder.join("packet.edxml"), PACKET).unwrap();
    std::fs::write(folder.join("good.der"), world.signature()).unwrap();
    let mut index = String::from(
        "# Signatures over packet.edxml by signer.crt (throw-away keys). File, tab, what a\n\
         # verifier says: accept, or a part of the reason for which it refuses.\ngood.der\taccept\n",
    );
    for (name, bytes, reason) in broken(&world) {
        std::fs::write(folder.join(format!("{name}.der")), bytes).unwrap();
        index.push_str(&format!("{name}.der\t{reason}\n"));
    }
    std::fs::write(folder.join("index.txt"), index).unwrap();
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Parsed::parse(&bytes).is_err());
        let _walked = check_der(&bytes);
    }

    #[test]
    fn spoiled_signatures_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = include_bytes!("../../vectors/cms/good.der").to_vec();
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let _parsed = Parsed::parse(&bytes);
    }
}
