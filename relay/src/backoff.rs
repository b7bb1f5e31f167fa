//! Backoff: how long to wait before the next attempt.
//!
//! Pure: the attempt number and a random word go in, milliseconds come out, so a schedule can be
//! tested as a table. The jitter matters more than the growth: after an outage thousands of legs
//! and links wait for the same neighbour, and without it they would all come back in the same
//! second. Must not know: what is retried, clocks, timers.

/// A doubling schedule with a ceiling. Copies are cheap; the constants below are the ones the
/// station uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Longest wait after the first failure, milliseconds.
    pub first_ms: u64,
    /// Longest wait ever, milliseconds.
    pub ceiling_ms: u64,
}

impl Backoff {
    /// Wait before attempt `attempt + 1`, when `attempt` (counted from 1) just failed: between half
    /// of the doubled base and all of it, chosen by `random`. Attempt 0 is treated as 1.
    #[must_use]
    pub fn delay_ms(self, attempt: u32, random: u32) -> u64 {
        let doublings = attempt.saturating_sub(1).min(MAX_DOUBLINGS);
        let base = self
            .first_ms
            .saturating_mul(1 << doublings)
            .min(self.ceiling_ms);
        let half = base / 2;
        half + (base - half) * u64::from(random) / u64::from(u32::MAX)
    }

    /// Like [`Self::delay_ms`], but never earlier than the `asked_ms` that the peer named in its
    /// refusal.
    #[must_use]
    pub fn delay_asked_ms(self, attempt: u32, asked_ms: Option<u64>, random: u32) -> u64 {
        let own = self.delay_ms(attempt, random);
        match asked_ms {
            // A peer may not park our legs for longer than our own ceiling; a tenth of jitter on
            // top.
            Some(asked) => {
                let asked = asked.min(self.ceiling_ms);
                own.max(asked + asked / 10 * u64::from(random) / u64::from(u32::MAX))
            }
            None => own,
        }
    }
}

/// Re-dialling a neighbour: fast at first (a restart takes a second), at most half a minute.
pub const DIAL: Backoff = Backoff {
    first_ms: 250,
    ceiling_ms: 30_000,
};

/// Re-offering a leg that a neighbour refused for the time being.
pub const OFFER: Backoff = Backoff {
    first_ms: 1_000,
    ceiling_ms: 300_000,
};

/// Asking the authority again: nothing waits for it, a country asks it.
pub const AUTHORITY: Backoff = Backoff {
    first_ms: 2_000,
    ceiling_ms: 300_000,
};

/// Beyond this the base has long reached any ceiling; keeps the shift defined.
const MAX_DOUBLINGS: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_doubles_up_to_the_ceiling_and_stays_there() {
        let schedule = Backoff {
            first_ms: 100,
            ceiling_ms: 1_000,
        };
        let longest: Vec<u64> = (1..=6).map(|n| schedule.delay_ms(n, u32::MAX)).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(schedule.delay_ms(u32::MAX, u32::MAX), 1_000);
    }

    #[test]
    fn jitter_spans_the_upper_half_only() {
        let schedule = Backoff {
            first_ms: 1_000,
            ceiling_ms: 60_000,
        };
        assert_eq!(schedule.delay_ms(1, 0), 500);
        assert_eq!(schedule.delay_ms(1, u32::MAX), 1_000);
        let middle = schedule.delay_ms(1, u32::MAX / 2);
        assert!((740..=760).contains(&middle), "{middle}");
    }

    #[test]
    fn a_peer_may_delay_but_not_park_a_leg() {
        let schedule = Backoff {
            first_ms: 100,
            ceiling_ms: 10_000,
        };
        assert_eq!(schedule.delay_asked_ms(1, Some(5_000), 0), 5_000);
        assert!(schedule.delay_asked_ms(1, Some(u64::MAX), u32::MAX) <= 11_000);
        assert_eq!(schedule.delay_asked_ms(1, None, u32::MAX), 100);
    }
}
