//! The authority's server from outside: curl and openssl call, commands work beside it.

mod foreign;
mod postgres;
mod scene;

use formats::checkpoint::Note;
use formats::id::Digest;
use formats::merkle::{self, layout, layout::Resource};
use pki::cert::Certificate;
use pki::record;
use pki::role::Role;
use serde_json::{Value, json};

use super::{files, now, text, tram_pki, validator};
use scene::{Answer, Scene, code, openssl};

const STATION: &str = "node-7.tram.test";
const AGENCY: &str = "H01.36.04";

#[test]
fn a_token_sets_up_one_station_with_its_agencies_and_nothing_else() {
    enrolment(&Scene::new(None));
}

#[test]
fn a_token_sets_up_one_station_over_postgresql_too() {
    let database = postgres::Postgres::start();
    let scene = Scene::new(Some(&database.url("authority")));
    enrolment(&scene);
    renewal(&scene);
}

#[test]
fn the_database_is_reached_over_tls_where_its_url_says_so() {
    let (database, root) = postgres::Postgres::start_tls();
    let scene = Scene::new(Some(&database.tls_url("authority", &root)));
    enrolment(&scene);
    let init = |url: &str, out: &str| {
        let (plan, out) = (scene.dir().join("plan.toml"), scene.dir().join(out));
        let arguments = [
            "init",
            "--plan",
            text(&plan),
            "--out",
            text(&out),
            "--database",
            url,
        ];
        tram_pki(&arguments).expect_err("refused")
    };
    let other = scene.out.join("records/root.crt");
    let refused = init(&database.tls_url("authority", &other), "other-root");
    assert!(
        refused.contains("certificate") || refused.contains("Issuer"),
        "{refused}"
    );
    let plain = format!("{}?sslmode=disable", database.url("authority"));
    let refused = init(&plain, "plain");
    assert!(
        refused.contains("pg_hba") || refused.contains("encryption"),
        "{refused}"
    );
}

fn enrolment(scene: &Scene) {
    let token = scene.grant(&[AGENCY], STATION);
    let shown = scene.post("/v1/enrol/preview", &json!({ "token": token }), None);
    assert_eq!(shown.json["station"], STATION);
    assert_eq!(
        shown.json["agencies"][0]["name"],
        "Trung tâm Công nghệ thông tin"
    );
    let requests = scene.requests(STATION, &[AGENCY]);
    let asked = json!({ "token": token, "requests": requests });
    let issued = scene.post("/v1/enrol", &asked, None);
    assert_eq!(issued.status, 200, "{}", issued.json);
    let again = scene.post("/v1/enrol", &asked, None);
    assert_eq!(again.json, issued.json, "a lost answer is given again");
    for (one, role) in certificates(&issued).iter().zip([
        Role::StationTls,
        Role::StationEvidence,
        Role::AgencySignature,
        Role::AgencyEncryption,
    ]) {
        validator(&scene.out)
            .verify(one, role, now())
            .expect("our verifier believes it");
        openssl_believes(scene, one);
    }
    assert_eq!(issued.json["authorities"].as_array().map(Vec::len), Some(3));

    let others = json!({ "token": token, "requests": scene.requests(STATION, &[AGENCY]) });
    assert_eq!(
        code(&scene.post("/v1/enrol", &others, None)),
        (409, "token_spent".to_owned())
    );
    let listed = tram_pki(&["grant", "list", "--dir", text(&scene.out)]).expect("a list");
    assert!(
        listed["grants"][0]["state"]
            .as_str()
            .is_some_and(|state| state.starts_with("used"))
    );
    let found = tram_pki(&["list", "--dir", text(&scene.out), "node-7"]).expect("a list");
    assert_eq!(found["certificates"].as_array().map(Vec::len), Some(2));
    tram_pki(&["audit", "verify", "--dir", text(&scene.out)]).expect("one chain");
}

#[test]
fn a_refused_request_spends_nothing_and_says_what_to_do() {
    let scene = Scene::new(None);
    let token = scene.grant(&[AGENCY], STATION);
    let good = scene.requests(STATION, &[AGENCY]);
    let with = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut requests = good.clone();
        change(&mut requests);
        json!({ "token": token, "requests": requests })
    };
    let foreign = scene.csr("P-256");
    let damaged = foreign.replace("MIH", "MIG");
    let table: [(Value, &str); 8] = [
        (with(&|all| drop(all.pop())), "requests_wrong"),
        (
            with(&|all| all[0]["party"] = json!("node-8.tram.test")),
            "requests_wrong",
        ),
        (with(&|all| all[1] = all[0].clone()), "requests_wrong"),
        (
            with(&|all| all[0]["role"] = json!("registry")),
            "requests_wrong",
        ),
        (
            with(&|all| all[1]["csr"] = all[0]["csr"].clone()),
            "key_used",
        ),
        (
            with(&|all| all[0]["csr"] = json!(damaged)),
            "request_invalid",
        ),
        (with(&|all| all[0]["csr"] = json!("x")), "request_invalid"),
        (
            with(&|all| all[0]["csr"] = json!(scene.csr("secp256k1"))),
            "request_invalid",
        ),
    ];
    for (asked, wanted) in table {
        let answer = scene.post("/v1/enrol", &asked, None);
        assert_eq!(code(&answer).1, wanted, "{}", answer.json);
        assert!(
            !answer.json["detail"]
                .as_str()
                .unwrap_or_default()
                .is_empty()
        );
        assert!(!answer.json["next"].as_str().unwrap_or_default().is_empty());
    }
    let unknown = json!({ "token": "tram-grant-0", "requests": good });
    assert_eq!(
        code(&scene.post("/v1/enrol", &unknown, None)),
        (401, "token_unknown".to_owned())
    );
    assert_eq!(scene.raw("/v1/enrol", b"{", None).status, 400);
    assert_eq!(
        scene.raw("/v1/enrol", &vec![b' '; 2 << 20], None).status,
        413
    );
    assert_eq!(scene.get("/v1/nothing").status, 404);
    // The same token is as good as before.
    let asked = json!({ "token": token, "requests": good });
    assert_eq!(scene.post("/v1/enrol", &asked, None).status, 200);
}

#[test]
fn tokens_end_and_can_be_taken_back() {
    let scene = Scene::new(None);
    let late = scene.grant(&[AGENCY], STATION);
    scene.advance_hours(73);
    let asked = json!({ "token": late, "requests": scene.requests(STATION, &[AGENCY]) });
    assert_eq!(
        code(&scene.post("/v1/enrol", &asked, None)),
        (410, "token_expired".to_owned())
    );
    let scene = Scene::new(None);
    let token = scene.grant(&[AGENCY], STATION);
    let list = tram_pki(&["grant", "list", "--dir", text(&scene.out)]).expect("a list");
    let id = list["grants"][0]["id"].as_str().expect("an id");
    tram_pki(&["grant", "withdraw", "--dir", text(&scene.out), id]).expect("withdrawn");
    let shown = scene.post("/v1/enrol/preview", &json!({ "token": token }), None);
    assert_eq!(code(&shown), (410, "token_expired".to_owned()));
    for bad in [
        vec![
            "grant",
            "H77",
            "--dir",
            text(&scene.out),
            "--station",
            STATION,
        ],
        vec![
            "grant",
            AGENCY,
            "--dir",
            text(&scene.out),
            "--station",
            "authority-2.tram.test",
        ],
        vec![
            "grant",
            AGENCY,
            "--dir",
            text(&scene.out),
            "--station",
            "node-7.other.test",
        ],
        vec!["grant", "--dir", text(&scene.out), "--station", STATION],
        vec![
            "grant",
            AGENCY,
            "--dir",
            text(&scene.out),
            "--station",
            STATION,
            "--ttl",
            "90d",
        ],
    ] {
        assert!(tram_pki(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_station_renews_its_own_and_an_agency_by_its_current_key() {
    let scene = Scene::new(None);
    scene.enrol(&[AGENCY], STATION);
    renewal(&scene);
}

#[expect(
    clippy::too_many_lines,
    reason = "one story told from beginning to end"
)]
fn renewal(scene: &Scene) {
    let home = scene
        .station(STATION)
        .unwrap_or_else(|| scene.enrol(&[AGENCY], "node-9.tram.test"));
    let name = home.name.as_str();
    let own = json!([{ "role": "station-tls", "party": name, "csr": scene.csr("P-256") }]);
    let asked = json!({ "requests": own });
    let stranger = scene.post("/v1/renew", &asked, None);
    assert_eq!(code(&stranger), (401, "certificate_needed".to_owned()));
    let renewed = scene.post("/v1/renew", &asked, Some(&home));
    assert_eq!(renewed.status, 200, "{}", renewed.json);
    assert_eq!(
        scene.post("/v1/renew", &asked, Some(&home)).json,
        renewed.json,
        "asked again"
    );
    let fresh = &certificates(&renewed)[0];
    validator(&scene.out)
        .verify(fresh, Role::StationTls, now())
        .expect("believed");

    let other = json!({ "requests": [
        { "role": "station-tls", "party": "relay-1.tram.test", "csr": scene.csr("P-256") }
    ] });
    assert_eq!(
        code(&scene.post("/v1/renew", &other, Some(&home))).1,
        "not_yours"
    );
    for role in [
        "registry",
        "time-stamping",
        "ocsp",
        "trust-list",
        "issuing-ca",
        "root",
    ] {
        let other = json!({ "requests": [
            { "role": role, "party": name, "csr": scene.csr("P-256") }
        ] });
        assert_eq!(
            code(&scene.post("/v1/renew", &other, Some(&home))).1,
            "not_yours",
            "{role}"
        );
    }
    let agency = |csr: &str, signer: &str| {
        let mut request = json!({ "role": "agency-encryption", "party": AGENCY, "csr": csr });
        request["proof"] = json!(scene.proof(&request, signer));
        json!({ "requests": [request] })
    };
    let csr = scene.csr("P-256");
    let given = scene.post("/v1/renew", &agency(&csr, AGENCY), Some(&home));
    assert_eq!(given.status, 200, "{}", given.json);
    let foreign = agency(&scene.csr("P-256"), "H02");
    assert_eq!(
        code(&scene.post("/v1/renew", &foreign, Some(&home))).1,
        "not_yours"
    );
    let mut moved = agency(&scene.csr("P-256"), AGENCY);
    moved["requests"][0]["csr"] = json!(scene.csr("P-256"));
    assert_eq!(
        code(&scene.post("/v1/renew", &moved, Some(&home))).1,
        "not_yours"
    );
    let bare = json!({ "requests": [
        { "role": "agency-signature", "party": AGENCY, "csr": scene.csr("P-256") }
    ] });
    assert_eq!(
        code(&scene.post("/v1/renew", &bare, Some(&home))).1,
        "not_yours"
    );
    let used = json!({ "requests": [
        { "role": "station-evidence", "party": name, "csr": own[0]["csr"] }
    ] });
    assert_eq!(
        code(&scene.post("/v1/renew", &used, Some(&home))).1,
        "key_used"
    );
}

#[test]
fn a_revoked_station_gets_nothing_from_the_next_second_on() {
    let scene = Scene::new(None);
    let home = scene.enrol(&[AGENCY], STATION);
    let before = scene.get("/v1/records?after=0");
    let sequence = before.json["sequence"].as_u64().expect("a sequence");
    let news = scene.waiting_for_news(sequence);
    let serial = home.tls.serial_hex();
    tram_pki(&[
        "revoke",
        "--dir",
        text(&scene.out),
        &serial,
        "--reason",
        "key-compromise",
    ])
    .expect("revoked beside the running server");
    let news = news.join().expect("an answer");
    let names: Vec<&str> = news.json["files"]
        .as_array()
        .expect("files")
        .iter()
        .filter_map(|file| file["name"].as_str())
        .collect();
    assert!(names.contains(&"ca.crl"), "{names:?}");
    let asked = json!({ "requests": [
        { "role": "station-tls", "party": STATION, "csr": scene.csr("P-256") }
    ] });
    // Refused in the handshake: curl has no answer at all.
    let refused = scene.post("/v1/renew", &asked, Some(&home));
    assert!(
        refused.status == 0 || code(&refused).1 == "certificate_refused",
        "{refused:?}"
    );
    assert_eq!(scene.ocsp(&home.tls), "revoked");
}

#[test]
fn published_files_are_listed_fetched_and_added_by_whom_they_are_about() {
    let scene = Scene::new(None);
    let home = scene.enrol(&[AGENCY], STATION);
    let all = scene.get("/v1/records?after=0");
    let listed = all.json["files"].as_array().expect("files").clone();
    let there = files(&scene.out.join("records"));
    assert_eq!(listed.len(), there.len());
    for file in listed.iter().take(5) {
        let name = file["name"].as_str().expect("a name");
        let bytes = scene.bytes(&format!("/v1/records/{name}"));
        assert_eq!(
            Digest::of(&bytes).to_string(),
            file["sha256"].as_str().expect("a digest")
        );
    }
    for bad in [
        "..%2fauthority%2fca.key",
        "ca.key",
        ".ca.crl.part",
        "%00.crl",
    ] {
        assert_eq!(
            scene.get(&format!("/v1/records/{bad}")).status,
            404,
            "{bad}"
        );
    }
    let attachment = scene.attachment(AGENCY, STATION, 7);
    let put = scene.raw("/v1/records", &attachment, Some(&home));
    assert_eq!(put.status, 200, "{}", put.json);
    let name = put.json["files"][0]["name"].as_str().expect("a name");
    assert_eq!(name, "attachment-H01.36.04.rec");
    record::verify(
        &scene.bytes(&format!("/v1/records/{name}")),
        &validator(&scene.out),
        now(),
    )
    .expect("as it was sent");
    let old = scene.attachment(AGENCY, STATION, 6);
    assert_eq!(
        code(&scene.raw("/v1/records", &old, Some(&home))).1,
        "record_old"
    );
    let bundle = std::fs::read(scene.out.join("records/agencies-1.rec")).expect("a bundle");
    assert_eq!(
        code(&scene.raw("/v1/records", &bundle, Some(&home))).1,
        "not_yours"
    );
    let relays = std::fs::read(scene.out.join("records/station-relay-1.tram.test.rec"));
    let relays = relays.expect("a record");
    assert_eq!(
        code(&scene.raw("/v1/records", &relays, Some(&home))).1,
        "not_yours"
    );
    let mut damaged = attachment.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert_eq!(
        code(&scene.raw("/v1/records", &damaged, Some(&home))).1,
        "record_refused"
    );
    assert_eq!(
        code(&scene.raw("/v1/records", &attachment, None)).1,
        "certificate_needed"
    );
}

#[test]
fn openssl_asks_by_ocsp_and_believes_the_answers() {
    let scene = Scene::new(None);
    let home = scene.enrol(&[AGENCY], STATION);
    assert_eq!(scene.ocsp(&home.tls), "good");
    // Under the delegated authority, which answers for itself.
    let agency = Certificate::load(&scene.out.join("agencies/H01.36.04/signature.crt"));
    let agency = agency.expect("a certificate");
    assert_eq!(scene.ocsp(&agency), "good");
    let serial = agency.serial_hex();
    let revoke = [
        "revoke",
        "--dir",
        text(&scene.out),
        &serial,
        "--reason",
        "superseded",
    ];
    tram_pki(&revoke).expect("revoked");
    scene.until(|| scene.ocsp(&agency) == "revoked");
    assert!(tram_pki(&revoke).is_err(), "twice says since when");
    let worse = [
        "revoke",
        "--dir",
        text(&scene.out),
        &serial,
        "--reason",
        "key-compromise",
    ];
    tram_pki(&worse).expect("a compromise may be learnt later");
    let garbage = scene.public_post("/ocsp", "application/ocsp-request", &[0; 300]);
    assert_eq!(garbage.bytes, [0x30, 3, 0x0a, 1, 1], "malformedRequest");
}

#[test]
fn too_many_questions_are_told_when_to_come_again() {
    let scene = Scene::new(None);
    let flood = scene.flood("/v1/enrol/preview", &json!({ "token": "x" }), 300);
    let (refused, limited): (Vec<_>, Vec<_>) =
        flood.iter().partition(|answer| answer.status == 401);
    assert!(refused.len() >= 240, "{}", refused.len());
    assert!(!limited.is_empty());
    assert!(
        limited
            .iter()
            .all(|answer| code(answer) == (429, "rate_limited".to_owned()))
    );
}

#[test]
fn the_audit_log_shows_every_change_of_its_lines() {
    let scene = Scene::new(None);
    let dir = text(&scene.out);
    let export = scene.dir().join("audit.ndjson");
    let said =
        tram_pki(&["audit", "export", "--dir", dir, "--out", text(&export)]).expect("written");
    let head = format!(
        "{}:{}",
        said["lines"],
        said["head"].as_str().expect("a hash")
    );
    tram_pki(&["audit", "verify", "--file", text(&export), "--head", &head]).expect("whole");
    let whole = std::fs::read_to_string(&export).expect("read");
    let lines: Vec<&str> = whole.lines().collect();
    let without = |place: usize| {
        let mut left = lines.clone();
        left.remove(place);
        left.join("\n")
    };
    let table = [
        ("a line is changed", whole.replacen("planned", "Planned", 1)),
        ("a line is taken out", without(3)),
        ("a line is doubled", format!("{}\n{whole}", lines[0])),
        ("the tail is cut", without(lines.len() - 1)),
    ];
    for (what, text_now) in table {
        std::fs::write(&export, text_now).expect("written");
        let judged = tram_pki(&["audit", "verify", "--file", text(&export), "--head", &head]);
        assert!(judged.is_err(), "{what}");
    }
}

#[test]
fn a_signed_checkpoint_holds_the_audit_log_to_its_past() {
    // (what is done to the database, what the check must say)
    let table = [
        (
            "DELETE FROM audit WHERE seq > 20",
            "shorter than a signed checkpoint",
        ),
        (
            "DELETE FROM audit WHERE seq > 1",
            "shorter than a signed checkpoint",
        ),
        (
            "UPDATE audit SET line = REPLACE(line, 'planned', 'pranked') WHERE seq = 3",
            "line 4",
        ),
    ];
    for (damage, said) in table {
        let scene = Scene::new(None);
        assert_eq!(scene.public_get("/log/checkpoint").status, 200);
        let verify = || tram_pki(&["audit", "verify", "--dir", text(&scene.out)]);
        verify().expect("whole");
        scene.damage(damage);
        let judged = verify().expect_err("noticed");
        assert!(judged.contains(said), "{judged}");
    }
}

fn certificates(issued: &Answer) -> Vec<Certificate> {
    let all = issued.json["certificates"]
        .as_array()
        .expect("certificates");
    let pem = all.iter().filter_map(|one| one["certificate"].as_str());
    pem.map(|pem| Certificate::from_pem(pem.as_bytes()).expect("PEM"))
        .collect()
}

fn openssl_believes(scene: &Scene, cert: &Certificate) {
    let file = scene.dir().join(format!("{}.pem", cert.serial_hex()));
    std::fs::write(&file, cert.pem()).expect("written");
    let records = scene.out.join("records");
    let between = scene.dir().join("between.pem");
    let read = |name: &str| std::fs::read_to_string(records.join(name)).expect("read");
    std::fs::write(&between, read("ca.crt") + &read("ca-H01.crt")).expect("written");
    let root = records.join("root.crt");
    let at = now().unix_s().to_string();
    let said = openssl(&[
        "verify",
        "-x509_strict",
        "-attime",
        &at,
        "-CAfile",
        text(&root),
        "-untrusted",
        text(&between),
        text(&file),
    ]);
    assert!(said.ends_with("OK\n"), "{said}");
}

#[test]
fn a_monitor_raises_a_certificate_that_the_agency_did_not_ask_for() {
    let scene = Scene::new(None);
    let root = Certificate::load(&scene.out.join("authority/root.crt")).expect("a root");
    let fingerprint = root.sha256().to_string();
    let (state, own) = (scene.dir().join("monitor.json"), scene.out.join("agencies"));
    let watch = |more: &[&str], fingerprint: &str| {
        let mut arguments = vec![
            "monitor",
            "--authority",
            scene.public(),
            "--fingerprint",
            fingerprint,
            "--agency",
            "H01",
            "--known",
            text(&own),
            "--state",
            text(&state),
        ];
        arguments.extend(more);
        tram_pki(&arguments)
    };
    let quiet = watch(&[], &fingerprint).expect("nothing foreign yet");
    let all = tram_pki(&["list", "--dir", text(&scene.out)]).expect("a list");
    let issued = all["certificates"]
        .as_array()
        .map(Vec::len)
        .expect("certificates");
    assert_eq!(
        quiet["read"],
        issued + 1,
        "every certificate ever signed, and a head of the audit log"
    );
    assert!(
        watch(&[], &"0".repeat(64))
            .expect_err("another root")
            .contains("fingerprint")
    );

    // Someone with access to the authority issues for an agency that did not ask.
    scene.enrol(&[AGENCY], STATION);
    let raised = watch(&[], &fingerprint).expect_err("raised");
    assert!(
        raised.contains("agency-signature") && raised.contains(AGENCY),
        "{raised}"
    );
    assert!(
        watch(&[], &fingerprint).is_err(),
        "raised again until somebody accepts it"
    );
    let found = tram_pki(&["list", "--dir", text(&scene.out), AGENCY]).expect("a list");
    let found = found["certificates"]
        .as_array()
        .expect("certificates")
        .clone();
    let accepted: Vec<&str> = found
        .iter()
        .filter_map(|one| one["sha256"].as_str())
        .flat_map(|sha256| ["--accept", sha256])
        .collect();
    watch(&accepted, &fingerprint).expect("accepted by a person");
    watch(&[], &fingerprint).expect("and remembered");
}

#[test]
fn the_log_of_certificates_is_mirrored_by_whoever_knows_the_layout() {
    let scene = Scene::new(None);
    let note = scene.public_get("/tlog/checkpoint");
    let note = Note::parse(std::str::from_utf8(&note.bytes).expect("text")).expect("a note");
    let mut leaves = Vec::new();
    for resource in Resource::of_tree(note.checkpoint.size) {
        let answer = scene.public_get(&format!("/tlog/{}", resource.path()));
        assert_eq!(answer.status, 200, "{}", resource.path());
        if matches!(resource, Resource::Entries { .. }) {
            let entries = layout::read_entry_bundle(&answer.bytes).expect("a bundle");
            leaves.extend(layout::leaf_hashes(&entries));
        }
    }
    assert_eq!(merkle::root(&leaves), note.checkpoint.root);
    for bad in [
        "tile/0/000",
        "tile/0/001.p/1",
        "tile/0/..",
        "tile/entries/x",
        "x",
    ] {
        assert_eq!(
            scene.public_get(&format!("/tlog/{bad}")).status,
            404,
            "{bad}"
        );
    }
}

#[test]
fn a_monitor_notices_a_log_that_forgets_or_rewrites() {
    // (what is done to the database, what the monitor must say)
    let table = [
        (
            "DELETE FROM leaf WHERE place > 3; DELETE FROM checkpoint; \
             DELETE FROM meta WHERE name = 'frontier'",
            "now it has",
        ),
        (
            "UPDATE leaf SET hash = zeroblob(32) WHERE place = 2; DELETE FROM checkpoint; \
             DELETE FROM meta WHERE name = 'frontier'",
            "not those of",
        ),
        (
            "UPDATE certificate SET der = (SELECT der FROM certificate WHERE seq = 1) WHERE seq = 3",
            "",
        ),
    ];
    for (damage, said) in table {
        let scene = Scene::new(None);
        let root = Certificate::load(&scene.out.join("authority/root.crt")).expect("a root");
        let fingerprint = root.sha256().to_string();
        let (state, own) = (scene.dir().join("monitor.json"), scene.out.join("agencies"));
        let watch = |state: &std::path::Path| {
            tram_pki(&[
                "monitor",
                "--authority",
                scene.public(),
                "--fingerprint",
                &fingerprint,
                "--agency",
                "H01",
                "--known",
                text(&own),
                "--state",
                text(state),
            ])
        };
        watch(&state).expect("whole");
        scene.damage(damage);
        // Whoever read before notices what was changed; whoever reads anew what does not fit.
        let fresh = scene.dir().join("fresh.json");
        let judged = if said.is_empty() {
            watch(&fresh)
        } else {
            watch(&state)
        };
        let judged = judged.expect_err("noticed");
        assert!(
            judged.contains("was changed") && judged.contains(said),
            "{judged}"
        );
    }
}

#[test]
fn a_restore_keeps_every_revocation_and_number() {
    restore(None);
}

#[test]
fn a_restore_moves_an_authority_to_postgresql() {
    let database = postgres::Postgres::start();
    restore(Some(&database.url("authority")));
}

#[expect(
    clippy::too_many_lines,
    reason = "one story told from beginning to end"
)]
fn restore(database: Option<&str>) {
    let scene = Scene::new(None);
    let dir = text(&scene.out);
    let first = scene.enrol(&[AGENCY], STATION);
    let revoke = |serial: &str| {
        let arguments = ["revoke", "--dir", dir, serial, "--reason", "key-compromise"];
        tram_pki(&arguments).expect("revoked");
    };
    revoke(&first.tls.serial_hex());
    let backup = scene.dir().join("backup");
    tram_pki(&["backup", "--dir", dir, "--out", text(&backup)]).expect("backed up");
    assert!(
        tram_pki(&["backup", "--dir", dir, "--out", text(&backup)]).is_err(),
        "never over one"
    );
    // After the backup: another station, one revoked of before, one revoked of after.
    let second = scene.enrol(&["H02"], "node-8.tram.test");
    let old = Certificate::load(&scene.out.join("agencies/H02/signature.crt")).expect("one");
    revoke(&old.serial_hex());
    revoke(&second.tls.serial_hex());
    let records = scene.out.join("records");
    let number = |folder: &std::path::Path| {
        let list = std::fs::read(folder.join("records/ca.crl")).expect("a list");
        pki::revoke::Crl::parse(&list)
            .expect("a list")
            .count()
            .expect("a number")
    };
    let published = number(&scene.out);

    let new = scene.dir().join("restored");
    let mut arguments = vec![
        "restore",
        "--from",
        text(&backup),
        "--out",
        text(&new),
        "--published",
        text(&records),
    ];
    if let Some(database) = database {
        arguments.extend(["--database", database]);
    }
    let said = tram_pki(&arguments).expect("restored");
    assert_eq!(
        (&said["revocations"], &said["certificates"]),
        (&json!(2), &json!(4))
    );
    let judge = validator(&new);
    for (cert, role) in [
        (&first.tls, Role::StationTls),
        (&second.tls, Role::StationTls),
        (&old, Role::AgencySignature),
    ] {
        let refused = judge.verify(cert, role, now()).expect_err("revoked still");
        assert!(refused.to_string().contains("revoked"), "{refused}");
    }
    assert!(
        number(&new) > published,
        "stations take only higher numbers"
    );
    tram_pki(&["audit", "verify", "--dir", text(&new)]).expect("one chain");
    let listed = tram_pki(&["list", "--dir", text(&new), "node-8"]).expect("a list");
    assert_eq!(
        listed["certificates"].as_array().map(Vec::len),
        Some(2),
        "adopted"
    );

    let file = backup.join("database/certificate.ndjson");
    let whole = std::fs::read_to_string(&file).expect("read");
    std::fs::write(&file, whole.replacen("key-compromise", "superseded", 1)).expect("written");
    let again = scene.dir().join("again");
    let refused = tram_pki(&[
        "restore",
        "--from",
        text(&backup),
        "--out",
        text(&again),
        "--nothing-newer",
    ]);
    assert!(refused.expect_err("changed").contains("was changed"));
    assert!(!again.exists());
}

#[test]
fn equipment_of_other_makers_enrols_by_est() {
    let scene = Scene::new(None);
    let made = tram_pki(&[
        "grant",
        "--dir",
        text(&scene.out),
        "--station",
        "scanner-1.tram.test",
        "--for",
        "equipment",
    ])
    .expect("a grant");
    let token = made["token"].as_str().expect("a token");
    let between = scene.est("cacerts", None, &[]);
    assert_eq!(between.len(), 3, "root and both issuing authorities");
    let csr = scene.base64_request();
    assert_eq!(scene.est_status("simpleenroll", &csr, &[]), 401);
    assert_eq!(
        scene.est_status("simpleenroll", &csr, &["--user", "x:tram-grant-0"]),
        401
    );
    let user = format!("scanner:{token}");
    assert_eq!(
        scene.est_status("simpleenroll", "not base64!", &["--user", &user]),
        400
    );
    let certs = scene.est("simpleenroll", Some(&csr), &["--user", &user]);
    let [cert] = certs.as_slice() else {
        panic!("one certificate")
    };
    validator(&scene.out)
        .verify(cert, Role::StationTls, now())
        .expect("believed");
    openssl_believes(&scene, cert);
    let again = scene.est("simpleenroll", Some(&csr), &["--user", &user]);
    assert_eq!(again, certs, "a lost answer is given again");
    let other = scene.base64_request();
    assert_eq!(
        scene.est_status("simpleenroll", &other, &["--user", &user]),
        409
    );
    // The key of the last request but one belongs to the certificate.
    let home = scene.keep("scanner-1.tram.test", cert);
    let fresh = scene.base64_request();
    let shown = ["--cert", text(&home.0), "--key", text(&home.1)];
    let certs = scene.est("simplereenroll", Some(&fresh), &shown);
    assert_eq!(certs.len(), 1);
    assert_ne!(certs[0], *cert);
    assert_eq!(
        scene.est_status("simplereenroll", &scene.base64_request(), &[]),
        401
    );
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story told from beginning to end"
)]
fn two_persons_agree_before_a_certificate_of_such_a_profile_is_issued() {
    let narrowed = "version = 1\n[profile.agency-signature]\napprovals = 2\n";
    let scene = Scene::with(None, Some(narrowed));
    let dir = text(&scene.out);
    let persons: Vec<(&str, std::path::PathBuf)> = ["truong-phong", "pho-phong", "nguoi-la"]
        .into_iter()
        .map(|name| (name, scene.private_key(name)))
        .collect();
    for (name, key) in persons.iter().take(2) {
        let added = [
            "request",
            "approver",
            "--dir",
            dir,
            name,
            "--key",
            text(key),
        ];
        tram_pki(&added).expect("an approver");
    }
    let token = scene.grant(&[AGENCY], STATION);
    let asked = json!({ "token": token, "requests": scene.requests(STATION, &[AGENCY]) });
    let waits = scene.post("/v1/enrol", &asked, None);
    assert_eq!(waits.status, 202, "{}", waits.json);
    assert!(
        waits.json["waiting"]
            .as_str()
            .is_some_and(|text| text.contains("0 of 2"))
    );
    let list = tram_pki(&["request", "list", "--dir", dir]).expect("a list");
    let id = list["requests"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let decide = |word: &str, name: &str, key: &std::path::Path| {
        let all = [
            "request",
            word,
            "--dir",
            dir,
            &id,
            "--as",
            name,
            "--key",
            text(key),
        ];
        tram_pki(&all)
    };
    let (first, second, stranger) = (&persons[0], &persons[1], &persons[2]);
    decide("approve", first.0, &first.1).expect("one of two");
    assert!(
        decide("approve", first.0, &first.1).is_err(),
        "one person, one voice"
    );
    assert!(
        decide("approve", second.0, &first.1).is_err(),
        "with another's key"
    );
    assert!(
        decide("approve", stranger.0, &stranger.1).is_err(),
        "no approver"
    );
    assert_eq!(scene.post("/v1/enrol", &asked, None).status, 202);
    // A voice written into the database without the key's signature counts nothing.
    scene.damage(
        "INSERT INTO approval SELECT id, 'pho-phong', 0, 1, x'00' FROM request; \
         UPDATE request SET state = 'approved'",
    );
    assert_eq!(scene.post("/v1/enrol", &asked, None).status, 202);
    scene.damage(
        "DELETE FROM approval WHERE approver = 'pho-phong'; \
                  UPDATE request SET state = 'waiting'",
    );
    let agreed = decide("approve", second.0, &second.1).expect("two of two");
    assert_eq!(agreed["state"], "approved");
    let issued = scene.post("/v1/enrol", &asked, None);
    assert_eq!(issued.status, 200, "{}", issued.json);
    assert_eq!(certificates(&issued).len(), 4);
    refused_at_the_console(&scene, first);
}

fn refused_at_the_console(scene: &Scene, first: &(&str, std::path::PathBuf)) {
    let dir = text(&scene.out);
    let csr = scene.dir().join("console.csr");
    std::fs::write(&csr, scene.csr("P-256")).expect("written");
    let out = scene.dir().join("console.crt");
    let issue = || {
        tram_pki(&[
            "issue",
            "--dir",
            dir,
            "--role",
            "agency-signature",
            "--name",
            "H02",
            "--csr",
            text(&csr),
            "--out",
            text(&out),
        ])
    };
    assert!(issue().expect_err("waits").contains("0 of 2"));
    let list = tram_pki(&["request", "list", "--dir", dir]).expect("a list");
    let waiting = list["requests"].as_array().expect("requests");
    let waiting = waiting
        .iter()
        .find(|one| one["state"] == "waiting")
        .expect("one waits");
    let id = waiting["id"].as_str().expect("an id");
    tram_pki(&[
        "request",
        "reject",
        "--dir",
        dir,
        id,
        "--as",
        first.0,
        "--key",
        text(&first.1),
    ])
    .expect("refused");
    assert!(
        issue()
            .expect_err("refused")
            .contains("refused by an approver")
    );
    assert!(!out.exists());
}
