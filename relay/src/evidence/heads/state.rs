//! What is held of each log in memory, and its bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use formats::checkpoint::LogOrigin;
use formats::time::Timestamp;

use super::super::judge::Point;
use crate::store::{ConflictKind, LogConflict, SeenHead};

/// One log of another station.
#[derive(Debug)]
pub(super) struct Log {
    /// The newest head that is proven to go on from the first one seen.
    pub(super) held: SeenHead,
    /// Heads that are not proven to belong to it yet, as they came.
    pub(super) waiting: Vec<SeenHead>,
    /// Earlier heads that were found to belong to it.
    pub(super) older: Vec<Point>,
    /// Since when the first of those that wait does.
    pub(super) unproven_since: Option<Timestamp>,
    /// When the owner was asked last.
    pub(super) asked: Option<Instant>,
    /// A question is under way.
    pub(super) asking: bool,
    pub(super) convicted: Vec<ConflictKind>,
    /// `held` is not kept yet.
    pub(super) dirty: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) logs: BTreeMap<LogOrigin, Log>,
    /// Those of them with heads that wait.
    pub(super) waiting: BTreeSet<LogOrigin>,
    pub(super) conflicts: Vec<LogConflict>,
    /// Found and not kept yet.
    pub(super) fresh: Vec<LogConflict>,
}

impl SeenHead {
    pub(super) fn point(&self) -> Point {
        Point {
            size: self.size,
            root: self.root,
        }
    }

    pub(super) fn point_of(&self, other: &Self) -> Point {
        debug_assert_eq!(self.origin, other.origin, "heads of one log");
        other.point()
    }
}

impl Log {
    pub(super) fn new(held: SeenHead) -> Self {
        Self {
            held,
            waiting: Vec::new(),
            older: Vec::new(),
            unproven_since: None,
            asked: None,
            asking: false,
            convicted: Vec::new(),
            dirty: true,
        }
    }

    pub(super) fn knows(&self, point: &Point, by_owner: bool) -> bool {
        self.held.point() == *point
            || (!by_owner && self.older.contains(point))
            || self.waiting.iter().any(|one| one.point() == *point)
    }

    pub(super) fn go_on(&mut self, head: SeenHead) {
        let last = self.held.point();
        self.held = head;
        self.dirty = true;
        self.note_older(last);
    }

    pub(super) fn note_older(&mut self, point: Point) {
        if self.older.len() >= OLDER_MAX {
            self.older.remove(0);
        }
        self.older.push(point);
    }

    /// Heads wait as they came. When too many do the newest gives way: a fork that is among the first ones is
    /// found whatever comes after.
    pub(super) fn wait(&mut self, head: SeenHead) {
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop();
        }
        self.unproven_since.get_or_insert(head.seen);
        self.waiting.push(head);
    }
}

impl State {
    /// Whether one more log is followed: few of one station, so that none takes the room of the others.
    pub(super) fn has_room(&self, origin: &LogOrigin) -> bool {
        let first = LogOrigin::new(origin.station().clone(), 0);
        let last = LogOrigin::new(origin.station().clone(), u32::MAX);
        self.logs.len() < LOGS_MAX && self.logs.range(first..=last).count() < EPOCHS_MAX
    }
}

/// Logs that are followed: some 2 KiB each. A larger network follows those that it meets first.
const LOGS_MAX: usize = 16_384;
/// Logs of one station that are followed.
const EPOCHS_MAX: usize = 64;
/// Heads of one log that wait for a proof.
const WAITING_MAX: usize = 8;
/// Earlier heads of a log that are remembered as good.
const OLDER_MAX: usize = 16;
