//! A witness: the answers of c2sp.org/tlog-witness, what it never signs, and a station that gets its
//! checkpoints cosigned.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use formats::checkpoint::{Checkpoint, LogOrigin, Note, NoteSignature, ed25519_key_id};
use formats::id::Digest;
use formats::merkle;
use formats::record::Record;
use formats::witness::{AddCheckpoint, KeyKind, VerifierKey, WitnessPolicy, read_answer};
use pki::key::LogKey;
use pki::witness::{Level, cosigned_at, witnessed};
use relay::alarm::Code;
use relay::clock::Clock;
use relay::store::{Change, ProofBase};
use relay::witness::{self, Settings};
use tokio_util::sync::CancellationToken;

use crate::clock::Tsa;
use crate::letter::{context, letter, submission};
use crate::windows::alarms;
use crate::world::{RECIPIENT, SENDER, World, noting_desk, soon, start};

/// A log of our own, of one of two histories.
struct Log {
    origin: LogOrigin,
    key: LogKey,
}

impl Log {
    fn new(origin: &str) -> Self {
        Self {
            origin: origin.parse().unwrap(),
            key: LogKey::generate().unwrap(),
        }
    }

    fn vkey(&self) -> VerifierKey {
        let name = self.origin.to_string();
        VerifierKey::new(&name, KeyKind::Log, self.key.public()).unwrap()
    }

    fn leaves(size: u64, branch: u8) -> Vec<Digest> {
        let leaf = |n: u64| {
            let branch = if n < 3 { 0 } else { branch };
            merkle::leaf_hash(&[&n.to_be_bytes()[..], &[branch]].concat())
        };
        (0..size).map(leaf).collect()
    }

    fn note(&self, size: u64, branch: u8) -> Note {
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size,
            root: merkle::root(&Self::leaves(size, branch)),
        };
        let name = self.origin.to_string();
        let line = NoteSignature {
            key_id: ed25519_key_id(&name, &self.key.public()),
            signature: self.key.sign(checkpoint.body().as_bytes()),
            name,
        };
        Note {
            checkpoint,
            signatures: vec![line],
        }
    }

    fn request(&self, old: u64, size: u64, branch: u8) -> AddCheckpoint {
        let leaves = Self::leaves(size, branch);
        let proof = merkle::consistency_path(&leaves, usize::try_from(old).unwrap());
        AddCheckpoint {
            old,
            proof: proof.unwrap_or_default(),
            note: self.note(size, branch),
        }
    }
}

struct Running {
    address: SocketAddr,
    key: VerifierKey,
    stop: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
}

impl Running {
    async fn start(settings: &Settings, key: VerifierKey) -> Self {
        let (witness, _directory) = witness::open(settings, Clock::system()).await.unwrap();
        let listener = tokio::net::TcpListener::bind(settings.listen)
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut tasks) = (CancellationToken::new(), tokio::task::JoinSet::new());
        let ends = stop.clone();
        tasks.spawn(async move {
            witness::serve(Arc::new(witness), listener, ends)
                .await
                .unwrap();
        });
        Self {
            address,
            key,
            stop,
            tasks,
        }
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, String, String) {
        let answer = reqwest::Client::new()
            .post(format!("http://{}/add-checkpoint", self.address))
            .body(body)
            .send()
            .await
            .unwrap();
        let kind = answer.headers().get("content-type");
        let kind = kind.map_or("", |kind| kind.to_str().unwrap()).to_owned();
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    }

    async fn add(&self, request: &AddCheckpoint) -> (u16, String) {
        let (status, _, text) = self.post(request.to_text()).await;
        (status, text)
    }

    async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

fn settings(dir: &Path, logs: &[&Log]) -> Settings {
    Settings {
        dir: dir.to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        logs: logs.iter().map(|log| log.vkey()).collect(),
        records: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answers_are_those_of_the_specification() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new("relay-1.tram.test/log/1");
    let stranger = Log::new("relay-9.tram.test/log/1");
    let settings = settings(&dir.path().join("w"), &[&log]);
    let key = witness::init(&settings.dir, "witness.example/w1")
        .await
        .unwrap();
    let running = Running::start(&settings, key).await;
    // A first checkpoint, from nothing.
    let (status, text) = running.add(&log.request(0, 5, 0)).await;
    assert_eq!(status, 200, "{text}");
    let note = log.note(5, 0);
    let lines = read_answer(&text, &note).unwrap();
    let cosigned = pki::witness::with_lines(note, lines);
    let at = cosigned_at(&cosigned, &running.key).unwrap();
    assert!(Clock::system().now().minus(at).abs() < 60_000);
    // Onward, and the same one again.
    assert_eq!(running.add(&log.request(5, 9, 0)).await.0, 200);
    assert_eq!(running.add(&log.request(9, 9, 0)).await.0, 200);
    let wrong_key = Log {
        origin: log.origin.clone(),
        key: LogKey::generate().unwrap(),
    };
    let mut without_path = log.request(9, 20, 0);
    without_path.proof.clear();
    let mut path_from_nothing = log.request(9, 9, 0);
    path_from_nothing.proof = vec![Digest::of(b"x")];
    let mut above = log.request(9, 12, 0);
    above.old = 13;
    // (request, status, body)
    let table = [
        ("unknown log", stranger.request(0, 5, 0), 404, None),
        ("another key", wrong_key.request(9, 12, 0), 403, None),
        ("old size above", above, 400, None),
        (
            "old size not the last",
            log.request(5, 12, 0),
            409,
            Some("9\n"),
        ),
        ("a rewind", log.request(3, 5, 0), 409, Some("9\n")),
        (
            "from nothing again",
            log.request(0, 12, 0),
            409,
            Some("9\n"),
        ),
        (
            "the size with another root",
            log.request(9, 9, 1),
            409,
            Some("9\n"),
        ),
        ("a fork", log.request(9, 12, 1), 422, None),
        ("no proof", without_path, 422, None),
        ("a proof where none is", path_from_nothing, 422, None),
    ];
    for (case, request, status, body) in table {
        let (kind, text);
        let answer = running.post(request.to_text()).await;
        (kind, text) = (answer.1, answer.2);
        assert_eq!(answer.0, status, "{case}: {text}");
        if let Some(body) = body {
            assert_eq!(
                (kind.as_str(), text.as_str()),
                ("text/x.tlog.size", body),
                "{case}"
            );
        }
        assert!(!text.contains('\u{2014}'), "{case} was cosigned");
    }
    // None of it moved what is remembered.
    assert_eq!(running.add(&log.request(9, 12, 0)).await.0, 200);
    let good = log.request(12, 15, 0).to_text();
    for (case, body, status) in [
        ("empty", Vec::new(), 400),
        ("not text", vec![0xff; 100], 400),
        ("no note", b"old 12\n\n".to_vec(), 400),
        ("cut", good.as_bytes()[..good.len() - 1].to_vec(), 400),
        (
            "extension line",
            good.replacen("\n15\n", "\n15\nx\n", 1).into_bytes(),
            400,
        ),
        (
            "leading zero",
            good.replacen("old 12", "old 012", 1).into_bytes(),
            400,
        ),
        (
            "a wrong hash",
            good.replacen("\n15\n", "\n16\n", 1).into_bytes(),
            403,
        ),
        ("16 KiB", vec![b'a'; 16 * 1024], 413),
    ] {
        assert_eq!(running.post(body).await.0, status, "{case}");
    }
    let get = reqwest::get(format!("http://{}/add-checkpoint", running.address)).await;
    assert_eq!(get.unwrap().status().as_u16(), 405);
    // What it signed it remembers after a restart.
    let key = running.key.clone();
    running.stop().await;
    let running = Running::start(&settings, key).await;
    assert_eq!(
        running.add(&log.request(5, 9, 0)).await,
        (409, "12\n".to_owned())
    );
    assert_eq!(running.add(&log.request(12, 15, 0)).await.0, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_requests_at_once_only_one_history_is_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(Log::new("relay-1.tram.test/log/1"));
    let settings = settings(&dir.path().join("w"), &[&log]);
    let key = witness::init(&settings.dir, "w1").await.unwrap();
    let running = Arc::new(Running::start(&settings, key).await);
    assert_eq!(running.add(&log.request(0, 3, 0)).await.0, 200);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40_u64 {
        let (running, log) = (Arc::clone(&running), Arc::clone(&log));
        let (size, branch) = (4 + number / 4, u8::from(number % 2 == 1));
        tasks.spawn(async move {
            let answer = running.add(&log.request(3, size, branch)).await;
            (answer.0, size, branch)
        });
    }
    let answers = tasks.join_all().await;
    // Repetitions of the winner are cosigned again only with its own size as the old one: here once.
    let signed: Vec<_> = answers
        .iter()
        .filter(|(status, ..)| *status == 200)
        .collect();
    assert_eq!(signed.len(), 1, "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|(status, ..)| [200, 409].contains(status))
    );
    Arc::into_inner(running).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_forgot_what_it_signed_stops_and_one_without_memory_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new("relay-1.tram.test/log/1");
    let settings = settings(&dir.path().join("w"), &[&log]);
    let key = witness::init(&settings.dir, "w1").await.unwrap();
    assert!(
        witness::init(&settings.dir, "w1").await.is_err(),
        "made twice"
    );
    let running = Running::start(&settings, key.clone()).await;
    assert_eq!(running.add(&log.request(0, 5, 0)).await.0, 200);
    running.stop().await;
    let file = settings.dir.join("witness.db");
    let older = std::fs::read(&file).unwrap();
    let running = Running::start(&settings, key.clone()).await;
    let (_, text) = running.add(&log.request(5, 9, 0)).await;
    let mut cosigned = log.request(5, 9, 0);
    let lines = read_answer(&text, &cosigned.note).unwrap();
    cosigned.note = pki::witness::with_lines(cosigned.note, lines);
    running.stop().await;
    for ending in ["-wal", "-shm"] {
        drop(std::fs::remove_file(
            settings.dir.join(format!("witness.db{ending}")),
        ));
    }
    std::fs::write(&file, older).unwrap();
    let running = Running::start(&settings, key.clone()).await;
    // Its own line above what it remembers: from now on nothing is cosigned, not even the other history.
    let (status, text) = running.add(&cosigned).await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("Retire it"), "{text}");
    assert_eq!(running.add(&log.request(5, 9, 1)).await.0, 503);
    running.stop().await;
    let running = Running::start(&settings, key).await;
    assert_eq!(running.add(&log.request(5, 9, 0)).await.0, 503);
    running.stop().await;
    std::fs::remove_file(&file).unwrap();
    let error = witness::open(&settings, Clock::system()).await.unwrap_err();
    assert!(error.to_string().contains("must be retired"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_become_stamped_and_witnessed_and_proofs_rest_on_them() {
    let mut world = World::new();
    let clock = Clock::system();
    let tsa = Tsa::start(&mut world, clock.clone()).await;
    let dir = tempfile::tempdir().unwrap();
    // Two witnesses that know the stations by the records; one is enough, the other is away.
    let mut keys = Vec::new();
    let mut all = Vec::new();
    for name in ["witness-1.example", "witness-2.example"] {
        let settings = Settings {
            records: Some((
                world.authority.records.clone(),
                world.authority.trust_list_certificate.clone(),
            )),
            ..settings(&dir.path().join(name), &[])
        };
        keys.push(witness::init(&settings.dir, name).await.unwrap());
        all.push(settings);
    }
    let policy = WitnessPolicy {
        needed: 1,
        keys: keys.clone(),
    };
    world.authority.trust_witnesses(&policy);
    let running = Running::start(&all[0], keys[0].clone()).await;
    world.node_a.config.time_stamp_urls = vec![tsa.url.clone()];
    world.node_a.config.witness_urls = vec![
        format!("http://{}/", running.address),
        "http://127.0.0.1:9/".to_owned(),
    ];
    let (desk, _told) = noting_desk();
    let a = start(&world.node_a, Some(desk)).await;
    let now = clock.now();
    let context = context(SENDER, a.name(), &[RECIPIENT], &world.agencies[0], now);
    let sent = letter(context, &world.agencies[0], 100);
    let relay = &world.relay.credentials.name;
    let accept = submission(a.store(), &sent, &[(RECIPIENT, relay)], now).await;
    a.commit(Change::of(vec![accept.into()])).await.unwrap();
    let size = a.store().head().borrow().size;
    let levels = async {
        while !a
            .levels()
            .await
            .unwrap()
            .contains(&(Level::Witnessed, size))
        {
            tokio::task::yield_now().await;
        }
    };
    soon("witnessed", levels).await;
    let found = a
        .store()
        .find(&SENDER.parse().unwrap(), &sent.header.context().id)
        .await;
    let key = found.unwrap().unwrap().key;
    let bundle = a
        .store()
        .statements(key, &[], ProofBase::FirstStamped)
        .await;
    let bundle = bundle.unwrap().unwrap();
    assert!(!bundle.statements().unwrap().is_empty());
    assert!(bundle.checkpoint.token.is_some());
    assert_eq!(a.level_of(&bundle.checkpoint), Level::Witnessed);
    let note = bundle.checkpoint.parsed().unwrap();
    let names = witnessed(&note, &policy).unwrap();
    assert_eq!(names[0].name, "witness-1.example");
    assert!(!alarms(&a).iter().any(|(code, _)| *code == Code::Witnesses));
    a.shutdown().await;
    running.stop().await;
    let Record::TrustList(list) = world.authority.in_force() else {
        panic!("a trust list")
    };
    assert_eq!(list.witnesses, Some(policy));
}
