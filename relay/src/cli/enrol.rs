//! `enrol` on the command line, for relays and (with more of its own) for nodes: what is asked, what
//! is said while it goes on, and the configuration file at its end.
//!
//! Messages are in English with Vietnamese beside them, because whoever sets up a station is not
//! always who writes software. Fails with [`Stopped`], which names the next step.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use formats::id::StationName;
use formats::record::{Address, StationKind};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pki::enrol::Grant;
use pki::pair::Pair;

use crate::authority::client::ClientError;
use crate::authority::enrol::{DATA, EnrolError, Enrolled, Enrolment, KEYS, RECORDS};
use crate::authority::publish::{Introduction, PublishError};
use crate::authority::pull::PullError;
use crate::authority::renew::Slot;
use crate::authority::{AuthoritySettings, fingerprint};
use crate::backoff;
use crate::clock::Clock;

/// What `enrol` is told, for every kind of station.
#[derive(Clone, Debug, clap::Args)]
pub struct EnrolOptions {
    /// Address of the authority, https://HOST:PORT.
    #[arg(long, value_name = "URL")]
    pub authority: String,
    /// SHA-256 of the authority's root, as it was given to you by another way than the network.
    #[arg(long, value_name = "SHA256")]
    pub fingerprint: String,
    /// The one-time token.
    #[arg(long, required_unless_present = "token_file")]
    pub token: Option<String>,
    /// File whose first line is the token.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
    /// Folder of the station; made if there is none.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// UDP address for links.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:4101")]
    pub listen: SocketAddr,
    /// Where others reach it, HOST:PORT; without it a node only dials out.
    #[arg(long, value_name = "HOST:PORT")]
    pub address: Option<String>,
    /// HTTP address for operators; loopback.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4201")]
    pub ops: SocketAddr,
    /// Write everything, start nothing.
    #[arg(long)]
    pub no_start: bool,
    /// Machine-readable output.
    #[arg(long)]
    pub json: bool,
}

/// Why it stopped, and what to do.
#[derive(Debug)]
pub struct Stopped {
    /// What is wrong.
    pub what: String,
    /// What to do next, English.
    pub next: String,
    /// What to do next, Vietnamese.
    pub next_vi: String,
}

impl Stopped {
    /// With the next step in both languages.
    #[must_use]
    pub fn new(what: impl Into<String>, next: &str, next_vi: &str) -> Self {
        Self {
            what: what.into(),
            next: next.to_owned(),
            next_vi: next_vi.to_owned(),
        }
    }

    /// As lines for a person.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{}\n  next: {}\n  tiếp theo: {}",
            self.what, self.next, self.next_vi
        )
    }

    /// As JSON for a program.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": self.what, "next": self.next, "next_vi": self.next_vi,
        })
    }
}

impl From<EnrolError> for Stopped {
    fn from(error: EnrolError) -> Self {
        let what = error.to_string();
        match &error {
            EnrolError::Client(error)
            | EnrolError::Pull(PullError::Client(error))
            | EnrolError::Publish(PublishError::Client(error)) => client_stopped(what, error),
            EnrolError::Disk(_) | EnrolError::Pull(_) | EnrolError::Publish(_) => Self::new(
                what,
                "look at the folder, its owner and the disk, then run the same command again",
                "kiểm tra thư mục, quyền sở hữu và đĩa, rồi chạy lại đúng lệnh này",
            ),
            EnrolError::Taken { .. } => Self::new(
                what,
                "choose another folder with --dir, or the token that this one was begun with",
                "chọn thư mục khác bằng --dir, hoặc dùng đúng mã đã bắt đầu ở thư mục này",
            ),
            EnrolError::OtherKind(_) => Self::new(
                what,
                "use tram-node for a node and tram-relay for a relay, or ask for another token",
                "dùng tram-node cho trạm cơ quan, tram-relay cho trạm chuyển tiếp, hoặc xin mã khác",
            ),
            EnrolError::Issued(_) | EnrolError::Pin(_) | EnrolError::Root | EnrolError::Tls(_) => {
                Self::new(
                    what,
                    "compare address and fingerprint with the paper that came with the token; if they \
                 agree, tell the authority. Nothing was put to use",
                    "so địa chỉ và dấu vân tay với giấy kèm mã; nếu đúng cả hai, báo cơ quan cấp chứng \
                 thư. Chưa có gì được đưa vào dùng",
                )
            }
        }
    }
}

fn client_stopped(what: String, error: &ClientError) -> Stopped {
    match error {
        ClientError::Refused(problem) => Stopped::new(what, &problem.next, &problem.detail),
        ClientError::Untrusted { .. } | ClientError::Tls(_) => Stopped::new(
            what,
            "compare address and fingerprint with the paper that came with the token, and the \
             machine's clock with a right one; nothing was sent",
            "so địa chỉ và dấu vân tay với giấy kèm mã, và đồng hồ máy với giờ đúng; chưa gửi gì đi",
        ),
        ClientError::Answer { .. } => Stopped::new(
            what,
            "compare the address: another service answers there",
            "so lại địa chỉ: nơi đó là một dịch vụ khác",
        ),
        ClientError::Busy(_) | ClientError::Unreachable { .. } | ClientError::Waiting(_) => {
            Stopped::new(
                what,
                "look at address, network and firewall, then run the same command again: it goes on \
                 where it stopped",
                "kiểm tra địa chỉ, mạng và tường lửa, rồi chạy lại đúng lệnh này: việc được làm tiếp",
            )
        }
    }
}

/// Says how far it is; nothing in JSON.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Nothing is said.
    pub silent: bool,
}

impl Progress {
    /// One line to standard error.
    #[expect(clippy::print_stderr, reason = "progress of a command")]
    pub fn say(self, english: &str, vietnamese: &str) {
        if !self.silent {
            eprintln!("{english} ({vietnamese})");
        }
    }
}

impl EnrolOptions {
    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { silent: self.json }
    }

    /// The authority's settings.
    ///
    /// # Errors
    /// Address or fingerprint that is none.
    pub fn settings(&self) -> Result<AuthoritySettings, Stopped> {
        let wrong = |error: crate::authority::EndpointError| {
            Stopped::new(
                error.to_string(),
                "write --authority and --fingerprint as on the paper that came with the token",
                "ghi --authority và --fingerprint đúng như trên giấy kèm mã",
            )
        };
        Ok(AuthoritySettings {
            endpoint: self.authority.parse().map_err(wrong)?,
            fingerprint: fingerprint(&self.fingerprint).map_err(wrong)?,
        })
    }

    fn token(&self) -> Result<String, Stopped> {
        let text = match (&self.token, &self.token_file) {
            (Some(token), _) => token.clone(),
            (None, Some(file)) => std::fs::read_to_string(file).map_err(|error| {
                Stopped::new(
                    format!("{}: {error}", file.display()),
                    "give a file whose first line is the token",
                    "chỉ một tệp có mã ở dòng đầu",
                )
            })?,
            (None, None) => String::new(),
        };
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Where others reach the station.
    fn public_address(&self) -> Result<Option<Address>, Stopped> {
        let text = self.address.as_deref();
        text.map(str::parse).transpose().map_err(|_| {
            Stopped::new(
                "--address is not HOST:PORT",
                "write --address like relay-1.example.vn:4101",
                "ghi --address như relay-1.example.vn:4101",
            )
        })
    }

    /// Asks what the token is for and shows it.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn begin(&self) -> Result<Enrolment, Stopped> {
        let (settings, token) = (self.settings()?, self.token()?);
        self.public_address()?;
        let (progress, clock) = (self.progress(), Clock::system());
        let enrolment = patiently(progress, || {
            Enrolment::begin(&self.dir, &settings, &token, clock.clone()).boxed()
        })
        .await?;
        show(progress, enrolment.grant());
        Ok(enrolment)
    }

    /// Certificates, records, our own records.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn carry_out(
        &self,
        enrolment: &Enrolment,
        kind: StationKind,
        neighbours: &[StationName],
        agencies: &AgencySlots,
    ) -> Result<usize, Stopped> {
        let progress = self.progress();
        let grant = enrolment.grant();
        let mut slots = enrolment.station_slots().to_vec();
        slots.extend(agencies.slots.iter().cloned());
        progress.say(
            "making keys on this machine and asking for certificates",
            "tạo khóa trên máy này và xin chứng thư",
        );
        let enrolled: Enrolled = patiently(progress, || enrolment.certify(&slots).boxed()).await?;
        progress.say("fetching the directory", "lấy danh bạ");
        let files = patiently(progress, || enrolment.pull(&enrolled).boxed()).await?;
        progress.say(
            "publishing who this station is",
            "công bố thông tin của trạm này",
        );
        let who = Introduction {
            name: grant.station.clone(),
            kind,
            address: self.public_address()?,
            home_relays: grant.home_relays.clone(),
            neighbours: neighbours.to_vec(),
        };
        patiently(progress, || {
            enrolment
                .introduce(&who, &agencies.signatures, &enrolled)
                .boxed()
        })
        .await?;
        Ok(files)
    }

    /// The station's part of a configuration file.
    #[must_use]
    pub fn configuration(&self, grant: &Grant, more: &str) -> String {
        let mut text = format!(
            "# Written by `enrol` (do lệnh `enrol` tạo). Relative paths count from this folder.\n\
             name = \"{}\"\ndata = \"{DATA}\"\nrecords = \"{RECORDS}\"\nlisten = \"{}\"\n\
             ops = \"{}\"\n{more}\n[identity]\ndir = \"{KEYS}\"\n\n\
             [authority]\nurl = \"{}\"\nfingerprint = \"{}\"\n",
            grant.station, self.listen, self.ops, self.authority, self.fingerprint,
        );
        if let Some(url) = grant.time_stamp_url.as_deref().filter(|url| is_plain(url)) {
            text += &format!("\n[time_stamp]\nurl = \"{url}\"\n");
        }
        text
    }

    /// Writes the configuration unless there is one: an operator may have changed it.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn write_configuration(&self, file: &str, text: &str) -> Result<PathBuf, Stopped> {
        let path = self.dir.join(file);
        if !path.exists() {
            pki::pair::replace(&path, text.as_bytes())
                .map_err(|error| Stopped::from(EnrolError::Disk(error.to_string())))?;
        }
        Ok(path)
    }
}

/// What a node's agencies add.
#[derive(Debug, Default)]
pub struct AgencySlots {
    /// Their certificates.
    pub slots: Vec<Slot>,
    /// Where each one's signature key lies, which signs its attachment.
    pub signatures: Vec<(formats::id::AgencyCode, Pair)>,
}

/// `tram-relay enrol` up to the start; gives the configuration file and what to say.
pub(super) async fn relay(
    options: &EnrolOptions,
    neighbours: &[StationName],
) -> Result<(PathBuf, serde_json::Value), Stopped> {
    let mut enrolment = options.begin().await?;
    if !enrolment.grant().agencies.is_empty() || !enrolment.grant().home_relays.is_empty() {
        return Err(EnrolError::OtherKind("node").into());
    }
    if options.address.is_none() {
        return Err(Stopped::new(
            "a relay needs an address that others reach",
            "add --address HOST:PORT",
            "thêm --address HOST:PORT",
        ));
    }
    let files = options
        .carry_out(
            &enrolment,
            StationKind::Relay,
            neighbours,
            &AgencySlots::default(),
        )
        .await?;
    let text = options.configuration(enrolment.grant(), "");
    let path = options.write_configuration("relay.toml", &text)?;
    enrolment.finish()?;
    let said = done(&enrolment, &path, files);
    Ok((path, said))
}

/// What was done, for a program.
#[must_use]
pub fn done(enrolment: &Enrolment, configuration: &Path, files: usize) -> serde_json::Value {
    let grant = enrolment.grant();
    let agencies: Vec<String> = grant
        .agencies
        .iter()
        .map(|agency| agency.code.to_string())
        .collect();
    serde_json::json!({
        "station": grant.station, "agencies": agencies,
        "configuration": configuration.display().to_string(), "records": files,
    })
}

fn show(progress: Progress, grant: &Grant) {
    progress.say(
        &format!("The token is for station {}", grant.station),
        "mã này dành cho trạm trên",
    );
    for agency in &grant.agencies {
        let name: String = agency
            .name
            .chars()
            .filter(|one| !one.is_control())
            .collect();
        progress.say(&format!("  agency {}", agency.code), &name);
    }
    let expires: String = grant.expires.chars().take(40).collect();
    if is_plain(&expires) {
        progress.say(&format!("  valid until {expires}"), "hạn dùng của mã");
    }
}

/// Again while it may help: five times without a connection, every minute while people decide.
async fn patiently<'a, T>(
    progress: Progress,
    mut step: impl FnMut() -> BoxFuture<'a, Result<T, EnrolError>>,
) -> Result<T, Stopped> {
    let mut failures = 0;
    loop {
        let error = match step().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let pause = match client_error(&error) {
            Some(ClientError::Waiting(why)) => {
                progress.say(&format!("waits for approval: {why}"), "đang chờ phê duyệt");
                APPROVAL
            }
            Some(ClientError::Busy(seconds)) => Duration::from_secs((*seconds).clamp(1, 300)),
            Some(error) if error.passes() && failures < TRIES => {
                failures += 1;
                progress.say(&error.to_string(), "thử lại");
                Duration::from_millis(backoff::DIAL.delay_ms(failures + 2, rand::random()))
            }
            _ => return Err(error.into()),
        };
        tokio::time::sleep(pause).await;
    }
}

fn client_error(error: &EnrolError) -> Option<&ClientError> {
    match error {
        EnrolError::Client(error)
        | EnrolError::Pull(PullError::Client(error))
        | EnrolError::Publish(PublishError::Client(error)) => Some(error),
        _ => None,
    }
}

/// Whether a word of the authority may stand between quotes in a file.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// Persons who approve take minutes at least.
const APPROVAL: Duration = Duration::from_secs(60);
/// Tries without a connection.
const TRIES: u32 = 5;
