//! The scene: a relay between two nodes, traffic in both directions, backups in between, and at the end
//! the folders as they are on the disks, with what others hold about them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use formats::checkpoint::{Checkpoint, SignedCheckpoint};
use formats::receipt::ReceiptBundle;
use pki::cert::Certificate;
use pki::key::{LogKey, SigningKey};
use relay::config::{IdentityFiles, StationConfig};
use relay::directory::Snapshot;
use relay::store::check::Settings;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use tests::samples::{Letter, Noise, sized};
use tests::world::{Topology, World, agency, node, relay};

const A: &str = "H01.36";
pub const BS: [&str; 6] = [
    "H01.36.04",
    "H01.36.05",
    "H01.36.06",
    "H01.36.07",
    "H01.36.08",
    "H01.36.09",
];
const SOON: Duration = Duration::from_secs(60);
/// Phases of traffic; a backup is made after each but the last.
const PHASES: usize = 4;
/// Documents of a phase, each to all six agencies.
const DOCUMENTS: usize = 14;

/// One station whose storage is tampered with.
pub struct Place {
    pub name: String,
    pub is_node: bool,
    /// Its folder as it was when everything had stopped.
    pub data: PathBuf,
    /// Older states of it, the oldest first.
    pub backups: Vec<PathBuf>,
    /// Its keys: the operator has them all.
    pub log_key: LogKey,
    pub evidence_key: SigningKey,
    pub evidence: Certificate,
}

pub struct Scene {
    pub places: Vec<Place>,
    /// Heads of all logs, as neighbours hold them, with who.
    pub heads: Vec<(String, Checkpoint)>,
    /// Receipts that desks hold, with whose.
    pub receipts: Vec<(String, ReceiptBundle)>,
    /// Everything, signatures included.
    pub settings: Settings,
    /// Everything but signatures.
    pub hashes: Settings,
    _world: World,
}

impl Scene {
    pub async fn play() -> Self {
        let mut world = World::start(&Topology {
            stations: vec![
                relay("relay-bac", &[]),
                node(
                    "node-a",
                    &["relay-bac"],
                    vec![agency(A, "Sở Nội vụ tỉnh A")],
                ),
                node(
                    "node-b",
                    &["relay-bac"],
                    BS.iter().map(|code| agency(code, "UBND xã")).collect(),
                ),
            ],
            tsa: true,
            automatic_01: false,
        });
        let mut backups = [Vec::new(), Vec::new()];
        for phase in 0..PHASES {
            traffic(&world, phase).await;
            // A time-stamp comes at most once a second.
            tokio::time::sleep(Duration::from_millis(1_300)).await;
            if phase + 1 == PHASES {
                what_waits(&mut world).await;
            }
            world.stop_stations();
            if phase + 1 < PHASES {
                for (label, into) in ["relay-bac", "node-b"].iter().zip(&mut backups) {
                    let to = world.dir.join(format!("{label}-backup-{phase}"));
                    copy(&world.station(label).data.clone(), &to);
                    into.push(to);
                }
                world.start_all();
            }
        }
        let directory = directory(&mut world).await;
        let [of_relay, of_node] = backups;
        let places = vec![
            place(&mut world, "relay-bac", of_relay),
            place(&mut world, "node-b", of_node),
        ];
        let (mut heads, mut receipts) = (Vec::new(), Vec::new());
        for label in ["relay-bac", "node-a", "node-b"] {
            let station = world.station(label);
            let (name, data, desk) = (
                station.name.clone(),
                station.data.clone(),
                station.is_node(),
            );
            held_at(&name, &data, desk, &mut heads, &mut receipts).await;
        }
        Self {
            places,
            heads,
            receipts,
            settings: Settings {
                full: true,
                directory: Some(directory),
            },
            hashes: Settings {
                full: true,
                directory: None,
            },
            _world: world,
        }
    }

    /// Size of the newest head of this station that somebody else holds.
    pub fn newest_head_of(&self, place: &Place) -> u64 {
        self.heads
            .iter()
            .filter(|(holder, head)| {
                *holder != place.name && head.origin.station().as_str() == place.name
            })
            .map(|(_, head)| head.size)
            .max()
            .unwrap_or(0)
    }
}

async fn traffic(world: &World, phase: usize) {
    let a = world.client(A);
    let mut sent = Vec::new();
    for nth in 0..DOCUMENTS {
        let number = format!("{}", phase * 1_000 + nth);
        // One in seven is larger than a row may hold.
        let packet = if nth % 7 == 3 {
            sized(A, &BS, u64::try_from(phase * 1_000 + nth).unwrap(), 150_000)
        } else {
            Letter::new(A, &BS, &number, "Về việc kiểm thử").packet()
        };
        let answer = a.submit(packet, &number).await.unwrap();
        assert!(answer.status.is_success(), "{:#}", answer.json);
        sent.push(answer.id());
    }
    for code in &BS[..4] {
        world.client(code).receive(DOCUMENTS, SOON).await;
    }
    for nth in 0..3 {
        let number = format!("9{phase}{nth}");
        let packet = Letter::new(BS[0], &[A], &number, "Trả lời").packet();
        let answer = world.client(BS[0]).submit(packet, &number).await.unwrap();
        assert!(answer.status.is_success(), "{:#}", answer.json);
        let id = answer.id();
        world
            .client(BS[0])
            .wait_recipients(&id, &["delivered"], SOON)
            .await;
    }
    for id in &sent {
        a.wait_recipients(id, &["delivered", "handed_over"], SOON)
            .await;
    }
}

/// The relay keeps bodies of what waits for a node that is away.
async fn what_waits(world: &mut World) {
    world.station("node-b").stop();
    let a = world.client(A);
    for nth in 0..6_usize {
        let number = format!("8{nth}");
        let packet = if nth.is_multiple_of(2) {
            Letter::new(A, &BS, &number, "Đang chờ").packet()
        } else {
            sized(A, &BS, u64::try_from(80 + nth).unwrap(), 1_300_000)
        };
        let answer = a.submit(packet, &number).await.unwrap();
        a.wait_recipients(&answer.id(), &["relayed"], SOON).await;
    }
}

async fn directory(world: &mut World) -> Arc<Snapshot> {
    let config = StationConfig::load(&world.station("relay-bac").config.clone()).unwrap();
    relay::station::records(&config).await.unwrap().snapshot()
}

fn place(world: &mut World, label: &str, backups: Vec<PathBuf>) -> Place {
    let keys = world.authority.join("stations");
    let station = world.station(label);
    let files = IdentityFiles::within(&keys.join(&station.name));
    Place {
        name: station.name.clone(),
        is_node: station.is_node(),
        data: station.data.clone(),
        backups,
        log_key: LogKey::load(&files.log_key, None).unwrap(),
        evidence_key: SigningKey::load(&files.evidence_key, None).unwrap(),
        evidence: Certificate::load(&files.evidence_cert).unwrap(),
    }
}

/// What a station holds about others: heads from its links, receipts at its desk.
async fn held_at(
    name: &str,
    data: &Path,
    desk: bool,
    heads: &mut Vec<(String, Checkpoint)>,
    receipts: &mut Vec<(String, ReceiptBundle)>,
) {
    let mut open = open(data).await;
    let mut bundles = bundles(&mut open, "SELECT bundle FROM received_evidence").await;
    if desk {
        let kept = self::bundles(&mut open, "SELECT bundle FROM desk_bundle").await;
        receipts.extend(kept.iter().map(|one| (name.to_owned(), one.clone())));
        bundles.extend(kept);
    }
    let mut signed: Vec<SignedCheckpoint> = bundles.into_iter().map(|one| one.checkpoint).collect();
    // The newest head of each log, as neighbours tell it over links.
    let rows = sqlx::query("SELECT signed FROM seen_head")
        .fetch_all(&mut open)
        .await
        .unwrap();
    for row in &rows {
        signed.push(SignedCheckpoint::decode(&row.get::<Vec<u8>, _>(0)).unwrap());
    }
    for one in signed {
        let head = one.parsed().unwrap().checkpoint;
        if !heads
            .iter()
            .any(|(holder, known)| holder == name && *known == head)
        {
            heads.push((name.to_owned(), head));
        }
    }
}

async fn bundles(open: &mut SqliteConnection, sql: &'static str) -> Vec<ReceiptBundle> {
    let rows = sqlx::query(sql).fetch_all(open).await.unwrap();
    rows.iter()
        .map(|row| ReceiptBundle::decode(&row.get::<Vec<u8>, _>(0)).unwrap())
        .collect()
}

/// A connection of the operator's: it may do anything.
pub async fn open(data: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(data.join("station.db"))
        .foreign_keys(false)
        .connect()
        .await
        .unwrap()
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// One of a list.
pub fn pick<'a, T>(noise: &mut Noise, from: &'a [T]) -> &'a T {
    &from[below(noise, from.len())]
}

pub fn below(noise: &mut Noise, end: usize) -> usize {
    usize::try_from(noise.word() % u64::try_from(end.max(1)).unwrap()).unwrap()
}
