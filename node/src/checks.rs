//! Signatures inside received PDF attachments: checked after delivery, one at a time, in the background.
//!
//! Nothing waits for this and nothing is refused by it (edXML model 2.8: check and report, do not block).
//! A restart begins at the oldest received document again and passes over what was checked with the same
//! anchors; what fails on the disk is left for that. The work takes at most half of the time, so that a
//! flood of arrivals is not slowed by it.

use std::fs::File;
use std::io::Cursor;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::time::Timestamp;
use pki::pdf::{self, Anchors, PdfReport};
use relay::store::Change;

use crate::body::Body;
use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::packet::{self, PacketError};
use crate::store::checks::{self, Candidate, Checked};
use crate::store::commit::desk_rows;
use crate::store::inbox;
use crate::view::{AttachmentView, FileCheck, InboxView};

/// What checks need: whom to believe, and a signal that something arrived.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    anchors: Anchors,
    arrived: Notify,
}

impl Checks {
    pub(crate) fn new(anchors: Anchors) -> Self {
        Self {
            anchors,
            arrived: Notify::new(),
        }
    }

    /// Something may be there to check.
    pub(crate) fn wake(&self) {
        self.arrived.notify_one();
    }
}

/// Checks what arrives until told to stop.
pub(crate) async fn keep(core: Weak<Core>, checks: Arc<Checks>, stop: CancellationToken) {
    let mut place = 0;
    loop {
        let Some(core) = core.upgrade() else { return };
        let passed = pass(&core, &mut place, &stop).await;
        drop(core);
        let more = match passed {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, "attachments wait for their check");
                false
            }
        };
        if stop.is_cancelled() {
            return;
        }
        if more {
            continue;
        }
        tokio::select! {
            () = checks.arrived.notified() => {}
            () = tokio::time::sleep(PACE) => {}
            () = stop.cancelled() => return,
        }
        // What arrives in a burst is read and written together.
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// The next few documents; whether there may be more.
async fn pass(core: &Core, place: &mut i64, stop: &CancellationToken) -> Result<bool, DeskError> {
    let candidates = checks::after(&core.reader(), *place, BATCH).await?;
    let more = !candidates.is_empty();
    let anchors = core.checks.anchors.digest();
    let mut all = Vec::new();
    for candidate in candidates {
        if stop.is_cancelled() {
            break;
        }
        let begun = Instant::now();
        document(core, &candidate, anchors, &mut all).await?;
        *place = candidate.seq;
        if !all.is_empty() {
            tokio::time::sleep(begun.elapsed().min(REST_MAX)).await;
        }
    }
    if all.is_empty() {
        return Ok(more);
    }
    let now = core.now();
    let write = desk_rows(move |desk, _| {
        checks::put(desk, &all, anchors, now);
        Ok(())
    });
    core.station()
        .commit(Change::with_desk(Vec::new(), write))
        .await?;
    Ok(more)
}

async fn document(
    core: &Core,
    candidate: &Candidate,
    anchors: Digest,
    all: &mut Vec<Checked>,
) -> Result<(), DeskError> {
    let wanted: Vec<&AttachmentView> = candidate
        .attachments
        .iter()
        .filter(|one| is_pdf(one))
        .take(FILES_MAX)
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let pool = core.reader();
    let done = checks::done(&pool, candidate.packet, anchors).await?;
    for one in wanted {
        if done.contains(&one.n) {
            continue;
        }
        let packet = core.packets.read(&pool, candidate.packet).await?;
        match check(core, packet, one.n).await {
            Ok(Some(report)) => all.push(Checked {
                packet: candidate.packet,
                attachment: one.n,
                report,
            }),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, file = one.n, "an attachment could not be checked");
            }
        }
    }
    Ok(())
}

/// Takes the attachment out and checks it, on a thread that may block.
async fn check(core: &Core, packet: Body, n: u32) -> Result<Option<PdfReport>, DeskError> {
    let (tmp, anchors, now) = (core.tmp.clone(), core.checks.anchors.clone(), core.now());
    let work = move || -> Result<Option<PdfReport>, PacketError> {
        let Some((_, file)) = packet::extract(&packet, n, &tmp)? else {
            return Ok(None);
        };
        Ok(Some(look(&file, &anchors, now)?))
    };
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| DeskError::Internal(error.to_string()))?;
    done.map_err(|error| match error {
        PacketError::Faults(_) => DeskError::Internal("the packet does not read".to_owned()),
        PacketError::Disk(error) => error.into(),
    })
}

fn look(file: &Body, anchors: &Anchors, now: Timestamp) -> std::io::Result<PdfReport> {
    Ok(match (file.in_memory(), file.path()) {
        (None, Some(path)) => pdf::check(File::open(path)?, file.bytes(), anchors, now),
        (bytes, _) => {
            let bytes = bytes.cloned().unwrap_or_default();
            pdf::check(Cursor::new(bytes), file.bytes(), anchors, now)
        }
    })
}

/// Whether an attachment calls itself a PDF, by type or by name.
fn is_pdf(file: &AttachmentView) -> bool {
    let name = file.file_name.to_ascii_lowercase();
    file.mime.eq_ignore_ascii_case("application/pdf") || name.ends_with(".pdf")
}

/// A received document with what is known of its attachments' signatures.
pub(crate) async fn item(
    core: &Core,
    owner: &AgencyCode,
    id: EnvelopeId,
) -> Result<InboxView, DeskError> {
    let pool = core.reader();
    let mut found = inbox::item(&pool, owner, id, core.now()).await?;
    let Ok(packet) = found.packet_digest.parse::<Digest>() else {
        return Ok(found);
    };
    if found.attachments.iter().any(is_pdf) {
        let mut known = checks::of(&pool, packet).await?;
        let documents = found.attachments.iter_mut().filter(|one| is_pdf(one));
        for one in documents.take(FILES_MAX) {
            one.signatures = Some(match known.remove(&one.n) {
                Some((report, at)) => FileCheck::of(report, at),
                None => FileCheck::pending(),
            });
        }
    }
    Ok(found)
}

/// How long nothing may be heard before a look is taken anyway.
const PACE: Duration = Duration::from_secs(60);
/// How long arrivals are gathered.
const GATHER: Duration = Duration::from_millis(200);
/// Documents in one commit.
const BATCH: u32 = 32;
/// The pause after a long check.
const REST_MAX: Duration = Duration::from_secs(2);
/// Attachments of one document that are checked; letters have one to ten.
const FILES_MAX: usize = 50;
