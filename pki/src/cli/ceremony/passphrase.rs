//! Passphrases: from files, or typed at a terminal that does not show them.
//!
//! Owns: where they come from and how long they must be. Never writes one. Must not know: keys.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::super::Failure;
use super::super::failure::Next;

/// Where passphrases come from.
pub(super) struct Passphrases {
    folder: Option<PathBuf>,
}

impl Passphrases {
    pub(super) fn new(folder: Option<&Path>) -> Self {
        Self {
            folder: folder.map(Path::to_path_buf),
        }
    }

    /// The passphrase for a key that exists.
    pub(super) fn known(&self, name: &str) -> Result<Zeroizing<String>, Failure> {
        match self.laid_down(name)? {
            Some(found) => Ok(found),
            None => ask(
                &format!("Passphrase of the key of {name} (mật khẩu khóa)"),
                name,
            ),
        }
    }

    /// The passphrase for a key that is about to be made: long enough, and typed twice.
    pub(super) fn fresh(&self, name: &str) -> Result<Zeroizing<String>, Failure> {
        let found = match self.laid_down(name)? {
            Some(found) => found,
            None => {
                let first = ask(
                    &format!("New passphrase for the key of {name} (mật khẩu mới)"),
                    name,
                )?;
                let again = ask("The same again (nhập lại)", name)?;
                if *first != *again {
                    return Err(Failure::new(
                        "the two passphrases differ",
                        "run the same command again: it goes on where it stopped",
                    ));
                }
                first
            }
        };
        if found.chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(Failure::new(
                format!(
                    "the passphrase of {name} has fewer than {PASSPHRASE_CHARS_MIN} characters"
                ),
                "choose a longer one: whoever finds the file may guess as long as they like",
            ));
        }
        Ok(found)
    }

    /// A passphrase or PIN that is only there when somebody laid it down.
    fn laid_down(&self, name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        let Some(file) = self
            .folder
            .as_ref()
            .map(|dir| dir.join(format!("{name}.pass")))
        else {
            return Ok(None);
        };
        if !file.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&file).map(Zeroizing::new);
        let text = text.next("give a file with the passphrase as its only line")?;
        Ok(Some(Zeroizing::new(
            text.trim_end_matches(['\r', '\n']).to_owned(),
        )))
    }
}

/// Asks at the terminal, which shows nothing meanwhile.
fn ask(question: &str, name: &str) -> Result<Zeroizing<String>, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::new(
            format!("a passphrase is needed for {name} and nobody can be asked"),
            format!("run this at a terminal, or lay {name}.pass into the folder of --passphrases"),
        ));
    }
    let step = "run this at a terminal";
    let mut screen = std::io::stderr();
    write!(screen, "{question}: ")
        .and_then(|()| screen.flush())
        .next(step)?;
    let shown = tcgetattr(&input).next(step)?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &hidden).next(step)?;
    let mut line = Zeroizing::new(String::new());
    let read = input.lock().read_line(&mut line);
    tcsetattr(&input, OptionalActions::Flush, &shown).next(step)?;
    writeln!(screen).next(step)?;
    read.next(step)?;
    Ok(Zeroizing::new(
        line.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

const PASSPHRASE_CHARS_MIN: usize = 12;
