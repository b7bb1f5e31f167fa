//! `tram-pki grant`: one-time tokens for setting up a station.
//!
//! Owns: the arguments, and the check that what is granted exists: agencies stand in the directory,
//! relays in the records, a station's name is not the authority's own.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use formats::id::{AgencyCode, StationName};
use formats::record::{Record, StationKind};
use formats::time::Timestamp;
use pki::authority::entitled::may_be_station;
use pki::authority::grants::{Allowed, GrantKind};
use pki::cert::Certificate;
use pki::enrol::GrantedAgency;
use serde_json::json;

use super::directory::bundles::Bundles;
use super::failure::Next;
use super::records::current;
use super::workshop::Workshop;
use super::{Failure, Output};

/// `tram-pki grant`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct GrantArguments {
    #[command(subcommand)]
    command: Option<GrantCommand>,
    #[command(flatten)]
    new: Option<NewGrant>,
}

#[derive(Debug, Subcommand)]
enum GrantCommand {
    /// Grants and what became of them (liệt kê).
    List {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Take a grant back before it is used (thu hồi mã).
    Withdraw {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// As `grant list` shows it.
        id: String,
    },
}

#[derive(Debug, Args)]
#[group(required = false)]
struct NewGrant {
    /// Codes of the agencies that the node will serve; none for a relay.
    agencies: Vec<AgencyCode>,
    /// Folder made by `init`.
    #[arg(long)]
    dir: PathBuf,
    /// Name of the station, for example node-7.tram.test.
    #[arg(long)]
    station: StationName,
    /// What the station is.
    #[arg(long = "for", value_enum, default_value = "node")]
    kind: Kind,
    /// Relay that the node links to; twice for two. By default those of the directory.
    #[arg(long)]
    home_relay: Vec<StationName>,
    /// How long the token lives, for example 72h or 7d.
    #[arg(long, default_value = "72h", value_parser = life)]
    ttl: i64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Of another maker, by EST: a TLS certificate only.
    Equipment,
    /// At an agency.
    Node,
    /// Of the backbone.
    Relay,
}

pub(super) fn run(arguments: &GrantArguments, now: Timestamp) -> Result<Output, Failure> {
    match (&arguments.command, &arguments.new) {
        (Some(GrantCommand::List { dir }), _) => list(&Workshop::open(dir, now)?, now),
        (Some(GrantCommand::Withdraw { dir, id }), _) => {
            let workshop = Workshop::open(dir, now)?;
            let inventory = &workshop.office.inventory;
            workshop
                .wait(inventory.withdraw_grant(id, workshop.actor(), now))
                .next("take the id from `tram-pki grant list`")?;
            let text = format!("Grant {id} is withdrawn (đã thu hồi mã).");
            Ok(Output::new(text, json!({ "withdrawn": id })))
        }
        (None, Some(new)) => make(&Workshop::open(&new.dir, now)?, new, now),
        (None, None) => Err(Failure::new(
            "nothing to grant",
            "tram-pki grant H01.36.04 --dir DIR --station node-7.tram.test",
        )),
    }
}

fn make(workshop: &Workshop, new: &NewGrant, now: Timestamp) -> Result<Output, Failure> {
    let station = &new.station;
    if !station.is_below(workshop.domain()) || !may_be_station(station) {
        return Err(Failure::new(
            format!("{station} cannot be a station's name"),
            format!("give a name below {} such as node-7.{0}", workshop.domain()),
        ));
    }
    let kind = match new.kind {
        Kind::Equipment => GrantKind::Equipment,
        Kind::Node => GrantKind::Node,
        Kind::Relay => GrantKind::Relay,
    };
    match (kind, new.agencies.is_empty()) {
        (GrantKind::Node, true) => {
            return Err(Failure::new(
                "a node serves at least one agency",
                "name the agencies' codes first, for example H01.36.04",
            ));
        }
        (GrantKind::Relay | GrantKind::Equipment, false) => {
            return Err(Failure::new(
                "only a node serves agencies",
                "leave the codes out",
            ));
        }
        _ => {}
    }
    let allowed = Allowed {
        station: station.clone(),
        kind,
        agencies: agencies(workshop, &new.agencies)?,
        home_relays: home_relays(workshop, kind, &new.home_relay)?,
    };
    let inventory = &workshop.office.inventory;
    let made = workshop
        .wait(inventory.grant(&allowed, new.ttl, workshop.actor(), now))
        .next("look at the database")?;
    let root = workshop
        .office
        .authority("root")
        .next("restore authority/root.crt")?;
    let at_the_station = match kind {
        GrantKind::Node => enrol_line("tram-node", &root, &made.token),
        GrantKind::Relay => enrol_line("tram-relay", &root, &made.token),
        GrantKind::Equipment => format!(
            "EST (RFC 7030): https://ADDRESS/.well-known/est/simpleenroll, any user, password {}",
            made.token
        ),
    };
    let text = format!(
        "Token (mã ghi danh, chỉ hiện một lần): {}\nFor (cho): {station} with {} until {} \
         (dùng đến {})\nAt the station (chạy tại máy của cơ quan):\n  {at_the_station}",
        made.token,
        allowed
            .agencies
            .iter()
            .map(|one| one.code.as_str())
            .collect::<Vec<_>>()
            .join(", "),
        made.expires,
        made.expires.vietnam(),
    );
    let json = json!({
        "id": made.id, "token": made.token, "station": station.to_string(),
        "expires": made.expires.rfc3339(), "fingerprint": root.sha256().to_string(),
    });
    Ok(Output::new(text, json))
}

fn enrol_line(program: &str, root: &Certificate, token: &str) -> String {
    let fingerprint = root.sha256();
    format!(
        "{program} enrol --authority https://ADDRESS --fingerprint {fingerprint} --token {token}"
    )
}

/// The agencies with their names; a code that nobody has is not granted.
fn agencies(workshop: &Workshop, codes: &[AgencyCode]) -> Result<Vec<GrantedAgency>, Failure> {
    let bundles = Bundles::load(workshop)?;
    let mut found = Vec::with_capacity(codes.len());
    let mut unknown = Vec::new();
    for code in codes {
        match bundles.get(code) {
            Some(agency) => found.push(GrantedAgency {
                code: code.clone(),
                name: agency.name.clone(),
            }),
            None => unknown.push(code.to_string()),
        }
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    Err(Failure::new(
        format!(
            "not in the directory (không có trong danh bạ): {}",
            unknown.join(", ")
        ),
        "add them first: tram-pki records add, or tram-pki directory import",
    ))
}

/// Relays that are named or, by default, the first two of the records.
fn home_relays(
    workshop: &Workshop,
    kind: GrantKind,
    named: &[StationName],
) -> Result<Vec<StationName>, Failure> {
    if kind != GrantKind::Node {
        return Ok(Vec::new());
    }
    let step = "look at the folder's owner";
    let mut relays = Vec::new();
    for entry in std::fs::read_dir(workshop.office.records()).next(step)? {
        let path = entry.next(step)?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if !name.starts_with("station-") || !name.ends_with(".rec") {
            continue;
        }
        if let Some(Record::Station(station)) = current(&path)?
            && station.kind == StationKind::Relay
        {
            relays.push(station.name);
        }
    }
    relays.sort_unstable();
    if let Some(strange) = named.iter().find(|name| !relays.contains(name)) {
        return Err(Failure::new(
            format!("{strange} is no relay of the records"),
            "name a relay that is enrolled",
        ));
    }
    if named.is_empty() {
        relays.truncate(HOME_RELAYS);
        return Ok(relays);
    }
    Ok(named.to_vec())
}

fn list(workshop: &Workshop, now: Timestamp) -> Result<Output, Failure> {
    let found = workshop
        .wait(workshop.office.inventory.grants(LISTED))
        .next("look at the database")?;
    let mut text = String::new();
    let mut all = Vec::new();
    for grant in &found {
        let state = match (grant.withdrawn, grant.spent) {
            (Some(at), _) => format!("withdrawn {at}"),
            (None, Some(at)) => format!("used {at}"),
            (None, None) if grant.expires < now => "expired".to_owned(),
            (None, None) => format!("open until {}", grant.expires),
        };
        let agencies = grant.allowed.agencies.iter().map(|one| one.code.as_str());
        let agencies: Vec<&str> = agencies.collect();
        text += &format!(
            "{}  {:<28} {:<20} {state}\n",
            grant.id,
            grant.allowed.station.as_str(),
            agencies.join(",")
        );
        all.push(json!({
            "id": grant.id, "station": grant.allowed.station.to_string(), "agencies": agencies,
            "state": state, "made_by": grant.made_by, "created": grant.created.rfc3339(),
        }));
    }
    if found.is_empty() {
        text += "no grants (chưa có)\n";
    }
    Ok(Output::new(text, json!({ "grants": all })))
}

/// `72h`, `7d`, `30m`.
fn life(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no life: write 72h, 7d or 30m");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "m" => MINUTE_MS,
        "h" => 60 * MINUTE_MS,
        "d" => 24 * 60 * MINUTE_MS,
        _ => return Err(wrong()),
    };
    let life = number.checked_mul(unit).ok_or_else(wrong)?;
    if (MINUTE_MS..=LIFE_MAX_MS).contains(&life) {
        return Ok(life);
    }
    Err("a token lives between a minute and 30 days".to_owned())
}

const MINUTE_MS: i64 = 60 * 1000;
/// A token that lies about for longer is one that was forgotten.
const LIFE_MAX_MS: i64 = 30 * 24 * 60 * MINUTE_MS;
/// A node keeps links to two relays (architecture, section 9).
const HOME_RELAYS: usize = 2;
const LISTED: u32 = 200;
