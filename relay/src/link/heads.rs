//! What a link carries about logs: heads told to the neighbour when they are new, questions for consistency
//! proofs and their answers. Of no log that we hold is more than its newest head told, and each head once.
//!
//! Everything is bounded: frames, questions under way, answers being made. Must not know what heads mean:
//! that is `evidence::heads`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use formats::checkpoint::{LogOrigin, SignedCheckpoint};
use formats::frame::{Control, Versions};
use formats::id::{Digest, Party};
use formats::limits;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::Link;
use super::session::Question;
use crate::station::Core;

type Path = Option<Vec<Digest>>;

/// Questions and answers on one link.
#[derive(Debug)]
pub(crate) struct Asking {
    tell: mpsc::Sender<Control>,
    version: u32,
    number: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Path>>>,
    answering: Arc<Semaphore>,
}

impl Asking {
    pub(crate) fn new(tell: mpsc::Sender<Control>, version: u32) -> Self {
        Self {
            tell,
            version,
            number: AtomicU64::new(0),
            waiting: Mutex::default(),
            answering: Arc::new(Semaphore::new(ANSWERS)),
        }
    }

    fn understands(&self) -> bool {
        self.version >= Versions::WITH_HEADS
    }

    /// Asks the peer; `None` if it does not answer within `wait`.
    pub(crate) async fn prove(
        &self,
        origin: &LogOrigin,
        (old, new): (u64, u64),
        hops: u32,
        wait: Duration,
    ) -> Option<Path> {
        if !self.understands() {
            return None;
        }
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= QUESTIONS {
                return None;
            }
            waiting.insert(number, answer);
        }
        let question = Control::Prove {
            number,
            origin: origin.clone(),
            old,
            new,
            hops,
        };
        let told = async {
            self.tell.send(question).await.ok()?;
            answered.await.ok()
        };
        let answer = tokio::time::timeout(wait, told).await.ok().flatten();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&number);
        answer
    }

    /// The peer answered. Answers to nothing are left.
    pub(crate) fn answered(&self, number: u64, path: Path) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = waiting.remove(&number) {
            let _gone = answer.send(path);
        }
    }
}

/// Answers a question in a task of its own. A peer that asks faster than we answer gets no more answers
/// than that.
pub(crate) fn answer(core: &Arc<Core>, link: &Arc<Link>, question: Question, tasks: &TaskTracker) {
    let Ok(permit) = Arc::clone(&link.asking.answering).try_acquire_owned() else {
        return;
    };
    let (core, link) = (Arc::clone(core), Arc::clone(link));
    tasks.spawn(async move {
        if let Some(path) = found(&core, &link, &question).await {
            let number = question.number;
            let _gone = link.asking.tell.send(Control::Proof { number, path }).await;
        }
        drop(permit);
    });
}

/// The answer: our own log's, or what the next station on the way to the log says. A station that passes
/// on says nothing of its own, so that silence is never mistaken for a log that lacks something.
async fn found(core: &Arc<Core>, asker: &Link, question: &Question) -> Option<Path> {
    let (sizes, owner) = ((question.old, question.new), question.origin.station());
    if *owner == core.name {
        let (old, new) = sizes;
        return match core.store.consistency_of(&question.origin, old, new).await {
            Ok(path) => Some(path),
            Err(error) => {
                tracing::warn!(code = "TRAM-331", %error, "no consistency proof");
                None
            }
        };
    }
    let hops = question.hops.checked_sub(1)?;
    let next = towards(core, owner)?;
    if next.peer == asker.peer {
        return None;
    }
    let wait = core.config.timing.frame;
    let answer = next.asking.prove(&question.origin, sizes, hops, wait).await;
    answer.flatten().map(Some)
}

/// The link to a station, or to the next one on the way there.
pub(crate) fn towards(core: &Core, station: &formats::id::StationName) -> Option<Arc<Link>> {
    if let Some(link) = core.links.to(station) {
        return Some(link);
    }
    let now = core.clock.now();
    let hop = core.next_hop(&Party::Station(station.clone()), &[], now);
    core.links.to(&hop.ok()??)
}

/// What the neighbour knows of logs, from what was told either way.
#[derive(Debug, Default)]
pub(crate) struct Gossip {
    known: HashMap<LogOrigin, u64>,
    /// The state of [`crate::evidence::heads::Heads`] that was told.
    version: Option<u64>,
    /// Not all of it fitted into the last frame.
    more: bool,
    /// How many conflicts were told.
    conflicts: usize,
}

/// A frame of heads while it is filled.
#[derive(Debug, Default)]
struct Frame {
    heads: Vec<SignedCheckpoint>,
    bytes: usize,
}

impl Frame {
    fn has_room(&self, head: &SignedCheckpoint) -> bool {
        // Two of the largest always fit: a pair is told together.
        self.heads.len() + 2 <= limits::HEADS_PER_FRAME_MAX
            && self.bytes + head.note.len() + head.cms.len() <= FRAME_BYTES
    }

    fn push(&mut self, head: &SignedCheckpoint) {
        self.bytes += head.note.len() + head.cms.len();
        self.heads.push(SignedCheckpoint {
            token: None,
            ..head.clone()
        });
    }
}

impl Gossip {
    /// The peer told these: it need not hear them from us.
    pub(crate) fn heard(&mut self, heads: &[SignedCheckpoint]) {
        for head in heads {
            if let Ok(note) = head.parsed() {
                self.note(note.checkpoint.origin, note.checkpoint.size);
            }
        }
    }

    /// The heads that the peer does not know to be the newest here; `None` if there are none. Of its own log it
    /// hears first, and once for each link: a station that was set back must learn it before it says more.
    pub(crate) fn frame(&mut self, core: &Core, link: &Link) -> Option<Control> {
        if !link.asking.understands() {
            return None;
        }
        let version = core.heads.version();
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
            self.version = None;
        }
        let news = self.version.replace(version) != Some(version) || self.more;
        let mut frame = Frame::default();
        if news {
            for seen in core.heads.of_station(&link.peer) {
                self.add(&mut frame, &seen.origin, seen.size, &seen.signed);
            }
        }
        // Also when it was set back: the others shall know it from ourselves.
        let own = core.store.head().borrow().clone();
        let origin = &core.store.log_identity().origin;
        self.add(&mut frame, origin, own.size, &own.signed);
        if news {
            // Whoever has both heads of a conflict finds it by itself.
            while let Some(pair) = core.heads.conflict(self.conflicts) {
                if !frame.has_room(&pair[0]) || !frame.has_room(&pair[1]) {
                    break;
                }
                pair.iter().for_each(|head| frame.push(head));
                self.conflicts += 1;
            }
            let left = core.heads.conflict(self.conflicts).is_some();
            let all = core
                .heads
                .all_while(|seen| self.add(&mut frame, &seen.origin, seen.size, &seen.signed));
            self.more = left || !all;
        }
        let heads = frame.heads;
        (!heads.is_empty()).then_some(Control::Heads { heads })
    }

    /// Adds a head unless the peer knows it or a newer one; false if it does not fit any more.
    fn add(
        &mut self,
        frame: &mut Frame,
        origin: &LogOrigin,
        size: u64,
        head: &SignedCheckpoint,
    ) -> bool {
        if self.known.get(origin).is_some_and(|known| *known >= size) {
            return true;
        }
        let fits = frame.has_room(head);
        if fits {
            frame.push(head);
            self.known.insert(origin.clone(), size);
        }
        fits
    }

    fn note(&mut self, origin: LogOrigin, size: u64) {
        if self.known.len() <= KNOWN_MAX {
            let known = self.known.entry(origin).or_default();
            *known = size.max(*known);
        }
    }
}

/// Frames that wait for the control stream.
pub(crate) const WAITING_FRAMES: usize = 16;
/// Questions of ours under way on one link.
const QUESTIONS: usize = 16;
/// Answers being made for one peer.
const ANSWERS: usize = 4;
/// Bytes of the heads in one frame: far below the limit of frames, so that pings are not held up.
const FRAME_BYTES: usize = 256 * 1024;
/// Logs whose newest told size is remembered for one link.
const KNOWN_MAX: usize = 32_768;
