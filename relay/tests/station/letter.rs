//! Envelopes as a desk would make them, except that the sealed body is noise: no station can tell
//! the difference.

use std::sync::Arc;

use bytes::Bytes;
use formats::body::{Layout, SEALED_CHUNK_BYTES, body_digest};
use formats::header::{Class, Context, Header, Priority};
use formats::id::{Digest, EnvelopeId, Party, StationName};
use formats::merkle::leaf_hash;
use formats::statement::Event;
use formats::time::Timestamp;
use pki::sign::{Content, Embed, sign_detached};
use relay::store::{Accept, NewLeg, Store};

use crate::authority::Credential;

pub struct Letter {
    pub header: Header,
    pub signature: Vec<u8>,
    pub pieces: Vec<Vec<u8>>,
}

pub const CAPSULE_BYTES: u32 = 300;

impl Letter {
    pub fn leaves(&self) -> Vec<Digest> {
        self.pieces.iter().map(|piece| leaf_hash(piece)).collect()
    }

    pub fn body(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

pub fn context(
    sender: &str,
    station: &StationName,
    recipients: &[&str],
    signer: &Credential,
    now: Timestamp,
) -> Context {
    Context {
        id: EnvelopeId::new(now, &rand::random()),
        class: Class::Document,
        sender: sender.parse().unwrap(),
        sender_station: station.clone(),
        recipients: recipients
            .iter()
            .map(|text| text.parse().unwrap())
            .collect(),
        priority: Priority::Normal,
        created: now,
        expires: now.plus_ms(86_400_000),
        signer: signer.certificate.sha256(),
        commitment: Some(Digest::of(b"commitment")),
        supersedes: None,
        addressed_as: vec![],
    }
}

pub fn letter(context: Context, signer: &Credential, chunk_bytes: usize) -> Letter {
    let mut pieces = vec![noise(usize::try_from(CAPSULE_BYTES).unwrap(), 1)];
    let most = usize::try_from(SEALED_CHUNK_BYTES).unwrap();
    let mut left = chunk_bytes;
    while left > 0 {
        let piece = noise(left.min(most), u64::try_from(left).unwrap());
        left -= piece.len();
        pieces.push(piece);
    }
    let leaves: Vec<Digest> = pieces.iter().map(|piece| leaf_hash(piece)).collect();
    let bytes = u64::try_from(pieces.iter().map(Vec::len).sum::<usize>()).unwrap();
    Layout::new(context.class, CAPSULE_BYTES, bytes).unwrap();
    let created = context.created;
    let header = Header::new(context, body_digest(&leaves), bytes).unwrap();
    let signature = sign_detached(
        &signer.key,
        &signer.certificate,
        Content::Header(&header),
        created,
        Embed::None,
    )
    .unwrap();
    Letter {
        header,
        signature,
        pieces,
    }
}

/// Hands a letter to a store as its own desk would.
pub async fn submission(
    store: &Store,
    letter: &Letter,
    legs: &[(&str, &StationName)],
    now: Timestamp,
) -> Accept {
    let mut writer = store.bodies().writer();
    for chunk in &letter.pieces[1..] {
        writer.append(Bytes::from(chunk.clone())).await.unwrap();
    }
    let body = writer
        .finish(Bytes::from(letter.pieces[0].clone()))
        .await
        .unwrap();
    assert_eq!(body.body_digest, letter.header.body_digest());
    let legs = legs.iter().map(|(recipient, hop)| NewLeg {
        recipient: recipient.parse::<Party>().unwrap(),
        next_hop: Some((*hop).clone()),
    });
    Accept {
        header: Arc::new(letter.header.clone()),
        header_signature: letter.signature.clone(),
        capsule_bytes: CAPSULE_BYTES,
        body: body.place,
        legs: legs.collect(),
        via: vec![],
        attempt: 1,
        from: None,
        received: now,
        event: Some(Event::SubmissionAcceptance),
        keep_body: true,
    }
}

/// Not random: failures must repeat.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(bytes);
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(bytes);
    out
}
