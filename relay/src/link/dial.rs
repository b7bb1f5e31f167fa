//! Dial: which links to have, and getting them. One task per station that is ours to dial; the set
//! follows the records. Between attempts a jittered back-off; an attempt tries every address of the
//! station's record.
//!
//! Fails by trying again; each cause is logged once. Must not know what travels on a link.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use formats::id::StationName;
use tokio_util::sync::CancellationToken;

use super::driver::{Port, Wire, WireError};
use super::keep;
use crate::backoff;
use crate::station::Core;

/// Keeps one dialling task for each station that is ours to dial, until the station stops.
pub(crate) async fn run(core: Arc<Core>, port: Port) {
    let mut changes = core.directory.changes();
    let mut dialling: HashMap<StationName, CancellationToken> = HashMap::new();
    loop {
        let wanted = targets(&core);
        dialling.retain(|station, stop| {
            let keep = wanted.contains(station);
            if !keep {
                stop.cancel();
            }
            keep
        });
        for station in wanted {
            if dialling.contains_key(&station) {
                continue;
            }
            let stop = core.stop.child_token();
            dialling.insert(station.clone(), stop.clone());
            let task = dial_on(Arc::clone(&core), port.clone(), station, stop);
            core.tasks.spawn(task);
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = core.stop.cancelled() => return,
        }
    }
}

/// Stations that we dial: our home relays, and neighbours with a larger name that are not nodes of
/// ours.
fn targets(core: &Core) -> BTreeSet<StationName> {
    let snapshot = core.directory.snapshot();
    let Some(own) = snapshot.station(&core.name) else {
        if core.facts.first("own record missing") {
            tracing::error!(
                code = "TRAM-301",
                station = %core.name,
                "no valid station record of our own; nobody can reach us and we dial nobody"
            );
        }
        return BTreeSet::new();
    };
    core.facts.over("own record missing");
    let around = snapshot.graph().around(&core.name).into_iter();
    around
        .filter(|peer| {
            let ours = own.home_relays().contains(peer);
            let theirs = snapshot
                .station(peer)
                .is_some_and(|station| station.home_relays().contains(&core.name));
            ours || (!theirs && core.name < *peer)
        })
        .collect()
}

async fn dial_on(core: Arc<Core>, port: Port, peer: StationName, stop: CancellationToken) {
    let mut failures = 0_u32;
    loop {
        // Only the dialling is cut off when the station stops: a link that is up says Bye by itself.
        let reached = tokio::select! {
            reached = reach_unless_linked(&core, &port, &peer) => reached,
            () = stop.cancelled() => return,
        };
        let outcome = match reached {
            Ok(Some(wire)) => {
                keep::dialled(&core, wire, &peer).await;
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => failures = 1,
            Err(error) => {
                failures = failures.saturating_add(1);
                let reason = error.to_string();
                core.links.note_down(&peer, &reason, true, core.clock.now());
                if core.facts.first(&format!("link {peer}: {reason}")) {
                    tracing::warn!(code = "TRAM-310", %peer, reason, "link cannot be dialled");
                }
            }
        }
        let wait = backoff::DIAL.delay_ms(failures, rand::random());
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_millis(wait)) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Dials, unless the peer called us meanwhile (it may have older records): that link is left alone.
async fn reach_unless_linked(
    core: &Core,
    port: &Port,
    peer: &StationName,
) -> Result<Option<Wire>, WireError> {
    if core.links.to(peer).is_some() {
        return Ok(None);
    }
    reach(core, port, peer).await.map(Some)
}

/// Tries every address of the station; the last error tells.
async fn reach(core: &Core, port: &Port, peer: &StationName) -> Result<Wire, WireError> {
    let Some(station) = core.directory.station(peer) else {
        return Err(WireError::Ended("its record is gone".to_owned()));
    };
    let mut last = WireError::Ended("its record names no address".to_owned());
    let wait = core.config.timing.greet;
    for address in &station.record().addresses {
        for address in lookup(address.as_str()).await {
            let client = core
                .tls
                .dialling(peer)
                .map_err(|error| WireError::Tls(error.to_string()))?;
            match port.dial(address, peer.as_str(), client, wait).await {
                Ok(wire) => return Ok(wire),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

async fn lookup(address: &str) -> Vec<SocketAddr> {
    match tokio::net::lookup_host(address).await {
        Ok(found) => found.collect(),
        Err(error) => {
            tracing::debug!(address, %error, "address not found");
            vec![]
        }
    }
}
