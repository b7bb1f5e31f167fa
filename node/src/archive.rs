//! The archive: proof packages for decades (RFC 4998). Some days after the last recipient of a document became
//! final its proof package is made once more and put under an evidence record, many packages under one time-stamp;
//! before a certificate or an algorithm under it ends, the record is renewed.
//!
//! Runs only where `[archive]` is set. A clock in doubt archives and renews nothing. What cannot be done is an alarm
//! (TRAM-359) and is tried again at the next look. Content may be deleted after its package lies here, not before.
//! Must not know how a time-stamp is got or a package is made.

pub(crate) mod files;
pub(crate) mod shelf;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;
use pki::ers::{Ends, Hash};
use pki::pdf::Anchors;
use relay::alarm::{Code, Found, Level};
use relay::store::Change;

use crate::desk::core::Core;
use crate::evidence::Contents;
use crate::fault::DeskError;
use crate::store::archive::{self as rows, Archived};
use crate::store::commit::desk_rows;
use crate::view::{as_text_time, as_text_time_option};
use shelf::{Shelf, Stamp, Trouble, Trust};

/// `[archive]` of the configuration.
#[derive(Clone, Debug)]
pub struct ArchiveSettings {
    /// Days after the last final state.
    pub days: u32,
    /// A record is renewed this many days before it ends.
    pub margin_days: u32,
    /// The digest that records begin with.
    pub hash: Hash,
    /// Until when algorithms count.
    pub ends: Ends,
    /// Roots that are believed beside those of the network: retired ones, foreign authorities.
    pub anchors: Anchors,
}

/// The archive of a running node.
#[derive(Debug)]
pub(crate) struct Archive {
    settings: ArchiveSettings,
    shelf: Shelf,
    troubles: Mutex<Vec<Trouble>>,
    /// Look now.
    pub(crate) wake: tokio::sync::Notify,
}

impl Archive {
    pub(crate) fn open(
        folder: &std::path::Path,
        settings: ArchiveSettings,
    ) -> std::io::Result<Self> {
        Ok(Self {
            settings,
            shelf: Shelf::open(folder)?,
            troubles: Mutex::default(),
            wake: tokio::sync::Notify::new(),
        })
    }

    fn troubles(&self) -> Vec<String> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.iter().map(|one| one.why.clone()).collect()
    }

    /// Files of an archived document: its package and its newest record.
    pub(crate) fn files(&self, one: &Archived) -> (PathBuf, PathBuf) {
        let document = one.document.to_string();
        (
            self.shelf.package(&document),
            self.shelf.record(&document, one.record),
        )
    }
}

/// One archived package, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub struct ArchivedView {
    /// The document.
    pub document: String,
    /// When it was archived.
    #[serde(serialize_with = "as_text_time")]
    pub archived: Timestamp,
    /// The package's file.
    pub package: String,
    /// The newest record's file.
    pub record: String,
    /// How many times the record was renewed.
    pub renewals: u32,
    /// Digest of its newest chain.
    pub hash: String,
    /// Its newest time-stamp.
    #[serde(serialize_with = "as_text_time")]
    pub stamped: Timestamp,
    /// The authority of it.
    pub tsa: String,
    /// When its certificate, or an algorithm under it, ends.
    #[serde(serialize_with = "as_text_time")]
    pub renew_before: Timestamp,
}

/// The archive in a few figures.
#[derive(Clone, Debug, Serialize)]
pub struct ArchiveSummary {
    /// Whether this node archives.
    pub on: bool,
    /// Packages of all agencies here.
    pub count: u64,
    /// When the first of them must be renewed.
    #[serde(serialize_with = "as_text_time_option")]
    pub first_end: Option<Timestamp>,
    /// What an operator must mend.
    pub troubles: Vec<String>,
}

/// The archive, as one agency sees it.
#[derive(Clone, Debug, Serialize)]
pub struct ArchiveView {
    /// Of all agencies.
    #[serde(flatten)]
    pub summary: ArchiveSummary,
    /// Packages of the agency, the first to end first; at most 500.
    pub packages: Vec<ArchivedView>,
}

/// What the archive holds.
pub(crate) async fn summary(core: &Core) -> Result<ArchiveSummary, DeskError> {
    let (count, first_end) = rows::count(&core.reader()).await?;
    let troubles = core.archive.as_ref().map(Archive::troubles);
    Ok(ArchiveSummary {
        on: core.archive.is_some(),
        count,
        first_end,
        troubles: troubles.unwrap_or_default(),
    })
}

/// What the archive holds of an agency.
pub(crate) async fn view(core: &Core, agency: &AgencyCode) -> Result<ArchiveView, DeskError> {
    let summary = summary(core).await?;
    let packages = match &core.archive {
        None => Vec::new(),
        Some(archive) => {
            let own = rows::of_agency(&core.reader(), agency, LISTED_MAX).await?;
            own.iter().map(|one| shown(archive, one)).collect()
        }
    };
    Ok(ArchiveView { summary, packages })
}

fn shown(archive: &Archive, one: &Archived) -> ArchivedView {
    let (package, record) = archive.files(one);
    ArchivedView {
        document: one.document.to_string(),
        archived: one.archived,
        package: package.display().to_string(),
        record: record.display().to_string(),
        renewals: one.record.saturating_sub(1),
        hash: one.hash.clone(),
        stamped: one.stamped,
        tsa: one.tsa.clone(),
        renew_before: one.renew_before,
    }
}

/// Looks now and then until told to stop.
pub(crate) async fn keep(core: Weak<Core>, stop: CancellationToken) {
    loop {
        let Some(held) = core.upgrade() else { return };
        let Some(archive) = &held.archive else { return };
        if !held.station().clock_unsure() {
            look(&held, archive).await;
        }
        tokio::select! {
            () = tokio::time::sleep(PACE) => {}
            () = archive.wake.notified() => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One look: what is due is renewed first, then what is final is archived.
async fn look(core: &Core, archive: &Archive) {
    let now = core.now();
    let trust = trust(core, archive);
    let stamp = |hash, imprint: Vec<u8>| {
        async move {
            let tsa = core.tsa.as_ref();
            let tsa = tsa.ok_or_else(|| "no time-stamp authority is configured".to_owned())?;
            tsa.over(hash, &imprint).await.map(|found| found.token)
        }
        .boxed()
    };
    let mut troubles = Vec::new();
    let told = |why: String| Trouble {
        packages: 0,
        until: now,
        why,
    };
    match renew(core, archive, &trust, &stamp).await {
        Ok(found) => troubles.extend(found),
        Err(error) => troubles.push(told(error.to_string())),
    }
    if let Err(error) = add(core, archive, &trust, &stamp).await {
        troubles.push(told(error));
    }
    core.station().report(Code::Archive, alarms(&troubles, now));
    *archive
        .troubles
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = troubles;
}

fn trust(core: &Core, archive: &Archive) -> Trust {
    let validator = core.station().directory().validator();
    let all: Vec<_> = validator.authorities().cloned().collect();
    let (roots, certificates): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(pki::cert::Certificate::is_self_issued);
    Trust {
        anchors: archive.settings.anchors.clone().with(roots),
        certificates,
        ends: archive.settings.ends.clone(),
    }
}

async fn renew(
    core: &Core,
    archive: &Archive,
    trust: &Trust,
    stamp: &Stamp<'_>,
) -> Result<Vec<Trouble>, DeskError> {
    let now = core.now();
    let due = now.plus_ms(i64::from(archive.settings.margin_days) * DAY_MS);
    let mut troubles = Vec::new();
    loop {
        let found = rows::to_renew(&core.reader(), due, BATCH_MAX).await?;
        if found.is_empty() {
            return Ok(troubles);
        }
        let whole = found.len();
        let renewed = archive.shelf.renew(found, now, due, trust, stamp).await;
        let (renewed, broken) = renewed;
        let progress = renewed.iter().filter(|one| one.renew_before >= due).count();
        commit(core, renewed).await?;
        troubles.extend(broken);
        // What could not be renewed comes first again: the rest is tried at the next look.
        if progress < whole {
            return Ok(troubles);
        }
    }
}

async fn add(
    core: &Core,
    archive: &Archive,
    trust: &Trust,
    stamp: &Stamp<'_>,
) -> Result<(), String> {
    let text = |error: DeskError| error.to_string();
    let now = core.now();
    let before = now.minus_ms(i64::from(archive.settings.days) * DAY_MS);
    loop {
        let found = rows::to_archive(&core.reader(), before, BATCH_MAX).await;
        let found = found.map_err(text)?;
        if found.is_empty() {
            return Ok(());
        }
        let mut new = Vec::with_capacity(found.len());
        for (document, agency) in found {
            new.push(
                packed(core, archive, document, agency, now)
                    .await
                    .map_err(text)?,
            );
        }
        let hash = archive.settings.hash;
        let begun = archive.shelf.begin(hash, new, trust, stamp).await?;
        commit(core, begun).await.map_err(text)?;
    }
}

/// The proof package as a file of the archive.
async fn packed(
    core: &Core,
    archive: &Archive,
    document: EnvelopeId,
    agency: AgencyCode,
    now: Timestamp,
) -> Result<Archived, DeskError> {
    let path = archive.shelf.package(&document.to_string());
    // Whole, if it is there: of a look whose time-stamp did not come.
    let package_bytes = match tokio::fs::metadata(&path).await {
        Ok(found) => found.len(),
        Err(_) => {
            let made = crate::evidence::package(core, &agency, document, Contents::Packet).await?;
            let copy = move || files::copy(&path, made.body.reader()?);
            let copied = tokio::task::spawn_blocking(copy).await;
            copied.map_err(|error| DeskError::Internal(error.to_string()))??
        }
    };
    Ok(Archived {
        document,
        agency,
        archived: now,
        package_bytes,
        record: 0,
        hash: String::new(),
        stamped: now,
        tsa: String::new(),
        certificate_end: now,
        algorithm: None,
        renew_before: now,
    })
}

async fn commit(core: &Core, renewed: Vec<Archived>) -> Result<(), DeskError> {
    if renewed.is_empty() {
        return Ok(());
    }
    let write = desk_rows(move |desk, _| {
        for one in &renewed {
            rows::put(desk, one);
        }
        Ok(())
    });
    core.station()
        .commit(Change::with_desk(Vec::new(), write))
        .await?;
    Ok(())
}

/// A warning until the first package ends, then more.
fn alarms(troubles: &[Trouble], now: Timestamp) -> Vec<Found> {
    let alarm = |one: &Trouble| Found {
        code: Code::Archive,
        subject: match one.packages {
            0 => "archive".to_owned(),
            packages => format!("archive ({packages})"),
        },
        level: if one.packages > 0 && one.until < now {
            Level::Stopped
        } else {
            Level::Warning
        },
        until: (one.packages > 0).then_some(one.until),
        detail: Some(one.why.clone()),
    };
    troubles.iter().take(ALARMS_MAX).map(alarm).collect()
}

/// What is due is due for weeks.
const PACE: Duration = Duration::from_secs(3_600);
const DAY_MS: i64 = 24 * 3_600_000;
/// Packages under one time-stamp.
const BATCH_MAX: u32 = 1_000;
const LISTED_MAX: u32 = 500;
/// Alarms of the archive at once; the list in the view has all.
const ALARMS_MAX: usize = 16;
