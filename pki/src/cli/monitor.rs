//! `tram-pki monitor`: an agency's own look at the log of certificates.
//!
//! Owns: the arguments, the state file between two runs, and what is said. Exit code 1 for an
//! alarm, so that a timer can mail it. Needs nothing of the authority but its root's fingerprint.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use formats::id::{AgencyCode, Digest};
use formats::time::Timestamp;
use pki::authority::monitor::{self, MonitorError, State, Watch};
use pki::cert::Certificate;
use serde_json::json;

use super::failure::Next;
use super::workshop::{runtime, write_public};
use super::{Failure, Output};

#[derive(Debug, Args)]
pub(super) struct MonitorArguments {
    /// Where the authority answers everybody, for example http://pki.tram.test:3180.
    #[arg(long)]
    authority: String,
    /// SHA-256 of the authority's root, as on paper; colons and case do not matter.
    #[arg(long)]
    fingerprint: String,
    /// Agencies to watch, each with all below it.
    #[arg(long, required = true)]
    agency: Vec<AgencyCode>,
    /// Folder with the agencies' own certificates (`*.crt`, also in folders below); twice for two.
    #[arg(long, required = true)]
    known: Vec<PathBuf>,
    /// File that remembers what was read.
    #[arg(long)]
    state: PathBuf,
    /// Fingerprint of a raised certificate that a person has looked into.
    #[arg(long)]
    accept: Vec<String>,
}

pub(super) fn run(order: &MonitorArguments, now: Timestamp) -> Result<Output, Failure> {
    let mut state = load(&order.state)?;
    for one in &order.accept {
        let plain = one.replace(':', "").to_ascii_lowercase();
        state.accepted.insert(plain);
    }
    let mut known = BTreeSet::new();
    for folder in &order.known {
        keys(folder, 0, &mut known)?;
    }
    let plain = order.fingerprint.replace(':', "").to_ascii_lowercase();
    let watch = Watch {
        url: order.authority.clone(),
        root: plain.parse::<Digest>().next("give 64 hexadecimal digits")?,
        agencies: order.agency.clone(),
        known,
    };
    let read = runtime()?.block_on(monitor::read(&watch, &mut state, now));
    let count = match read {
        Ok(count) => count,
        Err(error) => return Err(failed(&order.state, error)),
    };
    let text = serde_json::to_vec_pretty(&state).next("report this")?;
    write_public(&order.state, &text)?;
    let json = json!({
        "read": count, "raised": state.raised, "origin": state.origin,
    });
    if state.raised.is_empty() {
        let text = format!(
            "{count} certificates read; none in these names with a foreign key (không có chứng thư \
             lạ)."
        );
        return Ok(Output::new(text, json));
    }
    let mut text = format!(
        "{} certificates with keys that are not yours (chứng thư lạ mang tên cơ quan):\n",
        state.raised.len()
    );
    for one in &state.raised {
        text += &format!(
            "  {}  {}  {}  from {}  serial {}\n",
            one.sha256, one.name, one.role, one.not_before, one.serial
        );
    }
    let step = "call the authority and have them revoked; one that is yours: --accept FINGERPRINT";
    Err(Failure::new(text, step).with_details(json))
}

fn failed(state: &Path, error: MonitorError) -> Failure {
    let alarm = error.is_alarm();
    let step = if alarm {
        format!(
            "keep {} as proof and ask other watchers what they saw: the authority must explain this",
            state.display()
        )
    } else {
        "try again; if it stays, ask the authority's operator".to_owned()
    };
    let failure: Result<(), Failure> = Err(error).next(&step);
    failure
        .err()
        .unwrap_or_else(|| Failure::new("unknown", "try again"))
        .with_details(json!({ "alarm": alarm }))
}

fn load(path: &Path) -> Result<State, Failure> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let step = "restore the file, or name a new one and compare what it then raises";
            serde_json::from_slice(&bytes).next(step)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(error).next("give a file that can be read"),
    }
}

/// Public keys of all certificates in a folder.
fn keys(folder: &Path, depth: u8, all: &mut BTreeSet<Digest>) -> Result<(), Failure> {
    let step = "give a folder with certificates";
    for entry in std::fs::read_dir(folder).next(step)? {
        let path = entry.next(step)?.path();
        if path.is_dir() && depth < DEPTH_MAX {
            keys(&path, depth.saturating_add(1), all)?;
        } else if path.extension().is_some_and(|end| end == "crt") {
            for cert in Certificate::load_all(&path).into_iter().flatten() {
                all.insert(Digest::of(cert.spki_der()));
            }
        }
    }
    Ok(())
}

/// A node's folder of agencies has one level below it.
const DEPTH_MAX: u8 = 3;
