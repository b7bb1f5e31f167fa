//! Keep: one link from the finished handshake to its end: who may hold it, the control stream,
//! incoming transfers, the judgement repeated whenever records or CRLs change.
//!
//! Ends when the connection does, the peer breaks the rules or falls silent, a certificate ends, a
//! record or CRL says so, or the station stops. Each cause is logged once until the link is well
//! again. Must not know what is transferred.

use std::sync::Arc;
use std::time::{Duration, Instant};

use formats::frame::Control;
use formats::id::StationName;
use formats::reason::Reason;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::role::Role;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::driver::{Caller, CloseCode, Port, RecvHalf, SendHalf, Stream, Wire};
use super::frames;
use super::heads::{self, Asking, Gossip};
use super::session::{Action, PeerHello, Session};
use super::{Link, receive};
use crate::station::Core;

/// Why a station may not hold a link with us (peer's or operator's fault).
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAdmitted {
    /// The handshake let it through but the chain is unusable.
    #[error("its certificate does not name a station: {0}")]
    NoName(String),
    /// Another station answered than the one we dialled.
    #[error("{0} answered instead")]
    OtherStation(StationName),
    /// Not in the records.
    #[error("no valid station record")]
    NoRecord,
    /// In the records with another certificate.
    #[error("its station record names another tls certificate")]
    OtherCertificate,
    /// Neither neighbour nor node of ours.
    #[error("neither neighbour nor home relay nor node of ours by the records")]
    NotNeighbour,
    /// The certificate does not hold (any more).
    #[error("certificate: {why}")]
    Certificate {
        /// What the peer is told.
        reason: Reason,
        /// In words.
        why: String,
    },
    /// Our own certificate has ended: no link outlives it.
    #[error("our own tls certificate ended at {}", .0.rfc3339())]
    OwnCertificate(Timestamp),
}

impl NotAdmitted {
    /// What the peer is told in Bye.
    fn reason(&self) -> Reason {
        match self {
            Self::Certificate { reason, .. } => *reason,
            Self::OwnCertificate(_) => Reason::Busy,
            Self::NoName(_)
            | Self::NoRecord
            | Self::NotNeighbour
            | Self::OtherCertificate
            | Self::OtherStation(_) => Reason::PeerNotAuthorised,
        }
    }
}

/// Greets callers until the port closes.
pub(crate) async fn run_callers(core: Arc<Core>, port: Port) {
    while let Some(caller) = port.accept().await {
        let Ok(permit) = Arc::clone(&core.handshakes).try_acquire_owned() else {
            // Dropping the caller refuses it; it comes back by its own back-off.
            continue;
        };
        let core_of_link = Arc::clone(&core);
        core.tasks.spawn(async move {
            let core = core_of_link;
            let greeted = greet(&core, caller).await;
            drop(permit);
            if let Some((wire, peer)) = greeted {
                keep(&core, wire, peer, Side::Called).await;
            }
        });
    }
}

/// Runs a link that we dialled until it ends.
pub(crate) async fn dialled(core: &Arc<Core>, wire: Wire, expected: &StationName) {
    match admit(core, &wire, Some(expected)) {
        Ok(peer) => keep(core, wire, peer, Side::Dialled).await,
        Err(error) => turn_away(core, &wire, expected.as_str(), &error),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Called,
    Dialled,
}

async fn greet(core: &Core, caller: Caller) -> Option<(Wire, StationName)> {
    let address = caller.address();
    let wire = match caller.greet(core.config.timing.greet).await {
        Ok(wire) => wire,
        Err(error) => {
            // Port numbers change with every attempt; the fact is about the host and the cause.
            if core
                .facts
                .first(&format!("caller {}: {error}", address.ip()))
            {
                let from = address;
                tracing::warn!(code = "TRAM-311", %from, reason = %error, "caller refused");
            }
            return None;
        }
    };
    match admit(core, &wire, None) {
        Ok(peer) => Some((wire, peer)),
        Err(error) => {
            turn_away(core, &wire, &address.ip().to_string(), &error);
            None
        }
    }
}

fn turn_away(core: &Core, wire: &Wire, who: &str, error: &NotAdmitted) {
    wire.close(CloseCode::NotAuthorised, "not authorised");
    if core.facts.first(&format!("link {who}: {error}")) {
        tracing::warn!(code = "TRAM-312", peer = who, reason = %error, "link not admitted");
    }
}

/// Whether the station at the other end may hold a link with us now.
fn admit(
    core: &Core,
    wire: &Wire,
    expected: Option<&StationName>,
) -> Result<StationName, NotAdmitted> {
    let snapshot = core.directory.snapshot();
    let chain = wire.peer_chain();
    let peer = pki::tls::peer_station(&chain, snapshot.trust_domain())
        .map_err(|error| NotAdmitted::NoName(error.to_string()))?;
    if expected.is_some_and(|expected| *expected != peer) {
        return Err(NotAdmitted::OtherStation(peer));
    }
    judge(core, wire, &peer)?;
    Ok(peer)
}

/// The part of the judgement that time, records and CRLs can change. Answers until when the trust data
/// about the peer may be used: after that the link is restricted.
fn judge(core: &Core, wire: &Wire, peer: &StationName) -> Result<Timestamp, NotAdmitted> {
    let snapshot = core.directory.snapshot();
    let now = core.clock.now();
    let own = core.tls.identity();
    if let Some(own) = own.chain.first()
        && now > own.not_after()
    {
        return Err(NotAdmitted::OwnCertificate(own.not_after()));
    }
    let chain: Vec<Certificate> = wire
        .peer_chain()
        .iter()
        .filter_map(|der| Certificate::parse(der).ok())
        .collect();
    let Some((own, authorities)) = chain.split_first() else {
        return Err(NotAdmitted::NoName("no certificate".to_owned()));
    };
    let station = snapshot.station(peer).ok_or(NotAdmitted::NoRecord)?;
    if !station.record().tls_sha256.contains(&own.sha256()) {
        return Err(NotAdmitted::OtherCertificate);
    }
    if !snapshot.graph().linked(&core.name, peer) {
        return Err(NotAdmitted::NotNeighbour);
    }
    snapshot
        .validator()
        .verify_with(own, authorities, Role::StationTls, now)
        .map(|verified| snapshot.freshness().until(verified.path()))
        .map_err(|error| NotAdmitted::Certificate {
            reason: error.reason(),
            why: error.to_string(),
        })
}

async fn keep(core: &Arc<Core>, wire: Wire, peer: StationName, side: Side) {
    let began = Instant::now();
    let transfers = TaskTracker::new();
    let (tell, told) = mpsc::channel(heads::WAITING_FRAMES);
    let mut conversation = Conversation {
        core,
        wire: wire.clone(),
        peer: peer.clone(),
        began,
        link: None,
        transfers: transfers.clone(),
        tell,
        gossip: Gossip::default(),
    };
    let outcome = conversation.run(side, told).await;
    let was_up = conversation.link.take();
    let left = was_up.as_ref().is_some_and(|link| link.is_leaving());
    let reason = match outcome {
        Ok(()) => "we left".to_owned(),
        Err(_) if left => "peer left".to_owned(),
        Err(error) => error,
    };
    if let Some(link) = &was_up {
        core.links.went(link, &reason, core.clock.now());
    } else {
        core.links
            .note_down(&peer, &reason, side == Side::Dialled, core.clock.now());
    }
    wire.close(CloseCode::Done, &reason);
    if core.facts.first(&format!("link {peer}: {reason}")) {
        tracing::info!(%peer, reason, "link down");
    }
    transfers.close();
    transfers.wait().await;
}

/// The control stream's side of a link.
struct Conversation<'a> {
    core: &'a Arc<Core>,
    wire: Wire,
    peer: StationName,
    began: Instant,
    link: Option<Arc<Link>>,
    transfers: TaskTracker,
    /// Frames that others have sent on the control stream.
    tell: mpsc::Sender<Control>,
    gossip: Gossip,
}

impl Conversation<'_> {
    /// Runs until the link ends; `Err` is the reason in words.
    async fn run(&mut self, side: Side, mut told: mpsc::Receiver<Control>) -> Result<(), String> {
        let timing = self.core.config.timing;
        let stream = self.control_stream(side, timing.greet).await?;
        let Stream { mut send, recv } = stream;
        let (mut session, hello) = Session::begin(
            &self.core.name,
            self.peer.clone(),
            timing.greet,
            timing.ping,
            self.core.clock.now(),
        );
        frames::send_control(&mut send, &hello, timing.greet)
            .await
            .map_err(in_words)?;
        let (frames_in, mut incoming) = mpsc::channel(4);
        let mut directory = self.core.directory.changes();
        let mut recheck = tokio::time::interval(timing.judge);
        let mut gossip = tokio::time::interval(timing.gossip);
        gossip.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let reading = read_frames(recv, frames_in, timing.frame);
        tokio::pin!(reading);
        loop {
            let due = session.deadline().saturating_sub(self.began.elapsed());
            let actions = tokio::select! {
                // What the peer said comes before the news that it hung up.
                biased;
                Some(frame) = incoming.recv() => {
                    session.on_frame(frame, self.began.elapsed(), self.core.clock.now())
                }
                error = &mut reading => return Err(error),
                () = tokio::time::sleep(due) => session.on_time(self.began.elapsed()),
                stream = self.wire.accept(), if self.link.is_some() => {
                    self.take_transfer(stream.map_err(in_words)?);
                    vec![]
                }
                _ = directory.changed() => { self.rejudge(&mut send).await?; vec![] }
                Some(frame) = told.recv() => vec![Action::Send(frame)],
                _ = gossip.tick(), if self.link.is_some() => self.gossip(),
                _ = recheck.tick() => { self.rejudge(&mut send).await?; vec![] }
                () = self.core.stop.cancelled() => return self.say_bye(&mut send).await,
            };
            for action in actions {
                self.act(action, &mut send, timing.frame).await?;
            }
        }
    }

    /// The dialler opens it, the other side accepts the first stream: QUIC numbers them in order.
    async fn control_stream(&self, side: Side, wait: Duration) -> Result<Stream, String> {
        match side {
            Side::Dialled => self
                .wire
                .open(CONTROL_PRIORITY, wait)
                .await
                .map_err(in_words),
            Side::Called => tokio::time::timeout(wait, self.wire.accept())
                .await
                .map_err(|_| format!("no control stream within {} ms", wait.as_millis()))?
                .map_err(in_words),
        }
    }

    async fn act(
        &mut self,
        action: Action,
        send: &mut SendHalf,
        wait: Duration,
    ) -> Result<(), String> {
        match action {
            Action::Send(frame) => frames::send_control(send, &frame, wait)
                .await
                .map_err(in_words),
            Action::Up(hello) => {
                self.come_up(&hello);
                Ok(())
            }
            Action::Told { clock, way } => {
                self.core.time.peer_said(&self.peer, clock, way);
                if let Some(link) = &self.link {
                    link.set_clock_offset(clock.minus(self.core.clock.now()));
                }
                Ok(())
            }
            Action::PeerLeaves {
                reason,
                retry_after_ms,
            } => {
                tracing::info!(
                    peer = %self.peer,
                    reason = reason.code(),
                    retry_after_ms,
                    "peer leaves"
                );
                if let Some(link) = &self.link {
                    self.core.links.leaves(link);
                }
                Ok(())
            }
            Action::Heads(shown) => {
                if let Some(link) = &self.link {
                    self.gossip.heard(&shown);
                    self.core.heads.shown_by(link, shown);
                }
                Ok(())
            }
            Action::Prove(question) => {
                if let Some(link) = &self.link {
                    heads::answer(self.core, link, question, &self.transfers);
                }
                Ok(())
            }
            Action::Proof { number, path } => {
                if let Some(link) = &self.link {
                    link.asking.answered(number, path);
                }
                Ok(())
            }
            Action::Close(broken) => {
                self.wire.close(CloseCode::Protocol, "protocol");
                Err(broken.to_string())
            }
        }
    }

    fn come_up(&mut self, hello: &PeerHello) {
        let now = self.core.clock.now();
        let (peer, wire) = (self.peer.clone(), self.wire.clone());
        // Judged a moment ago, or it would not have come this far.
        let fresh_until =
            judge(self.core, &self.wire, &self.peer).unwrap_or(Timestamp::from_unix_ms(i64::MIN));
        let offset = hello.clock_offset_ms;
        // Sent after the handshake began, which was before this side counted.
        let way = self.began.elapsed() + HANDSHAKE_WAY;
        self.core.time.peer_said(&self.peer, hello.clock, way);
        let asking = Asking::new(self.tell.clone(), hello.version);
        let link = Arc::new(Link::new(peer, wire, now, offset, fresh_until, asking));
        if let Some(replaced) = self.core.links.came(Arc::clone(&link)) {
            replaced
                .wire
                .close(CloseCode::Replaced, "replaced by a newer connection");
        }
        self.link = Some(link);
        self.core.facts.over(&format!("link {}", self.peer));
        self.core
            .facts
            .over(&format!("caller {}", self.wire.remote().ip()));
        tracing::info!(peer = %self.peer, address = %self.wire.remote(), "link up");
    }

    /// What is new about logs since the last time, as one frame.
    fn gossip(&mut self) -> Vec<Action> {
        let Some(link) = &self.link else {
            return vec![];
        };
        let frame = self.gossip.frame(self.core, link);
        frame.map(Action::Send).into_iter().collect()
    }

    fn take_transfer(&self, stream: Stream) {
        let Some(link) = self.link.clone() else {
            return;
        };
        let core = Arc::clone(self.core);
        self.transfers
            .spawn(async move { receive::run(&core, &link, stream).await });
    }

    /// A peer that may not hold the link any more hears why, and that is the end of it.
    async fn rejudge(&self, send: &mut SendHalf) -> Result<(), String> {
        let error = match judge(self.core, &self.wire, &self.peer) {
            Ok(until) => {
                if let Some(link) = &self.link
                    && link.set_fresh_until(until, self.core.clock.now())
                {
                    self.core.links.freed();
                }
                return Ok(());
            }
            Err(error) => error,
        };
        tracing::warn!(code = "TRAM-313", peer = %self.peer, reason = %error, "link ended");
        if let Some(link) = &self.link {
            self.core.links.leaves(link);
        }
        let bye = Control::Bye {
            reason: error.reason(),
            retry_after_ms: None,
        };
        if frames::send_control(send, &bye, BYE_WAIT).await.is_ok() {
            send.finish();
            send.taken(BYE_WAIT).await;
        }
        self.wire
            .close(CloseCode::NotAuthorised, "no longer authorised");
        Err(error.to_string())
    }

    /// The station stops: say so, and let what flies land.
    async fn say_bye(&self, send: &mut SendHalf) -> Result<(), String> {
        if let Some(link) = &self.link {
            self.core.links.leaves(link);
        }
        let bye = Control::Bye {
            reason: Reason::Busy,
            retry_after_ms: Some(BYE_RETRY_MS),
        };
        frames::send_control(send, &bye, BYE_WAIT)
            .await
            .map_err(in_words)?;
        self.transfers.close();
        let drained =
            tokio::time::timeout(self.core.config.timing.drain, self.transfers.wait()).await;
        if drained.is_err() {
            tracing::warn!(peer = %self.peer, "transfers cut off by shutdown; they will resume");
        }
        // What we offered ourselves is the forwarder's to finish. Only then does the control stream
        // end: its end is the end of the link for the peer.
        self.core.forwarded.cancelled().await;
        send.finish();
        Ok(())
    }
}

/// Reads control frames into the channel until one cannot be read.
async fn read_frames(mut recv: RecvHalf, into: mpsc::Sender<Control>, wait: Duration) -> String {
    loop {
        match frames::read_control(&mut recv, wait).await {
            Ok(frame) => {
                if into.send(frame).await.is_err() {
                    return "ended".to_owned();
                }
            }
            Err(error) => return in_words(error),
        }
    }
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A Hello may be this much older than our side of the link.
const HANDSHAKE_WAY: Duration = Duration::from_secs(1);
/// Above all transfers.
const CONTROL_PRIORITY: i32 = 100;
/// When a peer should come back after our restart.
const BYE_RETRY_MS: u64 = 1_000;
/// Bye is best effort.
const BYE_WAIT: Duration = Duration::from_secs(1);
