//! The one task that writes. It takes what waits, decides it in memory ([`crate::store::plan`]), lets
//! the desk's parts run, writes the rows as few statements, commits once, and hands the answers to the
//! signer; the next batch goes on while that one is signed. At rest a batch is one change, at once.
//!
//! Fails by answering each caller; an untrustworthy disk ends the process. Nothing it keeps in memory
//! outlives a rollback.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use formats::checkpoint::SignedCheckpoint;
use formats::id::{Digest, StationName};
use formats::receipt::Proven;
use formats::time::Timestamp;
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::evidence::signer::{Answer, Batch};
use crate::store::apply::{Refused, apply, verdict};
use crate::store::body::Bodies;
use crate::store::fatal;
use crate::store::load::{self, Wanted};
use crate::store::log::Log;
use crate::store::memory::Memory;
use crate::store::pace::Pace;
use crate::store::plan::{Circle, Plan, Planner};
use crate::store::read::ReadError;
use crate::store::sqlite::Counters;
use crate::store::{
    BodyPlace, Change, CommitError, LogConflict, Outcome, SeenHead, Write, flush, heads, mend,
    upkeep,
};

/// Inline body bytes in one batch: it must stay in memory and in the WAL at once.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Commits of a busy store begin at least this far apart; a document waits so about ten times on its way.
const COMMIT_EVERY: Duration = Duration::from_millis(16);

/// Changes in a tenth of a second that make a store busy: some 30 documents a second at a node.
const BUSY_CHANGES: usize = 20;

/// When to come back while the log is stopped: an operator has to act.
const STOPPED_RETRY_MS: u64 = 60_000;

type ToCaller = oneshot::Sender<Result<crate::store::Committed, CommitError>>;

/// What the writer can be asked.
pub(super) enum Request {
    /// A change of a caller.
    Change { change: Change, answer: ToCaller },
    /// Housekeeping of the store itself, in a commit of its own.
    Keep {
        chore: Chore,
        answer: oneshot::Sender<Result<u64, CommitError>>,
    },
    /// End after what waits.
    Close,
}

/// Housekeeping.
pub(super) enum Chore {
    /// The doomed files are unlinked.
    Forget(Vec<String>),
    /// Remove retired rows whose time is over.
    Purge { before: Timestamp, rows: u32 },
    /// Keep a time-stamped checkpoint.
    Stamped {
        size: u64,
        root: Digest,
        signed: SignedCheckpoint,
        at: Timestamp,
    },
    /// Put a damaged row right.
    Mend(mend::Place),
    /// A checkpoint that is kept has been cosigned by so many witnesses.
    Cosigned {
        size: u64,
        signed: SignedCheckpoint,
        witnesses: u32,
    },
    /// Keep heads of logs, and two heads that cannot be of one log.
    Heads {
        heads: Vec<SeenHead>,
        conflicts: Vec<LogConflict>,
    },
}

/// What the writer is given once.
pub(super) struct Surroundings {
    pub(super) bodies: Bodies,
    pub(super) station: StationName,
    pub(super) clock_unsure: Arc<AtomicBool>,
    /// The log states nothing more.
    pub(super) stopped: Arc<AtomicBool>,
    pub(super) clock: Clock,
    pub(super) batch_changes_max: usize,
}

/// The writer and what it keeps in memory.
pub(super) struct Writer {
    connection: SqliteConnection,
    log: Log,
    counters: Counters,
    memory: Memory,
    around: Surroundings,
    // Files being unlinked; each task gives back the names that may be forgotten.
    unlinking: JoinSet<Vec<String>>,
}

/// Starts the writer's task. It owns itself: it ends when it is closed or no handle is left, and says so.
pub(super) fn start(
    writer: Writer,
    requests: mpsc::Receiver<Request>,
    signing: mpsc::Sender<Batch>,
    finished: watch::Sender<bool>,
) {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        writer.run(requests, signing).await;
        finished.send_replace(true);
    });
    tasks.detach_all();
}

/// A change that was applied in the open transaction.
struct Applied {
    answer: ToCaller,
    outcomes: Vec<Outcome>,
    /// Its statements in the plan.
    statements: std::ops::Range<usize>,
}

impl Applied {
    fn new(answer: ToCaller, outcomes: Vec<Outcome>, statements: std::ops::Range<usize>) -> Self {
        Self {
            answer,
            outcomes,
            statements,
        }
    }
}

impl Writer {
    pub(super) fn new(
        connection: SqliteConnection,
        log: Log,
        counters: Counters,
        around: Surroundings,
    ) -> Self {
        let (memory, unlinking) = (Memory::default(), JoinSet::new());
        Self {
            connection,
            log,
            counters,
            memory,
            around,
            unlinking,
        }
    }

    async fn run(mut self, mut requests: mpsc::Receiver<Request>, signing: mpsc::Sender<Batch>) {
        let mut closing = false;
        let mut pace = Pace::new(COMMIT_EVERY, BUSY_CHANGES, Instant::now());
        while !closing {
            let Some(first) = requests.recv().await else {
                break;
            };
            let is_change = matches!(first, Request::Change { .. });
            if let Some(wait) = pace.wait(Instant::now()).filter(|_| is_change)
                && requests.len() < self.around.batch_changes_max
            {
                tokio::time::sleep(wait).await;
            }
            let mut batch = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            let mut chore = None;
            while let Some(request) = next.take() {
                match request {
                    Request::Change { change, answer } => {
                        bytes += inline_bytes(&change);
                        batch.push((change, answer));
                    }
                    Request::Keep { chore: one, answer } => {
                        chore = Some((one, answer));
                        break;
                    }
                    Request::Close => {
                        closing = true;
                        requests.close();
                        break;
                    }
                }
                if batch.len() < self.around.batch_changes_max && bytes < BATCH_BYTES_MAX {
                    next = requests.try_recv().ok();
                }
            }
            if !batch.is_empty() {
                pace.round(batch.len(), Instant::now());
                self.commit(batch, &signing).await;
            }
            if let Some((chore, answer)) = chore {
                let _gone = answer.send(self.keep(chore).await);
            }
        }
        // Whoever came after the closing is not served; their callers see the channel closed.
        while self.unlinking.join_next().await.is_some() {}
        drop(signing);
    }

    /// One batch, from the memory to the answers.
    async fn commit(&mut self, batch: Vec<(Change, ToCaller)>, signing: &mpsc::Sender<Batch>) {
        let batch = self.without_statements(batch);
        if batch.is_empty() {
            return;
        }
        self.memory.clear_if_large();
        let wanted = Wanted::of(batch.iter().map(|(change, _)| change), &self.memory);
        if let Err(error) = self.begin(wanted).await {
            refuse_all(batch.into_iter().map(|(_, answer)| answer), &error);
            return;
        }
        let mut memory = std::mem::take(&mut self.memory);
        let mut planner = Planner {
            circle: Circle {
                station: &self.around.station,
                clock_unsure: self.around.clock_unsure.load(Ordering::Relaxed),
                epoch: self.log.epoch,
                position: self.log.next_position(),
                has_room: self.around.bodies.has_room(0),
                bodies: &self.around.bodies,
            },
            memory: &mut memory,
            counters: self.counters,
            plan: Plan::default(),
        };
        let mut applied = Vec::with_capacity(batch.len());
        let mut failed = None;
        let mut changes = batch.into_iter();
        let alone = changes.len() == 1;
        for (change, answer) in changes.by_ref() {
            match apply(&mut self.connection, &mut planner, change, alone).await {
                Ok((outcomes, statements)) => {
                    applied.push(Applied::new(answer, outcomes, statements));
                }
                Err(Refused::Change(error)) => drop(answer.send(Err(error))),
                Err(Refused::Batch(error)) => {
                    failed = Some(error);
                    applied.push(Applied::new(answer, Vec::new(), 0..0));
                    break;
                }
            }
        }
        let (plan, counters) = (planner.plan, planner.counters);
        let written = match failed {
            Some(error) => Err(error),
            None if applied.is_empty() => Err(CommitError::Closed),
            None => self.write(&plan, &memory).await,
        };
        match written {
            Ok((log, proofs)) => {
                self.memory = memory;
                self.counters = counters;
                self.log = log;
                self.clean_up(plan.doomed, plan.redundant);
                self.answer(applied, proofs, signing).await;
            }
            Err(error) => {
                self.roll_back(plan).await;
                let unserved = changes.map(|(_, answer)| answer);
                let answers = applied.into_iter().map(|one| one.answer);
                refuse_all(answers.chain(unserved), &error);
            }
        }
    }

    /// While the log is stopped, changes that would state something are put off.
    fn without_statements(&self, batch: Vec<(Change, ToCaller)>) -> Vec<(Change, ToCaller)> {
        if !self.around.stopped.load(Ordering::Relaxed) {
            return batch;
        }
        let (stating, others): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|(change, _)| change.states());
        let stopped = CommitError::Busy {
            retry_after_ms: STOPPED_RETRY_MS,
        };
        refuse_all(stating.into_iter().map(|(_, answer)| answer), &stopped);
        others
    }

    /// Loads what the batch is about and opens the transaction.
    async fn begin(&mut self, wanted: Wanted) -> Result<(), CommitError> {
        load::load(&mut self.connection, &mut self.memory, wanted)
            .await
            .map_err(|error| self.verdict_of_read(&error))?;
        let bodies = self.around.bodies.clone();
        self.sql("BEGIN IMMEDIATE")
            .await
            .map_err(|error| verdict("begin", &error, fatal::judge(&error), &bodies))
    }

    /// Grows the tree, writes the rows and commits. The proofs need no signature, so they are made
    /// here, while every tile of the batch is in memory.
    async fn write(
        &mut self,
        plan: &Plan,
        memory: &Memory,
    ) -> Result<(Log, Vec<Proven>), CommitError> {
        let mut log = self.log.clone();
        let position = self.log.next_position();
        let first = log.tree.size();
        for statement in &plan.statements {
            log.tree.append(statement.leaf);
        }
        let mut proofs = Vec::with_capacity(plan.statements.len());
        for (index, statement) in (first..).zip(&plan.statements) {
            let path = log.tree.inclusion(index).unwrap_or_default();
            let (statement, salt) = (statement.body.clone(), statement.salt);
            proofs.push(Proven {
                statement,
                salt,
                index,
                path,
            });
        }
        let tiles = log.tree.take_full();
        let bodies = self.around.bodies.clone();
        flush::flush(
            &mut self.connection,
            plan,
            memory,
            log.epoch,
            position,
            &tiles,
        )
        .await
        .map_err(|error| verdict("write", &error, fatal::judge(&error), &bodies))?;
        self.sql("COMMIT")
            .await
            .map_err(|error| verdict("commit", &error, fatal::judge_commit(&error), &bodies))?;
        Ok((log, proofs))
    }

    async fn answer(
        &mut self,
        applied: Vec<Applied>,
        proofs: Vec<Proven>,
        signing: &mpsc::Sender<Batch>,
    ) {
        let mut proofs = proofs.into_iter();
        let mut answers = Vec::with_capacity(applied.len());
        for one in applied {
            // Statements of the changes stand in the plan in the order of the changes.
            let proven: Vec<Proven> = proofs.by_ref().take(one.statements.len()).collect();
            let answer = Answer {
                to: one.answer,
                outcomes: one.outcomes,
                proven,
            };
            if answer.proven.is_empty() {
                answer.without_statements();
            } else {
                answers.push(answer);
            }
        }
        if answers.is_empty() {
            return;
        }
        let tree = &self.log.tree;
        let batch = Batch {
            size: tree.size(),
            root: tree.root(),
            edge: tree.edge(),
            answers,
        };
        // The signer ends only after this sender is dropped; if it died, its callers see that.
        let _signer_gone = signing.send(batch).await;
    }

    /// After a rollback nothing in memory is known to be what the database has.
    async fn roll_back(&mut self, plan: Plan) {
        // SQLite may have rolled back by itself (full, I/O): then there is nothing to do here.
        let _no_transaction = self.sql("ROLLBACK").await;
        self.memory.clear();
        for name in plan.taken {
            self.around.bodies.put_back(name);
        }
    }

    fn clean_up(&mut self, doomed: Vec<String>, redundant: Vec<String>) {
        if doomed.is_empty() && redundant.is_empty() {
            return;
        }
        let bodies = self.around.bodies.clone();
        self.unlinking.spawn(async move {
            let all = doomed.iter().cloned().chain(redundant).collect();
            bodies.unlink(all).await;
            doomed
        });
    }

    async fn keep(&mut self, chore: Chore) -> Result<u64, CommitError> {
        let bodies = self.around.bodies.clone();
        let judged = |error: &sqlx::Error| verdict("chore", error, fatal::judge(error), &bodies);
        self.sql("BEGIN IMMEDIATE")
            .await
            .map_err(|error| judged(&error))?;
        match self.run_chore(chore).await {
            Ok(rows) => {
                let committed = self.sql("COMMIT").await;
                committed.map(|()| rows).map_err(|error| {
                    verdict("commit", &error, fatal::judge_commit(&error), &bodies)
                })
            }
            Err(error) => {
                let error = judged(&error);
                self.roll_back(Plan::default()).await;
                Err(error)
            }
        }
    }

    async fn run_chore(&mut self, chore: Chore) -> Result<u64, sqlx::Error> {
        match chore {
            Chore::Forget(mut files) => {
                while let Some(done) = self.unlinking.try_join_next() {
                    files.extend(done.unwrap_or_default());
                }
                for file in &files {
                    sqlx::query("DELETE FROM doomed_body WHERE file = ?")
                        .bind(file)
                        .execute(&mut self.connection)
                        .await?;
                }
                Ok(u64::try_from(files.len()).unwrap_or(u64::MAX))
            }
            Chore::Mend(place) => {
                // What is in memory of it may be what was damaged.
                self.memory.clear();
                let mended =
                    mend::mend(&mut self.connection, place, self.around.clock.now()).await?;
                Ok(match mended {
                    mend::Mended::Fine => 0,
                    mend::Mended::Now => 1,
                    mend::Mended::Cannot => 2,
                })
            }
            Chore::Purge { before, rows } => {
                self.memory.clear();
                upkeep::purge(&mut self.connection, self.counters, before, rows).await
            }
            Chore::Stamped {
                size,
                root,
                signed,
                at,
            } => {
                let done = sqlx::query(
                    "INSERT OR IGNORE INTO checkpoint (epoch, size, root, signed, stamped) \
                     VALUES (?, ?, ?, ?, ?)",
                )
                .bind(self.log.epoch)
                .bind(i64::try_from(size).unwrap_or(i64::MAX))
                .bind(root.as_bytes().to_vec())
                .bind(signed.encode())
                .bind(at.unix_ms())
                .execute(&mut self.connection)
                .await?;
                Ok(done.rows_affected())
            }
            Chore::Cosigned {
                size,
                signed,
                witnesses,
            } => {
                let done = sqlx::query(
                    "UPDATE checkpoint SET signed = ?, witnesses = ? WHERE epoch = ? AND size = ?",
                )
                .bind(signed.encode())
                .bind(i64::from(witnesses))
                .bind(self.log.epoch)
                .bind(i64::try_from(size).unwrap_or(i64::MAX))
                .execute(&mut self.connection)
                .await?;
                Ok(done.rows_affected())
            }
            Chore::Heads { heads, conflicts } => {
                heads::write(&mut self.connection, &heads, &conflicts).await
            }
        }
    }

    fn verdict_of_read(&self, error: &ReadError) -> CommitError {
        match error {
            ReadError::Database(error) => {
                verdict("load", error, fatal::judge(error), &self.around.bodies)
            }
            ReadError::Damaged { .. } | ReadError::Unprovable { .. } => {
                CommitError::Malformed(error.to_string())
            }
        }
    }

    async fn sql(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(text)
            .execute(&mut self.connection)
            .await
            .map(drop)
    }
}

fn refuse_all(answers: impl Iterator<Item = ToCaller>, error: &CommitError) {
    for answer in answers {
        let error = match error {
            CommitError::Busy { retry_after_ms } => CommitError::Busy {
                retry_after_ms: *retry_after_ms,
            },
            CommitError::DiskFull {
                floor_bytes,
                retry_after_ms,
            } => CommitError::DiskFull {
                floor_bytes: *floor_bytes,
                retry_after_ms: *retry_after_ms,
            },
            CommitError::Desk(_)
            | CommitError::BodyMissing { .. }
            | CommitError::IllegalMove { .. }
            | CommitError::Malformed(_)
            | CommitError::Unsigned(_)
            | CommitError::Closed => CommitError::Malformed(error.to_string()),
        };
        let _gone = answer.send(Err(error));
    }
}

fn inline_bytes(change: &Change) -> usize {
    let of = |write: &Write| match write {
        Write::Accept(accept) => match &accept.body {
            BodyPlace::Inline(body) => body.len(),
            BodyPlace::File { .. } => 0,
        },
        Write::Move(_)
        | Write::Withdraw(_)
        | Write::Route { .. }
        | Write::SettleReceipts { .. }
        | Write::ReleaseBody { .. }
        | Write::SetAside(_)
        | Write::KeepEvidence { .. } => 0,
    };
    change.station.iter().map(of).sum()
}
