//! `tram-relay witness`: an independent server that cosigns other operators' checkpoints.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{chain, complain, say, wait_for_signal};
use crate::clock::Clock;
use crate::directory::Directory;
use crate::witness::{self, Settings};

/// What can be done.
#[derive(Debug, Subcommand)]
pub(super) enum WitnessCommand {
    /// Make key and memory of a new witness, and print its public key (C2SP vkey) for the trust list. Tạo khóa cho bên
    /// chứng kiến.
    Init {
        /// The folder to make.
        #[arg(long)]
        dir: PathBuf,
        /// Its name, a URL without scheme, e.g. witness.example/w1.
        #[arg(long)]
        name: String,
        /// Machine-readable output.
        #[arg(long)]
        json: bool,
    },
    /// Cosign checkpoints until SIGTERM or SIGINT. Chạy máy chủ chứng kiến.
    Run {
        /// The configuration file: dir, listen, logs or records and [trust] list_key.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

pub(super) async fn run(command: &WitnessCommand) -> ExitCode {
    let done = match command {
        WitnessCommand::Init { dir, name, json } => witness::init(dir, name)
            .await
            .map(|key| {
                let text = key.to_string();
                let json_text = json!({ "name": key.name(), "vkey": text }).to_string();
                say(if *json { &json_text } else { &text });
            })
            .map_err(|error| chain(&error)),
        WitnessCommand::Run { config } => serve(config).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&why);
            ExitCode::from(super::USAGE)
        }
    }
}

async fn serve(config: &std::path::Path) -> Result<(), String> {
    let settings = Settings::load(config).map_err(|error| chain(&error))?;
    let clock = Clock::system();
    let opened = witness::open(&settings, clock.clone()).await;
    let (witness, directory) = opened.map_err(|error| chain(&error))?;
    let listener = tokio::net::TcpListener::bind(settings.listen)
        .await
        .map_err(|error| format!("`listen` {}: {error}", settings.listen))?;
    tracing::info!(listen = %settings.listen, witness = %witness.name(), "witness runs");
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    if let Some(directory) = directory {
        tasks.spawn(follow(directory, clock, stop.clone()));
    }
    let ends = stop.clone();
    tasks.spawn(async move {
        wait_for_signal().await;
        ends.cancel();
    });
    let served = witness::serve(Arc::new(witness), listener, stop.clone()).await;
    stop.cancel();
    tasks.shutdown().await;
    served.map_err(|error| error.to_string())
}

/// Keeps up with the records.
async fn follow(directory: Directory, clock: Clock, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
        let (directory, now) = (directory.clone(), clock.now());
        let polled = tokio::task::spawn_blocking(move || directory.poll(now)).await;
        if let Ok(Err(error)) = polled {
            tracing::warn!(code = "TRAM-304", %error, "records not taken over");
        }
    }
}

/// The records folder is looked at this often.
const LOOK: Duration = Duration::from_secs(3);
