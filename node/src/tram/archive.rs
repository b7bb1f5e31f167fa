//! `tram evidence archive`, `renew`, `verify-record`, `list`: packages for decades, by evidence records (RFC 4998).
//! All but `list` work without a node: files, and the address of a time-stamp authority.
//!
//! A record is durable under its name before the one it replaces is moved aside, and the old one is kept. Fails with
//! what the user can mend. Must not know what is in a package.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use formats::time::Timestamp;
use pki::ers::{Batch, DataObject, Ends, EvidenceRecord, Fault, Hash, Question, Scope};
use pki::pdf::Anchors;
use relay::clock::Clock;
use relay::evidence::tsa::{Authorities, Patience, TokenCheck, Wanted};

use super::show::{items, number, safe, text};
use super::{Desk, Exit, Failure, archive_check};
use crate::archive::files;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Keep {
    /// Put packages under one time-stamp: an evidence record (RFC 4998). Đóng dấu lưu trữ cho gói bằng chứng
    Archive {
        /// Packages, or any files. Các gói
        #[arg(required = true, value_name = "PACKAGE")]
        packages: Vec<PathBuf>,
        /// One record over all of them as a group; without it, each gets its own beside it (PACKAGE.ers)
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Digest of the hash tree: sha256, sha384, sha512
        #[arg(long, default_value = "sha256")]
        hash: String,
        /// Whom to ask
        #[command(flatten)]
        stamping: StampingArgs,
    },
    /// List what the node has archived, by when it must be renewed. Danh sách đã lưu trữ
    List,
    /// Renew a record: by a new time-stamp, or with --hash by a new hash tree. Gia hạn bản ghi bằng chứng
    Renew {
        /// The record (.ers)
        record: PathBuf,
        /// A stronger digest: sha384, sha512; needs the packages that the record is over
        #[arg(long)]
        hash: Option<String>,
        /// What the record is over; all of it
        #[arg(long = "package", value_name = "PACKAGE")]
        packages: Vec<PathBuf>,
        /// File to write; without it the record is replaced and the old one kept as RECORD.1, .2, …
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Whom to ask
        #[command(flatten)]
        stamping: StampingArgs,
    },
    /// Check a record or an ASiC container with records, without a network. Kiểm tra bản ghi bằng chứng
    VerifyRecord {
        /// The record (.ers) or the container (.asice, .asics, .sce, .scs)
        file: PathBuf,
        /// What the record is over; all of it
        packages: Vec<PathBuf>,
        /// Root certificates that are believed: a PEM file or a folder
        #[arg(long, value_name = "PATH")]
        anchors: PathBuf,
        /// The time of the question (RFC 3339); now without it
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// When an algorithm ends, over the built-in dates: sha256=2031-01-01
        #[arg(long = "end", value_name = "NAME=DAY")]
        ends: Vec<String>,
        /// The record may be over more than the packages given
        #[arg(long)]
        part: bool,
    },
}

/// Whom to ask for time-stamps.
#[derive(Debug, clap::Args)]
pub struct StampingArgs {
    /// Time-stamp authority (RFC 3161); several in their order. Máy chủ cấp dấu thời gian
    #[arg(long = "tsa", required = true, value_name = "URL")]
    tsa: Vec<String>,
    /// Root certificates that the authority must lead to: a PEM file or a folder; without it its signature alone is
    /// checked
    #[arg(long, value_name = "PATH")]
    anchors: Option<PathBuf>,
}

/// Runs one of them.
pub(super) async fn run(desk: &mut Desk<'_>, what: Keep) -> Result<Exit, Failure> {
    match what {
        Keep::Archive {
            packages,
            output,
            hash,
            stamping,
        } => archive(desk, &packages, output, &hash, &stamping).await,
        Keep::List => list(desk).await,
        Keep::Renew {
            record,
            hash,
            packages,
            output,
            stamping,
        } => renew(desk, &record, hash.as_deref(), &packages, output, &stamping).await,
        Keep::VerifyRecord {
            file,
            packages,
            anchors,
            at,
            ends,
            part,
        } => {
            let scope = if part { Scope::Each } else { Scope::Group };
            let asked = archive_check::Asked {
                anchors: load_anchors(&anchors)?,
                at: at.as_deref().map(moment).transpose()?,
                ends: ends_of(&ends)?,
                scope,
            };
            archive_check::verify(desk, &file, &packages, &asked)
        }
    }
}

async fn archive(
    desk: &mut Desk<'_>,
    packages: &[PathBuf],
    output: Option<PathBuf>,
    hash: &str,
    stamping: &StampingArgs,
) -> Result<Exit, Failure> {
    let hash = hash_of(hash)?;
    let objects = read_all(packages, &[hash])?;
    let (groups, names) = match output {
        Some(output) => (vec![objects], vec![output]),
        None => {
            let beside = packages.iter().map(|path| with_ending(path, ".ers"));
            let groups = objects.into_iter().map(|one| vec![one]);
            (groups.collect(), beside.collect())
        }
    };
    for name in &names {
        if name.exists() {
            return Err(usage(format!("{} is already there", name.display())));
        }
    }
    let batch = Batch::begin(hash, &groups).map_err(usage)?;
    let (records, tsa) = stamped(batch, stamping).await?;
    for (record, name) in records.iter().zip(&names) {
        write(name, record)?;
    }
    told(desk, &records, &names, &tsa)
}

async fn renew(
    desk: &mut Desk<'_>,
    file: &Path,
    hash: Option<&str>,
    packages: &[PathBuf],
    output: Option<PathBuf>,
    stamping: &StampingArgs,
) -> Result<Exit, Failure> {
    let record = load(file)?;
    let batch = match hash {
        None => Batch::renew_time_stamps(vec![record]),
        Some(hash) => {
            if packages.is_empty() {
                return Err(usage(desk.lang.pick(
                    "đổi thuật toán băm cần các gói gốc: thêm --package GÓI",
                    "a new hash tree is over the packages again: name them with --package PACKAGE",
                )));
            }
            let hash = hash_of(hash)?;
            let mut hashes = record.hashes().map_err(usage)?;
            hashes.push(hash);
            let objects = read_all(packages, &hashes)?;
            covers(&record, &objects)?;
            Batch::renew_trees(hash, vec![(record, objects)])
        }
    };
    let (records, tsa) = stamped(batch.map_err(usage)?, stamping).await?;
    let record = records.first().ok_or_else(|| usage("no record"))?;
    let name = match output {
        Some(output) => {
            write(&output, record)?;
            output
        }
        None => {
            let bytes = record.to_der().map_err(usage)?;
            files::replace(file, &bytes).map_err(|source| failed(file, source))?;
            file.to_owned()
        }
    };
    told(desk, &records, &[name], &tsa)
}

/// A renewal over other files would make a record that never holds again.
fn covers(record: &EvidenceRecord, objects: &[DataObject]) -> Result<(), Failure> {
    let question = Question {
        anchors: &Anchors::default(),
        certificates: &[],
        ends: &Ends::built_in(),
        at: Clock::system().now(),
        scope: Scope::Group,
    };
    let report = question.ask(record, objects).map_err(usage)?;
    let other = |fault: &&Fault| matches!(fault, Fault::Missing { .. } | Fault::Surplus { .. });
    match report.faults.iter().find(other) {
        Some(fault) => Err(usage(fault.english())),
        None => Ok(()),
    }
}

async fn stamped(
    batch: Batch,
    stamping: &StampingArgs,
) -> Result<(Vec<EvidenceRecord>, String), Failure> {
    let anchors = stamping.anchors.as_deref().map(load_anchors).transpose()?;
    let check: TokenCheck = Arc::new(move |token: &[u8], hash, imprint: &[u8], _| {
        let checked = pki::ers::check_token(token, hash, imprint, anchors.as_ref());
        checked.map_err(|error| error.to_string())
    });
    let clock = Clock::system();
    let (hash, imprint) = batch.imprint();
    let wanted = Wanted {
        hash,
        imprint,
        clock: &clock,
        check: &check,
    };
    let authorities = Authorities::new(&stamping.tsa, &[], PATIENCE);
    let found = authorities.token(&wanted).await;
    let found = found.map_err(|error| Failure::Stamp(error.to_string()))?;
    let records = batch.finish(&found.token).map_err(usage)?;
    Ok((records, found.url))
}

fn told(
    desk: &mut Desk<'_>,
    records: &[EvidenceRecord],
    names: &[PathBuf],
    tsa: &str,
) -> Result<Exit, Failure> {
    let ends = Ends::built_in();
    let mut all = Vec::new();
    for (record, name) in records.iter().zip(names) {
        let newest = record.newest(&ends).map_err(usage)?;
        all.push(json!({
            "record": name.display().to_string(),
            "chains": record.chains(),
            "hash": newest.hash.name(),
            "time": newest.time.rfc3339(),
            "tsa": newest.tsa,
            "asked": tsa,
            "renew_before": newest.end().rfc3339(),
        }));
    }
    if desk.json {
        desk.print_json(&json!(all))?;
        return Ok(Exit::Ok);
    }
    for one in &all {
        let line = desk.lang.pick(
            &format!(
                "{}: đóng dấu lúc {}, gia hạn trước {}",
                text(one, "record"),
                text(one, "time"),
                text(one, "renew_before")
            ),
            &format!(
                "{}: stamped {}, renew before {}",
                text(one, "record"),
                text(one, "time"),
                text(one, "renew_before")
            ),
        );
        desk.line(safe(&line))?;
    }
    Ok(Exit::Ok)
}

async fn list(desk: &mut Desk<'_>) -> Result<Exit, Failure> {
    let found = desk.client()?.get("/archive", &[]).await?;
    let good = items(&found, "troubles").is_empty();
    if desk.json {
        desk.print_json(&found)?;
        return Ok(exit(good));
    }
    for one in items(&found, "packages") {
        let line = format!(
            "{}  {}  {}  {}",
            text(one, "document"),
            text(one, "stamped"),
            text(one, "hash"),
            text(one, "renew_before")
        );
        desk.line(safe(&line))?;
    }
    for trouble in items(&found, "troubles") {
        desk.line(safe(&format!("✗ {}", trouble.as_str().unwrap_or_default())))?;
    }
    let count = number(&found, "count");
    let line = desk.lang.pick(
        &format!("{count} gói đã lưu trữ"),
        &format!("{count} packages archived"),
    );
    desk.line(line)?;
    Ok(exit(good))
}

pub(super) const fn exit(good: bool) -> Exit {
    if good { Exit::Ok } else { Exit::No }
}

pub(super) fn read_all(paths: &[PathBuf], hashes: &[Hash]) -> Result<Vec<DataObject>, Failure> {
    let read = |path: &PathBuf| {
        let file = File::open(path).map_err(|source| failed(path, source))?;
        let name = path.display().to_string();
        DataObject::read(name, file, hashes).map_err(|source| failed(path, source))
    };
    paths.iter().map(read).collect()
}

/// A record or container: bounded before it is read.
pub(super) fn read_small(path: &Path) -> Result<Vec<u8>, Failure> {
    let size = path
        .metadata()
        .map_err(|source| failed(path, source))?
        .len();
    if size > CONTAINER_BYTES_MAX {
        return Err(usage(format!("{} is too large", path.display())));
    }
    std::fs::read(path).map_err(|source| failed(path, source))
}

fn load(path: &Path) -> Result<EvidenceRecord, Failure> {
    EvidenceRecord::parse(&read_small(path)?).map_err(usage)
}

fn write(path: &Path, record: &EvidenceRecord) -> Result<(), Failure> {
    let bytes = record.to_der().map_err(usage)?;
    files::write(path, &bytes).map_err(|source| failed(path, source))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn load_anchors(path: &Path) -> Result<Anchors, Failure> {
    let read = if path.is_dir() {
        Anchors::load(path)
    } else {
        pki::cert::Certificate::load_all(path).map(Anchors::new)
    };
    read.map_err(usage)
}

fn hash_of(name: &str) -> Result<Hash, Failure> {
    let known = Hash::named(name).filter(|hash| hash.for_request().is_some());
    known.ok_or_else(|| usage(format!("{name} is none of sha256, sha384, sha512")))
}

fn moment(written: &str) -> Result<Timestamp, Failure> {
    // A day, whole seconds, or as our own times are written.
    let day = format!("{written}T00:00:00.000Z");
    let seconds = format!("{}.000Z", written.trim_end_matches('Z'));
    let read = Timestamp::parse_rfc3339(written)
        .or_else(|_| Timestamp::parse_rfc3339(&day))
        .or_else(|_| Timestamp::parse_rfc3339(&seconds));
    read.map_err(|error| usage(format!("{written}: {error}")))
}

fn ends_of(written: &[String]) -> Result<Ends, Failure> {
    let mut ends = Ends::built_in();
    for one in written {
        let (name, day) = one
            .split_once('=')
            .ok_or_else(|| usage(format!("{one}: write it like sha256=2031-01-01")))?;
        ends = ends.with(name, moment(day)?).map_err(usage)?;
    }
    Ok(ends)
}

pub(super) fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}

fn failed(path: &Path, source: std::io::Error) -> Failure {
    Failure::File {
        path: path.display().to_string(),
        source,
    }
}

/// Somebody waits at a terminal.
const PATIENCE: Patience = Patience {
    one: Duration::from_secs(5),
    last: Duration::from_secs(15),
    pause: Duration::from_secs(1),
    pause_max: Duration::from_secs(1),
};
const CONTAINER_BYTES_MAX: u64 = 512 * 1024 * 1024;
