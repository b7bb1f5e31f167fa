//! Arrival → Opened → inbox: decrypt with the recipient's key, verify every binding, then one commit of
//! inbox row, statement and owed receipt.
//!
//! What is not for us is refused. What does not verify is set aside with the evidence of it, stated, and
//! never handed to anybody. What cannot be judged yet (a certificate that is on its way, a full disk) is
//! `Later`. Plaintext lives in memory or in a private temporary file until everything verified.

mod decrypt;
mod deliver;

use std::sync::Arc;

use futures_util::FutureExt;

use formats::header::Header;
use formats::id::{Digest, Party};
use formats::reason::Reason;
use formats::statement::Event;
use formats::time::Timestamp;
use pki::chain::{ChainError, VerifiedCert};
use pki::revoke::CrlReason;
use pki::role::Role;
use pki::sign::{Parsed, VerifyError, verify_header, verify_packet};
use relay::desk::Arrival;
use relay::directory::{Snapshot, UnknownSigner};
use relay::store::{Change, LegState, Move, StatementDraft};

use crate::agency::Agency;
use crate::body::Body;
use crate::desk::Topic;
use crate::desk::core::Core;
use crate::packet::{self, PacketError, ReadPacket};
use crate::store::commit::desk_write;
use crate::store::inbox::{self, NewItem};

/// What became of an arrival.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Its leg is final.
    Done,
    /// Cannot be judged yet; in words for the log.
    Later(String),
}

/// Why an arrival does not become a delivery.
#[derive(Debug)]
enum Trouble {
    /// It does not verify: kept and shown.
    Aside(Reason, String),
    /// Its time is over.
    Expired,
    /// Our stored copy is not what the header says: a good one is asked for.
    Damaged(String),
    /// Cannot be judged yet.
    Later(String),
    /// Not ours to open.
    Refuse(Reason),
}

/// Everything verified.
#[derive(Debug)]
struct Opened {
    body: Body,
    digest: Digest,
    salt: [u8; 32],
    signature: Vec<u8>,
    certificate: Digest,
    signed_at: Timestamp,
    stamped_at: Option<Timestamp>,
    read: ReadPacket,
}

/// Takes a sealed arrival to its final state.
pub(crate) async fn take(core: &Core, arrival: &Arrival) -> Verdict {
    let outcome = match open(core, arrival).await {
        Ok(opened) => deliver::deliver(core, arrival, opened).await,
        Err(Trouble::Later(why)) => return Verdict::Later(why),
        Err(Trouble::Damaged(why)) => {
            core.station().set_aside(arrival.envelope, &why).await;
            return Verdict::Done;
        }
        Err(Trouble::Expired) => {
            settle(core, arrival, LegState::Expired, Event::Expired, None, None).await
        }
        Err(Trouble::Refuse(reason)) => {
            let state = LegState::Refused(reason);
            settle(
                core,
                arrival,
                state,
                Event::ContentConsignmentFailure,
                Some(reason),
                None,
            )
            .await
        }
        Err(Trouble::Aside(reason, detail)) => set_aside(core, arrival, reason, detail).await,
    };
    let outcome = match outcome {
        Err(why) if why == inbox::ID_TAKEN => refuse_taken_id(core, arrival).await,
        other => other,
    };
    match outcome {
        Ok(()) => Verdict::Done,
        Err(why) => Verdict::Later(why),
    }
}

/// Ids are chosen by senders, so two senders can choose one. The inbox names its items by id: the
/// second one is not shown under the first one's name, and its sender is told, so that it sends
/// anew.
async fn refuse_taken_id(core: &Core, arrival: &Arrival) -> Result<(), String> {
    let reason = Reason::IdConflict;
    tracing::warn!(
        code = "TRAM-324",
        envelope = %arrival.header.context().id,
        sender = %arrival.header.context().sender,
        "another envelope in this inbox has this id; set aside"
    );
    let (state, event) = (
        LegState::Quarantined(reason),
        Event::ContentConsignmentFailure,
    );
    settle(core, arrival, state, event, Some(reason), None).await
}

async fn open(core: &Core, arrival: &Arrival) -> Result<Opened, Trouble> {
    let now = core.now();
    let context = arrival.header.context();
    if !context.recipients.contains(&arrival.recipient) {
        return Err(Trouble::Refuse(Reason::NotAddressed));
    }
    let agency = arrival
        .recipient
        .agency()
        .and_then(|code| core.agencies.of(code))
        .ok_or(Trouble::Refuse(Reason::KeyUnavailable))?;
    if now > context.expires {
        // With a clock that may be wrong nothing ends by time (architecture 7).
        return Err(if core.station().clock_unsure() {
            Trouble::Later("our clock is not sure that it is expired".to_owned())
        } else {
            Trouble::Expired
        });
    }
    let directory = core.station().directory().snapshot();
    let signer = header_signer(&directory, &arrival.header)?;
    if let Some(stale) = core.station().stopped(&signer, now) {
        // Whether the signer was revoked meanwhile cannot be known: it waits for a list.
        let why = format!("revocation data of {} is too old", stale.subject);
        return Err(Trouble::Later(why));
    }
    let header = verify_header(
        Header::clone(&arrival.header),
        &arrival.header_signature,
        &signer,
    )
    .map_err(|error| signature_trouble(arrival, error.to_string()))?;

    let (body, digest, capsule) = decrypt::decrypt(core, arrival, &agency).await?;
    let parsed = Parsed::parse(&capsule.signature)
        .map_err(|error| Trouble::Aside(Reason::SignatureInvalid, error.to_string()))?;
    let stamped_at = token_time(&directory, &parsed, now);
    // Where there is a time-stamp it decides when the signature was made (architecture 7).
    let made = stamped_at.unwrap_or(context.created);
    let inner = packet_signer(&directory, &parsed, &signer, made)?;
    verify_packet(
        &header,
        digest.clone(),
        &capsule.signature,
        &capsule.salt,
        &inner,
    )
    .map_err(|error| Trouble::Aside(verify_reason(&error), error.to_string()))?;
    let signed_at = parsed.signing_time().unwrap_or(context.created);
    let certificate = inner.certificate().sha256();
    let read = read(core, &body, &agency).await?;
    check_packet(&directory, &read, arrival, now)?;
    Ok(Opened {
        body,
        digest: digest.digest(),
        salt: capsule.salt,
        signature: capsule.signature,
        certificate,
        signed_at,
        stamped_at,
        read,
    })
}

/// The signature held when the envelope was accepted from a neighbour: if it does not now, our row is damaged.
fn signature_trouble(arrival: &Arrival, why: String) -> Trouble {
    if arrival.from.is_some() {
        Trouble::Damaged(why)
    } else {
        Trouble::Aside(Reason::SignatureInvalid, why)
    }
}

/// The certificate that the header names, judged at `created` (architecture 7).
fn header_signer(directory: &Snapshot, header: &Header) -> Result<VerifiedCert, Trouble> {
    let context = header.context();
    directory
        .signer(&context.signer, Role::AgencySignature, context.created)
        .map_err(unknown_signer)
}

fn unknown_signer(error: UnknownSigner) -> Trouble {
    match error {
        UnknownSigner::Absent => Trouble::Later(error.to_string()),
        UnknownSigner::Refused(
            why @ ChainError::Revoked {
                reason: CrlReason::CertificateHold,
                ..
            },
        ) => Trouble::Later(why.to_string()),
        UnknownSigner::Refused(why) if why.reason().permanent() => {
            Trouble::Aside(why.reason(), why.to_string())
        }
        UnknownSigner::Refused(why) => Trouble::Later(why.to_string()),
    }
}

/// Usually the header's signer; another certificate of the same agency travels inside the signature.
fn packet_signer(
    directory: &Snapshot,
    parsed: &Parsed,
    header_signer: &VerifiedCert,
    made: Timestamp,
) -> Result<VerifiedCert, Trouble> {
    let certificate = header_signer.certificate();
    if parsed.signer_matches(certificate) {
        let sha256 = certificate.sha256();
        return directory
            .signer(&sha256, Role::AgencySignature, made)
            .map_err(unknown_signer);
    }
    let named = parsed
        .signer_sha256()
        .and_then(|digest| directory.certificate(&digest));
    let certificate = named.or_else(|| parsed.embedded_signer()).ok_or_else(|| {
        Trouble::Aside(
            Reason::UnknownCertificate,
            "packet signer is not known".to_owned(),
        )
    })?;
    directory
        .validator()
        .verify(&certificate, Role::AgencySignature, made)
        .map_err(|error| unknown_signer(UnknownSigner::Refused(error)))
}

/// The time of the packet's token, if there is a token and it verifies. A bad token is no reason to set
/// a document aside: the checkpoint proves the time then.
fn token_time(directory: &Snapshot, parsed: &Parsed, now: Timestamp) -> Option<Timestamp> {
    let token = parsed.timestamp_token()?;
    let imprint = Digest::of(parsed.signature_value());
    let latest = now.plus_ms(TOKEN_AHEAD_MS);
    match pki::stamp::verify_token(&token, &imprint, &directory.validator(), latest) {
        Ok(stamp) => Some(stamp.time),
        Err(error) => {
            tracing::info!(%error, "time-stamp of a packet does not verify");
            None
        }
    }
}

async fn read(core: &Core, body: &Body, agency: &Agency) -> Result<ReadPacket, Trouble> {
    let trouble = |error: PacketError| match error {
        PacketError::Faults(faults) => {
            let first = faults
                .first()
                .map(|fault| fault.text.en.clone())
                .unwrap_or_default();
            Trouble::Aside(Reason::PacketInvalid, first)
        }
        PacketError::Disk(error) => Trouble::Later(error.to_string()),
    };
    if body.in_memory().is_some() {
        return packet::read(body, agency.hash, &core.tmp).map_err(trouble);
    }
    let (body, hash, tmp) = (body.clone(), agency.hash, Arc::clone(&core.tmp));
    tokio::task::spawn_blocking(move || packet::read(&body, hash, &tmp))
        .await
        .map_err(|error| Trouble::Later(error.to_string()))?
        .map_err(trouble)
}

/// edXML From is the header's sender; no secrecy mark.
fn check_packet(
    directory: &Snapshot,
    read: &ReadPacket,
    arrival: &Arrival,
    now: Timestamp,
) -> Result<(), Trouble> {
    use formats::edxml::Packet;
    let from = match &read.packet {
        Packet::Document(document) => &document.from,
        Packet::Status(status) => &status.from,
    };
    let written = from.organ_id.as_str();
    let sender = &arrival.header.context().sender;
    let resolved = directory.resolve(written, arrival.header.context().created);
    let same = written == sender.as_str()
        || resolved.is_some_and(|entry| Party::Agency(entry.agency.code.clone()) == *sender);
    if !same {
        let detail = format!("From is {written}, the header says {sender}");
        return Err(Trouble::Aside(Reason::SenderMismatch, detail));
    }
    let found = packet::judge(&read.packet, now);
    if let Some(fault) = found.faults.iter().find(|fault| fault.code == "E-SECRET") {
        return Err(Trouble::Aside(Reason::SecrecyMarked, fault.en.clone()));
    }
    Ok(())
}

fn verify_reason(error: &VerifyError) -> Reason {
    match error {
        VerifyError::Commitment => Reason::CommitmentMismatch,
        VerifyError::InnerSigner | VerifyError::SenderMismatch => Reason::SenderMismatch,
        _ => Reason::SignatureInvalid,
    }
}

/// Kept, shown and stated; nobody is handed it.
async fn set_aside(
    core: &Core,
    arrival: &Arrival,
    reason: Reason,
    detail: String,
) -> Result<(), String> {
    tracing::warn!(
        code = "TRAM-320",
        envelope = %arrival.header.context().id,
        leg = %arrival.leg,
        reason = reason.code(),
        detail,
        "arrival does not verify and is set aside"
    );
    let state = LegState::Quarantined(reason);
    settle(
        core,
        arrival,
        state,
        Event::ContentConsignmentFailure,
        Some(reason),
        Some(detail),
    )
    .await
}

async fn settle(
    core: &Core,
    arrival: &Arrival,
    state: LegState,
    event: Event,
    reason: Option<Reason>,
    detail: Option<String>,
) -> Result<(), String> {
    let now = core.now();
    let write = reason.zip(detail).map(|(reason, detail)| {
        let item = NewItem::aside(&arrival.header, reason, detail);
        let (leg, header, signature) = (
            arrival.leg,
            Arc::clone(&arrival.header),
            Arc::clone(&arrival.header_signature),
        );
        let owner = arrival.recipient.to_string();
        desk_write(move |desk, outcomes| {
            async move {
                inbox::expect_moved(outcomes)?;
                inbox::put(desk, leg, &owner, &header, &signature, &item, now).await?;
                Ok(())
            }
            .boxed()
        })
    });
    let draft = StatementDraft {
        event,
        reason,
        next_station: None,
    };
    commit(core, arrival, state, draft, write).await
}

async fn commit(
    core: &Core,
    arrival: &Arrival,
    to: LegState,
    statement: StatementDraft,
    desk: Option<Box<dyn relay::store::DeskWrite>>,
) -> Result<(), String> {
    let one = Move {
        leg: arrival.leg,
        expect: Vec::new(),
        to,
        at: core.now(),
        statement: Some(statement),
        owe_receipt: true,
        evidence: None,
    };
    let change = Change {
        station: vec![one.into()],
        desk,
    };
    match core.station().commit(change).await {
        Ok(_) => {
            if let Some(agency) = arrival.recipient.agency() {
                core.changed(Topic::inbox(agency));
            }
            Ok(())
        }
        Err(relay::store::CommitError::Desk(relay::store::DeskRefusal::Refused(why)))
            if why == inbox::ID_TAKEN =>
        {
            Err(why)
        }
        // Somebody else made the leg final: the first outcome stands.
        Err(relay::store::CommitError::Desk(relay::store::DeskRefusal::Refused(why))) => {
            tracing::info!(leg = %arrival.leg, why, "arrival was settled before");
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// See `seal`: the authority's clock and ours may differ a little.
const TOKEN_AHEAD_MS: i64 = 60_000;
