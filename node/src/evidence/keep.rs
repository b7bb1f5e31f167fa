//! Keeps the trust data of the time. The directory holds the newest of everything: a list replaces a list, a
//! record its predecessor, a renewed certificate the old one. A package made years later needs those that
//! were in force when its document travelled, so they are kept by content as they come.
//!
//! Kept are one list of each authority a day (half its life where that is shorter: so one is in force at
//! every moment), the trust list, the authorities, and records and certificates of those who speak in
//! packages: ourselves, the relays, and the recipients of documents with their home stations. The
//! directory has verified them. Runs beside the traffic, after a change of the directory and once
//! a minute; what fails is done at the next look. What ended before the oldest document is
//! forgotten.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use formats::id::{AgencyCode, Digest, StationName};
use formats::limits;
use formats::record::Record;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::revoke::Crl;
use relay::directory::{Snapshot, StationKind};
use relay::store::Change;

use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::store::commit::desk_rows;
use crate::store::kept::{self, Kept, Kind};

/// What is known between two looks.
struct Keeper {
    place: kept::Place,
    agencies: BTreeSet<AgencyCode>,
    /// As of the last look: whoever was asked for meanwhile was asked for in it.
    last: Arc<Snapshot>,
    /// Of the directory's version that was looked at.
    seen: Option<Timestamp>,
    pruned: Option<Timestamp>,
}

/// Looks whenever the directory changes, and once a minute, until told to stop.
pub(crate) async fn keep(core: Weak<Core>, stop: CancellationToken) {
    let Some(first) = core.upgrade() else { return };
    let mut changes = first.station().directory().changes();
    let snapshot = first.station().directory().snapshot();
    let Some(mut keeper) = Keeper::open(&first, snapshot).await else {
        return;
    };
    drop(first);
    loop {
        {
            let Some(core) = core.upgrade() else { return };
            if let Err(error) = keeper.look(&core).await {
                tracing::warn!(%error, "keeping trust data waits for the next look");
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(PACE) => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Keeper {
    async fn open(core: &Core, last: Arc<Snapshot>) -> Option<Self> {
        let place = match kept::place(&core.reader()).await {
            Ok(place) => place,
            Err(error) => {
                tracing::error!(%error, "trust data of the time cannot be read and is not kept");
                return None;
            }
        };
        let codes = place.records.iter();
        let codes = codes.filter_map(|subject| subject.strip_prefix(ATTACHMENT));
        Some(Self {
            agencies: codes
                .filter_map(|code| AgencyCode::parse(code).ok())
                .collect(),
            place,
            last,
            seen: None,
            pruned: None,
        })
    }

    async fn look(&mut self, core: &Core) -> Result<(), DeskError> {
        let mut news = false;
        loop {
            let (more, seq) = kept::recipients_after(&core.reader(), self.place.seq).await?;
            if seq == self.place.seq {
                break;
            }
            for code in more {
                news |= self.agencies.insert(code);
            }
            self.place.seq = seq;
        }
        let snapshot = core.station().directory().snapshot();
        let changed = self.seen != Some(snapshot.built());
        if !news && !changed {
            return Ok(());
        }
        let now = core.now();
        let own = Own::of(core);
        // Documents that left before the change rest on what was there before it.
        let before = Arc::clone(&self.last);
        let agencies = self.agencies.clone();
        let after = Arc::clone(&snapshot);
        let found = tokio::task::spawn_blocking(move || {
            let mut found = gather(&after, &agencies, &own, now);
            if !Arc::ptr_eq(&before, &after) {
                found.extend(gather(&before, &agencies, &own, now));
            }
            found
        });
        let found = found
            .await
            .map_err(|error| DeskError::Internal(error.to_string()))?;
        self.put(core, found).await?;
        self.seen = Some(snapshot.built());
        self.last = snapshot;
        self.prune(core, now).await
    }

    async fn put(&mut self, core: &Core, found: Vec<Kept>) -> Result<(), DeskError> {
        let mut new: Vec<Kept> = Vec::new();
        for row in found {
            if self.place.known.contains(&row.digest) || !self.is_due(&row) {
                continue;
            }
            if row.kind == Kind::List {
                self.place.lists.insert(row.subject.clone(), row.begins);
            }
            self.place.known.insert(row.digest);
            new.push(row);
        }
        let seq = self.place.seq;
        let mut rest = new.as_slice();
        loop {
            // The last commit notes the place, so a crash repeats and never skips.
            let (now, later) = rest.split_at(rest.len().min(ROWS));
            rest = later;
            let (rows, last) = (now.to_vec(), later.is_empty());
            let write = desk_rows(move |desk, _| {
                kept::put(desk, &rows);
                if last {
                    kept::put_place(desk, seq);
                }
                Ok(())
            });
            let done = core
                .station()
                .commit(Change::with_desk(Vec::new(), write))
                .await;
            if let Err(error) = done {
                // Everything is looked at again, from the database on.
                self.place = kept::place(&core.reader()).await?;
                self.seen = None;
                return Err(DeskError::from(error));
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Of a busy authority's hourly lists one a day is enough.
    fn is_due(&self, row: &Kept) -> bool {
        let last = self.place.lists.get(&row.subject);
        match (row.kind, last) {
            (Kind::List, Some(last)) => {
                let step = (row.ends.minus(row.begins) / 2).min(DAY_MS);
                row.begins.minus(*last) >= step
            }
            (Kind::List, None) | (Kind::Authority | Kind::Certificate | Kind::Record, _) => true,
        }
    }

    async fn prune(&mut self, core: &Core, now: Timestamp) -> Result<(), DeskError> {
        let recent = |pruned: Timestamp| now.minus(pruned) < DAY_MS;
        if self.pruned.is_some_and(recent) || core.station().clock_unsure() {
            return Ok(());
        }
        let oldest = kept::oldest_document(&core.reader()).await?;
        let before = oldest
            .unwrap_or(now)
            .min(now)
            .minus_ms(limits::LIFETIME_MS_MAX);
        let write = desk_rows(move |desk, _| {
            kept::prune(desk, before);
            Ok(())
        });
        core.station()
            .commit(Change::with_desk(Vec::new(), write))
            .await?;
        self.pruned = Some(now);
        Ok(())
    }
}

/// Who we are.
#[derive(Clone)]
struct Own {
    station: StationName,
    agencies: Vec<AgencyCode>,
    signers: Vec<Digest>,
}

impl Own {
    fn of(core: &Core) -> Self {
        let agencies: Vec<_> = core.agencies.all().collect();
        Self {
            station: core.station().name().clone(),
            agencies: agencies.iter().map(|agency| agency.code.clone()).collect(),
            signers: agencies
                .iter()
                .map(|agency| agency.signature_certificate.sha256())
                .collect(),
        }
    }
}

/// What one state of the directory says of those who matter. Verifies signatures: blocking.
fn gather(
    directory: &Snapshot,
    agencies: &BTreeSet<AgencyCode>,
    own: &Own,
    now: Timestamp,
) -> Vec<Kept> {
    let mut found = Vec::new();
    let mut stations = BTreeSet::from([own.station.clone()]);
    for code in agencies.iter().chain(&own.agencies) {
        if let Some((station, signed)) = directory.attachment(code, now) {
            found.extend(record(&signed));
            stations.insert(station);
        } else if let Some((delegation, signed)) = directory.signed_delegation(code, now) {
            found.extend(record(&signed));
            if let Some((station, signed)) = directory.attachment(&delegation.parent, now) {
                found.extend(record(&signed));
                stations.insert(station);
            }
        }
    }
    let relays = directory.stations().map(|entry| entry.record());
    let relays = relays.filter(|record| record.kind == StationKind::Relay);
    stations.extend(relays.map(|record| record.name.clone()).take(RELAYS));
    let mut signers = own.signers.clone();
    for station in &stations {
        if let Some(entry) = directory.station(station) {
            found.extend(record(&entry.signed));
            signers.extend(entry.record().evidence_sha256.iter().copied());
        }
    }
    found.extend(record(&directory.trust_list_signed()));
    let signers = signers
        .iter()
        .filter_map(|digest| directory.certificate(digest));
    found.extend(signers.map(|one| certificate(&one, Kind::Certificate)));
    let validator = directory.validator();
    let authorities: Vec<&Certificate> = validator.authorities().collect();
    found.extend(
        authorities
            .iter()
            .map(|one| certificate(one, Kind::Authority)),
    );
    let believed =
        |crl: &&Crl| !crl.is_delta() && authorities.iter().any(|one| crl.verify(one).is_ok());
    found.extend(validator.crls().iter().filter(believed).filter_map(list));
    found
}

pub(super) fn certificate(one: &Certificate, kind: Kind) -> Kept {
    Kept {
        digest: one.sha256(),
        kind,
        subject: match kind {
            Kind::Authority => one.subject(),
            Kind::Certificate | Kind::List | Kind::Record => one.sha256().to_string(),
        },
        begins: one.not_before(),
        ends: one.not_after(),
        bytes: one.der().into(),
    }
}

fn list(crl: &Crl) -> Option<Kept> {
    let bytes = u64::try_from(crl.der().len()).ok()?;
    (bytes <= limits::PROOF_MEMBER_BYTES_MAX).then_some(())?;
    Some(Kept {
        digest: Digest::of(crl.der()),
        kind: Kind::List,
        subject: crl.issuer(),
        begins: crl.this_update(),
        ends: crl.next_update()?,
        bytes: crl.der().into(),
    })
}

fn record(signed: &Arc<[u8]>) -> Option<Kept> {
    let record = pki::record::open(signed).ok()?.record;
    Some(Kept {
        digest: Digest::of(signed),
        kind: Kind::Record,
        subject: match &record {
            Record::Agencies(_) => return None,
            Record::Attachment(one) => attachment_subject(&one.agency),
            Record::Delegation(one) => delegation_subject(&one.scope),
            Record::Station(one) => station_subject(&one.name),
            Record::TrustList(_) => TRUST_LIST.to_owned(),
        },
        begins: record.issued(),
        ends: record.not_after(),
        bytes: Arc::clone(signed),
    })
}

pub(super) fn attachment_subject(code: &AgencyCode) -> String {
    format!("{ATTACHMENT}{code}")
}

pub(super) fn delegation_subject(scope: &AgencyCode) -> String {
    format!("delegation {scope}")
}

pub(super) fn station_subject(name: &StationName) -> String {
    format!("station {name}")
}

const ATTACHMENT: &str = "attachment ";
const TRUST_LIST: &str = "trust list";
const PACE: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 24 * 3_600_000;
/// Rows of one commit.
const ROWS: usize = 100;
/// Relays whose records are kept before anything came over them.
const RELAYS: usize = 1_000;
