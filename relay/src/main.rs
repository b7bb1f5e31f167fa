//! `tram-relay`: arguments, logging, exit code. Everything else is the library's. The environment
//! is read here and nowhere else: `RUST_LOG` sets the level of the log.

use std::process::ExitCode;

use clap::Parser;
use relay::cli;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    // Named here and in every TLS setting: two providers in one process would make the default
    // ambiguous.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("crypto provider was installed already");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(code = "TRAM-300", %error, "no runtime");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(cli::run(arguments))
}
