//! What the parts of the desk share: the station, the agencies' keys, the directories of plaintext, and the
//! signal that something changed. Made once at start; stopped once.

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::SqlitePool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use formats::edxml::deadline::Calendar;
use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::time::Timestamp;
use relay::clock::Clock;
use relay::evidence::tsa::trusted;
use relay::station::{StartError, Station};

use crate::access::book::Access;
use crate::agency::{Agencies, Agency, AgencyError};
use crate::archive::{self, Archive};
use crate::arrivals::Arrivals;
use crate::arrived;
use crate::body::{Body, TemporaryDirectory};
use crate::checks::{self, Checks};
use crate::config::NodeConfig;
use crate::desk::topics::{Topic, Topics};
use crate::evidence;
use crate::fault::{DeskError, SubmitError};
use crate::house;
use crate::inbox::Leasing;
use crate::keeping::Retention;
use crate::outbox::{Running, Turns};
use crate::proofs::RecentBundles;
use crate::renewal;
use crate::store::ledger;
use crate::store::packets::{Kept, Packets};
use crate::tsa::Tsa;
use crate::view::{Accepted, AcceptedRecipient, FileView};

/// Why a node does not start; the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The keys of an agency.
    #[error(transparent)]
    Agency(#[from] AgencyError),
    /// The authorities of document signers.
    #[error("`document_anchors`: {0}")]
    Anchors(pki::cert::CertError),
    /// A directory of the desk.
    #[error("{path}: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The station.
    #[error(transparent)]
    Station(#[from] StartError),
    /// The desk's rows.
    #[error("desk rows: {0}")]
    Rows(String),
}

/// The desk's migrations, oldest first.
pub const SCHEMA: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_desk.sql"),
    include_str!("../../migrations/sqlite/0002_business.sql"),
    include_str!("../../migrations/sqlite/0003_checks.sql"),
    include_str!("../../migrations/sqlite/0004_kept.sql"),
    include_str!("../../migrations/sqlite/0005_receipts.sql"),
    include_str!("../../migrations/sqlite/0006_archive.sql"),
];

#[derive(Debug)]
pub(crate) struct Core {
    station: Station,
    arrivals: Arc<Arrivals>,
    pub(crate) agencies: Agencies,
    pub(crate) tmp: Arc<TemporaryDirectory>,
    pub(crate) packets: Packets,
    pub(crate) access: Access,
    pub(crate) tsa: Option<Tsa>,
    /// `None`: nothing is archived here.
    pub(crate) archive: Option<Archive>,
    pub(crate) running: Running,
    pub(crate) turns: Turns,
    pub(crate) topics: Topics,
    pub(crate) leasing: Leasing,
    pub(crate) recent_bundles: RecentBundles,
    pub(crate) retention: Retention,
    /// Working days, for deadlines.
    pub(crate) calendar: Arc<Calendar>,
    /// Renew the agencies' certificates now.
    pub(crate) renew: tokio::sync::Notify,
    /// Arrivals may be there to be reported (status 01).
    pub(crate) arrived: tokio::sync::Notify,
    pub(crate) checks: Arc<Checks>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Core {
    pub(crate) async fn start(config: NodeConfig, clock: Clock) -> Result<Arc<Self>, NodeError> {
        let data = config.station.data.clone();
        let at = |name: &str| data.join(name);
        let failed = |path: PathBuf| move |source| NodeError::Directory { path, source };
        let tmp = TemporaryDirectory::open(&at("tmp")).map_err(failed(at("tmp")))?;
        let packets = Packets::open(&at("packets")).map_err(failed(at("packets")))?;
        let anchors = config.document_anchors().map_err(NodeError::Anchors)?;
        let urls = config.station.time_stamp_urls.clone();
        let policies = config.station.time_stamp_policies.clone();
        let archive = config.archive.clone();
        let archive = archive.map(|settings| Archive::open(&at("archive"), settings));
        let archive = archive.transpose().map_err(failed(at("archive")))?;
        let calendar = Arc::new(config.calendar);
        let retention = config.retention;
        let arrivals = Arrivals::new(SCHEMA);
        let desk: Arc<dyn relay::desk::Desk> = Arrivals::shared(&arrivals);
        let station = Station::start_at(config.station, Some(desk), clock).await?;
        let check = trusted(station.directory());
        let tsa = Tsa::new(&urls, &policies, station.clock().clone(), check);
        let domain = station.directory().validator().trust_domain().clone();
        let agencies = match Agencies::load(&config.agencies, &domain) {
            Ok(agencies) => agencies,
            Err(error) => {
                station.shutdown().await;
                arrivals.detach();
                return Err(error.into());
            }
        };
        packets
            .sweep(&station.store().reader())
            .await
            .map_err(|error| NodeError::Rows(error.to_string()))?;
        let core = Arc::new(Self {
            access: Access::new(station.store().clone()),
            station,
            arrivals: Arc::clone(&arrivals),
            agencies,
            tmp,
            packets,
            tsa,
            archive,
            running: Running::default(),
            turns: Turns::default(),
            topics: Topics::default(),
            leasing: Leasing::default(),
            recent_bundles: RecentBundles::default(),
            calendar,
            retention,
            renew: tokio::sync::Notify::new(),
            arrived: tokio::sync::Notify::new(),
            checks: Arc::new(Checks::new(anchors)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        core.work(arrivals);
        Ok(core)
    }

    /// Starts everything that goes on by itself.
    fn work(self: &Arc<Self>, arrivals: Arc<Arrivals>) {
        let work = arrivals.work(Arc::downgrade(self), self.stop.clone(), self.tasks.clone());
        self.tasks.spawn(work);
        self.tasks
            .spawn(arrived::report(Arc::downgrade(self), self.stop.clone()));
        self.tasks.spawn(evidence::keep::keep(
            Arc::downgrade(self),
            self.stop.clone(),
        ));
        self.tasks
            .spawn(house::keep(Arc::downgrade(self), self.stop.clone()));
        self.tasks
            .spawn(renewal::keep(Arc::downgrade(self), self.stop.clone()));
        self.tasks
            .spawn(archive::keep(Arc::downgrade(self), self.stop.clone()));
        self.tasks.spawn(checks::keep(
            Arc::downgrade(self),
            Arc::clone(&self.checks),
            self.stop.clone(),
        ));
    }

    /// Stops the desk's tasks, then the station; what is in work is finished.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.station.shutdown().await;
        self.arrivals.detach();
    }

    /// Runs work that must not stop half way when its caller goes away. `None` if the runtime ends.
    pub(crate) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        match self.tasks.spawn(work).await {
            Ok(done) => Some(done),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => None,
            },
        }
    }

    pub(crate) fn station(&self) -> &Station {
        &self.station
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.station.clock().now()
    }

    pub(crate) fn reader(&self) -> SqlitePool {
        self.station.store().reader()
    }

    pub(crate) fn agency(&self, code: &AgencyCode) -> Result<Arc<Agency>, SubmitError> {
        self.agencies
            .of(code)
            .ok_or_else(|| SubmitError::NotServed(code.to_string()))
    }

    pub(crate) fn serves(&self, code: &AgencyCode) -> Result<(), DeskError> {
        match self.agencies.of(code) {
            Some(_) => Ok(()),
            None => Err(DeskError::NotServed(code.to_string())),
        }
    }

    /// Tells the long polls that something was committed.
    pub(crate) fn changed(&self, topic: Topic) {
        self.topics.changed(topic);
        self.checks.wake();
    }

    /// Makes a packet durable; a file on a blocking thread.
    pub(crate) async fn keep(&self, body: &Body) -> Result<Kept, std::io::Error> {
        if let Some(bytes) = body.inline() {
            return Ok(Kept::Inline(bytes.clone()));
        }
        let (packets, body) = (self.packets.clone(), body.clone());
        tokio::task::spawn_blocking(move || packets.keep(&body))
            .await
            .map_err(std::io::Error::other)?
    }

    /// A kept packet as a file for people: named after number and notation.
    pub(crate) async fn packet_file(
        &self,
        digest: Digest,
        code: &str,
    ) -> Result<FileView, DeskError> {
        let body = self.packets.read(&self.reader(), digest).await?;
        let name: String = code
            .chars()
            .map(|letter| {
                if letter.is_alphanumeric() {
                    letter
                } else {
                    '-'
                }
            })
            .collect();
        let file_name = if name.trim_matches('-').is_empty() {
            "packet".to_owned()
        } else {
            name
        };
        Ok(FileView {
            body,
            file_name: format!("{file_name}.edxml"),
            mime: "application/xml".to_owned(),
            digest,
        })
    }

    /// The answer that a document was accepted with, as it stands now.
    pub(crate) async fn accepted(
        &self,
        agency: &AgencyCode,
        id: EnvelopeId,
    ) -> Result<Accepted, SubmitError> {
        let internal = |error: DeskError| SubmitError::Internal(error.to_string());
        let pool = self.reader();
        let document = ledger::document(&pool, agency, id)
            .await
            .map_err(internal)?;
        let recipients = ledger::recipients(&pool, id).await.map_err(internal)?;
        Ok(Accepted {
            id,
            local_id: document.view.row.local_id,
            envelopes: document.view.envelopes,
            duplicate: false,
            replayed: false,
            accepted_at: document.view.row.created,
            expires: document.view.expires,
            packet_digest: document.packet,
            recipients: recipients
                .into_iter()
                .map(|one| AcceptedRecipient {
                    code: one.code,
                    name: one.name,
                    written_as: one.written_as,
                    envelope: one.envelope,
                    state: one.state,
                })
                .collect(),
            warnings: document.view.warnings,
        })
    }
}
