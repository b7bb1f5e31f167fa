//! `tram-pki records trust-list`: a list that several people sign one after another, each where
//! their key lies.
//!
//! Owns: the draft (plain text that everybody can read), the signed file that travels from signer to
//! signer, the pin file of stations, and publishing once enough have signed. The rules are
//! `pki::record`'s.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use formats::record::{Der, ListSigners, Record, TrustList};
use formats::time::Timestamp;
use formats::witness::{VerifierKey, WitnessPolicy};
use pki::cert::Certificate;
use pki::key::SigningKey;
use pki::record::{self, Beside, TrustPin};
use pki::revoke::Crl;
use pki::role::Role;
use serde_json::json;
use zeroize::Zeroizing;

use super::failure::Next;
use super::workshop::write_public;
use super::{Failure, Output};

#[derive(Debug, Subcommand)]
pub(super) enum TrustListCommand {
    /// Write the next list as text for everybody to read (soạn danh sách).
    Draft {
        /// The list in force.
        #[arg(long)]
        from: PathBuf,
        /// Where to write the text.
        #[arg(long)]
        out: PathBuf,
        /// Days that it is used for.
        #[arg(long, default_value_t = 365)]
        days: u32,
        /// Roots instead of those of the list in force.
        #[arg(long)]
        root: Vec<PathBuf>,
        /// Time-stamping authorities instead of those of the list in force.
        #[arg(long)]
        tsa: Vec<PathBuf>,
        /// Certificates that sign the lists after this one, when that changes.
        #[arg(long, requires = "needed")]
        signer: Vec<PathBuf>,
        /// How many of them must sign.
        #[arg(long, requires = "signer")]
        needed: Option<u8>,
        /// Keys of witnesses (`tram-relay witness init` prints one) instead of those of the list in force.
        #[arg(long, value_name = "VKEY", requires = "witnesses_needed")]
        witness: Vec<VerifierKey>,
        /// How many of them must have cosigned a checkpoint that is called witnessed; 0 with no `--witness`: none any
        /// more.
        #[arg(long, value_name = "K")]
        witnesses_needed: Option<u8>,
    },
    /// Sign a draft, or add a signature to those of others (ký, hoặc ký thêm).
    AddSignature {
        /// The draft, or what the signer before gave.
        file: PathBuf,
        /// Certificate of role trust-list.
        #[arg(long)]
        cert: PathBuf,
        /// Its key: a file, or the address of a key in a token.
        #[arg(long)]
        key: PathBuf,
        /// File with the passphrase or PIN of the key.
        #[arg(long)]
        passphrase: Option<PathBuf>,
        /// Where to write the signed list.
        #[arg(long)]
        out: PathBuf,
    },
    /// Say whether enough pinned signers have signed (đủ chữ ký chưa).
    Check {
        /// The signed list.
        file: PathBuf,
        /// What stations have pinned: file or folder.
        #[arg(long)]
        pin: PathBuf,
        /// Folder with the authorities and revocation lists.
        #[arg(long)]
        records: PathBuf,
    },
    /// Put a list into the records once enough have signed it (công bố).
    Publish {
        /// The signed list.
        file: PathBuf,
        /// What stations have pinned: file or folder.
        #[arg(long)]
        pin: PathBuf,
        /// The records folder.
        #[arg(long)]
        records: PathBuf,
    },
    /// Write the file that stations pin: who signs lists, and how many must (tệp ghim).
    Pin {
        /// Certificates of the signers.
        #[arg(required = true)]
        signers: Vec<PathBuf>,
        /// How many must sign.
        #[arg(long)]
        needed: usize,
        /// Where to write it; `[trust] list_key` of a station names it.
        #[arg(long)]
        out: PathBuf,
    },
}

pub(super) fn run(command: &TrustListCommand, now: Timestamp) -> Result<Output, Failure> {
    match command {
        TrustListCommand::Draft {
            from,
            out,
            days,
            root,
            tsa,
            signer,
            needed,
            witness,
            witnesses_needed,
        } => {
            let next = Draft {
                witnesses: witnesses_needed.map(|needed| WitnessPolicy {
                    needed,
                    keys: witness.clone(),
                }),
                days: *days,
                root,
                tsa,
                signer,
                needed: *needed,
            };
            draft(from, out, &next, now)
        }
        TrustListCommand::AddSignature {
            file,
            cert,
            key,
            passphrase,
            out,
        } => add(file, cert, (key, passphrase.as_deref()), out, now),
        TrustListCommand::Check { file, pin, records } => {
            let (list, said) = judge(file, pin, records)?;
            let text = format!("Enough have signed (đủ chữ ký): {said}.");
            let json = json!({ "sequence": list.sequence, "signers": said });
            Ok(Output::new(text, json))
        }
        TrustListCommand::Publish { file, pin, records } => publish(file, pin, records),
        TrustListCommand::Pin {
            signers,
            needed,
            out,
        } => pin(signers, *needed, out),
    }
}

/// Whether the list in force has several signers.
pub(super) fn of_several(file: &Path) -> bool {
    std::fs::read(file)
        .ok()
        .and_then(|bytes| record::open(&bytes).ok())
        .is_some_and(|opened| !opened.co_signers.is_empty())
}

/// What changes.
struct Draft<'a> {
    days: u32,
    root: &'a [PathBuf],
    tsa: &'a [PathBuf],
    signer: &'a [PathBuf],
    needed: Option<u8>,
    witnesses: Option<WitnessPolicy>,
}

fn draft(from: &Path, out: &Path, next: &Draft<'_>, now: Timestamp) -> Result<Output, Failure> {
    let step = "give the list in force, records/trust-list.rec";
    let bytes = std::fs::read(from).next(step)?;
    let Record::TrustList(last) = record::open(&bytes).next(step)?.record else {
        return Err(Failure::new(
            format!("{} is no trust list", from.display()),
            step,
        ));
    };
    let instead = |given: &[PathBuf], known: Vec<Der>| match given {
        [] => Ok(known),
        files => ders(files),
    };
    let signers = match next.needed {
        None => None,
        Some(needed) => Some(ListSigners {
            needed,
            certificates: ders(next.signer)?,
        }),
    };
    let days = i64::from(next.days).saturating_mul(DAY_MS);
    let record = Record::TrustList(TrustList {
        sequence: last.sequence.saturating_add(1),
        issued: now.floor_s(),
        not_after: now.floor_s().plus_ms(days),
        roots: instead(next.root, last.roots)?,
        tsas: instead(next.tsa, last.tsas)?,
        signers,
        witnesses: match &next.witnesses {
            None => last.witnesses,
            Some(none) if none.needed == 0 && none.keys.is_empty() => None,
            Some(policy) => Some(policy.clone()),
        },
        trust_domain: last.trust_domain,
        windows: last.windows,
    });
    record.check().next("correct what the list is to say")?;
    write_public(out, &record.to_json())?;
    let text = format!(
        "List {} is in {} (đã soạn). Next: every signer reads it and runs `tram-pki records \
         trust-list add-signature`.",
        record.sequence(),
        out.display()
    );
    Ok(Output::new(
        text,
        json!({ "sequence": record.sequence(), "out": out.display().to_string() }),
    ))
}

fn ders(files: &[PathBuf]) -> Result<Vec<Der>, Failure> {
    let step = "give certificates in PEM or DER";
    files
        .iter()
        .map(|file| {
            let cert = Certificate::load(file).next(step)?;
            Der::new(cert.der().to_vec()).next(step)
        })
        .collect()
}

fn add(
    file: &Path,
    cert: &Path,
    (key, passphrase): (&Path, Option<&Path>),
    out: &Path,
    now: Timestamp,
) -> Result<Output, Failure> {
    let step = "give the draft or the signed list, and the key where it lies";
    let passphrase = match passphrase {
        None => None,
        Some(file) => Some(Zeroizing::new(std::fs::read_to_string(file).next(step)?)),
    };
    let passphrase = passphrase
        .as_ref()
        .map(|text| text.trim_end_matches(['\r', '\n']));
    let bytes = std::fs::read(file).next(step)?;
    let cert = Certificate::load(cert).next(step)?;
    let key = SigningKey::load(key, passphrase).next(step)?;
    let signed = record::add_signature(&bytes, &key, &cert, now).next(
        "read the list again; one signer signs once, with a certificate of role trust-list",
    )?;
    write_public(out, &signed)?;
    let count = record::open(&signed)
        .next(step)?
        .co_signers
        .len()
        .saturating_add(1);
    let text = format!(
        "{} has signed (đã ký); {count} signature(s) are in {}.",
        cert.subject(),
        out.display()
    );
    Ok(Output::new(
        text,
        json!({ "signer": cert.subject(), "signatures": count }),
    ))
}

/// The list and who signed it, if the pin is content.
fn judge(file: &Path, pin: &Path, records: &Path) -> Result<(TrustList, String), Failure> {
    let step = "give the file or folder that stations have pinned";
    let pin = TrustPin::load(pin).next(step)?;
    let bytes = std::fs::read(file).next("give the signed list")?;
    let opened = record::open(&bytes).next("give the signed list")?;
    let beside = beside(records)?;
    // A list in force may have handed over to other signers since the pin was written.
    let lists = files(records, "rec")?;
    let pin = pin.followed(lists, &beside, opened.record.sequence());
    let pin = pin.next("the list in force names signers that are none")?;
    let at = opened.record.issued();
    let list = record::verify_trust_list(&bytes, &pin, &beside, at)
        .next("let the missing signers run `tram-pki records trust-list add-signature`")?;
    let signers = std::iter::once(&opened.signer).chain(&opened.co_signers);
    let names: Vec<String> = signers.map(Certificate::subject).collect();
    let said = format!(
        "{} of {} needed; {}",
        names.len(),
        pin.needed(),
        names.join(", ")
    );
    Ok((list, said))
}

fn beside(records: &Path) -> Result<Beside, Failure> {
    let authorities = files(records, "crt")?
        .iter()
        .filter_map(|bytes| Certificate::from_pem(bytes).ok())
        .filter(|cert| cert.role().ok() == Some(Role::IssuingCa))
        .collect();
    let crls = files(records, "crl")?;
    let crls = crls.iter().filter_map(|bytes| Crl::parse(bytes).ok());
    Ok(Beside {
        authorities,
        crls: crls.collect(),
    })
}

fn files(folder: &Path, kind: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let step = "give the records folder";
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).next(step)? {
        let path = entry.next(step)?.path();
        if path.extension().is_some_and(|extension| extension == kind) {
            found.push(std::fs::read(&path).next(step)?);
        }
    }
    Ok(found)
}

fn publish(file: &Path, pin: &Path, records: &Path) -> Result<Output, Failure> {
    let (list, said) = judge(file, pin, records)?;
    let target = records.join("trust-list.rec");
    if let Ok(old) = std::fs::read(&target) {
        let step = "look at the list in force";
        let Record::TrustList(known) = record::open(&old).next(step)?.record else {
            return Err(Failure::new("trust-list.rec is no trust list", step));
        };
        if known.sequence >= list.sequence {
            return Err(Failure::new(
                format!(
                    "list {} is in force, this is {}",
                    known.sequence, list.sequence
                ),
                "draft the next list from the one in force",
            ));
        }
        if known.signers.is_some() {
            // Stations that pinned the old signers need it to follow the handing over.
            let kept = format!("trust-list-{}.rec", known.sequence);
            write_public(&records.join(kept), &old)?;
        }
    }
    write_public(&target, &std::fs::read(file).next("give the signed list")?)?;
    let text = format!("List {} is in force (có hiệu lực): {said}.", list.sequence);
    Ok(Output::new(
        text,
        json!({ "sequence": list.sequence, "signers": said }),
    ))
}

fn pin(signers: &[PathBuf], needed: usize, out: &Path) -> Result<Output, Failure> {
    let step = "give certificates of role trust-list";
    let mut certs = Vec::new();
    for file in signers {
        let cert = Certificate::load(file).next(step)?;
        if cert.role().ok() != Some(Role::TrustList) {
            return Err(Failure::new(
                format!("{} signs no lists", cert.subject()),
                step,
            ));
        }
        certs.push(cert);
    }
    let pin =
        TrustPin::new(needed, certs).next("give each signer once, and needed at most so many")?;
    write_public(out, pin.to_text().as_bytes())?;
    let text = format!(
        "Any {needed} of {} sign lists (cần {needed}).",
        pin.signers().len()
    );
    Ok(Output::new(
        text,
        json!({ "needed": needed, "of": pin.signers().len() }),
    ))
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests;
