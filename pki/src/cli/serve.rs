//! `tram-pki serve`: the time-stamp server, and new revocation lists every hour.
//!
//! Owns: the runtime of the process and its end on SIGTERM or SIGINT. A list that cannot be
//! published is logged and tried again; time-stamps go on (architecture, promise 6).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pki::authority::tsa;
use pki::cert::Certificate;
use pki::key::SigningKey;
use pki::stamp::TokenIssuer;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::failure::Next;
use super::workshop::Workshop;
use super::{Clock, Failure, Output};

pub(super) fn run(dir: &Path, listen: SocketAddr, clock: Clock) -> Result<Output, Failure> {
    let home = dir.join("authority");
    let step = "give the folder that `tram-pki init --out` made";
    let load = |name: &str| Certificate::load(&home.join(name)).next(step);
    let key = SigningKey::load(&home.join("tsa.key"), None).next(step)?;
    let issuer = TokenIssuer::new(key, load("tsa.crt")?, vec![load("ca.crt")?]);
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .next("look at the system's limits")?;
    runtime.block_on(serve(dir.to_path_buf(), listen, issuer, clock))?;
    Ok(Output::new(
        "stopped (đã dừng)".to_owned(),
        json!({ "stopped": true }),
    ))
}

async fn serve(
    dir: PathBuf,
    listen: SocketAddr,
    issuer: TokenIssuer,
    clock: Clock,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen)
        .await
        .next("choose an address that is free")?;
    let mut terminate = signal(SignalKind::terminate()).next("look at the system's limits")?;
    let mut interrupt = signal(SignalKind::interrupt()).next("look at the system's limits")?;
    let mut tasks = JoinSet::new();
    tasks.spawn(publish_hourly(dir, clock));
    tracing::info!(address = %listen, "time-stamp server listens");
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let outcome = tsa::serve(listener, issuer, Arc::new(move || Some(clock())), shutdown).await;
    tasks.shutdown().await;
    outcome.next("look at the system's limits")
}

/// A list now, because the last may be old, and one every hour; the ledger is open only meanwhile.
async fn publish_hourly(dir: PathBuf, clock: Clock) {
    loop {
        let folder = dir.clone();
        let published = tokio::task::spawn_blocking(move || {
            Workshop::open(&folder)?
                .publish_crls(clock())
                .map(|lists| lists.len())
        })
        .await;
        let pause = match published {
            Ok(Ok(lists)) => {
                tracing::info!(lists, "revocation lists published");
                HOUR
            }
            Ok(Err(failure)) => {
                tracing::error!(code = "TRAM-701", %failure, "revocation lists not published");
                RETRY
            }
            Err(error) => {
                tracing::error!(code = "TRAM-701", %error, "revocation lists not published");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const RETRY: Duration = Duration::from_secs(60);
