//! `tram-bench`: the workload of the benchmark page, one JSON line per step, beside the machine's own limits.
//!
//! Real processes in release mode, real fsync, everything on this machine. Choose steps by name; without
//! names all run. Progress goes to standard error, results to standard output.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "it reports to a person; figures are rounded anyway"
)]

mod directory;
mod limits;
mod measure;
mod reading;
mod receipts;
mod stamps;
mod steps;
mod traffic;

use std::process::ExitCode;

const HELP: &str = "tram-bench [--dir FOLDER] [--seconds N] [--size BYTES] [--no-tsa] [STEP ...]
  STEP: limits edxml directory direct relay fanout light backlog large stamps   (without names: all)
  --dir      fresh folders are made here; it must lie on the disk to be measured (default: the system's)
  --seconds  length of each load step (default 10)
  --size     only the load step of this size: 4096, 262144 or 10485760
  --no-tsa   run without the time-stamp authority only (default: with it; relay/4k is printed both ways)
  Statuses 01 are off, except in one more line of relay/4k (mode relay+tsa+01)";

fn main() -> ExitCode {
    let mut options = steps::Options::default();
    let mut args = std::env::args().skip(1);
    while let Some(argument) = args.next() {
        match argument.as_str() {
            "--dir" => options.dir = args.next().map(std::path::PathBuf::from),
            "--seconds" => {
                let Some(seconds) = args.next().and_then(|text| text.parse().ok()) else {
                    eprintln!("{HELP}");
                    return ExitCode::from(2);
                };
                options.seconds = seconds;
            }
            "--size" => {
                let size = args.next().and_then(|text| text.parse().ok());
                let Some(size) = size.filter(|size| steps::is_load(*size)) else {
                    eprintln!("{HELP}");
                    return ExitCode::from(2);
                };
                options.size = Some(size);
            }
            "--no-tsa" => options.tsa = false,
            "-h" | "--help" => {
                println!("{HELP}");
                return ExitCode::SUCCESS;
            }
            step if steps::NAMES.contains(&step) => options.steps.push(step.to_owned()),
            other => {
                eprintln!("tram-bench: unknown argument {other}\n{HELP}");
                return ExitCode::from(2);
            }
        }
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    if runtime.block_on(steps::run(&options)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
