//! `tram-pki ceremony`: the offline root and its issuing authorities, from one reviewable file.
//!
//! Owns: the arguments and what each command says. What a plan may say, what a transcript is and
//! how it is judged years later stands in `pki::ceremony`; the steps are in [`run`].

mod book;
mod keys;
mod passphrase;
mod run;
mod script;
mod shares;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use formats::id::Digest;
use pki::ceremony::plan::{CeremonyPlan, Duty};
use pki::ceremony::verify;
use serde_json::json;

use super::failure::Next;
use super::{Clock, Failure, Output};

#[derive(Debug, Subcommand)]
pub(super) enum CeremonyCommand {
    /// Print a plan to fill in (in mẫu kế hoạch).
    Example,
    /// Check a plan and print the digest to review (kiểm tra kế hoạch).
    Plan {
        /// The plan, ceremony.toml.
        file: PathBuf,
    },
    /// Print the script for the people in the room (in kịch bản).
    Script {
        /// The plan.
        file: PathBuf,
        /// Text for a terminal, or a page for a printer.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Carry the plan out, or go on where it stopped (thực hiện hoặc tiếp tục).
    Run {
        /// The reviewed plan.
        #[arg(long)]
        plan: PathBuf,
        /// Folder to make, or the folder of an interrupted or earlier part.
        #[arg(long)]
        out: PathBuf,
        /// SHA-256 of the plan as reviewed; another plan is refused.
        #[arg(long)]
        digest: Option<String>,
        /// Folder with NAME.pass files (root.pass, ca.pass, ca-H01.pass); what is not there is
        /// asked for at the terminal.
        #[arg(long)]
        passphrases: Option<PathBuf>,
        /// A request that was made elsewhere: NAME=FILE, for example ca-H01=h01.csr.
        #[arg(long, value_name = "NAME=FILE")]
        csr: Vec<String>,
    },
    /// Judge a ceremony from what it left behind (kiểm tra lại về sau).
    Verify {
        /// The folder of the ceremony.
        #[arg(long)]
        dir: PathBuf,
        /// SHA-256 of the root as printed in the transcript on paper.
        #[arg(long)]
        fingerprint: Option<String>,
    },
    /// The custodians' shares of the root key's passphrase (các mảnh mật khẩu).
    Shares {
        #[command(subcommand)]
        command: shares::SharesCommand,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// A page for a printer.
    Html,
    /// Plain text.
    Text,
}

pub(super) fn run(command: &CeremonyCommand, clock: Clock) -> Result<Output, Failure> {
    match command {
        CeremonyCommand::Example => Ok(Output::new(
            EXAMPLE.to_owned(),
            json!({ "ceremony.toml": EXAMPLE }),
        )),
        CeremonyCommand::Plan { file } => Ok(plan(&load(file)?)),
        CeremonyCommand::Script { file, format } => Ok(script::print(&load(file)?, *format)),
        CeremonyCommand::Run {
            plan,
            out,
            digest,
            passphrases,
            csr,
        } => {
            let plan = load(plan)?;
            reviewed(&plan, digest.as_deref())?;
            run::run(plan, out, passphrases.as_deref(), &requests(csr)?, clock)
        }
        CeremonyCommand::Verify { dir, fingerprint } => judge(dir, fingerprint.as_deref()),
        CeremonyCommand::Shares { command } => shares::run(command),
    }
}

fn load(file: &Path) -> Result<CeremonyPlan, Failure> {
    CeremonyPlan::load(file).next("correct the plan; `tram-pki ceremony example` shows a whole one")
}

fn reviewed(plan: &CeremonyPlan, digest: Option<&str>) -> Result<(), Failure> {
    let now = plan.digest.to_string();
    if digest.is_some_and(|reviewed| !reviewed.eq_ignore_ascii_case(&now)) {
        return Err(Failure::new(
            format!("the plan's SHA-256 is {now}, not the reviewed one"),
            "review the plan again with `tram-pki ceremony plan` and give its digest",
        ));
    }
    Ok(())
}

fn requests(given: &[String]) -> Result<Vec<(String, PathBuf)>, Failure> {
    given
        .iter()
        .map(|one| match one.split_once('=') {
            Some((name, file)) => Ok((name.to_owned(), PathBuf::from(file))),
            None => Err(Failure::new(
                format!("--csr {one} names no authority"),
                "write --csr NAME=FILE, for example --csr ca-H01=h01.csr",
            )),
        })
        .collect()
}

fn plan(plan: &CeremonyPlan) -> Output {
    let mut text = format!(
        "The plan is good (kế hoạch hợp lệ).\nAuthority (cơ quan): {}\n\
         Trust domain (miền tin cậy): {}\n",
        plan.authority, plan.trust_domain
    );
    let mut authorities = Vec::new();
    for one in std::iter::once(&plan.root).chain(&plan.issuing) {
        text += &format!(
            "{}: {} — {}, {} years (năm), key (khóa): {}{}{}\n",
            one.file,
            one.organization,
            one.algorithm_word,
            one.valid_years,
            one.place.word(),
            if one.subtrees.is_empty() {
                ""
            } else {
                ", names below (tên thuộc) "
            },
            one.subtrees.join(", ")
        );
        authorities.push(json!({ "name": one.file, "organization": one.organization,
            "algorithm": one.algorithm_word, "valid_years": one.valid_years,
            "key": one.place.word(), "subtrees": one.subtrees }));
    }
    for duty in [Duty::Leader, Duty::Operator, Duty::Witness, Duty::Custodian] {
        let (en, vi) = duty.words();
        text += &format!("{en} ({vi}): {}\n", plan.with_duty(duty).count());
    }
    if let Some(shares) = plan.shares {
        text += &format!(
            "Passphrase of the root key (mật khẩu khóa gốc): {} of {} shares (mảnh)\n",
            shares.needed, shares.of
        );
    }
    text += &format!(
        "SHA-256 to review: {}\nNext: tram-pki ceremony script FILE; then tram-pki ceremony run \
         --plan FILE --out DIR --digest {}",
        plan.digest, plan.digest
    );
    let json = json!({
        "digest": plan.digest.to_string(), "trust_domain": plan.trust_domain.to_string(),
        "authorities": authorities, "participants": plan.participants.len(),
        "shares": plan.shares.map(|shares| json!({ "needed": shares.needed, "of": shares.of })),
    });
    Output::new(text, json)
}

fn judge(dir: &Path, fingerprint: Option<&str>) -> Result<Output, Failure> {
    let plain = |text: &str| text.replace(':', "").to_ascii_lowercase();
    let wanted: Option<Digest> = fingerprint
        .map(|text| plain(text).parse())
        .transpose()
        .next("give the 64 digits of the root's SHA-256 as printed")?;
    let read = |name: &str| {
        let file = std::fs::File::open(dir.join(name)).ok()?;
        let mut bytes = Vec::new();
        let mut some = std::io::Read::take(file, FILE_BYTES_MAX);
        std::io::Read::read_to_end(&mut some, &mut bytes).ok()?;
        Some(bytes)
    };
    let report = verify::verify(&read, wanted);
    let mut text = String::new();
    for check in &report.checks {
        let mark = if check.holds { "ok  " } else { "FAIL" };
        text += &format!("{mark} {}\n     {}\n", check.en, check.vi);
    }
    for name in &report.pending {
        text += &format!("wait {name}: its request has not come yet (chưa nhận yêu cầu)\n");
    }
    let root = report.root.map(|root| root.to_string());
    let json = json!({ "holds": report.holds(), "root_sha256": root, "pending": report.pending,
        "checks": report.checks });
    if !report.holds() {
        let bad = report.checks.iter().filter(|check| !check.holds);
        let bad: Vec<&str> = bad.map(|check| check.en.as_str()).collect();
        let cause = if bad.is_empty() {
            "nothing to judge".to_owned()
        } else {
            bad.join("; ")
        };
        let step = "do not rely on these authorities before somebody has found out why";
        return Err(Failure::new(cause, step).with_details(json));
    }
    if wanted.is_none() {
        text += &format!(
            "Compare with the fingerprint on paper (so với bản giấy): {}\n",
            root.unwrap_or_default()
        );
    }
    text += "Everything holds (mọi kiểm tra đều đạt).";
    Ok(Output::new(text, json))
}

/// The largest file of a ceremony is its transcript.
const FILE_BYTES_MAX: u64 = 16 << 20;
const EXAMPLE: &str = include_str!("example.toml");

#[cfg(test)]
mod tests;
