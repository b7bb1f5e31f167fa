//! Standing: how long the certificates of this station and its agencies still hold, who renews them,
//! and when somebody must be told.
//!
//! Warnings come 60, 30, 14, 7 and 1 days before the end. A certificate that renews itself is not
//! worth one until its day of renewal has passed without success; one that nobody renews by itself
//! always is. Owns what is shown in `/status`, the metrics and the log. Must not know: files.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use formats::id::{Digest, Party};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::enrol::renewal_at;
use pki::role::Role;
use serde_json::{Value, json};

/// Who renews a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The station, at its authority.
    Automatic,
    /// A person: no authority is configured.
    ByHand,
    /// A person, at the foreign authority that issued it.
    Foreign,
}

impl Renewal {
    /// Its word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::ByHand => "by_hand",
            Self::Foreign => "foreign",
        }
    }
}

/// One certificate in use.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its role.
    pub role: Role,
    /// Whose it is.
    pub party: Party,
    /// SHA-256 of it.
    pub sha256: Digest,
    /// Begin of its life.
    pub not_before: Timestamp,
    /// End of its life.
    pub not_after: Timestamp,
    /// Who renews it.
    pub renewal: Renewal,
}

impl Standing {
    /// Of a certificate.
    #[must_use]
    pub fn of(certificate: &Certificate, role: Role, party: Party, renewal: Renewal) -> Self {
        Self {
            role,
            party,
            sha256: certificate.sha256(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            renewal,
        }
    }

    /// When it is to be renewed; the certificate's own digest spreads a country's renewals.
    #[must_use]
    pub fn renew_at(&self) -> Timestamp {
        renewal_at(self.not_before, self.not_after, spread(&self.sha256))
    }

    /// Whole days to its end; negative after it.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> i64 {
        self.not_after.minus(now).div_euclid(DAY_MS)
    }

    /// The warning that is due: the number of days that have been reached, 0 after the end.
    #[must_use]
    pub fn warning(&self, now: Timestamp) -> Option<i64> {
        let life = self.not_after.minus(self.not_before).max(0);
        // Another twelfth of its life to try again before anybody is troubled.
        let troubled = self.renew_at().plus_ms(life / 12);
        if self.renewal == Renewal::Automatic && now < troubled {
            return None;
        }
        let left = self.not_after.minus(now);
        if left < 0 {
            return Some(0);
        }
        WARN_DAYS.into_iter().find(|days| left <= days * DAY_MS)
    }

    fn json(&self, now: Timestamp) -> Value {
        json!({
            "role": self.role.as_str(),
            "party": self.party.to_string(),
            "sha256": self.sha256.to_string(),
            "not_after": self.not_after.rfc3339(),
            "days_left": self.days_left(now),
            "renewal": self.renewal.as_str(),
            "renew_at": (self.renewal == Renewal::Automatic).then(|| self.renew_at().rfc3339()),
            "warning_days": self.warning(now),
        })
    }
}

/// Two bytes of the certificate's digest.
pub(super) fn spread(sha256: &Digest) -> u16 {
    match sha256.as_bytes() {
        [one, two, ..] => u16::from_be_bytes([*one, *two]),
    }
}

/// Every certificate in use here.
#[derive(Debug, Default)]
pub struct Certificates(Mutex<BTreeMap<(&'static str, String), Standing>>);

impl Certificates {
    /// Puts one in the place of its predecessor.
    pub fn put(&self, one: Standing) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((one.role.as_str(), one.party.to_string()), one);
    }

    /// All of them, by role and name.
    #[must_use]
    pub fn all(&self) -> Vec<Standing> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }

    /// For `/status`.
    pub(crate) fn json(&self, now: Timestamp) -> Value {
        self.all().iter().map(|one| one.json(now)).collect()
    }

    /// Says each warning once.
    pub(crate) fn warn(&self, facts: &crate::facts::Facts, now: Timestamp) {
        for one in self.all() {
            let subject = format!("certificate {} {}", one.role, one.party);
            let Some(days) = one.warning(now) else {
                facts.over(&subject);
                continue;
            };
            if !facts.first(&format!("{subject} {} {days}", one.sha256)) {
                continue;
            }
            let (role, party, until) = (one.role, &one.party, one.not_after.rfc3339());
            let next = match one.renewal {
                Renewal::Automatic => "see why renewal fails (`/status`, TRAM-362)",
                Renewal::ByHand => "enrol the station, or replace the certificate by hand",
                Renewal::Foreign => {
                    "ask the authority that issued it for a new one and run `tram-node import`"
                }
            };
            match days {
                0 => {
                    tracing::error!(code = "TRAM-361", %role, %party, until, next, "certificate has ended")
                }
                1..=7 => {
                    tracing::error!(code = "TRAM-360", %role, %party, until, days, next, "certificate ends within days")
                }
                _ => {
                    tracing::warn!(code = "TRAM-360", %role, %party, until, days, next, "certificate will end")
                }
            }
        }
    }
}

/// Days before the end on which somebody is told.
const WARN_DAYS: [i64; 5] = [1, 7, 14, 30, 60];
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(renewal: Renewal) -> Standing {
        let not_before = Timestamp::from_unix_ms(1_700_000_000_000);
        Standing {
            role: Role::StationTls,
            party: Party::Station("node-1.tram.test".parse().unwrap()),
            sha256: Digest::of(b"certificate"),
            not_before,
            not_after: not_before.plus_ms(120 * DAY_MS),
            renewal,
        }
    }

    #[test]
    fn a_certificate_that_nobody_renews_is_announced_60_30_14_7_and_1_days_before_its_end() {
        let one = standing(Renewal::Foreign);
        let left = |days: i64| one.warning(one.not_after.minus_ms(days * DAY_MS));
        let said: Vec<Option<i64>> = [61, 60, 31, 30, 15, 14, 8, 7, 2, 1, 0].map(left).to_vec();
        let days = [60, 60, 30, 30, 14, 14, 7, 7, 1, 1].map(Some);
        assert_eq!(said[0], None);
        assert_eq!(said[1..], days);
        assert_eq!(one.warning(one.not_after.plus_ms(1)), Some(0));
    }

    #[test]
    fn one_that_renews_itself_is_not_worth_a_word_until_that_failed_for_long() {
        let one = standing(Renewal::Automatic);
        assert_eq!(one.warning(one.not_after.minus_ms(60 * DAY_MS)), None);
        assert_eq!(one.warning(one.renew_at().plus_ms(DAY_MS)), None);
        assert_eq!(one.warning(one.not_after.minus_ms(14 * DAY_MS)), Some(14));
        assert_eq!(one.warning(one.not_after.plus_ms(DAY_MS)), Some(0));
    }

    #[test]
    fn renewal_lies_between_two_thirds_and_three_quarters_of_a_life() {
        let one = standing(Renewal::Automatic);
        let at = one.renew_at().minus(one.not_before);
        assert!((80 * DAY_MS..=90 * DAY_MS).contains(&at));
    }
}
