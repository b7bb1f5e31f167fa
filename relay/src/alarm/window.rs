//! Window: how long data is used after the last good word of its source, and where its half lies. Pure.
//!
//! The alarm rises at half of the window; of a window of months, thirty days before its end, because an
//! alarm that is up for half a year is one that nobody reads.

use formats::time::Timestamp;

/// How bad an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Half of the window is over.
    Warning,
    /// All of it: what rests on the data stops.
    Stopped,
}

impl Level {
    /// The word in views and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Stopped => "stopped",
        }
    }
}

/// From when to when data is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When the data was made.
    pub from: Timestamp,
    /// After this it is not used.
    pub until: Timestamp,
}

impl Window {
    /// The window of a certificate: the last third of its life, when it should have been renewed.
    #[must_use]
    pub fn of_certificate(not_before: Timestamp, not_after: Timestamp) -> Self {
        let life = not_after.minus(not_before);
        Self {
            from: not_before.plus_ms(life / 3 * 2),
            until: not_after,
        }
    }

    /// When the alarm rises.
    #[must_use]
    pub fn half(&self) -> Timestamp {
        let half = self.until.minus(self.from) / 2;
        self.until.minus_ms(half.clamp(0, NOTICE_MS_MAX))
    }

    /// How the data stands at `now`; `None`: well.
    #[must_use]
    pub fn level(&self, now: Timestamp) -> Option<Level> {
        if now > self.until {
            Some(Level::Stopped)
        } else if now >= self.half() {
            Some(Level::Warning)
        } else {
            None
        }
    }
}

/// The alarm rises at most this long before the end.
pub const NOTICE_MS_MAX: i64 = 30 * 24 * 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_window_is_a_warning_and_its_end_a_stop() {
        let day = 86_400_000;
        let at = Timestamp::from_unix_ms;
        // (from, until, now, level)
        for (from, until, now, level) in [
            (0, 3 * day, 0, None),
            (0, 3 * day, day * 3 / 2 - 1, None),
            (0, 3 * day, day * 3 / 2, Some(Level::Warning)),
            (0, 3 * day, 3 * day, Some(Level::Warning)),
            (0, 3 * day, 3 * day + 1, Some(Level::Stopped)),
            (0, 365 * day, 335 * day - 1, None),
            (0, 365 * day, 335 * day, Some(Level::Warning)),
            // A window that ends before it begins is over.
            (day, 0, 1, Some(Level::Stopped)),
            (day, 0, 0, Some(Level::Warning)),
        ] {
            let window = Window {
                from: at(from),
                until: at(until),
            };
            assert_eq!(window.level(at(now)), level, "{from}..{until} at {now}");
        }
    }

    #[test]
    fn a_certificate_should_be_renewed_at_two_thirds_of_its_life() {
        let at = Timestamp::from_unix_ms;
        let window = Window::of_certificate(at(0), at(90));
        assert_eq!((window.from, window.half()), (at(60), at(75)));
    }
}
