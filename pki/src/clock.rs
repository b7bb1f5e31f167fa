//! Whether a clock may be believed: a wall clock against its own machine's monotonic clock and against
//! references, whose time is known between two readings of ours (a time-stamp token that we asked for,
//! a peer's Hello or Pong).
//!
//! Owns [`Guard`], a pure judgement: readings and samples go in, [`State`] comes out. A sample is kept as
//! the distance of the reference to the *monotonic* clock, so a step of our wall clock shows at once, by
//! everything that was sampled before it. Fails never: what cannot be known is [`Doubt`]. Must not know:
//! where readings come from, sockets, what a doubt stops.
//!
//! Rules, in this order:
//! 1. Trusted references (time-stamp authorities of the trust list) decide, by their median.
//! 2. Without one, the median of at least two peers decides.
//! 3. One peer alone may be the one who is wrong: it warns. If our clock stepped as well, it is doubted.
//! 4. Without any, a step of the wall clock against the monotonic one is doubted, and so is a clock that
//!    nothing was compared with for longer than [`Rule::unknown_after`].

use std::collections::BTreeMap;
use std::time::Duration;

use formats::time::Timestamp;
use serde::Serialize;

/// Both clocks of a machine, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What people and certificates go by; may be set.
    pub wall: Timestamp,
    /// Since some moment of this process; never set.
    pub monotonic: Duration,
}

impl Reading {
    /// Wall minus monotonic, milliseconds: changes only when the wall clock is set.
    #[must_use]
    pub fn line_ms(self) -> i64 {
        self.wall.unix_ms().saturating_sub(millis(self.monotonic))
    }
}

/// How far off is too far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// From here on it is said, milliseconds.
    pub warn_ms: u64,
    /// From here on the clock is not believed, milliseconds.
    pub far_ms: u64,
    /// How long a sample counts.
    pub keep: Duration,
    /// How long a clock is believed that nothing was compared with; `None`: without end.
    pub unknown_after: Option<Duration>,
}

/// Who told the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Another station.
    Peer,
    /// A time-stamp authority that the trust list names.
    Trusted,
}

/// A reference's time, bounded by our readings before and after it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Reference minus our monotonic clock, milliseconds: not less.
    low: i64,
    /// Not more.
    high: i64,
    at: Duration,
}

impl Sample {
    /// The reference said `time` (right to `accuracy_ms`) somewhen between `sent` and `received`.
    #[must_use]
    pub fn between(sent: Reading, received: Reading, time: Timestamp, accuracy_ms: u64) -> Self {
        let accuracy = i64::try_from(accuracy_ms).unwrap_or(i64::MAX);
        let told = time.unix_ms();
        Self {
            low: told
                .saturating_sub(accuracy)
                .saturating_sub(millis(received.monotonic)),
            high: told
                .saturating_add(accuracy)
                .saturating_sub(millis(sent.monotonic)),
            at: received.monotonic,
        }
    }

    /// Reference minus our wall clock at `now`, milliseconds; the least that the bounds allow.
    #[must_use]
    pub fn offset_ms(&self, now: Reading) -> i64 {
        let (low, high) = (
            self.low.saturating_sub(now.line_ms()),
            self.high.saturating_sub(now.line_ms()),
        );
        if low > 0 { low } else { high.min(0) }
    }
}

/// What is known of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Right, as far as anybody can tell.
    Sure {
        /// References that were compared.
        references: usize,
    },
    /// Off, but not too far; or one peer alone says so.
    Differs {
        /// References minus our clock, milliseconds.
        off_ms: i64,
        /// References that were compared.
        references: usize,
    },
    /// Not to be believed.
    Unsure(Doubt),
}

impl State {
    /// Not to be believed.
    #[must_use]
    pub fn is_unsure(self) -> bool {
        matches!(self, Self::Unsure(_))
    }
}

/// Why a clock is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "doubt", rename_all = "snake_case")]
pub enum Doubt {
    /// The references agree that it is too far off.
    #[error("{off_ms} ms off by {references} references")]
    Far {
        /// References minus our clock, milliseconds.
        off_ms: i64,
        /// References that were compared.
        references: usize,
    },
    /// It was set, and no reference has confirmed it since.
    #[error("it was set by {by_ms} ms and nothing has confirmed it since")]
    Stepped {
        /// How far it jumped, milliseconds.
        by_ms: i64,
    },
    /// Nothing to compare it with for too long.
    #[error("compared with nothing for {for_s} s")]
    Unknown {
        /// How long, seconds.
        for_s: u64,
    },
}

/// Judges one clock. Samples by the reference's name: the newest of each counts.
#[derive(Clone, Debug)]
pub struct Guard {
    rule: Rule,
    /// The wall clock's line at the start or when a reference last confirmed it.
    confirmed: Reading,
    compared: Duration,
    peers: BTreeMap<String, Sample>,
    trusted: BTreeMap<String, Sample>,
}

impl Guard {
    /// Begins; the clock is believed as it is now.
    #[must_use]
    pub fn new(rule: Rule, now: Reading) -> Self {
        Self {
            rule,
            confirmed: now,
            compared: now.monotonic,
            peers: BTreeMap::new(),
            trusted: BTreeMap::new(),
        }
    }

    /// Other limits from now on: they are signed data and may change.
    pub fn set_rule(&mut self, rule: Rule) {
        self.rule = rule;
    }

    /// A reference told its time.
    pub fn add(&mut self, name: &str, kind: Reference, sample: Sample, now: Reading) {
        let samples = match kind {
            Reference::Peer => &mut self.peers,
            Reference::Trusted => &mut self.trusted,
        };
        if samples.len() >= SAMPLES_MAX && !samples.contains_key(name) {
            let oldest = samples.iter().min_by_key(|(_, sample)| sample.at);
            let oldest = oldest.map(|(name, _)| name.clone());
            oldest.map(|name| samples.remove(&name));
        }
        samples.insert(name.to_owned(), sample);
        self.compared = self.compared.max(sample.at);
        // What a trusted reference confirms is the new beginning: an old step is over then.
        if kind == Reference::Trusted && sample.offset_ms(now).unsigned_abs() <= self.rule.warn_ms {
            self.confirmed = now;
        }
    }

    /// What is known of the clock at `now`. Ask again whenever something was added and every few
    /// seconds.
    #[must_use]
    pub fn judge(&self, now: Reading) -> State {
        let trusted = self.offsets(&self.trusted, now);
        if let Some(off_ms) = median(trusted.clone()) {
            return self.weigh(off_ms, trusted.len());
        }
        let peers = self.offsets(&self.peers, now);
        let stepped = now.line_ms().saturating_sub(self.confirmed.line_ms());
        let has_stepped = stepped.unsigned_abs() > self.rule.far_ms;
        match (peers.as_slice(), median(peers.clone())) {
            ([alone], _) if !has_stepped || alone.unsigned_abs() <= self.rule.warn_ms => {
                if alone.unsigned_abs() > self.rule.warn_ms {
                    return State::Differs {
                        off_ms: *alone,
                        references: 1,
                    };
                }
                State::Sure { references: 1 }
            }
            ([_, _, ..], Some(off_ms)) => self.weigh(off_ms, peers.len()),
            _ if has_stepped => State::Unsure(Doubt::Stepped { by_ms: stepped }),
            _ => self.uncompared(now),
        }
    }

    fn uncompared(&self, now: Reading) -> State {
        let since = now.monotonic.saturating_sub(self.compared);
        match self.rule.unknown_after {
            Some(limit) if since > limit => State::Unsure(Doubt::Unknown {
                for_s: since.as_secs(),
            }),
            Some(_) | None => State::Sure { references: 0 },
        }
    }

    fn weigh(&self, off_ms: i64, references: usize) -> State {
        let off = off_ms.unsigned_abs();
        if off > self.rule.far_ms {
            State::Unsure(Doubt::Far { off_ms, references })
        } else if off > self.rule.warn_ms {
            State::Differs { off_ms, references }
        } else {
            State::Sure { references }
        }
    }

    fn offsets(&self, samples: &BTreeMap<String, Sample>, now: Reading) -> Vec<i64> {
        samples
            .values()
            .filter(|sample| now.monotonic.saturating_sub(sample.at) <= self.rule.keep)
            .map(|sample| sample.offset_ms(now))
            .collect()
    }
}

/// The middle one; of two middle ones the nearer to zero: in doubt for the clock, so that half of the
/// references cannot condemn it.
fn median(mut offsets: Vec<i64>) -> Option<i64> {
    offsets.sort_unstable();
    let upper = *offsets.get(offsets.len() / 2)?;
    if offsets.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *offsets.get((offsets.len() / 2).checked_sub(1)?)?;
    // On both sides of ours: nobody agrees with anybody, and we are in the middle.
    if lower <= 0 && upper >= 0 {
        return Some(0);
    }
    Some(if lower > 0 { lower } else { upper })
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// References of one kind that are remembered: a relay has thousands of peers, and a few hundred tell the
/// time as well as all of them.
const SAMPLES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const RULE: Rule = Rule {
        warn_ms: 5_000,
        far_ms: 60_000,
        keep: DAY,
        unknown_after: Some(DAY),
    };

    /// True time `s` seconds after the start, our wall clock `off_ms` ahead of it.
    fn at(s: u64, off_ms: i64) -> Reading {
        Reading {
            wall: true_time(s).plus_ms(off_ms),
            monotonic: Duration::from_secs(s),
        }
    }

    fn true_time(s: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_795_000_000_000).plus_ms(i64::try_from(s * 1_000).unwrap())
    }

    /// Asked at second `s`, answered at once by a clock that is `off_ms` ahead of the truth.
    fn told(s: u64, off_ms: i64) -> Sample {
        let time = true_time(s).plus_ms(off_ms);
        Sample::between(at(s, 0), at(s, 0), time, 0)
    }

    #[test]
    fn who_decides_and_how_far_is_too_far() {
        // (case, trusted offsets, peers' offsets, our error, what it comes to)
        let far = |off_ms, references| State::Unsure(Doubt::Far { off_ms, references });
        let differs = |off_ms, references| State::Differs { off_ms, references };
        let sure = |references| State::Sure { references };
        type Row = (&'static str, &'static [i64], &'static [i64], i64, State);
        let table: [Row; 14] = [
            ("nobody", &[], &[], 0, sure(0)),
            ("right", &[0], &[], 0, sure(1)),
            (
                "five seconds are said nothing of",
                &[0],
                &[],
                5_000,
                sure(1),
            ),
            ("more are", &[0], &[], 5_001, differs(-5_001, 1)),
            ("a minute is too far", &[0], &[], 60_001, far(-60_001, 1)),
            (
                "in the other direction too",
                &[0],
                &[],
                -60_001,
                far(60_001, 1),
            ),
            (
                "one trusted wins over peers",
                &[0],
                &[90_000, 90_000],
                0,
                sure(1),
            ),
            (
                "of three trusted one may be wrong",
                &[0, 0, 999_000],
                &[],
                0,
                sure(3),
            ),
            (
                "peers decide without one",
                &[],
                &[0, 0, 0],
                61_000,
                far(-61_000, 3),
            ),
            ("half of the peers do not", &[], &[0, 70_000], 0, sure(2)),
            ("most do", &[], &[0, 70_000, 80_000], 0, far(70_000, 3)),
            ("both of two do", &[], &[70_000, 80_000], 0, far(70_000, 2)),
            (
                "a peer alone may be wrong",
                &[],
                &[999_000],
                0,
                differs(999_000, 1),
            ),
            ("or right", &[], &[0], 0, sure(1)),
        ];
        for (case, trusted, peers, error, expected) in table {
            let now = at(10, error);
            let mut guard = Guard::new(RULE, at(0, error));
            for (number, off) in trusted.iter().enumerate() {
                let name = format!("tsa-{number}");
                guard.add(&name, Reference::Trusted, told(10, *off), now);
            }
            for (number, off) in peers.iter().enumerate() {
                guard.add(&format!("p{number}"), Reference::Peer, told(10, *off), now);
            }
            assert_eq!(guard.judge(now), expected, "{case}");
        }
    }

    #[test]
    fn a_step_of_the_wall_clock_is_seen_without_anybody_else_and_is_over_when_confirmed() {
        let mut guard = Guard::new(RULE, at(0, 0));
        assert_eq!(guard.judge(at(100, 0)), State::Sure { references: 0 });
        let doubt = State::Unsure(Doubt::Stepped { by_ms: 120_000 });
        assert_eq!(guard.judge(at(101, 120_000)), doubt);
        // A token shows that the step was wrong.
        let now = at(102, 120_000);
        guard.add("tsa", Reference::Trusted, told(102, 0), now);
        assert!(matches!(
            guard.judge(now),
            State::Unsure(Doubt::Far {
                off_ms: -120_000,
                ..
            })
        ));
        // Set back: the token of before already says so.
        assert_eq!(guard.judge(at(103, 0)), State::Sure { references: 1 });
    }

    #[test]
    fn a_machine_that_slept_is_believed_again_after_the_first_token() {
        // The monotonic clock stood still for an hour, the wall clock is right.
        let mut guard = Guard::new(RULE, at(0, 0));
        guard.add("tsa", Reference::Trusted, told(1, 0), at(1, 0));
        let woken = at(2, 3_600_000);
        assert!(guard.judge(woken).is_unsure());
        let asked = Sample::between(woken, woken, woken.wall, 1_000);
        guard.add("tsa", Reference::Trusted, asked, woken);
        assert_eq!(guard.judge(woken), State::Sure { references: 1 });
        // When the token is too old to count, the step is not held against it either.
        let later = Reading {
            wall: woken.wall.plus_ms(86_000_000),
            monotonic: Duration::from_secs(86_002),
        };
        assert!(!guard.judge(later).is_unsure());
    }

    #[test]
    fn one_peer_alone_decides_nothing_but_a_step_that_it_does_not_confirm_is_doubted() {
        let mut guard = Guard::new(RULE, at(0, 0));
        guard.add("p", Reference::Peer, told(1, 0), at(1, 0));
        assert!(guard.judge(at(2, 120_000)).is_unsure());
        assert!(!guard.judge(at(2, 0)).is_unsure());
    }

    #[test]
    fn samples_end_and_then_the_clock_is_unknown_after_its_time() {
        let mut guard = Guard::new(RULE, at(0, 0));
        guard.add("tsa", Reference::Trusted, told(10, 0), at(10, 0));
        assert_eq!(guard.judge(at(86_410, 0)), State::Sure { references: 1 });
        let unknown = guard.judge(at(86_411, 0));
        assert_eq!(unknown, State::Unsure(Doubt::Unknown { for_s: 86_401 }));
        guard.add("p", Reference::Peer, told(86_412, 0), at(86_412, 0));
        assert_eq!(guard.judge(at(86_413, 0)), State::Sure { references: 1 });
    }

    #[test]
    fn bounds_excuse_only_what_the_way_can_explain() {
        // Asked at 10 s, answered at 14 s, the reference said its 12 s: it may have been at once.
        let sample = Sample::between(at(10, 0), at(14, 0), true_time(12), 1_000);
        assert_eq!(sample.offset_ms(at(14, 0)), 0);
        assert_eq!(sample.offset_ms(at(20, 3_000)), 0);
        assert_eq!(sample.offset_ms(at(20, 3_001)), -1);
        assert_eq!(sample.offset_ms(at(20, -3_500)), 500);
    }

    #[test]
    fn memory_is_bounded_and_extreme_times_do_not_overflow() {
        let mut guard = Guard::new(RULE, at(0, 0));
        for number in 0..2_000 {
            let name = format!("p{number}");
            guard.add(&name, Reference::Peer, told(number, 0), at(number, 0));
        }
        assert_eq!(guard.peers.len(), SAMPLES_MAX);
        for ms in [i64::MIN, i64::MAX] {
            let reading = Reading {
                wall: Timestamp::from_unix_ms(ms),
                monotonic: Duration::MAX,
            };
            let sample = Sample::between(
                reading,
                at(0, 0),
                Timestamp::from_unix_ms(-ms.max(-i64::MAX)),
                u64::MAX,
            );
            guard.add("x", Reference::Trusted, sample, reading);
            let _judged = guard.judge(reading);
        }
    }
}
