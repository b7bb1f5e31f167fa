//! Checkpoints: both signatures must hold, and the log must be the signer's own.

use formats::checkpoint::LogOrigin;
use formats::id::StationName;
use formats::record::{NoteKey, StationKind, StationLimits};

use super::*;
use crate::fixture::{Authority, Signer};
use crate::key::Algorithm;
use crate::role::Role;
use crate::stamp::{TimeStampRequest, TokenIssuer};

struct World {
    authority: Authority,
    evidence: Signer,
    verified: VerifiedCert,
    log: LogKey,
}

fn world() -> World {
    let authority = Authority::new();
    let evidence = authority.signer(Role::StationEvidence, "relay-1", Algorithm::EcdsaP256);
    let verified = authority.verified(&evidence.certificate, Role::StationEvidence);
    World {
        authority,
        evidence,
        verified,
        log: LogKey::generate().unwrap(),
    }
}

fn checkpoint(station: &str, size: u64) -> Checkpoint {
    let origin = LogOrigin::new(StationName::parse(station).unwrap(), 1);
    Checkpoint {
        origin,
        size,
        root: Digest::of(b"root"),
    }
}

impl World {
    fn sign(&self, checkpoint: &Checkpoint) -> SignedCheckpoint {
        let Signer {
            key, certificate, ..
        } = &self.evidence;
        sign_checkpoint(
            checkpoint,
            &self.log,
            key,
            certificate,
            self.authority.now(),
        )
        .unwrap()
    }

    fn verify(&self, signed: &SignedCheckpoint) -> Result<Checkpoint, NoteError> {
        verify_checkpoint(signed, &self.log.public(), &self.verified)
    }
}

#[test]
fn a_checkpoint_is_believed_and_openssl_agrees() {
    let world = world();
    let head = checkpoint("relay-1.tram.test", 7);
    let signed = world.sign(&head);
    assert_eq!(world.verify(&signed).unwrap(), head);
    world.authority.write("body", head.body().as_bytes());
    world.authority.write("sig", &signed.cms);
    world.authority.openssl(&format!(
        "cms -verify -binary -purpose any -cades -inform DER -in sig -content body \
         -CAfile chain.pem -certfile {}.crt",
        world.evidence.stem
    ));
}

#[test]
fn one_wrong_signature_is_enough_to_refuse() {
    let world = world();
    let one = world.sign(&checkpoint("relay-1.tram.test", 7));
    let two = world.sign(&checkpoint("relay-1.tram.test", 8));
    let mixed = SignedCheckpoint {
        cms: two.cms.clone(),
        ..one.clone()
    };
    assert!(matches!(
        world.verify(&mixed),
        Err(NoteError::Cms(VerifyError::ContentDigest))
    ));
    let grown = one.note.replacen("\n7\n", "\n8\n", 1);
    let grown = SignedCheckpoint { note: grown, ..two };
    assert!(matches!(world.verify(&grown), Err(NoteError::Signature)));
    let other_key = LogKey::generate().unwrap().public();
    let refused = verify_checkpoint(&one, &other_key, &world.verified);
    assert!(matches!(refused, Err(NoteError::NoLine)));
    let broken = SignedCheckpoint {
        note: "nothing".into(),
        ..one
    };
    assert!(matches!(
        world.verify(&broken),
        Err(NoteError::Malformed(_))
    ));
}

#[test]
fn notes_of_a_key_that_was_replaced_are_believed_while_the_record_names_it() {
    let world = world();
    let head = checkpoint("relay-1.tram.test", 7);
    let signed = world.sign(&head);
    let key = |bytes| NoteKey::from_bytes(bytes);
    let own = key(world.log.public());
    let (next, other) = (key([9; 32]), key([8; 32]));
    let name: StationName = "relay-1.tram.test".parse().unwrap();
    let record = |note_key, old_note_keys| Station {
        name: name.clone(),
        sequence: 1,
        issued: world.authority.now(),
        not_after: world.authority.now().plus_ms(1_000),
        kind: StationKind::Relay,
        tls_sha256: vec![Digest::of(b"tls")],
        evidence_sha256: vec![Digest::of(b"evidence")],
        log_origin: head.origin.clone(),
        note_key,
        old_note_keys,
        addresses: vec![],
        home_relays: vec![],
        site: None,
        neighbours: vec![],
        limits: StationLimits {
            body_bytes: 1,
            transfers: 1,
        },
    };
    let judge = |record| verify_by_record(&signed, &record, &world.verified);
    assert_eq!(judge(record(own, vec![])).unwrap(), head);
    assert_eq!(judge(record(next, vec![other, own])).unwrap(), head);
    let refused = judge(record(next, vec![other]));
    assert!(matches!(refused, Err(NoteError::NoLine)), "{refused:?}");
    // The list that follows: newest first, at most four, never the key in use.
    let held = record(own, vec![other]);
    assert_eq!(held.old_note_keys_after(&next), [own, other]);
    assert_eq!(held.old_note_keys_after(&own), [other]);
}

#[test]
fn a_station_cannot_sign_another_stations_log() {
    let world = world();
    let signed = world.sign(&checkpoint("relay-2.tram.test", 7));
    assert!(matches!(
        world.verify(&signed),
        Err(NoteError::Origin { .. })
    ));
}

#[test]
fn a_stamp_covers_the_signature_of_its_own_checkpoint() {
    let world = world();
    let (authority, now) = (&world.authority, world.authority.now());
    let tsa = authority.signer(Role::TimeStamping, "tsa-1", Algorithm::EcdsaP256);
    let issuer = TokenIssuer::new(tsa.key, tsa.certificate, Vec::new());
    let mut signed = world.sign(&checkpoint("relay-1.tram.test", 7));
    let validator = authority.validator();
    assert!(verify_stamp(&signed, &validator, now).unwrap().is_none());
    let request = TimeStampRequest::new(checkpoint_imprint(&signed).unwrap(), 1);
    let response = issuer.respond(&request.build().unwrap(), now).unwrap();
    signed.token = Some(request.token_from_response(&response).unwrap());
    assert_eq!(
        verify_stamp(&signed, &validator, now)
            .unwrap()
            .unwrap()
            .time,
        now
    );
    let mut other = world.sign(&checkpoint("relay-1.tram.test", 8));
    other.token = signed.token;
    assert!(matches!(
        verify_stamp(&other, &validator, now),
        Err(NoteError::Stamp(_))
    ));
}
