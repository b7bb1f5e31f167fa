//! Link: one QUIC connection to one neighbour, and the set of all of them.
//!
//! The conversation (architecture 10):
//! 1. The node dials its home relays; of two neighbours the one with the smaller name dials. TLS
//!    proves both names.
//! 2. The dialler opens the control stream; both send Hello, then Ping when it is quiet, at the end
//!    Bye.
//! 3. Either side opens one bidirectional stream per transfer: `Offer` → `Want` | `Have` |
//!    `Refuse`.
//! 4. After `Want` the leaf hashes and the bytes of the pieces follow; a small body is in the offer
//!    already.
//! 5. The receiver verifies, commits, and only then sends `Custody`.
//!
//! Who owns what: [`driver`] quinn, [`session`] the control conversation, [`keep`] one link from
//! handshake to end, [`dial`] which links to have, [`offer`] and [`receive`] the two sides of a
//! transfer. A link ends when its certificates do, and when a new CRL or record says it should not
//! be.

pub(crate) mod dial;
pub(crate) mod driver;
pub(crate) mod frames;
pub(crate) mod heads;
pub(crate) mod keep;
pub(crate) mod offer;
pub(crate) mod receive;
pub(crate) mod session;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use formats::id::StationName;
use formats::time::Timestamp;
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

use crate::forward::LARGE_SLOTS;
use driver::Wire;
use heads::Asking;

/// A link that is up.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: StationName,
    pub(crate) wire: Wire,
    /// Since when it is up.
    since: Timestamp,
    /// Peer clock minus ours when it last told it, milliseconds.
    clock_offset_ms: AtomicI64,
    /// Until when the trust data about the peer may be used, milliseconds since 1970: after that the link is
    /// restricted.
    fresh_until_ms: AtomicI64,
    /// How often the link was freed of its restriction.
    freed: AtomicUsize,
    /// The peer said Bye: offer nothing more.
    leaving: AtomicBool,
    /// Large bodies coming in at once.
    pub(crate) large_incoming: Arc<Semaphore>,
    /// Questions about logs, ours and the peer's.
    pub(crate) asking: Asking,
}

impl Link {
    pub(crate) fn new(
        peer: StationName,
        wire: Wire,
        since: Timestamp,
        clock_offset_ms: i64,
        fresh_until: Timestamp,
        asking: Asking,
    ) -> Self {
        Self {
            peer,
            wire,
            since,
            clock_offset_ms: AtomicI64::new(clock_offset_ms),
            fresh_until_ms: AtomicI64::new(fresh_until.unix_ms()),
            freed: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            large_incoming: Arc::new(Semaphore::new(LARGE_SLOTS)),
            asking,
        }
    }

    /// Whether transfers may be offered on it.
    pub(crate) fn takes_offers(&self) -> bool {
        !self.leaving.load(Ordering::Relaxed) && !self.wire.is_closed()
    }

    /// Whether the trust data about the peer is past its window: Hello, records and trace go on, offers do
    /// not (architecture 7).
    pub(crate) fn is_restricted(&self, now: Timestamp) -> bool {
        now.unix_ms() > self.fresh_until_ms.load(Ordering::Relaxed)
    }

    /// The peer was judged again.
    ///
    /// True if it was restricted and is no more.
    pub(crate) fn set_fresh_until(&self, until: Timestamp, now: Timestamp) -> bool {
        let before = self.fresh_until_ms.swap(until.unix_ms(), Ordering::Relaxed);
        let freed = before < now.unix_ms() && until >= now;
        self.freed.fetch_add(usize::from(freed), Ordering::Relaxed);
        freed
    }

    /// Changes when the connection does and when it is freed of its restriction: then everything that waits
    /// for this link is worth another try.
    pub(crate) fn turn(&self) -> (usize, usize) {
        (self.wire.number(), self.freed.load(Ordering::Relaxed))
    }

    /// The peer told its clock again.
    pub(crate) fn set_clock_offset(&self, offset_ms: i64) {
        self.clock_offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    /// Whether someone said Bye on it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// The peer said Bye.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }
}

/// One link as operators see it.
#[derive(Clone, Debug, Serialize)]
pub struct LinkState {
    /// The neighbour.
    pub station: StationName,
    /// Whether it is there and nobody is leaving.
    pub up: bool,
    /// Whether offers are refused on it, because trust data about the peer is past its window.
    pub restricted: bool,
    /// Up or down since.
    pub since: Timestamp,
    /// Peer address, if up.
    pub address: Option<String>,
    /// Smoothed round-trip time, microseconds, if up.
    pub rtt_us: Option<u64>,
    /// Peer clock minus ours when it last told it, milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// Why it is down.
    pub reason: Option<String>,
    /// Attempts to dial since it was last up.
    pub attempts: u32,
}

#[derive(Debug)]
struct Down {
    since: Timestamp,
    reason: String,
    attempts: u32,
}

/// All links of the station.
#[derive(Debug)]
pub(crate) struct Links {
    up: Mutex<HashMap<StationName, Arc<Link>>>,
    down: Mutex<HashMap<StationName, Down>>,
    version: watch::Sender<u64>,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            up: Mutex::default(),
            down: Mutex::default(),
            version: watch::Sender::new(0),
        }
    }
}

impl Links {
    /// The link to a neighbour, if transfers may go over it.
    pub(crate) fn to(&self, peer: &StationName) -> Option<Arc<Link>> {
        let up = self.up.lock().unwrap_or_else(PoisonError::into_inner);
        up.get(peer).filter(|link| link.takes_offers()).cloned()
    }

    /// Whether transfers may go to this neighbour.
    pub(crate) fn is_up(&self, peer: &StationName) -> bool {
        self.to(peer).is_some()
    }

    /// All links in place, leaving ones included.
    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        self.up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// Counts up whenever a link came or went.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Puts a link in place; gives back the one it replaces. The newer connection wins: its peer
    /// has just proved that it is alive, the older one may be a ghost of a process that died.
    pub(crate) fn came(&self, link: Arc<Link>) -> Option<Arc<Link>> {
        self.down
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&link.peer);
        let replaced = self
            .up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(link.peer.clone(), link);
        self.version.send_modify(|version| *version += 1);
        replaced
    }

    /// Takes a link away, unless a newer one is in its place.
    pub(crate) fn went(&self, link: &Link, reason: &str, now: Timestamp) {
        {
            let mut up = self.up.lock().unwrap_or_else(PoisonError::into_inner);
            let current = up.get(&link.peer);
            if current.is_none_or(|other| other.wire.number() != link.wire.number()) {
                return;
            }
            up.remove(&link.peer);
        }
        self.note_down(&link.peer, reason, false, now);
        self.version.send_modify(|version| *version += 1);
    }

    /// The peer of a link said Bye: routes change although the connection still stands.
    pub(crate) fn leaves(&self, link: &Link) {
        link.leave();
        self.version.send_modify(|version| *version += 1);
    }

    /// A link may be used for offers again.
    pub(crate) fn freed(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// Remembers why there is no link.
    pub(crate) fn note_down(
        &self,
        peer: &StationName,
        reason: &str,
        dialled: bool,
        now: Timestamp,
    ) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if down.len() >= DOWN_MAX {
            down.clear();
        }
        let entry = down.entry(peer.clone()).or_insert(Down {
            since: now,
            reason: String::new(),
            attempts: 0,
        });
        reason.clone_into(&mut entry.reason);
        entry.attempts += u32::from(dialled);
    }

    /// Everything, for operators; by name.
    pub(crate) fn states(&self, now: Timestamp) -> Vec<LinkState> {
        let all = self.all();
        let mut states: Vec<LinkState> = all.iter().map(|link| up_state(link, now)).collect();
        let down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        states.extend(down.iter().map(|(station, down)| LinkState {
            station: station.clone(),
            up: false,
            restricted: false,
            since: down.since,
            address: None,
            rtt_us: None,
            clock_offset_ms: None,
            reason: Some(down.reason.clone()),
            attempts: down.attempts,
        }));
        states.sort_by(|one, other| one.station.cmp(&other.station));
        states
    }
}

fn up_state(link: &Link, now: Timestamp) -> LinkState {
    LinkState {
        station: link.peer.clone(),
        up: link.takes_offers(),
        restricted: link.is_restricted(now),
        since: link.since,
        address: Some(link.wire.remote().to_string()),
        rtt_us: u64::try_from(link.wire.rtt().as_micros()).ok(),
        clock_offset_ms: Some(link.clock_offset_ms.load(Ordering::Relaxed)),
        reason: None,
        attempts: 0,
    }
}

/// Stations without a link that are remembered with the reason.
const DOWN_MAX: usize = 65_536;
