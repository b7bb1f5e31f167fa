//! The monitor: reads an authority's log of certificates and tells which ones an agency did not ask
//! for.
//!
//! Owns: the checkpoint's judgement against the pinned root, the log's consistency with what was
//! read before (the whole tree is recomputed from the leaves, so a fork, a rewind or a changed
//! leaf cannot hide), and the comparison with the agency's own keys. Whoever runs it needs no trust
//! in the authority but its root's fingerprint. Fails with [`MonitorError`]; [`MonitorError::is_alarm`]
//! tells misbehaviour from a bad line.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::checkpoint::SignedCheckpoint;
use formats::id::{AgencyCode, Digest, Party, TrustDomain};
use formats::merkle::{self, Frontier};
use formats::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::log::AuditHead;
use super::office::SERVER_LABEL;
use super::public::{LogEntries, LogHead};
use crate::cert::{CertError, Certificate};
use crate::chain::{ChainError, TrustStore, Validator};
use crate::note::{self, NoteError};
use crate::role::Role;

/// Why the log is not read, or what is wrong with it.
#[derive(Debug, Error)]
pub enum MonitorError {
    /// A certificate of the answer is damaged.
    #[error("certificate in the answer: {0}")]
    Certificate(#[from] CertError),
    /// The signer of the checkpoint is not believed.
    #[error("signer of the checkpoint: {0}")]
    Chain(#[from] ChainError),
    /// The log is another one than before, or says another past.
    #[error("the log of certificates was changed: {0}")]
    Forked(String),
    /// The authority cannot be reached.
    #[error("authority: {0}")]
    Http(#[from] reqwest::Error),
    /// The checkpoint's signatures do not hold.
    #[error("checkpoint: {0}")]
    Note(#[from] NoteError),
    /// The root is another one than the pinned.
    #[error("the authority's root is not the one with this fingerprint")]
    Root,
    /// The answer is not what a log answers.
    #[error("answer of the log: {0}")]
    Unreadable(&'static str),
}

impl MonitorError {
    /// Whether this shows a log that misbehaves, not only one that does not answer.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        !matches!(self, Self::Http(_) | Self::Unreadable(_))
    }
}

/// What is remembered between two runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Name of the log; empty before the first run.
    pub origin: String,
    /// Its Ed25519 key, base64.
    pub note_key: String,
    /// The tree as far as it was read.
    pub frontier: String,
    /// The newest checkpoint seen, base64: proof of what the log once said.
    pub checkpoint: String,
    /// Certificates that were raised and not accepted.
    pub raised: Vec<Raised>,
    /// Fingerprints that a person has accepted.
    pub accepted: BTreeSet<String>,
}

/// A certificate in an agency's name with a key that the agency does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// SHA-256 of the certificate in hexadecimal.
    pub sha256: String,
    /// Whom it names.
    pub name: String,
    /// Its role.
    pub role: String,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// Start of validity, RFC 3339.
    pub not_before: String,
    /// Place in the log.
    pub place: u64,
}

/// What is watched.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Where the authority answers everybody, for example `http://pki.example:3180`.
    pub url: String,
    /// SHA-256 of its root.
    pub root: Digest,
    /// These agencies and all below them.
    pub agencies: Vec<AgencyCode>,
    /// SHA-256 of the SubjectPublicKeyInfo of every key that is the agency's own.
    pub known: BTreeSet<Digest>,
}

/// Reads what is new in the log into `state`. Gives how many certificates were read.
///
/// # Errors
/// [`MonitorError`]; `state` is then as before.
pub async fn read(watch: &Watch, state: &mut State, now: Timestamp) -> Result<u64, MonitorError> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    let base = watch.url.trim_end_matches('/');
    let head: LogHead = fetch(&client, format!("{base}/log/checkpoint")).await?;
    let (signed, validator) = judged(watch, &head, now)?;
    let checkpoint = signed.parsed().map_err(NoteError::from)?.checkpoint;
    let origin = checkpoint.origin.to_string();
    let mut next = state.clone();
    if state.origin.is_empty() {
        next.origin = origin;
        next.note_key = head.note_key;
    } else if state.origin != origin || state.note_key != head.note_key {
        return Err(MonitorError::Forked(format!(
            "it was {} with key {}, now it is {origin} with key {}",
            state.origin, state.note_key, head.note_key
        )));
    }
    let mut frontier = Frontier::from_text(&state.frontier).unwrap_or_default();
    if frontier.size() > checkpoint.size {
        return Err(MonitorError::Forked(format!(
            "it had {} certificates, now it has {}",
            frontier.size(),
            checkpoint.size
        )));
    }
    let before = frontier.size();
    while frontier.size() < checkpoint.size {
        let from = frontier.size();
        let page: LogEntries = fetch(&client, format!("{base}/log/entries?from={from}")).await?;
        let left = checkpoint.size.saturating_sub(from);
        let page = page
            .certificates
            .iter()
            .take(usize::try_from(left).unwrap_or(usize::MAX));
        for text in page {
            let der = STANDARD.decode(text);
            let der = der.map_err(|_| MonitorError::Unreadable("not base64"))?;
            look(
                watch,
                &der,
                frontier.size(),
                validator.trust_domain(),
                &mut next,
            );
            frontier.push(merkle::leaf_hash(&der));
        }
        if frontier.size() == from {
            return Err(MonitorError::Forked(
                "announced certificates are kept back".to_owned(),
            ));
        }
    }
    if frontier.root() != checkpoint.root {
        return Err(MonitorError::Forked(format!(
            "the first {} certificates are not those of before, or not those of the checkpoint",
            checkpoint.size
        )));
    }
    next.frontier = frontier.to_text();
    next.checkpoint = head.checkpoint;
    next.raised
        .retain(|one| !next.accepted.contains(&one.sha256));
    *state = next;
    Ok(frontier.size().saturating_sub(before))
}

/// The checkpoint, signed by the authority of the pinned root.
fn judged(
    watch: &Watch,
    head: &LogHead,
    now: Timestamp,
) -> Result<(SignedCheckpoint, Validator), MonitorError> {
    let authorities = head.authorities.iter();
    let authorities = authorities.map(|pem| Certificate::from_pem(pem.as_bytes()));
    let (roots, between): (Vec<_>, Vec<_>) = authorities
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .partition(|cert| cert.sha256() == watch.root);
    if roots.is_empty() {
        return Err(MonitorError::Root);
    }
    let evidence = Certificate::from_pem(head.evidence.as_bytes())?;
    let domain = evidence.dns_name()?.split_once('.');
    let domain = domain.and_then(|(_, domain)| TrustDomain::parse(domain).ok());
    let domain = domain.ok_or(MonitorError::Unreadable("the signer has no name of ours"))?;
    let validator = Validator::new(TrustStore {
        trust_domain: domain,
        roots,
        intermediates: between,
        crls: Vec::new(),
        ocsp: Vec::new(),
    });
    let signer = validator.verify(&evidence, Role::StationEvidence, now)?;
    let ours = matches!(signer.party(), Some(Party::Station(name))
        if name.as_str().starts_with(&format!("{SERVER_LABEL}-")));
    if !ours {
        return Err(MonitorError::Unreadable(
            "a station signed, not the authority",
        ));
    }
    let decoded = STANDARD.decode(&head.checkpoint).ok();
    let signed = decoded.and_then(|bytes| SignedCheckpoint::decode(&bytes).ok());
    let signed = signed.ok_or(MonitorError::Unreadable("no checkpoint"))?;
    let key: Option<[u8; 32]> = STANDARD
        .decode(&head.note_key)
        .ok()
        .and_then(|key| key.try_into().ok());
    let key = key.ok_or(MonitorError::Unreadable("no key of the log"))?;
    note::verify_checkpoint(&signed, &key, &signer)?;
    Ok((signed, validator))
}

/// Raises a certificate in a watched name with an unknown key. What does not parse is raised too: it
/// was signed, whatever it is.
fn look(watch: &Watch, der: &[u8], place: u64, domain: &TrustDomain, state: &mut State) {
    if AuditHead::from_leaf(der).is_some() {
        return;
    }
    let sha256 = Digest::of(der).to_string();
    let raised = match Certificate::parse(der) {
        Ok(cert) => {
            let named = match cert.party(domain) {
                Ok(Party::Agency(code)) => code,
                Ok(Party::Station(_)) | Err(_) => return,
            };
            let mut watched = watch.agencies.iter();
            let watched = watched.any(|code| named == *code || named.is_within(code));
            if !watched || watch.known.contains(&Digest::of(cert.spki_der())) {
                return;
            }
            Raised {
                sha256,
                name: named.to_string(),
                role: cert.role().map_or("unknown", Role::as_str).to_owned(),
                serial: cert.serial_hex(),
                not_before: cert.not_before().rfc3339(),
                place,
            }
        }
        Err(_) => Raised {
            sha256,
            name: "unreadable".to_owned(),
            role: "unknown".to_owned(),
            serial: String::new(),
            not_before: String::new(),
            place,
        },
    };
    state.raised.push(raised);
}

async fn fetch<T: DeserializeOwned>(
    client: &reqwest::Client,
    url: String,
) -> Result<T, MonitorError> {
    let sent = client.get(url).send().await?;
    let mut response = sent.error_for_status()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
            return Err(MonitorError::Unreadable("too long"));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|_| MonitorError::Unreadable("not JSON of a log"))
}

/// A page of 500 certificates has about half a megabyte.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);
