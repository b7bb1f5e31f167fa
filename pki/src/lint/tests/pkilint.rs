//! Everything that we issue, judged by a foreign linter: a thousand certificates of all roles and
//! key kinds, a hundred revocation lists, and OCSP answers. Errors are never accepted; a warning
//! only with the reason that stands here.

use std::path::{Path, PathBuf};
use std::process::Command;

use formats::id::{AgencyCode, Party, StationName, TrustDomain};
use formats::time::Timestamp;
use x509_cert::ext::pkix::CrlReason;

use crate::cert::Certificate;
use crate::issue::{CRL_VALID_MS, CrlEntry, CrlTemplate, Issuer, prepare_root, sign_root};
use crate::key::{Algorithm, SigningKey};
use crate::ocsp::{CertId, Responder, Status};
use crate::profile::{KeyRule, Template};
use crate::revoke::Revocation;
use crate::role::{NameKind, Role};
use crate::testing::NOW;

/// Warnings and notices of pkilint that we accept: code, reason. None so far.
const ACCEPTED: [(&str, &str); 0] = [];

const ANSWERS: usize = 100;
const CERTIFICATES: usize = 1000;
const LISTS: usize = 100;

/// Organisation names as registers hold them: long, short, with every kind of letter.
const NAMES: [&str; 6] = [
    "Ủy ban nhân dân thành phố Hồ Chí Minh",
    "Bộ Tài nguyên và Môi trường",
    "Trung tâm Phục vụ hành chính công tỉnh Bà Rịa – Vũng Tàu và các huyện, thị xã trực thuộc tỉnh",
    "UBND xã Đắk R’Tíh",
    "Cục A",
    "SỞ THÔNG TIN & TRUYỀN THÔNG (văn phòng)",
];

/// One country: a root, a national authority and a province, all with one kind of key.
struct Chain {
    domain: TrustDomain,
    root: Issuer,
    national: Issuer,
    national_key: SigningKey,
    province: Issuer,
    now: Timestamp,
}

fn chain(algorithm: Algorithm, domain: &str, now: Timestamp) -> Chain {
    let domain = TrustDomain::parse(domain).unwrap();
    let key = SigningKey::generate(algorithm).unwrap();
    let template = Template::new(Role::Root, "Trạm gốc", key.spki_der(), now);
    let template = template.of_organization(NAMES[0]);
    let planned = prepare_root(template, &key, &domain).unwrap().recorded();
    let cert = sign_root(planned, &key).unwrap();
    let root = Issuer::new(cert, key, domain.clone()).unwrap();
    let below = |name: &str, subtree: &str| {
        let key = SigningKey::generate(algorithm).unwrap();
        let template = root.template(Role::IssuingCa, name, key.spki_der(), now);
        let template = template.of_organization(NAMES[1]).permitting(subtree);
        let cert = root
            .sign(root.prepare(template).unwrap().recorded())
            .unwrap();
        let issuer = Issuer::new(cert, key.clone(), domain.clone()).unwrap();
        (issuer, key)
    };
    let (national, national_key) = below("Trạm CA quốc gia", domain.as_str());
    let (province, _) = below("Trạm CA tỉnh H01", &format!("h01.{domain}"));
    Chain {
        domain,
        root,
        national,
        national_key,
        province,
        now,
    }
}

/// The keys that ends are certified for; making an RSA key for each of a thousand would take
/// minutes and show nothing more.
fn keys() -> Vec<(KeyRule, SigningKey)> {
    [
        (KeyRule::P256, Algorithm::EcdsaP256),
        (KeyRule::P384, Algorithm::EcdsaP384),
        (KeyRule::Rsa(3072), Algorithm::RsaPss3072),
    ]
    .map(|(rule, algorithm)| (rule, SigningKey::generate(algorithm).unwrap()))
    .to_vec()
}

/// The certificate number `index` of a chain: roles, names and keys in turn.
fn end(chain: &Chain, keys: &[(KeyRule, SigningKey)], index: usize) -> Certificate {
    let ends: Vec<Role> = Role::ALL
        .into_iter()
        .filter(|role| !role.is_authority())
        .collect();
    let role = ends[index % ends.len()];
    let turn = index / ends.len();
    let fitting: Vec<&SigningKey> = keys
        .iter()
        .filter(|(_, key)| {
            let key = crate::algorithm::PublicKey::from_spki(key.spki_der()).unwrap();
            role.profile().allows_key(&key)
        })
        .map(|(_, key)| key)
        .collect();
    let key = fitting[turn % fitting.len()];
    let delegated = role.may_be_delegated() && turn.is_multiple_of(3);
    let issuer = if delegated {
        &chain.province
    } else {
        &chain.national
    };
    let number = 1 + turn % 60;
    let domain = &chain.domain;
    let party = match role.name_kind() {
        NameKind::Agency => {
            let code = match turn % 3 {
                0 => format!("H01.{number:02}"),
                1 => format!("G{number:02}"),
                _ => format!("H{number:02}.36.{index:03}"),
            };
            Party::Agency(AgencyCode::parse(&code).unwrap())
        }
        NameKind::None | NameKind::Station => {
            let below = if delegated { "h01." } else { "" };
            let name = format!("node-{index}.{below}{domain}");
            Party::Station(StationName::parse(&name).unwrap())
        }
    };
    let template = issuer
        .template(role, &party.to_string(), key.spki_der(), chain.now)
        .of_organization(NAMES[turn % NAMES.len()])
        .for_party(party);
    issuer
        .sign(issuer.prepare(template).unwrap().recorded())
        .unwrap()
}

fn list(chain: &Chain, index: usize) -> Vec<u8> {
    let issuer = [&chain.national, &chain.province, &chain.root][index % 3];
    let reasons = [
        CrlReason::KeyCompromise,
        CrlReason::Unspecified,
        CrlReason::Superseded,
        CrlReason::CessationOfOperation,
        CrlReason::PrivilegeWithdrawn,
        CrlReason::AffiliationChanged,
    ];
    let entries = (0..index).map(|one| CrlEntry {
        serial: [&[0x41][..], &one.to_be_bytes()].concat(),
        at: chain.now.minus_ms(i64::try_from(one).unwrap() * 3_600_000),
        reason: reasons[one % reasons.len()],
    });
    let template = CrlTemplate {
        number: u64::MAX >> (index % 64),
        this_update: chain.now,
        next_update: chain.now.plus_ms(CRL_VALID_MS),
        entries: entries.collect(),
    };
    issuer.sign_crl(&template).unwrap().der().to_vec()
}

/// Answers of all three kinds for certificates of the national authority, signed by a responder or
/// by the authority itself.
fn answer(chain: &Chain, responder: &Responder, index: usize) -> Vec<u8> {
    let issuer = chain.national.certificate();
    let serial = [&[0x41][..], &index.to_be_bytes()].concat();
    let id = match index % 2 {
        0 => CertId::sha1(issuer, &serial),
        _ => CertId::sha256(issuer, &serial),
    };
    let revoked = |reason| {
        Status::Revoked(Revocation {
            at: chain.now.minus_ms(3_600_000),
            reason,
        })
    };
    let status = match index % 4 {
        0 | 1 => Status::Good,
        2 => revoked(CrlReason::KeyCompromise),
        _ => revoked(CrlReason::Unspecified),
    };
    let until = chain.now.plus_ms(24 * 3_600_000);
    responder
        .answer(&id.unwrap(), status, chain.now, until)
        .unwrap()
}

/// A responder with a certificate of its own, and the authority as its own responder.
fn responders(chain: &Chain, algorithm: Algorithm) -> [Responder; 2] {
    let national = chain.national.certificate().clone();
    let key = SigningKey::generate(algorithm).unwrap();
    let name = format!("ocsp-1.{}", chain.domain);
    let template = chain
        .national
        .template(Role::Ocsp, &name, key.spki_der(), chain.now);
    let template = template.for_party(Party::Station(StationName::parse(&name).unwrap()));
    let prepared = chain.national.prepare(template).unwrap();
    let cert = chain.national.sign(prepared.recorded()).unwrap();
    [
        Responder::new(key, cert, national.clone()).unwrap(),
        Responder::new(chain.national_key.clone(), national.clone(), national).unwrap(),
    ]
}

/// The interpreter that has pkilint: as given by `tests/run`, or where it would have put it.
fn python() -> Option<PathBuf> {
    let given = std::env::var_os("TRAM_PKILINT").map(PathBuf::from);
    let python = given.or_else(|| {
        let test = std::env::current_exe().ok()?;
        Some(test.ancestors().nth(3)?.join("tests-python/bin/python"))
    })?;
    let works = Command::new(&python)
        .args(["-c", "import pkilint"])
        .output();
    works
        .is_ok_and(|output| output.status.success())
        .then_some(python)
}

#[test]
fn everything_issued_passes_pkilint() {
    let Some(python) = python() else {
        println!("SKIPPED-SUITE pkilint over what we issue (tests/run installs it from PyPI)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: String, der: &[u8]| std::fs::write(folder.path().join(name), der).unwrap();
    // The third chain reaches beyond 2049, where times change their type.
    let chains = [
        chain(Algorithm::EcdsaP256, "tram.test", NOW),
        chain(Algorithm::EcdsaP384, "tram.gov.vn", NOW),
        chain(
            Algorithm::RsaPss3072,
            "tram.test",
            NOW.plus_ms(23 * 365 * 86_400_000),
        ),
    ];
    let mut made = 0;
    for (place, chain) in chains.iter().enumerate() {
        for (name, issuer) in [
            ("root", &chain.root),
            ("national", &chain.national),
            ("province", &chain.province),
        ] {
            write(format!("{place}-{name}.crt"), issuer.certificate().der());
            made += 1;
        }
    }
    let keys = keys();
    for index in made..CERTIFICATES {
        let cert = end(&chains[index % chains.len()], &keys, index / chains.len());
        write(format!("{index:04}.crt"), cert.der());
    }
    for index in 0..LISTS {
        write(
            format!("{index:03}.crl"),
            &list(&chains[index % chains.len()], index),
        );
    }
    let kinds = [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::RsaPss3072,
    ];
    let both: Vec<[Responder; 2]> = chains
        .iter()
        .zip(kinds)
        .map(|(chain, kind)| responders(chain, kind))
        .collect();
    for index in 0..ANSWERS {
        let place = index % chains.len();
        let responder = &both[place][index / chains.len() % 2];
        let der = answer(&chains[place], responder, index);
        write(format!("{index:03}.ocsp"), &der);
    }
    judge(&python, folder.path());
    a_spoiled_one_is_noticed(&python, chains[0].national.certificate());
}

/// Without this, a driver that never finds anything would pass.
fn a_spoiled_one_is_noticed(python: &Path, good: &Certificate) {
    let folder = tempfile::tempdir().unwrap();
    let mut der = good.der().to_vec();
    let version = [0xa0, 3, 2, 1, 2];
    let at = der.windows(5).position(|five| five == version).unwrap();
    // Version 2 with extensions.
    der[at + 4] = 1;
    std::fs::write(folder.path().join("spoiled.crt"), der).unwrap();
    std::fs::write(folder.path().join("empty.crl"), [0x30, 0]).unwrap();
    let report = run(python, folder.path());
    let findings = report["findings"].as_array().unwrap();
    for (severity, file) in [("ERROR", "spoiled.crt"), ("FATAL", "empty.crl")] {
        let seen = |one: &serde_json::Value| one["severity"] == severity && one["file"] == file;
        assert!(findings.iter().any(seen), "{file}: {findings:?}");
    }
}

fn run(python: &Path, folder: &Path) -> serde_json::Value {
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/pkilint/lint_folder.py");
    let output = Command::new(python)
        .arg(driver)
        .arg(folder)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn judge(python: &Path, folder: &Path) {
    let report = run(python, folder);
    assert_eq!(report["linted"]["crt"], CERTIFICATES);
    assert_eq!(report["linted"]["crl"], LISTS);
    assert_eq!(report["linted"]["ocsp"], ANSWERS);
    let findings = report["findings"].as_array().unwrap();
    let strange: Vec<_> = findings
        .iter()
        .filter(|one| {
            let accepted = ACCEPTED.iter().any(|(code, _)| one["code"] == *code);
            let grave = one["severity"] == "ERROR" || one["severity"] == "FATAL";
            grave || !accepted
        })
        .collect();
    assert!(strange.is_empty(), "{strange:#?}");
    for (code, reason) in ACCEPTED {
        let met = findings.iter().any(|one| one["code"] == code);
        assert!(
            met,
            "{code} no longer comes up; take it from the list ({reason})"
        );
    }
    println!(
        "RESULT pkilint: {}, findings: {}",
        report["linted"],
        findings.len()
    );
}
