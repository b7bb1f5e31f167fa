//! `tram-pki`: the certification authority at the command line.
//!
//! Owns: the process's edge: arguments, the one clock of the authority, exit codes (0 done, 1
//! refused, failed or found bad, 2 wrong usage). Everything else is in `cli` and the library.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks through its two streams"
)]

mod cli;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use formats::time::Timestamp;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match cli::run(&arguments, now) {
        Ok(output) => {
            println!("{output}");
            if output.is_bad() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(failure) if arguments.json => {
            println!("{}", failure.json());
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The one place of this program that reads the wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: everything below takes `now`"
)]
fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
