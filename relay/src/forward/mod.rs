//! Forward: moves legs to their next hop. One task decides, transfers fly in tasks of their own.
//!
//! Owns the active set: what is queued in memory or in flight, bounded per hop (see [`queue`]).
//! Everything else waits in the store and is fetched when there is room: first what is due, all of
//! it when a link has just come up. Legs whose road has changed are sent another way before they
//! are offered. Legs past their time expire. What a verdict means for a leg stands in [`settle`].
//!
//! Fails by waiting: a store that cannot be read is read again at the next sweep. Must not know:
//! QUIC, frames.

mod fetch;
pub(crate) mod queue;
mod settle;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use formats::id::StationName;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

pub(crate) use queue::{Batch, BatchLeg, LARGE_SLOTS};
use queue::{HopQueue, Size};

use crate::link::{Link, offer};
use crate::station::Core;
use crate::store::LegId;

/// How others reach the forwarder.
#[derive(Debug)]
pub(crate) struct Handle {
    fresh: mpsc::Sender<Batch>,
    look: Notify,
}

impl Handle {
    /// The handle, and what the forwarder listens to.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Batch>) {
        let (fresh, inbox) = mpsc::channel(FRESH_MAX);
        (
            Self {
                fresh,
                look: Notify::new(),
            },
            inbox,
        )
    }

    /// A batch that has just become durable. If the forwarder is behind, it finds it in the store.
    pub(crate) fn hand_over(&self, batch: Batch) {
        if self.fresh.try_send(batch).is_err() {
            self.look();
        }
    }

    /// Something changed in the store that is not handed over.
    pub(crate) fn look(&self) {
        self.look.notify_one();
    }
}

/// What a task of the forwarder comes back with.
enum Done {
    Landed {
        hop: StationName,
        size: Size,
        legs: Vec<LegId>,
    },
    Fetched {
        hop: StationName,
        found: Result<fetch::Fetched, String>,
    },
    Expired {
        more: bool,
    },
}

struct Forwarder {
    core: Arc<Core>,
    hops: HashMap<StationName, HopQueue>,
    active: HashSet<LegId>,
    /// Hops to look at: a relay has tens of thousands and works on a few at a time.
    touched: HashSet<StationName>,
    /// The turn of each hop's link for which everything that waited has been tried.
    woken: HashMap<StationName, (usize, usize)>,
    tasks: JoinSet<Done>,
    expiring: bool,
}

/// Forwards until the station stops; then waits for what flies.
pub(crate) async fn run(core: Arc<Core>, mut inbox: mpsc::Receiver<Batch>) {
    let mut links = core.links.changes();
    let mut directory = core.directory.changes();
    let mut sweep = tokio::time::interval(core.config.timing.sweep);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut forwarder = Forwarder {
        core: Arc::clone(&core),
        hops: HashMap::new(),
        active: HashSet::new(),
        touched: HashSet::new(),
        woken: HashMap::new(),
        tasks: JoinSet::new(),
        expiring: false,
    };
    loop {
        tokio::select! {
            Some(batch) = inbox.recv() => {
                forwarder.queue(batch);
                while let Ok(batch) = inbox.try_recv() {
                    forwarder.queue(batch);
                }
            }
            Some(done) = forwarder.tasks.join_next() => forwarder.done(done),
            () = core.forward.look.notified() => forwarder.look(false).await,
            _ = links.changed() => forwarder.look(true).await,
            _ = directory.changed() => forwarder.look(true).await,
            _ = sweep.tick() => {
                forwarder.expire();
                forwarder.look(false).await;
            }
            () = core.stop.cancelled() => break,
        }
        forwarder.pump();
    }
    let land = async { while forwarder.tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(core.config.timing.drain, land)
        .await
        .is_err()
    {
        tracing::warn!("offers cut off by shutdown; they will be made again");
    }
    core.forwarded.cancel();
}

impl Forwarder {
    /// Queues a batch without the legs that are queued or in flight already.
    fn queue(&mut self, mut batch: Batch) {
        batch.legs.retain(|leg| !self.active.contains(&leg.leg));
        if batch.legs.is_empty() {
            return;
        }
        let legs: Vec<LegId> = batch.legs.iter().map(|leg| leg.leg).collect();
        self.touched.insert(batch.hop.clone());
        let hop = self.hops.entry(batch.hop.clone()).or_default();
        if hop.push(batch) {
            self.active.extend(legs);
        }
    }

    /// Starts every flight that links and slots allow, and fetches for queues that run dry.
    fn pump(&mut self) {
        for hop in std::mem::take(&mut self.touched) {
            let Some(queue) = self.hops.get_mut(&hop) else {
                continue;
            };
            match self.core.links.to(&hop) {
                Some(link) => launch(&self.core, &link, queue, &mut self.tasks),
                // Not kept in memory for a link that is away: the legs may also have another way by
                // now.
                None => {
                    for batch in queue.clear() {
                        for leg in batch.legs {
                            self.active.remove(&leg.leg);
                        }
                    }
                    queue.more = false;
                    self.woken.remove(&hop);
                }
            }
            if queue.hungry() {
                queue.fetching = true;
                queue.more = false;
                let wake = std::mem::take(&mut queue.wake);
                let core = Arc::clone(&self.core);
                let active = self.active.clone();
                self.tasks.spawn(async move {
                    let found = fetch::fetch(&core, &hop, &active, wake).await;
                    let found = found.map_err(|error| error.to_string());
                    Done::Fetched { hop, found }
                });
            } else if queue.is_idle() {
                self.hops.remove(&hop);
            }
        }
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let done = match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                // A panic is our bug and stops the process (style 1).
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => return,
            },
        };
        match done {
            Done::Landed { hop, size, legs } => {
                for leg in legs {
                    self.active.remove(&leg);
                }
                if let Some(queue) = self.hops.get_mut(&hop) {
                    queue.landed(size);
                    self.touched.insert(hop);
                }
            }
            Done::Fetched { hop, found } => {
                if let Some(queue) = self.hops.get_mut(&hop) {
                    queue.fetching = false;
                }
                match found {
                    Ok(fetched) => {
                        let more = fetched.more;
                        for batch in fetched.batches {
                            self.queue(batch);
                        }
                        if let Some(queue) = self.hops.get_mut(&hop) {
                            queue.more |= more;
                        }
                        self.touched.insert(hop);
                    }
                    Err(error) => {
                        tracing::warn!(code = "TRAM-331", %hop, error, "spool cannot be read");
                    }
                }
            }
            Done::Expired { more } => {
                self.expiring = false;
                if more {
                    self.expire();
                }
            }
        }
    }

    /// The store may hold due legs for any hop. `anew`: links or records changed, so whatever waits
    /// for a later time is looked at too.
    async fn look(&mut self, anew: bool) {
        let now = self.core.clock.now();
        let until = if anew {
            now.plus_ms(fetch::WHENEVER_MS)
        } else {
            now
        };
        let hops = match self.core.store.due_hops(until).await {
            Ok(hops) => hops,
            Err(error) => {
                tracing::warn!(code = "TRAM-331", %error, "spool cannot be read");
                return;
            }
        };
        for hop in hops {
            let Some(link) = self.core.links.to(&hop) else {
                if anew {
                    fetch::reroute(&self.core, &hop).await;
                }
                continue;
            };
            self.touched.insert(hop.clone());
            let turn = link.turn();
            let first = self.woken.insert(hop.clone(), turn) != Some(turn);
            let queue = self.hops.entry(hop).or_default();
            queue.more = true;
            // Once for each connection: everything that waited for it is tried at once.
            queue.wake |= first;
        }
        if anew {
            self.touched.extend(self.hops.keys().cloned());
        }
    }

    fn expire(&mut self) {
        // With a clock that may be wrong nothing ends by time (architecture 7).
        if self.expiring || self.core.clock_unsure() {
            return;
        }
        self.expiring = true;
        let core = Arc::clone(&self.core);
        self.tasks.spawn(async move {
            Done::Expired {
                more: settle::expire(&core).await,
            }
        });
    }
}

/// Sends off what the slots allow.
fn launch(core: &Arc<Core>, link: &Arc<Link>, queue: &mut HopQueue, tasks: &mut JoinSet<Done>) {
    while let Some(batch) = queue.next() {
        let (core, link) = (Arc::clone(core), Arc::clone(link));
        tasks.spawn(async move {
            let verdict = offer::run(&core, &link, &batch).await;
            let hop = batch.hop.clone();
            let size = batch.kind().size;
            let legs = batch.legs.iter().map(|leg| leg.leg).collect();
            settle::settle(&core, batch, verdict).await;
            Done::Landed { hop, size, legs }
        });
    }
}

/// Batches handed over in memory and not yet looked at.
const FRESH_MAX: usize = 1_024;
