//! What the authority publishes reaches a running station within seconds, and nothing that it
//! publishes makes the station know less.

use std::path::Path;
use std::time::Duration;

use formats::id::Digest;
use relay::authority::{AuthoritySettings, fingerprint};
use relay::config::StationConfig;
use relay::station::{PullState, Station};

use crate::standin::{Mood, Standin, files_of, grant};
use crate::world::{World, soon, start};

/// The relay of a world, with records of its own, pulled from a stand-in.
struct Pulling {
    world: World,
    standin: Standin,
    config: StationConfig,
    _dir: tempfile::TempDir,
}

impl Pulling {
    async fn new() -> Self {
        let world = World::new();
        let standin = world
            .authority
            .serve(grant("relay-1.tram.test", "tram.test", &[], &[]))
            .await;
        let dir = tempfile::tempdir().unwrap();
        let records = dir.path().join("records");
        copy(&world.authority.records, &records);
        let config = StationConfig {
            records,
            authority: Some(AuthoritySettings {
                endpoint: standin.url().parse().unwrap(),
                fingerprint: fingerprint(&standin.fingerprint()).unwrap(),
            }),
            ..world.relay.config.clone()
        };
        Self {
            world,
            standin,
            config,
            _dir: dir,
        }
    }

    async fn start(&mut self) -> Station {
        self.world.relay.config = self.config.clone();
        start(&self.world.relay, None).await
    }

    fn crl(&self) -> Digest {
        Digest::of(&std::fs::read(self.config.records.join("ca.crl")).unwrap())
    }
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for (name, bytes) in files_of(from) {
        std::fs::write(to.join(name), bytes).unwrap();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn state(station: &Station) -> PullState {
    station.authority().unwrap().pull_state()
}

fn sequence(station: &Station) -> u64 {
    state(station).sequence
}

fn downloads(standin: &Standin) -> usize {
    let state = standin.state();
    let files = state.asked.iter();
    files.filter(|line| line.contains("/v1/records/")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_reaches_a_running_station_within_seconds() {
    let mut pulling = Pulling::new().await;
    let station = pulling.start().await;
    until("the first pull", || sequence(&station) > 0).await;
    assert_eq!(
        downloads(&pulling.standin),
        0,
        "what is here is not fetched"
    );
    let victim = pulling.world.node_b.credentials.tls.certificate.clone();
    let now = station.clock().now();
    pulling.world.authority.revoke(&victim, now);
    pulling.standin.publish();
    let began = std::time::Instant::now();
    let validator = || station.directory().validator();
    let role = pki::role::Role::StationTls;
    until("the list", || {
        validator()
            .verify(&victim, role, station.clock().now())
            .is_err()
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    station.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_goes_on_without_its_authority_and_goes_on_pulling_with_it() {
    let mut pulling = Pulling::new().await;
    pulling.standin.set(Mood::Away);
    let station = pulling.start().await;
    until("an error to show", || state(&station).error.is_some()).await;
    assert!(state(&station).next_try.is_some() && state(&station).last_success.is_none());
    pulling.standin.set(Mood::Good);
    until("the first answer", || {
        state(&station).last_success.is_some()
    })
    .await;
    assert!(state(&station).error.is_none());
    until("everything", || sequence(&station) >= 7).await;
    let reached = sequence(&station);
    station.shutdown().await;
    // The last handle goes: only then is the folder free.
    drop(station);
    // A restart asks for news only.
    let asked = pulling.standin.state().asked.len();
    pulling
        .world
        .authority
        .put("new.crt", pulling.world.authority.root().pem().as_bytes());
    pulling.standin.publish();
    let station = pulling.start().await;
    let new = pulling.config.records.join("new.crt");
    until("the new file", || new.exists()).await;
    {
        let standin = pulling.standin.state();
        let first = &standin.asked[asked];
        assert!(first.contains(&format!("after={reached}&")), "{first}");
    }
    assert_eq!(downloads(&pulling.standin), 1);
    // What came this way may go this way; what did not, and what holds trust, stays.
    let own = pulling.config.records.join("own.crt");
    std::fs::copy(&new, &own).unwrap();
    for name in ["new.crt", "ca.crl", "trust-list.rec"] {
        std::fs::remove_file(pulling.world.authority.records.join(name)).unwrap();
    }
    pulling.standin.publish();
    until("the removal", || !new.exists()).await;
    until("the refusals", || state_refused(&station) >= 2).await;
    for name in ["own.crt", "ca.crl", "trust-list.rec"] {
        assert!(pulling.config.records.join(name).exists(), "{name}");
    }
    station.shutdown().await;
}

fn state_refused(station: &Station) -> usize {
    state(station).refused.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_certificates_and_the_authority() {
    let mut pulling = Pulling::new().await;
    let ops = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = ops.local_addr().unwrap();
    drop(ops);
    pulling.config.ops = Some(address);
    let station = pulling.start().await;
    until("the first pull", || sequence(&station) > 0).await;
    let ask = async |path: &str| {
        let answer = reqwest::get(format!("http://{address}{path}"))
            .await
            .unwrap();
        answer.text().await.unwrap()
    };
    let status: serde_json::Value = serde_json::from_str(&ask("/status").await).unwrap();
    let authority = &status["authority"];
    assert_eq!(authority["url"], pulling.standin.url());
    assert!(authority["age_s"].as_i64().unwrap() < 60, "{authority}");
    let roles: Vec<&str> = status["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["station-evidence", "station-tls"]);
    assert_eq!(status["certificates"][1]["renewal"], "automatic");
    assert!(status["certificates"][1]["warning_days"].is_null());
    let metrics = ask("/metrics").await;
    for line in [
        "tram_certificate_expires_seconds{role=\"station-tls\"} ",
        "tram_certificate_expires_seconds{role=\"station-evidence\"} ",
        "tram_authority_pull_age_seconds ",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    station.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_authority_changes_nothing_and_stops_nothing() {
    let mut pulling = Pulling::new().await;
    let station = pulling.start().await;
    until("the first pull", || sequence(&station) > 0).await;
    let before = pulling.crl();
    let outside = pulling.config.records.join("../../flood-0.crt");
    for mood in [
        Mood::Flooding,
        Mood::Strange,
        Mood::OtherBytes,
        Mood::Endless,
    ] {
        pulling.standin.set(mood);
        // News that it would have to hand over.
        let now = station.clock().now();
        let victim = pulling.world.node_b.credentials.tls.certificate.clone();
        if mood == Mood::OtherBytes {
            pulling.world.authority.revoke(&victim, now);
        }
        pulling.standin.publish();
        until("an error to show", || state(&station).error.is_some()).await;
        assert_eq!(pulling.crl(), before, "{mood:?}");
        assert!(!outside.exists());
        assert!(station.directory().station(station.name()).is_some());
    }
    // It comes to its senses: the list arrives after all.
    pulling.standin.set(Mood::Good);
    let crl = || pulling.crl() != before;
    until("the list", crl).await;
    station.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_list_or_record_does_not_replace_a_newer_one() {
    let mut pulling = Pulling::new().await;
    let published = pulling.world.authority.records.clone();
    let old_crl = std::fs::read(published.join("ca.crl")).unwrap();
    let old_record = std::fs::read(published.join("trust-list.rec")).unwrap();
    let victim = pulling.world.node_b.credentials.tls.certificate.clone();
    let now = pulling.world.authority.now;
    pulling.world.authority.revoke(&victim, now);
    pulling.standin.publish();
    let station = pulling.start().await;
    until("the list", || pulling.crl() != Digest::of(&old_crl)).await;
    let newest = pulling.crl();
    std::fs::write(published.join("ca.crl"), &old_crl).unwrap();
    // A record that is none, under the name of the trust list.
    std::fs::write(published.join("trust-list.rec"), b"nothing").unwrap();
    pulling.standin.publish();
    until("two refusals", || state_refused(&station) >= 2).await;
    assert_eq!(pulling.crl(), newest);
    let held = std::fs::read(pulling.config.records.join("trust-list.rec")).unwrap();
    assert_eq!(held, old_record);
    station.shutdown().await;
}
