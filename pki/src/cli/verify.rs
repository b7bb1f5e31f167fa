//! `tram-pki verify`: whether to believe a file, step by step; exit code 1 when it is not believed.

use std::path::{Path, PathBuf};

use clap::Args;
use formats::id::TrustDomain;
use formats::time::{TimeError, Timestamp};
use pki::cert::Certificate;
use pki::inspect::forms;
use pki::inspect::verify::{self, Ground, Question};
use pki::pdf::Language;
use pki::revoke::Crl;
use pki::role::Role;

use super::failure::Next;
use super::{Failure, Lang, Output, lint};

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// A certificate or chain, a revocation list, a CMS signature, a record, a time-stamp, an OCSP answer or a request.
    file: PathBuf,
    /// Folder with certificates and revocation lists (PEM or DER): roots are believed, others may stand between.
    #[arg(long)]
    anchors: PathBuf,
    /// Time to judge at, RFC 3339, for example 2026-11-22T03:00:00Z; without it the time that the file proves, else now.
    #[arg(long)]
    at: Option<String>,
    /// Role that is needed, for example agency-signature; without it the one that the certificate has.
    #[arg(long)]
    role: Option<Role>,
    /// What a detached signature or a time-stamp is over.
    #[arg(long)]
    content: Option<PathBuf>,
    /// Trust domain; without it the widest name that the authorities among the anchors may certify.
    #[arg(long)]
    domain: Option<TrustDomain>,
    /// Language of the steps.
    #[arg(long, value_enum, default_value = "vi")]
    lang: Lang,
}

pub(super) fn run(arguments: &VerifyArguments, now: Timestamp) -> Result<Output, Failure> {
    let bytes = lint::read(&arguments.file)?;
    let ground = ground(&arguments.anchors, arguments.domain.clone())?;
    let at = arguments.at.as_deref().map(moment).transpose();
    let at = at.next("give the time as 2026-11-22T03:00:00Z")?;
    let content = arguments.content.as_deref().map(lint::read).transpose()?;
    let question = Question {
        at,
        now,
        role: arguments.role,
        content: content.as_deref(),
    };
    let judged = verify::verify(&bytes, &ground, &question);
    let language = Language::from(arguments.lang);
    let output = Output::new(judged.words(language), judged.json());
    Ok(output.bad_if(!judged.is_believed()))
}

/// RFC 3339 in UTC, with or without a fraction.
fn moment(text: &str) -> Result<Timestamp, TimeError> {
    match text.strip_suffix('Z') {
        Some(whole) if !whole.contains('.') => Timestamp::parse_rfc3339(&format!("{whole}.000Z")),
        _ => Timestamp::parse_rfc3339(text),
    }
}

/// Everything in the folder that is a certificate or a list; other files are left alone.
fn ground(folder: &Path, domain: Option<TrustDomain>) -> Result<Ground, Failure> {
    let step = "give a folder with certificates of authorities and their revocation lists";
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).next(step)? {
        let path = entry.next(step)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let (mut certs, mut crls) = (Vec::new(), Vec::new());
    for file in files.iter().filter(|file| is_material(file)) {
        for form in forms(&lint::read(file)?) {
            if let Ok(cert) = Certificate::parse(form.der()) {
                certs.push(cert);
            } else if let Ok(crl) = Crl::parse(form.der()) {
                crls.push(crl);
            }
        }
    }
    Ok(Ground::new(certs, crls, domain))
}

fn is_material(file: &Path) -> bool {
    let ending = file.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

const ENDINGS: [&str; 5] = ["cer", "crl", "crt", "der", "pem"];
