//! View of an agency of the directory: who it is, when, and who receives for it now.

use formats::id::AgencyCode;
use formats::record::AgencyState;
use formats::time::Timestamp;
use serde::Serialize;

use super::state::{as_text_time, as_text_time_option};

/// An agency of the directory.
#[derive(Clone, Debug, Serialize)]
pub struct AgencyView {
    /// Canonical code.
    pub code: AgencyCode,
    /// Its name.
    pub name: String,
    /// Old codes and other spellings, whenever they hold.
    pub aliases: Vec<String>,
    /// Those of them that hold for a time only.
    pub alias_periods: Vec<AliasPeriod>,
    /// The alias by which a search found it, where code and name do not fit.
    pub matched_alias: Option<String>,
    /// The agency above it.
    pub parent: Option<AgencyCode>,
    /// Name of that one, if the directory has it.
    pub parent_name: Option<String>,
    /// Whether it exists now: `active`, `future`, `ended`.
    pub state: AgencyState,
    /// From when on it exists.
    #[serde(serialize_with = "as_text_time")]
    pub valid_from: Timestamp,
    /// When it ceases or ceased to exist.
    #[serde(serialize_with = "as_text_time_option")]
    pub valid_to: Option<Timestamp>,
    /// The agency that takes or took its place.
    pub successor: Option<AgencyCode>,
    /// Once it ended: who receives now what is addressed to it, the last of the successors.
    pub receiver: Option<AgencyCode>,
    /// Name of that one.
    pub receiver_name: Option<String>,
    /// Home station, if it has one now.
    pub station: Option<String>,
    /// It can be written to now: it exists, has a home station and an encryption certificate.
    pub reachable: bool,
}

/// An alias that holds for a time only.
#[derive(Clone, Debug, Serialize)]
pub struct AliasPeriod {
    /// The code or name.
    pub text: String,
    /// From when on; always, if `None`.
    #[serde(serialize_with = "as_text_time_option")]
    pub from: Option<Timestamp>,
    /// Until before when; for good, if `None`.
    #[serde(serialize_with = "as_text_time_option")]
    pub to: Option<Timestamp>,
    /// Whether it holds now.
    pub holds: bool,
}
