//! The verbs of `tram-node`: `run`, `check`, and what an operator does beside a running node: users and
//! keys. Data goes to stdout (`--json` for programs), everything else to stderr.
//!
//! Exit codes: 0 good, 1 refused, 2 usage or configuration. `key` and `user` work whether the node runs,
//! rests or was never started: they write beside it, or make its store first.

mod check;
mod enrol;
mod import;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use formats::id::AgencyCode;
use formats::time::Timestamp;
use relay::cli::LogCommand;
use relay::clock::Clock;
use relay::station::StartError;
use relay::store::{Change, OpenError, Store};

use crate::access::{KeyDraft, Scope, UserDraft, put_key_beside, put_user_beside};
use crate::config::NodeConfig;
use crate::desk::{Desk, SCHEMA};

/// A node of Trạm: a station with a desk.
#[derive(Debug, Parser)]
#[command(name = "tram-node", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check configuration, keys and records, or (--full, --data) the whole store; says what is wrong and
    /// the fix. Kiểm tra cấu hình, khóa, bản ghi hoặc toàn bộ kho dữ liệu.
    Check(check::Check),
    /// Set up this node with a one-time token from the authority, then run it. Khởi tạo trạm bằng mã
    /// dùng một lần, rồi chạy.
    Enrol(enrol::EnrolNode),
    /// Put a certificate that another authority issued in the place of one of an agency's. Đưa vào dùng
    /// chứng thư do nơi khác cấp.
    Import(import::Import),
    /// Keys of systems that call the REST door.
    #[command(subcommand)]
    Key(KeyVerb),
    /// The evidence log: its next epoch, what others' logs showed. Nhật ký bằng chứng.
    #[command(subcommand)]
    Log(LogCommand),
    /// Run the node until SIGTERM or SIGINT.
    Run(Common),
    /// People who use the pages.
    #[command(subcommand)]
    User(UserVerb),
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

#[derive(Debug, Subcommand)]
enum KeyVerb {
    /// Make a key; its secret is shown this once.
    Add {
        #[command(flatten)]
        common: Common,
        /// The agency it acts for.
        #[arg(long)]
        agency: AgencyCode,
        /// What people call it.
        #[arg(long, default_value = "dms")]
        label: String,
        /// What it may do: admin, read, receive, send.
        #[arg(long, value_delimiter = ',', default_value = "read,receive,send")]
        scopes: Vec<String>,
        /// For live traffic; without it the key says that it is for tests.
        #[arg(long)]
        live: bool,
        /// Days until it ends; without it, never.
        #[arg(long)]
        days: Option<u32>,
    },
}

#[derive(Debug, Subcommand)]
enum UserVerb {
    /// Add a user, or set a new password.
    Add {
        #[command(flatten)]
        common: Common,
        /// Login name.
        #[arg(long)]
        name: String,
        /// The agency the user acts for.
        #[arg(long)]
        agency: AgencyCode,
        /// Name for people; the login name when absent.
        #[arg(long)]
        display: Option<String>,
        /// What the user may do: admin, read, receive, send.
        #[arg(long, value_delimiter = ',', default_value = "read,receive,send")]
        scopes: Vec<String>,
        /// The password; better from `--password-file`.
        #[arg(
            long,
            conflicts_with = "password_file",
            required_unless_present = "password_file"
        )]
        password: Option<String>,
        /// File whose first line is the password.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

/// Runs one verb. Logging is set up by the caller. Boxed for the reason of `relay::cli::run`.
#[must_use]
pub fn run(arguments: Arguments) -> BoxFuture<'static, ExitCode> {
    verb(arguments).boxed()
}

async fn verb(arguments: Arguments) -> ExitCode {
    let done = match arguments.verb {
        Verb::Check(arguments) => check::run(&arguments).await,
        Verb::Enrol(arguments) => enrol_node(&arguments).await,
        Verb::Import(arguments) => import_certificate(&arguments).await,
        Verb::Key(verb) => add_key(verb).await,
        Verb::Log(command) => log_command(&command).await,
        Verb::Run(common) => run_node(&common).await,
        Verb::User(verb) => add_user(verb).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, text }) => {
            complain(&text);
            ExitCode::from(code)
        }
    }
}

/// What ends a verb without success.
struct Failure {
    code: u8,
    text: String,
}

fn refused(error: &dyn std::error::Error) -> Failure {
    Failure {
        code: 1,
        text: chain(error),
    }
}

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure {
        code: 2,
        text: chain(error),
    }
}

async fn enrol_node(arguments: &enrol::EnrolNode) -> Result<(), Failure> {
    let json = arguments.options.json;
    let enrolled = Box::pin(enrol::carry_out(arguments)).await;
    let (config, said) = enrolled.map_err(|stopped| stop(&stopped, json))?;
    let file = config.display();
    if json {
        say(&said.to_string());
    } else {
        let station = said["station"].as_str().unwrap_or_default();
        say(&format!(
            "enrolled (đã khởi tạo): {station}\nadd a user with (thêm người dùng): tram-node user add \
             --config {file} --name NAME --agency CODE --password-file FILE\n\
             start it with (chạy bằng): tram-node run --config {file}"
        ));
    }
    if arguments.options.no_start {
        return Ok(());
    }
    run_node(&Common { config, json }).await
}

async fn import_certificate(arguments: &import::Import) -> Result<(), Failure> {
    let done = Box::pin(import::carry_out(arguments)).await;
    let said = done.map_err(|stopped| stop(&stopped, arguments.json))?;
    if arguments.json {
        say(&said.to_string());
        return Ok(());
    }
    let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
    say(&format!(
        "imported (đã nhận): {} of {}, valid to (hiệu lực đến) {}",
        text("role"),
        text("agency"),
        text("not_after")
    ));
    for authority in said["without_revocation_list"]
        .as_array()
        .into_iter()
        .flatten()
    {
        complain(&format!(
            "no revocation list of {authority} is here; have it published in the records, or its \
             certificates will not be believed (cần đưa danh sách thu hồi vào danh bạ)"
        ));
    }
    if let Some(trouble) = said["trouble"].as_str() {
        complain(&format!(
            "not published: {trouble}\n  next: {}",
            text("next")
        ));
    }
    Ok(())
}

fn stop(stopped: &relay::cli::Stopped, json: bool) -> Failure {
    if json {
        say(&stopped.json().to_string());
    }
    Failure {
        code: 1,
        text: stopped.text(),
    }
}

async fn run_node(common: &Common) -> Result<(), Failure> {
    let config = NodeConfig::load(&common.config).map_err(|error| unusable(&error))?;
    let http = config.http;
    // Bound first: an address in use must not leave a started station behind.
    let listener = tokio::net::TcpListener::bind(http)
        .await
        .map_err(|error| Failure {
            code: 2,
            text: format!("`http` {http}: {error}"),
        })?;
    let desk = Desk::start(config)
        .await
        .map_err(|error| unusable(&error))?;
    tracing::info!(%http, station = %desk.station().name(), "node takes work");
    let router = crate::door::router(desk.clone());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(signal());
    // Long polls hold their connections: after a signal they get a little time, then they are cut.
    let served = tokio::select! {
        served = served => served,
        () = async { signal().await; tokio::time::sleep(DRAIN).await } => Ok(()),
    };
    desk.stop().await;
    served.map_err(|error| Failure {
        code: 1,
        text: error.to_string(),
    })
}

async fn log_command(command: &LogCommand) -> Result<(), Failure> {
    let config = NodeConfig::load(&command.common().config).map_err(|error| unusable(&error))?;
    let lines = command.run(config.station, SCHEMA).await;
    for line in lines.map_err(|text| Failure { code: 1, text })? {
        say(&line);
    }
    Ok(())
}

async fn add_key(verb: KeyVerb) -> Result<(), Failure> {
    let KeyVerb::Add {
        common,
        agency,
        label,
        scopes,
        live,
        days,
    } = verb;
    let config = served_config(&common, &agency)?;
    let now = Clock::system().now();
    let expires = days.map(|days| now.plus_ms(i64::from(days) * DAY_MS));
    let draft = KeyDraft {
        label,
        scopes: parse_scopes(&scopes)?,
        live,
        expires,
    };
    let place = Place::open(config).await?;
    let mut conn = place.connection().await?;
    let new = put_key_beside(&mut conn, &agency, draft, now)
        .await
        .map_err(|e| refused(&e))?;
    drop(conn);
    place.close().await;
    if common.json {
        let view = serde_json::json!({
            "id": new.key.id, "agency": new.key.agency, "label": new.key.label,
            "scopes": new.key.scopes, "key": new.secret,
        });
        say(&view.to_string());
    } else {
        say(&new.secret);
    }
    Ok(())
}

async fn add_user(verb: UserVerb) -> Result<(), Failure> {
    let UserVerb::Add {
        common,
        name,
        agency,
        display,
        scopes,
        password,
        password_file,
    } = verb;
    let config = served_config(&common, &agency)?;
    let password = match (password, password_file) {
        (Some(password), _) => password,
        (None, Some(path)) => first_line(&path)?,
        (None, None) => String::new(),
    };
    let display = display.unwrap_or_else(|| name.clone());
    let draft = UserDraft {
        name: name.clone(),
        display,
        agency,
        scopes: parse_scopes(&scopes)?,
        password,
    };
    let place = Place::open(config).await?;
    let mut conn = place.connection().await?;
    let now: Timestamp = Clock::system().now();
    put_user_beside(&mut conn, draft, now)
        .await
        .map_err(|error| refused(&error))?;
    drop(conn);
    place.close().await;
    if common.json {
        say(&serde_json::json!({ "name": name }).to_string());
    }
    Ok(())
}

/// The store of the node, for an operator's write beside it.
struct Place {
    pool: sqlx::SqlitePool,
}

impl Place {
    /// A node that runs or rests is written beside; for one that was never started the store is made.
    async fn open(config: NodeConfig) -> Result<Self, Failure> {
        let data = config.station.data.clone();
        match relay::station::prepare(config.station, SCHEMA).await {
            Ok(store) => {
                // Opening made or migrated the tables; that is all that is wanted of it.
                store
                    .commit(Change::of(Vec::new()))
                    .await
                    .map_err(|error| refused(&error))?;
                store.close().await;
            }
            Err(StartError::Store(OpenError::InUse { .. })) => {}
            Err(error) => return Err(unusable(&error)),
        }
        let pool = Store::admin_pool(&data)
            .await
            .map_err(|error| refused(&error))?;
        Ok(Self { pool })
    }

    async fn connection(&self) -> Result<AdminConnection, Failure> {
        self.pool.acquire().await.map_err(|error| refused(&error))
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

/// Dereferences to a `SqliteConnection`.
type AdminConnection = sqlx::pool::PoolConnection<sqlx::Sqlite>;

fn served_config(common: &Common, agency: &AgencyCode) -> Result<NodeConfig, Failure> {
    let config = NodeConfig::load(&common.config).map_err(|error| unusable(&error))?;
    if config.agencies.iter().any(|served| served.code == *agency) {
        return Ok(config);
    }
    Err(Failure {
        code: 2,
        text: format!("agency {agency} is not served by this node"),
    })
}

fn parse_scopes(words: &[String]) -> Result<Vec<Scope>, Failure> {
    words
        .iter()
        .map(|word| {
            Scope::parse(word).ok_or_else(|| Failure {
                code: 2,
                text: format!("scope {word} is none of admin, read, receive, send"),
            })
        })
        .collect()
}

fn first_line(path: &PathBuf) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure {
        code: 2,
        text: format!("{}: {error}", path.display()),
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    // Without signal handlers the process is stopped by the system's default, which is safe too.
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn say(line: &str) {
    // A reader that went away is its own fault.
    drop(writeln!(std::io::stdout(), "{line}"));
}

fn complain(line: &str) {
    drop(writeln!(std::io::stderr(), "tram-node: {line}"));
}

const DAY_MS: i64 = 24 * 3_600_000;
/// How long open requests may take after a signal.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(3);
