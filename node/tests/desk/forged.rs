//! Envelopes that pass every station on the way and must not become a delivery: made with the sender's
//! real keys, wrong in one binding each.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use formats::header::{Class, Context, Header, Priority, commitment, context_digest};
use formats::id::{AgencyCode, Digest, EnvelopeId, Party};
use formats::reason::Reason;
use node::desk::Desk;
use node::fault::DeskError;
use node::view::InboxState;
use pki::cert::Certificate;
use pki::key::SigningKey;
use pki::seal::{CapsuleSecrets, Sealer};
use pki::sign::{Content, Embed, HashAlgorithm, PacketDigest, Parsed, sign_detached};
use relay::store::{Accept, Change, NewLeg, Write};

use crate::world::{RECIPIENT, SENDER, World, draft, recipient, sender};

/// What is wrong with an envelope.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wrong {
    /// The header commits to another salt.
    pub commitment: bool,
    /// Capsule and chunks are bound to another context.
    pub context: bool,
    /// The capsule says another digest than the chunks have.
    pub digest: bool,
    /// Its life ended an hour ago.
    pub expired: bool,
    /// The header's signature is over another header.
    pub header: bool,
    /// The packet's signature is over another packet.
    pub signature: bool,
}

/// Seals `packet` as the sender would, but wrong, and gives it to the sender's station.
async fn send(world: &World, packet: &[u8], wrong: Wrong) -> EnvelopeId {
    let accept = forge(&world.a, world.dir.path(), packet, wrong).await;
    let id = accept.header.context().id;
    let station = world.a.station();
    let change = Change::of(vec![Write::from(accept)]);
    station.commit(change).await.unwrap();
    id
}

/// The same, not given to the station yet.
pub async fn forge(a: &Desk, dir: &Path, packet: &[u8], wrong: Wrong) -> Accept {
    let keys = dir.join("pki/agencies").join(SENDER);
    let key = SigningKey::load(&keys.join("signature.key"), None).unwrap();
    let certificate = Certificate::load(&keys.join("signature.crt")).unwrap();
    let station = a.station();
    let now = station.clock().now();
    let created = match wrong.expired {
        true => now.minus_ms(7_200_000),
        false => now,
    };
    let hash = HashAlgorithm::Sha256;
    let digest = PacketDigest::of(packet, hash).unwrap();
    let signed = if wrong.signature {
        PacketDigest::of(b"<other/>", hash).unwrap()
    } else {
        digest.clone()
    };
    let signature = sign_detached(
        &key,
        &certificate,
        Content::Packet(&signed),
        now,
        Embed::Signer,
    )
    .unwrap();
    let salt = [7; 32];
    let committed = if wrong.commitment { [8; 32] } else { salt };
    let value = Parsed::parse(&signature).unwrap();
    let recipient = Party::Agency(AgencyCode::parse(RECIPIENT).unwrap());
    let context = Context {
        id: EnvelopeId::new(created, &rand::random()),
        class: Class::Document,
        sender: Party::Agency(sender()),
        sender_station: station.name().clone(),
        recipients: vec![recipient.clone()],
        priority: Priority::Normal,
        created,
        expires: created.plus_ms(3_600_000),
        signer: certificate.sha256(),
        commitment: Some(commitment(
            &committed,
            &digest.digest(),
            value.signature_value(),
        )),
        supersedes: None,
        addressed_as: vec![],
    };
    let ctx = if wrong.context {
        Digest::of(b"x")
    } else {
        context_digest(&context).unwrap()
    };
    let mut sealer = Sealer::new(ctx).unwrap();
    let mut chunk = packet.to_vec();
    sealer.seal_chunk(true, &mut chunk).unwrap();
    let secrets = CapsuleSecrets {
        salt,
        packet_bytes: digest.bytes(),
        packet_digest: if wrong.digest {
            Digest::of(b"x")
        } else {
            digest.digest()
        },
        packet_signature: signature,
        case_id: None,
    };
    let to = station
        .directory()
        .encryption_certificate(&crate::world::recipient(), now);
    let capsule = sealer.finish(&secrets, &[to.unwrap()]).unwrap();
    let mut writer = station.store().bodies().writer();
    writer.append(Bytes::from(chunk)).await.unwrap();
    let body = writer.finish(Bytes::from(capsule)).await.unwrap();
    let header = Header::new(context, body.body_digest, body.body_bytes).unwrap();
    let mut other = header.context().clone();
    other.priority = Priority::Immediate;
    let other = Header::new(other, body.body_digest, body.body_bytes).unwrap();
    let header_signature = sign_detached(
        &key,
        &certificate,
        Content::Header(if wrong.header { &other } else { &header }),
        now,
        Embed::None,
    )
    .unwrap();
    let next_hop = station.next_hop(&recipient).unwrap();
    Accept {
        header: Arc::new(header),
        header_signature,
        capsule_bytes: body.capsule_bytes,
        body: body.place,
        legs: vec![NewLeg {
            recipient,
            next_hop,
        }],
        via: vec![],
        attempt: 1,
        from: None,
        received: now,
        event: None,
        keep_body: true,
    }
}

async fn set_aside(world: &World, id: EnvelopeId) -> Reason {
    let code = world
        .until("quarantine", async |world| {
            let item = world.b.inbox_item(&recipient(), id).await.ok()?;
            assert_eq!(item.row.state, InboxState::Quarantined);
            item.row.reason.map(|reason| reason.code)
        })
        .await;
    code.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_verify_is_set_aside_and_never_handed_out() {
    let world = World::start().await;
    let good = world
        .a
        .compose(&sender(), draft("31", &[RECIPIENT]), vec![])
        .await
        .unwrap();
    let good = good.read_all().unwrap();
    let other = AgencyCode::parse("H01.37").unwrap();
    let foreign = world
        .a
        .compose(&other, draft("32", &[RECIPIENT]), vec![])
        .await
        .unwrap();
    let foreign = foreign.read_all().unwrap();
    let text = String::from_utf8(good.to_vec()).unwrap();
    let secret = text.replace("V/v kiểm thử", "TỐI MẬT V/v kiểm thử");
    let plain = Wrong::default();
    let cases: Vec<(&[u8], Wrong, Reason)> = vec![
        (
            &good,
            Wrong {
                commitment: true,
                ..plain
            },
            Reason::CommitmentMismatch,
        ),
        (
            &good,
            Wrong {
                context: true,
                ..plain
            },
            Reason::DecryptionFailed,
        ),
        (
            &good,
            Wrong {
                digest: true,
                ..plain
            },
            Reason::DecryptionFailed,
        ),
        (
            &good,
            Wrong {
                signature: true,
                ..plain
            },
            Reason::SignatureInvalid,
        ),
        (&foreign, plain, Reason::SenderMismatch),
        (secret.as_bytes(), plain, Reason::SecrecyMarked),
        (b"<!DOCTYPE x []><x/>", plain, Reason::PacketInvalid),
    ];
    for (packet, wrong, reason) in &cases {
        let id = send(&world, packet, *wrong).await;
        assert_eq!(set_aside(&world, id).await, *reason, "{wrong:?}");
        let refused = world.b.ack(&recipient(), id, None).await;
        assert!(matches!(refused, Err(DeskError::Quarantined)));
        assert!(matches!(
            world.b.package(&recipient(), id).await,
            Err(DeskError::Quarantined)
        ));
    }
    let counts = world.b.counts(&recipient()).await.unwrap();
    assert_eq!(
        (counts.inbox, counts.quarantined),
        (0, u64::try_from(cases.len()).unwrap())
    );
    assert!(
        world
            .b
            .claim(&recipient(), 10, 60)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    // The same maker without a fault delivers: the faults above are the only reason.
    let id = send(&world, &good, plain).await;
    world
        .until("delivery", async |world| {
            world.b.package(&recipient(), id).await.ok()
        })
        .await;
    world.stop().await;
}
