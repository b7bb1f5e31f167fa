//! Station: one running store-and-forward engine. Builds store, directory, links, forwarder,
//! receipts and ops from a configuration, owns every task, and drains at shutdown: nothing new is
//! taken, what is in flight is finished, peers hear Bye with a time to come back.
//!
//! [`Station`] is the handle that the desk and the programs use; it is cheap to clone. What goes
//! through [`Station::commit`] is durable when it answers, and the parts of the station that have
//! work from it are woken. Fails at start only, with the fix in the text. Must not know: DMS,
//! edXML, decryption keys.

mod anchor;
mod commit;
mod core;
mod log;
mod pulling;
mod renewal;
mod tasks;
mod time;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use formats::id::{Party, StationName};
use formats::reason::Reason;
use formats::time::Timestamp;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pki::cert::Certificate;
use pki::chain::VerifiedCert;
use pki::role::Role;
use pki::tls::StationIdentity;

use crate::alarm::{Alarm, Code, Found};
use crate::authority::standing::{Certificates, Renewal};
use crate::clock::Clock;
use crate::config::{ConfigError, StationConfig, Timing};
use crate::desk::Desk;
use crate::directory::{Directory, DirectoryError};
use crate::evidence::EvidenceSigner;
use crate::store::{Change, CommitError, Committed, EnvelopeKey, OpenError, Store};

pub(crate) use self::core::Core;
pub use self::log::{NewEpoch, open_epoch};
pub use self::pulling::{Authority, PullState};
pub use crate::link::LinkState;
pub use crate::own::ControlError;

/// A running station.
#[derive(Clone, Debug)]
pub struct Station {
    pub(crate) core: Arc<Core>,
}

/// Why a station does not start (operator).
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The records folder.
    #[error("records")]
    Directory(#[from] DirectoryError),
    /// The data folder.
    #[error("store")]
    Store(#[from] OpenError),
    /// A key or certificate file.
    #[error("{path}: {why}")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// A socket.
    #[error("{0}")]
    Listen(String),
}

/// What a start would do, without sockets and without the store: configuration, keys, records.
/// Answers a report.
pub async fn check(config: StationConfig) -> Result<serde_json::Value, StartError> {
    core::check(config, Clock::system()).await
}

/// What a station knows of others, without starting it.
pub async fn records(config: &StationConfig) -> Result<Directory, StartError> {
    core::records(config, Clock::system().now()).await
}

/// Who this station is towards its authority, without starting it.
pub async fn identity(config: &StationConfig) -> Result<StationIdentity, StartError> {
    core::identity(config, Clock::system()).await
}

/// Opens the store of a station that does not run, making it if there is none: for commands that
/// write the desk's tables before the first start. [`OpenError::InUse`] while the station runs.
pub async fn prepare(
    config: StationConfig,
    desk_schema: &'static [&'static str],
) -> Result<Store, StartError> {
    core::prepare(config, desk_schema, Clock::system(), None).await
}

impl Station {
    /// Starts a station with the machine's clock and returns when it takes work.
    pub async fn start(
        config: StationConfig,
        desk: Option<Arc<dyn Desk>>,
    ) -> Result<Self, StartError> {
        Self::start_at(config, desk, Clock::system()).await
    }

    /// Starts a station with a given clock (tests, simulations).
    ///
    /// Boxed for the reason of [`crate::cli::run`].
    pub fn start_at(
        config: StationConfig,
        desk: Option<Arc<dyn Desk>>,
        clock: Clock,
    ) -> BoxFuture<'static, Result<Self, StartError>> {
        Self::begin(config, desk, clock).boxed()
    }

    async fn begin(
        config: StationConfig,
        desk: Option<Arc<dyn Desk>>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let (core, parts) = core::build(config, desk, clock).await?;
        let station = Self {
            core: Arc::new(core),
        };
        if let Some(desk) = &station.core.desk {
            desk.attached(&station);
        }
        tasks::start(&station.core, parts).await?;
        Ok(station)
    }

    /// Our name.
    #[must_use]
    pub fn name(&self) -> &StationName {
        &self.core.name
    }

    /// Where `now` comes from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.core.clock
    }

    /// Who is who.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.core.directory
    }

    /// The store, for reads. Writes go through [`Station::commit`].
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.core.store
    }

    /// The evidence key and its certificate: sign the headers of class receipt and control.
    #[must_use]
    pub fn evidence_signer(&self) -> Arc<EvidenceSigner> {
        self.core.evidence.signer()
    }

    /// The authority of this station, if one is configured.
    #[must_use]
    pub fn authority(&self) -> Option<&Authority> {
        self.core.authority.as_ref()
    }

    /// Who we are on links and towards the authority.
    #[must_use]
    pub fn identity(&self) -> Arc<StationIdentity> {
        self.core.tls.identity()
    }

    /// Certificates in use here; a desk adds those of its agencies.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.core.certificates
    }

    /// Who renews a certificate of this role.
    #[must_use]
    pub fn renewal_of(&self, certificate: &Certificate, role: Role) -> Renewal {
        self.core.renewal_of(certificate, role)
    }

    /// Looks at the records folder now, not at the next turn.
    pub fn look_at_records(&self) {
        self.core.records_changed.notify_one();
    }

    /// Waits and intervals.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.core.config.timing
    }

    /// The folder of records.
    #[must_use]
    pub fn records_folder(&self) -> &Path {
        &self.core.config.records
    }

    /// An envelope of class control from this station to others: what a change accepts to send it.
    /// Stations on the way read it too (see `formats::recall`).
    ///
    /// # Errors
    /// No road to one of them, the key does not sign, or the disk.
    pub async fn control(
        &self,
        to: &[StationName],
        body: Vec<u8>,
    ) -> Result<crate::store::Accept, ControlError> {
        crate::own::control(&self.core, to, body).await
    }

    /// What a status query by `asks` comes to: writes that owe it our statements again. Empty for anything
    /// else, and for what it may not ask.
    pub async fn query(&self, asks: &Party, body: &[u8]) -> Vec<crate::store::Write> {
        crate::query::answer(&self.core, asks, body).await
    }

    /// Commits a change and wakes whoever has work from it. Local legs reach [`Desk::arrived`]
    /// after the commit, before this answers.
    pub fn commit(&self, change: Change) -> BoxFuture<'_, Result<Committed, CommitError>> {
        self.core.commit(change).boxed()
    }

    /// The `next_hop` of a new leg: `None` = here. A road whose first link is down now is still an
    /// answer: the leg waits, and is sent another way as soon as there is one.
    pub fn next_hop(&self, recipient: &Party) -> Result<Option<StationName>, Reason> {
        self.core.next_hop(recipient, &[], self.core.clock.now())
    }

    /// The desk found the stored copy of an envelope damaged: it is set aside and kept, what waits for it
    /// waits on, and the sender's station is asked for a good one.
    pub async fn set_aside(&self, envelope: EnvelopeKey, problem: &str) {
        crate::damage::set_aside(&self.core, envelope, problem.to_owned()).await;
    }

    /// The clock is too far off, or not known to be right: no final state by time (architecture 7).
    #[must_use]
    pub fn clock_unsure(&self) -> bool {
        self.core.clock_unsure()
    }

    /// What must be mended before something stops, or has stopped; the worst first.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.core.alarms.all()
    }

    /// What the desk found wrong about one of its own matters, in the place of what it said before.
    pub fn report(&self, code: Code, found: Vec<Found>) {
        let reported = self.core.reported.lock();
        let mut reported = reported.unwrap_or_else(PoisonError::into_inner);
        reported.insert(code, found);
    }

    /// Why nothing may rest on this certificate at `now`: trust data about it is past its window. See
    /// `WINDOWS.md`.
    #[must_use]
    pub fn stopped(&self, certificate: &VerifiedCert, now: Timestamp) -> Option<Found> {
        let snapshot = self.core.directory.snapshot();
        snapshot.freshness().stopped(certificate.path(), now)
    }

    /// Records and revocation lists are got from the authority of this name, which last answered at
    /// `answered`. From the first call on it is missed when it does not. The station notes its own authority
    /// by itself.
    pub fn note_authority(&self, name: &str, answered: Option<Timestamp>) {
        self.core.note_authority(name, answered);
    }

    /// Every link that is up or being dialled.
    #[must_use]
    pub fn links(&self) -> Vec<LinkState> {
        self.core.links.states(self.core.clock.now())
    }

    /// Drains and ends all tasks; returns when the last commit is answered. Later calls of
    /// [`Station::commit`] answer [`CommitError::Closed`].
    pub async fn shutdown(&self) {
        tasks::stop(&self.core).await;
    }
}
