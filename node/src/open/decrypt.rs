//! Arrival → plaintext: capsule and chunks with the recipient's key, into memory or a private temporary
//! file. What comes out is not believed yet: signature and commitment are the caller's next step.

use std::sync::Arc;

use bytes::Bytes;

use formats::body::{CHUNK_BYTES, Layout};
use formats::id::Digest;
use formats::reason::Reason;
use pki::seal::{OpenError, Opener, open_capsule};
use relay::desk::Arrival;
use relay::store::body::{BodyError, BodyReader};

use super::Trouble;
use crate::agency::Agency;
use crate::body::{Body, Spool};
use crate::desk::core::Core;

/// The capsule's secrets that are needed after the body is open.
pub(super) struct Secrets {
    pub(super) salt: [u8; 32],
    pub(super) signature: Vec<u8>,
}

pub(super) async fn decrypt(
    core: &Core,
    arrival: &Arrival,
    agency: &Arc<Agency>,
) -> Result<(Body, pki::sign::PacketDigest, Secrets), Trouble> {
    let header = &arrival.header;
    let layout = Layout::new(
        header.context().class,
        arrival.capsule_bytes,
        header.body_bytes(),
    )
    .map_err(|error| Trouble::Aside(Reason::BodyMismatch, error.to_string()))?;
    let bodies = core.station().store().bodies();
    let mut reader = bodies
        .reader(&arrival.body, header.body_digest(), layout)
        .await
        .map_err(body_trouble)?;
    let capsule_bytes = reader.piece(0).await.map_err(body_trouble)?;
    let capsule = open_with_any(&capsule_bytes, agency, header.ctx());
    let capsule = match capsule {
        Err(Trouble::Refuse(Reason::KeyUnavailable)) if core.agencies.is_changing(agency) => {
            return Err(Trouble::Later(
                "a key of the agency is being renewed".to_owned(),
            ));
        }
        opened => opened?,
    };
    let secrets = Secrets {
        salt: capsule.salt,
        signature: capsule.packet_signature,
    };
    let spool = core.tmp.spool(capsule.packet_bytes);
    let chunks = layout.piece_count().saturating_sub(1);
    let (body, digest) = open_chunks(&mut reader, capsule.opener, spool, chunks).await?;
    Ok((body, digest, secrets))
}

fn open_with_any(
    capsule: &[u8],
    agency: &Agency,
    ctx: Digest,
) -> Result<pki::seal::Capsule, Trouble> {
    for (key, certificate) in &agency.encryption {
        match open_capsule(capsule, key, certificate, ctx) {
            Ok(capsule) => return Ok(capsule),
            // Sealed to another of our keys, perhaps.
            Err(OpenError::NotForUs) => {}
            Err(error) => return Err(Trouble::Aside(Reason::DecryptionFailed, error.to_string())),
        }
    }
    Err(Trouble::Refuse(Reason::KeyUnavailable))
}

async fn open_chunks(
    reader: &mut BodyReader,
    mut opener: Opener,
    mut spool: Spool,
    chunks: u32,
) -> Result<(Body, pki::sign::PacketDigest), Trouble> {
    for index in 1..=chunks {
        let last = index == chunks;
        let piece: Bytes = reader.piece(index).await.map_err(body_trouble)?;
        if u64::try_from(piece.len()).unwrap_or(u64::MAX) < CHUNK_BYTES && chunks == 1 {
            // One small chunk: faster here than on another thread.
            open_one(&mut opener, &mut spool, last, piece)?;
            continue;
        }
        (opener, spool) = tokio::task::spawn_blocking(move || {
            open_one(&mut opener, &mut spool, last, piece).map(|()| (opener, spool))
        })
        .await
        .map_err(|error| Trouble::Later(error.to_string()))??;
    }
    let digest = opener
        .finish()
        .map_err(|error| Trouble::Aside(Reason::DecryptionFailed, error.to_string()))?;
    Ok((spool.finish(), digest))
}

fn open_one(
    opener: &mut Opener,
    spool: &mut Spool,
    last: bool,
    piece: Bytes,
) -> Result<(), Trouble> {
    let mut chunk = Vec::from(piece);
    opener
        .open_chunk(last, &mut chunk)
        .map_err(|error| Trouble::Aside(Reason::DecryptionFailed, error.to_string()))?;
    spool
        .push(&chunk)
        .map_err(|error| Trouble::Later(error.to_string()))
}

fn body_trouble(error: BodyError) -> Trouble {
    match error {
        BodyError::Damaged { .. } | BodyError::Mismatch { .. } => {
            Trouble::Damaged(error.to_string())
        }
        BodyError::Missing { ref source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Trouble::Damaged(error.to_string())
        }
        BodyError::DiskFull { .. }
        | BodyError::Missing { .. }
        | BodyError::InUse
        | BodyError::Incomplete { .. } => Trouble::Later(error.to_string()),
    }
}
