//! Documents by others: good, broken and sneakily updated ones.
//!
//! What to expect of each stands in `tests/suites/pdf.txt`, with why. The authorities of these
//! files come inside the files; the second column is what holds once they are believed.

use std::collections::BTreeMap;

use super::*;
use crate::fixture;

/// All certificates of the files live in these days; some end with that year.
fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2020-12-01T00:00:00.000Z").unwrap()
}

/// `verdict[/reason]:integrity:changes` for each signature, then `!problem`.
fn told(report: &PdfReport) -> String {
    let signatures = report.signatures.iter().map(|one| {
        let reason = one
            .reason
            .map_or(String::new(), |reason| format!("/{}", reason.code()));
        format!(
            "{}{reason}:{}:{}:{}",
            one.verdict.code(),
            one.integrity.code(),
            one.coverage.code(),
            one.changes.code()
        )
    });
    let problems = report
        .problems
        .iter()
        .map(|problem| format!("!{}", problem.code()));
    let all: Vec<String> = signatures.chain(problems).collect();
    if all.is_empty() {
        "-".to_owned()
    } else {
        all.join(" ")
    }
}

/// Self-signed certificates inside the document's signatures: nobody should believe them; here
/// they stand for the authorities that the makers of the files trusted.
fn inner_roots(bytes: &[u8]) -> Anchors {
    let mut file = Cursor::new(bytes);
    let mut source = Source::new(&mut file, u64::try_from(bytes.len()).unwrap());
    let mut sections = Sections::default();
    let end = source.bytes();
    let mut roots = Vec::new();
    let Ok(mut document) = Document::open(&mut source, &mut sections, end) else {
        return Anchors::default();
    };
    for found in signatures(&mut document, &mut source).unwrap_or_default() {
        let Some(Object::Text(contents)) = found.dictionary.get("Contents") else {
            continue;
        };
        let Ok(outer) = cms::Cms::parse(&contents.bytes) else {
            continue;
        };
        let inner = outer.token.and_then(|token| cms::Cms::parse(token).ok());
        let inner = inner.map(|inner| inner.certificates).unwrap_or_default();
        let all = outer.certificates.iter().chain(&inner);
        roots.extend(all.filter(|one| one.is_self_issued()).cloned());
    }
    Anchors::new(roots)
}

#[test]
fn documents_by_others_are_told_apart() {
    let Some(folder) = fixture::suite("pdf") else {
        return;
    };
    let table = include_str!("../../../tests/suites/pdf.txt");
    let mut expected: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for line in table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (rule, why) = line.split_once('#').unwrap_or((line, ""));
        assert!(!why.trim().is_empty(), "a line without its reason: {line}");
        let parts: Vec<&str> = rule.split('|').map(str::trim).collect();
        let [name, alone, believed] = parts[..] else {
            panic!("three columns: {line}");
        };
        expected.insert(name, (alone, believed));
    }
    let mut wrong = Vec::new();
    let mut right = 0;
    for (name, bytes) in fixture::files(&folder) {
        if !name.ends_with(".pdf") {
            continue;
        }
        let alone = told(&checked(&bytes, &Anchors::default(), now()));
        let believed = told(&checked(&bytes, &inner_roots(&bytes), now()));
        match expected.get(name.as_str()) {
            Some((a, b)) if *a == alone && *b == believed => right += 1,
            _ => wrong.push(format!("{name} | {alone} | {believed}")),
        }
    }
    println!("pdf: {right} right, {} other", wrong.len());
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}
