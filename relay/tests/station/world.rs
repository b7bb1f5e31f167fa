//! Two nodes and a relay between them, with desks that write down what they are told.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use formats::id::StationName;
use formats::record::StationKind;
use formats::time::Timestamp;
use relay::clock::Clock;
use relay::config::{IdentityFiles, StationConfig, Timing};
use relay::desk::{Arrival, Desk, LegChange};
use relay::station::{StartError, Station};
use relay::store::DeskWrite;
use tokio::sync::mpsc;

use crate::authority::{Authority, Credential, StationCredentials};

pub const SENDER: &str = "H01.36";
pub const RECIPIENT: &str = "H01.36.04";

/// What a desk is told.
pub struct Told {
    pub arrivals: mpsc::Receiver<Arrival>,
    pub changes: mpsc::Receiver<LegChange>,
}

struct NotingDesk {
    arrivals: mpsc::Sender<Arrival>,
    changes: mpsc::Sender<LegChange>,
}

impl Desk for NotingDesk {
    fn arrived(&self, arrival: Arrival) {
        self.arrivals
            .try_send(arrival)
            .expect("room for the test's arrivals");
    }

    fn leg_changed(&self, change: &LegChange) -> Option<Box<dyn DeskWrite>> {
        self.changes
            .try_send(change.clone())
            .expect("room for the test's changes");
        None
    }
}

pub fn noting_desk() -> (Arc<dyn Desk>, Told) {
    let (arrivals, told_arrivals) = mpsc::channel(1_024);
    let (changes, told_changes) = mpsc::channel(1_024);
    let desk = Arc::new(NotingDesk { arrivals, changes });
    (
        desk,
        Told {
            arrivals: told_arrivals,
            changes: told_changes,
        },
    )
}

/// One planned station: credentials on disk, address free.
pub struct Planned {
    pub credentials: StationCredentials,
    pub address: SocketAddr,
    pub config: StationConfig,
}

pub struct World {
    _dir: tempfile::TempDir,
    pub authority: Authority,
    pub relay: Planned,
    pub node_a: Planned,
    pub node_b: Planned,
    /// Signature credentials of [`SENDER`] and [`RECIPIENT`].
    pub agencies: Vec<Credential>,
}

impl World {
    pub fn new() -> Self {
        Self::made_at(Clock::system().now())
    }

    /// A world that was set up a month ago, with lists of today.
    pub fn a_month_old() -> Self {
        let now = Clock::system().now();
        let mut world = Self::made_at(now.minus_ms(30 * 86_400_000));
        world.authority.renew_lists(now);
        world
    }

    fn made_at(now: Timestamp) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut authority = Authority::new(dir.path(), now);
        let relay_name: StationName = "relay-1.tram.test".parse().unwrap();
        let home = [relay_name];
        let relay = plan(
            &mut authority,
            dir.path(),
            "relay-1",
            StationKind::Relay,
            &[],
        );
        let node_a = plan(
            &mut authority,
            dir.path(),
            "node-a",
            StationKind::Node,
            &home,
        );
        let node_b = plan(
            &mut authority,
            dir.path(),
            "node-b",
            StationKind::Node,
            &home,
        );
        let agencies = authority.agencies(&[
            (SENDER, &node_a.credentials.name),
            (RECIPIENT, &node_b.credentials.name),
        ]);
        Self {
            _dir: dir,
            authority,
            relay,
            node_a,
            node_b,
            agencies,
        }
    }
}

pub async fn start(planned: &Planned, desk: Option<Arc<dyn Desk>>) -> Station {
    start_at(planned, desk, Clock::system()).await
}

pub async fn start_at(planned: &Planned, desk: Option<Arc<dyn Desk>>, clock: Clock) -> Station {
    // What the stations say is shown when a test fails. Set up once, by whoever is first.
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_test_writer();
    drop(log.try_init());
    // The port of a station that was just shut down is free a moment later.
    let started = async {
        loop {
            match Station::start_at(planned.config.clone(), desk.clone(), clock.clone()).await {
                Err(StartError::Listen(_)) => tokio::task::yield_now().await,
                started => return started.unwrap(),
            }
        }
    };
    soon("a station with its port", started).await
}

fn plan(
    authority: &mut Authority,
    dir: &Path,
    label: &str,
    kind: StationKind,
    home: &[StationName],
) -> Planned {
    let address = free_udp();
    let credentials = authority.station(label, kind, &address.to_string(), home, &[]);
    let keys = dir.join(label);
    save(&keys, &credentials);
    let config = StationConfig {
        name: credentials.name.clone(),
        data: dir.join(format!("{label}-data")),
        records: authority.records.clone(),
        listen: address,
        ops: None,
        identity: IdentityFiles::within(&keys),
        trust_list_certificate: Some(authority.trust_list_certificate.clone()),
        log_listen: None,
        witness_urls: vec![],
        time_stamp_urls: Vec::new(),
        time_stamp_policies: Vec::new(),
        authority: None,
        scrub_mib_per_hour: 3_600,
        disk_floor_bytes: 1 << 20,
        timing: short(),
    };
    Planned {
        credentials,
        address,
        config,
    }
}

/// Waits short enough for tests, long enough for a busy machine.
pub fn short() -> Timing {
    Timing {
        greet: Duration::from_secs(5),
        frame: Duration::from_secs(5),
        custody: Duration::from_secs(20),
        ping: Duration::from_secs(2),
        idle: Duration::from_secs(6),
        judge: Duration::from_millis(100),
        records: Duration::from_millis(100),
        stamp: Duration::from_millis(200),
        gossip: Duration::from_millis(100),
        sweep: Duration::from_millis(100),
        drain: Duration::from_secs(3),
        renew: Duration::from_millis(200),
        overlap: Duration::from_millis(500),
        scrub: Duration::from_millis(200),
    }
}

fn save(keys: &PathBuf, credentials: &StationCredentials) {
    std::fs::create_dir_all(keys).unwrap();
    let files = IdentityFiles::within(keys);
    std::fs::write(&files.tls_cert, credentials.tls.certificate.pem()).unwrap();
    std::fs::write(&files.evidence_cert, credentials.evidence.certificate.pem()).unwrap();
    credentials.tls.key.save(&files.tls_key, None).unwrap();
    credentials
        .evidence
        .key
        .save(&files.evidence_key, None)
        .unwrap();
    credentials.log_key.save(&files.log_key, None).unwrap();
}

pub fn free_udp() -> SocketAddr {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Waits for something, at most half a minute.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within 30 s"))
}
