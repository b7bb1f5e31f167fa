//! Days without any side service: certification authority, time-stamp authority and the source of revocation
//! lists are away. Real stations, a clock that the test moves.

use std::collections::BTreeSet;
use std::time::Duration;

use formats::id::EnvelopeId;
use formats::reason::Reason;
use relay::alarm::{Code, Level};
use relay::clock::Clock;
use relay::desk::What;
use relay::station::Station;
use relay::store::Change;

use crate::clock::Tsa;
use crate::letter::{context, letter, submission};
use crate::windows::{HOUR, until_alarms};
use crate::world::{RECIPIENT, SENDER, Told, World, noting_desk, soon, start_at};

struct Network {
    world: World,
    clock: Clock,
    a: Station,
    b: Station,
    relay: Station,
    told_a: Told,
    told_b: Told,
    sent: BTreeSet<EnvelopeId>,
}

impl Network {
    async fn start(mut world: World, clock: Clock) -> Self {
        for planned in [&mut world.node_a, &mut world.node_b, &mut world.relay] {
            // Peers compare their clocks in every quiet moment.
            planned.config.timing.ping = Duration::from_millis(300);
        }
        let relay = start_at(&world.relay, None, clock.clone()).await;
        let (desk_a, told_a) = noting_desk();
        let (desk_b, told_b) = noting_desk();
        let a = start_at(&world.node_a, Some(desk_a), clock.clone()).await;
        let b = start_at(&world.node_b, Some(desk_b), clock.clone()).await;
        Self {
            world,
            clock,
            a,
            b,
            relay,
            told_a,
            told_b,
            sent: BTreeSet::new(),
        }
    }

    fn stations(&self) -> [&Station; 3] {
        [&self.a, &self.b, &self.relay]
    }

    /// The desk of A hands in a document; durable when this returns.
    async fn hand_in(&mut self) -> EnvelopeId {
        let (now, agency) = (self.clock.now(), &self.world.agencies[0]);
        let context = context(SENDER, self.a.name(), &[RECIPIENT], agency, now);
        let id = context.id;
        let sent = letter(context, agency, 100);
        let to = [(RECIPIENT, self.relay.name())];
        let accept = submission(self.a.store(), &sent, &to, now).await;
        self.a
            .commit(Change::of(vec![accept.into()]))
            .await
            .unwrap();
        self.sent.insert(id);
        id
    }

    /// The next document that arrives at B.
    async fn arrived(&mut self) -> EnvelopeId {
        let arrival = soon("arrival", self.told_b.arrivals.recv()).await.unwrap();
        arrival.header.context().id
    }

    async fn until_all(&self, what: &str, expected: &[(Code, Level)]) {
        let expected: BTreeSet<(Code, Level)> = expected.iter().copied().collect();
        for station in self.stations() {
            let what = format!("{what} at {}", station.name());
            let fits =
                |up: &[(Code, Level)]| up.iter().copied().collect::<BTreeSet<_>>() == expected;
            until_alarms(station, &what, fits).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_goes_on_for_its_windows_then_fails_closed_and_nothing_is_lost() {
    use Level::{Stopped, Warning};
    // The window of the trust list is a day; the revocation lists hold for two days and their window is
    // the third one.
    let mut world = World::new();
    let begin = world.authority.now;
    let clock = Clock::manual(begin);
    let mut tsa = Tsa::start(&mut world, clock.clone()).await;
    for planned in [&mut world.node_a, &mut world.node_b, &mut world.relay] {
        planned.config.time_stamp_urls = vec![tsa.url.clone()];
    }
    let mut net = Network::start(world, clock).await;
    for station in net.stations() {
        station.note_authority("authority-1.tram.test", Some(net.clock.now()));
    }
    let first = net.hand_in().await;
    assert_eq!(net.arrived().await, first);
    net.until_all("nothing wrong", &[]).await;
    for station in net.stations() {
        let stamped = async {
            while station.store().stamped().await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        soon("the first stamp", stamped).await;
    }
    tsa.go_away().await;

    let silent = |level| [(Code::Authority, level), (Code::TimeStamps, level)];
    for (hours, expected) in [
        (6, vec![]),
        (11, vec![]),
        (13, silent(Warning).to_vec()),
        (18, silent(Warning).to_vec()),
        (23, silent(Warning).to_vec()),
        (25, silent(Stopped).to_vec()),
        (35, silent(Stopped).to_vec()),
        (
            47,
            [silent(Stopped).as_slice(), &[(Code::Revocation, Warning)]].concat(),
        ),
        (
            60,
            [silent(Stopped).as_slice(), &[(Code::Revocation, Warning)]].concat(),
        ),
        (
            71,
            [silent(Stopped).as_slice(), &[(Code::Revocation, Warning)]].concat(),
        ),
    ] {
        net.clock.set(begin.plus_ms(hours * HOUR));
        let id = net.hand_in().await;
        assert_eq!(net.arrived().await, id, "after {hours} h");
        net.until_all(&format!("alarms after {hours} h"), &expected)
            .await;
    }

    // The last window is over: nothing moves, the reason is told, the document is kept.
    net.clock.set(begin.plus_ms(73 * HOUR));
    let stopped = [silent(Stopped).as_slice(), &[(Code::Revocation, Stopped)]].concat();
    net.until_all("stop", &stopped).await;
    while net.told_a.changes.try_recv().is_ok() {}
    let held = [net.hand_in().await, net.hand_in().await];
    for _each in held {
        let change = soon("refusal", net.told_a.changes.recv()).await.unwrap();
        let What::Retry { reason, .. } = change.what else {
            panic!("{:?}", change.what)
        };
        assert_eq!(reason, Reason::StaleRevocation);
    }
    let remedies = net.a.alarms();
    assert!(remedies.iter().all(|alarm| alarm.remedy_vi().len() > 20));
    assert!(net.told_b.arrivals.try_recv().is_err());
    assert!(net.a.links().iter().any(|link| link.up && link.restricted));

    // Everything comes back, and so does the traffic, by itself.
    net.clock.set(begin.plus_ms(80 * HOUR));
    let now = net.clock.now();
    net.world.authority.renew_lists(now);
    tsa.come_back().await;
    for station in net.stations() {
        station.note_authority("authority-1.tram.test", Some(net.clock.now()));
    }
    for station in net.stations() {
        let freed = async {
            while station.links().iter().any(|link| link.restricted) {
                tokio::task::yield_now().await;
            }
        };
        soon("freedom of the links", freed).await;
    }
    // Whoever was freed first may have been refused by the other once more, and comes back.
    net.clock.set(net.clock.now().plus_ms(HOUR / 6));
    let late = BTreeSet::from([net.arrived().await, net.arrived().await]);
    assert_eq!(late, BTreeSet::from(held));
    net.until_all("end of the alarms", &[]).await;
    let last = net.hand_in().await;
    assert_eq!(net.arrived().await, last);
    assert!(net.told_b.arrivals.try_recv().is_err(), "nothing twice");
    assert_eq!(net.sent.len(), 14, "and all of it came");
    // One token covers everything that was stated meanwhile.
    for station in net.stations() {
        let covered = async {
            loop {
                let size = station.store().head().borrow().size;
                let stamped = station.store().stamped().await.unwrap().unwrap();
                if stamped.parsed().unwrap().checkpoint.size >= size {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        soon("a stamp over all", covered).await;
    }
    for station in net.stations() {
        station.shutdown().await;
    }
}
