//! What stands behind a line of a timeline: a statement in a log, a signed packet, or this desk alone.

use pki::witness::Level;
use serde::Serialize;

use super::state::Phrase;

/// How far a statement is proven (architecture 8). `Ord` is the order of strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceLevel {
    /// In a checkpoint that its station signed.
    Signed,
    /// In a checkpoint with a time-stamp of a trusted authority: evidence from here on.
    Stamped,
    /// In a stamped checkpoint that witnesses of other operators have cosigned.
    Witnessed,
}

impl From<Level> for EvidenceLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Signed => Self::Signed,
            Level::Stamped => Self::Stamped,
            Level::Witnessed => Self::Witnessed,
        }
    }
}

impl EvidenceLevel {
    /// The word in the API.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Stamped => "stamped",
            Self::Witnessed => "witnessed",
        }
    }

    /// What a clerk reads.
    #[must_use]
    pub fn text(self) -> Phrase {
        match self {
            Self::Signed => Phrase::new("đã ký", "signed"),
            Self::Stamped => Phrase::new("có dấu thời gian", "stamped"),
            Self::Witnessed => Phrase::new("có bên thứ ba chứng kiến", "witnessed"),
        }
    }

    /// The level of an API word.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        [Self::Signed, Self::Stamped, Self::Witnessed]
            .into_iter()
            .find(|level| level.code() == code)
    }
}

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// This desk's own note; nothing proves it.
    Local,
    /// A packet that its agency signed (a status, a recall, an update).
    Packet,
    /// A verified statement in a station's log.
    Statement,
}

/// A leaf of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogPlace {
    /// Name of the log: `<station>/log/<epoch>`.
    pub origin: String,
    /// Number of the leaf.
    pub index: u64,
}
