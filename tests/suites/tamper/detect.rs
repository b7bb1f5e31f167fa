//! The detectors: the local check of the folder, peers by the heads that they hold, witnesses by theirs,
//! desks by the receipts that they hold.

use std::path::Path;
use std::time::{Duration, Instant};

use formats::checkpoint::{Checkpoint, LogOrigin};
use formats::id::Digest;
use formats::merkle;
use formats::statement;
use relay::store::check::{self, Finding, Settings, held};
use sqlx::sqlite::SqliteConnection;

use crate::ledger;
use crate::scene::{self, Place, Scene};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detector {
    Local,
    Peer,
    Receipt,
}

impl Detector {
    pub const ALL: [Self; 3] = [Self::Local, Self::Peer, Self::Receipt];

    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "local check",
            Self::Peer => "peer",
            Self::Receipt => "receipt",
        }
    }
}

/// Whether the local check verifies signatures too: what was made to fit its hashes was signed again as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Hashes,
    Signatures,
}

/// What a detector found.
pub struct Found {
    pub by: Detector,
    pub findings: Vec<Finding>,
    pub took: Duration,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: ", self.by)?;
        for one in self.findings.iter().take(3) {
            write!(f, "[{}] ", one.line())?;
        }
        Ok(())
    }
}

impl Found {
    /// The report names the station, and the first bad leaf of its log where it is about the log, or the row
    /// or file where it is not.
    pub fn must_name(&self, what: &str, place: &Place) {
        let named = self.findings.iter().any(|one| {
            let station = one.station == place.name || one.what == check::What::Evidence;
            let of_log = one.log.is_some() && one.first_bad.is_some();
            station && (of_log || !one.place.is_empty())
        });
        assert!(named, "{what} at {}: {:#?}", place.name, self.findings);
    }
}

/// All detectors on a folder.
pub async fn all(scene: &Scene, place: &Place, data: &Path) -> Vec<Found> {
    let mut open = scene::open(data).await;
    on(scene, place, &mut open, data, Look::Signatures).await
}

/// All detectors on what a connection sees now.
pub async fn on(
    scene: &Scene,
    place: &Place,
    open: &mut SqliteConnection,
    data: &Path,
    look: Look,
) -> Vec<Found> {
    let mut found = Vec::new();
    let begun = Instant::now();
    // Hashes first; signatures, which cost a hundred times as much, only when they show nothing.
    let mut findings = local(place, open, data, &scene.hashes).await;
    if findings.is_empty() && look == Look::Signatures {
        findings = local(place, open, data, &scene.settings).await;
    }
    note(&mut found, Detector::Local, findings, begun);
    // The others never see the folder, only what the station shows: a head and proofs about it.
    let origin = LogOrigin::new(place.name.parse().unwrap(), 1);
    let leaves: Vec<Digest> = ledger::load(open)
        .await
        .iter()
        .map(|one| statement::leaf_hash(&one.salt, &one.body))
        .collect();
    let begun = Instant::now();
    let found_by_peer = peer(scene, place, &origin, &leaves);
    note(&mut found, Detector::Peer, found_by_peer, begun);
    let begun = Instant::now();
    let by_receipt = scene
        .receipts
        .iter()
        .filter(|(holder, _)| *holder != place.name)
        .filter(|(_, bundle)| bundle.checkpoint.parsed().unwrap().checkpoint.origin == origin)
        .flat_map(|(_, bundle)| held::receipts(bundle, &origin, &leaves))
        .collect();
    note(&mut found, Detector::Receipt, by_receipt, begun);
    found
}

async fn local(
    place: &Place,
    open: &mut SqliteConnection,
    data: &Path,
    settings: &Settings,
) -> Vec<Finding> {
    let mut report = check::connection(open, data, settings).await.unwrap();
    if place.is_node {
        node::check::desk(open, data, settings, &mut report)
            .await
            .unwrap();
    }
    // Files of bodies that only a backup lacks are no sign of anything.
    report.findings.retain(|one| !one.what.is_harmless());
    report.findings
}

fn note(found: &mut Vec<Found>, by: Detector, findings: Vec<Finding>, begun: Instant) {
    if !findings.is_empty() {
        let took = begun.elapsed();
        found.push(Found { by, findings, took });
    }
}

/// A neighbour asks for the head that the station has now and for the proofs from the heads that it holds,
/// the newest first, and goes back until one holds: there the histories part.
fn peer(scene: &Scene, place: &Place, origin: &LogOrigin, leaves: &[Digest]) -> Vec<Finding> {
    let shown = Checkpoint {
        origin: origin.clone(),
        size: u64::try_from(leaves.len()).unwrap(),
        root: merkle::root(leaves),
    };
    let mut ours: Vec<&Checkpoint> = scene
        .heads
        .iter()
        .filter(|(holder, head)| *holder != place.name && head.origin == *origin)
        .map(|(_, head)| head)
        .collect();
    ours.sort_by_key(|head| head.size);
    let judge = |head: &Checkpoint| {
        let size = usize::try_from(head.size).unwrap();
        let path = merkle::consistency_path(leaves, size).unwrap_or_default();
        held::consistency(head, &shown, &path)
    };
    let Some(mut finding) = ours.last().and_then(|newest| judge(newest)) else {
        return Vec::new();
    };
    // Halve between what holds and what does not.
    let (mut good, mut bad) = (0, ours.len() - 1);
    while good < bad {
        let middle = (good + bad) / 2;
        if judge(ours[middle]).is_some() {
            bad = middle;
        } else {
            good = middle + 1;
        }
    }
    let begin = if bad == 0 { 0 } else { ours[bad - 1].size };
    finding.first_bad = Some(begin.min(shown.size));
    vec![finding]
}
