//! How the station under the desk is, for the rail, the station page and `tram status`.

use formats::time::Timestamp;
use relay::alarm::{Alarm, Code, Level};
use serde::Serialize;

use super::state::{Phrase, as_text_time, as_text_time_option};

/// One link to a neighbour.
#[derive(Clone, Debug, Serialize)]
pub struct LinkView {
    /// Name of the station at the other end.
    pub peer: String,
    /// It carries documents now.
    pub up: bool,
}

/// One certificate in use.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateView {
    /// Its role, for example `station-tls`.
    pub role: String,
    /// Whose it is: a station or an agency.
    pub party: String,
    /// End of its life.
    #[serde(serialize_with = "as_text_time")]
    pub not_after: Timestamp,
    /// Whole days to it.
    pub days_left: i64,
    /// Who renews it: `automatic`, `by_hand`, `foreign`.
    pub renewal: &'static str,
    /// 60, 30, 14, 7, 1 or 0 when somebody must look after it.
    pub warning_days: Option<i64>,
}

/// The authority that renews and publishes.
#[derive(Clone, Debug, Serialize)]
pub struct AuthorityView {
    /// Where it is.
    pub url: String,
    /// When it last answered.
    #[serde(serialize_with = "as_text_time_option")]
    pub last_success: Option<Timestamp>,
    /// Why the last try did not work.
    pub error: Option<String>,
    /// When it is tried again.
    #[serde(serialize_with = "as_text_time_option")]
    pub next_try: Option<Timestamp>,
}

/// Something that must be mended before something stops, or that has stopped (relay/WINDOWS.md).
#[derive(Clone, Debug, Serialize)]
pub struct AlarmView {
    /// `TRAM-nnn`.
    pub code: &'static str,
    /// What it is about, e.g. `revocation`.
    pub name: &'static str,
    /// `warning` or `stopped`.
    pub level: &'static str,
    /// Of whom.
    pub subject: String,
    /// Since when it is up.
    #[serde(serialize_with = "as_text_time")]
    pub since: Timestamp,
    /// When what rests on it stops, or stopped.
    #[serde(serialize_with = "as_text_time_option")]
    pub until: Option<Timestamp>,
    /// What is wrong, for administrators.
    pub text: Phrase,
    /// What to do, for administrators.
    pub remedy: Phrase,
    /// More facts.
    pub detail: Option<String>,
    #[serde(skip)]
    pub(crate) found: Code,
}

impl From<Alarm> for AlarmView {
    fn from(alarm: Alarm) -> Self {
        Self {
            text: Phrase::new(alarm.vi(), alarm.en()),
            remedy: Phrase::new(alarm.remedy_vi(), alarm.remedy_en()),
            code: alarm.found.code.number(),
            name: alarm.found.code.name(),
            level: alarm.found.level.code(),
            found: alarm.found.code,
            subject: alarm.found.subject,
            since: alarm.since,
            until: alarm.found.until,
            detail: alarm.found.detail,
        }
    }
}

impl AlarmView {
    /// Whether something has stopped because of it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.level == Level::Stopped.code()
    }
}

/// The station now.
#[derive(Clone, Debug, Serialize)]
pub struct StationView {
    /// Its name.
    pub name: String,
    /// Links, by name.
    pub links: Vec<LinkView>,
    /// The clock is too far off, or unknown: no final state by time.
    pub clock_unsure: bool,
    /// What must be mended, the worst first.
    pub alarms: Vec<AlarmView>,
    /// Origin of the evidence log.
    pub log_origin: String,
    /// Statements in it.
    pub log_entries: u64,
    /// When the log was last time-stamped.
    #[serde(serialize_with = "as_text_time_option")]
    pub stamped_at: Option<Timestamp>,
    /// Legs that wait to be passed on.
    pub waiting: u64,
    /// Since when the oldest of them waits.
    #[serde(serialize_with = "as_text_time_option")]
    pub oldest: Option<Timestamp>,
    /// Certificates of the station and its agencies.
    pub certificates: Vec<CertificateView>,
    /// The authority, if one is configured.
    pub authority: Option<AuthorityView>,
    /// When it was looked at.
    #[serde(serialize_with = "as_text_time")]
    pub at: Timestamp,
}

impl StationView {
    /// Links that carry documents.
    #[must_use]
    pub fn links_up(&self) -> usize {
        self.links.iter().filter(|link| link.up).count()
    }
}
