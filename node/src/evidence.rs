//! Gathers the proof package of a sent document: everything that proves, to somebody who trusts a root
//! certificate and nothing else, what was sent, by whom, and what became of it.
//!
//! Gathering reads the ledger, the station's log, the directory and what was kept of it (`keep`, `past`);
//! writing is pure (`write`, `page`). Fails when a stored thing is damaged; a package is never written half.
//! `verify` checks one, `report` shows the result to people.

pub(crate) mod keep;
mod page;
pub(crate) mod past;
pub mod report;
pub mod verify;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use formats::checkpoint::SignedCheckpoint;
use formats::header::Header;
use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::receipt::Proven;
use formats::statement::Statement;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::sign::Parsed;
use relay::directory::Snapshot;

use crate::body::Body;
use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::store::ledger::{self, Document, StoredEnvelope};
use crate::story::{self, Story, Told};
use crate::view::FileView;
use past::Past;

/// How much of the document goes into its package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contents {
    /// Only its digest and the salts of its commitments: for restricted content. A document whose content
    /// was deleted has no other form.
    Digest,
    /// The packet itself.
    #[default]
    Packet,
}

/// Everything that goes into a package.
struct Gathered {
    document: Document,
    /// `None`: only its digest.
    packet: Option<Body>,
    envelopes: Vec<(EnvelopeId, StoredEnvelope)>,
    receipts: Vec<Receipt>,
    checkpoints: Vec<SignedCheckpoint>,
    records: Vec<Arc<[u8]>>,
    certificates: Vec<Certificate>,
    /// Roots and intermediates.
    authorities: Vec<Certificate>,
    /// In DER.
    crls: Vec<Arc<[u8]>>,
}

/// One receipt, with its checkpoint's number (from 1) and that checkpoint's size.
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
    contents: Contents,
) -> Result<FileView, DeskError> {
    let gathered = gather(core, agency, id, contents).await?;
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

async fn gather(
    core: &Core,
    agency: &AgencyCode,
    id: EnvelopeId,
    contents: Contents,
) -> Result<Gathered, DeskError> {
    let pool = core.reader();
    let document = ledger::document(&pool, agency, id).await?;
    let packet = match contents {
        Contents::Digest => None,
        // Evidence outlives the content: what was deleted is proven by its digest.
        Contents::Packet if document.view.content_deleted.is_some() => None,
        Contents::Packet => match core.packets.read(&pool, document.packet).await {
            Err(DeskError::NotFound) => None,
            read => Some(read?),
        },
    };
    let mut envelopes = Vec::new();
    for stored in ledger::envelopes(&pool, id).await? {
        let envelope: EnvelopeId = stored
            .id
            .parse()
            .map_err(|error| internal(&format!("envelope id: {error}")))?;
        envelopes.push((envelope, stored));
    }
    let headers = headers(&envelopes)?;
    let directory = core.station().directory().snapshot();
    let Story { told, past } = story::of_document(core, agency, id).await?;
    let (receipts, checkpoints) = numbered(told);
    let mut found = Found::default();
    found.who_may_speak(&past, &directory, &receipts);
    found.document(&past, &document, &headers).await?;
    found.checkpoints(&past, &checkpoints).await?;
    found.records_signers()?;
    let authorities = past.authorities(found.certificates.values()).await?;
    let below = found.certificates.values().chain(&authorities);
    let issuers: BTreeSet<String> = below.map(Certificate::issuer).collect();
    let crls = past.lists(&issuers, &found.times).await?;
    Ok(Gathered {
        document,
        packet,
        envelopes,
        receipts,
        checkpoints,
        records: found.records.into_values().collect(),
        certificates: found.certificates.into_values().collect(),
        authorities,
        crls,
    })
}

fn headers(
    envelopes: &[(EnvelopeId, StoredEnvelope)],
) -> Result<BTreeMap<EnvelopeId, Header>, DeskError> {
    let read = |(id, stored): &(EnvelopeId, StoredEnvelope)| {
        let header = Header::decode(&stored.header).map_err(|error| internal(&error))?;
        Ok((*id, header))
    };
    envelopes.iter().map(read).collect()
}

/// The statements as receipts, in their order, and the checkpoints that they need, each once.
fn numbered(all: Vec<Told>) -> (Vec<Receipt>, Vec<SignedCheckpoint>) {
    let mut checkpoints: Vec<SignedCheckpoint> = Vec::new();
    let mut receipts = Vec::with_capacity(all.len());
    for told in all {
        let at = checkpoints.iter().position(|one| *one == *told.checkpoint);
        let at = at.unwrap_or_else(|| {
            checkpoints.push(SignedCheckpoint::clone(&told.checkpoint));
            checkpoints.len() - 1
        });
        receipts.push(Receipt {
            proven: told.proven,
            statement: told.statement,
            checkpoint: u32::try_from(at + 1).unwrap_or(u32::MAX),
            size: told.size,
        });
    }
    (receipts, checkpoints)
}

/// Records, the certificates of everybody who signed something in the package, and the times at which they
/// are judged.
#[derive(Default)]
struct Found {
    records: BTreeMap<Digest, Arc<[u8]>>,
    certificates: BTreeMap<Digest, Certificate>,
    times: BTreeSet<Timestamp>,
}

impl Found {
    fn keep_record(&mut self, signed: Arc<[u8]>) {
        self.records.insert(Digest::of(&signed), signed);
    }

    /// Trust list, home stations of the recipients, and their names.
    fn who_may_speak(&mut self, past: &Past, directory: &Snapshot, receipts: &[Receipt]) {
        self.keep_record(directory.trust_list_signed());
        for receipt in receipts {
            let statement = &receipt.statement;
            let Some(recipient) = statement.recipient.agency() else {
                continue;
            };
            let home = past.home(recipient, statement.time);
            home.into_iter()
                .flat_map(|(_, records)| records)
                .for_each(|one| self.keep_record(one));
            if let Some(entry) = directory.agency(recipient) {
                self.keep_record(Arc::clone(&entry.signed));
            }
        }
    }

    fn keep(&mut self, certificate: Certificate) {
        self.certificates.insert(certificate.sha256(), certificate);
    }

    async fn want(&mut self, past: &Past, digest: &Digest) -> Result<(), DeskError> {
        if !self.certificates.contains_key(digest)
            && let Some(found) = past.certificate(digest).await?
        {
            self.keep(found);
        }
        Ok(())
    }

    /// A signature: its time, its token's, and the certificates that travel inside.
    fn signature(&mut self, parsed: &Parsed, token: Option<&[u8]>) -> Result<(), DeskError> {
        self.times.extend(parsed.signing_time());
        if let Some(token) = token {
            let stamped = Parsed::parse(token).map_err(|error| internal(&error))?;
            let embedded = stamped.embedded_certificates();
            embedded.into_iter().for_each(|one| self.keep(one));
            self.times.extend(pki::stamp::claimed_time(token).ok());
        }
        Ok(())
    }

    async fn document(
        &mut self,
        past: &Past,
        document: &Document,
        headers: &BTreeMap<EnvelopeId, Header>,
    ) -> Result<(), DeskError> {
        let signature = &document.packet_signature;
        let parsed = Parsed::parse(signature).map_err(|error| internal(&error))?;
        let embedded = parsed.embedded_certificates();
        embedded.into_iter().for_each(|one| self.keep(one));
        self.signature(&parsed, parsed.timestamp_token().as_deref())?;
        let signer = document.view.signature.certificate.parse();
        let signer: Digest = signer.map_err(|_| internal(&"stored certificate digest"))?;
        self.want(past, &signer).await?;
        for header in headers.values() {
            self.times.insert(header.context().created);
            self.want(past, &header.context().signer).await?;
        }
        Ok(())
    }

    async fn checkpoints(
        &mut self,
        past: &Past,
        checkpoints: &[SignedCheckpoint],
    ) -> Result<(), DeskError> {
        for checkpoint in checkpoints {
            let parsed = Parsed::parse(&checkpoint.cms).map_err(|error| internal(&error))?;
            self.signature(&parsed, checkpoint.token.as_deref())?;
            let signer = parsed.signer_sha256();
            if let Some(signer) = &signer {
                self.want(past, signer).await?;
            }
            let note = checkpoint.parsed().map_err(|error| internal(&error))?;
            let record = past.station(&note.checkpoint.origin, signer.as_ref());
            record.into_iter().for_each(|one| self.keep_record(one));
        }
        Ok(())
    }

    /// Records bring their signers along.
    fn records_signers(&mut self) -> Result<(), DeskError> {
        let records: Vec<Arc<[u8]>> = self.records.values().cloned().collect();
        for record in records {
            let opened = pki::record::open(&record).map_err(|error| internal(&error))?;
            self.times.insert(opened.record.issued());
            self.keep(opened.signer);
            opened.co_signers.into_iter().for_each(|one| self.keep(one));
        }
        Ok(())
    }
}

fn internal(error: &dyn std::fmt::Display) -> DeskError {
    DeskError::Internal(format!("evidence: {error}"))
}
