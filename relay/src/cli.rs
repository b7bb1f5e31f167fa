//! Cli: the verbs of `tram-relay`. `run` and `check` work on the configuration, `status` and
//! `queue` ask the running station's ops endpoint. Data goes to stdout (`--json`: the endpoint's
//! JSON unchanged), the rest to stderr.
//!
//! Exit codes: 0 good, 1 a negative answer, 2 usage or configuration, 3 station not reachable. Must
//! not know the store's files: a running station is asked, not read over its shoulder; `check` looks at
//! the folder of one that does not run.

mod check;
mod enrol;
mod log;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use formats::id::StationName;

use crate::config::StationConfig;
use crate::station::Station;

pub use check::shown;
pub use enrol::{AgencySlots, EnrolOptions, Progress, Stopped, done};
pub use log::{LogCommand, LogCommon};

/// A relay of Trạm: takes custody, remembers, passes on.
#[derive(Debug, Parser)]
#[command(name = "tram-relay", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check configuration, keys and records, or (--full, --data) the whole store; says what is wrong and
    /// the fix. Kiểm tra cấu hình, khóa, bản ghi hoặc toàn bộ kho dữ liệu.
    Check(check::Check),
    /// Set up this relay with a one-time token from the authority, then run it. Khởi tạo trạm
    /// chuyển tiếp bằng mã dùng một lần, rồi chạy.
    Enrol {
        #[command(flatten)]
        options: EnrolOptions,
        /// Another relay to keep a link to; both must name each other.
        #[arg(long, value_name = "STATION")]
        neighbour: Vec<StationName>,
    },
    /// The evidence log: its next epoch, what others' logs showed. Nhật ký bằng chứng.
    #[command(subcommand)]
    Log(LogCommand),
    /// What waits here.
    Queue {
        #[command(subcommand)]
        view: QueueView,
    },
    /// Run the relay until SIGTERM or SIGINT.
    Run(Common),
    /// Links, queue, log, certificates of the running relay.
    Status(Common),
    /// An independent witness that cosigns other operators' logs. Bên chứng kiến độc lập.
    #[command(subcommand)]
    Witness(witness::WitnessCommand),
}

#[derive(Debug, Subcommand)]
enum QueueView {
    /// One line a next hop.
    List(Common),
    /// Age histogram a next hop.
    Shape(Common),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

/// Runs one verb. Logging is set up by the caller.
///
/// The future is boxed here so that the station is compiled once, in the library: the code of an `async
/// fn` comes into being where it is polled, and every program would compile all of it again.
#[must_use]
pub fn run(arguments: Arguments) -> BoxFuture<'static, ExitCode> {
    verb(arguments).boxed()
}

async fn verb(arguments: Arguments) -> ExitCode {
    match arguments.verb {
        Verb::Check(arguments) => check::run(&arguments).await,
        Verb::Enrol { options, neighbour } => enrol_relay(&options, &neighbour).await,
        Verb::Log(command) => log_command(&command).await,
        Verb::Queue {
            view: QueueView::List(common),
        } => ask(&common, "/queue", list_lines).await,
        Verb::Queue {
            view: QueueView::Shape(common),
        } => ask(&common, "/queue", shape_lines).await,
        Verb::Run(common) => run_station(&common).await,
        Verb::Status(common) => ask(&common, "/status", status_lines).await,
        Verb::Witness(command) => witness::run(&command).await,
    }
}

async fn enrol_relay(options: &EnrolOptions, neighbours: &[StationName]) -> ExitCode {
    match Box::pin(enrol::relay(options, neighbours)).await {
        Ok((config, said)) => {
            if options.json {
                say(&said.to_string());
            } else {
                say(&format!(
                    "enrolled (đã khởi tạo): {}\nstart it with (chạy bằng): tram-relay run --config {}",
                    text(&said["station"]),
                    config.display()
                ));
            }
            if options.no_start {
                return ExitCode::SUCCESS;
            }
            let json = options.json;
            run_station(&Common { config, json }).await
        }
        Err(stopped) => {
            if options.json {
                say(&stopped.json().to_string());
            }
            complain(&stopped.text());
            ExitCode::FAILURE
        }
    }
}

async fn log_command(command: &LogCommand) -> ExitCode {
    let done = match StationConfig::load(&command.common().config) {
        Ok(config) => command.run(config, &[]).await,
        Err(error) => Err(chain(&error)),
    };
    match done {
        Ok(lines) => {
            for line in lines {
                say(&line);
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

async fn run_station(common: &Common) -> ExitCode {
    let started = match StationConfig::load(&common.config) {
        Ok(config) => Station::start(config, None)
            .await
            .map_err(|error| chain(&error)),
        Err(error) => Err(chain(&error)),
    };
    let station = match started {
        Ok(station) => station,
        Err(error) => {
            complain(&error);
            return ExitCode::from(USAGE);
        }
    };
    wait_for_signal().await;
    station.shutdown().await;
    ExitCode::SUCCESS
}

async fn ask(common: &Common, path: &str, lines: fn(&Value) -> Vec<String>) -> ExitCode {
    let config = match StationConfig::load(&common.config) {
        Ok(config) => config,
        Err(error) => {
            complain(&chain(&error));
            return ExitCode::from(USAGE);
        }
    };
    let Some(address) = config.ops else {
        complain("the configuration has no `ops` address; add `ops = \"127.0.0.1:4201\"`");
        return ExitCode::from(USAGE);
    };
    let answer = async {
        let response = reqwest::get(format!("http://{address}{path}")).await?;
        response.error_for_status()?.json::<Value>().await
    };
    match answer.await {
        Ok(value) if common.json => {
            say(&value.to_string());
            ExitCode::SUCCESS
        }
        Ok(value) => {
            for line in lines(&value) {
                say(&line);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!(
                "the relay does not answer on {address}: {}",
                chain(&error)
            ));
            ExitCode::from(UNREACHABLE)
        }
    }
}

fn status_lines(status: &Value) -> Vec<String> {
    let links = status["links"].as_array().cloned().unwrap_or_default();
    let up = links.iter().filter(|link| link["up"] == true).count();
    let mut lines = vec![
        format!("station   {}", text(&status["station"])),
        format!("since     {}", text(&status["started"])),
        format!("links     {up} up of {}", links.len()),
        format!("queue     {}", status["queue"]["states"]),
        format!("oldest    {}", text(&status["queue"]["oldest"])),
        format!(
            "log       {} {}",
            text(&status["log"]["origin"]),
            status["log"]["size"]
        ),
        format!("certs     {}", status["certificate_days_left"]),
        authority_line(status),
    ];
    for link in links {
        let state = if link["up"] == true { "up" } else { "down" };
        lines.push(format!(
            "  {state:<5} {} {}",
            text(&link["station"]),
            text(&link["reason"])
        ));
    }
    lines
}

fn authority_line(status: &Value) -> String {
    let authority = &status["authority"];
    if authority.is_null() {
        return "authority none configured".to_owned();
    }
    let (heard, error) = (text(&authority["last_success"]), text(&authority["error"]));
    format!(
        "authority {} heard {heard}, error {error}",
        text(&authority["url"])
    )
}

fn list_lines(queue: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<40} {:>8} {:>8}  oldest",
        "next hop", "legs", "waiting"
    )];
    for one in queue["destinations"].as_array().into_iter().flatten() {
        lines.push(format!(
            "{:<40} {:>8} {:>8}  {}",
            hop(one),
            one["legs"],
            one["waiting_retry"],
            text(&one["oldest"]),
        ));
    }
    lines
}

fn shape_lines(queue: &Value) -> Vec<String> {
    let ages = ["1m", "5m", "1h", "1d", "older"];
    let mut lines = vec![format!(
        "{:<40} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "next hop", "total", "1m", "5m", "1h", "1d", "older"
    )];
    for one in queue["destinations"].as_array().into_iter().flatten() {
        let counts: Vec<String> = ages
            .iter()
            .map(|age| format!("{:>7}", one["ages"][age]))
            .collect();
        lines.push(format!(
            "{:<40} {:>7} {}",
            hop(one),
            one["legs"],
            counts.join(" ")
        ));
    }
    lines
}

fn hop(destination: &Value) -> &str {
    destination["next_hop"].as_str().unwrap_or("(here)")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt => {}
            }
        }
        Err(_) => drop(interrupt.await),
    }
}

/// The whole cause chain in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        line.push_str(": ");
        line.push_str(&below.to_string());
        cause = below.source();
    }
    line
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "the command's complaint")]
fn complain(line: &str) {
    eprintln!("tram-relay: {line}");
}

const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;
