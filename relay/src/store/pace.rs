//! How long a commit waits for company. Every commit costs the same few milliseconds of sync, signature and
//! pages whether it carries one change or fifty, and many changes come at once when a station is busy. So
//! a busy writer commits at most every few milliseconds; at rest nothing waits.
//!
//! Owns the count of the last moment; pure, the time is given. Must not know what a change is.

use std::time::{Duration, Instant};

/// The recent past of one kind of work.
#[derive(Debug)]
pub(crate) struct Pace {
    every: Duration,
    busy_from: usize,
    window: Instant,
    count: usize,
    busy: bool,
    last: Instant,
}

impl Pace {
    /// Work of which `busy_from` pieces in a tenth of a second are many: then rounds begin at least
    /// `every` apart.
    pub(crate) fn new(every: Duration, busy_from: usize, now: Instant) -> Self {
        Self {
            every,
            busy_from,
            window: now,
            count: 0,
            busy: false,
            last: now,
        }
    }

    /// How long the next round waits for company.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let fresh = now.saturating_duration_since(self.window) < WINDOW * 2;
        let left = self
            .every
            .checked_sub(now.saturating_duration_since(self.last))?;
        (self.busy && fresh && !left.is_zero()).then_some(left)
    }

    /// A round of `pieces` begins.
    pub(crate) fn round(&mut self, pieces: usize, now: Instant) {
        if now.saturating_duration_since(self.window) >= WINDOW {
            self.busy = self.count >= self.busy_from;
            self.count = 0;
            self.window = now;
        }
        self.count += pieces;
        self.busy |= self.count >= self.busy_from;
        self.last = now;
    }
}

const WINDOW: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(8);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn at_rest_nothing_waits() {
        let begin = Instant::now();
        let mut pace = Pace::new(EVERY, 20, begin);
        for round in 0..50 {
            let now = begin + ms(round * 20);
            assert_eq!(pace.wait(now), None, "round {round}");
            pace.round(1, now);
        }
    }

    #[test]
    fn when_busy_rounds_are_at_least_so_far_apart_and_never_further() {
        let begin = Instant::now();
        let mut pace = Pace::new(EVERY, 20, begin);
        for round in 0..30 {
            pace.round(1, begin + ms(round));
        }
        let now = begin + ms(30);
        assert_eq!(pace.wait(now), Some(ms(7)));
        assert_eq!(pace.wait(begin + ms(29) + EVERY), None);
    }

    #[test]
    fn a_busy_moment_is_forgotten() {
        let begin = Instant::now();
        let mut pace = Pace::new(EVERY, 20, begin);
        pace.round(500, begin);
        assert!(pace.wait(begin + ms(1)).is_some());
        assert_eq!(pace.wait(begin + ms(250)), None);
        pace.round(1, begin + ms(250));
        pace.round(1, begin + ms(351));
        assert_eq!(pace.wait(begin + ms(352)), None);
    }
}
