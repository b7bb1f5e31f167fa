//! Signed records at the command line: what the directory says, signed by who may say it.
//!
//! Owns: which records belong to a plan, their files (`agencies-1.rec`, `attachment-<code>.rec`,
//! `station-<name>.rec`, `trust-list.rec`) and their sequences. A record is signed only where its
//! signer's key lies; in the demonstration all keys lie below one folder.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use formats::checkpoint::LogOrigin;
use formats::id::{AgencyCode, StationName};
use formats::limits;
use formats::record::{
    Agency, Alias, Attachment, Der, NoteKey, Record, Station, StationLimits, TrustList, Windows,
};
use formats::time::Timestamp;
use formats::witness::WitnessPolicy;
use pki::cert::Certificate;
use pki::key::{LogKey, SigningKey};
use pki::plan;
use pki::record;
use serde_json::{Value, json};

use super::directory::bundles::Bundles;
use super::failure::Next;
use super::trust_list;
use super::workshop::{Workshop, write_public};
use super::{Failure, Output};

#[derive(Debug, Subcommand)]
pub(super) enum RecordsCommand {
    /// Say what a record says and who signed it; its signature is not judged.
    Show {
        /// A `.rec` file.
        file: PathBuf,
    },
    /// Sign every record again whose signer's key is here, with the next sequence.
    Refresh {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Add an agency to the directory, or correct one.
    Add {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// Canonical code.
        #[arg(long)]
        code: AgencyCode,
        /// Name in Vietnamese.
        #[arg(long)]
        name: String,
        /// Another code or name that people write for it.
        #[arg(long)]
        alias: Vec<String>,
        /// The agency above it.
        #[arg(long)]
        parent: Option<AgencyCode>,
    },
    /// The trust list, signed by several people in several places.
    TrustList {
        #[command(subcommand)]
        command: trust_list::TrustListCommand,
    },
    /// Name the home station of an agency, signed by the agency itself.
    Attach {
        /// The records folder to write into.
        #[arg(long)]
        records: PathBuf,
        /// The agency's folder with signature.crt and signature.key.
        #[arg(long)]
        agency: PathBuf,
        /// Code of the agency.
        #[arg(long)]
        code: AgencyCode,
        /// The home station.
        #[arg(long)]
        station: StationName,
    },
}

pub(super) fn run(command: &RecordsCommand, now: Timestamp) -> Result<Output, Failure> {
    match command {
        RecordsCommand::Show { file } => show(file),
        RecordsCommand::TrustList { command } => trust_list::run(command, now),
        RecordsCommand::Refresh { dir } => {
            let workshop = Workshop::open(dir, now)?;
            let count = sign_all(&workshop, now)?;
            Ok(Output::new(
                format!("{count} records signed again (đã ký lại) into records/."),
                json!({ "signed": count }),
            ))
        }
        RecordsCommand::Add {
            dir,
            code,
            name,
            alias,
            parent,
        } => {
            let agency = Agency {
                code: code.clone(),
                name: name.clone(),
                aliases: alias.iter().map(Alias::always).collect(),
                parent: parent.clone(),
                valid_from: now.floor_s(),
                valid_to: None,
                successor: None,
            };
            add(&Workshop::open(dir, now)?, agency, now)
        }
        RecordsCommand::Attach {
            records,
            agency,
            code,
            station,
        } => {
            attach(records, agency, code, station, now)?;
            let text =
                format!("{code} is at {station} (trạm phục vụ) as soon as others read this.");
            let json = json!({ "agency": code.to_string(), "station": station.to_string() });
            Ok(Output::new(text, json))
        }
    }
}

/// Signs every record of the plan and of the records folder whose signer's key is here.
pub(super) fn sign_all(workshop: &Workshop, now: Timestamp) -> Result<usize, Failure> {
    let mut count = trust_list(workshop, now)?;
    let mut bundles = bundles(workshop, now)?;
    bundles.touch_all();
    let signed = bundles.sign(workshop, now, |_, _| {})?;
    count = count.saturating_add(signed.len());
    let records = workshop.dir.join("records");
    for station in workshop.plan.stations.values() {
        let home = workshop.dir.join("stations").join(station.name.as_str());
        if home.join("evidence.key").exists() {
            station_record(&records, &home, station, now)?;
            count = count.saturating_add(1);
        }
    }
    for agency in workshop.plan.agencies.values() {
        let home = workshop.dir.join("agencies").join(agency.code.as_str());
        let file = records.join(format!("attachment-{}.rec", agency.code));
        // A later attachment by `records attach` wins over the plan.
        let station = match current(&file)? {
            Some(Record::Attachment(known)) => Some(known.station),
            _ => agency.station.clone(),
        };
        if let Some(station) = station
            && home.join("signature.key").exists()
        {
            attach(&records, &home, &agency.code, &station, now)?;
            count = count.saturating_add(1);
        }
    }
    Ok(count)
}

/// A signer's certificate and key from one folder.
pub(super) fn signer(home: &Path, name: &str) -> Result<(Certificate, SigningKey), Failure> {
    let step = "sign where the key lies";
    let cert = Certificate::load(&home.join(format!("{name}.crt"))).next(step)?;
    let key = SigningKey::load(&home.join(format!("{name}.key")), None).next(step)?;
    Ok((cert, key))
}

/// What a record file says now, or nothing when there is none.
pub(super) fn current(file: &Path) -> Result<Option<Record>, Failure> {
    if !file.exists() {
        return Ok(None);
    }
    let step = format!("remove {} if it is damaged", file.display());
    let bytes = std::fs::read(file).next(&step)?;
    record::open(&bytes)
        .map(|opened| Some(opened.record))
        .next(&step)
}

fn next_sequence(file: &Path) -> Result<u64, Failure> {
    Ok(current(file)?.map_or(1, |record| record.sequence().saturating_add(1)))
}

fn sign_into(
    file: &Path,
    record: &Record,
    (cert, key): &(Certificate, SigningKey),
    now: Timestamp,
) -> Result<(), Failure> {
    let step = "correct what the record says";
    let signed = record::sign(record, key, cert, now).next(step)?;
    write_public(file, &signed)
}

fn trust_list(workshop: &Workshop, now: Timestamp) -> Result<usize, Failure> {
    let home = workshop.dir.join("authority");
    if !home.join("trust-list.key").exists() {
        return Ok(0);
    }
    let signer = signer(&home, "trust-list")?;
    let file = workshop.dir.join("records/trust-list.rec");
    if trust_list::of_several(&file) {
        // Its next one is made by several people, with `records trust-list`.
        return Ok(0);
    }
    let anchor = |name: &str| {
        let step = "restore the file from a backup";
        let cert = Certificate::load(&home.join(name)).next(step)?;
        Der::new(cert.der().to_vec()).next(step)
    };
    let seconds = |ms: i64| u64::try_from(ms / 1000).unwrap_or(0);
    let list = TrustList {
        trust_domain: workshop.domain().clone(),
        sequence: next_sequence(&file)?,
        issued: now.floor_s(),
        not_after: signer.0.not_after(),
        roots: vec![anchor("root.crt")?],
        tsas: vec![anchor("tsa.crt")?],
        windows: Windows {
            revocation_s: seconds(pki::issue::CRL_VALID_MS),
            created_behind_s: seconds(limits::CREATED_BEHIND_MS_MAX),
            created_ahead_s: seconds(limits::CREATED_AHEAD_MS_MAX),
        },
        signers: None,
        witnesses: listed(&file)?,
    };
    sign_into(&file, &Record::TrustList(list), &signer, now)?;
    Ok(1)
}

/// The witnesses of the list in force.
fn listed(file: &Path) -> Result<Option<WitnessPolicy>, Failure> {
    Ok(match current(file)? {
        Some(Record::TrustList(list)) => list.witnesses,
        _ => None,
    })
}

/// The bundles of the directory, with the plan's agencies that are in none.
fn bundles(workshop: &Workshop, now: Timestamp) -> Result<Bundles, Failure> {
    let mut all = Bundles::load(workshop)?;
    for agency in workshop.plan.agencies.values() {
        if all.get(&agency.code).is_none() {
            all.put(entry(agency, now));
        }
    }
    Ok(all)
}

fn entry(agency: &plan::Agency, now: Timestamp) -> Agency {
    Agency {
        code: agency.code.clone(),
        name: agency.name.clone(),
        aliases: agency.aliases.iter().map(Alias::always).collect(),
        parent: agency.parent.clone(),
        valid_from: now.floor_s(),
        valid_to: None,
        successor: None,
    }
}

/// Adds an agency, or corrects name, aliases and parent of one.
fn add(workshop: &Workshop, agency: Agency, now: Timestamp) -> Result<Output, Failure> {
    let code = agency.code.clone();
    let mut all = bundles(workshop, now)?;
    let corrected = match all.get(&code) {
        Some(old) => Agency {
            name: agency.name,
            aliases: agency.aliases,
            parent: agency.parent,
            ..old.clone()
        },
        None => agency,
    };
    let number = all.put(corrected);
    all.sign(workshop, now, |_, _| {})?;
    let text = format!("{code} stands in bundle {number} of the directory (đã ghi vào danh bạ).");
    Ok(Output::new(
        text,
        json!({ "agency": code.to_string(), "bundle": number }),
    ))
}

fn attach(
    records: &Path,
    home: &Path,
    code: &AgencyCode,
    station: &StationName,
    now: Timestamp,
) -> Result<(), Failure> {
    let signer = signer(home, "signature")?;
    let file = records.join(format!("attachment-{code}.rec"));
    let record = Record::Attachment(Attachment {
        agency: code.clone(),
        sequence: next_sequence(&file)?,
        issued: now.floor_s(),
        not_after: signer.0.not_after(),
        station: station.clone(),
        from: now.floor_s(),
    });
    sign_into(&file, &record, &signer, now)
}

fn station_record(
    records: &Path,
    home: &Path,
    station: &plan::Station,
    now: Timestamp,
) -> Result<(), Failure> {
    let step = "restore the station's folder";
    let signer = signer(home, "evidence")?;
    let tls = Certificate::load(&home.join("tls.crt")).next(step)?;
    let log = LogKey::load(&home.join("log.key"), None).next(step)?;
    let file = records.join(format!("station-{}.rec", station.name));
    let address = station
        .address
        .as_deref()
        .map(str::parse)
        .transpose()
        .next(step)?;
    let note_key = NoteKey::from_bytes(log.public());
    // The log goes on in the epoch that the station opened, and its old keys stay known.
    let (sequence, log_origin, old_note_keys) = match current(&file)? {
        Some(Record::Station(held)) => (
            held.sequence.saturating_add(1),
            held.log_origin.clone(),
            held.old_note_keys_after(&note_key),
        ),
        _ => (
            next_sequence(&file)?,
            LogOrigin::new(station.name.clone(), 1),
            Vec::new(),
        ),
    };
    let record = Record::Station(Station {
        name: station.name.clone(),
        sequence,
        issued: now.floor_s(),
        not_after: signer.0.not_after(),
        kind: station.kind,
        tls_sha256: vec![tls.sha256()],
        evidence_sha256: vec![signer.0.sha256()],
        log_origin,
        note_key,
        old_note_keys,
        addresses: address.into_iter().collect(),
        home_relays: station.home_relays.clone(),
        site: station.site.clone(),
        neighbours: station.neighbours.clone(),
        limits: StationLimits {
            body_bytes: limits::PACKET_BYTES_MAX,
            transfers: TRANSFERS,
        },
    });
    sign_into(&file, &record, &signer, now)
}

fn show(file: &Path) -> Result<Output, Failure> {
    let bytes = std::fs::read(file).next("give the path of a record")?;
    let (text, json) = describe(&bytes).ok_or_else(|| {
        Failure::new(
            format!("{} is no signed record", file.display()),
            "give a .rec file",
        )
    })?;
    Ok(Output::new(text, json))
}

/// A signed record in words, or nothing when it is none.
pub(super) fn describe(bytes: &[u8]) -> Option<(String, Value)> {
    let opened = record::open(bytes).ok()?;
    let record = &opened.record;
    let role = record::role_of(record);
    let said: Value = serde_json::from_slice(&record.to_json()).ok()?;
    let (en, vi) = match record {
        Record::Agencies(_) => ("agency directory", "danh bạ cơ quan"),
        Record::Attachment(_) => ("home station of an agency", "trạm phục vụ của cơ quan"),
        Record::Delegation(_) => ("delegation of receiving", "ủy quyền nhận văn bản"),
        Record::Station(_) => ("station", "trạm"),
        Record::TrustList(_) => ("trust list", "danh sách tin cậy"),
    };
    let pretty = serde_json::to_string_pretty(&said).ok()?;
    let text = format!(
        "Signed record (bản ghi đã ký): {en} ({vi})\nSequence {}, issued {}, used until {}\n\
         Signed by {} as {role} — signature not judged here\n{pretty}\n",
        record.sequence(),
        record.issued().vietnam(),
        record.not_after().vietnam(),
        opened.signer.subject()
    );
    let json = json!({
        "kind": "record", "record": said, "signer": opened.signer.subject(),
        "signer_sha256": opened.signer.sha256().to_string(),
    });
    Some((text, json))
}

/// Transfers in flight on one link: more only add queueing (measured at about 16).
const TRANSFERS: u32 = 16;
