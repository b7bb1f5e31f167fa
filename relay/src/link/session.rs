//! Session: the control stream's conversation, sans-IO. Frames and the time since the link began go
//! in, [`Action`]s come out; the caller sends, closes and waits.
//!
//! 1. Both sides send Hello at once and nothing else before they have the other's.
//! 2. Hello names the station that the certificate named, and versions that overlap; else the link
//!    ends.
//! 3. From then on each side pings when it has heard nothing for the ping interval; three silent
//!    intervals end the link. (QUIC's own keep-alive proves the peer's kernel; the ping proves its
//!    process.)
//! 4. Bye ends it: no new offers, what flies may land.
//!
//! Call [`Session::on_frame`] for every frame and [`Session::on_time`] when [`Session::deadline`]
//! has come. Must not know: streams, certificates, envelopes.

use std::time::Duration;

use formats::checkpoint::{LogOrigin, SignedCheckpoint};
use formats::frame::{Control, PeerLimits, Versions};
use formats::id::{Digest, StationName};
use formats::limits;
use formats::reason::Reason;
use formats::time::Timestamp;

/// What the caller has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send this frame.
    Send(Control),
    /// The link is up.
    Up(PeerHello),
    /// The peer will take nothing more; it may be dialled again after this time.
    PeerLeaves {
        /// Why.
        reason: Reason,
        /// When to come back, milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// The peer told its clock; the answer was under way for at most `way`.
    Told {
        /// What it said.
        clock: Timestamp,
        /// How old that may be.
        way: Duration,
    },
    /// The peer tells heads of logs.
    Heads(Vec<SignedCheckpoint>),
    /// The peer asks for a consistency proof.
    Prove(Question),
    /// The peer answers such a question of ours.
    Proof {
        /// The question's number.
        number: u64,
        /// The path; `None`: it has no log of these sizes.
        path: Option<Vec<Digest>>,
    },
    /// End the connection: the peer broke the rules or is gone.
    Close(Broken),
}

/// A question for a consistency proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// For the answer.
    pub(crate) number: u64,
    /// Of which log.
    pub(crate) origin: LogOrigin,
    /// The smaller size.
    pub(crate) old: u64,
    /// The larger.
    pub(crate) new: u64,
    /// How many stations may pass it on.
    pub(crate) hops: u32,
}

/// What the peer's Hello said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeerHello {
    /// Version in use.
    pub(crate) version: u32,
    /// Peer clock minus ours, milliseconds; the way here is not taken off.
    pub(crate) clock_offset_ms: i64,
    /// What its clock showed.
    pub(crate) clock: Timestamp,
    /// What the peer takes.
    pub(crate) limits: PeerLimits,
}

/// Why the session ends without Bye.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// Hello with another name than the certificate's.
    #[error("hello says {said}, the certificate says {proven}")]
    OtherName {
        /// In Hello.
        said: StationName,
        /// In the certificate.
        proven: StationName,
    },
    /// No version in common.
    #[error("peer speaks versions {0:?}, we speak {ours:?}", ours = Versions::OURS)]
    NoVersion(Versions),
    /// A frame that must not come now.
    #[error("frame out of turn: {0}")]
    OutOfTurn(&'static str),
    /// Nothing heard.
    #[error("silent for {0} ms")]
    Silent(u128),
}

/// One side of the conversation.
#[derive(Debug)]
pub(crate) struct Session {
    peer: StationName,
    greet: Duration,
    ping: Duration,
    state: State,
    heard: Duration,
    pinged: Duration,
    pings: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    AwaitsHello,
    Up,
    PeerLeaves,
}

impl Session {
    /// Begins. `peer` is the name its certificate proved; `greet` is how long its Hello may take,
    /// `ping` the interval of silence after which we ask. Send the returned Hello first.
    pub(crate) fn begin(
        me: &StationName,
        peer: StationName,
        greet: Duration,
        ping: Duration,
        clock: Timestamp,
    ) -> (Self, Control) {
        let hello = Control::Hello {
            versions: Versions::OURS,
            station: me.clone(),
            clock,
            limits: OWN_LIMITS,
        };
        let session = Self {
            peer,
            greet,
            ping,
            state: State::AwaitsHello,
            heard: Duration::ZERO,
            pinged: Duration::ZERO,
            pings: 0,
        };
        (session, hello)
    }

    /// A frame came `elapsed` after the link began, at our wall-clock time `clock`.
    pub(crate) fn on_frame(
        &mut self,
        frame: Control,
        elapsed: Duration,
        clock: Timestamp,
    ) -> Vec<Action> {
        self.heard = elapsed;
        match (&self.state, frame) {
            (
                State::AwaitsHello,
                Control::Hello {
                    versions,
                    station,
                    clock: theirs,
                    limits,
                },
            ) => self.on_hello(versions, station, (theirs, theirs.minus(clock)), limits),
            (
                State::AwaitsHello | State::Up,
                Control::Bye {
                    reason,
                    retry_after_ms,
                },
            ) => {
                self.state = State::PeerLeaves;
                vec![Action::PeerLeaves {
                    reason,
                    retry_after_ms,
                }]
            }
            (
                State::AwaitsHello,
                Control::Ping { .. }
                | Control::Pong { .. }
                | Control::Heads { .. }
                | Control::Prove { .. }
                | Control::Proof { .. },
            ) => vec![Action::Close(Broken::OutOfTurn("before hello"))],
            (
                State::Up | State::PeerLeaves,
                frame @ (Control::Heads { .. } | Control::Prove { .. } | Control::Proof { .. }),
            ) => on_log(frame),
            (State::Up | State::PeerLeaves, Control::Hello { .. }) => {
                vec![Action::Close(Broken::OutOfTurn("second hello"))]
            }
            (State::Up | State::PeerLeaves, Control::Ping { number }) => {
                vec![Action::Send(Control::Pong { number, clock })]
            }
            (
                State::Up | State::PeerLeaves,
                Control::Pong {
                    number,
                    clock: told,
                },
            ) => {
                if number == 0 || number > self.pings {
                    return vec![Action::Close(Broken::OutOfTurn("pong to no ping"))];
                }
                // Only of the newest ping is known when it left.
                let way = elapsed.saturating_sub(self.pinged);
                let newest = number == self.pings;
                let told = Action::Told { clock: told, way };
                newest.then_some(told).into_iter().collect()
            }
            (State::PeerLeaves, Control::Bye { .. }) => {
                vec![Action::Close(Broken::OutOfTurn("second bye"))]
            }
        }
    }

    /// [`Self::deadline`] has come (early calls are harmless).
    pub(crate) fn on_time(&mut self, elapsed: Duration) -> Vec<Action> {
        let silent = elapsed.saturating_sub(self.heard);
        match self.state {
            State::AwaitsHello if elapsed >= self.greet => {
                vec![Action::Close(Broken::Silent(elapsed.as_millis()))]
            }
            State::AwaitsHello => vec![],
            State::Up | State::PeerLeaves if silent >= self.ping * SILENT_PINGS => {
                vec![Action::Close(Broken::Silent(silent.as_millis()))]
            }
            State::Up | State::PeerLeaves => {
                if silent >= self.ping && elapsed.saturating_sub(self.pinged) >= self.ping {
                    self.pinged = elapsed;
                    self.pings += 1;
                    return vec![Action::Send(Control::Ping { number: self.pings })];
                }
                vec![]
            }
        }
    }

    /// When to call [`Self::on_time`] next, counted from the begin of the link. Ask again after
    /// every call.
    pub(crate) fn deadline(&self) -> Duration {
        match self.state {
            State::AwaitsHello => self.greet,
            // The final verdict must not wait for the next ping.
            State::Up | State::PeerLeaves => {
                (self.heard.max(self.pinged) + self.ping).min(self.heard + self.ping * SILENT_PINGS)
            }
        }
    }

    fn on_hello(
        &mut self,
        versions: Versions,
        station: StationName,
        (clock, clock_offset_ms): (Timestamp, i64),
        limits: PeerLimits,
    ) -> Vec<Action> {
        if station != self.peer {
            let proven = self.peer.clone();
            return vec![Action::Close(Broken::OtherName {
                said: station,
                proven,
            })];
        }
        let Some(version) = Versions::OURS.common(versions) else {
            return vec![Action::Close(Broken::NoVersion(versions))];
        };
        self.state = State::Up;
        vec![Action::Up(PeerHello {
            version,
            clock_offset_ms,
            clock,
            limits,
        })]
    }
}

/// What we take from a peer.
const OWN_LIMITS: PeerLimits = PeerLimits {
    transfers: 68,
    body_bytes: limits::PACKET_BYTES_MAX + (1 << 20),
    inline_bytes: 64 * 1024,
};
/// Ping intervals without a word after which the peer counts as gone.
const SILENT_PINGS: u32 = 3;

/// A frame about logs: passed on as it is.
fn on_log(frame: Control) -> Vec<Action> {
    match frame {
        Control::Heads { heads } => vec![Action::Heads(heads)],
        Control::Prove {
            number,
            origin,
            old,
            new,
            hops,
        } => vec![Action::Prove(Question {
            number,
            origin,
            old,
            new,
            hops,
        })],
        Control::Proof { number, path } => vec![Action::Proof { number, path }],
        Control::Bye { .. }
        | Control::Hello { .. }
        | Control::Ping { .. }
        | Control::Pong { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn name(text: &str) -> StationName {
        text.parse().expect("station name")
    }

    fn clock() -> Timestamp {
        Timestamp::from_unix_ms(1_795_000_000_000)
    }

    fn session() -> Session {
        let (me, peer) = (name("a-1.tram.test"), name("b-1.tram.test"));
        Session::begin(&me, peer, SECOND * 5, SECOND * 10, clock()).0
    }

    fn hello(station: &str, highest: u32) -> Control {
        Control::Hello {
            versions: Versions {
                lowest: highest,
                highest,
            },
            station: name(station),
            clock: clock().plus_ms(1_500),
            limits: OWN_LIMITS,
        }
    }

    #[test]
    fn hello_of_the_proven_station_brings_the_link_up_and_tells_the_clock() {
        let mut session = session();
        let actions = session.on_frame(hello("b-1.tram.test", 1), SECOND, clock());
        let [Action::Up(peer)] = actions.as_slice() else {
            panic!("{actions:?}")
        };
        assert_eq!((peer.version, peer.clock_offset_ms), (1, 1_500));
    }

    #[test]
    fn frames_out_of_turn_end_the_link() {
        // (frames after which the last one must close)
        let table: [(&str, Vec<Control>); 7] = [
            ("other name", vec![hello("c-1.tram.test", 1)]),
            ("other version", vec![hello("b-1.tram.test", 3)]),
            ("ping first", vec![Control::Ping { number: 1 }]),
            (
                "answer first",
                vec![Control::Proof {
                    number: 1,
                    path: None,
                }],
            ),
            (
                "two hellos",
                vec![hello("b-1.tram.test", 1), hello("b-1.tram.test", 1)],
            ),
            (
                "pong to nothing",
                vec![
                    hello("b-1.tram.test", 1),
                    Control::Pong {
                        number: 1,
                        clock: clock(),
                    },
                ],
            ),
            (
                "two byes",
                vec![
                    hello("b-1.tram.test", 1),
                    Control::Bye {
                        reason: Reason::Busy,
                        retry_after_ms: None,
                    },
                    Control::Bye {
                        reason: Reason::Busy,
                        retry_after_ms: None,
                    },
                ],
            ),
        ];
        for (case, frames) in table {
            let mut session = session();
            let mut last = vec![];
            for frame in frames {
                last = session.on_frame(frame, SECOND, clock());
            }
            assert!(
                matches!(last.as_slice(), [Action::Close(_)]),
                "{case}: {last:?}"
            );
        }
    }

    #[test]
    fn a_silent_peer_is_asked_and_then_given_up() {
        let mut session = session();
        assert_eq!(session.deadline(), SECOND * 5);
        assert_eq!(session.on_time(SECOND * 4), vec![]);
        session.on_frame(hello("b-1.tram.test", 1), SECOND, clock());
        assert_eq!(session.deadline(), SECOND * 11);
        let asked = session.on_time(SECOND * 11);
        assert_eq!(asked, vec![Action::Send(Control::Ping { number: 1 })]);
        // The answer counts as life; without one the third silent interval is the last.
        let mut answered = session.on_frame(
            Control::Pong {
                number: 1,
                clock: clock(),
            },
            SECOND * 12,
            clock(),
        );
        let (clock, way) = (clock(), SECOND);
        assert_eq!(answered, vec![Action::Told { clock, way }]);
        assert_eq!(session.deadline(), SECOND * 22);
        answered = session.on_time(SECOND * 22);
        assert_eq!(answered, vec![Action::Send(Control::Ping { number: 2 })]);
        assert!(matches!(
            session.on_time(SECOND * 42).as_slice(),
            [Action::Close(Broken::Silent(_))]
        ));
    }

    #[test]
    fn a_peer_without_hello_is_given_up_after_the_greeting_time() {
        let mut session = session();
        assert!(matches!(
            session.on_time(SECOND * 5).as_slice(),
            [Action::Close(_)]
        ));
    }
}
