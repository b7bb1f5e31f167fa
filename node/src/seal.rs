//! Packet → Signed → Sealed: the agency's signature over the packet, a time-stamp if one comes in time,
//! then per envelope the commitment, the signed header, and the body encrypted once with the key wrapped
//! for each recipient. Constant memory: a packet in a file passes chunk by chunk on a blocking thread.
//!
//! Fails when a key, the directory or the disk does not serve; nothing is durable then. Must not know
//! the desk's tables or what the packet means.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

use formats::header::{Context, Header, commitment, context_digest};
use formats::id::{AgencyCode, EnvelopeId, StationName};
use formats::limits;
use formats::time::Timestamp;
use pki::chain::VerifiedCert;
use pki::seal::{CapsuleSecrets, Sealer, random_salt};
use pki::sign::{Content, Embed, Parsed, add_timestamp, sign_detached};
use relay::store::body::{Bodies, BodyError, BodyWriter, FinishedBody};

use crate::agency::Agency;
use crate::body::{Body, BodyReader};
use crate::fault::SubmitError;
use crate::intake::{Packet, Recipient};
use crate::tsa::Tsa;

/// A signed packet.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) packet: Packet,
    /// CMS, with the token inside if there is one.
    pub(crate) signature: Vec<u8>,
    pub(crate) signed_at: Timestamp,
    pub(crate) stamped_at: Option<Timestamp>,
}

/// One envelope, ready for the commit.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) header: Arc<Header>,
    pub(crate) header_signature: Vec<u8>,
    pub(crate) body: FinishedBody,
    pub(crate) salt: [u8; 32],
    pub(crate) recipients: Vec<Recipient>,
}

/// Signs a packet; asks for a time-stamp, and goes on without one.
pub(crate) async fn sign(
    agency: &Agency,
    packet: Packet,
    tsa: Option<&Tsa>,
    now: Timestamp,
) -> Result<Signed, SubmitError> {
    let mut signature = sign_detached(
        &agency.signature_key,
        &agency.signature_certificate,
        Content::Packet(&packet.digest),
        now,
        Embed::Signer,
    )
    .map_err(internal)?;
    let mut stamped_at = None;
    if let Some(tsa) = tsa {
        match stamp(&signature, tsa).await {
            Ok((stamped, time)) => {
                signature = stamped;
                stamped_at = Some(time);
            }
            Err(why) => tracing::debug!(agency = %agency.code, why, "signed without a time-stamp"),
        }
    }
    Ok(Signed {
        packet,
        signature,
        signed_at: now,
        stamped_at,
    })
}

async fn stamp(signature: &[u8], tsa: &Tsa) -> Result<(Vec<u8>, Timestamp), String> {
    let parsed = Parsed::parse(signature).map_err(|error| error.to_string())?;
    let imprint = formats::id::Digest::of(parsed.signature_value());
    let found = tsa.token(&imprint).await?;
    let stamped = add_timestamp(signature, &found.token).map_err(|error| error.to_string())?;
    Ok((stamped, found.stamp.time))
}

/// What all envelopes of a document share.
pub(crate) struct Sealing<'a> {
    pub(crate) agency: &'a Agency,
    pub(crate) station: &'a StationName,
    pub(crate) bodies: &'a Bodies,
    pub(crate) now: Timestamp,
    pub(crate) expires: Timestamp,
}

impl Sealing<'_> {
    /// Seals the packet for at most 256 recipients.
    pub(crate) async fn envelope(
        &self,
        signed: &Signed,
        recipients: Vec<Recipient>,
    ) -> Result<Sealed, SubmitError> {
        let salt = random_salt().map_err(internal)?;
        let parsed = Parsed::parse(&signed.signature).map_err(internal)?;
        let packet = &signed.packet;
        let context = Context {
            id: EnvelopeId::new(self.now, &rand::random()),
            class: packet.class,
            sender: self.agency.code.clone().into(),
            sender_station: self.station.clone(),
            recipients: recipients.iter().map(Recipient::party).collect(),
            priority: packet.priority,
            created: self.now,
            expires: self.expires,
            signer: self.agency.signature_certificate.sha256(),
            commitment: Some(commitment(
                &salt,
                &packet.digest.digest(),
                parsed.signature_value(),
            )),
            supersedes: None,
            addressed_as: addressed_as(&recipients),
        };
        let ctx = context_digest(&context).map_err(internal)?;
        let sealer = Sealer::new(ctx).map_err(internal)?;
        let mut writer = self.bodies.writer();
        let sealer = seal_chunks(sealer, &packet.body, &mut writer).await?;
        let secrets = CapsuleSecrets {
            salt,
            packet_bytes: packet.digest.bytes(),
            packet_digest: packet.digest.digest(),
            packet_signature: signed.signature.clone(),
            case_id: None,
        };
        let certificates: Vec<VerifiedCert> = recipients
            .iter()
            .map(|recipient| recipient.certificate.clone())
            .collect();
        let capsule = sealer.finish(&secrets, &certificates).map_err(internal)?;
        let body = writer
            .finish(Bytes::from(capsule))
            .await
            .map_err(body_error)?;
        let header = Header::new(context, body.body_digest, body.body_bytes).map_err(internal)?;
        let header_signature = sign_detached(
            &self.agency.signature_key,
            &self.agency.signature_certificate,
            Content::Header(&header),
            self.now,
            Embed::None,
        )
        .map_err(internal)?;
        Ok(Sealed {
            header: Arc::new(header),
            header_signature,
            body,
            salt,
            recipients,
        })
    }
}

/// Encrypts the packet chunk by chunk into the body. In memory it is done at once; a file is read and
/// sealed on a blocking thread, one chunk at a time.
async fn seal_chunks(
    mut sealer: Sealer,
    packet: &Body,
    writer: &mut BodyWriter,
) -> Result<Sealer, SubmitError> {
    if let Some(bytes) = packet.in_memory() {
        // Less than a chunk.
        let mut chunk = Vec::with_capacity(bytes.len() + 16);
        chunk.extend_from_slice(bytes);
        sealer.seal_chunk(true, &mut chunk).map_err(internal)?;
        writer
            .append(Bytes::from(chunk))
            .await
            .map_err(body_error)?;
        return Ok(sealer);
    }
    let mut reader = packet.reader()?;
    let mut left = packet.bytes();
    loop {
        let take = left.min(limits::CHUNK_BYTES);
        left -= take;
        let last = left == 0;
        let (sealed, back, source) =
            tokio::task::spawn_blocking(move || seal_next(sealer, reader, take, last))
                .await
                .map_err(internal)??;
        (sealer, reader) = (back, source);
        writer
            .append(Bytes::from(sealed))
            .await
            .map_err(body_error)?;
        if last {
            return Ok(sealer);
        }
    }
}

fn seal_next(
    mut sealer: Sealer,
    mut reader: BodyReader,
    take: u64,
    last: bool,
) -> Result<(Vec<u8>, Sealer, BodyReader), SubmitError> {
    let length = usize::try_from(take).map_err(internal)?;
    let mut chunk = Vec::with_capacity(length + 16);
    chunk.resize(length, 0);
    reader.read_exact(&mut chunk)?;
    sealer.seal_chunk(last, &mut chunk).map_err(internal)?;
    Ok((chunk, sealer, reader))
}

/// What was written instead of the canonical code, as the header carries it.
fn addressed_as(recipients: &[Recipient]) -> Vec<(AgencyCode, String)> {
    recipients
        .iter()
        .filter_map(|recipient| {
            let written = recipient.written_as.as_ref()?;
            let short: String = written
                .chars()
                .filter(|letter| !letter.is_control())
                .take(limits::ADDRESSED_AS_CHARS_MAX)
                .collect();
            (!short.is_empty()).then(|| (recipient.code.clone(), short))
        })
        .collect()
}

fn body_error(error: BodyError) -> SubmitError {
    match error {
        BodyError::DiskFull { retry_after_ms, .. } => SubmitError::DiskFull {
            retry_after_s: crate::access::book::seconds_up(retry_after_ms),
        },
        other => internal(other),
    }
}

fn internal(error: impl std::fmt::Display) -> SubmitError {
    SubmitError::Internal(error.to_string())
}
