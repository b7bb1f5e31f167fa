//! SPEC.md and the code point at each other: a clause without code, or code whose clause is gone, fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every `[spec:…]` in a text.
fn marks(text: &str) -> Vec<String> {
    let starts = text.split("[spec:").skip(1);
    starts
        .filter_map(|rest| rest.split_once(']'))
        .map(|(mark, _)| mark.to_owned())
        .filter(|mark| mark.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
        .collect()
}

fn code_marks(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            code_marks(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.extend(marks(&fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn every_clause_has_its_code_and_every_mark_its_clause() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spec = fs::read_to_string(root.join("SPEC.md")).unwrap();
    // The sentence that explains the marks has a letter for the number.
    let clauses: Vec<String> = marks(&spec)
        .into_iter()
        .filter(|mark| !mark.ends_with("-N"))
        .collect();
    let mut in_code = BTreeSet::new();
    code_marks(&root.join("src"), &mut in_code);
    let in_spec: BTreeSet<String> = clauses.iter().cloned().collect();
    assert_eq!(clauses.len(), in_spec.len(), "a clause stands twice");
    let without_code: Vec<_> = in_spec.difference(&in_code).collect();
    let without_clause: Vec<_> = in_code.difference(&in_spec).collect();
    assert!(without_code.is_empty(), "no code for {without_code:?}");
    assert!(
        without_clause.is_empty(),
        "no clause for {without_clause:?}"
    );
    assert!(in_spec.len() >= 34, "{} clauses", in_spec.len());
}

/// Every code that the rulebook explains is named in the specification.
#[test]
fn every_code_stands_in_the_specification() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spec = fs::read_to_string(root.join("SPEC.md")).unwrap();
    let rules = fs::read_to_string(root.join("src/edxml/rulebook.rs")).unwrap();
    let mut count = 0;
    for quoted in rules.split('"').skip(1).step_by(2) {
        let coded = quoted.starts_with("E-") || quoted.starts_with("W-");
        if coded
            && quoted
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
        {
            assert!(spec.contains(quoted), "{quoted} is not in SPEC.md");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}
