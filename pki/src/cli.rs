//! Commands of `tram-pki`.
//!
//! Owns: the arguments, and what each command says: text for people (Vietnamese beside English
//! where it is read), or one JSON object with `--json`. A failure names its cause and the next
//! step. Must not know: how certificates are built.

mod ceremony;
mod directory;
mod failure;
mod grants;
mod init;
mod inspect;
mod inventory;
mod lint;
mod monitor;
mod pdf;
mod profile;
mod records;
mod requests;
mod serve;
mod trust_list;
mod verify;
mod workshop;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use formats::time::Timestamp;
use pki::pdf::Language;
use pki::plan::Plan;
use pki::role::Role;
use serde_json::{Value, json};

pub(crate) use failure::Failure;
use failure::Next;

/// Certification authority of a Trạm network (cơ quan chứng thực của mạng Trạm).
#[derive(Debug, Parser)]
#[command(name = "tram-pki", version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    /// One JSON object on standard output instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at a plan before it is carried out (xem kế hoạch).
    Plan {
        #[command(subcommand)]
        command: PlanCommand,
    },
    /// Offline root and issuing authorities from one reviewable file (lễ tạo khóa).
    Ceremony {
        #[command(subcommand)]
        command: ceremony::CeremonyCommand,
    },
    /// Carry out a plan: make all keys, certificates and records (khởi tạo theo kế hoạch).
    Init {
        /// The reviewed plan.
        #[arg(long)]
        plan: PathBuf,
        /// Folder to make; it must not exist.
        #[arg(long)]
        out: PathBuf,
        /// SHA-256 of the plan as reviewed (`plan check` prints it); another plan is refused.
        #[arg(long)]
        digest: Option<String>,
        /// Where the inventory is kept: a file, or postgres://user@host/database; a file in the
        /// folder by default.
        #[arg(long)]
        database: Option<String>,
        /// Folder of a ceremony: its root and authorities are taken over, none are made.
        #[arg(long)]
        from_ceremony: Option<PathBuf>,
        /// File whose first line opens the ceremony's keys.
        #[arg(long, requires = "from_ceremony")]
        passphrase_file: Option<PathBuf>,
    },
    /// Issue a certificate for a request (cấp chứng thư).
    Issue {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// Role, for example agency-signature or station-tls.
        #[arg(long)]
        role: Role,
        /// Agency code or station name.
        #[arg(long)]
        name: String,
        /// Certificate request (PKCS#10); only its key is used.
        #[arg(long)]
        csr: PathBuf,
        /// Where to write the certificate.
        #[arg(long)]
        out: PathBuf,
    },
    /// Revoke a certificate and publish the list (thu hồi chứng thư).
    Revoke {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// Serial number in hexadecimal, as `list` shows it.
        serial: String,
        /// Why: key-compromise, superseded, cessation-of-operation, …
        #[arg(long)]
        reason: String,
    },
    /// Revocation lists (danh sách thu hồi).
    Crl {
        #[command(subcommand)]
        command: CrlCommand,
    },
    /// One-time tokens for setting up stations (mã ghi danh dùng một lần).
    Grant(grants::GrantArguments),
    /// What waits for the approval of several persons (yêu cầu chờ phê duyệt).
    Request {
        #[command(subcommand)]
        command: requests::RequestCommand,
    },
    /// Look through everything that was issued (tìm, liệt kê chứng thư).
    List(inventory::ListArguments),
    /// What ends soon and has no successor; exit code 1 if there is any (sắp hết hạn).
    Expiring(inventory::ExpiringArguments),
    /// Watch the log for certificates that an agency did not ask for (giám sát chứng thư lạ).
    Monitor(monitor::MonitorArguments),
    /// Write everything that was issued to a file (xuất danh sách).
    Export(inventory::ExportArguments),
    /// What was done here, by whom (nhật ký).
    Audit {
        #[command(subcommand)]
        command: inventory::AuditCommand,
    },
    /// Say in words what a file is: certificate, list, request, key, CMS, time-stamp, OCSP, PKCS#12, record,
    /// checkpoint, PDF (giải thích tệp).
    #[command(alias = "show")]
    Inspect {
        /// PEM (several blocks as well) or DER, or a PDF whose signatures are checked.
        file: PathBuf,
        #[command(flatten)]
        pdf: PdfArguments,
        #[command(flatten)]
        store: inspect::StoreArguments,
    },
    /// Judge a file step by step: path, times, revocation, signature (xác minh từng bước).
    Verify(verify::VerifyArguments),
    /// Look for breaches of the rules in certificates and lists (kiểm tra quy tắc chứng thư).
    Lint(lint::LintArguments),
    /// What certificates of each role contain (hồ sơ chứng thư theo vai trò).
    Profile {
        #[command(subcommand)]
        command: profile::ProfileCommand,
    },
    /// Check the signatures inside a PDF (kiểm tra chữ ký trong tệp PDF).
    Pdf {
        /// The document.
        file: PathBuf,
        #[command(flatten)]
        pdf: PdfArguments,
    },
    /// The list of agencies as a whole (danh bạ cơ quan).
    Directory {
        #[command(subcommand)]
        command: directory::DirectoryCommand,
    },
    /// Signed records of the directory, one by one (bản ghi đã ký).
    Records {
        #[command(subcommand)]
        command: records::RecordsCommand,
    },
    /// Copy the whole authority, keys and all, into a new folder (sao lưu).
    Backup {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// Folder to make; keep it encrypted and on another disk.
        #[arg(long)]
        out: PathBuf,
    },
    /// Make an authority's folder from a backup (khôi phục).
    #[command(group = clap::ArgGroup::new("newer").required(true))]
    Restore {
        /// The backup.
        #[arg(long)]
        from: PathBuf,
        /// Folder to make.
        #[arg(long)]
        out: PathBuf,
        /// The newest records folder of any station: what was revoked or issued after the backup is
        /// taken from it.
        #[arg(long, group = "newer")]
        published: Option<PathBuf>,
        /// Nothing was published after the backup, or nothing of it is left.
        #[arg(long, group = "newer")]
        nothing_newer: bool,
        /// Another place for the inventory than before: a file, or postgres://…; it must be empty.
        #[arg(long)]
        database: Option<String>,
    },
    /// Run the authority: time-stamps, OCSP, revocation lists, enrolment (chạy dịch vụ).
    Serve {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// Address for everybody, plain HTTP: time-stamps, OCSP, lists. For example 127.0.0.1:3180.
        #[arg(long)]
        listen: SocketAddr,
        /// Address for stations, HTTPS: enrolment, renewal, records. For example 0.0.0.0:3443.
        #[arg(long)]
        api: Option<SocketAddr>,
    },
}

#[derive(Debug, Args)]
struct PdfArguments {
    /// Folder with the authorities whose document signers are believed (PEM or DER).
    #[arg(long)]
    anchors: Option<PathBuf>,
    /// Language of the report.
    #[arg(long, value_enum, default_value = "vi")]
    lang: Lang,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Lang {
    /// English.
    En,
    /// Vietnamese (tiếng Việt).
    Vi,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::English,
            Lang::Vi => Self::Vietnamese,
        }
    }
}

impl PdfArguments {
    fn check(&self, file: &Path, now: Timestamp) -> Result<Output, Failure> {
        pdf::run(file, self.anchors.as_deref(), self.lang.into(), now)
    }
}

#[derive(Debug, Subcommand)]
enum PlanCommand {
    /// Check every rule and print the digest to review.
    Check {
        /// The plan.
        file: PathBuf,
    },
    /// Print what would be made.
    Show {
        /// The plan.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum CrlCommand {
    /// Sign and publish a new list of every authority whose key is here.
    Publish {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
    },
}

/// What a command says: a text, and the same as JSON.
pub(crate) struct Output {
    text: String,
    json: Option<Value>,
    /// Whether what was looked at is bad: the program then ends with exit code 1.
    bad: bool,
}

impl Output {
    fn new(text: String, json: Value) -> Self {
        Self {
            text,
            json: Some(json),
            bad: false,
        }
    }

    /// The same about something that is bad.
    fn bad_if(self, bad: bool) -> Self {
        Self { bad, ..self }
    }

    /// Whether the program ends with exit code 1.
    pub(crate) fn is_bad(&self) -> bool {
        self.bad
    }

    fn choose(self, json: bool) -> Self {
        Self {
            json: self.json.filter(|_| json),
            ..self
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.json {
            Some(json) => write!(f, "{json}"),
            None => f.write_str(self.text.trim_end()),
        }
    }
}

/// The clock that commands are given.
pub(crate) type Clock = fn() -> Timestamp;

/// Carries out one command.
pub(crate) fn run(arguments: &Arguments, clock: Clock) -> Result<Output, Failure> {
    let output = match &arguments.command {
        Command::Plan {
            command: PlanCommand::Check { file },
        } => plan_check(&load_plan(file)?),
        Command::Plan {
            command: PlanCommand::Show { file },
        } => plan_show(&load_plan(file)?),
        Command::Ceremony { command } => ceremony::run(command, clock)?,
        Command::Init {
            plan,
            out,
            digest,
            database,
            from_ceremony,
            passphrase_file,
        } => {
            let places = init::Places {
                database: database.as_deref(),
                ceremony: from_ceremony.as_deref(),
                passphrase_file: passphrase_file.as_deref(),
            };
            init::run(&load_plan(plan)?, out, digest.as_deref(), &places, clock())?
        }
        Command::Issue {
            dir,
            role,
            name,
            csr,
            out,
        } => workshop::issue_for_request(dir, *role, name, csr, out, clock())?,
        Command::Revoke {
            dir,
            serial,
            reason,
        } => workshop::revoke(dir, serial, reason, clock())?,
        Command::Crl {
            command: CrlCommand::Publish { dir },
        } => workshop::publish_crls(dir, clock())?,
        Command::Request { command } => requests::run(command, clock())?,
        Command::Grant(arguments) => grants::run(arguments, clock())?,
        Command::List(arguments) => inventory::list(arguments, clock())?,
        Command::Expiring(arguments) => inventory::expiring(arguments, clock())?,
        Command::Monitor(arguments) => monitor::run(arguments, clock())?,
        Command::Export(arguments) => inventory::export(arguments, clock())?,
        Command::Audit { command } => inventory::audit(command, clock())?,
        Command::Inspect { file, pdf, .. } if inspect::is_pdf(file) => pdf.check(file, clock())?,
        Command::Inspect { file, pdf, store } => inspect::run(file, store, pdf.lang.into())?,
        Command::Directory { command } => directory::run(command, clock())?,
        Command::Lint(arguments) => lint::run(arguments)?,
        Command::Profile { command } => profile::run(command)?,
        Command::Pdf { file, pdf } => pdf.check(file, clock())?,
        Command::Records { command } => records::run(command, clock())?,
        Command::Backup { dir, out } => workshop::backup(dir, out, clock())?,
        Command::Restore {
            from,
            out,
            published,
            nothing_newer: _,
            database,
        } => {
            let (published, database) = (published.as_deref(), database.as_deref());
            workshop::restore(from, out, published, database, clock())?
        }
        Command::Serve { dir, listen, api } => serve::run(dir, *listen, *api, clock)?,
        Command::Verify(arguments) => verify::run(arguments, clock())?,
    };
    Ok(output.choose(arguments.json))
}

/// Whose account runs the command: what the audit log names.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: the library is told who acts"
)]
fn who() -> String {
    let named = ["SUDO_USER", "LOGNAME", "USER"];
    let found = named.iter().find_map(|name| std::env::var(name).ok());
    found
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "console".to_owned())
}

fn load_plan(file: &Path) -> Result<Plan, Failure> {
    Plan::load(file).next("correct the plan and run `tram-pki plan check` again")
}

fn counts(plan: &Plan) -> Value {
    json!({
        "digest": plan.digest.to_string(),
        "trust_domain": plan.authority.trust_domain.to_string(),
        "stations": plan.stations.len(),
        "agencies": plan.agencies.len(),
        "delegated": plan.authority.delegated.len(),
    })
}

fn plan_check(plan: &Plan) -> Output {
    let text = format!(
        "The plan is good (kế hoạch hợp lệ): {} stations, {} agencies, {} delegated authorities \
         below {}.\nSHA-256 to review: {}\nNext: tram-pki init --plan FILE --out DIR --digest {}",
        plan.stations.len(),
        plan.agencies.len(),
        plan.authority.delegated.len(),
        plan.authority.trust_domain,
        plan.digest,
        plan.digest
    );
    Output::new(text, counts(plan))
}

fn plan_show(plan: &Plan) -> Output {
    let mut text = format!("Authority (cơ quan chứng thực): {}\n", plan.authority.name);
    text += &format!(
        "Trust domain (miền tin cậy): {}\n",
        plan.authority.trust_domain
    );
    for delegated in &plan.authority.delegated {
        text += &format!(
            "Delegated authority (ủy quyền): {} and below\n",
            delegated.code
        );
    }
    text += &format!(
        "Time-stamps (dấu thời gian): {} at {}\n",
        plan.tsa.name, plan.tsa.url
    );
    for station in plan.stations.values() {
        let at = station.address.as_deref().unwrap_or("dials out only");
        text += &format!(
            "Station (trạm): {} — {:?}, {at}\n",
            station.name, station.kind
        );
    }
    for agency in plan.agencies.values() {
        let home = agency
            .station
            .as_ref()
            .map_or_else(|| "no station".into(), ToString::to_string);
        text += &format!(
            "Agency (cơ quan): {} — {} — {home}\n",
            agency.code, agency.name
        );
    }
    text += &format!("SHA-256: {}\n", plan.digest);
    Output::new(text, counts(plan))
}

#[cfg(test)]
mod tests;
