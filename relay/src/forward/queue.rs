//! Queue: what waits in memory for one next hop, and which of it may fly now. Pure.
//!
//! Small and large bodies have slots of their own, so a drawing of a gigabyte never stands in front
//! of a thousand letters; a part of both kinds of slots is kept for urgent envelopes, so a flood of
//! normal ones cannot shut them out. Within a kind: higher priority first, then order of arrival.
//! Bounded: what does not fit stays in the store and is fetched when there is room. Must not know:
//! links, the store, time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use formats::header::{Class, Header, Priority};
use formats::id::{Party, StationName};
use formats::limits;

use crate::store::{BodyPlace, EnvelopeKey, LegId};

/// Legs of one envelope that travel in one transfer.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Where to.
    pub(crate) hop: StationName,
    pub(crate) envelope: EnvelopeKey,
    pub(crate) header: Arc<Header>,
    pub(crate) header_signature: Arc<[u8]>,
    pub(crate) capsule_bytes: u32,
    pub(crate) body: BodyPlace,
    /// Stations before this one.
    pub(crate) via: Vec<StationName>,
    /// Sent by our own desk.
    pub(crate) own: bool,
    /// The sender's attempt; travels in the offer.
    pub(crate) attempt: u32,
    pub(crate) legs: Vec<BatchLeg>,
}

/// One leg of a [`Batch`].
#[derive(Clone, Debug)]
pub(crate) struct BatchLeg {
    pub(crate) leg: LegId,
    pub(crate) recipient: Party,
    /// Offers of it that failed so far.
    pub(crate) tries: u32,
}

impl Batch {
    /// Which slots it needs.
    pub(crate) fn kind(&self) -> Kind {
        let size = if self.header.body_bytes() <= limits::INLINE_BODY_BYTES_MAX {
            Size::Small
        } else {
            Size::Large
        };
        Kind {
            size,
            urgent: self.header.context().priority != Priority::Normal,
        }
    }

    /// Larger goes first. Receipts go before documents of the same priority: they are small and
    /// free the sender's memory.
    fn rank(&self) -> u8 {
        let context = self.header.context();
        let class = match context.class {
            Class::Receipt | Class::Control => 1,
            Class::Document | Class::Status => 0,
        };
        context.priority.number() * 2 + class
    }

    /// Stream priority for QUIC; larger is sent first, large bodies behind small ones.
    pub(crate) fn stream_priority(&self) -> i32 {
        let small = if self.kind().size == Size::Small {
            16
        } else {
            0
        };
        i32::from(self.rank()) + small
    }
}

/// Slots that a batch needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) size: Size,
    pub(crate) urgent: bool,
}

/// Whether the body rides with the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

/// What waits for one hop.
#[derive(Debug, Default)]
pub(crate) struct HopQueue {
    small: Lane,
    large: Lane,
    sequence: u64,
    /// The store may hold more for this hop than is queued here.
    pub(crate) more: bool,
    /// The next fetch takes also what waits for a later time.
    pub(crate) wake: bool,
    /// A fetch from the store runs.
    pub(crate) fetching: bool,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeMap<(Reverse<u8>, u64), Batch>,
    flying: usize,
}

impl HopQueue {
    /// Queues a batch. `false`: there is no room; the store still has it.
    #[must_use]
    pub(crate) fn push(&mut self, batch: Batch) -> bool {
        if self.waiting() >= WAITING_MAX {
            self.more = true;
            return false;
        }
        self.sequence += 1;
        let key = (Reverse(batch.rank()), self.sequence);
        self.lane(batch.kind().size).waiting.insert(key, batch);
        true
    }

    /// The next batch that may fly; it holds its slot until [`Self::landed`].
    pub(crate) fn next(&mut self) -> Option<Batch> {
        for (size, slots, reserved) in [
            (Size::Small, SMALL_SLOTS, SMALL_URGENT),
            (Size::Large, LARGE_SLOTS, LARGE_URGENT),
        ] {
            let lane = self.lane(size);
            let Some(first) = lane.waiting.first_entry() else {
                continue;
            };
            let open = if first.get().kind().urgent {
                slots
            } else {
                slots - reserved
            };
            if lane.flying < open {
                lane.flying += 1;
                return Some(first.remove());
            }
        }
        None
    }

    /// A batch of this size has ended its flight.
    pub(crate) fn landed(&mut self, size: Size) {
        let lane = self.lane(size);
        lane.flying = lane.flying.saturating_sub(1);
    }

    /// Forgets what waits (the store still has it); what flies goes on.
    pub(crate) fn clear(&mut self) -> Vec<Batch> {
        self.more = true;
        let small = std::mem::take(&mut self.small.waiting);
        let large = std::mem::take(&mut self.large.waiting);
        small.into_values().chain(large.into_values()).collect()
    }

    /// Batches waiting.
    pub(crate) fn waiting(&self) -> usize {
        self.small.waiting.len() + self.large.waiting.len()
    }

    /// Nothing waits, flies or is being fetched.
    pub(crate) fn is_idle(&self) -> bool {
        let flying = self.small.flying + self.large.flying;
        self.waiting() == 0 && flying == 0 && !self.fetching && !self.more
    }

    /// Time to fetch more from the store.
    pub(crate) fn hungry(&self) -> bool {
        self.more && !self.fetching && self.waiting() < FETCH_BELOW
    }

    fn lane(&mut self, size: Size) -> &mut Lane {
        match size {
            Size::Small => &mut self.small,
            Size::Large => &mut self.large,
        }
    }
}

/// Transfers of small bodies in flight on one link. More only queue inside QUIC.
pub(crate) const SMALL_SLOTS: usize = 64;
/// Of them kept for urgent envelopes.
const SMALL_URGENT: usize = 16;
/// Transfers of large bodies in flight on one link: each pins a piece and a window.
pub(crate) const LARGE_SLOTS: usize = 4;
/// Of them kept for urgent envelopes.
const LARGE_URGENT: usize = 1;
/// Batches held in memory for one hop; at 64 KiB each 16 MiB at most.
const WAITING_MAX: usize = 256;
/// Fetch when fewer than this wait.
const FETCH_BELOW: usize = 64;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use formats::header::Context;
    use formats::id::{Digest, EnvelopeId};
    use formats::time::Timestamp;

    use super::*;

    fn batch(number: i64, priority: Priority, class: Class, bytes: u64) -> Batch {
        let created = Timestamp::from_unix_ms(1_795_000_000_000);
        let station: StationName = "node-a.tram.test".parse().expect("name");
        let sealed = class.is_sealed();
        let sender = if sealed {
            "H01.36".parse().expect("code")
        } else {
            station.clone().into()
        };
        let recipient = if sealed {
            "H02".parse().expect("code")
        } else {
            "node-b.tram.test".parse().expect("name")
        };
        let context = Context {
            id: EnvelopeId::new(created, &[7; 10]),
            class,
            sender,
            sender_station: station.clone(),
            recipients: vec![recipient],
            priority,
            created,
            expires: created.plus_ms(1_000),
            signer: Digest::of(b"signer"),
            commitment: sealed.then(|| Digest::of(b"commitment")),
            supersedes: None,
            addressed_as: vec![],
        };
        Batch {
            hop: station,
            envelope: EnvelopeKey(number),
            header: Arc::new(Header::new(context, Digest::of(b"body"), bytes).expect("header")),
            header_signature: Arc::from([]),
            capsule_bytes: 300,
            body: BodyPlace::Inline(Bytes::new()),
            via: vec![],
            own: true,
            attempt: 1,
            legs: vec![],
        }
    }

    fn order(queue: &mut HopQueue) -> Vec<i64> {
        std::iter::from_fn(|| queue.next())
            .map(|batch| batch.envelope.0)
            .collect()
    }

    #[test]
    fn urgent_goes_first_receipts_before_documents_then_by_arrival() {
        let mut queue = HopQueue::default();
        for (number, priority, class) in [
            (1, Priority::Normal, Class::Document),
            (2, Priority::Normal, Class::Receipt),
            (3, Priority::ALL[4], Class::Document),
            (4, Priority::Normal, Class::Document),
            (5, Priority::ALL[1], Class::Document),
        ] {
            assert!(queue.push(batch(number, priority, class, 1_000)));
        }
        assert_eq!(order(&mut queue), [3, 5, 2, 1, 4]);
    }

    #[test]
    fn a_flood_of_normal_envelopes_leaves_slots_for_urgent_ones() {
        let mut queue = HopQueue::default();
        for number in 0..100 {
            assert!(queue.push(batch(number, Priority::Normal, Class::Document, 1_000)));
        }
        assert_eq!(order(&mut queue).len(), SMALL_SLOTS - SMALL_URGENT);
        assert!(queue.push(batch(777, Priority::ALL[1], Class::Document, 1_000)));
        assert_eq!(order(&mut queue), [777]);
        queue.landed(Size::Small);
        queue.landed(Size::Small);
        assert_eq!(
            order(&mut queue).len(),
            1,
            "the slot of the urgent one is not for the others"
        );
    }

    #[test]
    fn large_bodies_have_slots_of_their_own_and_do_not_hold_up_small_ones() {
        let mut queue = HopQueue::default();
        for number in 0..10 {
            assert!(queue.push(batch(number, Priority::Normal, Class::Document, 5_000_000)));
        }
        assert!(queue.push(batch(99, Priority::Normal, Class::Document, 1_000)));
        assert_eq!(order(&mut queue), [99, 0, 1, 2]);
        assert!(!queue.is_idle());
    }

    #[test]
    fn what_does_not_fit_is_left_in_the_store() {
        let mut queue = HopQueue::default();
        let mut number = 0;
        while queue.push(batch(number, Priority::Normal, Class::Document, 1_000)) {
            number += 1;
        }
        assert_eq!(usize::try_from(number).expect("small"), WAITING_MAX);
        assert!(queue.more && !queue.hungry());
        assert_eq!(queue.clear().len(), WAITING_MAX);
        assert!(queue.hungry());
    }
}
