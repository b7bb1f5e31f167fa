//! A relay keeps its rules against a peer that does not.

use std::path::Path;
use std::time::Duration;

use formats::frame::{Control, Offer, Transfer};
use formats::header::Context;
use formats::id::Party;
use formats::reason::Reason;
use pki::role::Role;
use relay::clock::Clock;
use relay::station::Station;

use crate::authority::Authority;
use crate::letter::{Letter, context, letter};
use crate::peer::{Peer, answer, dial, hello, offer, read};
use crate::world::{RECIPIENT, SENDER, World, soon, start};

fn written(world: &World, chunk_bytes: usize, change: impl FnOnce(&mut Context)) -> Letter {
    let node = &world.node_a.credentials.name;
    let now = Clock::system().now();
    let mut context = context(SENDER, node, &[RECIPIENT], &world.agencies[0], now);
    change(&mut context);
    letter(context, &world.agencies[0], chunk_bytes)
}

fn refused(transfer: &Transfer) -> (Reason, bool) {
    match transfer {
        Transfer::Refuse {
            reason,
            retry_after_ms,
            ..
        } => (*reason, retry_after_ms.is_some()),
        other => panic!("not refused: {other:?}"),
    }
}

async fn queued(relay: &Station) -> u64 {
    let shape = relay.store().shape(relay.clock().now()).await.unwrap();
    shape.states.iter().map(|one| one.legs).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_offer_is_answered_with_the_first_statements_and_stored_once() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let sent = written(&world, 100, |_| {});
    let first = peer.offer(offer(&sent, &[RECIPIENT])).await;
    let Transfer::Custody {
        bundle: Some(first),
        refused,
    } = first
    else {
        panic!("{first:?}")
    };
    assert!(refused.is_empty());
    let again = peer.offer(offer(&sent, &[RECIPIENT])).await;
    let Transfer::Have {
        bundle: Some(again),
    } = again
    else {
        panic!("{again:?}")
    };
    assert_eq!(first.proven[0].statement, again.proven[0].statement);
    assert_eq!(queued(&relay).await, 1);
    peer.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_header_under_a_taken_id_is_refused_and_kept_as_evidence() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let first = written(&world, 100, |_| {});
    let id = first.header.context().id;
    peer.offer(offer(&first, &[RECIPIENT])).await;
    let second = written(&world, 200, |context| context.id = id);
    let answer = peer.offer(offer(&second, &[RECIPIENT])).await;
    assert_eq!(refused(&answer).0, Reason::IdConflict);
    assert_eq!(queued(&relay).await, 1);
    let conflicts = relay.store().conflicts(10).await.unwrap();
    assert_eq!(conflicts[0].header, second.header.bytes());
    peer.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_check_is_refused_with_its_reason_and_occupies_nothing() {
    // (case, the offer, reason, whether a later try may help)
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let now = Clock::system().now();
    let day = 86_400_000;
    let plain = |change: &dyn Fn(&mut Context)| written(&world, 100, |context| change(context));
    let other = |change: &dyn Fn(&mut Offer)| {
        let mut offer = offer(&plain(&|_| {}), &[RECIPIENT]);
        change(&mut offer);
        offer
    };
    let expired = plain(&|context| {
        context.created = now.minus_ms(day);
        context.expires = now.minus_ms(1_000);
    });
    let early = plain(&|context| context.created = now.plus_ms(3_600_000));
    let stale = plain(&|context| {
        context.created = now.minus_ms(8 * day);
        context.expires = now.plus_ms(day);
    });
    let unknown_signer = plain(&|context| context.signer = formats::id::Digest::of(b"nobody"));
    let foreign_sender = plain(&|context| context.sender = RECIPIENT.parse().unwrap());
    let other_home =
        plain(&|context| context.sender_station = world.node_b.credentials.name.clone());
    let cases: Vec<(&str, Offer, Reason, bool)> = vec![
        (
            "garbage header",
            other(&|offer| offer.header = vec![0; 40]),
            Reason::InvalidHeader,
            false,
        ),
        (
            "expired",
            offer(&expired, &[RECIPIENT]),
            Reason::Expired,
            false,
        ),
        (
            "from the future",
            offer(&early, &[RECIPIENT]),
            Reason::ClockUnsure,
            true,
        ),
        (
            "too old",
            offer(&stale, &[RECIPIENT]),
            Reason::ClockUnsure,
            true,
        ),
        (
            "unknown signer",
            offer(&unknown_signer, &[RECIPIENT]),
            Reason::UnknownCertificate,
            true,
        ),
        (
            "another sender",
            offer(&foreign_sender, &[RECIPIENT]),
            Reason::SenderMismatch,
            false,
        ),
        (
            "another home station",
            offer(&other_home, &[RECIPIENT]),
            Reason::SenderMismatch,
            false,
        ),
        (
            "unsigned",
            other(&|offer| offer.header_signature[200] ^= 1),
            Reason::SignatureInvalid,
            false,
        ),
        (
            "nobody there",
            offer(
                &plain(&|context| {
                    context.recipients = vec!["H99".parse().unwrap()];
                }),
                &["H99"],
            ),
            Reason::UnknownAgency,
            false,
        ),
        (
            "not addressed",
            offer(&plain(&|_| {}), &[SENDER]),
            Reason::NotAddressed,
            false,
        ),
        (
            "forged body",
            other(&|offer| offer.inline.as_mut().unwrap()[350] ^= 1),
            Reason::BodyMismatch,
            false,
        ),
        (
            "short body",
            other(&|offer| {
                offer.inline.as_mut().unwrap().pop();
            }),
            Reason::BodyMismatch,
            false,
        ),
        (
            "loop",
            other(&|offer| {
                offer.via = vec![
                    world.node_a.credentials.name.clone(),
                    world.relay.credentials.name.clone(),
                ];
            }),
            Reason::HopLimit,
            false,
        ),
    ];
    for (case, offer, reason, curable) in cases {
        let answer = peer.offer(offer).await;
        let (got, retry) = refused(&answer);
        assert_eq!(got, reason, "{case}");
        assert!(!curable || retry, "{case}: must not be permanent");
    }
    assert_eq!(queued(&relay).await, 0);
    // The link survived all of it.
    let custody = peer.offer(offer(&plain(&|_| {}), &[RECIPIENT])).await;
    assert!(matches!(custody, Transfer::Custody { .. }), "{custody:?}");
    peer.close().await;
    relay.shutdown().await;
}

/// Returns when an unfinished body begins with this chunk (chunks stand first in the file): closing the
/// connection before would take what is still on its way.
async fn written_to_part(bodies: &Path, chunk: &[u8]) {
    let begins = |path: &Path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(chunk));
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    loop {
        looks.tick().await;
        let parts = std::fs::read_dir(bodies)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        if parts
            .filter(|path| path.extension().is_some_and(|end| end == "part"))
            .any(|path| begins(&path))
        {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_was_cut_resumes_at_the_piece_even_after_a_restart() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let sent = written(&world, 3_500_000, |_| {});
    let wanted = |from: u32| Transfer::Want { from_piece: from };
    let leaves = Transfer::Leaves {
        hashes: sent.leaves(),
    }
    .encode()
    .unwrap();

    let peer = Peer::connect(&world).await;
    let request = Transfer::Offer(offer(&sent, &[RECIPIENT]))
        .encode()
        .unwrap();
    let (mut send, mut recv) = peer.send(&request).await;
    assert_eq!(answer(&mut recv).await, wanted(0));
    send.write_all(&leaves).await.unwrap();
    send.write_all(&sent.pieces[0]).await.unwrap();
    send.write_all(&sent.pieces[1]).await.unwrap();
    send.write_all(&sent.pieces[2][..1000]).await.unwrap();
    // A small transfer on another stream is not held up by the large one.
    let small = written(&world, 100, |_| {});
    let custody = peer.offer(offer(&small, &[RECIPIENT])).await;
    assert!(matches!(custody, Transfer::Custody { .. }), "{custody:?}");
    written_to_part(&world.relay.config.data.join("bodies"), &sent.pieces[1]).await;
    peer.close().await;
    relay.shutdown().await;
    drop(relay);

    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let (mut send, mut recv) = peer.send(&request).await;
    let Transfer::Want { from_piece } = answer(&mut recv).await else {
        panic!("no want")
    };
    assert_eq!(
        from_piece, 2,
        "the two verified pieces need not be sent again"
    );
    send.write_all(&leaves).await.unwrap();
    for piece in &sent.pieces[2..] {
        send.write_all(piece).await.unwrap();
    }
    let custody = answer(&mut recv).await;
    assert!(
        matches!(
            custody,
            Transfer::Custody {
                bundle: Some(_),
                ..
            }
        ),
        "{custody:?}"
    );
    peer.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_piece_is_noticed_at_once_and_does_not_count() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let sent = written(&world, 2_500_000, |_| {});
    let request = Transfer::Offer(offer(&sent, &[RECIPIENT]))
        .encode()
        .unwrap();
    let leaves = Transfer::Leaves {
        hashes: sent.leaves(),
    }
    .encode()
    .unwrap();
    let (mut send, mut recv) = peer.send(&request).await;
    answer(&mut recv).await;
    send.write_all(&leaves).await.unwrap();
    send.write_all(&sent.pieces[0]).await.unwrap();
    let mut forged = sent.pieces[1].clone();
    forged[77] ^= 1;
    send.write_all(&forged).await.unwrap();
    assert_eq!(refused(&answer(&mut recv).await).0, Reason::BodyMismatch);
    // Leaf hashes that do not lead to the signed digest are no better.
    let (mut send, mut recv) = peer.send(&request).await;
    let again = answer(&mut recv).await;
    assert_eq!(again, Transfer::Want { from_piece: 1 });
    let mut hashes = sent.leaves();
    hashes.swap(1, 2);
    send.write_all(&Transfer::Leaves { hashes }.encode().unwrap())
        .await
        .unwrap();
    assert_eq!(refused(&answer(&mut recv).await).0, Reason::BodyMismatch);
    peer.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_streams_and_broken_frames_lose_their_stream_only() {
    let mut world = World::new();
    world.relay.config.timing.greet = Duration::from_millis(700);
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    // Two bytes of a length and then silence; a frame longer than any; a kind that does not exist;
    // a frame of the control stream.
    let (_open, mut half) = peer.send(&[0, 0]).await;
    let (_long, mut long) = peer.send(&[0xff; 4]).await;
    let (_kind, mut kind) = peer.send(&[0, 0, 0, 4, 0x82, 0x18, 0x63, 0xa0]).await;
    let ping = Control::Ping { number: 1 }.encode().unwrap();
    let (_ping, mut control) = peer.send(&ping).await;
    for (case, stream) in [
        ("half open", &mut half),
        ("too long", &mut long),
        ("unknown kind", &mut kind),
        ("control frame", &mut control),
    ] {
        assert!(read(stream).await.is_err(), "{case} must lose its stream");
    }
    let custody = peer
        .offer(offer(&written(&world, 100, |_| {}), &[RECIPIENT]))
        .await;
    assert!(matches!(custody, Transfer::Custody { .. }), "{custody:?}");
    peer.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_control_frame_ends_the_link() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let mut peer = Peer::connect(&world).await;
    peer.control(&[0, 0, 0, 4, 0x82, 0x18, 0x63, 0xa0]).await;
    soon("end of the link", peer.connection.closed()).await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_certificate_gets_a_link() {
    let mut world = World::new();
    let node = world.node_a.credentials.name.clone();
    let party = || Some(Party::Station(node.clone()));
    let now = world.authority.now;
    let expired = world
        .authority
        .credential_with(Role::StationTls, party(), |template| {
            template.not_before = now.minus_ms(10 * 86_400_000);
            template.not_after = now.minus_ms(86_400_000);
        });
    let wrong_role = world.authority.credential(Role::StationEvidence, party());
    let not_in_record = world.authority.credential(Role::StationTls, party());
    let stranger_name = "node-z.tram.test".parse().unwrap();
    let stranger = world.authority.credential(
        Role::StationTls,
        Some(Party::Station("node-z.tram.test".parse().unwrap())),
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let mut foreign = Authority::new(elsewhere.path(), now);
    let foreign_tls = foreign.credential(Role::StationTls, party());
    let relay = start(&world.relay, None).await;

    let cases = [
        (
            "expired",
            &node,
            world.authority.chain(&expired.certificate),
            expired.key.clone(),
        ),
        (
            "role",
            &node,
            world.authority.chain(&wrong_role.certificate),
            wrong_role.key.clone(),
        ),
        (
            "foreign root",
            &node,
            foreign.chain(&foreign_tls.certificate),
            foreign_tls.key.clone(),
        ),
        (
            "not the certificate of the record",
            &node,
            world.authority.chain(&not_in_record.certificate),
            not_in_record.key.clone(),
        ),
        (
            "station without a record",
            &stranger_name,
            world.authority.chain(&stranger.certificate),
            stranger.key.clone(),
        ),
    ];
    for (case, name, chain, key) in cases {
        // In TLS 1.3 the client may think it is connected before the server has judged its
        // certificate.
        let Ok((endpoint, connection)) = dial(&world, name, chain, key).await else {
            continue;
        };
        let hello = hello(name).encode().unwrap();
        let greeted = async {
            let (mut send, mut recv) = connection.open_bi().await.map_err(|e| e.to_string())?;
            send.write_all(&hello)
                .await
                .map_err(|error| error.to_string())?;
            read(&mut recv).await
        };
        assert!(greeted.await.is_err(), "{case} must get no answer");
        drop(endpoint);
        assert!(relay.links().iter().all(|link| !link.up), "{case}");
    }
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificate_ends_the_open_link() {
    let mut world = World::new();
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let certificate = world.node_a.credentials.tls.certificate.clone();
    world.authority.revoke(&certificate, Clock::system().now());
    soon("end of the link", peer.connection.closed()).await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_datagrams_are_ignored() {
    let world = World::new();
    let relay = start(&world.relay, None).await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for length in [1_usize, 7, 100, 1_200, 1_400] {
        for first in [0x00_u8, 0x40, 0x80, 0xc0, 0xff] {
            let mut datagram = vec![first; length];
            datagram[length / 2] = 0x5a;
            socket
                .send_to(&datagram, world.relay.address)
                .await
                .unwrap();
        }
    }
    let peer = Peer::connect(&world).await;
    let custody = peer
        .offer(offer(&written(&world, 100, |_| {}), &[RECIPIENT]))
        .await;
    assert!(matches!(custody, Transfer::Custody { .. }), "{custody:?}");
    peer.close().await;
    relay.shutdown().await;
}
