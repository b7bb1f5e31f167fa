//! Sealing against stock openssl in both directions, and every way to tamper with a body.

use aws_lc_rs::agreement;
use cms::enveloped_data::KeyAgreeRecipientInfo;
use der::asn1::{Any, OctetString, SetOfVec};
use der::{Decode, Encode, Tag, TagNumber};
use proptest::prelude::*;

use super::capsule::AuthEnvelopedDataRaw;
use super::wrap;
use super::*;
use crate::algorithm::Curve;
use crate::fixture::{self, Authority, Reader};
use crate::key::Algorithm;
use crate::role::Role;
use crate::sign::{open_content_info, wrap_content_info};

const FULL: usize = 1024 * 1024;

struct Sealed {
    capsule: Vec<u8>,
    chunks: Vec<Vec<u8>>,
}

fn ctx() -> Digest {
    Digest::of(b"context")
}

fn secrets(packet: &[u8]) -> CapsuleSecrets {
    CapsuleSecrets {
        salt: [5; 32],
        packet_bytes: u64::try_from(packet.len()).unwrap(),
        packet_digest: Digest::of(packet),
        packet_signature: b"signature".to_vec(),
        case_id: Some("000.00.04.H01-221122-0001".into()),
    }
}

fn recipients(authority: &Authority, readers: &[&Reader]) -> Vec<VerifiedCert> {
    let verified =
        |reader: &&Reader| authority.verified(&reader.certificate, Role::AgencyEncryption);
    readers.iter().map(verified).collect()
}

fn seal(packet: &[u8], ctx: Digest, to: &[VerifiedCert]) -> Sealed {
    let mut sealer = Sealer::new(ctx).unwrap();
    let mut pieces: Vec<&[u8]> = packet.chunks(FULL).collect();
    if pieces.is_empty() {
        pieces.push(&[]);
    }
    let mut chunks = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut chunk = piece.to_vec();
        sealer
            .seal_chunk(index + 1 == pieces.len(), &mut chunk)
            .unwrap();
        chunks.push(chunk);
    }
    Sealed {
        capsule: sealer.finish(&secrets(packet), to).unwrap(),
        chunks,
    }
}

fn open_with(capsule: &[u8], reader: &Reader) -> Result<Capsule, OpenError> {
    open_capsule(capsule, &reader.key, &reader.certificate, ctx())
}

fn open_all(capsule: &[u8], chunks: &[Vec<u8>], reader: &Reader) -> Result<Vec<u8>, OpenError> {
    let mut opener = open_with(capsule, reader)?.opener;
    let mut packet = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut chunk = chunk.clone();
        opener.open_chunk(index + 1 == chunks.len(), &mut chunk)?;
        packet.extend(chunk);
    }
    opener.finish()?;
    Ok(packet)
}

#[test]
fn packets_of_every_size_come_back() {
    let authority = Authority::new();
    let reader = authority.reader("04.36.h01", true);
    let to = recipients(&authority, &[&reader]);
    for bytes in [0, 1, 100, FULL - 1, FULL, FULL + 1, 3 * FULL] {
        let packet: Vec<u8> = b"<edXML>".iter().copied().cycle().take(bytes).collect();
        let sealed = seal(&packet, ctx(), &to);
        assert_eq!(sealed.chunks.len(), bytes.div_ceil(FULL).max(1));
        assert_eq!(
            sealed.chunks.iter().map(Vec::len).sum::<usize>(),
            bytes + 16 * sealed.chunks.len()
        );
        assert_eq!(
            open_all(&sealed.capsule, &sealed.chunks, &reader).unwrap(),
            packet,
            "{bytes}"
        );
        let capsule = open_with(&sealed.capsule, &reader).unwrap();
        assert_eq!(
            (capsule.salt, capsule.case_id),
            ([5; 32], secrets(&packet).case_id)
        );
        assert_eq!(capsule.packet_signature, b"signature");
    }
}

#[test]
fn openssl_decrypts_the_capsule_for_each_recipient() {
    let authority = Authority::new();
    let first = authority.reader("h01", true);
    let second = authority.reader("h02", false);
    let third = authority.reader_on(Curve::P384, "h03", true);
    let to = recipients(&authority, &[&first, &second, &first, &third]);
    let sealed = seal(b"<edXML/>", ctx(), &to);
    authority.write("capsule", &sealed.capsule);
    let mut opened = Vec::new();
    for stem in [&first.stem, &second.stem, &third.stem] {
        authority.openssl(&format!(
            "cms -decrypt -inform DER -in capsule -recip {stem}.crt -inkey {stem}.key -out plain"
        ));
        opened.push(authority.read("plain"));
    }
    let content = &opened[0];
    assert!(opened.iter().all(|other| other == content));
    let holds = |part: &[u8]| content.windows(part.len()).any(|window| window == part);
    assert!(holds(ctx().as_bytes()) && holds(b"signature") && holds(b"H01-221122"));
    let stranger = authority.reader("h04", true);
    authority.openssl_refuses(&format!(
        "cms -decrypt -inform DER -in capsule -recip {0}.crt -inkey {0}.key -out plain",
        stranger.stem
    ));
    assert_eq!(
        open_with(&sealed.capsule, &stranger).unwrap_err(),
        OpenError::NotForUs
    );
    for ours in [&second, &third] {
        let opened = open_all(&sealed.capsule, &sealed.chunks, ours);
        assert_eq!(opened.unwrap(), b"<edXML/>");
    }
}

#[test]
fn a_capsule_rewrapped_by_openssl_opens() {
    // openssl makes its own AuthEnvelopedData around our content: another implementation's sender.
    for (curve, kdf) in [(Curve::P256, "sha256"), (Curve::P384, "sha384")] {
        rewrap(curve, kdf);
    }
}

fn rewrap(curve: Curve, kdf: &str) {
    let authority = Authority::new();
    let reader = authority.reader_on(curve, "h01", true);
    let sealed = seal(b"<edXML/>", ctx(), &recipients(&authority, &[&reader]));
    authority.write("capsule", &sealed.capsule);
    let stem = &reader.stem;
    authority.openssl(&format!(
        "cms -decrypt -inform DER -in capsule -recip {stem}.crt -inkey {stem}.key -out plain"
    ));
    for keyid in ["", "-keyid"] {
        authority.openssl(&format!(
            "cms -encrypt -binary -in plain -outform DER -out again -aes-256-gcm {keyid} \
             -recip {stem}.crt -keyopt ecdh_kdf_md:{kdf}"
        ));
        let again = authority.read("again");
        assert_eq!(
            open_all(&again, &sealed.chunks, &reader).unwrap(),
            b"<edXML/>"
        );
    }
    // SHA-1 in the key derivation is openssl's default and is refused.
    authority.openssl(&format!(
        "cms -encrypt -binary -in plain -outform DER -out again -aes-256-gcm -recip {stem}.crt"
    ));
    let refused = open_with(&authority.read("again"), &reader).unwrap_err();
    assert!(matches!(refused, OpenError::Unsupported(_)), "{refused}");
}

#[test]
fn bodies_that_were_tampered_with_do_not_open() {
    let authority = Authority::new();
    let reader = authority.reader("h01", true);
    let to = recipients(&authority, &[&reader]);
    let packet = vec![b'<'; 2 * FULL + 5];
    let Sealed { capsule, chunks } = seal(&packet, ctx(), &to);
    let other = seal(&packet, ctx(), &to);
    let refused = |chunks: &[Vec<u8>]| open_all(&capsule, chunks, &reader).unwrap_err();
    let [a, b, c] = chunks.clone().try_into().unwrap();

    assert_eq!(
        refused(&[b.clone(), a.clone(), c.clone()]),
        OpenError::Chunk(0),
        "reordered"
    );
    assert_eq!(
        refused(&[a.clone(), a.clone(), c.clone()]),
        OpenError::Chunk(1),
        "repeated"
    );
    assert_eq!(
        refused(&[a.clone(), b.clone()]),
        OpenError::Chunk(1),
        "last one dropped"
    );
    assert_eq!(
        refused(&[a.clone(), c.clone()]),
        OpenError::Chunk(1),
        "middle one dropped"
    );
    let cut = c[..c.len() - 1].to_vec();
    assert_eq!(
        refused(&[a.clone(), b.clone(), cut]),
        OpenError::Chunk(2),
        "last one cut"
    );
    assert_eq!(
        refused(&[a.clone(), b.clone(), vec![0; 15]]),
        OpenError::Chunk(2),
        "no tag"
    );
    assert_eq!(
        refused(&[a.clone(), b.clone(), vec![0; 16]]),
        OpenError::Chunk(2),
        "empty last"
    );
    let flipped: Vec<u8> = a
        .iter()
        .enumerate()
        .map(|(i, x)| x ^ u8::from(i == 7))
        .collect();
    assert_eq!(
        refused(&[flipped, b, c]),
        OpenError::Chunk(0),
        "bit flipped"
    );
    assert_eq!(
        refused(&other.chunks),
        OpenError::Chunk(0),
        "another body's chunks"
    );
    let swapped = open_all(&other.capsule, &chunks, &reader).unwrap_err();
    assert_eq!(swapped, OpenError::Chunk(0), "another body's capsule");
}

#[test]
fn a_body_ends_exactly_once() {
    let authority = Authority::new();
    let reader = authority.reader("h01", true);
    let to = recipients(&authority, &[&reader]);
    let Sealed { capsule, chunks } = seal(&vec![b'<'; 2 * FULL + 5], ctx(), &to);
    let [a, b, c] = chunks.try_into().unwrap();

    let mut opener = open_with(&capsule, &reader).unwrap().opener;
    opener.open_chunk(false, &mut a.clone()).unwrap();
    opener.open_chunk(false, &mut b.clone()).unwrap();
    assert_eq!(opener.finish().unwrap_err(), OpenError::Truncated);

    let mut opener = open_with(&capsule, &reader).unwrap().opener;
    for (chunk, last) in [(&a, false), (&b, false), (&c, true)] {
        opener.open_chunk(last, &mut chunk.clone()).unwrap();
    }
    assert_eq!(
        opener.open_chunk(true, &mut c.clone()),
        Err(OpenError::AfterLast)
    );
    let mut poisoned = c;
    assert_eq!(
        opener.open_chunk(true, &mut poisoned),
        Err(OpenError::Poisoned)
    );
    assert!(poisoned.is_empty(), "nothing is left of a refused chunk");
    assert_eq!(opener.finish().unwrap_err(), OpenError::Poisoned);
}

#[test]
fn a_packet_cannot_be_forwarded_in_another_envelope() {
    let authority = Authority::new();
    let reader = authority.reader("h01", true);
    let to = recipients(&authority, &[&reader]);
    let sealed = seal(b"<edXML/>", ctx(), &to);
    // The capsule and chunks as they are, in an envelope with another context (other recipients).
    let elsewhere = Digest::of(b"another context");
    let moved = open_capsule(&sealed.capsule, &reader.key, &reader.certificate, elsewhere);
    assert_eq!(moved.unwrap_err(), OpenError::Context);
    // A capsule for the right context, around chunks that were sealed for another one.
    let theirs = seal(b"<edXML/>", elsewhere, &to);
    assert_eq!(
        open_all(&sealed.capsule, &theirs.chunks, &reader).unwrap_err(),
        OpenError::Chunk(0)
    );
}

#[test]
fn a_capsule_that_describes_another_packet_is_found_out_at_the_end() {
    let authority = Authority::new();
    let reader = authority.reader("h01", true);
    let to = recipients(&authority, &[&reader]);
    let lie = |packet: &[u8], secrets: CapsuleSecrets| {
        let mut sealer = Sealer::new(ctx()).unwrap();
        let mut chunk = packet.to_vec();
        sealer.seal_chunk(true, &mut chunk).unwrap();
        let capsule = sealer.finish(&secrets, &to).unwrap();
        open_all(&capsule, &[chunk], &reader).unwrap_err()
    };
    let digest = CapsuleSecrets {
        packet_digest: Digest::of(b"x"),
        ..secrets(b"<edXML/>")
    };
    assert_eq!(lie(b"<edXML/>", digest), OpenError::Packet);
    assert_eq!(
        lie(b"1looks signed", secrets(b"1looks signed")),
        OpenError::Packet
    );
    let mut sealer = Sealer::new(ctx()).unwrap();
    sealer.seal_chunk(true, &mut b"<a/>".to_vec()).unwrap();
    let short = sealer.finish(&secrets(b"<longer/>"), &to);
    assert!(matches!(
        short,
        Err(SealError::Incomplete {
            sealed: 4,
            expected: 9
        })
    ));
}

#[test]
fn the_sealer_keeps_order_and_sizes() {
    let mut sealer = Sealer::new(ctx()).unwrap();
    let sizes = |sealer: &mut Sealer, last, bytes| sealer.seal_chunk(last, &mut vec![0; bytes]);
    assert!(matches!(
        sizes(&mut sealer, false, 5),
        Err(SealError::ChunkSize { index: 0, .. })
    ));
    assert!(matches!(
        sizes(&mut sealer, true, FULL + 1),
        Err(SealError::ChunkSize { .. })
    ));
    sizes(&mut sealer, false, FULL).unwrap();
    assert!(matches!(
        sizes(&mut sealer, true, 0),
        Err(SealError::ChunkSize { index: 1, .. })
    ));
    sizes(&mut sealer, true, 1).unwrap();
    assert!(matches!(
        sizes(&mut sealer, true, 1),
        Err(SealError::AfterLast)
    ));
    let unfinished = Sealer::new(ctx()).unwrap().finish(&secrets(b""), &[]);
    assert!(matches!(unfinished, Err(SealError::Incomplete { .. })));
    assert!(!format!("{:?}", Sealer::new(ctx()).unwrap()).contains("key"));
}

#[test]
fn only_encryption_certificates_receive() {
    let authority = Authority::new();
    let signer = authority.signer(Role::AgencySignature, "h01", Algorithm::EcdsaP256);
    let verified = authority.verified(&signer.certificate, Role::AgencySignature);
    let finish = |to: &[VerifiedCert]| {
        let mut sealer = Sealer::new(ctx()).unwrap();
        sealer.seal_chunk(true, &mut Vec::new()).unwrap();
        sealer.finish(&secrets(b""), to)
    };
    assert!(matches!(finish(&[verified]), Err(SealError::Recipient(_))));
    assert!(matches!(finish(&[]), Err(SealError::RecipientCount(0))));
    let reader = authority.reader("h01", true);
    let one = recipients(&authority, &[&reader]).remove(0);
    assert!(matches!(
        finish(&vec![one.clone(); 257]),
        Err(SealError::RecipientCount(257))
    ));
    finish(&vec![one; 256]).unwrap();
    let other = authority.reader("h02", true);
    let sealed = seal(b"<a/>", ctx(), &recipients(&authority, &[&reader]));
    let mixed = open_capsule(&sealed.capsule, &other.key, &reader.certificate, ctx());
    assert_eq!(mixed.unwrap_err(), OpenError::KeyMismatch);
}

/// Changes the recipient infos of a capsule.
fn altered(capsule: &[u8], change: impl Fn(&mut AuthEnvelopedDataRaw)) -> Vec<u8> {
    let kind = der::asn1::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.23");
    let mut enveloped: AuthEnvelopedDataRaw = open_content_info(capsule, kind).unwrap();
    change(&mut enveloped);
    wrap_content_info(&enveloped, kind).unwrap()
}

fn key_agreement(any: &Any) -> KeyAgreeRecipientInfo {
    Any::new(Tag::Sequence, any.value())
        .unwrap()
        .decode_as()
        .unwrap()
}

fn with_wrapped_key(capsule: &[u8], wrapped: &[u8]) -> Vec<u8> {
    altered(capsule, |enveloped| {
        let first = enveloped.recip_infos.get(0).unwrap();
        let mut info = key_agreement(first);
        info.recipient_enc_keys[0].enc_key = OctetString::new(wrapped).unwrap();
        let value = Any::encode_from(&info).unwrap().value().to_vec();
        let changed = Any::new(first.header().tag(), value).unwrap();
        enveloped.recip_infos = SetOfVec::try_from(vec![changed]).unwrap();
    })
}

#[test]
fn no_key_is_ever_wrapped_under_zeros() {
    let authority = Authority::new();
    let reader = authority.reader("h01", true);
    let Sealed { capsule, .. } = seal(b"<a/>", ctx(), &recipients(&authority, &[&reader]));
    altered(&capsule, |enveloped| {
        let info = key_agreement(enveloped.recip_infos.get(0).unwrap());
        let wrapped = info.recipient_enc_keys[0].enc_key.as_bytes().to_vec();
        assert!(
            wrap::unwrap_under(&[0; 32], &wrapped).is_none(),
            "sealed under the zero key"
        );
    });
    // And the reader does not accept what a broken library would send.
    let zeros = wrap::wrap_under(&[0; 32], &[7; 32]).unwrap();
    assert!(wrap::unwrap_under(&[0; 32], &zeros).is_some());
    let forged = with_wrapped_key(&capsule, &zeros);
    assert_eq!(
        open_with(&forged, &reader).unwrap_err(),
        OpenError::Decryption
    );
    let short = with_wrapped_key(&capsule, &zeros[..32]);
    assert_eq!(
        open_with(&short, &reader).unwrap_err(),
        OpenError::Decryption
    );
}

#[test]
fn unknown_recipient_kinds_are_skipped_and_malformed_capsules_refused() {
    let authority = Authority::new();
    let reader = authority.reader("h01", true);
    let Sealed { capsule, .. } = seal(b"<a/>", ctx(), &recipients(&authority, &[&reader]));
    let unknown = |number| {
        let tag = Tag::ContextSpecific {
            constructed: true,
            number: TagNumber(number),
        };
        Any::new(tag, vec![0x02, 0x01, 0x00]).unwrap()
    };
    let more = altered(&capsule, |enveloped| {
        for number in [4, 9] {
            enveloped.recip_infos.insert(unknown(number)).unwrap();
        }
    });
    open_with(&more, &reader).unwrap();
    let broken = altered(&capsule, |enveloped| {
        enveloped.recip_infos = SetOfVec::try_from(vec![unknown(1)]).unwrap();
    });
    assert!(matches!(
        open_with(&broken, &reader),
        Err(OpenError::NotDer(_))
    ));
    let short_tag = altered(&capsule, |enveloped| {
        enveloped.mac = OctetString::new(&enveloped.mac.as_bytes()[..12]).unwrap();
    });
    assert!(matches!(
        open_with(&short_tag, &reader),
        Err(OpenError::Unsupported(_))
    ));
    let other_mac = altered(&capsule, |enveloped| {
        enveloped.mac = OctetString::new([0; 16]).unwrap();
    });
    assert_eq!(
        open_with(&other_mac, &reader).unwrap_err(),
        OpenError::Decryption
    );
    let attributes = altered(&capsule, |enveloped| {
        enveloped.unauth_attrs = Some(SetOfVec::try_from(vec![Any::null()]).unwrap());
    });
    assert!(matches!(
        open_with(&attributes, &reader),
        Err(OpenError::Unsupported(_))
    ));
    for at in 0..capsule.len() {
        let mut changed = capsule.clone();
        changed[at] ^= 1;
        assert!(open_with(&changed, &reader).is_err(), "byte {at}");
    }
    for length in 0..capsule.len() {
        assert!(
            open_with(&capsule[..length], &reader).is_err(),
            "cut to {length}"
        );
    }
}

#[test]
fn foreign_enveloped_data_never_opens_and_never_panics() {
    let authority = Authority::new();
    let reader = authority.reader("h01", true);
    for name in ["cms/rustcrypto", "cms/openssl-malformed"] {
        let Some(folder) = fixture::suite(name) else {
            continue;
        };
        for (file, bytes) in fixture::files(&folder) {
            assert!(open_with(&bytes, &reader).is_err(), "{file}");
        }
    }
}

#[test]
fn wycheproof_key_wrap() {
    let Some(tests) = wycheproof("aes_wrap_test.json") else {
        return;
    };
    let mut counts = [0; 2];
    for test in tests {
        let (Ok(kek), Ok(key)) = (
            test.bytes("key").try_into() as Result<[u8; 32], _>,
            test.bytes("msg").try_into(),
        ) else {
            continue;
        };
        let wrapped = test.bytes("ct");
        let opened = wrap::unwrap_under(&kek, &wrapped).map(|opened| *opened);
        if test.valid() {
            assert_eq!(opened, Some(key), "{}", test.name);
            assert_eq!(wrap::wrap_under(&kek, &key), Some(wrapped), "{}", test.name);
        } else {
            assert_eq!(opened, None, "{}", test.name);
        }
        counts[usize::from(test.valid())] += 1;
    }
    println!(
        "aes_wrap (256/256): {} valid, {} invalid",
        counts[1], counts[0]
    );
    assert!(counts[1] > 0);
}

#[test]
fn wycheproof_ecdh_p256_through_the_decryption_key() {
    let Some(tests) = wycheproof("ecdh_secp256r1_test.json") else {
        return;
    };
    let mut counts = [0; 2];
    for test in tests {
        let public = test.bytes("public");
        let point = spki::SubjectPublicKeyInfoRef::from_der(&public)
            .ok()
            .and_then(|spki| Some(spki.subject_public_key.as_bytes()?.to_vec()));
        let agreed = decryption_key(&test.bytes("private"))
            .zip(point)
            .and_then(|(key, point)| key.agree(&point).ok());
        match test.result.as_str() {
            "valid" => assert_eq!(
                agreed.unwrap().to_vec(),
                test.bytes("shared"),
                "{}",
                test.name
            ),
            // A wrong curve or point must not give a secret; other encodings of good points may.
            _ => assert!(
                agreed.is_none_or(|secret| secret.to_vec() == test.bytes("shared")),
                "{}",
                test.name
            ),
        }
        counts[usize::from(test.valid())] += 1;
    }
    println!("ecdh_secp256r1: {} valid, {} others", counts[1], counts[0]);
    assert!(counts[1] > 0);
}

fn decryption_key(scalar: &[u8]) -> Option<DecryptionKey> {
    let digits: Vec<u8> = scalar
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    let mut fixed = vec![0; 32usize.checked_sub(digits.len())?];
    fixed.extend(digits);
    let algorithm = [
        0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
    ];
    let inner = [
        &[0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20],
        fixed.as_slice(),
    ]
    .concat();
    let value = [
        &[0x02, 0x01, 0x00],
        algorithm.as_slice(),
        &[0x04, 0x27],
        inner.as_slice(),
    ]
    .concat();
    let pkcs8 = Any::new(Tag::Sequence, value).unwrap().to_der().unwrap();
    DecryptionKey::from_pkcs8(&pkcs8).ok()
}

#[test]
fn wycheproof_aes_gcm() {
    let Some(tests) = wycheproof("aes_gcm_test.json") else {
        return;
    };
    let mut counts = [0; 2];
    for test in tests {
        let (key, nonce, tag) = (test.bytes("key"), test.bytes("iv"), test.bytes("tag"));
        let Ok(nonce) = <[u8; 12]>::try_from(nonce) else {
            continue;
        };
        if key.len() != 32 {
            continue;
        }
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
        let mut bytes = [test.bytes("ct"), tag].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = key.open_in_place(nonce, Aad::from(test.bytes("aad")), &mut bytes);
        match opened {
            Ok(plain) => assert!(test.valid() && *plain == test.bytes("msg"), "{}", test.name),
            Err(_) => assert!(!test.valid(), "{}", test.name),
        }
        counts[usize::from(test.valid())] += 1;
    }
    println!(
        "aes_gcm (256/96): {} valid, {} invalid",
        counts[1], counts[0]
    );
    assert!(counts[1] > 0);
}

#[test]
fn wycheproof_ecdsa_through_the_public_key() {
    use crate::algorithm::{PublicKey, SignatureAlgorithm};
    for (file, algorithm) in [
        (
            "ecdsa_secp256r1_sha256_test.json",
            SignatureAlgorithm::EcdsaSha256,
        ),
        (
            "ecdsa_secp384r1_sha384_test.json",
            SignatureAlgorithm::EcdsaSha384,
        ),
    ] {
        let Some(tests) = wycheproof(file) else {
            continue;
        };
        for test in tests {
            let key = PublicKey::from_spki(&hex(&test.group_key)).unwrap();
            let said = key.verify(algorithm, &test.bytes("msg"), &test.bytes("sig"));
            assert_eq!(said.is_ok(), test.valid(), "{file} {}", test.name);
        }
    }
}

struct Case {
    name: String,
    result: String,
    group_key: String,
    fields: serde_json::Value,
}

impl Case {
    fn bytes(&self, field: &str) -> Vec<u8> {
        hex(self.fields[field].as_str().unwrap())
    }

    fn valid(&self) -> bool {
        self.result == "valid"
    }
}

fn hex(text: &str) -> Vec<u8> {
    let padded = if text.len() % 2 == 1 {
        format!("0{text}")
    } else {
        text.to_owned()
    };
    (0..padded.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&padded[at..at + 2], 16).unwrap())
        .collect()
}

fn wycheproof(file: &str) -> Option<Vec<Case>> {
    let folder = fixture::suite("wycheproof")?;
    let text = std::fs::read(folder.join(file)).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let mut cases = Vec::new();
    for group in json["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            cases.push(Case {
                name: format!("{} {}", test["tcId"], test["comment"]),
                result: test["result"].as_str().unwrap().to_owned(),
                group_key: group["publicKeyDer"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                fields: test.clone(),
            });
        }
    }
    Some(cases)
}

#[test]
fn both_curves_derive_the_same_key_on_both_sides() {
    for curve in Curve::ALL {
        let algorithm = if curve == Curve::P256 {
            &agreement::ECDH_P256
        } else {
            &agreement::ECDH_P384
        };
        let recipient = agreement::PrivateKey::generate(algorithm).unwrap();
        let point = recipient.compute_public_key().unwrap().as_ref().to_vec();
        let ephemeral = wrap::Ephemeral::generate(curve).unwrap();
        let wrapped = ephemeral.wrap(&point, &[3; 32]).unwrap();
        let peer = agreement::UnparsedPublicKey::new(algorithm, ephemeral.point());
        let kek = agreement::agree(&recipient, peer, (), |secret| {
            wrap::derive(curve, secret, None).ok_or(())
        });
        assert_eq!(
            wrap::unwrap_under(&kek.unwrap(), &wrapped).map(|key| *key),
            Some([3; 32])
        );
        assert!(
            ephemeral.wrap(&[4; 65], &[3; 32]).is_err(),
            "a point off the curve"
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_capsules_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let kind = der::asn1::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.23");
        prop_assert!(open_content_info::<AuthEnvelopedDataRaw>(&bytes, kind).is_err());
    }
}
