//! A ceremony judged again, years later, from what it left behind.
//!
//! Owns: every check, each said in words in two languages. Nothing stops at the first failure: who
//! finds a ceremony damaged must know all of it. Reads through a function that gives bytes by file
//! name, and asks it for plain names inside the folder only. Fails not at all: what is wrong is a
//! check that does not hold. Must not know: folders.

mod ledger;

use std::collections::BTreeSet;
use std::path::{Component, Path};

use formats::id::Digest;
use formats::time::Timestamp;
use serde::Serialize;
use x509_cert::ext::pkix::name::GeneralName;

use super::plan::{Authority, CeremonyPlan};
use super::transcript::{Line, Step, Transcript};
use crate::algorithm::{KeyKind, PublicKey, SignatureAlgorithm};
use crate::cert::Certificate;
use crate::chain::{TrustStore, Validator};
use crate::key::Algorithm;
use crate::lint::{self, Beside};
use crate::revoke::Crl;
use crate::role::Role;
use crate::sign::verify_transcript;

/// One check.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Check {
    /// What was checked: a stable word.
    pub check: &'static str,
    /// The file, authority or line it is about.
    pub subject: String,
    /// Whether it holds.
    pub holds: bool,
    /// In English.
    pub en: String,
    /// In Vietnamese.
    pub vi: String,
}

/// Everything that was checked.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// SHA-256 of the root's certificate, to be compared with the printed one.
    pub root: Option<Digest>,
    /// Authorities whose request has not come yet.
    pub pending: Vec<String>,
}

impl Report {
    /// Whether every check holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.root.is_some() && self.checks.iter().all(|check| check.holds)
    }

    fn say(&mut self, check: &'static str, subject: &str, fault: Option<String>) {
        let (_, en, vi) = WORDS
            .iter()
            .find(|(known, _, _)| *known == check)
            .unwrap_or(&("", "", ""));
        let (en, vi) = match &fault {
            None => (format!("{subject}: {en}"), format!("{subject}: {vi}")),
            Some(fault) => (
                format!("{subject}: NOT so: {en} — {fault}"),
                format!("{subject}: KHÔNG đúng: {vi} — {fault}"),
            ),
        };
        self.checks.push(Check {
            check,
            subject: subject.to_owned(),
            holds: fault.is_none(),
            en,
            vi,
        });
    }
}

/// Gives the bytes of a file of the ceremony's folder.
pub type Reader<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// Judges everything. `fingerprint` is the root's as it was printed and kept elsewhere; without it
/// somebody must compare [`Report::root`] with the paper.
#[must_use]
pub fn verify(read: Reader<'_>, fingerprint: Option<Digest>) -> Report {
    let mut report = Report::default();
    let parsed = match file(read, TRANSCRIPT) {
        Ok(bytes) => Transcript::parse(&bytes).map_err(|error| error.to_string()),
        Err(fault) => Err(fault),
    };
    let transcript = match parsed {
        Ok(transcript) => transcript,
        Err(fault) => {
            report.say("transcript", TRANSCRIPT, Some(fault));
            return report;
        }
    };
    report.say("transcript", TRANSCRIPT, None);
    let plan = plan(read, &transcript, &mut report);
    let root = root(read, &transcript, fingerprint, &mut report);
    if let Some(root) = &root {
        signatures(read, &transcript, root, &mut report);
        report.root = Some(root.sha256());
    }
    artefacts(read, &transcript, &mut report);
    if let (Some(plan), Some(root)) = (plan, root) {
        authorities(read, &transcript, &plan, &root, &mut report);
    }
    let fault = file(read, LEDGER).and_then(|bytes| ledger::judge(&bytes, &transcript));
    report.say("ledger", LEDGER, fault.err());
    printable(read, &transcript, &mut report);
    report
}

fn plan(read: Reader<'_>, transcript: &Transcript, report: &mut Report) -> Option<CeremonyPlan> {
    let said = transcript.lines().iter().find_map(|line| match &line.step {
        Step::Opened { plan_sha256, .. } => Some(plan_sha256.clone()),
        _ => None,
    });
    let judged = file(read, PLAN).and_then(|bytes| {
        let digest = Digest::of(&bytes).to_string();
        if said.as_ref() != Some(&digest) {
            return Err(format!("its SHA-256 is {digest}"));
        }
        let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
        CeremonyPlan::parse(PLAN, text, Path::new("")).map_err(|error| error.to_string())
    });
    report.say("plan", PLAN, judged.as_ref().err().cloned());
    judged.ok()
}

fn root(
    read: Reader<'_>,
    transcript: &Transcript,
    fingerprint: Option<Digest>,
    report: &mut Report,
) -> Option<Certificate> {
    let judged = signed_file(transcript, ROOT).and_then(|named| {
        let root = certificate(read, &named)?;
        signed_by(&root, root.spki_der())?;
        Ok(root)
    });
    report.say("root", ROOT, judged.as_ref().err().cloned());
    let root = judged.ok()?;
    if let Some(wanted) = fingerprint {
        let other = (root.sha256() != wanted).then(|| format!("it is {}", root.sha256()));
        report.say("fingerprint", ROOT, other);
    }
    Some(root)
}

fn signatures(read: Reader<'_>, transcript: &Transcript, root: &Certificate, report: &mut Report) {
    let parts = transcript.parts();
    let mut previous: Option<Digest> = None;
    for (number, (part, signed)) in (1_u64..).zip(&parts) {
        let name = signature_name(number);
        let judged = file(read, &name).and_then(|cms| {
            verify_transcript(&cms, signed, root).map_err(|error| error.to_string())?;
            let before = previous.replace(Digest::of(&cms));
            let named = transcript.lines().iter().find_map(|line| match &line.step {
                Step::PartOpened { part, previous, .. } if *part == number => Some(previous),
                _ => None,
            });
            if *part != number || named.cloned() != before.map(|digest| digest.to_string()) {
                return Err("the parts do not follow each other".to_owned());
            }
            Ok(())
        });
        report.say("signature", &name, judged.err());
    }
    let covered = parts.last().map_or(0, |(_, signed)| signed.len());
    let whole = covered == transcript.text().len() && covered > 0;
    let open = (!whole).then(|| "the ceremony was not closed: run it again to finish".to_owned());
    report.say("closed", TRANSCRIPT, open);
    if let Some(Step::PartClosed { pending, .. }) = transcript.lines().last().map(|l| &l.step) {
        report.pending.clone_from(pending);
    }
}

fn artefacts(read: Reader<'_>, transcript: &Transcript, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for line in transcript.lines() {
        let Some((name, sha256, secret)) = line.step.artefact() else {
            continue;
        };
        let twice = !seen.insert(name.to_owned());
        let fault = match file(read, name) {
            _ if twice => Some(format!("line {} names it again", line.seq)),
            Ok(bytes) if Digest::of(&bytes).to_string() == sha256 => None,
            Ok(bytes) => Some(format!("its SHA-256 is {}", Digest::of(&bytes))),
            // Private keys are kept apart, and so they should.
            Err(_) if secret => continue,
            Err(fault) => Some(fault),
        };
        report.say("artefact", name, fault);
        copies(read, &line.step, report);
    }
}

/// What `init` and stations look for under other names must be the same bytes.
fn copies(read: Reader<'_>, step: &Step, report: &mut Report) {
    let (copy, file) = match step {
        Step::CertificateSigned { name, file, .. } => (format!("records/{name}.crt"), file),
        Step::ListSigned { name, file, .. } if name == "ca" => ("authority/crl.der".into(), file),
        _ => return,
    };
    if let Some(bytes) = read(&copy) {
        let other = read(file) != Some(bytes);
        let fault = other.then(|| format!("it differs from {file}"));
        report.say("artefact", &copy, fault);
    }
}

fn authorities(
    read: Reader<'_>,
    transcript: &Transcript,
    plan: &CeremonyPlan,
    root: &Certificate,
    report: &mut Report,
) {
    let all = || std::iter::once(&plan.root).chain(&plan.issuing);
    for line in transcript.lines() {
        if let Step::CertificateSigned { name, .. } = &line.step
            && !all().any(|one| one.file == *name)
        {
            let fault = "the plan knows no such authority".to_owned();
            report.say("certificate", name, Some(fault));
        }
    }
    for one in all() {
        if report.pending.contains(&one.file) {
            continue;
        }
        let judged = signed_file(transcript, &one.file)
            .and_then(|named| Ok((certificate(read, &named)?, named)))
            .and_then(|(cert, named)| {
                judge(&cert, &named, one, transcript, plan, root)?;
                Ok(cert)
            });
        report.say("certificate", &one.file, judged.as_ref().err().cloned());
        if let Ok(cert) = judged {
            lists(read, transcript, one, &cert, report);
        }
    }
}

/// What a transcript says of one certificate.
struct Named {
    line: Line,
    file: String,
    serial: String,
}

fn signed_file(transcript: &Transcript, wanted: &str) -> Result<Named, String> {
    let mut found = None;
    for line in transcript.lines() {
        if let Step::CertificateSigned {
            name, file, serial, ..
        } = &line.step
            && name == wanted
        {
            let named = Named {
                line: line.clone(),
                file: file.clone(),
                serial: serial.clone(),
            };
            if found.replace(named).is_some() {
                return Err("two certificates were signed".to_owned());
            }
        }
    }
    found.ok_or_else(|| "the transcript names no certificate of it".to_owned())
}

fn certificate(read: Reader<'_>, named: &Named) -> Result<Certificate, String> {
    let cert = Certificate::from_pem(&file(read, &named.file)?)
        .map_err(|error| format!("{}: {error}", named.file))?;
    if cert.serial_hex() == named.serial {
        Ok(cert)
    } else {
        Err(format!("its serial number is {}", cert.serial_hex()))
    }
}

fn judge(
    cert: &Certificate,
    named: &Named,
    one: &Authority,
    transcript: &Transcript,
    plan: &CeremonyPlan,
    root: &Certificate,
) -> Result<(), String> {
    let domain = &plan.trust_domain;
    let at = Timestamp::parse_rfc3339(&named.line.time).map_err(|error| error.to_string())?;
    let is_root = one.subtrees.is_empty();
    let issuer = (!is_root).then_some(root);
    let beside = Beside {
        issuer,
        domain: Some(domain),
        profiles: None,
    };
    let found = lint::certificate(cert.der(), &beside);
    if let Some(error) = found.iter().find(|one| one.is_error()) {
        return Err(error.to_string());
    }
    let years = cert
        .not_after()
        .unix_ms()
        .saturating_sub(cert.not_before().unix_ms());
    if years > one.valid_ms() {
        return Err(format!(
            "it is valid for more than {} years",
            one.valid_years
        ));
    }
    if permitted(cert) != one.subtrees {
        return Err(format!(
            "its permitted names are {:?}, the plan says {:?}",
            permitted(cert),
            one.subtrees
        ));
    }
    let key = Digest::of(cert.spki_der()).to_string();
    let made = transcript.lines().iter().any(|line| match &line.step {
        Step::KeyMade {
            name, spki_sha256, ..
        }
        | Step::RequestTaken {
            name, spki_sha256, ..
        } => *name == one.file && *spki_sha256 == key,
        _ => false,
    });
    if !fits(one.algorithm, cert.spki_der()) {
        return Err(format!("its key is not {}", one.algorithm_word));
    }
    if !made {
        return Err("its key is not the one that was made or asked for".to_owned());
    }
    if is_root {
        return Ok(());
    }
    let validator = Validator::new(TrustStore {
        trust_domain: domain.clone(),
        roots: vec![root.clone()],
        intermediates: Vec::new(),
        crls: Vec::new(),
        ocsp: Vec::new(),
    });
    let believed = validator.verify(cert, Role::IssuingCa, at);
    believed.map(drop).map_err(|error| error.to_string())
}

/// Whether a public key is of the kind that the plan asks for.
#[must_use]
pub fn fits(algorithm: Algorithm, spki_der: &[u8]) -> bool {
    let kind = PublicKey::from_spki(spki_der).map(|key| key.kind());
    let wanted = match algorithm {
        Algorithm::EcdsaP256 => KeyKind::EcP256,
        Algorithm::EcdsaP384 => KeyKind::EcP384,
        Algorithm::RsaPss3072 => KeyKind::Rsa,
    };
    kind == Ok(wanted)
}

fn permitted(cert: &Certificate) -> Vec<String> {
    let constraints = cert.extensions().name_constraints.as_ref();
    let critical = constraints.filter(|known| known.critical);
    let subtrees = critical.and_then(|known| known.value.permitted_subtrees.as_ref());
    subtrees
        .into_iter()
        .flatten()
        .map(|subtree| match &subtree.base {
            GeneralName::DnsName(name) => name.to_string(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn lists(
    read: Reader<'_>,
    transcript: &Transcript,
    one: &Authority,
    issuer: &Certificate,
    report: &mut Report,
) {
    for line in transcript.lines() {
        let Step::ListSigned {
            name, file: named, ..
        } = &line.step
        else {
            continue;
        };
        if *name != one.file {
            continue;
        }
        let judged = file(read, named).and_then(|bytes| {
            let list = Crl::parse(&bytes).map_err(|error| error.to_string())?;
            list.verify(issuer).map_err(|error| error.to_string())
        });
        report.say("list", named, judged.err());
    }
}

/// Whether the holder of this public key signed the certificate.
///
/// # Errors
/// A text that says why not.
pub fn signed_by(cert: &Certificate, spki_der: &[u8]) -> Result<(), String> {
    let x509 = cert.x509();
    let algorithm = SignatureAlgorithm::from_identifier(x509.signature_algorithm())
        .map_err(|error| error.to_string())?;
    PublicKey::from_spki(spki_der)
        .and_then(|key| key.verify(algorithm, cert.tbs_der(), x509.signature().raw_bytes()))
        .map_err(|error| error.to_string())
}

fn printable(read: Reader<'_>, transcript: &Transcript, report: &mut Report) {
    // The paper is what counts; the text file is only there to print it again.
    let Some(bytes) = read(PRINTABLE) else { return };
    let other = bytes != transcript.printable().as_bytes();
    let fault = other.then(|| "it differs from what the transcript says".to_owned());
    report.say("printable", PRINTABLE, fault);
}

fn file(read: Reader<'_>, name: &str) -> Result<Vec<u8>, String> {
    let mut parts = Path::new(name).components();
    if name.is_empty() || !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Err(format!("{name:?} is no file of a ceremony"));
    }
    read(name).ok_or_else(|| "the file is not there".to_owned())
}

/// Name of the signature over a part.
#[must_use]
pub fn signature_name(part: u64) -> String {
    format!("transcript-{part}.p7s")
}

/// The plan as it was carried out.
pub const PLAN: &str = "ceremony.toml";
/// The transcript.
pub const TRANSCRIPT: &str = "transcript.jsonl";
/// The transcript for people.
pub const PRINTABLE: &str = "transcript.txt";
/// The ledger of the root.
pub const LEDGER: &str = "ledger.jsonl";
const ROOT: &str = "root";

/// What each check says when it holds.
const WORDS: [(&str, &str, &str); 11] = [
    (
        "artefact",
        "is byte for byte what was made",
        "đúng nguyên bản đã tạo",
    ),
    (
        "certificate",
        "is what the plan says, lints clean and leads to the root",
        "đúng kế hoạch, đúng khuôn dạng và dẫn về gốc",
    ),
    ("closed", "every line is signed", "mọi dòng đều đã được ký"),
    (
        "fingerprint",
        "is the root that was printed",
        "đúng gốc đã in ra giấy",
    ),
    (
        "ledger",
        "is unbroken, as it was signed, and no serial number was used twice",
        "liền mạch, đúng như đã ký, không số sê-ri nào dùng hai lần",
    ),
    ("list", "is signed by its authority", "do đúng cơ quan ký"),
    (
        "plan",
        "is the plan that was carried out",
        "đúng kế hoạch đã thực hiện",
    ),
    (
        "printable",
        "says what the transcript says",
        "nội dung khớp biên bản",
    ),
    ("root", "signed itself", "tự ký đúng"),
    (
        "signature",
        "is the root's over this part of the transcript",
        "đúng chữ ký của gốc trên biên bản",
    ),
    (
        "transcript",
        "its lines follow each other unbroken",
        "các dòng nối tiếp nhau liền mạch",
    ),
];
