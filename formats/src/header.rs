//! The envelope header: what relays see, what the sender signs (architecture 6).
//!
//! Bytes: deterministic CBOR array `[context as byte string, body digest, body size]`; the context
//! is a map with integer keys. `Header` keeps the bytes that were signed and never encodes again;
//! its two digests are over those bytes. Whoever holds a `Header` knows that every rule that can be
//! checked without a directory, a key or a clock holds. Fails with [`HeaderError`]; signatures,
//! home stations and times are judged elsewhere.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::cbor::{self, Reader, Writer, required};
use crate::id::{AgencyCode, Digest, EnvelopeId, IdError, Party, StationName};
use crate::limits;
use crate::time::Timestamp;

mod key {
    //! Map keys of the context.
    pub(super) const VERSION: u64 = 1;
    pub(super) const ID: u64 = 2;
    pub(super) const CLASS: u64 = 3;
    pub(super) const SENDER: u64 = 4;
    pub(super) const SENDER_STATION: u64 = 5;
    pub(super) const RECIPIENTS: u64 = 6;
    pub(super) const PRIORITY: u64 = 7;
    pub(super) const CREATED: u64 = 8;
    pub(super) const EXPIRES: u64 = 9;
    pub(super) const SIGNER: u64 = 10;
    pub(super) const COMMITMENT: u64 = 11;
    pub(super) const SUPERSEDES: u64 = 12;
    pub(super) const ADDRESSED_AS: u64 = 13;
}

/// The version that this code writes and reads.
const VERSION: u64 = 1;

/// Pairs of a context at most: ours and as many again of later versions.
const CONTEXT_PAIRS_MAX: usize = 32;

/// Why bytes are not a header, or fields cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not deterministic CBOR of the right shape.
    #[error(transparent)]
    Cbor(#[from] cbor::Error),
    /// A name in it is not a name.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A rule between fields is broken.
    #[error("header rule broken: {0}")]
    Rule(&'static str),
    /// Longer than any header may be.
    #[error("header of {0} bytes is too long")]
    TooLong(usize),
    /// Another version than 1.
    #[error("header version {0} is not known")]
    Version(u64),
}

/// What an envelope carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A request between stations (recall, status query); plain.
    Control,
    /// A document packet; sealed.
    Document,
    /// Receipts between stations; plain.
    Receipt,
    /// A business status packet; sealed.
    Status,
}

impl Class {
    /// Whether the body is encrypted and has a capsule, and sender and recipients are agencies.
    #[must_use]
    pub fn is_sealed(self) -> bool {
        match self {
            Self::Document | Self::Status => true,
            Self::Control | Self::Receipt => false,
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Document => 1,
            Self::Status => 2,
            Self::Receipt => 3,
            Self::Control => 4,
        }
    }

    fn from_number(number: u64) -> Option<Self> {
        [Self::Document, Self::Status, Self::Receipt, Self::Control]
            .into_iter()
            .find(|class| class.number() == number)
    }

    /// The name in text forms: `document`, `status`, `receipt`, `control`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Document => "document",
            Self::Receipt => "receipt",
            Self::Status => "status",
        }
    }
}

/// Độ khẩn, with the numbers of edXML (OtherInfo/Priority), least urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// 0, thường.
    #[default]
    Normal,
    /// 1, khẩn.
    Urgent,
    /// 2, thượng khẩn.
    VeryUrgent,
    /// 3, hỏa tốc.
    Immediate,
    /// 4, hỏa tốc hẹn giờ.
    ImmediateTimed,
}

impl Priority {
    /// All, least urgent first.
    pub const ALL: [Self; 5] = [
        Self::Normal,
        Self::Urgent,
        Self::VeryUrgent,
        Self::Immediate,
        Self::ImmediateTimed,
    ];

    /// 0 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::Urgent => 1,
            Self::VeryUrgent => 2,
            Self::Immediate => 3,
            Self::ImmediateTimed => 4,
        }
    }

    /// From 0 to 4.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|priority| u64::from(priority.number()) == number)
    }
}

/// The signed statement of the sender about one envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Identity, the same in every attempt.
    pub id: EnvelopeId,
    /// What the body is.
    pub class: Class,
    /// Who sends: an agency for document and status, a station for receipt and control.
    pub sender: Party,
    /// The sender's home station; the sender itself if that is a station.
    pub sender_station: StationName,
    /// Who receives, 1 to 256, no one twice. Agencies for document and status.
    pub recipients: Vec<Party>,
    /// Độ khẩn.
    pub priority: Priority,
    /// When the sender made the envelope.
    pub created: Timestamp,
    /// After this nobody accepts or delivers it; at most 30 days after `created`.
    pub expires: Timestamp,
    /// SHA-256 of the certificate that the header signature verifies with.
    pub signer: Digest,
    /// [`commitment`] to the content; present for document and status only.
    pub commitment: Option<Digest>,
    /// The envelope that this one replaces (sealed again to another key).
    pub supersedes: Option<EnvelopeId>,
    /// For recipients written by another name than their canonical code: code and what was written.
    pub addressed_as: Vec<(AgencyCode, String)>,
}

impl Context {
    /// Checks every rule that needs neither directory nor clock.
    fn check(&self) -> Result<(), HeaderError> {
        let rule = |holds: bool, text| {
            if holds {
                Ok(())
            } else {
                Err(HeaderError::Rule(text))
            }
        };
        let sealed = self.class.is_sealed();
        rule(!self.recipients.is_empty(), "at least one recipient")?;
        rule(
            self.recipients.len() <= limits::RECIPIENTS_MAX,
            "at most 256 recipients",
        )?;
        let distinct: BTreeSet<&Party> = self.recipients.iter().collect();
        rule(
            distinct.len() == self.recipients.len(),
            "no recipient twice",
        )?;
        rule(
            self.sender.agency().is_some() == sealed,
            "sender kind fits the class",
        )?;
        let stations = self
            .recipients
            .iter()
            .filter(|r| r.station().is_some())
            .count();
        match self.class {
            Class::Document | Class::Status => {
                rule(stations == 0, "documents go to agencies")?;
            }
            Class::Receipt => {
                rule(stations == self.recipients.len(), "receipts go to stations")?;
            }
            // A recall is addressed to the agency whose home station has to act on it.
            Class::Control => {}
        }
        let own_station = self
            .sender
            .station()
            .is_none_or(|name| *name == self.sender_station);
        rule(own_station, "a sending station is its own home station")?;
        rule(self.created.unix_ms() >= 0, "created is not before 1970")?;
        let lifetime = self.expires.minus(self.created);
        rule(
            (1..=limits::LIFETIME_MS_MAX).contains(&lifetime),
            "expires within 30 days",
        )?;
        rule(
            self.commitment.is_some() == sealed,
            "commitment fits the class",
        )?;
        rule(
            self.supersedes != Some(self.id),
            "an envelope does not supersede itself",
        )?;
        self.check_addressed_as()
    }

    fn check_addressed_as(&self) -> Result<(), HeaderError> {
        let mut seen = BTreeSet::new();
        for (code, written) in &self.addressed_as {
            let is_recipient = self.recipients.iter().any(|r| r.agency() == Some(code));
            if !is_recipient || !seen.insert(code) {
                return Err(HeaderError::Rule(
                    "addressed_as names each recipient at most once",
                ));
            }
            let length = written.chars().count();
            let fits = (1..=limits::ADDRESSED_AS_CHARS_MAX).contains(&length)
                && !written.chars().any(char::is_control);
            if !fits {
                return Err(HeaderError::Rule("addressed_as is short text"));
            }
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let optional = [
            self.commitment.is_some(),
            self.supersedes.is_some(),
            !self.addressed_as.is_empty(),
        ];
        let mut w = Writer::new();
        w.map(10 + optional.into_iter().filter(|present| *present).count());
        w.uint(key::VERSION).uint(VERSION);
        w.uint(key::ID).bytes(self.id.as_bytes());
        w.uint(key::CLASS).uint(self.class.number());
        w.uint(key::SENDER).text(self.sender.as_str());
        w.uint(key::SENDER_STATION)
            .text(self.sender_station.as_str());
        w.uint(key::RECIPIENTS).array(self.recipients.len());
        for recipient in &self.recipients {
            w.text(recipient.as_str());
        }
        w.uint(key::PRIORITY).uint(self.priority.number().into());
        w.uint(key::CREATED).uint(ms(self.created));
        w.uint(key::EXPIRES).uint(ms(self.expires));
        w.uint(key::SIGNER).bytes(self.signer.as_bytes());
        if let Some(commitment) = &self.commitment {
            w.uint(key::COMMITMENT).bytes(commitment.as_bytes());
        }
        if let Some(supersedes) = &self.supersedes {
            w.uint(key::SUPERSEDES).bytes(supersedes.as_bytes());
        }
        if !self.addressed_as.is_empty() {
            w.uint(key::ADDRESSED_AS).array(self.addressed_as.len());
            for (code, written) in &self.addressed_as {
                w.array(2).text(code.as_str()).text(written);
            }
        }
        w.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = Fields::default();
        let mut reader = Reader::new(bytes);
        reader.map(CONTEXT_PAIRS_MAX, "context", |key, r| fields.read(key, r))?;
        reader.finish()?;
        let context = fields.build()?;
        context.check()?;
        Ok(context)
    }
}

/// Milliseconds as CBOR; `check` has refused negative ones.
fn ms(time: Timestamp) -> u64 {
    u64::try_from(time.unix_ms()).unwrap_or(0)
}

/// The context's fields while it is read.
#[derive(Default)]
struct Fields {
    version: Option<u64>,
    id: Option<EnvelopeId>,
    class: Option<Class>,
    sender: Option<Party>,
    sender_station: Option<StationName>,
    recipients: Option<Vec<Party>>,
    priority: Option<Priority>,
    created: Option<Timestamp>,
    expires: Option<Timestamp>,
    signer: Option<Digest>,
    commitment: Option<Digest>,
    supersedes: Option<EnvelopeId>,
    addressed_as: Vec<(AgencyCode, String)>,
}

impl Fields {
    fn read(&mut self, key: u64, r: &mut Reader<'_>) -> Result<bool, HeaderError> {
        let not_allowed = |what| cbor::Error::Value { what };
        match key {
            key::VERSION => match r.uint("version")? {
                VERSION => self.version = Some(VERSION),
                other => return Err(HeaderError::Version(other)),
            },
            key::ID => self.id = Some(EnvelopeId::from_bytes(r.fixed("id")?)?),
            key::CLASS => {
                let class = Class::from_number(r.uint("class")?);
                self.class = Some(class.ok_or_else(|| not_allowed("class"))?);
            }
            key::SENDER => self.sender = Some(party(r, "sender")?),
            key::SENDER_STATION => {
                let name = r.text(limits::STATION_NAME_CHARS_MAX, "sender station")?;
                self.sender_station = Some(StationName::parse(name)?);
            }
            key::RECIPIENTS => {
                let count = r.array(limits::RECIPIENTS_MAX, "recipients")?;
                let parties = (0..count).map(|_| party(r, "recipients"));
                self.recipients = Some(parties.collect::<Result<_, _>>()?);
            }
            key::PRIORITY => {
                let priority = Priority::from_number(r.uint("priority")?);
                self.priority = Some(priority.ok_or_else(|| not_allowed("priority"))?);
            }
            key::CREATED => self.created = Some(time(r, "created")?),
            key::EXPIRES => self.expires = Some(time(r, "expires")?),
            key::SIGNER => self.signer = Some(r.digest("signer")?),
            key::COMMITMENT => self.commitment = Some(r.digest("commitment")?),
            key::SUPERSEDES => {
                self.supersedes = Some(EnvelopeId::from_bytes(r.fixed("supersedes")?)?);
            }
            key::ADDRESSED_AS => {
                let count = r.array(limits::RECIPIENTS_MAX, "addressed as")?;
                // An empty list has one encoding: no list.
                if count == 0 {
                    return Err(not_allowed("addressed as").into());
                }
                let pairs = (0..count).map(|_| addressed_as(r));
                self.addressed_as = pairs.collect::<Result<_, _>>()?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn build(self) -> Result<Context, cbor::Error> {
        required(self.version, key::VERSION)?;
        Ok(Context {
            id: required(self.id, key::ID)?,
            class: required(self.class, key::CLASS)?,
            sender: required(self.sender, key::SENDER)?,
            sender_station: required(self.sender_station, key::SENDER_STATION)?,
            recipients: required(self.recipients, key::RECIPIENTS)?,
            priority: required(self.priority, key::PRIORITY)?,
            created: required(self.created, key::CREATED)?,
            expires: required(self.expires, key::EXPIRES)?,
            signer: required(self.signer, key::SIGNER)?,
            commitment: self.commitment,
            supersedes: self.supersedes,
            addressed_as: self.addressed_as,
        })
    }
}

fn party(r: &mut Reader<'_>, what: &'static str) -> Result<Party, HeaderError> {
    Ok(r.text(limits::STATION_NAME_CHARS_MAX, what)?
        .parse::<Party>()?)
}

/// A time that the range of `Timestamp` holds as it is: a number that would be cut is refused.
fn time(r: &mut Reader<'_>, what: &'static str) -> Result<Timestamp, HeaderError> {
    let ms = i64::try_from(r.uint(what)?).map_err(|_| cbor::Error::Value { what })?;
    let time = Timestamp::from_unix_ms(ms);
    if time.unix_ms() == ms {
        Ok(time)
    } else {
        Err(cbor::Error::Value { what }.into())
    }
}

fn addressed_as(r: &mut Reader<'_>) -> Result<(AgencyCode, String), HeaderError> {
    const WHAT: &str = "addressed as";
    r.array_exact(2, WHAT)?;
    let code = AgencyCode::parse(r.text(limits::AGENCY_CODE_CHARS_MAX, WHAT)?)?;
    // Four bytes of UTF-8 at most for each character.
    let written = r.text(4 * limits::ADDRESSED_AS_CHARS_MAX, WHAT)?;
    Ok((code, written.to_owned()))
}

/// A header with the exact bytes that are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    bytes: Vec<u8>,
    digest: Digest,
    ctx: Digest,
    context: Context,
    body_digest: Digest,
    body_bytes: u64,
}

impl Header {
    /// Writes a header. Refuses what [`Self::decode`] would refuse. To seal, the context digest is
    /// needed before the body exists: see [`context_digest`].
    pub fn new(
        context: Context,
        body_digest: Digest,
        body_bytes: u64,
    ) -> Result<Self, HeaderError> {
        context.check()?;
        let context_bytes = context.encode();
        let ctx = Digest::of(&context_bytes);
        let mut w = Writer::new();
        w.array(3)
            .bytes(&context_bytes)
            .bytes(body_digest.as_bytes())
            .uint(body_bytes);
        let bytes = w.finish();
        if bytes.len() > limits::HEADER_BYTES_MAX {
            return Err(HeaderError::TooLong(bytes.len()));
        }
        Ok(Self {
            digest: Digest::of(&bytes),
            bytes,
            ctx,
            context,
            body_digest,
            body_bytes,
        })
    }

    /// Reads a header. The bytes are kept as they are.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() > limits::HEADER_BYTES_MAX {
            return Err(HeaderError::TooLong(bytes.len()));
        }
        let mut r = Reader::new(bytes);
        r.array_exact(3, "header")?;
        let context_bytes = r.bytes(limits::HEADER_BYTES_MAX, "context")?;
        let body_digest = r.digest("body digest")?;
        let body_bytes = r.uint("body size")?;
        r.finish()?;
        Ok(Self {
            context: Context::decode(context_bytes)?,
            ctx: Digest::of(context_bytes),
            digest: Digest::of(bytes),
            bytes: bytes.to_vec(),
            body_digest,
            body_bytes,
        })
    }

    /// The bytes, as signed and sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of [`Self::bytes`]: names this header in statements.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// SHA-256 of the context bytes: binds capsule and chunks to this envelope.
    #[must_use]
    pub fn ctx(&self) -> Digest {
        self.ctx
    }

    /// The fields.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Root over the leaf hashes of the body's pieces.
    #[must_use]
    pub fn body_digest(&self) -> Digest {
        self.body_digest
    }

    /// Bytes of the body, capsule included.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }
}

/// The digest that [`Header::ctx`] of a header with this context will have: sealing binds the
/// content to it before the body, and so the header, exists.
pub fn context_digest(context: &Context) -> Result<Digest, HeaderError> {
    context.check()?;
    Ok(Digest::of(&context.encode()))
}

/// Ties a header to its content without a digest that relays could guess at: SHA-256 over
/// `"tram-content-1"`, a random salt, the packet's SHA-256 and the SHA-256 of the signature value
/// in the packet's CMS (architecture 6).
#[must_use]
pub fn commitment(salt: &[u8; 32], packet_digest: &Digest, signature_value: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(b"tram-content-1");
    hasher.update(salt);
    hasher.update(packet_digest.as_bytes());
    hasher.update(Digest::of(signature_value).as_bytes());
    Digest::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests;
