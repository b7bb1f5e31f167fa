//! The transcript of a ceremony: one JSON object a line, each naming the SHA-256 of the line before
//! it, so that no line can be changed, dropped or put in between without breaking what follows.
//!
//! Owns: the steps, the chain, the one text form of each line, and the printable text. A part of a
//! ceremony ends with a `part_closed` line; the root signs everything up to there. Fails with
//! [`TranscriptError`], naming the line. Must not know: files, keys.

use std::fmt::Write;

use formats::id::Digest;
use formats::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// Why a transcript is not believed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TranscriptError {
    /// A line is wrong.
    #[error("transcript, line {line}: {reason}")]
    Line {
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// Larger than any transcript.
    #[error("a transcript of {0} bytes is none of ours")]
    TooLarge(usize),
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// A certificate was signed; its serial number stood in the ledger before.
    CertificateSigned {
        /// Which authority.
        name: String,
        /// Serial number in hexadecimal.
        serial: String,
        /// End of validity.
        not_after: String,
        /// SHA-256 of the certificate itself (DER).
        fingerprint: String,
        /// The file.
        file: String,
        /// Its SHA-256.
        sha256: String,
    },
    /// A key is about to be made.
    KeyPlanned {
        /// Of which authority.
        name: String,
        /// Kind of key.
        algorithm: String,
        /// Where it will live.
        place: String,
    },
    /// A key exists.
    KeyMade {
        /// Of which authority.
        name: String,
        /// SHA-256 of the public key (SubjectPublicKeyInfo).
        spki_sha256: String,
        /// The key file, encrypted or an address.
        file: String,
        /// Its SHA-256.
        sha256: String,
    },
    /// A revocation list was signed.
    ListSigned {
        /// Of which authority.
        name: String,
        /// Its number.
        number: u64,
        /// The file.
        file: String,
        /// Its SHA-256.
        sha256: String,
    },
    /// The ceremony begins.
    Opened {
        /// SHA-256 of the plan.
        plan_sha256: String,
        /// Whose it is.
        authority: String,
        /// For which names.
        trust_domain: String,
        /// The program and its version.
        tool: String,
    },
    /// A part ends; the root signs up to here.
    PartClosed {
        /// Which part, from 1.
        part: u64,
        /// Lines of the ledger.
        ledger_lines: u64,
        /// SHA-256 of its last line.
        ledger_head: String,
        /// Authorities whose request has not come yet.
        pending: Vec<String>,
    },
    /// A further part begins, perhaps on another day.
    PartOpened {
        /// Which part.
        part: u64,
        /// SHA-256 of the signature of the part before.
        previous: String,
        /// The program and its version.
        tool: String,
    },
    /// A request that was made elsewhere was taken.
    RequestTaken {
        /// For which authority.
        name: String,
        /// SHA-256 of the public key in it.
        spki_sha256: String,
        /// The file.
        file: String,
        /// Its SHA-256.
        sha256: String,
    },
    /// The passphrase of the root key was made and divided.
    SharesMade {
        /// How many are needed.
        needed: u8,
        /// How many there are.
        of: u8,
        /// SHA-256 of each share, in order: a share can be recognised, not guessed.
        sha256: Vec<String>,
    },
    /// The program stopped in the middle and was started again.
    Resumed {
        /// The program and its version.
        tool: String,
    },
}

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub seq: u64,
    /// SHA-256 of the line before.
    pub prev: String,
    /// When, RFC 3339.
    pub time: String,
    /// What.
    #[serde(flatten)]
    pub step: Step,
}

/// A chain of lines that holds.
#[derive(Clone, Debug)]
pub struct Transcript {
    text: String,
    lines: Vec<Line>,
    head: Digest,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            text: String::new(),
            lines: Vec::new(),
            head: Digest::of(b"tram-transcript-1"),
        }
    }
}

impl Transcript {
    /// Reads a transcript and checks its chain.
    ///
    /// # Errors
    /// [`TranscriptError`] naming the first bad line.
    pub fn parse(text: &[u8]) -> Result<Self, TranscriptError> {
        if text.len() > TRANSCRIPT_BYTES_MAX {
            return Err(TranscriptError::TooLarge(text.len()));
        }
        let mut all = Self::default();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let number = all.next_seq();
            let damaged = |reason| TranscriptError::Line {
                line: number,
                reason,
            };
            let line = std::str::from_utf8(line).map_err(|_| damaged("not UTF-8"))?;
            let whole = line
                .strip_suffix('\n')
                .ok_or_else(|| damaged("not ended: the file was cut off"))?;
            let parsed: Line =
                serde_json::from_str(whole).map_err(|_| damaged("not a line of a transcript"))?;
            // One text for each line: nothing can hide in unknown or repeated keys.
            if serde_json::to_string(&parsed).ok().as_deref() != Some(whole) {
                return Err(damaged("not in its canonical text form"));
            }
            if parsed.seq != number || parsed.prev != all.head.to_string() {
                return Err(damaged("does not follow the line before it"));
            }
            if Timestamp::parse_rfc3339(&parsed.time).is_err() {
                return Err(damaged("has no time"));
            }
            if matches!(parsed.step, Step::Opened { .. }) != (number == 1) {
                return Err(damaged("a transcript is opened once, by its first line"));
            }
            all.take(parsed, whole);
        }
        Ok(all)
    }

    /// Adds a step and returns the text that makes it durable, with its newline.
    ///
    /// # Errors
    /// [`TranscriptError::Line`] when it cannot be written as text.
    pub fn append(&mut self, step: Step, now: Timestamp) -> Result<String, TranscriptError> {
        let line = Line {
            seq: self.next_seq(),
            prev: self.head.to_string(),
            time: now.rfc3339(),
            step,
        };
        let text = serde_json::to_string(&line).map_err(|_| TranscriptError::Line {
            line: line.seq,
            reason: "cannot be written",
        })?;
        self.take(line, &text);
        Ok(format!("{text}\n"))
    }

    fn take(&mut self, line: Line, text: &str) {
        self.head = Digest::of(text.as_bytes());
        self.text.push_str(text);
        self.text.push('\n');
        self.lines.push(line);
    }

    fn next_seq(&self) -> u64 {
        u64::try_from(self.lines.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }

    /// Every line.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the last line.
    #[must_use]
    pub fn head(&self) -> Digest {
        self.head
    }

    /// What the root signs at the end of each part: everything up to its closing line.
    #[must_use]
    pub fn parts(&self) -> Vec<(u64, &[u8])> {
        let mut parts = Vec::new();
        let mut end = 0_usize;
        for (line, text) in self.lines.iter().zip(self.text.split_inclusive('\n')) {
            end = end.saturating_add(text.len());
            if let Step::PartClosed { part, .. } = line.step {
                let signed = self.text.as_bytes().get(..end).unwrap_or_default();
                parts.push((part, signed));
            }
        }
        parts
    }

    /// The transcript for people to read, print and sign by hand.
    #[must_use]
    pub fn printable(&self) -> String {
        let mut text = String::from(
            "KEY CEREMONY TRANSCRIPT\nBIÊN BẢN LỄ TẠO KHÓA\n\
             ==============================================================================\n",
        );
        for line in &self.lines {
            let time = Timestamp::parse_rfc3339(&line.time).map(Timestamp::vietnam);
            let (en, vi) = line.step.words();
            let _infallible = writeln!(
                text,
                "\n{:>3}. {}  {en}\n     {vi}",
                line.seq,
                time.unwrap_or_default()
            );
            for (name, value) in line.step.facts() {
                let _infallible = writeln!(text, "       {name}: {value}");
            }
        }
        let _infallible = write!(
            text,
            "\nSHA-256 of the last line (mã băm của dòng cuối):\n  {}\n\n\
             Leader (người chủ trì):  ______________________________  ______________\n\n\
             Operator (người thao tác): ____________________________  ______________\n\n\
             Witness (người chứng kiến): ___________________________  ______________\n",
            self.head
        );
        text
    }
}

impl Step {
    /// The step in English and Vietnamese.
    #[must_use]
    pub fn words(&self) -> (String, String) {
        match self {
            Self::CertificateSigned { name, .. } => (
                format!("Certificate of {name} signed"),
                format!("Đã ký chứng thư của {name}"),
            ),
            Self::KeyPlanned { name, .. } => (
                format!("Key of {name} is about to be made"),
                format!("Sắp tạo khóa của {name}"),
            ),
            Self::KeyMade { name, .. } => (
                format!("Key of {name} made"),
                format!("Đã tạo khóa của {name}"),
            ),
            Self::ListSigned { name, number, .. } => (
                format!("Revocation list {number} of {name} signed"),
                format!("Đã ký danh sách thu hồi số {number} của {name}"),
            ),
            Self::Opened { .. } => ("Ceremony opened".to_owned(), "Mở lễ tạo khóa".to_owned()),
            Self::PartClosed { part, .. } => (
                format!("Part {part} closed"),
                format!("Kết thúc phần {part}"),
            ),
            Self::PartOpened { part, .. } => {
                (format!("Part {part} opened"), format!("Mở phần {part}"))
            }
            Self::RequestTaken { name, .. } => (
                format!("Request of {name} taken"),
                format!("Đã nhận yêu cầu cấp chứng thư của {name}"),
            ),
            Self::SharesMade { needed, of, .. } => (
                format!("Passphrase of the root key divided: {needed} of {of} open it"),
                format!("Đã chia mật khẩu khóa gốc: cần {needed} trên {of} mảnh"),
            ),
            Self::Resumed { .. } => (
                "Interrupted and resumed".to_owned(),
                "Bị gián đoạn và tiếp tục".to_owned(),
            ),
        }
    }

    /// Everything that the line says, by the names that the file uses.
    #[must_use]
    pub fn facts(&self) -> Vec<(String, String)> {
        let Ok(Value::Object(members)) = serde_json::to_value(self) else {
            return Vec::new();
        };
        let shown = |value: Value| match value {
            Value::String(text) => text,
            Value::Array(list) => {
                let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                texts.join("\n         ")
            }
            other => other.to_string(),
        };
        members
            .into_iter()
            .filter(|(name, _)| name != "step" && name != "name")
            .map(|(name, value)| (name, shown(value)))
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// The file that this step made, with its SHA-256, and whether it is secret and so kept apart.
    #[must_use]
    pub fn artefact(&self) -> Option<(&str, &str, bool)> {
        match self {
            Self::CertificateSigned { file, sha256, .. }
            | Self::ListSigned { file, sha256, .. }
            | Self::RequestTaken { file, sha256, .. } => Some((file, sha256, false)),
            Self::KeyMade { file, sha256, .. } => Some((file, sha256, true)),
            Self::KeyPlanned { .. }
            | Self::Opened { .. }
            | Self::PartClosed { .. }
            | Self::PartOpened { .. }
            | Self::Resumed { .. }
            | Self::SharesMade { .. } => None,
        }
    }
}

/// A ceremony of a hundred authorities has under 200 KiB.
pub const TRANSCRIPT_BYTES_MAX: usize = 8 * 1024 * 1024;
