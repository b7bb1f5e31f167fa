//! Cosignatures: golden bytes, and every way in which one does not count.

use formats::checkpoint::{Checkpoint, Note};
use formats::id::Digest;

use super::*;

fn key(seed: u8) -> LogKey {
    // PKCS#8 version 1 of an Ed25519 key (RFC 8410 section 7) around the seed.
    let head = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    LogKey::from_pkcs8(&[&head[..], &[seed; 32]].concat()).unwrap()
}

fn named(name: &str, key: &LogKey) -> VerifierKey {
    VerifierKey::new(name, KeyKind::Witness, key.public()).unwrap()
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint {
        origin: "relay-a.tram.test/log/1".parse().unwrap(),
        size,
        root: Digest::of(b"root"),
    }
}

const AT: Timestamp = Timestamp::from_unix_ms(1_679_315_147_000);

fn note(size: u64, lines: Vec<NoteSignature>) -> Note {
    Note {
        checkpoint: checkpoint(size),
        signatures: lines,
    }
}

/// `golden.txt` was made by another implementation: Ed25519 of PyPI's `cryptography`, key of 32 bytes 0x01.
#[test]
fn a_cosignature_has_these_bytes() {
    let key = key(1);
    let name = named("witness.example/w1", &key);
    let line = cosign(&checkpoint(5), &name, &key, AT).unwrap();
    let text = note(5, vec![line]).to_text();
    let golden = include_str!("golden.txt");
    assert_eq!(format!("{name}\n\n{text}"), golden);
}

#[test]
fn only_lines_of_the_policy_s_keys_over_this_checkpoint_count() {
    let keys = [key(1), key(2), key(3)];
    let names: Vec<VerifierKey> = keys
        .iter()
        .zip(["w1", "w2", "w3"])
        .map(|(key, name)| named(name, key))
        .collect();
    let line = |size, at: usize| cosign(&checkpoint(size), &names[at], &keys[at], AT).unwrap();
    let policy = |needed| WitnessPolicy {
        needed,
        keys: names.clone(),
    };
    let two = note(5, vec![line(5, 0), line(5, 2)]);
    let have = witnessed(&two, &policy(2)).unwrap();
    let seen: Vec<&str> = have.iter().map(|one| one.name.as_str()).collect();
    assert_eq!((seen, have[0].at), (vec!["w1", "w3"], AT));
    let few = |note: &Note, needed| match witnessed(note, &policy(needed)) {
        Err(WitnessError::TooFew { have, needed }) => (have.len(), needed),
        other => panic!("{other:?}"),
    };
    assert_eq!(few(&two, 3), (2, 3));
    // One witness twice is one witness.
    assert_eq!(few(&note(5, vec![line(5, 0), line(5, 0)]), 2), (1, 2));
    // A line over another size, another time, another name, cut or longer is none.
    assert_eq!(few(&note(5, vec![line(6, 0)]), 1), (0, 1));
    type Change = fn(&mut NoteSignature);
    let changes: [(&str, Change); 6] = [
        ("time", |one| one.signature[7] ^= 1),
        ("signature", |one| one.signature[20] ^= 1),
        ("name", |one| one.name = "w2".to_owned()),
        ("key id", |one| one.key_id[0] ^= 1),
        ("cut", |one| one.signature.truncate(71)),
        ("longer", |one| one.signature.push(0)),
    ];
    for (what, change) in changes {
        let mut bad = line(5, 0);
        change(&mut bad);
        assert_eq!(few(&note(5, vec![bad]), 1), (0, 1), "{what}");
    }
    // A log's own key, even of the same bytes, is no witness.
    let log = VerifierKey::new("w1", KeyKind::Log, keys[0].public()).unwrap();
    assert_eq!(cosigned_at(&two, &log), None);
    assert!(cosign(&checkpoint(5), &log, &keys[0], AT).is_err());
    assert!(cosign(&checkpoint(5), &names[1], &keys[0], AT).is_err());
    assert!(
        cosign(
            &checkpoint(5),
            &names[0],
            &keys[0],
            Timestamp::from_unix_ms(-1)
        )
        .is_err()
    );
}

#[test]
fn lines_are_added_once_and_a_newer_one_replaces_its_older() {
    let key = key(1);
    let name = named("w1", &key);
    let line = |at| cosign(&checkpoint(5), &name, &key, at).unwrap();
    let own = NoteSignature {
        name: "relay-a.tram.test/log/1".to_owned(),
        key_id: [1; 4],
        signature: vec![9; 64],
    };
    let first = with_lines(note(5, vec![own]), vec![line(AT)]);
    let second = with_lines(first.clone(), vec![line(AT.plus_ms(60_000))]);
    assert_eq!((first.signatures.len(), second.signatures.len()), (2, 2));
    assert_eq!(cosigned_at(&second, &name), Some(AT.plus_ms(60_000)));
    let many = (0..40).map(|n| NoteSignature {
        name: format!("w{n}"),
        ..line(AT)
    });
    let full = with_lines(second, many.collect());
    assert_eq!(Note::parse(&full.to_text()), Ok(full));
}

#[test]
fn a_level_holds_what_those_before_it_do() {
    let table = [
        (false, false, Level::Signed),
        (false, true, Level::Signed),
        (true, false, Level::Stamped),
        (true, true, Level::Witnessed),
    ];
    for (stamped, witnessed, level) in table {
        assert_eq!(Level::of(stamped, witnessed), level);
    }
    assert!(Level::ALL.is_sorted());
    let key = key(1);
    let name = named("w1", &key);
    let line = cosign(&checkpoint(5), &name, &key, AT).unwrap();
    let signed = |token| SignedCheckpoint {
        note: note(5, vec![line.clone()]).to_text(),
        cms: vec![],
        token,
    };
    let policy = WitnessPolicy {
        needed: 1,
        keys: vec![name],
    };
    let of = |token, policy| Level::of_checkpoint(&signed(token), policy);
    assert_eq!(of(Some(vec![1]), Some(&policy)), Level::Witnessed);
    assert_eq!(of(Some(vec![1]), None), Level::Stamped);
    assert_eq!(of(None, Some(&policy)), Level::Signed);
}
