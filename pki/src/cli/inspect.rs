//! `tram-pki inspect`: any of our files in words. Reads, never judges.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use pki::inspect;
use pki::pdf::Language;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::failure::Next;
use super::{Failure, Output, lint};

#[derive(Debug, Args)]
pub(super) struct StoreArguments {
    /// File with the passphrase of a PKCS#12 store; its keys are never shown.
    #[arg(long)]
    passphrase_file: Option<PathBuf>,
}

/// Whether a file says that it is a PDF.
pub(super) fn is_pdf(file: &Path) -> bool {
    let mut head = [0; 5];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *b"%PDF-"
}

pub(super) fn run(
    file: &Path,
    store: &StoreArguments,
    language: Language,
) -> Result<Output, Failure> {
    let bytes = Zeroizing::new(lint::read(file)?);
    let passphrase = match &store.passphrase_file {
        Some(file) => {
            let text = std::fs::read_to_string(file).next("give the path of a passphrase file")?;
            Some(Zeroizing::new(
                text.trim_end_matches(['\n', '\r']).to_owned(),
            ))
        }
        None => None,
    };
    let found = inspect::inspect(&bytes, passphrase.as_ref().map(|text| text.as_str()));
    let understood = found.iter().any(|one| one.kind() != "unknown");
    let Some(first) = found.first().filter(|_| understood) else {
        return Err(Failure::new(
            format!(
                "{} is none of: certificate, list, request, key, CMS, time-stamp, OCSP, PKCS#12, \
                 record, checkpoint, PDF",
                file.display()
            ),
            "look at its structure with `openssl asn1parse -inform DER -in FILE`",
        ));
    };
    let mut text = String::new();
    for one in &found {
        text += &one.words(language);
    }
    let objects: Vec<Value> = found.iter().map(inspect::Found::json).collect();
    let json = json!({ "kind": first.kind(), "objects": objects });
    Ok(Output::new(text, json))
}
