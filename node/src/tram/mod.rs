//! The `tram` command: what it understands and what it answers, apart from the process around it.
//!
//! Data goes to `out`, everything else to `err`. Every command has `--json`, which prints what the node
//! answered. Errors say what happened, why, and what to do now.

mod acts;
mod agency;
pub mod archive;
mod archive_check;
pub mod args;
mod checks;
mod document;
mod edxml;
mod edxml_make;
mod evidence;
mod inbox;
mod keep;
mod send;
mod settings;
mod show;
mod status;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;
use clap::error::ErrorKind;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use crate::client::{Client, ClientError};
use crate::screen::words::Lang;

use args::{Args, Command};
use settings::Settings;

pub use settings::Environment;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Yes, done.
    Ok,
    /// The answer is no: refused, not valid, not in time.
    No,
    /// The command line or the settings are wrong.
    Usage,
    /// The node does not answer.
    Unreachable,
    /// The key is wrong or may not do this.
    Denied,
}

impl Exit {
    /// The code of the process.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Denied => 4,
        }
    }
}

/// Why a command gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The node or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A local file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// No time-stamp authority gave a token.
    #[error("{0}")]
    Stamp(String),
    /// Standard output is gone.
    #[error("output: {0}")]
    Output(#[from] std::io::Error),
    /// The command line or the settings.
    #[error("{0}")]
    Usage(String),
}

/// What a command works with.
pub(crate) struct Desk<'w> {
    /// Print the node's JSON.
    pub(crate) json: bool,
    pub(crate) lang: Lang,
    pub(crate) out: &'w mut dyn Write,
    pub(crate) err: &'w mut dyn Write,
    pub(crate) settings: Settings,
}

impl Desk<'_> {
    /// The client of the node that the settings name.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let missing = |what: &str, name: &str, flag: &str| {
            Failure::Usage(self.lang.pick(
                &format!(
                    "chưa biết {what}: đặt {name}, dùng {flag}, hoặc ghi vào {}",
                    self.settings.file
                ),
                &format!(
                    "{what} is not known: set {name}, use {flag}, or write it into {}",
                    self.settings.file
                ),
            ))
        };
        let url = self.settings.url.as_deref().ok_or_else(|| {
            missing(
                &self.lang.pick("địa chỉ trạm", "the address of the node"),
                "TRAM_URL",
                "--url",
            )
        })?;
        let key = self.settings.key.as_deref().ok_or_else(|| {
            missing(
                &self.lang.pick("khóa API", "the API key"),
                "TRAM_KEY",
                "--key",
            )
        })?;
        Ok(Client::new(url, key, self.lang)?)
    }

    /// Prints JSON as it came.
    pub(crate) fn print_json(&mut self, value: &Value) -> Result<(), Failure> {
        writeln!(self.out, "{value:#}")?;
        Ok(())
    }

    /// Prints a line of the answer.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        writeln!(self.out, "{}", text.as_ref())?;
        Ok(())
    }

    /// Prints a remark beside the answer.
    pub(crate) fn remark(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        writeln!(self.err, "{}", text.as_ref())?;
        Ok(())
    }
}

impl Lang {
    /// One of two texts.
    pub(crate) fn pick(self, vi: &str, en: &str) -> String {
        match self {
            Self::En => en.to_owned(),
            Self::Vi => vi.to_owned(),
        }
    }
}

/// Runs a command line; the exit code. Boxed for the reason of `relay::cli::run`.
#[must_use]
pub fn run<'w>(
    arguments: Vec<OsString>,
    environment: Environment,
    out: &'w mut dyn Write,
    err: &'w mut dyn Write,
) -> LocalBoxFuture<'w, u8> {
    line(arguments, environment, out, err).boxed_local()
}

async fn line(
    arguments: Vec<OsString>,
    environment: Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            let text = error.render();
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            // A closed output changes nothing about the exit code.
            let _written = if asked {
                write!(out, "{text}")
            } else {
                write!(err, "{text}")
            };
            return if asked {
                Exit::Ok.code()
            } else {
                Exit::Usage.code()
            };
        }
    };
    let lang = args.lang.or_else(|| environment.lang()).unwrap_or_default();
    let result = match Settings::read(&environment, args.url.clone(), args.key.clone(), lang) {
        Ok(settings) => {
            let lang = args.lang.or(settings.lang).unwrap_or(lang);
            let mut desk = Desk {
                json: args.json,
                lang,
                out: &mut *out,
                err: &mut *err,
                settings,
            };
            command(&mut desk, args.command).await
        }
        Err(failure) => Err(failure),
    };
    match result {
        Ok(exit) => exit.code(),
        Err(failure) => show::failure(&failure, lang, args.json, err).code(),
    }
}

async fn command(desk: &mut Desk<'_>, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Agency { text } => status::agencies(desk, &text).await,
        Command::Deadlines(words) => acts::deadlines(desk, words).await,
        Command::Doc { what } => document::run(desk, what).await,
        Command::Edxml { what } => edxml::run(desk, what),
        Command::Evidence { what } => evidence::run(desk, what).await,
        Command::Inbox { what } => inbox::run(desk, what).await,
        Command::Send(send) => send::run(desk, send).await,
        Command::Status => status::run(desk).await,
    }
}
