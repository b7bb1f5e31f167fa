//! What checking a package found: one line a check, the receipts that hold, and the verdict. Plain values.

use serde::Serialize;

use formats::checkpoint::Note;
use formats::proof::Member;
use formats::time::Timestamp;

use crate::view::{Phrase, as_text_time};

/// How much a checkpoint proves (architecture 8); "bằng chứng" is said from `stamped` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The station signed it.
    Signed,
    /// A time-stamp authority saw the signature.
    Stamped,
    /// Another operator saw the same log.
    Witnessed,
}

impl Level {
    /// The word in files and JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Stamped => "stamped",
            Self::Witnessed => "witnessed",
        }
    }

    /// The words for people.
    #[must_use]
    pub fn phrase(self) -> Phrase {
        match self {
            Self::Signed => Phrase::new("đã ký, chưa có dấu thời gian", "signed, not stamped yet"),
            Self::Stamped => {
                Phrase::new("bằng chứng có dấu thời gian", "evidence with a time-stamp")
            }
            Self::Witnessed => Phrase::new(
                "bằng chứng có dấu thời gian và người làm chứng",
                "evidence with a time-stamp and a witness",
            ),
        }
    }
}

/// The level of a checkpoint whose own signatures hold. Lines of other keys in the note (cosignatures) do not
/// count here yet and do no harm; who they are and how many are needed is for the policy of the trust list.
#[must_use]
pub fn level(_note: &Note, stamped: bool) -> Level {
    if stamped {
        Level::Stamped
    } else {
        Level::Signed
    }
}

/// Where in the package, and in whose log, a check looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The member, or the folder of members.
    pub member: String,
    /// Whose word it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub station: Option<String>,
    /// Number of the receipt in the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<u32>,
    /// Number of the leaf in the station's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

impl Place {
    /// A member by its name.
    #[must_use]
    pub fn member(name: impl Into<String>) -> Self {
        Self {
            member: name.into(),
            ..Self::default()
        }
    }

    pub(super) fn of(member: &Member) -> Self {
        Self::member(member.to_string())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.member)?;
        if let Some(station) = &self.station {
            write!(f, ", {station}")?;
        }
        if let Some(index) = self.index {
            write!(f, ", index {index}")?;
        }
        Ok(())
    }
}

/// One check and its result.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The check held.
    pub ok: bool,
    /// What was looked at.
    pub at: Place,
    /// What was checked, and what was found if it did not hold.
    pub text: Phrase,
}

/// A receipt that holds.
#[derive(Clone, Debug, Serialize)]
pub struct ReceiptLine {
    /// Its number in the package.
    pub number: u32,
    /// The event's name (ETSI EN 319 522, and ours).
    pub event: String,
    /// Which agency it is about.
    pub recipient: String,
    /// When, says the station.
    #[serde(serialize_with = "as_text_time")]
    pub time: Timestamp,
    /// Whose word it is.
    pub station: String,
    /// Why, where the event has a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What its checkpoint proves.
    pub level: Level,
}

/// What the package is about, as far as its signatures hold.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Ids of the envelopes.
    pub envelopes: Vec<String>,
    /// SHA-256 of the packet.
    pub packet_sha256: String,
    /// The packet itself is in the package.
    pub with_packet: bool,
    /// Which agency signed.
    pub sender: String,
}

/// Result of all checks of a package.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Every check held and there was at least one receipt to check.
    pub valid: bool,
    /// The lowest level of the receipts, if the package is valid.
    pub level: Option<Level>,
    /// SHA-256 fingerprints of the roots that were trusted; to be compared with another source.
    pub roots: Vec<String>,
    /// The roots were brought by the caller, not taken from the package.
    pub own_roots: bool,
    /// What it is about.
    pub document: Option<Shown>,
    /// The receipts that hold, in the package's order.
    pub receipts: Vec<ReceiptLine>,
    /// The checks in order.
    pub checks: Vec<Check>,
}

impl Report {
    pub(super) fn ok(&mut self, at: &Place, vi: impl Into<String>, en: impl Into<String>) {
        self.checks.push(Check {
            ok: true,
            at: at.clone(),
            text: Phrase::new(vi, en),
        });
    }

    pub(super) fn bad(&mut self, at: &Place, why: impl std::fmt::Display) {
        self.checks.push(Check {
            ok: false,
            at: at.clone(),
            text: Phrase::new(
                format!("{at}: không hợp lệ ({why})"),
                format!("{at}: {why}"),
            ),
        });
    }

    /// Takes a result apart: a fault is a check that did not hold.
    pub(super) fn take<T, E: std::fmt::Display>(
        &mut self,
        at: &Place,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.bad(at, error)).ok()
    }

    pub(super) fn finish(&mut self, complete: bool) {
        if complete && self.receipts.is_empty() {
            self.bad(&Place::member("receipts"), "none holds");
        }
        self.valid = complete && self.checks.iter().all(|check| check.ok);
        let lowest = self.receipts.iter().map(|receipt| receipt.level).min();
        self.level = lowest.filter(|_| self.valid);
    }

    /// The checks that did not hold.
    pub fn faults(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.ok)
    }
}
