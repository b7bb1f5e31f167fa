//! The shelf over simulated years, with two authorities: certificates end, a digest ends, renewals are late, an
//! authority is gone, the node dies between file and row.

use std::sync::Mutex;

use futures_util::FutureExt;

use formats::id::{Party, StationName, TrustDomain};
use pki::issue::{Issuer, prepare_root, sign_root};
use pki::key::{Algorithm, SigningKey};
use pki::ledger::Ledger;
use pki::profile::Template;
use pki::role::Role;
use pki::sign::HashAlgorithm;
use pki::stamp::{TimeStampRequest, TokenIssuer};

use super::*;
use pki::ers::{DataObject, EvidenceRecord, Question, Report, Scope};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_316_400);
const YEAR: i64 = 365 * DAY_MS;

/// A root, an issuing authority below it, and time-stamp authorities that live three years each.
struct World {
    folder: tempfile::TempDir,
    ledger: Ledger,
    issuer: Issuer,
    trust: Trust,
    /// Who answers, and when it is.
    tsa: Mutex<Option<TokenIssuer>>,
    now: Mutex<Timestamp>,
    asked: Mutex<usize>,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let domain = TrustDomain::parse("tram.test").unwrap();
    let key = SigningKey::generate(Algorithm::EcdsaP384).unwrap();
    let template = Template::new(Role::Root, "Root", key.spki_der(), NOW);
    let prepared = prepare_root(template, &key, &domain).unwrap();
    let planned = ledger.plan(vec![prepared], NOW).unwrap().pop().unwrap();
    let root = sign_root(planned, &key).unwrap();
    ledger.issued(std::slice::from_ref(&root), NOW).unwrap();
    let trust = Trust {
        anchors: Anchors::new(vec![root.clone()]),
        certificates: Vec::new(),
        ends: Ends::built_in(),
    };
    let top = Issuer::new(root, key, domain.clone()).unwrap();
    let key = SigningKey::generate(Algorithm::EcdsaP384).unwrap();
    let template = Template::new(Role::IssuingCa, "National", key.spki_der(), NOW);
    let template = template.permitting("tram.test");
    let certificate = issue(&mut ledger, &top, template);
    World {
        folder,
        ledger,
        issuer: Issuer::new(certificate, key, domain).unwrap(),
        trust,
        tsa: Mutex::default(),
        now: Mutex::new(NOW),
        asked: Mutex::default(),
    }
}

fn issue(ledger: &mut Ledger, issuer: &Issuer, template: Template) -> pki::cert::Certificate {
    let prepared = issuer.prepare(template).unwrap();
    let planned = ledger.plan(vec![prepared], NOW).unwrap().pop().unwrap();
    let certificate = issuer.sign(planned).unwrap();
    ledger
        .issued(std::slice::from_ref(&certificate), NOW)
        .unwrap();
    certificate
}

impl World {
    /// From now on this authority answers; its certificate begins at this time.
    fn authority(&mut self, name: &str, from: Timestamp) {
        // SHA-384 in its signatures, so that they outlive SHA-256.
        let key = SigningKey::generate(Algorithm::EcdsaP384).unwrap();
        let party = Party::Station(StationName::parse(name).unwrap());
        let template = Template::new(Role::TimeStamping, name, key.spki_der(), from);
        let certificate = issue(&mut self.ledger, &self.issuer, template.for_party(party));
        let chain = vec![self.issuer.certificate().clone()];
        *self.tsa.lock().unwrap() = Some(TokenIssuer::new(key, certificate, chain));
    }

    fn at(&self, time: Timestamp) -> Timestamp {
        *self.now.lock().unwrap() = time;
        time
    }

    fn stamp(&self, hash: HashAlgorithm, imprint: Vec<u8>) -> Result<Vec<u8>, String> {
        *self.asked.lock().unwrap() += 1;
        let tsa = self.tsa.lock().unwrap();
        let tsa = tsa.as_ref().ok_or("nobody answers")?;
        let request = TimeStampRequest::over(hash, imprint, 7);
        let answer = tsa.respond(&request.build().unwrap(), *self.now.lock().unwrap());
        Ok(request.token_from_response(&answer.unwrap()).unwrap())
    }

    fn shelf(&self) -> Shelf {
        Shelf::open(&self.folder.path().join("archive")).unwrap()
    }

    async fn begin(&self, count: u8) -> Vec<Archived> {
        let shelf = self.shelf();
        let rows: Vec<Archived> = (0..count).map(row).collect();
        for one in &rows {
            let path = shelf.package(&one.document.to_string());
            files::write(&path, format!("package of {}", one.document).as_bytes()).unwrap();
        }
        let stamp = |hash, imprint| std::future::ready(self.stamp(hash, imprint)).boxed();
        shelf
            .begin(Hash::Sha256, rows, &self.trust, &stamp)
            .await
            .unwrap()
    }

    async fn renew(&self, rows: Vec<Archived>, now: Timestamp) -> (Vec<Archived>, Vec<Trouble>) {
        self.at(now);
        let due = now.plus_ms(90 * DAY_MS);
        let (due_rows, rest): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|one| one.renew_before < due);
        let stamp = |hash, imprint| std::future::ready(self.stamp(hash, imprint)).boxed();
        let renewed = self
            .shelf()
            .renew(due_rows, now, due, &self.trust, &stamp)
            .await;
        let (mut done, troubles) = renewed;
        done.extend(rest);
        (done, troubles)
    }

    /// What a verifier finds who has the package, the record with this number and the roots.
    fn asks(&self, one: &Archived, record: u32, at: Timestamp) -> Report {
        let document = one.document.to_string();
        let bytes = std::fs::read(self.shelf().record(&document, record)).unwrap();
        let record = EvidenceRecord::parse(&bytes).unwrap();
        let package = std::fs::read(self.shelf().package(&document)).unwrap();
        let object = DataObject::of("package", &package, &record.hashes().unwrap());
        let question = Question {
            anchors: &self.trust.anchors,
            certificates: &[],
            ends: &self.trust.ends,
            at,
            scope: Scope::Group,
        };
        question.ask(&record, &[object]).unwrap()
    }
}

fn row(n: u8) -> Archived {
    Archived {
        document: EnvelopeId::new(NOW, &[n; 10]),
        agency: "H01.36".parse().unwrap(),
        archived: NOW,
        package_bytes: 1,
        record: 0,
        hash: String::new(),
        stamped: NOW,
        tsa: String::new(),
        certificate_end: NOW,
        algorithm: None,
        renew_before: NOW,
    }
}

#[tokio::test]
async fn records_are_renewed_before_a_certificate_and_before_a_digest_ends() {
    let mut world = world();
    world.authority("tsa-1.tram.test", NOW);
    let mut rows = world.begin(20).await;
    assert_eq!(*world.asked.lock().unwrap(), 1, "one time-stamp for all");
    let first_end = rows[0].certificate_end;
    assert_eq!((rows[0].renew_before, rows[0].record), (first_end, 1));
    let sha_256_ends = NOW.plus_ms(5 * YEAR);
    world.trust.ends = Ends::built_in().with("sha256", sha_256_ends).unwrap();

    // Looks every month for seven years; every two years a new authority.
    let mut at = NOW;
    for month in 1_i64..=84 {
        at = NOW.plus_ms(month * YEAR / 12);
        if month % 24 == 0 {
            world.authority(&format!("tsa-{month}.tram.test"), at);
        }
        let (renewed, troubles) = world.renew(rows, at).await;
        assert_eq!(troubles, [], "after {month} months");
        rows = renewed;
        assert!(
            rows.iter().all(|one| one.renew_before > at),
            "after {month} months"
        );
    }
    assert!(rows[0].record >= 3, "{:?}", rows[0]);
    assert_eq!(rows[0].hash, "sha384");
    // Few tokens, however many packages.
    assert!(*world.asked.lock().unwrap() <= 5);
    for one in &rows {
        let report = world.asks(one, one.record, at);
        assert!(report.holds(), "{:?}", report.faults);
        assert_eq!(report.proven(), Some(NOW.floor_s()));
        // The older records are still there, and hold no longer.
        let old = world.asks(one, 1, at);
        assert!(!old.holds());
        assert!(world.asks(one, 1, first_end.minus_ms(DAY_MS)).holds());
    }
}

#[tokio::test]
async fn what_was_renewed_too_late_is_told_and_never_made_to_look_good() {
    let mut world = world();
    world.authority("tsa-1.tram.test", NOW);
    let rows = world.begin(2).await;
    // Nobody answers while there is time.
    *world.tsa.lock().unwrap() = None;
    let before = rows[0].renew_before.minus_ms(30 * DAY_MS);
    let (kept, troubles) = world.renew(rows.clone(), before).await;
    assert!(kept.is_empty());
    assert_eq!((troubles.len(), troubles[0].packages), (1, 2));
    assert!(troubles[0].why.contains("nobody answers"));
    let alarm = alarms(&troubles, before);
    assert_eq!(
        (alarm[0].level, alarm[0].until),
        (Level::Warning, Some(rows[0].renew_before))
    );
    // Then it is too late: the new authority's word cannot mend it.
    let late = rows[0].renew_before.plus_ms(DAY_MS);
    world.authority("tsa-2.tram.test", late);
    let (kept, troubles) = world.renew(rows.clone(), late).await;
    assert!(kept.is_empty() && troubles.len() == 1, "{troubles:?}");
    assert!(troubles[0].packages == 2 && troubles[0].why.ends_with("and 1 more"));
    assert_eq!(alarms(&troubles, late)[0].level, Level::Stopped);
    assert!(
        !world
            .shelf()
            .record(&rows[0].document.to_string(), 2)
            .exists()
    );
}

#[tokio::test]
async fn a_renewal_that_does_not_live_longer_is_not_made() {
    let mut world = world();
    world.authority("tsa-1.tram.test", NOW);
    let rows = world.begin(1).await;
    // The same authority again, whose certificate ends when the old time-stamp does.
    let before = rows[0].renew_before.minus_ms(30 * DAY_MS);
    let (kept, troubles) = world.renew(rows, before).await;
    assert!(kept.is_empty());
    assert!(troubles[0].why.contains("ends no later"), "{troubles:?}");
}

#[tokio::test]
async fn a_node_that_dies_between_file_and_row_renews_again_and_loses_nothing() {
    let mut world = world();
    world.authority("tsa-1.tram.test", NOW);
    let rows = world.begin(3).await;
    let at = rows[0].renew_before.minus_ms(30 * DAY_MS);
    world.authority("tsa-2.tram.test", at);
    // Files were written, rows were not.
    let (lost, _) = world.renew(rows.clone(), at).await;
    assert_eq!(lost.len(), 3);
    let after = at.plus_ms(DAY_MS);
    let (renewed, troubles) = world.renew(rows.clone(), after).await;
    assert_eq!((renewed.len(), troubles.len()), (3, 0));
    for one in &renewed {
        assert_eq!(one.record, 2);
        let beyond = rows[0].renew_before.plus_ms(DAY_MS);
        assert!(world.asks(one, 2, beyond).holds());
        assert!(world.asks(one, 1, after).holds());
    }
    let left = std::fs::read_dir(world.folder.path().join("archive")).unwrap();
    let names = left.map(|one| one.unwrap().file_name().into_string().unwrap());
    assert!(
        !names
            .collect::<Vec<_>>()
            .iter()
            .any(|name| name.ends_with(".part"))
    );
}

#[tokio::test]
async fn a_package_that_was_changed_on_disk_is_told_when_its_tree_is_renewed() {
    let mut world = world();
    world.authority("tsa-1.tram.test", NOW);
    let rows = world.begin(2).await;
    world.trust.ends = Ends::built_in().with("sha256", NOW.plus_ms(YEAR)).unwrap();
    let rows: Vec<Archived> = rows
        .into_iter()
        .map(|one| Archived {
            renew_before: NOW.plus_ms(YEAR),
            ..one
        })
        .collect();
    let bad = rows[1].document.to_string();
    std::fs::write(world.shelf().package(&bad), b"something else").unwrap();
    let at = NOW.plus_ms(YEAR - 30 * DAY_MS);
    world.authority("tsa-2.tram.test", at);
    let (renewed, troubles) = world.renew(rows, at).await;
    assert_eq!((renewed.len(), troubles.len()), (1, 1));
    assert!(troubles[0].why.contains(&bad) && troubles[0].why.contains("does not cover"));
}

#[test]
fn a_file_takes_the_place_of_another_which_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ers");
    files::write(&path, b"one").unwrap();
    assert!(files::replace(&path, b"two").unwrap().ends_with("a.ers.1"));
    assert!(
        files::replace(&path, b"three")
            .unwrap()
            .ends_with("a.ers.2")
    );
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(
        (read("a.ers"), read("a.ers.1"), read("a.ers.2")),
        (b"three".to_vec(), b"one".to_vec(), b"two".to_vec())
    );
}
