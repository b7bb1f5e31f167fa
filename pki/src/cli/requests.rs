//! `tram-pki request`: what waits for the approval of several persons.
//!
//! Owns: the arguments, and what a request says to whoever decides.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use formats::time::Timestamp;
use pki::authority::approvals::Waiting;
use pki::cert::Certificate;
use pki::key::SigningKey;
use serde_json::{Value, json};

use super::failure::Next;
use super::workshop::Workshop;
use super::{Failure, Output};

#[derive(Debug, Subcommand)]
pub(super) enum RequestCommand {
    /// What waits, and what was decided (liệt kê yêu cầu).
    List {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Everything about one (xem yêu cầu).
    Show {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// As `request list` shows it.
        id: String,
    },
    /// Agree, with one's own key (đồng ý).
    Approve {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// As `request list` shows it.
        id: String,
        /// Who agrees: the name in the list of approvers.
        #[arg(long = "as")]
        name: String,
        /// The approver's private key: a file, or the address of a key in a token.
        #[arg(long)]
        key: PathBuf,
        /// File whose first line opens the key.
        #[arg(long)]
        passphrase_file: Option<PathBuf>,
    },
    /// Refuse, with one's own key (từ chối).
    Reject {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// As `request list` shows it.
        id: String,
        /// Who refuses: the name in the list of approvers.
        #[arg(long = "as")]
        name: String,
        /// The approver's private key: a file, or the address of a key in a token.
        #[arg(long)]
        key: PathBuf,
        /// File whose first line opens the key.
        #[arg(long)]
        passphrase_file: Option<PathBuf>,
    },
    /// Put a person on the list of approvers, or give one a new key (thêm người phê duyệt).
    Approver {
        /// Folder made by `init`.
        #[arg(long)]
        dir: PathBuf,
        /// The person's name.
        name: String,
        /// The person's certificate, or private key of which the public half is taken.
        #[arg(long)]
        key: PathBuf,
    },
}

pub(super) fn run(command: &RequestCommand, now: Timestamp) -> Result<Output, Failure> {
    match command {
        RequestCommand::List { dir } => list(&Workshop::open(dir, now)?),
        RequestCommand::Show { dir, id } => {
            let workshop = Workshop::open(dir, now)?;
            let found = workshop
                .wait(workshop.office.inventory.request(id))
                .next(LOOK)?;
            let found = found.ok_or_else(|| Failure::new("no such request", FIND))?;
            Ok(Output::new(text_of(&found), json_of(&found)))
        }
        RequestCommand::Approve {
            dir,
            id,
            name,
            key,
            passphrase_file,
        } => decide(dir, id, (name, key, passphrase_file.as_deref()), true, now),
        RequestCommand::Reject {
            dir,
            id,
            name,
            key,
            passphrase_file,
        } => decide(dir, id, (name, key, passphrase_file.as_deref()), false, now),
        RequestCommand::Approver { dir, name, key } => approver(dir, name, key, now),
    }
}

fn list(workshop: &Workshop) -> Result<Output, Failure> {
    let found = workshop
        .wait(workshop.office.inventory.requests(LISTED))
        .next(LOOK)?;
    let mut text: String = found.iter().map(text_of).collect();
    if found.is_empty() {
        text = "nothing waits (không có yêu cầu nào)\n".to_owned();
    }
    let all: Vec<Value> = found.iter().map(json_of).collect();
    Ok(Output::new(text, json!({ "requests": all })))
}

fn decide(
    dir: &Path,
    id: &str,
    (name, key, passphrase): (&str, &Path, Option<&Path>),
    agreed: bool,
    now: Timestamp,
) -> Result<Output, Failure> {
    let workshop = Workshop::open(dir, now)?;
    let step = "give the key that the list of approvers names";
    let passphrase = passphrase
        .map(std::fs::read_to_string)
        .transpose()
        .next(step)?;
    let passphrase = passphrase.as_deref().and_then(|text| text.lines().next());
    let key = SigningKey::load(key, passphrase).next(step)?;
    let office = &workshop.office;
    let decided = office.decide(id, (name, &key), agreed, workshop.actor(), now);
    let decided = workshop.wait(decided).next(FIND)?;
    let text = format!(
        "{}\nWhoever asked gets the certificate by asking again; nodes do so by themselves.",
        text_of(&decided).trim_end()
    );
    Ok(Output::new(text, json_of(&decided)))
}

fn approver(dir: &Path, name: &str, key: &Path, now: Timestamp) -> Result<Output, Failure> {
    let workshop = Workshop::open(dir, now)?;
    let spki = match Certificate::load(key) {
        Ok(cert) => cert.spki_der().to_vec(),
        Err(_) => {
            let step = "give a certificate, or a private key that is not encrypted";
            SigningKey::load(key, None).next(step)?.spki_der().to_vec()
        }
    };
    let added = workshop
        .office
        .add_approver(name, &spki, workshop.actor(), now);
    workshop.wait(added).next("correct what is named")?;
    let text = format!(
        "{name} may approve (được phê duyệt). Profiles that need several approvals are set in \
         authority/profiles.toml: approvals = 2."
    );
    Ok(Output::new(text, json!({ "approver": name })))
}

fn text_of(one: &Waiting) -> String {
    let voices: Vec<String> = one
        .voices
        .iter()
        .map(|(name, agreed)| format!("{name}: {}", if *agreed { "agreed" } else { "refused" }))
        .collect();
    format!(
        "{}  {}  {} of {} [{}]  asked {} by {}\n    {}\n",
        one.id,
        one.state,
        one.voices.iter().filter(|(_, agreed)| *agreed).count(),
        one.needed,
        voices.join(", "),
        one.made.vietnam(),
        one.made_by,
        one.body
    )
}

fn json_of(one: &Waiting) -> Value {
    json!({
        "id": one.id, "state": one.state, "needed": one.needed, "made": one.made.rfc3339(),
        "made_by": one.made_by, "asked": one.body,
        "voices": one.voices.iter().map(|(name, agreed)| json!({
            "approver": name, "agreed": agreed,
        })).collect::<Vec<_>>(),
    })
}

const FIND: &str = "take the id from `tram-pki request list`";
const LISTED: u32 = 200;
const LOOK: &str = "look at the database";
