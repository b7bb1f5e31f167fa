//! The one place that reads the clocks of the machine. Everything else takes `now`, so that rules about
//! time can be tested without waiting. Owns nothing but the way to ask; cannot fail; must not know what
//! the time is used for. Timers are not made here: they are monotonic and belong to the task that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use formats::time::Timestamp;
use pki::clock::Reading;

/// Where the time of this process comes from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    System {
        /// The monotonic clock counts from here.
        started: Instant,
    },
    Manual(Arc<Hands>),
}

/// A clock that whoever holds the other end moves.
#[derive(Debug)]
struct Hands {
    /// Milliseconds since 1970.
    wall: AtomicI64,
    /// Milliseconds that passed.
    passed: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Self {
            source: Source::System {
                started: Instant::now(),
            },
        }
    }

    /// A clock that stands still until [`Clock::set`] moves it, for tests and simulations.
    #[must_use]
    pub fn manual(at: Timestamp) -> Self {
        let hands = Hands {
            wall: AtomicI64::new(at.unix_ms()),
            passed: AtomicI64::new(0),
        };
        Self {
            source: Source::Manual(Arc::new(hands)),
        }
    }

    /// The time now. A machine clock set before 1970 reads as 1970.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.reading().wall
    }

    /// Wall clock and monotonic clock together.
    #[must_use]
    pub fn reading(&self) -> Reading {
        match &self.source {
            Source::System { started } => Reading {
                wall: Timestamp::from_unix_ms(wall_ms()),
                monotonic: started.elapsed(),
            },
            Source::Manual(hands) => {
                let passed = hands.passed.load(Ordering::SeqCst);
                Reading {
                    wall: Timestamp::from_unix_ms(hands.wall.load(Ordering::SeqCst)),
                    monotonic: Duration::from_millis(u64::try_from(passed).unwrap_or_default()),
                }
            }
        }
    }

    /// Lets time pass on a manual clock and all its clones until it is `at`; the machine's clock is not
    /// ours to set and stays.
    pub fn set(&self, at: Timestamp) {
        if let Source::Manual(hands) = &self.source {
            let before = hands.wall.swap(at.unix_ms(), Ordering::SeqCst);
            let passed = at.unix_ms().saturating_sub(before).max(0);
            hands.passed.fetch_add(passed, Ordering::SeqCst);
        }
    }

    /// Sets the wall clock of a manual clock without any time passing, as a wrong hand does.
    pub fn set_wrong(&self, by_ms: i64) {
        if let Source::Manual(hands) = &self.source {
            hands.wall.fetch_add(by_ms, Ordering::SeqCst);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the place the rule points to"
)]
fn wall_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_moved() {
        let clock = Clock::manual(Timestamp::from_unix_ms(5));
        let other = clock.clone();
        assert_eq!(clock.now().unix_ms(), 5);
        clock.set(Timestamp::from_unix_ms(9));
        assert_eq!(other.now().unix_ms(), 9);
        assert_eq!(other.reading().monotonic, Duration::from_millis(4));
        // A wrong hand moves one clock and not the other.
        clock.set_wrong(-7);
        assert_eq!(other.reading().wall.unix_ms(), 2);
        assert_eq!(other.reading().monotonic, Duration::from_millis(4));
    }

    #[test]
    fn the_machine_clock_is_later_than_the_day_this_was_written() {
        assert!(Clock::system().now().unix_ms() > 1_760_000_000_000);
    }
}
