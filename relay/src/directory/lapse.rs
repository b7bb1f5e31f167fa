//! Lapse: which records end when, and which have ended without another in their place. An agency whose
//! attachment has ended is not unknown: it is known to have been there, so nothing about it is refused for
//! good. Must not know what is refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use formats::id::{AgencyCode, StationName};
use formats::record::{Record, Subject};
use formats::time::Timestamp;

use super::folder::Claim;
use crate::alarm::{Code, Found, Window};

/// The ends of one snapshot's records.
#[derive(Debug, Default)]
pub(crate) struct Lapses {
    /// Attachments: whose home they name, and their windows, out of force or not.
    homes: HashMap<StationName, Vec<(AgencyCode, Window)>>,
    /// Agencies without an attachment in force that had one.
    ended: HashMap<AgencyCode, StationName>,
    bundles: Vec<(u32, Window)>,
    stations: HashMap<StationName, Window>,
    /// The next end of a record in force.
    next: Option<Timestamp>,
}

impl Lapses {
    /// From the claims in force by subject, highest sequence first, and those that have ended.
    pub(super) fn of(subjects: &BTreeMap<Subject, Vec<Arc<Claim>>>, ended: &[&Arc<Claim>]) -> Self {
        let mut lapses = Self::default();
        for claims in subjects.values() {
            let Some(newest) = claims.first() else {
                continue;
            };
            lapses.note(&newest.record);
            let ends = claims
                .iter()
                .filter(|claim| !matches!(claim.record, Record::TrustList(_)));
            let next = ends.map(|claim| claim.record.not_after()).min();
            lapses.next = lapses.next.into_iter().chain(next).min();
        }
        let mut gone: BTreeMap<Subject, &Arc<Claim>> = BTreeMap::new();
        for claim in ended {
            let subject = claim.record.subject();
            if subjects.contains_key(&subject) {
                continue;
            }
            let newest = gone.entry(subject).or_insert(claim);
            if newest.record.sequence() < claim.record.sequence() {
                *newest = claim;
            }
        }
        for claim in gone.values() {
            lapses.note(&claim.record);
            if let Record::Attachment(attachment) = &claim.record {
                let (agency, station) = (attachment.agency.clone(), attachment.station.clone());
                lapses.ended.insert(agency, station);
            }
        }
        lapses
    }

    fn note(&mut self, record: &Record) {
        let window = Window {
            from: record.issued(),
            until: record.not_after(),
        };
        match record {
            Record::Agencies(bundle) => self.bundles.push((bundle.bundle, window)),
            Record::Attachment(attachment) => self
                .homes
                .entry(attachment.station.clone())
                .or_default()
                .push((attachment.agency.clone(), window)),
            Record::Station(station) => {
                self.stations.insert(station.name.clone(), window);
            }
            // A delegation that ends leaves the parent's attachment; the list has an alarm of its own.
            Record::Delegation(_) | Record::TrustList(_) => {}
        }
    }

    /// Whether a record in force has ended since.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    /// Whether this agency had an attachment whose time is over.
    pub(crate) fn has_ended(&self, agency: &AgencyCode) -> bool {
        self.ended.contains_key(agency)
    }

    /// What is at half of its window or past it and concerns this station: its own record, the attachments
    /// that name it, the bundles of the registry.
    pub(crate) fn found(&self, me: &StationName, now: Timestamp) -> Vec<Found> {
        let own = self
            .stations
            .get(me)
            .map(|window| (me.to_string(), *window));
        let homes = self.homes.get(me).into_iter().flatten();
        let homes = homes.map(|(agency, window)| (format!("attachment {agency}"), *window));
        let bundles = self.bundles.iter();
        let bundles = bundles.map(|(bundle, window)| (format!("agencies {bundle}"), *window));
        let all = own.into_iter().chain(homes).chain(bundles);
        all.filter_map(|(subject, window)| {
            Some(Found {
                code: Code::Records,
                subject,
                level: window.level(now)?,
                until: Some(window.until),
                detail: None,
            })
        })
        .collect()
    }
}
