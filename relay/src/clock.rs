//! The one place that reads the wall clock. Everything else takes `now`, so that rules about time can
//! be tested without waiting. Owns nothing but the way to ask; cannot fail; must not know what the time
//! is used for. Timers are not made here: they are monotonic and belong to the task that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use formats::time::Timestamp;

/// Where the time of this process comes from. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    source: Source,
}

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    /// Milliseconds since 1970, moved by whoever holds the other end.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Self {
            source: Source::System,
        }
    }

    /// A clock that stands still until [`Clock::set`] moves it, for tests and simulations.
    #[must_use]
    pub fn manual(at: Timestamp) -> Self {
        Self {
            source: Source::Manual(Arc::new(AtomicI64::new(at.unix_ms()))),
        }
    }

    /// The time now. A machine clock set before 1970 reads as 1970.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System => Timestamp::from_unix_ms(wall_ms()),
            Source::Manual(ms) => Timestamp::from_unix_ms(ms.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock and all its clones; the machine's clock is not ours to set and stays.
    pub fn set(&self, at: Timestamp) {
        if let Source::Manual(ms) = &self.source {
            ms.store(at.unix_ms(), Ordering::SeqCst);
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
    }

    #[test]
    fn the_machine_clock_is_later_than_the_day_this_was_written() {
        assert!(Clock::system().now().unix_ms() > 1_760_000_000_000);
    }
}
