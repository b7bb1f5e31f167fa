//! A station with a wrong clock: it notices by a time-stamp token or by its peers, says so, stamps nothing,
//! ends nothing by time, and goes on when the clock is right.

use std::sync::Arc;

use formats::id::Party;
use pki::role::Role;
use pki::stamp::TokenIssuer;
use relay::alarm::{Code, Level};
use relay::clock::Clock;
use relay::station::Station;
use relay::store::Change;

use crate::letter::{context, letter, submission};
use crate::windows::{alarms, until_alarms};
use crate::world::{RECIPIENT, SENDER, World, free_udp, noting_desk, soon, start_at};

/// A time-stamp authority that the trust of this world covers.
pub struct Tsa {
    pub url: String,
    issuer: TokenIssuer,
    clock: Clock,
    address: std::net::SocketAddr,
    tasks: tokio::task::JoinSet<()>,
}

impl Tsa {
    pub async fn start(world: &mut World, clock: Clock) -> Self {
        let name = Party::Station("tsa-1.tram.test".parse().unwrap());
        let signer = world.authority.credential(Role::TimeStamping, Some(name));
        let chain = world.authority.chain(&signer.certificate);
        let issuer = TokenIssuer::new(signer.key, signer.certificate, chain[1..].to_vec());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tsa = Self {
            url: format!("http://{address}/"),
            issuer,
            clock,
            address,
            tasks: tokio::task::JoinSet::new(),
        };
        tsa.serve(listener);
        tsa
    }

    fn serve(&mut self, listener: tokio::net::TcpListener) {
        let (issuer, clock) = (Arc::new(self.issuer.clone()), self.clock.clone());
        let answer = move |request: axum::body::Bytes| {
            let answer = issuer.respond(&request, clock.now()).unwrap();
            std::future::ready(answer)
        };
        let router = axum::Router::new().route("/", axum::routing::post(answer));
        self.tasks
            .spawn(async move { axum::serve(listener, router).await.unwrap() });
    }

    pub async fn go_away(&mut self) {
        self.tasks.shutdown().await;
    }

    pub async fn come_back(&mut self) {
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }
}

/// Has the station state something, and answers what it stated of its clock.
async fn states_unsure(world: &World, station: &Station, clock: &Clock) -> bool {
    let now = clock.now();
    let context = context(
        SENDER,
        station.name(),
        &[RECIPIENT],
        &world.agencies[0],
        now,
    );
    let sent = letter(context, &world.agencies[0], 100);
    let hop = &world.relay.credentials.name;
    let accept = submission(station.store(), &sent, &[(RECIPIENT, hop)], now).await;
    let committed = station
        .commit(Change::of(vec![accept.into()]))
        .await
        .unwrap();
    committed.bundle.unwrap().statements().unwrap()[0].clock_unsure
}

const WRONG: (Code, Level) = (Code::Clock, Level::Stopped);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_a_token_contradicts_stamps_nothing_until_it_is_right() {
    let mut world = World::new();
    let truth = Clock::manual(world.authority.now);
    let _tsa = {
        let tsa = Tsa::start(&mut world, truth.clone()).await;
        world.node_a.config.time_stamp_urls = vec![tsa.url.clone()];
        tsa
    };
    // (our error, what it comes to)
    for (error_ms, level) in [
        (0, None),
        (8_000, Some(Level::Warning)),
        (120_000, Some(Level::Stopped)),
        (-120_000, Some(Level::Stopped)),
    ] {
        world.node_a.config.data = world
            .node_a
            .config
            .data
            .with_extension(error_ms.to_string());
        world.node_a.config.listen = free_udp();
        let clock = Clock::manual(truth.now());
        clock.set_wrong(error_ms);
        let (desk, _told) = noting_desk();
        let node = start_at(&world.node_a, Some(desk), clock.clone()).await;
        let expected: Vec<(Code, Level)> = level
            .map(|level| (Code::Clock, level))
            .into_iter()
            .collect();
        until_alarms(&node, "the alarm of a wrong clock", |up| up == expected).await;
        if level == Some(Level::Stopped) {
            assert!(node.clock_unsure());
            assert!(states_unsure(&world, &node, &clock).await);
            assert!(node.store().stamped().await.unwrap().is_none());
            // Set right: the token of before says so at once, and stamping goes on.
            clock.set_wrong(-error_ms);
            until_alarms(&node, "end of the alarm", |up| up.is_empty()).await;
        }
        if level != Some(Level::Warning) {
            assert!(!states_unsure(&world, &node, &clock).await);
        }
        let stamped = async {
            while node.store().stamped().await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        soon("a stamp", stamped).await;
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_is_doubted_without_anybody_else() {
    let world = World::new();
    let clock = Clock::manual(world.authority.now);
    let (desk, _told) = noting_desk();
    let node = start_at(&world.node_a, Some(desk), clock.clone()).await;
    assert!(!states_unsure(&world, &node, &clock).await);
    // Time that passes is no doubt.
    clock.set(clock.now().plus_ms(3_600_000));
    until_alarms(&node, "nothing", |up| up.is_empty()).await;
    clock.set_wrong(86_400_000);
    until_alarms(&node, "doubt", |up| up == [WRONG]).await;
    assert!(states_unsure(&world, &node, &clock).await);
    clock.set_wrong(-86_400_000);
    until_alarms(&node, "end of it", |up| up.is_empty()).await;
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_agree_show_a_relay_that_it_is_wrong_and_one_alone_does_not() {
    let world = World::new();
    let truth = Clock::manual(world.authority.now);
    let wrong = Clock::manual(truth.now().plus_ms(120_000));
    let relay = start_at(&world.relay, None, wrong).await;
    let (desk_a, _told_a) = noting_desk();
    let a = start_at(&world.node_a, Some(desk_a), truth.clone()).await;
    until_alarms(&relay, "a warning", |up| {
        up == [(Code::Clock, Level::Warning)]
    })
    .await;
    assert!(!relay.clock_unsure());
    let (desk_b, _told_b) = noting_desk();
    let b = start_at(&world.node_b, Some(desk_b), truth).await;
    until_alarms(&relay, "doubt", |up| up == [WRONG]).await;
    assert!(relay.clock_unsure());
    // The nodes have one peer each, and it is the one who is wrong.
    assert_eq!(alarms(&a), [(Code::Clock, Level::Warning)]);
    assert!(!a.clock_unsure() && !b.clock_unsure());
    for station in [&a, &b, &relay] {
        station.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_wrong_clock_calls_expired_stays_until_the_clock_is_right() {
    let world = World::new();
    let clock = Clock::manual(world.authority.now);
    let (desk, mut told) = noting_desk();
    let node = start_at(&world.node_a, Some(desk), clock.clone()).await;
    assert!(!states_unsure(&world, &node, &clock).await);
    // Two days ahead: the document, good for one, would be over.
    clock.set_wrong(2 * 86_400_000);
    until_alarms(&node, "doubt", |up| up.contains(&WRONG)).await;
    let open = |shape: relay::store::QueueShape| -> u64 {
        let open = |state: &str| state == "queued" || state == "waiting_retry";
        let states = shape.states.iter().filter(|one| open(one.state));
        states.map(|one| one.legs).sum()
    };
    for _look in 0..20 {
        let shape = node.store().shape(clock.now()).await.unwrap();
        assert_eq!(open(shape), 1);
        tokio::task::yield_now().await;
    }
    clock.set_wrong(-2 * 86_400_000);
    until_alarms(&node, "end of it", |up| up.is_empty()).await;
    // And when the time has really come, it ends.
    clock.set(clock.now().plus_ms(25 * 3_600_000));
    let change = soon("expiry", told.changes.recv()).await.unwrap();
    assert!(
        matches!(change.what, relay::desk::What::Expired),
        "{change:?}"
    );
    node.shutdown().await;
}

/// States something, so that there is something to stamp, until the alarms are these.
async fn until_after_work(
    world: &World,
    station: &Station,
    clock: &Clock,
    expected: &[(Code, Level)],
) {
    let working = async {
        while alarms(station) != expected {
            states_unsure(world, station, clock).await;
        }
    };
    soon("the alarms after some work", working).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_authority_stamps_while_the_first_is_away_and_the_first_is_named() {
    let mut world = World::new();
    let clock = Clock::manual(world.authority.now);
    let mut first = Tsa::start(&mut world, clock.clone()).await;
    let second = Tsa::start(&mut world, clock.clone()).await;
    world.node_a.config.time_stamp_urls = vec![first.url.clone(), second.url.clone()];
    let (desk, _told) = noting_desk();
    let node = start_at(&world.node_a, Some(desk), clock.clone()).await;
    let stamped = async {
        while node.store().stamped().await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    soon("the first stamp", stamped).await;
    first.go_away().await;
    let one_fails = [(Code::TimeStamps, Level::Warning)];
    until_after_work(&world, &node, &clock, &one_fails).await;
    let alarm = node.alarms().remove(0).found;
    assert_eq!(alarm.subject, first.url);
    assert!(alarm.detail.is_some(), "why it fails");
    let size = node
        .store()
        .stamped()
        .await
        .unwrap()
        .unwrap()
        .parsed()
        .unwrap()
        .checkpoint
        .size;
    assert!(size > 1, "the second one stamps");
    first.come_back().await;
    until_after_work(&world, &node, &clock, &[]).await;
    node.shutdown().await;
}
