//! Proof packages under evidence records: the node's job and the commands beside it, with a real time-stamp authority.

use std::path::{Path, PathBuf};

use node::view::RecipientState;
use pki::cert::Certificate;
use pki::ers::{DataObject, Ends, EvidenceRecord, Question, Scope};
use pki::pdf::Anchors;
use serde_json::Value;

use crate::world::{RECIPIENT, World, draft, file, recipient, sender};

/// Runs `tram` in this process; exit code and what it printed.
async fn tram(arguments: &[&str]) -> (u8, String, String) {
    let line = ["tram", "--lang", "en"].iter().chain(arguments);
    let line = line.map(|one| std::ffi::OsString::from(*one)).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let environment = node::tram::Environment::default();
    let code = node::tram::run(line, environment, &mut out, &mut err).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (code, text(out), text(err))
}

fn tsa(world: &World) -> String {
    let config = std::fs::read_to_string(world.dir.path().join("node-a.toml")).unwrap();
    let table: toml::Table = config.parse().unwrap();
    table["time_stamp"]["url"].as_str().unwrap().to_owned()
}

fn root(world: &World) -> PathBuf {
    world.dir.path().join("pki/authority/root.crt")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_final_is_archived_under_one_time_stamp_and_every_record_stands_alone() {
    let world = World::start().await;
    let mut sent = Vec::new();
    for number in ["71", "72", "73"] {
        let letter = draft(number, &[RECIPIENT]);
        let accepted = world.send(letter, vec![file("a.pdf", b"%PDF-1.4")]).await;
        world
            .until_state(accepted.id, RecipientState::Delivered)
            .await;
        world.b.ack(&recipient(), accepted.id, None).await.unwrap();
        world
            .until_state(accepted.id, RecipientState::HandedOver)
            .await;
        sent.push(accepted.id.to_string());
    }
    // One that is on its way is not archived.
    world.stop_relay().await;
    let open = draft("74", &[RECIPIENT]);
    let open = world.send(open, vec![file("a.pdf", b"%PDF-1.4")]).await;
    world.a.archive_now();
    let view = world
        .until("the archive", async |world| {
            let view = world.a.archive(&sender()).await.unwrap();
            world.a.archive_now();
            (view.summary.count == 3).then_some(view)
        })
        .await;
    let summary = &view.summary;
    assert!(summary.on && summary.troubles.is_empty(), "{summary:?}");
    let archived: Vec<&str> = view
        .packages
        .iter()
        .map(|one| one.document.as_str())
        .collect();
    assert!(sent.iter().all(|id| archived.contains(&id.as_str())));
    assert!(!archived.contains(&open.id.to_string().as_str()));

    let anchors = Anchors::new(vec![Certificate::load(&root(&world)).unwrap()]);
    let mut tokens = std::collections::BTreeSet::new();
    for one in &view.packages {
        let record = EvidenceRecord::parse(&std::fs::read(&one.record).unwrap()).unwrap();
        tokens.extend(record.tokens().unwrap());
        let package = std::fs::read(&one.package).unwrap();
        assert!(package.starts_with(b"PK"));
        let object = DataObject::of("package", &package, &record.hashes().unwrap());
        let question = Question {
            anchors: &anchors,
            certificates: &[],
            ends: &Ends::built_in(),
            at: world.a.now(),
            scope: Scope::Group,
        };
        let report = question.ask(&record, &[object]).unwrap();
        assert!(report.holds(), "{:?}", report.faults);
        let (yes, said, err) = tram(&[
            "evidence",
            "verify-record",
            &one.record,
            &one.package,
            "--anchors",
            text(&root(&world)),
        ])
        .await;
        assert_eq!(yes, 0, "{said}{err}");
        assert!(
            said.ends_with("VALID\n") && said.contains("covers"),
            "{said}"
        );
    }
    // Documents that became final between two looks have a token of their own; never one each.
    assert!(
        tokens.len() < 3 || sent.len() > 3,
        "{} tokens",
        tokens.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_archive_renew_and_verify_without_a_node() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["one.zip", "two.zip"] {
        std::fs::write(path(name), format!("content of {name}")).unwrap();
    }
    let (one, two, record) = (path("one.zip"), path("two.zip"), path("both.ers"));
    let (tsa, root) = (tsa(&world), root(&world));
    let stamping = [
        "--tsa",
        "http://127.0.0.1:1/",
        "--tsa",
        &tsa,
        "--anchors",
        text(&root),
    ];

    // Each its own record, beside it, under one token; the first authority is dead.
    let line = ["--json", "evidence", "archive", text(&one), text(&two)];
    let (code, said, err) = tram(&[&line[..], &stamping].concat()).await;
    assert_eq!(code, 0, "{err}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said.as_array().unwrap().len(), 2);
    assert_eq!(said[0]["asked"], tsa.as_str());
    assert!(path("one.zip.ers").exists() && path("two.zip.ers").exists());
    // Nothing is overwritten.
    let (code, _, err) = tram(&[&line[..], &stamping].concat()).await;
    assert!(code == 2 && err.contains("already there"), "{err}");

    // Both as one group.
    let line = [
        "evidence",
        "archive",
        text(&one),
        text(&two),
        "-o",
        text(&record),
    ];
    let (code, said, err) = tram(&[&line[..], &stamping].concat()).await;
    assert!(code == 0 && said.contains("renew before"), "{said}{err}");
    let verify = async |packages: &[&str], more: &[&str]| {
        let line = ["evidence", "verify-record", text(&record)];
        let anchors = ["--anchors", text(&root)];
        tram(&[&line[..], packages, &anchors[..], more].concat()).await
    };
    let both = [text(&one), text(&two)];
    assert_eq!(verify(&both, &[]).await.0, 0);
    let (code, said, _) = verify(&both[..1], &[]).await;
    assert!(
        code == 1 && said.contains("1 more objects") && said.ends_with("NOT VALID\n"),
        "{said}"
    );
    assert_eq!(verify(&both[..1], &["--part"]).await.0, 0);
    let (code, said, _) = verify(&both, &["--at", "2060-01-01"]).await;
    assert!(
        code == 1 && said.contains("is not believed on 2060"),
        "{said}"
    );
    let (code, said, _) = verify(&both, &["--end", "sha256=2020-01-01"]).await;
    assert!(code == 1 && said.contains("sha256 ended"), "{said}");

    // A new time-stamp, then a new tree; the old records stay.
    let line = ["evidence", "renew", text(&record)];
    let (code, _, err) = tram(&[&line[..], &stamping].concat()).await;
    assert_eq!(code, 0, "{err}");
    let tree = ["--hash", "sha512"];
    let (code, _, err) = tram(&[&line[..], &tree, &stamping].concat()).await;
    assert!(code == 2 && err.contains("--package"), "{err}");
    let wrong = ["--package", text(&one)];
    let (code, _, err) = tram(&[&line[..], &tree, &wrong, &stamping].concat()).await;
    assert!(code == 2 && err.contains("more objects"), "{err}");
    let right = ["--package", text(&one), "--package", text(&two)];
    let (code, _, err) = tram(&[&line[..], &tree, &right, &stamping].concat()).await;
    assert_eq!(code, 0, "{err}");
    let renewed = EvidenceRecord::parse(&std::fs::read(&record).unwrap()).unwrap();
    assert_eq!(renewed.chains(), [2, 1]);
    assert!(path("both.ers.1").exists() && path("both.ers.2").exists());
    assert_eq!(verify(&both, &[]).await.0, 0);
    std::fs::write(&two, b"changed").unwrap();
    let (code, said, _) = verify(&both, &[]).await;
    assert!(code == 1 && said.contains("does not cover"), "{said}");

    let none = path("none.ers");
    // Nobody answers: nothing is written, and what to do is said.
    let line = ["evidence", "archive", text(&one), "-o", text(&none)];
    let (code, _, err) = tram(&[&line[..], &["--tsa", "http://127.0.0.1:1/"]].concat()).await;
    assert!(
        code == 3 && err.contains("nothing was written"),
        "{code} {err}"
    );
    assert!(!none.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_authority_that_is_dead_delays_one_submission_and_not_each() {
    let world = World::start_with(|text| {
        // A port where connections are taken and never answered.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Box::leak(Box::new(silent)).local_addr().unwrap();
        text.replace(
            "url = \"http://",
            &format!("url = [\"http://{address}/\", \"http://"),
        )
        .replace("/\"\n[archive]", "/\"]\n[archive]")
    })
    .await;
    let begin = std::time::Instant::now();
    for number in 0..10 {
        let letter = draft(&format!("{}", 80 + number), &[RECIPIENT]);
        let accepted = world.send(letter, vec![file("a.pdf", b"%PDF-1.4")]).await;
        let document = world.a.document(&sender(), accepted.id).await.unwrap();
        assert!(
            document.signature.stamped_at.is_some(),
            "stamped by the second"
        );
    }
    // One deadline of a second and a half, and ten submissions of a busy machine; not ten deadlines.
    let took = begin.elapsed();
    assert!(took < std::time::Duration::from_secs(13), "{took:?}");
}
