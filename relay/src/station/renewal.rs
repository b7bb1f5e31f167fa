//! Renewal of the station's own certificates while it runs.
//!
//! The order keeps every peer able to believe us: a new certificate is first kept, then named in the
//! station record beside the old one, and used only when that record has been public for a while.
//! New handshakes then show the new TLS certificate, new checkpoints are signed by the new evidence
//! certificate; links and statements made with the old ones go on, because the record still names
//! those. Each step is found again after a crash. Fails by trying again. Must not know: agencies.

use std::sync::Arc;
use std::time::Duration;

use formats::id::Digest;
use formats::record::{self, NoteKey, Record};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::enrol::Renew;
use pki::role::Role;

use super::core::Core;
use super::pulling::Authority;
use crate::authority::client::ClientError;
use crate::authority::publish::{self, InLog, InUse, Pen};
use crate::authority::renew::{Slot, Stage, fitting};
use crate::backoff;
use crate::link::driver::Port;

/// Looks after the certificates until the station stops; warns even where nobody renews.
pub(super) async fn run(core: Arc<Core>, port: Port) {
    let mut failures = 0_u32;
    let mut forced = false;
    loop {
        let outcome = match &core.authority {
            Some(authority) => round(&core, authority, &port, forced).await,
            None => Ok(core.config.timing.renew),
        };
        let pause = match outcome {
            Ok(pause) => {
                failures = 0;
                forced = false;
                core.facts.over("renewal ");
                pause
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if core.facts.first(&format!("renewal {error}")) {
                    tracing::warn!(code = "TRAM-362", error, "certificates not renewed yet");
                }
                let wait = backoff::AUTHORITY.delay_ms(failures, rand::random());
                Duration::from_millis(wait).max(core.config.timing.renew.min(LEAST))
            }
        };
        core.certificates.warn(&core.facts, core.clock.now());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = asked(&core) => forced = true,
            () = core.stop.cancelled() => return,
        }
    }
}

async fn asked(core: &Core) {
    match &core.authority {
        Some(authority) => authority.asked_to_renew().await,
        None => std::future::pending().await,
    }
}

/// One look; says when to look again.
async fn round(
    core: &Core,
    authority: &Authority,
    port: &Port,
    forced: bool,
) -> Result<Duration, String> {
    let now = core.clock.now();
    let slots = core.slots().map_err(in_words)?;
    adopt(core, port, &slots)?;
    ask(core, authority, &slots, now, forced).await?;
    announce(core, authority, &slots, now).await?;
    let mut waits = false;
    for slot in &slots {
        let Some(next) = slot.pair.next().map_err(in_words)? else {
            continue;
        };
        if !is_known(core, slot.role, &next, now) {
            waits = true;
            continue;
        }
        slot.pair.switch(None).map_err(in_words)?;
        adopt(core, port, &slots)?;
        let until = next.not_after().rfc3339();
        tracing::info!(role = %slot.role, sha256 = %next.sha256(), until, "certificate renewed");
        if slot.role == Role::StationEvidence {
            // The record lives as long as the certificate that signed it: the new one signs again.
            announce(core, authority, &slots, core.clock.now()).await?;
        }
    }
    let timing = core.config.timing;
    Ok(if waits {
        timing.overlap.min(timing.renew).max(LEAST)
    } else {
        timing.renew
    })
}

/// Takes over what lies on disk, where it is not what is in use.
fn adopt(core: &Core, port: &Port, slots: &[Slot; 2]) -> Result<(), String> {
    let identity = core.tls.identity();
    let in_use = [
        identity.chain.first().map(Certificate::sha256),
        Some(core.evidence.signer().certificate.sha256()),
    ];
    let mut same = true;
    for (slot, in_use) in slots.iter().zip(in_use) {
        slot.pair.recover().map_err(in_words)?;
        let current = slot.pair.current().map_err(in_words)?;
        same &= current.map(|one| one.sha256()) == in_use;
    }
    if same {
        return Ok(());
    }
    core.adopt_identity().map_err(in_words)?;
    let server = core.tls.listening().map_err(in_words)?;
    if !core.stop.is_cancelled() {
        port.replace_server(server).map_err(in_words)?;
    }
    Ok(())
}

/// Asks for what is due.
async fn ask(
    core: &Core,
    authority: &Authority,
    slots: &[Slot; 2],
    now: Timestamp,
    forced: bool,
) -> Result<(), String> {
    let mut asking = Vec::new();
    let mut requests = Vec::new();
    for slot in slots {
        let current = slot.pair.current().map_err(in_words)?;
        let Some(current) = current else { continue };
        let renewal = core.renewal_of(&current, slot.role);
        if let Stage::Wants(request) = slot.stage(renewal, now, forced).map_err(in_words)? {
            asking.push(slot);
            requests.push(*request);
        }
    }
    if requests.is_empty() {
        return Ok(());
    }
    let wanted = Renew { requests };
    let identity = core.tls.identity();
    let issued = match authority.client().renew(&identity, &wanted).await {
        // Two persons must approve: not a failure, and no hurry.
        Err(ClientError::Waiting(why)) => {
            if core.facts.first(&format!("approval {why}")) {
                tracing::info!(why, "renewal waits for approval");
            }
            return Ok(());
        }
        answer => answer.map_err(in_words)?,
    };
    let certificates = fitting(&issued, asking.len()).map_err(in_words)?;
    let validator = core.directory.validator();
    for (slot, issued) in asking.iter().zip(certificates) {
        slot.take(issued, &validator, now).map_err(in_words)?;
    }
    Ok(())
}

/// Publishes the station record that the certificates on disk make true.
async fn announce(
    core: &Core,
    authority: &Authority,
    slots: &[Slot; 2],
    now: Timestamp,
) -> Result<(), String> {
    let Some(held) = held(core) else {
        return Err("no valid record of this station".to_owned());
    };
    let [tls, evidence] = slots;
    let in_use = |slot: &Slot| -> Result<InUse, String> {
        let current = slot.pair.current().map_err(in_words)?;
        let current = current.ok_or("a certificate of the station is missing")?;
        let next = slot.pair.next().map_err(in_words)?;
        Ok(InUse {
            current: current.sha256(),
            next: next.map(|one| one.sha256()),
        })
    };
    let (tls, evidence) = (in_use(tls)?, in_use(evidence)?);
    let signer = core.evidence.signer();
    let log = InLog {
        origin: core.evidence.origin.clone(),
        note_key: NoteKey::from_bytes(core.evidence.log_key.public()),
    };
    let next = publish::next_record(&held, &tls, &evidence, &log, &signer.certificate, now);
    let Some(next) = next else {
        return Ok(());
    };
    let pen = Pen {
        key: &signer.key,
        certificate: &signer.certificate,
    };
    let signed = pen.sign(&Record::Station(next), now).map_err(in_words)?;
    let identity = core.tls.identity();
    publish::publish(authority.client(), &identity, &core.config.records, &signed)
        .await
        .map_err(in_words)?;
    // Read at once: the next record counts on from this one.
    let directory = core.directory.clone();
    let polled = tokio::task::spawn_blocking(move || directory.poll(now)).await;
    polled.map_err(in_words)?.map(drop).map_err(in_words)
}

/// Our record in force; the folder may hold a newer one than the directory has read.
fn held(core: &Core) -> Option<record::Station> {
    let entry = core.directory.station(&core.name)?;
    Some(entry.record().clone())
}

/// Whether others have had the time to learn that this certificate is ours.
fn is_known(core: &Core, role: Role, next: &Certificate, now: Timestamp) -> bool {
    let snapshot = core.directory.snapshot();
    let Some(station) = snapshot.station(&core.name) else {
        return false;
    };
    let record = station.record();
    let names = |list: &[Digest]| list.contains(&next.sha256());
    let overlap = i64::try_from(core.config.timing.overlap.as_millis()).unwrap_or(i64::MAX);
    let told = record.issued.plus_ms(overlap) <= now;
    match role {
        Role::StationTls => told && names(&record.tls_sha256),
        // Its signatures are verified with the certificate itself, which must be published too.
        _ => {
            told && names(&record.evidence_sha256) && snapshot.certificate(&next.sha256()).is_some()
        }
    }
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Even tests do not look more often.
const LEAST: Duration = Duration::from_millis(100);
