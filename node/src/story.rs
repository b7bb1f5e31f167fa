//! The story of a sent document: every verified statement about it, once, in one order. The document's page,
//! the API, the command line and the proof package are all made of what this gives, so they cannot
//! disagree.
//!
//! Statements of the own station come from its log, those of others from the bundles as they came; each is
//! checked again against its checkpoint's root and against who may say it. Signatures were verified when
//! they came. Fails when a stored thing is damaged. Must not know how anything is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use formats::checkpoint::{LogOrigin, SignedCheckpoint};
use formats::header::Header;
use formats::id::{AgencyCode, EnvelopeId};
use formats::receipt::{Proven, ReceiptBundle};
use formats::statement::Statement;
use relay::store::ProofBase;

use crate::desk::core::Core;
use crate::evidence::past::Past;
use crate::fault::DeskError;
use crate::store::ledger::{self, StoredEnvelope};
use crate::store::proofs::places;
use crate::store::receipts;
use crate::view::EvidenceLevel;

/// One verified statement.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// What is said.
    pub(crate) statement: Statement,
    /// Its bytes and its way to the root.
    pub(crate) proven: Proven,
    /// The log it stands in.
    pub(crate) origin: LogOrigin,
    /// Leaves of the tree it is proven in.
    pub(crate) size: u64,
    /// The head it is proven in.
    pub(crate) checkpoint: Arc<SignedCheckpoint>,
    /// How far it is proven, by the trust list of now. Tokens were verified when they came.
    pub(crate) level: EvidenceLevel,
}

/// A document's statements, and the records of then by which they were judged.
pub(crate) struct Story {
    /// By time, and within one log in its order.
    pub(crate) told: Vec<Told>,
    pub(crate) past: Past,
}

/// Everything that was stated about the envelopes of a document by who may say it.
pub(crate) async fn of_document(
    core: &Core,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<Story, DeskError> {
    let pool = core.reader();
    let mut headers = BTreeMap::new();
    let mut bundles = Vec::new();
    for stored in ledger::envelopes(&pool, id).await? {
        let header = header_of(&stored)?;
        let (envelope, digest) = (header.context().id, header.digest());
        let store = core.station().store();
        let own = store
            .statements_about(&envelope, &digest, ProofBase::FirstStamped)
            .await;
        bundles.extend(own.map_err(|error| internal(&error))?);
        headers.insert(envelope, header);
    }
    for (digest, positions) in places(&pool, agency, id).await?.bundles {
        let bundle = receipts::bundle(&pool, digest).await?;
        let proven = positions
            .iter()
            .filter_map(|at| bundle.proven.get(*at).cloned());
        bundles.push(ReceiptBundle {
            proven: proven.collect(),
            checkpoint: bundle.checkpoint,
        });
    }
    let mut all = Vec::new();
    for bundle in bundles {
        let level = core.station().level_of(&bundle.checkpoint).into();
        gather(bundle, level, &headers, &mut all)?;
    }
    let directory = core.station().directory().snapshot();
    let statements: Vec<&Statement> = all.iter().map(|one| &one.statement).collect();
    let past = Past::load(pool, directory, &statements).await?;
    // A bundle is kept as it came, and its station can put anything into it: what it may not say stays out, or
    // one neighbour could spoil every story.
    all.retain(|one| past.may_state(&one.statement));
    let told = in_order(all);
    Ok(Story { told, past })
}

fn gather(
    bundle: ReceiptBundle,
    level: EvidenceLevel,
    headers: &BTreeMap<EnvelopeId, Header>,
    all: &mut Vec<Told>,
) -> Result<(), DeskError> {
    let statements = bundle.statements().map_err(|error| internal(&error))?;
    let note = bundle
        .checkpoint
        .parsed()
        .map_err(|error| internal(&error))?;
    let head = note.checkpoint;
    let checkpoint = Arc::new(bundle.checkpoint);
    for (proven, statement) in bundle.proven.into_iter().zip(statements) {
        let header = headers.get(&statement.envelope);
        if header.is_some_and(|header| agrees(&statement, header)) {
            all.push(Told {
                statement,
                proven,
                origin: head.origin.clone(),
                size: head.size,
                checkpoint: Arc::clone(&checkpoint),
                level,
            });
        }
    }
    Ok(())
}

/// The one order, each statement once.
fn in_order(mut all: Vec<Told>) -> Vec<Told> {
    all.sort_by(|a, b| {
        let key = |one: &Told| (one.statement.time, one.origin.clone(), one.proven.index);
        key(a).cmp(&key(b))
    });
    let mut known = BTreeSet::new();
    all.retain(|one| known.insert(one.proven.leaf_hash()));
    all
}

/// The statement agrees with the header it is about.
fn agrees(statement: &Statement, header: &Header) -> bool {
    let context = header.context();
    statement.header_digest == header.digest()
        && statement.commitment == context.commitment
        && statement.sender == context.sender
        && context.recipients.contains(&statement.recipient)
        && statement.recipient.agency().is_some()
}

fn header_of(stored: &StoredEnvelope) -> Result<Header, DeskError> {
    Header::decode(&stored.header).map_err(|error| internal(&error))
}

fn internal(error: &dyn std::fmt::Display) -> DeskError {
    DeskError::Internal(format!("statements: {error}"))
}
