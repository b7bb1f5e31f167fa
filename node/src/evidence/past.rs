//! The directory as it was: what it says now together with what was kept of it.
//!
//! Answers who spoke for an agency at a time and which records, certificates, authorities and lists show
//! it. What was kept had been verified when it came; whoever reads a package verifies it again. Fails when
//! a row is damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use formats::checkpoint::LogOrigin;
use formats::id::{AgencyCode, Digest, StationName};
use formats::record::{Attachment, Delegation, Record, Station};
use formats::statement::Statement;
use formats::time::Timestamp;
use pki::cert::Certificate;
use relay::directory::Snapshot;
use sqlx::SqlitePool;

use super::keep::{attachment_subject, delegation_subject, station_subject};
use crate::fault::DeskError;
use crate::store::kept::{self, Kind};

/// A record as it was signed.
type Signed = Arc<[u8]>;

/// The directory as it is and was, as far as some agencies and stations go.
pub(crate) struct Past {
    pool: SqlitePool,
    directory: Arc<Snapshot>,
    attachments: Vec<(Attachment, Signed)>,
    delegations: Vec<(Delegation, Signed)>,
    stations: Vec<(Station, Signed)>,
}

impl Past {
    /// What is known of these agencies and stations.
    pub(crate) async fn load(
        pool: SqlitePool,
        directory: Arc<Snapshot>,
        statements: &[&Statement],
    ) -> Result<Self, DeskError> {
        let mut past = Self {
            pool,
            directory,
            attachments: Vec::new(),
            delegations: Vec::new(),
            stations: Vec::new(),
        };
        let recipients = statements.iter().filter_map(|one| one.recipient.agency());
        let recipients: BTreeSet<&AgencyCode> = recipients.collect();
        let mut subjects = BTreeSet::new();
        for code in &recipients {
            subjects.insert(attachment_subject(code));
            let mut scope = Some((*code).clone());
            while let Some(here) = scope {
                subjects.insert(delegation_subject(&here));
                scope = here.parent();
            }
        }
        for one in statements {
            subjects.insert(station_subject(&one.station));
        }
        past.take(&subjects).await?;
        for one in statements {
            past.take_current(one);
        }
        let parents = past.delegations.iter();
        let parents = parents.map(|(one, _)| attachment_subject(&one.parent));
        past.take(&parents.collect()).await?;
        Ok(past)
    }

    async fn take(&mut self, subjects: &BTreeSet<String>) -> Result<(), DeskError> {
        for row in kept::about(&self.pool, Kind::Record, subjects).await? {
            self.add(row.bytes);
        }
        Ok(())
    }

    /// What the directory says now about a statement's station and recipient.
    fn take_current(&mut self, statement: &Statement) {
        let directory = Arc::clone(&self.directory);
        if let Some(entry) = directory.station(&statement.station) {
            self.add(Arc::clone(&entry.signed));
        }
        let Some(recipient) = statement.recipient.agency() else {
            return;
        };
        if let Some((_, signed)) = directory.attachment(recipient, statement.time) {
            self.add(signed);
        }
        if let Some((one, signed)) = directory.signed_delegation(recipient, statement.time) {
            self.add(signed);
            if let Some((_, signed)) = directory.attachment(&one.parent, statement.time) {
                self.add(signed);
            }
        }
    }

    fn add(&mut self, signed: Signed) {
        let Ok(opened) = pki::record::open(&signed) else {
            return;
        };
        match opened.record {
            Record::Attachment(one) => add_once(&mut self.attachments, one, signed),
            Record::Delegation(one) => add_once(&mut self.delegations, one, signed),
            Record::Station(one) => add_once(&mut self.stations, one, signed),
            Record::Agencies(_) | Record::TrustList(_) => {}
        }
    }

    /// Whether the station of this statement may make it: final facts are the home station's to say.
    pub(crate) fn may_state(&self, statement: &Statement) -> bool {
        let Some(recipient) = statement.recipient.agency() else {
            return false;
        };
        !statement.event.only_home_says()
            || self
                .home(recipient, statement.time)
                .is_some_and(|(station, _)| station == statement.station)
    }

    /// The home station of an agency at a time, and the records that show it.
    pub(super) fn home(
        &self,
        agency: &AgencyCode,
        at: Timestamp,
    ) -> Option<(StationName, Vec<Signed>)> {
        if let Some((one, signed)) = self.attached(agency, at) {
            return Some((one.station.clone(), vec![Arc::clone(signed)]));
        }
        let reaching = |(one, _): &&(Delegation, Signed)| {
            agency.is_within(&one.scope) && one.from <= at && at < one.not_after
        };
        let (delegation, signed) = self
            .delegations
            .iter()
            .filter(reaching)
            .max_by_key(|(one, _)| (one.scope.as_str().len(), one.sequence))?;
        let (parent, of_parent) = self.attached(&delegation.parent, at)?;
        let records = vec![Arc::clone(signed), Arc::clone(of_parent)];
        Some((parent.station.clone(), records))
    }

    fn attached(&self, agency: &AgencyCode, at: Timestamp) -> Option<&(Attachment, Signed)> {
        self.attachments
            .iter()
            .filter(|(one, _)| one.agency == *agency && one.from <= at && at < one.not_after)
            .max_by_key(|(one, _)| one.sequence)
    }

    /// The station's record that names this certificate: of this log if there is one, the newest of several.
    /// A record of another epoch names the same keys.
    pub(super) fn station(&self, origin: &LogOrigin, evidence: Option<&Digest>) -> Option<Signed> {
        let named = |(one, _): &&(Station, Signed)| {
            one.name == *origin.station()
                && evidence.is_none_or(|digest| one.evidence_sha256.contains(digest))
        };
        self.stations
            .iter()
            .filter(named)
            .max_by_key(|(one, _)| (one.log_origin == *origin, one.sequence))
            .map(|(_, signed)| Arc::clone(signed))
    }

    /// A certificate by its digest, of now or then.
    pub(super) async fn certificate(
        &self,
        digest: &Digest,
    ) -> Result<Option<Certificate>, DeskError> {
        if let Some(found) = self.directory.certificate(digest) {
            return Ok(Some(found));
        }
        let subject = BTreeSet::from([digest.to_string()]);
        let rows = kept::about(&self.pool, Kind::Certificate, &subject).await?;
        Ok(rows
            .first()
            .and_then(|row| Certificate::parse(&row.bytes).ok()))
    }

    /// The authorities above these certificates.
    pub(super) async fn authorities<'c>(
        &self,
        below: impl Iterator<Item = &'c Certificate>,
    ) -> Result<Vec<Certificate>, DeskError> {
        let rows = kept::authorities(&self.pool).await?;
        let kept = rows
            .iter()
            .filter_map(|row| Certificate::parse(&row.bytes).ok());
        let validator = self.directory.validator();
        let mut known: BTreeMap<Digest, Certificate> = BTreeMap::new();
        for one in kept.chain(validator.authorities().cloned()) {
            known.insert(one.sha256(), one);
        }
        let mut wanted: BTreeSet<String> = below.map(Certificate::issuer).collect();
        let mut found: BTreeMap<Digest, Certificate> = BTreeMap::new();
        loop {
            let above = known.values().filter(|one| wanted.contains(&one.subject()));
            let above: Vec<Certificate> = above.cloned().collect();
            let before = found.len();
            for one in above {
                wanted.insert(one.issuer());
                found.insert(one.sha256(), one);
            }
            if found.len() == before {
                return Ok(found.into_values().collect());
            }
        }
    }

    /// Of each of these issuers the list in force at each time, the first one after it, and the newest.
    pub(super) async fn lists(
        &self,
        issuers: &BTreeSet<String>,
        times: &BTreeSet<Timestamp>,
    ) -> Result<Vec<Signed>, DeskError> {
        let validator = self.directory.validator();
        let mut found: BTreeMap<Digest, Signed> = BTreeMap::new();
        for issuer in issuers {
            let mut rows = kept::lists(&self.pool, issuer).await?;
            let mut now: BTreeMap<Digest, Signed> = BTreeMap::new();
            for crl in validator
                .crls()
                .iter()
                .filter(|crl| crl.issuer() == *issuer)
            {
                let Some(ends) = crl.next_update() else {
                    continue;
                };
                let digest = Digest::of(crl.der());
                now.insert(digest, crl.der().into());
                let begins = crl.this_update();
                if rows.iter().all(|row| row.digest != digest) {
                    rows.push(kept::ListRow {
                        digest,
                        begins,
                        ends,
                    });
                }
            }
            rows.sort_by_key(|row| row.begins);
            let mut wanted: BTreeSet<Digest> =
                rows.last().map(|row| row.digest).into_iter().collect();
            for time in times {
                let mut before = rows.iter().rev().filter(|row| row.begins <= *time);
                let in_force = before.find(|row| row.ends >= *time);
                let after = rows.iter().find(|row| row.begins > *time);
                wanted.extend(in_force.into_iter().chain(after).map(|row| row.digest));
            }
            for digest in wanted {
                let bytes = match now.get(&digest) {
                    Some(bytes) => Arc::clone(bytes),
                    None => kept::bytes(&self.pool, digest).await?,
                };
                found.insert(digest, bytes);
            }
        }
        Ok(found.into_values().collect())
    }
}

fn add_once<T>(all: &mut Vec<(T, Signed)>, one: T, signed: Signed) {
    if all.iter().all(|(_, known)| *known != signed) {
        all.push((one, signed));
    }
}
