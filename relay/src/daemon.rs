//! Daemon: what every long-running program of Trạm does before its own work: log, cryptographic
//! provider, runtime.
//!
//! Log lines go to standard error, one a fact, with colours only for a person at a terminal, so
//! that files and the journal get plain text. Fails only when the system gives no threads. Must not
//! know what the program does.

use std::io::IsTerminal;
use std::process::ExitCode;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Runs `work` to its end. `filter` chooses what is logged: a level, or `target=level` with commas, as
/// `RUST_LOG` has it (the caller's `main` reads the environment); `None` or words that are no filter mean
/// `info`.
pub fn run(filter: Option<&str>, work: impl Future<Output = ExitCode>) -> ExitCode {
    start_log(filter);
    stop_on_panic();
    // Named here and in every TLS setting: two providers in one process would make the default
    // ambiguous.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a cryptographic provider was installed before");
    }
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            tracing::error!(code = "TRAM-300", %error, "no runtime");
            ExitCode::FAILURE
        }
    }
}

fn start_log(filter: Option<&str>) {
    let filter = filter
        .and_then(|words| words.parse::<Targets>().ok())
        .unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init();
    if started.is_err() {
        tracing::debug!("a log was started before");
    }
}

/// A panic is our bug, and the task that had it is gone: a station that goes on without, say, its
/// forwarder would look well and do nothing. The service manager starts it anew.
fn stop_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}
