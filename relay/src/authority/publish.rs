//! Publish: what a station and its agencies say of themselves, signed where the keys lie and given to
//! the authority, which shows it to everybody.
//!
//! Owns: how a station record follows the certificates of its station. While a certificate is
//! renewed the record names the old one and the new one, so that whoever has this record accepts
//! both; it is published before the new one is used. Fails by the authority or the key. Must not
//! know: when.

use std::path::Path;

use formats::checkpoint::LogOrigin;
use formats::id::{AgencyCode, Digest, StationName};
use formats::limits;
use formats::record::{Address, Attachment, NoteKey, Record, Station, StationKind, StationLimits};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::enrol::is_file_name;
use pki::key::{LogKey, SigningKey};
use pki::tls::StationIdentity;

use super::client::{Client, ClientError};
use super::put;

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The authority.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The disk (environment).
    #[error("{0}")]
    Disk(String),
    /// The authority keeps something else than it was given (its fault).
    #[error("the authority published other bytes than it was given")]
    OtherBytes,
    /// The record breaks a rule, or the key does not sign.
    #[error(transparent)]
    Record(#[from] pki::record::RecordError),
}

/// Who signs.
#[derive(Clone, Copy, Debug)]
pub struct Pen<'a> {
    /// The key.
    pub key: &'a SigningKey,
    /// Its certificate.
    pub certificate: &'a Certificate,
}

impl Pen<'_> {
    /// Signs a record.
    ///
    /// # Errors
    /// The key does not sign, or may not say this.
    pub fn sign(&self, record: &Record, now: Timestamp) -> Result<Vec<u8>, PublishError> {
        Ok(pki::record::sign(record, self.key, self.certificate, now)?)
    }
}

/// What an operator says of a new station.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// Its name.
    pub name: StationName,
    /// Relay or node.
    pub kind: StationKind,
    /// Where it is dialled; none for a node that only dials out.
    pub address: Option<Address>,
    /// Relays of a node.
    pub home_relays: Vec<StationName>,
    /// Relays of a relay.
    pub neighbours: Vec<StationName>,
}

/// The first record of a station.
#[must_use]
pub fn first_record(
    who: &Introduction,
    tls: &Certificate,
    evidence: &Certificate,
    log: &LogKey,
    now: Timestamp,
) -> Station {
    Station {
        name: who.name.clone(),
        sequence: 1,
        issued: now.floor_s(),
        not_after: evidence.not_after(),
        kind: who.kind,
        tls_sha256: vec![tls.sha256()],
        evidence_sha256: vec![evidence.sha256()],
        log_origin: LogOrigin::new(who.name.clone(), 1),
        note_key: NoteKey::from_bytes(log.public()),
        old_note_keys: vec![],
        addresses: who.address.iter().cloned().collect(),
        home_relays: who.home_relays.clone(),
        site: None,
        neighbours: who.neighbours.clone(),
        limits: StationLimits {
            body_bytes: limits::PACKET_BYTES_MAX,
            transfers: TRANSFERS,
        },
    }
}

/// The first attachment of an agency.
#[must_use]
pub fn first_attachment(
    agency: &AgencyCode,
    station: &StationName,
    signature: &Certificate,
    now: Timestamp,
) -> Record {
    Record::Attachment(Attachment {
        agency: agency.clone(),
        sequence: 1,
        issued: now.floor_s(),
        not_after: signature.not_after(),
        station: station.clone(),
        from: now.floor_s(),
    })
}

/// A certificate in use and the one that comes next.
#[derive(Clone, Debug)]
pub struct InUse {
    /// In use.
    pub current: Digest,
    /// Waits for its day.
    pub next: Option<Digest>,
}

impl InUse {
    /// The names that a record gives: both while one is renewed; afterwards the old one stays, for
    /// links and statements that were made with it.
    fn named(&self, held: &[Digest]) -> Vec<Digest> {
        match self.next {
            Some(next) => vec![self.current, next],
            None if held.contains(&self.current) => held.to_vec(),
            None => vec![self.current],
        }
    }
}

/// The log as it goes on.
#[derive(Clone, Debug)]
pub struct InLog {
    /// The epoch that is open.
    pub origin: LogOrigin,
    /// The key that signs its notes.
    pub note_key: NoteKey,
}

/// The record that has to follow `held`, or nothing while that one still tells the truth.
#[must_use]
pub fn next_record(
    held: &Station,
    tls: &InUse,
    evidence: &InUse,
    log: &InLog,
    signer: &Certificate,
    now: Timestamp,
) -> Option<Station> {
    let next = Station {
        sequence: held.sequence.saturating_add(1),
        issued: now.floor_s(),
        not_after: signer.not_after(),
        tls_sha256: tls.named(&held.tls_sha256),
        evidence_sha256: evidence.named(&held.evidence_sha256),
        log_origin: log.origin.clone(),
        note_key: log.note_key,
        old_note_keys: held.old_note_keys_after(&log.note_key),
        ..held.clone()
    };
    let same = next.not_after == held.not_after
        && next.tls_sha256 == held.tls_sha256
        && next.evidence_sha256 == held.evidence_sha256
        && next.log_origin == held.log_origin
        && next.note_key == held.note_key;
    (!same).then_some(next)
}

/// Gives a signed record to the authority and keeps it in the records folder under the name that the
/// authority shows it by.
pub async fn publish(
    client: &Client,
    identity: &StationIdentity,
    folder: &Path,
    signed: &[u8],
) -> Result<(), PublishError> {
    let published = client.publish(identity, signed).await?;
    let file = published
        .files
        .iter()
        .find(|file| file.sha256 == Some(Digest::of(signed)) && is_file_name(&file.name))
        .ok_or(PublishError::OtherBytes)?;
    put(&folder.join(&file.name), signed).map_err(PublishError::Disk)
}

/// Transfers in flight on one link: more only add queueing (measured at about 16).
const TRANSFERS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_old_and_new_while_one_is_renewed_and_keeps_the_old_one_after() {
        let [old, new, newer] = ["old", "new", "newer"].map(|text| Digest::of(text.as_bytes()));
        let in_use = |current, next| InUse { current, next };
        assert_eq!(in_use(old, None).named(&[old]), [old]);
        assert_eq!(in_use(old, Some(new)).named(&[old]), [old, new]);
        assert_eq!(in_use(new, None).named(&[old, new]), [old, new]);
        assert_eq!(in_use(new, Some(newer)).named(&[old, new]), [new, newer]);
        // Replaced by hand: the record is of another certificate altogether.
        assert_eq!(in_use(newer, None).named(&[old, new]), [newer]);
    }
}
