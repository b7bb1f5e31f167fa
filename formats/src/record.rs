//! Records: what the network believes about agencies and stations (architecture 9).
//!
//! A record is one JSON object with exactly one text: keys in the order of the fields, no spaces,
//! absent values and empty lists left out. [`Record::parse`] writes what it read again and refuses
//! any difference. The text is the attached content of a CMS SignedData (content type
//! [`crate::oid::CT_RECORD`], file `*.rec`) made and checked in `pki`; who may say which record is
//! decided there. Records are superseded by a higher sequence for the same [`Subject`], never
//! deleted. Fails with [`RecordError`].

mod agency;
mod entries;

use serde::{Deserialize, Serialize};

use crate::checkpoint::LogOrigin;
use crate::id::{AgencyCode, Digest, StationName, TrustDomain};
use crate::limits;
use crate::text;
use crate::time::Timestamp;
use crate::witness::WitnessPolicy;

pub use agency::{Agency, AgencyState, Alias};
pub use entries::{
    Address, AddressError, Base64Error, Der, NoteKey, StationKind, StationLimits, Windows,
};

/// Why bytes are not a record. The fault is the issuer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not the JSON object that it should be.
    #[error("record is not readable: {0}")]
    Json(String),
    /// The right object in another spelling than the only one.
    #[error("record is not in its canonical text form")]
    NotCanonical,
    /// A rule between fields is broken.
    #[error("record rule broken: {0}")]
    Rule(&'static str),
    /// Longer than any record may be.
    #[error("record of {0} bytes is too long")]
    TooLong(usize),
}

/// Agencies of one bundle; signed by the registry role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agencies {
    /// Which bundle: the registry keeps an agency in the same bundle for good.
    pub bundle: u32,
    /// Rises with every issue of this bundle.
    pub sequence: u64,
    /// When the record was made.
    pub issued: Timestamp,
    /// The record is not used after this for new traffic.
    pub not_after: Timestamp,
    /// 1 to 1,000 agencies, codes rising.
    pub agencies: Vec<Agency>,
}

/// Which station is the home of an agency; signed by the agency's signature key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The agency.
    pub agency: AgencyCode,
    /// Rises with every attachment of this agency.
    pub sequence: u64,
    /// When the record was made.
    pub issued: Timestamp,
    /// The record is not used after this for new traffic.
    pub not_after: Timestamp,
    /// The home station.
    pub station: StationName,
    /// From when on.
    pub from: Timestamp,
}

/// A parent receives for a part of what lies below it; signed by the parent's delegate key. Counts
/// only for agencies without an attachment of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// Who receives.
    pub parent: AgencyCode,
    /// For this agency and all below it; lies below `parent`.
    pub scope: AgencyCode,
    /// Rises with every delegation of this pair.
    pub sequence: u64,
    /// When the record was made.
    pub issued: Timestamp,
    /// The record is not used after this for new traffic.
    pub not_after: Timestamp,
    /// SHA-256 of the encryption certificate to seal to.
    pub encryption_sha256: Digest,
    /// From when on.
    pub from: Timestamp,
}

/// What a station is and where; signed by its evidence key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// The station.
    pub name: StationName,
    /// Rises with every record of this station.
    pub sequence: u64,
    /// When the record was made.
    pub issued: Timestamp,
    /// The record is not used after this for new traffic.
    pub not_after: Timestamp,
    /// Relay or node.
    pub kind: StationKind,
    /// SHA-256 of the TLS certificates in use; two while one is renewed.
    pub tls_sha256: Vec<Digest>,
    /// SHA-256 of the evidence certificates in use; two while one is renewed.
    pub evidence_sha256: Vec<Digest>,
    /// The log in use.
    pub log_origin: LogOrigin,
    /// Ed25519 key that signs the log's notes.
    pub note_key: NoteKey,
    /// Keys that signed notes of this station before, the newest first: for receipts under way and for
    /// proofs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_note_keys: Vec<NoteKey>,
    /// Where it listens; empty for a node that only dials out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Relays that a node keeps links to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub home_relays: Vec<StationName>,
    /// Data centre: stations of one site share their fate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Relays that a relay keeps links to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<StationName>,
    /// What the station takes.
    pub limits: StationLimits,
}

/// Anchors of the network; signed by k of n trust-list keys pinned at enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustList {
    /// The DNS name that all names of this network lie under.
    pub trust_domain: TrustDomain,
    /// Rises with every list.
    pub sequence: u64,
    /// When the record was made.
    pub issued: Timestamp,
    /// The record is not used after this for new traffic.
    pub not_after: Timestamp,
    /// Root certificates.
    pub roots: Vec<Der>,
    /// Certificates of accepted time-stamping authorities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tsas: Vec<Der>,
    /// How old data may be.
    pub windows: Windows,
    /// Who signs the lists after this one, when that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<ListSigners>,
    /// Who must have cosigned a checkpoint that is called witnessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witnesses: Option<WitnessPolicy>,
}

/// Who signs trust lists: any `needed` of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSigners {
    /// How many must sign.
    pub needed: u8,
    /// Their certificates.
    pub certificates: Vec<Der>,
}

/// A record of any kind. In JSON its kind is the first key, `record`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// Agencies of one bundle.
    Agencies(Agencies),
    /// Home station of an agency.
    Attachment(Attachment),
    /// A parent receives for those below.
    Delegation(Delegation),
    /// A station.
    Station(Station),
    /// Anchors of the network.
    TrustList(TrustList),
}

/// What a record is about: of several records with one subject that with the highest sequence
/// holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A bundle of agencies.
    Agencies(u32),
    /// The home of an agency.
    Attachment(AgencyCode),
    /// What a parent receives for this scope.
    Delegation(AgencyCode, AgencyCode),
    /// A station.
    Station(StationName),
    /// A network.
    TrustList(TrustDomain),
}

impl Record {
    /// The one text of this record.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Serialisation into memory fails only for maps without text keys; there are none. Were it
        // to, the empty text would be refused by every reader.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record; refuses every text that [`Self::to_json`] would not have written.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > limits::RECORD_BYTES_MAX {
            return Err(RecordError::TooLong(bytes.len()));
        }
        let record: Self =
            serde_json::from_slice(bytes).map_err(|error| RecordError::Json(error.to_string()))?;
        record.check()?;
        if record.to_json() == bytes {
            Ok(record)
        } else {
            Err(RecordError::NotCanonical)
        }
    }

    /// What the record is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::Agencies(r) => Subject::Agencies(r.bundle),
            Self::Attachment(r) => Subject::Attachment(r.agency.clone()),
            Self::Delegation(r) => Subject::Delegation(r.parent.clone(), r.scope.clone()),
            Self::Station(r) => Subject::Station(r.name.clone()),
            Self::TrustList(r) => Subject::TrustList(r.trust_domain.clone()),
        }
    }

    /// The sequence: higher supersedes lower for the same [`Self::subject`].
    #[must_use]
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Agencies(r) => r.sequence,
            Self::Attachment(r) => r.sequence,
            Self::Delegation(r) => r.sequence,
            Self::Station(r) => r.sequence,
            Self::TrustList(r) => r.sequence,
        }
    }

    /// When the record was made.
    #[must_use]
    pub fn issued(&self) -> Timestamp {
        match self {
            Self::Agencies(r) => r.issued,
            Self::Attachment(r) => r.issued,
            Self::Delegation(r) => r.issued,
            Self::Station(r) => r.issued,
            Self::TrustList(r) => r.issued,
        }
    }

    /// Until when the record is used for new traffic.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        match self {
            Self::Agencies(r) => r.not_after,
            Self::Attachment(r) => r.not_after,
            Self::Delegation(r) => r.not_after,
            Self::Station(r) => r.not_after,
            Self::TrustList(r) => r.not_after,
        }
    }

    /// Checks every rule that needs no other record. [`Self::parse`] does; whoever makes a record
    /// calls it before signing.
    pub fn check(&self) -> Result<(), RecordError> {
        rule(
            self.issued() < self.not_after(),
            "not_after lies after issued",
        )?;
        match self {
            Self::Agencies(r) => r.check(),
            Self::Attachment(_) => Ok(()),
            Self::Delegation(r) => {
                let below = r.scope != r.parent && r.scope.is_within(&r.parent);
                rule(below, "scope lies below parent")
            }
            Self::Station(r) => r.check(),
            Self::TrustList(r) => {
                let count = limits::RECORD_LIST_MAX;
                rule((1..=count).contains(&r.roots.len()), "1 to 64 roots")?;
                rule(
                    r.tsas.len() <= count,
                    "at most 64 time-stamping authorities",
                )?;
                if r.witnesses.as_ref().is_some_and(|all| all.check().is_err()) {
                    return rule(false, "1 to 15 witnesses, each once, as many as are needed");
                }
                let Some(signers) = &r.signers else {
                    return Ok(());
                };
                let list = &signers.certificates;
                let some = list.len() <= limits::TRUST_LIST_SIGNERS_MAX && distinct(list);
                rule(some, "at most 16 signers of the list, each once")?;
                let needed = usize::from(signers.needed);
                rule(
                    (1..=list.len()).contains(&needed),
                    "as many signers as are needed",
                )
            }
        }
    }
}

impl Agencies {
    fn check(&self) -> Result<(), RecordError> {
        let count = self.agencies.len();
        rule(
            (1..=limits::RECORD_AGENCIES_MAX).contains(&count),
            "1 to 1000 agencies",
        )?;
        let rising = self.agencies.is_sorted_by(|a, b| a.code < b.code);
        rule(rising, "agency codes rise")?;
        self.agencies.iter().try_for_each(Agency::check)
    }
}

impl Station {
    /// The key that signs notes, then those that did.
    pub fn note_keys(&self) -> impl Iterator<Item = &NoteKey> {
        std::iter::once(&self.note_key).chain(&self.old_note_keys)
    }

    /// The list of old keys once another one signs: this record's key is the newest of them.
    #[must_use]
    pub fn old_note_keys_after(&self, next: &NoteKey) -> Vec<NoteKey> {
        let keys = self.note_keys().filter(|key| *key != next);
        keys.take(limits::OLD_NOTE_KEYS_MAX).copied().collect()
    }

    fn check(&self) -> Result<(), RecordError> {
        let own_log = *self.log_origin.station() == self.name;
        rule(own_log, "the log bears the station's name")?;
        let one_or_two = |list: &[Digest]| (1..=2).contains(&list.len()) && distinct(list);
        rule(one_or_two(&self.tls_sha256), "one or two TLS certificates")?;
        rule(
            one_or_two(&self.evidence_sha256),
            "one or two evidence certificates",
        )?;
        rule(
            self.addresses.len() <= limits::RECORD_LIST_MAX,
            "at most 64 addresses",
        )?;
        let old = &self.old_note_keys;
        let some = old.len() <= limits::OLD_NOTE_KEYS_MAX && distinct(old);
        rule(
            some && !old.contains(&self.note_key),
            "at most 4 old note keys, each once",
        )?;
        for list in [&self.home_relays, &self.neighbours] {
            rule(
                list.len() <= limits::RECORD_LIST_MAX,
                "at most 64 neighbours or home relays",
            )?;
            rule(
                distinct(list) && !list.contains(&self.name),
                "others, each once",
            )?;
        }
        rule(
            self.site
                .as_deref()
                .is_none_or(|site| text::check(site).is_ok()),
            "site is plain text",
        )
    }
}

fn rule(holds: bool, text: &'static str) -> Result<(), RecordError> {
    if holds {
        Ok(())
    } else {
        Err(RecordError::Rule(text))
    }
}

fn distinct<T: Ord>(list: &[T]) -> bool {
    list.iter().collect::<std::collections::BTreeSet<_>>().len() == list.len()
}

#[cfg(test)]
mod tests;
