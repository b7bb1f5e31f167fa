//! Gathers the proof package of a sent document: everything that proves, to somebody who trusts a root
//! certificate and nothing else, what was sent, by whom, and what became of it.
//!
//! Gathering reads the ledger, the station's log and the directory; writing is pure (`evidence/write.rs`).
//! Fails when a stored thing is damaged; a package is never written half. `verify` checks one.

pub mod verify;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use formats::checkpoint::SignedCheckpoint;
use formats::header::Header;
use formats::id::{AgencyCode, Digest, EnvelopeId, StationName};
use formats::receipt::{Proven, ReceiptBundle};
use formats::record::Record;
use formats::statement::Statement;
use pki::cert::Certificate;
use pki::sign::Parsed;
use relay::directory::Snapshot;
use relay::store::ProofBase;

use crate::body::Body;
use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::receipts::may_state;
use crate::store::ledger::{self, Document, StoredEnvelope};
use crate::store::receipts;
use crate::view::FileView;

/// Everything that goes into a package.
#[derive(Debug)]
struct Gathered {
    document: Document,
    packet: Body,
    envelopes: Vec<(EnvelopeId, StoredEnvelope)>,
    receipts: Vec<Receipt>,
    checkpoints: Vec<SignedCheckpoint>,
    records: Vec<Arc<[u8]>>,
    certificates: Vec<Certificate>,
    /// Roots and intermediates.
    authorities: Vec<Certificate>,
    /// In DER.
    crls: Vec<Vec<u8>>,
}

/// One receipt, with its checkpoint's number (from 1) and that checkpoint's size.
#[derive(Debug)]
struct Receipt {
    proven: Proven,
    statement: Statement,
    checkpoint: u32,
    size: u64,
}

/// The package of a document as a file.
pub(crate) async fn package(
    core: &Core,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<FileView, DeskError> {
    let gathered = gather(core, agency, id).await?;
    let (tmp, now) = (Arc::clone(&core.tmp), core.now());
    let body = tokio::task::spawn_blocking(move || write::package(&gathered, &tmp, now))
        .await
        .map_err(|error| DeskError::Internal(error.to_string()))??;
    let digest = body.digest();
    Ok(FileView {
        body,
        file_name: format!("bang-chung-{id}.zip"),
        mime: "application/zip".to_owned(),
        digest,
    })
}

async fn gather(core: &Core, agency: &AgencyCode, id: EnvelopeId) -> Result<Gathered, DeskError> {
    let pool = core.reader();
    let document = ledger::document(&pool, agency, id).await?;
    let packet = core.packets.read(&pool, document.packet).await?;
    let mut envelopes = Vec::new();
    let mut bundles = Vec::new();
    for stored in ledger::envelopes(&pool, id).await? {
        let envelope: EnvelopeId = stored
            .id
            .parse()
            .map_err(|error| internal(&format!("envelope id: {error}")))?;
        bundles.extend(own_statements(core, agency, envelope).await?);
        bundles.extend(receipts::bundles(&pool, &stored.id).await?);
        envelopes.push((envelope, stored));
    }
    let directory = core.station().directory().snapshot();
    let (receipts, checkpoints) = sort_out(bundles, &envelopes, &directory)?;
    let records = records(core, &directory, &receipts).await?;
    let mut certificates = Certificates::default();
    certificates.signers(&directory, &document, &receipts, &checkpoints, &records)?;
    let validator = directory.validator();
    Ok(Gathered {
        document,
        packet,
        envelopes,
        receipts,
        checkpoints,
        records,
        certificates: certificates.0.into_values().collect(),
        authorities: validator.authorities().cloned().collect(),
        crls: validator
            .crls()
            .iter()
            .map(|crl| crl.der().to_vec())
            .collect(),
    })
}

/// What our own station stated about an envelope, proven in a stamped checkpoint if there is one.
async fn own_statements(
    core: &Core,
    agency: &AgencyCode,
    envelope: EnvelopeId,
) -> Result<Option<ReceiptBundle>, DeskError> {
    let store = core.station().store();
    let sender = agency.clone().into();
    let read = |error: relay::store::ReadError| internal(&error);
    let Some(found) = store.find(&sender, &envelope).await.map_err(read)? else {
        return Ok(None);
    };
    store
        .statements(found.key, &[], ProofBase::FirstStamped)
        .await
        .map_err(read)
}

/// Receipts about these envelopes by who may say them, each once, and the checkpoints that they
/// need, each once. A bundle is kept as it came, and its station can put anything into it: what it
/// may not say stays out, or one neighbour could spoil every package.
fn sort_out(
    bundles: Vec<ReceiptBundle>,
    envelopes: &[(EnvelopeId, StoredEnvelope)],
    directory: &Snapshot,
) -> Result<(Vec<Receipt>, Vec<SignedCheckpoint>), DeskError> {
    let mut ours = BTreeMap::new();
    for (id, stored) in envelopes {
        let header = Header::decode(&stored.header).map_err(|error| internal(&error))?;
        ours.insert(*id, header);
    }
    let mut known = BTreeSet::new();
    let mut receipts = Vec::new();
    let mut checkpoints: Vec<SignedCheckpoint> = Vec::new();
    for bundle in bundles {
        let statements = bundle.statements().map_err(|error| internal(&error))?;
        let note = bundle
            .checkpoint
            .parsed()
            .map_err(|error| internal(&error))?;
        let mut number = None;
        for (proven, statement) in bundle.proven.into_iter().zip(statements) {
            let header = ours.get(&statement.envelope);
            if !header.is_some_and(|header| sayable(&statement, header, directory))
                || !known.insert(proven.leaf_hash())
            {
                continue;
            }
            let checkpoint = *number.get_or_insert_with(|| {
                let at = checkpoints
                    .iter()
                    .position(|one| one.note == bundle.checkpoint.note);
                let at = at.unwrap_or_else(|| {
                    checkpoints.push(bundle.checkpoint.clone());
                    checkpoints.len() - 1
                });
                u32::try_from(at + 1).unwrap_or(u32::MAX)
            });
            receipts.push(Receipt {
                proven,
                statement,
                checkpoint,
                size: note.checkpoint.size,
            });
        }
    }
    receipts.sort_by_key(|receipt| receipt.statement.time);
    Ok((receipts, checkpoints))
}

/// The statement agrees with the header it is about, and its station may make it.
fn sayable(statement: &Statement, header: &Header, directory: &Snapshot) -> bool {
    let context = header.context();
    statement.header_digest == header.digest()
        && statement.commitment == context.commitment
        && statement.sender == context.sender
        && context.recipients.contains(&statement.recipient)
        && statement
            .recipient
            .agency()
            .is_some_and(|recipient| may_state(directory, statement, recipient))
}

/// The records that show who may speak: trust list, the stations, their agencies' attachments.
async fn records(
    core: &Core,
    directory: &Snapshot,
    receipts: &[Receipt],
) -> Result<Vec<Arc<[u8]>>, DeskError> {
    let mut all: BTreeMap<Digest, Arc<[u8]>> = BTreeMap::new();
    let mut keep = |bytes: &Arc<[u8]>| {
        all.insert(Digest::of(bytes), Arc::clone(bytes));
    };
    for receipt in receipts {
        let statement = &receipt.statement;
        if let Some(station) = directory.station(&statement.station) {
            keep(&station.signed);
        }
        let Some(recipient) = statement.recipient.agency() else {
            continue;
        };
        if let Some((_, signed)) = directory.attachment(recipient, statement.time) {
            keep(&signed);
        }
        if let Some(delegation) = directory.delegation(recipient, statement.time)
            && let Some((_, signed)) = directory.attachment(&delegation.parent, statement.time)
        {
            keep(&signed);
        }
        if let Some(entry) = directory.agency(recipient) {
            keep(&entry.signed);
        }
    }
    let folder = core.records.clone();
    let sequence = directory.trust_list().sequence;
    let found = tokio::task::spawn_blocking(move || rare_records(folder, sequence))
        .await
        .map_err(|error| internal(&error))??;
    found.iter().for_each(keep);
    Ok(all.into_values().collect())
}

/// The trust list in force and the delegations: few, and known to the directory in parsed form only.
fn rare_records(folder: PathBuf, sequence: u64) -> Result<Vec<Arc<[u8]>>, DeskError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "rec") {
            continue;
        }
        let bytes = std::fs::read(&path)?;
        let Ok(opened) = pki::record::open(&bytes) else {
            continue;
        };
        let wanted = match &opened.record {
            Record::TrustList(list) => list.sequence == sequence,
            Record::Delegation(_) => true,
            Record::Agencies(_) | Record::Attachment(_) | Record::Station(_) => false,
        };
        if wanted {
            found.push(Arc::from(bytes));
        }
    }
    Ok(found)
}

/// Certificates by digest.
#[derive(Debug, Default)]
struct Certificates(BTreeMap<Digest, Certificate>);

impl Certificates {
    fn keep(&mut self, certificate: Certificate) {
        self.0.insert(certificate.sha256(), certificate);
    }

    /// Everybody who signed something in the package.
    fn signers(
        &mut self,
        directory: &Snapshot,
        document: &Document,
        receipts: &[Receipt],
        checkpoints: &[SignedCheckpoint],
        records: &[Arc<[u8]>],
    ) -> Result<(), DeskError> {
        let signer: Digest = document
            .view
            .signature
            .certificate
            .parse()
            .map_err(|_| internal(&"stored certificate digest"))?;
        let mut wanted = BTreeSet::from([signer]);
        let stations: BTreeSet<&StationName> = receipts
            .iter()
            .map(|receipt| &receipt.statement.station)
            .collect();
        for station in stations {
            if let Some(entry) = directory.station(station) {
                wanted.extend(entry.record().evidence_sha256.iter().copied());
            }
        }
        for checkpoint in checkpoints {
            let parsed = Parsed::parse(&checkpoint.cms).map_err(|error| internal(&error))?;
            wanted.extend(parsed.signer_sha256());
        }
        for certificate in wanted
            .iter()
            .filter_map(|digest| directory.certificate(digest))
        {
            self.keep(certificate);
        }
        for record in records {
            let opened = pki::record::open(record).map_err(|error| internal(&error))?;
            self.keep(opened.signer);
        }
        let parsed = Parsed::parse(&document.packet_signature).map_err(|error| internal(&error))?;
        parsed
            .embedded_certificates()
            .into_iter()
            .for_each(|one| self.keep(one));
        Ok(())
    }
}

fn internal(error: &dyn std::fmt::Display) -> DeskError {
    DeskError::Internal(format!("evidence: {error}"))
}
