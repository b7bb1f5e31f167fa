//! Witnesses: what they sign and how they are asked, as c2sp.org/tlog-cosignature (Ed25519, key type 4)
//! and c2sp.org/tlog-witness (`add-checkpoint`) say.
//!
//! Owns the verifier keys in their text form, the bytes under a cosignature, the body of a request and
//! of its answers. Signatures are made and checked in `pki`. Fails with [`WitnessError`].

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::checkpoint::{CheckpointError, Note, NoteSignature};
use crate::id::{Digest, serde_as_text};
use crate::limits;

/// Content type of the answer 409 to a wrong old size.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// Bytes of a request at most: the old size, 63 hashes, a note.
pub const REQUEST_BYTES_MAX: usize =
    32 + limits::WITNESS_PROOF_LINES_MAX * 45 + 1 + limits::NOTE_BYTES_MAX;

/// Bytes of a cosignature: the time and the signature.
const COSIGNATURE_BYTES: usize = 8 + 64;

/// Why a text is not what it should be. The fault is its writer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// Not `name+hash+key`, another hash, or another kind of key.
    #[error("not a verifier key of the form name+hash+key")]
    Key,
    /// The note in it is not one.
    #[error(transparent)]
    Note(#[from] CheckpointError),
    /// Not an old size, a proof, an empty line and a note.
    #[error("line {0} of the request is not what it should be")]
    Request(usize),
    /// Longer than any request may be.
    #[error("request of {0} bytes is too long")]
    TooLong(usize),
    /// A rule between fields is broken.
    #[error("policy rule broken: {0}")]
    Rule(&'static str),
}

/// What signs with an Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// A log: signature type 1 of c2sp.org/signed-note.
    Log,
    /// A witness: type 4, cosignature/v1.
    Witness,
}

impl KeyKind {
    fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }
}

/// A public key with the name of its holder: `vkey` of c2sp.org/signed-note.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    key: [u8; 32],
}

impl VerifierKey {
    /// Joins the parts. A name has no white space and no plus, and at most 253 bytes.
    pub fn new(name: &str, kind: KeyKind, key: [u8; 32]) -> Result<Self, WitnessError> {
        let name_fits = !name.is_empty()
            && name.len() <= limits::DNS_NAME_CHARS_MAX
            && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+');
        if !name_fits {
            return Err(WitnessError::Key);
        }
        let name = name.to_owned();
        Ok(Self { name, kind, key })
    }

    /// Whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The first four bytes of SHA-256(name ‖ 0x0A ‖ kind ‖ key).
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', self.kind.byte()]);
        hasher.update(self.key);
        let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
        [a, b, c, d]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = [&[self.kind.byte()][..], &self.key].concat();
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = WitnessError;

    fn from_str(text: &str) -> Result<Self, WitnessError> {
        // The parts after the name are 8 hexadecimal digits and 44 characters of base64.
        if text.len() > limits::DNS_NAME_CHARS_MAX + 54 {
            return Err(WitnessError::Key);
        }
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(WitnessError::Key);
        };
        let bytes = STANDARD.decode(key).map_err(|_| WitnessError::Key)?;
        let (kind, key) = match bytes.split_first() {
            Some((1, key)) => (KeyKind::Log, key),
            Some((4, key)) => (KeyKind::Witness, key),
            _ => return Err(WitnessError::Key),
        };
        let key = <[u8; 32]>::try_from(key).map_err(|_| WitnessError::Key)?;
        let found = Self::new(name, kind, key)?;
        // One spelling, and the hash is that of name and key.
        if found.to_string() == text {
            Ok(found)
        } else {
            Err(WitnessError::Key)
        }
    }
}

mod text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{VerifierKey, serde_as_text};

    serde_as_text!(VerifierKey);
}

/// Who must have cosigned a checkpoint that is called witnessed: any `needed` of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessPolicy {
    /// How many.
    pub needed: u8,
    /// The witnesses, each of another operator.
    pub keys: Vec<VerifierKey>,
}

impl WitnessPolicy {
    /// Each witness and key once, at most [`limits::WITNESSES_MAX`], at least one of them needed.
    pub fn check(&self) -> Result<(), WitnessError> {
        let distinct = |count: usize| count == self.keys.len();
        let names: std::collections::BTreeSet<&str> =
            self.keys.iter().map(VerifierKey::name).collect();
        let keys: std::collections::BTreeSet<&[u8; 32]> =
            self.keys.iter().map(VerifierKey::key).collect();
        if !distinct(names.len()) || !distinct(keys.len()) {
            return Err(WitnessError::Rule("each witness and each key once"));
        }
        if self.keys.iter().any(|key| key.kind != KeyKind::Witness) {
            return Err(WitnessError::Rule("keys of witnesses are of type 4"));
        }
        if self.keys.len() > limits::WITNESSES_MAX {
            return Err(WitnessError::Rule("at most 15 witnesses"));
        }
        if !(1..=self.keys.len()).contains(&usize::from(self.needed)) {
            return Err(WitnessError::Rule("as many witnesses as are needed"));
        }
        Ok(())
    }
}

/// The bytes under a cosignature: header, time in seconds since 1970, and the body of the checkpoint.
#[must_use]
pub fn cosigned_message(seconds: u64, body: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{body}").into_bytes()
}

/// What a cosignature's line holds behind the key id: the time, big-endian, and the Ed25519 signature.
#[must_use]
pub fn cosignature(seconds: u64, signature: &[u8; 64]) -> Vec<u8> {
    [&seconds.to_be_bytes()[..], signature].concat()
}

/// Time and signature of a line; `None` if it has another length or a time after 2^63 - 1.
#[must_use]
pub fn read_cosignature(line: &[u8]) -> Option<(u64, &[u8; 64])> {
    let (seconds, signature) = line.split_first_chunk::<8>()?;
    let seconds = u64::from_be_bytes(*seconds);
    let signature = <&[u8; 64]>::try_from(signature).ok()?;
    (line.len() == COSIGNATURE_BYTES && seconds <= u64::MAX / 2).then_some((seconds, signature))
}

/// Body of `POST <prefix>/add-checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size that the witness cosigned last; 0 at first.
    pub old: u64,
    /// Consistency path from there (RFC 6962 section 2.1.2).
    pub proof: Vec<Digest>,
    /// The checkpoint with the log's signature.
    pub note: Note,
}

impl AddCheckpoint {
    /// The text of the request.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        for digest in &self.proof {
            text.push_str(&STANDARD.encode(digest.as_bytes()));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note.to_text());
        text
    }

    /// The old size, the path and the text of the note of a request; the note is read by
    /// [`Self::parse`], after its log is known.
    pub fn parts(text: &str) -> Result<(u64, Vec<Digest>, &str), WitnessError> {
        if text.len() > REQUEST_BYTES_MAX {
            return Err(WitnessError::TooLong(text.len()));
        }
        let (head, note) = text.split_once("\n\n").ok_or(WitnessError::Request(0))?;
        let mut lines = head.split('\n');
        let size = lines.next().and_then(|line| line.strip_prefix("old "));
        let old: u64 = size
            .and_then(|size| size.parse().ok())
            .filter(|old: &u64| Some(old.to_string().as_str()) == size)
            .ok_or(WitnessError::Request(1))?;
        let mut proof = Vec::new();
        for (number, line) in (2..).zip(lines) {
            let bad = WitnessError::Request(number);
            // 44 characters are 32 bytes; longer text must not reach the decoder.
            if proof.len() == limits::WITNESS_PROOF_LINES_MAX || line.len() != 44 {
                return Err(bad);
            }
            let bytes = STANDARD.decode(line).map_err(|_| bad.clone())?;
            proof.push(Digest::try_from(bytes.as_slice()).map_err(|_| bad)?);
        }
        Ok((old, proof, note))
    }

    /// The origin line of the note in a request, whatever log it is of.
    #[must_use]
    pub fn origin(text: &str) -> Option<&str> {
        let (_, note) = text.split_once("\n\n")?;
        note.split('\n').next().filter(|line| !line.is_empty())
    }

    /// Reads exactly what [`Self::to_text`] writes.
    pub fn parse(text: &str) -> Result<Self, WitnessError> {
        let (old, proof, note) = Self::parts(text)?;
        let note = Note::parse(note)?;
        Ok(Self { old, proof, note })
    }
}

/// The signature lines of an answer 200. Lines of keys that nobody asked for are the caller's to leave.
pub fn read_answer(text: &str, note: &Note) -> Result<Vec<NoteSignature>, WitnessError> {
    if text.len() > limits::NOTE_BYTES_MAX {
        return Err(WitnessError::TooLong(text.len()));
    }
    // As c2sp.org/tlog-witness says: behind the body they are a note.
    let joined = format!("{}\n{text}", note.checkpoint.body());
    Ok(Note::parse(&joined)?.signatures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;

    fn note() -> Note {
        let checkpoint = Checkpoint {
            origin: "relay-a.tram.test/log/1".parse().unwrap(),
            size: 9,
            root: Digest::of(b"root"),
        };
        crate::tests::samples::note_of(checkpoint)
    }

    fn request() -> AddCheckpoint {
        AddCheckpoint {
            old: 5,
            proof: vec![Digest::of(b"a"), Digest::of(b"b")],
            note: note(),
        }
    }

    /// Vectors of golang.org/x/mod/sumdb/note (type 1) and the key id of the example in
    /// c2sp.org/tlog-cosignature computed by its rule (type 4).
    #[test]
    fn verifier_keys_are_those_of_the_specification() {
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!((key.name(), key.kind()), ("PeterNeumann", KeyKind::Log));
        assert_eq!(key.to_string(), text);
        let witness = VerifierKey::new("witness.example/w1", KeyKind::Witness, [7; 32]).unwrap();
        assert_eq!(witness.to_string().parse(), Ok(witness.clone()));
        let preimage = [b"witness.example/w1\n\x04", &[7; 32][..]].concat();
        let digest = Digest::of(&preimage);
        assert_eq!(witness.id(), digest.as_bytes()[..4]);
        for bad in [
            "",
            "PeterNeumann",
            "PeterNeumann+c74f20a3",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10",
            "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        ] {
            assert_eq!(bad.parse::<VerifierKey>(), Err(WitnessError::Key), "{bad}");
        }
    }

    #[test]
    fn a_request_has_one_text() {
        let text = request().to_text();
        assert!(text.starts_with("old 5\nypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=\n"));
        assert_eq!(AddCheckpoint::parse(&text), Ok(request()));
        assert_eq!(
            AddCheckpoint::origin(&text),
            Some("relay-a.tram.test/log/1")
        );
        let first = AddCheckpoint {
            old: 0,
            proof: vec![],
            note: note(),
        };
        assert_eq!(AddCheckpoint::parse(&first.to_text()), Ok(first));
        let line = "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=\n";
        let table = [
            ("leading zero", text.replacen("old 5", "old 05", 1)),
            ("sign", text.replacen("old 5", "old +5", 1)),
            ("word", text.replacen("old 5", "new 5", 1)),
            ("two spaces", text.replacen("old 5", "old  5", 1)),
            ("no size", text.replacen("old 5", "old ", 1)),
            (
                "over 64 bits",
                text.replacen("old 5", "old 18446744073709551616", 1),
            ),
            ("short hash", text.replacen("ypeB", "yp", 1)),
            ("no base64", text.replacen("ypeB", "yp!B", 1)),
            ("64 lines", text.replacen(line, &line.repeat(63), 1)),
            ("no note", text.split("\n\n").next().unwrap().to_owned()),
            ("carriage returns", text.replace('\n', "\r\n")),
            ("no final newline", text.trim_end().to_owned()),
            ("text after", format!("{text}x")),
            ("too long", format!("{text}{}", "x".repeat(20_000))),
        ];
        for (name, bad) in table {
            assert_ne!(bad, text, "{name} changes nothing");
            assert!(AddCheckpoint::parse(&bad).is_err(), "{name}");
        }
    }

    #[test]
    fn answers_are_signature_lines_and_nothing_else() {
        let note = note();
        let lines = note.to_text();
        let lines = lines.split_once("\n\n").unwrap().1;
        assert_eq!(read_answer(lines, &note), Ok(note.signatures.clone()));
        for bad in ["", "9\n", "\u{2014} x\n", &lines.repeat(9), "\n\n"] {
            assert!(read_answer(bad, &note).is_err(), "{bad}");
        }
        let line = cosignature(1_679_315_147, &[3; 64]);
        assert_eq!(read_cosignature(&line), Some((1_679_315_147, &[3; 64])));
        assert_eq!(read_cosignature(&line[..71]), None);
        assert_eq!(read_cosignature(&[0xff; 72]), None);
        assert_eq!(read_cosignature(&[line, vec![0]].concat()), None);
    }

    #[test]
    fn a_policy_names_each_witness_once_and_no_more_than_a_note_can_carry() {
        let key = |name: &str, key| VerifierKey::new(name, KeyKind::Witness, [key; 32]).unwrap();
        let policy = |needed, keys| WitnessPolicy { needed, keys };
        let good = policy(2, vec![key("w1", 1), key("w2", 2), key("w3", 3)]);
        assert_eq!(good.check(), Ok(()));
        let log = VerifierKey::new("w4", KeyKind::Log, [4; 32]).unwrap();
        for (name, bad) in [
            ("none needed", policy(0, vec![key("w1", 1)])),
            ("more than there are", policy(2, vec![key("w1", 1)])),
            ("none", policy(0, vec![])),
            ("one key twice", policy(1, vec![key("w1", 1), key("w2", 1)])),
            (
                "one name twice",
                policy(1, vec![key("w1", 1), key("w1", 2)]),
            ),
            ("a log's key", policy(1, vec![log])),
            (
                "sixteen",
                policy(1, (0..16).map(|n| key(&format!("w{n}"), n)).collect()),
            ),
        ] {
            assert!(bad.check().is_err(), "{name}");
        }
    }
}
