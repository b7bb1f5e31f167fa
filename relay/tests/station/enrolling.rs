//! Enrolment against a real TLS server: one line sets a relay up, an interruption anywhere costs nothing,
//! and who is not the authority learns nothing.

use std::path::Path;
use std::process::Command;

use formats::record::StationKind;
use relay::authority::client::ClientError;
use relay::authority::enrol::{EnrolError, Enrolment};
use relay::authority::publish::Introduction;
use relay::authority::{AuthoritySettings, fingerprint};
use relay::clock::Clock;
use relay::config::StationConfig;
use relay::station::Station;

use crate::authority::Authority;
use crate::standin::{Mood, Standin, files_of, grant};

const NAME: &str = "relay-9.tram.test";

async fn authority(dir: &Path) -> (Authority, Standin) {
    let authority = Authority::new(dir, Clock::system().now());
    let standin = authority.serve(grant(NAME, "tram.test", &[], &[])).await;
    (authority, standin)
}

fn settings(standin: &Standin) -> AuthoritySettings {
    AuthoritySettings {
        endpoint: standin.url().parse().unwrap(),
        fingerprint: fingerprint(&standin.fingerprint()).unwrap(),
    }
}

async fn begin(dir: &Path, standin: &Standin) -> Result<Enrolment, EnrolError> {
    Enrolment::begin(dir, &settings(standin), "TOKEN-1", Clock::system()).await
}

fn command(standin: &Standin, dir: &Path, change: &[&str]) -> (bool, String, String) {
    let mut arguments = vec![
        "enrol".to_owned(),
        format!("--authority={}", standin.url()),
        format!("--fingerprint={}", standin.fingerprint()),
        "--token=TOKEN-1".to_owned(),
        format!("--dir={}", dir.display()),
        "--listen=127.0.0.1:4109".to_owned(),
        "--address=127.0.0.1:4109".to_owned(),
        "--no-start".to_owned(),
    ];
    for one in change {
        let key = one.split('=').next().unwrap();
        arguments.retain(|held| held.split('=').next() != Some(key));
        arguments.push((*one).to_owned());
    }
    let said = Command::new(env!("CARGO_BIN_EXE_tram-relay"))
        .args(&arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        said.status.success(),
        text(&said.stdout),
        text(&said.stderr),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_line_sets_a_relay_up_and_it_runs() {
    let (place, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_authority, standin) = authority(place.path()).await;
    let (good, out, err) = command(&standin, home.path(), &["--json"]);
    assert!(good, "{out}{err}");
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["station"], NAME);
    // The same line again changes nothing and asks for nothing.
    let keys = files_of(&home.path().join("keys"));
    let asked = standin.state().issued.len();
    let (good, _, err) = command(&standin, home.path(), &[]);
    assert!(good && err.contains(NAME), "{err}");
    assert_eq!(files_of(&home.path().join("keys")), keys);
    assert_eq!(standin.state().issued.len(), asked);
    // Private keys are nobody else's, and their names are those of every station.
    for name in ["tls.key", "evidence.key", "log.key"] {
        use std::os::unix::fs::PermissionsExt;
        let about = std::fs::metadata(home.path().join("keys").join(name)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert!(
        !keys
            .keys()
            .any(|name| name.contains("next") || name.contains("part"))
    );
    let config = StationConfig::load(&home.path().join("relay.toml")).unwrap();
    assert_eq!(config.authority, Some(settings(&standin)));
    let config = StationConfig {
        ops: None,
        ..config
    };
    let station = Station::start(config, None).await.unwrap();
    let record = station.directory().station(station.name()).unwrap();
    assert_eq!(record.record().kind, StationKind::Relay);
    station.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_lost_anywhere_is_asked_for_again_and_nothing_is_issued_twice() {
    let place = tempfile::tempdir().unwrap();
    let (_authority, standin) = authority(place.path()).await;
    let home = tempfile::tempdir().unwrap();
    let who = Introduction {
        name: NAME.parse().unwrap(),
        kind: StationKind::Relay,
        address: Some("127.0.0.1:4109".parse().unwrap()),
        home_relays: vec![],
        neighbours: vec![],
    };
    // Each time another answer is lost: the server has done its part, the station does not know.
    let mut lost = 0;
    loop {
        assert!(lost < 100, "does not come to an end");
        let before = standin.state().asked.len();
        standin.state().lose = Some(before + lost);
        let outcome = async {
            let enrolment = begin(home.path(), &standin).await?;
            let enrolled = enrolment.certify(&enrolment.station_slots()).await?;
            enrolment.pull(&enrolled).await?;
            enrolment.introduce(&who, &[], &enrolled).await
        };
        match outcome.await {
            Ok(()) => break,
            Err(
                EnrolError::Client(ClientError::Unreachable { .. })
                | EnrolError::Pull(_)
                | EnrolError::Publish(_),
            ) => lost += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(lost > 2, "only {lost} answers were lost");
    assert_eq!(standin.state().issued.len(), 2, "issued twice");
    for slot in begin(home.path(), &standin).await.unwrap().station_slots() {
        let certificate = slot.pair.current().unwrap().unwrap();
        assert!(standin.state().issued.contains(&certificate));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_the_authority_learns_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (authority, standin) = authority(place.path()).await;
    let home = tempfile::tempdir().unwrap();
    // Another root than the one on the paper.
    let other = format!("--fingerprint={}", "ab".repeat(32));
    let (good, _, err) = command(&standin, home.path(), &[&other]);
    assert!(!good && err.contains("dấu vân tay"), "{err}");
    assert!(standin.state().asked.is_empty(), "the token was sent");
    // A station of the same country, with a certificate of the same root and role.
    let rogue = authority
        .serve_as("node-7.tram.test", grant(NAME, "tram.test", &[], &[]))
        .await;
    let error = begin(home.path(), &rogue).await.unwrap_err();
    assert!(
        matches!(error, EnrolError::Client(ClientError::Untrusted { .. })),
        "{error}"
    );
    assert!(rogue.state().asked.is_empty(), "the token was sent");
    assert!(std::fs::read_dir(home.path()).unwrap().next().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_to_do_in_both_languages() {
    let place = tempfile::tempdir().unwrap();
    let (_authority, standin) = authority(place.path()).await;
    let home = tempfile::tempdir().unwrap();
    let (good, out, err) = command(&standin, home.path(), &["--token=WRONG", "--json"]);
    assert!(!good && err.contains("token_unknown"), "{err}");
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["next"], "ask for another token");
    assert_eq!(said["next_vi"], "bị từ chối");
    standin.set(Mood::Strange);
    let (good, _, err) = command(&standin, home.path(), &[]);
    assert!(!good && err.contains("another service"), "{err}");
    standin.set(Mood::Good);
    let (good, _, err) = command(&standin, home.path(), &["--authority=http://a"]);
    assert!(!good && err.contains("https://"), "{err}");
    // A folder that belongs to another token.
    let (good, _, err) = command(&standin, home.path(), &[]);
    assert!(good, "{err}");
    let (good, _, err) = command(&standin, home.path(), &["--token=TOKEN-2"]);
    assert!(!good && err.contains("already enrolled"), "{err}");
}
