//! Signs the head of the log: one checkpoint per commit that stated something, after the commit and
//! before any answer of it leaves. Runs on a thread of its own, so that the next commit goes on while
//! this one is signed and a slow key (PKCS#11) blocks no task.
//!
//! Owns the order: batches come in order of commit, so sizes only grow; a size comes from a durable
//! commit, so after a crash it has the same root. Fails by telling the callers of that batch that their
//! facts are durable but unproven. Must not know SQL.

use std::sync::Arc;

use formats::checkpoint::{Checkpoint, SignedCheckpoint};
use formats::id::Digest;
use formats::receipt::{Proven, ReceiptBundle};
use formats::time::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::evidence::{Head, LogIdentity};
use crate::store::{CommitError, Committed, Options, Outcome};
use formats::merkle::tiles::{Edge, Tree};

/// How many signed-for batches may wait: enough to overlap, few enough that answers stay near.
const WAITING_BATCHES_MAX: usize = 4;

/// A durable commit whose answers wait for the signature.
pub(crate) struct Batch {
    pub(crate) size: u64,
    pub(crate) root: Digest,
    pub(crate) edge: Edge,
    pub(crate) answers: Vec<Answer>,
}

/// What one caller will be told.
pub(crate) struct Answer {
    pub(crate) to: oneshot::Sender<Result<Committed, CommitError>>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) proven: Vec<Proven>,
}

impl Answer {
    /// Answers a change that stated nothing. A caller that went away is not our concern.
    pub(crate) fn without_statements(self) {
        let _gone = self.to.send(Ok(Committed {
            outcomes: self.outcomes,
            bundle: None,
        }));
    }
}

/// Signs the head that a start found.
pub(crate) fn first_head(tree: &Tree, options: &Options) -> Result<Head, String> {
    let (size, root) = (tree.size(), tree.root());
    let signed = sign(&options.log, size, root, options.clock.now())?;
    Ok(Head {
        size,
        root,
        signed,
        edge: tree.edge(),
    })
}

/// Starts the thread. It ends when the sender is dropped and what waits is answered.
pub(crate) fn start(
    log: LogIdentity,
    clock: Clock,
    heads: watch::Sender<Arc<Head>>,
) -> std::io::Result<mpsc::Sender<Batch>> {
    let (batches, mut waiting) = mpsc::channel::<Batch>(WAITING_BATCHES_MAX);
    let sign_all = move || {
        let mut last = heads.borrow().size;
        while let Some(batch) = waiting.blocking_recv() {
            if batch.size <= last {
                // Our bug if it ever happens: two roots of one size are worse than no answer.
                tracing::error!(
                    code = "TRAM-202",
                    size = batch.size,
                    last,
                    "log did not grow"
                );
                std::process::abort();
            }
            last = batch.size;
            finish(batch, &log, clock.now(), &heads);
        }
    };
    std::thread::Builder::new()
        .name("evidence-signer".to_owned())
        .spawn(sign_all)?;
    Ok(batches)
}

fn finish(batch: Batch, log: &LogIdentity, at: Timestamp, heads: &watch::Sender<Arc<Head>>) {
    match sign(log, batch.size, batch.root, at) {
        Ok(signed) => {
            let Batch {
                size,
                root,
                edge,
                answers,
            } = batch;
            heads.send_replace(Arc::new(Head {
                size,
                root,
                signed: signed.clone(),
                edge,
            }));
            for answer in answers {
                let bundle = (!answer.proven.is_empty()).then(|| ReceiptBundle {
                    proven: answer.proven,
                    checkpoint: signed.clone(),
                });
                let _gone = answer.to.send(Ok(Committed {
                    outcomes: answer.outcomes,
                    bundle,
                }));
            }
        }
        Err(problem) => {
            tracing::error!(
                code = "TRAM-201",
                size = batch.size,
                problem,
                "log head not signed"
            );
            for answer in batch.answers {
                let _gone = answer.to.send(Err(CommitError::Unsigned(problem.clone())));
            }
        }
    }
}

fn sign(
    log: &LogIdentity,
    size: u64,
    root: Digest,
    at: Timestamp,
) -> Result<SignedCheckpoint, String> {
    let checkpoint = Checkpoint {
        origin: log.origin.clone(),
        size,
        root,
    };
    let signer = log.signer();
    pki::note::sign_checkpoint(
        &checkpoint,
        &log.log_key,
        &signer.key,
        &signer.certificate,
        at,
    )
    .map_err(|error| error.to_string())
}
