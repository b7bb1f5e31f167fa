//! Tasks: every task of a running station, started together and drained together. A task that
//! panics is our bug and stops the process; one that ends early does so because the station stops.
//!
//! Order of the end: nothing new is taken (stop); links say Bye and finish what they receive; the
//! forwarder waits for what it offered; then connections close, then the store. Must not know what
//! the tasks do.

use std::sync::Arc;
use std::time::Duration;

use super::StartError;
use super::core::{Core, Parts};
use super::{pulling, renewal};
use crate::alarm::watch;
use crate::damage;
use crate::evidence::cosign;
use crate::evidence::heads;
use crate::evidence::stamp::{self, Stamping};
use crate::evidence::tsa::trusted;
use crate::link::{dial, keep};
use crate::{forward, ops, receipts};

/// Starts all tasks.
pub(super) async fn start(core: &Arc<Core>, parts: Parts) -> Result<(), StartError> {
    core.deliver_open().await;
    if let Some(address) = core.config.ops {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|error| StartError::Listen(format!("`ops` {address}: {error}")))?;
        core.tasks.spawn(ops::serve(Arc::clone(core), listener));
    }
    if let Some(address) = core.config.log_listen {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|error| StartError::Listen(format!("`log.listen` {address}: {error}")))?;
        core.tasks
            .spawn(ops::logs::serve(Arc::clone(core), listener));
    }
    core.tasks
        .spawn(forward::run(Arc::clone(core), parts.fresh));
    core.tasks.spawn(receipts::run(Arc::clone(core)));
    core.tasks.spawn(heads::run(Arc::clone(core)));
    core.tasks.spawn(watch_records(Arc::clone(core)));
    core.tasks.spawn(housekeeping(Arc::clone(core)));
    core.tasks.spawn(damage::run(Arc::clone(core)));
    core.tasks.spawn(watch::run(Arc::clone(core)));
    core.tasks
        .spawn(keep::run_callers(Arc::clone(core), parts.port.clone()));
    core.tasks
        .spawn(renewal::run(Arc::clone(core), parts.port.clone()));
    core.tasks.spawn(pulling::run(Arc::clone(core)));
    core.tasks
        .spawn(dial::run(Arc::clone(core), parts.port.clone()));
    core.tasks.spawn(close_port(Arc::clone(core), parts.port));
    if !core.config.witness_urls.is_empty() {
        core.tasks.spawn(cosign::run(Arc::clone(core)));
    }
    if !core.stampers.is_empty() {
        core.time_stamps.expect(core.clock.reading());
        let stamping = Stamping {
            authorities: Arc::clone(&core.stampers),
            check: trusted(&core.directory),
            clock: core.clock.clone(),
            keeper: Arc::new(Keeper(Arc::clone(core))),
            pause_max: core.config.timing.stamp,
        };
        core.tasks
            .spawn(stamp::run(core.store.clone(), stamping, core.stop.clone()));
    }
    tracing::info!(station = %core.name, listen = %core.config.listen, "station runs");
    Ok(())
}

/// Drains and ends everything.
pub(super) async fn stop(core: &Arc<Core>) {
    core.stop.cancel();
    core.tasks.close();
    let patience = core.config.timing.drain * 3;
    if tokio::time::timeout(patience, core.tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            code = "TRAM-303",
            left = core.tasks.len(),
            "some tasks did not end in time"
        );
    }
    core.store.close().await;
    tracing::info!(station = %core.name, "station stopped");
}

/// Connections outlive everyone who uses them.
async fn close_port(core: Arc<Core>, port: crate::link::driver::Port) {
    core.stop.cancelled().await;
    port.stop_accepting();
    core.forwarded.cancelled().await;
    let mut links = core.links.changes();
    let all_gone = async {
        while !core.links.all().is_empty() {
            if links.changed().await.is_err() {
                return;
            }
        }
    };
    if tokio::time::timeout(core.config.timing.drain, all_gone)
        .await
        .is_err()
    {
        tracing::debug!("some links did not end by themselves");
    }
    port.close(CLOSE_WAIT).await;
}

/// Looks at the records folder. The larger the folder, the longer the pause (at most a twentieth of a
/// core), but a new revocation list is read within a minute (architecture 7).
async fn watch_records(core: Arc<Core>) {
    let mut pause = core.config.timing.records;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = core.records_changed.notified() => {}
            () = core.stop.cancelled() => return,
        }
        let began = std::time::Instant::now();
        let (directory, now) = (core.directory.clone(), core.clock.now());
        let polled = tokio::task::spawn_blocking(move || directory.poll(now)).await;
        let rest = (began.elapsed() * POLL_SHARE).min(POLL_PAUSE_MAX);
        pause = core.config.timing.records.max(rest);
        match polled {
            Ok(Ok(true)) => {
                core.facts.over("records");
                let snapshot = core.directory.snapshot();
                tracing::info!(
                    agencies = snapshot.agencies().count(),
                    stations = snapshot.stations().count(),
                    refused = snapshot.refused().len(),
                    "records changed"
                );
            }
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                if core.facts.first(&format!("records {error}")) {
                    tracing::error!(code = "TRAM-304", %error, "records not taken over");
                }
            }
            Err(error) => tracing::error!(code = "TRAM-304", %error, "records task failed"),
        }
    }
}

async fn housekeeping(core: Arc<Core>) {
    let mut every = tokio::time::interval(HOUSEKEEPING);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = core.stop.cancelled() => return,
        }
        // With a clock that may be wrong nothing ends by time (architecture 7).
        if core.clock_unsure() {
            continue;
        }
        let now = core.clock.now();
        if let Err(error) = core.store.sweep(now).await {
            tracing::warn!(code = "TRAM-331", %error, "sweep put off");
        }
        loop {
            match core.store.purge(now).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(code = "TRAM-331", %error, "purge put off");
                    break;
                }
            }
        }
    }
}

/// Told by the stamping task what tokens say of the time.
struct Keeper(Arc<Core>);

impl stamp::Timekeeper for Keeper {
    fn told(&self, authority: &str, sample: pki::clock::Sample) {
        let now = self.0.clock.reading();
        self.0.time_stamps.hear(now, now.wall);
        self.0.time.token_said(authority, sample);
        watch::look(&self.0);
    }

    fn is_unsure(&self) -> bool {
        self.0.clock_unsure()
    }
}

/// Peers are told of the close within this.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// The pause between looks at the folder is at least this many times what a look took.
const POLL_SHARE: u32 = 20;
/// A look at the largest folder takes some seconds.
const POLL_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Files and rows whose time is over are looked for this often.
const HOUSEKEEPING: Duration = Duration::from_secs(3_600);
