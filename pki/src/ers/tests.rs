//! Records made, renewed over simulated years and verified; what must not count; stock `openssl` and a reader from
//! PyPI on the other end; the vectors of others.

use std::process::Command;

use proptest::prelude::*;

use super::*;
use formats::id::{Party, StationName};

use crate::cert::Certificate;
use crate::issue::Issuer;
use crate::key::{Algorithm, SigningKey};
use crate::profile::Template;
use crate::role::Role;
use crate::stamp::{TimeStampRequest, TokenIssuer};
use crate::testing::{self, Country, NOW};

mod vectors;

const DAY: i64 = 24 * 3_600_000;
const YEAR: i64 = 365 * DAY;

/// A time-stamp authority whose certificate begins at a time and lives three years.
struct Tsa {
    issuer: TokenIssuer,
    certificate: Certificate,
}

struct World {
    country: Country,
    anchors: Anchors,
    ends: Ends,
}

fn world() -> World {
    let country = Country::new();
    World {
        anchors: Anchors::new(vec![country.root.certificate().clone()]),
        ends: Ends::built_in(),
        country,
    }
}

fn after(years: i64) -> Timestamp {
    NOW.plus_ms(years * YEAR)
}

impl World {
    fn tsa(&mut self, name: &str, from: Timestamp) -> Tsa {
        self.tsa_with(Algorithm::EcdsaP256, name, from)
    }

    fn tsa_with(&mut self, algorithm: Algorithm, name: &str, from: Timestamp) -> Tsa {
        let key = SigningKey::generate(algorithm).unwrap();
        let party = Party::Station(StationName::parse(name).unwrap());
        let template =
            Template::new(Role::TimeStamping, name, key.spki_der(), from).for_party(party);
        let certificate =
            testing::issue(&mut self.country.ledger, &self.country.national, template);
        Tsa {
            issuer: TokenIssuer::new(key, certificate.clone(), self.chain(&self.country.national)),
            certificate,
        }
    }

    fn chain(&self, issuer: &Issuer) -> Vec<Certificate> {
        vec![issuer.certificate().clone()]
    }

    fn ask(&self, record: &EvidenceRecord, objects: &[DataObject], at: Timestamp) -> Report {
        let question = Question {
            anchors: &self.anchors,
            certificates: &[],
            ends: &self.ends,
            at,
            scope: Scope::Group,
        };
        question.ask(record, objects).unwrap()
    }
}

impl Tsa {
    fn stamp(&self, imprint: (HashAlgorithm, &[u8]), at: Timestamp) -> Vec<u8> {
        let request = TimeStampRequest::over(imprint.0, imprint.1.to_vec(), 77);
        let answer = self.issuer.respond(&request.build().unwrap(), at);
        request.token_from_response(&answer.unwrap()).unwrap()
    }

    fn finish(&self, batch: Batch, at: Timestamp) -> Vec<EvidenceRecord> {
        let token = self.stamp(batch.imprint(), at);
        batch.finish(&token).unwrap()
    }
}

const HASHES: [Hash; 2] = [Hash::Sha256, Hash::Sha512];

fn object(name: &str) -> DataObject {
    DataObject::of(name, name.as_bytes(), &HASHES)
}

/// A package of two objects.
fn package(n: usize) -> Vec<DataObject> {
    vec![
        object(&format!("{n}/packet")),
        object(&format!("{n}/proof")),
    ]
}

fn faults(report: &Report) -> Vec<String> {
    report.faults.iter().map(Fault::english).collect()
}

#[test]
fn one_token_stands_under_many_packages_and_each_record_alone_proves_its_own() {
    let mut world = world();
    let tsa = world.tsa("tsa-1.tram.test", NOW);
    for count in [1, 2, 3, 7, 64] {
        let packages: Vec<_> = (0..count).map(package).collect();
        let batch = Batch::begin(Hash::Sha256, &packages).unwrap();
        assert_eq!(batch.len(), count);
        let records = tsa.finish(batch, NOW);
        let tokens: std::collections::BTreeSet<_> =
            records.iter().map(|one| one.tokens().unwrap()).collect();
        assert_eq!(tokens.len(), 1, "one token for {count} packages");
        for (index, record) in records.iter().enumerate() {
            let read = EvidenceRecord::parse(&record.to_der().unwrap()).unwrap();
            assert_eq!(&read, record);
            let report = world.ask(&read, &packages[index], after(2));
            assert!(report.holds(), "{:?}", faults(&report));
            assert_eq!(report.proven(), Some(NOW.floor_s()));
            assert_eq!(
                report.covered,
                [format!("{index}/packet"), format!("{index}/proof")]
            );
            // Another package, a changed object, a part, or more than was archived.
            let other = package(index + 1_000);
            assert!(!world.ask(&read, &other, after(2)).holds());
            let part = &packages[index][..1];
            let report = world.ask(&read, part, after(2));
            assert!(matches!(
                report.faults[..],
                [Fault::Surplus { values: 1, .. }]
            ));
            let mut more = packages[index].clone();
            more.push(object("more"));
            let report = world.ask(&read, &more, after(2));
            let named =
                matches!(&report.faults[..], [Fault::Missing { object, .. }] if object == "more");
            assert!(named, "{:?}", faults(&report));
        }
    }
}

#[test]
fn a_record_lives_on_by_renewals_and_dies_without_them() {
    let mut world = world();
    let tsa_1 = world.tsa("tsa-1.tram.test", NOW);
    let tsa_2 = world.tsa("tsa-2.tram.test", after(2));
    let tsa_3 = world.tsa_with(Algorithm::EcdsaP384, "tsa-3.tram.test", after(4));
    let tsa_4 = world.tsa("tsa-4.tram.test", after(4));
    let packages: Vec<_> = (0..5).map(package).collect();
    let first = tsa_1.finish(Batch::begin(Hash::Sha256, &packages).unwrap(), NOW);
    let holds = |record: &EvidenceRecord, at| world.ask(record, &packages[2], at);
    let end = tsa_1.certificate.not_after();
    assert!(holds(&first[2], end.minus_ms(DAY)).holds());
    let late = holds(&first[2], end.plus_ms(DAY));
    assert!(matches!(late.faults[..], [Fault::Ended { .. }]), "{late:?}");

    // Before the certificate ends: another authority stamps what the first one said.
    let batch = Batch::renew_time_stamps(first.clone()).unwrap();
    let second = tsa_2.finish(batch, end.minus_ms(DAY));
    assert_eq!(second[2].chains(), [2]);
    let report = holds(&second[2], end.plus_ms(DAY));
    assert!(report.holds(), "{:?}", faults(&report));
    assert_eq!(report.proven(), Some(NOW.floor_s()));

    // SHA-256 ends after five years: everything again with SHA-512, over the data and all that was before.
    let sha_256_ends = after(5);
    let ends = Ends::built_in().with("sha256", sha_256_ends).unwrap();
    let pairs = second.iter().cloned().zip(packages.clone()).collect();
    let batch = Batch::renew_trees(Hash::Sha512, pairs).unwrap();
    let renewed = sha_256_ends
        .minus_ms(100 * DAY)
        .min(tsa_2.certificate.not_after().minus_ms(DAY));
    let third = tsa_3.finish(batch, renewed);
    assert_eq!(third[2].chains(), [2, 1]);
    assert_eq!(third[2].newest(&ends).unwrap().hash, Hash::Sha512);
    let at = after(6);
    world_asks(&world, &ends, &third[2], &packages[2], at, &[]);
    assert!(!holds(&second[2], at).holds());
    // Without the data nothing ties the new tree to the old one, and other data are refused.
    let alone = world.ask(&third[2], &[], at);
    assert_eq!((alone.holds(), alone.unlinked), (true, 1));
    assert!(!world.ask(&third[2], &packages[3], at).holds());
    // An authority that still signs with SHA-256 makes a renewal that does not outlive it.
    let pairs = second.iter().cloned().zip(packages.clone()).collect();
    let weak = tsa_4.finish(Batch::renew_trees(Hash::Sha512, pairs).unwrap(), renewed);
    let words = ["2.1: sha256 ended"];
    world_asks(&world, &ends, &weak[2], &packages[2], at, &words);
    assert_eq!(weak[2].newest(&ends).unwrap().end(), sha_256_ends);

    // What was renewed after the end proves nothing.
    let batch = Batch::renew_time_stamps(first).unwrap();
    let late = tsa_2.finish(batch, end.plus_ms(DAY));
    let report = holds(&late[2], end.plus_ms(2 * DAY));
    assert!(
        matches!(report.faults[..], [Fault::Late { .. }]),
        "{report:?}"
    );
}

/// Asks with other ends of algorithms; the names of the faults must be these.
fn world_asks(
    world: &World,
    ends: &Ends,
    record: &EvidenceRecord,
    objects: &[DataObject],
    at: Timestamp,
    wanted: &[&str],
) {
    let question = Question {
        anchors: &world.anchors,
        certificates: &[],
        ends,
        at,
        scope: Scope::Group,
    };
    let report = question.ask(record, objects).unwrap();
    let told = faults(&report);
    let fits = told.len() == wanted.len()
        && told
            .iter()
            .zip(wanted)
            .all(|(one, word)| one.contains(word));
    assert!(fits, "{told:?}");
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one table of everything that can be done to a record"
)]
fn records_that_were_tampered_with_are_refused_and_the_fault_is_named() {
    let mut world = world();
    let tsa_1 = world.tsa("tsa-1.tram.test", NOW);
    let tsa_2 = world.tsa("tsa-2.tram.test", after(2));
    let packages: Vec<_> = (0..4).map(package).collect();
    let first = tsa_1.finish(Batch::begin(Hash::Sha256, &packages).unwrap(), NOW);
    let others = tsa_1.finish(Batch::begin(Hash::Sha256, &[package(9)]).unwrap(), NOW);
    let at = after(2);
    let batch = Batch::renew_time_stamps(vec![first[1].clone()]).unwrap();
    let second = tsa_2.finish(batch, at).remove(0);
    let pairs = vec![(second, packages[1].clone())];
    let third = tsa_2.finish(Batch::renew_trees(Hash::Sha512, pairs).unwrap(), at);
    let whole = third[0].clone();
    let question = at.plus_ms(DAY);
    assert!(world.ask(&whole, &packages[1], question).holds());

    type Change = fn(&mut Record, &EvidenceRecord);
    let table: [(&str, Change, &str); 11] = [
        (
            "a value of the first list",
            |one, _| flip(&mut one.chains[0][0], 0),
            "1.1: its hash tree",
        ),
        (
            "a sibling",
            |one, _| flip(&mut one.chains[0][0], 1),
            "1.1: its hash tree",
        ),
        (
            "the tree away",
            |one, _| one.chains[0][0].tree = None,
            "does not cover 1/packet",
        ),
        (
            "a list that is empty",
            |one, _| one.chains[0][0].tree.as_mut().unwrap().push(Vec::new()),
            "1.1: its hash tree",
        ),
        (
            "another's first time-stamp",
            |one, other| one.chains[0][0] = other.0.chains[0][0].clone(),
            "does not cover",
        ),
        (
            "another token under the renewal",
            |one, other| one.chains[0][1].token = other.0.chains[0][0].token.clone(),
            "1.2: it does not cover",
        ),
        (
            "the order",
            |one, _| one.chains[0].swap(0, 1),
            "does not cover",
        ),
        (
            "the renewal of a time-stamp away",
            |one, _| {
                one.chains[0].pop();
            },
            "2.1: it does not cover",
        ),
        (
            "the declared digest away",
            |one, _| {
                one.digest_algorithms.pop();
            },
            "the record does not list sha512",
        ),
        (
            "the digest of a time-stamp",
            |one, _| {
                one.chains[0][1].digest_algorithm = Some(Hash::Sha512.identifier());
            },
            "another kind of digest",
        ),
        (
            "a chain twice",
            |one, _| {
                let again = one.chains[1].clone();
                one.chains.push(again);
            },
            "3.1: it does not cover",
        ),
    ];
    for (what, change, word) in table {
        let mut record = whole.clone();
        change(&mut record.0, &others[0]);
        let report = world.ask(&record, &packages[1], question);
        let told = faults(&report);
        assert!(
            told.iter().any(|fault| fault.contains(word)),
            "{what}: {told:?}"
        );
    }
    // Nobody who is believed.
    let stranger = world_with(Anchors::default(), &world);
    let report = stranger(&whole, &packages[1], question);
    assert!(
        report
            .faults
            .iter()
            .all(|one| matches!(one, Fault::Untrusted { .. })),
        "{report:?}"
    );
    // Before it was made.
    let report = world.ask(&whole, &packages[1], at.minus_ms(DAY));
    assert!(
        report
            .faults
            .iter()
            .any(|one| matches!(one, Fault::Future { .. })),
        "{report:?}"
    );
}

fn world_with(
    anchors: Anchors,
    world: &World,
) -> impl Fn(&EvidenceRecord, &[DataObject], Timestamp) -> Report {
    move |record, objects, at| {
        let question = Question {
            anchors: &anchors,
            certificates: &[],
            ends: &world.ends,
            at,
            scope: Scope::Group,
        };
        question.ask(record, objects).unwrap()
    }
}

fn flip(stamp: &mut Stamp, list: usize) {
    let list = &mut stamp.tree.as_mut().unwrap()[list];
    let mut bytes = list[0].as_bytes().to_vec();
    bytes[0] ^= 1;
    list[0] = octets(bytes).unwrap();
}

#[test]
fn a_batch_takes_only_the_token_that_it_asked_for() {
    let mut world = world();
    let tsa = world.tsa("tsa-1.tram.test", NOW);
    let batch = || Batch::begin(Hash::Sha256, &[package(1)]).unwrap();
    let other = Batch::begin(Hash::Sha256, &[package(2)]).unwrap();
    assert!(batch().finish(&tsa.stamp(other.imprint(), NOW)).is_err());
    let mut broken = tsa.stamp(batch().imprint(), NOW);
    let last = broken.len() - 1;
    broken[last] ^= 1;
    assert!(batch().finish(&broken).is_err());
    assert!(batch().finish(b"no token").is_err());
    assert!(matches!(
        Batch::begin(Hash::Sha256, &[]),
        Err(ErsError::Empty)
    ));
    assert!(matches!(
        Batch::begin(Hash::Sha256, &[Vec::new()]),
        Err(ErsError::Empty)
    ));
    assert!(matches!(
        Batch::begin(Hash::Sha3_256, &[package(1)]),
        Err(ErsError::NotHashed { .. })
    ));
    assert!(matches!(
        Batch::begin(Hash::Sha384, &[package(1)]),
        Err(ErsError::NotHashed { .. })
    ));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one record before two foreign tools")]
fn openssl_and_a_foreign_reader_agree_about_a_record() {
    let mut world = world();
    let tsa = world.tsa("tsa-1.tram.test", NOW);
    let packages: Vec<_> = (0..3).map(package).collect();
    let records = tsa.finish(Batch::begin(Hash::Sha256, &packages).unwrap(), NOW);
    let renewed = tsa.finish(Batch::renew_time_stamps(records).unwrap(), NOW.plus_ms(DAY));
    let pairs = renewed.into_iter().zip(packages).collect();
    let batch = Batch::renew_trees(Hash::Sha512, pairs).unwrap();
    let record = tsa.finish(batch, NOW.plus_ms(2 * DAY)).remove(0);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("root.pem"), world.country.root.certificate().pem()).unwrap();
    std::fs::write(file("ca.pem"), world.country.national.certificate().pem()).unwrap();
    for token in record.tokens().unwrap() {
        let imprint = crate::cert::hex(Token::open(&token).unwrap().imprint());
        std::fs::write(file("token"), &token).unwrap();
        let verify = |digest: &str| {
            let at = NOW.plus_ms(3 * DAY).unix_s().to_string();
            let said = Command::new("openssl")
                .args([
                    "ts",
                    "-verify",
                    "-in",
                    "token",
                    "-token_in",
                    "-digest",
                    digest,
                ])
                .args([
                    "-CAfile",
                    "root.pem",
                    "-untrusted",
                    "ca.pem",
                    "-attime",
                    &at,
                ])
                .current_dir(folder.path())
                .output()
                .unwrap();
            (
                said.status.success(),
                String::from_utf8_lossy(&said.stderr).into_owned(),
            )
        };
        let (holds, said) = verify(&imprint);
        assert!(holds, "{said}");
        assert!(!verify(&imprint.replace(&imprint[..2], "00")).0 || imprint.starts_with("00"));
    }
    // The interpreter that `tests/run` has put pkilint into; the reader comes along with it.
    let python = std::env::var_os("TRAM_PKILINT").filter(|python| {
        let works = Command::new(python)
            .args(["-c", "import pyasn1_alt_modules.rfc4998"])
            .output();
        works.is_ok_and(|output| output.status.success())
    });
    let Some(python) = python else {
        println!(
            "SKIPPED-SUITE a reader of RFC 4998 over our records (tests/run installs it from PyPI)"
        );
        return;
    };
    std::fs::write(file("record.ers"), record.to_der().unwrap()).unwrap();
    let script = "import sys\n\
from pyasn1.codec.der import decoder, encoder\n\
from pyasn1_alt_modules import rfc4998\n\
raw = open('record.ers', 'rb').read()\n\
record, rest = decoder.decode(raw, asn1Spec=rfc4998.EvidenceRecord())\n\
assert not rest and encoder.encode(record) == raw\n\
chains = record['archiveTimeStampSequence']\n\
print(int(record['version']), [len(chain) for chain in chains],\n\
      [str(one['algorithm']) for one in record['digestAlgorithms']])\n";
    let said = Command::new(python)
        .args(["-c", script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    let wanted = "1 [2, 1] ['2.16.840.1.101.3.4.2.1', '2.16.840.1.101.3.4.2.3']";
    assert_eq!(out.trim(), wanted, "{err}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_number_of_packages_is_proven_by_its_reduced_tree(
        sizes in proptest::collection::vec(1_usize..5, 1..40)
    ) {
        let groups: Vec<Vec<Value>> = sizes
            .iter()
            .enumerate()
            .map(|(n, size)| {
                let value = |part| Hash::Sha256.of(&[format!("{n} {part}").as_bytes()]);
                (0..*size).map(value).collect()
            })
            .collect();
        let tree = tree::Tree::over(Hash::Sha256, &groups).unwrap();
        for group in &groups {
            let lists = tree.reduced(group).unwrap();
            prop_assert_eq!(lists[0].len(), group.len());
            let root = tree::root(Hash::Sha256, &lists);
            prop_assert_eq!(root.as_deref(), Some(tree.root()));
            prop_assert!(lists.len() <= 8);
        }
        prop_assert!(tree.reduced(&[vec![0; 32]]).is_none());
    }

    #[test]
    fn bytes_that_are_no_record_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(EvidenceRecord::parse(&bytes).is_err());
        prop_assert!(container::Container::open("a.asics", &bytes).is_err());
    }
}

#[test]
fn a_record_with_one_byte_changed_never_proves_more() {
    let mut world = world();
    let tsa = world.tsa("tsa-1.tram.test", NOW);
    let packages = vec![package(0), package(1)];
    let record = tsa
        .finish(Batch::begin(Hash::Sha256, &packages).unwrap(), NOW)
        .remove(0);
    let whole = record.to_der().unwrap();
    assert!(EvidenceRecord::parse(&[whole.as_slice(), &[0]].concat()).is_err());
    let other = package(5);
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        if let Ok(record) = EvidenceRecord::parse(&bytes)
            && let Ok(report) = (Question {
                anchors: &world.anchors,
                certificates: &[],
                ends: &world.ends,
                at: after(1),
                scope: Scope::Group,
            })
            .ask(&record, &other)
        {
            assert!(!report.holds(), "byte {at}");
        }
    }
}

#[test]
#[ignore = "writes the committed seeds of the fuzz suite anew, with new keys that are then forgotten"]
fn seeds_of_the_fuzz_suite() {
    let mut world = world();
    let tsa = world.tsa("tsa-1.tram.test", NOW);
    let packages = vec![package(0), package(1), package(2)];
    let first = tsa.finish(Batch::begin(Hash::Sha256, &packages).unwrap(), NOW);
    let second = tsa.finish(
        Batch::renew_time_stamps(first[..1].to_vec()).unwrap(),
        NOW.plus_ms(DAY),
    );
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus");
    let folder = corpus.join("evidence-record");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, record) in [("simple.der", &first[0]), ("renewed.der", &second[0])] {
        std::fs::write(folder.join(name), record.to_der().unwrap()).unwrap();
    }
    let data = b"what is archived";
    let object = DataObject::of("data.txt", data, &HASHES);
    let batch = Batch::begin(Hash::Sha256, &[vec![object.clone()]]).unwrap();
    let record = tsa.finish(batch, NOW).remove(0);
    let digest = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        object.value(Hash::Sha256).unwrap(),
    );
    let manifest = format!(
        "<ASiCManifest xmlns=\"http://uri.etsi.org/02918/v1.2.1#\"><SigReference \
         URI=\"META-INF/evidencerecord.ers\"/><DataObjectReference URI=\"data.txt\"><DigestMethod \
         xmlns=\"http://www.w3.org/2000/09/xmldsig#\" Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
         <DigestValue xmlns=\"http://www.w3.org/2000/09/xmldsig#\">{digest}</DigestValue>\
         </DataObjectReference></ASiCManifest>"
    );
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain = zip::write::SimpleFileOptions::default();
    for (name, content) in [
        ("mimetype", b"application/vnd.etsi.asic-e+zip".as_slice()),
        ("data.txt", data),
        ("META-INF/evidencerecord.ers", &record.to_der().unwrap()),
        (
            "META-INF/ASiCEvidenceRecordManifest.xml",
            manifest.as_bytes(),
        ),
    ] {
        zip.start_file(name, plain).unwrap();
        std::io::Write::write_all(&mut zip, content).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    let opened = container::Container::open("a.asice", &bytes).unwrap();
    let question = Question {
        anchors: &world.anchors,
        certificates: &[],
        ends: &world.ends,
        at: NOW.plus_ms(DAY),
        scope: Scope::Group,
    };
    assert!(opened.check(&question).unwrap().holds());
    std::fs::create_dir_all(corpus.join("container")).unwrap();
    std::fs::write(corpus.join("container/one.bin"), bytes).unwrap();
}
