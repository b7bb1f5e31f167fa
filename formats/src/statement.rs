//! Statements: one sentence of evidence in a station's log (architecture 6 and 8).
//!
//! A statement is one JSON object whose bytes are hashed into the log and kept verbatim. There is
//! exactly one text for each statement: keys in the order below, no spaces, absent values left out;
//! [`Statement::parse`] writes what it read again and refuses any difference, so repeated and
//! unknown keys, other spellings and other orders cannot occur. Who signed the log, and whether
//! that station may speak for the recipient, is judged in `pki` and `relay`.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::checkpoint::LogOrigin;
use crate::id::{Digest, EnvelopeId, Party, StationName};
use crate::limits;
use crate::merkle;
use crate::reason::Reason;
use crate::time::Timestamp;

pub use crate::event::Event;

/// The version that this code writes and reads.
const VERSION: u8 = 1;

/// Why bytes are not a statement. The fault is the station's that logged them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The right object in another spelling than the only one.
    #[error("statement is not in its canonical text form")]
    NotCanonical,
    /// A failure without a reason or a success with one.
    #[error("event {0} and reason do not fit")]
    Reason(&'static str),
    /// Not the JSON object that it should be.
    #[error("statement is not readable: {0}")]
    Json(String),
    /// Longer than any statement may be.
    #[error("statement of {0} bytes is too long")]
    TooLong(usize),
    /// Another version than 1.
    #[error("statement version {0} is not known")]
    Version(u8),
}

/// One statement about one (envelope, recipient).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What happened.
    pub event: Event,
    /// The envelope's id.
    pub envelope: EnvelopeId,
    /// SHA-256 of the header bytes; of the packet for SubmissionRejection, which never got a header.
    pub header_digest: Digest,
    /// The header's commitment to its content, if it has one.
    pub commitment: Option<Digest>,
    /// Who sent the envelope.
    pub sender: Party,
    /// The recipient that this is about; the sender itself for SubmissionRejection.
    pub recipient: Party,
    /// When, by the clock of `station`.
    pub time: Timestamp,
    /// The station that says so.
    pub station: StationName,
    /// For relay events: the neighbour that took or refused the leg.
    pub next_station: Option<StationName>,
    /// Why, for failures and refusals.
    pub reason: Option<Reason>,
    /// Digest of the last statement on this leg in the same log, at first the header digest.
    pub prev: Digest,
    /// The station does not trust its clock at the moment.
    pub clock_unsure: bool,
}

/// The text form: order of fields is order of keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    v: u8,
    event: Event,
    envelope: EnvelopeId,
    header_digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commitment: Option<Digest>,
    sender: Party,
    recipient: Party,
    time: Timestamp,
    station: StationName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_station: Option<StationName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    prev: Digest,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    clock_unsure: bool,
}

impl Statement {
    /// The one text of this statement.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let text = Text {
            v: VERSION,
            event: self.event,
            envelope: self.envelope,
            header_digest: self.header_digest,
            commitment: self.commitment,
            sender: self.sender.clone(),
            recipient: self.recipient.clone(),
            time: self.time,
            station: self.station.clone(),
            next_station: self.next_station.clone(),
            reason: self.reason,
            prev: self.prev,
            clock_unsure: self.clock_unsure,
        };
        // Serialisation into memory fails only for maps without text keys; there are none. Were it
        // to, the empty text would be refused by every reader.
        serde_json::to_vec(&text).unwrap_or_default()
    }

    /// Reads a statement; refuses every text that [`Self::to_json`] would not have written.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        let text: Text = from_json(bytes)?;
        if text.v != VERSION {
            return Err(StatementError::Version(text.v));
        }
        let statement = Self {
            event: text.event,
            envelope: text.envelope,
            header_digest: text.header_digest,
            commitment: text.commitment,
            sender: text.sender,
            recipient: text.recipient,
            time: text.time,
            station: text.station,
            next_station: text.next_station,
            reason: text.reason,
            prev: text.prev,
            clock_unsure: text.clock_unsure,
        };
        if !statement.event.reason().fits(statement.reason.is_some()) {
            return Err(StatementError::Reason(statement.event.name()));
        }
        if statement.to_json() == bytes {
            Ok(statement)
        } else {
            Err(StatementError::NotCanonical)
        }
    }

    /// SHA-256 of the text: what the next statement on the leg names as `prev`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_json())
    }
}

/// First leaf of a log epoch: which log goes on here, and why (architecture 8). It is about no
/// envelope and so is no [`Statement`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOpened {
    v: u8,
    event: LogOpenedTag,
    /// The log that begins.
    pub origin: LogOrigin,
    /// When, by the station's clock.
    pub time: Timestamp,
    /// The last known head of the epoch before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousHead>,
    /// Why a new epoch: `new`, `restored`, `damaged` or another short word.
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum LogOpenedTag {
    LogOpened,
}

/// A head of an earlier epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousHead {
    /// The earlier log.
    pub origin: LogOrigin,
    /// Its size as far as known.
    pub size: u64,
    /// Its root at that size.
    pub root: Digest,
}

impl LogOpened {
    /// The first leaf of `origin`.
    #[must_use]
    pub fn new(
        origin: LogOrigin,
        time: Timestamp,
        previous: Option<PreviousHead>,
        why: &str,
    ) -> Self {
        let why = why.to_owned();
        Self {
            v: VERSION,
            event: LogOpenedTag::LogOpened,
            origin,
            time,
            previous,
            why,
        }
    }

    /// The one text of this leaf.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the leaf; refuses every text that [`Self::to_json`] would not have written.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        let opened: Self = from_json(bytes)?;
        if opened.v != VERSION {
            return Err(StatementError::Version(opened.v));
        }
        if opened.to_json() == bytes {
            Ok(opened)
        } else {
            Err(StatementError::NotCanonical)
        }
    }
}

fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StatementError> {
    if bytes.len() > limits::STATEMENT_BYTES_MAX {
        return Err(StatementError::TooLong(bytes.len()));
    }
    serde_json::from_slice(bytes).map_err(|error| StatementError::Json(error.to_string()))
}

/// The data of a statement's leaf: SHA-256("tram-leaf-1" ‖ salt ‖ statement). The salt keeps those
/// who see only the log from guessing at statements.
#[must_use]
pub fn leaf_data(salt: &[u8; 32], statement: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(b"tram-leaf-1");
    hasher.update(salt);
    hasher.update(statement);
    Digest::from_bytes(hasher.finalize().into())
}

/// The RFC 6962 leaf hash of a statement: [`merkle::leaf_hash`] of [`leaf_data`].
#[must_use]
pub fn leaf_hash(salt: &[u8; 32], statement: &[u8]) -> Digest {
    merkle::leaf_hash(leaf_data(salt, statement).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::samples::{log_opened, statement as sample};

    #[test]
    fn a_statement_has_one_text() {
        let text = String::from_utf8(sample().to_json()).unwrap();
        assert!(
            text.starts_with(r#"{"v":1,"event":"RelayRejection","envelope":"0"#),
            "{text}"
        );
        assert!(text.ends_with(r#","clock_unsure":true}"#), "{text}");
        assert_eq!(Statement::parse(text.as_bytes()), Ok(sample()));
        let changed = [
            ("space", text.replacen(':', ": ", 1)),
            ("newline after", format!("{text}\n")),
            ("unknown key", text.replacen("{", r#"{"x":1,"#, 1)),
            ("key twice", text.replacen("{", r#"{"v":1,"#, 1)),
            (
                "last key twice",
                text.replace("}", r#","clock_unsure":true}"#),
            ),
            ("other order", {
                let rest = text.replacen(r#""v":1,"#, "", 1);
                rest.replace("}", r#","v":1}"#)
            }),
            ("escaped letter", text.replacen("G14", r"\u004714", 1)),
            (
                "null",
                text.replace(r#""clock_unsure":true"#, r#""clock_unsure":null"#),
            ),
            ("default spelled out", text.replace("true", "false")),
            ("version", text.replacen(r#""v":1"#, r#""v":2"#, 1)),
            ("float", text.replacen(r#""v":1"#, r#""v":1.0"#, 1)),
            (
                "unknown event",
                text.replacen("RelayRejection", "RelayRejections", 1),
            ),
            ("unknown reason", text.replacen("busy", "lazy", 1)),
            ("two texts", format!("{text}{text}")),
            ("cut", text[..text.len() - 1].to_owned()),
            ("array", format!("[{text}]")),
        ];
        for (name, bad) in changed {
            assert_ne!(bad, text, "{name} changes nothing");
            assert!(Statement::parse(bad.as_bytes()).is_err(), "{name}");
        }
    }

    #[test]
    fn failures_say_why_and_successes_do_not() {
        for event in Event::ALL {
            assert_eq!(Event::from_name(event.name()), Some(event));
            for reason in [None, Some(Reason::NoRoute)] {
                let statement = Statement {
                    event,
                    reason,
                    ..sample()
                };
                let fits = event.reason().fits(reason.is_some());
                assert_eq!(
                    Statement::parse(&statement.to_json()).is_ok(),
                    fits,
                    "{event:?}"
                );
            }
        }
    }

    #[test]
    fn a_statement_beyond_the_limit_is_refused_unread() {
        let long = vec![b' '; limits::STATEMENT_BYTES_MAX + 1];
        assert_eq!(
            Statement::parse(&long),
            Err(StatementError::TooLong(long.len()))
        );
    }

    #[test]
    fn the_first_leaf_of_an_epoch_is_not_a_statement() {
        let opened = log_opened();
        assert_eq!(LogOpened::parse(&opened.to_json()), Ok(opened.clone()));
        assert!(Statement::parse(&opened.to_json()).is_err());
        assert!(LogOpened::parse(&sample().to_json()).is_err());
    }

    #[test]
    fn a_leaf_hides_its_statement_behind_the_salt() {
        let json = sample().to_json();
        let data = Digest::of(&[&b"tram-leaf-1"[..], &[3; 32], &json].concat());
        assert_eq!(leaf_data(&[3; 32], &json), data);
        assert_eq!(
            leaf_hash(&[3; 32], &json),
            merkle::leaf_hash(data.as_bytes())
        );
        assert_ne!(leaf_hash(&[4; 32], &json), leaf_hash(&[3; 32], &json));
    }
}
