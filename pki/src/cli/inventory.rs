//! Looking through what was issued: `list`, `export`, `expiring`, `audit`.
//!
//! Owns: the arguments of these commands and their tables. Reads only.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use formats::time::Timestamp;
use pki::authority::audit::Chain;
use pki::authority::inventory::{Entry, Search, Standing};
use pki::ledger::reason_word;
use pki::role::Role;
use serde_json::{Value, json};

use super::failure::Next;
use super::workshop::Workshop;
use super::{Failure, Output};

/// `tram-pki list`.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Folder made by `init`.
    #[arg(long)]
    dir: PathBuf,
    /// A part of the name, or the beginning of a serial number or fingerprint.
    text: Option<String>,
    /// Only this role.
    #[arg(long)]
    role: Option<Role>,
    /// Only these.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only what is revoked: the same as `--state revoked`.
    #[arg(long)]
    revoked: bool,
    /// At most so many; 0 for all.
    #[arg(long, default_value_t = 200)]
    limit: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Usable now (đang dùng được).
    Good,
    /// Ended (hết hạn).
    Expired,
    /// Announced and never signed (chưa ký).
    Planned,
    /// Revoked (đã thu hồi).
    Revoked,
}

impl From<State> for Standing {
    fn from(state: State) -> Self {
        match state {
            State::Good => Self::Good,
            State::Expired => Self::Expired,
            State::Planned => Self::Planned,
            State::Revoked => Self::Revoked,
        }
    }
}

/// `tram-pki expiring`.
#[derive(Debug, Args)]
pub(super) struct ExpiringArguments {
    /// Folder made by `init`.
    #[arg(long)]
    dir: PathBuf,
    /// Those that end within so many days.
    #[arg(long, default_value_t = 30)]
    days: u16,
}

/// `tram-pki export`.
#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// Folder made by `init`.
    #[arg(long)]
    dir: PathBuf,
    /// Where to write; it must not exist.
    #[arg(long)]
    out: PathBuf,
    /// The form.
    #[arg(long, value_enum, default_value = "csv")]
    format: Form,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// A table for spreadsheets.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// The certificates themselves.
    Pem,
}

/// `tram-pki audit`.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// The last lines (các dòng cuối).
    Tail {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// How many.
        #[arg(long, default_value_t = 20)]
        lines: u32,
    },
    /// Check the chain of all lines, of the database or of an export (kiểm tra chuỗi).
    Verify {
        /// Folder made by `init`.
        #[arg(long, conflicts_with = "file", required_unless_present = "file")]
        dir: Option<PathBuf>,
        /// An export.
        #[arg(long)]
        file: Option<PathBuf>,
        /// A head noted earlier, as `LINES:SHA256`: the chain must contain it.
        #[arg(long)]
        head: Option<String>,
    },
    /// Write all lines to a file (xuất nhật ký).
    Export {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// Where to write; it must not exist.
        #[arg(long)]
        out: PathBuf,
    },
}

pub(super) fn list(order: &ListArguments, now: Timestamp) -> Result<Output, Failure> {
    let workshop = Workshop::open(&order.dir, now)?;
    let state = if order.revoked {
        Some(State::Revoked)
    } else {
        order.state
    };
    let search = Search {
        text: order.text.clone(),
        role: order.role,
        standing: state.map(Standing::from),
        ..Search::default()
    };
    let most = if order.limit == 0 {
        u32::MAX
    } else {
        order.limit
    };
    let (mut text, mut all) = (String::new(), Vec::new());
    let more = each(&workshop, search, most, now, |entry| {
        text += &line(entry, now);
        all.push(described(entry, now));
        Ok(())
    })?;
    if more {
        text += "… more: narrow the search or give --limit 0 (còn nữa)\n";
    }
    if all.is_empty() {
        text += "nothing found (không có)\n";
    }
    let (lines, head) = heads(&workshop)?;
    text += &format!("audit head (đầu nhật ký): {lines}:{head}\n");
    let json = json!({ "certificates": all, "more": more, "lines": lines, "head": head });
    Ok(Output::new(text, json))
}

pub(super) fn expiring(order: &ExpiringArguments, now: Timestamp) -> Result<Output, Failure> {
    let workshop = Workshop::open(&order.dir, now)?;
    let until = now.plus_ms(i64::from(order.days).saturating_mul(DAY_MS));
    let search = Search {
        ends_before: Some(until),
        ..Search::default()
    };
    let (mut text, mut all) = (String::new(), Vec::new());
    each(&workshop, search, u32::MAX, now, |entry| {
        // Whoever has a newer one in the same role needs none.
        let inventory = &workshop.office.inventory;
        let newest = workshop.wait(inventory.current(&entry.name, entry.role, now));
        let newest = newest.next(LOOK)?;
        if newest.is_some_and(|newest| newest.not_after >= until) {
            return Ok(());
        }
        let days = entry.not_after.unix_ms().saturating_sub(now.unix_ms()) / DAY_MS;
        text += &format!("{:>3} d  {}", days, line(entry, now));
        let mut one = described(entry, now);
        if let Some(map) = one.as_object_mut() {
            map.insert("days".to_owned(), json!(days));
        }
        all.push(one);
        Ok(())
    })?;
    let json = json!({ "days": order.days, "certificates": all });
    if all.is_empty() {
        let text = format!("nothing ends within {} days (không có)", order.days);
        return Ok(Output::new(text, json));
    }
    let cause = format!(
        "{} certificates end within {} days and have no successor (sắp hết hạn):\n{text}",
        all.len(),
        order.days
    );
    let step = "nodes renew by themselves while they run: look why these do not";
    Err(Failure::new(cause, step).with_details(json))
}

pub(super) fn export(order: &ExportArguments, now: Timestamp) -> Result<Output, Failure> {
    let workshop = Workshop::open(&order.dir, now)?;
    let step = "choose a new file on a disk with room";
    let file = std::fs::File::create_new(&order.out).next(step)?;
    let mut file = std::io::BufWriter::new(file);
    let mut count = 0_u64;
    if matches!(order.format, Form::Csv) {
        writeln!(file, "{}", COLUMNS.join(",")).next(step)?;
    }
    each(&workshop, Search::default(), u32::MAX, now, |entry| {
        let written = match order.format {
            Form::Csv => writeln!(file, "{}", comma_separated(entry, now)),
            Form::Ndjson => writeln!(file, "{}", described(entry, now)),
            Form::Pem => {
                let inventory = &workshop.office.inventory;
                let cert = workshop
                    .wait(inventory.certificate(&entry.serial))
                    .next(LOOK)?;
                cert.map_or(Ok(()), |cert| file.write_all(cert.pem().as_bytes()))
            }
        };
        count = count.saturating_add(1);
        written.next(step)
    })?;
    file.into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .and_then(|file| file.sync_all())
        .next(step)?;
    let text = format!(
        "{count} certificates written to {} (đã xuất).",
        order.out.display()
    );
    Ok(Output::new(text, json!({ "certificates": count })))
}

pub(super) fn audit(command: &AuditCommand, now: Timestamp) -> Result<Output, Failure> {
    match command {
        AuditCommand::Tail { dir, lines } => {
            let workshop = Workshop::open(dir, now)?;
            let (count, _) = heads(&workshop)?;
            let after = count.saturating_sub(u64::from(*lines));
            let inventory = &workshop.office.inventory;
            let found = workshop
                .wait(inventory.audit_lines(after, *lines))
                .next(LOOK)?;
            let mut text = String::new();
            let mut all = Vec::new();
            for line in &found {
                let line: Value = serde_json::from_str(line).next(LOOK)?;
                let word = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or("?");
                let facts = line
                    .get("facts")
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let _infallible = writeln!(
                    text,
                    "{}  {:<20} {:<18} {} {facts}",
                    word("time"),
                    word("event"),
                    word("who"),
                    word("from")
                );
                all.push(line);
            }
            Ok(Output::new(text, json!({ "lines": all })))
        }
        AuditCommand::Verify { dir, file, head } => {
            verify(dir.as_deref(), file.as_deref(), head.as_deref(), now)
        }
        AuditCommand::Export { dir, out } => {
            let workshop = Workshop::open(dir, now)?;
            let step = "choose a new file on a disk with room";
            let mut file = std::fs::File::create_new(out).next(step)?;
            let chain = lines(&workshop, |line| writeln!(file, "{line}").next(step))?;
            file.sync_all().next(step)?;
            let (count, head) = chain.head();
            let text = format!(
                "{count} lines written to {} (đã xuất); head {count}:{head}. Note the head \
                 elsewhere: it shows later that nothing was cut.",
                out.display()
            );
            Ok(Output::new(
                text,
                json!({ "lines": count, "head": head.to_string() }),
            ))
        }
    }
}

fn verify(
    dir: Option<&Path>,
    file: Option<&Path>,
    head: Option<&str>,
    now: Timestamp,
) -> Result<Output, Failure> {
    let noted = head.map(|text| {
        let (count, hash) = text.split_once(':')?;
        Some((count.parse::<u64>().ok()?, hash.to_ascii_lowercase()))
    });
    let noted = match noted {
        Some(None) => {
            let step = "give it as `audit export` printed it: LINES:SHA256";
            return Err(Failure::new("not a head", step));
        }
        Some(known) => known,
        None => None,
    };
    let mut met = noted.is_none();
    // Checkpoints of the log of certificates were signed over these heads.
    let mut logged: BTreeMap<u64, String> = BTreeMap::new();
    let workshop = dir.map(|dir| Workshop::open(dir, now)).transpose()?;
    if let Some(workshop) = &workshop {
        let heads = workshop
            .wait(workshop.office.inventory.audit_heads())
            .next(LOOK)?;
        logged.extend(heads.iter().map(|one| (one.lines, one.head.to_string())));
    }
    let checkpoints = logged.len();
    let mut chain = Chain::default();
    let mut take = |line: &str| {
        chain
            .take(line)
            .next("restore the database from a backup and find out who changed it")?;
        let (count, hash) = chain.head();
        met |= noted
            .as_ref()
            .is_some_and(|noted| *noted == (count, hash.to_string()));
        match logged.remove(&count) {
            Some(known) if known != hash.to_string() => Err(Failure::new(
                format!("audit line {count} is not the one that a checkpoint was signed over"),
                "restore the database from a backup and find out who changed it",
            )),
            _ => Ok(()),
        }
    };
    match (&workshop, file) {
        (Some(workshop), _) => {
            lines(workshop, &mut take)?;
        }
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).next("give the path of an export")?;
            text.lines().try_for_each(&mut take)?;
        }
        (None, None) => {}
    }
    let (count, head) = chain.head();
    if !met {
        return Err(Failure::new(
            format!("the chain of {count} lines does not contain the noted head"),
            "lines were cut off or replaced since: compare with the export of that day",
        ));
    }
    if !logged.is_empty() {
        return Err(Failure::new(
            format!("the chain of {count} lines is shorter than a signed checkpoint says"),
            "lines were cut off: restore the database from a backup",
        ));
    }
    let text = format!(
        "{count} lines, one unbroken chain (chuỗi nguyên vẹn), {checkpoints} heads of it in the log \
         of certificates; head {count}:{head}"
    );
    Ok(Output::new(
        text,
        json!({ "lines": count, "head": head.to_string() }),
    ))
}

/// Every line in order, checked on the way.
fn lines(
    workshop: &Workshop,
    mut each: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<Chain, Failure> {
    let mut chain = Chain::default();
    loop {
        let (done, _) = chain.head();
        let inventory = &workshop.office.inventory;
        let page = workshop
            .wait(inventory.audit_lines(done, PAGE))
            .next(LOOK)?;
        if page.is_empty() {
            return Ok(chain);
        }
        for line in &page {
            each(line)?;
            chain
                .take(line)
                .next("restore the database from a backup")?;
        }
    }
}

/// Goes through a search page by page. True when there would be more than `most`.
fn each(
    workshop: &Workshop,
    mut search: Search,
    most: u32,
    now: Timestamp,
    mut take: impl FnMut(&Entry) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let mut left = most;
    loop {
        search.limit = PAGE;
        let inventory = &workshop.office.inventory;
        let page = workshop.wait(inventory.search(&search, now)).next(LOOK)?;
        for entry in &page {
            if left == 0 {
                return Ok(true);
            }
            take(entry)?;
            left = left.saturating_sub(1);
            search.after = entry.seq;
        }
        if page.is_empty() {
            return Ok(false);
        }
    }
}

fn heads(workshop: &Workshop) -> Result<(u64, String), Failure> {
    let head = workshop.wait(workshop.office.inventory.audit_head());
    head.map(|(lines, head)| (lines, head.to_string()))
        .next(LOOK)
}

fn state(entry: &Entry, now: Timestamp) -> String {
    match (&entry.revoked, entry.standing(now)) {
        (Some((at, reason)), _) => format!("revoked {} {}", at.rfc3339(), reason_word(*reason)),
        (None, Standing::Planned) => "planned, never signed".to_owned(),
        (None, Standing::Good) => "issued".to_owned(),
        (None, other) => other.as_str().to_owned(),
    }
}

fn line(entry: &Entry, now: Timestamp) -> String {
    let until = entry.not_after.vietnam();
    let (serial, role, name) = (&entry.serial, entry.role, &entry.name);
    format!(
        "{serial}  {role:<18} {name:<32} {until}  {}\n",
        state(entry, now)
    )
}

fn described(entry: &Entry, now: Timestamp) -> Value {
    json!({
        "serial": entry.serial, "role": entry.role.as_str(), "name": entry.name,
        "issuer": entry.issuer, "not_before": entry.not_before.rfc3339(),
        "not_after": entry.not_after.rfc3339(), "state": state(entry, now),
        "sha256": entry.sha256.map(|digest| digest.to_string()),
    })
}

fn comma_separated(entry: &Entry, now: Timestamp) -> String {
    // None of these holds a comma or a quote, but a common name may.
    let quoted = format!("\"{}\"", entry.name.replace('"', "\"\""));
    let sha256 = entry
        .sha256
        .map(|digest| digest.to_string())
        .unwrap_or_default();
    [
        entry.serial.as_str(),
        entry.role.as_str(),
        &quoted,
        &entry.issuer,
        &entry.not_before.rfc3339(),
        &entry.not_after.rfc3339(),
        &state(entry, now),
        &sha256,
    ]
    .join(",")
}

const COLUMNS: [&str; 8] = [
    "serial",
    "role",
    "name",
    "issuer",
    "not_before",
    "not_after",
    "state",
    "sha256",
];
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const LOOK: &str = "look at the database";
const PAGE: u32 = 500;
