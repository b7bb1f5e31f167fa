//! Judge: what two signed heads of one log say of the log. Pure: heads whose signatures somebody verified
//! and the log's own answer to the question for a consistency proof go in, a [`Verdict`] comes out.
//!
//! A signed head binds its station for ever, so whatever cannot have come from one growing log convicts the
//! station that signed. Two things must not: an old head that travelled slowly is no rewind, and a proof
//! that another station passed on wrongly is no fork. Therefore only the answer of the log's owner, on
//! its own link, counts against the log; from others only a proof that holds counts.

use formats::checkpoint::{Checkpoint, LogOrigin};
use formats::id::Digest;
use formats::merkle;

/// A head as its note says it, the signatures verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// How many leaves.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
}

impl From<&Checkpoint> for Point {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            size: checkpoint.size,
            root: checkpoint.root,
        }
    }
}

/// What came of asking how two heads of a log belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Nobody was asked yet.
    NotAsked,
    /// Nobody answered, or could not be reached.
    Silent,
    /// The owner of the log, on its own link: this path.
    Owner(&'a [Digest]),
    /// The owner of the log, on its own link: that it has no log of these sizes.
    OwnerHasNot,
    /// Another station passed a path on.
    PassedOn(&'a [Digest]),
}

/// What two heads of one log say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The same head.
    Same,
    /// The one shown is later and goes on from the one held.
    Grows,
    /// The one shown is earlier and the one held goes on from it.
    Older,
    /// They cannot be of one log: one size with two roots, or the owner's proof fails.
    Fork,
    /// The owner no longer has what it signed: its log is shorter than it was.
    Rewind,
    /// Not known yet: there is no proof, or nobody whose failing counts has given one.
    Unproven,
    /// The question for a proof has to be asked: from the smaller to the larger size.
    Ask {
        /// The smaller.
        old: u64,
        /// The larger.
        new: u64,
    },
    /// They are heads of two logs and say nothing of each other.
    OtherLog,
}

impl Verdict {
    /// The word in views and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Grows => "grows",
            Self::Older => "older",
            Self::Fork => "fork",
            Self::Rewind => "rewind",
            Self::Unproven => "unproven",
            Self::Ask { .. } => "ask",
            Self::OtherLog => "other_log",
        }
    }
}

/// Judges a head that is `shown` by the one that is `held`, both of the log `origin`.
#[must_use]
pub fn judge(held: Point, shown: Point, answer: &Answer<'_>) -> Verdict {
    if held.size == shown.size {
        return if held.root == shown.root {
            Verdict::Same
        } else {
            Verdict::Fork
        };
    }
    let (old, new, well) = if held.size < shown.size {
        (held, shown, Verdict::Grows)
    } else {
        (shown, held, Verdict::Older)
    };
    // Nothing has to be asked about the empty log: its root is known.
    let holds = |path: &[Digest]| {
        merkle::verify_consistency(old.size, new.size, &old.root, &new.root, path)
    };
    if old.size == 0 {
        return if holds(&[]) { well } else { Verdict::Fork };
    }
    match answer {
        Answer::NotAsked => Verdict::Ask {
            old: old.size,
            new: new.size,
        },
        Answer::Owner(path) | Answer::PassedOn(path) if holds(path) => well,
        Answer::Owner(_) => Verdict::Fork,
        Answer::OwnerHasNot => Verdict::Rewind,
        Answer::PassedOn(_) | Answer::Silent => Verdict::Unproven,
    }
}

/// The same for two checkpoints, which may be of two logs.
#[must_use]
pub fn judge_checkpoints(held: &Checkpoint, shown: &Checkpoint, answer: &Answer<'_>) -> Verdict {
    if held.origin == shown.origin {
        judge(held.into(), shown.into(), answer)
    } else {
        Verdict::OtherLog
    }
}

/// What a head of our own log, signed by us and shown by others, says of the log here. `root_here` is the root
/// of the log here at the size of the head, if it is that long.
#[must_use]
pub fn judge_own(here: &LogOrigin, shown: &Checkpoint, root_here: Option<&Digest>) -> Verdict {
    if shown.origin.station() != here.station() || shown.origin.epoch() < here.epoch() {
        return Verdict::OtherLog;
    }
    if shown.origin.epoch() > here.epoch() {
        // We opened an epoch that this folder knows nothing of.
        return Verdict::Rewind;
    }
    match root_here {
        None => Verdict::Rewind,
        Some(root) if *root == shown.root => Verdict::Same,
        Some(_) => Verdict::Fork,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u64, branch: u8) -> Vec<Digest> {
        // Two branches share their first ten leaves.
        let leaf = |n: u64| {
            merkle::leaf_hash(&[&n.to_be_bytes()[..], &[if n < 10 { 0 } else { branch }]].concat())
        };
        (0..count).map(leaf).collect()
    }

    fn point(count: u64, branch: u8) -> Point {
        Point {
            size: count,
            root: merkle::root(&leaves(count, branch)),
        }
    }

    fn path(old: u64, new: u64, branch: u8) -> Vec<Digest> {
        merkle::consistency_path(&leaves(new, branch), usize::try_from(old).unwrap()).unwrap()
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn the_table_of_two_heads() {
        let good = path(12, 20, 0);
        let other = path(12, 20, 1);
        let from_ten = path(10, 20, 1);
        let ask = |old, new| Verdict::Ask { old, new };
        // (held, shown, answer, verdict)
        let table = [
            (point(12, 0), point(12, 0), Answer::NotAsked, Verdict::Same),
            (point(12, 0), point(12, 1), Answer::NotAsked, Verdict::Fork),
            // One size with two roots needs no answer and no excuse.
            (point(12, 0), point(12, 1), Answer::Silent, Verdict::Fork),
            (point(12, 0), point(20, 0), Answer::NotAsked, ask(12, 20)),
            (
                point(12, 0),
                point(20, 0),
                Answer::Owner(&good),
                Verdict::Grows,
            ),
            (
                point(12, 0),
                point(20, 0),
                Answer::PassedOn(&good),
                Verdict::Grows,
            ),
            (
                point(12, 0),
                point(20, 0),
                Answer::Silent,
                Verdict::Unproven,
            ),
            // A proof that fails: of the owner a fork, of others nothing.
            (
                point(12, 0),
                point(20, 1),
                Answer::Owner(&other),
                Verdict::Fork,
            ),
            (
                point(12, 0),
                point(20, 1),
                Answer::Owner(&[]),
                Verdict::Fork,
            ),
            (
                point(12, 0),
                point(20, 1),
                Answer::PassedOn(&other),
                Verdict::Unproven,
            ),
            (
                point(12, 0),
                point(20, 0),
                Answer::PassedOn(&[]),
                Verdict::Unproven,
            ),
            // Both branches go on from the common beginning.
            (
                point(10, 0),
                point(20, 1),
                Answer::Owner(&from_ten),
                Verdict::Grows,
            ),
            (point(20, 0), point(12, 0), Answer::NotAsked, ask(12, 20)),
            (
                point(20, 0),
                point(12, 0),
                Answer::Owner(&good),
                Verdict::Older,
            ),
            (
                point(20, 0),
                point(12, 1),
                Answer::Owner(&good),
                Verdict::Fork,
            ),
            (
                point(20, 0),
                point(12, 0),
                Answer::Silent,
                Verdict::Unproven,
            ),
            // The owner no longer has the larger size that it signed.
            (
                point(20, 0),
                point(12, 0),
                Answer::OwnerHasNot,
                Verdict::Rewind,
            ),
            (
                point(12, 0),
                point(20, 0),
                Answer::OwnerHasNot,
                Verdict::Rewind,
            ),
            // The empty log is the beginning of every log.
            (point(0, 0), point(20, 0), Answer::NotAsked, Verdict::Grows),
            (point(20, 0), point(0, 0), Answer::NotAsked, Verdict::Older),
        ];
        for (number, (held, shown, answer, verdict)) in table.iter().enumerate() {
            assert_eq!(judge(*held, *shown, answer), *verdict, "row {number}");
        }
        let no_root = Point {
            size: 0,
            root: Digest::of(b"something"),
        };
        let verdict = judge(no_root, point(20, 0), &Answer::NotAsked);
        assert_eq!(verdict, Verdict::Fork, "an empty log with another root");
    }

    #[test]
    fn heads_of_two_logs_say_nothing_of_each_other() {
        let head = |origin: &str| Checkpoint {
            origin: origin.parse().unwrap(),
            size: 12,
            root: point(12, 0).root,
        };
        let one = head("relay-a.tram.test/log/1");
        for other in ["relay-a.tram.test/log/2", "relay-b.tram.test/log/1"] {
            let verdict = judge_checkpoints(&one, &head(other), &Answer::NotAsked);
            assert_eq!(verdict, Verdict::OtherLog, "{other}");
        }
        assert_eq!(
            judge_checkpoints(&one, &one, &Answer::NotAsked),
            Verdict::Same
        );
    }

    #[test]
    fn a_head_of_our_own_that_we_do_not_have_means_that_we_were_rewound() {
        let here: LogOrigin = "relay-a.tram.test/log/2".parse().unwrap();
        let shown = |origin: &str, size| Checkpoint {
            origin: origin.parse().unwrap(),
            size,
            root: point(size, 0).root,
        };
        let root = point(12, 0).root;
        let other = point(12, 1).root;
        let own = "relay-a.tram.test/log/2";
        let table = [
            (shown(own, 12), Some(&root), Verdict::Same),
            (shown(own, 12), Some(&other), Verdict::Fork),
            (shown(own, 12), None, Verdict::Rewind),
            // What was signed into a closed epoch stays where it is.
            (
                shown("relay-a.tram.test/log/1", 99),
                None,
                Verdict::OtherLog,
            ),
            (shown("relay-a.tram.test/log/3", 1), None, Verdict::Rewind),
            (shown("relay-b.tram.test/log/3", 1), None, Verdict::OtherLog),
        ];
        for (shown, root, verdict) in table {
            assert_eq!(judge_own(&here, &shown, root), verdict, "{shown:?}");
        }
    }
}
