//! Freshness: until when the trust data held may be used: one window for the revocation list of each
//! authority, one for the trust list. Computed once for a snapshot (it verifies the lists' signatures) and
//! asked for each decision. Judged along a certificate's path, so one province's authority that falls
//! silent does not stop the others. Must not know what is stopped.

use std::collections::HashMap;

use formats::id::Digest;
use formats::record::TrustList;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::chain::Validator;
use pki::revoke::Crl;

use crate::alarm::{Code, Found, Level, Window};

/// The windows of one snapshot.
#[derive(Debug)]
pub struct Freshness {
    /// By the digest of the authority's key.
    lists: HashMap<Digest, Held>,
    trust_list: Window,
}

/// What is held of one authority.
#[derive(Debug)]
struct Held {
    authority: String,
    /// `None`: no list.
    window: Option<Window>,
}

impl Held {
    fn until(&self) -> Timestamp {
        self.window.map_or(NEVER, |window| window.until)
    }

    fn found(&self, level: Level) -> Found {
        Found {
            code: Code::Revocation,
            subject: self.authority.clone(),
            level,
            until: self.window.map(|window| window.until),
            detail: self.window.is_none().then(|| "no list is held".to_owned()),
        }
    }
}

impl Freshness {
    pub(super) fn of(validator: &Validator, trust: &TrustList) -> Self {
        let window_ms = trust.windows.revocation_s.saturating_mul(1_000);
        let window_ms = i64::try_from(window_ms).unwrap_or(i64::MAX);
        let authorities: Vec<&Certificate> = validator.authorities().collect();
        let mut lists = HashMap::with_capacity(authorities.len());
        for authority in &authorities {
            let newest = newest_list(validator.crls(), authority, &authorities);
            let window = newest.map(|crl| Window {
                from: crl.this_update(),
                // Without nextUpdate a list is never fresh.
                until: crl
                    .next_update()
                    .unwrap_or_else(|| crl.this_update())
                    .plus_ms(window_ms),
            });
            let held = Held {
                authority: authority.subject(),
                window,
            };
            lists.insert(Digest::of(authority.spki_der()), held);
        }
        Self {
            lists,
            trust_list: Window {
                from: trust.issued,
                until: trust.not_after.plus_ms(window_ms),
            },
        }
    }

    /// Until when the data about this path (root first, own certificate last) may be used.
    #[must_use]
    pub fn until(&self, path: &[Certificate]) -> Timestamp {
        let lists = issuers(path).map(|issuer| {
            let held = self.lists.get(&Digest::of(issuer.spki_der()));
            held.map_or(NEVER, Held::until)
        });
        lists.fold(self.trust_list.until, Ord::min)
    }

    /// Why nothing may rest on this path at `now`.
    #[must_use]
    pub fn stopped(&self, path: &[Certificate], now: Timestamp) -> Option<Found> {
        if self.until(path) >= now {
            return None;
        }
        if now > self.trust_list.until {
            return Some(self.trust_list(Level::Stopped));
        }
        issuers(path).find_map(|issuer| {
            match self.lists.get(&Digest::of(issuer.spki_der())) {
                Some(held) => (now > held.until()).then(|| held.found(Level::Stopped)),
                // Came along with the peer and is not in our records: then neither is its list.
                None => Some(Found {
                    code: Code::Revocation,
                    subject: issuer.subject(),
                    level: Level::Stopped,
                    until: None,
                    detail: Some("neither the authority nor its list is in the records".to_owned()),
                }),
            }
        })
    }

    /// What is at half of its window or past it.
    #[must_use]
    pub fn found(&self, now: Timestamp) -> Vec<Found> {
        let mut all: Vec<Found> = self
            .lists
            .values()
            .filter_map(|held| {
                let level = match held.window {
                    Some(window) => window.level(now)?,
                    None => Level::Stopped,
                };
                Some(held.found(level))
            })
            .collect();
        let trust = self.trust_list.level(now);
        all.extend(trust.map(|level| self.trust_list(level)));
        all
    }

    /// Whether anything is past its window.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        now > self.trust_list.until || self.lists.values().any(|held| now > held.until())
    }

    fn trust_list(&self, level: Level) -> Found {
        Found {
            code: Code::TrustList,
            subject: "trust list".to_owned(),
            level,
            until: Some(self.trust_list.until),
            detail: None,
        }
    }
}

/// The authorities of a path: each certificate but the last has issued the next one.
fn issuers(path: &[Certificate]) -> impl Iterator<Item = &Certificate> {
    path.iter().take(path.len().saturating_sub(1))
}

/// The newest list of this authority, signed by its key or by another one of the same name.
fn newest_list<'c>(
    crls: &'c [Crl],
    authority: &Certificate,
    authorities: &[&Certificate],
) -> Option<&'c Crl> {
    let name = authority.subject();
    let keys: Vec<&&Certificate> = authorities
        .iter()
        .filter(|other| other.subject() == name)
        .collect();
    crls.iter()
        .filter(|crl| keys.iter().any(|key| crl.verify(key).is_ok()))
        .max_by_key(|crl| crl.this_update())
}

/// Before every time: data that is not there cannot be used.
const NEVER: Timestamp = Timestamp::from_unix_ms(i64::MIN);
