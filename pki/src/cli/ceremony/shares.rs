//! The custodians' shares: printed once, put together again when the root key is needed.
//!
//! Owns: the share files and the commands about them. The scheme is `pki::ceremony::shares`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use pki::ceremony::plan::Shares;
use pki::ceremony::shares::{Share, combine, divide, passphrase};
use pki::key::write_private;
use serde_json::json;
use zeroize::Zeroizing;

use super::super::failure::Next;
use super::super::{Failure, Output};

#[derive(Debug, Subcommand)]
pub(in super::super) enum SharesCommand {
    /// Check that a share was typed as it stands on paper; shows nothing of it.
    Check {
        /// A file with the share.
        file: PathBuf,
    },
    /// Put the passphrase of the root key together (ghép các mảnh thành mật khẩu).
    Combine {
        /// Files with enough different shares.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// File to write the passphrase to: root.pass in the folder of --passphrases.
        #[arg(long)]
        out: PathBuf,
    },
}

pub(super) fn run(command: &SharesCommand) -> Result<Output, Failure> {
    match command {
        SharesCommand::Check { file } => {
            let share = read(file)?;
            let text = format!(
                "Share {} is whole (mảnh {} đúng): {} are needed (cần {}).",
                share.number(),
                share.number(),
                share.needed(),
                share.needed()
            );
            let json = json!({ "share": share.number(), "needed": share.needed(),
                "sha256": share.digest().to_string() });
            Ok(Output::new(text, json))
        }
        SharesCommand::Combine { files, out } => {
            let found = together(files)?;
            write_private(out, format!("{}\n", *found).as_bytes())
                .next("choose a new file; none is overwritten")?;
            let text = format!(
                "The passphrase is in {} (mật khẩu đã ghi vào tệp). Delete the file after use.",
                out.display()
            );
            let json = json!({ "out": out.display().to_string(), "shares": files.len() });
            Ok(Output::new(text, json))
        }
    }
}

fn read(file: &Path) -> Result<Share, Failure> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.next("give the file of a share")?;
    text.parse()
        .next(&format!("look at {} and the paper again", file.display()))
}

fn together(files: &[PathBuf]) -> Result<Zeroizing<String>, Failure> {
    let shares: Vec<Share> = files
        .iter()
        .map(|file| read(file))
        .collect::<Result<_, _>>()?;
    let secret = combine(&shares).next("bring enough different shares of the same ceremony")?;
    Ok(passphrase(&secret))
}

/// Makes a passphrase and writes its shares into a folder; the passphrase itself is nowhere.
pub(super) fn make(dir: &Path, plan: Shares) -> Result<(Zeroizing<String>, Vec<String>), Failure> {
    let step = "look at the disk and run the same command again";
    // Shares without a key were never used: an interrupted run made them.
    for old in present(dir, plan) {
        std::fs::remove_file(&old).next(step)?;
    }
    std::fs::create_dir_all(dir).next(step)?;
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    aws_lc_rs::rand::fill(secret.as_mut_slice())
        .map_err(|_| Failure::new("no randomness", "look at the system"))?;
    let shares = divide(secret.as_slice(), plan.needed, plan.of).next(step)?;
    let mut digests = Vec::new();
    for share in &shares {
        let text = Zeroizing::new(share.to_string());
        write_private(&file_of(dir, share.number()), text.as_bytes()).next(step)?;
        digests.push(share.digest().to_string());
    }
    Ok((passphrase(secret.as_slice()), digests))
}

/// The passphrase, while enough shares still lie in the folder.
pub(super) fn still_here(dir: &Path, plan: Shares) -> Option<Zeroizing<String>> {
    together(&present(dir, plan)).ok()
}

fn present(dir: &Path, plan: Shares) -> Vec<PathBuf> {
    (1..=plan.of)
        .map(|number| file_of(dir, number))
        .filter(|file| file.exists())
        .collect()
}

fn file_of(dir: &Path, number: u8) -> PathBuf {
    dir.join(format!("share-{number}.txt"))
}

/// 128 bits: beyond guessing even without the slow derivation in front of the key file.
const SECRET_BYTES: usize = 16;
