//! Heads: the newest signed head of every log that this station saw, and what becomes of a log that shows two
//! heads which cannot be of one log. Heads come from neighbours (told over links, with custody, with receipts); both
//! signatures are verified by the records before one counts. [`judge`] says what two heads mean; the proofs
//! it asks for are got from the log's owner, or over the stations on the way to it.
//!
//! A conviction is kept for good with both signed notes, and raises an alarm until the log goes on in another
//! epoch. Of our own log: when somebody holds a head of it, properly signed, that is not in the log here, this
//! folder is an older copy; then nothing more is stated into that epoch.
//!
//! Owns the state in memory and what is kept of it. Fails by saying what was not believed, and by asking
//! again. Bounded in logs, heads that wait for proof, and questions under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use formats::checkpoint::{LogOrigin, SignedCheckpoint};
use formats::id::{Digest, StationName};
use formats::limits;
use tokio::sync::{Semaphore, mpsc};

use super::judge::{Answer, Point, Verdict, judge};
use crate::alarm::watch;
use crate::link::Link;
use crate::link::heads::towards;
use crate::station::Core;
use crate::store::{ConflictKind, LogConflict, SeenHead};
use crate::testimony;

mod own;
mod state;
mod view;

use own::own_head;
use state::{Log, State};

pub(crate) use view::conflict_json;

/// Something to be judged.
#[derive(Debug)]
enum News {
    /// A neighbour told these.
    Shown(StationName, Vec<SignedCheckpoint>),
    /// The signatures of this one were verified a moment ago.
    Verified(StationName, SignedCheckpoint),
    /// What came of asking about a head that waits.
    Answered(LogOrigin, Box<SeenHead>, Got),
}

/// What came of asking.
#[derive(Debug)]
enum Got {
    Silent,
    Owner(Option<Vec<Digest>>),
    PassedOn(Vec<Digest>),
}

/// See the file.
#[derive(Debug)]
pub(crate) struct Heads {
    state: Mutex<State>,
    news: mpsc::Sender<News>,
    inbox: Mutex<Option<mpsc::Receiver<News>>>,
    /// Counts up whenever a held head changes.
    version: AtomicU64,
    questions: Arc<Semaphore>,
}

impl Default for Heads {
    fn default() -> Self {
        let (news, inbox) = mpsc::channel(NEWS);
        Self {
            state: Mutex::default(),
            news,
            inbox: Mutex::new(Some(inbox)),
            version: AtomicU64::new(0),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }
}

impl Heads {
    /// A neighbour told heads. What does not fit into the queue is told again.
    pub(crate) fn shown_by(&self, link: &Link, heads: Vec<SignedCheckpoint>) {
        let _full = self.news.try_send(News::Shown(link.peer.clone(), heads));
    }

    /// A checkpoint came with statements and was verified.
    pub(crate) fn verified(&self, from: &StationName, checkpoint: &SignedCheckpoint) {
        let checkpoint = SignedCheckpoint {
            token: None,
            ..checkpoint.clone()
        };
        let _full = self.news.try_send(News::Verified(from.clone(), checkpoint));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what is kept. If others hold a head of our own log that is not here, nothing is stated from the
/// start on.
///
/// # Errors
/// The store's, in words.
pub(crate) async fn restore(core: &Core) -> Result<(), String> {
    let kept = core.store.seen_heads().await.map_err(in_words)?;
    let conflicts = core.store.log_conflicts().await.map_err(in_words)?;
    let (own, others): (Vec<_>, Vec<_>) = kept
        .into_iter()
        .partition(|head| *head.origin.station() == core.name);
    {
        let mut state = core.heads.lock();
        for held in others {
            let convicted = conflicts
                .iter()
                .filter(|one| one.held.origin == held.origin)
                .map(|one| one.kind)
                .collect();
            let log = Log {
                convicted,
                dirty: false,
                ..Log::new(held)
            };
            state.logs.insert(log.held.origin.clone(), log);
        }
        state.conflicts = conflicts;
    }
    for head in own {
        own_head(core, head).await;
    }
    Ok(())
}

/// Judges what comes, asks for what is missing, keeps what is found; until the station stops.
pub(crate) async fn run(core: Arc<Core>) {
    let inbox = core
        .heads
        .inbox
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(mut inbox) = inbox else { return };
    let mut every = tokio::time::interval(core.config.timing.sweep);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            news = inbox.recv() => match news {
                Some(news) => take(&core, news).await,
                None => return,
            },
            _ = every.tick() => keep(&core).await,
            () = core.stop.cancelled() => break,
        }
        ask(&core);
    }
    keep(&core).await;
}

async fn take(core: &Arc<Core>, news: News) {
    match news {
        News::Shown(from, heads) => {
            for signed in heads {
                shown(core, &from, signed, false).await;
            }
        }
        News::Verified(from, signed) => shown(core, &from, signed, true).await,
        News::Answered(origin, head, got) => answered(core, &origin, *head, &got),
    }
}

/// A head came, from a neighbour or with statements.
async fn shown(core: &Arc<Core>, from: &StationName, signed: SignedCheckpoint, verified: bool) {
    let Ok(note) = signed.parsed() else { return };
    let checkpoint = note.checkpoint;
    let point = Point::from(&checkpoint);
    let own = *checkpoint.origin.station() == core.name;
    // An earlier head is old news, unless the owner itself shows it: it may have been set back.
    let by_owner = from == checkpoint.origin.station();
    let known = core
        .heads
        .lock()
        .logs
        .get(&checkpoint.origin)
        .is_some_and(|log| log.knows(&point, by_owner));
    if known {
        return;
    }
    if own {
        let head = core.store.head().borrow().clone();
        let ours = core.store.log_identity().origin == checkpoint.origin;
        if ours && (head.size, head.root) == (point.size, point.root) {
            return;
        }
    }
    if !verified
        && let Err(error) = testimony::verified_head(core, checkpoint.origin.station(), &signed)
    {
        if core
            .facts
            .first(&format!("head {}: {error}", checkpoint.origin))
        {
            let log = checkpoint.origin.to_string();
            tracing::warn!(code = "TRAM-375", %from, log, error, "head of a log not believed");
        }
        return;
    }
    let head = SeenHead {
        origin: checkpoint.origin,
        size: checkpoint.size,
        root: checkpoint.root,
        signed,
        source: from.clone(),
        seen: core.clock.now(),
    };
    if own {
        own_head(core, head).await;
    } else {
        other_head(core, head);
    }
}

/// A verified head of another station's log that is not known yet.
fn other_head(core: &Core, head: SeenHead) {
    let mut state = core.heads.lock();
    if !state.logs.contains_key(&head.origin) {
        if state.has_room(&head.origin) {
            let log = Log::new(head);
            state.logs.insert(log.held.origin.clone(), log);
            core.heads.version.fetch_add(1, Ordering::Relaxed);
        } else if core.facts.first("heads are full") {
            tracing::warn!(code = "TRAM-376", "no room for heads of more logs");
        }
        return;
    }
    let Some(log) = state.logs.get_mut(&head.origin) else {
        return;
    };
    let shown = log.held.point_of(&head);
    // Any two that were signed convict, also two that both wait.
    let twin = log
        .waiting
        .iter()
        .find(|one| one.size == head.size)
        .cloned();
    let verdict = match &twin {
        Some(twin) if twin.root != head.root => Verdict::Fork,
        Some(_) => return,
        None => judge(log.held.point(), shown, &Answer::NotAsked),
    };
    let held = twin.unwrap_or_else(|| log.held.clone());
    match verdict {
        Verdict::Grows => {
            log.go_on(head);
            core.heads.version.fetch_add(1, Ordering::Relaxed);
        }
        Verdict::Fork => convict(core, &mut state, ConflictKind::Fork, held, head),
        Verdict::Ask { .. } => {
            let origin = head.origin.clone();
            log.wait(head);
            state.waiting.insert(origin);
        }
        Verdict::Same
        | Verdict::Older
        | Verdict::OtherLog
        | Verdict::Rewind
        | Verdict::Unproven => {}
    }
}

/// Asks about a head that waits, of each log that was not asked a moment ago.
fn ask(core: &Arc<Core>) {
    let now = Instant::now();
    let pause = core.config.timing.gossip;
    let mut state = core.heads.lock();
    settle(core, &mut state);
    let State { logs, waiting, .. } = &mut *state;
    waiting.retain(|origin| logs.get(origin).is_some_and(|log| !log.waiting.is_empty()));
    for origin in waiting.iter() {
        let Some(log) = logs.get_mut(origin) else {
            continue;
        };
        let rests = log
            .asked
            .is_some_and(|asked| now.duration_since(asked) < pause);
        // The largest first: then what is held is near the log's end, and the others are judged by it.
        let largest = log.waiting.iter().max_by_key(|head| head.size);
        let Some(head) = largest.filter(|_| !log.asking && !rests) else {
            continue;
        };
        let Verdict::Ask { old, new } = judge(log.held.point(), head.point(), &Answer::NotAsked)
        else {
            continue;
        };
        let Ok(permit) = Arc::clone(&core.heads.questions).try_acquire_owned() else {
            return;
        };
        let head = Box::new(head.clone());
        (log.asking, log.asked) = (true, Some(now));
        let core_of_task = Arc::clone(core);
        core.tasks.spawn(async move {
            let core = core_of_task;
            let got = prove(&core, &head, (old, new)).await;
            drop(permit);
            let origin = head.origin.clone();
            let _ended = core
                .heads
                .news
                .send(News::Answered(origin, head, got))
                .await;
        });
    }
}

/// Judges what waits by the heads that are held now: some of it needs no question any more.
fn settle(core: &Core, state: &mut State) {
    let mut forks = Vec::new();
    for origin in &state.waiting {
        let Some(log) = state.logs.get_mut(origin) else {
            continue;
        };
        let held = log.held.clone();
        log.waiting.retain(|head| {
            match judge(held.point(), head.point(), &Answer::NotAsked) {
                Verdict::Ask { .. } => return true,
                Verdict::Fork => forks.push((held.clone(), head.clone())),
                _ => {}
            }
            false
        });
        log.unproven_since = log.waiting.first().map(|one| one.seen);
    }
    for (held, shown) in forks {
        convict(core, state, ConflictKind::Fork, held, shown);
    }
}

/// Asks the owner on its own link; else whoever showed the head, or is next on the way to the owner.
async fn prove(core: &Core, head: &SeenHead, sizes: (u64, u64)) -> Got {
    let wait = core.config.timing.frame;
    let owner = head.origin.station();
    if let Some(link) = core.links.to(owner) {
        let answer = link.asking.prove(&head.origin, sizes, 0, wait).await;
        return answer.map_or(Got::Silent, Got::Owner);
    }
    let link = core.links.to(&head.source).or_else(|| towards(core, owner));
    let Some(link) = link else {
        return Got::Silent;
    };
    let hops = limits::PROVE_HOPS_MAX;
    let answer = link.asking.prove(&head.origin, sizes, hops, wait).await;
    answer.flatten().map_or(Got::Silent, Got::PassedOn)
}

fn answered(core: &Core, origin: &LogOrigin, head: SeenHead, got: &Got) {
    let mut state = core.heads.lock();
    let Some(log) = state.logs.get_mut(origin) else {
        return;
    };
    log.asking = false;
    let answer = match got {
        Got::Silent => Answer::Silent,
        Got::Owner(Some(path)) => Answer::Owner(path),
        Got::Owner(None) => Answer::OwnerHasNot,
        Got::PassedOn(path) => Answer::PassedOn(path),
    };
    let verdict = judge(log.held.point(), head.point(), &answer);
    if verdict != Verdict::Unproven {
        log.waiting.retain(|one| one.point() != head.point());
        log.unproven_since = log.waiting.first().map(|one| one.seen);
    }
    let held = log.held.clone();
    match verdict {
        Verdict::Grows => {
            log.go_on(head);
            core.heads.version.fetch_add(1, Ordering::Relaxed);
        }
        Verdict::Older => log.note_older(head.point()),
        Verdict::Fork => convict(core, &mut state, ConflictKind::Fork, held, head),
        Verdict::Rewind => convict(core, &mut state, ConflictKind::Rewind, held, head),
        Verdict::Same | Verdict::Unproven | Verdict::Ask { .. } | Verdict::OtherLog => {}
    }
}

/// Keeps the two heads and says it, once for each kind.
fn convict(core: &Core, state: &mut State, kind: ConflictKind, held: SeenHead, shown: SeenHead) {
    if let Some(log) = state.logs.get_mut(&held.origin) {
        if log.convicted.contains(&kind) {
            return;
        }
        log.convicted.push(kind);
    }
    let found = core.clock.now();
    let one = LogConflict {
        kind,
        held,
        shown,
        found,
    };
    tracing::error!(
        code = "TRAM-370",
        log = %one.held.origin,
        kind = kind.word(),
        held = view::head(&one.held),
        shown = view::head(&one.shown),
        "a log convicts itself"
    );
    core.heads.version.fetch_add(1, Ordering::Relaxed);
    if state.conflicts.len() < CONFLICTS_MAX {
        state.conflicts.push(one.clone());
    }
    if state.fresh.len() < CONFLICTS_MAX {
        state.fresh.push(one);
    }
}

/// Keeps what is new. What cannot be kept now is kept with the next sweep.
async fn keep(core: &Core) {
    let (heads, conflicts) = {
        let mut state = core.heads.lock();
        let dirty = state.logs.values_mut().filter(|log| log.dirty);
        let heads: Vec<SeenHead> = dirty
            .take(KEPT_AT_ONCE)
            .map(|log| {
                log.dirty = false;
                log.held.clone()
            })
            .collect();
        (heads, std::mem::take(&mut state.fresh))
    };
    if heads.is_empty() && conflicts.is_empty() {
        return;
    }
    let convicted = !conflicts.is_empty();
    let origins: Vec<LogOrigin> = heads.iter().map(|head| head.origin.clone()).collect();
    if let Err(error) = core.store.keep_heads(heads, conflicts.clone()).await {
        tracing::warn!(code = "TRAM-376", %error, "heads of logs not kept yet");
        let mut state = core.heads.lock();
        for origin in origins {
            if let Some(log) = state.logs.get_mut(&origin) {
                log.dirty = true;
            }
        }
        state.fresh.extend(conflicts);
    }
    if convicted {
        watch::look(core);
    }
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Frames and answers that wait to be judged.
const NEWS: usize = 1_024;
/// Questions under way at once.
const QUESTIONS: usize = 8;
/// Conflicts that are shown; all are kept.
const CONFLICTS_MAX: usize = 256;
/// Heads kept in one commit.
const KEPT_AT_ONCE: usize = 512;
