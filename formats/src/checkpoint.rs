//! Checkpoints: the head of a log as a C2SP signed note, with the CMS signature beside it.
//!
//! Owns the text forms of c2sp.org/tlog-checkpoint and c2sp.org/signed-note as far as we use them:
//! three body lines without extensions, one spelling for each note. Signatures are made and checked
//! in `pki`. Fails with [`CheckpointError`].

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::cbor::{self, Reader, Writer};
use crate::id::{Digest, StationName, serde_as_text};
use crate::limits;

/// Signature type 1 of c2sp.org/signed-note: Ed25519.
const ED25519: u8 = 1;

/// Begins a signature line: em dash and space.
const DASH: &str = "\u{2014} ";

/// Why a text is not a checkpoint or note. The fault is the log's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not exactly three body lines of the right form.
    #[error("checkpoint body is not origin, size and root")]
    Body,
    /// Not `<station>/log/<epoch>`.
    #[error("log origin is not of the form station/log/epoch")]
    Origin,
    /// A signature line that is not dash, name and base64 of key id and signature.
    #[error("signature line {0} of the note is malformed")]
    Signature(usize),
    /// No signature line, or too many.
    #[error("note has {0} signature lines")]
    SignatureCount(usize),
    /// Longer than any note may be.
    #[error("note of {0} bytes is too long")]
    TooLong(usize),
}

/// Name of a log: `<station>/log/<epoch>`. A restore never continues a log but opens a new epoch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogOrigin {
    station: StationName,
    epoch: u32,
}

impl LogOrigin {
    /// The log of this station and epoch.
    #[must_use]
    pub fn new(station: StationName, epoch: u32) -> Self {
        Self { station, epoch }
    }

    /// Whose log it is.
    #[must_use]
    pub fn station(&self) -> &StationName {
        &self.station
    }

    /// Which of the station's logs.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
}

impl fmt::Display for LogOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/log/{}", self.station, self.epoch)
    }
}

impl FromStr for LogOrigin {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let (station, epoch) = text.split_once("/log/").ok_or(CheckpointError::Origin)?;
        let origin = Self {
            station: StationName::parse(station).map_err(|_| CheckpointError::Origin)?,
            epoch: epoch.parse().map_err(|_| CheckpointError::Origin)?,
        };
        // One spelling: `+1` and `01` are numbers too.
        if origin.to_string() == text {
            Ok(origin)
        } else {
            Err(CheckpointError::Origin)
        }
    }
}

mod text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{LogOrigin, serde_as_text};

    serde_as_text!(LogOrigin);
}

/// The head of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: LogOrigin,
    /// Number of leaves.
    pub size: u64,
    /// RFC 6962 root of all leaves.
    pub root: Digest,
}

impl Checkpoint {
    /// The three lines that are signed, each with its newline.
    #[must_use]
    pub fn body(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root.as_bytes())
        )
    }

    /// Reads exactly what [`Self::body`] writes.
    pub fn parse(body: &str) -> Result<Self, CheckpointError> {
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) = (
            lines.next(),
            lines.next(),
            lines.next(),
            lines.next(),
            lines.next(),
        ) else {
            return Err(CheckpointError::Body);
        };
        // 44 characters are 32 bytes; longer text must not reach the decoder.
        if root.len() != 44 {
            return Err(CheckpointError::Body);
        }
        let root = STANDARD.decode(root).map_err(|_| CheckpointError::Body)?;
        let checkpoint = Self {
            origin: origin.parse()?,
            size: size.parse().map_err(|_| CheckpointError::Body)?,
            root: Digest::try_from(root.as_slice()).map_err(|_| CheckpointError::Body)?,
        };
        if checkpoint.body() == body {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Body)
        }
    }
}

/// One signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key: for our logs the origin, for a witness its own name.
    pub name: String,
    /// First four bytes of a hash of name and key, see [`ed25519_key_id`].
    pub key_id: [u8; 4],
    /// The signature; 64 bytes for Ed25519.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    /// The line with its newline.
    #[must_use]
    pub fn to_text(&self) -> String {
        let bytes = [&self.key_id[..], &self.signature].concat();
        format!("{DASH}{} {}\n", self.name, STANDARD.encode(bytes))
    }
}

/// A checkpoint with its signature lines (c2sp.org/signed-note).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// At least one, in the order of the text.
    pub signatures: Vec<NoteSignature>,
}

impl Note {
    /// The text of the note: body, empty line, signature lines.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.checkpoint.body();
        text.push('\n');
        for line in &self.signatures {
            text.push_str(&line.to_text());
        }
        text
    }

    /// Reads exactly what [`Self::to_text`] writes. Unknown keys are kept: the caller looks for
    /// those it trusts.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        if text.len() > limits::NOTE_BYTES_MAX {
            return Err(CheckpointError::TooLong(text.len()));
        }
        // The last empty line ends the body; the body itself keeps its final newline.
        let split = text.rfind("\n\n").ok_or(CheckpointError::Body)?;
        let body = text.get(..=split).ok_or(CheckpointError::Body)?;
        let lines = text.get(split + 2..).ok_or(CheckpointError::Body)?;
        let checkpoint = Checkpoint::parse(body)?;
        let count = lines.matches('\n').count();
        if !(1..=limits::NOTE_SIGNATURES_MAX).contains(&count) {
            return Err(CheckpointError::SignatureCount(count));
        }
        let lines = lines
            .strip_suffix('\n')
            .ok_or(CheckpointError::Signature(count))?;
        let signatures = lines
            .split('\n')
            .enumerate()
            .map(|(number, line)| signature_line(line).ok_or(CheckpointError::Signature(number)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            checkpoint,
            signatures,
        })
    }

    /// The signatures by the key of this name and id; more than one is allowed by the format.
    pub fn signatures_by<'n>(
        &'n self,
        name: &'n str,
        key_id: [u8; 4],
    ) -> impl Iterator<Item = &'n [u8]> {
        self.signatures
            .iter()
            .filter(move |line| line.name == name && line.key_id == key_id)
            .map(|line| line.signature.as_slice())
    }
}

fn signature_line(line: &str) -> Option<NoteSignature> {
    let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
    let name_fits = !name.is_empty()
        && name.len() <= limits::DNS_NAME_CHARS_MAX
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+');
    // The engine refuses missing padding and stray bits, so each value has one spelling.
    let bytes = STANDARD.decode(encoded).ok()?;
    let (key_id, signature) = bytes.split_first_chunk::<4>()?;
    (name_fits && !signature.is_empty()).then(|| NoteSignature {
        name: name.to_owned(),
        key_id: *key_id,
        signature: signature.to_vec(),
    })
}

/// Id of an Ed25519 key: the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key)
/// (c2sp.org/signed-note).
#[must_use]
pub fn ed25519_key_id(name: &str, public_key: &[u8; 32]) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', ED25519]);
    hasher.update(public_key);
    let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
    [a, b, c, d]
}

/// A signed head as it travels: the note, the CMS signature over the note's body by the evidence
/// certificate, and the time-stamp token over that signature's value once there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// Text of the note.
    pub note: String,
    /// CMS SignedData, detached over the checkpoint body.
    pub cms: Vec<u8>,
    /// RFC 3161 token, if already stamped.
    pub token: Option<Vec<u8>>,
}

impl SignedCheckpoint {
    /// The note as a value.
    pub fn parsed(&self) -> Result<Note, CheckpointError> {
        Note::parse(&self.note)
    }

    /// Appends the CBOR form `[note, cms, token or null]`.
    pub fn write(&self, w: &mut Writer) {
        w.array(3).text(&self.note).bytes(&self.cms);
        match &self.token {
            Some(token) => w.bytes(token),
            None => w.null(),
        };
    }

    /// Reads the CBOR form. The note is checked by [`Self::parsed`] only.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, cbor::Error> {
        r.array_exact(3, "signed checkpoint")?;
        let note = r.text(limits::NOTE_BYTES_MAX, "note")?.to_owned();
        let cms = r
            .bytes(limits::SIGNATURE_BYTES_MAX, "checkpoint signature")?
            .to_vec();
        let token = if r.take_null() {
            None
        } else {
            Some(r.bytes(limits::TOKEN_BYTES_MAX, "token")?.to_vec())
        };
        Ok(Self { note, cms, token })
    }

    /// The CBOR form as bytes of its own.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.finish()
    }

    /// Reads [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        let mut r = Reader::new(bytes);
        let checkpoint = Self::read(&mut r)?;
        r.finish()?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            checkpoint: Checkpoint {
                origin: "relay-a.tram.test/log/1".parse().unwrap(),
                size: 42,
                root: Digest::of(b"root"),
            },
            signatures: vec![NoteSignature {
                name: "relay-a.tram.test/log/1".to_owned(),
                key_id: [1, 2, 3, 4],
                signature: vec![9; 64],
            }],
        }
    }

    #[test]
    fn a_note_has_one_text() {
        let text = note().to_text();
        assert!(text.starts_with("relay-a.tram.test/log/1\n42\n"), "{text}");
        assert!(
            text.contains("=\n\n\u{2014} relay-a.tram.test/log/1 AQIDBAkJ"),
            "{text}"
        );
        assert_eq!(Note::parse(&text), Ok(note()));
        let cases = [
            (
                "no signature",
                text[..text.find("\n\n").unwrap() + 2].to_owned(),
            ),
            ("no final newline", text.trim_end().to_owned()),
            ("text after", format!("{text}x")),
            ("empty line after", format!("{text}\n")),
            ("crlf", text.replace('\n', "\r\n")),
            ("hyphen for dash", text.replace('\u{2014}', "-")),
            ("bad base64", text.replace("AQIDBAkJ", "AQID!AkJ")),
            ("base64 without padding", text.replacen("=\n", "\n", 1)),
            ("leading zero", text.replacen("\n42\n", "\n042\n", 1)),
            ("signed size", text.replacen("\n42\n", "\n+42\n", 1)),
            (
                "extension line",
                text.replacen("\n\n", "\nextension\n\n", 1),
            ),
            ("epoch with zero", text.replacen("log/1\n", "log/01\n", 1)),
            (
                "no origin",
                text.replacen("relay-a.tram.test/log/1\n", "\n", 1),
            ),
            (
                "key name with plus",
                text.replace("test/log/1 A", "test+log/1 A"),
            ),
            ("seventeen signatures", {
                let line = &text[text.find('\u{2014}').unwrap()..];
                format!("{text}{}", line.repeat(16))
            }),
        ];
        for (name, bad) in cases {
            assert_ne!(bad, text, "{name} changes nothing");
            assert!(Note::parse(&bad).is_err(), "{name}");
        }
    }

    #[test]
    fn a_short_signature_line_is_refused() {
        let body = note().checkpoint.body();
        for encoded in ["", "AQIDBA==", "AQID"] {
            let text = format!("{body}\n\u{2014} name {encoded}\n");
            assert_eq!(
                Note::parse(&text),
                Err(CheckpointError::Signature(0)),
                "{encoded}"
            );
        }
    }

    /// The example key of c2sp.org/signed-note's reference implementation (golang.org/x/mod
    /// sumdb/note): `PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW`.
    #[test]
    fn key_ids_follow_the_signed_note_specification() {
        let key = STANDARD
            .decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
            .unwrap();
        let key: [u8; 32] = key[1..].try_into().unwrap();
        assert_eq!(
            ed25519_key_id("PeterNeumann", &key),
            [0xc7, 0x4f, 0x20, 0xa3]
        );
    }

    #[test]
    fn signatures_are_found_by_name_and_id() {
        let note = note();
        let found = |name, id| note.signatures_by(name, id).count();
        assert_eq!(found("relay-a.tram.test/log/1", [1, 2, 3, 4]), 1);
        assert_eq!(found("relay-a.tram.test/log/1", [1, 2, 3, 5]), 0);
        assert_eq!(found("relay-b.tram.test/log/1", [1, 2, 3, 4]), 0);
    }

    #[test]
    fn a_signed_checkpoint_reads_back_with_and_without_token() {
        for token in [None, Some(vec![7; 10])] {
            let checkpoint = SignedCheckpoint {
                note: note().to_text(),
                cms: vec![1, 2],
                token,
            };
            let bytes = checkpoint.encode();
            assert_eq!(SignedCheckpoint::decode(&bytes), Ok(checkpoint));
            let longer = [&bytes[..], &[0]].concat();
            assert_eq!(
                SignedCheckpoint::decode(&longer),
                Err(cbor::Error::Trailing(1))
            );
        }
    }
}
