//! `tram-pki serve`: the authority's server in a process of its own.
//!
//! Owns: the runtime of the process and its end on SIGTERM or SIGINT.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pki::authority::clock_guard::ClockGuard;
use pki::authority::office::Settings;
use pki::authority::server::Server;
use pki::clock::Reading;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::Next;
use super::{Clock, Failure, Output};

pub(super) fn run(
    dir: &Path,
    listen: SocketAddr,
    api: Option<SocketAddr>,
    clock: Clock,
) -> Result<Output, Failure> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .next("look at the system's limits")?;
    runtime.block_on(serve(dir, listen, api, clock))?;
    Ok(Output::new(
        "stopped (đã dừng)".to_owned(),
        json!({ "stopped": true }),
    ))
}

async fn serve(
    dir: &Path,
    listen: SocketAddr,
    api: Option<SocketAddr>,
    clock: Clock,
) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).next("look at the system's limits")?;
    let mut interrupt = signal(SignalKind::interrupt()).next("look at the system's limits")?;
    let step = "give the folder that `tram-pki init --out` made, and addresses that are free";
    let settings = Settings::load(dir).next(step)?.clock;
    let started = Instant::now();
    let readings = Arc::new(move || Reading {
        wall: clock(),
        monotonic: started.elapsed(),
    });
    let referenced = !settings.references.is_empty();
    let guard = ClockGuard::new(readings, settings.accuracy_ms, referenced);
    let bound = Server::bind(dir, listen, api, guard.clock(), clock()).await;
    let server = bound.and_then(|server| server.watching(guard)).next(step)?;
    let public = server.public_address().next(step)?;
    let stations = server.api_address().next(step)?;
    tracing::info!(address = %public, "time-stamps, OCSP and lists for everybody");
    if let Some(address) = stations {
        tracing::info!(%address, "enrolment and renewal for stations, over TLS");
    }
    let stop = CancellationToken::new();
    let signals = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
        // The server ends by itself now.
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = server.run(stop.clone()) => outcome,
        () = signals => Ok(()),
    };
    outcome.next("look at the log above")
}
