//! The context: the sender's signed statement about one envelope, and its bytes.
//!
//! Deterministic CBOR map with integer keys (architecture 6). Owns every rule between the fields
//! that needs neither directory nor clock.

use std::collections::BTreeSet;

use super::{Class, HeaderError, Priority};
use crate::cbor::{self, Reader, Writer, required};
use crate::id::{AgencyCode, Digest, EnvelopeId, Party, StationName};
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
    /// [`super::commitment`] to the content; present for document and status only.
    pub commitment: Option<Digest>,
    /// The envelope that this one replaces (sealed again to another key).
    pub supersedes: Option<EnvelopeId>,
    /// For recipients written by another name than their canonical code: code and what was written.
    pub addressed_as: Vec<(AgencyCode, String)>,
}

impl Context {
    /// Checks every rule that needs neither directory nor clock.
    pub(super) fn check(&self) -> Result<(), HeaderError> {
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

    pub(super) fn encode(&self) -> Vec<u8> {
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

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
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
