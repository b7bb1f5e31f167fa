//! The command line of `tram`.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};

use crate::screen::words::Lang;

/// Gửi, nhận, theo dõi văn bản qua Trạm / send, receive and follow documents through Trạm.
#[derive(Debug, Parser)]
#[command(name = "tram", version, arg_required_else_help = true, after_help = AFTER)]
pub struct Args {
    /// Address of the node, for example http://127.0.0.1:41080 [env: TRAM_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// API key; better in the environment or the settings file, where `ps` does not show it [env: TRAM_KEY]
    #[arg(long, global = true, value_name = "KEY", hide_short_help = true)]
    pub key: Option<String>,
    /// Print the answer of the node as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Language of texts: vi or en (default: the locale)
    #[arg(long, global = true, value_name = "vi|en", value_parser = lang)]
    pub lang: Option<Lang>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const AFTER: &str = "Settings: $XDG_CONFIG_HOME/tram/config.toml or ~/.config/tram/config.toml with \
url, key, lang; then the environment; then flags.\n\
Exit codes: 0 yes, 1 no (refused, not valid, not in time), 2 usage, 3 node unreachable, 4 denied.";

fn lang(text: &str) -> Result<Lang, String> {
    Lang::parse(text).ok_or_else(|| "vi or en".to_owned())
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find agencies by name or code, new or old (no diacritics needed)
    Agency {
        /// Words of the name, or a code
        text: String,
    },
    /// Received documents that are overdue or due soon; exit code 1 if one is overdue
    Deadlines(Deadlines),
    /// Sent documents: ls, show, timeline, explain, recall, update, refresh, hold, release
    Doc {
        /// What to look at
        #[command(subcommand)]
        what: Doc,
    },
    /// Packets in files: lint, show, new, status (offline)
    Edxml {
        /// What to do
        #[command(subcommand)]
        what: Edxml,
    },
    /// Proof packages: get, verify (offline)
    Evidence {
        /// What to do
        #[command(subcommand)]
        what: Evidence,
    },
    /// Received documents: ls, claim, get, ack, status, refuse, hold, release
    Inbox {
        /// What to do
        #[command(subcommand)]
        what: Inbox,
    },
    /// Send an edXML packet, or files with a description
    Send(Send),
    /// State of the node: links, queue, log, clock, certificates
    Status,
}

/// How far to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Goal {
    /// The first relay has custody
    Relayed,
    /// The recipient's station has it
    Delivered,
    /// The recipient's system has taken it
    HandedOver,
}

impl Goal {
    /// The word of the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Relayed => "relayed",
            Self::Delivered => "delivered",
            Self::HandedOver => "handed_over",
        }
    }
}

/// `tram send`
#[derive(Debug, Group)]
pub struct Send {
    /// A packet (.edxml, .xml), or the files of a document; the first is the main one
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Recipients by code, with commas; for files only (a packet names its own)
    #[arg(long, value_delimiter = ',', value_name = "CODE")]
    pub to: Vec<String>,
    /// Number and notation, for example 1283/SNV-VP (files only)
    #[arg(long, value_name = "N/NOTATION")]
    pub number: Option<String>,
    /// Subject (files only)
    #[arg(long)]
    pub subject: Option<String>,
    /// Name of the person who signed (files only)
    #[arg(long)]
    pub signer: Option<String>,
    /// Document type (files only)
    #[arg(long = "type", default_value = "Công văn", value_name = "NAME")]
    pub kind: String,
    /// Day of issue, dd/mm/yyyy; today if not given (files only)
    #[arg(long, value_name = "DAY")]
    pub date: Option<String>,
    /// Urgency: 0 normal to 3 immediate (files only)
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub priority: Option<u8>,
    /// Wait until every recipient is that far
    #[arg(long, value_enum)]
    pub wait: Option<Goal>,
    /// Seconds to wait at most
    #[arg(long, default_value_t = 60, value_name = "S")]
    pub timeout: u64,
    /// Idempotency-Key; by default the digest of the packet, so the same file is sent once
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Send again under the same document id, with the reason
    #[arg(long, value_name = "REASON")]
    pub resend: Option<String>,
}

/// `tram doc`
#[derive(Debug, Subcommand)]
pub enum Doc {
    /// Say in words where a document is, why, and what to do
    Explain {
        /// Id, or the sender's own document id
        id: String,
    },
    /// Keep a document's content whatever the retention rules say (legal hold); needs an administrator's key
    Hold(KeepWords),
    /// List sent documents, newest first
    Ls {
        /// Words of number, subject, recipients (no diacritics needed)
        text: Option<String>,
        /// Only with a recipient in this state; may be repeated
        #[arg(long, value_name = "STATE")]
        state: Vec<String>,
        /// Rows
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Go on where the last page ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Take a document back: not delivered where it has not arrived, asked back where it has
    Recall(RecallWords),
    /// Ask every station on the road for its receipts again: lost ones, and proofs in time-stamped logs
    Refresh {
        /// Id, or the sender's own document id
        id: String,
    },
    /// End a hold: the retention rules count again
    Release(KeepWords),
    /// Facts and recipients of a document
    Show {
        /// Id, or the sender's own document id
        id: String,
    },
    /// Steps of a document, recipient by recipient
    Timeline {
        /// Id, or the sender's own document id
        id: String,
        /// Only this recipient
        #[arg(long, value_name = "CODE")]
        to: Option<String>,
    },
    /// Change the recipients of a document (new content goes as an update packet: tram edxml new --update)
    Update(UpdateWords),
}

/// `tram doc hold|release`, `tram inbox hold|release`
#[derive(Debug, Group)]
pub struct KeepWords {
    /// Id; for a sent document also the sender's own document id
    pub id: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub why: String,
}

/// `tram inbox refuse`
#[derive(Debug, Group)]
pub struct RefuseWords {
    /// Id
    pub id: String,
    /// Why; it stays at this node, the sender gets the receipt
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Word of the claim, if it was claimed
    #[arg(long, value_name = "WORD")]
    pub claim: Option<String>,
}

/// `tram doc recall`
#[derive(Debug, Group)]
pub struct RecallWords {
    /// Id, or the sender's own document id
    pub id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Only from this recipient; may be repeated
    #[arg(long, value_name = "CODE")]
    pub to: Vec<String>,
    /// Name of the clerk
    #[arg(long, value_name = "NAME")]
    pub staff: Option<String>,
}

/// `tram doc update`
#[derive(Debug, Group)]
pub struct UpdateWords {
    /// Id, or the sender's own document id
    pub id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// A recipient that is added and gets the whole document; may be repeated
    #[arg(long, value_name = "CODE")]
    pub add: Vec<String>,
    /// A recipient that should not have it any more; may be repeated
    #[arg(long, value_name = "CODE")]
    pub remove: Vec<String>,
    /// Name of the clerk
    #[arg(long, value_name = "NAME")]
    pub staff: Option<String>,
}

/// `tram inbox status`
#[derive(Debug, Group)]
pub struct StatusWords {
    /// Id
    pub id: String,
    /// 02 refused, 03 accepted, 04 assigned, 05 in progress, 06 completed, 15 agrees to a recall or update,
    /// 16 declines it
    pub code: String,
    /// Reason or note; needed for 02 and 16
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Number in the register of incoming documents
    #[arg(long, value_name = "N")]
    pub register_number: Option<String>,
    /// Name of the clerk or officer
    #[arg(long, value_name = "NAME")]
    pub staff: Option<String>,
    /// Department of that person
    #[arg(long, value_name = "NAME", requires = "staff")]
    pub department: Option<String>,
}

/// `tram deadlines`
#[derive(Debug, Group)]
pub struct Deadlines {
    /// Sent documents that their recipients owe an answer, instead of received ones
    #[arg(long)]
    pub sent: bool,
    /// overdue, due_soon, open, uncertain; may be repeated; overdue and due_soon if not given
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    pub standing: Vec<String>,
    /// Rows
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
}

/// `tram edxml`
#[derive(Debug, Subcommand)]
pub enum Edxml {
    /// Check a packet: all findings, each with its rule, source and fix; exit code 1 if it may not travel
    Lint {
        /// The packet
        file: PathBuf,
    },
    /// Write a document packet from files and a description
    New(Box<NewPacket>),
    /// Show what a packet says
    Show {
        /// The packet
        file: PathBuf,
    },
    /// Write a status packet that answers a received document
    Status(NewStatus),
}

/// Whose habits a written packet follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// As the national axis takes it
    #[default]
    Dotnet,
    /// As the Java library writes it
    Java,
}

/// `tram edxml new`
#[derive(Debug, Group)]
pub struct NewPacket {
    /// Attachments; the first is the main document (a recall may have none)
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// File to write, or - for standard output; an existing file is not overwritten
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Sender, with its name
    #[arg(long, value_name = "CODE[=NAME]")]
    pub from: String,
    /// A recipient, with its name; may be repeated
    #[arg(long, value_name = "CODE[=NAME]", required = true)]
    pub to: Vec<String>,
    /// Number and notation, for example 1283/SNV-VP
    #[arg(long, value_name = "N/NOTATION")]
    pub number: String,
    /// Subject
    #[arg(long)]
    pub subject: String,
    /// Name of the person who signed
    #[arg(long)]
    pub signer: String,
    /// Position of the person who signed
    #[arg(long)]
    pub position: Option<String>,
    /// Document type
    #[arg(long = "type", default_value = "Công văn", value_name = "NAME")]
    pub kind: String,
    /// Day of issue, dd/mm/yyyy; today if not given
    #[arg(long, value_name = "DAY")]
    pub date: Option<String>,
    /// Day until which an answer is asked for
    #[arg(long, value_name = "DAY")]
    pub due: Option<String>,
    /// Place of issue
    #[arg(long)]
    pub place: Option<String>,
    /// Urgency: 0 normal to 4 immediate at a set hour
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub priority: Option<u8>,
    /// A paper copy follows
    #[arg(long)]
    pub paper: bool,
    /// DocumentId; CODE,yyyy/MM/dd,N/NOTATION if not given
    #[arg(long, value_name = "ID")]
    pub document_id: Option<String>,
    /// Recall the document with this DocumentId
    #[arg(long, value_name = "ID", group = "act", requires = "reason")]
    pub recall: Option<String>,
    /// Update the document with this DocumentId
    #[arg(long, value_name = "ID", group = "act", requires = "reason")]
    pub update: Option<String>,
    /// Replace the document with this DocumentId; may be repeated
    #[arg(long, value_name = "ID", group = "act", requires = "reason")]
    pub replace: Vec<String>,
    /// Why it is recalled, updated or replaced
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Update: the content changed as well as the receivers
    #[arg(long, requires = "update")]
    pub content_changed: bool,
    /// Update: a receiver that is added; may be repeated
    #[arg(long, value_name = "CODE", requires = "update")]
    pub add: Vec<String>,
    /// Update: a receiver that is taken off; may be repeated
    #[arg(long, value_name = "CODE", requires = "update")]
    pub remove: Vec<String>,
    /// Replace: an agency that holds the old document; the recipients if not given
    #[arg(long, value_name = "CODE", requires = "replace")]
    pub holder: Vec<String>,
    /// Whose habits the packet follows
    #[arg(long, value_enum, default_value_t)]
    pub dialect: Dialect,
}

/// `tram edxml status`
#[derive(Debug, Group)]
pub struct NewStatus {
    /// The received packet that is answered
    #[arg(long, value_name = "FILE")]
    pub of: PathBuf,
    /// File to write, or - for standard output; an existing file is not overwritten
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// The answering agency, with its name
    #[arg(long, value_name = "CODE[=NAME]")]
    pub from: String,
    /// 01 arrived, 02 refused, 03 accepted, 04 assigned, 05 in progress, 06 completed, 13 take back,
    /// 15 agreed, 16 declined
    #[arg(long, value_name = "CODE")]
    pub code: String,
    /// Reason or note; needed for 02, 13 and 16
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Name of the clerk
    #[arg(long, value_name = "NAME")]
    pub staff: Option<String>,
    /// Department of the clerk
    #[arg(long, value_name = "NAME", requires = "staff")]
    pub department: Option<String>,
    /// Whose habits the packet follows
    #[arg(long, value_enum, default_value_t)]
    pub dialect: Dialect,
}

/// `tram inbox`
#[derive(Debug, Subcommand)]
pub enum Inbox {
    /// Keep a received document's content whatever the retention rules say; needs an administrator's key
    Hold(KeepWords),
    /// Say that your system cannot take a delivered document: its sender gets the receipt
    Refuse(RefuseWords),
    /// End a hold: the retention rules count again
    Release(KeepWords),
    /// Acknowledge: the document is taken, and the sender gets a signed receipt
    Ack {
        /// Id
        id: String,
        /// Word of the claim
        #[arg(long, value_name = "WORD")]
        claim: Option<String>,
    },
    /// Lease new documents, so that no other system takes them
    Claim {
        /// How many at most
        #[arg(long, default_value_t = 10)]
        count: u32,
        /// For how many seconds
        #[arg(long, default_value_t = 60, value_name = "S")]
        lease: u32,
        /// Seconds to wait for the first
        #[arg(long, default_value_t = 0, value_name = "S")]
        wait: u32,
    },
    /// Fetch the packet
    Get {
        /// Id
        id: String,
        /// File to write, or - for standard output; ID.edxml if not given
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// An attachment by its number instead of the packet
        #[arg(long, value_name = "N")]
        file: Option<u32>,
    },
    /// Answer a received document with a status packet
    Status(StatusWords),
    /// List received documents, newest first
    Ls {
        /// Words of number, subject, sender (no diacritics needed)
        text: Option<String>,
        /// new, claimed, acknowledged, quarantined; may be repeated
        #[arg(long, value_name = "STATE")]
        state: Vec<String>,
        /// Rows
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Go on where the last page ended
        #[arg(long)]
        cursor: Option<String>,
        /// Seconds to wait for the first
        #[arg(long, default_value_t = 0, value_name = "S")]
        wait: u32,
    },
}

/// `tram evidence`
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// Fetch the proof package of a sent document
    Get {
        /// Id, or the sender's own document id
        id: String,
        /// File to write, or - for standard output
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Without the document: only its digest and the salts, for restricted content
        #[arg(long)]
        digest_only: bool,
    },
    /// Check a proof package here, without a node, a network or a right clock
    Verify {
        /// The package (.zip)
        file: PathBuf,
        /// Trust only the root certificates in this file (PEM); may be repeated
        #[arg(long, value_name = "FILE")]
        root: Vec<PathBuf>,
        /// Also write the report as a page to print and file
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Packages for decades
    #[command(flatten)]
    Keep(super::archive::Keep),
}
