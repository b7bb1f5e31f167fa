//! When is a signer judged? (architecture 7): the table, row by row, at the first relay and at a later one.

use formats::frame::Transfer;
use formats::id::Party;
use formats::reason::Reason;
use formats::record::StationKind;
use formats::time::Timestamp;
use pki::revoke::CrlReason;
use pki::role::Role;
use relay::clock::Clock;

use crate::authority::Credential;
use crate::letter::{context, letter};
use crate::peer::{Peer, offer};
use crate::world::{RECIPIENT, SENDER, World, start};

/// At a third node: an envelope that came from the second one must be able to go on.
const FURTHER: &str = "H01.36.05";

/// What an offer comes to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Taken,
    /// With a time to come back.
    Later(Reason),
    /// For good.
    Never(Reason),
}

const HOUR: i64 = 3_600_000;

/// Offers a document of `created` by this signer; `later`: another station had it first.
async fn verdict(
    world: &World,
    peer: &Peer,
    signer: &Credential,
    created: Timestamp,
    later: bool,
) -> Verdict {
    let station = if later {
        &world.node_b.credentials.name
    } else {
        &world.node_a.credentials.name
    };
    let mut context = context(SENDER, station, &[FURTHER], signer, created);
    context.expires = created.plus_ms(20 * 24 * HOUR);
    let letter = letter(context, signer, 100);
    let mut offer = offer(&letter, &[FURTHER]);
    if later {
        offer.via = vec![station.clone()];
    }
    match peer.offer(offer).await {
        Transfer::Custody { .. } => Verdict::Taken,
        Transfer::Refuse {
            reason,
            retry_after_ms: Some(_),
            ..
        } => Verdict::Later(reason),
        Transfer::Refuse { reason, .. } => Verdict::Never(reason),
        other => panic!("{other:?}"),
    }
}

/// A world of a month with a third node.
fn world() -> World {
    let mut world = World::a_month_old();
    let [a, b, relay] = [&world.node_a, &world.node_b, &world.relay]
        .map(|planned| planned.credentials.name.clone());
    let authority = &mut world.authority;
    let c = authority.station("node-c", StationKind::Node, "127.0.0.1:9", &[relay], &[]);
    world.agencies = authority.agencies(&[(SENDER, &a), (RECIPIENT, &b), (FURTHER, &c.name)]);
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_counts_by_its_reason_its_time_and_who_judges() {
    use Verdict::{Later, Never, Taken};
    let revoked = || Never(Reason::CertificateRevoked);
    let held = || Later(Reason::CertificateRevoked);
    // (reason, revoked this many minutes ago, at the first relay, at a later station); the document says
    // that it was created an hour ago.
    let table = [
        (CrlReason::KeyCompromise, 5, revoked(), revoked()),
        (CrlReason::CaCompromise, 5, revoked(), revoked()),
        (CrlReason::AaCompromise, 5, revoked(), revoked()),
        (CrlReason::PrivilegeWithdrawn, 5, revoked(), revoked()),
        (CrlReason::Unspecified, 5, revoked(), revoked()),
        (CrlReason::KeyCompromise, -60, revoked(), revoked()),
        // Back-dated past the first relay it cannot be: that one goes by its own clock.
        (CrlReason::Superseded, 5, revoked(), Taken),
        (CrlReason::CessationOfOperation, 5, revoked(), Taken),
        (CrlReason::AffiliationChanged, 5, revoked(), Taken),
        (CrlReason::Superseded, 90, revoked(), revoked()),
        (CrlReason::Superseded, -60, Taken, Taken),
        (CrlReason::CessationOfOperation, -60, Taken, Taken),
        (CrlReason::CertificateHold, 5, held(), Taken),
        (CrlReason::CertificateHold, 90, held(), held()),
    ];
    let mut world = world();
    let now = Clock::system().now();
    let party = || Some(Party::Agency(SENDER.parse().unwrap()));
    let from =
        |template: &mut pki::profile::Template| template.not_before = now.minus_ms(48 * HOUR);
    let signers: Vec<Credential> = (0..table.len())
        .map(|number| {
            let authority = &mut world.authority;
            let signer = authority.credential_with(Role::AgencySignature, party(), from);
            let pem = signer.certificate.pem();
            authority.put(&format!("row-{number}.crt"), pem.as_bytes());
            signer
        })
        .collect();
    let entries: Vec<_> = table
        .iter()
        .zip(&signers)
        .map(|((reason, ago, ..), signer)| {
            (&signer.certificate, now.minus_ms(ago * 60_000), *reason)
        })
        .collect();
    world.authority.publish_list(&entries, now);
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    for ((reason, ago, first, later), signer) in table.iter().zip(&signers) {
        let created = now.minus_ms(HOUR);
        let case = format!("{reason:?} {ago} minutes ago");
        let got = verdict(&world, &peer, signer, created, false).await;
        assert_eq!(got, *first, "{case}, first relay");
        let got = verdict(&world, &peer, signer, created, true).await;
        assert_eq!(got, *later, "{case}, later station");
    }
    peer.close().await;
    relay.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signer_must_have_been_valid_when_the_document_was_created() {
    use Verdict::{Later, Never, Taken};
    let expired = || Never(Reason::CertificateExpired);
    let clock = || Later(Reason::ClockUnsure);
    let minutes = |minutes: i64| minutes * 60_000;
    let day = 24 * HOUR;
    // (case, valid from and to, created, all counted from now, at the first relay, at a later station)
    let table = [
        ("valid", -day, day, -minutes(5), Taken, Taken),
        (
            "ended since",
            -day,
            -minutes(10),
            -minutes(20),
            Taken,
            Taken,
        ),
        (
            "ended before",
            -day,
            -minutes(30),
            -minutes(20),
            expired(),
            expired(),
        ),
        (
            "not begun",
            -minutes(10),
            day,
            -minutes(20),
            expired(),
            expired(),
        ),
        ("ten minutes ahead", -day, day, minutes(9), Taken, Taken),
        ("more ahead", -day, day, minutes(11), clock(), Taken),
        (
            "seven days behind",
            -9 * day,
            day,
            -7 * day + minutes(5),
            Taken,
            Taken,
        ),
        (
            "more behind",
            -9 * day,
            day,
            -7 * day - minutes(5),
            clock(),
            Taken,
        ),
    ];
    let mut world = world();
    let now = Clock::system().now();
    let party = || Some(Party::Agency(SENDER.parse().unwrap()));
    let signers: Vec<Credential> = table
        .iter()
        .enumerate()
        .map(|(number, (_, from, to, ..))| {
            let authority = &mut world.authority;
            let signer = authority.credential_with(Role::AgencySignature, party(), |template| {
                template.not_before = now.plus_ms(*from);
                template.not_after = now.plus_ms(*to);
            });
            let pem = signer.certificate.pem();
            authority.put(&format!("row-{number}.crt"), pem.as_bytes());
            signer
        })
        .collect();
    let relay = start(&world.relay, None).await;
    let peer = Peer::connect(&world).await;
    for ((case, _, _, created, first, later), signer) in table.iter().zip(&signers) {
        let created = now.plus_ms(*created);
        let got = verdict(&world, &peer, signer, created, false).await;
        assert_eq!(got, *first, "{case}, first relay");
        let got = verdict(&world, &peer, signer, created, true).await;
        assert_eq!(got, *later, "{case}, later station");
    }
    peer.close().await;
    relay.shutdown().await;
}
