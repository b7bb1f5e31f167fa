//! Renewal of the agencies' certificates while the node runs.
//!
//! An encryption key opens from the moment its certificate is here; a signature key signs only when
//! its certificate has been public for a while, so that nobody meets an unknown signer. The old
//! encryption pair stays beside the new one ([`crate::retire`] ends it), and the attachment, which
//! lives as long as the certificate that signed it, is signed again. Certificates of a foreign
//! authority are shown and never asked for. Every step is found again after a crash; what fails waits
//! for the next look. Must not know: the station's own certificates.

use std::sync::Weak;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_util::sync::CancellationToken;

use formats::id::{AgencyCode, Party};
use formats::record::{Attachment, Record};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::enrol::{Renew, Request};
use pki::pair::Pair;
use pki::role::Role;
use pki::sign::{Content, Embed, sign_detached};
use relay::authority::client::ClientError;
use relay::authority::publish::{Pen, publish};
use relay::authority::renew::{Slot, Stage, fitting};
use relay::authority::standing::Standing;
use relay::backoff;
use relay::station::Authority;

use crate::agency::{Agency, AgencyFiles};
use crate::desk::core::Core;
use crate::retire;

/// Looks after the certificates until told to stop.
pub(crate) async fn keep(core: Weak<Core>, stop: CancellationToken) {
    let mut failures = 0_u32;
    let mut forced = false;
    loop {
        let Some(strong) = core.upgrade() else { return };
        let usual = strong.station().timing().renew;
        let pause = match round(&strong, forced).await {
            Ok(pause) => {
                failures = 0;
                forced = false;
                pause
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    tracing::warn!(code = "TRAM-362", error, "certificates not renewed yet");
                }
                let wait = backoff::AUTHORITY.delay_ms(failures, rand::random());
                Duration::from_millis(wait).min(usual).max(LEAST)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = strong.renew.notified() => forced = true,
            () = stop.cancelled() => return,
        }
    }
}

/// One look; says when to look again.
async fn round(core: &Core, forced: bool) -> Result<Duration, String> {
    let now = core.now();
    let all: Vec<AgencyFiles> = core.agencies.files().cloned().collect();
    show(core);
    for files in &all {
        retire::older_pairs(core, files, now).await?;
    }
    let timing = core.station().timing();
    let authority = core.station().authority();
    let mut outcome = Ok(timing.renew);
    for files in &all {
        // One agency's trouble is not another's.
        match agency(core, authority, files, now, forced).await {
            Ok(waits) if waits && outcome.is_ok() => {
                outcome = Ok(timing.overlap.min(timing.renew).max(LEAST));
            }
            Ok(_) => {}
            Err(error) => outcome = Err(format!("{}: {error}", files.code)),
        }
    }
    show(core);
    outcome
}

/// What operators see of the agencies' certificates.
fn show(core: &Core) {
    let station = core.station();
    for files in core.agencies.files() {
        let (Some(agency), Ok(slots)) = (core.agencies.of(&files.code), slots(files)) else {
            continue;
        };
        let encryption = agency
            .encryption
            .first()
            .map(|(_, certificate)| certificate);
        let both = [Some(&agency.signature_certificate), encryption];
        for (slot, certificate) in slots.into_iter().zip(both) {
            if let Some(certificate) = certificate {
                let renewal = slot.renewal(station.renewal_of(certificate, slot.role));
                let standing = Standing::of(certificate, slot.role, slot.party, renewal);
                station.certificates().put(standing);
            }
        }
    }
}

/// One agency; whether something waits for its day.
async fn agency(
    core: &Core,
    authority: Option<&Authority>,
    files: &AgencyFiles,
    now: Timestamp,
    forced: bool,
) -> Result<bool, String> {
    let slots = slots(files)?;
    if core.agencies.is_behind(&files.code) {
        // Brought by a person (`tram-node import`), or put in place while nobody looked.
        core.agencies.reload(&files.code).map_err(in_words)?;
    }
    if let Some(authority) = authority {
        ask(core, authority, &files.code, &slots, now, forced).await?;
    }
    let mut waits = false;
    for slot in &slots {
        let Some(next) = slot.pair.next().map_err(in_words)? else {
            continue;
        };
        if !is_known(core, slot, &next)? {
            waits = true;
            continue;
        }
        let keep = kept_name(slot)?;
        slot.pair.switch(keep.as_deref()).map_err(in_words)?;
        core.agencies.reload(&files.code).map_err(in_words)?;
        let (role, until) = (slot.role, next.not_after().rfc3339());
        tracing::info!(agency = %files.code, %role, sha256 = %next.sha256(), until, "certificate renewed");
    }
    if let Some(authority) = authority {
        attach(core, authority, &files.code, now).await?;
    }
    Ok(waits)
}

fn slots(files: &AgencyFiles) -> Result<[Slot; 2], String> {
    let passphrase = files.passphrase().map_err(in_words)?;
    let slot = |role, pair: Pair| Slot {
        role,
        party: Party::Agency(files.code.clone()),
        pair,
        passphrase: passphrase.clone(),
    };
    Ok([
        slot(Role::AgencySignature, files.signature()),
        slot(Role::AgencyEncryption, files.encryption()),
    ])
}

/// Old encryption pairs stay, named after the certificate's serial number.
fn kept_name(slot: &Slot) -> Result<Option<String>, String> {
    if slot.role != Role::AgencyEncryption {
        return Ok(None);
    }
    let current = slot.pair.current().map_err(in_words)?;
    Ok(current.map(|certificate| certificate.serial_hex()))
}

/// Asks for what is due, each request proven by the agency's signature key.
async fn ask(
    core: &Core,
    authority: &Authority,
    code: &AgencyCode,
    slots: &[Slot],
    now: Timestamp,
    forced: bool,
) -> Result<(), String> {
    let station = core.station();
    let agency = core.agencies.of(code).ok_or("is not served here")?;
    let mut asking = Vec::new();
    let mut requests = Vec::new();
    for slot in slots {
        let Some(current) = slot.pair.current().map_err(in_words)? else {
            continue;
        };
        let renewal = station.renewal_of(&current, slot.role);
        if let Stage::Wants(mut request) = slot.stage(renewal, now, forced).map_err(in_words)? {
            request.proof = Some(proof(&agency, &request, now)?);
            asking.push(slot);
            requests.push(*request);
        }
    }
    if requests.is_empty() {
        return Ok(());
    }
    let wanted = Renew { requests };
    let answer = authority.client().renew(&station.identity(), &wanted).await;
    let issued = match answer {
        // Persons must approve: not a failure, and no hurry.
        Err(ClientError::Waiting(why)) => {
            tracing::info!(agency = %code, why, "renewal waits for approval");
            return Ok(());
        }
        answer => answer.map_err(in_words)?,
    };
    let validator = station.directory().validator();
    for (slot, issued) in asking
        .iter()
        .zip(fitting(&issued, asking.len()).map_err(in_words)?)
    {
        slot.take(issued, &validator, now).map_err(in_words)?;
    }
    // From here on the new encryption key opens too.
    core.agencies.reload(code).map_err(in_words)
}

fn proof(agency: &Agency, request: &Request, now: Timestamp) -> Result<String, String> {
    let statement = request.statement();
    let signed = sign_detached(
        &agency.signature_key,
        &agency.signature_certificate,
        Content::Renewal(&statement),
        now,
        Embed::Signer,
    );
    signed.map(|cms| STANDARD.encode(cms)).map_err(in_words)
}

/// Whether the certificate is public, and has been here long enough for others to learn it.
fn is_known(core: &Core, slot: &Slot, next: &Certificate) -> Result<bool, String> {
    let directory = core.station().directory();
    if directory.certificate(&next.sha256()).is_none() {
        return Ok(false);
    }
    let about = std::fs::metadata(slot.pair.next_certificate_file()).map_err(in_words)?;
    // A file from the future is as old as the clock was wrong: it waits no longer.
    let age = about.modified().map_err(in_words)?.elapsed();
    Ok(age.map_or(true, |age| age >= core.station().timing().overlap))
}

/// Signs the attachment again where it does not end with the certificate that signs now.
async fn attach(
    core: &Core,
    authority: &Authority,
    code: &AgencyCode,
    now: Timestamp,
) -> Result<(), String> {
    let station = core.station();
    let agency = core.agencies.of(code).ok_or("is not served here")?;
    let certificate = &agency.signature_certificate;
    let Some((home, signed)) = station.directory().snapshot().attachment(code, now) else {
        return Ok(());
    };
    let Record::Attachment(held) = pki::record::open(&signed).map_err(in_words)?.record else {
        return Ok(());
    };
    if home != *station.name() || held.not_after == certificate.not_after() {
        return Ok(());
    }
    let next = Record::Attachment(Attachment {
        sequence: held.sequence.saturating_add(1),
        issued: now.floor_s(),
        not_after: certificate.not_after(),
        ..held
    });
    let pen = Pen {
        key: &agency.signature_key,
        certificate,
    };
    let signed = pen.sign(&next, now).map_err(in_words)?;
    let folder = station.records_folder();
    publish(authority.client(), &station.identity(), folder, &signed)
        .await
        .map_err(in_words)?;
    station.look_at_records();
    Ok(())
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Even tests do not look more often.
const LEAST: Duration = Duration::from_millis(100);
