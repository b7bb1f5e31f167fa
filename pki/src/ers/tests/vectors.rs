//! Records and containers by others (`dss-lgpl`): what their names say must be refused is refused, the rest is
//! accepted or has its reason in `pki/tests/suites/evidence-records.txt`.
//!
//! Their authorities come inside their tokens: every authority's certificate there stands for the roots that the
//! makers trusted. Asked at the time of the newest token, or their certificates would have ended.

use super::*;
use crate::ers::container::Container;
use crate::fixture::files;
use crate::pdf::token::Token;
use crate::suite::{Case, Verdict, judge, vectors};

/// Words in names of what must be refused. An ASiC-E container without a manifest is refused too: nothing says what
/// its record is over (EN 319 162-1 section 4.4.3).
const BAD: [&str; 8] = [
    "invalid",
    "incorrect",
    "malformed",
    "wrong",
    "not-found",
    "broken",
    "missing",
    "no-manifest",
];

#[test]
fn evidence_record_verdicts() {
    let Some(folder) = vectors("dss-lgpl") else {
        return;
    };
    let mut cases = Vec::new();
    let loose = files(&folder.join("evidence-record-asn1"));
    let objects: Vec<&(String, Vec<u8>)> = loose
        .iter()
        .filter(|(name, _)| name.ends_with(".bin"))
        .collect();
    for (name, bytes) in &loose {
        let id = format!("asn1/{name}");
        let accept = !BAD.iter().any(|word| name.to_lowercase().contains(word));
        if name.ends_with(".ers") || name.ends_with(".er") {
            let own = |one: &&&(String, Vec<u8>)| belongs(name, &one.0);
            let own: Vec<_> = objects.iter().filter(own).collect();
            cases.push(Case::new(id.clone(), accept, record(bytes, &own)));
            // What was never archived is under none of them.
            let stranger = ("stranger".to_owned(), b"a stranger".to_vec());
            let verdict = record(bytes, &[&&stranger]);
            cases.push(Case::new(format!("{id} over a stranger"), false, verdict));
        } else if name.ends_with(".xml") {
            cases.push(Case::new(id, accept, Verdict::Skipped));
        }
    }
    for (name, bytes) in files(&folder.join("evidence-record-xml")) {
        let record = name.ends_with(".xml") || name.ends_with(".ers");
        if record && !bytes.is_empty() {
            cases.push(Case::new(format!("xml/{name}"), true, Verdict::Skipped));
        }
    }
    for (name, bytes) in files(&folder.join("asic-cades-er")) {
        let accept = !BAD.iter().any(|word| name.to_lowercase().contains(word));
        cases.push(Case::new(
            format!("asic/{name}"),
            accept,
            container(&name, &bytes),
        ));
    }
    judge("evidence-records", &cases);
}

/// `BIN-2_ER.ers` is over `BIN-2.bin`, which has the bytes of the other `.bin` files.
fn belongs(record: &str, object: &str) -> bool {
    record.starts_with("BIN-") && object.starts_with("BIN-")
}

fn record(bytes: &[u8], own: &[&&(String, Vec<u8>)]) -> Result<(), String> {
    let record = EvidenceRecord::parse(bytes).map_err(|error| error.to_string())?;
    let hashes = record.hashes().map_err(|error| error.to_string())?;
    let read = |one: &&&(String, Vec<u8>)| DataObject::of(&one.0, &one.1, &hashes);
    let objects: Vec<DataObject> = own.iter().map(read).collect();
    let (anchors, at) = believed(&record);
    let report = asked(&anchors, at).ask(&record, &objects);
    verdict(&report.map_err(|error| error.to_string())?)
}

fn container(name: &str, bytes: &[u8]) -> Verdict {
    let container = match Container::open(name, bytes) {
        Ok(container) => container,
        Err(error) => return Verdict::Rejected(error.to_string()),
    };
    let records: Vec<EvidenceRecord> = container
        .records()
        .filter_map(|name| EvidenceRecord::parse(container.entry(name)?).ok())
        .collect();
    if records.is_empty() && container.records().count() == 0 {
        // In XML, or an attribute of a signature (RFC 5276): another thing.
        return Verdict::Skipped;
    }
    let (mut roots, mut at) = (Vec::new(), NOW.minus_ms(100 * YEAR));
    for record in &records {
        let (own, newest) = roots_of(record);
        roots.extend(own);
        at = at.max(newest);
    }
    let anchors = Anchors::new(roots);
    match container.check(&asked(&anchors, at)) {
        Err(error) => Verdict::Rejected(error.to_string()),
        Ok(found) if found.holds() => Verdict::Accepted,
        Ok(found) => {
            let mut told: Vec<String> = found.faults.into_iter().map(|(_, fault)| fault).collect();
            told.extend(found.records.iter().flat_map(|(_, report)| faults(report)));
            Verdict::Rejected(told.join("; "))
        }
    }
}

fn verdict(report: &Report) -> Result<(), String> {
    if report.holds() {
        Ok(())
    } else {
        Err(faults(report).join("; "))
    }
}

fn asked(anchors: &Anchors, at: Timestamp) -> Question<'_> {
    static ENDS: std::sync::LazyLock<Ends> = std::sync::LazyLock::new(Ends::built_in);
    Question {
        anchors,
        certificates: &[],
        ends: &ENDS,
        at,
        scope: Scope::Each,
    }
}

fn believed(record: &EvidenceRecord) -> (Anchors, Timestamp) {
    let (roots, at) = roots_of(record);
    (Anchors::new(roots), at)
}

/// The topmost certificates of each token, and the time of the newest.
fn roots_of(record: &EvidenceRecord) -> (Vec<Certificate>, Timestamp) {
    let (mut roots, mut at) = (Vec::new(), NOW.minus_ms(100 * YEAR));
    for token in record.tokens().unwrap() {
        let Ok(token) = Token::open(&token) else {
            continue;
        };
        at = at.max(token.time());
        let all = token.certificates();
        roots.extend(
            all.iter()
                .filter(|one| one.extensions().is_authority())
                .cloned(),
        );
    }
    (roots, at)
}
