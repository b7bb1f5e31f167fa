//! Windows of trust data (`WINDOWS.md`): what goes on, what stops, and that it goes on again by itself.

use formats::frame::{Control, Transfer};
use formats::reason::Reason;
use formats::record::{Attachment, Record};
use relay::alarm::{Code, Level};
use relay::clock::Clock;
use relay::station::Station;

use crate::letter::{context, letter};
use crate::peer::{Peer, offer};
use crate::world::{RECIPIENT, SENDER, World, soon, start, start_at};

pub const HOUR: i64 = 3_600_000;

/// Codes, levels and subjects of the alarms that are up.
pub fn alarms(station: &Station) -> Vec<(Code, Level)> {
    let all = station.alarms();
    all.iter()
        .map(|alarm| (alarm.found.code, alarm.found.level))
        .collect()
}

/// Waits until the station has looked and found this.
pub async fn until_alarms(station: &Station, what: &str, fits: impl Fn(&[(Code, Level)]) -> bool) {
    let looking = async {
        while !fits(&alarms(station)) {
            tokio::task::yield_now().await;
        }
    };
    soon(what, looking).await;
}

/// Waits until the station has found this; of its clock nothing is asked: the hand-made peer says the
/// machine's time and the station goes by the test's.
async fn until(station: &Station, what: &str, fits: impl Fn(&[(Code, Level)]) -> bool) {
    let others = |up: &[(Code, Level)]| {
        let others = up.iter().filter(|one| one.0 != Code::Clock);
        fits(&others.copied().collect::<Vec<_>>())
    };
    until_alarms(station, what, others).await;
}

/// A document created now by the station's clock.
async fn offered(world: &World, peer: &Peer, clock: &Clock) -> Transfer {
    let node = &world.node_a.credentials.name;
    let signer = &world.agencies[0];
    let context = context(SENDER, node, &[RECIPIENT], signer, clock.now());
    peer.offer(offer(&letter(context, signer, 100), &[RECIPIENT]))
        .await
}

fn is_stale(answer: &Transfer) -> bool {
    matches!(
        answer,
        Transfer::Refuse {
            reason: Reason::StaleRevocation,
            retry_after_ms: Some(_),
            ..
        }
    )
}

fn is_taken(answer: &Transfer) -> bool {
    matches!(answer, Transfer::Custody { refused, .. } if refused.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_revocation_data_restricts_the_link_and_new_data_frees_it() {
    // The lists hold for 48 h and the window is 24 h more: half of it is over after 36 h.
    let mut world = World::new();
    let begin = world.authority.now;
    let clock = Clock::manual(begin);
    let relay = start_at(&world.relay, None, clock.clone()).await;
    let mut peer = Peer::connect(&world).await;
    let lists = |level| {
        move |up: &[(Code, Level)]| {
            up.iter()
                .filter(|one| **one == (Code::Revocation, level))
                .count()
                == 2
        }
    };
    for (hours, taken) in [(0, true), (35, true), (71, true), (73, false)] {
        clock.set(begin.plus_ms(hours * HOUR));
        let answer = offered(&world, &peer, &clock).await;
        assert_eq!(is_taken(&answer), taken, "after {hours} h: {answer:?}");
        assert_eq!(is_stale(&answer), !taken, "after {hours} h: {answer:?}");
        match hours {
            35 => until(&relay, "nothing", |up| up.is_empty()).await,
            71 => until(&relay, "warnings", lists(Level::Warning)).await,
            73 => until(&relay, "stops", lists(Level::Stopped)).await,
            _ => {}
        }
    }
    // Restricted, not closed: the control stream is alive, and operators see why.
    peer.control(&Control::Ping { number: 1 }.encode().unwrap())
        .await;
    loop {
        match peer.hear().await {
            Control::Pong { number: 1, .. } => break,
            Control::Ping { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let links = relay.links();
    assert!(
        links.iter().any(|link| link.up && link.restricted),
        "{links:?}"
    );
    world.authority.renew_lists(clock.now());
    until(&relay, "end of the alarms", |up| up.is_empty()).await;
    let freed = async {
        while relay.links().iter().any(|link| link.restricted) {
            tokio::task::yield_now().await;
        }
    };
    soon("freedom", freed).await;
    let answer = offered(&world, &peer, &clock).await;
    assert!(is_taken(&answer), "{answer:?}");
    peer.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_without_any_list_is_past_its_window() {
    let world = World::new();
    std::fs::remove_file(world.authority.records.join("ca.crl")).unwrap();
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    let answer = offered(&world, &peer, &Clock::system()).await;
    assert!(is_stale(&answer), "{answer:?}");
    let stopped = (Code::Revocation, Level::Stopped);
    until(&relay, "alarm", |up| up == [stopped]).await;
    peer.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trust_list_past_its_end_counts_for_its_window_and_no_longer() {
    let mut world = World::new();
    let begin = world.authority.now;
    world.authority.trust_until(begin.plus_ms(10 * HOUR));
    let clock = Clock::manual(begin);
    let relay = start_at(&world.relay, None, clock.clone()).await;
    let peer = Peer::connect(&world).await;
    clock.set(begin.plus_ms(33 * HOUR));
    world.authority.renew_lists(clock.now());
    assert!(is_taken(&offered(&world, &peer, &clock).await));
    let warning = (Code::TrustList, Level::Warning);
    until(&relay, "warning", |up| up == [warning]).await;
    clock.set(begin.plus_ms(35 * HOUR));
    assert!(is_stale(&offered(&world, &peer, &clock).await));
    let stopped = (Code::TrustList, Level::Stopped);
    until(&relay, "stop", |up| up == [stopped]).await;
    world.authority.trust_until(begin.plus_ms(1_000 * HOUR));
    peer.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agency_whose_record_has_ended_is_not_refused_for_good() {
    let world = World::new();
    let begin = world.authority.now;
    // The newest attachment of the recipient ends in an hour, and the older one has gone.
    let code = RECIPIENT.parse().unwrap();
    let record = Record::Attachment(Attachment {
        agency: code,
        sequence: 9,
        issued: begin,
        not_after: begin.plus_ms(HOUR),
        station: world.node_b.credentials.name.clone(),
        from: begin.minus_ms(1_000),
    });
    let older = std::fs::read_dir(&world.authority.records).unwrap();
    for file in older.map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with(&format!("{RECIPIENT}-")) {
            std::fs::remove_file(file).unwrap();
        }
    }
    world
        .authority
        .publish("ending", &record, &world.agencies[1]);
    let clock = Clock::manual(begin);
    let relay = start_at(&world.relay, None, clock.clone()).await;
    let node = start_at(&world.node_b, None, clock.clone()).await;
    let peer = Peer::connect(&world).await;
    assert!(is_taken(&offered(&world, &peer, &clock).await));
    clock.set(begin.plus_ms(50 * 60_000));
    // The home station of the agency hears of it before; the relay has no part in it.
    let records = (Code::Records, Level::Warning);
    until(&node, "warning", |up| up == [records]).await;
    until(&relay, "nothing", |up| up.is_empty()).await;
    clock.set(begin.plus_ms(HOUR + 1));
    until(&node, "end", |up| up == [(Code::Records, Level::Stopped)]).await;
    let refused = async {
        loop {
            if let Transfer::Refuse {
                reason,
                retry_after_ms,
                ..
            } = offered(&world, &peer, &clock).await
            {
                break (reason, retry_after_ms.is_some());
            }
        }
    };
    let refused = soon("the record's end", refused).await;
    assert_eq!(refused, (Reason::NoRoute, true));
    peer.close().await;
    node.shutdown().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_peer_hears_why_before_its_link_ends() {
    let mut world = World::new();
    let relay = start(&world.relay, None).await;
    let mut peer = Peer::connect(&world).await;
    let certificate = world.node_a.credentials.tls.certificate.clone();
    world.authority.revoke(&certificate, Clock::system().now());
    let bye = async {
        loop {
            if let Control::Bye { reason, .. } = peer.hear().await {
                break reason;
            }
        }
    };
    assert_eq!(soon("bye", bye).await, Reason::CertificateRevoked);
    soon("end of the link", peer.connection.closed()).await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_whose_own_certificate_is_revoked_says_so() {
    let mut world = World::new();
    let relay = start(&world.relay, None).await;
    let own = world.relay.credentials.tls.certificate.clone();
    world.authority.revoke(&own, Clock::system().now());
    let stopped = (Code::Certificate, Level::Stopped);
    until(&relay, "alarm", |up| up == [stopped]).await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_link_outlives_its_certificates() {
    // Certificates for links hold for 90 days; 5/6 of that is half of the time in which they should have
    // been renewed.
    let mut world = World::new();
    let begin = world.authority.now;
    let clock = Clock::manual(begin);
    let relay = start_at(&world.relay, None, clock.clone()).await;
    let peer = Peer::connect(&world).await;
    clock.set(begin.plus_ms(76 * 24 * HOUR));
    world.authority.renew_lists(clock.now());
    let warning = (Code::Certificate, Level::Warning);
    until(&relay, "warning", |up| up == [warning]).await;
    assert!(relay.links().iter().any(|link| link.up));
    clock.set(begin.plus_ms(91 * 24 * HOUR));
    soon("end of the link", peer.connection.closed()).await;
    until(&relay, "stop", |up| {
        up.contains(&(Code::Certificate, Level::Stopped))
    })
    .await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_does_not_answer_is_missed_from_the_first_word_about_it() {
    let mut world = World::new();
    let begin = world.authority.now;
    let clock = Clock::manual(begin);
    let relay = start_at(&world.relay, None, clock.clone()).await;
    let later = |hours: i64| begin.plus_ms(hours * HOUR);
    relay.note_authority("https://authority-1.tram.test", Some(clock.now()));
    clock.set(later(11));
    until(&relay, "nothing", |up| up.is_empty()).await;
    relay.note_authority("https://authority-1.tram.test", None);
    clock.set(later(13));
    let missed = |level| move |up: &[(Code, Level)]| up.contains(&(Code::Authority, level));
    until(&relay, "warning", missed(Level::Warning)).await;
    clock.set(later(25));
    until(&relay, "stop", missed(Level::Stopped)).await;
    world.authority.renew_lists(clock.now());
    relay.note_authority("https://authority-1.tram.test", Some(clock.now()));
    until(&relay, "end", |up| {
        !up.iter().any(|one| one.0 == Code::Authority)
    })
    .await;
    relay.shutdown().await;
}
