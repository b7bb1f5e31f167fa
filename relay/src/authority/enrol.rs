//! Enrol: from a one-time token to a folder that a station runs in.
//!
//! ```text
//!  DIR/enrol.json          which token, which authority, what it allows      (first, before any key)
//!  DIR/keys/               tls, evidence, log, trust-list.crt
//!  DIR/agencies/CODE/      signature, encryption                             (nodes)
//!  DIR/enrol-answer.json   what was issued: public, kept so that nothing is asked twice
//!  DIR/records/            what the authority publishes, ours included
//! ```
//!
//! Keys are made here, durable before the request, and never leave. Every step looks what is already
//! there, so the same command with the same token goes on after any interruption: the requests are
//! the same, and so is the answer. Owns these names and their order. Fails with [`EnrolError`]. Must
//! not know: what the agencies' keys are for, configuration files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::id::{Digest, Party, StationName};
use formats::record::{Record, Subject};
use pki::cert::Certificate;
use pki::chain::{TrustStore, Validator};
use pki::enrol::{Enrol, Grant, Issued};
use pki::key::{LogKey, SigningKey};
use pki::pair::Pair;
use pki::record::{PinError, TrustPin};
use pki::role::Role;
use pki::tls::{AuthorityTrust, StationIdentity, TlsError};
use serde::{Deserialize, Serialize};

use super::client::{Client, ClientError};
use super::publish::{self, Introduction, Pen, PublishError};
use super::pull::{Guard, PullError, Puller};
use super::renew::{RenewError, Slot, Stage, fitting};
use super::standing::Renewal;
use super::{AuthoritySettings, put};
use crate::clock::Clock;

/// Why a station is not enrolled yet.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The authority, or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The disk (environment).
    #[error("{0}")]
    Disk(String),
    /// The folder belongs to another enrolment.
    #[error("{folder} is already enrolled as {station}")]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        station: StationName,
    },
    /// What was issued does not hold.
    #[error(transparent)]
    Issued(#[from] RenewError),
    /// The token is for another kind of station.
    #[error("the token is for a {0}")]
    OtherKind(&'static str),
    /// The signers of the trust list cannot be pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The records do not arrive.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// Our records are not taken.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The answer lacks the root that the fingerprint names.
    #[error("the authority sent no root with the given fingerprint")]
    Root,
    /// A key cannot be used for TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl From<pki::pair::PairError> for EnrolError {
    fn from(error: pki::pair::PairError) -> Self {
        Self::Disk(error.to_string())
    }
}

impl From<pki::key::KeyError> for EnrolError {
    fn from(error: pki::key::KeyError) -> Self {
        Self::Disk(error.to_string())
    }
}

/// What is written down first.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    /// Of the token itself only the digest is kept.
    token_sha256: Digest,
    authority: String,
    fingerprint: Digest,
    grant: Grant,
    finished: bool,
}

/// An enrolment on its way.
#[derive(Debug)]
pub struct Enrolment {
    folder: PathBuf,
    token: String,
    order: Order,
    client: Client,
    clock: Clock,
}

/// What the station believes from now on, and who it is.
#[derive(Debug)]
pub struct Enrolled {
    validator: Validator,
    /// Who it is on links and towards the authority.
    pub identity: StationIdentity,
}

impl Enrolment {
    /// Asks what the token is for, or finds it in the folder where this was begun before.
    pub async fn begin(
        folder: &Path,
        settings: &AuthoritySettings,
        token: &str,
        clock: Clock,
    ) -> Result<Self, EnrolError> {
        let trust = AuthorityTrust::Pinned(settings.fingerprint);
        let client = Client::new(settings.endpoint.clone(), trust, clock.clone());
        let token_sha256 = Digest::of(token.as_bytes());
        let order = match begun(folder)? {
            Some(order) if order.token_sha256 == token_sha256 => order,
            Some(order) => {
                return Err(EnrolError::Taken {
                    folder: folder.to_owned(),
                    station: order.grant.station,
                });
            }
            None => Order {
                token_sha256,
                authority: settings.endpoint.to_string(),
                fingerprint: settings.fingerprint,
                grant: client.preview(token).await?,
                finished: false,
            },
        };
        Ok(Self {
            folder: folder.to_owned(),
            token: token.to_owned(),
            order,
            client,
            clock,
        })
    }

    /// What the token allows.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.order.grant
    }

    /// Whether everything was done in an earlier run.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.order.finished
    }

    /// The station's own slots.
    #[must_use]
    pub fn station_slots(&self) -> [Slot; 2] {
        let keys = self.folder.join(KEYS);
        let slot = |role, stem: &str| Slot {
            role,
            party: Party::Station(self.order.grant.station.clone()),
            pair: Pair::within(&keys, stem),
            passphrase: None,
        };
        [
            slot(Role::StationTls, "tls"),
            slot(Role::StationEvidence, "evidence"),
        ]
    }

    /// Gets a certificate for every slot and puts keys and certificates into their places.
    /// [`ClientError::Waiting`] and others that pass: call again.
    pub async fn certify(&self, slots: &[Slot]) -> Result<Enrolled, EnrolError> {
        self.write_order()?;
        self.make_folders(slots)?;
        let issued = match self.known_answer()? {
            Some(issued) => issued,
            None => self.ask(slots).await?,
        };
        let now = self.clock.now();
        let validator = self.validator(&issued)?;
        let certificates = fitting(&issued, slots.len())?;
        for (slot, issued) in slots.iter().zip(certificates) {
            slot.pair.recover()?;
            let certificate = Certificate::from_pem(issued.certificate.as_bytes());
            let certificate = certificate.map_err(RenewError::Certificate)?;
            if slot.pair.current()?.as_ref() == Some(&certificate) {
                continue;
            }
            slot.take(issued, &validator, now)?;
            slot.pair.switch(None)?;
        }
        self.make_log_key()?;
        self.pin_trust_list(&issued, &validator)?;
        Ok(Enrolled {
            identity: self.identity(&validator)?,
            validator,
        })
    }

    async fn ask(&self, slots: &[Slot]) -> Result<Issued, EnrolError> {
        let now = self.clock.now();
        let mut requests = Vec::with_capacity(slots.len());
        for slot in slots {
            match slot.stage(Renewal::Automatic, now, true)? {
                Stage::Wants(request) => requests.push(*request),
                Stage::Ready(_) | Stage::Rests | Stage::ByHand => {
                    return Err(EnrolError::Disk(format!(
                        "{} holds a certificate of another enrolment",
                        slot.pair.certificate_file().display()
                    )));
                }
            }
        }
        let wanted = Enrol {
            token: self.token.clone(),
            requests,
        };
        let issued = self.client.enrol(&wanted).await?;
        // Looked at before it is kept: a bad answer must be asked for again.
        let validator = self.validator(&issued)?;
        for (slot, issued) in slots.iter().zip(fitting(&issued, slots.len())?) {
            slot.take(issued, &validator, now)?;
        }
        let text =
            serde_json::to_vec(&issued).map_err(|error| EnrolError::Disk(error.to_string()))?;
        put(&self.folder.join(ANSWER_FILE), &text).map_err(EnrolError::Disk)?;
        Ok(issued)
    }

    /// Believes nothing but the pinned root.
    fn validator(&self, issued: &Issued) -> Result<Validator, EnrolError> {
        let mut roots = Vec::new();
        let mut intermediates = Vec::new();
        for pem in issued.authorities.iter().take(AUTHORITIES_MAX) {
            let all = Certificate::all_from_pem(pem.as_bytes());
            for one in all.map_err(RenewError::Certificate)? {
                if one.sha256() == self.order.fingerprint {
                    roots.push(one);
                } else {
                    intermediates.push(one);
                }
            }
        }
        if roots.is_empty() {
            return Err(EnrolError::Root);
        }
        Ok(Validator::new(TrustStore {
            trust_domain: self.order.grant.trust_domain.clone(),
            roots,
            intermediates,
            crls: Vec::new(),
            ocsp: Vec::new(),
        }))
    }

    fn make_log_key(&self) -> Result<(), EnrolError> {
        let file = self.folder.join(KEYS).join("log.key");
        if file.exists() {
            return Ok(());
        }
        let part = file.with_extension("part");
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(EnrolError::Disk(error.to_string()));
            }
            _ => {}
        }
        LogKey::generate()?.save(&part, None)?;
        std::fs::rename(&part, &file).map_err(|error| EnrolError::Disk(error.to_string()))
    }

    fn pin_trust_list(&self, issued: &Issued, validator: &Validator) -> Result<(), EnrolError> {
        let mut signers = Vec::new();
        for pem in issued.trust_list.iter().take(AUTHORITIES_MAX) {
            let one = Certificate::from_pem(pem.as_bytes()).map_err(RenewError::Certificate)?;
            validator
                .verify(&one, Role::TrustList, self.clock.now())
                .map_err(RenewError::Chain)?;
            signers.push(one);
        }
        // What is left unsaid never makes the list easier to forge.
        let needed = issued.trust_list_needed.unwrap_or(signers.len());
        let pin = TrustPin::new(needed, signers).map_err(EnrolError::Pin)?;
        let file = self.folder.join(KEYS).join("trust-list.crt");
        put(&file, pin.to_text().as_bytes()).map_err(EnrolError::Disk)
    }

    fn identity(&self, validator: &Validator) -> Result<StationIdentity, EnrolError> {
        let [tls, _] = self.station_slots();
        let own = tls
            .pair
            .current()?
            .ok_or(RenewError::Other("no certificate"))?;
        let key = SigningKey::load(tls.pair.key_file(), None)?;
        let verified = validator
            .verify(&own, Role::StationTls, own.not_before())
            .map_err(RenewError::Chain)?;
        let chain = verified.path().iter().skip(1).rev().cloned().collect();
        let name = self.order.grant.station.clone();
        Ok(StationIdentity::new(
            name,
            chain,
            key,
            &self.order.grant.trust_domain,
        )?)
    }

    /// Brings everything that is published into `records/`; says how many files are there.
    pub async fn pull(&self, enrolled: &Enrolled) -> Result<usize, EnrolError> {
        let records = self.folder.join(RECORDS);
        let mut puller = Puller::open(&records, &self.folder.join(DATA), &self.client)?;
        let guard = Guard {
            validator: Some(enrolled.validator.clone()),
            room: Arc::new(|_| true),
        };
        for _ in 0..ROUNDS_MAX {
            if !puller.round(&self.client, &guard, 0).await?.more {
                break;
            }
        }
        let files =
            std::fs::read_dir(&records).map_err(|error| EnrolError::Disk(error.to_string()))?;
        Ok(files.count())
    }

    /// Publishes the station's record and the attachments of its agencies, unless they are.
    pub async fn introduce(
        &self,
        who: &Introduction,
        agencies: &[(formats::id::AgencyCode, Pair)],
        enrolled: &Enrolled,
    ) -> Result<(), EnrolError> {
        let now = self.clock.now();
        let [tls, evidence] = self.station_slots();
        let missing = || RenewError::Other("no certificate");
        let tls = tls.pair.current()?.ok_or_else(missing)?;
        let (key, certificate) = pen(&evidence.pair)?;
        let log = LogKey::load(&self.folder.join(KEYS).join("log.key"), None)?;
        let mut station = publish::first_record(who, &tls, &certificate, &log, now);
        let subject = Subject::Station(who.name.clone());
        let held = self.newest(&subject)?;
        let same = matches!(&held, Some(Record::Station(held))
            if held.tls_sha256 == station.tls_sha256 && held.evidence_sha256 == station.evidence_sha256);
        if !same {
            station.sequence = held.map_or(1, |held| held.sequence().saturating_add(1));
            let pen = Pen {
                key: &key,
                certificate: &certificate,
            };
            self.publish(&pen, &Record::Station(station), enrolled)
                .await?;
        }
        for (code, pair) in agencies {
            let (key, certificate) = pen(pair)?;
            let held = self.newest(&Subject::Attachment(code.clone()))?;
            let same = matches!(&held, Some(Record::Attachment(held))
                if held.station == who.name && held.not_after == certificate.not_after());
            if same {
                continue;
            }
            let mut record = publish::first_attachment(code, &who.name, &certificate, now);
            if let Record::Attachment(attachment) = &mut record {
                attachment.sequence = held.map_or(1, |held| held.sequence().saturating_add(1));
            }
            let pen = Pen {
                key: &key,
                certificate: &certificate,
            };
            self.publish(&pen, &record, enrolled).await?;
        }
        Ok(())
    }

    async fn publish(
        &self,
        pen: &Pen<'_>,
        record: &Record,
        enrolled: &Enrolled,
    ) -> Result<(), EnrolError> {
        let signed = pen.sign(record, self.clock.now())?;
        let folder = self.folder.join(RECORDS);
        publish::publish(&self.client, &enrolled.identity, &folder, &signed).await?;
        Ok(())
    }

    /// The newest record about a subject in the folder.
    fn newest(&self, subject: &Subject) -> Result<Option<Record>, EnrolError> {
        newest_record(&self.folder.join(RECORDS), subject)
            .map_err(|error| EnrolError::Disk(error.to_string()))
    }

    /// Writes down that nothing is left to do.
    pub fn finish(&mut self) -> Result<(), EnrolError> {
        self.order.finished = true;
        self.write_order()
    }

    fn write_order(&self) -> Result<(), EnrolError> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| EnrolError::Disk(format!("{}: {error}", self.folder.display())))?;
        let text = serde_json::to_vec_pretty(&self.order)
            .map_err(|error| EnrolError::Disk(error.to_string()))?;
        put(&self.folder.join(ORDER_FILE), &text).map_err(EnrolError::Disk)
    }

    fn make_folders(&self, slots: &[Slot]) -> Result<(), EnrolError> {
        let files = slots.iter().map(|slot| slot.pair.key_file());
        for folder in files.filter_map(Path::parent) {
            std::fs::create_dir_all(folder)
                .map_err(|error| EnrolError::Disk(format!("{}: {error}", folder.display())))?;
        }
        Ok(())
    }

    fn known_answer(&self) -> Result<Option<Issued>, EnrolError> {
        match std::fs::read(self.folder.join(ANSWER_FILE)) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EnrolError::Disk(error.to_string())),
        }
    }
}

/// The newest record about a subject in a folder of records; unjudged.
///
/// # Errors
/// The folder cannot be read.
pub fn newest_record(folder: &Path, subject: &Subject) -> std::io::Result<Option<Record>> {
    let mut newest: Option<Record> = None;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "rec") {
            continue;
        }
        let Ok(opened) = pki::record::open(&std::fs::read(&path)?) else {
            continue;
        };
        let newer = newest
            .as_ref()
            .is_none_or(|held| held.sequence() < opened.record.sequence());
        if opened.record.subject() == *subject && newer {
            newest = Some(opened.record);
        }
    }
    Ok(newest)
}

fn begun(folder: &Path) -> Result<Option<Order>, EnrolError> {
    match std::fs::read(folder.join(ORDER_FILE)) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| EnrolError::Disk(format!("{ORDER_FILE}: {error}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(EnrolError::Disk(error.to_string())),
    }
}

fn pen(pair: &Pair) -> Result<(SigningKey, Certificate), EnrolError> {
    let certificate = pair.current()?.ok_or(RenewError::Other("no certificate"))?;
    Ok((SigningKey::load(pair.key_file(), None)?, certificate))
}

/// Folder of the station's keys.
pub const KEYS: &str = "keys";
/// Folder of records.
pub const RECORDS: &str = "records";
/// Folder of the store.
pub const DATA: &str = "data";
const ORDER_FILE: &str = "enrol.json";
const ANSWER_FILE: &str = "enrol-answer.json";
/// Authorities that an answer may bring.
const AUTHORITIES_MAX: usize = 64;
/// A thousand files a round: a million is more than a country has.
const ROUNDS_MAX: usize = 1_000;
