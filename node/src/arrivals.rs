//! What the station tells the desk: legs that arrived and legs that changed. The station's calls return
//! at once; arrivals wait in a queue, are worked on by a few tasks, and are tried again later when what
//! they need (a certificate, free disk) is not here yet. After a restart the station tells them again,
//! so nothing here has to be durable.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use formats::header::Class;
use relay::desk::{Arrival, LegChange};
use relay::station::Station;
use relay::store::{BodyPlace, DeskWrite, LegId};

use crate::desk::core::Core;
use crate::open::{self, Verdict};
use crate::outbox::moves;
use crate::{recall, receipts};

/// The desk as the station sees it.
#[derive(Debug)]
pub(crate) struct Arrivals {
    queue: Mutex<Queue>,
    more: Notify,
    /// Taken away when the desk stops: station and desk hold each other until then.
    station: Mutex<Option<Station>>,
    schema: &'static [&'static str],
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Arrival, u32)>,
    /// Waiting, in work or put off: told twice, done once.
    known: HashSet<LegId>,
}

impl Queue {
    /// Bodies wait in memory for a few arrivals only; the others are read again when their turn
    /// comes.
    fn push(&mut self, mut arrival: Arrival, tries: u32) {
        if tries > 0 || self.waiting.len() >= WITH_BODY_MAX {
            lighten(&mut arrival);
        }
        self.waiting.push_back((arrival, tries));
    }
}

/// Drops a small body from memory: it is in the store.
fn lighten(arrival: &mut Arrival) {
    if let BodyPlace::Inline(body) = &mut arrival.body {
        *body = Bytes::new();
    }
}

/// Reads back what [`lighten`] dropped (no envelope has a body without a byte). `false`: the body
/// is released, so the leg ended while it waited.
async fn complete(core: &Core, arrival: &mut Arrival) -> Result<bool, String> {
    if arrival.body != BodyPlace::Inline(Bytes::new()) {
        return Ok(true);
    }
    let stored = core.station().store().envelope(arrival.envelope).await;
    let stored = stored.map_err(|error| error.to_string())?;
    let Some(body) = stored.and_then(|envelope| envelope.body) else {
        return Ok(false);
    };
    arrival.body = body;
    Ok(true)
}

async fn work_on(core: &Core, arrival: &Arrival) -> Verdict {
    match arrival.header.context().class {
        Class::Document | Class::Status => open::take(core, arrival).await,
        Class::Receipt => receipts::take(core, arrival).await,
        Class::Control => recall::take(core, arrival).await,
    }
}

impl Arrivals {
    pub(crate) fn new(schema: &'static [&'static str]) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::default(),
            more: Notify::new(),
            station: Mutex::default(),
            schema,
        })
    }

    /// The same as the station's trait object.
    pub(crate) fn shared(this: &Arc<Self>) -> Arc<dyn relay::desk::Desk> {
        let desk: Arc<Self> = Arc::clone(this);
        desk
    }

    /// Lets the station go; the desk has stopped.
    pub(crate) fn detach(&self) {
        self.station
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn push(&self, arrival: Arrival, tries: u32) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push(arrival, tries);
        drop(queue);
        self.more.notify_one();
    }

    fn pop(&self) -> Option<(Arrival, u32)> {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .waiting
            .pop_front()
    }

    fn done(&self, leg: LegId) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .known
            .remove(&leg);
    }

    /// Works until told to stop. Runs as one task that the desk owns.
    pub(crate) async fn work(
        self: Arc<Self>,
        core: Weak<Core>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) {
        let places = Arc::new(Semaphore::new(PARALLEL));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let (mut arrival, tries) = loop {
                if stop.is_cancelled() {
                    return;
                }
                if let Some(next) = self.pop() {
                    break next;
                }
                tokio::select! {
                    () = self.more.notified() => {}
                    () = stop.cancelled() => return,
                }
            };
            let Some(core) = core.upgrade() else { return };
            let (this, stop, more_tasks) = (Arc::clone(&self), stop.clone(), tasks.clone());
            tasks.spawn(async move {
                let _place = place;
                let verdict = match complete(&core, &mut arrival).await {
                    Ok(true) => work_on(&core, &arrival).await,
                    Ok(false) => Verdict::Done,
                    Err(why) => Verdict::Later(why),
                };
                match verdict {
                    Verdict::Done => this.done(arrival.leg),
                    Verdict::Later(why) => {
                        tracing::info!(
                            envelope = %arrival.header.context().id,
                            leg = %arrival.leg,
                            why,
                            tries,
                            "arrival is tried again later"
                        );
                        this.put_off(arrival, tries, stop, &more_tasks);
                    }
                }
            });
        }
    }

    fn put_off(
        self: Arc<Self>,
        arrival: Arrival,
        tries: u32,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) {
        let mut arrival = arrival;
        lighten(&mut arrival);
        let wait = (RETRY_FIRST * 2_u32.saturating_pow(tries.min(10))).min(RETRY_LAST);
        tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(wait) => self.push(arrival, tries.saturating_add(1)),
                () = stop.cancelled() => {}
            }
        });
    }
}

impl relay::desk::Desk for Arrivals {
    fn schema(&self) -> &'static [&'static str] {
        self.schema
    }

    fn attached(&self, station: &Station) {
        *self.station.lock().unwrap_or_else(PoisonError::into_inner) = Some(station.clone());
    }

    fn arrived(&self, arrival: Arrival) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.known.insert(arrival.leg) {
            queue.push(arrival, 0);
            drop(queue);
            self.more.notify_one();
        }
    }

    fn leg_changed(&self, change: &LegChange) -> Option<Box<dyn DeskWrite>> {
        let station = self.station.lock().unwrap_or_else(PoisonError::into_inner);
        let station = station.as_ref()?;
        moves::write(change, station.clock().now())
    }
}

/// Arrivals in work at once: opening is a few hundred microseconds of CPU, then a shared commit.
const PARALLEL: usize = 32;
/// Arrivals that keep their small body while they wait: 16 MiB at most.
const WITH_BODY_MAX: usize = 256;
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LAST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use relay::store::EnvelopeKey;

    use super::*;
    use crate::store::sample::header;

    #[test]
    fn only_the_first_arrivals_of_a_long_queue_wait_with_their_bodies() {
        let arrival = || Arrival {
            leg: LegId(1),
            envelope: EnvelopeKey(1),
            recipient: "H01.36.04".parse().unwrap(),
            header: Arc::new(header("H01.36", 1)),
            header_signature: Arc::from([0_u8; 8]),
            capsule_bytes: 300,
            body: BodyPlace::Inline(Bytes::from_static(b"body")),
            from: None,
        };
        let mut queue = Queue::default();
        for _ in 0..WITH_BODY_MAX + 9 {
            queue.push(arrival(), 0);
        }
        queue.waiting.truncate(1);
        queue.push(arrival(), 1);
        let bodies: Vec<usize> = queue
            .waiting
            .iter()
            .map(|(arrival, _)| match &arrival.body {
                BodyPlace::Inline(body) => body.len(),
                BodyPlace::File { .. } => 0,
            })
            .collect();
        assert_eq!(bodies, [4, 0]);
        let mut queue = Queue::default();
        (0..WITH_BODY_MAX + 9).for_each(|_| queue.push(arrival(), 0));
        let light =
            |(arrival, _): &&(Arrival, u32)| arrival.body == BodyPlace::Inline(Bytes::new());
        assert_eq!(queue.waiting.iter().filter(light).count(), 9);
    }
}
