//! The station's own letters: envelopes of class receipt and control, whose body travels in clear and
//! whose header the evidence key signs (architecture 6).
//!
//! Makes the [`Accept`] that a commit takes; sends nothing. Must not know: what the letters say.

use std::sync::Arc;

use bytes::Bytes;
use formats::body::SEALED_CHUNK_BYTES;
use formats::header::{Class, Context, Header, Priority};
use formats::id::{EnvelopeId, Party, StationName};
use formats::limits;
use formats::reason::Reason;
use formats::time::Timestamp;
use pki::sign::{Content, Embed};

use crate::station::Core;
use crate::store::body::FinishedBody;
use crate::store::{Accept, NewLeg};

/// What a station has to say.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) class: Class,
    pub(crate) priority: Priority,
    pub(crate) legs: Vec<NewLeg>,
    pub(crate) body: Vec<u8>,
}

/// Why a letter was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LetterError {
    /// Cannot be built from what was given (bug).
    #[error("envelope of the station: {0}")]
    Build(String),
    /// The evidence key does not sign.
    #[error("the evidence key does not sign: {0}")]
    Sign(String),
    /// The body was not written.
    #[error("{0}")]
    Disk(String),
}

/// Why a control message is not sent.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No road to this station; the reason may pass.
    #[error("{station}: {}", .reason.code())]
    NoRoad {
        /// Which station.
        station: StationName,
        /// Why.
        reason: Reason,
    },
    /// It could not be made: key or disk, in words for the log.
    #[error("{0}")]
    Failed(String),
}

/// A control message to these stations. It goes before everything else: what it is about should not
/// get further meanwhile.
pub(crate) async fn control(
    core: &Arc<Core>,
    to: &[StationName],
    body: Vec<u8>,
) -> Result<Accept, ControlError> {
    let now = core.clock.now();
    let mut legs = Vec::with_capacity(to.len());
    for station in to {
        let recipient = Party::Station(station.clone());
        let next_hop =
            core.next_hop(&recipient, &[], now)
                .map_err(|reason| ControlError::NoRoad {
                    station: station.clone(),
                    reason,
                })?;
        legs.push(NewLeg {
            recipient,
            next_hop,
        });
    }
    let letter = Letter {
        class: Class::Control,
        priority: Priority::Immediate,
        legs,
        body,
    };
    envelope(core, letter, now)
        .await
        .map_err(|error| ControlError::Failed(error.to_string()))
}

/// The envelope of a letter, ready to be accepted.
pub(crate) async fn envelope(
    core: &Core,
    letter: Letter,
    now: Timestamp,
) -> Result<Accept, LetterError> {
    let body = write_body(core, letter.body).await?;
    let signer = core.evidence.signer();
    let random: [u8; 10] = rand::random();
    let context = Context {
        id: EnvelopeId::new(now, &random),
        class: letter.class,
        sender: Party::Station(core.name.clone()),
        sender_station: core.name.clone(),
        recipients: letter
            .legs
            .iter()
            .map(|leg| leg.recipient.clone())
            .collect(),
        priority: letter.priority,
        created: now,
        expires: now.plus_ms(limits::LIFETIME_MS_MAX),
        signer: signer.certificate.sha256(),
        commitment: None,
        supersedes: None,
        addressed_as: vec![],
    };
    let header = Header::new(context, body.body_digest, body.body_bytes)
        .map_err(|error| LetterError::Build(error.to_string()))?;
    let header_signature = pki::sign::sign_detached(
        &signer.key,
        &signer.certificate,
        Content::Header(&header),
        now,
        Embed::None,
    )
    .map_err(|error| LetterError::Sign(error.to_string()))?;
    Ok(Accept {
        header: Arc::new(header),
        header_signature,
        capsule_bytes: body.capsule_bytes,
        body: body.place,
        legs: letter.legs,
        via: vec![],
        attempt: 1,
        from: None,
        received: now,
        event: None,
        keep_body: false,
    })
}

/// Writes the bytes in clear pieces; no capsule.
async fn write_body(core: &Core, bytes: Vec<u8>) -> Result<FinishedBody, LetterError> {
    let disk = |error: &dyn std::fmt::Display| LetterError::Disk(error.to_string());
    let mut writer = core.store.bodies().writer();
    let piece = usize::try_from(SEALED_CHUNK_BYTES).map_err(|error| disk(&error))?;
    let mut rest = Bytes::from(bytes);
    while !rest.is_empty() {
        let chunk = rest.split_to(piece.min(rest.len()));
        writer.append(chunk).await.map_err(|error| disk(&error))?;
    }
    writer
        .finish(Bytes::new())
        .await
        .map_err(|error| disk(&error))
}
