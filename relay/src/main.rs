//! `tram-relay`: arguments and environment in, exit code out. Everything else is the library's. The
//! environment is read here and nowhere else: `RUST_LOG` sets the level of the log.

use std::process::ExitCode;

use clap::Parser;

use relay::cli;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let filter = std::env::var_os("RUST_LOG");
    let filter = filter.as_deref().and_then(std::ffi::OsStr::to_str);
    relay::daemon::run(filter, cli::run(arguments))
}
